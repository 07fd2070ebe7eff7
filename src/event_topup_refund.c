/*
 * event_topup_refund.c
 *
 * A top-up is paid out: no more than was paid for it, and no more than is
 * left of principal.  Its bonus goes with it.
 *
 * Of bonus that several top-ups have put into one lot, the oldest is spent
 * first; so what is left of each follows from what is left of the lot, and
 * two top-ups never mix.
 */
#include "event_topup.h"

#include "utils/builtins.h"

#include "amount.h"
#include "statement.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_topup_refund);

enum refund_arg
{
	REFUND_MEMBER_ID,
	REFUND_REF,
	REFUND_AMOUNT,
	REFUND_REFUND_REF,
	REFUND_AT,
	REFUND_KEY,
	REFUND_MODE,
	REFUND_NARGS
};

static const Verb refund_verb = {
	"topup_refund", "topup_refund", NULL, FOR_ANY, true, REFUND_NARGS, {
		[REFUND_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[REFUND_REF] = {"ref", ARG_TEXT, true},
		[REFUND_AMOUNT] = {"amount", ARG_NUMERIC},
		[REFUND_REFUND_REF] = {"refund_ref", ARG_REF},
		[REFUND_AT] = {"at", ARG_AT},
		[REFUND_KEY] = {"key", ARG_KEY},
		[REFUND_MODE] = {"mode", ARG_MODE, true}
	}
};

typedef struct Refund
{
	TopupCall	topups;			/* first: its callbacks get no more */
	LotList		given;			/* by the top-up, beside debt that it repaid */
	int64		bonus_left;		/* what is left of its own */
	int64		bonus_spent;	/* what of it was spent */
	int64		deducted;		/* for that, at the whole */
	int64		left;			/* what can be paid out */
	int64		amount;			/* what is paid out */
	bool		whole;			/* all of it */
} Refund;

/* What a top-up put on the card and elsewhere. */
static Statement select_given = {
	"SELECT unit_id, amount, vests_on, expires_on, origin"
	" FROM loyalty.entry WHERE member_id = $1 AND journal_id = $2"
	" AND origin <> 'd' ORDER BY line",
	2, {INT8OID, INT8OID}
};

/*
 * How much bonus of a lot newer top-ups brought, less what was taken back of
 * it; and how much of the lot has lapsed.
 */
static Statement select_newer = {
	"SELECT coalesce(sum(t.bonus - t.bonus_taken), 0)::bigint,"
	" (SELECT coalesce(-sum(e.amount), 0)::bigint FROM loyalty.entry e"
	" JOIN loyalty.journal j USING (member_id, journal_id)"
	" WHERE e.member_id = $1 AND e.unit_id = $2 AND e.origin = 'b'"
	" AND e.expires_on = $4 AND j.kind = 'expire')"
	" FROM loyalty.topup t"
	" WHERE t.member_id = $1 AND t.unit_id = $2 AND t.done_by > $3"
	" AND EXISTS (SELECT FROM loyalty.entry e WHERE e.member_id = $1"
	" AND e.journal_id = t.done_by AND e.unit_id = $2 AND e.origin = 'b'"
	" AND e.expires_on IS NOT DISTINCT FROM $4)",
	4, {INT8OID, INT4OID, INT8OID, DATEOID}
};

static Statement select_vouchers = {
	"SELECT voucher_id FROM loyalty.voucher WHERE member_id = $1"
	" AND issued_journal_id = $2 AND status = 'issued'",
	2, {INT8OID, INT8OID}
};

static void
load_given(Refund *refund)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(refund->topups.call.member_id)),
		ARG(Int64GetDatum(refund->topups.topup->done_by))
	};
	uint64		n = statement_run(&select_given, args, false);

	wallet_init(&refund->given);
	for (uint64 i = 0; i < n; i++)
	{
		Lot			lot = {0};

		lot.unit_id = DatumGetInt32(statement_notnull(i, 1));
		lot.amount = DatumGetInt64(statement_notnull(i, 2));
		lot.vests_on = statement_date_or(i, 3, DATEVAL_NOBEGIN);
		lot.expires_on = statement_date_or(i, 4, DATEVAL_NOEND);
		if (!origin_from_letter(DatumGetChar(statement_notnull(i, 5)),
								&lot.origin))
			elog(ERROR, "unknown origin of an entry");
		wallet_post(&refund->given, &lot);
	}
}

/* The lot of an origin that the top-up was posted to; NULL: none. */
static const Lot *
given_lot(const Refund *refund, LotOrigin origin)
{
	for (int i = 0; i < refund->given.n; i++)
	{
		const Lot  *lot = &refund->given.lots[i];

		if (lot->unit_id == refund->topups.unit->unit_id &&
			lot->origin == origin)
			return lot;
	}
	return NULL;
}

/* What of a lot has lapsed in this decision. */
static int64
lapsed_now(const Decision *decision, const Lot *key)
{
	int64		lapsed = 0;

	for (int i = 0; i < decision->nrows; i++)
	{
		const JournalRow *row = decision->rows[i];

		for (int n = 0; n < row->npostings; n++)
		{
			const Lot  *lot = &row->postings[n].lot;

			if (strcmp(row->kind, "expire") == 0 &&
				lot->unit_id == key->unit_id && lot->origin == key->origin &&
				lot->expires_on == key->expires_on)
				lapsed -= lot->amount;
		}
	}
	return lapsed;
}

/*
 * Of a lot of bonus that holds so much, what is the top-up's own: what newer
 * ones have not brought, and no more than it brought.
 */
static int64
own_of(const Topup *topup, int64 amount, int64 newer)
{
	return Min(Max(amount - newer, 0), topup->bonus - topup->bonus_taken);
}

/*
 * Works out what is left of the top-up's own bonus, and what of it was spent;
 * the rest has lapsed.
 */
static void
measure_bonus(Refund *refund)
{
	const Call *call = &refund->topups.call;
	const Topup *topup = refund->topups.topup;
	const Lot  *bonus = given_lot(refund, ORIGIN_BONUS);
	const Lot  *found;
	NullableDatum args[4];
	int64		held;
	int64		newer;
	int64		lapsed;

	/* what repaid a debt was spent in this way */
	refund->bonus_spent = topup->bonus - topup->bonus_taken;
	if (bonus == NULL)
		return;
	args[0] = ARG(Int64GetDatum(call->member_id));
	args[1] = ARG(Int32GetDatum(topup->unit_id));
	args[2] = ARG(Int64GetDatum(topup->done_by));
	args[3] = ARG_OR_NULL(DateADTGetDatum(bonus->expires_on),
						  bonus->expires_on != DATEVAL_NOEND);
	statement_run(&select_newer, args, false);
	newer = DatumGetInt64(statement_notnull(0, 1));
	lapsed = DatumGetInt64(statement_notnull(0, 2)) +
		lapsed_now(&call->decision, bonus);
	found = wallet_find(&call->account.wallet, bonus);
	held = found == NULL ? 0 : found->amount;
	refund->bonus_left = own_of(topup, held, newer);
	refund->bonus_spent -= own_of(topup, held + lapsed, newer);
}

/* Works out what can be paid out. */
static void
measure(Refund *refund)
{
	TopupCall  *topups = &refund->topups;
	const Topup *topup = topups->topup;
	int64		paid = topup->amount - topup->refunded - topup->deducted;
	int64		principal = decide_stored(&topups->call.decision,
										  topups->unit, true);

	load_given(refund);
	measure_bonus(refund);
	paid = Min(paid, principal);
	if (topups->policy->deduct_bonus)
		refund->deducted = Min(refund->bonus_spent, paid);
	refund->left = paid - refund->deducted;
}

static bool
is_paid(Refund *refund)
{
	Call	   *call = &refund->topups.call;

	switch (refund->topups.topup->status)
	{
		case TOPUP_PENDING:
			return call_refuse(call, REFUSAL_TOPUP_PENDING, "unit=%s",
							   refund->topups.unit->code);
		case TOPUP_CANCELLED:
			return call_refuse(call, REFUSAL_TOPUP_NOT_FOUND,
							   "the top-up was cancelled");
		case TOPUP_DONE:
		case TOPUP_REFUNDED:
			return true;
	}
	return false;
}

/* How much is to be paid out: all that can be, unless an amount is given. */
static bool
read_amount(Refund *refund)
{
	Call	   *call = &refund->topups.call;
	const Unit *unit = refund->topups.unit;

	measure(refund);
	refund->amount = refund->left;
	if (call_has(call, REFUND_AMOUNT) &&
		!call_amount(call, REFUND_AMOUNT, unit->scale, &refund->amount))
		return false;
	refund->whole = refund->amount == refund->left;
	if (refund->amount > refund->left || refund->left == 0)
		return call_refuse(call, REFUSAL_REFUND_EXCEEDS_PRINCIPAL,
						   "available=%s requested=%s unit=%s",
						   amount_text(refund->left, unit->scale),
						   amount_text(refund->amount, unit->scale),
						   unit->code);
	return true;
}

/* Takes up to an amount of a lot; returns what is still to be taken. */
static int64
take_lot(Refund *refund, JournalRow *row, const Lot *key, int64 amount)
{
	Decision   *decision = &refund->topups.call.decision;
	const Lot  *found = wallet_find(&decision->account->wallet, key);
	Lot			lot;

	if (found == NULL || amount == 0)
		return amount;
	lot = *found;
	lot.amount = -Min(lot.amount, amount);
	decide_move(decision, row, lot);
	return amount + lot.amount;
}

/* Takes principal: that of the top-up first, then what lapses first. */
static void
take_principal(Refund *refund, JournalRow *row, int64 amount)
{
	Decision   *decision = &refund->topups.call.decision;
	const Lot  *own = given_lot(refund, ORIGIN_PRINCIPAL);
	LotList		usable;

	if (own != NULL)
		amount = take_lot(refund, row, own, amount);
	usable = decide_usable(decision, refund->topups.unit->unit_id);
	for (int i = 0; i < usable.n && amount > 0; i++)
		if (usable.lots[i].origin == ORIGIN_PRINCIPAL)
			amount = take_lot(refund, row, &usable.lots[i], amount);
	if (amount > 0)
		elog(ERROR, "less principal than was counted");
}

/* The share of this refund in something that is still to be taken back. */
static int64
share_of(const Refund *refund, int64 value)
{
	return refund->whole ? value :
		amount_share(value, refund->amount, refund->left);
}

static void
take_bonus(Refund *refund, JournalRow *row)
{
	Topup	   *topup = refund->topups.topup;
	int64		amount = share_of(refund, refund->bonus_left);

	if (amount == 0)
		return;
	(void) take_lot(refund, row, given_lot(refund, ORIGIN_BONUS), amount);
	topup->bonus_taken += amount;
}

/* Takes gift points back, as a refund takes back what an order earned. */
static void
take_points(Refund *refund, JournalRow *row)
{
	Call	   *call = &refund->topups.call;
	Topup	   *topup = refund->topups.topup;
	int64		from = topup->points_taken;
	int64		until = from + share_of(refund, topup->points - from);
	Award		award = {.amount = topup->points};

	if (from == until)
		return;
	award.unit = program_unit_by_id(call->decision.program,
									topup->points_unit_id);
	award.lots = palloc(sizeof(Lot) * (refund->given.n + 1));
	for (int i = 0; i < refund->given.n; i++)
		if (refund->given.lots[i].unit_id == topup->points_unit_id)
			award.lots[award.nlots++] = refund->given.lots[i];
	decide_take_back(&call->decision, row, &award, 1, &from, &until);
	topup->points_taken = until;
}

/* Makes the voucher void that came as a gift, if it was not used. */
static void
take_voucher(Refund *refund, JournalRow *row)
{
	Call	   *call = &refund->topups.call;
	const Topup *topup = refund->topups.topup;
	const Benefit *benefit;
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(Int64GetDatum(topup->done_by))
	};
	int64		voucher_id;

	if (topup->benefit_id == 0 ||
		statement_run(&select_vouchers, args, false) == 0)
		return;
	voucher_id = DatumGetInt64(statement_notnull(0, 1));
	benefit = program_benefit_by_id(call->decision.program,
									topup->benefit_id);
	store_vouchers(&call->decision, benefit);
	for (int i = 0; i < call->decision.nvouchers; i++)
		if (call->decision.vouchers[i].voucher_id == voucher_id)
			decide_voucher_void(row, benefit, &call->decision.vouchers[i]);
}

static void
take_coupons(Refund *refund, JournalRow *row)
{
	if (refund->whole && refund->topups.topup->pack != NULL)
		event_topup_take_pack(&refund->topups, row);
}

static void
store_refunded(Call *call)
{
	Refund	   *refund = (Refund *) call;

	store_number(&call->decision);
	take_coupons(refund, call->row);
	topup_update(call->member_id, refund->topups.topup);
}

/* Gifts that cannot be taken back in part are, when all is paid out. */
static void
apply(Refund *refund)
{
	Call	   *call = &refund->topups.call;
	Topup	   *topup = refund->topups.topup;
	int64		deducted = refund->whole ? refund->deducted : 0;
	JournalRow *row = event_topup_row(&refund->topups, call->now,
									  refund->amount);

	row->reverses = call_text(call, REFUND_REF);
	take_principal(refund, row, amount_add(refund->amount, deducted));
	take_bonus(refund, row);
	take_points(refund, row);
	if (refund->whole)
		take_voucher(refund, row);
	topup->status = TOPUP_REFUNDED;
	topup->refunded += refund->amount;
	topup->deducted += deducted;
	topup->bonus_taken += deducted;
	if (deducted > 0)
		journal_row_message(row, "bonus_deducted", refund->topups.unit,
							deducted);
	journal_row_message(row, "pay_out", refund->topups.unit, refund->amount);
	if (call->mode == MODE_DRY)
		take_coupons(refund, row);
	call->store_first = store_refunded;
}

Datum
loyalty_topup_refund(PG_FUNCTION_ARGS)
{
	Refund		refund = {0};
	Call	   *call = &refund.topups.call;

	if (call_begin(call, fcinfo, &refund_verb) &&
		call_check_text(call, call_text(call, REFUND_REF), REFUSAL_REF_INVALID,
						"ref") &&
		call_open(call) &&
		event_topup_find(&refund.topups, call_text(call, REFUND_REF)) &&
		is_paid(&refund) &&
		read_amount(&refund))
		apply(&refund);
	return call_close(call);
}
