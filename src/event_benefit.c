/*
 * event_benefit.c
 *
 * A benefit is used, and what was used is given back.  A quota is counted in
 * the period of the day of use; of a voucher, a gift and an every n, the open
 * voucher that ends first is used.
 */
#include "event_benefit.h"

#include "utils/builtins.h"

#include "event.h"
#include "statement.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_benefit_use);
PG_FUNCTION_INFO_V1(loyalty_benefit_return);

enum use_arg
{
	USE_MEMBER_ID,
	USE_BENEFIT,
	USE_REF,
	USE_QUANTITY,
	USE_AT,
	USE_KEY,
	USE_MODE,
	USE_NARGS
};

static const Verb use_verb = {
	"benefit_use", "benefit_use", NULL, FOR_ACTIVE, true, USE_NARGS, {
		[USE_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[USE_BENEFIT] = {"benefit", ARG_TEXT, true},
		[USE_REF] = {"ref", ARG_REF},
		[USE_QUANTITY] = {"quantity", ARG_NUMERIC, true},
		[USE_AT] = {"at", ARG_AT},
		[USE_KEY] = {"key", ARG_KEY},
		[USE_MODE] = {"mode", ARG_MODE, true}
	}
};

enum return_arg
{
	RETURN_MEMBER_ID,
	RETURN_BENEFIT,
	RETURN_REF,
	RETURN_QUANTITY,
	RETURN_AT,
	RETURN_KEY,
	RETURN_MODE,
	RETURN_NARGS
};

static bool return_replays(Call *call);

static const Verb return_verb = {
	"benefit_return", "benefit_return", NULL, FOR_ANY, false, RETURN_NARGS, {
		[RETURN_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[RETURN_BENEFIT] = {"benefit", ARG_TEXT, true},
		[RETURN_REF] = {"ref", ARG_TEXT, true},
		[RETURN_QUANTITY] = {"quantity", ARG_NUMERIC},
		[RETURN_AT] = {"at", ARG_AT},
		[RETURN_KEY] = {"key", ARG_KEY},
		[RETURN_MODE] = {"mode", ARG_MODE, true}
	}, return_replays
};

/* What was used under a reference, and how much of it was given back. */
typedef struct BenefitUse
{
	int64		journal_id;
	char	   *benefit;		/* its name, as it was then */
	int32		benefit_id;		/* of its vouchers; 0: a quota was used */
	int32		unit_id;		/* the counter of the quota */
	TimestampTz used_at;
	int64		quantity;
	int64		returned;
} BenefitUse;

/* Of one benefit, or of all. */
static Statement select_uses = {
	"SELECT j.journal_id, j.event, v.benefit_id, j.unit_id, j.effective_at,"
	" j.amount, coalesce(r.amount, 0)::bigint"
	" FROM loyalty.journal j"
	" LEFT JOIN LATERAL (SELECT sum(x.amount) AS amount"
	" FROM loyalty.journal x WHERE x.member_id = $1 AND x.reverses = $2"
	" AND x.kind = 'benefit_return' AND x.event = j.event) r ON true"
	" LEFT JOIN LATERAL (SELECT x.benefit_id FROM loyalty.voucher x"
	" WHERE x.member_id = $1 AND x.journal_id = j.journal_id"
	" AND j.unit_id IS NULL LIMIT 1) v ON true"
	" WHERE j.member_id = $1 AND j.ref = $2 AND j.kind = 'benefit_use'"
	" AND j.event = coalesce($3, j.event) ORDER BY j.journal_id",
	3, {INT8OID, TEXTOID, TEXTOID}
};

/* The newest time that it was given back by a call. */
static Statement select_last_return = {
	"SELECT journal_id, request_hash FROM loyalty.journal"
	" WHERE member_id = $1 AND reverses = $2 AND event = $3"
	" AND kind = 'benefit_return' AND request_hash IS NOT NULL"
	" ORDER BY journal_id DESC LIMIT 1",
	3, {INT8OID, TEXTOID, TEXTOID}
};

bool
event_benefit_name(Call *call, int arg)
{
	call->event = text_to_cstring(call_text(call, arg));
	return true;
}

bool
event_benefit_find(Call *call, const Benefit **benefit)
{
	*benefit = program_benefit(call->decision.program, call->event);
	if (*benefit == NULL)
		return call_refuse(call, REFUSAL_UNKNOWN_BENEFIT, "benefit=%s",
						   call->event);
	return true;
}

bool
event_benefit_mismatch(Call *call, const Benefit *benefit)
{
	return call_refuse(call, REFUSAL_BENEFIT_KIND, "benefit=%s kind=%s",
					   benefit->name, benefit_kind_name(benefit->kind));
}

/* Is the member entitled to it now? */
bool
event_benefit_entitled(Call *call, const Benefit *benefit,
					   Entitlement *entitlement)
{
	const Decision *decision = &call->decision;
	Holdings	held;

	store_holdings(call->member_id, decision->program, call->now,
				   program_benefit_needs(benefit), false, &held);
	return decide_entitled(decision->program, benefit, decide_tier(decision),
						   &held, call->now, entitlement) ||
		call_refuse(call, REFUSAL_NOT_ENTITLED, "benefit=%s", benefit->name);
}

/* Can it be used now? */
bool
event_benefit_open(Call *call, const Benefit *benefit)
{
	Facts		facts = {0};

	if (benefit->birthday != RECUR_NONE)
		event_facts_member(&call->decision, &facts, false);
	return decide_benefit_open(call->decision.program, benefit,
							   facts.birth_month, facts.birth_day,
							   call->now) ||
		call_refuse(call, REFUSAL_NOT_IN_WINDOW, "benefit=%s", benefit->name);
}

JournalRow *
event_benefit_row(Call *call, int64 quantity)
{
	JournalRow *row = call_row(call, call->now);

	row->has_amount = true;
	row->amount = quantity;
	return row;
}

/* Tells what is left of a quota, and until when. */
static void
tell_quota(JournalRow *row, const char *code, const char *benefit,
		   int64 quantity, const int64 *left, DateADT until)
{
	BenefitNews news = {
		.code = code,
		.benefit = benefit,
		.quantity = quantity,
		.has_left = left != NULL,
		.left = left == NULL ? 0 : *left,
		.until = until
	};

	journal_row_benefit(row, &news);
}

static bool
exhausted(Call *call, int64 left, DateADT until)
{
	if (until == DATEVAL_NOEND)
		return call_refuse(call, REFUSAL_QUOTA_EXHAUSTED,
						   "left=" INT64_FORMAT, left);
	return call_refuse(call, REFUSAL_QUOTA_EXHAUSTED,
					   "left=" INT64_FORMAT " until=%s", left,
					   date_text(until));
}

static bool
use_quota(Call *call, const Benefit *benefit, int64 quantity)
{
	Decision   *decision = &call->decision;
	DateADT		until = period_end(benefit->unit->period, decision->today);
	Entitlement entitlement;
	JournalRow *row;
	int64		left;

	if (!event_benefit_entitled(call, benefit, &entitlement) ||
		!event_benefit_open(call, benefit))
		return false;
	left = entitlement.quantity -
		decide_quota_used(decision, benefit->unit, decision->today);
	left = Max(left, 0);
	if (quantity > left)
		return exhausted(call, left, until);
	row = event_benefit_row(call, quantity);
	row->unit_id = benefit->unit->unit_id;
	decide_quota_count(decision, benefit->unit, decision->today, quantity);
	left -= quantity;
	tell_quota(row, "quota_used", benefit->name, quantity, &left, until);
	return true;
}

/*
 * What was issued stays until its own date: neither the entitlement nor the
 * end of the benefit matter any more, and of a gift not even its days.
 */
static bool
use_vouchers(Call *call, const Benefit *benefit, int64 quantity)
{
	Decision   *decision = &call->decision;
	Benefit		endless = *benefit;
	int64		open;

	endless.valid_until = DT_NOEND;
	store_vouchers(decision, benefit);
	open = decide_vouchers_open(decision, benefit);
	if (benefit->kind != BENEFIT_GIFT &&
		!event_benefit_open(call, quantity > open ? benefit : &endless))
		return false;
	if (quantity > open)
		return call_refuse(call, REFUSAL_VOUCHER_NOT_FOUND,
						   "benefit=%s open=" INT64_FORMAT, benefit->name,
						   open);
	decide_vouchers_use(decision, event_benefit_row(call, quantity), benefit,
						quantity);
	return true;
}

static bool
use(Call *call, const Benefit *benefit, int64 quantity)
{
	switch (benefit->kind)
	{
		case BENEFIT_QUOTA:
			return use_quota(call, benefit, quantity);
		case BENEFIT_VOUCHER:
		case BENEFIT_GIFT:
		case BENEFIT_EVERY_N:
			return use_vouchers(call, benefit, quantity);
		case BENEFIT_PRICE:
		case BENEFIT_MULTIPLIER:
		case BENEFIT_FLAG:
			break;
	}
	return event_benefit_mismatch(call, benefit);
}

Datum
loyalty_benefit_use(PG_FUNCTION_ARGS)
{
	Call		call;
	const Benefit *benefit;
	int64		quantity;

	if (call_begin(&call, fcinfo, &use_verb) &&
		event_benefit_name(&call, USE_BENEFIT) &&
		call_open(&call) &&
		event_benefit_find(&call, &benefit) &&
		call_amount(&call, USE_QUANTITY, 0, &quantity))
		use(&call, benefit, quantity);
	return call_close(&call);
}

/* What was used under a reference; benefit NULL: of all. */
static BenefitUse *
load_uses(int64 member_id, const text *ref, const char *benefit, int *nuses)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(PointerGetDatum(ref)),
		benefit ? ARG(CStringGetTextDatum(benefit)) : NULL_ARG
	};
	int			n = statement_run(&select_uses, args, false);
	BenefitUse *uses = palloc(sizeof(BenefitUse) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		uses[i].journal_id = DatumGetInt64(statement_notnull(i, 1));
		uses[i].benefit = statement_text(i, 2);
		uses[i].benefit_id = statement_int32_or(i, 3, 0);
		uses[i].unit_id = statement_int32_or(i, 4, 0);
		uses[i].used_at = DatumGetTimestampTz(statement_notnull(i, 5));
		uses[i].quantity = DatumGetInt64(statement_notnull(i, 6));
		uses[i].returned = DatumGetInt64(statement_notnull(i, 7));
	}
	*nuses = n;
	return uses;
}

/*
 * Gives a part of a use back.  A quota only if its period is not over, a
 * voucher only if its date has not passed; the row tells of what does not
 * come back.
 */
static void
give_back(Decision *decision, JournalRow *row, const BenefitUse *use,
		  int64 quantity)
{
	const Program *program = decision->program;

	row->unit_id = use->unit_id;
	row->has_amount = true;
	row->amount = quantity;
	if (use->unit_id != 0)
	{
		const Unit *counter = program_unit_by_id(program, use->unit_id);
		DateADT		on = program_date(program, use->used_at);
		DateADT		until = period_end(counter->period, on);

		if (until >= decision->today)
			decide_quota_count(decision, counter, on, -quantity);
		tell_quota(row, until >= decision->today ? "quota_returned" :
				   "period_over", use->benefit, quantity, NULL, until);
	}
	/* none: the last of its vouchers has gone before */
	else if (use->benefit_id != 0)
	{
		const Benefit *benefit = program_benefit_by_id(program,
													   use->benefit_id);

		store_vouchers(decision, benefit);
		decide_vouchers_return(decision, row, benefit, use->journal_id,
							   quantity);
	}
}

void
event_benefit_return_order(Call *call, JournalRow *row, const text *order)
{
	Decision   *decision = &call->decision;
	BenefitUse *uses;
	int			nuses;

	if (decision->program->nbenefits == 0)
		return;
	uses = load_uses(call->member_id, order, NULL, &nuses);
	for (int i = 0; i < nuses; i++)
	{
		JournalRow *given;

		if (uses[i].returned >= uses[i].quantity)
			continue;
		given = decide_row(decision, "benefit_return", call->now);
		given->event = uses[i].benefit;
		given->reverses = unconstify(text *, order);
		give_back(decision, given, &uses[i],
				  uses[i].quantity - uses[i].returned);
		journal_row_tell_too(row, given);
	}
}

/* Everything may be given back without a key: asked again, it replays. */
static bool
return_replays(Call *call)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(PointerGetDatum(call_text(call, RETURN_REF))),
		ARG(CStringGetTextDatum(call->event))
	};

	if (call->key != NULL ||
		statement_run(&select_last_return, args, false) == 0 ||
		!call_is_request(call, DatumGetByteaPP(statement_notnull(0, 2))))
		return false;
	call->replay = journal_read(call->member_id,
								DatumGetInt64(statement_notnull(0, 1)));
	return true;
}

static bool
check_return(Call *call)
{
	if (!call_check_text(call, call_text(call, RETURN_REF),
						 REFUSAL_REF_INVALID, "ref"))
		return false;
	return !call_has(call, RETURN_QUANTITY) || call->key != NULL ||
		call_refuse(call, REFUSAL_KEY_INVALID,
					"a part is given back with a key, so that it can be "
					"repeated safely");
}

/* What there is to give back, and how much of it is asked for. */
static bool
find_use(Call *call, BenefitUse *use, int64 *quantity)
{
	int			nuses;
	BenefitUse *uses = load_uses(call->member_id, call_text(call, RETURN_REF),
								 call->event, &nuses);

	if (nuses == 0)
		return call_refuse(call, REFUSAL_ORIGINAL_NOT_FOUND,
						   "member_id=" INT64_FORMAT " benefit=%s",
						   call->member_id, call->event);
	*use = uses[0];
	*quantity = use->quantity - use->returned;
	if (call_has(call, RETURN_QUANTITY) &&
		!call_amount(call, RETURN_QUANTITY, 0, quantity))
		return false;
	if (*quantity == 0 || *quantity > use->quantity - use->returned)
		return call_refuse(call, REFUSAL_REFUND_EXCEEDS,
						   "used=" INT64_FORMAT " returned=" INT64_FORMAT
						   " requested=" INT64_FORMAT, use->quantity,
						   use->returned, *quantity);
	return true;
}

Datum
loyalty_benefit_return(PG_FUNCTION_ARGS)
{
	Call		call;
	const Benefit *benefit;
	BenefitUse	use;
	int64		quantity;

	if (call_begin(&call, fcinfo, &return_verb) &&
		event_benefit_name(&call, RETURN_BENEFIT) &&
		check_return(&call) &&
		call_open(&call) &&
		event_benefit_find(&call, &benefit) &&
		find_use(&call, &use, &quantity))
	{
		JournalRow *row = call_row(&call, call.now);

		row->reverses = call_text(&call, RETURN_REF);
		give_back(&call.decision, row, &use, quantity);
	}
	return call_close(&call);
}
