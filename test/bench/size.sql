-- Bytes on disk, when nothing but purchases has been written: a year by the month,
-- then some by random members, so that the indexes are as full as they stay. Every
-- purchase has a ref and a key. What it would cost without the key is told besides:
-- the rows are written once more, in the same order, without it.
\set ON_ERROR_STOP on

CREATE TABLE bench.keyless (LIKE loyalty.journal INCLUDING ALL);
SELECT format('INSERT INTO bench.keyless SELECT %s FROM loyalty.journal ORDER BY journal_id',
	string_agg(CASE attname WHEN 'key' THEN 'NULL' ELSE quote_ident(attname) END, ', ' ORDER BY attnum))
FROM pg_attribute WHERE attrelid = 'loyalty.journal'::regclass AND attnum > 0 \gexec

CREATE TABLE bench.size AS
SELECT pg_total_relation_size('loyalty.journal') / (SELECT count(*) FROM loyalty.journal) AS journal,
	pg_total_relation_size('bench.keyless') / (SELECT count(*) FROM bench.keyless) AS keyless,
	pg_total_relation_size('loyalty.entry') / (SELECT count(*) FROM loyalty.entry) AS entry;

INSERT INTO bench.measure (title, value, target, met)
SELECT 'bytes on disk of a purchase that moves three units, indexes included', journal + 3 * entry,
	'<= 700', journal + 3 * entry <= 700
FROM bench.size
UNION ALL
SELECT 'of these for its key of 15 bytes, which lies beside a ref of 15 bytes', journal - keyless, NULL, NULL
FROM bench.size
UNION ALL
SELECT 'of these for each entry', entry, NULL, NULL
FROM bench.size;

DROP TABLE bench.keyless;

INSERT INTO bench.measure (title, value, target, met)
SELECT 'bytes of an account row', bytes, '< 1000', bytes < 1000
FROM (SELECT avg(pg_column_size(account.*))::int AS bytes FROM loyalty.account) AS size;
