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
#include "event.h"
#include "event_benefit.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "amount.h"
#include "statement.h"
#include "store.h"

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

/*
 * A row of the order.  Its awards are the elements of Order.awards from
 * first_award on.
 */
typedef struct OrderRow
{
	int64		journal_id;
	char	   *kind;
	int64		amount;			/* event: of the currency; else of unit_id */
	int64		start;			/* event: what earlier events add up to */
	int32		unit_id;
	int64		hold_id;
	bool		is_purchase;
	Jsonb	   *items;
	Jsonb	   *awards;			/* what the rules came to, NULL if not kept */
	int			first_award;
	int			nawards;
	LotList		spent;			/* redeem, capture: the lots, in spend order */
} OrderRow;

/* A refund of the order: the earlier ones, and last the one being made. */
typedef struct Refund
{
	int64		journal_id;
	int64		amount;
	bool		in_units;		/* made when there was nothing but spends */
	int64	   *line_net;		/* of it, by line; NULL: not known */
} Refund;

typedef struct Order
{
	text	   *ref;
	int			nrows;
	OrderRow   *rows;
	bool		has_event;
	bool		replaced;		/* only to be recorded anew, as it is now */
	bool		mixed_units;	/* of its spends */
	int32		unit_id;		/* of its spends */
	int			scale;			/* of its amount */
	int64		amount;			/* of its events; without one, of its spends */
	int64		last_row;		/* the newest */
	int			nawards;
	Award	   *awards;

	CartLines	lines;			/* n = 0: none, or erased */
	int64	   *nets;			/* one more than lines: the order itself */

	int			nrefunds;		/* one more is allocated */
	Refund	   *refunds;
	int64		before;			/* refunded so far, in terms of amount */
	int64	   *line_qty;		/* the same line by line */
	int64	   *line_net;
	int64	   *line_money;		/* part of line_net, refunded by amount */

	/* this refund */
	int64		now;
	int64	   *now_qty;
	int64	   *now_net;

	int64		until;			/* only rows before this one */
	EventRow	event_row;		/* NULL: what was posted */
	void	   *context;		/* of it */
} Order;

static Statement select_order = {
	"SELECT j.journal_id, j.kind, j.amount, j.unit_id, j.hold_id,"
	" j.event = 'purchase', d.data -> 'items', d.data -> 'awards'"
	" FROM loyalty.journal j"
	" LEFT JOIN loyalty.event_data d USING (member_id, journal_id)"
	" WHERE j.member_id = $1 AND j.ref = $2"
	" AND j.kind IN ('event', 'redeem', 'capture', 'refund')"
	" AND j.journal_id < $3 ORDER BY j.journal_id",
	3, {INT8OID, TEXTOID, INT8OID}
};

static Statement select_refunds = {
	"SELECT j.amount, d.data -> 'lines', j.journal_id,"
	" j.unit_id IS NOT NULL"
	" FROM loyalty.journal j"
	" LEFT JOIN loyalty.event_data d USING (member_id, journal_id)"
	" WHERE j.member_id = $1 AND j.reverses = $2 AND j.kind = 'refund'"
	" AND j.journal_id < $3 ORDER BY j.journal_id",
	3, {INT8OID, TEXTOID, INT8OID}
};

static Statement select_entries = {
	"SELECT unit_id, amount, vests_on, expires_on, origin, rule_id"
	" FROM loyalty.entry WHERE member_id = $1 AND journal_id = $2"
	" ORDER BY line",
	2, {INT8OID, INT8OID}
};

static void
load_rows(const Call *call, Order *order)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(PointerGetDatum(order->ref)),
		ARG(Int64GetDatum(order->until))
	};

	order->nrows = statement_run(&select_order, args, false);
	order->rows = palloc0(sizeof(OrderRow) * Max(order->nrows, 1));
	for (int i = 0; i < order->nrows; i++)
	{
		OrderRow   *row = &order->rows[i];
		bool		isnull;
		Datum		value;

		row->journal_id = DatumGetInt64(statement_notnull(i, 1));
		row->kind = statement_text(i, 2);
		row->amount = statement_int64_or(i, 3, 0);
		row->unit_id = statement_int32_or(i, 4, 0);
		row->hold_id = statement_int64_or(i, 5, 0);
		value = statement_value(i, 6, &isnull);
		row->is_purchase = !isnull && DatumGetBool(value);
		row->items = (Jsonb *) statement_varlena(i, 7);
		row->awards = (Jsonb *) statement_varlena(i, 8);
	}
}

static bool
is_spend(const OrderRow *row)
{
	return strcmp(row->kind, "redeem") == 0 ||
		strcmp(row->kind, "capture") == 0;
}

/* An entry as a lot, with the rule that awarded it. */
static Lot
read_entry(uint64 row, int32 *rule_id)
{
	Lot			lot = {0};
	bool		isnull;
	Datum		value;

	lot.unit_id = DatumGetInt32(statement_notnull(row, 1));
	lot.amount = DatumGetInt64(statement_notnull(row, 2));
	value = statement_value(row, 3, &isnull);
	lot.vests_on = isnull ? DATEVAL_NOBEGIN : DatumGetDateADT(value);
	value = statement_value(row, 4, &isnull);
	lot.expires_on = isnull ? DATEVAL_NOEND : DatumGetDateADT(value);
	if (!origin_from_letter(DatumGetChar(statement_notnull(row, 5)),
							&lot.origin))
		elog(ERROR, "unknown origin of an entry");
	value = statement_value(row, 6, &isnull);
	*rule_id = isnull ? 0 : DatumGetInt32(value);
	return lot;
}

static uint64
run_entries(const Call *call, int64 journal_id)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(Int64GetDatum(journal_id))
	};

	return statement_run(&select_entries, args, false);
}

/* The award of a rule in one event, made if it is not there yet. */
static Award *
award_of(const Call *call, Order *order, int first, const Lot *lot,
		 int32 rule_id)
{
	Award	   *award;

	for (int i = first; i < order->nawards; i++)
	{
		award = &order->awards[i];
		if (award->rule_id == rule_id && award->unit->unit_id == lot->unit_id)
			return award;
	}
	order->awards = order->awards == NULL ?
		palloc(sizeof(Award)) :
		repalloc(order->awards, sizeof(Award) * (order->nawards + 1));
	award = &order->awards[order->nawards++];
	award->unit = program_unit_by_id(call->decision.program, lot->unit_id);
	award->rule_id = rule_id;
	award->amount = 0;
	award->lines = NULL;
	award->nlots = 0;
	award->lots = NULL;
	return award;
}

/* An integer in a document that only the extension writes. */
static int64
document_integer(const JsonbValue *object, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *value = item_field(object, name, &buffer);
	int64		result;

	if (value == NULL || value->type != jbvNumeric ||
		amount_parse(value->val.numeric, 0, &result) != REFUSAL_NONE)
		elog(ERROR, "event_data is damaged");
	return result;
}

/* The lines of the cart that a rule's award was for, as it was kept. */
static void
read_award_lines(Order *order, const OrderRow *row, const JsonbValue *record)
{
	JsonbValue	buffer;
	JsonbValue *lines = item_field(record, "lines", &buffer);
	int64		rule_id = document_integer(record, "rule");

	if (lines == NULL)
		return;
	for (int n = row->first_award; n < row->first_award + row->nawards; n++)
	{
		Award	   *award = &order->awards[n];
		JsonbContainer *array = lines->val.binary.data;

		if (award->rule_id != rule_id)
			continue;
		for (uint32 i = 0; i < JsonContainerSize(array); i++)
		{
			JsonbValue *line = getIthJsonbValueFromContainer(array, i);
			int64		number;

			if (line->type != jbvNumeric ||
				amount_parse(line->val.numeric, 0, &number) != REFUSAL_NONE ||
				number < 1 || number > MAX_CART_LINES)
				elog(ERROR, "event_data is damaged");
			award->lines = bms_add_member(award->lines, number - 1);
		}
	}
}

static void
load_award_lines(Order *order, const OrderRow *row)
{
	if (row->awards == NULL)
		return;
	for (uint32 i = 0; i < JB_ROOT_COUNT(row->awards); i++)
		read_award_lines(order, row,
						 getIthJsonbValueFromContainer(&row->awards->root, i));
}

/* One lot of an award. */
static void
add_award_lot(const Call *call, Order *order, int first, const Lot *lot,
			  int32 rule_id)
{
	Award	   *award = award_of(call, order, first, lot, rule_id);

	award->amount = amount_add(award->amount, lot->amount);
	award->lots = award->lots == NULL ?
		palloc(sizeof(Lot)) :
		repalloc(award->lots, sizeof(Lot) * (award->nlots + 1));
	award->lots[award->nlots++] = *lot;
}

/* The part of a record of verdicts that tells of awards; NULL for none. */
static Jsonb *
awards_of(const Jsonb *record)
{
	JsonbValue	buffer;
	JsonbValue *awards = record == NULL ? NULL :
		getKeyJsonValueFromContainer(unconstify(JsonbContainer *,
												&record->root),
									 "awards", strlen("awards"), &buffer);

	return awards == NULL ? NULL : JsonbValueToJsonb(awards);
}

static void
load_awards(const Call *call, Order *order, OrderRow *row)
{
	const JournalRow *made = order->event_row == NULL ? NULL :
		order->event_row(order->context, row->journal_id);
	uint64		n = made ? made->npostings :
		run_entries(call, row->journal_id);

	row->first_award = order->nawards;
	if (made != NULL)
		row->awards = awards_of(made->awards);
	for (uint64 i = 0; i < n; i++)
	{
		int32		rule_id = made ? made->postings[i].rule_id : 0;
		Lot			lot = made ? made->postings[i].lot :
			read_entry(i, &rule_id);

		add_award_lot(call, order, row->first_award, &lot, rule_id);
	}
	row->nawards = order->nawards - row->first_award;
	load_award_lines(order, row);
}

/* What a redeem took, or what a capture kept of its hold's lots. */
static void
load_spend(const Call *call, OrderRow *row)
{
	wallet_init(&row->spent);
	if (strcmp(row->kind, "capture") == 0)
	{
		const Hold *hold = hold_load(call->member_id, row->hold_id);

		if (hold == NULL)
			elog(ERROR, "hold " INT64_FORMAT " was not found", row->hold_id);
		row->spent = hold->lots;
	}
	else
	{
		uint64		n = run_entries(call, row->journal_id);

		for (uint64 i = 0; i < n; i++)
		{
			int32		rule_id;
			Lot			lot = read_entry(i, &rule_id);

			lot.amount = -lot.amount;
			wallet_post(&row->spent, &lot);
		}
	}
}

/* The cart lines of the purchase and what each contributed. */
static bool
load_lines(Call *call, Order *order, const OrderRow *row)
{
	if (row->items == NULL)
		return true;
	if (!items_parse(call, row->items, &order->lines))
		return false;
	order->nets = cart_nets(&order->lines, row->amount);
	order->line_qty = palloc0(sizeof(int64) * (order->lines.n + 1));
	order->line_net = palloc0(sizeof(int64) * (order->lines.n + 1));
	order->line_money = palloc0(sizeof(int64) * (order->lines.n + 1));
	order->now_qty = palloc0(sizeof(int64) * (order->lines.n + 1));
	order->now_net = palloc0(sizeof(int64) * (order->lines.n + 1));
	return true;
}

static void
add_refunded_lines(Order *order, Refund *refund, const Jsonb *lines)
{
	int			n = JB_ROOT_COUNT(unconstify(Jsonb *, lines));

	refund->line_net = palloc0(sizeof(int64) * (order->lines.n + 1));

	for (int i = 0; i < n; i++)
	{
		JsonbValue *line =
			getIthJsonbValueFromContainer(unconstify(JsonbContainer *,
													 &lines->root), i);
		int64		number = document_integer(line, "line");
		int64		qty;
		int64		net;

		if (number < 0 || number > order->lines.n)
			elog(ERROR, "event_data is damaged");
		/* the order itself is line 0 */
		number = number == 0 ? order->lines.n : number - 1;
		qty = document_integer(line, "qty");
		net = document_integer(line, "net");
		order->line_qty[number] += qty;
		order->line_net[number] += net;
		refund->line_net[number] += net;
		if (qty == 0)
			order->line_money[number] += net;
	}
}

/* What earlier refunds took of the order. */
static void
load_refunds(const Call *call, Order *order)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(PointerGetDatum(order->ref)),
		ARG(Int64GetDatum(order->until))
	};
	uint64		n = statement_run(&select_refunds, args, false);

	order->nrefunds = n;
	order->refunds = palloc0(sizeof(Refund) * (n + 1));
	for (uint64 i = 0; i < n; i++)
	{
		Refund	   *refund = &order->refunds[i];
		Jsonb	   *lines = (Jsonb *) statement_varlena(i, 2);

		CHECK_FOR_INTERRUPTS();
		refund->amount = statement_int64_or(i, 1, 0);
		refund->journal_id = DatumGetInt64(statement_notnull(i, 3));
		refund->in_units = DatumGetBool(statement_notnull(i, 4));
		if (refund->in_units == !order->has_event)
			order->before = amount_add(order->before, refund->amount);
		if (lines != NULL && order->lines.n > 0)
			add_refunded_lines(order, refund, lines);
	}
}

/* Nothing but spends: amounts are in the terms of their unit. */
static bool
count_spends(Call *call, Order *order, bool is_refund)
{
	for (int i = 0; i < order->nrows; i++)
	{
		const OrderRow *row = &order->rows[i];

		if (!is_spend(row))
			continue;
		order->mixed_units |= order->unit_id != 0 &&
			order->unit_id != row->unit_id;
		order->unit_id = row->unit_id;
		order->amount = amount_add(order->amount, row->amount);
	}
	if (order->unit_id == 0)
		return call_refuse(call, is_refund ? REFUSAL_NOT_REVERSIBLE :
						   REFUSAL_ORIGINAL_NOT_FOUND,
						   "member_id=" INT64_FORMAT, call->member_id);
	order->scale = program_unit_by_id(call->decision.program,
									  order->unit_id)->scale;
	return true;
}

/* Loads events, awards, spends and lines of the order. */
static bool
load_order(Call *call, Order *order)
{
	bool		is_refund = false;

	load_rows(call, order);
	order->scale = call->decision.program->currency_scale;
	for (int i = 0; i < order->nrows; i++)
	{
		OrderRow   *row = &order->rows[i];

		if (strcmp(row->kind, "refund") == 0)
		{
			is_refund = true;
			continue;
		}
		order->last_row = row->journal_id;
		if (is_spend(row))
		{
			load_spend(call, row);
			continue;
		}
		order->has_event = true;
		row->start = order->amount;
		order->amount = amount_add(order->amount, row->amount);
		load_awards(call, order, row);
		if (row->is_purchase && !load_lines(call, order, row))
			return false;
	}
	if (!order->has_event && !count_spends(call, order, is_refund))
		return false;
	load_refunds(call, order);
	return true;
}

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
	JsonbValue	buffers[3];
	JsonbValue *number;
	JsonbValue *sku;
	JsonbValue *qty_value;
	int64		qty = PG_INT64_MAX;
	int64		taken = 0;

	if (item->type != jbvBinary ||
		!JsonContainerIsObject(item->val.binary.data))
		return call_refuse(call, REFUSAL_ITEMS_INVALID,
						   "item %d must be a json object", position);
	number = item_field(item, "line", &buffers[0]);
	sku = item_field(item, "sku", &buffers[1]);
	qty_value = item_field(item, "qty", &buffers[2]);
	if ((number == NULL) == (sku == NULL) ||
		(number != NULL && number->type != jbvNumeric) ||
		(sku != NULL && sku->type != jbvString))
		return call_refuse(call, REFUSAL_ITEMS_INVALID,
						   "item %d must have a line number or a sku",
						   position);
	if (qty_value != NULL &&
		!item_quantity(call, qty_value, position, &qty))
		return false;

	if (number != NULL && line_of(order, number) >= 0)
		taken = take_quantity(order, line_of(order, number), qty);
	for (int i = 0; sku != NULL && i < order->lines.n && taken < qty; i++)
		if (has_sku(order, i, sku))
			taken += take_quantity(order, i, qty - taken);
	if (taken == 0 || (qty_value != NULL && taken < qty))
		return call_refuse(call, REFUSAL_REFUND_EXCEEDS,
						   "item %d: the order has less than this left",
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

/* What the order had cost when a refund was made. */
static int64
cost_until(const Order *order, int64 journal_id)
{
	int64		sum = 0;

	for (int i = 0; i < order->nrows; i++)
		if (strcmp(order->rows[i].kind, "event") == 0 &&
			order->rows[i].journal_id < journal_id)
			sum += order->rows[i].amount;
	return sum;
}

/* The same of what was spent on it. */
static int64
spends_until(const Order *order, int64 journal_id)
{
	int64		sum = 0;

	for (int i = 0; i < order->nrows; i++)
		if (is_spend(&order->rows[i]) &&
			order->rows[i].journal_id < journal_id)
			sum += order->rows[i].amount;
	return sum;
}

/*
 * How much of a value that a row moved has been taken back after the first n
 * refunds.  Told by going through them one by one, so that it never falls,
 * whatever was added to the order in between.
 */
static int64
taken_back(const Order *order, const OrderRow *row, int64 value, bool whole_only,
		   int nrefunds)
{
	int64		refunded = 0;	/* so far, of the currency */
	int64		earlier = 0;	/* of it, before the row came about */
	int64		in_units = 0;
	int64		taken = 0;

	for (int n = 0; n < nrefunds; n++)
	{
		const Refund *refund = &order->refunds[n];
		int64		total = 0;	/* what the order had cost by then */
		int64		part;
		int64		whole;

		if (refund->in_units)
		{
			in_units += is_spend(row) ? refund->amount : 0;
			part = in_units;
			whole = spends_until(order, refund->journal_id);
		}
		else
		{
			total = cost_until(order, refund->journal_id);
			refunded += refund->amount;
			if (refund->journal_id < row->journal_id)
				earlier = refunded;
			if (is_spend(row) || row->amount == 0)
			{
				part = refunded - earlier;
				whole = total - earlier;
			}
			else
			{
				part = Min(Max(refunded - row->start, 0), row->amount);
				whole = row->amount;
			}
		}
		if (refund->journal_id < row->journal_id ||
			(refund->in_units && !is_spend(row)))
			continue;
		if (part >= whole)
			taken = value;
		else if (!whole_only)
			taken = Max(taken, amount_share(value, part, whole));
	}
	return taken;
}

/*
 * The same of an award that was for some lines of the cart: its share is
 * that of these lines.  Lines that cost nothing follow the whole order.
 */
static int64
lines_taken_back(const Order *order, const OrderRow *row, const Award *award,
				 int nrefunds)
{
	int64		taken = taken_back(order, row, award->amount, true, nrefunds);
	int64		total = 0;
	int64		refunded = 0;
	int			line = -1;

	if (taken > 0 || award->unit->refund_whole)
		return taken;
	while ((line = bms_next_member(award->lines, line)) >= 0)
	{
		if (line >= order->lines.n)
			elog(ERROR, "event_data is damaged");
		total += order->nets[line];
		for (int n = 0; n < nrefunds; n++)
			if (order->refunds[n].line_net != NULL)
				refunded += order->refunds[n].line_net[line];
	}
	return total == 0 ? 0 : amount_share(award->amount, refunded, total);
}

static int64
award_taken_back(const Order *order, const OrderRow *row, const Award *award,
				 int nrefunds)
{
	/* without its lines, as after an erasure, an award is the order's */
	if (award->lines != NULL && order->lines.n > 0)
		return lines_taken_back(order, row, award, nrefunds);
	return taken_back(order, row, award->amount, award->unit->refund_whole,
					  nrefunds);
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

static void
take_back_awards(Call *call, const Order *order, JournalRow *journal_row)
{
	bool		keep_metrics = !order->replaced &&
		call->decision.program->tier_refund == TIER_REFUND_NEVER;
	int64	   *from = palloc(sizeof(int64) * Max(order->nawards, 1));
	int64	   *until = palloc(sizeof(int64) * Max(order->nawards, 1));

	for (int i = 0; i < order->nrows; i++)
	{
		const OrderRow *row = &order->rows[i];

		for (int n = row->first_award; n < row->first_award + row->nawards; n++)
		{
			const Award *award = &order->awards[n];

			from[n] = award_taken_back(order, row, award, order->nrefunds);
			until[n] = award_taken_back(order, row, award,
										order->nrefunds + 1);
			if (award->unit->kind == UNIT_METRIC && keep_metrics)
				until[n] = from[n];
		}
	}
	decide_take_back(&call->decision, journal_row, order->awards,
					 order->nawards, from, until);
}

/* The part [from, until) of the lots that were spent. */
static void
lots_between(const LotList *lots, int64 from, int64 until, LotList *part)
{
	int64		start = 0;

	wallet_init(part);
	for (int i = 0; i < lots->n; i++)
	{
		Lot			lot = lots->lots[i];
		int64		end = start + lot.amount;

		lot.amount = Min(end, until) - Max(start, from);
		start = end;
		if (lot.amount > 0)
			wallet_post(part, &lot);
	}
}

static void
give_back_spends(Call *call, const Order *order, JournalRow *journal_row)
{
	for (int i = 0; i < order->nrows; i++)
	{
		const OrderRow *row = &order->rows[i];
		LotList		part;

		if (!is_spend(row))
			continue;
		lots_between(&row->spent,
					 taken_back(order, row, row->amount, false,
								order->nrefunds),
					 taken_back(order, row, row->amount, false,
								order->nrefunds + 1),
					 &part);
		decide_give_back(&call->decision, journal_row, &part,
						 call->decision.today);
	}
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
	if (!load_order(call, &order) || order.nrefunds == 0)
		return;
	/* the last one is this */
	order.nrefunds--;
	give_back_spends(call, &order, row);
	take_back_awards(call, &order, row);
}

/* Is the order taken back wholly by this refund, and not made anew? */
static bool
is_whole(const Order *order)
{
	return order->before + order->now >= order->amount && !order->replaced;
}

Datum
loyalty_event_refund(PG_FUNCTION_ARGS)
{
	Call		call;
	Order		order;

	if (call_begin(&call, fcinfo, &refund_verb) &&
		read_order(&call, &order) &&
		call_open(&call) &&
		load_order(&call, &order) &&
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
			keep_lines(&order, row);
			/* in this order, or what returns could be forgiven first */
			give_back_spends(&call, &order, row);
			take_back_awards(&call, &order, row);
			if (is_whole(&order))
				event_benefit_return_order(&call, row, order.ref);
			event_tier_lowered(&call, row);
		}
	}
	return call_close(&call);
}
