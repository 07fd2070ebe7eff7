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

#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "amount.h"

PG_FUNCTION_INFO_V1(loyalty_benefit_check);
PG_FUNCTION_INFO_V1(loyalty_benefit_holder_check);
PG_FUNCTION_INFO_V1(loyalty_benefit_price_check);

/* Factors and percentages have thousandths, at the least. */
#define THOUSANDTHS 3

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

/* NULL for NULL. */
static char *
text_of(const Row *row, const char *name)
{
	return SPI_getvalue(row->tuple, row->tupdesc,
						SPI_fnumber(row->tupdesc, name));
}

static bool
is_word(const char *value, const char *word)
{
	return value != NULL && strcmp(value, word) == 0;
}

static void
refuse(const Row *row, const char *column, const char *why)
{
	refusal_raise(REFUSAL_RULE_INVALID,
				  psprintf("%s=%s: %s", column,
						   clipped(text_of(row, column)), why));
}

/*
 * Refuses a number with too many decimals; other limits are those of the
 * column.  Returns whether it can be counted at all, and as what.
 */
static bool
check_decimals(const Row *row, const char *column, int scale, int64 *minor)
{
	NullableDatum value = column_of(row, column);
	Refusal		refusal;

	if (value.isnull)
		return false;
	refusal = amount_parse(DatumGetNumeric(value.value), scale, minor);
	if (refusal == REFUSAL_AMOUNT_SCALE)
		refuse(row, column, scale == 0 ? "must be a whole number" :
			   psprintf("has at most %d decimals", scale));
	return refusal == REFUSAL_NONE;
}

static void
check_percent(const Row *row)
{
	int64		minor;

	if (!column_of(row, "percent_off").isnull &&
		(!check_decimals(row, "percent_off", THOUSANDTHS, &minor) ||
		 minor > 100 * 1000))
		refuse(row, "percent_off", "a price falls by 100 % at most");
}

/* Each: is it there, and is anything there that it could be? */
#define KNOWN(table, condition) \
	"SELECT EXISTS (SELECT FROM loyalty." table \
	" WHERE program_id = $1 AND " condition ")," \
	" EXISTS (SELECT FROM loyalty." table " WHERE program_id = $1)"

static Statement tier_known = {
	KNOWN("tier", "code = $2"), 2, {INT4OID, TEXTOID}
};
static Statement segment_known = {
	KNOWN("segment", "name = $2"), 2, {INT4OID, TEXTOID}
};
static Statement stage_known = {
	KNOWN("tag", "name = $2 AND dimension = 'lifecycle'"),
	2, {INT4OID, TEXTOID}
};
static Statement plan_known = {
	KNOWN("plan", "name = $2"), 2, {INT4OID, TEXTOID}
};
static Statement campaign_known = {
	KNOWN("campaign", "name = $2"), 2, {INT4OID, TEXTOID}
};
static Statement list_known = {
	KNOWN("price_list", "name = $2"), 2, {INT4OID, TEXTOID}
};
static Statement collection_known = {
	KNOWN("collection", "name = $2"), 2, {INT4OID, TEXTOID}
};

/* Refuses a name that the programme has not. */
static void
check_known(const Row *row, Statement *statement, const char *column,
			const char *what)
{
	NullableDatum args[] = {
		column_of(row, "program_id"),
		column_of(row, column)
	};

	/* NULL is left to the column's constraint, which is checked later */
	if (args[0].isnull || args[1].isnull)
		return;
	statement_run(statement, args, false);
	if (!DatumGetBool(statement_notnull(0, 1)) &&
		DatumGetBool(statement_notnull(0, 2)))
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("%s does not exist in the programme", what),
				 errdetail("%s=%s", column, clipped(text_of(row, column)))));
}

static Statement select_unit = {
	"SELECT kind, scale FROM loyalty.unit WHERE unit_id = $1",
	1, {INT4OID}
};

/* Refuses a unit that is not of a kind; returns its decimals, -1: no unit. */
static int
check_unit(const Row *row, const char *kind, const char *why)
{
	NullableDatum args[] = {column_of(row, "unit_id")};

	/* what is not there is refused by others */
	if (args[0].isnull || statement_run(&select_unit, args, false) == 0)
		return -1;
	if (strcmp(statement_text(0, 1), kind) != 0)
		refuse(row, "unit_id", why);
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
check_name(FunctionCallInfo fcinfo, const Row *row)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Row			before = {trigger->tg_trigtuple, row->tupdesc};
	NullableDatum args[] = {column_of(row, "benefit_id")};
	char	   *name = text_of(row, "name");

	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) && name != NULL &&
		strcmp(text_of(&before, "name"), name) != 0 &&
		statement_run(&select_issued, args, false) > 0)
		refusal_raise(REFUSAL_CONFIG_FIXED, "column=name");
}

/* Trigger of benefit. */
Datum
loyalty_benefit_check(PG_FUNCTION_ARGS)
{
	Row			row = row_of(fcinfo);
	char	   *kind = text_of(&row, "kind");
	int			scale;
	int64		minor;

	SPI_connect();
	check_name(fcinfo, &row);
	check_percent(&row);
	(void) check_decimals(&row, "factor", THOUSANDTHS, &minor);
	check_known(&row, &list_known, "price_list", "price list");
	if (is_word(kind, "multiplier"))
		(void) check_unit(&row, "points", "a multiplier is of points");
	if (is_word(kind, "quota"))
	{
		scale = check_unit(&row, "counter", "a quota is kept by a counter");
		if (scale > 0)
			refuse(&row, "unit_id", "a quota is counted in whole numbers");
		(void) check_decimals(&row, "quantity", 0, &minor);
	}
	if (is_word(kind, "every_n"))
	{
		scale = check_unit(&row, "metric", "every n is of a metric");
		if (scale >= 0)
			(void) check_decimals(&row, "quantity", scale, &minor);
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
check_quantity(const Row *row)
{
	NullableDatum args[] = {column_of(row, "benefit_id")};
	int64		minor;

	if (column_of(row, "quantity").isnull)
		return;
	(void) check_decimals(row, "quantity", 0, &minor);
	if (!args[0].isnull && statement_run(&select_kind, args, false) > 0 &&
		!is_word(statement_text(0, 1), "quota"))
		refuse(row, "quantity", "only a quota has one");
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
	Row			row = row_of(fcinfo);
	char	   *source = text_of(&row, "source");

	SPI_connect();
	for (int i = 0; i < lengthof(named); i++)
		if (is_word(source, named[i].source))
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
	Row			row = row_of(fcinfo);
	NullableDatum args[] = {column_of(&row, "program_id")};
	int64		minor;

	SPI_connect();
	check_percent(&row);
	if (!args[0].isnull &&
		statement_run(&select_currency_scale, args, false) > 0)
		(void) check_decimals(&row, "price",
							  DatumGetInt16(statement_notnull(0, 1)), &minor);
	if (is_word(text_of(&row, "kind"), "collection"))
		check_known(&row, &collection_known, "value", "collection");
	SPI_finish();
	return PointerGetDatum(row.tuple);
}
