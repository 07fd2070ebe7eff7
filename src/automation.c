/*
 * automation.c
 *
 * The live automations of a programme, as its calls need them: what starts
 * them, and who is held out.
 */
#include "automation.h"

#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "amount.h"

const char *const automation_trigger_names[TRIGGER_NKINDS] = {
	[TRIGGER_EVENT] = "event",
	[TRIGGER_REFUND] = "refund",
	[TRIGGER_ACTIVITY] = "activity",
	[TRIGGER_TIER] = "tier",
	[TRIGGER_NEAR_TIER] = "near_tier",
	[TRIGGER_TAG_SET] = "tag_set",
	[TRIGGER_TAG_REMOVED] = "tag_removed",
	[TRIGGER_STAGE] = "stage",
	[TRIGGER_SEGMENT_ENTERED] = "segment_entered",
	[TRIGGER_SEGMENT_LEFT] = "segment_left",
	[TRIGGER_DATE] = "date",
	[TRIGGER_POINTS_EXPIRING] = "points_expiring",
	[TRIGGER_COUPON_EXPIRING] = "coupon_expiring",
	[TRIGGER_PLAN_ENDING] = "plan_ending",
	[TRIGGER_SILENT] = "silent",
	[TRIGGER_HOLD_EXPIRING] = "hold_expiring",
	[TRIGGER_SCHEDULE] = "schedule",
	[TRIGGER_ANNOUNCEMENT] = "announcement"
};

static const char *const once_names[] = {
	[ONCE_OCCURRENCE] = "occurrence",
	[ONCE_DAY] = "day",
	[ONCE_WEEK] = "week",
	[ONCE_MONTH] = "month",
	[ONCE_YEAR] = "year",
	[ONCE_EVER] = "ever"
};

static Statement select_live = {
	"SELECT " AUTOMATION_COLUMNS " FROM loyalty.automation WHERE program_id = $1 AND status = 'live'"
	" ORDER BY automation_id",
	1, {INT4OID}
};

static Statement select_goals = {
	"SELECT automation_id, goal_event, goal_days FROM loyalty.automation"
	" WHERE program_id = $1 AND goal_event IS NOT NULL"
	" AND (status IN ('live', 'paused') OR status = 'ended'"
	" AND (ends_at IS NULL OR goal_days IS NULL"
	" OR ends_at + (goal_days + 1) * interval '1 day' > $2))"
	" ORDER BY automation_id",
	2, {INT4OID, TIMESTAMPTZOID}
};

static Statement select_undoes = {
	"SELECT FROM loyalty.automation a"
	" JOIN loyalty.automation_step s USING (automation_id)"
	" WHERE a.program_id = $1 AND a.status <> 'draft' AND s.undo"
	" AND a.trigger_kind IN ('event', 'tier', 'near_tier')"
	" AND s.kind NOT IN ('wait', 'check') LIMIT 1",
	1, {INT4OID}
};

/* A number that was checked when it was saved. */
static int64
whole(uint64 row, int column)
{
	return DatumGetInt64(DirectFunctionCall1(numeric_int8,
											 statement_notnull(row, column)));
}

/* points_expiring, hold_expiring: the unit that is named, and its amount. */
static void
set_unit(Automation *automation, int row, const Unit *units, int nunits)
{
	bool		isnull;
	Datum		amount = statement_value(row, 8, &isnull);

	if (automation->trigger_name == NULL ||
		(automation->kind != TRIGGER_POINTS_EXPIRING &&
		 automation->kind != TRIGGER_HOLD_EXPIRING))
		return;
	for (int i = 0; i < nunits; i++)
	{
		if (strcmp(units[i].code, automation->trigger_name) != 0)
			continue;
		automation->unit_id = units[i].unit_id;
		if (!isnull && amount_parse(DatumGetNumeric(amount), units[i].scale,
									&automation->min_amount) != REFUSAL_NONE)
			refusal_raise(REFUSAL_RULE_INVALID,
						  psprintf("automation=%s min_amount has more decimals than the unit",
								   automation->name));
	}
}

/* Reads one from the result of a statement, whose first columns are its. */
void
automation_read(Automation *automation, int row, const Unit *units,
				int nunits)
{
	bool		isnull;
	Datum		delay = statement_value(row, 12, &isnull);

	automation->automation_id = DatumGetInt32(statement_notnull(row, 1));
	automation->name = statement_text(row, 2);
	automation->kind = word_of(statement_text(row, 3),
							   automation_trigger_names, TRIGGER_NKINDS);
	automation->trigger_name = statement_text(row, 4);
	automation->days = DatumGetInt32(statement_notnull(row, 5));
	automation->yearly = DatumGetBool(statement_notnull(row, 6));
	automation->permille = whole(row, 7);
	automation->at_time = DatumGetTimeADT(statement_notnull(row, 9));
	automation->late_days = DatumGetInt32(statement_notnull(row, 10));
	automation->once = word_of(statement_text(row, 11), once_names,
							   lengthof(once_names));
	if (!isnull)
	{
		automation->delay = palloc(sizeof(Interval));
		*automation->delay = *DatumGetIntervalP(delay);
	}
	automation->restarts = DatumGetBool(statement_notnull(row, 13));
	automation->holdout = whole(row, 14);
	automation->starts_at = statement_time_or(row, 15, DT_NOBEGIN);
	automation->ends_at = statement_time_or(row, 16, DT_NOEND);
	set_unit(automation, row, units, nunits);
}

static int
compare_kinds(const void *a, const void *b)
{
	const Automation *one = a;
	const Automation *other = b;

	if (one->kind != other->kind)
		return one->kind < other->kind ? -1 : 1;
	return one->automation_id < other->automation_id ? -1 : 1;
}

/*
 * A hash of what decides on which dates the dated ones become due, by which
 * it is known whether members have been looked at for just these.
 */
static bytea *
define(const Automations *automations)
{
	StringInfoData text;
	uint64		hashes[2];
	bytea	   *result = palloc(VARHDRSZ + sizeof(hashes));

	initStringInfo(&text);
	for (int i = 0; i < automations->n; i++)
	{
		const Automation *one = &automations->list[i];

		if (!TRIGGER_IS_DATED(one->kind))
			continue;
		appendStringInfo(&text, "%d %d %s %d %d " INT64_FORMAT " %d "
						 INT64_FORMAT " " INT64_FORMAT,
						 one->automation_id, one->kind,
						 one->trigger_name == NULL ? "" : one->trigger_name,
						 one->days, one->yearly, one->min_amount,
						 one->late_days, one->starts_at, one->ends_at);
		appendStringInfoChar(&text, '\0');
	}
	for (int i = 0; i < lengthof(hashes); i++)
		hashes[i] = pg_hton64(hash_bytes_extended((unsigned char *) text.data,
												  text.len, i));
	SET_VARSIZE(result, VARHDRSZ + sizeof(hashes));
	memcpy(VARDATA(result), hashes, sizeof(hashes));
	pfree(text.data);
	return result;
}

static void
load_goals(int32 program_id, Automations *automations)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program_id)),
		ARG(TimestampTzGetDatum(loyalty_clock()))
	};

	automations->ngoals = statement_run(&select_goals, args, true);
	automations->goals = palloc(sizeof(AutomationGoal) *
								Max(automations->ngoals, 1));
	for (int i = 0; i < automations->ngoals; i++)
	{
		AutomationGoal *goal = &automations->goals[i];

		goal->automation_id = DatumGetInt32(statement_notnull(i, 1));
		goal->event = statement_text(i, 2);
		goal->days = statement_int32_or(i, 3, 0);
	}
}

/* Fills in what is live now.  Needs SPI; allocates in the current context. */
void
automation_load(int32 program_id, const Unit *units, int nunits,
				Automations *automations)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id))};

	memset(automations, 0, sizeof(Automations));
	automations->n = statement_run(&select_live, args, true);
	automations->list = palloc0(sizeof(Automation) * Max(automations->n, 1));
	for (int i = 0; i < automations->n; i++)
		automation_read(&automations->list[i], i, units, nunits);
	qsort(automations->list, automations->n, sizeof(Automation),
		  compare_kinds);
	for (int i = automations->n - 1; i >= 0; i--)
	{
		TriggerKind kind = automations->list[i].kind;

		automations->first[kind] = i;
		automations->count[kind]++;
		automations->ndated += TRIGGER_IS_DATED(kind);
	}
	automations->definition = define(automations);
	load_goals(program_id, automations);
	automations->undoes = statement_run(&select_undoes, args, true) > 0;
}

bool
automation_listens(const Automation *automation, const char *name)
{
	return automation->trigger_name == NULL ||
		(name != NULL && strcmp(automation->trigger_name, name) == 0);
}

/*
 * The members of an automation are spread evenly over 10,000 places, by a
 * mixture of both ids (the finalizer of splitmix64) that never changes and is
 * another one for each automation.
 */
bool
automation_holds_out(const Automation *automation, int64 member_id)
{
	uint64		mixed = (uint64) member_id +
		UINT64CONST(0x9e3779b97f4a7c15) * (uint32) automation->automation_id;

	mixed = (mixed ^ (mixed >> 30)) * UINT64CONST(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ (mixed >> 27)) * UINT64CONST(0x94d049bb133111eb);
	mixed ^= mixed >> 31;
	return mixed % 10000 < (uint64) automation->holdout;
}
