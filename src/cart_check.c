/*
 * cart_check.c
 *
 * Refuses policies of carts that could not be carried out, when they are
 * saved.
 */
#include "cart.h"

#include "amount_check.h"

PG_FUNCTION_INFO_V1(loyalty_cart_check);
PG_FUNCTION_INFO_V1(loyalty_cart_unit_check);

static Statement select_currency_scale = {
	"SELECT currency_scale FROM loyalty.program WHERE program_id = $1",
	1, {INT4OID}
};

static Statement select_unit = {
	"SELECT kind, scale FROM loyalty.unit WHERE unit_id = $1",
	1, {INT4OID}
};

/* Trigger of cart_policy. */
Datum
loyalty_cart_check(PG_FUNCTION_ARGS)
{
	CheckedRow	row = check_row(fcinfo);
	NullableDatum args[] = {check_column(&row, "program_id")};

	SPI_connect();
	if (!args[0].isnull &&
		statement_run(&select_currency_scale, args, false) > 0)
		check_decimals(&row, "min_payable",
					   DatumGetInt16(statement_notnull(0, 1)), NULL);
	SPI_finish();
	return PointerGetDatum(row.tuple);
}

/* Trigger of cart_unit. */
Datum
loyalty_cart_unit_check(PG_FUNCTION_ARGS)
{
	CheckedRow	row = check_row(fcinfo);
	NullableDatum args[] = {check_column(&row, "unit_id")};

	SPI_connect();
	check_decimals(&row, "max_share", THOUSANDTHS, NULL);
	if (!args[0].isnull && statement_run(&select_unit, args, false) > 0)
	{
		int			scale = DatumGetInt16(statement_notnull(0, 2));

		if (strcmp(statement_text(0, 1), "points") != 0)
			check_refuse(&row, "unit_id",
						 "points pay as far as they are worth something; "
						 "stored value needs no row");
		check_decimals(&row, "minimum", scale, NULL);
		check_decimals(&row, "step", scale, NULL);
	}
	SPI_finish();
	return PointerGetDatum(row.tuple);
}
