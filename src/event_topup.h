/*
 * event_topup.h
 *
 * What the verbs of stored value share.
 */
#ifndef LOYALTY_EVENT_TOPUP_H
#define LOYALTY_EVENT_TOPUP_H

#include "loyalty.h"

#include "call.h"

#pragma GCC visibility push(hidden)

typedef struct TopupCall
{
	Call		call;			/* first: its callbacks get no more */
	const Unit *unit;
	const TopupPolicy *policy;
	Topup	   *topup;
	TopupCard  *card;			/* to be put on record, or NULL */
} TopupCall;

/* Conditions of a chain.  The unit of an argument, or the only one there is. */
extern bool event_topup_unit(TopupCall *topups, int arg);
/* The top-up of a payment, and its unit. */
extern bool event_topup_find(TopupCall *topups, const text *ref);
extern bool event_topup_is_pending(TopupCall *topups);
/* Gives what the top-up is worth, by the row of the call. */
extern void event_topup_give(TopupCall *topups, JournalRow *row);
/* event_topup_gift.c: coupons; they are written, so nothing may fail after. */
extern void event_topup_give_pack(TopupCall *topups, JournalRow *row);
extern void event_topup_take_pack(TopupCall *topups, JournalRow *row);
/* The row of a call that moves an amount of the unit. */
extern JournalRow *event_topup_row(TopupCall *topups, TimestampTz at,
								   int64 amount);

#pragma GCC visibility pop

#endif							/* LOYALTY_EVENT_TOPUP_H */
