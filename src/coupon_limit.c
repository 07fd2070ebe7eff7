/*
 * coupon_limit.c
 *
 * What of a coupon or offer there is in all: counted in the slots of a budget
 * (campaign.c), so that not everybody waits for one row.
 */
#include "coupon.h"

#include "utils/builtins.h"

#include "amount.h"

PG_FUNCTION_INFO_V1(loyalty_coupon_limit);
PG_FUNCTION_INFO_V1(loyalty_coupon_require);

#define LIMIT_END INT64CONST(1000000000000)

static Statement select_program = {
	"SELECT program_id, currency_scale FROM loyalty.program WHERE name = $1",
	1, {TEXTOID}
};

static Statement select_coupon = {
	"SELECT coupon_id, automatic FROM loyalty.coupon"
	" WHERE program_id = $1 AND name = $2",
	2, {INT4OID, TEXTOID}
};

/* The row of the limit is locked, whether it is new or not. */
static Statement upsert_limit = {
	"INSERT INTO loyalty.coupon_limit"
	" (program_id, coupon_id, counts, amount, budget_id)"
	" VALUES ($1, $2, $3, $4, nextval('loyalty.budget_id_seq'))"
	" ON CONFLICT (coupon_id, counts)"
	" DO UPDATE SET amount = excluded.amount RETURNING budget_id",
	4, {INT4OID, INT4OID, TEXTOID, NUMERICOID}
};

/* Whoever counts has taken from a slot or given back before he commits. */
static Statement count_issued = {
	"SELECT count(*) FROM loyalty.member_coupon WHERE coupon_id = $1"
	" AND status <> 'void' AND source NOT IN ('transfer', 'code')",
	1, {INT4OID}
};

static Statement count_used = {
	"SELECT count(*) FROM loyalty.coupon_use"
	" WHERE coupon_id = $1 AND status IN ('reserved', 'used')",
	1, {INT4OID}
};

static Statement count_discount = {
	"SELECT coalesce(sum(discount - returned), 0)::bigint"
	" FROM loyalty.coupon_use"
	" WHERE coupon_id = $1 AND status IN ('reserved', 'used')",
	1, {INT4OID}
};

static Statement *const counting[] = {
	[COUNTS_ISSUED] = &count_issued,
	[COUNTS_USED] = &count_used,
	[COUNTS_DISCOUNT] = &count_discount
};

enum limit_arg
{
	LIMIT_PROGRAM,
	LIMIT_COUPON,
	LIMIT_COUNTS,
	LIMIT_AMOUNT,
	LIMIT_SLOTS,
	LIMIT_NARGS
};

/* Reads the row of the programme that is named. */
static void
find_program(const NullableDatum *name, bool read_only)
{
	if (statement_run(&select_program, name, read_only) == 0)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s",
							   clipped(TextDatumGetCString(name->value))));
}

static CouponCounts
counts_arg(Datum counts)
{
	char	   *name = TextDatumGetCString(counts);

	for (int i = 0; i < COUNTS_NUMBER; i++)
		if (strcmp(coupon_counts_name(i), name) == 0)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("counts must be issued, used or discount")));
}

/* Minor units of a limit, which must be below what its column can hold. */
static int64
amount_arg(Datum amount, int scale)
{
	int64		minor;
	int64		end = LIMIT_END;
	Refusal		refusal = amount_parse(DatumGetNumeric(amount), scale,
									   &minor);

	for (int i = 0; i < scale; i++)
		end *= 10;
	if (refusal == REFUSAL_NONE && minor < 0)
		refusal = REFUSAL_AMOUNT_NOT_POSITIVE;
	if (refusal == REFUSAL_NONE && minor >= end)
		refusal = REFUSAL_AMOUNT_TOO_LARGE;
	if (refusal != REFUSAL_NONE)
		refusal_raise(refusal, psprintf("decimals=%d", scale));
	return minor;
}

static void
find_coupon(NullableDatum *found, Datum name, CouponCounts counts)
{
	NullableDatum args[] = {found[0], ARG(name)};

	if (statement_run(&select_coupon, args, false) == 0)
		refusal_raise(REFUSAL_UNKNOWN_COUPON,
					  psprintf("coupon=%s",
							   clipped(TextDatumGetCString(name))));
	found[1] = ARG(statement_notnull(0, 1));
	if (counts == COUNTS_ISSUED && DatumGetBool(statement_notnull(0, 2)))
		refusal_raise(REFUSAL_RULE_INVALID,
					  "counts=issued: an offer is not issued");
}

/*
 * coupon_limit(program, coupon, counts, amount, slots): limits what there is
 * of a coupon in all, or changes the limit, and returns the id of the budget
 * that counts it.  Counts anew what there has been: locks the limit, then all
 * its slots, so that nothing comes meanwhile.
 */
Datum
loyalty_coupon_limit(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		"program", "coupon", "counts", "amount", "slots"
	};
	CouponCounts counts;
	int32		budget_id;
	int64		minor;
	NullableDatum row[4];

	StaticAssertStmt(lengthof(names) == LIMIT_NARGS, "names of arguments");
	for (int i = 0; i < LIMIT_NARGS; i++)
		require_argument(fcinfo, i, names[i]);
	counts = counts_arg(PG_GETARG_DATUM(LIMIT_COUNTS));
	budget_check_slots(PG_GETARG_INT32(LIMIT_SLOTS));

	SPI_connect();
	loyalty_check_version();
	find_program(fcinfo->args, false);
	row[0] = ARG(statement_notnull(0, 1));
	minor = amount_arg(PG_GETARG_DATUM(LIMIT_AMOUNT),
					   counts == COUNTS_DISCOUNT ?
					   DatumGetInt16(statement_notnull(0, 2)) : 0);
	find_coupon(row, PG_GETARG_DATUM(LIMIT_COUPON), counts);
	row[2] = fcinfo->args[LIMIT_COUNTS];
	row[3] = fcinfo->args[LIMIT_AMOUNT];
	statement_run(&upsert_limit, row, false);
	budget_id = DatumGetInt32(statement_notnull(0, 1));
	budget_lock(budget_id);
	statement_run(counting[counts], &row[1], false);
	budget_write(DatumGetInt32(row[0].value), budget_id, minor,
				 DatumGetInt64(statement_notnull(0, 1)),
				 PG_GETARG_INT32(LIMIT_SLOTS));
	SPI_finish();
	PG_RETURN_INT32(budget_id);
}

/*
 * coupon_require(program text): the programme's id, for reports, which cannot
 * raise.
 */
Datum
loyalty_coupon_require(PG_FUNCTION_ARGS)
{
	int32		program_id;

	require_argument(fcinfo, 0, "program");
	SPI_connect();
	loyalty_check_version();
	find_program(fcinfo->args, true);
	program_id = DatumGetInt32(statement_notnull(0, 1));
	SPI_finish();
	PG_RETURN_INT32(program_id);
}
