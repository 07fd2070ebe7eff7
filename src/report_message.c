/*
 * report_message.c
 *
 * What calls change of the sums of messages.  A message that is queued, and
 * what is told of it, are counted by the statement that inserts them; this is
 * for updates and deletes.  Only what has ended counts, so that nothing is written when
 * messages are taken or put back.
 */
#include "report.h"

#include "commands/trigger.h"

#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_report_message_changed);
PG_FUNCTION_INFO_V1(loyalty_report_message_deleted);

/* From $7 to $8.  What bounced was counted as sent when that was told. */
static Statement count_message = {
	"INSERT INTO loyalty.report_message_change (program_id, change_id, day,"
	" channel, template, sent, suppressed, expired, dead, cancelled)"
	" SELECT $1, pg_catalog.nextval('loyalty.change_id_seq'),"
	" ($2 AT TIME ZONE p.time_zone)::date, $3, $4,"
	" CASE WHEN ($7 = 'done') <> ($8 = 'done') AND NOT EXISTS ("
	"SELECT FROM loyalty.message_feedback f WHERE f.member_id = $5"
	" AND f.message_id = $6 AND f.kind = 'bounced')"
	" THEN ($8 = 'done')::int - ($7 = 'done')::int ELSE 0 END,"
	" ($8 = 'suppressed')::int - ($7 = 'suppressed')::int,"
	" ($8 = 'expired')::int - ($7 = 'expired')::int,"
	" ($8 = 'dead')::int - ($7 = 'dead')::int,"
	" ($8 = 'cancelled')::int - ($7 = 'cancelled')::int"
	" FROM loyalty.program p WHERE p.program_id = $1",
	8, {INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTOID, INT8OID, INT8OID, TEXTOID,
	TEXTOID}
};

/* As report_message_of() counts them; what was told of them need not be deleted. */
static Statement discount_messages = {
	"INSERT INTO loyalty.report_message_change (program_id, change_id, day,"
	" channel, template, queued, sent, delivered, opened, clicked, bounced,"
	" unsubscribed, suppressed, expired, dead, cancelled)"
	" SELECT c.program_id, pg_catalog.nextval('loyalty.change_id_seq'),"
	" c.day, c.channel, c.template, -c.queued, -c.sent, -c.delivered,"
	" -c.opened, -c.clicked, -c.bounced, -c.unsubscribed, -c.suppressed,"
	" -c.expired, -c.dead, -c.cancelled FROM (SELECT m.program_id,"
	" (m.created_at AT TIME ZONE p.time_zone)::date AS day, m.channel,"
	" m.template, count(*) AS queued,"
	" count(*) FILTER (WHERE m.status = 'done' OR f.bounced) AS sent,"
	" count(*) FILTER (WHERE f.delivered) AS delivered,"
	" count(*) FILTER (WHERE f.opened) AS opened,"
	" count(*) FILTER (WHERE f.clicked) AS clicked,"
	" count(*) FILTER (WHERE f.bounced) AS bounced,"
	" count(*) FILTER (WHERE f.unsubscribed) AS unsubscribed,"
	" count(*) FILTER (WHERE m.status = 'suppressed') AS suppressed,"
	" count(*) FILTER (WHERE m.status = 'expired') AS expired,"
	" count(*) FILTER (WHERE m.status = 'dead') AS dead,"
	" count(*) FILTER (WHERE m.status = 'cancelled') AS cancelled"
	" FROM old_messages m"
	" JOIN loyalty.program p ON p.program_id = m.program_id"
	" CROSS JOIN LATERAL (SELECT"
	" bool_or(x.kind IN ('delivered', 'opened', 'clicked')) AS delivered,"
	" bool_or(x.kind IN ('opened', 'clicked')) AS opened,"
	" bool_or(x.kind = 'clicked') AS clicked,"
	" bool_or(x.kind = 'bounced') AS bounced,"
	" bool_or(x.kind = 'unsubscribed') AS unsubscribed"
	" FROM loyalty.message_feedback x WHERE x.member_id = m.member_id"
	" AND x.message_id = m.message_id) f"
	" GROUP BY m.program_id, (m.created_at AT TIME ZONE p.time_zone)::date,"
	" m.channel, m.template) c"
};

/*
 * Trigger after UPDATE of message, for each row that ended or began anew: with
 * transition tables it costs twice as much where messages are done one by one.
 * A restore only inserts, so it never fires there.
 */
Datum
loyalty_report_message_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	NullableDatum args[8];

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called as a trigger")));
	SPI_connect();
	args[0] = statement_column(trigger, trigger->tg_newtuple, "program_id");
	args[1] = statement_column(trigger, trigger->tg_newtuple, "created_at");
	args[2] = statement_column(trigger, trigger->tg_newtuple, "channel");
	args[3] = statement_column(trigger, trigger->tg_newtuple, "template");
	args[4] = statement_column(trigger, trigger->tg_newtuple, "member_id");
	args[5] = statement_column(trigger, trigger->tg_newtuple, "message_id");
	args[6] = statement_column(trigger, trigger->tg_trigtuple, "status");
	args[7] = statement_column(trigger, trigger->tg_newtuple, "status");
	statement_run(&count_message, args, false);
	SPI_finish();
	return PointerGetDatum(NULL);
}

/* Trigger after DELETE of message: no call does it, but an owner may. */
Datum
loyalty_report_message_deleted(PG_FUNCTION_ARGS)
{
	return statement_keep(fcinfo, &discount_messages);
}
