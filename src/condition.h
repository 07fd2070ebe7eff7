/*
 * condition.h
 *
 * jsonpath as the language of conditions: refused when it is saved if it is
 * no predicate or could cost too much, evaluated without an error later.
 */
#ifndef LOYALTY_CONDITION_H
#define LOYALTY_CONDITION_H

#include "loyalty.h"

#include "utils/jsonb.h"
#include "utils/jsonpath.h"

#pragma GCC visibility push(hidden)

typedef enum ConditionResult
{
	CONDITION_FALSE,
	CONDITION_TRUE,
	CONDITION_ERROR					/* no boolean, or an error inside */
} ConditionResult;

/*
 * What is wrong with a condition, as the detail of LY801 (no predicate, a
 * malformed expression) or LY805 (too costly); NULL if nothing.
 */
extern const char *condition_check(JsonPath *path, Refusal *refusal);
/* The same for a condition on one line of an order, as item_filter is. */
extern const char *condition_check_line(JsonPath *path, Refusal *refusal);
/* On the member document, as segments are; and as tags are, without tags. */
extern const char *condition_check_member(JsonPath *path, Refusal *refusal);
extern const char *condition_check_untagged(JsonPath *path,
											Refusal *refusal);
extern ConditionResult condition_match(JsonPath *path, Jsonb *document);

/* Is shown an item, and that on which it follows in its path, or NULL. */
typedef void (*ConditionVisitor) (JsonPathItem *item,
								  const JsonPathItem *before, void *context);

extern void condition_visit(JsonPath *path, ConditionVisitor visitor,
							void *context);

#pragma GCC visibility pop

#endif							/* LOYALTY_CONDITION_H */
