/*
 * report.c
 *
 * What all reports check of their arguments: plain SQL cannot raise.
 */
#include "loyalty.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/numeric.h"

#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_report_require);
PG_FUNCTION_INFO_V1(loyalty_report_share_require);
PG_FUNCTION_INFO_V1(loyalty_report_moment_require);
PG_FUNCTION_INFO_V1(loyalty_report_estimate_require);

/* A hundred years: who asks for more has mistyped a year. */
#define MAX_REPORT_DAYS 36525

enum require_arg
{
	REQUIRE_PROGRAM,
	REQUIRE_SINCE,
	REQUIRE_UNTIL,
	REQUIRE_BY,
	REQUIRE_GRAIN
};

static Statement select_program = {
	"SELECT program_id FROM loyalty.program WHERE name = $1",
	1, {TEXTOID}
};

/* 22023, unless it is NULL or one of them; hint names them all. */
static void
require_one_of(FunctionCallInfo fcinfo, int arg, const char *name,
			   const char *const *words, const char *list)
{
	char	   *given;

	if (PG_ARGISNULL(arg))
		return;
	given = text_to_cstring(PG_GETARG_TEXT_PP(arg));
	for (; *words; words++)
		if (strcmp(given, *words) == 0)
			return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s must be %s", name, list)));
}

/* 22008 or 22023, unless the days make a range. */
static void
require_range(DateADT since, DateADT until)
{
	if (DATE_NOT_FINITE(since) || DATE_NOT_FINITE(until))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("days of a report must be finite")));
	if (until < since)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("until must not be before since"),
				 errdetail("since=%s until=%s",
						   DatumGetCString(DirectFunctionCall1(date_out,
															   DateADTGetDatum(since))),
						   DatumGetCString(DirectFunctionCall1(date_out,
															   DateADTGetDatum(until))))));
	if (until - since >= MAX_REPORT_DAYS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a report covers at most %d days",
						MAX_REPORT_DAYS)));
}

/*
 * report_require(program, since, until, by, grain): the programme's id, for
 * reports.  LY403 if there is none; 22004, 22008 or 22023 for days that make
 * no range, and for a word that no report knows.
 */
Datum
loyalty_report_require(PG_FUNCTION_ARGS)
{
	static const char *const dimensions[] =
		{"channel", "store", "staff", "tier", NULL};
	static const char *const grains[] =
		{"day", "week", "month", "quarter", "year", NULL};
	int32		program_id;

	require_argument(fcinfo, REQUIRE_PROGRAM, "program");
	/* reports of one day give it twice, and call it until */
	require_argument(fcinfo, REQUIRE_UNTIL, "until");
	require_argument(fcinfo, REQUIRE_SINCE, "since");
	require_range(PG_GETARG_DATEADT(REQUIRE_SINCE),
				  PG_GETARG_DATEADT(REQUIRE_UNTIL));
	require_one_of(fcinfo, REQUIRE_BY, "by", dimensions,
				   "channel, store, staff or tier");
	require_one_of(fcinfo, REQUIRE_GRAIN, "grain", grains,
				   "day, week, month, quarter or year");

	SPI_connect();
	loyalty_check_version();
	if (statement_run(&select_program, fcinfo->args, true) == 0)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s",
							   clipped(text_to_cstring(PG_GETARG_TEXT_PP(REQUIRE_PROGRAM)))));
	program_id = DatumGetInt32(statement_notnull(0, 1));
	SPI_finish();
	PG_RETURN_INT32(program_id);
}

/* report_share_require(name, value): the value, which is a share or NULL. */
Datum
loyalty_report_share_require(PG_FUNCTION_ARGS)
{
	Datum		value;

	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	value = PG_GETARG_DATUM(1);
	if (DatumGetBool(DirectFunctionCall2(numeric_lt, value,
										 NumericGetDatum(int64_to_numeric(0)))) ||
		DatumGetBool(DirectFunctionCall2(numeric_gt, value,
										 NumericGetDatum(int64_to_numeric(1)))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be from 0 to 1",
						text_to_cstring(PG_GETARG_TEXT_PP(0)))));
	PG_RETURN_DATUM(value);
}

/* report_moment_require(at): the moment; 22004 or 22008 if it is none. */
Datum
loyalty_report_moment_require(PG_FUNCTION_ARGS)
{
	require_argument(fcinfo, 0, "at");
	if (TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(0)))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("at must be finite")));
	PG_RETURN_DATUM(fcinfo->args[0].value);
}

/* 22023, unless it is a number of zero or more. */
static void
require_not_negative(const char *name, Datum value)
{
	Datum		zero = DirectFunctionCall1(int4_numeric, Int32GetDatum(0));

	if (numeric_is_nan(DatumGetNumeric(value)) ||
		numeric_is_inf(DatumGetNumeric(value)) ||
		DatumGetBool(DirectFunctionCall2(numeric_lt, value, zero)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be zero or more", name)));
}

/*
 * report_estimate_require(deferred, expected): how many estimates there are;
 * 22004 or 22023 for what nothing can be recognised by.
 */
Datum
loyalty_report_estimate_require(PG_FUNCTION_ARGS)
{
	Datum	   *values;
	bool	   *nulls;
	int			n;

	require_argument(fcinfo, 0, "deferred");
	require_argument(fcinfo, 1, "expected");
	require_not_negative("deferred", PG_GETARG_DATUM(0));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), NUMERICOID, -1, false,
					  TYPALIGN_INT, &values, &nulls, &n);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("expected must have an estimate")));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("an estimate of expected must not be null")));
		require_not_negative("expected", values[i]);
	}
	PG_RETURN_INT32(n);
}
