/*
 * account.h
 *
 * The hot row of a member, in memory.
 */
#ifndef LOYALTY_ACCOUNT_H
#define LOYALTY_ACCOUNT_H

#include "loyalty.h"

#include "segment.h"
#include "tier.h"
#include "wallet.h"

#pragma GCC visibility push(hidden)

typedef enum AccountStatus
{
	STATUS_ACTIVE,
	STATUS_FROZEN,
	STATUS_CLOSED,
	STATUS_MERGED
} AccountStatus;

/* DT_NOBEGIN stands for a time that has not been, DT_NOEND for none to come. */
typedef struct Account
{
	int64		member_id;
	int32		program_id;
	int64		salt;
	AccountStatus status;
	TimestampTz first_event_at;
	TimestampTz last_event_at;
	TimestampTz first_purchase_at;
	TimestampTz last_purchase_at;
	TimestampTz hold_until;		/* no later than the first open hold's end */
	DateADT		settled_on;
	DateADT		due_on;
	int32		purchases;
	int32		tier_id;		/* 0: none */
	DateADT		tier_since;		/* DATEVAL_NOBEGIN: not set */
	DateADT		tier_until;		/* DATEVAL_NOEND: no end */
	DateADT		tier_locked_until;	/* DATEVAL_NOBEGIN: not locked */
	TierState	tier_state;
	bool		tier_promoted;
	int			ntier_base;		/* pairs of unit and amount */
	int64	   *tier_base;		/* made anew when it changes */
	LotList		wallet;
	/* account_note_locked(): the version, and what it says; else NULL */
	ItemPointerData tid;
	const struct Account *locked;
} Account;

typedef enum AccountLock
{
	ACCOUNT_READ,				/* with a snapshot of its own */
	ACCOUNT_READ_STABLE,		/* with the caller's snapshot */
	ACCOUNT_LOCK
} AccountLock;

/*
 * Writes back what most calls change and nothing else, to the version that was
 * locked; part of the statement that stores a row of the journal, whose first
 * argument is the member.  If it finds no row, that version has been replaced.
 */
#define ACCOUNT_UPDATE_MOVED(tid, last_event_at, last_purchase_at, \
							 hold_until, settled_on, due_on, purchases, \
							 wallet) \
	"UPDATE loyalty.account SET last_event_at = " last_event_at "," \
	" last_purchase_at = " last_purchase_at ", hold_until = " hold_until "," \
	" settled_on = " settled_on ", due_on = " due_on "," \
	" purchases = " purchases ", wallet = " wallet \
	" WHERE member_id = $1 AND ctid = " tid
#define ACCOUNT_MOVED_TYPES \
	TIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, DATEOID, \
	DATEOID, INT4OID, WALLET_TYPE
#define ACCOUNT_MOVED_NARGS 8

extern void account_read(uint64 row, Account *account);
extern bool account_load(int64 member_id, AccountLock lock, Account *account);
extern void account_note_locked(Account *account, ItemPointer tid);
extern Account *account_lock_many(const Datum *member_ids, int n,
								  int *nfound);
extern IdList account_lock_ids(int32 program_id, const IdList *ids);
extern bool account_moved(const Account *account, NullableDatum *args);
extern void account_update(Account *account);
extern void account_update_many(const Account *const *accounts, int n);
extern void account_insert(const Account *account);
extern AccountStatus account_status(const char *name);
extern const char *account_status_name(AccountStatus status);
extern const char *account_tier_state_name(TierState state);

#pragma GCC visibility pop

#endif							/* LOYALTY_ACCOUNT_H */
