/*
 * event_coupon_batch.c
 *
 * Coupons of many members: issued to a segment, and released where a
 * reservation has timed out.
 */
#include "event_coupon.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "campaign.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_coupon_issue_segment);
PG_FUNCTION_INFO_V1(loyalty_coupon_release);

#define MAX_BATCH 100000
#define MAX_REF_BYTES 255

static Statement select_segment = {
	"SELECT FROM loyalty.segment WHERE program_id = $1 AND name = $2",
	2, {INT4OID, TEXTOID}
};

static Statement select_members = {
	"SELECT member_id FROM loyalty.member_segment"
	" WHERE program_id = $1 AND segment = $2 AND member_id > $3"
	" ORDER BY member_id LIMIT $4",
	4, {INT4OID, TEXTOID, INT8OID, INT4OID}
};

/*
 * Of those whose accounts are locked: who is in the segment still, is no
 * former member, has not been issued it by this reference, and may have it.
 */
static Statement select_entitled = {
	"SELECT a.member_id FROM loyalty.account a"
	" WHERE a.member_id = ANY ($1) AND a.program_id = $2"
	" AND a.status IN ('active', 'frozen')"
	" AND EXISTS (SELECT FROM loyalty.member_segment s"
	" WHERE s.member_id = a.member_id AND s.segment = $3)"
	" AND NOT EXISTS (SELECT FROM loyalty.journal j"
	" WHERE j.member_id = a.member_id AND j.ref = $4"
	" AND j.kind = 'coupon_issue' AND j.event = $5)"
	" AND ($6 IS NULL OR (SELECT count(*) FROM loyalty.member_coupon m"
	" WHERE m.member_id = a.member_id AND m.coupon_id = $7"
	" AND m.status <> 'void') < $6)"
	" ORDER BY a.member_id",
	7, {INT8ARRAYOID, INT4OID, TEXTOID, TEXTOID, TEXTOID, INT4OID, INT4OID}
};

/* An issue to a segment, as far as it has come. */
typedef struct SegmentIssue
{
	const Program *program;
	CouponIssue issue;
	char	   *segment;
	text	   *ref;
	TimestampTz now;
	int64		last_member_id;
	int64		issued;
	int64		skipped;
} SegmentIssue;

static void
begin(void)
{
	MemoryContext caller = CurrentMemoryContext;

	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
}

static const Program *
find_program(text *name)
{
	const Program *program = program_find(text_to_cstring(name));

	if (program == NULL)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s",
							   clipped(text_to_cstring(name))));
	return program;
}

static int
read_batch(int batch)
{
	if (batch < 1 || batch > MAX_BATCH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch must lie between 1 and %d", MAX_BATCH)));
	return batch;
}

/* As the reference of any other call. */
static void
check_ref(const text *ref)
{
	const unsigned char *bytes = (const unsigned char *) VARDATA_ANY(ref);
	Size		length = VARSIZE_ANY_EXHDR(ref);

	if (length == 0 || length > MAX_REF_BYTES)
		refusal_raise(REFUSAL_REF_INVALID,
					  psprintf("ref has %zu bytes, at least 1, at most %d",
							   length, MAX_REF_BYTES));
	for (Size i = 0; i < length; i++)
		if (bytes[i] < 0x20 || bytes[i] == 0x7f)
			refusal_raise(REFUSAL_REF_INVALID,
						  "ref contains a control character");
}

/* Ids in the first column of the last result. */
static IdList
read_ids(uint64 n)
{
	IdList		list = {n, palloc(sizeof(int64) * Max(n, 1))};

	for (uint64 i = 0; i < n; i++)
		list.ids[i] = DatumGetInt64(statement_notnull(i, 1));
	return list;
}

/*
 * Finds the template and judges what is the same of all members.  Raises:
 * there is no receipt.
 */
static void
find_issue(SegmentIssue *work, const char *name)
{
	const Coupon *coupon = program_coupon(work->program, name);
	char	   *detail = psprintf("coupon=%s", clipped(name));

	if (!work->program->active)
		refusal_raise(REFUSAL_PROGRAM_INACTIVE,
					  psprintf("program_id=%d", work->program->program_id));
	if (coupon == NULL)
		refusal_raise(REFUSAL_UNKNOWN_COUPON, detail);
	if (!coupon->active)
		refusal_raise(REFUSAL_DISABLED, detail);
	if ((coupon->campaign != NULL && work->now >= coupon->campaign->ends_at) ||
		!store_coupon_dates(coupon, program_date(work->program, work->now),
							&work->issue.valid_from,
							&work->issue.valid_until))
		refusal_raise(REFUSAL_EXPIRED, detail);
	work->issue.coupon = coupon;
	work->issue.source = "segment";
	work->issue.max_uses = coupon->max_uses;
}

static void
require_segment(const SegmentIssue *work)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(work->program->program_id)),
		ARG(CStringGetTextDatum(work->segment))
	};

	if (statement_run(&select_segment, args, false) == 0)
		refusal_raise(REFUSAL_UNKNOWN_SEGMENT,
					  psprintf("segment=%s", clipped(work->segment)));
}

/* The next members of the segment. */
static IdList
next_members(const SegmentIssue *work, int batch)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(work->program->program_id)),
		ARG(CStringGetTextDatum(work->segment)),
		ARG(Int64GetDatum(work->last_member_id)),
		ARG(Int32GetDatum(batch))
	};

	return read_ids(statement_run(&select_members, args, false));
}

/* Locks the accounts of members and finds out who of them gets a coupon. */
static IdList
lock_entitled(const SegmentIssue *work, const IdList *members)
{
	const Coupon *coupon = work->issue.coupon;
	IdList		locked = account_lock_ids(work->program->program_id, members);
	NullableDatum args[] = {
		ARG(id_array(&locked)),
		ARG(Int32GetDatum(work->program->program_id)),
		ARG(CStringGetTextDatum(work->segment)),
		ARG(PointerGetDatum(work->ref)),
		ARG(CStringGetTextDatum(coupon->name)),
		ARG_OR_NULL(Int32GetDatum(coupon->claims), coupon->claims > 0),
		ARG(Int32GetDatum(coupon->coupon_id))
	};

	return read_ids(statement_run(&select_entitled, args, false));
}

/* The row of one member, as the call for that member alone would make it. */
static JournalRow *
issue_row(const SegmentIssue *work, int64 member_id)
{
	JournalRow *row = journal_row_make(member_id, "coupon_issue", work->now);
	Decision	decision = {.program = work->program};
	CouponNews	news = {
		.code = "coupon_issued",
		.coupon = work->issue.coupon,
		.discount = -1,
		.until = work->issue.valid_until
	};

	row->journal_id = loyalty_new_id();
	row->event = work->issue.coupon->name;
	row->ref = work->ref;
	row->has_amount = true;
	row->amount = 1;
	store_coupon_tell(&decision, row, &news);
	return row;
}

static void
issue_to(SegmentIssue *work, const IdList *members, int n)
{
	JournalRow **rows = palloc(sizeof(JournalRow *) * Max(n, 1));
	JournalBatch batch;

	if (n == 0)
		return;
	journal_batch_begin(&batch);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		rows[i] = issue_row(work, members->ids[i]);
		journal_batch_add(&batch, rows[i], work->program);
	}
	journal_batch_store(&batch);
	store_coupon_issue_many(&work->issue, work->program, rows, n, work->now);
	work->issued += n;
}

/*
 * Issues to the next members of the segment; false if there are none.  When
 * what may be issued in all is used up, the rest of them are skipped.
 */
static bool
issue_batch(SegmentIssue *work, int batch)
{
	int32		budget_id = work->issue.coupon->budgets[COUNTS_ISSUED];
	IdList		members = next_members(work, batch);
	IdList		entitled;
	int64		got;

	if (members.n == 0)
		return false;
	work->last_member_id = members.ids[members.n - 1];
	entitled = lock_entitled(work, &members);
	got = budget_id == 0 ? entitled.n :
		budget_take(budget_id, entitled.n, false);
	issue_to(work, &entitled, got);
	work->skipped += members.n - got;
	return true;
}

enum segment_arg
{
	SEGMENT_PROGRAM,
	SEGMENT_COUPON,
	SEGMENT_SEGMENT,
	SEGMENT_REF,
	SEGMENT_BATCH,
	SEGMENT_AFTER
};

/*
 * coupon_issue_segment(program, coupon, segment, ref, batch, after): a row
 * with how many were issued and skipped, and the last member that was looked
 * at, or NULL if there is none after `after`.
 */
Datum
loyalty_coupon_issue_segment(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		"program", "coupon", "segment", "ref", "batch"
	};
	SegmentIssue work = {0};
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch;
	TupleDesc	tupdesc;
	Datum		values[3];
	bool		nulls[3] = {false};
	int			batch;

	for (int i = 0; i < lengthof(names); i++)
		require_argument(fcinfo, i, names[i]);
	batch = read_batch(PG_GETARG_INT32(SEGMENT_BATCH));
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "coupon_issue_segment returns a row");
	begin();
	work.program = find_program(PG_GETARG_TEXT_PP(SEGMENT_PROGRAM));
	work.segment = text_to_cstring(PG_GETARG_TEXT_PP(SEGMENT_SEGMENT));
	work.ref = PG_GETARG_TEXT_PP(SEGMENT_REF);
	work.now = loyalty_clock();
	if (!PG_ARGISNULL(SEGMENT_AFTER))
		work.last_member_id = PG_GETARG_INT64(SEGMENT_AFTER);
	check_ref(work.ref);
	find_issue(&work, text_to_cstring(PG_GETARG_TEXT_PP(SEGMENT_COUPON)));
	require_segment(&work);
	scratch = AllocSetContextCreate(caller, "loyalty coupons",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(scratch);
	nulls[2] = !issue_batch(&work, batch);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	SPI_finish();
	values[0] = Int64GetDatum(work.issued);
	values[1] = Int64GetDatum(work.skipped);
	values[2] = Int64GetDatum(work.last_member_id);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values,
											 nulls));
}

/*
 * coupon_release(program, batch): ends reservations of up to so many members
 * that have timed out, and returns how many it ended.
 */
Datum
loyalty_coupon_release(PG_FUNCTION_ARGS)
{
	int			batch;
	int			released;

	require_argument(fcinfo, 0, "program");
	require_argument(fcinfo, 1, "batch");
	batch = read_batch(PG_GETARG_INT32(1));
	begin();
	released = store_coupon_release_batch(find_program(PG_GETARG_TEXT_PP(0)),
										  loyalty_clock(), batch);
	SPI_finish();
	PG_RETURN_INT32(released);
}
