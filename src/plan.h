/*
 * plan.h
 *
 * Plans of paid membership, compiled, and the periods that members bought.
 */
#ifndef LOYALTY_PLAN_H
#define LOYALTY_PLAN_H

#include "loyalty.h"

#include "statement.h"

#pragma GCC visibility push(hidden)

typedef struct PaidPlan
{
	int32		plan_id;
	char	   *name;
	bool		active;			/* can be bought */
	int			months;			/* one of these is 0 */
	int			days;
	int64		price;			/* minor units of the currency */
	int			rank;
	char	   *tier;			/* code, or NULL */
} PaidPlan;

/* A period that is paid for and was not given back. */
typedef struct PlanPeriod
{
	int32		plan_id;
	DateADT		starts_on;
	DateADT		ends_on;		/* last day */
} PlanPeriod;

/* All plans of a programme, ascending by id. */
extern PaidPlan *plan_load(int32 program_id, int currency_scale, int *nplans);
/* The periods of a member that are not over on a date, ascending. */
extern PlanPeriod *plan_periods(int64 member_id, DateADT on, bool read_only,
								int *nperiods);

#pragma GCC visibility pop

#endif							/* LOYALTY_PLAN_H */
