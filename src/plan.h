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
	int32		tier_id;		/* that it gives; 0: none */
	DateADT		starts_on;
	DateADT		ends_on;		/* last day */
} PlanPeriod;

typedef enum PlanStatus
{
	PLAN_ACTIVE,
	PLAN_UPGRADED,
	PLAN_REFUNDED
} PlanStatus;

/* A period as it was bought, and what became of it: a row of member_plan. */
typedef struct BoughtPlan
{
	int64		journal_id;
	int64		upgraded_from;	/* 0: none */
	int32		plan_id;
	int32		tier_id;		/* 0: none */
	DateADT		starts_on;
	DateADT		ends_on;
	DateADT		bought_until;
	int			anchor_day;		/* 0: of days */
	int64		price;
	int64		credit;
	int64		refunded;
	bool		auto_renew;
	PlanStatus	status;
	text	   *ref;
	bool		changed;
} BoughtPlan;

/* All plans of a programme, ascending by id. */
extern PaidPlan *plan_load(int32 program_id, int currency_scale, int *nplans);
/* The periods of a member that are not over on a date, ascending. */
extern PlanPeriod *plan_periods(int64 member_id, DateADT on, bool read_only,
								int *nperiods);

/*
 * All that a member ever bought, ascending, with room for one more.  Assumes
 * that the account is locked, or that nothing will be written.
 */
extern BoughtPlan *plan_bought(int64 member_id, int *nbought);
extern void plan_insert(int64 member_id, int32 program_id,
						const BoughtPlan *bought);
extern void plan_update(int64 member_id, const BoughtPlan *bought);
/* The days of a period that begins on a date, after the others. */
extern void plan_set_period(const PaidPlan *plan, const BoughtPlan *others,
							int nothers, BoughtPlan *bought);
extern bool plan_covers(const BoughtPlan *bought, DateADT on);
extern int64 plan_worth(const BoughtPlan *bought, DateADT from);

#pragma GCC visibility pop

#endif							/* LOYALTY_PLAN_H */
