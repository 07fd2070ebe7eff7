/*
 * event_automation_step.c
 *
 * The steps of automations.  Each is a call of a public verb, under a key
 * that is made of the run and the step.
 */
#include "event_automation.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

#include "decide_document.h"
#include "message.h"
#include "statement.h"

#define TAG_SOURCE "automation"

static Statement call_award = {
	"SELECT r.status, r.reason, r.journal_id"
	" FROM loyalty.award($1, $2, $3, $4, key => $5, mode => $6) r",
	6, {INT8OID, NUMERICOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}
};

static Statement call_coupon = {
	"SELECT r.status, r.reason, r.journal_id"
	" FROM loyalty.coupon_issue($1, $2, key => $3, mode => $4) r",
	4, {INT8OID, TEXTOID, TEXTOID, TEXTOID}
};

static Statement call_pack = {
	"SELECT r.status, r.reason, r.journal_id"
	" FROM loyalty.coupon_issue_pack($1, $2, key => $3, mode => $4) r",
	4, {INT8OID, TEXTOID, TEXTOID, TEXTOID}
};

static Statement select_issued = {
	"SELECT m.coupon_no, c.name, m.valid_until FROM loyalty.member_coupon m"
	" JOIN loyalty.coupon c USING (coupon_id)"
	" WHERE m.member_id = $1 AND m.journal_id = $2 ORDER BY m.coupon_no",
	2, {INT8OID, INT8OID}
};

static Statement call_tag_add = {
	"SELECT loyalty.tag_add($1, $2, $3, $4)",
	4, {INT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
};

static Statement call_tag_remove = {
	"SELECT loyalty.tag_remove($1, $2)",
	2, {INT8OID, TEXTOID}
};

static void
push_time(JsonbParseState **state, const RunWork *work, const char *name,
		  TimestampTz at)
{
	int			offset = program_offset(work->program, at);

	push_cstring(state, name,
				 JsonEncodeDateTime(NULL, TimestampTzGetDatum(at),
									TIMESTAMPTZOID, &offset));
}

JsonbParseState *
run_entry(const RunWork *work, int position, const char *kind)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_amount(&state, "position", position, 0);
	push_cstring(&state, "kind", kind);
	push_time(&state, work, "at", work->now);
	return state;
}

void
run_log(RunWork *work, Jsonb *entry)
{
	work->log = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
												   JsonbPGetDatum(work->log),
												   JsonbPGetDatum(entry)));
}

/* Adds facts to those of what was given. */
static void
give(RunWork *work, Jsonb *facts)
{
	work->given = work->given == NULL ? facts :
		DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
										   JsonbPGetDatum(work->given),
										   JsonbPGetDatum(facts)));
}

static Datum
step_key(const RunWork *work, const AutomationStep *step)
{
	return CStringGetTextDatum(psprintf("automation-" INT64_FORMAT "-%d",
										work->run_id, step->position));
}

static Datum
step_mode(const RunWork *work)
{
	return CStringGetTextDatum(work->dry ? "dry" : "do");
}

/* The outcome of a receipt: the last result. */
static const char *
receipt_outcome(void)
{
	const char *reason = statement_text(0, 2);

	return reason == NULL ? statement_text(0, 1) : reason;
}

static void
push_id(JsonbParseState **state, const char *name, int row, int column)
{
	int64		id = statement_int64_or(row, column, 0);

	if (id != 0)
		push_amount(state, name, id, 0);
}

static void
push_numeric(JsonbParseState **state, const char *name, Numeric number)
{
	JsonbValue	value = {.type = jbvNumeric, .val.numeric = number};

	push_key(state, name);
	pushJsonbValue(state, WJB_VALUE, &value);
}

static Jsonb *
award_facts(const Unit *unit, const AutomationStep *step)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_cstring(&state, "award_unit", unit->code);
	push_numeric(&state, "award_amount", step->amount);
	return end_object(&state);
}

static Jsonb *
do_award(RunWork *work, const AutomationStep *step, JsonbParseState *entry,
		 const char **outcome)
{
	const Unit *unit = program_unit_by_id(work->program, step->unit_id);
	NullableDatum args[] = {
		ARG(Int64GetDatum(work->member_id)),
		ARG(NumericGetDatum(step->amount)),
		ARG(CStringGetTextDatum(unit->code)),
		ARG(CStringGetTextDatum(psprintf("automation %s",
										 work->plan->automation.name))),
		ARG(step_key(work, step)),
		ARG(step_mode(work))
	};

	statement_run(&call_award, args, false);
	*outcome = receipt_outcome();
	push_cstring(&entry, "unit", unit->code);
	push_numeric(&entry, "amount", step->amount);
	push_id(&entry, "journal_id", 0, 3);
	push_bool(&entry, "undo", step->undo);
	give(work, award_facts(unit, step));
	return end_object(&entry);
}

/* The numbers of the coupons that a call has issued; the last is given. */
static void
push_coupons(JsonbParseState **entry, RunWork *work, int64 journal_id)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(work->member_id)),
		ARG(Int64GetDatum(journal_id))
	};
	int			n = statement_run(&select_issued, args, false);
	JsonbParseState *facts = NULL;

	push_key(entry, "coupons");
	pushJsonbValue(entry, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
		push_amount(entry, NULL, DatumGetInt64(statement_notnull(i, 1)), 0);
	pushJsonbValue(entry, WJB_END_ARRAY, NULL);
	if (n == 0)
		return;
	pushJsonbValue(&facts, WJB_BEGIN_OBJECT, NULL);
	push_cstring(&facts, "coupon", statement_text(n - 1, 2));
	push_id(&facts, "coupon_no", n - 1, 1);
	if (statement_date_or(n - 1, 3, DATEVAL_NOEND) != DATEVAL_NOEND)
		push_date(&facts, "coupon_until",
				  DatumGetDateADT(statement_notnull(n - 1, 3)));
	give(work, end_object(&facts));
}

static Jsonb *
do_coupon(RunWork *work, const AutomationStep *step, JsonbParseState *entry,
		  const char **outcome)
{
	bool		is_pack = step->pack != NULL;
	NullableDatum args[] = {
		ARG(Int64GetDatum(work->member_id)),
		ARG(CStringGetTextDatum(is_pack ? step->pack : step->coupon)),
		ARG(step_key(work, step)),
		ARG(step_mode(work))
	};

	statement_run(is_pack ? &call_pack : &call_coupon, args, false);
	*outcome = receipt_outcome();
	push_cstring(&entry, is_pack ? "pack" : "coupon",
				 is_pack ? step->pack : step->coupon);
	push_id(&entry, "journal_id", 0, 3);
	push_coupons(&entry, work, statement_int64_or(0, 3, 0));
	push_bool(&entry, "undo", step->undo);
	return end_object(&entry);
}

/* The end of valid_days; without them there is none. */
static TimestampTz
valid_until(const RunWork *work, const AutomationStep *step)
{
	Interval	valid = {.day = step->valid_days};

	return step->valid_days == 0 ? DT_NOEND :
		program_after(work->program, work->now, &valid);
}

static Jsonb *
do_tag_add(RunWork *work, const AutomationStep *step, JsonbParseState *entry)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(work->member_id)),
		ARG(CStringGetTextDatum(step->tag)),
		ARG(CStringGetTextDatum(TAG_SOURCE)),
		ARG_OR_NULL(TimestampTzGetDatum(valid_until(work, step)),
					step->valid_days > 0)
	};

	push_cstring(&entry, "tag", step->tag);
	if (!work->dry)
	{
		statement_run(&call_tag_add, args, false);
		push_bool(&entry, "added", DatumGetBool(statement_notnull(0, 1)));
		push_bool(&entry, "undo", step->undo);
	}
	return end_object(&entry);
}

static Jsonb *
do_tag_remove(RunWork *work, const AutomationStep *step,
			  JsonbParseState *entry)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(work->member_id)),
		ARG(CStringGetTextDatum(step->tag))
	};

	push_cstring(&entry, "tag", step->tag);
	if (!work->dry)
	{
		statement_run(&call_tag_remove, args, false);
		push_bool(&entry, "removed", DatumGetBool(statement_notnull(0, 1)));
	}
	return end_object(&entry);
}

/* What started the run, what it gave, and before both what the step says. */
static Jsonb *
message_params(const RunWork *work, const AutomationStep *step)
{
	Datum		params = JsonbPGetDatum(work->trigger);

	if (work->given != NULL)
		params = DirectFunctionCall2(jsonb_concat, params,
									 JsonbPGetDatum(work->given));
	if (step->params != NULL)
		params = DirectFunctionCall2(jsonb_concat, params,
									 JsonbPGetDatum(step->params));
	return DatumGetJsonbP(params);
}

static Jsonb *
do_message(RunWork *work, const AutomationStep *step, JsonbParseState *entry)
{
	NewMessage	message = {
		.member_id = work->member_id,
		.program_id = work->program->program_id,
		.automation_id = work->plan->automation.automation_id,
		.run_id = work->run_id,
		.priority = step->priority,
		.channel = step->channel,
		.template = step->template,
		.purpose = work->plan->purpose,
		.params = message_params(work, step),
		.not_before = DT_NOBEGIN,
		.expires_at = valid_until(work, step)
	};

	push_cstring(&entry, "channel", step->channel);
	push_cstring(&entry, "template", step->template);
	if (work->dry)
		push_json(&entry, "params", message.params);
	else
	{
		message.dedupe_key = TextDatumGetCString(step_key(work, step));
		push_amount(&entry, "message_id", message_add(&message), 0);
		push_bool(&entry, "undo", step->undo);
	}
	return end_object(&entry);
}

static Jsonb *
do_wait(RunWork *work, const AutomationStep *step, JsonbParseState *entry)
{
	work->due_at = program_after(work->program, work->now, step->wait);
	push_time(&entry, work, "until", work->due_at);
	return end_object(&entry);
}

static Jsonb *
do_check(RunWork *work, const AutomationStep *step, JsonbParseState *entry,
		 StepOutcome *outcome)
{
	bool		holds = run_condition(work, step->condition);

	push_bool(&entry, "result", holds);
	outcome->outcome = holds ? "true" : "false";
	if (!holds)
	{
		outcome->next = step->otherwise;
		if (step->otherwise != 0)
			push_amount(&entry, "next", step->otherwise, 0);
	}
	return end_object(&entry);
}

StepOutcome
run_step(RunWork *work, const AutomationStep *step)
{
	StepOutcome outcome = {.outcome = "would be done",
	.next = step->position + 1};
	JsonbParseState *entry = run_entry(work, step->position,
									   automation_step_name(step->kind));

	switch (step->kind)
	{
		case ACT_AWARD:
			outcome.detail = do_award(work, step, entry, &outcome.outcome);
			break;
		case ACT_COUPON:
			outcome.detail = do_coupon(work, step, entry, &outcome.outcome);
			break;
		case ACT_TAG_ADD:
			outcome.detail = do_tag_add(work, step, entry);
			break;
		case ACT_TAG_REMOVE:
			outcome.detail = do_tag_remove(work, step, entry);
			break;
		case ACT_MESSAGE:
			outcome.detail = do_message(work, step, entry);
			break;
		case ACT_WAIT:
			outcome.detail = do_wait(work, step, entry);
			break;
		case ACT_CHECK:
			outcome.detail = do_check(work, step, entry, &outcome);
			break;
	}
	run_log(work, outcome.detail);
	return outcome;
}
