/*
 * activity_day.c
 *
 * The part of loyalty.member_day that counts activities: for programmes with a
 * condition that looks at it, added up while activities are tracked, and made
 * good for members when such a condition is new or a visitor joins.
 *
 * What is no longer kept is not counted anew; what was counted stays, after
 * the activities themselves are gone.
 */
#include "activity.h"

#include "utils/builtins.h"

#include "store.h"

static Statement add_days = {
	"INSERT INTO loyalty.member_day AS d (member_id, day, kind, name,"
	" program_id, times)"
	" SELECT r.member_id, r.day, 'activity', r.name, r.program_id, r.times"
	" FROM unnest($1) AS r (member_id bigint, day date, name text,"
	" program_id int, times int)"
	" ORDER BY r.member_id, r.day, r.name COLLATE \"C\""
	" ON CONFLICT (member_id, day, kind, name)"
	" DO UPDATE SET times = d.times + excluded.times",
	1, {RECORDARRAYOID}
};

/* The columns of one of them. */
static Statement add_day = {
	NULL, 5, {INT8OID, DATEOID, TEXTOID, INT4OID, INT4OID}
};

/* Is nothing deleted of a day?  How long a kind is kept may have changed. */
#define IS_KEPT(day, kind) \
	"NOT EXISTS (SELECT FROM loyalty.activity_expired x" \
	" WHERE x.program_id = $2 AND x.kind = " kind " AND x.before > " day ")"

/*
 * Where what is stored is not what is counted from the activities, as far back
 * as conditions look and activities are kept.
 */
#define DIFFERENCES \
	"SELECT member_id, day, name, c.times AS counted, e.times AS stored" \
	" FROM (SELECT a.member_id, a.day, a.kind AS name," \
	" count(*)::int AS times FROM (SELECT member_id, kind," \
	" (at AT TIME ZONE (SELECT time_zone FROM loyalty.program" \
	" WHERE program_id = $2))::date AS day" \
	" FROM loyalty.activity WHERE member_id = ANY ($1)" \
	" AND program_id = $2) a" \
	" JOIN loyalty.activity_kind k ON k.program_id = $2 AND k.kind = a.kind" \
	" WHERE a.day >= $4 AND (k.retain_days IS NULL" \
	" OR a.day >= $3 - k.retain_days) AND " IS_KEPT("a.day", "a.kind") \
	" GROUP BY a.member_id, a.day, a.kind) c" \
	" FULL JOIN (SELECT y.member_id, y.day, y.name, y.times" \
	" FROM loyalty.member_day y" \
	" JOIN loyalty.activity_kind k ON k.program_id = $2 AND k.kind = y.name" \
	" WHERE y.member_id = ANY ($1) AND y.kind = 'activity' AND y.day >= $4" \
	" AND (k.retain_days IS NULL OR y.day >= $3 - k.retain_days)" \
	" AND " IS_KEPT("y.day", "y.name") ") e" \
	" USING (member_id, day, name)" \
	" WHERE coalesce(c.times, 0) <> coalesce(e.times, 0)"

/*
 * Both are of one snapshot, in which whoever tracks has written both or
 * nothing; the difference is added to the latest count.
 */
static Statement add_missing = {
	"INSERT INTO loyalty.member_day AS d (member_id, day, kind, name,"
	" program_id, times)"
	" SELECT member_id, day, 'activity', name, $2,"
	" coalesce(counted, 0) - coalesce(stored, 0)"
	" FROM (" DIFFERENCES ") x"
	" ORDER BY member_id, day, name COLLATE \"C\""
	" ON CONFLICT (member_id, day, kind, name)"
	" DO UPDATE SET times = d.times + excluded.times",
	4, {INT8ARRAYOID, INT4OID, DATEOID, DATEOID}
};

static Statement select_differences = {
	"SELECT member_id, concat_ws(' ', to_char(day, 'YYYY-MM-DD'),"
	" 'activity', name), stored::text, counted::text FROM (" DIFFERENCES ") x"
	" ORDER BY member_id, day, name",
	4, {INT8ARRAYOID, INT4OID, DATEOID, DATEOID}
};

static Statement review_today = {
	"INSERT INTO loyalty.tag_review AS t (member_id, program_id, due_on)"
	" SELECT m, $2, $3 FROM unnest($1) AS m ORDER BY m"
	" ON CONFLICT (member_id) DO UPDATE SET due_on = excluded.due_on"
	" WHERE t.due_on > excluded.due_on",
	3, {INT8ARRAYOID, INT4OID, DATEOID}
};

/* What is added to one row of member_day. */
typedef struct Count
{
	int64		member_id;
	DateADT		day;
	const char *name;
	int			times;
} Count;

static int
compare_counts(const void *a, const void *b)
{
	const Count *x = a;
	const Count *y = b;

	if (x->member_id != y->member_id)
		return x->member_id < y->member_id ? -1 : 1;
	if (x->day != y->day)
		return x->day < y->day ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* The counts of the new activities of members, in order. */
static Count *
counts_of(const Tracking *tracking, int *n)
{
	Count	   *counts = palloc(sizeof(Count) * Max(tracking->n, 1));
	int			kept = 0;

	*n = 0;
	for (int i = 0; i < tracking->n; i++)
	{
		const Activity *activity = &tracking->activities[i];
		Count	   *count = &counts[*n];

		if (activity->status != ACTIVITY_DONE || activity->anonymous)
			continue;
		count->member_id = activity->owner;
		count->day = program_date(tracking->program, activity->at);
		count->name = activity->kind->name;
		count->times = 1;
		*n += count->day >= activity->kind->kept_from;
	}
	qsort(counts, *n, sizeof(Count), compare_counts);
	for (int i = 0; i < *n; i++)
	{
		if (kept > 0 && compare_counts(&counts[kept - 1], &counts[i]) == 0)
			counts[kept - 1].times++;
		else
			counts[kept++] = counts[i];
	}
	*n = kept;
	return counts;
}

static void
add_counts(const Program *program, const Count *counts, int n)
{
	StatementRows rows;
	NullableDatum array[1];

	rows_begin(&rows, &add_day);
	for (int i = 0; i < n; i++)
	{
		NullableDatum args[] = {
			ARG(Int64GetDatum(counts[i].member_id)),
			ARG(DateADTGetDatum(counts[i].day)),
			ARG(CStringGetTextDatum(counts[i].name)),
			ARG(Int32GetDatum(program->program_id)),
			ARG(Int32GetDatum(counts[i].times))
		};

		rows_append(&rows, args);
	}
	array[0] = ARG(rows_array(&rows));
	statement_run(&add_days, array, false);
}

/* The members of counts, which are in their order. */
static Datum
members_of(const Count *counts, int n)
{
	Datum	   *ids = palloc(sizeof(Datum) * n);
	int			nids = 0;

	for (int i = 0; i < n; i++)
		if (i == 0 || counts[i - 1].member_id != counts[i].member_id)
			ids[nids++] = Int64GetDatum(counts[i].member_id);
	return array_of(ids, nids, INT8OID);
}

/*
 * Has members judged again, by their next event or by tag_refresh().  Comes
 * before their days are counted: whoever judges locks the review, too, and so
 * misses nothing.
 */
void
activity_judge_again(const Program *program, Datum member_ids)
{
	NullableDatum args[] = {
		ARG(member_ids),
		ARG(Int32GetDatum(program->program_id)),
		ARG(DateADTGetDatum(program_date(program, loyalty_clock())))
	};

	statement_run(&review_today, args, false);
}

/*
 * Counts what has been tracked, if anybody asks, and has its members judged
 * again.  Locks their reviews and days, in ascending order, and no account.
 */
void
activity_count(const Tracking *tracking)
{
	const Program *program = program_newest(tracking->program);
	int			n;
	Count	   *counts;

	if (program == NULL || !(program->reads.parts & READS_ACTIVITIES))
		return;
	counts = counts_of(tracking, &n);
	if (n == 0)
		return;
	activity_judge_again(program, members_of(counts, n));
	add_counts(program, counts, n);
}

static void
difference_args(const Program *program, Datum member_ids,
				NullableDatum *args)
{
	DateADT		today = program_date(program, loyalty_clock());

	args[0] = ARG(member_ids);
	args[1] = ARG(Int32GetDatum(program->program_id));
	args[2] = ARG(DateADTGetDatum(today));
	args[3] = ARG(DateADTGetDatum(decide_days_from(today)));
}

/*
 * Adds what the days of members (bigint[]) do not count yet.  Several at
 * once, and beside what is being tracked, come to the right sums; no lock is
 * assumed.
 */
void
activity_recount(const Program *program, Datum member_ids)
{
	NullableDatum args[4];

	difference_args(program, member_ids, args);
	statement_run(&add_missing, args, false);
}

/* Rows of member, day, what is counted and what is there. */
uint64
activity_compare(const Program *program, Datum member_ids)
{
	NullableDatum args[4];

	difference_args(program, member_ids, args);
	return statement_run(&select_differences, args, true);
}
