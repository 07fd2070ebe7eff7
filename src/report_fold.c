/*
 * report_fold.c
 *
 * Folds the journal into the sums of the reports: which ids, and when.
 *
 * Ids are taken inside transactions, and rows appear when these commit, so
 * that a row may appear long after others with higher ids.  An id may be
 * folded when nobody can still come with it.  A mark is the last id that was
 * given away, and the transaction id that would be the next one, read in this
 * order: whoever has an id up to the mark had a transaction id before it, see
 * loyalty_new_id().  Once all transactions before the mark are over, every
 * row up to it can be seen, or never will be.  Prepared transactions are
 * not over; those of other databases do not matter.
 *
 * The snapshot's xmax would not do as a mark: it is one more than the last
 * transaction that is over, and some that are running come after that.
 */
#include "report.h"

#include "access/subtrans.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_report_rebuild);

/* Of a batch most sums are one row, so that larger ones pay. */
#define IDS_PER_BATCH 10

/* What report_rebuild() takes at a time. */
#define REBUILD_IDS 100000

typedef struct Mark
{
	int64		until_id;		/* without the bits of the node */
	FullTransactionId xid;
} Mark;

/*
 * The mark
 */

static Statement insert_mark = {
	"INSERT INTO loyalty.report_mark (until_id, xid) VALUES (0, '0')"
	" ON CONFLICT DO NOTHING"
};

static Statement lock_mark = {
	"SELECT until_id, xid FROM loyalty.report_mark FOR UPDATE"
};

static Statement lock_free_mark = {
	"SELECT until_id, xid FROM loyalty.report_mark FOR UPDATE SKIP LOCKED"
};

static Statement select_mark = {
	"SELECT FROM loyalty.report_mark"
};

static Statement update_mark = {
	"UPDATE loyalty.report_mark SET until_id = $1, xid = $2",
	2, {INT8OID, XID8OID}
};

static Statement select_last_id = {
	"SELECT coalesce(pg_catalog.pg_sequence_last_value($1), 0)",
	1, {REGCLASSOID}
};

/* Locks the mark, and reads it; false if another session folds. */
static bool
take_mark(Mark *mark, bool waits)
{
	if (statement_run(&select_mark, NULL, false) == 0)
		statement_run(&insert_mark, NULL, false);
	if (statement_run(waits ? &lock_mark : &lock_free_mark, NULL, false) == 0)
		return false;
	mark->until_id = DatumGetInt64(statement_notnull(0, 1));
	mark->xid = DatumGetFullTransactionId(statement_notnull(0, 2));
	return true;
}

/*
 * A mark from another cluster, restored into this one.  What it allowed to
 * be folded was in the dump as a whole, or a new mark has to be waited for.
 */
static bool
mark_is_foreign(const Mark *mark)
{
	return FullTransactionIdFollows(mark->xid, ReadNextFullTransactionId());
}

/* A new mark; false if no id was given away since.  Which is read first matters. */
static bool
renew_mark(Mark *mark)
{
	Oid			sequence = get_relname_relid("id_seq",
											 get_namespace_oid("loyalty", false));
	NullableDatum id_args[] = {ARG(ObjectIdGetDatum(sequence))};
	NullableDatum args[2];
	int64		last_id;

	statement_run(&select_last_id, id_args, false);
	last_id = DatumGetInt64(statement_notnull(0, 1));
	if (last_id == mark->until_id && !mark_is_foreign(mark))
		return false;
	mark->until_id = last_id;
	mark->xid = ReadNextFullTransactionId();
	args[0] = ARG(Int64GetDatum(mark->until_id));
	args[1] = ARG(FullTransactionIdGetDatum(mark->xid));
	statement_run(&update_mark, args, false);
	return true;
}

/* A transaction id of a snapshot with its epoch. */
static FullTransactionId
full_xid(TransactionId xid, FullTransactionId next)
{
	uint32		epoch = EpochFromFullTransactionId(next);

	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return FullTransactionIdFromEpochAndXid(epoch, xid);
}

/*
 * Is it the transaction of a session of another database, where nobody has an
 * id of ours?  Prepared transactions have no session, and count as ours.
 */
static bool
is_elsewhere(TransactionId xid)
{
	int			pid = BackendXidGetPid(xid);
	PGPROC	   *proc = pid == 0 ? NULL : BackendPidGetProc(pid);

	return proc != NULL && OidIsValid(proc->databaseId) &&
		proc->databaseId != MyDatabaseId;
}

static bool
may_be_ignored(TransactionId xid)
{
	return TransactionIdIsCurrentTransactionId(xid) || is_elsewhere(xid);
}

/*
 * Are all transactions of this database before an id over, but for this one?
 * Judged by the snapshot that the statements after it have, or an older one.
 */
bool
report_all_over(FullTransactionId before)
{
	Snapshot	snapshot = GetTransactionSnapshot();
	FullTransactionId next = ReadNextFullTransactionId();
	FullTransactionId xid;

	for (uint32 i = 0; i < snapshot->xcnt; i++)
	{
		xid = full_xid(snapshot->xip[i], next);
		if (FullTransactionIdPrecedes(xid, before) &&
			!may_be_ignored(snapshot->xip[i]))
			return false;
	}
	/* the snapshot counts the rest as running, subtransactions among them */
	for (xid = full_xid(snapshot->xmax, next);
		 FullTransactionIdPrecedes(xid, before);
		 FullTransactionIdAdvance(&xid))
		if (!may_be_ignored(XidFromFullTransactionId(xid)) &&
			!is_elsewhere(SubTransGetTopmostTransaction(XidFromFullTransactionId(xid))))
			return false;
	return true;
}

static bool
mark_is_safe(const Mark *mark)
{
	return report_all_over(mark->xid);
}

/*
 * Ranges
 *
 * Of each node one range is folded, from its first id on.  The sequence is
 * the same whatever the node, so that a mark holds for all of them.
 */

static Statement insert_node_zero = {
	"INSERT INTO loyalty.report_folded (first_id, last_id) VALUES (0, 0)"
	" ON CONFLICT DO NOTHING"
};

/* Of a new node nothing is folded up to before its first row, or the mark. */
static Statement insert_nodes = {
	"INSERT INTO loyalty.report_folded (first_id, last_id)"
	" SELECT (n.first_id >> 43) << 43,"
	" least(n.first_id - 1, ((n.first_id >> 43) << 43) + $1)"
	" FROM loyalty.report_node() n ON CONFLICT DO NOTHING",
	1, {INT8OID}
};

static Statement select_node = {
	"SELECT first_id, last_id FROM loyalty.report_folded"
	" WHERE last_id - first_id < $1 ORDER BY first_id LIMIT 1",
	1, {INT8OID}
};

static Statement update_node = {
	"UPDATE loyalty.report_folded SET last_id = $2 WHERE first_id = $1",
	2, {INT8OID, INT8OID}
};

static Statement count_rows = {
	"SELECT loyalty.report_rows($1, $2, $3)",
	3, {INT8OID, INT8OID, INT4OID}
};

static Statement fold_range = {
	"SELECT loyalty.report_fold_range($1, $2, $3),"
	" loyalty.report_fold_campaign($1, $2, $3)",
	3, {INT4OID, INT8OID, INT8OID}
};

static Statement fold_coupon = {
	"SELECT loyalty.report_fold_coupon($1, $2, $3)",
	3, {INT4OID, INT8OID, INT8OID}
};

static Statement fold_runs_of = {
	"SELECT loyalty.report_fold_run(pg_catalog.array_agg(m.member_id),"
	" pg_catalog.array_agg(m.run_id))"
	" FROM loyalty.report_run_moved($1, ARRAY[$2], ARRAY[$3]) m"
	" HAVING count(*) > 0",
	3, {INT4OID, INT8OID, INT8OID}
};

static int
rows_of(int64 first_id, int64 last_id, int most)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(first_id)),
		ARG(Int64GetDatum(last_id)),
		ARG(Int32GetDatum(most))
	};

	statement_run(&count_rows, args, false);
	return DatumGetInt32(statement_notnull(0, 1));
}

/*
 * Where the next part of a range ends: all of it, if it has few rows; else so
 * many ids, which cannot have more rows; or all that come before the first
 * row, about.
 */
static int64
part_end(int64 first_id, int64 last_id, int most, bool *is_empty)
{
	int			rows = rows_of(first_id, last_id, most + 1);
	int64		size = most;

	*is_empty = rows == 0;
	if (rows <= most)
		return last_id;
	while (rows_of(first_id, first_id + size - 1, 1) == 0)
	{
		CHECK_FOR_INTERRUPTS();
		*is_empty = true;
		size *= 2;
	}
	return first_id + (*is_empty ? size / 2 : size) - 1;
}

static int64
fold(NullableDatum program, int64 first_id, int64 last_id)
{
	NullableDatum args[] = {
		program,
		ARG(Int64GetDatum(first_id)),
		ARG(Int64GetDatum(last_id))
	};

	statement_run(&fold_coupon, args, false);
	statement_run(&fold_runs_of, args, false);
	statement_run(&fold_range, args, false);
	return DatumGetInt64(statement_notnull(0, 1));
}

/* Folds up to the mark, or about a batch; false if nothing was left. */
static bool
fold_part(const Mark *mark, int batch, int64 *done)
{
	NullableDatum until[] = {ARG(Int64GetDatum(mark->until_id))};
	NullableDatum args[2];
	int64		node;
	int64		first_id;
	int64		last_id;
	bool		is_empty;

	if (statement_run(&select_node, until, false) == 0)
		return false;
	node = DatumGetInt64(statement_notnull(0, 1));
	first_id = DatumGetInt64(statement_notnull(0, 2)) + 1;
	last_id = part_end(first_id, node + mark->until_id,
					   batch * IDS_PER_BATCH, &is_empty);
	if (!is_empty)
		*done += fold(NULL_ARG, first_id, last_id);
	args[0] = ARG(Int64GetDatum(node));
	args[1] = ARG(Int64GetDatum(last_id));
	statement_run(&update_node, args, false);
	return true;
}

/* Folds the next part up to a mark that is safe; how many rows it had. */
static int64
fold_next(const Mark *mark, int batch)
{
	NullableDatum until[] = {ARG(Int64GetDatum(mark->until_id))};
	int64		done = 0;

	statement_run(&insert_node_zero, NULL, false);
	statement_run(&insert_nodes, until, false);
	while (done == 0 && fold_part(mark, batch, &done))
		CHECK_FOR_INTERRUPTS();
	return done;
}

/*
 * One batch: up to the mark, if that is safe; then a new mark, which on a
 * quiet system is safe at once.  left_over: there may be more to fold, or a
 * mark of an earlier turn is still not safe.
 */
static int64
fold_batch(Mark *mark, int batch, bool *left_over)
{
	bool		is_new = mark_is_foreign(mark) && renew_mark(mark);
	int64		done;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		*left_over = !is_new;
		if (!mark_is_safe(mark))
			return 0;
		done = fold_next(mark, batch);
		*left_over = done > 0;
		if (done > 0 || is_new || !renew_mark(mark))
			return done;
		is_new = true;
	}
}

/*
 * What reports keep for themselves of yesterday, where they have not yet, or
 * what was kept has changed since and was deleted.
 */
static Statement keep_days = {
	"SELECT loyalty.report_rfm_keep(p.program_id) FROM loyalty.program p"
	" WHERE p.status = 'active' AND NOT EXISTS ("
	"SELECT FROM loyalty.report_rfm_day d WHERE d.program_id = p.program_id"
	" AND d.day = (loyalty.now() AT TIME ZONE p.time_zone)::date - 1)"
	" ORDER BY p.program_id"
};

/*
 * Changes
 *
 * What is no row of the journal, and changes: calls have written down what
 * they change of its sums.
 */

/* Most of them end up in the same few sums. */
#define CHANGES_AT_A_TIME 100000

static Statement fold_messages = {
	"SELECT loyalty.report_message_fold($1)",
	1, {INT4OID}
};

static Statement correct_messages = {
	"SELECT loyalty.report_message_correct($1)",
	1, {INT4OID}
};

/* Runs that are counted again in one batch. */
#define RUNS_AT_A_TIME 20000

static Statement fold_runs = {
	"SELECT loyalty.report_run_fold($1)",
	1, {INT4OID}
};

static Statement correct_runs = {
	"SELECT loyalty.report_run_correct($1)",
	1, {INT4OID}
};

static Statement select_changed_run = {
	"SELECT FROM loyalty.report_run_change LIMIT 1"
};

static bool
is_run_changed(void)
{
	return statement_run(&select_changed_run, NULL, false) > 0;
}

/* Counts runs again that were changed; true: there may be more. */
static bool
fold_some_runs(void)
{
	NullableDatum args[] = {ARG(Int32GetDatum(RUNS_AT_A_TIME))};

	if (!is_run_changed())
		return false;
	statement_run(&fold_runs, args, false);
	return DatumGetInt64(statement_notnull(0, 1)) > 0 && is_run_changed();
}

/* Adds up to so many changes of a kind to their sums; true: there may be more. */
static bool
fold_changes(Statement *kind, int most)
{
	NullableDatum args[] = {ARG(Int32GetDatum(most))};

	statement_run(kind, args, false);
	return DatumGetInt64(statement_notnull(0, 1)) == most;
}

static void
fold_all_changes(void)
{
	while (fold_changes(&fold_messages, CHANGES_AT_A_TIME))
		CHECK_FOR_INTERRUPTS();
}

/*
 * A batch of the job; how many rows of the journal were folded.  Needs SPI.
 */
int64
report_fold(int batch, bool *left_over)
{
	bool		more_runs;
	int64		done;
	Mark		mark;

	*left_over = false;
	if (!take_mark(&mark, false))
		return 0;
	fold_all_changes();
	more_runs = fold_some_runs();
	done = fold_batch(&mark, batch, left_over);
	if (!*left_over)
		statement_run(&keep_days, NULL, false);
	*left_over |= more_runs;
	return done;
}

/*
 * All anew
 */

static Statement select_program = {
	"SELECT program_id FROM loyalty.program WHERE name = $1",
	1, {TEXTOID}
};

static Statement forget = {
	"SELECT loyalty.report_forget($1)",
	1, {INT4OID}
};

static Statement select_folded = {
	"SELECT first_id, last_id FROM loyalty.report_folded"
	" WHERE first_id > $1 ORDER BY first_id LIMIT 1",
	1, {INT8OID}
};

static NullableDatum
require_program(FunctionCallInfo fcinfo)
{
	if (statement_run(&select_program, fcinfo->args, false) == 0)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s",
							   clipped(text_to_cstring(PG_GETARG_TEXT_PP(0)))));
	return ARG(statement_notnull(0, 1));
}

/* Folds a range again, for one programme. */
static int64
fold_again(NullableDatum program, int64 first_id, int64 last_id)
{
	int64		done = 0;
	int64		end;

	for (; first_id <= last_id; first_id = end + 1)
	{
		bool		is_empty;

		CHECK_FOR_INTERRUPTS();
		end = part_end(first_id, last_id, REBUILD_IDS, &is_empty);
		if (!is_empty)
			done += fold(program, first_id, end);
	}
	return done;
}

/* report_rebuild(program) */
Datum
loyalty_report_rebuild(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	NullableDatum program;
	int64		node = -1;
	int64		done = 0;
	Mark		mark;

	require_argument(fcinfo, 0, "program");
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	program = require_program(fcinfo);
	take_mark(&mark, true);
	statement_run(&forget, &program, false);
	for (;;)
	{
		NullableDatum args[] = {ARG(Int64GetDatum(node))};

		if (statement_run(&select_folded, args, false) == 0)
			break;
		node = DatumGetInt64(statement_notnull(0, 1));
		done += fold_again(program, node,
						   DatumGetInt64(statement_notnull(0, 2)));
	}
	statement_run(&correct_messages, &program, false);
	statement_run(&correct_runs, &program, false);
	while (fold_some_runs())
		CHECK_FOR_INTERRUPTS();
	SPI_finish();
	PG_RETURN_INT64(done);
}
