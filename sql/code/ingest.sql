COMMENT ON TYPE loyalty.ingest_row IS 'One event to be loaded: what record() and purchase() take';
COMMENT ON TYPE loyalty.import_row IS 'One member to be taken over from another system';
COMMENT ON TABLE loyalty.ingest_run IS 'A load of ingest() or import_members(): how far it has come';
COMMENT ON TABLE loyalty.ingest_reject IS 'Rows that could not be loaded, and why';
COMMENT ON SEQUENCE loyalty.ingest_run_id_seq IS 'Ids of loads';

CREATE OR REPLACE FUNCTION loyalty.ingest_batch(program text, rows loyalty.ingest_row[], source text,
	run_id int DEFAULT NULL, enroll boolean DEFAULT false,
	OUT done bigint, OUT replayed bigint, OUT rejected bigint)
LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_ingest_batch';
COMMENT ON FUNCTION loyalty.ingest_batch(text, loyalty.ingest_row[], text, int, boolean) IS
'Records many events at once, each as record() or purchase() would; what is refused goes to ingest_reject';

-- Where a load stands; the procedures call these three as their caller.

CREATE OR REPLACE FUNCTION loyalty.ingest_open(program text, source text, storage bigint, total bigint,
	restart boolean)
RETURNS int LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_ingest_open';
COMMENT ON FUNCTION loyalty.ingest_open(text, text, bigint, bigint, boolean) IS
'For ingest() and import_members(): the unfinished load of a source, or a new one';

CREATE OR REPLACE FUNCTION loyalty.ingest_position(run_id int)
RETURNS text LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_ingest_position';
COMMENT ON FUNCTION loyalty.ingest_position(int) IS
'For ingest() and import_members(): locks a load and tells after which row it goes on; NULL if it is over';

CREATE OR REPLACE FUNCTION loyalty.ingest_close(run_id int)
RETURNS void LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_ingest_close';
COMMENT ON FUNCTION loyalty.ingest_close(int) IS
'For ingest() and import_members(): the source has been read to its end';

-- No SET search_path: a procedure that has one cannot commit. It runs with the
-- rights of its caller, and all names in what it runs are qualified.
CREATE OR REPLACE PROCEDURE loyalty.ingest(program text, source regclass, batch int DEFAULT 1000,
	columns jsonb DEFAULT NULL, enroll boolean DEFAULT false, restart boolean DEFAULT false)
LANGUAGE C
AS 'MODULE_PATHNAME', 'loyalty_ingest_run';
COMMENT ON PROCEDURE loyalty.ingest(text, regclass, int, jsonb, boolean, boolean) IS
'Loads events from a table or view in batches, each committed; called again, it goes on where it stopped';

-- Members of another system

CREATE OR REPLACE FUNCTION loyalty.import_member(program text, identities jsonb, profile jsonb DEFAULT '{}',
	state jsonb DEFAULT '{}', at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_event_import';
COMMENT ON FUNCTION loyalty.import_member(text, jsonb, jsonb, jsonb, timestamptz, text, text) IS
'Takes over a member of another system, once: identities, lots, tier, number of purchases; no rule is asked';

CREATE OR REPLACE FUNCTION loyalty.import_batch(program text, rows loyalty.import_row[], source text,
	run_id int DEFAULT NULL, OUT done bigint, OUT replayed bigint, OUT rejected bigint)
LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_ingest_import';
COMMENT ON FUNCTION loyalty.import_batch(text, loyalty.import_row[], text, int) IS
'Takes over many members, each as import_member() would; what is refused goes to ingest_reject';

CREATE OR REPLACE PROCEDURE loyalty.import_members(program text, source regclass, lots regclass DEFAULT NULL,
	batch int DEFAULT 1000, columns jsonb DEFAULT NULL, restart boolean DEFAULT false)
LANGUAGE C
AS 'MODULE_PATHNAME', 'loyalty_ingest_run_import';
COMMENT ON PROCEDURE loyalty.import_members(text, regclass, regclass, int, jsonb, boolean) IS
'Takes over the members of another system from a table, and their lots from another, in batches, each committed';

CREATE OR REPLACE FUNCTION loyalty.import_total(program text)
RETURNS TABLE (unit text, members bigint, lots bigint, amount numeric)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT u.code, count(DISTINCT e.member_id), count(*), loyalty.unit_amount(sum(e.amount)::bigint, u.scale)
	FROM loyalty.program p
	JOIN loyalty.journal j ON j.program_id = p.program_id AND j.kind = 'import'
	JOIN loyalty.entry e ON e.member_id = j.member_id AND e.journal_id = j.journal_id
	JOIN loyalty.unit u ON u.unit_id = e.unit_id
	WHERE p.name = import_total.program
	GROUP BY u.code, u.scale
	UNION ALL
	SELECT NULL, count(*), NULL, coalesce(sum(j.amount), 0)
	FROM loyalty.program p
	JOIN loyalty.journal j ON j.program_id = p.program_id AND j.kind = 'import'
	WHERE p.name = import_total.program
	ORDER BY 1 NULLS FIRST;
END;
COMMENT ON FUNCTION loyalty.import_total(text) IS
'What was taken over, by unit, to be compared with the other system; in the row without a unit all members and their purchases';

CREATE OR REPLACE VIEW loyalty.ingest_progress WITH (security_invoker) AS
SELECT r.run_id, p.name AS program, r.source, r.status, r.total,
	r.done, r.replayed, r.rejected,
	round((r.done + r.replayed + r.rejected)
		/ nullif(extract(epoch FROM r.changed_at - r.started_at), 0)) AS rows_per_second,
	r.started_at, r.changed_at
FROM loyalty.ingest_run r
JOIN loyalty.program p USING (program_id);
COMMENT ON VIEW loyalty.ingest_progress IS 'How far each load has come, and how fast';
COMMENT ON COLUMN loyalty.ingest_progress.run_id IS 'Id of the run';
COMMENT ON COLUMN loyalty.ingest_progress.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.ingest_progress.source IS 'What the caller calls its source';
COMMENT ON COLUMN loyalty.ingest_progress.status IS 'Of the run';
COMMENT ON COLUMN loyalty.ingest_progress.total IS 'How many rows are expected; NULL: unknown';
COMMENT ON COLUMN loyalty.ingest_progress.done IS 'Rows that were recorded';
COMMENT ON COLUMN loyalty.ingest_progress.replayed IS 'Rows that were known before';
COMMENT ON COLUMN loyalty.ingest_progress.rejected IS 'Rows that were refused';
COMMENT ON COLUMN loyalty.ingest_progress.rows_per_second IS 'How fast it has been';
COMMENT ON COLUMN loyalty.ingest_progress.started_at IS 'When it began';
COMMENT ON COLUMN loyalty.ingest_progress.changed_at IS 'When it last did something';
