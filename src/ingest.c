/*
 * ingest.c
 *
 * Records a batch of events, each as a call of its own would: the members
 * are found and locked together, every row runs through the verb, and what
 * was decided is stored together.  If one raises an error, the batch is
 * undone and its rows are tried one by one.
 */
#include "ingest.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/typcache.h"

#include "identity.h"
#include "statement.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_ingest_batch);

/* So that a batch fits into memory, and its locks are not held for long. */
#define MAX_BATCH_ROWS 100000

void
ingest_reject(IngestRow *row, const char *reason, const char *code,
			  const char *detail)
{
	row->status = INGEST_REJECTED;
	row->reason = reason;
	row->code = code;
	row->detail = detail;
}

void
ingest_refuse(IngestRow *row, Refusal refusal, const char *detail)
{
	const RefusalText *text = refusal_text(refusal);

	ingest_reject(row, text->reason, text->code, detail);
}

/*
 * Does an error come from the data, so that the same data will raise it
 * again?  Not if it tells of a conflict, of resources, of an operator or of
 * damage.
 */
static bool
error_is_of_data(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK):
		case ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES):
		case ERRCODE_TO_CATEGORY(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE):
		case ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION):
		case ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR):
			return false;
		default:
			return sqlerrcode != ERRCODE_DATA_CORRUPTED &&
				sqlerrcode != ERRCODE_INDEX_CORRUPTED;
	}
}

bool
ingest_attempt(void (*function) (void *argument), void *argument,
			   ErrorData **error)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	*error = NULL;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		function(argument);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		*error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (*error != NULL && !error_is_of_data((*error)->sqlerrcode))
		ReThrowError(*error);
	return *error == NULL;
}

/* An error becomes the reason; its message might quote what is personal. */
void
ingest_reject_error(IngestRow *row, const ErrorData *error)
{
	Refusal		refusal = refusal_of(error->sqlerrcode);

	if (refusal != REFUSAL_NONE)
		ingest_refuse(row, refusal, error->detail);
	else
		ingest_reject(row, "error",
					  pstrdup(unpack_sql_state(error->sqlerrcode)), NULL);
}

/* Can the row be judged at all, and repeated safely? */
static void
check_row(IngestRow *row)
{
	const EventInput *input = &row->input;

	if (input->member_id.isnull && row->identities.isnull)
		ingest_reject(row, "member_required", "22004",
					  "neither member_id nor identities is given");
	else if (input->amount.isnull && event_is_purchase(input))
		ingest_reject(row, "amount_required", "22004",
					  "amount must not be null");
	else if (input->key.isnull && input->ref.isnull)
		ingest_refuse(row, REFUSAL_KEY_INVALID,
					  "a row needs a key or a ref, so that it can be "
					  "repeated safely");
}

/* Rows that say by identities whom they are about. */
typedef struct Unidentified
{
	int			n;
	IngestRow **rows;
	IdentityList *lists;
	IdentityOwners *owners;
} Unidentified;

/* The rows whose members have to be found; malformed identities are refused. */
static void
parse_identities(IngestRow *rows, int n, Unidentified *found)
{
	found->n = 0;
	found->rows = palloc(sizeof(IngestRow *) * n);
	found->lists = palloc(sizeof(IdentityList) * n);
	found->owners = palloc(sizeof(IdentityOwners) * n);
	for (int i = 0; i < n; i++)
	{
		Call		call = {.mode = MODE_TRY};

		if (rows[i].status != INGEST_PENDING ||
			!rows[i].input.member_id.isnull)
			continue;
		if (identity_parse(&call, DatumGetJsonbP(rows[i].identities.value),
						   &found->lists[found->n]))
			found->rows[found->n++] = &rows[i];
		else
			ingest_refuse(&rows[i], call.refusal, call.detail);
	}
}

typedef struct Enrol
{
	const Program *program;
	IngestRow  *row;
	int64		member_id;
} Enrol;

static void
enrol_one(void *argument)
{
	Enrol	   *enrol = argument;
	IngestRow  *row = enrol->row;
	EventOutcome outcome =
		event_enroll(ARG(CStringGetTextDatum(enrol->program->name)),
					 row->identities, row->input.at);

	enrol->member_id = outcome.member_id;
	if (outcome.refusal != REFUSAL_NONE)
		ingest_refuse(row, outcome.refusal, outcome.detail);
}

static int
compare_lists(const void *a, const void *b, void *argument)
{
	const Unidentified *found = argument;
	int			i = *(const int *) a;
	int			j = *(const int *) b;
	int			order = identity_compare(&found->lists[i], &found->lists[j]);

	return order != 0 ? order : i - j;
}

/*
 * Enrols those whom nobody knows, in the order of their identities, so that
 * two loads of the same members do not wait for each other.
 */
static void
enrol_unknown(const Program *program, Unidentified *found)
{
	int		   *order = palloc(sizeof(int) * found->n);
	int			n = 0;

	for (int i = 0; i < found->n; i++)
		if (found->owners[i].member_id == 0)
			order[n++] = i;
	qsort_arg(order, n, sizeof(int), compare_lists, found);
	for (int i = 0; i < n; i++)
	{
		Enrol		enrol = {program, found->rows[order[i]]};
		ErrorData  *error;

		if (ingest_attempt(enrol_one, &enrol, &error))
			found->owners[order[i]].member_id = enrol.member_id;
		else
			ingest_reject_error(enrol.row, error);
	}
}

/* Finds the members of rows that have only identities. */
static void
find_members(const Program *program, IngestRow *rows, int n, bool enroll)
{
	Unidentified found;

	parse_identities(rows, n, &found);
	if (found.n == 0)
		return;
	identity_owners_many(program->program_id, found.lists, found.n,
						 found.owners);
	if (enroll)
		enrol_unknown(program, &found);
	for (int i = 0; i < found.n; i++)
	{
		IngestRow  *row = found.rows[i];

		if (row->status != INGEST_PENDING)
			continue;
		if (found.owners[i].several)
			ingest_refuse(row, REFUSAL_IDENTITY_TAKEN,
						  "the identities lead to several members");
		else if (found.owners[i].member_id == 0)
			ingest_refuse(row, REFUSAL_MEMBER_NOT_FOUND,
						  "the identities lead to no member");
		else
			row->input.member_id =
				ARG(Int64GetDatum(found.owners[i].member_id));
	}
}

/*
 * Are the requests of a batch looked up before they are judged?  Where the
 * last batch was new and accepted as a whole, the next one likely is too: its
 * rows are taken for new, and the unique indexes of the journal tell if one is
 * not.  Then the batch is undone and begun again.
 */
static bool look_first = false;

typedef struct Ingest
{
	const Program *program;
	int			n;
	IngestRow  *rows;
	StoreBatch *batch;
	bool		look_first;
	IngestRow  *row;			/* of those that are tried one by one */
} Ingest;

/* What a call for the row came to. */
void
ingest_note(IngestRow *row, const EventOutcome *outcome)
{
	if (outcome->refusal != REFUSAL_NONE)
	{
		ingest_refuse(row, outcome->refusal,
					  outcome->detail ? pstrdup(outcome->detail) : NULL);
		return;
	}
	row->status = outcome->replayed ? INGEST_REPLAYED : INGEST_DONE;
	row->journal_id = outcome->journal_id;
}

static Datum *
member_ids(const IngestRow *rows, int n, int *nids)
{
	Datum	   *ids = palloc(sizeof(Datum) * n);

	*nids = 0;
	for (int i = 0; i < n; i++)
		if (rows[i].status == INGEST_PENDING)
			ids[(*nids)++] = rows[i].input.member_id.value;
	return ids;
}

/* What to look for in the journal before the rows are judged. */
static void
look_up(StoreBatch *batch, const IngestRow *rows, int n)
{
	JournalRequest *requests = palloc0(sizeof(JournalRequest) * n);
	int			nrequests = 0;

	for (int i = 0; i < n; i++)
	{
		const EventInput *input = &rows[i].input;
		JournalRequest *request = &requests[nrequests];

		if (rows[i].status != INGEST_PENDING)
			continue;
		request->member_id = DatumGetInt64(input->member_id.value);
		request->key = input->key.isnull ? NULL :
			DatumGetTextPP(input->key.value);
		request->ref = input->ref.isnull ? NULL :
			DatumGetTextPP(input->ref.value);
		request->kind = "event";
		request->event = input->event.isnull ? "purchase" :
			TextDatumGetCString(input->event.value);
		nrequests++;
	}
	if (nrequests > 0)
		store_batch_look_up(batch, requests, nrequests);
}

/*
 * Judges one row, in a context that is reset; and at a level of SPI of its
 * own, or what the statements returned would stay until the batch ends.
 */
static void
run_row(StoreBatch *batch, IngestRow *row, MemoryContext scratch)
{
	MemoryContext caller = CurrentMemoryContext;
	EventOutcome outcome;

	SPI_connect();
	MemoryContextSwitchTo(scratch);
	outcome = event_run(batch, &row->input);
	SPI_finish();
	MemoryContextSwitchTo(caller);
	ingest_note(row, &outcome);
	MemoryContextReset(scratch);
}

/* What was taken for new and is refused may be known: a replay goes first. */
static void
run_again(StoreBatch *batch, IngestRow *row, MemoryContext scratch)
{
	row->status = INGEST_PENDING;
	look_up(batch, row, 1);
	run_row(batch, row, scratch);
}

/* Judges rows whose members are locked, and stores what was decided. */
static void
run_rows(StoreBatch *batch, IngestRow *rows, int n, bool look)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(caller, "loyalty row",
												  ALLOCSET_DEFAULT_SIZES);

	if (look)
		look_up(batch, rows, n);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (rows[i].status != INGEST_PENDING)
			continue;
		run_row(batch, &rows[i], scratch);
		if (!look && rows[i].status == INGEST_REJECTED)
			run_again(batch, &rows[i], scratch);
	}
	MemoryContextDelete(scratch);
	store_batch_flush(batch);
}

static void
run_all(void *argument)
{
	Ingest	   *ingest = argument;

	run_rows(ingest->batch, ingest->rows, ingest->n, ingest->look_first);
}

static void
run_one(void *argument)
{
	Ingest	   *ingest = argument;

	run_rows(store_batch_begin(ingest->program,
							   &ingest->row->input.member_id.value, 1),
			 ingest->row, 1, true);
}

/*
 * Tries the rows together; again, if one that was taken for new is not.
 * False if there is an error that belongs to one of them.
 */
static bool
run_together(Ingest *ingest, const bool *pending)
{
	int			nids;
	Datum	   *ids = member_ids(ingest->rows, ingest->n, &nids);
	ErrorData  *error;

	for (;;)
	{
		ingest->batch = store_batch_begin(ingest->program, ids, nids);
		if (ingest_attempt(run_all, ingest, &error))
			return true;
		if (ingest->look_first ||
			error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION)
			return false;
		ingest->look_first = true;
		for (int i = 0; i < ingest->n; i++)
			if (pending[i])
				ingest->rows[i].status = INGEST_PENDING;
	}
}

/* Tries the rows one by one, after they failed together. */
static void
run_each(Ingest *ingest, const bool *pending)
{
	for (int i = 0; i < ingest->n; i++)
	{
		ErrorData  *error;

		if (!pending[i])
			continue;
		ingest->row = &ingest->rows[i];
		ingest->row->status = INGEST_PENDING;
		if (!ingest_attempt(run_one, ingest, &error))
			ingest_reject_error(ingest->row, error);
	}
}

void
ingest_count(const IngestRow *rows, int n, IngestCounts *counts)
{
	for (int i = 0; i < n; i++)
	{
		counts->done += rows[i].status == INGEST_DONE;
		counts->replayed += rows[i].status == INGEST_REPLAYED;
		counts->rejected += rows[i].status == INGEST_REJECTED;
	}
}

/*
 * Records events of one programme; what became of each is left in its row.
 * enroll: whoever has identities that nobody knows becomes a member.  All
 * members stay locked until the transaction ends, whatever becomes of the
 * rows, so that they are locked in ascending order.
 */
void
ingest_rows(const Program *program, IngestRow *rows, int n, bool enroll,
			IngestCounts *counts)
{
	Ingest		ingest = {
		.program = program,
		.n = n,
		.rows = rows,
		.look_first = look_first
	};
	bool	   *pending = palloc(sizeof(bool) * Max(n, 1));

	for (int i = 0; i < n; i++)
		if (rows[i].status == INGEST_PENDING)
			check_row(&rows[i]);
	find_members(program, rows, n, enroll);
	for (int i = 0; i < n; i++)
		pending[i] = rows[i].status == INGEST_PENDING;

	if (!run_together(&ingest, pending))
		run_each(&ingest, pending);

	ingest_count(rows, n, counts);
	look_first = counts->done < n;
}

static Statement insert_rejects = {
	"INSERT INTO loyalty.ingest_reject (reject_id, program_id, source, run_id,"
	" line, member_id, event, ref, reason, code, detail, rejected_at)"
	" SELECT * FROM unnest($1) AS r (reject_id bigint, program_id int,"
	" source text, run_id int, line text, member_id bigint, event text,"
	" ref text, reason text, code text, detail text,"
	" rejected_at timestamptz)",
	1, {RECORDARRAYOID}
};

/* The columns of one of them. */
static Statement insert_reject = {
	NULL, 12, {INT8OID, INT4OID, TEXTOID, INT4OID, TEXTOID, INT8OID, TEXTOID,
	TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
};

/* Writes down the rows that were rejected.  run_id 0: of no run. */
void
ingest_write_rejects(int32 program_id, const char *source, int32 run_id,
					 const IngestRow *rows, int n)
{
	StatementRows rejects;
	NullableDatum array[1];

	rows_begin(&rejects, &insert_reject);
	for (int i = 0; i < n; i++)
	{
		const IngestRow *row = &rows[i];
		NullableDatum args[] = {
			ARG(Int64GetDatum(0)),
			ARG(Int32GetDatum(program_id)),
			ARG(CStringGetTextDatum(source)),
			ARG_OR_NULL(Int32GetDatum(run_id), run_id != 0),
			row->line,
			row->input.member_id,
			row->input.event,
			row->input.ref,
			ARG(CStringGetTextDatum(row->reason ? row->reason : "")),
			ARG(CStringGetTextDatum(row->code ? row->code : "")),
			row->detail ? ARG(CStringGetTextDatum(row->detail)) : NULL_ARG,
			ARG(TimestampTzGetDatum(GetCurrentTimestamp()))
		};

		if (row->status != INGEST_REJECTED)
			continue;
		args[0] = ARG(Int64GetDatum(loyalty_new_id()));
		rows_append(&rejects, args);
	}
	if (rejects.n == 0)
		return;
	array[0] = ARG(rows_array(&rejects));
	statement_run(&insert_rejects, array, false);
}

static Statement update_run = {
	"UPDATE loyalty.ingest_run SET position = coalesce($3, position),"
	" done = done + $4, replayed = replayed + $5, rejected = rejected + $6,"
	" changed_at = $7"
	" WHERE run_id = $1 AND program_id = $2 AND status = 'running'",
	7, {INT4OID, INT4OID, TEXTOID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID}
};

/* Notes how far a load has come; its last row is where it goes on. */
static void
note_progress(int32 program_id, int32 run_id, const IngestRow *rows, int n,
			  const IngestCounts *counts)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(run_id)),
		ARG(Int32GetDatum(program_id)),
		n > 0 ? rows[n - 1].line : NULL_ARG,
		ARG(Int64GetDatum(counts->done)),
		ARG(Int64GetDatum(counts->replayed)),
		ARG(Int64GetDatum(counts->rejected)),
		ARG(TimestampTzGetDatum(GetCurrentTimestamp()))
	};

	if (statement_run(&update_run, args, false) != 1)
		refusal_raise(REFUSAL_SOURCE_INVALID,
					  psprintf("run %d is not running", run_id));
}

/*
 * Ends a batch: writes down what was rejected and how far the run has come,
 * and returns the row of counts.  run_id 0: of no run.
 */
Datum
ingest_end(FunctionCallInfo fcinfo, int32 program_id, const char *source,
		   int32 run_id, const IngestRow *rows, int n)
{
	IngestCounts counts = {0};
	TupleDesc	tupdesc;
	Datum		values[3];
	bool		nulls[3] = {false};

	ingest_count(rows, n, &counts);
	ingest_write_rejects(program_id, source, run_id, rows, n);
	if (run_id != 0)
		note_progress(program_id, run_id, rows, n, &counts);
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "a batch returns a row of counts");
	values[0] = Int64GetDatum(counts.done);
	values[1] = Int64GetDatum(counts.replayed);
	values[2] = Int64GetDatum(counts.rejected);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values,
											 nulls));
}

/* The elements of an array of rows, none of them NULL; their columns. */
HeapTupleHeader *
ingest_elements(ArrayType *array, int ncolumns, TupleDesc *tupdesc, int *n)
{
	Datum	   *elements;
	bool	   *nulls;
	HeapTupleHeader *headers;

	*tupdesc = lookup_rowtype_tupdesc_copy(ARR_ELEMTYPE(array), -1);
	if ((*tupdesc)->natts != ncolumns)
		elog(ERROR, "a row has %d columns, not %d", (*tupdesc)->natts,
			 ncolumns);
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_DOUBLE,
					  &elements, &nulls, n);
	if (*n > MAX_BATCH_ROWS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a batch has at most %d rows", MAX_BATCH_ROWS)));
	headers = palloc(sizeof(HeapTupleHeader) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("a row must not be null")));
		headers[i] = DatumGetHeapTupleHeader(elements[i]);
	}
	return headers;
}

/* The programme that a batch names. */
const Program *
ingest_program(Datum program)
{
	char	   *name = TextDatumGetCString(program);
	const Program *found = program_find(name);

	if (found == NULL)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND, psprintf("program=%s", name));
	return found;
}

/* In the order of loyalty.ingest_row. */
enum ingest_column
{
	COLUMN_LINE,
	COLUMN_MEMBER_ID,
	COLUMN_IDENTITIES,
	COLUMN_EVENT,
	COLUMN_AMOUNT,
	COLUMN_REF,
	COLUMN_ITEMS,
	COLUMN_DATA,
	COLUMN_AT,
	COLUMN_KEY,
	COLUMN_ERROR,
	NCOLUMNS
};

static void
read_row(HeapTupleHeader header, TupleDesc tupdesc, IngestRow *row)
{
	HeapTupleData tuple = {
		.t_len = HeapTupleHeaderGetDatumLength(header),
		.t_data = header
	};
	Datum		values[NCOLUMNS];
	bool		nulls[NCOLUMNS];

	heap_deform_tuple(&tuple, tupdesc, values, nulls);
#define COLUMN(column) ARG_OR_NULL(values[column], !nulls[column])
	row->line = COLUMN(COLUMN_LINE);
	row->identities = COLUMN(COLUMN_IDENTITIES);
	row->input.member_id = COLUMN(COLUMN_MEMBER_ID);
	row->input.event = COLUMN(COLUMN_EVENT);
	row->input.amount = COLUMN(COLUMN_AMOUNT);
	row->input.ref = COLUMN(COLUMN_REF);
	row->input.items = COLUMN(COLUMN_ITEMS);
	row->input.data = COLUMN(COLUMN_DATA);
	row->input.at = COLUMN(COLUMN_AT);
	row->input.key = COLUMN(COLUMN_KEY);
#undef COLUMN
	if (!nulls[COLUMN_ERROR])
		ingest_reject(row, "value_invalid", "22023",
					  clipped(TextDatumGetCString(values[COLUMN_ERROR])));
}

/* The rows of an array of loyalty.ingest_row. */
static IngestRow *
read_rows(ArrayType *array, int *n)
{
	TupleDesc	tupdesc;
	HeapTupleHeader *headers = ingest_elements(array, NCOLUMNS, &tupdesc, n);
	IngestRow  *rows = palloc0(sizeof(IngestRow) * Max(*n, 1));

	for (int i = 0; i < *n; i++)
		read_row(headers[i], tupdesc, &rows[i]);
	return rows;
}

enum batch_arg
{
	BATCH_PROGRAM,
	BATCH_ROWS,
	BATCH_SOURCE,
	BATCH_RUN_ID,
	BATCH_ENROLL,
	BATCH_NARGS
};

/*
 * ingest_batch(program, rows, source, run_id, enroll): records the rows and
 * returns how many were done, replayed and rejected.
 */
Datum
loyalty_ingest_batch(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	IngestCounts counts = {0};
	const Program *program;
	IngestRow  *rows;
	int			n;
	Datum		result;

	require_argument(fcinfo, BATCH_PROGRAM, "program");
	require_argument(fcinfo, BATCH_ROWS, "rows");
	require_argument(fcinfo, BATCH_SOURCE, "source");
	require_argument(fcinfo, BATCH_ENROLL, "enroll");
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	program = ingest_program(PG_GETARG_DATUM(BATCH_PROGRAM));
	rows = read_rows(PG_GETARG_ARRAYTYPE_P(BATCH_ROWS), &n);
	ingest_rows(program, rows, n, PG_GETARG_BOOL(BATCH_ENROLL), &counts);
	result = ingest_end(fcinfo, program->program_id,
						TextDatumGetCString(PG_GETARG_DATUM(BATCH_SOURCE)),
						PG_ARGISNULL(BATCH_RUN_ID) ? 0 :
						PG_GETARG_INT32(BATCH_RUN_ID), rows, n);
	SPI_finish();
	return result;
}
