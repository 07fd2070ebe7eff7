-- Bytes on disk, when nothing but purchases has been written: a year by the month,
-- then some by random members, so that the indexes are as full as they stay.
\set ON_ERROR_STOP on

CREATE TABLE bench.size AS
SELECT pg_total_relation_size('loyalty.journal') / (SELECT count(*) FROM loyalty.journal) AS journal,
	pg_total_relation_size('loyalty.entry') / (SELECT count(*) FROM loyalty.entry) AS entry;

INSERT INTO bench.measure (title, value, target, met)
SELECT 'bytes on disk of a purchase that moves three units, indexes included', journal + 3 * entry,
	'<= 700', journal + 3 * entry <= 700
FROM bench.size;
INSERT INTO bench.measure (title, value)
SELECT format('of these %s for the row of the journal, with a key and a ref of 15 bytes, and for each entry', journal),
	entry
FROM bench.size;

INSERT INTO bench.measure (title, value, target, met)
SELECT 'bytes of an account row', bytes, '< 1000', bytes < 1000
FROM (SELECT avg(pg_column_size(account.*))::int AS bytes FROM loyalty.account) AS size;
