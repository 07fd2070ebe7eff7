/*
 * condition_terms.c
 *
 * Reads when and for whom something applies, as rules, coupons and offers
 * have it in columns of the same names.
 */
#include "condition.h"

#include "utils/date.h"

/* In the order of TERMS_COLUMNS. */
enum terms_column
{
	TERMS_DAYS_OF_WEEK,
	TERMS_WEEKS_OF_MONTH,
	TERMS_DAYS_OF_MONTH,
	TERMS_CALENDAR,
	TERMS_TIME_FROM,
	TERMS_TIME_UNTIL,
	TERMS_BIRTHDAY,
	TERMS_ANNIVERSARY,
	TERMS_FIRST_PURCHASES,
	TERMS_IDLE_FROM,
	TERMS_IDLE_UNTIL,
	TERMS_TIERS,
	TERMS_TAGS,
	TERMS_SEGMENTS,
	TERMS_CHANNELS,
	TERMS_STORES,
	TERMS_STORE_COLLECTION,
	TERMS_CONDITION,
	TERMS_END
};

StaticAssertDecl(TERMS_END == TERMS_NCOLUMNS,
				 "terms_column is not TERMS_COLUMNS");

/* Numbers as bits; -1, the last, is bit 0; NULL is 0, any. */
static uint32
bits_of(uint64 row, int column)
{
	Datum	   *numbers;
	int			n = array_elements((ArrayType *) statement_varlena(row, column),
								   INT4OID, &numbers);
	uint32		bits = 0;

	if (n < 0)
		elog(ERROR, "unexpected NULL in an array");
	for (int i = 0; i < n; i++)
		bits |= 1u << (DatumGetInt32(numbers[i]) < 0 ? 0 :
					   DatumGetInt32(numbers[i]));
	return bits;
}

static void
read_when(uint64 row, int column, Terms *terms)
{
	bool		isnull;
	Datum		value;

	terms->days_of_week = bits_of(row, column + TERMS_DAYS_OF_WEEK);
	terms->weeks_of_month = bits_of(row, column + TERMS_WEEKS_OF_MONTH);
	terms->days_of_month = bits_of(row, column + TERMS_DAYS_OF_MONTH);
	terms->calendar_name = statement_text(row, column + TERMS_CALENDAR);
	value = statement_value(row, column + TERMS_TIME_FROM, &isnull);
	terms->has_time = !isnull;
	if (terms->has_time)
	{
		terms->time_from = DatumGetTimeADT(value);
		value = statement_notnull(row, column + TERMS_TIME_UNTIL);
		terms->time_until = DatumGetTimeADT(value);
	}
	terms->birthday = recurrence(statement_text(row,
												column + TERMS_BIRTHDAY));
	terms->anniversary =
		recurrence(statement_text(row, column + TERMS_ANNIVERSARY));
	terms->first_purchases =
		statement_int32_or(row, column + TERMS_FIRST_PURCHASES, 0);
	terms->idle_from = statement_int32_or(row, column + TERMS_IDLE_FROM, -1);
	terms->idle_until = statement_int32_or(row, column + TERMS_IDLE_UNTIL,
										   -1);
}

static void
read_who(uint64 row, int column, Terms *terms)
{
	terms->tiers = statement_names(row, column + TERMS_TIERS);
	terms->tags = statement_names(row, column + TERMS_TAGS);
	terms->segments = statement_names(row, column + TERMS_SEGMENTS);
	terms->channels = statement_names(row, column + TERMS_CHANNELS);
	terms->stores = statement_names(row, column + TERMS_STORES);
	terms->store_collection_name =
		statement_text(row, column + TERMS_STORE_COLLECTION);
	terms->condition =
		(JsonPath *) statement_varlena(row, column + TERMS_CONDITION);
}

void
condition_terms(uint64 row, int column, Terms *terms)
{
	read_when(row, column, terms);
	read_who(row, column, terms);
}

void
condition_terms_lists(CollectionLoader *loader, Terms *terms)
{
	terms->calendar = calendar_load(loader, terms->calendar_name);
	terms->store_collection = collection_load(loader,
											  terms->store_collection_name);
}
