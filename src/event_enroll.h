/*
 * event_enroll.h
 *
 * Calls that find or create the member that identities lead to.
 */
#ifndef LOYALTY_EVENT_ENROLL_H
#define LOYALTY_EVENT_ENROLL_H

#include "loyalty.h"

#include "event.h"
#include "identity.h"

#pragma GCC visibility push(hidden)

/* A call that starts from identities; the call comes first, for the hooks. */
typedef struct Enrolment
{
	Call		call;
	const Program *program;
	IdentityList identities;
	IdentityList inserted;		/* those that are new to the member */
	int64		new_member_id;	/* of one who is being enrolled */
	int			nnew;
	const Jsonb *profile;		/* NULL: none given */
	bool		is_new;			/* the member is */
} Enrolment;

extern bool enrolment_read(Enrolment *enrolment, int program_arg,
						   int identities_arg, int profile_arg);
extern bool enrolment_open(Enrolment *enrolment);

#pragma GCC visibility pop

#endif							/* LOYALTY_EVENT_ENROLL_H */
