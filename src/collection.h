/*
 * collection.h
 *
 * Named sets of products and stores, and calendars, in memory.
 */
#ifndef LOYALTY_COLLECTION_H
#define LOYALTY_COLLECTION_H

#include "loyalty.h"

#include "nodes/pg_list.h"

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
 * Loads what a programme's rules and coupons name, each name once, into the
 * current context, which it lives and dies with.
 */
typedef struct CollectionLoader
{
	int32		program_id;
	List	   *collections;
	List	   *calendars;
} CollectionLoader;

/* NULL if there is no row of that name; NULL for NULL. */
extern const Collection *collection_load(CollectionLoader *loader,
										 const char *name);
extern const Calendar *calendar_load(CollectionLoader *loader,
									 const char *name);

/* Is a value (of a length, not terminated) of this kind in the collection? */
extern bool collection_has(const Collection *collection, CollectionKind kind,
						   const char *value, int length);
extern bool calendar_has(const Calendar *calendar, DateADT day);

#pragma GCC visibility pop

#endif							/* LOYALTY_COLLECTION_H */
