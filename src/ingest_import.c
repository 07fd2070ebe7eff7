/*
 * ingest_import.c
 *
 * Takes over members in batches: each as import_member() would, in a
 * subtransaction of its own, so that one that cannot be read stops no other.
 */
#include "ingest.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_ingest_import);

/* In the order of loyalty.import_row. */
enum import_column
{
	COLUMN_LINE,
	COLUMN_IDENTITIES,
	COLUMN_PROFILE,
	COLUMN_JOINED_AT,
	COLUMN_TIER,
	COLUMN_TIER_SINCE,
	COLUMN_TIER_UNTIL,
	COLUMN_PURCHASES,
	COLUMN_FIRST_PURCHASE_AT,
	COLUMN_LAST_PURCHASE_AT,
	COLUMN_LOTS,
	COLUMN_NUMBER,
	COLUMN_ERROR,
	NCOLUMNS
};

typedef struct Import
{
	Datum		program;		/* text */
	HeapTupleHeader header;
	TupleDesc	tupdesc;
	IngestRow  *row;
} Import;

static void
push_field(JsonbParseState **state, const char *name, JsonbValue *value)
{
	JsonbValue	key;

	key.type = jbvString;
	key.val.string.val = unconstify(char *, name);
	key.val.string.len = strlen(name);
	pushJsonbValue(state, WJB_KEY, &key);
	pushJsonbValue(state, WJB_VALUE, value);
}

/* A column as a field of the state: text, int, date, timestamptz or jsonb. */
static void
push_column(JsonbParseState **state, const char *name, Datum value, Oid type)
{
	JsonbValue	field;
	Jsonb	   *json;

	switch (type)
	{
		case INT4OID:
			field.type = jbvNumeric;
			field.val.numeric = int64_to_numeric(DatumGetInt32(value));
			break;
		case JSONBOID:
			json = DatumGetJsonbP(value);
			field.type = jbvBinary;
			field.val.binary.data = &json->root;
			field.val.binary.len = VARSIZE(json) - VARHDRSZ;
			break;
		case TEXTOID:
			field.type = jbvString;
			field.val.string.val = TextDatumGetCString(value);
			field.val.string.len = strlen(field.val.string.val);
			break;
		default:
			field.type = jbvString;
			field.val.string.val = JsonEncodeDateTime(NULL, value, type, NULL);
			field.val.string.len = strlen(field.val.string.val);
			break;
	}
	push_field(state, name, &field);
}

/* The argument `state` of import_member(). */
static Jsonb *
make_state(const Datum *values, const bool *nulls)
{
	static const struct
	{
		int			column;
		const char *name;
		Oid			type;
	}			fields[] = {
		{COLUMN_TIER, "tier", TEXTOID},
		{COLUMN_TIER_SINCE, "tier_since", DATEOID},
		{COLUMN_TIER_UNTIL, "tier_until", DATEOID},
		{COLUMN_PURCHASES, "purchases", INT4OID},
		{COLUMN_FIRST_PURCHASE_AT, "first_purchase_at", TIMESTAMPTZOID},
		{COLUMN_LAST_PURCHASE_AT, "last_purchase_at", TIMESTAMPTZOID},
		{COLUMN_LOTS, "lots", JSONBOID}
	};
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < lengthof(fields); i++)
		if (!nulls[fields[i].column])
			push_column(&state, fields[i].name, values[fields[i].column],
						fields[i].type);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Takes one member over. */
static void
import_one(void *argument)
{
	Import	   *import = argument;
	HeapTupleData tuple = {
		.t_len = HeapTupleHeaderGetDatumLength(import->header),
		.t_data = import->header
	};
	Datum		values[NCOLUMNS];
	bool		nulls[NCOLUMNS];
	EventOutcome outcome;

	heap_deform_tuple(&tuple, import->tupdesc, values, nulls);
#define COLUMN(column) ARG_OR_NULL(values[column], !nulls[column])
	import->row->line = COLUMN(COLUMN_LINE);
	import->row->input.ref = COLUMN(COLUMN_NUMBER);
	import->row->input.event = NULL_ARG;
	import->row->input.member_id = NULL_ARG;
	if (!nulls[COLUMN_ERROR])
		ingest_reject(import->row, "value_invalid", "22023",
					  clipped(TextDatumGetCString(values[COLUMN_ERROR])));
	else if (nulls[COLUMN_IDENTITIES])
		ingest_reject(import->row, "member_required", "22004",
					  "identities must not be null");
	else
	{
		outcome = event_import(ARG(import->program),
							   COLUMN(COLUMN_IDENTITIES),
							   COLUMN(COLUMN_PROFILE),
							   ARG(JsonbPGetDatum(make_state(values, nulls))),
							   COLUMN(COLUMN_JOINED_AT));
		ingest_note(import->row, &outcome);
	}
#undef COLUMN
}

enum batch_arg
{
	BATCH_PROGRAM,
	BATCH_ROWS,
	BATCH_SOURCE,
	BATCH_RUN_ID
};

/*
 * import_batch(program, rows, source, run_id): takes members over and
 * returns how many were done, replayed and rejected.
 */
Datum
loyalty_ingest_import(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	Import		import;
	const Program *program;
	HeapTupleHeader *headers;
	IngestRow  *rows;
	int			n;
	Datum		result;

	require_argument(fcinfo, BATCH_PROGRAM, "program");
	require_argument(fcinfo, BATCH_ROWS, "rows");
	require_argument(fcinfo, BATCH_SOURCE, "source");
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	import.program = PG_GETARG_DATUM(BATCH_PROGRAM);
	program = ingest_program(import.program);
	headers = ingest_elements(PG_GETARG_ARRAYTYPE_P(BATCH_ROWS), NCOLUMNS,
							  &import.tupdesc, &n);
	rows = palloc0(sizeof(IngestRow) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		ErrorData  *error;

		CHECK_FOR_INTERRUPTS();
		import.header = headers[i];
		import.row = &rows[i];
		if (!ingest_attempt(import_one, &import, &error))
			ingest_reject_error(&rows[i], error);
	}
	result = ingest_end(fcinfo, program->program_id,
						TextDatumGetCString(PG_GETARG_DATUM(BATCH_SOURCE)),
						PG_ARGISNULL(BATCH_RUN_ID) ? 0 :
						PG_GETARG_INT32(BATCH_RUN_ID), rows, n);
	SPI_finish();
	return result;
}
