/*
 * rule.c
 *
 * Refuses configuration that could not be carried out, when it is saved.
 *
 * References are checked here and not by foreign keys (see program.sql).  A
 * table is restored by one COPY, so while what a row refers to has not been
 * loaded, the programme has no row at all there: then, and only then, a
 * reference is taken on trust.
 */
#include "loyalty.h"

#include "commands/trigger.h"
#include "utils/rel.h"

#include "amount.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_rule_check);
PG_FUNCTION_INFO_V1(loyalty_config_reference);

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

/* The row that a BEFORE INSERT OR UPDATE trigger is about. */
static HeapTuple
new_row(FunctionCallInfo fcinfo)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called as a trigger before each row")));
	return TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
		trigger->tg_newtuple : trigger->tg_trigtuple;
}

/* A column of it, as an argument. */
static NullableDatum
column_arg(HeapTuple tuple, TupleDesc tupdesc, const char *column)
{
	NullableDatum arg;

	arg.value = SPI_getbinval(tuple, tupdesc, SPI_fnumber(tupdesc, column),
							  &arg.isnull);
	return arg;
}

/* Trigger of rule. */
Datum
loyalty_rule_check(PG_FUNCTION_ARGS)
{
	HeapTuple	tuple = new_row(fcinfo);
	TupleDesc	tupdesc = ((TriggerData *) fcinfo->context)->tg_relation->rd_att;
	NullableDatum args[] = {column_arg(tuple, tupdesc, "unit_id")};

	SPI_connect();
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

/* Each: is it there, and is anything there that it could be? */
static Statement program_known = {
	"SELECT EXISTS (SELECT FROM loyalty.program WHERE program_id = $1),"
	" EXISTS (SELECT FROM loyalty.program)",
	1, {INT4OID}
};

static Statement unit_known = {
	"SELECT EXISTS (SELECT FROM loyalty.unit"
	" WHERE program_id = $1 AND unit_id = $2),"
	" EXISTS (SELECT FROM loyalty.unit WHERE program_id = $1)",
	2, {INT4OID, INT4OID}
};

static Statement event_known = {
	"SELECT EXISTS (SELECT FROM loyalty.program_event"
	" WHERE program_id = $1 AND event = $2),"
	" EXISTS (SELECT FROM loyalty.program_event WHERE program_id = $1)",
	2, {INT4OID, TEXTOID}
};

static void
check_reference(Statement *statement, const NullableDatum *args,
				HeapTuple tuple, TupleDesc tupdesc, const char *column)
{
	bool		known;
	bool		any;

	statement_run(statement, args, false);
	known = DatumGetBool(statement_notnull(0, 1));
	any = DatumGetBool(statement_notnull(0, 2));
	/* NULL is left to the column's constraint, which is checked later */
	if (!known && any && !args[statement->nargs - 1].isnull)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("%s does not exist in the programme", column),
				 errdetail("%s=%s", column,
						   SPI_getvalue(tuple, tupdesc,
										SPI_fnumber(tupdesc, column)))));
}

/* Trigger of the tables that refer to a programme, a unit or an event. */
Datum
loyalty_config_reference(PG_FUNCTION_ARGS)
{
	HeapTuple	tuple = new_row(fcinfo);
	Relation	relation = ((TriggerData *) fcinfo->context)->tg_relation;
	TupleDesc	tupdesc = relation->rd_att;
	const char *table = RelationGetRelationName(relation);
	bool		is_rule = strcmp(table, "rule") == 0;
	NullableDatum args[2];

	SPI_connect();
	args[0] = column_arg(tuple, tupdesc, "program_id");
	check_reference(&program_known, args, tuple, tupdesc, "program_id");
	if (is_rule || strcmp(table, "unit_anchor") == 0)
	{
		args[1] = column_arg(tuple, tupdesc, "unit_id");
		check_reference(&unit_known, args, tuple, tupdesc, "unit_id");
	}
	if (is_rule)
	{
		args[1] = column_arg(tuple, tupdesc, "event");
		check_reference(&event_known, args, tuple, tupdesc, "event");
	}
	SPI_finish();
	return PointerGetDatum(tuple);
}
