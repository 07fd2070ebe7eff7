/*
 * checkout.h
 *
 * A cart of a member from its document to its price: what quote() shows is
 * what checkout() and checkout_reserve() do.
 */
#ifndef LOYALTY_CHECKOUT_H
#define LOYALTY_CHECKOUT_H

#include "loyalty.h"

#include "call.h"
#include "decide_cart.h"
#include "store_coupon.h"

#pragma GCC visibility push(hidden)

/* How much of a unit pays for a part of the order. */
typedef struct Payment
{
	const Unit *unit;
	int64		amount;			/* minor units of the unit */
	int64		money;			/* minor units of the currency */
	const char *limited;		/* why less than was asked for, or NULL */
} Payment;

typedef struct Quote
{
	Cart		cart;
	Facts	   *facts;
	int			ncandidates;
	Candidate  *candidates;
	Bitmapset  *use;			/* of the candidates */
	Pricing		pricing;
	bool		best;			/* it was searched for */
	BestCart	found;
	int			npayments;
	Payment    *payments;		/* points first, stored value after them */
	int64		points_money;	/* what points pay */
	int64		stored_money;	/* what stored value pays */
	int64	   *nets;			/* of each line, discounts taken off; points are a
								 * payment and stay in */
	int64		total;			/* of goods and shipping after discounts */
	int64		payable;		/* total less points and stored value */
} Quote;

typedef struct QuoteRequest
{
	Jsonb	   *cart;
	ArrayType  *codes;			/* or NULL */
	Jsonb	   *use;			/* or NULL */
	const text *ref;			/* of the order, or NULL */
	bool		best;
} QuoteRequest;

/* Conditions of a chain: false when the call has been refused. */
extern bool checkout_quote(Call *call, const QuoteRequest *request,
						   Quote *quote);
/* What quote() returns; earned: of a row that was judged, or NULL. */
extern Jsonb *checkout_document(const Call *call, const Quote *quote,
								const Awards *earned);
/* Lines with their nets, as the purchase keeps them in event_data. */
extern Jsonb *checkout_items(const Call *call, const Quote *quote);

#pragma GCC visibility pop

#endif							/* LOYALTY_CHECKOUT_H */
