/*
 * decide_cart_price.c
 *
 * What coupons and offers take off a cart, one after another.  Each saving is
 * worked out in whole minor units first, then spread over what it is for, so
 * that the shares add up to it and nothing falls below zero.
 */
#include "decide_cart_work.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "amount.h"

/* 100 %, in thousandths of a percent. */
#define WHOLE_PERCENT 100000

/* The largest remainder first; of equal ones the line of the lowest rank. */
static inline int
compare_remainders(const Remainder *a, const Remainder *b)
{
	if (a->remainder != b->remainder)
		return a->remainder > b->remainder ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank - b->rank;
	return a->part - b->part;
}

#define ST_SORT sort_remainders
#define ST_ELEMENT_TYPE Remainder
#define ST_COMPARE(a, b) compare_remainders(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

int64
decide_cart_percent(int64 amount, int percent)
{
	int64		product;

	if (!__builtin_mul_overflow(amount, (int64) percent, &product) &&
		product <= PG_INT64_MAX - WHOLE_PERCENT / 2)
		return (product + WHOLE_PERCENT / 2) / WHOLE_PERCENT;
	return ((int128) amount * percent + WHOLE_PERCENT / 2) / WHOLE_PERCENT;
}

void *
decide_cart_grown(void *array, int n, int *capacity, Size size)
{
	if (n < *capacity)
		return array;
	*capacity *= 2;
	return repalloc_huge(array, size * *capacity);
}

Part *
decide_cart_part(CartWork *work, int line, int run)
{
	Part	   *part;
	int			capacity = work->max_parts;

	work->parts = decide_cart_grown(work->parts, work->nparts, &capacity,
									sizeof(Part));
	if (capacity != work->max_parts)
		work->remainders = repalloc_huge(work->remainders,
										 sizeof(Remainder) * capacity);
	work->max_parts = capacity;
	part = &work->parts[work->nparts++];
	part->line = line;
	part->run = run;
	part->count = 0;
	part->basis = 0;
	part->left = 0;
	part->weight = 0;
	part->share = 0;
	return part;
}

CartWork *
decide_cart_work(const Cart *cart, int ncandidates)
{
	CartWork   *work = palloc0(sizeof(CartWork));
	int			n = Max(cart->lines.n, 1);

	work->lines = palloc(sizeof(WorkLine) * n);
	work->max_runs = 2 * n;
	work->runs = palloc(sizeof(Run) * work->max_runs);
	work->max_parts = 2 * n;
	work->parts = palloc(sizeof(Part) * work->max_parts);
	work->remainders = palloc(sizeof(Remainder) * work->max_parts);
	work->max_pieces = 4 * n;
	work->pieces = palloc(sizeof(Pieces) * work->max_pieces);
	work->max_spent = 2;
	work->spent = palloc(sizeof(Spent) * work->max_spent);
	work->rows = palloc0(sizeof(int64 *) * Max(ncandidates, 1));
	work->order = palloc(sizeof(int) * Max(ncandidates, 1));
	return work;
}

/* The cart before any discount. */
void
decide_cart_begin(CartWork *work, const Program *program, const Cart *cart)
{
	int64		goods = 0;

	work->cart = cart;
	work->on_initial = program->cart.on_initial;
	work->shipping = cart->shipping;
	work->nruns = 0;
	work->nspent = 0;
	work->nrows = 0;
	for (int i = 0; i < cart->lines.n; i++)
	{
		work->lines[i].left = cart->lines.lines[i].gross;
		work->lines[i].first_run = -1;
		work->lines[i].nruns = 0;
		goods = amount_add(goods, cart->lines.lines[i].gross);
	}
	work->room = Max(goods - program->cart.min_payable, 0);
}

/* The state of a cart as another stands; what it has come to is its own. */
void
decide_cart_copy(CartWork *to, const CartWork *from)
{
	if (to->max_runs < from->nruns)
	{
		to->max_runs = from->max_runs;
		to->runs = repalloc_huge(to->runs, sizeof(Run) * to->max_runs);
	}
	if (to->max_spent < from->nspent)
	{
		to->max_spent = from->max_spent;
		to->spent = repalloc_huge(to->spent, sizeof(Spent) * to->max_spent);
	}
	to->cart = from->cart;
	to->on_initial = from->on_initial;
	to->room = from->room;
	to->shipping = from->shipping;
	to->nruns = from->nruns;
	memcpy(to->lines, from->lines, sizeof(WorkLine) * from->cart->lines.n);
	memcpy(to->runs, from->runs, sizeof(Run) * from->nruns);
	to->nspent = from->nspent;
	memcpy(to->spent, from->spent, sizeof(Spent) * from->nspent);
}

/* Rounds a share down; returns by how much, in parts of total. */
static inline uint64
share_down(Part *part, uint64 amount, uint64 total)
{
	/* neither factor is above the total */
	if (total <= PG_UINT32_MAX)
	{
		uint64		product = amount * part->weight;

		part->share = product / total;
		return product % total;
	}
	else
	{
		uint128		product = (uint128) amount * part->weight;

		part->share = product / total;
		return product % total;
	}
}

/*
 * Spreads an amount over the parts by their weights, which are never
 * exceeded: the amount is at most their sum.
 */
static void
spread(CartWork *work, int64 amount)
{
	int64		total = 0;
	int64		rest = amount;

	for (int i = 0; i < work->nparts; i++)
		total += work->parts[i].weight;
	Assert(amount <= total);
	for (int i = 0; i < work->nparts; i++)
	{
		Part	   *part = &work->parts[i];
		Remainder  *remainder = &work->remainders[i];

		if (amount == total)
			part->share = part->weight;
		else
			remainder->remainder = share_down(part, amount, total);
		remainder->rank = work->cart->rank[part->line];
		remainder->part = i;
		rest -= part->share;
	}
	if (rest == 0)
		return;
	sort_remainders(work->remainders, work->nparts);
	for (int i = 0; i < rest; i++)
		work->parts[work->remainders[i].part].share++;
}

/* Cuts a saving, and says why. */
static int64
at_most(Applied *applied, int64 saving, int64 limit, const char *why)
{
	if (saving <= limit)
		return saving;
	applied->limited = why;
	return limit;
}

/* The saving by line of one more candidate. */
static int64 *
next_row(CartWork *work)
{
	Size		size = sizeof(int64) * (work->cart->lines.n + 1);
	int64	  **row = &work->rows[work->nrows++];

	if (*row == NULL)
		*row = MemoryContextAlloc(GetMemoryChunkContext(work), size);
	memset(*row, 0, size);
	return *row;
}

/* Takes the shares of the parts off their lines. */
static void
take_shares(CartWork *work, int64 *row)
{
	for (int i = 0; i < work->nparts; i++)
	{
		Part	   *part = &work->parts[i];

		if (part->share == 0)
			continue;
		row[part->line] += part->share;
		if (part->run >= 0)
			decide_cart_take_pieces(work, part);
		else
			decide_cart_take_line(work, part->line, part->share);
	}
}

/* What a ladder takes off, by the highest step that is reached. */
static int64
ladder_saving(const Candidate *candidate, int64 basis)
{
	const Coupon *coupon = candidate->coupon;
	int64		reached = coupon->steps_by_quantity ?
		candidate->quantity : candidate->amount;
	const CouponStep *step = NULL;
	int128		saving;

	for (int i = 0; i < coupon->nsteps; i++)
		if (coupon->steps[i].from <= reached)
			step = &coupon->steps[i];
	if (step == NULL)
		return 0;
	if (coupon->steps_percent)
		return decide_cart_percent(basis, step->off);
	if (!coupon->repeats)
		return step->off;
	saving = (int128) (reached / step->from) * step->off;
	return Min(saving, PG_INT64_MAX);
}

/*
 * Makes parts of whole lines, and returns what is to be taken off them; how
 * much is left of them is told, too.
 */
static int64
lines_saving(CartWork *work, const Candidate *candidate, int64 *left)
{
	const Coupon *coupon = candidate->coupon;
	int64		initial = 0;
	int64		basis;
	int			line = -1;

	*left = 0;
	while ((line = bms_next_member(candidate->target, line)) >= 0)
	{
		initial += work->cart->lines.lines[line].gross;
		if (work->lines[line].left == 0)
			continue;
		*left += work->lines[line].left;
		decide_cart_part(work, line, -1)->weight = work->lines[line].left;
	}
	basis = work->on_initial ? initial : *left;
	switch (coupon->kind)
	{
		case COUPON_AMOUNT:
			return coupon->amount;
		case COUPON_PERCENT:
			return decide_cart_percent(basis, coupon->percent);
		default:
			return ladder_saving(candidate, basis);
	}
}

/* The same for the kinds that take something off pieces. */
static int64
pieces_saving(CartWork *work, const Candidate *candidate, int64 *left)
{
	int64		saving = decide_cart_pieces(work, candidate);

	*left = 0;
	for (int i = 0; i < work->nparts; i++)
		*left += work->parts[i].weight;
	return saving;
}

/* What is to be taken off, within all limits but that of the budget. */
static int64
saving_of(CartWork *work, const Candidate *candidate, Applied *applied)
{
	const Coupon *coupon = candidate->coupon;
	bool		of_shipping = coupon->kind == COUPON_SHIPPING;
	int64		left;
	int64		saving;

	work->nparts = 0;
	if (of_shipping)
	{
		left = work->shipping;
		saving = coupon->amount < 0 ? left : coupon->amount;
	}
	else if (decide_cart_by_piece(coupon))
		saving = pieces_saving(work, candidate, &left);
	else
		saving = lines_saving(work, candidate, &left);
	if (coupon->max_discount >= 0)
		saving = at_most(applied, saving, coupon->max_discount,
						 "max_discount");
	saving = at_most(applied, saving, left, "amount_left");
	if (!of_shipping)
		saving = at_most(applied, saving, work->room, "min_payable");
	return saving;
}

/* What this order has used of a template's discount budget. */
static Spent *
spent_of(CartWork *work, const Coupon *coupon)
{
	Spent	   *spent;

	for (int i = 0; i < work->nspent; i++)
		if (work->spent[i].coupon_id == coupon->coupon_id)
			return &work->spent[i];
	work->spent = decide_cart_grown(work->spent, work->nspent,
									&work->max_spent, sizeof(Spent));
	spent = &work->spent[work->nspent++];
	spent->coupon_id = coupon->coupon_id;
	spent->amount = 0;
	return spent;
}

/* Takes a saving from the budget, if it has a limit; false: it is too much. */
static bool
spend(CartWork *work, const Candidate *candidate, int64 saving)
{
	Spent	   *spent;

	if (candidate->left < 0)
		return true;
	spent = spent_of(work, candidate->coupon);
	if (saving > candidate->left - spent->amount)
		return false;
	spent->amount += saving;
	return true;
}

void
decide_cart_apply(CartWork *work, const Candidate *candidate,
				  Applied *applied)
{
	CouponKind	kind = candidate->coupon->kind;
	int64		saving;

	/* what they give is no part of the price */
	if (kind == COUPON_GIFT || kind == COUPON_MULTIPLIER)
		return;
	saving = saving_of(work, candidate, applied);
	if (saving == 0)
		applied->reason = COUPON_REASON_NO_EFFECT;
	else if (!spend(work, candidate, saving))
		applied->reason = COUPON_REASON_BUDGET_EXHAUSTED;
	else
	{
		applied->saving = saving;
		applied->line_saving = next_row(work);
		if (kind == COUPON_SHIPPING)
		{
			work->shipping -= saving;
			applied->line_saving[work->cart->lines.n] = saving;
			return;
		}
		spread(work, saving);
		take_shares(work, applied->line_saving);
		work->room -= saving;
	}
}

/* The candidates in use, in the order in which they are applied. */
static int
in_order(const Candidate *candidates, const Bitmapset *use, int *order)
{
	int			n = 0;
	int			i = -1;

	while ((i = bms_next_member(use, i)) >= 0)
	{
		int			at = n++;

		for (; at > 0 && candidates[order[at - 1]].place > candidates[i].place;
			 at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
	return n;
}

static void
pricing_begin(Pricing *pricing, const Program *program, const Cart *cart,
			  const Candidate *candidates, int ncandidates)
{
	if (pricing->work == NULL)
	{
		pricing->work = decide_cart_work(cart, ncandidates);
		pricing->nets = palloc(sizeof(int64) * Max(cart->lines.n, 1));
		pricing->applied = palloc(sizeof(Applied) * Max(ncandidates, 1));
		pricing->napplied = ncandidates;
	}
	decide_cart_begin(pricing->work, program, cart);
	memset(pricing->applied, 0, sizeof(Applied) * ncandidates);
	for (int i = 0; i < ncandidates; i++)
	{
		Applied    *applied = &pricing->applied[i];

		applied->reason = decide_cart_reason(&candidates[i]);
		if (applied->reason == COUPON_REASON_MIN_AMOUNT ||
			applied->reason == COUPON_REASON_MIN_QUANTITY)
			applied->missing = candidates[i].missing;
	}
}

static void
pricing_end(Pricing *pricing, const Cart *cart)
{
	const CartWork *work = pricing->work;

	pricing->goods = 0;
	pricing->shipping = work->shipping;
	pricing->discount = cart->shipping - work->shipping;
	for (int i = 0; i < cart->lines.n; i++)
	{
		pricing->nets[i] = work->lines[i].left;
		pricing->goods += work->lines[i].left;
		pricing->discount += cart->lines.lines[i].gross - work->lines[i].left;
	}
}

void
decide_cart_price(const Program *program, const Cart *cart,
				  const Candidate *candidates, int ncandidates,
				  const Bitmapset *use, Pricing *pricing)
{
	CartWork   *work;
	int			n;

	pricing_begin(pricing, program, cart, candidates, ncandidates);
	work = pricing->work;
	n = in_order(candidates, use, work->order);
	for (int i = 0; i < n; i++)
	{
		Applied    *applied = &pricing->applied[work->order[i]];

		CHECK_FOR_INTERRUPTS();
		if (applied->reason == COUPON_APPLICABLE)
			decide_cart_apply(work, &candidates[work->order[i]], applied);
	}
	pricing_end(pricing, cart);
}

/*
 * A coupon saves most when it is alone, but for this: if it takes the
 * cheapest pieces, others may have made those of no interest.  So here it
 * takes the dearest.  How many pieces are bought depends on which are got,
 * if a line counts for both; then no better bound is known than all of them.
 */
int64
decide_cart_most(const Program *program, const Cart *cart,
				 const Candidate *candidate)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "most that a coupon saves",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(scratch);
	Coupon		coupon = *candidate->coupon;
	Candidate	alone = *candidate;
	Pricing		pricing = {0};
	int64		most;

	alone.coupon = &coupon;
	alone.left = -1;
	if (coupon.kind == COUPON_BUY_GET && coupon.has_target &&
		bms_overlap(candidate->match, candidate->target))
	{
		coupon.kind = COUPON_PERCENT;
		coupon.percent = WHOLE_PERCENT;
	}
	else if (coupon.kind != COUPON_BUY_GET || coupon.has_target)
		coupon.dearest = true;
	decide_cart_price(program, cart, &alone, 1, bms_make_singleton(0),
					  &pricing);
	most = pricing.applied[0].saving;
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	return candidate->left >= 0 ? Min(most, candidate->left) : most;
}
