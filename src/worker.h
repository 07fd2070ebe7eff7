/*
 * worker.h
 *
 * The background worker: a launcher, and the rounds that it starts.
 */
#ifndef LOYALTY_WORKER_H
#define LOYALTY_WORKER_H

#include "loyalty.h"

#pragma GCC visibility push(hidden)

/*
 * After this a round begins no more batches.  DROP DATABASE waits five seconds
 * for the sessions in its way.
 */
#define ROUND_BUDGET_MS 2000

/* What a round came to; whatever ends without a word has failed. */
typedef enum RoundOutcome
{
	ROUND_FAILED = 0,
	ROUND_DONE,
	ROUND_LEFT_OVER
} RoundOutcome;

/* A round, in memory that it shares with the launcher. */
typedef struct Round
{
	NameData	database;
	NameData	role;
	int			retry_s;		/* when it is tried again if it fails */
	RoundOutcome outcome;
} Round;

/* loyalty.worker_... */
typedef struct WorkerSettings
{
	bool		enabled;
	char	   *database;		/* a list of names */
	char	   *role;
	int			interval;		/* seconds */
	int			processes;
} WorkerSettings;

extern WorkerSettings worker_settings;

extern void worker_init(void);
extern int64 worker_clock(void);

#pragma GCC visibility pop

#endif							/* LOYALTY_WORKER_H */
