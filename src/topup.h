/*
 * topup.h
 *
 * Stored value: units of kind money that are paid in advance, compiled; the
 * cards of a member and what was paid into them.
 */
#ifndef LOYALTY_TOPUP_H
#define LOYALTY_TOPUP_H

#include "loyalty.h"

#include "unit.h"
#include "wallet.h"

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

/* A member's card.  Who has none on record has one that is neither. */
typedef struct TopupCard
{
	int32		unit_id;
	bool		named;
	bool		frozen;
	TimestampTz frozen_at;
	int64		pending;		/* top-ups that are not paid yet, with bonus */
	bool		is_new;			/* not on record */
} TopupCard;

/* One of each unit of the policies, ascending. */
extern TopupCard *topup_cards(int64 member_id, const TopupPolicy *policies,
							  int npolicies, bool read_only);
/* Puts a card on record, as the call of this id has left it. */
extern void topup_card_store(int64 member_id, int32 program_id,
							 const TopupCard *card, int64 journal_id);

typedef enum TopupStatus
{
	TOPUP_PENDING,
	TOPUP_DONE,
	TOPUP_CANCELLED,
	TOPUP_REFUNDED
} TopupStatus;

/* A top-up, a row of the table. */
typedef struct Topup
{
	text	   *ref;
	int32		unit_id;
	TopupStatus status;
	TimestampTz made_at;
	int64		amount;
	int64		bonus;
	int64		points;
	int32		points_unit_id; /* 0: none */
	char	   *pack;			/* or NULL */
	int32		benefit_id;		/* 0: none */
	int64		refunded;
	int64		deducted;
	int64		bonus_taken;
	int64		points_taken;
	int64		journal_id;
	int64		done_by;		/* 0: not done */
} Topup;

/* NULL: the member has none of this reference. */
extern Topup *topup_find(int64 member_id, const text *ref);
extern void topup_insert(int64 member_id, int32 program_id,
						 const Topup *topup);
extern void topup_update(int64 member_id, const Topup *topup);

#pragma GCC visibility pop

#endif							/* LOYALTY_TOPUP_H */
