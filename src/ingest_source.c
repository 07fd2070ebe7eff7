/*
 * ingest_source.c
 *
 * Loads events from a table, batch by batch, with the rights of the caller:
 * reads rows of the source and hands them to ingest_batch(), which has the
 * rights to record them.  Commits after each batch.
 */
#include "ingest.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/itemptr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_ingest_run);
PG_FUNCTION_INFO_V1(loyalty_ingest_run_import);
PG_FUNCTION_INFO_V1(loyalty_ingest_open);
PG_FUNCTION_INFO_V1(loyalty_ingest_position);
PG_FUNCTION_INFO_V1(loyalty_ingest_close);

#define MAX_BATCH 10000

static const char first_position[] = "(0,0)";

/*
 * The run: three functions with the rights of the owner
 */

static Statement select_run = {
	"SELECT run_id, storage FROM loyalty.ingest_run"
	" WHERE program_id = $1 AND source = $2 AND status = 'running' FOR UPDATE",
	2, {INT4OID, TEXTOID}
};

static Statement stop_run = {
	"UPDATE loyalty.ingest_run SET status = 'stopped', changed_at = $2"
	" WHERE run_id = $1",
	2, {INT4OID, TIMESTAMPTZOID}
};

static Statement insert_run = {
	"INSERT INTO loyalty.ingest_run (program_id, source, position, storage,"
	" total, started_at, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $6)"
	" ON CONFLICT (program_id, source) WHERE status = 'running' DO NOTHING"
	" RETURNING run_id",
	6, {INT4OID, TEXTOID, TEXTOID, INT8OID, INT8OID, TIMESTAMPTZOID}
};

static Statement select_position = {
	"SELECT position FROM loyalty.ingest_run"
	" WHERE run_id = $1 AND status = 'running' FOR UPDATE",
	1, {INT4OID}
};

static Statement finish_run = {
	"UPDATE loyalty.ingest_run SET status = 'done', changed_at = $2"
	" WHERE run_id = $1 AND status = 'running'",
	2, {INT4OID, TIMESTAMPTZOID}
};

/* The run of this source that was not finished; 0: none to go on with. */
static int32
unfinished_run(const NullableDatum *args, NullableDatum storage, bool restart)
{
	NullableDatum stop_args[2];
	int32		run_id;
	bool		isnull;
	Datum		stored;

	if (statement_run(&select_run, args, false) == 0)
		return 0;
	run_id = DatumGetInt32(statement_notnull(0, 1));
	stored = statement_value(0, 2, &isnull);
	/* in another file the rows stand elsewhere */
	if (!restart && isnull == storage.isnull &&
		(isnull || DatumGetInt64(stored) == DatumGetInt64(storage.value)))
		return run_id;
	stop_args[0] = ARG(Int32GetDatum(run_id));
	stop_args[1] = ARG(TimestampTzGetDatum(GetCurrentTimestamp()));
	statement_run(&stop_run, stop_args, false);
	return 0;
}

/*
 * ingest_open(program, source, storage, total, restart): the run that goes
 * on, or a new one.
 */
Datum
loyalty_ingest_open(PG_FUNCTION_ARGS)
{
	char	   *name;
	const Program *program;
	int32		run_id;

	require_argument(fcinfo, 0, "program");
	require_argument(fcinfo, 1, "source");
	require_argument(fcinfo, 4, "restart");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	SPI_connect();
	loyalty_check_version();
	program = program_find(name);
	if (program == NULL)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND, psprintf("program=%s", name));
	{
		NullableDatum args[] = {
			ARG(Int32GetDatum(program->program_id)),
			fcinfo->args[1],
			ARG(CStringGetTextDatum(first_position)),
			fcinfo->args[2],
			fcinfo->args[3],
			ARG(TimestampTzGetDatum(GetCurrentTimestamp()))
		};

		run_id = unfinished_run(args, fcinfo->args[2], PG_GETARG_BOOL(4));
		/* another session may begin it at the same time */
		while (run_id == 0)
		{
			CHECK_FOR_INTERRUPTS();
			run_id = statement_run(&insert_run, args, false) == 1 ?
				DatumGetInt32(statement_notnull(0, 1)) :
				unfinished_run(args, fcinfo->args[2], false);
		}
	}
	SPI_finish();
	PG_RETURN_INT32(run_id);
}

/*
 * ingest_position(run_id): where a run goes on, locked; NULL if it is not
 * running any more.
 */
Datum
loyalty_ingest_position(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	text	   *position = NULL;

	require_argument(fcinfo, 0, "run_id");
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	if (statement_run(&select_position, fcinfo->args, false) == 1)
		position = cstring_to_text(statement_text(0, 1));
	SPI_finish();
	if (position == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(position);
}

/* ingest_close(run_id): the source has been read to its end. */
Datum
loyalty_ingest_close(PG_FUNCTION_ARGS)
{
	NullableDatum args[] = {
		fcinfo->args[0],
		ARG(TimestampTzGetDatum(GetCurrentTimestamp()))
	};

	require_argument(fcinfo, 0, "run_id");
	SPI_connect();
	loyalty_check_version();
	statement_run(&finish_run, args, false);
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * The source
 */

/* What a row of loyalty.ingest_row takes from a column of the source. */
typedef struct Field
{
	const char *name;
	Oid			type;
	char	   *column;			/* of the source; NULL: none */
	Oid			column_type;	/* as it was when the load began */
	int			position;		/* in the result, from 1; 0: not there */
	bool		direct;			/* same type, else by its text */
	FmgrInfo	output;
	FmgrInfo	input;
	Oid			ioparam;
} Field;

#define MAX_FIELDS 11

/* What is loaded: the fields of a row, and what takes a batch of them. */
typedef struct LoadKind
{
	const char *row_type;		/* line, the fields, error */
	const char *batch_sql;
	int			nfields;
	Field		fields[MAX_FIELDS];
	/* of each pair the source must have one */
	int			required[2][2];
} LoadKind;

static const LoadKind events = {
	"ingest_row",
	"SELECT done, replayed, rejected"
	" FROM loyalty.ingest_batch($1, $2, $3, $4, $5)",
	9,
	{
		{"member_id", INT8OID},
		{"identities", JSONBOID},
		{"event", TEXTOID},
		{"amount", NUMERICOID},
		{"ref", TEXTOID},
		{"items", JSONBOID},
		{"data", JSONBOID},
		{"at", TIMESTAMPTZOID},
		{"key", TEXTOID}
	},
	{{0, 1}, {4, 8}}
};

#define FIELD_LOTS 9
#define FIELD_NUMBER 10

static const LoadKind members = {
	"import_row",
	"SELECT done, replayed, rejected"
	" FROM loyalty.import_batch($1, $2, $3, $4)",
	11,
	{
		{"identities", JSONBOID},
		{"profile", JSONBOID},
		{"joined_at", TIMESTAMPTZOID},
		{"tier", TEXTOID},
		{"tier_since", DATEOID},
		{"tier_until", DATEOID},
		{"purchases", INT4OID},
		{"first_purchase_at", TIMESTAMPTZOID},
		{"last_purchase_at", TIMESTAMPTZOID},
		[FIELD_LOTS] = {"lots", JSONBOID},
		[FIELD_NUMBER] = {"number", TEXTOID}
	},
	{{0, 0}, {0, 0}}
};

typedef struct Source
{
	const LoadKind *kind;
	Oid			relid;
	Oid			lots;			/* table of lots, or none */
	char	   *name;			/* schema and name, for people and messages */
	char	   *sql;
	bool		by_position;	/* a plain table: rows are found by ctid */
	NullableDatum storage;		/* bigint: the file in which its rows are */
	Field		fields[MAX_FIELDS];
	Portal		portal;			/* else */
	int64		nread;			/* else: rows read so far */
	TupleDesc	row_tupdesc;	/* of loyalty.ingest_row */

	/* a batch */
	int			n;
	Datum	   *lines;			/* text */
	Datum	   *rows;			/* ingest_row */
	ItemPointerData last;		/* where the last row stood */
	/* what is being converted */
	int			row;
	int			field;
	NullableDatum values[MAX_FIELDS];
} Source;

static void
source_error(const Source *source, const char *detail)
{
	ereport(ERROR,
			(errcode(refusal_sqlstate(REFUSAL_SOURCE_INVALID)),
			 errmsg("%s", refusal_text(REFUSAL_SOURCE_INVALID)->message),
			 errdetail("source=%s %s", source->name, detail)));
}

/* The column that `columns` names for a field; its own name if it does not. */
static char *
mapped_column(Jsonb *columns, const char *field, bool *mapped)
{
	JsonbValue	buffer;
	JsonbValue *value = columns == NULL ? NULL :
		getKeyJsonValueFromContainer(&columns->root, field, strlen(field),
									 &buffer);

	*mapped = value != NULL;
	if (value == NULL)
		return pstrdup(field);
	if (value->type == jbvNull)
		return NULL;
	if (value->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("columns must name columns")));
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static void
check_columns(const LoadKind *kind, Jsonb *columns)
{
	JsonbIterator *iterator;
	JsonbValue	key;
	JsonbIteratorToken token;

	if (columns == NULL)
		return;
	if (!JB_ROOT_IS_OBJECT(columns))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("columns must be a json object")));
	iterator = JsonbIteratorInit(&columns->root);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		bool		known = false;

		if (token != WJB_KEY)
			continue;
		for (int i = 0; i < kind->nfields; i++)
			known |= strlen(kind->fields[i].name) == key.val.string.len &&
				memcmp(kind->fields[i].name, key.val.string.val,
					   key.val.string.len) == 0;
		if (!known)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("columns has a field that is not known: \"%s\"",
							clipped(pnstrdup(key.val.string.val,
											 key.val.string.len)))));
	}
}

/* Which columns of the source there are, and how they become fields. */
static void
find_fields(Source *source, Jsonb *columns)
{
	int			position = 1;	/* after the ctid */

	memcpy(source->fields, source->kind->fields, sizeof(source->fields));
	for (int i = 0; i < source->kind->nfields; i++)
	{
		Field	   *field = &source->fields[i];
		bool		mapped;
		AttrNumber	attnum;
		Oid			type;
		Oid			function;
		bool		varlena;

		field->column = mapped_column(columns, field->name, &mapped);
		if (field->column == NULL)
			continue;
		if (i == FIELD_LOTS && OidIsValid(source->lots))
		{
			field->column = NULL;
			continue;
		}
		attnum = get_attnum(source->relid, field->column);
		if (attnum <= 0)
		{
			if (mapped)
				source_error(source, psprintf("column=%s", field->column));
			field->column = NULL;
			continue;
		}
		field->position = ++position;
		field->column_type = get_atttype(source->relid, attnum);
		type = getBaseType(field->column_type);
		field->direct = type == field->type ||
			(field->type == TEXTOID && type == VARCHAROID);
		if (field->direct)
			continue;
		getTypeOutputInfo(type, &function, &varlena);
		fmgr_info(function, &field->output);
		getTypeInputInfo(field->type, &function, &field->ioparam);
		fmgr_info(function, &field->input);
	}
	if (OidIsValid(source->lots))
	{
		source->fields[FIELD_LOTS].position = ++position;
		source->fields[FIELD_LOTS].column_type = JSONBOID;
		source->fields[FIELD_LOTS].direct = true;
	}
	for (int i = 0; i < lengthof(source->kind->required); i++)
	{
		const int  *pair = source->kind->required[i];

		if (source->fields[pair[0]].position == 0 &&
			source->fields[pair[1]].position == 0)
			source_error(source, psprintf("column=%s",
										  source->fields[pair[0]].name));
	}
}

static char *
relation_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

/*
 * A column of lots, gathered from their own table by the member's number;
 * its columns have the names of a lot's fields.
 */
static void
append_lots(StringInfo sql, Source *source)
{
	static const char *const fields[] = {
		"unit", "amount", "expires_on", "vests_on", "origin"
	};
	const char *separator = "";
	char	   *number = source->fields[FIELD_NUMBER].column;

	if (number == NULL || get_attnum(source->lots, "number") <= 0 ||
		get_attnum(source->lots, "unit") <= 0 ||
		get_attnum(source->lots, "amount") <= 0)
		source_error(source, "lots need number, unit and amount");
	appendStringInfoString(sql, ", (SELECT pg_catalog.jsonb_agg("
						   "pg_catalog.jsonb_build_object(");
	for (int i = 0; i < lengthof(fields); i++)
		if (get_attnum(source->lots, fields[i]) > 0)
		{
			appendStringInfo(sql, "%s'%s', l.%s", separator, fields[i],
							 fields[i]);
			separator = ", ";
		}
	appendStringInfo(sql, ")) FROM %s l WHERE l.number = s.%s)",
					 relation_name(source->lots), quote_identifier(number));
}

/*
 * The statement that reads it.  A plain table is read in the order of its
 * ctid, from a position on; anything else in whatever order it comes.
 */
static void
build_select(Source *source)
{
	StringInfoData sql;
	char	   *relation = relation_name(source->relid);

	initStringInfo(&sql);
	appendStringInfoString(&sql, source->by_position ?
						   "SELECT s.ctid" : "SELECT NULL");
	for (int i = 0; i < source->kind->nfields; i++)
		if (source->fields[i].column != NULL)
			appendStringInfo(&sql, ", s.%s",
							 quote_identifier(source->fields[i].column));
	if (OidIsValid(source->lots))
		append_lots(&sql, source);
	appendStringInfo(&sql, " FROM %s%s s",
					 source->by_position ? "ONLY " : "", relation);
	if (source->by_position)
		appendStringInfoString(&sql, " WHERE s.ctid OPERATOR(pg_catalog.>) $1"
							   " LIMIT $2");
	source->sql = sql.data;
	source->name = relation;
}

static void
describe_source(Source *source, const LoadKind *load_kind, Oid relid,
				Oid lots, Jsonb *columns)
{
	char		kind = get_rel_relkind(relid);
	Oid			row_type;

	source->kind = load_kind;
	source->relid = relid;
	source->lots = lots;
	source->name = get_rel_name(relid);
	if (source->name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (strchr("rmvpf", kind) == NULL)
		source_error(source, "it is not a table or view");
	source->by_position = (kind == RELKIND_RELATION ||
						   kind == RELKIND_MATVIEW) &&
		!has_subclass(relid);
	check_columns(source->kind, columns);
	find_fields(source, columns);
	build_select(source);
	row_type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
							   CStringGetDatum(load_kind->row_type),
							   ObjectIdGetDatum(get_namespace_oid("loyalty",
																  false)));
	source->row_tupdesc = lookup_rowtype_tupdesc_copy(row_type, -1);
}

/* Reads the next rows, which are then in SPI_tuptable. */
static uint64
fetch(Source *source, const char *position, int batch)
{
	Oid			types[] = {TIDOID, INT8OID};
	Datum		values[2];
	int			nest;
	int			result;

	if (!source->by_position)
	{
		SPI_cursor_fetch(source->portal, true, batch);
		return SPI_processed;
	}

	/* one process, from the first page to the last */
	nest = NewGUCNestLevel();
	set_config_option("synchronize_seqscans", "off", PGC_USERSET,
					  PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	set_config_option("max_parallel_workers_per_gather", "0", PGC_USERSET,
					  PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	values[0] = DirectFunctionCall1(tidin, CStringGetDatum(position));
	values[1] = Int64GetDatum(batch);
	ItemPointerSetInvalid(&source->last);
	result = SPI_execute_with_args(source->sql, lengthof(types), types,
								   values, NULL, false, 0);
	AtEOXact_GUC(true, nest);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not read the source: %s",
			 SPI_result_code_string(result));
	return SPI_processed;
}

/* A row of loyalty.ingest_row: its line, and its fields or an error. */
static Datum
make_row(const Source *source, Datum line, const NullableDatum *fields,
		 const char *error)
{
	int			nfields = source->kind->nfields;
	Datum		values[1 + MAX_FIELDS + 1];
	bool		nulls[1 + MAX_FIELDS + 1];

	values[0] = line;
	nulls[0] = false;
	for (int i = 0; i < nfields; i++)
	{
		values[1 + i] = fields[i].value;
		nulls[1 + i] = fields[i].isnull;
	}
	nulls[1 + nfields] = error == NULL;
	if (error != NULL)
		values[1 + nfields] = CStringGetTextDatum(error);
	return HeapTupleGetDatum(heap_form_tuple(source->row_tupdesc, values,
											 nulls));
}

/* Where a row stands: what a load goes on after. */
static Datum
row_line(Source *source, uint64 row)
{
	ItemPointer ctid;

	source->nread++;
	if (!source->by_position)
		return CStringGetTextDatum(psprintf(INT64_FORMAT, source->nread));
	ctid = (ItemPointer) DatumGetPointer(statement_notnull(row, 1));
	if (ItemPointerIsValid(&source->last) &&
		ItemPointerCompare(ctid, &source->last) <= 0)
		elog(ERROR, "the rows of %s did not come in their order",
			 source->name);
	source->last = *ctid;
	return CStringGetTextDatum(psprintf("(%u,%u)",
										ItemPointerGetBlockNumber(ctid),
										ItemPointerGetOffsetNumber(ctid)));
}

/* Converts the current field of the current row, or raises why it cannot. */
static void
convert_field(void *argument)
{
	Source	   *source = argument;
	Field	   *field = &source->fields[source->field];
	NullableDatum *value = &source->values[source->field];

	*value = NULL_ARG;
	if (field->position == 0)
		return;
	value->value = statement_value(source->row, field->position,
								   &value->isnull);
	if (value->isnull || field->direct)
		return;
	/* if it fails, there is no value */
	value->isnull = true;
	value->value =
		InputFunctionCall(&field->input,
						  OutputFunctionCall(&field->output, value->value),
						  field->ioparam, -1);
	value->isnull = false;
}

static void
keep_row(Source *source, const char *error)
{
	source->rows[source->row] = make_row(source, source->lines[source->row],
										 source->values, error);
}

static void
convert_all(void *argument)
{
	Source	   *source = argument;

	for (source->row = 0; source->row < source->n; source->row++)
	{
		CHECK_FOR_INTERRUPTS();
		for (source->field = 0; source->field < source->kind->nfields;
			 source->field++)
			convert_field(source);
		keep_row(source, NULL);
	}
}

/* Converts the fields of the current row one by one, as far as they can be. */
static void
convert_each(Source *source)
{
	const char *failed = NULL;

	for (source->field = 0; source->field < source->kind->nfields;
		 source->field++)
	{
		const Field *field = &source->fields[source->field];
		ErrorData  *error;

		if (!ingest_attempt(convert_field, source, &error) && failed == NULL)
			failed = psprintf("column %s is not of type %s", field->column,
							  format_type_be(field->type));
	}
	keep_row(source, failed);
}

/* The file of a table and how many rows it seems to have; NULL for others. */
static void
measure(const Source *source, NullableDatum *storage, NullableDatum *total)
{
	HeapTuple	tuple;
	float4		estimate;

	*storage = NULL_ARG;
	*total = NULL_ARG;
	if (!source->by_position)
		return;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(source->relid));
	if (!HeapTupleIsValid(tuple))
		return;
	estimate = ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
	*storage = ARG(Int64GetDatum(((Form_pg_class) GETSTRUCT(tuple))->relfilenode));
	*total = ARG_OR_NULL(Int64GetDatum((int64) estimate), estimate >= 0);
	ReleaseSysCache(tuple);
}

/*
 * Between batches nobody keeps the source as it was.  What was read now is of
 * the columns and stands in the file that the load began with, or it ends.
 */
static void
check_unchanged(const Source *source)
{
	NullableDatum storage;
	NullableDatum total;

	if (!source->by_position)
		return;
	for (int i = 0; i < source->kind->nfields; i++)
	{
		const Field *field = &source->fields[i];

		if (field->position != 0 &&
			SPI_gettypeid(SPI_tuptable->tupdesc,
						  field->position) != field->column_type)
			source_error(source, psprintf("column=%s has another type now",
										  field->column));
	}
	measure(source, &storage, &total);
	if (storage.isnull ||
		DatumGetInt64(storage.value) != DatumGetInt64(source->storage.value))
		source_error(source, "it was rewritten while it was read");
}

/*
 * Turns what was read into rows of loyalty.ingest_row.  One whose values
 * cannot be converted is passed on with the error.
 */
static void
convert(Source *source)
{
	ErrorData  *error;

	source->lines = palloc(sizeof(Datum) * source->n);
	source->rows = palloc(sizeof(Datum) * source->n);
	for (int i = 0; i < source->n; i++)
		source->lines[i] = row_line(source, i);
	if (ingest_attempt(convert_all, source, &error))
		return;
	for (source->row = 0; source->row < source->n; source->row++)
		convert_each(source);
}

/*
 * The load
 */

typedef struct Load
{
	Datum		program;		/* text */
	Datum		enroll;
	int			batch;
	bool		atomic;			/* called in a transaction block */
	int32		run_id;
	Source		source;
	MemoryContext context;		/* of one batch */
} Load;

/* One call of a function of ours; its result is in SPI_tuptable. */
static void
call(const char *sql, int nargs, Oid *types, NullableDatum *args)
{
	Datum		values[5];
	char		nulls[5];

	for (int i = 0; i < nargs; i++)
	{
		values[i] = args[i].value;
		nulls[i] = args[i].isnull ? 'n' : ' ';
	}
	if (SPI_execute_with_args(sql, nargs, types, values, nulls, false,
							  0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not run \"%s\"", sql);
}

static void
open_run(Load *load, bool restart)
{
	Oid			types[] = {TEXTOID, TEXTOID, INT8OID, INT8OID, BOOLOID};
	NullableDatum args[5];

	args[0] = ARG(load->program);
	args[1] = ARG(CStringGetTextDatum(load->source.name));
	measure(&load->source, &args[2], &args[3]);
	load->source.storage = args[2];
	args[4] = ARG(BoolGetDatum(restart));
	call("SELECT loyalty.ingest_open($1, $2, $3, $4, $5)", 5, types, args);
	load->run_id = DatumGetInt32(statement_notnull(0, 1));
	if (!load->source.by_position)
		load->source.portal =
			SPI_cursor_open_with_args(NULL, load->source.sql, 0, NULL, NULL,
									  NULL, false,
									  CURSOR_OPT_HOLD | CURSOR_OPT_NO_SCROLL);
}

static void
close_run(Load *load)
{
	Oid			types[] = {INT4OID};
	NullableDatum args[] = {ARG(Int32GetDatum(load->run_id))};

	call("SELECT loyalty.ingest_close($1)", 1, types, args);
}

/* Where to go on; NULL if the run was begun anew by somebody else. */
static char *
find_position(Load *load)
{
	Oid			types[] = {INT4OID};
	NullableDatum args[] = {ARG(Int32GetDatum(load->run_id))};

	call("SELECT loyalty.ingest_position($1)", 1, types, args);
	return statement_text(0, 1);
}

static void
record_rows(Load *load)
{
	Source	   *source = &load->source;
	Oid			row_type = source->row_tupdesc->tdtypeid;
	Oid			types[] = {TEXTOID, get_array_type(row_type), TEXTOID,
	INT4OID, BOOLOID};
	NullableDatum args[] = {
		ARG(load->program),
		ARG(array_of(source->rows, source->n, row_type)),
		ARG(CStringGetTextDatum(source->name)),
		ARG(Int32GetDatum(load->run_id)),
		ARG(load->enroll)
	};

	call(source->kind->batch_sql, source->kind == &events ? 5 : 4, types,
		 args);
}

/* Loads the next batch; false at the end. */
static bool
load_batch(Load *load)
{
	Source	   *source = &load->source;
	char	   *position = find_position(load);
	SPITupleTable *read;

	if (position == NULL)
		return false;
	source->n = fetch(source, position, load->batch);
	read = SPI_tuptable;
	if (source->n == 0)
	{
		close_run(load);
		return false;
	}
	check_unchanged(source);
	convert(source);
	SPI_freetuptable(read);
	record_rows(load);
	SPI_freetuptable(SPI_tuptable);
	return true;
}

static void
commit(const Load *load)
{
	if (!load->atomic)
		SPI_commit();
}

static void
run(Load *load, bool restart)
{
	MemoryContext outer = CurrentMemoryContext;
	bool		more = true;

	open_run(load, restart);
	commit(load);
	while (more)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(load->context);
		more = load_batch(load);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(load->context);
		commit(load);
	}
}

/* Is the procedure called in a transaction block, where it cannot commit? */
static bool
is_atomic(FunctionCallInfo fcinfo)
{
	return fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic;
}

/* Runs a load from its start, or from where it stopped, to its end. */
static void
run_load(Load *load, const LoadKind *kind, Oid relid, Oid lots,
		 Jsonb *columns, bool restart)
{
	if (load->batch < 1 || load->batch > MAX_BATCH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch must be between 1 and %d", MAX_BATCH)));
	SPI_connect_ext(load->atomic ? 0 : SPI_OPT_NONATOMIC);
	loyalty_check_version();
	/* arguments may not outlive the first commit */
	load->program = PointerGetDatum(DatumGetTextPCopy(load->program));
	load->context = AllocSetContextCreate(CurrentMemoryContext,
										  "loyalty ingest",
										  ALLOCSET_DEFAULT_SIZES);
	describe_source(&load->source, kind, relid, lots, columns);
	PG_TRY();
	{
		run(load, restart);
	}
	PG_FINALLY();
	{
		/* it outlives the transaction */
		if (load->source.portal != NULL)
			SPI_cursor_close(load->source.portal);
	}
	PG_END_TRY();
	SPI_finish();
}

static void
require_arguments(FunctionCallInfo fcinfo, int nullable, int also_nullable)
{
	for (int i = 0; i < PG_NARGS(); i++)
		if (PG_ARGISNULL(i) && i != nullable && i != also_nullable)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument %d must not be null", i + 1)));
}

enum ingest_arg
{
	INGEST_PROGRAM,
	INGEST_SOURCE,
	INGEST_BATCH,
	INGEST_COLUMNS,
	INGEST_ENROLL,
	INGEST_RESTART
};

/* ingest(program, source, batch, columns, enroll, restart) */
Datum
loyalty_ingest_run(PG_FUNCTION_ARGS)
{
	Load		load = {0};

	require_arguments(fcinfo, INGEST_COLUMNS, INGEST_COLUMNS);
	load.program = PG_GETARG_DATUM(INGEST_PROGRAM);
	load.enroll = PG_GETARG_DATUM(INGEST_ENROLL);
	load.batch = PG_GETARG_INT32(INGEST_BATCH);
	load.atomic = is_atomic(fcinfo);
	run_load(&load, &events, PG_GETARG_OID(INGEST_SOURCE), InvalidOid,
			 PG_ARGISNULL(INGEST_COLUMNS) ? NULL :
			 PG_GETARG_JSONB_P_COPY(INGEST_COLUMNS),
			 PG_GETARG_BOOL(INGEST_RESTART));
	PG_RETURN_VOID();
}

enum import_arg
{
	IMPORT_PROGRAM,
	IMPORT_SOURCE,
	IMPORT_LOTS,
	IMPORT_BATCH,
	IMPORT_COLUMNS,
	IMPORT_RESTART
};

/* import_members(program, source, lots, batch, columns, restart) */
Datum
loyalty_ingest_run_import(PG_FUNCTION_ARGS)
{
	Load		load = {0};

	require_arguments(fcinfo, IMPORT_LOTS, IMPORT_COLUMNS);
	load.program = PG_GETARG_DATUM(IMPORT_PROGRAM);
	load.batch = PG_GETARG_INT32(IMPORT_BATCH);
	load.atomic = is_atomic(fcinfo);
	run_load(&load, &members, PG_GETARG_OID(IMPORT_SOURCE),
			 PG_ARGISNULL(IMPORT_LOTS) ? InvalidOid :
			 PG_GETARG_OID(IMPORT_LOTS),
			 PG_ARGISNULL(IMPORT_COLUMNS) ? NULL :
			 PG_GETARG_JSONB_P_COPY(IMPORT_COLUMNS),
			 PG_GETARG_BOOL(IMPORT_RESTART));
	PG_RETURN_VOID();
}
