/*
 * event_spend.c
 *
 * Value that leaves by will: redeem, transfer, adjust.
 */
#include "event.h"

#include "utils/builtins.h"

#include "amount.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_event_redeem);
PG_FUNCTION_INFO_V1(loyalty_event_transfer);
PG_FUNCTION_INFO_V1(loyalty_event_adjust);

enum redeem_arg
{
	REDEEM_MEMBER_ID,
	REDEEM_AMOUNT,
	REDEEM_UNIT,
	REDEEM_REF,
	REDEEM_REASON,
	REDEEM_AT,
	REDEEM_KEY,
	REDEEM_MODE,
	REDEEM_NARGS
};

static const Verb redeem_verb = {
	"redeem", "redeem", NULL, FOR_ACTIVE, true, REDEEM_NARGS, {
		[REDEEM_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[REDEEM_AMOUNT] = {"amount", ARG_NUMERIC, true},
		[REDEEM_UNIT] = {"unit", ARG_TEXT, true},
		[REDEEM_REF] = {"ref", ARG_REF},
		[REDEEM_REASON] = {"reason", ARG_TEXT},
		[REDEEM_AT] = {"at", ARG_AT},
		[REDEEM_KEY] = {"key", ARG_KEY},
		[REDEEM_MODE] = {"mode", ARG_MODE, true}
	}
};

enum transfer_arg
{
	TRANSFER_MEMBER_ID,
	TRANSFER_TO_MEMBER_ID,
	TRANSFER_AMOUNT,
	TRANSFER_UNIT,
	TRANSFER_REF,
	TRANSFER_AT,
	TRANSFER_KEY,
	TRANSFER_MODE,
	TRANSFER_NARGS
};

static const Verb transfer_verb = {
	"transfer", "transfer", NULL, FOR_ACTIVE, true, TRANSFER_NARGS, {
		[TRANSFER_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[TRANSFER_TO_MEMBER_ID] = {"to_member_id", ARG_ID, true},
		[TRANSFER_AMOUNT] = {"amount", ARG_NUMERIC, true},
		[TRANSFER_UNIT] = {"unit", ARG_TEXT, true},
		[TRANSFER_REF] = {"ref", ARG_REF},
		[TRANSFER_AT] = {"at", ARG_AT},
		[TRANSFER_KEY] = {"key", ARG_KEY},
		[TRANSFER_MODE] = {"mode", ARG_MODE, true}
	}
};

enum adjust_arg
{
	ADJUST_MEMBER_ID,
	ADJUST_AMOUNT,
	ADJUST_UNIT,
	ADJUST_REASON,
	ADJUST_VESTS_ON,
	ADJUST_EXPIRES_ON,
	ADJUST_REF,
	ADJUST_AT,
	ADJUST_KEY,
	ADJUST_MODE,
	ADJUST_EXTEND,
	ADJUST_NARGS
};

static const Verb adjust_verb = {
	"adjust", "adjust", NULL, FOR_OPEN, true, ADJUST_NARGS, {
		[ADJUST_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[ADJUST_AMOUNT] = {"amount", ARG_NUMERIC, true},
		[ADJUST_UNIT] = {"unit", ARG_TEXT, true},
		[ADJUST_REASON] = {"reason", ARG_TEXT},
		[ADJUST_VESTS_ON] = {"vests_on", ARG_DATE},
		[ADJUST_EXPIRES_ON] = {"expires_on", ARG_DATE},
		[ADJUST_REF] = {"ref", ARG_REF},
		[ADJUST_AT] = {"at", ARG_AT},
		[ADJUST_KEY] = {"key", ARG_KEY},
		[ADJUST_MODE] = {"mode", ARG_MODE, true},
		[ADJUST_EXTEND] = {"extend", ARG_BOOLEAN, true}
	}
};

/* The call's row for an amount of a unit. */
static JournalRow *
unit_row(Call *call, TimestampTz effective_at, const Unit *unit, int64 amount,
		 int reason_arg)
{
	JournalRow *row = call_row(call, effective_at);

	row->unit_id = unit->unit_id;
	row->has_amount = true;
	row->amount = amount;
	if (reason_arg >= 0)
		row->reason = call_text(call, reason_arg);
	return row;
}

Datum
loyalty_event_redeem(PG_FUNCTION_ARGS)
{
	Call		call;
	const Unit *unit;
	int64		amount;

	if (call_begin(&call, fcinfo, &redeem_verb) &&
		call_open(&call) &&
		call_reason(&call, REDEEM_REASON, false) &&
		call_spendable_unit(&call, REDEEM_UNIT, &unit) &&
		call_amount(&call, REDEEM_AMOUNT, unit->scale, &amount) &&
		call_available(&call, unit, amount))
	{
		LotList		taken;

		decide_spend(&call.decision,
					 unit_row(&call, call.now, unit, amount, REDEEM_REASON),
					 unit, amount, &taken);
	}
	return call_close(&call);
}

static bool
member_not_found(Call *call, int64 member_id)
{
	return call_refuse(call, REFUSAL_MEMBER_NOT_FOUND,
					   "member_id=" INT64_FORMAT, member_id);
}

/*
 * Loads both accounts, in ascending order of id.  The receiver is judged
 * only after the sender's key, so that a replay still answers.
 */
bool
event_open_both(Call *call, int to_arg, Receiver *receiver)
{
	AccountLock lock = call->mode == MODE_DRY ? ACCOUNT_READ : ACCOUNT_LOCK;
	bool		sender_found = false;
	bool		receiver_found = false;

	receiver->member_id = DatumGetInt64(call->fcinfo->args[to_arg].value);
	if (receiver->member_id == call->member_id)
		return call_refuse(call, REFUSAL_TRANSFER_TO_SELF,
						   "member_id=" INT64_FORMAT, call->member_id);
	for (int turn = 0; turn < 2; turn++)
	{
		if ((turn == 0) == (call->member_id < receiver->member_id))
			sender_found = store_load(call->member_id, lock, call->now,
									  &call->account, &call->decision);
		else
			receiver_found = store_load(receiver->member_id, lock, call->now,
										&receiver->account,
										&receiver->decision);
	}
	if (!sender_found)
		return member_not_found(call, call->member_id);
	if (!call_open_loaded(call))
		return false;
	if (!receiver_found ||
		receiver->account.program_id != call->account.program_id)
		return member_not_found(call, receiver->member_id);
	if (receiver->account.status == STATUS_CLOSED)
		return call_refuse(call, REFUSAL_MEMBER_CLOSED,
						   "member_id=" INT64_FORMAT, receiver->member_id);
	if (receiver->account.status == STATUS_MERGED)
		return call_refuse(call, REFUSAL_MEMBER_MERGED,
						   "member_id=" INT64_FORMAT, receiver->member_id);
	decide_settle(&receiver->decision, DT_NOBEGIN);
	receiver->before = store_before(&receiver->decision);
	return true;
}

/* May the receiver's card, if the unit is of stored value, have it? */
static bool
check_receiver(Call *call, Receiver *receiver, const Unit *unit,
			   int64 amount)
{
	return call_card_open(call, &receiver->decision, unit) &&
		call_card_room(call, &receiver->decision, unit, amount);
}

/*
 * A lot as it comes to the receiver.  Of stored value, principal stays
 * principal and bonus bonus; how long principal is good follows his card.
 */
static Lot
received_lot(const Decision *decision, Lot lot)
{
	const TopupPolicy *policy = program_topup(decision->program,
											  lot.unit_id);
	DateADT		end;

	if (policy == NULL)
		lot.origin = ORIGIN_TRANSFERRED;
	else if (lot.origin == ORIGIN_PRINCIPAL)
	{
		end = decide_principal_end(decision, policy, decision->today);
		if (end == DATEVAL_NOEND || lot.expires_on == DATEVAL_NOEND)
			lot.expires_on = end;
	}
	return lot;
}

/* Stores the receiver's half, whose reference derives from the sender's. */
void
event_receive(Call *call, Receiver *receiver, JournalRow *row)
{
	row->has_amount = true;
	row->amount = call->row->amount;
	row->other_member_id = call->member_id;
	decide_due(&receiver->decision, false);
	if (call->mode == MODE_DRY)
		return;
	store_number(&call->decision);
	row->ref = cstring_to_text(psprintf("transfer:" INT64_FORMAT,
										call->row->journal_id));
	store_decision(&receiver->decision);
	store_judge(&receiver->decision, receiver->before, call->now);
}

/* The receiver's half: the same lots, as transferred ones. */
static void
receive(Call *call, Receiver *receiver, const LotList *taken)
{
	JournalRow *row = decide_row(&receiver->decision, "receive", call->now);

	row->unit_id = call->row->unit_id;
	for (int i = 0; i < taken->n; i++)
		decide_post(&receiver->decision, row,
					received_lot(&receiver->decision, taken->lots[i]), 0);
	event_receive(call, receiver, row);
}

Datum
loyalty_event_transfer(PG_FUNCTION_ARGS)
{
	Call		call;
	Receiver	receiver;
	const Unit *unit;
	int64		amount;

	if (call_begin(&call, fcinfo, &transfer_verb) &&
		event_open_both(&call, TRANSFER_TO_MEMBER_ID, &receiver) &&
		call_spendable_unit(&call, TRANSFER_UNIT, &unit) &&
		call_amount(&call, TRANSFER_AMOUNT, unit->scale, &amount) &&
		call_available(&call, unit, amount) &&
		check_receiver(&call, &receiver, unit, amount))
	{
		LotList		taken;

		unit_row(&call, call.now, unit, amount, -1)->other_member_id =
			receiver.member_id;
		decide_spend(&call.decision, call.row, unit, amount, &taken);
		receive(&call, &receiver, &taken);
	}
	return call_close(&call);
}

/*
 * A lot of what is given by hand: with the dates of two arguments, or as the
 * unit says.  Refuses dates that cannot be.
 */
bool
event_lot(Call *call, const Unit *unit, int vests_arg, int expires_arg,
		  Lot *lot)
{
	DateADT		on = program_date(call->decision.program, call->at);
	DateADT		vests_on = on;

	memset(lot, 0, sizeof(Lot));
	lot->unit_id = unit->unit_id;
	lot->origin = ORIGIN_ADJUSTED;
	lot->vests_on = DATEVAL_NOBEGIN;
	lot->expires_on = expiry_date(&unit->expiry, on);
	if (call_has(call, vests_arg))
		vests_on = DatumGetDateADT(call->fcinfo->args[vests_arg].value);
	if (call_has(call, expires_arg))
		lot->expires_on =
			DatumGetDateADT(call->fcinfo->args[expires_arg].value);
	if (vests_on < WALLET_FIRST_DATE || vests_on > WALLET_LAST_DATE ||
		lot->expires_on < WALLET_FIRST_DATE ||
		(lot->expires_on > WALLET_LAST_DATE &&
		 lot->expires_on != DATEVAL_NOEND))
		return call_refuse(call, REFUSAL_TIME_NOT_FINITE,
						   "vests_on and expires_on must lie between the "
						   "years 1 and 9999");
	if (unit->kind == UNIT_METRIC)
	{
		if (call_has(call, expires_arg))
			return call_refuse(call, REFUSAL_UNIT_MISMATCH,
							   "unit=%s is a metric and does not expire",
							   unit->code);
		lot->origin = ORIGIN_EARNED;
		lot->vests_on = date_month_start(vests_on);
		return true;
	}
	if (call_has(call, expires_arg) &&
		lot->expires_on < call->decision.today)
		return call_refuse(call, REFUSAL_EXPIRY_IN_PAST, "expires_on=%s",
						   date_text(lot->expires_on));
	if (lot->expires_on < vests_on)
		return call_refuse(call, REFUSAL_PERIOD_INVERTED,
						   "expires_on lies before vests_on");
	if (vests_on > call->decision.today)
		lot->vests_on = vests_on;
	return true;
}

/*
 * Corrects a metric's month, which cannot go below zero, and what it means
 * for the tier.
 */
static bool
adjust_metric(Call *call, const Unit *unit, Lot lot)
{
	const Lot  *month = wallet_find(&call->account.wallet, &lot);
	int64		available = month == NULL ? 0 : month->amount;
	JournalRow *row;

	if (-lot.amount > available)
		return call_refuse(call, REFUSAL_INSUFFICIENT_POINTS,
						   "available=%s requested=%s unit=%s",
						   amount_text(available, unit->scale),
						   amount_text(-lot.amount, unit->scale), unit->code);
	row = unit_row(call, call->at, unit, lot.amount, ADJUST_REASON);
	decide_move(&call->decision, row, lot);
	if (lot.amount > 0)
		decide_tier_promote(&call->decision, row);
	else
		event_tier_lowered(call, row);
	return true;
}

/*
 * Moves an amount from the lots that lapse first to a later last day of use.
 * Lots that are good for longer already are left alone.
 */
static bool
extend(Call *call, const Unit *unit, int64 amount, DateADT expires_on)
{
	LotList		before;
	JournalRow *row = unit_row(call, call->now, unit, amount, ADJUST_REASON);
	int64		left = amount;

	wallet_copy(&call->account.wallet, &before);
	for (int i = 0; i < before.n && left > 0; i++)
	{
		Lot			lot = before.lots[i];

		if (lot.unit_id != unit->unit_id || lot.origin == ORIGIN_DEBT ||
			lot.vests_on != DATEVAL_NOBEGIN || lot.expires_on >= expires_on)
			continue;
		lot.amount = Min(lot.amount, left);
		left -= lot.amount;
		lot.amount = -lot.amount;
		decide_move(&call->decision, row, lot);
		lot.amount = -lot.amount;
		lot.expires_on = expires_on;
		decide_move(&call->decision, row, lot);
	}
	if (left > 0)
		return call_refuse(call, REFUSAL_INSUFFICIENT_POINTS,
						   "available=%s requested=%s unit=%s",
						   amount_text(amount - left, unit->scale),
						   amount_text(amount, unit->scale), unit->code);
	return true;
}

static bool
adjust_apply(Call *call, const Unit *unit, int64 amount)
{
	Lot			lot;
	LotList		taken;

	if (!event_lot(call, unit, ADJUST_VESTS_ON, ADJUST_EXPIRES_ON, &lot))
		return false;
	if (DatumGetBool(call->fcinfo->args[ADJUST_EXTEND].value))
	{
		if (unit->kind == UNIT_METRIC || amount < 0 ||
			!call_has(call, ADJUST_EXPIRES_ON))
			return call_refuse(call, REFUSAL_UNIT_MISMATCH,
							   "extend needs a positive amount, expires_on, "
							   "and a unit that expires");
		return extend(call, unit, amount, lot.expires_on);
	}
	lot.amount = amount;
	if (unit->kind == UNIT_METRIC)
		return adjust_metric(call, unit, lot);
	if (amount > 0)
	{
		if (!call_card_room(call, &call->decision, unit, amount))
			return false;
		decide_post(&call->decision,
					unit_row(call, call->at, unit, amount, ADJUST_REASON),
					lot, 0);
		return true;
	}
	if (!call_available(call, unit, -amount))
		return false;
	decide_spend(&call->decision,
				 unit_row(call, call->now, unit, amount, ADJUST_REASON),
				 unit, -amount, &taken);
	return true;
}

Datum
loyalty_event_adjust(PG_FUNCTION_ARGS)
{
	Call		call;
	const Unit *unit;
	int64		amount;

	if (call_begin(&call, fcinfo, &adjust_verb) &&
		call_open(&call) &&
		call_reason(&call, ADJUST_REASON, true) &&
		call_unit(&call, ADJUST_UNIT, &unit) &&
		call_any_amount(&call, ADJUST_AMOUNT, unit->scale, &amount))
		adjust_apply(&call, unit, amount);
	return call_close(&call);
}
