/*
 * event.c
 *
 * Something happened: record, purchase, and goods received.
 */
#include "call.h"

#include "utils/builtins.h"

#include "amount.h"
#include "event.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_event_record);
PG_FUNCTION_INFO_V1(loyalty_event_purchase);
PG_FUNCTION_INFO_V1(loyalty_event_vest);

enum record_arg
{
	RECORD_MEMBER_ID,
	RECORD_EVENT,
	RECORD_AMOUNT,
	RECORD_REF,
	RECORD_DATA,
	RECORD_AT,
	RECORD_KEY,
	RECORD_MODE,
	RECORD_NARGS
};

static const Verb record_verb = {
	"record", "event", NULL, FOR_OPEN, false, RECORD_NARGS, {
		[RECORD_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[RECORD_EVENT] = {"event", ARG_TEXT, true},
		[RECORD_AMOUNT] = {"amount", ARG_NUMERIC},
		[RECORD_REF] = {"ref", ARG_REF},
		[RECORD_DATA] = {"data", ARG_JSONB},
		[RECORD_AT] = {"at", ARG_AT},
		[RECORD_KEY] = {"key", ARG_KEY},
		[RECORD_MODE] = {"mode", ARG_MODE, true}
	}
};

enum purchase_arg
{
	PURCHASE_MEMBER_ID,
	PURCHASE_AMOUNT,
	PURCHASE_REF,
	PURCHASE_ITEMS,
	PURCHASE_DATA,
	PURCHASE_AT,
	PURCHASE_KEY,
	PURCHASE_MODE,
	PURCHASE_NARGS
};

static const Verb purchase_verb = {
	"purchase", "event", "purchase", FOR_OPEN, false, PURCHASE_NARGS, {
		[PURCHASE_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[PURCHASE_AMOUNT] = {"amount", ARG_NUMERIC, true},
		[PURCHASE_REF] = {"ref", ARG_REF},
		[PURCHASE_ITEMS] = {"items", ARG_JSONB},
		[PURCHASE_DATA] = {"data", ARG_JSONB},
		[PURCHASE_AT] = {"at", ARG_AT},
		[PURCHASE_KEY] = {"key", ARG_KEY},
		[PURCHASE_MODE] = {"mode", ARG_MODE, true}
	}
};

enum vest_arg
{
	VEST_MEMBER_ID,
	VEST_REF,
	VEST_AT,
	VEST_KEY,
	VEST_MODE,
	VEST_NARGS
};

static const Verb vest_verb = {
	"vest", "vest", NULL, FOR_OPEN, false, VEST_NARGS, {
		[VEST_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[VEST_REF] = {"ref", ARG_REF, true},
		[VEST_AT] = {"at", ARG_AT},
		[VEST_KEY] = {"key", ARG_KEY},
		[VEST_MODE] = {"mode", ARG_MODE, true}
	}
};

/* The event row with its amount, which may be zero but not negative. */
static bool
event_amount(Call *call, int amount_arg)
{
	JournalRow *row = call->row;
	int			scale = call->decision.program->currency_scale;
	Numeric		amount;
	Refusal		refusal;

	if (!call_has(call, amount_arg))
		return true;
	amount = DatumGetNumeric(call->fcinfo->args[amount_arg].value);
	row->has_amount = true;
	refusal = amount_parse(amount, scale, &row->amount);
	if (refusal == REFUSAL_NONE && row->amount < 0)
		refusal = REFUSAL_AMOUNT_NOT_POSITIVE;
	if (refusal != REFUSAL_NONE)
		return call_refuse(call, refusal, "amount=%s decimals=%d",
						   numeric_normalize(amount), scale);
	return true;
}

/* Nets that the lines were given are part of the amount. */
static bool
check_nets(Call *call, const CartLines *lines)
{
	int64		total = 0;

	if (lines == NULL || !lines->has_nets)
		return true;
	for (int i = 0; i < lines->n; i++)
		total = amount_add(total, lines->lines[i].net);
	if (total > call->row->amount)
		return call_refuse(call, REFUSAL_ITEMS_INVALID,
						   "the nets of the lines add up to more than the "
						   "amount");
	return true;
}

/*
 * Applies an event whose account is open: the row, its inputs, its awards.
 * items_arg < 0: the event has no items.
 */
bool
event_apply(Call *call, int amount_arg, int items_arg, int data_arg)
{
	Jsonb	   *items = items_arg < 0 ? NULL : call_jsonb(call, items_arg);
	CartLines  *lines = NULL;

	if (call->ref == NULL && strcmp(call->event, "purchase") == 0)
		return call_refuse(call, REFUSAL_REF_INVALID,
						   "a purchase needs the reference of its order");
	/* looked at until the event is stored */
	if (items != NULL)
		lines = palloc(sizeof(CartLines));
	call_row(call, call->at);
	if (!event_amount(call, amount_arg) ||
		!call_data(call, data_arg, items_arg) ||
		(items != NULL && !items_parse(call, items, lines)) ||
		!check_nets(call, lines))
		return false;
	return event_judge(call, call->row,
					   event_facts(&call->decision, call->row,
								   lines, items,
								   call_jsonb(call, data_arg), false));
}

/* The event is an argument, and part of what makes a reference unique. */
static bool
read_event(Call *call)
{
	call->event = text_to_cstring(call_text(call, RECORD_EVENT));
	return true;
}

static bool
check_event(Call *call)
{
	if (program_event(call->decision.program, call->event) == NULL)
		return call_refuse(call, REFUSAL_UNKNOWN_EVENT, "event=%s",
						   call->event);
	return true;
}

static void
record(Call *call)
{
	if (read_event(call) && call_open(call) && check_event(call))
		event_apply(call, RECORD_AMOUNT, -1, RECORD_DATA);
}

Datum
loyalty_event_record(PG_FUNCTION_ARGS)
{
	Call		call;

	if (call_begin(&call, fcinfo, &record_verb))
		record(&call);
	return call_close(&call);
}

static void
purchase(Call *call)
{
	if (call_open(call))
		event_apply(call, PURCHASE_AMOUNT, PURCHASE_ITEMS, PURCHASE_DATA);
}

Datum
loyalty_event_purchase(PG_FUNCTION_ARGS)
{
	Call		call;

	if (call_begin(&call, fcinfo, &purchase_verb))
		purchase(&call);
	return call_close(&call);
}

/* Is this the event of purchase(), not of record()? */
bool
event_is_purchase(const EventInput *input)
{
	const text *event;

	if (input->event.isnull)
		return true;
	event = DatumGetTextPP(input->event.value);
	return VARSIZE_ANY_EXHDR(event) == strlen("purchase") &&
		memcmp(VARDATA_ANY(event), "purchase", strlen("purchase")) == 0;
}

/* What a finished call came to. */
EventOutcome
event_outcome(const Call *call)
{
	const JournalRow *row = call->replay ? call->replay : call->row;
	EventOutcome outcome = {
		.refusal = call->refusal,
		.detail = call->detail,
		.member_id = call->member_id
	};

	if (call->refusal == REFUSAL_NONE)
	{
		outcome.replayed = call->replay != NULL || call->nothing_new;
		outcome.journal_id = row->journal_id;
	}
	return outcome;
}

/* Finishes a call of its own that needs no receipt. */
EventOutcome
event_end(Call *call)
{
	call_finish(call);
	SPI_finish();
	return event_outcome(call);
}

static EventOutcome
run_purchase(StoreBatch *batch, const EventInput *input, NullableDatum mode)
{
	LOCAL_FCINFO(fcinfo, PURCHASE_NARGS);
	Call		call;

	InitFunctionCallInfoData(*fcinfo, NULL, PURCHASE_NARGS, InvalidOid, NULL,
							 NULL);
	fcinfo->args[PURCHASE_MEMBER_ID] = input->member_id;
	fcinfo->args[PURCHASE_AMOUNT] = input->amount;
	fcinfo->args[PURCHASE_REF] = input->ref;
	fcinfo->args[PURCHASE_ITEMS] = input->items;
	fcinfo->args[PURCHASE_DATA] = input->data;
	fcinfo->args[PURCHASE_AT] = input->at;
	fcinfo->args[PURCHASE_KEY] = input->key;
	fcinfo->args[PURCHASE_MODE] = mode;
	if (call_begin_batch(&call, fcinfo, &purchase_verb, batch))
		purchase(&call);
	call_finish(&call);
	return event_outcome(&call);
}

static EventOutcome
run_record(StoreBatch *batch, const EventInput *input, NullableDatum mode)
{
	LOCAL_FCINFO(fcinfo, RECORD_NARGS);
	Call		call;

	InitFunctionCallInfoData(*fcinfo, NULL, RECORD_NARGS, InvalidOid, NULL,
							 NULL);
	fcinfo->args[RECORD_MEMBER_ID] = input->member_id;
	fcinfo->args[RECORD_EVENT] = input->event;
	fcinfo->args[RECORD_AMOUNT] = input->amount;
	fcinfo->args[RECORD_REF] = input->ref;
	fcinfo->args[RECORD_DATA] = input->data;
	fcinfo->args[RECORD_AT] = input->at;
	fcinfo->args[RECORD_KEY] = input->key;
	fcinfo->args[RECORD_MODE] = mode;
	if (call_begin_batch(&call, fcinfo, &record_verb, batch))
	{
		if (input->items.isnull)
			record(&call);
		else
			call_refuse(&call, REFUSAL_ITEMS_INVALID,
						"only a purchase has items");
	}
	call_finish(&call);
	return event_outcome(&call);
}

/*
 * Judges an event as purchase() or record() would in mode 'try', on an
 * account of the batch, which keeps the decision.
 */
EventOutcome
event_run(StoreBatch *batch, const EventInput *input)
{
	NullableDatum mode = ARG(CStringGetTextDatum("try"));

	return event_is_purchase(input) ?
		run_purchase(batch, input, mode) : run_record(batch, input, mode);
}

/*
 * What an order earned and has left on each lot that was to vest later: its
 * awards, less what refunds took.
 */
static Statement select_pending = {
	"SELECT e.unit_id, e.vests_on, e.expires_on, e.origin,"
	" sum(e.amount)::bigint"
	" FROM loyalty.journal j"
	" JOIN loyalty.entry e USING (member_id, journal_id)"
	" WHERE j.member_id = $1"
	" AND (j.ref = $2 AND j.kind = 'event' OR j.reverses = $2)"
	" AND e.vests_on > $3"
	" GROUP BY e.unit_id, e.vests_on, e.expires_on, e.origin"
	" HAVING sum(e.amount) > 0",
	3, {INT8OID, TEXTOID, DATEOID}
};

static Statement select_order = {
	"SELECT FROM loyalty.journal"
	" WHERE member_id = $1 AND ref = $2 AND kind = 'event'",
	2, {INT8OID, TEXTOID}
};

static bool
order_exists(Call *call)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(PointerGetDatum(call->ref))
	};

	if (statement_run(&select_order, args, false) == 0)
		return call_refuse(call, REFUSAL_ORIGINAL_NOT_FOUND,
						   "member_id=" INT64_FORMAT, call->member_id);
	return true;
}

/* The pending lots of the order. */
static void
load_pending(Call *call, LotList *pending)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(PointerGetDatum(call->ref)),
		ARG(DateADTGetDatum(call->decision.today))
	};
	uint64		n = statement_run(&select_pending, args, false);

	wallet_init(pending);
	for (uint64 i = 0; i < n; i++)
	{
		Lot			lot = {0};
		bool		isnull;
		Datum		expires_on = statement_value(i, 3, &isnull);

		lot.unit_id = DatumGetInt32(statement_notnull(i, 1));
		lot.vests_on = DatumGetDateADT(statement_notnull(i, 2));
		lot.expires_on = isnull ? DATEVAL_NOEND : DatumGetDateADT(expires_on);
		origin_from_letter(DatumGetChar(statement_notnull(i, 4)),
						   &lot.origin);
		lot.amount = DatumGetInt64(statement_notnull(i, 5));
		if (program_unit_by_id(call->decision.program,
							   lot.unit_id)->kind != UNIT_METRIC)
			wallet_post(pending, &lot);
	}
}

/* Makes pending lots usable, as far as they are still in the wallet. */
static void
vest_lots(Decision *decision, JournalRow *row, const LotList *pending)
{
	for (int i = 0; i < pending->n; i++)
	{
		Lot			lot = pending->lots[i];
		const Lot  *found = wallet_find(&decision->account->wallet, &lot);

		if (found == NULL)
			continue;
		lot.amount = -Min(lot.amount, found->amount);
		decide_move(decision, row, lot);
		lot.amount = -lot.amount;
		lot.vests_on = DATEVAL_NOBEGIN;
		decide_post(decision, row, lot, 0);
	}
}

Datum
loyalty_event_vest(PG_FUNCTION_ARGS)
{
	Call		call;

	if (call_begin(&call, fcinfo, &vest_verb) &&
		call_open(&call) &&
		order_exists(&call))
	{
		LotList		pending;

		load_pending(&call, &pending);
		vest_lots(&call.decision, call_row(&call, call.now), &pending);
	}
	return call_close(&call);
}
