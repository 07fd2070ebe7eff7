/*
 * decide_cart.h
 *
 * What a cart costs with coupons and offers: pure, in memory.
 *
 * All amounts are minor units of the currency.  Lines are in the order in
 * which the cart has them; what could depend on that order is decided by
 * Cart.rank instead, which sorts lines by what they are.
 *
 * Whether a coupon applies is measured by the cart before any discount
 * (CartLine.gross), so that it never depends on which others are applied.
 * What it saves is reckoned by CartPolicy.on_initial from the same amounts, or
 * from what those before it have left.
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
	int		   *rank;			/* of each line, by what it is */
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
	bool		chosen;			/* by the caller, with a code */
	/* what store_coupon.c found of validity, limits, owner and reservation */
	CouponReason state;
	/* of its template; all of it in one order share them; -1: not limited */
	int64		left;			/* of the discount budget */
	int64		uses_left;
	CouponReason uses_limit;	/* why there are no more uses */

	/*
	 * decide_cart_match(): lines that count, lines that are reduced (both not
	 * to be changed: candidates share them), what those that count come to,
	 * and why it does not apply whatever else is
	 */
	Bitmapset  *match;
	Bitmapset  *target;
	int64		amount;
	int64		quantity;		/* thousandths */
	CouponReason terms;
	int64		missing;		/* of amount, or thousandths of quantity */
	int			place;			/* in the order in which they are applied */
} Candidate;

/* What one candidate came to in one pricing. */
typedef struct Applied
{
	CouponReason reason;
	int64		saving;			/* of goods and shipping */
	int64		missing;		/* if the reason is a minimum; else 0 */
	int64	   *line_saving;	/* by line, shipping last; NULL: no saving */
	/* why less than it would be: max_discount, amount_left, min_payable */
	const char *limited;
} Applied;

/*
 * A cart with some of the candidates applied in their order.  All zero before
 * the first pricing.  It may be priced again and again, for the same cart and
 * candidates: then all that it points to is written over.
 */
typedef struct Pricing
{
	int64		goods;			/* after all discounts */
	int64		shipping;
	int64	   *nets;			/* of each line */
	int64		discount;		/* sum of the savings */
	int			napplied;		/* one for each candidate */
	Applied    *applied;
	struct CartWork *work;		/* decide_cart_work.h */
} Pricing;

/*
 * Fills in rank: by sku, amount, quantity, then whatever else a line says.
 * Lines that are equal in all of it rank by place.
 */
extern void decide_cart_rank(Cart *cart);

/*
 * Works out which lines each candidate is for, whether its terms are met, and
 * in which order they are applied, once for any number of pricings.
 */
extern void decide_cart_match(const Decision *decision, const JournalRow *row,
							  Facts *facts, const Cart *cart,
							  Candidate *candidates, int ncandidates);

/* Is it for lines of the order, and not for the whole order? */
extern bool decide_cart_by_line(const Coupon *coupon);

/* Why one does not apply whatever the cart, or COUPON_APPLICABLE. */
extern CouponReason decide_cart_member(const Decision *decision,
									   const JournalRow *row, Facts *facts,
									   const Candidate *candidate);

/* Why a candidate does not apply whatever else is, or COUPON_APPLICABLE. */
extern CouponReason decide_cart_reason(const Candidate *candidate);

/*
 * Prices a cart with the candidates of `use` (indexes; those that cannot be
 * applied say why, and do nothing).  Stacking is not judged here.  The others
 * get the reason that they have anyway, if any.
 */
extern void decide_cart_price(const Program *program, const Cart *cart,
							  const Candidate *candidates, int ncandidates,
							  const Bitmapset *use, Pricing *pricing);

/* No combination of candidates lets this one save more than that. */
extern int64 decide_cart_most(const Program *program, const Cart *cart,
							  const Candidate *candidate);

/* May these two be in one order, whatever else is? */
extern bool decide_cart_compatible(const Coupon *one, const Coupon *other);
/* Are both the same coupon of the member, or the same code? */
extern bool decide_cart_same(const Candidate *one, const Candidate *other);

/*
 * Prices a cart with the candidates that stand beside each other: those that
 * were chosen first, as they are given, then offers, by priority.  Others are
 * left out; so is what turns out to save nothing, which keeps nothing else
 * out.  Returns them; the reasons of the others are those of pricing->applied.
 */
extern Bitmapset *decide_cart_choose(const Program *program,
									 const Cart *cart,
									 const Candidate *candidates,
									 int ncandidates, Pricing *pricing);

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

/* Why a candidate is not in a combination. */
typedef struct Loser
{
	CouponReason reason;		/* COUPON_APPLICABLE: it is */
	int64		missing;		/* if the reason is a minimum; else 0 */
	int64		saving;			/* by itself */
	Bitmapset  *beaten_by;		/* those of the combination to blame */
} Loser;

/*
 * Why the candidates that are not in the best combination are not: for
 * themselves; because those of beaten_by exclude them or use up a limit; or
 * because they would save nothing, or those of beaten_by so much less.
 */
extern void decide_cart_losers(const Program *program, const Cart *cart,
							   const Candidate *candidates, int ncandidates,
							   const Bitmapset *use, Loser *losers);

#pragma GCC visibility pop

#endif							/* LOYALTY_DECIDE_CART_H */
