/*
 * explain_replay.c
 *
 * One call of the past made again in one of the worlds.  Events are judged
 * anew, refunds take back what events came to, spends take as much as they
 * did, the clock falls due by itself; everything else is posted as it was.
 */
#include "explain.h"

#include "utils/builtins.h"

#include "amount.h"
#include "statement.h"

static Statement select_call = {
	"SELECT j.kind, j.event, j.effective_at, j.recorded_at,"
	" j.request_hash IS NULL, j.amount, j.unit_id, j.ref, j.reverses,"
	" j.channel, j.store, d.data -> 'items', d.data -> 'data',"
	" d.data -> 'member', j.ref IS NOT NULL AND EXISTS ("
	"SELECT FROM loyalty.journal r WHERE r.member_id = $1"
	" AND r.reverses = j.ref AND r.kind = 'refund'"
	" AND r.journal_id > j.journal_id),"
	" jsonb_path_query_array(d.data, '$.checkout.multipliers[*]')"
	" FROM loyalty.journal j"
	" LEFT JOIN loyalty.event_data d USING (member_id, journal_id)"
	" WHERE j.member_id = $1 AND j.journal_id = $2",
	2, {INT8OID, INT8OID}
};

static Statement select_entries = {
	"SELECT unit_id, amount, vests_on, expires_on, origin FROM loyalty.entry"
	" WHERE member_id = $1 AND journal_id = $2 ORDER BY line",
	2, {INT8OID, INT8OID}
};

/* Tiers that were given by hand, or taken over. */
static Statement select_grants = {
	"SELECT tier_after, tier_until, locked_until FROM loyalty.tier_history"
	" WHERE member_id = $1 AND journal_id = $2 AND action = 'granted'"
	" ORDER BY line",
	2, {INT8OID, INT8OID}
};

/*
 * What a counter came to in [$3, $4), before a row: as it was kept, or by
 * the entries where it was erased.
 */
static Statement select_counted = {
	"SELECT coalesce(sum(c.used), 0)::bigint FROM ("
	"SELECT n.value::bigint AS used"
	" FROM loyalty.journal j"
	" JOIN loyalty.event_data d USING (member_id, journal_id)"
	" CROSS JOIN LATERAL jsonb_path_query(d.data, '$.awards[*].counters') x"
	" CROSS JOIN LATERAL jsonb_each_text(x) n"
	" WHERE j.member_id = $1 AND j.kind = 'event'"
	" AND j.effective_at >= $3 AND j.effective_at < $4"
	" AND j.journal_id < $5 AND n.key = $2::text"
	" UNION ALL"
	" SELECT CASE k.counts WHEN 'times' THEN 1 ELSE sum(e.amount) END"
	" FROM loyalty.journal j"
	" JOIN loyalty.entry e USING (member_id, journal_id)"
	" JOIN loyalty.rule_cap k ON k.rule_id = e.rule_id"
	" WHERE j.member_id = $1 AND k.unit_id = $2 AND j.kind = 'event'"
	" AND j.effective_at >= $3 AND j.effective_at < $4"
	" AND j.journal_id < $5 AND NOT EXISTS ("
	"SELECT FROM loyalty.event_data d WHERE d.member_id = j.member_id"
	" AND d.journal_id = j.journal_id AND d.data ? 'awards')"
	" GROUP BY j.journal_id, e.rule_id, k.counts"
	" UNION ALL SELECT j.amount - coalesce((SELECT sum(r.amount)"
	" FROM loyalty.journal r WHERE r.member_id = $1 AND r.reverses = j.ref"
	" AND r.kind = 'benefit_return' AND r.event = j.event"
	" AND r.journal_id < $5), 0)"
	" FROM loyalty.journal j WHERE j.member_id = $1 AND j.unit_id = $2"
	" AND j.kind = 'benefit_use' AND j.journal_id < $5"
	" AND j.effective_at >= $3 AND j.effective_at < $4) c",
	5, {INT8OID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID}
};

/* The runs of a daily event before a row, as far as they touch a day. */
static Statement select_runs = {
	"SELECT min(r.day), max(r.day) FROM ("
	"SELECT d.day, d.day - row_number() OVER (ORDER BY d.day)::int AS run"
	" FROM (SELECT DISTINCT (j.effective_at AT TIME ZONE $4)::date AS day"
	" FROM loyalty.journal j WHERE j.member_id = $1 AND j.event = $2"
	" AND j.kind = 'event' AND j.journal_id < $3) d) r"
	" GROUP BY r.run HAVING min(r.day) <= $5 + 1 AND max(r.day) >= $5 - 1"
	" ORDER BY 1 LIMIT 2",
	5, {INT8OID, TEXTOID, INT8OID, TEXTOID, DATEOID}
};

static text *
column_text(int column)
{
	return (text *) statement_varlena(0, column);
}

/* Reads a row of the journal; false if it is not there. */
bool
explain_load_call(int64 member_id, int64 journal_id, PastCall *call)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(Int64GetDatum(journal_id))
	};
	bool		isnull;

	memset(call, 0, sizeof(PastCall));
	if (statement_run(&select_call, args, true) == 0)
		return false;
	call->journal_id = journal_id;
	call->kind = statement_text(0, 1);
	call->event = statement_text(0, 2);
	call->effective_at = DatumGetTimestampTz(statement_notnull(0, 3));
	call->recorded_at = DatumGetTimestampTz(statement_notnull(0, 4));
	call->by_itself = DatumGetBool(statement_notnull(0, 5));
	(void) statement_value(0, 6, &isnull);
	call->has_amount = !isnull;
	call->amount = statement_int64_or(0, 6, 0);
	call->unit_id = statement_int32_or(0, 7, 0);
	call->ref = column_text(8);
	call->reverses = column_text(9);
	call->channel = column_text(10);
	call->store = column_text(11);
	call->items = (Jsonb *) column_text(12);
	call->data = (Jsonb *) column_text(13);
	call->member = (Jsonb *) column_text(14);
	call->refunded = DatumGetBool(statement_notnull(0, 15));
	call->multipliers = (Jsonb *) column_text(16);
	return true;
}

/*
 * What a counter stands at in the period of a date: what it did at the
 * beginning, and what events have added in each world.
 */
static SimCount *
count_of(const Program *program, SimMember *member, const Unit *counter,
		 DateADT on)
{
	DateADT		end = period_end(counter->period, on);
	DateADT		start = period_start(counter->period, on);
	bool		ever = counter->period == PERIOD_LIFETIME;
	NullableDatum args[] = {
		ARG(Int64GetDatum(member->member_id)),
		ARG(Int32GetDatum(counter->unit_id)),
		ARG(TimestampTzGetDatum(ever ? DT_NOBEGIN :
								program_midnight(program, start))),
		ARG(TimestampTzGetDatum(ever ? DT_NOEND :
								program_midnight(program, end + 1))),
		ARG(Int64GetDatum(member->first))
	};
	MemoryContext caller;
	SimCount   *count;

	for (int i = 0; i < member->ncounts; i++)
		if (member->counts[i].unit_id == counter->unit_id &&
			member->counts[i].period_end == end)
			return &member->counts[i];
	caller = MemoryContextSwitchTo(member->context);
	member->counts = member->counts == NULL ?
		palloc(sizeof(SimCount)) :
		repalloc(member->counts, sizeof(SimCount) * (member->ncounts + 1));
	MemoryContextSwitchTo(caller);
	count = &member->counts[member->ncounts++];
	statement_run(&select_counted, args, true);
	count->unit_id = counter->unit_id;
	count->period_end = end;
	for (World world = 0; world < NWORLDS; world++)
		count->used[world] = DatumGetInt64(statement_notnull(0, 1));
	return count;
}

/* Every counter of the programme, as if its period were over. */
static void
load_counts(const Program *program, SimMember *member, World world,
			Facts *facts)
{
	facts->past = palloc(sizeof(PastCount) * Max(program->nunits, 1));
	for (int i = 0; i < program->nunits; i++)
	{
		const Unit *unit = &program->units[i];

		if (unit->kind != UNIT_COUNTER)
			continue;
		facts->past[facts->npast].unit_id = unit->unit_id;
		facts->past[facts->npast++].used =
			count_of(program, member, unit, facts->on)->used[world];
	}
}

/* Adds what an event was granted to the counters. */
static void
count_awards(const Program *program, SimMember *member, World world,
			 const Awards *awards)
{
	for (int i = 0; i < awards->nverdicts; i++)
	{
		const RuleVerdict *verdict = &awards->verdicts[i];

		for (int n = 0; n < verdict->rule->ncaps && verdict->granted > 0; n++)
		{
			const RuleCap *cap = &verdict->rule->caps[n];
			SimCount   *count = count_of(program, member, cap->counter,
										 awards->facts->on);

			count->used[world] = amount_add(count->used[world],
											cap->times ? 1 : verdict->granted);
		}
	}
}

/* Names in a field of what conditions saw then; false if it was not kept. */
static bool
read_kept(const PastCall *call, const char *field, NameList *names)
{
	JsonbValue	buffer;
	JsonbValue *kept = call->member == NULL ? NULL :
		getKeyJsonValueFromContainer(&call->member->root, field,
									 strlen(field), &buffer);
	int			n;

	if (kept == NULL || kept->type != jbvBinary)
		return false;
	n = JsonContainerSize(kept->val.binary.data);
	names->names = palloc(sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		JsonbValue *name = getIthJsonbValueFromContainer(kept->val.binary.data,
														 i);

		if (name->type == jbvString)
			names->names[names->n++] = pnstrdup(name->val.string.val,
												name->val.string.len);
	}
	return true;
}

/* Tags or segments of that time: as they were kept, else by their history. */
static void
load_names(const SimMember *member, const SimHoldings *holdings,
		   const PastCall *call, const char *field, NameList *names)
{
	if (read_kept(call, field, names))
		return;
	names->names = palloc(sizeof(char *) * Max(holdings->n, 1));
	for (int i = 0; i < holdings->n; i++)
	{
		const SimHolding *holding = &holdings->list[i];

		if (holding->from < call->journal_id &&
			call->journal_id < holding->until &&
			holding->since <= member->now &&
			call->effective_at < holding->ends_at)
			names->names[names->n++] = holding->name;
	}
}

/* The runs of days before this event, which no campaign changes. */
static void
load_runs(const Simulation *simulation, const SimMember *member,
		  const PastCall *call, Facts *facts)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member->member_id)),
		ARG(CStringGetTextDatum(call->event)),
		ARG(Int64GetDatum(call->journal_id)),
		ARG(CStringGetTextDatum(simulation->time_zone)),
		ARG(DateADTGetDatum(facts->on))
	};

	facts->nruns = statement_run(&select_runs, args, true);
	facts->run.started_on = facts->on;
	facts->run.last_on = facts->on;
	for (int i = 0; i < facts->nruns; i++)
	{
		facts->runs[i].started_on = DatumGetDateADT(statement_notnull(i, 1));
		facts->runs[i].last_on = DatumGetDateADT(statement_notnull(i, 2));
		facts->run.started_on = Min(facts->run.started_on,
									facts->runs[i].started_on);
		facts->run.last_on = Max(facts->run.last_on, facts->runs[i].last_on);
	}
	facts->streak_day = facts->on - facts->run.started_on + 1;
}

/* The tier of this world that the history gives for a time. */
static const Tier *
tier_at(const Program *program, const SimState *state, TimestampTz at)
{
	for (int i = state->nchanges - 1; i >= 0; i--)
		if (state->changes[i].effective_at <= at)
			return decide_tier_of(program, state->changes[i].tier_after);
	return decide_tier_of(program, 0);
}

/* The tier held at the time of the event, as event_facts() finds it. */
static const Tier *
tier_then(const Decision *decision, const SimState *state, TimestampTz at,
		  DateADT on)
{
	const Account *account = decision->account;
	int32		tier_id;

	if (at >= decision->now || account->tier_id == 0 ||
		on > account->tier_since)
		return decide_tier(decision);
	if (decide_tier_by(decision, at, &tier_id))
		return decide_tier_of(decision->program, tier_id);
	return tier_at(decision->program, state, at);
}

/* Coupons of the order multiply now as they did then. */
static void
load_factors(const PastCall *call, Facts *facts)
{
	int			n = call->multipliers == NULL ? 0 :
		JB_ROOT_COUNT(call->multipliers);

	facts->factors = palloc(sizeof(CouponFactor) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		JsonbValue *one =
			getIthJsonbValueFromContainer(&call->multipliers->root, i);
		JsonbValue	unit_buffer;
		JsonbValue	factor_buffer;
		JsonbValue *unit = item_field(one, "unit_id", &unit_buffer);
		JsonbValue *factor = item_field(one, "factor", &factor_buffer);
		int64		unit_id = 0;
		int64		thousandths;

		if (factor == NULL ||
			amount_parse(factor->val.numeric, 3,
						 &thousandths) != REFUSAL_NONE ||
			(unit != NULL &&
			 amount_parse(unit->val.numeric, 0, &unit_id) != REFUSAL_NONE))
			elog(ERROR, "event_data is damaged");
		facts->factors[facts->nfactors++] = (CouponFactor) {
			.unit_id = unit_id,
			.factor = thousandths
		};
	}
}

static Facts *
facts_of(const Simulation *simulation, SimMember *member, World world,
		 Call *work, const PastCall *call, const JournalRow *row)
{
	static const ProgramEvent no_rules = {0};
	const Decision *decision = &work->decision;
	const Program *program = decision->program;
	const SimState *state = &member->states[world];
	const ProgramEvent *event = program_event(program, call->event);
	CartLines  *lines = palloc(sizeof(CartLines));
	Facts	   *facts = palloc0(sizeof(Facts));

	facts->event = event ? event : &no_rules;
	facts->on = program_date(program, row->effective_at);
	facts->time = program_time(program, row->effective_at);
	if (call->items != NULL && items_parse(work, call->items, lines))
	{
		facts->lines = lines;
		facts->items = call->items;
	}
	facts->data = call->data;
	if (program->ntiers > 0)
		facts->tier = tier_then(decision, state, row->effective_at, facts->on);
	event_facts_document(decision, facts);
	load_factors(call, facts);
	event_facts_person(&work->decision, facts,
					   member->joined_at,
					   call->member ? call->member : member->profile);
	if (facts->event->needs & (NEEDS_PLANS | NEEDS_GIVEN))
		store_holdings(member->member_id, program, row->effective_at,
					   facts->event->needs & (NEEDS_PLANS | NEEDS_GIVEN),
					   true, &facts->held);
	load_names(member, &member->tags, call, "tags", &facts->held.tags);
	load_names(member, &member->segments, call, "segments",
			   &facts->held.segments);
	facts->nuses = state->nuses;
	facts->uses = palloc(sizeof(RuleUse) * Max(state->nuses, 1));
	memcpy(facts->uses, state->uses, sizeof(RuleUse) * state->nuses);
	if (facts->event->needs & (NEEDS_PAST | NEEDS_CONTEXT))
		load_counts(program, member, world, facts);
	if (facts->event->daily)
		load_runs(simulation, member, call, facts);
	return facts;
}

/* Takes the awards of a decision from what is left of the budgets. */
static void
claim_budgets(Decision *decision, int64 *left)
{
	const Program *program = decision->program;

	for (int b = 0; b < program->nbudgets; b++)
		for (int e = 0; e < decision->nawards; e++)
			for (int i = 0; i < decision->awards[e].nverdicts; i++)
			{
				RuleVerdict *verdict = &decision->awards[e].verdicts[i];
				const Rule *rule = verdict->rule;
				int64		granted = verdict->granted;
				bool		draws = false;

				for (int n = 0; n < rule->nbudgets; n++)
					draws |= rule->budgets[n] == &program->budgets[b];
				if (granted == 0 || !draws)
					continue;
				decide_limit(verdict, left[b], rule->reject,
							 program->budgets[b].campaign_id != 0 ?
							 "limit_campaign" : "budget_exhausted");
				left[b] -= verdict->granted;
				/* what earlier budgets have given in vain */
				for (int n = 0; n < rule->nbudgets; n++)
					if (rule->budgets[n] < &program->budgets[b])
						left[rule->budgets[n] - program->budgets] +=
							granted - verdict->granted;
			}
}

/* Posts an entry as it was, from other lots if its own no longer holds it. */
static void
post_again(Decision *decision, JournalRow *row, Lot lot)
{
	LotList    *wallet = &decision->account->wallet;
	const Lot  *found = wallet_find(wallet, &lot);
	int64		held = found ? found->amount : 0;
	LotList		trial;
	LotList		taken;
	int64		rest;

	if (lot.origin == ORIGIN_DEBT ? held + lot.amount <= 0 :
		held + lot.amount >= 0)
	{
		decide_move(decision, row, lot);
		return;
	}
	rest = lot.origin == ORIGIN_DEBT ? 0 : -lot.amount - held;
	lot.amount = -held;
	decide_move(decision, row, lot);
	wallet_copy(wallet, &trial);
	wallet_init(&taken);
	rest -= wallet_take(&trial, lot.unit_id, rest, decision->today, &taken);
	wallet_take_pending(&trial, lot.unit_id, rest, decision->today, &taken);
	for (int i = 0; i < taken.n; i++)
	{
		Lot			other = taken.lots[i];

		other.amount = -other.amount;
		decide_move(decision, row, other);
	}
}

/* Everything that is no event: what was posted, and tiers that were given. */
static void
replay_entries(Decision *decision, const PastCall *call, JournalRow *row)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id)),
		ARG(Int64GetDatum(call->journal_id))
	};
	int			n = statement_run(&select_entries, args, true);
	Lot		   *lots = palloc0(sizeof(Lot) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		lots[i].unit_id = DatumGetInt32(statement_notnull(i, 1));
		lots[i].amount = DatumGetInt64(statement_notnull(i, 2));
		lots[i].vests_on = statement_date_or(i, 3, DATEVAL_NOBEGIN);
		lots[i].expires_on = statement_date_or(i, 4, DATEVAL_NOEND);
		if (!origin_from_letter(DatumGetChar(statement_notnull(i, 5)),
								&lots[i].origin))
			elog(ERROR, "unknown origin of an entry");
	}
	for (int i = 0; i < n; i++)
		post_again(decision, row, lots[i]);

	n = statement_run(&select_grants, args, true);
	for (int i = 0; i < n; i++)
	{
		const Tier *tier = program_tier_by_id(decision->program,
											  statement_int32_or(i, 1, 0));
		DateADT		until = statement_date_or(i, 2, DATEVAL_NOEND);
		DateADT		locked = statement_date_or(i, 3, DATEVAL_NOBEGIN);

		if (tier != NULL)
			decide_tier_grant(decision, row, tier, until, locked);
	}
}

/* A spend of the same amount, by the lots of this world. */
static bool
replay_spend(Decision *decision, const PastCall *call, JournalRow *row)
{
	const Unit *unit;
	LotList		taken;

	if (call->unit_id == 0 || (strcmp(call->kind, "redeem") != 0 &&
							   strcmp(call->kind, "hold") != 0 &&
							   strcmp(call->kind, "transfer") != 0))
		return false;
	unit = program_unit_by_id(decision->program, call->unit_id);
	if (decide_available(decision, unit) < call->amount)
		return false;
	decide_spend(decision, row, unit, call->amount, &taken);
	return true;
}

/* The row of an event of this world that is refunded. */
static const JournalRow *
awarded_row(void *context, int64 journal_id)
{
	const SimState *state = context;

	for (int i = 0; i < state->nawarded; i++)
		if (state->awarded[i]->journal_id == journal_id)
			return state->awarded[i];
	return NULL;
}

/* What the tier was before the last promotion, from the history. */
static void
find_earlier_tier(Decision *decision, const SimState *state)
{
	int			i = state->nchanges - 1;

	while (i >= 0 && state->changes[i].action != TIER_PROMOTED)
		i--;
	if (i < 1)
		return;
	decision->earlier_tier_id = state->changes[i - 1].tier_after;
	decision->earlier_tier_until = state->changes[i - 1].tier_until;
}

static void
replay_refund(Call *work, SimState *state, const PastCall *call,
			  JournalRow *row)
{
	event_refund_again(work, row, call->journal_id, call->data, awarded_row,
					   state);
	find_earlier_tier(&work->decision, state);
	decide_tier_refund(&work->decision, row);
}

static JournalRow *
past_row(Decision *decision, const PastCall *call)
{
	JournalRow *row = decide_row(decision, call->kind, call->effective_at);

	row->journal_id = call->journal_id;
	row->event = call->event;
	row->has_amount = call->has_amount;
	row->amount = call->amount;
	row->ref = call->ref;
	row->reverses = call->reverses;
	row->channel = call->channel;
	row->store = call->store;
	row->tier_before = decision->account->tier_id;
	return row;
}

/* Judges the events of a call, claims their budgets, and posts. */
static void
replay_events(Simulation *simulation, SimMember *member, World world,
			  Call *work, const PastCall *const *calls, int ncalls,
			  PastResult *result)
{
	Decision   *decision = &work->decision;

	for (int i = 0; i < ncalls; i++)
	{
		JournalRow *row = past_row(decision, calls[i]);

		decide_awards(decision, row, facts_of(simulation, member, world, work,
											  calls[i], row));
		result->rows[i] = row;
	}
	result->nrows = ncalls;
	claim_budgets(decision, simulation->left[world]);
	decide_grant(decision);
	result->nawards = decision->nawards;
	for (int i = 0; i < decision->nawards; i++)
	{
		result->awards[i] = decision->awards[i];
		count_awards(decision->program, member, world, &decision->awards[i]);
	}
}

/* Keeps uses that are new or have changed. */
static void
keep_uses(SimState *state, const Facts *facts)
{
	for (int i = 0; i < facts->nuses; i++)
	{
		const RuleUse *use = &facts->uses[i];
		int			at = 0;

		if (!use->changed)
			continue;
		while (at < state->nuses &&
			   (state->uses[at].rule_id != use->rule_id ||
				strcmp(state->uses[at].target, use->target) != 0))
			at++;
		if (at == state->nuses)
		{
			state->uses = repalloc(state->uses,
								   sizeof(RuleUse) * ++state->nuses);
			state->uses[at].rule_id = use->rule_id;
			state->uses[at].target = pstrdup(use->target);
			state->uses[at].changed = false;
		}
		state->uses[at].used_at = use->used_at;
	}
}

static void
keep_changes(SimState *state, const JournalRow *row)
{
	if (row->nchanges == 0)
		return;
	state->changes = repalloc(state->changes, sizeof(TierChange) *
							  (state->nchanges + row->nchanges));
	memcpy(&state->changes[state->nchanges], row->changes,
		   sizeof(TierChange) * row->nchanges);
	state->nchanges += row->nchanges;
}

/* Keeps an event that is refunded later: its lots and their lines. */
static void
keep_row(SimState *state, const JournalRow *row)
{
	JournalRow *copy = palloc(sizeof(JournalRow));

	*copy = *row;
	copy->postings = palloc(sizeof(Posting) * Max(row->npostings, 1));
	if (row->npostings > 0)
		memcpy(copy->postings, row->postings,
			   sizeof(Posting) * row->npostings);
	if (row->awards != NULL)
	{
		copy->awards = palloc(VARSIZE(row->awards));
		memcpy(copy->awards, row->awards, VARSIZE(row->awards));
	}
	state->awarded = state->awarded == NULL ?
		palloc(sizeof(JournalRow *)) :
		repalloc(state->awarded, sizeof(JournalRow *) * (state->nawarded + 1));
	state->awarded[state->nawarded++] = copy;
}

/* Keeps the account, in memory that is used again and again. */
static void
keep_account(SimState *state, const Account *account)
{
	Account    *kept = &state->account;
	LotList		wallet = kept->wallet;
	int64	   *base = kept->tier_base;

	if (wallet.capacity < account->wallet.n)
	{
		if (wallet.lots != NULL)
			pfree(wallet.lots);
		wallet_copy(&account->wallet, &wallet);
	}
	else if (account->wallet.n > 0)
		memcpy(wallet.lots, account->wallet.lots,
			   sizeof(Lot) * account->wallet.n);
	wallet.n = account->wallet.n;
	if (account->tier_base != base && account->ntier_base > 0)
	{
		base = palloc(sizeof(int64) * 2 * account->ntier_base);
		memcpy(base, account->tier_base,
			   sizeof(int64) * 2 * account->ntier_base);
	}
	*kept = *account;
	kept->wallet = wallet;
	kept->tier_base = base;
}

/* Keeps what a call has made of the member, in its context. */
static void
keep(SimMember *member, World world, const Decision *decision,
	 const PastCall *const *calls, const PastResult *result)
{
	SimState   *state = &member->states[world];
	MemoryContext caller = MemoryContextSwitchTo(member->context);

	keep_account(state, decision->account);
	for (int i = 0; i < result->nawards; i++)
		keep_uses(state, result->awards[i].facts);
	for (int i = 0; i < decision->nrows; i++)
		keep_changes(state, decision->rows[i]);
	for (int i = 0; i < result->nawards; i++)
		if (calls[i]->refunded)
			keep_row(state, result->rows[i]);
	MemoryContextSwitchTo(caller);
}

/* The tier that no plan has given, by the history so far. */
static void
find_own_tier(Decision *decision, const SimState *state)
{
	for (int i = 0; i < state->nchanges; i++)
	{
		const TierChange *change = &state->changes[i];

		if (change->action == TIER_WARN ||
			change->action == TIER_GRACE_BEGINS ||
			change->action == TIER_BOUGHT)
			continue;
		decision->own_tier_id = change->tier_after;
		decision->own_tier_until = change->tier_until;
	}
}

/* A call without arguments, for what is written in terms of one. */
static void
begin(const Simulation *simulation, SimMember *member, World world,
	  TimestampTz now, Call *work)
{
	const SimState *state = &member->states[world];

	memset(work, 0, sizeof(Call));
	work->mode = MODE_TRY;
	work->member_id = member->member_id;
	work->account = state->account;
	wallet_copy(&state->account.wallet, &work->account.wallet);
	decide_begin(&work->decision, &work->account, simulation->programs[world],
				 now);
	work->decision.nperiods = member->nperiods;
	work->decision.periods = member->periods;
	find_own_tier(&work->decision, state);
	decide_settle(&work->decision, DT_NOBEGIN);
}

/*
 * Makes a call of the past again, or two events of one call.  The result
 * lives in the current context, the member's new state in its own.
 */
void
explain_replay(Simulation *simulation, SimMember *member, World world,
			   const PastCall *const *calls, int ncalls, PastResult *result)
{
	const PastCall *last = calls[ncalls - 1];
	Call		work;
	Decision   *decision = &work.decision;

	memset(result, 0, sizeof(PastResult));
	begin(simulation, member, world, member->now, &work);
	if (strcmp(last->kind, "event") == 0)
		replay_events(simulation, member, world, &work, calls, ncalls, result);
	else
	{
		JournalRow *row = past_row(decision, last);

		result->rows[result->nrows++] = row;
		if (strcmp(last->kind, "refund") == 0)
			replay_refund(&work, &member->states[world], last, row);
		else if (strcmp(last->kind, "tier_review") == 0)
			decide_tier_promote(decision, row);
		else if (!replay_spend(decision, last, row))
			replay_entries(decision, last, row);
	}
	decide_settle(decision, last->effective_at);
	keep(member, world, decision, calls, result);
}

/*
 * The tier at a time: after the last call, if nothing else happens; before
 * it, by what the calls have made of its history.
 */
const Tier *
explain_final_tier(const Simulation *simulation, SimMember *member,
				   World world, TimestampTz at)
{
	const SimState *state = &member->states[world];
	Call		work;

	if (at >= member->now)
	{
		begin(simulation, member, world, at, &work);
		return decide_tier(&work.decision);
	}
	return tier_at(simulation->programs[world], state, at);
}
