/*
 * decide_cart_bound.c
 *
 * What a combination can come to at most, when it is decided up to a place in
 * the order of application and what it has left of the cart is known.
 *
 * One candidate.  What is left of a line only falls, and whether a candidate
 * applies is measured by the cart before any discount.  Let x be what is left
 * now, and y, nowhere more than x, what is left when a later candidate has
 * its turn.  What it saves then is at most each of these:
 *
 *	 decide_cart_most() of the untouched cart;
 *
 *	 what is left of its target now, and if it takes a percentage of that, its
 *	 percentage of it: sums of y are no larger than sums of x;
 *
 *	 if it reduces pieces, what it would save of x with the dearest pieces
 *	 picked: of the pieces, dearest first, the n-th is no dearer in y than
 *	 in x, and which of them are reduced depends on their places in that order
 *	 alone.  (The cheapest ones are the dearest of those that are left when
 *	 the dearer ones are taken away, so they come to no more.)
 *
 * Several.  Two bounds, and the lower one counts:
 *
 *	 (1) The sum of the largest, as many as the limits allow.  Coupons and
 *	 offers apart, a category lies within the total: with limits of that form,
 *	 taking the largest that still fits gives the largest sum.
 *
 *	 (2) What they leave of each other.  Let h(v) be the most that one saves
 *	 when v is left of all goods: its bound, and no more than v, or than its
 *	 percentage of v.  v - h(v) grows with v, because h grows by one at most
 *	 when v does.  So if at least v is left before a candidate is applied, at
 *	 least v - h(v) is left after it: going through candidates in their order
 *	 gives the least that is left of the goods.  The least of all
 *	 combinations is found by dynamic programming over how much of each limit
 *	 is used up; a limit that is left out of it only makes the bound larger.
 *	 Shipping is reduced after all goods, and is taken off the same number.
 */
#include "decide_cart_search.h"

/* What is left when the path has so many options. */
Rest *
search_rest(Search *search, int length)
{
	Rest	   *rest = &search->rests[length];

	if (rest->work == NULL)
	{
		rest->work = decide_cart_work(search->cart, 1);
		rest->sums = palloc(sizeof(int64) * search->nsets);
		rest->most = palloc(sizeof(int64) * (search->noptions + 1));
	}
	return rest;
}

/* Applies a candidate; returns what it saves. */
int64
search_apply(CartWork *work, const Candidate *candidate)
{
	Applied		applied = {0};

	/* what it saves by line is of no interest here */
	work->nrows = 0;
	decide_cart_apply(work, candidate, &applied);
	return applied.saving;
}

static bool
sets_overlap(const Search *search, int one, int other)
{
	return one == other || one == 0 || other == 0 ||
		bms_overlap(search->sets[one].members, search->sets[other].members);
}

static void
look_at_lines(const Search *search, Rest *rest)
{
	for (int i = 0; i < search->nsets; i++)
	{
		const LineSet *set = &search->sets[i];

		rest->sums[i] = 0;
		for (int j = 0; j < set->n; j++)
			rest->sums[i] += rest->work->lines[set->lines[j]].left;
	}
}

/* By sums: the most that an option can still save. */
static int64
most_of_sums(const Option *option, const Rest *rest)
{
	int64		left = rest->sums[option->target];

	if (option->coupon->kind == COUPON_SHIPPING)
		return Min(option->most, rest->work->shipping);
	if (option->percent > 0)
		left = decide_cart_percent(left, option->percent);
	return Min(option->most, Min(left, rest->work->room));
}

/* By pieces, and no more than that. */
static int64
most_of_pieces(Search *search, const Option *option, const Rest *rest,
			   int64 most)
{
	int64		saving;

	decide_cart_copy(search->trial, rest->work);
	saving = search_apply(search->trial, option->relaxed);
	return Min(most, saving);
}

/*
 * Fills in sums and bounds of what is left.  before, if not NULL: of what was
 * left before the option `changed` was applied; only later ones are bounded.
 */
void
search_look(Search *search, Rest *rest, const Rest *before, int changed)
{
	look_at_lines(search, rest);
	for (int i = changed + 1; i < search->n; i++)
	{
		const Option *option = search->in[i];
		int64		most = most_of_sums(option, rest);

		if (before != NULL)
			most = Min(most, before->most[i]);
		if (before != NULL && most > 0 && option->relaxed != NULL &&
			sets_overlap(search, option->target,
						 search->in[changed]->target))
			most = most_of_pieces(search, option, rest, most);
		rest->most[i] = most;
	}
}

/* The untouched cart. */
void
search_begin_rest(Search *search)
{
	Rest	   *rest = search_rest(search, 0);

	decide_cart_begin(rest->work, search->program, search->cart);
	rest->saved = 0;
	search_look(search, rest, NULL, -1);
}

/* How many more coupons can be used; -1: any number. */
int
search_coupons_left(const Search *search)
{
	int			max_coupons = search->program->cart.max_coupons;
	int			left = max_coupons - search->path.ncoupons;

	return max_coupons == 0 || left >= search->n ? -1 : left;
}

/*
 * Sorts the options from a place on by what they can save, those before it
 * anywhere between them.
 */
void
search_sort(Search *search, const Rest *rest, int first)
{
	int		   *order = search->order;

	for (int i = 1; i < search->n; i++)
	{
		int			place = order[i];
		int			at = i;

		if (place < first)
			continue;
		for (; at > 0 && (order[at - 1] < first ||
						  rest->most[order[at - 1]] < rest->most[place]); at--)
			order[at] = order[at - 1];
		order[at] = place;
	}
}

/* Can it still be used, with so many coupons more? */
static bool
is_open(const Option *option, const Rest *rest, int place, int coupons)
{
	const Quota *quota = option->quota;

	return rest->most[place] > 0 &&
		(coupons != 0 || option_is_offer(option)) &&
		(quota == NULL || quota->used < quota->category->max_per_order);
}

/* (1), of coupons or of offers. */
static int64
bound_largest(Search *search, const Rest *rest, int first, int coupons,
			  bool offers)
{
	int64		sum = 0;

	for (int i = 0; i < search->nquotas; i++)
		search->quotas[i].counted = search->quotas[i].used;
	for (int i = 0; i < search->n && (offers || coupons != 0); i++)
	{
		int			place = search->order[i];
		const Option *option = search->in[place];
		Quota	   *quota = option->quota;

		if (place < first || option_is_offer(option) != offers)
			continue;
		if (quota != NULL && quota->counted++ >= quota->category->max_per_order)
			continue;
		if (!offers && coupons > 0)
			coupons--;
		sum += rest->most[place];
	}
	return sum;
}

/* Counts the options of each quota that can still be used. */
static void
count_open(Search *search, const Rest *rest, int first, int coupons)
{
	for (int i = 0; i < search->nquotas; i++)
	{
		search->quotas[i].counted = 0;
		search->quotas[i].stride = 0;
	}
	for (int i = first; i < search->n; i++)
	{
		const Option *option = search->in[i];

		if (option->quota != NULL && is_open(option, rest, i, coupons))
			option->quota->counted++;
	}
}

/* Fills in one digit of the number of each state. */
static void
write_digits(uint8 *digits, int nstates, int stride, int size)
{
	int			digit = 0;

	for (int i = 0; i < nstates; i += stride)
	{
		memset(digits + i, digit, stride);
		digit = (digit + 1) % size;
	}
}

/*
 * How much of each limit may be used up, as a number of several digits: the
 * coupons first, then the quotas that can be used up.  Returns how many such
 * numbers there are.
 */
static int
make_states(Search *search, const Rest *rest, int first, int coupons)
{
	int			nstates = coupons > 0 ? coupons + 1 : 1;
	int			ndigits = 0;

	count_open(search, rest, first, coupons);
	for (int i = 0; i < search->nquotas; i++)
	{
		Quota	   *quota = &search->quotas[i];
		int			left = quota->category->max_per_order - quota->used;

		if (quota->counted <= left || ndigits == BOUND_QUOTAS ||
			nstates * (left + 1) > BOUND_STATES)
			continue;
		quota->stride = nstates;
		quota->size = left + 1;
		quota->digit = ++ndigits;
		nstates *= quota->size;
	}
	if (coupons > 0)
		write_digits(search->digits[0], nstates, 1, coupons + 1);
	for (int i = 0; i < search->nquotas; i++)
	{
		const Quota *quota = &search->quotas[i];

		if (quota->stride > 0)
			write_digits(search->digits[quota->digit], nstates,
						 quota->stride, quota->size);
	}
	return nstates;
}

/* One option more, which may be used or not. */
static void
leave(Search *search, const Option *option, int64 most, int nstates,
	  bool coupons)
{
	int64	   *left = search->left;
	int			quota = option->quota == NULL ? 0 : option->quota->stride;
	int			coupon = coupons && !option_is_offer(option) ? 1 : 0;
	const uint8 *of_quota = search->digits[quota > 0 ?
										   option->quota->digit : 0];
	const uint8 *of_coupons = search->digits[0];

	for (int state = nstates - 1; state >= quota + coupon; state--)
	{
		int64		before = left[state - quota - coupon];
		int64		goods = Max(before, 0);

		if ((quota > 0 && of_quota[state] == 0) ||
			(coupon > 0 && of_coupons[state] == 0) ||
			before - most >= left[state])
			continue;
		if (option->coupon->kind == COUPON_SHIPPING)
			goods = most;
		else if (option->percent > 0)
			goods = decide_cart_percent(goods, option->percent);
		left[state] = Min(left[state], before - Min(most, goods));
	}
}

/* (2) */
static int64
bound_left(Search *search, const Rest *rest, int first, int coupons)
{
	int			reckoned = coupons < BOUND_STATES ? coupons : -1;
	int			nstates = make_states(search, rest, first, reckoned);

	for (int i = 0; i < nstates; i++)
		search->left[i] = rest->sums[0];
	for (int i = first; i < search->n; i++)
		if (is_open(search->in[i], rest, i, coupons))
			leave(search, search->in[i], rest->most[i], nstates,
				  reckoned > 0);
	return rest->sums[0] - search->left[nstates - 1];
}

/*
 * What the path can come to at most with options from a place on, of which
 * no more than so many coupons; -1: any number.
 */
int64
search_bound(Search *search, const Rest *rest, int first, int coupons)
{
	int64		most;

	search_sort(search, rest, first);
	most = bound_largest(search, rest, first, coupons, true) +
		bound_largest(search, rest, first, coupons, false);
	most = Min(most, rest->work->room + rest->work->shipping);
	if (rest->saved + most >= search->best.saved)
		most = Min(most, bound_left(search, rest, first, coupons));
	return rest->saved + most;
}
