/*
 * event_automation_try.c
 *
 * What an automation would do, and for how many.  Nothing is written.
 */
#include "event_automation.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "decide_document.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_automation_test);
PG_FUNCTION_INFO_V1(loyalty_automation_audience);

enum test_arg
{
	TEST_MEMBER_ID,
	TEST_AUTOMATION,
	TEST_TRIGGER,
	TEST_JOURNAL_ID
};

enum test_column
{
	TESTED_POSITION,
	TESTED_KIND,
	TESTED_OUTCOME,
	TESTED_DETAIL,
	TESTED_NCOLUMNS
};

static Statement select_id = {
	"SELECT automation_id FROM loyalty.automation"
	" WHERE program_id = $1 AND name = $2",
	2, {INT4OID, TEXTOID}
};

static Statement select_members = {
	"SELECT member_id FROM loyalty.account WHERE program_id = $1"
	" AND member_id > $2 AND status IN ('active', 'frozen')"
	" ORDER BY member_id LIMIT 1000",
	2, {INT4OID, INT8OID}
};

/* Starts a call: what is made from here on lives in the caller's context. */
static void
begin(void)
{
	MemoryContext caller = CurrentMemoryContext;

	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
}

static const AutomationPlan *
find_plan(const Program *program, NullableDatum name)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program->program_id)),
		name
	};

	if (statement_run(&select_id, args, false) == 0)
		refusal_raise(REFUSAL_UNKNOWN_AUTOMATION,
					  psprintf("automation=%s",
							   clipped(TextDatumGetCString(name.value))));
	return automation_plan(DatumGetInt32(statement_notnull(0, 1)),
						   program->units, program->nunits);
}

static Jsonb *
empty(bool is_array)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, is_array ? WJB_BEGIN_ARRAY : WJB_BEGIN_OBJECT,
				   NULL);
	return JsonbValueToJsonb(pushJsonbValue(&state, is_array ? WJB_END_ARRAY :
											WJB_END_OBJECT, NULL));
}

/* A run that begins now, and is not written. */
static RunWork
make_work(const Program *program, const AutomationPlan *plan, int64 member_id)
{
	RunWork		work = {
		.member_id = member_id,
		.plan = plan,
		.program = program,
		.now = loyalty_clock(),
		.trigger = empty(false),
		.log = empty(true),
		.dry = true,
		.status = "waiting",
		.due_at = DT_NOEND
	};
	Interval	back;

	work.today = program_date(program, work.now);
	/* it happened so long ago that the first step is due now */
	work.triggered_at = work.now;
	if (plan->automation.delay != NULL)
	{
		back = *plan->automation.delay;
		back.month = -back.month;
		back.day = -back.day;
		back.time = -back.time;
		work.triggered_at = program_after(program, work.now, &back);
	}
	return work;
}

static void
put(ReturnSetInfo *result, int position, const char *kind,
	const char *outcome, Jsonb *detail)
{
	Datum		values[TESTED_NCOLUMNS];
	bool		nulls[TESTED_NCOLUMNS] = {false};

	values[TESTED_POSITION] = Int32GetDatum(position);
	values[TESTED_KIND] = CStringGetTextDatum(kind);
	values[TESTED_OUTCOME] = CStringGetTextDatum(outcome);
	values[TESTED_DETAIL] = JsonbPGetDatum(detail);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Each step that would be done, and those behind a wait as of now. */
static void
try_steps(RunWork *work, ReturnSetInfo *result)
{
	const AutomationPlan *plan = work->plan;
	int			next = 1;

	for (int i = 0; i < plan->nsteps; i++)
	{
		const AutomationStep *step = &plan->steps[i];
		StepOutcome outcome;

		if (step->position < next)
			continue;
		outcome = run_step(work, step);
		work->due_at = DT_NOEND;
		put(result, step->position, automation_step_name(step->kind),
			outcome.outcome, outcome.detail);
		if (outcome.next == 0)
			return;
		next = outcome.next;
	}
}

/* automation_test(member_id, automation, trigger, journal_id) */
Datum
loyalty_automation_test(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Account		account;
	const Program *program;
	const char *unwanted;
	RunWork		work;
	bool		held_out;

	require_argument(fcinfo, TEST_MEMBER_ID, "member_id");
	require_argument(fcinfo, TEST_AUTOMATION, "automation");
	InitMaterializedSRF(fcinfo, 0);
	begin();
	if (!account_load(PG_GETARG_INT64(TEST_MEMBER_ID), ACCOUNT_READ, &account))
		refusal_raise(REFUSAL_MEMBER_NOT_FOUND,
					  psprintf("member_id=" INT64_FORMAT,
							   PG_GETARG_INT64(TEST_MEMBER_ID)));
	program = program_get(account.program_id);
	work = make_work(program,
					 find_plan(program, fcinfo->args[TEST_AUTOMATION]),
					 account.member_id);
	if (!PG_ARGISNULL(TEST_TRIGGER))
		work.trigger = PG_GETARG_JSONB_P(TEST_TRIGGER);
	if (!JB_ROOT_IS_OBJECT(work.trigger))
		refusal_raise(REFUSAL_DATA_INVALID, "trigger must be a json object");
	if (!PG_ARGISNULL(TEST_JOURNAL_ID))
		work.journal_id = PG_GETARG_INT64(TEST_JOURNAL_ID);
	unwanted = run_unwanted(&work, account.status);
	held_out = unwanted == NULL &&
		automation_holds_out(&work.plan->automation, account.member_id);
	put(result, 0, "start", unwanted != NULL ? unwanted :
		held_out ? "held_out" : "started", empty(false));
	if (unwanted == NULL && !held_out)
		try_steps(&work, result);
	SPI_finish();
	return (Datum) 0;
}

typedef struct Audience
{
	int64		members;
	int64		reached;
	int64		held_out;
} Audience;

static void
count_member(const Program *program, const AutomationPlan *plan,
			 int64 member_id, Audience *audience)
{
	RunWork		work = make_work(program, plan, member_id);

	audience->members++;
	if (run_unwanted(&work, STATUS_ACTIVE) != NULL)
		return;
	if (automation_holds_out(&plan->automation, member_id))
		audience->held_out++;
	else
		audience->reached++;
}

/* Counts the members of a chunk; the last id of it, or of the one before. */
static int64
count_chunk(const Program *program, const AutomationPlan *plan, int64 after,
			Audience *audience)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program->program_id)),
		ARG(Int64GetDatum(after))
	};
	int			n = statement_run(&select_members, args, false);
	int64	   *ids = palloc(sizeof(int64) * Max(n, 1));

	for (int i = 0; i < n; i++)
		ids[i] = DatumGetInt64(statement_notnull(i, 1));
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		count_member(program, plan, ids[i], audience);
		after = ids[i];
	}
	return after;
}

/* automation_audience(program, automation): how many it would reach now. */
Datum
loyalty_automation_audience(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch;
	const Program *program;
	const AutomationPlan *plan;
	Audience	audience = {0};
	TupleDesc	tupdesc;
	Datum		values[3];
	bool		nulls[3] = {false};
	int64		after = PG_INT64_MIN;
	int64		last;

	require_argument(fcinfo, 0, "program");
	require_argument(fcinfo, 1, "automation");
	begin();
	program = program_find(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (program == NULL)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s",
							   clipped(text_to_cstring(PG_GETARG_TEXT_PP(0)))));
	plan = find_plan(program, fcinfo->args[1]);
	scratch = AllocSetContextCreate(caller, "loyalty audience",
									ALLOCSET_DEFAULT_SIZES);
	do
	{
		last = after;
		SPI_connect();
		MemoryContextSwitchTo(scratch);
		after = count_chunk(program, plan, last, &audience);
		SPI_finish();
		MemoryContextSwitchTo(caller);
		MemoryContextReset(scratch);
	} while (after != last);
	SPI_finish();
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "an audience is a row");
	values[0] = Int64GetDatum(audience.members);
	values[1] = Int64GetDatum(audience.reached);
	values[2] = Int64GetDatum(audience.held_out);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values,
											 nulls));
}
