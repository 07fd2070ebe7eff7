/*
 * decide_cart_loser.c
 *
 * Why a candidate is not in a combination, and which of it are to blame.
 */
#include "decide_cart_search.h"

#include "miscadmin.h"

/*
 * The candidates in use that leave no room for another, and why; none of them
 * (COUPON_APPLICABLE): it fits.
 */
CouponReason
decide_cart_blocked(const Program *program, const Candidate *candidates,
					const Bitmapset *use, int which, Bitmapset **by)
{
	const Coupon *coupon = candidates[which].coupon;
	Bitmapset  *excluding = NULL;
	Bitmapset  *alike = NULL;
	Bitmapset  *of_category = NULL;
	Bitmapset  *coupons = NULL;
	CouponReason limit;
	int			least = decide_cart_allowed(&candidates[which], &limit);
	int			category_limit = coupon->category->max_per_order;
	CouponReason reason = COUPON_APPLICABLE;
	Bitmapset  *found = NULL;
	int			i = -1;

	while ((i = bms_next_member(use, i)) >= 0)
	{
		const Coupon *other = candidates[i].coupon;

		if (!decide_cart_compatible(coupon, other))
			excluding = bms_add_member(excluding, i);
		if (other->coupon_id == coupon->coupon_id)
		{
			CouponReason other_limit;
			int			most = decide_cart_allowed(&candidates[i],
												   &other_limit);

			alike = bms_add_member(alike, i);
			if (most < least)
			{
				least = most;
				limit = other_limit;
			}
		}
		if (other->category == coupon->category)
			of_category = bms_add_member(of_category, i);
		if (!other->automatic)
			coupons = bms_add_member(coupons, i);
	}
	if (excluding != NULL)
	{
		reason = COUPON_REASON_STACK_EXCLUSIVE;
		found = excluding;
	}
	else if (bms_num_members(alike) >= least)
	{
		reason = limit;
		found = alike;
	}
	else if (category_limit > 0 &&
			 bms_num_members(of_category) >= category_limit)
	{
		reason = COUPON_REASON_STACK_CATEGORY_LIMIT;
		found = of_category;
	}
	else if (!coupon->automatic && program->cart.max_coupons > 0 &&
			 bms_num_members(coupons) >= program->cart.max_coupons)
	{
		reason = COUPON_REASON_STACK_TOTAL_LIMIT;
		found = coupons;
	}
	if (by != NULL)
		*by = found;
	return reason;
}

/* Those that save less when another joins them. */
static Bitmapset *
saving_less(const Bitmapset *use, const Pricing *without, const Pricing *with)
{
	Bitmapset  *less = NULL;
	int			i = -1;

	while ((i = bms_next_member(use, i)) >= 0)
		if (with->applied[i].saving < without->applied[i].saving)
			less = bms_add_member(less, i);
	return less;
}

/*
 * Those of the combination that leave no room in the budget of the template
 * that they share with another; NULL: there is enough for all.
 */
static Bitmapset *
sharing_budget(const Candidate *candidates, const Bitmapset *use, int which,
			   const Pricing *with)
{
	Bitmapset  *sharing = NULL;
	bool		exhausted =
		with->applied[which].reason == COUPON_REASON_BUDGET_EXHAUSTED;
	int			i = -1;

	while ((i = bms_next_member(use, i)) >= 0)
	{
		if (candidates[i].coupon->coupon_id !=
			candidates[which].coupon->coupon_id)
			continue;
		sharing = bms_add_member(sharing, i);
		exhausted |=
			with->applied[i].reason == COUPON_REASON_BUDGET_EXHAUSTED;
	}
	return exhausted ? sharing : NULL;
}

void
decide_cart_losers(const Program *program, const Cart *cart,
				   const Candidate *candidates, int ncandidates,
				   const Bitmapset *use, Loser *losers)
{
	Pricing		best = {0};
	Pricing		priced = {0};

	decide_cart_price(program, cart, candidates, ncandidates, use, &best);
	for (int i = 0; i < ncandidates; i++)
	{
		Loser	   *loser = &losers[i];
		Bitmapset  *alone;
		Bitmapset  *joined;

		memset(loser, 0, sizeof(Loser));
		if (bms_is_member(i, use))
			continue;
		/* by itself */
		alone = bms_make_singleton(i);
		decide_cart_price(program, cart, candidates, ncandidates, alone,
						  &priced);
		bms_free(alone);
		loser->reason = priced.applied[i].reason;
		loser->missing = priced.applied[i].missing;
		loser->saving = priced.applied[i].saving;
		if (loser->reason != COUPON_APPLICABLE)
			continue;
		loser->reason = decide_cart_blocked(program, candidates, use, i,
											&loser->beaten_by);
		if (loser->reason != COUPON_APPLICABLE)
			continue;
		loser->reason = COUPON_REASON_NO_EFFECT;
		joined = bms_add_member(bms_copy(use), i);
		decide_cart_price(program, cart, candidates, ncandidates, joined,
						  &priced);
		bms_free(joined);
		loser->beaten_by = sharing_budget(candidates, use, i, &priced);
		if (loser->beaten_by != NULL)
			loser->reason = COUPON_REASON_BUDGET_EXHAUSTED;
		else
			loser->beaten_by = saving_less(use, &best, &priced);
	}
}
