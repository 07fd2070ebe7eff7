/*
 * message_end.c
 *
 * What becomes of a message that was given to a consumer.
 *
 * A lease may be over before its consumer answers, and the message may be with
 * another one by then.  That it was delivered is true whoever says so, and is
 * kept once.  That it failed is only for the one who has it now: the number of
 * the attempt says who that is.
 */
#include "message.h"

#include "datatype/timestamp.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(loyalty_message_done);
PG_FUNCTION_INFO_V1(loyalty_message_retry);
PG_FUNCTION_INFO_V1(loyalty_message_requeue);
PG_FUNCTION_INFO_V1(loyalty_message_feedback);

/* Bounces are kept as the reason, too. */
#define BOUNCED "bounced"

/* A wait that a channel asks for is no longer than that. */
#define LONGEST_WAIT (7 * USECS_PER_DAY)

/* Of all; then of message_done() and message_retry(); of message_feedback(). */
enum message_arg
{
	ARG_MEMBER_ID,
	ARG_MESSAGE_ID,
	ARG_ATTEMPT,
	ARG_REASON,
	ARG_AFTER,
	ARG_GIVE_UP,
	ARG_KIND = ARG_ATTEMPT,
	ARG_AT = ARG_REASON
};

/* A message that is locked. */
typedef struct Message
{
	int64		member_id;
	int64		message_id;
	int32		program_id;
	char	   *status;
	int			attempts;
	char	   *channel;
	char	   *purpose;
	char	   *reason;			/* or NULL */
} Message;

static Statement lock_message = {
	"SELECT program_id, status, attempts, channel, purpose, reason"
	" FROM loyalty.message"
	" WHERE member_id = $1 AND message_id = $2 FOR NO KEY UPDATE",
	2, {INT8OID, INT8OID}
};

static Statement update_message = {
	"UPDATE loyalty.message SET status = $3, due_at = coalesce($4, due_at),"
	" ended_at = $5, attempts = $6, reason = $7"
	" WHERE member_id = $1 AND message_id = $2",
	7, {INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID,
	TEXTOID}
};

static Statement select_wakes = {
	"SELECT wakes FROM loyalty.message_channel"
	" WHERE program_id = $1 AND name = $2",
	2, {INT4OID, TEXTOID}
};

/* Locks a message; LY441 if the member has none of this id. */
static Message
lock(FunctionCallInfo fcinfo)
{
	Message		message = {
		.member_id = PG_GETARG_INT64(ARG_MEMBER_ID),
		.message_id = PG_GETARG_INT64(ARG_MESSAGE_ID)
	};

	if (statement_run(&lock_message, fcinfo->args, false) == 0)
		refusal_raise(REFUSAL_MESSAGE_NOT_FOUND,
					  psprintf("message_id=" INT64_FORMAT,
							   message.message_id));
	message.program_id = DatumGetInt32(statement_notnull(0, 1));
	message.status = statement_text(0, 2);
	message.attempts = DatumGetInt32(statement_notnull(0, 3));
	message.channel = statement_text(0, 4);
	message.purpose = statement_text(0, 5);
	message.reason = statement_text(0, 6);
	return message;
}

static bool
is(const Message *message, const char *status)
{
	return strcmp(message->status, status) == 0;
}

/* Nobody can have delivered what nobody was given. */
static void
require_taken(const Message *message)
{
	if (message->attempts == 0)
		refusal_raise(REFUSAL_MESSAGE_NOT_TAKEN,
					  psprintf("message_id=" INT64_FORMAT " status=%s",
							   message->message_id, message->status));
}

/* NULL: whichever it was. */
static void
require_attempt(FunctionCallInfo fcinfo, const Message *message)
{
	require_taken(message);
	if (!PG_ARGISNULL(ARG_ATTEMPT) &&
		(PG_GETARG_INT32(ARG_ATTEMPT) < 1 ||
		 PG_GETARG_INT32(ARG_ATTEMPT) > message->attempts))
		refusal_raise(REFUSAL_MESSAGE_NOT_TAKEN,
					  psprintf("message_id=" INT64_FORMAT " attempt=%d"
							   " attempts=%d", message->message_id,
							   PG_GETARG_INT32(ARG_ATTEMPT),
							   message->attempts));
}

static void
require_ids(FunctionCallInfo fcinfo)
{
	require_argument(fcinfo, ARG_MEMBER_ID, "member_id");
	require_argument(fcinfo, ARG_MESSAGE_ID, "message_id");
}

/* due_at: DT_NOEND: nothing more is due, the message has ended. */
static void
update(const Message *message, const char *status, TimestampTz due_at,
	   int attempts, const char *reason)
{
	bool		ended = TIMESTAMP_IS_NOEND(due_at);
	NullableDatum args[] = {
		ARG(Int64GetDatum(message->member_id)),
		ARG(Int64GetDatum(message->message_id)),
		ARG(CStringGetTextDatum(status)),
		ARG_OR_NULL(TimestampTzGetDatum(due_at), !ended),
		ARG_OR_NULL(TimestampTzGetDatum(loyalty_clock()), ended),
		ARG(Int32GetDatum(attempts)),
		reason == NULL ? NULL_ARG : ARG(CStringGetTextDatum(reason))
	};

	if (statement_run(&update_message, args, false) != 1)
		elog(ERROR, "message " INT64_FORMAT " was not written",
			 message->message_id);
}

/*
 * message_done(member_id, message_id, attempt): true, unless that was known
 * already.
 */
Datum
loyalty_message_done(PG_FUNCTION_ARGS)
{
	Message		message;
	bool		done;

	require_ids(fcinfo);
	message_begin();
	message = lock(fcinfo);
	require_attempt(fcinfo, &message);
	/* what bounced was handed over, and came back */
	done = !is(&message, "done") && !(is(&message, "dead") &&
									  message.reason != NULL &&
									  strcmp(message.reason, BOUNCED) == 0);
	if (done)
		update(&message, "done", DT_NOEND, message.attempts, NULL);
	SPI_finish();
	PG_RETURN_BOOL(done);
}

/*
 * message_retry()
 */

/* How often, and after how many microseconds at first and at most. */
static Statement select_retry = {
	"SELECT max_attempts,"
	" (pg_catalog.date_part('epoch', retry_after) * 1000000)::bigint,"
	" (pg_catalog.date_part('epoch', retry_max) * 1000000)::bigint"
	" FROM loyalty.message_channel WHERE program_id = $1 AND name = $2",
	2, {INT4OID, TEXTOID}
};

/* When it is tried again, not before a wait is over; DT_NOEND: never. */
static TimestampTz
retry_at(const Message *message, int64 after)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(message->program_id)),
		ARG(CStringGetTextDatum(message->channel))
	};
	int64		wait;
	int64		longest;

	if (statement_run(&select_retry, args, false) == 0 ||
		message->attempts >= DatumGetInt32(statement_notnull(0, 1)))
		return DT_NOEND;
	wait = DatumGetInt64(statement_notnull(0, 2));
	longest = DatumGetInt64(statement_notnull(0, 3));
	for (int i = 1; i < message->attempts && wait < longest; i++)
		wait *= 2;
	return loyalty_clock() + Max(Min(wait, longest), after);
}

/* How long the channel asks to be left alone, in microseconds. */
static int64
read_after(FunctionCallInfo fcinfo)
{
	Interval   *after;
	int64		wait;

	if (PG_ARGISNULL(ARG_AFTER))
		return 0;
	after = PG_GETARG_INTERVAL_P(ARG_AFTER);
	if (after->month != 0 || after->day < 0 || after->time < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("after must be a time that is not negative, without "
						"months")));
	if (after->day > LONGEST_WAIT / USECS_PER_DAY ||
		after->time > LONGEST_WAIT)
		return LONGEST_WAIT;
	wait = after->day * USECS_PER_DAY + after->time;
	return Min(wait, LONGEST_WAIT);
}

/* Why it failed: a short text without what may break a line of a log. */
static char *
read_reason(FunctionCallInfo fcinfo)
{
	char	   *reason;

	require_argument(fcinfo, ARG_REASON, "reason");
	reason = pstrdup(clipped(text_to_cstring(PG_GETARG_TEXT_PP(ARG_REASON))));
	for (char *c = reason; *c != '\0'; c++)
		if ((unsigned char) *c < 0x20 || *c == 0x7f)
			*c = ' ';
	return reason;
}

/* Puts it back, or gives it up; returns its status. */
static const char *
fail(const Message *message, const char *reason, int64 after, bool give_up)
{
	TimestampTz again = give_up ? DT_NOEND : retry_at(message, after);
	bool		dead = TIMESTAMP_IS_NOEND(again);

	update(message, dead ? "dead" : "queued", again, message->attempts,
		   reason);
	if (dead)
		message_fall_back(message->member_id, message->message_id,
						  loyalty_clock());
	return dead ? "dead" : "queued";
}

/*
 * message_retry(member_id, message_id, attempt, reason, after, give_up): the
 * status that the message has then.  What somebody else has now stays with
 * him.
 */
Datum
loyalty_message_retry(PG_FUNCTION_ARGS)
{
	const char *status;
	char	   *reason;
	int64		after;
	Message		message;

	require_ids(fcinfo);
	reason = read_reason(fcinfo);
	after = read_after(fcinfo);
	require_argument(fcinfo, ARG_GIVE_UP, "give_up");
	message_begin();
	message = lock(fcinfo);
	require_attempt(fcinfo, &message);
	status = message.status;
	if (is(&message, "taken") &&
		(PG_ARGISNULL(ARG_ATTEMPT) ||
		 PG_GETARG_INT32(ARG_ATTEMPT) == message.attempts))
		status = fail(&message, reason, after,
					  PG_GETARG_BOOL(ARG_GIVE_UP));
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text(status));
}

/* Do the consumers of its channel want to be woken? */
static bool
wakes(const Message *message)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(message->program_id)),
		ARG(CStringGetTextDatum(message->channel))
	};

	return statement_run(&select_wakes, args, false) > 0 &&
		DatumGetBool(statement_notnull(0, 1));
}

/*
 * message_requeue(member_id, message_id): true, if it was given up or
 * suppressed, and now is tried as if for the first time.
 */
Datum
loyalty_message_requeue(PG_FUNCTION_ARGS)
{
	Message		message;
	bool		queued;

	require_ids(fcinfo);
	message_begin();
	message = lock(fcinfo);
	queued = is(&message, "dead") || is(&message, "suppressed");
	if (queued)
	{
		update(&message, "queued", loyalty_clock(), 0, NULL);
		if (wakes(&message))
			message_wake(message.channel);
	}
	SPI_finish();
	PG_RETURN_BOOL(queued);
}

/*
 * Fallbacks
 */

/*
 * The channels that the fallbacks lead to, in order, up to the first that can
 * be used; and what the message says.
 */
static Statement select_fallback = {
	"WITH RECURSIVE chain (fallback_of, channel, program_id, purpose) AS ("
	"SELECT m.fallback_of, m.channel, m.program_id, m.purpose"
	" FROM loyalty.message m WHERE m.member_id = $1 AND m.message_id = $2"
	" UNION ALL SELECT m.fallback_of, m.channel, m.program_id, m.purpose"
	" FROM chain c JOIN loyalty.message m"
	" ON m.member_id = $1 AND m.message_id = c.fallback_of),"
	" way (name, step) AS ("
	"SELECT h.fallback, 1 FROM loyalty.message m"
	" JOIN loyalty.message_channel h"
	" ON h.program_id = m.program_id AND h.name = m.channel"
	" WHERE m.member_id = $1 AND m.message_id = $2"
	" UNION ALL SELECT h.fallback, w.step + 1 FROM way w"
	" JOIN loyalty.message_channel h ON h.name = w.name"
	" AND h.program_id = (SELECT c.program_id FROM chain c LIMIT 1)"
	" WHERE w.step < 16)"
	" SELECT w.name, m.program_id, m.automation_id, m.run_id, m.priority,"
	" m.template, m.purpose, m.params, m.expires_at"
	" FROM way w JOIN loyalty.message m"
	" ON m.member_id = $1 AND m.message_id = $2"
	" JOIN loyalty.message_channel h"
	" ON h.program_id = m.program_id AND h.name = w.name"
	" WHERE w.name <> ALL (SELECT c.channel FROM chain c)"
	" AND (m.expires_at IS NULL OR m.expires_at > $3)"
	" AND NOT EXISTS (SELECT FROM loyalty.message f"
	" WHERE f.member_id = $1 AND f.fallback_of = $2)"
	" AND (m.purpose = '" PURPOSE_SERVICE "' OR "
	CONSENT_STANDS("$1", "m.purpose", "w.name", "$3") ")"
	" ORDER BY w.step LIMIT 1",
	3, {INT8OID, INT8OID, TIMESTAMPTZOID}
};

void
message_fall_back(int64 member_id, int64 message_id, TimestampTz now)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(Int64GetDatum(message_id)),
		ARG(TimestampTzGetDatum(now))
	};
	NewMessage	next = {
		.member_id = member_id,
		.fallback_of = message_id,
		.not_before = DT_NOBEGIN
	};

	if (statement_run(&select_fallback, args, false) == 0)
		return;
	next.channel = statement_text(0, 1);
	next.program_id = DatumGetInt32(statement_notnull(0, 2));
	next.automation_id = statement_int32_or(0, 3, 0);
	next.run_id = statement_int64_or(0, 4, 0);
	next.priority = DatumGetInt16(statement_notnull(0, 5));
	next.template = statement_text(0, 6);
	next.purpose = statement_text(0, 7);
	next.params = (Jsonb *) statement_varlena(0, 8);
	next.expires_at = statement_time_or(0, 9, DT_NOEND);
	message_add(&next);
}

/*
 * message_feedback()
 */

static Statement insert_feedback = {
	"WITH told AS (INSERT INTO loyalty.message_feedback"
	" (member_id, message_id, kind, program_id, at)"
	" VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"
	" RETURNING member_id, message_id, kind),"
	/* a trigger would count again what a restore inserts */
	" counted AS (INSERT INTO loyalty.report_message_change (program_id,"
	" change_id, day, channel, template, sent, delivered, opened, clicked,"
	" bounced, unsubscribed) SELECT m.program_id,"
	" pg_catalog.nextval('loyalty.change_id_seq'),"
	" (m.created_at AT TIME ZONE p.time_zone)::date, m.channel, m.template,"
	" (t.kind = 'bounced' AND m.status <> 'done')::int,"
	" (t.kind IN ('delivered', 'opened', 'clicked')"
	" AND NOT had.delivered)::int,"
	" (t.kind IN ('opened', 'clicked') AND NOT had.opened)::int,"
	" (t.kind = 'clicked')::int, (t.kind = 'bounced')::int,"
	" (t.kind = 'unsubscribed')::int FROM told t"
	" JOIN loyalty.message m ON m.member_id = t.member_id"
	" AND m.message_id = t.message_id"
	" JOIN loyalty.program p ON p.program_id = m.program_id"
	" CROSS JOIN LATERAL (SELECT coalesce(bool_or(f.kind IN"
	" ('delivered', 'opened', 'clicked')), false) AS delivered,"
	" coalesce(bool_or(f.kind IN ('opened', 'clicked')), false) AS opened"
	" FROM loyalty.message_feedback f WHERE f.member_id = t.member_id"
	" AND f.message_id = t.message_id) had"
	/* who opened or clicked it had got it */
	" WHERE NOT (t.kind = 'delivered' AND had.delivered"
	" OR t.kind = 'opened' AND had.opened))"
	" SELECT FROM told",
	5, {INT8OID, INT8OID, TEXTOID, INT4OID, TIMESTAMPTZOID}
};

static char *
read_kind(FunctionCallInfo fcinfo)
{
	static const char *const kinds[] = {
		"delivered", "opened", "clicked", BOUNCED, "unsubscribed"
	};
	char	   *kind;

	require_argument(fcinfo, ARG_KIND, "kind");
	kind = text_to_cstring(PG_GETARG_TEXT_PP(ARG_KIND));
	for (int i = 0; i < lengthof(kinds); i++)
		if (strcmp(kind, kinds[i]) == 0)
			return kind;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("kind is not known"),
			 errhint("Kinds are delivered, opened, clicked, bounced and "
					 "unsubscribed.")));
}

/*
 * The channel gave it up after all; it need not be tried again.  What was
 * taken back, or is over, goes no other way.
 */
static void
bounce(const Message *message)
{
	if (is(message, "done") || is(message, "taken") || is(message, "queued"))
		update(message, "dead", DT_NOEND, message->attempts, BOUNCED);
	else if (!is(message, "dead"))
		return;
	message_fall_back(message->member_id, message->message_id,
					  loyalty_clock());
}

/* He does not want such messages on this channel. */
static void
unsubscribe(const Message *message, TimestampTz at)
{
	Consent		consent = {
		.member_id = message->member_id,
		.program_id = message->program_id,
		.purpose = message->purpose,
		.channel = message->channel,
		.given = false,
		.at = at,
		.evidence = psprintf("message " INT64_FORMAT, message->message_id)
	};

	if (strcmp(message->purpose, PURPOSE_SERVICE) != 0)
		message_consent(&consent);
}

/*
 * message_feedback(member_id, message_id, kind, at): true, unless it was told
 * before.  Locks the account, if a consent is withdrawn.
 */
Datum
loyalty_message_feedback(PG_FUNCTION_ARGS)
{
	char	   *kind;
	TimestampTz at;
	Message		message;
	NullableDatum args[5];
	bool		told;

	require_ids(fcinfo);
	kind = read_kind(fcinfo);
	at = message_time(fcinfo, ARG_AT);
	message_begin();
	if (strcmp(kind, "unsubscribed") == 0)
		message_member(PG_GETARG_INT64(ARG_MEMBER_ID));
	message = lock(fcinfo);
	require_taken(&message);
	args[0] = fcinfo->args[ARG_MEMBER_ID];
	args[1] = fcinfo->args[ARG_MESSAGE_ID];
	args[2] = fcinfo->args[ARG_KIND];
	args[3] = ARG(Int32GetDatum(message.program_id));
	args[4] = ARG(TimestampTzGetDatum(at));
	told = statement_run(&insert_feedback, args, false) > 0;
	if (told && strcmp(kind, BOUNCED) == 0)
		bounce(&message);
	if (told && strcmp(kind, "unsubscribed") == 0)
		unsubscribe(&message, at);
	SPI_finish();
	PG_RETURN_BOOL(told);
}
