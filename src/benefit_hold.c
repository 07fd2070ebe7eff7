/*
 * benefit_hold.c
 *
 * Who has a benefit, by names instead of ids.
 */
#include "benefit.h"

#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(loyalty_benefit_hold);

enum hold_arg
{
	HOLD_PROGRAM,
	HOLD_BENEFIT,
	HOLD_SOURCE,
	HOLD_NAME,
	HOLD_QUANTITY,				/* NULL: the benefit's own */
	HOLD_NARGS
};

static Statement select_names = {
	"SELECT p.program_id, b.benefit_id FROM loyalty.program p"
	" LEFT JOIN loyalty.benefit b"
	" ON b.program_id = p.program_id AND b.name = $2"
	" WHERE p.name = $1",
	2, {TEXTOID, TEXTOID}
};

static Statement upsert_holder = {
	"INSERT INTO loyalty.benefit_holder"
	" (program_id, benefit_id, source, name, quantity)"
	" VALUES ($1, $2, $3, $4, $5)"
	" ON CONFLICT (benefit_id, source, name) DO UPDATE"
	" SET quantity = excluded.quantity",
	5, {INT4OID, INT4OID, TEXTOID, TEXTOID, NUMERICOID}
};

static void
refuse_name(FunctionCallInfo fcinfo, int arg, const char *what,
			Refusal refusal)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(arg));

	refusal_raise(refusal, psprintf("%s=%s", what, clipped(name)));
}

/* benefit_hold(program, benefit, source, name, quantity) */
Datum
loyalty_benefit_hold(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		"program", "benefit", "source", "name"
	};
	NullableDatum args[HOLD_NARGS];

	for (int i = 0; i < lengthof(names); i++)
		require_argument(fcinfo, i, names[i]);
	SPI_connect();
	loyalty_check_version();
	if (statement_run(&select_names, fcinfo->args, false) == 0)
		refuse_name(fcinfo, HOLD_PROGRAM, "program",
					REFUSAL_PROGRAM_NOT_FOUND);
	args[HOLD_PROGRAM] = ARG(statement_notnull(0, 1));
	args[HOLD_BENEFIT].value = statement_value(0, 2,
											   &args[HOLD_BENEFIT].isnull);
	if (args[HOLD_BENEFIT].isnull)
		refuse_name(fcinfo, HOLD_BENEFIT, "benefit", REFUSAL_UNKNOWN_BENEFIT);
	for (int i = HOLD_SOURCE; i < HOLD_NARGS; i++)
		args[i] = fcinfo->args[i];
	statement_run(&upsert_holder, args, false);
	SPI_finish();
	PG_RETURN_VOID();
}
