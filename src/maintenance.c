/*
 * maintenance.c
 *
 * Periodic work: the jobs, the procedure that does them one after the other
 * and commits in between, and its notes.
 */
#include "maintenance.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_maintenance_run);
PG_FUNCTION_INFO_V1(loyalty_maintenance_batch);
PG_FUNCTION_INFO_V1(loyalty_maintenance_note);

/* A job with much to do lets others have a turn after so much of the budget. */
#define TURNS_PER_BUDGET 10

/* So often in one call a job is repeated that others have got in the way of. */
#define MAX_REPETITIONS 3

typedef struct Job
{
	const char *name;
	Statement	statement;
} Job;

#define JOB(name, function) \
	{name, {"SELECT done, left_over FROM loyalty." function "($1)", \
	1, {INT4OID}}}

/* In the order in which they come: each sees what those before it have done. */
static Job jobs[] = {
	JOB("hold", "hold_maintain"),
	JOB("account", "account_maintain"),
	JOB("tag", "tag_maintain"),
	JOB("scan", "automation_scan"),
	JOB("schedule", "automation_schedule"),
	JOB("broadcast", "automation_broadcast_run"),
	JOB("run", "automation_run_due"),
	JOB("message", "message_expire"),
	JOB("activity", "activity_maintain"),
	JOB("report", "report_fold"),
	JOB("period", "period_publish")
};

/* What a job has come to in this call, as far as it is not noted. */
typedef struct Turn
{
	TimestampTz started_at;		/* 0: it had none yet */
	int64		done;
	int			errors;
	char	   *error;			/* the last one, or NULL */
	int			repetitions;
	bool		is_out;			/* has failed, and rests until the next call */
	bool		left_over;
	bool		is_noted;
} Turn;

typedef struct Maintenance
{
	MemoryContext context;		/* outlives the transactions */
	bool		atomic;			/* in a transaction block: cannot commit */
	int			batch;
	TimestampTz ends_at;		/* by the real clock, as the budget is */
	int64		slice;			/* microseconds */
	Turn		turns[lengthof(jobs)];
} Maintenance;

/* The batch of a job's call; 22023 or 22004 if it is none. */
int
maintenance_batch_arg(FunctionCallInfo fcinfo, int arg)
{
	int			batch;

	require_argument(fcinfo, arg, "batch");
	batch = PG_GETARG_INT32(arg);
	if (batch < 1 || batch > MAX_MAINTAIN_BATCH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch must be between 1 and %d",
						MAX_MAINTAIN_BATCH)));
	return batch;
}

/* What a job returns. */
Datum
maintenance_outcome(FunctionCallInfo fcinfo, int done, bool left_over)
{
	TupleDesc	tupdesc;
	Datum		values[] = {Int32GetDatum(done), BoolGetDatum(left_over)};
	bool		nulls[2] = {false};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "a job returns a row");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values,
											 nulls));
}

/*
 * One batch of a job
 */

static int
find_job(const char *name)
{
	for (int i = 0; i < lengthof(jobs); i++)
		if (strcmp(jobs[i].name, name) == 0)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no job \"%s\"", clipped(name))));
}

/* maintain_batch(job, batch): done, and whether another call may find more. */
Datum
loyalty_maintenance_batch(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	NullableDatum args[1];
	int			done;
	bool		left_over;
	Job		   *job;

	require_argument(fcinfo, 0, "job");
	args[0] = ARG(Int32GetDatum(maintenance_batch_arg(fcinfo, 1)));
	job = &jobs[find_job(text_to_cstring(PG_GETARG_TEXT_PP(0)))];
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	statement_run(&job->statement, args, false);
	done = DatumGetInt32(statement_notnull(0, 1));
	left_over = DatumGetBool(statement_notnull(0, 2));
	SPI_finish();
	return maintenance_outcome(fcinfo, done, left_over);
}

/*
 * Notes
 */

enum note_arg
{
	NOTE_JOB,
	NOTE_STARTED_AT,
	NOTE_FINISHED_AT,
	NOTE_DONE,
	NOTE_ERRORS,
	NOTE_ERROR,
	NOTE_WAITS,
	NOTE_NARGS
};

static Statement insert_job = {
	"INSERT INTO loyalty.maintenance_job (job) VALUES ($1)"
	" ON CONFLICT DO NOTHING",
	1, {TEXTOID}
};

static Statement lock_job = {
	"SELECT FROM loyalty.maintenance_job WHERE job = $1 FOR UPDATE",
	1, {TEXTOID}
};

static Statement lock_free_job = {
	"SELECT FROM loyalty.maintenance_job WHERE job = $1"
	" FOR UPDATE SKIP LOCKED",
	1, {TEXTOID}
};

static Statement select_job = {
	"SELECT FROM loyalty.maintenance_job WHERE job = $1", 1, {TEXTOID}
};

static Statement update_job = {
	"UPDATE loyalty.maintenance_job SET started_at = $2,"
	" finished_at = coalesce($3, finished_at), done = done + $4,"
	" errors = errors + $5, error = coalesce($6, error),"
	" failed_at = CASE WHEN $5 > 0 THEN $7 ELSE failed_at END"
	" WHERE job = $1",
	7, {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT4OID, TEXTOID,
	TIMESTAMPTZOID}
};

/* Locks the row of a job; false if it does not wait, and another has it. */
static bool
lock_row(const NullableDatum *job, bool waits)
{
	if (statement_run(&select_job, job, false) == 0)
		statement_run(&insert_job, job, false);
	return statement_run(waits ? &lock_job : &lock_free_job, job, false) > 0;
}

/* What one turn can come to; whatever is noted, the sums must not overflow. */
#define MAX_NOTED 1000000000

static void
check_noted(const char *name, int64 number)
{
	if (number < 0 || number > MAX_NOTED)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between 0 and %d", name, MAX_NOTED)));
}

/*
 * maintenance_note(job, started_at, finished_at, done, errors, error, waits):
 * false if another session writes the row of the job, and nothing was noted.
 */
Datum
loyalty_maintenance_note(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	NullableDatum args[NOTE_NARGS];
	bool		noted;

	require_argument(fcinfo, NOTE_JOB, "job");
	require_argument(fcinfo, NOTE_STARTED_AT, "started_at");
	require_argument(fcinfo, NOTE_DONE, "done");
	require_argument(fcinfo, NOTE_ERRORS, "errors");
	require_argument(fcinfo, NOTE_WAITS, "waits");
	find_job(text_to_cstring(PG_GETARG_TEXT_PP(NOTE_JOB)));
	check_noted("done", PG_GETARG_INT64(NOTE_DONE));
	check_noted("errors", PG_GETARG_INT32(NOTE_ERRORS));
	memcpy(args, fcinfo->args, sizeof(args));
	args[NOTE_WAITS] = ARG(TimestampTzGetDatum(loyalty_clock()));
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	noted = lock_row(args, PG_GETARG_BOOL(NOTE_WAITS));
	if (noted)
		statement_run(&update_job, args, false);
	SPI_finish();
	PG_RETURN_BOOL(noted);
}

/*
 * All jobs
 */

static Statement run_batch = {
	"SELECT done, left_over FROM loyalty.maintain_batch($1, $2)",
	2, {TEXTOID, INT4OID}
};

static Statement run_note = {
	"SELECT loyalty.maintenance_note($1, $2, $3, $4, $5, $6, $7)",
	7, {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT4OID, TEXTOID,
	BOOLOID}
};

static void
commit(const Maintenance *all)
{
	if (!all->atomic)
		SPI_commit();
}

/* Writes what a job has come to; what cannot be written now is kept. */
static void
note(Maintenance *all, int job, bool waits)
{
	Turn	   *turn = &all->turns[job];
	bool		finished = !turn->left_over && !turn->is_out;
	NullableDatum args[] = {
		ARG(CStringGetTextDatum(jobs[job].name)),
		ARG(TimestampTzGetDatum(turn->started_at)),
		ARG_OR_NULL(TimestampTzGetDatum(loyalty_clock()), finished),
		ARG(Int64GetDatum(turn->done)),
		ARG(Int32GetDatum(turn->errors)),
		turn->error ? ARG(CStringGetTextDatum(turn->error)) : NULL_ARG,
		ARG(BoolGetDatum(waits))
	};

	statement_run(&run_note, args, false);
	turn->is_noted = DatumGetBool(statement_notnull(0, 1));
	SPI_freetuptable(SPI_tuptable);
	if (turn->is_noted)
	{
		turn->done = 0;
		turn->errors = 0;
		turn->error = NULL;
	}
	commit(all);
}

typedef struct BatchCall
{
	const char *job;
	int			batch;
	int			done;
	bool		left_over;
} BatchCall;

static bool
call_batch(void *argument)
{
	BatchCall  *call = argument;
	NullableDatum args[] = {
		ARG(CStringGetTextDatum(call->job)),
		ARG(Int32GetDatum(call->batch))
	};

	statement_run(&run_batch, args, false);
	call->done = DatumGetInt32(statement_notnull(0, 1));
	call->left_over = DatumGetBool(statement_notnull(0, 2));
	SPI_freetuptable(SPI_tuptable);
	return true;
}

/*
 * A batch has failed.  What others got in the way of is repeated some times;
 * what else failed would fail again, and rests until the next call.
 */
static void
fail(Maintenance *all, int job, ErrorData *error)
{
	Turn	   *turn = &all->turns[job];

	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(error);
	turn->left_over = true;
	if (statement_is_transient(error) &&
		++turn->repetitions <= MAX_REPETITIONS)
		return;
	turn->is_out = true;
	turn->errors++;
	turn->error =
		MemoryContextStrdup(all->context,
							psprintf("%s: %s",
									 unpack_sql_state(error->sqlerrcode),
									 statement_error_text(error)));
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("job \"%s\" of maintenance has failed", jobs[job].name),
			 errdetail_internal("%s", turn->error)));
}

/* Does one batch; returns how much it did. */
static int
do_batch(Maintenance *all, int job)
{
	Turn	   *turn = &all->turns[job];
	BatchCall	call = {jobs[job].name, all->batch};
	bool		stayed;
	ErrorData  *error;

	CHECK_FOR_INTERRUPTS();
	error = statement_catch(call_batch, &call, &stayed);
	if (error != NULL)
		fail(all, job, error);
	else
	{
		turn->left_over = call.left_over;
		turn->done += call.done;
	}
	commit(all);
	return call.done;
}

/* A turn of a job: batches, as long as they find something.  Did it do any? */
static bool
do_turn(Maintenance *all, int job)
{
	Turn	   *turn = &all->turns[job];
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(all->context,
												  "loyalty job",
												  ALLOCSET_DEFAULT_SIZES);
	TimestampTz slice_end = GetCurrentTimestamp() + all->slice;
	int			repetitions = turn->repetitions;
	bool		had_more = turn->left_over;
	bool		any = false;
	int			done;

	turn->started_at = loyalty_clock();
	do
	{
		MemoryContextSwitchTo(scratch);
		done = do_batch(all, job);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(scratch);
		any |= done > 0;
	} while (done > 0 && turn->left_over &&
			 GetCurrentTimestamp() < Min(slice_end, all->ends_at));
	any |= turn->repetitions > repetitions;
	MemoryContextSwitchTo(scratch);
	if (any || turn->errors > 0 || had_more || !turn->is_noted)
		note(all, job, false);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(scratch);
	return any;
}

/*
 * Round after round, until one has found nothing to do.  In the first each
 * job has its turn, however small the budget is.
 */
static void
do_jobs(Maintenance *all)
{
	bool		any;

	for (int round = 0;; round++)
	{
		any = false;
		for (int job = 0; job < lengthof(jobs); job++)
		{
			if (round > 0 && GetCurrentTimestamp() >= all->ends_at)
				return;
			if (!all->turns[job].is_out)
				any |= do_turn(all, job);
		}
		if (!any)
			return;
	}
}

static void
maintain(Maintenance *all)
{
	do_jobs(all);
	for (int job = 0; job < lengthof(jobs); job++)
		if (!all->turns[job].is_noted)
			note(all, job, true);
}

#define MAX_BUDGET_DAYS 366

/* The budget in microseconds; a day has 24 hours here. */
static int64
read_budget(const Interval *budget)
{
	const int64 longest = MAX_BUDGET_DAYS * USECS_PER_DAY;
	int64		span = -1;

	if (budget->month >= -12 && budget->month <= 12 &&
		budget->day >= -MAX_BUDGET_DAYS && budget->day <= MAX_BUDGET_DAYS &&
		budget->time >= -longest && budget->time <= longest)
		span = budget->time + USECS_PER_DAY *
			((int64) budget->month * DAYS_PER_MONTH + budget->day);
	if (span <= 0 || span > longest)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("budget must be above zero, and at most %d days",
						MAX_BUDGET_DAYS)));
	return span;
}

/* maintain(budget, batch) */
Datum
loyalty_maintenance_run(PG_FUNCTION_ARGS)
{
	Maintenance all = {0};
	int64		budget;

	require_argument(fcinfo, 0, "budget");
	budget = read_budget(PG_GETARG_INTERVAL_P(0));
	all.batch = maintenance_batch_arg(fcinfo, 1);
	all.ends_at = GetCurrentTimestamp() + budget;
	all.slice = budget / TURNS_PER_BUDGET;
	all.atomic = fcinfo->context == NULL ||
		!IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic;
	PreventCommandIfReadOnly("CALL loyalty.maintain");
	SPI_connect_ext(all.atomic ? 0 : SPI_OPT_NONATOMIC);
	loyalty_check_version();
	all.context = AllocSetContextCreate(CurrentMemoryContext,
										"loyalty maintenance",
										ALLOCSET_DEFAULT_SIZES);
	maintain(&all);
	SPI_finish();
	PG_RETURN_VOID();
}
