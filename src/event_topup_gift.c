/*
 * event_topup_gift.c
 *
 * Coupons that come as a gift with a top-up, and go with its refund.  The
 * payment has been made, so what cannot be issued any more is told, and
 * refuses nothing.
 */
#include "event_topup.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "event_coupon.h"
#include "statement.h"
#include "store_coupon.h"

/* A template of the pack, and how many of it. */
typedef struct Gift
{
	CouponIssue issue;
	int64		quantity;
} Gift;

typedef struct Pack
{
	bool		dry;
	int			ngifts;
	Gift	   *gifts;
} Pack;

static Statement select_pack = {
	"SELECT coupon_id, quantity FROM loyalty.coupon_pack"
	" WHERE program_id = $1 AND name = $2 ORDER BY coupon_id",
	2, {INT4OID, TEXTOID}
};

static Statement select_given = {
	"SELECT coupon_no FROM loyalty.member_coupon WHERE member_id = $1"
	" AND journal_id = $2 AND status = 'issued' ORDER BY coupon_no",
	2, {INT8OID, INT8OID}
};

/* Is it running, or to come? */
static bool
is_open(const Decision *decision, const Coupon *coupon)
{
	return coupon != NULL && coupon->active &&
		(coupon->campaign == NULL ||
		 decision->now < coupon->campaign->ends_at);
}

static int
compare_gifts(const void *a, const void *b)
{
	const Coupon *one = ((const Gift *) a)->issue.coupon;
	const Coupon *other = ((const Gift *) b)->issue.coupon;
	int32		budget = one->budgets[COUNTS_ISSUED];
	int32		other_budget = other->budgets[COUNTS_ISSUED];

	if (budget != other_budget)
		return budget < other_budget ? -1 : 1;
	return one->coupon_id < other->coupon_id ? -1 : 1;
}

/* Loads the pack, by budget; false if not all of it can be issued today. */
static bool
load_pack(const TopupCall *topups, Pack *pack)
{
	const Decision *decision = &topups->call.decision;
	NullableDatum args[] = {
		ARG(Int32GetDatum(decision->program->program_id)),
		ARG(CStringGetTextDatum(topups->topup->pack))
	};
	int			n = statement_run(&select_pack, args, false);
	int32	   *ids = palloc(sizeof(int32) * Max(n, 1));

	pack->gifts = palloc0(sizeof(Gift) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		ids[i] = DatumGetInt32(statement_notnull(i, 1));
		pack->gifts[i].quantity = DatumGetInt32(statement_notnull(i, 2));
	}
	pack->ngifts = n;
	for (int i = 0; i < n; i++)
	{
		CouponIssue *issue = &pack->gifts[i].issue;

		issue->coupon = store_coupon_version(decision->program, ids[i], 0);
		if (!is_open(decision, issue->coupon) ||
			!store_coupon_dates(issue->coupon, decision->today,
								&issue->valid_from, &issue->valid_until))
			return false;
		issue->source = "pack";
		issue->max_uses = issue->coupon->max_uses;
	}
	qsort(pack->gifts, n, sizeof(Gift), compare_gifts);
	return n > 0;
}

/*
 * Takes all of it from what may be issued, slots ascending by budget; false
 * if there is not enough, and what was taken is to be undone.
 */
static bool
take_pack(void *argument)
{
	const Pack *pack = argument;

	for (int i = 0; i < pack->ngifts; i++)
	{
		const Gift *gift = &pack->gifts[i];
		int32		budget_id = gift->issue.coupon->budgets[COUNTS_ISSUED];
		int64		got;

		if (budget_id == 0)
			continue;
		got = pack->dry ?
			budget_look(budget_id, gift->quantity, true, false) :
			budget_take(budget_id, gift->quantity, true);
		if (got < gift->quantity)
			return false;
	}
	return true;
}

static void
tell(const Decision *decision, JournalRow *row, const char *code,
	 const Coupon *coupon, int64 coupon_no, DateADT until)
{
	CouponNews	news = {
		.code = code,
		.coupon = coupon,
		.coupon_no = coupon_no,
		.discount = -1,
		.until = until
	};

	store_coupon_tell(decision, row, &news);
}

/* Issues the pack of the top-up, all of it or nothing. */
void
event_topup_give_pack(TopupCall *topups, JournalRow *row)
{
	Decision   *decision = &topups->call.decision;
	Pack		pack = {.dry = topups->call.mode == MODE_DRY};
	StringInfo	message;

	if (load_pack(topups, &pack) &&
		(pack.dry ? take_pack(&pack) : statement_attempt(take_pack, &pack)))
	{
		for (int i = 0; i < pack.ngifts; i++)
			for (int n = 0; n < pack.gifts[i].quantity; n++)
			{
				const CouponIssue *issue = &pack.gifts[i].issue;

				tell(decision, row, "coupon_issued", issue->coupon,
					 pack.dry ? 0 : store_coupon_issue(decision, row, issue),
					 issue->valid_until);
			}
		return;
	}
	message = journal_row_begin_message(row, "pack_not_issued");
	appendStringInfoString(message, ",\"pack\":");
	escape_json(message, topups->topup->pack);
	appendStringInfoChar(message, '}');
}

/* Makes the coupons of the pack void that were not used. */
void
event_topup_take_pack(TopupCall *topups, JournalRow *row)
{
	Decision   *decision = &topups->call.decision;
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id)),
		ARG(Int64GetDatum(topups->topup->done_by))
	};
	int			n = statement_run(&select_given, args, false);
	int64	   *numbers = palloc(sizeof(int64) * Max(n, 1));

	for (int i = 0; i < n; i++)
		numbers[i] = DatumGetInt64(statement_notnull(i, 1));
	for (int i = 0; i < n; i++)
	{
		HeldCoupon	held;

		if (!store_coupon_load(decision, numbers[i], &held) ||
			store_coupon_movable(decision, &held) != COUPON_APPLICABLE)
			continue;
		tell(decision, row, "coupon_void", held.coupon, held.coupon_no,
			 DATEVAL_NOEND);
		if (topups->call.mode == MODE_DRY)
			continue;
		store_coupon_end(decision, row, &held, 0);
		event_coupon_unissue(held.coupon, held.source);
	}
}
