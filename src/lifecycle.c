/*
 * lifecycle.c
 *
 * Named sets of stages, as rows of loyalty.tag.
 */
#include "loyalty.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonpath.h"
#include "utils/numeric.h"

#include "amount.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_lifecycle_set);

#define MAX_STAGES 5
#define MAX_FACTOR 1000
#define MAX_DAYS 3650

enum set_arg
{
	SET_PROGRAM,
	SET_NAME,
	SET_ACTIVE,
	SET_SILENT,
	SET_DAYS,
	SET_LEAST_DAYS,
	SET_NEW_DAYS,
	SET_MATURE_TIMES,
	SET_NARGS
};

static const char *const set_arg_names[] = {
	"program", "name", "active", "silent", "days", "least_days", "new_days",
	"mature_times"
};

/* Of whom a stage is true, unless one before it is. */
typedef enum StageRule
{
	STAGE_NEVER,				/* has never bought */
	STAGE_JOINED,				/* the same, or has joined lately */
	STAGE_ONCE,					/* present, bought once */
	STAGE_RARE,					/* present, bought not often */
	STAGE_PRESENT,
	STAGE_SLOW,
	STAGE_REST					/* anybody else */
} StageRule;

typedef struct Stage
{
	const char *name;
	const char *title;
	StageRule	rule;
} Stage;

/* In order; the last stage of each is of all who are left. */
static const struct
{
	const char *name;
	int			nstages;
	Stage		stages[MAX_STAGES];
}			sets[] = {
	{"activity", 4, {
			{"registered", "Registered", STAGE_NEVER},
			{"active", "Active", STAGE_PRESENT},
			{"silent", "Silent", STAGE_SLOW},
			{"lost", "Lost", STAGE_REST},
	}},
	{"growth", 5, {
			{"newcomer", "Newcomer", STAGE_JOINED},
			{"growing", "Growing", STAGE_RARE},
			{"mature", "Mature", STAGE_PRESENT},
			{"declining", "Declining", STAGE_SLOW},
			{"lost", "Lost", STAGE_REST},
	}},
	{"churn", 4, {
			{"prospect", "Prospect", STAGE_NEVER},
			{"new", "New customer", STAGE_ONCE},
			{"active", "Active", STAGE_PRESENT},
			{"churn_warning", "Churn warning", STAGE_REST},
	}},
};

static Statement select_program = {
	"SELECT program_id FROM loyalty.program WHERE name = $1",
	1, {TEXTOID}
};

/*
 * What is in the way of a set: tags of its names ($2) that are no stages with
 * a condition, and active stages of other sets ($3: names of all of them).
 */
static Statement select_others = {
	"SELECT string_agg(name, ', ' ORDER BY position, name)"
	" FROM loyalty.tag WHERE program_id = $1"
	" AND CASE WHEN name = ANY ($2)"
	" THEN dimension <> 'lifecycle' OR condition IS NULL"
	" ELSE name = ANY ($3) AND dimension = 'lifecycle'"
	" AND condition IS NOT NULL AND status = 'active' END",
	3, {INT4OID, TEXTARRAYOID, TEXTARRAYOID}
};

/* Is the set in use? */
static Statement select_used = {
	"SELECT FROM loyalty.tag WHERE program_id = $1 AND name = ANY ($2)"
	" AND status = 'active' LIMIT 1",
	2, {INT4OID, TEXTARRAYOID}
};

/* $6: what is inactive is of a set that was given up, and is taken over. */
static Statement write_stage = {
	"INSERT INTO loyalty.tag AS t (program_id, name, title, dimension,"
	" condition, position)"
	" VALUES ($1, $2, $3, 'lifecycle', $4::jsonpath, $5)"
	" ON CONFLICT (program_id, name) DO UPDATE SET title = excluded.title,"
	" condition = excluded.condition, position = excluded.position,"
	" status = 'active' WHERE $6",
	6, {INT4OID, TEXTOID, TEXTOID, TEXTOID, INT4OID, BOOLOID}
};

/* A factor in hundredths; they are as exact as the recency is. */
static int64
factor(FunctionCallInfo fcinfo, int arg)
{
	int64		hundredths;

	if (amount_parse(PG_GETARG_NUMERIC(arg), 2, &hundredths) != REFUSAL_NONE ||
		hundredths <= 0 || hundredths > MAX_FACTOR * 100)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be above 0 and at most %d, with at most two decimals",
						set_arg_names[arg], MAX_FACTOR)));
	return hundredths;
}

static void
check_numbers(FunctionCallInfo fcinfo)
{
	if (factor(fcinfo, SET_ACTIVE) >= factor(fcinfo, SET_SILENT))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"active\" must be below \"silent\"")));
	for (int arg = SET_DAYS; arg < SET_NARGS; arg++)
		if (PG_GETARG_INT32(arg) < 1 || PG_GETARG_INT32(arg) > MAX_DAYS)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" must lie between 1 and %d",
							set_arg_names[arg], MAX_DAYS)));
}

/*
 * Has the member bought within so many times the interval?  That is his own,
 * but not less than least_days, or days if he has none.
 */
static char *
within(FunctionCallInfo fcinfo, int arg)
{
	int64		times = factor(fcinfo, arg);

	return psprintf("($.member.recency <= %s"
					" || $.member.days_since_purchase <= " INT64_FORMAT
					" || !exists($.member.recency)"
					" && $.member.days_since_purchase <= " INT64_FORMAT ")",
					amount_text(times, 2),
					times * PG_GETARG_INT32(SET_LEAST_DAYS) / 100,
					times * PG_GETARG_INT32(SET_DAYS) / 100);
}

static char *
condition_of(FunctionCallInfo fcinfo, StageRule rule)
{
	char	   *present = within(fcinfo, SET_ACTIVE);

	switch (rule)
	{
		case STAGE_NEVER:
			return "$.member.purchases == 0";
		case STAGE_JOINED:
			return psprintf("$.member.purchases == 0"
							" || $.member.age_days < %d",
							PG_GETARG_INT32(SET_NEW_DAYS));
		case STAGE_ONCE:
			return psprintf("$.member.purchases == 1 && %s", present);
		case STAGE_RARE:
			return psprintf("$.purchases.days_365.times < %d && %s",
							PG_GETARG_INT32(SET_MATURE_TIMES), present);
		case STAGE_PRESENT:
			return present;
		case STAGE_SLOW:
			return within(fcinfo, SET_SILENT);
		case STAGE_REST:
			break;
	}
	return "$.member.purchases > 0";
}

static int
find_set(FunctionCallInfo fcinfo)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(SET_NAME));

	for (int i = 0; i < lengthof(sets); i++)
		if (strcmp(sets[i].name, name) == 0)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("set of stages \"%s\" is not known", clipped(name)),
			 errhint("Sets are activity, growth and churn.")));
}

/* The names of the stages of sets, from one to before another, as text[]. */
static Datum
names_of(int from, int until)
{
	Datum		names[lengthof(sets) * MAX_STAGES];
	int			n = 0;

	for (int set = from; set < until; set++)
		for (int i = 0; i < sets[set].nstages; i++)
			names[n++] = CStringGetTextDatum(sets[set].stages[i].name);
	return array_of(names, n, TEXTOID);
}

static Datum
find_program(FunctionCallInfo fcinfo)
{
	if (statement_run(&select_program, fcinfo->args, false) == 0)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s",
							   clipped(text_to_cstring(PG_GETARG_TEXT_PP(SET_PROGRAM)))));
	return statement_notnull(0, 1);
}

/* Writes the stages that are not there; what is active stays as it is. */
static int
write_stages(FunctionCallInfo fcinfo, Datum program_id, int set,
			 bool anew)
{
	int			written = 0;

	for (int i = 0; i < sets[set].nstages; i++)
	{
		const Stage *stage = &sets[set].stages[i];
		NullableDatum args[] = {
			ARG(program_id),
			ARG(CStringGetTextDatum(stage->name)),
			ARG(CStringGetTextDatum(stage->title)),
			ARG(CStringGetTextDatum(condition_of(fcinfo, stage->rule))),
			ARG(Int32GetDatum((i + 1) * 10)),
			ARG(BoolGetDatum(anew))
		};

		written += statement_run(&write_stage, args, false);
	}
	return written;
}

/* lifecycle_set(program, name, ...): how many stages were written. */
Datum
loyalty_lifecycle_set(PG_FUNCTION_ARGS)
{
	NullableDatum args[3];
	int			set;
	int			written;

	for (int i = 0; i < SET_NARGS; i++)
		require_argument(fcinfo, i, set_arg_names[i]);
	check_numbers(fcinfo);
	set = find_set(fcinfo);
	SPI_connect();
	loyalty_check_version();
	args[0] = ARG(find_program(fcinfo));
	args[1] = ARG(names_of(set, set + 1));
	args[2] = ARG(names_of(0, lengthof(sets)));
	statement_run(&select_others, args, false);
	if (statement_text(0, 1) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the programme has tags that are in the way of these stages"),
				 errdetail("They are %s.", statement_text(0, 1)),
				 errhint("Make the stages of another set inactive, and rename other tags.")));
	written = write_stages(fcinfo, args[0].value, set,
						   statement_run(&select_used, args, false) == 0);
	SPI_finish();
	PG_RETURN_INT32(written);
}
