/*
 * balance_benefit.c
 *
 * Which benefits a member has, and what they make of prices.  Nothing here
 * depends on housekeeping: the tier is that of the date, and what is over by
 * its date is not held.  No lock is taken.
 */
#include "benefit.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "amount.h"
#include "event.h"

PG_FUNCTION_INFO_V1(loyalty_balance_has_benefit);
PG_FUNCTION_INFO_V1(loyalty_balance_benefits);
PG_FUNCTION_INFO_V1(loyalty_balance_benefit_price);

/* A member as of a time. */
typedef struct Reading
{
	Account		account;
	Decision	decision;
	TimestampTz at;
	Facts		facts;			/* tier, birthday, what he holds */
} Reading;

/* Connects, and loads the account; at: as given, or now. */
static void
begin_reading(FunctionCallInfo fcinfo, int at_arg, Reading *reading)
{
	MemoryContext caller = CurrentMemoryContext;
	TimestampTz now = loyalty_clock();
	int64		member_id;

	require_argument(fcinfo, 0, "member_id");
	member_id = PG_GETARG_INT64(0);
	memset(reading, 0, sizeof(Reading));
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	if (!store_load(member_id, ACCOUNT_READ_STABLE, now, &reading->account,
					&reading->decision))
		refusal_raise(REFUSAL_MEMBER_NOT_FOUND,
					  psprintf("member_id=" INT64_FORMAT, member_id));
	reading->at = PG_ARGISNULL(at_arg) ? now : PG_GETARG_TIMESTAMPTZ(at_arg);
	if (TIMESTAMP_NOT_FINITE(reading->at))
		refusal_raise(REFUSAL_TIME_NOT_FINITE, "at is not finite");
	reading->facts.on = program_date(reading->decision.program, reading->at);
	if (reading->facts.on < WALLET_FIRST_DATE ||
		reading->facts.on > WALLET_LAST_DATE)
		refusal_raise(REFUSAL_TIME_NOT_FINITE,
					  "at must lie between the years 1 and 9999");
}

/* Who has left has no benefits. */
static bool
is_open(const Reading *reading)
{
	return reading->account.status == STATUS_ACTIVE ||
		reading->account.status == STATUS_FROZEN;
}

static void
load_person(Reading *reading, int needs)
{
	const Program *program = reading->decision.program;

	if (program->ntiers > 0)
	{
		/* plans bought ahead may bring a tier by then */
		if (reading->facts.on > reading->decision.today)
			store_load_periods(&reading->decision, true);
		reading->facts.tier = event_tier_at(&reading->decision, reading->at);
	}
	if (needs & NEEDS_MEMBER)
		event_facts_member(&reading->decision, &reading->facts, true);
}

static void
load_holdings(Reading *reading, int needs)
{
	store_holdings(reading->account.member_id, reading->decision.program,
				   reading->at, needs, true, &reading->facts.held);
}

static bool
applies(const Reading *reading, const Benefit *benefit, const text *channel,
		Entitlement *entitlement)
{
	return decide_benefit_applies(reading->decision.program, benefit,
								  &reading->facts, reading->at, channel,
								  entitlement);
}

enum has_arg
{
	HAS_MEMBER_ID,
	HAS_BENEFIT,
	HAS_AT,
	HAS_CHANNEL
};

/*
 * has_benefit(member_id, benefit, at, channel): what a tier gives is known
 * from the account; only who has it not that way is looked at more closely.
 */
Datum
loyalty_balance_has_benefit(PG_FUNCTION_ARGS)
{
	Reading		reading;
	Entitlement entitlement;
	const Benefit *benefit;
	const text *channel = PG_ARGISNULL(HAS_CHANNEL) ? NULL :
		PG_GETARG_TEXT_PP(HAS_CHANNEL);
	char	   *name;
	int			needs;
	bool		has = false;

	require_argument(fcinfo, HAS_BENEFIT, "benefit");
	name = text_to_cstring(PG_GETARG_TEXT_PP(HAS_BENEFIT));
	begin_reading(fcinfo, HAS_AT, &reading);
	benefit = program_benefit(reading.decision.program, name);
	if (benefit == NULL)
		refusal_raise(REFUSAL_UNKNOWN_BENEFIT,
					  psprintf("benefit=%s", clipped(name)));
	if (benefit->active && is_open(&reading))
	{
		needs = program_benefit_needs(benefit);
		load_person(&reading, needs);
		has = applies(&reading, benefit, channel, &entitlement);
		if (!has)
		{
			load_holdings(&reading, needs);
			has = applies(&reading, benefit, channel, &entitlement);
		}
	}
	SPI_finish();
	PG_RETURN_BOOL(has);
}

/*
 * benefits()
 */

enum benefits_arg
{
	BENEFITS_MEMBER_ID,
	BENEFITS_AT
};

enum benefits_column
{
	BENEFITS_NAME,
	BENEFITS_TITLE,
	BENEFITS_KIND,
	BENEFITS_BY,
	BENEFITS_OPEN,
	BENEFITS_QUANTITY,
	BENEFITS_USED,
	BENEFITS_REMAINING,
	BENEFITS_PERIOD_UNTIL,
	BENEFITS_UNTIL,
	BENEFITS_VOUCHERS,
	BENEFITS_NCOLUMNS
};

/* What was issued of each benefit: in all but the void, and open on a date. */
static Statement select_vouchers = {
	"SELECT benefit_id, count(*) FILTER (WHERE status <> 'void'),"
	" count(*) FILTER (WHERE status = 'issued'"
	" AND coalesce(valid_until >= $2, true))::int"
	" FROM loyalty.voucher WHERE member_id = $1"
	" GROUP BY benefit_id",
	2, {INT8OID, DATEOID}
};

typedef struct Issued
{
	int32		benefit_id;
	int64		n;
	int			nopen;
} Issued;

typedef struct IssuedList
{
	int			n;
	Issued	   *list;
} IssuedList;

static void
load_issued(const Reading *reading, IssuedList *issued)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(reading->account.member_id)),
		ARG(DateADTGetDatum(reading->facts.on))
	};

	issued->n = statement_run(&select_vouchers, args, true);
	issued->list = palloc(sizeof(Issued) * Max(issued->n, 1));
	for (int i = 0; i < issued->n; i++)
	{
		issued->list[i].benefit_id = DatumGetInt32(statement_notnull(i, 1));
		issued->list[i].n = DatumGetInt64(statement_notnull(i, 2));
		issued->list[i].nopen = DatumGetInt32(statement_notnull(i, 3));
	}
}

static Issued
issued_of(const IssuedList *issued, const Benefit *benefit)
{
	Issued		none = {.benefit_id = benefit->benefit_id};

	for (int i = 0; i < issued->n; i++)
		if (issued->list[i].benefit_id == benefit->benefit_id)
			return issued->list[i];
	return none;
}

/* By what a member has a benefit: 'tier gold', 'everyone', 'hand'. */
static char *
source_of(const Entitlement *entitlement)
{
	const BenefitHolder *holder = entitlement->holder;

	if (holder == NULL)
		return "hand";
	return holder->source == HOLDER_EVERYONE ? "everyone" :
		psprintf("%s %s", holder_source_name(holder->source), holder->name);
}

/*
 * Until when at least: a tier is held up to its review.  DT_NOEND: no end is
 * known.
 */
static TimestampTz
until_of(const Reading *reading, const Entitlement *entitlement)
{
	const Decision *decision = &reading->decision;
	DateADT		tier_until = decide_tier_until(decision);

	if (entitlement->holder == NULL ||
		entitlement->holder->source != HOLDER_TIER ||
		DATE_NOT_FINITE(tier_until) || reading->at < decision->now)
		return entitlement->until;
	return Min(entitlement->until,
			   program_midnight(decision->program, tier_until + 1));
}

static void
put_amount(Datum *values, bool *nulls, int column, int64 minor, int scale)
{
	values[column] = NumericGetDatum(amount_numeric(minor, scale));
	nulls[column] = false;
}

/* What was used in a period that is over is not known here. */
static void
put_quota(const Reading *reading, const Entitlement *entitlement,
		  Datum *values, bool *nulls)
{
	const Benefit *benefit = entitlement->benefit;
	DateADT		end = period_end(benefit->unit->period, reading->facts.on);
	DateADT		today = program_date(reading->decision.program,
									 loyalty_clock());
	int64		used;

	put_amount(values, nulls, BENEFITS_QUANTITY, entitlement->quantity, 0);
	if (end != DATEVAL_NOEND)
	{
		values[BENEFITS_PERIOD_UNTIL] = DateADTGetDatum(end);
		nulls[BENEFITS_PERIOD_UNTIL] = false;
	}
	if (end < today)
		return;
	used = decide_quota_used(&reading->decision, benefit->unit,
							 reading->facts.on);
	put_amount(values, nulls, BENEFITS_USED, used, 0);
	put_amount(values, nulls, BENEFITS_REMAINING,
			   Max(entitlement->quantity - used, 0), 0);
}

/* How far the member is on the way to the next one. */
static void
put_every_n(const Reading *reading, const Benefit *benefit, int64 issued,
			Datum *values, bool *nulls)
{
	TierThreshold window = {
		.unit = benefit->unit,
		.window = WINDOW_LIFETIME
	};
	DateADT		from;
	int64		total = decide_metric(&reading->decision, &window,
									  reading->facts.on, &from);
	int64		n = benefit->quantity;
	int64		used = Min(Max(total - n * issued, 0), n);
	int			scale = benefit->unit->scale;

	put_amount(values, nulls, BENEFITS_QUANTITY, n, scale);
	put_amount(values, nulls, BENEFITS_USED, used, scale);
	put_amount(values, nulls, BENEFITS_REMAINING,
			   Max(n * (issued + 1) - total, 0), scale);
}

static void
put_benefit(const Reading *reading, const Benefit *benefit,
			const Entitlement *entitlement, const Issued *issued,
			ReturnSetInfo *result)
{
	Datum		values[BENEFITS_NCOLUMNS] = {0};
	bool		nulls[BENEFITS_NCOLUMNS];
	TimestampTz until = entitlement == NULL ? DT_NOEND :
		until_of(reading, entitlement);

#define PUT(column, datum) \
	(values[column] = (datum), nulls[column] = false)
	memset(nulls, true, sizeof(nulls));
	PUT(BENEFITS_NAME, CStringGetTextDatum(benefit->name));
	if (benefit->title != NULL)
		PUT(BENEFITS_TITLE, CStringGetTextDatum(benefit->title));
	PUT(BENEFITS_KIND, CStringGetTextDatum(benefit_kind_name(benefit->kind)));
	PUT(BENEFITS_BY, CStringGetTextDatum(entitlement == NULL ? "voucher" :
										 source_of(entitlement)));
	PUT(BENEFITS_OPEN,
		BoolGetDatum(reading->account.status == STATUS_ACTIVE &&
					 decide_benefit_open(reading->decision.program, benefit,
										 reading->facts.birth_month,
										 reading->facts.birth_day,
										 reading->at)));
	if (benefit->kind == BENEFIT_QUOTA && entitlement != NULL)
		put_quota(reading, entitlement, values, nulls);
	if (benefit->kind == BENEFIT_EVERY_N && entitlement != NULL)
		put_every_n(reading, benefit, issued->n, values, nulls);
	if (until != DT_NOEND)
		PUT(BENEFITS_UNTIL, TimestampTzGetDatum(until));
	if (benefit->kind == BENEFIT_VOUCHER || benefit->kind == BENEFIT_GIFT ||
		benefit->kind == BENEFIT_EVERY_N)
		PUT(BENEFITS_VOUCHERS, Int32GetDatum(issued->nopen));
#undef PUT
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Everything that some benefit needs. */
static int
needs_of(const Program *program)
{
	int			needs = 0;

	for (int i = 0; i < program->nbenefits; i++)
		if (program->benefits[i].active)
			needs |= program_benefit_needs(&program->benefits[i]);
	return needs;
}

/* benefits(member_id, at): what he is entitled to, or has a voucher of. */
Datum
loyalty_balance_benefits(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const Program *program;
	Reading		reading;
	IssuedList	issued = {0};
	int			needs;

	InitMaterializedSRF(fcinfo, 0);
	begin_reading(fcinfo, BENEFITS_AT, &reading);
	program = reading.decision.program;
	needs = needs_of(program);
	if (needs != 0 && is_open(&reading))
	{
		load_person(&reading, needs);
		load_holdings(&reading, needs);
		load_issued(&reading, &issued);
		for (int i = 0; i < program->nbenefits; i++)
		{
			const Benefit *benefit = &program->benefits[i];
			Issued		mine = issued_of(&issued, benefit);
			Entitlement entitlement;
			bool		has = decide_entitled(program, benefit,
											  reading.facts.tier,
											  &reading.facts.held,
											  reading.at, &entitlement);

			if (has || mine.nopen > 0)
				put_benefit(&reading, benefit, has ? &entitlement : NULL,
							&mine, result);
		}
	}
	SPI_finish();
	return (Datum) 0;
}

/*
 * benefit_price()
 */

enum price_arg
{
	PRICE_MEMBER_ID,
	PRICE_ITEMS,
	PRICE_AT,
	PRICE_CHANNEL
};

enum price_column
{
	PRICE_LINE,
	PRICE_SKU,
	PRICE_QTY,
	PRICE_PRICE,
	PRICE_MEMBER_PRICE,
	PRICE_BENEFIT,
	PRICE_SOURCE,
	PRICE_NCOLUMNS
};

static void
find_prices(Reading *reading, const text *channel, const CartLines *lines,
			MemberPrices *prices)
{
	const Program *program = reading->decision.program;
	int			needs = store_price_needs(program);

	memset(prices, 0, sizeof(MemberPrices));
	if (needs == 0 || !is_open(reading))
		return;
	load_person(reading, needs);
	load_holdings(reading, needs);
	store_prices(program, &reading->facts, reading->at, channel, lines,
				 prices);
}

static void
put_price(const Reading *reading, Jsonb *items, const CartLines *lines,
		  int line, MemberPrices *prices, ReturnSetInfo *result)
{
	JsonbValue *item = getIthJsonbValueFromContainer(&items->root, line);
	JsonbValue	buffer;
	Numeric		price = item_field(item, "price", &buffer)->val.numeric;
	const Entitlement *by;
	Numeric		member_price =
		store_price(prices, line, price,
					reading->decision.program->currency_scale, &by);
	Datum		values[PRICE_NCOLUMNS] = {0};
	bool		nulls[PRICE_NCOLUMNS] = {false};

	values[PRICE_LINE] = Int32GetDatum(line + 1);
	values[PRICE_SKU] = CStringGetTextDatum(lines->lines[line].sku);
	values[PRICE_QTY] = DirectFunctionCall1(numeric_trim_scale,
											NumericGetDatum(amount_numeric(lines->lines[line].qty, 3)));
	values[PRICE_PRICE] = NumericGetDatum(price);
	values[PRICE_MEMBER_PRICE] = NumericGetDatum(member_price);
	nulls[PRICE_BENEFIT] = by == NULL;
	nulls[PRICE_SOURCE] = by == NULL;
	if (by != NULL)
	{
		values[PRICE_BENEFIT] = CStringGetTextDatum(by->benefit->name);
		values[PRICE_SOURCE] = CStringGetTextDatum(source_of(by));
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* benefit_price(member_id, items, at, channel): one row per line. */
Datum
loyalty_balance_benefit_price(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Call		call = {.mode = MODE_DO};
	Reading		reading;
	MemberPrices prices;
	CartLines	lines;
	Jsonb	   *items;

	require_argument(fcinfo, PRICE_ITEMS, "items");
	items = PG_GETARG_JSONB_P(PRICE_ITEMS);
	InitMaterializedSRF(fcinfo, 0);
	begin_reading(fcinfo, PRICE_AT, &reading);
	call.decision.program = reading.decision.program;
	/* raises what it refuses */
	if (!items_parse(&call, items, &lines))
		elog(ERROR, "a refusal was not raised");
	find_prices(&reading, PG_ARGISNULL(PRICE_CHANNEL) ? NULL :
				PG_GETARG_TEXT_PP(PRICE_CHANNEL), &lines, &prices);
	for (int i = 0; i < lines.n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		put_price(&reading, items, &lines, i, &prices, result);
	}
	SPI_finish();
	return (Datum) 0;
}
