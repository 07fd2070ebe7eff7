/*
 * decide_cart_best.c
 *
 * The allowed combination of coupons and offers that saves most: branch and
 * bound over the candidates in the order in which they are applied.
 *
 * The path is a combination of the candidates up to a place in that order; it
 * grows by one of those that come later.  So each step applies one candidate
 * to what is left, exactly, and only what comes later has to be bounded
 * (decide_cart_bound.c).
 *
 * Two are compatible with each other in one of few ways: one is always;
 * neither is exclusive and both are common; neither is exclusive and both are
 * never.  A combination is therefore made of candidates that are always, and
 * of common ones, or of never ones, or of a single exclusive one.  These are
 * searched one after the other, and within each only numbers are limited: of
 * a category, of a template, of all coupons.
 */
#include "decide_cart_search.h"

#include "miscadmin.h"

/* Times that a first combination is made better. */
#define BEGIN_ROUNDS 4

/*
 * Combinations.
 */

static int
compare_dates(const void *a, const void *b)
{
	DateADT		one = *(const DateADT *) a;
	DateADT		other = *(const DateADT *) b;

	return one < other ? -1 : one > other;
}

/* Last days of a combination's coupons, ascending. */
static DateADT *
choice_ends(const Choice *choice)
{
	DateADT    *ends = palloc(sizeof(DateADT) * (choice->n + 1));

	for (int i = 0; i < choice->n; i++)
		ends[i] = choice->options[i]->candidate->valid_until;
	qsort(ends, choice->n, sizeof(DateADT), compare_dates);
	return ends;
}

/* The first difference of two combinations of as many, by end; 0: none. */
static int
compare_choice_ends(const Choice *one, const Choice *other)
{
	DateADT    *ends = choice_ends(one);
	DateADT    *other_ends = choice_ends(other);
	int			difference = 0;

	for (int i = 0; i < one->n && difference == 0; i++)
		difference = compare_dates(&ends[i], &other_ends[i]);
	pfree(ends);
	pfree(other_ends);
	return difference;
}

/*
 * Of combinations that save the same, the one that uses up less: fewer
 * coupons, fewer offers, what ends sooner, what comes first.
 */
static bool
is_better(const Choice *one, const Choice *other)
{
	int			difference;

	if (one->saved != other->saved)
		return one->saved > other->saved;
	if (one->ncoupons != other->ncoupons)
		return one->ncoupons < other->ncoupons;
	if (one->n != other->n)
		return one->n < other->n;
	difference = compare_choice_ends(one, other);
	for (int i = 0; i < one->n && difference == 0; i++)
		difference = one->options[i]->candidate->place -
			other->options[i]->candidate->place;
	return difference < 0;
}

static void
consider(Search *search, const Choice *choice)
{
	Choice	   *best = &search->best;

	if (!is_better(choice, best))
		return;
	best->n = choice->n;
	best->ncoupons = choice->ncoupons;
	best->saved = choice->saved;
	memcpy(best->options, choice->options,
		   choice->n * sizeof(const Option *));
}

/* The path one option longer; returns what that saves. */
static int64
step_in(Search *search, int i)
{
	const Rest *rest = search_rest(search, search->path.n);
	Rest	   *next = search_rest(search, search->path.n + 1);
	int64		saving;

	CHECK_FOR_INTERRUPTS();
	search->looked_at++;
	decide_cart_copy(next->work, rest->work);
	saving = search_apply(next->work, search->in[i]->candidate);
	next->saved = rest->saved + saving;
	search_push(search, search->in[i]);
	search->path.saved = next->saved;
	if (saving > 0)
		search_look(search, next, rest, i);
	return saving;
}

static void
step_out(Search *search)
{
	search_pop(search);
	search->path.saved = search_rest(search, search->path.n)->saved;
}

/*
 * Can options from a place on make the path better than the best?  If it can
 * only become as good, then with no more coupons than that.
 */
static bool
is_worth(Search *search, int first, int64 *most)
{
	const Rest *rest = search_rest(search, search->path.n);
	int			spare = search->best.ncoupons - search->path.ncoupons;
	int			coupons = search_coupons_left(search);

	*most = search_bound(search, rest, first, coupons);
	if (*most != search->best.saved)
		return *most > search->best.saved;
	if (rest->saved == *most || spare < 0)
		return false;
	if (coupons >= 0 && coupons <= spare)
		return true;
	return search_bound(search, rest, first, spare) == *most;
}

/* Looks at what adds to the path options from a place on. */
static void
look(Search *search, int first)
{
	const Rest *rest = search_rest(search, search->path.n);
	bool		complete = search->only == NULL;
	int64		most;

	check_stack_depth();
	for (int i = 0; i < search->path.n && !complete; i++)
		complete = search->path.options[i] == search->only;
	for (int i = first; i < search->n; i++)
	{
		const Option *option = search->in[i];

		/* equal to one that was just left out */
		if (i > first && option->run == search->in[i - 1]->run)
			continue;
		if (rest->most[i] > 0 && search_fits(search, option))
		{
			if (!is_worth(search, i, &most))
				return;
			if (search->looked_at >= search->program->cart.search_limit)
			{
				search->open = Max(search->open, most);
				return;
			}
			if (step_in(search, i) > 0)
			{
				if (complete || option == search->only)
					consider(search, &search->path);
				look(search, i + 1);
			}
			step_out(search);
		}
		if (option == search->only)
			return;
	}
}

/*
 * A combination to begin with.
 */

/* Prices some of the options, which are allowed together. */
static void
price_choice(Search *search, const bool *chosen, Choice *choice)
{
	CartWork   *work = search_rest(search, search->n + 1)->work;

	CHECK_FOR_INTERRUPTS();
	search->looked_at++;
	decide_cart_copy(work, search->rests[0].work);
	choice->n = 0;
	choice->ncoupons = 0;
	choice->saved = 0;
	for (int i = 0; i < search->n; i++)
	{
		int64		saving;

		if (!chosen[i])
			continue;
		saving = search_apply(work, search->in[i]->candidate);
		if (saving == 0)
			continue;
		choice->saved += saving;
		choice->ncoupons += !option_is_offer(search->in[i]);
		choice->options[choice->n++] = search->in[i];
	}
}

/* Are all that were chosen allowed in one order? */
static bool
is_allowed(Search *search, const bool *chosen)
{
	bool		allowed = search->only == NULL;
	bool		fit = true;

	for (int i = 0; i < search->n && fit; i++)
	{
		if (!chosen[i])
			continue;
		allowed |= search->in[i] == search->only;
		fit = search_fits(search, search->in[i]);
		search_push(search, search->in[i]);
	}
	while (search->path.n > 0)
		search_pop(search);
	return allowed && fit;
}

/* Keeps a change if it is allowed and better; else undoes it. */
static bool
try_change(Search *search, bool *chosen, int in, int out, Choice *current,
		   Choice *room)
{
	Choice		swap;

	chosen[in] = true;
	if (out >= 0)
		chosen[out] = false;
	if (is_allowed(search, chosen))
	{
		price_choice(search, chosen, room);
		if (is_better(room, current))
		{
			swap = *current;
			*current = *room;
			*room = swap;
			return true;
		}
	}
	chosen[in] = false;
	if (out >= 0)
		chosen[out] = true;
	return false;
}

/* Adds the one that saves most, and exchanges, until nothing is better. */
static void
begin_with(Search *search)
{
	bool	   *chosen = palloc0(sizeof(bool) * (search->n + 1));
	Choice		current = {0};
	Choice		room = {0};
	bool		better = true;

	current.options = palloc(sizeof(Option *) * (search->n + 1));
	room.options = palloc(sizeof(Option *) * (search->n + 1));
	for (int i = 0; i < search->n; i++)
		chosen[i] = search->in[i] == search->only;
	price_choice(search, chosen, &current);
	search_sort(search, &search->rests[0], 0);
	for (int rounds = 0; rounds < BEGIN_ROUNDS && better; rounds++)
	{
		better = false;
		for (int i = 0; i < search->n; i++)
		{
			int			in = search->order[i];

			if (chosen[in])
				continue;
			if (try_change(search, chosen, in, -1, &current, &room))
			{
				better = true;
				continue;
			}
			for (int out = 0; out < search->n && rounds > 0; out++)
				if (chosen[out] &&
					search->looked_at < search->program->cart.search_limit &&
					try_change(search, chosen, in, out, &current, &room))
				{
					better = true;
					break;
				}
		}
		better |= rounds == 0;
	}
	if (current.saved > 0)
		consider(search, &current);
	pfree(chosen);
	pfree(current.options);
	pfree(room.options);
}

/*
 * The search.
 */

/* Of the options, those that are compatible with each other in one way. */
static void
search_among(Search *search, Stacking stacking, const Option *only)
{
	int64		most;

	search->n = 0;
	search->only = only;
	for (int i = 0; i < search->noptions; i++)
	{
		const Option *option = &search->options[i];
		const Coupon *coupon = option->coupon;

		if (option == only || coupon->category->stacking == STACKING_ALWAYS ||
			(only == NULL && !coupon->exclusive &&
			 coupon->category->stacking == stacking))
		{
			search->order[search->n] = search->n;
			search->in[search->n++] = option;
		}
	}
	search_begin_rest(search);
	if (!is_worth(search, 0, &most))
		return;
	begin_with(search);
	look(search, 0);
}

static void
make_room(Search *search)
{
	int			n = search->noptions + 2;

	search->in = palloc(sizeof(Option *) * n);
	search->rests = palloc0(sizeof(Rest) * n);
	search->path.options = palloc(sizeof(Option *) * n);
	search->best.options = palloc(sizeof(Option *) * n);
	search->order = palloc(sizeof(int) * n);
	search->trial = decide_cart_work(search->cart, 1);
}

static bool
gives_no_money(const Candidate *candidate)
{
	return decide_cart_reason(candidate) == COUPON_APPLICABLE &&
		(candidate->coupon->kind == COUPON_GIFT ||
		 candidate->coupon->kind == COUPON_MULTIPLIER);
}

/*
 * Gifts and multipliers save nothing.  Those that the caller chose, and
 * offers, join the best combination as far as they fit; what the member has in
 * his wallet stays there.
 */
static Bitmapset *
add_gifts(const Program *program, const Candidate *candidates,
		  int ncandidates, Bitmapset *use)
{
	int		   *order = palloc(sizeof(int) * (ncandidates + 1));
	int			n = 0;

	for (int i = 0; i < ncandidates; i++)
	{
		const Candidate *candidate = &candidates[i];
		int			at;

		if (!gives_no_money(candidate) ||
			!(candidate->chosen || candidate->coupon->automatic))
			continue;
		for (at = n++; at > 0 &&
			 candidates[order[at - 1]].place > candidate->place; at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
	for (int i = 0; i < n; i++)
		if (decide_cart_blocked(program, candidates, use, order[i],
								NULL) == COUPON_APPLICABLE)
			use = bms_add_member(use, order[i]);
	pfree(order);
	return use;
}

void
decide_cart_best(const Program *program, const Cart *cart,
				 const Candidate *candidates, int ncandidates, BestCart *best)
{
	Search		search = {.program = program, .cart = cart};

	search_options(&search, candidates, ncandidates);
	make_room(&search);
	search_among(&search, STACKING_COMMON, NULL);
	search_among(&search, STACKING_NEVER, NULL);
	for (int i = 0; i < search.noptions; i++)
	{
		const Option *option = &search.options[i];

		if (option->coupon->exclusive &&
			option->coupon->category->stacking != STACKING_ALWAYS &&
			(i == 0 || option->run != search.options[i - 1].run))
			search_among(&search, STACKING_ALWAYS, option);
	}
	best->use = NULL;
	for (int i = 0; i < search.best.n; i++)
		best->use = bms_add_member(best->use, search.best.options[i]->place);
	best->use = add_gifts(program, candidates, ncandidates, best->use);
	best->saving = search.best.saved;
	best->bound = Max(search.open, search.best.saved);
	best->optimal = best->bound == best->saving;
	best->looked_at = search.looked_at;
}
