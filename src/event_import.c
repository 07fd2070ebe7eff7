/*
 * event_import.c
 *
 * Takes over a member of another system: who it is, what it holds, its tier.
 * Silently: no rule is asked and nobody is told.
 */
#include "event_enroll.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "amount.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_event_import);

enum import_arg
{
	IMPORT_PROGRAM,
	IMPORT_IDENTITIES,
	IMPORT_PROFILE,
	IMPORT_STATE,
	IMPORT_AT,
	IMPORT_KEY,
	IMPORT_MODE,
	IMPORT_NARGS
};

static const Verb import_verb = {
	"import_member", "import", NULL, FOR_OPEN, false, IMPORT_NARGS, {
		[IMPORT_PROGRAM] = {"program", ARG_TEXT, true},
		[IMPORT_IDENTITIES] = {"identities", ARG_JSONB, true},
		[IMPORT_PROFILE] = {"profile", ARG_JSONB},
		[IMPORT_STATE] = {"state", ARG_JSONB},
		[IMPORT_AT] = {"at", ARG_AT},
		[IMPORT_KEY] = {"key", ARG_KEY},
		[IMPORT_MODE] = {"mode", ARG_MODE, true}
	}
};

/* If none is given: a member is taken over once, from one system. */
static const char default_key[] = "import";

static const char *const state_fields[] = {
	"lots", "tier", "tier_since", "tier_until", "purchases",
	"first_purchase_at", "last_purchase_at"
};
static const char *const lot_fields[] = {
	"unit", "amount", "expires_on", "vests_on", "origin"
};

/* A field of a document, NULL if it has none or it is null. */
static const JsonbValue *
field(JsonbContainer *object, const char *name, JsonbValue *buffer)
{
	JsonbValue *value = getKeyJsonValueFromContainer(object, name,
													 strlen(name), buffer);

	return value == NULL || value->type == jbvNull ? NULL : value;
}

/* Has an object only fields that are known? */
static bool
check_fields(Call *call, JsonbContainer *object, const char *const *names,
			 int n)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbValue	key;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		bool		known = false;

		if (token != WJB_KEY)
			continue;
		for (int i = 0; i < n; i++)
			known |= strlen(names[i]) == key.val.string.len &&
				memcmp(names[i], key.val.string.val,
					   key.val.string.len) == 0;
		if (!known)
			return call_refuse(call, REFUSAL_DATA_INVALID,
							   "field %s is not known",
							   clipped(pnstrdup(key.val.string.val,
												key.val.string.len)));
	}
	return true;
}

/* A string, NULL if there is none. */
static bool
string_field(Call *call, JsonbContainer *object, const char *name,
			 char **value)
{
	JsonbValue	buffer;
	const JsonbValue *found = field(object, name, &buffer);

	*value = NULL;
	if (found == NULL)
		return true;
	if (found->type != jbvString)
		return call_refuse(call, REFUSAL_DATA_INVALID, "%s must be a string",
						   name);
	*value = pnstrdup(found->val.string.val, found->val.string.len);
	return true;
}

/* A date within the range of lots; *date is left alone if there is none. */
static bool
date_field(Call *call, JsonbContainer *object, const char *name,
		   DateADT *date)
{
	char	   *value;

	if (!string_field(call, object, name, &value))
		return false;
	if (value == NULL)
		return true;
	*date = DatumGetDateADT(DirectFunctionCall1(date_in,
												CStringGetDatum(value)));
	if (*date < WALLET_FIRST_DATE || *date > WALLET_LAST_DATE)
		return call_refuse(call, REFUSAL_TIME_NOT_FINITE, "%s=%s", name,
						   clipped(value));
	return true;
}

/* A time that has been; *at is left alone if there is none. */
static bool
time_field(Call *call, JsonbContainer *object, const char *name,
		   TimestampTz *at)
{
	char	   *value;

	if (!string_field(call, object, name, &value))
		return false;
	if (value == NULL)
		return true;
	*at = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in,
												  CStringGetDatum(value),
												  ObjectIdGetDatum(InvalidOid),
												  Int32GetDatum(-1)));
	if (TIMESTAMP_NOT_FINITE(*at))
		return call_refuse(call, REFUSAL_TIME_NOT_FINITE, "%s=%s", name,
						   clipped(value));
	if (*at > call->now)
		return call_refuse(call, REFUSAL_TIME_IN_FUTURE, "%s=%s", name,
						   clipped(value));
	return true;
}

/* What is left of an int can be counted up to, purchase by purchase. */
#define MAX_PURCHASES 1000000000

/* How often and when the member bought, as the other system counted. */
static bool
take_purchases(Call *call, JsonbContainer *state)
{
	Account    *account = &call->account;
	JsonbValue	buffer;
	const JsonbValue *purchases = field(state, "purchases", &buffer);
	TimestampTz first = DT_NOEND;
	TimestampTz last = DT_NOBEGIN;
	int64		n = 0;

	if (purchases != NULL &&
		(purchases->type != jbvNumeric ||
		 amount_parse(purchases->val.numeric, 0, &n) != REFUSAL_NONE ||
		 n < 0 || n > MAX_PURCHASES - account->purchases))
		return call_refuse(call, REFUSAL_DATA_INVALID,
						   "purchases must be a number of purchases");
	if (!time_field(call, state, "first_purchase_at", &first) ||
		!time_field(call, state, "last_purchase_at", &last))
		return false;
	if (first != DT_NOEND && last != DT_NOBEGIN && first > last)
		return call_refuse(call, REFUSAL_PERIOD_INVERTED,
						   "first_purchase_at lies after last_purchase_at");
	account->purchases += n;
	call->row->has_amount = true;
	call->row->amount = n;
	if (first != DT_NOEND && (account->first_purchase_at == DT_NOBEGIN ||
							  first < account->first_purchase_at))
		account->first_purchase_at = first;
	account->last_purchase_at = Max(account->last_purchase_at, last);
	return true;
}

static bool
take_tier(Call *call, JsonbContainer *state)
{
	Decision   *decision = &call->decision;
	const Tier *tier;
	char	   *code;
	DateADT		since = decision->today;
	DateADT		until = DATEVAL_NOBEGIN;

	if (!string_field(call, state, "tier", &code) ||
		!date_field(call, state, "tier_since", &since) ||
		!date_field(call, state, "tier_until", &until))
		return false;
	if (code == NULL)
	{
		decide_tier_join(decision, call->row);
		return true;
	}
	tier = program_tier(decision->program, code);
	if (tier == NULL)
		return call_refuse(call, REFUSAL_UNKNOWN_TIER, "tier=%s",
						   clipped(code));
	if (since > decision->today)
		return call_refuse(call, REFUSAL_TIME_IN_FUTURE, "tier_since");
	if (until != DATEVAL_NOBEGIN && until < since)
		return call_refuse(call, REFUSAL_PERIOD_INVERTED,
						   "tier_until lies before tier_since");
	store_load_periods(decision, false);
	decide_tier_import(decision, call->row, tier, since, until);
	return true;
}

static bool
lot_amount(Call *call, JsonbContainer *object, const Unit *unit,
		   int64 *amount)
{
	JsonbValue	buffer;
	const JsonbValue *value = field(object, "amount", &buffer);
	Refusal		refusal;

	if (value == NULL || value->type != jbvNumeric)
		return call_refuse(call, REFUSAL_DATA_INVALID,
						   "amount of a lot must be a number");
	refusal = amount_parse(value->val.numeric, unit->scale, amount);
	if (refusal != REFUSAL_NONE)
		return call_refuse(call, refusal, "unit=%s decimals=%d", unit->code,
						   unit->scale);
	return true;
}

static bool
lot_origin(Call *call, JsonbContainer *object, const Unit *unit, Lot *lot)
{
	char	   *origin;

	lot->origin = unit->kind == UNIT_MONEY ? ORIGIN_PRINCIPAL : ORIGIN_EARNED;
	if (!string_field(call, object, "origin", &origin))
		return false;
	if (origin != NULL &&
		(strlen(origin) != 1 ||
		 !origin_from_letter(origin[0], &lot->origin) ||
		 lot->origin == ORIGIN_DEBT))
		return call_refuse(call, REFUSAL_DATA_INVALID,
						   "origin must be e, b, a, t or p");
	return true;
}

/* What is owed is a lot without dates; it can be owed only by policy. */
static bool
make_debt(Call *call, const Unit *unit, Lot *lot)
{
	if (!unit->debt)
		return call_refuse(call, REFUSAL_AMOUNT_NOT_POSITIVE,
						   "unit=%s knows no debt", unit->code);
	lot->origin = ORIGIN_DEBT;
	lot->vests_on = DATEVAL_NOBEGIN;
	lot->expires_on = DATEVAL_NOEND;
	return true;
}

static bool
read_lot(Call *call, const JsonbValue *value, Lot *lot)
{
	JsonbContainer *object;
	const Unit *unit;
	char	   *code;

	memset(lot, 0, sizeof(Lot));
	lot->vests_on = DATEVAL_NOBEGIN;
	lot->expires_on = DATEVAL_NOEND;
	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		return call_refuse(call, REFUSAL_DATA_INVALID,
						   "a lot must be a json object");
	object = value->val.binary.data;
	if (!check_fields(call, object, lot_fields, lengthof(lot_fields)) ||
		!string_field(call, object, "unit", &code))
		return false;
	unit = code == NULL ? NULL :
		program_unit(call->decision.program, code);
	if (unit == NULL)
		return call_refuse(call, REFUSAL_UNKNOWN_UNIT, "unit=%s",
						   code ? clipped(code) : "");
	if (unit->kind == UNIT_COUNTER)
		return call_refuse(call, REFUSAL_UNIT_MISMATCH,
						   "unit=%s is a counter", unit->code);
	lot->unit_id = unit->unit_id;
	if (!lot_amount(call, object, unit, &lot->amount) ||
		!lot_origin(call, object, unit, lot) ||
		!date_field(call, object, "expires_on", &lot->expires_on) ||
		!date_field(call, object, "vests_on", &lot->vests_on))
		return false;
	if (unit->kind == UNIT_METRIC)
	{
		if (lot->vests_on == DATEVAL_NOBEGIN ||
			lot->expires_on != DATEVAL_NOEND)
			return call_refuse(call, REFUSAL_UNIT_MISMATCH,
							   "unit=%s is a metric: vests_on is a day of "
							   "its month, expires_on is not given",
							   unit->code);
		if (lot->amount < 0)
			return call_refuse(call, REFUSAL_AMOUNT_NOT_POSITIVE,
							   "unit=%s is a metric", unit->code);
		lot->vests_on = date_month_start(lot->vests_on);
		return true;
	}
	if (lot->amount < 0)
		return make_debt(call, unit, lot);
	if (lot->vests_on != DATEVAL_NOBEGIN && lot->vests_on > lot->expires_on)
		return call_refuse(call, REFUSAL_PERIOD_INVERTED,
						   "expires_on lies before vests_on");
	return true;
}

/* Posts the lots; what is owed first, because what comes in repays it. */
static bool
take_lots(Call *call, JsonbContainer *state)
{
	JsonbValue	buffer;
	const JsonbValue *value = field(state, "lots", &buffer);
	int			n;
	Lot		   *lots;

	if (value == NULL)
		return true;
	if (value->type != jbvBinary ||
		!JsonContainerIsArray(value->val.binary.data))
		return call_refuse(call, REFUSAL_DATA_INVALID,
						   "lots must be a json array");
	n = JsonContainerSize(value->val.binary.data);
	lots = palloc(sizeof(Lot) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!read_lot(call,
					  getIthJsonbValueFromContainer(value->val.binary.data,
													i), &lots[i]))
			return false;
	}
	for (int i = 0; i < n; i++)
		if (lots[i].origin == ORIGIN_DEBT)
			decide_move(&call->decision, call->row, lots[i]);
	for (int i = 0; i < n; i++)
		if (lots[i].origin != ORIGIN_DEBT)
			decide_post(&call->decision, call->row, lots[i], 0);
	return true;
}

static bool
take_over(Call *call)
{
	Jsonb	   *state = call_jsonb(call, IMPORT_STATE);

	call_row(call, call->now);
	if (state == NULL)
		state = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
												   CStringGetDatum("{}")));
	return call_check_object(call, state, "state") &&
		check_fields(call, &state->root, state_fields,
					 lengthof(state_fields)) &&
		call_data(call, IMPORT_STATE, -1) &&
		take_purchases(call, &state->root) &&
		take_tier(call, &state->root) &&
		take_lots(call, &state->root);
}

static void
import(Enrolment *enrolment)
{
	Call	   *call = &enrolment->call;

	if (call->key == NULL)
		call->key = cstring_to_text(default_key);
	if (enrolment_read(enrolment, IMPORT_PROGRAM, IMPORT_IDENTITIES,
					   IMPORT_PROFILE) &&
		enrolment_open(enrolment))
		take_over(call);
}

/* import_member(program, identities, profile, state, at, key, mode) */
Datum
loyalty_event_import(PG_FUNCTION_ARGS)
{
	Enrolment	enrolment;

	if (call_begin(&enrolment.call, fcinfo, &import_verb))
		import(&enrolment);
	return call_close(&enrolment.call);
}

/*
 * Takes over a member as import_member() would in mode 'try'; returns the
 * outcome.
 */
EventOutcome
event_import(NullableDatum program, NullableDatum identities,
			 NullableDatum profile, NullableDatum state, NullableDatum at)
{
	LOCAL_FCINFO(fcinfo, IMPORT_NARGS);
	Enrolment	enrolment;

	InitFunctionCallInfoData(*fcinfo, NULL, IMPORT_NARGS, InvalidOid, NULL,
							 NULL);
	fcinfo->args[IMPORT_PROGRAM] = program;
	fcinfo->args[IMPORT_IDENTITIES] = identities;
	fcinfo->args[IMPORT_PROFILE] = profile;
	fcinfo->args[IMPORT_STATE] = state;
	fcinfo->args[IMPORT_AT] = at;
	fcinfo->args[IMPORT_KEY] = NULL_ARG;
	fcinfo->args[IMPORT_MODE] = ARG(CStringGetTextDatum("try"));
	if (call_begin(&enrolment.call, fcinfo, &import_verb))
		import(&enrolment);
	return event_end(&enrolment.call);
}
