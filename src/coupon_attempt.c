/*
 * coupon_attempt.c
 *
 * Counts wrong codes: of a member, of a device, of a store.  Who or which it
 * is stands in no row, only a hash of it under the programme's key.
 *
 * Failures count from the first one on, until the window is over.  The one
 * that is one too many, and each after it, blocks for a while.  Both end by
 * time; what is over is written over by the next failure, or deleted by
 * coupon_attempt_expire().
 */
#include "coupon_code.h"

#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(loyalty_coupon_attempt_expire);

/* As long as an attempt_window can be. */
#define LONGEST_WINDOW (30 * USECS_PER_DAY)

/* No hash of an attempt is one of a code. */
#define ATTEMPT_TAG 'A'

/* Of whom or what wrong codes are counted. */
typedef enum Scope
{
	SCOPE_MEMBER,
	SCOPE_DEVICE,
	SCOPE_STORE,
	SCOPES
} Scope;

static const char *const scope_names[] = {"member", "device", "store"};

/* A row that counts. */
typedef struct Counter
{
	Scope		scope;
	int			max_attempts;
	bytea	   *value;
} Counter;

static Statement select_blocked = {
	"SELECT coalesce(blocked_until > $4, false) FROM loyalty.coupon_attempt"
	" WHERE value = $1 AND scope = $2 AND program_id = $3",
	4, {BYTEAOID, TEXTOID, INT4OID, TIMESTAMPTZOID}
};

/* Nobody may try another code before it is known what this one was. */
static Statement lock_blocked = {
	"SELECT coalesce(blocked_until > $4, false) FROM loyalty.coupon_attempt"
	" WHERE value = $1 AND scope = $2 AND program_id = $3"
	" FOR NO KEY UPDATE",
	4, {BYTEAOID, TEXTOID, INT4OID, TIMESTAMPTZOID}
};

/* $6: windows that began then or before it are over. */
static Statement upsert_attempt = {
	"INSERT INTO loyalty.coupon_attempt AS a"
	" (value, scope, program_id, first_at, failures, blocked_until)"
	" VALUES ($1, $2, $3, $4, 1, CASE WHEN $5 <= 1 THEN $7 END)"
	" ON CONFLICT (value, scope, program_id) DO UPDATE SET"
	" first_at = CASE WHEN a.first_at <= $6 THEN $4 ELSE a.first_at END,"
	" failures = CASE WHEN a.first_at <= $6 THEN 1 ELSE a.failures + 1 END,"
	" blocked_until = greatest(a.blocked_until, CASE WHEN $5 <="
	" CASE WHEN a.first_at <= $6 THEN 1 ELSE a.failures + 1 END THEN $7 END)",
	7, {BYTEAOID, TEXTOID, INT4OID, TIMESTAMPTZOID, INT4OID, TIMESTAMPTZOID,
	TIMESTAMPTZOID}
};

/* A day has 24 hours here, in whatever zone. */
static int64
microseconds(const Interval *span)
{
	return span->time +
		((int64) span->month * DAYS_PER_MONTH + span->day) * USECS_PER_DAY;
}

/* A counter; its value is the hash of what is counted. */
static void
add_counter(Counter *counters, int *n, const CouponHash *hash, Scope scope,
			const void *bytes, int nbytes, int max_attempts)
{
	uint8	   *named = palloc(nbytes + 2);
	bytea	   *value = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);

	named[0] = ATTEMPT_TAG;
	named[1] = scope;
	memcpy(named + 2, bytes, nbytes);
	SET_VARSIZE(value, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	coupon_hash(hash, named, nbytes + 2, (uint8 *) VARDATA(value));
	counters[(*n)++] = (Counter) {scope, max_attempts, value};
}

/* The order in which everybody locks counters: that of the store last. */
static int
compare_counters(const void *a, const void *b)
{
	const Counter *one = a;
	const Counter *other = b;

	if ((one->scope == SCOPE_STORE) != (other->scope == SCOPE_STORE))
		return one->scope == SCOPE_STORE ? 1 : -1;
	return memcmp(VARDATA(one->value), VARDATA(other->value),
				  PG_SHA256_DIGEST_LENGTH);
}

/* The counters of an attempt, in the order in which they are locked. */
static int
find_counters(const CouponAttempt *attempt, const uint8 *key,
			  Counter *counters)
{
	CouponHash	hash;
	int			n = 0;

	coupon_hash_begin(&hash, key);
	if (attempt->member_id != 0)
		add_counter(counters, &n, &hash, SCOPE_MEMBER, &attempt->member_id,
					sizeof(int64), attempt->max_attempts);
	if (attempt->device != NULL)
		add_counter(counters, &n, &hash, SCOPE_DEVICE,
					VARDATA_ANY(attempt->device),
					VARSIZE_ANY_EXHDR(attempt->device),
					attempt->max_attempts);
	if (attempt->store != NULL)
		add_counter(counters, &n, &hash, SCOPE_STORE,
					VARDATA_ANY(attempt->store),
					VARSIZE_ANY_EXHDR(attempt->store),
					attempt->max_store_attempts);
	coupon_hash_end(&hash);
	qsort(counters, n, sizeof(Counter), compare_counters);
	return n;
}

bool
coupon_attempt_blocked(const CouponAttempt *attempt)
{
	uint8		key[COUPON_KEY_BYTES];
	Counter		counters[SCOPES];
	int			n;

	/* without a key nothing was ever counted */
	if (!coupon_key_find(attempt->program_id, key))
		return false;
	n = find_counters(attempt, key, counters);
	for (int i = 0; i < n; i++)
	{
		NullableDatum args[] = {
			ARG(PointerGetDatum(counters[i].value)),
			ARG(CStringGetTextDatum(scope_names[counters[i].scope])),
			ARG(Int32GetDatum(attempt->program_id)),
			ARG(TimestampTzGetDatum(attempt->now))
		};

		/* the members of a store do not wait for each other */
		if (statement_run(counters[i].scope == SCOPE_STORE ?
						  &select_blocked : &lock_blocked, args, false) > 0 &&
			DatumGetBool(statement_notnull(0, 1)))
			return true;
	}
	return false;
}

void
coupon_attempt_failed(const CouponAttempt *attempt)
{
	TimestampTz over = attempt->now - microseconds(&attempt->window);
	TimestampTz until = attempt->now + microseconds(&attempt->block);
	uint8		key[COUPON_KEY_BYTES];
	Counter		counters[SCOPES];
	int			n;

	coupon_key_make(attempt->program_id, key);
	n = find_counters(attempt, key, counters);
	for (int i = 0; i < n; i++)
	{
		NullableDatum args[] = {
			ARG(PointerGetDatum(counters[i].value)),
			ARG(CStringGetTextDatum(scope_names[counters[i].scope])),
			ARG(Int32GetDatum(attempt->program_id)),
			ARG(TimestampTzGetDatum(attempt->now)),
			ARG(Int32GetDatum(counters[i].max_attempts)),
			ARG(TimestampTzGetDatum(over)),
			ARG(TimestampTzGetDatum(until))
		};

		statement_run(&upsert_attempt, args, false);
	}
}

/*
 * coupon_attempt_expire()
 */

static Statement select_program = {
	"SELECT program_id FROM loyalty.program WHERE name = $1",
	1, {TEXTOID}
};

/* Locked ones are counting. */
static Statement delete_attempts = {
	"WITH over AS (SELECT value, scope FROM loyalty.coupon_attempt"
	" WHERE program_id = $1 AND first_at <= $2"
	" AND (blocked_until IS NULL OR blocked_until <= $3)"
	" LIMIT $4 FOR UPDATE SKIP LOCKED)"
	" DELETE FROM loyalty.coupon_attempt a USING over o"
	" WHERE a.value = o.value AND a.scope = o.scope AND a.program_id = $1",
	4, {INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID}
};

/*
 * coupon_attempt_expire(program, batch): deletes what has counted nothing for
 * the longest window that there can be; how many.
 */
Datum
loyalty_coupon_attempt_expire(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	TimestampTz now = loyalty_clock();
	NullableDatum args[4];
	uint64		deleted;

	require_argument(fcinfo, 0, "program");
	require_argument(fcinfo, 1, "batch");
	if (PG_GETARG_INT32(1) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch must be positive")));
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	args[0] = fcinfo->args[0];
	if (statement_run(&select_program, args, false) == 0)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s",
							   clipped(TextDatumGetCString(args[0].value))));
	args[0] = ARG(statement_notnull(0, 1));
	args[1] = ARG(TimestampTzGetDatum(now - LONGEST_WINDOW));
	args[2] = ARG(TimestampTzGetDatum(now));
	args[3] = fcinfo->args[1];
	deleted = statement_run(&delete_attempts, args, false);
	SPI_finish();
	PG_RETURN_INT64(deleted);
}
