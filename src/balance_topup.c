/*
 * balance_topup.c
 *
 * What stands on the cards of stored value of a member.
 */
#include "loyalty.h"

#include "funcapi.h"
#include "utils/builtins.h"

#include "amount.h"
#include "statement.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_balance_topup);

enum topup_balance_arg
{
	CARD_MEMBER_ID,
	CARD_UNIT
};

enum topup_balance_column
{
	CARD_CARD,
	CARD_PRINCIPAL,
	CARD_BONUS,
	CARD_PENDING,
	CARD_HELD,
	CARD_FROZEN,
	CARD_NAMED,
	CARD_LIMIT,
	CARD_NCOLUMNS
};

static void
put_card(ReturnSetInfo *result, Decision *decision, const TopupPolicy *policy)
{
	const Unit *unit = program_unit_by_id(decision->program, policy->unit_id);
	const TopupCard *card = decide_card(decision, policy->unit_id);
	int64		total = store_card_total(decision, unit->unit_id);
	int64		limit = card->named ? policy->limit_named :
		policy->limit_unnamed;
	Datum		values[CARD_NCOLUMNS];
	bool		nulls[CARD_NCOLUMNS] = {false};

#define AMOUNT(minor) NumericGetDatum(amount_numeric(minor, unit->scale))
	values[CARD_CARD] = CStringGetTextDatum(unit->code);
	values[CARD_PRINCIPAL] = AMOUNT(decide_stored(decision, unit, true));
	values[CARD_BONUS] = AMOUNT(decide_stored(decision, unit, false));
	values[CARD_PENDING] = AMOUNT(card->pending);
	values[CARD_HELD] = AMOUNT(total - card->pending -
							   wallet_total(&decision->account->wallet,
											unit->unit_id));
	values[CARD_FROZEN] = BoolGetDatum(card->frozen);
	values[CARD_NAMED] = BoolGetDatum(card->named);
	values[CARD_LIMIT] = AMOUNT(limit);
	nulls[CARD_LIMIT] = limit < 0;
#undef AMOUNT
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* topup_balance(member_id, unit): one row per card; takes no lock. */
Datum
loyalty_balance_topup(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller = CurrentMemoryContext;
	char	   *code = PG_ARGISNULL(CARD_UNIT) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(CARD_UNIT));
	Account		account;
	Decision	decision;
	const Unit *unit = NULL;

	require_argument(fcinfo, CARD_MEMBER_ID, "member_id");
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	if (!store_load(PG_GETARG_INT64(CARD_MEMBER_ID), ACCOUNT_READ_STABLE,
					loyalty_clock(), &account, &decision))
		refusal_raise(REFUSAL_MEMBER_NOT_FOUND,
					  psprintf("member_id=" INT64_FORMAT,
							   PG_GETARG_INT64(CARD_MEMBER_ID)));
	if (code != NULL)
		unit = program_unit(decision.program, code);
	if (code != NULL && unit == NULL)
		refusal_raise(REFUSAL_UNKNOWN_UNIT, psprintf("unit=%s", code));
	store_load_cards(&decision, true);
	store_load_holds(&decision, ACCOUNT_READ_STABLE);
	decide_settle(&decision, DT_NOBEGIN);
	for (int i = 0; i < decision.program->ntopups; i++)
		if (unit == NULL ||
			decision.program->topups[i].unit_id == unit->unit_id)
			put_card(result, &decision, &decision.program->topups[i]);
	SPI_finish();
	return (Datum) 0;
}
