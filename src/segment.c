/*
 * segment.c
 *
 * Segments of a programme, and the check of what defines them when they are
 * saved.
 */
#include "segment.h"

#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/rel.h"

#include "condition.h"

PG_FUNCTION_INFO_V1(loyalty_segment_check);

static Statement select_segments = {
	"SELECT name, condition FROM loyalty.segment"
	" WHERE program_id = $1 AND status = 'active' AND condition IS NOT NULL"
	" ORDER BY name COLLATE \"C\"",
	1, {INT4OID}
};

Segment *
segment_load(int32 program_id, int *nsegments)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id))};
	int			n = statement_run(&select_segments, args, true);
	Segment    *segments = palloc(sizeof(Segment) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		segments[i].name = statement_text(i, 1);
		segments[i].condition = (JsonPath *) statement_varlena(i, 2);
	}
	*nsegments = n;
	return segments;
}

/* Refuses a condition that is none on the member document, or too costly. */
static void
check_condition(HeapTuple tuple, TupleDesc tupdesc)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, tupdesc,
									  SPI_fnumber(tupdesc, "condition"),
									  &isnull);
	Refusal		refusal;
	const char *problem;

	if (isnull)
		return;
	problem = condition_check_member(DatumGetJsonPathP(value), &refusal);
	if (problem != NULL)
		refusal_raise(refusal, psprintf("condition: %s", problem));
}

static char *
source_of(HeapTuple tuple, TupleDesc tupdesc)
{
	return SPI_getvalue(tuple, tupdesc, SPI_fnumber(tupdesc, "source"));
}

/*
 * Is a dump being loaded, so that what it names may come later?  A dump says
 * so of functions, and whoever loads it has the rights of the table's owner.
 */
static bool
is_restored(Relation relation)
{
	return !check_function_bodies &&
		has_privs_of_role(GetUserId(), relation->rd_rel->relowner);
}

/*
 * Trigger of segment.  It runs as whoever saves the segment, because it asks
 * for his rights.
 */
Datum
loyalty_segment_check(PG_FUNCTION_ARGS)
{
	HeapTuple	tuple = trigger_row(fcinfo);
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	tupdesc = trigger->tg_relation->rd_att;
	char	   *source = source_of(tuple, tupdesc);
	char	   *before = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
		source_of(trigger->tg_trigtuple, tupdesc) : NULL;

	check_condition(tuple, tupdesc);
	/* one that is gone must not keep the segment from being changed */
	if (source != NULL && (before == NULL || strcmp(source, before) != 0))
		segment_source_check(source, is_restored(trigger->tg_relation));
	return PointerGetDatum(tuple);
}
