/*
 * segment.c
 *
 * Segments of a programme, and the check of what defines them when they are
 * saved.
 */
#include "segment.h"

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
