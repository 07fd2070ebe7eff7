/*
 * automation_plan.c
 *
 * An automation with its steps, as its runs are worked off.
 */
#include "automation.h"

#include "utils/builtins.h"

static const char *const status_names[] = {
	[AUTOMATION_DRAFT] = "draft",
	[AUTOMATION_LIVE] = "live",
	[AUTOMATION_PAUSED] = "paused",
	[AUTOMATION_ENDED] = "ended"
};

static const char *const step_names[] = {
	[ACT_AWARD] = "award",
	[ACT_COUPON] = "coupon",
	[ACT_TAG_ADD] = "tag_add",
	[ACT_TAG_REMOVE] = "tag_remove",
	[ACT_MESSAGE] = "message",
	[ACT_WAIT] = "wait",
	[ACT_CHECK] = "check"
};

static Statement select_plan = {
	"SELECT " AUTOMATION_COLUMNS ", program_id, status, segment, condition,"
	" coalesce(gap_days, 0), purpose, coalesce(campaign_id, 0)"
	" FROM loyalty.automation WHERE automation_id = $1",
	1, {INT4OID}
};

enum plan_column
{
	PLAN_PROGRAM = AUTOMATION_NCOLUMNS + 1,
	PLAN_STATUS,
	PLAN_SEGMENT,
	PLAN_CONDITION,
	PLAN_GAP,
	PLAN_PURPOSE,
	PLAN_CAMPAIGN
};

static Statement select_steps = {
	"SELECT position, kind, unit_id, amount, coupon, pack, tag, valid_days,"
	" channel, template, params, priority, wait, condition, otherwise, undo"
	" FROM loyalty.automation_step WHERE automation_id = $1 ORDER BY position",
	1, {INT4OID}
};

enum step_column
{
	COLUMN_POSITION = 1,
	COLUMN_KIND,
	COLUMN_UNIT,
	COLUMN_AMOUNT,
	COLUMN_COUPON,
	COLUMN_PACK,
	COLUMN_TAG,
	COLUMN_VALID_DAYS,
	COLUMN_CHANNEL,
	COLUMN_TEMPLATE,
	COLUMN_PARAMS,
	COLUMN_PRIORITY,
	COLUMN_WAIT,
	COLUMN_CONDITION,
	COLUMN_OTHERWISE,
	COLUMN_UNDO
};

const char *
automation_step_name(StepKind kind)
{
	return step_names[kind];
}

static void
read_step(int row, AutomationStep *step)
{
	bool		isnull;
	Datum		wait = statement_value(row, COLUMN_WAIT, &isnull);

	step->position = DatumGetInt32(statement_notnull(row, COLUMN_POSITION));
	step->kind = word_of(statement_text(row, COLUMN_KIND), step_names,
						 lengthof(step_names));
	step->unit_id = statement_int32_or(row, COLUMN_UNIT, 0);
	step->amount = (Numeric) statement_varlena(row, COLUMN_AMOUNT);
	step->coupon = statement_text(row, COLUMN_COUPON);
	step->pack = statement_text(row, COLUMN_PACK);
	step->tag = statement_text(row, COLUMN_TAG);
	step->valid_days = statement_int32_or(row, COLUMN_VALID_DAYS, 0);
	step->channel = statement_text(row, COLUMN_CHANNEL);
	step->template = statement_text(row, COLUMN_TEMPLATE);
	step->params = (Jsonb *) statement_varlena(row, COLUMN_PARAMS);
	step->priority = DatumGetInt16(statement_notnull(row, COLUMN_PRIORITY));
	if (!isnull)
	{
		step->wait = palloc(sizeof(Interval));
		*step->wait = *DatumGetIntervalP(wait);
	}
	step->condition = (JsonPath *) statement_varlena(row, COLUMN_CONDITION);
	step->otherwise = statement_int32_or(row, COLUMN_OTHERWISE, 0);
	step->undo = DatumGetBool(statement_notnull(row, COLUMN_UNDO));
}

/* Needs SPI; allocates in the current context. */
AutomationPlan *
automation_plan(int32 automation_id, const Unit *units, int nunits)
{
	NullableDatum args[] = {ARG(Int32GetDatum(automation_id))};
	AutomationPlan *plan;

	if (statement_run(&select_plan, args, false) == 0)
		return NULL;
	plan = palloc0(sizeof(AutomationPlan));
	automation_read(&plan->automation, 0, units, nunits);
	plan->program_id = DatumGetInt32(statement_notnull(0, PLAN_PROGRAM));
	plan->status = word_of(statement_text(0, PLAN_STATUS), status_names,
						   lengthof(status_names));
	plan->segment = statement_text(0, PLAN_SEGMENT);
	plan->condition = (JsonPath *) statement_varlena(0, PLAN_CONDITION);
	plan->gap_days = DatumGetInt32(statement_notnull(0, PLAN_GAP));
	plan->purpose = statement_text(0, PLAN_PURPOSE);
	plan->campaign_id = DatumGetInt32(statement_notnull(0, PLAN_CAMPAIGN));
	if (plan->condition != NULL)
		tag_reads_add(&plan->reads, plan->condition);

	plan->nsteps = statement_run(&select_steps, args, false);
	plan->steps = palloc0(sizeof(AutomationStep) * Max(plan->nsteps, 1));
	for (int i = 0; i < plan->nsteps; i++)
		read_step(i, &plan->steps[i]);
	for (int i = 0; i < plan->nsteps; i++)
		if (plan->steps[i].condition != NULL)
			tag_reads_add(&plan->reads, plan->steps[i].condition);
	return plan;
}
