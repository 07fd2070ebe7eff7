/*
 * collection.c
 *
 * Named sets of products and stores in a hash table, calendars as a sorted
 * array: what a rule asks of them costs the same however long they are.
 */
#include "collection.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"

static Statement select_items = {
	"SELECT i.kind, i.value FROM loyalty.collection c"
	" LEFT JOIN loyalty.collection_item i"
	" ON i.program_id = c.program_id AND i.collection = c.name"
	" WHERE c.program_id = $1 AND c.name = $2",
	2, {INT4OID, TEXTOID}
};

static Statement select_days = {
	"SELECT day FROM loyalty.calendar_day"
	" WHERE program_id = $1 AND calendar = $2 ORDER BY day",
	2, {INT4OID, TEXTOID}
};

typedef struct ItemKey
{
	CollectionKind kind;
	int			length;
	const char *value;
} ItemKey;

typedef struct SetItem
{
	ItemKey		key;
	uint32		hash;
	char		status;
} SetItem;

static inline uint32
hash_item(ItemKey key)
{
	return hash_combine(key.kind,
						hash_bytes((const unsigned char *) key.value,
								   key.length));
}

static inline bool
items_equal(ItemKey a, ItemKey b)
{
	return a.kind == b.kind && a.length == b.length &&
		memcmp(a.value, b.value, a.length) == 0;
}

#define SH_PREFIX items
#define SH_ELEMENT_TYPE SetItem
#define SH_KEY_TYPE ItemKey
#define SH_KEY key
#define SH_HASH_KEY(table, key) hash_item(key)
#define SH_EQUAL(table, a, b) items_equal(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(table, item) ((item)->hash)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct Collection
{
	const char *name;
	bool		exists;
	items_hash *items;
};

struct Calendar
{
	const char *name;
	int			n;
	DateADT    *days;			/* ascending */
};

static const char *const kind_names[] = {
	[COLLECTION_SKU] = "sku",
	[COLLECTION_CATEGORY] = "category",
	[COLLECTION_BRAND] = "brand",
	[COLLECTION_STORE] = "store"
};

static CollectionKind
parse_kind(const char *name)
{
	for (int i = 0; i < lengthof(kind_names); i++)
		if (strcmp(kind_names[i], name) == 0)
			return i;
	elog(ERROR, "unknown kind of collection item \"%s\"", name);
}

static void
add_item(Collection *collection, uint64 row)
{
	const char *value = statement_text(row, 2);
	ItemKey		key;
	bool		found;

	/* the one row of a collection without items */
	if (value == NULL)
		return;
	key.kind = parse_kind(statement_text(row, 1));
	key.length = strlen(value);
	key.value = value;
	items_insert(collection->items, key, &found);
}

static Collection *
read_collection(int32 program_id, const char *name)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program_id)),
		ARG(CStringGetTextDatum(name))
	};
	uint64		n = statement_run(&select_items, args, true);
	Collection *collection = palloc(sizeof(Collection));

	collection->name = name;
	collection->exists = n > 0;
	collection->items = items_create(CurrentMemoryContext, n, NULL);
	for (uint64 row = 0; row < n; row++)
	{
		CHECK_FOR_INTERRUPTS();
		add_item(collection, row);
	}
	return collection;
}

const Collection *
collection_load(CollectionLoader *loader, const char *name)
{
	Collection *collection = NULL;
	ListCell   *cell;

	if (name == NULL)
		return NULL;
	foreach(cell, loader->collections)
	{
		collection = lfirst(cell);
		if (strcmp(collection->name, name) == 0)
			return collection->exists ? collection : NULL;
	}
	collection = read_collection(loader->program_id, name);
	loader->collections = lappend(loader->collections, collection);
	return collection->exists ? collection : NULL;
}

bool
collection_has(const Collection *collection, CollectionKind kind,
			   const char *value, int length)
{
	ItemKey		key = {kind, length, value};

	return items_lookup(collection->items, key) != NULL;
}

static Calendar *
read_calendar(int32 program_id, const char *name)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program_id)),
		ARG(CStringGetTextDatum(name))
	};
	int			n = statement_run(&select_days, args, true);
	Calendar   *calendar = palloc(sizeof(Calendar));

	calendar->name = name;
	calendar->n = n;
	calendar->days = palloc(sizeof(DateADT) * Max(n, 1));
	for (int i = 0; i < n; i++)
		calendar->days[i] = DatumGetDateADT(statement_notnull(i, 1));
	return calendar;
}

const Calendar *
calendar_load(CollectionLoader *loader, const char *name)
{
	Calendar   *calendar;
	ListCell   *cell;

	if (name == NULL)
		return NULL;
	foreach(cell, loader->calendars)
	{
		calendar = lfirst(cell);
		if (strcmp(calendar->name, name) == 0)
			return calendar->n > 0 ? calendar : NULL;
	}
	calendar = read_calendar(loader->program_id, name);
	loader->calendars = lappend(loader->calendars, calendar);
	return calendar->n > 0 ? calendar : NULL;
}

static int
compare_days(const void *a, const void *b)
{
	DateADT		x = *(const DateADT *) a;
	DateADT		y = *(const DateADT *) b;

	return (x > y) - (x < y);
}

bool
calendar_has(const Calendar *calendar, DateADT day)
{
	return bsearch(&day, calendar->days, calendar->n, sizeof(DateADT),
				   compare_days) != NULL;
}
