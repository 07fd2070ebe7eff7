COMMENT ON TABLE loyalty.automation IS 'What happens by itself: what starts it, for whom, how often, and what its goal is';
COMMENT ON TABLE loyalty.automation_step IS 'What an automation does, step by step';
COMMENT ON TABLE loyalty.automation_run IS 'What was started for a member, how far it came and what it did; those held out, too';
COMMENT ON TABLE loyalty.automation_broadcast IS 'One start of an automation for many members, and how far it came';
COMMENT ON TABLE loyalty.automation_scan IS 'How far all members have been looked at for what dated automations make due';
COMMENT ON SEQUENCE loyalty.automation_id_seq IS 'Ids of automations';

CREATE OR REPLACE TRIGGER automation_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.automation
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
CREATE OR REPLACE TRIGGER automation_step_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.automation_step
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();

CREATE OR REPLACE FUNCTION loyalty.automation_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_check';
COMMENT ON FUNCTION loyalty.automation_check() IS
'Trigger: refuses an automation whose trigger lacks what it needs, names what there is not, or whose condition could cost too much';

CREATE OR REPLACE TRIGGER automation_check BEFORE INSERT OR UPDATE ON loyalty.automation
	FOR EACH ROW EXECUTE FUNCTION loyalty.automation_check();

CREATE OR REPLACE FUNCTION loyalty.automation_step_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_step_check';
COMMENT ON FUNCTION loyalty.automation_step_check() IS
'Trigger: refuses a step that lacks what its kind needs or has what it has not, and one that goes back';

CREATE OR REPLACE TRIGGER automation_step_check BEFORE INSERT OR UPDATE ON loyalty.automation_step
	FOR EACH ROW EXECUTE FUNCTION loyalty.automation_step_check();

CREATE OR REPLACE FUNCTION loyalty.automation_step_needed()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_step_needed';
COMMENT ON FUNCTION loyalty.automation_step_needed() IS
'Trigger at the end of a transaction: refuses to leave a live automation without a step';

-- a trigger that is deferred cannot be replaced
DROP TRIGGER IF EXISTS automation_step_needed ON loyalty.automation_step;
CREATE CONSTRAINT TRIGGER automation_step_needed AFTER DELETE OR UPDATE OF automation_id ON loyalty.automation_step
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION loyalty.automation_step_needed();

CREATE OR REPLACE FUNCTION loyalty.automation_start(program text, automation text)
RETURNS void LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_start';
COMMENT ON FUNCTION loyalty.automation_start(text, text) IS
'A draft goes live; it needs a step';

CREATE OR REPLACE FUNCTION loyalty.automation_pause(program text, automation text)
RETURNS void LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_pause';
COMMENT ON FUNCTION loyalty.automation_pause(text, text) IS
'Nothing starts, and what waits goes on waiting, until it is resumed';

CREATE OR REPLACE FUNCTION loyalty.automation_resume(program text, automation text)
RETURNS bigint LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_resume';
COMMENT ON FUNCTION loyalty.automation_resume(text, text) IS
'What is paused is live again; how many runs go on at once';

CREATE OR REPLACE FUNCTION loyalty.automation_end(program text, automation text)
RETURNS bigint LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_end';
COMMENT ON FUNCTION loyalty.automation_end(text, text) IS
'Nothing starts any more, and what waits is cancelled; how many runs were';

CREATE OR REPLACE FUNCTION loyalty.automation_run_require(member_id bigint, run_id bigint)
RETURNS boolean LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_run_require';
COMMENT ON FUNCTION loyalty.automation_run_require(bigint, bigint) IS
'True; raises LY451 if the member has no such run of an automation: for SQL functions, which cannot raise';

CREATE OR REPLACE VIEW loyalty.report_automation WITH (security_invoker = true) AS
SELECT p.name AS program, a.name AS automation, a.title, a.status, a.trigger_kind,
	coalesce(r.runs, 0) AS runs, coalesce(r.waiting, 0) AS waiting, coalesce(r.done, 0) AS done,
	coalesce(r.exited, 0) AS exited, coalesce(r.skipped, 0) AS skipped, coalesce(r.cancelled, 0) AS cancelled,
	coalesce(r.failed, 0) AS failed, coalesce(r.undone, 0) AS undone, coalesce(r.held_out, 0) AS held_out,
	coalesce(r.treated, 0) AS treated, coalesce(r.treated_goals, 0) AS treated_goals,
	coalesce(r.held_out_goals, 0) AS held_out_goals,
	round(r.treated_goals::numeric / nullif(r.treated, 0), 4) AS treated_share,
	round(r.held_out_goals::numeric / nullif(r.held_out, 0), 4) AS held_out_share,
	r.last_triggered_at
FROM loyalty.automation a
JOIN loyalty.program p ON p.program_id = a.program_id
LEFT JOIN (
	SELECT x.automation_id, count(*) AS runs,
		count(*) FILTER (WHERE x.status = 'waiting') AS waiting,
		count(*) FILTER (WHERE x.status = 'done') AS done,
		count(*) FILTER (WHERE x.status = 'exited') AS exited,
		count(*) FILTER (WHERE x.status = 'skipped') AS skipped,
		count(*) FILTER (WHERE x.status = 'cancelled') AS cancelled,
		count(*) FILTER (WHERE x.status = 'failed') AS failed,
		count(*) FILTER (WHERE x.status = 'undone') AS undone,
		count(*) FILTER (WHERE x.status = 'held_out') AS held_out,
		-- for whom something was done
		count(*) FILTER (WHERE x.position > 0) AS treated,
		count(*) FILTER (WHERE x.position > 0 AND x.goal_at IS NOT NULL) AS treated_goals,
		count(*) FILTER (WHERE x.status = 'held_out' AND x.goal_at IS NOT NULL) AS held_out_goals,
		max(x.triggered_at) AS last_triggered_at
	FROM loyalty.automation_run x
	GROUP BY x.automation_id) r ON r.automation_id = a.automation_id;
COMMENT ON VIEW loyalty.report_automation IS
'One row per automation: its runs by status, and how often the goal was reached by those for whom something was done and by those held out';
