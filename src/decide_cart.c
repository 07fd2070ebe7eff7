/*
 * decide_cart.c
 *
 * For what lines of a cart a coupon is, and why it does not apply: all that
 * is the same whatever else is applied.
 */
#include "decide_cart_work.h"

#include "miscadmin.h"

#include "amount.h"
#include "condition.h"

/* In the order of the reasons. */
static const Refusal refusals[] = {
	[COUPON_APPLICABLE] = REFUSAL_NONE,
	[COUPON_REASON_NOT_FOUND] = REFUSAL_COUPON_NOT_FOUND,
	[COUPON_REASON_DISABLED] = REFUSAL_DISABLED,
	[COUPON_REASON_CAMPAIGN_NOT_RUNNING] = REFUSAL_CAMPAIGN_NOT_RUNNING,
	[COUPON_REASON_NOT_STARTED] = REFUSAL_NOT_STARTED,
	[COUPON_REASON_EXPIRED] = REFUSAL_EXPIRED,
	[COUPON_REASON_NOT_IN_TIME_WINDOW] = REFUSAL_NOT_IN_WINDOW,
	[COUPON_REASON_ALREADY_USED] = REFUSAL_ALREADY_USED,
	[COUPON_REASON_NOT_OWNER] = REFUSAL_NOT_OWNER,
	[COUPON_REASON_MEMBER_REQUIRED] = REFUSAL_MEMBER_REQUIRED,
	[COUPON_REASON_SEGMENT_MISMATCH] = REFUSAL_SEGMENT_MISMATCH,
	[COUPON_REASON_TIER_MISMATCH] = REFUSAL_TIER_MISMATCH,
	[COUPON_REASON_CHANNEL_MISMATCH] = REFUSAL_CHANNEL_MISMATCH,
	[COUPON_REASON_STORE_MISMATCH] = REFUSAL_STORE_MISMATCH,
	[COUPON_REASON_FIRST_ORDER_ONLY] = REFUSAL_FIRST_ORDER_ONLY,
	[COUPON_REASON_MIN_AMOUNT] = REFUSAL_MIN_AMOUNT,
	[COUPON_REASON_MAX_AMOUNT] = REFUSAL_MAX_AMOUNT,
	[COUPON_REASON_MIN_QUANTITY] = REFUSAL_MIN_QUANTITY,
	[COUPON_REASON_MAX_QUANTITY] = REFUSAL_MAX_QUANTITY,
	[COUPON_REASON_NO_MATCHING_ITEMS] = REFUSAL_NO_MATCHING_ITEMS,
	[COUPON_REASON_EXCLUDED_ITEMS] = REFUSAL_EXCLUDED_ITEMS,
	[COUPON_REASON_PAYMENT_METHOD] = REFUSAL_PAYMENT_METHOD,
	[COUPON_REASON_CONDITION_NOT_MET] = REFUSAL_CONDITION_NOT_MET,
	[COUPON_REASON_LIMIT_CODE] = REFUSAL_LIMIT_CODE,
	[COUPON_REASON_LIMIT_MEMBER] = REFUSAL_LIMIT_MEMBER,
	[COUPON_REASON_LIMIT_PERIOD] = REFUSAL_LIMIT_PERIOD,
	[COUPON_REASON_LIMIT_CAMPAIGN] = REFUSAL_LIMIT_CAMPAIGN,
	[COUPON_REASON_BUDGET_EXHAUSTED] = REFUSAL_BUDGET_EXHAUSTED,
	[COUPON_REASON_RESERVATION_REQUIRED] = REFUSAL_RESERVATION_REQUIRED,
	[COUPON_REASON_RESERVED_BY_OTHER] = REFUSAL_RESERVED_BY_OTHER,
	[COUPON_REASON_STACK_EXCLUSIVE] = REFUSAL_STACK_EXCLUSIVE,
	[COUPON_REASON_STACK_CATEGORY_LIMIT] = REFUSAL_STACK_CATEGORY_LIMIT,
	[COUPON_REASON_STACK_TOTAL_LIMIT] = REFUSAL_STACK_TOTAL_LIMIT,
	[COUPON_REASON_NO_EFFECT] = REFUSAL_NO_EFFECT
};

StaticAssertDecl(lengthof(refusals) == COUPON_NREASONS,
				 "each reason has a refusal");

/* What is worked out once for all candidates. */
typedef struct Matching
{
	const Decision *decision;
	const JournalRow *row;
	Facts	   *facts;
	const Cart *cart;
	Jsonb	  **lines;			/* as filters see them; made when first asked */
} Matching;

Refusal
coupon_reason_refusal(CouponReason reason)
{
	return refusals[reason];
}

const char *
coupon_reason_name(CouponReason reason)
{
	return reason == COUPON_APPLICABLE ? "applicable" :
		refusal_text(refusals[reason])->reason;
}

CouponReason
decide_cart_reason(const Candidate *candidate)
{
	if (candidate->state == COUPON_APPLICABLE ||
		candidate->terms == COUPON_APPLICABLE)
		return Max(candidate->state, candidate->terms);
	return Min(candidate->state, candidate->terms);
}

/* The reason that decide_terms() names. */
static CouponReason
reason_named(const char *name)
{
	for (int i = COUPON_APPLICABLE + 1; i < COUPON_NREASONS; i++)
		if (strcmp(coupon_reason_name(i), name) == 0)
			return i;
	elog(ERROR, "terms gave the unknown reason \"%s\"", name);
}

/*
 * Ranks of lines.
 */

/* Fields that are not compared one by one, category and more. */
static int
compare_items(const Cart *cart, int a, int b)
{
	JsonbContainer *items = &cart->items->root;

	return compareJsonbContainers(getIthJsonbValueFromContainer(items, a)->val.binary.data,
								  getIthJsonbValueFromContainer(items, b)->val.binary.data);
}

static int
compare_lines(const void *a, const void *b, void *context)
{
	const Cart *cart = context;
	int			x = *(const int *) a;
	int			y = *(const int *) b;
	const CartLine *one = &cart->lines.lines[x];
	const CartLine *other = &cart->lines.lines[y];
	int			order = strcmp(one->sku, other->sku);

	if (order == 0)
		order = (one->gross > other->gross) - (one->gross < other->gross);
	if (order == 0)
		order = (one->qty > other->qty) - (one->qty < other->qty);
	if (order == 0)
		order = compare_items(cart, x, y);
	return order != 0 ? order : x - y;
}

void
decide_cart_rank(Cart *cart)
{
	int			n = cart->lines.n;
	int		   *order = palloc(sizeof(int) * Max(n, 1));

	cart->rank = palloc(sizeof(int) * Max(n, 1));
	for (int i = 0; i < n; i++)
		order[i] = i;
	qsort_arg(order, n, sizeof(int), compare_lines, cart);
	for (int i = 0; i < n; i++)
		cart->rank[order[i]] = i;
	pfree(order);
}

/*
 * Lines of a coupon.
 */

static bool
passes_filter(Matching *matching, JsonPath *filter, int line)
{
	const Cart *cart = matching->cart;
	Jsonb	  **json = &matching->lines[line];

	if (filter == NULL)
		return true;
	if (*json == NULL)
		*json = decide_line(matching->facts, line,
							cart->lines.lines[line].gross,
							matching->decision->program->currency_scale);
	return condition_match(filter, *json) == CONDITION_TRUE;
}

/*
 * The lines that a coupon means.  NULL: none; why: because none matches, or
 * because all that would are excluded.
 */
static Bitmapset *
lines_meant(Matching *matching, const CouponLines *meant, CouponReason *why)
{
	const CartLines *list = &matching->cart->lines;
	Bitmapset  *lines = NULL;

	*why = COUPON_REASON_NO_MATCHING_ITEMS;
	for (int i = 0; i < list->n; i++)
	{
		const CartLine *line = &list->lines[i];

		CHECK_FOR_INTERRUPTS();
		if (meant->collection_name != NULL &&
			!cart_line_in(meant->collection, line))
			continue;
		if (!passes_filter(matching, meant->filter, i))
			continue;
		if (meant->excluded_name != NULL &&
			cart_line_in(meant->excluded, line))
			*why = COUPON_REASON_EXCLUDED_ITEMS;
		else
			lines = bms_add_member(lines, i);
	}
	return lines;
}

/* Finds the lines, and what those that count come to. */
static CouponReason
match_lines(Matching *matching, Candidate *candidate)
{
	const Coupon *coupon = candidate->coupon;
	CouponReason why;
	int			line = -1;

	candidate->match = lines_meant(matching, &coupon->match, &why);
	candidate->target = candidate->match;
	while ((line = bms_next_member(candidate->match, line)) >= 0)
	{
		const CartLine *item = &matching->cart->lines.lines[line];

		candidate->amount = amount_add(candidate->amount, item->gross);
		candidate->quantity = amount_add(candidate->quantity, item->qty);
	}
	if (candidate->match != NULL && coupon->has_target)
		candidate->target = lines_meant(matching, &coupon->target, &why);
	return candidate->target == NULL ? why : COUPON_APPLICABLE;
}

/*
 * Reasons.
 */

/* Does it ask for something that a guest cannot show? */
static bool
needs_member(const Coupon *coupon)
{
	const Terms *terms = &coupon->terms;

	return coupon->claim_required || terms->tiers != NULL ||
		terms->tags != NULL || terms->segments != NULL ||
		terms->birthday != RECUR_NONE || terms->anniversary != RECUR_NONE ||
		terms->first_purchases > 0 || terms->idle_from >= 0 ||
		terms->idle_until >= 0;
}

static CouponReason
check_terms(Matching *matching, const Coupon *coupon)
{
	const char *reason;

	if (matching->decision->account->member_id == 0 && needs_member(coupon))
		return COUPON_REASON_MEMBER_REQUIRED;
	reason = decide_terms(matching->decision, matching->row, matching->facts,
						  &coupon->terms);
	return reason == NULL ? COUPON_APPLICABLE : reason_named(reason);
}

/* Is less there than is needed?  Then tells how much less. */
static bool
is_missing(Candidate *candidate, int64 have, int64 minimum, int64 step)
{
	candidate->missing = Max(Max(minimum, step) - have, 0);
	return candidate->missing > 0;
}

/* The amount and the quantity of the lines that count. */
static CouponReason
check_amounts(Candidate *candidate)
{
	const Coupon *coupon = candidate->coupon;
	int64		first_step = coupon->kind == COUPON_LADDER ?
		coupon->steps[0].from : 0;

	if (is_missing(candidate, candidate->amount, coupon->min_amount,
				   coupon->steps_by_quantity ? 0 : first_step))
		return COUPON_REASON_MIN_AMOUNT;
	if (coupon->max_amount >= 0 && candidate->amount > coupon->max_amount)
		return COUPON_REASON_MAX_AMOUNT;
	if (is_missing(candidate, candidate->quantity, coupon->min_quantity,
				   coupon->steps_by_quantity ? first_step : 0))
		return COUPON_REASON_MIN_QUANTITY;
	if (coupon->max_quantity >= 0 &&
		candidate->quantity > coupon->max_quantity)
		return COUPON_REASON_MAX_QUANTITY;
	return COUPON_APPLICABLE;
}

static CouponReason
check_rest(Matching *matching, const Coupon *coupon)
{
	const char *method = matching->cart->payment_method;

	if (coupon->payment_methods != NULL &&
		(method == NULL || !name_listed(coupon->payment_methods, method)))
		return COUPON_REASON_PAYMENT_METHOD;
	if (decide_terms_condition(matching->decision, matching->row,
							   matching->facts, &coupon->terms) != NULL)
		return COUPON_REASON_CONDITION_NOT_MET;
	return COUPON_APPLICABLE;
}

/*
 * The first reason by which a coupon does not apply to the cart.  What no
 * line counts for is not measured: no minimum is near then.
 */
static CouponReason
judge(Matching *matching, Candidate *candidate)
{
	CouponReason reason = check_terms(matching, candidate->coupon);
	CouponReason lines;

	if (reason != COUPON_APPLICABLE)
		return reason;
	lines = match_lines(matching, candidate);
	if (candidate->match != NULL)
		reason = check_amounts(candidate);
	if (reason == COUPON_APPLICABLE)
		reason = lines;
	if (reason == COUPON_APPLICABLE)
		reason = check_rest(matching, candidate->coupon);
	return reason;
}

/*
 * Order of application.
 */

typedef enum Stage
{
	STAGE_OFFER_BY_LINE,
	STAGE_OFFER,
	STAGE_COUPON_BY_LINE,
	STAGE_COUPON,
	STAGE_SHIPPING
} Stage;

bool
decide_cart_by_piece(const Coupon *coupon)
{
	return coupon->kind == COUPON_PRICE || coupon->kind == COUPON_BUNDLE ||
		coupon->kind == COUPON_BUY_GET || coupon->kind == COUPON_EXCHANGE;
}

bool
decide_cart_by_line(const Coupon *coupon)
{
	return coupon->by_line || coupon->has_target ||
		decide_cart_by_piece(coupon);
}

static Stage
stage_of(const Coupon *coupon)
{
	bool		by_line = decide_cart_by_line(coupon);

	if (coupon->kind == COUPON_SHIPPING)
		return STAGE_SHIPPING;
	if (coupon->automatic)
		return by_line ? STAGE_OFFER_BY_LINE : STAGE_OFFER;
	return by_line ? STAGE_COUPON_BY_LINE : STAGE_COUPON;
}

static int
compare_numbers(int64 a, int64 b)
{
	return (a > b) - (a < b);
}

static int
compare_coupon_places(const Coupon *x, const Coupon *y)
{
	int			order = compare_numbers(stage_of(x), stage_of(y));

	if (order == 0)
		order = compare_numbers(x->category->rank, y->category->rank);
	if (order == 0)
		order = compare_numbers(x->priority, y->priority);
	return order != 0 ? order : compare_numbers(x->coupon_id, y->coupon_id);
}

/* Of pointers to candidates; those that were not found come last. */
static int
compare_places(const void *a, const void *b)
{
	const Candidate *one = *(Candidate *const *) a;
	const Candidate *other = *(Candidate *const *) b;
	int			order = (one->coupon == NULL) - (other->coupon == NULL);

	if (order == 0 && one->coupon != NULL)
		order = compare_coupon_places(one->coupon, other->coupon);
	if (order == 0)
		order = compare_numbers(one->coupon_no, other->coupon_no);
	if (order == 0 && one->code != NULL && other->code != NULL)
		order = strcmp(one->code, other->code);
	return order != 0 ? order : compare_numbers((intptr_t) one, (intptr_t) other);
}

/* One version of a coupon after the other. */
static int
compare_coupons(const void *a, const void *b)
{
	const Candidate *one = *(Candidate *const *) a;
	const Candidate *other = *(Candidate *const *) b;

	return compare_numbers((intptr_t) one->coupon, (intptr_t) other->coupon);
}

/* What was found for one candidate is so for all of the same version. */
static void
copy_match(Candidate *to, const Candidate *from)
{
	to->match = from->match;
	to->target = from->target;
	to->amount = from->amount;
	to->quantity = from->quantity;
	to->terms = from->terms;
	to->missing = from->missing;
}

void
decide_cart_match(const Decision *decision, const JournalRow *row,
				  Facts *facts, const Cart *cart, Candidate *candidates,
				  int ncandidates)
{
	Matching	matching = {decision, row, facts, cart};
	Candidate **order = palloc(sizeof(Candidate *) * Max(ncandidates, 1));

	matching.lines = palloc0(sizeof(Jsonb *) * Max(cart->lines.n, 1));
	for (int i = 0; i < ncandidates; i++)
		order[i] = &candidates[i];
	qsort(order, ncandidates, sizeof(Candidate *), compare_coupons);
	for (int i = 0; i < ncandidates; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (order[i]->coupon == NULL)
			continue;
		if (i > 0 && order[i]->coupon == order[i - 1]->coupon)
			copy_match(order[i], order[i - 1]);
		else
			order[i]->terms = judge(&matching, order[i]);
	}
	qsort(order, ncandidates, sizeof(Candidate *), compare_places);
	for (int i = 0; i < ncandidates; i++)
		order[i]->place = i;
	pfree(order);
}

/*
 * Without a cart: what says nothing about a channel, a store, lines or their
 * amounts.
 */
CouponReason
decide_cart_member(const Decision *decision, const JournalRow *row,
				   Facts *facts, const Candidate *candidate)
{
	Terms		terms;
	const char *reason;

	if (candidate->coupon == NULL)
		return candidate->state;
	terms = candidate->coupon->terms;
	terms.channels = NULL;
	terms.stores = NULL;
	terms.store_collection_name = NULL;
	reason = decide_terms(decision, row, facts, &terms);
	if (reason == NULL)
		return candidate->state;
	return candidate->state == COUPON_APPLICABLE ? reason_named(reason) :
		Min(candidate->state, reason_named(reason));
}
