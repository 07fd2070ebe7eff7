/*
 * attach.h
 *
 * Orders of the shop's own table: which column is what, and the books brought
 * in line with one row.
 */
#ifndef LOYALTY_ATTACH_H
#define LOYALTY_ATTACH_H

#include "loyalty.h"

#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"

#include "ingest.h"
#include "rule_program.h"

#pragma GCC visibility push(hidden)

/* What a column of the source may be used for. */
typedef enum SourceField
{
	FIELD_MEMBER,
	FIELD_AMOUNT,
	FIELD_REF,
	FIELD_AT,
	FIELD_PAID,
	FIELD_ITEMS,
	FIELD_CHANNEL,
	FIELD_STORE,
	FIELD_DATA,
	FIELD_COUNT
} SourceField;

/* An attached table, as the arguments of its triggers describe it. */
typedef struct Source
{
	const char *name;			/* in rejects, and in data.source of events */
	const char *program_name;
	const char *event;
	const char *identity;		/* kind; NULL: the column has member ids */
	bool		enroll;			/* an unknown identity becomes a member */
	bool		follow_update;	/* changes of paid orders count */
	bool		raise;			/* a refusal stops the shop's statement */
	bool		guests;			/* orders without a member are noted */
	int			npaid_values;
	const char **paid_values;
	const char *columns[FIELD_COUNT];	/* NULL: none */

	/* bound to a table */
	AttrNumber	attnums[FIELD_COUNT];
	Oid			types[FIELD_COUNT]; /* domains are looked through */

	const Program *program;
} Source;

/* In the order in which they are done. */
typedef enum OrderAction
{
	ORDER_GONE,					/* not paid, or not there, any more */
	ORDER_EARN,					/* paid for the first time, as far as we see */
	ORDER_SET					/* paid before, and changed */
} OrderAction;

typedef struct SourceOrder
{
	OrderAction action;
	int64		member_id;		/* 0: to be enrolled with the identity, if any */
	char	   *identity;
	text	   *ref;			/* NULL: none */
	bool		has_at;
	TimestampTz at;
	Numeric		amount;			/* NULL: none */
	Jsonb	   *items;
	Jsonb	   *data;
	bool		moved;			/* from another member or reference */
	bool		new_items;		/* the items are others than before */
} SourceOrder;

/* attach_source.c */
extern void source_parse(Source *source, int nargs, char **args);
extern void source_bind(Source *source, Relation relation);
extern Source *source_of(Oid relation_oid);
extern bool source_program(Source *source);
extern bool source_is_paid(const Source *source, TupleTableSlot *slot);
extern bool source_read(const Source *source, TupleTableSlot *slot,
						SourceOrder *order);
extern bool source_same_key(const Source *source, TupleTableSlot *a,
							TupleTableSlot *b);
extern bool source_same_field(const Source *source, SourceField field,
							  TupleTableSlot *a, TupleTableSlot *b);
extern Jsonb *source_data(const Source *source, Jsonb *data,
						  const char *channel, const char *store);

/* attach_order.c */
extern void order_book(const Source *source, const SourceOrder *order,
					   IngestRow *row);
extern void order_row(const Source *source, const SourceOrder *order,
					  IngestRow *row);
extern bool order_row_known(const IngestRow *row);

#pragma GCC visibility pop

#endif							/* LOYALTY_ATTACH_H */
