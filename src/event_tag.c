/*
 * event_tag.c
 *
 * Tags that are given and taken by hand.
 */
#include "event.h"

#include "utils/builtins.h"

#include "statement.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_tag_add);
PG_FUNCTION_INFO_V1(loyalty_tag_remove);

enum tag_arg
{
	TAG_MEMBER_ID,
	TAG_TAG,
	TAG_SOURCE,
	TAG_VALID_UNTIL
};

static Statement select_tag = {
	"SELECT FROM loyalty.tag"
	" WHERE program_id = $1 AND name = $2 AND condition IS NOT NULL",
	2, {INT4OID, TEXTOID}
};

/* Refuses a tag that only its condition sets and removes. */
static void
check_by_hand(const Decision *decision, const char *tag)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(decision->program->program_id)),
		ARG(CStringGetTextDatum(tag))
	};

	if (statement_run(&select_tag, args, false) > 0)
		refusal_raise(REFUSAL_TAG_BY_RULE, psprintf("tag=%s", clipped(tag)));
}

/* Locks the member and loads what he holds; the account is not written. */
static void
open_member(FunctionCallInfo fcinfo, Account *account, Decision *decision,
			StoredPortrait *stored)
{
	MemoryContext caller = CurrentMemoryContext;

	require_argument(fcinfo, TAG_MEMBER_ID, "member_id");
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	if (!store_load(PG_GETARG_INT64(TAG_MEMBER_ID), ACCOUNT_LOCK,
					loyalty_clock(), account, decision))
		refusal_raise(REFUSAL_MEMBER_NOT_FOUND,
					  psprintf("member_id=" INT64_FORMAT,
							   PG_GETARG_INT64(TAG_MEMBER_ID)));
	decide_settle(decision, DT_NOBEGIN);
	store_portrait(decision, stored, false);
}

/* The arguments of tag_add() as a tag that is held from now on. */
static HeldTag
read_tag(FunctionCallInfo fcinfo, const Decision *decision)
{
	HeldTag		tag = {.tagged_at = decision->now, .valid_until = DT_NOEND};

	tag.tag = name_argument(fcinfo, TAG_TAG, "tag", "");
	tag.source = name_argument(fcinfo, TAG_SOURCE, "source", "");
	if (strcmp(tag.source, "rule") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source \"rule\" is that of conditions")));
	if (PG_ARGISNULL(TAG_VALID_UNTIL))
		return tag;
	tag.valid_until = PG_GETARG_TIMESTAMPTZ(TAG_VALID_UNTIL);
	if (TIMESTAMP_NOT_FINITE(tag.valid_until))
		refusal_raise(REFUSAL_TIME_NOT_FINITE, "valid_until is not finite");
	if (tag.valid_until <= decision->now)
		refusal_raise(REFUSAL_EXPIRY_IN_PAST, "valid_until is not to come");
	return tag;
}

/* Writes what has changed, and judges what depends on it. */
static void
close_member(const Decision *decision, const StoredPortrait *stored)
{
	store_judgement(decision, &stored->portrait);
	store_judge_by(decision,
				   decide_judge_due(decision, &stored->portrait,
									decision->today));
	store_judge_holdings(decision, decision->now);
	SPI_finish();
}

/* tag_add(member_id, tag, source, valid_until): true, unless it was held. */
Datum
loyalty_tag_add(PG_FUNCTION_ARGS)
{
	Account		account;
	Decision	decision;
	StoredPortrait stored;
	HeldTag		tag;
	bool		added;

	open_member(fcinfo, &account, &decision, &stored);
	tag = read_tag(fcinfo, &decision);
	check_by_hand(&decision, tag.tag);
	added = decide_tag_add(decision.program, &stored.portrait, &tag,
						   decision.now);
	close_member(&decision, &stored);
	PG_RETURN_BOOL(added);
}

/* tag_remove(member_id, tag): true, if it was held. */
Datum
loyalty_tag_remove(PG_FUNCTION_ARGS)
{
	Account		account;
	Decision	decision;
	StoredPortrait stored;
	char	   *tag;
	bool		removed;

	open_member(fcinfo, &account, &decision, &stored);
	if (PG_ARGISNULL(TAG_TAG))
	{
		SPI_finish();
		PG_RETURN_BOOL(false);
	}
	tag = text_to_cstring(PG_GETARG_TEXT_PP(TAG_TAG));
	check_by_hand(&decision, tag);
	removed = decide_tag_remove(&stored.portrait, tag, decision.now);
	close_member(&decision, &stored);
	PG_RETURN_BOOL(removed);
}
