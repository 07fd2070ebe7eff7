/*
 * report_run.c
 *
 * Names the runs of automations that are to be counted again by the reports.
 */
#include "report.h"

#include "commands/trigger.h"

#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_report_run_changed);

static Statement name_run = {
	"INSERT INTO loyalty.report_run_change (program_id, change_id,"
	" member_ids, run_ids)"
	" VALUES ($1, pg_catalog.nextval('loyalty.change_id_seq'), ARRAY[$2],"
	" ARRAY[$3])",
	3, {INT4OID, INT8OID, INT8OID}
};

/*
 * Trigger after UPDATE or DELETE of automation_run, and after UPDATE of
 * message, whose columns have the same names.
 */
Datum
loyalty_report_run_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	NullableDatum args[3];

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called as a trigger")));
	SPI_connect();
	args[0] = statement_column(trigger, trigger->tg_trigtuple, "program_id");
	args[1] = statement_column(trigger, trigger->tg_trigtuple, "member_id");
	args[2] = statement_column(trigger, trigger->tg_trigtuple, "run_id");
	statement_run(&name_run, args, false);
	SPI_finish();
	return PointerGetDatum(NULL);
}
