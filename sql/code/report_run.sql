-- What automations cost, from the sums of their runs.

CREATE OR REPLACE FUNCTION loyalty.report_automation_cost(program text, since date, until date)
RETURNS TABLE (automation text, title text, status text, trigger_kind text, runs bigint, members bigint,
	treated bigint, held_out bigint, unit text, awarded numeric, worth numeric, coupons bigint, discount numeric,
	messages bigint, cost numeric, treated_goals bigint, held_out_goals bigint, treated_share numeric,
	held_out_share numeric, currency text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 50
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_automation_cost.program, report_automation_cost.since, report_automation_cost.until);

	WITH span AS MATERIALIZED (
		SELECT p.program_id, p.currency, p.currency_scale
		FROM loyalty.program p
		WHERE p.name = report_automation_cost.program
	), sum AS MATERIALIZED (
		SELECT c.automation_id, c.unit_id, c.awarded_on, sum(c.runs)::bigint AS runs, sum(c.members)::bigint AS members,
			sum(c.treated)::bigint AS treated, sum(c.held_out)::bigint AS held_out, sum(c.treated_goals)::bigint AS treated_goals,
			sum(c.held_out_goals)::bigint AS held_out_goals, sum(c.coupons)::bigint AS coupons, sum(c.discount)::bigint AS discount,
			sum(c.messages)::bigint AS messages, sum(c.awarded)::bigint AS awarded
		FROM span s
		CROSS JOIN LATERAL loyalty.report_run_sum(s.program_id, report_automation_cost.since, report_automation_cost.until) c
		GROUP BY c.automation_id, c.unit_id, c.awarded_on
	), run AS (
		SELECT c.automation_id, sum(c.runs)::bigint AS runs, sum(c.members)::bigint AS members, sum(c.treated)::bigint AS treated,
			sum(c.held_out)::bigint AS held_out, sum(c.treated_goals)::bigint AS treated_goals,
			sum(c.held_out_goals)::bigint AS held_out_goals, sum(c.coupons)::bigint AS coupons, sum(c.discount)::bigint AS discount,
			sum(c.messages)::bigint AS messages
		FROM sum c
		WHERE c.unit_id = 0
		GROUP BY c.automation_id
	), given AS MATERIALIZED (
		SELECT c.automation_id, c.unit_id, sum(c.awarded)::bigint AS awarded, sum(c.awarded * y.money / y.units) AS worth
		FROM sum c
		LEFT JOIN LATERAL (
			SELECT x.money::numeric AS money, x.units::numeric AS units FROM loyalty.unit_anchor x
			WHERE x.unit_id = c.unit_id AND x.valid_from <= c.awarded_on
			ORDER BY x.valid_from DESC LIMIT 1) y ON true
		WHERE c.unit_id > 0
		GROUP BY c.automation_id, c.unit_id
	), cost AS (
		SELECT g.automation_id, sum(g.worth) AS worth,
			(array_agg(g.unit_id ORDER BY abs(g.worth) DESC NULLS LAST, g.unit_id))[1] AS unit_id,
			(array_agg(g.awarded ORDER BY abs(g.worth) DESC NULLS LAST, g.unit_id))[1] AS awarded
		FROM given g
		GROUP BY g.automation_id
	)
	SELECT a.name, a.title, a.status, a.trigger_kind, coalesce(r.runs, 0), coalesce(r.members, 0), coalesce(r.treated, 0),
		coalesce(r.held_out, 0), u.code, loyalty.unit_amount(c.awarded, u.scale),
		round(coalesce(c.worth, 0)) * loyalty.unit_amount(1, s.currency_scale), coalesce(r.coupons, 0),
		loyalty.unit_amount(coalesce(r.discount, 0), s.currency_scale), coalesce(r.messages, 0),
		(round(coalesce(c.worth, 0)) + coalesce(r.discount, 0)) * loyalty.unit_amount(1, s.currency_scale),
		coalesce(r.treated_goals, 0), coalesce(r.held_out_goals, 0),
		round(r.treated_goals::numeric / nullif(r.treated, 0), 4), round(r.held_out_goals::numeric / nullif(r.held_out, 0), 4),
		s.currency
	FROM span s
	JOIN loyalty.automation a ON a.program_id = s.program_id
	LEFT JOIN run r ON r.automation_id = a.automation_id
	LEFT JOIN cost c ON c.automation_id = a.automation_id
	LEFT JOIN loyalty.unit u ON u.unit_id = c.unit_id
	ORDER BY a.name;
END;
COMMENT ON FUNCTION loyalty.report_automation_cost(text, date, date) IS
'One row per automation: what its runs of a range of local days awarded and took off, how many messages they sent, and how often the goal was reached';
