/*
 * maintenance_schedule.c
 *
 * What starts by the clock alone: automations that are scheduled make a
 * broadcast on each of their days, and holds that are about to end make runs.
 */
#include "maintenance.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "decide_document.h"
#include "statement.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_automation_schedule);

/*
 * The days on which a schedule has come and has not been announced: today,
 * and those that were missed and are not too long ago.
 */
static Statement select_days = {
	"SELECT a.program_id, a.automation_id, to_char(d.day, 'YYYY-MM-DD'),"
	" a.segment, t.at"
	" FROM loyalty.automation a JOIN loyalty.program p USING (program_id)"
	" CROSS JOIN LATERAL"
	" (SELECT ($1 AT TIME ZONE p.time_zone)::date AS today) l"
	" CROSS JOIN LATERAL generate_series(0, a.late_days) AS g (back)"
	" CROSS JOIN LATERAL (SELECT l.today - g.back AS day) d"
	" CROSS JOIN LATERAL"
	" (SELECT (d.day + a.at_time) AT TIME ZONE p.time_zone AS at) t"
	" WHERE a.status = 'live' AND p.status = 'active'"
	" AND a.trigger_kind = 'schedule' AND t.at <= $1"
	" AND (a.starts_at IS NULL OR t.at >= a.starts_at)"
	" AND (a.ends_at IS NULL OR t.at < a.ends_at)"
	" AND (a.on_date IS NULL OR a.on_date = d.day)"
	" AND (a.days_of_week IS NULL"
	" OR extract(isodow FROM d.day)::int = ANY (a.days_of_week))"
	" AND (a.days_of_month IS NULL"
	" OR extract(day FROM d.day)::int = ANY (a.days_of_month)"
	" OR (-1 = ANY (a.days_of_month)"
	" AND extract(day FROM d.day + 1)::int = 1))"
	" AND (a.calendar IS NULL OR EXISTS (SELECT FROM loyalty.calendar_day c"
	" WHERE c.program_id = a.program_id AND c.calendar = a.calendar"
	" AND c.day = d.day + a.calendar_days))"
	" AND NOT EXISTS (SELECT FROM loyalty.automation_broadcast b"
	" WHERE b.automation_id = a.automation_id"
	" AND b.key = to_char(d.day, 'YYYY-MM-DD'))"
	" ORDER BY t.at, a.automation_id LIMIT $2",
	2, {TIMESTAMPTZOID, INT4OID}
};

static Statement insert_broadcast = {
	"INSERT INTO loyalty.automation_broadcast (broadcast_id, program_id,"
	" automation_id, key, segment, triggered_at)"
	" VALUES ($1, $2, $3, $4, $5, $6)"
	" ON CONFLICT (automation_id, key) DO NOTHING",
	6, {INT8OID, INT4OID, INT4OID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
};

/* Announces them; returns how many there were. */
static int
announce(TimestampTz now, int batch)
{
	NullableDatum find[] = {
		ARG(TimestampTzGetDatum(now)),
		ARG(Int32GetDatum(batch))
	};
	int			n = statement_run(&select_days, find, false);
	NullableDatum (*rows)[6] = palloc(sizeof(*rows) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		struct varlena *segment = statement_varlena(i, 4);

		rows[i][0] = ARG(Int64GetDatum(loyalty_new_id()));
		rows[i][1] = ARG(statement_notnull(i, 1));
		rows[i][2] = ARG(statement_notnull(i, 2));
		rows[i][3] = ARG(CStringGetTextDatum(statement_text(i, 3)));
		rows[i][4] = POINTER_ARG(segment);
		rows[i][5] = ARG(statement_notnull(i, 5));
	}
	for (int i = 0; i < n; i++)
		statement_run(&insert_broadcast, rows[i], false);
	return n;
}

/*
 * Holds whose end is nearer than the automation's lead, and that have no run
 * of it.  One that is shorter than that is not spoken of: its end is no news.
 */
static Statement select_holds = {
	"SELECT h.member_id, h.hold_id, h.unit_id, h.amount,"
	" to_char(h.expires_at AT TIME ZONE p.time_zone, 'YYYY-MM-DD HH24:MI'),"
	" t.at"
	" FROM loyalty.automation a"
	" JOIN loyalty.program p ON p.program_id = a.program_id"
	" JOIN loyalty.hold h ON h.program_id = a.program_id"
	" JOIN loyalty.unit u ON u.unit_id = h.unit_id"
	" JOIN loyalty.journal j ON j.member_id = h.member_id"
	" AND j.journal_id = h.journal_id"
	" CROSS JOIN LATERAL (SELECT h.expires_at - a.lead AS at) t"
	" CROSS JOIN LATERAL (SELECT CASE a.once"
	" WHEN 'occurrence' THEN h.hold_id::text WHEN 'ever' THEN 'ever'"
	" ELSE left(a.once, 1) || to_char(date_trunc(a.once,"
	" t.at AT TIME ZONE p.time_zone), 'YYYY-MM-DD') END AS occurrence) o"
	" WHERE a.automation_id = $1 AND h.status = 'held'"
	" AND h.expires_at > $2 AND h.expires_at <= $2 + a.lead"
	" AND (a.trigger_name IS NULL OR a.trigger_name = u.code)"
	" AND j.effective_at <= t.at"
	" AND ($2 AT TIME ZONE p.time_zone)::date"
	" - (t.at AT TIME ZONE p.time_zone)::date <= a.late_days"
	" AND (a.starts_at IS NULL OR t.at >= a.starts_at)"
	" AND (a.ends_at IS NULL OR t.at < a.ends_at)"
	" AND NOT EXISTS (SELECT FROM loyalty.automation_run r"
	" WHERE r.member_id = h.member_id AND r.automation_id = a.automation_id"
	" AND r.occurrence = o.occurrence)"
	" ORDER BY h.expires_at LIMIT $3",
	3, {INT4OID, TIMESTAMPTZOID, INT4OID}
};

static Jsonb *
hold_facts(const Program *program, int row)
{
	int32		unit_id = DatumGetInt32(statement_notnull(row, 3));
	const Unit *unit = program_unit_by_id(program, unit_id);
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_cstring(&state, "hold_id",
				 psprintf(INT64_FORMAT,
						  DatumGetInt64(statement_notnull(row, 2))));
	push_cstring(&state, "unit", unit->code);
	push_amount(&state, "amount", DatumGetInt64(statement_notnull(row, 4)),
				unit->scale);
	push_cstring(&state, "expires_at", statement_text(row, 5));
	return end_object(&state);
}

/* Makes the runs of one automation; returns how many holds it found. */
static int
hear_holds(const Program *program, const Automation *automation,
		   TimestampTz now, int batch)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(automation->automation_id)),
		ARG(TimestampTzGetDatum(now)),
		ARG(Int32GetDatum(batch))
	};
	int			n = statement_run(&select_holds, args, false);
	RunStarts	starts;

	store_runs_begin(&starts, program, now);
	for (int i = 0; i < n; i++)
	{
		int64		hold_id = DatumGetInt64(statement_notnull(i, 2));

		CHECK_FOR_INTERRUPTS();
		store_runs_add(&starts, automation,
					   DatumGetInt64(statement_notnull(i, 1)),
					   psprintf(INT64_FORMAT, hold_id),
					   DatumGetTimestampTz(statement_notnull(i, 6)), 0,
					   hold_facts(program, i));
	}
	store_runs_flush(&starts);
	return n;
}

static Statement select_programs = {
	"SELECT DISTINCT a.program_id FROM loyalty.automation a"
	" JOIN loyalty.program p USING (program_id)"
	" WHERE a.trigger_kind = 'hold_expiring' AND a.status = 'live'"
	" AND p.status = 'active' ORDER BY a.program_id",
	0, {}
};

/* Those of all programmes, as many as a batch has. */
static int
hear_all_holds(TimestampTz now, int batch)
{
	int			n = statement_run(&select_programs, NULL, false);
	int32	   *program_ids = palloc(sizeof(int32) * Max(n, 1));
	int			done = 0;

	for (int i = 0; i < n; i++)
		program_ids[i] = DatumGetInt32(statement_notnull(i, 1));
	for (int i = 0; i < n; i++)
	{
		const Program *program = program_newest(program_get(program_ids[i]));
		const Automations *all = &program->automations;
		int			first = all->first[TRIGGER_HOLD_EXPIRING];

		for (int j = 0; j < all->count[TRIGGER_HOLD_EXPIRING]; j++)
			if (done < batch)
				done += hear_holds(program, &all->list[first + j], now,
								   batch - done);
	}
	return done;
}

/*
 * automation_schedule(batch): how many broadcasts and runs it made, and
 * whether there may be more.
 */
Datum
loyalty_automation_schedule(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	int			batch = maintenance_batch_arg(fcinfo, 0);
	TimestampTz now = loyalty_clock();
	int			done;

	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	done = announce(now, batch);
	if (done < batch)
		done += hear_all_holds(now, batch - done);
	SPI_finish();
	return maintenance_outcome(fcinfo, done, done >= batch);
}
