/*
 * dashboard_section.c
 *
 * Sections of the dashboard: what is seen first, sales, members.
 */
#include "dashboard.h"

#include <math.h>

static Statement select_sales = {
	"SELECT s.period, s.orders, s.amount, s.refunded, s.net,"
	" s.average_order, y.net"
	" FROM loyalty.report_sale($1, $2, $3, grain => $4) s"
	" LEFT JOIN loyalty.report_sale($1, ($2 - interval '1 year')::date,"
	"  ($3 - interval '1 year')::date, grain => $4) y"
	"  ON s.period = (y.period + interval '1 year')::date"
	" ORDER BY s.period",
	DASHBOARD_ARGS
};

static const Column sales_columns[] = {
	[SALES_PERIOD] = {LABEL_PERIOD, CELL_PERIOD},
	[SALES_ORDERS] = {LABEL_ORDERS, CELL_NUMBER},
	[SALES_AMOUNT] = {LABEL_REVENUE, CELL_MONEY},
	[SALES_REFUNDED] = {LABEL_REFUNDED, CELL_MONEY},
	[SALES_NET] = {LABEL_NET, CELL_MONEY},
	[SALES_AVERAGE] = {LABEL_AVERAGE_ORDER, CELL_MONEY},
	[SALES_LAST_YEAR] = {LABEL_NET_LAST_YEAR, CELL_MONEY}
};

static Statement select_growth = {
	"SELECT g.period, g.joined + g.reopened, g.closed, g.members"
	" FROM loyalty.report_growth($1, $2, $3, grain => $4) g"
	" ORDER BY g.period",
	DASHBOARD_ARGS
};

static const Column growth_columns[] = {
	[GROWTH_PERIOD] = {LABEL_PERIOD, CELL_PERIOD},
	[GROWTH_JOINED] = {LABEL_JOINED, CELL_NUMBER},
	[GROWTH_CLOSED] = {LABEL_CLOSED, CELL_NUMBER},
	[GROWTH_MEMBERS] = {LABEL_MEMBERS, CELL_NUMBER}
};

static Statement select_buyers = {
	"SELECT b.period, b.buyers, b.new_buyers, b.returning_buyers,"
	" b.returning_share, b.repurchase_rate, b.frequency"
	" FROM loyalty.report_buyer($1, $2, $3, grain => $4) b"
	" ORDER BY b.period",
	DASHBOARD_ARGS
};

static const Column buyer_columns[] = {
	[BUYER_PERIOD] = {LABEL_PERIOD, CELL_PERIOD},
	[BUYER_BUYERS] = {LABEL_BUYERS, CELL_NUMBER},
	[BUYER_NEW] = {LABEL_NEW_BUYERS, CELL_NUMBER},
	[BUYER_RETURNING] = {LABEL_RETURNING_BUYERS, CELL_NUMBER},
	[BUYER_SHARE] = {LABEL_RETURNING_SHARE, CELL_SHARE},
	[BUYER_RATE] = {LABEL_REPURCHASE_RATE, CELL_SHARE},
	[BUYER_FREQUENCY] = {LABEL_FREQUENCY, CELL_NUMBER}
};

static Statement select_points = {
	"SELECT r.period, r.opening, r.issued, r.spent, r.held, r.expired,"
	" r.adjusted, r.transferred, r.closing"
	" FROM loyalty.report_points($1, $2, $3, unit => $5, grain => $4) r"
	" ORDER BY r.period",
	DASHBOARD_ARGS
};

static const Column points_columns[] = {
	[POINTS_PERIOD] = {LABEL_PERIOD, CELL_PERIOD},
	[POINTS_OPENING] = {LABEL_OPENING, CELL_NUMBER},
	[POINTS_ISSUED] = {LABEL_ISSUED, CELL_NUMBER},
	[POINTS_SPENT] = {LABEL_SPENT, CELL_NUMBER},
	[POINTS_HELD] = {LABEL_HELD, CELL_NUMBER},
	[POINTS_EXPIRED] = {LABEL_EXPIRED, CELL_NUMBER},
	[POINTS_ADJUSTED] = {LABEL_ADJUSTED, CELL_NUMBER},
	[POINTS_TRANSFERRED] = {LABEL_TRANSFERRED, CELL_NUMBER},
	[POINTS_CLOSING] = {LABEL_CLOSING, CELL_NUMBER}
};

static Statement select_headline = {
	"SELECT h.measure, h.value, h.previous, h.last_year, h.change,"
	" h.change_year"
	" FROM loyalty.report_headline($1, $2, $3) h",
	DASHBOARD_ARGS
};

enum headline_column
{
	HEADLINE_MEASURE,
	HEADLINE_VALUE,
	HEADLINE_PREVIOUS,
	HEADLINE_LAST_YEAR,
	HEADLINE_CHANGE,
	HEADLINE_CHANGE_YEAR
};

static const Column headline_columns[] = {
	[HEADLINE_MEASURE] = {LABEL_HIDDEN, CELL_WORD},
	[HEADLINE_VALUE] = {LABEL_ACTUAL, CELL_NUMBER},
	[HEADLINE_PREVIOUS] = {LABEL_PREVIOUS_PERIOD, CELL_NUMBER},
	[HEADLINE_LAST_YEAR] = {LABEL_LAST_YEAR, CELL_NUMBER},
	[HEADLINE_CHANGE] = {LABEL_HIDDEN, CELL_SHARE},
	[HEADLINE_CHANGE_YEAR] = {LABEL_HIDDEN, CELL_SHARE}
};

static Statement select_kpi = {
	"SELECT k.kpi, k.target, k.actual, k.since, k.until, k.met::text,"
	" k.measured_in, k.complete::text"
	" FROM loyalty.report_kpi($1, $3) k LIMIT 12",
	DASHBOARD_ARGS
};

enum kpi_column
{
	KPI_NAME,
	KPI_TARGET,
	KPI_ACTUAL,
	KPI_SINCE,
	KPI_UNTIL,
	KPI_MET,
	KPI_MEASURED_IN,
	KPI_COMPLETE
};

static const Column kpi_columns[] = {
	[KPI_NAME] = {LABEL_TARGETS, CELL_WORD},
	[KPI_TARGET] = {LABEL_TARGET, CELL_NUMBER},
	[KPI_ACTUAL] = {LABEL_ACTUAL, CELL_NUMBER},
	[KPI_SINCE] = {LABEL_FROM, CELL_DATE},
	[KPI_UNTIL] = {LABEL_ENDS, CELL_DATE},
	[KPI_MET] = {LABEL_MET, CELL_WORD},
	[KPI_MEASURED_IN] = {LABEL_UNIT, CELL_TEXT},
	[KPI_COMPLETE] = {LABEL_HIDDEN, CELL_WORD}
};

static Statement select_guests = {
	"SELECT g.period, g.member_sales, g.guest_sales, g.member_share,"
	" g.member_basket, g.guest_basket"
	" FROM loyalty.report_member_share($1, $2, $3, grain => $4) g"
	" ORDER BY g.period",
	DASHBOARD_ARGS
};

enum guest_column
{
	GUEST_PERIOD,
	GUEST_MEMBER_SALES,
	GUEST_SALES,
	GUEST_SHARE,
	GUEST_MEMBER_BASKET,
	GUEST_BASKET
};

static const Column guest_columns[] = {
	[GUEST_PERIOD] = {LABEL_PERIOD, CELL_PERIOD},
	[GUEST_MEMBER_SALES] = {LABEL_MEMBER_SALES, CELL_MONEY},
	[GUEST_SALES] = {LABEL_GUEST_SALES, CELL_MONEY},
	[GUEST_SHARE] = {LABEL_MEMBER_SHARE, CELL_SHARE},
	[GUEST_MEMBER_BASKET] = {LABEL_MEMBER_BASKET, CELL_MONEY},
	[GUEST_BASKET] = {LABEL_GUEST_BASKET, CELL_MONEY}
};

static Statement select_active = {
	"SELECT a.days::text, a.share, a.active, a.members"
	" FROM loyalty.report_active($1, $3) a ORDER BY a.days",
	DASHBOARD_ARGS
};

static const Column active_columns[] = {
	{LABEL_DAYS, CELL_WORD},
	{LABEL_SHARE, CELL_SHARE, true},
	{LABEL_ACTIVE, CELL_NUMBER},
	{LABEL_MEMBERS, CELL_NUMBER}
};

static Statement select_lifecycle = {
	"SELECT coalesce(l.title, l.stage), l.members,"
	" round(l.members / nullif(sum(l.members) OVER (), 0), 4)"
	" FROM loyalty.report_lifecycle l WHERE l.program = $1"
	" ORDER BY l.position NULLS LAST LIMIT 30",
	DASHBOARD_ARGS
};

static const Column lifecycle_columns[] = {
	{LABEL_STAGE, CELL_TEXT},
	{LABEL_MEMBERS, CELL_NUMBER, true},
	{LABEL_SHARE, CELL_SHARE}
};

/* Loads what several sections show. */
void
dashboard_load(Dashboard *dashboard)
{
	const NullableDatum *args = dashboard->args;
	int			before = 0;

	dashboard->sales = table_load(&select_sales, args, sales_columns,
								  lengthof(sales_columns));
	dashboard->growth = table_load(&select_growth, args, growth_columns,
								   lengthof(growth_columns));
	dashboard->buyers = table_load(&select_buyers, args, buyer_columns,
								   lengthof(buyer_columns));
	if (dashboard->has_points)
		dashboard->points = table_load(&select_points, args, points_columns,
									   lengthof(points_columns));

	/* a young programme: its charts begin with the first member */
	while (before < dashboard->growth->nrows - 1 &&
		   table_value(dashboard->growth, before, GROWTH_MEMBERS) == 0 &&
		   table_value(dashboard->growth, before, GROWTH_JOINED) == 0)
		before++;
	table_cut(dashboard->growth, before);
	table_cut(dashboard->sales, before);
	table_cut(dashboard->buyers, before);
	if (dashboard->points != NULL)
		table_cut(dashboard->points, before);
}

/* A figure of the headline. */
typedef struct Tile
{
	const char *measure;
	Label		label;
	CellKind	kind;
} Tile;

static const Tile tiles[] = {
	{"net", LABEL_NET, CELL_MONEY},
	{"orders", LABEL_ORDERS, CELL_NUMBER},
	{"average_order", LABEL_AVERAGE_ORDER, CELL_MONEY},
	{"buyers", LABEL_BUYERS, CELL_NUMBER},
	{"new_buyers", LABEL_NEW_BUYERS, CELL_NUMBER},
	{"repurchase_rate", LABEL_REPURCHASE_RATE, CELL_SHARE},
	{"members", LABEL_MEMBERS, CELL_NUMBER},
	{"joined", LABEL_JOINED, CELL_NUMBER},
	{"active_share_30", LABEL_ACTIVE_SHARE_30, CELL_SHARE},
	{"points_issued", LABEL_POINTS_ISSUED, CELL_NUMBER},
	{"points_outstanding", LABEL_POINTS_OUTSTANDING, CELL_NUMBER},
	{"burn_rate", LABEL_BURN_RATE, CELL_SHARE}
};

/* The figure by period, if there is one. */
static void
emit_tile_spark(Dashboard *dashboard, const char *measure)
{
	HtmlPage	   *page = &dashboard->page;

	if (strcmp(measure, "net") == 0)
		spark_emit(page, dashboard->sales, SALES_NET);
	else if (strcmp(measure, "orders") == 0)
		spark_emit(page, dashboard->sales, SALES_ORDERS);
	else if (strcmp(measure, "average_order") == 0)
		spark_emit(page, dashboard->sales, SALES_AVERAGE);
	else if (strcmp(measure, "buyers") == 0)
		spark_emit(page, dashboard->buyers, BUYER_BUYERS);
	else if (strcmp(measure, "new_buyers") == 0)
		spark_emit(page, dashboard->buyers, BUYER_NEW);
	else if (strcmp(measure, "repurchase_rate") == 0)
		spark_emit(page, dashboard->buyers, BUYER_RATE);
	else if (strcmp(measure, "members") == 0)
		spark_emit(page, dashboard->growth, GROWTH_MEMBERS);
	else if (strcmp(measure, "joined") == 0)
		spark_emit(page, dashboard->growth, GROWTH_JOINED);
	else if (strcmp(measure, "points_issued") == 0 && dashboard->points)
		spark_emit(page, dashboard->points, POINTS_ISSUED);
	else if (strcmp(measure, "points_outstanding") == 0 && dashboard->points)
		spark_emit(page, dashboard->points, POINTS_CLOSING);
}

/*
 * By how much a figure has changed.  Shares change by percentage points, other
 * figures by a share of what they were.
 */
static void
emit_delta(HtmlPage *page, const Table *table, int row, CellKind kind, int before,
		   int change, Label against)
{
	double		delta;
	char	   *shown;

	if (table_text(table, row, HEADLINE_VALUE) == NULL ||
		table_text(table, row, before) == NULL)
		return;
	if (kind == CELL_SHARE)
	{
		delta = 100 * (table_value(table, row, HEADLINE_VALUE) -
					   table_value(table, row, before));
		shown = psprintf("%.1f %s", fabs(delta),
						 label_text(page, LABEL_POINTS_UNIT));
	}
	else
	{
		if (table_text(table, row, change) == NULL)
			return;
		delta = 100 * table_value(table, row, change);
		shown = psprintf("%s%%", number_text(psprintf("%.1f", fabs(delta))));
	}
	page_markup(page, "<p class=\"delta\"><b class=\"%s\">",
				delta >= 0.05 ? "up" : delta <= -0.05 ? "down" : "same");
	page_words(page, delta >= 0.05 ? "▲ " : delta <= -0.05 ? "▼ " : "= ");
	page_words(page, shown);
	page_markup(page, "</b><span>");
	page_label(page, against);
	page_markup(page, "</span></p>");
}

static void
emit_tile(Dashboard *dashboard, const Tile *tile, const Table *table, int row)
{
	HtmlPage	   *page = &dashboard->page;
	const char *value = table_text(table, row, HEADLINE_VALUE);

	page_markup(page, "<article class=\"tile\"><h3>");
	page_markup(page, "<span>");
	page_label(page, tile->label);
	page_markup(page, "</span>");
	if (tile->kind == CELL_MONEY)
	{
		page_markup(page, "<small>");
		page_attribute(page, page->currency);
		page_markup(page, "</small>");
	}
	page_markup(page, "</h3><p class=\"num\" title=\"");
	if (value != NULL)
		page_words(page, tile->kind == CELL_SHARE ? share_text(value) :
				   number_text(value));
	page_markup(page, "\">");
	if (value == NULL)
		page_words(page, "–");
	else if (tile->kind == CELL_SHARE)
		page_words(page, share_text(value));
	else
		page_words(page,
				   short_number_text(table_value(table, row, HEADLINE_VALUE)));
	page_markup(page, "</p>");
	emit_delta(page, table, row, tile->kind, HEADLINE_PREVIOUS,
			   HEADLINE_CHANGE, LABEL_PREVIOUS_PERIOD);
	emit_delta(page, table, row, tile->kind, HEADLINE_LAST_YEAR,
			   HEADLINE_CHANGE_YEAR, LABEL_LAST_YEAR);
	emit_tile_spark(dashboard, tile->measure);
	page_markup(page, "</article>\n");
}

void
section_headline(Dashboard *dashboard)
{
	HtmlPage	   *page = &dashboard->page;
	Table	   *table = table_load(&select_headline, dashboard->args,
								   headline_columns,
								   lengthof(headline_columns));

	page_markup(page, "<section aria-labelledby=\"headline\">\n"
				"<h2 id=\"headline\">");
	page_label(page, LABEL_GROUP_HEADLINE);
	page_markup(page, "</h2>\n<div class=\"tiles\">\n");
	for (int i = 0; i < lengthof(tiles); i++)
		for (int row = 0; row < table->nrows; row++)
			if (strcmp(table_text(table, row, HEADLINE_MEASURE),
					   tiles[i].measure) == 0)
				emit_tile(dashboard, &tiles[i], table, row);
	page_markup(page, "</div>\n</section>\n");
}

/*
 * What was aimed at: a bar each, full when it is met.  What was measured for a
 * shorter time than it is meant for may still change.
 */
static void
emit_targets(Dashboard *dashboard)
{
	HtmlPage	   *page = &dashboard->page;
	Table	   *table = table_load(&select_kpi, dashboard->args, kpi_columns,
								   lengthof(kpi_columns));

	card_begin(page, 4, LABEL_TARGETS, LABEL_TARGETS_NOTE);
	if (table->nrows == 0)
		card_nothing(page, LABEL_NO_TARGETS);
	page_markup(page, "<ul class=\"steps\">\n");
	for (int row = 0; row < table->nrows; row++)
	{
		double		target = table_value(table, row, KPI_TARGET);
		double		actual = table_value(table, row, KPI_ACTUAL);
		const char *met = table_text(table, row, KPI_MET);
		bool		is_met = met != NULL && strcmp(met, "true") == 0;
		const char *complete = table_text(table, row, KPI_COMPLETE);
		bool		is_over = complete != NULL && strcmp(complete, "true") == 0;
		const char *measured_in = table_text(table, row, KPI_MEASURED_IN);
		CellKind	kind = measured_in != NULL &&
			strcmp(measured_in, "share") == 0 ? CELL_SHARE : CELL_NUMBER;

		page_markup(page, "<li><div class=\"row\"><span>");
		cell_emit(page, CELL_WORD, table_text(table, row, KPI_NAME));
		page_markup(page, "</span><b>");
		cell_emit(page, kind, table_text(table, row, KPI_ACTUAL));
		page_words(page, " / ");
		cell_emit(page, kind, table_text(table, row, KPI_TARGET));
		page_markup(page, "</b></div>");
		bar_emit(page, 0, target > 0 ? actual / target : 0, is_met ? 3 : 1);
		page_markup(page, "<small>");
		page_label(page, !is_met ? LABEL_NOT_MET :
				   is_over ? LABEL_MET : LABEL_MET_SO_FAR);
		page_words(page, " · ");
		cell_emit(page, CELL_DATE, table_text(table, row, KPI_SINCE));
		page_words(page, " – ");
		cell_emit(page, CELL_DATE, table_text(table, row, KPI_UNTIL));
		page_markup(page, "</small></li>\n");
	}
	page_markup(page, "</ul>\n");
	card_end(page);
}

static void
emit_guests(Dashboard *dashboard)
{
	HtmlPage	   *page = &dashboard->page;
	Table	   *table = table_load(&select_guests, dashboard->args,
								   guest_columns, lengthof(guest_columns));
	static const Chart chart = {
		LABEL_GUEST_SHARE, GUEST_PERIOD, 2, {
			{GUEST_MEMBER_SALES, 1},
			{GUEST_SALES, 2}
		}
	};

	/* a shop that keeps no guest orders misses nothing */
	if (table_is_zero(table, GUEST_SALES))
		return;
	card_begin(page, 12, LABEL_GUEST_SHARE, LABEL_GUEST_NOTE);
	chart_emit(page, table, &chart);
	card_end(page);
}

void
section_sales(Dashboard *dashboard)
{
	HtmlPage	   *page = &dashboard->page;
	Table	   *sales = dashboard->sales;
	Chart		chart = {
		LABEL_SALES_TREND, SALES_PERIOD, 2, {
			{SALES_NET, 1},
			{SALES_LAST_YEAR, 2, .line = true}
		}
	};

	group_begin(page, "sales", LABEL_GROUP_SALES);
	card_begin(page, 8, LABEL_SALES_TREND, LABEL_SALES_NOTE);
	if (table_is_zero(sales, SALES_ORDERS) && table_is_zero(sales, SALES_NET))
		card_nothing(page, LABEL_NO_SALES);
	else
	{
		if (table_is_zero(sales, SALES_LAST_YEAR))
			chart.nseries = 1;
		chart_emit(page, sales, &chart);
	}
	card_end(page);
	emit_targets(dashboard);
	emit_guests(dashboard);
	group_end(page);
}

static void
emit_growth(Dashboard *dashboard)
{
	HtmlPage	   *page = &dashboard->page;
	Table	   *growth = dashboard->growth;
	static const Chart members = {
		LABEL_GROWTH, GROWTH_PERIOD, 1, {
			{GROWTH_MEMBERS, 1, .line = true, .area = true}
		}, .from_zero = true
	};
	static const Chart joins = {
		LABEL_JOINS, GROWTH_PERIOD, 2, {
			{GROWTH_JOINED, 1},
			{GROWTH_CLOSED, 5, .below = true}
		}
	};

	card_begin(page, 4, LABEL_GROWTH, LABEL_GROWTH_NOTE);
	if (table_is_zero(growth, GROWTH_MEMBERS))
		card_nothing(page, LABEL_NO_MEMBERS);
	else
		chart_emit(page, growth, &members);
	card_end(page);

	card_begin(page, 4, LABEL_JOINS, LABEL_JOINS_NOTE);
	if (table_is_zero(growth, GROWTH_JOINED) &&
		table_is_zero(growth, GROWTH_CLOSED))
		card_nothing(page, LABEL_NO_MEMBERS);
	else
		chart_emit(page, growth, &joins);
	card_end(page);
}

void
section_members(Dashboard *dashboard)
{
	HtmlPage	   *page = &dashboard->page;
	Table	   *buyers = dashboard->buyers;
	Table	   *active = table_load(&select_active, dashboard->args,
									active_columns, lengthof(active_columns));
	Table	   *stages = table_load(&select_lifecycle, dashboard->args,
									lifecycle_columns,
									lengthof(lifecycle_columns));
	static const Chart chart = {
		LABEL_NEW_RETURNING, BUYER_PERIOD, 2, {
			{BUYER_RETURNING, 1},
			{BUYER_NEW, 2}
		}
	};

	group_begin(page, "members", LABEL_GROUP_MEMBERS);
	emit_growth(dashboard);
	card_begin(page, 4, LABEL_NEW_RETURNING, LABEL_NEW_RETURNING_NOTE);
	if (table_is_zero(buyers, BUYER_BUYERS))
		card_nothing(page, LABEL_NO_BUYERS);
	else
		chart_emit(page, buyers, &chart);
	card_end(page);

	card_begin(page, 6, LABEL_ACTIVE, LABEL_ACTIVE_NOTE);
	if (table_is_zero(active, 3))
		card_nothing(page, LABEL_NO_MEMBERS);
	else
		table_emit(page, active, LABEL_ACTIVE);
	card_end(page);

	card_begin(page, 6, LABEL_LIFECYCLE, LABEL_LIFECYCLE_NOTE);
	if (table_is_zero(stages, 1))
		card_nothing(page, LABEL_NO_LIFECYCLE);
	else
		table_emit(page, stages, LABEL_LIFECYCLE);
	card_end(page);
	group_end(page);
}
