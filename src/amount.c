/*
 * amount.c
 *
 * Exact arithmetic on amounts.  No float comes near them.
 */
#include "amount.h"

#include "common/int.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(loyalty_unit_amount);

/* Minor units of the digits of a finite number. */
static Refusal
parse_digits(const char *c, int scale, int64 *minor)
{
	bool		negative = *c == '-';
	bool		fraction = false;
	int64		value = 0;

	if (negative)
		c++;
	for (; *c != '\0'; c++)
	{
		if (*c == '.')
		{
			fraction = true;
			continue;
		}
		if (fraction && scale == 0)
		{
			if (*c != '0')
				return REFUSAL_AMOUNT_SCALE;
			continue;
		}
		if (fraction)
			scale--;
		value = value * 10 + (*c - '0');
		if (value > AMOUNT_MAX)
			return REFUSAL_AMOUNT_TOO_LARGE;
	}
	for (; scale > 0; scale--)
	{
		value *= 10;
		if (value > AMOUNT_MAX)
			return REFUSAL_AMOUNT_TOO_LARGE;
	}
	*minor = negative ? -value : value;
	return REFUSAL_NONE;
}

/*
 * Converts to minor units of 10^-scale.  Refuses what is not finite, has
 * more decimals, or is beyond AMOUNT_MAX; *minor is then 0.
 */
Refusal
amount_parse(Numeric amount, int scale, int64 *minor)
{
	char	   *text;
	Refusal		refusal;

	*minor = 0;
	if (numeric_is_nan(amount) || numeric_is_inf(amount))
		return REFUSAL_AMOUNT_NOT_FINITE;
	text = DatumGetCString(DirectFunctionCall1(numeric_out,
											   NumericGetDatum(amount)));
	refusal = parse_digits(text, scale, minor);
	pfree(text);
	return refusal;
}

/* Minor units as numeric with `scale` decimals. */
Numeric
amount_numeric(int64 minor, int scale)
{
	return int64_div_fast_to_numeric(minor, scale);
}

/* The same as text, for details of errors. */
char *
amount_text(int64 minor, int scale)
{
	return numeric_normalize(amount_numeric(minor, scale));
}

/* unit_amount(minor bigint, scale int): for views and reports. */
Datum
loyalty_unit_amount(PG_FUNCTION_ARGS)
{
	int64		minor = PG_GETARG_INT64(0);
	int32		scale = PG_GETARG_INT32(1);

	if (scale < 0 || scale > 4)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("scale must be between 0 and 4")));
	PG_RETURN_NUMERIC(amount_numeric(minor, scale));
}

int64
amount_add(int64 a, int64 b)
{
	int64		sum;

	if (pg_add_s64_overflow(a, b, &sum))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("amount out of range")));
	return sum;
}

/*
 * floor(amount * part / whole), for amounts that are not negative and a
 * whole that is positive.
 */
int64
amount_share(int64 amount, int64 part, int64 whole)
{
	int128		share = (int128) amount * part / whole;

	if (share > PG_INT64_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("amount out of range")));
	return (int64) share;
}

typedef struct Remainder
{
	int			index;
	int64		remainder;
} Remainder;

/* Largest first, ties by index. */
static int
compare_remainders(const void *a, const void *b)
{
	const Remainder *x = a;
	const Remainder *y = b;

	if (x->remainder != y->remainder)
		return x->remainder > y->remainder ? -1 : 1;
	return x->index - y->index;
}

/*
 * Spreads an amount over weights by largest remainder, ties by position, so
 * that the shares add up to it exactly.  amount <= sum(weights) keeps every
 * share within its weight.  All weights zero: nothing is spread.
 */
void
amount_allocate(int64 amount, const int64 *weights, int n, int64 *shares)
{
	int64		total = 0;
	int64		left = amount;
	Remainder  *remainders = palloc(sizeof(Remainder) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		total = amount_add(total, weights[i]);
		shares[i] = 0;
	}
	if (total == 0)
		return;
	for (int i = 0; i < n; i++)
	{
		int128		product = (int128) amount * weights[i];

		shares[i] = (int64) (product / total);
		remainders[i].index = i;
		remainders[i].remainder = (int64) (product % total);
		left -= shares[i];
	}
	qsort(remainders, n, sizeof(Remainder), compare_remainders);
	for (int i = 0; i < left; i++)
	{
		CHECK_FOR_INTERRUPTS();
		shares[remainders[i].index]++;
	}
	pfree(remainders);
}
