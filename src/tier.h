/*
 * tier.h
 *
 * Tiers of a programme, compiled; and the history of a member's tier.
 */
#ifndef LOYALTY_TIER_H
#define LOYALTY_TIER_H

#include "loyalty.h"

#include "statement.h"
#include "unit.h"

#pragma GCC visibility push(hidden)

typedef enum TierWindow
{
	WINDOW_ROLLING,
	WINDOW_CALENDAR_YEAR,
	WINDOW_TIER_START,
	WINDOW_LIFETIME
} TierWindow;

typedef struct TierThreshold
{
	bool		retention;		/* else entry */
	const Unit *unit;
	int64		threshold;		/* minor units */
	TierWindow	window;
	int			months;
} TierThreshold;

typedef enum TierDemotion
{
	DEMOTE_ONE_LEVEL,
	DEMOTE_TO_QUALIFIED,
	DEMOTE_NEVER
} TierDemotion;

typedef enum TierRound
{
	ROUND_DAY,
	ROUND_MONTH,
	ROUND_YEAR
} TierRound;

typedef struct Tier
{
	int32		tier_id;
	char	   *code;
	int			rank;
	bool		entry_all;		/* else any */
	bool		retention_all;
	int			valid_months;	/* 0: for ever */
	TierRound	valid_round;
	int			grace_days;
	int			warn_days;
	TierDemotion demotion;
	int			multiplier;		/* thousandths */
	int			vest_days;		/* -1: the unit's */
	bool		has_expiry;
	Expiry		expiry;
	int			nthresholds;
	TierThreshold *thresholds;	/* entry first */
} Tier;

typedef enum TierRefund
{
	TIER_REFUND_IMMEDIATE,
	TIER_REFUND_AT_REVIEW,
	TIER_REFUND_NEVER
} TierRefund;

typedef enum TierState
{
	TIER_NORMAL,
	TIER_WARNED,
	TIER_GRACE
} TierState;

typedef enum TierAction
{
	TIER_JOINED,
	TIER_PROMOTED,
	TIER_PROLONGED,
	TIER_WARN,
	TIER_GRACE_BEGINS,
	TIER_DEMOTED,
	TIER_REVOKED,
	TIER_GRANTED,
	TIER_BOUGHT
} TierAction;

/* One row of tier_history; journal_id and line come with its journal row. */
typedef struct TierChange
{
	TierAction	action;
	TimestampTz effective_at;
	int32		tier_before;	/* 0: none */
	int32		tier_after;
	DateADT		tier_until;		/* DATEVAL_NOEND: no end */
	DateADT		locked_until;	/* DATEVAL_NOBEGIN: not locked */
	int32		unit_id;		/* 0: no threshold decided */
	int64		reached;
	int64		threshold;
	DateADT		window_from;
	DateADT		window_until;
} TierChange;

/*
 * Loads the tiers of a programme, ascending by rank, into the current
 * context.  units: those of the programme.
 */
extern Tier *tier_load(int32 program_id, const Unit *units, int nunits,
					   int *ntiers);
extern const char *tier_action_name(TierAction action);
extern const char *tier_window_name(TierWindow window);
extern void tier_history_insert(int64 member_id, int64 journal_id, int line,
								int32 program_id, const TierChange *change);
/* The same for many rows, in one statement. */
extern void tier_history_begin(StatementRows *rows);
extern void tier_history_add(StatementRows *rows, int64 member_id,
							 int64 journal_id, int line, int32 program_id,
							 const TierChange *change);
extern void tier_history_store(const StatementRows *rows);
/* A row of the history, as much as tells the tier of a time. */
typedef struct TierPast
{
	int64		member_id;
	TimestampTz effective_at;
	int32		tier_id;		/* 0: none */
} TierPast;

/* The histories of several members, of each the newest row first. */
extern TierPast *tier_history_many(const Datum *member_ids, int n,
								   int *npast);
/* The tier that the history gives for a time; 0: none. */
extern int32 tier_history_at(int64 member_id, TimestampTz at, bool read_only);
extern bool tier_history_before_promotion(int64 member_id, int32 *tier_id,
										  DateADT *until);

#pragma GCC visibility pop

#endif							/* LOYALTY_TIER_H */
