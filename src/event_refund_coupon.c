/*
 * event_refund_coupon.c
 *
 * What the coupons of an order saved goes back with it: of each line the
 * share of what is refunded of it, and all of it at the whole.
 */
#include "event_refund.h"

#include "amount.h"
#include "store_coupon.h"

/*
 * The part of a line's discount that is taken back; a line that cost nothing
 * follows its pieces.
 */
static int64
line_returned(const Order *order, int line, int64 discount)
{
	if (order->nets[line] > 0)
		return amount_share(discount,
							order->line_net[line] + order->now_net[line],
							order->nets[line]);
	if (line == order->lines.n)
		return 0;
	return amount_share(discount,
						order->line_qty[line] + order->now_qty[line],
						order->lines.lines[line].qty);
}

/* How much of a use is taken back after this refund; it never falls. */
static int64
use_returned(const Order *order, const CouponUse *use)
{
	int64		returned = 0;

	if (order->whole)
		return use->discount;
	if (use->nlines == order->lines.n + 1 && order->lines.n > 0)
		for (int i = 0; i < use->nlines; i++)
			returned = amount_add(returned,
								  line_returned(order, i,
												use->line_discounts[i]));
	/* without lines, as after an erasure, it follows the order */
	else if (order->has_event && order->amount > 0)
		returned = amount_share(use->discount,
								order->before + order->now, order->amount);
	return Min(Max(returned, use->returned), use->discount);
}

void
refund_return_coupons(Call *call, const Order *order, JournalRow *journal_row)
{
	Decision   *decision = &call->decision;
	CouponReturn *returns;
	CouponUse  *uses;
	int			nreturns = 0;
	int			nuses;

	/* what is recorded anew keeps its coupons */
	if (order->replaced)
		return;
	uses = store_coupon_uses(decision, order->ref, &nuses);
	returns = palloc0(sizeof(CouponReturn) * Max(nuses, 1));
	for (int i = 0; i < nuses; i++)
	{
		CouponReturn back = {
			.use = &uses[i],
			.returned = use_returned(order, &uses[i]),
			.whole = order->whole
		};

		if (!uses[i].reserved &&
			(back.whole || back.returned > uses[i].returned))
			returns[nreturns++] = back;
	}
	if (nreturns > 0)
		store_coupon_return(decision, journal_row, returns, nreturns,
							call->mode == MODE_DRY);
}
