/*
 * decide_cart_piece.c
 *
 * What coupons take off single pieces: a new price, a price for several, so
 * many for nothing.  Pieces of one price of one line are never looked at one
 * by one, so that a line of a million of them costs what a line of one does.
 */
#include "decide_cart_work.h"

#include "amount.h"

#define THOUSANDTHS 1000

/* A line that was cut so often is not cut further: its pieces share. */
#define MAX_LINE_RUNS 16

/* By price; of one price, lines of a lower rank first. */
static inline int
compare_pieces(const Pieces *a, const Pieces *b, bool dearest)
{
	if (a->price != b->price)
		return (a->price > b->price) == dearest ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank - b->rank;
	return a->part - b->part;
}

#define ST_SORT sort_pieces
#define ST_ELEMENT_TYPE Pieces
#define ST_COMPARE(a, b, dearest) compare_pieces(a, b, *(dearest))
#define ST_COMPARE_ARG_TYPE bool
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* Appends a run to a line. */
static Run *
add_run(CartWork *work, int line)
{
	WorkLine   *state = &work->lines[line];
	Run		   *run;

	work->runs = decide_cart_grown(work->runs, work->nruns, &work->max_runs,
								   sizeof(Run));
	run = &work->runs[work->nruns];
	run->next = state->first_run;
	state->first_run = work->nruns++;
	state->nruns++;
	return run;
}

/* Cuts a line into its whole pieces and the rest. */
static void
cut_line(CartWork *work, int line)
{
	const CartLine *item = &work->cart->lines.lines[line];
	int64		left = work->lines[line].left;
	int64		whole = item->qty - item->qty % THOUSANDTHS;
	Run		   *run = add_run(work, line);

	run->count = item->qty / THOUSANDTHS;
	run->initial = amount_share(item->gross, whole, item->qty);
	run->left = amount_share(left, whole, item->qty);
	if (whole < item->qty)
	{
		Run			pieces = *run;

		run = add_run(work, line);
		run->count = 0;
		run->initial = item->gross - pieces.initial;
		run->left = left - pieces.left;
	}
}

static void
add_pieces(CartWork *work, int64 price, int64 count, bool counts)
{
	Pieces	   *pieces;

	if (count == 0)
		return;
	work->pieces = decide_cart_grown(work->pieces, work->npieces,
									 &work->max_pieces, sizeof(Pieces));
	pieces = &work->pieces[work->npieces++];
	pieces->price = price;
	pieces->count = count;
	pieces->part = work->nparts - 1;
	pieces->rank = work->cart->rank[work->parts[pieces->part].line];
	pieces->counts = counts;
	pieces->picked = 0;
	pieces->saving = 0;
	pieces->open = 0;
}

/* Lists the pieces of a line, by run and price. */
static void
list_line(CartWork *work, const Candidate *candidate, int line)
{
	bool		counts = bms_is_member(line, candidate->match);

	if (work->lines[line].first_run < 0)
		cut_line(work, line);
	for (int i = work->lines[line].first_run; i >= 0; i = work->runs[i].next)
	{
		const Run  *run = &work->runs[i];
		int64		basis = work->on_initial ? run->initial : run->left;

		if (run->count == 0)
			continue;
		decide_cart_part(work, line, i);
		add_pieces(work, basis / run->count + 1, basis % run->count, counts);
		add_pieces(work, basis / run->count,
				   run->count - basis % run->count, counts);
	}
}

static void
pick(Pieces *pieces, int64 count, int64 saving)
{
	pieces->picked += count;
	pieces->saving += saving;
}

/* How often, or how many pieces, a coupon is for. */
static int64
times_of(const Coupon *coupon)
{
	return coupon->max_times > 0 ? coupon->max_times : PG_INT64_MAX;
}

/* Is there anything left of them to take off? */
static bool
has_left(const CartWork *work, const Pieces *pieces)
{
	return work->runs[work->parts[pieces->part].run].left > 0;
}

/* The first so many pieces that are dearer get a new price. */
static void
pick_price(CartWork *work, int64 price, int64 times)
{
	for (int i = 0; i < work->npieces && times > 0; i++)
	{
		Pieces	   *pieces = &work->pieces[i];
		int64		count = Min(pieces->count, times);

		if (pieces->price <= price || !has_left(work, pieces))
			continue;
		pick(pieces, count, count * (pieces->price - price));
		times -= count;
	}
}

/*
 * A group of pieces is complete, that are open in [first, last]: takes a
 * saving off them in proportion to their prices.
 */
static void
pick_group(CartWork *work, int first, int last, int64 total, int64 saving)
{
	for (int i = first; i <= last; i++)
	{
		Pieces	   *pieces = &work->pieces[i];
		int64		amount = pieces->price * pieces->open;
		int64		share = total == 0 ? 0 :
			amount_share(saving, amount, total);

		pick(pieces, pieces->open, share);
		total -= amount;
		saving -= share;
	}
}

/* Groups of so many pieces, as they are sorted, get a price together. */
static void
pick_bundles(CartWork *work, const Coupon *coupon)
{
	int64		times = times_of(coupon);
	int64		filled = 0;
	int64		total = 0;
	int			first = 0;

	for (int i = 0; i < work->npieces && times > 0; i++)
	{
		Pieces	   *pieces = &work->pieces[i];
		int64		count = pieces->count;

		/* the group that those before have begun */
		if (filled > 0)
		{
			pieces->open = Min(count, coupon->buy - filled);
			filled += pieces->open;
			total += pieces->open * pieces->price;
			if (filled < coupon->buy)
				continue;
			if (total > coupon->amount)
			{
				pick_group(work, first, i, total, total - coupon->amount);
				times--;
			}
			count -= pieces->open;
		}
		/* groups of these alone */
		if (count >= coupon->buy &&
			pieces->price * coupon->buy > coupon->amount)
		{
			int64		n = Min(count / coupon->buy, times);

			pick(pieces, n * coupon->buy,
				 n * (pieces->price * coupon->buy - coupon->amount));
			times -= n;
		}
		/* and the beginning of the next */
		filled = count % coupon->buy;
		pieces->open = filled;
		total = filled * pieces->price;
		first = i;
	}
}

/* How many of the first n pieces are the last, or first, of their group. */
static int64
got_among(const Coupon *coupon, int64 n)
{
	int			group = coupon->buy + coupon->get;
	int64		over = n % group - (coupon->dearest ? 0 : coupon->buy);

	return n / group * coupon->get + Min(Max(over, 0), coupon->get);
}

/* Of each group of pieces, dearest first, some are reduced. */
static void
pick_got(CartWork *work, const Coupon *coupon)
{
	int			group = coupon->buy + coupon->get;
	int64		all = 0;
	int64		end;
	int64		n = 0;

	for (int i = 0; i < work->npieces; i++)
		all += work->pieces[i].count;
	end = Min(all / group, times_of(coupon)) * group;
	for (int i = 0; i < work->npieces && n < end; i++)
	{
		Pieces	   *pieces = &work->pieces[i];
		int64		until = Min(n + pieces->count, end);
		int64		count = got_among(coupon, until) - got_among(coupon, n);

		pick(pieces, count, count * decide_cart_percent(pieces->price,
														coupon->percent));
		n = until;
	}
}

/* How many whole pieces there are. */
static int64
count_pieces(const CartWork *work, const Bitmapset *lines)
{
	int64		count = 0;
	int			line = -1;

	while ((line = bms_next_member(lines, line)) >= 0)
		count += work->cart->lines.lines[line].qty / THOUSANDTHS;
	return count;
}

/*
 * The most of some pieces that can be got, besides those got already, so
 * that enough bought ones remain: a piece that is got is not bought.
 */
static int64
most_got(const Coupon *coupon, const Pieces *pieces, int64 got, int64 bought)
{
	int64		low = 0;
	int64		high = pieces->count;

	while (low < high)
	{
		int64		middle = high - (high - low) / 2;
		int64		rest = pieces->counts ? bought - middle : bought;
		int64		times = (got + middle - 1) / coupon->get + 1;

		if (times <= rest / coupon->buy && times <= times_of(coupon))
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

/* For pieces bought among some lines, pieces of others are reduced. */
static void
pick_got_of_target(CartWork *work, const Candidate *candidate)
{
	const Coupon *coupon = candidate->coupon;
	int64		bought = count_pieces(work, candidate->match);
	int64		got = 0;

	for (int i = 0; i < work->npieces; i++)
	{
		Pieces	   *pieces = &work->pieces[i];
		int64		count = most_got(coupon, pieces, got, bought);

		pick(pieces, count, count * decide_cart_percent(pieces->price,
														coupon->percent));
		got += count;
		if (pieces->counts)
			bought -= count;
		if (count < pieces->count)
			break;
	}
}

/* Picks the pieces that a coupon reduces. */
static void
pick_pieces(CartWork *work, const Candidate *candidate)
{
	const Coupon *coupon = candidate->coupon;

	switch (coupon->kind)
	{
		case COUPON_PRICE:
			pick_price(work, coupon->amount, times_of(coupon));
			break;
		case COUPON_EXCHANGE:
			pick_price(work, 0, Max(coupon->max_times, 1));
			break;
		case COUPON_BUNDLE:
			pick_bundles(work, coupon);
			break;
		default:
			if (coupon->has_target)
				pick_got_of_target(work, candidate);
			else
				pick_got(work, coupon);
	}
}

/* What is left of the pieces of a part before it is reduced. */
static int64
part_left(const CartWork *work, const Part *part)
{
	const Run  *run = &work->runs[part->run];

	if (part->count == run->count)
		return run->left;
	return work->on_initial ?
		amount_share(run->left, part->basis, Max(run->initial, 1)) :
		part->basis;
}

int64
decide_cart_pieces(CartWork *work, const Candidate *candidate)
{
	const Coupon *coupon = candidate->coupon;
	int64		saving = 0;
	/* groups are made alike: which of a group are got is picked later */
	bool		dearest = coupon->dearest ||
		(coupon->kind == COUPON_BUY_GET && !coupon->has_target);
	int			line = -1;

	work->npieces = 0;
	while ((line = bms_next_member(candidate->target, line)) >= 0)
		list_line(work, candidate, line);
	sort_pieces(work->pieces, work->npieces, &dearest);
	pick_pieces(work, candidate);
	for (int i = 0; i < work->npieces; i++)
	{
		const Pieces *pieces = &work->pieces[i];
		Part	   *part = &work->parts[pieces->part];

		part->count += pieces->picked;
		part->basis += pieces->picked * pieces->price;
		part->weight += pieces->saving;
		saving += pieces->saving;
	}
	for (int i = 0; i < work->nparts; i++)
	{
		Part	   *part = &work->parts[i];

		part->left = part_left(work, part);
		part->weight = Min(part->weight, part->left);
	}
	return saving;
}

/* The run of a line to which pieces go; NULL: there is no room for one. */
static Run *
run_for(CartWork *work, int line, const Run *pieces)
{
	Run		   *run;

	for (int i = work->lines[line].first_run; i >= 0; i = run->next)
	{
		run = &work->runs[i];
		/* of one price each, and of the same */
		if (run->count > 0 &&
			run->initial % run->count == 0 &&
			run->left % run->count == 0 &&
			run->initial / run->count * pieces->count == pieces->initial &&
			run->left / run->count * pieces->count == pieces->left)
			return run;
	}
	if (work->lines[line].nruns >= MAX_LINE_RUNS)
		return NULL;
	run = add_run(work, line);
	run->count = 0;
	run->initial = 0;
	run->left = 0;
	return run;
}

/* Takes a share off the pieces of a part, which leave their run. */
void
decide_cart_take_pieces(CartWork *work, const Part *part)
{
	Run		   *run = &work->runs[part->run];
	Run			reduced;
	Run		   *to;

	work->lines[part->line].left -= part->share;
	run->left -= part->share;
	if (part->count == run->count)
		return;
	reduced.count = part->count;
	reduced.initial = work->on_initial ? part->basis :
		amount_share(run->initial, part->count, run->count);
	reduced.left = part->left - part->share;
	to = run_for(work, part->line, &reduced);
	if (to == NULL)
		return;
	/* it may have moved */
	run = &work->runs[part->run];
	run->count -= reduced.count;
	run->initial -= reduced.initial;
	run->left -= reduced.left;
	to->count += reduced.count;
	to->initial += reduced.initial;
	to->left += reduced.left;
}

/* Takes an amount off a line, off its runs in proportion to what is left. */
void
decide_cart_take_line(CartWork *work, int line, int64 amount)
{
	WorkLine   *state = &work->lines[line];
	int64		left = state->left;

	state->left -= amount;
	for (int i = state->first_run; i >= 0; i = work->runs[i].next)
	{
		Run		   *run = &work->runs[i];
		int64		share = left == 0 ? 0 :
			amount_share(amount, run->left, left);

		left -= run->left;
		run->left -= share;
		amount -= share;
	}
}
