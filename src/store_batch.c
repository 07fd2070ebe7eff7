/*
 * store_batch.c
 *
 * Many decisions at once: accounts are locked by one statement, requests are
 * looked up by one, and what was decided is written by one for each table.
 * Between the two an account lives here, and goes from one decision about
 * its member to the next.
 */
#include "store.h"

#include "utils/hsearch.h"

typedef struct BatchMember
{
	int64		member_id;		/* the hash key */
	Account		account;		/* as the last decision left it */
	bool		changed;		/* since the last flush */
	List	   *known;			/* JournalRequest: in the journal */
	List	   *rows;			/* JournalRow: decided, by this batch */
} BatchMember;

struct StoreBatch
{
	const Program *program;
	HTAB	   *members;
	List	   *rows;			/* JournalRow: to be stored, ascending id */
	List	   *changed;		/* BatchMember */
};

static BatchMember *
find_member(const StoreBatch *batch, int64 member_id)
{
	return hash_search(batch->members, &member_id, HASH_FIND, NULL);
}

/*
 * Locks the accounts of these members, as far as they are there and of this
 * programme.  Everything lives in the current context.
 */
StoreBatch *
store_batch_begin(const Program *program, const Datum *member_ids, int n)
{
	StoreBatch *batch = palloc0(sizeof(StoreBatch));
	HASHCTL		control = {
		.keysize = sizeof(int64),
		.entrysize = sizeof(BatchMember),
		.hcxt = CurrentMemoryContext
	};
	Account    *accounts;
	int			nfound;

	batch->program = program;
	batch->members = hash_create("loyalty batch", Max(n, 16), &control,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	accounts = account_lock_many(member_ids, n, &nfound);
	for (int i = 0; i < nfound; i++)
	{
		BatchMember *member;

		if (accounts[i].program_id != program->program_id)
			continue;
		member = hash_search(batch->members, &accounts[i].member_id,
							 HASH_ENTER, NULL);
		member->account = accounts[i];
		member->changed = false;
		member->known = NIL;
		member->rows = NIL;
	}
	return batch;
}

/* Looks up what the journal knows of the requests that are to come. */
void
store_batch_look_up(StoreBatch *batch, const JournalRequest *requests, int n)
{
	ListCell   *cell;

	foreach(cell, journal_known(requests, n))
	{
		JournalRequest *request = lfirst(cell);
		BatchMember *member = find_member(batch, request->member_id);

		if (member != NULL)
			member->known = lappend(member->known, request);
	}
}

/*
 * A copy of the account, so that a decision that is refused leaves no trace;
 * starts the decision.  False if there is no such member.
 */
bool
store_batch_load(StoreBatch *batch, int64 member_id, TimestampTz now,
				 Account *account, Decision *decision)
{
	const BatchMember *member = find_member(batch, member_id);

	if (member == NULL)
		return false;
	*account = member->account;
	wallet_copy(&member->account.wallet, &account->wallet);
	store_begin(decision, account, ACCOUNT_LOCK, now);
	decision->batch = batch;
	return true;
}

static bool
same_text(const text *a, const text *b)
{
	return a != NULL && b != NULL &&
		VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

static bool
same_name(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/*
 * journal_match(), answered from what was looked up and from what this batch
 * has decided.
 */
bool
store_batch_match(const StoreBatch *batch, int64 member_id, const text *key,
				  const text *ref, const char *kind, const char *event,
				  JournalMatch *match)
{
	const BatchMember *member = find_member(batch, member_id);
	bool		found = false;
	ListCell   *cell;

#define MATCH(row) \
	do \
	{ \
		bool		by_key = same_text((row)->key, key); \
\
		if (by_key || \
			(!found && same_text((row)->ref, ref) && \
			 same_name((row)->kind, kind) && same_name((row)->event, event))) \
		{ \
			match->by_key = by_key; \
			match->journal_id = (row)->journal_id; \
			match->request_hash = (row)->request_hash; \
			found = true; \
		} \
		if (by_key) \
			return true; \
	} while (0)

	foreach(cell, member->known)
	{
		const JournalRequest *row = lfirst(cell);

		MATCH(row);
	}
	foreach(cell, member->rows)
	{
		const JournalRow *row = lfirst(cell);

		MATCH(row);
	}
#undef MATCH
	return found;
}

/*
 * Keeps a decision to be stored with the others.  What later decisions read
 * from tables is written at once.
 */
void
store_batch_keep(StoreBatch *batch, Decision *decision)
{
	BatchMember *member = find_member(batch, decision->account->member_id);

	store_number(decision);
	for (int i = 0; i < decision->nrows; i++)
	{
		batch->rows = lappend(batch->rows, decision->rows[i]);
		member->rows = lappend(member->rows, decision->rows[i]);
		journal_insert_changes(decision->rows[i], batch->program);
	}
	store_facts(decision);
	member->account = *decision->account;
	if (!member->changed)
		batch->changed = lappend(batch->changed, member);
	member->changed = true;
}

/*
 * Stores what the batch keeps of the decision's member, because the ledger
 * is going to be read.
 */
void
store_publish(const Decision *decision)
{
	if (decision->batch != NULL &&
		find_member(decision->batch, decision->account->member_id)->changed)
		store_batch_flush(decision->batch);
}

/* Stores what was kept. */
void
store_batch_flush(StoreBatch *batch)
{
	int			nrows = list_length(batch->rows);
	int			nchanged = list_length(batch->changed);
	JournalRow **rows = palloc(sizeof(JournalRow *) * nrows);
	const Account **accounts = palloc(sizeof(Account *) * nchanged);

	if (nrows == 0)
		return;
	for (int i = 0; i < nrows; i++)
		rows[i] = list_nth(batch->rows, i);
	for (int i = 0; i < nchanged; i++)
	{
		BatchMember *member = list_nth(batch->changed, i);

		accounts[i] = &member->account;
		member->changed = false;
	}
	journal_insert_many(rows, nrows, batch->program);
	account_update_many(accounts, nchanged);
	batch->rows = NIL;
	batch->changed = NIL;
}
