/*
 * message_judge.c
 *
 * May a message that is due be given out, and if not, what becomes of it?
 * In this order: it is over; the member has left; it was tried too often; he
 * does not want it; it is night; he had as many as he may.
 *
 * What he wants is read when the message is taken, so a withdrawal that was
 * committed before counts; of one that is committed meanwhile either may be
 * the first.  What he had is counted while his account is locked, so that two
 * consumers do not both give him the last one.  Accounts that others have
 * locked are not waited for: who holds one may be waiting for a message.
 */
#include "message_judge.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/* What has to be known of the members. */
static Statement select_members = {
	"SELECT a.status, m.profile ->> 'time_zone',"
	" x.purpose = '" PURPOSE_SERVICE "' OR "
	CONSENT_STANDS("x.member_id", "x.purpose", "$3", "$4")
	" FROM unnest($1, $2) WITH ORDINALITY AS x (member_id, purpose, place)"
	" LEFT JOIN loyalty.account a ON a.member_id = x.member_id"
	" LEFT JOIN loyalty.member m ON m.member_id = x.member_id"
	" ORDER BY x.place",
	4, {INT8ARRAYOID, TEXTARRAYOID, TEXTOID, TIMESTAMPTZOID}
};

static Statement lock_members = {
	"SELECT member_id FROM loyalty.account WHERE member_id = ANY ($1)"
	" ORDER BY member_id FOR NO KEY UPDATE SKIP LOCKED",
	1, {INT8ARRAYOID}
};

/* What they had since a time, beside the candidates; the newest first. */
static Statement select_had = {
	"SELECT member_id, taken_at FROM loyalty.message"
	" WHERE member_id = ANY ($1) AND channel = $2 AND program_id = $3"
	" AND taken_at >= $4 AND status IN ('taken', 'done')"
	" AND purpose <> '" PURPOSE_SERVICE "' AND message_id <> ALL ($5)"
	" ORDER BY member_id, taken_at DESC",
	5, {INT8ARRAYOID, TEXTOID, INT4OID, TIMESTAMPTZOID, INT8ARRAYOID}
};

/* One of update_messages. */
static Statement row_of_message = {
	"", 8, {INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	TIMESTAMPTZOID, INT4OID, TEXTOID}
};

static Statement update_messages = {
	"WITH judged AS ("
	"UPDATE loyalty.message m SET status = r.status, due_at = r.due_at,"
	" taken_at = coalesce(r.taken_at, m.taken_at), ended_at = r.ended_at,"
	" attempts = r.attempts, reason = r.reason"
	" FROM unnest($1) AS r (member_id bigint, message_id bigint, status text,"
	" due_at timestamptz, taken_at timestamptz, ended_at timestamptz,"
	" attempts int, reason text)"
	" WHERE m.member_id = r.member_id AND m.message_id = r.message_id"
	" RETURNING m.program_id, m.member_id, m.run_id, m.attempts),"
	/* reports count the messages of runs that were given out */
	" counted AS (INSERT INTO loyalty.report_run_change (program_id,"
	" change_id, member_ids, run_ids) SELECT c.program_id,"
	" pg_catalog.nextval('loyalty.change_id_seq'), c.member_ids, c.run_ids"
	" FROM (SELECT j.program_id, pg_catalog.array_agg(j.member_id)"
	" AS member_ids, pg_catalog.array_agg(j.run_id) AS run_ids"
	" FROM judged j WHERE j.run_id IS NOT NULL AND j.attempts = 1"
	" GROUP BY j.program_id) c)"
	" SELECT FROM judged",
	1, {RECORDARRAYOID}
};

/* A member who is locked, and what he had of the channel. */
typedef struct Receiver
{
	int64		member_id;
	int			taken;			/* of this batch, so now */
	int			nhad;
	TimestampTz *had;			/* the newest first */
} Receiver;

typedef struct Receivers
{
	int			n;
	Receiver   *list;			/* ascending by member */
} Receivers;

static Datum
message_ids(const Candidate *candidates, int n)
{
	Datum	   *ids = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		ids[i] = Int64GetDatum(candidates[i].message_id);
	return array_of(ids, n, INT8OID);
}

/* Those of all members, or of those whose messages are counted. */
static Datum
member_ids(const Candidate *candidates, int n, bool all)
{
	Datum	   *ids = palloc(sizeof(Datum) * Max(n, 1));
	int			nids = 0;

	for (int i = 0; i < n; i++)
		if (all || candidates[i].capped)
			ids[nids++] = Int64GetDatum(candidates[i].member_id);
	return array_of(ids, nids, INT8OID);
}

/* Status, zone and consent of each. */
static void
load_members(const Queue *queue, Candidate *candidates, int n)
{
	Datum	   *purposes = palloc(sizeof(Datum) * n);
	NullableDatum args[4];

	for (int i = 0; i < n; i++)
		purposes[i] = CStringGetTextDatum(candidates[i].purpose);
	args[0] = ARG(member_ids(candidates, n, true));
	args[1] = ARG(array_of(purposes, n, TEXTOID));
	args[2] = ARG(CStringGetTextDatum(queue->channel));
	args[3] = ARG(TimestampTzGetDatum(queue->now));
	if (statement_run(&select_members, args, false) != n)
		elog(ERROR, "not every message has been asked about");
	for (int i = 0; i < n; i++)
	{
		char	   *zone = statement_text(i, 2);

		candidates[i].status = statement_text(i, 1);
		candidates[i].zone = zone == NULL ? NULL : message_zone(zone);
		if (candidates[i].zone == NULL)
			candidates[i].zone = queue->program->zone;
		candidates[i].consents = DatumGetBool(statement_notnull(i, 3));
	}
}

static int
compare_receivers(const void *a, const void *b)
{
	int64		one = ((const Receiver *) a)->member_id;
	int64		other = ((const Receiver *) b)->member_id;

	return one < other ? -1 : one > other;
}

/* NULL: the member is not locked. */
static Receiver *
find_receiver(const Receivers *receivers, int64 member_id)
{
	Receiver	wanted = {.member_id = member_id};

	return bsearch(&wanted, receivers->list, receivers->n, sizeof(Receiver),
				   compare_receivers);
}

/* Locks the members whom nobody else has locked. */
static void
lock_receivers(const Candidate *candidates, int n, Receivers *receivers)
{
	NullableDatum args[] = {ARG(member_ids(candidates, n, false))};

	receivers->n = statement_run(&lock_members, args, false);
	receivers->list = palloc0(sizeof(Receiver) * Max(receivers->n, 1));
	for (int i = 0; i < receivers->n; i++)
		receivers->list[i].member_id = DatumGetInt64(statement_notnull(i, 1));
}

/*
 * What the members had in the days that count.  With the latest snapshot,
 * because that of a transaction may be older than the locks.
 */
static void
load_had(const Queue *queue, const Candidate *candidates, int n,
		 Receivers *receivers)
{
	DateADT		first = queue->today - queue->member_days + 1;
	NullableDatum args[] = {
		ARG(member_ids(candidates, n, false)),
		ARG(CStringGetTextDatum(queue->channel)),
		ARG(Int32GetDatum(queue->program_id)),
		ARG(TimestampTzGetDatum(program_midnight(queue->program, first))),
		ARG(message_ids(candidates, n))
	};
	int			nhad;
	TimestampTz *had;

	PushActiveSnapshot(GetLatestSnapshot());
	nhad = statement_run(&select_had, args, true);
	PopActiveSnapshot();
	had = palloc(sizeof(TimestampTz) * Max(nhad, 1));
	for (int i = 0; i < nhad; i++)
	{
		Receiver   *receiver =
			find_receiver(receivers, DatumGetInt64(statement_notnull(i, 1)));

		had[i] = DatumGetTimestampTz(statement_notnull(i, 2));
		if (receiver == NULL)
			continue;
		if (receiver->nhad++ == 0)
			receiver->had = &had[i];
	}
}

/*
 * When the member may have another one: now, or when enough of those he had
 * lie before the days that count.
 */
static TimestampTz
free_from(const Queue *queue, const Receiver *receiver)
{
	int			older = queue->member_cap - receiver->taken - 1;
	DateADT		day = queue->today;

	if (older >= receiver->nhad)
		return queue->now;
	if (older >= 0)
		day = program_date(queue->program, receiver->had[older]);
	return program_midnight(queue->program, day + queue->member_days);
}

/* Why nothing can be said to the member at all; NULL: it can. */
static const char *
gone(const Candidate *candidate)
{
	if (candidate->status == NULL)
		return "member_not_found";
	if (strcmp(candidate->status, "closed") == 0)
		return "member_closed";
	return strcmp(candidate->status, "merged") == 0 ? "member_merged" : NULL;
}

/* Judges by what does not depend on other messages. */
static void
judge_alone(const Queue *queue, Candidate *candidate)
{
	const char *reason = gone(candidate);

	candidate->verdict = VERDICT_TAKE;
	if (candidate->expires_at <= queue->now)
		candidate->verdict = VERDICT_EXPIRE;
	else if (reason != NULL)
	{
		candidate->verdict = VERDICT_SUPPRESS;
		candidate->reason = reason;
	}
	else if (candidate->attempts >= queue->max_attempts)
	{
		candidate->verdict = VERDICT_GIVE_UP;
		candidate->reason = "lease_over";
		candidate->falls_back = true;
	}
	else if (!candidate->consents)
	{
		candidate->verdict = VERDICT_SUPPRESS;
		candidate->reason = "no_consent";
		candidate->falls_back = true;
	}
	else if (queue->quiet_from >= 0 && candidate->priority < PRIORITY_URGENT)
	{
		candidate->until = message_quiet_end(candidate->zone,
											 queue->quiet_from,
											 queue->quiet_until, queue->now);
		if (candidate->until > queue->now)
		{
			candidate->verdict = VERDICT_PUT_OFF;
			candidate->reason = "quiet_hours";
		}
	}
}

/* Judges by what else the member has; NULL: that cannot be told now. */
static void
judge_cap(const Queue *queue, Candidate *candidate, const Receiver *receiver)
{
	if (receiver == NULL)
	{
		candidate->verdict = VERDICT_LEAVE;
		return;
	}
	candidate->until = free_from(queue, receiver);
	if (candidate->until > queue->now)
	{
		candidate->verdict = VERDICT_PUT_OFF;
		candidate->reason = "member_cap";
	}
}

/* A message as it is to be. */
static void
append_row(StatementRows *rows, const Queue *queue,
		   const Candidate *candidate)
{
	static const char *const statuses[] = {
		[VERDICT_TAKE] = "taken",
		[VERDICT_PUT_OFF] = "queued",
		[VERDICT_SUPPRESS] = "suppressed",
		[VERDICT_EXPIRE] = "expired",
		[VERDICT_GIVE_UP] = "dead"
	};
	bool		taken = candidate->verdict == VERDICT_TAKE;
	bool		goes_on = taken || candidate->verdict == VERDICT_PUT_OFF;
	NullableDatum args[] = {
		ARG(Int64GetDatum(candidate->member_id)),
		ARG(Int64GetDatum(candidate->message_id)),
		ARG(CStringGetTextDatum(statuses[candidate->verdict])),
		ARG(TimestampTzGetDatum(goes_on ? candidate->until :
								candidate->due_at)),
		ARG_OR_NULL(TimestampTzGetDatum(queue->now), taken),
		ARG_OR_NULL(TimestampTzGetDatum(queue->now), !goes_on),
		ARG(Int32GetDatum(candidate->attempts + (taken ? 1 : 0))),
		candidate->reason == NULL ? NULL_ARG :
		ARG(CStringGetTextDatum(candidate->reason))
	};

	rows_append(rows, args);
}

/* Writes the verdicts; another channel takes over what this one gave up. */
static void
write_verdicts(const Queue *queue, const Candidate *candidates, int n)
{
	StatementRows rows;
	NullableDatum args[1];

	rows_begin(&rows, &row_of_message);
	for (int i = 0; i < n; i++)
		if (candidates[i].verdict != VERDICT_LEAVE)
			append_row(&rows, queue, &candidates[i]);
	if (rows.n == 0)
		return;
	args[0] = ARG(rows_array(&rows));
	if (statement_run(&update_messages, args, false) != rows.n)
		elog(ERROR, "%d messages were not all written", rows.n);
	for (int i = 0; i < n && queue->falls_back; i++)
		if (candidates[i].falls_back)
			message_fall_back(candidates[i].member_id,
							  candidates[i].message_id, queue->now);
}

/* Leaves it for another time, or gives it out. */
static void
judge_want(Candidate *candidate, Receiver *receiver, int *want,
		   TimestampTz leased_until)
{
	if (*want <= 0)
	{
		candidate->verdict = VERDICT_LEAVE;
		return;
	}
	(*want)--;
	candidate->until = leased_until;
	if (receiver != NULL)
		receiver->taken++;
}

/*
 * What members had is counted of messages for which they were asked; one that
 * is urgent counts, but is not held back.
 */
static void
load_capped(const Queue *queue, Candidate *candidates, int n,
			Receivers *receivers)
{
	bool		any = false;

	if (queue->member_cap == 0 || candidates[0].priority == PRIORITY_URGENT)
		return;
	for (int i = 0; i < n; i++)
	{
		candidates[i].capped = strcmp(candidates[i].purpose,
									  PURPOSE_SERVICE) != 0;
		any |= candidates[i].capped;
	}
	if (!any)
		return;
	lock_receivers(candidates, n, receivers);
	load_had(queue, candidates, n, receivers);
}

void
message_judge(const Queue *queue, Candidate *candidates, int n, int want,
			  TimestampTz leased_until)
{
	Receivers	receivers = {0};

	load_members(queue, candidates, n);
	load_capped(queue, candidates, n, &receivers);
	for (int i = 0; i < n; i++)
	{
		Receiver   *receiver = candidates[i].capped ?
			find_receiver(&receivers, candidates[i].member_id) : NULL;

		judge_alone(queue, &candidates[i]);
		if (candidates[i].capped && candidates[i].verdict == VERDICT_TAKE)
			judge_cap(queue, &candidates[i], receiver);
		if (candidates[i].verdict == VERDICT_TAKE)
			judge_want(&candidates[i], receiver, &want, leased_until);
	}
	write_verdicts(queue, candidates, n);
}
