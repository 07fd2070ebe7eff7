/*
 * wallet.h
 *	  The wallet: everything of value that one member holds, lot by lot.
 *
 * A LotList is a wallet taken apart.  It is always in order (unit, expiry,
 * origin, vesting), holds each key once and no lot of zero, so the order of
 * the array is the order in which the lots of a unit are spent.  The one
 * exception is a list between wallet_fold_add and wallet_fold_end.
 *
 * The lots live in the memory context that was current when the list was
 * first given one.  Nothing here reads or writes a table.
 */
#ifndef WALLET_H
#define WALLET_H

#include "postgres.h"

#include "utils/date.h"

#define WALLET_MAX_LOTS 1000

/* The dates a lot may carry: 0001-01-01 to 9999-12-31 */
#define WALLET_FIRST_DATE (-730119)
#define WALLET_LAST_DATE 2921939

/* In spend order.  SQL and text show a letter: e b a t p d */
typedef enum LotOrigin
{
	ORIGIN_EARNED = 1,
	ORIGIN_BONUS,
	ORIGIN_ADJUSTED,
	ORIGIN_TRANSFERRED,
	ORIGIN_PRINCIPAL,
	ORIGIN_DEBT
} LotOrigin;

/*
 * All but the amount is the key of the lot.  An end that does not come is
 * DATEVAL_NOEND, a vesting that is past DATEVAL_NOBEGIN.
 */
typedef struct Lot
{
	int32		unit_id;		/* from 1 */
	DateADT		expires_on;		/* last day of use, NOEND = never */
	uint8		origin;			/* a LotOrigin */
	DateADT		vests_on;		/* first day of use, NOBEGIN = vested */
	int64		amount;			/* in minor units */
} Lot;

typedef struct LotList
{
	int			n;
	int			capacity;
	Lot		   *lots;
} LotList;

#pragma GCC visibility push(hidden)

extern char origin_letter(LotOrigin origin);
extern bool origin_from_letter(char letter, uint8 *origin);

extern void wallet_init(LotList *list);
extern void wallet_unpack(Datum wallet, LotList *list);
extern const char *wallet_parse(const char *bytes, Size length,
								LotList *list);
extern Datum wallet_pack(const LotList *list);
extern void wallet_copy(const LotList *from, LotList *to);

extern void wallet_insert(LotList *list, const Lot *lot);
extern void wallet_fold_add(LotList *list, const Lot *posting);
extern void wallet_fold_end(LotList *list);

extern int64 wallet_post(LotList *list, const Lot *posting);
extern const Lot *wallet_find(const LotList *list, const Lot *key);
extern int64 wallet_take(LotList *list, int32 unit_id, int64 amount,
						 DateADT on, LotList *taken);
extern int64 wallet_take_pending(LotList *list, int32 unit_id, int64 amount,
								 DateADT on, LotList *taken);
extern void wallet_give(LotList *list, const LotList *lots);

extern int64 wallet_usable(const LotList *list, int32 unit_id, DateADT on);
extern int64 wallet_pending(const LotList *list, int32 unit_id, DateADT on);
extern int64 wallet_lapsed(const LotList *list, int32 unit_id, DateADT on);
extern int64 wallet_debt(const LotList *list, int32 unit_id);
extern int64 wallet_total(const LotList *list, int32 unit_id);
extern int64 wallet_balance(const LotList *list, int32 unit_id, DateADT on);
extern int64 wallet_expiring(const LotList *list, int32 unit_id,
							 DateADT from, DateADT until);
extern DateADT wallet_due(const LotList *list, DateADT after);

#pragma GCC visibility pop

#endif							/* WALLET_H */
