/*
 * store_tag.c
 *
 * Judges a member by the conditions of tags and segments: loads what they
 * see, and writes what has come and gone.  What a member did is added up by
 * days (member_day), so that a judgement reads a year at most, and none of
 * the ledger.
 */
#include "store.h"

#include "nodes/pg_list.h"
#include "utils/builtins.h"

#include "statement.h"

/*
 * The person, and what is held.  Judged: all of the programme's members have
 * been judged by these conditions, or at least up to this one; until then
 * his days may lack what happened before there was a condition.
 */
static Statement select_portrait = {
	"SELECT m.joined_at, m.profile, r.due_on,"
	" (s.definition = $2 AND (s.done_until IS NULL OR s.done_until >= $1)),"
	" t.tags, t.sources, t.tagged, t.untils, g.segments"
	" FROM loyalty.member m"
	" LEFT JOIN loyalty.tag_review r ON r.member_id = m.member_id"
	" LEFT JOIN loyalty.tag_scan s ON s.program_id = m.program_id"
	" CROSS JOIN LATERAL (SELECT array_agg(tag) AS tags,"
	" array_agg(source) AS sources, array_agg(tagged_at) AS tagged,"
	" array_agg(coalesce(valid_until, 'infinity')) AS untils"
	" FROM loyalty.member_tag WHERE member_id = $1) t"
	" CROSS JOIN LATERAL (SELECT array_agg(segment) AS segments"
	" FROM loyalty.member_segment WHERE member_id = $1) g"
	" WHERE m.member_id = $1",
	2, {INT8OID, BYTEAOID}
};

static Statement select_days = {
	"SELECT day, kind, name, times, quantity, amount, discounted"
	" FROM loyalty.member_day WHERE member_id = $1 AND day >= $2"
	" ORDER BY array_position('{purchase,category,brand,activity}', kind),"
	" name, day",
	2, {INT8OID, DATEOID}
};

static const char *const day_kinds[] = {
	[DAY_PURCHASE] = "purchase",
	[DAY_CATEGORY] = "category",
	[DAY_BRAND] = "brand",
	[DAY_ACTIVITY] = "activity"
};

static Datum *
column_elements(int column, Oid type, int *n)
{
	Datum	   *elements;

	*n = array_elements((ArrayType *) statement_varlena(0, column), type,
						&elements);
	return elements;
}

static void
read_tags(Portrait *portrait)
{
	int			n;
	Datum	   *tags = column_elements(5, TEXTOID, &n);
	Datum	   *sources = column_elements(6, TEXTOID, &n);
	Datum	   *tagged = column_elements(7, TIMESTAMPTZOID, &n);
	Datum	   *untils = column_elements(8, TIMESTAMPTZOID, &n);

	portrait->ntags = n;
	portrait->tags = palloc0(sizeof(HeldTag) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		portrait->tags[i].tag = TextDatumGetCString(tags[i]);
		portrait->tags[i].source = TextDatumGetCString(sources[i]);
		portrait->tags[i].tagged_at = DatumGetTimestampTz(tagged[i]);
		portrait->tags[i].valid_until = DatumGetTimestampTz(untils[i]);
	}
}

/* The birthday of a profile; NULL if it has none. */
static char *
profile_birthday(const Jsonb *profile)
{
	JsonbValue	buffer;
	JsonbValue *birthday =
		getKeyJsonValueFromContainer(unconstify(JsonbContainer *,
												&profile->root),
									 "birthday", strlen("birthday"), &buffer);

	return birthday == NULL || birthday->type != jbvString ? NULL :
		pnstrdup(birthday->val.string.val, birthday->val.string.len);
}

/* Loads person, tags, segments and when he is due; not the days. */
void
store_portrait(const Decision *decision, StoredPortrait *stored,
			   bool read_only)
{
	const Program *program = decision->program;
	Portrait   *portrait = &stored->portrait;
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id)),
		ARG(PointerGetDatum(program->definition))
	};
	NameList   *segments;
	TimestampTz joined_at;
	bool		isnull;
	Datum		judged;

	memset(stored, 0, sizeof(StoredPortrait));
	if (statement_run(&select_portrait, args, read_only) != 1)
		elog(ERROR, "member " INT64_FORMAT " was not found",
			 decision->account->member_id);
	joined_at = DatumGetTimestampTz(statement_notnull(0, 1));
	portrait->profile = (Jsonb *) statement_varlena(0, 2);
	stored->due_on = statement_date_or(0, 3, DATEVAL_NOEND);
	judged = statement_value(0, 4, &isnull);
	stored->is_judged = !isnull && DatumGetBool(judged);
	read_tags(portrait);
	segments = statement_names(0, 9);
	if (segments != NULL)
		portrait->segments = *segments;

	portrait->facts.has_member = true;
	portrait->facts.joined_on = program_date(program, joined_at);
	decide_birthday(&portrait->facts, profile_birthday(portrait->profile));
}

/* The days in the result of a statement. */
static void
read_days(Portrait *portrait, int n)
{
	portrait->ndays = n;
	portrait->days = palloc(sizeof(MemberDay) * Max(portrait->ndays, 1));
	for (int i = 0; i < portrait->ndays; i++)
	{
		MemberDay  *day = &portrait->days[i];

		day->day = DatumGetDateADT(statement_notnull(i, 1));
		day->kind = word_of(statement_text(i, 2), day_kinds,
							lengthof(day_kinds));
		day->name = statement_text(i, 3);
		day->times = DatumGetInt32(statement_notnull(i, 4));
		day->quantity = DatumGetInt64(statement_notnull(i, 5));
		day->amount = DatumGetInt64(statement_notnull(i, 6));
		day->discounted = DatumGetInt32(statement_notnull(i, 7));
	}
}

/* Loads the days that count in some window on a date, and later ones. */
void
store_days(const Decision *decision, Portrait *portrait, DateADT on,
		   bool read_only)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id)),
		ARG(DateADTGetDatum(decide_days_from(on)))
	};

	if (!(decision->program->reads.parts & READS_DAYS))
		return;
	read_days(portrait, statement_run(&select_days, args, read_only));
}

/*
 * Days.
 */

/* A figure of a day: see MAX_DAY_FIGURE. */
#define FIGURE(sum) "least(" sum ", " CppAsString2(MAX_DAY_FIGURE) ")::bigint"

/* The columns of one row. */
static Statement day_columns = {
	NULL, 9, {INT8OID, DATEOID, TEXTOID, TEXTOID, INT4OID, INT4OID, INT8OID,
	INT8OID, INT4OID}
};

static Statement add_to_days = {
	"INSERT INTO loyalty.member_day AS d (member_id, day, kind, name,"
	" program_id, times, quantity, amount, discounted)"
	" SELECT * FROM unnest($1) AS r (member_id bigint, day date, kind text,"
	" name text, program_id int, times int, quantity bigint, amount bigint,"
	" discounted int)"
	" ON CONFLICT (member_id, day, kind, name) DO UPDATE SET"
	" times = d.times + excluded.times,"
	" quantity = " FIGURE("d.quantity + excluded.quantity") ","
	" amount = " FIGURE("d.amount + excluded.amount") ","
	" discounted = d.discounted + excluded.discounted",
	1, {RECORDARRAYOID}
};

/* Adds the purchases of a decision to their days. */
static void
add_days(const Decision *decision)
{
	List	   *days = NIL;
	StatementRows rows;
	NullableDatum array[1];
	ListCell   *cell;

	for (int e = 0; e < decision->nawards; e++)
		days = decide_days(decision, &decision->awards[e], days);
	if (days == NIL)
		return;
	rows_begin(&rows, &day_columns);
	foreach(cell, days)
	{
		const MemberDay *day = lfirst(cell);
		NullableDatum args[] = {
			ARG(Int64GetDatum(decision->account->member_id)),
			ARG(DateADTGetDatum(day->day)),
			ARG(CStringGetTextDatum(day_kinds[day->kind])),
			ARG(CStringGetTextDatum(day->name)),
			ARG(Int32GetDatum(decision->program->program_id)),
			ARG(Int32GetDatum(day->times)),
			ARG(Int64GetDatum(day->quantity)),
			ARG(Int64GetDatum(day->amount)),
			ARG(Int32GetDatum(day->discounted))
		};

		rows_append(&rows, args);
	}
	array[0] = ARG(rows_array(&rows));
	statement_run(&add_to_days, array, false);
}

/*
 * The days of members from the ledger: each purchase with what refunds have
 * left of it, as event_refund.c has it.  A purchase that was refunded wholly
 * did not happen.
 */
#define LOCAL_DAY(row) "(" row ".effective_at AT TIME ZONE p.time_zone)::date"

#define DAYS_FROM_LEDGER(which) \
	"WITH purchase AS (SELECT j.member_id, j.journal_id, j.program_id, j.ref," \
	" " LOCAL_DAY("j") " AS day," \
	" p.currency_scale::int AS scale, coalesce(j.amount, 0) AS amount," \
	" d.data -> 'items' AS items," \
	" CASE WHEN jsonb_typeof(d.data #> '{data,discount}') = 'number'" \
	" THEN (d.data #> '{data,discount}')::numeric > 0" \
	" ELSE false END AS discounted," \
	" least(greatest(coalesce(r.refunded, 0) - o.before, 0)," \
	" coalesce(j.amount, 0)) AS refunded" \
	" FROM unnest($1) AS w (member_id)" \
	" JOIN loyalty.journal j ON j.member_id = w.member_id" \
	" AND j.kind = 'event' AND j.event = 'purchase'" \
	" JOIN loyalty.program p ON p.program_id = j.program_id" \
	" LEFT JOIN loyalty.event_data d ON d.member_id = j.member_id" \
	" AND d.journal_id = j.journal_id" \
	" CROSS JOIN LATERAL (" \
	"SELECT coalesce(sum(e.amount) FILTER (WHERE e.journal_id < j.journal_id), 0)" \
	" AS before, coalesce(sum(e.amount), 0) AS total FROM loyalty.journal e" \
	" WHERE e.member_id = j.member_id AND e.ref = j.ref" \
	" AND e.kind = 'event') o" \
	" CROSS JOIN LATERAL (SELECT sum(e.amount) AS refunded," \
	" max(e.journal_id) AS last FROM loyalty.journal e" \
	" WHERE e.member_id = j.member_id AND e.reverses = j.ref" \
	" AND e.kind = 'refund' AND e.unit_id IS NULL) r" \
	" WHERE " LOCAL_DAY("j") " " which \
	" AND (r.last IS NULL OR r.last < j.journal_id OR r.refunded <" \
	" CASE coalesce(j.amount, 0) WHEN 0 THEN o.total" \
	" ELSE o.before + j.amount END))," \
	" returned AS (SELECT p.member_id, p.journal_id," \
	" (l.line ->> 'line')::int AS line," \
	" sum((l.line ->> 'qty')::bigint) AS qty," \
	" sum((l.line ->> 'net')::bigint) AS net" \
	" FROM purchase p JOIN loyalty.journal r ON r.member_id = p.member_id" \
	" AND r.reverses = p.ref AND r.kind = 'refund' AND r.unit_id IS NULL" \
	" JOIN loyalty.event_data d ON d.member_id = r.member_id" \
	" AND d.journal_id = r.journal_id" \
	" CROSS JOIN LATERAL jsonb_array_elements(d.data -> 'lines') AS l (line)" \
	" GROUP BY 1, 2, 3)," \
	" line AS (SELECT p.member_id, p.journal_id, l.category, l.brand," \
	" sum(l.net) OVER w < sum(l.gross) OVER w AS discounted," \
	" l.quantity - coalesce(r.qty, 0) AS qty," \
	" l.net - coalesce(r.net, 0) AS net FROM purchase p" \
	" CROSS JOIN LATERAL loyalty.event_lines(p.items, p.amount, p.scale) l" \
	" LEFT JOIN returned r ON r.member_id = p.member_id" \
	" AND r.journal_id = p.journal_id AND r.line = l.line" \
	" WINDOW w AS (PARTITION BY p.member_id, p.journal_id))," \
	" bought AS (SELECT p.member_id, p.day, p.program_id, p.journal_id," \
	" p.amount - p.refunded AS amount, coalesce(l.qty, 0) AS qty," \
	" coalesce(l.discounted, p.discounted) AS discounted" \
	" FROM purchase p LEFT JOIN (SELECT member_id, journal_id," \
	" sum(qty) AS qty, bool_or(discounted) AS discounted FROM line" \
	" GROUP BY member_id, journal_id) l USING (member_id, journal_id))," \
	" found AS (SELECT member_id, day, 'purchase' AS kind, '' AS name," \
	" program_id, count(*)::int AS times," \
	" " FIGURE("sum(qty)") " AS quantity," \
	" " FIGURE("sum(amount)") " AS amount," \
	" count(*) FILTER (WHERE discounted)::int AS discounted" \
	" FROM bought GROUP BY member_id, day, program_id" \
	" UNION ALL SELECT l.member_id, b.day, k.kind, k.name, b.program_id," \
	" count(DISTINCT l.journal_id)::int," \
	" " FIGURE("sum(l.qty)") ", " FIGURE("sum(l.net)") "," \
	" (count(DISTINCT l.journal_id) FILTER (WHERE l.discounted))::int" \
	" FROM line l JOIN bought b USING (member_id, journal_id)" \
	" CROSS JOIN LATERAL (VALUES ('category', l.category)," \
	" ('brand', l.brand)) AS k (kind, name)" \
	" WHERE k.name IS NOT NULL" \
	" GROUP BY l.member_id, b.day, k.kind, k.name, b.program_id)"

static Statement delete_days = {
	"DELETE FROM loyalty.member_day"
	" WHERE member_id = ANY ($1) AND kind <> 'activity'",
	1, {INT8ARRAYOID}
};

#define INSERT_DAYS \
	" INSERT INTO loyalty.member_day (member_id, day, kind, name, program_id," \
	" times, quantity, amount, discounted) SELECT * FROM found"

static Statement insert_days = {
	DAYS_FROM_LEDGER(">= $2") INSERT_DAYS, 2, {INT8ARRAYOID, DATEOID}
};

/* The days of orders, no earlier than one; each order is found by its index. */
static Statement select_days_of = {
	"SELECT array_agg(DISTINCT " LOCAL_DAY("j") ")"
	" FROM unnest($2) AS r (ref)"
	" CROSS JOIN LATERAL (SELECT x.program_id, x.effective_at"
	" FROM loyalty.journal x WHERE x.member_id = $1 AND x.ref = r.ref"
	" AND x.kind = 'event' AND x.event = 'purchase' LIMIT 1) j"
	" JOIN loyalty.program p USING (program_id)"
	" WHERE " LOCAL_DAY("j") " >= $3",
	3, {INT8OID, TEXTARRAYOID, DATEOID}
};

static Statement delete_days_of = {
	"DELETE FROM loyalty.member_day WHERE member_id = ANY ($1)"
	" AND day = ANY ($2) AND kind <> 'activity'",
	2, {INT8ARRAYOID, DATEARRAYOID}
};

static Statement insert_days_of = {
	DAYS_FROM_LEDGER("= ANY ($2)") INSERT_DAYS,
	2, {INT8ARRAYOID, DATEARRAYOID}
};

/* The days of a member as the ledger has them, with those of activities. */
static Statement count_days = {
	DAYS_FROM_LEDGER(">= $2")
	" SELECT * FROM (SELECT day, kind, name, times, quantity, amount,"
	" discounted FROM found"
	" UNION ALL SELECT a.day, 'activity', a.kind, a.times, 0, 0, 0"
	" FROM loyalty.activity_days($3, $2) a) x"
	" ORDER BY array_position('{purchase,category,brand,activity}', kind),"
	" name, day",
	3, {INT8ARRAYOID, DATEOID, INT8OID}
};

/* What differs between the days as they are and as the ledger has them. */
static Statement compare_days = {
	DAYS_FROM_LEDGER(">= $2")
	" SELECT member_id, concat_ws(' ', to_char(day, 'YYYY-MM-DD'), kind,"
	" nullif(name, '')),"
	" CASE WHEN d.member_id IS NOT NULL THEN concat_ws(' ', d.times,"
	" d.quantity, d.amount, d.discounted) END,"
	" CASE WHEN f.member_id IS NOT NULL THEN concat_ws(' ', f.times,"
	" f.quantity, f.amount, f.discounted) END"
	" FROM found f FULL JOIN (SELECT * FROM loyalty.member_day"
	" WHERE member_id = ANY ($1) AND day >= $2 AND kind <> 'activity') d"
	" USING (member_id, day, kind, name)"
	" WHERE (f.times, f.quantity, f.amount, f.discounted)"
	" IS DISTINCT FROM (d.times, d.quantity, d.amount, d.discounted)"
	" ORDER BY member_id, day, kind, name",
	2, {INT8ARRAYOID, DATEOID}
};

static void
days_args(const Datum *member_ids, int n, DateADT today, NullableDatum *args)
{
	args[0] = ARG(array_of(member_ids, n, INT8OID));
	args[1] = ARG(DateADTGetDatum(decide_days_from(today)));
}

/* Makes the days of members anew, those of their activities apart. */
void
store_days_anew(const Datum *member_ids, int n, DateADT today)
{
	NullableDatum args[2];

	days_args(member_ids, n, today, args);
	statement_run(&delete_days, args, false);
	statement_run(&insert_days, args, false);
}

/*
 * Loads what a member did from where it was recorded, for who asks seldom:
 * the days are kept for what tags and segments read only.
 */
void
store_days_counted(const Decision *decision, Portrait *portrait,
				   bool read_only)
{
	Datum		member_id = Int64GetDatum(decision->account->member_id);
	NullableDatum args[3];

	days_args(&member_id, 1, decision->today, args);
	args[2] = ARG(member_id);
	read_days(portrait, statement_run(&count_days, args, read_only));
}

/* Rows of member, day, what is stored and what the ledger says. */
uint64
store_days_compare(const Datum *member_ids, int n, DateADT today)
{
	NullableDatum args[2];

	days_args(member_ids, n, today, args);
	return statement_run(&compare_days, args, true);
}

/* The orders that a decision takes back, wholly or in part. */
static Datum
refunded_orders(const Decision *decision, int *n)
{
	Datum	   *refs = palloc(sizeof(Datum) * Max(decision->nrows, 1));

	*n = 0;
	for (int i = 0; i < decision->nrows; i++)
		if (strcmp(decision->rows[i]->kind, "refund") == 0)
			refs[(*n)++] = PointerGetDatum(decision->rows[i]->reverses);
	return array_of(refs, *n, TEXTOID);
}

/* Makes the days of orders anew, of which something was taken back. */
static void
days_of_orders_anew(const Decision *decision, Datum refs)
{
	Datum		member_id = Int64GetDatum(decision->account->member_id);
	NullableDatum args[3];
	bool		isnull;

	args[0] = ARG(member_id);
	args[1] = ARG(refs);
	args[2] = ARG(DateADTGetDatum(decide_days_from(decision->today)));
	statement_run(&select_days_of, args, false);
	args[1].value = statement_value(0, 1, &isnull);
	if (isnull)
		return;
	args[0] = ARG(array_of(&member_id, 1, INT8OID));
	statement_run(&delete_days_of, args, false);
	statement_run(&insert_days_of, args, false);
}

/* Brings the days up to the decision, which is stored. */
static void
bring_days(const Decision *decision, bool is_judged)
{
	Datum		member_id = Int64GetDatum(decision->account->member_id);
	int			nrefunded;
	Datum		refunded;

	if (!(decision->program->reads.parts & READS_BOUGHT))
		return;
	refunded = refunded_orders(decision, &nrefunded);
	if (is_judged && nrefunded == 0)
	{
		add_days(decision);
		return;
	}
	store_publish(decision);
	/* orders that came with a refund have days of their own */
	if (is_judged && decision->nawards == 0)
		days_of_orders_anew(decision, refunded);
	else
		store_days_anew(&member_id, 1, decision->today);
}

/*
 * What has come and gone.
 */

static Statement delete_tags = {
	"DELETE FROM loyalty.member_tag WHERE member_id = $1 AND tag = ANY ($2)",
	2, {INT8OID, TEXTARRAYOID}
};

static Statement upsert_tag = {
	"INSERT INTO loyalty.member_tag (member_id, tag, program_id, tagged_at,"
	" source, valid_until) VALUES ($1, $2, $3, $4, $5, $6)"
	" ON CONFLICT (member_id, tag) DO UPDATE SET"
	" tagged_at = excluded.tagged_at, source = excluded.source,"
	" valid_until = excluded.valid_until",
	6, {INT8OID, TEXTOID, INT4OID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID}
};

static Statement insert_tag_history = {
	"INSERT INTO loyalty.tag_history (member_id, history_id, program_id, tag,"
	" action, source, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
	7, {INT8OID, INT8OID, INT4OID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
};

static Statement delete_segments = {
	"DELETE FROM loyalty.member_segment"
	" WHERE member_id = $1 AND segment = ANY ($2)",
	2, {INT8OID, TEXTARRAYOID}
};

static Statement insert_segment = {
	"INSERT INTO loyalty.member_segment (member_id, segment, program_id,"
	" entered_at) VALUES ($1, $2, $3, $4)"
	" ON CONFLICT (member_id, segment) DO NOTHING",
	4, {INT8OID, TEXTOID, INT4OID, TIMESTAMPTZOID}
};

static Statement insert_segment_history = {
	"INSERT INTO loyalty.segment_history (member_id, history_id, program_id,"
	" segment, action, changed_at) VALUES ($1, $2, $3, $4, $5, $6)",
	6, {INT8OID, INT8OID, INT4OID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
};

/* Writes that a tag was set or removed. */
void
store_tag_history(int64 member_id, int32 program_id, const char *tag,
				  bool set, const char *source, TimestampTz at)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(Int64GetDatum(loyalty_new_id())),
		ARG(Int32GetDatum(program_id)),
		ARG(CStringGetTextDatum(tag)),
		ARG(CStringGetTextDatum(set ? "set" : "removed")),
		ARG(CStringGetTextDatum(source)),
		ARG(TimestampTzGetDatum(at))
	};

	statement_run(&insert_tag_history, args, false);
	store_hear_tag(member_id, program_id, tag, set, at);
}

/* Writes that a member has entered or left a segment. */
void
store_segment_history(int64 member_id, int32 program_id, const char *segment,
					  bool entered, TimestampTz at)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(Int64GetDatum(loyalty_new_id())),
		ARG(Int32GetDatum(program_id)),
		ARG(CStringGetTextDatum(segment)),
		ARG(CStringGetTextDatum(entered ? "entered" : "left")),
		ARG(TimestampTzGetDatum(at))
	};
	const IdList member = {1, &member_id};

	statement_run(&insert_segment_history, args, false);
	store_hear_segment(&member, program_id, segment, entered, at);
}

/* Gives a member a tag, or changes one. */
void
store_tag(int64 member_id, int32 program_id, const HeldTag *tag)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(CStringGetTextDatum(tag->tag)),
		ARG(Int32GetDatum(program_id)),
		ARG(TimestampTzGetDatum(tag->tagged_at)),
		ARG(CStringGetTextDatum(tag->source)),
		ARG_OR_NULL(TimestampTzGetDatum(tag->valid_until),
					tag->valid_until != DT_NOEND)
	};

	statement_run(&upsert_tag, args, false);
}

/* Is this the last that became of the tag or segment? */
static bool
is_last(const Portrait *portrait, const HoldingChange *change)
{
	ListCell   *cell;
	const HoldingChange *last = NULL;

	foreach(cell, portrait->changes)
	{
		const HoldingChange *other = lfirst(cell);

		if (other->is_segment == change->is_segment &&
			strcmp(other->name, change->name) == 0)
			last = other;
	}
	return last == change;
}

/* Deletes the tags, or the segments, that are gone. */
static void
delete_gone(const Decision *decision, const Portrait *portrait,
			bool is_segment)
{
	int			n = 0;
	Datum	   *names = palloc(sizeof(Datum) * list_length(portrait->changes));
	NullableDatum args[2];
	ListCell   *cell;

	foreach(cell, portrait->changes)
	{
		const HoldingChange *change = lfirst(cell);

		if (change->is_segment == is_segment && !change->set &&
			is_last(portrait, change))
			names[n++] = CStringGetTextDatum(change->name);
	}
	if (n == 0)
		return;
	args[0] = ARG(Int64GetDatum(decision->account->member_id));
	args[1] = ARG(array_of(names, n, TEXTOID));
	statement_run(is_segment ? &delete_segments : &delete_tags, args, false);
}

static void
store_change(const Decision *decision, const HoldingChange *change,
			 bool is_last_one)
{
	int64		member_id = decision->account->member_id;
	int32		program_id = decision->program->program_id;

	if (!change->is_segment)
	{
		store_tag_history(member_id, program_id, change->name, change->set,
						  change->source, change->at);
		return;
	}
	store_segment_history(member_id, program_id, change->name, change->set,
						  change->at);
	if (change->set && is_last_one)
	{
		NullableDatum args[] = {
			ARG(Int64GetDatum(member_id)),
			ARG(CStringGetTextDatum(change->name)),
			ARG(Int32GetDatum(program_id)),
			ARG(TimestampTzGetDatum(change->at))
		};

		statement_run(&insert_segment, args, false);
	}
}

/* Writes what was judged; returns how much has come and gone. */
int
store_judgement(const Decision *decision, const Portrait *portrait)
{
	ListCell   *cell;

	for (int i = 0; i < portrait->ntags; i++)
		if (portrait->tags[i].changed)
			store_tag(decision->account->member_id,
					  decision->program->program_id, &portrait->tags[i]);
	if (portrait->changes == NIL)
		return 0;
	delete_gone(decision, portrait, false);
	delete_gone(decision, portrait, true);
	foreach(cell, portrait->changes)
		store_change(decision, lfirst(cell), is_last(portrait, lfirst(cell)));
	return list_length(portrait->changes);
}

/*
 * When he is judged again.
 */

static Statement lower_review = {
	"INSERT INTO loyalty.tag_review AS r (member_id, program_id, due_on)"
	" VALUES ($1, $2, $3) ON CONFLICT (member_id)"
	" DO UPDATE SET due_on = least(r.due_on, excluded.due_on)",
	3, {INT8OID, INT4OID, DATEOID}
};

static Statement set_review = {
	"UPDATE loyalty.tag_review SET due_on = $3"
	" WHERE member_id = $1 AND program_id = $2",
	3, {INT8OID, INT4OID, DATEOID}
};

static Statement delete_review = {
	"DELETE FROM loyalty.tag_review WHERE member_id = $1",
	1, {INT8OID}
};

static Statement lock_review = {
	"SELECT FROM loyalty.tag_review WHERE member_id = $1 FOR UPDATE",
	1, {INT8OID}
};

/*
 * Keeps others from noting that the member is due: what they note later is
 * not lost, and what they have noted is seen from here on.  False if there is
 * no such note.
 */
static bool
lock_member_review(const Decision *decision)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id))
	};

	return statement_run(&lock_review, args, false) > 0;
}

/* Notes when he is due next, exactly, if his row is locked; or no later. */
static void
store_review(const Decision *decision, DateADT due_on, bool is_locked)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id)),
		ARG(Int32GetDatum(decision->program->program_id)),
		ARG(DateADTGetDatum(due_on))
	};

	if (due_on != DATEVAL_NOEND)
		statement_run(is_locked ? &set_review : &lower_review, args, false);
	else if (is_locked)
		statement_run(&delete_review, args, false);
}

/* Lets the member be judged on a date, if not earlier. */
void
store_judge_by(const Decision *decision, DateADT due_on)
{
	store_review(decision, due_on, false);
}

/* Has the member done something today that no call has judged yet? */
static bool
was_active(const Decision *decision, const Portrait *portrait)
{
	for (int i = 0; i < portrait->ndays; i++)
		if (portrait->days[i].kind == DAY_ACTIVITY &&
			portrait->days[i].day == decision->today)
			return true;
	return false;
}

/*
 * Judges the dates on which time may have changed something, one after the
 * other, up to today: what it changed has come on that date.
 */
static void
catch_up(const Decision *decision, Portrait *portrait, DateADT due_on)
{
	const Program *program = decision->program;

	while (due_on <= decision->today)
	{
		TimestampTz midnight = program_midnight(program, due_on);
		bool		by_activity = due_on == decision->today &&
			was_active(decision, portrait);

		decide_judge(decision, portrait, due_on, midnight,
					 by_activity ? decision->now : midnight);
		due_on = decide_judge_due(decision, portrait, due_on);
	}
}

/*
 * Does anything judge the member of a decision?  Always the newest programme:
 * a transaction may go on with an older one, but who has been judged by the
 * newest must not be judged by another.
 */
static bool
find_conditions(Decision *decision)
{
	const Program *program = program_newest(decision->program);

	if (program == NULL || program->ntags + program->nsegments == 0)
		return false;
	decision->program = program;
	return true;
}

/* Can the rows of the decision have changed what conditions see? */
static bool
is_of_interest(const Decision *decision)
{
	static const char *const kinds[] = {
		"event", "refund", "import", "identity_add"
	};
	int			parts = decision->program->reads.parts;

	for (int i = 0; i < decision->nrows; i++)
	{
		const JournalRow *row = decision->rows[i];

		for (int k = 0; k < lengthof(kinds); k++)
			if (strcmp(row->kind, kinds[k]) == 0)
				return true;
		/* a plan that begins later makes due, and changes nothing yet */
		if ((parts & READS_TIER) &&
			strncmp(row->kind, "plan_", strlen("plan_")) == 0)
			return true;
		/* a right that is used is counted, without an entry */
		if ((parts & READS_COUNTERS) &&
			(row->npostings > 0 ||
			 strncmp(row->kind, "benefit_", strlen("benefit_")) == 0))
			return true;
		/* coupons that are reserved make due as a hold does */
		if ((parts & READS_COUNTERS) &&
			strcmp(row->kind, "checkout_reserve") == 0)
			return true;
		if (row->nchanges > 0)
			return true;
	}
	return false;
}

/* A copy of the account as it is before a call, if that will be judged. */
Account *
store_before(const Decision *decision)
{
	Account    *before;

	if (decision->program->ntags + decision->program->nsegments == 0)
		return NULL;
	before = palloc(sizeof(Account));
	*before = *decision->account;
	wallet_copy(&decision->account->wallet, &before->wallet);
	return before;
}

/*
 * Loads what tells when he is due, beside person and days: a plan that begins
 * later gives its tier then, and a call that has nothing to do with plans has
 * not loaded it.
 */
void
store_load_prospects(Decision *decision, bool read_only)
{
	if (decision->program->reads.parts & READS_TIER)
		store_load_periods(decision, read_only);
}

/*
 * Judges a member whose account is locked, and writes the outcome.  before:
 * the account as it was until `at`, or NULL.
 */
static int
judge(Decision *decision, const Account *before, TimestampTz at, bool bring)
{
	StoredPortrait stored;
	Portrait   *portrait = &stored.portrait;
	bool		is_due;
	DateADT		due_on;

	store_portrait(decision, &stored, false);
	store_load_prospects(decision, false);
	is_due = stored.is_judged && stored.due_on <= decision->today;
	if (is_due)
	{
		Decision	past = *decision;

		if (before != NULL)
			past.account = unconstify(Account *, before);
		lock_member_review(decision);
		store_days(decision, portrait, stored.due_on, false);
		catch_up(&past, portrait, stored.due_on);
	}
	if (bring)
		bring_days(decision, stored.is_judged);
	store_days(decision, portrait, decision->today, false);
	decide_judge(decision, portrait, decision->today, decision->now, at);
	due_on = decide_judge_due(decision, portrait, decision->today);
	if (is_due || due_on < stored.due_on)
		store_review(decision, due_on, is_due);
	return store_judgement(decision, portrait);
}

/*
 * Judges the member of a decision that was stored: his tags, then his
 * segments.  at: when it happened.
 */
void
store_judge(const Decision *decision, const Account *before, TimestampTz at)
{
	Decision	newest = *decision;

	if (decision->nrows > 0 && find_conditions(&newest) &&
		is_of_interest(&newest))
		judge(&newest, before, at, true);
}

/* The same when something else than his books has changed. */
void
store_judge_holdings(const Decision *decision, TimestampTz at)
{
	Decision	newest = *decision;

	if (find_conditions(&newest))
		judge(&newest, NULL, at, false);
}

/*
 * Judges a member whose account is locked and settled in memory, because he
 * is due, or, anew, by conditions that may have changed: then his days have
 * been made anew.  Returns how much has come and gone.
 */
int
store_judge_again(Decision *decision, bool anew)
{
	StoredPortrait stored;
	Portrait   *portrait = &stored.portrait;
	bool		is_locked = lock_member_review(decision);

	store_portrait(decision, &stored, false);
	store_load_prospects(decision, false);
	if (!anew)
	{
		store_days(decision, portrait, Min(stored.due_on, decision->today),
				   false);
		catch_up(decision, portrait, stored.due_on);
	}
	store_days(decision, portrait, decision->today, false);
	decide_judge(decision, portrait, decision->today, decision->now,
				 decision->now);
	store_review(decision,
				 decide_judge_due(decision, portrait, decision->today),
				 is_locked);
	return store_judgement(decision, portrait);
}
