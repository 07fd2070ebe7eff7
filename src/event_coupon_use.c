/*
 * event_coupon_use.c
 *
 * Coupons are used at a counter, without a cart: the till tells the discount.
 * What does not need the cart is judged all the same; and such a use can be
 * undone.
 */
#include "event_coupon.h"

#include "utils/builtins.h"

#include "amount.h"
#include "event.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_coupon_use);
PG_FUNCTION_INFO_V1(loyalty_coupon_undo);

enum use_arg
{
	USE_MEMBER_ID,
	USE_CODE,
	USE_REF,
	USE_DISCOUNT,
	USE_DATA,
	USE_AT,
	USE_KEY,
	USE_MODE,
	USE_NARGS
};

static bool use_replays(Call *call);

static const Verb use_verb = {
	"coupon_use", "coupon_use", NULL, FOR_ACTIVE, false, USE_NARGS, {
		[USE_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[USE_CODE] = {"code", ARG_TEXT, true},
		[USE_REF] = {"ref", ARG_TEXT, true},
		[USE_DISCOUNT] = {"discount", ARG_NUMERIC, true},
		[USE_DATA] = {"data", ARG_JSONB},
		[USE_AT] = {"at", ARG_AT},
		[USE_KEY] = {"key", ARG_KEY},
		[USE_MODE] = {"mode", ARG_MODE, true}
	}, use_replays
};

enum undo_arg
{
	UNDO_MEMBER_ID,
	UNDO_REF,
	UNDO_CODE,
	UNDO_AT,
	UNDO_KEY,
	UNDO_MODE,
	UNDO_NARGS
};

static bool undo_replays(Call *call);

static const Verb undo_verb = {
	"coupon_undo", "coupon_undo", NULL, FOR_ANY, false, UNDO_NARGS, {
		[UNDO_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[UNDO_REF] = {"ref", ARG_TEXT, true},
		[UNDO_CODE] = {"code", ARG_TEXT},
		[UNDO_AT] = {"at", ARG_AT},
		[UNDO_KEY] = {"key", ARG_KEY},
		[UNDO_MODE] = {"mode", ARG_MODE, true}
	}, undo_replays
};

/* Rows of a kind about an order, the newest first. */
static Statement select_uses = {
	"SELECT journal_id, request_hash FROM loyalty.journal"
	" WHERE member_id = $1 AND ref = $2 AND kind = 'coupon_use'"
	" AND request_hash IS NOT NULL ORDER BY journal_id DESC",
	2, {INT8OID, TEXTOID}
};

static Statement select_undos = {
	"SELECT journal_id, request_hash FROM loyalty.journal"
	" WHERE member_id = $1 AND reverses = $2 AND kind = 'coupon_undo'"
	" AND request_hash IS NOT NULL ORDER BY journal_id DESC",
	2, {INT8OID, TEXTOID}
};

/* Rows of uses of one order, for the name of the next. */
static Statement count_rows = {
	"SELECT count(*) FROM loyalty.journal WHERE member_id = $1 AND ref = $2"
	" AND kind = 'coupon_use'"
	" AND (event = $3 OR starts_with(event, $3 || ':'))",
	3, {INT8OID, TEXTOID, TEXTOID}
};

static Statement count_returned = {
	"SELECT count(*) FROM loyalty.coupon_use WHERE member_id = $1"
	" AND ref = $2 AND status = 'returned' AND line_discounts IS NULL"
	" AND ($3 IS NULL OR code = $3) AND ($4 IS NULL OR coupon_no = $4)",
	4, {INT8OID, TEXTOID, TEXTOID, INT8OID}
};

/* Is one of the rows that a statement finds that of this request? */
static bool
replay_one_of(Call *call, Statement *statement, const text *ref)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(PointerGetDatum(ref))
	};
	uint64		n;

	if (call->key != NULL)
		return false;
	n = statement_run(statement, args, false);
	for (uint64 i = 0; i < n; i++)
		if (call_is_request(call, DatumGetByteaPP(statement_notnull(i, 2))))
		{
			call->replay = journal_read(call->member_id,
										DatumGetInt64(statement_notnull(i, 1)));
			return true;
		}
	return false;
}

/*
 * Using
 */

/*
 * A reference may be that of several coupons, so it does not name the call
 * alone; together with everything else it does.
 */
static bool
use_replays(Call *call)
{
	return replay_one_of(call, &select_uses, call_text(call, USE_REF));
}

static bool
find_coupon(Call *call, const text *ref, Candidate *candidate)
{
	store_coupon_find(&call->decision, call_text(call, USE_CODE), ref, false,
					  candidate);
	return candidate->state == COUPON_APPLICABLE ||
		event_coupon_refuse(call, candidate->state, candidate->coupon);
}

/*
 * The discount, as far as the template bounds it whatever is in the cart.
 * Zero is allowed: the till may not know it.
 */
static bool
read_discount(Call *call, const Coupon *coupon, int64 *discount)
{
	int			scale = call->decision.program->currency_scale;
	Numeric		value = DatumGetNumeric(call->fcinfo->args[USE_DISCOUNT].value);
	Refusal		refusal = amount_parse(value, scale, discount);
	int64		most = coupon->max_discount;

	if (refusal == REFUSAL_NONE && *discount < 0)
		refusal = REFUSAL_AMOUNT_NOT_POSITIVE;
	if (refusal != REFUSAL_NONE)
		return call_refuse(call, refusal, "discount=%s decimals=%d",
						   numeric_normalize(value), scale);
	if ((coupon->kind == COUPON_AMOUNT || coupon->kind == COUPON_SHIPPING) &&
		coupon->amount >= 0)
		most = most < 0 ? coupon->amount : Min(most, coupon->amount);
	if (coupon->kind == COUPON_GIFT || coupon->kind == COUPON_MULTIPLIER)
		most = 0;
	return most < 0 || *discount <= most ||
		call_refuse(call, REFUSAL_AMOUNT_TOO_LARGE, "discount=%s at_most=%s",
					amount_text(*discount, scale), amount_text(most, scale));
}

/* The order as conditions see it: a purchase, with what data says of it. */
static JournalRow *
purchase_row(const Call *call)
{
	JournalRow *row = journal_row_make(call->member_id, "event", call->now);

	row->event = "purchase";
	row->channel = call->row->channel;
	row->store = call->row->store;
	row->staff = call->row->staff;
	return row;
}

static bool
pays_with(const Coupon *coupon, const Jsonb *data)
{
	JsonbValue	buffer;
	JsonbValue *method;

	if (coupon->payment_methods == NULL)
		return true;
	method = data == NULL ? NULL :
		getKeyJsonValueFromContainer(unconstify(JsonbContainer *,
												&data->root),
									 "payment_method",
									 strlen("payment_method"), &buffer);
	return method != NULL && method->type == jbvString &&
		name_listed(coupon->payment_methods,
					pnstrdup(method->val.string.val,
							 method->val.string.len));
}

/* Terms that need no cart. */
static bool
check_terms(Call *call, const Coupon *coupon)
{
	JournalRow *row = purchase_row(call);
	Jsonb	   *data = call_jsonb(call, USE_DATA);
	Facts	   *facts = event_facts_needed(&call->decision, row, NULL, NULL,
										   data,
										   program_terms_needs(&coupon->terms),
										   false);
	const char *reason = decide_terms(&call->decision, row, facts,
									  &coupon->terms);

	for (int i = 1; reason != NULL && i < COUPON_NREASONS; i++)
		if (strcmp(coupon_reason_name(i), reason) == 0)
			return event_coupon_refuse(call, i, coupon);
	if (reason != NULL)
		elog(ERROR, "unknown reason \"%s\"", reason);
	return pays_with(coupon, data) ||
		event_coupon_refuse(call, COUPON_REASON_PAYMENT_METHOD, coupon);
}

/* What has no category has one without a name. */
static bool
is_of_category(const Coupon *coupon, const CouponCategory *category)
{
	return category->name != NULL && coupon->category->name != NULL &&
		strcmp(coupon->category->name, category->name) == 0;
}

/* May it be beside what was used for the order already? */
static bool
check_stack(Call *call, const Coupon *coupon, const text *ref)
{
	int			nuses;
	CouponUse  *uses = store_coupon_uses(&call->decision, ref, &nuses);
	int			coupons = 1;
	int			of_template = 1;
	int			of_category = 1;

	for (int i = 0; i < nuses; i++)
	{
		const Coupon *other = uses[i].coupon;

		if (!decide_cart_compatible(coupon, other))
			return event_coupon_refuse(call, COUPON_REASON_STACK_EXCLUSIVE,
									   coupon);
		coupons += !other->automatic;
		of_template += other->coupon_id == coupon->coupon_id;
		of_category += is_of_category(other, coupon->category);
	}
	if (of_template > coupon->max_per_order ||
		(coupon->category->max_per_order > 0 &&
		 of_category > coupon->category->max_per_order))
		return event_coupon_refuse(call, COUPON_REASON_STACK_CATEGORY_LIMIT,
								   coupon);
	if (call->decision.program->cart.max_coupons > 0 &&
		coupons > call->decision.program->cart.max_coupons)
		return event_coupon_refuse(call, COUPON_REASON_STACK_TOTAL_LIMIT,
								   coupon);
	return true;
}

/*
 * The event of the row: the template's name, and of several of it for one
 * order, its place among them.
 */
static char *
name_row(const Call *call, const Coupon *coupon, const text *ref)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(PointerGetDatum(ref)),
		ARG(CStringGetTextDatum(coupon->name))
	};
	int64		n;

	statement_run(&count_rows, args, false);
	n = DatumGetInt64(statement_notnull(0, 1));
	return n == 0 ? coupon->name :
		psprintf("%s:" INT64_FORMAT, coupon->name, n + 1);
}

/* What take() gets, as statement_attempt() wants it. */
typedef struct Attempt
{
	Call	   *call;
	const text *ref;
	CouponTaking taking;
} Attempt;

static bool
take(void *argument)
{
	Attempt    *attempt = argument;
	Call	   *call = attempt->call;
	int			failed;
	CouponReason reason = call->mode == MODE_DRY ?
		store_coupon_look(&call->decision, attempt->ref,
						  attempt->taking.candidate,
						  attempt->taking.discount) :
		store_coupon_take(&call->decision, call->row, attempt->ref, DT_NOEND,
						  &attempt->taking, 1, &failed);

	return reason == COUPON_APPLICABLE ||
		event_coupon_refuse(call, reason, attempt->taking.candidate->coupon);
}

static void
tell_use(Call *call, const Candidate *candidate, int64 discount)
{
	CouponNews	news = {
		.code = "coupon_used",
		.coupon = candidate->coupon,
		.coupon_no = candidate->coupon_no,
		.discount = discount,
		.until = DATEVAL_NOEND
	};

	store_coupon_tell(&call->decision, call->row, &news);
}

static bool
use(Call *call, text *ref)
{
	Candidate	candidate;
	int64		discount;
	Attempt		attempt = {call, ref, {&candidate}};

	if (!find_coupon(call, ref, &candidate) ||
		!read_discount(call, candidate.coupon, &discount))
		return false;
	call->event = name_row(call, candidate.coupon, ref);
	event_coupon_row(call, discount)->ref = ref;
	if (!call_data(call, USE_DATA, -1) ||
		!check_terms(call, candidate.coupon) ||
		!check_stack(call, candidate.coupon, ref))
		return false;
	attempt.taking.discount = discount;
	tell_use(call, &candidate, discount);
	return call->mode == MODE_TRY ? statement_attempt(take, &attempt) :
		take(&attempt);
}

Datum
loyalty_coupon_use(PG_FUNCTION_ARGS)
{
	Call		call;
	text	   *ref;

	if (call_begin(&call, fcinfo, &use_verb) &&
		event_coupon_ref(&call, USE_REF, &ref) &&
		call_open(&call))
		use(&call, ref);
	return call_close(&call);
}

/*
 * Undoing
 */

/* Which uses are meant: all of the order, or that of a code or coupon. */
typedef struct Meant
{
	const char *code;			/* canonical, or NULL */
	int64		coupon_no;		/* 0: not given by number */
	bool		none;			/* what was given can be no code */
} Meant;

static Meant
read_meant(const Call *call)
{
	Meant		meant = {0};
	text	   *given = call_text(call, UNDO_CODE);
	char	   *string;

	if (given == NULL)
		return meant;
	string = text_to_cstring(given);
	if (string[0] == '#')
		meant.none = !store_coupon_number(string, &meant.coupon_no);
	else
	{
		meant.code = coupon_code_canonical(given);
		meant.none = meant.code == NULL;
	}
	return meant;
}

/* The uses that are meant and can be undone: those without a cart. */
static CouponReturn *
find_uses(const Call *call, const text *ref, const Meant *meant, int *nfound)
{
	int			nuses;
	CouponUse  *uses = store_coupon_uses(&call->decision, ref, &nuses);
	CouponReturn *found = palloc0(sizeof(CouponReturn) * Max(nuses, 1));

	*nfound = 0;
	for (int i = 0; i < nuses; i++)
	{
		const CouponUse *use = &uses[i];

		if (use->reserved || use->nlines > 0 || meant->none ||
			(meant->coupon_no != 0 && use->coupon_no != meant->coupon_no) ||
			(meant->code != NULL &&
			 (use->code == NULL || strcmp(use->code, meant->code) != 0)))
			continue;
		found[*nfound].use = use;
		found[(*nfound)++].undone = true;
	}
	return found;
}

/* The same was undone, and nothing of it was used again since. */
static bool
undo_replays(Call *call)
{
	const text *ref = call_text(call, UNDO_REF);
	Meant		meant = read_meant(call);
	int			nfound;

	find_uses(call, ref, &meant, &nfound);
	return nfound == 0 && replay_one_of(call, &select_undos, ref);
}

/* Nothing is left to be undone: was there ever? */
static bool
refuse_undo(Call *call, const text *ref, const Meant *meant)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(PointerGetDatum(ref)),
		meant->code ? ARG(CStringGetTextDatum(meant->code)) : NULL_ARG,
		ARG_OR_NULL(Int64GetDatum(meant->coupon_no), meant->coupon_no != 0)
	};

	if (!meant->none)
	{
		statement_run(&count_returned, args, false);
		if (DatumGetInt64(statement_notnull(0, 1)) > 0)
			return call_refuse(call, REFUSAL_ALREADY_RETURNED,
							   "member_id=" INT64_FORMAT, call->member_id);
	}
	return call_refuse(call, REFUSAL_USE_NOT_FOUND,
					   "member_id=" INT64_FORMAT, call->member_id);
}

static bool
undo(Call *call, text *ref)
{
	Meant		meant = read_meant(call);
	int			nfound;
	CouponReturn *found = find_uses(call, ref, &meant, &nfound);
	int64		discount = 0;
	JournalRow *row;

	if (nfound == 0)
		return refuse_undo(call, ref, &meant);
	for (int i = 0; i < nfound; i++)
		discount = amount_add(discount,
							  found[i].use->discount - found[i].use->returned);
	if (nfound == 1)
		call->event = found[0].use->coupon->name;
	row = event_coupon_row(call, discount);
	row->reverses = ref;
	store_coupon_return(&call->decision, row, found, nfound,
						call->mode == MODE_DRY);
	return true;
}

Datum
loyalty_coupon_undo(PG_FUNCTION_ARGS)
{
	Call		call;
	text	   *ref;

	if (call_begin(&call, fcinfo, &undo_verb) &&
		event_coupon_ref(&call, UNDO_REF, &ref) &&
		call_open(&call))
		undo(&call, ref);
	return call_close(&call);
}
