/*
 * store_coupon_take.c
 *
 * Coupons are used and reserved, and what was used or reserved is given back.
 *
 * Whoever changes a use has locked the account of its member.  Then codes are
 * locked, ascending; generic ones are not, because everybody uses them: what
 * limits those are slots.  Slots come last, ascending by budget, each budget
 * once: what is taken from it and given back to it is added up first.
 *
 * A reservation whose time is over is released by the next call of its
 * member, by coupon_release(), and by those who find a limit used up.  These
 * do not wait for what others have locked.
 */
#include "store_coupon.h"

#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "amount.h"
#include "statement.h"

/* Of so many members reservations are released when a limit is used up. */
#define MAX_RELEASED_MEMBERS 100

#define SELECT_USES \
	"SELECT member_id, use_id, coupon_id, version, coupon_no, code, ref," \
	" status = 'reserved', reserved_until, used_at, discount, returned," \
	" line_discounts FROM loyalty.coupon_use"

/* Reserved for the order $3, or until a time that is over. */
static Statement select_reserved = {
	SELECT_USES " WHERE member_id = $1 AND status = 'reserved'"
	" AND (reserved_until <= $2 OR ref = $3) ORDER BY use_id",
	3, {INT8OID, TIMESTAMPTZOID, TEXTOID}
};

static Statement select_of_order = {
	SELECT_USES " WHERE member_id = $1 AND ref = $3 AND (status = 'used'"
	" OR (status = 'reserved' AND reserved_until > $2)) ORDER BY use_id",
	3, {INT8OID, TIMESTAMPTZOID, TEXTOID}
};

static Statement select_due = {
	SELECT_USES " WHERE member_id = ANY ($1) AND status = 'reserved'"
	" AND reserved_until <= $2 AND ($3 IS NULL OR coupon_id = $3)"
	" ORDER BY member_id, use_id",
	3, {INT8ARRAYOID, TIMESTAMPTZOID, INT4OID}
};

/* Whose reservations of a template have timed out. */
static Statement select_late_members = {
	"SELECT DISTINCT member_id FROM loyalty.coupon_use"
	" WHERE coupon_id = $1 AND status = 'reserved' AND reserved_until <= $2"
	" AND member_id <> $3 ORDER BY member_id LIMIT $4",
	4, {INT4OID, TIMESTAMPTZOID, INT8OID, INT4OID}
};

/* The same in a programme. */
static Statement select_due_members = {
	"SELECT DISTINCT member_id FROM loyalty.coupon_use"
	" WHERE program_id = $1 AND status = 'reserved' AND reserved_until <= $2"
	" ORDER BY member_id LIMIT $3",
	3, {INT4OID, TIMESTAMPTZOID, INT4OID}
};

static Statement lock_unlocked_accounts = {
	"SELECT member_id FROM loyalty.account WHERE member_id = ANY ($1)"
	" ORDER BY member_id FOR NO KEY UPDATE SKIP LOCKED",
	1, {INT8ARRAYOID}
};

static Statement lock_codes = {
	"SELECT code FROM loyalty.coupon_code"
	" WHERE code = ANY ($1) AND program_id = $2 AND kind <> 'generic'"
	" ORDER BY code COLLATE \"C\" FOR NO KEY UPDATE",
	2, {TEXTARRAYOID, INT4OID}
};

static Statement lock_unlocked_codes = {
	"SELECT code FROM loyalty.coupon_code"
	" WHERE code = ANY ($1) AND program_id = $2 AND kind <> 'generic'"
	" ORDER BY code COLLATE \"C\" FOR NO KEY UPDATE SKIP LOCKED",
	2, {TEXTARRAYOID, INT4OID}
};

static Statement select_generic = {
	"SELECT code, budget_id FROM loyalty.coupon_code"
	" WHERE code = ANY ($1) AND program_id = $2 AND kind = 'generic'",
	2, {TEXTARRAYOID, INT4OID}
};

static Statement insert_use = {
	"INSERT INTO loyalty.coupon_use (member_id, use_id, program_id,"
	" coupon_id, version, coupon_no, code, ref, status, used_at,"
	" reserved_until, discount, line_discounts, journal_id, campaign_id)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
	" $15)",
	15, {INT8OID, INT8OID, INT4OID, INT4OID, INT4OID, INT8OID, TEXTOID,
		TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID,
	INT8ARRAYOID, INT8OID, INT4OID}
};

static Statement rewrite_use = {
	"UPDATE loyalty.coupon_use SET status = $3, reserved_until = $4,"
	" discount = $5, line_discounts = $6, journal_id = $7"
	" WHERE member_id = $1 AND use_id = $2",
	7, {INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID, INT8OID, INT8ARRAYOID,
	INT8OID}
};

static Statement confirm_use = {
	"UPDATE loyalty.coupon_use SET status = 'used', reserved_until = NULL,"
	" journal_id = $3 WHERE member_id = $1 AND use_id = $2",
	3, {INT8OID, INT8OID, INT8OID}
};

static Statement end_use = {
	"UPDATE loyalty.coupon_use SET status = $3, returned = $4, ended_by = $5"
	" WHERE member_id = $1 AND use_id = $2",
	5, {INT8OID, INT8OID, TEXTOID, INT8OID, INT8OID}
};

static Statement count_coupon = {
	"UPDATE loyalty.member_coupon SET uses = uses + $3"
	" WHERE member_id = $1 AND coupon_no = $2",
	3, {INT8OID, INT8OID, INT4OID}
};

/* When it was over; else nothing changes. */
static Statement prolong_coupon = {
	"UPDATE loyalty.member_coupon SET valid_until = $4"
	" WHERE member_id = $1 AND coupon_no = $2 AND valid_until < $3"
	" RETURNING valid_until",
	4, {INT8OID, INT8OID, DATEOID, DATEOID}
};

static Statement prolong_code = {
	"UPDATE loyalty.coupon_code SET valid_until = $4"
	" WHERE code = $1 AND program_id = $2 AND kind <> 'generic'"
	" AND coalesce(valid_until, $5) < $3 RETURNING valid_until",
	5, {TEXTOID, INT4OID, DATEOID, DATEOID, DATEOID}
};

/*
 * Counts a use of a code that is not generic, and notes for whom it is
 * reserved, if it is ($5 not NULL) and there can be only one.  A reservation
 * that has timed out is taken over; it was counted already.
 */
static Statement use_code = {
	"UPDATE loyalty.coupon_code SET"
	" uses = CASE WHEN max_uses = 1 THEN 1 ELSE uses + 1 END,"
	" reserved_by = CASE WHEN max_uses = 1 AND $5 IS NOT NULL THEN $3 END,"
	" reserved_ref = CASE WHEN max_uses = 1 AND $5 IS NOT NULL THEN $4 END,"
	" reserved_until = CASE WHEN max_uses = 1 THEN $5 END"
	" WHERE code = $1 AND program_id = $2 AND kind <> 'generic'",
	5, {TEXTOID, INT4OID, INT8OID, TEXTOID, TIMESTAMPTZOID}
};

/* What was reserved is used ($5 NULL), or reserved until another time. */
static Statement keep_code = {
	"UPDATE loyalty.coupon_code SET"
	" reserved_by = CASE WHEN max_uses = 1 AND $5 IS NOT NULL THEN $3 END,"
	" reserved_ref = CASE WHEN max_uses = 1 AND $5 IS NOT NULL THEN $4 END,"
	" reserved_until = CASE WHEN max_uses = 1 THEN $5 END"
	" WHERE code = $1 AND program_id = $2 AND kind <> 'generic'",
	5, {TEXTOID, INT4OID, INT8OID, TEXTOID, TIMESTAMPTZOID}
};

/* A code that only one can have may have been taken over, for lack of time. */
static Statement select_own_code = {
	"SELECT FROM loyalty.coupon_code WHERE code = $1 AND program_id = $2"
	" AND (kind = 'generic' OR max_uses > 1"
	" OR (reserved_by = $3 AND reserved_ref = $4))",
	4, {TEXTOID, INT4OID, INT8OID, TEXTOID}
};

/* $5: it was reserved only; then somebody else may have taken it over. */
static Statement free_code = {
	"UPDATE loyalty.coupon_code SET uses = uses - 1, reserved_by = NULL,"
	" reserved_ref = NULL, reserved_until = NULL"
	" WHERE code = $1 AND program_id = $2 AND kind <> 'generic'"
	" AND (NOT $5 OR max_uses > 1 OR (reserved_by = $3 AND reserved_ref = $4))",
	5, {TEXTOID, INT4OID, INT8OID, TEXTOID, BOOLOID}
};

/* A row of coupon_use. */
typedef struct UseRow
{
	int64		member_id;
	int64		use_id;
	const Coupon *coupon;
	int64		coupon_no;		/* 0: none */
	char	   *code;			/* or NULL */
	text	   *ref;
	bool		reserved;
	TimestampTz reserved_until;	/* DT_NOEND: it is not reserved */
	TimestampTz used_at;
	int64		discount;
	int64		returned;
	ArrayType  *line_discounts; /* or NULL */
	bool		kept;			/* it becomes what is taken */
} UseRow;

/* What is to be taken from a budget, or below zero, to be given back to it. */
typedef struct SlotMove
{
	int32		budget_id;
	int64		amount;
	int32		coupon_id;
	CouponReason reason;		/* when it is not there */
	int			taking;			/* the first that needs it */
} SlotMove;

/* What is done together. */
typedef struct Work
{
	const Program *program;
	TimestampTz now;
	int64		member_id;		/* who does it; 0: nobody in particular */
	int64		journal_id;		/* 0: time does it */
	int			nmoves;
	int			capacity;
	SlotMove   *moves;
	int			ngeneric;		/* generic codes that have a budget */
	char	  **generic;
	int32	   *budgets;
} Work;

static void
begin_work(Work *work, const Decision *decision, const JournalRow *row)
{
	memset(work, 0, sizeof(Work));
	work->program = decision->program;
	work->now = decision->now;
	work->member_id = decision->account->member_id;
	work->journal_id = row == NULL ? 0 : row->journal_id;
}

static NullableDatum
text_arg(const char *string)
{
	return string == NULL ? NULL_ARG : ARG(CStringGetTextDatum(string));
}

/* A code and the programme, as statements on codes begin. */
static void
code_args(const Work *work, const char *code, NullableDatum *args)
{
	args[0] = ARG(CStringGetTextDatum(code));
	args[1] = ARG(Int32GetDatum(work->program->program_id));
}

/*
 * Rows.
 */

/*
 * Reads what a statement of SELECT_USES has found.  Templates are looked for
 * last, because that may run statements.
 */
static UseRow *
read_uses(const Program *program, uint64 n, int *nuses)
{
	UseRow	   *uses = palloc0(sizeof(UseRow) * Max(n, 1));
	int32	   *ids = palloc(sizeof(int32) * Max(n, 1));
	int		   *versions = palloc(sizeof(int) * Max(n, 1));

	for (uint64 i = 0; i < n; i++)
	{
		UseRow	   *use = &uses[i];

		use->member_id = DatumGetInt64(statement_notnull(i, 1));
		use->use_id = DatumGetInt64(statement_notnull(i, 2));
		ids[i] = DatumGetInt32(statement_notnull(i, 3));
		versions[i] = DatumGetInt32(statement_notnull(i, 4));
		use->coupon_no = statement_int64_or(i, 5, 0);
		use->code = statement_text(i, 6);
		use->ref = (text *) statement_varlena(i, 7);
		use->reserved = DatumGetBool(statement_notnull(i, 8));
		use->reserved_until = statement_time_or(i, 9, DT_NOEND);
		use->used_at = DatumGetTimestampTz(statement_notnull(i, 10));
		use->discount = DatumGetInt64(statement_notnull(i, 11));
		use->returned = DatumGetInt64(statement_notnull(i, 12));
		use->line_discounts = (ArrayType *) statement_varlena(i, 13);
	}
	for (uint64 i = 0; i < n; i++)
	{
		uses[i].coupon = store_coupon_version(program, ids[i], versions[i]);
		if (uses[i].coupon == NULL)
			elog(ERROR, "version %d of coupon %d was not found", versions[i],
				 ids[i]);
	}
	*nuses = n;
	return uses;
}

static UseRow *
load_uses(const Decision *decision, Statement *statement, const text *ref,
		  int *nuses)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id)),
		ARG(TimestampTzGetDatum(decision->now)),
		POINTER_ARG(ref)
	};

	return read_uses(decision->program, statement_run(statement, args, false),
					 nuses);
}

static Datum
int64_array(const int64 *values, int n)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		elements[i] = Int64GetDatum(values[i]);
	return array_of(elements, n, INT8OID);
}

/*
 * Codes.
 */

/* The codes that are not generic, locked in ascending order, if they exist. */
static uint64
lock(Statement *statement, const Work *work, ArrayType *codes)
{
	NullableDatum args[] = {
		ARG(PointerGetDatum(codes)),
		ARG(Int32GetDatum(work->program->program_id))
	};

	return statement_run(statement, args, false);
}

/* Finds out which codes are generic and have a budget. */
static void
load_generic(Work *work, ArrayType *codes)
{
	int			n = lock(&select_generic, work, codes);

	work->ngeneric = 0;
	work->generic = palloc(sizeof(char *) * Max(n, 1));
	work->budgets = palloc(sizeof(int32) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		work->generic[work->ngeneric] = statement_text(i, 1);
		work->budgets[work->ngeneric++] = statement_int32_or(i, 2, 0);
	}
}

static int32
budget_of(const Work *work, const char *code)
{
	for (int i = 0; code != NULL && i < work->ngeneric; i++)
		if (strcmp(work->generic[i], code) == 0)
			return work->budgets[i];
	return 0;
}

static bool
is_generic(const Work *work, const char *code)
{
	for (int i = 0; i < work->ngeneric; i++)
		if (strcmp(work->generic[i], code) == 0)
			return true;
	return false;
}

/* The codes of uses and takings, as an array; NULL: there are none. */
static ArrayType *
codes_of(const UseRow *uses, int nuses, const CouponTaking *takings,
		 int ntakings)
{
	Datum	   *codes = palloc(sizeof(Datum) * Max(nuses + ntakings, 1));
	int			n = 0;

	for (int i = 0; i < nuses; i++)
		if (uses[i].code != NULL)
			codes[n++] = CStringGetTextDatum(uses[i].code);
	for (int i = 0; i < ntakings; i++)
		if (takings[i].candidate->code != NULL)
			codes[n++] = CStringGetTextDatum(takings[i].candidate->code);
	return n == 0 ? NULL : DatumGetArrayTypeP(array_of(codes, n, TEXTOID));
}

static void
lock_all(Work *work, ArrayType *codes)
{
	if (codes == NULL)
		return;
	lock(&lock_codes, work, codes);
	load_generic(work, codes);
}

/* Keeps the uses whose codes could be locked at once; returns how many. */
static int
lock_some(Work *work, UseRow *uses, int nuses)
{
	ArrayType  *codes = codes_of(uses, nuses, NULL, 0);
	NameList	locked;
	int			kept = 0;

	if (codes == NULL)
		return nuses;
	locked.n = lock(&lock_unlocked_codes, work, codes);
	locked.names = palloc(sizeof(char *) * Max(locked.n, 1));
	for (int i = 0; i < locked.n; i++)
		locked.names[i] = statement_text(i, 1);
	load_generic(work, codes);
	for (int i = 0; i < nuses; i++)
		if (uses[i].code == NULL || name_listed(&locked, uses[i].code) ||
			is_generic(work, uses[i].code))
			uses[kept++] = uses[i];
	return kept;
}

/*
 * Slots.
 */

static void
move_slot(Work *work, int32 budget_id, int64 amount, SlotMove why)
{
	if (budget_id == 0 || amount == 0)
		return;
	for (int i = 0; i < work->nmoves; i++)
		if (work->moves[i].budget_id == budget_id)
		{
			int64		sum = amount_add(work->moves[i].amount, amount);

			/* the first that brings it above zero is the one that may fail */
			if (work->moves[i].amount <= 0)
				work->moves[i] = why;
			work->moves[i].budget_id = budget_id;
			work->moves[i].amount = sum;
			return;
		}
	if (work->nmoves == work->capacity)
	{
		work->capacity = Max(8, work->capacity * 2);
		work->moves = work->moves == NULL ?
			palloc(sizeof(SlotMove) * work->capacity) :
			repalloc(work->moves, sizeof(SlotMove) * work->capacity);
	}
	why.budget_id = budget_id;
	why.amount = amount;
	work->moves[work->nmoves++] = why;
}

/* times and discount: more, or below zero, less than before. */
static void
move_slots(Work *work, const Coupon *coupon, const char *code, int times,
		   int64 discount, int taking)
{
	SlotMove	why = {.coupon_id = coupon->coupon_id, .taking = taking};

	why.reason = COUPON_REASON_LIMIT_CODE;
	move_slot(work, budget_of(work, code), times, why);
	why.reason = COUPON_REASON_LIMIT_CAMPAIGN;
	move_slot(work, coupon->budgets[COUNTS_USED], times, why);
	why.reason = COUPON_REASON_BUDGET_EXHAUSTED;
	move_slot(work, coupon->budgets[COUNTS_DISCOUNT], discount, why);
}

static int
compare_moves(const void *a, const void *b)
{
	const SlotMove *one = a;
	const SlotMove *other = b;

	return (one->budget_id > other->budget_id) -
		(one->budget_id < other->budget_id);
}

static void release_late(Work *work, int32 coupon_id);

/*
 * Moves slots, ascending by budget.  Of a limit that looks used up, what
 * others have reserved for too long is released before any slot is locked,
 * and what that gives back is moved together with the rest.
 */
static CouponReason
apply_moves(Work *work, int *failed)
{
	int			n = work->nmoves;

	for (int i = 0; i < n; i++)
	{
		SlotMove	move = work->moves[i];

		if (move.amount > 0 &&
			budget_look(move.budget_id, move.amount, true, false) == 0)
			release_late(work, move.coupon_id);
	}
	if (work->nmoves > 1)
		qsort(work->moves, work->nmoves, sizeof(SlotMove), compare_moves);
	for (int i = 0; i < work->nmoves; i++)
	{
		const SlotMove *move = &work->moves[i];

		if (move->amount < 0)
			budget_return(move->budget_id, -move->amount);
		else if (move->amount > 0 &&
				 budget_take(move->budget_id, move->amount, true) == 0)
		{
			*failed = move->taking;
			return move->reason;
		}
	}
	work->nmoves = 0;
	return COUPON_APPLICABLE;
}

/* The same where nothing is taken. */
static void
return_slots(Work *work)
{
	int			failed = 0;

	if (apply_moves(work, &failed) != COUPON_APPLICABLE)
		elog(ERROR, "slots could not be returned");
}

/*
 * Ending uses.
 */

static void
write_end(const UseRow *use, const char *status, int64 returned,
		  int64 ended_by)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(use->member_id)),
		ARG(Int64GetDatum(use->use_id)),
		ARG(CStringGetTextDatum(status)),
		ARG(Int64GetDatum(returned)),
		ARG_OR_NULL(Int64GetDatum(ended_by), ended_by != 0)
	};

	statement_run(&end_use, args, false);
}

static void
count_use(const UseRow *use, int times)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(use->member_id)),
		ARG(Int64GetDatum(use->coupon_no)),
		ARG(Int32GetDatum(times))
	};

	if (use->coupon_no != 0)
		statement_run(&count_coupon, args, false);
}

/* A coupon, or a code, can be used once more. */
static void
free_use(Work *work, const UseRow *use)
{
	NullableDatum args[5];

	count_use(use, -1);
	if (use->code != NULL)
	{
		code_args(work, use->code, args);
		args[2] = ARG(Int64GetDatum(use->member_id));
		args[3] = POINTER_ARG(use->ref);
		args[4] = ARG(BoolGetDatum(use->reserved));
		statement_run(&free_code, args, false);
	}
	move_slots(work, use->coupon, use->code, -1,
			   -(use->discount - use->returned), 0);
}

/* Releases reservations whose accounts and codes are locked. */
static void
release_uses(Work *work, const UseRow *uses, int nuses)
{
	for (int i = 0; i < nuses; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (uses[i].kept)
			continue;
		write_end(&uses[i], "released", 0, work->journal_id);
		free_use(work, &uses[i]);
	}
}

/* The ids that a statement has found, as an array; NULL: none. */
static ArrayType *
found_ids(uint64 n)
{
	int64	   *ids = palloc(sizeof(int64) * Max(n, 1));

	for (uint64 i = 0; i < n; i++)
		ids[i] = DatumGetInt64(statement_notnull(i, 1));
	return n == 0 ? NULL : DatumGetArrayTypeP(int64_array(ids, n));
}

/*
 * What some members, whose accounts are locked here unless somebody else has
 * them, have reserved for too long; coupon_id 0: of any template.
 */
static UseRow *
load_due(const Work *work, ArrayType *members, int32 coupon_id, int *nuses)
{
	NullableDatum args[] = {
		ARG(PointerGetDatum(members)),
		ARG(TimestampTzGetDatum(work->now)),
		ARG_OR_NULL(Int32GetDatum(coupon_id), coupon_id != 0)
	};
	ArrayType  *locked;

	*nuses = 0;
	locked = found_ids(statement_run(&lock_unlocked_accounts, args, false));
	if (locked == NULL)
		return NULL;
	args[0] = ARG(PointerGetDatum(locked));
	return read_uses(work->program, statement_run(&select_due, args, false),
					 nuses);
}

/*
 * Releases what others have reserved for too long of a template.  The slots
 * that this gives back are added to the moves of the work, not moved here,
 * where they could be locked before lower ones.
 */
static void
release_late(Work *work, int32 coupon_id)
{
	Work		release = *work;
	NullableDatum args[] = {
		ARG(Int32GetDatum(coupon_id)),
		ARG(TimestampTzGetDatum(work->now)),
		ARG(Int64GetDatum(work->member_id)),
		ARG(Int32GetDatum(MAX_RELEASED_MEMBERS))
	};
	ArrayType  *members;
	UseRow	   *uses;
	int			nuses;

	release.journal_id = 0;
	release.nmoves = 0;
	release.capacity = 0;
	release.moves = NULL;
	members = found_ids(statement_run(&select_late_members, args, false));
	if (members == NULL)
		return;
	uses = load_due(&release, members, coupon_id, &nuses);
	nuses = lock_some(&release, uses, nuses);
	release_uses(&release, uses, nuses);
	for (int i = 0; i < release.nmoves; i++)
		move_slot(work, release.moves[i].budget_id, release.moves[i].amount,
				  release.moves[i]);
}

int
store_coupon_release_batch(const Program *program, TimestampTz now, int batch)
{
	Work		work = {.program = program, .now = now};
	NullableDatum args[] = {
		ARG(Int32GetDatum(program->program_id)),
		ARG(TimestampTzGetDatum(now)),
		ARG(Int32GetDatum(batch))
	};
	ArrayType  *members;
	UseRow	   *uses;
	int			nuses;

	members = found_ids(statement_run(&select_due_members, args, false));
	if (members == NULL)
		return 0;
	uses = load_due(&work, members, 0, &nuses);
	lock_all(&work, codes_of(uses, nuses, NULL, 0));
	release_uses(&work, uses, nuses);
	return_slots(&work);
	return nuses;
}

int
store_coupon_release(Decision *decision, const JournalRow *row,
					 const text *ref)
{
	Work		work;
	UseRow	   *uses;
	int			nuses;

	if (row != NULL)
		store_number(decision);
	begin_work(&work, decision, row);
	uses = load_uses(decision, &select_reserved, ref, &nuses);
	decision->coupons_due = false;
	lock_all(&work, codes_of(uses, nuses, NULL, 0));
	release_uses(&work, uses, nuses);
	return_slots(&work);
	return nuses;
}

void
store_coupon_release_due(Decision *decision)
{
	if (decision->coupons_due)
		store_coupon_release(decision, NULL, NULL);
}

/*
 * Taking.
 */

/* The reservation of the order that a taking is of, or NULL. */
static UseRow *
find_reserved(const Decision *decision, UseRow *uses, int nuses,
			  const text *ref, const CouponTaking *taking)
{
	const Candidate *candidate = taking->candidate;

	for (int i = 0; i < nuses; i++)
	{
		const char *code = uses[i].code;

		if (uses[i].kept || uses[i].reserved_until <= decision->now ||
			VARSIZE_ANY_EXHDR(uses[i].ref) != VARSIZE_ANY_EXHDR(ref) ||
			memcmp(VARDATA_ANY(uses[i].ref), VARDATA_ANY(ref),
				   VARSIZE_ANY_EXHDR(ref)) != 0)
			continue;
		if (uses[i].coupon->coupon_id == candidate->coupon->coupon_id &&
			uses[i].coupon->version == candidate->coupon->version &&
			uses[i].coupon_no == candidate->coupon_no &&
			(code == NULL ? candidate->code == NULL :
			 candidate->code != NULL && strcmp(code, candidate->code) == 0))
			return &uses[i];
	}
	return NULL;
}

/*
 * Is a reservation that stands by this call's clock still there?  By another
 * clock it may be over; whoever locked the code first has it.
 */
static bool
is_ours(const Work *work, const UseRow *use)
{
	NullableDatum args[4];

	if (use->code == NULL)
		return true;
	code_args(work, use->code, args);
	args[2] = ARG(Int64GetDatum(work->member_id));
	args[3] = POINTER_ARG(use->ref);
	return statement_run(&select_own_code, args, false) > 0;
}

/* $3 to $5 of the statements that note for whom a code is reserved. */
static void
note_code(const Work *work, Statement *statement, const char *code,
		  const text *ref, TimestampTz reserved_until)
{
	NullableDatum args[5];

	if (code == NULL)
		return;
	code_args(work, code, args);
	args[2] = ARG(Int64GetDatum(work->member_id));
	args[3] = POINTER_ARG(ref);
	args[4] = ARG_OR_NULL(TimestampTzGetDatum(reserved_until),
						  reserved_until != DT_NOEND);
	statement_run(statement, args, false);
}

static void
write_taking(Work *work, const text *ref, TimestampTz reserved_until,
			 const CouponTaking *taking)
{
	const Candidate *candidate = taking->candidate;
	const Campaign *campaign = candidate->coupon->campaign;
	bool		reserved = reserved_until != DT_NOEND;
	UseRow		use = {
		.member_id = work->member_id,
		.coupon_no = candidate->coupon_no
	};
	NullableDatum args[] = {
		ARG(Int64GetDatum(work->member_id)),
		ARG(Int64GetDatum(loyalty_new_id())),
		ARG(Int32GetDatum(work->program->program_id)),
		ARG(Int32GetDatum(candidate->coupon->coupon_id)),
		ARG(Int32GetDatum(candidate->coupon->version)),
		ARG_OR_NULL(Int64GetDatum(candidate->coupon_no),
					candidate->coupon_no != 0),
		text_arg(candidate->code),
		POINTER_ARG(ref),
		ARG(CStringGetTextDatum(reserved ? "reserved" : "used")),
		ARG(TimestampTzGetDatum(work->now)),
		ARG_OR_NULL(TimestampTzGetDatum(reserved_until), reserved),
		ARG(Int64GetDatum(taking->discount)),
		taking->nlines == 0 ? NULL_ARG :
		ARG(int64_array(taking->line_discounts, taking->nlines)),
		ARG(Int64GetDatum(work->journal_id)),
		campaign == NULL ? NULL_ARG :
		ARG(Int32GetDatum(campaign->campaign_id))
	};

	count_use(&use, 1);
	note_code(work, &use_code, candidate->code, ref, reserved_until);
	statement_run(&insert_use, args, false);
}

/* The reservation is now this; it counts on the day on which it was made. */
static void
rewrite(const Work *work, const UseRow *use, TimestampTz reserved_until,
		const CouponTaking *taking)
{
	bool		reserved = reserved_until != DT_NOEND;
	NullableDatum args[] = {
		ARG(Int64GetDatum(use->member_id)),
		ARG(Int64GetDatum(use->use_id)),
		ARG(CStringGetTextDatum(reserved ? "reserved" : "used")),
		ARG_OR_NULL(TimestampTzGetDatum(reserved_until), reserved),
		ARG(Int64GetDatum(taking->discount)),
		taking->nlines == 0 ? NULL_ARG :
		ARG(int64_array(taking->line_discounts, taking->nlines)),
		ARG(Int64GetDatum(work->journal_id))
	};

	note_code(work, &keep_code, use->code, use->ref, reserved_until);
	statement_run(&rewrite_use, args, false);
}

CouponReason
store_coupon_take(Decision *decision, const JournalRow *row, const text *ref,
				  TimestampTz reserved_until, const CouponTaking *takings,
				  int ntakings, int *failed)
{
	Work		work;
	UseRow	   *uses;
	UseRow	  **own = palloc0(sizeof(UseRow *) * Max(ntakings, 1));
	int			nuses;

	store_number(decision);
	begin_work(&work, decision, row);
	uses = load_uses(decision, &select_reserved, ref, &nuses);
	decision->coupons_due = false;
	lock_all(&work, codes_of(uses, nuses, takings, ntakings));
	for (int i = 0; i < ntakings; i++)
	{
		own[i] = find_reserved(decision, uses, nuses, ref, &takings[i]);
		if (own[i] != NULL && !is_ours(&work, own[i]))
			own[i] = NULL;
		if (own[i] != NULL)
			own[i]->kept = true;
	}
	release_uses(&work, uses, nuses);
	for (int i = 0; i < ntakings; i++)
	{
		const Candidate *candidate = takings[i].candidate;
		CouponReason reason = own[i] != NULL ? COUPON_APPLICABLE :
			store_coupon_again(decision, candidate, ref);

		*failed = i;
		if (reason != COUPON_APPLICABLE)
			return reason;
		if (own[i] != NULL)
			rewrite(&work, own[i], reserved_until, &takings[i]);
		else
			write_taking(&work, ref, reserved_until, &takings[i]);
		move_slots(&work, candidate->coupon, candidate->code,
				   own[i] == NULL, takings[i].discount -
				   (own[i] == NULL ? 0 : own[i]->discount), i);
	}
	if (reserved_until != DT_NOEND && ntakings > 0)
		decision->account->hold_until = Min(decision->account->hold_until,
											reserved_until);
	return apply_moves(&work, failed);
}

int
store_coupon_confirm(Decision *decision, const JournalRow *row,
					 const text *ref)
{
	Work		work;
	UseRow	   *uses;
	int			nuses;
	int			confirmed = 0;

	store_number(decision);
	begin_work(&work, decision, row);
	uses = load_uses(decision, &select_of_order, ref, &nuses);
	lock_all(&work, codes_of(uses, nuses, NULL, 0));
	for (int i = 0; i < nuses; i++)
	{
		NullableDatum args[] = {
			ARG(Int64GetDatum(uses[i].member_id)),
			ARG(Int64GetDatum(uses[i].use_id)),
			ARG(Int64GetDatum(work.journal_id))
		};

		if (!uses[i].reserved || !is_ours(&work, &uses[i]))
			continue;
		note_code(&work, &keep_code, uses[i].code, ref, DT_NOEND);
		statement_run(&confirm_use, args, false);
		confirmed++;
	}
	return confirmed;
}

/*
 * Giving back.
 */

static void
read_lines(const UseRow *row, CouponUse *use)
{
	Datum	   *elements;

	use->nlines = array_elements(row->line_discounts, INT8OID, &elements);
	use->line_discounts = palloc(sizeof(int64) * Max(use->nlines, 1));
	for (int i = 0; i < use->nlines; i++)
		use->line_discounts[i] = DatumGetInt64(elements[i]);
}

CouponUse *
store_coupon_uses(const Decision *decision, const text *ref, int *nuses)
{
	UseRow	   *rows = load_uses(decision, &select_of_order, ref, nuses);
	CouponUse  *uses = palloc0(sizeof(CouponUse) * Max(*nuses, 1));

	for (int i = 0; i < *nuses; i++)
	{
		uses[i].use_id = rows[i].use_id;
		uses[i].coupon = rows[i].coupon;
		uses[i].coupon_no = rows[i].coupon_no;
		uses[i].code = rows[i].code;
		uses[i].reserved = rows[i].reserved;
		uses[i].used_at = rows[i].used_at;
		uses[i].discount = rows[i].discount;
		uses[i].returned = rows[i].returned;
		read_lines(&rows[i], &uses[i]);
	}
	return uses;
}

/* As the rows of the table have it. */
static UseRow
row_of(const Work *work, const CouponUse *use, text *ref)
{
	UseRow		row = {
		.member_id = work->member_id,
		.use_id = use->use_id,
		.coupon = use->coupon,
		.coupon_no = use->coupon_no,
		.code = unconstify(char *, use->code),
		.ref = ref,
		.reserved = use->reserved,
		.discount = use->discount,
		.returned = use->returned
	};

	return row;
}

/*
 * What has come back after its last day is good for some days more, by the
 * template; a code that everybody uses keeps its date.
 */
static void
prolong(const Work *work, const Coupon *coupon, const UseRow *use,
		DateADT today)
{
	DateADT		until = today + coupon->return_days;
	NullableDatum own[] = {
		ARG(Int64GetDatum(use->member_id)),
		ARG(Int64GetDatum(use->coupon_no)),
		ARG(DateADTGetDatum(today)),
		ARG(DateADTGetDatum(until))
	};
	NullableDatum args[5];

	if (coupon->return_days == 0)
		return;
	if (use->coupon_no != 0)
		statement_run(&prolong_coupon, own, false);
	else if (use->code != NULL)
	{
		code_args(work, use->code, args);
		args[2] = own[2];
		args[3] = own[3];
		args[4] = ARG_OR_NULL(DateADTGetDatum(coupon->valid_until),
							  coupon->valid_until != DATEVAL_NOEND);
		statement_run(&prolong_code, args, false);
	}
}

static bool
ends(const CouponReturn *back)
{
	return back->undone || (back->whole && back->use->coupon->returns);
}

static void
tell_return(const Decision *decision, JournalRow *row,
			const CouponReturn *back)
{
	const CouponUse *use = back->use;
	CouponNews	news = {
		.code = ends(back) ? "coupon_returned" : "coupon_spent",
		.coupon = use->coupon,
		.coupon_no = use->coupon_no,
		.discount = use->discount - use->returned,
		.until = DATEVAL_NOEND
	};

	if (back->whole || back->undone)
		store_coupon_tell(decision, row, &news);
}

static void
write_return(Work *work, const CouponReturn *back, DateADT today)
{
	bool		whole = back->whole || back->undone;
	UseRow		use = row_of(work, back->use, NULL);
	int64		returned = whole ? use.discount : back->returned;

	write_end(&use, ends(back) ? "returned" : "used", returned,
			  whole ? work->journal_id : 0);
	if (ends(back))
	{
		free_use(work, &use);
		prolong(work, back->use->coupon, &use, today);
	}
	else
		move_slots(work, use.coupon, NULL, 0, use.returned - returned, 0);
}

void
store_coupon_return(Decision *decision, JournalRow *row,
					const CouponReturn *returns, int nreturns, bool dry)
{
	Work		work;
	UseRow	   *uses = palloc(sizeof(UseRow) * Max(nreturns, 1));

	for (int i = 0; i < nreturns; i++)
		tell_return(decision, row, &returns[i]);
	if (dry)
		return;
	store_number(decision);
	begin_work(&work, decision, row);
	for (int i = 0; i < nreturns; i++)
		uses[i] = row_of(&work, returns[i].use, NULL);
	lock_all(&work, codes_of(uses, nreturns, NULL, 0));
	for (int i = 0; i < nreturns; i++)
		write_return(&work, &returns[i], decision->today);
	return_slots(&work);
}
