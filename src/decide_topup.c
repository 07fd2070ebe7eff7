/*
 * decide_topup.c
 *
 * Stored value: which part of it is spent.  What was paid is principal;
 * everything else, given or corrected, is bonus.
 */
#include "decide.h"

#include "amount.h"

const TopupCard *
decide_card(const Decision *decision, int32 unit_id)
{
	const Program *program = decision->program;

	if (decision->cards == NULL)
		return NULL;
	for (int i = 0; i < program->ntopups; i++)
		if (decision->cards[i].unit_id == unit_id)
			return &decision->cards[i];
	return NULL;
}

static bool
is_principal(const Lot *lot)
{
	return lot->origin == ORIGIN_PRINCIPAL;
}

int64
decide_principal_of(const LotList *lots)
{
	int64		sum = 0;

	for (int i = 0; i < lots->n; i++)
		if (is_principal(&lots->lots[i]))
			sum = amount_add(sum, lots->lots[i].amount);
	return sum;
}

/* The lots of a unit that can be spent today. */
LotList
decide_usable(const Decision *decision, int32 unit_id)
{
	const LotList *wallet = &decision->account->wallet;
	LotList		usable;

	wallet_init(&usable);
	for (int i = 0; i < wallet->n; i++)
	{
		const Lot  *lot = &wallet->lots[i];

		if (lot->unit_id == unit_id && lot->origin != ORIGIN_DEBT &&
			lot->vests_on <= decision->today &&
			lot->expires_on >= decision->today)
			wallet_post(&usable, lot);
	}
	return usable;
}

static int64
sum_of(const LotList *lots)
{
	int64		sum = 0;

	for (int i = 0; i < lots->n; i++)
		sum = amount_add(sum, lots->lots[i].amount);
	return sum;
}

int64
decide_stored(const Decision *decision, const Unit *unit, bool principal)
{
	LotList		lots = decide_usable(decision, unit->unit_id);
	int64		part = decide_principal_of(&lots);

	return principal ? part : sum_of(&lots) - part;
}

/* How much of an amount that is spent of these lots is principal. */
static int64
principal_share(SpendOrder order, const LotList *lots, int64 amount)
{
	int64		total = sum_of(lots);
	int64		principal = decide_principal_of(lots);

	if (amount > total)
		elog(ERROR, "less than the available balance could be taken");
	switch (order)
	{
		case SPEND_BONUS_FIRST:
			return Max(amount - (total - principal), 0);
		case SPEND_PRINCIPAL_FIRST:
			return Min(amount, principal);
		case SPEND_PROPORTIONAL:
			return total == 0 ? 0 :
				amount - amount_share(amount, total - principal, total);
	}
	elog(ERROR, "unknown order of spending %d", order);
}

int64
decide_principal(const Decision *decision, const Unit *unit, int64 amount)
{
	LotList		lots = decide_usable(decision, unit->unit_id);

	return principal_share(program_topup(decision->program,
										 unit->unit_id)->spend_order,
						   &lots, amount);
}

void
decide_stored_first(const LotList *lots, int64 principal, int64 bonus,
					LotList *part)
{
	wallet_init(part);
	for (int i = 0; i < lots->n; i++)
	{
		Lot			lot = lots->lots[i];
		int64	   *left = is_principal(&lot) ? &principal : &bonus;

		lot.amount = Min(lot.amount, *left);
		*left -= lot.amount;
		wallet_post(part, &lot);
	}
	if (principal > 0 || bonus > 0)
		elog(ERROR, "less stored value than was counted");
}

void
decide_stored_take(const TopupPolicy *policy, const LotList *lots,
				   int64 amount, LotList *taken)
{
	int64		principal = principal_share(policy->spend_order, lots, amount);

	decide_stored_first(lots, principal, amount - principal, taken);
}

DateADT
decide_principal_end(const Decision *decision, const TopupPolicy *policy,
					 DateADT on)
{
	const TopupCard *card = decide_card(decision, policy->unit_id);

	if (policy->unnamed_months == 0 || (card != NULL && card->named))
		return DATEVAL_NOEND;
	return date_add_months(on, policy->unnamed_months);
}
