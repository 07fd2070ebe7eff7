/*
 * report.h
 *
 * What the jobs of maintenance do for the reports.
 */
#ifndef LOYALTY_REPORT_H
#define LOYALTY_REPORT_H

#include "loyalty.h"

#include "access/transam.h"

#pragma GCC visibility push(hidden)

/* report_fold.c */
extern int64 report_fold(int batch, bool *left_over);
extern bool report_all_over(FullTransactionId before);

/* report_period.c */
extern int	report_periods_finish(void);

#pragma GCC visibility pop

#endif							/* LOYALTY_REPORT_H */
