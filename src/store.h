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

/* What was seen beside the account of a call when it was locked. */
typedef struct StoreSeen
{
	bool		key_is_new;		/* else it has to be looked up */
	Hold	   *hold;			/* NULL: it has to be looked up */
} StoreSeen;

extern bool store_load(int64 member_id, AccountLock lock, TimestampTz now,
					   Account *account, Decision *decision);
extern bool store_load_call(int64 member_id, const text *key, int64 hold_id,
							TimestampTz now, Account *account,
							Decision *decision, StoreSeen *seen);
extern void store_begin(Decision *decision, Account *account,
						AccountLock lock, TimestampTz now);
extern void store_load_holds(Decision *decision, AccountLock lock);
extern void store_load_periods(Decision *decision, bool read_only);
extern void store_load_own_tier(Decision *decision, bool read_only);
extern void store_number(Decision *decision);
extern bool store_claim(Decision *decision, bool dry);
extern void store_claim_budgets(Decision *decision, bool dry);
extern void store_look_at_budgets(Decision *decision);
extern void store_decision(Decision *decision);
extern void store_facts(Decision *decision);

/* store_row.c */
extern bool store_lock(int64 member_id, const text *key, int64 hold_id,
					   Account *account, StoreSeen *seen);
extern void store_last_row(Decision *decision);

/* store_topup.c */
extern void store_load_cards(Decision *decision, bool read_only);
extern void store_load_cards_of(Decision *decision, const LotList *lots,
								bool read_only);
extern int64 store_card_total(Decision *decision, int32 unit_id);

/* store_benefit.c */
extern void store_vouchers(Decision *decision, const Benefit *benefit);
extern void store_write_vouchers(const Decision *decision);
extern int64 store_voucher_id(bool dry);
extern void store_every_n(Decision *decision, JournalRow *row, bool dry);

/* needs: NEEDS_TAGS, NEEDS_SEGMENTS, NEEDS_PLANS, NEEDS_GIVEN. */
extern void store_holdings(int64 member_id, const Program *program,
						   TimestampTz at, int needs, bool read_only,
						   Holdings *held);

/* store_price.c */

/* What benefits make of the prices of some lines. */
typedef struct MemberPrices
{
	int			n;
	Entitlement *benefits;		/* of kind price, that count */
	int			nrows;
	const ListPrice *rows;		/* ascending by line */
	int			next;			/* the first that was not asked for yet */
} MemberPrices;

extern int	store_price_needs(const Program *program);
extern void store_prices(const Program *program, const Facts *facts,
						 TimestampTz at, const text *channel,
						 const CartLines *lines, MemberPrices *prices);
extern Numeric store_price(MemberPrices *prices, int line, Numeric price,
						   int scale, const Entitlement **by);

/* store_segment.c */

/* A segment that is made what its source says, and what came of it. */
typedef struct SegmentRefresh
{
	const char *name;
	const char *source;
	IdList		differing;
	int64		entered;
	int64		left;
	int64		ignored;		/* ids of nobody in the programme */
} SegmentRefresh;

extern void store_segments_refresh(int32 program_id, SegmentRefresh *segments,
								   int nsegments, const IdList *only);
extern bool store_segment_set(int32 program_id, const char *segment,
							  int64 member_id, bool in);
extern int64 store_segment_empty(int32 program_id, const char *segment);

extern StoreBatch *store_batch_begin(const Program *program,
									 const Datum *member_ids, int n);
extern StoreBatch *store_batch_of(const Program *program,
								  const Account *accounts, int n);
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
extern void store_batch_keep_last(StoreBatch *batch, Decision *decision);
extern void store_batch_flush(StoreBatch *batch);
extern void store_publish(const Decision *decision);
extern int32 store_tier_at(const Decision *decision, TimestampTz at,
						   bool read_only);

/*
 * store_automation.c: runs of automations that are to be started, and goals
 * that were reached.  Begin, add, flush; where nothing was added, no
 * statement is run.  What is added is kept in a context below the one that was
 * current at the beginning.
 */
typedef struct RunStarts
{
	const Program *program;
	TimestampTz now;
	MemoryContext parent;
	MemoryContext context;		/* NULL: nothing was added */
	StatementRows rows;
	bool		restarts;		/* some of them */
	StatementRows goals;
	uint64		nstarted;		/* written so far */
} RunStarts;

extern void store_runs_begin(RunStarts *starts, const Program *program,
							 TimestampTz now);
extern void store_runs_add(RunStarts *starts, const Automation *automation,
						   int64 member_id, const char *what, TimestampTz at,
						   int64 journal_id, Jsonb *trigger);
extern uint64 store_runs_flush(RunStarts *starts);
extern int64 store_runs_broadcast(const Program *program,
								  const Automation *automation,
								  Datum *member_ids, int n,
								  int64 broadcast_id, TimestampTz at,
								  Jsonb *trigger);
extern void store_listen(RunStarts *starts, const Decision *decision);
extern void store_hear_tag(int64 member_id, int32 program_id,
						   const char *tag, bool set, TimestampTz at);
extern void store_hear_segment(const IdList *members, int32 program_id,
							   const char *segment, bool entered,
							   TimestampTz at);

/*
 * store_tag.c: tags and segments that have a condition.
 *
 * store_judge() judges the member of a decision that was stored (and whose
 * account is locked), as of `at`; before: store_before(), from when the
 * account was loaded, or NULL.  store_judge_holdings() does so when his tags
 * or profile have changed.  Both do nothing, and run no statement, while the
 * programme has no condition.
 */
extern Account *store_before(const Decision *decision);
extern void store_judge(const Decision *decision, const Account *before,
						TimestampTz at);
extern void store_judge_holdings(const Decision *decision, TimestampTz at);
/* Lets the member be judged on a date instead, or earlier. */
extern void store_judge_by(const Decision *decision, DateADT due_on);
/* Loads what tells when he is due, beside person and days. */
extern void store_load_prospects(Decision *decision, bool read_only);
extern int	store_judge_again(Decision *decision, bool anew);

/* A portrait, and when it is to be judged. */
typedef struct StoredPortrait
{
	Portrait	portrait;
	DateADT		due_on;			/* DATEVAL_NOEND: time changes nothing */
	bool		is_judged;		/* by the conditions as they are now */
} StoredPortrait;

extern void store_portrait(const Decision *decision, StoredPortrait *stored,
						   bool read_only);
extern void store_days(const Decision *decision, Portrait *portrait,
					   DateADT on, bool read_only);
extern void store_days_counted(const Decision *decision, Portrait *portrait,
							   bool read_only);
extern void store_days_anew(const Datum *member_ids, int n, DateADT today);
extern uint64 store_days_compare(const Datum *member_ids, int n,
								 DateADT today);
extern int	store_judgement(const Decision *decision,
							const Portrait *portrait);
extern void store_tag(int64 member_id, int32 program_id, const HeldTag *tag);
extern void store_tag_history(int64 member_id, int32 program_id,
							  const char *tag, bool set, const char *source,
							  TimestampTz at);
extern void store_segment_history(int64 member_id, int32 program_id,
								  const char *segment, bool entered,
								  TimestampTz at);

/*
 * store_timed.c: automations that start on a date.
 *
 * Whoever looks at members because time has passed begins with
 * store_timed_begin(), calls store_timed_member() for each, when it is
 * settled and after decide_due(.., true), and store_timed_end() when the
 * accounts are stored.  A batch that is NULL does nothing.
 */
typedef struct TimedBatch TimedBatch;

extern TimedBatch *store_timed_begin(const Program *program,
									 const Datum *member_ids, int n,
									 TimestampTz now, bool read_only);
extern void store_timed_member(TimedBatch *batch, Decision *decision);
extern int64 store_timed_end(TimedBatch *batch);
/* When nothing else of the account changes: what decide_due() would do. */
extern void store_timed_lower(Decision *decision);
extern const Timed *store_timed_of(const TimedBatch *batch, int64 member_id);

#pragma GCC visibility pop

#endif							/* LOYALTY_STORE_H */
