/*
 * hold.h
 *
 * A hold, in memory.
 */
#ifndef LOYALTY_HOLD_H
#define LOYALTY_HOLD_H

#include "loyalty.h"

#include "statement.h"
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

/*
 * Text for statements that read or write a hold together with what brings it
 * about (store_row.c).
 */
#define HOLD_COLUMNS(h) \
	h "hold_id, " h "journal_id, " h "unit_id, " h "amount, " h "captured, " \
	h "expires_at, " h "status, " h "ref, " h "lots, " h "of_order"
#define HOLD_INSERT(member_id, hold_id, amount, program_id, unit_id, \
					expires_at, ref, lots, of_order) \
	"INSERT INTO loyalty.hold (member_id, hold_id, journal_id, amount," \
	" program_id, unit_id, expires_at, ref, lots, of_order)" \
	" VALUES (" member_id ", " hold_id ", " hold_id ", " amount ", " \
	program_id ", " unit_id ", " expires_at ", " ref ", " lots ", " of_order ")"
#define HOLD_UPDATE(member_id, hold_id, status, captured) \
	"UPDATE loyalty.hold SET status = " status ", captured = " captured \
	" WHERE member_id = " member_id " AND hold_id = " hold_id

/* The arguments of the two: from expires_at on, and from status on. */
#define HOLD_INSERT_TYPES TIMESTAMPTZOID, TEXTOID, WALLET_TYPE, BOOLOID
#define HOLD_INSERT_NARGS 4
#define HOLD_UPDATE_TYPES TEXTOID, INT8OID
#define HOLD_UPDATE_NARGS 2

extern void hold_insert_args(const Hold *hold, NullableDatum *args);
extern void hold_update_args(const Hold *hold, NullableDatum *args);
extern Hold *hold_read(uint64 row, int column);

extern int	hold_load_open(int64 member_id, bool read_only, Hold **holds);
extern int	hold_load_past(int64 member_id, TimestampTz until,
						   TimestampTz known_at, Hold **holds);
extern Hold *hold_load(int64 member_id, int64 hold_id);
extern void hold_insert(int64 member_id, int32 program_id, const Hold *hold);
extern void hold_update(int64 member_id, const Hold *hold);

#pragma GCC visibility pop

#endif							/* LOYALTY_HOLD_H */
