/*
 * wallet.c
 *	  Lots in memory, and their packed form.
 *
 * Packed form, after the varlena header: one byte with the version, then the
 * lots in order, each written against the one before:
 *
 *	head	bits 0-2	origin
 *			bits 3-4	expiry: 0 never, 1 the last date again, 2 a new date
 *			bits 5-6	vesting: 0 vested, 1 the last date again, 2 a new date
 *			bit 7		another unit than the lot before
 *	unit	if another: how much higher, less one
 *	expiry	if new: days since the last expiry date, zigzag
 *	vesting	if new: days since the last vesting date, zigzag
 *	amount	zigzag
 *
 * "The last date" is that of the nearest lot before which has one, whatever
 * its unit; at the start it is 2026-01-01, from where today's dates are near.
 * Numbers are little-endian groups of seven bits.
 *
 * A list has exactly one packed form and whatever is not the packed form of
 * some list is refused, so equality of wallets is equality of bytes.  The
 * form holds any amount but zero in any lot: that only debt is below zero is
 * a rule for posting, and a fold of a damaged ledger must still be shown.
 */
#include "postgres.h"

#include "common/int.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "wallet.h"

#define WALLET_VERSION 1
#define LOT_MAX_BYTES 26		/* head, 5 unit, 5 + 5 dates, 10 amount */
#define WALLET_MAX_BYTES (1 + WALLET_MAX_LOTS * LOT_MAX_BYTES)

#define HEAD_ORIGIN 0x07
#define HEAD_EXPIRY_SHIFT 3
#define HEAD_VESTING_SHIFT 5
#define HEAD_UNIT 0x80

typedef enum DateCode
{
	DATE_NONE,
	DATE_SAME,
	DATE_NEW
} DateCode;

/* What the next lot is written against */
typedef struct Before
{
	int32		unit_id;
	DateADT		expires_on;
	DateADT		vests_on;
} Before;

#define BEFORE_FIRST {0, 9497, 9497}	/* 2026-01-01 */

/* What one day makes of a lot: each is in exactly one of these */
typedef enum LotState
{
	LOT_USABLE,
	LOT_PENDING,
	LOT_LAPSED,
	LOT_DEBT
} LotState;

static const char origin_letters[] = "?ebatpd";

/*
 * origin_letter returns the letter that SQL and text show for an origin.
 */
char
origin_letter(LotOrigin origin)
{
	return origin_letters[origin];
}

/*
 * origin_from_letter sets the origin of a letter, or returns false.
 */
bool
origin_from_letter(char letter, uint8 *origin)
{
	for (uint8 i = ORIGIN_EARNED; i <= ORIGIN_DEBT; i++)
		if (origin_letters[i] == letter)
		{
			*origin = i;
			return true;
		}
	return false;
}

/* Returns the order of two lots by key: below, at or above zero */
static inline int
lot_order(const Lot *a, const Lot *b)
{
	if (a->unit_id != b->unit_id)
		return a->unit_id < b->unit_id ? -1 : 1;
	if (a->expires_on != b->expires_on)
		return a->expires_on < b->expires_on ? -1 : 1;
	if (a->origin != b->origin)
		return a->origin < b->origin ? -1 : 1;
	if (a->vests_on != b->vests_on)
		return a->vests_on < b->vests_on ? -1 : 1;
	return 0;
}

static int
lot_compare(const void *a, const void *b)
{
	return lot_order(a, b);
}

static inline bool
date_in_range(DateADT date)
{
	return date >= WALLET_FIRST_DATE && date <= WALLET_LAST_DATE;
}

/* Returns a sentence on what is wrong with a lot's key, or NULL */
static const char *
lot_fault(const Lot *lot)
{
	if (lot->unit_id < 1)
		return "The unit must be above zero.";
	if (lot->origin < ORIGIN_EARNED || lot->origin > ORIGIN_DEBT)
		return "The origin must be one of e, b, a, t, p and d.";
	if (!DATE_IS_NOEND(lot->expires_on) && !date_in_range(lot->expires_on))
		return "The expiry must be between 0001-01-01 and 9999-12-31.";
	if (!DATE_IS_NOBEGIN(lot->vests_on) && !date_in_range(lot->vests_on))
		return "The vesting must be between 0001-01-01 and 9999-12-31.";
	return NULL;
}

/* Raises what lot_fault has found (22023) */
static inline void
lot_check(const char *fault)
{
	if (unlikely(fault != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid lot"),
				 errdetail("%s", fault)));
}

static inline LotState
lot_state(const Lot *lot, DateADT on)
{
	if (lot->origin == ORIGIN_DEBT)
		return LOT_DEBT;
	if (lot->expires_on < on)
		return LOT_LAPSED;
	return lot->vests_on > on ? LOT_PENDING : LOT_USABLE;
}

static pg_noinline void
overflow_error(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("wallet amount out of range")));
}

static pg_noinline void
too_many_error(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("wallet cannot hold more than %d lots",
					WALLET_MAX_LOTS)));
}

static inline int64
add_amount(int64 a, int64 b)
{
	int64		sum;

	if (unlikely(pg_add_s64_overflow(a, b, &sum)))
		overflow_error();
	return sum;
}

static inline int64
subtract_amount(int64 a, int64 b)
{
	int64		difference;

	if (unlikely(pg_sub_s64_overflow(a, b, &difference)))
		overflow_error();
	return difference;
}

/*
 * wallet_init makes the empty wallet; it allocates nothing.
 */
void
wallet_init(LotList *list)
{
	list->n = 0;
	list->capacity = 0;
	list->lots = NULL;
}

/*
 * Makes room for that many lots.  The first room is taken in the current
 * context, more is taken where the first was.
 */
static void
reserve(LotList *list, int capacity)
{
	if (capacity <= list->capacity)
		return;
	capacity = Max(capacity, Max(8, 2 * list->capacity));
	if (list->lots == NULL)
		list->lots = palloc(capacity * sizeof(Lot));
	else
		list->lots = repalloc_huge(list->lots, capacity * sizeof(Lot));
	list->capacity = capacity;
}

/*
 * wallet_copy makes `to`, whatever it was, a copy in the current context.
 */
void
wallet_copy(const LotList *from, LotList *to)
{
	wallet_init(to);
	if (from->n == 0)
		return;
	reserve(to, from->n);
	memcpy(to->lots, from->lots, from->n * sizeof(Lot));
	to->n = from->n;
}

/*
 * Returns the place of the key, or where it would stand, and sets found.
 * Most calls add behind the last lot, or to it.
 */
static int
search(const LotList *list, const Lot *key, bool *found)
{
	int			low = 0;
	int			high = list->n;

	*found = false;
	if (high > 0)
	{
		int			order = lot_order(&list->lots[high - 1], key);

		if (order < 0)
			return high;
		high--;
		if (order == 0)
		{
			*found = true;
			return high;
		}
	}
	while (low < high)
	{
		int			middle = (low + high) / 2;
		int			order = lot_order(&list->lots[middle], key);

		if (order == 0)
		{
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Returns the place of the unit's first lot, or where it would stand */
static int
search_unit(const LotList *list, int32 unit_id)
{
	int			low = 0;
	int			high = list->n;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (list->lots[middle].unit_id < unit_id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Sets the amount of the lot that search() has looked for */
static void
put(LotList *list, const Lot *key, int at, bool found, int64 amount)
{
	Lot		   *lot;

	if (found)
	{
		lot = &list->lots[at];
		if (amount != 0)
			lot->amount = amount;
		else
		{
			list->n--;
			memmove(lot, lot + 1, (list->n - at) * sizeof(Lot));
		}
		return;
	}
	if (amount == 0)
		return;
	if (list->n >= WALLET_MAX_LOTS)
		too_many_error();
	reserve(list, list->n + 1);
	lot = &list->lots[at];
	memmove(lot + 1, lot, (list->n - at) * sizeof(Lot));
	*lot = *key;
	lot->amount = amount;
	list->n++;
}

/* Drops the lots of one unit, from a place on, that have come to zero */
static void
drop_zeros(LotList *list, int from, int32 unit_id)
{
	int			to = from;
	int			end = from;

	while (end < list->n && list->lots[end].unit_id == unit_id)
	{
		if (list->lots[end].amount != 0)
			list->lots[to++] = list->lots[end];
		end++;
	}
	if (to == end)
		return;
	memmove(&list->lots[to], &list->lots[end],
			(list->n - end) * sizeof(Lot));
	list->n -= end - to;
}

/*
 * wallet_find returns the lot with that key, or NULL.  The pointer is good
 * until the list is next changed.
 */
const Lot *
wallet_find(const LotList *list, const Lot *key)
{
	bool		found;
	int			at = search(list, key, &found);

	return found ? &list->lots[at] : NULL;
}

/*
 * wallet_insert adds a lot, of any sign, that is not in the list.
 */
void
wallet_insert(LotList *list, const Lot *lot)
{
	bool		found;
	int			at = search(list, lot, &found);

	Assert(!found);
	lot_check(lot_fault(lot));
	put(list, lot, at, false, lot->amount);
}

static pg_noinline void
post_error(const Lot *posting, int64 held)
{
	bool		debt = posting->origin == ORIGIN_DEBT;

	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 debt ? errmsg("debt in a wallet cannot rise above zero")
			 : errmsg("lot in a wallet cannot fall below zero"),
			 errdetail("unit=%d origin=%c held=%lld posted=%lld",
					   posting->unit_id, origin_letter(posting->origin),
					   (long long) held, (long long) posting->amount)));
}

/*
 * wallet_post adds an amount to the lot with that key, which comes and goes
 * as needed, and returns what the lot holds then.
 *
 * This is where the rule on signs is kept: a lot of debt never above zero,
 * any other never below (23514), and debt, which neither vests nor expires,
 * in one lot per unit (22023).
 */
int64
wallet_post(LotList *list, const Lot *posting)
{
	bool		debt = posting->origin == ORIGIN_DEBT;
	const char *fault = lot_fault(posting);
	bool		found;
	int			at;
	int64		held;
	int64		amount;

	if (fault == NULL && debt &&
		!(DATE_IS_NOEND(posting->expires_on) &&
		  DATE_IS_NOBEGIN(posting->vests_on)))
		fault = "Debt has neither a vesting nor an expiry date.";
	lot_check(fault);

	at = search(list, posting, &found);
	held = found ? list->lots[at].amount : 0;
	amount = add_amount(held, posting->amount);
	if (unlikely(debt ? amount > 0 : amount < 0))
		post_error(posting, held);
	put(list, posting, at, found, amount);
	return amount;
}

/*
 * wallet_give posts every lot of another list, as wallet_post does: it puts
 * back what wallet_take took.
 */
void
wallet_give(LotList *list, const LotList *lots)
{
	for (int i = 0; i < lots->n; i++)
		wallet_post(list, &lots->lots[i]);
}

/* Moves up to `amount` out of a lot into `taken`; returns what it moved */
static int64
take_from(Lot *lot, int64 amount, LotList *taken)
{
	int64		part = Min(lot->amount, amount);

	if (taken != NULL)
	{
		bool		found;
		int			at = search(taken, lot, &found);

		put(taken, lot, at, found,
			add_amount(found ? taken->lots[at].amount : 0, part));
	}
	lot->amount -= part;
	return part;
}

/*
 * wallet_take takes up to `amount` of what is usable on a day, in spend
 * order, adds it lot by lot to `taken` (which may be NULL) and returns how
 * much it got.  Debt does not stop it; the caller compares with the balance.
 */
int64
wallet_take(LotList *list, int32 unit_id, int64 amount, DateADT on,
			LotList *taken)
{
	int			first = search_unit(list, unit_id);
	int64		left = amount;

	for (int i = first; i < list->n && left > 0; i++)
	{
		Lot		   *lot = &list->lots[i];

		if (lot->unit_id != unit_id)
			break;
		if (lot->amount > 0 && lot_state(lot, on) == LOT_USABLE)
			left -= take_from(lot, left, taken);
	}
	drop_zeros(list, first, unit_id);
	return amount > 0 ? amount - left : 0;
}

/* Returns the pending lot that vests first, in spend order, or NULL */
static Lot *
first_to_vest(const LotList *list, int first, int32 unit_id, DateADT on)
{
	Lot		   *best = NULL;

	for (int i = first; i < list->n; i++)
	{
		Lot		   *lot = &list->lots[i];

		if (lot->unit_id != unit_id)
			break;
		if (lot->amount > 0 && lot_state(lot, on) == LOT_PENDING &&
			(best == NULL || lot->vests_on < best->vests_on))
			best = lot;
	}
	return best;
}

/*
 * wallet_take_pending is wallet_take for what is pending on a day; what
 * vests first goes first.
 */
int64
wallet_take_pending(LotList *list, int32 unit_id, int64 amount, DateADT on,
					LotList *taken)
{
	int			first = search_unit(list, unit_id);
	int64		left = amount;
	Lot		   *lot;

	while (left > 0 &&
		   (lot = first_to_vest(list, first, unit_id, on)) != NULL)
		left -= take_from(lot, left, taken);
	drop_zeros(list, first, unit_id);
	return amount > 0 ? amount - left : 0;
}

static inline int64
sum_state(const LotList *list, int32 unit_id, LotState state, DateADT on)
{
	int64		sum = 0;

	for (int i = search_unit(list, unit_id); i < list->n; i++)
	{
		const Lot  *lot = &list->lots[i];

		if (lot->unit_id != unit_id)
			break;
		if (lot_state(lot, on) == state)
			sum = add_amount(sum, lot->amount);
	}
	return sum;
}

/*
 * On any day usable + pending + lapsed - debt = total: a lot past its expiry
 * is lapsed even if it had yet to vest.
 */

/* wallet_usable returns what has vested by a day and not expired before it */
int64
wallet_usable(const LotList *list, int32 unit_id, DateADT on)
{
	return sum_state(list, unit_id, LOT_USABLE, on);
}

/* wallet_pending returns what vests after a day and has not lapsed on it */
int64
wallet_pending(const LotList *list, int32 unit_id, DateADT on)
{
	return sum_state(list, unit_id, LOT_PENDING, on);
}

/* wallet_lapsed returns what expired before a day and is still in here */
int64
wallet_lapsed(const LotList *list, int32 unit_id, DateADT on)
{
	return sum_state(list, unit_id, LOT_LAPSED, on);
}

/* wallet_debt returns what is owed, as a positive number */
int64
wallet_debt(const LotList *list, int32 unit_id)
{
	return subtract_amount(0, sum_state(list, unit_id, LOT_DEBT, 0));
}

/* wallet_balance returns what can be spent on a day: usable less debt */
int64
wallet_balance(const LotList *list, int32 unit_id, DateADT on)
{
	int64		balance = subtract_amount(wallet_usable(list, unit_id, on),
										  wallet_debt(list, unit_id));

	return Max(balance, 0);
}

/* wallet_total returns the sum of all lots, debt below zero */
int64
wallet_total(const LotList *list, int32 unit_id)
{
	int64		sum = 0;

	for (int i = search_unit(list, unit_id); i < list->n; i++)
	{
		if (list->lots[i].unit_id != unit_id)
			break;
		sum = add_amount(sum, list->lots[i].amount);
	}
	return sum;
}

/*
 * wallet_expiring returns what, spent by nobody, expires from one day to
 * another, both included.
 */
int64
wallet_expiring(const LotList *list, int32 unit_id, DateADT from,
				DateADT until)
{
	int64		sum = 0;

	for (int i = search_unit(list, unit_id); i < list->n; i++)
	{
		const Lot  *lot = &list->lots[i];

		if (lot->unit_id != unit_id || lot->expires_on > until ||
			DATE_IS_NOEND(lot->expires_on))
			break;
		if (lot->expires_on >= from && lot->origin != ORIGIN_DEBT)
			sum = add_amount(sum, lot->amount);
	}
	return sum;
}

/*
 * wallet_due returns the first day after a day on which a lot of any unit
 * vests or has lapsed (the day after its expiry), or DATEVAL_NOEND.
 */
DateADT
wallet_due(const LotList *list, DateADT after)
{
	DateADT		due = DATEVAL_NOEND;

	for (int i = 0; i < list->n; i++)
	{
		const Lot  *lot = &list->lots[i];

		/* "never" is above all dates, so it is never the smaller one */
		if (lot->vests_on > after && lot->vests_on < due)
			due = lot->vests_on;
		if (lot->expires_on >= after && lot->expires_on < due)
			due = lot->expires_on + 1;
	}
	return due;
}

/* Sorts, adds up what has one key, and drops what comes to zero */
static void
add_up(LotList *list)
{
	int			to = 0;
	int			at = 0;

	if (list->n == 0)
		return;
	qsort(list->lots, list->n, sizeof(Lot), lot_compare);
	while (at < list->n)
	{
		Lot			lot = list->lots[at++];

		while (at < list->n && lot_order(&lot, &list->lots[at]) == 0)
			lot.amount = add_amount(lot.amount, list->lots[at++].amount);
		if (lot.amount != 0)
			list->lots[to++] = lot;
	}
	list->n = to;
}

/*
 * wallet_fold_add adds one posting in any order, of any sign; the list is no
 * wallet until wallet_fold_end.  Postings pile up and are added up when the
 * room is full, which it has to be half of at least before it grows: n
 * postings to m lots cost n log m time and room for m lots.
 */
void
wallet_fold_add(LotList *list, const Lot *posting)
{
	lot_check(lot_fault(posting));
	if (list->n == list->capacity)
	{
		add_up(list);
		if (list->n >= list->capacity / 2)
			reserve(list, Max(64, 2 * list->capacity));
	}
	list->lots[list->n++] = *posting;
}

/*
 * wallet_fold_end makes the list a wallet again.  Postings may follow.
 */
void
wallet_fold_end(LotList *list)
{
	add_up(list);
	if (list->n > WALLET_MAX_LOTS)
		too_many_error();
}

static inline uint64
zigzag(int64 value)
{
	return ((uint64) value << 1) ^ (value < 0 ? PG_UINT64_MAX : 0);
}

static inline int64
unzigzag(uint64 value)
{
	return (int64) (value >> 1) ^ -(int64) (value & 1);
}

static inline uint8 *
write_number(uint8 *to, uint64 value)
{
	while (value >= 0x80)
	{
		*to++ = (uint8) value | 0x80;
		value >>= 7;
	}
	*to++ = (uint8) value;
	return to;
}

/*
 * Returns what stands behind the number, or NULL if none does that is whole,
 * fits 64 bits and is as short as can be.
 */
static inline const uint8 *
read_number(const uint8 *at, const uint8 *end, uint64 *value)
{
	uint64		result = 0;

	if (likely(at < end && *at < 0x80))
	{
		*value = *at;
		return at + 1;
	}
	for (int shift = 0; shift < 70 && at < end; shift += 7)
	{
		uint64		group = *at++;

		result |= (group & 0x7f) << shift;
		if (group < 0x80)
		{
			if (unlikely((group == 0 && shift > 0) ||
						 (group > 1 && shift == 63)))
				return NULL;
			*value = result;
			return at;
		}
	}
	return NULL;
}

static inline DateCode
date_code(DateADT date, DateADT none, DateADT before)
{
	if (date == none)
		return DATE_NONE;
	return date == before ? DATE_SAME : DATE_NEW;
}

static inline uint8 *
write_date(uint8 *to, DateCode code, DateADT date, DateADT *before)
{
	if (code != DATE_NEW)
		return to;
	to = write_number(to, zigzag((int64) date - *before));
	*before = date;
	return to;
}

/* Returns what stands behind the date, or NULL if none does */
static inline const uint8 *
read_date(const uint8 *at, const uint8 *end, DateCode code, DateADT none,
		  DateADT *before, DateADT *date)
{
	uint64		days;

	switch (code)
	{
		case DATE_NONE:
			*date = none;
			return at;
		case DATE_SAME:
			*date = *before;
			return at;
		case DATE_NEW:
			at = read_number(at, end, &days);
			if (unlikely(at == NULL || days == 0 ||
						 days > zigzag(WALLET_LAST_DATE - WALLET_FIRST_DATE)))
				return NULL;
			*before += (DateADT) unzigzag(days);
			if (unlikely(!date_in_range(*before)))
				return NULL;
			*date = *before;
			return at;
	}
	return NULL;
}

/*
 * wallet_pack returns the packed form as a new varlena in the current
 * context.  More lots than a wallet holds are refused (54000).
 */
Datum
wallet_pack(const LotList *list)
{
	uint8		bytes[WALLET_MAX_BYTES];
	uint8	   *to = bytes;
	Before		before = BEFORE_FIRST;
	struct varlena *wallet;
	Size		size;

	if (list->n > WALLET_MAX_LOTS)
		too_many_error();

	*to++ = WALLET_VERSION;
	for (int i = 0; i < list->n; i++)
	{
		const Lot  *lot = &list->lots[i];
		DateCode	expiry = date_code(lot->expires_on, DATEVAL_NOEND,
									   before.expires_on);
		DateCode	vesting = date_code(lot->vests_on, DATEVAL_NOBEGIN,
										before.vests_on);
		uint8		head = lot->origin | expiry << HEAD_EXPIRY_SHIFT |
			vesting << HEAD_VESTING_SHIFT;

		Assert(lot_fault(lot) == NULL && lot->amount != 0);
		Assert(i == 0 || lot_order(lot - 1, lot) < 0);

		if (lot->unit_id == before.unit_id)
			*to++ = head;
		else
		{
			*to++ = head | HEAD_UNIT;
			to = write_number(to, lot->unit_id - before.unit_id - 1);
			before.unit_id = lot->unit_id;
		}
		to = write_date(to, expiry, lot->expires_on, &before.expires_on);
		to = write_date(to, vesting, lot->vests_on, &before.vests_on);
		to = write_number(to, zigzag(lot->amount));
	}

	size = VARHDRSZ + (to - bytes);
	wallet = palloc(size);
	SET_VARSIZE(wallet, size);
	memcpy(VARDATA(wallet), bytes, to - bytes);
	return PointerGetDatum(wallet);
}

/*
 * Reads one lot; returns what stands behind it, or NULL.
 */
static inline const uint8 *
read_lot(const uint8 *at, const uint8 *end, Before *before, Lot *lot)
{
	uint8		head = *at++;
	uint64		number;

	if (head & HEAD_UNIT)
	{
		at = read_number(at, end, &number);
		if (unlikely(at == NULL ||
					 number >= (uint64) (PG_INT32_MAX - before->unit_id)))
			return NULL;
		before->unit_id += (int32) number + 1;
	}
	lot->unit_id = before->unit_id;
	lot->origin = head & HEAD_ORIGIN;
	at = read_date(at, end, head >> HEAD_EXPIRY_SHIFT & 3, DATEVAL_NOEND,
				   &before->expires_on, &lot->expires_on);
	if (unlikely(at == NULL))
		return NULL;
	at = read_date(at, end, head >> HEAD_VESTING_SHIFT & 3, DATEVAL_NOBEGIN,
				   &before->vests_on, &lot->vests_on);
	if (unlikely(at == NULL))
		return NULL;
	at = read_number(at, end, &number);
	if (unlikely(at == NULL))
		return NULL;
	lot->amount = unzigzag(number);
	return at;
}

/*
 * wallet_parse makes a list, in the current context, of the packed form
 * without its varlena header.  Returns NULL, or a sentence on why the bytes
 * are not the packed form of any wallet; the list is undefined then.
 */
const char *
wallet_parse(const char *bytes, Size length, LotList *list)
{
	const uint8 *at = (const uint8 *) bytes;
	const uint8 *end = at + length;
	Before		before = BEFORE_FIRST;
	Lot			last = {0};

	wallet_init(list);
	if (length == 0 || *at++ != WALLET_VERSION)
		return "The format version is not known.";
	if (at == end)
		return NULL;
	if (unlikely(length > WALLET_MAX_BYTES))
		return "There are more bytes than a wallet can have.";

	/* About what is needed, and room for some posts: four bytes to a lot */
	reserve(list, length / 4 + 8);
	while (at < end)
	{
		Lot			lot;

		if (unlikely(list->n == WALLET_MAX_LOTS))
			return "There are more lots than a wallet can hold.";
		at = read_lot(at, end, &before, &lot);
		if (unlikely(at == NULL))
			return "A number or a date is malformed or out of range.";
		if (unlikely(lot.unit_id < 1 || lot.origin < ORIGIN_EARNED ||
					 lot.origin > ORIGIN_DEBT || lot.amount == 0))
			return "A lot has no unit, no known origin or no amount.";
		/* Unit 0, where this starts, is before every lot */
		if (unlikely(lot_order(&last, &lot) >= 0))
			return "The lots are not in order.";
		last = lot;
		if (unlikely(list->n == list->capacity))
			reserve(list, list->n + 1);
		list->lots[list->n++] = lot;
	}
	return NULL;
}

/*
 * wallet_unpack makes a list, in the current context, of a wallet from a
 * table or a function; a damaged one is refused (XX001).
 */
void
wallet_unpack(Datum wallet, LotList *list)
{
	struct varlena *packed = PG_DETOAST_DATUM_PACKED(wallet);
	const char *fault = wallet_parse(VARDATA_ANY(packed),
									 VARSIZE_ANY_EXHDR(packed), list);

	if (unlikely(fault != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("wallet is damaged"),
				 errdetail("%s", fault)));
	if ((Pointer) packed != DatumGetPointer(wallet))
		pfree(packed);
}
