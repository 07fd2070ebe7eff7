-- The figures at the top of a dashboard, against the time before and a year ago.

CREATE OR REPLACE FUNCTION loyalty.report_measure(program text, since date, until date, by text)
RETURNS TABLE (part text, measure text, value numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 20
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT g.part, m.measure, m.value
	FROM loyalty.report_growth(report_measure.program, report_measure.since, report_measure.until, report_measure.by) g
	CROSS JOIN LATERAL (VALUES ('members', g.members::numeric), ('joined', g.joined::numeric)) m (measure, value)
	UNION ALL
	SELECT a.part, m.measure, m.value
	FROM loyalty.report_active(report_measure.program, report_measure.until, report_measure.by) a
	CROSS JOIN LATERAL (VALUES ('active_30', a.active::numeric), ('active_share_30', a.share)) m (measure, value)
	WHERE a.days = 30
	UNION ALL
	SELECT b.part, m.measure, m.value
	FROM loyalty.report_buyer(report_measure.program, report_measure.since, report_measure.until, report_measure.by) b
	CROSS JOIN LATERAL (VALUES ('buyers', b.buyers::numeric), ('new_buyers', b.new_buyers::numeric),
		('repurchase_rate', b.repurchase_rate), ('frequency', b.frequency)) m (measure, value)
	UNION ALL
	SELECT s.part, m.measure, m.value
	FROM loyalty.report_sale(report_measure.program, report_measure.since, report_measure.until, report_measure.by) s
	CROSS JOIN LATERAL (VALUES ('orders', s.orders::numeric), ('revenue', s.amount), ('net', s.net),
		('average_order', s.average_order)) m (measure, value);
END;
COMMENT ON FUNCTION loyalty.report_measure(text, date, date, text) IS
'For report_headline: the figures of one range of days';

CREATE OR REPLACE FUNCTION loyalty.report_headline(program text, since date, until date, by text DEFAULT NULL)
RETURNS TABLE (part text, measure text, value numeric, previous numeric, last_year numeric, change numeric,
	change_year numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 20
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_headline.program, report_headline.since, report_headline.until,
		report_headline.by);

	WITH figure AS (
		SELECT m.part, m.measure, max(m.value) FILTER (WHERE r.range = 'current') AS value,
			max(m.value) FILTER (WHERE r.range = 'previous') AS previous,
			max(m.value) FILTER (WHERE r.range = 'last_year') AS last_year
		FROM loyalty.report_ranges(report_headline.since, report_headline.until) r
		CROSS JOIN LATERAL loyalty.report_measure(report_headline.program, r.first_day, r.last_day,
			report_headline.by) m
		GROUP BY m.part, m.measure
	)
	SELECT f.part, f.measure, f.value, f.previous, f.last_year,
		round((f.value - f.previous) / nullif(f.previous, 0), 4),
		round((f.value - f.last_year) / nullif(f.last_year, 0), 4)
	FROM figure f
	ORDER BY f.part, array_position('{members,joined,active_30,active_share_30,buyers,new_buyers,repurchase_rate,orders,revenue,net,average_order,frequency,points_issued,points_spent,points_expired,points_outstanding,burn_rate,member_share}'::text[], f.measure);
END;
COMMENT ON FUNCTION loyalty.report_headline(text, date, date, text) IS
'The main figures of a range of days, of the range before it and of a year ago, and by which share they changed';
