CREATE OR REPLACE FUNCTION loyalty.automation_run_due(batch int DEFAULT 500, OUT done int, OUT left_over boolean)
RETURNS record LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_run_due';
COMMENT ON FUNCTION loyalty.automation_run_due(int) IS
'Works off runs of automations that are due, up to so many; a step that fails is tried again later; left_over: there may be more';

CREATE OR REPLACE FUNCTION loyalty.automation_run_retry(member_id bigint, run_id bigint)
RETURNS boolean LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_run_retry';
COMMENT ON FUNCTION loyalty.automation_run_retry(bigint, bigint) IS
'Tries a run of an automation that has failed again, behind the last step that was done; whether it had failed';

CREATE OR REPLACE FUNCTION loyalty.automation_test(member_id bigint, automation text,
	trigger jsonb DEFAULT NULL, journal_id bigint DEFAULT NULL,
	OUT step_position int, OUT kind text, OUT outcome text, OUT detail jsonb)
RETURNS SETOF record LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_test';
COMMENT ON FUNCTION loyalty.automation_test(bigint, text, jsonb, bigint) IS
'What an automation, a draft too, would do for a member now, step by step; writes nothing';

CREATE OR REPLACE FUNCTION loyalty.automation_audience(program text, automation text,
	OUT members bigint, OUT reached bigint, OUT held_out bigint)
RETURNS record LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_audience';
COMMENT ON FUNCTION loyalty.automation_audience(text, text) IS
'How many members meet an automation''s segment and condition now, and how many of them would be held out; looks at every member';

CREATE OR REPLACE FUNCTION loyalty.automation_explain(member_id bigint, run_id bigint)
RETURNS TABLE (line int, at timestamptz, step_position int, kind text, detail jsonb)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT loyalty.automation_run_require(automation_explain.member_id, automation_explain.run_id);

	SELECT l.line, l.at, l.step_position, l.kind, l.detail
	FROM loyalty.automation_run r
	JOIN loyalty.automation a ON a.automation_id = r.automation_id
	CROSS JOIN LATERAL (
		SELECT 0 AS line, r.triggered_at AS at, NULL::int AS step_position, 'trigger' AS kind,
			jsonb_strip_nulls(jsonb_build_object('automation', a.name, 'trigger_kind', a.trigger_kind, 'occurrence', r.occurrence,
				'journal_id', r.journal_id)) || r.trigger AS detail
		UNION ALL
		SELECT x.line::int, (x.entry ->> 'at')::timestamptz, (x.entry ->> 'position')::int, x.entry ->> 'kind',
			x.entry - '{at,position,kind}'::text[]
		FROM jsonb_array_elements(r.log) WITH ORDINALITY x (entry, line)
		UNION ALL
		SELECT jsonb_array_length(r.log) + 1, coalesce(r.finished_at, r.due_at), NULL, r.status,
			jsonb_strip_nulls(jsonb_build_object('reason', r.reason, 'goal_at', r.goal_at))) l
	WHERE r.member_id = automation_explain.member_id AND r.run_id = automation_explain.run_id
	ORDER BY l.line;
END;
COMMENT ON FUNCTION loyalty.automation_explain(bigint, bigint) IS
'What started a run of an automation, what each step came to, and what became of it or when it goes on';
