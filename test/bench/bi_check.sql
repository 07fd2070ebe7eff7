-- The same answers without the sums: first what can be asked of the ledger in a few
-- lines; then, where there are few members, everything, with the sums and the note of
-- what is in them thrown away. Raises what differs.
-- Variables: all
\set ON_ERROR_STOP on
SET jit = off;

CREATE FUNCTION bench.missing(one text, other text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM ((%s) EXCEPT ALL (%s)) x', one, other) INTO n;
	RETURN n;
END
$$;
CREATE TABLE bench.difference AS
SELECT q.title, 'ledger' AS way, bench.missing(q.slow, q.statement) AS missing, bench.missing(q.statement, q.slow) AS more
FROM bench.query q WHERE q.slow IS NOT NULL;

\if :all
SELECT format('CREATE TABLE bench.answer_%s AS %s', position, statement) FROM bench.query ORDER BY position \gexec
SELECT format('TRUNCATE loyalty.%I', table_name) FROM loyalty.table_kind
WHERE table_name ~ '^report_(folded|mark|coupon_seen|run_seen|run_change|message_change|.*_(day|month|count)|second)$' \gexec
-- those of messages and of runs are not made of the ledger
SELECT loyalty.report_message_correct(NULL) \g /dev/null
SELECT loyalty.report_run_correct(NULL) \g /dev/null
INSERT INTO bench.difference
SELECT q.title, 'without sums', bench.missing(q.statement, format('TABLE bench.answer_%s', position)),
	bench.missing(format('TABLE bench.answer_%s', position), q.statement)
FROM bench.query q;
\endif

SELECT count(*) AS compared, count(*) FILTER (WHERE missing + more > 0) > 0 AS different FROM bench.difference \gset
\if :different
TABLE bench.difference;
\endif
