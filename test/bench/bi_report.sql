-- The tables, as Markdown

-- Where much more passed than the processor worked, the machine was busy with
-- something else, and the processor counts.
CREATE VIEW bench.median AS
SELECT m.*, CASE WHEN m.elapsed > 1.5 * m.cpu THEN m.cpu ELSE m.elapsed END < m.target AS met
FROM (SELECT q.position, q.title, q.target, percentile_cont(0.5) WITHIN GROUP (ORDER BY t.elapsed) AS elapsed,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY t.cpu) AS cpu, max(t.cpu) AS most, max(t.elapsed) AS slowest
	FROM bench.query q JOIN bench.timing t USING (position)
	GROUP BY q.position) m;

CREATE FUNCTION bench.missed() RETURNS bigint LANGUAGE sql
RETURN (SELECT count(*) FROM bench.median WHERE NOT met);

\pset format unaligned
\pset tuples_only on
\echo
SELECT format('%s members, %s rows in the journal, %s entries, %s on disk. Folded: %s rows a second; %s rows are not.',
	to_char((SELECT count(*) FROM loyalty.account), 'FM999,999,999'), to_char((SELECT count(*) FROM loyalty.journal), 'FM999,999,999'),
	to_char((SELECT count(*) FROM loyalty.entry), 'FM999,999,999'), pg_size_pretty(pg_database_size(current_database())),
	to_char(folded / seconds, 'FM999,999'), to_char(tail, 'FM999,999')) FROM bench.fold;
\echo
\echo '| As the reader | Median, ms | of it the processor | Slowest | the processor | Target | |'
\echo '|---|--:|--:|--:|--:|--:|---|'
SELECT format('| %s | %s | %s | %s | %s | %s | %s |', title, round(elapsed), round(cpu), round(slowest), round(most),
	'< ' || target, CASE met WHEN true THEN 'ok' WHEN false THEN '**missed**' END)
FROM bench.median ORDER BY position;
