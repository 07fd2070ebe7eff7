/*
 * event_enroll.c
 *
 * Finds or creates the member that identities lead to: enroll, and sale,
 * which goes on to purchase.
 */
#include "event_enroll.h"

#include "utils/builtins.h"

#include "member.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_event_enroll);
PG_FUNCTION_INFO_V1(loyalty_event_sale);

/* How often a search may start again when other sessions enrol the same. */
#define MAX_ATTEMPTS 10

enum enroll_arg
{
	ENROLL_PROGRAM,
	ENROLL_IDENTITIES,
	ENROLL_PROFILE,
	ENROLL_DATA,
	ENROLL_AT,
	ENROLL_KEY,
	ENROLL_MODE,
	ENROLL_NARGS
};

static const Verb enroll_verb = {
	"enroll", "event", "signup", FOR_OPEN, false, ENROLL_NARGS, {
		[ENROLL_PROGRAM] = {"program", ARG_TEXT, true},
		[ENROLL_IDENTITIES] = {"identities", ARG_JSONB, true},
		[ENROLL_PROFILE] = {"profile", ARG_JSONB},
		[ENROLL_DATA] = {"data", ARG_JSONB},
		[ENROLL_AT] = {"at", ARG_AT},
		[ENROLL_KEY] = {"key", ARG_KEY},
		[ENROLL_MODE] = {"mode", ARG_MODE, true}
	}
};

enum sale_arg
{
	SALE_PROGRAM,
	SALE_IDENTITIES,
	SALE_AMOUNT,
	SALE_REF,
	SALE_ITEMS,
	SALE_DATA,
	SALE_AT,
	SALE_KEY,
	SALE_MODE,
	SALE_NARGS
};

static const Verb sale_verb = {
	"sale", "event", "purchase", FOR_OPEN, false, SALE_NARGS, {
		[SALE_PROGRAM] = {"program", ARG_TEXT, true},
		[SALE_IDENTITIES] = {"identities", ARG_JSONB, true},
		[SALE_AMOUNT] = {"amount", ARG_NUMERIC, true},
		[SALE_REF] = {"ref", ARG_REF},
		[SALE_ITEMS] = {"items", ARG_JSONB},
		[SALE_DATA] = {"data", ARG_JSONB},
		[SALE_AT] = {"at", ARG_AT},
		[SALE_KEY] = {"key", ARG_KEY},
		[SALE_MODE] = {"mode", ARG_MODE, true}
	}
};

static void
undo_identities(Call *call)
{
	Enrolment  *enrolment = (Enrolment *) call;

	if (enrolment->inserted.n > 0)
		identity_delete(enrolment->program->program_id, call->member_id,
						&enrolment->inserted);
	if (enrolment->is_new)
		call->member_id = 0;
}

static void
store_person(Call *call)
{
	Enrolment  *enrolment = (Enrolment *) call;
	const Jsonb *profile = enrolment->profile;

	if (enrolment->is_new)
		member_insert(&call->account, profile, call->at);
	else if (profile != NULL)
		member_complete_profile(call->member_id, profile);
}

/* Reads program, identities and profile (profile_arg < 0: none). */
bool
enrolment_read(Enrolment *enrolment, int program_arg, int identities_arg,
			   int profile_arg)
{
	Call	   *call = &enrolment->call;
	char	   *name = text_to_cstring(call_text(call, program_arg));
	Jsonb	   *profile = profile_arg < 0 ? NULL :
		call_jsonb(call, profile_arg);

	enrolment->program = program_find(name);
	enrolment->inserted.n = 0;
	enrolment->profile = profile;
	enrolment->is_new = false;
	call->undo = undo_identities;
	call->store_first = store_person;
	if (enrolment->program == NULL)
		return call_refuse(call, REFUSAL_PROGRAM_NOT_FOUND, "program=%s",
						   name);
	return (profile == NULL ||
			call_check_object(call, profile, "profile")) &&
		identity_parse(call, call_jsonb(call, identities_arg),
					   &enrolment->identities);
}

static bool
insert_identities(void *argument)
{
	Enrolment  *enrolment = argument;

	identity_insert(enrolment->program->program_id, enrolment->new_member_id,
					&enrolment->identities, &enrolment->inserted);
	return enrolment->inserted.n == enrolment->identities.n;
}

/*
 * Takes all identities for a new member, or none.  In a subtransaction, so
 * that none is kept from others while the account is locked to which the
 * rest turn out to belong: identities come after accounts.
 */
static bool
take_identities(Enrolment *enrolment, int64 member_id)
{
	enrolment->new_member_id = member_id;
	if (statement_attempt(insert_identities, enrolment))
		return true;
	enrolment->inserted.n = 0;
	return false;
}

/*
 * Opens the call for a member who does not exist.  *again: another session
 * has just enrolled one with some of the identities.
 */
static bool
open_new(Enrolment *enrolment, bool *again)
{
	Call	   *call = &enrolment->call;
	int64		member_id;

	call->member_id = 0;
	decide_begin(&call->decision, &call->account, enrolment->program,
				 call->now);
	member_prepare(&call->account, enrolment->program->program_id,
				   call->decision.today);
	if (!call_open_loaded(call))
		return false;
	enrolment->is_new = true;
	enrolment->nnew = enrolment->identities.n;
	if (call->mode == MODE_DRY)
		return true;

	member_id = loyalty_new_id();
	if (!take_identities(enrolment, member_id))
	{
		enrolment->is_new = false;
		*again = true;
		return true;
	}
	call->member_id = member_id;
	call->account.member_id = member_id;
	return true;
}

/*
 * Opens the call for the member that the identities lead to, and adds those
 * that are new.  *again: they no longer lead there, now that it is locked.
 */
static bool
open_known(Enrolment *enrolment, int64 member_id, bool *again)
{
	Call	   *call = &enrolment->call;
	int32		program_id = enrolment->program->program_id;
	IdentityOwners owners;

	call->member_id = member_id;
	if (!call_open(call))
		return false;
	identity_owners(program_id, &enrolment->identities, &owners);
	*again = owners.member_id != member_id || owners.several;
	enrolment->nnew = enrolment->identities.n - owners.nknown;
	if (*again || enrolment->nnew == 0 || call->mode == MODE_DRY)
		return true;
	identity_insert(program_id, member_id, &enrolment->identities,
					&enrolment->inserted);
	if (enrolment->inserted.n < enrolment->nnew)
		return call_refuse(call, REFUSAL_IDENTITY_TAKEN,
						   "an identity was given to another member");
	return true;
}

/*
 * Lets dated automations know when the member joined, if he is new, and the
 * birthday that is told now.
 */
static void
know_person(Enrolment *enrolment)
{
	Call	   *call = &enrolment->call;
	Facts		facts = {0};
	Timed	   *timed;

	if (enrolment->program->automations.ndated == 0 ||
		(!enrolment->is_new && enrolment->profile == NULL))
		return;
	event_facts_person(&call->decision, &facts, call->at,
					   enrolment->profile);
	timed = palloc0(sizeof(Timed));
	timed->joined_on = enrolment->is_new ? facts.joined_on :
		DATEVAL_NOBEGIN;
	timed->birth_month = facts.birth_month;
	timed->birth_day = facts.birth_day;
	call->decision.timed = timed;
}

/* Finds or creates the member and opens the call for it. */
bool
enrolment_open(Enrolment *enrolment)
{
	Call	   *call = &enrolment->call;

	for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++)
	{
		IdentityOwners owners;
		bool		again = false;
		bool		opened;

		identity_owners(enrolment->program->program_id,
						&enrolment->identities, &owners);
		if (owners.several)
			return call_refuse(call, REFUSAL_IDENTITY_TAKEN,
							   "the identities lead to several members");
		opened = owners.member_id == 0 ?
			open_new(enrolment, &again) :
			open_known(enrolment, owners.member_id, &again);
		if (again)
			continue;
		if (opened)
			know_person(enrolment);
		return opened;
	}
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access due to concurrent enrolment"),
			 errhint("Repeat the transaction.")));
}

/* A row for the member itself: who signed up, or has more identities now. */
static JournalRow *
member_row(Enrolment *enrolment)
{
	Call	   *call = &enrolment->call;
	JournalRow *row;

	if (!enrolment->is_new)
		return decide_row(&call->decision, "identity_add", call->now);
	row = decide_row(&call->decision, "event", call->at);
	row->event = "signup";
	return row;
}

/* What signing up earns. */
static bool
judge_signup(Enrolment *enrolment, JournalRow *row, Jsonb *data)
{
	Call	   *call = &enrolment->call;
	Facts	   *facts = event_facts(&call->decision, row, NULL, NULL, data,
									false);

	event_facts_person(&call->decision, facts, call->at, enrolment->profile);
	return event_judge(call, row, facts);
}

static void
enroll(Enrolment *enrolment)
{
	Call	   *call = &enrolment->call;

	if (!enrolment_read(enrolment, ENROLL_PROGRAM, ENROLL_IDENTITIES,
					  ENROLL_PROFILE) ||
		!enrolment_open(enrolment))
		return;
	if (enrolment->nnew == 0)
	{
		call->row = journal_row_make(call->member_id, "event", call->now);
		call->nothing_new = true;
		if (call_data(call, ENROLL_DATA, -1) && call->mode != MODE_DRY)
		{
			store_person(call);
			store_timed_lower(&call->decision);
			if (enrolment->profile != NULL)
				store_judge_holdings(&call->decision, call->now);
		}
		return;
	}
	call->row = member_row(enrolment);
	call->row->key = call->key;
	call->row->request_hash = call->request_hash;
	if (call_data(call, ENROLL_DATA, -1) && enrolment->is_new)
		judge_signup(enrolment, call->row, call_jsonb(call, ENROLL_DATA));
}

Datum
loyalty_event_enroll(PG_FUNCTION_ARGS)
{
	Enrolment	enrolment;

	if (call_begin(&enrolment.call, fcinfo, &enroll_verb))
		enroll(&enrolment);
	return call_close(&enrolment.call);
}

/* Enrols as enroll() would in mode 'try', and returns the outcome. */
EventOutcome
event_enroll(NullableDatum program, NullableDatum identities,
			 NullableDatum at)
{
	LOCAL_FCINFO(fcinfo, ENROLL_NARGS);
	Enrolment	enrolment;

	InitFunctionCallInfoData(*fcinfo, NULL, ENROLL_NARGS, InvalidOid, NULL,
							 NULL);
	for (int i = 0; i < ENROLL_NARGS; i++)
		fcinfo->args[i] = NULL_ARG;
	fcinfo->args[ENROLL_PROGRAM] = program;
	fcinfo->args[ENROLL_IDENTITIES] = identities;
	fcinfo->args[ENROLL_AT] = at;
	fcinfo->args[ENROLL_MODE] = ARG(CStringGetTextDatum("try"));
	if (call_begin(&enrolment.call, fcinfo, &enroll_verb))
		enroll(&enrolment);
	return event_end(&enrolment.call);
}

Datum
loyalty_event_sale(PG_FUNCTION_ARGS)
{
	Enrolment	enrolment;
	Call	   *call = &enrolment.call;

	if (call_begin(call, fcinfo, &sale_verb) &&
		enrolment_read(&enrolment, SALE_PROGRAM, SALE_IDENTITIES, -1) &&
		enrolment_open(&enrolment))
	{
		JournalRow *row = enrolment.nnew > 0 ? member_row(&enrolment) : NULL;

		if (!enrolment.is_new || judge_signup(&enrolment, row, NULL))
			event_apply(call, SALE_AMOUNT, SALE_ITEMS, SALE_DATA);
	}
	return call_close(call);
}
