/*
 * store_run.h
 *
 * Runs of automations that are made together.
 */
#ifndef LOYALTY_STORE_RUN_H
#define LOYALTY_STORE_RUN_H

#include "loyalty.h"

#include "rule_program.h"

#pragma GCC visibility push(hidden)

typedef struct RunStarts RunStarts;

/* Of one programme; everything lives in the current context. */
extern RunStarts *store_runs_begin(const Program *program);
/*
 * Notes that something happened, or was due, at a time: occurrence, which
 * counts if each is one run; the row of the journal that it was, or 0;
 * trigger may be NULL.  What is passed is copied.
 */
extern void store_runs_add(RunStarts *starts, const Automation *automation,
						   int64 member_id, const char *occurrence,
						   TimestampTz at, int64 journal_id,
						   const Jsonb *trigger);
/* Makes the runs; returns how many are new.  There are none any more. */
extern int64 store_runs_end(RunStarts *starts);

#pragma GCC visibility pop

#endif							/* LOYALTY_STORE_RUN_H */
