/*
 * decide_terms.c
 *
 * When and for whom something applies: what rules, coupons and offers are
 * asked in the same words.  Each function returns the reason why not, or
 * NULL.
 */
#include "decide.h"

#include "utils/datetime.h"

#include "condition.h"

/* Is a date among the weekdays, and among the weeks of its month? */
static bool
is_weekday(const Terms *terms, DateADT on, int day, int days_in_month)
{
	int			dow = j2day(on + POSTGRES_EPOCH_JDATE);
	int			week = (day - 1) / 7 + 1;

	if (dow == 0)
		dow = 7;
	if (terms->days_of_week != 0 && !(terms->days_of_week & (1u << dow)))
		return false;
	return terms->weeks_of_month == 0 ||
		(terms->weeks_of_month & (1u << week)) != 0 ||
		((terms->weeks_of_month & 1u) && day + 7 > days_in_month);
}

static bool
is_time(const Terms *terms, TimeADT time)
{
	if (!terms->has_time)
		return true;
	if (terms->time_from < terms->time_until)
		return time >= terms->time_from && time < terms->time_until;
	return time >= terms->time_from || time < terms->time_until;
}

static bool
is_anniversary(const Terms *terms, const Facts *facts)
{
	int			year;
	int			month;
	int			day;
	int			this_year;
	int			this_month;
	int			this_day;

	j2date(facts->on + POSTGRES_EPOCH_JDATE, &this_year, &this_month,
		   &this_day);
	j2date(facts->joined_on + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	return this_year > year &&
		date_recurs(terms->anniversary, month, day, facts->on);
}

const char *
decide_terms_when(const Facts *facts, const Terms *terms)
{
	bool		matches = is_time(terms, facts->time);

	if (terms->days_of_week != 0 || terms->days_of_month != 0)
	{
		int			year;
		int			month;
		int			day;
		int			days;

		j2date(facts->on + POSTGRES_EPOCH_JDATE, &year, &month, &day);
		days = day_tab[isleap(year)][month - 1];
		matches &= is_weekday(terms, facts->on, day, days);
		if (terms->days_of_month != 0)
			matches &= (terms->days_of_month & (1u << day)) != 0 ||
				((terms->days_of_month & 1u) && day == days);
	}
	if (terms->calendar_name != NULL)
		matches &= terms->calendar != NULL &&
			calendar_has(terms->calendar, facts->on);
	if (terms->birthday != RECUR_NONE)
		matches &= date_recurs(terms->birthday, facts->birth_month,
						  facts->birth_day, facts->on);
	if (terms->anniversary != RECUR_NONE)
		matches &= facts->has_member && is_anniversary(terms, facts);
	return matches ? NULL : "not_in_time_window";
}

const char *
decide_terms_first(const Decision *decision, const JournalRow *row,
				   const Terms *terms)
{
	int			purchases = decision->account->purchases;

	if (strcmp(row->event, "purchase") == 0)
		purchases++;
	return terms->first_purchases > 0 && purchases > terms->first_purchases ?
		"first_order_only" : NULL;
}

/* How long ago the last purchase was, -1 if there was none. */
static int
idle_days(const Decision *decision, const Facts *facts)
{
	TimestampTz last = decision->account->last_purchase_at;

	if (last == DT_NOBEGIN)
		return -1;
	return Max(0, facts->on - program_date(decision->program, last));
}

const char *
decide_terms_idle(const Decision *decision, const Facts *facts,
				  const Terms *terms)
{
	int			days;

	if (terms->idle_from < 0 && terms->idle_until < 0)
		return NULL;
	days = idle_days(decision, facts);
	return days < 0 || days < terms->idle_from ||
		(terms->idle_until >= 0 && days > terms->idle_until) ?
		"not_in_time_window" : NULL;
}

/* Has a member one of the names that are asked for (NULL: any)? */
static bool
holds(const NameList *asked, const NameList *held)
{
	if (asked == NULL)
		return true;
	for (int i = 0; i < held->n; i++)
		if (name_listed(asked, held->names[i]))
			return true;
	return false;
}

static const char *
check_store(const Terms *terms, const text *store)
{
	if (terms->stores != NULL && !text_listed(terms->stores, store))
		return "store_mismatch";
	if (terms->store_collection_name != NULL &&
		(terms->store_collection == NULL || store == NULL ||
		 !collection_has(terms->store_collection, COLLECTION_STORE,
						 VARDATA_ANY(store), VARSIZE_ANY_EXHDR(store))))
		return "store_mismatch";
	return NULL;
}

const char *
decide_terms_who(const JournalRow *row, const Facts *facts,
				 const Terms *terms)
{
	if (!holds(terms->tags, &facts->held.tags) ||
		!holds(terms->segments, &facts->held.segments))
		return "segment_mismatch";
	if (terms->tiers != NULL &&
		(facts->tier == NULL || !name_listed(terms->tiers, facts->tier->code)))
		return "tier_mismatch";
	if (terms->channels != NULL && !text_listed(terms->channels, row->channel))
		return "channel_mismatch";
	return check_store(terms, row->store);
}

const char *
decide_terms_condition(const Decision *decision, const JournalRow *row,
					   Facts *facts, const Terms *terms)
{
	if (terms->condition == NULL)
		return NULL;
	if (facts->context == NULL)
		facts->context = decide_context(decision, row, facts);
	switch (condition_match(terms->condition, facts->context))
	{
		case CONDITION_TRUE:
			return NULL;
		case CONDITION_FALSE:
			return "condition_not_met";
		case CONDITION_ERROR:
			break;
	}
	return "condition_error";
}

const char *
decide_terms(const Decision *decision, const JournalRow *row, Facts *facts,
			 const Terms *terms)
{
	const char *reason = decide_terms_when(facts, terms);

	if (reason == NULL)
		reason = decide_terms_idle(decision, facts, terms);
	if (reason == NULL)
		reason = decide_terms_who(row, facts, terms);
	if (reason == NULL)
		reason = decide_terms_first(decision, row, terms);
	return reason;
}
