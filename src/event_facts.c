/*
 * event_facts.c
 *
 * Loads what the rules of an event have to be told beyond account and
 * programme: only what some rule of the event needs.
 */
#include "event.h"

#include "utils/builtins.h"
#include "utils/datetime.h"

#include "amount.h"
#include "statement.h"

static Statement select_person = {
	"SELECT joined_at, profile ->> 'birthday' FROM loyalty.member"
	" WHERE member_id = $1",
	1, {INT8OID}
};

static Statement select_uses = {
	"SELECT rule_id, target, used_at FROM loyalty.rule_use"
	" WHERE member_id = $1 AND (target = '' OR target = $2)",
	2, {INT8OID, TEXTOID}
};

static Statement select_runs = {
	"SELECT started_on, last_on FROM loyalty.streak"
	" WHERE member_id = $1 AND event = $2"
	" AND started_on <= $3 + 1 AND last_on >= $3 - 1"
	" ORDER BY started_on LIMIT 2",
	3, {INT8OID, TEXTOID, DATEOID}
};

/* What a counter came to in [$3, $4), by the ledger: awards, and benefits. */
static Statement select_past = {
	"SELECT coalesce(sum(c.used), 0)::bigint FROM ("
	"SELECT CASE k.counts WHEN 'times' THEN 1 ELSE sum(e.amount) END AS used"
	" FROM loyalty.journal j"
	" JOIN loyalty.entry e USING (member_id, journal_id)"
	" JOIN loyalty.rule_cap k ON k.rule_id = e.rule_id"
	" WHERE j.member_id = $1 AND k.unit_id = $2 AND j.kind = 'event'"
	" AND j.effective_at >= $3 AND j.effective_at < $4"
	" GROUP BY j.journal_id, e.rule_id, k.counts"
	" UNION ALL SELECT j.amount - coalesce((SELECT sum(r.amount)"
	" FROM loyalty.journal r WHERE r.member_id = $1 AND r.reverses = j.ref"
	" AND r.kind = 'benefit_return' AND r.event = j.event), 0)"
	" FROM loyalty.journal j WHERE j.member_id = $1 AND j.unit_id = $2"
	" AND j.kind = 'benefit_use'"
	" AND j.effective_at >= $3 AND j.effective_at < $4) c",
	4, {INT8OID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

/* The person of a member who is not stored yet. */
void
event_facts_person(Decision *decision, Facts *facts, TimestampTz joined_at,
				   const Jsonb *profile)
{
	JsonbValue	buffer;
	JsonbValue *birthday = profile == NULL ? NULL :
		getKeyJsonValueFromContainer(unconstify(JsonbContainer *,
												&profile->root),
									 "birthday", strlen("birthday"), &buffer);

	facts->has_member = true;
	facts->joined_on = program_date(decision->program, joined_at);
	if (birthday != NULL && birthday->type == jbvString)
		decide_birthday(facts, pnstrdup(birthday->val.string.val,
									  birthday->val.string.len));
}

/* The same of one who is. */
void
event_facts_member(const Decision *decision, Facts *facts, bool read_only)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id))
	};

	if (statement_run(&select_person, args, read_only) == 0)
		return;
	facts->has_member = true;
	facts->joined_on = program_date(decision->program,
									DatumGetTimestampTz(statement_notnull(0, 1)));
	decide_birthday(facts, statement_text(0, 2));
}

static void
load_uses(Decision *decision, Facts *facts, bool read_only)
{
	const char *target = facts->target ? facts->target : "";
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id)),
		ARG(CStringGetTextDatum(target))
	};

	facts->nuses = statement_run(&select_uses, args, read_only);
	facts->uses = palloc(sizeof(RuleUse) * Max(facts->nuses, 1));
	for (int i = 0; i < facts->nuses; i++)
	{
		RuleUse    *use = &facts->uses[i];

		use->rule_id = DatumGetInt32(statement_notnull(i, 1));
		use->target = statement_text(i, 2);
		use->used_at = DatumGetTimestampTz(statement_notnull(i, 3));
		use->changed = false;
	}
}

/* The runs that the day of the event touches, and the run they become. */
static void
load_runs(Decision *decision, Facts *facts, bool read_only)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id)),
		ARG(CStringGetTextDatum(facts->event->name)),
		ARG(DateADTGetDatum(facts->on))
	};

	facts->nruns = statement_run(&select_runs, args, read_only);
	facts->run.started_on = facts->on;
	facts->run.last_on = facts->on;
	for (int i = 0; i < facts->nruns; i++)
	{
		Streak	   *run = &facts->runs[i];

		run->started_on = DatumGetDateADT(statement_notnull(i, 1));
		run->last_on = DatumGetDateADT(statement_notnull(i, 2));
		facts->run.started_on = Min(facts->run.started_on, run->started_on);
		facts->run.last_on = Max(facts->run.last_on, run->last_on);
	}
	facts->streak_day = facts->on - facts->run.started_on + 1;
}

/* A counter of a period that is over has left the wallet. */
static void
load_past_counter(Decision *decision, Facts *facts, const Unit *counter,
				  bool read_only)
{
	const Program *program = decision->program;
	DateADT		start = period_start(counter->period, facts->on);
	DateADT		end = period_end(counter->period, facts->on);
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id)),
		ARG(Int32GetDatum(counter->unit_id)),
		ARG(TimestampTzGetDatum(program_midnight(program, start))),
		ARG(TimestampTzGetDatum(program_midnight(program, end + 1)))
	};

	for (int i = 0; i < facts->npast; i++)
		if (facts->past[i].unit_id == counter->unit_id)
			return;
	store_publish(decision);
	statement_run(&select_past, args, read_only);
	facts->past = facts->past == NULL ?
		palloc(sizeof(PastCount)) :
		repalloc(facts->past, sizeof(PastCount) * (facts->npast + 1));
	facts->past[facts->npast].unit_id = counter->unit_id;
	facts->past[facts->npast++].used = DatumGetInt64(statement_notnull(0, 1));
}

static void
load_past(Decision *decision, Facts *facts, bool read_only)
{
	const ProgramEvent *event = facts->event;

	for (int i = 0; i < event->nrules; i++)
	{
		const Rule *rule = &decision->program->rules[event->first_rule + i];

		for (int n = 0; n < rule->ncaps; n++)
			if (period_end(rule->caps[n].counter->period,
						   facts->on) < decision->today)
				load_past_counter(decision, facts, rule->caps[n].counter,
								  read_only);
	}
}

static const JsonbValue *
data_field(const Jsonb *data, const char *name, JsonbValue *buffer)
{
	JsonbValue *value = data == NULL ? NULL :
		getKeyJsonValueFromContainer(unconstify(JsonbContainer *,
												&data->root),
									 name, strlen(name), buffer);

	return value == NULL || value->type == jbvNull ? NULL : value;
}

static void
read_excluded(const Decision *decision, Facts *facts)
{
	static const char *const names[] = {
		[EXCLUDED_TAX] = "tax",
		[EXCLUDED_SHIPPING] = "shipping",
		[EXCLUDED_POINTS] = "points"
	};

	for (int i = 0; i < EXCLUDED_COUNT; i++)
	{
		JsonbValue	buffer;
		const JsonbValue *value = data_field(facts->data, names[i], &buffer);

		/* the facts may be those of a cart before it was priced */
		facts->excluded[i] = 0;
		if (value == NULL)
			continue;
		if (value->type != jbvNumeric ||
			amount_parse(value->val.numeric,
						 decision->program->currency_scale,
						 &facts->excluded[i]) != REFUSAL_NONE ||
			facts->excluded[i] < 0)
			facts->invalid = names[i];
	}
}

static void
read_target(Facts *facts)
{
	JsonbValue	buffer;
	const JsonbValue *value = data_field(facts->data, "target", &buffer);

	if (value == NULL)
		return;
	if (value->type != jbvString || value->val.string.len == 0 ||
		value->val.string.len > 255)
		facts->invalid = "target";
	else
		facts->target = pnstrdup(value->val.string.val,
								 value->val.string.len);
}

/* The tier held at the time of the event. */
static const Tier *
tier_then(Decision *decision, const JournalRow *row, DateADT on,
		  bool read_only)
{
	const Account *account = decision->account;
	TimestampTz at = row->effective_at;
	int32		tier_id;

	if (at >= decision->now || account->tier_id == 0 ||
		on > account->tier_since)
		return decide_tier(decision);
	if (!decide_tier_by(decision, at, &tier_id))
		tier_id = store_tier_at(decision, at, read_only);
	return decide_tier_of(decision->program, tier_id);
}

/* What the rules of the event need of the data that came with it. */
void
event_facts_document(const Decision *decision, Facts *facts)
{
	if (facts->event->needs & NEEDS_EXCLUDED)
		read_excluded(decision, facts);
	if (facts->event->needs & NEEDS_TARGET)
		read_target(facts);
}

/*
 * Loads the facts of an event: what its rules need, and what is asked for
 * beside it.  lines, items and data may be NULL.  read_only: with the
 * caller's snapshot.
 */
Facts *
event_facts_needed(Decision *decision, const JournalRow *row,
				   const CartLines *lines, Jsonb *items, Jsonb *data,
				   int needs, bool read_only)
{
	static const ProgramEvent no_rules = {0};
	const Program *program = decision->program;
	Facts	   *facts = palloc0(sizeof(Facts));
	const ProgramEvent *event = program_event(program, row->event);
	bool		is_stored = decision->account->member_id != 0;

	facts->event = event ? event : &no_rules;
	needs |= facts->event->needs;
	facts->on = program_date(program, row->effective_at);
	facts->lines = lines;
	facts->items = items;
	facts->data = data;
	if (program->ntiers > 0)
		facts->tier = tier_then(decision, row, facts->on, read_only);
	if (needs == 0 && !facts->event->daily)
		return facts;

	facts->time = program_time(program, row->effective_at);
	event_facts_document(decision, facts);
	if (!is_stored)
		return facts;
	if (needs & NEEDS_MEMBER)
		event_facts_member(decision, facts, read_only);
	if (needs & NEEDS_BENEFITS)
		store_holdings(decision->account->member_id, program,
					   row->effective_at, needs, read_only, &facts->held);
	if (needs & NEEDS_USES)
		load_uses(decision, facts, read_only);
	if (needs & NEEDS_PAST)
		load_past(decision, facts, read_only);
	if (facts->event->daily)
		load_runs(decision, facts, read_only);
	return facts;
}

Facts *
event_facts(Decision *decision, const JournalRow *row, const CartLines *lines,
			Jsonb *items, Jsonb *data, bool read_only)
{
	return event_facts_needed(decision, row, lines, items, data, 0,
							  read_only);
}

/* A daily event happens once a day, and not too long ago. */
static bool
check_daily(Call *call, const Facts *facts)
{
	DateADT		today = call->decision.today;
	const char *day = date_text(facts->on);

	for (int i = 0; i < facts->nruns; i++)
		if (facts->on >= facts->runs[i].started_on &&
			facts->on <= facts->runs[i].last_on)
			return call_refuse(call, REFUSAL_EVENT_REPEATED, "day=%s", day);
	if (facts->on < today - facts->event->makeup_days)
		return call_refuse(call, REFUSAL_EVENT_REPEATED,
						   "day=%s can no longer be made up for", day);
	return true;
}

/* Judges an event whose facts are loaded, or refuses it. */
bool
event_judge(Call *call, JournalRow *row, Facts *facts)
{
	if (facts->invalid != NULL)
		return call_refuse(call, REFUSAL_DATA_INVALID,
						   "data.%s is malformed", facts->invalid);
	if (facts->event->daily && !check_daily(call, facts))
		return false;
	decide_awards(&call->decision, row, facts);
	return true;
}
