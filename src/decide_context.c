/*
 * decide_context.c
 *
 * The documents about an event: the context that conditions see, a line as
 * item filters see it, and the record of what the rules came to.
 * doc/rule.md describes the context; its version is part of it.
 */
#include "decide_document.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "amount.h"

#define CONTEXT_VERSION 1

/* A birthday may have no year: --02-29. */
#define BIRTHDAY_WITHOUT_YEAR "--%2d-%2d%n"
#define BIRTHDAY_WITH_YEAR "%4d-%2d-%2d%n"

void
push_key(JsonbParseState **state, const char *name)
{
	JsonbValue	key;

	key.type = jbvString;
	key.val.string.val = unconstify(char *, name);
	key.val.string.len = strlen(name);
	pushJsonbValue(state, WJB_KEY, &key);
}

static void
push_value(JsonbParseState **state, const char *name, JsonbValue *value)
{
	push_key(state, name);
	pushJsonbValue(state, WJB_VALUE, value);
}

/* An element of an array, or with a name a field of an object. */
static void
push_string(JsonbParseState **state, const char *name, const char *string,
			int length)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, string);
	value.val.string.len = length;
	if (name == NULL)
		pushJsonbValue(state, WJB_ELEM, &value);
	else
		push_value(state, name, &value);
}

/* A field that is left out when there is no text. */
void
push_cstring(JsonbParseState **state, const char *name, const char *string)
{
	if (string != NULL)
		push_string(state, name, string, strlen(string));
}

void
push_amount(JsonbParseState **state, const char *name, int64 minor, int scale)
{
	JsonbValue	value;

	value.type = jbvNumeric;
	value.val.numeric = amount_numeric(minor, scale);
	if (name == NULL)
		pushJsonbValue(state, WJB_ELEM, &value);
	else
		push_value(state, name, &value);
}

void
push_bool(JsonbParseState **state, const char *name, bool boolean)
{
	JsonbValue	value;

	value.type = jbvBool;
	value.val.boolean = boolean;
	push_value(state, name, &value);
}

void
push_json(JsonbParseState **state, const char *name, Jsonb *json)
{
	JsonbValue	value;

	value.type = jbvBinary;
	value.val.binary.data = &json->root;
	value.val.binary.len = VARSIZE(json) - VARHDRSZ;
	push_value(state, name, &value);
}

void
push_date(JsonbParseState **state, const char *name, DateADT date)
{
	push_cstring(state, name, date_text(date));
}

Jsonb *
end_object(JsonbParseState **state)
{
	return JsonbValueToJsonb(pushJsonbValue(state, WJB_END_OBJECT, NULL));
}

/* A line of the cart as it was given, with its net and its number. */
Jsonb *
decide_line(const Facts *facts, int line, int64 net, int scale)
{
	JsonbValue *item = getIthJsonbValueFromContainer(&facts->items->root,
													 line);
	JsonbParseState *state = NULL;
	JsonbIterator *iterator = JsonbIteratorInit(item->val.binary.data);
	JsonbIteratorToken token;
	JsonbValue	value;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	(void) JsonbIteratorNext(&iterator, &value, true);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) == WJB_KEY)
	{
		pushJsonbValue(&state, WJB_KEY, &value);
		token = JsonbIteratorNext(&iterator, &value, true);
		pushJsonbValue(&state, token, &value);
	}
	push_amount(&state, "net", net, scale);
	push_amount(&state, "line", line + 1, 0);
	return end_object(&state);
}

static Jsonb *
event_part(const Decision *decision, const JournalRow *row,
		   const Facts *facts)
{
	const Program *program = decision->program;
	int			offset = program_offset(program, row->effective_at);
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_cstring(&state, "name", row->event);
	push_cstring(&state, "at",
				 JsonEncodeDateTime(NULL,
									TimestampTzGetDatum(row->effective_at),
									TIMESTAMPTZOID, &offset));
	if (row->has_amount)
		push_amount(&state, "amount", row->amount, program->currency_scale);
	if (row->ref != NULL)
		push_string(&state, "ref", VARDATA_ANY(row->ref),
					VARSIZE_ANY_EXHDR(row->ref));
	push_amount(&state, "late_days", Max(decision->today - facts->on, 0), 0);
	return end_object(&state);
}

static Jsonb *
order_part(const Decision *decision, const JournalRow *row,
		   const Facts *facts)
{
	JsonbParseState *state = NULL;
	int64		qty = 0;
	int			n = facts->lines == NULL ? 0 : facts->lines->n;

	for (int i = 0; i < n; i++)
		qty = amount_add(qty, facts->lines->lines[i].qty);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_amount(&state, "amount", row->has_amount ? row->amount : 0,
				decision->program->currency_scale);
	push_amount(&state, "quantity", qty, 3);
	push_amount(&state, "lines", n, 0);
	return end_object(&state);
}

static void
push_items(JsonbParseState **state, const Decision *decision,
		   const JournalRow *row, const Facts *facts)
{
	int64	   *nets;

	push_key(state, "items");
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	if (facts->lines != NULL)
	{
		nets = cart_nets(facts->lines, row->amount);
		for (int i = 0; i < facts->lines->n; i++)
		{
			Jsonb	   *line = decide_line(facts, i, nets[i],
										   decision->program->currency_scale);
			JsonbValue	value;

			value.type = jbvBinary;
			value.val.binary.data = &line->root;
			value.val.binary.len = VARSIZE(line) - VARHDRSZ;
			pushJsonbValue(state, WJB_ELEM, &value);
		}
	}
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

/* What a member has of a unit, as the unit counts. */
static int64
counter_value(const Decision *decision, const Unit *unit, const Facts *facts)
{
	TierThreshold window = {
		.unit = unit,
		.window = unit->window_months > 0 ? WINDOW_ROLLING : WINDOW_LIFETIME,
		.months = unit->window_months
	};
	DateADT		from;

	switch (unit->kind)
	{
		case UNIT_COUNTER:
			return decide_counter(decision, unit, facts);
		case UNIT_METRIC:
			return decide_metric(decision, &window, facts->on, &from);
		case UNIT_POINTS:
		case UNIT_MONEY:
			break;
	}
	return decide_available(decision, unit);
}

static void
push_counters(JsonbParseState **state, const Decision *decision,
			  const Facts *facts)
{
	const Program *program = decision->program;

	push_key(state, "counters");
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < program->nunits; i++)
		push_amount(state, program->units[i].code,
					counter_value(decision, &program->units[i], facts),
					program->units[i].scale);
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* Reads a birthday; one that is no date is not known. */
void
decide_birthday(Facts *facts, const char *birthday)
{
	int			year = 0;
	int			month;
	int			day;
	int			length = 0;

	if (birthday == NULL)
		return;
	if (sscanf(birthday, BIRTHDAY_WITH_YEAR, &year, &month, &day,
			   &length) != 3)
	{
		year = 0;
		if (sscanf(birthday, BIRTHDAY_WITHOUT_YEAR, &month, &day,
				   &length) != 2)
			return;
	}
	if (birthday[length] != '\0' || year < 0 || month < 1 || month > 12 ||
		day < 1 || day > day_tab[1][month - 1])
		return;
	facts->birth_year = year;
	facts->birth_month = month;
	facts->birth_day = day;
}

static void
push_birthday(JsonbParseState **state, const Facts *facts)
{
	if (facts->birth_month == 0)
		return;
	push_cstring(state, "birthday",
				 facts->birth_year == 0 ?
				 psprintf("--%02d-%02d", facts->birth_month,
						  facts->birth_day) :
				 psprintf("%04d-%02d-%02d", facts->birth_year,
						  facts->birth_month, facts->birth_day));
}

void
push_names(JsonbParseState **state, const char *name, const NameList *list)
{
	push_key(state, name);
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < list->n; i++)
		push_cstring(state, NULL, list->names[i]);
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

/* What the context of events and the member document both say of a member. */
void
push_member(JsonbParseState **state, const Decision *decision,
			const Facts *facts)
{
	const Account *account = decision->account;
	DateADT		last;

	if (facts->tier != NULL)
	{
		push_cstring(state, "tier", facts->tier->code);
		push_amount(state, "tier_rank", facts->tier->rank, 0);
	}
	push_date(state, "joined_on", facts->joined_on);
	push_amount(state, "age_days", Max(facts->on - facts->joined_on, 0), 0);
	push_birthday(state, facts);
	push_amount(state, "purchases", account->purchases, 0);
	if (account->last_purchase_at != DT_NOBEGIN)
	{
		last = program_date(decision->program, account->last_purchase_at);
		push_amount(state, "days_since_purchase", Max(0, facts->on - last),
					0);
	}
	push_counters(state, decision, facts);
}

static Jsonb *
member_part(const Decision *decision, const JournalRow *row,
			const Facts *facts)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_member(&state, decision, facts);
	push_names(&state, "tags", &facts->held.tags);
	push_cstring(&state, "stage",
				 decide_stage(decision->program, &facts->held.tags));
	push_names(&state, "segments", &facts->held.segments);
	push_bool(&state, "first_purchase",
			  decision->account->purchases == 0 &&
			  strcmp(row->event, "purchase") == 0);
	return end_object(&state);
}

static Jsonb *
now_part(const Facts *facts)
{
	JsonbParseState *state = NULL;
	int			year;
	int			month;
	int			day;
	int			dow = j2day(facts->on + POSTGRES_EPOCH_JDATE);
	int			minute = facts->time / USECS_PER_MINUTE;

	j2date(facts->on + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_date(&state, "date", facts->on);
	push_cstring(&state, "time", psprintf("%02d:%02d", minute / 60,
										  minute % 60));
	push_amount(&state, "dow", dow == 0 ? 7 : dow, 0);
	push_amount(&state, "hour", minute / 60, 0);
	push_amount(&state, "day", day, 0);
	push_amount(&state, "month", month, 0);
	push_amount(&state, "year", year, 0);
	return end_object(&state);
}

/* All that a condition may ask about. */
Jsonb *
decide_context(const Decision *decision, const JournalRow *row, Facts *facts)
{
	JsonbParseState *state = NULL;

	facts->member = member_part(decision, row, facts);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_amount(&state, "version", CONTEXT_VERSION, 0);
	push_json(&state, "event", event_part(decision, row, facts));
	push_json(&state, "order", order_part(decision, row, facts));
	push_items(&state, decision, row, facts);
	push_json(&state, "member", facts->member);
	push_json(&state, "now", now_part(facts));
	if (facts->streak_day > 0)
	{
		push_key(&state, "streak");
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		push_amount(&state, "day", facts->streak_day, 0);
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	if (facts->data != NULL)
		push_json(&state, "data", facts->data);
	else
	{
		push_key(&state, "data");
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	return end_object(&state);
}

static void
push_lines(JsonbParseState **state, const Bitmapset *lines)
{
	int			line = -1;

	push_key(state, "lines");
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	while ((line = bms_next_member(lines, line)) >= 0)
		push_amount(state, NULL, line + 1, 0);
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

/* What an award counted, by counter. */
static void
push_counted(JsonbParseState **state, const RuleVerdict *verdict)
{
	push_key(state, "counters");
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < verdict->rule->ncaps; i++)
	{
		const RuleCap *cap = &verdict->rule->caps[i];

		push_amount(state, psprintf("%d", cap->counter->unit_id),
					cap->times ? 1 : verdict->granted, 0);
	}
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/*
 * What goes without saying is left out: version 1, all of the amount as the
 * base, all that was desired granted.
 */
static void
push_verdict(JsonbParseState **state, const JournalRow *row,
			 const RuleVerdict *verdict)
{
	int64		amount = row->has_amount ? row->amount : 0;

	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	push_amount(state, "rule", verdict->rule->rule_id, 0);
	if (verdict->rule->version > 1)
		push_amount(state, "version", verdict->rule->version, 0);
	push_cstring(state, "reason", verdict->reason);
	push_cstring(state, "limit", verdict->limit);
	if (verdict->desired > 0)
	{
		if (verdict->base != amount)
			push_amount(state, "base", verdict->base, 0);
		if (verdict->desired != verdict->granted)
			push_amount(state, "desired", verdict->desired, 0);
		push_amount(state, "granted", verdict->granted, 0);
		if (verdict->lines != NULL)
			push_lines(state, verdict->lines);
		if (verdict->granted > 0 && verdict->rule->ncaps > 0)
			push_counted(state, verdict);
	}
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* Must it be known later which lines an award was for, or what it counted? */
static bool
is_needed(const RuleVerdict *verdict)
{
	return verdict->granted > 0 &&
		(verdict->lines != NULL || verdict->rule->ncaps > 0);
}

/*
 * Would the record say nothing but which rules awarded, and what, and do the
 * postings of the event say the same in the same order?
 */
bool
decide_is_plain(const Awards *awards)
{
	const JournalRow *row = awards->row;

	if (awards->facts->member != NULL ||
		row->npostings != awards->nverdicts)
		return false;
	for (int i = 0; i < awards->nverdicts; i++)
	{
		const RuleVerdict *verdict = &awards->verdicts[i];
		const Posting *posting = &row->postings[i];

		if (verdict->granted <= 0 || verdict->desired != verdict->granted ||
			!row->has_amount || verdict->base != row->amount ||
			verdict->rule->version > 1 || verdict->rule->ncaps > 0 ||
			verdict->limit != NULL || verdict->lines != NULL ||
			posting->rule_id != verdict->rule->rule_id ||
			posting->lot.amount != verdict->granted ||
			posting->lot.origin != ORIGIN_EARNED)
			return false;
	}
	return true;
}

/*
 * What the rules came to, as event_data keeps it: all that was looked at, or
 * no more than what refunds and limits need.
 */
Jsonb *
decide_record(const Awards *awards, bool explain)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_key(&state, "awards");
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < awards->nverdicts; i++)
		if (explain || is_needed(&awards->verdicts[i]))
			push_verdict(&state, awards->row, &awards->verdicts[i]);
	pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	if (explain && awards->facts->member != NULL)
		push_json(&state, "member", awards->facts->member);
	return end_object(&state);
}
