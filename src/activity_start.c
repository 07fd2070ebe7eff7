/*
 * activity_start.c
 *
 * Starts what automations start when a member does something.
 */
#include "activity.h"

#include "utils/builtins.h"

#include "decide_document.h"
#include "store.h"

static const char *
field_text(const Activity *activity, ActivityField field)
{
	const NullableDatum *value = &activity->fields[field];

	return value->isnull ? NULL : TextDatumGetCString(value->value);
}

/* Names and ids; what may be personal stays in the activity. */
static Jsonb *
facts_of(const Activity *activity)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_cstring(&state, "activity", activity->kind->name);
	push_cstring(&state, "target_kind",
				 field_text(activity, FIELD_TARGET_KIND));
	push_cstring(&state, "target", field_text(activity, FIELD_TARGET));
	push_cstring(&state, "channel", field_text(activity, FIELD_CHANNEL));
	return end_object(&state);
}

/* The n-th automation that starts by what members do. */
static const Automation *
listener(const Program *program, int n)
{
	return &program->automations.list[program->automations.first[TRIGGER_ACTIVITY] + n];
}

static bool
restarts(const Program *program, const Activity *activity)
{
	for (int i = 0; i < program->automations.count[TRIGGER_ACTIVITY]; i++)
		if (listener(program, i)->restarts &&
			automation_listens(listener(program, i), activity->kind->name))
			return true;
	return false;
}

static int
compare_ids(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/*
 * Locks the accounts of those for whom a run may begin anew, before anything
 * is written: whether one waits still must not change meanwhile.
 */
void
activity_lock(const Tracking *tracking)
{
	IdList		members = {0, palloc(sizeof(int64) * Max(tracking->n, 1))};
	int			kept = 0;

	if (tracking->program->automations.count[TRIGGER_ACTIVITY] == 0)
		return;
	for (int i = 0; i < tracking->n; i++)
	{
		const Activity *activity = &tracking->activities[i];

		if (activity->status == ACTIVITY_PENDING && !activity->anonymous &&
			restarts(tracking->program, activity))
			members.ids[members.n++] = activity->owner;
	}
	if (members.n == 0)
		return;
	qsort(members.ids, members.n, sizeof(int64), compare_ids);
	for (int i = 0; i < members.n; i++)
		if (i == 0 || members.ids[i] != members.ids[i - 1])
			members.ids[kept++] = members.ids[i];
	members.n = kept;
	account_lock_ids(tracking->program->program_id, &members);
}

/* Adds the runs of one activity that was kept. */
static void
hear(RunStarts *starts, const Activity *activity)
{
	for (int i = 0;
		 i < starts->program->automations.count[TRIGGER_ACTIVITY]; i++)
	{
		const Automation *one = listener(starts->program, i);

		if (automation_listens(one, activity->kind->name))
			store_runs_add(starts, one, activity->owner,
						   psprintf(INT64_FORMAT, activity->activity_id),
						   activity->at, 0, facts_of(activity));
	}
}

/* Starts what was kept starts. */
void
activity_start(const Tracking *tracking)
{
	RunStarts	starts;

	if (tracking->program->automations.count[TRIGGER_ACTIVITY] == 0)
		return;
	store_runs_begin(&starts, tracking->program, tracking->now);
	for (int i = 0; i < tracking->n; i++)
	{
		const Activity *activity = &tracking->activities[i];

		if (activity->status == ACTIVITY_DONE && !activity->anonymous)
			hear(&starts, activity);
	}
	store_runs_flush(&starts);
}
