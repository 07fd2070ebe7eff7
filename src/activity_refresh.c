/*
 * activity_refresh.c
 *
 * Judges members because time has passed, or because conditions have
 * changed; and looks whether all have been judged as they ought to be.  It
 * stands here because it reads all that conditions see, activities as well.
 */
#include "activity.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "statement.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_tag_refresh);
PG_FUNCTION_INFO_V1(loyalty_tag_check);

#define MAX_REFRESH_BATCH 100000
#define CHECK_BATCH 1000

typedef struct Refresh
{
	const Program *program;
	TimestampTz now;
	DateADT		today;
	int			batch;			/* members at most */
	MemoryContext scratch;		/* for one member */
	int			looked_at;
	int			changed;
	bool		left_over;
} Refresh;

static Statement select_scan = {
	"SELECT definition = $2 AND done_until IS NULL FROM loyalty.tag_scan"
	" WHERE program_id = $1",
	2, {INT4OID, BYTEAOID}
};

static Statement insert_scan = {
	"INSERT INTO loyalty.tag_scan (program_id, definition, done_until)"
	" VALUES ($1, '', 0) ON CONFLICT DO NOTHING",
	1, {INT4OID}
};

static Statement lock_scan = {
	"SELECT CASE WHEN definition = $2 THEN done_until ELSE 0 END"
	" FROM loyalty.tag_scan WHERE program_id = $1"
	" FOR UPDATE SKIP LOCKED",
	2, {INT4OID, BYTEAOID}
};

static Statement update_scan = {
	"UPDATE loyalty.tag_scan SET definition = $2, done_until = $3"
	" WHERE program_id = $1",
	3, {INT4OID, BYTEAOID, INT8OID}
};

static Statement select_members = {
	"SELECT member_id FROM loyalty.account"
	" WHERE program_id = $1 AND member_id > $2 ORDER BY member_id LIMIT $3",
	3, {INT4OID, INT8OID, INT4OID}
};

/*
 * Locks the accounts of those who are due; who is locked by others is judged
 * by them, or the next time.
 */
static Statement lock_due = {
	"SELECT a.member_id FROM (SELECT member_id FROM loyalty.tag_review"
	" WHERE program_id = $1 AND due_on <= $2 AND member_id <> ALL ($4)"
	" ORDER BY due_on, member_id) r"
	" CROSS JOIN LATERAL (SELECT member_id FROM loyalty.account"
	" WHERE member_id = r.member_id FOR NO KEY UPDATE SKIP LOCKED) a"
	" LIMIT $3",
	4, {INT4OID, DATEOID, INT4OID, INT8ARRAYOID}
};

/* Members whose turn failed, and who are left alone for a while. */
static Statement select_faulty = {
	"SELECT loyalty.maintenance_faulty('tag')"
};

static Statement note_fault = {
	"SELECT loyalty.maintenance_fail($1, 'tag', $2, $3)",
	3, {INT8OID, TEXTOID, TEXTOID}
};

static Statement forget_faults = {
	"SELECT loyalty.maintenance_heal('tag', $1)", 1, {INT8ARRAYOID}
};

/* Who tracks an activity notes this first, so that none is missed. */
static Statement lock_reviews = {
	"INSERT INTO loyalty.tag_review AS r (member_id, program_id, due_on)"
	" SELECT id, $2, $3 FROM unnest($1) AS w (id) ORDER BY id"
	" ON CONFLICT (member_id)"
	" DO UPDATE SET due_on = least(r.due_on, excluded.due_on)",
	3, {INT8ARRAYOID, INT4OID, DATEOID}
};

/* Where no condition looks at them. */
static Statement delete_activity_days = {
	"DELETE FROM loyalty.member_day"
	" WHERE member_id = ANY ($1) AND kind = 'activity'",
	1, {INT8ARRAYOID}
};

/* Days that no window reaches any more. */
static Statement delete_old_days = {
	"DELETE FROM loyalty.member_day WHERE member_id = ANY ($1) AND day < $2",
	2, {INT8ARRAYOID, DATEOID}
};

/* The ids that a statement has returned. */
static Datum *
read_ids(uint64 n)
{
	Datum	   *ids = palloc(sizeof(Datum) * Max(n, 1));

	for (uint64 i = 0; i < n; i++)
		ids[i] = statement_notnull(i, 1);
	return ids;
}

/* The programme of the first argument, as it is now. */
static const Program *
find_program(FunctionCallInfo fcinfo)
{
	char	   *name;
	const Program *program;

	require_argument(fcinfo, 0, "program");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	program = program_find(name);
	if (program != NULL)
		program = program_newest(program);
	if (program == NULL)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s", clipped(name)));
	return program;
}

/*
 * Judges one member of the batch.  In a context that is reset, and at a level
 * of SPI of its own, or what statements return would stay to the end.
 */
static void
refresh_member(Refresh *refresh, StoreBatch *batch, int64 member_id,
			   bool anew)
{
	MemoryContext caller = CurrentMemoryContext;
	Account		account;
	Decision	decision;

	CHECK_FOR_INTERRUPTS();
	SPI_connect();
	MemoryContextSwitchTo(refresh->scratch);
	if (store_batch_load(batch, member_id, refresh->now, &account, &decision))
	{
		decision.program = refresh->program;
		/* in memory: what it posts is left to the member's next call */
		decide_settle(&decision, DT_NOBEGIN);
		refresh->changed += store_judge_again(&decision, anew);
		refresh->looked_at++;
	}
	SPI_finish();
	MemoryContextSwitchTo(caller);
	MemoryContextReset(refresh->scratch);
}

static void
refresh_members(Refresh *refresh, Datum *ids, int n, bool anew)
{
	StoreBatch *batch = store_batch_begin(refresh->program, ids, n);
	int			parts = refresh->program->reads.parts;
	NullableDatum args[] = {
		ARG(array_of(ids, n, INT8OID)),
		ARG(DateADTGetDatum(decide_days_from(refresh->today)))
	};
	NullableDatum due[] = {
		args[0],
		ARG(Int32GetDatum(refresh->program->program_id)),
		ARG(DateADTGetDatum(refresh->today))
	};

	if (anew)
	{
		if (parts & READS_ACTIVITIES)
			statement_run(&lock_reviews, due, false);
		if (parts & READS_BOUGHT)
			store_days_anew(ids, n, refresh->today);
		if (parts & READS_ACTIVITIES)
			activity_recount(refresh->program, args[0].value);
		else
			statement_run(&delete_activity_days, args, false);
	}
	for (int i = 0; i < n; i++)
		refresh_member(refresh, batch, DatumGetInt64(ids[i]), anew);
	if (!anew)
		statement_run(&delete_old_days, args, false);
}

/* Members that are judged in one go. */
typedef struct Going
{
	Refresh    *refresh;
	Datum	   *ids;
	int			n;
	bool		anew;
} Going;

static bool
try_members(void *argument)
{
	Going	   *going = argument;
	NullableDatum ids[] = {ARG(array_of(going->ids, going->n, INT8OID))};

	refresh_members(going->refresh, going->ids, going->n, going->anew);
	statement_run(&forget_faults, ids, false);
	return true;
}

/*
 * Judges members in a subtransaction.  Returns the error if it is somebody's
 * fault; what others got in the way of is raised on.
 */
static ErrorData *
attempt_members(Going *going)
{
	Refresh		before = *going->refresh;
	bool		stayed;
	ErrorData  *error = statement_catch(try_members, going, &stayed);

	if (error == NULL)
		return NULL;
	*going->refresh = before;
	if (statement_is_transient(error))
		ReThrowError(error);
	return error;
}

/* Leaves a member alone whose turn has failed, but due. */
static void
leave_alone(const Refresh *refresh, Datum member_id, const ErrorData *error)
{
	NullableDatum fault[] = {
		ARG(member_id),
		ARG(CStringGetTextDatum(unpack_sql_state(error->sqlerrcode))),
		ARG(CStringGetTextDatum(statement_error_text(error)))
	};
	NullableDatum due[] = {
		ARG(array_of(&member_id, 1, INT8OID)),
		ARG(Int32GetDatum(refresh->program->program_id)),
		ARG(DateADTGetDatum(refresh->today))
	};

	statement_run(&note_fault, fault, false);
	statement_run(&lock_reviews, due, false);
}

/* Judges members, at once or, if that fails, one by one. */
static void
judge_members(Refresh *refresh, Datum *ids, int n, bool anew)
{
	Going		going = {refresh, ids, n, anew};

	if (attempt_members(&going) == NULL)
		return;
	going.n = 1;
	for (int i = 0; i < n; i++)
	{
		ErrorData  *error;

		going.ids = &ids[i];
		error = attempt_members(&going);
		if (error != NULL)
			leave_alone(refresh, ids[i], error);
	}
}

/* Have members still to be judged by the conditions as they are now? */
static bool
needs_scan(const Refresh *refresh, const NullableDatum *args)
{
	if (statement_run(&select_scan, args, false) > 0)
		return !DatumGetBool(statement_notnull(0, 1));
	/* where there never was a condition, there is nothing to do */
	if (refresh->program->ntags + refresh->program->nsegments == 0)
		return false;
	statement_run(&insert_scan, args, false);
	return true;
}

/*
 * Judges the next members by conditions that have changed.  False if there is
 * nothing to do, or another session does it.
 */
static bool
scan(Refresh *refresh)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(refresh->program->program_id)),
		ARG(PointerGetDatum(refresh->program->definition)),
		ARG(Int32GetDatum(refresh->batch))
	};
	bool		isnull;
	int			n;
	Datum	   *ids;

	if (!needs_scan(refresh, args) ||
		statement_run(&lock_scan, args, false) == 0)
		return false;
	args[1].value = statement_value(0, 1, &isnull);
	if (isnull)
		return false;
	n = statement_run(&select_members, args, false);
	ids = read_ids(n);
	if (n > 0)
		judge_members(refresh, ids, n, true);
	refresh->left_over = n == refresh->batch;
	args[1] = ARG(PointerGetDatum(refresh->program->definition));
	args[2] = refresh->left_over ? ARG(ids[n - 1]) : NULL_ARG;
	statement_run(&update_scan, args, false);
	return true;
}

static int
compare_members(const void *a, const void *b)
{
	int64		x = DatumGetInt64(*(const Datum *) a);
	int64		y = DatumGetInt64(*(const Datum *) b);

	return x < y ? -1 : x > y;
}

/* Judges members who are due, in the order in which a batch tracks them. */
static void
review(Refresh *refresh)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(refresh->program->program_id)),
		ARG(DateADTGetDatum(refresh->today)),
		ARG(Int32GetDatum(refresh->batch)),
		NULL_ARG
	};
	int			n;
	Datum	   *ids;

	statement_run(&select_faulty, NULL, false);
	args[3] = ARG(PointerGetDatum(statement_varlena(0, 1)));
	n = statement_run(&lock_due, args, false);
	ids = read_ids(n);
	refresh->left_over = n == refresh->batch;
	qsort(ids, n, sizeof(Datum), compare_members);
	if (n > 0)
		judge_members(refresh, ids, n, false);
}

/* tag_refresh(program, batch): how many it looked at, what changed, more? */
Datum
loyalty_tag_refresh(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	Refresh		refresh = {0};
	TupleDesc	tupdesc;
	Datum		values[3];
	bool		nulls[3] = {false};

	if (PG_ARGISNULL(1) || PG_GETARG_INT32(1) < 1 ||
		PG_GETARG_INT32(1) > MAX_REFRESH_BATCH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch must lie between 1 and %d",
						MAX_REFRESH_BATCH)));
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "tag_refresh returns a row");
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	refresh.program = find_program(fcinfo);
	refresh.now = loyalty_clock();
	refresh.today = program_date(refresh.program, refresh.now);
	refresh.batch = PG_GETARG_INT32(1);
	refresh.scratch = AllocSetContextCreate(caller, "loyalty member",
											ALLOCSET_DEFAULT_SIZES);
	if (!scan(&refresh))
		review(&refresh);
	MemoryContextDelete(refresh.scratch);
	SPI_finish();
	values[0] = Int32GetDatum(refresh.looked_at);
	values[1] = Int32GetDatum(refresh.changed);
	values[2] = BoolGetDatum(refresh.left_over);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values,
											 nulls));
}

/*
 * tag_check().
 */

enum check_column
{
	CHECK_MEMBER_ID,
	CHECK_KIND,
	CHECK_NAME,
	CHECK_FOUND,
	CHECK_EXPECTED,
	CHECK_NCOLUMNS
};

typedef struct Check
{
	ReturnSetInfo *result;
	const Program *program;
	TimestampTz now;
	DateADT		today;
	MemoryContext scratch;		/* for one member */
} Check;

static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = text == NULL;
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

static void
put_difference(Check *check, int64 member_id, const char *kind,
			   const char *name, const char *found, const char *expected)
{
	Datum		values[CHECK_NCOLUMNS];
	bool		nulls[CHECK_NCOLUMNS] = {false};

	values[CHECK_MEMBER_ID] = Int64GetDatum(member_id);
	values[CHECK_KIND] = CStringGetTextDatum(kind);
	values[CHECK_NAME] = text_or_null(name, &nulls[CHECK_NAME]);
	values[CHECK_FOUND] = text_or_null(found, &nulls[CHECK_FOUND]);
	values[CHECK_EXPECTED] = text_or_null(expected, &nulls[CHECK_EXPECTED]);
	tuplestore_putvalues(check->result->setResult, check->result->setDesc,
						 values, nulls);
}

static const char *
due_text(DateADT due_on)
{
	return due_on == DATEVAL_NOEND ? NULL : date_text(due_on);
}

/*
 * Has a hold timed out since midnight?  What it kept has come back, and the
 * member is judged in the coming night, or has been judged already.
 */
static bool
has_timed_out(const Check *check, const Decision *decision)
{
	TimestampTz midnight = program_midnight(check->program, check->today);

	if (!(check->program->reads.parts & READS_COUNTERS))
		return false;
	for (int i = 0; i < decision->nholds; i++)
		if (decision->holds[i].expires_at > midnight &&
			decision->holds[i].expires_at <= check->now)
			return true;
	return false;
}

/*
 * Compares what a member holds with what the conditions say today.  Who is
 * due is judged when it is his turn; a tag is taken away in the night after
 * it has ended.
 */
static void
check_holdings(Check *check, const Decision *decision, StoredPortrait *stored)
{
	Portrait   *portrait = &stored->portrait;
	int64		member_id = decision->account->member_id;
	DateADT		due_on;
	ListCell   *cell;

	store_days(decision, portrait, check->today, true);
	decide_judge(decision, portrait, check->today,
				 program_midnight(check->program, check->today), check->now);
	foreach(cell, portrait->changes)
	{
		const HoldingChange *change = lfirst(cell);

		put_difference(check, member_id,
					   change->is_segment ? "segment" : "tag", change->name,
					   change->set ? NULL : "held",
					   change->set ? "held" : NULL);
	}
	due_on = decide_judge_due(decision, portrait, check->today);
	if (due_on < stored->due_on)
		put_difference(check, member_id, "due_on", NULL,
					   due_text(stored->due_on), due_text(due_on));
}

/* Was the member judged by the conditions as they are now? */
static bool
check_member(Check *check, int64 member_id)
{
	MemoryContext caller = CurrentMemoryContext;
	Account		account;
	Decision	decision;
	StoredPortrait stored;
	bool		is_judged = false;

	CHECK_FOR_INTERRUPTS();
	SPI_connect();
	MemoryContextSwitchTo(check->scratch);
	if (store_load(member_id, ACCOUNT_READ_STABLE, check->now, &account,
				   &decision))
	{
		decision.program = check->program;
		decide_settle(&decision, DT_NOBEGIN);
		store_portrait(&decision, &stored, true);
		store_load_prospects(&decision, true);
		is_judged = stored.is_judged;
		if (is_judged && stored.due_on > check->today &&
			!has_timed_out(check, &decision))
			check_holdings(check, &decision, &stored);
	}
	SPI_finish();
	MemoryContextSwitchTo(caller);
	MemoryContextReset(check->scratch);
	return is_judged;
}

static void
put_days(Check *check, uint64 n)
{
	for (uint64 i = 0; i < n; i++)
		put_difference(check, DatumGetInt64(statement_notnull(i, 1)), "day",
					   statement_text(i, 2), statement_text(i, 3),
					   statement_text(i, 4));
}

/* Compares the days of members with what they are the sum of. */
static void
check_days(Check *check, Datum *ids, int n)
{
	int			parts = check->program->reads.parts;

	if (parts & READS_BOUGHT)
		put_days(check, store_days_compare(ids, n, check->today));
	if (parts & READS_ACTIVITIES)
		put_days(check, activity_compare(check->program,
										 array_of(ids, n, INT8OID)));
}

/*
 * tag_check(program): what a judgement of all members, and the sum of all
 * they did, would change.  No row, unless somebody has tampered.
 */
Datum
loyalty_tag_check(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	Check		check = {(ReturnSetInfo *) fcinfo->resultinfo};
	NullableDatum args[3];
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	check.program = find_program(fcinfo);
	check.now = loyalty_clock();
	check.today = program_date(check.program, check.now);
	check.scratch = AllocSetContextCreate(caller, "loyalty member",
										  ALLOCSET_DEFAULT_SIZES);
	args[0] = ARG(Int32GetDatum(check.program->program_id));
	args[1] = ARG(Int64GetDatum(0));
	args[2] = ARG(Int32GetDatum(CHECK_BATCH));
	do
	{
		Datum	   *ids;
		int			njudged = 0;

		n = statement_run(&select_members, args, true);
		ids = read_ids(n);
		if (n > 0)
			args[1] = ARG(ids[n - 1]);
		for (int i = 0; i < n; i++)
			if (check_member(&check, DatumGetInt64(ids[i])))
				ids[njudged++] = ids[i];
		check_days(&check, ids, njudged);
	} while (n == CHECK_BATCH);
	SPI_finish();
	return (Datum) 0;
}
