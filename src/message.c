/*
 * message.c
 *
 * Puts messages into the outbox, and takes out what nobody has taken.
 *
 * A message is a row of the transaction in which it was enqueued, so it is
 * there if and only if that commits.  It says what is to be told (a template
 * and its parameters), never to which address: who delivers it looks that up.
 */
#include "message.h"

#include "commands/async.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(loyalty_message_enqueue);
PG_FUNCTION_INFO_V1(loyalty_message_cancel);

/* The channel of LISTEN; its payload is the channel of the messages. */
#define WAKE_UP "loyalty_message"

#define MAX_DEDUPE_BYTES 255
#define MAX_PARAMS_DEPTH 4

enum enqueue_arg
{
	ENQUEUE_MEMBER_ID,
	ENQUEUE_CHANNEL,
	ENQUEUE_TEMPLATE,
	ENQUEUE_PARAMS,
	ENQUEUE_PURPOSE,
	ENQUEUE_DEDUPE_KEY,
	ENQUEUE_NOT_BEFORE,
	ENQUEUE_EXPIRES_AT,
	ENQUEUE_PRIORITY
};

static Statement lock_member = {
	"SELECT program_id, status FROM loyalty.account WHERE member_id = $1"
	" FOR NO KEY UPDATE",
	1, {INT8OID}
};

static Statement select_channel = {
	"SELECT c.wakes, p.status = 'active' FROM loyalty.message_channel c"
	" JOIN loyalty.program p ON p.program_id = c.program_id"
	" WHERE c.program_id = $1 AND c.name = $2",
	2, {INT4OID, TEXTOID}
};

static Statement select_first = {
	"SELECT message_id FROM loyalty.message"
	" WHERE member_id = $1 AND dedupe_key = $2",
	2, {INT8OID, TEXTOID}
};

static Statement insert_message = {
	"WITH queued AS ("
	"INSERT INTO loyalty.message (member_id, message_id, created_at, due_at,"
	" expires_at, program_id, automation_id, run_id, fallback_of, priority,"
	" channel, template, purpose, dedupe_key, params)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
	" coalesce($15, '{}'))"
	" ON CONFLICT (member_id, dedupe_key) WHERE dedupe_key IS NOT NULL"
	" DO NOTHING RETURNING program_id, created_at, channel, template),"
	/* a trigger would count again what a restore inserts */
	" counted AS (INSERT INTO loyalty.report_message_change (program_id,"
	" change_id, day, channel, template, queued) SELECT q.program_id,"
	" pg_catalog.nextval('loyalty.change_id_seq'),"
	" (q.created_at AT TIME ZONE p.time_zone)::date, q.channel, q.template, 1"
	" FROM queued q JOIN loyalty.program p ON p.program_id = q.program_id)"
	" SELECT FROM queued",
	15, {INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	INT4OID, INT4OID, INT8OID, INT8OID, INT2OID, TEXTOID, TEXTOID, TEXTOID,
	TEXTOID, JSONBOID}
};

void
message_begin(void)
{
	MemoryContext caller = CurrentMemoryContext;

	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
}

MessageMember
message_member(int64 member_id)
{
	NullableDatum args[] = {ARG(Int64GetDatum(member_id))};
	MessageMember member = {.member_id = member_id};

	if (statement_run(&lock_member, args, false) == 0)
		refusal_raise(REFUSAL_MEMBER_NOT_FOUND,
					  psprintf("member_id=" INT64_FORMAT, member_id));
	member.program_id = DatumGetInt32(statement_notnull(0, 1));
	member.status = statement_text(0, 2);
	return member;
}

void
message_check_member(const MessageMember *member, bool open)
{
	char	   *detail = psprintf("member_id=" INT64_FORMAT,
								  member->member_id);

	if (strcmp(member->status, "merged") == 0)
		refusal_raise(REFUSAL_MEMBER_MERGED, detail);
	if (open && strcmp(member->status, "closed") == 0)
		refusal_raise(REFUSAL_MEMBER_CLOSED, detail);
}

void
message_wake(const char *channel)
{
	/* of one transaction, the same is said once */
	Async_Notify(WAKE_UP, channel);
}

/* The id of the message that has this key already; 0: there is none. */
static int64
find_first(int64 member_id, const char *dedupe_key)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(CStringGetTextDatum(dedupe_key))
	};

	if (statement_run(&select_first, args, false) == 0)
		return 0;
	return DatumGetInt64(statement_notnull(0, 1));
}

/*
 * Refuses an unknown channel, and what is new in a programme at rest; do its
 * consumers want to be woken?
 */
static bool
check_channel(const NewMessage *message)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(message->program_id)),
		ARG(CStringGetTextDatum(message->channel))
	};

	if (statement_run(&select_channel, args, false) == 0)
		refusal_raise(REFUSAL_UNKNOWN_CHANNEL,
					  psprintf("channel=%s", message->channel));
	if (!DatumGetBool(statement_notnull(0, 2)) && message->fallback_of == 0)
		refusal_raise(REFUSAL_PROGRAM_INACTIVE,
					  psprintf("program_id=%d", message->program_id));
	return DatumGetBool(statement_notnull(0, 1));
}

/* True, unless the member has a message with this key. */
static bool
insert(const NewMessage *message, int64 message_id, TimestampTz now)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(message->member_id)),
		ARG(Int64GetDatum(message_id)),
		ARG(TimestampTzGetDatum(now)),
		ARG(TimestampTzGetDatum(Max(now, message->not_before))),
		ARG_OR_NULL(TimestampTzGetDatum(message->expires_at),
					!TIMESTAMP_IS_NOEND(message->expires_at)),
		ARG(Int32GetDatum(message->program_id)),
		ARG_OR_NULL(Int32GetDatum(message->automation_id),
					message->automation_id != 0),
		ARG_OR_NULL(Int64GetDatum(message->run_id), message->run_id != 0),
		ARG_OR_NULL(Int64GetDatum(message->fallback_of),
					message->fallback_of != 0),
		ARG(Int16GetDatum(message->priority)),
		ARG(CStringGetTextDatum(message->channel)),
		ARG(CStringGetTextDatum(message->template)),
		ARG(CStringGetTextDatum(message->purpose)),
		message->dedupe_key == NULL ? NULL_ARG :
		ARG(CStringGetTextDatum(message->dedupe_key)),
		POINTER_ARG(message->params)
	};

	return statement_run(&insert_message, args, false) > 0;
}

int64
message_add(const NewMessage *message)
{
	TimestampTz now = loyalty_clock();
	bool		wakes = check_channel(message);
	int64		message_id = loyalty_new_id();

	if (!insert(message, message_id, now))
		return find_first(message->member_id, message->dedupe_key);
	if (wakes && message->not_before <= now)
		message_wake(message->channel);
	return message_id;
}

/*
 * message_enqueue()
 */

/* An object of bounded size and depth. */
static Jsonb *
read_params(FunctionCallInfo fcinfo)
{
	Jsonb	   *params;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	int			depth = 0;

	if (PG_ARGISNULL(ENQUEUE_PARAMS))
		return NULL;
	params = PG_GETARG_JSONB_P(ENQUEUE_PARAMS);
	if (!JB_ROOT_IS_OBJECT(params))
		refusal_raise(REFUSAL_DATA_INVALID, "params must be a json object");
	if (VARSIZE(params) > MAX_PARAMS_BYTES)
		refusal_raise(REFUSAL_INPUT_TOO_LARGE,
					  psprintf("params have %u bytes, at most %d",
							   VARSIZE(params), MAX_PARAMS_BYTES));
	iterator = JsonbIteratorInit(&params->root);
	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		if (token == WJB_BEGIN_ARRAY || token == WJB_BEGIN_OBJECT)
			depth++;
		else if (token == WJB_END_ARRAY || token == WJB_END_OBJECT)
			depth--;
		if (depth > MAX_PARAMS_DEPTH)
			refusal_raise(REFUSAL_INPUT_TOO_LARGE,
						  psprintf("params are nested deeper than %d",
								   MAX_PARAMS_DEPTH));
	}
	return params;
}

static char *
read_dedupe_key(FunctionCallInfo fcinfo)
{
	char	   *key;
	int			length;

	if (PG_ARGISNULL(ENQUEUE_DEDUPE_KEY))
		return NULL;
	key = text_to_cstring(PG_GETARG_TEXT_PP(ENQUEUE_DEDUPE_KEY));
	length = strlen(key);
	if (length == 0 || length > MAX_DEDUPE_BYTES)
		refusal_raise(REFUSAL_KEY_INVALID,
					  psprintf("dedupe_key has %d bytes, at least 1 and at "
							   "most %d", length, MAX_DEDUPE_BYTES));
	for (const char *c = key; *c != '\0'; c++)
		if ((unsigned char) *c < 0x20 || *c == 0x7f)
			refusal_raise(REFUSAL_KEY_INVALID,
						  "dedupe_key contains a control character");
	return key;
}

/* When it may be taken first and last. */
static void
read_times(FunctionCallInfo fcinfo, NewMessage *message)
{
	TimestampTz now = loyalty_clock();

	message->not_before = DT_NOBEGIN;
	message->expires_at = DT_NOEND;
	if (!PG_ARGISNULL(ENQUEUE_NOT_BEFORE))
	{
		message->not_before = PG_GETARG_TIMESTAMPTZ(ENQUEUE_NOT_BEFORE);
		if (TIMESTAMP_NOT_FINITE(message->not_before))
			refusal_raise(REFUSAL_TIME_NOT_FINITE, "not_before is not finite");
	}
	if (PG_ARGISNULL(ENQUEUE_EXPIRES_AT))
		return;
	message->expires_at = PG_GETARG_TIMESTAMPTZ(ENQUEUE_EXPIRES_AT);
	if (TIMESTAMP_NOT_FINITE(message->expires_at))
		refusal_raise(REFUSAL_TIME_NOT_FINITE, "expires_at is not finite");
	if (message->expires_at <= now)
		refusal_raise(REFUSAL_EXPIRY_IN_PAST, "expires_at is not to come");
	if (message->expires_at <= message->not_before)
		refusal_raise(REFUSAL_PERIOD_INVERTED,
					  "expires_at is not after not_before");
}

static void
read_message(FunctionCallInfo fcinfo, NewMessage *message)
{
	memset(message, 0, sizeof(NewMessage));
	require_argument(fcinfo, ENQUEUE_MEMBER_ID, "member_id");
	require_argument(fcinfo, ENQUEUE_PRIORITY, "priority");
	message->member_id = PG_GETARG_INT64(ENQUEUE_MEMBER_ID);
	message->channel = name_argument(fcinfo, ENQUEUE_CHANNEL, "channel", "");
	message->template = name_argument(fcinfo, ENQUEUE_TEMPLATE, "template",
									  ".-");
	message->params = read_params(fcinfo);
	message->purpose = name_argument(fcinfo, ENQUEUE_PURPOSE, "purpose", "");
	message->dedupe_key = read_dedupe_key(fcinfo);
	read_times(fcinfo, message);
	message->priority = PG_GETARG_INT32(ENQUEUE_PRIORITY);
	if (message->priority < 0 || message->priority > PRIORITY_URGENT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("priority must be between 0 and %d",
						PRIORITY_URGENT)));
}

/*
 * message_enqueue(): the id of the message, or of the first with its dedupe
 * key, which is answered before anything is refused.  Locks the account.
 */
Datum
loyalty_message_enqueue(PG_FUNCTION_ARGS)
{
	NewMessage	message;
	MessageMember member;
	int64		message_id = 0;

	read_message(fcinfo, &message);
	message_begin();
	member = message_member(message.member_id);
	message.program_id = member.program_id;
	if (message.dedupe_key != NULL)
		message_id = find_first(member.member_id, message.dedupe_key);
	if (message_id == 0)
	{
		/* nothing more is said to one who has left */
		message_check_member(&member, true);
		message_id = message_add(&message);
	}
	SPI_finish();
	PG_RETURN_INT64(message_id);
}

/*
 * Cancelling
 */

/* A message, and what stands in for it. */
#define CHAIN \
	"WITH RECURSIVE chain (message_id) AS (SELECT $2" \
	" UNION SELECT m.message_id FROM loyalty.message m" \
	" JOIN chain c ON c.message_id = m.fallback_of WHERE m.member_id = $1)"

static Statement lock_chain = {
	CHAIN " SELECT FROM loyalty.message m JOIN chain c USING (message_id)"
	" WHERE m.member_id = $1 FOR NO KEY UPDATE OF m",
	2, {INT8OID, INT8OID}
};

/*
 * One whose lease is over was perhaps delivered; that is told by reason.
 * coalesce(), so that the index of the whole queue is no way to find it.
 */
static Statement cancel_chain = {
	CHAIN " UPDATE loyalty.message m SET status = 'cancelled', ended_at = $3"
	" FROM chain c WHERE m.member_id = $1 AND m.message_id = c.message_id"
	" AND coalesce(m.status = 'queued'"
	" OR (m.status = 'taken' AND m.due_at <= $3), false)",
	3, {INT8OID, INT8OID, TIMESTAMPTZOID}
};

/*
 * Locks the messages of a chain, again while there are more of them than
 * before: one that was given up meanwhile has another that stands in for it.
 * Returns how many there are.
 */
static uint64
lock_all(const NullableDatum *args)
{
	uint64		n = 0;
	uint64		before;

	do
	{
		before = n;
		n = statement_run(&lock_chain, args, false);
	} while (n > before);
	return n;
}

/*
 * message_cancel(member_id, message_id): true, if it, or what stands in for
 * it, was waiting and now is cancelled.  Locks the account.
 */
Datum
loyalty_message_cancel(PG_FUNCTION_ARGS)
{
	NullableDatum args[3];
	bool		cancelled;

	require_argument(fcinfo, 0, "member_id");
	require_argument(fcinfo, 1, "message_id");
	message_begin();
	message_member(PG_GETARG_INT64(0));
	args[0] = fcinfo->args[0];
	args[1] = fcinfo->args[1];
	args[2] = ARG(TimestampTzGetDatum(loyalty_clock()));
	if (lock_all(args) == 0)
		refusal_raise(REFUSAL_MESSAGE_NOT_FOUND,
					  psprintf("message_id=" INT64_FORMAT,
							   PG_GETARG_INT64(1)));
	cancelled = statement_run(&cancel_chain, args, false) > 0;
	SPI_finish();
	PG_RETURN_BOOL(cancelled);
}
