-- Sums of campaigns: what they award, and in what they have a part; folded with the
-- others (report_fold.sql).

-- The number of an id, without the bits of its node, tells what came first.
CREATE OR REPLACE FUNCTION loyalty.report_id_no(id bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT id & 8796093022207;
END;
COMMENT ON FUNCTION loyalty.report_id_no(bigint) IS
'For reports: an id without the bits of its node';

-- What is recorded after a change has a higher id than it, and is not folded before
-- the change is over, for that has a transaction from before. So this does not change
-- for what is folded, whoever changes rules.
CREATE OR REPLACE FUNCTION loyalty.report_rule_campaign(of_program int)
RETURNS TABLE (rule_id int, campaign_id int, since_no bigint, until_no bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT y.rule_id, y.campaign_id, y.since_no, y.until_no
	FROM (
		SELECT x.rule_id, x.campaign_id,
			coalesce(max(x.no) OVER (PARTITION BY x.rule_id ORDER BY x.place, x.version ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS since_no,
			-- the last one holds on, also of a rule that was deleted
			CASE WHEN lead(x.rule_id) OVER (PARTITION BY x.rule_id ORDER BY x.place, x.version) IS NULL THEN 9223372036854775807
				ELSE x.no END AS until_no
		FROM (
			SELECT 1 AS place, v.rule_id, v.version, (v.definition ->> 'campaign_id')::int AS campaign_id,
				loyalty.report_id_no(v.replaced_id) AS no
			FROM loyalty.rule_version v
			WHERE report_rule_campaign.of_program IS NULL OR v.program_id = report_rule_campaign.of_program
			UNION ALL
			SELECT 2, r.rule_id, r.version, r.campaign_id, NULL
			FROM loyalty.rule r
			WHERE report_rule_campaign.of_program IS NULL OR r.program_id = report_rule_campaign.of_program) x) y
	WHERE y.campaign_id IS NOT NULL AND y.since_no < y.until_no;
END;
COMMENT ON FUNCTION loyalty.report_rule_campaign(int) IS
'For reports: which campaign rules named, for ids with which numbers';

-- An award is of the campaign that its rule named when it was recorded, and goes back
-- there. An event has a part of a campaign when its rules awarded it something, or its
-- coupons were used for it, even if they were given back; it is counted with the event,
-- and where a coupon was used later, with the first of these uses. What is written once
-- is never counted otherwise.
CREATE OR REPLACE FUNCTION loyalty.report_campaign_of(of_program int, first_id bigint, last_id bigint)
RETURNS TABLE (program_id int, campaign_id int, member_id bigint, day date, unit_id int, events bigint, amount bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = on
SET enable_mergejoin = off
SET max_parallel_workers_per_gather = 0
SET jit = off
BEGIN ATOMIC
	WITH named AS MATERIALIZED (
		SELECT x.rule_id, x.campaign_id, x.since_no, x.until_no
		FROM loyalty.report_rule_campaign(report_campaign_of.of_program) x
	), call AS MATERIALIZED (
		SELECT j.program_id, j.member_id, j.journal_id, j.kind, j.event, j.ref, j.reverses, j.day,
			CASE WHEN j.event = 'purchase' THEN j.amount ELSE 0 END AS paid
		FROM loyalty.report_journal(report_campaign_of.of_program, report_campaign_of.first_id, report_campaign_of.last_id) j
		WHERE j.kind IN ('event', 'refund', 'coupon_use')
	), award AS MATERIALIZED (
		SELECT c.program_id, n.campaign_id, c.member_id, c.journal_id, c.kind, c.day, c.paid, e.unit_id, e.amount
		FROM call c
		-- looked up one by one, whatever the planner knows
		CROSS JOIN LATERAL (
			SELECT x.rule_id, x.unit_id, x.amount FROM loyalty.entry x
			WHERE x.member_id = c.member_id AND x.journal_id = c.journal_id AND x.rule_id IS NOT NULL
			OFFSET 0) e
		JOIN named n ON n.rule_id = e.rule_id
		LEFT JOIN LATERAL (
			-- the event of which a refund takes it back
			SELECT o.journal_id
			FROM loyalty.journal o
			WHERE o.member_id = c.member_id AND o.ref = c.reverses AND o.kind = 'event' AND o.journal_id < c.journal_id
			AND EXISTS (
				SELECT FROM loyalty.entry x
				WHERE x.member_id = o.member_id AND x.journal_id = o.journal_id AND x.rule_id = e.rule_id)
			ORDER BY o.journal_id DESC
			LIMIT 1) o ON c.kind = 'refund'
		CROSS JOIN LATERAL (SELECT loyalty.report_id_no(coalesce(o.journal_id, c.journal_id)) AS no) i
		WHERE c.kind IN ('event', 'refund') AND i.no >= n.since_no AND i.no < n.until_no
		AND EXISTS (SELECT FROM named)
	), touched AS (
		SELECT a.program_id, a.campaign_id, a.member_id, a.journal_id, a.day, a.paid
		FROM award a
		WHERE a.kind = 'event'
		UNION
		SELECT c.program_id, u.campaign_id, c.member_id, c.journal_id, c.day, c.paid
		FROM call c
		CROSS JOIN LATERAL (
			SELECT x.campaign_id FROM loyalty.coupon_use x
			WHERE x.member_id = c.member_id AND x.ref = c.ref AND x.campaign_id IS NOT NULL
			AND x.status IN ('used', 'returned') AND x.journal_id <= c.journal_id
			OFFSET 0) u
		WHERE c.kind = 'event' AND c.event = 'purchase'
		UNION
		SELECT c.program_id, u.campaign_id, c.member_id, o.journal_id, (o.effective_at AT TIME ZONE p.time_zone)::date, o.amount
		FROM call c
		CROSS JOIN LATERAL (
			SELECT x.campaign_id FROM loyalty.coupon_use x
			WHERE x.member_id = c.member_id AND x.ref = c.ref AND x.campaign_id IS NOT NULL
			AND x.status IN ('used', 'returned') AND x.journal_id = c.journal_id
			OFFSET 0) u
		CROSS JOIN LATERAL (
			SELECT x.journal_id, x.effective_at, x.amount FROM loyalty.journal x
			WHERE x.member_id = c.member_id AND x.ref = c.ref AND x.kind = 'event' AND x.event = 'purchase'
			AND x.journal_id < c.journal_id
			OFFSET 0) o
		CROSS JOIN LATERAL (SELECT x.time_zone FROM loyalty.program x WHERE x.program_id = c.program_id) p
		WHERE c.kind = 'coupon_use'
		-- neither by a use before nor by an award
		AND NOT EXISTS (
			SELECT FROM loyalty.coupon_use x
			WHERE x.member_id = c.member_id AND x.ref = c.ref AND x.campaign_id = u.campaign_id
			AND x.status IN ('used', 'returned') AND x.journal_id < c.journal_id)
		AND NOT EXISTS (
			SELECT FROM loyalty.entry x
			JOIN named n ON n.rule_id = x.rule_id
			WHERE x.member_id = c.member_id AND x.journal_id = o.journal_id AND n.campaign_id = u.campaign_id
			AND loyalty.report_id_no(o.journal_id) >= n.since_no AND loyalty.report_id_no(o.journal_id) < n.until_no)
	)
	SELECT a.program_id, a.campaign_id, a.member_id, a.day, a.unit_id, 0::bigint, sum(a.amount)::bigint
	FROM award a
	GROUP BY a.program_id, a.campaign_id, a.member_id, a.day, a.unit_id
	UNION ALL
	SELECT t.program_id, t.campaign_id, t.member_id, t.day, 0, count(*), coalesce(sum(t.paid), 0)::bigint
	FROM touched t
	GROUP BY t.program_id, t.campaign_id, t.member_id, t.day;
END;
COMMENT ON FUNCTION loyalty.report_campaign_of(int, bigint, bigint) IS
'For reports: what a range of ids adds to report_campaign_day, member by member';

-- As report_change(), for the days of members in campaigns: from the last one before
-- the first that is added on, taken away as they were and added as they are.
CREATE OR REPLACE FUNCTION loyalty.report_campaign_change(of_program int, first_ids bigint[], last_ids bigint[])
RETURNS TABLE (program_id int, campaign_id int, day date, gap int, members bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = on
SET enable_mergejoin = off
SET max_parallel_workers_per_gather = 0
SET jit = off
BEGIN ATOMIC
	WITH added AS MATERIALIZED (
		SELECT DISTINCT t.program_id, t.campaign_id, t.member_id, t.day
		FROM unnest(report_campaign_change.first_ids, report_campaign_change.last_ids) r (first_id, last_id)
		CROSS JOIN LATERAL loyalty.report_campaign_of(report_campaign_change.of_program, r.first_id, r.last_id) t
		WHERE t.unit_id = 0
	), had AS MATERIALIZED (
		SELECT m.program_id, m.campaign_id, m.member_id, h.day
		FROM (
			SELECT a.program_id, a.campaign_id, a.member_id, min(a.day) AS day
			FROM added a
			GROUP BY a.program_id, a.campaign_id, a.member_id) m
		CROSS JOIN LATERAL (
			SELECT max(b.day) AS day
			FROM (
				SELECT d.day FROM loyalty.report_campaign_member_day d
				WHERE d.member_id = m.member_id AND d.campaign_id = m.campaign_id AND d.day < m.day
				ORDER BY d.day DESC LIMIT 1) b) l
		CROSS JOIN LATERAL (
			SELECT d.day FROM loyalty.report_campaign_member_day d
			WHERE d.member_id = m.member_id AND d.campaign_id = m.campaign_id AND d.day >= coalesce(l.day, m.day)
			OFFSET 0) h
	), version AS (
		SELECT -1 AS sign, h.program_id, h.campaign_id, h.member_id, h.day FROM had h
		UNION ALL
		SELECT 1, x.program_id, x.campaign_id, x.member_id, x.day
		FROM (SELECT h.* FROM had h UNION SELECT a.* FROM added a) x (program_id, campaign_id, member_id, day)
	), placed AS (
		SELECT v.sign, v.program_id, v.campaign_id, v.day,
			coalesce(v.day - lag(v.day) OVER (PARTITION BY v.sign, v.campaign_id, v.member_id ORDER BY v.day), 0) AS gap
		FROM version v
	)
	SELECT p.program_id, p.campaign_id, p.day, p.gap, sum(p.sign)
	FROM placed p
	GROUP BY p.program_id, p.campaign_id, p.day, p.gap
	HAVING sum(p.sign) <> 0;
END;
COMMENT ON FUNCTION loyalty.report_campaign_change(int, bigint[], bigint[]) IS
'For reports: what ranges of ids change in report_campaign_return_day';

-- Sums are found by their keys, as report_fold_range() does.
CREATE OR REPLACE FUNCTION loyalty.report_fold_campaign(of_program int, first_id bigint, last_id bigint)
RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
BEGIN ATOMIC
	-- before the days of the members, from which it is worked out
	WITH change AS MATERIALIZED (
		SELECT c.* FROM loyalty.report_campaign_change(of_program, ARRAY[first_id], ARRAY[last_id]) c
	), gone AS (
		DELETE FROM loyalty.report_campaign_return_day t USING change c
		WHERE c.program_id = t.program_id AND c.campaign_id = t.campaign_id AND c.day = t.day AND c.gap = t.gap
		AND t.members + c.members = 0
	)
	INSERT INTO loyalty.report_campaign_return_day AS t (program_id, campaign_id, day, gap, members)
	SELECT c.program_id, c.campaign_id, c.day, c.gap, c.members
	FROM change c
	LEFT JOIN loyalty.report_campaign_return_day o
		ON o.program_id = c.program_id AND o.campaign_id = c.campaign_id AND o.day = c.day AND o.gap = c.gap
	WHERE coalesce(o.members, 0) + c.members <> 0
	ON CONFLICT (program_id, campaign_id, day, gap) DO UPDATE SET members = t.members + excluded.members;

	WITH part AS MATERIALIZED (
		SELECT x.* FROM loyalty.report_campaign_of(of_program, first_id, last_id) x
	), day AS (
		INSERT INTO loyalty.report_campaign_member_day (member_id, campaign_id, day, program_id)
		SELECT p.member_id, p.campaign_id, p.day, p.program_id
		FROM part p
		WHERE p.unit_id = 0
		ON CONFLICT (member_id, campaign_id, day) DO NOTHING
	)
	INSERT INTO loyalty.report_campaign_day AS t (program_id, campaign_id, day, unit_id, events, amount)
	SELECT p.program_id, p.campaign_id, p.day, p.unit_id, sum(p.events), sum(p.amount)
	FROM part p
	GROUP BY p.program_id, p.campaign_id, p.day, p.unit_id
	ON CONFLICT (program_id, campaign_id, day, unit_id) DO UPDATE
	SET events = t.events + excluded.events, amount = t.amount + excluded.amount;
END;
COMMENT ON FUNCTION loyalty.report_fold_campaign(int, bigint, bigint) IS
'For report_fold(): adds what a range of ids comes to, of one programme or of all, to the sums of campaigns';

CREATE OR REPLACE FUNCTION loyalty.report_campaign_sum(program_id int, since date, until date)
RETURNS TABLE (campaign_id int, day date, unit_id int, events bigint, amount bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT s.campaign_id, s.day, s.unit_id, s.events, s.amount
	FROM loyalty.report_campaign_day s
	WHERE s.program_id = report_campaign_sum.program_id
	AND s.day BETWEEN report_campaign_sum.since AND report_campaign_sum.until
	UNION ALL
	SELECT t.campaign_id, t.day, t.unit_id, t.events, t.amount
	FROM loyalty.report_gap() g
	CROSS JOIN LATERAL loyalty.report_campaign_of(report_campaign_sum.program_id, g.first_id, g.last_id) t
	WHERE t.day BETWEEN report_campaign_sum.since AND report_campaign_sum.until;
END;
COMMENT ON FUNCTION loyalty.report_campaign_sum(int, date, date) IS
'For reports: what campaigns awarded by local day and unit, in minor units (unit 0: events, and the amounts of purchases among them); rows are to be added up';

CREATE OR REPLACE FUNCTION loyalty.report_campaign_return(program_id int, since date, until date)
RETURNS TABLE (campaign_id int, day date, gap int, members bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT s.campaign_id, s.day, s.gap, s.members
	FROM loyalty.report_campaign_return_day s
	WHERE s.program_id = report_campaign_return.program_id
	AND s.day BETWEEN report_campaign_return.since AND report_campaign_return.until
	UNION ALL
	SELECT t.campaign_id, t.day, t.gap, t.members
	FROM (SELECT array_agg(x.first_id) AS first_ids, array_agg(x.last_id) AS last_ids FROM loyalty.report_gap() x) g
	CROSS JOIN LATERAL loyalty.report_campaign_change(report_campaign_return.program_id, g.first_ids, g.last_ids) t
	WHERE t.day BETWEEN report_campaign_return.since AND report_campaign_return.until;
END;
COMMENT ON FUNCTION loyalty.report_campaign_return(int, date, date) IS
'For reports: members of campaigns on a local day, by how many days after the time before (0: the first time); rows are to be added up, some are negative';

-- For the view report_campaign: of all programmes, whatever the day.
CREATE OR REPLACE FUNCTION loyalty.report_campaign_awarded()
RETURNS TABLE (campaign_id int, unit_id int, amount bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT x.campaign_id, x.unit_id, sum(x.amount)::bigint
	FROM (
		SELECT s.campaign_id, s.unit_id, s.amount FROM loyalty.report_campaign_day s
		UNION ALL
		SELECT t.campaign_id, t.unit_id, t.amount
		FROM loyalty.report_gap() g
		CROSS JOIN LATERAL loyalty.report_campaign_of(NULL, g.first_id, g.last_id) t) x
	WHERE x.unit_id > 0
	GROUP BY x.campaign_id, x.unit_id;
END;
COMMENT ON FUNCTION loyalty.report_campaign_awarded() IS
'What the rules of each campaign awarded of each unit, less what refunds took back, in minor units';

-- As report_sum_differs().
CREATE OR REPLACE FUNCTION loyalty.report_campaign_differs(of_program int)
RETURNS TABLE (program_id int, member_id bigint, detail text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH chunk AS MATERIALIZED (
		SELECT f.first_id, f.last_id
		FROM loyalty.report_folded_chunk(report_campaign_differs.of_program) f
	), part AS MATERIALIZED (
		SELECT t.program_id, t.campaign_id, t.member_id, t.day, t.unit_id, t.events, t.amount
		FROM chunk c
		CROSS JOIN LATERAL loyalty.report_campaign_of(report_campaign_differs.of_program, c.first_id, c.last_id) t
	), figure (kept, program_id, sum, key, a, b) AS (
		SELECT true, s.program_id, 'report_campaign_day', format('day=%s campaign=%s unit=%s', s.day, s.campaign_id, s.unit_id),
			s.events, s.amount
		FROM loyalty.report_campaign_day s
		UNION ALL
		SELECT false, p.program_id, 'report_campaign_day', format('day=%s campaign=%s unit=%s', p.day, p.campaign_id, p.unit_id),
			p.events, p.amount
		FROM part p
		UNION ALL
		SELECT true, s.program_id, 'report_campaign_return_day', format('day=%s campaign=%s gap=%s', s.day, s.campaign_id, s.gap),
			s.members, 0
		FROM loyalty.report_campaign_return_day s
		UNION ALL
		SELECT false, d.program_id, 'report_campaign_return_day', format('day=%s campaign=%s gap=%s', d.day, d.campaign_id, d.gap), 1, 0
		FROM (
			SELECT m.program_id, m.campaign_id, m.day,
				coalesce(m.day - lag(m.day) OVER (PARTITION BY m.member_id, m.campaign_id ORDER BY m.day), 0) AS gap
			FROM loyalty.report_campaign_member_day m) d
	)
	SELECT f.program_id, NULL::bigint, concat_ws(' ', 'sum=' || f.sum, f.key,
		'kept=' || concat_ws(',', sum(f.a) FILTER (WHERE f.kept), sum(f.b) FILTER (WHERE f.kept)),
		'ledger=' || concat_ws(',', sum(f.a) FILTER (WHERE NOT f.kept), sum(f.b) FILTER (WHERE NOT f.kept)))
	FROM figure f
	WHERE report_campaign_differs.of_program IS NULL OR f.program_id = report_campaign_differs.of_program
	GROUP BY f.program_id, f.sum, f.key
	HAVING sum(CASE WHEN f.kept THEN f.a ELSE -f.a END) <> 0 OR sum(CASE WHEN f.kept THEN f.b ELSE -f.b END) <> 0
	UNION ALL
	SELECT x.program_id, x.member_id, format('sum=report_campaign_member_day day=%s campaign=%s kept=%s ledger=%s', x.day, x.campaign_id,
		bool_or(x.kept)::int, bool_or(NOT x.kept)::int)
	FROM (
		SELECT true AS kept, s.program_id, s.campaign_id, s.member_id, s.day FROM loyalty.report_campaign_member_day s
		WHERE report_campaign_differs.of_program IS NULL OR s.program_id = report_campaign_differs.of_program
		UNION ALL
		SELECT false, p.program_id, p.campaign_id, p.member_id, p.day FROM part p WHERE p.unit_id = 0) x
	GROUP BY x.program_id, x.campaign_id, x.member_id, x.day
	HAVING bool_and(x.kept) OR NOT bool_or(x.kept);
END;
COMMENT ON FUNCTION loyalty.report_campaign_differs(int) IS
'For verify(): sums of campaigns, of one programme or of all, that are not what the ledger says of what is folded';
