/*
 * event_automation.c
 *
 * Works runs of automations off: those that are due, each in a
 * subtransaction of its own, so that one that fails holds up no other.
 *
 * The account is locked first, as always.  Members who are locked by others
 * are left for the next time, and so nobody waits for whom he holds up.
 */
#include "event_automation.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "decide_document.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_automation_run_due);

#define MAX_BATCH 100000

/* After so many failures of a step the run is given up. */
#define MAX_ATTEMPTS 8

/* When what is paused is looked at again. */
#define PARKED_FOR (INT64CONST(3600) * USECS_PER_SEC)

/* The join tells which; what they are is read under the lock. */
static Statement lock_due = {
	"SELECT r.member_id, r.run_id, a.status, r.program_id"
	" FROM loyalty.automation_run r"
	" JOIN loyalty.account a ON a.member_id = r.member_id"
	" WHERE r.status = 'waiting' AND r.due_at <= $1"
	" ORDER BY r.due_at, r.run_id LIMIT $2"
	" FOR NO KEY UPDATE OF a SKIP LOCKED",
	2, {TIMESTAMPTZOID, INT4OID}
};

/*
 * Who restarts it now, or ends its automation, comes first.  Whether it is due
 * is no condition: the index of what is due must not look cheaper than the key.
 */
static Statement lock_run = {
	"SELECT program_id, automation_id, position, triggered_at, journal_id,"
	" trigger, log, reason, coalesce(status = 'waiting' AND due_at <= $3, false)"
	" FROM loyalty.automation_run WHERE member_id = $1 AND run_id = $2"
	" FOR UPDATE SKIP LOCKED",
	3, {INT8OID, INT8OID, TIMESTAMPTZOID}
};

/* A period whose only run was not wanted is free for the next. */
static Statement update_run = {
	"UPDATE loyalty.automation_run SET status = $3, reason = $4,"
	" due_at = $5, position = $6, log = $7,"
	" finished_at = $8, occurrence = CASE WHEN $9"
	" THEN occurrence || '#' || run_id ELSE occurrence END"
	" WHERE member_id = $1 AND run_id = $2",
	9, {INT8OID, INT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, INT4OID, JSONBOID,
	TIMESTAMPTZOID, BOOLOID}
};

static Statement select_in_segment = {
	"SELECT FROM loyalty.member_segment"
	" WHERE member_id = $1 AND segment = $2",
	2, {INT8OID, TEXTOID}
};

/* When one began before it last that did something. */
static Statement select_last_begun = {
	"SELECT max(triggered_at) FROM loyalty.automation_run"
	" WHERE member_id = $1 AND automation_id = $2 AND run_id <> $3"
	" AND position > 0 AND status NOT IN ('skipped', 'held_out')",
	3, {INT8OID, INT4OID, INT8OID}
};

/*
 * Is it for the member?
 */

static bool
in_segment(const RunWork *work)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(work->member_id)),
		ARG(CStringGetTextDatum(work->plan->segment))
	};

	return statement_run(&select_in_segment, args, false) > 0;
}

static bool
campaign_runs(const RunWork *work)
{
	const Program *program = work->program;

	for (int i = 0; i < program->ncampaigns; i++)
	{
		const Campaign *campaign = &program->campaigns[i];

		if (campaign->campaign_id == work->plan->campaign_id)
			return campaign->live && campaign->starts_at <= work->now &&
				work->now < campaign->ends_at;
	}
	return false;
}

static bool
keeps_gap(const RunWork *work)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(work->member_id)),
		ARG(Int32GetDatum(work->plan->automation.automation_id)),
		ARG(Int64GetDatum(work->run_id))
	};
	TimestampTz last;

	statement_run(&select_last_begun, args, false);
	last = statement_time_or(0, 1, DT_NOBEGIN);
	return last == DT_NOBEGIN ||
		program_date(work->program, work->triggered_at) -
		program_date(work->program, last) >= work->plan->gap_days;
}

static bool
is_late(const RunWork *work)
{
	const Automation *automation = &work->plan->automation;
	TimestampTz planned = automation->delay == NULL ? work->triggered_at :
		program_after(work->program, work->triggered_at, automation->delay);

	return work->today - program_date(work->program, planned) >
		automation->late_days;
}

const char *
run_unwanted(RunWork *work, AccountStatus status)
{
	const AutomationPlan *plan = work->plan;

	if (status == STATUS_CLOSED)
		return "member_closed";
	if (status == STATUS_MERGED)
		return "member_merged";
	if (work->position > 0)
		return NULL;
	if (is_late(work))
		return "late";
	if (plan->campaign_id != 0 && !campaign_runs(work))
		return "campaign_not_running";
	if (plan->segment != NULL && !in_segment(work))
		return "segment";
	if (!run_condition(work, plan->condition))
		return "condition";
	if (plan->gap_days > 0 && !keeps_gap(work))
		return "gap";
	return NULL;
}

/*
 * Working off.
 */

/* Steps from where the run stands, until it is over or has to wait. */
static void
run_steps(RunWork *work)
{
	const AutomationPlan *plan = work->plan;
	int			next = work->position + 1;

	for (int i = 0; i < plan->nsteps; i++)
	{
		const AutomationStep *step = &plan->steps[i];
		StepOutcome outcome;

		CHECK_FOR_INTERRUPTS();
		if (step->position < next)
			continue;
		outcome = run_step(work, step);
		work->position = step->position;
		if (work->due_at != DT_NOEND)
			return;
		if (outcome.next == 0)
		{
			work->status = "exited";
			work->reason = "check";
			return;
		}
		next = outcome.next;
	}
	work->status = "done";
}

/* What has become of a run that has been looked at. */
static void
finish(RunWork *work, const char *status, const char *reason)
{
	work->status = status;
	work->reason = reason;
}

/*
 * Does what is due of a run.  The account is locked.
 */
static void
work_off(RunWork *work, AccountStatus member, bool refunded)
{
	const AutomationPlan *plan = work->plan;
	const char *unwanted;

	if (plan == NULL)
		finish(work, "cancelled", "ended");
	else if (refunded)
		run_undo(work);
	else if (plan->status == AUTOMATION_ENDED)
		finish(work, "cancelled", "ended");
	else if (plan->status != AUTOMATION_LIVE || !work->program->active)
	{
		/* automation_resume() lets it go on earlier */
		work->reason = "paused";
		work->due_at = work->now + PARKED_FOR;
	}
	else if ((unwanted = run_unwanted(work, member)) != NULL)
		finish(work, work->position == 0 ? "skipped" : "cancelled", unwanted);
	else if (work->position == 0 &&
			 automation_holds_out(&plan->automation, work->member_id))
		finish(work, "held_out", NULL);
	else
		run_steps(work);
}

/* Can the occurrence of one that was skipped be had again? */
static bool
frees_period(const RunWork *work)
{
	return strcmp(work->status, "skipped") == 0 && work->plan != NULL &&
		work->plan->automation.once != ONCE_OCCURRENCE &&
		work->plan->automation.kind < TRIGGER_DATE;
}

static void
write_run(const RunWork *work)
{
	bool		waits = strcmp(work->status, "waiting") == 0;
	NullableDatum args[] = {
		ARG(Int64GetDatum(work->member_id)),
		ARG(Int64GetDatum(work->run_id)),
		ARG(CStringGetTextDatum(work->status)),
		work->reason == NULL ? NULL_ARG :
		ARG(CStringGetTextDatum(work->reason)),
		ARG_OR_NULL(TimestampTzGetDatum(work->due_at),
					waits && work->due_at != DT_NOEND),
		ARG(Int32GetDatum(work->position)),
		ARG(JsonbPGetDatum(work->log)),
		ARG_OR_NULL(TimestampTzGetDatum(work->now), !waits),
		ARG(BoolGetDatum(frees_period(work)))
	};

	statement_run(&update_run, args, false);
}

/*
 * One run of a batch.
 */

typedef struct RunBatch
{
	TimestampTz now;
	MemoryContext context;
	List	   *plans;			/* AutomationPlan, each once */
	/* the one that is worked off */
	int64		member_id;
	int64		run_id;
	AccountStatus status;		/* of the member */
	RunWork		work;
	bool		refunded;
	bool		found;
} RunBatch;

static const AutomationPlan *
plan_of(RunBatch *batch, int32 automation_id)
{
	const Program *program = batch->work.program;
	MemoryContext caller;
	AutomationPlan *plan;
	ListCell   *cell;

	foreach(cell, batch->plans)
	{
		plan = lfirst(cell);
		if (plan->automation.automation_id == automation_id)
			return plan;
	}
	caller = MemoryContextSwitchTo(batch->context);
	plan = automation_plan(automation_id, program->units, program->nunits);
	if (plan != NULL)
		batch->plans = lappend(batch->plans, plan);
	MemoryContextSwitchTo(caller);
	return plan;
}

/* Reads and locks the run; false if it is not due any more, or locked. */
static bool
load_run(RunBatch *batch)
{
	RunWork    *work = &batch->work;
	NullableDatum args[] = {
		ARG(Int64GetDatum(batch->member_id)),
		ARG(Int64GetDatum(batch->run_id)),
		ARG(TimestampTzGetDatum(batch->now))
	};
	char	   *reason;
	int32		program_id;
	int32		automation_id;

	memset(work, 0, sizeof(RunWork));
	if (statement_run(&lock_run, args, false) == 0 ||
		!DatumGetBool(statement_notnull(0, 9)))
		return false;
	program_id = DatumGetInt32(statement_notnull(0, 1));
	automation_id = DatumGetInt32(statement_notnull(0, 2));
	work->member_id = batch->member_id;
	work->run_id = batch->run_id;
	work->now = batch->now;
	work->position = DatumGetInt32(statement_notnull(0, 3));
	work->triggered_at = DatumGetTimestampTz(statement_notnull(0, 4));
	work->journal_id = statement_int64_or(0, 5, 0);
	work->trigger = (Jsonb *) statement_varlena(0, 6);
	work->log = (Jsonb *) statement_varlena(0, 7);
	reason = statement_text(0, 8);
	batch->refunded = reason != NULL && strcmp(reason, "refunded") == 0;
	work->status = "waiting";
	work->reason = batch->refunded ? reason : NULL;
	work->due_at = DT_NOEND;
	work->program = program_get(program_id);
	if (work->program == NULL)
		elog(ERROR, "programme %d of a run was not found", program_id);
	work->today = program_date(work->program, work->now);
	work->plan = plan_of(batch, automation_id);
	return true;
}

/*
 * As statement_attempt() wants it.  The run is locked in the subtransaction
 * that changes it, because a row that one transaction locks and another, of
 * the same session, changes needs a multixact.
 */
static bool
attempt(void *argument)
{
	RunBatch   *batch = argument;

	batch->found = load_run(batch);
	if (!batch->found)
		return false;
	work_off(&batch->work, batch->status, batch->refunded);
	write_run(&batch->work);
	return true;
}

/* Does an error tell of the run, or of what goes on around it? */
static bool
is_of_run(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK):
		case ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES):
		case ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION):
		case ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR):
			return false;
		default:
			return error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE;
	}
}

/* How often it has failed since a step was done last. */
static int
count_failures(const Jsonb *log)
{
	JsonbContainer *root = unconstify(JsonbContainer *, &log->root);
	int			n = 0;

	for (int i = JsonContainerSize(root) - 1; i >= 0; i--)
	{
		JsonbValue *entry = getIthJsonbValueFromContainer(root, i);
		JsonbValue	buffer;

		if (getKeyJsonValueFromContainer(entry->val.binary.data, "error",
										 strlen("error"), &buffer) == NULL)
			break;
		n++;
	}
	return n;
}

/* Notes a failure: again later, and at last no more. */
static void
note_failure(RunBatch *batch, const ErrorData *error)
{
	RunWork    *work = &batch->work;
	const char *code = pstrdup(unpack_sql_state(error->sqlerrcode));
	const char *reason;
	JsonbParseState *entry;
	int			failures;

	/* what the attempt had come to is undone */
	if (!load_run(batch))
		return;
	failures = count_failures(work->log) + 1;
	entry = run_entry(work, work->position, "attempt");
	push_cstring(&entry, "error", code);
	reason = refusal_text(refusal_of(error->sqlerrcode))->reason;
	push_cstring(&entry, "reason", reason);
	/* for automation_run_retry() */
	if (batch->refunded)
		push_bool(&entry, "undo", true);
	run_log(work, end_object(&entry));
	if (failures >= MAX_ATTEMPTS)
	{
		work->status = "failed";
		work->reason = code;
	}
	else
		work->due_at = work->now +
			((INT64CONST(60) * USECS_PER_SEC) << (failures - 1));
	write_run(work);
}

static void
run_one(RunBatch *batch)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		statement_attempt(attempt, batch);
	}
	PG_CATCH();
	{
		/* the subtransaction is undone already */
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	if (error == NULL)
		return;
	if (!is_of_run(error))
		ReThrowError(error);
	note_failure(batch, error);
}

/* So that the reports count them again: all at once, which costs next to nothing. */
static Statement name_runs = {
	"INSERT INTO loyalty.report_run_change (program_id, change_id,"
	" member_ids, run_ids) SELECT r.program_id,"
	" pg_catalog.nextval('loyalty.change_id_seq'), r.member_ids, r.run_ids"
	" FROM (SELECT g.program_id,"
	" pg_catalog.array_agg(g.member_id) AS member_ids,"
	" pg_catalog.array_agg(g.run_id) AS run_ids"
	" FROM unnest($1, $2, $3) AS g (program_id, member_id, run_id)"
	" GROUP BY g.program_id) r",
	3, {INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID}
};

typedef struct DueRun
{
	int64		program_id;
	int64		member_id;
	int64		run_id;
	AccountStatus status;
} DueRun;

/* Locks the members of runs that are due, those due longest first. */
static DueRun *
find_due(TimestampTz now, int batch, int *n)
{
	NullableDatum args[] = {
		ARG(TimestampTzGetDatum(now)),
		ARG(Int32GetDatum(batch))
	};
	DueRun	   *runs;

	*n = statement_run(&lock_due, args, false);
	runs = palloc(sizeof(DueRun) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		runs[i].member_id = DatumGetInt64(statement_notnull(i, 1));
		runs[i].run_id = DatumGetInt64(statement_notnull(i, 2));
		runs[i].status = account_status(statement_text(i, 3));
		runs[i].program_id = DatumGetInt32(statement_notnull(i, 4));
	}
	return runs;
}

/* Works off one after the other, each in a context that is reset. */
static int
run_all(RunBatch *batch, const DueRun *runs, int n)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(caller, "loyalty run",
												  ALLOCSET_DEFAULT_SIZES);
	int			done = 0;

	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		batch->member_id = runs[i].member_id;
		batch->run_id = runs[i].run_id;
		batch->status = runs[i].status;
		SPI_connect();
		MemoryContextSwitchTo(scratch);
		run_one(batch);
		done += batch->found;
		SPI_finish();
		MemoryContextSwitchTo(caller);
		MemoryContextReset(scratch);
	}
	MemoryContextDelete(scratch);
	return done;
}

static void
name_all(const DueRun *runs, int n)
{
	Datum	   *ids = palloc(sizeof(Datum) * Max(n, 1) * 3);
	NullableDatum args[3];

	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
	{
		ids[i] = Int64GetDatum(runs[i].program_id);
		ids[n + i] = Int64GetDatum(runs[i].member_id);
		ids[2 * n + i] = Int64GetDatum(runs[i].run_id);
	}
	for (int i = 0; i < 3; i++)
		args[i] = ARG(array_of(ids + i * n, n, INT8OID));
	statement_run(&name_runs, args, false);
}

/*
 * automation_run_due(batch): works off up to so many runs that are due, of
 * all programmes; how many, and whether there may be more.
 */
Datum
loyalty_automation_run_due(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	RunBatch	batch = {.now = loyalty_clock(), .context = caller};
	TupleDesc	tupdesc;
	Datum		values[2];
	bool		nulls[2] = {false};
	DueRun	   *runs;
	int			limit;
	int			n;
	int			done;

	require_argument(fcinfo, 0, "batch");
	limit = PG_GETARG_INT32(0);
	if (limit < 1 || limit > MAX_BATCH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch must be between 1 and %d", MAX_BATCH)));
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	runs = find_due(batch.now, limit, &n);
	done = run_all(&batch, runs, n);
	name_all(runs, n);
	SPI_finish();
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "a batch returns a row");
	values[0] = Int32GetDatum(done);
	values[1] = BoolGetDatum(done > 0 && n == limit);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values,
											 nulls));
}
