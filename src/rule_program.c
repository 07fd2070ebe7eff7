/*
 * rule_program.c
 *
 * The compiled programmes of this session.
 *
 * A statement trigger on each configuration table sends a relcache
 * invalidation of that table; here it moves `generation`.  A programme is
 * compiled under the latest snapshot, not the transaction's, and counts as
 * valid only if the generation did not move meanwhile: otherwise an old
 * REPEATABLE READ snapshot would make a stale programme permanent.
 *
 * A transaction keeps the programme of its first call, so that one order is
 * judged by one set of rules.  The exception is a transaction that changes
 * the configuration itself: it sees its own changes at once, and compiles
 * again whenever the generation moves, which a rolled-back change does too.
 */
#include "rule_program.h"

#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_config_changed);

static const char *const config_tables[] = {
	"program", "program_event", "unit", "collection", "collection_item",
	"calendar_day", "campaign", "budget", "tier", "tier_threshold",
	"rule_group", "rule", "rule_cap", "tag", "segment", "plan", "benefit",
	"benefit_holder", "coupon_category", "coupon", "coupon_version",
	"coupon_limit", "topup_policy", "topup_step", "cart_policy", "cart_unit",
	"automation", "automation_step"
};

static Oid	config_oids[lengthof(config_tables)];
static uint64 generation = 1;
static LocalTransactionId changed_lxid = InvalidLocalTransactionId;

static int	nprograms = 0;
static Program **programs = NULL;

/* Replaced, but perhaps still in use by a call of this transaction. */
static Program *retired = NULL;

/* Compiled for a transaction that goes on with an older one, or NULL. */
static Program *newest = NULL;

static Statement select_program_id = {
	"SELECT program_id FROM loyalty.program WHERE name = $1",
	1, {TEXTOID}
};
/*
 * The last columns tell what a programme does without: to find that out by its
 * own statements would take a session a third of its first call.
 */
static Statement select_program = {
	"SELECT name, currency_scale, time_zone, status = 'active',"
	" ref_scope = 'program', closed_until, tier_refund, explain, currency,"
	" EXISTS (SELECT FROM loyalty.benefit b WHERE b.program_id = $1),"
	" EXISTS (SELECT FROM loyalty.coupon c WHERE c.program_id = $1),"
	" EXISTS (SELECT FROM loyalty.automation a WHERE a.program_id = $1)"
	" FROM loyalty.program WHERE program_id = $1",
	1, {INT4OID}
};
static Statement select_units = {
	"SELECT unit_id, code, kind, scale, vest_days, expiry, expiry_count,"
	" window_months, refund = 'whole', debt_policy = 'debt', grace_days,"
	" period"
	" FROM loyalty.unit WHERE program_id = $1 ORDER BY unit_id",
	1, {INT4OID}
};
static Statement select_events = {
	"SELECT event, daily, makeup_days FROM loyalty.program_event"
	" WHERE program_id = $1",
	1, {INT4OID}
};

static LocalTransactionId
current_lxid(void)
{
#if PG_VERSION_NUM >= 170000
	return MyProc->vxid.lxid;
#else
	return MyProc->lxid;
#endif
}

/* Relcache callback: may a configuration table have changed? */
static void
forget_programs(Datum arg, Oid relid)
{
	bool		ours = !OidIsValid(relid);

	for (int i = 0; i < lengthof(config_tables); i++)
		ours |= config_oids[i] == relid;
	if (ours)
		generation++;
}

void
program_init(void)
{
	CacheRegisterRelcacheCallback(forget_programs, (Datum) 0);
}

/* Statement trigger of the configuration tables. */
Datum
loyalty_config_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called as a trigger")));
	CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);
	changed_lxid = current_lxid();
	return PointerGetDatum(NULL);
}

static UnitKind
unit_kind(const char *kind)
{
	if (strcmp(kind, "metric") == 0)
		return UNIT_METRIC;
	if (strcmp(kind, "counter") == 0)
		return UNIT_COUNTER;
	return strcmp(kind, "money") == 0 ? UNIT_MONEY : UNIT_POINTS;
}

static void
load_units(Program *program, const NullableDatum *args)
{
	program->nunits = statement_run(&select_units, args, true);
	program->units = palloc0(sizeof(Unit) * Max(program->nunits, 1));
	for (int i = 0; i < program->nunits; i++)
	{
		Unit	   *unit = &program->units[i];

		unit->unit_id = DatumGetInt32(statement_notnull(i, 1));
		unit->code = statement_text(i, 2);
		unit->kind = unit_kind(statement_text(i, 3));
		unit->scale = DatumGetInt16(statement_notnull(i, 4));
		unit->vest_days = DatumGetInt32(statement_notnull(i, 5));
		unit->expiry.policy = expiry_policy(statement_text(i, 6));
		unit->expiry.count = statement_int32_or(i, 7, 0);
		unit->window_months = statement_int32_or(i, 8, 0);
		unit->refund_whole = DatumGetBool(statement_notnull(i, 9));
		unit->debt = DatumGetBool(statement_notnull(i, 10));
		unit->grace_days = statement_int32_or(i, 11, 0);
		if (unit->kind == UNIT_COUNTER)
			unit->period = period_parse(statement_text(i, 12));
	}
}

static void
load_events(Program *program, const NullableDatum *args)
{
	program->nevents = statement_run(&select_events, args, true);
	program->events = palloc0(sizeof(ProgramEvent) * Max(program->nevents, 1));
	for (int i = 0; i < program->nevents; i++)
	{
		program->events[i].name = statement_text(i, 1);
		program->events[i].daily = DatumGetBool(statement_notnull(i, 2));
		program->events[i].makeup_days =
			DatumGetInt32(statement_notnull(i, 3));
	}
}

static TierRefund
tier_refund(const char *policy)
{
	if (strcmp(policy, "immediate") == 0)
		return TIER_REFUND_IMMEDIATE;
	return strcmp(policy, "never") == 0 ? TIER_REFUND_NEVER :
		TIER_REFUND_AT_REVIEW;
}

static void
append_condition(Program *program, StringInfo text, const char *name,
				 bool lifecycle, JsonPath *condition)
{
	Datum		path = PointerGetDatum(condition);

	tag_reads_add(&program->reads, condition);
	appendStringInfo(text, "%s %d %s", name, lifecycle,
					 DatumGetCString(DirectFunctionCall1(jsonpath_out, path)));
	appendStringInfoChar(text, '\0');
}

/*
 * What the conditions of tags and segments read, and a hash by which it is
 * known whether members have been judged by just these.
 */
static void
define(Program *program)
{
	StringInfoData text;
	uint64		hashes[2];

	initStringInfo(&text);
	for (int i = 0; i < program->ntags; i++)
		append_condition(program, &text, program->tags[i].name,
						 program->tags[i].lifecycle,
						 program->tags[i].condition);
	appendStringInfoChar(&text, '\0');
	for (int i = 0; i < program->nsegments; i++)
		append_condition(program, &text, program->segments[i].name, false,
						 program->segments[i].condition);
	for (int i = 0; i < lengthof(hashes); i++)
		hashes[i] = pg_hton64(hash_bytes_extended((unsigned char *) text.data,
												  text.len, i));
	program->definition = palloc(VARHDRSZ + sizeof(hashes));
	SET_VARSIZE(program->definition, VARHDRSZ + sizeof(hashes));
	memcpy(VARDATA(program->definition), hashes, sizeof(hashes));
	pfree(text.data);
}

static void
load_coupons(Program *program)
{
	program->coupons = coupon_load(&program->loader, program->currency_scale,
								   program->campaigns, program->ncampaigns,
								   program->units, program->nunits,
								   &program->coupon_categories,
								   &program->ncoupons);
	for (int i = 0; i < program->ncoupons; i++)
	{
		const Coupon *coupon = &program->coupons[i];

		program->free_codes |= coupon->free_codes;
		program->coupon_needs |= program_terms_needs(&coupon->terms);
	}
}

/* What a programme may do without. */
typedef struct Uses
{
	bool		benefits;
	bool		coupons;
	bool		automations;
} Uses;

/* The row of the programme.  False if there is none. */
static bool
load_settings(Program *program, const NullableDatum *args, Uses *uses)
{
	char	   *zone;

	if (statement_run(&select_program, args, true) == 0)
		return false;
	program->name = statement_text(0, 1);
	program->currency_scale = DatumGetInt16(statement_notnull(0, 2));
	zone = statement_text(0, 3);
	program->zone = pg_tzset(zone);
	if (program->zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" not recognized", zone)));
	program->active = DatumGetBool(statement_notnull(0, 4));
	program->ref_in_program = DatumGetBool(statement_notnull(0, 5));
	program->closed_until = statement_time_or(0, 6, DT_NOBEGIN);
	program->tier_refund = tier_refund(statement_text(0, 7));
	program->explain = DatumGetBool(statement_notnull(0, 8));
	program->currency = statement_text(0, 9);
	uses->benefits = DatumGetBool(statement_notnull(0, 10));
	uses->coupons = DatumGetBool(statement_notnull(0, 11));
	uses->automations = DatumGetBool(statement_notnull(0, 12));
	return true;
}

/*
 * Compiles into the current context, with one campaign taken as live (0:
 * none).  False if there is no such programme.
 */
static bool
load_program(Program *program, int32 live_campaign)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program->program_id))};
	Uses		uses;

	if (!load_settings(program, args, &uses))
		return false;
	program->loader.program_id = program->program_id;
	load_units(program, args);
	load_events(program, args);
	program->tiers = tier_load(program->program_id, program->units,
							   program->nunits, &program->ntiers);
	program->campaigns = campaign_load(program->program_id,
									   &program->ncampaigns);
	program->budgets = budget_load(program->program_id, &program->nbudgets);
	for (int i = 0; i < program->ncampaigns; i++)
		if (program->campaigns[i].campaign_id == live_campaign)
			program->campaigns[i].live = true;
	program->tags = tag_load(program->program_id, &program->ntags);
	program->segments = segment_load(program->program_id,
									 &program->nsegments);
	program->stages = tag_load_stages(program->program_id);
	define(program);
	program->plans = plan_load(program->program_id, program->currency_scale,
							   &program->nplans);
	if (uses.benefits)
		program->benefits = benefit_load(&program->loader, program->units,
										 program->nunits,
										 &program->nbenefits);
	if (uses.coupons)
		load_coupons(program);
	program->topups = topup_load(program->program_id, program->units,
								 program->nunits, &program->ntopups);
	cart_load(program->program_id, program->currency_scale, program->units,
			  program->nunits, &program->cart);
	if (uses.automations)
		automation_load(program->program_id, program->units, program->nunits,
						&program->automations);
	rule_load(program);
	return true;
}

static void
find_config_oids(void)
{
	Oid			namespace_oid = get_namespace_oid("loyalty", false);

	for (int i = 0; i < lengthof(config_tables); i++)
		config_oids[i] = get_relname_relid(config_tables[i], namespace_oid);
}

/*
 * Compiles a programme under the latest snapshot, in a context of its own
 * below the current one, with one campaign taken as live (0: none).  NULL if
 * there is none.
 */
static Program *
compile(int32 program_id, int32 live_campaign)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "loyalty programme",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Program    *program = palloc0(sizeof(Program));
	bool		found;

	find_config_oids();
	/* what is known already must not seem to come meanwhile */
	AcceptInvalidationMessages();
	program->program_id = program_id;
	program->context = context;
	program->generation = generation;
	PushActiveSnapshot(GetLatestSnapshot());
	found = load_program(program, live_campaign);
	PopActiveSnapshot();
	if (program->generation != generation)
		program->generation = 0;	/* good for this transaction only */

	MemoryContextSwitchTo(caller);
	if (!found)
	{
		MemoryContextDelete(context);
		return NULL;
	}
	return program;
}

/*
 * A programme in which one campaign is live, whatever its status: not
 * cached, it lives in the current context.
 */
const Program *
program_with_campaign(int32 program_id, int32 campaign_id)
{
	return compile(program_id, campaign_id);
}

/* The slot of a programme in the cache, made if needed. */
static Program **
slot_of(int32 program_id)
{
	for (int i = 0; i < nprograms; i++)
		if (programs[i] != NULL && programs[i]->program_id == program_id)
			return &programs[i];
	for (int i = 0; i < nprograms; i++)
		if (programs[i] == NULL)
			return &programs[i];

	if (programs == NULL)
		programs = MemoryContextAllocZero(TopMemoryContext,
										  sizeof(Program *));
	else
		programs = repalloc(programs, sizeof(Program *) * (nprograms + 1));
	programs[nprograms] = NULL;
	return &programs[nprograms++];
}

/* May this transaction use what was compiled? */
static bool
usable(const Program *program)
{
	LocalTransactionId lxid = current_lxid();

	if (program->lxid == lxid && changed_lxid != lxid)
		return true;
	/* nothing may have been locked, so nothing heard, since it was committed */
	AcceptInvalidationMessages();
	return program->generation == generation;
}

/* Compiles for the cache; NULL if there is no such programme. */
static Program *
compile_kept(int32 program_id)
{
	Program    *program = compile(program_id, 0);

	if (program != NULL)
		MemoryContextSetParent(program->context, TopMemoryContext);
	return program;
}

/* The newest, for good, if it is what would be compiled now; or NULL. */
static Program *
take_newest(int32 program_id)
{
	Program    *program = newest;

	if (program == NULL || program->program_id != program_id ||
		program->generation != generation)
		return NULL;
	newest = NULL;
	return program;
}

/* Frees what was retired by earlier transactions. */
static void
free_retired(void)
{
	Program   **next = &retired;

	while (*next != NULL)
	{
		Program    *program = *next;

		if (program->lxid == current_lxid())
			next = &program->next_retired;
		else
		{
			*next = program->next_retired;
			MemoryContextDelete(program->context);
		}
	}
}

/* Frees it, at once if this transaction does not use it. */
static void
retire(Program *program)
{
	if (program->lxid != current_lxid())
	{
		MemoryContextDelete(program->context);
		return;
	}
	program->next_retired = retired;
	retired = program;
}

/*
 * The compiled programme, valid until the end of the transaction; NULL if
 * there is none.  Needs SPI.
 *
 * Each call frees what earlier transactions have left, and not only the next
 * one that compiles: that may be in a month, and a programme may be large.
 */
const Program *
program_get(int32 program_id)
{
	Program   **slot = slot_of(program_id);

	free_retired();
	if (*slot == NULL || !usable(*slot))
	{
		Program    *program = take_newest(program_id);

		if (program == NULL)
			program = compile_kept(program_id);
		if (*slot != NULL)
			retire(*slot);
		*slot = program;
	}
	if (newest != NULL && newest->lxid != current_lxid())
	{
		retire(newest);
		newest = NULL;
	}
	if (*slot != NULL)
		(*slot)->lxid = current_lxid();
	return *slot;
}

/*
 * The same, compiled anew whatever this transaction used before: other
 * sessions may have posted units to a wallet that it does not know.
 */
const Program *
program_refresh(int32 program_id)
{
	Program   **slot = slot_of(program_id);

	if (*slot != NULL)
		retire(*slot);
	*slot = NULL;
	return program_get(program_id);
}

/*
 * The newest, also in a transaction that goes on with an older one; that one
 * stays what program_get() returns.
 */
const Program *
program_newest(const Program *program)
{
	Program    *compiled;

	AcceptInvalidationMessages();
	if (program->generation == generation)
		return program;
	if (newest != NULL && newest->program_id == program->program_id &&
		newest->generation == generation)
	{
		newest->lxid = current_lxid();
		return newest;
	}
	compiled = compile_kept(program->program_id);
	free_retired();
	if (newest != NULL)
		retire(newest);
	newest = compiled;
	if (newest != NULL)
		newest->lxid = current_lxid();
	return newest;
}

/* The same by name. */
const Program *
program_find(const char *name)
{
	NullableDatum args[1];

	for (int i = 0; i < nprograms; i++)
		if (programs[i] != NULL && strcmp(programs[i]->name, name) == 0 &&
			usable(programs[i]))
			return program_get(programs[i]->program_id);

	args[0] = ARG(CStringGetTextDatum(name));
	if (statement_run(&select_program_id, args, true) == 0)
		return NULL;
	return program_get(DatumGetInt32(statement_notnull(0, 1)));
}

/* The unit with this code, NULL if the programme has none. */
const Unit *
program_unit(const Program *program, const char *code)
{
	for (int i = 0; i < program->nunits; i++)
		if (strcmp(program->units[i].code, code) == 0)
			return &program->units[i];
	return NULL;
}

const Unit *
program_unit_by_id(const Program *program, int32 unit_id)
{
	for (int i = 0; i < program->nunits; i++)
		if (program->units[i].unit_id == unit_id)
			return &program->units[i];
	elog(ERROR, "unit %d is not of programme %d", unit_id,
		 program->program_id);
}

bool
program_has_unit(const Program *program, int32 unit_id)
{
	for (int i = 0; i < program->nunits; i++)
		if (program->units[i].unit_id == unit_id)
			return true;
	return false;
}

/* An event of the programme, NULL if it has none of this name. */
const ProgramEvent *
program_event(const Program *program, const char *name)
{
	for (int i = 0; i < program->nevents; i++)
		if (strcmp(program->events[i].name, name) == 0)
			return &program->events[i];
	return NULL;
}

const Tier *
program_tier(const Program *program, const char *code)
{
	for (int i = 0; i < program->ntiers; i++)
		if (strcmp(program->tiers[i].code, code) == 0)
			return &program->tiers[i];
	return NULL;
}

/* NULL if there is none of this id any more. */
const Tier *
program_tier_by_id(const Program *program, int32 tier_id)
{
	for (int i = 0; i < program->ntiers; i++)
		if (program->tiers[i].tier_id == tier_id)
			return &program->tiers[i];
	return NULL;
}

/* A finite point in time as the programme's calendar and clock show it. */
static int
local_time(const Program *program, TimestampTz at, struct pg_tm *tm,
		   fsec_t *fsec)
{
	int			tz;

	if (timestamp2tm(at, &tz, tm, fsec, NULL, program->zone) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return tz;
}

/* The local date of a finite point in time. */
DateADT
program_date(const Program *program, TimestampTz at)
{
	struct pg_tm tm;
	fsec_t		fsec;

	local_time(program, at, &tm, &fsec);
	return date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE;
}

/* The local time of day of it. */
TimeADT
program_time(const Program *program, TimestampTz at)
{
	struct pg_tm tm;
	fsec_t		fsec;

	local_time(program, at, &tm, &fsec);
	return ((tm.tm_hour * MINS_PER_HOUR + tm.tm_min) * SECS_PER_MINUTE +
			tm.tm_sec) * USECS_PER_SEC + fsec;
}

/* How far the zone is from UTC then, as JsonEncodeDateTime() counts. */
int
program_offset(const Program *program, TimestampTz at)
{
	struct pg_tm tm;
	fsec_t		fsec;

	return local_time(program, at, &tm, &fsec);
}

/*
 * A local date and time of day as a point in time; the earlier one, if it is
 * twice.
 */
TimestampTz
program_at(const Program *program, DateADT date, TimeADT time)
{
	struct pg_tm tm = {0};
	fsec_t		fsec;
	int			tz;
	TimestampTz result;

	time2tm(time, &tm, &fsec);
	j2date(date + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
	tz = DetermineTimeZoneOffset(&tm, program->zone);
	if (tm2timestamp(&tm, fsec, &tz, &result) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return result;
}

/* Local midnight at the beginning of a date; the earlier one, if it is twice. */
TimestampTz
program_midnight(const Program *program, DateADT date)
{
	return program_at(program, date, 0);
}

/*
 * So much later: months and days of the calendar at the same time of day, and
 * then hours of the clock.
 */
TimestampTz
program_after(const Program *program, TimestampTz at,
			  const Interval *interval)
{
	DateADT		date = program_date(program, at);

	if (interval->month == 0 && interval->day == 0)
		return at + interval->time;
	date = date_add_months(date, interval->month) + interval->day;
	return program_at(program, date, program_time(program, at)) +
		interval->time;
}

/* The benefit with this name, NULL if the programme has none. */
const Benefit *
program_benefit(const Program *program, const char *name)
{
	for (int i = 0; i < program->nbenefits; i++)
		if (strcmp(program->benefits[i].name, name) == 0)
			return &program->benefits[i];
	return NULL;
}

const Benefit *
program_benefit_by_id(const Program *program, int32 benefit_id)
{
	for (int i = 0; i < program->nbenefits; i++)
		if (program->benefits[i].benefit_id == benefit_id)
			return &program->benefits[i];
	elog(ERROR, "benefit %d is not of programme %d", benefit_id,
		 program->program_id);
}

bool
program_is_multiplied(const Rule *rule)
{
	return rule->tier_multiplied && rule->unit->kind == UNIT_POINTS &&
		(rule->kind == RULE_PER_AMOUNT || rule->kind == RULE_PER_QUANTITY ||
		 (rule->kind == RULE_STEPS && rule->base != BASE_STREAK));
}

bool
program_multiplies(const Benefit *benefit, const Rule *rule)
{
	return benefit->kind == BENEFIT_MULTIPLIER && benefit->active &&
		program_is_multiplied(rule) &&
		(benefit->unit == NULL || benefit->unit == rule->unit);
}

int
program_terms_needs(const Terms *terms)
{
	int			needs = terms->has_time ? NEEDS_TIME : 0;

	if (terms->birthday != RECUR_NONE || terms->anniversary != RECUR_NONE)
		needs |= NEEDS_MEMBER;
	if (terms->tags != NULL)
		needs |= NEEDS_TAGS;
	if (terms->segments != NULL)
		needs |= NEEDS_SEGMENTS;
	if (terms->condition != NULL)
		needs |= NEEDS_CONTEXT | NEEDS_MEMBER | NEEDS_TAGS | NEEDS_SEGMENTS;
	return needs;
}

int
program_benefit_needs(const Benefit *benefit)
{
	static const int needed[] = {
		[HOLDER_EVERYONE] = 0,
		[HOLDER_TIER] = 0,
		[HOLDER_SEGMENT] = NEEDS_SEGMENTS,
		[HOLDER_TAG] = NEEDS_TAGS,
		[HOLDER_STAGE] = NEEDS_TAGS,
		[HOLDER_PLAN] = NEEDS_PLANS,
		[HOLDER_CAMPAIGN] = 0
	};
	int			needs = NEEDS_GIVEN;

	if (benefit->birthday != RECUR_NONE)
		needs |= NEEDS_MEMBER;
	for (int i = 0; i < benefit->nholders; i++)
		needs |= needed[benefit->holders[i].source];
	return needs;
}

/* The plan with this name, NULL if the programme has none. */
const PaidPlan *
program_plan(const Program *program, const char *name)
{
	for (int i = 0; i < program->nplans; i++)
		if (strcmp(program->plans[i].name, name) == 0)
			return &program->plans[i];
	return NULL;
}

const Coupon *
program_coupon(const Program *program, const char *name)
{
	for (int i = 0; i < program->ncoupons; i++)
	{
		const Coupon *coupon = &program->coupons[i];

		/* the newest version of each comes first, under its name of today */
		if (i > 0 && coupon->coupon_id == coupon[-1].coupon_id)
			continue;
		if (strcmp(coupon->name, name) == 0)
			return coupon->automatic ? NULL : coupon;
	}
	return NULL;
}

/* The first of those with this id, which is the newest; NULL: none. */
static const Coupon *
find_coupon(const Program *program, int32 coupon_id)
{
	int			low = 0;
	int			high = program->ncoupons;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (program->coupons[middle].coupon_id < coupon_id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < program->ncoupons &&
		program->coupons[low].coupon_id == coupon_id ?
		&program->coupons[low] : NULL;
}

const Coupon *
program_coupon_version(const Program *program, int32 coupon_id, int version)
{
	const Coupon *end = program->coupons + program->ncoupons;
	const Coupon *coupon = find_coupon(program, coupon_id);

	if (coupon == NULL || version == 0)
		return coupon;
	for (; coupon < end && coupon->coupon_id == coupon_id; coupon++)
		if (coupon->version == version)
			return coupon;
	return NULL;
}

const TopupPolicy *
program_topup(const Program *program, int32 unit_id)
{
	for (int i = 0; i < program->ntopups; i++)
		if (program->topups[i].unit_id == unit_id)
			return &program->topups[i];
	return NULL;
}

const CartUnit *
program_cart_unit(const Program *program, int32 unit_id)
{
	for (int i = 0; i < program->cart.nunits; i++)
		if (program->cart.units[i].unit_id == unit_id)
			return &program->cart.units[i];
	return NULL;
}
