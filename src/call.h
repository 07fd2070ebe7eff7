/*
 * call.h
 *
 * What all verbs have in common.  A verb describes its arguments in a table
 * and is then a chain of conditions:
 *
 *		if (call_begin(...) && call_open(...) && ...)
 *			decide ...
 *		return call_close(...);
 *
 * Each condition returns false when the call has been refused or answered,
 * and call_close() returns the receipt, whichever way it went.  In mode 'do'
 * a refusal raises where it is found.
 */
#ifndef LOYALTY_CALL_H
#define LOYALTY_CALL_H

#include "loyalty.h"

#include "utils/jsonb.h"

#include "store.h"

#pragma GCC visibility push(hidden)

typedef enum CallMode
{
	MODE_DO,					/* a refusal raises */
	MODE_TRY,					/* a refusal comes back in the receipt */
	MODE_DRY					/* the same, and nothing is written at all */
} CallMode;

typedef enum ArgKind
{
	ARG_MEMBER,					/* bigint, the member the call is about */
	ARG_ID,						/* bigint */
	ARG_NUMERIC,
	ARG_TEXT,
	ARG_TEXTS,					/* text[], without NULL */
	ARG_JSONB,
	ARG_DATE,
	ARG_TIME,					/* timestamptz */
	ARG_INTERVAL,
	ARG_BOOLEAN,
	ARG_REF,					/* text, the reference that names the call */
	ARG_AT,
	ARG_KEY,
	ARG_MODE
} ArgKind;

#define VERB_MAX_ARGS 12

typedef struct VerbArg
{
	const char *name;
	ArgKind		kind;
	bool		required;		/* NULL is an error */
} VerbArg;

/* Which members a verb is for. */
typedef enum VerbFor
{
	FOR_OPEN,					/* active or frozen */
	FOR_ACTIVE,					/* spending */
	FOR_ANY						/* even closed ones */
} VerbFor;

typedef struct Call Call;

typedef struct Verb
{
	const char *name;
	const char *kind;
	const char *event;
	VerbFor		members;
	bool		needs_key;		/* a key or a ref */
	int			nargs;
	VerbArg		args[VERB_MAX_ARGS];
	/* answers a repeated call that has neither key nor ref; NULL: none does */
	bool		(*replays) (Call *call);
	int			hold_arg;		/* which names a hold; 0: none does */
} Verb;

struct Call
{
	const Verb *verb;
	FunctionCallInfo fcinfo;
	StoreBatch *batch;			/* to which it belongs, or NULL */
	CallMode	mode;
	Refusal		refusal;
	const char *detail;

	TimestampTz now;
	TimestampTz at;				/* when it happened; now if not given */
	bool		has_at;
	const char *event;			/* verb's, or the argument of record() */
	text	   *key;
	text	   *ref;
	int64		member_id;		/* 0: not known yet */

	Account		account;
	Account    *before;			/* as it was loaded, to judge by, or NULL */
	Decision	decision;
	bytea	   *request_hash;
	StoreSeen	seen;			/* when the account was locked */
	bool		ref_unchecked;	/* see call_replay() */
	JournalRow *row;			/* the row of the call itself */
	JournalRow *replay;			/* the row of the first time, if known */
	bool		nothing_new;	/* the answer stands already, store nothing */
	bool		finished;		/* call_finish() was there */
	/* what must be stored before the decision, NULL if nothing */
	void		(*store_first) (Call *call);
	/* takes back what was written already when the call is refused */
	void		(*undo) (Call *call);
};

extern bool call_begin(Call *call, FunctionCallInfo fcinfo, const Verb *verb);
extern bool call_begin_batch(Call *call, FunctionCallInfo fcinfo,
							 const Verb *verb, StoreBatch *batch);
extern bool call_open(Call *call);
extern bool call_open_loaded(Call *call);
extern bool call_check_member(Call *call);
extern bool call_replay(Call *call, const text *key, const text *ref);
extern bool call_is_request(const Call *call, const bytea *hash);
extern bool call_replay_same(Call *call, const text *ref);
extern void call_finish(Call *call);
extern Datum call_close(Call *call);
extern bool call_refuse(Call *call, Refusal refusal, const char *format,...)
			pg_attribute_printf(3, 4);

extern JournalRow *call_row(Call *call, TimestampTz effective_at);

/* Arguments, checked; false when the call is refused. */
extern bool call_has(const Call *call, int arg);
extern text *call_text(const Call *call, int arg);
extern ArrayType *call_texts(const Call *call, int arg);
extern bool call_reason(Call *call, int arg, bool required);
extern bool call_amount(Call *call, int arg, int scale, int64 *amount);
extern bool call_any_amount(Call *call, int arg, int scale, int64 *amount);
extern bool call_unit(Call *call, int arg, const Unit **unit);
extern bool call_spendable_unit(Call *call, int arg, const Unit **unit);
extern bool call_available(Call *call, const Unit *unit, int64 amount);
extern bool call_card_open(Call *call, Decision *decision,
						   const Unit *unit);
extern bool call_card_room(Call *call, Decision *decision,
						   const Unit *unit, int64 amount);
extern bool call_check_text(Call *call, const text *value, Refusal refusal,
							const char *what);
extern Jsonb *call_jsonb(const Call *call, int arg);
extern bool call_check_object(Call *call, Jsonb *json, const char *what);
extern bool call_data(Call *call, int data_arg, int items_arg);

#pragma GCC visibility pop

#endif							/* LOYALTY_CALL_H */
