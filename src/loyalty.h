/*
 * loyalty.h
 *
 * What every source file shares, and the rules that belong to no single one.
 *
 * Locks.  Every change of a member starts by locking the member's account row
 * (FOR NO KEY UPDATE), so all changes of one member are serial.  A call that
 * needs two accounts locks them in ascending order of member_id; identities
 * come after accounts.  The locking statement reads account only: whatever
 * else a call has to know is read by later statements, because a joined row
 * would come from the snapshot before the wait.
 *
 * Time.  loyalty_clock() is the one clock.  A date is the programme's local
 * date.  What is vested, lapsed or timed out follows from the clock and the
 * wallet, never from whether housekeeping has run.
 *
 * Amounts.  int64 in minor units; every sum and product is checked for
 * overflow; shares are rounded down, and the whole takes the whole.
 *
 * Idempotency.  A call is first looked up by its key, or by kind and ref, and
 * replayed before anything about it can be refused.
 *
 * Memory.  Everything is allocated in the caller's context, except the
 * compiled programmes (rule_program.c), which live until they are replaced.
 */
#ifndef LOYALTY_H
#define LOYALTY_H

#include "postgres.h"

#include "access/htup.h"
#include "fmgr.h"
#include "utils/date.h"
#include "utils/timestamp.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "errors.h"

/* The macro of PostgreSQL 18, which stands before a declaration. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

/* Only SQL-callable functions leave the library; everything else is hidden. */
#pragma GCC visibility push(hidden)

/* The name in the receipt, the SQLSTATE and the message of a refusal. */
typedef struct RefusalText
{
	const char *code;
	const char *reason;
	const char *message;
} RefusalText;

extern const RefusalText *refusal_text(Refusal refusal);
extern int	refusal_sqlstate(Refusal refusal);
extern Refusal refusal_of(int sqlstate);
pg_noreturn extern void refusal_raise(Refusal refusal, const char *detail);
extern const char *clipped(const char *text);
extern void require_argument(FunctionCallInfo fcinfo, int arg,
							 const char *name);

/*
 * A name of lower case letters, digits, underscores and the characters in
 * also; 22023 if it is none, 22004 if it is NULL.
 */
extern char *name_argument(FunctionCallInfo fcinfo, int arg, const char *what,
						   const char *also);

/* Types of the extension; their oids change when it is created anew. */
typedef struct LoyaltyTypes
{
	Oid			wallet;
	Oid			entry;			/* a row of the table */
	Oid			entry_array;
	Oid			posting;
	Oid			posting_array;
	Oid			receipt;
} LoyaltyTypes;

extern const LoyaltyTypes *loyalty_types(void);

extern HeapTuple trigger_row(FunctionCallInfo fcinfo);

extern void loyalty_check_version(void);
extern TimestampTz loyalty_clock(void);
extern bool loyalty_clock_is_moved(void);
extern int64 loyalty_new_id(void);

#pragma GCC visibility pop

#endif							/* LOYALTY_H */
