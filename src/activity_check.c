/*
 * activity_check.c
 *
 * What an activity may be.  A bad one is rejected by itself, so that it takes
 * none of its batch with it.
 */
#include "activity.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"

#define MAX_TARGET_BYTES 2048
#define MAX_NAME_BYTES 255
#define MAX_WORD_BYTES 63
#define MAX_DATA_BYTES (64 * 1024)

/* Rejects it; false.  detail may be NULL. */
bool
activity_refuse(Activity *activity, Refusal refusal, const char *detail)
{
	activity->status = ACTIVITY_REJECTED;
	activity->refusal = refusal;
	activity->sqlstate = refusal_sqlstate(refusal);
	activity->detail = detail == NULL ? NULL : clipped(detail);
	return false;
}

/* The same with a code of PostgreSQL's own. */
static bool
reject(Activity *activity, int sqlstate, const char *detail)
{
	activity->status = ACTIVITY_REJECTED;
	activity->refusal = REFUSAL_NONE;
	activity->sqlstate = sqlstate;
	activity->detail = detail;
	return false;
}

/* Raises why it was rejected. */
void
activity_raise(const Activity *activity)
{
	if (activity->refusal != REFUSAL_NONE)
		refusal_raise(activity->refusal,
					  activity->detail ? activity->detail : "");
	ereport(ERROR,
			(errcode(activity->sqlstate),
			 errmsg("%s", activity->detail)));
}

/* What is wrong with a name, as the end of a sentence; NULL if nothing. */
const char *
activity_text_problem(const text *value, int max_bytes)
{
	const unsigned char *bytes = (const unsigned char *) VARDATA_ANY(value);
	Size		length = VARSIZE_ANY_EXHDR(value);

	if (length == 0)
		return "is empty";
	if (length > max_bytes)
		return psprintf("has %zu bytes, at most %d", length, max_bytes);
	for (Size i = 0; i < length; i++)
		if (bytes[i] < 0x20 || bytes[i] == 0x7f)
			return "contains a control character";
	return NULL;
}

static const struct
{
	ActivityField field;
	const char *name;
	int			max_bytes;
}			names[] = {
	{FIELD_TARGET_KIND, "target_kind", MAX_WORD_BYTES},
	{FIELD_TARGET, "target", MAX_TARGET_BYTES},
	{FIELD_SESSION, "session", MAX_NAME_BYTES},
	{FIELD_CHANNEL, "channel", MAX_NAME_BYTES}
};

static bool
check_names(Activity *activity)
{
	for (int i = 0; i < lengthof(names); i++)
	{
		NullableDatum *value = &activity->fields[names[i].field];
		const char *problem;
		text	   *name;

		if (value->isnull)
			continue;
		name = DatumGetTextPP(value->value);
		problem = activity_text_problem(name, names[i].max_bytes);
		if (problem == NULL)
			continue;
		problem = psprintf("%s %s", names[i].name, problem);
		if (VARSIZE_ANY_EXHDR(name) > names[i].max_bytes)
			return activity_refuse(activity, REFUSAL_INPUT_TOO_LARGE, problem);
		return reject(activity, ERRCODE_INVALID_PARAMETER_VALUE, problem);
	}
	return true;
}

static bool
check_key(Activity *activity)
{
	NullableDatum *key = &activity->fields[FIELD_KEY];
	const char *problem;

	if (key->isnull)
		return true;
	key->value = PointerGetDatum(DatumGetTextPP(key->value));
	problem = activity_text_problem(DatumGetTextPP(key->value),
									MAX_NAME_BYTES);
	if (problem != NULL)
		return activity_refuse(activity, REFUSAL_KEY_INVALID,
							   psprintf("key %s", problem));
	return true;
}

static int
compare_kind(const void *name, const void *kind)
{
	return strcmp(name, ((const ActivityKind *) kind)->name);
}

static bool
check_kind(const Tracking *tracking, Activity *activity)
{
	const NullableDatum *kind = &activity->fields[FIELD_KIND];
	char	   *name;

	if (kind->isnull)
		return reject(activity, ERRCODE_NULL_VALUE_NOT_ALLOWED,
					  "kind must not be null");
	name = TextDatumGetCString(kind->value);
	activity->kind = bsearch(name, tracking->kinds, tracking->nkinds,
							 sizeof(ActivityKind), compare_kind);
	if (activity->kind == NULL)
		return activity_refuse(activity, REFUSAL_UNKNOWN_ACTIVITY,
							   psprintf("kind=%s", clipped(name)));
	return true;
}

static bool
check_dwell(Activity *activity)
{
	const NullableDatum *dwell = &activity->fields[FIELD_DWELL_SECONDS];

	if (!dwell->isnull && DatumGetInt32(dwell->value) < 0)
		return reject(activity, ERRCODE_INVALID_PARAMETER_VALUE,
					  "dwell_seconds must not be negative");
	return true;
}

static bool
check_data(Activity *activity)
{
	NullableDatum *data = &activity->fields[FIELD_DATA];
	Jsonb	   *json;

	if (data->isnull)
		return true;
	json = DatumGetJsonbP(data->value);
	data->value = JsonbPGetDatum(json);
	if (VARSIZE(json) > MAX_DATA_BYTES)
		return activity_refuse(activity, REFUSAL_INPUT_TOO_LARGE,
							   psprintf("data has %d bytes, at most %d",
										(int) VARSIZE(json), MAX_DATA_BYTES));
	if (!JB_ROOT_IS_OBJECT(json))
		return activity_refuse(activity, REFUSAL_DATA_INVALID,
							   "data must be a json object");
	return true;
}

static bool
check_time(const Tracking *tracking, Activity *activity)
{
	const NullableDatum *at = &activity->fields[FIELD_AT];

	activity->at = at->isnull ? tracking->now :
		DatumGetTimestampTz(at->value);
	if (TIMESTAMP_NOT_FINITE(activity->at))
		return activity_refuse(activity, REFUSAL_TIME_NOT_FINITE,
							   psprintf("at=%s",
										timestamptz_to_str(activity->at)));
	if (activity->at < SetEpochTimestamp())
		return activity_refuse(activity, REFUSAL_PERIOD_CLOSED,
							   psprintf("at=%s lies before 1970",
										timestamptz_to_str(activity->at)));
	if (activity->at > tracking->now + USECS_PER_DAY)
		return activity_refuse(activity, REFUSAL_TIME_IN_FUTURE,
							   psprintf("at=%s",
										timestamptz_to_str(activity->at)));
	return true;
}

static bool
check_owner(Activity *activity)
{
	const char *problem;

	if (activity->member_id.isnull == activity->visitor.isnull)
		return reject(activity, activity->member_id.isnull ?
					  ERRCODE_NULL_VALUE_NOT_ALLOWED :
					  ERRCODE_INVALID_PARAMETER_VALUE,
					  "either member_id or visitor must be given");
	if (activity->visitor.isnull)
	{
		activity->owner = DatumGetInt64(activity->member_id.value);
		return true;
	}
	problem = activity_text_problem(DatumGetTextPP(activity->visitor.value),
									MAX_VISITOR_BYTES);
	if (problem != NULL)
		return activity_refuse(activity, REFUSAL_IDENTITY_MALFORMED,
							   psprintf("visitor %s", problem));
	return true;
}

/* Rejects what is malformed, and finds its kind and time. */
void
activity_check(const Tracking *tracking, Activity *activity)
{
	if (check_owner(activity) &&
		check_kind(tracking, activity) &&
		check_names(activity) &&
		check_dwell(activity) &&
		check_data(activity) &&
		check_time(tracking, activity))
		check_key(activity);
}
