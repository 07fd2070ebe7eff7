/*
 * plan.c
 *
 * Plans of a programme, and the periods of them that members have bought.
 */
#include "plan.h"

#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "amount.h"
#include "unit.h"

PG_FUNCTION_INFO_V1(loyalty_plan_check);

static Statement select_plans = {
	"SELECT plan_id, name, status = 'active', months, days, price, rank, tier"
	" FROM loyalty.plan WHERE program_id = $1 ORDER BY plan_id",
	1, {INT4OID}
};

static Statement select_periods = {
	"SELECT plan_id, tier_id, starts_on, ends_on FROM loyalty.member_plan"
	" WHERE member_id = $1 AND ends_on >= $2 AND ends_on >= starts_on"
	" ORDER BY starts_on",
	2, {INT8OID, DATEOID}
};

static Statement select_bought = {
	"SELECT journal_id, upgraded_from, plan_id, tier_id, starts_on, ends_on,"
	" bought_until, anchor_day, price, credit, refunded, auto_renew, status,"
	" ref FROM loyalty.member_plan WHERE member_id = $1"
	" ORDER BY starts_on, ends_on, journal_id",
	1, {INT8OID}
};

static Statement insert_bought = {
	"INSERT INTO loyalty.member_plan (member_id, journal_id, program_id,"
	" plan_id, tier_id, starts_on, ends_on, bought_until, anchor_day, price,"
	" credit, refunded, auto_renew, status, ref, upgraded_from)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
	" $15, $16)",
	16, {INT8OID, INT8OID, INT4OID, INT4OID, INT4OID, DATEOID, DATEOID,
		DATEOID, INT2OID, INT8OID, INT8OID, INT8OID, BOOLOID, TEXTOID, TEXTOID,
	INT8OID}
};

static Statement update_bought = {
	"UPDATE loyalty.member_plan SET ends_on = $3, refunded = $4,"
	" auto_renew = $5, status = $6 WHERE member_id = $1 AND journal_id = $2",
	6, {INT8OID, INT8OID, DATEOID, INT8OID, BOOLOID, TEXTOID}
};

static Statement select_scale = {
	"SELECT currency_scale FROM loyalty.program WHERE program_id = $1",
	1, {INT4OID}
};

static const char *const status_names[] = {
	[PLAN_ACTIVE] = "active",
	[PLAN_UPGRADED] = "upgraded",
	[PLAN_REFUNDED] = "refunded"
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
		periods[i].tier_id = statement_int32_or(i, 2, 0);
		periods[i].starts_on = DatumGetDateADT(statement_notnull(i, 3));
		periods[i].ends_on = DatumGetDateADT(statement_notnull(i, 4));
	}
	*nperiods = n;
	return periods;
}

BoughtPlan *
plan_bought(int64 member_id, int *nbought)
{
	NullableDatum args[] = {ARG(Int64GetDatum(member_id))};
	int			n = statement_run(&select_bought, args, false);
	BoughtPlan *all = palloc0(sizeof(BoughtPlan) * (n + 1));

	for (int i = 0; i < n; i++)
	{
		BoughtPlan *bought = &all[i];

		bought->journal_id = DatumGetInt64(statement_notnull(i, 1));
		bought->upgraded_from = statement_int64_or(i, 2, 0);
		bought->plan_id = DatumGetInt32(statement_notnull(i, 3));
		bought->tier_id = statement_int32_or(i, 4, 0);
		bought->starts_on = DatumGetDateADT(statement_notnull(i, 5));
		bought->ends_on = DatumGetDateADT(statement_notnull(i, 6));
		bought->bought_until = DatumGetDateADT(statement_notnull(i, 7));
		bought->anchor_day = DatumGetInt16(statement_notnull(i, 8));
		bought->price = DatumGetInt64(statement_notnull(i, 9));
		bought->credit = DatumGetInt64(statement_notnull(i, 10));
		bought->refunded = DatumGetInt64(statement_notnull(i, 11));
		bought->auto_renew = DatumGetBool(statement_notnull(i, 12));
		bought->status = word_of(statement_text(i, 13), status_names,
								 lengthof(status_names));
		bought->ref = (text *) statement_varlena(i, 14);
	}
	*nbought = n;
	return all;
}

/* Writes a new period; the account is locked. */
void
plan_insert(int64 member_id, int32 program_id, const BoughtPlan *bought)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(Int64GetDatum(bought->journal_id)),
		ARG(Int32GetDatum(program_id)),
		ARG(Int32GetDatum(bought->plan_id)),
		ARG_OR_NULL(Int32GetDatum(bought->tier_id), bought->tier_id != 0),
		ARG(DateADTGetDatum(bought->starts_on)),
		ARG(DateADTGetDatum(bought->ends_on)),
		ARG(DateADTGetDatum(bought->bought_until)),
		ARG(Int16GetDatum(bought->anchor_day)),
		ARG(Int64GetDatum(bought->price)),
		ARG(Int64GetDatum(bought->credit)),
		ARG(Int64GetDatum(bought->refunded)),
		ARG(BoolGetDatum(bought->auto_renew)),
		ARG(CStringGetTextDatum(status_names[bought->status])),
		ARG(PointerGetDatum(bought->ref)),
		ARG_OR_NULL(Int64GetDatum(bought->upgraded_from),
					bought->upgraded_from != 0)
	};

	statement_run(&insert_bought, args, false);
}

/* Writes what became of a period; the account is locked. */
void
plan_update(int64 member_id, const BoughtPlan *bought)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(Int64GetDatum(bought->journal_id)),
		ARG(DateADTGetDatum(bought->ends_on)),
		ARG(Int64GetDatum(bought->refunded)),
		ARG(BoolGetDatum(bought->auto_renew)),
		ARG(CStringGetTextDatum(status_names[bought->status]))
	};

	statement_run(&update_bought, args, false);
}

static int
day_of_month(DateADT date)
{
	return date - date_month_start(date) + 1;
}

/*
 * Sets the days of a period that begins on starts_on.  Months begin on the
 * anchor day, or on the last day of a month that has no such day.  It is
 * the day on which the first of them began: what follows directly on a
 * period of months keeps its anchor, so the 31st comes back after February.
 */
void
plan_set_period(const PaidPlan *plan, const BoughtPlan *others, int nothers,
				BoughtPlan *bought)
{
	DateADT		month;

	if (plan->days > 0)
	{
		bought->anchor_day = 0;
		bought->ends_on = bought->starts_on + plan->days - 1;
	}
	else
	{
		bought->anchor_day = day_of_month(bought->starts_on);
		for (int i = 0; i < nothers; i++)
			if (others[i].status == PLAN_ACTIVE &&
				others[i].ends_on == bought->starts_on - 1)
				bought->anchor_day = Max(bought->anchor_day,
										 others[i].anchor_day);
		month = date_add_months(date_month_start(bought->starts_on),
								plan->months);
		bought->ends_on = Min(month + bought->anchor_day - 1,
							  date_add_months(month, 1) - 1) - 1;
	}
	bought->bought_until = bought->ends_on;
}

/* Is it held on a date? */
bool
plan_covers(const BoughtPlan *bought, DateADT on)
{
	return bought->starts_on <= on && on <= bought->ends_on;
}

/* What the days from a date on are worth, rounded down. */
int64
plan_worth(const BoughtPlan *bought, DateADT from)
{
	if (from <= bought->starts_on)
		return bought->price;
	if (from > bought->ends_on)
		return 0;
	return amount_share(bought->price, bought->ends_on - from + 1,
						bought->bought_until - bought->starts_on + 1);
}

/* Trigger of plan: refuses a price with more decimals than the currency. */
Datum
loyalty_plan_check(PG_FUNCTION_ARGS)
{
	HeapTuple	tuple = trigger_row(fcinfo);
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	tupdesc = trigger->tg_relation->rd_att;
	NullableDatum program;
	Datum		price;
	bool		isnull;
	int64		minor;

	SPI_connect();
	program.value = SPI_getbinval(tuple, tupdesc,
								  SPI_fnumber(tupdesc, "program_id"),
								  &program.isnull);
	price = SPI_getbinval(tuple, tupdesc, SPI_fnumber(tupdesc, "price"),
						  &isnull);
	/* what is not there is refused by others, as is a price out of range */
	if (!isnull && statement_run(&select_scale, &program, false) > 0)
	{
		int			scale = DatumGetInt16(statement_notnull(0, 1));

		if (amount_parse(DatumGetNumeric(price), scale,
						 &minor) == REFUSAL_AMOUNT_SCALE)
			refusal_raise(REFUSAL_AMOUNT_SCALE,
						  psprintf("price=%s decimals=%d",
								   numeric_normalize(DatumGetNumeric(price)),
								   scale));
	}
	SPI_finish();
	return PointerGetDatum(tuple);
}
