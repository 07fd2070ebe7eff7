-- Tiers: who is in which, and who went from one to another.

CREATE OR REPLACE FUNCTION loyalty.report_tier_flow(program_id int, since date, until date)
RETURNS TABLE (day date, action text, tier_before int, tier_after int, times bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT s.day, s.action, s.tier_before, s.tier_after, s.times
	FROM loyalty.report_tier_sum(report_tier_flow.program_id, report_tier_flow.since, report_tier_flow.until) s
	WHERE s.action <> 'while_closed'
	UNION ALL
	SELECT u.day, u.action, u.tier_before, u.tier_after, 1
	FROM loyalty.report_unposted(report_tier_flow.program_id,
		loyalty.report_end(report_tier_flow.program_id, report_tier_flow.until)) u
	JOIN loyalty.account a ON a.member_id = u.member_id
	-- closing posts what was due before
	WHERE u.action IS NOT NULL AND a.status <> 'closed'
	AND u.day BETWEEN report_tier_flow.since AND report_tier_flow.until;
END;
COMMENT ON FUNCTION loyalty.report_tier_flow(int, date, date) IS
'For reports: changes of tier by local day, also those that are due and not posted yet, but not of closed members; closed and reopened lead to and from -1; rows are to be added up';

CREATE OR REPLACE FUNCTION loyalty.report_tier(program text, at date DEFAULT NULL)
RETURNS TABLE (tier text, title text, rank int, members bigint, share numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 5
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_tier.program, coalesce(report_tier.at, '2000-01-01'), coalesce(report_tier.at, '2000-01-01'));

	WITH found AS MATERIALIZED (
		SELECT p.program_id, coalesce(report_tier.at, (loyalty.now() AT TIME ZONE p.time_zone)::date) AS day,
			loyalty.report_base_tier(p.program_id) AS base
		FROM loyalty.program p
		WHERE p.name = report_tier.program
	), step AS MATERIALIZED (
		SELECT s.tier_before, s.tier_after, sum(s.times) AS times
		FROM found f
		CROSS JOIN LATERAL loyalty.report_tier_flow(f.program_id, '-infinity', f.day) s
		GROUP BY 1, 2
	), held AS (
		SELECT x.tier_id, sum(x.members) AS members
		FROM (
			-- everybody begins without one
			SELECT 0 AS tier_id, sum(m.joined) AS members
			FROM found f
			CROSS JOIN LATERAL loyalty.report_member_sum(f.program_id, '-infinity', f.day, 'all') m
			UNION ALL
			SELECT s.tier_after, s.times FROM step s
			UNION ALL
			SELECT s.tier_before, - s.times FROM step s) x
		WHERE x.tier_id >= 0
		GROUP BY 1
	), named AS (
		SELECT coalesce(t.code, f.base) AS tier, sum(h.members) AS members
		FROM found f
		CROSS JOIN held h
		LEFT JOIN loyalty.tier t ON t.program_id = f.program_id AND t.tier_id = h.tier_id
		GROUP BY 1
	)
	SELECT x.tier, x.title, x.rank, x.members::bigint, round(x.members / nullif(sum(x.members) OVER (), 0), 4)
	FROM (
		SELECT t.code AS tier, t.title, t.rank, coalesce(n.members, 0) AS members
		FROM found f
		JOIN loyalty.tier t ON t.program_id = f.program_id
		LEFT JOIN named n ON n.tier = t.code
		UNION ALL
		SELECT NULL, NULL, NULL, n.members
		FROM named n
		WHERE n.tier IS NULL AND n.members <> 0) x
	ORDER BY x.rank, x.tier;
END;
COMMENT ON FUNCTION loyalty.report_tier(text, date) IS
'How many members are in each tier at the end of a local day, today by default; tier NULL: in none';

CREATE OR REPLACE FUNCTION loyalty.report_tier_move(program text, since date, until date)
RETURNS TABLE (from_tier text, to_tier text, action text, times bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 20
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_tier_move.program, report_tier_move.since, report_tier_move.until);

	SELECT x.from_tier, x.to_tier, x.action, sum(x.times)::bigint
	FROM (
		SELECT CASE WHEN s.action <> 'joined' THEN coalesce(b.code, p.base) END AS from_tier, coalesce(a.code, p.base) AS to_tier,
			s.action, s.times, b.rank AS from_rank, a.rank AS to_rank
		FROM (
			SELECT q.program_id, loyalty.report_base_tier(q.program_id) AS base
			FROM loyalty.program q
			WHERE q.name = report_tier_move.program) p
		CROSS JOIN LATERAL loyalty.report_tier_flow(p.program_id, report_tier_move.since, report_tier_move.until) s
		LEFT JOIN loyalty.tier b ON b.program_id = p.program_id AND b.tier_id = s.tier_before
		LEFT JOIN loyalty.tier a ON a.program_id = p.program_id AND a.tier_id = s.tier_after
		WHERE s.tier_before >= 0 AND s.tier_after >= 0) x
	GROUP BY x.from_tier, x.to_tier, x.action
	ORDER BY min(x.from_rank) NULLS FIRST, min(x.to_rank) NULLS FIRST, x.action;
END;
COMMENT ON FUNCTION loyalty.report_tier_move(text, date, date) IS
'How often members went from one tier to another in a range of days, and why: the matrix of movements; from NULL: joined';
