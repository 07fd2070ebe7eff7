/*
 * coupon_code_keep.c
 *
 * The codes of templates: those made elsewhere, generic ones, and which of
 * them are good for anything.
 */
#include "coupon_code.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "campaign.h"

PG_FUNCTION_INFO_V1(loyalty_coupon_import);
PG_FUNCTION_INFO_V1(loyalty_coupon_code_create);
PG_FUNCTION_INFO_V1(loyalty_coupon_disable);
PG_FUNCTION_INFO_V1(loyalty_coupon_enable);
PG_FUNCTION_INFO_V1(loyalty_coupon_disable_batch);

#define MAX_BATCH_BYTES 255

/* Slots of a generic code with a limit of its own. */
#define CODE_SLOTS 16

static Statement select_program = {
	"SELECT program_id FROM loyalty.program WHERE name = $1",
	1, {TEXTOID}
};

/* Not to be deleted until its codes are there. */
static Statement lock_coupon = {
	"SELECT c.coupon_id, c.version, c.code_length, c.max_uses, c.valid_from,"
	" c.valid_until, c.free_codes, ($3 AT TIME ZONE p.time_zone)::date"
	" FROM loyalty.coupon c JOIN loyalty.program p USING (program_id)"
	" WHERE c.program_id = $1 AND c.name = $2 AND NOT c.automatic"
	" FOR KEY SHARE OF c",
	3, {INT4OID, TEXTOID, TIMESTAMPTZOID}
};

static Statement insert_codes = {
	"INSERT INTO loyalty.coupon_code (code, program_id, coupon_id, version,"
	" kind, max_uses, valid_from, valid_until, batch)"
	" SELECT c.code, $2, $3, $4, $5, $6, $7, $8, $9 FROM unnest($1) c (code)"
	" ON CONFLICT (code, program_id) DO NOTHING RETURNING code",
	9, {TEXTARRAYOID, INT4OID, INT4OID, INT4OID, TEXTOID, INT4OID, DATEOID,
	DATEOID, TEXTOID}
};

static Statement insert_generic = {
	"INSERT INTO loyalty.coupon_code (code, program_id, coupon_id, version,"
	" kind, budget_id)"
	" VALUES ($1, $2, $3, $4, 'generic',"
	" CASE WHEN $5 THEN nextval('loyalty.budget_id_seq')::int END)"
	" ON CONFLICT (code, program_id) DO NOTHING RETURNING budget_id",
	5, {TEXTOID, INT4OID, INT4OID, INT4OID, BOOLOID}
};

static Statement update_free_codes = {
	"UPDATE loyalty.coupon SET free_codes = true"
	" WHERE coupon_id = $1 AND NOT free_codes",
	1, {INT4OID}
};

static Statement lock_code = {
	"SELECT status FROM loyalty.coupon_code"
	" WHERE code = $1 AND program_id = $2 FOR NO KEY UPDATE",
	2, {TEXTOID, INT4OID}
};

static Statement update_code = {
	"UPDATE loyalty.coupon_code SET status = $3"
	" WHERE code = $1 AND program_id = $2",
	3, {TEXTOID, INT4OID, TEXTOID}
};

/* In the order in which codes are locked. */
static Statement disable_codes = {
	"WITH locked AS (SELECT code FROM loyalty.coupon_code"
	" WHERE coupon_id = $1 AND program_id = $2 AND batch = $3"
	" AND status = 'active' ORDER BY code FOR NO KEY UPDATE)"
	" UPDATE loyalty.coupon_code c SET status = 'disabled'"
	" FROM locked l WHERE c.code = l.code AND c.program_id = $2",
	3, {INT4OID, INT4OID, TEXTOID}
};

/*
 * What those who make codes share
 */

static int32
find_program(Datum name)
{
	NullableDatum args[] = {ARG(name)};

	if (statement_run(&select_program, args, false) == 0)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s",
							   clipped(TextDatumGetCString(name))));
	return DatumGetInt32(statement_notnull(0, 1));
}

/* A column of the only row, as an argument of another statement. */
static NullableDatum
date_argument(int column)
{
	NullableDatum date;

	date.value = statement_value(0, column, &date.isnull);
	return date;
}

/* Finds a template, which is no offer; raises if there is none. */
void
coupon_template_find(Datum program, Datum coupon, CouponTemplate *found)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(find_program(program))),
		ARG(coupon),
		ARG(TimestampTzGetDatum(loyalty_clock()))
	};

	if (statement_run(&lock_coupon, args, false) == 0)
		refusal_raise(REFUSAL_UNKNOWN_COUPON,
					  psprintf("coupon=%s",
							   clipped(TextDatumGetCString(coupon))));
	found->program_id = DatumGetInt32(args[0].value);
	found->coupon_id = DatumGetInt32(statement_notnull(0, 1));
	found->version = DatumGetInt32(statement_notnull(0, 2));
	found->code_length = DatumGetInt32(statement_notnull(0, 3));
	found->max_uses = DatumGetInt32(statement_notnull(0, 4));
	found->valid_from = date_argument(5);
	found->valid_until = date_argument(6);
	found->free_codes = DatumGetBool(statement_notnull(0, 7));
	found->today = DatumGetDateADT(statement_notnull(0, 8));
}

/* The name of a batch; NULL: none was given. */
text *
coupon_code_batch(NullableDatum batch)
{
	text	   *name;

	if (batch.isnull)
		return NULL;
	name = DatumGetTextPP(batch.value);
	if (VARSIZE_ANY_EXHDR(name) == 0 ||
		VARSIZE_ANY_EXHDR(name) > MAX_BATCH_BYTES)
		refusal_raise(REFUSAL_REF_INVALID,
					  psprintf("batch has %zu bytes, at least 1, at most %d",
							   VARSIZE_ANY_EXHDR(name), MAX_BATCH_BYTES));
	return name;
}

static Datum
text_array(char **strings, int n)
{
	Datum	   *texts = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		texts[i] = CStringGetTextDatum(strings[i]);
	return array_of(texts, n, TEXTOID);
}

/*
 * Keeps codes, but for those that are there already.  Returns how many it
 * kept; they are the rows of the statement.
 */
uint64
coupon_code_insert(const CouponTemplate *coupon, const char *kind,
				   char **codes, int n, text *batch)
{
	NullableDatum args[] = {
		ARG(text_array(codes, n)),
		ARG(Int32GetDatum(coupon->program_id)),
		ARG(Int32GetDatum(coupon->coupon_id)),
		ARG(Int32GetDatum(coupon->version)),
		ARG(CStringGetTextDatum(kind)),
		ARG(Int32GetDatum(coupon->max_uses)),
		coupon->valid_from,
		coupon->valid_until,
		POINTER_ARG(batch)
	};

	return statement_run(&insert_codes, args, false);
}

/*
 * coupon_import()
 */

/* What an import makes of the codes that it is given. */
typedef struct Import
{
	int			n;
	char	  **codes;			/* canonical, in order, each once */
	int			malformed;
	int			twice;
	int			taken;
	bool		free_codes;		/* one has no check character */
} Import;

static int
compare_codes(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Brings codes into order and drops those that are the same as another. */
static void
sort_codes(Import *import)
{
	int			distinct = 0;

	qsort(import->codes, import->n, sizeof(char *), compare_codes);
	for (int i = 0; i < import->n; i++)
		if (i == 0 || strcmp(import->codes[i], import->codes[i - 1]) != 0)
			import->codes[distinct++] = import->codes[i];
	import->twice = import->n - distinct;
	import->n = distinct;
}

static void
read_codes(ArrayType *array, Import *import)
{
	Datum	   *codes;
	int			n = array_elements(array, TEXTOID, &codes);

	if (n < 0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("codes must not contain null")));
	memset(import, 0, sizeof(Import));
	import->codes = palloc_extended(sizeof(char *) * Max(n, 1),
									MCXT_ALLOC_HUGE);
	for (int i = 0; i < n; i++)
	{
		char	   *code = coupon_code_of(codes[i]);

		CHECK_FOR_INTERRUPTS();
		if (code == NULL)
		{
			import->malformed++;
			continue;
		}
		import->free_codes |= !coupon_code_checks(code);
		import->codes[import->n++] = code;
	}
	sort_codes(import);
}

/* Keeps what was read, step by step, and counts what was there already. */
static void
keep_codes(const CouponTemplate *coupon, Import *import, text *batch)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext work = AllocSetContextCreate(caller, "coupon_import",
											   ALLOCSET_DEFAULT_SIZES);

	for (int i = 0; i < import->n; i += COUPON_CODE_BATCH)
	{
		int			n = Min(import->n - i, COUPON_CODE_BATCH);

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(work);
		import->taken += n - coupon_code_insert(coupon, "imported",
												import->codes + i, n, batch);
		SPI_freetuptable(SPI_tuptable);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(work);
	}
	MemoryContextDelete(work);
}

/*
 * From now on wrong codes are looked up even if their check character says
 * that nothing is to be found.
 */
static void
expect_free_codes(const CouponTemplate *coupon)
{
	NullableDatum args[] = {ARG(Int32GetDatum(coupon->coupon_id))};

	if (!coupon->free_codes)
		statement_run(&update_free_codes, args, false);
}

enum import_arg
{
	IMPORT_PROGRAM,
	IMPORT_COUPON,
	IMPORT_CODES,
	IMPORT_BATCH				/* NULL: without a name */
};

/*
 * coupon_import(program, coupon, codes, batch): all codes or none; returns how
 * many.
 */
Datum
loyalty_coupon_import(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	CouponTemplate coupon;
	Import		import;
	text	   *batch;

	require_argument(fcinfo, IMPORT_PROGRAM, "program");
	require_argument(fcinfo, IMPORT_COUPON, "coupon");
	require_argument(fcinfo, IMPORT_CODES, "codes");
	batch = coupon_code_batch(fcinfo->args[IMPORT_BATCH]);
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	coupon_template_find(PG_GETARG_DATUM(IMPORT_PROGRAM),
						 PG_GETARG_DATUM(IMPORT_COUPON), &coupon);
	read_codes(PG_GETARG_ARRAYTYPE_P(IMPORT_CODES), &import);
	if (import.malformed > 0)
		refusal_raise(REFUSAL_CODE_MALFORMED,
					  psprintf("malformed=%d", import.malformed));
	if (import.free_codes)
		expect_free_codes(&coupon);
	keep_codes(&coupon, &import, batch);
	if (import.twice > 0 || import.taken > 0)
		refusal_raise(REFUSAL_CODE_TAKEN,
					  psprintf("given_twice=%d taken=%d", import.twice,
							   import.taken));
	SPI_finish();
	PG_RETURN_INT64(import.n);
}

/*
 * One code
 */

/* A code, or LY205. */
static char *
require_code(Datum code)
{
	char	   *canonical = coupon_code_of(code);

	if (canonical == NULL)
		refusal_raise(REFUSAL_CODE_MALFORMED,
					  "a code has 1 to 64 letters and digits");
	return canonical;
}

enum create_arg
{
	CREATE_PROGRAM,
	CREATE_COUPON,
	CREATE_CODE,
	CREATE_MAX_USES				/* NULL: no limit */
};

/*
 * coupon_code_create(program, coupon, code, max_uses): a generic code; returns
 * it in canonical form.
 */
Datum
loyalty_coupon_code_create(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	bool		limited = !PG_ARGISNULL(CREATE_MAX_USES);
	CouponTemplate coupon;
	char	   *code;

	require_argument(fcinfo, CREATE_PROGRAM, "program");
	require_argument(fcinfo, CREATE_COUPON, "coupon");
	require_argument(fcinfo, CREATE_CODE, "code");
	if (limited && PG_GETARG_INT32(CREATE_MAX_USES) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_uses must be positive")));
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	coupon_template_find(PG_GETARG_DATUM(CREATE_PROGRAM),
						 PG_GETARG_DATUM(CREATE_COUPON), &coupon);
	code = require_code(PG_GETARG_DATUM(CREATE_CODE));
	{
		NullableDatum args[] = {
			ARG(CStringGetTextDatum(code)),
			ARG(Int32GetDatum(coupon.program_id)),
			ARG(Int32GetDatum(coupon.coupon_id)),
			ARG(Int32GetDatum(coupon.version)),
			ARG(BoolGetDatum(limited))
		};

		if (statement_run(&insert_generic, args, false) == 0)
			refusal_raise(REFUSAL_CODE_TAKEN, "taken=1");
	}
	if (limited)
		budget_write(coupon.program_id,
					 DatumGetInt32(statement_notnull(0, 1)),
					 PG_GETARG_INT32(CREATE_MAX_USES), -1,
					 Min(PG_GETARG_INT32(CREATE_MAX_USES), CODE_SLOTS));
	if (!coupon_code_checks(code))
		expect_free_codes(&coupon);
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text(code));
}

/*
 * Gives a code another status; false: it has that already.  Raises if there is
 * no such code.
 */
static bool
set_status(FunctionCallInfo fcinfo, const char *status)
{
	MemoryContext caller = CurrentMemoryContext;
	NullableDatum args[3];
	bool		changed;

	require_argument(fcinfo, 0, "program");
	require_argument(fcinfo, 1, "code");
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	args[0] = ARG(CStringGetTextDatum(require_code(PG_GETARG_DATUM(1))));
	args[1] = ARG(Int32GetDatum(find_program(PG_GETARG_DATUM(0))));
	args[2] = ARG(CStringGetTextDatum(status));
	if (statement_run(&lock_code, args, false) == 0)
		refusal_raise(REFUSAL_COUPON_NOT_FOUND,
					  "the programme has no such code");
	changed = strcmp(statement_text(0, 1), status) != 0;
	if (changed)
		statement_run(&update_code, args, false);
	SPI_finish();
	return changed;
}

/* coupon_disable(program, code): true, unless it was disabled already. */
Datum
loyalty_coupon_disable(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(set_status(fcinfo, "disabled"));
}

/* coupon_enable(program, code): true, if it was disabled. */
Datum
loyalty_coupon_enable(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(set_status(fcinfo, "active"));
}

/*
 * coupon_disable_batch(program, coupon, batch): how many codes were active.
 * Locks them in their order.
 */
Datum
loyalty_coupon_disable_batch(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	CouponTemplate coupon;
	NullableDatum args[3];
	uint64		disabled;

	require_argument(fcinfo, 0, "program");
	require_argument(fcinfo, 1, "coupon");
	require_argument(fcinfo, 2, "batch");
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	coupon_template_find(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), &coupon);
	args[0] = ARG(Int32GetDatum(coupon.coupon_id));
	args[1] = ARG(Int32GetDatum(coupon.program_id));
	args[2] = ARG(PG_GETARG_DATUM(2));
	disabled = statement_run(&disable_codes, args, false);
	SPI_finish();
	PG_RETURN_INT64(disabled);
}
