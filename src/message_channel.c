/*
 * message_channel.c
 *
 * The channels of a programme, and what is over in its outbox.
 */
#include "message.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "datatype/timestamp.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "amount_check.h"

PG_FUNCTION_INFO_V1(loyalty_message_channels);
PG_FUNCTION_INFO_V1(loyalty_message_channel_check);
PG_FUNCTION_INFO_V1(loyalty_message_channel_in_use);
PG_FUNCTION_INFO_V1(loyalty_message_expire);

/* Counts of quotas are kept for so many days. */
#define QUOTA_DAYS 31

#define MAX_EXPIRE_BATCH 100000

static Statement select_program = {
	"SELECT program_id FROM loyalty.program WHERE name = $1",
	1, {TEXTOID}
};

/*
 * What a shop can begin with.  Short messages reach everybody and cost money:
 * the other channels of the phone fall back on them.
 */
static Statement insert_channels = {
	"INSERT INTO loyalty.message_channel (program_id, name, title, role,"
	" quota, quiet_from, quiet_until, member_cap, member_days, fallback,"
	" max_attempts)"
	" SELECT $1, c.* FROM (VALUES"
	" ('sms', 'SMS', 'reaches everybody', 10000, '21:00'::time,"
	" '09:00'::time, 1, 7, NULL, 5),"
	" ('email', 'E-mail', 'long texts, statements, newsletters', 100000,"
	" NULL, NULL, 1, 1, NULL, 8),"
	" ('mini_program', 'WeChat mini program', 'where members act', NULL,"
	" '22:00', '08:00', 2, 1, 'official_account', 5),"
	" ('official_account', 'WeChat official account', 'news and content',"
	" NULL, '22:00', '08:00', 4, 30, 'sms', 5),"
	" ('wecom', 'WeCom', 'a personal word by an advisor', NULL, '21:00',"
	" '09:00', 1, 1, 'official_account', 5),"
	" ('app_push', 'App push', 'short and timely', NULL, '22:00', '08:00', 2,"
	" 1, 'sms', 5),"
	" ('webhook', 'Webhook', 'tells other systems', NULL, NULL, NULL, NULL,"
	" 1, NULL, 12),"
	" ('staff', 'Staff', 'a task for an advisor in the store', NULL, '20:00',"
	" '10:00', 1, 7, NULL, 3)"
	") AS c (name, title, role, quota, quiet_from, quiet_until, member_cap,"
	" member_days, fallback, max_attempts)"
	" ON CONFLICT DO NOTHING",
	1, {INT4OID}
};

/*
 * message_channels(program): adds the usual channels that the programme does
 * not have yet, and returns how many.
 */
Datum
loyalty_message_channels(PG_FUNCTION_ARGS)
{
	NullableDatum args[1];
	uint64		n;

	require_argument(fcinfo, 0, "program");
	message_begin();
	args[0] = fcinfo->args[0];
	if (statement_run(&select_program, args, false) == 0)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s",
							   clipped(TextDatumGetCString(args[0].value))));
	args[0] = ARG(statement_notnull(0, 1));
	n = statement_run(&insert_channels, args, false);
	SPI_finish();
	PG_RETURN_INT32(n);
}

static Statement channel_known = {
	CHECK_KNOWN("message_channel", "name = $2"), 2, {INT4OID, TEXTOID}
};

/*
 * Trigger before UPDATE of message_channel: the fallback is a channel.  Not of
 * INSERT, because a restore inserts the rows in any order; verify() looks at
 * them, and what is not there is passed over.
 */
Datum
loyalty_message_channel_check(PG_FUNCTION_ARGS)
{
	CheckedRow	row = check_row(fcinfo);

	SPI_connect();
	check_known(&row, &channel_known, "fallback", "fallback");
	SPI_finish();
	return PointerGetDatum(row.tuple);
}

/* What names a channel. */
static Statement channel_in_use = {
	"SELECT FROM loyalty.message WHERE program_id = $1 AND channel = $2"
	" UNION ALL SELECT FROM loyalty.consent"
	" WHERE program_id = $1 AND channel = $2"
	" UNION ALL SELECT FROM loyalty.message_channel"
	" WHERE program_id = $1 AND fallback = $2"
	" UNION ALL SELECT FROM loyalty.automation_step"
	" WHERE program_id = $1 AND channel = $2 LIMIT 1",
	2, {INT4OID, TEXTOID}
};

/*
 * Trigger before DELETE of message_channel and UPDATE of its key: refuses it
 * while anything names the channel.
 */
Datum
loyalty_message_channel_in_use(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	HeapTuple	tuple;
	CheckedRow	row;
	NullableDatum args[2];

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called as a trigger before each row")));
	tuple = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
		trigger->tg_newtuple : trigger->tg_trigtuple;
	row = (CheckedRow) {
		.tuple = trigger->tg_trigtuple,
		.before = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? tuple : NULL,
		.tupdesc = trigger->tg_relation->rd_att
	};
	if (row.before != NULL && !check_differs(&row, "program_id") &&
		!check_differs(&row, "name"))
		return PointerGetDatum(tuple);
	args[0] = check_column(&row, "program_id");
	args[1] = check_column(&row, "name");
	SPI_connect();
	if (statement_run(&channel_in_use, args, false) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("channel is in use"),
				 errdetail("name=%s", check_text(&row, "name")),
				 errhint("Set its status to paused.")));
	SPI_finish();
	return PointerGetDatum(tuple);
}

/*
 * Those that nobody has; locked ones are being taken, and looked at there.
 */
static Statement expire_messages = {
	"WITH over AS (SELECT member_id, message_id FROM loyalty.message"
	" WHERE status IN ('queued', 'taken') AND expires_at <= $1"
	" AND (status = 'queued' OR due_at <= $1)"
	" ORDER BY expires_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)"
	" UPDATE loyalty.message m SET status = 'expired', ended_at = $1"
	" FROM over o"
	" WHERE m.member_id = o.member_id AND m.message_id = o.message_id",
	2, {TIMESTAMPTZOID, INT4OID}
};

static Statement delete_quotas = {
	"WITH over AS (SELECT channel, program_id, day FROM loyalty.message_quota"
	" WHERE day < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)"
	" DELETE FROM loyalty.message_quota q USING over o"
	" WHERE q.channel = o.channel AND q.program_id = o.program_id"
	" AND q.day = o.day",
	2, {DATEOID, INT4OID}
};

/* The date of a time in UTC, from which no zone is further than a day. */
static DateADT
date_of(TimestampTz at)
{
	return at / USECS_PER_DAY - (at % USECS_PER_DAY < 0 ? 1 : 0);
}

/*
 * message_expire(batch): ends messages whose time is over, and forgets old
 * quotas; how many messages ended, and whether there may be more.
 */
Datum
loyalty_message_expire(PG_FUNCTION_ARGS)
{
	TimestampTz now = loyalty_clock();
	TupleDesc	tupdesc;
	NullableDatum args[2];
	Datum		values[2];
	bool		nulls[2] = {false};
	int32		batch;
	uint64		done;

	require_argument(fcinfo, 0, "batch");
	batch = PG_GETARG_INT32(0);
	if (batch < 1 || batch > MAX_EXPIRE_BATCH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch must lie between 1 and %d",
						MAX_EXPIRE_BATCH)));
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "message_expire returns a row");
	message_begin();
	args[0] = ARG(TimestampTzGetDatum(now));
	args[1] = ARG(Int32GetDatum(batch));
	done = statement_run(&expire_messages, args, false);
	args[0] = ARG(DateADTGetDatum(date_of(now) - QUOTA_DAYS));
	statement_run(&delete_quotas, args, false);
	SPI_finish();
	values[0] = Int32GetDatum(done);
	values[1] = BoolGetDatum(done == batch);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values,
											 nulls));
}
