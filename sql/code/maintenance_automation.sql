CREATE OR REPLACE FUNCTION loyalty.automation_due(member_id bigint)
RETURNS TABLE (automation text, occurrence text, due_on date, due_at timestamptz, trigger jsonb)
LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_due';
COMMENT ON FUNCTION loyalty.automation_due(bigint) IS
'What the automations that start on a date make due for a member: by now, and to come as far as it is known';

CREATE OR REPLACE FUNCTION loyalty.automation_scanned(program_id int)
RETURNS boolean LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_scanned';
COMMENT ON FUNCTION loyalty.automation_scanned(int) IS
'Has the programme automations that start on a date, and does each due_on know of them? For verify()';

CREATE OR REPLACE FUNCTION loyalty.automation_scan(batch int DEFAULT 500, OUT done int, OUT left_over boolean)
RETURNS record LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_scan';
COMMENT ON FUNCTION loyalty.automation_scan(int) IS
'Job scan: looks at the next members after automations that start on a date were changed';

CREATE OR REPLACE FUNCTION loyalty.automation_schedule(batch int DEFAULT 500, OUT done int, OUT left_over boolean)
RETURNS record LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_schedule';
COMMENT ON FUNCTION loyalty.automation_schedule(int) IS
'Job schedule: makes a broadcast of each schedule that has come, and runs for holds that are about to end';

CREATE OR REPLACE FUNCTION loyalty.automation_broadcast(program text, automation text, key text,
	segment text DEFAULT NULL, target_kind text DEFAULT NULL, target text DEFAULT NULL, target_days int DEFAULT NULL,
	params jsonb DEFAULT '{}')
RETURNS bigint LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_broadcast';
COMMENT ON FUNCTION loyalty.automation_broadcast(text, text, text, text, text, text, int, jsonb) IS
'Starts an automation for many members, by segment or by what they looked at; returns the id of the broadcast';

CREATE OR REPLACE FUNCTION loyalty.automation_broadcast_run(batch int DEFAULT 500, OUT done int, OUT left_over boolean)
RETURNS record LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_broadcast_run';
COMMENT ON FUNCTION loyalty.automation_broadcast_run(int) IS
'Job broadcast: makes the runs of broadcasts for the next members';

CREATE OR REPLACE FUNCTION loyalty.automation_broadcast_cancel(broadcast_id bigint)
RETURNS bigint LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_broadcast_cancel';
COMMENT ON FUNCTION loyalty.automation_broadcast_cancel(bigint) IS
'Ends a broadcast and those of its runs that have done nothing yet; returns how many';

-- Who may see how many may not see who.
CREATE OR REPLACE FUNCTION loyalty.automation_broadcast_count(broadcast_id bigint, OUT audience bigint, OUT looked_at bigint,
	OUT waiting bigint, OUT done bigint, OUT held_out bigint, OUT ended bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT m.audience, m.looked_at, r.waiting, r.done, r.held_out, r.ended
	FROM loyalty.automation_broadcast b
	CROSS JOIN LATERAL (
		SELECT count(*) AS audience, count(*) FILTER (WHERE s.member_id <= b.done_until OR b.status = 'done') AS looked_at
		FROM (
			SELECT g.member_id FROM loyalty.member_segment g
			WHERE g.program_id = b.program_id AND g.segment = b.segment
			UNION ALL
			SELECT c.member_id FROM loyalty.account c
			WHERE b.segment IS NULL AND c.program_id = b.program_id) s) m
	CROSS JOIN LATERAL (
		SELECT count(*) FILTER (WHERE n.status = 'waiting') AS waiting,
			count(*) FILTER (WHERE n.status = 'done') AS done,
			count(*) FILTER (WHERE n.status = 'held_out') AS held_out,
			count(*) FILTER (WHERE n.status NOT IN ('waiting', 'done', 'held_out')) AS ended
		FROM loyalty.automation_run n
		WHERE n.automation_id = b.automation_id AND n.triggered_at = b.triggered_at
		AND n.trigger->>'broadcast_id' = b.broadcast_id::text) r
	WHERE b.broadcast_id = automation_broadcast_count.broadcast_id;
END;
COMMENT ON FUNCTION loyalty.automation_broadcast_count(bigint) IS
'How many members a broadcast is for, and what became of its runs; for the view broadcast_progress';

CREATE OR REPLACE VIEW loyalty.broadcast_progress WITH (security_invoker = true) AS
SELECT b.broadcast_id, p.name AS program, a.name AS automation, b.key, b.status, b.segment, b.target_kind, b.target,
	b.triggered_at, b.finished_at, n.audience, n.looked_at, b.started,
	n.waiting, n.done, n.held_out, n.ended
FROM loyalty.automation_broadcast b
JOIN loyalty.automation a ON a.automation_id = b.automation_id
JOIN loyalty.program p ON p.program_id = b.program_id
CROSS JOIN LATERAL loyalty.automation_broadcast_count(b.broadcast_id) n;
COMMENT ON VIEW loyalty.broadcast_progress IS 'How far each broadcast has come, and what became of its runs';
COMMENT ON COLUMN loyalty.broadcast_progress.broadcast_id IS 'What automation_broadcast() has returned';
COMMENT ON COLUMN loyalty.broadcast_progress.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.broadcast_progress.automation IS 'Name of the automation';
COMMENT ON COLUMN loyalty.broadcast_progress.key IS 'Of the caller, or the date of the schedule';
COMMENT ON COLUMN loyalty.broadcast_progress.status IS 'running, done or cancelled';
COMMENT ON COLUMN loyalty.broadcast_progress.segment IS 'For whom; NULL: all members';
COMMENT ON COLUMN loyalty.broadcast_progress.target_kind IS 'sku, category or brand; NULL: for all of the segment';
COMMENT ON COLUMN loyalty.broadcast_progress.target IS 'Which one they looked at or bought';
COMMENT ON COLUMN loyalty.broadcast_progress.triggered_at IS 'When it was announced, or was due';
COMMENT ON COLUMN loyalty.broadcast_progress.finished_at IS 'When the last run was made, or it was cancelled';
COMMENT ON COLUMN loyalty.broadcast_progress.audience IS 'Members of the segment now, or of the programme';
COMMENT ON COLUMN loyalty.broadcast_progress.looked_at IS 'Of these, how many have been looked at';
COMMENT ON COLUMN loyalty.broadcast_progress.started IS 'Runs that were made';
COMMENT ON COLUMN loyalty.broadcast_progress.waiting IS 'Runs with steps still to be done';
COMMENT ON COLUMN loyalty.broadcast_progress.done IS 'Runs that are done';
COMMENT ON COLUMN loyalty.broadcast_progress.held_out IS 'Members who got nothing, for comparison';
COMMENT ON COLUMN loyalty.broadcast_progress.ended IS 'Runs that were skipped, or ended early';
