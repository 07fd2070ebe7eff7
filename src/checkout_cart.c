/*
 * checkout_cart.c
 *
 * The document of a cart: its form, and what the member's prices make of it.
 */
#include "checkout.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "amount.h"
#include "decide_document.h"

/* What a cart may say; a misspelt field would cost the customer silently. */
static const char *const cart_fields[] = {
	"items", "shipping", "currency", "channel", "store", "staff",
	"payment_method", "data"
};

/* What the purchase's data says of the cart, and data itself may not. */
static const char *const reserved_data[] = {
	"channel", "store", "staff", "payment_method", "shipping", "points"
};

/* What is worked out of a line, and may not be given. */
static const char *const reserved_fields[] = {"net", "list", "line"};

static bool
is_listed(const char *const *names, int n, const JsonbValue *key)
{
	for (int i = 0; i < n; i++)
		if (strlen(names[i]) == key->val.string.len &&
			memcmp(names[i], key->val.string.val, key->val.string.len) == 0)
			return true;
	return false;
}

static JsonbValue *
cart_field(const Jsonb *json, const char *name, JsonbValue *buffer)
{
	JsonbValue *value =
		getKeyJsonValueFromContainer(unconstify(JsonbContainer *,
												&json->root),
									 name, strlen(name), buffer);

	return value == NULL || value->type == jbvNull ? NULL : value;
}

static bool
check_fields(Call *call, const Jsonb *json)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key;

	if (!JB_ROOT_IS_OBJECT(json))
		return call_refuse(call, REFUSAL_CART_INVALID,
						   "cart must be a json object");
	iterator = JsonbIteratorInit(unconstify(JsonbContainer *, &json->root));
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
		if (token == WJB_KEY &&
			!is_listed(cart_fields, lengthof(cart_fields), &key))
			return call_refuse(call, REFUSAL_CART_INVALID,
							   "a cart has no field \"%.*s\"",
							   Min(key.val.string.len, 64),
							   key.val.string.val);
	return true;
}

static bool
check_currency(Call *call, const Jsonb *json)
{
	const char *currency = call->decision.program->currency;
	JsonbValue	buffer;
	const JsonbValue *value = cart_field(json, "currency", &buffer);

	if (value == NULL)
		return true;
	if (value->type != jbvString)
		return call_refuse(call, REFUSAL_CART_INVALID,
						   "currency must be a string");
	if (value->val.string.len != strlen(currency) ||
		memcmp(value->val.string.val, currency, strlen(currency)) != 0)
		return call_refuse(call, REFUSAL_CART_INVALID,
						   "currency is not %s", currency);
	return true;
}

/* A field that must be a string if it is there, as the journal keeps it. */
static bool
read_text(Call *call, const Jsonb *json, const char *name, text **text)
{
	JsonbValue	buffer;
	const JsonbValue *value = cart_field(json, name, &buffer);

	*text = NULL;
	if (value == NULL)
		return true;
	if (value->type != jbvString)
		return call_refuse(call, REFUSAL_CART_INVALID, "%s must be a string",
						   name);
	*text = cstring_to_text_with_len(value->val.string.val,
									 value->val.string.len);
	return call_check_text(call, *text, REFUSAL_CART_INVALID, name);
}

static bool
read_shipping(Call *call, const Jsonb *json, int64 *shipping)
{
	int			scale = call->decision.program->currency_scale;
	JsonbValue	buffer;
	const JsonbValue *value = cart_field(json, "shipping", &buffer);

	*shipping = 0;
	if (value == NULL)
		return true;
	if (value->type != jbvNumeric)
		return call_refuse(call, REFUSAL_CART_INVALID,
						   "shipping must be a number");
	if (amount_parse(value->val.numeric, scale, shipping) != REFUSAL_NONE ||
		*shipping < 0)
		return call_refuse(call, REFUSAL_CART_INVALID,
						   "shipping is negative, too large or has more than "
						   "%d decimals", scale);
	return true;
}

/* Copies the fields of an object, apart from some. */
static void
push_fields(JsonbParseState **state, JsonbContainer *object,
			const char *const *but, int nbut)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	key;

	(void) JsonbIteratorNext(&iterator, &key, true);
	while (JsonbIteratorNext(&iterator, &key, true) == WJB_KEY)
	{
		JsonbValue	value;

		token = JsonbIteratorNext(&iterator, &value, true);
		if (is_listed(but, nbut, &key))
			continue;
		pushJsonbValue(state, WJB_KEY, &key);
		pushJsonbValue(state, token, &value);
	}
}

/* What the data of the purchase will say: data, and the cart's own fields. */
static bool
read_data(Call *call, const Jsonb *json, Cart *cart)
{
	JsonbValue	buffer;
	const JsonbValue *value = cart_field(json, "data", &buffer);
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (value != NULL)
	{
		if (value->type != jbvBinary ||
			!JsonContainerIsObject(value->val.binary.data))
			return call_refuse(call, REFUSAL_CART_INVALID,
							   "data must be a json object");
		for (int i = 0; i < lengthof(reserved_data); i++)
		{
			JsonbValue	field;

			if (getKeyJsonValueFromContainer(value->val.binary.data,
											 reserved_data[i],
											 strlen(reserved_data[i]),
											 &field) != NULL)
				return call_refuse(call, REFUSAL_CART_INVALID,
								   "data.%s: %s", reserved_data[i],
								   strcmp(reserved_data[i], "points") == 0 ?
								   "it is worked out, not given" :
								   "it is a field of the cart itself");
		}
		push_fields(&state, value->val.binary.data, NULL, 0);
	}
	if (cart->channel != NULL)
		push_cstring(&state, "channel", text_to_cstring(cart->channel));
	if (cart->store != NULL)
		push_cstring(&state, "store", text_to_cstring(cart->store));
	if (cart->staff != NULL)
		push_cstring(&state, "staff", text_to_cstring(cart->staff));
	push_cstring(&state, "payment_method", cart->payment_method);
	if (cart->shipping > 0)
		push_amount(&state, "shipping", cart->shipping,
					call->decision.program->currency_scale);
	cart->data = end_object(&state);
	return true;
}

/* No line says what is for us to say. */
static bool
check_lines(Call *call, const Cart *cart)
{
	for (int i = 0; i < cart->lines.n; i++)
	{
		const JsonbValue *item =
			getIthJsonbValueFromContainer(&cart->items->root, i);

		for (int f = 0; f < lengthof(reserved_fields); f++)
		{
			JsonbValue	buffer;

			if (item_field(item, reserved_fields[f], &buffer) != NULL)
				return call_refuse(call, REFUSAL_CART_INVALID,
								   "line %d: %s is worked out, not given",
								   i + 1, reserved_fields[f]);
		}
	}
	return true;
}

static bool
read_items(Call *call, const Jsonb *json, Cart *cart)
{
	JsonbValue	buffer;
	JsonbValue *value = cart_field(json, "items", &buffer);

	if (value == NULL)
		return call_refuse(call, REFUSAL_CART_INVALID, "items are missing");
	if (value->type != jbvBinary ||
		!JsonContainerIsArray(value->val.binary.data))
		return call_refuse(call, REFUSAL_CART_INVALID,
						   "items must be a json array");
	cart->items = JsonbValueToJsonb(value);
	if (!items_parse(call, cart->items, &cart->lines))
		return false;
	cart->list = palloc(sizeof(int64) * cart->lines.n);
	for (int i = 0; i < cart->lines.n; i++)
		cart->list[i] = cart->lines.lines[i].gross;
	return check_lines(call, cart);
}

/* Is what the order costs at most an amount? */
static bool
check_total(Call *call, const Cart *cart)
{
	int64		total = cart->shipping;

	for (int i = 0; i < cart->lines.n; i++)
		total = amount_add(total, cart->list[i]);
	if (total > AMOUNT_MAX)
		return call_refuse(call, REFUSAL_AMOUNT_TOO_LARGE,
						   "lines and shipping add up to too much");
	return true;
}

/*
 * Reads the document of a cart, or refuses what is not one.  Its lines have
 * the prices given until checkout_prices().
 */
bool
checkout_cart(Call *call, const Jsonb *json, Cart *cart)
{
	text	   *payment_method;

	memset(cart, 0, sizeof(Cart));
	if (!check_fields(call, json) || !check_currency(call, json) ||
		!read_items(call, json, cart) ||
		!read_shipping(call, json, &cart->shipping) ||
		!check_total(call, cart) ||
		!read_text(call, json, "channel", &cart->channel) ||
		!read_text(call, json, "store", &cart->store) ||
		!read_text(call, json, "staff", &cart->staff) ||
		!read_text(call, json, "payment_method", &payment_method))
		return false;
	if (payment_method != NULL)
		cart->payment_method = text_to_cstring(payment_method);
	return read_data(call, json, cart);
}

/*
 * Lines as they were given, with what was worked out: the price that counts
 * in place of the one given, which is kept as `list`, and the nets (NULL: not
 * known yet).  prices: NULL where the price given counts.
 */
Jsonb *
checkout_lines(const Cart *cart, const Numeric *prices, const int64 *nets,
			   int scale)
{
	static const char *const but[] = {"price"};
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < cart->lines.n; i++)
	{
		JsonbValue *item =
			getIthJsonbValueFromContainer(&cart->items->root, i);
		JsonbValue	buffer;
		JsonbValue *price = item_field(item, "price", &buffer);

		CHECK_FOR_INTERRUPTS();
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		push_fields(&state, item->val.binary.data, but,
					prices != NULL && prices[i] != NULL ? 1 : 0);
		if (prices != NULL && prices[i] != NULL)
		{
			push_key(&state, "list");
			pushJsonbValue(&state, WJB_VALUE, price);
			price->val.numeric = prices[i];
			push_key(&state, "price");
			pushJsonbValue(&state, WJB_VALUE, price);
		}
		if (nets != NULL)
			push_amount(&state, "net", nets[i], scale);
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/*
 * Puts the member's prices into the cart, where benefits make them lower than
 * the prices given.
 */
void
checkout_prices(Call *call, Quote *quote)
{
	const Program *program = call->decision.program;
	Cart	   *cart = &quote->cart;
	int			scale = program->currency_scale;
	Numeric    *changed = palloc0(sizeof(Numeric) * cart->lines.n);
	bool		any = false;
	MemberPrices prices;

	quote->price_by = palloc0(sizeof(Benefit *) * cart->lines.n);
	/* who is no member has no member's prices */
	if (call->member_id == 0)
		return;
	store_prices(program, quote->facts, quote->at, cart->channel,
				 &cart->lines, &prices);
	if (prices.n == 0)
		return;
	for (int i = 0; i < cart->lines.n; i++)
	{
		CartLine   *line = &cart->lines.lines[i];
		JsonbValue *item =
			getIthJsonbValueFromContainer(&cart->items->root, i);
		JsonbValue	buffer;
		Numeric		list = item_field(item, "price", &buffer)->val.numeric;
		const Entitlement *by;
		Numeric		price = store_price(&prices, i, list, scale, &by);
		int64		gross;

		CHECK_FOR_INTERRUPTS();
		if (by == NULL)
			continue;
		if (!item_gross(price, line->qty, scale, &gross))
			elog(ERROR, "a lower price is too high");
		line->gross = gross;
		changed[i] = price;
		any = true;
		quote->price_by[i] = by->benefit;
	}
	if (any)
		cart->items = checkout_lines(cart, changed, NULL, scale);
}

/*
 * The data of the purchase: that of the cart, with what shipping costs in the
 * end, and with what points have paid.
 */
Jsonb *
checkout_data(const Call *call, const Quote *quote)
{
	static const char *const worked_out[] = {"shipping"};
	int			scale = call->decision.program->currency_scale;
	int64		shipping = quote->pricing.shipping;
	JsonbParseState *state = NULL;

	if (quote->points_money == 0 && shipping == quote->cart.shipping)
		return quote->cart.data;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_fields(&state, &quote->cart.data->root, worked_out,
				lengthof(worked_out));
	if (shipping > 0)
		push_amount(&state, "shipping", shipping, scale);
	if (quote->points_money > 0)
		push_amount(&state, "points", quote->points_money, scale);
	return end_object(&state);
}
