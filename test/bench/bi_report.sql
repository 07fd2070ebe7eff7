-- The tables, as Markdown

CREATE VIEW bench.median AS
SELECT q.position, q.title, percentile_cont(0.5) WITHIN GROUP (ORDER BY t.ms) AS median, max(t.ms) AS slowest, count(*) AS times
FROM bench.query q JOIN bench.timing t USING (position)
GROUP BY q.position;

CREATE FUNCTION bench.missed() RETURNS bigint LANGUAGE sql
RETURN (SELECT count(*) FROM bench.median WHERE median >= 200);

\pset format unaligned
\pset tuples_only on
\echo
SELECT format('%s members, %s rows in the journal, %s entries, %s on disk. %s rows were folded, %s a second; %s are not folded.',
	to_char((SELECT count(*) FROM loyalty.account), 'FM999,999,999'), to_char((SELECT count(*) FROM loyalty.journal), 'FM999,999,999'),
	to_char((SELECT count(*) FROM loyalty.entry), 'FM999,999,999'), pg_size_pretty(pg_database_size(current_database())),
	to_char(folded, 'FM999,999,999'), to_char(folded / seconds, 'FM999,999'), to_char(tail, 'FM999,999')) FROM bench.fold;
\echo
\echo '| As the reader | Median, ms | Slowest, ms | Target | |'
\echo '|---|--:|--:|--:|---|'
SELECT format('| %s | %s | %s | < 200 | %s |', title, round(median::numeric), round(slowest), CASE WHEN median < 200 THEN 'ok' ELSE '**missed**' END)
FROM bench.median ORDER BY position;
