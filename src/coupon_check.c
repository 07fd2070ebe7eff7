/*
 * coupon_check.c
 *
 * Refuses coupons, offers and what belongs to them that could not be carried
 * out, when they are saved, and counts the versions of coupons.  What a row
 * refers to by a column of its own is checked in rule.c.
 */
#include "coupon.h"

#include "commands/trigger.h"
#include "common/int.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/rel.h"

#include "amount.h"
#include "amount_check.h"

PG_FUNCTION_INFO_V1(loyalty_coupon_terms_check);
PG_FUNCTION_INFO_V1(loyalty_coupon_keep);
PG_FUNCTION_INFO_V1(loyalty_coupon_pack_check);

#define WHOLE (100 * 1000)

static Statement select_currency_scale = {
	"SELECT currency_scale FROM loyalty.program WHERE program_id = $1",
	1, {INT4OID}
};

static Statement select_unit = {
	"SELECT kind, scale FROM loyalty.unit WHERE unit_id = $1",
	1, {INT4OID}
};

/*
 * Numbers.
 */

/* A number with at most three decimals that is not above a maximum. */
static void
check_thousandths(const CheckedRow *row, const char *column)
{
	check_decimals(row, column, THOUSANDTHS, NULL);
}

static void
check_numbers(const CheckedRow *row, int scale)
{
	static const char *const money[] = {
		"amount", "max_discount", "min_amount", "max_amount"
	};
	static const char *const thousandths[] = {
		"percent", "quantity", "factor", "min_quantity", "max_quantity"
	};

	for (int i = 0; i < lengthof(money); i++)
		check_decimals(row, money[i], scale, NULL);
	for (int i = 0; i < lengthof(thousandths); i++)
		check_thousandths(row, thousandths[i]);
}

static int
steps_of(const CheckedRow *row, const char *column, Datum **steps)
{
	NullableDatum value = check_column(row, column);
	int			n = value.isnull ? 0 :
		array_elements(DatumGetArrayTypeP(value.value), NUMERICOID, steps);

	if (n < 0)
		check_refuse(row, column, "an element is null");
	return n;
}

/* Steps ascend from above zero; what they take off is above zero as well. */
static void
check_steps(const CheckedRow *row, int scale)
{
	bool		percent = check_is(row, "step_kind", "percent");
	int			from_scale = check_is(row, "base", "quantity") ?
		THOUSANDTHS : scale;
	Datum	   *from;
	Datum	   *off;
	int			n = steps_of(row, "step_from", &from);
	int64		last = 0;
	int64		minor;

	for (int i = 0; i < n; i++)
	{
		if (amount_parse(DatumGetNumeric(from[i]), from_scale,
						 &minor) != REFUSAL_NONE || minor <= last)
			check_refuse(row, "step_from",
						 "steps must ascend, from above zero, with no more "
						 "decimals than what they count");
		last = minor;
	}
	n = steps_of(row, "step_off", &off);
	for (int i = 0; i < n; i++)
		if (amount_parse(DatumGetNumeric(off[i]),
						 percent ? THOUSANDTHS : scale,
						 &minor) != REFUSAL_NONE || minor <= 0 ||
			(percent && minor > WHOLE))
			check_refuse(row, "step_off", percent ?
						 "percentages are above 0, at most 100, with at most "
						 "3 decimals" :
						 "must be above zero, with no more decimals than the "
						 "currency");
}

/* A unit that must be of one of two kinds; returns its scale, -1: none. */
static int
check_unit(const CheckedRow *row, const char *column, const char *kind,
		   const char *other, const char *why)
{
	NullableDatum args[] = {check_column(row, column)};
	char	   *found;

	/* what is not there is refused by others */
	if (args[0].isnull || statement_run(&select_unit, args, false) == 0)
		return -1;
	found = statement_text(0, 1);
	if (strcmp(found, kind) != 0 && strcmp(found, other) != 0)
		check_refuse(row, column, why);
	return DatumGetInt16(statement_notnull(0, 2));
}

static void
check_units(const CheckedRow *row)
{
	int			scale = check_unit(row, "price_unit_id", "points", "money",
								   "a coupon costs points or money");

	if (scale >= 0)
		check_decimals(row, "price", scale, NULL);
	check_unit(row, "unit_id", "points", "points",
			   "a multiplier is of points");
}

/*
 * Lines, conditions, and who bears the cost.
 */

static void
check_path(const CheckedRow *row, const char *column,
		   const char *(*check) (JsonPath *path, Refusal *refusal))
{
	NullableDatum value = check_column(row, column);
	Refusal		refusal;
	const char *problem;

	if (value.isnull)
		return;
	problem = check(DatumGetJsonPathP(value.value), &refusal);
	if (problem != NULL)
		refusal_raise(refusal, psprintf("%s: %s", column, problem));
}

/* In thousandths; 0 if it is no percentage above zero. */
static int64
share_of(const JsonbValue *value)
{
	int64		share;

	if (value->type != jbvNumeric ||
		amount_parse(value->val.numeric, THOUSANDTHS,
					 &share) != REFUSAL_NONE || share < 0 || share > WHOLE)
		return 0;
	return share;
}

static void
check_cost_shares(const CheckedRow *row)
{
	NullableDatum shares = check_column(row, "cost_shares");
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	int64		sum = 0;

	/* what is no object is left to the column's constraint */
	if (shares.isnull || !JB_ROOT_IS_OBJECT(DatumGetJsonbP(shares.value)))
		return;
	iterator = JsonbIteratorInit(&DatumGetJsonbP(shares.value)->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		int64		share;

		if (token == WJB_KEY &&
			(value.val.string.len == 0 || value.val.string.len > 63))
			check_refuse(row, "cost_shares", "a name has 1 to 63 bytes");
		if (token != WJB_VALUE)
			continue;
		share = share_of(&value);
		if (share == 0)
			check_refuse(row, "cost_shares",
						 "shares are numbers above 0 with at most 3 "
						 "decimals");
		sum = amount_add(sum, share);
	}
	if (sum != WHOLE)
		check_refuse(row, "cost_shares", "shares must add up to 100");
}

/* What says nothing, because something else is missing. */
static void
check_sense(const CheckedRow *row)
{
	bool		saves = !check_is(row, "kind", "gift") &&
		!check_is(row, "kind", "multiplier");

	if (!saves && !check_column(row, "max_discount").isnull)
		check_refuse(row, "max_discount", "it takes nothing off");
	if (!saves && !check_column(row, "cost_shares").isnull)
		check_refuse(row, "cost_shares", "it takes nothing off");
	if (check_is(row, "returns", "f") &&
		!check_column(row, "return_days").isnull)
		check_refuse(row, "return_days", "the coupon does not return");
}

/*
 * Versions.
 */

static Statement select_issued = {
	"SELECT FROM loyalty.member_coupon WHERE coupon_id = $1"
	" UNION ALL SELECT FROM loyalty.coupon_code WHERE coupon_id = $1"
	" UNION ALL SELECT FROM loyalty.coupon_use WHERE coupon_id = $1 LIMIT 1",
	1, {INT4OID}
};

static Statement select_free_codes = {
	"SELECT FROM loyalty.coupon_code"
	" WHERE coupon_id = $1 AND kind <> 'generated' LIMIT 1",
	1, {INT4OID}
};

static Statement select_last_version = {
	"SELECT coalesce(max(version), 0) FROM loyalty.coupon_version"
	" WHERE coupon_id = $1",
	1, {INT4OID}
};

static void
refuse_fixed(const char *column)
{
	refusal_raise(REFUSAL_CONFIG_FIXED, psprintf("column=%s", column));
}

/* The journal knows by its name what members were issued. */
static void
check_fixed(const CheckedRow *row)
{
	static const char *const fixed[] = {"name", "automatic"};
	NullableDatum args[] = {check_column(row, "coupon_id")};

	for (int i = 0; i < lengthof(fixed); i++)
		/* NULL is left to the column's constraint, which is checked later */
		if (check_differs(row, fixed[i]) &&
			check_text(row, fixed[i]) != NULL &&
			statement_run(&select_issued, args, false) > 0)
			refuse_fixed(fixed[i]);
	if (check_differs(row, "free_codes") &&
		check_is(row, "free_codes", "f") &&
		statement_run(&select_free_codes, args, false) > 0)
		refuse_fixed("free_codes");
}

/* Is a column one of the terms, which those that were issued keep? */
static bool
is_term(const char *column)
{
	static const char *const others[] = {
		"version", "status", "campaign_id", "free_codes"
	};

	for (int i = 0; i < lengthof(others); i++)
		if (strcmp(others[i], column) == 0)
			return false;
	return true;
}

static bool
has_new_terms(const CheckedRow *row)
{
	for (int i = 0; i < row->tupdesc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(row->tupdesc, i);

		if (!column->attisdropped && is_term(NameStr(column->attname)) &&
			check_differs(row, NameStr(column->attname)))
			return true;
	}
	return false;
}

/* The version that a row that was not there goes on with; 0: what it says. */
static int32
first_version(const CheckedRow *row)
{
	NullableDatum args[] = {check_column(row, "coupon_id")};
	NullableDatum given = check_column(row, "version");
	int32		last;

	if (args[0].isnull || given.isnull)
		return 0;
	statement_run(&select_last_version, args, false);
	last = DatumGetInt32(statement_notnull(0, 1));
	/* what is restored is later than that already */
	return DatumGetInt32(given.value) > last ? 0 : last + 1;
}

/* The version after that of a row that is changed. */
static int32
next_version(const CheckedRow *row)
{
	CheckedRow	before = {row->before, NULL, row->tupdesc};
	int32		version = DatumGetInt32(check_column(&before,
													 "version").value);

	if (has_new_terms(row) && pg_add_s32_overflow(version, 1, &version))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("coupon has too many versions")));
	return version;
}

static HeapTuple
set_version(TriggerData *trigger, const CheckedRow *row)
{
	int			number = SPI_fnumber(row->tupdesc, "version");
	int32		version = row->before == NULL ? first_version(row) :
		next_version(row);
	Datum		value = Int32GetDatum(version);

	if (version == 0)
		return row->tuple;
	return SPI_modifytuple(trigger->tg_relation, row->tuple, 1, &number,
						   &value, NULL);
}

/* Trigger of coupon. */
Datum
loyalty_coupon_terms_check(PG_FUNCTION_ARGS)
{
	CheckedRow	row = check_row(fcinfo);
	NullableDatum args[] = {check_column(&row, "program_id")};
	HeapTuple	tuple;

	SPI_connect();
	if (!args[0].isnull &&
		statement_run(&select_currency_scale, args, false) > 0)
	{
		int			scale = DatumGetInt16(statement_notnull(0, 1));

		check_numbers(&row, scale);
		check_steps(&row, scale);
	}
	check_units(&row);
	check_path(&row, "item_filter", condition_check_line);
	check_path(&row, "target_filter", condition_check_line);
	check_path(&row, "condition", condition_check);
	check_cost_shares(&row);
	check_sense(&row);
	check_fixed(&row);
	tuple = set_version((TriggerData *) fcinfo->context, &row);
	SPI_finish();
	return PointerGetDatum(tuple);
}

static Statement keep_coupons = {
	"INSERT INTO loyalty.coupon_version (coupon_id, version, program_id,"
	" replaced_at, definition)"
	" SELECT o.coupon_id, o.version, o.program_id, $1,"
	" pg_catalog.to_jsonb(o) FROM old_coupons o WHERE NOT EXISTS"
	" (SELECT FROM loyalty.coupon c WHERE c.coupon_id = o.coupon_id"
	" AND c.version = o.version) ON CONFLICT DO NOTHING",
	1, {TIMESTAMPTZOID}
};

/*
 * Trigger after UPDATE and DELETE of coupon: keeps the versions that were
 * replaced.  A restore only inserts, so it never fires there.
 */
Datum
loyalty_coupon_keep(PG_FUNCTION_ARGS)
{
	return statement_keep(fcinfo, &keep_coupons);
}

static Statement select_automatic = {
	"SELECT automatic FROM loyalty.coupon WHERE coupon_id = $1",
	1, {INT4OID}
};

/* Trigger of coupon_pack. */
Datum
loyalty_coupon_pack_check(PG_FUNCTION_ARGS)
{
	CheckedRow	row = check_row(fcinfo);
	NullableDatum args[] = {check_column(&row, "coupon_id")};

	SPI_connect();
	if (!args[0].isnull && statement_run(&select_automatic, args, false) > 0 &&
		DatumGetBool(statement_notnull(0, 1)))
		check_refuse(&row, "coupon_id", "an offer is not issued");
	SPI_finish();
	return PointerGetDatum(row.tuple);
}
