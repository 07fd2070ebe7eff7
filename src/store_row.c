/*
 * store_row.c
 *
 * The two statements that most calls are made of: one locks the account and
 * looks at what else the call has to know, one stores a row of the journal
 * with all that belongs to it and the account.  What statements cost is
 * starting the executor, so there are few of them.
 */
#include "store.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "statement.h"

#define LOCK_COLUMNS \
	"SELECT a, a.ctid, a.xmin, EXISTS (SELECT FROM loyalty.journal j" \
	" WHERE j.member_id = $1 AND j.key = $2)"

static Statement lock_account = {
	LOCK_COLUMNS
	" FROM loyalty.account a WHERE a.member_id = $1"
	" FOR NO KEY UPDATE OF a",
	2, {INT8OID, TEXTOID}
};

static Statement lock_account_of_hold = {
	LOCK_COLUMNS ", " HOLD_COLUMNS("h.")
	" FROM loyalty.account a LEFT JOIN loyalty.hold h"
	" ON h.member_id = a.member_id AND h.hold_id = $3"
	" WHERE a.member_id = $1"
	" FOR NO KEY UPDATE OF a",
	3, {INT8OID, TEXTOID, INT8OID}
};

enum lock_column
{
	LOCK_ACCOUNT = 1,
	LOCK_CTID,
	LOCK_XMIN,
	LOCK_KEY_IS_KNOWN,
	LOCK_HOLD
};

/*
 * By the entries of the row, and by what else is stored with it.  Arguments:
 * those of the row, of the account, of the entries, of what else there is.
 */
typedef enum StoreAlso
{
	ALSO_NOTHING,
	ALSO_DATA,
	ALSO_NEW_HOLD,
	ALSO_ENDED_HOLD,
	ALSO_COUNTS
} StoreAlso;

#define WITH_ROW "WITH j AS (" JOURNAL_INSERT_ROW ")"
#define AND_ACCOUNT \
	" " ACCOUNT_UPDATE_MOVED("$25", "$26", "$27", "$28", "$29", "$30", \
							 "$31", "$32")
#define FIXED_TYPES JOURNAL_ROW_TYPES, ACCOUNT_MOVED_TYPES
#define FIXED_NARGS (JOURNAL_ROW_NARGS + ACCOUNT_MOVED_NARGS)

#define WITH_ENTRY \
	", e AS (" JOURNAL_INSERT_ENTRY " VALUES ($33, $34, $35, $36, $37, $38," \
	" $39, $40, $41, $42, $43))"
#define WITH_ENTRIES ", e AS (" JOURNAL_INSERT_ENTRIES " ($33))"

#define WITH_DATA(data) \
	", d AS (" JOURNAL_INSERT_DATA("$1", "$2", "$8", data) ")"
/* of the row's amount and unit; its id is the row's */
#define WITH_NEW_HOLD(expires_at, ref, lots, of_order) \
	", h AS (" HOLD_INSERT("$1", "$2", "$5", "$8", "$9", expires_at, ref, \
						   lots, of_order) ")"
#define WITH_ENDED_HOLD(status, captured) \
	", h AS (" HOLD_UPDATE("$1", "$6", status, captured) ")"

#define STORE(with, nargs, ...) \
	{WITH_ROW with AND_ACCOUNT, FIXED_NARGS + (nargs), \
	{FIXED_TYPES, __VA_ARGS__}}

static Statement store_row[ENTRIES_COUNTS][ALSO_COUNTS] = {
	[ENTRIES_NONE] = {
		[ALSO_NOTHING] = {WITH_ROW AND_ACCOUNT, FIXED_NARGS, {FIXED_TYPES}},
		[ALSO_DATA] = STORE(WITH_DATA("$33"), 1, JSONBOID),
		[ALSO_NEW_HOLD] = STORE(WITH_NEW_HOLD("$33", "$34", "$35", "$36"),
								HOLD_INSERT_NARGS, HOLD_INSERT_TYPES),
		[ALSO_ENDED_HOLD] = STORE(WITH_ENDED_HOLD("$33", "$34"),
								  HOLD_UPDATE_NARGS, HOLD_UPDATE_TYPES)
	},
	[ENTRIES_ONE] = {
		[ALSO_NOTHING] = STORE(WITH_ENTRY, JOURNAL_ENTRY_NARGS,
							   JOURNAL_ENTRY_TYPES),
		[ALSO_DATA] = STORE(WITH_ENTRY WITH_DATA("$44"),
							JOURNAL_ENTRY_NARGS + 1,
							JOURNAL_ENTRY_TYPES, JSONBOID),
		[ALSO_NEW_HOLD] = STORE(WITH_ENTRY
								WITH_NEW_HOLD("$44", "$45", "$46", "$47"),
								JOURNAL_ENTRY_NARGS + HOLD_INSERT_NARGS,
								JOURNAL_ENTRY_TYPES, HOLD_INSERT_TYPES),
		[ALSO_ENDED_HOLD] = STORE(WITH_ENTRY WITH_ENDED_HOLD("$44", "$45"),
								  JOURNAL_ENTRY_NARGS + HOLD_UPDATE_NARGS,
								  JOURNAL_ENTRY_TYPES, HOLD_UPDATE_TYPES)
	},
	[ENTRIES_MANY] = {
		[ALSO_NOTHING] = STORE(WITH_ENTRIES, 1, ENTRIES_TYPE),
		[ALSO_DATA] = STORE(WITH_ENTRIES WITH_DATA("$34"), 2,
							ENTRIES_TYPE, JSONBOID),
		[ALSO_NEW_HOLD] = STORE(WITH_ENTRIES
								WITH_NEW_HOLD("$34", "$35", "$36", "$37"),
								1 + HOLD_INSERT_NARGS,
								ENTRIES_TYPE, HOLD_INSERT_TYPES),
		[ALSO_ENDED_HOLD] = STORE(WITH_ENTRIES WITH_ENDED_HOLD("$34", "$35"),
								  1 + HOLD_UPDATE_NARGS,
								  ENTRIES_TYPE, HOLD_UPDATE_TYPES)
	}
};

static const int entry_nargs[ENTRIES_COUNTS] = {
	[ENTRIES_NONE] = 0,
	[ENTRIES_ONE] = JOURNAL_ENTRY_NARGS,
	[ENTRIES_MANY] = 1
};

/* Was a row version written by a transaction that a snapshot does not see? */
static bool
is_newer(TransactionId xmin, Snapshot snapshot)
{
	return !TransactionIdIsCurrentTransactionId(xmin) &&
		XidInMVCCSnapshot(xmin, snapshot);
}

/*
 * Locks the account of a call that has a key, or none (NULL), and is about a
 * hold, or none (0).  False if there is no such member.
 *
 * The journal and the hold are looked at with the snapshot of the statement,
 * which is older than the lock.  But who writes a row with a key, or a hold,
 * writes the account as well.  So if the version that was locked can be seen by
 * that snapshot, then so can every such row; if not, nothing was seen.
 */
bool
store_lock(int64 member_id, const text *key, int64 hold_id, Account *account,
		   StoreSeen *seen)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		POINTER_ARG(key),
		ARG(Int64GetDatum(hold_id))
	};
	Snapshot	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	bool		found = statement_run_at(hold_id == 0 ? &lock_account :
										 &lock_account_of_hold,
										 args, snapshot) > 0;

	if (found)
	{
		account_read(0, account);
		account_note_locked(account, (ItemPointer)
							DatumGetPointer(statement_notnull(0, LOCK_CTID)));
		if (!is_newer(DatumGetTransactionId(statement_notnull(0, LOCK_XMIN)),
					  snapshot))
		{
			seen->key_is_new =
				!DatumGetBool(statement_notnull(0, LOCK_KEY_IS_KNOWN));
			seen->hold = hold_id == 0 ? NULL : hold_read(0, LOCK_HOLD);
		}
	}
	UnregisterSnapshot(snapshot);
	return found;
}

/* The hold that a row opens and WITH_NEW_HOLD can write, or NULL. */
static NewHold *
opened_by(const Decision *decision, const JournalRow *row)
{
	NewHold    *last = decision->new_holds == NIL ? NULL :
		llast(decision->new_holds);

	return last != NULL && last->row == row &&
		last->hold.amount == row->amount &&
		last->hold.unit_id == row->unit_id ? last : NULL;
}

/* The hold that a row ends, or NULL. */
static Hold *
ended_by(const Decision *decision, const JournalRow *row)
{
	for (int i = 0; i < decision->nholds; i++)
		if (decision->holds[i].changed &&
			decision->holds[i].hold_id == row->hold_id)
			return &decision->holds[i];
	return NULL;
}

/* What is stored with a row, and its arguments; the rest is left. */
static StoreAlso
also_args(Decision *decision, const JournalRow *row, NullableDatum *args)
{
	Jsonb	   *data = journal_event_data(row);
	NewHold    *opened;
	Hold	   *ended;

	if (data != NULL)
	{
		args[0] = ARG(JsonbPGetDatum(data));
		return ALSO_DATA;
	}
	opened = opened_by(decision, row);
	if (opened != NULL)
	{
		hold_insert_args(&opened->hold, args);
		opened->stored = true;
		return ALSO_NEW_HOLD;
	}
	ended = ended_by(decision, row);
	if (ended != NULL)
	{
		hold_update_args(ended, args);
		ended->changed = false;
		return ALSO_ENDED_HOLD;
	}
	return ALSO_NOTHING;
}

/*
 * Writes the last row of a decision and all that belongs to it, and the
 * account back.  Assumes that the account is locked, and the row has an id.
 */
void
store_last_row(Decision *decision)
{
	JournalRow *row = decision->rows[decision->nrows - 1];
	Account    *account = decision->account;
	NullableDatum args[STATEMENT_MAX_ARGS];
	JournalEntries entries;
	StoreAlso	also;

	if (!account_moved(account, &args[JOURNAL_ROW_NARGS]))
	{
		journal_insert(row, decision->program);
		account_update(account);
		return;
	}
	journal_make_outcome(row);
	journal_row_args(row, decision->program, args);
	entries = journal_entry_args(row, decision->program, &args[FIXED_NARGS]);
	also = also_args(decision, row, &args[FIXED_NARGS + entry_nargs[entries]]);
	/* none updated: the version that was locked has been replaced since */
	if (statement_run(&store_row[entries][also], args, false) != 1)
		account_update(account);
	account->locked = NULL;
	journal_insert_changes(row, decision->program);
}
