/*
 * amount_check.h
 *
 * A row of configuration that is about to be written, as triggers see it that
 * refuse what could not be carried out.
 */
#ifndef LOYALTY_AMOUNT_CHECK_H
#define LOYALTY_AMOUNT_CHECK_H

#include "loyalty.h"

#include "statement.h"

#pragma GCC visibility push(hidden)

/* Factors and percentages have thousandths, at the least. */
#define THOUSANDTHS 3

typedef struct CheckedRow
{
	HeapTuple	tuple;
	HeapTuple	before;			/* of an update, or NULL */
	TupleDesc	tupdesc;
} CheckedRow;

extern CheckedRow check_row(FunctionCallInfo fcinfo);
extern NullableDatum check_column(const CheckedRow *row, const char *column);
/* NULL for NULL. */
extern char *check_text(const CheckedRow *row, const char *column);
extern bool check_is(const CheckedRow *row, const char *column,
					 const char *word);
/* Has an update another value in this column? */
extern bool check_differs(const CheckedRow *row, const char *column);
/* LY801 with the column and its value. */
pg_noreturn extern void check_refuse(const CheckedRow *row,
									 const char *column, const char *why);
/*
 * Refuses a number with too many decimals; other limits are those of the
 * column.  Returns whether it can be counted at all, and as what (or NULL).
 */
extern bool check_decimals(const CheckedRow *row, const char *column,
						   int scale, int64 *minor);

/* Is it there, and is anything there that it could be? */
#define CHECK_KNOWN(table, condition) \
	"SELECT EXISTS (SELECT FROM loyalty." table \
	" WHERE program_id = $1 AND " condition ")," \
	" EXISTS (SELECT FROM loyalty." table " WHERE program_id = $1)"

/*
 * Refuses a name that the programme has not, by a statement as above.  While
 * the programme has no row at all there it is taken on trust: a restore loads
 * table by table.
 */
extern void check_known(const CheckedRow *row, Statement *statement,
						const char *column, const char *what);

#pragma GCC visibility pop

#endif							/* LOYALTY_AMOUNT_CHECK_H */
