/*
 * store_run.c
 *
 * Makes runs of automations, many by one statement.  Of what has its run
 * already there is none made, or, if the automation restarts and has done
 * nothing yet, its run begins anew.
 */
#include "store_run.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "statement.h"

struct RunStarts
{
	const Program *program;
	StatementRows rows;
	StatementRows restarts;
};

#define RUN_COLUMNS \
	"(member_id, run_id, program_id, automation_id, occurrence, status," \
	" triggered_at, due_at, journal_id, trigger, finished_at)"
#define RUN_ROW \
	"(member_id bigint, run_id bigint, program_id int, automation_id int," \
	" occurrence text, status text, triggered_at timestamptz," \
	" due_at timestamptz, journal_id bigint, trigger jsonb," \
	" finished_at timestamptz)"

/* The columns of the rows; it is not run. */
static Statement run_columns = {
	"", 11, {INT8OID, INT8OID, INT4OID, INT4OID, TEXTOID, TEXTOID,
	TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, JSONBOID, TIMESTAMPTZOID}
};

static Statement insert_runs = {
	"INSERT INTO loyalty.automation_run " RUN_COLUMNS
	" SELECT r.* FROM unnest($1) AS r " RUN_ROW
	" ORDER BY r.member_id, r.run_id"
	" ON CONFLICT (member_id, automation_id, occurrence) DO NOTHING",
	1, {RECORDARRAYOID}
};

/* Of several that are the same, the last. */
static Statement insert_restarts = {
	"INSERT INTO loyalty.automation_run AS t " RUN_COLUMNS
	" SELECT DISTINCT ON (r.member_id, r.automation_id, r.occurrence) r.*"
	" FROM unnest($1) AS r " RUN_ROW
	" ORDER BY r.member_id, r.automation_id, r.occurrence,"
	" r.triggered_at DESC, r.run_id DESC"
	" ON CONFLICT (member_id, automation_id, occurrence) DO UPDATE SET"
	" triggered_at = excluded.triggered_at, due_at = excluded.due_at,"
	" journal_id = excluded.journal_id, trigger = excluded.trigger"
	" WHERE t.status = 'waiting' AND t.position = 0"
	" AND t.triggered_at < excluded.triggered_at",
	1, {RECORDARRAYOID}
};

RunStarts *
store_runs_begin(const Program *program)
{
	RunStarts  *starts = palloc0(sizeof(RunStarts));

	starts->program = program;
	rows_begin(&starts->rows, &run_columns);
	rows_begin(&starts->restarts, &run_columns);
	return starts;
}

/* What there may be one run of: what happened, or the local period. */
static const char *
occurrence_of(const RunStarts *starts, const Automation *automation,
			  const char *occurrence, TimestampTz at)
{
	static const struct
	{
		char		letter;
		Period		period;
	}			periods[] = {
		[ONCE_DAY] = {'d', PERIOD_DAY},
		[ONCE_WEEK] = {'w', PERIOD_WEEK},
		[ONCE_MONTH] = {'m', PERIOD_MONTH},
		[ONCE_YEAR] = {'y', PERIOD_YEAR}
	};
	DateADT		on;

	if (automation->once == ONCE_OCCURRENCE)
		return occurrence;
	if (automation->once == ONCE_EVER)
		return "ever";
	on = period_start(periods[automation->once].period,
					  program_date(starts->program, at));
	return psprintf("%c%s", periods[automation->once].letter, date_text(on));
}

static TimestampTz
first_step_at(const Automation *automation, TimestampTz at)
{
	if (automation->delay == NULL)
		return at;
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(at),
												   IntervalPGetDatum(automation->delay)));
}

void
store_runs_add(RunStarts *starts, const Automation *automation,
			   int64 member_id, const char *occurrence, TimestampTz at,
			   int64 journal_id, const Jsonb *trigger)
{
	bool		held_out = automation_holds_out(automation, member_id);
	Datum		no_trigger = trigger != NULL ? (Datum) 0 :
		DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(Int64GetDatum(loyalty_new_id())),
		ARG(Int32GetDatum(starts->program->program_id)),
		ARG(Int32GetDatum(automation->automation_id)),
		ARG(CStringGetTextDatum(occurrence_of(starts, automation, occurrence,
											  at))),
		ARG(CStringGetTextDatum(held_out ? "held_out" : "waiting")),
		ARG(TimestampTzGetDatum(at)),
		ARG_OR_NULL(TimestampTzGetDatum(first_step_at(automation, at)),
					!held_out),
		ARG_OR_NULL(Int64GetDatum(journal_id), journal_id != 0),
		ARG(trigger != NULL ? PointerGetDatum(trigger) : no_trigger),
		ARG_OR_NULL(TimestampTzGetDatum(loyalty_clock()), held_out)
	};

	rows_append(automation->restarts ? &starts->restarts : &starts->rows,
				args);
}

int64
store_runs_end(RunStarts *starts)
{
	NullableDatum args[1];
	int64		made = 0;

	if (starts->rows.n > 0)
	{
		args[0] = ARG(rows_array(&starts->rows));
		made += statement_run(&insert_runs, args, false);
	}
	if (starts->restarts.n > 0)
	{
		args[0] = ARG(rows_array(&starts->restarts));
		made += statement_run(&insert_restarts, args, false);
	}
	starts->rows.n = 0;
	starts->restarts.n = 0;
	return made;
}
