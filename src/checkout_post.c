/*
 * checkout_post.c
 *
 * What a priced cart does to the account: spends, and the purchase.
 */
#include "checkout.h"

#include "utils/builtins.h"
#include "utils/json.h"

#include "amount.h"
#include "decide_document.h"

/* Tells what paid for a part of the order. */
static void
tell_payment(const Call *call, JournalRow *row, const Payment *payment)
{
	StringInfo	message = journal_row_begin_message(row, "paid");

	appendStringInfoString(message, ",\"unit\":");
	escape_json(message, payment->unit->code);
	appendStringInfo(message, ",\"amount\":%s,\"money\":%s}",
					 amount_text(payment->amount, payment->unit->scale),
					 amount_text(payment->money,
								 call->decision.program->currency_scale));
}

/* Spends what pays for the order, each unit in a row of its own. */
bool
checkout_post(Call *call, const Quote *quote)
{
	for (int i = 0; i < quote->npayments; i++)
	{
		const Payment *payment = &quote->payments[i];
		JournalRow *row;
		LotList		taken;

		if (payment->amount == 0)
			continue;
		row = decide_row(&call->decision, "redeem", call->now);
		row->event = payment->unit->code;
		row->ref = call->ref;
		row->unit_id = payment->unit->unit_id;
		row->has_amount = true;
		row->amount = payment->amount;
		row->channel = quote->cart.channel;
		row->store = quote->cart.store;
		row->staff = quote->cart.staff;
		row->tier_before = call->account.tier_id;
		row->tier_after = call->account.tier_id;
		decide_spend(&call->decision, row, payment->unit, payment->amount,
					 &taken);
	}
	return true;
}

/* Coupons that multiply what the order earns. */
static void
add_factors(const Quote *quote, Facts *facts)
{
	facts->factors = palloc(sizeof(CouponFactor) *
							Max(quote->ncandidates, 1));
	for (int i = 0; i < quote->ncandidates; i++)
	{
		const Coupon *coupon = quote->candidates[i].coupon;

		if (bms_is_member(i, quote->use) &&
			quote->pricing.applied[i].reason == COUPON_APPLICABLE &&
			coupon->kind == COUPON_MULTIPLIER)
			facts->factors[facts->nfactors++] = (CouponFactor) {
				.unit_id = coupon->unit_id,
				.factor = coupon->factor
			};
	}
}

/* Tells of the coupons and offers that were applied, without their codes. */
static void
tell_coupons(const Call *call, const Quote *quote, JournalRow *row)
{
	for (int i = 0; i < quote->ncandidates; i++)
	{
		const Candidate *candidate = &quote->candidates[i];
		const Applied *applied = &quote->pricing.applied[i];
		CouponNews	news = {
			.code = candidate->coupon != NULL &&
				candidate->coupon->automatic ? "offer_used" : "coupon_used",
			.coupon = candidate->coupon,
			.coupon_no = candidate->coupon_no,
			.discount = applied->saving,
			.until = DATEVAL_NOEND
		};

		if (!bms_is_member(i, quote->use) ||
			applied->reason != COUPON_APPLICABLE)
			continue;
		store_coupon_tell(&call->decision, row, &news);
		if (candidate->coupon->kind == COUPON_GIFT)
		{
			StringInfo	message = journal_row_begin_message(row, "gift");

			appendStringInfoString(message, ",\"coupon\":");
			escape_json(message, candidate->coupon->name);
			appendStringInfoString(message, ",\"sku\":");
			escape_json(message, candidate->coupon->sku);
			appendStringInfo(message, ",\"quantity\":%s}",
							 numeric_normalize(amount_numeric(candidate->coupon->quantity,
															  3)));
		}
	}
}

/* Data and lines of the purchase, as event_data keeps them. */
void
checkout_push_data(JsonbParseState **state, const Facts *facts)
{
	if (JB_ROOT_COUNT(facts->data) > 0)
		push_json(state, "data", facts->data);
	push_json(state, "items", facts->items);
}

/*
 * Makes a row the purchase of a priced cart: amount, lines and data are what
 * purchase() would be told.
 */
Facts *
checkout_make(const Call *call, const Quote *quote, JournalRow *row)
{
	int			scale = call->decision.program->currency_scale;
	Facts	   *facts = palloc(sizeof(Facts));

	row->has_amount = true;
	row->amount = quote->total;
	row->channel = quote->cart.channel;
	row->store = quote->cart.store;
	row->staff = quote->cart.staff;
	*facts = *quote->facts;
	facts->lines = &quote->lines;
	facts->items = checkout_lines(&quote->cart, NULL, quote->pricing.nets,
								  scale);
	facts->data = checkout_data(call, quote);
	facts->context = NULL;
	facts->member = NULL;
	facts->nfactors = 0;
	add_factors(quote, facts);
	event_facts_document(&call->decision, facts);
	for (int i = 0; i < quote->npayments; i++)
		if (quote->payments[i].amount > 0)
			tell_payment(call, row, &quote->payments[i]);
	tell_coupons(call, quote, row);
	return facts;
}

/* Judges it, as a row of the call. */
bool
checkout_purchase(Call *call, const Quote *quote)
{
	JournalRow *row = call_row(call, quote->at);

	return event_judge(call, row, checkout_make(call, quote, row));
}

/* Is it a row by which a unit pays for the order of the call? */
static bool
is_payment(const Call *call, const JournalRow *row)
{
	return row != call->row && row->ref != NULL && row->event != NULL &&
		row->request_hash == NULL &&
		(strcmp(row->kind, "redeem") == 0 ||
		 strcmp(row->kind, "capture") == 0) &&
		VARSIZE_ANY_EXHDR(row->ref) == VARSIZE_ANY_EXHDR(call->ref) &&
		memcmp(VARDATA_ANY(row->ref), VARDATA_ANY(call->ref),
			   VARSIZE_ANY_EXHDR(call->ref)) == 0;
}

static void
show_payments(Call *call)
{
	const Decision *decision = &call->decision;
	JournalRow **payments = palloc(sizeof(JournalRow *) *
								   Max(decision->nrows, 1));
	int			n = 0;

	for (int i = 0; i < decision->nrows; i++)
		if (is_payment(call, decision->rows[i]))
			payments[n++] = decision->rows[i];
	journal_row_show_before(call->row, payments, n);
}

Datum
checkout_close(Call *call)
{
	call_finish(call);
	if (call->refusal == REFUSAL_NONE && call->replay != NULL)
	{
		int			n;
		JournalRow **payments = journal_read_payments(call->member_id,
													  call->ref, &n);

		journal_row_show_before(call->replay, payments, n);
	}
	else if (call->refusal == REFUSAL_NONE)
		show_payments(call);
	return call_close(call);
}
