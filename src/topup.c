/*
 * topup.c
 *
 * Units of stored value of a programme, and what top-ups of them are worth.
 */
#include "topup.h"

#include "amount.h"
#include "statement.h"

static Statement select_policies = {
	"SELECT unit_id, spend_order, bonus_policy = 'deduct', limit_named,"
	" limit_unnamed, limit_member, unnamed_months, bonus_days"
	" FROM loyalty.topup_policy WHERE program_id = $1 ORDER BY unit_id",
	1, {INT4OID}
};

static Statement select_steps = {
	"SELECT step_from, bonus, points, points_unit_id, pack, benefit_id"
	" FROM loyalty.topup_step WHERE unit_id = $1 ORDER BY step_from",
	1, {INT4OID}
};

static const char *const order_names[] = {
	[SPEND_PROPORTIONAL] = "proportional",
	[SPEND_BONUS_FIRST] = "bonus_first",
	[SPEND_PRINCIPAL_FIRST] = "principal_first"
};

static const Unit *
unit_of(int32 unit_id, const Unit *units, int nunits)
{
	for (int i = 0; i < nunits; i++)
		if (units[i].unit_id == unit_id)
			return &units[i];
	refusal_raise(REFUSAL_RULE_INVALID,
				  psprintf("topup_policy unit_id=%d", unit_id));
}

/* An amount that may be NULL in minor units of a unit. */
static int64
amount_of(const Unit *unit, uint64 row, int column, int64 otherwise)
{
	bool		isnull;
	Datum		value = statement_value(row, column, &isnull);
	int64		minor;

	if (isnull)
		return otherwise;
	if (amount_parse(DatumGetNumeric(value), unit->scale,
					 &minor) != REFUSAL_NONE)
		refusal_raise(REFUSAL_RULE_INVALID,
					  psprintf("topup unit=%s: more decimals than the unit",
							   unit->code));
	return minor;
}

static void
load_steps(TopupPolicy *policy, const Unit *units, int nunits)
{
	const Unit *unit = unit_of(policy->unit_id, units, nunits);
	NullableDatum args[] = {ARG(Int32GetDatum(policy->unit_id))};

	policy->nsteps = statement_run(&select_steps, args, true);
	policy->steps = palloc(sizeof(TopupStep) * Max(policy->nsteps, 1));
	for (int i = 0; i < policy->nsteps; i++)
	{
		TopupStep  *step = &policy->steps[i];

		step->from = amount_of(unit, i, 1, 0);
		step->bonus = amount_of(unit, i, 2, 0);
		step->points = 0;
		step->points_unit_id = statement_int32_or(i, 4, 0);
		if (step->points_unit_id != 0)
			step->points = amount_of(unit_of(step->points_unit_id, units,
											 nunits), i, 3, 0);
		step->pack = statement_text(i, 5);
		step->benefit_id = statement_int32_or(i, 6, 0);
	}
}

TopupPolicy *
topup_load(int32 program_id, const Unit *units, int nunits, int *npolicies)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id))};
	int			n = statement_run(&select_policies, args, true);
	TopupPolicy *policies = palloc0(sizeof(TopupPolicy) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		TopupPolicy *policy = &policies[i];
		const Unit *unit;

		policy->unit_id = DatumGetInt32(statement_notnull(i, 1));
		unit = unit_of(policy->unit_id, units, nunits);
		policy->spend_order = word_of(statement_text(i, 2), order_names,
									  lengthof(order_names));
		policy->deduct_bonus = DatumGetBool(statement_notnull(i, 3));
		policy->limit_named = amount_of(unit, i, 4, -1);
		policy->limit_unnamed = amount_of(unit, i, 5, -1);
		policy->limit_member = amount_of(unit, i, 6, -1);
		policy->unnamed_months = statement_int32_or(i, 7, 0);
		policy->bonus_days = statement_int32_or(i, 8, 0);
	}
	for (int i = 0; i < n; i++)
		load_steps(&policies[i], units, nunits);
	*npolicies = n;
	return policies;
}
