/*
 * decide_tier.c
 *
 * The tier of an account, decided in memory from the months of its metrics.
 *
 * A period of a tier runs from tier_since to tier_until, and is reviewed on
 * the day after.  A review looks at what counted up to the last day of the
 * period, so it comes to the same whether it is made on that day or a year
 * later: whatever came in since then was settled before it was posted.
 *
 * In grace tier_until is the end of the grace, and what is reached in it is
 * added to the period's: the window gets longer, it does not move.
 *
 * A plan may give a tier: while one of its periods runs, the tier is not
 * lower.  It is granted on the first day of the period, or on the day on which
 * a higher one is lost, and ends with the period.
 */
#include "decide.h"

#include "amount.h"

/*
 * The lowest tier that asks for nothing: everybody is in it.  One that asks
 * for nothing and is not the lowest of these is given by hand only.
 */
static const Tier *
base_tier(const Program *program)
{
	for (int i = 0; i < program->ntiers; i++)
	{
		const Tier *tier = &program->tiers[i];

		if (tier->nthresholds == 0 || tier->thresholds[0].retention)
			return tier;
	}
	return NULL;
}

/* The tier of an id; 0: the base tier, NULL if there is none. */
const Tier *
decide_tier_of(const Program *program, int32 tier_id)
{
	return tier_id == 0 ? base_tier(program) :
		program_tier_by_id(program, tier_id);
}

/* The tier that the account is in; NULL: none. */
const Tier *
decide_tier(const Decision *decision)
{
	return decide_tier_of(decision->program, decision->account->tier_id);
}

/*
 * Which tier the changes of this decision, which are not in the history yet,
 * give for a time.  False if none of them was before.
 */
bool
decide_tier_by(const Decision *decision, TimestampTz at, int32 *tier_id)
{
	for (int i = decision->nrows - 1; i >= 0; i--)
	{
		const JournalRow *row = decision->rows[i];

		for (int j = row->nchanges - 1; j >= 0; j--)
			if (row->changes[j].effective_at <= at)
			{
				*tier_id = row->changes[j].tier_after;
				return true;
			}
	}
	return false;
}

/* The last day on which it is held without a review; DATEVAL_NOEND: no end. */
DateADT
decide_tier_until(const Decision *decision)
{
	const Account *account = decision->account;

	return Max(account->tier_until, account->tier_locked_until);
}

/* The last day of the period, which grace does not move. */
DateADT
decide_tier_period_end(const Decision *decision)
{
	DateADT		until = decide_tier_until(decision);

	return decision->account->tier_state == TIER_GRACE ?
		until - decide_tier(decision)->grace_days : until;
}

/* The last day of a period that begins on a date. */
static DateADT
period_until(const Tier *tier, DateADT since)
{
	DateADT		until;

	if (tier->valid_months == 0)
		return DATEVAL_NOEND;
	until = date_add_months(since, tier->valid_months) - 1;
	if (tier->valid_round == ROUND_MONTH)
		until = period_end(PERIOD_MONTH, until);
	else if (tier->valid_round == ROUND_YEAR)
		until = period_end(PERIOD_YEAR, until);
	return until > WALLET_LAST_DATE ? DATEVAL_NOEND : until;
}

/* What a metric's lots of the month in which a period began held then. */
static int64
base_amount(const Account *account, int32 unit_id)
{
	for (int i = 0; i < account->ntier_base; i++)
		if (account->tier_base[2 * i] == unit_id)
			return account->tier_base[2 * i + 1];
	return 0;
}

static DateADT
window_start(const Decision *decision, const TierThreshold *threshold,
			 DateADT on)
{
	DateADT		month = date_month_start(on);

	switch (threshold->window)
	{
		case WINDOW_ROLLING:
			if (month - WALLET_FIRST_DATE < threshold->months * 31)
				return DATEVAL_NOBEGIN;
			return date_add_months(month, 1 - threshold->months);
		case WINDOW_CALENDAR_YEAR:
			return period_start(PERIOD_YEAR, on);
		case WINDOW_TIER_START:
			return decision->account->tier_since;
		case WINDOW_LIFETIME:
			return DATEVAL_NOBEGIN;
	}
	elog(ERROR, "unknown window %d", threshold->window);
}

/* The sum of the months of a metric from one date to another. */
static int64
metric_sum(const Decision *decision, const TierThreshold *threshold,
		   DateADT from, DateADT until)
{
	const Account *account = decision->account;
	int32		unit_id = threshold->unit->unit_id;
	DateADT		first = from == DATEVAL_NOBEGIN ? DATEVAL_NOBEGIN :
		date_month_start(from);
	int64		sum = 0;
	int64		in_first = 0;

	for (int i = 0; i < account->wallet.n; i++)
	{
		const Lot  *lot = &account->wallet.lots[i];

		if (lot->unit_id != unit_id ||
			lot->vests_on < first || lot->vests_on > until)
			continue;
		if (lot->vests_on == first)
			in_first = amount_add(in_first, lot->amount);
		else
			sum = amount_add(sum, lot->amount);
	}
	/* a refund of what was bought before cannot count against the period */
	if (threshold->window == WINDOW_TIER_START && first != DATEVAL_NOBEGIN)
		in_first = Max(in_first - base_amount(account, unit_id), 0);
	return amount_add(sum, in_first);
}

/*
 * What of a metric counts towards a threshold whose window ends as it does on
 * `on`, and goes on until `until`; *from gets the first day that counts,
 * DATEVAL_NOBEGIN: all.
 */
int64
decide_tier_reached(const Decision *decision, const TierThreshold *threshold,
					DateADT on, DateADT until, DateADT *from)
{
	*from = window_start(decision, threshold, on);
	return metric_sum(decision, threshold, *from, until);
}

/* The same for a window that ends on a date. */
int64
decide_metric(const Decision *decision, const TierThreshold *window,
			  DateADT on, DateADT *from)
{
	return decide_tier_reached(decision, window, on, on, from);
}

/*
 * Judges the entry or retention thresholds of a tier: windows end as they do
 * on `on`, and go on until `until`.  With no thresholds of retention those of
 * entry stand; with none at all nothing is met.  The base tier's always are.
 */
static TierJudgement
judge(const Decision *decision, const Tier *tier, bool retention,
	  DateADT on, DateADT until)
{
	TierJudgement judgement = {.until = until};
	bool		all;

	judgement.met = tier == base_tier(decision->program);
	if (judgement.met)
		return judgement;
	retention = retention && tier->nthresholds > 0 &&
		tier->thresholds[tier->nthresholds - 1].retention;
	all = retention ? tier->retention_all : tier->entry_all;
	for (int i = 0; i < tier->nthresholds; i++)
	{
		const TierThreshold *threshold = &tier->thresholds[i];
		DateADT		from;
		int64		reached;
		bool		met;

		if (threshold->retention != retention)
			continue;
		reached = decide_tier_reached(decision, threshold, on, until, &from);
		met = reached >= threshold->threshold;
		if (judgement.decisive == NULL || met != all)
		{
			judgement.met = met;
			judgement.decisive = threshold;
			judgement.reached = reached;
			judgement.from = from;
		}
		if (met != all)
			return judgement;
	}
	return judgement;
}

static TierJudgement
judge_entry(const Decision *decision, const Tier *tier, DateADT on)
{
	return judge(decision, tier, false, on, on);
}

/*
 * Is what the tier asks for retention met, by the end of its period or of
 * the grace, as far as it has come?
 */
TierJudgement
decide_tier_retention(const Decision *decision)
{
	const Tier *tier = decide_tier(decision);

	return judge(decision, tier, true, decide_tier_period_end(decision),
				 decide_tier_until(decision));
}

/* Does a tier have thresholds of entry, so that it can be reached? */
static bool
can_be_reached(const Tier *tier)
{
	return tier->nthresholds > 0 && !tier->thresholds[0].retention;
}

/* The next higher tier that can be reached; NULL: none. */
const Tier *
decide_tier_next(const Decision *decision)
{
	const Program *program = decision->program;
	const Tier *current = decide_tier(decision);

	for (int i = 0; i < program->ntiers; i++)
		if ((current == NULL || program->tiers[i].rank > current->rank) &&
			can_be_reached(&program->tiers[i]))
			return &program->tiers[i];
	return NULL;
}

/* Is the share of one threshold that is missing below that of another? */
static bool
is_nearer(int64 missing, int64 threshold, int64 other_missing,
		  int64 other_threshold)
{
	return (int128) missing * other_threshold <
		(int128) other_missing * threshold;
}

/*
 * Which entry threshold of the next tier decides how near that is: of several
 * that must all be met the farthest, else the nearest.  NULL: there is no
 * next tier.  *missing: how much.
 */
const TierThreshold *
decide_tier_nearest(const Decision *decision, const Tier **next,
					int64 *missing)
{
	const TierThreshold *nearest = NULL;

	*next = decide_tier_next(decision);
	for (int i = 0; *next != NULL && i < (*next)->nthresholds; i++)
	{
		const TierThreshold *threshold = &(*next)->thresholds[i];
		DateADT		from;
		int64		left;

		if (threshold->retention)
			break;
		left = Max(threshold->threshold -
				   decide_metric(decision, threshold, decision->today, &from),
				   0);
		if (nearest != NULL &&
			is_nearer(left, threshold->threshold, *missing,
					  nearest->threshold) == (*next)->entry_all)
			continue;
		nearest = threshold;
		*missing = left;
	}
	return nearest;
}

/* Does any tier count a unit from the start of a period? */
static bool
counts_from_start(const Program *program, int32 unit_id)
{
	for (int i = 0; i < program->ntiers; i++)
	{
		const Tier *tier = &program->tiers[i];

		for (int j = 0; j < tier->nthresholds; j++)
			if (tier->thresholds[j].window == WINDOW_TIER_START &&
				tier->thresholds[j].unit->unit_id == unit_id)
				return true;
	}
	return false;
}

/* Notes what the metrics of the month of a date stand at. */
static void
note_base(Decision *decision, DateADT since)
{
	const Program *program = decision->program;
	Account    *account = decision->account;
	DateADT		month = date_month_start(since);

	account->ntier_base = 0;
	account->tier_base = palloc(sizeof(int64) * 2 * Max(program->nunits, 1));
	for (int i = 0; i < program->nunits; i++)
	{
		int32		unit_id = program->units[i].unit_id;
		int64		sum = 0;

		if (!counts_from_start(program, unit_id))
			continue;
		for (int j = 0; j < account->wallet.n; j++)
			if (account->wallet.lots[j].unit_id == unit_id &&
				account->wallet.lots[j].vests_on == month)
				sum = amount_add(sum, account->wallet.lots[j].amount);
		if (sum == 0)
			continue;
		account->tier_base[2 * account->ntier_base] = unit_id;
		account->tier_base[2 * account->ntier_base + 1] = sum;
		account->ntier_base++;
	}
}

/* The tier that the account has now was given by no plan. */
static void
note_own_tier(Decision *decision)
{
	decision->has_own_tier = true;
	decision->own_tier_id = decision->account->tier_id;
	decision->own_tier_until = decision->account->tier_until;
}

/*
 * Puts the account into a tier (NULL: none) for a period, and notes the
 * change in the row.
 */
static TierChange *
begin_period(Decision *decision, JournalRow *row, TierAction action,
			 const Tier *tier, DateADT since, DateADT until)
{
	Account    *account = decision->account;
	TierChange *change = journal_row_change(row, action);

	/* a late event changes the tier now; a review, when it was due */
	if (strcmp(row->kind, "tier_review") != 0)
		change->effective_at = decision->now;
	change->tier_before = account->tier_id;
	change->tier_after = tier == NULL ? 0 : tier->tier_id;
	change->tier_until = until;

	account->tier_id = change->tier_after;
	account->tier_since = tier == NULL ? DATEVAL_NOBEGIN : since;
	account->tier_until = until;
	account->tier_state = TIER_NORMAL;
	account->tier_promoted = action == TIER_PROMOTED;
	if (account->tier_locked_until < since)
		account->tier_locked_until = DATEVAL_NOBEGIN;
	change->locked_until = account->tier_locked_until;
	if (tier == NULL)
		account->ntier_base = 0;
	else
		note_base(decision, since);
	row->tier_after = account->tier_id;
	if (action != TIER_BOUGHT)
		note_own_tier(decision);
	return change;
}

/* Notes which threshold decided. */
static void
note_judgement(TierChange *change, const TierJudgement *judgement)
{
	if (judgement->decisive == NULL)
		return;
	change->unit_id = judgement->decisive->unit->unit_id;
	change->reached = judgement->reached;
	change->threshold = judgement->decisive->threshold;
	change->window_from = judgement->from;
	change->window_until = judgement->until;
}

/* Who is in no tier joins the base tier, if there is one. */
void
decide_tier_join(Decision *decision, JournalRow *row)
{
	const Tier *base = base_tier(decision->program);
	DateADT		today = decision->today;

	if (decision->account->tier_id == 0 && base != NULL)
		begin_period(decision, row, TIER_JOINED, base, today,
					 period_until(base, today));
}

/*
 * Holds the tier for another period, which begins where the last one ended;
 * after a grace it counts anew from the day on which enough was reached.
 */
static void
prolong(Decision *decision, JournalRow *row, const Tier *tier,
		const TierJudgement *judgement, DateADT on)
{
	DateADT		since = decide_tier_period_end(decision) + 1;
	DateADT		until = period_until(tier, since);

	if (decision->account->tier_state == TIER_GRACE)
	{
		since = on;
		if (until < on)
			until = period_until(tier, on);
	}
	note_judgement(begin_period(decision, row, TIER_PROLONGED, tier, since,
								until), judgement);
}

/*
 * Promotes to the highest tier whose entry thresholds are met; or, in grace,
 * keeps the tier if enough has been reached by now.
 */
void
decide_tier_promote(Decision *decision, JournalRow *row)
{
	const Program *program = decision->program;
	DateADT		today = decision->today;
	const Tier *current;
	TierJudgement judgement;

	decide_tier_join(decision, row);
	current = decide_tier(decision);
	for (int i = program->ntiers - 1; i >= 0; i--)
	{
		const Tier *tier = &program->tiers[i];

		if (current != NULL && tier->rank <= current->rank)
			break;
		if (!can_be_reached(tier))
			continue;
		judgement = judge_entry(decision, tier, today);
		if (judgement.met)
		{
			note_judgement(begin_period(decision, row, TIER_PROMOTED, tier,
										today, period_until(tier, today)),
						   &judgement);
			return;
		}
	}
	if (current == NULL || decision->account->tier_state != TIER_GRACE)
		return;
	judgement = decide_tier_retention(decision);
	if (judgement.met)
		prolong(decision, row, current, &judgement, today);
}

/*
 * Are the entry thresholds of the account's tier still met, on the day on
 * which it was reached or today?  What was counted from the start of the
 * tier before cannot be counted again, and stands until the review.
 */
static bool
still_reached(const Decision *decision, const Tier *tier,
			  TierJudgement *judgement)
{
	for (int i = 0; i < tier->nthresholds; i++)
		if (!tier->thresholds[i].retention &&
			tier->thresholds[i].window == WINDOW_TIER_START)
			return true;
	*judgement = judge_entry(decision, tier, decision->account->tier_since);
	return judgement->met ||
		judge_entry(decision, tier, decision->today).met;
}

/* The highest lower tier whose entry thresholds are met on a date. */
static const Tier *
qualified_below(const Decision *decision, const Tier *tier, DateADT on,
				DateADT until)
{
	const Program *program = decision->program;

	for (int i = program->ntiers - 1; i >= 0; i--)
	{
		const Tier *lower = &program->tiers[i];

		if (lower->rank < tier->rank &&
			judge(decision, lower, false, on, until).met)
			return lower;
	}
	return NULL;
}

/*
 * Down to what was reached by `counted`, or to an earlier tier (0: none), as
 * long as that would still be held.
 */
static void
fall_back(Decision *decision, JournalRow *row, const TierJudgement *judgement,
		  int32 earlier_tier_id, DateADT earlier_until, DateADT counted,
		  DateADT on)
{
	const Tier *tier = decide_tier(decision);
	const Tier *target = qualified_below(decision, tier, counted, counted);
	const Tier *earlier;
	DateADT		until;
	bool		reached;

	until = target == NULL ? DATEVAL_NOEND : period_until(target, on);
	reached = target != NULL && can_be_reached(target);
	earlier = earlier_tier_id == 0 ? NULL :
		program_tier_by_id(decision->program, earlier_tier_id);
	if (earlier != NULL && earlier->rank < tier->rank && earlier_until >= on &&
		(target == NULL || earlier->rank >= target->rank))
	{
		reached = reached && earlier == target;
		target = earlier;
		until = earlier_until;
	}
	note_judgement(begin_period(decision, row, TIER_REVOKED, target, on,
								until), judgement);
	decision->account->tier_promoted = reached;
}

static const Tier *
tier_of_period(const Decision *decision, const PlanPeriod *period)
{
	return period->tier_id == 0 ? NULL :
		program_tier_by_id(decision->program, period->tier_id);
}

/* The tier that a plan gives on a date; NULL: none.  *until: its last day. */
static const Tier *
plan_tier(const Decision *decision, DateADT on, DateADT *until)
{
	const Tier *tier = NULL;
	DateADT		next = on;

	for (int i = 0; i < decision->nperiods; i++)
	{
		const PlanPeriod *period = &decision->periods[i];

		if (period->starts_on > next || period->ends_on < next ||
			(tier != NULL && tier != tier_of_period(decision, period)))
			continue;
		tier = tier_of_period(decision, period);
		if (tier == NULL)
			return NULL;
		/* periods that follow one another are one */
		*until = period->ends_on;
		next = *until + 1;
	}
	return tier;
}

static bool
is_above(const Tier *tier, const Tier *other)
{
	return tier != NULL && (other == NULL || tier->rank > other->rank);
}

/*
 * The first day, of those not settled and of those to come, on which a plan
 * gives a higher tier than is held.
 */
static DateADT
plan_tier_due(const Decision *decision)
{
	const Account *account = decision->account;
	const Tier *tier = decide_tier(decision);
	DateADT		from = Max(Min(account->settled_on, decision->today),
						   account->tier_since);

	for (int i = 0; i < decision->nperiods; i++)
	{
		const PlanPeriod *period = &decision->periods[i];
		DateADT		on = Max(period->starts_on, from);

		if (on <= period->ends_on &&
			is_above(tier_of_period(decision, period), tier))
			return on;
	}
	return DATEVAL_NOEND;
}

/*
 * Gives the tier of the plan that runs on a date, if it is higher than the
 * one that is held, or is this one and that ends.
 */
static bool
join_plan_tier(Decision *decision, JournalRow *row, DateADT on)
{
	const Tier *current = decide_tier(decision);
	DateADT		until;
	const Tier *tier = plan_tier(decision, on, &until);

	if (!is_above(tier, current) &&
		(tier == NULL || tier != current || on <= decide_tier_until(decision)))
		return false;
	begin_period(decision, row, TIER_BOUGHT, tier, on, until);
	return true;
}

/*
 * Takes a promotion back that an order had brought about and a refund takes
 * away.
 */
void
decide_tier_refund(Decision *decision, JournalRow *row)
{
	const Account *account = decision->account;
	DateADT		today = decision->today;
	TierJudgement judgement;

	if (decision->program->tier_refund != TIER_REFUND_IMMEDIATE ||
		!account->tier_promoted || account->tier_locked_until >= today ||
		still_reached(decision, decide_tier(decision), &judgement))
		return;
	fall_back(decision, row, &judgement, decision->earlier_tier_id,
			  decision->earlier_tier_until, today, today);
	(void) join_plan_tier(decision, row, today);
}

/* Does the tier end because the plan that gave it does? */
static bool
ends_with_plan(const Decision *decision)
{
	const Account *account = decision->account;

	for (int i = 0; i < decision->nperiods; i++)
		if (decision->periods[i].tier_id == account->tier_id &&
			decision->periods[i].ends_on == account->tier_until)
			return !account->tier_promoted &&
				account->tier_state != TIER_GRACE;
	return false;
}

/*
 * What a plan gave is over: back to what the member has by himself.  judgement
 * tells that this is not the same.
 */
static void
lose_plan_tier(Decision *decision, JournalRow *row,
			   const TierJudgement *judgement, DateADT on)
{
	fall_back(decision, row, judgement, decision->own_tier_id,
			  decision->own_tier_until, judgement->until, on);
}

/*
 * The member's periods have changed: a tier that a plan has given ends with
 * it, and goes on with it.  Who has reached it by himself keeps it.
 */
void
decide_tier_plan(Decision *decision, JournalRow *row, bool by_plan)
{
	DateADT		today = decision->today;
	const Tier *current = decide_tier(decision);
	DateADT		until;
	const Tier *tier = plan_tier(decision, today, &until);

	if (by_plan && (tier == NULL || is_above(current, tier)))
	{
		TierJudgement judgement = judge_entry(decision, current, today);

		if (judgement.met)
			note_judgement(begin_period(decision, row, TIER_PROLONGED,
										current, today,
										period_until(current, today)),
						   &judgement);
		else
			lose_plan_tier(decision, row, &judgement, today);
		current = decide_tier(decision);
		by_plan = false;
	}
	if (is_above(tier, current) ||
		(by_plan && until != decide_tier_until(decision)))
		begin_period(decision, row, TIER_BOUGHT, tier, today, until);
}

/*
 * The next date of a warning or a review.  One that was missed, because the
 * configuration has changed since, is the day that was settled last.
 */
static DateADT
review_due(const Decision *decision)
{
	const Account *account = decision->account;
	const Tier *tier = decide_tier(decision);
	DateADT		until = decide_tier_until(decision);
	DateADT		settled_on = Min(account->settled_on, decision->today);
	DateADT		warn_on;

	if (account->tier_id == 0 || tier == NULL || until == DATEVAL_NOEND)
		return DATEVAL_NOEND;
	warn_on = until - tier->warn_days;
	/* a warning as long as the period itself would say nothing */
	if (account->tier_state == TIER_NORMAL && tier->warn_days > 0 &&
		warn_on > account->tier_since)
	{
		if (warn_on > decision->today)
			return warn_on;
		if (!decide_tier_retention(decision).met)
			return Max(warn_on, settled_on);
	}
	return Max(until + 1, settled_on);
}

/* The next date on which the tier must be looked at. */
DateADT
decide_tier_due(const Decision *decision)
{
	return Min(review_due(decision), plan_tier_due(decision));
}

/* Notes what leaves the tier as it is. */
static void
note_state(Decision *decision, JournalRow *row, TierAction action,
		   TierState state, const TierJudgement *judgement)
{
	Account    *account = decision->account;
	TierChange *change = journal_row_change(row, action);

	account->tier_state = state;
	row->tier_after = account->tier_id;
	change->tier_before = account->tier_id;
	change->tier_after = account->tier_id;
	change->tier_until = account->tier_until;
	change->locked_until = account->tier_locked_until;
	note_judgement(change, judgement);
}

/* Leaves the tier for some days more, in which to reach what is missing. */
static void
let_into_grace(Decision *decision, JournalRow *row, const Tier *tier,
			   const TierJudgement *judgement)
{
	Account    *account = decision->account;

	account->tier_until = decide_tier_until(decision) + tier->grace_days;
	account->tier_locked_until = DATEVAL_NOBEGIN;
	note_state(decision, row, TIER_GRACE_BEGINS, TIER_GRACE, judgement);
}

static void
demote(Decision *decision, JournalRow *row, const Tier *tier,
	   const TierJudgement *judgement, DateADT on)
{
	const Program *program = decision->program;
	const Tier *target = NULL;

	if (tier->demotion == DEMOTE_TO_QUALIFIED)
		target = qualified_below(decision, tier,
								 decide_tier_period_end(decision),
								 decide_tier_until(decision));
	else
		for (int i = 0; i < program->ntiers; i++)
			if (program->tiers[i].rank < tier->rank &&
				(can_be_reached(&program->tiers[i]) ||
				 &program->tiers[i] == base_tier(program)))
				target = &program->tiers[i];
	note_judgement(begin_period(decision, row, TIER_DEMOTED, target, on,
								target == NULL ? DATEVAL_NOEND :
								period_until(target, on)), judgement);
}

/*
 * Gives the tier of a plan, warns, prolongs, lets into grace or demotes: what
 * is due on that date.
 */
void
decide_tier_review(Decision *decision, JournalRow *row, DateADT on)
{
	const Tier *tier = decide_tier(decision);
	TierJudgement judgement;

	row->tier_before = decision->account->tier_id;
	/* who is in no tier by then must not join a plan that is over again */
	decision->account->settled_on = Max(decision->account->settled_on, on);
	if (join_plan_tier(decision, row, on))
		return;
	judgement = decide_tier_retention(decision);
	if (on <= decide_tier_until(decision))
		note_state(decision, row, TIER_WARN, TIER_WARNED, &judgement);
	else if (!judgement.met && ends_with_plan(decision))
		lose_plan_tier(decision, row, &judgement, on);
	else if (judgement.met || tier->demotion == DEMOTE_NEVER)
		prolong(decision, row, tier, &judgement, on);
	else if (tier->grace_days > 0 &&
			 decision->account->tier_state != TIER_GRACE)
		let_into_grace(decision, row, tier, &judgement);
	else
		demote(decision, row, tier, &judgement, on);
}

/* Gives a tier by hand. */
void
decide_tier_grant(Decision *decision, JournalRow *row, const Tier *tier,
				  DateADT tier_until, DateADT locked_until)
{
	DateADT		today = decision->today;

	decision->account->tier_locked_until = locked_until;
	begin_period(decision, row, TIER_GRANTED, tier, today,
				 tier_until == DATEVAL_NOBEGIN ?
				 period_until(tier, today) : tier_until);
}

/*
 * Takes over a tier that was held already.  What its metrics hold of the
 * month in which it began counts as come in since.  until DATEVAL_NOBEGIN:
 * as long as the tier is valid.
 */
void
decide_tier_import(Decision *decision, JournalRow *row, const Tier *tier,
				   DateADT since, DateADT until)
{
	TierChange *change =
		begin_period(decision, row, TIER_GRANTED, tier, since,
					 until == DATEVAL_NOBEGIN ?
					 period_until(tier, since) : until);

	if (since < decision->today)
		change->effective_at = program_midnight(decision->program, since);
}
