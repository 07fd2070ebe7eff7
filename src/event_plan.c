/*
 * event_plan.c
 *
 * Paid membership: bought, renewed, upgraded, cancelled, given back.  What is
 * posted here is what was sold and until when; the money is the shop's.
 */
#include "event.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "amount.h"
#include "plan.h"
#include "statement.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_plan_buy);
PG_FUNCTION_INFO_V1(loyalty_plan_renew);
PG_FUNCTION_INFO_V1(loyalty_plan_upgrade);
PG_FUNCTION_INFO_V1(loyalty_plan_cancel);
PG_FUNCTION_INFO_V1(loyalty_plan_refund);

enum buy_arg
{
	BUY_MEMBER_ID,
	BUY_PLAN,
	BUY_REF,
	BUY_PRICE,
	BUY_AUTO_RENEW,
	BUY_STARTS_ON,
	BUY_AT,
	BUY_KEY,
	BUY_MODE,
	BUY_NARGS
};

static const Verb buy_verb = {
	"plan_buy", "plan_buy", NULL, FOR_OPEN, false, BUY_NARGS, {
		[BUY_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[BUY_PLAN] = {"plan", ARG_TEXT, true},
		[BUY_REF] = {"ref", ARG_REF},
		[BUY_PRICE] = {"price", ARG_NUMERIC},
		[BUY_AUTO_RENEW] = {"auto_renew", ARG_BOOLEAN, true},
		[BUY_STARTS_ON] = {"starts_on", ARG_DATE},
		[BUY_AT] = {"at", ARG_AT},
		[BUY_KEY] = {"key", ARG_KEY},
		[BUY_MODE] = {"mode", ARG_MODE, true}
	}
};

enum renew_arg
{
	RENEW_MEMBER_ID,
	RENEW_REF,
	RENEW_PRICE,
	RENEW_PLAN,
	RENEW_AUTO_RENEW,
	RENEW_AT,
	RENEW_KEY,
	RENEW_MODE,
	RENEW_NARGS
};

static const Verb renew_verb = {
	"plan_renew", "plan_renew", NULL, FOR_OPEN, false, RENEW_NARGS, {
		[RENEW_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[RENEW_REF] = {"ref", ARG_REF},
		[RENEW_PRICE] = {"price", ARG_NUMERIC},
		[RENEW_PLAN] = {"plan", ARG_TEXT},
		[RENEW_AUTO_RENEW] = {"auto_renew", ARG_BOOLEAN},
		[RENEW_AT] = {"at", ARG_AT},
		[RENEW_KEY] = {"key", ARG_KEY},
		[RENEW_MODE] = {"mode", ARG_MODE, true}
	}
};

enum upgrade_arg
{
	UPGRADE_MEMBER_ID,
	UPGRADE_PLAN,
	UPGRADE_REF,
	UPGRADE_PRICE,
	UPGRADE_AUTO_RENEW,
	UPGRADE_AT,
	UPGRADE_KEY,
	UPGRADE_MODE,
	UPGRADE_NARGS
};

static const Verb upgrade_verb = {
	"plan_upgrade", "plan_upgrade", NULL, FOR_OPEN, false, UPGRADE_NARGS, {
		[UPGRADE_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[UPGRADE_PLAN] = {"plan", ARG_TEXT, true},
		[UPGRADE_REF] = {"ref", ARG_REF},
		[UPGRADE_PRICE] = {"price", ARG_NUMERIC},
		[UPGRADE_AUTO_RENEW] = {"auto_renew", ARG_BOOLEAN},
		[UPGRADE_AT] = {"at", ARG_AT},
		[UPGRADE_KEY] = {"key", ARG_KEY},
		[UPGRADE_MODE] = {"mode", ARG_MODE, true}
	}
};

enum cancel_arg
{
	CANCEL_MEMBER_ID,
	CANCEL_AT,
	CANCEL_KEY,
	CANCEL_MODE,
	CANCEL_NARGS
};

static const Verb cancel_verb = {
	"plan_cancel", "plan_cancel", NULL, FOR_OPEN, false, CANCEL_NARGS, {
		[CANCEL_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[CANCEL_AT] = {"at", ARG_AT},
		[CANCEL_KEY] = {"key", ARG_KEY},
		[CANCEL_MODE] = {"mode", ARG_MODE, true}
	}
};

enum give_back_arg
{
	REFUND_MEMBER_ID,
	REFUND_REF,
	REFUND_AT,
	REFUND_KEY,
	REFUND_MODE,
	REFUND_NARGS
};

/* A payment is given back once, so its reference names this call, too. */
static const Verb refund_verb = {
	"plan_refund", "plan_refund", NULL, FOR_ANY, false, REFUND_NARGS, {
		[REFUND_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[REFUND_REF] = {"ref", ARG_REF},
		[REFUND_AT] = {"at", ARG_AT},
		[REFUND_KEY] = {"key", ARG_KEY},
		[REFUND_MODE] = {"mode", ARG_MODE, true}
	}
};

typedef struct PlanCall
{
	Call		call;			/* first: store_periods() gets no more */
	int			n;
	BoughtPlan *all;			/* what he ever bought, and the new one */
	BoughtPlan *bought;			/* the new one, or NULL */
	bool		by_plan;		/* a plan has given the tier that is held */
} PlanCall;

/* Who gave the tier that is held: the newest period of a tier. */
static Statement select_giver = {
	"SELECT action = 'bought' FROM loyalty.tier_history"
	" WHERE member_id = $1 AND action NOT IN ('warned', 'grace')"
	" ORDER BY journal_id DESC, line DESC LIMIT 1",
	1, {INT8OID}
};

/*
 * Was the tier that is held given by a plan?  What this call has settled is
 * not in the history yet.
 */
static bool
is_by_plan(const Call *call)
{
	const Decision *decision = &call->decision;
	NullableDatum args[] = {ARG(Int64GetDatum(call->member_id))};

	for (int i = decision->nrows - 1; i >= 0; i--)
		for (int j = decision->rows[i]->nchanges - 1; j >= 0; j--)
		{
			TierAction	action = decision->rows[i]->changes[j].action;

			if (action != TIER_WARN && action != TIER_GRACE_BEGINS)
				return action == TIER_BOUGHT;
		}
	return statement_run(&select_giver, args, false) > 0 &&
		DatumGetBool(statement_notnull(0, 1));
}

/* Each payment has a reference, by which it is given back. */
static bool
has_ref(Call *call)
{
	return call->ref != NULL ||
		call_refuse(call, REFUSAL_REF_INVALID,
					"%s needs the reference of the payment",
					call->verb->name);
}

/* Loads what the member has bought; the account is locked. */
static bool
load(PlanCall *plans)
{
	Call	   *call = &plans->call;

	if (call->verb != &cancel_verb && !has_ref(call))
		return false;
	plans->all = plan_bought(call->member_id, &plans->n);
	if (call->decision.program->nplans > 0 && call->account.tier_id != 0)
		plans->by_plan = is_by_plan(call);
	store_load_own_tier(&call->decision, false);
	return true;
}

/* The period that a payment was for. */
static BoughtPlan *
by_ref(const PlanCall *plans, const text *ref)
{
	for (int i = 0; i < plans->n; i++)
	{
		const text *other = plans->all[i].ref;

		if (VARSIZE_ANY_EXHDR(other) == VARSIZE_ANY_EXHDR(ref) &&
			memcmp(VARDATA_ANY(other), VARDATA_ANY(ref),
				   VARSIZE_ANY_EXHDR(ref)) == 0)
			return &plans->all[i];
	}
	return NULL;
}

/* The period that is held on a date. */
static BoughtPlan *
held_on(const PlanCall *plans, DateADT on)
{
	for (int i = 0; i < plans->n; i++)
		if (plan_covers(&plans->all[i], on))
			return &plans->all[i];
	return NULL;
}

/* The last period, of those that were not given back. */
static BoughtPlan *
last_active(const PlanCall *plans)
{
	BoughtPlan *last = NULL;

	for (int i = 0; i < plans->n; i++)
		if (plans->all[i].status == PLAN_ACTIVE)
			last = &plans->all[i];
	return last;
}

static const PaidPlan *
plan_of(const Call *call, int32 plan_id)
{
	const Program *program = call->decision.program;

	for (int i = 0; i < program->nplans; i++)
		if (program->plans[i].plan_id == plan_id)
			return &program->plans[i];
	return NULL;
}

/* The plan that an argument names, else that of a period; if it is sold. */
static bool
find_plan(Call *call, int arg, const BoughtPlan *like, const PaidPlan **plan)
{
	char	   *name;

	if (call_has(call, arg))
	{
		name = text_to_cstring(call_text(call, arg));
		*plan = program_plan(call->decision.program, name);
	}
	else
	{
		name = psprintf("%d", like->plan_id);
		*plan = plan_of(call, like->plan_id);
	}
	if (*plan == NULL)
		return call_refuse(call, REFUSAL_UNKNOWN_PLAN, "plan=%s", name);
	if (!(*plan)->active)
		return call_refuse(call, REFUSAL_UNKNOWN_PLAN,
						   "plan=%s is not sold", (*plan)->name);
	return true;
}

/* A price, which may be nothing; without one, the plan's. */
static bool
read_price(Call *call, int arg, const PaidPlan *plan, int64 *price)
{
	int			scale = call->decision.program->currency_scale;
	Numeric		value;
	Refusal		refusal;

	*price = plan->price;
	if (!call_has(call, arg))
		return true;
	value = DatumGetNumeric(call->fcinfo->args[arg].value);
	refusal = amount_parse(value, scale, price);
	if (refusal == REFUSAL_NONE && *price < 0)
		refusal = REFUSAL_AMOUNT_NOT_POSITIVE;
	return refusal == REFUSAL_NONE ||
		call_refuse(call, refusal, "price=%s decimals=%d",
					numeric_normalize(value), scale);
}

/* No two periods of a member may share a day. */
static bool
check_free(PlanCall *plans, const BoughtPlan *period)
{
	for (int i = 0; i < plans->n; i++)
	{
		const BoughtPlan *other = &plans->all[i];

		if (other->starts_on <= other->ends_on &&
			other->starts_on <= period->ends_on &&
			period->starts_on <= other->ends_on)
			return call_refuse(&plans->call, REFUSAL_PLAN_HELD,
							   "starts_on=%s ends_on=%s",
							   date_text(other->starts_on),
							   date_text(other->ends_on));
	}
	return true;
}

/* The tier that a plan gives; 0: none. */
static int32
tier_given(const Call *call, const PaidPlan *plan)
{
	const Tier *tier = plan->tier == NULL ? NULL :
		program_tier(call->decision.program, plan->tier);

	return tier == NULL ? 0 : tier->tier_id;
}

/*
 * Makes the period that is bought: of a plan, from a date on.  Refuses days
 * that are another's or nobody's, and a reference that paid for something
 * already.
 */
static bool
make_period(PlanCall *plans, const PaidPlan *plan, DateADT starts_on)
{
	Call	   *call = &plans->call;
	BoughtPlan *period = &plans->all[plans->n];

	if (by_ref(plans, call->ref) != NULL)
		return call_refuse(call, REFUSAL_REF_DUPLICATE,
						   "journal_id=" INT64_FORMAT,
						   by_ref(plans, call->ref)->journal_id);
	if (starts_on < WALLET_FIRST_DATE || starts_on > WALLET_LAST_DATE)
		return call_refuse(call, REFUSAL_TIME_NOT_FINITE,
						   "starts_on lies outside the years 1 to 9999");
	period->plan_id = plan->plan_id;
	period->tier_id = tier_given(call, plan);
	period->starts_on = starts_on;
	plan_set_period(plan, plans->all, plans->n, period);
	period->status = PLAN_ACTIVE;
	period->ref = call->ref;
	if (period->ends_on > WALLET_LAST_DATE)
		return call_refuse(call, REFUSAL_TIME_NOT_FINITE,
						   "the period ends after the year 9999");
	if (period->ends_on < call->decision.today)
		return call_refuse(call, REFUSAL_EXPIRY_IN_PAST,
						   "the period ends before today");
	if (!check_free(plans, period))
		return false;
	plans->bought = period;
	return true;
}

static void
tell_amount(Call *call, const char *code, int64 amount, const text *ref)
{
	StringInfo	message = journal_row_begin_message(call->row, code);

	if (ref != NULL)
	{
		appendStringInfoString(message, ",\"ref\":");
		escape_json(message, text_to_cstring(ref));
	}
	appendStringInfo(message, ",\"amount\":%s}",
					 amount_text(amount,
								 call->decision.program->currency_scale));
}

static void
tell_period(Call *call, const PaidPlan *plan, const BoughtPlan *period)
{
	StringInfo	message = journal_row_begin_message(call->row, "plan_period");

	appendStringInfo(message, ",\"plan\":\"%s\",\"starts_on\":\"%s\""
					 ",\"ends_on\":\"%s\"}",
					 plan->name, date_text(period->starts_on),
					 date_text(period->ends_on));
}

/* Writes the periods, before the decision, whose rows get their ids now. */
static void
store_periods(Call *call)
{
	PlanCall   *plans = (PlanCall *) call;

	store_number(&call->decision);
	for (int i = 0; i < plans->n; i++)
		if (plans->all[i].changed)
			plan_update(call->member_id, &plans->all[i]);
	if (plans->bought != NULL)
	{
		plans->bought->journal_id = call->row->journal_id;
		plan_insert(call->member_id, call->decision.program->program_id,
					plans->bought);
		decide_timed_by(&call->decision, TRIGGER_PLAN_ENDING,
						plans->bought->ends_on);
	}
	/* what followed a period may be gone */
	for (int i = 0; i < plans->n; i++)
		decide_timed_by(&call->decision, TRIGGER_PLAN_ENDING,
						plans->all[i].ends_on);
}

/* Gives the decision the periods as they are now. */
static void
set_periods(PlanCall *plans)
{
	Decision   *decision = &plans->call.decision;
	int			n = plans->n + (plans->bought != NULL);

	decision->periods = palloc(sizeof(PlanPeriod) * Max(n, 1));
	decision->nperiods = 0;
	for (int i = 0; i < n; i++)
	{
		const BoughtPlan *bought = &plans->all[i];
		int			at = decision->nperiods;

		if (bought->starts_on > bought->ends_on)
			continue;
		/* the new one comes last and may begin first */
		for (; at > 0 &&
			 decision->periods[at - 1].starts_on > bought->starts_on; at--)
			decision->periods[at] = decision->periods[at - 1];
		decision->periods[at] = (PlanPeriod) {
			bought->plan_id, bought->tier_id, bought->starts_on,
				bought->ends_on
		};
		decision->nperiods++;
	}
}

/*
 * Makes the row of the call, with the amount that is paid or given back, and
 * sets the tier by what the periods are now.  held: one is held today, or
 * was until this call.
 */
static void
decide_call(PlanCall *plans, int64 amount, bool held)
{
	Call	   *call = &plans->call;
	JournalRow *row = call_row(call, call->now);

	row->has_amount = true;
	row->amount = amount;
	set_periods(plans);
	decide_tier_plan(&call->decision, row, plans->by_plan && held);
	call->store_first = store_periods;
}

/* The call buys the period that was made. */
static void
decide_purchase(PlanCall *plans, const PaidPlan *plan, bool held)
{
	BoughtPlan *period = plans->bought;
	int64		due = period->price - period->credit;

	decide_call(plans, due,
				held || plan_covers(period, plans->call.decision.today));
	tell_period(&plans->call, plan, period);
	if (period->upgraded_from != 0)
		tell_amount(&plans->call, "credit", period->credit, NULL);
	tell_amount(&plans->call, "due", due, NULL);
}

Datum
loyalty_plan_buy(PG_FUNCTION_ARGS)
{
	PlanCall	plans = {0};
	Call	   *call = &plans.call;
	const PaidPlan *plan;
	int64		price;

	if (call_begin(call, fcinfo, &buy_verb) &&
		call_open(call) &&
		load(&plans) &&
		find_plan(call, BUY_PLAN, NULL, &plan) &&
		read_price(call, BUY_PRICE, plan, &price) &&
		make_period(&plans, plan, call_has(call, BUY_STARTS_ON) ?
					DatumGetDateADT(fcinfo->args[BUY_STARTS_ON].value) :
					call->decision.today))
	{
		plans.bought->price = price;
		plans.bought->auto_renew =
			DatumGetBool(fcinfo->args[BUY_AUTO_RENEW].value);
		decide_purchase(&plans, plan,
						held_on(&plans, call->decision.today) != NULL);
	}
	return call_close(call);
}

/* As an argument says; without it, as it was. */
static bool
auto_renew(const Call *call, int arg, const BoughtPlan *before)
{
	return call_has(call, arg) ?
		DatumGetBool(call->fcinfo->args[arg].value) : before->auto_renew;
}

static bool
find_last(PlanCall *plans, BoughtPlan **last)
{
	*last = last_active(plans);
	return *last != NULL ||
		call_refuse(&plans->call, REFUSAL_PLAN_NOT_HELD,
					"there is nothing to renew");
}

Datum
loyalty_plan_renew(PG_FUNCTION_ARGS)
{
	PlanCall	plans = {0};
	Call	   *call = &plans.call;
	const PaidPlan *plan;
	BoughtPlan *last;
	int64		price;

	if (call_begin(call, fcinfo, &renew_verb) &&
		call_open(call) &&
		load(&plans) &&
		find_last(&plans, &last) &&
		find_plan(call, RENEW_PLAN, last, &plan) &&
		read_price(call, RENEW_PRICE, plan, &price) &&
		make_period(&plans, plan,
					Max(call->decision.today, last->ends_on + 1)))
	{
		plans.bought->price = price;
		plans.bought->auto_renew = auto_renew(call, RENEW_AUTO_RENEW, last);
		decide_purchase(&plans, plan,
						held_on(&plans, call->decision.today) != NULL);
	}
	return call_close(call);
}

/* The period that is held today, and has a lower plan than another. */
static bool
find_lower(PlanCall *plans, const PaidPlan *plan, BoughtPlan **held)
{
	Call	   *call = &plans->call;
	const PaidPlan *lower;

	*held = held_on(plans, call->decision.today);
	if (*held == NULL)
		return call_refuse(call, REFUSAL_PLAN_NOT_HELD,
						   "there is nothing to upgrade");
	lower = plan_of(call, (*held)->plan_id);
	if (lower == NULL)
		return call_refuse(call, REFUSAL_UNKNOWN_PLAN, "plan=%d",
						   (*held)->plan_id);
	if (plan->rank <= lower->rank)
		return call_refuse(call, REFUSAL_PLAN_NOT_HIGHER,
						   "plan=%s rank=%d held=%s rank=%d", plan->name,
						   plan->rank, lower->name, lower->rank);
	return true;
}

/* Ends a period yesterday; one that has not begun, before its first day. */
static void
end_period(PlanCall *plans, BoughtPlan *period, PlanStatus status)
{
	period->ends_on = Max(plans->call.decision.today, period->starts_on) - 1;
	period->status = status;
	period->auto_renew = false;
	period->changed = true;
}

/*
 * Ends the period that is held and makes a full one of the higher plan, for
 * which the days that are left count as paid.
 */
static bool
upgrade(PlanCall *plans, const PaidPlan *plan, BoughtPlan *held, int64 price)
{
	Call	   *call = &plans->call;
	DateADT		today = call->decision.today;
	int64		credit = Min(plan_worth(held, today), price);
	bool		renews = auto_renew(call, UPGRADE_AUTO_RENEW, held);

	end_period(plans, held, PLAN_UPGRADED);
	if (!make_period(plans, plan, today))
		return false;
	plans->bought->price = price;
	plans->bought->credit = credit;
	plans->bought->upgraded_from = held->journal_id;
	plans->bought->auto_renew = renews;
	return true;
}

Datum
loyalty_plan_upgrade(PG_FUNCTION_ARGS)
{
	PlanCall	plans = {0};
	Call	   *call = &plans.call;
	const PaidPlan *plan;
	BoughtPlan *held;
	int64		price;

	if (call_begin(call, fcinfo, &upgrade_verb) &&
		call_open(call) &&
		load(&plans) &&
		find_plan(call, UPGRADE_PLAN, NULL, &plan) &&
		find_lower(&plans, plan, &held) &&
		read_price(call, UPGRADE_PRICE, plan, &price) &&
		upgrade(&plans, plan, held, price))
		decide_purchase(&plans, plan, true);
	return call_close(call);
}

/* Takes the wish to renew back; false if there was none. */
static bool
forget_wish(PlanCall *plans)
{
	bool		changed = false;

	for (int i = 0; i < plans->n; i++)
		if (plans->all[i].auto_renew)
		{
			plans->all[i].auto_renew = false;
			plans->all[i].changed = true;
			changed = true;
		}
	return changed;
}

/* What is held stays to its end.  False if nothing is to be written. */
static bool
cancel(PlanCall *plans)
{
	Call	   *call = &plans->call;
	const BoughtPlan *last = last_active(plans);
	bool		changed = forget_wish(plans);

	if (!changed && (last == NULL || last->ends_on < call->decision.today))
		return call_refuse(call, REFUSAL_PLAN_NOT_HELD,
						   "there is nothing to cancel");
	call_row(call, call->now);
	call->store_first = store_periods;
	call->nothing_new = !changed;
	return changed;
}

Datum
loyalty_plan_cancel(PG_FUNCTION_ARGS)
{
	PlanCall	plans = {0};
	Call	   *call = &plans.call;

	if (call_begin(call, fcinfo, &cancel_verb) &&
		call_open(call) &&
		load(&plans))
		(void) cancel(&plans);
	return call_close(call);
}

/* The period of a payment, of which something is left. */
static bool
find_paid(PlanCall *plans, BoughtPlan **paid)
{
	Call	   *call = &plans->call;

	*paid = by_ref(plans, call->ref);
	if (*paid == NULL)
		return call_refuse(call, REFUSAL_ORIGINAL_NOT_FOUND,
						   "the member has bought no plan with this payment");
	if ((*paid)->status != PLAN_ACTIVE)
		return call_refuse(call, REFUSAL_PLAN_NOT_HELD,
						   (*paid)->status == PLAN_UPGRADED ?
						   "the period was upgraded: refund what it became" :
						   "the period was given back already");
	if ((*paid)->ends_on < call->decision.today)
		return call_refuse(call, REFUSAL_PLAN_NOT_HELD, "ends_on=%s",
						   date_text((*paid)->ends_on));
	return true;
}

/* The period of an id. */
static BoughtPlan *
by_id(const PlanCall *plans, int64 journal_id)
{
	for (int i = 0; i < plans->n; i++)
		if (plans->all[i].journal_id == journal_id)
			return &plans->all[i];
	elog(ERROR, "plan period " INT64_FORMAT " was not found", journal_id);
}

/*
 * Gives the days that are left back: of what was paid for the period, and if
 * that does not suffice, of what was paid for the one that its credit comes
 * from.  No payment can return more than it was.
 */
static void
give_back(PlanCall *plans, BoughtPlan *paid)
{
	Call	   *call = &plans->call;
	DateADT		today = call->decision.today;
	int64		left = plan_worth(paid, today);
	bool		held = held_on(plans, today) != NULL;

	end_period(plans, paid, PLAN_REFUNDED);
	/* or the period before it would want to be renewed again */
	(void) forget_wish(plans);
	decide_call(plans, left, held);
	call->row->reverses = call->ref;
	for (;;)
	{
		int64		payment = paid->price - paid->credit;
		int64		part = Min(left, payment - paid->refunded);

		paid->refunded += part;
		paid->changed = true;
		left -= part;
		tell_amount(call, "refund", part, paid->ref);
		if (left == 0)
			break;
		paid = by_id(plans, paid->upgraded_from);
	}
}

Datum
loyalty_plan_refund(PG_FUNCTION_ARGS)
{
	PlanCall	plans = {0};
	Call	   *call = &plans.call;
	BoughtPlan *paid;

	if (call_begin(call, fcinfo, &refund_verb) &&
		call_open(call) &&
		load(&plans) &&
		find_paid(&plans, &paid))
		give_back(&plans, paid);
	return call_close(call);
}
