/*
 * plan.c
 *
 * Plans of a programme, and which of them a member has bought.
 */
#include "plan.h"

#include "amount.h"

static Statement select_plans = {
	"SELECT plan_id, name, status = 'active', months, days, price, rank, tier"
	" FROM loyalty.plan WHERE program_id = $1 ORDER BY plan_id",
	1, {INT4OID}
};

static Statement select_periods = {
	"SELECT plan_id, starts_on, ends_on FROM loyalty.member_plan"
	" WHERE member_id = $1 AND ends_on >= $2 AND ends_on >= starts_on"
	" ORDER BY starts_on",
	2, {INT8OID, DATEOID}
};

PaidPlan *
plan_load(int32 program_id, int currency_scale, int *nplans)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id))};
	int			n = statement_run(&select_plans, args, true);
	PaidPlan   *plans = palloc(sizeof(PaidPlan) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		PaidPlan   *plan = &plans[i];

		plan->plan_id = DatumGetInt32(statement_notnull(i, 1));
		plan->name = statement_text(i, 2);
		plan->active = DatumGetBool(statement_notnull(i, 3));
		plan->months = statement_int32_or(i, 4, 0);
		plan->days = statement_int32_or(i, 5, 0);
		if (amount_parse(DatumGetNumeric(statement_notnull(i, 6)),
						 currency_scale, &plan->price) != REFUSAL_NONE)
			refusal_raise(REFUSAL_RULE_INVALID,
						  psprintf("plan=%s price has more decimals than the currency",
								   plan->name));
		plan->rank = DatumGetInt32(statement_notnull(i, 7));
		plan->tier = statement_text(i, 8);
	}
	*nplans = n;
	return plans;
}

PlanPeriod *
plan_periods(int64 member_id, DateADT on, bool read_only, int *nperiods)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(DateADTGetDatum(on))
	};
	int			n = statement_run(&select_periods, args, read_only);
	PlanPeriod *periods = palloc(sizeof(PlanPeriod) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		periods[i].plan_id = DatumGetInt32(statement_notnull(i, 1));
		periods[i].starts_on = DatumGetDateADT(statement_notnull(i, 2));
		periods[i].ends_on = DatumGetDateADT(statement_notnull(i, 3));
	}
	*nperiods = n;
	return periods;
}
