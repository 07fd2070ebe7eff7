-- What automations cost and bring. Statistics are numeric throughout, so that every
-- server tells the same. Campaigns: report_outlay.sql; all automations: report_run.sql.

-- For the reports of automations.

CREATE OR REPLACE FUNCTION loyalty.report_automation_require(program text, automation text, days int, margin numeric)
RETURNS int LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_report_automation_require';
COMMENT ON FUNCTION loyalty.report_automation_require(text, text, int, numeric) IS
'For report_uplift(): the id of an automation; LY450 if there is none, 22023 if days or margin are out of range';

CREATE OR REPLACE FUNCTION loyalty.report_run_cost(program_id int, automation_id int, first_at timestamptz, end_at timestamptz)
RETURNS TABLE (automation_id int, member_id bigint, run_id bigint, unit_id int, awarded bigint, worth numeric,
	coupons bigint, discount bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH step AS MATERIALIZED (
		-- runs tell what they gave, also that which was taken back
		SELECT r.automation_id, r.member_id, r.run_id, l.entry
		FROM loyalty.automation_run r
		JOIN loyalty.automation a ON a.automation_id = r.automation_id
		CROSS JOIN LATERAL jsonb_array_elements(r.log) l (entry)
		WHERE a.program_id = report_run_cost.program_id
		AND (report_run_cost.automation_id IS NULL OR r.automation_id = report_run_cost.automation_id)
		AND r.triggered_at >= report_run_cost.first_at AND r.triggered_at < report_run_cost.end_at
		AND l.entry ->> 'kind' IN ('award', 'coupon') AND l.entry ? 'journal_id'
	)
	SELECT s.automation_id, s.member_id, s.run_id, j.unit_id, x.amount,
		x.amount * a.money / a.units, 0, 0
	FROM step s
	JOIN loyalty.journal j ON j.member_id = s.member_id AND j.journal_id = (s.entry ->> 'journal_id')::bigint
	JOIN loyalty.program p ON p.program_id = j.program_id
	CROSS JOIN LATERAL (
		SELECT j.amount - coalesce((
			SELECT sum(b.amount) FROM loyalty.journal b
			WHERE b.member_id = j.member_id AND b.reverses = 'award:' || j.journal_id AND b.kind = 'award_undo'), 0)::bigint AS amount) x
	LEFT JOIN LATERAL (
		SELECT y.money::numeric AS money, y.units::numeric AS units FROM loyalty.unit_anchor y
		WHERE y.unit_id = j.unit_id AND y.valid_from <= (j.effective_at AT TIME ZONE p.time_zone)::date
		ORDER BY y.valid_from DESC LIMIT 1) a ON true
	WHERE s.entry ->> 'kind' = 'award' AND j.kind = 'award'
	UNION ALL
	SELECT s.automation_id, s.member_id, s.run_id, NULL, 0, NULL, count(DISTINCT m.coupon_no),
		coalesce(sum(u.discount - u.returned), 0)::bigint
	FROM step s
	JOIN loyalty.member_coupon m ON m.member_id = s.member_id AND m.journal_id = (s.entry ->> 'journal_id')::bigint
		AND m.status <> 'void'
	LEFT JOIN loyalty.coupon_use u ON u.member_id = m.member_id AND u.coupon_no = m.coupon_no
		AND u.status IN ('used', 'returned')
	WHERE s.entry ->> 'kind' = 'coupon'
	GROUP BY s.automation_id, s.member_id, s.run_id;
END;
COMMENT ON FUNCTION loyalty.report_run_cost(int, int, timestamptz, timestamptz) IS
'For reports: what runs of automations gave, that was not taken back; in minor units';

CREATE OR REPLACE FUNCTION loyalty.report_uplift(program text, automation text, since date, until date, days int DEFAULT 30,
	margin numeric DEFAULT 1)
RETURNS TABLE (treated bigint, held_out bigint, mean_treated numeric, mean_held_out numeric, uplift numeric,
	low numeric, high numeric, relative numeric, conversion_treated numeric, conversion_held_out numeric,
	conversion_uplift numeric, conversion_low numeric, conversion_high numeric, share numeric, expected_share numeric,
	split_alarm boolean, open bigint, cost numeric, gain numeric, roi numeric, currency text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_uplift.program, report_uplift.since, report_uplift.until),
		loyalty.report_automation_require(report_uplift.program, report_uplift.automation, report_uplift.days,
			report_uplift.margin);

	WITH span AS MATERIALIZED (
		SELECT p.program_id, p.currency, p.currency_scale, a.automation_id, a.holdout / 100 AS expected,
			report_uplift.since::timestamp AT TIME ZONE p.time_zone AS first_at,
			(report_uplift.until + 1)::timestamp AT TIME ZONE p.time_zone AS end_at,
			make_interval(hours => 24 * report_uplift.days) AS watched
		FROM loyalty.program p
		JOIN loyalty.automation a ON a.program_id = p.program_id AND a.name = report_uplift.automation
		WHERE p.name = report_uplift.program
	), subject AS MATERIALIZED (
		-- A member counts once, with his first run, because it is members who are held
		-- out. Who was not yet, or never, judged for the first step is in neither part.
		SELECT DISTINCT ON (r.member_id) r.member_id, r.status = 'held_out' AS held_out, r.triggered_at,
			coalesce(r.journal_id, 0) AS journal_id
		FROM span s
		JOIN loyalty.automation_run r ON r.automation_id = s.automation_id
			AND r.triggered_at >= s.first_at AND r.triggered_at < s.end_at
		WHERE r.position > 0 OR r.status IN ('held_out', 'failed') OR r.status = 'exited' AND r.reason = 'check'
		ORDER BY r.member_id, r.triggered_at, r.run_id
	), outcome AS (
		SELECT x.held_out, x.triggered_at, coalesce(o.net, 0)::numeric AS net, (coalesce(o.orders, 0) > 0)::int AS bought
		FROM span s
		CROSS JOIN subject x
		CROSS JOIN LATERAL (
			SELECT sum(j.amount - coalesce((
					SELECT sum(b.amount) FROM loyalty.journal b
					WHERE b.member_id = j.member_id AND b.reverses = j.ref AND b.kind = 'refund'), 0)) AS net,
				count(*) AS orders
			FROM loyalty.journal j
			WHERE j.member_id = x.member_id AND j.kind = 'event' AND j.event = 'purchase'
			AND j.journal_id <> x.journal_id
			AND j.effective_at >= x.triggered_at AND j.effective_at <= x.triggered_at + s.watched) o
	), sample AS (
		SELECT count(*) FILTER (WHERE NOT o.held_out) AS n1, count(*) FILTER (WHERE o.held_out) AS n0,
			avg(o.net) FILTER (WHERE NOT o.held_out) AS m1, avg(o.net) FILTER (WHERE o.held_out) AS m0,
			-- what a mean may be off by, squared
			var_samp(o.net) FILTER (WHERE NOT o.held_out) / nullif(count(*) FILTER (WHERE NOT o.held_out), 0) AS e1,
			var_samp(o.net) FILTER (WHERE o.held_out) / nullif(count(*) FILTER (WHERE o.held_out), 0) AS e0,
			avg(o.bought) FILTER (WHERE NOT o.held_out) AS c1, avg(o.bought) FILTER (WHERE o.held_out) AS c0,
			var_samp(o.bought) FILTER (WHERE NOT o.held_out) / nullif(count(*) FILTER (WHERE NOT o.held_out), 0) AS f1,
			var_samp(o.bought) FILTER (WHERE o.held_out) / nullif(count(*) FILTER (WHERE o.held_out), 0) AS f0,
			count(*) FILTER (WHERE o.triggered_at + s.watched > loyalty.now()) AS open
		FROM outcome o
		CROSS JOIN span s
	), freedom AS (
		-- degrees of freedom after Welch and Satterthwaite, not above what tells from the normal distribution
		SELECT a.n1, a.n0, a.m1, a.m0, a.e1, a.e0, a.c1, a.c0, a.f1, a.f0, a.open,
			least((a.e1 + a.e0) ^ 2 / nullif(a.e1 ^ 2 / nullif(a.n1 - 1, 0) + a.e0 ^ 2 / nullif(a.n0 - 1, 0), 0), 1000000) AS d,
			least((a.f1 + a.f0) ^ 2 / nullif(a.f1 ^ 2 / nullif(a.n1 - 1, 0) + a.f0 ^ 2 / nullif(a.n0 - 1, 0), 0), 1000000) AS g
		FROM sample a
	), measured AS (
		-- Student's quantile of 97.5 % from the normal one by Cornish and Fisher: with
		-- z = 1.959964, (z^3 + z) / 4, (5 z^5 + 16 z^3 + 3 z) / 96 and so on
		SELECT b.n1, b.n0, b.m1, b.m0, b.c1, b.c0, b.open,
			coalesce((1.959964 + 2.372271 / b.d + 2.822498 / b.d ^ 2 + 2.555849 / b.d ^ 3), 0) * sqrt(b.e1 + b.e0) AS half,
			coalesce((1.959964 + 2.372271 / b.g + 2.822498 / b.g ^ 2 + 2.555849 / b.g ^ 3), 0) * sqrt(b.f1 + b.f0) AS c_half
		FROM freedom b
	), spent AS (
		SELECT round(coalesce(sum(c.worth), 0)) + coalesce(sum(c.discount), 0) AS cost
		FROM span s
		CROSS JOIN LATERAL loyalty.report_run_cost(s.program_id, s.automation_id, s.first_at, s.end_at) c
	), money AS (
		SELECT loyalty.unit_amount(1, s.currency_scale) AS one, s.currency_scale AS digits FROM span s
	), told AS (
		SELECT round(m.m1 * y.one, y.digits) AS t, round(m.m0 * y.one, y.digits) AS h,
			round((m.m1 - m.m0) * y.one, y.digits) AS u,
			round((m.m1 - m.m0 - m.half) * y.one, y.digits) AS l,
			round((m.m1 - m.m0 + m.half) * y.one, y.digits) AS hi,
			round((m.m1 - m.m0) / nullif(m.m0, 0), 4) AS relative,
			round((m.m1 - m.m0) * m.n1 * report_uplift.margin * y.one, y.digits) AS gain,
			round(p.cost * y.one, y.digits) AS cost
		FROM measured m CROSS JOIN money y CROSS JOIN spent p
	)
	SELECT m.n1, m.n0, t.t, t.h, t.u, t.l, t.hi, t.relative,
		round(m.c1, 4), round(m.c0, 4), round(m.c1 - m.c0, 4), round(m.c1 - m.c0 - m.c_half, 4), round(m.c1 - m.c0 + m.c_half, 4),
		round(m.n0::numeric / nullif(m.n1 + m.n0, 0), 4), round(s.expected, 4),
		CASE WHEN s.expected = 0 THEN m.n0 > 0
			-- chi-square with one degree of freedom, p < 0.001
			ELSE (m.n0 - (m.n1 + m.n0) * s.expected) ^ 2 / nullif((m.n1 + m.n0) * s.expected * (1 - s.expected), 0) > 10.827566 END,
		m.open, t.cost, t.gain, round((t.gain - t.cost) / nullif(t.cost, 0), 4), s.currency
	FROM measured m
	CROSS JOIN told t
	CROSS JOIN span s;
END;
COMMENT ON FUNCTION loyalty.report_uplift(text, text, date, date, int, numeric) IS
'What an automation brings about: net sales per member within some days after the start of those for whom it did something, against those held out, with a 95 % interval, what it cost and whether the split is as it should be';
