-- What campaigns cost and bring.

CREATE OR REPLACE FUNCTION loyalty.report_campaign_cost(program text, since date, until date)
RETURNS TABLE (campaign text, title text, status text, starts_at timestamptz, ends_at timestamptz, events bigint,
	members bigint, unit text, awarded numeric, worth numeric, coupons bigint, discount numeric, cost numeric,
	budget numeric, used_share numeric, sales numeric, currency text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 50
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_campaign_cost.program, report_campaign_cost.since, report_campaign_cost.until);

	WITH span AS MATERIALIZED (
		SELECT p.program_id, p.currency, p.currency_scale
		FROM loyalty.program p
		WHERE p.name = report_campaign_cost.program
	), kept AS MATERIALIZED (
		SELECT x.campaign_id, x.day, x.unit_id, sum(x.events)::bigint AS events, sum(x.amount)::bigint AS amount
		FROM span s
		CROSS JOIN LATERAL loyalty.report_campaign_sum(s.program_id, report_campaign_cost.since, report_campaign_cost.until) x
		GROUP BY x.campaign_id, x.day, x.unit_id
	), by_unit AS (
		SELECT k.campaign_id, k.unit_id, sum(k.amount)::bigint AS awarded, sum(k.amount * a.money / a.units) AS worth
		FROM kept k
		LEFT JOIN LATERAL (
			SELECT x.money::numeric AS money, x.units::numeric AS units FROM loyalty.unit_anchor x
			WHERE x.unit_id = k.unit_id AND x.valid_from <= k.day
			ORDER BY x.valid_from DESC LIMIT 1) a ON true
		WHERE k.unit_id <> 0
		GROUP BY k.campaign_id, k.unit_id
	), award AS (
		SELECT b.campaign_id, sum(b.worth) AS worth,
			-- of several units the one that is worth most
			(array_agg(b.unit_id ORDER BY abs(b.worth) DESC NULLS LAST, u.kind = 'metric', u.unit_id))[1] AS unit_id,
			(array_agg(b.awarded ORDER BY abs(b.worth) DESC NULLS LAST, u.kind = 'metric', u.unit_id))[1] AS awarded
		FROM by_unit b
		JOIN loyalty.unit u ON u.unit_id = b.unit_id
		GROUP BY b.campaign_id
	), discounts AS (
		SELECT x.value::int AS campaign_id, sum(x.used)::bigint AS coupons, sum(x.discount)::bigint AS discount
		FROM span s
		CROSS JOIN LATERAL loyalty.report_coupon_sum(s.program_id, report_campaign_cost.since, report_campaign_cost.until, 'campaign') x
		GROUP BY x.value
	), events AS (
		SELECT k.campaign_id, sum(k.events)::bigint AS events, sum(k.amount)::bigint AS sales
		FROM kept k
		WHERE k.unit_id = 0
		GROUP BY k.campaign_id
	), members AS (
		SELECT x.campaign_id, sum(x.members)::bigint AS members
		FROM span s
		CROSS JOIN LATERAL loyalty.report_campaign_return(s.program_id, report_campaign_cost.since, report_campaign_cost.until) x
		-- who had nothing of it before within these days
		WHERE x.gap = 0 OR x.day - x.gap < report_campaign_cost.since
		GROUP BY x.campaign_id
	), budgets AS (
		SELECT b.campaign_id, b.unit_id, b.amount, u.scale,
			(SELECT sum(x.used) FROM loyalty.budget_slot x WHERE x.budget_id = b.budget_id) AS used
		FROM loyalty.budget b
		JOIN loyalty.unit u ON u.unit_id = b.unit_id
	)
	SELECT c.name, c.title, c.status, c.starts_at, c.ends_at, coalesce(e.events, 0), coalesce(m.members, 0),
		u.code, loyalty.unit_amount(a.awarded, u.scale),
		round(coalesce(a.worth, 0)) * loyalty.unit_amount(1, s.currency_scale),
		coalesce(d.coupons, 0), loyalty.unit_amount(coalesce(d.discount, 0), s.currency_scale),
		(round(coalesce(a.worth, 0)) + coalesce(d.discount, 0)) * loyalty.unit_amount(1, s.currency_scale),
		(SELECT b.amount FROM budgets b WHERE b.campaign_id = c.campaign_id AND b.unit_id = u.unit_id),
		(SELECT max(round(b.used / nullif(b.amount * 10::numeric ^ b.scale, 0), 4)) FROM budgets b
		 WHERE b.campaign_id = c.campaign_id),
		loyalty.unit_amount(coalesce(e.sales, 0), s.currency_scale), s.currency
	FROM span s
	JOIN loyalty.campaign c ON c.program_id = s.program_id
	LEFT JOIN award a ON a.campaign_id = c.campaign_id
	LEFT JOIN discounts d ON d.campaign_id = c.campaign_id
	LEFT JOIN events e ON e.campaign_id = c.campaign_id
	LEFT JOIN members m ON m.campaign_id = c.campaign_id
	-- who has awarded nothing yet has at most a budget
	LEFT JOIN loyalty.unit u ON u.unit_id = coalesce(a.unit_id,
		(SELECT min(b.unit_id) FROM budgets b WHERE b.campaign_id = c.campaign_id))
	ORDER BY c.name;
END;
COMMENT ON FUNCTION loyalty.report_campaign_cost(text, date, date) IS
'One row per campaign: what its rules awarded and its coupons took off in a range of local days, to whom, in which orders, and how much of its budget is used';
