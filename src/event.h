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

extern bool event_apply(Call *call, int amount_arg, int items_arg,
						int data_arg);
extern bool items_parse(Call *call, const Jsonb *json, CartLines *list);
extern int64 *items_nets(const CartLines *list, int64 amount);
extern bool item_quantity(Call *call, const JsonbValue *value, int line,
						  int64 *qty);
extern JsonbValue *item_field(const JsonbValue *item, const char *name,
							  JsonbValue *buffer);

#pragma GCC visibility pop

#endif							/* LOYALTY_EVENT_H */
