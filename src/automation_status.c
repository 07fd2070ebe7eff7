/*
 * automation_status.c
 *
 * Automations are started, paused, resumed and ended.
 */
#include "automation.h"

#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(loyalty_automation_start);
PG_FUNCTION_INFO_V1(loyalty_automation_pause);
PG_FUNCTION_INFO_V1(loyalty_automation_resume);
PG_FUNCTION_INFO_V1(loyalty_automation_end);
PG_FUNCTION_INFO_V1(loyalty_automation_run_require);
PG_FUNCTION_INFO_V1(loyalty_automation_run_retry);

static Statement select_program = {
	"SELECT program_id FROM loyalty.program WHERE name = $1",
	1, {TEXTOID}
};

static Statement lock_automation = {
	"SELECT automation_id, status FROM loyalty.automation"
	" WHERE program_id = $1 AND name = $2 FOR UPDATE",
	2, {INT4OID, TEXTOID}
};

/*
 * A schedule that starts makes up for no day before, unless it says since
 * when.
 */
static Statement update_status = {
	"UPDATE loyalty.automation a SET status = $2,"
	" starts_at = CASE WHEN $2 = 'live' AND a.status = 'draft'"
	" AND a.trigger_kind = 'schedule' AND a.starts_at IS NULL"
	" AND coalesce(a.ends_at > d.at, true) THEN d.at ELSE a.starts_at END,"
	" ends_at = CASE WHEN $2 = 'ended' AND coalesce(a.starts_at < $3, true)"
	" THEN least(a.ends_at, $3) ELSE a.ends_at END"
	" FROM loyalty.program p"
	" CROSS JOIN LATERAL date_trunc('day', $3, p.time_zone) AS d (at)"
	" WHERE a.automation_id = $1 AND p.program_id = a.program_id",
	3, {INT4OID, TEXTOID, TIMESTAMPTZOID}
};

/* What was put off goes on now. */
static Statement resume_runs = {
	"UPDATE loyalty.automation_run SET due_at = $2, reason = NULL"
	" WHERE (member_id, run_id) IN (SELECT r.member_id, r.run_id"
	" FROM loyalty.automation_run r WHERE r.automation_id = $1"
	" AND r.status = 'waiting' AND r.reason = 'paused'"
	" FOR UPDATE SKIP LOCKED)",
	2, {INT4OID, TIMESTAMPTZOID}
};

/*
 * What waits ends.  What is being worked off, and what a refund takes back,
 * is left alone: whatever waits after that is found ended when it is due.
 */
static Statement cancel_runs = {
	"UPDATE loyalty.automation_run SET status = 'cancelled',"
	" reason = 'ended', due_at = NULL, finished_at = $2"
	" WHERE (member_id, run_id) IN (SELECT r.member_id, r.run_id"
	" FROM loyalty.automation_run r WHERE r.automation_id = $1"
	" AND r.status = 'waiting' AND r.reason IS DISTINCT FROM 'refunded'"
	" FOR UPDATE SKIP LOCKED)",
	2, {INT4OID, TIMESTAMPTZOID}
};

/* Locks the automation that the arguments name; LY403, LY450. */
static int32
find(FunctionCallInfo fcinfo, char **status)
{
	NullableDatum args[2];

	require_argument(fcinfo, 0, "program");
	require_argument(fcinfo, 1, "automation");
	loyalty_check_version();
	if (statement_run(&select_program, fcinfo->args, false) == 0)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s",
							   clipped(TextDatumGetCString(fcinfo->args[0].value))));
	args[0] = ARG(statement_notnull(0, 1));
	args[1] = fcinfo->args[1];
	if (statement_run(&lock_automation, args, false) == 0)
		refusal_raise(REFUSAL_UNKNOWN_AUTOMATION,
					  psprintf("automation=%s",
							   clipped(TextDatumGetCString(args[1].value))));
	*status = statement_text(0, 2);
	return DatumGetInt32(statement_notnull(0, 1));
}

/* Gives it another status, if it has one from which that can be had. */
static int32
change(FunctionCallInfo fcinfo, const char *from, const char *to)
{
	char	   *status;
	int32		automation_id = find(fcinfo, &status);
	NullableDatum args[] = {
		ARG(Int32GetDatum(automation_id)),
		ARG(CStringGetTextDatum(to)),
		ARG(TimestampTzGetDatum(loyalty_clock()))
	};

	if (strcmp(status, to) == 0)
		return automation_id;
	if (from != NULL && strcmp(status, from) != 0)
		refusal_raise(REFUSAL_AUTOMATION_NOT_READY,
					  psprintf("automation=%s status=%s",
							   clipped(TextDatumGetCString(fcinfo->args[1].value)),
							   status));
	statement_run(&update_status, args, false);
	return automation_id;
}

/* Runs a statement about its runs; how many there were. */
static int64
change_runs(Statement *statement, int32 automation_id)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(automation_id)),
		ARG(TimestampTzGetDatum(loyalty_clock()))
	};

	return statement_run(statement, args, false);
}

/* automation_start(program, automation): a draft goes live. */
Datum
loyalty_automation_start(PG_FUNCTION_ARGS)
{
	SPI_connect();
	change(fcinfo, "draft", "live");
	SPI_finish();
	PG_RETURN_VOID();
}

/* automation_pause(program, automation) */
Datum
loyalty_automation_pause(PG_FUNCTION_ARGS)
{
	SPI_connect();
	change(fcinfo, "live", "paused");
	SPI_finish();
	PG_RETURN_VOID();
}

/* automation_resume(program, automation): how many runs go on at once. */
Datum
loyalty_automation_resume(PG_FUNCTION_ARGS)
{
	int64		n;

	SPI_connect();
	n = change_runs(&resume_runs, change(fcinfo, "paused", "live"));
	SPI_finish();
	PG_RETURN_INT64(n);
}

/* automation_end(program, automation): how many runs were cancelled. */
Datum
loyalty_automation_end(PG_FUNCTION_ARGS)
{
	int64		n;

	SPI_connect();
	n = change_runs(&cancel_runs, change(fcinfo, NULL, "ended"));
	SPI_finish();
	PG_RETURN_INT64(n);
}

static Statement select_run = {
	"SELECT FROM loyalty.automation_run WHERE member_id = $1 AND run_id = $2",
	2, {INT8OID, INT8OID}
};

/*
 * What failed while it was undone is to be undone.  The entry, which tells of
 * no error, is where its failures are counted from.
 */
static Statement retry_run = {
	"UPDATE loyalty.automation_run SET status = 'waiting',"
	" reason = CASE WHEN (log->-1->'undo')::boolean THEN 'refunded' END,"
	" due_at = $3, finished_at = NULL, log = log || jsonb_build_object("
	"'position', position, 'kind', 'retry', 'at', $3)"
	" WHERE member_id = $1 AND run_id = $2 AND status = 'failed'",
	3, {INT8OID, INT8OID, TIMESTAMPTZOID}
};

/* Refuses a run that the member has not; LY451. */
static void
require_run(FunctionCallInfo fcinfo)
{
	require_argument(fcinfo, 0, "member_id");
	require_argument(fcinfo, 1, "run_id");
	loyalty_check_version();
	if (statement_run(&select_run, fcinfo->args, true) == 0)
		refusal_raise(REFUSAL_RUN_NOT_FOUND,
					  psprintf("member_id=" INT64_FORMAT " run_id=" INT64_FORMAT,
							   PG_GETARG_INT64(0), PG_GETARG_INT64(1)));
}

/* automation_run_require(member_id, run_id) */
Datum
loyalty_automation_run_require(PG_FUNCTION_ARGS)
{
	SPI_connect();
	require_run(fcinfo);
	SPI_finish();
	PG_RETURN_BOOL(true);
}

/*
 * automation_run_retry(member_id, run_id): true, if it had failed, and now is
 * tried again behind the last step that was done.
 */
Datum
loyalty_automation_run_retry(PG_FUNCTION_ARGS)
{
	NullableDatum args[3];
	bool		retried;

	SPI_connect();
	require_run(fcinfo);
	args[0] = fcinfo->args[0];
	args[1] = fcinfo->args[1];
	args[2] = ARG(TimestampTzGetDatum(loyalty_clock()));
	retried = statement_run(&retry_run, args, false) > 0;
	SPI_finish();
	PG_RETURN_BOOL(retried);
}
