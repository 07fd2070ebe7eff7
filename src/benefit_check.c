/*
 * benefit_check.c
 *
 * Refuses benefits, holders and prices that could not be carried out, when
 * they are saved.
 *
 * As in rule.c, what a row refers to is taken on trust while the programme
 * has no row at all there: a restore loads table by table.
 */
#include "benefit.h"

#include "utils/builtins.h"

#include "amount_check.h"

PG_FUNCTION_INFO_V1(loyalty_benefit_check);
PG_FUNCTION_INFO_V1(loyalty_benefit_holder_check);
PG_FUNCTION_INFO_V1(loyalty_benefit_price_check);

static void
check_percent(const CheckedRow *row)
{
	int64		minor;

	if (!check_column(row, "percent_off").isnull &&
		(!check_decimals(row, "percent_off", THOUSANDTHS, &minor) ||
		 minor > 100 * 1000))
		check_refuse(row, "percent_off", "a price falls by 100 % at most");
}

static Statement tier_known = {
	CHECK_KNOWN("tier", "code = $2"), 2, {INT4OID, TEXTOID}
};
static Statement segment_known = {
	CHECK_KNOWN("segment", "name = $2"), 2, {INT4OID, TEXTOID}
};
static Statement stage_known = {
	CHECK_KNOWN("tag", "name = $2 AND dimension = 'lifecycle'"),
	2, {INT4OID, TEXTOID}
};
static Statement plan_known = {
	CHECK_KNOWN("plan", "name = $2"), 2, {INT4OID, TEXTOID}
};
static Statement campaign_known = {
	CHECK_KNOWN("campaign", "name = $2"), 2, {INT4OID, TEXTOID}
};
static Statement list_known = {
	CHECK_KNOWN("price_list", "name = $2"), 2, {INT4OID, TEXTOID}
};
static Statement collection_known = {
	CHECK_KNOWN("collection", "name = $2"), 2, {INT4OID, TEXTOID}
};

static Statement select_unit = {
	"SELECT kind, scale FROM loyalty.unit WHERE unit_id = $1",
	1, {INT4OID}
};

/* Refuses a unit that is not of a kind; returns its decimals, -1: no unit. */
static int
check_unit(const CheckedRow *row, const char *kind, const char *why)
{
	NullableDatum args[] = {check_column(row, "unit_id")};

	/* what is not there is refused by others */
	if (args[0].isnull || statement_run(&select_unit, args, false) == 0)
		return -1;
	if (strcmp(statement_text(0, 1), kind) != 0)
		check_refuse(row, "unit_id", why);
	return DatumGetInt16(statement_notnull(0, 2));
}

static Statement select_issued = {
	"SELECT FROM loyalty.voucher WHERE benefit_id = $1"
	" UNION ALL SELECT FROM loyalty.member_benefit WHERE benefit_id = $1"
	" LIMIT 1",
	1, {INT4OID}
};

/* The journal knows by its name what members were given. */
static void
check_name(const CheckedRow *row)
{
	NullableDatum args[] = {check_column(row, "benefit_id")};

	if (check_differs(row, "name") && check_text(row, "name") != NULL &&
		statement_run(&select_issued, args, false) > 0)
		refusal_raise(REFUSAL_CONFIG_FIXED, "column=name");
}

/* Trigger of benefit. */
Datum
loyalty_benefit_check(PG_FUNCTION_ARGS)
{
	CheckedRow	row = check_row(fcinfo);
	int			scale;

	SPI_connect();
	check_name(&row);
	check_percent(&row);
	check_decimals(&row, "factor", THOUSANDTHS, NULL);
	check_known(&row, &list_known, "price_list", "price list");
	if (check_is(&row, "kind", "multiplier"))
		(void) check_unit(&row, "points", "a multiplier is of points");
	if (check_is(&row, "kind", "quota"))
	{
		scale = check_unit(&row, "counter", "a quota is kept by a counter");
		if (scale > 0)
			check_refuse(&row, "unit_id", "a quota is counted in whole numbers");
		check_decimals(&row, "quantity", 0, NULL);
	}
	if (check_is(&row, "kind", "every_n"))
	{
		scale = check_unit(&row, "metric", "every n is of a metric");
		if (scale >= 0)
			check_decimals(&row, "quantity", scale, NULL);
	}
	SPI_finish();
	return PointerGetDatum(row.tuple);
}

static Statement select_kind = {
	"SELECT kind FROM loyalty.benefit WHERE benefit_id = $1",
	1, {INT4OID}
};

/* Only what is a quota can be more of for some. */
static void
check_quantity(const CheckedRow *row)
{
	NullableDatum args[] = {check_column(row, "benefit_id")};

	if (check_column(row, "quantity").isnull)
		return;
	check_decimals(row, "quantity", 0, NULL);
	if (!args[0].isnull && statement_run(&select_kind, args, false) > 0 &&
		strcmp(statement_text(0, 1), "quota") != 0)
		check_refuse(row, "quantity", "only a quota has one");
}

/* Trigger of benefit_holder.  A tag need not be declared. */
Datum
loyalty_benefit_holder_check(PG_FUNCTION_ARGS)
{
	static const struct
	{
		const char *source;
		Statement  *statement;
	}			named[] = {
		{"tier", &tier_known},
		{"segment", &segment_known},
		{"stage", &stage_known},
		{"plan", &plan_known},
		{"campaign", &campaign_known}
	};
	CheckedRow	row = check_row(fcinfo);
	char	   *source = check_text(&row, "source");

	SPI_connect();
	for (int i = 0; i < lengthof(named); i++)
		if (check_is(&row, "source", named[i].source))
			check_known(&row, named[i].statement, "name", source);
	check_quantity(&row);
	SPI_finish();
	return PointerGetDatum(row.tuple);
}

static Statement select_currency_scale = {
	"SELECT currency_scale FROM loyalty.program WHERE program_id = $1",
	1, {INT4OID}
};

/* Trigger of price_list. */
Datum
loyalty_benefit_price_check(PG_FUNCTION_ARGS)
{
	CheckedRow	row = check_row(fcinfo);
	NullableDatum args[] = {check_column(&row, "program_id")};

	SPI_connect();
	check_percent(&row);
	if (!args[0].isnull &&
		statement_run(&select_currency_scale, args, false) > 0)
		check_decimals(&row, "price",
							  DatumGetInt16(statement_notnull(0, 1)), NULL);
	if (check_is(&row, "kind", "collection"))
		check_known(&row, &collection_known, "value", "collection");
	SPI_finish();
	return PointerGetDatum(row.tuple);
}
