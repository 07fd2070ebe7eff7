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
#include "event.h"
#include "store_coupon.h"

#pragma GCC visibility push(hidden)

/* How much of a unit pays for a part of the order. */
typedef struct Payment
{
	const Unit *unit;
	bool		stored;			/* stored value, which pays last; else points */
	int64		asked;			/* minor units of the unit; -1: all there is */
	int64		available;
	int64		amount;			/* minor units of the unit */
	int64		money;			/* minor units of the currency */
	const char *limited;		/* why less than was asked for, or NULL */
} Payment;

typedef struct Quote
{
	TimestampTz at;				/* when it is bought */
	bool		read_only;
	Cart		cart;			/* at the member's prices */
	const Benefit **price_by;	/* which made the price of each line, or NULL */
	JournalRow *row;			/* of a purchase, to judge by; never stored */
	Facts	   *facts;			/* of the cart before discounts */
	int			ncandidates;
	Candidate  *candidates;
	Bitmapset  *use;			/* of the candidates */
	Pricing		pricing;
	bool		best;			/* it was searched for */
	BestCart	found;
	Loser	   *losers;			/* then, of each candidate; else NULL */
	int			npayments;
	Payment    *payments;		/* points first, stored value after them */
	int64		points_money;	/* what points pay */
	int64		stored_money;	/* what stored value pays */
	CartLines	lines;			/* with nets: discounts taken off; points are a
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
	bool		read_only;		/* with the caller's snapshot */
} QuoteRequest;

/* checkout_cart.c */
extern bool checkout_cart(Call *call, const Jsonb *json, Cart *cart);
extern void checkout_prices(Call *call, Quote *quote);
extern Jsonb *checkout_lines(const Cart *cart, const Numeric *prices,
							 const int64 *nets, int scale);
extern Jsonb *checkout_data(const Call *call, const Quote *quote);

/* checkout_pay.c: what points and stored value pay of a priced cart. */
extern bool checkout_pay(Call *call, const Jsonb *use, Quote *quote);

/*
 * checkout_quote.c.  Conditions of a chain: false when the call has been
 * refused.
 */
extern bool checkout_quote(Call *call, const QuoteRequest *request,
						   Quote *quote);
/* Parts of it: a quote whose cart was read, and candidates that were named. */
extern void checkout_offers(Call *call, const text *ref, Quote *quote);
extern void checkout_facts(Call *call, Quote *quote, const text *ref);
extern void checkout_match(Call *call, Quote *quote, const text *ref);
/* The uses of what was applied; taken: which candidate each is of. */
extern CouponTaking *checkout_takings(const Quote *quote, int **taken,
									  int *ntakings);

/*
 * checkout_post.c: spends what pays, as rows of their own, and judges the
 * purchase, whose row comes after them.
 */
extern bool checkout_post(Call *call, const Quote *quote);
extern Facts *checkout_make(const Call *call, const Quote *quote,
							JournalRow *row);
extern bool checkout_purchase(Call *call, const Quote *quote);
/* Ends the call; the receipt shows what paid for the order, too. */
extern Datum checkout_close(Call *call);
extern void checkout_push_data(JsonbParseState **state, const Facts *facts);

/* checkout.c */
extern bool checkout_open_reading(Call *call, int program_arg);
extern bool checkout_codes_apply(Call *call, const Quote *quote);
extern bool checkout_expected(Call *call, int arg, int64 payable);
/* Uses of coupons and offers. */
typedef struct CheckoutTakings
{
	int			n;
	CouponTaking *takings;
	int		   *candidates;		/* of which each is */
} CheckoutTakings;

/* Takes them, for the call's row; what cannot be had refuses the call. */
extern bool checkout_take(Call *call, const text *ref,
						  TimestampTz reserved_until,
						  const CheckoutTakings *takings);

/* checkout_document.c: what quote() returns; earned: NULL, nothing. */
extern Jsonb *checkout_document(const Call *call, const Quote *quote,
								const Awards *earned);

/* What becomes of one candidate. */
typedef struct Verdict
{
	const Candidate *candidate;
	CouponReason reason;
	int64		saving;			/* of one that lost: by itself */
	int64		missing;
	Bitmapset  *beaten_by;		/* of the candidates */
} Verdict;

extern Verdict checkout_verdict(const Quote *quote, int candidate);
/* For people; NULL: nothing to say. */
extern char *checkout_message(const Verdict *verdict, int scale);
/* Of amount, or of pieces. */
extern Numeric checkout_missing(const Verdict *verdict, int scale);

#pragma GCC visibility pop

#endif							/* LOYALTY_CHECKOUT_H */
