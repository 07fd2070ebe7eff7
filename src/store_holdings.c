/*
 * store_holdings.c
 *
 * Loads what a member has that entitles to something: tags, segments, plans,
 * benefits given by hand.
 */
#include "store.h"

#include "statement.h"

static Statement select_tags = {
	"SELECT tag FROM loyalty.member_tag WHERE member_id = $1"
	" AND (valid_until IS NULL OR valid_until > $2) ORDER BY tag",
	2, {INT8OID, TIMESTAMPTZOID}
};

static Statement select_segments = {
	"SELECT segment FROM loyalty.member_segment WHERE member_id = $1"
	" ORDER BY segment",
	1, {INT8OID}
};

static void
read_names(Statement *statement, const NullableDatum *args, bool read_only,
		   NameList *list)
{
	list->n = statement_run(statement, args, read_only);
	list->names = palloc(sizeof(char *) * Max(list->n, 1));
	for (int i = 0; i < list->n; i++)
		list->names[i] = statement_text(i, 1);
}

/*
 * Loads as much as is needed, as of a time; the rest is empty.  read_only:
 * with the caller's snapshot.
 */
void
store_holdings(int64 member_id, const Program *program, TimestampTz at,
			   int needs, bool read_only, Holdings *held)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(TimestampTzGetDatum(at))
	};

	memset(held, 0, sizeof(Holdings));
	if (needs & NEEDS_TAGS)
		read_names(&select_tags, args, read_only, &held->tags);
	if (needs & NEEDS_SEGMENTS)
		read_names(&select_segments, args, read_only, &held->segments);
	if ((needs & NEEDS_PLANS) && program->nplans > 0)
		held->periods = plan_periods(member_id, program_date(program, at),
									 read_only, &held->nperiods);
	if (needs & NEEDS_GIVEN)
		held->given = benefit_given(member_id, at, read_only, &held->ngiven);
}
