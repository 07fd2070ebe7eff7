-- What members buy, against those who are none.

CREATE OR REPLACE FUNCTION loyalty.report_member_share(program text, since date, until date, by text DEFAULT NULL,
	grain text DEFAULT NULL)
RETURNS TABLE (period date, part text, member_orders bigint, member_sales numeric, guest_orders bigint, guest_sales numeric,
	member_share numeric, member_basket numeric, guest_basket numeric, lift numeric, currency text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 30
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_member_share.program, report_member_share.since, report_member_share.until,
		report_member_share.by, report_member_share.grain);

	WITH found AS MATERIALIZED (
		SELECT p.program_id, p.time_zone, p.currency, p.currency_scale AS scale,
			report_member_share.since::timestamp AT TIME ZONE p.time_zone AS first_at,
			(report_member_share.until + 1)::timestamp AT TIME ZONE p.time_zone AS end_at
		FROM loyalty.program p
		WHERE p.name = report_member_share.program
	), member AS (
		SELECT s.day, s.value, s.orders, s.amount, s.refunded
		FROM found f
		CROSS JOIN LATERAL loyalty.report_sale_sum(f.program_id, report_member_share.since, report_member_share.until,
			coalesce(report_member_share.by, 'all')) s
	), guest AS (
		-- a guest has no tier
		SELECT (g.at AT TIME ZONE f.time_zone)::date AS day,
			CASE report_member_share.by WHEN 'channel' THEN g.channel WHEN 'store' THEN g.store
				WHEN 'staff' THEN g.staff END AS part,
			count(*) FILTER (WHERE g.refund_ref = '') AS orders,
			coalesce(sum(g.amount) FILTER (WHERE g.refund_ref = ''), 0) AS amount,
			coalesce(sum(g.amount) FILTER (WHERE g.refund_ref <> ''), 0) AS refunded
		FROM found f
		JOIN loyalty.guest_order g ON g.program_id = f.program_id
		WHERE g.at >= f.first_at AND g.at < f.end_at
		GROUP BY 1, 2
	), grouped AS (
		SELECT x.period, x.part, sum(x.member_orders) AS member_orders, sum(x.member_amount) AS member_amount,
			sum(x.member_refunded) AS member_refunded, sum(x.guest_orders) AS guest_orders,
			sum(x.guest_amount) AS guest_amount, sum(x.guest_refunded) AS guest_refunded
		FROM (
			SELECT v.period, loyalty.report_part(f.program_id, report_member_share.by, v.value) AS part,
				v.orders AS member_orders, v.amount AS member_amount, v.refunded AS member_refunded,
				0 AS guest_orders, 0 AS guest_amount, 0 AS guest_refunded
			FROM found f
			CROSS JOIN (
				SELECT coalesce(greatest(date_trunc(report_member_share.grain, m.day::timestamp)::date, report_member_share.since),
						report_member_share.since) AS period,
					m.value, sum(m.orders) AS orders, sum(m.amount) AS amount, sum(m.refunded) AS refunded
				FROM member m
				GROUP BY 1, 2
				HAVING sum(m.orders) <> 0 OR sum(m.refunded) <> 0) v
			UNION ALL
			SELECT coalesce(greatest(date_trunc(report_member_share.grain, g.day::timestamp)::date, report_member_share.since),
					report_member_share.since),
				g.part, 0, 0, 0, g.orders, g.amount, g.refunded
			FROM guest g) x
		GROUP BY x.period, x.part
	)
	SELECT c.first_day, g.part, coalesce(g.member_orders, 0)::bigint,
		loyalty.unit_amount(coalesce(g.member_amount - g.member_refunded, 0)::bigint, f.scale),
		coalesce(g.guest_orders, 0)::bigint,
		loyalty.unit_amount(coalesce(g.guest_amount - g.guest_refunded, 0)::bigint, f.scale),
		round((g.member_amount - g.member_refunded)
			/ nullif(g.member_amount - g.member_refunded + g.guest_amount - g.guest_refunded, 0), 4),
		loyalty.unit_amount(round(g.member_amount / nullif(g.member_orders, 0))::bigint, f.scale),
		loyalty.unit_amount(round(g.guest_amount / nullif(g.guest_orders, 0))::bigint, f.scale),
		round((g.member_amount / nullif(g.member_orders, 0)) / nullif(g.guest_amount / nullif(g.guest_orders, 0), 0) - 1, 4),
		f.currency
	FROM found f
	CROSS JOIN loyalty.report_calendar(report_member_share.since, report_member_share.until, report_member_share.grain) c
	LEFT JOIN grouped g ON g.period = c.first_day
	WHERE report_member_share.by IS NULL OR g.period IS NOT NULL
	ORDER BY c.first_day, g.part NULLS FIRST;
END;
COMMENT ON FUNCTION loyalty.report_member_share(text, date, date, text, text) IS
'Sales to members and to guests, refunds deducted, the members'' share of both, and how much more a member''s order comes to than a guest''s';
