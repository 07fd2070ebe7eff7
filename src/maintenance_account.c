/*
 * maintenance_account.c
 *
 * Posts what fell due for members who make no call themselves: many at once,
 * each table written by one statement.
 *
 * Members are locked by the statement that finds them, and those whom others
 * have locked are passed over, so that nothing here ever waits for a member.
 * A batch is tried as a whole, in a subtransaction; if it fails, member by
 * member, and whoever fails is noted (maintenance_fault.c).
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

static Statement lock_due = {
	"SELECT " ACCOUNT_COLUMNS " FROM loyalty.account"
	" WHERE program_id = $4 AND due_on <= $5" NOT_FAULTY("account.member_id")
	" ORDER BY due_on LIMIT $1 FOR NO KEY UPDATE OF account SKIP LOCKED",
	5, {INT4OID, TEXTOID, TIMESTAMPTZOID, INT4OID, DATEOID}
};

#define TIMED_OUT(table, time, status) \
	"(SELECT x.member_id FROM loyalty." table " x" \
	" WHERE x.status = '" status "' AND x." time " <= $3" \
	NOT_FAULTY("x.member_id") " ORDER BY x." time " LIMIT $1)"

static Statement lock_timed_out = {
	"SELECT " ACCOUNT_COLUMNS " FROM loyalty.account WHERE member_id IN ("
	TIMED_OUT("hold", "expires_at", "held")
	" UNION ALL " TIMED_OUT("checkout", "expires_at", "reserved")
	" UNION ALL " TIMED_OUT("coupon_use", "reserved_until", "reserved")
	") ORDER BY program_id LIMIT $1 FOR NO KEY UPDATE OF account SKIP LOCKED",
	3, {INT4OID, TEXTOID, TIMESTAMPTZOID}
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
	bool		timed_out;		/* those who are due are due by time, not date */
	TimestampTz now;
	int			batch;
	SPITupleTable *rows;		/* the accounts, locked */
	int			n;
	/* of which these are to be worked off */
	int			from;
	int			until;
	int			done;
} Work;

/* One member of a batch. */
typedef struct Turn
{
	Account		account;
	Decision	decision;
	Account    *before;
} Turn;

static int64
member_of(const Work *work, int row)
{
	bool		isnull;

	return DatumGetInt64(SPI_getbinval(work->rows->vals[row],
									   work->rows->tupdesc, 1, &isnull));
}

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

/* Members whose rows are from ... until, programme by programme. */
static bool
settle_rows(void *argument)
{
	Work	   *work = argument;
	int			n = work->until - work->from;
	Account    *accounts = palloc(sizeof(Account) * n);
	int			first = 0;

	SPI_tuptable = work->rows;
	for (int i = 0; i < n; i++)
		account_read(work->from + i, &accounts[i]);
	for (int i = 1; i <= n; i++)
	{
		if (i < n && accounts[i].program_id == accounts[first].program_id)
			continue;
		settle_accounts(work, &accounts[first], i - first);
		first = i;
	}
	return true;
}

/* Those of the locked rows whose turn succeeded. */
static void
finish(const Work *work, const Datum *members, int n)
{
	NullableDatum args[2];

	if (n == 0)
		return;
	maintenance_healthy(work->job, members, n);
	if (!work->timed_out)
		return;
	args[0] = ARG(PointerGetDatum(construct_array(unconstify(Datum *, members),
												  n, INT8OID, sizeof(int64),
												  FLOAT8PASSBYVAL,
												  TYPALIGN_DOUBLE)));
	args[1] = ARG(TimestampTzGetDatum(work->now));
	statement_run(&end_checkouts, args, false);
}

/*
 * Tries rows in a subtransaction.  Returns the error if they are somebody's
 * fault; others are raised on.
 */
static ErrorData *
try_rows(Work *work, int from, int until)
{
	bool		stayed;
	ErrorData  *error;

	work->from = from;
	work->until = until;
	error = statement_catch(settle_rows, work, &stayed);
	if (error != NULL && maintenance_is_transient(error))
		ReThrowError(error);
	return error;
}

/* Works off the members that are locked: all at once, or one by one. */
static void
work_off(Work *work)
{
	Datum	   *members = palloc(sizeof(Datum) * Max(work->n, 1));
	int			n = 0;
	bool		at_once;

	if (work->n == 0)
		return;
	at_once = try_rows(work, 0, work->n) == NULL;
	for (int i = 0; i < work->n; i++)
	{
		int64		member_id = member_of(work, i);
		ErrorData  *error = at_once ? NULL : try_rows(work, i, i + 1);

		if (error == NULL)
			members[n++] = Int64GetDatum(member_id);
		else
			maintenance_fault(work->job, member_id, error, work->now);
	}
	finish(work, members, n);
	work->done += work->n;
}

static void
begin(Work *work, FunctionCallInfo fcinfo)
{
	MemoryContext caller = CurrentMemoryContext;

	work->batch = maintenance_batch_arg(fcinfo, 0);
	work->now = loyalty_clock();
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
}

/* Locks members by a statement that begins with batch, job and clock. */
static void
lock(Work *work, Statement *statement, const NullableDatum *args)
{
	work->n = statement_run(statement, args, false);
	work->rows = SPI_tuptable;
}

/*
 * account_maintain(batch): settles members of the programme in which somebody
 * has been due longest.  Left over, if the batch is full or others come after.
 */
Datum
loyalty_maintenance_account(PG_FUNCTION_ARGS)
{
	Work		work = {.job = "account"};
	NullableDatum args[5];
	SPITupleTable *programs;
	int			nprograms;
	int			next = 0;

	begin(&work, fcinfo);
	args[0] = ARG(TimestampTzGetDatum(work.now));
	nprograms = statement_run(&select_programs, args, false);
	programs = SPI_tuptable;
	args[0] = ARG(Int32GetDatum(work.batch));
	args[1] = ARG(CStringGetTextDatum(work.job));
	args[2] = ARG(TimestampTzGetDatum(work.now));
	while (next < nprograms && work.n == 0)
	{
		SPI_tuptable = programs;
		args[3] = ARG(statement_notnull(next, 1));
		args[4] = ARG(statement_notnull(next, 2));
		lock(&work, &lock_due, args);
		next++;
	}
	work_off(&work);
	SPI_finish();
	return maintenance_outcome(fcinfo, work.done,
							   work.n == work.batch || next < nprograms);
}

/* hold_maintain(batch): settles members of whom something has timed out. */
Datum
loyalty_maintenance_hold(PG_FUNCTION_ARGS)
{
	Work		work = {.job = "hold", .timed_out = true};
	NullableDatum args[3];

	begin(&work, fcinfo);
	args[0] = ARG(Int32GetDatum(work.batch));
	args[1] = ARG(CStringGetTextDatum(work.job));
	args[2] = ARG(TimestampTzGetDatum(work.now));
	lock(&work, &lock_timed_out, args);
	work_off(&work);
	SPI_finish();
	return maintenance_outcome(fcinfo, work.done, work.n == work.batch);
}
