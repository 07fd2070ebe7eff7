/*
 * event_automation_undo.c
 *
 * The order that started a run was refunded wholly: what the steps gave is
 * taken back, the last first, as far as it can be.
 */
#include "event_automation.h"

#include "utils/builtins.h"

#include "amount.h"
#include "decide_document.h"
#include "statement.h"

static Statement call_award_undo = {
	"SELECT r.journal_id FROM loyalty.award_undo($1, $2, $3, key => $4) r",
	4, {INT8OID, INT8OID, TEXTOID, TEXTOID}
};

/* One that was used, or is gone, is left alone. */
static Statement call_coupon_void = {
	"SELECT r.status FROM loyalty.member_coupon m"
	" CROSS JOIN LATERAL loyalty.coupon_void($1, m.coupon_no, $3,"
	" key => $4, mode => 'try') r"
	" WHERE m.member_id = $1 AND m.coupon_no = $2 AND m.status = 'issued'",
	4, {INT8OID, INT8OID, TEXTOID, TEXTOID}
};

static Statement call_tag_remove = {
	"SELECT loyalty.tag_remove($1, t.tag) FROM loyalty.member_tag t"
	" WHERE t.member_id = $1 AND t.tag = $2 AND t.source = 'automation'",
	2, {INT8OID, TEXTOID}
};

static Statement call_message_cancel = {
	"SELECT loyalty.message_cancel($1, $2)",
	2, {INT8OID, INT8OID}
};

/* A field of an entry of the log; NULL: it has none. */
static JsonbValue *
field(JsonbValue *entry, const char *name, JsonbValue *buffer)
{
	return getKeyJsonValueFromContainer(entry->val.binary.data, name,
										strlen(name), buffer);
}

static bool
is_true(JsonbValue *entry, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *value = field(entry, name, &buffer);

	return value != NULL && value->type == jbvBool && value->val.boolean;
}

static char *
text_of(JsonbValue *entry, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *value = field(entry, name, &buffer);

	return value == NULL || value->type != jbvString ? NULL :
		pnstrdup(value->val.string.val, value->val.string.len);
}

static int64
id_of(JsonbValue *value)
{
	int64		id;

	if (value == NULL || value->type != jbvNumeric ||
		amount_parse(value->val.numeric, 0, &id) != REFUSAL_NONE)
		return 0;
	return id;
}

static Datum
reason(const RunWork *work)
{
	return CStringGetTextDatum(psprintf("automation %s: refunded",
										work->plan->automation.name));
}

static Datum
key(const RunWork *work, int64 what)
{
	return CStringGetTextDatum(psprintf("automation-" INT64_FORMAT "-undo-"
										INT64_FORMAT, work->run_id, what));
}

static int64
undo_award(const RunWork *work, JsonbValue *entry)
{
	JsonbValue	buffer;
	int64		award = id_of(field(entry, "journal_id", &buffer));
	NullableDatum args[] = {
		ARG(Int64GetDatum(work->member_id)),
		ARG(Int64GetDatum(award)),
		ARG(reason(work)),
		ARG(key(work, award))
	};

	statement_run(&call_award_undo, args, false);
	return 1;
}

/* Makes the coupons void that were not used; returns how many. */
static int64
undo_coupons(const RunWork *work, JsonbValue *entry)
{
	JsonbValue	buffer;
	JsonbValue *coupons = field(entry, "coupons", &buffer);
	int64		n = 0;

	if (coupons == NULL || coupons->type != jbvBinary)
		return 0;
	for (int i = 0; i < JsonContainerSize(coupons->val.binary.data); i++)
	{
		int64		coupon_no = id_of(getIthJsonbValueFromContainer(coupons->val.binary.data, i));
		NullableDatum args[] = {
			ARG(Int64GetDatum(work->member_id)),
			ARG(Int64GetDatum(coupon_no)),
			ARG(reason(work)),
			ARG(key(work, coupon_no))
		};

		if (statement_run(&call_coupon_void, args, false) > 0 &&
			strcmp(statement_text(0, 1), "done") == 0)
			n++;
	}
	return n;
}

static int64
undo_tag(const RunWork *work, JsonbValue *entry)
{
	char	   *tag = text_of(entry, "tag");
	NullableDatum args[2];

	if (tag == NULL || !is_true(entry, "added"))
		return 0;
	args[0] = ARG(Int64GetDatum(work->member_id));
	args[1] = ARG(CStringGetTextDatum(tag));
	return statement_run(&call_tag_remove, args, false);
}

static int64
undo_message(const RunWork *work, JsonbValue *entry)
{
	JsonbValue	buffer;
	NullableDatum args[] = {
		ARG(Int64GetDatum(work->member_id)),
		ARG(Int64GetDatum(id_of(field(entry, "message_id", &buffer))))
	};

	statement_run(&call_message_cancel, args, false);
	return DatumGetBool(statement_notnull(0, 1));
}

/* How much of what an entry tells could be taken back. */
static int64
undo_entry(const RunWork *work, JsonbValue *entry)
{
	char	   *kind = text_of(entry, "kind");

	if (strcmp(kind, "award") == 0)
		return undo_award(work, entry);
	if (strcmp(kind, "coupon") == 0)
		return undo_coupons(work, entry);
	if (strcmp(kind, "tag_add") == 0)
		return undo_tag(work, entry);
	return undo_message(work, entry);
}

void
run_undo(RunWork *work)
{
	Jsonb	   *log = work->log;

	for (int i = JB_ROOT_COUNT(log) - 1; i >= 0; i--)
	{
		JsonbValue *entry = getIthJsonbValueFromContainer(&log->root, i);
		JsonbValue	buffer;
		JsonbParseState *state;
		int64		n;

		if (!is_true(entry, "undo"))
			continue;
		n = undo_entry(work, entry);
		state = run_entry(work, id_of(field(entry, "position", &buffer)),
						  "undo");
		push_amount(&state, "undone", n, 0);
		run_log(work, end_object(&state));
	}
	work->status = "undone";
	work->reason = "refunded";
}
