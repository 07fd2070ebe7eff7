/*
 * benefit_price.c
 *
 * Price lists.  They may be long, so they are not compiled with the
 * programme: the rows that a cart needs are looked up by key.
 */
#include "benefit.h"

#include "utils/builtins.h"

/* Reads with the caller's snapshot. */
static Statement select_prices = {
	"WITH asked AS ("
	"SELECT l.line::int - 1 AS line, k.kind, k.value"
	" FROM unnest($3, $4, $5)"
	" WITH ORDINALITY l (sku, category, brand, line)"
	" CROSS JOIN LATERAL (VALUES ('sku', l.sku), ('category', l.category),"
	" ('brand', l.brand)) k (kind, value)"
	" WHERE k.value IS NOT NULL)"
	" SELECT a.line, p.name, CASE p.kind WHEN 'sku' THEN 3"
	" WHEN 'category' THEN 1 ELSE 0 END, p.price,"
	" (p.percent_off * 1000)::int"
	" FROM asked a JOIN loyalty.price_list p"
	" ON p.program_id = $1 AND p.name = ANY ($2)"
	" AND p.kind = a.kind AND p.value = a.value"
	" UNION ALL"
	" SELECT a.line, p.name, 2, p.price, (p.percent_off * 1000)::int"
	" FROM loyalty.price_list p CROSS JOIN asked a"
	" WHERE p.program_id = $1 AND p.name = ANY ($2)"
	" AND p.kind = 'collection' AND EXISTS ("
	"SELECT FROM loyalty.collection_item i WHERE i.program_id = $1"
	" AND i.collection = p.value AND i.kind = a.kind AND i.value = a.value)"
	" ORDER BY 1, 2, 3",
	5, {INT4OID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

/* An array of texts, of which some may be missing. */
static NullableDatum
texts(const char *const *values, int n)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(n, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(n, 1));
	int			dims[] = {n};
	int			lower[] = {1};

	for (int i = 0; i < n; i++)
	{
		nulls[i] = values[i] == NULL;
		elements[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(values[i]);
	}
	return ARG(PointerGetDatum(construct_md_array(elements, nulls, 1, dims,
												  lower, TEXTOID, -1, false,
												  TYPALIGN_INT)));
}

ListPrice *
benefit_prices(int32 program_id, const NameList *lists, const Priced *lines,
			   int nlines, int *nprices)
{
	const char **columns[3];
	NullableDatum args[5];
	ListPrice  *prices;

	for (int c = 0; c < lengthof(columns); c++)
		columns[c] = palloc(sizeof(char *) * Max(nlines, 1));
	for (int i = 0; i < nlines; i++)
	{
		columns[0][i] = lines[i].sku;
		columns[1][i] = lines[i].category;
		columns[2][i] = lines[i].brand;
	}
	args[0] = ARG(Int32GetDatum(program_id));
	args[1] = texts((const char *const *) lists->names, lists->n);
	for (int c = 0; c < lengthof(columns); c++)
		args[2 + c] = texts(columns[c], nlines);
	*nprices = statement_run(&select_prices, args, true);
	prices = palloc(sizeof(ListPrice) * Max(*nprices, 1));
	for (int i = 0; i < *nprices; i++)
	{
		prices[i].line = DatumGetInt32(statement_notnull(i, 1));
		prices[i].list = statement_text(i, 2);
		prices[i].exactness = DatumGetInt32(statement_notnull(i, 3));
		prices[i].price = (Numeric) statement_varlena(i, 4);
		prices[i].percent_off = statement_int32_or(i, 5, 0);
	}
	return prices;
}
