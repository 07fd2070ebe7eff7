/*
 * unit.h
 *
 * Units, in the form in which decisions use them.
 */
#ifndef LOYALTY_UNIT_H
#define LOYALTY_UNIT_H

#include "loyalty.h"

#pragma GCC visibility push(hidden)

typedef enum UnitKind
{
	UNIT_POINTS,
	UNIT_MONEY,
	UNIT_METRIC,
	UNIT_COUNTER
} UnitKind;

typedef enum ExpiryPolicy
{
	EXPIRY_NEVER,
	EXPIRY_DAYS,
	EXPIRY_MONTHS,
	EXPIRY_END_OF_MONTH,
	EXPIRY_END_OF_YEAR
} ExpiryPolicy;

/* When a lot lapses, counted from the date on which it was earned. */
typedef struct Expiry
{
	ExpiryPolicy policy;
	int			count;
} Expiry;

typedef enum Period
{
	PERIOD_DAY,
	PERIOD_WEEK,
	PERIOD_MONTH,
	PERIOD_YEAR,
	PERIOD_LIFETIME
} Period;

/* A day of the year or a month of it. */
typedef enum Recurrence
{
	RECUR_NONE,
	RECUR_DAY,
	RECUR_MONTH
} Recurrence;

typedef struct Unit
{
	int32		unit_id;
	char	   *code;
	UnitKind	kind;
	int			scale;
	int			vest_days;
	Expiry		expiry;
	int			window_months;	/* 0: all */
	bool		refund_whole;	/* taken back by a full refund only */
	bool		debt;			/* else limit: what is missing is forgiven */
	int			grace_days;		/* 0: lapsed value that returns is lost */
	Period		period;			/* of a counter */
} Unit;

extern ExpiryPolicy expiry_policy(const char *name);
extern DateADT expiry_date(const Expiry *expiry, DateADT earned_on);
extern Period period_parse(const char *name);
extern DateADT period_start(Period period, DateADT date);
extern DateADT period_end(Period period, DateADT date);
extern DateADT date_add_months(DateADT date, int months);
extern DateADT date_month_start(DateADT date);
extern int	date_year(DateADT date);
extern char *date_text(DateADT date);
extern Recurrence recurrence(const char *name);
extern bool date_recurs(Recurrence recurrence, int month, int day,
						DateADT on);

#pragma GCC visibility pop

#endif							/* LOYALTY_UNIT_H */
