/*
 * event_segment.c
 *
 * Segments on request: made what their source says, changed as a list,
 * dropped.
 */
#include "event.h"

#include "funcapi.h"
#include "utils/builtins.h"

#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_segment_refresh);
PG_FUNCTION_INFO_V1(loyalty_segment_add);
PG_FUNCTION_INFO_V1(loyalty_segment_remove);
PG_FUNCTION_INFO_V1(loyalty_segment_drop);
PG_FUNCTION_INFO_V1(loyalty_segment_require);

#define SELECT_SEGMENT \
	"SELECT condition IS NULL AND source IS NULL, source," \
	" status = 'active' FROM loyalty.segment" \
	" WHERE program_id = $1 AND name = $2"

static Statement select_segment = {SELECT_SEGMENT, 2, {INT4OID, TEXTOID}};

/* It must not be deleted while somebody enters. */
static Statement keep_segment = {
	SELECT_SEGMENT " FOR KEY SHARE", 2, {INT4OID, TEXTOID}
};

/* Nobody must enter while it is deleted. */
static Statement lock_segment = {
	SELECT_SEGMENT " FOR UPDATE", 2, {INT4OID, TEXTOID}
};

static Statement keep_sources = {
	"SELECT name, source FROM loyalty.segment"
	" WHERE program_id = $1 AND source IS NOT NULL AND status = 'active'"
	" ORDER BY name COLLATE \"C\" FOR KEY SHARE",
	1, {INT4OID}
};

static Statement delete_segment = {
	"DELETE FROM loyalty.segment WHERE program_id = $1 AND name = $2",
	2, {INT4OID, TEXTOID}
};

/* Starts a call: what is made from here on lives in the caller's context. */
static void
begin(void)
{
	MemoryContext caller = CurrentMemoryContext;

	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
}

static int32
find_program(text *name)
{
	const Program *program = program_find(text_to_cstring(name));

	if (program == NULL)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s", text_to_cstring(name)));
	return program->program_id;
}

/* Reads a segment, which is then the last result; LY811 if there is none. */
static void
find_segment(Statement *statement, int32 program_id, const char *name)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program_id)),
		ARG(CStringGetTextDatum(name))
	};

	if (statement_run(statement, args, statement == &select_segment) == 0)
		refusal_raise(REFUSAL_UNKNOWN_SEGMENT, psprintf("segment=%s", name));
}

/*
 * Refreshing
 */

enum refresh_arg
{
	REFRESH_PROGRAM,
	REFRESH_SEGMENT,
	REFRESH_MEMBER_IDS
};

enum refresh_column
{
	REFRESHED_SEGMENT,
	REFRESHED_ENTERED,
	REFRESHED_LEFT,
	REFRESHED_IGNORED,
	REFRESHED_NCOLUMNS
};

/* One segment, if it is active. */
static SegmentRefresh *
load_source(int32 program_id, char *name, int *n)
{
	SegmentRefresh *segment = palloc0(sizeof(SegmentRefresh));

	find_segment(&keep_segment, program_id, name);
	segment->name = name;
	segment->source = statement_text(0, 2);
	if (segment->source == NULL)
		refusal_raise(REFUSAL_SOURCE_INVALID,
					  psprintf("segment=%s has no source", name));
	*n = DatumGetBool(statement_notnull(0, 3)) ? 1 : 0;
	return segment;
}

/* Every active segment of the programme that has a source. */
static SegmentRefresh *
load_sources(int32 program_id, int *n)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id))};
	SegmentRefresh *segments;

	*n = statement_run(&keep_sources, args, false);
	segments = palloc0(sizeof(SegmentRefresh) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		segments[i].name = statement_text(i, 1);
		segments[i].source = statement_text(i, 2);
	}
	return segments;
}

static void
put_refresh(ReturnSetInfo *result, const SegmentRefresh *segment)
{
	Datum		values[REFRESHED_NCOLUMNS];
	bool		nulls[REFRESHED_NCOLUMNS] = {false};

	values[REFRESHED_SEGMENT] = CStringGetTextDatum(segment->name);
	values[REFRESHED_ENTERED] = Int64GetDatum(segment->entered);
	values[REFRESHED_LEFT] = Int64GetDatum(segment->left);
	values[REFRESHED_IGNORED] = Int64GetDatum(segment->ignored);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * segment_refresh(program, segment, member_ids): a row for each segment that
 * was made what its source says.
 */
Datum
loyalty_segment_refresh(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int32		program_id;
	SegmentRefresh *segments;
	IdList		only = {0};
	bool		nulls = false;
	int			n;

	require_argument(fcinfo, REFRESH_PROGRAM, "program");
	InitMaterializedSRF(fcinfo, 0);
	begin();
	program_id = find_program(PG_GETARG_TEXT_PP(REFRESH_PROGRAM));
	if (!PG_ARGISNULL(REFRESH_MEMBER_IDS))
		only = id_list(PG_GETARG_ARRAYTYPE_P(REFRESH_MEMBER_IDS), &nulls);
	if (nulls)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("member_ids must not contain null")));
	segments = PG_ARGISNULL(REFRESH_SEGMENT) ?
		load_sources(program_id, &n) :
		load_source(program_id,
					text_to_cstring(PG_GETARG_TEXT_PP(REFRESH_SEGMENT)), &n);
	store_segments_refresh(program_id, segments, n,
						   PG_ARGISNULL(REFRESH_MEMBER_IDS) ? NULL : &only);
	for (int i = 0; i < n; i++)
		put_refresh(result, &segments[i]);
	SPI_finish();
	return (Datum) 0;
}

/*
 * Lists
 */

static void
require_member(int64 member_id, AccountLock lock, Account *account)
{
	if (!account_load(member_id, lock, account))
		refusal_raise(REFUSAL_MEMBER_NOT_FOUND,
					  psprintf("member_id=" INT64_FORMAT, member_id));
}

/* May the member still enter anything? */
static void
check_status(const Account *account)
{
	char	   *detail = psprintf("member_id=" INT64_FORMAT,
								  account->member_id);

	if (account->status == STATUS_MERGED)
		refusal_raise(REFUSAL_MEMBER_MERGED, detail);
	if (account->status == STATUS_CLOSED)
		refusal_raise(REFUSAL_MEMBER_CLOSED, detail);
}

static bool
set_member(FunctionCallInfo fcinfo, bool in)
{
	int64		member_id;
	Account		account;
	char	   *segment;
	bool		changed;

	require_argument(fcinfo, 0, "member_id");
	require_argument(fcinfo, 1, "segment");
	begin();
	member_id = PG_GETARG_INT64(0);
	segment = text_to_cstring(PG_GETARG_TEXT_PP(1));
	/* segments before accounts; the programme of a member never changes */
	require_member(member_id, ACCOUNT_READ, &account);
	find_segment(&keep_segment, account.program_id, segment);
	if (!DatumGetBool(statement_notnull(0, 1)))
		refusal_raise(REFUSAL_SEGMENT_NOT_LIST,
					  psprintf("segment=%s", segment));
	require_member(member_id, ACCOUNT_LOCK, &account);
	if (in)
		check_status(&account);
	changed = store_segment_set(account.program_id, segment, member_id, in);
	SPI_finish();
	return changed;
}

/* segment_add(member_id, segment): true, unless the member was in it. */
Datum
loyalty_segment_add(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(set_member(fcinfo, true));
}

/* segment_remove(member_id, segment): true, if the member was in it. */
Datum
loyalty_segment_remove(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(set_member(fcinfo, false));
}

/*
 * segment_drop(program, segment): everybody leaves, and the segment is
 * deleted, which is refused while something names it.  Returns how many left.
 */
Datum
loyalty_segment_drop(PG_FUNCTION_ARGS)
{
	NullableDatum args[2];
	int32		program_id;
	char	   *segment;
	int64		left;

	require_argument(fcinfo, 0, "program");
	require_argument(fcinfo, 1, "segment");
	begin();
	program_id = find_program(PG_GETARG_TEXT_PP(0));
	segment = text_to_cstring(PG_GETARG_TEXT_PP(1));
	find_segment(&lock_segment, program_id, segment);
	left = store_segment_empty(program_id, segment);
	args[0] = ARG(Int32GetDatum(program_id));
	args[1] = ARG(CStringGetTextDatum(segment));
	statement_run(&delete_segment, args, false);
	SPI_finish();
	PG_RETURN_INT64(left);
}

/* segment_require(program, segment): for SQL functions, which cannot raise. */
Datum
loyalty_segment_require(PG_FUNCTION_ARGS)
{
	int32		program_id;

	require_argument(fcinfo, 0, "program");
	require_argument(fcinfo, 1, "segment");
	begin();
	program_id = find_program(PG_GETARG_TEXT_PP(0));
	find_segment(&select_segment, program_id,
				 text_to_cstring(PG_GETARG_TEXT_PP(1)));
	SPI_finish();
	PG_RETURN_INT32(program_id);
}
