/*
 * checkout_reserve_document.c
 *
 * What is kept of an order between its reservation and its purchase, so that
 * the purchase is made of nothing else:
 *
 *		amount		of the purchase
 *		event		what its event_data will be: items, data, checkout
 *		factors		of coupons that multiply what it earns
 *		messages	what its receipt will tell
 *		holds		unit and amount of each; verify() compares
 *		uses		of coupons and offers; the same
 */
#include "checkout_reserve.h"

#include "utils/builtins.h"

#include "amount.h"
#include "decide_document.h"

static void
push_factors(JsonbParseState **state, const Facts *facts)
{
	push_key(state, "factors");
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < facts->nfactors; i++)
	{
		pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
		push_amount(state, "unit", facts->factors[i].unit_id, 0);
		push_amount(state, "factor", facts->factors[i].factor, 0);
		pushJsonbValue(state, WJB_END_OBJECT, NULL);
	}
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

/* Their amounts are in minor units, as those of hold are. */
static void
push_holds(JsonbParseState **state, const Quote *quote)
{
	push_key(state, "holds");
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < quote->npayments; i++)
	{
		if (quote->payments[i].amount == 0)
			continue;
		pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
		push_amount(state, "unit", quote->payments[i].unit->unit_id, 0);
		push_amount(state, "amount", quote->payments[i].amount, 0);
		pushJsonbValue(state, WJB_END_OBJECT, NULL);
	}
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

static Jsonb *
messages_of(const JournalRow *row)
{
	char	   *json = psprintf("[%s]", row->messages == NULL ? "" :
								row->messages->data);

	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum(json)));
}

/*
 * The document of a quote that reserves so many uses of coupons.  row: the
 * purchase that it would be now.
 */
Jsonb *
reservation_document(const Call *call, const Quote *quote,
					 const JournalRow *row, const Facts *facts, int nuses)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_amount(&state, "amount", row->amount, 0);
	push_key(&state, "event");
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	checkout_push_data(&state, facts);
	push_json(&state, "checkout", checkout_document(call, quote, NULL));
	pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	push_factors(&state, facts);
	push_json(&state, "messages", messages_of(row));
	push_holds(&state, quote);
	push_amount(&state, "uses", nuses, 0);
	return end_object(&state);
}

/* A part of a document that only the extension writes; NULL: not there. */
static Jsonb *
part(const Jsonb *document, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *value =
		getKeyJsonValueFromContainer(unconstify(JsonbContainer *,
												&document->root),
									 name, strlen(name), &buffer);

	return value == NULL ? NULL : JsonbValueToJsonb(value);
}

static Jsonb *
required_part(const Jsonb *document, const char *name)
{
	Jsonb	   *json = part(document, name);

	if (json == NULL)
		elog(ERROR, "the document of a reserved order has no %s", name);
	return json;
}

/* The number that a field has, in units of that scale. */
static int64
number(const JsonbValue *value, int scale)
{
	int64		result;

	if (value == NULL || value->type != jbvNumeric ||
		amount_parse(value->val.numeric, scale, &result) != REFUSAL_NONE)
		elog(ERROR, "the document of a reserved order is damaged");
	return result;
}

static int64
integer(const JsonbValue *value)
{
	return number(value, 0);
}

static int64
integer_part(const Jsonb *document, const char *name)
{
	JsonbValue	buffer;

	return integer(getKeyJsonValueFromContainer(unconstify(JsonbContainer *,
														   &document->root),
												name, strlen(name), &buffer));
}

static text *
text_part(const Jsonb *document, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *value;

	if (document == NULL)
		return NULL;
	value = getKeyJsonValueFromContainer(unconstify(JsonbContainer *,
													&document->root),
										 name, strlen(name), &buffer);
	return value == NULL || value->type != jbvString ? NULL :
		cstring_to_text_with_len(value->val.string.val,
								 value->val.string.len);
}

static void
read_factors(const Jsonb *factors, Facts *facts)
{
	int			n = JB_ROOT_COUNT(unconstify(Jsonb *, factors));

	facts->factors = palloc(sizeof(CouponFactor) * Max(n, 1));
	facts->nfactors = n;
	for (int i = 0; i < n; i++)
	{
		JsonbValue *element =
			getIthJsonbValueFromContainer(unconstify(JsonbContainer *,
													 &factors->root), i);
		JsonbValue	buffers[2];

		facts->factors[i].unit_id = integer(item_field(element, "unit",
													   &buffers[0]));
		facts->factors[i].factor = integer(item_field(element, "factor",
													  &buffers[1]));
	}
}

/* The purchase tells what it would have told when it was reserved. */
static void
tell_messages(JournalRow *row, Jsonb *messages)
{
	JournalRow	then = {.messages = makeStringInfo()};
	char	   *json;

	if (JB_ROOT_COUNT(messages) == 0)
		return;
	json = JsonbToCString(NULL, &messages->root, VARSIZE(messages));
	/* without the brackets of the array */
	appendBinaryStringInfo(then.messages, json + 1, strlen(json) - 2);
	journal_row_tell_too(row, &then);
}

/* Judges the purchase of what was reserved, as a row of the call. */
bool
reservation_purchase(Call *call, const Reservation *reservation)
{
	const Jsonb *document = reservation->document;
	JournalRow *row = call_row(call, call->at);
	Jsonb	   *data;
	Jsonb	   *items;
	CartLines  *lines = palloc0(sizeof(CartLines));
	Facts	   *facts;

	row->data = required_part(document, "event");
	items = required_part(row->data, "items");
	data = part(row->data, "data");
	row->has_amount = true;
	row->amount = integer_part(document, "amount");
	row->channel = text_part(data, "channel");
	row->store = text_part(data, "store");
	row->staff = text_part(data, "staff");
	if (!items_parse(call, items, lines))
		return false;
	tell_messages(row, required_part(document, "messages"));
	facts = event_facts(&call->decision, row, lines, items, data, false);
	read_factors(required_part(document, "factors"), facts);
	return event_judge(call, row, facts);
}

int64
reservation_payable(const Call *call, const Reservation *reservation)
{
	Jsonb	   *event = required_part(reservation->document, "event");
	Jsonb	   *quote = required_part(event, "checkout");
	JsonbValue	buffer;

	return number(getKeyJsonValueFromContainer(&quote->root, "payable",
											   strlen("payable"), &buffer),
				  call->decision.program->currency_scale);
}

int
reservation_nholds(const Reservation *reservation)
{
	return JB_ROOT_COUNT(required_part(reservation->document, "holds"));
}

int
reservation_nuses(const Reservation *reservation)
{
	return integer_part(reservation->document, "uses");
}
