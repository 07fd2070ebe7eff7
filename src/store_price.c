/*
 * store_price.c
 *
 * What a member's benefits make of the prices of a cart.  Price lists are
 * configuration, so they are read with the caller's snapshot, without a lock.
 */
#include "store.h"

/* What the benefits of kind price need to be told; 0: there are none. */
int
store_price_needs(const Program *program)
{
	int			needs = 0;

	for (int i = 0; i < program->nbenefits; i++)
		if (program->benefits[i].active &&
			program->benefits[i].kind == BENEFIT_PRICE)
			needs |= program_benefit_needs(&program->benefits[i]);
	return needs;
}

/* The price benefits that count, by facts that are loaded. */
static void
find_benefits(const Program *program, const Facts *facts, TimestampTz at,
			  const text *channel, MemberPrices *prices, NameList *lists)
{
	prices->benefits = palloc(sizeof(Entitlement) * program->nbenefits);
	lists->n = 0;
	lists->names = palloc(sizeof(char *) * program->nbenefits);
	for (int i = 0; i < program->nbenefits; i++)
	{
		const Benefit *benefit = &program->benefits[i];

		if (benefit->kind != BENEFIT_PRICE ||
			!decide_benefit_applies(program, benefit, facts, at, channel,
									&prices->benefits[prices->n]))
			continue;
		prices->n++;
		if (benefit->price_list != NULL)
			lists->names[lists->n++] = benefit->price_list;
	}
}

/* Finds what lists and benefits say of the prices of lines. */
void
store_prices(const Program *program, const Facts *facts, TimestampTz at,
			 const text *channel, const CartLines *lines,
			 MemberPrices *prices)
{
	NameList	lists;
	Priced	   *asked;

	memset(prices, 0, sizeof(MemberPrices));
	if (program->nbenefits == 0)
		return;
	find_benefits(program, facts, at, channel, prices, &lists);
	if (lists.n == 0)
		return;
	asked = palloc(sizeof(Priced) * lines->n);
	for (int i = 0; i < lines->n; i++)
	{
		asked[i].sku = lines->lines[i].sku;
		asked[i].category = lines->lines[i].category;
		asked[i].brand = lines->lines[i].brand;
	}
	prices->rows = benefit_prices(program->program_id, &lists, asked,
								  lines->n, &prices->nrows);
}

/* The member's price of a line; lines are asked for in their order. */
Numeric
store_price(MemberPrices *prices, int line, Numeric price, int scale,
			const Entitlement **by)
{
	const ListPrice *first = prices->rows + prices->next;
	int			n = 0;

	while (prices->next < prices->nrows &&
		   prices->rows[prices->next].line == line)
	{
		prices->next++;
		n++;
	}
	return decide_member_price(prices->benefits, prices->n, first, n, price,
							   scale, by);
}
