/*
 * coupon_code.h
 *
 * What those who make, keep and watch codes share.
 */
#ifndef LOYALTY_COUPON_CODE_H
#define LOYALTY_COUPON_CODE_H

#include "loyalty.h"

#include "common/cryptohash.h"
#include "common/sha2.h"

#include "coupon.h"

#pragma GCC visibility push(hidden)

/* Characters of a canonical code at most. */
#define COUPON_CODE_MAX 64

/* Of a generated one, without the check character; even numbers only. */
#define COUPON_CODE_SHORTEST 10
#define COUPON_CODE_LONGEST 24

#define COUPON_KEY_BYTES 32

/* Crockford's, 32 characters. */
extern const char coupon_code_alphabet[];

extern char *coupon_code_of(Datum code);
extern char coupon_code_check_character(const char *code, int n);
extern text *coupon_code_grouped(const char *code);

/*
 * coupon_key.c: the programme's key, made if there is none yet.  To make it
 * locks it; to find it locks nothing.
 */
extern void coupon_key_make(int32 program_id, uint8 *key);
extern bool coupon_key_find(int32 program_id, uint8 *key);

/* SHA-256 under a key, any number of times, until coupon_hash_end(). */
typedef struct CouponHash
{
	uint8		key[COUPON_KEY_BYTES];
	pg_cryptohash_ctx *context;
} CouponHash;

extern void coupon_hash_begin(CouponHash *hash, const uint8 *key);
extern void coupon_hash(const CouponHash *hash, const void *bytes,
						Size nbytes, uint8 *digest);
extern void coupon_hash_end(CouponHash *hash);

/* coupon_code_keep.c: the template of codes that are made or taken over. */
typedef struct CouponTemplate
{
	int32		program_id;
	int32		coupon_id;
	int			version;
	int			code_length;
	int			max_uses;
	NullableDatum valid_from;	/* dates, or NULL */
	NullableDatum valid_until;
	bool		free_codes;
	DateADT		today;			/* of the programme */
} CouponTemplate;

/* Codes are kept in so many steps that no step has more than these. */
#define COUPON_CODE_BATCH 10000

extern text *coupon_code_batch(NullableDatum batch);
extern void coupon_template_find(Datum program, Datum coupon,
								 CouponTemplate *found);
extern uint64 coupon_code_insert(const CouponTemplate *coupon,
								 const char *kind, char **codes, int n,
								 text *batch);

#pragma GCC visibility pop

#endif							/* LOYALTY_COUPON_CODE_H */
