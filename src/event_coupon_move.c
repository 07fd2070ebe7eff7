/*
 * event_coupon_move.c
 *
 * Coupons leave their members: they are given to another one, or made void.
 */
#include "event_coupon.h"

#include "utils/builtins.h"

#include "event.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_coupon_transfer);
PG_FUNCTION_INFO_V1(loyalty_coupon_void);

enum transfer_arg
{
	TRANSFER_MEMBER_ID,
	TRANSFER_TO_MEMBER_ID,
	TRANSFER_COUPON_NO,
	TRANSFER_REF,
	TRANSFER_AT,
	TRANSFER_KEY,
	TRANSFER_MODE,
	TRANSFER_NARGS
};

static const Verb transfer_verb = {
	"coupon_transfer", "coupon_transfer", NULL, FOR_ACTIVE, true,
	TRANSFER_NARGS, {
		[TRANSFER_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[TRANSFER_TO_MEMBER_ID] = {"to_member_id", ARG_ID, true},
		[TRANSFER_COUPON_NO] = {"coupon_no", ARG_ID, true},
		[TRANSFER_REF] = {"ref", ARG_REF},
		[TRANSFER_AT] = {"at", ARG_AT},
		[TRANSFER_KEY] = {"key", ARG_KEY},
		[TRANSFER_MODE] = {"mode", ARG_MODE, true}
	}
};

enum void_arg
{
	VOID_MEMBER_ID,
	VOID_COUPON_NO,
	VOID_REASON,
	VOID_AT,
	VOID_KEY,
	VOID_MODE,
	VOID_NARGS
};

static bool void_replays(Call *call);

static const Verb void_verb = {
	"coupon_void", "coupon_void", NULL, FOR_OPEN, false, VOID_NARGS, {
		[VOID_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[VOID_COUPON_NO] = {"coupon_no", ARG_ID, true},
		[VOID_REASON] = {"reason", ARG_TEXT},
		[VOID_AT] = {"at", ARG_AT},
		[VOID_KEY] = {"key", ARG_KEY},
		[VOID_MODE] = {"mode", ARG_MODE, true}
	}, void_replays
};

static Statement select_voiding = {
	"SELECT j.journal_id, j.request_hash FROM loyalty.member_coupon m"
	" JOIN loyalty.journal j ON j.member_id = m.member_id"
	" AND j.journal_id = m.ended_by AND j.kind = 'coupon_void'"
	" WHERE m.member_id = $1 AND m.coupon_no = $2",
	2, {INT8OID, INT8OID}
};

/* What was paid for the coupons of a call, in the order of spending. */
static Statement select_paid = {
	"SELECT unit_id, vests_on, expires_on, origin, -amount"
	" FROM loyalty.entry WHERE member_id = $1 AND journal_id = $2"
	" AND amount < 0 ORDER BY line",
	2, {INT8OID, INT8OID}
};

static Statement count_bought = {
	"SELECT count(*), count(*) FILTER (WHERE status = 'void')"
	" FROM loyalty.member_coupon WHERE member_id = $1 AND journal_id = $2",
	2, {INT8OID, INT8OID}
};

static bool
check_movable(Call *call, const HeldCoupon *held)
{
	CouponReason reason = store_coupon_movable(&call->decision, held);

	return reason == COUPON_APPLICABLE ||
		event_coupon_refuse(call, reason, held->coupon);
}

/*
 * Giving away
 */

static bool
check_transferable(Call *call, const HeldCoupon *held)
{
	if (!held->coupon->active)
		return event_coupon_refuse(call, COUPON_REASON_DISABLED,
								   held->coupon);
	return held->coupon->transferable ||
		call_refuse(call, REFUSAL_NOT_TRANSFERABLE, "coupon=%s",
					held->coupon->name);
}

/* The receiver's half: the same coupon, with its terms, dates and code. */
static void
receive(Call *call, Receiver *receiver, const HeldCoupon *held)
{
	JournalRow *row = decide_row(&receiver->decision, "coupon_receive",
								 call->now);
	CouponIssue issue = {
		.coupon = held->coupon,
		.source = "transfer",
		.valid_from = held->valid_from,
		.valid_until = held->valid_until,
		.max_uses = held->max_uses,
		.code = held->code,
		.other_member_id = call->member_id
	};
	CouponNews	news = {
		.code = "coupon_received",
		.coupon = held->coupon,
		.discount = -1,
		.until = held->valid_until
	};

	row->event = held->coupon->name;
	if (call->mode != MODE_DRY)
		news.coupon_no = store_coupon_issue(&receiver->decision, row, &issue);
	if (held->code != NULL && call->mode != MODE_DRY)
		store_coupon_own_code(call->decision.program, held->code,
							  receiver->member_id, news.coupon_no);
	store_coupon_tell(&call->decision, row, &news);
	event_receive(call, receiver, row);
}

Datum
loyalty_coupon_transfer(PG_FUNCTION_ARGS)
{
	Call		call;
	Receiver	receiver;
	HeldCoupon	held;

	if (call_begin(&call, fcinfo, &transfer_verb) &&
		event_open_both(&call, TRANSFER_TO_MEMBER_ID, &receiver) &&
		event_coupon_held(&call, TRANSFER_COUPON_NO, &held) &&
		check_movable(&call, &held) &&
		check_transferable(&call, &held))
	{
		event_coupon_row(&call, 1)->other_member_id = receiver.member_id;
		event_coupon_tell(&call, "coupon_given", held.coupon, held.coupon_no,
						  0, held.valid_until);
		if (call.mode != MODE_DRY)
			store_coupon_end(&call.decision, call.row, &held,
							 receiver.member_id);
		receive(&call, &receiver, &held);
	}
	return call_close(&call);
}

/*
 * Making void
 */

/* The same request made the coupon void already. */
static bool
void_replays(Call *call)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		call->fcinfo->args[VOID_COUPON_NO]
	};
	bool		isnull;
	Datum		hash;

	if (call->key != NULL || statement_run(&select_voiding, args, false) == 0)
		return false;
	hash = statement_value(0, 2, &isnull);
	if (isnull || !call_is_request(call, DatumGetByteaPP(hash)))
		return false;
	call->replay = journal_read(call->member_id,
								DatumGetInt64(statement_notnull(0, 1)));
	return true;
}

/*
 * The lots that paid for one coupon: of those that were bought together the
 * first that are made void get the first lots.
 */
static void
find_paid(const Call *call, const HeldCoupon *held, LotList *paid)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(Int64GetDatum(held->journal_id))
	};
	int64		bought;
	int64		gone;
	int64		total = 0;
	int64		skip;
	int64		left;
	int			n;

	statement_run(&count_bought, args, false);
	bought = DatumGetInt64(statement_notnull(0, 1));
	gone = DatumGetInt64(statement_notnull(0, 2));
	n = statement_run(&select_paid, args, false);
	for (int i = 0; i < n; i++)
		total += DatumGetInt64(statement_notnull(i, 5));
	left = total / bought;
	skip = left * gone;
	wallet_init(paid);
	for (int i = 0; i < n && left > 0; i++)
	{
		Lot			lot = {0};
		int64		amount = DatumGetInt64(statement_notnull(i, 5));
		int64		skipped = Min(skip, amount);

		skip -= skipped;
		lot.unit_id = DatumGetInt32(statement_notnull(i, 1));
		lot.vests_on = statement_date_or(i, 2, DATEVAL_NOBEGIN);
		lot.expires_on = statement_date_or(i, 3, DATEVAL_NOEND);
		if (!origin_from_letter(DatumGetChar(statement_notnull(i, 4)),
								&lot.origin))
			elog(ERROR, "unknown origin of a lot");
		lot.amount = Min(amount - skipped, left);
		left -= lot.amount;
		if (lot.amount > 0)
			wallet_post(paid, &lot);
	}
}

static void
make_void(Call *call, const HeldCoupon *held)
{
	JournalRow *row;
	LotList		paid;

	wallet_init(&paid);
	if (strcmp(held->source, "buy") == 0)
		find_paid(call, held, &paid);
	call->event = held->coupon->name;
	row = event_coupon_row(call, 1);
	row->reason = call_text(call, VOID_REASON);
	if (paid.n > 0)
	{
		row->unit_id = paid.lots[0].unit_id;
		row->amount = 0;
		for (int i = 0; i < paid.n; i++)
			row->amount += paid.lots[i].amount;
	}
	store_load_cards_of(&call->decision, &paid, false);
	decide_give_back(&call->decision, row, &paid, call->decision.today);
	event_coupon_tell(call, "coupon_void", held->coupon, held->coupon_no, 0,
					  DATEVAL_NOEND);
	if (call->mode == MODE_DRY)
		return;
	store_coupon_end(&call->decision, row, held, 0);
	event_coupon_unissue(held->coupon, held->source);
}

Datum
loyalty_coupon_void(PG_FUNCTION_ARGS)
{
	Call		call;
	HeldCoupon	held;

	if (call_begin(&call, fcinfo, &void_verb) &&
		call_open(&call) &&
		event_coupon_held(&call, VOID_COUPON_NO, &held) &&
		check_movable(&call, &held) &&
		call_reason(&call, VOID_REASON, true))
		make_void(&call, &held);
	return call_close(&call);
}
