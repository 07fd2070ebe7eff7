/*
 * activity.h
 *
 * Behaviour that moves no value: what a member or a visitor did.
 */
#ifndef LOYALTY_ACTIVITY_H
#define LOYALTY_ACTIVITY_H

#include "loyalty.h"

#include "rule_program.h"
#include "statement.h"

#pragma GCC visibility push(hidden)

/* What is given of an activity, in the order of all who give it. */
typedef enum ActivityField
{
	FIELD_KIND,
	FIELD_TARGET_KIND,
	FIELD_TARGET,
	FIELD_SESSION,
	FIELD_DWELL_SECONDS,
	FIELD_CHANNEL,
	FIELD_DATA,
	FIELD_AT,
	FIELD_KEY,
	ACTIVITY_NFIELDS
} ActivityField;

typedef enum ActivityStatus
{
	ACTIVITY_PENDING,
	ACTIVITY_DONE,
	ACTIVITY_REPLAYED,			/* its key was there */
	ACTIVITY_REJECTED
} ActivityStatus;

typedef struct ActivityKind
{
	char	   *name;
	DateADT		kept_from;		/* what was on days before is over */
} ActivityKind;

typedef struct Activity
{
	NullableDatum member_id;
	NullableDatum visitor;		/* text: instead of member_id */
	NullableDatum fields[ACTIVITY_NFIELDS];

	int64		owner;			/* member, or a visitor's anonymous id */
	bool		anonymous;
	TimestampTz at;
	const ActivityKind *kind;
	int64		activity_id;
	ActivityStatus status;
	/* of a rejected one: a refusal, or an SQLSTATE of PostgreSQL's own */
	Refusal		refusal;
	int			sqlstate;
	const char *detail;
} Activity;

/* Activities of one programme that are to be kept. */
typedef struct Tracking
{
	const Program *program;
	TimestampTz now;
	DateADT		today;
	int			nkinds;
	ActivityKind *kinds;		/* by name */
	int			n;
	Activity   *activities;
} Tracking;

#define MAX_VISITOR_BYTES 255

/* activity.c */
extern const Program *activity_program_of(int64 member_id);

/* activity_check.c */
extern bool activity_refuse(Activity *activity, Refusal refusal,
							const char *detail);
extern const char *activity_text_problem(const text *value, int max_bytes);
extern void activity_check(const Tracking *tracking, Activity *activity);
pg_noreturn extern void activity_raise(const Activity *activity);

/* activity_visitor.c */
extern void activity_find_visitors(Tracking *tracking);

/* activity_start.c: automations that start by what members do. */
extern void activity_lock(const Tracking *tracking);
extern void activity_start(const Tracking *tracking);

/* activity_day.c: what conditions of tags and segments see of them. */
extern void activity_count(const Tracking *tracking);
extern void activity_recount(const Program *program, Datum member_ids);
extern uint64 activity_compare(const Program *program, Datum member_ids);
extern void activity_judge_again(const Program *program, Datum member_ids);

#pragma GCC visibility pop

#endif							/* LOYALTY_ACTIVITY_H */
