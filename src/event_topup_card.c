/*
 * event_topup_card.c
 *
 * Cards of stored value: frozen and set free, registered by name or not.
 */
#include "event_topup.h"

#include "utils/builtins.h"

#include "amount.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_topup_freeze);
PG_FUNCTION_INFO_V1(loyalty_topup_unfreeze);
PG_FUNCTION_INFO_V1(loyalty_topup_name);

enum card_arg
{
	CARD_MEMBER_ID,
	CARD_UNIT,
	CARD_REASON,
	CARD_AT,
	CARD_KEY,
	CARD_MODE,
	CARD_NARGS
};

#define CARD_ARGS { \
		[CARD_MEMBER_ID] = {"member_id", ARG_MEMBER, true}, \
		[CARD_UNIT] = {"unit", ARG_TEXT, true}, \
		[CARD_REASON] = {"reason", ARG_TEXT}, \
		[CARD_AT] = {"at", ARG_AT}, \
		[CARD_KEY] = {"key", ARG_KEY}, \
		[CARD_MODE] = {"mode", ARG_MODE, true} \
	}

static const Verb freeze_verb = {
	"topup_freeze", "topup_freeze", NULL, FOR_ANY, false, CARD_NARGS,
	CARD_ARGS
};

static const Verb unfreeze_verb = {
	"topup_unfreeze", "topup_unfreeze", NULL, FOR_ANY, false, CARD_NARGS,
	CARD_ARGS
};

enum name_arg
{
	NAME_MEMBER_ID,
	NAME_UNIT,
	NAME_NAMED,
	NAME_REASON,
	NAME_AT,
	NAME_KEY,
	NAME_MODE,
	NAME_NARGS
};

static const Verb name_verb = {
	"topup_name", "topup_name", NULL, FOR_OPEN, false, NAME_NARGS, {
		[NAME_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[NAME_UNIT] = {"unit", ARG_TEXT, true},
		[NAME_NAMED] = {"named", ARG_BOOLEAN, true},
		[NAME_REASON] = {"reason", ARG_TEXT},
		[NAME_AT] = {"at", ARG_AT},
		[NAME_KEY] = {"key", ARG_KEY},
		[NAME_MODE] = {"mode", ARG_MODE, true}
	}
};

static void
store_card(Call *call)
{
	store_number(&call->decision);
	topup_card_store(call->member_id, call->decision.program->program_id,
					 ((TopupCall *) call)->card, call->row->journal_id);
}

/* The card that the call is about, to be changed. */
static TopupCard *
load_card(TopupCall *topups)
{
	Decision   *decision = &topups->call.decision;

	store_load_cards(decision, false);
	for (int i = 0; i < decision->program->ntopups; i++)
		if (decision->cards[i].unit_id == topups->unit->unit_id)
			topups->card = &decision->cards[i];
	return topups->card;
}

/* The call's row, to be stored if it changes anything. */
static JournalRow *
card_row(TopupCall *topups, int reason_arg, bool changes)
{
	Call	   *call = &topups->call;
	JournalRow *row = call_row(call, call->now);

	row->unit_id = topups->unit->unit_id;
	row->reason = call_text(call, reason_arg);
	call->store_first = store_card;
	call->nothing_new = !changes;
	return row;
}

static Datum
set_frozen(FunctionCallInfo fcinfo, const Verb *verb, bool frozen)
{
	TopupCall	topups = {0};
	Call	   *call = &topups.call;

	if (call_begin(call, fcinfo, verb) &&
		call_open(call) &&
		event_topup_unit(&topups, CARD_UNIT) &&
		call_reason(call, CARD_REASON, true))
	{
		TopupCard  *card = load_card(&topups);

		card_row(&topups, CARD_REASON, card->frozen != frozen);
		card->frozen = frozen;
		card->frozen_at = frozen ? call->now : DT_NOEND;
	}
	return call_close(call);
}

Datum
loyalty_topup_freeze(PG_FUNCTION_ARGS)
{
	return set_frozen(fcinfo, &freeze_verb, true);
}

Datum
loyalty_topup_unfreeze(PG_FUNCTION_ARGS)
{
	return set_frozen(fcinfo, &unfreeze_verb, false);
}

/*
 * Gives principal the last day that it has on the card as it is now: none, or
 * where it had none, the full time from today.
 */
static void
move_principal(TopupCall *topups, JournalRow *row)
{
	Decision   *decision = &topups->call.decision;
	DateADT		end = decide_principal_end(decision, topups->policy,
										   decision->today);
	LotList		lots;

	wallet_copy(&decision->account->wallet, &lots);
	for (int i = 0; i < lots.n; i++)
	{
		Lot			lot = lots.lots[i];

		if (lot.unit_id != topups->unit->unit_id ||
			lot.origin != ORIGIN_PRINCIPAL || lot.expires_on == end ||
			(end != DATEVAL_NOEND && lot.expires_on != DATEVAL_NOEND))
			continue;
		lot.amount = -lot.amount;
		decide_move(decision, row, lot);
		lot.amount = -lot.amount;
		lot.expires_on = end;
		decide_move(decision, row, lot);
	}
}

/* A card may not come to hold more than it may in its new state. */
static bool
has_room(TopupCall *topups, bool named)
{
	Call	   *call = &topups->call;
	TopupCard  *card = load_card(topups);
	bool		before = card->named;
	bool		fits;

	card->named = named;
	fits = named == before ||
		call_card_room(call, &call->decision, topups->unit, 0);
	card->named = before;
	return fits;
}

Datum
loyalty_topup_name(PG_FUNCTION_ARGS)
{
	TopupCall	topups = {0};
	Call	   *call = &topups.call;
	bool		named;

	if (call_begin(call, fcinfo, &name_verb) &&
		call_open(call) &&
		event_topup_unit(&topups, NAME_UNIT) &&
		call_reason(call, NAME_REASON, true) &&
		has_room(&topups, named =
				 DatumGetBool(fcinfo->args[NAME_NAMED].value)))
	{
		JournalRow *row = card_row(&topups, NAME_REASON,
								   topups.card->named != named);

		row->event = named ? "named" : "unnamed";
		topups.card->named = named;
		if (!call->nothing_new)
			move_principal(&topups, row);
	}
	return call_close(call);
}
