/*
 * journal.c
 *
 * The ledger: what writes journal, entry, event_data and journal_ref (the last
 * row of a call together with its account: store_row.c), and the receipt.
 * Changes of the tier are stored with the row that brought them about.
 */
#include "journal.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/typcache.h"

#include "amount.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_journal_immutable);

static Statement select_by_key = {
	"SELECT true, journal_id, request_hash FROM loyalty.journal"
	" WHERE member_id = $1 AND key = $2",
	2, {INT8OID, TEXTOID}
};

static Statement select_by_key_or_ref = {
	"SELECT true, journal_id, request_hash FROM loyalty.journal"
	" WHERE member_id = $1 AND key = $2"
	" UNION ALL"
	" SELECT false, journal_id, request_hash FROM loyalty.journal"
	" WHERE member_id = $1 AND ref = $3 AND kind = $4"
	" AND event IS NOT DISTINCT FROM $5",
	5, {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}
};

static Statement select_row = {
	"SELECT kind, hold_id, outcome, tier_before, tier_after"
	" FROM loyalty.journal WHERE member_id = $1 AND journal_id = $2",
	2, {INT8OID, INT8OID}
};

/* By key, and by ref; each request names its member, so both use an index. */
static Statement select_known = {
	"SELECT j.member_id, j.key, j.ref, j.kind, j.event, j.journal_id,"
	" j.request_hash"
	" FROM unnest($1, $2) AS r (member_id, key)"
	" JOIN loyalty.journal j ON j.member_id = r.member_id AND j.key = r.key"
	" UNION ALL"
	" SELECT j.member_id, j.key, j.ref, j.kind, j.event, j.journal_id,"
	" j.request_hash"
	" FROM unnest($1, $3, $4, $5) AS r (member_id, ref, kind, event)"
	" JOIN loyalty.journal j ON j.member_id = r.member_id AND j.ref = r.ref"
	" AND j.kind = r.kind AND j.event = r.event",
	5, {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

/* What redeem() and capture() write was asked for by itself. */
static Statement select_payments = {
	"SELECT journal_id FROM loyalty.journal"
	" WHERE member_id = $1 AND ref = $2 AND kind IN ('redeem', 'capture')"
	" AND event IS NOT NULL AND request_hash IS NULL ORDER BY journal_id",
	2, {INT8OID, TEXTOID}
};

static Statement select_entries = {
	"SELECT unit_id, amount, balance_after, vests_on, expires_on"
	" FROM loyalty.entry WHERE member_id = $1 AND journal_id = $2"
	" ORDER BY line",
	2, {INT8OID, INT8OID}
};

static Statement insert_row = {
	JOURNAL_INSERT_ROW, JOURNAL_ROW_NARGS, {JOURNAL_ROW_TYPES}
};

static Statement insert_rows = {
	"INSERT INTO loyalty.journal (member_id, journal_id, effective_at,"
	" recorded_at, amount, hold_id, other_member_id, program_id, unit_id,"
	" kind, event, key, ref, reverses, channel, store, staff, actor, reason,"
	" request_hash, outcome, tier_before, tier_after, awarded_plainly)"
	" SELECT * FROM unnest($1) AS r (member_id bigint, journal_id bigint,"
	" effective_at timestamptz, recorded_at timestamptz, amount bigint,"
	" hold_id bigint, other_member_id bigint, program_id int, unit_id int,"
	" kind text, event text, key text, ref text, reverses text,"
	" channel text, store text, staff text, actor text, reason text,"
	" request_hash bytea, outcome jsonb, tier_before int, tier_after int,"
	" awarded_plainly boolean)",
	1, {RECORDARRAYOID}
};

static Statement insert_entry = {
	JOURNAL_INSERT_ENTRY
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
	JOURNAL_ENTRY_NARGS, {JOURNAL_ENTRY_TYPES}
};

/* The entries of a row, or of many. */
static Statement insert_entries = {
	JOURNAL_INSERT_ENTRIES " ($1)", 1, {ENTRIES_TYPE}
};

static Statement insert_data_rows = {
	"INSERT INTO loyalty.event_data (member_id, journal_id, program_id, data)"
	" SELECT * FROM unnest($1) AS r (member_id bigint, journal_id bigint,"
	" program_id int, data jsonb)",
	1, {RECORDARRAYOID}
};

static Statement insert_data = {
	JOURNAL_INSERT_DATA("$1", "$2", "$3", "$4"),
	4, {INT8OID, INT8OID, INT4OID, JSONBOID}
};

static Statement select_ref = {
	"SELECT FROM loyalty.journal_ref"
	" WHERE program_id = $1 AND ref = $2 AND event = $3",
	3, {INT4OID, TEXTOID, TEXTOID}
};

static Statement claim_ref = {
	"INSERT INTO loyalty.journal_ref (program_id, ref, event, member_id,"
	" journal_id) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
	5, {INT4OID, TEXTOID, TEXTOID, INT8OID, INT8OID}
};

/* An empty row in the current context. */
JournalRow *
journal_row_make(int64 member_id, const char *kind, TimestampTz effective_at)
{
	JournalRow *row = palloc0(sizeof(JournalRow));

	row->member_id = member_id;
	row->kind = kind;
	row->effective_at = effective_at;
	return row;
}

/* Appends a posting of a lot and returns it. */
Posting *
journal_row_post(JournalRow *row, const Lot *lot)
{
	Posting    *posting;

	if (row->npostings == row->capacity)
	{
		row->capacity = Max(4, row->capacity * 2);
		row->postings = row->postings == NULL ?
			palloc(sizeof(Posting) * row->capacity) :
			repalloc(row->postings, sizeof(Posting) * row->capacity);
	}
	posting = &row->postings[row->npostings++];
	posting->lot = *lot;
	posting->balance_after = 0;
	posting->rule_id = 0;
	return posting;
}

/* Appends a change of the tier: no end, no lock, no threshold. */
TierChange *
journal_row_change(JournalRow *row, TierAction action)
{
	TierChange *change;

	row->changes = row->changes == NULL ? palloc(sizeof(TierChange)) :
		repalloc(row->changes, sizeof(TierChange) * (row->nchanges + 1));
	change = &row->changes[row->nchanges++];
	memset(change, 0, sizeof(TierChange));
	change->action = action;
	change->effective_at = row->effective_at;
	change->tier_until = DATEVAL_NOEND;
	change->locked_until = DATEVAL_NOBEGIN;
	return change;
}

/* The messages of a row, ready for another. */
static StringInfo
next_message(JournalRow *row)
{
	if (row->messages == NULL)
		row->messages = makeStringInfo();
	else
		appendStringInfoChar(row->messages, ',');
	return row->messages;
}

/* A message that has its code; whoever asks for it adds the rest and ends it. */
StringInfo
journal_row_begin_message(JournalRow *row, const char *code)
{
	StringInfo	message = next_message(row);

	appendStringInfo(message, "{\"code\":\"%s\"", code);
	return message;
}

/* Notes what moved no lot but must be told. */
void
journal_row_message(JournalRow *row, const char *code, const Unit *unit,
					int64 amount)
{
	StringInfo	message = journal_row_begin_message(row, code);

	appendStringInfoString(message, ",\"unit\":");
	escape_json(message, unit->code);
	appendStringInfo(message, ",\"amount\":%s}",
					 amount_text(amount, unit->scale));
}

/* The same of a benefit. */
void
journal_row_benefit(JournalRow *row, const BenefitNews *news)
{
	StringInfo	message = journal_row_begin_message(row, news->code);

	appendStringInfoString(message, ",\"benefit\":");
	escape_json(message, news->benefit);
	if (news->voucher_id != 0)
		appendStringInfo(message, ",\"voucher\":" INT64_FORMAT,
						 news->voucher_id);
	if (news->quantity != 0)
		appendStringInfo(message, ",\"quantity\":" INT64_FORMAT,
						 news->quantity);
	if (news->has_left)
		appendStringInfo(message, ",\"left\":" INT64_FORMAT, news->left);
	if (!DATE_NOT_FINITE(news->until))
		appendStringInfo(message, ",\"until\":\"%s\"",
						 date_text(news->until));
	appendStringInfoChar(message, '}');
}

/* Has a row tell what another one does. */
void
journal_row_tell_too(JournalRow *row, const JournalRow *other)
{
	if (other->messages != NULL)
		appendStringInfoString(next_message(row), other->messages->data);
}

/*
 * Has the receipt of a row that is stored already show what others have moved
 * before it.
 */
void
journal_row_show_before(JournalRow *row, JournalRow *const *others, int n)
{
	int			total = row->npostings;
	int			npostings = 0;
	Posting    *postings;

	for (int i = 0; i < n; i++)
		total += others[i]->npostings;
	postings = palloc(sizeof(Posting) * Max(total, 1));
	for (int i = 0; i <= n; i++)
	{
		const JournalRow *other = i < n ? others[i] : row;

		if (other->npostings > 0)
			memcpy(&postings[npostings], other->postings,
				   sizeof(Posting) * other->npostings);
		npostings += other->npostings;
	}
	row->postings = postings;
	row->npostings = total;
	row->capacity = Max(total, 1);
}

static bytea *
column_bytea(uint64 row, int column)
{
	bool		isnull;
	Datum		value = statement_value(row, column, &isnull);

	return isnull ? NULL : DatumGetByteaPCopy(value);
}

/*
 * Looks a request up by its key, and by kind and ref.  True if one is known;
 * the key decides.
 */
bool
journal_match(int64 member_id, const text *key, const text *ref,
			  const char *kind, const char *event, JournalMatch *match)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		POINTER_ARG(key),
		POINTER_ARG(ref),
		ARG(CStringGetTextDatum(kind)),
		event ? ARG(CStringGetTextDatum(event)) : NULL_ARG
	};
	uint64		n;

	if (key == NULL && ref == NULL)
		return false;
	n = statement_run(ref == NULL ? &select_by_key : &select_by_key_or_ref,
					  args, false);
	for (uint64 i = 0; i < n; i++)
	{
		match->by_key = DatumGetBool(statement_notnull(i, 1));
		match->journal_id = DatumGetInt64(statement_notnull(i, 2));
		match->request_hash = column_bytea(i, 3);
		if (match->by_key)
			break;
	}
	return n > 0;
}

static Datum
text_array_of(Datum *texts, bool *nulls, int n)
{
	int			dims[1] = {n};
	int			lbs[1] = {1};

	return PointerGetDatum(construct_md_array(texts, nulls, 1, dims, lbs,
											  TEXTOID, -1, false,
											  TYPALIGN_INT));
}

static text *
column_text(uint64 row, int column)
{
	bool		isnull;
	Datum		value = statement_value(row, column, &isnull);

	return isnull ? NULL : DatumGetTextPCopy(value);
}

/*
 * What the journal knows of several requests, in one statement: rows that
 * have the key or the reference of one, as a list of JournalRequest.
 */
List *
journal_known(const JournalRequest *requests, int n)
{
	enum
	{
		KEY, REF, KIND, EVENT, NTEXTS
	};
	Datum	   *members = palloc(sizeof(Datum) * n);
	Datum	   *texts[NTEXTS];
	bool	   *nulls[NTEXTS];
	NullableDatum args[1 + NTEXTS];
	List	   *known = NIL;
	uint64		nknown;

	for (int column = 0; column < NTEXTS; column++)
	{
		texts[column] = palloc(sizeof(Datum) * n);
		nulls[column] = palloc0(sizeof(bool) * n);
	}
	for (int i = 0; i < n; i++)
	{
		const JournalRequest *request = &requests[i];

		members[i] = Int64GetDatum(request->member_id);
		texts[KEY][i] = PointerGetDatum(request->key);
		nulls[KEY][i] = request->key == NULL;
		texts[REF][i] = PointerGetDatum(request->ref);
		nulls[REF][i] = request->ref == NULL;
		texts[KIND][i] = CStringGetTextDatum(request->kind);
		texts[EVENT][i] = CStringGetTextDatum(request->event);
	}
	args[0] = ARG(array_of(members, n, INT8OID));
	for (int column = 0; column < NTEXTS; column++)
		args[1 + column] = ARG(text_array_of(texts[column], nulls[column], n));

	nknown = statement_run(&select_known, args, false);
	for (uint64 i = 0; i < nknown; i++)
	{
		JournalRequest *request = palloc(sizeof(JournalRequest));

		request->member_id = DatumGetInt64(statement_notnull(i, 1));
		request->key = column_text(i, 2);
		request->ref = column_text(i, 3);
		request->kind = statement_text(i, 4);
		request->event = statement_text(i, 5);
		request->journal_id = DatumGetInt64(statement_notnull(i, 6));
		request->request_hash = column_bytea(i, 7);
		known = lappend(known, request);
	}
	SPI_freetuptable(SPI_tuptable);
	return known;
}

/* Reads a row and its entries, as much as a receipt shows. */
JournalRow *
journal_read(int64 member_id, int64 journal_id)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(Int64GetDatum(journal_id))
	};
	JournalRow *row;
	bool		isnull;
	Datum		value;
	uint64		n;

	if (statement_run(&select_row, args, false) != 1)
		elog(ERROR, "journal row " INT64_FORMAT " was not found", journal_id);
	row = journal_row_make(member_id, statement_text(0, 1), 0);
	row->journal_id = journal_id;
	value = statement_value(0, 2, &isnull);
	row->hold_id = isnull ? 0 : DatumGetInt64(value);
	value = statement_value(0, 3, &isnull);
	row->outcome = isnull ? NULL : DatumGetJsonbPCopy(value);
	row->tier_before = statement_int32_or(0, 4, 0);
	row->tier_after = statement_int32_or(0, 5, 0);

	n = statement_run(&select_entries, args, false);
	for (uint64 i = 0; i < n; i++)
	{
		Lot			lot = {0};
		int64		balance_after;

		lot.unit_id = DatumGetInt32(statement_notnull(i, 1));
		lot.amount = DatumGetInt64(statement_notnull(i, 2));
		balance_after = DatumGetInt64(statement_notnull(i, 3));
		value = statement_value(i, 4, &isnull);
		lot.vests_on = isnull ? DATEVAL_NOBEGIN : DatumGetDateADT(value);
		value = statement_value(i, 5, &isnull);
		lot.expires_on = isnull ? DATEVAL_NOEND : DatumGetDateADT(value);
		journal_row_post(row, &lot)->balance_after = balance_after;
	}
	return row;
}

/* The rows by which units paid for an order, as much as a receipt shows. */
JournalRow **
journal_read_payments(int64 member_id, const text *ref, int *n)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		POINTER_ARG(ref)
	};
	uint64		nrows = statement_run(&select_payments, args, false);
	int64	   *ids = palloc(sizeof(int64) * Max(nrows, 1));
	JournalRow **rows = palloc(sizeof(JournalRow *) * Max(nrows, 1));

	for (uint64 i = 0; i < nrows; i++)
		ids[i] = DatumGetInt64(statement_notnull(i, 1));
	for (uint64 i = 0; i < nrows; i++)
		rows[i] = journal_read(member_id, ids[i]);
	*n = nrows;
	return rows;
}

/* The arguments of JOURNAL_INSERT_ROW. */
void
journal_row_args(const JournalRow *row, const Program *program, NullableDatum *args)
{
#define ID_ARG(id) ARG_OR_NULL(Int64GetDatum(id), (id) != 0)
	*args++ = ARG(Int64GetDatum(row->member_id));
	*args++ = ARG(Int64GetDatum(row->journal_id));
	*args++ = ARG(TimestampTzGetDatum(row->effective_at));
	*args++ = ARG(TimestampTzGetDatum(GetCurrentTimestamp()));
	*args++ = ARG_OR_NULL(Int64GetDatum(row->amount), row->has_amount);
	*args++ = ID_ARG(row->hold_id);
	*args++ = ID_ARG(row->other_member_id);
	*args++ = ARG(Int32GetDatum(program->program_id));
	*args++ = ARG_OR_NULL(Int32GetDatum(row->unit_id), row->unit_id != 0);
	*args++ = ARG(CStringGetTextDatum(row->kind));
	*args++ = row->event ? ARG(CStringGetTextDatum(row->event)) : NULL_ARG;
	*args++ = POINTER_ARG(row->key);
	*args++ = POINTER_ARG(row->ref);
	*args++ = POINTER_ARG(row->reverses);
	*args++ = POINTER_ARG(row->channel);
	*args++ = POINTER_ARG(row->store);
	*args++ = POINTER_ARG(row->staff);
	*args++ = ARG(CStringGetTextDatum(GetUserNameFromId(GetOuterUserId(),
														false)));
	*args++ = POINTER_ARG(row->reason);
	*args++ = POINTER_ARG(row->request_hash);
	*args++ = POINTER_ARG(row->outcome);
	*args++ = ARG_OR_NULL(Int32GetDatum(row->tier_before),
						  row->tier_before != 0);
	*args++ = ARG_OR_NULL(Int32GetDatum(row->tier_after),
						  row->tier_after != 0);
	*args++ = ARG_OR_NULL(BoolGetDatum(true), row->awarded_plainly);
#undef ID_ARG
}

/* The arguments of one entry; its line counts from 1. */
static void
entry_args(const JournalRow *row, int line, const Program *program,
		   NullableDatum *args)
{
	const Posting *posting = &row->postings[line - 1];
	const Lot  *lot = &posting->lot;

	*args++ = ARG(Int64GetDatum(row->member_id));
	*args++ = ARG(Int64GetDatum(row->journal_id));
	*args++ = ARG(Int64GetDatum(lot->amount));
	*args++ = ARG(Int64GetDatum(posting->balance_after));
	*args++ = ARG(Int32GetDatum(program->program_id));
	*args++ = ARG(Int32GetDatum(lot->unit_id));
	*args++ = ARG_OR_NULL(DateADTGetDatum(lot->vests_on),
						  lot->vests_on != DATEVAL_NOBEGIN);
	*args++ = ARG_OR_NULL(DateADTGetDatum(lot->expires_on),
						  lot->expires_on != DATEVAL_NOEND);
	*args++ = ARG_OR_NULL(Int32GetDatum(posting->rule_id),
						  posting->rule_id != 0);
	*args++ = ARG(Int16GetDatum(line));
	*args++ = ARG(CharGetDatum(origin_letter(lot->origin)));
}

static void
begin_entries(StatementRows *rows)
{
	rows_begin_of(rows, loyalty_types()->entry, JOURNAL_ENTRY_NARGS);
}

static void
append_entries(StatementRows *rows, const JournalRow *row,
			   const Program *program)
{
	NullableDatum args[JOURNAL_ENTRY_NARGS];

	for (int line = 1; line <= row->npostings; line++)
	{
		entry_args(row, line, program, args);
		rows_append(rows, args);
	}
}

/* The entries of a row as arguments: none, those of one, or an array. */
JournalEntries
journal_entry_args(const JournalRow *row, const Program *program,
			   NullableDatum *args)
{
	StatementRows rows;

	if (row->npostings == 0)
		return ENTRIES_NONE;
	if (row->npostings == 1)
	{
		entry_args(row, 1, program, args);
		return ENTRIES_ONE;
	}
	begin_entries(&rows);
	append_entries(&rows, row, program);
	args[0] = ARG(rows_array(&rows));
	return ENTRIES_MANY;
}

static void
write_entries(const JournalRow *row, const Program *program)
{
	NullableDatum args[JOURNAL_ENTRY_NARGS];

	switch (journal_entry_args(row, program, args))
	{
		case ENTRIES_ONE:
			statement_run(&insert_entry, args, false);
			break;
		case ENTRIES_MANY:
			statement_run(&insert_entries, args, false);
			break;
		default:
			break;
	}
}

/* The arguments of the data of a row. */
static void
data_args(const JournalRow *row, const Program *program, const Jsonb *data,
		  NullableDatum *args)
{
	*args++ = ARG(Int64GetDatum(row->member_id));
	*args++ = ARG(Int64GetDatum(row->journal_id));
	*args++ = ARG(Int32GetDatum(program->program_id));
	*args++ = POINTER_ARG(data);
}

/* Turns the messages into what is stored and shown. */
void
journal_make_outcome(JournalRow *row)
{
	char	   *json;

	if (row->messages == NULL || row->outcome != NULL)
		return;
	json = psprintf("[%s]", row->messages->data);
	row->outcome = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
													  CStringGetDatum(json)));
}

/* The inputs of a row and the verdicts on it, NULL if it has neither. */
Jsonb *
journal_event_data(const JournalRow *row)
{
	if (row->data == NULL || row->awards == NULL)
		return row->data ? row->data : row->awards;
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(row->data),
											  JsonbPGetDatum(row->awards)));
}

/* Writes the changes of the tier that a row has brought about. */
void
journal_insert_changes(const JournalRow *row, const Program *program)
{
	for (int i = 0; i < row->nchanges; i++)
		tier_history_insert(row->member_id, row->journal_id, i + 1,
							program->program_id, &row->changes[i]);
}

/*
 * Writes a row, its entries, its changes and its data.  Assumes that the
 * account is locked, and that the row has an id.
 */
void
journal_insert(JournalRow *row, const Program *program)
{
	NullableDatum args[JOURNAL_ROW_NARGS];
	Jsonb	   *data;

	journal_make_outcome(row);
	journal_row_args(row, program, args);
	statement_run(&insert_row, args, false);
	write_entries(row, program);
	journal_insert_changes(row, program);
	data = journal_event_data(row);
	if (data != NULL)
	{
		data_args(row, program, data, args);
		statement_run(&insert_data, args, false);
	}
}

/* Runs a statement that takes rows, if there are any. */
static void
insert_many(Statement *statement, StatementRows *rows)
{
	NullableDatum args[1];

	if (rows->n == 0)
		return;
	rows_sort(rows);
	args[0] = ARG(rows_array(rows));
	statement_run(statement, args, false);
}

/* No rows yet; they are kept in the current context. */
void
journal_batch_begin(JournalBatch *batch)
{
	rows_begin(&batch->rows, &insert_row);
	begin_entries(&batch->entries);
	rows_begin(&batch->data, &insert_data);
	tier_history_begin(&batch->changes);
}

/* Adds a row, its entries and its data, to be stored with others. */
void
journal_batch_add(JournalBatch *batch, JournalRow *row,
				  const Program *program)
{
	NullableDatum args[JOURNAL_ROW_NARGS];
	Jsonb	   *data = journal_event_data(row);

	journal_make_outcome(row);
	journal_row_args(row, program, args);
	rows_append(&batch->rows, args);
	append_entries(&batch->entries, row, program);
	data_args(row, program, data, args);
	if (data != NULL)
		rows_append(&batch->data, args);
}

/* Adds the changes of the tier, which nobody reads before they are stored. */
void
journal_batch_add_changes(JournalBatch *batch, const JournalRow *row,
						  const Program *program)
{
	for (int i = 0; i < row->nchanges; i++)
		tier_history_add(&batch->changes, row->member_id, row->journal_id,
						 i + 1, program->program_id, &row->changes[i]);
}

/* Stores them, each table in one statement. */
void
journal_batch_store(JournalBatch *batch)
{
	insert_many(&insert_rows, &batch->rows);
	insert_many(&insert_entries, &batch->entries);
	insert_many(&insert_data_rows, &batch->data);
	tier_history_store(&batch->changes);
}

/* What a reference is unique for: an event, or a kind, as no event is named. */
static const char *
ref_event(const JournalRow *row)
{
	return row->event != NULL ? row->event : psprintf(":%s", row->kind);
}

/* Does the reference of an event belong to a member of the programme? */
bool
journal_ref_taken(const JournalRow *row, const Program *program)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program->program_id)),
		POINTER_ARG(row->ref),
		ARG(CStringGetTextDatum(ref_event(row)))
	};

	return statement_run(&select_ref, args, false) > 0;
}

/*
 * Claims the reference of an event for this member in the whole programme.
 * False if another member has it; waits for a transaction that may.
 */
bool
journal_claim_ref(const JournalRow *row, const Program *program)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program->program_id)),
		POINTER_ARG(row->ref),
		ARG(CStringGetTextDatum(ref_event(row))),
		ARG(Int64GetDatum(row->member_id)),
		ARG(Int64GetDatum(row->journal_id))
	};

	return statement_run(&claim_ref, args, false) == 1;
}

/* Forms a composite of one of the extension's types. */
static Datum
make_composite(Oid type, Datum *values, bool *nulls)
{
	TupleDesc	tupdesc = lookup_rowtype_tupdesc(type, -1);
	HeapTuple	tuple = heap_form_tuple(tupdesc, values, nulls);
	Datum		result = HeapTupleGetDatum(tuple);

	ReleaseTupleDesc(tupdesc);
	return result;
}

static Datum
make_posting(const Posting *posting, const Program *program)
{
	const Unit *unit = program_unit_by_id(program, posting->lot.unit_id);
	Datum		values[5];
	bool		nulls[5] = {false};

	values[0] = CStringGetTextDatum(unit->code);
	values[1] = NumericGetDatum(amount_numeric(posting->lot.amount,
											   unit->scale));
	values[2] = NumericGetDatum(amount_numeric(posting->balance_after,
											   unit->scale));
	values[3] = DateADTGetDatum(posting->lot.vests_on);
	nulls[3] = posting->lot.vests_on == DATEVAL_NOBEGIN;
	values[4] = DateADTGetDatum(posting->lot.expires_on);
	nulls[4] = posting->lot.expires_on == DATEVAL_NOEND;
	return make_composite(loyalty_types()->posting, values, nulls);
}

static Datum
make_postings(const JournalRow *row, const Program *program)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(row->npostings, 1));

	for (int i = 0; i < row->npostings; i++)
		elements[i] = make_posting(&row->postings[i], program);
	return array_of(elements, row->npostings, loyalty_types()->posting);
}

enum receipt_column
{
	RECEIPT_STATUS,
	RECEIPT_REASON,
	RECEIPT_MEMBER_ID,
	RECEIPT_JOURNAL_ID,
	RECEIPT_HOLD_ID,
	RECEIPT_REPLAYED,
	RECEIPT_POSTINGS,
	RECEIPT_TIER_BEFORE,
	RECEIPT_TIER_AFTER,
	RECEIPT_MESSAGES,
	RECEIPT_NCOLUMNS
};

static Datum
make_receipt(Datum *values, bool *nulls)
{
	return make_composite(loyalty_types()->receipt, values, nulls);
}

/* The code of a tier; NULL for none, or one that is gone. */
static Datum
tier_code(const Program *program, int32 tier_id, bool *isnull)
{
	const Tier *tier = tier_id == 0 ? NULL :
		program_tier_by_id(program, tier_id);

	*isnull = tier == NULL;
	return tier == NULL ? (Datum) 0 : CStringGetTextDatum(tier->code);
}

/* The receipt of a row, as it was decided or as it was read back. */
Datum
journal_receipt(JournalRow *row, const Program *program,
				const char *status, bool replayed)
{
	Datum		values[RECEIPT_NCOLUMNS] = {0};
	bool		nulls[RECEIPT_NCOLUMNS];

	journal_make_outcome(row);
	memset(nulls, true, sizeof(nulls));
#define SET(column, datum, present) \
	(values[column] = (datum), nulls[column] = !(present))
	SET(RECEIPT_STATUS, CStringGetTextDatum(status), true);
	SET(RECEIPT_MEMBER_ID, Int64GetDatum(row->member_id),
		row->member_id != 0);
	SET(RECEIPT_JOURNAL_ID, Int64GetDatum(row->journal_id),
		row->journal_id != 0);
	SET(RECEIPT_HOLD_ID, Int64GetDatum(row->hold_id), row->hold_id != 0);
	SET(RECEIPT_REPLAYED, BoolGetDatum(replayed), true);
	SET(RECEIPT_POSTINGS, make_postings(row, program), true);
	SET(RECEIPT_MESSAGES, PointerGetDatum(row->outcome),
		row->outcome != NULL);
#undef SET
	values[RECEIPT_TIER_BEFORE] = tier_code(program, row->tier_before,
											&nulls[RECEIPT_TIER_BEFORE]);
	values[RECEIPT_TIER_AFTER] = tier_code(program, row->tier_after,
										   &nulls[RECEIPT_TIER_AFTER]);
	return make_receipt(values, nulls);
}

/* The receipt of a call that was refused; its detail is a message. */
Datum
journal_refusal_receipt(int64 member_id, Refusal refusal, const char *detail)
{
	const char *reason = refusal_text(refusal)->reason;
	Datum		values[RECEIPT_NCOLUMNS] = {0};
	bool		nulls[RECEIPT_NCOLUMNS];
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "[{\"code\":\"%s\"", reason);
	if (detail != NULL)
	{
		appendStringInfoString(&json, ",\"detail\":");
		escape_json(&json, detail);
	}
	appendStringInfoString(&json, "}]");

	memset(nulls, true, sizeof(nulls));
	values[RECEIPT_STATUS] = CStringGetTextDatum("refused");
	nulls[RECEIPT_STATUS] = false;
	values[RECEIPT_REASON] = CStringGetTextDatum(reason);
	nulls[RECEIPT_REASON] = false;
	values[RECEIPT_MEMBER_ID] = Int64GetDatum(member_id);
	nulls[RECEIPT_MEMBER_ID] = member_id == 0;
	values[RECEIPT_REPLAYED] = BoolGetDatum(false);
	nulls[RECEIPT_REPLAYED] = false;
	values[RECEIPT_POSTINGS] =
		PointerGetDatum(construct_empty_array(loyalty_types()->posting));
	nulls[RECEIPT_POSTINGS] = false;
	values[RECEIPT_MESSAGES] = DirectFunctionCall1(jsonb_in,
												   CStringGetDatum(json.data));
	nulls[RECEIPT_MESSAGES] = false;
	return make_receipt(values, nulls);
}

/*
 * The ledger is append-only, even for its owner; and the members whose it is
 * stay, as it cannot be read without them.
 */
Datum
loyalty_journal_immutable(PG_FUNCTION_ARGS)
{
	const RefusalText *text = refusal_text(REFUSAL_LEDGER_IMMUTABLE);
	const TriggerData *trigger = (const TriggerData *) fcinfo->context;
	bool		of_member;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "loyalty_journal_immutable was not called by a trigger");
	/* these tables do change */
	of_member = !TRIGGER_FOR_UPDATE(trigger->tg_trigger->tgtype);
	ereport(ERROR,
			(errcode(refusal_sqlstate(REFUSAL_LEDGER_IMMUTABLE)),
			 errmsg("%s", text->message),
			 of_member ?
			 errdetail("The members whose books it keeps are never deleted.") :
			 0,
			 of_member ?
			 errhint("Close a member with member_close(); to forget the "
					 "person, remove identities and profile.") :
			 errhint("Correct the books with adjust or refund.")));
}
