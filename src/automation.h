/*
 * automation.h
 *
 * Automations, compiled: what starts them, and for whom.
 */
#ifndef LOYALTY_AUTOMATION_H
#define LOYALTY_AUTOMATION_H

#include "loyalty.h"

#include "utils/jsonb.h"
#include "utils/jsonpath.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "statement.h"
#include "tag.h"
#include "unit.h"

#pragma GCC visibility push(hidden)

typedef enum TriggerKind
{
	/* at the moment it happens, in its transaction */
	TRIGGER_EVENT,
	TRIGGER_REFUND,
	TRIGGER_ACTIVITY,
	TRIGGER_TIER,
	TRIGGER_NEAR_TIER,
	TRIGGER_TAG_SET,
	TRIGGER_TAG_REMOVED,
	TRIGGER_STAGE,
	TRIGGER_SEGMENT_ENTERED,
	TRIGGER_SEGMENT_LEFT,
	/* on a date: account.due_on is lowered for these */
	TRIGGER_DATE,
	TRIGGER_POINTS_EXPIRING,
	TRIGGER_COUPON_EXPIRING,
	TRIGGER_PLAN_ENDING,
	TRIGGER_SILENT,
	/* found by an index of their own, or made for many at once */
	TRIGGER_HOLD_EXPIRING,
	TRIGGER_SCHEDULE,
	TRIGGER_ANNOUNCEMENT
} TriggerKind;

#define TRIGGER_NKINDS (TRIGGER_ANNOUNCEMENT + 1)
#define TRIGGER_IS_DATED(kind) \
	((kind) >= TRIGGER_DATE && (kind) <= TRIGGER_SILENT)

typedef enum AutomationOnce
{
	ONCE_OCCURRENCE,
	ONCE_DAY,
	ONCE_WEEK,
	ONCE_MONTH,
	ONCE_YEAR,
	ONCE_EVER
} AutomationOnce;

/* One that is live: a row of loyalty.automation, without its steps. */
typedef struct Automation
{
	int32		automation_id;
	char	   *name;
	TriggerKind kind;
	char	   *trigger_name;	/* NULL: any */
	int32		unit_id;		/* of points_expiring, hold_expiring; 0: any */
	int			days;
	bool		yearly;
	int			permille;		/* near_tier: tenths of a per cent */
	int64		min_amount;		/* minor units of the unit; 0: any */
	TimeADT		at_time;
	int			late_days;
	AutomationOnce once;
	Interval   *delay;			/* or NULL: none */
	bool		restarts;
	int			holdout;		/* hundredths of a per cent */
	TimestampTz starts_at;		/* DT_NOBEGIN: none */
	TimestampTz ends_at;		/* DT_NOEND: none */
} Automation;

/* What ends a run, and is counted for those who were held out as well. */
typedef struct AutomationGoal
{
	int32		automation_id;
	char	   *event;
	int			days;			/* from the start of the run; 0: any time */
} AutomationGoal;

/*
 * The live automations of a programme, in order of kind, then id, also those
 * whose time has not come or is over.  Their units are looked up in units.
 */
typedef struct Automations
{
	int			n;
	Automation *list;
	/* by kind: the first of its kind, and how many there are */
	int			first[TRIGGER_NKINDS];
	int			count[TRIGGER_NKINDS];
	int			ndated;
	/* a hash of those that are dated, for automation_scan */
	bytea	   *definition;
	/* of those that are live, paused, or ended not longer ago than it counts */
	int			ngoals;
	AutomationGoal *goals;
	/* may a refund take back what a run gave? */
	bool		undoes;
} Automations;

typedef enum AutomationStatus
{
	AUTOMATION_DRAFT,
	AUTOMATION_LIVE,
	AUTOMATION_PAUSED,
	AUTOMATION_ENDED
} AutomationStatus;

typedef enum StepKind
{
	ACT_AWARD,
	ACT_COUPON,
	ACT_TAG_ADD,
	ACT_TAG_REMOVE,
	ACT_MESSAGE,
	ACT_WAIT,
	ACT_CHECK
} StepKind;

/* A row of loyalty.automation_step; NULL and 0 where a kind has it not. */
typedef struct AutomationStep
{
	int			position;
	StepKind	kind;
	int32		unit_id;
	Numeric		amount;
	char	   *coupon;
	char	   *pack;
	char	   *tag;
	int			valid_days;		/* 0: for good */
	char	   *channel;
	char	   *template;
	Jsonb	   *params;
	int			priority;
	Interval   *wait;
	JsonPath   *condition;
	int			otherwise;		/* 0: the run ends */
	bool		undo;
} AutomationStep;

/* One as it is carried out, whatever its status. */
typedef struct AutomationPlan
{
	Automation	automation;
	int32		program_id;
	AutomationStatus status;
	char	   *segment;		/* or NULL */
	JsonPath   *condition;		/* or NULL */
	int			gap_days;		/* 0: none */
	char	   *purpose;
	int32		campaign_id;	/* 0: none */
	int			nsteps;
	AutomationStep *steps;		/* ascending */
	TagReads	reads;			/* by its conditions, of the member document */
} AutomationPlan;

/* The columns that automation_read() expects first. */
#define AUTOMATION_COLUMNS \
	"automation_id, name, trigger_kind, trigger_name, coalesce(days, 0)," \
	" yearly, coalesce(percent, 0) * 10, min_amount, at_time, late_days," \
	" once, nullif(delay, '0'), restarts, holdout * 100, starts_at, ends_at"
#define AUTOMATION_NCOLUMNS 16

/* Kinds of trigger as they are called in the table. */
extern const char *const automation_trigger_names[TRIGGER_NKINDS];

/* Is it one that starts by what is called so?  NULL: it has no name. */
extern bool automation_listens(const Automation *automation,
							   const char *name);
extern void automation_read(Automation *automation, int row,
							const Unit *units, int nunits);
/* automation_plan.c; NULL: there is none, or no more. */
extern AutomationPlan *automation_plan(int32 automation_id,
									   const Unit *units, int nunits);
extern const char *automation_step_name(StepKind kind);
extern void automation_load(int32 program_id, const Unit *units, int nunits,
							Automations *automations);
/* Is the member among those who get nothing, for comparison?  Always the same. */
extern bool automation_holds_out(const Automation *automation,
								 int64 member_id);

#pragma GCC visibility pop

#endif							/* LOYALTY_AUTOMATION_H */
