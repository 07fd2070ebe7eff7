/*
 * store.h
 *
 * Where decisions meet tables: loads what a decision needs, and writes what
 * it decided.
 */
#ifndef LOYALTY_STORE_H
#define LOYALTY_STORE_H

#include "loyalty.h"

#include "decide.h"

#pragma GCC visibility push(hidden)

extern bool store_load(int64 member_id, AccountLock lock, TimestampTz now,
					   Account *account, Decision *decision);
extern void store_load_holds(Decision *decision, AccountLock lock);
extern void store_number(Decision *decision);
extern bool store_claim(Decision *decision, bool dry);
extern void store_claim_budgets(Decision *decision, bool dry);
extern void store_decision(Decision *decision);

#pragma GCC visibility pop

#endif							/* LOYALTY_STORE_H */
