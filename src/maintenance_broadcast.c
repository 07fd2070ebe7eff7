/*
 * maintenance_broadcast.c
 *
 * One start of an automation for many members.  It is announced by one row,
 * and its runs are made later, some hundred members at a time in ascending
 * order, so that it can be interrupted anywhere and goes on from there.
 */
#include "maintenance.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "message.h"
#include "statement.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_automation_broadcast);
PG_FUNCTION_INFO_V1(loyalty_automation_broadcast_run);
PG_FUNCTION_INFO_V1(loyalty_automation_broadcast_cancel);

#define MAX_KEY_BYTES 255
#define MAX_TARGET_BYTES 255
#define MAX_TARGET_DAYS 366
#define DEFAULT_TARGET_DAYS 30

enum broadcast_arg
{
	BROADCAST_PROGRAM,
	BROADCAST_AUTOMATION,
	BROADCAST_KEY,
	BROADCAST_SEGMENT,
	BROADCAST_TARGET_KIND,
	BROADCAST_TARGET,
	BROADCAST_TARGET_DAYS,
	BROADCAST_PARAMS,
	BROADCAST_NARGS
};

static Statement select_automation = {
	"SELECT automation_id, status = 'live',"
	" trigger_kind IN ('schedule', 'announcement'), segment"
	" FROM loyalty.automation WHERE program_id = $1 AND name = $2",
	2, {INT4OID, TEXTOID}
};

static Statement select_segment = {
	"SELECT FROM loyalty.segment WHERE program_id = $1 AND name = $2",
	2, {INT4OID, TEXTOID}
};

static Statement insert_broadcast = {
	"INSERT INTO loyalty.automation_broadcast (broadcast_id, program_id,"
	" automation_id, key, segment, target_kind, target, target_days, params,"
	" triggered_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
	" ON CONFLICT (automation_id, key) DO NOTHING",
	10, {INT8OID, INT4OID, INT4OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
	INT4OID, JSONBOID, TIMESTAMPTZOID}
};

/* Of the same key: its id, and whether it is the same in all else. */
static Statement select_same = {
	"SELECT broadcast_id,"
	" (segment, target_kind, target, target_days, params)"
	" IS NOT DISTINCT FROM ($3, $4, $5, $6, $7)"
	" FROM loyalty.automation_broadcast"
	" WHERE automation_id = $1 AND key = $2",
	7, {INT4OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT4OID, JSONBOID}
};

static void
begin(void)
{
	MemoryContext caller = CurrentMemoryContext;

	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
}

pg_noreturn static void
refuse(Refusal refusal, const char *what, const char *value)
{
	refusal_raise(refusal, psprintf("%s=%s", what, clipped(value)));
}

pg_noreturn static void
invalid(const char *message)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", message)));
}

static void
check_length(const text *value, const char *what, int maximum)
{
	if (VARSIZE_ANY_EXHDR(value) < 1 || VARSIZE_ANY_EXHDR(value) > maximum)
		invalid(psprintf("%s must have between 1 and %d bytes", what,
						 maximum));
}

/* Whom it is for, as far as arguments say so. */
static void
check_target(FunctionCallInfo fcinfo)
{
	static char *kinds[] = {"sku", "category", "brand"};
	static const NameList known = {lengthof(kinds), kinds};
	bool		has_kind = !PG_ARGISNULL(BROADCAST_TARGET_KIND);
	int			days;

	if (has_kind != !PG_ARGISNULL(BROADCAST_TARGET))
		invalid("target_kind and target go together");
	if (!has_kind && !PG_ARGISNULL(BROADCAST_TARGET_DAYS))
		invalid("target_days needs a target");
	if (!has_kind)
		return;
	if (!text_listed(&known, PG_GETARG_TEXT_PP(BROADCAST_TARGET_KIND)))
		invalid("target_kind must be sku, category or brand");
	check_length(PG_GETARG_TEXT_PP(BROADCAST_TARGET), "target",
				 MAX_TARGET_BYTES);
	if (PG_ARGISNULL(BROADCAST_TARGET_DAYS))
		fcinfo->args[BROADCAST_TARGET_DAYS] =
			ARG(Int32GetDatum(DEFAULT_TARGET_DAYS));
	days = PG_GETARG_INT32(BROADCAST_TARGET_DAYS);
	if (days < 1 || days > MAX_TARGET_DAYS)
		invalid(psprintf("target_days must lie between 1 and %d",
						 MAX_TARGET_DAYS));
}

static void
check_args(FunctionCallInfo fcinfo)
{
	Jsonb	   *params;

	require_argument(fcinfo, BROADCAST_PROGRAM, "program");
	require_argument(fcinfo, BROADCAST_AUTOMATION, "automation");
	require_argument(fcinfo, BROADCAST_KEY, "key");
	require_argument(fcinfo, BROADCAST_PARAMS, "params");
	check_length(PG_GETARG_TEXT_PP(BROADCAST_KEY), "key", MAX_KEY_BYTES);
	check_target(fcinfo);
	params = PG_GETARG_JSONB_P(BROADCAST_PARAMS);
	if (!JB_ROOT_IS_OBJECT(params))
		invalid("params must be a json object");
	if (VARSIZE(params) > MAX_PARAMS_BYTES)
		refusal_raise(REFUSAL_INPUT_TOO_LARGE,
					  psprintf("params have %u bytes, at most %d",
							   VARSIZE(params), MAX_PARAMS_BYTES));
}

static const Program *
find_program(text *name)
{
	const Program *program = program_find(text_to_cstring(name));

	if (program == NULL)
		refuse(REFUSAL_PROGRAM_NOT_FOUND, "program", text_to_cstring(name));
	if (!program->active)
		refuse(REFUSAL_PROGRAM_INACTIVE, "program", program->name);
	return program;
}

/*
 * The automation that is to start, which is live and made for it.  Whoever
 * names no segment means that of the automation.
 */
static NullableDatum
find_automation(FunctionCallInfo fcinfo, const Program *program)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program->program_id)),
		fcinfo->args[BROADCAST_AUTOMATION]
	};
	char	   *name =
		text_to_cstring(PG_GETARG_TEXT_PP(BROADCAST_AUTOMATION));
	NullableDatum automation_id;

	if (statement_run(&select_automation, args, false) == 0)
		refuse(REFUSAL_UNKNOWN_AUTOMATION, "automation", name);
	automation_id = ARG(statement_notnull(0, 1));
	if (!DatumGetBool(statement_notnull(0, 3)))
		refusal_raise(REFUSAL_AUTOMATION_NOT_READY,
					  psprintf("automation=%s does not start for many at once",
							   clipped(name)));
	if (!DatumGetBool(statement_notnull(0, 2)))
		refusal_raise(REFUSAL_AUTOMATION_NOT_READY,
					  psprintf("automation=%s is not live", clipped(name)));
	if (PG_ARGISNULL(BROADCAST_SEGMENT))
	{
		struct varlena *segment = statement_varlena(0, 4);

		fcinfo->args[BROADCAST_SEGMENT] = POINTER_ARG(segment);
		return automation_id;
	}
	args[1] = fcinfo->args[BROADCAST_SEGMENT];
	if (statement_run(&select_segment, args, false) == 0)
		refuse(REFUSAL_UNKNOWN_SEGMENT, "segment",
			   text_to_cstring(PG_GETARG_TEXT_PP(BROADCAST_SEGMENT)));
	return automation_id;
}

/*
 * automation_broadcast(program, automation, key, segment, target_kind,
 * target, target_days, params): its id; the same key and arguments give the
 * same.
 */
Datum
loyalty_automation_broadcast(PG_FUNCTION_ARGS)
{
	int64		broadcast_id = loyalty_new_id();
	const Program *program;
	NullableDatum automation_id;
	NullableDatum args[10];
	NullableDatum same[7];

	check_args(fcinfo);
	begin();
	program = find_program(PG_GETARG_TEXT_PP(BROADCAST_PROGRAM));
	automation_id = find_automation(fcinfo, program);
	args[0] = ARG(Int64GetDatum(broadcast_id));
	args[1] = ARG(Int32GetDatum(program->program_id));
	args[2] = automation_id;
	memcpy(&args[3], &fcinfo->args[BROADCAST_KEY],
		   sizeof(NullableDatum) * (BROADCAST_NARGS - BROADCAST_KEY));
	args[9] = ARG(TimestampTzGetDatum(loyalty_clock()));
	if (statement_run(&insert_broadcast, args, false) == 0)
	{
		same[0] = automation_id;
		memcpy(&same[1], &args[3], sizeof(NullableDatum) * 6);
		statement_run(&select_same, same, false);
		broadcast_id = DatumGetInt64(statement_notnull(0, 1));
		if (!DatumGetBool(statement_notnull(0, 2)))
			refusal_raise(REFUSAL_KEY_REUSED,
						  "the key was used for another broadcast");
	}
	SPI_finish();
	PG_RETURN_INT64(broadcast_id);
}

static Statement cancel_broadcast = {
	"UPDATE loyalty.automation_broadcast"
	" SET status = 'cancelled', finished_at = $2"
	" WHERE broadcast_id = $1 AND status = 'running'",
	2, {INT8OID, TIMESTAMPTZOID}
};

static Statement select_broadcast = {
	"SELECT automation_id, triggered_at FROM loyalty.automation_broadcast"
	" WHERE broadcast_id = $1",
	1, {INT8OID}
};

/* Those that have done nothing yet; who is at work finishes. */
static Statement cancel_runs = {
	"UPDATE loyalty.automation_run SET status = 'cancelled',"
	" reason = 'cancelled', due_at = NULL, finished_at = $4"
	" WHERE (member_id, run_id) IN (SELECT r.member_id, r.run_id"
	" FROM loyalty.automation_run r"
	" WHERE r.automation_id = $1 AND r.triggered_at = $2"
	" AND r.trigger->>'broadcast_id' = $3"
	" AND r.status = 'waiting' AND r.position = 0"
	" ORDER BY r.member_id, r.run_id FOR NO KEY UPDATE SKIP LOCKED)",
	4, {INT4OID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID}
};

/*
 * automation_broadcast_cancel(broadcast_id): makes no more runs and ends
 * those that have done nothing; returns how many it ended.
 */
Datum
loyalty_automation_broadcast_cancel(PG_FUNCTION_ARGS)
{
	NullableDatum args[2];
	NullableDatum runs[4];
	int64		cancelled;

	require_argument(fcinfo, 0, "broadcast_id");
	begin();
	args[0] = fcinfo->args[0];
	args[1] = ARG(TimestampTzGetDatum(loyalty_clock()));
	statement_run(&cancel_broadcast, args, false);
	if (statement_run(&select_broadcast, args, false) == 0)
		refusal_raise(REFUSAL_BROADCAST_NOT_FOUND,
					  psprintf("broadcast_id=" INT64_FORMAT,
							   PG_GETARG_INT64(0)));
	runs[0] = ARG(statement_notnull(0, 1));
	runs[1] = ARG(statement_notnull(0, 2));
	runs[2] = ARG(CStringGetTextDatum(psprintf(INT64_FORMAT,
											   PG_GETARG_INT64(0))));
	runs[3] = args[1];
	cancelled = statement_run(&cancel_runs, runs, false);
	SPI_finish();
	PG_RETURN_INT64(cancelled);
}

/*
 * The runs.
 */

typedef struct Broadcast
{
	int64		broadcast_id;
	const Program *program;
	const Automation *automation;
	NullableDatum segment;
	char	   *target_kind;	/* NULL: none */
	NullableDatum target;
	int			target_days;
	Jsonb	   *trigger;		/* of each run */
	TimestampTz triggered_at;
	int64		done_until;
} Broadcast;

/* The oldest that no other session works at; what is paused waits. */
static Statement lock_broadcast = {
	"SELECT b.broadcast_id, b.program_id, b.automation_id, b.segment,"
	" b.target_kind, b.target, b.target_days, b.params"
	" || jsonb_build_object('broadcast', b.key, 'broadcast_id',"
	" b.broadcast_id::text) || CASE WHEN b.target_kind IS NULL THEN '{}'"
	" ELSE jsonb_build_object(b.target_kind, b.target) END,"
	" b.triggered_at, b.done_until"
	" FROM loyalty.automation_broadcast b"
	" JOIN loyalty.automation a USING (automation_id)"
	" JOIN loyalty.program p ON p.program_id = b.program_id"
	" WHERE b.status = 'running' AND a.status = 'live'"
	" AND p.status = 'active' AND NOT b.broadcast_id = ANY ($1)"
	" ORDER BY b.broadcast_id LIMIT 1 FOR UPDATE OF b SKIP LOCKED",
	1, {INT8ARRAYOID}
};

/* Of automations that were ended meanwhile. */
static Statement end_broadcasts = {
	"UPDATE loyalty.automation_broadcast SET status = 'cancelled',"
	" finished_at = $1"
	" WHERE broadcast_id IN (SELECT b.broadcast_id"
	" FROM loyalty.automation_broadcast b"
	" LEFT JOIN loyalty.automation a USING (automation_id)"
	" WHERE b.status = 'running'"
	" AND coalesce(a.status IN ('ended', 'draft'), true)"
	" ORDER BY b.broadcast_id FOR UPDATE OF b SKIP LOCKED)",
	1, {TIMESTAMPTZOID}
};

static Statement update_broadcast = {
	"UPDATE loyalty.automation_broadcast SET done_until = $2,"
	" started = started + $3,"
	" status = CASE WHEN $4 IS NULL THEN status ELSE 'done' END,"
	" finished_at = $4 WHERE broadcast_id = $1",
	4, {INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID}
};

static Statement select_all = {
	"SELECT member_id FROM loyalty.account"
	" WHERE program_id = $1 AND member_id > $2 AND $3 IS NULL"
	" ORDER BY member_id LIMIT $4",
	4, {INT4OID, INT8OID, TEXTOID, INT4OID}
};

static Statement select_members = {
	"SELECT member_id FROM loyalty.member_segment"
	" WHERE program_id = $1 AND segment = $3 AND member_id > $2"
	" ORDER BY member_id LIMIT $4",
	4, {INT4OID, INT8OID, TEXTOID, INT4OID}
};

/* Those who are members still. */
static Statement select_open = {
	"SELECT member_id FROM loyalty.account"
	" WHERE member_id = ANY ($1) AND status IN ('active', 'frozen')"
	" ORDER BY member_id",
	1, {INT8ARRAYOID}
};

/* Who looked at an article, and has not bought it since. */
static Statement select_lookers = {
	"SELECT a.member_id FROM loyalty.account a"
	" CROSS JOIN LATERAL (SELECT max(v.at) AS at FROM loyalty.activity v"
	" WHERE v.member_id = a.member_id AND v.target_kind = 'sku'"
	" AND v.target = $2 AND v.at >= $4) seen"
	" WHERE a.member_id = ANY ($1) AND a.status IN ('active', 'frozen')"
	" AND seen.at IS NOT NULL"
	" AND NOT EXISTS (SELECT FROM loyalty.journal j"
	" JOIN loyalty.event_data d ON d.member_id = j.member_id"
	" AND d.journal_id = j.journal_id"
	" WHERE j.member_id = a.member_id AND j.kind = 'event'"
	" AND j.event = 'purchase' AND j.effective_at >= seen.at"
	" AND d.data->'items' @> jsonb_build_array(jsonb_build_object($3, $2)))"
	" ORDER BY a.member_id",
	4, {INT8ARRAYOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
};

/* Who bought something of a category or a brand, or looked at it. */
static Statement select_friends = {
	"SELECT a.member_id FROM loyalty.account a"
	" WHERE a.member_id = ANY ($1) AND a.status IN ('active', 'frozen')"
	" AND (EXISTS (SELECT FROM loyalty.activity v"
	" WHERE v.member_id = a.member_id AND v.target_kind = $3"
	" AND v.target = $2 AND v.at >= $4)"
	" OR EXISTS (SELECT FROM loyalty.member_day d"
	" WHERE d.member_id = a.member_id AND d.kind = $3 AND d.name = $2"
	" AND d.day >= $5 AND d.times > 0)"
	" OR EXISTS (SELECT FROM loyalty.journal j"
	" JOIN loyalty.event_data d ON d.member_id = j.member_id"
	" AND d.journal_id = j.journal_id"
	" WHERE NOT $6 AND j.member_id = a.member_id AND j.kind = 'event'"
	" AND j.event = 'purchase' AND j.effective_at >= $4"
	" AND d.data->'items' @> jsonb_build_array(jsonb_build_object($3, $2))))"
	" ORDER BY a.member_id",
	6, {INT8ARRAYOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, DATEOID, BOOLOID}
};

static const Automation *
find_live(const Program *program, int32 automation_id)
{
	const Automations *automations = &program->automations;

	for (int i = 0; i < automations->n; i++)
		if (automations->list[i].automation_id == automation_id)
			return &automations->list[i];
	return NULL;
}

static NullableDatum
copy_text(int column)
{
	return POINTER_ARG(statement_varlena(0, column));
}

/* Locks the next one, but for some. */
static bool
next_broadcast(Broadcast *broadcast, Datum *skipped, int nskipped)
{
	NullableDatum args[] = {
		ARG(array_of(skipped, nskipped, INT8OID))
	};
	int32		program_id;
	int32		automation_id;

	if (statement_run(&lock_broadcast, args, false) == 0)
		return false;
	broadcast->broadcast_id = DatumGetInt64(statement_notnull(0, 1));
	program_id = DatumGetInt32(statement_notnull(0, 2));
	automation_id = DatumGetInt32(statement_notnull(0, 3));
	broadcast->segment = copy_text(4);
	broadcast->target_kind = statement_text(0, 5);
	broadcast->target = copy_text(6);
	broadcast->target_days = statement_int32_or(0, 7, 0);
	broadcast->trigger = (Jsonb *) statement_varlena(0, 8);
	broadcast->triggered_at = DatumGetTimestampTz(statement_notnull(0, 9));
	broadcast->done_until = DatumGetInt64(statement_notnull(0, 10));
	broadcast->program = program_newest(program_get(program_id));
	broadcast->automation = find_live(broadcast->program, automation_id);
	return true;
}

static Datum *
read_ids(uint64 n)
{
	Datum	   *ids = palloc(sizeof(Datum) * Max(n, 1));

	for (uint64 i = 0; i < n; i++)
		ids[i] = statement_notnull(i, 1);
	return ids;
}

/* Of these members, whom it is for; returns how many. */
static int
choose(const Broadcast *broadcast, Datum **ids, int n)
{
	const Program *program = broadcast->program;
	DateADT		from = program_date(program, broadcast->triggered_at) -
		broadcast->target_days;
	NullableDatum args[6];
	Statement  *statement = &select_open;

	args[0] = ARG(array_of(*ids, n, INT8OID));
	if (broadcast->target_kind != NULL)
	{
		statement = strcmp(broadcast->target_kind, "sku") == 0 ?
			&select_lookers : &select_friends;
		args[1] = broadcast->target;
		args[2] = ARG(CStringGetTextDatum(broadcast->target_kind));
		args[3] = ARG(TimestampTzGetDatum(program_midnight(program, from)));
		args[4] = ARG(DateADTGetDatum(from));
		/* the days are kept, so the ledger need not be asked */
		args[5] = ARG(BoolGetDatum((program->reads.parts &
									READS_BOUGHT) != 0));
	}
	n = statement_run(statement, args, false);
	*ids = read_ids(n);
	return n;
}

/*
 * Makes the runs of the next members; returns how many members it looked at.
 */
static int
run_broadcast(Broadcast *broadcast, int batch, TimestampTz now)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(broadcast->program->program_id)),
		ARG(Int64GetDatum(broadcast->done_until)),
		broadcast->segment,
		ARG(Int32GetDatum(batch))
	};
	int			n = statement_run(broadcast->segment.isnull ? &select_all :
								  &select_members, args, false);
	Datum	   *ids = read_ids(n);
	NullableDatum update[] = {
		ARG(Int64GetDatum(broadcast->broadcast_id)),
		ARG(n > 0 ? ids[n - 1] : Int64GetDatum(broadcast->done_until)),
		ARG(Int64GetDatum(0)),
		ARG_OR_NULL(TimestampTzGetDatum(now), n < batch)
	};

	if (n > 0)
	{
		int			nchosen = choose(broadcast, &ids, n);

		update[2] = ARG(Int64GetDatum(
			store_runs_broadcast(broadcast->program, broadcast->automation,
								 ids, nchosen, broadcast->broadcast_id,
								 broadcast->triggered_at,
								 broadcast->trigger)));
	}
	statement_run(&update_broadcast, update, false);
	return n;
}

#define MAX_SKIPPED 100

/*
 * automation_broadcast_run(batch): how many members it looked at, and whether
 * there may be more.
 */
Datum
loyalty_automation_broadcast_run(PG_FUNCTION_ARGS)
{
	int			batch = maintenance_batch_arg(fcinfo, 0);
	TimestampTz now = loyalty_clock();
	NullableDatum args[] = {ARG(TimestampTzGetDatum(now))};
	Datum		skipped[MAX_SKIPPED];
	int			nskipped = 0;
	int			done = 0;
	Broadcast	broadcast;

	begin();
	statement_run(&end_broadcasts, args, false);
	while (done < batch && nskipped < MAX_SKIPPED &&
		   next_broadcast(&broadcast, skipped, nskipped))
	{
		CHECK_FOR_INTERRUPTS();
		skipped[nskipped++] = Int64GetDatum(broadcast.broadcast_id);
		/* it was paused just now */
		if (broadcast.automation == NULL)
			continue;
		done += run_broadcast(&broadcast, batch - done, now);
	}
	SPI_finish();
	return maintenance_outcome(fcinfo, done, done >= batch);
}
