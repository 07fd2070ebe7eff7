/*
 * event_benefit_give.c
 *
 * Benefits that a member is given by hand, and loses by hand.
 */
#include "event_benefit.h"

#include "utils/builtins.h"

#include "statement.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_benefit_give);
PG_FUNCTION_INFO_V1(loyalty_benefit_withdraw);

enum give_arg
{
	GIVE_MEMBER_ID,
	GIVE_BENEFIT,
	GIVE_REASON,
	GIVE_VALID_FROM,
	GIVE_VALID_UNTIL,
	GIVE_QUANTITY,
	GIVE_AT,
	GIVE_KEY,
	GIVE_MODE,
	GIVE_NARGS
};

static const Verb give_verb = {
	"benefit_give", "benefit_give", NULL, FOR_OPEN, false, GIVE_NARGS, {
		[GIVE_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[GIVE_BENEFIT] = {"benefit", ARG_TEXT, true},
		[GIVE_REASON] = {"reason", ARG_TEXT},
		[GIVE_VALID_FROM] = {"valid_from", ARG_TIME},
		[GIVE_VALID_UNTIL] = {"valid_until", ARG_TIME},
		[GIVE_QUANTITY] = {"quantity", ARG_NUMERIC},
		[GIVE_AT] = {"at", ARG_AT},
		[GIVE_KEY] = {"key", ARG_KEY},
		[GIVE_MODE] = {"mode", ARG_MODE, true}
	}
};

enum withdraw_arg
{
	WITHDRAW_MEMBER_ID,
	WITHDRAW_BENEFIT,
	WITHDRAW_REASON,
	WITHDRAW_AT,
	WITHDRAW_KEY,
	WITHDRAW_MODE,
	WITHDRAW_NARGS
};

static const Verb withdraw_verb = {
	"benefit_withdraw", "benefit_withdraw", NULL, FOR_OPEN, false,
	WITHDRAW_NARGS, {
		[WITHDRAW_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[WITHDRAW_BENEFIT] = {"benefit", ARG_TEXT, true},
		[WITHDRAW_REASON] = {"reason", ARG_TEXT},
		[WITHDRAW_AT] = {"at", ARG_AT},
		[WITHDRAW_KEY] = {"key", ARG_KEY},
		[WITHDRAW_MODE] = {"mode", ARG_MODE, true}
	}
};

/* As the table has it. */
#define MAX_GIVEN_QUANTITY INT64CONST(1000000000)

static Statement upsert_given = {
	"INSERT INTO loyalty.member_benefit (member_id, benefit_id, program_id,"
	" valid_from, valid_until, quantity, reason, journal_id)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
	" ON CONFLICT (member_id, benefit_id) DO UPDATE SET"
	" valid_from = excluded.valid_from, valid_until = excluded.valid_until,"
	" quantity = excluded.quantity, reason = excluded.reason,"
	" journal_id = excluded.journal_id",
	8, {INT8OID, INT4OID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, NUMERICOID,
	TEXTOID, INT8OID}
};

static Statement delete_given = {
	"DELETE FROM loyalty.member_benefit"
	" WHERE member_id = $1 AND benefit_id = $2",
	2, {INT8OID, INT4OID}
};

static Statement select_given = {
	"SELECT FROM loyalty.member_benefit"
	" WHERE member_id = $1 AND benefit_id = $2",
	2, {INT8OID, INT4OID}
};

/* The benefit of the call, which was found before. */
static const Benefit *
benefit_of(const Call *call)
{
	return program_benefit(call->decision.program, call->event);
}

static TimestampTz
time_or(const Call *call, int arg, TimestampTz otherwise)
{
	return call_has(call, arg) ?
		DatumGetTimestampTz(call->fcinfo->args[arg].value) : otherwise;
}

/* From when until when: an end that is to come, after the beginning. */
static bool
check_period(Call *call)
{
	TimestampTz from = time_or(call, GIVE_VALID_FROM, call->at);
	TimestampTz until = time_or(call, GIVE_VALID_UNTIL, PG_INT64_MAX - 1);

	if (TIMESTAMP_NOT_FINITE(from) || TIMESTAMP_NOT_FINITE(until))
		return call_refuse(call, REFUSAL_TIME_NOT_FINITE,
						   "valid_from and valid_until must be finite");
	if (until <= call->now)
		return call_refuse(call, REFUSAL_EXPIRY_IN_PAST,
						   "valid_until has passed");
	if (until <= from)
		return call_refuse(call, REFUSAL_PERIOD_INVERTED,
						   "valid_until lies before valid_from");
	return true;
}

static bool
check_quantity(Call *call, const Benefit *benefit)
{
	int64		quantity;

	if (!call_has(call, GIVE_QUANTITY))
		return true;
	if (benefit->kind != BENEFIT_QUOTA)
		return event_benefit_mismatch(call, benefit);
	if (!call_amount(call, GIVE_QUANTITY, 0, &quantity))
		return false;
	return quantity < MAX_GIVEN_QUANTITY ||
		call_refuse(call, REFUSAL_AMOUNT_TOO_LARGE,
					"quantity=" INT64_FORMAT, quantity);
}

/* Puts it in place of what was given before. */
static void
store_given(Call *call)
{
	const NullableDatum *given = call->fcinfo->args;
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(Int32GetDatum(benefit_of(call)->benefit_id)),
		ARG(Int32GetDatum(call->decision.program->program_id)),
		ARG(TimestampTzGetDatum(time_or(call, GIVE_VALID_FROM, call->at))),
		given[GIVE_VALID_UNTIL],
		given[GIVE_QUANTITY],
		given[GIVE_REASON],
		NULL_ARG
	};

	store_number(&call->decision);
	args[7] = ARG(Int64GetDatum(call->row->journal_id));
	statement_run(&upsert_given, args, false);
}

Datum
loyalty_benefit_give(PG_FUNCTION_ARGS)
{
	Call		call;
	const Benefit *benefit;

	if (call_begin(&call, fcinfo, &give_verb) &&
		event_benefit_name(&call, GIVE_BENEFIT) &&
		call_open(&call) &&
		event_benefit_find(&call, &benefit) &&
		call_reason(&call, GIVE_REASON, true) &&
		check_period(&call) &&
		check_quantity(&call, benefit))
	{
		call_row(&call, call.at)->reason = call_text(&call, GIVE_REASON);
		call.store_first = store_given;
	}
	return call_close(&call);
}

static uint64
run_given(const Call *call, Statement *statement)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(Int32GetDatum(benefit_of(call)->benefit_id))
	};

	return statement_run(statement, args, false);
}

static void
store_withdrawn(Call *call)
{
	run_given(call, &delete_given);
}

static bool
is_given(Call *call, const Benefit *benefit)
{
	return run_given(call, &select_given) > 0 ||
		call_refuse(call, REFUSAL_NOT_ENTITLED,
					"benefit=%s was not given by hand", benefit->name);
}

Datum
loyalty_benefit_withdraw(PG_FUNCTION_ARGS)
{
	Call		call;
	const Benefit *benefit;

	if (call_begin(&call, fcinfo, &withdraw_verb) &&
		event_benefit_name(&call, WITHDRAW_BENEFIT) &&
		call_open(&call) &&
		event_benefit_find(&call, &benefit) &&
		call_reason(&call, WITHDRAW_REASON, true) &&
		is_given(&call, benefit))
	{
		call_row(&call, call.now)->reason = call_text(&call, WITHDRAW_REASON);
		call.store_first = store_withdrawn;
	}
	return call_close(&call);
}
