/*
 * checkout_reserve.c
 *
 * An order between its quote and its payment: reserved, then confirmed or
 * cancelled, or its time is over.
 *
 * What is reserved is the quote with everything that it needs: coupons,
 * their slots, points and stored value.  Confirming looks at none of them
 * again, so it cannot fail for lack of one.
 */
#include "checkout_reserve.h"

#include "utils/builtins.h"
#include "utils/json.h"

#include "amount.h"
#include "event.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_checkout_reserve);
PG_FUNCTION_INFO_V1(loyalty_checkout_confirm);
PG_FUNCTION_INFO_V1(loyalty_checkout_cancel);

enum reserve_arg
{
	RESERVE_MEMBER_ID,
	RESERVE_CART,
	RESERVE_REF,
	RESERVE_CODES,
	RESERVE_USE,
	RESERVE_EXPECT,
	RESERVE_TTL,
	RESERVE_AT,
	RESERVE_KEY,
	RESERVE_MODE,
	RESERVE_BEST,
	RESERVE_NARGS
};

static bool reserve_replays(Call *call);

/* The ref is no ARG_REF: reserving an order anew replaces its reservation. */
static const Verb reserve_verb = {
	"checkout_reserve", "checkout_reserve", NULL, FOR_OPEN, false,
	RESERVE_NARGS, {
		[RESERVE_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[RESERVE_CART] = {"cart", ARG_JSONB, true},
		[RESERVE_REF] = {"ref", ARG_TEXT, true},
		[RESERVE_CODES] = {"codes", ARG_TEXTS},
		[RESERVE_USE] = {"use", ARG_JSONB},
		[RESERVE_EXPECT] = {"expect", ARG_NUMERIC},
		[RESERVE_TTL] = {"ttl", ARG_INTERVAL},
		[RESERVE_AT] = {"at", ARG_AT},
		[RESERVE_KEY] = {"key", ARG_KEY},
		[RESERVE_MODE] = {"mode", ARG_MODE, true},
		[RESERVE_BEST] = {"best", ARG_BOOLEAN, true}
	}, reserve_replays
};

enum confirm_arg
{
	CONFIRM_MEMBER_ID,
	CONFIRM_REF,
	CONFIRM_EXPECT,
	CONFIRM_AT,
	CONFIRM_KEY,
	CONFIRM_MODE,
	CONFIRM_NARGS
};

/* It is the purchase, with the reference of a purchase. */
static const Verb confirm_verb = {
	"checkout_confirm", "event", "purchase", FOR_OPEN, false,
	CONFIRM_NARGS, {
		[CONFIRM_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[CONFIRM_REF] = {"ref", ARG_REF, true},
		[CONFIRM_EXPECT] = {"expect", ARG_NUMERIC},
		[CONFIRM_AT] = {"at", ARG_AT},
		[CONFIRM_KEY] = {"key", ARG_KEY},
		[CONFIRM_MODE] = {"mode", ARG_MODE, true}
	}
};

enum cancel_arg
{
	CANCEL_MEMBER_ID,
	CANCEL_REF,
	CANCEL_REASON,
	CANCEL_AT,
	CANCEL_KEY,
	CANCEL_MODE,
	CANCEL_NARGS
};

static bool cancel_replays(Call *call);

static const Verb cancel_verb = {
	"checkout_cancel", "checkout_cancel", NULL, FOR_ANY, false,
	CANCEL_NARGS, {
		[CANCEL_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[CANCEL_REF] = {"ref", ARG_TEXT, true},
		[CANCEL_REASON] = {"reason", ARG_TEXT},
		[CANCEL_AT] = {"at", ARG_AT},
		[CANCEL_KEY] = {"key", ARG_KEY},
		[CANCEL_MODE] = {"mode", ARG_MODE, true}
	}, cancel_replays
};

/* A call about the reservation of an order; the call comes first. */
typedef struct Reserve
{
	Call		call;
	Reservation reservation;
	bool		is_first;		/* the order was never reserved before */
	TimestampTz expires_at;
	Quote		quote;
	CheckoutTakings takings;
} Reserve;

static bool
check_ref(Call *call, int ref_arg)
{
	return call_check_text(call, call_text(call, ref_arg),
						   REFUSAL_REF_INVALID, "ref");
}

/* The same request again, while what it reserved is there. */
static bool
reserve_replays(Call *call)
{
	Reservation reservation;

	if (call->key != NULL)
		return false;
	reservation_load(call, call_text(call, RESERVE_REF), &reservation);
	return reservation.status == RESERVATION_RESERVED &&
		reservation_replays(call, reservation.journal_id);
}

static bool
cancel_replays(Call *call)
{
	Reservation reservation;

	if (call->key != NULL)
		return false;
	reservation_load(call, call_text(call, CANCEL_REF), &reservation);
	return reservation.status == RESERVATION_CANCELLED &&
		reservation_replays(call, reservation.ended_by);
}

static bool
refuse_closed(Call *call, const Reservation *reservation)
{
	return call_refuse(call, REFUSAL_CHECKOUT_CLOSED,
					   "status=%s",
					   reservation_status_name(reservation->status));
}

static bool
refuse_expired(Call *call, const Reservation *reservation)
{
	return call_refuse(call, REFUSAL_CHECKOUT_EXPIRED, "expires_at=%s",
					   timestamptz_to_str(reservation->expires_at));
}

/* Is the order reserved, at the clock? */
static bool
find_reserved(Reserve *reserve, int ref_arg)
{
	Call	   *call = &reserve->call;
	Reservation *reservation = &reserve->reservation;

	reservation_load(call, call_text(call, ref_arg), reservation);
	switch (reservation->status)
	{
		case RESERVATION_RESERVED:
			return true;
		case RESERVATION_NONE:
			return call_refuse(call, REFUSAL_CHECKOUT_NOT_FOUND,
							   "member_id=" INT64_FORMAT, call->member_id);
		case RESERVATION_TIMED_OUT:
			return refuse_expired(call, reservation);
		case RESERVATION_CONFIRMED:
		case RESERVATION_CANCELLED:
			break;
	}
	return refuse_closed(call, reservation);
}

/* In a programme where an order earns once in all. */
static bool
is_nobodys(Call *call, const text *ref)
{
	JournalRow *row = journal_row_make(call->member_id, "event", call->now);

	row->event = "purchase";
	row->ref = unconstify(text *, ref);
	return !journal_ref_taken(row, call->decision.program) ||
		call_refuse(call, REFUSAL_REF_DUPLICATE,
					"ref belongs to another member of the programme");
}

/* Can the order still be reserved?  It cannot once it was bought. */
static bool
find_unsold(Reserve *reserve)
{
	Call	   *call = &reserve->call;
	Reservation *reservation = &reserve->reservation;
	JournalMatch match;

	reservation_load(call, call_text(call, RESERVE_REF), reservation);
	reserve->is_first = reservation->status == RESERVATION_NONE;
	if (reservation->status == RESERVATION_CONFIRMED)
		return refuse_closed(call, reservation);
	if (journal_match(call->member_id, NULL, reservation->ref, "event",
					  "purchase", &match))
		return call_refuse(call, REFUSAL_REF_DUPLICATE,
						   "journal_id=" INT64_FORMAT, match.journal_id);
	return !call->decision.program->ref_in_program ||
		is_nobodys(call, reservation->ref);
}

/* By the argument, or by the programme's policy. */
static bool
read_end(Reserve *reserve)
{
	Call	   *call = &reserve->call;
	const Interval *ttl = call_has(call, RESERVE_TTL) ?
		DatumGetIntervalP(call->fcinfo->args[RESERVE_TTL].value) :
		&call->decision.program->cart.reserve_ttl;

	return event_hold_end(call, ttl, &reserve->expires_at);
}

/* What it comes to now, the order's own reservation not counted. */
static bool
price(Reserve *reserve)
{
	Call	   *call = &reserve->call;
	QuoteRequest request = {
		.cart = call_jsonb(call, RESERVE_CART),
		.codes = call_texts(call, RESERVE_CODES),
		.use = call_jsonb(call, RESERVE_USE),
		.ref = reserve->reservation.ref,
		.best = DatumGetBool(call->fcinfo->args[RESERVE_BEST].value)
	};

	if (reserve->reservation.status == RESERVATION_RESERVED)
		reservation_end_holds(call, &reserve->reservation, HOLD_RELEASED);
	return checkout_quote(call, &request, &reserve->quote) &&
		checkout_codes_apply(call, &reserve->quote) &&
		checkout_expected(call, RESERVE_EXPECT, reserve->quote.payable);
}

/* Sets aside what pays for the order, each unit by a row of its own. */
static void
hold_payments(Reserve *reserve)
{
	Call	   *call = &reserve->call;
	Decision   *decision = &call->decision;

	for (int i = 0; i < reserve->quote.npayments; i++)
	{
		const Payment *payment = &reserve->quote.payments[i];
		JournalRow *row;
		Hold	   *hold;

		if (payment->amount == 0)
			continue;
		row = decide_row(decision, "hold", call->now);
		row->event = payment->unit->code;
		hold = decide_hold(decision, row, payment->unit, payment->amount,
						   reserve->expires_at);
		hold->ref = unconstify(text *, reserve->reservation.ref);
		hold->of_order = true;
	}
}

/*
 * The call's row.  The first reservation of an order has its reference; one
 * that replaces it, or comes after its end, names it as what it reverses.
 */
static void
tell_reserved(Reserve *reserve)
{
	Call	   *call = &reserve->call;
	const Quote *quote = &reserve->quote;
	const Program *program = call->decision.program;
	JournalRow *row = call_row(call, call->now);
	int			offset = program_offset(program, reserve->expires_at);

	if (reserve->is_first)
		row->ref = unconstify(text *, reserve->reservation.ref);
	else
		row->reverses = unconstify(text *, reserve->reservation.ref);
	for (int i = 0; i < quote->npayments; i++)
		if (quote->payments[i].amount > 0)
			journal_row_message(row, "held", quote->payments[i].unit,
								quote->payments[i].amount);
	appendStringInfo(journal_row_begin_message(row, "reserved"),
					 ",\"payable\":%s,\"until\":\"%s\"}",
					 amount_text(quote->payable, program->currency_scale),
					 JsonEncodeDateTime(NULL,
										TimestampTzGetDatum(reserve->expires_at),
										TIMESTAMPTZOID, &offset));
}

/* Freezes what the purchase will be made of. */
static void
freeze(Reserve *reserve)
{
	Call	   *call = &reserve->call;
	Reservation *reservation = &reserve->reservation;
	JournalRow *row = journal_row_make(call->member_id, "event", call->now);
	const Facts *facts = checkout_make(call, &reserve->quote, row);

	reservation->status = RESERVATION_RESERVED;
	reservation->expires_at = reserve->expires_at;
	reservation->ended_by = 0;
	reservation->document = reservation_document(call, &reserve->quote, row,
												 facts,
												 reserve->takings.n);
}

/* Writes the reservation, by the call's row. */
static void
store_reserved(Call *call)
{
	Reserve    *reserve = (Reserve *) call;

	store_number(&call->decision);
	reserve->reservation.journal_id = call->row->journal_id;
	reservation_write(call, &reserve->reservation);
}

/* Reserves the coupons, and ends the call; what cannot be had refuses it. */
static bool
take(void *argument)
{
	Reserve    *reserve = argument;
	Call	   *call = &reserve->call;

	if (!checkout_take(call, reserve->reservation.ref, reserve->expires_at,
					   &reserve->takings))
		return false;
	call_finish(call);
	return call->refusal == REFUSAL_NONE;
}

/*
 * checkout_reserve(member_id, cart, ref, codes, use, expect, ttl, at, key,
 * mode, best)
 */
Datum
loyalty_checkout_reserve(PG_FUNCTION_ARGS)
{
	Reserve		reserve = {0};
	Call	   *call = &reserve.call;

	if (call_begin(call, fcinfo, &reserve_verb) &&
		check_ref(call, RESERVE_REF) &&
		call_open(call) &&
		find_unsold(&reserve) &&
		read_end(&reserve) &&
		price(&reserve))
	{
		hold_payments(&reserve);
		tell_reserved(&reserve);
		reserve.takings.takings = checkout_takings(&reserve.quote,
												   &reserve.takings.candidates,
												   &reserve.takings.n);
		freeze(&reserve);
		call->store_first = store_reserved;
		/* a refusal leaves no trace; in mode 'do' it raises */
		if (call->mode == MODE_TRY)
			statement_attempt(take, &reserve);
		else if (call->mode == MODE_DO)
			take(&reserve);
	}
	return call_close(call);
}

/* The purchase is there; so the reservation is over. */
static void
store_confirmed(Call *call)
{
	reservation_close(call, &((Reserve *) call)->reservation,
					  RESERVATION_CONFIRMED);
}

/*
 * Is this what the customer has paid?  Another order may have been reserved
 * under the reference meanwhile.
 */
static bool
is_expected(Reserve *reserve)
{
	Call	   *call = &reserve->call;

	return checkout_expected(call, CONFIRM_EXPECT,
							 reservation_payable(call,
												 &reserve->reservation));
}

/*
 * Captures what is held.  It can only be missing if somebody else, by whose
 * clock the time was over already, was faster; so it is with the coupons.
 */
static bool
capture_held(Reserve *reserve)
{
	Call	   *call = &reserve->call;
	const Reservation *reservation = &reserve->reservation;

	return reservation_end_holds(call, reservation, HOLD_CAPTURED) ==
		reservation_nholds(reservation) ||
		refuse_expired(call, reservation);
}

/* Uses the coupons, and ends the call. */
static bool
use_reserved(void *argument)
{
	Reserve    *reserve = argument;
	Call	   *call = &reserve->call;
	const Reservation *reservation = &reserve->reservation;

	if (store_coupon_confirm(&call->decision, call->row,
							 reservation->ref) < reservation_nuses(reservation))
		return refuse_expired(call, reservation);
	call_finish(call);
	return call->refusal == REFUSAL_NONE;
}

/* checkout_confirm(member_id, ref, expect, at, key, mode) */
Datum
loyalty_checkout_confirm(PG_FUNCTION_ARGS)
{
	Reserve		reserve = {0};
	Call	   *call = &reserve.call;

	if (call_begin(call, fcinfo, &confirm_verb) &&
		call_open(call) &&
		find_reserved(&reserve, CONFIRM_REF) &&
		is_expected(&reserve) &&
		capture_held(&reserve) &&
		reservation_purchase(call, &reserve.reservation))
	{
		call->store_first = store_confirmed;
		/* a refusal leaves no trace; in mode 'do' it raises */
		if (call->mode == MODE_TRY)
			statement_attempt(use_reserved, &reserve);
		else if (call->mode == MODE_DO)
			use_reserved(&reserve);
	}
	return checkout_close(call);
}

/* Everything that was set aside returns. */
static void
store_cancelled(Call *call)
{
	Reserve    *reserve = (Reserve *) call;
	Reservation *reservation = &reserve->reservation;

	store_coupon_release(&call->decision, call->row, reservation->ref);
	reservation_close(call, reservation, RESERVATION_CANCELLED);
}

Datum
loyalty_checkout_cancel(PG_FUNCTION_ARGS)
{
	Reserve		reserve = {0};
	Call	   *call = &reserve.call;

	if (call_begin(call, fcinfo, &cancel_verb) &&
		check_ref(call, CANCEL_REF) &&
		call_open(call) &&
		call_reason(call, CANCEL_REASON, false) &&
		find_reserved(&reserve, CANCEL_REF))
	{
		JournalRow *row;

		reservation_end_holds(call, &reserve.reservation, HOLD_RELEASED);
		row = call_row(call, call->now);
		row->reverses = call_text(call, CANCEL_REF);
		row->reason = call_text(call, CANCEL_REASON);
		call->store_first = store_cancelled;
	}
	return call_close(call);
}
