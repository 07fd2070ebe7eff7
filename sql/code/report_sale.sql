-- What was sold: orders, amounts, refunds.

CREATE OR REPLACE FUNCTION loyalty.report_sale(program text, since date, until date, by text DEFAULT NULL,
	grain text DEFAULT NULL)
RETURNS TABLE (period date, part text, orders bigint, amount numeric, refunds bigint, refunded numeric,
	net numeric, average_order numeric, currency text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 30
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_sale.program, report_sale.since, report_sale.until, report_sale.by,
		report_sale.grain);

	WITH found AS MATERIALIZED (
		SELECT p.program_id, p.currency, p.currency_scale AS scale
		FROM loyalty.program p
		WHERE p.name = report_sale.program
	), valued AS (
		SELECT f.program_id, greatest(date_trunc(report_sale.grain, s.day::timestamp)::date, report_sale.since) AS period,
			s.value, sum(s.orders) AS orders, sum(s.amount) AS amount, sum(s.refunds) AS refunds,
			sum(s.refunded) AS refunded
		FROM found f
		CROSS JOIN LATERAL loyalty.report_sale_sum(f.program_id, report_sale.since, report_sale.until,
			coalesce(report_sale.by, 'all')) s
		GROUP BY 1, 2, 3
		HAVING sum(s.orders) <> 0 OR sum(s.refunds) <> 0
	), sold AS (
		-- no tier and the base tier are one part
		SELECT v.period, loyalty.report_part(v.program_id, report_sale.by, v.value) AS part,
			sum(v.orders) AS orders, sum(v.amount) AS amount, sum(v.refunds) AS refunds, sum(v.refunded) AS refunded
		FROM valued v
		GROUP BY 1, 2
	)
	SELECT c.first_day, s.part, coalesce(s.orders, 0)::bigint,
		loyalty.unit_amount(coalesce(s.amount, 0)::bigint, f.scale), coalesce(s.refunds, 0)::bigint,
		loyalty.unit_amount(coalesce(s.refunded, 0)::bigint, f.scale),
		loyalty.unit_amount(coalesce(s.amount - s.refunded, 0)::bigint, f.scale),
		loyalty.unit_amount(round(s.amount / nullif(s.orders, 0))::bigint, f.scale), f.currency
	FROM found f
	CROSS JOIN loyalty.report_calendar(report_sale.since, report_sale.until, report_sale.grain) c
	LEFT JOIN sold s ON s.period = c.first_day
	WHERE report_sale.by IS NULL OR s.period IS NOT NULL
	ORDER BY c.first_day, s.part;
END;
COMMENT ON FUNCTION loyalty.report_sale(text, date, date, text, text) IS
'Orders, what they came to, and what of them was refunded, by period and by channel, store, staff or tier; a refund counts on its own day';
