/*
 * decide_lifecycle.c
 *
 * Stages of a member's lifecycle, and the figures that they are made of: how
 * long it usually is from one purchase of a member to the next, and how long
 * ago the last one is by that.  doc/lifecycle.md defines them; all of it in
 * whole numbers.
 */
#include "decide.h"

#define WINDOW_DAYS 365
#define MIN_MEDIAN_DAYS 3
/* Nobody's interval is below a day. */
#define MIN_INTERVAL 10
#define MAX_DAYS 10000000

const char *
decide_stage(const Program *program, const NameList *tags)
{
	if (program->stages == NULL)
		return NULL;
	for (int i = 0; i < program->stages->n; i++)
		if (name_listed(tags, program->stages->names[i]))
			return program->stages->names[i];
	return NULL;
}

/*
 * Purchase days: those on which something was bought, and not all of it
 * refunded, ascending.  They come first in a portrait.
 */
static int
purchase_days(const Portrait *portrait, DateADT on, const MemberDay **first)
{
	int			begin = 0;
	int			end;

	while (begin < portrait->ndays &&
		   portrait->days[begin].kind == DAY_PURCHASE &&
		   portrait->days[begin].day <= on - WINDOW_DAYS)
		begin++;
	for (end = begin; end < portrait->ndays; end++)
		if (portrait->days[end].kind != DAY_PURCHASE ||
			portrait->days[end].day > on)
			break;
	*first = &portrait->days[begin];
	return end - begin;
}

static int
compare_gaps(const void *a, const void *b)
{
	int32		x = *(const int32 *) a;
	int32		y = *(const int32 *) b;

	return x < y ? -1 : x > y;
}

/* The median of the gaps between n days, in tenths. */
static int64
median_gap(const MemberDay *days, int n)
{
	int32	   *gaps = palloc(sizeof(int32) * n);
	int			ngaps = n - 1;
	int64		both;

	for (int i = 0; i < ngaps; i++)
		gaps[i] = days[i + 1].day - days[i].day;
	qsort(gaps, ngaps, sizeof(int32), compare_gaps);
	both = (int64) gaps[(ngaps - 1) / 2] + gaps[ngaps / 2];
	pfree(gaps);
	return both * 5;
}

/*
 * The mean gap of all the time the member has bought, in tenths.  Of days
 * that are given it is known how many purchases fell on one.
 */
static int64
mean_gap(const Decision *decision, const MemberDay *days, int n)
{
	const Account *account = decision->account;
	int64		times = account->purchases;
	int64		span;

	if (account->first_purchase_at == DT_NOBEGIN ||
		account->last_purchase_at == DT_NOBEGIN)
		return 0;
	for (int i = 0; i < n; i++)
		times -= days[i].times - 1;
	span = program_date(decision->program, account->last_purchase_at) -
		program_date(decision->program, account->first_purchase_at);
	if (times < 2 || span <= 0)
		return 0;
	return Max(decide_quotient(span * 10, times - 1), MIN_INTERVAL);
}

int64
decide_interval(const Decision *decision, const Portrait *portrait,
				DateADT on)
{
	const MemberDay *days;
	int			n = purchase_days(portrait, on, &days);

	return n >= MIN_MEDIAN_DAYS ? median_gap(days, n) :
		mean_gap(decision, days, n);
}

int64
decide_recency(const Decision *decision, int64 interval, DateADT on)
{
	TimestampTz last = decision->account->last_purchase_at;

	if (interval == 0 || last == DT_NOBEGIN)
		return -1;
	return decide_quotient(Max(0, on - program_date(decision->program,
													last)) * INT64CONST(1000),
						   interval);
}

/* After how many days the recency is so many hundredths, or more. */
static int64
days_until(int64 hundredths, int64 interval)
{
	/* decide_quotient() rounds half up: by half a hundredth less */
	if (hundredths <= 0)
		return 0;
	return (interval * (2 * hundredths - 1) + 1999) / 2000;
}

DateADT
decide_recency_due(const Decision *decision, const Portrait *portrait,
				   DateADT on)
{
	const TagReads *reads = &decision->program->reads;
	int64		interval = decide_interval(decision, portrait, on);
	DateADT		due_on = DATEVAL_NOEND;
	DateADT		last;

	if (decide_recency(decision, interval, on) < 0)
		return DATEVAL_NOEND;
	if (reads->parts & READS_VARYING)
		return on + 1;
	last = program_date(decision->program,
						decision->account->last_purchase_at);
	for (int i = 0; i < reads->nthresholds; i++)
	{
		int64		days = days_until(reads->thresholds[i].value, interval);

		if (reads->thresholds[i].part == READS_RECENCY &&
			days <= MAX_DAYS && last + days > on)
			due_on = Min(due_on, last + days);
	}
	return due_on;
}
