/*
 * hold.h
 *
 * A hold, in memory.
 */
#ifndef LOYALTY_HOLD_H
#define LOYALTY_HOLD_H

#include "loyalty.h"

#include "wallet.h"

#pragma GCC visibility push(hidden)

typedef enum HoldStatus
{
	HOLD_HELD,
	HOLD_CAPTURED,
	HOLD_RELEASED,
	HOLD_TIMED_OUT
} HoldStatus;

typedef struct Hold
{
	int64		hold_id;
	int64		journal_id;
	int32		unit_id;
	int64		amount;
	int64		captured;
	TimestampTz expires_at;
	HoldStatus	status;
	text	   *ref;
	LotList		lots;			/* in spend order */
	bool		of_order;		/* ends with an order that is reserved */
	bool		changed;		/* to be stored */
} Hold;

extern int	hold_load_open(int64 member_id, bool read_only, Hold **holds);
extern int	hold_load_past(int64 member_id, TimestampTz until,
						   TimestampTz known_at, Hold **holds);
extern Hold *hold_load(int64 member_id, int64 hold_id);
extern void hold_insert(int64 member_id, int32 program_id, const Hold *hold);
extern void hold_update(int64 member_id, int32 program_id, const Hold *hold);

#pragma GCC visibility pop

#endif							/* LOYALTY_HOLD_H */
