/*
 * benefit.h
 *
 * Benefits of a programme, compiled, and those that a member was given by
 * hand.
 */
#ifndef LOYALTY_BENEFIT_H
#define LOYALTY_BENEFIT_H

#include "loyalty.h"

#include "utils/numeric.h"

#include "collection.h"
#include "statement.h"
#include "unit.h"

#pragma GCC visibility push(hidden)

typedef enum BenefitKind
{
	BENEFIT_PRICE,
	BENEFIT_MULTIPLIER,
	BENEFIT_FLAG,
	BENEFIT_QUOTA,
	BENEFIT_VOUCHER,
	BENEFIT_GIFT,
	BENEFIT_EVERY_N
} BenefitKind;

typedef enum HolderSource
{
	HOLDER_EVERYONE,
	HOLDER_TIER,
	HOLDER_SEGMENT,
	HOLDER_TAG,
	HOLDER_STAGE,
	HOLDER_PLAN,
	HOLDER_CAMPAIGN
} HolderSource;

/* Who has a benefit: each is enough. */
typedef struct BenefitHolder
{
	HolderSource source;
	char	   *name;
	int64		quantity;		/* -1: the benefit's own */
} BenefitHolder;

typedef struct Benefit
{
	int32		benefit_id;
	char	   *name;
	char	   *title;			/* or NULL */
	BenefitKind kind;
	bool		active;
	TimestampTz valid_from;
	TimestampTz valid_until;
	Recurrence	birthday;
	const char *calendar_name;	/* or NULL */
	const Calendar *calendar;
	NameList   *channels;		/* NULL: everywhere */
	int			percent_off;	/* thousandths of a percent; 0: by price_list */
	char	   *price_list;		/* or NULL */
	int			factor;			/* thousandths */
	const Unit *unit;			/* or NULL */
	int64		quantity;		/* quota: times; every_n: minor units of unit */
	int			valid_days;		/* 0: no end */
	int			gap_days;
	int			nholders;
	BenefitHolder *holders;
} Benefit;

/* A benefit that one member was given. */
typedef struct GivenBenefit
{
	int32		benefit_id;
	TimestampTz valid_from;
	TimestampTz valid_until;	/* DT_NOEND: no end */
	int64		quantity;		/* -1: the benefit's own */
} GivenBenefit;

/* All benefits of a programme, ascending by id.  units: those of it. */
extern Benefit *benefit_load(CollectionLoader *loader, const Unit *units,
							 int nunits, int *nbenefits);
/* What a member was given by hand and is not over at a time. */
extern GivenBenefit *benefit_given(int64 member_id, TimestampTz at,
								   bool read_only, int *ngiven);

/* What a price list says of a cart line. */
typedef struct ListPrice
{
	int			line;			/* from 0 */
	const char *list;
	int			exactness;		/* by sku 3, collection 2, category 1, brand 0 */
	Numeric		price;			/* or NULL: a percentage */
	int			percent_off;	/* thousandths of a percent */
} ListPrice;

/* Whose price is asked; category and brand may be NULL. */
typedef struct Priced
{
	const char *sku;
	const char *category;
	const char *brand;
} Priced;

/* All that lists say of these lines, which may be several rows of one list. */
extern ListPrice *benefit_prices(int32 program_id, const NameList *lists,
								 const Priced *lines, int nlines,
								 int *nprices);
extern const char *benefit_kind_name(BenefitKind kind);
extern const char *holder_source_name(HolderSource source);

#pragma GCC visibility pop

#endif							/* LOYALTY_BENEFIT_H */
