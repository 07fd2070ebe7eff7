/*
 * worker_round.c
 *
 * One round of the background worker in one database: a process that calls
 * loyalty.maintain() once and ends.
 */
#include "worker.h"

#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "maintenance.h"
#include "statement.h"

#define CALL_MAINTAIN \
	"CALL loyalty.maintain('" CppAsString2(ROUND_BUDGET_MS) " ms')"

PGDLLEXPORT void loyalty_worker_round(Datum arg);

/* A process that ends outside a transaction would leave its lock behind. */
static void
release_extension(int code, Datum arg)
{
	LockReleaseSession(DEFAULT_LOCKMETHOD);
}

/*
 * Keeps the extension until the process ends: DROP EXTENSION, which locks it
 * before anything else, waits for the round instead of getting between two of
 * its batches, or into a deadlock with one.  False if there is none, or if
 * somebody is about to drop it.
 */
static bool
hold_extension(void)
{
	LOCKTAG		tag;
	Oid			extension;
	bool		held = false;

	before_shmem_exit(release_extension, 0);
	StartTransactionCommand();
	extension = get_extension_oid("loyalty", true);
	if (OidIsValid(extension))
	{
		SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ExtensionRelationId, extension,
						   0);
		held = LockAcquire(&tag, AccessShareLock, true, true) !=
			LOCKACQUIRE_NOT_AVAIL;
		/* it may have gone between the look and the lock */
		AcceptInvalidationMessages();
		held = held && get_extension_oid("loyalty", true) == extension;
	}
	CommitTransactionCommand();
	return held;
}

/* Refuses SQL of another version before it is relied upon. */
static void
check_version(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	loyalty_check_version();
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * Runs a CALL the way a client's is run, as a portal at the top level: under
 * SPI a procedure has none here, and cannot go on after its first COMMIT.
 */
static void
run_call(const char *sql)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "loyalty call",
												  ALLOCSET_DEFAULT_SIZES);
	RawStmt    *statement;
	List	   *plan;
	Portal		portal;

	debug_query_string = sql;
	pgstat_report_activity(STATE_RUNNING, sql);
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	/* what is parsed and planned has to outlive the transactions */
	MemoryContextSwitchTo(context);
	statement = linitial_node(RawStmt, pg_parse_query(sql));
	PushActiveSnapshot(GetTransactionSnapshot());
	plan = pg_analyze_and_rewrite_fixedparams(statement, sql, NULL, 0, NULL);
	plan = pg_plan_queries(plan, sql, CURSOR_OPT_PARALLEL_OK, NULL);
	PopActiveSnapshot();

	portal = CreatePortal("", true, true);
	portal->visible = false;
	PortalDefineQuery(portal, NULL, sql, CMDTAG_CALL, plan, NULL);
	PortalStart(portal, NULL, 0, InvalidSnapshot);
#if PG_VERSION_NUM >= 180000
	(void) PortalRun(portal, FETCH_ALL, true, None_Receiver, None_Receiver,
					 NULL);
#else
	(void) PortalRun(portal, FETCH_ALL, true, true, None_Receiver,
					 None_Receiver, NULL);
#endif
	PortalDrop(portal, false);
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
	debug_query_string = NULL;
}

/* Nothing to do where there is no extension; that is not worth a word. */
static RoundOutcome
maintain(void)
{
	int64		began = worker_clock();

	if (!hold_extension())
		return ROUND_DONE;
	check_version();
	run_call(CALL_MAINTAIN);
	return worker_clock() - began < ROUND_BUDGET_MS ?
		ROUND_DONE : ROUND_LEFT_OVER;
}

/*
 * Logs what ended the round.  Details are for refusals only, because those of
 * PostgreSQL may show the contents of rows.
 */
static void
log_failure(const ErrorData *error, const Round *round)
{
	const char *detail = refusal_of(error->sqlerrcode) == REFUSAL_NONE ?
		NULL : error->detail;

	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("maintenance of database \"%s\" failed: %s",
					NameStr(round->database), statement_error_text(error)),
			 errdetail("SQLSTATE %s%s%s; it is tried again in %d s.",
					   unpack_sql_state(error->sqlerrcode),
					   detail ? ", " : "", detail ? detail : "",
					   round->retry_s),
			 error->hint == NULL ? 0 : errhint("%s", error->hint)));
}

/* Keeps what surrounds a round out of it, and the round out of others' way. */
static void
settle_session(void)
{
	SetConfigOption("application_name", "loyalty worker", PGC_USERSET,
					PGC_S_SESSION);
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_USERSET,
					PGC_S_SESSION);
	/* a wait for a lock counts towards the budget, unless set otherwise */
	if (LockTimeout == 0)
		SetConfigOption("lock_timeout", "1s", PGC_USERSET, PGC_S_SESSION);
}

/*
 * One round.  An error ends it, not with a second line in the log for the end
 * of the process.
 */
void
loyalty_worker_round(Datum arg)
{
	MemoryContext context = CurrentMemoryContext;
	dsm_segment *segment;
	Round	   *round;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	segment = dsm_attach(DatumGetUInt32(arg));
	/* the launcher has gone, and will start others */
	if (segment == NULL)
		return;
	round = dsm_segment_address(segment);
	BackgroundWorkerInitializeConnection(NameStr(round->database),
										 NameStr(round->role), 0);
	settle_session();

	PG_TRY();
	{
		round->outcome = maintain();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		AbortOutOfAnyTransaction();
		debug_query_string = NULL;
		log_failure(error, round);
	}
	PG_END_TRY();
}
