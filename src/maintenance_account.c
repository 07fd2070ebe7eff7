/*
 * maintenance_account.c
 *
 * Posts what fell due for members who make no call themselves: many at once,
 * each table written by one statement.
 *
 * Members are locked by the statement that finds them, and those whom others
 * have locked are passed over, so that nothing here ever waits for a member.
 * Whoever is locked is counted: never are more than a batch.
 * A batch is tried as a whole, in a subtransaction; if it fails, member by
 * member, and whoever fails is noted (maintenance_fault.c).  They are locked
 * in the subtransaction that changes them, because a row that one transaction
 * locks and another, of the same session, changes needs a multixact.
 */
#include "maintenance.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "statement.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_maintenance_account);
PG_FUNCTION_INFO_V1(loyalty_maintenance_hold);

/* Not of those who are left alone; $2: the job, $3: the clock. */
#define NOT_FAULTY(member) \
	" AND coalesce((SELECT f.retry_at FROM loyalty.maintenance_fault f" \
	" WHERE f.member_id = " member " AND f.job = $2) <= $3, true)"

/* Programmes that have somebody who is due, with the oldest date first. */
static Statement select_programs = {
	"SELECT p.program_id, c.today FROM loyalty.program p"
	" CROSS JOIN LATERAL"
	" (SELECT ($1 AT TIME ZONE p.time_zone)::date AS today) c"
	" CROSS JOIN LATERAL (SELECT a.due_on FROM loyalty.account a"
	" WHERE a.program_id = p.program_id AND a.due_on <= c.today"
	" ORDER BY a.due_on LIMIT 1) d"
	" ORDER BY d.due_on, p.program_id",
	1, {TIMESTAMPTZOID}
};

/*
 * Those found are locked by their key and nothing else.  Under the condition
 * that finds them, a row that another session has finished meanwhile would be
 * locked, fail the condition, stay locked and not be counted.  So also who is
 * no longer due comes back here.
 *
 * Those found are more than a batch, because so many other sessions may each
 * have locked one.  A batch is settled in the order of its members, so that
 * what gets an id in it does not depend on how PostgreSQL came by them.
 */
static Statement lock_due = {
	"SELECT l.account FROM (SELECT a.account FROM"
	" (SELECT member_id FROM loyalty.account"
	" WHERE program_id = $4 AND due_on <= $5" NOT_FAULTY("account.member_id")
	" ORDER BY due_on LIMIT $1 * 64) d"
	" CROSS JOIN LATERAL (SELECT account FROM loyalty.account"
	" WHERE member_id = d.member_id FOR NO KEY UPDATE SKIP LOCKED) a"
	" LIMIT $1) l ORDER BY (l.account).member_id",
	5, {INT4OID, TEXTOID, TIMESTAMPTZOID, INT4OID, DATEOID}
};

#define TIMED_OUT(table, time, status) \
	"(SELECT x.member_id FROM loyalty." table " x" \
	" WHERE x.status = '" status "' AND x." time " <= $3" \
	NOT_FAULTY("x.member_id") " ORDER BY x." time " LIMIT $1)"

static Statement lock_timed_out = {
	"SELECT account FROM loyalty.account WHERE member_id IN ("
	TIMED_OUT("hold", "expires_at", "held")
	" UNION ALL " TIMED_OUT("checkout", "expires_at", "reserved")
	" UNION ALL " TIMED_OUT("coupon_use", "reserved_until", "reserved")
	") ORDER BY program_id, member_id LIMIT $1 FOR NO KEY UPDATE OF account SKIP LOCKED",
	3, {INT4OID, TEXTOID, TIMESTAMPTZOID}
};

/* Again, because the batch has failed; not, if somebody else has him now. */
static Statement lock_one = {
	"SELECT account FROM loyalty.account WHERE member_id = $1"
	" FOR NO KEY UPDATE SKIP LOCKED",
	1, {INT8OID}
};

/* What reserved an order has gone back with its holds and coupons. */
static Statement end_checkouts = {
	"UPDATE loyalty.checkout SET status = 'timed_out'"
	" WHERE member_id = ANY ($1) AND status = 'reserved'"
	" AND expires_at <= $2",
	2, {INT8ARRAYOID, TIMESTAMPTZOID}
};

typedef struct Work
{
	const char *job;
	bool		timed_out;		/* who is due is so by time, not by date */
	TimestampTz now;
	int			batch;
	/* how members are found and locked: */
	Statement  *lock;
	NullableDatum args[5];
	DateADT		today;			/* who is due later is passed over */
	/* the last who were */
	int			locked;
	int			n;				/* of these, who are due */
	Datum	   *members;
	int			done;
} Work;

/* One member of a batch. */
typedef struct Turn
{
	Account		account;
	Decision	decision;
	Account    *before;
} Turn;

/* Settles a member; what it posts is dated when it fell due. */
static void
settle(const Work *work, StoreBatch *batch, int64 member_id, Turn *turn)
{
	CHECK_FOR_INTERRUPTS();
	if (!store_batch_load(batch, member_id, work->now, &turn->account,
						  &turn->decision))
		elog(ERROR, "member " INT64_FORMAT " is not in the batch", member_id);
	store_load_periods(&turn->decision, false);
	decide_settle(&turn->decision, DT_NOBEGIN);
	turn->before = store_before(&turn->decision);
}

/*
 * Settles members of one programme and stores what came of it.  Who is due by
 * date is seen wholly: his automations, too, and when he is due next.
 */
static void
settle_accounts(const Work *work, const Account *accounts, int n)
{
	const Program *program = program_get(accounts[0].program_id);
	Turn	   *turns = palloc(sizeof(Turn) * n);
	Datum	   *members = palloc(sizeof(Datum) * n);
	StoreBatch *batch;
	TimedBatch *timed;

	if (program == NULL)
		elog(ERROR, "programme %d was not found", accounts[0].program_id);
	batch = store_batch_of(program, accounts, n);
	for (int i = 0; i < n; i++)
	{
		members[i] = Int64GetDatum(accounts[i].member_id);
		settle(work, batch, accounts[i].member_id, &turns[i]);
	}
	timed = work->timed_out ? NULL :
		store_timed_begin(program, members, n, work->now, false);
	for (int i = 0; i < n; i++)
	{
		decide_due(&turns[i].decision, !work->timed_out);
		store_timed_member(timed, &turns[i].decision);
		store_batch_keep_last(batch, &turns[i].decision);
	}
	store_batch_flush(batch);
	store_timed_end(timed);
	for (int i = 0; i < n; i++)
		store_judge(&turns[i].decision, turns[i].before, work->now);
}

/*
 * Locks members, tells who of them are due, and loads their accounts; the last
 * may fail.
 */
static Account *
lock_accounts(Work *work)
{
	Account    *accounts;

	work->n = 0;
	work->locked = 0;
	work->locked = statement_run(work->lock, work->args, false);
	accounts = palloc(sizeof(Account) * Max(work->locked, 1));
	for (int i = 0; i < work->locked; i++)
	{
		Account    *account = &accounts[work->n];

		account_read(i, account);
		if (work->timed_out || account->due_on <= work->today)
			work->members[work->n++] = Int64GetDatum(account->member_id);
	}
	SPI_freetuptable(SPI_tuptable);
	return accounts;
}

/*
 * Locks members and settles them, programme by programme.  False, and the
 * locks are given back, if others have done all of them meanwhile.
 */
static bool
settle_members(void *argument)
{
	Work	   *work = argument;
	Account    *accounts = lock_accounts(work);
	int			first = 0;

	for (int i = 1; i <= work->n; i++)
	{
		if (i < work->n &&
			accounts[i].program_id == accounts[first].program_id)
			continue;
		settle_accounts(work, &accounts[first], i - first);
		first = i;
	}
	return work->n > 0;
}

/*
 * Tries a batch in a subtransaction.  Returns the error if it is somebody's
 * fault; others are raised on.
 */
static ErrorData *
try_members(Work *work)
{
	bool		stayed;
	ErrorData  *error = statement_catch(settle_members, work, &stayed);

	if (error != NULL &&
		(statement_is_transient(error) || work->n == 0))
		ReThrowError(error);
	return error;
}

/* Those whose turn has not failed. */
static void
finish(const Work *work, const Datum *members, int n)
{
	NullableDatum args[2];

	if (n == 0)
		return;
	maintenance_healthy(work->job, members, n);
	if (!work->timed_out)
		return;
	args[0] = ARG(array_of(members, n, INT8OID));
	args[1] = ARG(TimestampTzGetDatum(work->now));
	statement_run(&end_checkouts, args, false);
}

/* The members of a batch that has failed, one by one. */
static void
work_off_singly(const Work *batch)
{
	Work		work = *batch;

	work.lock = &lock_one;
	work.members = palloc(sizeof(Datum));
	for (int i = 0; i < batch->n; i++)
	{
		ErrorData  *error;

		work.args[0] = ARG(batch->members[i]);
		error = try_members(&work);
		if (error == NULL)
			finish(&work, work.members, work.n);
		else
			maintenance_fault(work.job, DatumGetInt64(batch->members[i]),
							  error, work.now);
	}
}

/* Works off a batch: all at once, or one by one. */
static void
work_off(Work *work)
{
	if (try_members(work) == NULL)
		finish(work, work->members, work->n);
	else
		work_off_singly(work);
	work->done += work->n;
}

/* The arguments that each statement that locks a batch begins with. */
static void
begin(Work *work, FunctionCallInfo fcinfo)
{
	MemoryContext caller = CurrentMemoryContext;

	work->batch = maintenance_batch_arg(fcinfo, 0);
	work->now = loyalty_clock();
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	work->args[0] = ARG(Int32GetDatum(work->batch));
	work->args[1] = ARG(CStringGetTextDatum(work->job));
	work->args[2] = ARG(TimestampTzGetDatum(work->now));
	work->members = palloc(sizeof(Datum) * work->batch);
}

/*
 * account_maintain(batch): settles members of the programme in which somebody
 * has been due longest.  Left over, if the batch is full or others come after.
 */
Datum
loyalty_maintenance_account(PG_FUNCTION_ARGS)
{
	Work		work = {.job = "account", .lock = &lock_due};
	NullableDatum now[1];
	SPITupleTable *programs;
	int			nprograms;
	int			next = 0;

	begin(&work, fcinfo);
	now[0] = ARG(TimestampTzGetDatum(work.now));
	nprograms = statement_run(&select_programs, now, false);
	programs = SPI_tuptable;
	while (next < nprograms && work.n == 0)
	{
		SPI_tuptable = programs;
		work.args[3] = ARG(statement_notnull(next, 1));
		work.args[4] = ARG(statement_notnull(next, 2));
		work.today = DatumGetDateADT(work.args[4].value);
		do
		{
			CHECK_FOR_INTERRUPTS();
			work_off(&work);
		} while (work.n == 0 && work.locked > 0);
		next++;
	}
	SPI_finish();
	return maintenance_outcome(fcinfo, work.done, work.locked == work.batch ||
							   next < nprograms);
}

/* hold_maintain(batch): settles members of whom something has timed out. */
Datum
loyalty_maintenance_hold(PG_FUNCTION_ARGS)
{
	Work		work = {.job = "hold", .timed_out = true,
	.lock = &lock_timed_out};

	begin(&work, fcinfo);
	work_off(&work);
	SPI_finish();
	return maintenance_outcome(fcinfo, work.done, work.locked == work.batch);
}
