/*
 * event_coupon.c
 *
 * How members come by coupons: they claim and buy them, and are issued them
 * one by one or in packs.
 */
#include "event_coupon.h"

#include "utils/builtins.h"

#include "amount.h"
#include "campaign.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_coupon_claim);
PG_FUNCTION_INFO_V1(loyalty_coupon_claim_code);
PG_FUNCTION_INFO_V1(loyalty_coupon_issue);
PG_FUNCTION_INFO_V1(loyalty_coupon_issue_pack);
PG_FUNCTION_INFO_V1(loyalty_coupon_buy);

/* Coupons that one call issues of one template at most. */
#define MAX_QUANTITY 100

enum claim_arg
{
	CLAIM_MEMBER_ID,
	CLAIM_COUPON,
	CLAIM_REF,
	CLAIM_AT,
	CLAIM_KEY,
	CLAIM_MODE,
	CLAIM_NARGS
};

static const Verb claim_verb = {
	"coupon_claim", "coupon_claim", NULL, FOR_ACTIVE, true, CLAIM_NARGS, {
		[CLAIM_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[CLAIM_COUPON] = {"coupon", ARG_TEXT, true},
		[CLAIM_REF] = {"ref", ARG_REF},
		[CLAIM_AT] = {"at", ARG_AT},
		[CLAIM_KEY] = {"key", ARG_KEY},
		[CLAIM_MODE] = {"mode", ARG_MODE, true}
	}
};

enum claim_code_arg
{
	CLAIM_CODE_MEMBER_ID,
	CLAIM_CODE_CODE,
	CLAIM_CODE_AT,
	CLAIM_CODE_KEY,
	CLAIM_CODE_MODE,
	CLAIM_CODE_NARGS
};

static bool claim_code_replays(Call *call);

static const Verb claim_code_verb = {
	"coupon_claim_code", "coupon_claim", NULL, FOR_ACTIVE, false,
	CLAIM_CODE_NARGS, {
		[CLAIM_CODE_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[CLAIM_CODE_CODE] = {"code", ARG_TEXT, true},
		[CLAIM_CODE_AT] = {"at", ARG_AT},
		[CLAIM_CODE_KEY] = {"key", ARG_KEY},
		[CLAIM_CODE_MODE] = {"mode", ARG_MODE, true}
	}, claim_code_replays
};

enum issue_arg
{
	ISSUE_MEMBER_ID,
	ISSUE_COUPON,
	ISSUE_REF,
	ISSUE_VALID_FROM,
	ISSUE_VALID_UNTIL,
	ISSUE_QUANTITY,
	ISSUE_AT,
	ISSUE_KEY,
	ISSUE_MODE,
	ISSUE_NARGS
};

static const Verb issue_verb = {
	"coupon_issue", "coupon_issue", NULL, FOR_OPEN, true, ISSUE_NARGS, {
		[ISSUE_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[ISSUE_COUPON] = {"coupon", ARG_TEXT, true},
		[ISSUE_REF] = {"ref", ARG_REF},
		[ISSUE_VALID_FROM] = {"valid_from", ARG_DATE},
		[ISSUE_VALID_UNTIL] = {"valid_until", ARG_DATE},
		[ISSUE_QUANTITY] = {"quantity", ARG_NUMERIC, true},
		[ISSUE_AT] = {"at", ARG_AT},
		[ISSUE_KEY] = {"key", ARG_KEY},
		[ISSUE_MODE] = {"mode", ARG_MODE, true}
	}
};

enum pack_arg
{
	PACK_MEMBER_ID,
	PACK_PACK,
	PACK_REF,
	PACK_AT,
	PACK_KEY,
	PACK_MODE,
	PACK_NARGS
};

static const Verb pack_verb = {
	"coupon_issue_pack", "coupon_issue", NULL, FOR_OPEN, true, PACK_NARGS, {
		[PACK_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[PACK_PACK] = {"pack", ARG_TEXT, true},
		[PACK_REF] = {"ref", ARG_REF},
		[PACK_AT] = {"at", ARG_AT},
		[PACK_KEY] = {"key", ARG_KEY},
		[PACK_MODE] = {"mode", ARG_MODE, true}
	}
};

enum buy_arg
{
	BUY_MEMBER_ID,
	BUY_COUPON,
	BUY_REF,
	BUY_QUANTITY,
	BUY_AT,
	BUY_KEY,
	BUY_MODE,
	BUY_NARGS
};

static const Verb buy_verb = {
	"coupon_buy", "coupon_buy", NULL, FOR_ACTIVE, true, BUY_NARGS, {
		[BUY_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[BUY_COUPON] = {"coupon", ARG_TEXT, true},
		[BUY_REF] = {"ref", ARG_REF},
		[BUY_QUANTITY] = {"quantity", ARG_NUMERIC, true},
		[BUY_AT] = {"at", ARG_AT},
		[BUY_KEY] = {"key", ARG_KEY},
		[BUY_MODE] = {"mode", ARG_MODE, true}
	}
};

static Statement select_pack = {
	"SELECT coupon_id, quantity FROM loyalty.coupon_pack"
	" WHERE program_id = $1 AND name = $2 ORDER BY coupon_id",
	2, {INT4OID, TEXTOID}
};

#define SELECT_CODE \
	"SELECT kind = 'generic', version, uses, max_uses, reserved_by IS NULL," \
	" valid_from, valid_until FROM loyalty.coupon_code" \
	" WHERE code = $1 AND program_id = $2"

static Statement look_code = {
	SELECT_CODE,
	2, {TEXTOID, INT4OID}
};
static Statement lock_code = {
	SELECT_CODE " FOR NO KEY UPDATE",
	2, {TEXTOID, INT4OID}
};

/* The row that bound a code to the member. */
static Statement select_claim_of_code = {
	"SELECT j.journal_id, j.request_hash FROM loyalty.member_coupon m"
	" JOIN loyalty.journal j ON j.member_id = m.member_id"
	" AND j.journal_id = m.journal_id"
	" WHERE m.member_id = $1 AND m.code = $2 AND m.source = 'code'"
	" ORDER BY j.journal_id DESC LIMIT 1",
	2, {INT8OID, TEXTOID}
};

/*
 * What verbs of coupons share.
 */

bool
event_coupon_refuse(Call *call, CouponReason reason, const Coupon *coupon)
{
	if (coupon == NULL)
		return call_refuse(call, coupon_reason_refusal(reason),
						   "member_id=" INT64_FORMAT, call->member_id);
	return call_refuse(call, coupon_reason_refusal(reason), "coupon=%s",
					   coupon->name);
}

bool
event_coupon_name(Call *call, int arg)
{
	call->event = text_to_cstring(call_text(call, arg));
	return true;
}

bool
event_coupon_ref(Call *call, int arg, text **ref)
{
	*ref = call_text(call, arg);
	return call_check_text(call, *ref, REFUSAL_REF_INVALID, "ref");
}

JournalRow *
event_coupon_row(Call *call, int64 quantity)
{
	JournalRow *row = call_row(call, call->now);

	row->has_amount = true;
	row->amount = quantity;
	return row;
}

bool
event_coupon_held(Call *call, int arg, HeldCoupon *held)
{
	int64		coupon_no = DatumGetInt64(call->fcinfo->args[arg].value);

	return store_coupon_load(&call->decision, coupon_no, held) ||
		call_refuse(call, REFUSAL_COUPON_NOT_FOUND,
					"coupon_no=" INT64_FORMAT, coupon_no);
}

void
event_coupon_tell(Call *call, const char *code, const Coupon *coupon,
				  int64 coupon_no, int64 quantity, DateADT until)
{
	CouponNews	news = {
		.code = code,
		.coupon = coupon,
		.coupon_no = coupon_no,
		.quantity = quantity,
		.discount = -1,
		.until = until
	};

	store_coupon_tell(&call->decision, call->row, &news);
}

void
event_coupon_unissue(const Coupon *coupon, const char *source)
{
	if (strcmp(source, "transfer") != 0 && strcmp(source, "code") != 0 &&
		coupon->budgets[COUNTS_ISSUED] != 0)
		budget_return(coupon->budgets[COUNTS_ISSUED], 1);
}

/*
 * May it be issued?
 */

static bool
find_template(Call *call, const Coupon **coupon)
{
	*coupon = program_coupon(call->decision.program, call->event);
	return *coupon != NULL ||
		call_refuse(call, REFUSAL_UNKNOWN_COUPON, "coupon=%s", call->event);
}

/* early: also before its campaign has begun, or while that is paused. */
static bool
check_running(Call *call, const Coupon *coupon, bool early)
{
	const Campaign *campaign = coupon->campaign;

	if (!coupon->active)
		return event_coupon_refuse(call, COUPON_REASON_DISABLED, coupon);
	if (campaign == NULL)
		return true;
	if (!early && !campaign->live)
		return event_coupon_refuse(call, COUPON_REASON_CAMPAIGN_NOT_RUNNING,
								   coupon);
	if (!early && call->now < campaign->starts_at)
		return event_coupon_refuse(call, COUPON_REASON_NOT_STARTED, coupon);
	if (call->now >= campaign->ends_at)
		return event_coupon_refuse(call, COUPON_REASON_EXPIRED, coupon);
	return true;
}

/* May members come by it today, and this one once, or so often, more? */
static bool
check_claims(Call *call, const Coupon *coupon, int64 quantity)
{
	DateADT		today = call->decision.today;

	if (today < coupon->claim_from)
		return event_coupon_refuse(call, COUPON_REASON_NOT_STARTED, coupon);
	if (today > coupon->claim_until)
		return event_coupon_refuse(call, COUPON_REASON_EXPIRED, coupon);
	if (coupon->claims > 0 &&
		store_coupon_claims(&call->decision, coupon) + quantity >
		coupon->claims)
		return call_refuse(call, REFUSAL_LIMIT_MEMBER,
						   "coupon=%s claims=%d", coupon->name,
						   coupon->claims);
	return true;
}

static bool
find_dates(Call *call, CouponIssue *issue)
{
	return store_coupon_dates(issue->coupon, call->decision.today,
							  &issue->valid_from, &issue->valid_until) ||
		event_coupon_refuse(call, COUPON_REASON_EXPIRED, issue->coupon);
}

static bool
read_quantity(Call *call, int arg, int64 *quantity)
{
	if (!call_amount(call, arg, 0, quantity))
		return false;
	return *quantity <= MAX_QUANTITY ||
		call_refuse(call, REFUSAL_AMOUNT_TOO_LARGE,
					"quantity=" INT64_FORMAT " at_most=%d", *quantity,
					MAX_QUANTITY);
}

/* Takes so many from what may be issued in all: the last thing to fail. */
static bool
take_issued(Call *call, const Coupon *coupon, int64 quantity)
{
	int32		budget_id = coupon->budgets[COUNTS_ISSUED];
	int64		got;

	if (budget_id == 0)
		return true;
	got = call->mode == MODE_DRY ?
		budget_look(budget_id, quantity, true, false) :
		budget_take(budget_id, quantity, true);
	return got == quantity ||
		event_coupon_refuse(call, COUPON_REASON_LIMIT_CAMPAIGN, coupon);
}

/* Issues so many, and tells of each. */
static void
issue(Call *call, const CouponIssue *what, int64 quantity)
{
	for (int64 i = 0; i < quantity; i++)
	{
		int64		coupon_no = call->mode == MODE_DRY ? 0 :
			store_coupon_issue(&call->decision, call->row, what);

		event_coupon_tell(call, "coupon_issued", what->coupon, coupon_no, 0,
						  what->valid_until);
	}
}

static CouponIssue
issue_of(const Coupon *coupon, const char *source)
{
	CouponIssue issue = {
		.coupon = coupon,
		.source = source,
		.max_uses = coupon->max_uses
	};

	return issue;
}

/*
 * The verbs.
 */

Datum
loyalty_coupon_claim(PG_FUNCTION_ARGS)
{
	Call		call;
	const Coupon *coupon;

	if (call_begin(&call, fcinfo, &claim_verb) &&
		event_coupon_name(&call, CLAIM_COUPON) &&
		call_open(&call) &&
		find_template(&call, &coupon))
	{
		CouponIssue what = issue_of(coupon, "claim");

		if (!coupon->claimable)
			call_refuse(&call, REFUSAL_NOT_CLAIMABLE, "coupon=%s",
						coupon->name);
		else if (check_running(&call, coupon, false) &&
				 check_claims(&call, coupon, 1) &&
				 find_dates(&call, &what) &&
				 take_issued(&call, coupon, 1))
		{
			event_coupon_row(&call, 1);
			issue(&call, &what, 1);
		}
	}
	return call_close(&call);
}

/* Was the code bound to the member by this request? */
static bool
claim_code_replays(Call *call)
{
	char	   *code = coupon_code_canonical(call_text(call, CLAIM_CODE_CODE));
	NullableDatum args[2];

	if (code == NULL || call->key != NULL)
		return false;
	args[0] = ARG(Int64GetDatum(call->member_id));
	args[1] = ARG(CStringGetTextDatum(code));
	if (statement_run(&select_claim_of_code, args, false) == 0)
		return false;
	{
		bool		isnull;
		Datum		hash = statement_value(0, 2, &isnull);

		if (isnull || !call_is_request(call, DatumGetByteaPP(hash)))
			return false;
	}
	call->replay = journal_read(call->member_id,
								DatumGetInt64(statement_notnull(0, 1)));
	return true;
}

/*
 * Locks a code, unless the mode is dry, and finds out what it would be good
 * for if it were the member's: only one that nobody has, and has used.
 */
static bool
find_code(Call *call, CouponIssue *issue)
{
	const text *given = call_text(call, CLAIM_CODE_CODE);
	char	   *code = coupon_code_canonical(given);
	NullableDatum args[2];
	Candidate	candidate;

	if (code != NULL && call->mode != MODE_DRY)
	{
		args[0] = ARG(CStringGetTextDatum(code));
		args[1] = ARG(Int32GetDatum(call->decision.program->program_id));
		statement_run(&lock_code, args, false);
	}
	store_coupon_find(&call->decision, given, NULL, false, &candidate);
	if (candidate.state != COUPON_APPLICABLE &&
		candidate.state != COUPON_REASON_NOT_STARTED)
		return event_coupon_refuse(call, candidate.state, candidate.coupon);
	if (candidate.coupon_no != 0)
		return call_refuse(call, REFUSAL_NOT_CLAIMABLE,
						   "coupon=%s is the member's already",
						   candidate.coupon->name);
	args[0] = ARG(CStringGetTextDatum(candidate.code));
	args[1] = ARG(Int32GetDatum(call->decision.program->program_id));
	statement_run(call->mode == MODE_DRY ? &look_code : &lock_code, args,
				  false);
	issue->max_uses = statement_int32_or(0, 4, 0);
	if (DatumGetBool(statement_notnull(0, 1)) ||
		(DatumGetInt32(statement_notnull(0, 3)) > 0 &&
		 DatumGetBool(statement_notnull(0, 5))))
		return call_refuse(call, REFUSAL_NOT_CLAIMABLE,
						   "coupon=%s is for many uses",
						   candidate.coupon->name);
	issue->coupon = candidate.coupon;
	issue->code = candidate.code;
	if (!find_dates(call, issue))
		return false;
	/* the code's own dates, if it has any, are those of the coupon */
	issue->valid_from = Max(issue->valid_from, candidate.valid_from);
	issue->valid_until = Min(issue->valid_until, candidate.valid_until);
	return true;
}

Datum
loyalty_coupon_claim_code(PG_FUNCTION_ARGS)
{
	Call		call;
	CouponIssue what = {.source = "code"};

	if (call_begin(&call, fcinfo, &claim_code_verb) &&
		call_open(&call) &&
		find_code(&call, &what))
	{
		int64		coupon_no = 0;

		event_coupon_row(&call, 1);
		if (call.mode != MODE_DRY)
		{
			coupon_no = store_coupon_issue(&call.decision, call.row, &what);
			store_coupon_own_code(call.decision.program, what.code,
								  call.member_id, coupon_no);
		}
		event_coupon_tell(&call, "coupon_issued", what.coupon, coupon_no, 0,
						  what.valid_until);
	}
	return call_close(&call);
}

/* Takes a date that was given in place of the template's. */
static bool
given_date(Call *call, int arg, DateADT *date)
{
	if (!call_has(call, arg))
		return true;
	*date = DatumGetDateADT(call->fcinfo->args[arg].value);
	return (*date >= WALLET_FIRST_DATE && *date <= WALLET_LAST_DATE) ||
		call_refuse(call, REFUSAL_TIME_NOT_FINITE,
					"valid_from and valid_until must lie between the years "
					"1 and 9999");
}

static bool
issue_dates(Call *call, CouponIssue *what)
{
	/* days count from a first day that was given */
	DateADT		from = call->decision.today;
	bool		running;

	if (!given_date(call, ISSUE_VALID_FROM, &from))
		return false;
	running = store_coupon_dates(what->coupon, from, &what->valid_from,
								 &what->valid_until);
	if (call_has(call, ISSUE_VALID_FROM))
		what->valid_from = from;
	if (!call_has(call, ISSUE_VALID_UNTIL) && !running)
		return event_coupon_refuse(call, COUPON_REASON_EXPIRED, what->coupon);
	if (!given_date(call, ISSUE_VALID_UNTIL, &what->valid_until))
		return false;
	if (what->valid_until < call->decision.today)
		return call_refuse(call, REFUSAL_EXPIRY_IN_PAST,
						   "valid_until lies before today");
	return what->valid_from <= what->valid_until ||
		call_refuse(call, REFUSAL_PERIOD_INVERTED,
					"valid_until lies before valid_from");
}

Datum
loyalty_coupon_issue(PG_FUNCTION_ARGS)
{
	Call		call;
	const Coupon *coupon;
	int64		quantity;

	if (call_begin(&call, fcinfo, &issue_verb) &&
		event_coupon_name(&call, ISSUE_COUPON) &&
		call_open(&call) &&
		find_template(&call, &coupon) &&
		read_quantity(&call, ISSUE_QUANTITY, &quantity) &&
		check_running(&call, coupon, true))
	{
		CouponIssue what = issue_of(coupon, "issue");

		if (issue_dates(&call, &what) &&
			take_issued(&call, coupon, quantity))
		{
			event_coupon_row(&call, quantity);
			issue(&call, &what, quantity);
		}
	}
	return call_close(&call);
}

/* A template of a pack, and how many of it. */
typedef struct PackPart
{
	CouponIssue issue;
	int64		quantity;
} PackPart;

static PackPart *
load_pack(Call *call, int *nparts)
{
	const Program *program = call->decision.program;
	NullableDatum args[] = {
		ARG(Int32GetDatum(program->program_id)),
		ARG(CStringGetTextDatum(call->event))
	};
	int			n = statement_run(&select_pack, args, false);
	int32	   *ids = palloc(sizeof(int32) * Max(n, 1));
	PackPart   *parts = palloc0(sizeof(PackPart) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		ids[i] = DatumGetInt32(statement_notnull(i, 1));
		parts[i].quantity = DatumGetInt32(statement_notnull(i, 2));
	}
	for (int i = 0; i < n; i++)
	{
		const Coupon *coupon = store_coupon_version(program, ids[i], 0);

		if (coupon == NULL)
			elog(ERROR, "coupon %d of a pack was not found", ids[i]);
		parts[i].issue = issue_of(coupon, "pack");
	}
	*nparts = n;
	return parts;
}

static int
compare_parts(const void *a, const void *b)
{
	const PackPart *one = a;
	const PackPart *other = b;
	int32		budget = one->issue.coupon->budgets[COUNTS_ISSUED];
	int32		other_budget = other->issue.coupon->budgets[COUNTS_ISSUED];

	if (budget != other_budget)
		return budget < other_budget ? -1 : 1;
	return one->issue.coupon->coupon_id < other->issue.coupon->coupon_id ?
		-1 : 1;
}

/* All of the pack, or nothing: slots are locked ascending by budget. */
static bool
take_pack(Call *call, PackPart *parts, int nparts)
{
	if (nparts == 0)
		return call_refuse(call, REFUSAL_UNKNOWN_PACK, "pack=%s",
						   call->event);
	for (int i = 0; i < nparts; i++)
		if (!check_running(call, parts[i].issue.coupon, true) ||
			!find_dates(call, &parts[i].issue))
			return false;
	qsort(parts, nparts, sizeof(PackPart), compare_parts);
	for (int i = 0; i < nparts; i++)
		if (!take_issued(call, parts[i].issue.coupon, parts[i].quantity))
			return false;
	return true;
}

/* What take_pack() does, as statement_attempt() wants it. */
typedef struct PackAttempt
{
	Call	   *call;
	PackPart   *parts;
	int			nparts;
} PackAttempt;

static bool
attempt_pack(void *argument)
{
	PackAttempt *attempt = argument;

	return take_pack(attempt->call, attempt->parts, attempt->nparts);
}

Datum
loyalty_coupon_issue_pack(PG_FUNCTION_ARGS)
{
	Call		call;
	PackAttempt attempt = {.call = &call};

	if (call_begin(&call, fcinfo, &pack_verb) &&
		event_coupon_name(&call, PACK_PACK) &&
		call_open(&call))
	{
		bool		taken;
		int64		quantity = 0;

		attempt.parts = load_pack(&call, &attempt.nparts);
		/* what was taken before a refusal has to go back */
		taken = call.mode == MODE_TRY ?
			statement_attempt(attempt_pack, &attempt) :
			attempt_pack(&attempt);
		for (int i = 0; i < attempt.nparts; i++)
			quantity += attempt.parts[i].quantity;
		if (taken)
			event_coupon_row(&call, quantity);
		for (int i = 0; taken && i < attempt.nparts; i++)
			issue(&call, &attempt.parts[i].issue, attempt.parts[i].quantity);
	}
	return call_close(&call);
}

/* Pays for coupons with the unit of their price. */
static bool
check_price(Call *call, const Coupon *coupon, int64 quantity,
			const Unit **unit)
{
	if (coupon->price == 0)
		return call_refuse(call, REFUSAL_NOT_FOR_SALE, "coupon=%s",
						   coupon->name);
	*unit = program_unit_by_id(call->decision.program, coupon->price_unit_id);
	return call_card_open(call, &call->decision, *unit) &&
		call_available(call, *unit, coupon->price * quantity);
}

static void
buy(Call *call, const CouponIssue *what, const Unit *unit, int64 quantity)
{
	JournalRow *row = event_coupon_row(call, what->coupon->price * quantity);
	LotList		taken;

	row->unit_id = unit->unit_id;
	decide_spend(&call->decision, row, unit, row->amount, &taken);
	issue(call, what, quantity);
}

Datum
loyalty_coupon_buy(PG_FUNCTION_ARGS)
{
	Call		call;
	const Coupon *coupon;
	const Unit *unit = NULL;
	int64		quantity;

	if (call_begin(&call, fcinfo, &buy_verb) &&
		event_coupon_name(&call, BUY_COUPON) &&
		call_open(&call) &&
		find_template(&call, &coupon) &&
		read_quantity(&call, BUY_QUANTITY, &quantity) &&
		check_running(&call, coupon, false) &&
		check_claims(&call, coupon, quantity) &&
		check_price(&call, coupon, quantity, &unit))
	{
		CouponIssue what = issue_of(coupon, "buy");

		if (find_dates(&call, &what) &&
			take_issued(&call, coupon, quantity))
			buy(&call, &what, unit, quantity);
	}
	return call_close(&call);
}
