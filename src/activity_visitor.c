/*
 * activity_visitor.c
 *
 * Visitors: who has not joined yet.  Their activities are kept under an
 * anonymous id, and become the member's when they join.
 *
 * A visitor's row is locked before his activities are: shared by those who
 * track him, so that nothing is left behind that was tracked while he joined.
 */
#include "activity.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(loyalty_activity_join);

/* A visitor, and under whose id his activities are kept. */
typedef struct Visitor
{
	char	   *name;
	int64		owner;			/* 0: not known yet */
	bool		anonymous;
} Visitor;

/* Sorted, so that all sessions lock alike. */
static Statement lock_visitors = {
	"SELECT visitor, member_id, joined_at IS NULL FROM loyalty.visitor"
	" WHERE visitor = ANY ($2) AND program_id = $1"
	" ORDER BY visitor COLLATE \"C\" FOR SHARE",
	2, {INT4OID, TEXTARRAYOID}
};

static Statement insert_visitors = {
	"INSERT INTO loyalty.visitor (program_id, visitor, member_id, seen_at)"
	" SELECT $1, v.visitor, v.id, $4 FROM unnest($2, $3) AS v (visitor, id)"
	" ORDER BY v.visitor COLLATE \"C\" ON CONFLICT DO NOTHING",
	4, {INT4OID, TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZOID}
};

static int
compare_visitors(const void *a, const void *b)
{
	return strcmp(((const Visitor *) a)->name, ((const Visitor *) b)->name);
}

/* The visitors of the activities, by name, each once. */
static Visitor *
list_visitors(const Tracking *tracking, int *n)
{
	Visitor    *visitors = palloc0(sizeof(Visitor) * Max(tracking->n, 1));
	int			kept = 0;

	*n = 0;
	for (int i = 0; i < tracking->n; i++)
	{
		const Activity *activity = &tracking->activities[i];

		if (activity->status == ACTIVITY_PENDING &&
			!activity->visitor.isnull)
			visitors[(*n)++].name =
				TextDatumGetCString(activity->visitor.value);
	}
	qsort(visitors, *n, sizeof(Visitor), compare_visitors);
	for (int i = 0; i < *n; i++)
		if (kept == 0 ||
			strcmp(visitors[kept - 1].name, visitors[i].name) != 0)
			visitors[kept++] = visitors[i];
	*n = kept;
	return visitors;
}

/* The names of those that are not known yet, as an array; how many. */
static int
unknown_names(const Visitor *visitors, int n, NullableDatum *names)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(n, 1));
	int			unknown = 0;

	for (int i = 0; i < n; i++)
		if (visitors[i].owner == 0)
			elements[unknown++] = CStringGetTextDatum(visitors[i].name);
	*names = ARG(array_of(elements, unknown, TEXTOID));
	return unknown;
}

/* Locks those that are in the table, and tells how many are not. */
static int
look_up(const Tracking *tracking, Visitor *visitors, int n)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(tracking->program->program_id)),
		NULL_ARG
	};
	int			unknown = unknown_names(visitors, n, &args[1]);
	int			found;

	if (unknown == 0)
		return 0;
	found = statement_run(&lock_visitors, args, false);
	for (int i = 0; i < found; i++)
	{
		Visitor		wanted = {.name = statement_text(i, 1)};
		Visitor    *visitor = bsearch(&wanted, visitors, n, sizeof(Visitor),
									  compare_visitors);

		visitor->owner = DatumGetInt64(statement_notnull(i, 2));
		visitor->anonymous = DatumGetBool(statement_notnull(i, 3));
	}
	return unknown - found;
}

/* Enters those that are not known, each with an anonymous id. */
static void
enter(const Tracking *tracking, const Visitor *visitors, int n)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(tracking->program->program_id)),
		NULL_ARG,
		NULL_ARG,
		ARG(TimestampTzGetDatum(tracking->now))
	};
	int			unknown = unknown_names(visitors, n, &args[1]);
	Datum	   *ids = palloc(sizeof(Datum) * unknown);

	for (int i = 0; i < unknown; i++)
		ids[i] = Int64GetDatum(loyalty_new_id());
	args[2] = ARG(array_of(ids, unknown, INT8OID));
	statement_run(&insert_visitors, args, false);
}

/*
 * Finds under whose id the activities of visitors are kept; who is new is
 * entered.  Until the transaction ends, none of them can join.
 */
void
activity_find_visitors(Tracking *tracking)
{
	int			n;
	Visitor    *visitors = list_visitors(tracking, &n);

	if (look_up(tracking, visitors, n) > 0)
	{
		enter(tracking, visitors, n);
		/* another session may have been first */
		if (look_up(tracking, visitors, n) > 0)
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not enter a visitor due to concurrent "
							"delete")));
	}
	for (int i = 0; i < tracking->n; i++)
	{
		Activity   *activity = &tracking->activities[i];
		Visitor		wanted;
		const Visitor *visitor;

		if (activity->status != ACTIVITY_PENDING || activity->visitor.isnull)
			continue;
		wanted.name = TextDatumGetCString(activity->visitor.value);
		visitor = bsearch(&wanted, visitors, n, sizeof(Visitor),
						  compare_visitors);
		activity->owner = visitor->owner;
		activity->anonymous = visitor->anonymous;
	}
}

/*
 * Joining.
 */

static Statement insert_joined = {
	"INSERT INTO loyalty.visitor (program_id, visitor, member_id, seen_at,"
	" joined_at) VALUES ($1, $2, $3, $4, $4) ON CONFLICT DO NOTHING",
	4, {INT4OID, TEXTOID, INT8OID, TIMESTAMPTZOID}
};

static Statement lock_visitor = {
	"SELECT member_id, joined_at IS NULL FROM loyalty.visitor"
	" WHERE program_id = $1 AND visitor = $2 FOR NO KEY UPDATE",
	2, {INT4OID, TEXTOID}
};

static Statement update_joined = {
	"UPDATE loyalty.visitor SET member_id = $3, joined_at = $4"
	" WHERE program_id = $1 AND visitor = $2",
	4, {INT4OID, TEXTOID, INT8OID, TIMESTAMPTZOID}
};

/* What the member has under the same key was sent twice. */
static Statement move_activities = {
	"WITH moved AS ("
	"DELETE FROM loyalty.activity WHERE member_id = $1 RETURNING *)"
	" INSERT INTO loyalty.activity (member_id, activity_id, at, program_id,"
	" dwell_seconds, kind, target_kind, target, session, channel, data, key)"
	" SELECT $2, activity_id, at, program_id, dwell_seconds, kind,"
	" target_kind, target, session, channel, data, key FROM moved"
	" ORDER BY key, activity_id ON CONFLICT DO NOTHING",
	2, {INT8OID, INT8OID}
};

static Statement select_activity = {
	"SELECT FROM loyalty.activity WHERE member_id = $1 LIMIT 1",
	1, {INT8OID}
};

/*
 * Has the visitor activities that could not be moved?  Where all statements
 * share one snapshot, it may be older than the lock of his row.
 */
static bool
is_left_behind(int64 owner)
{
	NullableDatum args[] = {ARG(Int64GetDatum(owner))};
	bool		found;

	if (!IsolationUsesXactSnapshot())
		return false;
	PushActiveSnapshot(GetLatestSnapshot());
	found = statement_run(&select_activity, args, true) > 0;
	PopActiveSnapshot();
	return found;
}

/* So that the conditions of tags and segments see them. */
static void
count_moved(const Program *program, int64 member_id)
{
	Datum		id = Int64GetDatum(member_id);
	Datum		members = array_of(&id, 1, INT8OID);

	activity_judge_again(program, members);
	activity_recount(program, members);
}

/*
 * Makes a visitor the member's: how many activities became the member's by
 * that.  Locks the visitor's row.
 */
static int64
join(const Program *program, text *visitor, int64 member_id)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program->program_id)),
		ARG(PointerGetDatum(visitor)),
		ARG(Int64GetDatum(member_id)),
		ARG(TimestampTzGetDatum(loyalty_clock()))
	};
	NullableDatum move[] = {NULL_ARG, args[2]};
	int64		owner;
	int64		moved;

	if (statement_run(&insert_joined, args, false) > 0)
		return 0;
	if (statement_run(&lock_visitor, args, false) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not join a visitor due to concurrent "
						"delete")));
	owner = DatumGetInt64(statement_notnull(0, 1));
	if (!DatumGetBool(statement_notnull(0, 2)))
	{
		if (owner != member_id)
			refusal_raise(REFUSAL_VISITOR_JOINED,
						  psprintf("member_id=" INT64_FORMAT, member_id));
		return 0;
	}
	statement_run(&update_joined, args, false);
	move[0] = ARG(Int64GetDatum(owner));
	moved = statement_run(&move_activities, move, false);
	if (is_left_behind(owner))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not join a visitor due to concurrent "
						"tracking")));
	if (moved > 0 && (program->reads.parts & READS_ACTIVITIES))
		count_moved(program, member_id);
	return moved;
}

/* visitor_join(member_id bigint, visitor text): how many activities moved. */
Datum
loyalty_activity_join(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	text	   *visitor;
	const char *problem;
	int64		moved;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("member_id and visitor must not be null")));
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	visitor = PG_GETARG_TEXT_PP(1);
	problem = activity_text_problem(visitor, MAX_VISITOR_BYTES);
	if (problem != NULL)
		refusal_raise(REFUSAL_IDENTITY_MALFORMED,
					  psprintf("visitor %s", problem));
	moved = join(activity_program_of(PG_GETARG_INT64(0)), visitor,
				 PG_GETARG_INT64(0));
	SPI_finish();
	PG_RETURN_INT64(moved);
}
