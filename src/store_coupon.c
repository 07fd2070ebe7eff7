/*
 * store_coupon.c
 *
 * Coupons, codes and offers as a member may use them: found in their tables,
 * and judged by all that does not depend on the cart.
 *
 * uses of a coupon or code counts what is used and what is reserved.  A
 * reservation whose time is over stays counted until somebody releases it;
 * here it counts nowhere, and neither does that of the order itself.
 */
#include "store_coupon.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "amount.h"
#include "statement.h"

static Statement select_code = {
	"SELECT coupon_id, version, kind = 'generic', status = 'active',"
	" budget_id, uses, max_uses, member_id, coupon_no, valid_from,"
	" valid_until, reserved_by, reserved_ref, reserved_until"
	" FROM loyalty.coupon_code WHERE code = $1 AND program_id = $2"
	" AND ($3 OR kind <> 'generated')",
	3, {TEXTOID, INT4OID, BOOLOID}
};

/*
 * A member's coupons; of their reservations those that do not count for the
 * order $3 at $2, and those of other orders that do.
 */
#define SELECT_COUPONS \
	"WITH r AS (SELECT coupon_no," \
	" count(*) FILTER (WHERE reserved_until <= $2 OR ref = $3) AS free," \
	" count(*) FILTER (WHERE reserved_until > $2" \
	" AND ref IS DISTINCT FROM $3) AS other" \
	" FROM loyalty.coupon_use WHERE member_id = $1 AND status = 'reserved'" \
	" AND coupon_no IS NOT NULL GROUP BY coupon_no)" \
	" SELECT m.coupon_no, m.coupon_id, m.version, m.status, m.valid_from," \
	" m.valid_until, m.code, m.max_uses, m.uses - coalesce(r.free, 0)," \
	" coalesce(r.other, 0) > 0" \
	" FROM loyalty.member_coupon m LEFT JOIN r USING (coupon_no)" \
	" WHERE m.member_id = $1"

static Statement select_coupon = {
	SELECT_COUPONS " AND m.coupon_no = $4",
	4, {INT8OID, TIMESTAMPTZOID, TEXTOID, INT8OID}
};

static Statement select_of_template = {
	SELECT_COUPONS " AND m.coupon_id = $4 AND m.status = 'issued'"
	" AND m.valid_from <= $5 AND coalesce(m.valid_until, $5) >= $5"
	" ORDER BY m.valid_until NULLS LAST, m.coupon_no",
	5, {INT8OID, TIMESTAMPTZOID, TEXTOID, INT4OID, DATEOID}
};

static Statement select_wallet = {
	SELECT_COUPONS " AND m.status = 'issued'"
	" AND coalesce(m.valid_until, $4) >= $4"
	" AND m.uses - coalesce(r.free, 0) - coalesce(r.other, 0) < m.max_uses"
	" ORDER BY m.coupon_no",
	4, {INT8OID, TIMESTAMPTZOID, TEXTOID, DATEOID}
};

static Statement select_given = {
	"SELECT coupon_id, version FROM loyalty.member_coupon"
	" WHERE member_id = $1 AND code = $2 AND status = 'given'",
	2, {INT8OID, TEXTOID}
};

/* When the member used coupons of some templates. */
static Statement select_uses = {
	"SELECT coupon_id, used_at FROM loyalty.coupon_use"
	" WHERE member_id = $1 AND coupon_id = ANY ($2)"
	" AND (status = 'used' OR (status = 'reserved' AND reserved_until > $3"
	" AND ref IS DISTINCT FROM $4))",
	4, {INT8OID, INT4ARRAYOID, TIMESTAMPTZOID, TEXTOID}
};

static Statement select_left = {
	"SELECT budget_id, sum(quota - used)::bigint FROM loyalty.budget_slot"
	" WHERE budget_id = ANY ($1) GROUP BY budget_id",
	1, {INT4ARRAYOID}
};

/* Reservations of a template, or of a code, that do not count. */
static Statement select_free = {
	"SELECT count(*), coalesce(sum(discount), 0)::bigint"
	" FROM loyalty.coupon_use WHERE coupon_id = $1 AND status = 'reserved'"
	" AND (reserved_until <= $2 OR (member_id = $3 AND ref = $4))"
	" AND ($5 IS NULL OR code = $5)",
	5, {INT4OID, TIMESTAMPTZOID, INT8OID, TEXTOID, TEXTOID}
};

/* For whom, at what time and for which order candidates are looked for. */
typedef struct Search
{
	const Decision *decision;
	int64		member_id;		/* 0: a guest */
	const text *ref;
	bool		read_only;
	bool		taking;			/* slots will tell about limits in all */
} Search;

/* A row of coupon_code. */
typedef struct Code
{
	int32		coupon_id;
	int			version;
	bool		generic;
	bool		active;
	int32		budget_id;		/* 0: none */
	int			uses;
	int			max_uses;
	int64		member_id;		/* 0: nobody's */
	int64		coupon_no;
	DateADT		valid_from;		/* DATEVAL_NOBEGIN: the template's */
	DateADT		valid_until;	/* DATEVAL_NOEND: the template's */
	int64		reserved_by;	/* 0: it is not reserved */
	text	   *reserved_ref;
	TimestampTz reserved_until;
} Code;

/* Of reasons the first in the order of precedence stays. */
static void
note(Candidate *candidate, CouponReason reason)
{
	if (candidate->state == COUPON_APPLICABLE || reason < candidate->state)
		candidate->state = reason;
}

/* No more uses than that, because of one limit. */
static void
note_uses_left(Candidate *candidate, int64 left, CouponReason reason)
{
	if (left <= 0)
		note(candidate, reason);
	if (candidate->uses_left >= 0 && candidate->uses_left <= left)
		return;
	candidate->uses_left = Max(left, 0);
	candidate->uses_limit = reason;
}

static bool
same_text(const text *one, const text *other)
{
	return one != NULL && other != NULL &&
		VARSIZE_ANY_EXHDR(one) == VARSIZE_ANY_EXHDR(other) &&
		memcmp(VARDATA_ANY(one), VARDATA_ANY(other),
			   VARSIZE_ANY_EXHDR(one)) == 0;
}

const Coupon *
store_coupon_version(const Program *program, int32 coupon_id, int version)
{
	const Coupon *coupon = program_coupon_version(program, coupon_id,
												  version);

	return coupon != NULL ? coupon :
		program_coupon_version(program_refresh(program->program_id),
							   coupon_id, version);
}

static Datum
int32_array(const int32 *values, int n)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		elements[i] = Int32GetDatum(values[i]);
	return array_of(elements, n, INT4OID);
}

/*
 * Validity and limits.
 */

static void
judge_validity(const Decision *decision, Candidate *candidate)
{
	const Coupon *coupon = candidate->coupon;
	const Campaign *campaign = coupon->campaign;

	if (!coupon->active)
		note(candidate, COUPON_REASON_DISABLED);
	if (campaign != NULL)
	{
		if (!campaign->live)
			note(candidate, COUPON_REASON_CAMPAIGN_NOT_RUNNING);
		if (decision->now < campaign->starts_at)
			note(candidate, COUPON_REASON_NOT_STARTED);
		if (decision->now >= campaign->ends_at)
			note(candidate, COUPON_REASON_EXPIRED);
	}
	if (decision->today < candidate->valid_from)
		note(candidate, COUPON_REASON_NOT_STARTED);
	if (decision->today > candidate->valid_until)
		note(candidate, COUPON_REASON_EXPIRED);
}

static bool
is_limited_by_member(const Coupon *coupon)
{
	return coupon->limit_member > 0 || coupon->limit_period > 0;
}

static bool
is_limited_in_all(const Coupon *coupon)
{
	return coupon->budgets[COUNTS_USED] != 0 ||
		coupon->budgets[COUNTS_DISCOUNT] != 0;
}

/* Judges the limits of one member: $i: the rows of select_uses. */
static void
judge_uses(const Decision *decision, Candidate *candidate, uint64 nuses)
{
	const Coupon *coupon = candidate->coupon;
	DateADT		from = period_start(coupon->period, decision->today);
	DateADT		until = period_end(coupon->period, decision->today);
	int			ever = 0;
	int			in_period = 0;

	for (uint64 i = 0; i < nuses; i++)
	{
		DateADT		on;

		if (DatumGetInt32(statement_notnull(i, 1)) != coupon->coupon_id)
			continue;
		on = program_date(decision->program,
						  DatumGetTimestampTz(statement_notnull(i, 2)));
		ever++;
		in_period += on >= from && on <= until;
	}
	if (coupon->limit_member > 0)
		note_uses_left(candidate, coupon->limit_member - ever,
					   COUPON_REASON_LIMIT_MEMBER);
	if (coupon->limit_period > 0)
		note_uses_left(candidate, coupon->limit_period - in_period,
					   COUPON_REASON_LIMIT_PERIOD);
}

static void
judge_member_limits(const Search *search, Candidate *candidates, int n)
{
	int32	   *ids = palloc(sizeof(int32) * Max(n, 1));
	int			nids = 0;
	uint64		nuses;
	NullableDatum args[4];

	for (int i = 0; i < n; i++)
	{
		if (!is_limited_by_member(candidates[i].coupon))
			continue;
		if (search->member_id == 0)
			note(&candidates[i], COUPON_REASON_MEMBER_REQUIRED);
		else
			ids[nids++] = candidates[i].coupon->coupon_id;
	}
	if (nids == 0)
		return;
	args[0] = ARG(Int64GetDatum(search->member_id));
	args[1] = ARG(int32_array(ids, nids));
	args[2] = ARG(TimestampTzGetDatum(search->decision->now));
	args[3] = POINTER_ARG(search->ref);
	nuses = statement_run(&select_uses, args, search->read_only);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_limited_by_member(candidates[i].coupon))
			judge_uses(search->decision, &candidates[i], nuses);
	}
}

/*
 * How many reservations of a template, or of a code, do not count, and what
 * discount they hold.
 */
static int64
free_uses(const Search *search, int32 coupon_id, const char *code,
		  int64 *discount)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(coupon_id)),
		ARG(TimestampTzGetDatum(search->decision->now)),
		ARG(Int64GetDatum(search->member_id)),
		POINTER_ARG(search->ref),
		code ? ARG(CStringGetTextDatum(code)) : NULL_ARG
	};

	statement_run(&select_free, args, search->read_only);
	*discount = DatumGetInt64(statement_notnull(0, 2));
	return DatumGetInt64(statement_notnull(0, 1));
}

/* What is left of some budgets. */
typedef struct Left
{
	int			n;
	int32	   *budget_ids;
	int64	   *amounts;
} Left;

static void
left_add(Left *left, int32 budget_id)
{
	for (int i = 0; i < left->n; i++)
		if (left->budget_ids[i] == budget_id)
			return;
	if (budget_id == 0)
		return;
	left->amounts[left->n] = 0;
	left->budget_ids[left->n++] = budget_id;
}

static int64
left_of(const Left *left, int32 budget_id)
{
	for (int i = 0; i < left->n; i++)
		if (left->budget_ids[i] == budget_id)
			return left->amounts[i];
	elog(ERROR, "budget %d was not looked at", budget_id);
}

static void
left_load(const Search *search, Left *left)
{
	NullableDatum args[] = {
		ARG(int32_array(left->budget_ids, left->n))
	};
	uint64		n = statement_run(&select_left, args, search->read_only);

	for (uint64 row = 0; row < n; row++)
		for (int i = 0; i < left->n; i++)
			if (left->budget_ids[i] ==
				DatumGetInt32(statement_notnull(row, 1)))
				left->amounts[i] = DatumGetInt64(statement_notnull(row, 2));
}

/* Judges the limits in all of one candidate. */
static void
judge_stock(const Search *search, const Left *left, Candidate *candidate)
{
	const Coupon *coupon = candidate->coupon;
	const int32 *budgets = coupon->budgets;
	bool		by_use = budgets[COUNTS_USED] != 0;
	bool		by_discount = budgets[COUNTS_DISCOUNT] != 0;
	int64		uses = by_use ? left_of(left, budgets[COUNTS_USED]) : 0;
	int64		amount = by_discount ?
		left_of(left, budgets[COUNTS_DISCOUNT]) : -1;
	int64		discount;

	/* reservations are counted only where they may matter */
	if (by_discount || uses < coupon->max_per_order)
	{
		uses += free_uses(search, coupon->coupon_id, NULL, &discount);
		if (by_discount)
			amount += discount;
	}
	if (by_use)
		note_uses_left(candidate, uses, COUPON_REASON_LIMIT_CAMPAIGN);
	if (by_discount && amount <= 0)
		note(candidate, COUPON_REASON_BUDGET_EXHAUSTED);
	candidate->left = amount;
}

/* code_budget: that of the code by which the one candidate was found, or 0. */
static void
judge_limits_in_all(const Search *search, Candidate *candidates, int n,
					int32 code_budget)
{
	int			most = n * 2 + 1;
	Left		left = {
		0, palloc(sizeof(int32) * most), palloc(sizeof(int64) * most)
	};
	int64		discount;

	left_add(&left, code_budget);
	for (int i = 0; i < n; i++)
	{
		left_add(&left, candidates[i].coupon->budgets[COUNTS_USED]);
		left_add(&left, candidates[i].coupon->budgets[COUNTS_DISCOUNT]);
	}
	if (left.n == 0)
		return;
	left_load(search, &left);
	if (code_budget != 0 && left_of(&left, code_budget) <= 0 &&
		free_uses(search, candidates->coupon->coupon_id, candidates->code,
				  &discount) == 0)
		note(candidates, COUPON_REASON_LIMIT_CODE);
	for (int i = 0; i < n; i++)
		if (is_limited_in_all(candidates[i].coupon))
			judge_stock(search, &left, &candidates[i]);
}

/* All that is the same of coupons, codes and offers. */
static void
judge(const Search *search, Candidate *candidates, int n, int32 code_budget)
{
	for (int i = 0; i < n; i++)
	{
		judge_validity(search->decision, &candidates[i]);
		if (candidates[i].coupon->claim_required && search->member_id == 0)
			note(&candidates[i], COUPON_REASON_MEMBER_REQUIRED);
	}
	judge_member_limits(search, candidates, n);
	if (!search->taking)
		judge_limits_in_all(search, candidates, n, code_budget);
}

/*
 * Finding.
 */

static bool
set_coupon(const Search *search, Candidate *candidate, int32 coupon_id,
		   int version)
{
	candidate->coupon = store_coupon_version(search->decision->program,
											 coupon_id, version);
	if (candidate->coupon == NULL)
		return false;
	candidate->state = COUPON_APPLICABLE;
	candidate->left = -1;
	candidate->uses_left = -1;
	candidate->valid_from = candidate->coupon->valid_from;
	candidate->valid_until = candidate->coupon->valid_until;
	return true;
}

/*
 * Reads a row of SELECT_COUPONS; false if its template is unknown.  The
 * result of the statement is gone if the programme had to be compiled anew.
 */
static bool
read_coupon(const Search *search, uint64 row, Candidate *candidate)
{
	SPITupleTable *rows = SPI_tuptable;
	bool		known = set_coupon(search, candidate,
								   DatumGetInt32(statement_notnull(row, 2)),
								   DatumGetInt32(statement_notnull(row, 3)));
	char	   *status;

	SPI_tuptable = rows;
	if (!known)
		return false;
	candidate->coupon_no = DatumGetInt64(statement_notnull(row, 1));
	candidate->valid_from = DatumGetDateADT(statement_notnull(row, 5));
	candidate->valid_until = statement_date_or(row, 6, DATEVAL_NOEND);
	candidate->code = statement_text(row, 7);
	status = statement_text(row, 4);
	if (strcmp(status, "void") == 0)
		note(candidate, COUPON_REASON_DISABLED);
	else if (strcmp(status, "given") == 0)
		note(candidate, COUPON_REASON_NOT_OWNER);
	if (DatumGetInt64(statement_notnull(row, 9)) >=
		DatumGetInt32(statement_notnull(row, 8)))
		note(candidate, DatumGetBool(statement_notnull(row, 10)) ?
			 COUPON_REASON_RESERVED_BY_OTHER : COUPON_REASON_ALREADY_USED);
	return true;
}

/* The arguments that the statements of SELECT_COUPONS have in common. */
static void
coupon_args(const Search *search, NullableDatum *args)
{
	args[0] = ARG(Int64GetDatum(search->member_id));
	args[1] = ARG(TimestampTzGetDatum(search->decision->now));
	args[2] = POINTER_ARG(search->ref);
}

static bool
load_coupon(const Search *search, int64 coupon_no, Candidate *candidate)
{
	NullableDatum args[4];

	coupon_args(search, args);
	args[3] = ARG(Int64GetDatum(coupon_no));
	return search->member_id != 0 &&
		statement_run(&select_coupon, args, search->read_only) > 0 &&
		read_coupon(search, 0, candidate);
}

bool
store_coupon_number(const char *given, int64 *coupon_no)
{
	size_t		digits = strspn(given + 1, "0123456789");

	if (digits == 0 || digits > 18 || given[1 + digits] != '\0')
		return false;
	*coupon_no = strtoll(given + 1, NULL, 10);
	return true;
}

static bool
find_own(const Search *search, Candidate *candidate)
{
	int64		coupon_no;

	if (!store_coupon_number(candidate->given, &coupon_no) ||
		!load_coupon(search, coupon_no, candidate))
		return false;
	judge(search, candidate, 1, 0);
	return true;
}

static bool
load_code(const Search *search, const char *canonical, Code *code)
{
	NullableDatum args[] = {
		ARG(CStringGetTextDatum(canonical)),
		ARG(Int32GetDatum(search->decision->program->program_id)),
		ARG(BoolGetDatum(coupon_code_checks(canonical)))
	};

	if (statement_run(&select_code, args, search->read_only) == 0)
		return false;
	code->coupon_id = DatumGetInt32(statement_notnull(0, 1));
	code->version = DatumGetInt32(statement_notnull(0, 2));
	code->generic = DatumGetBool(statement_notnull(0, 3));
	code->active = DatumGetBool(statement_notnull(0, 4));
	code->budget_id = statement_int32_or(0, 5, 0);
	code->uses = DatumGetInt32(statement_notnull(0, 6));
	code->max_uses = statement_int32_or(0, 7, 0);
	code->member_id = statement_int64_or(0, 8, 0);
	code->coupon_no = statement_int64_or(0, 9, 0);
	code->valid_from = statement_date_or(0, 10, DATEVAL_NOBEGIN);
	code->valid_until = statement_date_or(0, 11, DATEVAL_NOEND);
	code->reserved_by = statement_int64_or(0, 12, 0);
	code->reserved_ref = (text *) statement_varlena(0, 13);
	code->reserved_until = statement_time_or(0, 14, DT_NOBEGIN);
	return true;
}

/* Is a code that belongs to nobody used up, or reserved? */
static void
judge_code_uses(const Search *search, const Code *code, Candidate *candidate)
{
	int64		discount;

	if (code->generic || code->uses < code->max_uses)
		return;
	if (code->max_uses > 1)
	{
		if (code->uses - free_uses(search, code->coupon_id, candidate->code,
								   &discount) >= code->max_uses)
			note(candidate, COUPON_REASON_LIMIT_CODE);
	}
	else if (code->reserved_by == 0)
		note(candidate, COUPON_REASON_ALREADY_USED);
	else if (code->reserved_until > search->decision->now &&
			 (code->reserved_by != search->member_id ||
			  !same_text(code->reserved_ref, search->ref)))
		note(candidate, COUPON_REASON_RESERVED_BY_OTHER);
}

/*
 * A code that is good only for those who hold a coupon of its template: uses
 * the one that ends first.
 */
static bool
find_claimed(const Search *search, const Code *code, Candidate *candidate)
{
	NullableDatum args[5];
	uint64		n;
	Candidate	claimed;

	coupon_args(search, args);
	args[3] = ARG(Int32GetDatum(code->coupon_id));
	args[4] = ARG(DateADTGetDatum(search->decision->today));
	n = statement_run(&select_of_template, args, search->read_only);
	if (n == 0)
		note(candidate, COUPON_REASON_RESERVATION_REQUIRED);
	for (uint64 i = 0; i < n; i++)
	{
		claimed = *candidate;
		if (!read_coupon(search, i, &claimed))
			return false;
		claimed.code = candidate->code;
		if (claimed.state == COUPON_APPLICABLE)
			break;
	}
	if (n > 0)
		*candidate = claimed;
	return true;
}

/* Is it one that the member has given away?  Then he knows it. */
static bool
find_given(const Search *search, Candidate *candidate)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(search->member_id)),
		ARG(CStringGetTextDatum(candidate->code))
	};

	if (search->member_id == 0 ||
		statement_run(&select_given, args, search->read_only) == 0 ||
		!set_coupon(search, candidate,
					DatumGetInt32(statement_notnull(0, 1)),
					DatumGetInt32(statement_notnull(0, 2))))
		return false;
	note(candidate, COUPON_REASON_NOT_OWNER);
	judge_validity(search->decision, candidate);
	return true;
}

static bool
find_nobodys(const Search *search, const Code *code, Candidate *candidate)
{
	if (!set_coupon(search, candidate, code->coupon_id,
					code->generic ? 0 : code->version))
		return false;
	if (code->valid_from != DATEVAL_NOBEGIN)
		candidate->valid_from = code->valid_from;
	if (code->valid_until != DATEVAL_NOEND)
		candidate->valid_until = code->valid_until;
	if (candidate->coupon->claim_required && search->member_id != 0 &&
		!find_claimed(search, code, candidate))
		return false;
	judge_code_uses(search, code, candidate);
	return true;
}

/*
 * A code without a good check character can only be one that was made
 * without; where no template has such codes, it is not even looked for.  One
 * that does not exist takes as many statements as another member's, so that
 * the time tells neither from the other.
 */
static bool
find_code(const Search *search, const text *given, Candidate *candidate)
{
	const Program *program = search->decision->program;
	Code		code;
	bool		found;

	candidate->code = coupon_code_canonical(given);
	if (candidate->code == NULL ||
		(!program->free_codes && !coupon_code_checks(candidate->code)))
		return false;
	if (!load_code(search, candidate->code, &code))
		return find_given(search, candidate);
	if (code.member_id == 0)
		found = find_nobodys(search, &code, candidate);
	else if (code.member_id == search->member_id)
		found = load_coupon(search, code.coupon_no, candidate);
	else
		return find_given(search, candidate);
	if (!found)
		return false;
	if (!code.active)
		note(candidate, COUPON_REASON_DISABLED);
	judge(search, candidate, 1, code.budget_id);
	return true;
}

static Search
search_for(const Decision *decision, const text *ref, bool read_only)
{
	Search		search = {
		decision, decision->account->member_id, ref, read_only
	};

	return search;
}

static void
find(const Search *search, const text *code, Candidate *candidate)
{
	char	   *given = text_to_cstring(code);
	bool		found;

	memset(candidate, 0, sizeof(Candidate));
	candidate->given = given;
	found = given[0] == '#' ? find_own(search, candidate) :
		find_code(search, code, candidate);
	if (!found)
	{
		memset(candidate, 0, sizeof(Candidate));
		candidate->given = given;
		candidate->state = COUPON_REASON_NOT_FOUND;
		candidate->left = -1;
		candidate->uses_left = -1;
	}
	candidate->chosen = true;
}

void
store_coupon_find(const Decision *decision, const text *code,
				  const text *ref, bool read_only, Candidate *candidate)
{
	Search		search = search_for(decision, ref, read_only);

	find(&search, code, candidate);
}

Candidate *
store_coupon_wallet(const Decision *decision, const text *ref, bool read_only,
					int *ncandidates)
{
	Search		search = search_for(decision, ref, read_only);
	NullableDatum args[4];
	uint64		n = 0;
	Candidate  *candidates;

	coupon_args(&search, args);
	args[3] = ARG(DateADTGetDatum(decision->today));
	if (search.member_id != 0)
		n = statement_run(&select_wallet, args, read_only);
	candidates = palloc0(sizeof(Candidate) * Max(n, 1));
	*ncandidates = 0;
	for (uint64 i = 0; i < n; i++)
	{
		Candidate  *candidate = &candidates[*ncandidates];

		if (!read_coupon(&search, i, candidate))
			continue;
		candidate->given = psprintf("#" INT64_FORMAT, candidate->coupon_no);
		(*ncandidates)++;
	}
	judge(&search, candidates, *ncandidates, 0);
	return candidates;
}

Candidate *
store_coupon_offers(const Decision *decision, const text *ref, bool read_only,
					int *ncandidates)
{
	const Program *program = decision->program;
	Search		search = search_for(decision, ref, read_only);
	Candidate  *candidates = palloc0(sizeof(Candidate) *
									 Max(program->ncoupons, 1));
	int32		last_id = 0;

	*ncandidates = 0;
	for (int i = 0; i < program->ncoupons; i++)
	{
		const Coupon *coupon = &program->coupons[i];
		Candidate  *candidate = &candidates[*ncandidates];

		/* the newest version of each comes first */
		if (coupon->coupon_id == last_id)
			continue;
		last_id = coupon->coupon_id;
		if (!coupon->automatic)
			continue;
		memset(candidate, 0, sizeof(Candidate));
		candidate->coupon = coupon;
		candidate->left = -1;
		candidate->uses_left = -1;
		candidate->valid_from = coupon->valid_from;
		candidate->valid_until = coupon->valid_until;
		judge_validity(decision, candidate);
		if (candidate->state == COUPON_APPLICABLE)
			(*ncandidates)++;
	}
	judge(&search, candidates, *ncandidates, 0);
	return candidates;
}

CouponReason
store_coupon_again(const Decision *decision, const Candidate *candidate,
				   const text *ref)
{
	Search		search = search_for(decision, ref, false);
	Candidate	now = *candidate;

	search.taking = true;
	if (candidate->given == NULL)
	{
		now.state = COUPON_APPLICABLE;
		judge(&search, &now, 1, 0);
		return now.state;
	}
	find(&search, cstring_to_text(candidate->given), &now);
	if (now.state != COUPON_APPLICABLE)
		return now.state;
	/* of several coupons that a code can use, the one it was is gone */
	return now.coupon->coupon_id == candidate->coupon->coupon_id &&
		now.coupon->version == candidate->coupon->version &&
		now.coupon_no == candidate->coupon_no ?
		COUPON_APPLICABLE : COUPON_REASON_ALREADY_USED;
}

CouponReason
store_coupon_look(const Decision *decision, const text *ref,
				  const Candidate *candidate, int64 discount)
{
	Search		search = search_for(decision, ref, false);
	Candidate	now = *candidate;

	now.state = COUPON_APPLICABLE;
	judge_limits_in_all(&search, &now, 1, 0);
	if (now.state == COUPON_APPLICABLE && now.left >= 0 &&
		discount > now.left)
		return COUPON_REASON_BUDGET_EXHAUSTED;
	return now.state;
}

void
store_coupon_tell(const Decision *decision, JournalRow *row,
				  const CouponNews *news)
{
	StringInfo	message = journal_row_begin_message(row, news->code);

	appendStringInfoString(message, ",\"coupon\":");
	escape_json(message, news->coupon->name);
	if (news->coupon_no != 0)
		appendStringInfo(message, ",\"no\":" INT64_FORMAT, news->coupon_no);
	if (news->quantity != 0)
		appendStringInfo(message, ",\"quantity\":" INT64_FORMAT,
						 news->quantity);
	if (news->discount >= 0)
		appendStringInfo(message, ",\"discount\":%s",
						 amount_text(news->discount,
									 decision->program->currency_scale));
	if (!DATE_NOT_FINITE(news->until))
		appendStringInfo(message, ",\"until\":\"%s\"",
						 date_text(news->until));
	appendStringInfoChar(message, '}');
}
