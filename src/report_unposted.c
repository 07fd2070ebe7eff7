/*
 * report_unposted.c
 *
 * What has fallen due and is not in the ledger yet: reports count it as if it
 * were, so that they never depend on housekeeping.  Accounts are settled in
 * memory, as balance() does it; nothing is written.
 */
#include "loyalty.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "statement.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_report_unposted);

enum unposted_arg
{
	UNPOSTED_PROGRAM_ID,
	UNPOSTED_UNTIL
};

enum unposted_column
{
	UNPOSTED_MEMBER_ID,
	UNPOSTED_KIND,
	UNPOSTED_EFFECTIVE_AT,
	UNPOSTED_DAY,
	UNPOSTED_TIER_ID,
	UNPOSTED_UNIT_ID,
	UNPOSTED_EXPIRES_ON,
	UNPOSTED_AMOUNT,
	UNPOSTED_ACTION,
	UNPOSTED_TIER_BEFORE,
	UNPOSTED_TIER_AFTER,
	UNPOSTED_NCOLUMNS
};

/* Each by its index: those who are due by date, and those by time. */
static Statement select_due = {
	"SELECT a.member_id FROM loyalty.account a"
	" JOIN loyalty.program p ON p.program_id = a.program_id"
	" WHERE a.program_id = $1"
	" AND a.due_on <= ($2 AT TIME ZONE p.time_zone)::date"
	" UNION SELECT h.member_id FROM loyalty.hold h"
	" WHERE h.status = 'held' AND h.expires_at <= $2 AND h.program_id = $1",
	2, {INT4OID, TIMESTAMPTZOID}
};

/* A part of a row: what it moved in one lot, or what became of the tier. */
static void
put(ReturnSetInfo *result, const Decision *decision, const JournalRow *row,
	const Lot *lot, const TierChange *change)
{
	TimestampTz at = change == NULL ? row->effective_at : change->effective_at;
	Datum		values[UNPOSTED_NCOLUMNS] = {0};
	bool		nulls[UNPOSTED_NCOLUMNS];

	memset(nulls, true, sizeof(nulls));
#define PUT(column, datum) (values[column] = (datum), nulls[column] = false)
	PUT(UNPOSTED_MEMBER_ID, Int64GetDatum(decision->account->member_id));
	PUT(UNPOSTED_KIND, CStringGetTextDatum(row->kind));
	PUT(UNPOSTED_EFFECTIVE_AT, TimestampTzGetDatum(at));
	PUT(UNPOSTED_DAY, DateADTGetDatum(program_date(decision->program, at)));
	if (row->tier_before != 0)
		PUT(UNPOSTED_TIER_ID, Int32GetDatum(row->tier_before));
	if (lot != NULL)
	{
		PUT(UNPOSTED_UNIT_ID, Int32GetDatum(lot->unit_id));
		PUT(UNPOSTED_EXPIRES_ON, DateADTGetDatum(lot->origin == ORIGIN_DEBT ?
												 DATEVAL_NOBEGIN :
												 lot->expires_on));
		PUT(UNPOSTED_AMOUNT, Int64GetDatum(lot->amount));
	}
	if (change != NULL)
	{
		PUT(UNPOSTED_ACTION,
			CStringGetTextDatum(tier_action_name(change->action)));
		PUT(UNPOSTED_TIER_BEFORE, Int32GetDatum(change->tier_before));
		PUT(UNPOSTED_TIER_AFTER, Int32GetDatum(change->tier_after));
	}
#undef PUT
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
put_member(ReturnSetInfo *result, int64 member_id, TimestampTz now,
		   TimestampTz until)
{
	MemoryContext caller = CurrentMemoryContext;
	Account		account;
	Decision	decision;

	/* one for each, so that what was read of one is freed */
	SPI_connect();
	MemoryContextSwitchTo(caller);
	if (!store_load(member_id, ACCOUNT_READ_STABLE, now, &account, &decision))
		elog(ERROR, "member " INT64_FORMAT " has no account", member_id);
	decide_settle(&decision, DT_NOBEGIN);
	for (int r = 0; r < decision.nrows; r++)
	{
		const JournalRow *row = decision.rows[r];

		if (row->effective_at > until)
			continue;
		for (int i = 0; i < row->npostings; i++)
			put(result, &decision, row, &row->postings[i].lot, NULL);
		for (int i = 0; i < row->nchanges; i++)
			put(result, &decision, row, NULL, &row->changes[i]);
	}
	SPI_finish();
}

/*
 * report_unposted(program_id, until): what was due up to a moment, and up to
 * now.  Accounts are settled for now, as housekeeping will do it, because
 * what is due later may be decided by what is due before.
 */
Datum
loyalty_report_unposted(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext work;
	TimestampTz now = loyalty_clock();
	TimestampTz until;
	NullableDatum args[2];
	int64	   *members;
	int			n;

	require_argument(fcinfo, UNPOSTED_PROGRAM_ID, "program_id");
	require_argument(fcinfo, UNPOSTED_UNTIL, "until");
	until = Min(PG_GETARG_TIMESTAMPTZ(UNPOSTED_UNTIL), now);
	InitMaterializedSRF(fcinfo, 0);
	if (TIMESTAMP_IS_NOBEGIN(until))
		return (Datum) 0;
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	args[0] = fcinfo->args[UNPOSTED_PROGRAM_ID];
	args[1] = ARG(TimestampTzGetDatum(until));
	n = statement_run(&select_due, args, true);
	members = palloc(sizeof(int64) * Max(n, 1));
	for (int i = 0; i < n; i++)
		members[i] = DatumGetInt64(statement_notnull(i, 1));
	work = AllocSetContextCreate(caller, "loyalty unposted",
								 ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(work);
		put_member(result, members[i], now, until);
		MemoryContextReset(work);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
	SPI_finish();
	return (Datum) 0;
}
