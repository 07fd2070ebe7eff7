COMMENT ON TYPE loyalty.ingest_row IS 'One event to be loaded: what record() and purchase() take';
COMMENT ON TABLE loyalty.ingest_run IS 'A load of ingest(): how far it has come';
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

-- Where a load stands; ingest() calls these three as its caller.

CREATE OR REPLACE FUNCTION loyalty.ingest_open(program text, source text, storage bigint, total bigint,
	restart boolean)
RETURNS int LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_ingest_open';
COMMENT ON FUNCTION loyalty.ingest_open(text, text, bigint, bigint, boolean) IS
'For ingest(): the unfinished load of a source, or a new one';

CREATE OR REPLACE FUNCTION loyalty.ingest_position(run_id int)
RETURNS text LANGUAGE C VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_ingest_position';
COMMENT ON FUNCTION loyalty.ingest_position(int) IS
'For ingest(): locks a load and tells after which row it goes on; NULL if it is over';

CREATE OR REPLACE FUNCTION loyalty.ingest_close(run_id int)
RETURNS void LANGUAGE C VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_ingest_close';
COMMENT ON FUNCTION loyalty.ingest_close(int) IS
'For ingest(): the source has been read to its end';

-- No SET search_path: a procedure that has one cannot commit. It runs with the
-- rights of its caller, and all names in what it runs are qualified.
CREATE OR REPLACE PROCEDURE loyalty.ingest(program text, source regclass, batch int DEFAULT 1000,
	columns jsonb DEFAULT NULL, enroll boolean DEFAULT false, restart boolean DEFAULT false)
LANGUAGE C
AS 'MODULE_PATHNAME', 'loyalty_ingest_run';
COMMENT ON PROCEDURE loyalty.ingest(text, regclass, int, jsonb, boolean, boolean) IS
'Loads events from a table or view in batches, each committed; called again, it goes on where it stopped';

CREATE OR REPLACE VIEW loyalty.ingest_progress WITH (security_invoker) AS
SELECT r.run_id, p.name AS program, r.source, r.status, r.total,
	r.done, r.replayed, r.rejected,
	round((r.done + r.replayed + r.rejected)
		/ nullif(extract(epoch FROM r.changed_at - r.started_at), 0)) AS rows_per_second,
	r.started_at, r.changed_at
FROM loyalty.ingest_run r
JOIN loyalty.program p USING (program_id);
COMMENT ON VIEW loyalty.ingest_progress IS 'How far each load has come, and how fast';
