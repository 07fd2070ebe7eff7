/*
 * decide_cart_stack.c
 *
 * Which coupons and offers may be in one order.
 */
#include "decide_cart_work.h"

#include "miscadmin.h"

bool
decide_cart_compatible(const Coupon *one, const Coupon *other)
{
	Stacking	a = one->category->stacking;
	Stacking	b = other->category->stacking;

	if (a == STACKING_ALWAYS || b == STACKING_ALWAYS)
		return true;
	return !one->exclusive && !other->exclusive && a == b;
}

bool
decide_cart_same(const Candidate *one, const Candidate *other)
{
	if (one->coupon_no != 0 && one->coupon_no == other->coupon_no)
		return true;
	return one->code != NULL && other->code != NULL &&
		strcmp(one->code, other->code) == 0;
}

int
decide_cart_allowed(const Candidate *candidate, CouponReason *why)
{
	int			most = candidate->coupon->max_per_order;
	bool		limited = candidate->uses_left >= 0 &&
		candidate->uses_left < most;

	if (why != NULL)
		*why = limited ? candidate->uses_limit :
			COUPON_REASON_STACK_CATEGORY_LIMIT;
	return limited ? (int) candidate->uses_left : most;
}

/* Why a candidate cannot be added to some, or COUPON_APPLICABLE. */
static CouponReason
stack_reason(const Program *program, const Candidate *candidates,
			 const Bitmapset *beside, int added)
{
	const Coupon *coupon = candidates[added].coupon;
	CouponReason template_limit;
	int			max_of_template = decide_cart_allowed(&candidates[added],
													  &template_limit);
	int			of_template = 1;
	int			of_category = 1;
	int			coupons = 1;
	int			i = -1;

	while ((i = bms_next_member(beside, i)) >= 0)
	{
		const Coupon *other = candidates[i].coupon;

		if (!decide_cart_compatible(coupon, other))
			return COUPON_REASON_STACK_EXCLUSIVE;
		/* it may be of another version */
		if (other->coupon_id == coupon->coupon_id)
		{
			CouponReason limit;
			int			most = decide_cart_allowed(&candidates[i], &limit);

			if (most < max_of_template)
			{
				max_of_template = most;
				template_limit = limit;
			}
			of_template++;
		}
		of_category += other->category == coupon->category;
		coupons += !other->automatic;
	}
	if (of_template > max_of_template)
		return template_limit;
	if (coupon->category->max_per_order > 0 &&
		of_category > coupon->category->max_per_order)
		return COUPON_REASON_STACK_CATEGORY_LIMIT;
	if (!coupon->automatic && program->cart.max_coupons > 0 &&
		coupons > program->cart.max_coupons)
		return COUPON_REASON_STACK_TOTAL_LIMIT;
	return COUPON_APPLICABLE;
}

/* Those that are asked: the chosen ones as they were given, then offers. */
static int
asked_for(const Candidate *candidates, int ncandidates, int *asked)
{
	int			n = 0;
	int			chosen;

	for (int i = 0; i < ncandidates; i++)
		if (candidates[i].chosen)
			asked[n++] = i;
	chosen = n;
	for (int i = 0; i < ncandidates; i++)
	{
		const Coupon *coupon = candidates[i].coupon;
		int			at = n;

		if (candidates[i].chosen || coupon == NULL || !coupon->automatic)
			continue;
		for (; at > chosen; at--)
		{
			const Coupon *before = candidates[asked[at - 1]].coupon;

			if (before->priority < coupon->priority ||
				(before->priority == coupon->priority &&
				 before->coupon_id <= coupon->coupon_id))
				break;
			asked[at] = asked[at - 1];
		}
		asked[at] = i;
		n++;
	}
	return n;
}

/* Stacks all but those that have a reason already. */
static Bitmapset *
stack(const Program *program, const Candidate *candidates, int ncandidates,
	  CouponReason *reasons)
{
	int		   *asked = palloc(sizeof(int) * Max(ncandidates, 1));
	int			n = asked_for(candidates, ncandidates, asked);
	Bitmapset  *stacked = NULL;

	for (int i = 0; i < n; i++)
	{
		CouponReason *reason = &reasons[asked[i]];

		CHECK_FOR_INTERRUPTS();
		if (*reason == COUPON_APPLICABLE)
			*reason = stack_reason(program, candidates, stacked, asked[i]);
		if (*reason == COUPON_APPLICABLE)
			stacked = bms_add_member(stacked, asked[i]);
	}
	pfree(asked);
	return stacked;
}

/*
 * Of equal coupons that share a budget those given first are used, in whatever
 * order they are applied: the one that stands back for another that got
 * nothing.
 */
static int
last_equal(const Candidate *candidates, const Bitmapset *use, int which)
{
	int			last = which;
	int			i = which;

	while ((i = bms_next_member(use, i)) >= 0)
		if (candidates[i].coupon == candidates[which].coupon)
			last = i;
	return last;
}

Bitmapset *
decide_cart_choose(const Program *program, const Cart *cart,
				   const Candidate *candidates, int ncandidates,
				   Pricing *pricing)
{
	CouponReason *own = palloc(sizeof(CouponReason) * Max(ncandidates, 1));
	CouponReason *reasons = palloc(sizeof(CouponReason) * Max(ncandidates, 1));
	Bitmapset  *use;
	bool		all;

	for (int i = 0; i < ncandidates; i++)
		own[i] = decide_cart_reason(&candidates[i]);
	do
	{
		int			i = -1;

		CHECK_FOR_INTERRUPTS();
		memcpy(reasons, own, sizeof(CouponReason) * ncandidates);
		use = stack(program, candidates, ncandidates, reasons);
		decide_cart_price(program, cart, candidates, ncandidates, use,
						  pricing);
		all = true;
		while ((i = bms_next_member(use, i)) >= 0)
		{
			CouponReason reason = pricing->applied[i].reason;
			int			back = i;

			if (reason == COUPON_APPLICABLE)
				continue;
			if (reason == COUPON_REASON_BUDGET_EXHAUSTED)
				back = last_equal(candidates, use, i);
			own[back] = reason;
			all = false;
		}
	} while (!all);
	for (int i = 0; i < ncandidates; i++)
		pricing->applied[i].reason = reasons[i];
	return use;
}
