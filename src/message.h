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

/* Of what an application says; each message has a copy. */
#define MAX_PARAMS_BYTES 8192

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

/* Wakes the consumers of a channel at commit. */
extern void message_wake(const char *channel);

/* Starts a call: what is made from here on lives in the caller's context. */
extern void message_begin(void);

/*
 * Puts a message into the outbox that stands in for one that was not
 * delivered: on the first channel, following the fallbacks, which it has not
 * been on and for which the member has agreed.  None, if there is no such
 * channel, if it was done before, or if the message is over.
 */
extern void message_fall_back(int64 member_id, int64 message_id,
							  TimestampTz now);

/* A member, with the account locked. */
typedef struct MessageMember
{
	int64		member_id;
	int32		program_id;
	char	   *status;
} MessageMember;

/* Locks the account; LY501 if there is none. */
extern MessageMember message_member(int64 member_id);

/* LY504 if he was merged into another; LY502 if he was closed, and must not be. */
extern void message_check_member(const MessageMember *member, bool open);

/*
 * When something was said or happened: now for NULL, and for what is a little
 * ahead of this clock.  LY107, LY108 for what cannot be.
 */
extern TimestampTz message_time(FunctionCallInfo fcinfo, int arg);

/* Keeps what a member said of a purpose; the account is locked. */
typedef struct Consent
{
	int64		member_id;
	int32		program_id;
	const char *purpose;
	const char *channel;		/* NULL: all */
	bool		given;
	TimestampTz at;
	const char *evidence;		/* or NULL */
} Consent;

extern int64 message_consent(const Consent *consent);

/*
 * Has the member agreed, by what was said up to a time?  SQL: what was said of
 * the channel counts, unless all channels were withdrawn later.
 */
#define CONSENT_LAST(member, purpose, which, at) \
	"(SELECT s.given, s.at, s.consent_id FROM loyalty.consent s" \
	" WHERE s.member_id = " member " AND s.purpose = " purpose \
	" AND s.channel " which " AND s.at <= " at \
	" ORDER BY s.at DESC, s.consent_id DESC LIMIT 1)"
#define CONSENT_STANDS(member, purpose, channel, at) \
	"(SELECT CASE WHEN o.given IS NULL OR (NOT e.given" \
	" AND (e.at, e.consent_id) > (o.at, o.consent_id))" \
	" THEN coalesce(e.given, false) ELSE o.given END" \
	" FROM (VALUES (true)) AS v (one)" \
	" LEFT JOIN LATERAL " \
	CONSENT_LAST(member, purpose, "= " channel, at) " o ON true" \
	" LEFT JOIN LATERAL " \
	CONSENT_LAST(member, purpose, "IS NULL", at) " e ON true)"

#pragma GCC visibility pop

#endif							/* LOYALTY_MESSAGE_H */
