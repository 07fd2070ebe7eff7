/*
 * topup.h
 *
 * Stored value, compiled: units of kind money that are paid in advance.
 */
#ifndef LOYALTY_TOPUP_H
#define LOYALTY_TOPUP_H

#include "loyalty.h"

#include "unit.h"

#pragma GCC visibility push(hidden)

typedef enum SpendOrder
{
	SPEND_PROPORTIONAL,
	SPEND_BONUS_FIRST,
	SPEND_PRINCIPAL_FIRST
} SpendOrder;

typedef struct TopupStep
{
	int64		from;
	int64		bonus;
	int64		points;			/* 0: none */
	int32		points_unit_id;
	char	   *pack;			/* or NULL */
	int32		benefit_id;		/* 0: none */
} TopupStep;

typedef struct TopupPolicy
{
	int32		unit_id;
	SpendOrder	spend_order;
	bool		deduct_bonus;
	int64		limit_named;	/* minor units; -1: none */
	int64		limit_unnamed;
	int64		limit_member;
	int			unnamed_months; /* 0: never */
	int			bonus_days;		/* 0: never */
	int			nsteps;
	TopupStep  *steps;			/* ascending */
} TopupPolicy;

/* Ascending by unit_id.  units: those of the programme. */
extern TopupPolicy *topup_load(int32 program_id, const Unit *units,
							   int nunits, int *npolicies);

#pragma GCC visibility pop

#endif							/* LOYALTY_TOPUP_H */
