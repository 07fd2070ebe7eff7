/*
 * journal_guard.c
 *
 * What of a programme and its units is fixed once they have been used: the
 * ledger is written in terms of them.
 */
#include "loyalty.h"

#include "commands/trigger.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_program_check);
PG_FUNCTION_INFO_V1(loyalty_unit_check);
PG_FUNCTION_INFO_V1(loyalty_benefit_fixed);
PG_FUNCTION_INFO_V1(loyalty_config_in_use);

static Statement select_used = {
	"SELECT FROM loyalty.journal WHERE program_id = $1 LIMIT 1",
	1, {INT4OID}
};

static bool
program_is_used(int32 program_id)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id))};
	bool		used;

	SPI_connect();
	used = statement_run(&select_used, args, false) > 0;
	SPI_finish();
	return used;
}

static char *
column_text(HeapTuple tuple, TupleDesc tupdesc, const char *name)
{
	return SPI_getvalue(tuple, tupdesc, SPI_fnumber(tupdesc, name));
}

static int32
id_of(HeapTuple tuple, TupleDesc tupdesc, const char *column)
{
	return pg_strtoint32(column_text(tuple, tupdesc, column));
}

/* The id of the programme that a row belongs to. */
static int32
program_of(HeapTuple tuple, TupleDesc tupdesc)
{
	return id_of(tuple, tupdesc, "program_id");
}

/* Refuses an update that changes one of these columns of what is in use. */
static void
check_fixed(TriggerData *trigger, const char *const *columns, int ncolumns,
			bool (*is_used) (int32 id), const char *id)
{
	TupleDesc	tupdesc = trigger->tg_relation->rd_att;
	const RefusalText *text = refusal_text(REFUSAL_CONFIG_FIXED);

	for (int i = 0; i < ncolumns; i++)
	{
		char	   *before = column_text(trigger->tg_trigtuple, tupdesc,
										 columns[i]);
		char	   *after = column_text(trigger->tg_newtuple, tupdesc,
										columns[i]);

		/* NULL is left to the column's constraint, which is checked later */
		if (before != NULL && after != NULL && strcmp(before, after) != 0 &&
			is_used(id_of(trigger->tg_trigtuple, tupdesc, id)))
			ereport(ERROR,
					(errcode(refusal_sqlstate(REFUSAL_CONFIG_FIXED)),
					 errmsg("%s", text->message),
					 errdetail("column=%s", columns[i])));
	}
}

static TriggerData *
row_trigger(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_FOR_ROW(((TriggerData *) fcinfo->context)->tg_event) ||
		!TRIGGER_FIRED_BEFORE(((TriggerData *) fcinfo->context)->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called as a trigger before each row")));
	return (TriggerData *) fcinfo->context;
}

/*
 * PostgreSQL also takes "UTC+8", which is POSIX's word for eight hours west of
 * Greenwich.  Who writes it means the opposite, and finds out when the
 * programme has a journal and its zone is fixed.
 */
static bool
is_zone_name(const char *zone)
{
	return pg_tzset(zone) != NULL &&
		(strpbrk(zone, "0123456789") == NULL ||
		 pg_strncasecmp(zone, "Etc/", 4) == 0);
}

/* Trigger of program. */
Datum
loyalty_program_check(PG_FUNCTION_ARGS)
{
	static const char *const fixed[] = {
		"time_zone", "currency", "currency_scale", "ref_scope"
	};
	TriggerData *trigger = row_trigger(fcinfo);
	bool		update = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	HeapTuple	tuple = update ? trigger->tg_newtuple : trigger->tg_trigtuple;
	char	   *zone = column_text(tuple, trigger->tg_relation->rd_att,
								   "time_zone");

	if (zone != NULL && !is_zone_name(zone))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" not recognized", clipped(zone)),
				 errhint("Use a name such as Europe/London.")));
	if (update && zone != NULL)
		check_fixed(trigger, fixed, lengthof(fixed), program_is_used,
					"program_id");
	return PointerGetDatum(tuple);
}

/* Trigger of unit. */
Datum
loyalty_unit_check(PG_FUNCTION_ARGS)
{
	static const char *const fixed[] = {
		"scale", "kind", "period", "program_id"
	};
	TriggerData *trigger = row_trigger(fcinfo);

	check_fixed(trigger, fixed, lengthof(fixed), program_is_used,
				"program_id");
	return PointerGetDatum(trigger->tg_newtuple);
}

static Statement select_vouchers = {
	"SELECT FROM loyalty.voucher WHERE benefit_id = $1 LIMIT 1",
	1, {INT4OID}
};

static bool
benefit_has_vouchers(int32 benefit_id)
{
	NullableDatum args[] = {ARG(Int32GetDatum(benefit_id))};
	bool		used;

	SPI_connect();
	used = statement_run(&select_vouchers, args, false) > 0;
	SPI_finish();
	return used;
}

/*
 * Trigger of benefit: what its vouchers were issued for stays; how many are
 * due follows from the unit and n.
 */
Datum
loyalty_benefit_fixed(PG_FUNCTION_ARGS)
{
	static const char *const fixed[] = {"kind", "unit_id", "quantity"};
	TriggerData *trigger = row_trigger(fcinfo);

	check_fixed(trigger, fixed, lengthof(fixed), benefit_has_vouchers,
				"benefit_id");
	return PointerGetDatum(trigger->tg_newtuple);
}

/* What coupons were before, which holds for those that were issued then. */
#define OLD_COUPONS \
	"loyalty.coupon_version v JOIN loyalty.coupon USING (coupon_id)" \
	" CROSS JOIN LATERAL" \
	" jsonb_populate_record(NULL::loyalty.coupon, v.definition) o"

static Statement program_in_use = {
	"SELECT FROM loyalty.unit WHERE program_id = $1"
	" UNION ALL SELECT FROM loyalty.program_event WHERE program_id = $1"
	" UNION ALL SELECT FROM loyalty.collection WHERE program_id = $1"
	" UNION ALL SELECT FROM loyalty.calendar_day WHERE program_id = $1"
	" UNION ALL SELECT FROM loyalty.campaign WHERE program_id = $1"
	" UNION ALL SELECT FROM loyalty.budget WHERE program_id = $1"
	" UNION ALL SELECT FROM loyalty.tier WHERE program_id = $1"
	" UNION ALL SELECT FROM loyalty.rule_group WHERE program_id = $1"
	" UNION ALL SELECT FROM loyalty.rule WHERE program_id = $1"
	" UNION ALL SELECT FROM loyalty.tag WHERE program_id = $1"
	" UNION ALL SELECT FROM loyalty.segment WHERE program_id = $1"
	" UNION ALL SELECT FROM loyalty.plan WHERE program_id = $1"
	" UNION ALL SELECT FROM loyalty.benefit WHERE program_id = $1"
	" UNION ALL SELECT FROM loyalty.price_list WHERE program_id = $1"
	" UNION ALL SELECT FROM loyalty.coupon_category WHERE program_id = $1"
	" UNION ALL SELECT FROM loyalty.coupon WHERE program_id = $1"
	" UNION ALL SELECT FROM loyalty.cart_policy WHERE program_id = $1"
	" UNION ALL SELECT FROM loyalty.automation WHERE program_id = $1"
	" UNION ALL SELECT FROM loyalty.account WHERE program_id = $1 LIMIT 1",
	1, {INT4OID}
};

static Statement unit_in_use = {
	"SELECT FROM loyalty.rule WHERE unit_id = $1"
	" UNION ALL SELECT FROM loyalty.unit_anchor WHERE unit_id = $1"
	" UNION ALL SELECT FROM loyalty.budget WHERE unit_id = $1"
	" UNION ALL SELECT FROM loyalty.tier_threshold WHERE unit_id = $1"
	" UNION ALL SELECT FROM loyalty.rule_cap WHERE unit_id = $1"
	" UNION ALL SELECT FROM loyalty.benefit WHERE unit_id = $1"
	" UNION ALL SELECT FROM loyalty.coupon"
	" WHERE $1 IN (unit_id, price_unit_id)"
	" UNION ALL SELECT FROM " OLD_COUPONS
	" WHERE $1 IN (o.unit_id, o.price_unit_id)"
	" UNION ALL SELECT FROM loyalty.topup_policy WHERE unit_id = $1"
	" UNION ALL SELECT FROM loyalty.topup_step WHERE points_unit_id = $1"
	" UNION ALL SELECT FROM loyalty.topup WHERE points_unit_id = $1"
	" UNION ALL SELECT FROM loyalty.cart_unit WHERE unit_id = $1"
	" UNION ALL SELECT FROM loyalty.automation_step WHERE unit_id = $1"
	" UNION ALL SELECT FROM loyalty.entry WHERE unit_id = $1 LIMIT 1",
	1, {INT4OID}
};

static Statement event_in_use = {
	"SELECT FROM loyalty.rule WHERE event = $1 AND program_id = $2"
	" UNION ALL SELECT FROM loyalty.automation WHERE program_id = $2"
	" AND (goal_event = $1 OR trigger_name = $1"
	" AND trigger_kind IN ('event', 'refund')) LIMIT 1",
	2, {TEXTOID, INT4OID}
};

static Statement tier_in_use = {
	"SELECT FROM loyalty.tier_threshold WHERE tier_id = $1"
	" UNION ALL SELECT FROM loyalty.account WHERE tier_id = $1"
	" UNION ALL SELECT FROM loyalty.member_plan WHERE tier_id = $1"
	" UNION ALL SELECT FROM loyalty.tier_history"
	" WHERE tier_after = $1 OR tier_before = $1 LIMIT 1",
	1, {INT4OID}
};

/* Rules name tiers by their code. */
static Statement tier_code_in_use = {
	"SELECT FROM loyalty.rule"
	" WHERE tiers @> ARRAY[$1] AND program_id = $2"
	" UNION ALL SELECT FROM loyalty.coupon"
	" WHERE tiers @> ARRAY[$1] AND program_id = $2"
	" UNION ALL SELECT FROM " OLD_COUPONS
	" WHERE o.tiers @> ARRAY[$1] AND o.program_id = $2"
	" UNION ALL SELECT FROM loyalty.automation WHERE program_id = $2"
	" AND trigger_name = $1 AND trigger_kind = 'near_tier'"
	" UNION ALL SELECT FROM loyalty.plan WHERE tier = $1 AND program_id = $2"
	" UNION ALL SELECT FROM loyalty.benefit_holder"
	" WHERE source = 'tier' AND name = $1 AND program_id = $2 LIMIT 1",
	2, {TEXTOID, INT4OID}
};

static Statement collection_in_use = {
	"SELECT FROM loyalty.collection_item"
	" WHERE collection = $1 AND program_id = $2"
	" UNION ALL SELECT FROM loyalty.rule WHERE program_id = $2"
	" AND $1 IN (collection, excluded_collection, store_collection)"
	" UNION ALL SELECT FROM loyalty.coupon WHERE program_id = $2"
	" AND $1 IN (collection, excluded_collection, target_collection,"
	" store_collection)"
	" UNION ALL SELECT FROM " OLD_COUPONS " WHERE o.program_id = $2"
	" AND $1 IN (o.collection, o.excluded_collection, o.target_collection,"
	" o.store_collection)"
	" UNION ALL SELECT FROM loyalty.price_list WHERE program_id = $2"
	" AND kind = 'collection' AND value = $1 LIMIT 1",
	2, {TEXTOID, INT4OID}
};

static Statement campaign_in_use = {
	"SELECT FROM loyalty.rule WHERE campaign_id = $1"
	" UNION ALL SELECT FROM loyalty.coupon WHERE campaign_id = $1"
	" UNION ALL SELECT FROM loyalty.automation WHERE campaign_id = $1"
	" UNION ALL SELECT FROM loyalty.budget WHERE campaign_id = $1 LIMIT 1",
	1, {INT4OID}
};

static Statement campaign_name_in_use = {
	"SELECT FROM loyalty.benefit_holder"
	" WHERE source = 'campaign' AND name = $1 AND program_id = $2 LIMIT 1",
	2, {TEXTOID, INT4OID}
};

static Statement tag_in_use = {
	"SELECT FROM loyalty.benefit_holder"
	" WHERE source = 'stage' AND name = $1 AND program_id = $2"
	" UNION ALL SELECT FROM loyalty.automation WHERE program_id = $2"
	" AND trigger_name = $1 AND trigger_kind = 'stage' LIMIT 1",
	2, {TEXTOID, INT4OID}
};

static Statement group_in_use = {
	"SELECT FROM loyalty.rule WHERE rule_group = $1 AND program_id = $2"
	" LIMIT 1",
	2, {TEXTOID, INT4OID}
};

static Statement rule_in_use = {
	"SELECT FROM loyalty.rule_cap WHERE rule_id = $1 AND program_id = $2"
	" LIMIT 1",
	2, {INT4OID, INT4OID}
};

static Statement segment_in_use = {
	"SELECT FROM loyalty.rule"
	" WHERE segments @> ARRAY[$1] AND program_id = $2"
	" UNION ALL SELECT FROM loyalty.coupon"
	" WHERE segments @> ARRAY[$1] AND program_id = $2"
	" UNION ALL SELECT FROM " OLD_COUPONS
	" WHERE o.segments @> ARRAY[$1] AND o.program_id = $2"
	" UNION ALL SELECT FROM loyalty.member_segment"
	" WHERE segment = $1 AND program_id = $2"
	" UNION ALL SELECT FROM loyalty.benefit_holder"
	" WHERE source = 'segment' AND name = $1 AND program_id = $2"
	" UNION ALL SELECT FROM loyalty.automation WHERE program_id = $2"
	" AND (segment = $1 OR trigger_name = $1"
	" AND trigger_kind IN ('segment_entered', 'segment_left')) LIMIT 1",
	2, {TEXTOID, INT4OID}
};

static Statement plan_name_in_use = {
	"SELECT FROM loyalty.benefit_holder"
	" WHERE source = 'plan' AND name = $1 AND program_id = $2"
	" UNION ALL SELECT FROM loyalty.automation WHERE program_id = $2"
	" AND trigger_name = $1 AND trigger_kind = 'plan_ending' LIMIT 1",
	2, {TEXTOID, INT4OID}
};

static Statement plan_in_use = {
	"SELECT FROM loyalty.member_plan WHERE plan_id = $1 LIMIT 1",
	1, {INT4OID}
};

static Statement benefit_in_use = {
	"SELECT FROM loyalty.benefit_holder WHERE benefit_id = $1"
	" UNION ALL SELECT FROM loyalty.topup_step WHERE benefit_id = $1"
	" UNION ALL SELECT FROM loyalty.member_benefit WHERE benefit_id = $1"
	" UNION ALL SELECT FROM loyalty.voucher WHERE benefit_id = $1 LIMIT 1",
	1, {INT4OID}
};

static Statement category_in_use = {
	"SELECT FROM loyalty.coupon WHERE category = $1 AND program_id = $2"
	" UNION ALL SELECT FROM " OLD_COUPONS
	" WHERE o.category = $1 AND o.program_id = $2 LIMIT 1",
	2, {TEXTOID, INT4OID}
};

static Statement coupon_in_use = {
	"SELECT FROM loyalty.coupon_limit WHERE coupon_id = $1"
	" UNION ALL SELECT FROM loyalty.coupon_pack WHERE coupon_id = $1"
	" UNION ALL SELECT FROM loyalty.coupon_code WHERE coupon_id = $1"
	" UNION ALL SELECT FROM loyalty.member_coupon WHERE coupon_id = $1"
	" UNION ALL SELECT FROM loyalty.coupon_use WHERE coupon_id = $1 LIMIT 1",
	1, {INT4OID}
};

static Statement policy_in_use = {
	"SELECT FROM loyalty.topup_step WHERE unit_id = $1"
	" UNION ALL SELECT FROM loyalty.topup_card WHERE unit_id = $1"
	" UNION ALL SELECT FROM loyalty.topup WHERE unit_id = $1 LIMIT 1",
	1, {INT4OID}
};

static Statement automation_in_use = {
	"SELECT FROM loyalty.automation_step WHERE automation_id = $1"
	" UNION ALL SELECT FROM loyalty.automation_broadcast"
	" WHERE automation_id = $1"
	" UNION ALL SELECT FROM loyalty.automation_run"
	" WHERE automation_id = $1 LIMIT 1",
	1, {INT4OID}
};

static Statement activity_in_use = {
	"SELECT FROM loyalty.automation WHERE trigger_name = $1"
	" AND program_id = $2 AND trigger_kind = 'activity' LIMIT 1",
	2, {TEXTOID, INT4OID}
};

/* By which column of a table other rows refer to it. */
static const struct
{
	const char *table;
	const char *column;
	Statement  *statement;
}			uses[] = {
	{"program", "program_id", &program_in_use},
	{"unit", "unit_id", &unit_in_use},
	{"program_event", "event", &event_in_use},
	{"tier", "tier_id", &tier_in_use},
	{"tier", "code", &tier_code_in_use},
	{"collection", "name", &collection_in_use},
	{"campaign", "campaign_id", &campaign_in_use},
	{"campaign", "name", &campaign_name_in_use},
	{"tag", "name", &tag_in_use},
	{"rule_group", "name", &group_in_use},
	{"rule", "rule_id", &rule_in_use},
	{"segment", "name", &segment_in_use},
	{"plan", "name", &plan_name_in_use},
	{"plan", "plan_id", &plan_in_use},
	{"benefit", "benefit_id", &benefit_in_use},
	{"coupon_category", "name", &category_in_use},
	{"coupon", "coupon_id", &coupon_in_use},
	{"topup_policy", "unit_id", &policy_in_use},
	{"automation", "automation_id", &automation_in_use},
	{"activity_kind", "kind", &activity_in_use}
};

/* Is the column, with the programme, the same after an update? */
static bool
keeps_key(TriggerData *trigger, const char *column)
{
	static const char *const program_id = "program_id";
	TupleDesc	tupdesc = trigger->tg_relation->rd_att;
	const char *const columns[] = {column, program_id};

	if (!TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		return false;
	for (int i = 0; i < lengthof(columns); i++)
	{
		char	   *before = column_text(trigger->tg_trigtuple, tupdesc,
										 columns[i]);
		char	   *after = column_text(trigger->tg_newtuple, tupdesc,
										columns[i]);

		if (after == NULL || strcmp(before, after) != 0)
			return false;
	}
	return true;
}

/* Do other rows refer to this one by this column? */
static bool
is_in_use(TriggerData *trigger, const char *column, Statement *statement)
{
	TupleDesc	tupdesc = trigger->tg_relation->rd_att;
	NullableDatum args[2];
	bool		used;

	args[0].value = SPI_getbinval(trigger->tg_trigtuple, tupdesc,
								  SPI_fnumber(tupdesc, column),
								  &args[0].isnull);
	args[1] = ARG(Int32GetDatum(program_of(trigger->tg_trigtuple, tupdesc)));
	SPI_connect();
	used = statement_run(statement, args, false) > 0;
	SPI_finish();
	return used;
}

/* Trigger that refuses to delete what other rows refer to, or its key. */
Datum
loyalty_config_in_use(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = row_trigger(fcinfo);
	HeapTuple	tuple = trigger->tg_trigtuple;
	TupleDesc	tupdesc = trigger->tg_relation->rd_att;
	const char *table = RelationGetRelationName(trigger->tg_relation);

	for (int i = 0; i < lengthof(uses); i++)
	{
		const char *column = uses[i].column;

		if (strcmp(table, uses[i].table) == 0 && !keeps_key(trigger, column) &&
			is_in_use(trigger, column, uses[i].statement))
			ereport(ERROR,
					(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
					 errmsg("row of loyalty.%s is still in use", table),
					 errdetail("%s=%s", column,
							   column_text(tuple, tupdesc, column))));
	}
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
						   trigger->tg_newtuple : tuple);
}
