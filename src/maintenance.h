/*
 * maintenance.h
 *
 * Periodic work: its jobs, and what they share.
 */
#ifndef LOYALTY_MAINTENANCE_H
#define LOYALTY_MAINTENANCE_H

#include "loyalty.h"

#pragma GCC visibility push(hidden)

/* Members, runs ... that a batch locks at most. */
#define MAX_MAINTAIN_BATCH 10000

extern int	maintenance_batch_arg(FunctionCallInfo fcinfo, int arg);
extern Datum maintenance_outcome(FunctionCallInfo fcinfo, int done,
								 bool left_over);

/* maintenance_fault.c */
extern void maintenance_fault(const char *job, int64 member_id,
							  const ErrorData *error, TimestampTz now);
extern void maintenance_healthy(const char *job, const Datum *member_ids,
								int n);

#pragma GCC visibility pop

#endif							/* LOYALTY_MAINTENANCE_H */
