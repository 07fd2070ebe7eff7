/*
 * rule.c
 *
 * Refuses configuration that could not be carried out, when it is saved.
 *
 * References are checked here and not by foreign keys (see program.sql).  A
 * table is restored by one COPY, so while what a row refers to has not been
 * loaded, the programme has no row at all there: then, and only then, a
 * reference is taken on trust.
 */
#include "loyalty.h"

#include "commands/trigger.h"
#include "common/int.h"
#include "utils/array.h"
#include "utils/rel.h"

#include "amount.h"
#include "amount_check.h"
#include "condition.h"
#include "rule_program.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_rule_check);
PG_FUNCTION_INFO_V1(loyalty_rule_keep);
PG_FUNCTION_INFO_V1(loyalty_config_reference);

static Statement select_scales = {
	"SELECT u.scale, p.currency_scale, u.kind = 'counter'"
	" FROM loyalty.unit u"
	" JOIN loyalty.program p USING (program_id) WHERE u.unit_id = $1",
	1, {INT4OID}
};

/* Refuses a number with more decimals than can be posted. */
static void
check_number(HeapTuple tuple, TupleDesc tupdesc, const char *column,
			 int scale)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, tupdesc,
									  SPI_fnumber(tupdesc, column), &isnull);
	int64		minor;

	if (isnull)
		return;
	if (amount_parse(DatumGetNumeric(value), scale, &minor) != REFUSAL_NONE)
		ereport(ERROR,
				(errcode(refusal_sqlstate(REFUSAL_RULE_INVALID)),
				 errmsg("%s", refusal_text(REFUSAL_RULE_INVALID)->message),
				 errdetail("%s=%s decimals=%d", column,
						   numeric_normalize(DatumGetNumeric(value)),
						   scale)));
}

/* A column of it, as an argument. */
static NullableDatum
column_arg(HeapTuple tuple, TupleDesc tupdesc, const char *column)
{
	NullableDatum arg;

	arg.value = SPI_getbinval(tuple, tupdesc, SPI_fnumber(tupdesc, column),
							  &arg.isnull);
	return arg;
}

static Datum
column(HeapTuple tuple, TupleDesc tupdesc, const char *name, bool *isnull)
{
	return SPI_getbinval(tuple, tupdesc, SPI_fnumber(tupdesc, name), isnull);
}

/* Refuses a condition that is no predicate, or could cost too much. */
static void
check_path(HeapTuple tuple, TupleDesc tupdesc, const char *name,
		   const char *(*check) (JsonPath *path, Refusal *refusal))
{
	bool		isnull;
	Datum		value = column(tuple, tupdesc, name, &isnull);
	Refusal		refusal;
	const char *problem;

	if (isnull)
		return;
	problem = check(DatumGetJsonPathP(value), &refusal);
	if (problem != NULL)
		refusal_raise(refusal, psprintf("%s: %s", name, problem));
}

static void
refuse_rule(const char *detail)
{
	refusal_raise(REFUSAL_RULE_INVALID, detail);
}

/* Refuses steps that are not above zero, doubled, or have too many decimals. */
static void
check_steps(HeapTuple tuple, TupleDesc tupdesc, const char *name, int scale,
			bool ascending)
{
	bool		isnull;
	Datum		value = column(tuple, tupdesc, name, &isnull);
	Datum	   *numbers;
	int			n;
	int64		last = -1;

	if (isnull)
		return;
	n = array_elements(DatumGetArrayTypeP(value), NUMERICOID, &numbers);
	if (n < 0)
		refuse_rule(psprintf("%s: an element is null", name));
	for (int i = 0; i < n; i++)
	{
		int64		minor;

		if (amount_parse(DatumGetNumeric(numbers[i]), scale,
						 &minor) != REFUSAL_NONE ||
			minor < 0 || (ascending && minor <= last))
			refuse_rule(psprintf("%s: %s", name, ascending ?
								 "steps must ascend, from zero on, with no "
								 "more decimals than what they count" :
								 "awards must not be negative, nor have more "
								 "decimals than the unit"));
		last = minor;
	}
}

static char *
text_of(HeapTuple tuple, TupleDesc tupdesc, const char *name)
{
	return SPI_getvalue(tuple, tupdesc, SPI_fnumber(tupdesc, name));
}

static Statement select_last_version = {
	"SELECT coalesce(max(version), 0) FROM loyalty.rule_version"
	" WHERE rule_id = $1",
	1, {INT4OID}
};

/*
 * Counts the version up when a rule is changed; one that is there anew goes on
 * where the one before it ended.  What is restored is later than that already.
 */
static HeapTuple
next_version(TriggerData *trigger, HeapTuple tuple)
{
	TupleDesc	tupdesc = trigger->tg_relation->rd_att;
	int			number = SPI_fnumber(tupdesc, "version");
	NullableDatum args[] = {column_arg(tuple, tupdesc, "rule_id")};
	NullableDatum given = column_arg(tuple, tupdesc, "version");
	Datum		version;
	int32		last;
	int32		next;

	if (given.isnull && !TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		return tuple;
	statement_run(&select_last_version, args, false);
	last = DatumGetInt32(statement_notnull(0, 1));
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
	{
		bool		isnull;
		Datum		before = column(trigger->tg_trigtuple, tupdesc, "version",
									&isnull);

		last = Max(last, DatumGetInt32(before));
	}
	else if (DatumGetInt32(given.value) > last)
		return tuple;
	if (pg_add_s32_overflow(last, 1, &next))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("rule has too many versions")));
	version = Int32GetDatum(next);
	return SPI_modifytuple(trigger->tg_relation, tuple, 1, &number, &version,
						   NULL);
}

/* Refuses numbers that cannot be posted, and a factor that is none. */
static void
check_numbers(HeapTuple tuple, TupleDesc tupdesc, int unit_scale,
			  int currency_scale)
{
	char	   *kind = text_of(tuple, tupdesc, "kind");
	char	   *base = text_of(tuple, tupdesc, "base");
	bool		multiplies = kind && strcmp(kind, "multiplier") == 0;
	bool		pieces = kind && strcmp(kind, "per_quantity") == 0;

	check_number(tuple, tupdesc, "award", multiplies ? 3 : unit_scale);
	check_number(tuple, tupdesc, "per", pieces ? 3 : currency_scale);
	check_number(tuple, tupdesc, "max_award", unit_scale);
	if (base != NULL)
		check_steps(tuple, tupdesc, "step_from",
					strcmp(base, "amount") == 0 ? currency_scale :
					strcmp(base, "quantity") == 0 ? 3 : 0, true);
	check_steps(tuple, tupdesc, "step_award", unit_scale, false);
	if (multiplies)
	{
		bool		isnull;
		Datum		award = column(tuple, tupdesc, "award", &isnull);
		int64		factor;

		if (!isnull &&
			amount_parse(DatumGetNumeric(award), 3, &factor) == REFUSAL_NONE &&
			factor <= 1000)
			refuse_rule("award: the factor of a multiplier must be above 1");
	}
}

/* As the constraint of unit: what a rule leaves out is the unit's. */
static Statement select_lapse = {
	"SELECT x.vest_days <= CASE x.expiry WHEN 'never' THEN x.vest_days"
	" WHEN 'days' THEN x.n WHEN 'end_of_year' THEN x.n * 365"
	" ELSE x.n * 28 END"
	" FROM (SELECT coalesce($2, vest_days) AS vest_days,"
	" coalesce($3, expiry) AS expiry,"
	" CASE WHEN $3 IS NULL THEN expiry_count ELSE $4 END AS n"
	" FROM loyalty.unit WHERE unit_id = $1) x",
	4, {INT4OID, INT4OID, TEXTOID, INT4OID}
};

/* Refuses awards that lapse before they can be used. */
static void
check_lapse(HeapTuple tuple, TupleDesc tupdesc)
{
	NullableDatum args[] = {
		column_arg(tuple, tupdesc, "unit_id"),
		column_arg(tuple, tupdesc, "vest_days"),
		column_arg(tuple, tupdesc, "expiry"),
		column_arg(tuple, tupdesc, "expiry_count")
	};
	bool		isnull;
	Datum		fits;

	if (statement_run(&select_lapse, args, false) == 0)
		return;
	fits = statement_value(0, 1, &isnull);
	/* NULL is left to the constraints of the columns */
	if (!isnull && !DatumGetBool(fits))
		refuse_rule("vest_days: the award would lapse before it vests");
}

/* Trigger of rule. */
Datum
loyalty_rule_check(PG_FUNCTION_ARGS)
{
	HeapTuple	tuple = trigger_row(fcinfo);
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	tupdesc = trigger->tg_relation->rd_att;
	NullableDatum args[] = {column_arg(tuple, tupdesc, "unit_id")};

	SPI_connect();
	if (statement_run(&select_scales, args, false) > 0)
	{
		int			unit_scale = DatumGetInt16(statement_notnull(0, 1));
		int			currency_scale = DatumGetInt16(statement_notnull(0, 2));

		if (DatumGetBool(statement_notnull(0, 3)))
			refuse_rule("unit_id: a counter counts awards, it is none");
		check_numbers(tuple, tupdesc, unit_scale, currency_scale);
		if (!rule_limits_fit(column_arg(tuple, tupdesc, "rule_id"), args[0]))
			refuse_rule("unit_id: its limits count in other decimals");
		check_lapse(tuple, tupdesc);
	}
	check_path(tuple, tupdesc, "condition", condition_check);
	check_path(tuple, tupdesc, "item_filter", condition_check_line);
	tuple = next_version(trigger, tuple);
	SPI_finish();
	return PointerGetDatum(tuple);
}

static Statement keep_rules = {
	"INSERT INTO loyalty.rule_version (rule_id, version, program_id,"
	" replaced_at, definition, replaced_id)"
	" SELECT rule_id, version, program_id, $1, pg_catalog.to_jsonb(old_rules),"
	" loyalty.next_id() FROM old_rules ON CONFLICT DO NOTHING",
	1, {TIMESTAMPTZOID}
};

/*
 * Trigger after UPDATE and DELETE of rule: keeps what the rules were.  A
 * restore only inserts, so it never fires there.
 */
Datum
loyalty_rule_keep(PG_FUNCTION_ARGS)
{
	return statement_keep(fcinfo, &keep_rules);
}

/* Each: is it there, and is anything there that it could be? */

static Statement program_known = {
	"SELECT EXISTS (SELECT FROM loyalty.program WHERE program_id = $1),"
	" EXISTS (SELECT FROM loyalty.program)",
	1, {INT4OID}
};
static Statement unit_known = {
	CHECK_KNOWN("unit", "unit_id = $2"), 2, {INT4OID, INT4OID}
};
static Statement metric_known = {
	CHECK_KNOWN("unit", "unit_id = $2 AND kind = 'metric'"), 2, {INT4OID, INT4OID}
};
static Statement counter_known = {
	CHECK_KNOWN("unit", "unit_id = $2 AND kind = 'counter'"), 2, {INT4OID, INT4OID}
};
static Statement event_known = {
	CHECK_KNOWN("program_event", "event = $2"), 2, {INT4OID, TEXTOID}
};
static Statement collection_known = {
	CHECK_KNOWN("collection", "name = $2"), 2, {INT4OID, TEXTOID}
};
static Statement calendar_known = {
	CHECK_KNOWN("calendar_day", "calendar = $2"), 2, {INT4OID, TEXTOID}
};
static Statement campaign_known = {
	CHECK_KNOWN("campaign", "campaign_id = $2"), 2, {INT4OID, INT4OID}
};
static Statement tier_known = {
	CHECK_KNOWN("tier", "tier_id = $2"), 2, {INT4OID, INT4OID}
};
static Statement tiers_known = {
	"SELECT NOT EXISTS (SELECT FROM pg_catalog.unnest($2) AS t (code)"
	" WHERE NOT EXISTS (SELECT FROM loyalty.tier"
	" WHERE program_id = $1 AND tier.code = t.code)),"
	" EXISTS (SELECT FROM loyalty.tier WHERE program_id = $1)",
	2, {INT4OID, TEXTARRAYOID}
};
static Statement category_known = {
	CHECK_KNOWN("coupon_category", "name = $2"), 2, {INT4OID, TEXTOID}
};
static Statement coupon_known = {
	CHECK_KNOWN("coupon", "coupon_id = $2"), 2, {INT4OID, INT4OID}
};
static Statement pack_known = {
	CHECK_KNOWN("coupon_pack", "name = $2"), 2, {INT4OID, TEXTOID}
};
static Statement policy_known = {
	CHECK_KNOWN("topup_policy", "unit_id = $2"), 2, {INT4OID, INT4OID}
};
static Statement group_known = {
	CHECK_KNOWN("rule_group", "name = $2"), 2, {INT4OID, TEXTOID}
};
static Statement rule_known = {
	CHECK_KNOWN("rule", "rule_id = $2"), 2, {INT4OID, INT4OID}
};

static Statement tier_code_known = {
	CHECK_KNOWN("tier", "code = $2"), 2, {INT4OID, TEXTOID}
};
static Statement benefit_known = {
	CHECK_KNOWN("benefit", "benefit_id = $2"), 2, {INT4OID, INT4OID}
};
static Statement segments_known = {
	"SELECT NOT EXISTS (SELECT FROM pg_catalog.unnest($2) AS s (name)"
	" WHERE NOT EXISTS (SELECT FROM loyalty.segment"
	" WHERE program_id = $1 AND segment.name = s.name)),"
	" EXISTS (SELECT FROM loyalty.segment WHERE program_id = $1)",
	2, {INT4OID, TEXTARRAYOID}
};
static Statement segment_known = {
	CHECK_KNOWN("segment", "name = $2"), 2, {INT4OID, TEXTOID}
};
static Statement coupon_name_known = {
	CHECK_KNOWN("coupon", "name = $2"), 2, {INT4OID, TEXTOID}
};
static Statement automation_known = {
	CHECK_KNOWN("automation", "automation_id = $2"), 2, {INT4OID, INT4OID}
};

/* Which columns refer to what, beyond the programme. */
static const struct
{
	const char *table;
	const char *column;
	Statement  *statement;
}			references[] = {
	{"unit_anchor", "unit_id", &unit_known},
	{"collection_item", "collection", &collection_known},
	{"budget", "campaign_id", &campaign_known},
	{"budget", "unit_id", &unit_known},
	{"tier_threshold", "tier_id", &tier_known},
	{"tier_threshold", "unit_id", &metric_known},
	{"rule", "unit_id", &unit_known},
	{"rule", "event", &event_known},
	{"rule", "campaign_id", &campaign_known},
	{"rule", "rule_group", &group_known},
	{"rule", "collection", &collection_known},
	{"rule", "excluded_collection", &collection_known},
	{"rule", "store_collection", &collection_known},
	{"rule", "calendar", &calendar_known},
	{"rule", "tiers", &tiers_known},
	{"rule", "segments", &segments_known},
	{"plan", "tier", &tier_code_known},
	{"benefit", "unit_id", &unit_known},
	{"benefit", "calendar", &calendar_known},
	{"benefit_holder", "benefit_id", &benefit_known},
	{"coupon", "campaign_id", &campaign_known},
	{"coupon", "unit_id", &unit_known},
	{"coupon", "price_unit_id", &unit_known},
	{"coupon", "category", &category_known},
	{"coupon", "collection", &collection_known},
	{"coupon", "excluded_collection", &collection_known},
	{"coupon", "target_collection", &collection_known},
	{"coupon", "store_collection", &collection_known},
	{"coupon", "calendar", &calendar_known},
	{"coupon", "tiers", &tiers_known},
	{"coupon", "segments", &segments_known},
	{"coupon_limit", "coupon_id", &coupon_known},
	{"coupon_pack", "coupon_id", &coupon_known},
	{"topup_policy", "unit_id", &unit_known},
	{"topup_step", "unit_id", &policy_known},
	{"topup_step", "points_unit_id", &unit_known},
	{"topup_step", "pack", &pack_known},
	{"topup_step", "benefit_id", &benefit_known},
	{"cart_unit", "unit_id", &unit_known},
	{"automation", "calendar", &calendar_known},
	{"automation", "segment", &segment_known},
	{"automation", "campaign_id", &campaign_known},
	{"automation_step", "automation_id", &automation_known},
	{"automation_step", "unit_id", &unit_known},
	{"automation_step", "coupon", &coupon_name_known},
	{"automation_step", "pack", &pack_known},
	{"rule_cap", "rule_id", &rule_known},
	{"rule_cap", "unit_id", &counter_known}
};

static void
check_reference(Statement *statement, const NullableDatum *args,
				HeapTuple tuple, TupleDesc tupdesc, const char *name)
{
	bool		known;
	bool		any;

	/* NULL is left to the column's constraint, which is checked later */
	if (args[statement->nargs - 1].isnull)
		return;
	statement_run(statement, args, false);
	known = DatumGetBool(statement_notnull(0, 1));
	any = DatumGetBool(statement_notnull(0, 2));
	if (!known && any)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("%s does not exist in the programme", name),
				 errdetail("%s=%s", name,
						   clipped(text_of(tuple, tupdesc, name)))));
}

/* Trigger of the tables that refer to a programme and its configuration. */
Datum
loyalty_config_reference(PG_FUNCTION_ARGS)
{
	HeapTuple	tuple = trigger_row(fcinfo);
	Relation	relation = ((TriggerData *) fcinfo->context)->tg_relation;
	TupleDesc	tupdesc = relation->rd_att;
	NullableDatum args[2];

	SPI_connect();
	args[0] = column_arg(tuple, tupdesc, "program_id");
	check_reference(&program_known, args, tuple, tupdesc, "program_id");
	for (int i = 0; i < lengthof(references); i++)
	{
		if (strcmp(RelationGetRelationName(relation),
				   references[i].table) != 0)
			continue;
		args[1] = column_arg(tuple, tupdesc, references[i].column);
		check_reference(references[i].statement, args, tuple, tupdesc,
						references[i].column);
	}
	SPI_finish();
	return PointerGetDatum(tuple);
}
