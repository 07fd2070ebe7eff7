-- What rules came to, and what a campaign would come to.

CREATE OR REPLACE FUNCTION loyalty.explain_require(member_id bigint, journal_id bigint)
RETURNS void LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_explain_require';
COMMENT ON FUNCTION loyalty.explain_require(bigint, bigint) IS
'Refuses what is no journal row of a member, for explain(), because plain SQL cannot';

CREATE OR REPLACE FUNCTION loyalty.explain(member_id bigint, journal_id bigint)
RETURNS TABLE (place int, rule_id int, version int, name text, kind text, campaign text, unit text,
	base numeric, base_in text, desired numeric, granted numeric, outcome text, reason text,
	limited_by text, lines int[], vests_on date, expires_on date, tier text, member jsonb, definition jsonb)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT loyalty.explain_require(explain.member_id, explain.journal_id);

	WITH call AS (
		SELECT j.member_id, j.journal_id, j.kind, j.amount, j.reverses, j.outcome, j.awarded_plainly,
			p.program_id, p.currency, p.currency_scale, d.data -> 'awards' AS awards, d.data -> 'member' AS member,
			CASE WHEN j.kind = 'event' THEN coalesce(d.data -> 'member' ->> 'tier', t.code) END AS tier
		FROM loyalty.journal j
		JOIN loyalty.program p ON p.program_id = j.program_id
		LEFT JOIN loyalty.event_data d ON d.member_id = j.member_id AND d.journal_id = j.journal_id
		LEFT JOIN loyalty.tier t ON t.tier_id = coalesce(
			-- by the time of the event, as the member's history said then
			(SELECT h.tier_after FROM loyalty.tier_history h
				WHERE h.member_id = j.member_id AND h.journal_id < j.journal_id AND h.effective_at <= j.effective_at
				ORDER BY h.journal_id DESC, h.line DESC LIMIT 1),
			-- who had none on record was in the lowest one that asks for nothing
			CASE WHEN j.tier_after IS NOT NULL THEN (
				SELECT b.tier_id FROM loyalty.tier b
				WHERE b.program_id = j.program_id AND NOT EXISTS (
					SELECT FROM loyalty.tier_threshold x WHERE x.tier_id = b.tier_id AND x.purpose = 'entry')
				ORDER BY b.rank LIMIT 1) END)
		WHERE j.member_id = explain.member_id AND j.journal_id = explain.journal_id
	), posted AS (
		SELECT e.line, e.rule_id, e.unit_id, e.amount, e.vests_on, e.expires_on, e.origin
		FROM loyalty.entry e
		WHERE e.member_id = explain.member_id AND e.journal_id = explain.journal_id
	), verdict AS (
		-- what goes without saying is not recorded
		SELECT a.place::int AS place, (a.value ->> 'rule')::int AS rule_id,
			coalesce((a.value ->> 'version')::int, 1) AS version,
			CASE WHEN a.value ? 'granted' THEN coalesce((a.value ->> 'base')::bigint, c.amount, 0) END AS base,
			coalesce(a.value -> 'desired', a.value -> 'granted')::bigint AS desired,
			(a.value ->> 'granted')::bigint AS granted, a.value ->> 'reason' AS reason,
			a.value ->> 'limit' AS limited_by,
			CASE WHEN a.value ? 'lines' THEN ARRAY(
				SELECT l.line::int FROM jsonb_array_elements_text(a.value -> 'lines') WITH ORDINALITY l (line, n)
				ORDER BY l.n) END AS lines
		FROM call c
		CROSS JOIN LATERAL jsonb_array_elements(c.awards) WITH ORDINALITY a (value, place)
		UNION ALL
		-- nothing at all is, where the entries say it
		SELECT e.line, e.rule_id, 1, c.amount, e.amount, e.amount, NULL, NULL, NULL
		FROM call c
		CROSS JOIN posted e
		WHERE c.awarded_plainly
	), judged AS (
		SELECT v.*, r.definition, (r.definition ->> 'unit_id')::int AS unit_id, r.definition ->> 'kind' AS kind,
			r.definition ->> 'rule_group' AS rule_group,
			CASE WHEN r.definition ->> 'kind' = 'multiplier' THEN NULL
				WHEN r.definition ->> 'kind' = 'per_quantity' THEN 'pieces'
				WHEN r.definition ->> 'kind' <> 'steps' THEN c.currency
				WHEN r.definition ->> 'base' = 'quantity' THEN 'pieces'
				WHEN r.definition ->> 'base' = 'streak' THEN 'days'
				ELSE c.currency END AS counts
		FROM verdict v
		CROSS JOIN call c
		LEFT JOIN LATERAL (
			-- as it was then
			SELECT coalesce(
				(SELECT to_jsonb(x) FROM loyalty.rule x WHERE x.rule_id = v.rule_id AND x.version = v.version),
				(SELECT x.definition FROM loyalty.rule_version x
					WHERE x.rule_id = v.rule_id AND x.version = v.version)) AS definition) r ON true
	), counted AS (
		-- a multiplier counts what the rules that it multiplies count
		SELECT j.*, coalesce(j.counts, CASE
			WHEN min(j.counts) FILTER (WHERE j.desired > 0) OVER g = max(j.counts) FILTER (WHERE j.desired > 0) OVER g
			THEN min(j.counts) FILTER (WHERE j.desired > 0) OVER g END) AS base_in
		FROM judged j
		WINDOW g AS (PARTITION BY j.unit_id, j.rule_group)
	), moved AS (
		-- entries of which no verdict tells: one row each, of an event one for each rule and unit
		SELECT min(e.line)::int AS place, e.rule_id, e.unit_id, sum(e.amount)::bigint AS amount,
			min(e.vests_on) AS vests_on, min(e.expires_on) AS expires_on,
			CASE WHEN c.kind = 'event' THEN 'not_recorded'
				WHEN c.kind = 'vest' THEN 'vested'
				WHEN c.kind = 'expire' THEN 'lapsed'
				WHEN c.kind = 'redeem' THEN 'spent'
				WHEN c.kind = 'hold' THEN 'held'
				WHEN c.kind = 'capture' THEN 'hold_captured'
				WHEN c.kind = 'release' THEN 'hold_released'
				WHEN c.kind = 'time_out' THEN 'hold_timed_out'
				WHEN c.kind = 'refund' AND e.rule_id IS NOT NULL THEN 'award_taken_back'
				WHEN c.kind = 'refund' THEN 'spend_given_back'
				WHEN c.kind = 'transfer' THEN 'transferred'
				WHEN c.kind = 'receive' THEN 'received'
				WHEN c.kind = 'adjust' THEN 'adjusted'
				WHEN c.kind = 'award' THEN 'given'
				WHEN c.kind = 'award_undo' THEN 'award_taken_back'
				ELSE c.kind END AS reason
		FROM posted e
		CROSS JOIN call c
		WHERE c.kind <> 'event' OR NOT EXISTS (SELECT FROM verdict v WHERE v.rule_id = e.rule_id)
		GROUP BY e.rule_id, e.unit_id, c.kind, CASE WHEN c.kind <> 'event' THEN e.line END
	)

	SELECT o.place, o.rule_id, o.version, o.definition ->> 'name', o.definition ->> 'kind', g.name, u.code,
		CASE WHEN o.base_in = 'days' THEN o.base::numeric
			WHEN o.base_in = 'pieces' THEN loyalty.unit_amount(o.base, 3)
			ELSE loyalty.unit_amount(o.base, c.currency_scale) END,
		CASE WHEN o.base IS NOT NULL THEN o.base_in END,
		loyalty.unit_amount(o.desired, u.scale), loyalty.unit_amount(o.granted, u.scale),
		o.outcome, o.reason, o.limited_by, o.lines, o.vests_on, o.expires_on, c.tier, c.member,
		CASE WHEN o.known THEN o.definition END
	FROM call c
	CROSS JOIN LATERAL (
		SELECT 1 AS part, k.place, k.rule_id, k.version, k.definition, k.unit_id, k.base, k.base_in, k.desired,
			coalesce(k.granted, 0) AS granted,
			CASE WHEN k.reason IS NOT NULL THEN 'nothing' ELSE 'awarded' END AS outcome,
			k.reason, k.limited_by, k.lines, e.vests_on, e.expires_on, true AS known
		FROM counted k
		LEFT JOIN LATERAL (
			SELECT max(x.vests_on) AS vests_on, max(x.expires_on) AS expires_on
			FROM posted x WHERE x.rule_id = k.rule_id AND x.origin <> 'd') e ON true
		UNION ALL
		SELECT 2, m.place, m.rule_id, v.version, d.definition, m.unit_id, NULL, NULL, NULL, m.amount,
			CASE WHEN c.kind = 'event' THEN 'awarded' ELSE 'posted' END, m.reason, NULL, NULL, m.vests_on, m.expires_on,
			v.version IS NOT NULL
		FROM moved m
		LEFT JOIN LATERAL (
			-- what is taken back was awarded by the rule as the order found it
			SELECT coalesce((a.value ->> 'version')::int, 1) AS version
			FROM loyalty.journal o
			LEFT JOIN loyalty.event_data x ON x.member_id = o.member_id AND x.journal_id = o.journal_id
			LEFT JOIN LATERAL jsonb_array_elements(x.data -> 'awards') a (value)
				ON (a.value ->> 'rule')::int = m.rule_id
			WHERE o.member_id = explain.member_id AND o.ref = c.reverses AND o.kind = 'event'
			AND (a.value IS NOT NULL OR o.awarded_plainly AND EXISTS (
				SELECT FROM loyalty.entry e
				WHERE e.member_id = o.member_id AND e.journal_id = o.journal_id AND e.rule_id = m.rule_id))
			ORDER BY o.journal_id LIMIT 1) v ON true
		LEFT JOIN LATERAL (
			SELECT coalesce(
				(SELECT to_jsonb(y) FROM loyalty.rule y
					WHERE y.rule_id = m.rule_id AND y.version = coalesce(v.version, y.version)),
				(SELECT y.definition FROM loyalty.rule_version y
					WHERE y.rule_id = m.rule_id AND y.version = coalesce(v.version, y.version)
					ORDER BY y.version DESC LIMIT 1)) AS definition) d ON true
		UNION ALL
		-- what was to be moved and was not: lapsed, forgiven; and what became of benefits
		SELECT 3, t.place::int, NULL, NULL, NULL, w.unit_id, NULL, NULL,
			trunc((t.value ->> 'amount')::numeric * 10::numeric ^ w.scale)::bigint,
			CASE WHEN NOT t.value ? 'benefit' THEN 0 END, CASE WHEN t.value ? 'benefit' THEN 'posted' ELSE 'nothing' END,
			t.value ->> 'code',
			NULL, NULL, NULL, NULL, false
		FROM jsonb_array_elements(c.outcome) WITH ORDINALITY t (value, place)
		LEFT JOIN loyalty.unit w ON w.program_id = c.program_id AND w.code = t.value ->> 'unit'
		UNION ALL
		SELECT 4, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'nothing',
			CASE WHEN c.kind = 'event' THEN 'no_rules' ELSE 'nothing_moved' END, NULL, NULL, NULL, NULL, false
		WHERE NOT EXISTS (SELECT FROM verdict) AND c.outcome IS NULL AND NOT EXISTS (SELECT FROM posted)) o
	LEFT JOIN loyalty.unit u ON u.unit_id = o.unit_id
	LEFT JOIN loyalty.campaign g ON g.campaign_id = (o.definition ->> 'campaign_id')::int
	ORDER BY o.part, o.place;
END;
COMMENT ON FUNCTION loyalty.explain(bigint, bigint) IS
'Which rules were looked at for a journal row, in their order, what each came to and why, as it was then; of rows without rules, what moved and why';

CREATE OR REPLACE FUNCTION loyalty.simulate_require(program text, campaign text, since timestamptz, until timestamptz)
RETURNS void LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_explain_simulate_require';
COMMENT ON FUNCTION loyalty.simulate_require(text, text, timestamptz, timestamptz) IS
'Refuses an unknown programme or campaign and a period that ends before it begins, for simulate(), because plain SQL cannot';

-- The three below are made of it.
CREATE OR REPLACE FUNCTION loyalty.simulate_run(program text, campaign text, since timestamptz, until timestamptz)
RETURNS TABLE (kind text, member_id bigint, journal_id bigint, at timestamptz, event text, rule_id int, unit_id int,
	amount bigint, desired bigint, vests_on date, expires_on date, tier_without int, tier_with int)
LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_explain_simulate';
COMMENT ON FUNCTION loyalty.simulate_run(text, text, timestamptz, timestamptz) IS
'What simulate(), simulate_postings() and simulate_tiers() are made of, in minor units and ids';

CREATE OR REPLACE FUNCTION loyalty.simulate(program text, campaign text,
	since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL)
RETURNS TABLE (rule_id int, rule text, unit text, events bigint, members bigint, desired numeric, granted numeric,
	taken_back numeric, cost numeric, currency text, promoted bigint, demoted bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT loyalty.simulate_require(simulate.program, simulate.campaign, simulate.since, simulate.until);

	WITH run AS MATERIALIZED (
		SELECT * FROM loyalty.simulate_run(simulate.program, simulate.campaign, simulate.since, simulate.until)
	), shop AS (
		SELECT p.program_id, p.currency, p.currency_scale, p.time_zone
		FROM loyalty.program p WHERE p.name = simulate.program
	), moved AS (
		-- one row per journal row and rule
		SELECT r.rule_id, r.unit_id, r.member_id, r.journal_id, min(r.at) AS at,
			coalesce(sum(r.desired) FILTER (WHERE r.kind = 'award'), 0) AS desired,
			coalesce(sum(r.amount) FILTER (WHERE r.kind = 'award'), 0) AS granted,
			coalesce(-sum(r.amount) FILTER (WHERE r.kind = 'refund'), 0) AS taken_back
		FROM run r
		WHERE r.kind IN ('award', 'refund')
		GROUP BY r.rule_id, r.unit_id, r.member_id, r.journal_id
	), valued AS (
		SELECT m.*, s.currency_scale, v.units, v.money
		FROM moved m
		CROSS JOIN shop s
		LEFT JOIN LATERAL (
			SELECT x.units, x.money FROM loyalty.unit_anchor x
			WHERE x.unit_id = m.unit_id AND x.valid_from <= (m.at AT TIME ZONE s.time_zone)::date
			ORDER BY x.valid_from DESC LIMIT 1) v ON true
	), priced AS (
		-- exact for one anchor; the fractions of several are added up
		SELECT v.rule_id, v.unit_id, sum(v.net * v.money / v.units) * loyalty.unit_amount(1, v.currency_scale) AS cost
		FROM (
			SELECT x.rule_id, x.unit_id, x.units, x.money, x.currency_scale, sum(x.granted - x.taken_back) AS net
			FROM valued x
			GROUP BY x.rule_id, x.unit_id, x.units, x.money, x.currency_scale) v
		GROUP BY v.rule_id, v.unit_id, v.currency_scale
	), per_rule AS (
		SELECT m.rule_id, m.unit_id, count(*) FILTER (WHERE m.granted <> 0) AS events,
			count(DISTINCT m.member_id) FILTER (WHERE m.granted <> 0) AS members,
			sum(m.desired)::bigint AS desired, sum(m.granted)::bigint AS granted, sum(m.taken_back)::bigint AS taken_back
		FROM moved m
		GROUP BY m.rule_id, m.unit_id
	), listed AS (
		-- the campaign's rules, whether they came to something or not, and others that it changed
		SELECT r.rule_id, r.unit_id
		FROM loyalty.rule r
		JOIN loyalty.campaign c ON c.campaign_id = r.campaign_id
		WHERE c.name = simulate.campaign AND c.program_id = (SELECT s.program_id FROM shop s)
		UNION
		SELECT m.rule_id, m.unit_id FROM per_rule m
		WHERE m.events > 0 OR m.desired <> 0 OR m.taken_back <> 0
	)
	SELECT l.rule_id, r.name, u.code, coalesce(m.events, 0), coalesce(m.members, 0),
		loyalty.unit_amount(coalesce(m.desired, 0), u.scale), loyalty.unit_amount(coalesce(m.granted, 0), u.scale),
		loyalty.unit_amount(coalesce(m.taken_back, 0), u.scale),
		trunc(round(p.cost, 10), s.currency_scale), s.currency, NULL::bigint, NULL::bigint
	FROM listed l
	CROSS JOIN shop s
	JOIN loyalty.unit u ON u.unit_id = l.unit_id
	LEFT JOIN loyalty.rule r ON r.rule_id = l.rule_id
	LEFT JOIN per_rule m ON m.rule_id = l.rule_id AND m.unit_id = l.unit_id
	LEFT JOIN priced p ON p.rule_id = l.rule_id AND p.unit_id = l.unit_id
	UNION ALL
	SELECT NULL, NULL, NULL,
		(SELECT count(DISTINCT m.journal_id) FROM moved m WHERE m.granted <> 0),
		(SELECT count(DISTINCT m.member_id) FROM moved m WHERE m.granted <> 0), NULL, NULL, NULL,
		coalesce((SELECT trunc(round(sum(p.cost), 10), s.currency_scale) FROM priced p), 0), s.currency,
		(SELECT count(*) FROM run t
			LEFT JOIN loyalty.tier a ON a.tier_id = t.tier_without
			JOIN loyalty.tier b ON b.tier_id = t.tier_with
			WHERE t.kind = 'tier' AND b.rank > coalesce(a.rank, -1)),
		(SELECT count(*) FROM run t
			JOIN loyalty.tier a ON a.tier_id = t.tier_without
			LEFT JOIN loyalty.tier b ON b.tier_id = t.tier_with
			WHERE t.kind = 'tier' AND a.rank > coalesce(b.rank, -1))
	FROM shop s
	ORDER BY 1;
END;
COMMENT ON FUNCTION loyalty.simulate(text, text, timestamptz, timestamptz) IS
'What a campaign would have come to with the events of a period: one row per rule, and last the totals with the change of tiers; writes nothing';

CREATE OR REPLACE FUNCTION loyalty.simulate_postings(program text, campaign text,
	since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL)
RETURNS TABLE (member_id bigint, journal_id bigint, at timestamptz, kind text, event text, rule_id int, rule text,
	unit text, amount numeric, desired numeric, vests_on date, expires_on date)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT s.member_id, s.journal_id, s.at, s.kind, s.event, s.rule_id, r.name, u.code,
		loyalty.unit_amount(s.amount, u.scale), CASE WHEN s.kind = 'award' THEN loyalty.unit_amount(s.desired, u.scale) END,
		s.vests_on, s.expires_on
	FROM loyalty.simulate_run(simulate_postings.program, simulate_postings.campaign,
		simulate_postings.since, simulate_postings.until) s
	JOIN loyalty.unit u ON u.unit_id = s.unit_id
	LEFT JOIN loyalty.rule r ON r.rule_id = s.rule_id
	WHERE s.kind IN ('award', 'refund')
	ORDER BY s.journal_id, s.rule_id, s.unit_id, s.vests_on, s.expires_on;
END;
COMMENT ON FUNCTION loyalty.simulate_postings(text, text, timestamptz, timestamptz) IS
'The same posting by posting: what each event and refund would have posted by which rule, more or less than it did';

CREATE OR REPLACE FUNCTION loyalty.simulate_tiers(program text, campaign text,
	since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL)
RETURNS TABLE (member_id bigint, tier_without text, tier_with text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT s.member_id, a.code, b.code
	FROM loyalty.simulate_run(simulate_tiers.program, simulate_tiers.campaign,
		simulate_tiers.since, simulate_tiers.until) s
	LEFT JOIN loyalty.tier a ON a.tier_id = s.tier_without
	LEFT JOIN loyalty.tier b ON b.tier_id = s.tier_with
	WHERE s.kind = 'tier'
	ORDER BY s.member_id;
END;
COMMENT ON FUNCTION loyalty.simulate_tiers(text, text, timestamptz, timestamptz) IS
'The members who would have been in another tier at the end of the period, with the campaign and without';
