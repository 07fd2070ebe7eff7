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

#include "utils/builtins.h"

#include "amount_check.h"

PG_FUNCTION_INFO_V1(loyalty_topup_check);
PG_FUNCTION_INFO_V1(loyalty_topup_step_check);

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
find_unit(const CheckedRow *row, const char *column)
{
	NullableDatum args[] = {check_column(row, column)};

	return !args[0].isnull && statement_run(&select_unit, args, false) > 0;
}

/* Trigger of topup_policy. */
Datum
loyalty_topup_check(PG_FUNCTION_ARGS)
{
	static const char *const limits[] = {
		"limit_named", "limit_unnamed", "limit_member"
	};
	CheckedRow	row = check_row(fcinfo);

	SPI_connect();
	if (find_unit(&row, "unit_id"))
	{
		int			scale = DatumGetInt16(statement_notnull(0, 2));

		if (strcmp(statement_text(0, 1), "money") != 0)
			check_refuse(&row, "unit_id", "stored value is of kind money");
		if (!DatumGetBool(statement_notnull(0, 3)))
			check_refuse(&row, "unit_id",
				   "stored value has the decimals of the currency");
		for (int i = 0; i < lengthof(limits); i++)
			check_decimals(&row, limits[i], scale, NULL);
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
check_benefit(const CheckedRow *row)
{
	NullableDatum args[] = {check_column(row, "benefit_id")};

	if (!args[0].isnull && statement_run(&select_benefit, args, false) > 0 &&
		strcmp(statement_text(0, 1), "voucher") != 0)
		check_refuse(row, "benefit_id", "a benefit of kind voucher is issued");
}

/* Trigger of topup_step. */
Datum
loyalty_topup_step_check(PG_FUNCTION_ARGS)
{
	CheckedRow	row = check_row(fcinfo);
	int			scale;

	SPI_connect();
	if (find_unit(&row, "unit_id"))
	{
		scale = DatumGetInt16(statement_notnull(0, 2));
		check_decimals(&row, "step_from", scale, NULL);
		check_decimals(&row, "bonus", scale, NULL);
	}
	if (find_unit(&row, "points_unit_id"))
	{
		if (strcmp(statement_text(0, 1), "points") != 0)
			check_refuse(&row, "points_unit_id", "points are of kind points");
		check_decimals(&row, "points",
					   DatumGetInt16(statement_notnull(0, 2)), NULL);
	}
	check_benefit(&row);
	SPI_finish();
	return PointerGetDatum(row.tuple);
}
