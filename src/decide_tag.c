/*
 * decide_tag.c
 *
 * Tags and segments that have a condition: the member document that
 * conditions see, what they come to, and when time may change that.
 * doc/tag.md describes the document; its version is part of it.
 */
#include "decide_document.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"

#include "amount.h"
#include "condition.h"

#define DOCUMENT_VERSION 1
#define QUANTITY_SCALE 3
#define SHARE_SCALE 4
#define INTERVAL_SCALE 1
#define RECENCY_SCALE 2

#define RULE_SOURCE "rule"

typedef enum Window
{
	WINDOW_DAYS_30,
	WINDOW_DAYS_90,
	WINDOW_DAYS_365,
	WINDOW_MONTH,
	WINDOW_LAST_MONTH,
	WINDOW_YEAR,
	NWINDOWS
} Window;

static const char *const window_names[] = {
	[WINDOW_DAYS_30] = "days_30",
	[WINDOW_DAYS_90] = "days_90",
	[WINDOW_DAYS_365] = "days_365",
	[WINDOW_MONTH] = "month",
	[WINDOW_LAST_MONTH] = "last_month",
	[WINDOW_YEAR] = "year"
};

/* Which dates count in which window, the last included. */
typedef struct Windows
{
	DateADT		from[NWINDOWS];
	DateADT		until[NWINDOWS];
} Windows;

static DateADT
year_start(DateADT on)
{
	int			year;
	int			month;
	int			day;

	j2date(on + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	return date2j(year, 1, 1) - POSTGRES_EPOCH_JDATE;
}

static DateADT
next_month(DateADT on)
{
	return date_add_months(date_month_start(on), 1);
}

static DateADT
next_year(DateADT on)
{
	return date_add_months(year_start(on), 12);
}

static Windows
windows_on(DateADT on)
{
	Windows		windows;

	for (int w = 0; w < NWINDOWS; w++)
		windows.until[w] = on;
	windows.from[WINDOW_DAYS_30] = on - 29;
	windows.from[WINDOW_DAYS_90] = on - 89;
	windows.from[WINDOW_DAYS_365] = on - 364;
	windows.from[WINDOW_MONTH] = date_month_start(on);
	windows.from[WINDOW_LAST_MONTH] = date_add_months(date_month_start(on),
													  -1);
	windows.until[WINDOW_LAST_MONTH] = date_month_start(on) - 1;
	windows.from[WINDOW_YEAR] = year_start(on);
	return windows;
}

DateADT
decide_days_from(DateADT on)
{
	return Min(on - 364, year_start(on));
}

/*
 * The member document.
 */

static void
add_figures(MemberDay *sum, const MemberDay *day)
{
	sum->times = amount_add(sum->times, day->times);
	sum->quantity = amount_add(sum->quantity, day->quantity);
	sum->amount = amount_add(sum->amount, day->amount);
	sum->discounted = amount_add(sum->discounted, day->discounted);
}

int64
decide_quotient(int64 part, int64 whole)
{
	return (int64) (((int128) part * 2 + whole) / ((int128) whole * 2));
}

static void
push_figures(JsonbParseState **state, const char *name, const MemberDay *sum,
			 DayKind kind, int scale)
{
	push_key(state, name);
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	push_amount(state, "times", sum->times, 0);
	if (kind != DAY_ACTIVITY)
	{
		push_amount(state, "quantity", sum->quantity, QUANTITY_SCALE);
		push_amount(state, "amount", sum->amount, scale);
		push_amount(state, "discounted", sum->discounted, 0);
		if (sum->times > 0)
		{
			push_amount(state, "average",
						decide_quotient(sum->amount, sum->times), scale);
			push_amount(state, "discount_share",
						decide_quotient(sum->discounted * 10000, sum->times),
						SHARE_SCALE);
		}
	}
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* The windows of days that belong together. */
static void
push_windows(JsonbParseState **state, const Windows *windows, DayKind kind,
			 const MemberDay *days, int ndays, int scale)
{
	MemberDay	sums[NWINDOWS] = {0};

	for (int i = 0; i < ndays; i++)
		for (int w = 0; w < NWINDOWS; w++)
			if (days[i].day >= windows->from[w] &&
				days[i].day <= windows->until[w])
				add_figures(&sums[w], &days[i]);
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	for (int w = 0; w < NWINDOWS; w++)
		push_figures(state, window_names[w], &sums[w], kind, scale);
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* Does any of the days count in a window? */
static bool
any_counts(const MemberDay *days, int ndays, DateADT on)
{
	DateADT		from = decide_days_from(on);

	for (int i = 0; i < ndays; i++)
		if (days[i].day >= from && days[i].day <= on)
			return true;
	return false;
}

/* How many days from here on are of the same name. */
static int
same_name(const Portrait *portrait, int first)
{
	const MemberDay *days = portrait->days;
	int			n = 1;

	while (first + n < portrait->ndays &&
		   days[first + n].kind == days[first].kind &&
		   strcmp(days[first + n].name, days[first].name) == 0)
		n++;
	return n;
}

static void
push_groups(JsonbParseState **state, const char *name,
			const Portrait *portrait, const Windows *windows, DayKind kind,
			DateADT on, int scale)
{
	int			n;

	push_key(state, name);
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < portrait->ndays; i += n)
	{
		const MemberDay *days = &portrait->days[i];

		n = same_name(portrait, i);
		if (days->kind != kind || !any_counts(days, n, on))
			continue;
		push_key(state, days->name);
		push_windows(state, windows, kind, days, n, scale);
	}
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

static void
push_purchases(JsonbParseState **state, const Portrait *portrait,
			   const Windows *windows, int scale)
{
	const MemberDay *days = portrait->days;
	int			n = portrait->ndays > 0 && days->kind == DAY_PURCHASE ?
		same_name(portrait, 0) : 0;

	push_key(state, "purchases");
	push_windows(state, windows, DAY_PURCHASE, days, n, scale);
}

/* What is known of the member's own purchase interval. */
static void
push_interval(JsonbParseState **state, const Decision *decision,
			  const Portrait *portrait, DateADT on)
{
	int64		interval = decide_interval(decision, portrait, on);
	int64		recency = decide_recency(decision, interval, on);

	if (interval > 0)
		push_amount(state, "interval_days", interval, INTERVAL_SCALE);
	if (recency >= 0)
		push_amount(state, "recency", recency, RECENCY_SCALE);
}

static Jsonb *
member_part(const Decision *decision, const Portrait *portrait,
			const Facts *facts, const NameList *tags)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_member(&state, decision, facts);
	if (decision->program->reads.parts & READS_INTERVAL)
		push_interval(&state, decision, portrait, facts->on);
	if (tags != NULL)
	{
		push_names(&state, "tags", tags);
		push_cstring(&state, "stage", decide_stage(decision->program, tags));
	}
	if (facts->birth_month > 0)
		push_amount(&state, "birthday_month", facts->birth_month, 0);
	return end_object(&state);
}

static Jsonb *
now_part(DateADT on)
{
	JsonbParseState *state = NULL;
	int			year;
	int			month;
	int			day;

	j2date(on + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_date(&state, "date", on);
	push_amount(&state, "month", month, 0);
	push_amount(&state, "year", year, 0);
	return end_object(&state);
}

/*
 * What tags and segments see alike; of what the member did only what some
 * condition reads.
 */
static Jsonb *
common_part(const Decision *decision, const Portrait *portrait,
			const Facts *facts)
{
	int			scale = decision->program->currency_scale;
	int			parts = decision->program->reads.parts;
	Windows		windows = windows_on(facts->on);
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_amount(&state, "version", DOCUMENT_VERSION, 0);
	push_json(&state, "profile", portrait->profile);
	push_json(&state, "now", now_part(facts->on));
	if (parts & READS_PURCHASES)
	{
		push_purchases(&state, portrait, &windows, scale);
		push_groups(&state, "categories", portrait, &windows, DAY_CATEGORY,
					facts->on, scale);
		push_groups(&state, "brands", portrait, &windows, DAY_BRAND,
					facts->on, scale);
	}
	if (parts & READS_ACTIVITIES)
		push_groups(&state, "activities", portrait, &windows, DAY_ACTIVITY,
					facts->on, scale);
	return end_object(&state);
}

/* All that a condition may ask about; tags NULL: they are not known yet. */
static Jsonb *
document(const Decision *decision, const Portrait *portrait,
		 const Facts *facts, Jsonb *common, const NameList *tags)
{
	JsonbParseState *state = NULL;
	Jsonb	   *member;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_json(&state, "member",
			  member_part(decision, portrait, facts, tags));
	member = end_object(&state);
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(common),
											  JsonbPGetDatum(member)));
}

/*
 * Judging.
 */

static void
note(Portrait *portrait, bool is_segment, bool set, const char *name,
	 const char *source, TimestampTz at)
{
	HoldingChange *change = palloc(sizeof(HoldingChange));

	change->is_segment = is_segment;
	change->set = set;
	change->name = name;
	change->source = source;
	change->at = at;
	portrait->changes = lappend(portrait->changes, change);
}

static int
find_tag(const Portrait *portrait, const char *tag)
{
	for (int i = 0; i < portrait->ntags; i++)
		if (strcmp(portrait->tags[i].tag, tag) == 0)
			return i;
	return -1;
}

static void
set_tag(Portrait *portrait, const HeldTag *tag)
{
	portrait->tags = portrait->tags == NULL ? palloc(sizeof(HeldTag)) :
		repalloc(portrait->tags, sizeof(HeldTag) * (portrait->ntags + 1));
	portrait->tags[portrait->ntags] = *tag;
	portrait->tags[portrait->ntags++].changed = true;
	note(portrait, false, true, tag->tag, tag->source, tag->tagged_at);
}

static void
remove_tag(Portrait *portrait, int i, TimestampTz at)
{
	const HeldTag held = portrait->tags[i];

	note(portrait, false, false, held.tag, held.source, at);
	portrait->ntags--;
	memmove(&portrait->tags[i], &portrait->tags[i + 1],
			sizeof(HeldTag) * (portrait->ntags - i));
}

static bool
is_by_rule(const HeldTag *held)
{
	return strcmp(held->source, RULE_SOURCE) == 0;
}

static bool
has_condition(const Program *program, const char *tag)
{
	for (int i = 0; i < program->ntags; i++)
		if (strcmp(program->tags[i].name, tag) == 0)
			return true;
	return false;
}

/* Removes what is over, and what was judged by a condition that is gone. */
static void
drop_tags(const Program *program, Portrait *portrait, TimestampTz now,
		  TimestampTz at)
{
	for (int i = portrait->ntags - 1; i >= 0; i--)
	{
		const HeldTag *held = &portrait->tags[i];

		if (held->valid_until <= now)
			remove_tag(portrait, i, held->valid_until);
		else if (is_by_rule(held) && !has_condition(program, held->tag))
			remove_tag(portrait, i, at);
	}
}

/* Does the member have a stage that was given by hand? */
static bool
has_stage(const Program *program, const Portrait *portrait)
{
	if (program->stages == NULL)
		return false;
	for (int i = 0; i < portrait->ntags; i++)
		if (name_listed(program->stages, portrait->tags[i].tag) &&
			!has_condition(program, portrait->tags[i].tag))
			return true;
	return false;
}

static void
judge_tag(Portrait *portrait, const Tag *tag, bool holds, TimestampTz at)
{
	const HeldTag by_rule = {
		.tag = tag->name,
		.source = RULE_SOURCE,
		.tagged_at = at,
		.valid_until = DT_NOEND
	};
	int			i = find_tag(portrait, tag->name);

	if (!holds)
	{
		if (i >= 0)
			remove_tag(portrait, i, at);
	}
	else if (i < 0)
		set_tag(portrait, &by_rule);
	else if (!is_by_rule(&portrait->tags[i]))
	{
		/* given by hand before there was a condition */
		portrait->tags[i].source = RULE_SOURCE;
		portrait->tags[i].valid_until = DT_NOEND;
		portrait->tags[i].changed = true;
	}
}

/* Of the stages the first that is true counts, and one by hand before all. */
static void
judge_tags(const Decision *decision, Portrait *portrait, const Facts *facts,
		   Jsonb *common, TimestampTz at)
{
	const Program *program = decision->program;
	bool		staged = has_stage(program, portrait);
	Jsonb	   *seen;

	if (program->ntags == 0)
		return;
	seen = document(decision, portrait, facts, common, NULL);
	for (int i = 0; i < program->ntags; i++)
	{
		const Tag  *tag = &program->tags[i];
		bool		holds = !(tag->lifecycle && staged) &&
			condition_match(tag->condition, seen) == CONDITION_TRUE;

		staged |= tag->lifecycle && holds;
		judge_tag(portrait, tag, holds, at);
	}
}

static int
find_name(const NameList *list, const char *name)
{
	for (int i = 0; i < list->n; i++)
		if (strcmp(list->names[i], name) == 0)
			return i;
	return -1;
}

static void
judge_segment(Portrait *portrait, const Segment *segment, bool holds,
			  TimestampTz at)
{
	NameList   *held = &portrait->segments;
	int			i = find_name(held, segment->name);

	if (holds == (i >= 0))
		return;
	if (holds)
	{
		held->names = held->names == NULL ? palloc(sizeof(char *)) :
			repalloc(held->names, sizeof(char *) * (held->n + 1));
		held->names[held->n++] = segment->name;
	}
	else
		held->names[i] = held->names[--held->n];
	note(portrait, true, holds, segment->name, NULL, at);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The tags that are held at a time, in order. */
static NameList
held_names(const Portrait *portrait, TimestampTz at)
{
	NameList	tags = {0, palloc(sizeof(char *) * Max(portrait->ntags, 1))};

	for (int i = 0; i < portrait->ntags; i++)
		if (portrait->tags[i].valid_until > at)
			tags.names[tags.n++] = unconstify(char *, portrait->tags[i].tag);
	qsort(tags.names, tags.n, sizeof(char *), compare_names);
	return tags;
}

static void
judge_segments(const Decision *decision, Portrait *portrait,
			   const Facts *facts, Jsonb *common, TimestampTz at)
{
	const Program *program = decision->program;
	NameList	tags;
	Jsonb	   *seen;

	if (program->nsegments == 0)
		return;
	tags = held_names(portrait, DT_NOBEGIN);
	seen = document(decision, portrait, facts, common, &tags);
	for (int i = 0; i < program->nsegments; i++)
		judge_segment(portrait, &program->segments[i],
					  condition_match(program->segments[i].condition,
									  seen) == CONDITION_TRUE, at);
}

/*
 * The member document of today as segments see it, with those parts that are
 * read.
 */
Jsonb *
decide_member_document(const Decision *decision, const Portrait *portrait,
					   const TagReads *reads)
{
	Decision	seen = *decision;
	Program		program = *decision->program;
	Facts		facts = portrait->facts;
	NameList	tags = held_names(portrait, decision->now);

	program.reads = *reads;
	seen.program = &program;
	facts.on = decision->today;
	if (program.ntiers > 0)
		facts.tier = decide_tier(&seen);
	return document(&seen, portrait, &facts,
					common_part(&seen, portrait, &facts), &tags);
}

void
decide_judge(const Decision *decision, Portrait *portrait, DateADT on,
			 TimestampTz now, TimestampTz at)
{
	Decision	then = *decision;
	Facts		facts = portrait->facts;
	Jsonb	   *common;

	CHECK_FOR_INTERRUPTS();
	then.today = on;
	facts.on = on;
	if (then.program->ntiers > 0)
		facts.tier = decide_tier(&then);
	drop_tags(then.program, portrait, now, at);
	common = common_part(&then, portrait, &facts);
	judge_tags(&then, portrait, &facts, common, at);
	judge_segments(&then, portrait, &facts, common, at);
}

/*
 * By hand.
 */

/* Removes a tag that is over; the index of it if it is held, or -1. */
static int
find_valid_tag(Portrait *portrait, const char *tag, TimestampTz now)
{
	int			i = find_tag(portrait, tag);

	if (i < 0 || portrait->tags[i].valid_until > now)
		return i;
	remove_tag(portrait, i, portrait->tags[i].valid_until);
	return -1;
}

static bool
is_stage(const Program *program, const char *tag)
{
	return program->stages != NULL && name_listed(program->stages, tag);
}

bool
decide_tag_add(const Program *program, Portrait *portrait,
			   const HeldTag *tag, TimestampTz now)
{
	int			i = find_valid_tag(portrait, tag->tag, now);

	if (i >= 0)
	{
		HeldTag    *held = &portrait->tags[i];

		held->changed = strcmp(held->source, tag->source) != 0 ||
			held->valid_until != tag->valid_until;
		held->source = tag->source;
		held->valid_until = tag->valid_until;
		return false;
	}
	for (i = portrait->ntags - 1; i >= 0; i--)
		if (is_stage(program, tag->tag) &&
			is_stage(program, portrait->tags[i].tag))
			remove_tag(portrait, i, Min(now, portrait->tags[i].valid_until));
	set_tag(portrait, tag);
	return true;
}

bool
decide_tag_remove(Portrait *portrait, const char *tag, TimestampTz now)
{
	int			i = find_valid_tag(portrait, tag, now);

	if (i >= 0)
		remove_tag(portrait, i, now);
	return i >= 0;
}

/*
 * When time may change it.
 */

static void
consider(DateADT *due_on, DateADT on, DateADT date)
{
	if (date > on && date < *due_on)
		*due_on = date;
}

/* A day leaves a window, or enters one when it comes. */
static void
consider_day(DateADT *due_on, DateADT on, int parts, DateADT day)
{
	consider(due_on, on, day);
	if (day > on)
		return;
	if (parts & READS_DAYS_30)
		consider(due_on, on, day + 30);
	if (parts & READS_DAYS_90)
		consider(due_on, on, day + 90);
	if (parts & READS_DAYS_365)
		consider(due_on, on, day + 365);
	if ((parts & READS_MONTHS) && next_month(next_month(day)) > on)
		consider(due_on, on, next_month(on));
	if ((parts & READS_YEAR) && next_year(day) > on)
		consider(due_on, on, next_year(on));
}

static void
consider_days(DateADT *due_on, DateADT on, int parts,
			  const Portrait *portrait)
{
	for (int i = 0; i < portrait->ndays; i++)
	{
		const MemberDay *day = &portrait->days[i];

		if (parts & (day->kind == DAY_ACTIVITY ? READS_ACTIVITIES :
					 READS_PURCHASES))
			consider_day(due_on, on, parts, day->day);
		if ((parts & READS_INTERVAL) && day->kind == DAY_PURCHASE)
			consider_day(due_on, on, READS_DAYS_365, day->day);
	}
}

/* Days since a date, READS_AGE or READS_SINCE, are compared with numbers. */
static void
consider_since(DateADT *due_on, DateADT on, const TagReads *reads, int part,
			   DateADT since)
{
	if (reads->parts & READS_VARYING)
		consider(due_on, on, on + 1);
	for (int i = 0; i < reads->nthresholds; i++)
		if (reads->thresholds[i].part == part)
			consider(due_on, on, since + reads->thresholds[i].value);
}

/* Value vests and lapses, periods of counters end, months leave a metric. */
static void
consider_wallet(DateADT *due_on, DateADT on, const Decision *decision)
{
	const LotList *wallet = &decision->account->wallet;

	for (int i = 0; i < wallet->n; i++)
	{
		const Lot  *lot = &wallet->lots[i];
		const Unit *unit = program_unit_by_id(decision->program,
											  lot->unit_id);

		if (unit->kind == UNIT_METRIC)
		{
			if (unit->window_months > 0)
				consider(due_on, on, next_month(on));
			continue;
		}
		if (lot->vests_on != DATEVAL_NOBEGIN)
			consider(due_on, on, lot->vests_on);
		if (lot->expires_on != DATEVAL_NOEND)
			consider(due_on, on, lot->expires_on + 1);
	}
}

static void
consider_now(DateADT *due_on, DateADT on, int parts)
{
	if (parts & READS_NOW_DATE)
		consider(due_on, on, on + 1);
	if (parts & READS_NOW_MONTH)
		consider(due_on, on, next_month(on));
	if (parts & READS_NOW_YEAR)
		consider(due_on, on, next_year(on));
}

/* The first midnight that is not before the end of a tag or hold. */
static DateADT
end_date(const Program *program, TimestampTz until)
{
	return program_date(program, until - 1) + 1;
}

DateADT
decide_judge_due(const Decision *decision, const Portrait *portrait,
				 DateADT on)
{
	const Program *program = decision->program;
	const TagReads *reads = &program->reads;
	const Account *account = decision->account;
	Decision	then = *decision;
	DateADT		due_on = DATEVAL_NOEND;

	then.today = on;
	for (int i = 0; i < portrait->ntags; i++)
		if (portrait->tags[i].valid_until != DT_NOEND)
			consider(&due_on, on,
					 end_date(program, portrait->tags[i].valid_until));
	consider_days(&due_on, on, reads->parts, portrait);
	consider_now(&due_on, on, reads->parts);
	if (reads->parts & READS_AGE)
		consider_since(&due_on, on, reads, READS_AGE,
					   portrait->facts.joined_on);
	if ((reads->parts & READS_SINCE) &&
		account->last_purchase_at != DT_NOBEGIN)
		consider_since(&due_on, on, reads, READS_SINCE,
					   program_date(program, account->last_purchase_at));
	if (reads->parts & READS_RECENCY)
		consider(&due_on, on, decide_recency_due(decision, portrait, on));
	if (reads->parts & READS_COUNTERS)
	{
		consider_wallet(&due_on, on, decision);
		/* what a hold keeps comes back */
		if (account->hold_until != DT_NOEND)
			consider(&due_on, on, end_date(program, account->hold_until));
	}
	if ((reads->parts & READS_TIER) && decide_tier_due(&then) != DATEVAL_NOEND)
		consider(&due_on, on, Max(decide_tier_due(&then), on + 1));
	return due_on;
}

/*
 * What a purchase adds to its day.
 */

/* A figure of a day with what is added to it: see MAX_DAY_FIGURE. */
static int64
figure_add(int64 figure, int64 added)
{
	return Min(amount_add(figure, added), MAX_DAY_FIGURE);
}

static MemberDay *
day_of(List **days, DateADT on, DayKind kind, char *name)
{
	ListCell   *cell;
	MemberDay  *day;

	foreach(cell, *days)
	{
		day = lfirst(cell);
		if (day->day == on && day->kind == kind &&
			strcmp(day->name, name) == 0)
			return day;
	}
	day = palloc0(sizeof(MemberDay));
	day->day = on;
	day->kind = kind;
	day->name = name;
	*days = lappend(*days, day);
	return day;
}

/* Is the amount below the prices, or does the shop say so? */
static bool
is_discounted(const JournalRow *row, const Facts *facts)
{
	JsonbValue	buffer;
	JsonbValue *value;
	int64		gross = 0;
	int64		net = 0;

	if (facts->lines != NULL)
	{
		for (int i = 0; i < facts->lines->n; i++)
		{
			const CartLine *line = &facts->lines->lines[i];

			gross = amount_add(gross, line->gross);
			net = amount_add(net, facts->lines->has_nets ? line->net :
							 line->gross);
		}
		return Min(row->amount, net) < gross;
	}
	value = facts->data == NULL ? NULL :
		getKeyJsonValueFromContainer(&facts->data->root, "discount",
									 strlen("discount"), &buffer);
	return value != NULL && value->type == jbvNumeric &&
		DatumGetBool(DirectFunctionCall2(numeric_gt,
										 NumericGetDatum(value->val.numeric),
										 NumericGetDatum(amount_numeric(0, 0))));
}

/* The lines of one category or brand; each purchase counts once. */
static void
add_line(List **days, DateADT on, DayKind kind, char *name,
		 const CartLine *line, int64 net, bool discounted, List **seen)
{
	MemberDay  *day;

	if (name == NULL)
		return;
	day = day_of(days, on, kind, name);
	day->quantity = figure_add(day->quantity, line->qty);
	day->amount = figure_add(day->amount, net);
	if (!list_member_ptr(*seen, day))
	{
		*seen = lappend(*seen, day);
		day->times++;
		day->discounted += discounted;
	}
}

static void
add_lines(List **days, const JournalRow *row, const Facts *facts,
		  bool discounted)
{
	int64	   *nets = cart_nets(facts->lines, row->amount);
	List	   *seen = NIL;

	for (int i = 0; i < facts->lines->n; i++)
	{
		const CartLine *line = &facts->lines->lines[i];

		CHECK_FOR_INTERRUPTS();
		add_line(days, facts->on, DAY_CATEGORY, line->category, line,
				 nets[i], discounted, &seen);
		add_line(days, facts->on, DAY_BRAND, line->brand, line, nets[i],
				 discounted, &seen);
	}
}

List *
decide_days(const Decision *decision, const Awards *awards, List *days)
{
	const JournalRow *row = awards->row;
	const Facts *facts = awards->facts;
	bool		discounted = is_discounted(row, facts);
	MemberDay  *day;

	if (strcmp(row->event, "purchase") != 0 ||
		facts->on < decide_days_from(decision->today))
		return days;
	day = day_of(&days, facts->on, DAY_PURCHASE, "");
	day->times++;
	day->discounted += discounted;
	if (row->has_amount)
		day->amount = figure_add(day->amount, row->amount);
	if (facts->lines == NULL)
		return days;
	for (int i = 0; i < facts->lines->n; i++)
		day->quantity = figure_add(day->quantity,
								   facts->lines->lines[i].qty);
	add_lines(&days, row, facts, discounted);
	return days;
}
