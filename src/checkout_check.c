/*
 * checkout_check.c
 *
 * What becomes of one code, or of each coupon of a member, with a cart or
 * without.  Nothing is written, but that somebody typed in a wrong code.
 */
#include "checkout.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "amount.h"

PG_FUNCTION_INFO_V1(loyalty_checkout_coupon_check);
PG_FUNCTION_INFO_V1(loyalty_checkout_coupon_wallet);
PG_FUNCTION_INFO_V1(loyalty_checkout_coupon_try);

enum check_arg
{
	CHECK_MEMBER_ID,
	CHECK_CODE,
	CHECK_CART,
	CHECK_AT,
	CHECK_NARGS
};

static const Verb check_verb = {
	"coupon_check", "event", "purchase", FOR_OPEN, false, CHECK_NARGS, {
		[CHECK_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[CHECK_CODE] = {"code", ARG_TEXT, true},
		[CHECK_CART] = {"cart", ARG_JSONB},
		[CHECK_AT] = {"at", ARG_AT}
	}
};

enum wallet_arg
{
	WALLET_MEMBER_ID,
	WALLET_CART,
	WALLET_AT,
	WALLET_NARGS
};

static const Verb wallet_verb = {
	"coupon_wallet", "event", "purchase", FOR_OPEN, false, WALLET_NARGS, {
		[WALLET_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[WALLET_CART] = {"cart", ARG_JSONB},
		[WALLET_AT] = {"at", ARG_AT}
	}
};

enum try_arg
{
	TRY_MEMBER_ID,
	TRY_CODE,
	TRY_DATA,
	TRY_CART,
	TRY_NARGS
};

static const Verb try_verb = {
	"coupon_try", "event", "purchase", FOR_OPEN, false, TRY_NARGS, {
		[TRY_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[TRY_CODE] = {"code", ARG_TEXT, true},
		[TRY_DATA] = {"data", ARG_JSONB},
		[TRY_CART] = {"cart", ARG_JSONB}
	}
};

/* The attributes of loyalty.verdict. */
enum verdict_column
{
	VERDICT_COUPON,
	VERDICT_TITLE,
	VERDICT_CODE,
	VERDICT_COUPON_NO,
	VERDICT_KIND,
	VERDICT_APPLICABLE,
	VERDICT_REASON,
	VERDICT_SAVING,
	VERDICT_MISSING,
	VERDICT_VALID_UNTIL,
	VERDICT_MESSAGE,
	VERDICT_BEATEN_BY,
	VERDICT_NCOLUMNS
};

/* Verdicts, and to what they are judged. */
typedef struct Check
{
	Call		call;
	Quote		quote;
	bool		has_cart;
	int			nverdicts;
	Verdict    *verdicts;
} Check;

static void
put_coupon(const Verdict *verdict, Datum *values, bool *nulls)
{
	const Candidate *candidate = verdict->candidate;
	const Coupon *coupon = candidate->coupon;

	nulls[VERDICT_COUPON] = false;
	values[VERDICT_COUPON] = CStringGetTextDatum(coupon->name);
	nulls[VERDICT_KIND] = false;
	values[VERDICT_KIND] =
		CStringGetTextDatum(coupon_kind_name(coupon->kind));
	nulls[VERDICT_TITLE] = coupon->title == NULL;
	if (coupon->title != NULL)
		values[VERDICT_TITLE] = CStringGetTextDatum(coupon->title);
	nulls[VERDICT_COUPON_NO] = candidate->coupon_no == 0;
	values[VERDICT_COUPON_NO] = Int64GetDatum(candidate->coupon_no);
	nulls[VERDICT_VALID_UNTIL] = DATE_IS_NOEND(candidate->valid_until);
	values[VERDICT_VALID_UNTIL] = DateADTGetDatum(candidate->valid_until);
}

/*
 * Returns a verdict.  Of a code that leads nowhere it says nothing else, so
 * that all of these look alike.
 */
static void
put_verdict(const Check *check, const Verdict *verdict, ReturnSetInfo *result)
{
	int			scale = check->call.decision.program->currency_scale;
	bool		applies = verdict->reason == COUPON_APPLICABLE;
	char	   *message = checkout_message(verdict, scale);
	Datum		values[VERDICT_NCOLUMNS] = {0};
	bool		nulls[VERDICT_NCOLUMNS];

	memset(nulls, true, sizeof(nulls));
	if (verdict->candidate->coupon != NULL)
		put_coupon(verdict, values, nulls);
	nulls[VERDICT_CODE] = false;
	values[VERDICT_CODE] = CStringGetTextDatum(verdict->candidate->given);
	nulls[VERDICT_APPLICABLE] = false;
	values[VERDICT_APPLICABLE] = BoolGetDatum(applies);
	nulls[VERDICT_REASON] = applies;
	if (!applies)
		values[VERDICT_REASON] =
			CStringGetTextDatum(coupon_reason_name(verdict->reason));
	nulls[VERDICT_SAVING] = !applies || !check->has_cart;
	values[VERDICT_SAVING] =
		NumericGetDatum(amount_numeric(verdict->saving, scale));
	nulls[VERDICT_MISSING] = verdict->missing == 0;
	values[VERDICT_MISSING] =
		NumericGetDatum(checkout_missing(verdict, scale));
	nulls[VERDICT_MESSAGE] = message == NULL;
	if (message != NULL)
		values[VERDICT_MESSAGE] = CStringGetTextDatum(message);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Judges a candidate by all but a cart. */
static Verdict
judge_without_cart(Check *check, const Candidate *candidate)
{
	Quote	   *quote = &check->quote;

	return (Verdict) {
		.candidate = candidate,
		.reason = decide_cart_member(&check->call.decision, quote->row,
									 quote->facts, candidate)
	};
}

/* One coupon as if it were the only one that was named, beside the offers. */
static Verdict
judge_with_cart(Check *check, int i)
{
	Quote	   *quote = &check->quote;
	Candidate  *candidate = &quote->candidates[i];
	Verdict		verdict;

	candidate->chosen = true;
	quote->use = decide_cart_choose(check->call.decision.program,
									&quote->cart, quote->candidates,
									quote->ncandidates, &quote->pricing);
	candidate->chosen = false;
	verdict = checkout_verdict(quote, i);
	verdict.candidate = candidate;
	return verdict;
}

/* Reads the cart, if there is one, and what the candidates are judged by. */
static void
prepare(Check *check, Jsonb *cart)
{
	Call	   *call = &check->call;
	Quote	   *quote = &check->quote;

	check->has_cart = cart != NULL;
	quote->at = call->at;
	if (check->has_cart)
	{
		checkout_cart(call, cart, &quote->cart);
		checkout_offers(call, NULL, quote);
		checkout_match(call, quote, NULL);
	}
	else
		checkout_facts(call, quote, NULL);
	check->verdicts = palloc(sizeof(Verdict) * Max(quote->ncandidates, 1));
}

static void
judge(Check *check, int i)
{
	check->verdicts[check->nverdicts++] = check->has_cart ?
		judge_with_cart(check, i) :
		judge_without_cart(check, &check->quote.candidates[i]);
}

/* One code as its only candidate. */
static void
check_code(Check *check, const text *code, Jsonb *cart)
{
	Quote	   *quote = &check->quote;

	quote->candidates = palloc0(sizeof(Candidate));
	quote->ncandidates = 1;
	store_coupon_find(&check->call.decision, code, NULL, quote->read_only,
					  quote->candidates);
	prepare(check, cart);
	judge(check, 0);
}

/* coupon_check(member_id, code, cart, at): one row. */
Datum
loyalty_checkout_coupon_check(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Check		check = {0};

	InitMaterializedSRF(fcinfo, 0);
	/* refusals raise: the mode is 'do' */
	call_begin(&check.call, fcinfo, &check_verb);
	checkout_open_reading(&check.call, -1);
	check.quote.read_only = true;
	check_code(&check, call_text(&check.call, CHECK_CODE),
			   call_jsonb(&check.call, CHECK_CART));
	put_verdict(&check, &check.verdicts[0], result);
	SPI_finish();
	return (Datum) 0;
}

/* Those that apply first, by what they save; then by their end. */
static int
compare_verdicts(const void *a, const void *b)
{
	const Verdict *one = a;
	const Verdict *other = b;
	bool		applies = one->reason == COUPON_APPLICABLE;

	if (applies != (other->reason == COUPON_APPLICABLE))
		return applies ? -1 : 1;
	if (one->saving != other->saving)
		return one->saving > other->saving ? -1 : 1;
	if (one->candidate->valid_until != other->candidate->valid_until)
		return one->candidate->valid_until < other->candidate->valid_until ?
			-1 : 1;
	return one->candidate->coupon_no < other->candidate->coupon_no ? -1 : 1;
}

/* coupon_wallet(member_id, cart, at): a row for each coupon of the member. */
Datum
loyalty_checkout_coupon_wallet(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Check		check = {0};
	Quote	   *quote = &check.quote;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	call_begin(&check.call, fcinfo, &wallet_verb);
	checkout_open_reading(&check.call, -1);
	quote->read_only = true;
	quote->candidates = store_coupon_wallet(&check.call.decision, NULL, true,
											&quote->ncandidates);
	n = quote->ncandidates;
	prepare(&check, call_jsonb(&check.call, WALLET_CART));
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		judge(&check, i);
	}
	qsort(check.verdicts, n, sizeof(Verdict), compare_verdicts);
	for (int i = 0; i < n; i++)
		put_verdict(&check, &check.verdicts[i], result);
	SPI_finish();
	return (Datum) 0;
}

static const text *
data_text(Call *call, const char *name)
{
	Jsonb	   *data = call_jsonb(call, TRY_DATA);
	JsonbValue	buffer;
	const JsonbValue *value;
	text	   *string;

	if (data == NULL)
		return NULL;
	call_check_object(call, data, "data");
	value = getKeyJsonValueFromContainer(&data->root, name, strlen(name),
										 &buffer);
	if (value == NULL || value->type == jbvNull)
		return NULL;
	if (value->type != jbvString)
	{
		call_refuse(call, REFUSAL_DATA_INVALID, "data.%s must be a string",
					name);
		return NULL;
	}
	string = cstring_to_text_with_len(value->val.string.val,
									  value->val.string.len);
	call_check_text(call, string, REFUSAL_DATA_INVALID, name);
	return string;
}

static CouponAttempt
attempt_of(Call *call)
{
	const CartPolicy *policy = &call->decision.program->cart;

	return (CouponAttempt) {
		.program_id = call->decision.program->program_id,
		.member_id = call->member_id,
		.device = data_text(call, "device"),
		.store = data_text(call, "store"),
		.now = call->now,
		.max_attempts = policy->max_attempts,
		.max_store_attempts = policy->max_store_attempts,
		.window = policy->attempt_window,
		.block = policy->attempt_block
	};
}

/* Too many wrong ones: no code is looked at, not even the right one. */
static void
put_blocked(const text *code, ReturnSetInfo *result)
{
	const RefusalText *refusal = refusal_text(REFUSAL_ATTEMPTS_EXHAUSTED);
	Datum		values[VERDICT_NCOLUMNS] = {0};
	bool		nulls[VERDICT_NCOLUMNS];

	memset(nulls, true, sizeof(nulls));
	nulls[VERDICT_CODE] = false;
	values[VERDICT_CODE] = PointerGetDatum(code);
	nulls[VERDICT_APPLICABLE] = false;
	values[VERDICT_APPLICABLE] = BoolGetDatum(false);
	nulls[VERDICT_REASON] = false;
	values[VERDICT_REASON] = CStringGetTextDatum(refusal->reason);
	nulls[VERDICT_MESSAGE] = false;
	values[VERDICT_MESSAGE] = CStringGetTextDatum(refusal->message);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * coupon_try(member_id, code, data, cart): the same for a code that somebody
 * types in.  A wrong one is counted, and after too many none is looked at.
 */
Datum
loyalty_checkout_coupon_try(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Check		check = {0};
	Call	   *call = &check.call;
	CouponAttempt attempt;

	InitMaterializedSRF(fcinfo, 0);
	call_begin(call, fcinfo, &try_verb);
	if (!store_load(call->member_id, ACCOUNT_READ, call->now, &call->account,
					&call->decision))
		call_refuse(call, REFUSAL_MEMBER_NOT_FOUND,
					"member_id=" INT64_FORMAT, call->member_id);
	call_check_member(call);
	decide_settle(&call->decision, DT_NOBEGIN);
	attempt = attempt_of(call);
	if (coupon_attempt_blocked(&attempt))
		put_blocked(call_text(call, TRY_CODE), result);
	else
	{
		check_code(&check, call_text(call, TRY_CODE),
				   call_jsonb(call, TRY_CART));
		if (check.verdicts[0].reason == COUPON_REASON_NOT_FOUND)
			coupon_attempt_failed(&attempt);
		put_verdict(&check, &check.verdicts[0], result);
	}
	SPI_finish();
	return (Datum) 0;
}
