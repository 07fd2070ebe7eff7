/*
 * coupon_key.c
 *
 * The secret of a programme: with it codes are made and those who type wrong
 * ones are counted.  Nobody who has not read it can tell which code comes
 * next, or whose attempts a row counts.
 */
#include "coupon_code.h"

#include "miscadmin.h"

static Statement select_key = {
	"SELECT key FROM loyalty.coupon_key WHERE program_id = $1",
	1, {INT4OID}
};

static Statement insert_key = {
	"INSERT INTO loyalty.coupon_key (program_id, key) VALUES ($1, $2)"
	" ON CONFLICT (program_id) DO NOTHING",
	2, {INT4OID, BYTEAOID}
};

/* Copies the key of a programme; false: there is none yet. */
bool
coupon_key_find(int32 program_id, uint8 *key)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id))};
	struct varlena *found;

	if (statement_run(&select_key, args, false) == 0)
		return false;
	found = statement_varlena(0, 1);
	if (VARSIZE_ANY_EXHDR(found) != COUPON_KEY_BYTES)
		elog(ERROR, "key of programme %d has another length", program_id);
	memcpy(key, VARDATA_ANY(found), COUPON_KEY_BYTES);
	return true;
}

/*
 * The same; makes the key if there is none.  Whoever else makes it at the
 * same time waits, and takes ours.
 */
void
coupon_key_make(int32 program_id, uint8 *key)
{
	bytea	   *made;
	NullableDatum args[2];

	if (coupon_key_find(program_id, key))
		return;
	made = palloc(VARHDRSZ + COUPON_KEY_BYTES);
	SET_VARSIZE(made, VARHDRSZ + COUPON_KEY_BYTES);
	if (!pg_strong_random(VARDATA(made), COUPON_KEY_BYTES))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random key")));
	args[0] = ARG(Int32GetDatum(program_id));
	args[1] = ARG(PointerGetDatum(made));
	statement_run(&insert_key, args, false);
	if (!coupon_key_find(program_id, key))
		elog(ERROR, "programme %d has no key", program_id);
}

/* The context is freed with the query, whatever becomes of it. */
void
coupon_hash_begin(CouponHash *hash, const uint8 *key)
{
	memcpy(hash->key, key, COUPON_KEY_BYTES);
	hash->context = pg_cryptohash_create(PG_SHA256);
	if (hash->context == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
}

/* The hash of the key and some bytes after it. */
void
coupon_hash(const CouponHash *hash, const void *bytes, Size nbytes,
			uint8 *digest)
{
	if (pg_cryptohash_init(hash->context) < 0 ||
		pg_cryptohash_update(hash->context, hash->key, COUPON_KEY_BYTES) < 0 ||
		pg_cryptohash_update(hash->context, bytes, nbytes) < 0 ||
		pg_cryptohash_final(hash->context, digest,
							PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not compute a hash");
}

void
coupon_hash_end(CouponHash *hash)
{
	pg_cryptohash_free(hash->context);
	hash->context = NULL;
}
