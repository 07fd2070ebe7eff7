/*
 * store_coupon.h
 *
 * Coupons, codes and their uses in tables.  The account of the decision is
 * locked by whoever writes; codes are locked after accounts, slots last.
 */
#ifndef LOYALTY_STORE_COUPON_H
#define LOYALTY_STORE_COUPON_H

#include "loyalty.h"

#include "decide_cart.h"
#include "store.h"

#pragma GCC visibility push(hidden)

/*
 * Looks a code up, or with '#' and a number one of the member's coupons, for
 * an order (ref NULL: none yet).  Unknown, foreign and malformed codes look
 * alike.  Fills in everything of the candidate that does not depend on the
 * cart.
 */
extern void store_coupon_find(const Decision *decision, const text *code,
							  const text *ref, bool read_only,
							  Candidate *candidate);
/* Coupons that the member holds, unused ones that are not over. */
extern Candidate *store_coupon_wallet(const Decision *decision,
									  const text *ref, bool read_only,
									  int *ncandidates);
/* Offers of the programme that are active. */
extern Candidate *store_coupon_offers(const Decision *decision,
									  const text *ref, bool read_only,
									  int *ncandidates);

/* A use to be written. */
typedef struct CouponTaking
{
	const Candidate *candidate;
	int64		discount;
	const int64 *line_discounts;
	int			nlines;			/* shipping included; 0: without a cart */
} CouponTaking;

/*
 * Uses coupons for an order, or reserves them (reserved_until not DT_NOEND),
 * exactly: locks codes, takes slots, writes coupon_use.  Returns the reason of
 * the first that cannot be had; then whatever was written has to be undone
 * by the caller (statement_attempt).  A reservation of the same order counts
 * as its own: it becomes the use.
 */
extern CouponReason store_coupon_take(const Decision *decision,
									  const JournalRow *row,
									  const text *ref,
									  TimestampTz reserved_until,
									  const CouponTaking *takings,
									  int ntakings, int *failed);

/* The uses of an order that are not returned or released. */
typedef struct CouponUse
{
	int64		use_id;
	const Coupon *coupon;
	int64		coupon_no;
	const char *code;
	bool		reserved;
	int64		discount;
	int64		returned;
	int			nlines;
	int64	   *line_discounts;
} CouponUse;

extern CouponUse *store_coupon_uses(const Decision *decision, const text *ref,
									int *nuses);
/*
 * Takes discounts of a use back up to `returned`; whole: the use ends, and
 * what it was of returns, once, by the template's policy.
 */
extern void store_coupon_return(const Decision *decision, JournalRow *row,
								const CouponUse *use, int64 returned,
								bool whole);
/* Ends the reservations of an order. */
extern void store_coupon_release(const Decision *decision, JournalRow *row,
								 const text *ref);

#pragma GCC visibility pop

#endif							/* LOYALTY_STORE_COUPON_H */
