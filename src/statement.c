/*
 * statement.c
 *
 * Runs constant SQL through plans that are kept for the session.  The text
 * never changes, so PostgreSQL's plan cache alone keeps the plans valid;
 * only the oid of loyalty.wallet, a parameter type, has to be watched.
 */
#include "statement.h"

#include "commands/trigger.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/typcache.h"

static Oid
argument_type(Oid type)
{
	switch (type)
	{
		case WALLET_TYPE:
			return loyalty_types()->wallet;
		case ENTRIES_TYPE:
			return loyalty_types()->entry_array;
		default:
			return type;
	}
}

/*
 * Plans the statement if this session has not done so, or not since the
 * extension was last created.  A generic plan, because every hot statement
 * finds its rows by primary key.
 */
static void
prepare(Statement *statement)
{
	Oid			argtypes[STATEMENT_MAX_ARGS];
	SPIPlanPtr	plan;

	if (statement->plan != NULL)
	{
		if (statement->wallet_type == InvalidOid ||
			statement->wallet_type == loyalty_types()->wallet)
			return;
		SPI_freeplan(statement->plan);
		statement->plan = NULL;
	}
	statement->wallet_type = InvalidOid;
	for (int i = 0; i < statement->nargs; i++)
	{
		argtypes[i] = argument_type(statement->argtypes[i]);
		if (argtypes[i] != statement->argtypes[i])
			statement->wallet_type = loyalty_types()->wallet;
	}

	plan = SPI_prepare_cursor(statement->sql, statement->nargs, argtypes,
							  CURSOR_OPT_GENERIC_PLAN);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare \"%s\"", statement->sql);
	statement->plan = plan;
}

/*
 * Runs a statement and returns the number of rows; they are in SPI_tuptable
 * until the next statement.  read_only: with the caller's snapshot, for
 * STABLE functions; otherwise with a new one, or with the one that is given.
 */
static uint64
run(Statement *statement, const NullableDatum *args, bool read_only,
	Snapshot snapshot)
{
	/* SPI leaves its own context current, which SPI_finish() frees */
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[STATEMENT_MAX_ARGS];
	char		nulls[STATEMENT_MAX_ARGS];
	int			result;

	prepare(statement);
	for (int i = 0; i < statement->nargs; i++)
	{
		values[i] = args[i].value;
		nulls[i] = args[i].isnull ? 'n' : ' ';
	}
	result = snapshot == InvalidSnapshot ?
		SPI_execute_plan(statement->plan, values, nulls, read_only, 0) :
		SPI_execute_snapshot(statement->plan, values, nulls, snapshot,
							 InvalidSnapshot, read_only, true, 0);
	MemoryContextSwitchTo(caller);
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", statement->sql,
			 SPI_result_code_string(result));
	return SPI_processed;
}

uint64
statement_run(Statement *statement, const NullableDatum *args, bool read_only)
{
	return run(statement, args, read_only, InvalidSnapshot);
}

uint64
statement_run_at(Statement *statement, const NullableDatum *args,
				 Snapshot snapshot)
{
	return run(statement, args, false, snapshot);
}

Datum
statement_keep(FunctionCallInfo fcinfo, Statement *statement)
{
	NullableDatum args[] = {ARG(TimestampTzGetDatum(loyalty_clock()))};

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called as a trigger")));
	SPI_connect();
	if (SPI_register_trigger_data((TriggerData *) fcinfo->context) < 0)
		elog(ERROR, "could not register the transition table");
	statement_run(statement, args, false);
	SPI_finish();
	return PointerGetDatum(NULL);
}

/* A column of a row of a trigger. */
NullableDatum
statement_column(const struct TriggerData *trigger, HeapTuple row, const char *name)
{
	TupleDesc	tupdesc = RelationGetDescr(trigger->tg_relation);
	NullableDatum value;

	value.value = SPI_getbinval(row, tupdesc, SPI_fnumber(tupdesc, name),
								&value.isnull);
	return value;
}

/*
 * Runs work in a subtransaction, which stays if the work returns true, and is
 * undone with its locks if it returns false or raises an error.  Returns the
 * error, NULL if there was none.
 */
ErrorData *
statement_catch(bool (*work) (void *argument), void *argument, bool *stayed)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;
	volatile bool stays = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		stays = work(argument);
		if (stays)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	*stayed = stays && error == NULL;
	return error;
}

/* The same; an error is raised on.  Returns what the work returned. */
bool
statement_attempt(bool (*work) (void *argument), void *argument)
{
	bool		stayed;
	ErrorData  *error = statement_catch(work, argument, &stayed);

	if (error != NULL)
		ReThrowError(error);
	return stayed;
}

bool
statement_is_transient(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE ||
		error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
		error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		error->sqlerrcode == ERRCODE_QUERY_CANCELED;
}

/* PostgreSQL quotes a value that it cannot read after a colon. */
char *
statement_error_text(const ErrorData *error)
{
	char	   *message = pstrdup(clipped(error->message));
	char	   *colon = strchr(message, ':');

	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_DATA_EXCEPTION &&
		colon != NULL)
		*colon = '\0';
	return message;
}

/* A column (from 1) of a row (from 0) of the last result. */
Datum
statement_value(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 column, isnull);
}

/* The same for a column that cannot be NULL. */
Datum
statement_notnull(uint64 row, int column)
{
	bool		isnull;
	Datum		value = statement_value(row, column, &isnull);

	if (isnull)
		elog(ERROR, "unexpected NULL in column %d", column);
	return value;
}

/* A column as a C string in the current context, NULL for NULL. */
char *
statement_text(uint64 row, int column)
{
	bool		isnull;
	Datum		value = statement_value(row, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

int32
statement_int32_or(uint64 row, int column, int32 otherwise)
{
	bool		isnull;
	Datum		value = statement_value(row, column, &isnull);

	return isnull ? otherwise : DatumGetInt32(value);
}

int64
statement_int64_or(uint64 row, int column, int64 otherwise)
{
	bool		isnull;
	Datum		value = statement_value(row, column, &isnull);

	return isnull ? otherwise : DatumGetInt64(value);
}

DateADT
statement_date_or(uint64 row, int column, DateADT otherwise)
{
	bool		isnull;
	Datum		value = statement_value(row, column, &isnull);

	return isnull ? otherwise : DatumGetDateADT(value);
}

TimestampTz
statement_time_or(uint64 row, int column, TimestampTz otherwise)
{
	bool		isnull;
	Datum		value = statement_value(row, column, &isnull);

	return isnull ? otherwise : DatumGetTimestampTz(value);
}

/* A jsonb, array, bytea ... in the current context, NULL for NULL. */
struct varlena *
statement_varlena(uint64 row, int column)
{
	bool		isnull;
	Datum		value = statement_value(row, column, &isnull);

	return isnull ? NULL :
		pg_detoast_datum_copy((struct varlena *) DatumGetPointer(value));
}

/*
 * The elements of an array (NULL: none) in the current context; -1 if one of
 * them is NULL.
 */
int
array_elements(ArrayType *array, Oid type, Datum **elements)
{
	int16		length;
	bool		by_value;
	char		align;
	bool	   *nulls;
	int			n;

	*elements = NULL;
	if (array == NULL)
		return 0;
	get_typlenbyvalalign(type, &length, &by_value, &align);
	deconstruct_array(array, type, length, by_value, align, elements, &nulls,
					  &n);
	for (int i = 0; i < n; i++)
		if (nulls[i])
			return -1;
	return n;
}

/* An array of values, none of them NULL, in the current context. */
Datum
array_of(const Datum *elements, int n, Oid type)
{
	int16		length;
	bool		by_value;
	char		align;

	get_typlenbyvalalign(type, &length, &by_value, &align);
	return PointerGetDatum(construct_array(unconstify(Datum *, elements), n,
										   type, length, by_value, align));
}

/* Texts in the current context; NULL for NULL. */
NameList *
statement_names(uint64 row, int column)
{
	ArrayType  *array = (ArrayType *) statement_varlena(row, column);
	NameList   *list;
	Datum	   *names;

	if (array == NULL)
		return NULL;
	list = palloc(sizeof(NameList));
	list->n = array_elements(array, TEXTOID, &names);
	if (list->n < 0)
		elog(ERROR, "unexpected NULL in an array");
	list->names = palloc(sizeof(char *) * Max(list->n, 1));
	for (int i = 0; i < list->n; i++)
		list->names[i] = TextDatumGetCString(names[i]);
	return list;
}

bool
name_listed(const NameList *list, const char *name)
{
	for (int i = 0; i < list->n; i++)
		if (strcmp(list->names[i], name) == 0)
			return true;
	return false;
}

bool
text_listed(const NameList *list, const text *name)
{
	if (name == NULL)
		return false;
	for (int i = 0; i < list->n; i++)
		if (strlen(list->names[i]) == VARSIZE_ANY_EXHDR(name) &&
			memcmp(list->names[i], VARDATA_ANY(name),
				   VARSIZE_ANY_EXHDR(name)) == 0)
			return true;
	return false;
}

/* The index of a word in a list of words. */
int
word_of(const char *word, const char *const *words, int nwords)
{
	for (int i = 0; i < nwords; i++)
		if (strcmp(word, words[i]) == 0)
			return i;
	elog(ERROR, "unknown word \"%s\"", word);
}

/*
 * No rows yet, of the shape of a statement's arguments; they are kept in the
 * current context.
 */
void
rows_begin(StatementRows *rows, const Statement *single)
{
	memset(rows, 0, sizeof(StatementRows));
	rows->context = CurrentMemoryContext;
	rows->type = RECORDOID;
	rows->ncolumns = single->nargs;
	rows->tupdesc = CreateTemplateTupleDesc(single->nargs);
	for (int i = 0; i < single->nargs; i++)
		TupleDescInitEntry(rows->tupdesc, i + 1, NULL,
						   argument_type(single->argtypes[i]), -1, 0);
	rows->tupdesc = BlessTupleDesc(rows->tupdesc);
}

/*
 * The same of a table, given the type of its rows and how many columns are
 * given of each; those that somebody has added are NULL.
 */
void
rows_begin_of(StatementRows *rows, Oid type, int ncolumns)
{
	memset(rows, 0, sizeof(StatementRows));
	rows->context = CurrentMemoryContext;
	rows->type = type;
	rows->ncolumns = ncolumns;
	rows->tupdesc = lookup_rowtype_tupdesc_copy(type, -1);
	if (rows->tupdesc->natts < ncolumns ||
		rows->tupdesc->natts > STATEMENT_MAX_ARGS)
		elog(ERROR, "the type %u has %d columns, not %d", type,
			 rows->tupdesc->natts, ncolumns);
}

/* Appends a row, given as the arguments of that statement. */
void
rows_append(StatementRows *rows, const NullableDatum *args)
{
	MemoryContext caller = MemoryContextSwitchTo(rows->context);
	Datum		values[STATEMENT_MAX_ARGS];
	bool		nulls[STATEMENT_MAX_ARGS];

	for (int i = 0; i < rows->tupdesc->natts; i++)
	{
		values[i] = i < rows->ncolumns ? args[i].value : (Datum) 0;
		nulls[i] = i < rows->ncolumns ? args[i].isnull : true;
	}
	if (rows->n == rows->capacity)
	{
		rows->capacity = Max(16, rows->capacity * 2);
		rows->rows = rows->rows == NULL ?
			palloc(sizeof(Datum) * rows->capacity) :
			repalloc_huge(rows->rows, sizeof(Datum) * rows->capacity);
	}
	rows->rows[rows->n++] =
		HeapTupleGetDatum(heap_form_tuple(rows->tupdesc, values, nulls));
	MemoryContextSwitchTo(caller);
}

typedef struct KeyedRow
{
	int64		key;
	int			position;
	Datum		row;
} KeyedRow;

static int
compare_keys(const void *a, const void *b)
{
	const KeyedRow *x = a;
	const KeyedRow *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->position < y->position ? -1 : 1;
}

/*
 * Sorts the rows by their first column, a bigint, and leaves those that are
 * alike in their order.  What is written in the order of an index finds its
 * pages in the processor's cache.
 */
void
rows_sort(StatementRows *rows)
{
	KeyedRow   *keyed = palloc(sizeof(KeyedRow) * Max(rows->n, 1));

	for (int i = 0; i < rows->n; i++)
	{
		HeapTupleHeader header = DatumGetHeapTupleHeader(rows->rows[i]);

		keyed[i].key = *(int64 *) ((char *) header + header->t_hoff);
		keyed[i].position = i;
		keyed[i].row = rows->rows[i];
	}
	qsort(keyed, rows->n, sizeof(KeyedRow), compare_keys);
	for (int i = 0; i < rows->n; i++)
		rows->rows[i] = keyed[i].row;
	pfree(keyed);
}

/* The rows as an argument. */
Datum
rows_array(const StatementRows *rows)
{
	return array_of(rows->rows, rows->n, rows->type);
}
