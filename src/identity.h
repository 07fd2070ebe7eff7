/*
 * identity.h
 *
 * The ways to recognise a member.
 */
#ifndef LOYALTY_IDENTITY_H
#define LOYALTY_IDENTITY_H

#include "loyalty.h"

#include "call.h"

#pragma GCC visibility push(hidden)

/* Both canonical. */
typedef struct Identity
{
	char	   *kind;
	char	   *value;
} Identity;

/* In the order of the primary key, so that all sessions insert alike. */
typedef struct IdentityList
{
	int			n;
	Identity   *identities;
} IdentityList;

/* What is known of a list of identities. */
typedef struct IdentityOwners
{
	int64		member_id;		/* 0: nobody */
	int			nknown;			/* how many of them are this member's */
	bool		several;		/* they lead to more than one */
} IdentityOwners;

extern bool identity_parse(Call *call, const Jsonb *json, IdentityList *list);
extern void identity_owners(int32 program_id, const IdentityList *list,
							IdentityOwners *owners);
extern void identity_owners_many(int32 program_id, const IdentityList *lists,
								 int n, IdentityOwners *owners);
extern int	identity_compare(const IdentityList *a, const IdentityList *b);
extern void identity_insert(int32 program_id, int64 member_id,
							const IdentityList *list,
							IdentityList *inserted);
extern void identity_delete(int32 program_id, int64 member_id,
							const IdentityList *list);

#pragma GCC visibility pop

#endif							/* LOYALTY_IDENTITY_H */
