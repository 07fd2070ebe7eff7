-- The figures at the top of a dashboard, against the time before and a year ago.

-- All of the ranges at once, so that what they have in common is read once.
CREATE OR REPLACE FUNCTION loyalty.report_measure(program text, since date, until date)
RETURNS TABLE (range text, measure text, value numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 60
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH found AS MATERIALIZED (
		SELECT p.program_id, p.currency_scale AS scale, u.unit_id, u.scale AS unit_scale
		FROM loyalty.program p
		LEFT JOIN loyalty.unit u ON u.program_id = p.program_id AND u.code = 'points'
		WHERE p.name = report_measure.program
	), span AS MATERIALIZED (
		SELECT r.range, r.first_day, r.last_day, row_number() OVER (ORDER BY r.first_day, r.range) AS place
		FROM loyalty.report_ranges(report_measure.since, report_measure.until) r
	), step AS MATERIALIZED (
		SELECT s.day, s.joined, s.joined - s.closed + s.reopened AS members
		FROM found f
		CROSS JOIN LATERAL loyalty.report_member_sum(f.program_id, '-infinity', report_measure.until, 'all') s
	), sale AS MATERIALIZED (
		SELECT s.day, s.orders, s.amount, s.refunded
		FROM found f
		CROSS JOIN LATERAL loyalty.report_sale_sum(f.program_id, (SELECT min(x.first_day) FROM span x), report_measure.until,
			'all') s
	), present AS MATERIALIZED (
		-- the first of the places are the buyers', the others those of who was active
		SELECT c.place, c.members, c.first_timers, c.once_only
		FROM found f
		CROSS JOIN LATERAL loyalty.report_present(f.program_id, '{buyer,buyer,buyer,active,active,active}',
			(SELECT array_agg(x.first_day ORDER BY x.place) || array_agg(x.last_day - 29 ORDER BY x.place) FROM span x),
			(SELECT array_agg(x.last_day ORDER BY x.place) || array_agg(x.last_day ORDER BY x.place) FROM span x)) c
	), flow AS MATERIALIZED (
		SELECT w.day, w.issued, w.spent, w.expired, w.issued - w.spent - w.expired + w.adjusted + w.transferred AS net
		FROM found f
		CROSS JOIN LATERAL loyalty.report_flow(f.program_id, '-infinity', report_measure.until, 'all') w
		WHERE w.unit_id = f.unit_id
	)
	SELECT r.range, v.measure, v.value
	FROM found f
	CROSS JOIN span r
	CROSS JOIN LATERAL (
		SELECT coalesce(sum(s.members), 0) AS members,
			coalesce(sum(s.joined) FILTER (WHERE s.day >= r.first_day), 0) AS joined
		FROM step s
		WHERE s.day <= r.last_day) m
	CROSS JOIN LATERAL (
		SELECT coalesce(sum(s.orders), 0) AS orders, coalesce(sum(s.amount), 0) AS amount,
			coalesce(sum(s.refunded), 0) AS refunded
		FROM sale s
		WHERE s.day BETWEEN r.first_day AND r.last_day) o
	JOIN present b ON b.place = r.place
	JOIN present a ON a.place = r.place + 3
	CROSS JOIN LATERAL (
		SELECT coalesce(sum(w.issued) FILTER (WHERE w.day >= r.first_day), 0) AS issued,
			coalesce(sum(w.spent) FILTER (WHERE w.day >= r.first_day), 0) AS spent,
			coalesce(sum(w.expired) FILTER (WHERE w.day >= r.first_day), 0) AS expired,
			coalesce(sum(w.net), 0) AS outstanding
		FROM flow w
		WHERE w.day <= r.last_day) p
	CROSS JOIN LATERAL loyalty.report_member_share(report_measure.program, r.first_day, r.last_day) g
	CROSS JOIN LATERAL (VALUES
		('members', m.members), ('joined', m.joined), ('active_30', a.members),
		('active_share_30', round(a.members / nullif(m.members, 0), 4)),
		('buyers', b.members), ('new_buyers', b.first_timers),
		('repurchase_rate', round((b.members - b.once_only)::numeric / nullif(b.members, 0), 4)),
		('orders', o.orders), ('revenue', loyalty.unit_amount(o.amount::bigint, f.scale)),
		('net', loyalty.unit_amount((o.amount - o.refunded)::bigint, f.scale)),
		('average_order', loyalty.unit_amount(round(o.amount / nullif(o.orders, 0))::bigint, f.scale)),
		('frequency', round(o.orders / nullif(b.members, 0), 4)),
		('points_issued', loyalty.unit_amount(p.issued::bigint, f.unit_scale)),
		('points_spent', loyalty.unit_amount(p.spent::bigint, f.unit_scale)),
		('points_expired', loyalty.unit_amount(p.expired::bigint, f.unit_scale)),
		('points_outstanding', loyalty.unit_amount(p.outstanding::bigint, f.unit_scale)),
		('burn_rate', round(p.spent / nullif(p.issued, 0), 4)), ('member_share', g.member_share)) v (measure, value);
END;
COMMENT ON FUNCTION loyalty.report_measure(text, date, date) IS
'For report_headline: the figures of a range of days, of the range before it and of a year ago';

CREATE OR REPLACE FUNCTION loyalty.report_measure_part(program text, since date, until date, by text)
RETURNS TABLE (part text, measure text, value numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 20
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT g.part, m.measure, m.value
	FROM loyalty.report_growth(report_measure_part.program, report_measure_part.since, report_measure_part.until, report_measure_part.by) g
	CROSS JOIN LATERAL (VALUES ('members', g.members::numeric), ('joined', g.joined::numeric)) m (measure, value)
	UNION ALL
	SELECT a.part, m.measure, m.value
	FROM loyalty.report_active(report_measure_part.program, report_measure_part.until, report_measure_part.by) a
	CROSS JOIN LATERAL (VALUES ('active_30', a.active::numeric), ('active_share_30', a.share)) m (measure, value)
	WHERE a.days = 30
	UNION ALL
	SELECT b.part, m.measure, m.value
	FROM loyalty.report_buyer(report_measure_part.program, report_measure_part.since, report_measure_part.until, report_measure_part.by) b
	CROSS JOIN LATERAL (VALUES ('buyers', b.buyers::numeric), ('new_buyers', b.new_buyers::numeric),
		('repurchase_rate', b.repurchase_rate), ('frequency', b.frequency)) m (measure, value)
	UNION ALL
	SELECT s.part, m.measure, m.value
	FROM loyalty.report_sale(report_measure_part.program, report_measure_part.since, report_measure_part.until, report_measure_part.by) s
	CROSS JOIN LATERAL (VALUES ('orders', s.orders::numeric), ('revenue', s.amount), ('net', s.net),
		('average_order', s.average_order)) m (measure, value)
	UNION ALL
	SELECT u.part, m.measure, m.value
	FROM loyalty.program p
	JOIN loyalty.unit x ON x.program_id = p.program_id AND x.code = 'points'
	CROSS JOIN LATERAL loyalty.report_points_usage(p.name, report_measure_part.since, report_measure_part.until, x.code,
		report_measure_part.by) u
	CROSS JOIN LATERAL (VALUES ('points_issued', u.issued), ('points_spent', u.spent), ('points_expired', u.expired),
		('points_outstanding', u.outstanding), ('burn_rate', u.burn_rate)) m (measure, value)
	WHERE p.name = report_measure_part.program
	UNION ALL
	SELECT g.part, 'member_share', g.member_share
	FROM loyalty.report_member_share(report_measure_part.program, report_measure_part.since, report_measure_part.until,
		report_measure_part.by) g;
END;
COMMENT ON FUNCTION loyalty.report_measure_part(text, date, date, text) IS
'For report_headline: the figures of one range of days by channel, store, staff or tier';

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
		SELECT m.part, m.measure, max(m.value) FILTER (WHERE m.range = 'current') AS value,
			max(m.value) FILTER (WHERE m.range = 'previous') AS previous,
			max(m.value) FILTER (WHERE m.range = 'last_year') AS last_year
		FROM (
			SELECT NULL::text AS part, x.range, x.measure, x.value
			FROM loyalty.report_measure(report_headline.program, report_headline.since, report_headline.until) x
			WHERE report_headline.by IS NULL
			UNION ALL
			SELECT x.part, r.range, x.measure, x.value
			FROM loyalty.report_ranges(report_headline.since, report_headline.until) r
			CROSS JOIN LATERAL loyalty.report_measure_part(report_headline.program, r.first_day, r.last_day,
				report_headline.by) x
			WHERE report_headline.by IS NOT NULL) m
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
