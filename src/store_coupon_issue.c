/*
 * store_coupon_issue.c
 *
 * Coupons come to members and leave them.  The account of the member is
 * locked.
 */
#include "store_coupon.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "statement.h"

#define ISSUE_COLUMNS \
	"(member_id, coupon_no, program_id, coupon_id, version, status, source," \
	" issued_at, valid_from, valid_until, uses, max_uses, code, journal_id," \
	" other_member_id)"

static Statement insert_coupon = {
	"INSERT INTO loyalty.member_coupon " ISSUE_COLUMNS
	" VALUES ($1, $2, $3, $4, $5, 'issued', $6, $7, $8, $9, $10, $11, $12,"
	" $13, $14)",
	14, {INT8OID, INT8OID, INT4OID, INT4OID, INT4OID, TEXTOID, TIMESTAMPTZOID,
	DATEOID, DATEOID, INT4OID, INT4OID, TEXTOID, INT8OID, INT8OID}
};

/* Of each member one, by his row. */
static Statement insert_coupons = {
	"INSERT INTO loyalty.member_coupon (member_id, coupon_no, journal_id,"
	" program_id, coupon_id, version, status, source, issued_at, valid_from,"
	" valid_until, max_uses)"
	" SELECT i.member_id, i.coupon_no, i.journal_id, $4, $5, $6, 'issued',"
	" $7, $8, $9, $10, $11"
	" FROM unnest($1, $2, $3) i (member_id, coupon_no, journal_id)",
	11, {INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT4OID, INT4OID, INT4OID,
	TEXTOID, TIMESTAMPTZOID, DATEOID, DATEOID, INT4OID}
};

static Statement lower_due_on = {
	"UPDATE loyalty.account SET due_on = $2"
	" WHERE member_id = ANY ($1) AND due_on > $2",
	2, {INT8ARRAYOID, DATEOID}
};

static Statement count_claims = {
	"SELECT count(*) FROM loyalty.member_coupon"
	" WHERE member_id = $1 AND coupon_id = $2 AND status <> 'void'"
	" AND source IN ('claim', 'buy')",
	2, {INT8OID, INT4OID}
};

static Statement select_coupon = {
	"SELECT m.coupon_id, m.version, m.status, m.source, m.valid_from,"
	" m.valid_until, m.uses, r.late, r.open, m.max_uses, m.code,"
	" m.journal_id, m.ended_by FROM loyalty.member_coupon m"
	" CROSS JOIN LATERAL (SELECT"
	" count(*) FILTER (WHERE u.reserved_until <= $3) AS late,"
	" count(*) FILTER (WHERE u.reserved_until > $3) AS open"
	" FROM loyalty.coupon_use u WHERE u.member_id = $1"
	" AND u.coupon_no = $2 AND u.status = 'reserved') r"
	" WHERE m.member_id = $1 AND m.coupon_no = $2",
	3, {INT8OID, INT8OID, TIMESTAMPTZOID}
};

static Statement end_coupon = {
	"UPDATE loyalty.member_coupon SET status = $3, ended_by = $4,"
	" other_member_id = coalesce($5, other_member_id)"
	" WHERE member_id = $1 AND coupon_no = $2",
	5, {INT8OID, INT8OID, TEXTOID, INT8OID, INT8OID}
};

/* A reservation of it that has timed out counts no more. */
static Statement own_code = {
	"UPDATE loyalty.coupon_code SET member_id = $3, coupon_no = $4,"
	" uses = CASE WHEN reserved_by IS NULL THEN uses ELSE 0 END,"
	" reserved_by = NULL, reserved_ref = NULL, reserved_until = NULL"
	" WHERE code = $1 AND program_id = $2",
	4, {TEXTOID, INT4OID, INT8OID, INT8OID}
};

bool
store_coupon_dates(const Coupon *coupon, DateADT on, DateADT *valid_from,
				   DateADT *valid_until)
{
	*valid_from = Max(coupon->valid_from, on + coupon->valid_after);
	*valid_until = coupon->valid_until;
	if (coupon->valid_days > 0)
		*valid_until = Min(*valid_until,
						   *valid_from + coupon->valid_days - 1);
	return *valid_until >= *valid_from && *valid_until >= on;
}

static NullableDatum
date_arg(DateADT date)
{
	return ARG_OR_NULL(DateADTGetDatum(date), !DATE_NOT_FINITE(date));
}

int64
store_coupon_issue(Decision *decision, const JournalRow *row,
				   const CouponIssue *issue)
{
	int64		coupon_no;

	store_number(decision);
	coupon_no = loyalty_new_id();
	{
		NullableDatum args[] = {
			ARG(Int64GetDatum(decision->account->member_id)),
			ARG(Int64GetDatum(coupon_no)),
			ARG(Int32GetDatum(decision->program->program_id)),
			ARG(Int32GetDatum(issue->coupon->coupon_id)),
			ARG(Int32GetDatum(issue->coupon->version)),
			ARG(CStringGetTextDatum(issue->source)),
			ARG(TimestampTzGetDatum(decision->now)),
			ARG(DateADTGetDatum(issue->valid_from)),
			date_arg(issue->valid_until),
			ARG(Int32GetDatum(issue->uses)),
			ARG(Int32GetDatum(issue->max_uses)),
			issue->code ? ARG(CStringGetTextDatum(issue->code)) : NULL_ARG,
			ARG(Int64GetDatum(row->journal_id)),
			ARG_OR_NULL(Int64GetDatum(issue->other_member_id),
						issue->other_member_id != 0)
		};

		statement_run(&insert_coupon, args, false);
	}
	decide_timed_by(decision, TRIGGER_COUPON_EXPIRING, issue->valid_until);
	return coupon_no;
}

/* What decide_due() does for one: the end of the coupons may be told. */
static void
lower_due(const Program *program, DateADT valid_until, Datum member_ids,
		  TimestampTz now)
{
	Account		account = {.due_on = DATEVAL_NOEND};
	Decision	decision;
	NullableDatum args[] = {ARG(member_ids), NULL_ARG};

	decide_begin(&decision, &account, program, now);
	decide_timed_by(&decision, TRIGGER_COUPON_EXPIRING, valid_until);
	if (account.due_on == DATEVAL_NOEND)
		return;
	args[1] = ARG(DateADTGetDatum(account.due_on));
	statement_run(&lower_due_on, args, false);
}

void
store_coupon_issue_many(const CouponIssue *issue, const Program *program,
						JournalRow *const *rows, int n, TimestampTz now)
{
	Datum	   *members = palloc(sizeof(Datum) * Max(n, 1));
	Datum	   *coupons = palloc(sizeof(Datum) * Max(n, 1));
	Datum	   *journals = palloc(sizeof(Datum) * Max(n, 1));
	NullableDatum args[11];

	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		members[i] = Int64GetDatum(rows[i]->member_id);
		coupons[i] = Int64GetDatum(loyalty_new_id());
		journals[i] = Int64GetDatum(rows[i]->journal_id);
	}
	args[0] = ARG(array_of(members, n, INT8OID));
	args[1] = ARG(array_of(coupons, n, INT8OID));
	args[2] = ARG(array_of(journals, n, INT8OID));
	args[3] = ARG(Int32GetDatum(program->program_id));
	args[4] = ARG(Int32GetDatum(issue->coupon->coupon_id));
	args[5] = ARG(Int32GetDatum(issue->coupon->version));
	args[6] = ARG(CStringGetTextDatum(issue->source));
	args[7] = ARG(TimestampTzGetDatum(now));
	args[8] = ARG(DateADTGetDatum(issue->valid_from));
	args[9] = date_arg(issue->valid_until);
	args[10] = ARG(Int32GetDatum(issue->max_uses));
	statement_run(&insert_coupons, args, false);
	lower_due(program, issue->valid_until, args[0].value, now);
}

int64
store_coupon_claims(const Decision *decision, const Coupon *coupon)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id)),
		ARG(Int32GetDatum(coupon->coupon_id))
	};

	statement_run(&count_claims, args, false);
	return DatumGetInt64(statement_notnull(0, 1));
}

bool
store_coupon_load(const Decision *decision, int64 coupon_no,
				  HeldCoupon *held)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id)),
		ARG(Int64GetDatum(coupon_no)),
		ARG(TimestampTzGetDatum(decision->now))
	};
	int32		coupon_id;
	int			version;

	if (statement_run(&select_coupon, args, false) == 0)
		return false;
	held->coupon_no = coupon_no;
	coupon_id = DatumGetInt32(statement_notnull(0, 1));
	version = DatumGetInt32(statement_notnull(0, 2));
	held->status = statement_text(0, 3);
	held->source = statement_text(0, 4);
	held->valid_from = DatumGetDateADT(statement_notnull(0, 5));
	held->valid_until = statement_date_or(0, 6, DATEVAL_NOEND);
	held->uses = DatumGetInt32(statement_notnull(0, 7)) -
		DatumGetInt64(statement_notnull(0, 8));
	held->reserved = DatumGetInt64(statement_notnull(0, 9));
	held->max_uses = DatumGetInt32(statement_notnull(0, 10));
	held->code = statement_text(0, 11);
	held->journal_id = DatumGetInt64(statement_notnull(0, 12));
	held->ended_by = statement_int64_or(0, 13, 0);
	held->coupon = store_coupon_version(decision->program, coupon_id,
										version);
	if (held->coupon == NULL)
		elog(ERROR, "version %d of coupon %d was not found", version,
			 coupon_id);
	return true;
}

CouponReason
store_coupon_movable(const Decision *decision, const HeldCoupon *held)
{
	if (strcmp(held->status, "void") == 0)
		return COUPON_REASON_DISABLED;
	if (held->valid_until < decision->today)
		return COUPON_REASON_EXPIRED;
	if (held->uses > held->reserved)
		return COUPON_REASON_ALREADY_USED;
	if (strcmp(held->status, "given") == 0)
		return COUPON_REASON_NOT_OWNER;
	if (held->reserved > 0)
		return COUPON_REASON_RESERVED_BY_OTHER;
	return COUPON_APPLICABLE;
}

void
store_coupon_end(Decision *decision, const JournalRow *row,
				 const HeldCoupon *held, int64 other_member_id)
{
	NullableDatum args[5];

	store_number(decision);
	args[0] = ARG(Int64GetDatum(decision->account->member_id));
	args[1] = ARG(Int64GetDatum(held->coupon_no));
	args[2] = ARG(CStringGetTextDatum(other_member_id != 0 ? "given" :
									  "void"));
	args[3] = ARG(Int64GetDatum(row->journal_id));
	args[4] = ARG_OR_NULL(Int64GetDatum(other_member_id),
						  other_member_id != 0);
	statement_run(&end_coupon, args, false);
}

void
store_coupon_own_code(const Program *program, const char *code,
					  int64 member_id, int64 coupon_no)
{
	NullableDatum args[] = {
		ARG(CStringGetTextDatum(code)),
		ARG(Int32GetDatum(program->program_id)),
		ARG(Int64GetDatum(member_id)),
		ARG(Int64GetDatum(coupon_no))
	};

	statement_run(&own_code, args, false);
}
