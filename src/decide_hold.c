/*
 * decide_hold.c
 *
 * Value set aside, and what becomes of it.
 */
#include "decide.h"

/*
 * Sets an amount that is available aside until a time, by a row of the
 * decision.  The hold has no reference yet.
 */
Hold *
decide_hold(Decision *decision, JournalRow *row, const Unit *unit,
			int64 amount, TimestampTz expires_at)
{
	NewHold    *new_hold = palloc0(sizeof(NewHold));
	Hold	   *hold = &new_hold->hold;

	row->unit_id = unit->unit_id;
	row->has_amount = true;
	row->amount = amount;
	decide_spend(decision, row, unit, amount, &hold->lots);
	hold->unit_id = unit->unit_id;
	hold->amount = amount;
	hold->expires_at = expires_at;
	new_hold->row = row;
	decision->new_holds = lappend(decision->new_holds, new_hold);
	decision->account->hold_until = Min(decision->account->hold_until,
										expires_at);
	return hold;
}

/*
 * The lots of a hold beyond what is spent of it, which is taken as any spend
 * of its unit.
 */
static void
lots_beyond(const Decision *decision, const Hold *hold, int64 captured,
			LotList *rest)
{
	const TopupPolicy *policy = program_topup(decision->program,
											  hold->unit_id);
	LotList		spent;

	wallet_copy(&hold->lots, rest);
	if (policy != NULL)
	{
		decide_stored_take(policy, &hold->lots, captured, &spent);
		for (int i = 0; i < spent.n; i++)
		{
			spent.lots[i].amount = -spent.lots[i].amount;
			wallet_post(rest, &spent.lots[i]);
		}
		return;
	}
	for (int i = 0; i < hold->lots.n; i++)
	{
		Lot			lot = hold->lots.lots[i];

		lot.amount = -Min(captured, lot.amount);
		captured += lot.amount;
		wallet_post(rest, &lot);
	}
}

/*
 * Ends a hold: a part of it is spent, and the rest given back as of a date.
 * The row is that of the ending.
 */
void
decide_hold_end(Decision *decision, JournalRow *row, Hold *hold,
				HoldStatus status, int64 captured, DateADT on)
{
	LotList		rest;

	row->hold_id = hold->hold_id;
	row->unit_id = hold->unit_id;
	row->has_amount = true;
	row->amount = status == HOLD_CAPTURED ? captured : hold->amount;
	hold->status = status;
	hold->captured = captured;
	hold->changed = true;
	lots_beyond(decision, hold, captured, &rest);
	decide_give_back(decision, row, &rest, on);
}
