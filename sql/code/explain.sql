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
		SELECT j.member_id, j.journal_id, j.kind, j.reverses, j.outcome,
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
			j.tier_before,
			-- who has no tier on record is in the lowest one that asks for nothing
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
		SELECT a.place::int AS place, (a.value ->> 'rule')::int AS rule_id, (a.value ->> 'version')::int AS version,
			(a.value ->> 'base')::bigint AS base, (a.value ->> 'desired')::bigint AS desired,
			(a.value ->> 'granted')::bigint AS granted, a.value ->> 'reason' AS reason,
			a.value ->> 'limit' AS limited_by,
			CASE WHEN a.value ? 'lines' THEN ARRAY(
				SELECT l.line::int FROM jsonb_array_elements_text(a.value -> 'lines') WITH ORDINALITY l (line, n)
				ORDER BY l.n) END AS lines
		FROM call c
		CROSS JOIN LATERAL jsonb_array_elements(c.awards) WITH ORDINALITY a (value, place)
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
				ELSE c.kind END AS reason
		FROM posted e
		CROSS JOIN call c
		WHERE c.kind <> 'event' OR c.awards IS NULL
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
			SELECT (a.value ->> 'version')::int AS version
			FROM loyalty.journal o
			JOIN loyalty.event_data x ON x.member_id = o.member_id AND x.journal_id = o.journal_id
			CROSS JOIN LATERAL jsonb_array_elements(x.data -> 'awards') a (value)
			WHERE o.member_id = explain.member_id AND o.ref = c.reverses AND o.kind = 'event'
			AND (a.value ->> 'rule')::int = m.rule_id
			ORDER BY o.journal_id LIMIT 1) v ON true
		LEFT JOIN LATERAL (
			SELECT coalesce(
				(SELECT to_jsonb(y) FROM loyalty.rule y
					WHERE y.rule_id = m.rule_id AND y.version = coalesce(v.version, y.version)),
				(SELECT y.definition FROM loyalty.rule_version y
					WHERE y.rule_id = m.rule_id AND y.version = coalesce(v.version, y.version)
					ORDER BY y.version DESC LIMIT 1)) AS definition) d ON true
		UNION ALL
		-- what was to be moved and was not: lapsed, forgiven
		SELECT 3, t.place::int, NULL, NULL, NULL, w.unit_id, NULL, NULL,
			trunc((t.value ->> 'amount')::numeric * 10::numeric ^ w.scale)::bigint, 0, 'nothing', t.value ->> 'code',
			NULL, NULL, NULL, NULL, false
		FROM jsonb_array_elements(c.outcome) WITH ORDINALITY t (value, place)
		LEFT JOIN loyalty.unit w ON w.program_id = c.program_id AND w.code = t.value ->> 'unit'
		UNION ALL
		SELECT 4, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'nothing',
			CASE WHEN c.kind = 'event' THEN 'no_rules' ELSE 'nothing_moved' END, NULL, NULL, NULL, NULL, false
		WHERE c.awards IS NULL AND c.outcome IS NULL AND NOT EXISTS (SELECT FROM posted)) o
	LEFT JOIN loyalty.unit u ON u.unit_id = o.unit_id
	LEFT JOIN loyalty.campaign g ON g.campaign_id = (o.definition ->> 'campaign_id')::int
	ORDER BY o.part, o.place;
END;
COMMENT ON FUNCTION loyalty.explain(bigint, bigint) IS
'Which rules were looked at for a journal row, in their order, what each came to and why, as it was then; of rows without rules, what moved and why';
