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

#include "collection.h"
#include "statement.h"
#include "unit.h"

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
/* On the automation document: the member document, $.event and $.trigger. */
extern const char *condition_check_automation(JsonPath *path,
											  Refusal *refusal);
extern ConditionResult condition_match(JsonPath *path, Jsonb *document);

/* Is shown an item, and that on which it follows in its path, or NULL. */
typedef void (*ConditionVisitor) (JsonPathItem *item,
								  const JsonPathItem *before, void *context);

/*
 * When and for whom something applies: what rules, coupons and offers have
 * in common.
 */
typedef struct Terms
{
	/* bits; 0: any */
	uint32		days_of_week;	/* 1 << 1 .. 7 */
	uint32		weeks_of_month; /* 1 << 1 .. 5, 1: the last */
	uint32		days_of_month;	/* 1 << 1 .. 31, 1: the last */
	const char *calendar_name;
	const Calendar *calendar;
	bool		has_time;
	TimeADT		time_from;
	TimeADT		time_until;
	Recurrence	birthday;
	Recurrence	anniversary;
	int			first_purchases;	/* 0: any */
	int			idle_from;		/* -1: any */
	int			idle_until;		/* -1: any */

	NameList   *tiers;
	NameList   *tags;
	NameList   *segments;
	NameList   *channels;
	NameList   *stores;
	const char *store_collection_name;
	const Collection *store_collection;
	JsonPath   *condition;
} Terms;

/* The columns of which terms are made, in the order of condition_terms(). */
#define TERMS_COLUMNS \
	"days_of_week, weeks_of_month, days_of_month, calendar, time_from," \
	" time_until, birthday, anniversary, first_purchases, idle_from," \
	" idle_until, tiers, tags, segments, channels, stores," \
	" store_collection, condition"
#define TERMS_NCOLUMNS 18

/*
 * Reads the terms in a row of the last statement, from a column on.
 * Collections and calendar are loaded by condition_terms_lists(), because
 * that runs statements.
 */
extern void condition_terms(uint64 row, int column, Terms *terms);
extern void condition_terms_lists(CollectionLoader *loader, Terms *terms);

extern void condition_visit(JsonPath *path, ConditionVisitor visitor,
							void *context);

#pragma GCC visibility pop

#endif							/* LOYALTY_CONDITION_H */
