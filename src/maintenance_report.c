/*
 * maintenance_report.c
 *
 * The job that folds the journal into the sums of the reports, and the one
 * that publishes the figures of periods that are being closed.  Two of them,
 * so that a period that cannot be published does not hold the sums up.
 */
#include "maintenance.h"

#include "report.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_maintenance_report);
PG_FUNCTION_INFO_V1(loyalty_maintenance_period);

/* report_fold(batch) */
Datum
loyalty_maintenance_report(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	int			batch = maintenance_batch_arg(fcinfo, 0);
	bool		left_over;
	int64		done;

	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	done = report_fold(batch, &left_over);
	SPI_finish();
	return maintenance_outcome(fcinfo, (int) done, left_over);
}

/* period_publish(batch): those that still have to wait are left to later. */
Datum
loyalty_maintenance_period(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	int			done;

	(void) maintenance_batch_arg(fcinfo, 0);
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	done = report_periods_finish();
	SPI_finish();
	return maintenance_outcome(fcinfo, done, false);
}
