/*
 * event_refund.c
 *
 * Takes an order back: what it earned is taken, what was spent on it
 * returns.
 *
 * An order is every event, redeem and capture with its reference; the events
 * that have an amount make up what it cost.  Refunds consume that cost in the
 * order in which it came about, so an event added later changes nothing of
 * what was refunded before.  Every award and every spend follows with its
 * share, rounded down, and all of it at the whole: any sequence of partial
 * refunds ends exactly where one full refund does.
 */
#include "event_refund.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "amount.h"
#include "event_benefit.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_event_refund);

enum refund_arg
{
	REFUND_MEMBER_ID,
	REFUND_ORDER,
	REFUND_AMOUNT,
	REFUND_ITEMS,
	REFUND_REF,
	REFUND_DATA,
	REFUND_AT,
	REFUND_KEY,
	REFUND_MODE,
	REFUND_NARGS
};

static bool refund_replays(Call *call);

static const Verb refund_verb = {
	"refund", "refund", NULL, FOR_ANY, false, REFUND_NARGS, {
		[REFUND_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[REFUND_ORDER] = {"ref", ARG_TEXT, true},
		[REFUND_AMOUNT] = {"amount", ARG_NUMERIC},
		[REFUND_ITEMS] = {"items", ARG_JSONB},
		[REFUND_REF] = {"refund_ref", ARG_REF},
		[REFUND_DATA] = {"data", ARG_JSONB},
		[REFUND_AT] = {"at", ARG_AT},
		[REFUND_KEY] = {"key", ARG_KEY},
		[REFUND_MODE] = {"mode", ARG_MODE, true}
	}, refund_replays
};

static bool
exceeds(Call *call, const Order *order, int64 amount)
{
	return call_refuse(call, REFUSAL_REFUND_EXCEEDS,
					   "amount=%s refunded=%s requested=%s",
					   amount_text(order->amount, order->scale),
					   amount_text(order->before, order->scale),
					   amount_text(amount, order->scale));
}

/*
 * Spreads an amount over what the lines have left; what other events of the
 * order cost is beyond them.
 */
static void
spread(Order *order, int64 amount)
{
	int			n = order->lines.n;
	int64	   *left;
	int64		total = 0;

	order->now = amount;
	if (n == 0)
		return;
	left = palloc(sizeof(int64) * (n + 1));
	for (int i = 0; i <= n; i++)
	{
		left[i] = order->nets[i] - order->line_net[i];
		total = amount_add(total, left[i]);
	}
	amount_allocate(Min(amount, total), left, n + 1, order->now_net);
}

/* Has the newest row been refunded, and with it everything? */
static bool
is_refunded(const Order *order)
{
	return order->before >= order->amount && order->nrefunds > 0 &&
		order->refunds[order->nrefunds - 1].journal_id > order->last_row;
}

/* All that is left of the order. */
static bool
refund_whole(Call *call, Order *order)
{
	if (is_refunded(order))
		return exceeds(call, order, 0);
	spread(order, order->amount - order->before);
	for (int i = 0; i < order->lines.n; i++)
		order->now_qty[i] = order->lines.lines[i].qty - order->line_qty[i];
	return true;
}

/* An order that cost nothing has no parts. */
static bool
has_parts(Call *call, const Order *order)
{
	if (order->amount == 0)
		return call_refuse(call, REFUSAL_REFUND_EXCEEDS,
						   "an order of no amount is refunded as a whole");
	if (order->mixed_units && !order->has_event)
		return call_refuse(call, REFUSAL_UNIT_MISMATCH,
						   "an order of several units is refunded as a whole");
	return true;
}

static bool
refund_amount(Call *call, Order *order)
{
	int64		amount;

	if (!has_parts(call, order) ||
		!call_amount(call, REFUND_AMOUNT, order->scale, &amount))
		return false;
	if (amount > order->amount - order->before)
		return exceeds(call, order, amount);
	spread(order, amount);
	return true;
}

/* Takes up to a quantity from one line; returns how much it took. */
static int64
take_quantity(Order *order, int line, int64 qty)
{
	int64		left = order->lines.lines[line].qty -
		order->line_qty[line] - order->now_qty[line];

	qty = Min(qty, left);
	order->now_qty[line] += qty;
	return qty;
}

static bool
has_sku(const Order *order, int line, const JsonbValue *sku)
{
	const char *name = order->lines.lines[line].sku;

	return strlen(name) == sku->val.string.len &&
		memcmp(name, sku->val.string.val, sku->val.string.len) == 0;
}

/* The line of a number that counts from 1, -1 if there is none. */
static int
line_of(const Order *order, const JsonbValue *number)
{
	int64		value;

	if (amount_parse(number->val.numeric, 0, &value) != REFUSAL_NONE ||
		value < 1 || value > order->lines.n)
		return -1;
	return value - 1;
}

/* {"line": n} or {"sku": "..."}, with a qty or for all that is left. */
static bool
refund_item(Call *call, Order *order, const JsonbValue *item, int position)
{
	JsonbValue	buffers[2];
	JsonbValue *number;
	JsonbValue *sku;
	bool		known;
	int64		qty = PG_INT64_MAX;
	int64		taken = 0;

	if (item->type != jbvBinary ||
		!JsonContainerIsObject(item->val.binary.data))
		return call_refuse(call, REFUSAL_ITEMS_INVALID,
						   "item %d must be a json object", position);
	number = item_field(item, "line", &buffers[0]);
	sku = item_field(item, "sku", &buffers[1]);
	if ((number == NULL) == (sku == NULL) ||
		(number != NULL && number->type != jbvNumeric) ||
		(sku != NULL && sku->type != jbvString))
		return call_refuse(call, REFUSAL_ITEMS_INVALID,
						   "item %d must have a line number or a sku",
						   position);
	if (!item_quantity(call, item, position, &qty))
		return false;

	known = number != NULL && line_of(order, number) >= 0;
	if (known)
		taken = take_quantity(order, line_of(order, number), qty);
	for (int i = 0; sku != NULL && i < order->lines.n && taken < qty; i++)
		if (has_sku(order, i, sku))
		{
			known = true;
			taken += take_quantity(order, i, qty - taken);
		}
	if (taken == 0 || (qty != PG_INT64_MAX && taken < qty))
		return call_refuse(call, REFUSAL_REFUND_EXCEEDS,
						   known ?
						   "item %d: the order has less than this left" :
						   "item %d: the order has no such line",
						   position);
	return true;
}

/*
 * Turns quantities into money: cumulative, so that the last one is exact,
 * and of what refunds by amount have left of the line.
 */
static void
price_items(Order *order)
{
	order->now = 0;
	for (int i = 0; i < order->lines.n; i++)
	{
		int64		target = amount_share(order->nets[i] - order->line_money[i],
										  order->line_qty[i] +
										  order->now_qty[i],
										  order->lines.lines[i].qty);
		int64		paid = order->line_net[i] - order->line_money[i];

		if (order->now_qty[i] == 0)
			continue;
		order->now_net[i] = Max(target - paid, 0);
		order->now = amount_add(order->now, order->now_net[i]);
	}
}

static bool
refund_items(Call *call, Order *order)
{
	Jsonb	   *items = call_jsonb(call, REFUND_ITEMS);
	int			n = JB_ROOT_COUNT(items);

	if (!JB_ROOT_IS_ARRAY(items) || JB_ROOT_IS_SCALAR(items) || n == 0)
		return call_refuse(call, REFUSAL_ITEMS_INVALID,
						   "items must be a json array of at least one item");
	if (n > MAX_CART_LINES)
		return call_refuse(call, REFUSAL_INPUT_TOO_LARGE,
						   "items has %d lines, at most %d", n,
						   MAX_CART_LINES);
	if (order->lines.n == 0)
		return call_refuse(call, REFUSAL_ITEMS_INVALID,
						   "the order has no lines; refund it by amount");
	if (!has_parts(call, order))
		return false;
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!refund_item(call, order,
						 getIthJsonbValueFromContainer(&items->root, i),
						 i + 1))
			return false;
	}
	price_items(order);
	return true;
}

/* How much of the order this refund takes, line by line. */
static bool
measure(Call *call, Order *order)
{
	if (call_has(call, REFUND_ITEMS))
		return refund_items(call, order);
	if (call_has(call, REFUND_AMOUNT))
		return refund_amount(call, order);
	return refund_whole(call, order);
}

/* The refund being made is the last one, newer than every row. */
static void
add_this_refund(Order *order)
{
	Refund	   *refund = &order->refunds[order->nrefunds];

	refund->journal_id = PG_INT64_MAX;
	refund->amount = order->now;
	refund->in_units = !order->has_event;
	if (order->lines.n > 0)
		refund->line_net = order->now_net;
	order->whole = order->before + order->now >= order->amount;
}

/* Do the data of a refund, an object, say that the order comes anew? */
static bool
is_replaced(Jsonb *data)
{
	JsonbValue	buffer;
	JsonbValue *value = data == NULL ? NULL :
		getKeyJsonValueFromContainer(&data->root, "replaced",
									 strlen("replaced"), &buffer);

	return value != NULL && value->type == jbvBool && value->val.boolean;
}

/* What this refund took of each line, for the next one. */
static char *
lines_text(const Order *order)
{
	StringInfoData text;
	int			n = order->lines.n;

	initStringInfo(&text);
	appendStringInfoChar(&text, '[');
	for (int i = 0; i <= n; i++)
	{
		if (order->now_net[i] == 0 && order->now_qty[i] == 0)
			continue;
		if (text.len > 1)
			appendStringInfoChar(&text, ',');
		appendStringInfo(&text,
						 "{\"line\":%d,\"qty\":" INT64_FORMAT
						 ",\"net\":" INT64_FORMAT "}",
						 i == n ? 0 : i + 1, order->now_qty[i],
						 order->now_net[i]);
	}
	appendStringInfoChar(&text, ']');
	return text.data;
}

/* Adds the lines to what call_data() has put into the row. */
static void
keep_lines(const Order *order, JournalRow *row)
{
	Datum		document;
	char	   *json;

	if (order->lines.n == 0)
		return;
	json = psprintf("{\"lines\":%s}", lines_text(order));
	document = DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
	if (row->data != NULL)
		document = DirectFunctionCall2(jsonb_concat,
									   JsonbPGetDatum(row->data), document);
	row->data = DatumGetJsonbP(document);
}

/* Reads which order, and whether the call can be repeated safely. */
static bool
read_order(Call *call, Order *order)
{
	bool		partial = call_has(call, REFUND_AMOUNT) ||
		call_has(call, REFUND_ITEMS);

	memset(order, 0, sizeof(Order));
	order->until = PG_INT64_MAX;
	order->ref = call_text(call, REFUND_ORDER);
	if (!call_check_text(call, order->ref, REFUSAL_REF_INVALID, "ref"))
		return false;
	if (call_has(call, REFUND_AMOUNT) && call_has(call, REFUND_ITEMS))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("amount and items cannot both be given")));
	if (partial && call->key == NULL && call->ref == NULL)
		return call_refuse(call, REFUSAL_KEY_INVALID,
						   "a partial refund needs a key or a refund_ref, "
						   "so that it can be repeated safely");
	return true;
}

/* The newest refund of the order, if nothing was added to the order since. */
static Statement select_last_refund = {
	"SELECT journal_id, request_hash FROM loyalty.journal r"
	" WHERE member_id = $1 AND reverses = $2 AND kind = 'refund'"
	" AND NOT EXISTS (SELECT FROM loyalty.journal o WHERE o.member_id = $1"
	" AND o.ref = $2 AND o.kind IN ('event', 'redeem', 'capture')"
	" AND o.journal_id > r.journal_id)"
	" ORDER BY journal_id DESC LIMIT 1",
	2, {INT8OID, TEXTOID}
};

/*
 * A full refund may come without key and reference; it is then recognised by
 * what it asks for.
 */
static bool
refund_replays(Call *call)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(PointerGetDatum(call_text(call, REFUND_ORDER)))
	};
	bool		isnull;
	Datum		hash;

	if (call->key != NULL || call->ref != NULL ||
		statement_run(&select_last_refund, args, false) == 0)
		return false;
	hash = statement_value(0, 2, &isnull);
	if (isnull || !call_is_request(call, DatumGetByteaPP(hash)))
		return false;
	call->replay = journal_read(call->member_id,
								DatumGetInt64(statement_notnull(0, 1)));
	return true;
}

/*
 * Makes a refund of the past again, which took row->reverses back by the
 * journal row of that id: as much of the order as then, but of what its
 * events came to this time.  data are what the refund said, or NULL.  The
 * tier is left to the caller.
 */
void
event_refund_again(Call *call, JournalRow *row, int64 journal_id,
				   Jsonb *data, EventRow event_row, void *context)
{
	Order		order;

	memset(&order, 0, sizeof(Order));
	order.ref = row->reverses;
	order.replaced = is_replaced(data);
	order.until = journal_id + 1;
	order.event_row = event_row;
	order.context = context;
	if (!refund_load(call, &order) || order.nrefunds == 0)
		return;
	/* the last one is this */
	order.nrefunds--;
	refund_return_spends(call, &order, row);
	refund_take_awards(call, &order, row);
}

Datum
loyalty_event_refund(PG_FUNCTION_ARGS)
{
	Call		call;
	Order		order;

	if (call_begin(&call, fcinfo, &refund_verb) &&
		read_order(&call, &order) &&
		call_open(&call) &&
		refund_load(&call, &order) &&
		measure(&call, &order))
	{
		JournalRow *row = call_row(&call, call.now);

		row->reverses = order.ref;
		row->has_amount = true;
		row->amount = order.now;
		if (!order.has_event)
			row->unit_id = order.unit_id;
		add_this_refund(&order);
		if (call_data(&call, REFUND_DATA, REFUND_ITEMS))
		{
			order.replaced = is_replaced(call_jsonb(&call, REFUND_DATA));
			row->takes_all = order.whole && !order.replaced;
			keep_lines(&order, row);
			/* in this order, or what returns could be forgiven first */
			refund_return_spends(&call, &order, row);
			refund_take_awards(&call, &order, row);
			if (order.whole && !order.replaced)
				event_benefit_return_order(&call, row, order.ref);
			refund_return_coupons(&call, &order, row);
			refund_tell_payable(&order, row);
			event_tier_lowered(&call, row);
		}
	}
	return call_close(&call);
}
