/*
 * checkout_pay.c
 *
 * How much of a cart points and stored value pay.  Whatever is asked for is
 * cut to what may be, and the quote says why.
 */
#include "checkout.h"

#include "utils/builtins.h"

#include "amount.h"
#include "cart.h"

/* 100 %, in thousandths of a percent. */
#define WHOLE_SHARE 100000

/* Reads one pair of `use`. */
static bool
read_payment(Call *call, const JsonbValue *key, const JsonbValue *value,
			 Payment *payment)
{
	const Program *program = call->decision.program;
	char	   *code = pnstrdup(key->val.string.val, key->val.string.len);
	Refusal		refusal;

	memset(payment, 0, sizeof(Payment));
	payment->unit = program_unit(program, code);
	if (payment->unit == NULL)
		return call_refuse(call, REFUSAL_UNKNOWN_UNIT, "unit=%s",
						   clipped(code));
	payment->stored = program_topup(program, payment->unit->unit_id) != NULL;
	if (!payment->stored &&
		program_cart_unit(program, payment->unit->unit_id) == NULL)
		return call_refuse(call, REFUSAL_UNIT_MISMATCH,
						   "unit=%s does not pay for carts", code);
	payment->asked = -1;
	if (value->type == jbvString && value->val.string.len == 3 &&
		memcmp(value->val.string.val, "max", 3) == 0)
		return true;
	if (value->type != jbvNumeric)
		return call_refuse(call, REFUSAL_CART_INVALID,
						   "use.%s must be a number or \"max\"", code);
	refusal = amount_parse(value->val.numeric, payment->unit->scale,
						   &payment->asked);
	if (refusal == REFUSAL_NONE && payment->asked < 0)
		refusal = REFUSAL_AMOUNT_NOT_POSITIVE;
	return refusal == REFUSAL_NONE ||
		call_refuse(call, refusal, "%s=%s decimals=%d", code,
					numeric_normalize(value->val.numeric),
					payment->unit->scale);
}

/* Points before stored value, each by the age of the unit. */
static int
compare_payments(const void *a, const void *b)
{
	const Payment *one = a;
	const Payment *other = b;

	if (one->stored != other->stored)
		return one->stored ? 1 : -1;
	return one->unit->unit_id < other->unit->unit_id ? -1 : 1;
}

static bool
read_payments(Call *call, const Jsonb *use, Quote *quote)
{
	JsonbIterator *iterator;
	JsonbValue	key;
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(use))
		return call_refuse(call, REFUSAL_CART_INVALID,
						   "use must be a json object");
	quote->payments = palloc(sizeof(Payment) * (JB_ROOT_COUNT(use) + 1));
	iterator = JsonbIteratorInit(unconstify(JsonbContainer *, &use->root));
	(void) JsonbIteratorNext(&iterator, &key, true);
	while (JsonbIteratorNext(&iterator, &key, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&iterator, &value, true);
		if (value.type == jbvNull)
			continue;
		if (!read_payment(call, &key, &value,
						  &quote->payments[quote->npayments]))
			return false;
		if (quote->payments[quote->npayments].asked != 0)
			quote->npayments++;
	}
	qsort(quote->payments, quote->npayments, sizeof(Payment),
		  compare_payments);
	return true;
}

/* Lowers an amount to a limit, and notes the first reason, or why nothing. */
static void
limit(Payment *payment, int64 most, const char *reason)
{
	if (payment->amount <= most)
		return;
	payment->amount = Max(most, 0);
	if (payment->limited == NULL || payment->amount == 0)
		payment->limited = reason;
}

static int64
round_down(int64 amount, int64 step)
{
	return step > 0 ? amount - amount % step : amount;
}

static int64
round_up(int64 amount, int64 step)
{
	return step > 0 ? round_down(amount + step - 1, step) : amount;
}

/* The most points that are worth no more than so much money. */
static int64
points_for(int64 money, const UnitAnchor *anchor)
{
	int128		points = ((int128) (money + 1) * anchor->units - 1) /
		anchor->money;

	return points > AMOUNT_MAX ? AMOUNT_MAX : (int64) points;
}

static int64
money_for(int64 points, const UnitAnchor *anchor)
{
	int128		money = (int128) points * anchor->money / anchor->units;

	return money > AMOUNT_MAX ? AMOUNT_MAX : (int64) money;
}

/* What can be paid by points of a unit, and of that by which limit less. */
static int64
room_for_points(const Call *call, const Quote *quote, const CartUnit *unit,
				const char **reason)
{
	int64		goods = quote->pricing.goods;
	int64		keep = call->decision.program->cart.min_payable;
	int64		room = goods - quote->points_money;
	int64		share = (int64) ((int128) goods * unit->max_share /
								 WHOLE_SHARE);

	*reason = "amount";
	if (keep > 0)
	{
		room -= keep;
		*reason = "min_payable";
	}
	if (share < room)
	{
		room = share;
		*reason = "max_share";
	}
	return Max(room, 0);
}

static void
pay_points(Call *call, Quote *quote, Payment *payment)
{
	const CartUnit *unit = program_cart_unit(call->decision.program,
											 payment->unit->unit_id);
	UnitAnchor	anchor;
	const char *reason;
	int64		room = room_for_points(call, quote, unit, &reason);
	int64		fewest;

	if (!cart_anchor(unit->unit_id, quote->facts->on, quote->read_only,
					 &anchor))
	{
		limit(payment, 0, "no_anchor");
		return;
	}
	limit(payment, payment->available, "available");
	limit(payment, room == 0 ? 0 : points_for(room, &anchor), reason);
	limit(payment, round_down(payment->amount, unit->step), "step");
	if (payment->amount < unit->minimum)
		limit(payment, 0, "minimum");
	payment->money = money_for(payment->amount, &anchor);
	/* none are spent for nothing */
	fewest = payment->money == 0 ? 0 :
		(int64) (((int128) payment->money * anchor.units + anchor.money - 1) /
				 anchor.money);
	if (payment->money > 0)
		fewest = round_up(Max(fewest, unit->minimum), unit->step);
	limit(payment, fewest, "rounding");
}

static void
pay_stored(Quote *quote, Payment *payment)
{
	limit(payment, payment->available, "available");
	limit(payment, quote->total - quote->points_money - quote->stored_money,
		  "amount");
	payment->money = payment->amount;
}

static void
pay(Call *call, Quote *quote, Payment *payment)
{
	bool		all = payment->asked < 0;

	payment->available = decide_available(&call->decision, payment->unit);
	payment->amount = all ? AMOUNT_MAX : payment->asked;
	if (payment->stored)
	{
		pay_stored(quote, payment);
		quote->stored_money += payment->money;
	}
	else
	{
		pay_points(call, quote, payment);
		quote->points_money += payment->money;
	}
	/* who asks for all there is wants to know only why it is nothing */
	if (all && payment->amount > 0)
		payment->limited = NULL;
}

/*
 * Works out what pays for the order after its discounts, by what is asked
 * for (use; NULL: nothing), and what is left to be paid.
 */
bool
checkout_pay(Call *call, const Jsonb *use, Quote *quote)
{
	if (use != NULL && !read_payments(call, use, quote))
		return false;
	if (quote->npayments > 0 && call->account.status == STATUS_FROZEN)
		return call_refuse(call, REFUSAL_MEMBER_FROZEN,
						   "member_id=" INT64_FORMAT, call->member_id);
	for (int i = 0; i < quote->npayments; i++)
	{
		Payment    *payment = &quote->payments[i];

		if (payment->stored)
		{
			store_load_cards(&call->decision, quote->read_only);
			if (!call_card_open(call, &call->decision, payment->unit))
				return false;
		}
		pay(call, quote, payment);
	}
	quote->payable = quote->total - quote->points_money -
		quote->stored_money;
	return true;
}
