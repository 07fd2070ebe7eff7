/*
 * store_topup.c
 *
 * The cards of stored value that a decision has to know.
 */
#include "store.h"

#include "amount.h"

/*
 * Loads the member's cards, once.  Runs no statement in a programme that has
 * no stored value.
 */
void
store_load_cards(Decision *decision, bool read_only)
{
	const Program *program = decision->program;

	if (program->ntopups > 0 && decision->cards == NULL)
		decision->cards = topup_cards(decision->account->member_id,
									  program->topups, program->ntopups,
									  read_only);
}

/* Loads them if any of these lots may be principal. */
void
store_load_cards_of(Decision *decision, const LotList *lots, bool read_only)
{
	for (int i = 0; i < lots->n; i++)
		if (lots->lots[i].origin == ORIGIN_PRINCIPAL)
		{
			store_load_cards(decision, read_only);
			return;
		}
}

/* What is set aside of a unit. */
static int64
held_of(Decision *decision, int32 unit_id)
{
	int64		held = 0;

	for (int i = 0; i < decision->nholds; i++)
		if (decision->holds[i].unit_id == unit_id &&
			decision->holds[i].status == HOLD_HELD)
			held = amount_add(held, decision->holds[i].amount);
	return held;
}

/*
 * What stands on the member's card of a unit: in the wallet, set aside, and
 * on its way.
 */
int64
store_card_total(Decision *decision, int32 unit_id)
{
	const TopupCard *card;

	store_load_cards(decision, false);
	if (decision->holds == NULL && decision->account->hold_until != DT_NOEND)
		store_load_holds(decision, ACCOUNT_LOCK);
	card = decide_card(decision, unit_id);
	return amount_add(amount_add(wallet_total(&decision->account->wallet,
											  unit_id),
								 held_of(decision, unit_id)),
					  card->pending);
}
