/*
 * decide_cart_search.h
 *
 * The search for the best combination, in its parts.
 */
#ifndef LOYALTY_DECIDE_CART_SEARCH_H
#define LOYALTY_DECIDE_CART_SEARCH_H

#include "loyalty.h"

#include "decide_cart_work.h"

#pragma GCC visibility push(hidden)

/* A bound reckons with at most so many ways in which limits are used up. */
#define BOUND_STATES 200
/* and with so many limits of categories. */
#define BOUND_QUOTAS 4

/* Lines that some candidate reduces; the first set is all lines. */
typedef struct LineSet
{
	const Bitmapset *members;
	int			n;
	int		   *lines;
} LineSet;

/* A category of which not all can be used. */
typedef struct Quota
{
	const CouponCategory *category;
	int			used;			/* by the path */
	/* while a bound is worked out */
	int			counted;
	int			stride;			/* between its states; 0: not reckoned with */
	int			size;
	int			digit;
} Quota;

/* A candidate that may be used. */
typedef struct Option
{
	const Candidate *candidate;
	const Coupon *coupon;
	int			place;			/* in the candidates */
	int			run;			/* the same for equal coupons */
	bool		versions;		/* others of its template are not equal to it */
	int			target;			/* a set of lines */
	Quota	   *quota;			/* NULL: its category has no limit */
	int64		most;			/* that it saves of the untouched cart */
	int			percent;		/* of what is left of its target; 0: other kinds */
	Candidate  *relaxed;		/* saves no more of less; NULL: only most tells */
} Option;

/* What is left of the cart when the path is applied. */
typedef struct Rest
{
	CartWork   *work;			/* NULL: not used yet */
	int64		saved;
	int64	   *sums;			/* of each set of lines */
	int64	   *most;			/* that each option can still save */
} Rest;

/* A combination: options in the order of application. */
typedef struct Choice
{
	int			n;
	int			ncoupons;		/* without offers */
	int64		saved;
	const Option **options;
} Choice;

typedef struct Search
{
	const Program *program;
	const Cart *cart;
	int			nsets;
	LineSet    *sets;
	int			nquotas;
	Quota	   *quotas;
	int			noptions;
	Option	   *options;		/* in the order of application */

	/* those that are searched now, because they are compatible */
	int			n;
	const Option **in;
	const Option *only;			/* and this exclusive one must be used, or NULL */
	Choice		path;
	Rest	   *rests;			/* one for each length of the path, and one more */
	CartWork   *trial;
	int		   *order;			/* of those in the search, by what they save */
	int64		left[BOUND_STATES];
	uint8		digits[BOUND_QUOTAS + 1][BOUND_STATES];

	Choice		best;
	int			looked_at;
	int64		open;			/* bound of what was not looked at */
} Search;

static inline bool
option_is_offer(const Option *option)
{
	return option->coupon->automatic;
}

/* decide_cart_option.c: what may be used, and how many of it. */
extern void search_options(Search *search, const Candidate *candidates,
						   int ncandidates);
extern bool search_fits(const Search *search, const Option *option);
extern void search_push(Search *search, const Option *option);
extern void search_pop(Search *search);

/* decide_cart_bound.c: what is left, and what can be saved of it. */
extern Rest *search_rest(Search *search, int length);
extern int64 search_apply(CartWork *work, const Candidate *candidate);
extern void search_begin_rest(Search *search);
extern void search_look(Search *search, Rest *rest, const Rest *before,
						int changed);
extern void search_sort(Search *search, const Rest *rest, int first);
extern int	search_coupons_left(const Search *search);
extern int64 search_bound(Search *search, const Rest *rest, int first,
						  int coupons);

/*
 * decide_cart_loser.c: why the combination leaves no room for one more
 * candidate, and by which of it, if `by` is not NULL; COUPON_APPLICABLE: it
 * does.
 */
extern CouponReason decide_cart_blocked(const Program *program,
										const Candidate *candidates,
										const Bitmapset *use, int which,
										Bitmapset **by);

#pragma GCC visibility pop

#endif							/* LOYALTY_DECIDE_CART_SEARCH_H */
