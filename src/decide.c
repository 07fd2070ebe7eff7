/*
 * decide.c
 *
 * Settle, then apply.  Settling posts what fell due since the account was
 * last looked at, in the order in which it fell due; applying posts what the
 * call itself moves.  Every movement of the wallet goes through post_lot(),
 * which writes the entry of the same amount, so the two cannot part.
 */
#include "decide.h"

#include "miscadmin.h"

#include "amount.h"

/* Starts a decision at a point in time. */
void
decide_begin(Decision *decision, Account *account, const Program *program,
			 TimestampTz now)
{
	memset(decision, 0, sizeof(Decision));
	decision->account = account;
	decision->program = program;
	decision->now = now;
	decision->today = program_date(program, now);
}

/* Appends a row that was made elsewhere. */
void
decide_append(Decision *decision, JournalRow *row)
{
	if (decision->nrows == decision->capacity)
	{
		decision->capacity = Max(4, decision->capacity * 2);
		decision->rows = decision->rows == NULL ?
			palloc(sizeof(JournalRow *) * decision->capacity) :
			repalloc(decision->rows,
					 sizeof(JournalRow *) * decision->capacity);
	}
	decision->rows[decision->nrows++] = row;
}

/* Makes and appends a row. */
JournalRow *
decide_row(Decision *decision, const char *kind, TimestampTz effective_at)
{
	JournalRow *row = journal_row_make(decision->account->member_id, kind,
									   effective_at);

	decide_append(decision, row);
	return row;
}

/* Moves one lot, in the wallet and in the row alike. */
static void
post_lot(Decision *decision, JournalRow *row, const Lot *lot, int32 rule_id)
{
	LotList    *wallet = &decision->account->wallet;
	Posting    *posting;

	if (lot->amount == 0)
		return;
	wallet_post(wallet, lot);
	posting = journal_row_post(row, lot);
	posting->rule_id = rule_id;
	posting->balance_after = wallet_total(wallet, lot->unit_id);
}

/* The same for a lot that is named by the caller. */
void
decide_move(Decision *decision, JournalRow *row, Lot lot)
{
	post_lot(decision, row, &lot, 0);
}

static Lot
debt_lot(int32 unit_id, int64 amount)
{
	Lot			lot = {
		.unit_id = unit_id,
		.expires_on = DATEVAL_NOEND,
		.origin = ORIGIN_DEBT,
		.vests_on = DATEVAL_NOBEGIN,
		.amount = amount
	};

	return lot;
}

/*
 * Posts value that came in on a date.  What is vested repays debt first;
 * what vests later does so when it vests, and what had lapsed by that date
 * does not.  What lapsed later did: the date on which it is posted must not
 * matter.
 */
static void
post_value(Decision *decision, JournalRow *row, Lot lot, int32 rule_id,
		   DateADT on)
{
	if (lot.vests_on == DATEVAL_NOBEGIN && lot.expires_on >= on)
	{
		int64		debt = wallet_debt(&decision->account->wallet,
									   lot.unit_id);
		int64		repaid = Min(debt, lot.amount);
		Lot			repayment = debt_lot(lot.unit_id, repaid);

		post_lot(decision, row, &repayment, rule_id);
		lot.amount -= repaid;
	}
	post_lot(decision, row, &lot, rule_id);
}

/* The same today. */
void
decide_post(Decision *decision, JournalRow *row, Lot lot, int32 rule_id)
{
	post_value(decision, row, lot, rule_id, decision->today);
}

/* Posts lots with their amounts negated. */
static void
post_taken(Decision *decision, JournalRow *row, const LotList *taken,
		   int32 rule_id)
{
	for (int i = 0; i < taken->n; i++)
	{
		Lot			lot = taken->lots[i];

		lot.amount = -lot.amount;
		post_lot(decision, row, &lot, rule_id);
	}
}

typedef enum DueKind
{
	/* in the order in which they happen at one moment */
	DUE_VEST,
	DUE_TIME_OUT,
	DUE_REVIEW,
	DUE_EXPIRE,
	DUE_NOTHING
} DueKind;

typedef struct Due
{
	DueKind		kind;
	DateADT		date;			/* vest: vests_on; expire: expires_on */
	TimestampTz at;
	Hold	   *hold;
} Due;

/* Neither a month of history nor a count vests or lapses. */
static bool
is_value(const Program *program, int32 unit_id)
{
	UnitKind	kind = program_unit_by_id(program, unit_id)->kind;

	return kind == UNIT_POINTS || kind == UNIT_MONEY;
}

static void
consider(Due *first, DueKind kind, DateADT date, TimestampTz at, Hold *hold)
{
	if (first->kind == DUE_NOTHING || at < first->at ||
		(at == first->at && kind < first->kind))
	{
		first->kind = kind;
		first->date = date;
		first->at = at;
		first->hold = hold;
	}
}

/* The first thing that has fallen due by now. */
static Due
next_due(const Decision *decision)
{
	const Program *program = decision->program;
	const LotList *wallet = &decision->account->wallet;
	DateADT		vests_on = DATEVAL_NOEND;
	DateADT		expires_on = DATEVAL_NOEND;
	DateADT		review_on = decide_tier_due(decision);
	Due			first = {.kind = DUE_NOTHING};

	for (int i = 0; i < wallet->n; i++)
	{
		const Lot  *lot = &wallet->lots[i];
		bool		vests = lot->vests_on != DATEVAL_NOBEGIN &&
			lot->vests_on <= decision->today;
		bool		lapses = lot->expires_on < decision->today;

		if ((!vests && !lapses) || !is_value(program, lot->unit_id))
			continue;
		if (vests)
			vests_on = Min(vests_on, lot->vests_on);
		if (lapses)
			expires_on = Min(expires_on, lot->expires_on);
	}
	if (vests_on != DATEVAL_NOEND)
		consider(&first, DUE_VEST, vests_on,
				 program_midnight(program, vests_on), NULL);
	if (expires_on != DATEVAL_NOEND)
		consider(&first, DUE_EXPIRE, expires_on,
				 program_midnight(program, expires_on + 1), NULL);
	if (review_on <= decision->today)
		consider(&first, DUE_REVIEW, review_on,
				 program_midnight(program, review_on), NULL);
	for (int i = 0; i < decision->nholds; i++)
	{
		Hold	   *hold = &decision->holds[i];

		if (hold->status == HOLD_HELD && hold->expires_at <= decision->now)
			consider(&first, DUE_TIME_OUT, 0, hold->expires_at, hold);
	}
	return first;
}

/* Lots that vest on a date become usable; debt is repaid from them. */
static void
settle_vest(Decision *decision, JournalRow *row, DateADT vests_on)
{
	LotList		due;

	wallet_copy(&decision->account->wallet, &due);
	for (int i = 0; i < due.n; i++)
	{
		Lot			lot = due.lots[i];

		if (lot.vests_on != vests_on ||
			!is_value(decision->program, lot.unit_id))
			continue;
		lot.amount = -lot.amount;
		post_lot(decision, row, &lot, 0);
		lot.amount = -lot.amount;
		lot.vests_on = DATEVAL_NOBEGIN;
		post_value(decision, row, lot, 0, vests_on);
	}
}

/* Lots whose last day has passed are taken away. */
static void
settle_expire(Decision *decision, JournalRow *row, DateADT expires_on)
{
	LotList		due;

	wallet_copy(&decision->account->wallet, &due);
	for (int i = 0; i < due.n; i++)
	{
		Lot			lot = due.lots[i];

		if (lot.expires_on != expires_on ||
			!is_value(decision->program, lot.unit_id))
			continue;
		lot.amount = -lot.amount;
		post_lot(decision, row, &lot, 0);
	}
}

static void
settle_time_out(Decision *decision, JournalRow *row, Hold *hold)
{
	decide_hold_end(decision, row, hold, HOLD_TIMED_OUT, 0,
					program_date(decision->program, hold->expires_at));
}

/* Forgets what was counted in periods that are over. */
static void
forget_counts(Decision *decision)
{
	LotList    *wallet = &decision->account->wallet;
	int			kept = 0;

	for (int i = 0; i < wallet->n; i++)
	{
		const Lot  *lot = &wallet->lots[i];

		if (lot->expires_on >= decision->today ||
			program_unit_by_id(decision->program,
							   lot->unit_id)->kind != UNIT_COUNTER)
			wallet->lots[kept++] = *lot;
	}
	wallet->n = kept;
}

/*
 * Posts everything that has fallen due by now, one row for each moment and
 * kind.  Rows are dated when it fell due, but not before `not_before`, when
 * the value itself came in, nor before the row that brought it back.
 */
void
decide_settle(Decision *decision, TimestampTz not_before)
{
	static const char *const kinds[] = {
		[DUE_VEST] = "vest",
		[DUE_TIME_OUT] = "time_out",
		[DUE_REVIEW] = "tier_review",
		[DUE_EXPIRE] = "expire"
	};
	Due			due;

	forget_counts(decision);
	while ((due = next_due(decision)).kind != DUE_NOTHING)
	{
		JournalRow *row;

		not_before = Max(Min(due.at, decision->now), not_before);
		row = decide_row(decision, kinds[due.kind], not_before);
		CHECK_FOR_INTERRUPTS();
		switch (due.kind)
		{
			case DUE_VEST:
				settle_vest(decision, row, due.date);
				break;
			case DUE_TIME_OUT:
				settle_time_out(decision, row, due.hold);
				break;
			case DUE_REVIEW:
				decide_tier_review(decision, row, due.date);
				break;
			case DUE_EXPIRE:
				settle_expire(decision, row, due.date);
				break;
			case DUE_NOTHING:
				break;
		}
	}
	decision->account->settled_on = decision->today;
}

/*
 * Sets the date on which the account must be looked at next.  A verb only
 * lowers it, so that the index on it is seldom touched; housekeeping, which
 * has seen everything (exact), may raise it.  Whoever does so lowers it then
 * to what dated automations make due (store_timed_member).
 */
void
decide_due(Decision *decision, bool exact)
{
	Account    *account = decision->account;
	DateADT		due_on = decide_tier_due(decision);

	for (int i = 0; i < account->wallet.n; i++)
	{
		const Lot  *lot = &account->wallet.lots[i];

		if (!is_value(decision->program, lot->unit_id))
			continue;
		if (lot->vests_on > decision->today)
			due_on = Min(due_on, lot->vests_on);
		if (lot->expires_on != DATEVAL_NOEND)
			due_on = Min(due_on, lot->expires_on + 1);
	}
	if (!exact && decision->program->automations.ndated > 0)
		due_on = Min(due_on, decide_timed_due(decision));
	account->due_on = exact ? due_on : Min(account->due_on, due_on);
}

/* What can be spent today. */
int64
decide_available(const Decision *decision, const Unit *unit)
{
	return wallet_balance(&decision->account->wallet, unit->unit_id,
						  decision->today);
}

/*
 * Takes up to an amount of what can be spent of a unit, by earliest expiry,
 * and of stored value in the order of its policy.  Tells which lots it came
 * from, and returns how much it got.
 */
static int64
take_usable(const Decision *decision, const Unit *unit, int64 amount,
			LotList *taken)
{
	const TopupPolicy *policy = program_topup(decision->program,
											  unit->unit_id);
	LotList		lots;

	wallet_init(taken);
	if (policy == NULL)
	{
		wallet_copy(&decision->account->wallet, &lots);
		return wallet_take(&lots, unit->unit_id, amount, decision->today,
						   taken);
	}
	lots = decide_usable(decision, unit->unit_id);
	amount = Min(amount, wallet_usable(&lots, unit->unit_id,
									   decision->today));
	decide_stored_take(policy, &lots, amount, taken);
	return amount;
}

/* Takes an amount that is available, and tells which lots it came from. */
void
decide_spend(Decision *decision, JournalRow *row, const Unit *unit,
			 int64 amount, LotList *taken)
{
	if (take_usable(decision, unit, amount, taken) != amount)
		elog(ERROR, "less than the available balance could be taken");
	post_taken(decision, row, taken, 0);
}

/* Principal of a card that is named now does not lapse. */
static bool
never_lapses(const Decision *decision, const Lot *lot)
{
	const TopupCard *card;

	if (lot->origin != ORIGIN_PRINCIPAL)
		return false;
	card = decide_card(decision, lot->unit_id);
	return card != NULL && card->named;
}

/*
 * Gives lots back that were spent or held, as of a date.  What has lapsed
 * meanwhile follows the unit's return policy: it is posted all the same, to
 * a lot of grace, or to its own, from where settling expires it.
 */
void
decide_give_back(Decision *decision, JournalRow *row, const LotList *lots,
				 DateADT on)
{
	for (int i = 0; i < lots->n; i++)
	{
		Lot			lot = lots->lots[i];
		const Unit *unit = program_unit_by_id(decision->program, lot.unit_id);

		if (never_lapses(decision, &lot))
			lot.expires_on = DATEVAL_NOEND;
		if (lot.expires_on >= on)
			post_value(decision, row, lot, 0, on);
		else if (unit->grace_days > 0)
		{
			lot.expires_on = on + unit->grace_days;
			post_value(decision, row, lot, 0, on);
		}
		else
		{
			journal_row_message(row, "lapsed", unit, lot.amount);
			post_lot(decision, row, &lot, 0);
		}
	}
}

/*
 * Takes up to an amount from the lot an award was posted to: still pending
 * under its own key, or vested meanwhile.  Returns what was taken.
 */
static int64
take_from_own_lot(Decision *decision, JournalRow *row, Lot lot, int64 amount,
				  int32 rule_id)
{
	int64		taken = 0;

	for (;;)
	{
		const Lot  *found = wallet_find(&decision->account->wallet, &lot);

		if (found != NULL && found->amount > 0)
		{
			lot.amount = -Min(found->amount, amount - taken);
			taken -= lot.amount;
			post_lot(decision, row, &lot, rule_id);
		}
		if (lot.vests_on == DATEVAL_NOBEGIN || taken == amount)
			return taken;
		lot.vests_on = DATEVAL_NOBEGIN;
	}
}

/*
 * Takes what an award's own lots no longer hold: from other usable lots,
 * then from pending ones, then by the unit's policy.
 */
static void
take_rest(Decision *decision, JournalRow *row, const Award *award,
		  int64 amount)
{
	const Unit *unit = award->unit;
	LotList		trial;
	LotList		taken;

	if (amount == 0)
		return;
	if (unit->kind != UNIT_METRIC)
	{
		amount -= take_usable(decision, unit, amount, &taken);
		wallet_copy(&decision->account->wallet, &trial);
		amount -= wallet_take_pending(&trial, unit->unit_id, amount,
									  decision->today, &taken);
		post_taken(decision, row, &taken, award->rule_id);
	}
	if (amount == 0)
		return;
	if (unit->debt && unit->kind != UNIT_METRIC)
	{
		Lot			debt = debt_lot(unit->unit_id, -amount);

		post_lot(decision, row, &debt, award->rule_id);
	}
	else
		journal_row_message(row, "forgiven", unit, amount);
}

/*
 * Takes the part [from, until) of an award out of its own lots, piece by
 * piece in the order in which it was posted.  What has lapsed by date is
 * told and not taken.  Returns what is still to be taken.
 */
static int64
take_own_part(Decision *decision, JournalRow *row, const Award *award,
			  int64 from, int64 until)
{
	int64		start = 0;
	int64		lapsed = 0;
	int64		rest = 0;

	for (int i = 0; i < award->nlots; i++)
	{
		Lot			lot = award->lots[i];
		int64		end = start + lot.amount;
		int64		piece = Min(end, until) - Max(start, from);

		start = end;
		if (piece <= 0)
			continue;
		if (lot.origin == ORIGIN_DEBT)
			rest += piece;
		else if (lot.expires_on < decision->today)
			lapsed += piece;
		else
			rest += piece - take_from_own_lot(decision, row, lot, piece,
											  award->rule_id);
	}
	if (lapsed > 0)
		journal_row_message(row, "lapsed", award->unit, lapsed);
	return rest;
}

/*
 * Takes earned value back: of each award the part [from, until).  All own
 * lots come first, so that no award is repaid out of another's lot while
 * its own still holds enough.
 */
void
decide_take_back(Decision *decision, JournalRow *row, const Award *awards,
				 int nawards, const int64 *from, const int64 *until)
{
	int64	   *rest = palloc(sizeof(int64) * Max(nawards, 1));

	for (int i = 0; i < nawards; i++)
		rest[i] = take_own_part(decision, row, &awards[i], from[i], until[i]);
	for (int i = 0; i < nawards; i++)
		take_rest(decision, row, &awards[i], rest[i]);
}
