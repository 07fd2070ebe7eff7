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
PG_FUNCTION_INFO_V1(loyalty_balance_at);
PG_FUNCTION_INFO_V1(loyalty_balance_lot_at);

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

/*
 * The ledger as it stood at a moment: what is dated before it, and had been
 * recorded at another.
 */
static Statement fold_until = {
	"SELECT loyalty.wallet_fold(e.unit_id, e.vests_on, e.expires_on, e.origin,"
	" e.amount)"
	" FROM loyalty.journal j"
	" JOIN loyalty.entry e USING (member_id, journal_id)"
	" WHERE j.member_id = $1 AND j.effective_at < $2 AND j.recorded_at <= $3",
	3, {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
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

/*
 * Puts the account to where the ledger says it stood just before a moment, by
 * what was recorded at another.
 */
static void
go_to(Decision *decision, TimestampTz until, TimestampTz known_at)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id)),
		ARG(TimestampTzGetDatum(until)),
		ARG(TimestampTzGetDatum(known_at))
	};

	statement_run(&fold_until, args, true);
	wallet_unpack(statement_notnull(0, 1), &decision->account->wallet);
	clear_early_repayments(&decision->account->wallet);
	decision->nholds = hold_load_past(decision->account->member_id, until,
									  known_at, &decision->holds);
	for (int i = 0; i < decision->nholds; i++)
		store_load_cards_of(decision, &decision->holds[i].lots, true);
	decision->now = until - 1;
	decision->today = program_date(decision->program, decision->now);
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
		go_to(&decision, program_midnight(decision.program, as_of + 1),
			  DT_NOEND);
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

enum at_arg
{
	AT_MEMBER_ID,
	AT_AT,
	AT_KNOWN_AT
};

enum at_column
{
	AT_UNIT,
	AT_AVAILABLE,
	AT_PENDING,
	AT_HELD,
	AT_DEBT,
	AT_NCOLUMNS
};

enum lot_column
{
	LOT_UNIT_ID,
	LOT_EXPIRES_ON,
	LOT_HELD,
	LOT_AMOUNT,
	LOT_NCOLUMNS
};

/* A moment that has a date in all zones. */
static TimestampTz
moment_argument(FunctionCallInfo fcinfo, int arg, const char *name)
{
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(arg);

	if (TIMESTAMP_NOT_FINITE(at))
		refusal_raise(REFUSAL_TIME_NOT_FINITE,
					  psprintf("%s is not finite", name));
	return at;
}

/*
 * Loads a member as the books stood at a moment, as far as was known at
 * another, with everything settled that had fallen due by then.
 */
static void
load_at(FunctionCallInfo fcinfo, Account *account, Decision *decision)
{
	MemoryContext caller = CurrentMemoryContext;
	TimestampTz known_at = DT_NOEND;
	TimestampTz at;

	require_argument(fcinfo, AT_MEMBER_ID, "member_id");
	require_argument(fcinfo, AT_AT, "at");
	at = moment_argument(fcinfo, AT_AT, "at");
	if (!PG_ARGISNULL(AT_KNOWN_AT))
		known_at = moment_argument(fcinfo, AT_KNOWN_AT, "known_at");
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	if (!store_load(PG_GETARG_INT64(AT_MEMBER_ID), ACCOUNT_READ_STABLE,
					loyalty_clock(), account, decision))
		refusal_raise(REFUSAL_MEMBER_NOT_FOUND,
					  psprintf("member_id=" INT64_FORMAT,
							   PG_GETARG_INT64(AT_MEMBER_ID)));
	if (program_date(decision->program, at) < WALLET_FIRST_DATE ||
		program_date(decision->program, at) >= WALLET_LAST_DATE)
		refusal_raise(REFUSAL_TIME_NOT_FINITE,
					  "at must lie between the years 1 and 9999");
	go_to(decision, at + 1, known_at);
	decide_settle(decision, DT_NOBEGIN);
}

/* balance_at(member_id, at, known_at): one row per unit; takes no lock. */
Datum
loyalty_balance_at(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Account		account;
	Decision	decision;

	load_at(fcinfo, &account, &decision);
	for (int i = 0; i < decision.program->nunits; i++)
	{
		const Unit *unit = &decision.program->units[i];
		bool		metric = unit->kind == UNIT_METRIC;
		Datum		values[AT_NCOLUMNS];
		bool		nulls[AT_NCOLUMNS] = {false};

		if (unit->kind == UNIT_COUNTER)
			continue;
#define PUT(column, minor) \
	(values[column] = NumericGetDatum(amount_numeric(minor, unit->scale)))
		values[AT_UNIT] = CStringGetTextDatum(unit->code);
		PUT(AT_AVAILABLE, metric ? metric_balance(&decision, unit) :
			decide_available(&decision, unit));
		PUT(AT_PENDING, metric ? 0 :
			wallet_pending(&account.wallet, unit->unit_id, decision.today));
		PUT(AT_HELD, held_amount(&decision, unit));
		PUT(AT_DEBT, wallet_debt(&account.wallet, unit->unit_id));
#undef PUT
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 nulls);
	}
	SPI_finish();
	return (Datum) 0;
}

static void
put_lot(ReturnSetInfo *result, int32 unit_id, DateADT expires_on, bool held,
		int64 amount)
{
	Datum		values[LOT_NCOLUMNS] = {
		[LOT_UNIT_ID] = Int32GetDatum(unit_id),
		[LOT_EXPIRES_ON] = DateADTGetDatum(expires_on),
		[LOT_HELD] = BoolGetDatum(held),
		[LOT_AMOUNT] = Int64GetDatum(amount)
	};
	bool		nulls[LOT_NCOLUMNS] = {false};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * balance_lot_at(member_id, at, known_at): the same by last day of use, in
 * minor units; held value has none, and debt is at the other end of time.
 */
Datum
loyalty_balance_lot_at(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Account		account;
	Decision	decision;

	load_at(fcinfo, &account, &decision);
	for (int i = 0; i < account.wallet.n; i++)
	{
		const Lot  *lot = &account.wallet.lots[i];

		put_lot(result, lot->unit_id,
				lot->origin == ORIGIN_DEBT ? DATEVAL_NOBEGIN : lot->expires_on,
				false, lot->amount);
	}
	for (int i = 0; i < decision.nholds; i++)
		if (decision.holds[i].status == HOLD_HELD)
			put_lot(result, decision.holds[i].unit_id, DATEVAL_NOEND, true,
					decision.holds[i].amount);
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
