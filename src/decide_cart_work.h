/*
 * decide_cart_work.h
 *
 * A cart while it is being priced.
 */
#ifndef LOYALTY_DECIDE_CART_WORK_H
#define LOYALTY_DECIDE_CART_WORK_H

#include "loyalty.h"

#include "decide_cart.h"

#pragma GCC visibility push(hidden)

/*
 * Pieces of a line that share an amount: they differ by one minor unit at
 * most.  Coupons that take something off pieces cut the runs of a line; as
 * long as none has, the line has no runs.  A run of no pieces is what a line
 * has beyond whole ones: half a kilogramme.
 */
typedef struct Run
{
	int64		count;
	int64		initial;		/* their amount before discounts */
	int64		left;			/* and now */
	int			next;			/* of the line; -1: none */
} Run;

typedef struct WorkLine
{
	int64		left;
	int			first_run;		/* -1: none */
	int			nruns;
} WorkLine;

/* What a coupon reduces: a line, or pieces of a run of it. */
typedef struct Part
{
	int			line;
	int			run;			/* -1: the line as a whole */
	int64		count;			/* of the pieces */
	int64		basis;			/* their prices when they were picked */
	int64		left;			/* what is left of them */
	int64		weight;			/* the most of a saving that it can take */
	int64		share;
} Part;

/* Pieces of one price of a run. */
typedef struct Pieces
{
	int64		price;
	int64		count;
	int			rank;			/* of the line */
	int			part;
	bool		counts;			/* the coupon is judged by the line, too */
	int64		picked;			/* how many of them are reduced, by how much */
	int64		saving;			/* in all */
	int64		open;			/* of a group that is not complete */
} Pieces;

/* A share that was rounded down. */
typedef struct Remainder
{
	uint64		remainder;
	int			rank;			/* of the line */
	int			part;
} Remainder;

/* What is used of the discount budget of a template. */
typedef struct Spent
{
	int32		coupon_id;
	int64		amount;
} Spent;

typedef struct CartWork
{
	const Cart *cart;
	bool		on_initial;
	int64		room;			/* that discounts can still take off goods */
	int64		shipping;
	WorkLine   *lines;
	int			nruns;
	int			max_runs;
	Run		   *runs;
	int			nspent;
	int			max_spent;
	Spent	   *spent;

	/* of the candidate that is applied */
	int			nparts;
	int			max_parts;
	Part	   *parts;
	Remainder  *remainders;
	int			npieces;
	int			max_pieces;
	Pieces	   *pieces;

	/* line_saving of those that have saved something */
	int			nrows;
	int64	  **rows;
	int		   *order;			/* of the candidates in use */
} CartWork;

/*
 * How many of its template one order may have, and why no more (NULL: nobody
 * asks).
 */
extern int	decide_cart_allowed(const Candidate *candidate,
								CouponReason *why);
/* Does it take something off pieces, and not off lines as they are? */
extern bool decide_cart_by_piece(const Coupon *coupon);
/*
 * decide_cart_price.c, step by step: a cart before any discount; one candidate
 * more, which has to be one that applies; the cart as another stands.
 */
extern CartWork *decide_cart_work(const Cart *cart, int ncandidates);
extern void decide_cart_begin(CartWork *work, const Program *program,
							  const Cart *cart);
extern void decide_cart_apply(CartWork *work, const Candidate *candidate,
							  Applied *applied);
extern void decide_cart_copy(CartWork *to, const CartWork *from);

/* A percentage (thousandths of a percent), rounded half up. */
extern int64 decide_cart_percent(int64 amount, int percent);
/* Makes room for one more element of an array, which may move. */
extern void *decide_cart_grown(void *array, int n, int *capacity,
							   Size size);
/* Appends a part that nothing is taken off yet. */
extern Part *decide_cart_part(CartWork *work, int line, int run);

/*
 * decide_cart_piece.c: makes parts of the pieces that a coupon reduces, each
 * with what can be saved of it as its weight, and returns what it would save
 * if enough were left; and takes a share off a part's pieces.
 */
extern int64 decide_cart_pieces(CartWork *work, const Candidate *candidate);
extern void decide_cart_take_pieces(CartWork *work, const Part *part);
extern void decide_cart_take_line(CartWork *work, int line, int64 amount);

#pragma GCC visibility pop

#endif							/* LOYALTY_DECIDE_CART_WORK_H */
