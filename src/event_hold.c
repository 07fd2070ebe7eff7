/*
 * event_hold.c
 *
 * Value set aside, and what becomes of it.
 */
#include "event.h"

#include "amount.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_hold);
PG_FUNCTION_INFO_V1(loyalty_hold_capture);
PG_FUNCTION_INFO_V1(loyalty_hold_release);

#define MAX_TTL_DAYS 30

enum hold_arg
{
	HOLD_MEMBER_ID,
	HOLD_AMOUNT,
	HOLD_UNIT,
	HOLD_TTL,
	HOLD_REF,
	HOLD_AT,
	HOLD_KEY,
	HOLD_MODE,
	HOLD_NARGS
};

static const Verb hold_verb = {
	"hold", "hold", NULL, FOR_ACTIVE, true, HOLD_NARGS, {
		[HOLD_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[HOLD_AMOUNT] = {"amount", ARG_NUMERIC, true},
		[HOLD_UNIT] = {"unit", ARG_TEXT, true},
		[HOLD_TTL] = {"ttl", ARG_INTERVAL, true},
		[HOLD_REF] = {"ref", ARG_REF},
		[HOLD_AT] = {"at", ARG_AT},
		[HOLD_KEY] = {"key", ARG_KEY},
		[HOLD_MODE] = {"mode", ARG_MODE, true}
	}
};

enum capture_arg
{
	CAPTURE_MEMBER_ID,
	CAPTURE_HOLD_ID,
	CAPTURE_AMOUNT,
	CAPTURE_REF,
	CAPTURE_AT,
	CAPTURE_KEY,
	CAPTURE_MODE,
	CAPTURE_NARGS
};

static bool capture_replays(Call *call);

static const Verb capture_verb = {
	"capture", "capture", NULL, FOR_ACTIVE, false, CAPTURE_NARGS, {
		[CAPTURE_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[CAPTURE_HOLD_ID] = {"hold_id", ARG_ID, true},
		[CAPTURE_AMOUNT] = {"amount", ARG_NUMERIC},
		[CAPTURE_REF] = {"ref", ARG_REF},
		[CAPTURE_AT] = {"at", ARG_AT},
		[CAPTURE_KEY] = {"key", ARG_KEY},
		[CAPTURE_MODE] = {"mode", ARG_MODE, true}
	}, capture_replays, CAPTURE_HOLD_ID
};

enum release_arg
{
	RELEASE_MEMBER_ID,
	RELEASE_HOLD_ID,
	RELEASE_AT,
	RELEASE_KEY,
	RELEASE_MODE,
	RELEASE_NARGS
};

static const Verb release_verb = {
	"release", "release", NULL, FOR_ANY, false, RELEASE_NARGS, {
		[RELEASE_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[RELEASE_HOLD_ID] = {"hold_id", ARG_ID, true},
		[RELEASE_AT] = {"at", ARG_AT},
		[RELEASE_KEY] = {"key", ARG_KEY},
		[RELEASE_MODE] = {"mode", ARG_MODE, true}
	}, NULL, RELEASE_HOLD_ID
};

/*
 * The moment at which what is held for so long times out; a ttl of months
 * has no length.
 */
bool
event_hold_end(Call *call, const Interval *ttl, TimestampTz *end)
{
	if (ttl->month != 0 || ttl->day < 0 || ttl->day > MAX_TTL_DAYS ||
		ttl->time < -USECS_PER_DAY * MAX_TTL_DAYS ||
		ttl->time > USECS_PER_DAY * MAX_TTL_DAYS ||
		ttl->day * USECS_PER_DAY + ttl->time <= 0 ||
		ttl->day * USECS_PER_DAY + ttl->time > MAX_TTL_DAYS * USECS_PER_DAY)
		return call_refuse(call, REFUSAL_HOLD_TTL_INVALID,
						   "ttl must be more than 0 and at most %d days, without "
						   "months",
						   MAX_TTL_DAYS);
	*end = call->now + ttl->day * USECS_PER_DAY + ttl->time;
	return true;
}

Datum
loyalty_hold(PG_FUNCTION_ARGS)
{
	Call		call;
	const Unit *unit;
	int64		amount;
	TimestampTz end = DT_NOEND;

	if (call_begin(&call, fcinfo, &hold_verb) &&
		call_open(&call) &&
		call_spendable_unit(&call, HOLD_UNIT, &unit) &&
		call_amount(&call, HOLD_AMOUNT, unit->scale, &amount) &&
		event_hold_end(&call,
					   DatumGetIntervalP(fcinfo->args[HOLD_TTL].value),
					   &end) &&
		call_available(&call, unit, amount))
	{
		decide_hold(&call.decision, call_row(&call, call.now), unit, amount,
					end)->ref = call.ref;
	}
	return call_close(&call);
}

/*
 * The hold that an argument names.  If it is open it becomes a hold of the
 * decision, unless settling has loaded the open ones, of which it is one.
 */
static bool
find_hold(Call *call, int hold_arg, Hold **hold)
{
	Decision   *decision = &call->decision;
	int64		hold_id = DatumGetInt64(call->fcinfo->args[hold_arg].value);

	for (int i = 0; i < decision->nholds; i++)
	{
		*hold = &decision->holds[i];
		if ((*hold)->hold_id == hold_id)
			return true;
	}
	*hold = call->seen.hold != NULL ? call->seen.hold :
		hold_load(call->member_id, hold_id);
	if (*hold == NULL)
		return call_refuse(call, REFUSAL_HOLD_NOT_FOUND,
						   "hold_id=" INT64_FORMAT, hold_id);
	if ((*hold)->status == HOLD_HELD)
	{
		store_load_cards_of(decision, &(*hold)->lots, false);
		decision->holds = *hold;
		decision->nholds = 1;
	}
	return true;
}

/* Is it still open at the clock, and nobody else's to end? */
static bool
check_open(Call *call, const Hold *hold)
{
	if (hold->of_order)
		return call_refuse(call, REFUSAL_HOLD_OF_ORDER,
						   "hold_id=" INT64_FORMAT, hold->hold_id);
	switch (hold->status)
	{
		case HOLD_HELD:
			return true;
		case HOLD_CAPTURED:
			return call_refuse(call, REFUSAL_HOLD_CAPTURED,
							   "hold_id=" INT64_FORMAT, hold->hold_id);
		case HOLD_RELEASED:
			return call_refuse(call, REFUSAL_HOLD_RELEASED,
							   "hold_id=" INT64_FORMAT, hold->hold_id);
		case HOLD_TIMED_OUT:
			return call_refuse(call, REFUSAL_HOLD_EXPIRED,
							   "hold_id=" INT64_FORMAT " expires_at=%s",
							   hold->hold_id,
							   timestamptz_to_str(hold->expires_at));
	}
	return false;
}

/* How much of the hold to capture: all of it, unless an amount is given. */
static bool
capture_amount(Call *call, const Hold *hold, int64 *amount)
{
	const Unit *unit = program_unit_by_id(call->decision.program,
										  hold->unit_id);

	*amount = hold->amount;
	if (!call_has(call, CAPTURE_AMOUNT))
		return true;
	if (!call_amount(call, CAPTURE_AMOUNT, unit->scale, amount))
		return false;
	if (*amount > hold->amount)
		return call_refuse(call, REFUSAL_CAPTURE_EXCEEDS,
						   "held=%s requested=%s unit=%s",
						   amount_text(hold->amount, unit->scale),
						   amount_text(*amount, unit->scale), unit->code);
	return true;
}

/* Ends a hold by the call's row. */
static void
end_hold(Call *call, Hold *hold, HoldStatus status, int64 captured)
{
	decide_hold_end(&call->decision, call_row(call, call->now), hold, status,
					captured, call->decision.today);
}

/*
 * Without a ref of its own a capture has the hold's.  Together with the
 * request that is enough to recognise a repeated call that has no key.
 */
static bool
capture_replays(Call *call)
{
	int64		hold_id = DatumGetInt64(call->fcinfo->args[CAPTURE_HOLD_ID].value);
	const Hold *hold;

	if (call->key != NULL || call->ref != NULL)
		return false;
	hold = hold_load(call->member_id, hold_id);
	return hold != NULL && hold->ref != NULL &&
		hold->status == HOLD_CAPTURED && call_replay_same(call, hold->ref);
}

/* Gives the capture the hold's ref, unless another capture has it. */
static bool
default_ref(Call *call, const Hold *hold)
{
	if (call->ref != NULL || hold->ref == NULL || hold->of_order ||
		hold->status != HOLD_HELD)
		return true;
	call->ref = hold->ref;
	return !call_replay(call, call->key, call->ref);
}

Datum
loyalty_hold_capture(PG_FUNCTION_ARGS)
{
	Call		call;
	Hold	   *hold;
	int64		amount;

	if (call_begin(&call, fcinfo, &capture_verb) &&
		call_open(&call) &&
		find_hold(&call, CAPTURE_HOLD_ID, &hold) &&
		default_ref(&call, hold) &&
		check_open(&call, hold) &&
		capture_amount(&call, hold, &amount))
		end_hold(&call, hold, HOLD_CAPTURED, amount);
	return call_close(&call);
}

Datum
loyalty_hold_release(PG_FUNCTION_ARGS)
{
	Call		call;
	Hold	   *hold;

	if (call_begin(&call, fcinfo, &release_verb) &&
		call_open(&call) &&
		find_hold(&call, RELEASE_HOLD_ID, &hold) &&
		check_open(&call, hold))
		end_hold(&call, hold, HOLD_RELEASED, 0);
	return call_close(&call);
}
