/*
 * rule_limit.c
 *
 * A limit of a rule, with the counter that it needs, in one call; and what a
 * limit may be.
 */
#include "loyalty.h"

#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "amount.h"
#include "rule_program.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_rule_limit);
PG_FUNCTION_INFO_V1(loyalty_rule_cap_check);

enum limit_arg
{
	LIMIT_RULE_ID,
	LIMIT_PERIOD,
	LIMIT_MAXIMUM,
	LIMIT_COUNTS,
	LIMIT_ON_EXCESS,
	LIMIT_COUNTER,
	LIMIT_NARGS
};

static const char *const limit_arg_names[] = {
	"rule_id", "period", "maximum", "counts", "on_excess", "counter"
};

/* The rule's programme and the scale in which it is counted. */
static Statement select_rule = {
	"SELECT r.program_id, CASE WHEN $2 = 'times' THEN 0 ELSE u.scale END"
	" FROM loyalty.rule r JOIN loyalty.unit u USING (unit_id)"
	" WHERE r.rule_id = $1",
	2, {INT4OID, TEXTOID}
};

static Statement insert_counter = {
	"INSERT INTO loyalty.unit (program_id, code, kind, scale, period)"
	" VALUES ($1, $2, 'counter', $3, $4)"
	" ON CONFLICT (program_id, code) DO NOTHING",
	4, {INT4OID, TEXTOID, INT4OID, TEXTOID}
};

static Statement select_counter = {
	"SELECT unit_id, kind = 'counter' AND scale = $3"
	" AND period IS NOT DISTINCT FROM $4"
	" FROM loyalty.unit WHERE program_id = $1 AND code = $2",
	4, {INT4OID, TEXTOID, INT4OID, TEXTOID}
};

static Statement upsert_cap = {
	"INSERT INTO loyalty.rule_cap"
	" (program_id, rule_id, unit_id, maximum, counts, on_excess)"
	" VALUES ($1, $2, $3, $4, $5, $6)"
	" ON CONFLICT (rule_id, unit_id) DO UPDATE SET maximum = excluded.maximum,"
	" counts = excluded.counts, on_excess = excluded.on_excess",
	6, {INT4OID, INT4OID, INT4OID, NUMERICOID, TEXTOID, TEXTOID}
};

/* The counter's code: as given, or one of the rule's own. */
static char *
counter_code(FunctionCallInfo fcinfo, bool times)
{
	if (!PG_ARGISNULL(LIMIT_COUNTER))
		return text_to_cstring(PG_GETARG_TEXT_PP(LIMIT_COUNTER));
	return psprintf("rule_%d_%s%s", PG_GETARG_INT32(LIMIT_RULE_ID),
					text_to_cstring(PG_GETARG_TEXT_PP(LIMIT_PERIOD)),
					times ? "_times" : "");
}

/* Finds the counter or makes it; refuses a unit that counts otherwise. */
static Datum
find_counter(const NullableDatum *args, const char *code)
{
	Datum		unit_id;

	statement_run(&insert_counter, args, false);
	if (statement_run(&select_counter, args, false) == 0)
		elog(ERROR, "counter was not written");
	unit_id = statement_notnull(0, 1);
	if (!DatumGetBool(statement_notnull(0, 2)))
		refusal_raise(REFUSAL_RULE_INVALID,
					  psprintf("unit=%s is no counter of this period and of "
							   "as many decimals", code));
	return unit_id;
}

/* rule_limit(rule_id, period, maximum, counts, on_excess, counter) */
Datum
loyalty_rule_limit(PG_FUNCTION_ARGS)
{
	NullableDatum args[6];
	NullableDatum counter[4];
	bool		times;
	char	   *code;

	for (int i = 0; i < LIMIT_COUNTER; i++)
		require_argument(fcinfo, i, limit_arg_names[i]);
	args[0] = fcinfo->args[LIMIT_RULE_ID];
	args[1] = fcinfo->args[LIMIT_COUNTS];
	times = strcmp(text_to_cstring(PG_GETARG_TEXT_PP(LIMIT_COUNTS)),
				   "times") == 0;
	code = counter_code(fcinfo, times);

	SPI_connect();
	loyalty_check_version();
	if (statement_run(&select_rule, args, false) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("rule does not exist"),
				 errdetail("rule_id=%d", PG_GETARG_INT32(LIMIT_RULE_ID))));
	counter[0] = ARG(statement_notnull(0, 1));
	counter[1] = ARG(CStringGetTextDatum(code));
	counter[2] = ARG(statement_notnull(0, 2));
	counter[3] = fcinfo->args[LIMIT_PERIOD];

	args[0] = counter[0];
	args[1] = fcinfo->args[LIMIT_RULE_ID];
	args[2] = ARG(find_counter(counter, code));
	args[3] = fcinfo->args[LIMIT_MAXIMUM];
	args[4] = fcinfo->args[LIMIT_COUNTS];
	args[5] = fcinfo->args[LIMIT_ON_EXCESS];
	statement_run(&upsert_cap, args, false);
	SPI_finish();
	PG_RETURN_DATUM(args[2].value);
}

/* What a limit counts in, and its counter. */
static Statement select_scales = {
	"SELECT CASE WHEN $3 = 'times' THEN 0 ELSE u.scale END, c.scale"
	" FROM loyalty.rule r JOIN loyalty.unit u USING (unit_id)"
	" CROSS JOIN loyalty.unit c"
	" WHERE r.rule_id = $1 AND c.unit_id = $2",
	3, {INT4OID, INT4OID, TEXTOID}
};

/* Refuses a maximum, or a counter, of other decimals than what is counted. */
static void
check_scales(const NullableDatum *maximum)
{
	int			scale = DatumGetInt32(statement_notnull(0, 1));
	int			counter_scale = DatumGetInt16(statement_notnull(0, 2));
	int64		minor;

	if (counter_scale != scale)
		refusal_raise(REFUSAL_RULE_INVALID,
					  psprintf("unit_id: the counter has %d decimals, not %d",
							   counter_scale, scale));
	if (!maximum->isnull &&
		amount_parse(DatumGetNumeric(maximum->value), scale,
					 &minor) != REFUSAL_NONE)
		refusal_raise(REFUSAL_RULE_INVALID,
					  psprintf("maximum=%s decimals=%d",
							   numeric_normalize(DatumGetNumeric(maximum->value)),
							   scale));
}

/* Trigger of rule_cap, before each row. */
Datum
loyalty_rule_cap_check(PG_FUNCTION_ARGS)
{
	static const char *const columns[] = {
		"rule_id", "unit_id", "counts", "maximum"
	};
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	NullableDatum args[lengthof(columns)];
	TupleDesc	tupdesc;
	HeapTuple	tuple = trigger_row(fcinfo);

	tupdesc = trigger->tg_relation->rd_att;
	SPI_connect();
	for (int i = 0; i < lengthof(columns); i++)
		args[i].value = SPI_getbinval(tuple, tupdesc,
									  SPI_fnumber(tupdesc, columns[i]),
									  &args[i].isnull);
	/* while a dump is restored, either may still be missing */
	if (statement_run(&select_scales, args, false) > 0)
		check_scales(&args[3]);
	SPI_finish();
	return PointerGetDatum(tuple);
}

static Statement select_misfits = {
	"SELECT FROM loyalty.rule_cap k JOIN loyalty.unit c USING (unit_id)"
	" CROSS JOIN loyalty.unit u WHERE k.rule_id = $1 AND u.unit_id = $2"
	" AND c.scale <> CASE k.counts WHEN 'times' THEN 0 ELSE u.scale END",
	2, {INT4OID, INT4OID}
};

/* Do the limits of a rule count in the decimals of this unit?  Needs SPI. */
bool
rule_limits_fit(NullableDatum rule_id, NullableDatum unit_id)
{
	NullableDatum args[] = {rule_id, unit_id};

	return statement_run(&select_misfits, args, false) == 0;
}
