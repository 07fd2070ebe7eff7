/*
 * maintenance_due.c
 *
 * Automations that start on a date, for a member who is only looked at, and
 * for all members after such automations were changed.
 */
#include "store.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "maintenance.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_automation_due);
PG_FUNCTION_INFO_V1(loyalty_automation_scan);
PG_FUNCTION_INFO_V1(loyalty_automation_scanned);

enum due_column
{
	DUE_AUTOMATION,
	DUE_OCCURRENCE,
	DUE_ON,
	DUE_AT,
	DUE_TRIGGER,
	DUE_NCOLUMNS
};

static void
put_occurrence(ReturnSetInfo *result, const Occurrence *occurrence)
{
	Datum		values[DUE_NCOLUMNS];
	bool		nulls[DUE_NCOLUMNS] = {false};

	values[DUE_AUTOMATION] = CStringGetTextDatum(occurrence->automation->name);
	values[DUE_OCCURRENCE] = CStringGetTextDatum(occurrence->text);
	values[DUE_ON] = DateADTGetDatum(occurrence->due_on);
	values[DUE_AT] = TimestampTzGetDatum(occurrence->at);
	values[DUE_TRIGGER] = JsonbPGetDatum(occurrence->trigger);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* The same programme as it is now, for those who may see it. */
static const Program *
newest_of(const Decision *decision)
{
	const Program *program = program_newest(decision->program);

	return program == NULL ? decision->program : program;
}

/*
 * automation_due(member_id): what the live automations that start on a date
 * make due for a member, as things stand: what is due by now, whether it has
 * its run already or not, and what is known to come.
 */
Datum
loyalty_automation_due(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller = CurrentMemoryContext;
	Account		account;
	Decision	decision;
	TimedBatch *timed;
	ListCell   *cell;
	DateADT		next;

	require_argument(fcinfo, 0, "member_id");
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	if (!store_load(PG_GETARG_INT64(0), ACCOUNT_READ_STABLE, loyalty_clock(),
					&account, &decision))
		refusal_raise(REFUSAL_MEMBER_NOT_FOUND,
					  psprintf("member_id=" INT64_FORMAT,
							   PG_GETARG_INT64(0)));
	decision.program = newest_of(&decision);
	store_load_periods(&decision, true);
	decide_settle(&decision, DT_NOBEGIN);
	timed = store_timed_begin(decision.program, &fcinfo->args[0].value, 1,
							  decision.now, true);
	if (timed != NULL)
		foreach(cell, decide_timed(&decision,
								   store_timed_of(timed, account.member_id),
								   true, &next))
			put_occurrence(result, lfirst(cell));
	SPI_finish();
	return (Datum) 0;
}

/*
 * The scan.  A new automation may make any member due, whose due_on does not
 * know of it.
 */

static Statement select_programs = {
	"SELECT program_id FROM loyalty.program WHERE status = 'active'"
	" ORDER BY program_id",
	0, {}
};

static Statement select_scan = {
	"SELECT definition = $2 AND done_until IS NULL"
	" FROM loyalty.automation_scan WHERE program_id = $1",
	2, {INT4OID, BYTEAOID}
};

static Statement insert_scan = {
	"INSERT INTO loyalty.automation_scan (program_id, definition, done_until)"
	" VALUES ($1, '', 0) ON CONFLICT DO NOTHING",
	1, {INT4OID}
};

static Statement lock_scan = {
	"SELECT CASE WHEN definition = $2 THEN done_until ELSE 0 END"
	" FROM loyalty.automation_scan WHERE program_id = $1"
	" FOR UPDATE SKIP LOCKED",
	2, {INT4OID, BYTEAOID}
};

static Statement update_scan = {
	"UPDATE loyalty.automation_scan SET definition = $2, done_until = $3"
	" WHERE program_id = $1",
	3, {INT4OID, BYTEAOID, INT8OID}
};

static Statement select_members = {
	"SELECT member_id FROM loyalty.account"
	" WHERE program_id = $1 AND member_id > $2 ORDER BY member_id LIMIT $3",
	3, {INT4OID, INT8OID, INT4OID}
};

static Statement lower_due_on = {
	"UPDATE loyalty.account a SET due_on = r.due_on"
	" FROM unnest($1, $2) AS r (member_id, due_on)"
	" WHERE a.member_id = r.member_id AND a.due_on > r.due_on",
	2, {INT8ARRAYOID, DATEARRAYOID}
};

typedef struct MemberScan
{
	const Program *program;
	TimestampTz now;
	int			batch;
	MemoryContext scratch;		/* for one member */
	/* who is looked at */
	int			nids;
	const Datum *ids;
	/* whose account has to be looked at earlier */
	int			n;
	Datum	   *members;
	Datum	   *dates;
} MemberScan;

/*
 * What is due for one member, whose account is locked.  He is settled in
 * memory only: what is due of that makes him due by itself.
 */
static void
scan_member(MemberScan *scan, StoreBatch *batch, TimedBatch *timed, Datum member_id)
{
	MemoryContext caller = CurrentMemoryContext;
	Account		account;
	Decision	decision;
	DateADT		due_on;

	CHECK_FOR_INTERRUPTS();
	SPI_connect();
	MemoryContextSwitchTo(scan->scratch);
	if (store_batch_load(batch, DatumGetInt64(member_id), scan->now, &account,
						 &decision))
	{
		decision.program = scan->program;
		decide_settle(&decision, DT_NOBEGIN);
		due_on = account.due_on;
		store_timed_member(timed, &decision);
		if (account.due_on < due_on)
		{
			scan->members[scan->n] = member_id;
			scan->dates[scan->n++] = DateADTGetDatum(account.due_on);
		}
	}
	SPI_finish();
	MemoryContextSwitchTo(caller);
	MemoryContextReset(scan->scratch);
}

/* Makes those due earlier of whom it was found. */
static void
make_due(const MemberScan *scan)
{
	NullableDatum args[2];

	if (scan->n == 0)
		return;
	args[0] = ARG(array_of(scan->members, scan->n, INT8OID));
	args[1] = ARG(array_of(scan->dates, scan->n, DATEOID));
	statement_run(&lower_due_on, args, false);
}

static bool
try_members(void *argument)
{
	MemberScan *scan = argument;
	StoreBatch *batch = store_batch_begin(scan->program, scan->ids, scan->nids);
	TimedBatch *timed = store_timed_begin(scan->program, scan->ids, scan->nids,
										  scan->now, false);

	scan->n = 0;
	for (int i = 0; i < scan->nids; i++)
		scan_member(scan, batch, timed, scan->ids[i]);
	store_timed_end(timed);
	make_due(scan);
	return true;
}

/* Returns the error if it is somebody's fault; others are raised on. */
static ErrorData *
attempt_members(MemberScan *scan)
{
	bool		stayed;
	ErrorData  *error = statement_catch(try_members, scan, &stayed);

	if (error == NULL)
		return NULL;
	MemoryContextReset(scan->scratch);
	if (statement_is_transient(error))
		ReThrowError(error);
	return error;
}

/*
 * Looks at members at once or, if that fails, one by one.  Whoever fails is
 * due today: so job "account" looks at him, which notes him, leaves him alone
 * for a while and sees him wholly when his turn succeeds.
 */
static void
scan_members(MemberScan *scan, const Datum *ids, int n)
{
	scan->members = palloc(sizeof(Datum) * n);
	scan->dates = palloc(sizeof(Datum) * n);
	scan->ids = ids;
	scan->nids = n;
	if (attempt_members(scan) == NULL)
		return;
	scan->nids = 1;
	for (int i = 0; i < n; i++)
	{
		scan->ids = &ids[i];
		if (attempt_members(scan) == NULL)
			continue;
		scan->n = 1;
		scan->members[0] = ids[i];
		scan->dates[0] = DateADTGetDatum(program_date(scan->program,
													  scan->now));
		make_due(scan);
	}
}

/* Is the programme to be scanned, as far as is known without a lock? */
static bool
needs_scan(const MemberScan *scan, const NullableDatum *args)
{
	if (statement_run(&select_scan, args, false) > 0)
		return !DatumGetBool(statement_notnull(0, 1));
	/* where there never was such an automation, there is nothing to do */
	if (scan->program->automations.ndated == 0)
		return false;
	statement_run(&insert_scan, args, false);
	return true;
}

/*
 * Looks at the next members of a programme, and tells how many, and whether
 * there are more.  None and false if there is nothing to do, or another
 * session does it.
 */
static bool
scan_program(MemberScan *scan, int *done, bool *left_over)
{
	const bytea *definition = scan->program->automations.definition;
	NullableDatum args[] = {
		ARG(Int32GetDatum(scan->program->program_id)),
		ARG(PointerGetDatum(definition)),
		ARG(Int32GetDatum(scan->batch))
	};
	bool		isnull;
	int			n = 0;
	Datum	   *ids = NULL;

	if (!needs_scan(scan, args) ||
		statement_run(&lock_scan, args, false) == 0)
		return false;
	args[1].value = statement_value(0, 1, &isnull);
	if (isnull)
		return false;
	if (scan->program->automations.ndated > 0)
		n = statement_run(&select_members, args, false);
	ids = palloc(sizeof(Datum) * Max(n, 1));
	for (int i = 0; i < n; i++)
		ids[i] = statement_notnull(i, 1);
	if (n > 0)
		scan_members(scan, ids, n);
	*left_over = n == scan->batch;
	args[1] = ARG(PointerGetDatum(definition));
	args[2] = *left_over ? ARG(ids[n - 1]) : NULL_ARG;
	statement_run(&update_scan, args, false);
	*done += n;
	return true;
}

static IdList
read_ids(uint64 n)
{
	IdList		list = {n, palloc(sizeof(int64) * Max(n, 1))};

	for (uint64 i = 0; i < n; i++)
		list.ids[i] = DatumGetInt32(statement_notnull(i, 1));
	return list;
}

/* A programme in a subtransaction, so that one that fails holds up no other. */
typedef struct ProgramScan
{
	MemberScan	members;
	int32		program_id;
	int			done;
	bool		left_over;
} ProgramScan;

static bool
try_program(void *argument)
{
	ProgramScan *scan = argument;
	const Program *program = program_get(scan->program_id);

	if (program != NULL)
		program = program_newest(program);
	scan->members.program = program;
	return program != NULL &&
		scan_program(&scan->members, &scan->done, &scan->left_over);
}

/*
 * automation_scan(batch): how many members it looked at; are there more?  If a
 * programme fails the others are done first; when they are, it is raised.
 */
Datum
loyalty_automation_scan(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	int			batch = maintenance_batch_arg(fcinfo, 0);
	ProgramScan scan = {.members = {.now = loyalty_clock()}};
	ErrorData  *fault = NULL;
	bool		any = false;
	IdList		programs;
	int			done = 0;

	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	programs = read_ids(statement_run(&select_programs, NULL, false));
	scan.members.scratch = AllocSetContextCreate(caller, "loyalty member",
												 ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < programs.n && done < batch && !scan.left_over; i++)
	{
		bool		stayed;
		ErrorData  *error;

		scan.program_id = (int32) programs.ids[i];
		scan.members.batch = batch - done;
		scan.done = 0;
		error = statement_catch(try_program, &scan, &stayed);
		if (error == NULL)
		{
			any |= stayed;
			done += scan.done;
			continue;
		}
		scan.left_over = false;
		if (statement_is_transient(error))
			ReThrowError(error);
		fault = fault == NULL ? error : fault;
	}
	if (fault != NULL && !any)
		ReThrowError(fault);
	SPI_finish();
	return maintenance_outcome(fcinfo, done, scan.left_over || fault != NULL);
}

/*
 * automation_scanned(program_id): has the programme automations that start on
 * a date, and have all members been looked at for just these?
 */
Datum
loyalty_automation_scanned(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	const Program *program;
	NullableDatum args[2];
	bool		scanned = false;

	require_argument(fcinfo, 0, "program_id");
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	program = program_get(PG_GETARG_INT32(0));
	if (program != NULL)
		program = program_newest(program);
	if (program != NULL && program->automations.ndated > 0)
	{
		args[0] = fcinfo->args[0];
		args[1] = ARG(PointerGetDatum(program->automations.definition));
		scanned = statement_run(&select_scan, args, true) > 0 &&
			DatumGetBool(statement_notnull(0, 1));
	}
	SPI_finish();
	PG_RETURN_BOOL(scanned);
}
