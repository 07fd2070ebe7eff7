/*
 * template.c
 *
 * A working programme in one call: the rows of a template.
 */
#include "loyalty.h"

#include "utils/builtins.h"

#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_program_create);

enum create_arg
{
	CREATE_NAME,
	CREATE_CURRENCY,
	CREATE_TIME_ZONE,
	CREATE_TEMPLATE,
	CREATE_VEST_DAYS,
	CREATE_NARGS
};

static const char *const create_arg_names[] = {
	"name", "currency", "time_zone", "template", "vest_days"
};

/* NULL: there is no such template; else what it has of each part, if anything. */
static Statement select_template = {
	"SELECT (SELECT coalesce(jsonb_object_agg(r.part, r.rows), '{}') FROM ("
	"SELECT part, jsonb_agg(definition ORDER BY place) AS rows"
	" FROM loyalty.template_rows($1) GROUP BY part) r),"
	" EXISTS (SELECT FROM loyalty.program_templates() t WHERE t.name = $1),"
	" (SELECT string_agg(name, ', ') FROM loyalty.program_templates())",
	1, {TEXTOID}
};

/* Decimals by ISO 4217; two, unless it says otherwise. */
static Statement insert_program = {
	"INSERT INTO loyalty.program (name, currency, currency_scale, time_zone,"
	" ref_scope, tier_refund)"
	" SELECT $1, $2, CASE"
	" WHEN $2 = ANY ('{BIF,CLP,DJF,GNF,ISK,JPY,KMF,KRW,PYG,RWF,UGX,UYI,VND,"
	"VUV,XAF,XOF,XPF}') THEN 0"
	" WHEN $2 = ANY ('{BHD,IQD,JOD,KWD,LYD,OMR,TND}') THEN 3"
	" WHEN $2 = ANY ('{CLF,UYW}') THEN 4"
	" ELSE 2 END, $3, coalesce(r.ref_scope, 'member'),"
	" coalesce(r.tier_refund, 'at_review')"
	" FROM jsonb_to_record(coalesce($4->'program'->0, '{}'))"
	" AS r (ref_scope text, tier_refund text)"
	" ON CONFLICT (name) DO NOTHING RETURNING program_id",
	4, {TEXTOID, TEXTOID, TEXTOID, JSONBOID}
};

static Statement insert_events = {
	"INSERT INTO loyalty.program_event (program_id, event, daily)"
	" SELECT $1, e.event, e.event = 'check_in'"
	" FROM unnest('{purchase,signup,check_in,share,review,"
	"profile_complete,referral}'::text[]) AS e (event)",
	1, {INT4OID}
};

#define PART(part) " FROM jsonb_to_recordset($2->'" part "') AS r "
#define UNIT(name) "(SELECT u.unit_id FROM loyalty.unit u" \
	" WHERE u.program_id = $1 AND u.code = " name ")"
#define TIER(name) "(SELECT t.tier_id FROM loyalty.tier t" \
	" WHERE t.program_id = $1 AND t.code = " name ")"
#define COUPON(name) "(SELECT c.coupon_id FROM loyalty.coupon c" \
	" WHERE c.program_id = $1 AND c.name = " name ")"
#define BENEFIT(name) "(SELECT b.benefit_id FROM loyalty.benefit b" \
	" WHERE b.program_id = $1 AND b.name = " name ")"
#define PROGRAM_NAME \
	"(SELECT p.name FROM loyalty.program p WHERE p.program_id = $1)"
/* the decimals of the currency */
#define CURRENCY_SCALE "(SELECT p.currency_scale FROM loyalty.program p" \
	" WHERE p.program_id = $1)"

/*
 * What the rows of each part become, in an order in which what is referred to
 * is there: $1 the programme, $2 the template, $3 vest_days.
 */
/* clang-format off */
static Statement parts[] = {
	{
		"INSERT INTO loyalty.unit (program_id, code, kind, scale, vest_days,"
		" expiry, expiry_count, window_months, refund, period)"
		" SELECT $1, r.code, r.kind,"
		" CASE WHEN r.in_currency THEN " CURRENCY_SCALE " ELSE 0 END,"
		" CASE WHEN r.kind <> 'points' THEN 0"
		" WHEN $3 <> 0 THEN $3 ELSE coalesce(r.vest_days, 0) END,"
		" coalesce(r.expiry, 'never'), r.expiry_count, r.window_months,"
		" coalesce(r.refund, 'proportional'), r.period"
		PART("unit") "(code text, kind text, in_currency boolean,"
		" vest_days int, expiry text, expiry_count int, window_months int,"
		" refund text, period text)",
	},
	{
		"INSERT INTO loyalty.unit_anchor (program_id, unit_id, valid_from,"
		" units, money)"
		" SELECT $1, u.unit_id, DATE '2000-01-01',"
		" r.units * (10::numeric ^ u.scale)::bigint,"
		" r.money * (10::numeric ^ " CURRENCY_SCALE ")::bigint"
		PART("unit_anchor") "(unit text, units bigint, money bigint)"
		" JOIN loyalty.unit u ON u.program_id = $1 AND u.code = r.unit",
	},
	{
		"INSERT INTO loyalty.tier (program_id, code, rank, title, valid_months,"
		" valid_round, grace_days, warn_days, demotion, multiplier)"
		" SELECT $1, r.code, r.rank, r.title, r.valid_months,"
		" coalesce(r.valid_round, 'day'), coalesce(r.grace_days, 0),"
		" coalesce(r.warn_days, 30), coalesce(r.demotion, 'one_level'),"
		" coalesce(r.multiplier, 1)"
		PART("tier") "(code text, rank int, title text, valid_months int,"
		" valid_round text, grace_days int, warn_days int, demotion text,"
		" multiplier numeric)",
	},
	{
		"INSERT INTO loyalty.tier_threshold (program_id, tier_id, purpose,"
		" unit_id, threshold, window_kind, months)"
		" SELECT $1, " TIER("r.tier") ", coalesce(r.purpose, 'entry'), "
		UNIT("r.unit") ", r.threshold, r.window_kind, r.months"
		PART("tier_threshold") "(tier text, purpose text, unit text,"
		" threshold numeric, window_kind text, months int)",
	},
	{
		"INSERT INTO loyalty.tag (program_id, name, title, dimension,"
		" condition)"
		" SELECT $1, r.name, r.title, r.dimension, r.condition::jsonpath"
		PART("tag") "(name text, title text, dimension text, condition text)",
	},
	{
		"SELECT loyalty.lifecycle_set(" PROGRAM_NAME ", r.set,"
		" days => coalesce(r.days, 30),"
		" least_days => coalesce(r.least_days, 7))"
		PART("lifecycle") "(set text, days int, least_days int)",
	},
	{
		"INSERT INTO loyalty.segment (program_id, name, title, condition)"
		" SELECT $1, r.name, r.title, r.condition::jsonpath"
		PART("segment") "(name text, title text, condition text)",
	},
	{
		"INSERT INTO loyalty.plan (program_id, name, title, months, price,"
		" tier) SELECT $1, r.name, r.title, r.months, r.price, r.tier"
		PART("plan") "(name text, title text, months int, price numeric,"
		" tier text)",
	},
	{
		"INSERT INTO loyalty.benefit (program_id, name, title, kind, unit_id,"
		" quantity, percent_off, factor, birthday, valid_days, gap_days)"
		" SELECT $1, r.name, r.title, r.kind, " UNIT("r.unit") ", r.quantity,"
		" r.percent_off, r.factor, r.birthday, r.valid_days, r.gap_days"
		PART("benefit") "(name text, title text, kind text, unit text,"
		" quantity numeric, percent_off numeric, factor numeric,"
		" birthday text, valid_days int, gap_days int)",
	},
	{
		"INSERT INTO loyalty.benefit_holder (program_id, benefit_id, source,"
		" name, quantity)"
		" SELECT $1, " BENEFIT("r.benefit") ", r.source,"
		" coalesce(r.name, ''), r.quantity"
		PART("benefit_holder") "(benefit text, source text, name text,"
		" quantity numeric)",
	},
	{
		"INSERT INTO loyalty.coupon (program_id, name, title, automatic, kind,"
		" amount, percent, max_discount, base, step_from, step_off,"
		" step_kind, sku, quantity, item_filter, min_amount, first_purchases,"
		" valid_days, valid_after, days_of_week, time_from, time_until,"
		" channels, price, price_unit_id)"
		" SELECT $1, r.name, r.title, coalesce(r.automatic, false), r.kind,"
		" r.amount, r.percent, r.max_discount, coalesce(r.base, 'amount'),"
		" r.step_from, r.step_off, coalesce(r.step_kind, 'amount'), r.sku,"
		" r.quantity, r.item_filter::jsonpath, r.min_amount,"
		" r.first_purchases, r.valid_days, coalesce(r.valid_after, 0),"
		" r.days_of_week, r.time_from, r.time_until, r.channels, r.price, "
		UNIT("r.price_unit")
		PART("coupon") "(name text, title text, automatic boolean, kind text,"
		" amount numeric, percent numeric, max_discount numeric, base text,"
		" step_from numeric[], step_off numeric[], step_kind text, sku text,"
		" quantity numeric, item_filter text, min_amount numeric,"
		" first_purchases int, valid_days int, valid_after int,"
		" days_of_week int[], time_from time, time_until time,"
		" channels text[], price numeric, price_unit text)",
	},
	{
		"INSERT INTO loyalty.coupon_pack (program_id, name, coupon_id,"
		" quantity) SELECT $1, r.name, " COUPON("r.coupon") ","
		" coalesce(r.quantity, 1)"
		PART("coupon_pack") "(name text, coupon text, quantity int)",
	},
	{
		"INSERT INTO loyalty.topup_policy (program_id, unit_id, spend_order,"
		" bonus_policy, bonus_days) SELECT $1, " UNIT("r.unit") ","
		" r.spend_order, r.bonus_policy, r.bonus_days"
		PART("topup_policy") "(unit text, spend_order text,"
		" bonus_policy text, bonus_days int)",
	},
	{
		"INSERT INTO loyalty.topup_step (program_id, unit_id, step_from,"
		" bonus, points, points_unit_id, benefit_id)"
		" SELECT $1, " UNIT("r.unit") ", r.step_from, coalesce(r.bonus, 0),"
		" r.points, " UNIT("r.points_unit") ", " BENEFIT("r.benefit")
		PART("topup_step") "(unit text, step_from numeric, bonus numeric,"
		" points numeric, points_unit text, benefit text)",
	},
	{
		"INSERT INTO loyalty.cart_policy (program_id, max_coupons)"
		" SELECT $1, r.max_coupons"
		PART("cart_policy") "(max_coupons int)",
	},
	{
		"INSERT INTO loyalty.cart_unit (program_id, unit_id, minimum, step,"
		" max_share) SELECT $1, " UNIT("r.unit") ", coalesce(r.minimum, 0),"
		" r.step, coalesce(r.max_share, 100)"
		PART("cart_unit") "(unit text, minimum numeric, step numeric,"
		" max_share numeric)",
	},
	{
		"INSERT INTO loyalty.rule (program_id, name, event, unit_id, kind,"
		" award, per, proportional, excludes, base, step_from, step_award,"
		" days_of_month, channels, tier_multiplied, once_per_target)"
		" SELECT $1, r.name, r.event, " UNIT("r.unit") ", r.kind, r.award,"
		" r.per, coalesce(r.proportional, false), coalesce(r.excludes, '{}'),"
		" coalesce(r.base, 'amount'), r.step_from, r.step_award,"
		" r.days_of_month, r.channels, coalesce(r.tier_multiplied, true),"
		" coalesce(r.once_per_target, false)"
		PART("rule") "(name text, event text, unit text, kind text,"
		" award numeric, per numeric, proportional boolean, excludes text[],"
		" base text, step_from numeric[], step_award numeric[],"
		" days_of_month int[], channels text[], tier_multiplied boolean,"
		" once_per_target boolean)",
	},
	{
		"SELECT loyalty.rule_limit(o.rule_id, r.period, r.maximum)"
		PART("rule_limit") "(rule text, period text, maximum numeric)"
		" JOIN loyalty.rule o ON o.program_id = $1 AND o.name = r.rule",
	},
	{
		"INSERT INTO loyalty.activity_kind (program_id, kind, title,"
		" retain_days) SELECT $1, r.kind, r.title, r.retain_days"
		PART("activity_kind") "(kind text, title text, retain_days int)",
	},
	/* from today on */
	{
		"INSERT INTO loyalty.kpi_target (program_id, kpi, starts_on, months,"
		" target)"
		" SELECT $1, r.kpi, (loyalty.now() AT TIME ZONE p.time_zone)::date,"
		" r.months, r.target"
		PART("kpi_target") "(kpi text, months int, target numeric)"
		" JOIN loyalty.program p ON p.program_id = $1",
	},
	{
		"SELECT loyalty.message_channels(" PROGRAM_NAME ")"
		" FROM jsonb_array_elements($2->'message_channels')",
	},
	/* live at once: a programme that works as it stands */
	{
		"SELECT loyalty.automation_start(" PROGRAM_NAME ","
		" loyalty.automation_template(" PROGRAM_NAME ", r.template,"
		" r.settings))"
		PART("automation") "(template text, settings jsonb)",
	},
};
/* clang-format on */

static Statement select_size = {
	"SELECT coalesce(sum(jsonb_array_length(value)), 0)::int8"
	" FROM jsonb_each($1) WHERE key <> 'program'",
	1, {JSONBOID}
};

/* Puts all rows of the template into the programme, or raises. */
static void
fill(NullableDatum program_id, NullableDatum rows, NullableDatum vest_days)
{
	NullableDatum args[] = {program_id, rows, vest_days};
	uint64		stored = 0;

	for (int i = 0; i < lengthof(parts); i++)
	{
		parts[i].nargs = lengthof(args);
		parts[i].argtypes[0] = INT4OID;
		parts[i].argtypes[1] = JSONBOID;
		parts[i].argtypes[2] = INT4OID;
		stored += statement_run(&parts[i], args, false);
	}
	/* a part that nobody knows, or a name that leads nowhere */
	statement_run(&select_size, &rows, false);
	if (DatumGetInt64(statement_notnull(0, 1)) != (int64) stored)
		elog(ERROR, "of the template's rows " UINT64_FORMAT " were stored",
			 stored);
}

/* program_create(name, currency, time_zone, template, vest_days) */
Datum
loyalty_program_create(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	NullableDatum args[4];
	NullableDatum program_id;
	NullableDatum rows;
	char	   *currency;

	for (int i = 0; i < CREATE_NARGS; i++)
		require_argument(fcinfo, i, create_arg_names[i]);

	currency = text_to_cstring(PG_GETARG_TEXT_PP(CREATE_CURRENCY));
	if (strlen(currency) != 3 ||
		strspn(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("currency \"%s\" is not a code of ISO 4217",
						clipped(currency)),
				 errhint("Use three capital letters, such as EUR.")));

	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	statement_run(&select_template, &fcinfo->args[CREATE_TEMPLATE], false);
	if (!DatumGetBool(statement_notnull(0, 2)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("template \"%s\" is not known",
						clipped(text_to_cstring(PG_GETARG_TEXT_PP(CREATE_TEMPLATE)))),
				 errhint("Templates are %s.", statement_text(0, 3))));
	rows = ARG(PointerGetDatum(statement_varlena(0, 1)));
	memcpy(args, fcinfo->args, 3 * sizeof(NullableDatum));
	args[3] = rows;
	if (statement_run(&insert_program, args, false) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("programme \"%s\" exists already",
						clipped(text_to_cstring(PG_GETARG_TEXT_PP(CREATE_NAME)))),
				 errhint("Names of programmes are unique; use another one.")));
	program_id = ARG(statement_notnull(0, 1));
	statement_run(&insert_events, &program_id, false);
	fill(program_id, rows, fcinfo->args[CREATE_VEST_DAYS]);
	SPI_finish();
	PG_RETURN_DATUM(program_id.value);
}
