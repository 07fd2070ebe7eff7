COMMENT ON TABLE loyalty.maintenance_job IS 'What periodic work did last, by job';
COMMENT ON TABLE loyalty.maintenance_fault IS 'Members whose turn in a job has failed, and until when they are left alone';

-- The jobs: one batch each, in the transaction of the caller.

CREATE OR REPLACE FUNCTION loyalty.hold_maintain(batch int DEFAULT 500, OUT done int, OUT left_over boolean)
RETURNS record LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_maintenance_hold';
COMMENT ON FUNCTION loyalty.hold_maintain(int) IS
'Job hold: ends holds, reserved orders and reserved coupons of a batch of members whose time is over';

CREATE OR REPLACE FUNCTION loyalty.account_maintain(batch int DEFAULT 500, OUT done int, OUT left_over boolean)
RETURNS record LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_maintenance_account';
COMMENT ON FUNCTION loyalty.account_maintain(int) IS
'Job account: posts what fell due for a batch of members, those due longest first';

CREATE OR REPLACE FUNCTION loyalty.tag_maintain(batch int DEFAULT 500, OUT done int, OUT left_over boolean)
RETURNS record LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_maintenance_tag';
COMMENT ON FUNCTION loyalty.tag_maintain(int) IS
'Job tag: tag_refresh() of the programmes, a batch of members';

CREATE OR REPLACE FUNCTION loyalty.activity_maintain(batch int DEFAULT 500, OUT done int, OUT left_over boolean)
RETURNS record LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_maintenance_activity';
COMMENT ON FUNCTION loyalty.activity_maintain(int) IS
'Job activity: deletes a batch of what is no longer kept';

CREATE OR REPLACE FUNCTION loyalty.report_fold(batch int DEFAULT 500, OUT done int, OUT left_over boolean)
RETURNS record LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_maintenance_report';
COMMENT ON FUNCTION loyalty.report_fold(int) IS
'Job report: adds a batch of the journal to the sums of the reports, as far as no transaction that is running can still add to it';

CREATE OR REPLACE FUNCTION loyalty.maintain_batch(job text, batch int DEFAULT 500, OUT done int, OUT left_over boolean)
RETURNS record LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_maintenance_batch';
COMMENT ON FUNCTION loyalty.maintain_batch(text, int) IS
'One batch of a job; left_over: call it again';

-- No SET search_path: a procedure that has one cannot commit. It runs with the
-- rights of its caller, and calls two functions by their full names.
CREATE OR REPLACE PROCEDURE loyalty.maintain(budget interval DEFAULT '1 minute', batch int DEFAULT 500)
LANGUAGE C
AS 'MODULE_PATHNAME', 'loyalty_maintenance_run';
COMMENT ON PROCEDURE loyalty.maintain(interval, int) IS
'Does all periodic work, job by job in small batches, each committed, until nothing is left or the budget is used';

-- What the jobs tell of themselves.

CREATE OR REPLACE FUNCTION loyalty.maintenance_note(job text, started_at timestamptz, finished_at timestamptz,
	done bigint, errors int DEFAULT 0, error text DEFAULT NULL, waits boolean DEFAULT true)
RETURNS boolean LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_maintenance_note';
COMMENT ON FUNCTION loyalty.maintenance_note(text, timestamptz, timestamptz, bigint, int, text, boolean) IS
'For maintain(): adds a turn to the row of a job; false if another session writes it and this one does not wait';

CREATE OR REPLACE FUNCTION loyalty.maintenance_fail(member_id bigint, job text, sqlstate text, message text)
RETURNS timestamptz LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_maintenance_fail';
COMMENT ON FUNCTION loyalty.maintenance_fail(bigint, text, text, text) IS
'For jobs: notes a member whose turn has failed, and tells until when he is left alone';

CREATE OR REPLACE FUNCTION loyalty.maintenance_heal(job text, member_ids bigint[])
RETURNS bigint LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_maintenance_heal';
COMMENT ON FUNCTION loyalty.maintenance_heal(text, bigint[]) IS
'For jobs: deletes what was noted of members whose turn has not failed now';

CREATE OR REPLACE FUNCTION loyalty.maintenance_faulty(job text)
RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(array_agg(f.member_id ORDER BY f.member_id), '{}')
	FROM loyalty.maintenance_fault f
	WHERE f.job = maintenance_faulty.job AND f.retry_at > loyalty.now();
END;
COMMENT ON FUNCTION loyalty.maintenance_faulty(text) IS
'For jobs: the members who are to be left alone now';

CREATE OR REPLACE FUNCTION loyalty.maintenance_noted(job text, program_id int)
RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(array_agg(f.member_id ORDER BY f.member_id), '{}')
	FROM loyalty.maintenance_fault f
	WHERE f.job = maintenance_noted.job AND f.program_id = maintenance_noted.program_id;
END;
COMMENT ON FUNCTION loyalty.maintenance_noted(text, int) IS
'For jobs: the members of a programme who were noted, whether they are to be left alone or not';

-- Some of it is read from tables that nobody reads who watches.
CREATE OR REPLACE FUNCTION loyalty.maintenance_backlog()
RETURNS TABLE (job text, backlog bigint, since timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH clock AS MATERIALIZED (
		SELECT p.program_id, p.time_zone, (loyalty.now() AT TIME ZONE p.time_zone)::date AS today
		FROM loyalty.program p
	)
	SELECT 'hold', count(DISTINCT h.member_id), min(h.ends_at)
	FROM (
		SELECT x.member_id, x.expires_at AS ends_at FROM loyalty.hold x
		WHERE x.status = 'held' AND x.expires_at <= loyalty.now()
		UNION ALL
		SELECT x.member_id, x.expires_at FROM loyalty.checkout x
		WHERE x.status = 'reserved' AND x.expires_at <= loyalty.now()
		UNION ALL
		SELECT x.member_id, x.reserved_until FROM loyalty.coupon_use x
		WHERE x.status = 'reserved' AND x.reserved_until <= loyalty.now()) h
	UNION ALL
	SELECT 'account', coalesce(sum(d.n), 0)::bigint, min(d.first_due::timestamp AT TIME ZONE c.time_zone)
	FROM clock c
	CROSS JOIN LATERAL (
		SELECT count(*) AS n, min(a.due_on) AS first_due
		FROM loyalty.account a WHERE a.program_id = c.program_id AND a.due_on <= c.today) d
	UNION ALL
	SELECT 'tag', coalesce(sum(r.n + s.n), 0)::bigint, min(r.first_due::timestamp AT TIME ZONE c.time_zone)
	FROM clock c
	CROSS JOIN LATERAL (
		SELECT count(*) AS n, min(t.due_on) AS first_due
		FROM loyalty.tag_review t WHERE t.program_id = c.program_id AND t.due_on <= c.today) r
	CROSS JOIN LATERAL (
		SELECT count(*) AS n
		FROM loyalty.tag_scan t
		JOIN loyalty.account a ON a.program_id = t.program_id AND a.member_id > t.done_until
		WHERE t.program_id = c.program_id) s
	UNION ALL
	SELECT 'scan', coalesce(sum(r.n), 0)::bigint, NULL
	FROM loyalty.automation_scan s
	CROSS JOIN LATERAL (
		SELECT count(*) AS n FROM loyalty.account a
		WHERE a.program_id = s.program_id AND a.member_id > s.done_until) r
	UNION ALL
	SELECT 'schedule', NULL, NULL
	UNION ALL
	SELECT 'broadcast', count(*), min(b.triggered_at)
	FROM loyalty.automation_broadcast b
	JOIN loyalty.automation a ON a.automation_id = b.automation_id
	JOIN loyalty.program p ON p.program_id = b.program_id
	WHERE b.status = 'running' AND a.status <> 'paused' AND p.status = 'active'
	UNION ALL
	SELECT 'run', count(*), min(r.due_at)
	FROM loyalty.automation_run r WHERE r.status = 'waiting' AND r.due_at <= loyalty.now()
	UNION ALL
	SELECT 'message', count(*), min(m.expires_at)
	FROM loyalty.message m WHERE m.status IN ('queued', 'taken') AND m.expires_at <= loyalty.now()
	UNION ALL
	SELECT 'activity', NULL, NULL
	UNION ALL
	-- ids, not rows: those would have to be read. A node of which nothing is folded is not counted
	-- rows, and not ids: on a standby the sequence is ahead of what was given away
	SELECT 'report', coalesce(sum(loyalty.report_rows(g.first_id, g.last_id, 100000)), 0)::bigint, NULL
	FROM loyalty.report_gap() g
	UNION ALL
	SELECT 'period', count(*), min(c.called_at)
	FROM loyalty.report_close c WHERE c.closed_at IS NULL;
END;
COMMENT ON FUNCTION loyalty.maintenance_backlog() IS
'How much of each job is due and not done, and since when the oldest of it; NULL: not known';

CREATE OR REPLACE VIEW loyalty.maintenance_status WITH (security_invoker) AS
SELECT b.job, j.started_at, j.finished_at, coalesce(j.done, 0) AS done,
	b.backlog, loyalty.now() - b.since AS lag,
	coalesce(j.errors, 0) AS errors, j.failed_at, j.error,
	(SELECT count(*) FROM loyalty.maintenance_fault f WHERE f.job = b.job) AS faults,
	(SELECT array_agg(DISTINCT p.name ORDER BY p.name) FROM loyalty.maintenance_fault f
		JOIN loyalty.program p ON p.program_id = f.program_id WHERE f.job = b.job) AS programs
FROM loyalty.maintenance_backlog() WITH ORDINALITY b (job, backlog, since, place)
LEFT JOIN loyalty.maintenance_job j ON j.job = b.job
ORDER BY b.place;
COMMENT ON VIEW loyalty.maintenance_status IS 'For the monitoring: each job, when it ran, how much is left to do, what failed';
COMMENT ON COLUMN loyalty.maintenance_status.job IS 'Kind of work, in the order in which it is done';
COMMENT ON COLUMN loyalty.maintenance_status.started_at IS 'When its last turn began; NULL: never';
COMMENT ON COLUMN loyalty.maintenance_status.finished_at IS 'When it was last done with all there was; NULL: never';
COMMENT ON COLUMN loyalty.maintenance_status.done IS 'How much was worked off in all';
COMMENT ON COLUMN loyalty.maintenance_status.backlog IS 'How much is due now and not done; NULL: not known';
COMMENT ON COLUMN loyalty.maintenance_status.lag IS 'How long ago the oldest of it fell due';
COMMENT ON COLUMN loyalty.maintenance_status.errors IS 'How often the job failed as a whole';
COMMENT ON COLUMN loyalty.maintenance_status.failed_at IS 'When it failed last';
COMMENT ON COLUMN loyalty.maintenance_status.error IS 'SQLSTATE and message of that';
COMMENT ON COLUMN loyalty.maintenance_status.faults IS 'Members whose turn has failed, and who are left alone for the time being';
COMMENT ON COLUMN loyalty.maintenance_status.programs IS 'The programmes of these members; NULL: none';
