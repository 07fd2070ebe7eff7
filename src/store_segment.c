/*
 * store_segment.c
 *
 * Who is in a segment: written as differences, by member whose account is
 * locked.
 */
#include "store.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "account.h"
#include "statement.h"

/*
 * Up to so many members a source is asked for them; for more, reading all of
 * it costs less than looking each of them up.
 */
#define MAX_ASKED 10000

static Statement select_members = {
	"SELECT array_agg(member_id) FROM loyalty.member_segment"
	" WHERE program_id = $1 AND segment = $2",
	2, {INT4OID, TEXTOID}
};

static Statement select_these_members = {
	"SELECT array_agg(member_id) FROM loyalty.member_segment"
	" WHERE program_id = $1 AND segment = $2 AND member_id = ANY ($3)",
	3, {INT4OID, TEXTOID, INT8ARRAYOID}
};

/* $1: members, $2: an id of the history for each */
#define CHANGE_ARGS {INT8ARRAYOID, INT8ARRAYOID, INT4OID, TEXTOID, \
	TIMESTAMPTZOID}

/*
 * Under the locks nothing conflicts, except in a transaction whose snapshot is
 * older than they are; there ON CONFLICT makes it a serialization failure.
 */
static Statement enter_members = {
	"WITH changes AS (SELECT c.member_id, c.history_id"
	" FROM unnest($1, $2) AS c (member_id, history_id)),"
	" entered AS (INSERT INTO loyalty.member_segment"
	" (member_id, segment, program_id, entered_at)"
	" SELECT c.member_id, $4, $3, $5 FROM changes c ON CONFLICT DO NOTHING)"
	" INSERT INTO loyalty.segment_history (member_id, history_id, program_id,"
	" segment, action, changed_at)"
	" SELECT c.member_id, c.history_id, $3, $4, 'entered', $5 FROM changes c",
	5, CHANGE_ARGS
};

static Statement leave_members = {
	"WITH changes AS (SELECT c.member_id, c.history_id"
	" FROM unnest($1, $2) AS c (member_id, history_id)),"
	" gone AS (DELETE FROM loyalty.member_segment m USING changes c"
	" WHERE m.member_id = c.member_id AND m.segment = $4)"
	" INSERT INTO loyalty.segment_history (member_id, history_id, program_id,"
	" segment, action, changed_at)"
	" SELECT c.member_id, c.history_id, $3, $4, 'left', $5 FROM changes c",
	5, CHANGE_ARGS
};

/* Who is in a segment; only: of these members. */
static IdList
members_of(int32 program_id, const char *segment, const IdList *only)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program_id)),
		ARG(CStringGetTextDatum(segment)),
		only == NULL ? NULL_ARG : ARG(id_array(only))
	};
	bool		nulls;

	statement_run(only == NULL ? &select_members : &select_these_members,
				  args, false);
	return id_list((ArrayType *) statement_varlena(0, 1), &nulls);
}

/* Writes that members, whose accounts are locked, have entered or left. */
static void
change(Statement *statement, int32 program_id, const char *segment,
	   const IdList *members)
{
	IdList		history = {members->n, palloc_extended(sizeof(int64) *
													  Max(members->n, 1),
													  MCXT_ALLOC_HUGE)};
	NullableDatum args[] = {
		ARG(id_array(members)),
		NULL_ARG,
		ARG(Int32GetDatum(program_id)),
		ARG(CStringGetTextDatum(segment)),
		ARG(TimestampTzGetDatum(loyalty_clock()))
	};

	if (members->n == 0)
		return;
	for (int i = 0; i < members->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		history.ids[i] = loyalty_new_id();
	}
	args[1] = ARG(id_array(&history));
	statement_run(statement, args, false);
	store_hear_segment(members, program_id, segment,
					   statement == &enter_members,
					   DatumGetTimestampTz(args[4].value));
}

/* What a source says of members whose accounts are locked, now. */
static IdList
ask_source(const char *source, const IdList *locked)
{
	bool		nulls;
	IdList		all;

	if (locked->n <= MAX_ASKED)
		return segment_source_read(source, locked, &nulls);
	all = segment_source_read(source, NULL, &nulls);
	return id_intersection(&all, locked);
}

/* Finds who differs from what the source says, without a lock. */
static void
find_differences(int32 program_id, SegmentRefresh *segment,
				 const IdList *only)
{
	bool		nulls;
	IdList		wanted = segment_source_read(segment->source, only, &nulls);
	IdList		present = members_of(program_id, segment->name, only);
	IdList		entering = id_difference(&wanted, &present);
	IdList		leaving = id_difference(&present, &wanted);

	segment->ignored = nulls;
	segment->differing = id_union(&entering, &leaving);
}

/* Writes what differs still, now that the accounts are locked. */
static void
write_differences(int32 program_id, SegmentRefresh *segment,
				  const IdList *locked)
{
	IdList		mine = id_intersection(&segment->differing, locked);
	IdList		wanted;
	IdList		present;
	IdList		entering;
	IdList		leaving;

	segment->ignored += segment->differing.n - mine.n;
	if (mine.n == 0)
		return;
	wanted = ask_source(segment->source, &mine);
	present = members_of(program_id, segment->name, &mine);
	entering = id_difference(&wanted, &present);
	leaving = id_difference(&present, &wanted);
	change(&enter_members, program_id, segment->name, &entering);
	change(&leave_members, program_id, segment->name, &leaving);
	segment->entered = entering.n;
	segment->left = leaving.n;
}

/*
 * Makes segments what their sources say; only: as to these members.
 *
 * Who differs is found without a lock.  Then those accounts are locked, and
 * only what is found again under the lock, with a newer snapshot, is written:
 * of two refreshes at a time, the later one has seen what the other wrote.
 */
void
store_segments_refresh(int32 program_id, SegmentRefresh *segments,
					   int nsegments, const IdList *only)
{
	IdList		differing = {0};
	IdList		locked = {0};

	for (int i = 0; i < nsegments; i++)
	{
		find_differences(program_id, &segments[i], only);
		differing = id_union(&differing, &segments[i].differing);
	}
	if (differing.n > 0)
		locked = account_lock_ids(program_id, &differing);
	for (int i = 0; i < nsegments; i++)
		write_differences(program_id, &segments[i], &locked);
}

/*
 * Puts a member, whose account is locked, into a segment or takes him out;
 * false if he was there, or was not.
 */
bool
store_segment_set(int32 program_id, const char *segment, int64 member_id,
				  bool in)
{
	IdList		member = {1, &member_id};
	IdList		present = members_of(program_id, segment, &member);

	if ((present.n > 0) == in)
		return false;
	change(in ? &enter_members : &leave_members, program_id, segment, &member);
	return true;
}

/* Takes everybody out of a segment, and returns how many there were. */
int64
store_segment_empty(int32 program_id, const char *segment)
{
	IdList		present = members_of(program_id, segment, NULL);
	IdList		locked;

	if (present.n == 0)
		return 0;
	locked = account_lock_ids(program_id, &present);
	present = members_of(program_id, segment, NULL);
	present = id_intersection(&present, &locked);
	change(&leave_members, program_id, segment, &present);
	return present.n;
}
