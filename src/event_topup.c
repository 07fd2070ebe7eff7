/*
 * event_topup.c
 *
 * Stored value is paid in: at once, or as soon as the payment is confirmed.
 * The reference of the payment names the top-up.
 */
#include "event_topup.h"

#include "utils/builtins.h"

#include "amount.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_topup);
PG_FUNCTION_INFO_V1(loyalty_topup_confirm);
PG_FUNCTION_INFO_V1(loyalty_topup_cancel);

enum topup_arg
{
	TOPUP_MEMBER_ID,
	TOPUP_AMOUNT,
	TOPUP_REF,
	TOPUP_UNIT,
	TOPUP_IS_PENDING,
	TOPUP_AT,
	TOPUP_KEY,
	TOPUP_MODE,
	TOPUP_NARGS
};

static const Verb topup_verb = {
	"topup", "topup", NULL, FOR_OPEN, false, TOPUP_NARGS, {
		[TOPUP_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[TOPUP_AMOUNT] = {"amount", ARG_NUMERIC, true},
		[TOPUP_REF] = {"ref", ARG_REF},
		[TOPUP_UNIT] = {"unit", ARG_TEXT},
		[TOPUP_IS_PENDING] = {"pending", ARG_BOOLEAN, true},
		[TOPUP_AT] = {"at", ARG_AT},
		[TOPUP_KEY] = {"key", ARG_KEY},
		[TOPUP_MODE] = {"mode", ARG_MODE, true}
	}
};

enum paid_arg
{
	PAID_MEMBER_ID,
	PAID_REF,
	PAID_AT,
	PAID_KEY,
	PAID_MODE,
	PAID_NARGS
};

#define PAID_ARGS { \
		[PAID_MEMBER_ID] = {"member_id", ARG_MEMBER, true}, \
		[PAID_REF] = {"ref", ARG_REF}, \
		[PAID_AT] = {"at", ARG_AT}, \
		[PAID_KEY] = {"key", ARG_KEY}, \
		[PAID_MODE] = {"mode", ARG_MODE, true} \
	}

static const Verb confirm_verb = {
	"topup_confirm", "topup_confirm", NULL, FOR_OPEN, false, PAID_NARGS,
	PAID_ARGS
};

static const Verb cancel_verb = {
	"topup_cancel", "topup_cancel", NULL, FOR_ANY, false, PAID_NARGS,
	PAID_ARGS
};

bool
event_topup_unit(TopupCall *topups, int arg)
{
	Call	   *call = &topups->call;
	const Program *program = call->decision.program;

	if (call_has(call, arg))
	{
		if (!call_unit(call, arg, &topups->unit))
			return false;
	}
	else if (program->ntopups == 1)
		topups->unit = program_unit_by_id(program,
										  program->topups[0].unit_id);
	else
		return call_refuse(call, REFUSAL_UNKNOWN_UNIT,
						   "unit is not given, and the programme has %d of "
						   "stored value", program->ntopups);
	topups->policy = program_topup(program, topups->unit->unit_id);
	return topups->policy != NULL ||
		call_refuse(call, REFUSAL_UNIT_MISMATCH,
					"unit=%s has no stored value", topups->unit->code);
}

/* Each payment has a reference, by which it is known. */
static bool
has_ref(Call *call)
{
	return call->ref != NULL ||
		call_refuse(call, REFUSAL_REF_INVALID,
					"%s needs the reference of the payment",
					call->verb->name);
}

bool
event_topup_find(TopupCall *topups, const text *ref)
{
	Call	   *call = &topups->call;

	topups->topup = topup_find(call->member_id, ref);
	if (topups->topup == NULL)
		return call_refuse(call, REFUSAL_TOPUP_NOT_FOUND,
						   "member_id=" INT64_FORMAT, call->member_id);
	topups->unit = program_unit_by_id(call->decision.program,
									  topups->topup->unit_id);
	topups->policy = program_topup(call->decision.program,
								   topups->topup->unit_id);
	return topups->policy != NULL ||
		call_refuse(call, REFUSAL_UNIT_MISMATCH,
					"unit=%s has no stored value", topups->unit->code);
}

bool
event_topup_is_pending(TopupCall *topups)
{
	static const char *const names[] = {
		[TOPUP_PENDING] = "pending",
		[TOPUP_DONE] = "done",
		[TOPUP_CANCELLED] = "cancelled",
		[TOPUP_REFUNDED] = "refunded"
	};

	return topups->topup->status == TOPUP_PENDING ||
		call_refuse(&topups->call, REFUSAL_TOPUP_NOT_PENDING, "status=%s",
					names[topups->topup->status]);
}

JournalRow *
event_topup_row(TopupCall *topups, TimestampTz at, int64 amount)
{
	JournalRow *row = call_row(&topups->call, at);

	row->unit_id = topups->unit->unit_id;
	row->has_amount = true;
	row->amount = amount;
	return row;
}

static bool
is_new(TopupCall *topups)
{
	Call	   *call = &topups->call;
	const Topup *known = topup_find(call->member_id, call->ref);

	return known == NULL ||
		call_refuse(call, REFUSAL_REF_DUPLICATE, "journal_id=" INT64_FORMAT,
					known->journal_id);
}

/* The highest step that an amount reaches; NULL: none. */
static const TopupStep *
step_of(const TopupPolicy *policy, int64 amount)
{
	const TopupStep *step = NULL;

	for (int i = 0; i < policy->nsteps; i++)
		if (policy->steps[i].from <= amount)
			step = &policy->steps[i];
	return step;
}

/* A top-up with what it is worth by the policy of today. */
static Topup *
make_topup(const TopupCall *topups, int64 amount)
{
	const TopupStep *step = step_of(topups->policy, amount);
	Topup	   *topup = palloc0(sizeof(Topup));

	topup->ref = topups->call.ref;
	topup->unit_id = topups->unit->unit_id;
	topup->made_at = topups->call.at;
	topup->amount = amount;
	if (step != NULL)
	{
		topup->bonus = step->bonus;
		topup->points = step->points;
		topup->points_unit_id = step->points_unit_id;
		topup->pack = step->pack;
		topup->benefit_id = step->benefit_id;
	}
	return topup;
}

/* The row of the call has given what it was worth; now come the coupons. */
static void
set_done(Call *call, Topup *topup)
{
	topup->done_by = call->row->journal_id;
	if (topup->pack != NULL)
		event_topup_give_pack((TopupCall *) call, call->row);
}

/* Writes the top-up before the decision, whose rows get their ids now. */
static void
store_new(Call *call)
{
	Topup	   *topup = ((TopupCall *) call)->topup;

	store_number(&call->decision);
	topup->journal_id = call->row->journal_id;
	if (topup->status == TOPUP_DONE)
		set_done(call, topup);
	topup_insert(call->member_id, call->decision.program->program_id, topup);
}

static void
store_changed(Call *call)
{
	Topup	   *topup = ((TopupCall *) call)->topup;

	store_number(&call->decision);
	if (topup->status == TOPUP_DONE)
		set_done(call, topup);
	topup_update(call->member_id, topup);
}

/* Posts what was paid, and the bonus to it. */
static void
give_value(TopupCall *topups, JournalRow *row, DateADT on)
{
	Decision   *decision = &topups->call.decision;
	const TopupPolicy *policy = topups->policy;
	Lot			lot = {
		.unit_id = topups->unit->unit_id,
		.origin = ORIGIN_PRINCIPAL,
		.vests_on = DATEVAL_NOBEGIN,
		.expires_on = decide_principal_end(decision, policy, on),
		.amount = topups->topup->amount
	};

	decide_post(decision, row, lot, 0);
	lot.origin = ORIGIN_BONUS;
	lot.expires_on = policy->bonus_days > 0 ? on + policy->bonus_days :
		DATEVAL_NOEND;
	lot.amount = topups->topup->bonus;
	decide_post(decision, row, lot, 0);
}

/* Posts the points that came as a gift, by the policies of their unit. */
static void
give_points(TopupCall *topups, JournalRow *row, DateADT on)
{
	Decision   *decision = &topups->call.decision;
	const Unit *unit = program_unit_by_id(decision->program,
										  topups->topup->points_unit_id);
	DateADT		vests_on = on + unit->vest_days;
	Lot			lot = {
		.unit_id = unit->unit_id,
		.origin = ORIGIN_BONUS,
		.vests_on = DATEVAL_NOBEGIN,
		.expires_on = expiry_date(&unit->expiry, on),
		.amount = topups->topup->points
	};

	if (vests_on > decision->today)
		lot.vests_on = Min(vests_on, lot.expires_on);
	decide_post(decision, row, lot, 0);
}

/* Issues the voucher; of a benefit that has ended meanwhile there is none. */
static void
give_voucher(TopupCall *topups, JournalRow *row)
{
	Decision   *decision = &topups->call.decision;
	const Program *program = decision->program;

	for (int i = 0; i < program->nbenefits; i++)
	{
		const Benefit *benefit = &program->benefits[i];

		if (benefit->benefit_id == topups->topup->benefit_id &&
			benefit->active && benefit->valid_until > decision->now)
			decide_voucher_issue(decision, row, benefit,
								 decide_voucher_end(decision, benefit),
								 store_voucher_id(topups->call.mode ==
												  MODE_DRY));
	}
}

void
event_topup_give(TopupCall *topups, JournalRow *row)
{
	const Topup *topup = topups->topup;
	DateADT		on = program_date(topups->call.decision.program,
								  row->effective_at);

	topups->topup->status = TOPUP_DONE;
	give_value(topups, row, on);
	if (topup->points_unit_id != 0)
		give_points(topups, row, on);
	if (topup->benefit_id != 0)
		give_voucher(topups, row);
	/* else they are written when nothing can be refused any more */
	if (topup->pack != NULL && topups->call.mode == MODE_DRY)
		event_topup_give_pack(topups, row);
}

/* Puts the value on the card, unless the payment is still to be confirmed. */
static void
apply(TopupCall *topups, int64 amount)
{
	Call	   *call = &topups->call;
	JournalRow *row = event_topup_row(topups, call->at, amount);

	if (DatumGetBool(call->fcinfo->args[TOPUP_IS_PENDING].value))
	{
		topups->topup->status = TOPUP_PENDING;
		journal_row_message(row, "topup_pending", topups->unit, amount);
	}
	else
		event_topup_give(topups, row);
	call->store_first = store_new;
}

static bool
has_room(TopupCall *topups, int64 amount)
{
	Call	   *call = &topups->call;

	topups->topup = make_topup(topups, amount);
	return call_card_room(call, &call->decision, topups->unit,
						  amount_add(amount, topups->topup->bonus));
}

Datum
loyalty_topup(PG_FUNCTION_ARGS)
{
	TopupCall	topups = {0};
	Call	   *call = &topups.call;
	int64		amount;

	if (call_begin(call, fcinfo, &topup_verb) &&
		has_ref(call) &&
		call_open(call) &&
		event_topup_unit(&topups, TOPUP_UNIT) &&
		call_amount(call, TOPUP_AMOUNT, topups.unit->scale, &amount) &&
		is_new(&topups) &&
		call_card_open(call, &call->decision, topups.unit) &&
		has_room(&topups, amount))
		apply(&topups, amount);
	return call_close(call);
}

/* Also of a frozen card: the payment has been made. */
Datum
loyalty_topup_confirm(PG_FUNCTION_ARGS)
{
	TopupCall	topups = {0};
	Call	   *call = &topups.call;

	if (call_begin(call, fcinfo, &confirm_verb) &&
		has_ref(call) &&
		call_open(call) &&
		event_topup_find(&topups, call->ref) &&
		event_topup_is_pending(&topups))
	{
		store_load_cards(&call->decision, false);
		event_topup_give(&topups, event_topup_row(&topups, call->at,
												  topups.topup->amount));
		call->store_first = store_changed;
	}
	return call_close(call);
}

Datum
loyalty_topup_cancel(PG_FUNCTION_ARGS)
{
	TopupCall	topups = {0};
	Call	   *call = &topups.call;

	if (call_begin(call, fcinfo, &cancel_verb) &&
		has_ref(call) &&
		call_open(call) &&
		event_topup_find(&topups, call->ref) &&
		event_topup_is_pending(&topups))
	{
		event_topup_row(&topups, call->now, topups.topup->amount);
		topups.topup->status = TOPUP_CANCELLED;
		call->store_first = store_changed;
	}
	return call_close(call);
}
