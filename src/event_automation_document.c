/*
 * event_automation_document.c
 *
 * The automation document: the member as segments see him, the event that
 * started the run, and its trigger.
 */
#include "event_automation.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

#include "amount.h"
#include "decide_document.h"
#include "statement.h"

static Statement select_event = {
	"SELECT coalesce(j.event, j.kind), j.effective_at, j.amount, j.unit_id,"
	" coalesce(j.reverses, j.ref), j.channel, j.store, d.data -> 'data',"
	" d.data -> 'items' FROM loyalty.journal j"
	" LEFT JOIN loyalty.event_data d ON d.member_id = j.member_id"
	" AND d.journal_id = j.journal_id"
	" WHERE j.member_id = $1 AND j.journal_id = $2",
	2, {INT8OID, INT8OID}
};

/* The member, as he is now: steps may have changed him. */
static Jsonb *
member_document(const RunWork *work)
{
	AccountLock lock = work->dry ? ACCOUNT_READ : ACCOUNT_LOCK;
	Account		account;
	Decision	decision;
	StoredPortrait stored;

	if (!store_load(work->member_id, lock, work->now, &account, &decision))
		elog(ERROR, "member " INT64_FORMAT " was not found",
			 work->member_id);
	decide_settle(&decision, DT_NOBEGIN);
	store_portrait(&decision, &stored, false);
	store_load_prospects(&decision, false);
	if (work->plan->reads.parts & READS_DAYS)
		store_days_counted(&decision, &stored.portrait, false);
	return decide_member_document(&decision, &stored.portrait,
								  &work->plan->reads);
}

/* The last result as $.event. */
static Jsonb *
event_part(const RunWork *work)
{
	const Program *program = work->program;
	TimestampTz at = DatumGetTimestampTz(statement_notnull(0, 2));
	int			offset = program_offset(program, at);
	int32		unit_id = statement_int32_or(0, 4, 0);
	Jsonb	   *data = (Jsonb *) statement_varlena(0, 8);
	Jsonb	   *items = (Jsonb *) statement_varlena(0, 9);
	bool		isnull;
	Datum		amount = statement_value(0, 3, &isnull);
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_cstring(&state, "name", statement_text(0, 1));
	push_cstring(&state, "at",
				 JsonEncodeDateTime(NULL, TimestampTzGetDatum(at),
									TIMESTAMPTZOID, &offset));
	if (!isnull)
		push_amount(&state, "amount", DatumGetInt64(amount),
					unit_id == 0 ? program->currency_scale :
					program_unit_by_id(program, unit_id)->scale);
	push_cstring(&state, "ref", statement_text(0, 5));
	push_cstring(&state, "channel", statement_text(0, 6));
	push_cstring(&state, "store", statement_text(0, 7));
	if (data != NULL)
		push_json(&state, "data", data);
	if (items != NULL)
		push_json(&state, "items", items);
	return end_object(&state);
}

static Jsonb *
document(const RunWork *work)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(work->member_id)),
		ARG(Int64GetDatum(work->journal_id))
	};
	Jsonb	   *member = member_document(work);
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_json(&state, "trigger", work->trigger);
	if (work->journal_id != 0 && statement_run(&select_event, args, false) > 0)
		push_json(&state, "event", event_part(work));
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(member),
											  JsonbPGetDatum(end_object(&state))));
}

/* Is a condition true of the member now?  NULL: there is none. */
bool
run_condition(RunWork *work, JsonPath *condition)
{
	return condition == NULL ||
		condition_match(condition, document(work)) == CONDITION_TRUE;
}
