/*
 * message_judge.h
 *
 * What becomes of messages that are due, when a consumer asks for them.
 */
#ifndef LOYALTY_MESSAGE_JUDGE_H
#define LOYALTY_MESSAGE_JUDGE_H

#include "message.h"

#include "pgtime.h"

#include "rule_program.h"

#pragma GCC visibility push(hidden)

/* The messages of a channel of one programme. */
typedef struct Queue
{
	int32		program_id;
	char	   *program_name;
	const Program *program;
	const char *channel;
	bool		open;			/* neither the channel nor the programme rests */
	int			quota;			/* -1: none */
	TimeADT		quiet_from;		/* -1: never quiet */
	TimeADT		quiet_until;
	int			member_cap;		/* 0: none */
	int			member_days;
	int			max_attempts;
	bool		falls_back;

	TimestampTz now;
	DateADT		today;
	int			room;			/* what is left of the quota */
	/* the last message that was looked at, of the priority in hand */
	TimestampTz after_due;
	int64		after_id;
} Queue;

typedef enum Verdict
{
	VERDICT_LEAVE,				/* as it is, for another time */
	VERDICT_TAKE,
	VERDICT_PUT_OFF,
	VERDICT_SUPPRESS,
	VERDICT_EXPIRE,
	VERDICT_GIVE_UP
} Verdict;

/* A message that is due, and locked. */
typedef struct Candidate
{
	int64		member_id;
	int64		message_id;
	TimestampTz due_at;
	TimestampTz expires_at;		/* DT_NOEND: never */
	TimestampTz created_at;
	int			attempts;
	int			priority;
	char	   *purpose;
	char	   *template;
	Jsonb	   *params;

	/* of the member */
	char	   *status;			/* NULL: there is none */
	pg_tz	   *zone;			/* his own, or the programme's */
	bool		consents;

	bool		capped;			/* what the member had counts */
	Verdict		verdict;
	bool		falls_back;		/* another channel may take over */
	TimestampTz until;			/* put off, or leased */
	const char *reason;
} Candidate;

/*
 * Judges candidates of one priority, of which up to so many may be taken, and
 * writes what becomes of them.
 */
extern void message_judge(const Queue *queue, Candidate *candidates, int n,
						  int want, TimestampTz leased_until);

/* message_quiet.c: the end of the quiet hours in which a time lies, or it. */
extern TimestampTz message_quiet_end(pg_tz *zone, TimeADT from,
									 TimeADT until, TimestampTz at);
/* The zone of a name such as Europe/London; NULL: it is none. */
extern pg_tz *message_zone(const char *name);

#pragma GCC visibility pop

#endif							/* LOYALTY_MESSAGE_JUDGE_H */
