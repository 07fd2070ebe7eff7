/*
 * event_refund_order.c
 *
 * Loads an order that is refunded: its events and what they earned, what was
 * spent on it, its lines, and what earlier refunds took of it.
 */
#include "event_refund.h"

#include "miscadmin.h"

#include "amount.h"
#include "statement.h"

static Statement select_order = {
	"SELECT j.journal_id, j.kind, j.amount, j.unit_id, j.hold_id,"
	" j.event = 'purchase', d.data -> 'items', d.data -> 'awards',"
	" (d.data #> '{checkout,payable}')::numeric"
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

/* What was to be paid for a checkout; -1 for what was none. */
static int64
read_payable(uint64 row, int scale)
{
	bool		isnull;
	Datum		value = statement_value(row, 9, &isnull);
	int64		payable;

	if (isnull)
		return -1;
	if (amount_parse(DatumGetNumeric(value), scale,
					 &payable) != REFUSAL_NONE)
		elog(ERROR, "event_data is damaged");
	return payable;
}

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
		row->payable = read_payable(i, call->decision.program->currency_scale);
	}
}

bool
refund_is_spend(const OrderRow *row)
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

/*
 * Of stored value, what a capture kept of its hold's lots: principal and
 * bonus but for what came back of them.  Of others it is the first of them.
 */
static void
load_capture(const Call *call, OrderRow *row, const Hold *hold)
{
	int64		principal = decide_principal_of(&hold->lots);
	uint64		n;

	row->spent = hold->lots;
	if (program_topup(call->decision.program, hold->unit_id) == NULL)
		return;
	n = run_entries(call, row->journal_id);
	for (uint64 i = 0; i < n; i++)
	{
		int32		rule_id;
		Lot			lot = read_entry(i, &rule_id);

		if (lot.origin == ORIGIN_PRINCIPAL)
			principal -= lot.amount;
	}
	principal = Min(principal, row->amount);
	decide_stored_first(&hold->lots, principal, row->amount - principal,
						&row->spent);
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
		load_capture(call, row, hold);
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

		if (!refund_is_spend(row))
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
bool
refund_load(Call *call, Order *order)
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
		if (refund_is_spend(row))
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
