/*
 * template.c
 *
 * A working programme in one call.
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

/* Decimals by ISO 4217; two, unless it says otherwise. */
static Statement insert_program = {
	"INSERT INTO loyalty.program (name, currency, currency_scale, time_zone)"
	" VALUES ($1, $2, CASE"
	" WHEN $2 = ANY ('{BIF,CLP,DJF,GNF,ISK,JPY,KMF,KRW,PYG,RWF,UGX,UYI,VND,"
	"VUV,XAF,XOF,XPF}') THEN 0"
	" WHEN $2 = ANY ('{BHD,IQD,JOD,KWD,LYD,OMR,TND}') THEN 3"
	" WHEN $2 = ANY ('{CLF,UYW}') THEN 4"
	" ELSE 2 END, $3) RETURNING program_id",
	3, {TEXTOID, TEXTOID, TEXTOID}
};

static Statement insert_events = {
	"INSERT INTO loyalty.program_event (program_id, event, daily)"
	" SELECT $1, e.event, e.event = 'check_in'"
	" FROM unnest('{purchase,signup,check_in,share,review,"
	"profile_complete,referral}'::text[]) AS e (event)",
	1, {INT4OID}
};

static Statement insert_units = {
	"INSERT INTO loyalty.unit (program_id, code, kind, scale, vest_days,"
	" expiry, expiry_count, window_months, refund)"
	" SELECT $1, u.code, u.kind, u.scale, u.vest_days, u.expiry,"
	" u.expiry_count, u.window_months, u.refund"
	" FROM loyalty.program p, LATERAL (VALUES"
	" (1, 'points', 'points', 0, $2, 'end_of_month', 12, NULL,"
	" 'proportional'),"
	" (2, 'spend', 'metric', p.currency_scale, 0, 'never', NULL, 12,"
	" 'proportional'),"
	" (3, 'orders', 'metric', 0, 0, 'never', NULL, 12, 'whole')"
	") AS u(n, code, kind, scale, vest_days, expiry, expiry_count,"
	" window_months, refund)"
	" WHERE p.program_id = $1 ORDER BY u.n",
	2, {INT4OID, INT4OID}
};

/* 100 points = 1 currency unit, from the first day on. */
static Statement insert_anchor = {
	"INSERT INTO loyalty.unit_anchor (program_id, unit_id, valid_from, units,"
	" money)"
	" SELECT $1, u.unit_id, DATE '2000-01-01', 100,"
	" (10::numeric ^ p.currency_scale)::bigint"
	" FROM loyalty.unit u JOIN loyalty.program p USING (program_id)"
	" WHERE u.program_id = $1 AND u.code = 'points'",
	1, {INT4OID}
};

static Statement insert_rules = {
	"INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, per,"
	" proportional)"
	" SELECT $1, 'purchase', u.unit_id, r.kind, 1, r.per, r.proportional"
	" FROM loyalty.unit u JOIN (VALUES"
	" ('points', 'per_amount', 1, false),"
	" ('spend', 'per_amount', 1, true),"
	" ('orders', 'fixed', NULL, false)"
	") AS r(code, kind, per, proportional) USING (code)"
	" WHERE u.program_id = $1 ORDER BY u.unit_id",
	1, {INT4OID}
};

/* program_create(name, currency, time_zone, template, vest_days) */
Datum
loyalty_program_create(PG_FUNCTION_ARGS)
{
	NullableDatum args[2];
	char	   *template;
	char	   *currency;
	bool		retail;

	for (int i = 0; i < CREATE_NARGS; i++)
		require_argument(fcinfo, i, create_arg_names[i]);
	template = text_to_cstring(PG_GETARG_TEXT_PP(CREATE_TEMPLATE));
	retail = strcmp(template, "retail") == 0;
	if (!retail && strcmp(template, "empty") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("template \"%s\" is not known",
							clipped(template)),
				 errhint("Templates are retail and empty.")));

	currency = text_to_cstring(PG_GETARG_TEXT_PP(CREATE_CURRENCY));
	if (strlen(currency) != 3 ||
		strspn(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("currency \"%s\" is not a code of ISO 4217",
						clipped(currency)),
				 errhint("Use three capital letters, such as EUR.")));

	SPI_connect();
	loyalty_check_version();
	statement_run(&insert_program, fcinfo->args, false);
	args[0] = ARG(statement_notnull(0, 1));
	args[1] = fcinfo->args[CREATE_VEST_DAYS];
	statement_run(&insert_events, args, false);
	if (retail)
	{
		statement_run(&insert_units, args, false);
		statement_run(&insert_anchor, args, false);
		statement_run(&insert_rules, args, false);
	}
	SPI_finish();
	PG_RETURN_DATUM(args[0].value);
}
