/*
 * explain.h
 *
 * A simulation: the calls of the past made again in memory, in two worlds,
 * one with a campaign and one without.
 */
#ifndef LOYALTY_EXPLAIN_H
#define LOYALTY_EXPLAIN_H

#include "loyalty.h"

#include "call.h"
#include "event.h"

#pragma GCC visibility push(hidden)

typedef enum World
{
	WORLD_WITHOUT,
	WORLD_WITH,
	NWORLDS
} World;

/* A row of the journal, to be made again. */
typedef struct PastCall
{
	int64		journal_id;
	char	   *kind;
	char	   *event;			/* or NULL */
	TimestampTz effective_at;
	TimestampTz recorded_at;
	bool		by_itself;		/* no request: the clock's, or half a sale */
	bool		has_amount;
	int64		amount;
	int32		unit_id;
	text	   *ref;
	text	   *reverses;
	text	   *channel;
	text	   *store;
	Jsonb	   *items;			/* or NULL, as all that may be erased */
	Jsonb	   *data;
	Jsonb	   *member;			/* as conditions saw it then */
	bool		refunded;		/* later, wholly or in part */
	Jsonb	   *multipliers;	/* coupons that multiplied, or NULL */
} PastCall;

/* What a counter stands at in a period. */
typedef struct SimCount
{
	int32		unit_id;
	DateADT		period_end;
	int64		used[NWORLDS];
} SimCount;

/* What a member has in one of the worlds. */
typedef struct SimState
{
	Account		account;
	int			nuses;
	RuleUse    *uses;
	int			nchanges;		/* of the tier, ever */
	TierChange *changes;
	int			nawarded;		/* events that are refunded later */
	JournalRow **awarded;
} SimState;

/* A tag that the member had, or a segment he was in, for a while. */
typedef struct SimHolding
{
	char	   *name;
	int64		from;			/* rows of the journal after this one see it */
	int64		until;			/* and those before this one */
	TimestampTz since;
	TimestampTz ends_at;		/* later events do not see it */
} SimHolding;

typedef struct SimHoldings
{
	int			n;
	SimHolding *list;			/* by name */
} SimHoldings;

typedef struct SimMember
{
	int64		member_id;		/* key of a hash table */
	int64		first;			/* journal_id of the first call made again */
	MemoryContext context;
	TimestampTz now;			/* of the last call */
	TimestampTz joined_at;
	Jsonb	   *profile;
	SimHoldings tags;
	SimHoldings segments;
	int			ncounts;
	SimCount   *counts;
	int			nperiods;		/* of plans, as they are today */
	PlanPeriod *periods;
	PastCall   *signup;			/* waits for the purchase of the same call */
	SimState	states[NWORLDS];
} SimMember;

typedef struct Simulation
{
	const Program *programs[NWORLDS];
	int64	   *left[NWORLDS];	/* of each budget */
	char	   *time_zone;
	bool		clock_is_moved; /* so that recorded_at tells nothing */
} Simulation;

/* What a call came to in a world. */
typedef struct PastResult
{
	int			nrows;			/* of the calls themselves */
	JournalRow *rows[DECISION_MAX_EVENTS];
	int			nawards;
	Awards		awards[DECISION_MAX_EVENTS];
} PastResult;

/* explain_start.c: a member as of before its first call, in its context. */
extern void explain_start(const Simulation *simulation, SimMember *member);

/* explain_replay.c */
extern bool explain_load_call(int64 member_id, int64 journal_id,
							  PastCall *call);
extern void explain_replay(Simulation *simulation, SimMember *member,
						   World world, const PastCall *const *calls,
						   int ncalls, PastResult *result);
extern const Tier *explain_final_tier(const Simulation *simulation,
									  SimMember *member, World world,
									  TimestampTz at);

#pragma GCC visibility pop

#endif							/* LOYALTY_EXPLAIN_H */
