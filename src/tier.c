/*
 * tier.c
 *
 * Tiers as they are configured, and the history of a member's tier.
 */
#include "tier.h"

#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "amount.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_tier_check);

static Statement select_tiers = {
	"SELECT tier_id, code, rank, entry_match = 'all', retention_match = 'all',"
	" valid_months, valid_round, grace_days, warn_days, demotion,"
	" (multiplier * 1000)::int, expiry, expiry_count, vest_days"
	" FROM loyalty.tier WHERE program_id = $1 ORDER BY rank",
	1, {INT4OID}
};

static Statement select_thresholds = {
	"SELECT purpose = 'retention', unit_id, threshold, window_kind, months"
	" FROM loyalty.tier_threshold WHERE tier_id = $1"
	" ORDER BY purpose, unit_id",
	1, {INT4OID}
};

static Statement insert_history = {
	"INSERT INTO loyalty.tier_history (member_id, journal_id, line,"
	" program_id, effective_at, action, tier_before, tier_after, tier_until,"
	" locked_until, unit_id, reached, threshold, window_from, window_until)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
	" $15)",
	15, {INT8OID, INT8OID, INT2OID, INT4OID, TIMESTAMPTZOID, TEXTOID,
		INT4OID, INT4OID, DATEOID, DATEOID, INT4OID, INT8OID, INT8OID,
	DATEOID, DATEOID}
};

static Statement insert_histories = {
	"INSERT INTO loyalty.tier_history (member_id, journal_id, line,"
	" program_id, effective_at, action, tier_before, tier_after, tier_until,"
	" locked_until, unit_id, reached, threshold, window_from, window_until)"
	" SELECT * FROM unnest($1) AS r (member_id bigint, journal_id bigint,"
	" line smallint, program_id int, effective_at timestamptz, action text,"
	" tier_before int, tier_after int, tier_until date, locked_until date,"
	" unit_id int, reached bigint, threshold bigint, window_from date,"
	" window_until date)",
	1, {RECORDARRAYOID}
};

/*
 * Rows are dated in the order in which they are written, so the last one by
 * then tells; only a member who has none so old had no tier yet.
 */
static Statement select_history_at = {
	"SELECT tier_after FROM loyalty.tier_history"
	" WHERE member_id = $1 AND effective_at <= $2"
	" ORDER BY journal_id DESC, line DESC LIMIT 1",
	2, {INT8OID, TIMESTAMPTZOID}
};

static Statement select_histories = {
	"SELECT member_id, effective_at, tier_after FROM loyalty.tier_history"
	" WHERE member_id = ANY ($1)"
	" ORDER BY member_id, journal_id, line",
	1, {INT8ARRAYOID}
};

/*
 * What the tier was before the last promotion.  What a plan gave is not his
 * to fall back to: the plan gives it again if it still runs.
 */
static Statement select_before_promotion = {
	"SELECT h.tier_after, h.tier_until"
	" FROM (SELECT journal_id, line FROM loyalty.tier_history"
	" WHERE member_id = $1 AND action = 'promoted'"
	" ORDER BY journal_id DESC, line DESC LIMIT 1) p"
	" JOIN loyalty.tier_history h ON h.member_id = $1"
	" AND (h.journal_id, h.line) < (p.journal_id, p.line)"
	" AND h.action NOT IN ('bought', 'warned')"
	" ORDER BY h.journal_id DESC, h.line DESC LIMIT 1",
	1, {INT8OID}
};

static const char *const action_names[] = {
	[TIER_JOINED] = "joined",
	[TIER_PROMOTED] = "promoted",
	[TIER_PROLONGED] = "prolonged",
	[TIER_WARN] = "warned",
	[TIER_GRACE_BEGINS] = "grace",
	[TIER_DEMOTED] = "demoted",
	[TIER_REVOKED] = "revoked",
	[TIER_GRANTED] = "granted",
	[TIER_BOUGHT] = "bought"
};

static const char *const demotion_names[] = {
	[DEMOTE_ONE_LEVEL] = "one_level",
	[DEMOTE_TO_QUALIFIED] = "to_qualified",
	[DEMOTE_NEVER] = "never"
};

static const char *const round_names[] = {
	[ROUND_DAY] = "day",
	[ROUND_MONTH] = "month",
	[ROUND_YEAR] = "year"
};

static const char *const window_names[] = {
	[WINDOW_ROLLING] = "rolling",
	[WINDOW_CALENDAR_YEAR] = "calendar_year",
	[WINDOW_TIER_START] = "tier_start",
	[WINDOW_LIFETIME] = "lifetime"
};

const char *
tier_action_name(TierAction action)
{
	return action_names[action];
}

const char *
tier_window_name(TierWindow window)
{
	return window_names[window];
}

/* The place of a name among those that the table's constraint allows. */
static int
place_of(const char *name, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	elog(ERROR, "unknown word \"%s\" in the configuration of a tier", name);
}

static const Unit *
unit_of(const Tier *tier, int32 unit_id, const Unit *units, int nunits)
{
	for (int i = 0; i < nunits; i++)
		if (units[i].unit_id == unit_id)
			return &units[i];
	ereport(ERROR,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			 errmsg("tier \"%s\" has a threshold on a unit that is not of its "
					"programme", tier->code),
			 errdetail("unit_id=%d", unit_id)));
}

static void
load_thresholds(Tier *tier, const Unit *units, int nunits)
{
	NullableDatum args[] = {ARG(Int32GetDatum(tier->tier_id))};

	tier->nthresholds = statement_run(&select_thresholds, args, true);
	tier->thresholds = palloc0(sizeof(TierThreshold) *
							   Max(tier->nthresholds, 1));
	for (int i = 0; i < tier->nthresholds; i++)
	{
		TierThreshold *threshold = &tier->thresholds[i];
		char	   *window = statement_text(i, 4);

		threshold->retention = DatumGetBool(statement_notnull(i, 1));
		threshold->unit = unit_of(tier,
								  DatumGetInt32(statement_notnull(i, 2)),
								  units, nunits);
		/* the row's trigger saw to it, but the scale may have changed since */
		if (amount_parse(DatumGetNumeric(statement_notnull(i, 3)),
						 threshold->unit->scale,
						 &threshold->threshold) != REFUSAL_NONE)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("threshold of tier \"%s\" has more decimals than "
							"unit \"%s\"", tier->code,
							threshold->unit->code)));
		threshold->window = place_of(window, window_names,
									 lengthof(window_names));
		threshold->months = statement_int32_or(i, 5, 0);
	}
}

/*
 * The tiers of a programme, ascending by rank, in the current context.
 * Thresholds are read tier by tier: a programme has a handful.
 */
Tier *
tier_load(int32 program_id, const Unit *units, int nunits, int *ntiers)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id))};
	int			n = statement_run(&select_tiers, args, true);
	Tier	   *tiers = palloc0(sizeof(Tier) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		Tier	   *tier = &tiers[i];
		char	   *expiry = statement_text(i, 12);

		tier->tier_id = DatumGetInt32(statement_notnull(i, 1));
		tier->code = statement_text(i, 2);
		tier->rank = DatumGetInt32(statement_notnull(i, 3));
		tier->entry_all = DatumGetBool(statement_notnull(i, 4));
		tier->retention_all = DatumGetBool(statement_notnull(i, 5));
		tier->valid_months = statement_int32_or(i, 6, 0);
		tier->valid_round = place_of(statement_text(i, 7), round_names,
									 lengthof(round_names));
		tier->grace_days = DatumGetInt32(statement_notnull(i, 8));
		tier->warn_days = DatumGetInt32(statement_notnull(i, 9));
		tier->demotion = place_of(statement_text(i, 10), demotion_names,
								  lengthof(demotion_names));
		tier->multiplier = DatumGetInt32(statement_notnull(i, 11));
		tier->vest_days = statement_int32_or(i, 14, -1);
		tier->has_expiry = expiry != NULL;
		if (tier->has_expiry)
		{
			tier->expiry.policy = expiry_policy(expiry);
			tier->expiry.count = statement_int32_or(i, 13, 0);
		}
	}
	for (int i = 0; i < n; i++)
		load_thresholds(&tiers[i], units, nunits);
	*ntiers = n;
	return tiers;
}

static Statement select_unit = {
	"SELECT code, kind = 'metric', scale FROM loyalty.unit WHERE unit_id = $1",
	1, {INT4OID}
};

static void
refuse_threshold(Refusal refusal, const char *detail)
{
	ereport(ERROR,
			(errcode(refusal_sqlstate(refusal)),
			 errmsg("%s", refusal_text(refusal)->message),
			 errdetail_internal("%s", detail)));
}

/* Trigger of tier_threshold: a tier is reached by what is never spent. */
Datum
loyalty_tier_check(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	HeapTuple	tuple = trigger_row(fcinfo);
	TupleDesc	tupdesc;
	NullableDatum unit;
	Datum		threshold;
	bool		isnull;
	int64		minor;

	tupdesc = trigger->tg_relation->rd_att;
	SPI_connect();
	unit.value = SPI_getbinval(tuple, tupdesc,
							   SPI_fnumber(tupdesc, "unit_id"), &unit.isnull);
	threshold = SPI_getbinval(tuple, tupdesc,
							  SPI_fnumber(tupdesc, "threshold"), &isnull);
	/* what is not there is refused by others */
	if (statement_run(&select_unit, &unit, false) > 0 && !isnull)
	{
		char	   *code = statement_text(0, 1);
		int			scale = DatumGetInt16(statement_notnull(0, 3));

		if (!DatumGetBool(statement_notnull(0, 2)))
			refuse_threshold(REFUSAL_UNIT_MISMATCH,
							 psprintf("unit=%s is not a metric", code));
		if (amount_parse(DatumGetNumeric(threshold), scale,
						 &minor) != REFUSAL_NONE)
			refuse_threshold(REFUSAL_AMOUNT_SCALE,
							 psprintf("unit=%s decimals=%d", code, scale));
	}
	SPI_finish();
	return PointerGetDatum(tuple);
}

#define HISTORY_NARGS 15

static void
history_args(int64 member_id, int64 journal_id, int line, int32 program_id,
			 const TierChange *change, NullableDatum *args)
{
#define DATE_ARG(date) \
	ARG_OR_NULL(DateADTGetDatum(date), !DATE_NOT_FINITE(date))
	bool		decided = change->unit_id != 0;

	*args++ = ARG(Int64GetDatum(member_id));
	*args++ = ARG(Int64GetDatum(journal_id));
	*args++ = ARG(Int16GetDatum(line));
	*args++ = ARG(Int32GetDatum(program_id));
	*args++ = ARG(TimestampTzGetDatum(change->effective_at));
	*args++ = ARG(CStringGetTextDatum(action_names[change->action]));
	*args++ = ARG_OR_NULL(Int32GetDatum(change->tier_before),
						  change->tier_before != 0);
	*args++ = ARG_OR_NULL(Int32GetDatum(change->tier_after),
						  change->tier_after != 0);
	*args++ = DATE_ARG(change->tier_until);
	*args++ = DATE_ARG(change->locked_until);
	*args++ = ARG_OR_NULL(Int32GetDatum(change->unit_id), decided);
	*args++ = ARG_OR_NULL(Int64GetDatum(change->reached), decided);
	*args++ = ARG_OR_NULL(Int64GetDatum(change->threshold), decided);
	*args++ = decided ? DATE_ARG(change->window_from) : NULL_ARG;
	*args++ = decided ? DATE_ARG(change->window_until) : NULL_ARG;
#undef DATE_ARG
}

/* Writes a row of the history; the account is locked. */
void
tier_history_insert(int64 member_id, int64 journal_id, int line,
					int32 program_id, const TierChange *change)
{
	NullableDatum args[HISTORY_NARGS];

	history_args(member_id, journal_id, line, program_id, change, args);
	statement_run(&insert_history, args, false);
}

/* No rows yet, to be written together. */
void
tier_history_begin(StatementRows *rows)
{
	rows_begin(rows, &insert_history);
}

void
tier_history_add(StatementRows *rows, int64 member_id, int64 journal_id,
				 int line, int32 program_id, const TierChange *change)
{
	NullableDatum args[HISTORY_NARGS];

	history_args(member_id, journal_id, line, program_id, change, args);
	rows_append(rows, args);
}

void
tier_history_store(const StatementRows *rows)
{
	NullableDatum args[1];

	if (rows->n == 0)
		return;
	args[0] = ARG(rows_array(rows));
	statement_run(&insert_histories, args, false);
}

/* The histories of several members, of each the oldest row first. */
TierPast *
tier_history_many(const Datum *member_ids, int n, int *npast)
{
	NullableDatum args[] = {ARG(array_of(member_ids, n, INT8OID))};
	TierPast   *past;

	*npast = statement_run(&select_histories, args, false);
	past = palloc(sizeof(TierPast) * Max(*npast, 1));
	for (int i = 0; i < *npast; i++)
	{
		past[i].member_id = DatumGetInt64(statement_notnull(i, 1));
		past[i].effective_at = DatumGetTimestampTz(statement_notnull(i, 2));
		past[i].tier_id = statement_int32_or(i, 3, 0);
	}
	SPI_freetuptable(SPI_tuptable);
	return past;
}

/* The tier that the history gives for a time; 0: none. */
int32
tier_history_at(int64 member_id, TimestampTz at, bool read_only)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(TimestampTzGetDatum(at))
	};
	bool		isnull;
	Datum		tier;

	if (statement_run(&select_history_at, args, read_only) == 0)
		return 0;
	tier = statement_value(0, 1, &isnull);
	return isnull ? 0 : DatumGetInt32(tier);
}

/*
 * Which tier the member had before the last promotion, and until when.
 * False if none.
 */
bool
tier_history_before_promotion(int64 member_id, int32 *tier_id, DateADT *until)
{
	NullableDatum args[] = {ARG(Int64GetDatum(member_id))};
	bool		isnull;
	Datum		value;

	if (statement_run(&select_before_promotion, args, false) == 0)
		return false;
	value = statement_value(0, 1, &isnull);
	if (isnull)
		return false;
	*tier_id = DatumGetInt32(value);
	value = statement_value(0, 2, &isnull);
	*until = isnull ? DATEVAL_NOEND : DatumGetDateADT(value);
	return true;
}
