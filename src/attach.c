/*
 * attach.c
 *
 * The triggers of an attached table.  They fire once per statement and read
 * its rows from the transition tables; what has to be booked is sorted, so
 * that members are locked in ascending order, and booked in chunks.
 */
#include "attach.h"

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

#include "account.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_attach_order);
PG_FUNCTION_INFO_V1(loyalty_attach_set);

/* So many orders share a subtransaction. */
#define CHUNK_ORDERS 1000

/* Fewer orders than this are booked by themselves: a batch does not pay. */
#define MIN_BATCH_ORDERS 8

/* An order while it is sorted. */
enum order_column
{
	ORDER_ACTION,
	ORDER_MEMBER_ID,
	ORDER_AT,
	ORDER_REF,
	ORDER_IDENTITY,
	ORDER_AMOUNT,
	ORDER_ITEMS,
	ORDER_DATA,
	ORDER_MOVED,
	ORDER_NEW_ITEMS,
	ORDER_NCOLUMNS
};

#define ORDER_SORT_COLUMNS 4

static const Oid order_types[ORDER_NCOLUMNS] = {
	[ORDER_ACTION] = INT4OID,
	[ORDER_MEMBER_ID] = INT8OID,
	[ORDER_AT] = TIMESTAMPTZOID,
	[ORDER_REF] = TEXTOID,
	[ORDER_IDENTITY] = TEXTOID,
	[ORDER_AMOUNT] = NUMERICOID,
	[ORDER_ITEMS] = JSONBOID,
	[ORDER_DATA] = JSONBOID,
	[ORDER_MOVED] = BOOLOID,
	[ORDER_NEW_ITEMS] = BOOLOID
};

/* The orders of one statement. */
typedef struct OrderSort
{
	TupleDesc	descriptor;
	Tuplesortstate *sort;
	TupleTableSlot *in;
	TupleTableSlot *out;
	int64		norders[ORDER_SET + 1];
} OrderSort;

static OrderSort *
sort_begin(void)
{
	OrderSort  *orders = palloc0(sizeof(OrderSort));
	AttrNumber	columns[ORDER_SORT_COLUMNS];
	Oid			operators[ORDER_SORT_COLUMNS];
	Oid			collations[ORDER_SORT_COLUMNS];
	bool		nulls_first[ORDER_SORT_COLUMNS] = {false};

	orders->descriptor = CreateTemplateTupleDesc(ORDER_NCOLUMNS);
	for (int i = 0; i < ORDER_NCOLUMNS; i++)
		TupleDescInitEntry(orders->descriptor, i + 1, NULL, order_types[i],
						   -1, 0);
	for (int i = 0; i < ORDER_SORT_COLUMNS; i++)
	{
		columns[i] = i + 1;
		operators[i] = lookup_type_cache(order_types[i],
										 TYPECACHE_LT_OPR)->lt_opr;
		collations[i] = order_types[i] == TEXTOID ? C_COLLATION_OID :
			InvalidOid;
	}
	orders->sort = tuplesort_begin_heap(orders->descriptor,
										ORDER_SORT_COLUMNS, columns,
										operators, collations, nulls_first,
										work_mem, NULL,
										TUPLESORT_RANDOMACCESS);
	orders->in = MakeSingleTupleTableSlot(orders->descriptor,
										  &TTSOpsVirtual);
	orders->out = MakeSingleTupleTableSlot(orders->descriptor,
										   &TTSOpsMinimalTuple);
	return orders;
}

static void
sort_put(OrderSort *orders, const SourceOrder *order)
{
	Datum	   *values = orders->in->tts_values;
	bool	   *nulls = orders->in->tts_isnull;

	ExecClearTuple(orders->in);
#define PUT(column, datum, present) \
	(values[column] = (datum), nulls[column] = !(present))
	PUT(ORDER_ACTION, Int32GetDatum(order->action), true);
	PUT(ORDER_MEMBER_ID, Int64GetDatum(order->member_id),
		order->member_id != 0);
	PUT(ORDER_AT, TimestampTzGetDatum(order->at), order->has_at);
	PUT(ORDER_REF, PointerGetDatum(order->ref), order->ref != NULL);
	PUT(ORDER_IDENTITY, order->identity == NULL ? (Datum) 0 :
		CStringGetTextDatum(order->identity), order->identity != NULL);
	PUT(ORDER_AMOUNT, PointerGetDatum(order->amount), order->amount != NULL);
	PUT(ORDER_ITEMS, PointerGetDatum(order->items), order->items != NULL);
	PUT(ORDER_DATA, PointerGetDatum(order->data), order->data != NULL);
	PUT(ORDER_MOVED, BoolGetDatum(order->moved), true);
	PUT(ORDER_NEW_ITEMS, BoolGetDatum(order->new_items), true);
#undef PUT
	ExecStoreVirtualTuple(orders->in);
	tuplesort_puttupleslot(orders->sort, orders->in);
	orders->norders[order->action]++;
}

/* The next order, in the current context; false at the end. */
static bool
sort_next(OrderSort *orders, SourceOrder *order)
{
	HeapTuple	tuple;
	Datum		values[ORDER_NCOLUMNS];
	bool		nulls[ORDER_NCOLUMNS];

	if (!tuplesort_gettupleslot(orders->sort, true, false, orders->out, NULL))
		return false;
	tuple = ExecCopySlotHeapTuple(orders->out);
	heap_deform_tuple(tuple, orders->descriptor, values, nulls);

	memset(order, 0, sizeof(SourceOrder));
	order->action = DatumGetInt32(values[ORDER_ACTION]);
	if (!nulls[ORDER_MEMBER_ID])
		order->member_id = DatumGetInt64(values[ORDER_MEMBER_ID]);
	order->has_at = !nulls[ORDER_AT];
	if (order->has_at)
		order->at = DatumGetTimestampTz(values[ORDER_AT]);
	if (!nulls[ORDER_REF])
		order->ref = DatumGetTextPP(values[ORDER_REF]);
	if (!nulls[ORDER_IDENTITY])
		order->identity = TextDatumGetCString(values[ORDER_IDENTITY]);
	if (!nulls[ORDER_AMOUNT])
		order->amount = DatumGetNumeric(values[ORDER_AMOUNT]);
	if (!nulls[ORDER_ITEMS])
		order->items = DatumGetJsonbP(values[ORDER_ITEMS]);
	if (!nulls[ORDER_DATA])
		order->data = DatumGetJsonbP(values[ORDER_DATA]);
	order->moved = DatumGetBool(values[ORDER_MOVED]);
	order->new_items = DatumGetBool(values[ORDER_NEW_ITEMS]);
	return true;
}

static void
sort_end(OrderSort *orders)
{
	tuplesort_end(orders->sort);
	ExecDropSingleTupleTableSlot(orders->in);
	ExecDropSingleTupleTableSlot(orders->out);
}

/* Rows of a transition table, one after the other. */
typedef struct Transition
{
	Tuplestorestate *rows;
	TupleTableSlot *slot;
} Transition;

static void
transition_open(Transition *transition, Tuplestorestate *rows,
				Relation relation)
{
	int			position;

	transition->rows = rows;
	transition->slot = MakeSingleTupleTableSlot(RelationGetDescr(relation),
												&TTSOpsMinimalTuple);
	/* a position of our own, as another trigger may read it too */
	position = tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND);
	tuplestore_select_read_pointer(rows, position);
	tuplestore_rescan(rows);
}

static bool
transition_next(Transition *transition)
{
	return tuplestore_gettupleslot(transition->rows, true, false,
								   transition->slot);
}

static void
put_row(const Source *source, OrderSort *orders, TupleTableSlot *slot,
		OrderAction action, bool moved, bool new_items)
{
	SourceOrder order;

	/* nobody's order is left alone */
	if (!source_read(source, slot, &order))
		return;
	order.action = action;
	order.moved = moved;
	order.new_items = new_items;
	sort_put(orders, &order);
}

/* What one row has become. */
static void
put_change(const Source *source, OrderSort *orders, TupleTableSlot *before,
		   TupleTableSlot *after)
{
	bool		was_paid = source_is_paid(source, before);
	bool		is_paid = source_is_paid(source, after);

	if (!was_paid)
	{
		if (is_paid)
			put_row(source, orders, after, ORDER_EARN, false, false);
		return;
	}
	if (!source->follow_update)
		return;
	if (!is_paid)
		put_row(source, orders, before, ORDER_GONE, false, false);
	else if (!source_same_key(source, before, after))
	{
		put_row(source, orders, before, ORDER_GONE, false, false);
		put_row(source, orders, after, ORDER_EARN, true, false);
	}
	else if (!source_same_field(source, FIELD_AMOUNT, before, after))
		put_row(source, orders, after, ORDER_SET, false,
				!source_same_field(source, FIELD_ITEMS, before, after));
}

/*
 * A row has one transition and not the other when it was moved to another
 * partition, and a trigger there did not let it in: then nobody knows which
 * row became which.
 */
pg_noreturn static void
refuse_lost_row(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot follow an update of an attached table in which "
					"rows get lost"),
			 errhint("Delete rows instead of moving them to a partition that "
					 "does not take them.")));
}

/* All rows of the statement that change what is booked. */
static void
collect(const Source *source, const TriggerData *trigger, OrderSort *orders)
{
	MemoryContext row_context =
		AllocSetContextCreate(CurrentMemoryContext, "loyalty attached row",
							  ALLOCSET_DEFAULT_SIZES);
	MemoryContext context = CurrentMemoryContext;
	bool		is_delete = TRIGGER_FIRED_BY_DELETE(trigger->tg_event);
	bool		is_update = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	Transition	before;
	Transition	after;

	if (is_delete || is_update)
		transition_open(&before, trigger->tg_oldtable, trigger->tg_relation);
	if (!is_delete)
		transition_open(&after, trigger->tg_newtable, trigger->tg_relation);
	while (transition_next(is_delete ? &before : &after))
	{
		CHECK_FOR_INTERRUPTS();
		/* PostgreSQL writes both transition tables row by row */
		if (is_update && !transition_next(&before))
			refuse_lost_row();
		/* from here on: the slots keep rows in the context they are read in */
		MemoryContextSwitchTo(row_context);
		if (is_update)
			put_change(source, orders, before.slot, after.slot);
		else if (source_is_paid(source, is_delete ? before.slot : after.slot))
			put_row(source, orders, is_delete ? before.slot : after.slot,
					is_delete ? ORDER_GONE : ORDER_EARN, false, false);
		MemoryContextSwitchTo(context);
		MemoryContextReset(row_context);
	}
	if (is_update && transition_next(&before))
		refuse_lost_row();
	if (is_delete || is_update)
		ExecDropSingleTupleTableSlot(before.slot);
	if (!is_delete)
		ExecDropSingleTupleTableSlot(after.slot);
	MemoryContextDelete(row_context);
}

static int
compare_ids(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/*
 * Locks the accounts of all orders, ascending.  Needed where orders go and
 * others come in one statement: those that go are done first, and the members
 * would be locked in no order.
 */
static void
lock_members(OrderSort *orders)
{
	int64		total = 0;
	int64	   *ids;
	int64		n = 0;
	MemoryContext context = CurrentMemoryContext;
	MemoryContext row_context =
		AllocSetContextCreate(context, "loyalty attached member",
							  ALLOCSET_DEFAULT_SIZES);
	SourceOrder order;

	for (int i = 0; i <= ORDER_SET; i++)
		total += orders->norders[i];
	ids = MemoryContextAllocHuge(context, sizeof(int64) * total);
	MemoryContextSwitchTo(row_context);
	while (sort_next(orders, &order))
	{
		if (order.member_id != 0)
			ids[n++] = order.member_id;
		MemoryContextReset(row_context);
	}
	tuplesort_rescan(orders->sort);
	qsort(ids, n, sizeof(int64), compare_ids);
	for (int64 i = 0; i < n; i++)
	{
		Account		account;

		CHECK_FOR_INTERRUPTS();
		if (i > 0 && ids[i] == ids[i - 1])
			continue;
		account_load(ids[i], ACCOUNT_LOCK, &account);
		SPI_freetuptable(SPI_tuptable);
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(context);
	MemoryContextDelete(row_context);
	pfree(ids);
}

/* Orders of one action, and what becomes of each. */
typedef struct Chunk
{
	const Source *source;
	int			n;
	SourceOrder *orders;
	IngestRow  *rows;
	bool	   *single;			/* to be booked by itself */
} Chunk;

static void
chunk_begin(Chunk *chunk, const Source *source)
{
	chunk->source = source;
	chunk->n = 0;
	chunk->orders = palloc(sizeof(SourceOrder) * CHUNK_ORDERS);
	chunk->rows = palloc(sizeof(IngestRow) * CHUNK_ORDERS);
	chunk->single = palloc0(sizeof(bool) * CHUNK_ORDERS);
}

/* Tells in an error which order it was about. */
static void
order_context(void *argument)
{
	const SourceOrder *order = argument;

	if (order->ref != NULL)
		errcontext("order \"%s\" of an attached table",
				   clipped(text_to_cstring(order->ref)));
}

/* Books those that are to be booked by themselves. */
static void
book_singles(void *argument)
{
	Chunk	   *chunk = argument;
	MemoryContext caller = CurrentMemoryContext;
	ErrorContextCallback callback;

	callback.callback = order_context;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	for (int i = 0; i < chunk->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!chunk->single[i])
			continue;
		callback.arg = &chunk->orders[i];
		/* what the statements return is not kept until the last order */
		SPI_connect();
		MemoryContextSwitchTo(caller);
		order_book(chunk->source, &chunk->orders[i], &chunk->rows[i]);
		SPI_finish();
	}
	error_context_stack = callback.previous;
}

/*
 * Books them so that an error about an order does not stop the statement: if
 * there is one, each is tried in a subtransaction of its own.
 */
static void
attempt_singles(Chunk *chunk)
{
	ErrorData  *error;

	if (ingest_attempt(book_singles, chunk, &error))
		return;
	for (int i = 0; i < chunk->n; i++)
	{
		bool		single = true;
		Chunk		one = {chunk->source, 1, &chunk->orders[i],
		&chunk->rows[i], &single};

		if (chunk->single[i] && !ingest_attempt(book_singles, &one, &error))
			ingest_reject_error(&chunk->rows[i], error);
	}
}

/* Books a chunk and keeps its rejects, unless a refusal is to raise. */
static void
book_chunk(Chunk *chunk)
{
	const Source *source = chunk->source;
	bool		batch = !source->raise && chunk->n >= MIN_BATCH_ORDERS;
	IngestCounts counts = {0};
	bool		pending = false;
	bool		singles = false;

	for (int i = 0; i < chunk->n; i++)
	{
		order_row(source, &chunk->orders[i], &chunk->rows[i]);
		if (chunk->rows[i].status == INGEST_PENDING && !batch)
			chunk->rows[i].status = INGEST_DONE;
		pending |= chunk->rows[i].status == INGEST_PENDING;
		/* to raise is left to the verbs, even what is known already */
		chunk->single[i] = source->raise ||
			chunk->rows[i].status == INGEST_DONE;
	}
	if (source->raise)
	{
		book_singles(chunk);
		return;
	}
	if (pending)
		ingest_rows(source->program, chunk->rows, chunk->n, false, &counts);
	for (int i = 0; i < chunk->n; i++)
	{
		chunk->single[i] |= order_row_known(&chunk->rows[i]);
		singles |= chunk->single[i];
	}
	if (singles)
		attempt_singles(chunk);
	ingest_write_rejects(source->program->program_id, source->name, 0,
						 chunk->rows, chunk->n);
}

/* Books all, those of one action after those of another. */
static void
book_all(const Source *source, OrderSort *orders)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext chunk_context =
		AllocSetContextCreate(context, "loyalty attached orders",
							  ALLOCSET_DEFAULT_SIZES);

	for (OrderAction action = ORDER_GONE; action <= ORDER_SET; action++)
		for (int64 left = orders->norders[action]; left > 0;)
		{
			Chunk		chunk;

			MemoryContextReset(chunk_context);
			MemoryContextSwitchTo(chunk_context);
			chunk_begin(&chunk, source);
			while (left > 0 && chunk.n < CHUNK_ORDERS &&
				   sort_next(orders, &chunk.orders[chunk.n]))
			{
				chunk.n++;
				left--;
			}
			book_chunk(&chunk);
		}
	MemoryContextSwitchTo(context);
	MemoryContextDelete(chunk_context);
}

/* The programme of a source, which must be there. */
static void
require_program(Source *source)
{
	if (!source_program(source))
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s", source->program_name));
}

/*
 * Whoever may write the table need have no right here; its owner must still
 * have the right to attach.
 */
static void
check_owner(Relation relation, Oid function)
{
	AclResult	result;

#if PG_VERSION_NUM >= 160000
	result = object_aclcheck(ProcedureRelationId, function,
							 relation->rd_rel->relowner, ACL_EXECUTE);
#else
	result = pg_proc_aclcheck(function, relation->rd_rel->relowner,
							  ACL_EXECUTE);
#endif
	if (result != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for attached table \"%s\"",
						RelationGetRelationName(relation)),
				 errdetail("Its owner may not execute "
						   "loyalty.attach_order()."),
				 errhint("Grant the owner the role for applications that "
						 "loyalty.setup_roles() makes.")));
}

/* The trigger: books what a statement did to the orders of the table. */
Datum
loyalty_attach_order(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	MemoryContext caller = CurrentMemoryContext;
	Source		source;
	OrderSort  *orders;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event) ||
		(trigger->tg_newtable == NULL &&
		 !TRIGGER_FIRED_BY_DELETE(trigger->tg_event)) ||
		(trigger->tg_oldtable == NULL &&
		 !TRIGGER_FIRED_BY_INSERT(trigger->tg_event)))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("attach_order() is for the triggers that attach() "
						"makes")));
	check_owner(trigger->tg_relation, fcinfo->flinfo->fn_oid);
	source_parse(&source, trigger->tg_trigger->tgnargs,
				 trigger->tg_trigger->tgargs);
	source_bind(&source, trigger->tg_relation);

	SPI_connect();
	loyalty_check_version();
	MemoryContextSwitchTo(caller);
	require_program(&source);
	orders = sort_begin();
	collect(&source, trigger, orders);
	tuplesort_performsort(orders->sort);
	if (orders->norders[ORDER_GONE] > 0 &&
		(orders->norders[ORDER_EARN] > 0 || orders->norders[ORDER_SET] > 0))
		lock_members(orders);
	book_all(&source, orders);
	sort_end(orders);
	SPI_finish();
	return PointerGetDatum(NULL);
}

enum set_arg
{
	SET_SOURCE,
	SET_MEMBER_ID,
	SET_IDENTITY,
	SET_REF,
	SET_PAID,
	SET_AMOUNT,
	SET_AT,
	SET_ITEMS,
	SET_DATA
};

/* The order that the arguments of attach_set() describe. */
static void
read_order(FunctionCallInfo fcinfo, const Source *source, SourceOrder *order)
{
	memset(order, 0, sizeof(SourceOrder));
	order->action = PG_GETARG_BOOL(SET_PAID) ? ORDER_SET : ORDER_GONE;
	if (!PG_ARGISNULL(SET_MEMBER_ID))
		order->member_id = PG_GETARG_INT64(SET_MEMBER_ID);
	else if (!PG_ARGISNULL(SET_IDENTITY) && source->enroll)
		order->identity = text_to_cstring(PG_GETARG_TEXT_PP(SET_IDENTITY));
	order->ref = PG_GETARG_TEXT_PP(SET_REF);
	if (!PG_ARGISNULL(SET_AMOUNT))
		order->amount = PG_GETARG_NUMERIC(SET_AMOUNT);
	order->has_at = !PG_ARGISNULL(SET_AT);
	if (order->has_at)
		order->at = PG_GETARG_TIMESTAMPTZ(SET_AT);
	if (!PG_ARGISNULL(SET_ITEMS))
		order->items = PG_GETARG_JSONB_P(SET_ITEMS);
	order->data = source_data(source, PG_ARGISNULL(SET_DATA) ? NULL :
							  PG_GETARG_JSONB_P(SET_DATA), NULL, NULL);
}

static Statement delete_rejects = {
	"DELETE FROM loyalty.ingest_reject WHERE program_id = $1 AND source = $2"
	" AND run_id IS NULL AND ref = $3",
	3, {INT4OID, TEXTOID, TEXTOID}
};

/* Takes an order from the rejects, before it is tried again. */
static void
forget_rejects(const Source *source, const SourceOrder *order)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(source->program->program_id)),
		ARG(CStringGetTextDatum(source->name)),
		ARG(PointerGetDatum(order->ref))
	};

	statement_run(&delete_rejects, args, false);
}

/*
 * attach_set(source, member_id, identity, ref, paid, amount, at, items,
 * data): brings the books in line with one order.  False if it was refused,
 * and is among the rejects, or belongs to nobody.
 */
Datum
loyalty_attach_set(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	Source	   *source;
	SourceOrder order;
	IngestRow	row;
	bool		single;
	Chunk		chunk = {NULL, 1, &order, &row, &single};
	bool		done = false;

	if (PG_ARGISNULL(SET_SOURCE) || PG_ARGISNULL(SET_REF) ||
		PG_ARGISNULL(SET_PAID))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("source, ref and paid must not be null")));
	SPI_connect();
	loyalty_check_version();
	MemoryContextSwitchTo(caller);
	source = source_of(PG_GETARG_OID(SET_SOURCE));
	source->raise = false;
	chunk.source = source;
	require_program(source);
	read_order(fcinfo, source, &order);
	if (order.member_id != 0 || order.identity != NULL || source->guests)
	{
		forget_rejects(source, &order);
		book_chunk(&chunk);
		done = row.status != INGEST_REJECTED;
	}
	SPI_finish();
	PG_RETURN_BOOL(done);
}
