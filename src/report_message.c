/*
 * report_message.c
 *
 * What calls change of the sums of messages.  A message that is queued, and
 * what is told of it, are counted by the statement that inserts them; this is
 * for updates and deletes.  Only what has ended counts, so that nothing is written when
 * messages are taken or put back.
 */
#include "report.h"

#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_report_message_changed);
PG_FUNCTION_INFO_V1(loyalty_report_message_deleted);

/* What bounced was counted as sent when that was told. */
static Statement count_messages = {
	"INSERT INTO loyalty.report_message_change (program_id, change_id, day,"
	" channel, template, sent, suppressed, expired, dead, cancelled)"
	" SELECT c.program_id, pg_catalog.nextval('loyalty.report_change_id_seq'),"
	" c.day, c.channel, c.template, c.sent, c.suppressed, c.expired, c.dead,"
	" c.cancelled FROM (SELECT m.program_id,"
	" (m.created_at AT TIME ZONE p.time_zone)::date AS day, m.channel,"
	" m.template, coalesce(sum(m.n) FILTER (WHERE m.status = 'done'"
	" AND NOT EXISTS (SELECT FROM loyalty.message_feedback f"
	" WHERE f.member_id = m.member_id AND f.message_id = m.message_id"
	" AND f.kind = 'bounced')), 0) AS sent,"
	" coalesce(sum(m.n) FILTER (WHERE m.status = 'suppressed'), 0) AS suppressed,"
	" coalesce(sum(m.n) FILTER (WHERE m.status = 'expired'), 0) AS expired,"
	" coalesce(sum(m.n) FILTER (WHERE m.status = 'dead'), 0) AS dead,"
	" coalesce(sum(m.n) FILTER (WHERE m.status = 'cancelled'), 0) AS cancelled"
	" FROM (SELECT -1 AS n, o.member_id, o.message_id, o.program_id,"
	" o.created_at, o.channel, o.template, o.status FROM old_messages o"
	" UNION ALL SELECT 1, w.member_id, w.message_id, w.program_id,"
	" w.created_at, w.channel, w.template, w.status FROM new_messages w) m"
	" JOIN loyalty.program p ON p.program_id = m.program_id"
	" WHERE m.status NOT IN ('queued', 'taken')"
	" GROUP BY m.program_id, (m.created_at AT TIME ZONE p.time_zone)::date,"
	" m.channel, m.template) c"
	" WHERE c.sent <> 0 OR c.suppressed <> 0 OR c.expired <> 0"
	" OR c.dead <> 0 OR c.cancelled <> 0"
};

/* As report_message_of() counts them; what was told of them need not be deleted. */
static Statement discount_messages = {
	"INSERT INTO loyalty.report_message_change (program_id, change_id, day,"
	" channel, template, queued, sent, delivered, opened, clicked, bounced,"
	" unsubscribed, suppressed, expired, dead, cancelled)"
	" SELECT c.program_id, pg_catalog.nextval('loyalty.report_change_id_seq'),"
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
 * Trigger after UPDATE of message.  A restore only inserts, so it never fires
 * there.
 */
Datum
loyalty_report_message_changed(PG_FUNCTION_ARGS)
{
	return statement_keep(fcinfo, &count_messages);
}

/* Trigger after DELETE of message: no call does it, but an owner may. */
Datum
loyalty_report_message_deleted(PG_FUNCTION_ARGS)
{
	return statement_keep(fcinfo, &discount_messages);
}
