/*
 * cart.c
 *
 * How carts of a programme are priced, and what units are worth that pay.
 */
#include "cart.h"

#include "amount.h"
#include "statement.h"

/* Scale of percentages. */
#define THOUSANDTHS 3

/* A programme that says nothing has the defaults of the columns. */
static Statement select_policy = {
	"SELECT discount_on = 'initial', max_coupons, min_payable, search_limit,"
	" reserve_ttl, max_attempts, attempt_window, attempt_block,"
	" max_store_attempts"
	" FROM loyalty.cart_policy WHERE program_id = $1",
	1, {INT4OID}
};

static Statement select_units = {
	"SELECT unit_id, minimum, step, max_share FROM loyalty.cart_unit"
	" WHERE program_id = $1 ORDER BY unit_id",
	1, {INT4OID}
};

static Statement select_anchor = {
	"SELECT valid_from, units, money FROM loyalty.unit_anchor"
	" WHERE unit_id = $1 AND valid_from <= $2"
	" ORDER BY valid_from DESC LIMIT 1",
	2, {INT4OID, DATEOID}
};

/* A number that may be NULL (0) in the terms of a scale. */
static int64
number_of(const char *what, uint64 row, int column, int scale)
{
	bool		isnull;
	Datum		value = statement_value(row, column, &isnull);
	int64		minor;

	if (isnull)
		return 0;
	if (amount_parse(DatumGetNumeric(value), scale, &minor) != REFUSAL_NONE)
		refusal_raise(REFUSAL_RULE_INVALID,
					  psprintf("%s has too many decimals", what));
	return minor;
}

static const Unit *
unit_of(int32 unit_id, const Unit *units, int nunits)
{
	for (int i = 0; i < nunits; i++)
		if (units[i].unit_id == unit_id)
			return &units[i];
	refusal_raise(REFUSAL_RULE_INVALID,
				  psprintf("cart_unit unit_id=%d", unit_id));
}

static void
load_units(int32 program_id, const Unit *units, int nunits,
		   CartPolicy *policy)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id))};

	policy->nunits = statement_run(&select_units, args, true);
	policy->units = palloc(sizeof(CartUnit) * Max(policy->nunits, 1));
	for (int i = 0; i < policy->nunits; i++)
	{
		CartUnit   *unit = &policy->units[i];
		int			scale;

		unit->unit_id = DatumGetInt32(statement_notnull(i, 1));
		scale = unit_of(unit->unit_id, units, nunits)->scale;
		unit->minimum = number_of("cart_unit minimum", i, 2, scale);
		unit->step = number_of("cart_unit step", i, 3, scale);
		unit->max_share = number_of("cart_unit max_share", i, 4, THOUSANDTHS);
	}
}

void
cart_load(int32 program_id, int currency_scale, const Unit *units, int nunits,
		  CartPolicy *policy)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id))};

	*policy = (CartPolicy) {
		.search_limit = 10000,
		.reserve_ttl = {.time = 30 * USECS_PER_MINUTE},
		.max_attempts = 10,
		.max_store_attempts = 100,
		.attempt_window = {.time = USECS_PER_HOUR},
		.attempt_block = {.time = 15 * USECS_PER_MINUTE}
	};
	if (statement_run(&select_policy, args, true) > 0)
	{
		policy->on_initial = DatumGetBool(statement_notnull(0, 1));
		policy->max_coupons = statement_int32_or(0, 2, 0);
		policy->min_payable = number_of("cart_policy min_payable", 0, 3,
										currency_scale);
		policy->search_limit = DatumGetInt32(statement_notnull(0, 4));
		policy->reserve_ttl = *DatumGetIntervalP(statement_notnull(0, 5));
		policy->max_attempts = DatumGetInt32(statement_notnull(0, 6));
		policy->attempt_window = *DatumGetIntervalP(statement_notnull(0, 7));
		policy->attempt_block = *DatumGetIntervalP(statement_notnull(0, 8));
		policy->max_store_attempts =
			DatumGetInt32(statement_notnull(0, 9));
	}
	load_units(program_id, units, nunits, policy);
}

/* False if the unit is worth nothing on that date. */
bool
cart_anchor(int32 unit_id, DateADT on, bool read_only, UnitAnchor *anchor)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(unit_id)),
		ARG(DateADTGetDatum(on))
	};

	if (statement_run(&select_anchor, args, read_only) == 0)
		return false;
	anchor->valid_from = DatumGetDateADT(statement_notnull(0, 1));
	anchor->units = DatumGetInt64(statement_notnull(0, 2));
	anchor->money = DatumGetInt64(statement_notnull(0, 3));
	return true;
}
