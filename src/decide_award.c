/*
 * decide_award.c
 *
 * What the rules award for an event.  First every rule is asked whether it
 * applies; those that do are worth an exact fraction of the unit's smallest
 * part; then groups combine, multipliers multiply, the fractions are rounded
 * and caps cut.  What came of each rule, and why, stays in a verdict.  The
 * scarce budgets are claimed by store.c, and decide_grant() posts the rest.
 */
#include "decide.h"

#include "miscadmin.h"

#include "amount.h"
#include "condition.h"

#define MULTIPLIER_ONE 1000

/* Reasons that another rule is to blame for; compared as pointers. */
static const char REASON_EXCLUSIVE[] = "stack_exclusive";
static const char REASON_NOT_BEST[] = "not_best";

/* An exact amount: num / den of the unit's smallest part, den above zero. */
typedef struct Fraction
{
	int128		num;
	int128		den;
} Fraction;

static const Fraction zero = {0, 1};

/* What is worked out of one event. */
typedef struct Work
{
	Decision   *decision;
	JournalRow *row;
	Facts	   *facts;
	Awards	   *awards;
	Fraction   *worth;			/* of each verdict */
	int64	   *nets;			/* of the cart's lines, or NULL */
	Jsonb	  **lines;			/* the lines as filters see them */
	int		   *factors;		/* of benefits, for each unit; 0: not known yet */
} Work;

/*
 * Fractions.  False, and nothing done, when a number does not fit; a rule
 * to which this happens awards nothing.
 */

static bool
fraction_multiply(Fraction *fraction, int64 num, int64 den)
{
	int128		product;
	int128		divisor;

	if (__builtin_mul_overflow(fraction->num, (int128) num, &product) ||
		__builtin_mul_overflow(fraction->den, (int128) den, &divisor))
		return false;
	fraction->num = product;
	fraction->den = divisor;
	return true;
}

static void
fraction_reduce(Fraction *fraction)
{
	int128		a = fraction->num;
	int128		b = fraction->den;

	while (b != 0)
	{
		int128		rest = a % b;

		a = b;
		b = rest;
	}
	if (a > 1)
	{
		fraction->num /= a;
		fraction->den /= a;
	}
}

static bool
fraction_add(Fraction *sum, Fraction term)
{
	int128		left;
	int128		right;
	int128		num;
	int128		den;

	if (sum->den == term.den)
		return !__builtin_add_overflow(sum->num, term.num, &sum->num);
	fraction_reduce(sum);
	fraction_reduce(&term);
	if (__builtin_mul_overflow(sum->num, term.den, &left) ||
		__builtin_mul_overflow(term.num, sum->den, &right) ||
		__builtin_add_overflow(left, right, &num) ||
		__builtin_mul_overflow(sum->den, term.den, &den))
		return false;
	sum->num = num;
	sum->den = den;
	return true;
}

/* A whole number of a fraction that is not negative. */
static bool
fraction_round(const Fraction *fraction, Rounding rounding, int64 *result)
{
	int128		whole = fraction->num / fraction->den;
	int128		rest = fraction->num % fraction->den;
	int128		other = fraction->den - rest;

	switch (rounding)
	{
		case ROUNDING_DOWN:
			break;
		case ROUNDING_UP:
			whole += rest > 0;
			break;
		case ROUNDING_NEAREST:
			whole += rest >= other;
			break;
		case ROUNDING_HALF_EVEN:
			whole += rest > other || (rest == other && whole % 2 == 1);
			break;
	}
	if (whole > AMOUNT_MAX)
		return false;
	*result = whole;
	return true;
}

/*
 * Does a rule apply?  Each function returns the reason why not, or NULL.
 */

static const char *
check_validity(const Rule *rule, TimestampTz at)
{
	const Campaign *campaign = rule->campaign;

	if (campaign != NULL && !campaign->live)
		return "campaign_not_running";
	if (at < rule->valid_from || (campaign && at < campaign->starts_at))
		return "not_started";
	if (at >= rule->valid_until || (campaign && at >= campaign->ends_at))
		return "expired";
	return NULL;
}

/* A point in time plus an interval of the programme's calendar. */
static TimestampTz
add_interval(const Program *program, TimestampTz at, const Interval *interval)
{
	DateADT		date = date_add_months(program_date(program, at),
									   interval->month) + interval->day;

	return program_at(program, date, program_time(program, at)) +
		interval->time;
}

static const RuleUse *
find_use(const Facts *facts, int32 rule_id, const char *target)
{
	for (int i = 0; i < facts->nuses; i++)
		if (facts->uses[i].rule_id == rule_id &&
			strcmp(facts->uses[i].target, target) == 0)
			return &facts->uses[i];
	return NULL;
}

static const char *
check_use(const Work *work, const Rule *rule)
{
	const Facts *facts = work->facts;
	const RuleUse *use;

	if (rule->once_per_target)
	{
		if (facts->target == NULL)
			return "target_required";
		if (find_use(facts, rule->rule_id, facts->target) != NULL)
			return "already_used";
	}
	use = rule->cooldown ? find_use(facts, rule->rule_id, "") : NULL;
	if (use != NULL)
	{
		TimestampTz at = work->row->effective_at;
		TimestampTz earlier = Min(at, use->used_at);
		TimestampTz later = Max(at, use->used_at);

		if (later < add_interval(work->decision->program, earlier,
								 rule->cooldown))
			return "cooldown";
	}
	return NULL;
}

static const char *
check_rule(Work *work, const Rule *rule)
{
	const Terms *terms = &rule->terms;
	const char *reason = check_validity(rule, work->row->effective_at);

	if (reason == NULL)
		reason = decide_terms_when(work->facts, terms);
	if (reason == NULL)
		reason = decide_terms_first(work->decision, work->row, terms);
	if (reason == NULL)
		reason = decide_terms_idle(work->decision, work->facts, terms);
	if (reason == NULL)
		reason = decide_terms_who(work->row, work->facts, terms);
	if (reason == NULL)
		reason = check_use(work, rule);
	if (reason == NULL)
		reason = decide_terms_condition(work->decision, work->row,
										work->facts, terms);
	return reason;
}

/*
 * What each line contributes to the order's amount: its net, or if nets were
 * not given its gross, less its share of what the amount is below them.  One
 * element more than there are lines: what the order has beyond its lines,
 * such as shipping.
 */
int64 *
cart_nets(const CartLines *list, int64 amount)
{
	int64	   *worth = palloc(sizeof(int64) * (list->n + 1));
	int64	   *nets = palloc0(sizeof(int64) * (list->n + 1));
	int64		total = 0;

	for (int i = 0; i < list->n; i++)
	{
		worth[i] = list->has_nets ? list->lines[i].net : list->lines[i].gross;
		total = amount_add(total, worth[i]);
	}
	if (amount < total)
	{
		amount_allocate(amount, worth, list->n, nets);
		return nets;
	}
	memcpy(nets, worth, sizeof(int64) * list->n);
	nets[list->n] = amount - total;
	return nets;
}

/* Which lines a rule is for. */

bool
cart_line_in(const Collection *collection, const CartLine *line)
{
	return collection != NULL &&
		(collection_has(collection, COLLECTION_SKU, line->sku,
						strlen(line->sku)) ||
		 (line->category != NULL &&
		  collection_has(collection, COLLECTION_CATEGORY, line->category,
						 strlen(line->category))) ||
		 (line->brand != NULL &&
		  collection_has(collection, COLLECTION_BRAND, line->brand,
						 strlen(line->brand))));
}

static bool
matches_line(Work *work, const Rule *rule, int line)
{
	const CartLine *item = &work->facts->lines->lines[line];

	if (rule->collection_name != NULL &&
		!cart_line_in(rule->collection, item))
		return false;
	if (rule->excluded_name != NULL && cart_line_in(rule->excluded, item))
		return false;
	if (rule->item_filter == NULL)
		return true;
	if (work->lines == NULL)
		work->lines = palloc0(sizeof(Jsonb *) * work->facts->lines->n);
	if (work->lines[line] == NULL)
		work->lines[line] =
			decide_line(work->facts, line, work->nets[line],
						work->decision->program->currency_scale);
	return condition_match(rule->item_filter, work->lines[line]) == CONDITION_TRUE;
}

/* NULL: no line. */
static Bitmapset *
matching_lines(Work *work, const Rule *rule)
{
	Bitmapset  *lines = NULL;

	if (work->nets == NULL)
		return NULL;
	for (int i = 0; i < work->facts->lines->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (matches_line(work, rule, i))
			lines = bms_add_member(lines, i);
	}
	return lines;
}

/* The order's amount, less what the rule leaves out. */
static int64
eligible_amount(const Work *work, const Rule *rule)
{
	int64		amount = work->row->has_amount ? work->row->amount : 0;

	for (int i = 0; i < EXCLUDED_COUNT; i++)
		if (rule->excludes[i])
			amount -= work->facts->excluded[i];
	return Max(amount, 0);
}

/* What the lines contribute to it; NULL if there are none. */
static int64 *
eligible_nets(const Work *work, const Rule *rule)
{
	int64		amount = eligible_amount(work, rule);

	if (work->nets == NULL || amount == work->row->amount)
		return work->nets;
	return cart_nets(work->facts->lines, amount);
}

static bool
counts_quantity(const Rule *rule)
{
	return rule->kind == RULE_PER_QUANTITY ||
		(rule->kind == RULE_STEPS && rule->base == BASE_QUANTITY);
}

/*
 * What a rule counts: money or pieces, of the given lines (NULL: of the
 * whole order).
 */
static int64
base_of(const Work *work, const Rule *rule, const Bitmapset *lines)
{
	const Facts *facts = work->facts;
	bool		quantity = counts_quantity(rule);
	int64	   *nets;
	int64		base = 0;

	if (rule->kind == RULE_STEPS && rule->base == BASE_STREAK)
		return facts->streak_day;
	if (!quantity && lines == NULL)
		return eligible_amount(work, rule);
	if (work->nets == NULL)
		return 0;
	nets = quantity ? NULL : eligible_nets(work, rule);
	for (int i = 0; i < facts->lines->n; i++)
		if (lines == NULL || bms_is_member(i, lines))
			base = amount_add(base,
							  quantity ? facts->lines->lines[i].qty : nets[i]);
	return base;
}

/*
 * The largest factor (thousandths) of the benefits that the member has for a
 * rule's unit.  Worked out once for each unit.
 */
static int
benefit_factor(const Work *work, const Rule *rule)
{
	const Program *program = work->decision->program;
	int		   *known;
	int			factor = MULTIPLIER_ONE;
	Entitlement entitlement;

	if (program->nbenefits == 0)
		return factor;
	known = &work->factors[rule->unit - program->units];
	if (*known != 0)
		return *known;
	for (int i = 0; i < program->nbenefits; i++)
	{
		const Benefit *benefit = &program->benefits[i];

		if (program_multiplies(benefit, rule) && benefit->factor > factor &&
			decide_benefit_applies(program, benefit, work->facts,
								   work->row->effective_at,
								   work->row->channel, &entitlement))
			factor = benefit->factor;
	}
	*known = factor;
	return factor;
}

/* What coupons of the order make of the worth of a rule. */
static bool
multiply_by_coupons(const Work *work, const Rule *rule, Fraction *worth)
{
	const Facts *facts = work->facts;

	for (int i = 0; i < facts->nfactors; i++)
		if ((facts->factors[i].unit_id == 0 ||
			 facts->factors[i].unit_id == rule->unit->unit_id) &&
			!fraction_multiply(worth, facts->factors[i].factor,
							   MULTIPLIER_ONE))
			return false;
	return true;
}

/* What tier, benefits and coupons make of the worth of a rule. */
static bool
multiply_worth(const Work *work, const Rule *rule, Fraction *worth)
{
	const Tier *tier = work->facts->tier;
	int			factor;

	if (worth->num == 0 || !program_is_multiplied(rule))
		return true;
	if (tier != NULL &&
		!fraction_multiply(worth, tier->multiplier, MULTIPLIER_ONE))
		return false;
	factor = benefit_factor(work, rule);
	return (factor == MULTIPLIER_ONE ||
			fraction_multiply(worth, factor, MULTIPLIER_ONE)) &&
		multiply_by_coupons(work, rule, worth);
}

/* What a rule that is no multiplier awards for a base, unrounded. */
static bool
worth_of(const Work *work, const Rule *rule, int64 base, Fraction *worth)
{
	*worth = zero;
	switch (rule->kind)
	{
		case RULE_FIXED:
			worth->num = rule->award;
			break;
		case RULE_PER_AMOUNT:
		case RULE_PER_QUANTITY:
			worth->num = (int128) rule->award *
				(rule->proportional ? base : base / rule->per);
			worth->den = rule->proportional ? rule->per : 1;
			break;
		case RULE_STEPS:
			for (int i = 0; i < rule->nsteps; i++)
				if (rule->steps[i].from <= base)
					worth->num = rule->steps[i].award;
			break;
		case RULE_MULTIPLIER:
			elog(ERROR, "a multiplier has no worth of its own");
	}
	return multiply_worth(work, rule, worth);
}

static bool
is_by_line(const Work *work, const Rule *rule)
{
	return rule->scope == SCOPE_LINE && work->nets != NULL &&
		(rule->kind == RULE_PER_AMOUNT || rule->kind == RULE_PER_QUANTITY);
}

/*
 * Line by line, of the given lines (NULL: all, and what the order has beyond
 * them is one more); each rounded by the rule, or exactly.
 */
static bool
worth_by_line(const Work *work, const Rule *rule, const Bitmapset *lines,
			  bool rounded, Fraction *sum)
{
	bool		quantity = rule->kind == RULE_PER_QUANTITY;
	int64	   *nets = eligible_nets(work, rule);
	int			n = work->facts->lines->n;

	*sum = zero;
	for (int i = 0; i <= n; i++)
	{
		Fraction	worth;

		if (i == n ? (quantity || lines != NULL) :
			(lines != NULL && !bms_is_member(i, lines)))
			continue;
		if (!worth_of(work, rule,
					  quantity ? work->facts->lines->lines[i].qty : nets[i],
					  &worth))
			return false;
		if (rounded)
		{
			int64		whole;

			if (!fraction_round(&worth, rule->rounding, &whole))
				return false;
			worth.num = whole;
			worth.den = 1;
		}
		if (!fraction_add(sum, worth))
			return false;
	}
	return true;
}

/* Is there anything to count?  A step may begin at zero, but not at nothing. */
static bool
has_base(const Work *work, const Rule *rule)
{
	if (rule->kind == RULE_FIXED ||
		(rule->kind == RULE_STEPS && rule->base == BASE_STREAK))
		return true;
	return counts_quantity(rule) ? work->nets != NULL : work->row->has_amount;
}

/* Judges a rule that is no multiplier; its worth stays unrounded. */
static void
judge_base(Work *work, int i)
{
	RuleVerdict *verdict = &work->awards->verdicts[i];
	const Rule *rule = verdict->rule;
	bool		fits;

	if (!has_base(work, rule))
	{
		verdict->reason = "no_effect";
		return;
	}
	verdict->base = base_of(work, rule, verdict->lines);
	fits = is_by_line(work, rule) ?
		worth_by_line(work, rule, verdict->lines, false, &work->worth[i]) :
		worth_of(work, rule, verdict->base, &work->worth[i]);
	if (!fits)
		verdict->reason = "overflow";
	else if (work->worth[i].num == 0)
		verdict->reason = "no_effect";
}

/* What a multiplier multiplies: the worth of a base rule on its own lines. */
static bool
shared_worth(const Work *work, const RuleVerdict *multiplier, int base,
			 Fraction *worth)
{
	const RuleVerdict *verdict = &work->awards->verdicts[base];
	const Rule *rule = verdict->rule;
	Bitmapset  *lines;

	*worth = work->worth[base];
	if (multiplier->lines == NULL)
		return true;
	/* what is not counted by line is for all of its lines together */
	if (rule->kind == RULE_FIXED || rule->kind == RULE_STEPS)
	{
		if (verdict->lines == NULL ||
			!bms_is_subset(verdict->lines, multiplier->lines))
			*worth = zero;
		return true;
	}
	lines = verdict->lines == NULL ? bms_copy(multiplier->lines) :
		bms_intersect(verdict->lines, multiplier->lines);
	if (bms_is_empty(lines))
	{
		*worth = zero;
		return true;
	}
	if (is_by_line(work, rule))
		return worth_by_line(work, rule, lines, false, worth);
	return worth_of(work, rule, base_of(work, rule, lines), worth);
}

static bool
is_multiplier(const RuleVerdict *verdict)
{
	return verdict->rule->kind == RULE_MULTIPLIER;
}

static bool
same_group(const RuleVerdict *a, const RuleVerdict *b)
{
	return a->rule->unit == b->rule->unit && a->rule->group == b->rule->group;
}

static void
judge_multiplier(Work *work, int i)
{
	RuleVerdict *verdict = &work->awards->verdicts[i];
	Fraction	sum = zero;
	Bitmapset  *lines = NULL;
	bool		by_line = true;
	bool		fits = true;

	for (int base = 0; base < work->awards->nverdicts && fits; base++)
	{
		RuleVerdict *other = &work->awards->verdicts[base];
		Fraction	worth;

		if (is_multiplier(other) || other->reason != NULL ||
			!same_group(other, verdict))
			continue;
		verdict->base = amount_add(verdict->base, other->base);
		lines = bms_add_members(lines, other->lines);
		by_line &= other->lines != NULL;
		fits = shared_worth(work, verdict, base, &worth) &&
			fraction_add(&sum, worth);
	}
	/* what it multiplies was for these lines only, and so is it */
	if (by_line && lines != NULL)
		verdict->lines = verdict->lines == NULL ? lines :
			bms_intersect(verdict->lines, lines);
	fits = fits && fraction_multiply(&sum,
									 verdict->rule->award - MULTIPLIER_ONE,
									 MULTIPLIER_ONE);
	work->worth[i] = sum;
	if (!fits)
		verdict->reason = "overflow";
	else if (sum.num == 0)
		verdict->reason = "preceding_failed";
}

/* Is one worth more than another?  Ties go to the earlier rule. */
static bool
is_more(Fraction a, Fraction b)
{
	fraction_reduce(&a);
	fraction_reduce(&b);
	/* whole parts first, so that the products stay small */
	if (a.num / a.den != b.num / b.den)
		return a.num / a.den > b.num / b.den;
	return (a.num % a.den) * b.den > (b.num % b.den) * a.den;
}

/* Does a verdict give way to another of its group? */
static bool
gives_way(const Work *work, int i, int other)
{
	const RuleVerdict *verdict = &work->awards->verdicts[i];

	switch (work->decision->program->groups[verdict->rule->group])
	{
		case COMBINE_SUM:
			return false;
		case COMBINE_FIRST:
			return other < i;
		case COMBINE_MAX_MULTIPLIER:
			if (!is_multiplier(verdict))
				return false;
			break;
		case COMBINE_BEST:
			break;
	}
	return other < i ? !is_more(work->worth[i], work->worth[other]) :
		is_more(work->worth[other], work->worth[i]);
}

/* Does a verdict give way to one that comes before it? */
static bool
gives_way_earlier(const Work *work, int i)
{
	const RuleVerdict *verdict = &work->awards->verdicts[i];

	for (int other = 0; other < i; other++)
	{
		const RuleVerdict *earlier = &work->awards->verdicts[other];

		if (earlier->reason == NULL &&
			is_multiplier(earlier) == is_multiplier(verdict) &&
			same_group(earlier, verdict) && gives_way(work, i, other))
			return true;
	}
	return false;
}

/* Leaves of each group what its way of combining lets stand. */
static void
combine(Work *work, bool multipliers)
{
	Awards	   *awards = work->awards;
	bool	   *loses = palloc0(sizeof(bool) * awards->nverdicts);

	for (int i = 0; i < awards->nverdicts; i++)
		for (int other = 0; other < awards->nverdicts; other++)
		{
			RuleVerdict *a = &awards->verdicts[i];
			RuleVerdict *b = &awards->verdicts[other];

			if (i != other && a->reason == NULL && b->reason == NULL &&
				is_multiplier(a) == multipliers &&
				is_multiplier(b) == multipliers &&
				same_group(a, b) && gives_way(work, i, other))
				loses[i] = true;
		}
	for (int i = 0; i < awards->nverdicts; i++)
		if (loses[i])
			awards->verdicts[i].reason = REASON_NOT_BEST;
}

/*
 * An exclusive rule ends the list for its unit; one that multiplies, the
 * list of multipliers.
 */
static void
exclude(Work *work, bool multipliers)
{
	Awards	   *awards = work->awards;

	for (int i = 0; i < awards->nverdicts; i++)
	{
		const RuleVerdict *first = &awards->verdicts[i];

		if (!first->rule->exclusive || first->reason != NULL ||
			is_multiplier(first) != multipliers ||
			gives_way_earlier(work, i))
			continue;
		for (int later = i + 1; later < awards->nverdicts; later++)
		{
			RuleVerdict *verdict = &awards->verdicts[later];

			if (verdict->reason == NULL &&
				verdict->rule->unit == first->rule->unit &&
				(!multipliers || is_multiplier(verdict)))
				verdict->reason = REASON_EXCLUSIVE;
		}
	}
}

/* Rounds what awards; rules of the scope `event` together, in their order. */
static void
round_worth(Work *work, int i)
{
	RuleVerdict *verdict = &work->awards->verdicts[i];
	const Rule *rule = verdict->rule;
	Fraction	sum = zero;
	int64		before = 0;

	if (is_by_line(work, rule))
	{
		if (!worth_by_line(work, rule, verdict->lines, true, &sum) ||
			sum.num > AMOUNT_MAX)
			verdict->reason = "overflow";
		else
			verdict->desired = sum.num;
		return;
	}
	if (rule->scope == SCOPE_EVENT)
		for (int earlier = 0; earlier < i; earlier++)
		{
			const RuleVerdict *other = &work->awards->verdicts[earlier];

			if (other->reason == NULL && other->rule->scope == SCOPE_EVENT &&
				other->rule->unit == rule->unit &&
				(!fraction_add(&sum, work->worth[earlier]) ||
				 !fraction_round(&sum, other->rule->rounding, &before)))
				verdict->reason = "overflow";
		}
	if (verdict->reason != NULL)
		return;
	if (!fraction_add(&sum, work->worth[i]) ||
		!fraction_round(&sum, rule->rounding, &verdict->desired))
	{
		verdict->reason = "overflow";
		return;
	}
	verdict->desired = Max(verdict->desired - before, 0);
}

/* What a counter stands at in the period of the event. */
int64
decide_counter(const Decision *decision, const Unit *counter,
			   const Facts *facts)
{
	DateADT		end = period_end(counter->period, facts->on);
	Lot			key = {
		.unit_id = counter->unit_id,
		.expires_on = end,
		.origin = ORIGIN_EARNED,
		.vests_on = DATEVAL_NOBEGIN
	};
	const Lot  *lot;

	for (int i = 0; i < facts->npast; i++)
		if (facts->past[i].unit_id == counter->unit_id)
			return facts->past[i].used;
	lot = wallet_find(&decision->account->wallet, &key);
	return lot == NULL ? 0 : lot->amount;
}

/* What a verdict adds to a counter. */
static int64
counted(const RuleVerdict *verdict, const Unit *counter)
{
	for (int i = 0; i < verdict->rule->ncaps; i++)
	{
		const RuleCap *cap = &verdict->rule->caps[i];

		if (cap->counter == counter)
			return cap->times ? verdict->granted > 0 : verdict->granted;
	}
	return 0;
}

/* What is left under a cap, with what this decision has granted already. */
static int64
left_of(const Work *work, const RuleCap *cap)
{
	int64		used = decide_counter(work->decision, cap->counter, work->facts);

	for (int e = 0; e < work->decision->nawards; e++)
	{
		const Awards *awards = &work->decision->awards[e];

		for (int i = 0; i < awards->nverdicts; i++)
			used = amount_add(used, counted(&awards->verdicts[i],
											cap->counter));
	}
	return Max(cap->maximum - used, 0);
}

/* Cuts an award to a limit, or rejects it. */
void
decide_limit(RuleVerdict *verdict, int64 limit, bool reject, const char *reason)
{
	if (verdict->granted <= limit)
		return;
	verdict->granted = reject ? 0 : limit;
	if (verdict->granted == 0)
		verdict->reason = reason;
	else
		verdict->limit = reason;
}

static void
cap_award(Work *work, RuleVerdict *verdict)
{
	const Rule *rule = verdict->rule;
	int64		granted = verdict->desired;

	/* not yet granted while the counters are read */
	verdict->granted = 0;
	for (int i = -1; i < rule->ncaps && verdict->reason == NULL; i++)
	{
		const RuleCap *cap = i < 0 ? NULL : &rule->caps[i];
		int64		left;

		if (cap == NULL && rule->max_award == 0)
			continue;
		left = cap ? left_of(work, cap) : rule->max_award;
		if (cap != NULL && cap->times)
			left = left > 0 ? granted : 0;
		verdict->granted = granted;
		decide_limit(verdict, left, cap ? cap->reject : rule->reject,
					cap == NULL ? "limit_event" :
					cap->counter->period == PERIOD_LIFETIME ?
					"limit_member" : "limit_period");
		granted = verdict->granted;
		verdict->granted = 0;
	}
	verdict->granted = granted;
}

/* Asks each rule whether it applies, and to which lines. */
static void
check_rules(Work *work)
{
	for (int i = 0; i < work->awards->nverdicts; i++)
	{
		RuleVerdict *verdict = &work->awards->verdicts[i];

		verdict->reason = check_rule(work, verdict->rule);
		if (verdict->reason != NULL || !verdict->rule->by_line)
			continue;
		verdict->lines = matching_lines(work, verdict->rule);
		if (verdict->lines == NULL)
			verdict->reason = "no_matching_items";
	}
}

/* What those that apply award, together and under their limits. */
static void
judge_rules(Work *work)
{
	Awards	   *awards = work->awards;

	for (int i = 0; i < awards->nverdicts; i++)
		if (awards->verdicts[i].reason == NULL &&
			!is_multiplier(&awards->verdicts[i]))
			judge_base(work, i);
	exclude(work, false);
	combine(work, false);
	for (int i = 0; i < awards->nverdicts; i++)
		if (awards->verdicts[i].reason == NULL &&
			is_multiplier(&awards->verdicts[i]))
			judge_multiplier(work, i);
	exclude(work, true);
	combine(work, true);
	/* all of them, before one that is rounded to nothing drops out */
	for (int i = 0; i < awards->nverdicts; i++)
		if (awards->verdicts[i].reason == NULL)
			round_worth(work, i);
	for (int i = 0; i < awards->nverdicts; i++)
	{
		RuleVerdict *verdict = &awards->verdicts[i];

		if (verdict->reason == NULL && verdict->desired == 0)
			verdict->reason = "no_effect";
		if (verdict->reason == NULL)
			cap_award(work, verdict);
	}
}

/* Has a verdict put others aside, or lent itself to a multiplier? */
static bool
stands_in_way(const Awards *awards, int i)
{
	const RuleVerdict *verdict = &awards->verdicts[i];

	for (int other = 0; other < awards->nverdicts; other++)
	{
		const RuleVerdict *o = &awards->verdicts[other];

		if (other != i && o->rule->unit == verdict->rule->unit &&
			(o->reason == REASON_EXCLUSIVE || o->reason == REASON_NOT_BEST ||
			 (o->reason == NULL && is_multiplier(o) &&
			  !is_multiplier(verdict) && same_group(o, verdict))))
			return true;
	}
	return false;
}

/*
 * A rule of which its limits left nothing awards nothing, so it must not
 * keep others from it.  Takes such rules out, in `checked`; false if there
 * is none.
 */
static bool
take_out(const Awards *awards, RuleVerdict *checked)
{
	bool		any = false;

	for (int i = 0; i < awards->nverdicts; i++)
	{
		const RuleVerdict *verdict = &awards->verdicts[i];

		if (checked[i].reason == NULL && verdict->reason != NULL &&
			verdict->desired > 0 && stands_in_way(awards, i))
		{
			checked[i] = *verdict;
			any = true;
		}
	}
	return any;
}

/*
 * Judges an event by the rules of its time.  Nothing is posted yet: what may
 * be granted is noted in the decision.
 */
void
decide_awards(Decision *decision, JournalRow *row, Facts *facts)
{
	const Program *program = decision->program;
	const ProgramEvent *event = facts->event;
	Awards	   *awards = &decision->awards[decision->nawards++];
	Work		work = {decision, row, facts, awards};
	Size		size = sizeof(RuleVerdict) * Max(event->nrules, 1);
	RuleVerdict *checked = palloc(size);

	Assert(decision->nawards <= DECISION_MAX_EVENTS);
	awards->row = row;
	awards->facts = facts;
	awards->nverdicts = event->nrules;
	awards->verdicts = palloc0(size);
	work.worth = palloc(sizeof(Fraction) * Max(event->nrules, 1));
	if (program->nbenefits > 0)
		work.factors = palloc0(sizeof(int) * program->nunits);
	for (int i = 0; i < event->nrules; i++)
	{
		awards->verdicts[i].rule = &program->rules[event->first_rule + i];
		work.worth[i] = zero;
	}
	if (facts->lines != NULL && (event->needs & NEEDS_LINES))
		work.nets = cart_nets(facts->lines, row->amount);
	check_rules(&work);
	memcpy(checked, awards->verdicts, size);
	judge_rules(&work);
	/* each time there is one rule less */
	while (take_out(awards, checked))
	{
		memcpy(awards->verdicts, checked, size);
		judge_rules(&work);
	}
}

/*
 * The lot in which an award is posted.  What is dated tomorrow cannot be
 * spent today.
 */
static Lot
award_lot(const Rule *rule, const Facts *facts, DateADT today)
{
	const Unit *unit = rule->unit;
	const Tier *tier = facts->tier;
	bool		by_tier = tier != NULL && unit->kind == UNIT_POINTS;
	const Expiry *expiry = &unit->expiry;
	int			vest_days = unit->vest_days;
	Lot			lot = {.unit_id = unit->unit_id, .origin = ORIGIN_EARNED};

	if (unit->kind == UNIT_METRIC)
	{
		lot.vests_on = date_month_start(facts->on);
		lot.expires_on = DATEVAL_NOEND;
		return lot;
	}
	if (rule->has_expiry)
		expiry = &rule->expiry;
	else if (by_tier && tier->has_expiry)
		expiry = &tier->expiry;
	if (rule->vest_days >= 0)
		vest_days = rule->vest_days;
	else if (by_tier && tier->vest_days >= 0)
		vest_days = tier->vest_days;
	lot.expires_on = expiry_date(expiry, facts->on);
	/* each says its own; what is earned can be used on one day at least */
	lot.vests_on = vest_days > 0 || facts->on > today ?
		Min(facts->on + vest_days, lot.expires_on) : DATEVAL_NOBEGIN;
	return lot;
}

/* Adds to the counters of a verdict; of a period that is over nothing stays. */
static void
count_award(Decision *decision, const RuleVerdict *verdict, const Facts *facts)
{
	for (int i = 0; i < verdict->rule->ncaps; i++)
	{
		const Unit *counter = verdict->rule->caps[i].counter;
		Lot			lot = {
			.unit_id = counter->unit_id,
			.expires_on = period_end(counter->period, facts->on),
			.origin = ORIGIN_EARNED,
			.vests_on = DATEVAL_NOBEGIN,
			.amount = counted(verdict, counter)
		};

		if (lot.amount > 0 && lot.expires_on >= decision->today)
			wallet_post(&decision->account->wallet, &lot);
	}
}

/* Notes that a rule awarded, for its cooldown or its target. */
static void
note_use(Facts *facts, const Rule *rule, const char *target, TimestampTz at)
{
	for (int i = 0; i < facts->nuses; i++)
	{
		RuleUse    *use = &facts->uses[i];

		if (use->rule_id != rule->rule_id || strcmp(use->target, target) != 0)
			continue;
		use->used_at = Max(use->used_at, at);
		use->changed = true;
		return;
	}
	facts->uses = facts->uses == NULL ?
		palloc(sizeof(RuleUse)) :
		repalloc(facts->uses, sizeof(RuleUse) * (facts->nuses + 1));
	facts->uses[facts->nuses++] = (RuleUse) {
		rule->rule_id, target, at, true
	};
}

static void
grant(Decision *decision, const Awards *awards, const RuleVerdict *verdict)
{
	Facts	   *facts = awards->facts;
	Lot			lot = award_lot(verdict->rule, facts, decision->today);

	lot.amount = verdict->granted;
	decide_post(decision, awards->row, lot, verdict->rule->rule_id);
	count_award(decision, verdict, facts);
	if (verdict->rule->cooldown != NULL)
		note_use(facts, verdict->rule, "", awards->row->effective_at);
	if (verdict->rule->once_per_target)
		note_use(facts, verdict->rule, facts->target,
				 awards->row->effective_at);
}

/* Notes an event in the account. */
static void
note_event(Account *account, const JournalRow *row)
{
	TimestampTz at = row->effective_at;

	if (account->first_event_at == DT_NOBEGIN || at < account->first_event_at)
		account->first_event_at = at;
	account->last_event_at = Max(account->last_event_at, at);
	if (strcmp(row->event, "purchase") != 0)
		return;
	account->purchases++;
	if (account->first_purchase_at == DT_NOBEGIN ||
		at < account->first_purchase_at)
		account->first_purchase_at = at;
	account->last_purchase_at = Max(account->last_purchase_at, at);
}

/*
 * Keeps what each rule came to with the event where the programme wants it
 * explained, or a refund has to know for which lines it was; unless the
 * entries say all of it.
 */
static void
keep_verdicts(const Awards *awards, bool explain)
{
	JournalRow *row = awards->row;

	if (awards->nverdicts == 0 ||
		!(explain || (awards->facts->event->needs & NEEDS_RECORD)))
		return;
	row->awarded_plainly = explain && decide_is_plain(awards);
	if (!row->awarded_plainly)
		row->awards = decide_record(awards, explain);
}

/* Posts what the judged events were granted, event by event, and promotes. */
void
decide_grant(Decision *decision)
{
	for (int e = 0; e < decision->nawards; e++)
	{
		Awards	   *awards = &decision->awards[e];

		for (int i = 0; i < awards->nverdicts; i++)
			if (awards->verdicts[i].granted > 0)
				grant(decision, awards, &awards->verdicts[i]);
		keep_verdicts(awards, decision->program->explain);
		note_event(decision->account, awards->row);
		decide_tier_join(decision, awards->row);
		decide_tier_promote(decision, awards->row);
	}
}
