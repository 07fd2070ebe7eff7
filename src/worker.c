/*
 * worker.c
 *
 * The background worker: its settings, and what the server starts.
 */
#include "worker.h"

#include "miscadmin.h"
#include "portability/instr_time.h"
#include "postmaster/bgworker.h"
#include "utils/guc.h"
#include "utils/varlena.h"

#define LAUNCHER_RESTART_S 5

WorkerSettings worker_settings = {
	.enabled = true,
	.interval = 60,
	.processes = 2,
};

/* Splits a list of names as they are, without folding them to lower case. */
static bool
check_database(char **newval, void **extra, GucSource source)
{
	List	   *names;

	if (SplitGUCList(pstrdup(*newval), ',', &names))
		return true;
	GUC_check_errdetail("It must be a list of names, separated by commas.");
	return false;
}

static void
define_settings(void)
{
	DefineCustomBoolVariable("loyalty.worker_enabled",
							 "Does the background worker work?", NULL,
							 &worker_settings.enabled, true, PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
	DefineCustomStringVariable("loyalty.worker_database",
							   "Databases that the background worker "
							   "maintains.",
							   "Names, separated by commas.",
							   &worker_settings.database, "", PGC_SIGHUP,
							   GUC_LIST_INPUT, check_database, NULL, NULL);
	DefineCustomStringVariable("loyalty.worker_role",
							   "The role that the background worker has.",
							   "It must be able to log in, and be a member of "
							   "the worker role. Empty: there is no work.",
							   &worker_settings.role, "", PGC_SIGHUP, 0,
							   NULL, NULL, NULL);
	DefineCustomIntVariable("loyalty.worker_interval",
							"How long the background worker pauses when "
							"nothing is left to do.", NULL,
							&worker_settings.interval, 60, 1, 86400,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("loyalty.worker_processes",
							"In how many databases the background worker "
							"works at the same time.", NULL,
							&worker_settings.processes, 2, 1, 64, PGC_SIGHUP,
							0, NULL, NULL, NULL);
}

/* Settings; and the launcher, if the library is loaded by the server. */
void
worker_init(void)
{
	BackgroundWorker launcher = {
		.bgw_name = "loyalty launcher",
		.bgw_type = "loyalty launcher",
		.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION,
		/* so it begins on a standby when that is promoted */
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = LAUNCHER_RESTART_S,
		.bgw_library_name = "loyalty",
		.bgw_function_name = "loyalty_worker_launcher",
	};

	define_settings();
	/* pg_upgrade counts on nobody but itself */
	if (process_shared_preload_libraries_in_progress && !IsBinaryUpgrade)
		RegisterBackgroundWorker(&launcher);
}

/* Milliseconds of a clock that is never set. */
int64
worker_clock(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return INSTR_TIME_GET_MICROSEC(now) / 1000;
}
