/*
 * hold.c
 *
 * Reads and writes the rows of hold.
 */
#include "hold.h"

#include "utils/builtins.h"

#include "statement.h"

#define SELECT_HOLDS \
	"SELECT " HOLD_COLUMNS("") " FROM loyalty.hold WHERE member_id = $1"

static Statement select_hold = {
	SELECT_HOLDS " AND hold_id = $2", 2, {INT8OID, INT8OID}
};

static Statement select_open_holds = {
	SELECT_HOLDS " AND status = 'held'", 1, {INT8OID}
};

/*
 * Holds that were open at a moment, whatever became of them since; as far as
 * was known at another moment.
 */
static Statement select_past_holds = {
	SELECT_HOLDS " AND EXISTS (SELECT FROM loyalty.journal j"
	" WHERE j.member_id = $1 AND j.journal_id = hold.journal_id"
	" AND j.effective_at < $2 AND j.recorded_at <= $3)"
	" AND NOT EXISTS (SELECT FROM loyalty.journal j"
	" WHERE j.member_id = $1 AND j.hold_id = hold.hold_id"
	" AND j.kind IN ('capture', 'release', 'time_out')"
	" AND j.effective_at < $2 AND j.recorded_at <= $3)",
	3, {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static Statement insert_hold = {
	HOLD_INSERT("$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9"),
	5 + HOLD_INSERT_NARGS,
	{INT8OID, INT8OID, INT8OID, INT4OID, INT4OID, HOLD_INSERT_TYPES}
};

static Statement update_hold = {
	HOLD_UPDATE("$1", "$2", "$3", "$4"), 2 + HOLD_UPDATE_NARGS,
	{INT8OID, INT8OID, HOLD_UPDATE_TYPES}
};

static const char *const hold_status_names[] = {
	[HOLD_HELD] = "held",
	[HOLD_CAPTURED] = "captured",
	[HOLD_RELEASED] = "released",
	[HOLD_TIMED_OUT] = "timed_out"
};

static HoldStatus
parse_hold_status(const char *name)
{
	for (int i = 0; i < lengthof(hold_status_names); i++)
		if (strcmp(name, hold_status_names[i]) == 0)
			return i;
	elog(ERROR, "unknown hold status \"%s\"", name);
}

static void
read_hold(uint64 row, int column, Hold *hold)
{
	bool		isnull;
	Datum		ref;

	hold->hold_id = DatumGetInt64(statement_notnull(row, column));
	hold->journal_id = DatumGetInt64(statement_notnull(row, column + 1));
	hold->unit_id = DatumGetInt32(statement_notnull(row, column + 2));
	hold->amount = DatumGetInt64(statement_notnull(row, column + 3));
	hold->captured = DatumGetInt64(statement_notnull(row, column + 4));
	hold->expires_at = DatumGetTimestampTz(statement_notnull(row, column + 5));
	hold->status = parse_hold_status(statement_text(row, column + 6));
	ref = statement_value(row, column + 7, &isnull);
	hold->ref = isnull ? NULL : DatumGetTextPCopy(ref);
	hold->changed = false;
	wallet_unpack(statement_notnull(row, column + 8), &hold->lots);
	hold->of_order = DatumGetBool(statement_notnull(row, column + 9));
}

/*
 * The hold whose HOLD_COLUMNS a row of the last result has from a column on;
 * NULL if it has none.
 */
Hold *
hold_read(uint64 row, int column)
{
	bool		isnull;
	Hold	   *hold;

	statement_value(row, column, &isnull);
	if (isnull)
		return NULL;
	hold = palloc(sizeof(Hold));
	read_hold(row, column, hold);
	return hold;
}

/* Runs a statement that selects holds and returns them. */
static int
load_holds(Statement *statement, const NullableDatum *args, bool read_only,
		   Hold **holds)
{
	int			n = statement_run(statement, args, read_only);

	*holds = palloc(sizeof(Hold) * Max(n, 1));
	for (int i = 0; i < n; i++)
		read_hold(i, 1, &(*holds)[i]);
	return n;
}

/* The open holds of a member; returns how many. */
int
hold_load_open(int64 member_id, bool read_only, Hold **holds)
{
	NullableDatum args[] = {ARG(Int64GetDatum(member_id))};

	return load_holds(&select_open_holds, args, read_only, holds);
}

/*
 * The holds that were open at a past moment, as they were then, and as far as
 * was recorded at another.
 */
int
hold_load_past(int64 member_id, TimestampTz until, TimestampTz known_at,
			   Hold **holds)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(TimestampTzGetDatum(until)),
		ARG(TimestampTzGetDatum(known_at))
	};
	int			n = load_holds(&select_past_holds, args, true, holds);

	for (int i = 0; i < n; i++)
		(*holds)[i].status = HOLD_HELD;
	return n;
}

/* One hold of a member whose account is locked; NULL if there is none. */
Hold *
hold_load(int64 member_id, int64 hold_id)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(Int64GetDatum(hold_id))
	};
	Hold	   *hold;

	return load_holds(&select_hold, args, false, &hold) == 0 ? NULL : hold;
}

/* The arguments of HOLD_INSERT that are the hold's alone. */
void
hold_insert_args(const Hold *hold, NullableDatum *args)
{
	*args++ = ARG(TimestampTzGetDatum(hold->expires_at));
	*args++ = POINTER_ARG(hold->ref);
	*args++ = ARG(wallet_pack(&hold->lots));
	*args++ = ARG(BoolGetDatum(hold->of_order));
}

/* The same of HOLD_UPDATE. */
void
hold_update_args(const Hold *hold, NullableDatum *args)
{
	*args++ = ARG(CStringGetTextDatum(hold_status_names[hold->status]));
	*args++ = ARG(Int64GetDatum(hold->captured));
}

static void
write_hold(Statement *statement, const NullableDatum *args, const Hold *hold)
{
	if (statement_run(statement, args, false) != 1)
		elog(ERROR, "hold " INT64_FORMAT " was not written", hold->hold_id);
}

/* Writes a new hold, whose id is that of the row that opened it. */
void
hold_insert(int64 member_id, int32 program_id, const Hold *hold)
{
	NullableDatum args[5 + HOLD_INSERT_NARGS] = {
		ARG(Int64GetDatum(member_id)),
		ARG(Int64GetDatum(hold->hold_id)),
		ARG(Int64GetDatum(hold->amount)),
		ARG(Int32GetDatum(program_id)),
		ARG(Int32GetDatum(hold->unit_id))
	};

	hold_insert_args(hold, &args[5]);
	write_hold(&insert_hold, args, hold);
}

/* Writes what became of a hold. */
void
hold_update(int64 member_id, const Hold *hold)
{
	NullableDatum args[2 + HOLD_UPDATE_NARGS] = {
		ARG(Int64GetDatum(member_id)),
		ARG(Int64GetDatum(hold->hold_id))
	};

	hold_update_args(hold, &args[2]);
	write_hold(&update_hold, args, hold);
}
