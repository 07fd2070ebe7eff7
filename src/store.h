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
extern void store_begin(Decision *decision, Account *account,
						AccountLock lock, TimestampTz now);
extern void store_load_holds(Decision *decision, AccountLock lock);
extern void store_number(Decision *decision);
extern bool store_claim(Decision *decision, bool dry);
extern void store_claim_budgets(Decision *decision, bool dry);
extern void store_decision(Decision *decision);
extern void store_facts(const Decision *decision);

/* store_benefit.c */
extern void store_vouchers(Decision *decision, const Benefit *benefit);
extern void store_write_vouchers(const Decision *decision);
extern int64 store_voucher_id(bool dry);
extern void store_every_n(Decision *decision, JournalRow *row, bool dry);

/* needs: NEEDS_TAGS, NEEDS_SEGMENTS, NEEDS_BENEFITS. */
extern void store_holdings(int64 member_id, const Program *program,
						   TimestampTz at, int needs, bool read_only,
						   Holdings *held);

extern StoreBatch *store_batch_begin(const Program *program,
									 const Datum *member_ids, int n);
extern void store_batch_look_up(StoreBatch *batch,
								const JournalRequest *requests, int n);
extern bool store_batch_load(StoreBatch *batch, int64 member_id,
							 TimestampTz now, Account *account,
							 Decision *decision);
extern bool store_batch_match(const StoreBatch *batch, int64 member_id,
							  const text *key, const text *ref,
							  const char *kind, const char *event,
							  JournalMatch *match);
extern void store_batch_keep(StoreBatch *batch, Decision *decision);
extern void store_batch_flush(StoreBatch *batch);
extern void store_publish(const Decision *decision);
extern int32 store_tier_at(const Decision *decision, TimestampTz at,
						   bool read_only);

#pragma GCC visibility pop

#endif							/* LOYALTY_STORE_H */
