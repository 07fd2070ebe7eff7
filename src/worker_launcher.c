/*
 * worker_launcher.c
 *
 * The launcher is connected to no database and only keeps the time.  For each
 * database that is due it starts a process that runs CALL loyalty.maintain()
 * once, for a few seconds at most, and ends (worker_round.c).  So nothing is
 * connected while there is nothing to do, and no database is hard to drop.  A
 * round leaves its outcome in a little shared memory; from that the launcher
 * knows when the next one is due: at once if work is left, after the interval
 * if not, later and later while rounds fail.
 */
#include "worker.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/varlena.h"
#include "utils/wait_event.h"

#define LONGEST_PAUSE_MS (3600 * INT64CONST(1000))

typedef struct Database
{
	char	   *name;
	bool		listed;			/* in loyalty.worker_database */
	bool		unknown;		/* there is none of this name; was logged */
	int64		due;			/* when the next round is to begin */
	int			failures;		/* in a row */
	/* the round under way, if there is one */
	BackgroundWorkerHandle *worker;
	dsm_segment *round;
} Database;

PGDLLEXPORT void loyalty_worker_launcher(Datum arg);

static List *databases = NIL;
/* Was this logged, since the settings were last read? */
static bool no_role_told = false;
/* No process was left: not tried again, and not logged again, before then. */
static int64 no_process_until = 0;
static int64 no_process_told_until = 0;

/* The pause after so many failures in a row. */
static int64
pause_after(int failures)
{
	int64		interval = worker_settings.interval * INT64CONST(1000);

	return Max(interval, Min(interval << Min(failures, 12), LONGEST_PAUSE_MS));
}

static Database *
database_named(const char *name)
{
	ListCell   *cell;
	MemoryContext caller;
	Database   *database;

	foreach(cell, databases)
	{
		database = lfirst(cell);
		if (strcmp(database->name, name) == 0)
			return database;
	}
	caller = MemoryContextSwitchTo(TopMemoryContext);
	database = palloc0(sizeof(Database));
	database->name = pstrdup(name);
	databases = lappend(databases, database);
	MemoryContextSwitchTo(caller);
	return database;
}

/*
 * After settings were read: which databases, and whether.  All are due, so
 * that a reload ends the pauses of those that have failed.
 */
static void
list_databases(void)
{
	List	   *names;
	ListCell   *cell;

	foreach(cell, databases)
		((Database *) lfirst(cell))->listed = false;
	SplitGUCList(pstrdup(worker_settings.database), ',', &names);
	foreach(cell, names)
	{
		Database   *database = database_named(lfirst(cell));

		database->listed = true;
		database->unknown = false;
		database->failures = 0;
		database->due = worker_clock();
	}
	no_role_told = false;
	no_process_until = 0;
	no_process_told_until = 0;
	pgstat_report_activity(STATE_IDLE, worker_settings.enabled ? "" :
						   "loyalty.worker_enabled is off");
}

/* Looks which rounds have ended, and forgets databases that are not listed. */
static void
collect_rounds(void)
{
	ListCell   *cell;
	pid_t		pid;

	foreach(cell, databases)
	{
		Database   *database = lfirst(cell);

		if (database->worker != NULL &&
			GetBackgroundWorkerPid(database->worker, &pid) == BGWH_STOPPED)
		{
			Round	   *round = dsm_segment_address(database->round);
			RoundOutcome outcome = round->outcome;

			dsm_detach(database->round);
			pfree(database->worker);
			database->worker = NULL;
			no_process_until = 0;
			database->failures = outcome == ROUND_FAILED ?
				database->failures + 1 : 0;
			database->due = worker_clock() +
				(outcome == ROUND_LEFT_OVER ? 0 :
				 pause_after(database->failures));
		}
		if (database->worker == NULL && !database->listed)
		{
			databases = foreach_delete_current(databases, cell);
			pfree(database->name);
			pfree(database);
		}
	}
}

/* The database that has been due for longest; NULL if all have to wait. */
static Database *
next_database(void)
{
	Database   *next = NULL;
	int			running = 0;
	ListCell   *cell;

	foreach(cell, databases)
	{
		Database   *database = lfirst(cell);

		if (database->worker != NULL)
			running++;
		else if (database->listed &&
				 (next == NULL || database->due < next->due))
			next = database;
	}
	return worker_settings.enabled && running < worker_settings.processes ?
		next : NULL;
}

/* Not by the index, for who is in no database may not have it open. */
static bool
database_exists(const char *name)
{
	Relation	pg_database = table_open(DatabaseRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	bool		exists;

	ScanKeyInit(&key, Anum_pg_database_datname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum(name));
	scan = systable_beginscan(pg_database, InvalidOid, false, NULL, 1, &key);
	exists = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(pg_database, AccessShareLock);
	return exists;
}

/* Starts a round; false: there is no process left for it. */
static bool
start_round(Database *database)
{
	BackgroundWorker worker = {
		.bgw_type = "loyalty worker",
		.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_library_name = "loyalty",
		.bgw_function_name = "loyalty_worker_round",
		.bgw_notify_pid = MyProcPid,
	};
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	Round	   *round;
	bool		started;

	database->round = dsm_create(sizeof(Round), 0);
	round = dsm_segment_address(database->round);
	namestrcpy(&round->database, database->name);
	namestrcpy(&round->role, worker_settings.role);
	round->retry_s = pause_after(database->failures + 1) / 1000;
	round->outcome = ROUND_FAILED;
	worker.bgw_main_arg =
		UInt32GetDatum(dsm_segment_handle(database->round));
	snprintf(worker.bgw_name, BGW_MAXLEN, "loyalty worker %s",
			 database->name);
	started = RegisterDynamicBackgroundWorker(&worker, &database->worker);
	if (!started)
		dsm_detach(database->round);
	MemoryContextSwitchTo(caller);
	return started;
}

/* Is there the role?  That there is none is logged when it is first seen. */
static bool
has_role(void)
{
	const char *role = worker_settings.role;
	bool		known = OidIsValid(get_role_oid(role, true));

	if (!known && !no_role_told)
		ereport(WARNING,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 *role == '\0' ?
				 errmsg("nothing is maintained, because loyalty.worker_role "
						"is not set") :
				 errmsg("nothing is maintained, because role \"%s\" of "
						"loyalty.worker_role does not exist", role),
				 errhint("Create a role that can log in, grant it the worker "
						 "role, and name it in loyalty.worker_role.")));
	no_role_told = !known;
	return known;
}

/* The same for a database. */
static bool
has_database(Database *database)
{
	bool		known = database_exists(database->name);

	if (!known && !database->unknown)
		ereport(WARNING,
				(errcode(ERRCODE_UNDEFINED_DATABASE),
				 errmsg("database \"%s\" of loyalty.worker_database does not "
						"exist", database->name)));
	database->unknown = !known;
	return known;
}

/*
 * No process was left for a round.  It stays due, and is tried again when a
 * round has ended, or after the interval; that is logged once an hour.
 */
static void
miss_process(const Database *database)
{
	int64		now = worker_clock();

	no_process_until = now + pause_after(0);
	if (now < no_process_told_until)
		return;
	no_process_told_until = now + LONGEST_PAUSE_MS;
	ereport(WARNING,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("no process is left to maintain database \"%s\"",
					database->name),
			 errhint("You might need to increase max_worker_processes.")));
}

/* Starts a round, if there are the role and the database for it. */
static void
try_round(Database *database)
{
	bool		possible;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	possible = has_role() && has_database(database);
	CommitTransactionCommand();
	if (!possible)
		database->due = worker_clock() + pause_after(0);
	else if (!start_round(database))
		miss_process(database);
}

/* The launcher's rounds end with it, or its successor would start others. */
static void
end_rounds(int code, Datum arg)
{
	ListCell   *cell;

	foreach(cell, databases)
	{
		Database   *database = lfirst(cell);

		if (database->worker != NULL)
			TerminateBackgroundWorker(database->worker);
	}
}

/* The launcher: starts what is due, and sleeps until something else is. */
void
loyalty_worker_launcher(Datum arg)
{
	MemoryContext context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	before_shmem_exit(end_rounds, 0);
	SetConfigOption("application_name", "loyalty launcher", PGC_USERSET,
					PGC_S_SESSION);
	context = AllocSetContextCreate(TopMemoryContext, "loyalty launcher",
									ALLOCSET_DEFAULT_SIZES);
	ConfigReloadPending = true;

	for (;;)
	{
		Database   *next;
		int64		pause = LONGEST_PAUSE_MS;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(context);
		MemoryContextSwitchTo(context);
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			list_databases();
		}
		collect_rounds();
		while ((next = next_database()) != NULL)
		{
			pause = Max(next->due, no_process_until) - worker_clock();
			pause = Min(pause, LONGEST_PAUSE_MS);
			if (pause > 0)
				break;
			try_round(next);
			pause = LONGEST_PAUSE_MS;
		}
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
				  pause, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}
