/*
 * guest.c
 *
 * Orders of people who are not members: amounts to compare those of members
 * with.  They are no books.  Nobody earns by them, and an attached table
 * corrects them as it says.
 */
#include "guest.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "amount.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_guest_order);
PG_FUNCTION_INFO_V1(loyalty_guest_order_refund);

/* As other references are. */
#define MAX_REF_BYTES 255

/* Clocks differ. */
#define MAX_AHEAD (5 * USECS_PER_MINUTE)

#define ORDER_COLUMNS \
	"program_id, ref, refund_ref, amount, at, recorded_at," \
	" channel, store, staff"

static Statement insert_order = {
	"INSERT INTO loyalty.guest_order (" ORDER_COLUMNS ")"
	" VALUES ($1, $2, coalesce($3, ''), $4, $5, clock_timestamp(),"
	" $6, $7, $8) ON CONFLICT DO NOTHING",
	8, {INT4OID, TEXTOID, TEXTOID, INT8OID, TIMESTAMPTZOID, TEXTOID, TEXTOID,
	TEXTOID}
};

static Statement set_order = {
	"INSERT INTO loyalty.guest_order (" ORDER_COLUMNS ")"
	" VALUES ($1, $2, coalesce($3, ''), $4, $5, clock_timestamp(),"
	" $6, $7, $8) ON CONFLICT (ref, refund_ref, program_id)"
	" DO UPDATE SET amount = excluded.amount",
	8, {INT4OID, TEXTOID, TEXTOID, INT8OID, TIMESTAMPTZOID, TEXTOID, TEXTOID,
	TEXTOID}
};

static Statement delete_order = {
	"DELETE FROM loyalty.guest_order WHERE program_id = $1 AND ref = $2",
	2, {INT4OID, TEXTOID}
};

static Statement select_amount = {
	"SELECT amount FROM loyalty.guest_order"
	" WHERE program_id = $1 AND ref = $2 AND refund_ref = coalesce($3, '')",
	3, {INT4OID, TEXTOID, TEXTOID}
};

/* Locked, so that refunds of one order come one after the other. */
static Statement lock_order = {
	"SELECT amount, at, channel, store, staff FROM loyalty.guest_order"
	" WHERE program_id = $1 AND ref = $2 AND refund_ref = '' FOR UPDATE",
	2, {INT4OID, TEXTOID}
};

static Statement select_refunded = {
	"SELECT coalesce(sum(amount), 0)::bigint FROM loyalty.guest_order"
	" WHERE program_id = $1 AND ref = $2 AND refund_ref <> ''",
	2, {INT4OID, TEXTOID}
};

static const char *
text_problem(const text *value, const char *what)
{
	const unsigned char *bytes = (const unsigned char *) VARDATA_ANY(value);
	Size		length = VARSIZE_ANY_EXHDR(value);

	if (length == 0)
		return psprintf("%s is empty", what);
	if (length > MAX_REF_BYTES)
		return psprintf("%s has %zu bytes, at most %d", what, length,
						MAX_REF_BYTES);
	for (Size i = 0; i < length; i++)
		if (bytes[i] < 0x20 || bytes[i] == 0x7f)
			return psprintf("%s contains a control character", what);
	return NULL;
}

static Refusal
check_time(const Program *program, TimestampTz at, const char **detail)
{
	*detail = psprintf("at=%s", timestamptz_to_str(at));
	if (TIMESTAMP_NOT_FINITE(at))
		return REFUSAL_TIME_NOT_FINITE;
	if (at > loyalty_clock() + MAX_AHEAD)
		return REFUSAL_TIME_IN_FUTURE;
	return at < program->closed_until || at < SetEpochTimestamp() ?
		REFUSAL_PERIOD_CLOSED : REFUSAL_NONE;
}

Refusal
guest_check(const Program *program, const GuestOrder *order,
			const char **detail)
{
	*detail = text_problem(order->ref, "ref");
	if (*detail == NULL && order->refund_ref != NULL)
		*detail = text_problem(order->refund_ref, "refund_ref");
	if (*detail != NULL)
		return REFUSAL_REF_INVALID;
	if (order->amount < 0)
	{
		*detail = psprintf("amount=%s",
						   amount_text(order->amount,
									   program->currency_scale));
		return REFUSAL_AMOUNT_NOT_POSITIVE;
	}
	return check_time(program, order->at, detail);
}

Refusal
guest_read_data(Jsonb *data, GuestOrder *order, const char **detail)
{
	const struct
	{
		const char *name;
		text	  **column;
	}			columns[] = {
		{"channel", &order->channel},
		{"store", &order->store},
		{"staff", &order->staff}
	};

	*detail = "data must be a json object";
	if (data == NULL)
		return REFUSAL_NONE;
	if (!JB_ROOT_IS_OBJECT(data))
		return REFUSAL_DATA_INVALID;
	for (int i = 0; i < lengthof(columns); i++)
	{
		JsonbValue	buffer;
		JsonbValue *value = getKeyJsonValueFromContainer(&data->root,
														 columns[i].name,
														 strlen(columns[i].name),
														 &buffer);

		if (value == NULL || value->type == jbvNull)
			continue;
		*detail = psprintf("data.%s must be a string", columns[i].name);
		if (value->type != jbvString)
			return REFUSAL_DATA_INVALID;
		*columns[i].column = cstring_to_text_with_len(value->val.string.val,
													  value->val.string.len);
		*detail = text_problem(*columns[i].column, columns[i].name);
		if (*detail != NULL)
			return REFUSAL_DATA_INVALID;
	}
	return REFUSAL_NONE;
}

static bool
write_order(Statement *statement, const Program *program,
			const GuestOrder *order)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program->program_id)),
		ARG(PointerGetDatum(order->ref)),
		POINTER_ARG(order->refund_ref),
		ARG(Int64GetDatum(order->amount)),
		ARG(TimestampTzGetDatum(order->at)),
		POINTER_ARG(order->channel),
		POINTER_ARG(order->store),
		POINTER_ARG(order->staff)
	};

	return statement_run(statement, args, false) > 0;
}

void
guest_set(const Program *program, const GuestOrder *order)
{
	write_order(&set_order, program, order);
}

void
guest_forget(const Program *program, text *ref)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program->program_id)),
		ARG(PointerGetDatum(ref))
	};

	statement_run(&delete_order, args, false);
}

/*
 * The functions.
 */

static const Program *
require_program(Datum name)
{
	char	   *program_name = TextDatumGetCString(name);
	const Program *program = program_find(program_name);

	if (program == NULL)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s", clipped(program_name)));
	if (!program->active)
		refusal_raise(REFUSAL_PROGRAM_INACTIVE,
					  psprintf("program=%s", clipped(program_name)));
	return program;
}

static int64
require_amount(const Program *program, Numeric amount)
{
	int64		minor;
	Refusal		refusal = amount_parse(amount, program->currency_scale,
									   &minor);

	if (refusal != REFUSAL_NONE)
		refusal_raise(refusal, psprintf("amount=%s decimals=%d",
										numeric_normalize(amount),
										program->currency_scale));
	return minor;
}

static void
require_order(const Program *program, const GuestOrder *order)
{
	const char *detail;
	Refusal		refusal = guest_check(program, order, &detail);

	if (refusal != REFUSAL_NONE)
		refusal_raise(refusal, detail);
}

/* Is the same known?  whole: of whatever amount. */
static bool
is_known(const Program *program, const GuestOrder *order, bool whole)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program->program_id)),
		ARG(PointerGetDatum(order->ref)),
		POINTER_ARG(order->refund_ref)
	};

	return statement_run(&select_amount, args, false) > 0 &&
		(whole || DatumGetInt64(statement_notnull(0, 1)) == order->amount);
}

/*
 * Notes it; false if it was known.  LY454 if something else was known under
 * the same reference.
 */
static bool
note(const Program *program, const GuestOrder *order)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program->program_id)),
		ARG(PointerGetDatum(order->ref)),
		POINTER_ARG(order->refund_ref)
	};
	int64		known;

	if (write_order(&insert_order, program, order))
		return true;
	/* who has it in this moment may still take it back */
	if (statement_run(&select_amount, args, false) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not note an order due to concurrent update")));
	known = DatumGetInt64(statement_notnull(0, 1));
	if (known != order->amount)
		refusal_raise(REFUSAL_GUEST_ORDER_DIFFERS,
					  psprintf("amount=%s known=%s",
							   amount_text(order->amount,
										   program->currency_scale),
							   amount_text(known, program->currency_scale)));
	return false;
}

enum order_arg
{
	ORDER_PROGRAM,
	ORDER_AMOUNT,
	ORDER_REF,
	ORDER_AT,
	ORDER_DATA
};

/* guest_order(program, amount, ref, at, data): true, unless it was known. */
Datum
loyalty_guest_order(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	const Program *program;
	GuestOrder	order = {0};
	const char *detail;
	Refusal		refusal;
	bool		noted;

	require_argument(fcinfo, ORDER_PROGRAM, "program");
	require_argument(fcinfo, ORDER_AMOUNT, "amount");
	require_argument(fcinfo, ORDER_REF, "ref");
	SPI_connect();
	loyalty_check_version();
	MemoryContextSwitchTo(caller);
	program = require_program(PG_GETARG_DATUM(ORDER_PROGRAM));
	order.ref = PG_GETARG_TEXT_PP(ORDER_REF);
	order.amount = require_amount(program, PG_GETARG_NUMERIC(ORDER_AMOUNT));
	order.at = PG_ARGISNULL(ORDER_AT) ? loyalty_clock() :
		PG_GETARG_TIMESTAMPTZ(ORDER_AT);
	refusal = guest_read_data(PG_ARGISNULL(ORDER_DATA) ? NULL :
							  PG_GETARG_JSONB_P(ORDER_DATA), &order, &detail);
	if (refusal != REFUSAL_NONE)
		refusal_raise(refusal, detail);
	/* what was noted already can be told again whatever the time is */
	noted = !is_known(program, &order, false);
	if (noted)
	{
		require_order(program, &order);
		noted = note(program, &order);
	}
	SPI_finish();
	PG_RETURN_BOOL(noted);
}

enum refund_arg
{
	REFUND_PROGRAM,
	REFUND_REF,
	REFUND_AMOUNT,
	REFUND_REFUND_REF,
	REFUND_AT
};

/* Reads the order that is refunded, and locks it; LY455 if there is none. */
static int64
load_original(const Program *program, GuestOrder *refund,
			  TimestampTz *ordered_at)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program->program_id)),
		ARG(PointerGetDatum(refund->ref))
	};
	int64		left;

	if (statement_run(&lock_order, args, false) == 0)
		refusal_raise(REFUSAL_GUEST_ORDER_NOT_FOUND,
					  psprintf("ref=%s",
							   clipped(text_to_cstring(refund->ref))));
	left = DatumGetInt64(statement_notnull(0, 1));
	*ordered_at = DatumGetTimestampTz(statement_notnull(0, 2));
	refund->channel = (text *) statement_varlena(0, 3);
	refund->store = (text *) statement_varlena(0, 4);
	refund->staff = (text *) statement_varlena(0, 5);
	statement_run(&select_refunded, args, false);
	return left - DatumGetInt64(statement_notnull(0, 1));
}

/*
 * guest_order_refund(program, ref, amount, refund_ref, at): true, unless it
 * was known.  A part needs a name, so that it can be repeated.
 */
Datum
loyalty_guest_order_refund(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	const Program *program;
	GuestOrder	refund = {0};
	bool		all = PG_ARGISNULL(REFUND_AMOUNT);
	TimestampTz ordered_at;
	int64		left;
	bool		noted = false;

	require_argument(fcinfo, REFUND_PROGRAM, "program");
	require_argument(fcinfo, REFUND_REF, "ref");
	SPI_connect();
	loyalty_check_version();
	MemoryContextSwitchTo(caller);
	program = require_program(PG_GETARG_DATUM(REFUND_PROGRAM));
	refund.ref = PG_GETARG_TEXT_PP(REFUND_REF);
	if (!PG_ARGISNULL(REFUND_REFUND_REF))
		refund.refund_ref = PG_GETARG_TEXT_PP(REFUND_REFUND_REF);
	else if (all)
		refund.refund_ref = cstring_to_text("all");
	else
		refusal_raise(REFUSAL_KEY_INVALID, "a part that is refunded needs a "
					  "refund_ref, so that it can be repeated safely");
	left = load_original(program, &refund, &ordered_at);
	refund.amount = all ? left :
		require_amount(program, PG_GETARG_NUMERIC(REFUND_AMOUNT));
	refund.at = PG_ARGISNULL(REFUND_AT) ? Max(loyalty_clock(), ordered_at) :
		PG_GETARG_TIMESTAMPTZ(REFUND_AT);
	require_order(program, &refund);
	if (!is_known(program, &refund, all))
	{
		if (refund.amount > left || refund.amount == 0)
			refusal_raise(REFUSAL_REFUND_EXCEEDS,
						  psprintf("left=%s",
								   amount_text(left,
											   program->currency_scale)));
		noted = note(program, &refund);
	}
	SPI_finish();
	PG_RETURN_BOOL(noted);
}
