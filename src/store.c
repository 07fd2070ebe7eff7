/*
 * store.c
 *
 * One routine loads and locks accounts, one stores decisions: few simple
 * statements with kept plans, each naming the member, which were measured
 * faster than one data-modifying CTE.
 */
#include "store.h"

#include "utils/builtins.h"

#include "statement.h"

/*
 * Loads the open holds of a decision's account, and sets hold_until to what
 * it is exactly once those that are due have timed out.
 */
void
store_load_holds(Decision *decision, AccountLock lock)
{
	Account    *account = decision->account;

	decision->nholds = hold_load_open(account->member_id,
									  lock == ACCOUNT_READ_STABLE,
									  &decision->holds);
	account->hold_until = DT_NOEND;
	for (int i = 0; i < decision->nholds; i++)
		if (decision->holds[i].expires_at > decision->now)
			account->hold_until = Min(account->hold_until,
									  decision->holds[i].expires_at);
}

/* Does the programme know every unit of the wallet? */
static bool
knows_units(const Program *program, const LotList *wallet)
{
	for (int i = 0; i < wallet->n; i++)
		if ((i == 0 ||
			 wallet->lots[i].unit_id != wallet->lots[i - 1].unit_id) &&
			!program_has_unit(program, wallet->lots[i].unit_id))
			return false;
	return true;
}

/*
 * Loads and locks an account as asked, with its programme and, if one may
 * have timed out, its open holds; starts the decision.  False if there is no
 * such member.
 */
bool
store_load(int64 member_id, AccountLock lock, TimestampTz now,
		   Account *account, Decision *decision)
{
	const Program *program;

	if (!account_load(member_id, lock, account))
		return false;
	program = program_get(account->program_id);
	if (program != NULL && !knows_units(program, &account->wallet))
		program = program_refresh(account->program_id);
	if (program != NULL && !knows_units(program, &account->wallet))
		ereport(ERROR,
				(errcode(refusal_sqlstate(REFUSAL_INVARIANT_VIOLATED)),
				 errmsg("%s",
						refusal_text(REFUSAL_INVARIANT_VIOLATED)->message),
				 errdetail("The wallet of member " INT64_FORMAT " has a unit "
						   "that its programme has not.", member_id),
				 errhint("Run loyalty.verify(), then loyalty.rebuild().")));
	if (program == NULL)
		elog(ERROR, "programme %d of member " INT64_FORMAT " was not found",
			 account->program_id, member_id);
	decide_begin(decision, account, program, now);
	if (account->hold_until <= now)
		store_load_holds(decision, lock);
	return true;
}

/*
 * Gives the rows their ids, in the order in which they are stored: that
 * order is the order of the ids.
 */
void
store_number(Decision *decision)
{
	for (int i = 0; i < decision->nrows; i++)
		if (decision->rows[i]->journal_id == 0)
			decision->rows[i]->journal_id = loyalty_new_id();
}

/*
 * Takes what the decision needs beyond its own account: the references of
 * its events, where they belong to the whole programme.  False, with nothing
 * written, if another member has one.  dry: only looks.
 */
bool
store_claim(Decision *decision, bool dry)
{
	if (!decision->program->ref_in_program)
		return true;
	if (!dry)
		store_number(decision);
	for (int i = 0; i < decision->nrows; i++)
	{
		const JournalRow *row = decision->rows[i];

		if (row->event == NULL || row->ref == NULL)
			continue;
		if (dry ? journal_ref_taken(row, decision->program) :
			!journal_claim_ref(row, decision->program))
			return false;
	}
	return true;
}

/* Writes a decision whose account is locked, or is of a new member. */
void
store_decision(Decision *decision)
{
	Hold	   *new_hold = decision->new_hold;

	store_number(decision);
	if (new_hold != NULL)
	{
		new_hold->hold_id = decision->hold_row->journal_id;
		new_hold->journal_id = decision->hold_row->journal_id;
		decision->hold_row->hold_id = new_hold->hold_id;
	}
	for (int i = 0; i < decision->nrows; i++)
		journal_insert(decision->rows[i], decision->program);
	if (new_hold != NULL)
		hold_insert(decision->account->member_id,
					decision->program->program_id, new_hold);
	for (int i = 0; i < decision->nholds; i++)
		if (decision->holds[i].changed)
			hold_update(decision->account->member_id,
						decision->program->program_id, &decision->holds[i]);
	account_update(decision->account);
}
