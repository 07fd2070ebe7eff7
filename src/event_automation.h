/*
 * event_automation.h
 *
 * A run of an automation while it is worked off, or tried.
 */
#ifndef LOYALTY_EVENT_AUTOMATION_H
#define LOYALTY_EVENT_AUTOMATION_H

#include "loyalty.h"

#include "event.h"

#pragma GCC visibility push(hidden)

/* What a step gave, for the messages after it. */
typedef struct RunWork
{
	int64		member_id;
	int64		run_id;			/* 0: it is only tried */
	const AutomationPlan *plan;
	const Program *program;
	TimestampTz now;
	DateADT		today;
	TimestampTz triggered_at;
	int64		journal_id;		/* 0: no row started it */
	Jsonb	   *trigger;
	int			position;
	Jsonb	   *log;
	bool		dry;			/* nothing is written */
	Jsonb	   *given;			/* facts of what steps gave, or NULL */

	/* what becomes of it */
	const char *status;
	const char *reason;			/* or NULL */
	TimestampTz due_at;			/* DT_NOEND: none */
} RunWork;

/* What one step came to. */
typedef struct StepOutcome
{
	const char *outcome;		/* of a trial, in a word */
	Jsonb	   *detail;
	int			next;			/* position to go on from; 0: the run is over */
} StepOutcome;

/* event_automation_document.c */
extern bool run_condition(RunWork *work, JsonPath *condition);

/* event_automation_step.c: does a step, or tells what it would do. */
extern StepOutcome run_step(RunWork *work, const AutomationStep *step);
/* Makes an entry of the log, to be ended with end_object(). */
extern JsonbParseState *run_entry(const RunWork *work, int position,
								  const char *kind);
extern void run_log(RunWork *work, Jsonb *entry);

/* event_automation_undo.c: takes back what the steps gave. */
extern void run_undo(RunWork *work);

/* event_automation.c: why the run is not for the member; NULL: it is. */
extern const char *run_unwanted(RunWork *work, AccountStatus status);

#pragma GCC visibility pop

#endif							/* LOYALTY_EVENT_AUTOMATION_H */
