/*
 * segment.h
 *
 * Segments that are judged by a condition, compiled.
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

/* The active segments of a programme that have a condition, by name. */
extern Segment *segment_load(int32 program_id, int *nsegments);

#pragma GCC visibility pop

#endif							/* LOYALTY_SEGMENT_H */
