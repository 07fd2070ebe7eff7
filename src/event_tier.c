/*
 * event_tier.c
 *
 * The tier of a member: reviewed and granted on request, and read.  What is
 * read never depends on whether a review that is due has been posted: it is
 * made in memory, on a copy of the account.
 */
#include "event.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "amount.h"
#include "statement.h"
#include "store.h"

PG_FUNCTION_INFO_V1(loyalty_tier_review);
PG_FUNCTION_INFO_V1(loyalty_tier_grant);
PG_FUNCTION_INFO_V1(loyalty_tier_current);
PG_FUNCTION_INFO_V1(loyalty_tier_at);
PG_FUNCTION_INFO_V1(loyalty_tier_progress);

enum review_arg
{
	REVIEW_MEMBER_ID,
	REVIEW_AT,
	REVIEW_KEY,
	REVIEW_MODE,
	REVIEW_NARGS
};

static const Verb review_verb = {
	"tier_review", "tier_review", NULL, FOR_OPEN, false, REVIEW_NARGS, {
		[REVIEW_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[REVIEW_AT] = {"at", ARG_AT},
		[REVIEW_KEY] = {"key", ARG_KEY},
		[REVIEW_MODE] = {"mode", ARG_MODE, true}
	}
};

enum grant_arg
{
	GRANT_MEMBER_ID,
	GRANT_TIER,
	GRANT_REASON,
	GRANT_UNTIL,
	GRANT_LOCKED_UNTIL,
	GRANT_AT,
	GRANT_KEY,
	GRANT_MODE,
	GRANT_NARGS
};

static const Verb grant_verb = {
	"tier_grant", "tier_grant", NULL, FOR_OPEN, false, GRANT_NARGS, {
		[GRANT_MEMBER_ID] = {"member_id", ARG_MEMBER, true},
		[GRANT_TIER] = {"tier", ARG_TEXT, true},
		[GRANT_REASON] = {"reason", ARG_TEXT},
		[GRANT_UNTIL] = {"until", ARG_DATE},
		[GRANT_LOCKED_UNTIL] = {"locked_until", ARG_DATE},
		[GRANT_AT] = {"at", ARG_AT},
		[GRANT_KEY] = {"key", ARG_KEY},
		[GRANT_MODE] = {"mode", ARG_MODE, true}
	}
};

/*
 * The row of a review that was asked for, after what was due has been
 * settled: it shows the tier before and after all of that.  Who ought to have
 * joined or been promoted, because the tiers have changed, is so now.  False
 * if there was nothing to do.
 */
static bool
review(Call *call)
{
	Decision   *decision = &call->decision;
	int			nsettled = decision->nrows;
	JournalRow *row = call_row(call, call->now);
	bool		changed = false;

	decide_tier_promote(decision, row);
	row->tier_after = call->account.tier_id;
	for (int i = nsettled - 1; i >= 0; i--)
		if (decision->rows[i]->nchanges > 0)
		{
			row->tier_before = decision->rows[i]->tier_before;
			changed = true;
		}
	return changed || row->nchanges > 0;
}

Datum
loyalty_tier_review(PG_FUNCTION_ARGS)
{
	Call		call;
	Datum		receipt;

	if (!call_begin(&call, fcinfo, &review_verb) ||
		!call_open(&call) ||
		review(&call))
		return call_close(&call);

	receipt = journal_receipt(call.row, call.decision.program,
							  call.mode == MODE_DRY ? "dry" : "done", false);
	SPI_finish();
	return receipt;
}

/*
 * A metric of the row's member was lowered: takes back, if the programme
 * wants it, a promotion that is not reached any more.
 */
void
event_tier_lowered(Call *call, JournalRow *row)
{
	Decision   *decision = &call->decision;

	store_load_periods(decision, false);
	if (decision->program->tier_refund == TIER_REFUND_IMMEDIATE &&
		call->account.tier_promoted)
		tier_history_before_promotion(call->member_id,
									  &decision->earlier_tier_id,
									  &decision->earlier_tier_until);
	decide_tier_refund(decision, row);
}

/* A date that has not passed; left alone if none is given. */
static bool
date_to_come(Call *call, int arg, DateADT *date)
{
	if (!call_has(call, arg))
		return true;
	*date = DatumGetDateADT(call->fcinfo->args[arg].value);
	if (*date < call->decision.today)
		return call_refuse(call, REFUSAL_EXPIRY_IN_PAST,
						   "%s lies before today", call->verb->args[arg].name);
	if (*date > WALLET_LAST_DATE)
		return call_refuse(call, REFUSAL_TIME_NOT_FINITE,
						   "%s lies after the year 9999",
						   call->verb->args[arg].name);
	return true;
}

static bool
check_period(Call *call, DateADT until, DateADT locked_until)
{
	if (until != DATEVAL_NOBEGIN && locked_until > until)
		return call_refuse(call, REFUSAL_PERIOD_INVERTED,
						   "until lies before locked_until");
	return true;
}

static bool
find_tier(Call *call, const Tier **tier)
{
	char	   *code = text_to_cstring(call_text(call, GRANT_TIER));

	*tier = program_tier(call->decision.program, code);
	if (*tier == NULL)
		return call_refuse(call, REFUSAL_UNKNOWN_TIER, "tier=%s", code);
	return true;
}

Datum
loyalty_tier_grant(PG_FUNCTION_ARGS)
{
	Call		call;
	const Tier *tier;
	DateADT		until = DATEVAL_NOBEGIN;
	DateADT		locked_until = DATEVAL_NOBEGIN;

	if (call_begin(&call, fcinfo, &grant_verb) &&
		call_open(&call) &&
		call_reason(&call, GRANT_REASON, true) &&
		find_tier(&call, &tier) &&
		date_to_come(&call, GRANT_UNTIL, &until) &&
		date_to_come(&call, GRANT_LOCKED_UNTIL, &locked_until) &&
		check_period(&call, until, locked_until))
	{
		JournalRow *row = call_row(&call, call.now);

		row->reason = call_text(&call, GRANT_REASON);
		store_load_periods(&call.decision, false);
		decide_tier_grant(&call.decision, row, tier, until, locked_until);
	}
	return call_close(&call);
}

/* Loads a member for reading: without a lock, with the caller's snapshot. */
static void
load_member(FunctionCallInfo fcinfo, Account *account, Decision *decision)
{
	MemoryContext caller = CurrentMemoryContext;

	require_argument(fcinfo, 0, "member_id");
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	if (!store_load(PG_GETARG_INT64(0), ACCOUNT_READ_STABLE, loyalty_clock(),
					account, decision))
		refusal_raise(REFUSAL_MEMBER_NOT_FOUND,
					  psprintf("member_id=" INT64_FORMAT,
							   PG_GETARG_INT64(0)));
	store_load_periods(decision, true);
}

/* Makes in memory all reviews that are due by a date. */
static void
review_until(Decision *decision, DateADT on)
{
	JournalRow *row = journal_row_make(decision->account->member_id,
									   "tier_review", decision->now);
	DateADT		due;

	decision->today = on;
	while ((due = decide_tier_due(decision)) <= on)
	{
		CHECK_FOR_INTERRUPTS();
		row->nchanges = 0;
		decide_tier_review(decision, row, due);
	}
}

static void
put_text(Datum *values, bool *nulls, int column, const char *value)
{
	nulls[column] = value == NULL;
	if (value != NULL)
		values[column] = CStringGetTextDatum(value);
}

static void
put_date(Datum *values, bool *nulls, int column, DateADT date)
{
	nulls[column] = DATE_NOT_FINITE(date);
	values[column] = DateADTGetDatum(date);
}

static const char *
tier_code(const Tier *tier)
{
	return tier == NULL ? NULL : tier->code;
}

/* The columns with which tier_current() and tier_progress() begin. */
enum tier_column
{
	TIER_CODE,
	TIER_SINCE,
	TIER_UNTIL,
	TIER_STATE,
	TIER_NCOLUMNS
};

static void
put_tier(Datum *values, bool *nulls, const Decision *decision)
{
	const Account *account = decision->account;

	put_text(values, nulls, TIER_CODE, tier_code(decide_tier(decision)));
	put_date(values, nulls, TIER_SINCE, account->tier_since);
	put_date(values, nulls, TIER_UNTIL, decide_tier_until(decision));
	put_text(values, nulls, TIER_STATE,
			 account_tier_state_name(account->tier_state));
}

/* tier_current(member_id): one row. */
Datum
loyalty_tier_current(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		values[TIER_NCOLUMNS];
	bool		nulls[TIER_NCOLUMNS];
	Account		account;
	Decision	decision;

	InitMaterializedSRF(fcinfo, 0);
	load_member(fcinfo, &account, &decision);
	review_until(&decision, decision.today);
	put_tier(values, nulls, &decision);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	SPI_finish();
	return (Datum) 0;
}

static Statement select_joined = {
	"SELECT joined_at FROM loyalty.member WHERE member_id = $1",
	1, {INT8OID}
};

static bool
had_joined(int64 member_id, TimestampTz at)
{
	NullableDatum args[] = {ARG(Int64GetDatum(member_id))};

	return statement_run(&select_joined, args, true) > 0 &&
		DatumGetTimestampTz(statement_notnull(0, 1)) <= at;
}

/*
 * From the history; after the day that was settled last, by the reviews that
 * have fallen due or will, if nothing else happens.
 */
const Tier *
event_tier_at(Decision *decision, TimestampTz at)
{
	const Account *account = decision->account;
	DateADT		on = program_date(decision->program, at);

	if (on > account->settled_on ||
		(on == account->settled_on && at >= decision->now))
	{
		review_until(decision, on);
		return decide_tier(decision);
	}
	return had_joined(account->member_id, at) ?
		decide_tier_of(decision->program,
					   tier_history_at(account->member_id, at, true)) : NULL;
}

/* tier_at(member_id, at) */
Datum
loyalty_tier_at(PG_FUNCTION_ARGS)
{
	Account		account;
	Decision	decision;
	TimestampTz at;
	const Tier *tier;
	char	   *code;

	require_argument(fcinfo, 1, "at");
	at = PG_GETARG_TIMESTAMPTZ(1);
	load_member(fcinfo, &account, &decision);
	if (TIMESTAMP_NOT_FINITE(at))
		refusal_raise(REFUSAL_TIME_NOT_FINITE, "at is not finite");
	if (program_date(decision.program, at) > WALLET_LAST_DATE)
		refusal_raise(REFUSAL_TIME_NOT_FINITE, "at lies after the year 9999");
	tier = event_tier_at(&decision, at);
	code = tier == NULL ? NULL : pstrdup(tier->code);
	SPI_finish();
	if (code == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(code));
}

enum progress_column
{
	PROGRESS_PURPOSE = TIER_NCOLUMNS,
	PROGRESS_FOR_TIER,
	PROGRESS_MATCH,
	PROGRESS_UNIT,
	PROGRESS_REACHED,
	PROGRESS_THRESHOLD,
	PROGRESS_MISSING,
	PROGRESS_WINDOW,
	PROGRESS_WINDOW_FROM,
	PROGRESS_WINDOW_UNTIL,
	PROGRESS_KEEP_BY,
	PROGRESS_PROJECTED_TIER,
	PROGRESS_PROJECTED_STATE,
	PROGRESS_NCOLUMNS
};

typedef struct Progress
{
	ReturnSetInfo *result;
	const Decision *decision;
	int			nrows;
	Datum		values[PROGRESS_NCOLUMNS];
	bool		nulls[PROGRESS_NCOLUMNS];
} Progress;

static void
put_progress(Progress *progress)
{
	tuplestore_putvalues(progress->result->setResult,
						 progress->result->setDesc,
						 progress->values, progress->nulls);
	progress->nrows++;
}

static void
put_threshold(Progress *progress, const TierThreshold *threshold, DateADT on,
			  DateADT until)
{
	Datum	   *values = progress->values;
	bool	   *nulls = progress->nulls;
	const Unit *unit = threshold->unit;
	DateADT		from;
	int64		reached = decide_tier_reached(progress->decision, threshold,
											  on, until, &from);

#define PUT(column, minor) \
	(values[column] = NumericGetDatum(amount_numeric(minor, unit->scale)), \
	 nulls[column] = false)
	put_text(values, nulls, PROGRESS_UNIT, unit->code);
	PUT(PROGRESS_REACHED, reached);
	PUT(PROGRESS_THRESHOLD, threshold->threshold);
	PUT(PROGRESS_MISSING, Max(threshold->threshold - reached, 0));
#undef PUT
	put_text(values, nulls, PROGRESS_WINDOW,
			 tier_window_name(threshold->window));
	put_date(values, nulls, PROGRESS_WINDOW_FROM, from);
	put_date(values, nulls, PROGRESS_WINDOW_UNTIL, until);
	put_progress(progress);
}

/* The thresholds of a tier, of entry or of retention. */
static void
put_thresholds(Progress *progress, const Tier *tier, const char *purpose,
			   bool retention, DateADT on, DateADT until)
{
	put_text(progress->values, progress->nulls, PROGRESS_PURPOSE, purpose);
	put_text(progress->values, progress->nulls, PROGRESS_FOR_TIER, tier->code);
	put_text(progress->values, progress->nulls, PROGRESS_MATCH,
			 (retention ? tier->retention_all : tier->entry_all) ?
			 "all" : "any");
	for (int i = 0; i < tier->nthresholds; i++)
		if (tier->thresholds[i].retention == retention)
			put_threshold(progress, &tier->thresholds[i], on, until);
}

/* What is asked for to keep the tier; its entry again, if nothing else. */
static void
put_retention(Progress *progress)
{
	const Decision *decision = progress->decision;
	const Tier *tier = decide_tier(decision);
	DateADT		until = decide_tier_until(decision);
	bool		retention;

	if (until == DATEVAL_NOEND || tier == NULL || tier->nthresholds == 0)
		return;
	retention = tier->thresholds[tier->nthresholds - 1].retention;
	put_date(progress->values, progress->nulls, PROGRESS_KEEP_BY, until);
	put_thresholds(progress, tier, "retention", retention,
				   decide_tier_period_end(decision), until);
}

/* What is asked for to reach the next tier. */
static void
put_entry(Progress *progress)
{
	const Decision *decision = progress->decision;
	const Tier *next = decide_tier_next(decision);

	if (next != NULL)
		put_thresholds(progress, next, "entry", false, decision->today,
					   decision->today);
}

/* The tier on the day after the period's last, if nothing else happens. */
static void
put_projection(Progress *progress, const Decision *decision)
{
	Account		later = *decision->account;
	Decision	projected = *decision;
	DateADT		until = decide_tier_until(decision);

	projected.account = &later;
	if (until != DATEVAL_NOEND)
		review_until(&projected, until + 1);
	put_text(progress->values, progress->nulls, PROGRESS_PROJECTED_TIER,
			 tier_code(decide_tier(&projected)));
	put_text(progress->values, progress->nulls, PROGRESS_PROJECTED_STATE,
			 account_tier_state_name(later.tier_state));
}

/*
 * tier_progress(member_id): a row for each threshold of the next tier and for
 * each of keeping this one; a single row without, if there is none.
 */
Datum
loyalty_tier_progress(PG_FUNCTION_ARGS)
{
	Progress	progress = {(ReturnSetInfo *) fcinfo->resultinfo};
	Account		account;
	Decision	decision;

	InitMaterializedSRF(fcinfo, 0);
	load_member(fcinfo, &account, &decision);
	review_until(&decision, decision.today);
	progress.decision = &decision;
	memset(progress.nulls, true, sizeof(progress.nulls));
	put_tier(progress.values, progress.nulls, &decision);
	put_projection(&progress, &decision);
	put_entry(&progress);
	put_retention(&progress);
	if (progress.nrows == 0)
		put_progress(&progress);
	SPI_finish();
	return (Datum) 0;
}
