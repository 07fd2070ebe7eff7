/*
 * campaign.c
 *
 * Campaigns, and the budgets from which awards are taken.
 *
 * A budget is cut into slots, so that not everybody waits for one row.
 * Whoever takes looks for an unlocked slot that can give all; only when none
 * can does he wait for those that others have locked, and only when he has
 * seen every slot empty is the budget exhausted.  A slot is locked until the
 * transaction that took from it ends: what it rolls back is there again.
 * Slots are waited for in ascending order of their number, and nobody holds
 * more than those he has taken from and those he has seen empty.
 */
#include "campaign.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "amount.h"

/* A slot counts as full while it has so many awards of this amount left. */
#define FULL_SLOT 100

#define MAX_SLOTS 1000

PG_FUNCTION_INFO_V1(loyalty_budget_set);
PG_FUNCTION_INFO_V1(loyalty_campaign_start);
PG_FUNCTION_INFO_V1(loyalty_campaign_pause);
PG_FUNCTION_INFO_V1(loyalty_campaign_end);

/*
 * Loading.
 */

static Statement select_campaigns = {
	"SELECT campaign_id, name, status = 'live', starts_at, ends_at"
	" FROM loyalty.campaign WHERE program_id = $1 ORDER BY campaign_id",
	1, {INT4OID}
};

static Statement select_budgets = {
	"SELECT budget_id, campaign_id, unit_id"
	" FROM loyalty.budget WHERE program_id = $1 ORDER BY budget_id",
	1, {INT4OID}
};

Campaign *
campaign_load(int32 program_id, int *ncampaigns)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id))};
	int			n = statement_run(&select_campaigns, args, true);
	Campaign   *campaigns = palloc(sizeof(Campaign) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		campaigns[i].campaign_id = DatumGetInt32(statement_notnull(i, 1));
		campaigns[i].name = statement_text(i, 2);
		campaigns[i].live = DatumGetBool(statement_notnull(i, 3));
		campaigns[i].starts_at = statement_time_or(i, 4, DT_NOBEGIN);
		campaigns[i].ends_at = statement_time_or(i, 5, DT_NOEND);
	}
	*ncampaigns = n;
	return campaigns;
}

Budget *
budget_load(int32 program_id, int *nbudgets)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id))};
	int			n = statement_run(&select_budgets, args, true);
	Budget	   *budgets = palloc(sizeof(Budget) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		budgets[i].budget_id = DatumGetInt32(statement_notnull(i, 1));
		budgets[i].campaign_id = statement_int32_or(i, 2, 0);
		budgets[i].unit_id = DatumGetInt32(statement_notnull(i, 3));
	}
	*nbudgets = n;
	return budgets;
}

/*
 * Taking.
 */

/*
 * Each session has a slot of its own, as far as there are enough: if it has so
 * much left that it is not drained under our hands, no other is looked at.
 */
static Statement lock_own_slot = {
	"SELECT slot FROM loyalty.budget_slot"
	" WHERE budget_id = $1 AND slot = 1 + $3 %"
	" (SELECT max(s.slot) FROM loyalty.budget_slot s WHERE s.budget_id = $1)"
	" AND quota - used >= $4"
	" FOR NO KEY UPDATE SKIP LOCKED",
	4, {INT4OID, INT8OID, INT4OID, INT8OID}
};

/* Of the others; the number of the session, mixed, orders them. */
static Statement lock_unlocked_slot = {
	"SELECT slot FROM loyalty.budget_slot"
	" WHERE budget_id = $1 AND quota - used >= $2"
	" ORDER BY (slot + $3) * 40503 & 65535 LIMIT 1"
	" FOR NO KEY UPDATE SKIP LOCKED",
	3, {INT4OID, INT8OID, INT4OID}
};

/* The next that has something left, once nobody else has locked it. */
static Statement lock_next_slot = {
	"SELECT slot, quota - used FROM loyalty.budget_slot"
	" WHERE budget_id = $1 AND slot > $2 AND used < quota"
	" ORDER BY slot LIMIT 1 FOR NO KEY UPDATE",
	2, {INT4OID, INT4OID}
};

static Statement use_slot = {
	"UPDATE loyalty.budget_slot SET used = used + $3"
	" WHERE budget_id = $1 AND slot = $2",
	3, {INT4OID, INT4OID, INT8OID}
};

/* Those that this transaction has taken from are among them. */
static Statement lock_used_slots = {
	"SELECT slot, used FROM loyalty.budget_slot"
	" WHERE budget_id = $1 AND used > 0"
	" ORDER BY slot FOR NO KEY UPDATE SKIP LOCKED",
	1, {INT4OID}
};

/* Of which so much was taken, by whomever; the order is that of taking. */
static Statement lock_unlocked_used = {
	"SELECT slot FROM loyalty.budget_slot"
	" WHERE budget_id = $1 AND used >= $2"
	" ORDER BY (slot + $3) * 40503 & 65535 LIMIT 1"
	" FOR NO KEY UPDATE SKIP LOCKED",
	3, {INT4OID, INT8OID, INT4OID}
};

/* The next from which something was taken, once nobody else has locked it. */
static Statement lock_next_used = {
	"SELECT slot, used FROM loyalty.budget_slot"
	" WHERE budget_id = $1 AND slot > $2 AND used > 0"
	" ORDER BY slot LIMIT 1 FOR NO KEY UPDATE",
	2, {INT4OID, INT4OID}
};

static Statement select_left = {
	"SELECT coalesce(sum(quota - used), 0)::bigint"
	" FROM loyalty.budget_slot WHERE budget_id = $1",
	1, {INT4OID}
};

/* A slot, and how much to take from it or what is in it. */
typedef struct Slot
{
	int32		slot;
	int64		amount;
} Slot;

/* What is to be taken. */
typedef struct Claim
{
	int32		budget_id;
	int64		amount;
} Claim;

/* Adds to what is used of a slot that this transaction has locked. */
static void
add_used(int32 budget_id, int32 slot, int64 amount)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(budget_id)),
		ARG(Int32GetDatum(slot)),
		ARG(Int64GetDatum(amount))
	};

	if (statement_run(&use_slot, args, false) != 1)
		elog(ERROR, "slot %d of budget %d was not written", slot, budget_id);
}

/* Takes all from the slot that the statement locks; false if it locks none. */
static bool
take_locked(Statement *lock, const Claim *claim)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(claim->budget_id)),
		ARG(Int64GetDatum(claim->amount)),
		ARG(Int32GetDatum(MyProcPid % MAX_SLOTS)),
		ARG(Int64GetDatum(Min(claim->amount, AMOUNT_MAX) * FULL_SLOT))
	};

	if (statement_run(lock, args, false) == 0)
		return false;
	add_used(claim->budget_id, DatumGetInt32(statement_notnull(0, 1)),
			 claim->amount);
	return true;
}

/* Takes all from any slot that nobody has locked; false if none has it. */
static bool
take_unlocked(void *claim)
{
	return take_locked(&lock_unlocked_slot, claim);
}

/*
 * Locks the next slot that the statement finds, with what is left or used of
 * it; false if there is none.
 */
static bool
lock_next(Statement *lock, int32 budget_id, Slot *slot)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(budget_id)),
		ARG(Int32GetDatum(slot->slot))
	};

	CHECK_FOR_INTERRUPTS();
	if (statement_run(lock, args, false) == 0)
		return false;
	slot->slot = DatumGetInt32(statement_notnull(0, 1));
	slot->amount = DatumGetInt64(statement_notnull(0, 2));
	return true;
}

/*
 * What others have taken but not committed still counts as left in what is
 * read without a lock.  So when that is too little for the whole, nobody has
 * to be waited for.
 */
int64
budget_take(int32 budget_id, int64 amount, bool whole)
{
	Slot		locked[MAX_SLOTS];
	Slot		slot = {0, 0};
	Claim		claim = {budget_id, amount};
	int			n = 0;
	int64		left = amount;

	if (amount <= 0)
		return 0;
	/*
	 * A slot that was drained since the snapshot stays locked although it is
	 * not returned: giving up the attempt unlocks it, or we would wait below
	 * while holding a slot out of order.  A slot of one's own is not drained so
	 * soon, and a long transaction is spared thousands of subtransactions.
	 */
	if (take_locked(&lock_own_slot, &claim) ||
		statement_attempt(take_unlocked, &claim))
		return amount;
	if (whole && budget_look(budget_id, amount, true, false) == 0)
		return 0;
	while (left > 0 && n < MAX_SLOTS &&
		   lock_next(&lock_next_slot, budget_id, &slot))
	{
		slot.amount = Min(slot.amount, left);
		left -= slot.amount;
		locked[n++] = slot;
	}
	if (whole && left > 0)
		return 0;
	for (int i = 0; i < n; i++)
		add_used(budget_id, locked[i].slot, locked[i].amount);
	return amount - left;
}

void
budget_give_back(int32 budget_id, int64 amount)
{
	NullableDatum args[] = {ARG(Int32GetDatum(budget_id))};
	Slot		used[MAX_SLOTS];
	int			n;

	if (amount <= 0)
		return;
	n = Min(statement_run(&lock_used_slots, args, false), MAX_SLOTS);
	for (int i = 0; i < n; i++)
	{
		used[i].slot = DatumGetInt32(statement_notnull(i, 1));
		used[i].amount = DatumGetInt64(statement_notnull(i, 2));
	}
	for (int i = 0; i < n && amount > 0; i++)
	{
		int64		back = Min(used[i].amount, amount);

		add_used(budget_id, used[i].slot, -back);
		amount -= back;
	}
	if (amount > 0)
		elog(ERROR, "more was given back to budget %d than was taken",
			 budget_id);
}

/* Gives all back to any slot that nobody has locked; false if none can. */
static bool
return_unlocked(void *argument)
{
	const Claim *claim = argument;
	NullableDatum args[] = {
		ARG(Int32GetDatum(claim->budget_id)),
		ARG(Int64GetDatum(claim->amount)),
		ARG(Int32GetDatum(MyProcPid % MAX_SLOTS))
	};

	if (statement_run(&lock_unlocked_used, args, false) == 0)
		return false;
	add_used(claim->budget_id, DatumGetInt32(statement_notnull(0, 1)),
			 -claim->amount);
	return true;
}

void
budget_return(int32 budget_id, int64 amount)
{
	Claim		claim = {budget_id, amount};
	Slot		slot = {0, 0};

	if (amount <= 0 || statement_attempt(return_unlocked, &claim))
		return;
	while (amount > 0 && lock_next(&lock_next_used, budget_id, &slot))
	{
		slot.amount = Min(slot.amount, amount);
		add_used(budget_id, slot.slot, -slot.amount);
		amount -= slot.amount;
	}
}

int64
budget_look(int32 budget_id, int64 amount, bool whole, bool read_only)
{
	NullableDatum args[] = {ARG(Int32GetDatum(budget_id))};
	int64		left;

	if (amount <= 0)
		return 0;
	statement_run(&select_left, args, read_only);
	left = DatumGetInt64(statement_notnull(0, 1));
	if (left < amount && whole)
		return 0;
	return Min(left, amount);
}

/*
 * budget_set() and the status of a campaign.
 */

static Statement select_program = {
	"SELECT program_id FROM loyalty.program WHERE name = $1",
	1, {TEXTOID}
};

static Statement select_unit = {
	"SELECT unit_id, scale, kind = 'counter' FROM loyalty.unit"
	" WHERE program_id = $1 AND code = $2",
	2, {INT4OID, TEXTOID}
};

static Statement select_campaign = {
	"SELECT campaign_id FROM loyalty.campaign"
	" WHERE program_id = $1 AND name = $2",
	2, {INT4OID, TEXTOID}
};

/* The row of the budget is locked, whether it is new or not. */
static Statement upsert_budget = {
	"INSERT INTO loyalty.budget (program_id, campaign_id, unit_id, amount)"
	" VALUES ($1, $2, $3, $4)"
	" ON CONFLICT (program_id, campaign_id, unit_id)"
	" DO UPDATE SET amount = excluded.amount RETURNING budget_id",
	4, {INT4OID, INT4OID, INT4OID, NUMERICOID}
};

static Statement lock_slots = {
	"SELECT slot, used FROM loyalty.budget_slot"
	" WHERE budget_id = $1 ORDER BY slot FOR NO KEY UPDATE",
	1, {INT4OID}
};

static Statement upsert_slot = {
	"INSERT INTO loyalty.budget_slot"
	" (budget_id, slot, program_id, quota, used)"
	" VALUES ($1, $2, $3, $4, $5) ON CONFLICT (budget_id, slot)"
	" DO UPDATE SET quota = excluded.quota, used = excluded.used",
	5, {INT4OID, INT4OID, INT4OID, INT8OID, INT8OID}
};

static Statement update_status = {
	"UPDATE loyalty.campaign SET status = $3"
	" WHERE program_id = $1 AND name = $2",
	3, {INT4OID, TEXTOID, TEXTOID}
};

/* Refuses NULL for an argument that has a name here. */
static void
require_args(FunctionCallInfo fcinfo, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
		if (names[i] != NULL)
			require_argument(fcinfo, i, names[i]);
}

/* The id in the one row that a statement finds; raises if it finds none. */
static int32
find_id(Statement *statement, const NullableDatum *args, Refusal refusal,
		const char *what)
{
	Datum		name = args[statement->nargs - 1].value;

	if (statement_run(statement, args, false) == 0)
		refusal_raise(refusal, psprintf("%s=%s", what,
										clipped(TextDatumGetCString(name))));
	return DatumGetInt32(statement_notnull(0, 1));
}

static int32
find_program(Datum name)
{
	NullableDatum args[] = {ARG(name)};

	return find_id(&select_program, args, REFUSAL_PROGRAM_NOT_FOUND,
				   "program");
}

/* The unit, and the amount in its minor units. */
static int32
find_unit(int32 program_id, Datum code, Datum amount, int64 *minor)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id)), ARG(code)};
	int32		unit_id = find_id(&select_unit, args, REFUSAL_UNKNOWN_UNIT,
								  "unit");
	int			scale = DatumGetInt16(statement_notnull(0, 2));
	Refusal		refusal;

	if (DatumGetBool(statement_notnull(0, 3)))
		refusal_raise(REFUSAL_UNIT_MISMATCH,
					  psprintf("unit=%s kind=counter",
							   clipped(TextDatumGetCString(code))));
	refusal = amount_parse(DatumGetNumeric(amount), scale, minor);
	if (refusal == REFUSAL_NONE && *minor < 0)
		refusal = REFUSAL_AMOUNT_NOT_POSITIVE;
	if (refusal != REFUSAL_NONE)
		refusal_raise(refusal, psprintf("decimals=%d", scale));
	return unit_id;
}

/* All slots of a budget, locked, by what is used of them: slot n at n - 1. */
static int
load_used(int32 budget_id, int64 *used)
{
	NullableDatum args[] = {ARG(Int32GetDatum(budget_id))};
	int			n = statement_run(&lock_slots, args, false);
	int			highest = 0;

	for (int i = 0; i < n; i++)
	{
		int32		slot = DatumGetInt32(statement_notnull(i, 1));

		if (slot < 1 || slot > MAX_SLOTS)
			elog(ERROR, "budget %d has a slot %d", budget_id, slot);
		used[slot - 1] = DatumGetInt64(statement_notnull(i, 2));
		highest = slot;
	}
	return highest;
}

void
budget_lock(int32 budget_id)
{
	NullableDatum args[] = {ARG(Int32GetDatum(budget_id))};

	statement_run(&lock_slots, args, false);
}

/* The n-th part, from 0, of an amount that is shared as evenly as it goes. */
static int64
even_share(int64 amount, int n, int parts)
{
	return n < parts ? amount / parts + (n < amount % parts) : 0;
}

/* Slots beyond the first nslots keep what they have given, and no more. */
void
budget_write(int32 program_id, int32 budget_id, int64 amount, int64 counted,
			 int nslots)
{
	int64		used[MAX_SLOTS] = {0};
	int			n = Max(load_used(budget_id, used), nslots);
	int64		left = amount;

	for (int i = 0; i < n; i++)
	{
		if (counted >= 0)
			used[i] = even_share(counted, i, nslots);
		left -= used[i];
	}
	left = Max(left, 0);
	for (int i = 0; i < n; i++)
	{
		NullableDatum args[] = {
			ARG(Int32GetDatum(budget_id)),
			ARG(Int32GetDatum(i + 1)),
			ARG(Int32GetDatum(program_id)),
			ARG(Int64GetDatum(used[i] + even_share(left, i, nslots))),
			ARG(Int64GetDatum(used[i]))
		};

		CHECK_FOR_INTERRUPTS();
		statement_run(&upsert_slot, args, false);
	}
}

void
budget_check_slots(int nslots)
{
	if (nslots < 1 || nslots > MAX_SLOTS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("slots must be between 1 and %d", MAX_SLOTS)));
}

enum budget_arg
{
	BUDGET_PROGRAM,
	BUDGET_UNIT,
	BUDGET_AMOUNT,
	BUDGET_CAMPAIGN,			/* NULL: the programme's */
	BUDGET_SLOTS
};

/*
 * budget_set(program, unit, amount, campaign, slots): makes a budget or
 * changes its amount, and returns its id.  Locks the budget, then its slots.
 */
Datum
loyalty_budget_set(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		"program", "unit", "amount", NULL, "slots"
	};
	int			nslots;
	int32		program_id;
	int64		minor;
	int32		budget_id;
	NullableDatum row[4] = {0};

	require_args(fcinfo, names, lengthof(names));
	nslots = PG_GETARG_INT32(BUDGET_SLOTS);
	budget_check_slots(nslots);

	SPI_connect();
	loyalty_check_version();
	program_id = find_program(PG_GETARG_DATUM(BUDGET_PROGRAM));
	row[0] = ARG(Int32GetDatum(program_id));
	row[1] = NULL_ARG;
	row[2] = ARG(Int32GetDatum(find_unit(program_id,
										 PG_GETARG_DATUM(BUDGET_UNIT),
										 PG_GETARG_DATUM(BUDGET_AMOUNT),
										 &minor)));
	row[3] = ARG(PG_GETARG_DATUM(BUDGET_AMOUNT));
	if (!PG_ARGISNULL(BUDGET_CAMPAIGN))
	{
		NullableDatum args[] = {row[0], fcinfo->args[BUDGET_CAMPAIGN]};

		row[1] = ARG(Int32GetDatum(find_id(&select_campaign, args,
										   REFUSAL_UNKNOWN_CAMPAIGN,
										   "campaign")));
	}
	statement_run(&upsert_budget, row, false);
	budget_id = DatumGetInt32(statement_notnull(0, 1));
	budget_write(program_id, budget_id, minor, -1, nslots);
	SPI_finish();
	PG_RETURN_INT32(budget_id);
}

/* Gives a campaign another status; raises if there is none of that name. */
static Datum
set_status(FunctionCallInfo fcinfo, const char *status)
{
	static const char *const names[] = {"program", "campaign"};
	NullableDatum args[3];

	require_args(fcinfo, names, lengthof(names));
	SPI_connect();
	loyalty_check_version();
	args[0] = ARG(Int32GetDatum(find_program(PG_GETARG_DATUM(0))));
	args[1] = fcinfo->args[1];
	args[2] = ARG(CStringGetTextDatum(status));
	if (statement_run(&update_status, args, false) == 0)
		refusal_raise(REFUSAL_UNKNOWN_CAMPAIGN,
					  psprintf("campaign=%s",
							   clipped(TextDatumGetCString(args[1].value))));
	SPI_finish();
	PG_RETURN_VOID();
}

/* campaign_start(program, campaign) */
Datum
loyalty_campaign_start(PG_FUNCTION_ARGS)
{
	return set_status(fcinfo, "live");
}

/* campaign_pause(program, campaign) */
Datum
loyalty_campaign_pause(PG_FUNCTION_ARGS)
{
	return set_status(fcinfo, "paused");
}

/* campaign_end(program, campaign) */
Datum
loyalty_campaign_end(PG_FUNCTION_ARGS)
{
	return set_status(fcinfo, "ended");
}
