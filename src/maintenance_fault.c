/*
 * maintenance_fault.c
 *
 * Members whose turn in a job has failed.  They are left alone for a minute,
 * then for twice as long each time, up to a day, so that they hold up nobody.
 */
#include "maintenance.h"

#include "utils/builtins.h"

#include "account.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_maintenance_fail);
PG_FUNCTION_INFO_V1(loyalty_maintenance_heal);

static Statement upsert_fault = {
	"INSERT INTO loyalty.maintenance_fault AS f (member_id, job, program_id,"
	" failed_at, retry_at, sqlstate, message)"
	" SELECT $1, $2, a.program_id, $3, $3 + interval '1 minute', $4, $5"
	" FROM loyalty.account a WHERE a.member_id = $1"
	" ON CONFLICT (member_id, job) DO UPDATE SET"
	" failed_at = excluded.failed_at,"
	" retry_at = excluded.failed_at + least(interval '1 day',"
	" interval '1 minute' * (1 << least(f.attempts, 11))),"
	" attempts = f.attempts + 1, sqlstate = excluded.sqlstate,"
	" message = excluded.message"
	" RETURNING retry_at",
	5, {INT8OID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID}
};

static Statement delete_faults = {
	"DELETE FROM loyalty.maintenance_fault"
	" WHERE member_id = ANY ($2) AND job = $1",
	2, {TEXTOID, INT8ARRAYOID}
};

/* Notes that the turn of a member has failed. */
void
maintenance_fault(const char *job, int64 member_id, const ErrorData *error,
				  TimestampTz now)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(CStringGetTextDatum(job)),
		ARG(TimestampTzGetDatum(now)),
		ARG(CStringGetTextDatum(unpack_sql_state(error->sqlerrcode))),
		ARG(CStringGetTextDatum(statement_error_text(error)))
	};

	statement_run(&upsert_fault, args, false);
}

/* Deletes what was noted of members whose turn has not failed now. */
void
maintenance_healthy(const char *job, const Datum *member_ids, int n)
{
	NullableDatum args[] = {
		ARG(CStringGetTextDatum(job)),
		ARG(array_of(member_ids, n, INT8OID))
	};

	statement_run(&delete_faults, args, false);
}

/* maintenance_fail(member_id, job, sqlstate, message): when it is tried again */
Datum
loyalty_maintenance_fail(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	NullableDatum args[5];
	TimestampTz retry_at;

	require_argument(fcinfo, 0, "member_id");
	require_argument(fcinfo, 1, "job");
	require_argument(fcinfo, 2, "sqlstate");
	require_argument(fcinfo, 3, "message");
	args[0] = fcinfo->args[0];
	args[1] = fcinfo->args[1];
	args[2] = ARG(TimestampTzGetDatum(loyalty_clock()));
	args[3] = fcinfo->args[2];
	args[4] = fcinfo->args[3];
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	if (statement_run(&upsert_fault, args, false) == 0)
		refusal_raise(REFUSAL_MEMBER_NOT_FOUND,
					  psprintf("member_id=" INT64_FORMAT, PG_GETARG_INT64(0)));
	retry_at = DatumGetTimestampTz(statement_notnull(0, 1));
	SPI_finish();
	PG_RETURN_TIMESTAMPTZ(retry_at);
}

/* maintenance_heal(job, member_ids): how many notes were deleted */
Datum
loyalty_maintenance_heal(PG_FUNCTION_ARGS)
{
	uint64		deleted;

	require_argument(fcinfo, 0, "job");
	require_argument(fcinfo, 1, "member_ids");
	SPI_connect();
	loyalty_check_version();
	deleted = statement_run(&delete_faults, fcinfo->args, false);
	SPI_finish();
	PG_RETURN_INT64(deleted);
}
