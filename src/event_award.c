/*
 * event_award.c
 *
 * Value that is given by no rule: for an answer, a birthday, as a welcome; and
 * taken back again.
 */
#include "event.h"

#include "utils/builtins.h"

#include "amount.h"
#include "statement.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_event_award);
PG_FUNCTION_INFO_V1(loyalty_event_award_undo);

enum award_arg
{
	AWARD_MEMBER_ID,
	AWARD_AMOUNT,
	AWARD_UNIT,
	AWARD_REASON,
	AWARD_VESTS_ON,
	AWARD_EXPIRES_ON,
	AWARD_REF,
	AWARD_AT,
	AWARD_KEY,
	AWARD_MODE,
	AWARD_NARGS
};

static const Verb award_verb = {
	"award", "award", NULL, FOR_OPEN, true, AWARD_NARGS, {
		[AWARD_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[AWARD_AMOUNT] = {"amount", ARG_NUMERIC, true},
		[AWARD_UNIT] = {"unit", ARG_TEXT, true},
		[AWARD_REASON] = {"reason", ARG_TEXT},
		[AWARD_VESTS_ON] = {"vests_on", ARG_DATE},
		[AWARD_EXPIRES_ON] = {"expires_on", ARG_DATE},
		[AWARD_REF] = {"ref", ARG_REF},
		[AWARD_AT] = {"at", ARG_AT},
		[AWARD_KEY] = {"key", ARG_KEY},
		[AWARD_MODE] = {"mode", ARG_MODE, true}
	}
};

enum undo_arg
{
	UNDO_MEMBER_ID,
	UNDO_AWARD,
	UNDO_REASON,
	UNDO_AT,
	UNDO_KEY,
	UNDO_MODE,
	UNDO_NARGS
};

static bool undo_replays(Call *call);

static const Verb undo_verb = {
	"award_undo", "award_undo", NULL, FOR_ANY, false, UNDO_NARGS, {
		[UNDO_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[UNDO_AWARD] = {"award", ARG_ID, true},
		[UNDO_REASON] = {"reason", ARG_TEXT},
		[UNDO_AT] = {"at", ARG_AT},
		[UNDO_KEY] = {"key", ARG_KEY},
		[UNDO_MODE] = {"mode", ARG_MODE, true}
	}, undo_replays
};

static Statement select_award = {
	"SELECT unit_id, amount FROM loyalty.journal"
	" WHERE member_id = $1 AND journal_id = $2 AND kind = 'award'",
	2, {INT8OID, INT8OID}
};

static Statement select_lots = {
	"SELECT vests_on, expires_on, origin, amount FROM loyalty.entry"
	" WHERE member_id = $1 AND journal_id = $2 ORDER BY line",
	2, {INT8OID, INT8OID}
};

static Statement select_undo = {
	"SELECT journal_id, request_hash FROM loyalty.journal"
	" WHERE member_id = $1 AND reverses = $2 AND kind = 'award_undo'",
	2, {INT8OID, TEXTOID}
};

/* May the unit be given? */
static bool
check_unit(Call *call, const Unit *unit)
{
	if (unit->kind == UNIT_COUNTER)
		return call_refuse(call, REFUSAL_UNIT_MISMATCH,
						   "unit=%s counts what happens, it is not given",
						   unit->code);
	return true;
}

/*
 * Bonus, or of a metric what counts.  It vests and lapses as the unit says,
 * where nothing else is asked for.
 */
static bool
make_lot(Call *call, const Unit *unit, int64 amount, Lot *lot)
{
	DateADT		on = program_date(call->decision.program, call->at);

	if (!event_lot(call, unit, AWARD_VESTS_ON, AWARD_EXPIRES_ON, lot))
		return false;
	if (unit->kind != UNIT_METRIC)
	{
		lot->origin = ORIGIN_BONUS;
		if (!call_has(call, AWARD_VESTS_ON) && unit->vest_days > 0)
			lot->vests_on = Min(on + unit->vest_days, lot->expires_on);
		if (lot->vests_on <= call->decision.today)
			lot->vests_on = DATEVAL_NOBEGIN;
	}
	lot->amount = amount;
	return true;
}

Datum
loyalty_event_award(PG_FUNCTION_ARGS)
{
	Call		call;
	const Unit *unit;
	int64		amount;
	Lot			lot;

	if (call_begin(&call, fcinfo, &award_verb) &&
		call_open(&call) &&
		call_reason(&call, AWARD_REASON, true) &&
		call_unit(&call, AWARD_UNIT, &unit) &&
		check_unit(&call, unit) &&
		call_amount(&call, AWARD_AMOUNT, unit->scale, &amount) &&
		make_lot(&call, unit, amount, &lot) &&
		call_card_room(&call, &call.decision, unit, amount))
	{
		JournalRow *row = call_row(&call, call.at);

		row->unit_id = unit->unit_id;
		row->has_amount = true;
		row->amount = amount;
		row->reason = call_text(&call, AWARD_REASON);
		if (unit->kind == UNIT_METRIC)
		{
			decide_move(&call.decision, row, lot);
			decide_tier_promote(&call.decision, row);
		}
		else
			decide_post(&call.decision, row, lot, 0);
	}
	return call_close(&call);
}

/* By what the row that takes an award back is known. */
static text *
undo_name(const Call *call)
{
	return cstring_to_text(psprintf("award:" INT64_FORMAT,
									DatumGetInt64(call->fcinfo->args[UNDO_AWARD].value)));
}

/* The row that took the award back; 0: none did.  *same: by this request. */
static int64
find_undo(const Call *call, bool *same)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(PointerGetDatum(undo_name(call)))
	};
	bool		isnull;
	Datum		hash;

	if (statement_run(&select_undo, args, false) == 0)
		return 0;
	hash = statement_value(0, 2, &isnull);
	*same = !isnull && call_is_request(call, DatumGetByteaPP(hash));
	return DatumGetInt64(statement_notnull(0, 1));
}

/* Without a key the same request is known by the award. */
static bool
undo_replays(Call *call)
{
	bool		same;
	int64		journal_id;

	if (call->key != NULL)
		return false;
	journal_id = find_undo(call, &same);
	if (journal_id == 0 || !same)
		return false;
	call->replay = journal_read(call->member_id, journal_id);
	return true;
}

/* Reads what an award gave; refuses one that there is not, or no more. */
static bool
load_award(Call *call, Award *award)
{
	int64		award_id = DatumGetInt64(call->fcinfo->args[UNDO_AWARD].value);
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(Int64GetDatum(award_id))
	};
	bool		same;
	int64		undone_by;

	if (statement_run(&select_award, args, false) == 0)
		return call_refuse(call, REFUSAL_JOURNAL_NOT_FOUND,
						   "award=" INT64_FORMAT, award_id);
	memset(award, 0, sizeof(Award));
	award->unit = program_unit_by_id(call->decision.program,
									 DatumGetInt32(statement_notnull(0, 1)));
	undone_by = find_undo(call, &same);
	if (undone_by != 0)
		return call_refuse(call, REFUSAL_REFUND_EXCEEDS,
						   "award=" INT64_FORMAT " undone_by=" INT64_FORMAT,
						   award_id, undone_by);
	award->nlots = statement_run(&select_lots, args, false);
	award->lots = palloc0(sizeof(Lot) * Max(award->nlots, 1));
	for (int i = 0; i < award->nlots; i++)
	{
		Lot		   *lot = &award->lots[i];

		lot->unit_id = award->unit->unit_id;
		lot->vests_on = statement_date_or(i, 1, DATEVAL_NOBEGIN);
		lot->expires_on = statement_date_or(i, 2, DATEVAL_NOEND);
		if (!origin_from_letter(DatumGetChar(statement_notnull(i, 3)),
								&lot->origin))
			elog(ERROR, "unknown origin of a lot");
		lot->amount = DatumGetInt64(statement_notnull(i, 4));
		award->amount = amount_add(award->amount, lot->amount);
	}
	return true;
}

/* award_undo(member_id, award, reason): the award goes back as a refund does. */
Datum
loyalty_event_award_undo(PG_FUNCTION_ARGS)
{
	Call		call;
	Award		award;

	if (call_begin(&call, fcinfo, &undo_verb) &&
		call_open(&call) &&
		call_reason(&call, UNDO_REASON, true) &&
		load_award(&call, &award))
	{
		JournalRow *row = call_row(&call, call.now);
		const int64 from = 0;

		row->reverses = undo_name(&call);
		row->unit_id = award.unit->unit_id;
		row->has_amount = true;
		row->amount = award.amount;
		row->reason = call_text(&call, UNDO_REASON);
		decide_take_back(&call.decision, row, &award, 1, &from,
						 &award.amount);
		if (award.unit->kind == UNIT_METRIC)
			event_tier_lowered(&call, row);
	}
	return call_close(&call);
}
