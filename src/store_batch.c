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
	List	   *known;			/* JournalRequest: stored or decided */
	bool		has_tiers;		/* the history of the tier is loaded: */
	List	   *tiers;			/* TierPast, newest first */
} BatchMember;

struct StoreBatch
{
	const Program *program;
	MemoryContext context;		/* in which it lives */
	HTAB	   *members;
	JournalBatch journal;		/* to be stored, ascending id */
	List	   *changed;		/* BatchMember */
	RunStarts	starts;			/* of automations */
};

static BatchMember *
find_member(const StoreBatch *batch, int64 member_id)
{
	return hash_search(batch->members, &member_id, HASH_FIND, NULL);
}

/*
 * Takes accounts that are loaded and locked, as far as they are of this
 * programme.  Everything lives in the current context.
 */
StoreBatch *
store_batch_of(const Program *program, const Account *accounts, int n)
{
	StoreBatch *batch = palloc0(sizeof(StoreBatch));
	HASHCTL		control = {
		.keysize = sizeof(int64),
		.entrysize = sizeof(BatchMember),
		.hcxt = CurrentMemoryContext
	};

	batch->program = program;
	batch->context = CurrentMemoryContext;
	journal_batch_begin(&batch->journal);
	store_runs_begin(&batch->starts, program, loyalty_clock());
	batch->members = hash_create("loyalty batch", Max(n, 16), &control,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < n; i++)
	{
		BatchMember *member;

		if (accounts[i].program_id != program->program_id)
			continue;
		member = hash_search(batch->members, &accounts[i].member_id,
							 HASH_ENTER, NULL);
		member->account = accounts[i];
		member->changed = false;
		member->known = NIL;
		member->has_tiers = false;
		member->tiers = NIL;
	}
	return batch;
}

/* The same for accounts that it locks, as far as they are there. */
StoreBatch *
store_batch_begin(const Program *program, const Datum *member_ids, int n)
{
	int			nfound;
	Account    *accounts = account_lock_many(member_ids, n, &nfound);

	return store_batch_of(program, accounts, nfound);
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

	foreach(cell, member->known)
	{
		const JournalRequest *known = lfirst(cell);
		bool		by_key = same_text(known->key, key);

		if (!by_key &&
			(found || !same_text(known->ref, ref) ||
			 !same_name(known->kind, kind) || !same_name(known->event, event)))
			continue;
		match->by_key = by_key;
		match->journal_id = known->journal_id;
		match->request_hash = known->request_hash;
		found = true;
		if (by_key)
			break;
	}
	return found;
}

static void *
copy_of(const void *varlena)
{
	return varlena == NULL ? NULL :
		memcpy(palloc(VARSIZE_ANY(varlena)), varlena, VARSIZE_ANY(varlena));
}

/* Later rows of the batch may be the same request. */
static void
note_request(BatchMember *member, const JournalRow *row)
{
	JournalRequest *request;

	if (row->key == NULL && row->ref == NULL)
		return;
	request = palloc(sizeof(JournalRequest));
	request->member_id = row->member_id;
	request->key = copy_of(row->key);
	request->ref = copy_of(row->ref);
	request->kind = pstrdup(row->kind);
	request->event = row->event ? pstrdup(row->event) : NULL;
	request->journal_id = row->journal_id;
	request->request_hash = copy_of(row->request_hash);
	member->known = lappend(member->known, request);
}

/*
 * Loads what tiers a member has had; and, as the same will be asked of them,
 * the others whose tier began on that day or later.
 */
static void
load_tiers(StoreBatch *batch, const BatchMember *asked, DateADT since)
{
	int			n = hash_get_num_entries(batch->members);
	Datum	   *ids = palloc(sizeof(Datum) * n);
	HASH_SEQ_STATUS scan;
	BatchMember *member;
	TierPast   *past;
	int			npast;

	n = 0;
	hash_seq_init(&scan, batch->members);
	while ((member = hash_seq_search(&scan)) != NULL)
	{
		if (member->has_tiers ||
			(member != asked && member->account.tier_since < since))
			continue;
		member->has_tiers = true;
		ids[n++] = Int64GetDatum(member->member_id);
	}
	past = tier_history_many(ids, n, &npast);
	for (int i = 0; i < npast; i++)
	{
		member = find_member(batch, past[i].member_id);
		member->tiers = lcons(&past[i], member->tiers);
	}
}

/* The tier that the history of the decision's member gives for a time. */
int32
store_tier_at(const Decision *decision, TimestampTz at, bool read_only)
{
	StoreBatch *batch = decision->batch;
	int64		member_id = decision->account->member_id;
	BatchMember *member;
	ListCell   *cell;

	if (batch == NULL)
		return tier_history_at(member_id, at, read_only);
	member = find_member(batch, member_id);
	if (!member->has_tiers)
	{
		MemoryContext caller = MemoryContextSwitchTo(batch->context);

		load_tiers(batch, member, program_date(batch->program, at));
		MemoryContextSwitchTo(caller);
	}
	foreach(cell, member->tiers)
	{
		const TierPast *past = lfirst(cell);

		if (past->effective_at <= at)
			return past->tier_id;
	}
	return 0;
}

/* Changes of the tier that later rows of the batch have to know of. */
static void
note_changes(BatchMember *member, const JournalRow *row)
{
	for (int i = 0; i < row->nchanges; i++)
	{
		TierPast   *past = palloc(sizeof(TierPast));

		past->member_id = row->member_id;
		past->effective_at = row->changes[i].effective_at;
		past->tier_id = row->changes[i].tier_after;
		member->tiers = lcons(past, member->tiers);
	}
}

/* The account as a decision has left it. */
static void
keep_account(BatchMember *member, const Account *account)
{
	Size		size = sizeof(int64) * 2 * account->ntier_base;

	if (member->account.wallet.lots != NULL)
		pfree(member->account.wallet.lots);
	member->account = *account;
	wallet_copy(&account->wallet, &member->account.wallet);
	if (size > 0)
		member->account.tier_base = memcpy(palloc(size), account->tier_base,
										   size);
}

static void
keep(StoreBatch *batch, Decision *decision, bool is_last)
{
	BatchMember *member = find_member(batch, decision->account->member_id);
	MemoryContext caller;

	store_number(decision);
	for (int i = 0; i < decision->nrows; i++)
	{
		if (is_last)
			journal_batch_add_changes(&batch->journal, decision->rows[i],
									  batch->program);
		else
			journal_insert_changes(decision->rows[i], batch->program);
	}
	store_facts(decision);
	for (int i = 0; i < decision->nrows; i++)
		journal_batch_add(&batch->journal, decision->rows[i], batch->program);
	store_listen(&batch->starts, decision);

	caller = MemoryContextSwitchTo(batch->context);
	for (int i = 0; i < decision->nrows; i++)
	{
		note_request(member, decision->rows[i]);
		if (member->has_tiers)
			note_changes(member, decision->rows[i]);
	}
	keep_account(member, decision->account);
	if (!member->changed)
		batch->changed = lappend(batch->changed, member);
	member->changed = true;
	MemoryContextSwitchTo(caller);
}

/*
 * Keeps a decision to be stored with the others; nothing of its memory is
 * needed any more.  What later decisions read from tables is written at once.
 */
void
store_batch_keep(StoreBatch *batch, Decision *decision)
{
	keep(batch, decision, false);
}

/* The same, and nothing is decided about the member before the next flush. */
void
store_batch_keep_last(StoreBatch *batch, Decision *decision)
{
	keep(batch, decision, true);
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
	MemoryContext caller = MemoryContextSwitchTo(batch->context);
	int			nchanged = list_length(batch->changed);
	const Account **accounts = palloc(sizeof(Account *) * nchanged);

	for (int i = 0; i < nchanged; i++)
	{
		BatchMember *member = list_nth(batch->changed, i);

		accounts[i] = &member->account;
		member->changed = false;
	}
	if (nchanged > 0)
	{
		journal_batch_store(&batch->journal);
		account_update_many(accounts, nchanged);
		store_runs_flush(&batch->starts);
	}
	journal_batch_begin(&batch->journal);
	batch->changed = NIL;
	MemoryContextSwitchTo(caller);
}
