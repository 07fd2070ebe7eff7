/*
 * event.h
 *
 * What the verbs of events share.
 */
#ifndef LOYALTY_EVENT_H
#define LOYALTY_EVENT_H

#include "loyalty.h"

#include "call.h"

#pragma GCC visibility push(hidden)

#define MAX_CART_LINES 5000

extern Facts *event_facts(Decision *decision, const JournalRow *row,
						  const CartLines *lines, Jsonb *items, Jsonb *data,
						  bool read_only);
extern void event_facts_person(Decision *decision, Facts *facts,
							   TimestampTz joined_at, const Jsonb *profile);
extern void event_facts_document(const Decision *decision, Facts *facts);
extern bool event_judge(Call *call, JournalRow *row, Facts *facts);
extern bool event_apply(Call *call, int amount_arg, int items_arg,
						int data_arg);
/* The row of an event as it came to, where it is not the posted one. */
typedef const JournalRow *(*EventRow) (void *context, int64 journal_id);
extern void event_refund_again(Call *call, JournalRow *row, int64 journal_id,
							   EventRow event_row, void *context);
extern bool items_parse(Call *call, const Jsonb *json, CartLines *list);
extern bool item_quantity(Call *call, const JsonbValue *value, int line,
						  int64 *qty);
extern JsonbValue *item_field(const JsonbValue *item, const char *name,
							  JsonbValue *buffer);

#pragma GCC visibility pop

#endif							/* LOYALTY_EVENT_H */
