/*
 * journal.h
 *
 * Journal rows and their entries: decided in memory, written once, read back
 * for a replay; and the receipt, which both make in the same way.
 */
#ifndef LOYALTY_JOURNAL_H
#define LOYALTY_JOURNAL_H

#include "loyalty.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "account.h"
#include "rule_program.h"
#include "statement.h"
#include "wallet.h"

#pragma GCC visibility push(hidden)

/* One entry: lot.amount is signed. */
typedef struct Posting
{
	Lot			lot;
	int64		balance_after;
	int32		rule_id;		/* 0: none */
} Posting;

typedef struct JournalRow
{
	int64		member_id;
	int64		journal_id;		/* 0: not stored */
	const char *kind;
	const char *event;			/* NULL unless kind is event */
	TimestampTz effective_at;
	bool		has_amount;
	int64		amount;
	int64		hold_id;		/* 0: none */
	int64		other_member_id;	/* 0: none */
	int32		unit_id;		/* 0: none */
	text	   *key;
	text	   *ref;
	text	   *reverses;
	text	   *channel;
	text	   *store;
	text	   *staff;
	text	   *reason;
	bytea	   *request_hash;
	int32		tier_before;	/* 0: none */
	int32		tier_after;
	int			nchanges;
	TierChange *changes;		/* of the tier, brought about by this row */
	bool		takes_all;		/* refund: nothing is left of the order */
	StringInfo	messages;		/* elements of a json array, or NULL */
	Jsonb	   *outcome;		/* the same, as stored */
	Jsonb	   *data;			/* goes to event_data: items, data */
	Jsonb	   *awards;			/* the same: verdicts of the rules */
	bool		awarded_plainly;	/* the postings tell the verdicts */
	int			npostings;
	int			capacity;
	Posting    *postings;
} JournalRow;

/* What a row tells of a benefit. */
typedef struct BenefitNews
{
	const char *code;
	const char *benefit;
	int64		voucher_id;		/* 0: of none */
	int64		quantity;		/* 0: not told */
	bool		has_left;
	int64		left;
	DateADT		until;			/* DATEVAL_NOEND: not told */
} BenefitNews;

/* What is already known of a request. */
typedef struct JournalMatch
{
	bool		by_key;			/* else by kind and ref */
	int64		journal_id;
	bytea	   *request_hash;	/* NULL: none */
} JournalMatch;

/* A request of a verb for events, and what is known of it. */
typedef struct JournalRequest
{
	int64		member_id;
	const text *key;			/* or NULL */
	const text *ref;			/* or NULL */
	const char *kind;
	const char *event;			/* NULL unless kind is event */
	int64		journal_id;		/* 0: not known */
	bytea	   *request_hash;
} JournalRequest;

/* Rows, their entries and data, in the form in which they are stored. */
typedef struct JournalBatch
{
	StatementRows rows;
	StatementRows entries;
	StatementRows data;
	StatementRows changes;		/* of the tier, which were not written yet */
} JournalBatch;

/*
 * The text of statements that store a row and what belongs to it, each of them
 * by itself (journal.c) or all together (store_row.c).
 */
#define JOURNAL_INSERT_ROW \
	"INSERT INTO loyalty.journal (member_id, journal_id, effective_at," \
	" recorded_at, amount, hold_id, other_member_id, program_id, unit_id," \
	" kind, event, key, ref, reverses, channel, store, staff, actor, reason," \
	" request_hash, outcome, tier_before, tier_after, awarded_plainly)" \
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14," \
	" $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)"
#define JOURNAL_ROW_TYPES \
	INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID, \
	INT8OID, INT4OID, INT4OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, \
	TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, BYTEAOID, JSONBOID, \
	INT4OID, INT4OID, BOOLOID
#define JOURNAL_ROW_NARGS 24

#define JOURNAL_INSERT_ENTRY \
	"INSERT INTO loyalty.entry (member_id, journal_id, amount," \
	" balance_after, program_id, unit_id, vests_on, expires_on, rule_id," \
	" line, origin)"
/* in the order of the table's columns, which JOURNAL_INSERT_ENTRIES relies on */
#define JOURNAL_ENTRY_TYPES \
	INT8OID, INT8OID, INT8OID, INT8OID, INT4OID, INT4OID, DATEOID, DATEOID, \
	INT4OID, INT2OID, CHAROID
#define JOURNAL_ENTRY_NARGS 11
#define JOURNAL_INSERT_ENTRIES "INSERT INTO loyalty.entry SELECT * FROM unnest"

#define JOURNAL_INSERT_DATA(member_id, journal_id, program_id, data) \
	"INSERT INTO loyalty.event_data (member_id, journal_id, program_id, data)" \
	" VALUES (" member_id ", " journal_id ", " program_id ", " data ")"

/* Which text and arguments the entries of a row take: none, one or an array. */
typedef enum JournalEntries
{
	ENTRIES_NONE,
	ENTRIES_ONE,
	ENTRIES_MANY,
	ENTRIES_COUNTS
} JournalEntries;

extern JournalRow *journal_row_make(int64 member_id, const char *kind,
									TimestampTz effective_at);
extern Posting *journal_row_post(JournalRow *row, const Lot *lot);
extern TierChange *journal_row_change(JournalRow *row, TierAction action);
extern void journal_row_message(JournalRow *row, const char *code,
								const Unit *unit, int64 amount);
extern StringInfo journal_row_begin_message(JournalRow *row,
											const char *code);
extern void journal_row_benefit(JournalRow *row, const BenefitNews *news);
extern void journal_row_tell_too(JournalRow *row, const JournalRow *other);
extern void journal_row_show_before(JournalRow *row, JournalRow *const *others,
									int n);

extern bool journal_match(int64 member_id, const text *key, const text *ref,
						  const char *kind, const char *event,
						  JournalMatch *match);
extern List *journal_known(const JournalRequest *requests, int n);
extern JournalRow *journal_read(int64 member_id, int64 journal_id);
extern JournalRow **journal_read_payments(int64 member_id, const text *ref,
										  int *n);
extern void journal_row_args(const JournalRow *row, const Program *program,
							 NullableDatum *args);
extern JournalEntries journal_entry_args(const JournalRow *row,
										 const Program *program,
										 NullableDatum *args);
extern void journal_make_outcome(JournalRow *row);
extern Jsonb *journal_event_data(const JournalRow *row);
extern void journal_insert(JournalRow *row, const Program *program);
extern void journal_insert_changes(const JournalRow *row,
								   const Program *program);
extern void journal_batch_begin(JournalBatch *batch);
extern void journal_batch_add(JournalBatch *batch, JournalRow *row,
							  const Program *program);
extern void journal_batch_add_changes(JournalBatch *batch,
									  const JournalRow *row,
									  const Program *program);
extern void journal_batch_store(JournalBatch *batch);
extern bool journal_ref_taken(const JournalRow *row, const Program *program);
extern bool journal_claim_ref(const JournalRow *row, const Program *program);

extern Datum journal_receipt(JournalRow *row, const Program *program,
							 const char *status, bool replayed);
extern Datum journal_refusal_receipt(int64 member_id, Refusal refusal,
									 const char *detail);

#pragma GCC visibility pop

#endif							/* LOYALTY_JOURNAL_H */
