/*
 * decide_cart_best.c
 *
 * The allowed combination of coupons and offers that saves most: branch and
 * bound over the candidates in the order in which they are applied.
 *
 * A node of the search is a combination of the candidates up to a place in
 * that order, with what it leaves of the cart.  Its children apply one more of
 * those that come later.  So each step prices one candidate, exactly, and what
 * comes later is bounded by what is left.
 *
 * Two are compatible with each other in one of few ways: neither is exclusive
 * and both are common; neither is exclusive and both are never; one is always.
 * A combination is therefore made of candidates that are always, and of common
 * ones, or of never ones, or of a single exclusive one.  These are searched one
 * after the other, and within each only numbers are limited: of a category, of
 * a template, of all coupons.
 *
 * Bounds.  What is left of a line only falls, and whether a candidate applies
 * is measured by the cart before any discount.  So what one saves is bounded
 * by decide_cart_most(), by what is left of its target, and of the percentages
 * of what is left by its percentage of that: its basis falls with its target.
 *
 * The savings of several are bounded in two ways, and the lower one counts.
 *
 *	 (1) The sum of the largest, as many as the limits allow.  Coupons and
 *	 offers apart, a template lies within a category and a category within the
 *	 total: with limits of that form, taking the largest that still fits gives
 *	 the largest sum.
 *
 *	 (2) What they leave of each other.  Let h(v) be the most that one saves
 *	 when v is left of its target: min(most, percent of v), or min(most, v).
 *	 Both h(v) and v - h(v) grow with v.  If u was saved of a target of v by
 *	 some candidates, the next one makes that at most u + h(v - u), whatever
 *	 others take from the same target; that too grows with u.  So going through
 *	 candidates of one target in their order gives the most that they save
 *	 together.  In the same way what is left of all goods is at least what is
 *	 reached by taking off the most of each.  For up to k of them the least that
 *	 can be left is found by dynamic programming over the number taken.  Of a
 *	 category with a limit, as many of the largest h are used as are allowed.
 */
#include "decide_cart_work.h"

#include "miscadmin.h"

/* Times that a first combination is made better. */
#define BEGIN_ROUNDS 4

/* Lines that some candidate is for. */
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
	int			counted;		/* for a bound */
} Quota;

/* A candidate that may be used. */
typedef struct Option
{
	const Candidate *candidate;
	const Coupon *coupon;
	int			place;			/* in the candidates */
	int			run;			/* the same for equal coupons */
	int			match;			/* sets of lines */
	int			target;
	Quota	   *group;			/* NULL: of no category that is limited */
	bool		versions;		/* others of its template are not equal to it */
	int64		most;			/* that it saves of the untouched cart */
} Option;

/* What is left when the path so far is applied. */
typedef struct Rest
{
	CartWork   *work;			/* NULL: not used yet */
	int64		saved;
	int64	   *sums;			/* of each set of lines */
	int64	   *most;			/* of each option that comes later */
} Rest;

/* A combination: options in the order of application. */
typedef struct Choice
{
	int			n;
	int			ncoupons;		/* offers left out */
	int64		saved;
	const Option **options;
} Choice;

typedef struct Search
{
	const Program *program;
	const Cart *cart;
	int			nsets;
	LineSet    *sets;			/* the first: all lines */
	int			noptions;
	Option	   *options;		/* in the order of application */
	int			ngroups;
	Quota	   *groups;
	/* those that are searched now, because they are compatible */
	int			n;
	const Option **in;
	const Option *only;			/* and this exclusive one must be used, or NULL */
	Rest	   *nodes;			/* one for each length of the path */
	Choice		path;
	Choice		best;
	int			looked_at;
	bool		stopped;
	int64		open;			/* bound of what was not looked at */
	/* room for bounds */
	int		   *order;			/* the options, by what they save */
	int		   *places;
	int		   *of_target;
	int64	   *left;
	int64	   *left_next;
	int64	   *left_group;
	int64	   *left_shipping;
} Search;

/*
 * What may be used.
 */

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
	set->lines = palloc_array(int, Max(bms_num_members(members), 1));
	set->n = 0;
	while ((line = bms_next_member(members, line)) >= 0)
		set->lines[set->n++] = line;
	return search->nsets++;
}

static Quota *
option_group(Search *search, const CouponCategory *category)
{
	if (category->max_per_order == 0)
		return NULL;
	for (int i = 0; i < search->ngroups; i++)
		if (search->groups[i].category == category)
			return &search->groups[i];
	search->groups[search->ngroups].category = category;
	return &search->groups[search->ngroups++];
}

static bool
gives_no_money(const Coupon *coupon)
{
	return coupon->kind == COUPON_GIFT || coupon->kind == COUPON_MULTIPLIER;
}

static bool
is_usable(const Candidate *candidate)
{
	return decide_cart_reason(candidate) == COUPON_APPLICABLE;
}

/* Those that end soonest first, then by number. */
static int
compare_end(const Candidate *one, const Candidate *other)
{
	if (one->valid_until != other->valid_until)
		return one->valid_until < other->valid_until ? -1 : 1;
	if (one->coupon->coupon_id != other->coupon->coupon_id)
		return one->coupon->coupon_id < other->coupon->coupon_id ? -1 : 1;
	if (one->coupon_no != other->coupon_no)
		return one->coupon_no < other->coupon_no ? -1 : 1;
	return strcmp(one->code != NULL ? one->code : "",
				  other->code != NULL ? other->code : "");
}

static int
compare_options(const void *a, const void *b)
{
	return ((const Option *) a)->candidate->place -
		((const Option *) b)->candidate->place;
}

static int
compare_ends(const void *a, const void *b)
{
	return compare_end(((const Option *) a)->candidate,
					   ((const Option *) b)->candidate);
}

/*
 * Equal coupons that follow on each other are a run: those that end soonest
 * come first, and no more of them stay than one order may have.
 */
static void
make_runs(Search *search)
{
	int			kept = 0;
	int			next;

	for (int i = 0; i < search->noptions; i = next)
	{
		const Coupon *coupon = search->options[i].coupon;

		for (next = i + 1; next < search->noptions &&
			 search->options[next].coupon == coupon;)
			next++;
		qsort(&search->options[i], next - i, sizeof(Option), compare_ends);
		for (int j = i; j < next && j - i < coupon->max_per_order; j++)
		{
			search->options[kept] = search->options[j];
			search->options[kept++].run = i;
		}
	}
	search->noptions = kept;
	for (int i = 0; i < kept; i++)
		for (int j = 0; j < kept; j++)
			if (search->options[i].run != search->options[j].run &&
				search->options[i].coupon->coupon_id ==
				search->options[j].coupon->coupon_id)
				search->options[i].versions = true;
}

static void
make_options(Search *search, const Candidate *candidates, int ncandidates)
{
	Bitmapset  *all = NULL;

	search->options = palloc0_array(Option, ncandidates + 1);
	search->groups = palloc0_array(Quota, ncandidates + 1);
	search->sets = palloc0_array(LineSet, 2 * ncandidates + 1);
	if (search->cart->lines.n > 0)
		all = bms_add_range(NULL, 0, search->cart->lines.n - 1);
	line_set(search, all);
	for (int i = 0; i < ncandidates; i++)
	{
		const Candidate *candidate = &candidates[i];
		Option	   *option = &search->options[search->noptions];

		CHECK_FOR_INTERRUPTS();
		if (!is_usable(candidate) || gives_no_money(candidate->coupon))
			continue;
		option->most = decide_cart_most(search->program, search->cart,
										candidate);
		if (option->most <= 0)
			continue;
		option->candidate = candidate;
		option->coupon = candidate->coupon;
		option->place = i;
		option->match = line_set(search, candidate->match);
		option->target = line_set(search, candidate->target);
		option->group = option_group(search, candidate->coupon->category);
		search->noptions++;
	}
	qsort(search->options, search->noptions, sizeof(Option),
		  compare_options);
	make_runs(search);
}

/*
 * What is left.
 */

static Rest *
node_at(Search *search, int depth)
{
	Rest	   *node = &search->nodes[depth];

	if (node->work == NULL)
	{
		node->work = decide_cart_work(search->cart, 1);
		node->sums = palloc_array(int64, search->nsets);
		node->most = palloc_array(int64, search->noptions + 1);
	}
	return node;
}

/* Does it take a percentage of what is left of its target's sum? */
static bool
takes_percent(const Search *search, const Option *option)
{
	return option->coupon->kind == COUPON_PERCENT &&
		!search->program->cart.on_initial;
}

/* The most that an option can still save. */
static int64
most_of_rest(const Search *search, const Option *option, const Rest *node)
{
	int64		left;

	if (option->coupon->kind == COUPON_SHIPPING)
		return Min(option->most, node->work->shipping);
	left = node->sums[option->target];
	if (takes_percent(search, option))
		left = decide_cart_percent(left, option->coupon->percent);
	return Min(option->most, Min(left, node->work->room));
}

/* Fills in what follows from what is left of the lines. */
static void
node_look(const Search *search, Rest *node, int first)
{
	for (int i = 0; i < search->nsets; i++)
	{
		const LineSet *set = &search->sets[i];
		int64		sum = 0;

		for (int j = 0; j < set->n; j++)
			sum += node->work->lines[set->lines[j]].left;
		node->sums[i] = sum;
	}
	for (int i = first; i < search->n; i++)
		node->most[i] = most_of_rest(search, search->in[i], node);
}

/* Applies an option to what is left; returns what it saves. */
static int64
apply(CartWork *work, const Option *option)
{
	Applied		applied = {0};

	/* by line it is of no interest here */
	work->nrows = 0;
	decide_cart_apply(work, option->candidate, &applied);
	return applied.saving;
}

/*
 * What is allowed.
 */

static bool
is_offer(const Option *option)
{
	return option->coupon->automatic;
}

/* May the path, which is allowed, have this one too? */
static bool
fits(const Search *search, const Option *option)
{
	int			max_coupons = search->program->cart.max_coupons;
	int			least = option->coupon->max_per_order;
	int			used = 1;

	if (option->group != NULL &&
		option->group->used >= option->group->category->max_per_order)
		return false;
	if (!is_offer(option) && max_coupons > 0 &&
		search->path.ncoupons >= max_coupons)
		return false;
	if (!option->versions)
		return true;
	for (int i = 0; i < search->path.n; i++)
	{
		const Coupon *other = search->path.options[i]->coupon;

		if (other->coupon_id != option->coupon->coupon_id)
			continue;
		least = Min(least, other->max_per_order);
		used++;
	}
	return used <= least;
}

static void
path_push(Search *search, const Option *option)
{
	search->path.options[search->path.n++] = option;
	if (!is_offer(option))
		search->path.ncoupons++;
	if (option->group != NULL)
		option->group->used++;
}

static void
path_pop(Search *search)
{
	const Option *option = search->path.options[--search->path.n];

	if (!is_offer(option))
		search->path.ncoupons--;
	if (option->group != NULL)
		option->group->used--;
}

/*
 * Bounds.
 */

/* How many more coupons a bound reckons with; -1: any number. */
static int
coupons_left(const Search *search)
{
	int			max_coupons = search->program->cart.max_coupons;
	int			left = max_coupons - search->path.ncoupons;

	return max_coupons == 0 || left >= search->n ? -1 : left;
}

static bool
counts_in_bound(const Search *search, int i, int coupons)
{
	const Option *option = search->in[i];

	if (coupons == 0 && !is_offer(option))
		return false;
	return option->group == NULL ||
		option->group->used < option->group->category->max_per_order;
}

/* (1): the largest that the limits allow, coupons and offers apart. */
static int64
bound_largest(Search *search, const Rest *node, int first, int coupons,
			  bool offers)
{
	int64		sum = 0;

	for (int i = 0; i < search->ngroups; i++)
		search->groups[i].counted = search->groups[i].used;
	for (int i = 0; i < search->n && (offers || coupons != 0); i++)
	{
		int			place = search->order[i];
		const Option *option = search->in[place];
		Quota	   *group = option->group;

		if (place < first || is_offer(option) != offers)
			continue;
		if (group != NULL && group->counted >= group->category->max_per_order)
			continue;
		if (group != NULL)
			group->counted++;
		if (!offers && coupons > 0)
			coupons--;
		sum += node->most[place];
	}
	return sum;
}

/* By what they save now, of those that come later. */
static void
order_by_most(Search *search, const Rest *node, int first)
{
	int		   *order = search->order;

	for (int i = 1; i < search->n; i++)
	{
		int			place = order[i];
		int			j = i;

		if (place < first)
			continue;
		for (; j > 0 && (order[j - 1] < first ||
						 node->most[order[j - 1]] < node->most[place]); j--)
			order[j] = order[j - 1];
		order[j] = place;
	}
}

/* The most that an option makes of what is left of its target. */
static int64
most_of_left(const Search *search, const Option *option, int64 most,
			 int64 left)
{
	if (takes_percent(search, option))
		left = decide_cart_percent(left, option->coupon->percent);
	return Min(most, left);
}

/*
 * The next of a number of options, of which one or none is used: those in
 * places, all of them offers or none.  left[k] is the least that is left when
 * k coupons are used.
 */
static void
leave_one_of(const Search *search, const Rest *node, const int *places, int n,
			 int coupons, int64 *left)
{
	bool		counts = coupons > 0 && !is_offer(search->in[places[0]]);

	for (int k = Max(coupons, 0); k >= (counts ? 1 : 0); k--)
	{
		int64		before = left[counts ? k - 1 : k];
		int64		most = 0;

		for (int i = 0; i < n; i++)
			most = Max(most, most_of_left(search, search->in[places[i]],
										  node->most[places[i]], before));
		left[k] = Min(left[k], before - most);
	}
}

/*
 * Options of one target, one after the other.  Those of one category that has
 * a limit stand for each other as often as it allows.
 */
static void
leave(const Search *search, const Rest *node, const int *places, int n,
	  int coupons, int64 *left)
{
	int			next;

	for (int i = 0; i < n; i = next)
	{
		const Quota *group = search->in[places[i]]->group;
		int			times = next = i + 1;

		while (group != NULL && next < n &&
			   search->in[places[next]]->group == group)
			next++;
		if (group != NULL)
			times = i + group->category->max_per_order - group->used;
		if (times >= next)
			for (int j = i; j < next; j++)
				leave_one_of(search, node, &places[j], 1, coupons, left);
		else
			for (int j = i; j < times; j++)
				leave_one_of(search, node, &places[i], next - i, coupons,
							 left);
	}
}

static void
leave_all(int64 *left, int coupons, int64 all)
{
	for (int k = 0; k <= Max(coupons, 0); k++)
		left[k] = all;
}

/*
 * left[k]: the least that is left of the goods when k coupons are used, some
 * of them on one target, of which `before` was left and now is left_group.
 */
static void
leave_group(Search *search, int64 before, int coupons)
{
	int64	   *left = search->left;
	int64	   *next = search->left_next;

	for (int k = 0; k <= Max(coupons, 0); k++)
	{
		next[k] = left[k] - (before - search->left_group[0]);
		for (int m = 1; m <= k; m++)
			next[k] = Min(next[k],
						  left[k - m] - (before - search->left_group[m]));
		next[k] = Max(next[k], 0);
	}
	search->left = next;
	search->left_next = left;
}

/*
 * Options of which no other lies between: each target by itself, because
 * their order does not matter to the sum.
 */
static void
leave_block(Search *search, const Rest *node, const int *places, int n,
			int coupons)
{
	int		   *of_target = search->of_target;

	for (int i = 0; i < n; i++)
	{
		int			target = search->in[places[i]]->target;
		int			m = 0;
		bool		seen = false;

		for (int j = 0; j < i && !seen; j++)
			seen = search->in[places[j]]->target == target;
		if (seen)
			continue;
		for (int j = i; j < n; j++)
			if (search->in[places[j]]->target == target)
				of_target[m++] = places[j];
		leave_all(search->left_group, coupons, node->sums[target]);
		leave(search, node, of_target, m, coupons, search->left_group);
		leave_group(search, node->sums[target], coupons);
	}
}

/* Takes a percentage or an amount off the whole order. */
static bool
is_of_order(const Option *option)
{
	return option->coupon->kind != COUPON_SHIPPING && option->target == 0;
}

/* What options have to have in common to be bounded one after the other. */
static bool
are_alike(const Option *one, const Option *other)
{
	return is_offer(one) == is_offer(other) &&
		is_of_order(one) == is_of_order(other) &&
		(one->coupon->kind == COUPON_SHIPPING) ==
		(other->coupon->kind == COUPON_SHIPPING);
}

/* (2): what they leave of each other. */
static int64
bound_left(Search *search, const Rest *node, int first, int coupons)
{
	int64		goods = node->sums[0];
	int64		shipping = node->work->shipping;
	int64		most = 0;
	int			n = 0;
	int			next;

	for (int i = first; i < search->n; i++)
		if (node->most[i] > 0 && counts_in_bound(search, i, coupons))
			search->places[n++] = i;
	leave_all(search->left, coupons, goods);
	leave_all(search->left_shipping, coupons, shipping);
	for (int i = 0; i < n; i = next)
	{
		const int  *places = &search->places[i];
		const Option *option = search->in[*places];

		for (next = i + 1; next < n &&
			 are_alike(option, search->in[search->places[next]]);)
			next++;
		if (option->coupon->kind == COUPON_SHIPPING)
			leave(search, node, places, next - i, coupons,
				  search->left_shipping);
		else if (is_of_order(option))
			leave(search, node, places, next - i, coupons, search->left);
		else
			leave_block(search, node, places, next - i, coupons);
	}
	for (int k = 0; k <= Max(coupons, 0); k++)
		most = Max(most, Min(goods - search->left[k], node->work->room) +
				   shipping - search->left_shipping[Max(coupons, 0) - k]);
	return most;
}

/* What the path can come to with options from a place on. */
static int64
bound(Search *search, const Rest *node, int first, int coupons)
{
	int64		most;

	order_by_most(search, node, first);
	most = bound_largest(search, node, first, coupons, true) +
		bound_largest(search, node, first, coupons, false);
	most = Min(most, node->work->room + node->work->shipping);
	if (node->saved + most >= search->best.saved)
		most = Min(most, bound_left(search, node, first, coupons));
	return node->saved + most;
}

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
	DateADT    *ends = palloc_array(DateADT, choice->n + 1);

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
		difference = compare_options(one->options[i], other->options[i]);
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
	const Rest *node = node_at(search, search->path.n);
	Rest	   *next = node_at(search, search->path.n + 1);
	int64		saving;

	CHECK_FOR_INTERRUPTS();
	search->looked_at++;
	decide_cart_copy(next->work, node->work);
	saving = apply(next->work, search->in[i]);
	next->saved = node->saved + saving;
	path_push(search, search->in[i]);
	search->path.saved = next->saved;
	if (saving > 0)
		node_look(search, next, i + 1);
	return saving;
}

static void
step_out(Search *search)
{
	path_pop(search);
	search->path.saved = node_at(search, search->path.n)->saved;
}

/*
 * Can options from a place on make the path better than the best?  If it can
 * only become as good, then with no more coupons than that.
 */
static bool
is_worth(Search *search, int first, int64 *most)
{
	const Rest *node = node_at(search, search->path.n);
	int			spare = search->best.ncoupons - search->path.ncoupons;
	int			coupons = coupons_left(search);

	*most = bound(search, node, first, coupons);
	if (*most != search->best.saved)
		return *most > search->best.saved;
	if (node->saved == *most || spare < 0)
		return false;
	if (coupons >= 0 && coupons <= spare)
		return true;
	return bound(search, node, first, spare) == *most;
}

/* Looks at what adds to the path options from a place on. */
static void
look(Search *search, int first)
{
	const Rest *node = node_at(search, search->path.n);
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
		if (node->most[i] > 0 && fits(search, option))
		{
			if (!is_worth(search, i, &most))
				return;
			if (search->looked_at >= search->program->cart.search_limit)
			{
				search->stopped = true;
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
	CartWork   *work = node_at(search, search->n + 1)->work;

	CHECK_FOR_INTERRUPTS();
	search->looked_at++;
	decide_cart_copy(work, search->nodes[0].work);
	choice->n = 0;
	choice->ncoupons = 0;
	choice->saved = 0;
	for (int i = 0; i < search->n; i++)
	{
		int64		saving = chosen[i] ? apply(work, search->in[i]) : 0;

		if (saving == 0)
			continue;
		choice->saved += saving;
		choice->ncoupons += !is_offer(search->in[i]);
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
		fit = fits(search, search->in[i]);
		path_push(search, search->in[i]);
	}
	while (search->path.n > 0)
		path_pop(search);
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
	bool	   *chosen = palloc0_array(bool, search->n + 1);
	Choice		current = {0};
	Choice		room = {0};
	bool		better = true;

	current.options = palloc_array(const Option *, search->n + 1);
	room.options = palloc_array(const Option *, search->n + 1);
	for (int i = 0; i < search->n; i++)
		chosen[i] = search->in[i] == search->only;
	price_choice(search, chosen, &current);
	order_by_most(search, &search->nodes[0], 0);
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
	Rest	   *root = node_at(search, 0);
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
	decide_cart_begin(root->work, search->program, search->cart);
	root->saved = 0;
	node_look(search, root, 0);
	if (!is_worth(search, 0, &most))
		return;
	begin_with(search);
	look(search, 0);
}

static void
make_room(Search *search)
{
	int			n = search->noptions + 2;

	search->in = palloc_array(const Option *, n);
	search->nodes = palloc0_array(Rest, n);
	search->path.options = palloc_array(const Option *, n);
	search->best.options = palloc_array(const Option *, n);
	search->order = palloc_array(int, n);
	search->places = palloc_array(int, n);
	search->of_target = palloc_array(int, n);
	search->left = palloc_array(int64, n);
	search->left_next = palloc_array(int64, n);
	search->left_group = palloc_array(int64, n);
	search->left_shipping = palloc_array(int64, n);
}

/*
 * What is beside it.
 */

/*
 * The candidates in use that leave no room for another, and why; none of them
 * (COUPON_APPLICABLE): it fits.
 */
static CouponReason
blocking(const Program *program, const Candidate *candidates,
		 const Bitmapset *use, int which, Bitmapset **by)
{
	const Coupon *coupon = candidates[which].coupon;
	Bitmapset  *excluding = NULL;
	Bitmapset  *alike = NULL;
	Bitmapset  *of_category = NULL;
	Bitmapset  *coupons = NULL;
	int			least = coupon->max_per_order;
	int			category_limit = coupon->category->max_per_order;
	CouponReason reason = COUPON_APPLICABLE;
	Bitmapset  *found = NULL;
	int			i = -1;

	while ((i = bms_next_member(use, i)) >= 0)
	{
		const Coupon *other = candidates[i].coupon;

		if (!decide_cart_compatible(coupon, other))
			excluding = bms_add_member(excluding, i);
		if (other->coupon_id == coupon->coupon_id)
		{
			alike = bms_add_member(alike, i);
			least = Min(least, other->max_per_order);
		}
		if (other->category == coupon->category)
			of_category = bms_add_member(of_category, i);
		if (!other->automatic)
			coupons = bms_add_member(coupons, i);
	}
	if (excluding != NULL)
	{
		reason = COUPON_REASON_STACK_EXCLUSIVE;
		found = excluding;
	}
	else if (bms_num_members(alike) >= least)
	{
		reason = COUPON_REASON_STACK_CATEGORY_LIMIT;
		found = alike;
	}
	else if (category_limit > 0 &&
			 bms_num_members(of_category) >= category_limit)
	{
		reason = COUPON_REASON_STACK_CATEGORY_LIMIT;
		found = of_category;
	}
	else if (!coupon->automatic && program->cart.max_coupons > 0 &&
			 bms_num_members(coupons) >= program->cart.max_coupons)
	{
		reason = COUPON_REASON_STACK_TOTAL_LIMIT;
		found = coupons;
	}
	if (by != NULL)
		*by = found;
	return reason;
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
	int		   *order = palloc_array(int, ncandidates + 1);
	int			n = 0;

	for (int i = 0; i < ncandidates; i++)
	{
		const Candidate *candidate = &candidates[i];
		int			at;

		if (!is_usable(candidate) || !gives_no_money(candidate->coupon) ||
			!(candidate->chosen || candidate->coupon->automatic))
			continue;
		for (at = n++; at > 0 &&
			 candidates[order[at - 1]].place > candidate->place; at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
	for (int i = 0; i < n; i++)
		if (blocking(program, candidates, use, order[i], NULL) ==
			COUPON_APPLICABLE)
			use = bms_add_member(use, order[i]);
	pfree(order);
	return use;
}

void
decide_cart_best(const Program *program, const Cart *cart,
				 const Candidate *candidates, int ncandidates, BestCart *best)
{
	Search		search = {.program = program, .cart = cart};

	make_options(&search, candidates, ncandidates);
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

/*
 * Why the others lost.
 */

/* Those that save less when another joins them. */
static Bitmapset *
saving_less(const Bitmapset *use, const Pricing *without, const Pricing *with)
{
	Bitmapset  *less = NULL;
	int			i = -1;

	while ((i = bms_next_member(use, i)) >= 0)
		if (with->applied[i].saving < without->applied[i].saving)
			less = bms_add_member(less, i);
	return less;
}

void
decide_cart_losers(const Program *program, const Cart *cart,
				   const Candidate *candidates, int ncandidates,
				   const Bitmapset *use, Loser *losers)
{
	Pricing		best = {0};
	Pricing		priced = {0};

	decide_cart_price(program, cart, candidates, ncandidates, use, &best);
	for (int i = 0; i < ncandidates; i++)
	{
		Loser	   *loser = &losers[i];
		Bitmapset  *alone;
		Bitmapset  *joined;

		memset(loser, 0, sizeof(Loser));
		if (bms_is_member(i, use))
			continue;
		/* by itself */
		alone = bms_make_singleton(i);
		decide_cart_price(program, cart, candidates, ncandidates, alone,
						  &priced);
		bms_free(alone);
		loser->reason = priced.applied[i].reason;
		loser->missing = priced.applied[i].missing;
		loser->saving = priced.applied[i].saving;
		if (loser->reason != COUPON_APPLICABLE)
			continue;
		loser->reason = blocking(program, candidates, use, i,
								 &loser->beaten_by);
		if (loser->reason != COUPON_APPLICABLE)
			continue;
		loser->reason = COUPON_REASON_NO_EFFECT;
		joined = bms_add_member(bms_copy(use), i);
		decide_cart_price(program, cart, candidates, ncandidates, joined,
						  &priced);
		bms_free(joined);
		loser->beaten_by = saving_less(use, &best, &priced);
	}
}
