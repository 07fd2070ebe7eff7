/*
 * tag.h
 *
 * Tags that are judged by a condition, compiled.
 */
#ifndef LOYALTY_TAG_H
#define LOYALTY_TAG_H

#include "loyalty.h"

#include "utils/jsonpath.h"

#include "statement.h"

#pragma GCC visibility push(hidden)

typedef struct Tag
{
	char	   *name;
	bool		lifecycle;		/* a member has one of these at a time */
	JsonPath   *condition;		/* over the member document */
} Tag;

/* The active tags of a programme that have a condition, in order of name. */
extern Tag *tag_load(int32 program_id, int *ntags);

#pragma GCC visibility pop

#endif							/* LOYALTY_TAG_H */
