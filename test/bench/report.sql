-- The tables, as Markdown

CREATE VIEW bench.median AS
SELECT position, title, c.floor_target, c.plpgsql_target,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY s.tps) AS tps,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY f.tps) AS floor_tps,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY p.tps) AS plpgsql_tps,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY s.tps / f.tps) AS floor_ratio,
	min(s.tps / f.tps) AS floor_low, max(s.tps / f.tps) AS floor_high,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY s.tps / p.tps) AS plpgsql_ratio,
	min(s.tps / p.tps) AS plpgsql_low, max(s.tps / p.tps) AS plpgsql_high
FROM bench.comparison c
JOIN bench.result s ON s.operation = c.operation AND s.variant = c.subject
LEFT JOIN bench.result f ON f.operation = c.operation AND f.variant = c.floor AND f.round = s.round
LEFT JOIN bench.result p ON p.operation = c.operation AND p.variant = c.plpgsql AND p.round = s.round
GROUP BY c.position;

CREATE VIEW bench.target AS
SELECT position, floor_ratio >= floor_target AND coalesce(plpgsql_ratio >= plpgsql_target, true) AS met
FROM bench.median WHERE floor_target IS NOT NULL;

CREATE FUNCTION bench.missed() RETURNS bigint LANGUAGE sql
RETURN (SELECT count(*) FROM (SELECT met FROM bench.target UNION ALL SELECT met FROM bench.measure) AS t WHERE NOT met);

CREATE FUNCTION bench.ratio(ratio float8, low float8, high float8, target numeric) RETURNS text LANGUAGE sql
RETURN CASE WHEN ratio IS NULL THEN '' ELSE
	format('%s x [%s, %s]', round(ratio::numeric, 2), round(low::numeric, 2), round(high::numeric, 2))
	|| coalesce(', target ' || target, '') END;

CREATE FUNCTION bench.verdict(met boolean) RETURNS text LANGUAGE sql
RETURN CASE met WHEN true THEN 'ok' WHEN false THEN '**missed**' ELSE '' END;

\pset format unaligned
\pset tuples_only on
\echo
\echo '| Operation | loyalty/s | floor/s | PL/pgSQL/s | loyalty : floor | loyalty : PL/pgSQL | |'
\echo '|---|--:|--:|--:|---|---|---|'
SELECT format('| %s | %s | %s | %s | %s | %s | %s |', title, round(tps), round(floor_tps), round(plpgsql_tps),
	bench.ratio(floor_ratio, floor_low, floor_high, floor_target),
	bench.ratio(plpgsql_ratio, plpgsql_low, plpgsql_high, plpgsql_target),
	bench.verdict(met))
FROM bench.median LEFT JOIN bench.target USING (position)
ORDER BY position;

\echo
\echo '| Measure | Value | Target | |'
\echo '|---|--:|--:|---|'
SELECT format('| %s | %s | %s | %s |', title, value, target, bench.verdict(met))
FROM bench.measure ORDER BY position;

-- Both must have written the same rows, or the floor is none.
\echo
\echo '| Written per call | rows by loyalty | rows by the floor (sent as) | WAL bytes: loyalty | floor | PL/pgSQL |'
\echo '|---|---|---|--:|--:|--:|'
WITH written AS (
	SELECT operation, variant, relname,
		sum(CASE phase WHEN 'after' THEN inserted ELSE -inserted END) AS inserted,
		sum(CASE phase WHEN 'after' THEN updated ELSE -updated END) AS updated
	FROM bench.written GROUP BY operation, variant, relname
), call AS (
	SELECT operation, variant, sum(calls) AS calls, min(wal / calls) AS wal
	FROM bench.result GROUP BY operation, variant
), rows AS (
	SELECT operation, variant,
		string_agg(format('%s %s', relname, round((inserted + updated) / calls, 1)), ', ' ORDER BY relname) AS rows
	FROM written JOIN call USING (operation, variant)
	WHERE inserted + updated > 0.01 * calls
	GROUP BY operation, variant
)
SELECT format('| `%s` | %s | %s (%s) | %s | %s | %s |', operation, l.rows, f.rows, way,
	round(cl.wal), round(cf.wal), round(cp.wal))
FROM rows l
JOIN rows f USING (operation)
JOIN bench.floor USING (operation)
JOIN call cl USING (operation)
JOIN call cf USING (operation)
JOIN call cp USING (operation)
WHERE l.variant = 'loyalty' AND f.variant = 'floor'
AND cl.variant = 'loyalty' AND cf.variant = 'floor' AND cp.variant = 'plpgsql'
ORDER BY (SELECT min(position) FROM bench.comparison c WHERE c.operation = l.operation);
