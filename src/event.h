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

/* The arguments of record() and purchase(), for an event of a batch. */
typedef struct EventInput
{
	NullableDatum member_id;
	NullableDatum event;		/* NULL: purchase */
	NullableDatum amount;
	NullableDatum ref;
	NullableDatum items;
	NullableDatum data;
	NullableDatum at;
	NullableDatum key;
} EventInput;

extern Facts *event_facts(Decision *decision, const JournalRow *row,
						  const CartLines *lines, Jsonb *items, Jsonb *data,
						  bool read_only);
extern Facts *event_facts_needed(Decision *decision, const JournalRow *row,
								 const CartLines *lines, Jsonb *items,
								 Jsonb *data, int needs, bool read_only);
extern void event_facts_person(Decision *decision, Facts *facts,
							   TimestampTz joined_at, const Jsonb *profile);
extern void event_facts_member(const Decision *decision, Facts *facts,
							   bool read_only);
/* What a call came to that was made for a row of a batch. */
typedef struct EventOutcome
{
	Refusal		refusal;		/* REFUSAL_NONE: done, or replayed */
	const char *detail;
	bool		replayed;
	int64		member_id;
	int64		journal_id;		/* 0: there was nothing new */
} EventOutcome;

extern EventOutcome event_outcome(const Call *call);
extern EventOutcome event_end(Call *call);
extern EventOutcome event_enroll(NullableDatum program,
								 NullableDatum identities, NullableDatum at);
extern EventOutcome event_import(NullableDatum program,
								 NullableDatum identities,
								 NullableDatum profile, NullableDatum state,
								 NullableDatum at);
extern bool event_is_purchase(const EventInput *input);
extern EventOutcome event_run(StoreBatch *batch, const EventInput *input);

extern void event_facts_member(const Decision *decision, Facts *facts,
							   bool read_only);
/* The tier at a time; NULL: none.  What is due is settled in the decision. */
extern const Tier *event_tier_at(Decision *decision, TimestampTz at);
extern void event_tier_lowered(Call *call, JournalRow *row);
extern void event_facts_document(const Decision *decision, Facts *facts);
extern bool event_judge(Call *call, JournalRow *row, Facts *facts);
extern bool event_apply(Call *call, int amount_arg, int items_arg,
						int data_arg);
/* The row of an event as it came to, where it is not the posted one. */
typedef const JournalRow *(*EventRow) (void *context, int64 journal_id);
extern void event_refund_again(Call *call, JournalRow *row, int64 journal_id,
							   Jsonb *data, EventRow event_row,
							   void *context);
extern bool event_hold_end(Call *call, const Interval *ttl,
						   TimestampTz *end);
extern bool items_parse(Call *call, const Jsonb *json, CartLines *list);
extern bool item_quantity(Call *call, const JsonbValue *item, int line,
						  int64 *qty);
extern bool item_gross(Numeric price, int64 qty, int scale, int64 *gross);
extern JsonbValue *item_field(const JsonbValue *item, const char *name,
							  JsonbValue *buffer);

/* event_spend.c: the lot of what is given by hand, with dates of arguments. */
extern bool event_lot(Call *call, const Unit *unit, int vests_arg,
					  int expires_arg, Lot *lot);

/* event_spend.c: the other side of a transfer. */
typedef struct Receiver
{
	int64		member_id;
	Account		account;
	Decision	decision;
	Account    *before;			/* as it was loaded, to judge by, or NULL */
} Receiver;

extern bool event_open_both(Call *call, int to_arg, Receiver *receiver);
extern void event_receive(Call *call, Receiver *receiver, JournalRow *row);

#pragma GCC visibility pop

#endif							/* LOYALTY_EVENT_H */
