/*
 * checkout_quote.c
 *
 * Prices the cart of a member: member prices, offers, coupons, points and
 * stored value.  Nothing is written; whoever writes has locked the account.
 */
#include "checkout.h"

#include "utils/builtins.h"

#include "amount.h"

/* More codes than anybody has at hand. */
#define MAX_CODES 100

static bool
find_codes(Call *call, const QuoteRequest *request, Quote *quote)
{
	Datum	   *codes = NULL;
	int			n = array_elements(request->codes, TEXTOID, &codes);

	if (n > MAX_CODES)
		return call_refuse(call, REFUSAL_INPUT_TOO_LARGE,
						   "codes has %d elements, at most %d", n, MAX_CODES);
	if (n > 0 && call->account.status == STATUS_FROZEN)
		return call_refuse(call, REFUSAL_MEMBER_FROZEN,
						   "member_id=" INT64_FORMAT, call->member_id);
	quote->candidates = palloc0(sizeof(Candidate) * Max(n, 1));
	quote->ncandidates = n;
	for (int i = 0; i < n; i++)
	{
		Candidate  *candidate = &quote->candidates[i];

		store_coupon_find(&call->decision, DatumGetTextPP(codes[i]),
						  request->ref, request->read_only, candidate);
		candidate->chosen = true;
		/* the same again counts once */
		for (int before = 0; before < i; before++)
			if (candidate->state == COUPON_APPLICABLE &&
				decide_cart_same(candidate, &quote->candidates[before]))
				candidate->state = COUPON_REASON_ALREADY_USED;
	}
	return true;
}

/* Adds candidates, apart from those that were named by the caller. */
static void
add_candidates(Quote *quote, const Candidate *candidates, int n)
{
	int			nnamed = quote->ncandidates;

	quote->candidates = repalloc(quote->candidates,
								 sizeof(Candidate) * (nnamed + n + 1));
	for (int i = 0; i < n; i++)
	{
		bool		named = false;

		for (int before = 0; before < nnamed; before++)
			named |= quote->candidates[before].coupon != NULL &&
				decide_cart_same(&candidates[i], &quote->candidates[before]);
		if (!named)
			quote->candidates[quote->ncandidates++] = candidates[i];
	}
}

/* Adds the offers to what was named. */
void
checkout_offers(Call *call, const text *ref, Quote *quote)
{
	int			n;
	Candidate  *offers = store_coupon_offers(&call->decision, ref,
											 quote->read_only, &n);

	add_candidates(quote, offers, n);
}

static bool
find_candidates(Call *call, const QuoteRequest *request, Quote *quote)
{
	Candidate  *found;
	int			n;

	if (!find_codes(call, request, quote))
		return false;
	checkout_offers(call, request->ref, quote);
	if (request->best && call->member_id != 0 &&
		call->account.status != STATUS_FROZEN)
	{
		found = store_coupon_wallet(&call->decision, request->ref,
									request->read_only, &n);
		add_candidates(quote, found, n);
	}
	return true;
}

/* A row such as the purchase will have, before anything is taken off. */
static void
make_row(Call *call, Quote *quote, const text *ref)
{
	const Cart *cart = &quote->cart;
	JournalRow *row = journal_row_make(call->member_id, "event", quote->at);

	row->event = "purchase";
	row->ref = unconstify(text *, ref);
	row->channel = cart->channel;
	row->store = cart->store;
	row->staff = cart->staff;
	row->tier_before = call->account.tier_id;
	row->has_amount = true;
	row->amount = cart->shipping;
	for (int i = 0; i < cart->lines.n; i++)
		row->amount = amount_add(row->amount, cart->lines.lines[i].gross);
	quote->row = row;
}

/*
 * Loads the facts that offers, coupons and prices are judged by.  The cart
 * may be empty.
 */
void
checkout_facts(Call *call, Quote *quote, const text *ref)
{
	const Program *program = call->decision.program;
	Cart	   *cart = &quote->cart;
	int			needs = program->coupon_needs;

	if (call->member_id != 0)
		needs |= store_price_needs(program);
	make_row(call, quote, ref);
	quote->facts = event_facts_needed(&call->decision, quote->row,
									  cart->items == NULL ? NULL :
									  &cart->lines, cart->items, cart->data,
									  needs, quote->read_only);
}

/*
 * The same, puts the member's prices into the cart, and matches the
 * candidates with it.
 */
void
checkout_match(Call *call, Quote *quote, const text *ref)
{
	Cart	   *cart = &quote->cart;

	checkout_facts(call, quote, ref);
	checkout_prices(call, quote);
	/* at the prices that count */
	quote->facts->items = cart->items;
	make_row(call, quote, ref);
	decide_cart_rank(cart);
	decide_cart_match(&call->decision, quote->row, quote->facts, cart,
					  quote->candidates, quote->ncandidates);
}

/* Chooses what is applied, and prices the cart with it. */
static void
choose(Call *call, const QuoteRequest *request, Quote *quote)
{
	const Program *program = call->decision.program;

	memset(&quote->pricing, 0, sizeof(Pricing));
	if (!request->best)
	{
		quote->use = decide_cart_choose(program, &quote->cart,
										quote->candidates,
										quote->ncandidates, &quote->pricing);
		return;
	}
	quote->best = true;
	decide_cart_best(program, &quote->cart, quote->candidates,
					 quote->ncandidates, &quote->found);
	quote->use = quote->found.use;
	quote->losers = palloc0(sizeof(Loser) * Max(quote->ncandidates, 1));
	decide_cart_losers(program, &quote->cart, quote->candidates,
					   quote->ncandidates, quote->use, quote->losers);
	decide_cart_price(program, &quote->cart, quote->candidates,
					  quote->ncandidates, quote->use, &quote->pricing);
}

/* The uses of what was applied, in the order of the candidates. */
CouponTaking *
checkout_takings(const Quote *quote, int **taken, int *ntakings)
{
	CouponTaking *takings = palloc(sizeof(CouponTaking) *
								   Max(quote->ncandidates, 1));
	int			nlines = quote->cart.lines.n + 1;
	int64	   *nothing = palloc0(sizeof(int64) * nlines);

	*taken = palloc(sizeof(int) * Max(quote->ncandidates, 1));
	*ntakings = 0;
	for (int i = 0; i < quote->ncandidates; i++)
	{
		const Applied *applied = &quote->pricing.applied[i];

		if (!bms_is_member(i, quote->use) ||
			applied->reason != COUPON_APPLICABLE)
			continue;
		(*taken)[*ntakings] = i;
		takings[(*ntakings)++] = (CouponTaking) {
			.candidate = &quote->candidates[i],
			.discount = applied->saving,
			.line_discounts = applied->line_saving ? applied->line_saving :
				nothing,
			.nlines = nlines
		};
	}
	return takings;
}

/* The lines with what each comes to. */
static void
put_nets(Quote *quote)
{
	const CartLines *lines = &quote->cart.lines;

	quote->lines = *lines;
	quote->lines.has_nets = true;
	quote->lines.lines = palloc(sizeof(CartLine) * lines->n);
	for (int i = 0; i < lines->n; i++)
	{
		quote->lines.lines[i] = lines->lines[i];
		quote->lines.lines[i].net = quote->pricing.nets[i];
	}
}

bool
checkout_quote(Call *call, const QuoteRequest *request, Quote *quote)
{
	memset(quote, 0, sizeof(Quote));
	quote->at = call->at;
	quote->read_only = request->read_only;
	if (!checkout_cart(call, request->cart, &quote->cart) ||
		!find_candidates(call, request, quote))
		return false;
	checkout_match(call, quote, request->ref);
	choose(call, request, quote);
	put_nets(quote);
	quote->total = amount_add(quote->pricing.goods, quote->pricing.shipping);
	return checkout_pay(call, request->use, quote);
}
