/*
 * store.c
 *
 * One routine loads and locks accounts, one stores decisions: few statements
 * with kept plans, each naming the member.
 */
#include "store.h"

#include "utils/builtins.h"

#include "amount.h"
#include "statement.h"
#include "store_coupon.h"

static Statement select_reserved = {
	"SELECT min(reserved_until) FILTER (WHERE reserved_until > $2),"
	" count(*) FILTER (WHERE reserved_until <= $2)"
	" FROM loyalty.coupon_use WHERE member_id = $1 AND status = 'reserved'",
	2, {INT8OID, TIMESTAMPTZOID}
};

/* When the first reservation of a coupon ends, and whether any has ended. */
static void
load_reserved(Decision *decision, AccountLock lock)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id)),
		ARG(TimestampTzGetDatum(decision->now))
	};

	statement_run(&select_reserved, args, lock == ACCOUNT_READ_STABLE);
	decision->account->hold_until = Min(decision->account->hold_until,
										statement_time_or(0, 1, DT_NOEND));
	decision->coupons_due = DatumGetInt64(statement_notnull(0, 2)) > 0;
}

/*
 * Loads the open holds of a decision's account, and sets hold_until to what
 * it is exactly once those that are due have timed out, and reserved coupons
 * were released (store_coupon_release_due).
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
	{
		if (decision->holds[i].expires_at > decision->now)
			account->hold_until = Min(account->hold_until,
									  decision->holds[i].expires_at);
		store_load_cards_of(decision, &decision->holds[i].lots,
							lock == ACCOUNT_READ_STABLE);
	}
	if (decision->program->ncoupons > 0)
		load_reserved(decision, lock);
}

/* The tier that the member had by himself, or by hand, last. */
static Statement select_own_tier = {
	"SELECT tier_after, tier_until FROM loyalty.tier_history"
	" WHERE member_id = $1 AND action NOT IN ('bought', 'warned', 'grace')"
	" ORDER BY journal_id DESC, line DESC LIMIT 1",
	1, {INT8OID}
};

/* What the member falls back to when a plan is over. */
void
store_load_own_tier(Decision *decision, bool read_only)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id))
	};

	/* what was settled since is not in the history yet */
	if (decision->has_own_tier)
		return;
	decision->has_own_tier = true;
	if (statement_run(&select_own_tier, args, read_only) == 0)
		return;
	decision->own_tier_id = statement_int32_or(0, 1, 0);
	decision->own_tier_until = statement_date_or(0, 2, DATEVAL_NOEND);
}

/*
 * Loads the periods of plans that may give the account's tier.  Whoever may
 * lower a tier, looks ahead or sets due_on exactly needs them; others only
 * if something may be due.
 */
void
store_load_periods(Decision *decision, bool read_only)
{
	const Account *account = decision->account;

	if (decision->program->nplans == 0 || decision->periods != NULL)
		return;
	decision->periods = plan_periods(account->member_id,
									 Min(account->settled_on,
										 decision->today),
									 read_only, &decision->nperiods);
	if (decision->nperiods > 0)
		store_load_own_tier(decision, read_only);
}

/* Does the programme know the tier and every unit of the wallet? */
static bool
knows(const Program *program, const Account *account)
{
	const LotList *wallet = &account->wallet;

	if (account->tier_id != 0 &&
		program_tier_by_id(program, account->tier_id) == NULL)
		return false;
	for (int i = 0; i < wallet->n; i++)
		if ((i == 0 ||
			 wallet->lots[i].unit_id != wallet->lots[i - 1].unit_id) &&
			!program_has_unit(program, wallet->lots[i].unit_id))
			return false;
	return true;
}

/*
 * Starts a decision about an account that was loaded (and locked as said):
 * finds its programme and, if one may have timed out, its open holds.
 */
void
store_begin(Decision *decision, Account *account, AccountLock lock,
			TimestampTz now)
{
	const Program *program = program_get(account->program_id);

	if (program != NULL && !knows(program, account))
		program = program_refresh(account->program_id);
	if (program != NULL && !knows(program, account))
		ereport(ERROR,
				(errcode(refusal_sqlstate(REFUSAL_INVARIANT_VIOLATED)),
				 errmsg("%s",
						refusal_text(REFUSAL_INVARIANT_VIOLATED)->message),
				 errdetail("Member " INT64_FORMAT " has a unit or a tier that "
						   "the programme has not.", account->member_id),
				 errhint("Run loyalty.verify(), then loyalty.rebuild().")));
	if (program == NULL)
		elog(ERROR, "programme %d of member " INT64_FORMAT " was not found",
			 account->program_id, account->member_id);
	decide_begin(decision, account, program, now);
	if (account->hold_until <= now)
		store_load_holds(decision, lock);
	if (account->due_on <= decision->today)
		store_load_periods(decision, lock == ACCOUNT_READ_STABLE);
}

/*
 * Loads and locks an account as asked, and starts the decision.  False if
 * there is no such member.
 */
bool
store_load(int64 member_id, AccountLock lock, TimestampTz now,
		   Account *account, Decision *decision)
{
	if (!account_load(member_id, lock, account))
		return false;
	store_begin(decision, account, lock, now);
	return true;
}

/* The same for a call, with a lock; see store_lock(). */
bool
store_load_call(int64 member_id, const text *key, int64 hold_id,
				TimestampTz now, Account *account, Decision *decision,
				StoreSeen *seen)
{
	if (!store_lock(member_id, key, hold_id, account, seen))
		return false;
	store_begin(decision, account, ACCOUNT_LOCK, now);
	return true;
}

/*
 * Gives the rows their ids, in the order in which those of a member are
 * stored: that order is the order of the ids.
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
 * its events and top-ups, where they belong to the whole programme.  False, with nothing
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

		if (row->ref == NULL || (strcmp(row->kind, "event") != 0 &&
								 strcmp(row->kind, "topup") != 0))
			continue;
		if (dry ? journal_ref_taken(row, decision->program) :
			!journal_claim_ref(row, decision->program))
			return false;
	}
	return true;
}

/* Does a verdict that awards something draw on a budget? */
static bool
draws_on(const RuleVerdict *verdict, const Budget *budget)
{
	if (verdict->granted == 0)
		return false;
	for (int i = 0; i < verdict->rule->nbudgets; i++)
		if (verdict->rule->budgets[i] == budget)
			return true;
	return false;
}

/* What came out of earlier budgets and is more than was granted in the end. */
static void
give_back(const RuleVerdict *verdict, const Budget *until, int64 amount)
{
	for (int i = 0; i < verdict->rule->nbudgets; i++)
		if (verdict->rule->budgets[i]->budget_id < until->budget_id &&
			amount > 0)
			budget_give_back(verdict->rule->budgets[i]->budget_id, amount);
}

/*
 * What the awards of the decision draw on a budget in all.  whole: it is one
 * award, and that is granted wholly or not at all.
 */
static int64
drawn_on(const Decision *decision, const Budget *budget, bool *whole)
{
	int64		drawn = 0;
	int			n = 0;

	*whole = true;
	for (int e = 0; e < decision->nawards; e++)
		for (int i = 0; i < decision->awards[e].nverdicts; i++)
		{
			const RuleVerdict *verdict = &decision->awards[e].verdicts[i];

			if (!draws_on(verdict, budget))
				continue;
			drawn = amount_add(drawn, verdict->granted);
			*whole = ++n == 1 && verdict->rule->reject;
		}
	return drawn;
}

/*
 * Takes from one budget for all awards at once: one by one they would wait
 * for slots in no order, and two calls for each other.
 */
static void
claim_budget(Decision *decision, const Budget *budget, bool dry,
			 bool read_only)
{
	bool		whole;
	int64		drawn = drawn_on(decision, budget, &whole);
	int64		left;

	if (drawn == 0)
		return;
	left = dry ? budget_look(budget->budget_id, drawn, whole, read_only) :
		budget_take(budget->budget_id, drawn, whole);
	for (int e = 0; e < decision->nawards; e++)
		for (int i = 0; i < decision->awards[e].nverdicts; i++)
		{
			RuleVerdict *verdict = &decision->awards[e].verdicts[i];
			int64		granted = verdict->granted;

			if (!draws_on(verdict, budget))
				continue;
			decide_limit(verdict, left, verdict->rule->reject,
						 budget->campaign_id != 0 ? "limit_campaign" :
						 "budget_exhausted");
			left -= verdict->granted;
			if (!dry)
				give_back(verdict, budget, granted - verdict->granted);
		}
	if (!dry)
		budget_give_back(budget->budget_id, left);
}

/*
 * Takes the awards of the decision from their budgets, in ascending order of
 * these, and cuts them to what was got.  dry: only looks.
 */
void
store_claim_budgets(Decision *decision, bool dry)
{
	for (int b = 0; b < decision->program->nbudgets; b++)
		claim_budget(decision, &decision->program->budgets[b], dry, false);
}

/* Only looks, with the caller's snapshot. */
void
store_look_at_budgets(Decision *decision)
{
	for (int b = 0; b < decision->program->nbudgets; b++)
		claim_budget(decision, &decision->program->budgets[b], true, true);
}

static Statement upsert_use = {
	"INSERT INTO loyalty.rule_use (member_id, rule_id, target, program_id,"
	" used_at) VALUES ($1, $2, $3, $4, $5)"
	" ON CONFLICT (member_id, rule_id, target)"
	" DO UPDATE SET used_at = excluded.used_at",
	5, {INT8OID, INT4OID, TEXTOID, INT4OID, TIMESTAMPTZOID}
};

static Statement delete_run = {
	"DELETE FROM loyalty.streak"
	" WHERE member_id = $1 AND event = $2 AND started_on = $3",
	3, {INT8OID, TEXTOID, DATEOID}
};

static Statement insert_run = {
	"INSERT INTO loyalty.streak (member_id, event, started_on, last_on,"
	" program_id) VALUES ($1, $2, $3, $4, $5)",
	5, {INT8OID, TEXTOID, DATEOID, DATEOID, INT4OID}
};

/* Writes when rules awarded. */
static void
store_uses(const Decision *decision, const Facts *facts)
{
	for (int i = 0; i < facts->nuses; i++)
	{
		const RuleUse *use = &facts->uses[i];
		NullableDatum args[] = {
			ARG(Int64GetDatum(decision->account->member_id)),
			ARG(Int32GetDatum(use->rule_id)),
			ARG(CStringGetTextDatum(use->target)),
			ARG(Int32GetDatum(decision->program->program_id)),
			ARG(TimestampTzGetDatum(use->used_at))
		};

		if (use->changed)
			statement_run(&upsert_use, args, false);
	}
}

/* Writes the run of a daily event in place of those that it joins. */
static void
store_run(const Decision *decision, const Facts *facts)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id)),
		ARG(CStringGetTextDatum(facts->event->name)),
		ARG(DateADTGetDatum(facts->run.started_on)),
		ARG(DateADTGetDatum(facts->run.last_on)),
		ARG(Int32GetDatum(decision->program->program_id))
	};
	NullableDatum old[] = {args[0], args[1], args[2]};

	for (int i = 0; i < facts->nruns; i++)
	{
		old[2] = ARG(DateADTGetDatum(facts->runs[i].started_on));
		statement_run(&delete_run, old, false);
	}
	statement_run(&insert_run, args, false);
}

/*
 * Writes what later decisions about the member read from tables: holds that
 * have changed, vouchers, uses of rules, runs of days.
 */
void
store_facts(Decision *decision)
{
	for (int i = 0; i < decision->nholds; i++)
		if (decision->holds[i].changed)
			hold_update(decision->account->member_id, &decision->holds[i]);
	store_coupon_release_due(decision);
	store_write_vouchers(decision);
	for (int e = 0; e < decision->nawards; e++)
	{
		const Facts *facts = decision->awards[e].facts;

		store_uses(decision, facts);
		if (facts->event->daily)
			store_run(decision, facts);
	}
}

/* Gives the new holds the ids of their rows. */
static void
number_holds(const Decision *decision)
{
	ListCell   *cell;

	foreach(cell, decision->new_holds)
	{
		NewHold    *new_hold = lfirst(cell);

		new_hold->hold.hold_id = new_hold->row->journal_id;
		new_hold->hold.journal_id = new_hold->row->journal_id;
		new_hold->row->hold_id = new_hold->row->journal_id;
	}
}

/* Writes a decision whose account is locked, or is of a new member. */
void
store_decision(Decision *decision)
{
	RunStarts	starts;
	ListCell   *cell;

	store_number(decision);
	number_holds(decision);
	for (int i = 0; i < decision->nrows - 1; i++)
		journal_insert(decision->rows[i], decision->program);
	if (decision->nrows > 0)
		store_last_row(decision);
	else
		account_update(decision->account);
	foreach(cell, decision->new_holds)
	{
		const NewHold *new_hold = lfirst(cell);

		if (!new_hold->stored)
			hold_insert(decision->account->member_id,
						decision->program->program_id, &new_hold->hold);
	}
	store_facts(decision);
	store_runs_begin(&starts, decision->program, decision->now);
	store_listen(&starts, decision);
	store_runs_flush(&starts);
}
