/*
 * tag.c
 *
 * Tags of a programme, the check of conditions on the member document when
 * they are saved, and what such conditions depend on.
 */
#include "tag.h"

#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/rel.h"

#include "amount.h"
#include "condition.h"

PG_FUNCTION_INFO_V1(loyalty_tag_condition_check);
PG_FUNCTION_INFO_V1(loyalty_tag_forget_scan);

#define MAX_THRESHOLD_DAYS 10000000

static Statement select_tags = {
	"SELECT name, dimension = 'lifecycle', condition FROM loyalty.tag"
	" WHERE program_id = $1 AND status = 'active' AND condition IS NOT NULL"
	" ORDER BY position, name COLLATE \"C\"",
	1, {INT4OID}
};

Tag *
tag_load(int32 program_id, int *ntags)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id))};
	int			n = statement_run(&select_tags, args, true);
	Tag		   *tags = palloc(sizeof(Tag) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		tags[i].name = statement_text(i, 1);
		tags[i].lifecycle = DatumGetBool(statement_notnull(i, 2));
		tags[i].condition = (JsonPath *) statement_varlena(i, 3);
	}
	*ntags = n;
	return tags;
}

static Statement select_stages = {
	"SELECT array_agg(name ORDER BY position, name COLLATE \"C\")"
	" FROM loyalty.tag WHERE program_id = $1 AND dimension = 'lifecycle'"
	" AND (condition IS NULL OR status = 'active')",
	1, {INT4OID}
};

/* The stages; see tag.h. */
NameList *
tag_load_stages(int32 program_id)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id))};

	statement_run(&select_stages, args, true);
	return statement_names(0, 1);
}

/*
 * What conditions read.
 */

static const struct
{
	const char *key;
	int			parts;
}			read_keys[] = {
	{"purchases", READS_PURCHASES},
	{"categories", READS_PURCHASES},
	{"brands", READS_PURCHASES},
	{"activities", READS_ACTIVITIES},
	{"days_30", READS_DAYS_30},
	{"days_90", READS_DAYS_90},
	{"days_365", READS_DAYS_365},
	{"last_month", READS_MONTHS},
	{"tier", READS_TIER},
	{"tier_rank", READS_TIER},
	{"age_days", READS_AGE},
	{"days_since_purchase", READS_SINCE},
	{"interval_days", READS_INTERVAL},
	{"recency", READS_INTERVAL | READS_RECENCY},
	{"counters", READS_COUNTERS},
	{"now", READS_NOW},
	{"date", READS_NOW_DATE},
	/* of a window, or of now */
	{"month", READS_MONTHS | READS_NOW_MONTH},
	{"year", READS_YEAR | READS_NOW_YEAR}
};

#define READS_MEMBER \
	(READS_TIER | READS_AGE | READS_SINCE | READS_COUNTERS | \
	 READS_INTERVAL | READS_RECENCY)
/* What grows day by day. */
#define READS_GROWING (READS_AGE | READS_SINCE | READS_RECENCY)
#define READS_ANY_NOW (READS_NOW_DATE | READS_NOW_MONTH | READS_NOW_YEAR)
#define READS_ALL \
	(READS_DAYS | READS_WINDOWS | READS_MEMBER | READS_NOW | READS_ANY_NOW)

static bool
has_key(const JsonPathItem *item, const char *key)
{
	int32		length;
	const char *name = jspGetString(unconstify(JsonPathItem *, item),
									&length);

	return strlen(key) == length && memcmp(key, name, length) == 0;
}

/* Is it how often a member has bought, which has no window? */
static bool
is_count_of_member(const JsonPathItem *item, const JsonPathItem *before)
{
	return before != NULL && before->type == jpiKey &&
		has_key(before, "member") && has_key(item, "purchases");
}

/* The parts that a wildcard behind an item may lead to. */
static int
parts_behind(const JsonPathItem *before)
{
	if (before == NULL || before->type != jpiKey)
		return READS_ALL;
	if (has_key(before, "member"))
		return READS_MEMBER;
	if (has_key(before, "now"))
		return READS_ANY_NOW;
	return READS_WINDOWS;
}

static bool
is_literal(JsonPathItem *item)
{
	return !jspHasNext(item) &&
		(item->type == jpiNumeric || item->type == jpiString ||
		 item->type == jpiNull || item->type == jpiBool);
}

/* Is something compared with what is no literal? */
static bool
is_varying(JsonPathItem *item)
{
	JsonPathItem left;
	JsonPathItem right;

	jspGetLeftArg(item, &left);
	jspGetRightArg(item, &right);
	return !is_literal(&left) && !is_literal(&right);
}

static void
keep_threshold(TagReads *reads, int part, int32 value)
{
	for (int i = 0; i < reads->nthresholds; i++)
		if (reads->thresholds[i].part == part &&
			reads->thresholds[i].value == value)
			return;
	if (reads->nthresholds == TAG_MAX_THRESHOLDS)
		reads->parts |= READS_VARYING;
	else
	{
		reads->thresholds[reads->nthresholds].part = part;
		reads->thresholds[reads->nthresholds++].value = value;
	}
}

/* A number as a threshold, rounded up or down, and so much more. */
static void
add_threshold(TagReads *reads, int part, JsonPathItem *literal,
			  PGFunction rounding, int more)
{
	int			scale = part == READS_RECENCY ? 100 : 1;
	Datum		number =
		DirectFunctionCall2(numeric_mul,
							NumericGetDatum(jspGetNumeric(literal)),
							NumericGetDatum(amount_numeric(scale, 0)));
	int64		value;

	number = DirectFunctionCall1(rounding, number);
	/* nothing is as old as that */
	if (amount_parse(DatumGetNumeric(number), 0, &value) == REFUSAL_NONE &&
		value >= 0 && value <= MAX_THRESHOLD_DAYS * scale)
		keep_threshold(reads, part, value + more);
}

/*
 * Which of the numbers that grow with time a path leads to: as its last key
 * says, or any of them.
 */
static int
growing_parts(JsonPathItem *path)
{
	JsonPathItem last = *path;

	while (jspGetNext(&last, &last))
		;
	if (last.type != jpiKey)
		return READS_GROWING;
	for (int i = 0; i < lengthof(read_keys); i++)
		if (has_key(&last, read_keys[i].key))
			return read_keys[i].parts & READS_GROWING;
	return 0;
}

/*
 * A comparison of x with a number: x <= n and x > n come to something else
 * above n, x < n and x >= n from n on, and equality at both.
 */
static void
read_comparison(TagReads *reads, JsonPathItem *item)
{
	static const int growing[] = {READS_AGE, READS_SINCE, READS_RECENCY};
	JsonPathItem left;
	JsonPathItem right;
	bool		on_left;
	bool		or_equal = item->type == jpiLessOrEqual ||
		item->type == jpiGreaterOrEqual;
	bool		less = item->type == jpiLess || item->type == jpiLessOrEqual;
	bool		either = item->type == jpiEqual || item->type == jpiNotEqual;
	JsonPathItem *literal;
	int			parts;

	jspGetLeftArg(item, &left);
	jspGetRightArg(item, &right);
	on_left = is_literal(&left);
	literal = on_left ? &left : &right;
	if (is_literal(&left) == is_literal(&right) ||
		literal->type != jpiNumeric)
		return;
	parts = growing_parts(on_left ? &right : &left);
	for (int i = 0; i < lengthof(growing); i++)
	{
		if (!(parts & growing[i]))
			continue;
		if (either || (less != on_left) == or_equal)
			add_threshold(reads, growing[i], literal, numeric_floor, 1);
		if (either || (less != on_left) != or_equal)
			add_threshold(reads, growing[i], literal, numeric_ceil, 0);
	}
}

static void
read_item(JsonPathItem *item, const JsonPathItem *before, void *context)
{
	TagReads   *reads = context;

	switch (item->type)
	{
		case jpiKey:
			for (int i = 0; i < lengthof(read_keys); i++)
				if (has_key(item, read_keys[i].key) &&
					!is_count_of_member(item, before))
					reads->parts |= read_keys[i].parts;
			break;
		case jpiAnyKey:
			reads->parts |= parts_behind(before);
			break;
		case jpiEqual:
		case jpiNotEqual:
		case jpiLess:
		case jpiGreater:
		case jpiLessOrEqual:
		case jpiGreaterOrEqual:
			if (is_varying(item))
				reads->parts |= READS_VARYING;
			read_comparison(reads, item);
			break;
		case jpiAdd:
		case jpiSub:
		case jpiMul:
		case jpiDiv:
		case jpiMod:
		case jpiPlus:
		case jpiMinus:
		case jpiAbs:
		case jpiFloor:
		case jpiCeiling:
		case jpiStartsWith:
		case jpiLikeRegex:
#if PG_VERSION_NUM >= 170000
		case jpiBigint:
		case jpiInteger:
		case jpiBoolean:
		case jpiStringFunc:
#endif
			reads->parts |= READS_VARYING;
			break;
		default:
			break;
	}
}

/* Forgets what of it means nothing without the rest of the condition. */
static void
narrow(TagReads *reads)
{
	if (!(reads->parts & READS_NOW))
		reads->parts &= ~READS_ANY_NOW;
	if (!(reads->parts & READS_DAYS))
		reads->parts &= ~READS_WINDOWS;
	if (!(reads->parts & READS_GROWING))
	{
		reads->parts &= ~READS_VARYING;
		reads->nthresholds = 0;
	}
}

/* Adds what a condition reads; rather too much than too little. */
void
tag_reads_add(TagReads *reads, JsonPath *condition)
{
	TagReads	added = {0};

	condition_visit(condition, read_item, &added);
	narrow(&added);
	reads->parts |= added.parts;
	for (int i = 0; i < added.nthresholds; i++)
		keep_threshold(reads, added.thresholds[i].part,
					   added.thresholds[i].value);
}

/*
 * Triggers.
 */

/*
 * Trigger of tag: refuses a condition that is no predicate, reads what there
 * is not, or could cost too much.
 */
Datum
loyalty_tag_condition_check(PG_FUNCTION_ARGS)
{
	HeapTuple	tuple = trigger_row(fcinfo);
	Relation	relation = ((TriggerData *) fcinfo->context)->tg_relation;
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, relation->rd_att,
									  SPI_fnumber(relation->rd_att,
												  "condition"), &isnull);
	Refusal		refusal;
	const char *problem;

	if (isnull)
		return PointerGetDatum(tuple);
	problem = condition_check_untagged(DatumGetJsonPathP(value), &refusal);
	if (problem != NULL)
		refusal_raise(refusal, psprintf("condition: %s", problem));
	return PointerGetDatum(tuple);
}

/*
 * With a definition that no programme has, all members are judged again, and
 * what they did on a day is added up anew: while a programme has no
 * condition, nothing is added.
 */
#define FORGET_SCANS \
	"UPDATE loyalty.tag_scan SET definition = '', done_until = 0"

static Statement forget_of_tags = {
	FORGET_SCANS " WHERE program_id IN (SELECT program_id FROM old_tags)"
};

static Statement forget_of_segments = {
	FORGET_SCANS " WHERE program_id IN (SELECT program_id FROM old_segments)"
};

static Statement forget_all = {
	FORGET_SCANS
};

/*
 * Trigger after UPDATE, DELETE and TRUNCATE of tag and segment.  A restore
 * only inserts, so it never fires there; a new condition makes another
 * definition anyway.
 */
Datum
loyalty_tag_forget_scan(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called as a trigger")));
	SPI_connect();
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		statement_run(&forget_all, NULL, false);
	else
	{
		if (SPI_register_trigger_data(trigger) < 0)
			elog(ERROR, "could not register the transition table");
		statement_run(strcmp(RelationGetRelationName(trigger->tg_relation),
							 "tag") == 0 ? &forget_of_tags :
					  &forget_of_segments, NULL, false);
	}
	SPI_finish();
	return PointerGetDatum(NULL);
}
