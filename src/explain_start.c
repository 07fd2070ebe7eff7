/*
 * explain_start.c
 *
 * A member as of before a row of its journal: the account from the ledger,
 * the tier, the tags and the segments from their history, uses of rules from
 * the awards.
 */
#include "explain.h"

#include "utils/builtins.h"

#include "statement.h"

static Statement fold_before = {
	"SELECT loyalty.wallet_fold(e.unit_id, e.vests_on, e.expires_on,"
	" e.origin, e.amount)"
	" FROM loyalty.entry e WHERE e.member_id = $1 AND e.journal_id < $2",
	2, {INT8OID, INT8OID}
};

/* The account's times then, and how many purchases it has had since. */
static Statement select_times = {
	"SELECT min(j.effective_at) FILTER (WHERE j.journal_id < $2),"
	" max(j.effective_at) FILTER (WHERE j.journal_id < $2),"
	" min(j.effective_at)"
	" FILTER (WHERE j.journal_id < $2 AND j.event = 'purchase'),"
	" max(j.effective_at)"
	" FILTER (WHERE j.journal_id < $2 AND j.event = 'purchase'),"
	" count(*) FILTER (WHERE j.journal_id >= $2 AND j.event = 'purchase')::int"
	" FROM loyalty.journal j WHERE j.member_id = $1 AND j.kind = 'event'",
	2, {INT8OID, INT8OID}
};

static Statement select_person = {
	"SELECT joined_at, profile FROM loyalty.member WHERE member_id = $1",
	1, {INT8OID}
};

/*
 * From when to when the member had which tags, in rows of the journal, whose
 * ids are of one sequence with those of the history.  A tag that was over had
 * ended by date before it was removed; one that an event of that very moment
 * still saw was taken by hand.  One without a history has been there since it
 * was given.
 */
static Statement select_tags = {
	"SELECT x.tag, x.history_id, x.until, NULL::timestamptz, x.ends_at"
	" FROM (SELECT h.tag, h.action, h.history_id,"
	" lead(h.history_id) OVER w AS until,"
	" CASE WHEN lead(h.history_id) OVER w IS NULL THEN t.valid_until"
	" WHEN lead(h.action) OVER w = 'removed' AND h.source <> 'rule'"
	" THEN lead(h.changed_at) OVER w + interval '1 microsecond'"
	" END AS ends_at"
	" FROM loyalty.tag_history h"
	" LEFT JOIN loyalty.member_tag t USING (member_id, tag)"
	" WHERE h.member_id = $1"
	" WINDOW w AS (PARTITION BY h.tag ORDER BY h.history_id)) x"
	" WHERE x.action = 'set'"
	" UNION ALL"
	" SELECT t.tag, NULL, NULL, t.tagged_at, t.valid_until"
	" FROM loyalty.member_tag t WHERE t.member_id = $1 AND NOT EXISTS ("
	"SELECT FROM loyalty.tag_history h"
	" WHERE h.member_id = t.member_id AND h.tag = t.tag)"
	" ORDER BY 1",
	1, {INT8OID}
};

/* The same for segments. */
static Statement select_segments = {
	"SELECT x.segment, x.history_id, x.until, NULL::timestamptz,"
	" NULL::timestamptz"
	" FROM (SELECT h.segment, h.action, h.history_id,"
	" lead(h.history_id) OVER w AS until FROM loyalty.segment_history h"
	" WHERE h.member_id = $1"
	" WINDOW w AS (PARTITION BY h.segment ORDER BY h.history_id)) x"
	" WHERE x.action = 'entered' ORDER BY 1",
	1, {INT8OID}
};

static Statement select_history = {
	"SELECT effective_at, action, tier_after, tier_until, locked_until,"
	" journal_id FROM loyalty.tier_history"
	" WHERE member_id = $1 AND journal_id < $2 ORDER BY journal_id, line",
	2, {INT8OID, INT8OID}
};

static Statement select_later_history = {
	"SELECT FROM loyalty.tier_history"
	" WHERE member_id = $1 AND journal_id >= $2 LIMIT 1",
	2, {INT8OID, INT8OID}
};

/* What the metrics of a month stood at after a row. */
static Statement select_metrics = {
	"SELECT e.unit_id, sum(e.amount)::bigint FROM loyalty.entry e"
	" JOIN loyalty.unit u USING (unit_id)"
	" WHERE e.member_id = $1 AND e.journal_id <= $2 AND u.kind = 'metric'"
	" AND e.vests_on = $3 GROUP BY e.unit_id HAVING sum(e.amount) <> 0",
	3, {INT8OID, INT8OID, DATEOID}
};

/* When rules that must not award too often did so last, and for what. */
static Statement select_uses = {
	"SELECT r.rule_id, t.target, max(j.effective_at)"
	" FROM loyalty.rule r"
	" JOIN loyalty.entry e ON e.rule_id = r.rule_id AND e.member_id = $1"
	" JOIN loyalty.journal j USING (member_id, journal_id)"
	" LEFT JOIN loyalty.event_data d USING (member_id, journal_id)"
	" CROSS JOIN LATERAL (SELECT '' WHERE r.cooldown IS NOT NULL"
	" UNION ALL SELECT d.data -> 'data' ->> 'target'"
	" WHERE r.once_per_target AND d.data -> 'data' ? 'target') t (target)"
	" WHERE r.program_id = $3"
	" AND (r.cooldown IS NOT NULL OR r.once_per_target)"
	" AND j.kind = 'event' AND j.journal_id < $2"
	" GROUP BY r.rule_id, t.target",
	3, {INT8OID, INT8OID, INT4OID}
};

static void
load_times(Account *account, const NullableDatum *args)
{
	statement_run(&select_times, args, true);
	account->first_event_at = statement_time_or(0, 1, DT_NOBEGIN);
	account->last_event_at = statement_time_or(0, 2, DT_NOBEGIN);
	account->first_purchase_at = statement_time_or(0, 3, DT_NOBEGIN);
	account->last_purchase_at = statement_time_or(0, 4, DT_NOBEGIN);
	/* those that were taken over from elsewhere have no row */
	account->purchases -= DatumGetInt32(statement_notnull(0, 5));
}

static void
load_holdings(Statement *statement, const NullableDatum *args,
			  SimHoldings *holdings)
{
	holdings->n = statement_run(statement, args, true);
	holdings->list = palloc(sizeof(SimHolding) * Max(holdings->n, 1));
	for (int i = 0; i < holdings->n; i++)
	{
		SimHolding *holding = &holdings->list[i];

		holding->name = statement_text(i, 1);
		holding->from = statement_int64_or(i, 2, 0);
		holding->until = statement_int64_or(i, 3, PG_INT64_MAX);
		holding->since = statement_time_or(i, 4, DT_NOBEGIN);
		holding->ends_at = statement_time_or(i, 5, DT_NOEND);
	}
}

static void
load_person(SimMember *member, const NullableDatum *args)
{
	if (statement_run(&select_person, args, true) == 0)
		elog(ERROR, "member " INT64_FORMAT " was not found",
			 member->member_id);
	member->joined_at = DatumGetTimestampTz(statement_notnull(0, 1));
	member->profile = (Jsonb *) statement_varlena(0, 2);
	load_holdings(&select_tags, args, &member->tags);
	load_holdings(&select_segments, args, &member->segments);
}

static TierAction
parse_action(const char *name)
{
	for (TierAction action = TIER_JOINED; action <= TIER_BOUGHT; action++)
		if (strcmp(tier_action_name(action), name) == 0)
			return action;
	elog(ERROR, "unknown action \"%s\" in the history of a tier", name);
}

/* Does an action begin a period, or only tell how one goes? */
static bool
begins_period(TierAction action)
{
	return action != TIER_WARN && action != TIER_GRACE_BEGINS;
}

/* The first day of the period that a change began. */
static DateADT
period_start_of(const Program *program, const TierChange *changes, int i)
{
	if (changes[i].action == TIER_PROLONGED && i > 0 &&
		changes[i - 1].action != TIER_GRACE_BEGINS)
		return Max(changes[i - 1].tier_until,
				   changes[i - 1].locked_until) + 1;
	return program_date(program, changes[i].effective_at);
}

static void
load_base(Account *account, int64 journal_id)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(account->member_id)),
		ARG(Int64GetDatum(journal_id)),
		ARG(DateADTGetDatum(date_month_start(account->tier_since)))
	};
	int			n = statement_run(&select_metrics, args, true);

	account->ntier_base = n;
	account->tier_base = palloc(sizeof(int64) * 2 * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		account->tier_base[2 * i] =
			DatumGetInt32(statement_notnull(i, 1));
		account->tier_base[2 * i + 1] =
			DatumGetInt64(statement_notnull(i, 2));
	}
}

/* Puts the account's tier back to where its history had brought it. */
static void
go_back(const Program *program, Account *account, const TierChange *changes,
		const int64 *journal_ids, int nchanges)
{
	int			begun = nchanges - 1;

	account->tier_id = 0;
	account->tier_since = DATEVAL_NOBEGIN;
	account->tier_until = DATEVAL_NOEND;
	account->tier_locked_until = DATEVAL_NOBEGIN;
	account->tier_state = TIER_NORMAL;
	account->tier_promoted = false;
	account->ntier_base = 0;
	while (begun >= 0 && !begins_period(changes[begun].action))
		begun--;
	if (begun < 0)
		return;

	account->tier_id = changes[begun].tier_after;
	if (account->tier_id == 0)
		return;
	account->tier_since = period_start_of(program, changes, begun);
	account->tier_until = changes[nchanges - 1].tier_until;
	account->tier_locked_until = changes[nchanges - 1].locked_until;
	if (changes[nchanges - 1].action == TIER_WARN)
		account->tier_state = TIER_WARNED;
	else if (changes[nchanges - 1].action == TIER_GRACE_BEGINS)
		account->tier_state = TIER_GRACE;
	account->tier_promoted = changes[begun].action == TIER_PROMOTED;
	load_base(account, journal_ids[begun]);
}

/* The tier and its history; what did not change since is as it is today. */
static void
load_tier(const Program *program, SimState *state, const NullableDatum *args)
{
	bool		changed = statement_run(&select_later_history, args, true) > 0;
	int			n = statement_run(&select_history, args, true);
	int64	   *journal_ids = palloc(sizeof(int64) * Max(n, 1));

	state->nchanges = n;
	state->changes = palloc0(sizeof(TierChange) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		TierChange *change = &state->changes[i];

		change->effective_at = DatumGetTimestampTz(statement_notnull(i, 1));
		change->action = parse_action(statement_text(i, 2));
		change->tier_after = statement_int32_or(i, 3, 0);
		change->tier_until = statement_date_or(i, 4, DATEVAL_NOEND);
		change->locked_until = statement_date_or(i, 5, DATEVAL_NOBEGIN);
		journal_ids[i] = DatumGetInt64(statement_notnull(i, 6));
	}
	if (changed)
		go_back(program, &state->account, state->changes, journal_ids, n);
	pfree(journal_ids);
}

static void
load_uses(SimState *state, const NullableDatum *args)
{
	state->nuses = statement_run(&select_uses, args, true);
	state->uses = palloc0(sizeof(RuleUse) * Max(state->nuses, 1));
	for (int i = 0; i < state->nuses; i++)
	{
		state->uses[i].rule_id = DatumGetInt32(statement_notnull(i, 1));
		state->uses[i].target = statement_text(i, 2);
		state->uses[i].used_at = DatumGetTimestampTz(statement_notnull(i, 3));
	}
}

/*
 * Loads a member as of before its first call, the same in both worlds, into
 * its own context.  Holds are not looked at: what they move is made again as
 * it was posted.
 */
void
explain_start(const Simulation *simulation, SimMember *member)
{
	const Program *program = simulation->programs[WORLD_WITHOUT];
	MemoryContext caller = MemoryContextSwitchTo(member->context);
	NullableDatum args[] = {
		ARG(Int64GetDatum(member->member_id)),
		ARG(Int64GetDatum(member->first)),
		ARG(Int32GetDatum(program->program_id))
	};

	load_person(member, args);
	if (program->nplans > 0)
		member->periods = plan_periods(member->member_id, WALLET_FIRST_DATE,
									   true, &member->nperiods);
	for (World world = 0; world < NWORLDS; world++)
	{
		SimState   *state = &member->states[world];
		Account    *account = &state->account;

		if (!account_load(member->member_id, ACCOUNT_READ_STABLE, account))
			elog(ERROR, "account " INT64_FORMAT " was not found",
				 member->member_id);
		statement_run(&fold_before, args, true);
		wallet_unpack(statement_notnull(0, 1), &account->wallet);
		account->hold_until = DT_NOEND;
		load_times(account, args);
		account->settled_on = account->last_event_at == DT_NOBEGIN ?
			WALLET_FIRST_DATE : program_date(program, account->last_event_at);
		load_tier(program, state, args);
		load_uses(state, args);
	}
	member->now = DT_NOBEGIN;
	MemoryContextSwitchTo(caller);
}
