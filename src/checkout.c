/*
 * checkout.c
 *
 * quote and checkout: what a cart costs, and the order itself.
 */
#include "checkout_reserve.h"

#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "amount.h"
#include "decide_document.h"
#include "member.h"

PG_FUNCTION_INFO_V1(loyalty_checkout_quote);
PG_FUNCTION_INFO_V1(loyalty_checkout);

enum quote_arg
{
	QUOTE_MEMBER_ID,
	QUOTE_CART,
	QUOTE_CODES,
	QUOTE_USE,
	QUOTE_AT,
	QUOTE_BEST,
	QUOTE_PROGRAM,
	QUOTE_NARGS
};

/* It is no verb, but what it judges is the purchase that checkout() makes. */
static const Verb quote_verb = {
	"quote", "event", "purchase", FOR_OPEN, false, QUOTE_NARGS, {
		[QUOTE_MEMBER_ID] = {"member_id", ARG_MEMBER},
		[QUOTE_CART] = {"cart", ARG_JSONB, true},
		[QUOTE_CODES] = {"codes", ARG_TEXTS},
		[QUOTE_USE] = {"use", ARG_JSONB},
		[QUOTE_AT] = {"at", ARG_AT},
		[QUOTE_BEST] = {"best", ARG_BOOLEAN, true},
		[QUOTE_PROGRAM] = {"program", ARG_TEXT}
	}
};

enum checkout_arg
{
	CHECKOUT_MEMBER_ID,
	CHECKOUT_CART,
	CHECKOUT_REF,
	CHECKOUT_CODES,
	CHECKOUT_USE,
	CHECKOUT_EXPECT,
	CHECKOUT_AT,
	CHECKOUT_KEY,
	CHECKOUT_MODE,
	CHECKOUT_BEST,
	CHECKOUT_NARGS
};

static const Verb checkout_verb = {
	"checkout", "event", "purchase", FOR_OPEN, false, CHECKOUT_NARGS, {
		[CHECKOUT_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[CHECKOUT_CART] = {"cart", ARG_JSONB, true},
		[CHECKOUT_REF] = {"ref", ARG_REF},
		[CHECKOUT_CODES] = {"codes", ARG_TEXTS},
		[CHECKOUT_USE] = {"use", ARG_JSONB},
		[CHECKOUT_EXPECT] = {"expect", ARG_NUMERIC},
		[CHECKOUT_AT] = {"at", ARG_AT},
		[CHECKOUT_KEY] = {"key", ARG_KEY},
		[CHECKOUT_MODE] = {"mode", ARG_MODE, true},
		[CHECKOUT_BEST] = {"best", ARG_BOOLEAN, true}
	}
};

/* A checkout; call is first, so that a Call of it is a Checkout. */
typedef struct Checkout
{
	Call		call;
	Quote		quote;
	CheckoutTakings takings;
	Reservation reservation;	/* of the order, which this replaces */
	bool		replaces;
} Checkout;

/*
 * Reads a member or a guest as of the time asked for, with the caller's
 * snapshot.
 */
static bool
open_guest(Call *call, const text *name)
{
	char	   *program_name = text_to_cstring(name);
	const Program *program = program_find(program_name);

	if (program == NULL)
		return call_refuse(call, REFUSAL_PROGRAM_NOT_FOUND, "program=%s",
						   clipped(program_name));
	if (!program->active)
		return call_refuse(call, REFUSAL_PROGRAM_INACTIVE, "program_id=%d",
						   program->program_id);
	member_prepare(&call->account, program->program_id,
				   program_date(program, call->now));
	decide_begin(&call->decision, &call->account, program, call->now);
	return true;
}

bool
checkout_open_reading(Call *call, int program_arg)
{
	const text *program = program_arg < 0 ? NULL :
		call_text(call, program_arg);

	if (TIMESTAMP_NOT_FINITE(call->at))
		return call_refuse(call, REFUSAL_TIME_NOT_FINITE,
						   "at is not finite");
	/* in the future, as if it were then */
	call->now = Max(call->now, call->at);
	if (!call_has(call, 0))
	{
		if (program == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("member_id must not be null"),
					 errhint("For a guest, name the programme.")));
		return open_guest(call, program);
	}
	if (!store_load(call->member_id, ACCOUNT_READ_STABLE, call->now,
					&call->account, &call->decision))
		return call_refuse(call, REFUSAL_MEMBER_NOT_FOUND,
						   "member_id=" INT64_FORMAT, call->member_id);
	if (program != NULL &&
		program_find(text_to_cstring(program)) != call->decision.program)
		return call_refuse(call, REFUSAL_PROGRAM_NOT_FOUND,
						   "the member is of another programme");
	if (!call_check_member(call))
		return false;
	decide_settle(&call->decision, DT_NOBEGIN);
	return true;
}

/* quote(member_id, cart, codes, use, at, best, program) */
Datum
loyalty_checkout_quote(PG_FUNCTION_ARGS)
{
	Call		call;
	Quote		quote;
	QuoteRequest request = {.read_only = true};
	const Awards *earned = NULL;
	Jsonb	   *document;

	/* refusals raise: the mode is 'do' */
	call_begin(&call, fcinfo, &quote_verb);
	checkout_open_reading(&call, QUOTE_PROGRAM);
	request.cart = call_jsonb(&call, QUOTE_CART);
	request.codes = call_texts(&call, QUOTE_CODES);
	request.use = call_jsonb(&call, QUOTE_USE);
	request.best = PG_GETARG_BOOL(QUOTE_BEST);
	checkout_quote(&call, &request, &quote);
	if (call.member_id != 0)
	{
		checkout_post(&call, &quote);
		checkout_purchase(&call, &quote);
		store_look_at_budgets(&call.decision);
		earned = &call.decision.awards[0];
	}
	document = checkout_document(&call, &quote, earned);
	SPI_finish();
	PG_RETURN_JSONB_P(document);
}

/*
 * The first code that does not apply refuses the whole order; but where the
 * best combination was asked for, codes are offered, not demanded.
 */
bool
checkout_codes_apply(Call *call, const Quote *quote)
{
	if (quote->best)
		return true;
	for (int i = 0; i < quote->ncandidates; i++)
	{
		const Candidate *candidate = &quote->candidates[i];
		Verdict		verdict;

		if (!candidate->chosen)
			continue;
		verdict = checkout_verdict(quote, i);
		if (verdict.reason == COUPON_APPLICABLE)
			continue;
		if (verdict.missing > 0)
			return call_refuse(call, coupon_reason_refusal(verdict.reason),
							   "code=%d coupon=%s: %s", i + 1,
							   candidate->coupon->name,
							   checkout_message(&verdict,
												call->decision.program->currency_scale));
		if (candidate->coupon == NULL)
			return call_refuse(call, coupon_reason_refusal(verdict.reason),
							   "code=%d", i + 1);
		return call_refuse(call, coupon_reason_refusal(verdict.reason),
						   "code=%d coupon=%s", i + 1,
						   candidate->coupon->name);
	}
	return true;
}

/* Is this what the customer was told? */
bool
checkout_expected(Call *call, int arg, int64 payable)
{
	Numeric		actual = amount_numeric(payable,
										call->decision.program->currency_scale);
	Datum		expected;

	if (!call_has(call, arg))
		return true;
	expected = call->fcinfo->args[arg].value;
	if (DatumGetBool(DirectFunctionCall2(numeric_eq, expected,
										 NumericGetDatum(actual))))
		return true;
	return call_refuse(call, REFUSAL_PAYABLE_CHANGED,
					   "expected=%s payable=%s",
					   numeric_normalize(DatumGetNumeric(expected)),
					   numeric_normalize(actual));
}

/* Somebody else was faster. */
static bool
refuse_taken(Call *call, const CheckoutTakings *takings, int failed,
			 CouponReason reason)
{
	const Candidate *candidate = takings->takings[failed].candidate;
	Refusal		refusal = coupon_reason_refusal(reason);

	return candidate->chosen ?
		call_refuse(call, refusal, "code=%d coupon=%s",
					takings->candidates[failed] + 1,
					candidate->coupon->name) :
		call_refuse(call, refusal, "offer=%s", candidate->coupon->name);
}

bool
checkout_take(Call *call, const text *ref, TimestampTz reserved_until,
			  const CheckoutTakings *takings)
{
	int			failed = 0;
	CouponReason reason = store_coupon_take(&call->decision, call->row, ref,
											reserved_until, takings->takings,
											takings->n, &failed);

	return reason == COUPON_APPLICABLE ||
		refuse_taken(call, takings, failed, reason);
}

/* Uses the coupons, and ends the call; what cannot be had refuses it. */
static bool
take(void *argument)
{
	Checkout   *checkout = argument;
	Call	   *call = &checkout->call;

	if ((checkout->takings.n > 0 || checkout->replaces) &&
		!checkout_take(call, call->ref, DT_NOEND, &checkout->takings))
		return false;
	call_finish(call);
	return call->refusal == REFUSAL_NONE;
}

/* What the customer was shown is kept with the order. */
static void
keep_document(Call *call)
{
	Checkout   *checkout = (Checkout *) call;
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	checkout_push_data(&state, call->decision.awards[0].facts);
	push_json(&state, "checkout",
			  checkout_document(call, &checkout->quote,
								&call->decision.awards[0]));
	call->row->data = end_object(&state);
	if (checkout->replaces)
		reservation_close(call, &checkout->reservation,
						  RESERVATION_CANCELLED);
}

static void
check_out(Checkout *checkout)
{
	Call	   *call = &checkout->call;
	Quote	   *quote = &checkout->quote;
	QuoteRequest request = {
		.cart = call_jsonb(call, CHECKOUT_CART),
		.codes = call_texts(call, CHECKOUT_CODES),
		.use = call_jsonb(call, CHECKOUT_USE),
		.ref = call->ref,
		.best = DatumGetBool(call->fcinfo->args[CHECKOUT_BEST].value)
	};

	if (call->ref == NULL)
	{
		call_refuse(call, REFUSAL_REF_INVALID,
					"a purchase needs the reference of its order");
		return;
	}
	checkout->replaces = reservation_replace(call, call->ref,
											 &checkout->reservation);
	if (!checkout_quote(call, &request, quote) ||
		!checkout_codes_apply(call, quote) ||
		!checkout_expected(call, CHECKOUT_EXPECT, quote->payable) ||
		!checkout_post(call, quote) ||
		!checkout_purchase(call, quote) ||
		call->mode == MODE_DRY)
		return;
	call->store_first = keep_document;
	checkout->takings.takings = checkout_takings(quote,
												 &checkout->takings.candidates,
												 &checkout->takings.n);
	/* a refusal leaves no trace; in mode 'do' it raises */
	if (call->mode == MODE_TRY)
		statement_attempt(take, checkout);
	else
		take(checkout);
}

/* checkout(member_id, cart, ref, codes, use, expect, at, key, mode, best) */
Datum
loyalty_checkout(PG_FUNCTION_ARGS)
{
	Checkout	checkout;

	if (call_begin(&checkout.call, fcinfo, &checkout_verb) &&
		call_open(&checkout.call))
		check_out(&checkout);
	return checkout_close(&checkout.call);
}
