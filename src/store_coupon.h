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
 * store_coupon.c: candidates, with everything that does not depend on the
 * cart.  ref: the order that they are for (NULL: none yet), whose own
 * reservation does not count.  A reservation whose time is over counts
 * nowhere.  A decision about no member (member_id 0) is that of a guest.
 */

/*
 * Looks a code up, or with '#' and a number one of the member's coupons.
 * Unknown, foreign and malformed codes look alike.
 */
extern void store_coupon_find(const Decision *decision, const text *code,
							  const text *ref, bool read_only,
							  Candidate *candidate);
/* Reads '#' and the number of a coupon; false if it is none. */
extern bool store_coupon_number(const char *given, int64 *coupon_no);
/* Coupons that the member holds, unused ones that are not over. */
extern Candidate *store_coupon_wallet(const Decision *decision,
									  const text *ref, bool read_only,
									  int *ncandidates);
/* Offers of the programme that are running today. */
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
 * Judges a candidate again, as it is now, except for limits in all, about
 * which the slots will tell.  COUPON_APPLICABLE, or why it cannot be used.
 */
extern CouponReason store_coupon_again(const Decision *decision,
									   const Candidate *candidate,
									   const text *ref);
/*
 * Is there enough left in all for one use?  What store_coupon_take() would
 * find, without taking.
 */
extern CouponReason store_coupon_look(const Decision *decision,
									  const text *ref,
									  const Candidate *candidate,
									  int64 discount);
/*
 * A template in one of its versions (0: as it is now).  What others have
 * issued since this transaction compiled the programme may be of a newer
 * one; NULL if that is unknown, too.
 */
extern const Coupon *store_coupon_version(const Program *program,
										  int32 coupon_id, int version);

/* What a row tells of a coupon. */
typedef struct CouponNews
{
	const char *code;			/* of the message */
	const Coupon *coupon;
	int64		coupon_no;		/* 0: not told */
	int64		quantity;		/* 0: not told */
	int64		discount;		/* -1: not told */
	DateADT		until;			/* DATEVAL_NOEND: not told */
} CouponNews;

extern void store_coupon_tell(const Decision *decision, JournalRow *row,
							  const CouponNews *news);

/*
 * store_coupon_take.c.
 *
 * Uses coupons for an order, or reserves them (reserved_until not DT_NOEND),
 * exactly: locks codes, judges again, takes slots, writes coupon_use.  What
 * the order has reserved and is not among the takings is released; what is
 * becomes the use, and is not judged again.  Returns COUPON_APPLICABLE, or
 * the reason of the first that cannot be had; then whatever was written has
 * to be undone by the caller (statement_attempt).  Numbers the rows of the
 * decision.
 */
extern CouponReason store_coupon_take(Decision *decision,
									  const JournalRow *row,
									  const text *ref,
									  TimestampTz reserved_until,
									  const CouponTaking *takings,
									  int ntakings, int *failed);
/*
 * What an order has reserved and its time is not over is used, at the prices
 * of then, whatever has become of the coupons since.  Returns how many.
 */
extern int	store_coupon_confirm(Decision *decision, const JournalRow *row,
								 const text *ref);

/* The uses of an order that are not returned, released or timed out. */
typedef struct CouponUse
{
	int64		use_id;
	const Coupon *coupon;		/* in the version that was used */
	int64		coupon_no;		/* 0: none */
	const char *code;			/* or NULL */
	bool		reserved;
	TimestampTz used_at;
	int64		discount;
	int64		returned;
	int			nlines;			/* 0: without a cart */
	int64	   *line_discounts;
} CouponUse;

extern CouponUse *store_coupon_uses(const Decision *decision, const text *ref,
									int *nuses);

/* How much of the discount of a use is taken back, with what was before. */
typedef struct CouponReturn
{
	const CouponUse *use;
	int64		returned;
	bool		whole;			/* all of it */
	bool		undone;			/* it never happened */
} CouponReturn;

/*
 * Takes discounts back.  The whole of one ends the use, and what it was of is
 * good again, once, if the template returns, or the use is undone.  The row
 * tells of it.  dry: does no more than tell; else it numbers the rows of the
 * decision.
 */
extern void store_coupon_return(Decision *decision, JournalRow *row,
								const CouponReturn *returns, int nreturns,
								bool dry);
/* Ends the reservations of an order; returns how many. */
extern int	store_coupon_release(Decision *decision, const JournalRow *row,
								 const text *ref);
/* Ends those of the member whose time is over, if any can be. */
extern void store_coupon_release_due(Decision *decision);
/* The same for up to so many members; returns how many were ended. */
extern int	store_coupon_release_batch(const Program *program,
									   TimestampTz now, int batch);

/*
 * store_coupon_issue.c: coupons that members hold.
 */

/* A coupon to be issued to the member of a decision. */
typedef struct CouponIssue
{
	const Coupon *coupon;		/* in its version */
	const char *source;
	DateADT		valid_from;
	DateADT		valid_until;	/* DATEVAL_NOEND: no end */
	int			uses;
	int			max_uses;
	const char *code;			/* or NULL */
	int64		other_member_id;	/* who gave it; 0: nobody */
} CouponIssue;

/* First and last day of what is issued on a day; false if it would be over. */
extern bool store_coupon_dates(const Coupon *coupon, DateADT on,
							   DateADT *valid_from, DateADT *valid_until);
/* Writes one and returns its number.  Numbers the rows of the decision. */
extern int64 store_coupon_issue(Decision *decision, const JournalRow *row,
								const CouponIssue *issue);
/* How often a member has claimed or bought coupons of a template. */
extern int64 store_coupon_claims(const Decision *decision,
								 const Coupon *coupon);
/*
 * Makes those issued to some members (accounts locked, ascending) by rows of
 * a batch, which are of the same members in the same order.
 */
extern void store_coupon_issue_many(const CouponIssue *issue,
									const Program *program,
									JournalRow *const *rows, int n,
									TimestampTz now);

/* A coupon as it is held. */
typedef struct HeldCoupon
{
	int64		coupon_no;
	const Coupon *coupon;		/* in its version */
	const char *status;
	const char *source;
	DateADT		valid_from;
	DateADT		valid_until;	/* DATEVAL_NOEND: no end */
	int			uses;			/* without reservations that have timed out */
	int			reserved;		/* of these */
	int			max_uses;
	const char *code;			/* or NULL */
	int64		journal_id;		/* of the row that issued it */
	int64		ended_by;		/* 0: none */
} HeldCoupon;

extern bool store_coupon_load(const Decision *decision, int64 coupon_no,
							  HeldCoupon *held);
/* Why it can be neither given away nor made void; COUPON_APPLICABLE: it can. */
extern CouponReason store_coupon_movable(const Decision *decision,
										 const HeldCoupon *held);
/* Ends it; other_member_id: to whom it was given, 0: it is void. */
extern void store_coupon_end(Decision *decision, const JournalRow *row,
							 const HeldCoupon *held, int64 other_member_id);
/* A code is from now on that of a member's coupon. */
extern void store_coupon_own_code(const Program *program, const char *code,
								  int64 member_id, int64 coupon_no);

#pragma GCC visibility pop

#endif							/* LOYALTY_STORE_COUPON_H */
