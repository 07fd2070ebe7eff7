/*
 * store_automation.c
 *
 * Starts runs of automations in the transaction of what happened, and tells
 * those that there are of goals and refunds.  Nothing is done here but append
 * and mark rows: event_automation.c works them off later.
 *
 * Everybody for whom an automation starts gets a run.  Whether it is for him,
 * and whether he is held out, is judged when it is taken, so that those held
 * out are compared with their likes.
 */
#include "store.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "amount.h"
#include "decide_document.h"

/* So many are written by one statement. */
#define CHUNK_ROWS 5000

/* The columns of a run that starts. */
static Statement start_columns = {
	NULL, 10, {INT8OID, INT8OID, INT4OID, INT4OID, TEXTOID, TIMESTAMPTZOID,
	TIMESTAMPTZOID, INT8OID, JSONBOID, BOOLOID}
};

#define GIVEN \
	"unnest($1) AS g (member_id bigint, run_id bigint, program_id int," \
	" automation_id int, occurrence text, triggered_at timestamptz," \
	" due_at timestamptz, journal_id bigint, trigger jsonb," \
	" restarts boolean)"

/* A trigger would count again what a restore inserts. */
#define COUNT_RUNS \
	" RETURNING program_id, member_id, run_id)," \
	" counted AS (INSERT INTO loyalty.report_run_change (program_id," \
	" change_id, member_ids, run_ids) SELECT c.program_id," \
	" pg_catalog.nextval('loyalty.change_id_seq'), c.member_ids, c.run_ids" \
	" FROM (SELECT b.program_id, pg_catalog.array_agg(b.member_id)" \
	" AS member_ids, pg_catalog.array_agg(b.run_id) AS run_ids" \
	" FROM begun b GROUP BY b.program_id) c)" \
	" SELECT FROM begun"

#define INSERT_RUNS \
	"INSERT INTO loyalty.automation_run (member_id, run_id, program_id," \
	" automation_id, occurrence, triggered_at, due_at, journal_id, trigger)" \
	" SELECT g.member_id, g.run_id, g.program_id, g.automation_id," \
	" g.occurrence, g.triggered_at, g.due_at, g.journal_id, g.trigger"

/* In the order of the unique index, so that two do not wait for each other. */
#define UNLESS_KNOWN \
	" ORDER BY g.member_id, g.automation_id, g.occurrence" \
	" ON CONFLICT (member_id, automation_id, occurrence) DO NOTHING"

static Statement start_runs = {
	"WITH begun AS (" INSERT_RUNS " FROM " GIVEN UNLESS_KNOWN COUNT_RUNS,
	1, {RECORDARRAYOID}
};

/*
 * The next two look runs up by the member, and only then at what became of
 * them: the plan may have been made when there were few, and a join would go
 * on reading all.
 *
 * The same where some begin anew: of those of one member and automation the
 * last counts, and one that waits for its first step is started again by it.
 */
static Statement restart_runs = {
	"WITH g AS MATERIALIZED (SELECT * FROM " GIVEN "),"
	" last AS (SELECT DISTINCT ON (member_id, automation_id) * FROM g"
	" WHERE restarts ORDER BY member_id, automation_id, triggered_at DESC,"
	" run_id DESC),"
	" again AS (UPDATE loyalty.automation_run r"
	" SET due_at = greatest(r.due_at, l.due_at),"
	" triggered_at = greatest(r.triggered_at, l.triggered_at),"
	" journal_id = CASE WHEN l.triggered_at < r.triggered_at"
	" THEN r.journal_id ELSE l.journal_id END,"
	" trigger = CASE WHEN l.triggered_at < r.triggered_at"
	" THEN r.trigger ELSE l.trigger END"
	" FROM last l CROSS JOIN LATERAL (SELECT w.member_id, w.run_id,"
	" coalesce(w.status = 'waiting' AND w.position = 0"
	" AND w.reason IS DISTINCT FROM 'refunded', false) AS waits"
	" FROM loyalty.automation_run w WHERE w.member_id = l.member_id"
	" AND w.automation_id = l.automation_id OFFSET 0) x"
	" WHERE x.waits AND r.member_id = x.member_id AND r.run_id = x.run_id"
	" AND coalesce(r.status = 'waiting', false)"
	" RETURNING r.member_id, r.automation_id),"
	" begun AS (" INSERT_RUNS " FROM g WHERE NOT g.restarts"
	" OR (g.run_id IN (SELECT l.run_id FROM last l) AND NOT EXISTS"
	" (SELECT FROM again a WHERE a.member_id = g.member_id"
	" AND a.automation_id = g.automation_id))"
	UNLESS_KNOWN COUNT_RUNS,
	1, {RECORDARRAYOID}
};

/* The columns of an event that is a goal. */
static Statement goal_columns = {
	NULL, 5, {INT8OID, INT4OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

/* What waits ends; of what is over it is recorded. */
static Statement reach_goals = {
	"WITH reached AS (SELECT r.member_id, r.run_id, min(g.at) AS at"
	" FROM unnest($1) AS g (member_id bigint, automation_id int,"
	" journal_id bigint, at timestamptz, since timestamptz)"
	" JOIN LATERAL (SELECT * FROM loyalty.automation_run w"
	" WHERE w.member_id = g.member_id"
	" AND w.automation_id = g.automation_id OFFSET 0) r"
	" ON r.triggered_at BETWEEN g.since AND g.at"
	" AND coalesce(r.journal_id < g.journal_id, true)"
	" AND r.goal_at IS NULL"
	" AND (r.status IN ('done', 'exited', 'held_out')"
	" OR r.status = 'waiting' AND r.reason IS DISTINCT FROM 'refunded')"
	" GROUP BY r.member_id, r.run_id)"
	" UPDATE loyalty.automation_run r SET goal_at = x.at,"
	" reason = CASE r.status WHEN 'waiting' THEN 'goal' ELSE r.reason END,"
	" due_at = CASE r.status WHEN 'waiting' THEN NULL ELSE r.due_at END,"
	" finished_at = CASE r.status WHEN 'waiting' THEN $2"
	" ELSE r.finished_at END,"
	" status = CASE r.status WHEN 'waiting' THEN 'exited' ELSE r.status END"
	" FROM reached x WHERE r.member_id = x.member_id AND r.run_id = x.run_id",
	2, {RECORDARRAYOID, TIMESTAMPTZOID}
};

/*
 * What a run gave that an order started is taken back when that is worked
 * off next: it waits for that.  What has failed could be tried again, so it
 * is undone also where nothing was given.
 */
static Statement undo_runs = {
	"UPDATE loyalty.automation_run SET status = 'waiting',"
	" reason = 'refunded', due_at = $3, finished_at = NULL"
	" WHERE member_id = $1 AND journal_id IN (SELECT j.journal_id"
	" FROM loyalty.journal j WHERE j.member_id = $1 AND j.ref = $2"
	" AND j.kind = 'event')"
	" AND (status IN ('waiting', 'done', 'exited', 'failed')"
	" OR status = 'cancelled' AND position > 0)",
	3, {INT8OID, TEXTOID, TIMESTAMPTZOID}
};

/* Of which events an order consists. */
static Statement select_events = {
	"SELECT event FROM loyalty.journal"
	" WHERE member_id = $1 AND ref = $2 AND kind = 'event'",
	2, {INT8OID, TEXTOID}
};

/* None yet; they are kept in a context of their own below the current one. */
void
store_runs_begin(RunStarts *starts, const Program *program, TimestampTz now)
{
	memset(starts, 0, sizeof(RunStarts));
	starts->program = program;
	starts->now = now;
	starts->parent = CurrentMemoryContext;
}

static void
write_all(RunStarts *starts)
{
	NullableDatum args[2] = {
		NULL_ARG,
		ARG(TimestampTzGetDatum(starts->now))
	};

	if (starts->rows.n > 0)
	{
		args[0] = ARG(rows_array(&starts->rows));
		starts->nstarted += statement_run(starts->restarts ? &restart_runs :
										  &start_runs, args, false);
	}
	/* what came after the start of a run may be its goal already */
	if (starts->goals.n > 0)
	{
		args[0] = ARG(rows_array(&starts->goals));
		statement_run(&reach_goals, args, false);
	}
	memset(&starts->rows, 0, sizeof(StatementRows));
	memset(&starts->goals, 0, sizeof(StatementRows));
	MemoryContextReset(starts->context);
}

/* Appends a row to those of its kind. */
static void
append(RunStarts *starts, StatementRows *rows, const Statement *columns,
	   const NullableDatum *args)
{
	MemoryContext caller;

	if (starts->context == NULL)
		starts->context = AllocSetContextCreate(starts->parent,
												"loyalty automations",
												ALLOCSET_SMALL_SIZES);
	if (rows->n >= CHUNK_ROWS)
		write_all(starts);
	caller = MemoryContextSwitchTo(starts->context);
	if (rows->n == 0)
		rows_begin(rows, columns);
	MemoryContextSwitchTo(caller);
	rows_append(rows, args);
}

/* Writes what was added; returns how many runs there are more than before. */
uint64
store_runs_flush(RunStarts *starts)
{
	if (starts->context != NULL)
		write_all(starts);
	return starts->nstarted;
}

/*
 * Of which a member has one run at most: what happened, or the local period
 * in which it did.
 */
static const char *
occurrence_of(const Program *program, const Automation *automation,
			  const char *what, TimestampTz at)
{
	static const struct
	{
		Period		period;
		char		letter;
	}			periods[] = {
		[ONCE_DAY] = {PERIOD_DAY, 'd'},
		[ONCE_WEEK] = {PERIOD_WEEK, 'w'},
		[ONCE_MONTH] = {PERIOD_MONTH, 'm'},
		[ONCE_YEAR] = {PERIOD_YEAR, 'y'}
	};

	if (automation->once == ONCE_OCCURRENCE)
		return what;
	if (automation->once == ONCE_EVER)
		return "ever";
	return psprintf("%c%s", periods[automation->once].letter,
					date_text(period_start(periods[automation->once].period,
										   program_date(program, at))));
}

/* Is it the automation's time, and not too long ago? */
static bool
is_in_time(const RunStarts *starts, const Automation *automation,
		   TimestampTz at)
{
	return at >= automation->starts_at && at < automation->ends_at &&
		program_date(starts->program, starts->now) -
		program_date(starts->program, at) <= automation->late_days;
}

/*
 * Adds a run for a member.  what names the occurrence; at: when it happened,
 * or was due; journal_id 0: of none; trigger: its facts, an object, or NULL.
 * Nothing is added outside the automation's time, or too long afterwards.
 */
void
store_runs_add(RunStarts *starts, const Automation *automation,
			   int64 member_id, const char *what, TimestampTz at,
			   int64 journal_id, Jsonb *trigger)
{
	const Program *program = starts->program;
	NullableDatum args[10];

	if (!is_in_time(starts, automation, at))
		return;
	args[0] = ARG(Int64GetDatum(member_id));
	args[1] = ARG(Int64GetDatum(loyalty_new_id()));
	args[2] = ARG(Int32GetDatum(program->program_id));
	args[3] = ARG(Int32GetDatum(automation->automation_id));
	args[4] = ARG(CStringGetTextDatum(occurrence_of(program, automation,
													what, at)));
	args[5] = ARG(TimestampTzGetDatum(at));
	args[6] = ARG(TimestampTzGetDatum(automation->delay == NULL ? at :
									  program_after(program, at,
													automation->delay)));
	args[7] = ARG_OR_NULL(Int64GetDatum(journal_id), journal_id != 0);
	if (trigger == NULL)
	{
		JsonbParseState *state = NULL;

		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		trigger = end_object(&state);
	}
	args[8] = ARG(JsonbPGetDatum(trigger));
	args[9] = ARG(BoolGetDatum(automation->restarts));
	append(starts, &starts->rows, &start_columns, args);
	starts->restarts |= automation->restarts;
}

/* The same run of many members; the columns that differ are arrays. */
static Statement start_broadcast = {
	"WITH begun AS ("
	"INSERT INTO loyalty.automation_run (member_id, run_id, program_id,"
	" automation_id, occurrence, triggered_at, due_at, trigger)"
	" SELECT g.member_id, g.run_id, $3, $4, $5, $6, $7, $8"
	" FROM unnest($1, $2) AS g (member_id, run_id)"
	" ON CONFLICT (member_id, automation_id, occurrence) DO NOTHING"
	COUNT_RUNS,
	8, {INT8ARRAYOID, INT8ARRAYOID, INT4OID, INT4OID, TEXTOID,
	TIMESTAMPTZOID, TIMESTAMPTZOID, JSONBOID}
};

/*
 * Makes a run of a broadcast for each of many members, in ascending order;
 * returns how many are new.
 */
int64
store_runs_broadcast(const Program *program, const Automation *automation,
					 Datum *member_ids, int n, int64 broadcast_id,
					 TimestampTz at, Jsonb *trigger)
{
	Datum	   *run_ids = palloc(sizeof(Datum) * Max(n, 1));
	char	   *what = psprintf(INT64_FORMAT, broadcast_id);
	NullableDatum args[] = {
		NULL_ARG,
		NULL_ARG,
		ARG(Int32GetDatum(program->program_id)),
		ARG(Int32GetDatum(automation->automation_id)),
		ARG(CStringGetTextDatum(occurrence_of(program, automation, what,
											  at))),
		ARG(TimestampTzGetDatum(at)),
		ARG(TimestampTzGetDatum(automation->delay == NULL ? at :
								program_after(program, at,
											  automation->delay))),
		ARG(JsonbPGetDatum(trigger))
	};

	if (n == 0)
		return 0;
	for (int i = 0; i < n; i++)
		run_ids[i] = Int64GetDatum(loyalty_new_id());
	args[0] = ARG(array_of(member_ids, n, INT8OID));
	args[1] = ARG(array_of(run_ids, n, INT8OID));
	return statement_run(&start_broadcast, args, false);
}

/*
 * What happened by a decision.
 */

static void
push_text(JsonbParseState **state, const char *name, const text *value)
{
	if (value != NULL)
		push_cstring(state, name, text_to_cstring(value));
}

static JsonbParseState *
begin_facts(const char *name, const char *value)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_cstring(&state, name, value);
	return state;
}

static Jsonb *
event_facts(const Program *program, const JournalRow *row)
{
	JsonbParseState *state = begin_facts("event", row->event);

	push_text(&state, "ref", row->ref);
	if (row->has_amount)
		push_amount(&state, "amount", row->amount, program->currency_scale);
	return end_object(&state);
}

static void
hear_event(RunStarts *starts, const JournalRow *row)
{
	const Program *program = starts->program;
	const Automations *all = &program->automations;

	for (int i = 0; i < all->count[TRIGGER_EVENT]; i++)
	{
		const Automation *one = &all->list[all->first[TRIGGER_EVENT] + i];

		if (automation_listens(one, row->event))
			store_runs_add(starts, one, row->member_id,
						   psprintf(INT64_FORMAT, row->journal_id),
						   row->effective_at, row->journal_id,
						   event_facts(program, row));
	}
	for (int i = 0; i < all->ngoals; i++)
	{
		const AutomationGoal *goal = &all->goals[i];
		const Interval back = {.day = -goal->days};
		NullableDatum args[] = {
			ARG(Int64GetDatum(row->member_id)),
			ARG(Int32GetDatum(goal->automation_id)),
			ARG(Int64GetDatum(row->journal_id)),
			ARG(TimestampTzGetDatum(row->effective_at)),
			ARG(TimestampTzGetDatum(goal->days == 0 ? DT_NOBEGIN :
									program_after(program, row->effective_at,
												  &back)))
		};

		if (strcmp(goal->event, row->event) == 0)
			append(starts, &starts->goals, &goal_columns, args);
	}
}

/* Which events the refunded order consists of; NULL: nobody asks. */
static NameList *
refunded_events(const Automations *all, const JournalRow *row)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(row->member_id)),
		ARG(PointerGetDatum(row->reverses))
	};
	NameList   *events;
	bool		asked = false;

	for (int i = 0; i < all->count[TRIGGER_REFUND]; i++)
		asked |= all->list[all->first[TRIGGER_REFUND] + i].trigger_name != NULL;
	if (!asked)
		return NULL;
	events = palloc(sizeof(NameList));
	events->n = statement_run(&select_events, args, false);
	events->names = palloc(sizeof(char *) * Max(events->n, 1));
	for (int i = 0; i < events->n; i++)
		events->names[i] = statement_text(i, 1);
	return events;
}

static Jsonb *
refund_facts(const Program *program, const JournalRow *row)
{
	JsonbParseState *state = begin_facts("event", "refund");

	push_text(&state, "ref", row->reverses);
	push_amount(&state, "amount", row->amount,
				row->unit_id == 0 ? program->currency_scale :
				program_unit_by_id(program, row->unit_id)->scale);
	push_bool(&state, "whole", row->takes_all);
	return end_object(&state);
}

static void
hear_refund(RunStarts *starts, const JournalRow *row)
{
	const Program *program = starts->program;
	const Automations *all = &program->automations;
	NameList   *events;

	if (all->undoes && row->takes_all)
	{
		NullableDatum args[] = {
			ARG(Int64GetDatum(row->member_id)),
			ARG(PointerGetDatum(row->reverses)),
			ARG(TimestampTzGetDatum(starts->now))
		};

		statement_run(&undo_runs, args, false);
	}
	if (all->count[TRIGGER_REFUND] == 0)
		return;
	events = refunded_events(all, row);
	for (int i = 0; i < all->count[TRIGGER_REFUND]; i++)
	{
		const Automation *one = &all->list[all->first[TRIGGER_REFUND] + i];

		if (one->trigger_name == NULL ||
			name_listed(events, one->trigger_name))
			store_runs_add(starts, one, row->member_id,
						   psprintf(INT64_FORMAT, row->journal_id),
						   row->effective_at, row->journal_id,
						   refund_facts(program, row));
	}
}

static const char *
tier_code(const Program *program, int32 tier_id)
{
	const Tier *tier = program_tier_by_id(program, tier_id);

	return tier == NULL ? NULL : tier->code;
}

static Jsonb *
tier_facts(const Program *program, const TierChange *change)
{
	JsonbParseState *state = begin_facts("action",
										 tier_action_name(change->action));

	push_cstring(&state, "tier_before",
				 tier_code(program, change->tier_before));
	push_cstring(&state, "tier", tier_code(program, change->tier_after));
	if (change->tier_until != DATEVAL_NOEND)
		push_date(&state, "tier_until", change->tier_until);
	return end_object(&state);
}

static void
hear_tier(RunStarts *starts, const JournalRow *row, const TierChange *change)
{
	const Automations *all = &starts->program->automations;
	const char *action = tier_action_name(change->action);

	for (int i = 0; i < all->count[TRIGGER_TIER]; i++)
	{
		const Automation *one = &all->list[all->first[TRIGGER_TIER] + i];

		if (automation_listens(one, action))
			store_runs_add(starts, one, row->member_id,
						   psprintf("%s " INT64_FORMAT, action,
									row->journal_id),
						   change->effective_at, row->journal_id,
						   tier_facts(starts->program, change));
	}
}

/* Has the row moved what a tier is reached by, or the tier itself? */
static bool
moves_tier(const Program *program, const JournalRow *row)
{
	if (row->nchanges > 0)
		return true;
	for (int i = 0; i < row->npostings; i++)
		if (row->postings[i].lot.amount > 0 &&
			program_unit_by_id(program,
							   row->postings[i].lot.unit_id)->kind ==
			UNIT_METRIC)
			return true;
	return false;
}

static Jsonb *
near_facts(const Tier *tier, const TierThreshold *threshold, int64 missing)
{
	JsonbParseState *state = begin_facts("tier", tier->code);

	push_cstring(&state, "unit", threshold->unit->code);
	push_amount(&state, "missing", missing, threshold->unit->scale);
	push_amount(&state, "threshold", threshold->threshold,
				threshold->unit->scale);
	return end_object(&state);
}

/* How near the member is to the next tier after this, once in each tier. */
static void
hear_near_tier(RunStarts *starts, const Decision *decision,
			   const JournalRow *row)
{
	const Automations *all = &starts->program->automations;
	DateADT		since = decision->account->tier_since;
	const Tier *next;
	int64		missing;
	const TierThreshold *threshold = decide_tier_nearest(decision, &next,
														 &missing);

	if (threshold == NULL || missing == 0)
		return;
	for (int i = 0; i < all->count[TRIGGER_NEAR_TIER]; i++)
	{
		const Automation *one = &all->list[all->first[TRIGGER_NEAR_TIER] + i];

		if ((int128) missing * 1000 <=
			(int128) threshold->threshold * one->permille &&
			automation_listens(one, next->code))
			store_runs_add(starts, one, row->member_id,
						   psprintf("%s %s", next->code,
									since == DATEVAL_NOBEGIN ? "-" :
									date_text(since)),
						   decision->now, row->journal_id,
						   near_facts(next, threshold, missing));
	}
}

/*
 * Adds what a decision, whose rows have their ids, starts and ends.  The
 * account is locked.
 */
void
store_listen(RunStarts *starts, const Decision *decision)
{
	const Automations *all = &starts->program->automations;
	const JournalRow *near = NULL;

	if (all->n == 0 && all->ngoals == 0 && !all->undoes)
		return;
	for (int i = 0; i < decision->nrows; i++)
	{
		const JournalRow *row = decision->rows[i];

		if (strcmp(row->kind, "event") == 0)
			hear_event(starts, row);
		else if (strcmp(row->kind, "refund") == 0)
			hear_refund(starts, row);
		for (int j = 0; j < row->nchanges; j++)
			hear_tier(starts, row, &row->changes[j]);
		if (all->count[TRIGGER_NEAR_TIER] > 0 &&
			moves_tier(starts->program, row))
			near = row;
	}
	if (near != NULL)
		hear_near_tier(starts, decision, near);
}

/*
 * What became of tags and segments.
 */

/* Adds a run of each automation of a kind that listens to a name. */
static void
hear_name(RunStarts *starts, TriggerKind kind, const char *fact,
		  const char *name, int64 member_id, TimestampTz at)
{
	const Automations *all = &starts->program->automations;

	for (int i = 0; i < all->count[kind]; i++)
	{
		const Automation *one = &all->list[all->first[kind] + i];
		JsonbParseState *state;

		if (!automation_listens(one, name))
			continue;
		state = begin_facts(fact, name);
		store_runs_add(starts, one, member_id,
					   psprintf("%s %s",
								date_text(program_date(starts->program, at)),
								name), at, 0, end_object(&state));
	}
}

static bool
is_stage(const Program *program, const char *tag)
{
	return program->stages != NULL && name_listed(program->stages, tag);
}

/* Starts what a tag starts that was set or removed. */
void
store_hear_tag(int64 member_id, int32 program_id, const char *tag, bool set,
			   TimestampTz at)
{
	const Program *program = program_get(program_id);
	const Automations *all = &program->automations;
	RunStarts	starts;

	if (all->count[TRIGGER_TAG_SET] + all->count[TRIGGER_TAG_REMOVED] +
		all->count[TRIGGER_STAGE] == 0)
		return;
	store_runs_begin(&starts, program, loyalty_clock());
	hear_name(&starts, set ? TRIGGER_TAG_SET : TRIGGER_TAG_REMOVED, "tag",
			  tag, member_id, at);
	if (set && is_stage(program, tag))
		hear_name(&starts, TRIGGER_STAGE, "stage", tag, member_id, at);
	store_runs_flush(&starts);
}

/* The same of members who have entered or left a segment. */
void
store_hear_segment(const IdList *members, int32 program_id,
				   const char *segment, bool entered, TimestampTz at)
{
	const Program *program = program_get(program_id);
	TriggerKind kind = entered ? TRIGGER_SEGMENT_ENTERED :
		TRIGGER_SEGMENT_LEFT;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch;
	RunStarts	starts;

	if (program->automations.count[kind] == 0)
		return;
	store_runs_begin(&starts, program, loyalty_clock());
	scratch = AllocSetContextCreate(caller, "loyalty segment",
									ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(scratch);
	for (int i = 0; i < members->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		hear_name(&starts, kind, "segment", segment, members->ids[i], at);
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	store_runs_flush(&starts);
}
