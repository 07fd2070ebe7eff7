/*
 * statement.h
 *
 * The one way to run SQL: constant text beside the function that uses it,
 * planned once per session.
 */
#ifndef LOYALTY_STATEMENT_H
#define LOYALTY_STATEMENT_H

#include "loyalty.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"

#pragma GCC visibility push(hidden)

#define STATEMENT_MAX_ARGS 67

/*
 * In argtypes: types of the extension, whose oids are not known when C is
 * compiled: loyalty.wallet, and an array of rows of loyalty.entry.
 */
#define WALLET_TYPE InvalidOid
#define ENTRIES_TYPE ((Oid) 1)

/* A list of names. */
typedef struct NameList
{
	int			n;
	char	  **names;
} NameList;

typedef struct Statement
{
	const char *sql;
	int			nargs;
	Oid			argtypes[STATEMENT_MAX_ARGS];
	/* filled in by statement_run */
	SPIPlanPtr	plan;
	Oid			wallet_type;	/* if it has types of the extension */
} Statement;

/* Arguments, in the layout of fcinfo->args. */
#define ARG(datum) ((NullableDatum) {.value = (datum), .isnull = false})
#define NULL_ARG ((NullableDatum) {.value = (Datum) 0, .isnull = true})
#define ARG_OR_NULL(datum, present) \
	((present) ? ARG(datum) : NULL_ARG)
#define POINTER_ARG(pointer) \
	ARG_OR_NULL(PointerGetDatum(pointer), (pointer) != NULL)

/*
 * Rows made in memory: an array, which SQL reads with unnest().  Their columns
 * are the arguments of a statement that takes one (record[]), or those of a
 * table.
 */
typedef struct StatementRows
{
	Oid			type;
	TupleDesc	tupdesc;
	int			ncolumns;		/* that are given */
	MemoryContext context;		/* in which they are kept */
	int			n;
	int			capacity;
	Datum	   *rows;
} StatementRows;

extern void rows_begin(StatementRows *rows, const Statement *single);
extern void rows_begin_of(StatementRows *rows, Oid type, int ncolumns);
extern void rows_append(StatementRows *rows, const NullableDatum *args);
extern void rows_sort(StatementRows *rows);
extern Datum rows_array(const StatementRows *rows);

extern uint64 statement_run(Statement *statement, const NullableDatum *args,
							bool read_only);
/* The same, with a snapshot that the caller has registered. */
extern uint64 statement_run_at(Statement *statement,
							   const NullableDatum *args, Snapshot snapshot);
/*
 * What a trigger with a transition table does to keep old rows: runs a
 * statement that reads that table, with the clock as its one argument.
 */
extern Datum statement_keep(FunctionCallInfo fcinfo, Statement *statement);
extern NullableDatum statement_column(const struct TriggerData *trigger,
									  HeapTuple row, const char *name);
extern ErrorData *statement_catch(bool (*work) (void *argument),
								  void *argument, bool *stayed);
/* Is the error nobody's fault, so that what raised it is to be repeated? */
extern bool statement_is_transient(const ErrorData *error);
/* What of an error's message can be kept: nothing that may be personal. */
extern char *statement_error_text(const ErrorData *error);
extern bool statement_attempt(bool (*work) (void *argument), void *argument);
extern Datum statement_value(uint64 row, int column, bool *isnull);
extern Datum statement_notnull(uint64 row, int column);
extern char *statement_text(uint64 row, int column);
/* Columns that may be NULL. */
extern int32 statement_int32_or(uint64 row, int column, int32 otherwise);
extern int64 statement_int64_or(uint64 row, int column, int64 otherwise);
extern DateADT statement_date_or(uint64 row, int column, DateADT otherwise);
extern TimestampTz statement_time_or(uint64 row, int column,
									 TimestampTz otherwise);
extern struct varlena *statement_varlena(uint64 row, int column);
/* An array of texts; NULL for NULL. */
extern NameList *statement_names(uint64 row, int column);
extern bool name_listed(const NameList *list, const char *name);
/* The same for a text, which may be NULL: that is not listed. */
extern bool text_listed(const NameList *list, const text *name);
extern int	word_of(const char *word, const char *const *words, int nwords);
extern int	array_elements(ArrayType *array, Oid type, Datum **elements);
extern Datum array_of(const Datum *elements, int n, Oid type);

#pragma GCC visibility pop

#endif							/* LOYALTY_STATEMENT_H */
