/*
 * balance.c
 *
 * What an account holds at a date, and housekeeping, which posts what fell
 * due.  A balance never depends on housekeeping: it is read from a copy of
 * the account that is settled in memory.
 */
#include "loyalty.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "amount.h"
#include "statement.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_account_balance);
PG_FUNCTION_INFO_V1(loyalty_account_settle);

enum balance_arg
{
	BALANCE_MEMBER_ID,
	BALANCE_UNIT,
	BALANCE_AS_OF
};

enum balance_column
{
	BALANCE_COLUMN_UNIT,
	BALANCE_AVAILABLE,
	BALANCE_PENDING,
	BALANCE_HELD,
	BALANCE_DEBT,
	BALANCE_NEXT_EXPIRY,
	BALANCE_NEXT_EXPIRY_AMOUNT,
	BALANCE_NCOLUMNS
};

/* The ledger as it stood at a moment: what had been posted by then. */
static Statement fold_until = {
	"SELECT loyalty.wallet_fold(e.unit_id, e.vests_on, e.expires_on, e.origin,"
	" e.amount)"
	" FROM loyalty.journal j"
	" JOIN loyalty.entry e USING (member_id, journal_id)"
	" WHERE j.member_id = $1 AND j.effective_at < $2",
	2, {INT8OID, TIMESTAMPTZOID}
};

/*
 * A late event may have repaid, at its own date, a debt that was made after
 * that date.  Seen from between the two, it is value that is there.
 */
static void
clear_early_repayments(LotList *wallet)
{
	for (int i = wallet->n - 1; i >= 0; i--)
	{
		Lot			lot = wallet->lots[i];

		if (lot.origin != ORIGIN_DEBT || lot.amount < 0)
			continue;
		memmove(&wallet->lots[i], &wallet->lots[i + 1],
				sizeof(Lot) * (wallet->n - i - 1));
		wallet->n--;
		lot.origin = ORIGIN_EARNED;
		wallet_post(wallet, &lot);
	}
}

/* Puts the account back to where it stood at the end of a past date. */
static void
go_back(Decision *decision, DateADT as_of)
{
	TimestampTz until = program_midnight(decision->program, as_of + 1);
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id)),
		ARG(TimestampTzGetDatum(until))
	};

	statement_run(&fold_until, args, true);
	wallet_unpack(statement_notnull(0, 1), &decision->account->wallet);
	clear_early_repayments(&decision->account->wallet);
	decision->nholds = hold_load_past(decision->account->member_id, until,
									  &decision->holds);
	decision->now = until - 1;
	decision->today = as_of;
}

/* Puts the account on to the end of a future date, or leaves it at today. */
static void
go_on(Decision *decision, DateADT as_of)
{
	if (as_of > decision->today)
	{
		decision->now = program_midnight(decision->program, as_of + 1) - 1;
		decision->today = as_of;
	}
	if (decision->account->hold_until != DT_NOEND)
		store_load_holds(decision, ACCOUNT_READ_STABLE);
}

/* What is set aside of a unit, once the account is settled. */
static int64
held_amount(const Decision *decision, const Unit *unit)
{
	int64		held = 0;

	for (int i = 0; i < decision->nholds; i++)
	{
		const Hold *hold = &decision->holds[i];

		if (hold->unit_id == unit->unit_id && hold->status == HOLD_HELD)
			held = amount_add(held, hold->amount);
	}
	return held;
}

/* The months of a metric that count at a date. */
static int64
metric_balance(const Decision *decision, const Unit *unit)
{
	const LotList *wallet = &decision->account->wallet;
	DateADT		month = date_month_start(decision->today);
	bool		all = unit->window_months == 0 ||
		month - WALLET_FIRST_DATE < unit->window_months * 31;
	DateADT		first = all ? WALLET_FIRST_DATE :
		date_add_months(month, 1 - unit->window_months);
	int64		sum = 0;

	for (int i = 0; i < wallet->n; i++)
	{
		const Lot  *lot = &wallet->lots[i];

		if (lot->unit_id == unit->unit_id &&
			lot->vests_on >= first && lot->vests_on <= month)
			sum = amount_add(sum, lot->amount);
	}
	return sum;
}

/* The last day of use that comes first, and how much it takes. */
static int64
next_expiry(const Decision *decision, const Unit *unit, DateADT *date)
{
	const LotList *wallet = &decision->account->wallet;
	int64		sum = 0;

	*date = DATEVAL_NOEND;
	for (int i = 0; i < wallet->n; i++)
	{
		const Lot  *lot = &wallet->lots[i];

		if (lot->unit_id != unit->unit_id || lot->origin == ORIGIN_DEBT ||
			lot->expires_on == DATEVAL_NOEND ||
			lot->expires_on < decision->today ||
			lot->vests_on > decision->today)
			continue;
		if (lot->expires_on < *date)
		{
			*date = lot->expires_on;
			sum = 0;
		}
		if (lot->expires_on == *date)
			sum = amount_add(sum, lot->amount);
	}
	return sum;
}

static void
put_row(ReturnSetInfo *result, const Decision *decision, const Unit *unit)
{
	const LotList *wallet = &decision->account->wallet;
	bool		metric = unit->kind == UNIT_METRIC;
	Datum		values[BALANCE_NCOLUMNS];
	bool		nulls[BALANCE_NCOLUMNS] = {false};
	DateADT		expiry = DATEVAL_NOEND;
	int64		expiring = metric ? 0 : next_expiry(decision, unit, &expiry);

#define PUT(column, minor) \
	(values[column] = NumericGetDatum(amount_numeric(minor, unit->scale)))
	values[BALANCE_COLUMN_UNIT] = CStringGetTextDatum(unit->code);
	PUT(BALANCE_AVAILABLE, metric ? metric_balance(decision, unit) :
		decide_available(decision, unit));
	PUT(BALANCE_PENDING, metric ? 0 :
		wallet_pending(wallet, unit->unit_id, decision->today));
	PUT(BALANCE_HELD, held_amount(decision, unit));
	PUT(BALANCE_DEBT, wallet_debt(wallet, unit->unit_id));
	values[BALANCE_NEXT_EXPIRY] = DateADTGetDatum(expiry);
	PUT(BALANCE_NEXT_EXPIRY_AMOUNT, expiring);
	nulls[BALANCE_NEXT_EXPIRY] = expiry == DATEVAL_NOEND;
	nulls[BALANCE_NEXT_EXPIRY_AMOUNT] = nulls[BALANCE_NEXT_EXPIRY];
#undef PUT
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* balance(member_id, unit, as_of): one row per unit; takes no lock. */
Datum
loyalty_account_balance(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller = CurrentMemoryContext;
	char	   *code = PG_ARGISNULL(BALANCE_UNIT) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(BALANCE_UNIT));
	Account		account;
	Decision	decision;
	DateADT		as_of;

	require_argument(fcinfo, BALANCE_MEMBER_ID, "member_id");
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	if (!store_load(PG_GETARG_INT64(BALANCE_MEMBER_ID), ACCOUNT_READ_STABLE,
					loyalty_clock(), &account, &decision))
		refusal_raise(REFUSAL_MEMBER_NOT_FOUND,
			  psprintf("member_id=" INT64_FORMAT,
					   PG_GETARG_INT64(BALANCE_MEMBER_ID)));
	if (code != NULL && program_unit(decision.program, code) == NULL)
		refusal_raise(REFUSAL_UNKNOWN_UNIT, psprintf("unit=%s", code));
	as_of = PG_ARGISNULL(BALANCE_AS_OF) ? decision.today :
		PG_GETARG_DATEADT(BALANCE_AS_OF);
	if (as_of < WALLET_FIRST_DATE || as_of > WALLET_LAST_DATE)
		refusal_raise(REFUSAL_TIME_NOT_FINITE,
			  "as_of must lie between the years 1 and 9999");

	if (as_of < decision.today)
		go_back(&decision, as_of);
	else
		go_on(&decision, as_of);
	decide_settle(&decision, DT_NOBEGIN);
	for (int i = 0; i < decision.program->nunits; i++)
	{
		const Unit *unit = &decision.program->units[i];

		if (code == NULL ? unit->kind != UNIT_COUNTER :
			strcmp(unit->code, code) == 0)
			put_row(result, &decision, unit);
	}
	SPI_finish();
	return (Datum) 0;
}

/* account_settle(member_id): the number of journal rows written. */
Datum
loyalty_account_settle(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	Account		account;
	Account    *before;
	Decision	decision;
	TimedBatch *timed;

	require_argument(fcinfo, 0, "member_id");
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	if (!store_load(PG_GETARG_INT64(0), ACCOUNT_LOCK, loyalty_clock(),
					&account, &decision))
		refusal_raise(REFUSAL_MEMBER_NOT_FOUND,
			  psprintf("member_id=" INT64_FORMAT, PG_GETARG_INT64(0)));
	store_load_periods(&decision, false);
	decide_settle(&decision, DT_NOBEGIN);
	before = store_before(&decision);
	timed = store_timed_begin(decision.program, &fcinfo->args[0].value, 1,
							  decision.now, false);
	decide_due(&decision, true);
	store_timed_member(timed, &decision);
	store_decision(&decision);
	store_timed_end(timed);
	store_judge(&decision, before, decision.now);
	SPI_finish();
	PG_RETURN_INT32(decision.nrows);
}
