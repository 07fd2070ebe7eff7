/*
 * message_consent.c
 *
 * What members agree to, and take back.  Rows are only added; what was said
 * last counts.
 */
#include "message.h"

#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(loyalty_message_consent_give);
PG_FUNCTION_INFO_V1(loyalty_message_consent_withdraw);

#define MAX_EVIDENCE_BYTES 255

enum consent_arg
{
	CONSENT_MEMBER_ID,
	CONSENT_PURPOSE,
	CONSENT_CHANNEL,
	CONSENT_EVIDENCE,
	CONSENT_AT
};

static Statement channel_known = {
	"SELECT FROM loyalty.message_channel WHERE program_id = $1 AND name = $2",
	2, {INT4OID, TEXTOID}
};

static Statement insert_consent = {
	"INSERT INTO loyalty.consent (member_id, consent_id, program_id, purpose,"
	" channel, given, at, evidence, actor)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
	9, {INT8OID, INT8OID, INT4OID, TEXTOID, TEXTOID, BOOLOID, TIMESTAMPTZOID,
	TEXTOID, TEXTOID}
};

int64
message_consent(const Consent *consent)
{
	int64		consent_id = loyalty_new_id();
	NullableDatum args[] = {
		ARG(Int64GetDatum(consent->member_id)),
		ARG(Int64GetDatum(consent_id)),
		ARG(Int32GetDatum(consent->program_id)),
		ARG(CStringGetTextDatum(consent->purpose)),
		consent->channel == NULL ? NULL_ARG :
		ARG(CStringGetTextDatum(consent->channel)),
		ARG(BoolGetDatum(consent->given)),
		ARG(TimestampTzGetDatum(consent->at)),
		consent->evidence == NULL ? NULL_ARG :
		ARG(CStringGetTextDatum(consent->evidence)),
		ARG(CStringGetTextDatum(GetUserNameFromId(GetOuterUserId(), false)))
	};

	statement_run(&insert_consent, args, false);
	return consent_id;
}

TimestampTz
message_time(FunctionCallInfo fcinfo, int arg)
{
	TimestampTz now = loyalty_clock();
	TimestampTz at;

	if (PG_ARGISNULL(arg))
		return now;
	at = PG_GETARG_TIMESTAMPTZ(arg);
	if (TIMESTAMP_NOT_FINITE(at))
		refusal_raise(REFUSAL_TIME_NOT_FINITE, "at is not finite");
	if (at > now + USECS_PER_DAY)
		refusal_raise(REFUSAL_TIME_IN_FUTURE,
					  psprintf("at=%s", timestamptz_to_str(at)));
	return Min(at, now);
}

static char *
read_evidence(FunctionCallInfo fcinfo)
{
	char	   *evidence;

	if (PG_ARGISNULL(CONSENT_EVIDENCE))
		return NULL;
	evidence = text_to_cstring(PG_GETARG_TEXT_PP(CONSENT_EVIDENCE));
	if (strlen(evidence) > MAX_EVIDENCE_BYTES)
		refusal_raise(REFUSAL_INPUT_TOO_LARGE,
					  psprintf("evidence has %zu bytes, at most %d",
							   strlen(evidence), MAX_EVIDENCE_BYTES));
	return evidence;
}

static void
read_consent(FunctionCallInfo fcinfo, Consent *consent)
{
	memset(consent, 0, sizeof(Consent));
	require_argument(fcinfo, CONSENT_MEMBER_ID, "member_id");
	consent->member_id = PG_GETARG_INT64(CONSENT_MEMBER_ID);
	consent->purpose = name_argument(fcinfo, CONSENT_PURPOSE, "purpose", "");
	if (strcmp(consent->purpose, PURPOSE_SERVICE) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("purpose \"%s\" needs no consent", PURPOSE_SERVICE)));
	if (!PG_ARGISNULL(CONSENT_CHANNEL))
		consent->channel = name_argument(fcinfo, CONSENT_CHANNEL, "channel",
										"");
	consent->evidence = read_evidence(fcinfo);
	consent->at = message_time(fcinfo, CONSENT_AT);
}

/* Only of a channel that there is can anything be said. */
static void
check_channel(const Consent *consent)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(consent->program_id)),
		ARG_OR_NULL(consent->channel == NULL ? (Datum) 0 :
					CStringGetTextDatum(consent->channel),
					consent->channel != NULL)
	};

	if (consent->channel != NULL &&
		statement_run(&channel_known, args, false) == 0)
		refusal_raise(REFUSAL_UNKNOWN_CHANNEL,
					  psprintf("channel=%s", consent->channel));
}

/* Keeps what the member said.  Locks the account. */
static Datum
say(FunctionCallInfo fcinfo, bool given)
{
	Consent		consent;
	MessageMember member;
	int64		consent_id;

	read_consent(fcinfo, &consent);
	message_begin();
	member = message_member(consent.member_id);
	/* one who has left may still take back what he said */
	message_check_member(&member, given);
	consent.program_id = member.program_id;
	consent.given = given;
	check_channel(&consent);
	consent_id = message_consent(&consent);
	SPI_finish();
	PG_RETURN_INT64(consent_id);
}

/* consent_give(member_id, purpose, channel, evidence, at): the id of the row. */
Datum
loyalty_message_consent_give(PG_FUNCTION_ARGS)
{
	return say(fcinfo, true);
}

/* consent_withdraw(member_id, purpose, channel, evidence, at): the same. */
Datum
loyalty_message_consent_withdraw(PG_FUNCTION_ARGS)
{
	return say(fcinfo, false);
}
