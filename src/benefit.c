/*
 * benefit.c
 *
 * Benefits of a programme, and those that a member was given by hand.
 */
#include "benefit.h"

#include "amount.h"

static Statement select_benefits = {
	"SELECT benefit_id, name, title, kind, status = 'active', valid_from,"
	" valid_until, birthday, calendar, channels,"
	" (percent_off * 1000)::int, price_list, (factor * 1000)::int, unit_id,"
	" quantity, valid_days, gap_days"
	" FROM loyalty.benefit WHERE program_id = $1 ORDER BY benefit_id",
	1, {INT4OID}
};

static Statement select_holders = {
	"SELECT source, name, quantity FROM loyalty.benefit_holder"
	" WHERE benefit_id = $1 ORDER BY source, name",
	1, {INT4OID}
};

static Statement select_given = {
	"SELECT benefit_id, valid_from, valid_until, quantity"
	" FROM loyalty.member_benefit WHERE member_id = $1"
	" AND (valid_until IS NULL OR valid_until > $2) ORDER BY benefit_id",
	2, {INT8OID, TIMESTAMPTZOID}
};

static const char *const kind_names[] = {
	[BENEFIT_PRICE] = "price",
	[BENEFIT_MULTIPLIER] = "multiplier",
	[BENEFIT_FLAG] = "flag",
	[BENEFIT_QUOTA] = "quota",
	[BENEFIT_VOUCHER] = "voucher",
	[BENEFIT_GIFT] = "gift",
	[BENEFIT_EVERY_N] = "every_n"
};

static const char *const source_names[] = {
	[HOLDER_EVERYONE] = "everyone",
	[HOLDER_TIER] = "tier",
	[HOLDER_SEGMENT] = "segment",
	[HOLDER_TAG] = "tag",
	[HOLDER_STAGE] = "stage",
	[HOLDER_PLAN] = "plan",
	[HOLDER_CAMPAIGN] = "campaign"
};

const char *
benefit_kind_name(BenefitKind kind)
{
	return kind_names[kind];
}

const char *
holder_source_name(HolderSource source)
{
	return source_names[source];
}

/* The scale in which a benefit's quantity is counted. */
static int
quantity_scale(const Benefit *benefit)
{
	return benefit->kind == BENEFIT_EVERY_N ? benefit->unit->scale : 0;
}

/* A quantity that may be NULL (-1), in minor units. */
static int64
quantity_of(const Benefit *benefit, uint64 row, int column)
{
	bool		isnull;
	Datum		value = statement_value(row, column, &isnull);
	int64		quantity;

	if (isnull)
		return -1;
	if (amount_parse(DatumGetNumeric(value), quantity_scale(benefit),
					 &quantity) != REFUSAL_NONE)
		refusal_raise(REFUSAL_RULE_INVALID,
					  psprintf("benefit=%s quantity has too many decimals",
							   benefit->name));
	return quantity;
}

static void
load_holders(Benefit *benefit)
{
	NullableDatum args[] = {ARG(Int32GetDatum(benefit->benefit_id))};

	benefit->nholders = statement_run(&select_holders, args, true);
	benefit->holders = palloc(sizeof(BenefitHolder) *
							  Max(benefit->nholders, 1));
	for (int i = 0; i < benefit->nholders; i++)
	{
		BenefitHolder *holder = &benefit->holders[i];

		holder->source = word_of(statement_text(i, 1), source_names,
								 lengthof(source_names));
		holder->name = statement_text(i, 2);
		holder->quantity = quantity_of(benefit, i, 3);
	}
}

static const Unit *
unit_of(uint64 row, int column, const Unit *units, int nunits)
{
	int32		unit_id = statement_int32_or(row, column, 0);

	for (int i = 0; i < nunits; i++)
		if (units[i].unit_id == unit_id)
			return &units[i];
	return NULL;
}

static void
load_benefit(Benefit *benefit, uint64 row, const Unit *units, int nunits)
{
	benefit->benefit_id = DatumGetInt32(statement_notnull(row, 1));
	benefit->name = statement_text(row, 2);
	benefit->title = statement_text(row, 3);
	benefit->kind = word_of(statement_text(row, 4), kind_names,
							lengthof(kind_names));
	benefit->active = DatumGetBool(statement_notnull(row, 5));
	benefit->valid_from = statement_time_or(row, 6, DT_NOBEGIN);
	benefit->valid_until = statement_time_or(row, 7, DT_NOEND);
	benefit->birthday = recurrence(statement_text(row, 8));
	benefit->calendar_name = statement_text(row, 9);
	benefit->channels = statement_names(row, 10);
	benefit->percent_off = statement_int32_or(row, 11, 0);
	benefit->price_list = statement_text(row, 12);
	benefit->factor = statement_int32_or(row, 13, 0);
	benefit->unit = unit_of(row, 14, units, nunits);
	benefit->quantity = 0;
	if (benefit->kind == BENEFIT_QUOTA || benefit->kind == BENEFIT_EVERY_N)
	{
		if (benefit->unit == NULL)
			refusal_raise(REFUSAL_RULE_INVALID,
						  psprintf("benefit=%s has no unit", benefit->name));
		benefit->quantity = quantity_of(benefit, row, 15);
	}
	benefit->valid_days = statement_int32_or(row, 16, 0);
	benefit->gap_days = statement_int32_or(row, 17, 0);
}

Benefit *
benefit_load(CollectionLoader *loader, const Unit *units, int nunits,
			 int *nbenefits)
{
	NullableDatum args[] = {ARG(Int32GetDatum(loader->program_id))};
	int			n = statement_run(&select_benefits, args, true);
	Benefit    *benefits = palloc0(sizeof(Benefit) * Max(n, 1));

	for (int i = 0; i < n; i++)
		load_benefit(&benefits[i], i, units, nunits);
	for (int i = 0; i < n; i++)
	{
		benefits[i].calendar = calendar_load(loader,
											 benefits[i].calendar_name);
		load_holders(&benefits[i]);
	}
	*nbenefits = n;
	return benefits;
}

GivenBenefit *
benefit_given(int64 member_id, TimestampTz at, bool read_only, int *ngiven)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(member_id)),
		ARG(TimestampTzGetDatum(at))
	};
	int			n = statement_run(&select_given, args, read_only);
	GivenBenefit *given = palloc(sizeof(GivenBenefit) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		Datum		quantity = statement_value(i, 4, &isnull);

		given[i].benefit_id = DatumGetInt32(statement_notnull(i, 1));
		given[i].valid_from = DatumGetTimestampTz(statement_notnull(i, 2));
		given[i].valid_until = statement_time_or(i, 3, DT_NOEND);
		given[i].quantity = -1;
		if (!isnull &&
			amount_parse(DatumGetNumeric(quantity), 0,
						 &given[i].quantity) != REFUSAL_NONE)
			elog(ERROR, "quantity of benefit %d is no whole number",
				 given[i].benefit_id);
	}
	*ngiven = n;
	return given;
}
