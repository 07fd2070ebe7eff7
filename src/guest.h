/*
 * guest.h
 *
 * Orders of people who are not members.
 */
#ifndef LOYALTY_GUEST_H
#define LOYALTY_GUEST_H

#include "loyalty.h"

#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "rule_program.h"

#pragma GCC visibility push(hidden)

/* What is to be noted; a refund has a reference of its own. */
typedef struct GuestOrder
{
	text	   *ref;
	text	   *refund_ref;		/* NULL: the order itself */
	int64		amount;			/* minor units of the currency */
	TimestampTz at;
	text	   *channel;
	text	   *store;
	text	   *staff;
} GuestOrder;

/* Why it cannot be noted; *detail is set then. */
extern Refusal guest_check(const Program *program, const GuestOrder *order,
						   const char **detail);
/* Channel, store and staff, as data has them; NULL: has none. */
extern Refusal guest_read_data(Jsonb *data, GuestOrder *order,
							   const char **detail);
/* The order is there as it says, whatever was known of it. */
extern void guest_set(const Program *program, const GuestOrder *order);
/* It is not there any more; nothing if it was not. */
extern void guest_forget(const Program *program, text *ref);

#pragma GCC visibility pop

#endif							/* LOYALTY_GUEST_H */
