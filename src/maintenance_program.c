/*
 * maintenance_program.c
 *
 * Jobs that have a function for one programme: the same for all of them.
 */
#include "maintenance.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_maintenance_tag);
PG_FUNCTION_INFO_V1(loyalty_maintenance_activity);

static Statement select_programs = {
	"SELECT name FROM loyalty.program ORDER BY program_id"
};

static Statement refresh_tags = {
	"SELECT looked_at, left_over FROM loyalty.tag_refresh($1, $2)",
	2, {TEXTOID, INT4OID}
};

static Statement expire_activities = {
	"SELECT n::int, n >= $2 FROM loyalty.activity_expire($1, $2) n",
	2, {TEXTOID, INT4OID}
};

static Statement expire_attempts = {
	"SELECT n::int, n >= $2 FROM loyalty.coupon_attempt_expire($1, $2) n",
	2, {TEXTOID, INT4OID}
};

/* Of those that were not tried again, because their turn did not come. */
static Statement forget_faults = {
	"DELETE FROM loyalty.maintenance_fault"
	" WHERE retry_at < $1 - interval '1 day'",
	1, {TIMESTAMPTZOID}
};

typedef struct Share
{
	int			batch;
	int			done;
	bool		left_over;
} Share;

/*
 * Runs a statement for each programme, as long as the batch is not full;
 * those that are not reached are left over.
 */
static void
share(Share *share, Statement *statement, const NullableDatum *names, int n)
{
	for (int i = 0; i < n; i++)
	{
		NullableDatum args[] = {
			names[i], ARG(Int32GetDatum(share->batch - share->done))
		};

		CHECK_FOR_INTERRUPTS();
		if (share->done >= share->batch)
		{
			share->left_over = true;
			return;
		}
		statement_run(statement, args, false);
		share->done += DatumGetInt32(statement_notnull(0, 1));
		share->left_over |= DatumGetBool(statement_notnull(0, 2));
		SPI_freetuptable(SPI_tuptable);
	}
}

static NullableDatum *
begin(FunctionCallInfo fcinfo, Share *share, int *n)
{
	MemoryContext caller = CurrentMemoryContext;
	NullableDatum *names;

	share->batch = maintenance_batch_arg(fcinfo, 0);
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	*n = statement_run(&select_programs, NULL, false);
	names = palloc(sizeof(NullableDatum) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		names[i] = ARG(CStringGetTextDatum(statement_text(i, 1)));
	return names;
}

/* tag_maintain(batch): tag_refresh() of the programmes */
Datum
loyalty_maintenance_tag(PG_FUNCTION_ARGS)
{
	Share		tags = {0};
	int			n;
	NullableDatum *names = begin(fcinfo, &tags, &n);

	share(&tags, &refresh_tags, names, n);
	SPI_finish();
	return maintenance_outcome(fcinfo, tags.done, tags.left_over);
}

/* activity_maintain(batch): deletes what is no longer kept */
Datum
loyalty_maintenance_activity(PG_FUNCTION_ARGS)
{
	Share		rows = {0};
	int			n;
	NullableDatum *names = begin(fcinfo, &rows, &n);
	NullableDatum now[] = {ARG(TimestampTzGetDatum(loyalty_clock()))};

	statement_run(&forget_faults, now, false);
	share(&rows, &expire_activities, names, n);
	share(&rows, &expire_attempts, names, n);
	SPI_finish();
	return maintenance_outcome(fcinfo, rows.done, rows.left_over);
}
