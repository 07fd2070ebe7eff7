/*
 * activity.c
 *
 * Keeps what members and visitors did.  No account is locked or changed: an
 * activity moves no value, and there may be a thousand times as many of them
 * as of purchases.
 */
#include "activity.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(loyalty_activity_track);
PG_FUNCTION_INFO_V1(loyalty_activity_track_visitor);
PG_FUNCTION_INFO_V1(loyalty_activity_track_batch);

/* So that a batch fits into memory. */
#define MAX_BATCH_ROWS 100000

/* How many are written by one statement. */
#define CHUNK_ROWS 5000

static Statement select_kinds = {
	"SELECT kind, retain_days FROM loyalty.activity_kind"
	" WHERE program_id = $1 ORDER BY kind COLLATE \"C\"",
	1, {INT4OID}
};

static Statement select_member = {
	"SELECT program_id, status FROM loyalty.account WHERE member_id = $1",
	1, {INT8OID}
};

static Statement select_members = {
	"SELECT member_id, status FROM loyalty.account"
	" WHERE member_id = ANY ($1) AND program_id = $2 ORDER BY member_id",
	2, {INT8ARRAYOID, INT4OID}
};

#define ACTIVITY_COLUMNS \
	"member_id, activity_id, at, program_id, dwell_seconds, kind," \
	" target_kind, target, session, channel, data, key"

#define ACTIVITY_ROWS \
	" FROM unnest($1) AS r (member_id bigint, activity_id bigint," \
	" at timestamptz, program_id int, dwell_seconds int, kind text," \
	" target_kind text, target text, session text, channel text," \
	" data jsonb, key text)"

static Statement insert_activity = {
	"INSERT INTO loyalty.activity (" ACTIVITY_COLUMNS ")"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
	12, {INT8OID, INT8OID, TIMESTAMPTZOID, INT4OID, INT4OID, TEXTOID, TEXTOID,
	TEXTOID, TEXTOID, TEXTOID, JSONBOID, TEXTOID}
};

static Statement insert_activities = {
	"INSERT INTO loyalty.activity (" ACTIVITY_COLUMNS ")"
	" SELECT r.*" ACTIVITY_ROWS,
	1, {RECORDARRAYOID}
};

/* Those whose keys were free; they come in the order of the unique index. */
static Statement insert_keyed = {
	"WITH added AS ("
	"INSERT INTO loyalty.activity (" ACTIVITY_COLUMNS ")"
	" SELECT r.*" ACTIVITY_ROWS
	" ON CONFLICT (member_id, key) WHERE key IS NOT NULL DO NOTHING"
	" RETURNING activity_id)"
	" SELECT activity_id FROM added ORDER BY activity_id",
	1, {RECORDARRAYOID}
};

/* What was tracked first under their keys, and is it the same? */
static Statement select_first = {
	"SELECT a.activity_id, (a.kind, a.target_kind, a.target, a.session,"
	" a.channel, a.dwell_seconds, a.data) IS NOT DISTINCT FROM"
	" (r.kind, r.target_kind, r.target, r.session, r.channel,"
	" r.dwell_seconds, r.data)"
	ACTIVITY_ROWS
	" JOIN loyalty.activity a ON a.member_id = r.member_id AND a.key = r.key"
	" ORDER BY r.activity_id",
	1, {RECORDARRAYOID}
};

/* The kinds that a programme keeps, by name, and since when. */
static void
load_kinds(Tracking *tracking)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(tracking->program->program_id))
	};

	tracking->nkinds = statement_run(&select_kinds, args, false);
	tracking->kinds = palloc(sizeof(ActivityKind) * Max(tracking->nkinds, 1));
	for (int i = 0; i < tracking->nkinds; i++)
	{
		int32		days = statement_int32_or(i, 2, -1);

		tracking->kinds[i].name = statement_text(i, 1);
		tracking->kinds[i].kept_from = days < 0 ? DATEVAL_NOBEGIN :
			tracking->today - days;
	}
}

/* Why nothing can be tracked for a member of this status; NONE: it can. */
static Refusal
status_refusal(const char *status)
{
	if (strcmp(status, "closed") == 0)
		return REFUSAL_MEMBER_CLOSED;
	return strcmp(status, "merged") == 0 ? REFUSAL_MEMBER_MERGED :
		REFUSAL_NONE;
}

static void
require_active(const Program *program)
{
	if (!program->active)
		refusal_raise(REFUSAL_PROGRAM_INACTIVE,
					  psprintf("program=%s", program->name));
}

/* The programme of a member for whom something can be tracked. */
const Program *
activity_program_of(int64 member_id)
{
	NullableDatum args[] = {ARG(Int64GetDatum(member_id))};
	char	   *detail = psprintf("member_id=" INT64_FORMAT, member_id);
	const Program *program;
	Refusal		refusal;

	if (statement_run(&select_member, args, false) == 0)
		refusal_raise(REFUSAL_MEMBER_NOT_FOUND, detail);
	refusal = status_refusal(statement_text(0, 2));
	if (refusal != REFUSAL_NONE)
		refusal_raise(refusal, detail);
	program = program_get(DatumGetInt32(statement_notnull(0, 1)));
	if (program == NULL)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND, detail);
	require_active(program);
	return program;
}

static const Program *
program_named(const text *argument)
{
	char	   *name = text_to_cstring(argument);
	const Program *program = program_find(name);

	if (program == NULL)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND, psprintf("program=%s", name));
	require_active(program);
	return program;
}

/*
 * Members.
 */

typedef struct KnownMember
{
	int64		member_id;
	Refusal		refusal;
} KnownMember;

static int
compare_ids(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/* The members that are named, each once, as bigint[]. */
static Datum
member_ids(const Tracking *tracking)
{
	int64	   *ids = palloc(sizeof(int64) * Max(tracking->n, 1));
	Datum	   *elements = palloc(sizeof(Datum) * Max(tracking->n, 1));
	int			n = 0;
	int			kept = 0;

	for (int i = 0; i < tracking->n; i++)
		if (tracking->activities[i].status == ACTIVITY_PENDING &&
			!tracking->activities[i].anonymous)
			ids[n++] = tracking->activities[i].owner;
	qsort(ids, n, sizeof(int64), compare_ids);
	for (int i = 0; i < n; i++)
		if (i == 0 || ids[i - 1] != ids[i])
			elements[kept++] = Int64GetDatum(ids[i]);
	return array_of(elements, kept, INT8OID);
}

/* Those of them that there are, ascending. */
static KnownMember *
load_members(const Tracking *tracking, int *n)
{
	NullableDatum args[] = {
		ARG(member_ids(tracking)),
		ARG(Int32GetDatum(tracking->program->program_id))
	};
	KnownMember *members;

	*n = statement_run(&select_members, args, false);
	members = palloc(sizeof(KnownMember) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		char	   *status = statement_text(i, 2);

		members[i].member_id = DatumGetInt64(statement_notnull(i, 1));
		members[i].refusal = status_refusal(status);
		pfree(status);
	}
	return members;
}

/* Refuses the activities of those who are not members, or no more. */
static void
check_members(const Tracking *tracking)
{
	int			n;
	const KnownMember *members = load_members(tracking, &n);

	for (int i = 0; i < tracking->n; i++)
	{
		Activity   *activity = &tracking->activities[i];
		const KnownMember *member;
		Refusal		refusal;

		if (activity->status != ACTIVITY_PENDING || activity->anonymous)
			continue;
		/* member_id comes first */
		member = bsearch(&activity->owner, members, n, sizeof(KnownMember),
						 compare_ids);
		refusal = member == NULL ? REFUSAL_MEMBER_NOT_FOUND : member->refusal;
		if (refusal != REFUSAL_NONE)
			activity_refuse(activity, refusal,
							psprintf("member_id=" INT64_FORMAT,
									 activity->owner));
	}
}

/*
 * Storing.
 */

static bool
has_key(const Activity *activity)
{
	return !activity->fields[FIELD_KEY].isnull;
}

/* The arguments of insert_activity. */
static void
columns_of(const Tracking *tracking, const Activity *activity,
		   NullableDatum *args)
{
	const NullableDatum *fields = activity->fields;

	args[0] = ARG(Int64GetDatum(activity->owner));
	args[1] = ARG(Int64GetDatum(activity->activity_id));
	args[2] = ARG(TimestampTzGetDatum(activity->at));
	args[3] = ARG(Int32GetDatum(tracking->program->program_id));
	args[4] = fields[FIELD_DWELL_SECONDS];
	args[5] = fields[FIELD_KIND];
	args[6] = fields[FIELD_TARGET_KIND];
	args[7] = fields[FIELD_TARGET];
	args[8] = fields[FIELD_SESSION];
	args[9] = fields[FIELD_CHANNEL];
	args[10] = fields[FIELD_DATA];
	args[11] = fields[FIELD_KEY];
}

/* Activities as the argument of a statement that takes many. */
static NullableDatum
rows_of(const Tracking *tracking, Activity **activities, int n)
{
	StatementRows rows;

	rows_begin(&rows, &insert_activity);
	for (int i = 0; i < n; i++)
	{
		NullableDatum args[12];

		columns_of(tracking, activities[i], args);
		rows_append(&rows, args);
	}
	return ARG(rows_array(&rows));
}

static void
insert_one(const Tracking *tracking, Activity *activity)
{
	NullableDatum args[12];

	columns_of(tracking, activity, args);
	statement_run(&insert_activity, args, false);
	activity->status = ACTIVITY_DONE;
}

static void
insert_plain(const Tracking *tracking, Activity **activities, int n)
{
	NullableDatum rows = rows_of(tracking, activities, n);

	statement_run(&insert_activities, &rows, false);
	for (int i = 0; i < n; i++)
		activities[i]->status = ACTIVITY_DONE;
}

static int
compare_activity_ids(const void *a, const void *b)
{
	return compare_ids(&(*(Activity *const *) a)->activity_id,
					   &(*(Activity *const *) b)->activity_id);
}

/* Finds what was tracked first under keys that were taken. */
static void
find_first(const Tracking *tracking, Activity **taken, int n)
{
	NullableDatum rows;

	if (n == 0)
		return;
	qsort(taken, n, sizeof(Activity *), compare_activity_ids);
	rows = rows_of(tracking, taken, n);
	if (statement_run(&select_first, &rows, false) != n)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not repeat an activity due to concurrent "
						"delete")));
	for (int i = 0; i < n; i++)
	{
		taken[i]->activity_id = DatumGetInt64(statement_notnull(i, 1));
		if (DatumGetBool(statement_notnull(i, 2)))
			taken[i]->status = ACTIVITY_REPLAYED;
		else
			activity_refuse(taken[i], REFUSAL_KEY_REUSED, NULL);
	}
}

/* Inserts those whose keys are free; the others are known already. */
static void
insert_with_keys(const Tracking *tracking, Activity **activities, int n)
{
	NullableDatum rows = rows_of(tracking, activities, n);
	int			nadded = statement_run(&insert_keyed, &rows, false);
	int64	   *added = palloc(sizeof(int64) * Max(nadded, 1));
	Activity  **taken = palloc(sizeof(Activity *) * n);
	int			ntaken = 0;

	for (int i = 0; i < nadded; i++)
		added[i] = DatumGetInt64(statement_notnull(i, 1));
	for (int i = 0; i < n; i++)
	{
		if (bsearch(&activities[i]->activity_id, added, nadded, sizeof(int64),
					compare_ids) != NULL)
			activities[i]->status = ACTIVITY_DONE;
		else
			taken[ntaken++] = activities[i];
	}
	find_first(tracking, taken, ntaken);
}

/* By member and key, so that two batches do not wait for each other. */
static int
compare_keys(const void *a, const void *b)
{
	const Activity *x = *(Activity *const *) a;
	const Activity *y = *(Activity *const *) b;
	const text *xkey = (text *) DatumGetPointer(x->fields[FIELD_KEY].value);
	const text *ykey = (text *) DatumGetPointer(y->fields[FIELD_KEY].value);
	int			order;

	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	order = memcmp(VARDATA_ANY(xkey), VARDATA_ANY(ykey),
				   Min(VARSIZE_ANY_EXHDR(xkey), VARSIZE_ANY_EXHDR(ykey)));
	if (order != 0)
		return order;
	if (VARSIZE_ANY_EXHDR(xkey) != VARSIZE_ANY_EXHDR(ykey))
		return VARSIZE_ANY_EXHDR(xkey) < VARSIZE_ANY_EXHDR(ykey) ? -1 : 1;
	return compare_ids(&x->activity_id, &y->activity_id);
}

/* Runs a function on some at a time, in a context that is reset. */
static void
in_chunks(const Tracking *tracking, Activity **activities, int n,
		  void (*insert) (const Tracking *, Activity **, int))
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext chunk = AllocSetContextCreate(caller, "loyalty activities",
												ALLOCSET_DEFAULT_SIZES);

	for (int i = 0; i < n; i += CHUNK_ROWS)
	{
		CHECK_FOR_INTERRUPTS();
		SPI_connect();
		MemoryContextSwitchTo(chunk);
		insert(tracking, activities + i, Min(CHUNK_ROWS, n - i));
		SPI_finish();
		MemoryContextSwitchTo(caller);
		MemoryContextReset(chunk);
	}
	MemoryContextDelete(chunk);
}

/* Stores what was not rejected, and counts it. */
static void
store(const Tracking *tracking)
{
	Activity  **plain = palloc(sizeof(Activity *) * Max(tracking->n, 1));
	Activity  **keyed = palloc(sizeof(Activity *) * Max(tracking->n, 1));
	int			nplain = 0;
	int			nkeyed = 0;

	activity_lock(tracking);
	for (int i = 0; i < tracking->n; i++)
	{
		Activity   *activity = &tracking->activities[i];

		if (activity->status != ACTIVITY_PENDING)
			continue;
		activity->activity_id = loyalty_new_id();
		if (has_key(activity))
			keyed[nkeyed++] = activity;
		else
			plain[nplain++] = activity;
	}
	if (nplain == 1)
		insert_one(tracking, plain[0]);
	else
		in_chunks(tracking, plain, nplain, insert_plain);
	qsort(keyed, nkeyed, sizeof(Activity *), compare_keys);
	in_chunks(tracking, keyed, nkeyed, insert_with_keys);
	activity_count(tracking);
	activity_start(tracking);
}

static void
begin_tracking(Tracking *tracking, const Program *program)
{
	tracking->program = program;
	tracking->now = loyalty_clock();
	tracking->today = program_date(program, tracking->now);
	load_kinds(tracking);
}

/* The arguments from one on, which the library and the SQL must agree on. */
static void
read_fields(FunctionCallInfo fcinfo, int first, Activity *activity)
{
	if (PG_NARGS() != first + ACTIVITY_NFIELDS)
		elog(ERROR, "an activity has %d arguments, not %d",
			 first + ACTIVITY_NFIELDS, PG_NARGS());
	memcpy(activity->fields, &fcinfo->args[first], sizeof(activity->fields));
}

/* Keeps one activity, or raises why not; its id, or that of the first time. */
static int64
track(const Program *program, Activity *activity)
{
	Tracking	tracking = {.n = 1, .activities = activity};

	begin_tracking(&tracking, program);
	activity_check(&tracking, activity);
	if (activity->status == ACTIVITY_PENDING && !activity->visitor.isnull)
	{
		activity_find_visitors(&tracking);
		check_members(&tracking);
	}
	store(&tracking);
	if (activity->status == ACTIVITY_REJECTED)
		activity_raise(activity);
	return activity->activity_id;
}

/*
 * track(member_id bigint, kind text, ...): the id of the activity.
 */
Datum
loyalty_activity_track(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	Activity	activity = {.visitor = NULL_ARG};
	int64		activity_id;

	require_argument(fcinfo, 0, "member_id");
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	activity.member_id = fcinfo->args[0];
	read_fields(fcinfo, 1, &activity);
	activity_id = track(activity_program_of(PG_GETARG_INT64(0)), &activity);
	SPI_finish();
	PG_RETURN_INT64(activity_id);
}

/*
 * track_visitor(program text, visitor text, kind text, ...): the same.
 */
Datum
loyalty_activity_track_visitor(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	Activity	activity = {.member_id = NULL_ARG};
	int64		activity_id;

	require_argument(fcinfo, 0, "program");
	require_argument(fcinfo, 1, "visitor");
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	activity.visitor = fcinfo->args[1];
	read_fields(fcinfo, 2, &activity);
	activity_id = track(program_named(PG_GETARG_TEXT_PP(0)), &activity);
	SPI_finish();
	PG_RETURN_INT64(activity_id);
}

/*
 * A batch.
 */

/* In the order of loyalty.activity_row: these, and then the fields. */
enum activity_column
{
	COLUMN_MEMBER_ID,
	COLUMN_VISITOR,
	COLUMN_FIELDS,
	NCOLUMNS = COLUMN_FIELDS + ACTIVITY_NFIELDS
};

static void
read_row(HeapTupleHeader header, TupleDesc tupdesc, Activity *activity)
{
	HeapTupleData tuple = {
		.t_len = HeapTupleHeaderGetDatumLength(header),
		.t_data = header
	};
	Datum		values[NCOLUMNS];
	bool		nulls[NCOLUMNS];

	heap_deform_tuple(&tuple, tupdesc, values, nulls);
	activity->member_id = ARG_OR_NULL(values[COLUMN_MEMBER_ID],
									  !nulls[COLUMN_MEMBER_ID]);
	activity->visitor = ARG_OR_NULL(values[COLUMN_VISITOR],
									!nulls[COLUMN_VISITOR]);
	for (int i = 0; i < ACTIVITY_NFIELDS; i++)
		activity->fields[i] = ARG_OR_NULL(values[COLUMN_FIELDS + i],
										  !nulls[COLUMN_FIELDS + i]);
}

/* The activities of an array of loyalty.activity_row; NULL is an empty row. */
static void
read_rows(ArrayType *array, Tracking *tracking)
{
	TupleDesc	tupdesc = lookup_rowtype_tupdesc_copy(ARR_ELEMTYPE(array), -1);
	Datum	   *elements;
	bool	   *nulls;

	if (tupdesc->natts != NCOLUMNS)
		elog(ERROR, "a row has %d columns, not %d", tupdesc->natts, NCOLUMNS);
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_DOUBLE,
					  &elements, &nulls, &tracking->n);
	if (tracking->n > MAX_BATCH_ROWS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a batch has at most %d rows", MAX_BATCH_ROWS)));
	tracking->activities = palloc0(sizeof(Activity) * Max(tracking->n, 1));
	for (int i = 0; i < tracking->n; i++)
	{
		Activity   *activity = &tracking->activities[i];

		if (!nulls[i])
			read_row(DatumGetHeapTupleHeader(elements[i]), tupdesc, activity);
		else
			activity->member_id = activity->visitor = NULL_ARG;
	}
}

/* [{"row": 3, "code": "LY430", "reason": ..., "detail": ...}, ...] */
static Datum
rejects_of(const Tracking *tracking)
{
	StringInfoData json;
	bool		first = true;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (int i = 0; i < tracking->n; i++)
	{
		const Activity *activity = &tracking->activities[i];
		const char *reason = refusal_text(activity->refusal)->reason;

		if (activity->status != ACTIVITY_REJECTED)
			continue;
		appendStringInfo(&json, "%s{\"row\": %d, \"code\": \"%s\", "
						 "\"reason\": \"%s\"", first ? "" : ", ", i + 1,
						 unpack_sql_state(activity->sqlstate),
						 reason ? reason : "value_invalid");
		if (activity->detail != NULL)
		{
			appendStringInfoString(&json, ", \"detail\": ");
			escape_json(&json, activity->detail);
		}
		appendStringInfoChar(&json, '}');
		first = false;
	}
	appendStringInfoChar(&json, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

static Datum
batch_result(FunctionCallInfo fcinfo, const Tracking *tracking)
{
	int64		counts[ACTIVITY_REJECTED + 1] = {0};
	TupleDesc	tupdesc;
	Datum		values[4];
	bool		nulls[4] = {false};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "a batch returns a row of counts");
	for (int i = 0; i < tracking->n; i++)
		counts[tracking->activities[i].status]++;
	values[0] = Int64GetDatum(counts[ACTIVITY_DONE]);
	values[1] = Int64GetDatum(counts[ACTIVITY_REPLAYED]);
	values[2] = Int64GetDatum(counts[ACTIVITY_REJECTED]);
	values[3] = rejects_of(tracking);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values,
											 nulls));
}

/*
 * track_batch(program text, rows activity_row[]): how many were accepted,
 * replayed and rejected, and which were rejected and why.
 */
Datum
loyalty_activity_track_batch(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	Tracking	tracking = {0};
	Datum		result;

	require_argument(fcinfo, 0, "program");
	require_argument(fcinfo, 1, "rows");
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	begin_tracking(&tracking, program_named(PG_GETARG_TEXT_PP(0)));
	read_rows(PG_GETARG_ARRAYTYPE_P(1), &tracking);
	for (int i = 0; i < tracking.n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		activity_check(&tracking, &tracking.activities[i]);
	}
	activity_find_visitors(&tracking);
	check_members(&tracking);
	store(&tracking);
	result = batch_result(fcinfo, &tracking);
	SPI_finish();
	return result;
}
