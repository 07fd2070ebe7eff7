/*
 * rule_load.c
 *
 * Compiles the rules of a programme.  What the triggers refuse when a rule is
 * saved is refused here again, with LY801: units and scales may have changed
 * since, and a dump is restored in any order.
 */
#include "rule_program.h"

#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "amount.h"
#include "statement.h"

/* Scale of what is counted in thousandths: pieces and factors. */
#define THOUSANDTHS 3

enum rule_column
{
	RULE_ID = 1,
	RULE_EVENT,
	RULE_UNIT_ID,
	RULE_KIND,
	RULE_AWARD,
	RULE_PER,
	RULE_PROPORTIONAL,
	RULE_VALID_FROM,
	RULE_VALID_UNTIL,
	RULE_NAME,
	RULE_VERSION,
	RULE_CAMPAIGN_ID,
	RULE_GROUP,
	RULE_EXCLUSIVE,
	RULE_BASE,
	RULE_STEP_FROM,
	RULE_STEP_AWARD,
	RULE_EXCLUDES,
	RULE_ITEM_FILTER,
	RULE_COLLECTION,
	RULE_EXCLUDED_COLLECTION,
	RULE_TERMS,
	RULE_TIER_MULTIPLIED = RULE_TERMS + TERMS_NCOLUMNS,
	RULE_ROUNDING,
	RULE_ROUNDING_SCOPE,
	RULE_MAX_AWARD,
	RULE_ON_EXCESS,
	RULE_ONCE_PER_TARGET,
	RULE_COOLDOWN,
	RULE_VEST_DAYS,
	RULE_EXPIRY,
	RULE_EXPIRY_COUNT
};

/* In the order of the enum. */
static Statement select_rules = {
	"SELECT rule_id, event, unit_id, kind, award, per, proportional,"
	" valid_from, valid_until, name, version, campaign_id, rule_group,"
	" exclusive, base, step_from, step_award, excludes, item_filter,"
	" collection, excluded_collection, " TERMS_COLUMNS ","
	" tier_multiplied, rounding,"
	" rounding_scope, max_award, on_excess, once_per_target, cooldown, vest_days, expiry,"
	" expiry_count"
	" FROM loyalty.rule WHERE program_id = $1 AND status = 'active'"
	" ORDER BY event COLLATE \"C\", priority, rule_id",
	1, {INT4OID}
};

static Statement select_groups = {
	"SELECT name, combine FROM loyalty.rule_group WHERE program_id = $1"
	" ORDER BY name",
	1, {INT4OID}
};

static Statement select_caps = {
	"SELECT unit_id, counts = 'times', on_excess = 'reject', maximum"
	" FROM loyalty.rule_cap WHERE rule_id = $1 ORDER BY unit_id",
	1, {INT4OID}
};

pg_noreturn static void
refuse(const Rule *rule, const char *what)
{
	refusal_raise(REFUSAL_RULE_INVALID,
				  psprintf("rule_id=%d %s", rule->rule_id, what));
}

/* An amount in the terms of a scale; 0 for NULL. */
static int64
amount_of(const Rule *rule, uint64 row, int column, int scale)
{
	bool		isnull;
	Datum		value = statement_value(row, column, &isnull);
	int64		minor;

	if (isnull)
		return 0;
	if (amount_parse(DatumGetNumeric(value), scale, &minor) != REFUSAL_NONE)
		refuse(rule, "has more decimals than its unit or currency");
	return minor;
}

#define WORD(row, column, words) \
	word_of(statement_text(row, column), words, lengthof(words))

static int
elements_of(uint64 row, int column, Oid type, Datum **elements)
{
	int			n = array_elements((ArrayType *) statement_varlena(row, column),
								  type, elements);

	if (n < 0)
		elog(ERROR, "unexpected NULL in an array");
	return n;
}

static void
load_groups(Program *program, NameList *names)
{
	static const char *const combines[] = {
		[COMBINE_SUM] = "sum",
		[COMBINE_BEST] = "best",
		[COMBINE_FIRST] = "first",
		[COMBINE_MAX_MULTIPLIER] = "max_multiplier"
	};
	NullableDatum args[] = {ARG(Int32GetDatum(program->program_id))};

	names->n = statement_run(&select_groups, args, true);
	names->names = palloc(sizeof(char *) * Max(names->n, 1));
	program->ngroups = names->n + 1;
	program->groups = palloc(sizeof(Combine) * program->ngroups);
	program->groups[0] = COMBINE_SUM;
	for (int i = 0; i < names->n; i++)
	{
		names->names[i] = statement_text(i, 1);
		program->groups[i + 1] = WORD(i, 2, combines);
	}
}

static int
group_of(const Rule *rule, uint64 row, const NameList *groups)
{
	char	   *name = statement_text(row, RULE_GROUP);

	if (name == NULL)
		return 0;
	for (int i = 0; i < groups->n; i++)
		if (strcmp(groups->names[i], name) == 0)
			return i + 1;
	refuse(rule, "is of a group that is not there");
}

static const Campaign *
campaign_of(const Program *program, const Rule *rule, uint64 row)
{
	int32		campaign_id = statement_int32_or(row, RULE_CAMPAIGN_ID, 0);

	if (campaign_id == 0)
		return NULL;
	for (int i = 0; i < program->ncampaigns; i++)
		if (program->campaigns[i].campaign_id == campaign_id)
			return &program->campaigns[i];
	refuse(rule, "is of a campaign that is not there");
}

static void
load_award(const Program *program, Rule *rule, uint64 row)
{
	int			per_scale = rule->kind == RULE_PER_QUANTITY ? THOUSANDTHS :
		program->currency_scale;

	rule->award = amount_of(rule, row, RULE_AWARD,
							rule->kind == RULE_MULTIPLIER ? THOUSANDTHS :
							rule->unit->scale);
	rule->per = amount_of(rule, row, RULE_PER, per_scale);
	rule->max_award = amount_of(rule, row, RULE_MAX_AWARD, rule->unit->scale);
}

static int
compare_steps(const void *a, const void *b)
{
	int64		left = ((const RuleStep *) a)->from;
	int64		right = ((const RuleStep *) b)->from;

	return left < right ? -1 : left > right;
}

static void
load_steps(const Program *program, Rule *rule, uint64 row)
{
	static const char *const bases[] = {
		[BASE_AMOUNT] = "amount",
		[BASE_QUANTITY] = "quantity",
		[BASE_STREAK] = "streak"
	};
	Datum	   *from;
	Datum	   *award;
	int			scale;

	rule->base = WORD(row, RULE_BASE, bases);
	scale = rule->base == BASE_AMOUNT ? program->currency_scale :
		rule->base == BASE_QUANTITY ? THOUSANDTHS : 0;
	rule->nsteps = elements_of(row, RULE_STEP_FROM, NUMERICOID, &from);
	if (elements_of(row, RULE_STEP_AWARD, NUMERICOID, &award) != rule->nsteps)
		refuse(rule, "has steps without an award");
	rule->steps = palloc(sizeof(RuleStep) * Max(rule->nsteps, 1));
	for (int i = 0; i < rule->nsteps; i++)
		if (amount_parse(DatumGetNumeric(from[i]), scale,
						 &rule->steps[i].from) != REFUSAL_NONE ||
			amount_parse(DatumGetNumeric(award[i]), rule->unit->scale,
						 &rule->steps[i].award) != REFUSAL_NONE)
			refuse(rule, "has more decimals than its unit or currency");
	if (rule->nsteps > 1)
		qsort(rule->steps, rule->nsteps, sizeof(RuleStep), compare_steps);
}

static void
load_base(Rule *rule, uint64 row)
{
	static const char *const parts[] = {
		[EXCLUDED_TAX] = "tax",
		[EXCLUDED_SHIPPING] = "shipping",
		[EXCLUDED_POINTS] = "points"
	};
	NameList   *excludes = statement_names(row, RULE_EXCLUDES);

	for (int i = 0; i < excludes->n; i++)
		rule->excludes[word_of(excludes->names[i], parts,
							   lengthof(parts))] = true;
	rule->item_filter = (JsonPath *) statement_varlena(row, RULE_ITEM_FILTER);
	rule->collection_name = statement_text(row, RULE_COLLECTION);
	rule->excluded_name = statement_text(row, RULE_EXCLUDED_COLLECTION);
	rule->by_line = rule->item_filter != NULL ||
		rule->collection_name != NULL || rule->excluded_name != NULL;
}

static void
load_limits(Rule *rule, uint64 row)
{
	static const char *const roundings[] = {
		[ROUNDING_DOWN] = "down",
		[ROUNDING_NEAREST] = "nearest",
		[ROUNDING_UP] = "up",
		[ROUNDING_HALF_EVEN] = "half_even"
	};
	static const char *const scopes[] = {
		[SCOPE_LINE] = "line",
		[SCOPE_RULE] = "rule",
		[SCOPE_EVENT] = "event"
	};
	bool		isnull;
	Datum		cooldown = statement_value(row, RULE_COOLDOWN, &isnull);
	char	   *expiry = statement_text(row, RULE_EXPIRY);

	rule->tier_multiplied = DatumGetBool(statement_notnull(row,
														   RULE_TIER_MULTIPLIED));
	rule->rounding = WORD(row, RULE_ROUNDING, roundings);
	rule->scope = WORD(row, RULE_ROUNDING_SCOPE, scopes);
	rule->reject = strcmp(statement_text(row, RULE_ON_EXCESS), "reject") == 0;
	rule->once_per_target = DatumGetBool(statement_notnull(row,
														   RULE_ONCE_PER_TARGET));
	if (!isnull)
	{
		rule->cooldown = palloc(sizeof(Interval));
		*rule->cooldown = *DatumGetIntervalP(cooldown);
	}
	rule->vest_days = statement_int32_or(row, RULE_VEST_DAYS, -1);
	rule->has_expiry = expiry != NULL;
	if (rule->has_expiry)
	{
		rule->expiry.policy = expiry_policy(expiry);
		rule->expiry.count = statement_int32_or(row, RULE_EXPIRY_COUNT, 0);
	}
}

static void
load_row(const Program *program, Rule *rule, uint64 row,
		 const NameList *groups)
{
	static const char *const kinds[] = {
		[RULE_FIXED] = "fixed",
		[RULE_PER_AMOUNT] = "per_amount",
		[RULE_PER_QUANTITY] = "per_quantity",
		[RULE_STEPS] = "steps",
		[RULE_MULTIPLIER] = "multiplier"
	};
	int32		unit_id = DatumGetInt32(statement_notnull(row, RULE_UNIT_ID));

	rule->rule_id = DatumGetInt32(statement_notnull(row, RULE_ID));
	rule->version = DatumGetInt32(statement_notnull(row, RULE_VERSION));
	rule->name = statement_text(row, RULE_NAME);
	rule->event = statement_text(row, RULE_EVENT);
	if (!program_has_unit(program, unit_id))
		refuse(rule, psprintf("unit_id=%d", unit_id));
	rule->unit = program_unit_by_id(program, unit_id);
	rule->kind = WORD(row, RULE_KIND, kinds);
	rule->proportional = DatumGetBool(statement_notnull(row,
														RULE_PROPORTIONAL));
	rule->campaign = campaign_of(program, rule, row);
	rule->group = group_of(rule, row, groups);
	rule->exclusive = DatumGetBool(statement_notnull(row, RULE_EXCLUSIVE));
	load_award(program, rule, row);
	load_steps(program, rule, row);
	load_base(rule, row);
	rule->valid_from = statement_time_or(row, RULE_VALID_FROM, DT_NOBEGIN);
	rule->valid_until = statement_time_or(row, RULE_VALID_UNTIL, DT_NOEND);
	condition_terms(row, RULE_TERMS, &rule->terms);
	load_limits(rule, row);
}

static void
load_caps(const Program *program, Rule *rule)
{
	NullableDatum args[] = {ARG(Int32GetDatum(rule->rule_id))};

	rule->ncaps = statement_run(&select_caps, args, true);
	rule->caps = palloc(sizeof(RuleCap) * Max(rule->ncaps, 1));
	for (int i = 0; i < rule->ncaps; i++)
	{
		RuleCap    *cap = &rule->caps[i];
		int32		unit_id = DatumGetInt32(statement_notnull(i, 1));

		if (!program_has_unit(program, unit_id))
			refuse(rule, psprintf("unit_id=%d", unit_id));
		cap->counter = program_unit_by_id(program, unit_id);
		if (cap->counter->kind != UNIT_COUNTER)
			refuse(rule, "has a cap on a unit that is no counter");
		cap->times = DatumGetBool(statement_notnull(i, 2));
		cap->reject = DatumGetBool(statement_notnull(i, 3));
		cap->maximum = amount_of(rule, i, 4,
								 cap->times ? 0 : rule->unit->scale);
	}
}

static void
load_sets(Program *program, Rule *rule)
{
	rule->collection = collection_load(&program->loader,
									   rule->collection_name);
	rule->excluded = collection_load(&program->loader, rule->excluded_name);
	condition_terms_lists(&program->loader, &rule->terms);
}

/* The campaign's budget of the rule's unit, and the programme's. */
static void
find_budgets(const Program *program, Rule *rule)
{
	rule->budgets = palloc(sizeof(Budget *) * Max(program->nbudgets, 1));
	for (int i = 0; i < program->nbudgets; i++)
	{
		const Budget *budget = &program->budgets[i];

		if (budget->unit_id == rule->unit->unit_id &&
			(budget->campaign_id == 0 ||
			 (rule->campaign != NULL &&
			  budget->campaign_id == rule->campaign->campaign_id)))
			rule->budgets[rule->nbudgets++] = budget;
	}
}

static int
needs_of(const Rule *rule)
{
	int			needs = program_terms_needs(&rule->terms);

	if (rule->once_per_target || rule->cooldown != NULL)
		needs |= NEEDS_USES;
	if (rule->once_per_target)
		needs |= NEEDS_TARGET;
	if (rule->by_line || rule->scope == SCOPE_LINE ||
		rule->kind == RULE_PER_QUANTITY || rule->base == BASE_QUANTITY)
		needs |= NEEDS_LINES;
	for (int i = 0; i < EXCLUDED_COUNT; i++)
		if (rule->excludes[i])
			needs |= NEEDS_EXCLUDED;
	if (rule->ncaps > 0)
		needs |= NEEDS_PAST;
	/* a refund asks for the lines, verify() for the counts */
	if (rule->by_line || rule->ncaps > 0)
		needs |= NEEDS_RECORD;
	return needs;
}

/* What the benefits that may multiply a rule's award need. */
static int
multiplier_needs(const Program *program, const Rule *rule)
{
	int			needs = 0;

	for (int i = 0; i < program->nbenefits; i++)
		if (program_multiplies(&program->benefits[i], rule))
			needs |= program_benefit_needs(&program->benefits[i]);
	return needs;
}

/* The rules of an event stand together; notes where. */
static void
index_rules(Program *program)
{
	for (int e = 0; e < program->nevents; e++)
	{
		ProgramEvent *event = &program->events[e];

		for (int i = 0; i < program->nrules; i++)
		{
			if (strcmp(program->rules[i].event, event->name) != 0)
				continue;
			if (event->nrules++ == 0)
				event->first_rule = i;
			event->needs |= needs_of(&program->rules[i]) |
				multiplier_needs(program, &program->rules[i]);
		}
	}
}

/*
 * Loads the rules of a programme whose units, events, campaigns and budgets
 * are loaded, into the current context.
 */
void
rule_load(Program *program)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program->program_id))};
	NameList	groups;

	load_groups(program, &groups);
	program->nrules = statement_run(&select_rules, args, true);
	program->rules = palloc0(sizeof(Rule) * Max(program->nrules, 1));
	for (int i = 0; i < program->nrules; i++)
		load_row(program, &program->rules[i], i, &groups);
	for (int i = 0; i < program->nrules; i++)
	{
		load_caps(program, &program->rules[i]);
		load_sets(program, &program->rules[i]);
		find_budgets(program, &program->rules[i]);
	}
	index_rules(program);
}
