/*
 * tag.c
 *
 * Tags of a programme, and the check of their conditions when they are saved.
 */
#include "tag.h"

static Statement select_tags = {
	"SELECT name, dimension = 'lifecycle', condition FROM loyalty.tag"
	" WHERE program_id = $1 AND status = 'active' AND condition IS NOT NULL"
	" ORDER BY name COLLATE \"C\"",
	1, {INT4OID}
};

Tag *
tag_load(int32 program_id, int *ntags)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id))};
	int			n = statement_run(&select_tags, args, true);
	Tag		   *tags = palloc(sizeof(Tag) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		tags[i].name = statement_text(i, 1);
		tags[i].lifecycle = DatumGetBool(statement_notnull(i, 2));
		tags[i].condition = (JsonPath *) statement_varlena(i, 3);
	}
	*ntags = n;
	return tags;
}
