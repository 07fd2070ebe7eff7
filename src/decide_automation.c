/*
 * decide_automation.c
 *
 * Automations that start on a date: what is due for a member, and when he is
 * due next.  A date that something is relative to makes one occurrence, so
 * that it does not matter how often, or how late, he is looked at.
 */
#include "decide_document.h"

#include "utils/datetime.h"

#include "amount.h"

/* What is looked for, and what was found. */
typedef struct Search
{
	const Decision *decision;
	const Timed *timed;			/* or NULL: nothing is known beside the account */
	const Automation *automation;
	bool		coming;			/* tell also what is not due yet */
	DateADT		next;			/* the first date after today */
	bool		due;			/* something is due by now */
	List	   *occurrences;	/* Occurrence */
} Search;

/*
 * Takes up something that is due on a date.  Returns what is to be told of
 * it, or NULL: it is too late for it, or too early.
 */
static Occurrence *
consider(Search *search, DateADT due_on)
{
	const Decision *decision = search->decision;
	const Automation *automation = search->automation;
	Occurrence *occurrence;
	TimestampTz at;

	if (due_on < decision->today - automation->late_days ||
		due_on < WALLET_FIRST_DATE || due_on > WALLET_LAST_DATE)
		return NULL;
	at = program_at(decision->program, due_on, automation->at_time);
	if (at < automation->starts_at || at >= automation->ends_at)
		return NULL;
	if (due_on > decision->today)
		search->next = Min(search->next, due_on);
	else
		search->due = true;
	if (due_on > decision->today && !search->coming)
		return NULL;
	occurrence = palloc0(sizeof(Occurrence));
	occurrence->automation = automation;
	occurrence->due_on = due_on;
	occurrence->at = at;
	search->occurrences = lappend(search->occurrences, occurrence);
	return occurrence;
}

/* The same for what may be nothing then: the member is only looked at. */
static void
look_out(Search *search, DateADT due_on)
{
	bool		coming = search->coming;

	search->coming = false;
	if (due_on > search->decision->today)
		consider(search, due_on);
	search->coming = coming;
}

static void
begin_trigger(JsonbParseState **state, const Occurrence *occurrence)
{
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	push_date(state, "due_on", occurrence->due_on);
}

/*
 * The day of the year of a date, in another year.  29 February is
 * 28 February in a year that has none, as in date_recurs().
 */
static DateADT
recurs_on(int year, int month, int day)
{
	day = Min(day, day_tab[isleap(year)][month - 1]);
	return date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
}

static int
year_of(DateADT date)
{
	return date_year(Min(Max(date, WALLET_FIRST_DATE), WALLET_LAST_DATE));
}

/* Of something relative to a date; years: since what is remembered. */
static void
consider_date(Search *search, DateADT date, int years)
{
	const Automation *automation = search->automation;
	Occurrence *occurrence = consider(search, date + automation->days);
	JsonbParseState *state = NULL;

	if (occurrence == NULL)
		return;
	occurrence->text = date_text(date);
	begin_trigger(&state, occurrence);
	push_date(&state, "date", date);
	if (years > 0)
		push_amount(&state, "years", years, 0);
	occurrence->trigger = end_object(&state);
}

/* The first date on which the automation may start. */
static DateADT
first_date(const Search *search)
{
	TimestampTz starts_at = search->automation->starts_at;

	return TIMESTAMP_NOT_FINITE(starts_at) ? WALLET_FIRST_DATE :
		program_date(search->decision->program, starts_at);
}

/*
 * Each year again on a day of the year; not before the year after `since`
 * (0: it is not known, or does not matter).
 */
static void
consider_yearly(Search *search, int since, int month, int day)
{
	const Automation *automation = search->automation;
	DateADT		today = search->decision->today;
	DateADT		starts_on = first_date(search);
	int			from = year_of(Max(today - automation->late_days, starts_on) -
							   automation->days);
	int			until = year_of(Max(today, starts_on) - automation->days) + 1;

	for (int year = Max(from, since + 1); year <= Max(until, since + 1); year++)
		consider_date(search, recurs_on(year, month, day),
					  since > 0 ? year - since : 0);
}

/* Once on a date, or on the same day of each later year. */
static void
consider_past(Search *search, DateADT date)
{
	int			year;
	int			month;
	int			day;

	if (DATE_NOT_FINITE(date))
		return;
	if (!search->automation->yearly)
	{
		consider_date(search, date, 0);
		return;
	}
	j2date(date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	consider_yearly(search, year, month, day);
}

static DateADT
date_or_none(const Decision *decision, TimestampTz at)
{
	return TIMESTAMP_NOT_FINITE(at) ? DATEVAL_NOBEGIN :
		program_date(decision->program, at);
}

static bool
is_about(const Automation *automation, const char *name)
{
	return automation->trigger_name != NULL &&
		strcmp(automation->trigger_name, name) == 0;
}

/* How long a tier is held, if that ends: when, and which it is. */
static void
consider_tier(Search *search)
{
	DateADT		until = decide_tier_until(search->decision);
	const Tier *tier = decide_tier(search->decision);
	Occurrence *occurrence;
	JsonbParseState *state = NULL;

	if (DATE_NOT_FINITE(until) || tier == NULL)
		return;
	occurrence = consider(search, until + search->automation->days);
	if (occurrence == NULL)
		return;
	occurrence->text = date_text(until);
	begin_trigger(&state, occurrence);
	push_date(&state, "date", until);
	push_cstring(&state, "tier", tier->code);
	occurrence->trigger = end_object(&state);
}

/* Relative to a date of the member. */
static void
search_date(Search *search)
{
	const Decision *decision = search->decision;
	const Account *account = decision->account;
	const Timed *timed = search->timed;

	if (is_about(search->automation, "tier_until"))
		consider_tier(search);
	else if (is_about(search->automation, "first_purchase"))
		consider_past(search, date_or_none(decision,
										   account->first_purchase_at));
	else if (is_about(search->automation, "last_purchase"))
		consider_past(search, date_or_none(decision,
										   account->last_purchase_at));
	else if (timed == NULL)
		return;
	else if (is_about(search->automation, "joined"))
		consider_past(search, timed->joined_on);
	else if (is_about(search->automation, "birthday") &&
			 timed->birth_month > 0)
		consider_yearly(search, 0, timed->birth_month, timed->birth_day);
}

/* All that expires of a unit on one date, unless it is too little. */
static void
consider_expiry(Search *search, const Unit *unit, DateADT expires_on)
{
	const Automation *automation = search->automation;
	int64		amount = wallet_expiring(&search->decision->account->wallet,
										 unit->unit_id, expires_on,
										 expires_on);
	Occurrence *occurrence;
	JsonbParseState *state = NULL;

	if (amount <= 0 || amount < automation->min_amount ||
		expires_on < search->decision->today)
		return;
	occurrence = consider(search, expires_on - automation->days);
	if (occurrence == NULL)
		return;
	occurrence->text = psprintf("%s %s", unit->code, date_text(expires_on));
	begin_trigger(&state, occurrence);
	push_cstring(&state, "unit", unit->code);
	push_amount(&state, "amount", amount, unit->scale);
	push_date(&state, "expires_on", expires_on);
	occurrence->trigger = end_object(&state);
}

/* Does the automation ask about what expires of a unit? */
static const Unit *
unit_asked(const Search *search, int32 unit_id)
{
	const Automation *automation = search->automation;
	const Unit *unit;

	if (automation->trigger_name != NULL && automation->unit_id != unit_id)
		return NULL;
	unit = program_unit_by_id(search->decision->program, unit_id);
	return unit->kind == UNIT_POINTS || unit->kind == UNIT_MONEY ? unit :
		NULL;
}

/* By unit and expiry date: so the lots of a wallet are in order. */
static void
search_points(Search *search)
{
	const LotList *wallet = &search->decision->account->wallet;

	for (int i = 0; i < wallet->n; i++)
	{
		const Lot  *lot = &wallet->lots[i];
		const Unit *unit = unit_asked(search, lot->unit_id);

		if (unit == NULL || DATE_NOT_FINITE(lot->expires_on) ||
			(i > 0 && wallet->lots[i - 1].unit_id == lot->unit_id &&
			 wallet->lots[i - 1].expires_on == lot->expires_on))
			continue;
		consider_expiry(search, unit, lot->expires_on);
	}
}

static void
search_coupons(Search *search)
{
	const Automation *automation = search->automation;
	const Timed *timed = search->timed;

	for (int i = 0; timed != NULL && i < timed->ncoupons; i++)
	{
		const TimedCoupon *coupon = &timed->coupons[i];
		Occurrence *occurrence;
		JsonbParseState *state = NULL;

		if ((automation->trigger_name != NULL &&
			 !is_about(automation, coupon->name)) ||
			coupon->valid_until < search->decision->today)
			continue;
		if (!coupon->usable)
		{
			/* nothing is told of it, unless it comes back */
			look_out(search, coupon->valid_until - automation->days);
			continue;
		}
		occurrence = consider(search, coupon->valid_until - automation->days);
		if (occurrence == NULL)
			continue;
		occurrence->text = psprintf(INT64_FORMAT, coupon->coupon_no);
		begin_trigger(&state, occurrence);
		push_cstring(&state, "coupon", coupon->name);
		push_amount(&state, "coupon_no", coupon->coupon_no, 0);
		push_date(&state, "valid_until", coupon->valid_until);
		occurrence->trigger = end_object(&state);
	}
}

static void
search_plans(Search *search)
{
	const Automation *automation = search->automation;
	const Timed *timed = search->timed;

	for (int i = 0; timed != NULL && i < timed->nplans; i++)
	{
		const TimedPlan *plan = &timed->plans[i];
		Occurrence *occurrence;
		JsonbParseState *state = NULL;
		JsonbValue	renews = {.type = jbvBool, .val.boolean = plan->auto_renew};

		if (automation->trigger_name != NULL &&
			!is_about(automation, plan->name))
			continue;
		occurrence = consider(search, plan->ends_on - automation->days);
		if (occurrence == NULL)
			continue;
		occurrence->text = psprintf("%s %s", plan->name,
									date_text(plan->ends_on));
		begin_trigger(&state, occurrence);
		push_cstring(&state, "plan", plan->name);
		push_date(&state, "ends_on", plan->ends_on);
		push_key(&state, "auto_renew");
		pushJsonbValue(&state, WJB_VALUE, &renews);
		occurrence->trigger = end_object(&state);
	}
}

/*
 * Since the last purchase, or the last event of any kind; of whom there was
 * none, since he joined.
 */
static void
search_silence(Search *search)
{
	const Decision *decision = search->decision;
	const Automation *automation = search->automation;
	const Account *account = decision->account;
	DateADT		since = date_or_none(decision,
									 is_about(automation, "purchase") ?
									 account->last_purchase_at :
									 account->last_event_at);
	Occurrence *occurrence;
	JsonbParseState *state = NULL;

	if (DATE_NOT_FINITE(since) && search->timed != NULL)
		since = search->timed->joined_on;
	if (DATE_NOT_FINITE(since))
		return;
	occurrence = consider(search, since + automation->days);
	if (occurrence == NULL)
		return;
	occurrence->text = date_text(since);
	begin_trigger(&state, occurrence);
	push_date(&state, "since", since);
	push_amount(&state, "days", automation->days, 0);
	occurrence->trigger = end_object(&state);
}

static void
search_one(Search *search)
{
	switch (search->automation->kind)
	{
		case TRIGGER_DATE:
			search_date(search);
			break;
		case TRIGGER_POINTS_EXPIRING:
			search_points(search);
			break;
		case TRIGGER_COUPON_EXPIRING:
			search_coupons(search);
			break;
		case TRIGGER_PLAN_ENDING:
			search_plans(search);
			break;
		case TRIGGER_SILENT:
			search_silence(search);
			break;
		default:
			break;
	}
}

/*
 * What is due for a member whose account is settled, as a list of Occurrence,
 * of which some may have had their run already; and the first date after
 * today on which more is.  coming: the list has that, too.
 */
List *
decide_timed(const Decision *decision, const Timed *timed, bool coming,
			 DateADT *next)
{
	const Automations *automations = &decision->program->automations;
	Search		search = {
		.decision = decision,
		.timed = timed,
		.coming = coming,
		.next = DATEVAL_NOEND
	};

	for (int i = 0; i < automations->n; i++)
	{
		search.automation = &automations->list[i];
		if (decision->account->status != STATUS_MERGED)
			search_one(&search);
	}
	*next = search.next;
	return search.occurrences;
}

/* Did the decision post something that comes to the member? */
static bool
expiry_came(const Decision *decision, const Lot *lot)
{
	for (int r = 0; r < decision->nrows; r++)
		for (int i = 0; i < decision->rows[r]->npostings; i++)
		{
			const Lot  *posted = &decision->rows[r]->postings[i].lot;

			if (posted->amount > 0 && posted->unit_id == lot->unit_id &&
				posted->expires_on == lot->expires_on)
				return true;
		}
	return false;
}

/* What a verb has brought that expires. */
static void
search_new_points(Search *search)
{
	const LotList *wallet = &search->decision->account->wallet;

	for (int i = 0; i < wallet->n; i++)
	{
		const Lot  *lot = &wallet->lots[i];
		const Unit *unit = unit_asked(search, lot->unit_id);

		if (unit != NULL && !DATE_NOT_FINITE(lot->expires_on) &&
			expiry_came(search->decision, lot))
			consider_expiry(search, unit, lot->expires_on);
	}
}

/* Has the decision a row that notes an event, or a change of the tier? */
static void
what_changed(const Decision *decision, bool *event, bool *tier)
{
	*event = *tier = false;
	for (int r = 0; r < decision->nrows; r++)
	{
		const JournalRow *row = decision->rows[r];

		*event |= strcmp(row->kind, "event") == 0 ||
			strcmp(row->kind, "import") == 0;
		*tier |= row->nchanges > 0;
	}
}

/* Can what the decision did have made the automation due? */
static bool
is_touched(const Search *search, bool event, bool tier)
{
	const Automation *automation = search->automation;

	if (search->timed != NULL)
		return true;
	if (automation->kind == TRIGGER_SILENT)
		return event;
	if (automation->kind != TRIGGER_DATE)
		return false;
	return is_about(automation, "tier_until") ? tier : event;
}

/*
 * The date on which an account must be looked at because of what a decision
 * has brought; what stood before has been looked at, or will be.  Today, if
 * something has become due at once.  DATEVAL_NOEND: none.
 */
DateADT
decide_timed_due(const Decision *decision)
{
	const Automations *automations = &decision->program->automations;
	Search		search = {
		.decision = decision,
		.timed = decision->timed,
		.next = DATEVAL_NOEND
	};
	bool		event;
	bool		tier;

	what_changed(decision, &event, &tier);
	for (int i = 0; i < automations->n; i++)
	{
		search.automation = &automations->list[i];
		if (search.automation->kind == TRIGGER_POINTS_EXPIRING)
			search_new_points(&search);
		else if (is_touched(&search, event, tier))
			search_one(&search);
	}
	return search.due ? decision->today : search.next;
}

/*
 * Lowers the date on which an account is looked at because of a coupon that
 * came to the member, or a period of a plan.
 */
void
decide_timed_by(Decision *decision, TriggerKind kind, DateADT end)
{
	const Automations *automations = &decision->program->automations;

	for (int i = 0; i < automations->count[kind]; i++)
	{
		const Automation *automation =
			&automations->list[automations->first[kind] + i];
		DateADT		due_on = end - automation->days;

		if (!DATE_NOT_FINITE(end) &&
			due_on >= decision->today - automation->late_days)
			decision->account->due_on = Min(decision->account->due_on,
											Max(due_on, decision->today));
	}
}
