/*
 * topup.c
 *
 * The policies of stored value, the cards of members and their top-ups.
 */
#include "topup.h"

#include "utils/builtins.h"

#include "amount.h"
#include "statement.h"

static Statement select_policies = {
	"SELECT unit_id, spend_order, bonus_policy = 'deduct', limit_named,"
	" limit_unnamed, limit_member, unnamed_months, bonus_days"
	" FROM loyalty.topup_policy WHERE program_id = $1 ORDER BY unit_id",
	1, {INT4OID}
};

static Statement select_steps = {
	"SELECT step_from, bonus, points, points_unit_id, pack, benefit_id"
	" FROM loyalty.topup_step WHERE unit_id = $1 ORDER BY step_from",
	1, {INT4OID}
};

static Statement select_cards = {
	"SELECT unit_id, named, frozen_at, true, 0::bigint"
	" FROM loyalty.topup_card WHERE member_id = $1"
	" UNION ALL SELECT unit_id, false, NULL, false,"
	" sum(amount + bonus)::bigint"
	" FROM loyalty.topup WHERE member_id = $1 AND status = 'pending'"
	" GROUP BY unit_id",
	1, {INT8OID}
};

static Statement upsert_card = {
	"INSERT INTO loyalty.topup_card (member_id, unit_id, program_id, named,"
	" frozen_at, journal_id) VALUES ($1, $2, $3, $4, $5, $6)"
	" ON CONFLICT (member_id, unit_id) DO UPDATE SET"
	" named = excluded.named, frozen_at = excluded.frozen_at,"
	" journal_id = excluded.journal_id",
	6, {INT8OID, INT4OID, INT4OID, BOOLOID, TIMESTAMPTZOID, INT8OID}
};

static Statement select_topup = {
	"SELECT unit_id, status, made_at, amount, bonus, points, points_unit_id,"
	" pack, benefit_id, refunded, deducted, bonus_taken, points_taken,"
	" journal_id, done_by, ref"
	" FROM loyalty.topup WHERE member_id = $1 AND ref = $2",
	2, {INT8OID, TEXTOID}
};

static Statement insert_topup = {
	"INSERT INTO loyalty.topup (member_id, ref, program_id, unit_id, status,"
	" made_at, amount, bonus, points, points_unit_id, pack, benefit_id,"
	" journal_id, done_by)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
	14, {INT8OID, TEXTOID, INT4OID, INT4OID, TEXTOID, TIMESTAMPTZOID, INT8OID,
		INT8OID, INT8OID, INT4OID, TEXTOID, INT4OID, INT8OID, INT8OID}
};

static Statement update_topup = {
	"UPDATE loyalty.topup SET status = $3, refunded = $4, deducted = $5,"
	" bonus_taken = $6, points_taken = $7, done_by = $8"
	" WHERE member_id = $1 AND ref = $2",
	8, {INT8OID, TEXTOID, TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID,
	INT8OID}
};

static const char *const order_names[] = {
	[SPEND_PROPORTIONAL] = "proportional",
	[SPEND_BONUS_FIRST] = "bonus_first",
	[SPEND_PRINCIPAL_FIRST] = "principal_first"
};

static const char *const status_names[] = {
	[TOPUP_PENDING] = "pending",
	[TOPUP_DONE] = "done",
	[TOPUP_CANCELLED] = "cancelled",
	[TOPUP_REFUNDED] = "refunded"
};

static const Unit *
unit_of(const Unit *units, int nunits, int32 unit_id)
{
	for (int i = 0; i < nunits; i++)
		if (units[i].unit_id == unit_id)
			return &units[i];
	refusal_raise(REFUSAL_RULE_INVALID,
				  psprintf("stored value of unit=%d, which is not there",
						   unit_id));
}

/* An amount of a unit that may be NULL. */
static int64
amount_or(uint64 row, int column, const Unit *unit, int64 otherwise)
{
	bool		isnull;
	Datum		value = statement_value(row, column, &isnull);
	int64		amount;

	if (isnull)
		return otherwise;
	if (amount_parse(DatumGetNumeric(value), unit->scale,
					 &amount) != REFUSAL_NONE)
		refusal_raise(REFUSAL_RULE_INVALID,
					  psprintf("stored value of unit=%s has too many decimals",
							   unit->code));
	return amount;
}

static void
load_steps(TopupPolicy *policy, const Unit *unit, const Unit *units,
		   int nunits)
{
	NullableDatum args[] = {ARG(Int32GetDatum(policy->unit_id))};

	policy->nsteps = statement_run(&select_steps, args, true);
	policy->steps = palloc0(sizeof(TopupStep) * Max(policy->nsteps, 1));
	for (int i = 0; i < policy->nsteps; i++)
	{
		TopupStep  *step = &policy->steps[i];

		step->from = amount_or(i, 1, unit, 0);
		step->bonus = amount_or(i, 2, unit, 0);
		step->points_unit_id = statement_int32_or(i, 4, 0);
		if (step->points_unit_id != 0)
			step->points = amount_or(i, 3,
									 unit_of(units, nunits,
											 step->points_unit_id), 0);
		step->pack = statement_text(i, 5);
		step->benefit_id = statement_int32_or(i, 6, 0);
	}
}

TopupPolicy *
topup_load(int32 program_id, const Unit *units, int nunits, int *npolicies)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id))};
	int			n = statement_run(&select_policies, args, true);
	TopupPolicy *policies = palloc0(sizeof(TopupPolicy) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		TopupPolicy *policy = &policies[i];
		const Unit *unit;

		policy->unit_id = DatumGetInt32(statement_notnull(i, 1));
		unit = unit_of(units, nunits, policy->unit_id);
		policy->spend_order = word_of(statement_text(i, 2), order_names,
									  lengthof(order_names));
		policy->deduct_bonus = DatumGetBool(statement_notnull(i, 3));
		policy->limit_named = amount_or(i, 4, unit, -1);
		policy->limit_unnamed = amount_or(i, 5, unit, -1);
		policy->limit_member = amount_or(i, 6, unit, -1);
		policy->unnamed_months = statement_int32_or(i, 7, 0);
		policy->bonus_days = statement_int32_or(i, 8, 0);
	}
	for (int i = 0; i < n; i++)
		load_steps(&policies[i],
				   unit_of(units, nunits, policies[i].unit_id), units,
				   nunits);
	*npolicies = n;
	return policies;
}

/* Puts a row of select_cards into the card that it is of. */
static void
read_card(TopupCard *cards, int ncards, uint64 row)
{
	int32		unit_id = DatumGetInt32(statement_notnull(row, 1));

	for (int i = 0; i < ncards; i++)
	{
		TopupCard  *card = &cards[i];

		if (card->unit_id != unit_id)
			continue;
		if (DatumGetBool(statement_notnull(row, 4)))
		{
			card->named = DatumGetBool(statement_notnull(row, 2));
			card->frozen_at = statement_time_or(row, 3, DT_NOEND);
			card->frozen = card->frozen_at != DT_NOEND;
			card->is_new = false;
		}
		else
			card->pending = DatumGetInt64(statement_notnull(row, 5));
	}
}

TopupCard *
topup_cards(int64 member_id, const TopupPolicy *policies, int npolicies,
			bool read_only)
{
	NullableDatum args[] = {ARG(Int64GetDatum(member_id))};
	TopupCard  *cards = palloc0(sizeof(TopupCard) * Max(npolicies, 1));
	uint64		n = statement_run(&select_cards, args, read_only);

	for (int i = 0; i < npolicies; i++)
	{
		cards[i].unit_id = policies[i].unit_id;
		cards[i].frozen_at = DT_NOEND;
		cards[i].is_new = true;
	}
	for (uint64 i = 0; i < n; i++)
		read_card(cards, npolicies, i);
	return cards;
}

void
topup_card_store(int64 member_id, int32 program_id, const TopupCard *card,
				 int64 journal_id)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(Int32GetDatum(card->unit_id)),
		ARG(Int32GetDatum(program_id)),
		ARG(BoolGetDatum(card->named)),
		ARG_OR_NULL(TimestampTzGetDatum(card->frozen_at), card->frozen),
		ARG(Int64GetDatum(journal_id))
	};

	statement_run(&upsert_card, args, false);
}

Topup *
topup_find(int64 member_id, const text *ref)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		POINTER_ARG(ref)
	};
	Topup	   *topup;

	if (ref == NULL || statement_run(&select_topup, args, false) == 0)
		return NULL;
	topup = palloc0(sizeof(Topup));
	topup->unit_id = DatumGetInt32(statement_notnull(0, 1));
	topup->status = word_of(statement_text(0, 2), status_names,
							lengthof(status_names));
	topup->made_at = DatumGetTimestampTz(statement_notnull(0, 3));
	topup->amount = DatumGetInt64(statement_notnull(0, 4));
	topup->bonus = DatumGetInt64(statement_notnull(0, 5));
	topup->points = DatumGetInt64(statement_notnull(0, 6));
	topup->points_unit_id = statement_int32_or(0, 7, 0);
	topup->pack = statement_text(0, 8);
	topup->benefit_id = statement_int32_or(0, 9, 0);
	topup->refunded = DatumGetInt64(statement_notnull(0, 10));
	topup->deducted = DatumGetInt64(statement_notnull(0, 11));
	topup->bonus_taken = DatumGetInt64(statement_notnull(0, 12));
	topup->points_taken = DatumGetInt64(statement_notnull(0, 13));
	topup->journal_id = DatumGetInt64(statement_notnull(0, 14));
	topup->done_by = statement_int64_or(0, 15, 0);
	topup->ref = (text *) statement_varlena(0, 16);
	return topup;
}

void
topup_insert(int64 member_id, int32 program_id, const Topup *topup)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		POINTER_ARG(topup->ref),
		ARG(Int32GetDatum(program_id)),
		ARG(Int32GetDatum(topup->unit_id)),
		ARG(CStringGetTextDatum(status_names[topup->status])),
		ARG(TimestampTzGetDatum(topup->made_at)),
		ARG(Int64GetDatum(topup->amount)),
		ARG(Int64GetDatum(topup->bonus)),
		ARG(Int64GetDatum(topup->points)),
		ARG_OR_NULL(Int32GetDatum(topup->points_unit_id),
					topup->points_unit_id != 0),
		topup->pack ? ARG(CStringGetTextDatum(topup->pack)) : NULL_ARG,
		ARG_OR_NULL(Int32GetDatum(topup->benefit_id), topup->benefit_id != 0),
		ARG(Int64GetDatum(topup->journal_id)),
		ARG_OR_NULL(Int64GetDatum(topup->done_by), topup->done_by != 0)
	};

	statement_run(&insert_topup, args, false);
}

void
topup_update(int64 member_id, const Topup *topup)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		POINTER_ARG(topup->ref),
		ARG(CStringGetTextDatum(status_names[topup->status])),
		ARG(Int64GetDatum(topup->refunded)),
		ARG(Int64GetDatum(topup->deducted)),
		ARG(Int64GetDatum(topup->bonus_taken)),
		ARG(Int64GetDatum(topup->points_taken)),
		ARG_OR_NULL(Int64GetDatum(topup->done_by), topup->done_by != 0)
	};

	statement_run(&update_topup, args, false);
}
