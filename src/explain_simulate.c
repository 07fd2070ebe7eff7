/*
 * explain_simulate.c
 *
 * What a campaign would have come to.  The calls of the past are made again
 * in memory in two worlds, one in which the campaign is live and one in which
 * it is not; whatever differs is its doing.  Nothing is written.
 *
 * Members are taken one after the other, so that only one is in memory,
 * unless the programme has a budget: then the calls of all members are made
 * in the order in which they were, and every member stays in memory.
 */
#include "explain.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "amount.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_explain_simulate_require);
PG_FUNCTION_INFO_V1(loyalty_explain_simulate);

/* How late an event may be recorded and still count as of that moment. */
#define ON_TIME USECS_PER_HOUR

enum simulate_arg
{
	SIMULATE_PROGRAM,
	SIMULATE_CAMPAIGN,
	SIMULATE_SINCE,
	SIMULATE_UNTIL
};

enum simulate_column
{
	SIMULATE_KIND,
	SIMULATE_MEMBER_ID,
	SIMULATE_JOURNAL_ID,
	SIMULATE_AT,
	SIMULATE_EVENT,
	SIMULATE_RULE_ID,
	SIMULATE_UNIT_ID,
	SIMULATE_AMOUNT,
	SIMULATE_DESIRED,
	SIMULATE_VESTS_ON,
	SIMULATE_EXPIRES_ON,
	SIMULATE_TIER_WITHOUT,
	SIMULATE_TIER_WITH,
	SIMULATE_NCOLUMNS
};

static Statement select_program = {
	"SELECT program_id FROM loyalty.program WHERE name = $1",
	1, {TEXTOID}
};

static Statement select_campaign = {
	"SELECT campaign_id FROM loyalty.campaign"
	" WHERE program_id = $1 AND name = $2",
	2, {INT4OID, TEXTOID}
};

/* What falls due does so by itself. */
#define IS_CALL \
	" WHERE (j.request_hash IS NOT NULL" \
	" OR j.kind NOT IN ('vest', 'expire', 'tier_review'))"

/* The calls of every member with an event in [$2, $3), from that event on. */
static Statement select_calls = {
	"SELECT j.member_id, j.journal_id, s.first FROM ("
	"SELECT x.member_id, max(x.journal_id) AS last, min(x.journal_id)"
	" FILTER (WHERE x.kind = 'event' AND x.effective_at >= $2) AS first"
	" FROM loyalty.journal x WHERE x.program_id = $1 AND x.effective_at < $3"
	" GROUP BY x.member_id) s"
	" JOIN loyalty.journal j ON j.member_id = s.member_id"
	" AND j.journal_id BETWEEN s.first AND s.last"
	IS_CALL " ORDER BY j.member_id, j.journal_id",
	3, {INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

/* The same of all members, from the first of these events on. */
static Statement select_all_calls = {
	"SELECT j.member_id, j.journal_id, s.first FROM ("
	"SELECT max(x.journal_id) AS last, min(x.journal_id)"
	" FILTER (WHERE x.kind = 'event' AND x.effective_at >= $2) AS first"
	" FROM loyalty.journal x WHERE x.program_id = $1 AND x.effective_at < $3"
	") s"
	" JOIN loyalty.journal j ON j.program_id = $1"
	" AND j.journal_id BETWEEN s.first AND s.last"
	IS_CALL " ORDER BY j.journal_id",
	3, {INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

/* What budgets had left before row $2. */
static Statement select_left = {
	"SELECT b.budget_id, (s.quota"
	" - greatest(s.used - coalesce(g.granted, 0), 0))::bigint"
	" FROM loyalty.budget b"
	" CROSS JOIN LATERAL (SELECT coalesce(sum(x.quota), 0) AS quota,"
	" coalesce(sum(x.used), 0) AS used FROM loyalty.budget_slot x"
	" WHERE x.budget_id = b.budget_id) s"
	" CROSS JOIN LATERAL (SELECT sum(e.amount) AS granted"
	" FROM loyalty.journal j"
	" JOIN loyalty.entry e USING (member_id, journal_id)"
	" LEFT JOIN loyalty.rule r ON r.rule_id = e.rule_id"
	" WHERE j.program_id = $1 AND j.kind = 'event' AND j.journal_id >= $2"
	" AND e.unit_id = b.unit_id AND e.rule_id IS NOT NULL"
	" AND (b.campaign_id IS NULL OR r.campaign_id = b.campaign_id)) g"
	" WHERE b.program_id = $1",
	2, {INT4OID, INT8OID}
};

/*
 * Calls other than events, adjustments and awards are dated when they are made; if
 * they were recorded at another time, the clock was moved (loyalty.now).
 */
static Statement select_moved = {
	"SELECT FROM loyalty.journal j WHERE j.program_id = $1"
	" AND j.kind NOT IN ('event', 'adjust', 'award') AND j.request_hash IS NOT NULL"
	" AND j.recorded_at NOT BETWEEN j.effective_at - interval '1 hour'"
	" AND j.effective_at + interval '1 hour' LIMIT 1",
	1, {INT4OID}
};

/* Which call of which member; first: of that member's. */
typedef struct CallId
{
	int64		member_id;
	int64		journal_id;
	int64		first;
} CallId;

/* A run of simulate(): where it is, and where its rows go. */
typedef struct Run
{
	Simulation	simulation;
	TimestampTz since;
	TimestampTz until;
	MemoryContext call_context; /* of one call */
	HTAB	   *members;		/* NULL: one at a time */
	SimMember  *member;			/* the current one */
	Tuplestorestate *store;
	TupleDesc	desc;
} Run;

/* What a rule awarded in a lot, more than without the campaign. */
typedef struct Difference
{
	int32		rule_id;
	int32		unit_id;
	DateADT		vests_on;
	DateADT		expires_on;
	int64		amount;
	int64		desired;
} Difference;

typedef struct Differences
{
	int			n;
	Difference *list;
} Differences;

/*
 * Setting up.
 */

static void
check_arguments(FunctionCallInfo fcinfo, Run *run)
{
	static const char *const names[] = {"program", "campaign"};

	for (int i = 0; i < lengthof(names); i++)
		require_argument(fcinfo, i, names[i]);
	run->since = PG_ARGISNULL(SIMULATE_SINCE) ? DT_NOBEGIN :
		PG_GETARG_TIMESTAMPTZ(SIMULATE_SINCE);
	run->until = PG_ARGISNULL(SIMULATE_UNTIL) ? DT_NOEND :
		PG_GETARG_TIMESTAMPTZ(SIMULATE_UNTIL);
	if (run->since >= run->until)
		refusal_raise(REFUSAL_PERIOD_INVERTED, "until lies before since");
}

static int32
find_program(Datum name)
{
	NullableDatum args[] = {ARG(name)};

	if (statement_run(&select_program, args, true) == 0)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s",
							   clipped(TextDatumGetCString(name))));
	return DatumGetInt32(statement_notnull(0, 1));
}

static int32
find_campaign(int32 program_id, Datum name)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id)), ARG(name)};

	if (statement_run(&select_campaign, args, true) == 0)
		refusal_raise(REFUSAL_UNKNOWN_CAMPAIGN,
					  psprintf("campaign=%s",
							   clipped(TextDatumGetCString(name))));
	return DatumGetInt32(statement_notnull(0, 1));
}

/* The programme of a world: the campaign is live within the run, or not. */
static const Program *
world_program(const Run *run, World world, int32 program_id,
			  int32 campaign_id)
{
	Program    *program = unconstify(Program *,
									 program_with_campaign(program_id,
														   campaign_id));

	/* nobody will ask */
	program->explain = false;
	for (int i = 0; i < program->ncampaigns; i++)
	{
		Campaign   *campaign = &program->campaigns[i];

		if (campaign->campaign_id != campaign_id)
			continue;
		campaign->live = world == WORLD_WITH;
		campaign->starts_at = Max(campaign->starts_at, run->since);
		campaign->ends_at = Min(campaign->ends_at, run->until);
	}
	return program;
}

/* What each budget has left before a row. */
static void
load_budgets(Run *run, World world, int64 first)
{
	const Program *program = run->simulation.programs[world];
	NullableDatum args[] = {
		ARG(Int32GetDatum(program->program_id)),
		ARG(Int64GetDatum(first))
	};
	int64	   *left = palloc0(sizeof(int64) * Max(program->nbudgets, 1));
	uint64		n = statement_run(&select_left, args, true);

	for (uint64 row = 0; row < n; row++)
		for (int i = 0; i < program->nbudgets; i++)
			if (program->budgets[i].budget_id ==
				DatumGetInt32(statement_notnull(row, 1)))
				left[i] = DatumGetInt64(statement_notnull(row, 2));
	run->simulation.left[world] = left;
}

static CallId *
load_calls(const Run *run, uint64 *n)
{
	const Program *program = run->simulation.programs[WORLD_WITH];
	NullableDatum args[] = {
		ARG(Int32GetDatum(program->program_id)),
		ARG(TimestampTzGetDatum(run->since)),
		ARG(TimestampTzGetDatum(run->until))
	};
	CallId	   *calls;

	*n = statement_run(run->members == NULL ? &select_calls :
					   &select_all_calls, args, true);
	calls = palloc_extended(sizeof(CallId) * Max(*n, 1), MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < *n; i++)
	{
		calls[i].member_id = DatumGetInt64(statement_notnull(i, 1));
		calls[i].journal_id = DatumGetInt64(statement_notnull(i, 2));
		calls[i].first = DatumGetInt64(statement_notnull(i, 3));
	}
	SPI_freetuptable(SPI_tuptable);
	return calls;
}

/* Is recorded_at of another clock than the events? */
static bool
was_moved(int32 program_id)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id))};

	return loyalty_clock_is_moved() ||
		statement_run(&select_moved, args, true) > 0;
}

static void
begin_run(Run *run, FunctionCallInfo fcinfo)
{
	Simulation *simulation = &run->simulation;
	int32		program_id = find_program(PG_GETARG_DATUM(SIMULATE_PROGRAM));
	Datum		name = PG_GETARG_DATUM(SIMULATE_CAMPAIGN);
	int32		campaign_id = find_campaign(program_id, name);

	for (World world = 0; world < NWORLDS; world++)
		simulation->programs[world] = world_program(run, world, program_id,
													campaign_id);
	simulation->time_zone =
		pstrdup(pg_get_timezone_name(simulation->programs[0]->zone));
	simulation->clock_is_moved = was_moved(program_id);
	run->call_context = AllocSetContextCreate(CurrentMemoryContext,
											  "loyalty simulated call",
											  ALLOCSET_DEFAULT_SIZES);
	if (simulation->programs[WORLD_WITH]->nbudgets > 0)
	{
		HASHCTL		control = {
			.keysize = sizeof(int64),
			.entrysize = sizeof(SimMember),
			.hcxt = CurrentMemoryContext
		};

		run->members = hash_create("loyalty simulated members", 1024, &control,
								   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
}

/*
 * Rows of the result.
 */

#define ROW_VALUES \
	Datum		values[SIMULATE_NCOLUMNS] = {0}; \
	bool		nulls[SIMULATE_NCOLUMNS]; \
	memset(nulls, true, sizeof(nulls))
#define PUT(column, datum) \
	(values[column] = (datum), nulls[column] = false)

static void
put_tiers(const Run *run, const SimMember *member, const Tier *without,
		  const Tier *with)
{
	ROW_VALUES;

	PUT(SIMULATE_KIND, CStringGetTextDatum("tier"));
	PUT(SIMULATE_MEMBER_ID, Int64GetDatum(member->member_id));
	if (without != NULL)
		PUT(SIMULATE_TIER_WITHOUT, Int32GetDatum(without->tier_id));
	if (with != NULL)
		PUT(SIMULATE_TIER_WITH, Int32GetDatum(with->tier_id));
	tuplestore_putvalues(run->store, run->desc, values, nulls);
}

static void
put_difference(const Run *run, const JournalRow *row,
			   const Difference *difference)
{
	bool		is_event = strcmp(row->kind, "event") == 0;
	ROW_VALUES;

	PUT(SIMULATE_KIND, CStringGetTextDatum(is_event ? "award" : "refund"));
	PUT(SIMULATE_MEMBER_ID, Int64GetDatum(run->member->member_id));
	PUT(SIMULATE_JOURNAL_ID, Int64GetDatum(row->journal_id));
	PUT(SIMULATE_AT, TimestampTzGetDatum(row->effective_at));
	if (row->event != NULL)
		PUT(SIMULATE_EVENT, CStringGetTextDatum(row->event));
	PUT(SIMULATE_RULE_ID, Int32GetDatum(difference->rule_id));
	PUT(SIMULATE_UNIT_ID, Int32GetDatum(difference->unit_id));
	PUT(SIMULATE_AMOUNT, Int64GetDatum(difference->amount));
	PUT(SIMULATE_DESIRED, Int64GetDatum(difference->desired));
	if (difference->vests_on != DATEVAL_NOBEGIN)
		PUT(SIMULATE_VESTS_ON, DateADTGetDatum(difference->vests_on));
	if (difference->expires_on != DATEVAL_NOEND)
		PUT(SIMULATE_EXPIRES_ON, DateADTGetDatum(difference->expires_on));
	tuplestore_putvalues(run->store, run->desc, values, nulls);
}

static Difference *
add_difference(Differences *differences, int32 rule_id, int32 unit_id)
{
	Difference *difference;

	differences->list = differences->list == NULL ?
		palloc(sizeof(Difference)) :
		repalloc(differences->list,
				 sizeof(Difference) * (differences->n + 1));
	difference = &differences->list[differences->n++];
	*difference = (Difference) {
		rule_id, unit_id, DATEVAL_NOBEGIN, DATEVAL_NOEND, 0, 0
	};
	return difference;
}

/* Adds what a rule posted to a lot. */
static void
add_posting(Differences *differences, const Posting *posting, int64 amount)
{
	const Lot  *lot = &posting->lot;
	Difference *difference;

	for (int i = 0; i < differences->n; i++)
	{
		difference = &differences->list[i];
		if (difference->rule_id == posting->rule_id &&
			difference->unit_id == lot->unit_id &&
			difference->vests_on == lot->vests_on &&
			difference->expires_on == lot->expires_on)
		{
			difference->amount += amount;
			return;
		}
	}
	difference = add_difference(differences, posting->rule_id, lot->unit_id);
	difference->vests_on = lot->vests_on;
	difference->expires_on = lot->expires_on;
	difference->amount = amount;
}

/* Adds what a rule would have awarded without limits. */
static void
add_desired(Differences *differences, const RuleVerdict *verdict,
			int64 desired)
{
	for (int i = 0; i < differences->n; i++)
		if (differences->list[i].rule_id == verdict->rule->rule_id)
		{
			differences->list[i].desired += desired;
			return;
		}
	add_difference(differences, verdict->rule->rule_id,
				   verdict->rule->unit->unit_id)->desired = desired;
}

/* One row of the result for each lot in which the two worlds differ. */
static void
compare_rows(const Run *run, const PastResult *results, int n)
{
	Differences differences = {0};

	for (World world = 0; world < NWORLDS; world++)
	{
		const PastResult *result = &results[world];
		const JournalRow *row = result->rows[n];
		int			sign = world == WORLD_WITH ? 1 : -1;

		for (int i = 0; i < row->npostings; i++)
			if (row->postings[i].rule_id != 0)
				add_posting(&differences, &row->postings[i],
							sign * row->postings[i].lot.amount);
		for (int i = 0; n < result->nawards && i < result->awards[n].nverdicts;
			 i++)
			if (result->awards[n].verdicts[i].desired != 0)
				add_desired(&differences, &result->awards[n].verdicts[i],
							sign * result->awards[n].verdicts[i].desired);
	}
	for (int i = 0; i < differences.n; i++)
	{
		const Difference *difference = &differences.list[i];

		if (difference->amount != 0 || difference->desired != 0)
			put_difference(run, results[WORLD_WITH].rows[n], difference);
	}
}

/*
 * Going through the calls.
 */

/* What the clock was when a call was made; it never ran back for a member. */
static TimestampTz
clock_of(const Run *run, const PastCall *call)
{
	int64		late = call->recorded_at - call->effective_at;

	/* what the caller may date */
	bool		dated = strcmp(call->kind, "event") == 0 ||
		strcmp(call->kind, "adjust") == 0 ||
		strcmp(call->kind, "award") == 0;

	if (!dated || run->simulation.clock_is_moved ||
		(late >= 0 && late < ON_TIME))
		return call->effective_at;
	return call->recorded_at;
}

/* Makes one or two events, or another call, again in both worlds. */
static void
replay(Run *run, const PastCall *const *calls, int ncalls)
{
	SimMember  *member = run->member;
	PastResult	results[NWORLDS];

	member->now = Max(member->now, clock_of(run, calls[ncalls - 1]));
	for (World world = 0; world < NWORLDS; world++)
		explain_replay(&run->simulation, member, world, calls, ncalls,
					   &results[world]);
	for (int i = 0; i < results[WORLD_WITH].nrows; i++)
		if (calls[i]->effective_at >= run->since &&
			calls[i]->effective_at < run->until)
			compare_rows(run, results, i);
}

/* A sign-up that no purchase follows after all. */
static void
replay_signup(Run *run)
{
	const PastCall *calls[] = {run->member->signup};

	if (run->member->signup != NULL)
		replay(run, calls, 1);
	run->member->signup = NULL;
}

/* A sign-up with no request of its own is half of a sale: it waits. */
static bool
wait_for_purchase(SimMember *member, const CallId *id, const PastCall *call)
{
	MemoryContext caller;

	if (!call->by_itself || call->event == NULL ||
		strcmp(call->event, "signup") != 0)
		return false;
	caller = MemoryContextSwitchTo(member->context);
	member->signup = palloc(sizeof(PastCall));
	explain_load_call(id->member_id, id->journal_id, member->signup);
	MemoryContextSwitchTo(caller);
	return true;
}

static void
replay_next(Run *run, const CallId *id)
{
	SimMember  *member = run->member;
	const PastCall *calls[2];
	PastCall	call;
	bool		is_sale;

	if (!explain_load_call(id->member_id, id->journal_id, &call))
		elog(ERROR, "journal row " INT64_FORMAT " was not found",
			 id->journal_id);
	is_sale = member->signup != NULL && call.event != NULL &&
		call.effective_at == member->signup->effective_at;
	if (!is_sale)
		replay_signup(run);
	if (wait_for_purchase(member, id, &call))
		return;
	calls[0] = is_sale ? member->signup : &call;
	calls[1] = &call;
	replay(run, calls, is_sale ? 2 : 1);
	member->signup = NULL;
}

/* How the member stands at the end of the period, or now. */
static void
end_member(Run *run)
{
	TimestampTz end = Min(run->until - 1, loyalty_clock());
	const Tier *tiers[NWORLDS];

	if (run->until == DT_NOEND)
		end = loyalty_clock();
	replay_signup(run);
	for (World world = 0; world < NWORLDS; world++)
		tiers[world] = explain_final_tier(&run->simulation, run->member, world,
										  end);
	if ((tiers[0] ? tiers[0]->tier_id : 0) !=
		(tiers[1] ? tiers[1]->tier_id : 0))
		put_tiers(run, run->member, tiers[WORLD_WITHOUT], tiers[WORLD_WITH]);
	MemoryContextDelete(run->member->context);
}

/* The member of a call: the current one, another, or a new one. */
static void
find_member(Run *run, const CallId *id, MemoryContext run_context)
{
	bool		found = false;

	if (run->members != NULL)
		run->member = hash_search(run->members, &id->member_id, HASH_ENTER,
								  &found);
	else if (run->member == NULL)
		run->member = MemoryContextAlloc(run_context, sizeof(SimMember));
	else if (run->member->member_id == id->member_id)
		found = true;
	else
		end_member(run);
	if (found)
		return;
	memset(run->member, 0, sizeof(SimMember));
	run->member->member_id = id->member_id;
	run->member->first = id->first;
	run->member->context = AllocSetContextCreate(run_context,
												 "loyalty simulated member",
												 ALLOCSET_SMALL_SIZES);
	explain_start(&run->simulation, run->member);
}

static void
end_members(Run *run)
{
	HASH_SEQ_STATUS status;

	if (run->members == NULL)
	{
		if (run->member != NULL)
			end_member(run);
		return;
	}
	hash_seq_init(&status, run->members);
	while ((run->member = hash_seq_search(&status)) != NULL)
		end_member(run);
}

/* simulate_require(program, campaign, since, until): raises, or nothing. */
Datum
loyalty_explain_simulate_require(PG_FUNCTION_ARGS)
{
	Run			run = {0};

	check_arguments(fcinfo, &run);
	SPI_connect();
	loyalty_check_version();
	find_campaign(find_program(PG_GETARG_DATUM(SIMULATE_PROGRAM)),
				  PG_GETARG_DATUM(SIMULATE_CAMPAIGN));
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * simulate_run(program, campaign, since, until): every difference that the
 * campaign makes, as a row.  Reads with the caller's snapshot, locks nothing.
 */
Datum
loyalty_explain_simulate(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller = CurrentMemoryContext;
	Run			run = {0};
	CallId	   *calls;
	uint64		n;

	check_arguments(fcinfo, &run);
	InitMaterializedSRF(fcinfo, 0);
	run.store = result->setResult;
	run.desc = result->setDesc;
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	begin_run(&run, fcinfo);
	calls = load_calls(&run, &n);
	for (World world = 0; world < NWORLDS && n > 0; world++)
		load_budgets(&run, world, calls[0].first);

	for (uint64 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		/* what was read for a call goes with it */
		SPI_connect();
		MemoryContextSwitchTo(run.call_context);
		find_member(&run, &calls[i], caller);
		replay_next(&run, &calls[i]);
		SPI_finish();
		MemoryContextSwitchTo(caller);
		MemoryContextReset(run.call_context);
	}
	end_members(&run);
	SPI_finish();
	return (Datum) 0;
}
