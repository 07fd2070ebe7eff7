/*
 * coupon.c
 *
 * Compiles coupons and offers of a programme, in all the versions that
 * something was issued with.  What the triggers refuse when a coupon is saved
 * is refused here again: units and scales may have changed since, and a dump
 * is restored in any order.
 */
#include "coupon.h"

#include "utils/builtins.h"

#include "amount.h"

/* Scale of what is counted in thousandths: pieces, factors, percentages. */
#define THOUSANDTHS 3

enum coupon_column
{
	COUPON_ID = 1,
	COUPON_VERSION,
	COUPON_NAME,
	COUPON_TITLE,
	COUPON_AUTOMATIC,
	COUPON_STATUS,
	COUPON_CAMPAIGN_ID,
	COUPON_KIND,
	COUPON_AMOUNT_OFF,
	COUPON_PERCENT_OFF,
	COUPON_MAX_DISCOUNT,
	COUPON_BASE,
	COUPON_STEP_FROM,
	COUPON_STEP_OFF,
	COUPON_STEP_KIND,
	COUPON_REPEATS,
	COUPON_BUY,
	COUPON_GET,
	COUPON_PICK,
	COUPON_MAX_TIMES,
	COUPON_SKU,
	COUPON_QUANTITY,
	COUPON_FACTOR,
	COUPON_UNIT_ID,
	COUPON_ITEM_FILTER,
	COUPON_COLLECTION,
	COUPON_EXCLUDED_COLLECTION,
	COUPON_TARGET_FILTER,
	COUPON_TARGET_COLLECTION,
	COUPON_MIN_AMOUNT,
	COUPON_MAX_AMOUNT,
	COUPON_MIN_QUANTITY,
	COUPON_MAX_QUANTITY,
	COUPON_VALID_FROM,
	COUPON_VALID_UNTIL,
	COUPON_VALID_DAYS,
	COUPON_VALID_AFTER,
	COUPON_TERMS,
	COUPON_PAYMENT_METHODS = COUPON_TERMS + TERMS_NCOLUMNS,
	COUPON_CATEGORY,
	COUPON_EXCLUSIVE,
	COUPON_MAX_PER_ORDER,
	COUPON_PRIORITY,
	COUPON_CLAIMABLE,
	COUPON_CLAIMS,
	COUPON_CLAIM_FROM,
	COUPON_CLAIM_UNTIL,
	COUPON_CLAIM_REQUIRED,
	COUPON_TRANSFERABLE,
	COUPON_PRICE_OF,
	COUPON_PRICE_UNIT_ID,
	COUPON_CODE_LENGTH,
	COUPON_MAX_USES,
	COUPON_LIMIT_MEMBER,
	COUPON_LIMIT_PERIOD,
	COUPON_PERIOD,
	COUPON_RETURNS,
	COUPON_RETURN_DAYS,
	COUPON_FREE_CODES
};

/*
 * In the order of the enum.  What a template is now comes first: some of it
 * holds for its older versions as well.
 */
static Statement select_coupons = {
	"SELECT coupon_id, version, name, title, automatic, status, campaign_id,"
	" kind, amount, percent, max_discount, base, step_from, step_off,"
	" step_kind, repeats, buy, get, pick, max_times, sku, quantity, factor,"
	" unit_id, item_filter, collection, excluded_collection, target_filter,"
	" target_collection, min_amount, max_amount, min_quantity, max_quantity,"
	" valid_from, valid_until, valid_days, valid_after, " TERMS_COLUMNS ","
	" payment_methods, category, exclusive, max_per_order, priority,"
	" claimable, claims, claim_from, claim_until, claim_required,"
	" transferable, price, price_unit_id, code_length, max_uses,"
	" limit_member, limit_period, period, returns, return_days, free_codes"
	" FROM (SELECT true AS current, c.* FROM loyalty.coupon c"
	" WHERE c.program_id = $1"
	" UNION ALL SELECT false, o.* FROM loyalty.coupon c"
	" JOIN loyalty.coupon_version v ON v.coupon_id = c.coupon_id"
	" CROSS JOIN LATERAL"
	" jsonb_populate_record(NULL::loyalty.coupon, v.definition) o"
	" WHERE c.program_id = $1) x"
	" ORDER BY coupon_id, current DESC, version DESC",
	1, {INT4OID}
};

static Statement select_categories = {
	"SELECT name, stacking, max_per_order, rank"
	" FROM loyalty.coupon_category WHERE program_id = $1 ORDER BY name",
	1, {INT4OID}
};

static Statement select_limits = {
	"SELECT coupon_id, counts, budget_id FROM loyalty.coupon_limit"
	" WHERE program_id = $1",
	1, {INT4OID}
};

static const char *const kind_names[] = {
	[COUPON_AMOUNT] = "amount",
	[COUPON_PERCENT] = "percent",
	[COUPON_LADDER] = "ladder",
	[COUPON_PRICE] = "price",
	[COUPON_BUNDLE] = "bundle",
	[COUPON_BUY_GET] = "buy_get",
	[COUPON_GIFT] = "gift",
	[COUPON_SHIPPING] = "shipping",
	[COUPON_MULTIPLIER] = "multiplier",
	[COUPON_EXCHANGE] = "exchange"
};

static const char *const counts_names[] = {
	[COUNTS_ISSUED] = "issued",
	[COUNTS_USED] = "used",
	[COUNTS_DISCOUNT] = "discount"
};

/* Of coupons without a category. */
static const CouponCategory no_category = {
	.name = NULL,
	.stacking = STACKING_COMMON,
	.max_per_order = 0,
	.rank = 100
};

/* What coupons are compiled with. */
typedef struct Loading
{
	int			currency_scale;
	const Campaign *campaigns;
	int			ncampaigns;
	const Unit *units;
	int			nunits;
	const CouponCategories *categories;
} Loading;

const char *
coupon_kind_name(CouponKind kind)
{
	return kind_names[kind];
}

const char *
coupon_counts_name(CouponCounts counts)
{
	return counts_names[counts];
}

pg_noreturn static void
refuse(const Coupon *coupon, const char *what)
{
	refusal_raise(REFUSAL_RULE_INVALID,
				  psprintf("coupon=%s %s", coupon->name, what));
}

/* A number in the terms of a scale; otherwise, for NULL. */
static int64
number_of(const Coupon *coupon, uint64 row, int column, int scale,
		  int64 otherwise)
{
	bool		isnull;
	Datum		value = statement_value(row, column, &isnull);
	int64		minor;

	if (isnull)
		return otherwise;
	if (amount_parse(DatumGetNumeric(value), scale, &minor) != REFUSAL_NONE)
		refuse(coupon, "has more decimals than its unit or currency");
	return minor;
}

static bool
flag_of(uint64 row, int column)
{
	return DatumGetBool(statement_notnull(row, column));
}

static bool
is_word(uint64 row, int column, const char *word)
{
	char	   *value = statement_text(row, column);

	return value != NULL && strcmp(value, word) == 0;
}

static JsonPath *
path_of(uint64 row, int column)
{
	return (JsonPath *) statement_varlena(row, column);
}

static const Unit *
unit_of(const Loading *loading, const Coupon *coupon, int32 unit_id)
{
	for (int i = 0; i < loading->nunits; i++)
		if (loading->units[i].unit_id == unit_id)
			return &loading->units[i];
	refuse(coupon, psprintf("unit_id=%d", unit_id));
}

/*
 * A restore loads coupons before the campaigns and categories that they name,
 * so either may be missing.  Such a coupon is good for nothing; members go on
 * buying and earning.
 */
static const Campaign *
campaign_of(const Loading *loading, Coupon *coupon, uint64 row)
{
	int32		campaign_id = statement_int32_or(row, COUPON_CAMPAIGN_ID, 0);

	if (campaign_id == 0)
		return NULL;
	for (int i = 0; i < loading->ncampaigns; i++)
		if (loading->campaigns[i].campaign_id == campaign_id)
			return &loading->campaigns[i];
	coupon->active = false;
	return NULL;
}

static const CouponCategory *
category_of(const Loading *loading, Coupon *coupon, uint64 row)
{
	char	   *name = statement_text(row, COUPON_CATEGORY);

	if (name == NULL)
		return &no_category;
	for (int i = 0; i < loading->categories->n; i++)
		if (strcmp(loading->categories->categories[i].name, name) == 0)
			return &loading->categories->categories[i];
	coupon->active = false;
	return &no_category;
}

static int
steps_of(const Coupon *coupon, uint64 row, int column, Datum **elements)
{
	int			n = array_elements((ArrayType *) statement_varlena(row, column),
								   NUMERICOID, elements);

	if (n < 0)
		refuse(coupon, "has steps that are null");
	return n;
}

static int64
step_of(const Coupon *coupon, Datum element, int scale)
{
	int64		minor;

	if (amount_parse(DatumGetNumeric(element), scale, &minor) != REFUSAL_NONE)
		refuse(coupon, "has more decimals than its unit or currency");
	return minor;
}

static void
load_steps(const Loading *loading, Coupon *coupon, uint64 row)
{
	Datum	   *from;
	Datum	   *off;

	coupon->steps_by_quantity = is_word(row, COUPON_BASE, "quantity");
	coupon->steps_percent = is_word(row, COUPON_STEP_KIND, "percent");
	coupon->repeats = flag_of(row, COUPON_REPEATS);
	coupon->nsteps = steps_of(coupon, row, COUPON_STEP_FROM, &from);
	if (steps_of(coupon, row, COUPON_STEP_OFF, &off) != coupon->nsteps)
		refuse(coupon, "has steps that take nothing off");
	coupon->steps = palloc(sizeof(CouponStep) * Max(coupon->nsteps, 1));
	for (int i = 0; i < coupon->nsteps; i++)
	{
		coupon->steps[i].from =
			step_of(coupon, from[i], coupon->steps_by_quantity ?
					THOUSANDTHS : loading->currency_scale);
		coupon->steps[i].off =
			step_of(coupon, off[i], coupon->steps_percent ?
					THOUSANDTHS : loading->currency_scale);
	}
}

static void
load_gives(const Loading *loading, Coupon *coupon, uint64 row)
{
	int			scale = loading->currency_scale;

	coupon->kind = word_of(statement_text(row, COUPON_KIND), kind_names,
						   lengthof(kind_names));
	coupon->amount = number_of(coupon, row, COUPON_AMOUNT_OFF, scale, -1);
	coupon->percent = number_of(coupon, row, COUPON_PERCENT_OFF, THOUSANDTHS,
								0);
	coupon->max_discount = number_of(coupon, row, COUPON_MAX_DISCOUNT, scale,
									 -1);
	load_steps(loading, coupon, row);
	coupon->buy = statement_int32_or(row, COUPON_BUY, 0);
	coupon->get = statement_int32_or(row, COUPON_GET, 0);
	coupon->dearest = is_word(row, COUPON_PICK, "dearest");
	coupon->max_times = statement_int32_or(row, COUPON_MAX_TIMES, 0);
	coupon->sku = statement_text(row, COUPON_SKU);
	coupon->quantity = number_of(coupon, row, COUPON_QUANTITY, THOUSANDTHS,
								 0);
	coupon->factor = number_of(coupon, row, COUPON_FACTOR, THOUSANDTHS, 0);
	coupon->unit_id = statement_int32_or(row, COUPON_UNIT_ID, 0);
	if (coupon->unit_id != 0)
		unit_of(loading, coupon, coupon->unit_id);
}

static void
load_scope(const Loading *loading, Coupon *coupon, uint64 row)
{
	int			scale = loading->currency_scale;
	CouponLines *match = &coupon->match;
	CouponLines *target = &coupon->target;

	match->filter = path_of(row, COUPON_ITEM_FILTER);
	match->collection_name = statement_text(row, COUPON_COLLECTION);
	match->excluded_name = statement_text(row, COUPON_EXCLUDED_COLLECTION);
	target->filter = path_of(row, COUPON_TARGET_FILTER);
	target->collection_name = statement_text(row, COUPON_TARGET_COLLECTION);
	target->excluded_name = match->excluded_name;
	coupon->by_line = match->filter != NULL ||
		match->collection_name != NULL || match->excluded_name != NULL;
	coupon->has_target = target->filter != NULL ||
		target->collection_name != NULL;
	coupon->min_amount = number_of(coupon, row, COUPON_MIN_AMOUNT, scale, -1);
	coupon->max_amount = number_of(coupon, row, COUPON_MAX_AMOUNT, scale, -1);
	coupon->min_quantity = number_of(coupon, row, COUPON_MIN_QUANTITY,
									 THOUSANDTHS, -1);
	coupon->max_quantity = number_of(coupon, row, COUPON_MAX_QUANTITY,
									 THOUSANDTHS, -1);
}

static void
load_when(Coupon *coupon, uint64 row)
{
	coupon->valid_from = statement_date_or(row, COUPON_VALID_FROM,
										   DATEVAL_NOBEGIN);
	coupon->valid_until = statement_date_or(row, COUPON_VALID_UNTIL,
											DATEVAL_NOEND);
	coupon->valid_days = statement_int32_or(row, COUPON_VALID_DAYS, 0);
	coupon->valid_after = statement_int32_or(row, COUPON_VALID_AFTER, 0);
	condition_terms(row, COUPON_TERMS, &coupon->terms);
	coupon->payment_methods = statement_names(row, COUPON_PAYMENT_METHODS);
}

static void
load_ways(const Loading *loading, Coupon *coupon, uint64 row)
{
	coupon->claimable = flag_of(row, COUPON_CLAIMABLE);
	coupon->claims = statement_int32_or(row, COUPON_CLAIMS, 0);
	coupon->claim_from = statement_date_or(row, COUPON_CLAIM_FROM,
										   DATEVAL_NOBEGIN);
	coupon->claim_until = statement_date_or(row, COUPON_CLAIM_UNTIL,
											DATEVAL_NOEND);
	coupon->claim_required = flag_of(row, COUPON_CLAIM_REQUIRED);
	coupon->transferable = flag_of(row, COUPON_TRANSFERABLE);
	coupon->price_unit_id = statement_int32_or(row, COUPON_PRICE_UNIT_ID, 0);
	if (coupon->price_unit_id != 0)
		coupon->price =
			number_of(coupon, row, COUPON_PRICE_OF,
					  unit_of(loading, coupon, coupon->price_unit_id)->scale,
					  0);
	coupon->code_length = DatumGetInt32(statement_notnull(row,
														  COUPON_CODE_LENGTH));
}

static void
load_limits(Coupon *coupon, uint64 row)
{
	char	   *period = statement_text(row, COUPON_PERIOD);

	coupon->exclusive = flag_of(row, COUPON_EXCLUSIVE);
	coupon->max_per_order =
		DatumGetInt32(statement_notnull(row, COUPON_MAX_PER_ORDER));
	coupon->priority = DatumGetInt32(statement_notnull(row, COUPON_PRIORITY));
	coupon->max_uses = DatumGetInt32(statement_notnull(row, COUPON_MAX_USES));
	coupon->limit_member = statement_int32_or(row, COUPON_LIMIT_MEMBER, 0);
	coupon->limit_period = statement_int32_or(row, COUPON_LIMIT_PERIOD, 0);
	if (period != NULL)
		coupon->period = period_parse(period);
	coupon->returns = flag_of(row, COUPON_RETURNS);
	coupon->return_days = statement_int32_or(row, COUPON_RETURN_DAYS, 0);
}

/* newest: the same template as it is now; or coupon itself. */
static void
load_row(const Loading *loading, Coupon *coupon, const Coupon *newest,
		 uint64 row)
{
	coupon->coupon_id = DatumGetInt32(statement_notnull(row, COUPON_ID));
	coupon->version = DatumGetInt32(statement_notnull(row, COUPON_VERSION));
	coupon->name = statement_text(row, COUPON_NAME);
	coupon->title = statement_text(row, COUPON_TITLE);
	coupon->automatic = flag_of(row, COUPON_AUTOMATIC);
	if (newest == coupon)
	{
		coupon->active = is_word(row, COUPON_STATUS, "active");
		coupon->campaign = campaign_of(loading, coupon, row);
		coupon->free_codes = flag_of(row, COUPON_FREE_CODES);
	}
	else
	{
		coupon->active = newest->active;
		coupon->campaign = newest->campaign;
		coupon->free_codes = newest->free_codes;
	}
	load_gives(loading, coupon, row);
	load_scope(loading, coupon, row);
	load_when(coupon, row);
	coupon->category = category_of(loading, coupon, row);
	load_ways(loading, coupon, row);
	load_limits(coupon, row);
}

static void
load_categories(int32 program_id, CouponCategories *categories)
{
	static const char *const stackings[] = {
		[STACKING_COMMON] = "common",
		[STACKING_NEVER] = "never",
		[STACKING_ALWAYS] = "always"
	};
	NullableDatum args[] = {ARG(Int32GetDatum(program_id))};

	categories->n = statement_run(&select_categories, args, true);
	categories->categories = palloc(sizeof(CouponCategory) *
									Max(categories->n, 1));
	for (int i = 0; i < categories->n; i++)
	{
		CouponCategory *category = &categories->categories[i];

		category->name = statement_text(i, 1);
		category->stacking = word_of(statement_text(i, 2), stackings,
									 lengthof(stackings));
		category->max_per_order = statement_int32_or(i, 3, 0);
		category->rank = DatumGetInt32(statement_notnull(i, 4));
	}
}

/* Limits in all are the template's, whatever version was issued. */
static void
load_budgets(int32 program_id, Coupon *coupons, int ncoupons)
{
	NullableDatum args[] = {ARG(Int32GetDatum(program_id))};
	int			n = statement_run(&select_limits, args, true);

	for (int i = 0; i < n; i++)
	{
		int32		coupon_id = DatumGetInt32(statement_notnull(i, 1));
		int			counts = word_of(statement_text(i, 2), counts_names,
									 lengthof(counts_names));
		int32		budget_id = DatumGetInt32(statement_notnull(i, 3));

		for (int c = 0; c < ncoupons; c++)
			if (coupons[c].coupon_id == coupon_id)
				coupons[c].budgets[counts] = budget_id;
	}
}

static void
load_sets(CollectionLoader *loader, Coupon *coupon)
{
	CouponLines *match = &coupon->match;
	CouponLines *target = &coupon->target;

	match->collection = collection_load(loader, match->collection_name);
	match->excluded = collection_load(loader, match->excluded_name);
	target->collection = collection_load(loader, target->collection_name);
	target->excluded = match->excluded;
	condition_terms_lists(loader, &coupon->terms);
}

Coupon *
coupon_load(CollectionLoader *loader, int currency_scale,
			const Campaign *campaigns, int ncampaigns,
			const Unit *units, int nunits,
			CouponCategories *categories, int *ncoupons)
{
	NullableDatum args[] = {ARG(Int32GetDatum(loader->program_id))};
	Loading		loading = {
		currency_scale, campaigns, ncampaigns, units, nunits, categories
	};
	Coupon	   *coupons;
	Coupon	   *newest = NULL;
	int			n;

	load_categories(loader->program_id, categories);
	n = statement_run(&select_coupons, args, true);
	coupons = palloc0(sizeof(Coupon) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		int32		coupon_id = DatumGetInt32(statement_notnull(i, COUPON_ID));

		if (newest == NULL || newest->coupon_id != coupon_id)
			newest = &coupons[i];
		load_row(&loading, &coupons[i], newest, i);
	}
	for (int i = 0; i < n; i++)
		load_sets(loader, &coupons[i]);
	load_budgets(loader->program_id, coupons, n);
	*ncoupons = n;
	return coupons;
}
