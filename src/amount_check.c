/*
 * amount_check.c
 *
 * What triggers ask of a row of configuration that is about to be written.
 */
#include "amount_check.h"

#include "commands/trigger.h"
#include "utils/datum.h"
#include "utils/rel.h"

#include "amount.h"

CheckedRow
check_row(FunctionCallInfo fcinfo)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	CheckedRow	row;

	row.tuple = trigger_row(fcinfo);
	row.before = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
		trigger->tg_trigtuple : NULL;
	row.tupdesc = trigger->tg_relation->rd_att;
	return row;
}

static NullableDatum
column_of(HeapTuple tuple, TupleDesc tupdesc, int number)
{
	NullableDatum value;

	value.value = SPI_getbinval(tuple, tupdesc, number, &value.isnull);
	return value;
}

NullableDatum
check_column(const CheckedRow *row, const char *column)
{
	return column_of(row->tuple, row->tupdesc,
					 SPI_fnumber(row->tupdesc, column));
}

char *
check_text(const CheckedRow *row, const char *column)
{
	return SPI_getvalue(row->tuple, row->tupdesc,
						SPI_fnumber(row->tupdesc, column));
}

bool
check_is(const CheckedRow *row, const char *column, const char *word)
{
	char	   *value = check_text(row, column);

	return value != NULL && strcmp(value, word) == 0;
}

bool
check_differs(const CheckedRow *row, const char *column)
{
	int			number = SPI_fnumber(row->tupdesc, column);
	Form_pg_attribute type = TupleDescAttr(row->tupdesc, number - 1);
	NullableDatum before;
	NullableDatum after;

	if (row->before == NULL)
		return false;
	before = column_of(row->before, row->tupdesc, number);
	after = column_of(row->tuple, row->tupdesc, number);
	if (before.isnull || after.isnull)
		return before.isnull != after.isnull;
	return !datum_image_eq(before.value, after.value, type->attbyval,
						   type->attlen);
}

void
check_refuse(const CheckedRow *row, const char *column, const char *why)
{
	const char *value = check_text(row, column);

	refusal_raise(REFUSAL_RULE_INVALID,
				  psprintf("%s=%s: %s", column,
						   value == NULL ? "null" : clipped(value), why));
}

bool
check_decimals(const CheckedRow *row, const char *column, int scale,
			   int64 *minor)
{
	NullableDatum value = check_column(row, column);
	Refusal		refusal;
	int64		parsed;

	if (value.isnull)
		return false;
	refusal = amount_parse(DatumGetNumeric(value.value), scale,
						   minor == NULL ? &parsed : minor);
	if (refusal == REFUSAL_AMOUNT_SCALE)
		check_refuse(row, column, scale == 0 ? "must be a whole number" :
					 psprintf("has at most %d decimals", scale));
	return refusal == REFUSAL_NONE;
}

void
check_known(const CheckedRow *row, Statement *statement, const char *column,
			const char *what)
{
	NullableDatum args[] = {
		check_column(row, "program_id"),
		check_column(row, column)
	};

	/* NULL is left to the column's constraint, which is checked later */
	if (args[0].isnull || args[1].isnull)
		return;
	statement_run(statement, args, false);
	if (!DatumGetBool(statement_notnull(0, 1)) &&
		DatumGetBool(statement_notnull(0, 2)))
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("%s does not exist in the programme", what),
				 errdetail("%s=%s", column,
						   clipped(check_text(row, column)))));
}
