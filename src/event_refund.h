/*
 * event_refund.h
 *
 * An order as a refund sees it: what it moved, and how much of that is taken
 * back.
 */
#ifndef LOYALTY_EVENT_REFUND_H
#define LOYALTY_EVENT_REFUND_H

#include "loyalty.h"

#include "event.h"

#pragma GCC visibility push(hidden)

/*
 * A row of the order.  Its awards are the elements of Order.awards from
 * first_award on.
 */
typedef struct OrderRow
{
	int64		journal_id;
	char	   *kind;
	int64		amount;			/* event: of the currency; else of unit_id */
	int64		start;			/* event: what earlier events add up to */
	int32		unit_id;
	int64		hold_id;
	bool		is_purchase;
	int64		payable;		/* of a checkout, what remained to be paid; -1 */
	Jsonb	   *items;
	Jsonb	   *awards;			/* what the rules came to, NULL if not kept */
	int			first_award;
	int			nawards;
	LotList		spent;			/* redeem, capture: the lots, in spend order */
} OrderRow;

/* A refund of the order: the earlier ones, and last the one being made. */
typedef struct Refund
{
	int64		journal_id;
	int64		amount;
	bool		in_units;		/* made when there was nothing but spends */
	int64	   *line_net;		/* of it, by line; NULL: not known */
} Refund;

typedef struct Order
{
	text	   *ref;
	int			nrows;
	OrderRow   *rows;
	bool		has_event;
	bool		replaced;		/* only to be recorded anew, as it is now */
	bool		mixed_units;	/* of its spends */
	int32		unit_id;		/* of its spends */
	int			scale;			/* of its amount */
	int64		amount;			/* of its events; without one, of its spends */
	int64		last_row;		/* the newest */
	int			nawards;
	Award	   *awards;

	CartLines	lines;			/* n = 0: none, or erased */
	int64	   *nets;			/* one more than lines: the order itself */

	int			nrefunds;		/* one more is allocated */
	Refund	   *refunds;
	int64		before;			/* refunded so far, in terms of amount */
	int64	   *line_qty;		/* the same line by line */
	int64	   *line_net;
	int64	   *line_money;		/* part of line_net, refunded by amount */

	/* this refund */
	int64		now;
	int64	   *now_qty;
	int64	   *now_net;
	bool		whole;			/* nothing of the order is left after it */

	int64		until;			/* only rows before this one */
	EventRow	event_row;		/* NULL: what was posted */
	void	   *context;		/* of it */
} Order;

/* event_refund_order.c: loads what the rows before Order.until tell. */
extern bool refund_load(Call *call, Order *order);
extern bool refund_is_spend(const OrderRow *row);

/* event_refund_share.c: what the first n refunds of the order took back. */
extern int64 refund_taken_back(const Order *order, const OrderRow *row,
							   int64 value, bool whole_only, int nrefunds);
extern void refund_take_awards(Call *call, const Order *order,
							   JournalRow *journal_row);
extern void refund_return_spends(Call *call, const Order *order,
								 JournalRow *journal_row);
extern void refund_tell_payable(const Order *order, JournalRow *journal_row);

/* event_refund_coupon.c: the coupons of the order give their shares back. */
extern void refund_return_coupons(Call *call, const Order *order,
								  JournalRow *journal_row);

#pragma GCC visibility pop

#endif							/* LOYALTY_EVENT_REFUND_H */
