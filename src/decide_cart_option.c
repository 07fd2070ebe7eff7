/*
 * decide_cart_option.c
 *
 * Which candidates may be in a combination, in what order they are applied,
 * and what limits them.
 */
#include "decide_cart_search.h"

#include "miscadmin.h"

/* The number of a set of lines. */
static int
line_set(Search *search, const Bitmapset *members)
{
	LineSet    *set;
	int			line = -1;

	for (int i = 0; i < search->nsets; i++)
		if (bms_equal(search->sets[i].members, members))
			return i;
	set = &search->sets[search->nsets];
	set->members = members;
	set->lines = palloc(sizeof(int) * Max(bms_num_members(members), 1));
	while ((line = bms_next_member(members, line)) >= 0)
		set->lines[set->n++] = line;
	return search->nsets++;
}

/* The limit of a category, or NULL. */
static Quota *
quota_of(Search *search, const CouponCategory *category)
{
	if (category->max_per_order == 0)
		return NULL;
	for (int i = 0; i < search->nquotas; i++)
		if (search->quotas[i].category == category)
			return &search->quotas[i];
	search->quotas[search->nquotas].category = category;
	return &search->quotas[search->nquotas++];
}

/* The percentage that it takes of what is left of its target, or 0. */
static int
percent_of_rest(const Search *search, const Candidate *candidate)
{
	const Coupon *coupon = candidate->coupon;
	int64		reached = coupon->steps_by_quantity ?
		candidate->quantity : candidate->amount;
	int			percent = 0;

	if (search->program->cart.on_initial)
		return 0;
	if (coupon->kind == COUPON_PERCENT)
		return coupon->percent;
	if (coupon->kind != COUPON_LADDER || !coupon->steps_percent)
		return 0;
	for (int i = 0; i < coupon->nsteps && coupon->steps[i].from <= reached; i++)
		percent = (int) coupon->steps[i].off;
	return percent;
}

/*
 * What tells how much a candidate can save of what is left: itself, with the
 * dearest pieces picked.  NULL: only sums tell, because it takes nothing off
 * pieces; because a piece may count as bought or as got; or because initial
 * prices tell which pieces it takes, whatever is left of them.
 */
static Candidate *
relaxed_candidate(const Search *search, const Candidate *candidate)
{
	const Coupon *coupon = candidate->coupon;
	Candidate  *relaxed;
	Coupon	   *dearest;

	if (search->program->cart.on_initial || !decide_cart_by_piece(coupon) ||
		(coupon->kind == COUPON_BUY_GET && coupon->has_target))
		return NULL;
	relaxed = palloc(sizeof(Candidate));
	*relaxed = *candidate;
	relaxed->left = -1;
	if (candidate->coupon->kind != COUPON_BUY_GET)
	{
		dearest = palloc(sizeof(Coupon));
		*dearest = *candidate->coupon;
		dearest->dearest = true;
		relaxed->coupon = dearest;
	}
	return relaxed;
}

static bool
saves_money(const Candidate *candidate)
{
	return decide_cart_reason(candidate) == COUPON_APPLICABLE &&
		candidate->coupon->kind != COUPON_GIFT &&
		candidate->coupon->kind != COUPON_MULTIPLIER;
}

static void
add_option(Search *search, const Candidate *candidate, int place)
{
	Option	   *option = &search->options[search->noptions];

	option->most = decide_cart_most(search->program, search->cart, candidate);
	if (option->most <= 0)
		return;
	option->candidate = candidate;
	option->coupon = candidate->coupon;
	option->place = place;
	option->target = line_set(search, candidate->target);
	option->quota = quota_of(search, candidate->coupon->category);
	option->percent = percent_of_rest(search, candidate);
	option->relaxed = relaxed_candidate(search, candidate);
	search->noptions++;
}

static int
compare_places(const void *a, const void *b)
{
	return ((const Option *) a)->candidate->place -
		((const Option *) b)->candidate->place;
}

/* Of equal coupons the one that ends soonest first. */
static int
compare_ends(const void *a, const void *b)
{
	const Candidate *one = ((const Option *) a)->candidate;
	const Candidate *other = ((const Option *) b)->candidate;

	if (one->valid_until != other->valid_until)
		return one->valid_until < other->valid_until ? -1 : 1;
	return one->place - other->place;
}

/* Is there one of the same template in another run? */
static bool
has_versions(const Search *search, const Option *option)
{
	for (int i = 0; i < search->noptions; i++)
		if (search->options[i].run != option->run &&
			search->options[i].coupon->coupon_id == option->coupon->coupon_id)
			return true;
	return false;
}

/*
 * Equal coupons that follow on each other are a run.  Which of them are used
 * makes no difference to the price, so that those that end soonest stand for
 * all, and no more of them stay than one order may have.
 */
static void
make_runs(Search *search)
{
	int			kept = 0;
	int			next;

	for (int i = 0; i < search->noptions; i = next)
	{
		const Coupon *coupon = search->options[i].coupon;
		int			most = coupon->max_per_order;

		for (next = i; next < search->noptions &&
			 search->options[next].coupon == coupon; next++)
			most = Min(most,
					   decide_cart_allowed(search->options[next].candidate,
										   NULL));
		qsort(&search->options[i], next - i, sizeof(Option), compare_ends);
		for (int j = i; j < next && j - i < most; j++)
		{
			search->options[kept] = search->options[j];
			search->options[kept++].run = i;
		}
	}
	search->noptions = kept;
	for (int i = 0; i < kept; i++)
		search->options[i].versions = has_versions(search,
												   &search->options[i]);
}

/* Fills in sets, quotas and options. */
void
search_options(Search *search, const Candidate *candidates, int ncandidates)
{
	int			nlines = search->cart->lines.n;

	search->sets = palloc0(sizeof(LineSet) * (ncandidates + 1));
	search->quotas = palloc0(sizeof(Quota) * (ncandidates + 1));
	search->options = palloc0(sizeof(Option) * (ncandidates + 1));
	line_set(search, nlines > 0 ? bms_add_range(NULL, 0, nlines - 1) : NULL);
	for (int i = 0; i < ncandidates; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (saves_money(&candidates[i]))
			add_option(search, &candidates[i], i);
	}
	qsort(search->options, search->noptions, sizeof(Option), compare_places);
	make_runs(search);
}

/* May the path, which is allowed, have this one too? */
bool
search_fits(const Search *search, const Option *option)
{
	int			max_coupons = search->program->cart.max_coupons;
	int			least = decide_cart_allowed(option->candidate, NULL);
	int			used = 1;

	if (option->quota != NULL &&
		option->quota->used >= option->quota->category->max_per_order)
		return false;
	if (!option_is_offer(option) && max_coupons > 0 &&
		search->path.ncoupons >= max_coupons)
		return false;
	if (!option->versions)
		return true;
	for (int i = 0; i < search->path.n; i++)
	{
		const Option *other = search->path.options[i];

		if (other->coupon->coupon_id != option->coupon->coupon_id)
			continue;
		least = Min(least, decide_cart_allowed(other->candidate, NULL));
		used++;
	}
	return used <= least;
}

void
search_push(Search *search, const Option *option)
{
	search->path.options[search->path.n++] = option;
	if (!option_is_offer(option))
		search->path.ncoupons++;
	if (option->quota != NULL)
		option->quota->used++;
}

void
search_pop(Search *search)
{
	const Option *option = search->path.options[--search->path.n];

	if (!option_is_offer(option))
		search->path.ncoupons--;
	if (option->quota != NULL)
		option->quota->used--;
}
