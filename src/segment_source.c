/*
 * segment_source.c
 *
 * A view or table of the shop's own that says who is in a segment.
 *
 * It is read as its owner, whatever its functions do: with his rights, not
 * with those of this extension, in a security-restricted operation, as
 * REFRESH MATERIALIZED VIEW does, and in a subtransaction that is read-only
 * and always undone, so nothing that happens in there stays.
 */
#include "segment.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/varlena.h"

/*
 * Lists of ids
 */

static int
compare_ids(const void *a, const void *b)
{
	int64		one = *(const int64 *) a;
	int64		other = *(const int64 *) b;

	return one < other ? -1 : one > other;
}

/* The ids of an array (NULL: none) in the current context. */
IdList
id_list(ArrayType *array, bool *nulls)
{
	IdList		list = {0};
	Datum	   *values;
	bool	   *isnull;
	int			n = 0;
	int			distinct = 0;

	*nulls = false;
	if (array == NULL)
		return list;
	deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &values, &isnull, &n);
	list.ids = palloc_extended(sizeof(int64) * Max(n, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (isnull[i])
			*nulls = true;
		else
			list.ids[list.n++] = DatumGetInt64(values[i]);
	}
	pfree(values);
	pfree(isnull);
	qsort(list.ids, list.n, sizeof(int64), compare_ids);
	for (int i = 0; i < list.n; i++)
		if (i == 0 || list.ids[i] != list.ids[i - 1])
			list.ids[distinct++] = list.ids[i];
	list.n = distinct;
	return list;
}

Datum
id_array(const IdList *list)
{
	Datum	   *values = palloc_extended(sizeof(Datum) * Max(list->n, 1),
										 MCXT_ALLOC_HUGE);
	Datum		array;

	for (int i = 0; i < list->n; i++)
		values[i] = Int64GetDatum(list->ids[i]);
	array = array_of(values, list->n, INT8OID);
	pfree(values);
	return array;
}

/* Walks two lists at once and keeps what is in one, the other, or both. */
static IdList
merge(const IdList *one, const IdList *other, bool only_one, bool only_other,
	  bool both)
{
	IdList		list;
	int			i = 0;
	int			k = 0;

	list.n = 0;
	list.ids = palloc_extended(sizeof(int64) *
							   Max((Size) one->n + other->n, 1),
							   MCXT_ALLOC_HUGE);
	while (i < one->n || k < other->n)
	{
		int			order = i == one->n ? 1 : k == other->n ? -1 :
			compare_ids(&one->ids[i], &other->ids[k]);

		CHECK_FOR_INTERRUPTS();
		if (order < 0 ? only_one : order > 0 ? only_other : both)
			list.ids[list.n++] = order <= 0 ? one->ids[i] : other->ids[k];
		i += order <= 0;
		k += order >= 0;
	}
	return list;
}

IdList
id_difference(const IdList *list, const IdList *without)
{
	return merge(list, without, true, false, false);
}

IdList
id_union(const IdList *one, const IdList *other)
{
	return merge(one, other, true, true, true);
}

IdList
id_intersection(const IdList *one, const IdList *other)
{
	return merge(one, other, false, false, true);
}

/*
 * The source
 */

pg_noreturn static void
source_invalid(const char *source, const char *detail)
{
	ereport(ERROR,
			(errcode(refusal_sqlstate(REFUSAL_SOURCE_INVALID)),
			 errmsg("%s", refusal_text(REFUSAL_SOURCE_INVALID)->message),
			 errdetail("source=%s %s", clipped(source), detail),
			 errhint("A segment is read from a view or table, named with its "
					 "schema, that has one column of type bigint.")));
}

/* Finds a source by its name, and keeps it as it is; NULL: it is not there. */
static Relation
find_source(const char *source, bool missing_ok)
{
	List	   *names;
	char	   *schema;
	char	   *name;
	Oid			namespace;
	Oid			relid = InvalidOid;

	if (!SplitIdentifierString(pstrdup(source), '.', &names) ||
		list_length(names) != 2)
		source_invalid(source, "is not a schema and a name");
	schema = linitial(names);
	name = lsecond(names);
	namespace = get_namespace_oid(schema, missing_ok);
	if (OidIsValid(namespace))
		relid = get_relname_relid(name, namespace);
	if (!OidIsValid(relid) && missing_ok)
		return NULL;
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist", schema, name)));
	return relation_open(relid, AccessShareLock);
}

static bool
is_readable(char relkind)
{
	return relkind == RELKIND_RELATION || relkind == RELKIND_VIEW ||
		relkind == RELKIND_MATVIEW || relkind == RELKIND_FOREIGN_TABLE ||
		relkind == RELKIND_PARTITIONED_TABLE;
}

/* Refuses what is not one column of bigint, there for every session. */
static void
check_shape(const char *source, Relation relation)
{
	TupleDesc	tupdesc = RelationGetDescr(relation);
	int			ncolumns = 0;
	Oid			type = InvalidOid;

	if (!is_readable(relation->rd_rel->relkind))
		source_invalid(source, "is no table or view");
	if (relation->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		source_invalid(source, "is temporary");
	for (int i = 0; i < tupdesc->natts; i++)
		if (!TupleDescAttr(tupdesc, i)->attisdropped)
		{
			ncolumns++;
			type = TupleDescAttr(tupdesc, i)->atttypid;
		}
	if (ncolumns != 1)
		source_invalid(source, psprintf("has %d columns", ncolumns));
	if (type != INT8OID)
		source_invalid(source, psprintf("has a column of type %s",
										format_type_be(type)));
}

/*
 * Refuses a source that could not be read, and one that is not the current
 * user's: its functions will run as its owner, whoever wrote them.
 * missing_ok: one that is not there may come later.
 */
void
segment_source_check(const char *source, bool missing_ok)
{
	Relation	relation = find_source(source, missing_ok);

	if (relation == NULL)
		return;
	check_shape(source, relation);
	if (!has_privs_of_role(GetUserId(), relation->rd_rel->relowner))
		aclcheck_error(ACLCHECK_NOT_OWNER,
					   get_relkind_objtype(relation->rd_rel->relkind),
					   RelationGetRelationName(relation));
	relation_close(relation, NoLock);
}

/* What is to be read, and what was. */
typedef struct Reading
{
	const char *source;
	const IdList *only;
	ArrayType  *ids;			/* or NULL: none */
} Reading;

static char *
reading_sql(Relation relation, const IdList *only)
{
	char	   *schema = get_namespace_name(RelationGetNamespace(relation));
	char	   *name = RelationGetRelationName(relation);

	return psprintf("SELECT array_agg(d.id) FROM"
					" (SELECT DISTINCT s.id FROM %s AS s (id)%s) AS d",
					quote_qualified_identifier(schema, name),
					only == NULL ? "" : " WHERE s.id = ANY ($1)");
}

static void
run_reading(const char *sql, Reading *reading)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			type = INT8ARRAYOID;
	Datum		value = (Datum) 0;
	int			nargs = reading->only == NULL ? 0 : 1;
	int			result;

	if (nargs > 0)
		value = id_array(reading->only);
	/* not with the snapshot of the call, which may be older than our locks */
	result = SPI_execute_with_args(sql, nargs, &type, &value, NULL, false, 0);
	MemoryContextSwitchTo(caller);
	if (result != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not run \"%s\": %s", sql,
			 SPI_result_code_string(result));
	reading->ids = (ArrayType *) statement_varlena(0, 1);
}

/* In a subtransaction, whose end gives user, locks and XactReadOnly back. */
static bool
read_as_owner(void *argument)
{
	Reading    *reading = argument;
	Relation	relation = find_source(reading->source, false);
	char	   *sql;
	Oid			user;
	int			security;

	check_shape(reading->source, relation);
	sql = reading_sql(relation, reading->only);
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(relation->rd_rel->relowner,
						   security | SECURITY_RESTRICTED_OPERATION);
	XactReadOnly = true;
	run_reading(sql, reading);
	SetUserIdAndSecContext(user, security);
	relation_close(relation, NoLock);
	return false;
}

static void
reading_context(void *argument)
{
	errcontext("reading the source %s of a segment",
			   clipped((const char *) argument));
}

/*
 * The ids that a source has now, or those of them that are among `only`.
 * nulls: it has a row without one.
 */
IdList
segment_source_read(const char *source, const IdList *only, bool *nulls)
{
	Reading		reading = {source, only, NULL};
	ErrorContextCallback context = {
		.previous = error_context_stack,
		.callback = reading_context,
		.arg = unconstify(char *, source)
	};

	error_context_stack = &context;
	statement_attempt(read_as_owner, &reading);
	error_context_stack = context.previous;
	return id_list(reading.ids, nulls);
}
