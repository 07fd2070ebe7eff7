/*
 * store_timed.c
 *
 * Automations that start on a date, for a batch of members: loads what they
 * look at beside the accounts, by one statement for each kind, and makes the
 * runs that are due.
 */
#include "store.h"

#include "utils/builtins.h"
#include "utils/hsearch.h"

#include "statement.h"

typedef struct TimedMember
{
	int64		member_id;		/* the hash key */
	Timed		timed;
} TimedMember;

struct TimedBatch
{
	const Program *program;
	MemoryContext context;		/* in which it lives */
	DateADT		today;
	NullableDatum member_ids;
	HTAB	   *members;
	RunStarts	starts;
};

static Statement select_persons = {
	"SELECT member_id, joined_at, CASE jsonb_typeof(profile->'birthday')"
	" WHEN 'string' THEN profile->>'birthday' END"
	" FROM loyalty.member WHERE member_id = ANY ($1)",
	1, {INT8ARRAYOID}
};

/* Those that are not over, by member. */
static Statement select_coupons = {
	"SELECT m.member_id, m.coupon_no, c.name, m.valid_until,"
	" m.uses < m.max_uses"
	" FROM loyalty.member_coupon m JOIN loyalty.coupon c USING (coupon_id)"
	" WHERE m.member_id = ANY ($1) AND m.status = 'issued'"
	" AND m.valid_until >= $2"
	" ORDER BY m.member_id, m.coupon_no",
	2, {INT8ARRAYOID, DATEOID}
};

/* Who has paid for what follows need not be told that it ends. */
static Statement select_plans = {
	"SELECT b.member_id, p.name, b.ends_on, b.auto_renew"
	" FROM loyalty.member_plan b JOIN loyalty.plan p USING (plan_id)"
	" WHERE b.member_id = ANY ($1) AND b.ends_on >= b.starts_on"
	" AND b.ends_on >= $2"
	" AND NOT EXISTS (SELECT FROM loyalty.member_plan f"
	" WHERE f.member_id = b.member_id AND f.ends_on >= f.starts_on"
	" AND f.ends_on > b.ends_on AND f.starts_on <= b.ends_on + 1)"
	" ORDER BY b.member_id, b.ends_on, b.journal_id",
	2, {INT8ARRAYOID, DATEOID}
};

static bool
asks(const Program *program, TriggerKind kind, const char *name)
{
	const Automations *automations = &program->automations;

	for (int i = 0; i < automations->count[kind]; i++)
	{
		const Automation *automation =
			&automations->list[automations->first[kind] + i];

		if (name == NULL || (automation->trigger_name != NULL &&
							 strcmp(automation->trigger_name, name) == 0))
			return true;
	}
	return false;
}

static Timed *
find_timed(const TimedBatch *batch, uint64 row)
{
	int64		member_id = DatumGetInt64(statement_notnull(row, 1));
	TimedMember *member = hash_search(batch->members, &member_id, HASH_FIND,
									  NULL);

	return &member->timed;
}

static void
load_persons(const TimedBatch *batch, bool read_only)
{
	uint64		n = statement_run(&select_persons, &batch->member_ids,
								  read_only);

	for (uint64 i = 0; i < n; i++)
	{
		Timed	   *timed = find_timed(batch, i);
		Facts		facts = {0};

		timed->joined_on =
			program_date(batch->program,
						 DatumGetTimestampTz(statement_notnull(i, 2)));
		decide_birthday(&facts, statement_text(i, 3));
		timed->birth_month = facts.birth_month;
		timed->birth_day = facts.birth_day;
	}
}

static void
load_coupons(const TimedBatch *batch, bool read_only)
{
	NullableDatum args[] = {
		batch->member_ids,
		ARG(DateADTGetDatum(batch->today))
	};
	uint64		n = statement_run(&select_coupons, args, read_only);
	TimedCoupon *coupons = palloc(sizeof(TimedCoupon) * Max(n, 1));

	for (uint64 i = 0; i < n; i++)
	{
		Timed	   *timed = find_timed(batch, i);

		coupons[i].coupon_no = DatumGetInt64(statement_notnull(i, 2));
		coupons[i].name = statement_text(i, 3);
		coupons[i].valid_until = DatumGetDateADT(statement_notnull(i, 4));
		coupons[i].usable = DatumGetBool(statement_notnull(i, 5));
		if (timed->ncoupons++ == 0)
			timed->coupons = &coupons[i];
	}
}

/* The first day of an end that an automation may still look at. */
static DateADT
plans_from(const TimedBatch *batch)
{
	const Automations *automations = &batch->program->automations;
	int			first = automations->first[TRIGGER_PLAN_ENDING];
	DateADT		from = batch->today;

	for (int i = 0; i < automations->count[TRIGGER_PLAN_ENDING]; i++)
	{
		const Automation *automation = &automations->list[first + i];

		from = Min(from, batch->today - automation->late_days +
				   automation->days);
	}
	return from;
}

static void
load_plans(const TimedBatch *batch, bool read_only)
{
	NullableDatum args[] = {
		batch->member_ids,
		ARG(DateADTGetDatum(plans_from(batch)))
	};
	uint64		n = statement_run(&select_plans, args, read_only);
	TimedPlan  *plans = palloc(sizeof(TimedPlan) * Max(n, 1));

	for (uint64 i = 0; i < n; i++)
	{
		Timed	   *timed = find_timed(batch, i);

		plans[i].name = statement_text(i, 2);
		plans[i].ends_on = DatumGetDateADT(statement_notnull(i, 3));
		plans[i].auto_renew = DatumGetBool(statement_notnull(i, 4));
		if (timed->nplans++ == 0)
			timed->plans = &plans[i];
	}
}

static HTAB *
make_members(const Datum *member_ids, int n)
{
	HASHCTL		control = {
		.keysize = sizeof(int64),
		.entrysize = sizeof(TimedMember),
		.hcxt = CurrentMemoryContext
	};
	HTAB	   *members = hash_create("loyalty timed", Max(n, 16), &control,
									  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	for (int i = 0; i < n; i++)
	{
		int64		member_id = DatumGetInt64(member_ids[i]);
		TimedMember *member = hash_search(members, &member_id, HASH_ENTER,
										  NULL);

		memset(&member->timed, 0, sizeof(Timed));
		member->timed.joined_on = DATEVAL_NOBEGIN;
	}
	return members;
}

/*
 * Begins a batch of members of a programme, whose accounts are locked or only
 * read, and loads what its dated automations look at.  NULL if it has none.
 * Everything lives in the current context.
 */
TimedBatch *
store_timed_begin(const Program *program, const Datum *member_ids, int n,
				  TimestampTz now, bool read_only)
{
	TimedBatch *batch;

	if (program->automations.ndated == 0 || n == 0)
		return NULL;
	batch = palloc0(sizeof(TimedBatch));
	batch->program = program;
	batch->context = CurrentMemoryContext;
	batch->today = program_date(program, now);
	batch->member_ids =
		ARG(array_of(member_ids, n, INT8OID));
	batch->members = make_members(member_ids, n);
	store_runs_begin(&batch->starts, program, now);
	if (asks(program, TRIGGER_DATE, "birthday") ||
		asks(program, TRIGGER_DATE, "joined") ||
		asks(program, TRIGGER_SILENT, NULL))
		load_persons(batch, read_only);
	if (asks(program, TRIGGER_COUPON_EXPIRING, NULL))
		load_coupons(batch, read_only);
	if (asks(program, TRIGGER_PLAN_ENDING, NULL))
		load_plans(batch, read_only);
	return batch;
}

const Timed *
store_timed_of(const TimedBatch *batch, int64 member_id)
{
	const TimedMember *member = hash_search(batch->members, &member_id,
											HASH_FIND, NULL);

	return &member->timed;
}

/*
 * Notes the runs that are due for a member of the batch, whose decision is
 * settled, and lowers account->due_on, which is exact for all else, to the
 * next date.  Who has closed his account is told nothing.
 */
void
store_timed_member(TimedBatch *batch, Decision *decision)
{
	Account    *account = decision->account;
	Decision	seen = *decision;
	List	   *occurrences;
	ListCell   *cell;
	DateADT		next;

	if (batch == NULL)
		return;
	seen.program = batch->program;
	occurrences = decide_timed(&seen,
							   store_timed_of(batch, account->member_id),
							   false, &next);
	account->due_on = Min(account->due_on, next);
	if (account->status != STATUS_ACTIVE && account->status != STATUS_FROZEN)
		return;
	foreach(cell, occurrences)
	{
		const Occurrence *occurrence = lfirst(cell);

		store_runs_add(&batch->starts, occurrence->automation,
							 account->member_id, occurrence->text,
							 occurrence->at, 0, occurrence->trigger);
	}
}

/* Makes the runs that were noted; returns how many are new. */
int64
store_timed_end(TimedBatch *batch)
{
	return batch == NULL ? 0 : store_runs_flush(&batch->starts);
}

static Statement lower_due_on = {
	"UPDATE loyalty.account SET due_on = $2"
	" WHERE member_id = $1 AND due_on > $2",
	2, {INT8OID, DATEOID}
};

/*
 * Lowers the date on which an account that is locked is looked at, because
 * more is known of the person.
 */
void
store_timed_lower(Decision *decision)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id)),
		NULL_ARG
	};
	DateADT		due_on;

	if (decision->timed == NULL)
		return;
	due_on = decide_timed_due(decision);
	if (due_on >= decision->account->due_on)
		return;
	args[1] = ARG(DateADTGetDatum(due_on));
	statement_run(&lower_due_on, args, false);
}
