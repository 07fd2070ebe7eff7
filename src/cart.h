/*
 * cart.h
 *
 * How carts of a programme are priced, compiled.
 */
#ifndef LOYALTY_CART_H
#define LOYALTY_CART_H

#include "loyalty.h"

#include "utils/timestamp.h"

#include "unit.h"

#pragma GCC visibility push(hidden)

typedef struct CartUnit
{
	int32		unit_id;
	int64		minimum;		/* minor units of the unit */
	int64		step;			/* 0: any */
	int			max_share;		/* thousandths of a percent */
} CartUnit;

typedef struct CartPolicy
{
	bool		on_initial;		/* else on what is left */
	int			max_coupons;	/* 0: no limit */
	int64		min_payable;	/* minor units of the currency */
	int			search_limit;
	Interval	reserve_ttl;
	int			max_attempts;	/* wrong codes of a member, of a device */
	int			max_store_attempts;
	Interval	attempt_window;
	Interval	attempt_block;
	int			nunits;
	CartUnit   *units;			/* ascending unit_id */
} CartPolicy;

/* What a unit is worth from a date on: units = money, in minor units. */
typedef struct UnitAnchor
{
	DateADT		valid_from;
	int64		units;
	int64		money;
} UnitAnchor;

extern void cart_load(int32 program_id, int currency_scale,
					  const Unit *units, int nunits, CartPolicy *policy);
extern bool cart_anchor(int32 unit_id, DateADT on, bool read_only,
						UnitAnchor *anchor);

#pragma GCC visibility pop

#endif							/* LOYALTY_CART_H */
