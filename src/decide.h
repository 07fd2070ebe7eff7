/*
 * decide.h
 *
 * What an account becomes, decided in memory: nothing here reads or writes a
 * table.
 */
#ifndef LOYALTY_DECIDE_H
#define LOYALTY_DECIDE_H

#include "loyalty.h"

#include "account.h"
#include "hold.h"
#include "journal.h"
#include "rule_program.h"

#pragma GCC visibility push(hidden)

/* A decision about one account: rows to append, holds and wallet changed. */
typedef struct Decision
{
	Account    *account;
	const Program *program;
	TimestampTz now;
	DateADT		today;
	int			nrows;
	int			capacity;
	JournalRow **rows;			/* in the order in which they are stored */
	int			nholds;			/* open holds, if any can be due */
	Hold	   *holds;
	Hold	   *new_hold;
	JournalRow *hold_row;		/* the row that makes new_hold */
} Decision;

extern void decide_begin(Decision *decision, Account *account,
						 const Program *program, TimestampTz now);
extern JournalRow *decide_row(Decision *decision, const char *kind,
							  TimestampTz effective_at);
extern void decide_append(Decision *decision, JournalRow *row);
extern void decide_settle(Decision *decision, TimestampTz not_before);
extern void decide_due(Decision *decision, bool exact);

extern void decide_move(Decision *decision, JournalRow *row, Lot lot);
extern void decide_post(Decision *decision, JournalRow *row, Lot lot,
						int32 rule_id);
extern void decide_awards(Decision *decision, JournalRow *row);
extern int64 decide_available(const Decision *decision, const Unit *unit);
extern void decide_spend(Decision *decision, JournalRow *row,
						 const Unit *unit, int64 amount, LotList *taken);
extern void decide_give_back(Decision *decision, JournalRow *row,
							 const LotList *lots, DateADT on);

/* What one award of an order posted, and how much of it is now taken back. */
typedef struct Award
{
	const Unit *unit;
	int32		rule_id;
	int64		amount;			/* sum of the lots */
	int			nlots;
	Lot		   *lots;			/* in the order in which they were posted */
} Award;

extern void decide_take_back(Decision *decision, JournalRow *row,
							 const Award *awards, int nawards,
							 const int64 *from, const int64 *until);

#pragma GCC visibility pop

#endif							/* LOYALTY_DECIDE_H */
