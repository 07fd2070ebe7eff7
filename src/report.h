/*
 * report.h
 *
 * What the jobs of maintenance do for the reports.
 */
#ifndef LOYALTY_REPORT_H
#define LOYALTY_REPORT_H

#include "loyalty.h"

#pragma GCC visibility push(hidden)

/* report_fold.c */
extern int64 report_fold(int batch, bool *left_over);

#pragma GCC visibility pop

#endif							/* LOYALTY_REPORT_H */
