/*
 * hold.c
 *
 * Reads and writes the rows of hold.
 */
#include "hold.h"

#include "utils/builtins.h"

#include "statement.h"

#define HOLD_COLUMNS \
	"SELECT hold_id, journal_id, unit_id, amount, captured, expires_at," \
	" status, ref, lots, of_order FROM loyalty.hold WHERE member_id = $1"

static Statement select_hold = {
	HOLD_COLUMNS " AND hold_id = $2", 2, {INT8OID, INT8OID}
};

static Statement select_open_holds = {
	HOLD_COLUMNS " AND status = 'held'", 1, {INT8OID}
};

/*
 * Holds that were open at a moment, whatever became of them since; as far as
 * was known at another moment.
 */
static Statement select_past_holds = {
	HOLD_COLUMNS " AND EXISTS (SELECT FROM loyalty.journal j"
	" WHERE j.member_id = $1 AND j.journal_id = hold.journal_id"
	" AND j.effective_at < $2 AND j.recorded_at <= $3)"
	" AND NOT EXISTS (SELECT FROM loyalty.journal j"
	" WHERE j.member_id = $1 AND j.hold_id = hold.hold_id"
	" AND j.kind IN ('capture', 'release', 'time_out')"
	" AND j.effective_at < $2 AND j.recorded_at <= $3)",
	3, {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static Statement insert_hold = {
	"INSERT INTO loyalty.hold (member_id, hold_id, status, captured,"
	" journal_id, amount, expires_at, program_id, unit_id, ref, lots,"
	" of_order)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
	12, {INT8OID, INT8OID, TEXTOID, INT8OID, INT8OID, INT8OID,
	TIMESTAMPTZOID, INT4OID, INT4OID, TEXTOID, WALLET_TYPE, BOOLOID}
};

static Statement update_hold = {
	"UPDATE loyalty.hold SET status = $3, captured = $4"
	" WHERE member_id = $1 AND hold_id = $2",
	4, {INT8OID, INT8OID, TEXTOID, INT8OID}
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
read_hold(uint64 row, Hold *hold)
{
	bool		isnull;
	Datum		ref = statement_value(row, 8, &isnull);

	hold->hold_id = DatumGetInt64(statement_notnull(row, 1));
	hold->journal_id = DatumGetInt64(statement_notnull(row, 2));
	hold->unit_id = DatumGetInt32(statement_notnull(row, 3));
	hold->amount = DatumGetInt64(statement_notnull(row, 4));
	hold->captured = DatumGetInt64(statement_notnull(row, 5));
	hold->expires_at = DatumGetTimestampTz(statement_notnull(row, 6));
	hold->status = parse_hold_status(statement_text(row, 7));
	hold->ref = isnull ? NULL : DatumGetTextPCopy(ref);
	hold->changed = false;
	wallet_unpack(statement_notnull(row, 9), &hold->lots);
	hold->of_order = DatumGetBool(statement_notnull(row, 10));
}

/* Runs a statement that selects holds and returns them. */
static int
load_holds(Statement *statement, const NullableDatum *args, bool read_only,
		   Hold **holds)
{
	int			n = statement_run(statement, args, read_only);

	*holds = palloc(sizeof(Hold) * Max(n, 1));
	for (int i = 0; i < n; i++)
		read_hold(i, &(*holds)[i]);
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

static void
write_hold(Statement *statement, int64 member_id, int32 program_id,
		   const Hold *hold)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(Int64GetDatum(hold->hold_id)),
		ARG(CStringGetTextDatum(hold_status_names[hold->status])),
		ARG(Int64GetDatum(hold->captured)),
		ARG(Int64GetDatum(hold->journal_id)),
		ARG(Int64GetDatum(hold->amount)),
		ARG(TimestampTzGetDatum(hold->expires_at)),
		ARG(Int32GetDatum(program_id)),
		ARG(Int32GetDatum(hold->unit_id)),
		POINTER_ARG(hold->ref),
		ARG(statement == &insert_hold ? wallet_pack(&hold->lots) : (Datum) 0),
		ARG(BoolGetDatum(hold->of_order))
	};

	if (statement_run(statement, args, false) != 1)
		elog(ERROR, "hold " INT64_FORMAT " was not written", hold->hold_id);
}

/* Writes a new hold. */
void
hold_insert(int64 member_id, int32 program_id, const Hold *hold)
{
	write_hold(&insert_hold, member_id, program_id, hold);
}

/* Writes what became of a hold. */
void
hold_update(int64 member_id, int32 program_id, const Hold *hold)
{
	write_hold(&update_hold, member_id, program_id, hold);
}
