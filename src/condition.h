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
/* Could a condition look at this key of its document? */
extern bool condition_reads(JsonPath *path, const char *key);
extern ConditionResult condition_match(JsonPath *path, Jsonb *document);

#pragma GCC visibility pop

#endif							/* LOYALTY_CONDITION_H */
