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

#define HOLD_COLUMNS \
	"SELECT hold_id, journal_id, unit_id, amount, captured, expires_at," \
	" status, ref, lots FROM loyalty.hold WHERE member_id = $1"

static Statement select_hold = {
	HOLD_COLUMNS " AND hold_id = $2", 2, {INT8OID, INT8OID}
};

static Statement select_open_holds = {
	HOLD_COLUMNS " AND status = 'held'", 1, {INT8OID}
};

/* Holds that were open at a moment, whatever became of them since. */
static Statement select_past_holds = {
	HOLD_COLUMNS " AND EXISTS (SELECT FROM loyalty.journal j"
	" WHERE j.member_id = $1 AND j.journal_id = hold.journal_id"
	" AND j.effective_at < $2)"
	" AND NOT EXISTS (SELECT FROM loyalty.journal j"
	" WHERE j.member_id = $1 AND j.hold_id = hold.hold_id"
	" AND j.kind IN ('capture', 'release', 'time_out')"
	" AND j.effective_at < $2)",
	2, {INT8OID, TIMESTAMPTZOID}
};

static Statement insert_hold = {
	"INSERT INTO loyalty.hold (member_id, hold_id, status, captured,"
	" journal_id, amount, expires_at, program_id, unit_id, ref, lots)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
	11, {INT8OID, INT8OID, TEXTOID, INT8OID, INT8OID, INT8OID,
	TIMESTAMPTZOID, INT4OID, INT4OID, TEXTOID, WALLET_TYPE}
};

static Statement update_hold = {
	"UPDATE loyalty.hold SET status = $3, captured = $4"
	" WHERE member_id = $1 AND hold_id = $2",
	4, {INT8OID, INT8OID, TEXTOID, INT8OID}
};

static const char *const hold_status_names[] = {
	[HOLD_HELD] = "held",
	[HOLD_CAPTURED] = "captured",
	[HOLD_RELEASED] = "released",
	[HOLD_TIMED_OUT] = "timed_out"
};

static HoldStatus
parse_hold_status(const char *name)
{
	for (int i = 0; i < lengthof(hold_status_names); i++)
		if (strcmp(name, hold_status_names[i]) == 0)
			return i;
	elog(ERROR, "unknown hold status \"%s\"", name);
}

static void
read_hold(uint64 row, Hold *hold)
{
	bool		isnull;
	Datum		ref = statement_value(row, 8, &isnull);

	hold->hold_id = DatumGetInt64(statement_notnull(row, 1));
	hold->journal_id = DatumGetInt64(statement_notnull(row, 2));
	hold->unit_id = DatumGetInt32(statement_notnull(row, 3));
	hold->amount = DatumGetInt64(statement_notnull(row, 4));
	hold->captured = DatumGetInt64(statement_notnull(row, 5));
	hold->expires_at = DatumGetTimestampTz(statement_notnull(row, 6));
	hold->status = parse_hold_status(statement_text(row, 7));
	hold->ref = isnull ? NULL : DatumGetTextPCopy(ref);
	hold->changed = false;
	wallet_unpack(statement_notnull(row, 9), &hold->lots);
}

/*
 * Loads the open holds of a decision's account, and sets hold_until to what
 * it is exactly once those that are due have timed out.
 */
void
store_load_holds(Decision *decision, AccountLock lock)
{
	Account    *account = decision->account;
	NullableDatum args[] = {ARG(Int64GetDatum(account->member_id))};

	decision->nholds = statement_run(&select_open_holds, args,
									 lock == ACCOUNT_READ_STABLE);
	decision->holds = palloc(sizeof(Hold) * Max(decision->nholds, 1));
	account->hold_until = DT_NOEND;
	for (int i = 0; i < decision->nholds; i++)
	{
		Hold	   *hold = &decision->holds[i];

		read_hold(i, hold);
		if (hold->expires_at > decision->now)
			account->hold_until = Min(account->hold_until, hold->expires_at);
	}
}

/* Loads the holds that were open at a past moment, as they were then. */
void
store_load_past_holds(Decision *decision, TimestampTz until)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id)),
		ARG(TimestampTzGetDatum(until))
	};

	decision->nholds = statement_run(&select_past_holds, args, true);
	decision->holds = palloc(sizeof(Hold) * Max(decision->nholds, 1));
	for (int i = 0; i < decision->nholds; i++)
	{
		read_hold(i, &decision->holds[i]);
		decision->holds[i].status = HOLD_HELD;
	}
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

/* One hold of a member whose account is locked; NULL if there is none. */
Hold *
store_load_hold(int64 member_id, int64 hold_id)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(Int64GetDatum(hold_id))
	};
	Hold	   *hold;

	if (statement_run(&select_hold, args, false) == 0)
		return NULL;
	hold = palloc(sizeof(Hold));
	read_hold(0, hold);
	return hold;
}

static void
write_hold(Statement *statement, const Decision *decision, const Hold *hold)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id)),
		ARG(Int64GetDatum(hold->hold_id)),
		ARG(CStringGetTextDatum(hold_status_names[hold->status])),
		ARG(Int64GetDatum(hold->captured)),
		ARG(Int64GetDatum(hold->journal_id)),
		ARG(Int64GetDatum(hold->amount)),
		ARG(TimestampTzGetDatum(hold->expires_at)),
		ARG(Int32GetDatum(decision->program->program_id)),
		ARG(Int32GetDatum(hold->unit_id)),
		POINTER_ARG(hold->ref),
		ARG(statement == &insert_hold ? wallet_pack(&hold->lots) : (Datum) 0)
	};

	if (statement_run(statement, args, false) != 1)
		elog(ERROR, "hold " INT64_FORMAT " was not written", hold->hold_id);
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
		write_hold(&insert_hold, decision, new_hold);
	for (int i = 0; i < decision->nholds; i++)
		if (decision->holds[i].changed)
			write_hold(&update_hold, decision, &decision->holds[i]);
	account_update(decision->account);
}
