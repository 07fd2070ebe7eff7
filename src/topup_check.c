/*
 * topup_check.c
 *
 * Refuses policies and steps of stored value that could not be carried out,
 * when they are saved.
 *
 * As in benefit_check.c, what a row refers to is taken on trust while it is
 * not there: a restore loads table by table.
 */
#include "topup.h"

#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "amount.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_topup_check);
PG_FUNCTION_INFO_V1(loyalty_topup_step_check);

/* A row that is about to be written. */
typedef struct Row
{
	HeapTuple	tuple;
	TupleDesc	tupdesc;
} Row;

static Row
row_of(FunctionCallInfo fcinfo)
{
	Row			row;

	row.tuple = trigger_row(fcinfo);
	row.tupdesc = ((TriggerData *) fcinfo->context)->tg_relation->rd_att;
	return row;
}

static NullableDatum
column_of(const Row *row, const char *name)
{
	NullableDatum value;

	value.value = SPI_getbinval(row->tuple, row->tupdesc,
								SPI_fnumber(row->tupdesc, name),
								&value.isnull);
	return value;
}

static void
refuse(const Row *row, const char *column, const char *why)
{
	refusal_raise(REFUSAL_RULE_INVALID,
				  psprintf("%s=%s: %s", column,
						   clipped(SPI_getvalue(row->tuple, row->tupdesc,
												SPI_fnumber(row->tupdesc,
															column))),
						   why));
}

/* Refuses a number with too many decimals; its size is up to the column. */
static void
check_decimals(const Row *row, const char *column, int scale)
{
	NullableDatum value = column_of(row, column);
	int64		minor;

	if (!value.isnull &&
		amount_parse(DatumGetNumeric(value.value), scale,
					 &minor) == REFUSAL_AMOUNT_SCALE)
		refuse(row, column, psprintf("has at most %d decimals", scale));
}

/*
 * A unit, and whether its scale is that of its programme's currency; the
 * programme may be loaded after it.
 */
static Statement select_unit = {
	"SELECT u.kind, u.scale, coalesce(p.currency_scale = u.scale, true)"
	" FROM loyalty.unit u LEFT JOIN loyalty.program p USING (program_id)"
	" WHERE u.unit_id = $1",
	1, {INT4OID}
};

/* Looks the unit of a column up; false: there is none. */
static bool
find_unit(const Row *row, const char *column)
{
	NullableDatum args[] = {column_of(row, column)};

	return !args[0].isnull && statement_run(&select_unit, args, false) > 0;
}

/* Trigger of topup_policy. */
Datum
loyalty_topup_check(PG_FUNCTION_ARGS)
{
	static const char *const limits[] = {
		"limit_named", "limit_unnamed", "limit_member"
	};
	Row			row = row_of(fcinfo);

	SPI_connect();
	if (find_unit(&row, "unit_id"))
	{
		int			scale = DatumGetInt16(statement_notnull(0, 2));

		if (strcmp(statement_text(0, 1), "money") != 0)
			refuse(&row, "unit_id", "stored value is of kind money");
		if (!DatumGetBool(statement_notnull(0, 3)))
			refuse(&row, "unit_id",
				   "stored value has the decimals of the currency");
		for (int i = 0; i < lengthof(limits); i++)
			check_decimals(&row, limits[i], scale);
	}
	SPI_finish();
	return PointerGetDatum(row.tuple);
}

static Statement select_benefit = {
	"SELECT kind FROM loyalty.benefit WHERE benefit_id = $1",
	1, {INT4OID}
};

/* Only of a voucher can one be issued. */
static void
check_benefit(const Row *row)
{
	NullableDatum args[] = {column_of(row, "benefit_id")};

	if (!args[0].isnull && statement_run(&select_benefit, args, false) > 0 &&
		strcmp(statement_text(0, 1), "voucher") != 0)
		refuse(row, "benefit_id", "a benefit of kind voucher is issued");
}

/* Trigger of topup_step. */
Datum
loyalty_topup_step_check(PG_FUNCTION_ARGS)
{
	Row			row = row_of(fcinfo);
	int			scale;

	SPI_connect();
	if (find_unit(&row, "unit_id"))
	{
		scale = DatumGetInt16(statement_notnull(0, 2));
		check_decimals(&row, "step_from", scale);
		check_decimals(&row, "bonus", scale);
	}
	if (find_unit(&row, "points_unit_id"))
	{
		if (strcmp(statement_text(0, 1), "points") != 0)
			refuse(&row, "points_unit_id", "points are of kind points");
		check_decimals(&row, "points",
					   DatumGetInt16(statement_notnull(0, 2)));
	}
	check_benefit(&row);
	SPI_finish();
	return PointerGetDatum(row.tuple);
}
