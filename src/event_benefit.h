/*
 * event_benefit.h
 *
 * What the verbs of benefits share.
 */
#ifndef LOYALTY_EVENT_BENEFIT_H
#define LOYALTY_EVENT_BENEFIT_H

#include "loyalty.h"

#include "call.h"

#pragma GCC visibility push(hidden)

/* Makes the benefit that an argument names the event of the call. */
extern bool event_benefit_name(Call *call, int arg);
/* Conditions of a chain; what they find is put into the last argument. */
extern bool event_benefit_find(Call *call, const Benefit **benefit);
extern bool event_benefit_entitled(Call *call, const Benefit *benefit,
								   Entitlement *entitlement);
extern bool event_benefit_open(Call *call, const Benefit *benefit);
extern bool event_benefit_mismatch(Call *call, const Benefit *benefit);

/* The row of a call that counts so many uses, vouchers or gifts. */
extern JournalRow *event_benefit_row(Call *call, int64 quantity);

/* Gives back whatever was used for an order; tells of it in the row, too. */
extern void event_benefit_return_order(Call *call, JournalRow *row,
									   const text *order);

#pragma GCC visibility pop

#endif							/* LOYALTY_EVENT_BENEFIT_H */
