/*
 * event_coupon.h
 *
 * What the verbs of coupons share.
 */
#ifndef LOYALTY_EVENT_COUPON_H
#define LOYALTY_EVENT_COUPON_H

#include "loyalty.h"

#include "call.h"
#include "store_coupon.h"

#pragma GCC visibility push(hidden)

/* Refuses with the reason of a coupon (NULL: of none that may be told). */
extern bool event_coupon_refuse(Call *call, CouponReason reason,
								const Coupon *coupon);
/* Makes what an argument names the event of the call. */
extern bool event_coupon_name(Call *call, int arg);
/* Puts a reference that does not name the call, and is checked, into *ref. */
extern bool event_coupon_ref(Call *call, int arg, text **ref);
/* The row of a call about so many coupons. */
extern JournalRow *event_coupon_row(Call *call, int64 quantity);
/* The member's coupon that an argument names by its number. */
extern bool event_coupon_held(Call *call, int arg, HeldCoupon *held);
/* Tells of one coupon, or of so many. */
extern void event_coupon_tell(Call *call, const char *code,
							  const Coupon *coupon, int64 coupon_no,
							  int64 quantity, DateADT until);
/* One that has issued so many gives so much back to its limit. */
extern void event_coupon_unissue(const Coupon *coupon, const char *source);

#pragma GCC visibility pop

#endif							/* LOYALTY_EVENT_COUPON_H */
