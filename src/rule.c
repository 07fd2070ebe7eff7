/*
 * rule.c
 *
 * Refuses a rule that could not be carried out, when it is saved.
 */
#include "loyalty.h"

#include "commands/trigger.h"
#include "utils/rel.h"

#include "amount.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_rule_check);

static Statement select_scales = {
	"SELECT u.scale, p.currency_scale FROM loyalty.unit u"
	" JOIN loyalty.program p USING (program_id) WHERE u.unit_id = $1",
	1, {INT4OID}
};

/* Refuses a number with more decimals than can be posted. */
static void
check_number(HeapTuple tuple, TupleDesc tupdesc, const char *column,
			 int scale)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, tupdesc,
									  SPI_fnumber(tupdesc, column), &isnull);
	int64		minor;

	if (isnull)
		return;
	if (amount_parse(DatumGetNumeric(value), scale, &minor) != REFUSAL_NONE)
		ereport(ERROR,
				(errcode(refusal_sqlstate(REFUSAL_RULE_INVALID)),
				 errmsg("%s", refusal_text(REFUSAL_RULE_INVALID)->message),
				 errdetail("%s=%s decimals=%d", column,
						   numeric_normalize(DatumGetNumeric(value)),
						   scale)));
}

/* Trigger of rule. */
Datum
loyalty_rule_check(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	tupdesc;
	HeapTuple	tuple;
	NullableDatum args[1];

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called as a trigger before each row")));
	tupdesc = trigger->tg_relation->rd_att;
	tuple = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
		trigger->tg_newtuple : trigger->tg_trigtuple;

	args[0].value = SPI_getbinval(tuple, tupdesc,
								  SPI_fnumber(tupdesc, "unit_id"),
								  &args[0].isnull);
	SPI_connect();
	/* an unknown unit is left to the foreign key */
	if (statement_run(&select_scales, args, false) > 0)
	{
		int			unit_scale = DatumGetInt16(statement_notnull(0, 1));
		int			currency_scale = DatumGetInt16(statement_notnull(0, 2));

		check_number(tuple, tupdesc, "award", unit_scale);
		check_number(tuple, tupdesc, "per", currency_scale);
	}
	SPI_finish();
	return PointerGetDatum(tuple);
}
