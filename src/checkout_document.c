/*
 * checkout_document.c
 *
 * What quote() returns: each step from the prices given to what is to be
 * paid, and what became of each code.
 */
#include "checkout.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "amount.h"
#include "decide_document.h"

#define QTY_SCALE 3

/* In the order in which they are taken; doc/cart.md tells of them. */
typedef enum Step
{
	STEP_PRICE = 1,
	STEP_OFFER_LINE,
	STEP_OFFER_ORDER,
	STEP_COUPON,
	STEP_POINTS,
	STEP_SHIPPING,
	STEP_STORED_VALUE,
	STEP_END
} Step;

static const char *const step_names[] = {
	[STEP_PRICE] = "price",
	[STEP_OFFER_LINE] = "offer_line",
	[STEP_OFFER_ORDER] = "offer_order",
	[STEP_COUPON] = "coupon",
	[STEP_POINTS] = "points",
	[STEP_SHIPPING] = "shipping",
	[STEP_STORED_VALUE] = "stored_value"
};

/* A document that is being written, and the scale of its amounts. */
typedef struct Writer
{
	JsonbParseState *state;
	const Quote *quote;
	int			scale;
	int			napplied;
	int		   *applied;		/* candidates, in the order of application */
} Writer;

static void
begin_object(Writer *writer)
{
	pushJsonbValue(&writer->state, WJB_BEGIN_OBJECT, NULL);
}

static void
end(Writer *writer, JsonbIteratorToken what)
{
	pushJsonbValue(&writer->state, what, NULL);
}

static void
begin_array(Writer *writer, const char *name)
{
	push_key(&writer->state, name);
	pushJsonbValue(&writer->state, WJB_BEGIN_ARRAY, NULL);
}

static void
put_money(Writer *writer, const char *name, int64 minor)
{
	push_amount(&writer->state, name, minor, writer->scale);
}

static void
put_count(Writer *writer, const char *name, int64 n)
{
	push_amount(&writer->state, name, n, 0);
}

/* A number without zeros that say nothing. */
static void
put_number(Writer *writer, const char *name, int64 minor, int scale)
{
	JsonbValue	value;

	value.type = jbvNumeric;
	value.val.numeric =
		DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale,
											NumericGetDatum(amount_numeric(minor, scale))));
	push_key(&writer->state, name);
	pushJsonbValue(&writer->state, WJB_VALUE, &value);
}

static void
put_text(Writer *writer, const char *name, const char *string)
{
	push_cstring(&writer->state, name, string);
}

static void
put_bool(Writer *writer, const char *name, bool boolean)
{
	JsonbValue	value;

	value.type = jbvBool;
	value.val.boolean = boolean;
	push_key(&writer->state, name);
	pushJsonbValue(&writer->state, WJB_VALUE, &value);
}

/* Was a candidate applied? */
static bool
is_applied(const Quote *quote, int i)
{
	return bms_is_member(i, quote->use) &&
		quote->pricing.applied[i].reason == COUPON_APPLICABLE;
}

/* A candidate that was applied: which it is. */
static void
put_candidate(Writer *writer, const Candidate *candidate)
{
	put_text(writer, candidate->coupon->automatic ? "offer" : "coupon",
			 candidate->coupon->name);
	put_text(writer, "code", candidate->given);
	if (candidate->coupon_no != 0)
		put_count(writer, "coupon_no", candidate->coupon_no);
}

/*
 * Steps.
 */

static void
begin_step(Writer *writer, Step step)
{
	begin_object(writer);
	put_count(writer, "step", step);
	put_text(writer, "name", step_names[step]);
}

/* What one benefit has taken off the prices. */
static void
put_price_step(Writer *writer, const Benefit *benefit)
{
	const Cart *cart = &writer->quote->cart;
	int64		saved = 0;

	for (int i = 0; i < cart->lines.n; i++)
		if (writer->quote->price_by[i] == benefit)
			saved += cart->list[i] - cart->lines.lines[i].gross;
	begin_step(writer, STEP_PRICE);
	put_text(writer, "benefit", benefit->name);
	put_text(writer, "title", benefit->title);
	put_money(writer, "amount", saved);
	end(writer, WJB_END_OBJECT);
}

static void
put_price_steps(Writer *writer)
{
	const Quote *quote = writer->quote;
	List	   *told = NIL;

	for (int i = 0; i < quote->cart.lines.n; i++)
	{
		const Benefit *benefit = quote->price_by[i];

		if (benefit == NULL || list_member_ptr(told, benefit))
			continue;
		told = lappend(told, unconstify(Benefit *, benefit));
		put_price_step(writer, benefit);
	}
}

static Step
step_of(const Coupon *coupon)
{
	if (coupon->kind == COUPON_SHIPPING)
		return STEP_SHIPPING;
	if (!coupon->automatic)
		return STEP_COUPON;
	return decide_cart_by_line(coupon) ? STEP_OFFER_LINE : STEP_OFFER_ORDER;
}

/* The candidates that were applied, in their order. */
static void
sort_applied(Writer *writer)
{
	const Quote *quote = writer->quote;

	writer->applied = palloc(sizeof(int) * Max(quote->ncandidates, 1));
	for (int i = 0; i < quote->ncandidates; i++)
	{
		int			at = writer->napplied;

		if (!is_applied(quote, i))
			continue;
		for (; at > 0 && quote->candidates[writer->applied[at - 1]].place >
			 quote->candidates[i].place; at--)
			writer->applied[at] = writer->applied[at - 1];
		writer->applied[at] = i;
		writer->napplied++;
	}
}

static void
put_coupon_steps(Writer *writer, Step step)
{
	const Quote *quote = writer->quote;

	for (int n = 0; n < writer->napplied; n++)
	{
		int			i = writer->applied[n];
		const Candidate *candidate = &quote->candidates[i];
		const Applied *applied = &quote->pricing.applied[i];

		if (step_of(candidate->coupon) != step)
			continue;
		begin_step(writer, step);
		put_candidate(writer, candidate);
		put_text(writer, "title", candidate->coupon->title);
		put_text(writer, "kind", coupon_kind_name(candidate->coupon->kind));
		put_money(writer, "amount", applied->saving);
		put_text(writer, "limited", applied->limited);
		end(writer, WJB_END_OBJECT);
	}
}

static void
put_payment_steps(Writer *writer, bool stored)
{
	const Quote *quote = writer->quote;

	for (int i = 0; i < quote->npayments; i++)
	{
		const Payment *payment = &quote->payments[i];

		if (payment->stored != stored || payment->amount == 0)
			continue;
		begin_step(writer, stored ? STEP_STORED_VALUE : STEP_POINTS);
		put_text(writer, "unit", payment->unit->code);
		put_number(writer, "spent", payment->amount, payment->unit->scale);
		put_money(writer, "amount", payment->money);
		end(writer, WJB_END_OBJECT);
	}
}

static void
put_steps(Writer *writer)
{
	begin_array(writer, "steps");
	put_price_steps(writer);
	put_coupon_steps(writer, STEP_OFFER_LINE);
	put_coupon_steps(writer, STEP_OFFER_ORDER);
	put_coupon_steps(writer, STEP_COUPON);
	put_payment_steps(writer, false);
	put_coupon_steps(writer, STEP_SHIPPING);
	put_payment_steps(writer, true);
	end(writer, WJB_END_ARRAY);
}

/*
 * Lines.
 */

static void
put_discounts(Writer *writer, int line)
{
	const Quote *quote = writer->quote;

	begin_array(writer, "discounts");
	for (int n = 0; n < writer->napplied; n++)
	{
		int			i = writer->applied[n];
		const int64 *savings = quote->pricing.applied[i].line_saving;

		if (savings == NULL || savings[line] == 0)
			continue;
		begin_object(writer);
		put_candidate(writer, &quote->candidates[i]);
		put_money(writer, "amount", savings[line]);
		end(writer, WJB_END_OBJECT);
	}
	end(writer, WJB_END_ARRAY);
}

static void
put_lines(Writer *writer)
{
	const Quote *quote = writer->quote;

	begin_array(writer, "lines");
	for (int i = 0; i < quote->lines.n; i++)
	{
		const CartLine *line = &quote->lines.lines[i];

		CHECK_FOR_INTERRUPTS();
		begin_object(writer);
		put_count(writer, "line", i + 1);
		put_text(writer, "sku", line->sku);
		put_number(writer, "qty", line->qty, QTY_SCALE);
		put_money(writer, "list", quote->cart.list[i]);
		put_money(writer, "price", line->gross);
		put_money(writer, "net", line->net);
		put_discounts(writer, i);
		end(writer, WJB_END_OBJECT);
	}
	end(writer, WJB_END_ARRAY);
}

static void
put_gifts(Writer *writer)
{
	const Quote *quote = writer->quote;

	begin_array(writer, "gifts");
	for (int n = 0; n < writer->napplied; n++)
	{
		const Candidate *candidate = &quote->candidates[writer->applied[n]];

		if (candidate->coupon->kind != COUPON_GIFT)
			continue;
		begin_object(writer);
		put_candidate(writer, candidate);
		put_text(writer, "sku", candidate->coupon->sku);
		put_number(writer, "qty", candidate->coupon->quantity, QTY_SCALE);
		end(writer, WJB_END_OBJECT);
	}
	end(writer, WJB_END_ARRAY);
}

/* What multiplies the points of the order. */
static void
put_multipliers(Writer *writer)
{
	const Quote *quote = writer->quote;

	begin_array(writer, "multipliers");
	for (int n = 0; n < writer->napplied; n++)
	{
		const Candidate *candidate = &quote->candidates[writer->applied[n]];

		if (candidate->coupon->kind != COUPON_MULTIPLIER)
			continue;
		begin_object(writer);
		put_candidate(writer, candidate);
		put_number(writer, "factor", candidate->coupon->factor, 3);
		if (candidate->coupon->unit_id != 0)
			put_count(writer, "unit_id", candidate->coupon->unit_id);
		end(writer, WJB_END_OBJECT);
	}
	end(writer, WJB_END_ARRAY);
}

/*
 * Verdicts.
 */

/* What became of a candidate in a quote. */
Verdict
checkout_verdict(const Quote *quote, int i)
{
	const Applied *applied = &quote->pricing.applied[i];
	Verdict		verdict = {
		.candidate = &quote->candidates[i],
		.reason = applied->reason,
		.saving = applied->saving,
		.missing = applied->missing
	};

	if (quote->losers != NULL && !is_applied(quote, i))
	{
		const Loser *loser = &quote->losers[i];

		verdict.reason = loser->reason;
		verdict.saving = loser->saving;
		verdict.missing = loser->missing;
		verdict.beaten_by = loser->beaten_by;
	}
	return verdict;
}

Numeric
checkout_missing(const Verdict *verdict, int scale)
{
	Numeric		missing =
		amount_numeric(verdict->missing,
					   verdict->reason == COUPON_REASON_MIN_AMOUNT ? scale :
					   QTY_SCALE);

	return DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale,
											   NumericGetDatum(missing)));
}

/* '12.50 more', '1 more piece', or what the refusal would say. */
char *
checkout_message(const Verdict *verdict, int scale)
{
	char	   *pieces;

	if (verdict->reason == COUPON_APPLICABLE ||
		verdict->candidate->coupon == NULL)
		return NULL;
	if (verdict->missing == 0)
		return pstrdup(refusal_text(coupon_reason_refusal(verdict->reason))->message);
	if (verdict->reason == COUPON_REASON_MIN_AMOUNT)
		return psprintf("%s more",
						DatumGetCString(DirectFunctionCall1(numeric_out,
															NumericGetDatum(amount_numeric(verdict->missing,
																						   scale)))));
	pieces = numeric_normalize(checkout_missing(verdict, scale));
	return psprintf("%s more %s", pieces,
					strcmp(pieces, "1") == 0 ? "piece" : "pieces");
}

/* A code that leads nowhere says no more than that. */
static void
put_verdict(Writer *writer, const Verdict *verdict)
{
	const Candidate *candidate = verdict->candidate;
	const Coupon *coupon = candidate->coupon;
	int			rival = -1;

	begin_object(writer);
	if (coupon != NULL)
	{
		put_candidate(writer, candidate);
		put_text(writer, "title", coupon->title);
		put_text(writer, "kind", coupon_kind_name(coupon->kind));
	}
	else
		put_text(writer, "code", candidate->given);
	put_bool(writer, "applicable", verdict->reason == COUPON_APPLICABLE);
	if (verdict->reason != COUPON_APPLICABLE)
	{
		put_text(writer, "reason", coupon_reason_name(verdict->reason));
		put_text(writer, "message", checkout_message(verdict,
													 writer->scale));
	}
	if (verdict->reason == COUPON_APPLICABLE || verdict->saving > 0)
		put_money(writer, "saving", verdict->saving);
	if (verdict->missing > 0)
		put_number(writer, "missing", verdict->missing,
				   verdict->reason == COUPON_REASON_MIN_AMOUNT ?
				   writer->scale : QTY_SCALE);
	if (verdict->beaten_by != NULL)
	{
		begin_array(writer, "beaten_by");
		while ((rival = bms_next_member(verdict->beaten_by, rival)) >= 0)
			push_cstring(&writer->state, NULL,
						 writer->quote->candidates[rival].coupon->name);
		end(writer, WJB_END_ARRAY);
	}
	end(writer, WJB_END_OBJECT);
}

/*
 * Every code that was given, every coupon that was looked at, and of the
 * offers those that were applied, or nearly, or kept out by others.
 */
static bool
is_told(const Verdict *verdict)
{
	const Coupon *coupon = verdict->candidate->coupon;

	return coupon == NULL || !coupon->automatic ||
		verdict->reason == COUPON_APPLICABLE || verdict->missing > 0 ||
		verdict->reason == COUPON_REASON_STACK_EXCLUSIVE ||
		verdict->reason == COUPON_REASON_STACK_CATEGORY_LIMIT;
}

static void
put_verdicts(Writer *writer)
{
	begin_array(writer, "verdicts");
	for (int i = 0; i < writer->quote->ncandidates; i++)
	{
		Verdict		verdict = checkout_verdict(writer->quote, i);

		if (is_told(&verdict))
			put_verdict(writer, &verdict);
	}
	end(writer, WJB_END_ARRAY);
}

/*
 * Payments, and what is earned.
 */

static void
put_payments(Writer *writer, const char *name, bool stored)
{
	const Quote *quote = writer->quote;

	begin_array(writer, name);
	for (int i = 0; i < quote->npayments; i++)
	{
		const Payment *payment = &quote->payments[i];
		int			scale = payment->unit->scale;

		if (payment->stored != stored)
			continue;
		begin_object(writer);
		put_text(writer, "unit", payment->unit->code);
		if (payment->asked >= 0)
			put_number(writer, "asked", payment->asked, scale);
		put_number(writer, "available", payment->available, scale);
		put_number(writer, "spent", payment->amount, scale);
		put_money(writer, "amount", payment->money);
		put_text(writer, "limited", payment->limited);
		end(writer, WJB_END_OBJECT);
	}
	end(writer, WJB_END_ARRAY);
}

static void
put_earned(Writer *writer, const Program *program, const Awards *awards)
{
	begin_array(writer, "earned");
	for (int u = 0; awards != NULL && u < program->nunits; u++)
	{
		const Unit *unit = &program->units[u];
		int64		amount = 0;

		for (int i = 0; i < awards->nverdicts; i++)
			if (awards->verdicts[i].rule->unit == unit)
				amount = amount_add(amount, awards->verdicts[i].granted);
		if (amount == 0)
			continue;
		begin_object(writer);
		put_text(writer, "unit", unit->code);
		put_number(writer, "amount", amount, unit->scale);
		end(writer, WJB_END_OBJECT);
	}
	end(writer, WJB_END_ARRAY);
}

static void
put_best(Writer *writer)
{
	const BestCart *found = &writer->quote->found;

	if (!writer->quote->best)
		return;
	push_key(&writer->state, "best");
	begin_object(writer);
	put_bool(writer, "optimal", found->optimal);
	put_money(writer, "saving", found->saving);
	put_money(writer, "bound", found->bound);
	put_count(writer, "looked_at", found->looked_at);
	end(writer, WJB_END_OBJECT);
}

static void
put_totals(Writer *writer)
{
	const Quote *quote = writer->quote;
	int64		list = 0;
	int64		price = 0;

	for (int i = 0; i < quote->lines.n; i++)
	{
		list += quote->cart.list[i];
		price += quote->cart.lines.lines[i].gross;
	}
	put_money(writer, "list", list);
	put_money(writer, "price", price);
	put_money(writer, "discount", quote->pricing.discount);
	put_money(writer, "goods", quote->pricing.goods);
	put_money(writer, "shipping", quote->pricing.shipping);
	put_money(writer, "total", quote->total);
	put_money(writer, "payable", quote->payable);
}

Jsonb *
checkout_document(const Call *call, const Quote *quote, const Awards *earned)
{
	const Program *program = call->decision.program;
	Writer		writer = {
		.quote = quote,
		.scale = program->currency_scale
	};

	sort_applied(&writer);
	begin_object(&writer);
	put_text(&writer, "currency", program->currency);
	put_totals(&writer);
	put_steps(&writer);
	put_lines(&writer);
	put_gifts(&writer);
	put_multipliers(&writer);
	put_verdicts(&writer);
	put_payments(&writer, "points", false);
	put_payments(&writer, "stored_value", true);
	put_best(&writer);
	put_earned(&writer, program, earned);
	return end_object(&writer.state);
}
