/*
 * rule_program.h
 *
 * A programme compiled from its configuration rows: units, events and rules
 * in the form in which decide.c uses them.
 */
#ifndef LOYALTY_RULE_PROGRAM_H
#define LOYALTY_RULE_PROGRAM_H

#include "loyalty.h"

#include "pgtime.h"

#pragma GCC visibility push(hidden)

typedef enum UnitKind
{
	UNIT_POINTS,
	UNIT_MONEY,
	UNIT_METRIC
} UnitKind;

typedef enum ExpiryPolicy
{
	EXPIRY_NEVER,
	EXPIRY_DAYS,
	EXPIRY_MONTHS,
	EXPIRY_END_OF_MONTH,
	EXPIRY_END_OF_YEAR
} ExpiryPolicy;

typedef struct Unit
{
	int32		unit_id;
	char	   *code;
	UnitKind	kind;
	int			scale;
	int			vest_days;
	ExpiryPolicy expiry;
	int			expiry_count;
	int			window_months;	/* 0: all */
	bool		refund_whole;	/* taken back by a full refund only */
	bool		debt;			/* else limit: what is missing is forgiven */
	int			grace_days;		/* 0: lapsed value that returns is lost */
} Unit;

typedef enum RuleKind
{
	RULE_FIXED,
	RULE_PER_AMOUNT
} RuleKind;

typedef struct Rule
{
	int32		rule_id;
	char	   *event;
	const Unit *unit;
	RuleKind	kind;
	int64		award;			/* minor units of the unit */
	int64		per;			/* minor units of the currency */
	bool		proportional;
	TimestampTz valid_from;
	TimestampTz valid_until;
} Rule;

typedef struct Program
{
	int32		program_id;
	char	   *name;
	int			currency_scale;
	pg_tz	   *zone;
	bool		active;
	bool		ref_in_program; /* an order reference earns once in all */
	TimestampTz closed_until;
	int			nunits;
	Unit	   *units;			/* ascending unit_id */
	int			nrules;
	Rule	   *rules;			/* ascending rule_id */
	int			nevents;
	char	  **events;

	MemoryContext context;
	uint64		generation;		/* of the configuration it was compiled from */
	LocalTransactionId lxid;	/* last transaction that used it */
	struct Program *next_retired;
} Program;

extern void program_init(void);
extern const Program *program_get(int32 program_id);
extern const Program *program_refresh(int32 program_id);
extern const Program *program_find(const char *name);
extern const Unit *program_unit(const Program *program, const char *code);
extern const Unit *program_unit_by_id(const Program *program, int32 unit_id);
extern bool program_has_unit(const Program *program, int32 unit_id);
extern bool program_knows_event(const Program *program, const char *event);

/* The programme's calendar. */
extern DateADT program_date(const Program *program, TimestampTz at);
extern TimestampTz program_midnight(const Program *program, DateADT date);
extern DateADT unit_expiry(const Unit *unit, DateADT earned_on);
extern DateADT date_add_months(DateADT date, int months);
extern DateADT date_month_start(DateADT date);

#pragma GCC visibility pop

#endif							/* LOYALTY_RULE_PROGRAM_H */
