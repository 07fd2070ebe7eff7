/*
 * template_automation.c
 *
 * Named automations: rows made of a definition and some settings.
 */
#include "loyalty.h"

#include "catalog/pg_collation.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_automation_template);

enum template_arg
{
	TEMPLATE_PROGRAM,
	TEMPLATE_NAME,
	TEMPLATE_SETTINGS,
	TEMPLATE_NARGS
};

static Statement select_program = {
	"SELECT program_id FROM loyalty.program WHERE name = $1",
	1, {TEXTOID}
};

static Statement select_template = {
	"SELECT t.settings || $2, t.definition"
	" FROM loyalty.automation_templates() t WHERE t.name = $1",
	2, {TEXTOID, JSONBOID}
};

/* What was set that the template has not, or of another type. */
static Statement select_wrong = {
	"SELECT g.key, t.settings ? g.key"
	" FROM loyalty.automation_templates() t"
	" CROSS JOIN LATERAL jsonb_each($2) g"
	" WHERE t.name = $1 AND (NOT t.settings ? g.key"
	" OR (jsonb_typeof(g.value) <> jsonb_typeof(t.settings->g.key)"
	" AND 'null' NOT IN (jsonb_typeof(g.value),"
	" jsonb_typeof(t.settings->g.key)))"
	" OR jsonb_typeof(g.value) IN ('object', 'array'))"
	" ORDER BY g.key LIMIT 1",
	2, {TEXTOID, JSONBOID}
};

static Statement select_settings = {
	"SELECT key, value::text, value #>> '{}' FROM jsonb_each($1)",
	1, {JSONBOID}
};

static Statement insert_automation = {
	"INSERT INTO loyalty.automation (program_id, name, title, trigger_kind,"
	" trigger_name, days, yearly, percent, min_amount, lead, calendar,"
	" calendar_days, late_days, segment, condition, once, gap_days, delay,"
	" restarts, holdout, goal_event, goal_days, purpose)"
	" SELECT $1, r.name, r.title, r.trigger_kind, r.trigger_name, r.days,"
	" coalesce(r.yearly, false), r.percent, r.min_amount, r.lead, r.calendar,"
	" coalesce(r.calendar_days, 0), coalesce(r.late_days, 3), r.segment,"
	" r.condition::jsonpath, coalesce(r.once, 'occurrence'), r.gap_days,"
	" coalesce(r.delay, '0'), coalesce(r.restarts, false), r.holdout,"
	" r.goal_event, r.goal_days, r.purpose"
	" FROM jsonb_to_record($2->'automation') AS r (name text, title text,"
	" trigger_kind text, trigger_name text, days int, yearly boolean,"
	" percent numeric, min_amount numeric, lead interval, calendar text,"
	" calendar_days int, late_days int, segment text, condition text,"
	" once text, gap_days int, delay interval, restarts boolean,"
	" holdout numeric, goal_event text, goal_days int, purpose text)"
	" RETURNING automation_id, name",
	2, {INT4OID, JSONBOID}
};

/* A unit that the programme has not: without this it would be left out. */
static Statement select_unknown_unit = {
	"SELECT w.unit FROM (SELECT s.step->>'unit'"
	" FROM jsonb_array_elements($2->'steps') AS s (step)"
	" WHERE s.step->'if' IS NULL OR $4->>(s.step->>'if') IS NOT NULL"
	" UNION ALL SELECT s.rule->>'unit'"
	" FROM jsonb_array_elements($2->'rules') AS s (rule)) w (unit)"
	" WHERE w.unit IS NOT NULL AND NOT EXISTS (SELECT FROM loyalty.unit u"
	" WHERE u.program_id = $1 AND u.code = w.unit AND $3 IS NULL) LIMIT 1",
	4, {INT4OID, JSONBOID, INT4OID, JSONBOID}
};

static Statement insert_steps = {
	"INSERT INTO loyalty.automation_step (automation_id, position,"
	" program_id, kind, unit_id, amount, coupon, pack, tag, valid_days,"
	" channel, template, wait)"
	" SELECT $3, s.n * 10, $1, r.kind, u.unit_id, r.amount, r.coupon, r.pack,"
	" r.tag, r.valid_days,"
	" CASE r.kind WHEN 'message' THEN $4->>'channel' END,"
	" CASE r.kind WHEN 'message' THEN coalesce(r.template,"
	" $4->>'template') END, r.wait"
	" FROM jsonb_array_elements($2->'steps') WITH ORDINALITY AS s (step, n)"
	" CROSS JOIN LATERAL jsonb_to_record(s.step) AS r (kind text, unit text,"
	" amount numeric, coupon text, pack text, tag text, valid_days int,"
	" template text, wait interval)"
	" LEFT JOIN loyalty.unit u ON u.program_id = $1 AND u.code = r.unit"
	" WHERE s.step->'if' IS NULL OR $4->>(s.step->>'if') IS NOT NULL"
	" ORDER BY s.n",
	4, {INT4OID, JSONBOID, INT4OID, JSONBOID}
};

/* A rule that is there already, by its name, was made before. */
static Statement insert_rules = {
	"INSERT INTO loyalty.rule (program_id, name, event, unit_id, kind, award,"
	" tags)"
	" SELECT $1, r.name, r.event, u.unit_id, r.kind, r.award, r.tags"
	" FROM jsonb_array_elements($2->'rules') AS s (rule)"
	" CROSS JOIN LATERAL jsonb_to_record(s.rule) AS r (name text, event text,"
	" unit text, kind text, award numeric, tags text[])"
	" JOIN loyalty.unit u ON u.program_id = $1 AND u.code = r.unit"
	" WHERE NOT EXISTS (SELECT FROM loyalty.rule o"
	" WHERE o.program_id = $1 AND o.name = r.name)",
	2, {INT4OID, JSONBOID}
};

pg_noreturn static void
invalid(const char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message), errhint("%s", hint)));
}

/* Settings that are known, and of the type of their default. */
static void
check_settings(FunctionCallInfo fcinfo)
{
	NullableDatum args[] = {
		fcinfo->args[TEMPLATE_NAME],
		fcinfo->args[TEMPLATE_SETTINGS]
	};

	if (!JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(TEMPLATE_SETTINGS)))
		invalid("settings must be a json object",
				"See loyalty.automation_templates() for their names.");
	if (statement_run(&select_wrong, args, false) == 0)
		return;
	invalid(psprintf(DatumGetBool(statement_notnull(0, 2)) ?
					 "setting \"%s\" is of another type" :
					 "setting \"%s\" is not known to the template",
					 clipped(statement_text(0, 1))),
			"See loyalty.automation_templates() for names and defaults.");
}

/* Is it a text that means the same in a json string and in a condition? */
static bool
is_plain(const char *value)
{
	for (; *value != '\0'; value++)
		if (!isalnum((unsigned char) *value) &&
			strchr("_.-", *value) == NULL)
			return false;
	return true;
}

static Datum
replace(Datum filled, const char *from, const char *to)
{
	return DirectFunctionCall3Coll(replace_text, C_COLLATION_OID, filled,
								   CStringGetTextDatum(from),
								   CStringGetTextDatum(to));
}

static bool
contains(Datum filled, const char *part)
{
	return strstr(TextDatumGetCString(filled), part) != NULL;
}

/*
 * The definition with all settings in their places.  What stands within a
 * longer text must be plain, and must be there.
 */
static Datum
fill_in(Datum definition, NullableDatum settings)
{
	int			n = statement_run(&select_settings, &settings, false);
	Datum		filled = CStringGetTextDatum(DatumGetCString(
		DirectFunctionCall1(jsonb_out, definition)));

	for (int i = 0; i < n; i++)
	{
		char	   *name = statement_text(i, 1);
		char	   *value = statement_text(i, 3);
		char	   *within = psprintf("{%s}", name);

		filled = replace(filled, psprintf("\"{%s}\"", name),
					   statement_text(i, 2));
		if (!contains(filled, within))
			continue;
		if (value == NULL || value[0] == '\0')
			invalid(psprintf("setting \"%s\" must be given", name),
					"The template has no default for it.");
		if (!is_plain(value))
			invalid(psprintf("setting \"%s\" may have letters, digits, "
							 "\"_\", \".\" and \"-\" only", name),
					"It becomes part of a longer text.");
		filled = replace(filled, within, value);
	}
	return DirectFunctionCall1(jsonb_in,
							   CStringGetDatum(TextDatumGetCString(filled)));
}

/* Inserts the rows; returns the name of the automation. */
static char *
insert(NullableDatum program_id, NullableDatum settings, Datum definition)
{
	NullableDatum args[] = {program_id, ARG(definition), NULL_ARG, settings};
	char	   *name;

	if (statement_run(&select_unknown_unit, args, false) > 0)
		refusal_raise(REFUSAL_UNKNOWN_UNIT,
					  psprintf("unit=%s", clipped(statement_text(0, 1))));
	statement_run(&insert_automation, args, false);
	args[2] = ARG(statement_notnull(0, 1));
	name = statement_text(0, 2);
	statement_run(&insert_rules, args, false);
	statement_run(&insert_steps, args, false);
	return name;
}

/* automation_template(program, name, settings) */
Datum
loyalty_automation_template(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"program", "name", "settings"};
	MemoryContext caller = CurrentMemoryContext;
	NullableDatum program_id;
	NullableDatum args[2];
	NullableDatum settings;
	text	   *name;

	for (int i = 0; i < TEMPLATE_NARGS; i++)
		require_argument(fcinfo, i, names[i]);
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	if (statement_run(&select_program, fcinfo->args, false) == 0)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s",
							   clipped(text_to_cstring(PG_GETARG_TEXT_PP(TEMPLATE_PROGRAM)))));
	program_id = ARG(statement_notnull(0, 1));
	args[0] = fcinfo->args[TEMPLATE_NAME];
	args[1] = fcinfo->args[TEMPLATE_SETTINGS];
	if (statement_run(&select_template, args, false) == 0)
		invalid(psprintf("automation template \"%s\" is not known",
						 clipped(text_to_cstring(PG_GETARG_TEXT_PP(TEMPLATE_NAME)))),
				"See loyalty.automation_templates() for their names.");
	settings = ARG(PointerGetDatum(statement_varlena(0, 1)));
	args[1] = ARG(PointerGetDatum(statement_varlena(0, 2)));
	check_settings(fcinfo);
	name = cstring_to_text(insert(program_id, settings,
								  fill_in(args[1].value, settings)));
	SPI_finish();
	PG_RETURN_TEXT_P(name);
}
