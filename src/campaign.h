/*
 * campaign.h
 *
 * Campaigns, compiled, and budgets, from which awards are taken.
 */
#ifndef LOYALTY_CAMPAIGN_H
#define LOYALTY_CAMPAIGN_H

#include "loyalty.h"

#include "statement.h"

#pragma GCC visibility push(hidden)

typedef struct Campaign
{
	int32		campaign_id;
	char	   *name;
	bool		live;
	TimestampTz starts_at;		/* DT_NOBEGIN */
	TimestampTz ends_at;		/* DT_NOEND */
} Campaign;

typedef struct Budget
{
	int32		budget_id;
	int32		campaign_id;	/* 0: the programme's */
	int32		unit_id;
} Budget;

/* Both into the current context, ascending by id. */
extern Campaign *campaign_load(int32 program_id, int *ncampaigns);
extern Budget *budget_load(int32 program_id, int *nbudgets);

/*
 * Takes up to an amount (minor units) from a budget; returns how much was
 * got.  whole: all of it or nothing.  Exact under concurrency: waits for
 * slots that others have locked rather than give less than there is.
 */
extern int64 budget_take(int32 budget_id, int64 amount, bool whole);
/* Puts back what this transaction took. */
extern void budget_give_back(int32 budget_id, int64 amount);
/*
 * Puts back what was taken at any time, but no more: who began before there
 * was a limit has taken nothing.  Like budget_take() it waits for slots that
 * others have locked only when no other can take it.
 */
extern void budget_return(int32 budget_id, int64 amount);
/* The same answer as budget_take(), without taking. */
extern int64 budget_look(int32 budget_id, int64 amount, bool whole,
						 bool read_only);
/*
 * Writes the slots of a budget, whatever it is of: shares what is left of an
 * amount over so many, as evenly as it goes.  counted: what is used of it; -1:
 * what the slots say.  Locks them; the caller has locked what the budget is
 * of, so that two do not write new ones at once.
 */
extern void budget_write(int32 program_id, int32 budget_id, int64 amount,
						 int64 counted, int nslots);
/* Raises unless a budget can have so many slots. */
extern void budget_check_slots(int nslots);
/* Locks the slots: nobody takes from them or gives back until we are done. */
extern void budget_lock(int32 budget_id);

#pragma GCC visibility pop

#endif							/* LOYALTY_CAMPAIGN_H */
