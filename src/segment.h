/*
 * segment.h
 *
 * Segments: those that are judged by a condition, compiled, and the views
 * and tables of the shop's own that say who is in a segment.
 */
#ifndef LOYALTY_SEGMENT_H
#define LOYALTY_SEGMENT_H

#include "loyalty.h"

#include "utils/jsonpath.h"

#include "statement.h"

#pragma GCC visibility push(hidden)

typedef struct Segment
{
	char	   *name;
	JsonPath   *condition;		/* over the member document */
} Segment;

/* Ids, ascending, each once. */
typedef struct IdList
{
	int			n;
	int64	   *ids;
} IdList;

/* The active segments of a programme that have a condition, by name. */
extern Segment *segment_load(int32 program_id, int *nsegments);

/* segment_source.c */
extern void segment_source_check(const char *source, bool missing_ok);
extern IdList segment_source_read(const char *source, const IdList *only,
								  bool *nulls);

extern IdList id_list(ArrayType *array, bool *nulls);
extern Datum id_array(const IdList *list);
extern IdList id_difference(const IdList *list, const IdList *without);
extern IdList id_union(const IdList *one, const IdList *other);
extern IdList id_intersection(const IdList *one, const IdList *other);

#pragma GCC visibility pop

#endif							/* LOYALTY_SEGMENT_H */
