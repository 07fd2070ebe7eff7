/*
 * member.h
 *
 * The person behind an account.
 */
#ifndef LOYALTY_MEMBER_H
#define LOYALTY_MEMBER_H

#include "loyalty.h"

#include "utils/jsonb.h"

#include "account.h"

#pragma GCC visibility push(hidden)

extern void member_prepare(Account *account, int32 program_id,
						   DateADT today);
extern void member_insert(const Account *account, const Jsonb *profile,
						  TimestampTz joined_at);
extern void member_complete_profile(int64 member_id, const Jsonb *profile);

#pragma GCC visibility pop

#endif							/* LOYALTY_MEMBER_H */
