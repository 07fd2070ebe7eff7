/*
 * decide_cart.h
 *
 * What a cart costs with coupons and offers: pure, in memory.
 *
 * All amounts are minor units of the currency.  Lines are in the order in
 * which the cart has them; what could depend on that order is decided by
 * Cart.rank instead, which sorts lines by what they are.
 */
#ifndef LOYALTY_DECIDE_CART_H
#define LOYALTY_DECIDE_CART_H

#include "loyalty.h"

#include "decide.h"

#pragma GCC visibility push(hidden)

typedef struct Cart
{
	CartLines	lines;			/* gross: at the member's price */
	Jsonb	   *items;			/* the lines as they were given */
	int64	   *list;			/* gross of each line at the price given */
	int		   *rank;			/* of each line: by sku, price, quantity, place */
	int64		shipping;
	text	   *channel;		/* or NULL */
	text	   *store;
	text	   *staff;
	char	   *payment_method;	/* or NULL */
	Jsonb	   *data;			/* for conditions: what else the cart says */
} Cart;

/* Why a coupon does not apply; the order is the precedence of the design. */
typedef enum CouponReason
{
	COUPON_APPLICABLE,
	COUPON_REASON_NOT_FOUND,
	COUPON_REASON_DISABLED,
	COUPON_REASON_CAMPAIGN_NOT_RUNNING,
	COUPON_REASON_NOT_STARTED,
	COUPON_REASON_EXPIRED,
	COUPON_REASON_NOT_IN_TIME_WINDOW,
	COUPON_REASON_ALREADY_USED,
	COUPON_REASON_NOT_OWNER,
	COUPON_REASON_MEMBER_REQUIRED,
	COUPON_REASON_SEGMENT_MISMATCH,
	COUPON_REASON_TIER_MISMATCH,
	COUPON_REASON_CHANNEL_MISMATCH,
	COUPON_REASON_STORE_MISMATCH,
	COUPON_REASON_FIRST_ORDER_ONLY,
	COUPON_REASON_MIN_AMOUNT,
	COUPON_REASON_MAX_AMOUNT,
	COUPON_REASON_MIN_QUANTITY,
	COUPON_REASON_MAX_QUANTITY,
	COUPON_REASON_NO_MATCHING_ITEMS,
	COUPON_REASON_EXCLUDED_ITEMS,
	COUPON_REASON_PAYMENT_METHOD,
	COUPON_REASON_CONDITION_NOT_MET,
	COUPON_REASON_LIMIT_CODE,
	COUPON_REASON_LIMIT_MEMBER,
	COUPON_REASON_LIMIT_PERIOD,
	COUPON_REASON_LIMIT_CAMPAIGN,
	COUPON_REASON_BUDGET_EXHAUSTED,
	COUPON_REASON_RESERVATION_REQUIRED,
	COUPON_REASON_RESERVED_BY_OTHER,
	COUPON_REASON_STACK_EXCLUSIVE,
	COUPON_REASON_STACK_CATEGORY_LIMIT,
	COUPON_REASON_STACK_TOTAL_LIMIT,
	COUPON_REASON_PRECEDING_FAILED,
	COUPON_REASON_NO_EFFECT,
	COUPON_NREASONS
} CouponReason;

extern const char *coupon_reason_name(CouponReason reason);
extern Refusal coupon_reason_refusal(CouponReason reason);

/* A coupon or offer that may be applied to a cart. */
typedef struct Candidate
{
	const Coupon *coupon;		/* NULL: not found */
	const char *given;			/* as the caller named it; NULL: an offer */
	const char *code;			/* canonical, or NULL */
	int64		coupon_no;		/* of the member's coupon; 0: none */
	DateADT		valid_from;		/* of this coupon */
	DateADT		valid_until;
	bool		chosen;			/* by the caller: a code, not an offer or wallet */
	/* what store_coupon.c found of validity, limits, owner and reservation */
	CouponReason state;
	int64		left;			/* of its discount budget; -1: not limited */

	/* decide_cart_match(): lines that count, lines that are reduced */
	Bitmapset  *match;
	Bitmapset  *target;
	bool		excluded;		/* all that would match is excluded */
	CouponReason terms;			/* what does not depend on amounts */
} Candidate;

/* What one candidate came to in one pricing. */
typedef struct Applied
{
	CouponReason reason;
	int64		saving;			/* of goods and shipping */
	int64		missing;		/* of amount, or thousandths of quantity; 0: no near miss */
	int64	   *line_saving;	/* by line, the shipping last */
	const char *limited;		/* why less than it would be, or NULL */
} Applied;

/* A cart with some of the candidates applied in their order. */
typedef struct Pricing
{
	int64		goods;			/* after all discounts */
	int64		shipping;
	int64	   *nets;			/* of each line */
	int64		discount;		/* sum of the savings */
	int			napplied;		/* one for each candidate */
	Applied    *applied;
} Pricing;

/* Fills in rank.  */
extern void decide_cart_rank(Cart *cart);

/*
 * Works out which lines each candidate is for and whether its terms are met,
 * once for any number of pricings.
 */
extern void decide_cart_match(const Decision *decision, const JournalRow *row,
							  Facts *facts, const Cart *cart,
							  Candidate *candidates, int ncandidates);

/*
 * Prices a cart with the candidates of `use` (indexes; those that cannot be
 * applied say why, and do nothing).  Stacking is not judged here.
 */
extern void decide_cart_price(const Program *program, const Cart *cart,
							  const Candidate *candidates, int ncandidates,
							  const Bitmapset *use, Pricing *pricing);

/* May these two be in one order, whatever else is? */
extern bool decide_cart_compatible(const Coupon *one, const Coupon *other);

/*
 * The candidates that stand beside each other: those that were chosen first,
 * as they are given, then offers, by priority.  Others get a stack reason.
 */
extern Bitmapset *decide_cart_stack(const Program *program,
									const Candidate *candidates,
									int ncandidates, CouponReason *reasons);

/* decide_cart_best.c: the allowed combination that saves most. */
typedef struct BestCart
{
	Bitmapset  *use;
	int64		saving;
	int64		bound;			/* no combination saves more */
	bool		optimal;
	int			looked_at;		/* combinations */
} BestCart;

extern void decide_cart_best(const Program *program, const Cart *cart,
							 const Candidate *candidates, int ncandidates,
							 BestCart *best);

#pragma GCC visibility pop

#endif							/* LOYALTY_DECIDE_CART_H */
