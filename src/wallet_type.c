/*
 * wallet_type.c
 *	  The type loyalty.wallet in SQL: text and binary form, functions,
 *	  operators, and the aggregate that folds postings into a wallet.
 *
 * In SQL a lot that is vested already has a NULL vesting date, and one that
 * never expires a NULL expiry date; in text both are a hyphen.
 */
#include "postgres.h"

#include "common/int.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "loyalty.h"
#include "wallet.h"

/* From 16 on a type's input may report a bad literal without raising */
#if PG_VERSION_NUM < 160000
#define ereturn(context, value, ...) \
	do { \
		(void) (context); \
		ereport(ERROR, __VA_ARGS__); \
		return value; \
	} while (0)
#endif

PG_FUNCTION_INFO_V1(loyalty_wallet_in);
PG_FUNCTION_INFO_V1(loyalty_wallet_out);
PG_FUNCTION_INFO_V1(loyalty_wallet_recv);
PG_FUNCTION_INFO_V1(loyalty_wallet_send);
PG_FUNCTION_INFO_V1(loyalty_wallet_eq);
PG_FUNCTION_INFO_V1(loyalty_wallet_ne);
PG_FUNCTION_INFO_V1(loyalty_wallet_post);
PG_FUNCTION_INFO_V1(loyalty_wallet_take);
PG_FUNCTION_INFO_V1(loyalty_wallet_taken);
PG_FUNCTION_INFO_V1(loyalty_wallet_give);
PG_FUNCTION_INFO_V1(loyalty_wallet_balance);
PG_FUNCTION_INFO_V1(loyalty_wallet_pending);
PG_FUNCTION_INFO_V1(loyalty_wallet_lapsed);
PG_FUNCTION_INFO_V1(loyalty_wallet_debt);
PG_FUNCTION_INFO_V1(loyalty_wallet_total);
PG_FUNCTION_INFO_V1(loyalty_wallet_expiring);
PG_FUNCTION_INFO_V1(loyalty_wallet_due);
PG_FUNCTION_INFO_V1(loyalty_wallet_lots);
PG_FUNCTION_INFO_V1(loyalty_wallet_fold_add);
PG_FUNCTION_INFO_V1(loyalty_wallet_fold_end);

/* Where the parser of the text form stands */
typedef struct Scanner
{
	const char *text;			/* all of it, for messages */
	const char *at;
	int			lot;			/* number of the lot being read */
	struct Node *context;		/* takes an error that is not raised */
} Scanner;

/*
 * Text form
 */

static bool
malformed(Scanner *scan, const char *fault)
{
	if (scan->lot == 0)
		ereturn(scan->context, false,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("malformed wallet literal: \"%s\"", scan->text),
				 errdetail("%s", fault)));
	ereturn(scan->context, false,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("malformed wallet literal: \"%s\"", scan->text),
			 errdetail("Lot %d: %s", scan->lot, fault)));
}

/* The locale's own white space would make one literal mean two things */
static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void
skip_space(Scanner *scan)
{
	while (is_space(*scan->at))
		scan->at++;
}

/* Whether a word of the literal is at its end */
static bool
at_boundary(const Scanner *scan)
{
	char		c = *scan->at;

	return is_space(c) || c == ',' || c == '}';
}

/* Reads a whole number of `lowest` to `highest`; returns false on an error */
static bool
scan_number(Scanner *scan, int64 lowest, int64 highest, int64 *number,
			const char *fault)
{
	bool		negative = *scan->at == '-';
	bool		overflow = false;
	int64		value = 0;

	if (negative)
		scan->at++;
	if (!is_digit(*scan->at))
		return malformed(scan, fault);
	/* Counted below zero, where there is room for one more */
	for (; is_digit(*scan->at); scan->at++)
		overflow |= pg_mul_s64_overflow(value, 10, &value) ||
			pg_sub_s64_overflow(value, *scan->at - '0', &value);
	if (!at_boundary(scan))
		return malformed(scan, fault);
	if (!negative)
		overflow |= pg_sub_s64_overflow(0, value, &value);
	if (overflow || value < lowest || value > highest)
		ereturn(scan->context, false,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("number out of range in wallet literal: \"%s\"",
						scan->text),
				 errdetail("Lot %d: %s", scan->lot, fault)));
	*number = value;
	return true;
}

/* Reads YYYY-MM-DD, or a hyphen for `none`; returns false on an error */
static bool
scan_date(Scanner *scan, DateADT none, DateADT *date)
{
	static const char pattern[] = "dddd-dd-dd";
	const char *at = scan->at;
	int			part[3] = {0, 0, 0};
	int			n = 0;

	if (*at == '-')
	{
		scan->at++;
		*date = none;
		if (!at_boundary(scan))
			return malformed(scan, "A date is YYYY-MM-DD or a hyphen.");
		return true;
	}
	for (int i = 0; pattern[i] != '\0'; i++, at++)
	{
		if (pattern[i] == 'd' ? !is_digit(*at) : *at != '-')
			return malformed(scan, "A date is YYYY-MM-DD or a hyphen.");
		if (*at == '-')
			n++;
		else
			part[n] = part[n] * 10 + (*at - '0');
	}
	scan->at = at;
	if (!at_boundary(scan))
		return malformed(scan, "A date is YYYY-MM-DD or a hyphen.");
	if (part[0] < 1 || part[1] < 1 || part[1] > 12 || part[2] < 1 ||
		part[2] > day_tab[isleap(part[0])][part[1] - 1])
		return malformed(scan, "There is no such date.");
	*date = date2j(part[0], part[1], part[2]) - POSTGRES_EPOCH_JDATE;
	return true;
}

/* Reads an origin letter; returns false on an error */
static bool
scan_origin(Scanner *scan, uint8 *origin)
{
	char		letter = *scan->at;

	if (letter != '\0')
		scan->at++;
	if (!origin_from_letter(letter, origin) || !at_boundary(scan))
		return malformed(scan,
						 "The origin must be one of e, b, a, t, p and d.");
	return true;
}

/* Reads one lot and the space around its words; false on an error */
static bool
scan_lot(Scanner *scan, Lot *lot)
{
	int64		unit_id;

	skip_space(scan);
	if (!scan_number(scan, 1, PG_INT32_MAX, &unit_id,
					 "The unit must be an integer above zero."))
		return false;
	lot->unit_id = (int32) unit_id;
	skip_space(scan);
	if (!scan_date(scan, DATEVAL_NOBEGIN, &lot->vests_on))
		return false;
	skip_space(scan);
	if (!scan_date(scan, DATEVAL_NOEND, &lot->expires_on))
		return false;
	skip_space(scan);
	if (!scan_origin(scan, &lot->origin))
		return false;
	skip_space(scan);
	if (!scan_number(scan, PG_INT64_MIN, PG_INT64_MAX, &lot->amount,
					 "The amount must be a bigint."))
		return false;
	if (lot->amount == 0)
		return malformed(scan, "The amount must not be zero.");
	skip_space(scan);
	return true;
}

/* Adds a lot where it belongs; returns false on an error */
static bool
scan_insert(Scanner *scan, LotList *list, const Lot *lot)
{
	if (wallet_find(list, lot) != NULL)
		return malformed(scan, "It is in the wallet already.");
	if (list->n == WALLET_MAX_LOTS)
		ereturn(scan->context, false,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("wallet cannot hold more than %d lots",
						WALLET_MAX_LOTS)));
	wallet_insert(list, lot);
	return true;
}

/* Reads a whole literal; returns false on an error */
static bool
scan_wallet(Scanner *scan, LotList *list)
{
	Lot			lot;

	skip_space(scan);
	if (*scan->at++ != '{')
		return malformed(scan, "A wallet starts with \"{\".");
	skip_space(scan);
	if (*scan->at == '}')
		scan->at++;
	else
		for (;;)
		{
			scan->lot++;
			if (!scan_lot(scan, &lot))
				return false;
			if (!scan_insert(scan, list, &lot))
				return false;
			if (*scan->at == '}')
			{
				scan->at++;
				break;
			}
			if (*scan->at != ',')
				return malformed(scan,
								 "After a lot comes \",\" or \"}\".");
			scan->at++;
		}
	scan->lot = 0;
	skip_space(scan);
	if (*scan->at != '\0')
		return malformed(scan, "There is text behind the last \"}\".");
	return true;
}

static char *
put_date(char *to, DateADT date, DateADT none)
{
	int			year;
	int			month;
	int			day;

	if (date == none)
	{
		*to++ = '-';
		return to;
	}
	j2date(date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	to = pg_ultostr_zeropad(to, year, 4);
	*to++ = '-';
	to = pg_ultostr_zeropad(to, month, 2);
	*to++ = '-';
	return pg_ultostr_zeropad(to, day, 2);
}

/*
 * wallet_in returns the wallet of a literal such as
 * {1 2026-04-01 2027-03-31 e 120, 2 - - d -40}: per lot the unit, vesting
 * and expiry date or a hyphen, the letter of the origin, and the amount.
 */
Datum
loyalty_wallet_in(PG_FUNCTION_ARGS)
{
	Scanner		scan;
	LotList		list;

	scan.text = scan.at = PG_GETARG_CSTRING(0);
	scan.lot = 0;
	scan.context = fcinfo->context;
	wallet_init(&list);
	if (!scan_wallet(&scan, &list))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(wallet_pack(&list));
}

/*
 * wallet_out returns the one literal that a wallet has as output.
 */
Datum
loyalty_wallet_out(PG_FUNCTION_ARGS)
{
	LotList		list;
	StringInfoData text;

	wallet_unpack(PG_GETARG_DATUM(0), &list);
	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	for (int i = 0; i < list.n; i++)
	{
		const Lot  *lot = &list.lots[i];
		char		buffer[80];
		char	   *to = buffer;

		if (i > 0)
			appendStringInfoString(&text, ", ");
		to += pg_ltoa(lot->unit_id, to);
		*to++ = ' ';
		to = put_date(to, lot->vests_on, DATEVAL_NOBEGIN);
		*to++ = ' ';
		to = put_date(to, lot->expires_on, DATEVAL_NOEND);
		*to++ = ' ';
		*to++ = origin_letter(lot->origin);
		*to++ = ' ';
		to += pg_lltoa(lot->amount, to);
		appendBinaryStringInfo(&text, buffer, to - buffer);
	}
	appendStringInfoChar(&text, '}');
	PG_RETURN_CSTRING(text.data);
}

/*
 * Binary form: the packed form as it is stored
 */

/*
 * wallet_recv returns the wallet of a client's bytes, which are refused
 * (22P03) unless wallet_send could have sent them.
 */
Datum
loyalty_wallet_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			length = message->len - message->cursor;
	const char *bytes = pq_getmsgbytes(message, length);
	LotList		list;
	const char *fault = wallet_parse(bytes, length, &list);

	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("malformed binary wallet"),
				 errdetail("%s", fault)));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(bytes, length));
}

/*
 * wallet_send returns the bytes of a wallet for a client.
 */
Datum
loyalty_wallet_send(PG_FUNCTION_ARGS)
{
	struct varlena *wallet = PG_GETARG_VARLENA_PP(0);

	PG_RETURN_BYTEA_P(cstring_to_text_with_len(VARDATA_ANY(wallet),
											   VARSIZE_ANY_EXHDR(wallet)));
}

/*
 * A list has one packed form, so equal wallets are equal bytes.
 */
static bool
same_bytes(FunctionCallInfo fcinfo)
{
	struct varlena *a = PG_GETARG_VARLENA_PP(0);
	struct varlena *b = PG_GETARG_VARLENA_PP(1);
	Size		length = VARSIZE_ANY_EXHDR(a);

	return length == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), length) == 0;
}

/*
 * wallet_eq returns whether two wallets hold the same lots.
 */
Datum
loyalty_wallet_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(same_bytes(fcinfo));
}

/*
 * wallet_ne returns whether two wallets differ in any lot.
 */
Datum
loyalty_wallet_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!same_bytes(fcinfo));
}

/*
 * Postings
 */

enum post_arg
{
	POST_WALLET,
	POST_UNIT_ID,
	POST_VESTS_ON,
	POST_EXPIRES_ON,
	POST_ORIGIN,
	POST_AMOUNT
};

/*
 * Returns the lot that wallet_post and wallet_fold name in their arguments,
 * whose positions are the same.
 */
static Lot
posting_arg(FunctionCallInfo fcinfo)
{
	Lot			lot;

	require_argument(fcinfo, POST_UNIT_ID, "unit_id");
	require_argument(fcinfo, POST_ORIGIN, "origin");
	require_argument(fcinfo, POST_AMOUNT, "amount");
	lot.unit_id = PG_GETARG_INT32(POST_UNIT_ID);
	lot.vests_on = PG_ARGISNULL(POST_VESTS_ON) ? DATEVAL_NOBEGIN
		: PG_GETARG_DATEADT(POST_VESTS_ON);
	lot.expires_on = PG_ARGISNULL(POST_EXPIRES_ON) ? DATEVAL_NOEND
		: PG_GETARG_DATEADT(POST_EXPIRES_ON);
	lot.origin = 0;				/* which no lot has, for a strange letter */
	(void) origin_from_letter(PG_GETARG_CHAR(POST_ORIGIN), &lot.origin);
	lot.amount = PG_GETARG_INT64(POST_AMOUNT);
	return lot;
}

/*
 * wallet_post returns the wallet with an amount added to one of its lots.
 * Not strict, because a NULL date has a meaning.
 */
Datum
loyalty_wallet_post(PG_FUNCTION_ARGS)
{
	LotList		list;
	Lot			posting;

	require_argument(fcinfo, POST_WALLET, "wallet");
	posting = posting_arg(fcinfo);
	wallet_unpack(PG_GETARG_DATUM(POST_WALLET), &list);
	wallet_post(&list, &posting);
	PG_RETURN_DATUM(wallet_pack(&list));
}

enum take_arg
{
	TAKE_WALLET,
	TAKE_UNIT_ID,
	TAKE_AMOUNT,
	TAKE_AS_OF
};

/*
 * Takes what the arguments ask for, all of it: less is an error.  What is
 * available is the balance, so that debt holds back as much as it is.
 */
static void
take(FunctionCallInfo fcinfo, LotList *list, LotList *taken)
{
	int32		unit_id = PG_GETARG_INT32(TAKE_UNIT_ID);
	int64		amount = PG_GETARG_INT64(TAKE_AMOUNT);
	DateADT		on = PG_GETARG_DATEADT(TAKE_AS_OF);
	int64		available;

	if (amount < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("amount must not be below zero")));
	wallet_unpack(PG_GETARG_DATUM(TAKE_WALLET), list);
	available = wallet_balance(list, unit_id, on);
	if (amount > available)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("wallet holds less than the amount to take"),
				 errdetail("available=%lld requested=%lld",
						   (long long) available, (long long) amount)));
	wallet_take(list, unit_id, amount, on, taken);
}

/*
 * wallet_take returns what is left of the wallet.
 */
Datum
loyalty_wallet_take(PG_FUNCTION_ARGS)
{
	LotList		list;

	take(fcinfo, &list, NULL);
	PG_RETURN_DATUM(wallet_pack(&list));
}

/*
 * wallet_taken returns, as a wallet, what wallet_take takes away.
 */
Datum
loyalty_wallet_taken(PG_FUNCTION_ARGS)
{
	LotList		list;
	LotList		taken;

	wallet_init(&taken);
	take(fcinfo, &list, &taken);
	PG_RETURN_DATUM(wallet_pack(&taken));
}

/*
 * wallet_give returns the wallet with all lots of another posted to it.
 */
Datum
loyalty_wallet_give(PG_FUNCTION_ARGS)
{
	LotList		list;
	LotList		lots;

	wallet_unpack(PG_GETARG_DATUM(0), &list);
	wallet_unpack(PG_GETARG_DATUM(1), &lots);
	wallet_give(&list, &lots);
	PG_RETURN_DATUM(wallet_pack(&list));
}

/*
 * Questions
 */

typedef int64 (*sum_on_day) (const LotList *list, int32 unit_id, DateADT on);

static Datum
answer_on_day(FunctionCallInfo fcinfo, sum_on_day sum)
{
	LotList		list;

	wallet_unpack(PG_GETARG_DATUM(0), &list);
	PG_RETURN_INT64(sum(&list, PG_GETARG_INT32(1), PG_GETARG_DATEADT(2)));
}

/*
 * wallet_balance returns what can be spent on a day: usable less debt.
 */
Datum
loyalty_wallet_balance(PG_FUNCTION_ARGS)
{
	return answer_on_day(fcinfo, wallet_balance);
}

/*
 * wallet_pending returns what vests after a day.
 */
Datum
loyalty_wallet_pending(PG_FUNCTION_ARGS)
{
	return answer_on_day(fcinfo, wallet_pending);
}

/*
 * wallet_lapsed returns what expired before a day and is still in there.
 */
Datum
loyalty_wallet_lapsed(PG_FUNCTION_ARGS)
{
	return answer_on_day(fcinfo, wallet_lapsed);
}

/*
 * wallet_debt returns what is owed, as a positive number.
 */
Datum
loyalty_wallet_debt(PG_FUNCTION_ARGS)
{
	LotList		list;

	wallet_unpack(PG_GETARG_DATUM(0), &list);
	PG_RETURN_INT64(wallet_debt(&list, PG_GETARG_INT32(1)));
}

/*
 * wallet_total returns the sum of all lots of a unit.
 */
Datum
loyalty_wallet_total(PG_FUNCTION_ARGS)
{
	LotList		list;

	wallet_unpack(PG_GETARG_DATUM(0), &list);
	PG_RETURN_INT64(wallet_total(&list, PG_GETARG_INT32(1)));
}

/*
 * wallet_expiring returns what expires from one day to another.
 */
Datum
loyalty_wallet_expiring(PG_FUNCTION_ARGS)
{
	LotList		list;

	wallet_unpack(PG_GETARG_DATUM(0), &list);
	PG_RETURN_INT64(wallet_expiring(&list, PG_GETARG_INT32(1),
									PG_GETARG_DATEADT(2),
									PG_GETARG_DATEADT(3)));
}

/*
 * wallet_due returns the next day on which a lot vests or has lapsed, or
 * NULL.
 */
Datum
loyalty_wallet_due(PG_FUNCTION_ARGS)
{
	LotList		list;
	DateADT		due;

	wallet_unpack(PG_GETARG_DATUM(0), &list);
	due = wallet_due(&list, PG_GETARG_DATEADT(1));
	if (DATE_IS_NOEND(due))
		PG_RETURN_NULL();
	PG_RETURN_DATEADT(due);
}

/*
 * wallet_lots returns the lots as rows, in order.
 */
Datum
loyalty_wallet_lots(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	LotList		list;

	InitMaterializedSRF(fcinfo, 0);
	wallet_unpack(PG_GETARG_DATUM(0), &list);
	for (int i = 0; i < list.n; i++)
	{
		const Lot  *lot = &list.lots[i];
		Datum		values[] = {
			Int32GetDatum(lot->unit_id),
			DateADTGetDatum(lot->vests_on),
			DateADTGetDatum(lot->expires_on),
			CharGetDatum(origin_letter(lot->origin)),
			Int64GetDatum(lot->amount)
		};
		bool		nulls[] = {
			false,
			DATE_IS_NOBEGIN(lot->vests_on),
			DATE_IS_NOEND(lot->expires_on),
			false,
			false
		};

		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}

/*
 * The aggregate wallet_fold
 */

/*
 * wallet_fold_add returns the state, a LotList in the aggregate's context,
 * with one posting added.
 */
Datum
loyalty_wallet_fold_add(PG_FUNCTION_ARGS)
{
	MemoryContext aggregate;
	MemoryContext caller;
	LotList    *list;
	Lot			posting;

	if (!AggCheckCallContext(fcinfo, &aggregate))
		elog(ERROR, "wallet_fold_add called outside an aggregate");
	posting = posting_arg(fcinfo);

	caller = MemoryContextSwitchTo(aggregate);
	if (PG_ARGISNULL(0))
	{
		list = palloc(sizeof(LotList));
		wallet_init(list);
	}
	else
		list = (LotList *) PG_GETARG_POINTER(0);
	wallet_fold_add(list, &posting);
	MemoryContextSwitchTo(caller);
	PG_RETURN_POINTER(list);
}

/*
 * wallet_fold_end returns the wallet of the postings so far; the empty one
 * if there were none.
 */
Datum
loyalty_wallet_fold_end(PG_FUNCTION_ARGS)
{
	LotList		none;
	LotList    *list = &none;

	if (!AggCheckCallContext(fcinfo, NULL))
		elog(ERROR, "wallet_fold_end called outside an aggregate");
	if (PG_ARGISNULL(0))
		wallet_init(list);
	else
	{
		list = (LotList *) PG_GETARG_POINTER(0);
		wallet_fold_end(list);
	}
	PG_RETURN_DATUM(wallet_pack(list));
}
