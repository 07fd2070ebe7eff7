/*
 * coupon.h
 *
 * Coupons and offers, compiled: what they give, on what, together with what.
 */
#ifndef LOYALTY_COUPON_H
#define LOYALTY_COUPON_H

#include "loyalty.h"

#include "utils/jsonpath.h"

#include "campaign.h"
#include "collection.h"
#include "condition.h"
#include "statement.h"
#include "unit.h"

#pragma GCC visibility push(hidden)

typedef enum CouponKind
{
	COUPON_AMOUNT,
	COUPON_PERCENT,
	COUPON_LADDER,
	COUPON_PRICE,
	COUPON_BUNDLE,
	COUPON_BUY_GET,
	COUPON_GIFT,
	COUPON_SHIPPING,
	COUPON_MULTIPLIER,
	COUPON_EXCHANGE
} CouponKind;

typedef enum Stacking
{
	STACKING_COMMON,
	STACKING_NEVER,
	STACKING_ALWAYS
} Stacking;

typedef struct CouponCategory
{
	char	   *name;
	Stacking	stacking;
	int			max_per_order;	/* 0: no limit */
	int			rank;
} CouponCategory;

typedef struct CouponStep
{
	int64		from;			/* minor units of the currency, or thousandths */
	int64		off;			/* minor units, or thousandths of a percent */
} CouponStep;

/* Lines of a cart; without filter and collections: all. */
typedef struct CouponLines
{
	JsonPath   *filter;
	const char *collection_name;
	const Collection *collection;
	const char *excluded_name;
	const Collection *excluded;
} CouponLines;

/* What may be counted and limited in all. */
typedef enum CouponCounts
{
	COUNTS_ISSUED,
	COUNTS_USED,
	COUNTS_DISCOUNT,
	COUNTS_NUMBER
} CouponCounts;

/* A template or an offer in one of its versions. */
typedef struct Coupon
{
	int32		coupon_id;
	int			version;
	char	   *name;
	char	   *title;			/* or NULL */
	bool		automatic;
	bool		active;			/* of the template as it is now */
	const Campaign *campaign;	/* or NULL */

	CouponKind	kind;
	int64		amount;			/* minor units; -1: not given */
	int			percent;		/* thousandths of a percent; 100000 is all */
	int64		max_discount;	/* -1: none */
	bool		steps_by_quantity;
	bool		steps_percent;
	bool		repeats;
	int			nsteps;
	CouponStep *steps;			/* ascending */
	int			buy;
	int			get;
	bool		dearest;
	int			max_times;		/* 0: no limit */
	char	   *sku;			/* gift */
	int64		quantity;		/* gift, thousandths */
	int			factor;			/* multiplier, thousandths */
	int32		unit_id;		/* multiplier; 0: all points */

	CouponLines match;			/* the lines by which it is judged */
	bool		by_line;		/* match is not simply all lines */
	CouponLines target;			/* the lines that it reduces */
	bool		has_target;		/* else they are those of match */
	int64		min_amount;		/* minor units; -1: none */
	int64		max_amount;
	int64		min_quantity;	/* thousandths; -1: none */
	int64		max_quantity;

	DateADT		valid_from;		/* DATEVAL_NOBEGIN */
	DateADT		valid_until;	/* DATEVAL_NOEND */
	int			valid_days;		/* 0: none */
	int			valid_after;
	Terms		terms;
	NameList   *payment_methods;	/* NULL: any */

	const CouponCategory *category; /* never NULL: common, without limit */
	bool		exclusive;
	int			max_per_order;
	int			priority;

	bool		claimable;
	int			claims;			/* 0: no limit */
	DateADT		claim_from;
	DateADT		claim_until;
	bool		claim_required;
	bool		transferable;
	int64		price;			/* minor units of price_unit; 0: not sold */
	int32		price_unit_id;
	int			code_length;
	int			max_uses;
	int			limit_member;	/* 0: no limit */
	int			limit_period;	/* 0: no limit */
	Period		period;
	bool		returns;
	int			return_days;	/* 0: expired is expired */
	int32		budgets[COUNTS_NUMBER]; /* 0: not limited */
	bool		free_codes;		/* some are without a check character */
} Coupon;

typedef struct CouponCategories
{
	int			n;
	CouponCategory *categories;
} CouponCategories;

/*
 * Templates and offers of a programme, ascending by id, each followed by its
 * older versions.  campaigns and units: those of the programme.
 */
extern Coupon *coupon_load(CollectionLoader *loader, int currency_scale,
						   const Campaign *campaigns, int ncampaigns,
						   const Unit *units, int nunits,
						   CouponCategories *categories, int *ncoupons);
extern const char *coupon_kind_name(CouponKind kind);
extern const char *coupon_counts_name(CouponCounts counts);

/*
 * coupon_code.c.  The canonical form of a code in the current context: upper
 * case, without spaces and dashes, O as 0, I and L as 1; NULL if that is no
 * code.
 */
extern char *coupon_code_canonical(const text *code);
/* Does a canonical code end in the check character of those before it? */
extern bool coupon_code_checks(const char *code);

/* coupon_attempt.c: somebody types a code in. */
typedef struct CouponAttempt
{
	int32		program_id;
	int64		member_id;		/* 0: unknown */
	const text *device;			/* or NULL */
	const text *store;			/* or NULL */
	TimestampTz now;
	/* of the programme's CartPolicy */
	int			max_attempts;	/* of a member, of a device */
	int			max_store_attempts;
	Interval	window;
	Interval	block;
} CouponAttempt;

/*
 * Has the member, the device or the store typed in so many wrong codes that
 * all are refused for now?  To be asked before any code is looked up.  Locks
 * the rows of a member and a device that have typed in wrong ones already, so
 * that they cannot try many at once.
 */
extern bool coupon_attempt_blocked(const CouponAttempt *attempt);
/*
 * Counts a wrong code.  Locks the rows that count, after accounts, codes and
 * slots.
 */
extern void coupon_attempt_failed(const CouponAttempt *attempt);

#pragma GCC visibility pop

#endif							/* LOYALTY_COUPON_H */
