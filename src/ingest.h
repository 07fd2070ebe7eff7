/*
 * ingest.h
 *
 * Many events at once.
 */
#ifndef LOYALTY_INGEST_H
#define LOYALTY_INGEST_H

#include "loyalty.h"

#include "access/htup.h"
#include "utils/array.h"

#include "event.h"
#include "rule_program.h"

#pragma GCC visibility push(hidden)

typedef enum IngestStatus
{
	INGEST_PENDING,
	INGEST_DONE,
	INGEST_REPLAYED,
	INGEST_REJECTED
} IngestStatus;

/* An event to be recorded, and what became of it. */
typedef struct IngestRow
{
	EventInput	input;			/* data in the context of the caller */
	NullableDatum line;			/* text: where it comes from */
	NullableDatum identities;	/* jsonb: instead of input.member_id */

	IngestStatus status;
	int64		journal_id;		/* of a row that is done or replayed */
	const char *reason;			/* of a rejected row: name ... */
	const char *code;			/* ... and SQLSTATE */
	const char *detail;			/* or NULL */
} IngestRow;

typedef struct IngestCounts
{
	int64		done;
	int64		replayed;
	int64		rejected;
} IngestCounts;

extern const Program *ingest_program(Datum program);
extern HeapTupleHeader *ingest_elements(ArrayType *array, int ncolumns,
										TupleDesc *tupdesc, int *n);
extern Datum ingest_end(FunctionCallInfo fcinfo, int32 program_id,
						const char *source, int32 run_id,
						const IngestRow *rows, int n);
extern void ingest_note(IngestRow *row, const EventOutcome *outcome);
extern void ingest_count(const IngestRow *rows, int n, IngestCounts *counts);
extern void ingest_reject_error(IngestRow *row, const ErrorData *error);
extern void ingest_rows(const Program *program, IngestRow *rows, int n,
						bool enroll, IngestCounts *counts);
extern void ingest_write_rejects(int32 program_id, const char *source,
								 int32 run_id, const IngestRow *rows, int n);
extern void ingest_reject(IngestRow *row, const char *reason,
						  const char *code, const char *detail);
extern void ingest_refuse(IngestRow *row, Refusal refusal,
						  const char *detail);

/*
 * Runs a function in a subtransaction.  False, with the error and nothing
 * written, if it raises one that belongs to its data; others are raised on.
 */
extern bool ingest_attempt(void (*function) (void *argument), void *argument,
						   ErrorData **error);

#pragma GCC visibility pop

#endif							/* LOYALTY_INGEST_H */
