/*
 * message.h
 *
 * The outbox: what is to be told to members, and by whom it may be.
 */
#ifndef LOYALTY_MESSAGE_H
#define LOYALTY_MESSAGE_H

#include "loyalty.h"

#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "statement.h"

#pragma GCC visibility push(hidden)

/* The purpose for which nobody has to ask. */
#define PURPOSE_SERVICE "service"

#define PRIORITY_DEFAULT 5
/* Neither quiet hours nor the member's cap hold it back. */
#define PRIORITY_URGENT 9

/* A message that is to be put into the outbox. */
typedef struct NewMessage
{
	int64		member_id;
	int32		program_id;
	int32		automation_id;	/* 0: of none */
	int64		run_id;			/* 0: of none */
	int64		fallback_of;	/* 0: of none */
	int			priority;
	const char *channel;
	const char *template;
	const char *purpose;
	const char *dedupe_key;		/* NULL: none */
	Jsonb	   *params;			/* NULL: none */
	TimestampTz not_before;		/* DT_NOBEGIN: now */
	TimestampTz expires_at;		/* DT_NOEND: never */
} NewMessage;

/*
 * Puts a message into the outbox and returns its id; of one whose dedupe key
 * the member has already, the id of the first.  The caller has locked the
 * account.  LY440 if the programme has no such channel.  The consumers of the
 * channel are woken when the transaction commits.
 */
extern int64 message_add(const NewMessage *message);

/*
 * Cancels what a run of an automation has enqueued and nobody has taken, and
 * returns how many.  The caller has locked the account.
 */
extern int	message_cancel_run(int64 member_id, int64 run_id,
							   TimestampTz now);

/* Wakes the consumers of a channel at commit. */
extern void message_wake(const char *channel);

/* Starts a call: what is made from here on lives in the caller's context. */
extern void message_begin(void);

/* A member, with the account locked. */
typedef struct MessageMember
{
	int64		member_id;
	int32		program_id;
	char	   *status;
} MessageMember;

/* Locks the account; LY501 if there is none. */
extern MessageMember message_member(int64 member_id);

/* Refuses with 22023 what is no name; NULL: 22004. */
extern char *message_name(FunctionCallInfo fcinfo, int arg, const char *what,
						  const char *also);

#pragma GCC visibility pop

#endif							/* LOYALTY_MESSAGE_H */
