/*
 * unit.c
 *
 * The calendar of units: when a lot lapses, and the periods of counters.
 */
#include "unit.h"

#include "miscadmin.h"
#include "utils/datetime.h"

ExpiryPolicy
expiry_policy(const char *name)
{
	static const char *const names[] = {
		[EXPIRY_NEVER] = "never",
		[EXPIRY_DAYS] = "days",
		[EXPIRY_MONTHS] = "months",
		[EXPIRY_END_OF_MONTH] = "end_of_month",
		[EXPIRY_END_OF_YEAR] = "end_of_year"
	};

	for (int i = 0; i < lengthof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	elog(ERROR, "unknown expiry policy \"%s\"", name);
}

Period
period_parse(const char *name)
{
	static const char *const names[] = {
		[PERIOD_DAY] = "day",
		[PERIOD_WEEK] = "week",
		[PERIOD_MONTH] = "month",
		[PERIOD_YEAR] = "year",
		[PERIOD_LIFETIME] = "lifetime"
	};

	for (int i = 0; i < lengthof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	elog(ERROR, "unknown period \"%s\"", name);
}

/* The same day of a later month, or that month's last day if it has none. */
DateADT
date_add_months(DateADT date, int months)
{
	int			year;
	int			month;
	int			day;

	j2date(date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	months += (year * MONTHS_PER_YEAR) + month - 1;
	year = months / MONTHS_PER_YEAR;
	month = months % MONTHS_PER_YEAR + 1;
	/* before the year 1 the division rounds up */
	if (month < 1)
	{
		month += MONTHS_PER_YEAR;
		year--;
	}
	day = Min(day, day_tab[isleap(year)][month - 1]);
	return date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
}

DateADT
date_month_start(DateADT date)
{
	int			year;
	int			month;
	int			day;

	j2date(date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	return date - day + 1;
}

/* A finite date as ISO 8601 has it, whatever the session's DateStyle is. */
char *
date_text(DateADT date)
{
	struct pg_tm tm;
	char	   *text = palloc(MAXDATELEN + 1);

	j2date(date + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon,
		   &tm.tm_mday);
	EncodeDateOnly(&tm, USE_ISO_DATES, text);
	return text;
}

int
date_year(DateADT date)
{
	int			year;
	int			month;
	int			day;

	j2date(date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	return year;
}

/* The last day of use of what is earned on a date. */
DateADT
expiry_date(const Expiry *expiry, DateADT earned_on)
{
	int			count = expiry->count;

	switch (expiry->policy)
	{
		case EXPIRY_NEVER:
			return DATEVAL_NOEND;
		case EXPIRY_DAYS:
			return earned_on + count;
		case EXPIRY_MONTHS:
			return date_add_months(earned_on, count);
		case EXPIRY_END_OF_MONTH:
			return date_add_months(date_month_start(earned_on), count + 1) - 1;
		case EXPIRY_END_OF_YEAR:
			return date2j(date_year(earned_on) + count, 12, 31) -
				POSTGRES_EPOCH_JDATE;
	}
	elog(ERROR, "unknown expiry policy %d", expiry->policy);
}

/* The first day of the period of a date; weeks begin on Monday. */
DateADT
period_start(Period period, DateADT date)
{
	switch (period)
	{
		case PERIOD_DAY:
			return date;
		case PERIOD_WEEK:
			return date - (j2day(date + POSTGRES_EPOCH_JDATE) + 6) % 7;
		case PERIOD_MONTH:
			return date_month_start(date);
		case PERIOD_YEAR:
			return date2j(date_year(date), 1, 1) - POSTGRES_EPOCH_JDATE;
		case PERIOD_LIFETIME:
			return DATEVAL_NOBEGIN;
	}
	elog(ERROR, "unknown period %d", period);
}

/* The last day of it. */
DateADT
period_end(Period period, DateADT date)
{
	switch (period)
	{
		case PERIOD_DAY:
			return date;
		case PERIOD_WEEK:
			return period_start(PERIOD_WEEK, date) + 6;
		case PERIOD_MONTH:
			return date_add_months(date_month_start(date), 1) - 1;
		case PERIOD_YEAR:
			return date2j(date_year(date), 12, 31) - POSTGRES_EPOCH_JDATE;
		case PERIOD_LIFETIME:
			return DATEVAL_NOEND;
	}
	elog(ERROR, "unknown period %d", period);
}

/* 'day' or 'month'; NULL: none. */
Recurrence
recurrence(const char *name)
{
	if (name == NULL)
		return RECUR_NONE;
	return strcmp(name, "day") == 0 ? RECUR_DAY : RECUR_MONTH;
}

/*
 * Does a day of the year recur on a date?  29 February does on 28 February
 * in a year that has none.  A month of 0 is not known, and does not.
 */
bool
date_recurs(Recurrence recurrence, int month, int day, DateADT on)
{
	int			year;
	int			this_month;
	int			this_day;

	if (month == 0)
		return false;
	j2date(on + POSTGRES_EPOCH_JDATE, &year, &this_month, &this_day);
	if (this_month != month)
		return false;
	return recurrence == RECUR_MONTH ||
		this_day == Min(day, day_tab[isleap(year)][month - 1]);
}
