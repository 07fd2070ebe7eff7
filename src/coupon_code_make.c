/*
 * coupon_code_make.c
 *
 * Generates codes: the numbers 0, 1, 2 ... put through a permutation that
 * depends on the programme's key.  No two numbers give the same code, so none
 * has to be looked for; and who does not have the key cannot tell the next
 * code from all that were made before.
 *
 * The permutation is a Feistel network over 5 bits for each character, its
 * round function SHA-256 under the key.
 */
#include "coupon_code.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(loyalty_coupon_generate);

#define BITS_PER_CHARACTER 5

/* As NIST has it for networks over so few bits. */
#define ROUNDS 10

/* No hash of a code is one of an attempt. */
#define CODE_TAG 'C'

/* Codes in one call. */
#define MAX_CODES 10000000

/* Who guesses a code finds one that can be used once in so many times. */
#define GUESSES_PER_CODE INT64CONST(1000000000)

/* Counts codes of the programme; the row stays locked to the end. */
static Statement take_numbers = {
	"UPDATE loyalty.coupon_key SET made = made + $2"
	" WHERE program_id = $1 RETURNING made",
	2, {INT4OID, INT8OID}
};

static Statement count_live = {
	"SELECT count(*) FROM (SELECT FROM loyalty.coupon_code"
	" WHERE program_id = $1 AND kind = 'generated' AND length(code) = $2 + 1"
	" AND status = 'active' AND uses < max_uses"
	" AND (valid_until IS NULL OR valid_until >= $3) LIMIT $4) c",
	4, {INT4OID, INT4OID, DATEOID, INT8OID}
};

/*
 * The permutation
 */

/* What a round is given; without holes, for it is hashed as it stands. */
typedef struct RoundInput
{
	uint8		tag;
	uint8		round;
	uint8		length;
	uint8		unused[5];
	uint64		half;			/* big-endian */
} RoundInput;

static uint64
round_value(const CouponHash *hash, int length, int round, uint64 half)
{
	RoundInput	input = {CODE_TAG, round, length, {0}, pg_hton64(half)};
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	uint64		value;

	coupon_hash(hash, &input, sizeof(input), digest);
	memcpy(&value, digest, sizeof(value));
	return pg_ntoh64(value);
}

/* Half a code, from its last character to its first. */
static void
write_half(char *code, int length, uint64 half)
{
	for (int i = length - 1; i >= 0; i--)
	{
		code[i] = coupon_code_alphabet[half & 31];
		half >>= BITS_PER_CHARACTER;
	}
}

/* The code of a number: so many characters, an even number, and the check. */
static char *
make_code(const CouponHash *hash, int length, uint64 number)
{
	int			bits = length / 2 * BITS_PER_CHARACTER;
	uint64		mask = (UINT64CONST(1) << bits) - 1;
	uint64		left = number >> bits;
	uint64		right = number & mask;
	char	   *code = palloc(length + 2);

	for (int round = 0; round < ROUNDS; round++)
	{
		uint64		next = left ^
			(round_value(hash, length, round, right) & mask);

		left = right;
		right = next;
	}
	write_half(code, length / 2, left);
	write_half(code + length / 2, length / 2, right);
	code[length] = coupon_code_check_character(code, length);
	code[length + 1] = '\0';
	return code;
}

/*
 * coupon_generate()
 */

/* How many codes of this length may be live; there are 32^length. */
static int64
most_live(int length)
{
	int			bits = length * BITS_PER_CHARACTER;

	/* above that more than can be counted */
	return bits >= 63 ? PG_INT64_MAX :
		(INT64CONST(1) << bits) / GUESSES_PER_CODE;
}

/*
 * Refuses when codes would be guessed too easily.  Live ones are counted only
 * when all that were ever made might be too many.
 */
static void
check_space(const CouponTemplate *coupon, int64 made, int64 n)
{
	int64		most = most_live(coupon->code_length);
	NullableDatum args[] = {
		ARG(Int32GetDatum(coupon->program_id)),
		ARG(Int32GetDatum(coupon->code_length)),
		ARG(DateADTGetDatum(coupon->today)),
		ARG(Int64GetDatum(most))
	};
	int64		live = made;

	if (live > most - n)
	{
		statement_run(&count_live, args, false);
		live = DatumGetInt64(statement_notnull(0, 1));
	}
	if (live > most - n)
		refusal_raise(REFUSAL_CODE_SPACE_TOO_SMALL,
					  psprintf("length=%d live=" INT64_FORMAT
							   " requested=" INT64_FORMAT
							   " at_most=" INT64_FORMAT,
							   coupon->code_length, live, n, most));
}

/* Takes n numbers, and returns the first of them. */
static int64
take(const CouponTemplate *coupon, int64 n)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(coupon->program_id)),
		ARG(Int64GetDatum(n))
	};

	if (statement_run(&take_numbers, args, false) != 1)
		elog(ERROR, "programme %d has no key", coupon->program_id);
	return DatumGetInt64(statement_notnull(0, 1)) - n;
}

static int
compare_codes(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/*
 * Makes codes of n numbers, keeps them and returns them as rows.  In order,
 * for then the index is written from left to right.  Returns how many there
 * are: one that somebody has imported is left out.
 */
static int
make_codes(const CouponTemplate *coupon, const uint8 *key, int64 first,
		   int n, text *batch, ReturnSetInfo *result)
{
	char	  **codes = palloc(sizeof(char *) * n);
	CouponHash	hash;
	int			nkept;

	coupon_hash_begin(&hash, key);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		codes[i] = make_code(&hash, coupon->code_length, first + i);
	}
	coupon_hash_end(&hash);
	qsort(codes, n, sizeof(char *), compare_codes);
	nkept = coupon_code_insert(coupon, "generated", codes, n, batch);
	for (int i = 0; i < nkept; i++)
	{
		Datum		value =
			PointerGetDatum(coupon_code_grouped(statement_text(i, 1)));
		bool		isnull = false;

		tuplestore_putvalues(result->setResult, result->setDesc, &value,
							 &isnull);
	}
	SPI_freetuptable(SPI_tuptable);
	return nkept;
}

enum generate_arg
{
	GENERATE_PROGRAM,
	GENERATE_COUPON,
	GENERATE_N,
	GENERATE_BATCH				/* NULL: without a name */
};

static void
check_number(int n)
{
	if (n < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("n must be positive")));
	if (n > MAX_CODES)
		refusal_raise(REFUSAL_INPUT_TOO_LARGE,
					  psprintf("codes=%d at_most=%d", n, MAX_CODES));
}

/*
 * coupon_generate(program, coupon, n, batch): the codes, for people.  Locks
 * the template against deletion and the programme's key until the end, so two
 * calls in one programme come one after the other.
 */
Datum
loyalty_coupon_generate(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext work;
	CouponTemplate coupon;
	uint8		key[COUPON_KEY_BYTES];
	text	   *batch;
	int			left;
	int64		number;

	require_argument(fcinfo, GENERATE_PROGRAM, "program");
	require_argument(fcinfo, GENERATE_COUPON, "coupon");
	require_argument(fcinfo, GENERATE_N, "n");
	left = PG_GETARG_INT32(GENERATE_N);
	check_number(left);
	batch = coupon_code_batch(fcinfo->args[GENERATE_BATCH]);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	coupon_template_find(PG_GETARG_DATUM(GENERATE_PROGRAM),
						 PG_GETARG_DATUM(GENERATE_COUPON), &coupon);
	coupon_key_make(coupon.program_id, key);
	number = take(&coupon, left);
	check_space(&coupon, number, left);

	work = AllocSetContextCreate(caller, "coupon_generate",
								 ALLOCSET_DEFAULT_SIZES);
	while (left > 0)
	{
		int			n = Min(left, COUPON_CODE_BATCH);
		int			made;

		MemoryContextSwitchTo(work);
		made = make_codes(&coupon, key, number, n, batch, result);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(work);
		left -= made;
		number += n;
		/* instead of codes that were there already */
		if (made < n)
			take(&coupon, n - made);
	}
	SPI_finish();
	return (Datum) 0;
}
