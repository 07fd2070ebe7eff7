-- What units did: the roll-forward, and how they are used.

CREATE OR REPLACE FUNCTION loyalty.report_points(program text, since date, until date, unit text DEFAULT 'points',
	by text DEFAULT NULL, grain text DEFAULT NULL)
RETURNS TABLE (period date, part text, opening numeric, issued numeric, spent numeric, held numeric, expired numeric,
	adjusted numeric, transferred numeric, closing numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 30
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.unit_require(loyalty.report_require(report_points.program, report_points.since, report_points.until,
		report_points.by, report_points.grain), report_points.unit);

	WITH found AS MATERIALIZED (
		SELECT p.program_id, u.unit_id, u.scale
		FROM loyalty.program p
		JOIN loyalty.unit u ON u.program_id = p.program_id
		WHERE p.name = report_points.program AND u.code = report_points.unit
	), valued AS (
		SELECT f.program_id, w.value,
			-- what was before is one period, without a day
			CASE WHEN w.day >= report_points.since THEN
				greatest(date_trunc(report_points.grain, w.day::timestamp)::date, report_points.since) END AS period,
			sum(w.issued) AS issued, sum(w.spent) AS spent, sum(w.held) AS held, sum(w.expired) AS expired,
			sum(w.adjusted) AS adjusted, sum(w.transferred) AS transferred
		FROM found f
		CROSS JOIN LATERAL loyalty.report_flow(f.program_id, '-infinity', report_points.until,
			coalesce(report_points.by, 'all')) w
		WHERE w.unit_id = f.unit_id
		GROUP BY 1, 2, 3
	), flow AS MATERIALIZED (
		-- no tier and the base tier are one part
		SELECT loyalty.report_part(v.program_id, report_points.by, v.value) AS part, v.period,
			sum(v.issued) AS issued, sum(v.spent) AS spent, sum(v.held) AS held, sum(v.expired) AS expired,
			sum(v.adjusted) AS adjusted, sum(v.transferred) AS transferred,
			sum(v.issued - v.spent - v.held - v.expired + v.adjusted + v.transferred) AS net
		FROM valued v
		GROUP BY 1, 2
	), part AS (
		SELECT DISTINCT x.part FROM flow x WHERE report_points.by IS NOT NULL
		UNION ALL
		SELECT NULL WHERE report_points.by IS NULL
	), rolled AS (
		SELECT c.first_day, t.part, coalesce(w.issued, 0) AS issued, coalesce(w.spent, 0) AS spent, coalesce(w.held, 0) AS held,
			coalesce(w.expired, 0) AS expired, coalesce(w.adjusted, 0) AS adjusted, coalesce(w.transferred, 0) AS transferred,
			coalesce(w.net, 0) AS net,
			coalesce(o.net, 0) + sum(coalesce(w.net, 0)) OVER (PARTITION BY t.part ORDER BY c.first_day) AS closing,
			w.period IS NOT NULL AS moved
		FROM part t
		CROSS JOIN loyalty.report_calendar(report_points.since, report_points.until, report_points.grain) c
		LEFT JOIN flow w ON w.period = c.first_day AND w.part IS NOT DISTINCT FROM t.part
		LEFT JOIN flow o ON o.period IS NULL AND o.part IS NOT DISTINCT FROM t.part
	)
	SELECT r.first_day, r.part, loyalty.unit_amount((r.closing - r.net)::bigint, f.scale),
		loyalty.unit_amount(r.issued::bigint, f.scale), loyalty.unit_amount(r.spent::bigint, f.scale),
		loyalty.unit_amount(r.held::bigint, f.scale), loyalty.unit_amount(r.expired::bigint, f.scale),
		loyalty.unit_amount(r.adjusted::bigint, f.scale), loyalty.unit_amount(r.transferred::bigint, f.scale),
		loyalty.unit_amount(r.closing::bigint, f.scale)
	FROM found f
	CROSS JOIN rolled r
	WHERE report_points.by IS NULL OR r.moved OR r.closing <> 0
	ORDER BY r.first_day, r.part;
END;
COMMENT ON FUNCTION loyalty.report_points(text, date, date, text, text, text) IS
'Roll-forward of a unit by period and part: opening + issued - spent - held - expired + adjusted + transferred = closing';

CREATE OR REPLACE FUNCTION loyalty.report_points_usage(program text, since date, until date, unit text DEFAULT 'points',
	by text DEFAULT NULL)
RETURNS TABLE (part text, issued numeric, spent numeric, expired numeric, held numeric, outstanding numeric, burn_rate numeric,
	breakage_rate numeric, velocity numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.unit_require(loyalty.report_require(report_points_usage.program, report_points_usage.since,
		report_points_usage.until, report_points_usage.by), report_points_usage.unit);

	WITH found AS MATERIALIZED (
		SELECT p.program_id, u.unit_id, u.scale
		FROM loyalty.program p
		JOIN loyalty.unit u ON u.program_id = p.program_id
		WHERE p.name = report_points_usage.program AND u.code = report_points_usage.unit
	), valued AS (
		SELECT f.program_id, w.value,
			sum(w.issued) FILTER (WHERE w.day >= report_points_usage.since) AS issued,
			sum(w.spent) FILTER (WHERE w.day >= report_points_usage.since) AS spent,
			sum(w.expired) FILTER (WHERE w.day >= report_points_usage.since) AS expired,
			sum(w.held) AS held,
			-- what is held is outstanding
			sum(w.issued - w.spent - w.expired + w.adjusted + w.transferred) FILTER (WHERE w.day < report_points_usage.since) AS before,
			sum(w.issued - w.spent - w.expired + w.adjusted + w.transferred) AS outstanding
		FROM found f
		CROSS JOIN LATERAL loyalty.report_flow(f.program_id, '-infinity', report_points_usage.until,
			coalesce(report_points_usage.by, 'all')) w
		WHERE w.unit_id = f.unit_id
		GROUP BY 1, 2
	), used AS (
		SELECT loyalty.report_part(v.program_id, report_points_usage.by, v.value) AS part,
			coalesce(sum(v.issued), 0) AS issued, coalesce(sum(v.spent), 0) AS spent, coalesce(sum(v.expired), 0) AS expired,
			sum(v.held) AS held, coalesce(sum(v.before), 0) AS before, sum(v.outstanding) AS outstanding
		FROM valued v
		GROUP BY 1
		UNION ALL
		SELECT NULL, 0, 0, 0, 0, 0, 0
		WHERE report_points_usage.by IS NULL AND NOT EXISTS (SELECT FROM valued)
	)
	SELECT u.part, loyalty.unit_amount(u.issued::bigint, f.scale), loyalty.unit_amount(u.spent::bigint, f.scale),
		loyalty.unit_amount(u.expired::bigint, f.scale), loyalty.unit_amount(u.held::bigint, f.scale),
		loyalty.unit_amount(u.outstanding::bigint, f.scale),
		round(u.spent / nullif(u.issued, 0), 4), round(u.expired / nullif(u.issued, 0), 4),
		-- turnovers of the mean of the first and the last day, if it went on for a year
		round(u.spent * 2 * 365 / nullif((u.before + u.outstanding) * (report_points_usage.until - report_points_usage.since + 1), 0), 4)
	FROM found f
	CROSS JOIN used u
	ORDER BY u.part;
END;
COMMENT ON FUNCTION loyalty.report_points_usage(text, date, date, text, text) IS
'How much of a unit was issued, spent and lapsed in a range of days, what is outstanding at its end, and how fast it is used';
