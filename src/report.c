/*
 * report.c
 *
 * What all reports check of their arguments: plain SQL cannot raise.
 */
#include "loyalty.h"

#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/numeric.h"

#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_report_require);
PG_FUNCTION_INFO_V1(loyalty_report_share_require);

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
