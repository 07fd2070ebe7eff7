/*
 * member.c
 *
 * The person: a new one, the profile, and the status of the account.
 */
#include "member.h"

#include "miscadmin.h"

#include "call.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_member_freeze);
PG_FUNCTION_INFO_V1(loyalty_member_thaw);
PG_FUNCTION_INFO_V1(loyalty_member_close);
PG_FUNCTION_INFO_V1(loyalty_member_reopen);

enum status_arg
{
	STATUS_MEMBER_ID,
	STATUS_REASON,
	STATUS_AT,
	STATUS_KEY,
	STATUS_MODE,
	STATUS_NARGS
};

#define STATUS_ARGS \
	STATUS_NARGS, { \
		[STATUS_MEMBER_ID] = {"member_id", ARG_MEMBER, true}, \
		[STATUS_REASON] = {"reason", ARG_TEXT}, \
		[STATUS_AT] = {"at", ARG_AT}, \
		[STATUS_KEY] = {"key", ARG_KEY}, \
		[STATUS_MODE] = {"mode", ARG_MODE, true} \
	}

static const Verb freeze_verb = {
	"member_freeze", "freeze", NULL, FOR_ANY, false, STATUS_ARGS
};
static const Verb thaw_verb = {
	"member_thaw", "thaw", NULL, FOR_ANY, false, STATUS_ARGS
};
static const Verb close_verb = {
	"member_close", "close", NULL, FOR_ANY, false, STATUS_ARGS
};
static const Verb reopen_verb = {
	"member_reopen", "reopen", NULL, FOR_ANY, false, STATUS_ARGS
};

/* Is the member in a status from which this change may start? */
static bool
check_status(Call *call, AccountStatus first, AccountStatus second)
{
	AccountStatus status = call->account.status;

	if (status != first && status != second)
		return call_refuse(call, REFUSAL_STATUS_CONFLICT, "status=%s",
						   account_status_name(status));
	return true;
}

/* Changes the status from one of two to another. */
static Datum
change_status(FunctionCallInfo fcinfo, const Verb *verb, AccountStatus first,
			  AccountStatus second, AccountStatus status)
{
	Call		call;

	if (call_begin(&call, fcinfo, verb) &&
		call_open(&call) &&
		call_reason(&call, STATUS_REASON, true) &&
		check_status(&call, first, second))
	{
		call_row(&call, call.now)->reason = call_text(&call, STATUS_REASON);
		call.account.status = status;
	}
	return call_close(&call);
}

Datum
loyalty_member_freeze(PG_FUNCTION_ARGS)
{
	return change_status(fcinfo, &freeze_verb, STATUS_ACTIVE, STATUS_ACTIVE,
						 STATUS_FROZEN);
}

Datum
loyalty_member_thaw(PG_FUNCTION_ARGS)
{
	return change_status(fcinfo, &thaw_verb, STATUS_FROZEN, STATUS_FROZEN,
						 STATUS_ACTIVE);
}

Datum
loyalty_member_close(PG_FUNCTION_ARGS)
{
	return change_status(fcinfo, &close_verb, STATUS_ACTIVE, STATUS_FROZEN,
						 STATUS_CLOSED);
}

Datum
loyalty_member_reopen(PG_FUNCTION_ARGS)
{
	return change_status(fcinfo, &reopen_verb, STATUS_CLOSED, STATUS_CLOSED,
						 STATUS_ACTIVE);
}

static Statement insert_member = {
	"INSERT INTO loyalty.member (member_id, joined_at, program_id, profile)"
	" VALUES ($1, $2, $3, coalesce($4, '{}'))",
	4, {INT8OID, TIMESTAMPTZOID, INT4OID, JSONBOID}
};

#define MAX_PROFILE_BYTES (1024 * 1024)

/* What the profile has already stays. */
static Statement complete_profile = {
	"UPDATE loyalty.member SET profile = $2 || profile"
	" WHERE member_id = $1"
	" AND NOT profile ?& ARRAY(SELECT jsonb_object_keys($2))"
	" RETURNING octet_length(profile::text)",
	2, {INT8OID, JSONBOID}
};

/* The account of a member who does not exist yet; without an id. */
void
member_prepare(Account *account, int32 program_id, DateADT today)
{
	memset(account, 0, sizeof(Account));
	account->program_id = program_id;
	if (!pg_strong_random(&account->salt, sizeof(account->salt)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	account->status = STATUS_ACTIVE;
	account->first_event_at = DT_NOBEGIN;
	account->last_event_at = DT_NOBEGIN;
	account->first_purchase_at = DT_NOBEGIN;
	account->last_purchase_at = DT_NOBEGIN;
	account->hold_until = DT_NOEND;
	account->settled_on = today;
	account->due_on = DATEVAL_NOEND;
	account->tier_since = DATEVAL_NOBEGIN;
	account->tier_until = DATEVAL_NOEND;
	account->tier_locked_until = DATEVAL_NOBEGIN;
	wallet_init(&account->wallet);
}

/*
 * Writes a new account and its member, which no one else can see yet.
 * profile may be NULL.
 */
void
member_insert(const Account *account, const Jsonb *profile,
			  TimestampTz joined_at)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(account->member_id)),
		ARG(TimestampTzGetDatum(joined_at)),
		ARG(Int32GetDatum(account->program_id)),
		POINTER_ARG(profile)
	};

	account_insert(account);
	statement_run(&insert_member, args, false);
}

/* Adds what the profile does not say yet. */
void
member_complete_profile(int64 member_id, const Jsonb *profile)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(JsonbPGetDatum(profile))
	};

	if (JB_ROOT_COUNT(unconstify(Jsonb *, profile)) == 0 ||
		statement_run(&complete_profile, args, false) == 0)
		return;
	if (DatumGetInt32(statement_notnull(0, 1)) > MAX_PROFILE_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("profile is too large"),
				 errdetail("A profile has at most %d bytes.",
						   MAX_PROFILE_BYTES)));
}
