/*
 * automation_check.c
 *
 * Refuses automations and steps that could not be carried out, when they are
 * saved.  What a row refers to by a column of its own is checked in rule.c.
 */
#include "automation.h"

#include "commands/trigger.h"
#include "utils/builtins.h"

#include "amount.h"
#include "amount_check.h"
#include "condition.h"
#include "tier.h"

PG_FUNCTION_INFO_V1(loyalty_automation_check);
PG_FUNCTION_INFO_V1(loyalty_automation_step_check);
PG_FUNCTION_INFO_V1(loyalty_automation_step_needed);

#define BIT(kind) (1 << (kind))
#define INSTANT (BIT(TRIGGER_DATE) - 1)

/* Which kinds of trigger need a column, and which others may have it. */
static const struct
{
	const char *column;
	int			needs;
	int			may;
}			trigger_columns[] = {
	{"days", BIT(TRIGGER_POINTS_EXPIRING) | BIT(TRIGGER_COUPON_EXPIRING) |
	BIT(TRIGGER_PLAN_ENDING) | BIT(TRIGGER_SILENT), BIT(TRIGGER_DATE)},
	{"percent", BIT(TRIGGER_NEAR_TIER), 0},
	{"min_amount", 0, BIT(TRIGGER_POINTS_EXPIRING)},
	{"lead", BIT(TRIGGER_HOLD_EXPIRING), 0},
	{"on_date", 0, BIT(TRIGGER_SCHEDULE)},
	{"days_of_week", 0, BIT(TRIGGER_SCHEDULE)},
	{"days_of_month", 0, BIT(TRIGGER_SCHEDULE)},
	{"calendar", 0, BIT(TRIGGER_SCHEDULE)}
};

static Statement event_known = {
	CHECK_KNOWN("program_event", "event = $2"), 2, {INT4OID, TEXTOID}
};
static Statement calendar_known = {
	CHECK_KNOWN("calendar_day", "calendar = $2"), 2, {INT4OID, TEXTOID}
};
static Statement tier_known = {
	CHECK_KNOWN("tier", "code = $2"), 2, {INT4OID, TEXTOID}
};
static Statement stage_known = {
	CHECK_KNOWN("tag", "name = $2 AND dimension = 'lifecycle'"), 2, {INT4OID, TEXTOID}
};
static Statement segment_known = {
	CHECK_KNOWN("segment", "name = $2"), 2, {INT4OID, TEXTOID}
};
static Statement unit_known = {
	CHECK_KNOWN("unit", "code = $2 AND kind IN ('points', 'money')"), 2, {INT4OID, TEXTOID}
};
static Statement coupon_known = {
	CHECK_KNOWN("coupon", "name = $2"), 2, {INT4OID, TEXTOID}
};
static Statement plan_known = {
	CHECK_KNOWN("plan", "name = $2"), 2, {INT4OID, TEXTOID}
};
static Statement activity_known = {
	"SELECT loyalty.activity_kind_known($1, $2), true", 2, {INT4OID, TEXTOID}
};
static Statement channel_known = {
	"SELECT loyalty.message_channel_known($1, $2), true", 2, {INT4OID, TEXTOID}
};

/* What the name of a trigger is one of. */
static Statement *const names_known[TRIGGER_NKINDS] = {
	[TRIGGER_EVENT] = &event_known,
	[TRIGGER_REFUND] = &event_known,
	[TRIGGER_ACTIVITY] = &activity_known,
	[TRIGGER_NEAR_TIER] = &tier_known,
	[TRIGGER_STAGE] = &stage_known,
	[TRIGGER_SEGMENT_ENTERED] = &segment_known,
	[TRIGGER_SEGMENT_LEFT] = &segment_known,
	[TRIGGER_POINTS_EXPIRING] = &unit_known,
	[TRIGGER_HOLD_EXPIRING] = &unit_known,
	[TRIGGER_COUPON_EXPIRING] = &coupon_known,
	[TRIGGER_PLAN_ENDING] = &plan_known
};

static Statement select_scale = {
	"SELECT scale FROM loyalty.unit WHERE program_id = $1 AND code = $2",
	2, {INT4OID, TEXTOID}
};

static Statement select_unit = {
	"SELECT scale, kind = 'counter' FROM loyalty.unit WHERE unit_id = $1",
	1, {INT4OID}
};

static Statement select_steps = {
	"SELECT FROM loyalty.automation_step WHERE automation_id = $1 LIMIT 1",
	1, {INT4OID}
};

/*
 * What a step names and the programme has not, of what may come after the
 * step.  No channel has an empty name: it is known only while there is none.
 */
static Statement select_missing = {
	"SELECT m.what || '=' || m.name"
	" FROM loyalty.automation_step s CROSS JOIN LATERAL (VALUES"
	" ('coupon', s.coupon, EXISTS (SELECT FROM loyalty.coupon c"
	" WHERE c.program_id = s.program_id AND c.name = s.coupon)),"
	" ('pack', s.pack, EXISTS (SELECT FROM loyalty.coupon_pack p"
	" WHERE p.program_id = s.program_id AND p.name = s.pack)),"
	" ('channel', s.channel,"
	" loyalty.message_channel_known(s.program_id, s.channel)"
	" AND NOT loyalty.message_channel_known(s.program_id, '')))"
	" AS m (what, name, known)"
	" WHERE s.automation_id = $1 AND m.name IS NOT NULL AND NOT m.known"
	" ORDER BY s.position, m.what LIMIT 1",
	1, {INT4OID}
};

static Statement tag_by_rule = {
	"SELECT FROM loyalty.tag"
	" WHERE program_id = $1 AND name = $2 AND condition IS NOT NULL",
	2, {INT4OID, TEXTOID}
};

static bool
is_given(const CheckedRow *row, const char *column)
{
	return !check_column(row, column).isnull;
}

static bool
is_set(const CheckedRow *row, const char *column)
{
	NullableDatum value = check_column(row, column);

	return !value.isnull && DatumGetBool(value.value);
}

/* An int that may be NULL. */
static int
number(const CheckedRow *row, const char *column, int otherwise)
{
	NullableDatum value = check_column(row, column);

	return value.isnull ? otherwise : DatumGetInt32(value.value);
}

static void
check_condition(const CheckedRow *row)
{
	NullableDatum value = check_column(row, "condition");
	Refusal		refusal;
	const char *problem;

	if (value.isnull)
		return;
	problem = condition_check_automation(DatumGetJsonPathP(value.value),
										 &refusal);
	if (problem != NULL)
		refusal_raise(refusal, psprintf("condition: %s", problem));
}

static bool
is_word(const char *name, const char *const *words, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(name, words[i]) == 0)
			return true;
	return false;
}

/* Is it the name of an action in the history of tiers? */
static bool
is_action(const char *name)
{
	for (TierAction action = TIER_JOINED; action <= TIER_BOUGHT; action++)
		if (strcmp(name, tier_action_name(action)) == 0)
			return true;
	return false;
}

static void
check_name(const CheckedRow *row, TriggerKind kind)
{
	static const char *const dates[] = {
		"birthday", "joined", "first_purchase", "last_purchase", "tier_until"
	};
	static const char *const silences[] = {"purchase", "event"};
	char	   *name = check_text(row, "trigger_name");

	if (kind == TRIGGER_DATE && (name == NULL ||
								 !is_word(name, dates, lengthof(dates))))
		check_refuse(row, "trigger_name", "must be birthday, joined, "
					 "first_purchase, last_purchase or tier_until");
	if (kind == TRIGGER_SILENT &&
		(name == NULL || !is_word(name, silences, lengthof(silences))))
		check_refuse(row, "trigger_name", "must be purchase or event");
	if (name == NULL)
		return;
	if (kind == TRIGGER_SCHEDULE || kind == TRIGGER_ANNOUNCEMENT)
		check_refuse(row, "trigger_name", "a start for many has no name");
	if (kind == TRIGGER_TIER && !is_action(name))
		check_refuse(row, "trigger_name", "no such action of tiers");
	if (names_known[kind] != NULL)
		check_known(row, names_known[kind], "trigger_name", "trigger_name");
}

static void
check_columns(const CheckedRow *row, TriggerKind kind)
{
	for (int i = 0; i < lengthof(trigger_columns); i++)
	{
		const char *column = trigger_columns[i].column;
		int			needs = trigger_columns[i].needs;

		if (is_given(row, column) &&
			!((needs | trigger_columns[i].may) & BIT(kind)))
			check_refuse(row, column,
						 psprintf("a trigger of kind %s has it not",
								  automation_trigger_names[kind]));
		if (!is_given(row, column) && (needs & BIT(kind)))
			check_refuse(row, column,
						 psprintf("a trigger of kind %s needs it",
								  automation_trigger_names[kind]));
	}
	if (kind != TRIGGER_DATE && number(row, "days", 0) < 0)
		check_refuse(row, "days", "must not be negative");
	if (kind == TRIGGER_SILENT && number(row, "days", 0) == 0)
		check_refuse(row, "days", "must be 1 at least");
	if (is_set(row, "yearly") && (kind != TRIGGER_DATE ||
								  check_is(row, "trigger_name", "tier_until")))
		check_refuse(row, "yearly", "only a date comes each year again");
	if (kind == TRIGGER_SCHEDULE && !is_given(row, "on_date") &&
		!is_given(row, "days_of_week") && !is_given(row, "days_of_month") &&
		!is_given(row, "calendar"))
		check_refuse(row, "trigger_kind", "a schedule needs its days");
	if (number(row, "calendar_days", 0) != 0 && !is_given(row, "calendar"))
		check_refuse(row, "calendar_days", "there is no calendar");
}

static void
check_numbers(const CheckedRow *row)
{
	NullableDatum args[] = {
		check_column(row, "program_id"),
		check_column(row, "trigger_name")
	};

	check_decimals(row, "percent", 1, NULL);
	check_decimals(row, "holdout", 2, NULL);
	if (!is_given(row, "min_amount"))
		return;
	if (args[1].isnull)
		check_refuse(row, "min_amount", "it needs a unit in trigger_name");
	if (statement_run(&select_scale, args, false) > 0)
		check_decimals(row, "min_amount",
					   DatumGetInt16(statement_notnull(0, 1)), NULL);
}

static void
refuse_start(const CheckedRow *row, const char *why)
{
	refusal_raise(REFUSAL_AUTOMATION_NOT_READY,
				  psprintf("automation=%s %s", check_text(row, "name"), why));
}

/* Refuses to start while there is not what a column names. */
static void
check_there(const CheckedRow *row, Statement *known, const char *column)
{
	NullableDatum args[] = {
		check_column(row, "program_id"),
		check_column(row, column)
	};

	if (known == NULL || args[1].isnull)
		return;
	statement_run(known, args, false);
	if (!DatumGetBool(statement_notnull(0, 1)))
		refuse_start(row, psprintf("%s=%s does not exist", column,
								   clipped(check_text(row, column))));
}

/*
 * One that starts needs a step, and all that it names: what was taken on
 * trust, because the programme had nothing of the kind, would never start, or
 * fail for each member.  One that is inserted is taken on trust: a restore
 * loads the steps later.
 */
static void
check_status(const CheckedRow *row, TriggerKind kind)
{
	NullableDatum args[] = {check_column(row, "automation_id")};

	if (row->before == NULL || !check_is(row, "status", "live") ||
		!check_differs(row, "status"))
		return;
	if (statement_run(&select_steps, args, false) == 0)
		refuse_start(row, "has no step");
	if (statement_run(&select_missing, args, false) > 0)
		refuse_start(row, psprintf("%s does not exist",
								   statement_text(0, 1)));
	check_there(row, names_known[kind], "trigger_name");
	check_there(row, &segment_known, "segment");
	check_there(row, &calendar_known, "calendar");
	check_there(row, &event_known, "goal_event");
}

static void
check_restart(const CheckedRow *row, TriggerKind kind)
{
	NullableDatum delay = check_column(row, "delay");
	const Interval *interval = delay.isnull ? NULL :
		DatumGetIntervalP(delay.value);

	if (!is_set(row, "restarts"))
		return;
	if (!(BIT(kind) & INSTANT))
		check_refuse(row, "restarts", "what is due on a date does not begin "
					 "anew");
	if (interval != NULL && interval->month == 0 && interval->day == 0 &&
		interval->time == 0)
		check_refuse(row, "restarts", "without a delay nothing waits");
}

/* Trigger of automation. */
Datum
loyalty_automation_check(PG_FUNCTION_ARGS)
{
	CheckedRow	row = check_row(fcinfo);
	char	   *name = check_text(&row, "trigger_kind");

	/* what is no kind is refused by the column's constraint */
	if (name == NULL ||
		!is_word(name, automation_trigger_names, TRIGGER_NKINDS))
		return PointerGetDatum(row.tuple);
	SPI_connect();
	{
		TriggerKind kind = word_of(name, automation_trigger_names,
								   TRIGGER_NKINDS);

		check_name(&row, kind);
		check_columns(&row, kind);
		check_numbers(&row);
		check_restart(&row, kind);
		check_condition(&row);
		if (is_given(&row, "goal_event"))
			check_known(&row, &event_known, "goal_event", "goal_event");
		else if (is_given(&row, "goal_days"))
			check_refuse(&row, "goal_days", "there is no goal_event");
		check_status(&row, kind);
	}
	SPI_finish();
	return PointerGetDatum(row.tuple);
}

/*
 * Steps.
 */

/* Which kinds of step need a column, and which others may have it. */
static const struct
{
	const char *column;
	int			needs;
	int			may;
}			step_columns[] = {
	{"unit_id", BIT(ACT_AWARD), 0},
	{"amount", BIT(ACT_AWARD), 0},
	{"coupon", 0, BIT(ACT_COUPON)},
	{"pack", 0, BIT(ACT_COUPON)},
	{"tag", BIT(ACT_TAG_ADD) | BIT(ACT_TAG_REMOVE), 0},
	{"valid_days", 0, BIT(ACT_TAG_ADD) | BIT(ACT_MESSAGE)},
	{"channel", BIT(ACT_MESSAGE), 0},
	{"template", BIT(ACT_MESSAGE), 0},
	{"params", 0, BIT(ACT_MESSAGE)},
	{"wait", BIT(ACT_WAIT), 0},
	{"condition", BIT(ACT_CHECK), 0},
	{"otherwise", 0, BIT(ACT_CHECK)}
};

static void
check_step_columns(const CheckedRow *row, StepKind kind)
{
	for (int i = 0; i < lengthof(step_columns); i++)
	{
		const char *column = step_columns[i].column;
		int			needs = step_columns[i].needs;

		if (is_given(row, column) &&
			!((needs | step_columns[i].may) & BIT(kind)))
			check_refuse(row, column,
						 psprintf("a step of kind %s has it not",
								  automation_step_name(kind)));
		if (!is_given(row, column) && (needs & BIT(kind)))
			check_refuse(row, column,
						 psprintf("a step of kind %s needs it",
								  automation_step_name(kind)));
	}
	if (kind == ACT_COUPON && is_given(row, "coupon") == is_given(row, "pack"))
		check_refuse(row, "coupon", "either coupon or pack must be given");
	/* forward only, so that no run goes round for ever */
	if (is_given(row, "otherwise") &&
		number(row, "otherwise", 0) <= number(row, "position", 0))
		check_refuse(row, "otherwise", "must be a later position");
}

static void
check_award(const CheckedRow *row)
{
	NullableDatum args[] = {check_column(row, "unit_id")};

	if (args[0].isnull || statement_run(&select_unit, args, false) == 0)
		return;
	if (DatumGetBool(statement_notnull(0, 2)))
		check_refuse(row, "unit_id", "a counter counts awards, it is none");
	check_decimals(row, "amount", DatumGetInt16(statement_notnull(0, 1)),
				   NULL);
}

static void
check_tag(const CheckedRow *row)
{
	NullableDatum args[] = {
		check_column(row, "program_id"),
		check_column(row, "tag")
	};

	if (!args[1].isnull && statement_run(&tag_by_rule, args, false) > 0)
		check_refuse(row, "tag", "the tag is set by its condition only");
}

/* Trigger of automation_step. */
Datum
loyalty_automation_step_check(PG_FUNCTION_ARGS)
{
	CheckedRow	row = check_row(fcinfo);
	char	   *name = check_text(&row, "kind");
	StepKind	kind = ACT_AWARD;

	while (name != NULL && kind <= ACT_CHECK &&
		   strcmp(name, automation_step_name(kind)) != 0)
		kind++;
	/* what is no kind is refused by the column's constraint */
	if (name == NULL || kind > ACT_CHECK)
		return PointerGetDatum(row.tuple);
	SPI_connect();
	check_step_columns(&row, kind);
	check_award(&row);
	check_tag(&row);
	check_condition(&row);
	check_known(&row, &channel_known, "channel", "channel");
	SPI_finish();
	return PointerGetDatum(row.tuple);
}

/* Others that take steps of it away wait, and see what this one took. */
static Statement lock_live = {
	"SELECT name FROM loyalty.automation"
	" WHERE automation_id = $1 AND status = 'live' FOR NO KEY UPDATE",
	1, {INT4OID}
};

/*
 * Trigger of automation_step at the end of the transaction, so that steps can
 * be exchanged in one: who took one away has left another, if it is live.
 */
Datum
loyalty_automation_step_needed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	tupdesc;
	NullableDatum args[1];
	char	   *name;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_AFTER(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called as a trigger after each row")));
	tupdesc = trigger->tg_relation->rd_att;
	args[0].value = SPI_getbinval(trigger->tg_trigtuple, tupdesc,
								  SPI_fnumber(tupdesc, "automation_id"),
								  &args[0].isnull);
	SPI_connect();
	if (statement_run(&lock_live, args, false) > 0)
	{
		name = statement_text(0, 1);
		if (statement_run(&select_steps, args, false) == 0)
			refusal_raise(REFUSAL_AUTOMATION_NOT_READY,
						  psprintf("automation=%s has no step", name));
	}
	SPI_finish();
	return PointerGetDatum(NULL);
}
