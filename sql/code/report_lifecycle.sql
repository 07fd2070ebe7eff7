-- Stages of the lifecycle in sums. Who has which tag is not for every reader; how
-- many are in a stage is, so that two functions count with their owner's rights.

CREATE OR REPLACE FUNCTION loyalty.lifecycle_members()
RETURNS TABLE (program_id int, stage text, members bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 20
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT a.program_id, s.stage, count(*)
	FROM loyalty.account a
	LEFT JOIN loyalty.lifecycle_current s ON s.member_id = a.member_id
	WHERE a.status IN ('active', 'frozen')
	GROUP BY a.program_id, s.stage;
END;
COMMENT ON FUNCTION loyalty.lifecycle_members() IS
'For report_lifecycle: how many members are in each stage; NULL: in none';

CREATE OR REPLACE FUNCTION loyalty.lifecycle_moves()
RETURNS TABLE (program text, month date, from_stage text, to_stage text, moves bigint, members bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 200
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH period AS (
		SELECT h.member_id, h.program, h.stage, h.since, h.until,
			lag(h.stage) OVER w AS before, lag(h.until) OVER w AS before_until, lead(h.since) OVER w AS next_since
		FROM loyalty.lifecycle_history h
		WINDOW w AS (PARTITION BY h.member_id ORDER BY h.since)
	), move AS (
		SELECT d.member_id, d.program, d.since AS at, CASE WHEN d.before_until = d.since THEN d.before END AS from_stage,
			d.stage AS to_stage
		FROM period d
		UNION ALL
		-- into none
		SELECT d.member_id, d.program, d.until, d.stage, NULL
		FROM period d
		WHERE d.until IS NOT NULL AND d.next_since IS DISTINCT FROM d.until
	)
	SELECT v.program, date_trunc('month', v.at AT TIME ZONE p.time_zone)::date, v.from_stage, v.to_stage,
		count(*), count(DISTINCT v.member_id)
	FROM move v
	JOIN loyalty.program p ON p.name = v.program
	WHERE v.from_stage IS DISTINCT FROM v.to_stage
	GROUP BY v.program, 2, v.from_stage, v.to_stage;
END;
COMMENT ON FUNCTION loyalty.lifecycle_moves() IS
'For report_lifecycle_move: how often members went from one stage to another, by local month';

CREATE OR REPLACE VIEW loyalty.report_lifecycle WITH (security_invoker = true) AS
SELECT p.name AS program, t.name AS stage, t.title, t.position, coalesce(m.members, 0) AS members
FROM loyalty.tag t
JOIN loyalty.program p ON p.program_id = t.program_id
LEFT JOIN loyalty.lifecycle_members() m ON m.program_id = t.program_id AND m.stage = t.name
WHERE t.dimension = 'lifecycle' AND (t.status = 'active' OR m.members > 0)
UNION ALL
SELECT p.name, NULL, NULL, NULL, m.members
FROM loyalty.lifecycle_members() m
JOIN loyalty.program p ON p.program_id = m.program_id
WHERE m.stage IS NULL AND EXISTS (
	SELECT FROM loyalty.tag t WHERE t.program_id = m.program_id AND t.dimension = 'lifecycle');
COMMENT ON VIEW loyalty.report_lifecycle IS
'How many members are in each stage of a programme, and in none: closed ones do not count';
COMMENT ON COLUMN loyalty.report_lifecycle.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.report_lifecycle.stage IS 'Name of the stage; NULL: those who have none';
COMMENT ON COLUMN loyalty.report_lifecycle.title IS 'Of the stage, for people';
COMMENT ON COLUMN loyalty.report_lifecycle.position IS 'Of the stage among the others';
COMMENT ON COLUMN loyalty.report_lifecycle.members IS 'Members who are in it, active or frozen';

CREATE OR REPLACE VIEW loyalty.report_lifecycle_move WITH (security_invoker = true) AS
SELECT m.program, m.month, m.from_stage, m.to_stage, m.moves, m.members
FROM loyalty.lifecycle_moves() m;
COMMENT ON VIEW loyalty.report_lifecycle_move IS
'From which stage to which members went, by month: the matrix of movements';
COMMENT ON COLUMN loyalty.report_lifecycle_move.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.report_lifecycle_move.month IS 'First day of the local month in which it became so';
COMMENT ON COLUMN loyalty.report_lifecycle_move.from_stage IS 'NULL: had none before';
COMMENT ON COLUMN loyalty.report_lifecycle_move.to_stage IS 'NULL: has none after';
COMMENT ON COLUMN loyalty.report_lifecycle_move.moves IS 'How often';
COMMENT ON COLUMN loyalty.report_lifecycle_move.members IS 'By how many members';
