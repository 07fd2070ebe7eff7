/*
 * report_effect.c
 *
 * What report_uplift() checks of its arguments: plain SQL cannot raise.
 */
#include "loyalty.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_report_automation_require);

/* Ten years: nobody waits longer for what a message has brought about. */
#define MAX_EFFECT_DAYS 3650

enum require_arg
{
	REQUIRE_PROGRAM,
	REQUIRE_AUTOMATION,
	REQUIRE_DAYS,
	REQUIRE_MARGIN
};

static Statement select_automation = {
	"SELECT a.automation_id FROM loyalty.automation a"
	" JOIN loyalty.program p USING (program_id)"
	" WHERE p.name = $1 AND a.name = $2",
	2, {TEXTOID, TEXTOID}
};

/* 22023, unless it is above 0 and at most 1. */
static void
require_margin(Datum margin)
{
	Datum		zero = DirectFunctionCall1(int4_numeric, Int32GetDatum(0));
	Datum		one = DirectFunctionCall1(int4_numeric, Int32GetDatum(1));

	if (DatumGetBool(DirectFunctionCall2(numeric_le, margin, zero)) ||
		DatumGetBool(DirectFunctionCall2(numeric_gt, margin, one)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("margin must be above 0 and at most 1")));
}

/*
 * report_automation_require(program, automation, days, margin): the
 * automation's id.  LY450 if there is none; 22004 or 22023 for days or a
 * margin that make no sense.
 */
Datum
loyalty_report_automation_require(PG_FUNCTION_ARGS)
{
	int32		days;
	int32		automation_id;

	require_argument(fcinfo, REQUIRE_PROGRAM, "program");
	require_argument(fcinfo, REQUIRE_AUTOMATION, "automation");
	require_argument(fcinfo, REQUIRE_DAYS, "days");
	require_argument(fcinfo, REQUIRE_MARGIN, "margin");
	days = PG_GETARG_INT32(REQUIRE_DAYS);
	if (days < 1 || days > MAX_EFFECT_DAYS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("days must be 1 to %d", MAX_EFFECT_DAYS)));
	require_margin(PG_GETARG_DATUM(REQUIRE_MARGIN));

	SPI_connect();
	loyalty_check_version();
	if (statement_run(&select_automation, fcinfo->args, true) == 0)
		refusal_raise(REFUSAL_UNKNOWN_AUTOMATION,
					  psprintf("automation=%s",
							   clipped(text_to_cstring(PG_GETARG_TEXT_PP(REQUIRE_AUTOMATION)))));
	automation_id = DatumGetInt32(statement_notnull(0, 1));
	SPI_finish();
	PG_RETURN_INT32(automation_id);
}
