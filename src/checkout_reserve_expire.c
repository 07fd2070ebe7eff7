/*
 * checkout_reserve_expire.c
 *
 * Reservations whose time is over.  They are over without this: it only
 * returns what they set aside where nobody asks for it, and notes it.
 */
#include "checkout_reserve.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_checkout_expire);

/* Members who have some; those who are busy come next time. */
static Statement lock_members = {
	"SELECT a.member_id FROM loyalty.account a WHERE a.member_id IN"
	" (SELECT c.member_id FROM loyalty.checkout c WHERE c.program_id = $1"
	" AND c.status = 'reserved' AND c.expires_at <= $2"
	" ORDER BY c.expires_at LIMIT $3)"
	" ORDER BY a.member_id FOR NO KEY UPDATE SKIP LOCKED",
	3, {INT4OID, TIMESTAMPTZOID, INT4OID}
};

static Statement end_due = {
	"UPDATE loyalty.checkout SET status = 'timed_out'"
	" WHERE member_id = $1 AND status = 'reserved' AND expires_at <= $2",
	2, {INT8OID, TIMESTAMPTZOID}
};

/* Settles a member whose account is locked; how many reservations it ended. */
static int64
expire_member(int64 member_id, TimestampTz now)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(TimestampTzGetDatum(now))
	};
	Account		account;
	Account    *before;
	Decision	decision;

	if (!store_load(member_id, ACCOUNT_LOCK, now, &account, &decision))
		elog(ERROR, "member " INT64_FORMAT " was not found", member_id);
	decide_settle(&decision, DT_NOBEGIN);
	before = store_before(&decision);
	store_coupon_release_due(&decision);
	if (decision.nrows > 0)
	{
		decide_due(&decision, false);
		store_decision(&decision);
		store_judge(&decision, before, now);
	}
	return statement_run(&end_due, args, false);
}

static int64
expire(const Program *program, TimestampTz now, int32 batch)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program->program_id)),
		ARG(TimestampTzGetDatum(now)),
		ARG(Int32GetDatum(batch))
	};
	int			n = statement_run(&lock_members, args, false);
	int64	   *members = palloc(sizeof(int64) * Max(n, 1));
	int64		ended = 0;

	for (int i = 0; i < n; i++)
		members[i] = DatumGetInt64(statement_notnull(i, 1));
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ended += expire_member(members[i], now);
	}
	return ended;
}

/*
 * checkout_expire(program text, batch int): how many reservations were ended,
 * of members who have one of the oldest `batch`; 0 when nothing is left to do
 * but what others are at.
 */
Datum
loyalty_checkout_expire(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	const Program *program;
	char	   *name;
	int64		ended;

	require_argument(fcinfo, 0, "program");
	require_argument(fcinfo, 1, "batch");
	if (PG_GETARG_INT32(1) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch must be above zero")));
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	program = program_find(name);
	if (program == NULL)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND, psprintf("program=%s", name));
	ended = expire(program, loyalty_clock(), PG_GETARG_INT32(1));
	SPI_finish();
	PG_RETURN_INT64(ended);
}
