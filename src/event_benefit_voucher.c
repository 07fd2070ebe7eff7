/*
 * event_benefit_voucher.c
 *
 * Services are issued as vouchers, gifts are claimed, and a voucher that was
 * not used can be made void.
 */
#include "event_benefit.h"

#include "utils/builtins.h"
#include "utils/datetime.h"

#include "statement.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_benefit_issue);
PG_FUNCTION_INFO_V1(loyalty_benefit_claim);
PG_FUNCTION_INFO_V1(loyalty_benefit_void);

enum issue_arg
{
	ISSUE_MEMBER_ID,
	ISSUE_BENEFIT,
	ISSUE_REASON,
	ISSUE_VALID_UNTIL,
	ISSUE_REF,
	ISSUE_AT,
	ISSUE_KEY,
	ISSUE_MODE,
	ISSUE_NARGS
};

static const Verb issue_verb = {
	"benefit_issue", "benefit_issue", NULL, FOR_OPEN, true, ISSUE_NARGS, {
		[ISSUE_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[ISSUE_BENEFIT] = {"benefit", ARG_TEXT, true},
		[ISSUE_REASON] = {"reason", ARG_TEXT},
		[ISSUE_VALID_UNTIL] = {"valid_until", ARG_DATE},
		[ISSUE_REF] = {"ref", ARG_REF},
		[ISSUE_AT] = {"at", ARG_AT},
		[ISSUE_KEY] = {"key", ARG_KEY},
		[ISSUE_MODE] = {"mode", ARG_MODE, true}
	}
};

enum claim_arg
{
	CLAIM_MEMBER_ID,
	CLAIM_BENEFIT,
	CLAIM_AT,
	CLAIM_KEY,
	CLAIM_MODE,
	CLAIM_NARGS
};

static const Verb claim_verb = {
	"benefit_claim", "benefit_claim", NULL, FOR_ACTIVE, false, CLAIM_NARGS, {
		[CLAIM_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[CLAIM_BENEFIT] = {"benefit", ARG_TEXT, true},
		[CLAIM_AT] = {"at", ARG_AT},
		[CLAIM_KEY] = {"key", ARG_KEY},
		[CLAIM_MODE] = {"mode", ARG_MODE, true}
	}
};

enum void_arg
{
	VOID_MEMBER_ID,
	VOID_VOUCHER_ID,
	VOID_REASON,
	VOID_AT,
	VOID_KEY,
	VOID_MODE,
	VOID_NARGS
};

static bool void_replays(Call *call);

static const Verb void_verb = {
	"benefit_void", "benefit_void", NULL, FOR_OPEN, false, VOID_NARGS, {
		[VOID_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[VOID_VOUCHER_ID] = {"voucher_id", ARG_ID, true},
		[VOID_REASON] = {"reason", ARG_TEXT},
		[VOID_AT] = {"at", ARG_AT},
		[VOID_KEY] = {"key", ARG_KEY},
		[VOID_MODE] = {"mode", ARG_MODE, true}
	}, void_replays
};

static Statement select_last_gift = {
	"SELECT max(issued_on) FROM loyalty.voucher"
	" WHERE member_id = $1 AND benefit_id = $2 AND status <> 'void'",
	2, {INT8OID, INT4OID}
};

static Statement select_voucher = {
	"SELECT v.benefit_id, v.status, j.journal_id, j.request_hash"
	" FROM loyalty.voucher v"
	" LEFT JOIN loyalty.journal j ON j.member_id = v.member_id"
	" AND j.journal_id = v.journal_id AND j.kind = 'benefit_void'"
	" WHERE v.member_id = $1 AND v.voucher_id = $2",
	2, {INT8OID, INT8OID}
};

/* The last day of use that was asked for, or that of the benefit. */
static bool
find_end(Call *call, const Benefit *benefit, DateADT *valid_until)
{
	*valid_until = decide_voucher_end(&call->decision, benefit);
	if (!call_has(call, ISSUE_VALID_UNTIL))
		return true;
	*valid_until =
		DatumGetDateADT(call->fcinfo->args[ISSUE_VALID_UNTIL].value);
	if (*valid_until < call->decision.today)
		return call_refuse(call, REFUSAL_EXPIRY_IN_PAST,
						   "valid_until lies before today");
	if (*valid_until > WALLET_LAST_DATE)
		return call_refuse(call, REFUSAL_TIME_NOT_FINITE,
						   "valid_until lies after the year 9999");
	return true;
}

static bool
is_issued(Call *call, const Benefit *benefit)
{
	return benefit->kind == BENEFIT_VOUCHER ||
		event_benefit_mismatch(call, benefit);
}

static void
issue(Call *call, const Benefit *benefit, DateADT valid_until)
{
	decide_voucher_issue(&call->decision, event_benefit_row(call, 1), benefit,
						 valid_until,
						 store_voucher_id(call->mode == MODE_DRY));
}

Datum
loyalty_benefit_issue(PG_FUNCTION_ARGS)
{
	Call		call;
	const Benefit *benefit;
	Entitlement entitlement;
	DateADT		valid_until;

	if (call_begin(&call, fcinfo, &issue_verb) &&
		event_benefit_name(&call, ISSUE_BENEFIT) &&
		call_open(&call) &&
		event_benefit_find(&call, &benefit) &&
		is_issued(&call, benefit) &&
		call_reason(&call, ISSUE_REASON, true) &&
		event_benefit_entitled(&call, benefit, &entitlement) &&
		find_end(&call, benefit, &valid_until))
	{
		issue(&call, benefit, valid_until);
		call.row->reason = call_text(&call, ISSUE_REASON);
	}
	return call_close(&call);
}

/*
 * Once a year; and however the birthday has changed, not before so many days
 * have gone by.
 */
static bool
is_next_gift(Call *call, const Benefit *benefit)
{
	DateADT		today = call->decision.today;
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(Int32GetDatum(benefit->benefit_id))
	};
	DateADT		last;

	statement_run(&select_last_gift, args, false);
	last = statement_date_or(0, 1, DATEVAL_NOBEGIN);
	if (last == DATEVAL_NOBEGIN ||
		(date_year(last) != date_year(today) && today - last >= benefit->gap_days))
		return true;
	return call_refuse(call, REFUSAL_ALREADY_GIVEN, "benefit=%s given_on=%s",
					   benefit->name,
					   date_text(last));
}

static bool
is_gift(Call *call, const Benefit *benefit)
{
	return benefit->kind == BENEFIT_GIFT ||
		event_benefit_mismatch(call, benefit);
}

Datum
loyalty_benefit_claim(PG_FUNCTION_ARGS)
{
	Call		call;
	const Benefit *benefit;
	Entitlement entitlement;

	if (call_begin(&call, fcinfo, &claim_verb) &&
		event_benefit_name(&call, CLAIM_BENEFIT) &&
		call_open(&call) &&
		event_benefit_find(&call, &benefit) &&
		is_gift(&call, benefit) &&
		event_benefit_entitled(&call, benefit, &entitlement) &&
		event_benefit_open(&call, benefit) &&
		is_next_gift(&call, benefit))
		issue(&call, benefit, decide_voucher_end(&call.decision, benefit));
	return call_close(&call);
}

static uint64
run_select_voucher(const Call *call)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		call->fcinfo->args[VOID_VOUCHER_ID]
	};

	return statement_run(&select_voucher, args, false);
}

/* The same request made the voucher void already. */
static bool
void_replays(Call *call)
{
	bool		isnull;
	Datum		hash;

	if (call->key != NULL || run_select_voucher(call) == 0)
		return false;
	hash = statement_value(0, 4, &isnull);
	if (isnull || !call_is_request(call, DatumGetByteaPP(hash)))
		return false;
	call->replay = journal_read(call->member_id,
								DatumGetInt64(statement_notnull(0, 3)));
	return true;
}

/*
 * Finds the benefit of a voucher that was not used.  What a member has for
 * every n follows from his metric and is no one's to take.
 */
static bool
find_voucher(Call *call, const Benefit **benefit)
{
	int64		voucher_id =
		DatumGetInt64(call->fcinfo->args[VOID_VOUCHER_ID].value);
	bool		found = run_select_voucher(call) > 0;
	char	   *status = found ? statement_text(0, 2) : "unknown";

	if (strcmp(status, "issued") != 0)
		return call_refuse(call, REFUSAL_VOUCHER_NOT_FOUND,
						   "voucher=" INT64_FORMAT " status=%s", voucher_id,
						   status);
	*benefit = program_benefit_by_id(call->decision.program,
									 DatumGetInt32(statement_notnull(0, 1)));
	return (*benefit)->kind != BENEFIT_EVERY_N ||
		event_benefit_mismatch(call, *benefit);
}

static void
make_void(Call *call, const Benefit *benefit)
{
	Decision   *decision = &call->decision;
	int64		voucher_id =
		DatumGetInt64(call->fcinfo->args[VOID_VOUCHER_ID].value);

	call->event = benefit->name;
	store_vouchers(decision, benefit);
	for (int i = 0; i < decision->nvouchers; i++)
		if (decision->vouchers[i].voucher_id == voucher_id)
			decide_voucher_void(event_benefit_row(call, 1), benefit,
								&decision->vouchers[i]);
	if (call->row == NULL)
		elog(ERROR, "voucher " INT64_FORMAT " was not found", voucher_id);
	call->row->reason = call_text(call, VOID_REASON);
}

Datum
loyalty_benefit_void(PG_FUNCTION_ARGS)
{
	Call		call;
	const Benefit *benefit = NULL;

	if (call_begin(&call, fcinfo, &void_verb) &&
		call_open(&call) &&
		find_voucher(&call, &benefit) &&
		call_reason(&call, VOID_REASON, true))
		make_void(&call, benefit);
	return call_close(&call);
}
