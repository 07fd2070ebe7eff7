/*
 * activity_expire.c
 *
 * Deletes what is no longer kept.  That it is over follows from its date and
 * its kind; path() and report_path() do not show it, deleted or not.
 */
#include "activity.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(loyalty_activity_expire);
PG_FUNCTION_INFO_V1(loyalty_activity_require);

#define MAX_STEPS 20

/*
 * The kinds that something was tracked of, found one after the other by the
 * index, and what of them is over: before a time, or all of a kind that was
 * deleted.
 */
static Statement select_over = {
	"WITH RECURSIVE used (kind) AS ("
	"(SELECT a.kind FROM loyalty.activity a WHERE a.program_id = $1"
	" ORDER BY a.kind LIMIT 1)"
	" UNION ALL SELECT (SELECT a.kind FROM loyalty.activity a"
	" WHERE a.program_id = $1 AND a.kind > u.kind ORDER BY a.kind LIMIT 1)"
	" FROM used u WHERE u.kind IS NOT NULL)"
	" SELECT u.kind, CASE WHEN k.kind IS NULL THEN 'infinity'"
	" ELSE ($2 - k.retain_days)::timestamp AT TIME ZONE p.time_zone END"
	" FROM used u JOIN loyalty.program p ON p.program_id = $1"
	" LEFT JOIN loyalty.activity_kind k"
	" ON k.program_id = $1 AND k.kind = u.kind"
	" WHERE u.kind IS NOT NULL"
	" AND (k.kind IS NULL OR k.retain_days IS NOT NULL)",
	2, {INT4OID, DATEOID}
};

/*
 * The visitors among those whose activities come next.  Locked, and not
 * waited for: one of whom somebody else is in charge, who tracks, joins or
 * deletes, is left to him for this time.
 */
static Statement lock_visitors = {
	"WITH locked AS (SELECT v.member_id FROM loyalty.visitor v"
	" WHERE v.member_id IN (SELECT o.member_id FROM"
	" (SELECT a.member_id FROM loyalty.activity a"
	" WHERE a.program_id = $1 AND a.kind = $2 AND a.at < $3"
	" ORDER BY a.at LIMIT $4) o)"
	" AND v.program_id = $1 AND v.joined_at IS NULL"
	" FOR UPDATE OF v SKIP LOCKED)"
	" SELECT coalesce(array_agg(member_id), '{}') FROM locked",
	4, {INT4OID, TEXTOID, TIMESTAMPTZOID, INT8OID}
};

/* The oldest first: of members, and of visitors who are locked. */
static Statement delete_over = {
	"WITH over AS ("
	"SELECT a.member_id, a.activity_id FROM loyalty.activity a"
	" WHERE a.program_id = $1 AND a.kind = $2 AND a.at < $3"
	" AND NOT EXISTS (SELECT FROM loyalty.visitor v"
	" WHERE v.member_id = a.member_id AND v.joined_at IS NULL"
	" AND v.member_id <> ALL ($5))"
	" ORDER BY a.at LIMIT $4 FOR UPDATE OF a SKIP LOCKED)"
	" DELETE FROM loyalty.activity a USING over o"
	" WHERE a.member_id = o.member_id AND a.activity_id = o.activity_id",
	5, {INT4OID, TEXTOID, TIMESTAMPTZOID, INT8OID, INT8ARRAYOID}
};

/*
 * Of a kind that was deleted everything is over, also what is dated tomorrow.
 * Writes once a day, and replaces what was noted before; rows of others who
 * delete at the same time are left alone.
 */
static Statement note_expired = {
	"WITH n AS (SELECT CASE WHEN isfinite($3)"
	" THEN ($3 AT TIME ZONE p.time_zone)::date ELSE $4 + 2 END AS before"
	" FROM loyalty.program p WHERE p.program_id = $1),"
	" gone AS (DELETE FROM loyalty.activity_expired x USING ("
	"SELECT y.noted_at FROM loyalty.activity_expired y JOIN n"
	" ON y.before < n.before WHERE y.program_id = $1 AND y.kind = $2"
	" FOR UPDATE OF y SKIP LOCKED) o"
	" WHERE x.program_id = $1 AND x.kind = $2 AND x.noted_at = o.noted_at)"
	" INSERT INTO loyalty.activity_expired (program_id, kind, noted_at, before)"
	" SELECT $1, $2, pg_catalog.clock_timestamp(), n.before FROM n"
	" WHERE NOT EXISTS (SELECT FROM loyalty.activity_expired y"
	" WHERE y.program_id = $1 AND y.kind = $2 AND y.before >= n.before)",
	4, {INT4OID, TEXTOID, TIMESTAMPTZOID, DATEOID}
};

static Statement delete_visitors = {
	"DELETE FROM loyalty.visitor v"
	" WHERE v.member_id = ANY ($1) AND v.program_id = $2"
	" AND NOT EXISTS (SELECT FROM loyalty.activity a"
	" WHERE a.member_id = v.member_id)",
	2, {INT8ARRAYOID, INT4OID}
};

/*
 * Forgets visitors of whom nothing is left.  The statement that looks for
 * their activities begins when they are locked; where all statements share one
 * snapshot that would prove nothing, so there they stay.
 */
static void
forget_visitors(const Program *program, Datum locked)
{
	NullableDatum args[] = {
		ARG(locked),
		ARG(Int32GetDatum(program->program_id))
	};

	if (!IsolationUsesXactSnapshot())
		statement_run(&delete_visitors, args, false);
}

/* Notes up to when activities of a kind have been deleted. */
static void
note(const Program *program, const char *kind, TimestampTz before)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program->program_id)),
		ARG(CStringGetTextDatum(kind)),
		ARG(TimestampTzGetDatum(before)),
		ARG(DateADTGetDatum(program_date(program, loyalty_clock())))
	};

	statement_run(&note_expired, args, false);
}

/* Deletes up to so many of a kind that lie before a time; how many. */
static int64
expire_kind(const Program *program, const char *kind, TimestampTz before,
			int64 limit)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program->program_id)),
		ARG(CStringGetTextDatum(kind)),
		ARG(TimestampTzGetDatum(before)),
		ARG(Int64GetDatum(limit)),
		NULL_ARG
	};
	int64		deleted;

	statement_run(&lock_visitors, args, false);
	args[4] = ARG(PointerGetDatum(statement_varlena(0, 1)));
	deleted = statement_run(&delete_over, args, false);
	if (deleted == 0)
		return 0;
	note(program, kind, before);
	forget_visitors(program, args[4].value);
	return deleted;
}

/* Deletes up to so many activities that are over; how many. */
static int64
expire(const Program *program, int64 limit)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program->program_id)),
		ARG(DateADTGetDatum(program_date(program, loyalty_clock())))
	};
	int			n = statement_run(&select_over, args, false);
	char	  **kinds = palloc(sizeof(char *) * Max(n, 1));
	TimestampTz *before = palloc(sizeof(TimestampTz) * Max(n, 1));
	int64		deleted = 0;

	for (int i = 0; i < n; i++)
	{
		kinds[i] = statement_text(i, 1);
		before[i] = DatumGetTimestampTz(statement_notnull(i, 2));
	}
	for (int i = 0; i < n && deleted < limit; i++)
	{
		CHECK_FOR_INTERRUPTS();
		deleted += expire_kind(program, kinds[i], before[i], limit - deleted);
	}
	return deleted;
}

static const Program *
program_named(FunctionCallInfo fcinfo)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	const Program *program = program_find(name);

	if (program == NULL)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND, psprintf("program=%s", name));
	return program;
}

/*
 * activity_expire(program text, batch int): how many activities were deleted;
 * fewer than batch when nothing is left to do.
 */
Datum
loyalty_activity_expire(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	int64		deleted;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("program and batch must not be null")));
	if (PG_GETARG_INT32(1) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch must be above zero")));
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	deleted = expire(program_named(fcinfo), PG_GETARG_INT32(1));
	SPI_finish();
	PG_RETURN_INT64(deleted);
}

/*
 * path_require(program text, steps int): the programme's id, for
 * report_path(), which cannot raise.
 */
Datum
loyalty_activity_require(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	int32		program_id;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("program and steps must not be null")));
	if (PG_GETARG_INT32(1) < 1 || PG_GETARG_INT32(1) > MAX_STEPS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("steps must be between 1 and %d", MAX_STEPS)));
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	program_id = program_named(fcinfo)->program_id;
	SPI_finish();
	PG_RETURN_INT32(program_id);
}
