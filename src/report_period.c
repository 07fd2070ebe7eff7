/*
 * report_period.c
 *
 * Closes a period, and publishes its figures.
 *
 * Closing moves the programme's closed_until, after which nothing may be dated
 * into the period.  That binds whoever begins after it was committed.  A
 * transaction that began before goes on with the configuration of its first
 * call, and may still write into the period, perhaps with a transaction id
 * that it takes only then.  So the figures wait: a later call, which sees that
 * the closing was committed, notes who is running, and when all of those are
 * over, the period cannot change any more.
 *
 * Of many programmes one that fails holds up no other.  A member who cannot be
 * settled is noted as a fault of maintenance, and the period of his programme waits
 * until his next turn.
 */
#include "report.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datum.h"
#include "utils/xid8.h"

#include "rule_program.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_report_period_close);
PG_FUNCTION_INFO_V1(loyalty_report_period_kept);

enum close_arg
{
	CLOSE_PROGRAM,
	CLOSE_UNTIL
};

static Statement lock_program = {
	"SELECT p.program_id, (loyalty.now() AT TIME ZONE p.time_zone)::date,"
	" ($2 + 1)::timestamp AT TIME ZONE p.time_zone"
	" FROM loyalty.program p WHERE p.name = $1 FOR NO KEY UPDATE",
	2, {TEXTOID, DATEOID}
};

static Statement select_last = {
	"SELECT until, closed_at IS NOT NULL FROM loyalty.report_close"
	" WHERE program_id = $1 ORDER BY until DESC LIMIT 1",
	1, {INT4OID}
};

/* The first period is the month of its last day. */
static Statement insert_close = {
	"INSERT INTO loyalty.report_close (program_id, since, until, called_at,"
	" asked_by)"
	" SELECT $1, coalesce((SELECT max(c.until) + 1 FROM loyalty.report_close c"
	" WHERE c.program_id = $1), date_trunc('month', $2)::date), $2,"
	" clock_timestamp(), pg_current_xact_id()",
	2, {INT4OID, DATEOID}
};

static Statement move_closed_until = {
	"UPDATE loyalty.program SET closed_until = $2"
	" WHERE program_id = $1 AND coalesce(closed_until < $2, true)",
	2, {INT4OID, TIMESTAMPTZOID}
};

static Statement select_closing = {
	"SELECT program_id, until, xid, others,"
	" asked_by = pg_current_xact_id_if_assigned()"
	" FROM loyalty.report_close WHERE closed_at IS NULL"
	" AND (program_id = $1 OR $1 IS NULL)"
	" ORDER BY program_id, until FOR UPDATE SKIP LOCKED",
	1, {INT4OID}
};

static Statement note_others = {
	"UPDATE loyalty.report_close SET xid = $3, others = $4"
	" WHERE program_id = $1 AND until = $2",
	4, {INT4OID, DATEOID, XID8OID, TEXTARRAYOID}
};

/*
 * Whoever something may be due for that is dated into the period, as
 * report_unposted() finds them; in the order of their ids, as all calls lock
 * members.
 */
static Statement select_due = {
	"SELECT d.member_id FROM ("
	" SELECT a.member_id FROM loyalty.account a"
	" WHERE a.program_id = $1 AND a.due_on <= $2"
	" UNION SELECT h.member_id FROM loyalty.hold h"
	" WHERE h.status = 'held' AND h.program_id = $1"
	" AND h.expires_at <= loyalty.report_end($1, $2)) d ORDER BY d.member_id",
	2, {INT4OID, DATEOID}
};

static Statement settle_one = {
	"SELECT loyalty.account_settle($1)",
	1, {INT8OID}
};

/* Of a programme: who is to be left alone now. */
static Statement select_faulty = {
	"SELECT FROM loyalty.account WHERE program_id = $1"
	" AND member_id = ANY (loyalty.maintenance_faulty('period')) LIMIT 1",
	1, {INT4OID}
};

static Statement note_fault = {
	"SELECT loyalty.maintenance_fail($1, 'period', $2, $3)",
	3, {INT8OID, TEXTOID, TEXTOID}
};

/* Of all who were noted, but those who have failed now. */
static Statement forget_faults = {
	"SELECT loyalty.maintenance_heal('period', array("
	"SELECT n.member_id"
	" FROM unnest(loyalty.maintenance_noted('period', $1)) n (member_id)"
	" WHERE n.member_id <> ALL ($2)))",
	2, {INT4OID, INT8ARRAYOID}
};

static Statement publish = {
	"INSERT INTO loyalty.report_period"
	" (program_id, until, figure, part, since, value)"
	" SELECT c.program_id, c.until, f.figure, f.part, c.since, f.value"
	" FROM loyalty.report_close c"
	" JOIN loyalty.program p ON p.program_id = c.program_id"
	" CROSS JOIN LATERAL"
	" loyalty.report_period_figure(p.name, c.since, c.until) f"
	" WHERE c.program_id = $1 AND c.until = $2",
	2, {INT4OID, DATEOID}
};

static Statement finish_close = {
	"UPDATE loyalty.report_close SET closed_at = clock_timestamp()"
	" WHERE program_id = $1 AND until = $2",
	2, {INT4OID, DATEOID}
};

typedef struct Closing
{
	NullableDatum args[4];		/* program_id, until, xid, others */
	bool		noted;			/* who was running */
	bool		is_own;			/* asked for by this transaction */
	bool		by_maintenance; /* who cannot be settled is noted */
	bool		is_new;			/* it was noted now */
	bool		is_published;
} Closing;

/* Other transactions of this database; vacuum writes no journal. */
static ArrayType *
running_others(void)
{
	int			n;
	VirtualTransactionId *ids =
		GetCurrentVirtualXIDs(InvalidTransactionId, false, false,
							  PROC_IS_AUTOVACUUM | PROC_IN_VACUUM, &n);
	Datum	   *texts = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		texts[i] = CStringGetTextDatum(
#if PG_VERSION_NUM >= 170000
									   psprintf("%d/%u", ids[i].procNumber,
#else
									   psprintf("%d/%u", ids[i].backendId,
#endif
												ids[i].localTransactionId));
	return DatumGetArrayTypeP(array_of(texts, n, TEXTOID));
}

/* Are those who were running when it was noted over? */
static bool
others_are_over(const NullableDatum *noted)
{
	Datum	   *before;
	Datum	   *now;
	int			nbefore = array_elements(DatumGetArrayTypeP(noted->value),
										 TEXTOID, &before);
	int			nnow = array_elements(running_others(), TEXTOID, &now);

	for (int i = 0; i < nbefore; i++)
		for (int k = 0; k < nnow; k++)
			if (strcmp(TextDatumGetCString(before[i]),
					   TextDatumGetCString(now[k])) == 0)
				return false;
	return true;
}

static bool
settle(void *argument)
{
	statement_run(&settle_one, argument, false);
	return true;
}

/* The same; notes if it fails.  False: it has failed. */
static bool
settle_or_note(NullableDatum member)
{
	bool		stayed;
	ErrorData  *error = statement_catch(settle, &member, &stayed);
	NullableDatum fault[3];

	if (error == NULL)
		return true;
	if (statement_is_transient(error))
		ReThrowError(error);
	fault[0] = member;
	fault[1] = ARG(CStringGetTextDatum(unpack_sql_state(error->sqlerrcode)));
	fault[2] = ARG(CStringGetTextDatum(statement_error_text(error)));
	statement_run(&note_fault, fault, false);
	return false;
}

/* Posts what is dated into the period; false: not of everybody. */
static bool
settle_due(const Closing *closing)
{
	int			n = statement_run(&select_due, closing->args, false);
	Datum	   *members = palloc(sizeof(Datum) * Max(n, 1));
	int			failed = 0;
	NullableDatum forget[2];

	for (int i = 0; i < n; i++)
		members[i] = statement_notnull(i, 1);
	for (int i = 0; i < n; i++)
	{
		NullableDatum member = ARG(members[i]);

		CHECK_FOR_INTERRUPTS();
		if (!closing->by_maintenance)
			settle(&member);
		else if (!settle_or_note(member))
			members[failed++] = member.value;
	}
	forget[0] = closing->args[0];
	forget[1] = ARG(array_of(members, failed, INT8OID));
	statement_run(&forget_faults, forget, false);
	return failed == 0;
}

/* Notes who is running, unless that was done before. */
static void
note_running(Closing *closing)
{
	/* what was noted in another cluster, and restored here, says nothing */
	if (closing->noted &&
		!FullTransactionIdFollows(DatumGetFullTransactionId(closing->args[2].value),
								  ReadNextFullTransactionId()))
		return;
	closing->args[2] =
		ARG(FullTransactionIdGetDatum(ReadNextFullTransactionId()));
	closing->args[3] = ARG(PointerGetDatum(running_others()));
	statement_run(&note_others, closing->args, false);
	closing->is_new = true;
}

static bool
is_left_alone(const Closing *closing)
{
	return closing->by_maintenance &&
		statement_run(&select_faulty, closing->args, false) > 0;
}

/* Publishes the figures, if nothing can come any more. */
static bool
finish(void *argument)
{
	Closing    *closing = argument;

	if (closing->is_own)
		return true;
	note_running(closing);
	if (!others_are_over(&closing->args[3]) ||
		!report_all_over(DatumGetFullTransactionId(closing->args[2].value)) ||
		is_left_alone(closing) || !settle_due(closing))
		return true;
	statement_run(&publish, closing->args, false);
	statement_run(&finish_close, closing->args, false);
	closing->is_published = true;
	return true;
}

/* Locks what is closing, of a programme or of all, but what others locked. */
static Closing *
lock_closings(NullableDatum program, int *n)
{
	Closing    *closings;

	*n = statement_run(&select_closing, &program, false);
	closings = palloc0(sizeof(Closing) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		Closing    *closing = &closings[i];
		bool		no_xid;
		bool		no_others;
		Datum		xid = statement_value(i, 3, &no_xid);
		Datum		others = statement_value(i, 4, &no_others);

		closing->args[0] = ARG(statement_notnull(i, 1));
		closing->args[1] = ARG(statement_notnull(i, 2));
		closing->noted = !no_xid && !no_others;
		closing->args[2] = ARG_OR_NULL(closing->noted ? datumCopy(xid, FLOAT8PASSBYVAL, 8) : 0,
									   closing->noted);
		closing->args[3] = ARG_OR_NULL(closing->noted ?
									   PointerGetDatum(DatumGetArrayTypePCopy(others)) : 0,
									   closing->noted);
		closing->is_own = DatumGetBool(statement_value(i, 5, &no_xid)) &&
			!no_xid;
	}
	return closings;
}

/*
 * Goes on with the closings of a programme: how many are left.  What fails is
 * raised.
 */
static int
finish_program(NullableDatum program)
{
	int			n;
	Closing    *closings = lock_closings(program, &n);
	int			left = n;

	for (int i = 0; i < n; i++)
	{
		finish(&closings[i]);
		left -= closings[i].is_published;
	}
	return left;
}

/*
 * Goes on with those of all: how many were published.  If one fails the others
 * are done first; when nothing can be done for them, it is raised.
 */
static int
finish_all(void)
{
	int			n;
	Closing    *closings = lock_closings(NULL_ARG, &n);
	ErrorData  *fault = NULL;
	bool		any = false;
	int			published = 0;

	for (int i = 0; i < n; i++)
	{
		bool		stayed;
		ErrorData  *error;

		closings[i].by_maintenance = true;
		error = statement_catch(finish, &closings[i], &stayed);
		if (error == NULL)
		{
			any |= closings[i].is_new || closings[i].is_published;
			published += closings[i].is_published;
			continue;
		}
		if (statement_is_transient(error))
			ReThrowError(error);
		fault = fault == NULL ? error : fault;
	}
	if (fault != NULL && !any)
		ReThrowError(fault);
	return published;
}

/*
 * For maintenance: how many were published; with an old snapshot it is left
 * to the next turn.
 */
int
report_periods_finish(void)
{
	return IsolationUsesXactSnapshot() ? 0 : finish_all();
}

/* A period that is over and was not closed before; else raises. */
static void
begin_close(NullableDatum program, NullableDatum until, NullableDatum end)
{
	NullableDatum args[] = {program, until};
	NullableDatum move[] = {program, end};

	statement_run(&insert_close, args, false);
	statement_run(&move_closed_until, move, false);
}

/* period_close(program, until): 'closing' or 'closed'. */
Datum
loyalty_report_period_close(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	NullableDatum program;
	NullableDatum end;
	DateADT		until;
	DateADT		today;
	bool		goes_on = false;
	int			left;

	require_argument(fcinfo, CLOSE_PROGRAM, "program");
	require_argument(fcinfo, CLOSE_UNTIL, "until");
	until = PG_GETARG_DATEADT(CLOSE_UNTIL);
	if (DATE_NOT_FINITE(until))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("until must be finite")));
	/* nothing is dated before, and the period after it would be endless */
	if (until < UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("until must not be before 1970")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a period can only be closed at READ COMMITTED")));
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	if (statement_run(&lock_program, fcinfo->args, false) == 0)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s",
							   clipped(text_to_cstring(PG_GETARG_TEXT_PP(CLOSE_PROGRAM)))));
	program = ARG(statement_notnull(0, 1));
	today = DatumGetDateADT(statement_notnull(0, 2));
	end = ARG(statement_notnull(0, 3));
	if (until >= today)
		refusal_raise(REFUSAL_PERIOD_NOT_OVER,
					  psprintf("until=%s today=%s",
							   DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(until))),
							   DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(today)))));
	if (statement_run(&select_last, &program, false) > 0)
	{
		DateADT		last = DatumGetDateADT(statement_notnull(0, 1));
		bool		is_closed = DatumGetBool(statement_notnull(0, 2));

		goes_on = !is_closed && last == until;
		/* one after the other: the next begins where it ends */
		if (until <= last && !goes_on)
			refusal_raise(REFUSAL_PERIOD_CLOSED_ALREADY,
						  psprintf("closed_until=%s",
								   DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(last)))));
	}
	if (!goes_on)
		begin_close(program, fcinfo->args[CLOSE_UNTIL], end);
	left = finish_program(program);
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text(left > 0 ? "closing" : "closed"));
}

static Statement select_reopened = {
	"SELECT max(until)::text FROM loyalty.report_close WHERE program_id = $1"
	" AND coalesce($2 <= loyalty.report_end($1, until), true)"
	" HAVING count(*) > 0",
	2, {INT4OID, TIMESTAMPTZOID}
};

/*
 * Trigger before UPDATE of program: closed_until does not go back into a
 * period that is closed or being closed, or its figures would change.
 */
Datum
loyalty_report_period_kept(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	NullableDatum args[2];

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called as a trigger")));
	SPI_connect();
	args[0] = statement_column(trigger, trigger->tg_newtuple, "program_id");
	args[1] = statement_column(trigger, trigger->tg_newtuple, "closed_until");
	if (statement_run(&select_reopened, args, false) > 0)
		refusal_raise(REFUSAL_PERIOD_CLOSED_ALREADY,
					  psprintf("closed_until=%s", statement_text(0, 1)));
	SPI_finish();
	return PointerGetDatum(trigger->tg_newtuple);
}
