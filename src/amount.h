/*
 * amount.h
 *
 * Amounts: numeric outside, int64 in minor units inside.
 */
#ifndef LOYALTY_AMOUNT_H
#define LOYALTY_AMOUNT_H

#include "loyalty.h"

#include "utils/numeric.h"

#pragma GCC visibility push(hidden)

/* JSON and every client keep integers up to here. */
#define AMOUNT_MAX (INT64CONST(1) << 53)

extern Refusal amount_parse(Numeric amount, int scale, int64 *minor);
extern Numeric amount_numeric(int64 minor, int scale);
extern char *amount_text(int64 minor, int scale);

extern int64 amount_add(int64 a, int64 b);
extern int64 amount_share(int64 amount, int64 part, int64 whole);
extern void amount_allocate(int64 amount, const int64 *weights, int n,
							int64 *shares);

#pragma GCC visibility pop

#endif							/* LOYALTY_AMOUNT_H */
