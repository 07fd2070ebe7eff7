/*
 * event_items.c
 *
 * Cart lines: their form, their worth, and their share of an order's amount.
 */
#include "event.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "amount.h"

#define QTY_SCALE 3

PG_FUNCTION_INFO_V1(loyalty_event_lines);

/* A field of a json object, NULL if it has none or it is null. */
JsonbValue *
item_field(const JsonbValue *item, const char *name, JsonbValue *buffer)
{
	JsonbValue *value = getKeyJsonValueFromContainer(item->val.binary.data,
													 name, strlen(name),
													 buffer);

	return value == NULL || value->type == jbvNull ? NULL : value;
}

/* A quantity in thousandths; qty is left as it is if none is given. */
bool
item_quantity(Call *call, const JsonbValue *item, int line, int64 *qty)
{
	JsonbValue	buffer;
	JsonbValue *value = item_field(item, "qty", &buffer);

	/* fields that nobody knows are kept, but this one would count as one */
	if (value == NULL && item_field(item, "quantity", &buffer) != NULL)
		return call_refuse(call, REFUSAL_ITEMS_INVALID,
						   "line %d: a line has no field \"quantity\", it is "
						   "qty", line);
	if (value == NULL)
		return true;
	if (value->type != jbvNumeric ||
		amount_parse(value->val.numeric, QTY_SCALE, qty) != REFUSAL_NONE ||
		*qty <= 0)
		return call_refuse(call, REFUSAL_ITEMS_INVALID,
						   "line %d: qty must be a positive number with at "
						   "most %d decimals", line, QTY_SCALE);
	return true;
}

/*
 * price x qty, rounded half away from zero to the currency's decimals.  False
 * if that is no amount, or the price is negative: a small one comes to 0.
 */
bool
item_gross(Numeric price, int64 qty, int scale, int64 *gross)
{
	Datum		product =
		DirectFunctionCall2(numeric_mul, NumericGetDatum(price),
							NumericGetDatum(amount_numeric(qty, QTY_SCALE)));

	if (DatumGetBool(DirectFunctionCall2(numeric_lt, product,
										 NumericGetDatum(int64_to_numeric(0)))))
		return false;
	product = DirectFunctionCall2(numeric_round, product,
								  Int32GetDatum(scale));
	return amount_parse(DatumGetNumeric(product), scale,
						gross) == REFUSAL_NONE;
}

static bool
gross_amount(Call *call, const JsonbValue *price, int64 qty, int line,
			 int64 *gross)
{
	if (price == NULL || price->type != jbvNumeric)
		return call_refuse(call, REFUSAL_ITEMS_INVALID,
						   "line %d: price must be a number", line);
	if (!item_gross(price->val.numeric, qty,
					call->decision.program->currency_scale, gross))
		return call_refuse(call, REFUSAL_ITEMS_INVALID,
						   "line %d: price is negative or too large", line);
	return true;
}

/* A field that may be missing, but must be a string if it is there. */
static bool
item_text(Call *call, const JsonbValue *item, const char *name, int line,
		  char **text)
{
	JsonbValue	buffer;
	JsonbValue *value = item_field(item, name, &buffer);

	*text = NULL;
	if (value == NULL)
		return true;
	if (value->type != jbvString)
		return call_refuse(call, REFUSAL_ITEMS_INVALID,
						   "line %d: %s must be a string", line, name);
	*text = pnstrdup(value->val.string.val, value->val.string.len);
	return true;
}

/* What the line cost after discounts, if it says so; else -1. */
static bool
item_net(Call *call, const JsonbValue *value, int line, int64 *net)
{
	*net = -1;
	if (value == NULL)
		return true;
	if (value->type != jbvNumeric ||
		amount_parse(value->val.numeric,
					 call->decision.program->currency_scale,
					 net) != REFUSAL_NONE ||
		*net < 0)
		return call_refuse(call, REFUSAL_ITEMS_INVALID,
						   "line %d: net must be an amount, not negative",
						   line);
	return true;
}

static bool
parse_item(Call *call, const JsonbValue *value, int line, CartLine *item)
{
	JsonbValue	sku_buffer;
	JsonbValue	price_buffer;
	JsonbValue	net_buffer;
	JsonbValue *sku;

	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		return call_refuse(call, REFUSAL_ITEMS_INVALID,
						   "line %d must be a json object", line);
	sku = item_field(value, "sku", &sku_buffer);
	if (sku == NULL || sku->type != jbvString || sku->val.string.len == 0)
		return call_refuse(call, REFUSAL_ITEMS_INVALID,
						   "line %d: sku must be a string", line);
	item->sku = pnstrdup(sku->val.string.val, sku->val.string.len);
	item->qty = 1000;
	return item_text(call, value, "category", line, &item->category) &&
		item_text(call, value, "brand", line, &item->brand) &&
		item_quantity(call, value, line, &item->qty) &&
		gross_amount(call, item_field(value, "price", &price_buffer),
					 item->qty, line, &item->gross) &&
		item_net(call, item_field(value, "net", &net_buffer), line,
				 &item->net);
}

/* All lines have a net, or none. */
static bool
check_net(Call *call, CartLines *list, int line)
{
	bool		has_net = list->lines[line].net >= 0;

	if (line == 0)
		list->has_nets = has_net;
	if (list->has_nets != has_net)
		return call_refuse(call, REFUSAL_ITEMS_INVALID,
						   "line %d: %s", line + 1, has_net ?
						   "the lines before it have no net" :
						   "net is missing, the lines before it have one");
	return true;
}

/* Reads the lines of a cart, or refuses what is not one. */
bool
items_parse(Call *call, const Jsonb *json, CartLines *list)
{
	int			n = JB_ROOT_COUNT(json);
	int64		total = 0;

	if (!JB_ROOT_IS_ARRAY(json) || JB_ROOT_IS_SCALAR(json) || n == 0)
		return call_refuse(call, REFUSAL_ITEMS_INVALID,
						   "items must be a json array of at least one line");
	if (n > MAX_CART_LINES)
		return call_refuse(call, REFUSAL_INPUT_TOO_LARGE,
						   "items has %d lines, at most %d", n, MAX_CART_LINES);
	list->n = n;
	list->lines = palloc(sizeof(CartLine) * n);
	for (int i = 0; i < n; i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(unconstify(JsonbContainer *, &json->root),
														  i);

		CHECK_FOR_INTERRUPTS();
		if (!parse_item(call, value, i + 1, &list->lines[i]) ||
			!check_net(call, list, i))
			return false;
		total = amount_add(total, list->lines[i].gross);
		if (total > AMOUNT_MAX)
			return call_refuse(call, REFUSAL_AMOUNT_TOO_LARGE,
							   "the lines add up to too much");
	}
	return true;
}

enum event_lines_argument
{
	LINES_ITEMS,
	LINES_AMOUNT,
	LINES_CURRENCY_SCALE
};

enum event_lines_column
{
	LINES_LINE,
	LINES_SKU,
	LINES_CATEGORY,
	LINES_BRAND,
	LINES_QUANTITY,
	LINES_GROSS,
	LINES_NET,
	LINES_COLUMNS
};

/*
 * event_lines(items, amount, currency_scale): the lines of an order that was
 * recorded, with what each contributed to its amount.
 */
Datum
loyalty_event_lines(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Program		program = {.currency_scale =
		PG_GETARG_INT32(LINES_CURRENCY_SCALE)};
	/* in this mode a refusal is an error */
	Call		call = {.mode = MODE_DO, .decision = {.program = &program}};
	CartLines	list;
	int64	   *nets;

	InitMaterializedSRF(fcinfo, 0);
	items_parse(&call, PG_GETARG_JSONB_P(LINES_ITEMS), &list);
	nets = cart_nets(&list, PG_GETARG_INT64(LINES_AMOUNT));
	for (int i = 0; i < list.n; i++)
	{
		const CartLine *line = &list.lines[i];
		Datum		values[LINES_COLUMNS];
		bool		nulls[LINES_COLUMNS] = {false};

		values[LINES_LINE] = Int32GetDatum(i + 1);
		values[LINES_SKU] = CStringGetTextDatum(line->sku);
		nulls[LINES_CATEGORY] = line->category == NULL;
		if (line->category != NULL)
			values[LINES_CATEGORY] = CStringGetTextDatum(line->category);
		nulls[LINES_BRAND] = line->brand == NULL;
		if (line->brand != NULL)
			values[LINES_BRAND] = CStringGetTextDatum(line->brand);
		values[LINES_QUANTITY] = Int64GetDatum(line->qty);
		values[LINES_GROSS] = Int64GetDatum(line->gross);
		values[LINES_NET] = Int64GetDatum(nets[i]);
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}
