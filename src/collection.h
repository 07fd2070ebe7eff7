/*
 * collection.h
 *
 * Named sets of products and stores, and calendars, in memory.
 */
#ifndef LOYALTY_COLLECTION_H
#define LOYALTY_COLLECTION_H

#include "loyalty.h"

#include "statement.h"

#pragma GCC visibility push(hidden)

typedef enum CollectionKind
{
	COLLECTION_SKU,
	COLLECTION_CATEGORY,
	COLLECTION_BRAND,
	COLLECTION_STORE
} CollectionKind;

typedef struct Collection Collection;
typedef struct Calendar Calendar;

/*
 * Into the current context, which they live and die with.  NULL if there is
 * no row of that name.
 */
extern const Collection *collection_load(int32 program_id, const char *name);
extern const Calendar *calendar_load(int32 program_id, const char *name);

/* Is a value (of a length, not terminated) of this kind in the collection? */
extern bool collection_has(const Collection *collection, CollectionKind kind,
						   const char *value, int length);
extern bool calendar_has(const Calendar *calendar, DateADT day);

#pragma GCC visibility pop

#endif							/* LOYALTY_COLLECTION_H */
