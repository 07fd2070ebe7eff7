/*
 * message_take.c
 *
 * Gives messages to a consumer, for a while: the lease.
 *
 * What is due is found by one range of an index per programme and priority,
 * whatever else is queued: what is leased, put off or later lies behind it,
 * and what is paused or has no quota left is not looked at.  Rows that others
 * have locked are passed over, and so are members who are locked, where it
 * has to be counted what they got.  A consumer waits only for the row that
 * counts a quota, which it takes before any message.
 */
#include "message.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"

#include "message_judge.h"

PG_FUNCTION_INFO_V1(loyalty_message_take);

#define MAX_TAKEN 10000

/* Messages that one call looks at, if it may not give them out. */
#define MAX_LOOKED 10000

/* Messages that are judged together, if more than what is asked for. */
#define MAX_BATCH 1000

enum take_arg
{
	TAKE_CHANNEL,
	TAKE_N,
	TAKE_LEASE,
	TAKE_PROGRAM
};

/* What is taken, and where from. */
typedef struct Taking
{
	char	   *channel;
	TimestampTz now;
	TimestampTz leased_until;
	int			left;			/* that may still be taken */
	int			looked;
	int			nqueues;
	Queue	   *queues;			/* ascending by programme */
	ReturnSetInfo *result;
} Taking;

static Statement select_program = {
	"SELECT program_id FROM loyalty.program WHERE name = $1",
	1, {TEXTOID}
};

/* Of those that are not at rest, what is there. */
static Statement select_queues = {
	"SELECT c.program_id, p.name, c.status = 'active' AND p.status = 'active',"
	" c.quota, c.quiet_from, c.quiet_until, c.member_cap, c.member_days,"
	" c.max_attempts, c.fallback IS NOT NULL"
	" FROM loyalty.message_channel c"
	" JOIN loyalty.program p ON p.program_id = c.program_id"
	" WHERE c.name = $1 AND ($2 IS NULL OR c.program_id = $2)"
	" ORDER BY c.program_id",
	2, {TEXTOID, INT4OID}
};

/* One look into the index for each priority: what is later is passed over. */
static Statement select_due = {
	"SELECT FROM pg_catalog.generate_series(0, 9) AS p (priority)"
	" CROSS JOIN LATERAL (SELECT FROM loyalty.message m"
	" WHERE m.program_id = $1 AND m.channel = $2"
	" AND m.priority = p.priority::int2"
	" AND m.status IN ('queued', 'taken') AND m.due_at <= $3 LIMIT 1) m"
	" LIMIT 1",
	3, {INT4OID, TEXTOID, TIMESTAMPTZOID}
};

static Statement select_quota = {
	"SELECT taken FROM loyalty.message_quota"
	" WHERE channel = $1 AND program_id = $2 AND day = $3",
	3, {TEXTOID, INT4OID, DATEOID}
};

static Statement insert_quota = {
	"INSERT INTO loyalty.message_quota (channel, program_id, day, taken)"
	" VALUES ($1, $2, $3, 0) ON CONFLICT DO NOTHING",
	3, {TEXTOID, INT4OID, DATEOID}
};

static Statement lock_quota = {
	"SELECT taken FROM loyalty.message_quota"
	" WHERE channel = $1 AND program_id = $2 AND day = $3"
	" FOR NO KEY UPDATE",
	3, {TEXTOID, INT4OID, DATEOID}
};

static Statement count_quota = {
	"UPDATE loyalty.message_quota SET taken = taken + $4"
	" WHERE channel = $1 AND program_id = $2 AND day = $3",
	4, {TEXTOID, INT4OID, DATEOID, INT4OID}
};

static Statement lock_messages = {
	"SELECT member_id, message_id, due_at, expires_at, created_at, attempts,"
	" purpose, template, params FROM loyalty.message"
	" WHERE program_id = $1 AND channel = $2 AND priority = $3"
	" AND status IN ('queued', 'taken') AND due_at <= $4"
	" AND (due_at, message_id) > ($5, $6)"
	" ORDER BY due_at, message_id LIMIT $7 FOR NO KEY UPDATE SKIP LOCKED",
	7, {INT4OID, TEXTOID, INT2OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID,
	INT4OID}
};

/* The programme that is asked for; 0: all. */
static int32
find_program(FunctionCallInfo fcinfo)
{
	NullableDatum args[] = {fcinfo->args[TAKE_PROGRAM]};

	if (PG_ARGISNULL(TAKE_PROGRAM))
		return 0;
	if (statement_run(&select_program, args, false) == 0)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s",
							   clipped(TextDatumGetCString(args[0].value))));
	return DatumGetInt32(statement_notnull(0, 1));
}

/* A time of day of the last result; -1 for NULL. */
static TimeADT
time_of_day(uint64 row, int column)
{
	bool		isnull;
	Datum		value = statement_value(row, column, &isnull);

	return isnull ? -1 : DatumGetTimeADT(value);
}

static void
read_queue(uint64 row, Queue *queue)
{
	queue->program_id = DatumGetInt32(statement_notnull(row, 1));
	queue->program_name = statement_text(row, 2);
	queue->open = DatumGetBool(statement_notnull(row, 3));
	queue->quota = statement_int32_or(row, 4, -1);
	queue->quiet_from = time_of_day(row, 5);
	queue->quiet_until = time_of_day(row, 6);
	queue->member_cap = statement_int32_or(row, 7, 0);
	queue->member_days = DatumGetInt32(statement_notnull(row, 8));
	queue->max_attempts = DatumGetInt32(statement_notnull(row, 9));
	queue->falls_back = DatumGetBool(statement_notnull(row, 10));
}

/* The queues of the channel; LY440 if no programme asked for has it. */
static void
load_queues(Taking *taking, int32 program_id)
{
	NullableDatum args[] = {
		ARG(CStringGetTextDatum(taking->channel)),
		ARG_OR_NULL(Int32GetDatum(program_id), program_id != 0)
	};

	taking->nqueues = statement_run(&select_queues, args, false);
	if (taking->nqueues == 0)
		refusal_raise(REFUSAL_UNKNOWN_CHANNEL,
					  psprintf("channel=%s", clipped(taking->channel)));
	taking->queues = palloc0(sizeof(Queue) * taking->nqueues);
	for (int i = 0; i < taking->nqueues; i++)
	{
		read_queue(i, &taking->queues[i]);
		taking->queues[i].channel = taking->channel;
		taking->queues[i].now = taking->now;
	}
}

/* What is left of the quota of today, which is then locked. */
static int
quota_left(const Queue *queue)
{
	NullableDatum args[] = {
		ARG(CStringGetTextDatum(queue->channel)),
		ARG(Int32GetDatum(queue->program_id)),
		ARG(DateADTGetDatum(queue->today))
	};

	if (queue->quota < 0)
		return MAX_TAKEN;
	if (queue->quota == 0)
		return 0;
	/* nobody need wait to hear that there is nothing */
	if (statement_run(&select_quota, args, false) == 0)
		statement_run(&insert_quota, args, false);
	else if (DatumGetInt32(statement_notnull(0, 1)) >= queue->quota)
		return 0;
	if (statement_run(&lock_quota, args, false) == 0)
		elog(ERROR, "quota of channel \"%s\" has gone", queue->channel);
	return Max(queue->quota - DatumGetInt32(statement_notnull(0, 1)), 0);
}

/* Keeps the queues in which something is due that may be taken. */
static void
open_queues(Taking *taking)
{
	int			n = 0;

	for (int i = 0; i < taking->nqueues; i++)
	{
		Queue	   *queue = &taking->queues[i];
		NullableDatum args[] = {
			ARG(Int32GetDatum(queue->program_id)),
			ARG(CStringGetTextDatum(queue->channel)),
			ARG(TimestampTzGetDatum(taking->now))
		};

		if (!queue->open || statement_run(&select_due, args, false) == 0)
			continue;
		queue->program = program_get(queue->program_id);
		queue->today = program_date(queue->program, taking->now);
		queue->room = quota_left(queue);
		if (queue->room > 0)
			taking->queues[n++] = *queue;
	}
	taking->nqueues = n;
}

/* Locks up to so many messages that are due, those after the last ones. */
static int
lock_due(Queue *queue, int priority, int limit, Candidate **candidates)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(queue->program_id)),
		ARG(CStringGetTextDatum(queue->channel)),
		ARG(Int16GetDatum(priority)),
		ARG(TimestampTzGetDatum(queue->now)),
		ARG(TimestampTzGetDatum(queue->after_due)),
		ARG(Int64GetDatum(queue->after_id)),
		ARG(Int32GetDatum(limit))
	};
	int			n = statement_run(&lock_messages, args, false);

	*candidates = palloc0(sizeof(Candidate) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		Candidate  *candidate = &(*candidates)[i];

		candidate->member_id = DatumGetInt64(statement_notnull(i, 1));
		candidate->message_id = DatumGetInt64(statement_notnull(i, 2));
		candidate->due_at = DatumGetTimestampTz(statement_notnull(i, 3));
		candidate->expires_at = statement_time_or(i, 4, DT_NOEND);
		candidate->created_at = DatumGetTimestampTz(statement_notnull(i, 5));
		candidate->attempts = DatumGetInt32(statement_notnull(i, 6));
		candidate->purpose = statement_text(i, 7);
		candidate->template = statement_text(i, 8);
		candidate->params = (Jsonb *) statement_varlena(i, 9);
		candidate->priority = priority;
	}
	if (n > 0)
	{
		queue->after_due = (*candidates)[n - 1].due_at;
		queue->after_id = (*candidates)[n - 1].message_id;
	}
	return n;
}

/* One row of the answer. */
static void
put_row(const Taking *taking, const Queue *queue, const Candidate *candidate)
{
	Datum		values[] = {
		Int64GetDatum(candidate->message_id),
		Int64GetDatum(candidate->member_id),
		CStringGetTextDatum(queue->program_name),
		CStringGetTextDatum(queue->channel),
		CStringGetTextDatum(candidate->template),
		JsonbPGetDatum(candidate->params),
		CStringGetTextDatum(candidate->purpose),
		Int32GetDatum(candidate->priority),
		/* this one counted */
		Int32GetDatum(candidate->attempts + 1),
		TimestampTzGetDatum(candidate->created_at),
		CStringGetTextDatum(psprintf("message-" INT64_FORMAT,
									 candidate->message_id))
	};
	bool		nulls[lengthof(values)] = {false};

	tuplestore_putvalues(taking->result->setResult, taking->result->setDesc,
						 values, nulls);
}

/* Counts and gives out what of a batch may be taken. */
static int
give_out(Taking *taking, Queue *queue, const Candidate *candidates, int n)
{
	NullableDatum args[] = {
		ARG(CStringGetTextDatum(queue->channel)),
		ARG(Int32GetDatum(queue->program_id)),
		ARG(DateADTGetDatum(queue->today)),
		NULL_ARG
	};
	int			taken = 0;

	for (int i = 0; i < n; i++)
		if (candidates[i].verdict == VERDICT_TAKE)
		{
			put_row(taking, queue, &candidates[i]);
			taken++;
		}
	args[3] = ARG(Int32GetDatum(taken));
	if (queue->quota >= 0 && taken > 0)
		statement_run(&count_quota, args, false);
	queue->room -= taken;
	taking->left -= taken;
	return taken;
}

/* Takes up to so many messages of a priority from a queue. */
static void
take_from(Taking *taking, Queue *queue, int priority, int want)
{
	int			limit = want = Min(want, queue->room);

	while (want > 0 && taking->looked < MAX_LOOKED)
	{
		Candidate  *candidates;
		int			n;

		CHECK_FOR_INTERRUPTS();
		n = lock_due(queue, priority, limit, &candidates);
		if (n == 0)
			return;
		message_judge(queue, candidates, n, want, taking->leased_until);
		want -= give_out(taking, queue, candidates, n);
		taking->looked += n;
		if (n < limit)
			return;
		/* where few may be taken, many are looked at together */
		limit = Max(want, Min(limit * 4, MAX_BATCH));
	}
}

/*
 * Takes by priority; of one priority from each programme its share first, so
 * that a long queue does not hold up the others.
 */
static void
take(Taking *taking)
{
	for (int priority = PRIORITY_URGENT; priority >= 0; priority--)
		for (int round = 0; round < 2; round++)
			for (int i = 0; i < taking->nqueues && taking->left > 0; i++)
			{
				Queue	   *queue = &taking->queues[i];
				int			share = taking->left;

				if (round == 0)
				{
					queue->after_due = DT_NOBEGIN;
					queue->after_id = 0;
					share = (share + taking->nqueues - i - 1) /
						(taking->nqueues - i);
				}
				take_from(taking, queue, priority, share);
			}
}

/* Refuses a lease that is none. */
static TimestampTz
lease_end(FunctionCallInfo fcinfo, TimestampTz now)
{
	TimestampTz until;

	require_argument(fcinfo, TAKE_LEASE, "lease");
	until = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													TimestampTzGetDatum(now),
													PG_GETARG_DATUM(TAKE_LEASE)));
	if (until <= now || until > now + USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("lease must be above zero and at most one day")));
	return until;
}

/*
 * message_take(channel, n, lease, program): one row per message that the
 * caller is to deliver until the lease is over.
 */
Datum
loyalty_message_take(PG_FUNCTION_ARGS)
{
	Taking		taking = {.now = loyalty_clock()};

	require_argument(fcinfo, TAKE_CHANNEL, "channel");
	require_argument(fcinfo, TAKE_N, "n");
	taking.channel = text_to_cstring(PG_GETARG_TEXT_PP(TAKE_CHANNEL));
	taking.left = PG_GETARG_INT32(TAKE_N);
	if (taking.left < 1 || taking.left > MAX_TAKEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("n must be between 1 and %d", MAX_TAKEN)));
	taking.leased_until = lease_end(fcinfo, taking.now);
	InitMaterializedSRF(fcinfo, 0);
	taking.result = (ReturnSetInfo *) fcinfo->resultinfo;
	message_begin();
	load_queues(&taking, find_program(fcinfo));
	open_queues(&taking);
	take(&taking);
	SPI_finish();
	return (Datum) 0;
}
