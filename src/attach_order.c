/*
 * attach_order.c
 *
 * Brings the books in line with one order of an attached table.
 *
 * The table is the truth: what an order is worth in the ledger (its purchase
 * less its refunds) is compared with the row, so it does not matter how
 * often the row was changed in between, or whether an earlier change was
 * refused.  A reference earns once; an order that has to earn again, because
 * it rose, or because it is paid once more after it was cancelled, does so
 * under the reference with "~2", "~3" and so on, after the one before was
 * refunded as a whole.
 */
#include "attach.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "amount.h"
#include "guest.h"
#include "statement.h"

extern Datum loyalty_event_record(PG_FUNCTION_ARGS);
extern Datum loyalty_event_purchase(PG_FUNCTION_ARGS);
extern Datum loyalty_event_sale(PG_FUNCTION_ARGS);
extern Datum loyalty_event_refund(PG_FUNCTION_ARGS);

#define VERB_ARGS 9

/* What a verb answered in mode 'try'. */
typedef struct Answer
{
	Refusal		refusal;
	const char *detail;			/* of the refusal, or NULL */
	bool		replayed;
	bool		forgave;		/* a refund found less than was earned */
} Answer;

/* What the ledger has of an order under one reference. */
typedef struct Booked
{
	int			generation;		/* from 1; 0: nothing yet */
	text	   *ref;
	int64		member_id;
	bool		open;			/* not refunded as a whole */
	int64		net;			/* minor units of the currency */
	int			nrefunds;
} Booked;

static Statement select_booked = {
	"SELECT coalesce(bool_or(kind = 'event' AND event = $3), false),"
	" coalesce(sum(amount) FILTER (WHERE kind = 'event'), 0)::bigint,"
	" coalesce(sum(amount) FILTER (WHERE kind = 'refund'"
	" AND unit_id IS NULL), 0)::bigint,"
	" count(*) FILTER (WHERE kind = 'refund')::int"
	" FROM loyalty.journal WHERE member_id = $1"
	" AND (ref = $2 AND kind = 'event' OR reverses = $2 AND kind = 'refund')",
	3, {INT8OID, TEXTOID, TEXTOID}
};

static Statement select_owner = {
	"SELECT member_id FROM loyalty.journal_ref"
	" WHERE program_id = $1 AND ref = $2 AND event = $3",
	3, {INT4OID, TEXTOID, TEXTOID}
};

static Statement select_member = {
	"SELECT FROM loyalty.account WHERE member_id = $1 AND program_id = $2",
	2, {INT8OID, INT4OID}
};

static Refusal
refusal_named(const char *reason)
{
#define RETURN_NAMED(name, code, text, message) \
	if (strcmp(reason, text) == 0) \
		return REFUSAL_##name;
	LOYALTY_REFUSALS(RETURN_NAMED)
#undef RETURN_NAMED
	elog(ERROR, "refusal \"%s\" is not known", reason);
}

static Answer
refused(Refusal refusal, const char *detail)
{
	Answer		answer = {refusal, detail};

	return answer;
}

/* A text of a message, NULL if it has none of that name. */
static const char *
message_text(const JsonbValue *message, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(message->val.binary.data,
													 name, strlen(name),
													 &buffer);

	return value == NULL || value->type != jbvString ? NULL :
		pnstrdup(value->val.string.val, value->val.string.len);
}

/* The detail of a refusal, and whether a refund forgave something. */
static void
read_messages(Jsonb *messages, Answer *answer)
{
	int			n = JB_ROOT_IS_ARRAY(messages) ? JB_ROOT_COUNT(messages) : 0;

	for (int i = 0; i < n; i++)
	{
		JsonbValue *message = getIthJsonbValueFromContainer(&messages->root,
															i);
		const char *code;

		if (message->type != jbvBinary ||
			!JsonContainerIsObject(message->val.binary.data))
			continue;
		code = message_text(message, "code");
		if (i == 0 && answer->refusal != REFUSAL_NONE)
			answer->detail = message_text(message, "detail");
		if (code != NULL && strcmp(code, "forgiven") == 0)
			answer->forgave = true;
	}
}

/* Calls a verb in mode 'try', as if it were called from SQL. */
static Answer
call_verb(PGFunction verb, int nargs, const NullableDatum *args)
{
	LOCAL_FCINFO(fcinfo, VERB_ARGS);
	HeapTupleHeader receipt;
	Answer		answer = {REFUSAL_NONE, NULL};
	bool		isnull;
	Datum		reason;
	Datum		messages;

	InitFunctionCallInfoData(*fcinfo, NULL, nargs, InvalidOid, NULL, NULL);
	memcpy(fcinfo->args, args, sizeof(NullableDatum) * nargs);
	receipt = DatumGetHeapTupleHeader(verb(fcinfo));
	answer.replayed = DatumGetBool(GetAttributeByName(receipt, "replayed",
													  &isnull));
	reason = GetAttributeByName(receipt, "reason", &isnull);
	if (!isnull)
		answer.refusal = refusal_named(TextDatumGetCString(reason));
	messages = GetAttributeByName(receipt, "messages", &isnull);
	if (!isnull)
		read_messages(DatumGetJsonbP(messages), &answer);
	return answer;
}

/*
 * When the order counts: what corrects an order of a period that is closed
 * counts in this one.
 */
static NullableDatum
time_argument(const Source *source, const SourceOrder *order, bool corrects)
{
	bool		dated = order->has_at &&
		!(corrects && order->at < source->program->closed_until);

	return ARG_OR_NULL(TimestampTzGetDatum(order->at), dated);
}

/* A member column may say 0, too, who is nobody. */
static bool
is_to_be_enrolled(const SourceOrder *order)
{
	return order->member_id == 0 && order->identity != NULL;
}

/* purchase(), sale() or record() of the order, under one of its references. */
static Answer
call_earn(const Source *source, const SourceOrder *order, text *ref,
		  bool corrects)
{
	NullableDatum program = ARG(CStringGetTextDatum(source->program_name));
	NullableDatum member = ARG(Int64GetDatum(order->member_id));
	NullableDatum event = ARG(CStringGetTextDatum(source->event));
	NullableDatum amount = POINTER_ARG(order->amount);
	NullableDatum refs = POINTER_ARG(ref);
	NullableDatum items = POINTER_ARG(order->items);
	NullableDatum data = POINTER_ARG(order->data);
	NullableDatum at = time_argument(source, order, corrects);
	NullableDatum key = NULL_ARG;
	NullableDatum mode = ARG(CStringGetTextDatum("try"));

	if (strcmp(source->event, "purchase") != 0)
	{
		NullableDatum args[] = {member, event, amount, refs, data, at, key,
		mode};

		return call_verb(loyalty_event_record, lengthof(args), args);
	}
	if (is_to_be_enrolled(order))
	{
		StringInfoData identities;
		NullableDatum args[] = {program, NULL_ARG, amount, refs, items, data,
		at, key, mode};

		initStringInfo(&identities);
		appendStringInfoChar(&identities, '{');
		escape_json(&identities, source->identity);
		appendStringInfoChar(&identities, ':');
		escape_json(&identities, order->identity);
		appendStringInfoChar(&identities, '}');
		args[1].value = DirectFunctionCall1(jsonb_in,
											CStringGetDatum(identities.data));
		args[1].isnull = false;
		return call_verb(loyalty_event_sale, lengthof(args), args);
	}
	else
	{
		NullableDatum args[] = {member, amount, refs, items, data, at, key,
		mode};

		return call_verb(loyalty_event_purchase, lengthof(args), args);
	}
}

/*
 * refund() of what is booked, or of a part (amount not NULL).  replaced: the
 * order will be recorded anew, and its metrics must not count twice.
 */
static Answer
call_refund(const Source *source, const Booked *booked, Numeric amount,
			bool replaced)
{
	char	   *text = replaced ? "{\"replaced\": true}" : "{}";
	Datum		data = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
	char	   *refund_ref = psprintf("%s~r%d", text_to_cstring(booked->ref),
									  booked->nrefunds + 1);
	NullableDatum args[] = {
		ARG(Int64GetDatum(booked->member_id)),
		ARG(PointerGetDatum(booked->ref)),
		POINTER_ARG(amount),
		NULL_ARG,				/* items */
		ARG(CStringGetTextDatum(refund_ref)),
		ARG(PointerGetDatum(source_data(source, DatumGetJsonbP(data),
										  NULL, NULL))),
		NULL_ARG,				/* at */
		NULL_ARG,				/* key */
		ARG(CStringGetTextDatum("try"))
	};

	return call_verb(loyalty_event_refund, lengthof(args), args);
}

static text *
reference(const SourceOrder *order, int generation)
{
	if (generation == 1)
		return order->ref;
	return cstring_to_text(psprintf("%s~%d", text_to_cstring(order->ref),
									generation));
}

/* Does it look like a reference made by reference()? */
static bool
is_derived(text *ref)
{
	char	   *string = text_to_cstring(ref);
	char	   *tilde = strrchr(string, '~');

	return tilde != NULL && tilde[1] != '\0' &&
		strspn(tilde + 1, "0123456789") == strlen(tilde + 1);
}

/* Whose the reference is, where it belongs to the whole programme; 0: free. */
static int64
owner_of(const Source *source, text *ref)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(source->program->program_id)),
		ARG(PointerGetDatum(ref)),
		ARG(CStringGetTextDatum(source->event))
	};

	return statement_run(&select_owner, args, false) == 0 ? 0 :
		DatumGetInt64(statement_notnull(0, 1));
}

/* Reads one reference of the order; false if the ledger does not have it. */
static bool
read_booked(const Source *source, const SourceOrder *order, int generation,
			Booked *booked)
{
	text	   *ref = reference(order, generation);
	int64		member_id = order->member_id;

	if (source->program->ref_in_program)
		member_id = owner_of(source, ref);
	if (member_id != 0)
	{
		NullableDatum args[] = {
			ARG(Int64GetDatum(member_id)),
			ARG(PointerGetDatum(ref)),
			ARG(CStringGetTextDatum(source->event))
		};

		statement_run(&select_booked, args, false);
		if (DatumGetBool(statement_notnull(0, 1)))
		{
			booked->generation = generation;
			booked->ref = ref;
			booked->member_id = member_id;
			booked->net = DatumGetInt64(statement_notnull(0, 2)) -
				DatumGetInt64(statement_notnull(0, 3));
			booked->nrefunds = DatumGetInt32(statement_notnull(0, 4));
			booked->open = booked->nrefunds == 0 || booked->net > 0;
			return true;
		}
	}
	return false;
}

/* The newest reference of the order, the only one that can be open. */
static void
find_booked(const Source *source, const SourceOrder *order, Booked *booked)
{
	memset(booked, 0, sizeof(Booked));
	while (read_booked(source, order, booked->generation + 1, booked))
		CHECK_FOR_INTERRUPTS();
}

/* Earns under the reference after the newest. */
static Answer
earn_next(const Source *source, const SourceOrder *order,
		  const Booked *booked)
{
	return call_earn(source, order, reference(order, booked->generation + 1),
					 order->moved || booked->generation > 0);
}

typedef struct Replacement
{
	const Source *source;
	const SourceOrder *order;
	const Booked *booked;
	bool		earn_first;
	Answer		answer;
} Replacement;

static bool
refund_and_earn(void *argument)
{
	Replacement *this = argument;

	if (this->earn_first)
	{
		this->answer = earn_next(this->source, this->order, this->booked);
		if (this->answer.refusal == REFUSAL_NONE)
			this->answer = call_refund(this->source, this->booked, NULL,
									   true);
		return this->answer.refusal == REFUSAL_NONE;
	}
	this->answer = call_refund(this->source, this->booked, NULL, true);
	if (this->answer.refusal != REFUSAL_NONE || this->answer.forgave)
		return false;
	this->answer = earn_next(this->source, this->order, this->booked);
	return this->answer.refusal == REFUSAL_NONE;
}

/*
 * Refunds the whole and earns anew; both or, when one is refused, neither.
 * Where the refund would forgive what has been spent, to earn it once more,
 * the new award comes first and the refund takes from it.  Not always so,
 * because the metrics count twice in between, which could promote.
 */
static Answer
replace(const Source *source, const SourceOrder *order, const Booked *booked)
{
	Replacement replacement = {source, order, booked};

	statement_attempt(refund_and_earn, &replacement);
	if (replacement.answer.refusal == REFUSAL_NONE &&
		replacement.answer.forgave)
	{
		replacement.earn_first = true;
		statement_attempt(refund_and_earn, &replacement);
	}
	return replacement.answer;
}

/* An event that is no purchase may have no amount. */
static Refusal
parse_amount(const Source *source, const SourceOrder *order, int64 *amount)
{
	*amount = 0;
	return order->amount == NULL ? REFUSAL_NONE :
		amount_parse(order->amount, source->program->currency_scale, amount);
}

/* Makes the order worth what its row says. */
static Answer
set_order(const Source *source, const SourceOrder *order)
{
	Booked		booked;
	Refusal		refusal;
	int64		amount;

	find_booked(source, order, &booked);
	if (!booked.open)
		return earn_next(source, order, &booked);
	if (booked.member_id != order->member_id)
		return refused(REFUSAL_REF_DUPLICATE,
					   "ref belongs to another member of the programme");
	refusal = parse_amount(source, order, &amount);
	if (refusal != REFUSAL_NONE || amount == booked.net)
		return refused(refusal, "the amount of the row cannot be booked");
	if (amount > 0 && amount < booked.net && !order->new_items)
		return call_refund(source, &booked,
						   amount_numeric(booked.net - amount,
										  source->program->currency_scale),
						   false);
	return replace(source, order, &booked);
}

/* Did a verb answer that the ledger has this reference already? */
static bool
is_known(const Answer *answer)
{
	return answer->refusal == REFUSAL_NONE ? answer->replayed :
		answer->refusal == REFUSAL_KEY_REUSED ||
		answer->refusal == REFUSAL_REF_DUPLICATE;
}

/*
 * An order that was not paid before.  The ledger knows it all the same if it
 * was deleted, or unpaid, and is there again.
 */
static Answer
earn_order(const Source *source, const SourceOrder *order)
{
	Answer		answer = call_earn(source, order, order->ref, order->moved);
	Booked		booked;
	Refusal		refusal;
	int64		amount;

	if (order->member_id == 0 || !is_known(&answer))
		return answer;
	find_booked(source, order, &booked);
	if (!booked.open)
		return earn_next(source, order, &booked);
	refusal = parse_amount(source, order, &amount);
	if (refusal == REFUSAL_NONE && (booked.member_id != order->member_id ||
									booked.net != amount))
		refusal = REFUSAL_REF_DUPLICATE;
	return refused(refusal, "the order was recorded with another amount or "
				   "member");
}

/* An order that is not paid any more. */
static Answer
undo_order(const Source *source, const SourceOrder *order)
{
	Booked		booked;

	if (order->ref == NULL || order->member_id == 0)
		return refused(REFUSAL_NONE, NULL);
	find_booked(source, order, &booked);
	if (!booked.open || booked.member_id != order->member_id)
		return refused(REFUSAL_NONE, NULL);
	return call_refund(source, &booked, NULL, false);
}

/* What of an order is refused before any verb is asked. */
static Answer
check_order(const Source *source, const SourceOrder *order)
{
	if (order->ref == NULL)
		return refused(REFUSAL_REF_INVALID, "the row has no reference");
	if (is_derived(order->ref))
		return refused(REFUSAL_REF_INVALID,
					   "a tilde and digits at the end are reserved");
	if (order->amount == NULL && strcmp(source->event, "purchase") == 0)
		return refused(REFUSAL_AMOUNT_NOT_POSITIVE, "the row has no amount");
	return refused(REFUSAL_NONE, NULL);
}

/*
 * Is the member one of the programme?  The verbs would find that of another,
 * which the table is not attached to.
 */
static bool
is_member(const Source *source, const SourceOrder *order)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(order->member_id)),
		ARG(Int32GetDatum(source->program->program_id))
	};

	return is_to_be_enrolled(order) ||
		statement_run(&select_member, args, false) > 0;
}

static bool
is_guests(const Source *source, const SourceOrder *order)
{
	return source->guests && order->member_id == 0 && order->identity == NULL;
}

/* Notes the order of a guest, as its row is now, or forgets it. */
static Answer
book_guest(const Source *source, const SourceOrder *order)
{
	const Program *program = source->program;
	bool		corrects = order->action == ORDER_SET || order->moved;
	GuestOrder	guest = {.ref = order->ref};
	const char *detail = "the amount of the row cannot be noted";
	Answer		answer;
	Refusal		refusal;

	if (order->action == ORDER_GONE)
	{
		if (order->ref != NULL)
			guest_forget(program, order->ref);
		return refused(REFUSAL_NONE, NULL);
	}
	answer = check_order(source, order);
	if (answer.refusal != REFUSAL_NONE)
		return answer;
	guest.at = order->has_at && !(corrects && order->at < program->closed_until) ?
		order->at : loyalty_clock();
	refusal = parse_amount(source, order, &guest.amount);
	if (refusal == REFUSAL_NONE)
		refusal = guest_read_data(order->data, &guest, &detail);
	if (refusal == REFUSAL_NONE)
		refusal = guest_check(program, &guest, &detail);
	if (refusal == REFUSAL_NONE)
		guest_set(program, &guest);
	return refused(refusal, detail);
}

static Answer
book(const Source *source, const SourceOrder *order)
{
	Answer		answer;

	if (is_guests(source, order))
		return book_guest(source, order);
	/* who was a guest may have become a member since */
	if (source->guests && order->ref != NULL)
		guest_forget(source->program, order->ref);
	if (!is_member(source, order))
		return refused(order->action == ORDER_GONE ? REFUSAL_NONE :
					   REFUSAL_MEMBER_NOT_FOUND,
					   psprintf("member_id=" INT64_FORMAT, order->member_id));
	if (order->action == ORDER_GONE)
		return undo_order(source, order);
	answer = check_order(source, order);
	if (answer.refusal != REFUSAL_NONE)
		return answer;
	if (order->action == ORDER_EARN || order->member_id == 0)
		return earn_order(source, order);
	return set_order(source, order);
}

/*
 * Books what has become of an order.  A refusal raises, or is left in the
 * row.
 */
void
order_book(const Source *source, const SourceOrder *order, IngestRow *row)
{
	Answer		answer = book(source, order);

	row->status = INGEST_DONE;
	if (answer.refusal == REFUSAL_NONE)
		return;
	if (source->raise)
		refusal_raise(answer.refusal,
					  answer.detail == NULL ? "" : answer.detail);
	ingest_refuse(row, answer.refusal, answer.detail);
}

/*
 * Makes a row of a batch of an order.  It is pending if the batch may record
 * it; if not, it was rejected, or has to be booked by itself.
 */
void
order_row(const Source *source, const SourceOrder *order, IngestRow *row)
{
	Answer		answer = check_order(source, order);

	memset(row, 0, sizeof(IngestRow));
	row->input.member_id = ARG_OR_NULL(Int64GetDatum(order->member_id),
									   order->member_id != 0);
	row->input.event = ARG(CStringGetTextDatum(source->event));
	row->input.amount = POINTER_ARG(order->amount);
	row->input.ref = POINTER_ARG(order->ref);
	row->input.items = POINTER_ARG(order->items);
	row->input.data = POINTER_ARG(order->data);
	row->input.at = time_argument(source, order, order->moved);
	row->input.key = NULL_ARG;
	row->line = NULL_ARG;
	row->identities = NULL_ARG;
	row->status = INGEST_DONE;
	if (order->action != ORDER_EARN)
		return;
	if (answer.refusal == REFUSAL_NONE)
		row->status = order->member_id == 0 ? INGEST_DONE : INGEST_PENDING;
	else
		ingest_refuse(row, answer.refusal, answer.detail);
}

/* Did the batch find that the ledger has the reference already? */
bool
order_row_known(const IngestRow *row)
{
	return row->status == INGEST_REPLAYED ||
		(row->status == INGEST_REJECTED &&
		 (strcmp(row->code, refusal_text(REFUSAL_KEY_REUSED)->code) == 0 ||
		  strcmp(row->code, refusal_text(REFUSAL_REF_DUPLICATE)->code) == 0));
}
