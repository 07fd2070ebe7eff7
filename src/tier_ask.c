/*
 * tier_ask.c
 *
 * What a tier asks for, by names instead of ids.
 */
#include "tier.h"

#include "utils/builtins.h"

#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_tier_ask);

enum ask_arg
{
	ASK_PROGRAM,
	ASK_TIER,
	ASK_UNIT,
	ASK_THRESHOLD,
	ASK_PURPOSE,
	ASK_WINDOW_KIND,
	ASK_MONTHS,
	ASK_NARGS
};

static const char *const ask_arg_names[] = {
	"program", "tier", "unit", "threshold", "purpose", "window_kind", "months"
};

static Statement select_names = {
	"SELECT p.program_id, t.tier_id, u.unit_id FROM loyalty.program p"
	" LEFT JOIN loyalty.tier t ON t.program_id = p.program_id AND t.code = $2"
	" LEFT JOIN loyalty.unit u ON u.program_id = p.program_id AND u.code = $3"
	" WHERE p.name = $1",
	3, {TEXTOID, TEXTOID, TEXTOID}
};

static Statement upsert_threshold = {
	"INSERT INTO loyalty.tier_threshold"
	" (program_id, tier_id, unit_id, threshold, purpose, window_kind, months)"
	" VALUES ($1, $2, $3, $4, $5, $6,"
	" CASE WHEN $6 = 'rolling' THEN $7 END)"
	" ON CONFLICT (tier_id, purpose, unit_id) DO UPDATE"
	" SET threshold = excluded.threshold, window_kind = excluded.window_kind,"
	" months = excluded.months",
	7, {INT4OID, INT4OID, INT4OID, NUMERICOID, TEXTOID, TEXTOID, INT4OID}
};

static void
refuse_name(FunctionCallInfo fcinfo, int arg, Refusal refusal)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(arg));

	refusal_raise(refusal,
				  psprintf("%s=%s", ask_arg_names[arg], clipped(name)));
}

/* A column of the names that were looked up; refuses what is not there. */
static NullableDatum
found(FunctionCallInfo fcinfo, int column, int arg, Refusal refusal)
{
	NullableDatum id;

	id.value = statement_value(0, column, &id.isnull);
	if (id.isnull)
		refuse_name(fcinfo, arg, refusal);
	return id;
}

/* tier_ask(program, tier, unit, threshold, purpose, window_kind, months) */
Datum
loyalty_tier_ask(PG_FUNCTION_ARGS)
{
	NullableDatum args[ASK_NARGS];

	for (int i = 0; i < ASK_MONTHS; i++)
		require_argument(fcinfo, i, ask_arg_names[i]);
	SPI_connect();
	loyalty_check_version();
	if (statement_run(&select_names, fcinfo->args, false) == 0)
		refuse_name(fcinfo, ASK_PROGRAM, REFUSAL_PROGRAM_NOT_FOUND);
	args[0] = ARG(statement_notnull(0, 1));
	args[1] = found(fcinfo, 2, ASK_TIER, REFUSAL_UNKNOWN_TIER);
	args[2] = found(fcinfo, 3, ASK_UNIT, REFUSAL_UNKNOWN_UNIT);
	for (int i = ASK_THRESHOLD; i < ASK_NARGS; i++)
		args[i] = fcinfo->args[i];
	statement_run(&upsert_threshold, args, false);
	SPI_finish();
	PG_RETURN_VOID();
}
