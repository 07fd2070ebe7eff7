/*
 * decide_benefit_use.c
 *
 * Benefits in use: what was used of a quota, and vouchers, which are issued,
 * used, given back and made void.  A quota is counted in a lot of its counter
 * that ends with the period; such lots have no entries, because what was
 * counted is in the journal rows.
 */
#include "decide.h"

#include "amount.h"

/* The lot in which a counter counts what happens on a date. */
static Lot
count_lot(const Unit *counter, DateADT on)
{
	Lot			lot = {
		.unit_id = counter->unit_id,
		.expires_on = period_end(counter->period, on),
		.origin = ORIGIN_EARNED,
		.vests_on = DATEVAL_NOBEGIN
	};

	return lot;
}

/* What was used in the period of a date, which is not over. */
int64
decide_quota_used(const Decision *decision, const Unit *counter, DateADT on)
{
	Lot			key = count_lot(counter, on);
	const Lot  *lot = wallet_find(&decision->account->wallet, &key);

	return lot == NULL ? 0 : lot->amount;
}

/* Adds to that, or takes from it, but never to below zero. */
void
decide_quota_count(Decision *decision, const Unit *counter, DateADT on,
				   int64 quantity)
{
	Lot			lot = count_lot(counter, on);

	lot.amount = Max(quantity, -decide_quota_used(decision, counter, on));
	if (lot.amount != 0)
		wallet_post(&decision->account->wallet, &lot);
}

/* Room for one more voucher, all zero. */
Voucher *
decide_voucher_add(Decision *decision)
{
	Size		size = sizeof(Voucher) * (decision->nvouchers + 1);
	Voucher    *voucher;

	decision->vouchers = decision->vouchers == NULL ? palloc(size) :
		repalloc(decision->vouchers, size);
	voucher = &decision->vouchers[decision->nvouchers++];
	memset(voucher, 0, sizeof(Voucher));
	return voucher;
}

/* Can a voucher be used today, as far as it is up to the voucher? */
static bool
is_open(const Decision *decision, const Benefit *benefit,
		const Voucher *voucher)
{
	return voucher->benefit_id == benefit->benefit_id &&
		voucher->status == VOUCHER_ISSUED &&
		voucher->valid_until >= decision->today;
}

/* How many vouchers of a benefit are open; they must have been loaded. */
int64
decide_vouchers_open(const Decision *decision, const Benefit *benefit)
{
	int64		n = 0;

	for (int i = 0; i < decision->nvouchers; i++)
		n += is_open(decision, benefit, &decision->vouchers[i]);
	return n;
}

static void
tell_voucher(const Decision *decision, JournalRow *row, const char *code,
			 const Benefit *benefit, const Voucher *voucher)
{
	BenefitNews news = {
		.code = code,
		.benefit = benefit->name,
		.voucher_id = voucher->voucher_id,
		.has_left = decision != NULL,
		.until = voucher->valid_until
	};

	if (decision != NULL)
		news.left = decide_vouchers_open(decision, benefit);
	journal_row_benefit(row, &news);
}

/*
 * The last day of use of a voucher that is issued today: by its days, but not
 * after the benefit itself.
 */
DateADT
decide_voucher_end(const Decision *decision, const Benefit *benefit)
{
	DateADT		until = DATEVAL_NOEND;

	if (benefit->valid_days > 0)
		until = decision->today + benefit->valid_days - 1;
	/* the benefit ends before this moment, which may be a midnight */
	if (benefit->valid_until != DT_NOEND)
		until = Min(until, program_date(decision->program,
										benefit->valid_until - 1));
	return until;
}

/* Issues a voucher; voucher_id 0: of a call that only looks. */
void
decide_voucher_issue(Decision *decision, JournalRow *row,
					 const Benefit *benefit, DateADT valid_until,
					 int64 voucher_id)
{
	Voucher    *voucher = decide_voucher_add(decision);

	voucher->voucher_id = voucher_id;
	voucher->benefit_id = benefit->benefit_id;
	voucher->status = VOUCHER_ISSUED;
	voucher->issued_on = decision->today;
	voucher->valid_until = valid_until;
	voucher->issued_by = row;
	tell_voucher(NULL, row, "voucher_issued", benefit, voucher);
}

/* Uses as many open vouchers, which there must be: first what ends first. */
void
decide_vouchers_use(Decision *decision, JournalRow *row,
					const Benefit *benefit, int64 quantity)
{
	for (int i = 0; i < decision->nvouchers && quantity > 0; i++)
	{
		Voucher    *voucher = &decision->vouchers[i];

		if (!is_open(decision, benefit, voucher))
			continue;
		voucher->status = VOUCHER_USED;
		voucher->ref = row->ref;
		voucher->changed_by = row;
		tell_voucher(decision, row, "voucher_used", benefit, voucher);
		quantity--;
	}
	if (quantity > 0)
		elog(ERROR, "fewer vouchers than were counted");
}

/* Makes a voucher void that was not used. */
void
decide_voucher_void(JournalRow *row, const Benefit *benefit, Voucher *voucher)
{
	voucher->status = VOUCHER_VOID;
	voucher->ref = NULL;
	voucher->changed_by = row;
	tell_voucher(NULL, row, "voucher_void", benefit, voucher);
}

/* How often n is reached, by what a metric stands at. */
static int64
times_reached(const Benefit *benefit, int64 total)
{
	return Max(total, 0) / benefit->quantity;
}

/* Vouchers of a benefit that are not void. */
static int64
count_issued(const Decision *decision, const Benefit *benefit)
{
	int64		n = 0;

	for (int i = 0; i < decision->nvouchers; i++)
		n += decision->vouchers[i].benefit_id == benefit->benefit_id &&
			decision->vouchers[i].status != VOUCHER_VOID;
	return n;
}

/*
 * Opens a voucher again that was used.  Not one whose date has passed; and
 * one for which the metric, lowered meanwhile, does not stand any more, is
 * void.
 */
static void
reopen(Decision *decision, JournalRow *row, const Benefit *benefit,
	   Voucher *voucher)
{
	int64		total = benefit->kind != BENEFIT_EVERY_N ? 0 :
		wallet_total(&decision->account->wallet, benefit->unit->unit_id);

	if (voucher->valid_until < decision->today)
	{
		tell_voucher(NULL, row, "voucher_lapsed", benefit, voucher);
		return;
	}
	if (benefit->kind == BENEFIT_EVERY_N &&
		count_issued(decision, benefit) > times_reached(benefit, total))
	{
		decide_voucher_void(row, benefit, voucher);
		return;
	}
	voucher->status = VOUCHER_ISSUED;
	voucher->ref = NULL;
	voucher->changed_by = row;
	tell_voucher(decision, row, "voucher_returned", benefit, voucher);
}

/*
 * Gives as many vouchers back that a row used: first what ends last, so that
 * those whose date has passed come last.
 */
void
decide_vouchers_return(Decision *decision, JournalRow *row,
					   const Benefit *benefit, int64 used_by, int64 quantity)
{
	for (int i = decision->nvouchers - 1; i >= 0 && quantity > 0; i--)
	{
		Voucher    *voucher = &decision->vouchers[i];

		if (voucher->benefit_id != benefit->benefit_id ||
			voucher->status != VOUCHER_USED || voucher->journal_id != used_by)
			continue;
		reopen(decision, row, benefit, voucher);
		quantity--;
	}
}

/* Has the decision moved a metric?  Tells what it stood at, and stands at. */
bool
decide_metric_moved(const Decision *decision, const Unit *unit,
					int64 *before, int64 *after)
{
	int64		moved = 0;

	for (int i = 0; i < decision->nrows; i++)
		for (int n = 0; n < decision->rows[i]->npostings; n++)
			if (decision->rows[i]->postings[n].lot.unit_id == unit->unit_id)
				moved = amount_add(moved,
								   decision->rows[i]->postings[n].lot.amount);
	*after = wallet_total(&decision->account->wallet, unit->unit_id);
	*before = *after - moved;
	return moved != 0;
}

/*
 * How many vouchers a decision brings (above zero) or takes (below) for every
 * n of a metric.  Whoever is entitled gets what is missing to the times that
 * the metric has reached n; who has used more than that gets none until it
 * has been reached as often again.  When the metric falls, no more are taken
 * than times were lost, whether the member is still entitled or not.
 */
int64
decide_every_n(const Decision *decision, const Benefit *benefit, bool entitled)
{
	int64		issued = count_issued(decision, benefit);
	int64		before;
	int64		after;
	int64		reached;

	decide_metric_moved(decision, benefit->unit, &before, &after);
	reached = times_reached(benefit, after);
	if (after > before)
		return entitled ? Max(reached - issued, 0) : 0;
	return -Max(Min(times_reached(benefit, before) - reached,
					issued - reached), 0);
}

/* Makes the newest vouchers void that were not used, up to a number. */
void
decide_every_n_void(Decision *decision, JournalRow *row,
					const Benefit *benefit, int64 quantity)
{
	for (; quantity > 0; quantity--)
	{
		Voucher    *newest = NULL;

		for (int i = 0; i < decision->nvouchers; i++)
		{
			Voucher    *voucher = &decision->vouchers[i];

			if (voucher->benefit_id == benefit->benefit_id &&
				voucher->status == VOUCHER_ISSUED &&
				(newest == NULL || voucher->voucher_id > newest->voucher_id))
				newest = voucher;
		}
		if (newest == NULL)
			return;
		decide_voucher_void(row, benefit, newest);
	}
}
