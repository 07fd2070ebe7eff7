/*
 * event_refund_share.c
 *
 * How much of what an order moved its refunds take back: shares, rounded
 * down, of what they consumed of its cost; and all of it at the whole.
 */
#include "event_refund.h"

#include "miscadmin.h"

#include "amount.h"

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
		if (refund_is_spend(&order->rows[i]) &&
			order->rows[i].journal_id < journal_id)
			sum += order->rows[i].amount;
	return sum;
}

/*
 * How much of a value that a row moved has been taken back after the first n
 * refunds.  Told by going through them one by one, so that it never falls,
 * whatever was added to the order in between.
 */
int64
refund_taken_back(const Order *order, const OrderRow *row, int64 value,
				  bool whole_only, int nrefunds)
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
			in_units += refund_is_spend(row) ? refund->amount : 0;
			part = in_units;
			whole = spends_until(order, refund->journal_id);
		}
		else
		{
			total = cost_until(order, refund->journal_id);
			refunded += refund->amount;
			if (refund->journal_id < row->journal_id)
				earlier = refunded;
			if (refund_is_spend(row) || row->amount == 0)
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
			(refund->in_units && !refund_is_spend(row)))
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
	int64		taken = refund_taken_back(order, row, award->amount, true, nrefunds);
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
	return refund_taken_back(order, row, award->amount, award->unit->refund_whole,
					  nrefunds);
}

void
refund_take_awards(Call *call, const Order *order, JournalRow *journal_row)
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

			CHECK_FOR_INTERRUPTS();
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

/* Adds the part [from, until) of lots to a list. */
static void
add_between(const LotList *lots, int64 from, int64 until, LotList *part)
{
	int64		start = 0;

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

/* Adds what this refund returns of lots that a row spent. */
static void
add_returned(const Order *order, const OrderRow *row, const LotList *lots,
			 int64 amount, LotList *part)
{
	add_between(lots,
				refund_taken_back(order, row, amount, false, order->nrefunds),
				refund_taken_back(order, row, amount, false,
								  order->nrefunds + 1),
				part);
}

/* The part of stored value that has returned with so much of it. */
static void
returned_parts(const OrderRow *row, int64 returned, LotList *part)
{
	int64		principal = decide_principal_of(&row->spent);
	int64		bonus = row->amount == 0 ? 0 :
		amount_share(returned, row->amount - principal, row->amount);

	decide_stored_first(&row->spent, returned - bonus, bonus, part);
}

/*
 * Of stored value each part, principal and bonus, returns in the proportion
 * in which it was spent, and both together exactly what is due.
 */
static void
add_returned_parts(const Order *order, const OrderRow *row, LotList *part)
{
	LotList		before;

	returned_parts(row, refund_taken_back(order, row, row->amount, false,
										  order->nrefunds), &before);
	returned_parts(row, refund_taken_back(order, row, row->amount, false,
										  order->nrefunds + 1), part);
	for (int i = 0; i < before.n; i++)
	{
		before.lots[i].amount = -before.lots[i].amount;
		wallet_post(part, &before.lots[i]);
	}
}

/* Gives back the share of this refund in whatever was spent. */
void
refund_return_spends(Call *call, const Order *order, JournalRow *journal_row)
{
	for (int i = 0; i < order->nrows; i++)
	{
		const OrderRow *row = &order->rows[i];
		LotList		part;

		if (!refund_is_spend(row))
			continue;
		wallet_init(&part);
		if (program_topup(call->decision.program, row->unit_id) != NULL)
			add_returned_parts(order, row, &part);
		else
			add_returned(order, row, &row->spent, row->amount, &part);
		store_load_cards_of(&call->decision, &part, false);
		decide_give_back(&call->decision, journal_row, &part,
						 call->decision.today);
	}
}

/*
 * Tells how much of what the customer paid beside points and stored value is
 * to be paid back for this refund.
 */
void
refund_tell_payable(const Order *order, JournalRow *journal_row)
{
	for (int i = 0; i < order->nrows && !order->replaced; i++)
	{
		const OrderRow *row = &order->rows[i];
		int64		before;
		int64		after;

		if (!row->is_purchase || row->payable < 0)
			continue;
		before = refund_taken_back(order, row, row->payable, false,
								   order->nrefunds);
		after = refund_taken_back(order, row, row->payable, false,
								  order->nrefunds + 1);
		appendStringInfo(journal_row_begin_message(journal_row,
												   "payable_refund"),
						 ",\"amount\":%s}",
						 amount_text(after - before, order->scale));
	}
}
