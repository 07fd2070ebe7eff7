/*
 * dashboard_section_offer.c
 *
 * Sections of the dashboard: coupons, campaigns and automations, products,
 * messages.
 */
#include "dashboard.h"

static Statement select_funnel = {
	"SELECT sum(f.issued), sum(f.claimed), sum(f.reserved), sum(f.used),"
	" sum(f.returned), sum(f.expired)"
	" FROM loyalty.report_coupon_funnel($1, $2, $3) f",
	DASHBOARD_ARGS
};

static const Column funnel_columns[] = {
	{LABEL_ISSUED, CELL_NUMBER},
	{LABEL_CLAIMED, CELL_NUMBER},
	{LABEL_RESERVED, CELL_NUMBER},
	{LABEL_USED, CELL_NUMBER},
	{LABEL_RETURNED, CELL_NUMBER},
	{LABEL_EXPIRED, CELL_NUMBER}
};

static Statement select_coupons = {
	"SELECT coalesce(f.title, f.coupon), f.kind, f.issued, f.used, f.rate,"
	" f.discount, f.sales"
	" FROM loyalty.report_coupon_funnel($1, $2, $3) f"
	" WHERE f.issued > 0 OR f.used > 0"
	" ORDER BY f.used DESC, f.issued DESC, f.coupon LIMIT 10",
	DASHBOARD_ARGS
};

static const Column coupon_columns[] = {
	{LABEL_COUPON, CELL_TEXT},
	{LABEL_KIND, CELL_WORD},
	{LABEL_ISSUED, CELL_NUMBER},
	{LABEL_USED, CELL_NUMBER},
	{LABEL_RATE, CELL_SHARE},
	{LABEL_DISCOUNT, CELL_MONEY},
	{LABEL_SALES_WITH, CELL_MONEY}
};

static Statement select_campaigns = {
	"SELECT coalesce(c.title, c.campaign), c.status,"
	" (c.starts_at AT TIME ZONE p.time_zone)::date,"
	" (c.ends_at AT TIME ZONE p.time_zone)::date, c.events, c.members,"
	" c.awarded, c.unit, c.worth, c.budget, c.used_share"
	" FROM loyalty.program p"
	" CROSS JOIN loyalty.report_campaign_cost($1, $2, $3) c"
	" WHERE p.name = $1"
	" ORDER BY c.worth DESC NULLS LAST, c.campaign, c.unit LIMIT 15",
	DASHBOARD_ARGS
};

static const Column campaign_columns[] = {
	{LABEL_CAMPAIGN, CELL_TEXT},
	{LABEL_STATUS, CELL_WORD},
	{LABEL_STARTS, CELL_DATE},
	{LABEL_ENDS, CELL_DATE},
	{LABEL_EVENTS, CELL_NUMBER},
	{LABEL_MEMBERS, CELL_NUMBER},
	{LABEL_AWARDED, CELL_NUMBER},
	{LABEL_UNIT, CELL_TEXT},
	{LABEL_WORTH, CELL_MONEY},
	{LABEL_BUDGET, CELL_NUMBER},
	{LABEL_BUDGET_USED, CELL_SHARE}
};

static Statement select_automations = {
	"SELECT coalesce(a.title, a.automation), a.status, a.runs, a.treated,"
	" a.treated_goals, a.treated_share, a.held_out, a.held_out_goals,"
	" a.held_out_share, a.cost"
	" FROM loyalty.report_automation_cost($1, $2, $3) a"
	" WHERE a.runs > 0 ORDER BY a.runs DESC, a.automation LIMIT 15",
	DASHBOARD_ARGS
};

static const Column automation_columns[] = {
	{LABEL_AUTOMATION, CELL_TEXT},
	{LABEL_STATUS, CELL_WORD},
	{LABEL_RUNS, CELL_NUMBER},
	{LABEL_TREATED, CELL_NUMBER},
	{LABEL_GOALS, CELL_NUMBER},
	{LABEL_GOAL_SHARE, CELL_SHARE},
	{LABEL_HELD_OUT, CELL_NUMBER},
	{LABEL_HELD_OUT_GOALS, CELL_NUMBER},
	{LABEL_HELD_OUT_SHARE, CELL_SHARE},
	{LABEL_COST, CELL_MONEY}
};

#define SELECT_PRODUCTS(kind) \
	"SELECT r.name, r.net, r.share, r.quantity" \
	" FROM loyalty.report_product($1, $2, $3, '" kind "', 10) r" \
	" ORDER BY r.place"

static Statement select_skus = {SELECT_PRODUCTS("sku"), DASHBOARD_ARGS};
static Statement select_categories = {
	SELECT_PRODUCTS("category"), DASHBOARD_ARGS
};

static const Column sku_columns[] = {
	{LABEL_PRODUCT, CELL_TEXT},
	{LABEL_NET, CELL_MONEY, true},
	{LABEL_SHARE, CELL_SHARE},
	{LABEL_QUANTITY, CELL_NUMBER}
};

static const Column category_columns[] = {
	{LABEL_CATEGORY, CELL_TEXT},
	{LABEL_NET, CELL_MONEY, true},
	{LABEL_SHARE, CELL_SHARE},
	{LABEL_QUANTITY, CELL_NUMBER}
};

static Statement select_messages = {
	"SELECT m.channel, m.template, m.queued, m.sent, m.delivered, m.opened,"
	" m.clicked, m.suppressed, m.delivery_rate, m.open_rate, m.click_rate"
	" FROM loyalty.report_message_funnel($1, $2, $3) m"
	" ORDER BY m.queued DESC, m.channel, m.template LIMIT 20",
	DASHBOARD_ARGS
};

static const Column message_columns[] = {
	{LABEL_CHANNEL, CELL_TEXT},
	{LABEL_TEMPLATE, CELL_TEXT},
	{LABEL_QUEUED, CELL_NUMBER},
	{LABEL_SENT, CELL_NUMBER},
	{LABEL_DELIVERED, CELL_NUMBER},
	{LABEL_OPENED, CELL_NUMBER},
	{LABEL_CLICKED, CELL_NUMBER},
	{LABEL_SUPPRESSED, CELL_NUMBER},
	{LABEL_DELIVERY_RATE, CELL_SHARE},
	{LABEL_OPEN_RATE, CELL_SHARE},
	{LABEL_CLICK_RATE, CELL_SHARE}
};

/* From issued to used, each step as long as it has members. */
static void
emit_funnel(HtmlPage *page, const Table *table)
{
	double		max = 0;

	for (int i = 0; i < table->ncolumns; i++)
		max = Max(max, table_value(table, 0, i));
	page_markup(page, "<table><caption>");
	page_label(page, LABEL_FUNNEL);
	page_markup(page, "</caption><thead><tr><th scope=\"col\" class=\"l\">");
	page_label(page, LABEL_STEP);
	page_markup(page, "</th><th scope=\"col\" colspan=\"2\">");
	page_label(page, LABEL_COUPONS);
	page_markup(page, "</th></tr></thead><tbody>\n");
	for (int i = 0; i < table->ncolumns; i++)
	{
		page_markup(page, "<tr><th scope=\"row\" class=\"l\">");
		page_label(page, table->columns[i].label);
		page_markup(page, "</th><td class=\"barcell\">");
		bar_emit(page, 0, max > 0 ? table_value(table, 0, i) / max : 0,
				 i < 4 ? 1 : 2);
		page_markup(page, "</td><td>");
		cell_emit(page, CELL_NUMBER, table_text(table, 0, i));
		page_markup(page, "</td></tr>\n");
	}
	page_markup(page, "</tbody></table>\n");
}

static void
emit_automations(Dashboard *dashboard)
{
	HtmlPage   *page = &dashboard->page;
	Table	   *automations = table_load(&select_automations, dashboard->args,
										 automation_columns,
										 lengthof(automation_columns));

	card_begin(page, 12, LABEL_AUTOMATIONS, LABEL_AUTOMATIONS_NOTE);
	if (automations->nrows == 0)
		card_nothing(page, LABEL_NO_AUTOMATIONS);
	else
		table_emit(page, automations, LABEL_AUTOMATIONS);
	card_end(page);
}

void
section_offers(Dashboard *dashboard)
{
	HtmlPage	   *page = &dashboard->page;
	const NullableDatum *args = dashboard->args;
	Table	   *funnel = table_load(&select_funnel, args, funnel_columns,
									lengthof(funnel_columns));
	Table	   *coupons = table_load(&select_coupons, args, coupon_columns,
									 lengthof(coupon_columns));
	Table	   *campaigns = table_load(&select_campaigns, args,
									   campaign_columns,
									   lengthof(campaign_columns));

	group_begin(page, "offers", LABEL_GROUP_OFFERS);
	if (coupons->nrows == 0)
	{
		card_begin(page, 12, LABEL_FUNNEL, LABEL_FUNNEL_NOTE);
		card_nothing(page, LABEL_NO_COUPONS);
		card_end(page);
	}
	else
	{
		card_begin(page, 4, LABEL_FUNNEL, LABEL_FUNNEL_NOTE);
		emit_funnel(page, funnel);
		card_end(page);
		card_begin(page, 8, LABEL_COUPONS, LABEL_COUPONS_NOTE);
		table_emit(page, coupons, LABEL_COUPONS);
		card_end(page);
	}
	card_begin(page, 12, LABEL_CAMPAIGNS, LABEL_CAMPAIGNS_NOTE);
	if (campaigns->nrows == 0)
		card_nothing(page, LABEL_NO_CAMPAIGNS);
	else
		table_emit(page, campaigns, LABEL_CAMPAIGNS);
	card_end(page);
	emit_automations(dashboard);
	group_end(page);
}

void
section_products(Dashboard *dashboard)
{
	HtmlPage	   *page = &dashboard->page;
	Table	   *skus = table_load(&select_skus, dashboard->args, sku_columns,
								  lengthof(sku_columns));
	Table	   *categories = table_load(&select_categories, dashboard->args,
										category_columns,
										lengthof(category_columns));

	group_begin(page, "products", LABEL_GROUP_PRODUCTS);
	card_begin(page, 6, LABEL_TOP_PRODUCTS, LABEL_TOP_NOTE);
	if (skus->nrows == 0)
		card_nothing(page, LABEL_NO_PRODUCTS);
	else
		table_emit(page, skus, LABEL_TOP_PRODUCTS);
	card_end(page);
	card_begin(page, 6, LABEL_TOP_CATEGORIES, LABEL_TOP_NOTE);
	if (categories->nrows == 0)
		card_nothing(page, LABEL_NO_CATEGORIES);
	else
		table_emit(page, categories, LABEL_TOP_CATEGORIES);
	card_end(page);
	group_end(page);
}

void
section_messages(Dashboard *dashboard)
{
	HtmlPage	   *page = &dashboard->page;
	Table	   *messages = table_load(&select_messages, dashboard->args,
									  message_columns,
									  lengthof(message_columns));

	group_begin(page, "messages", LABEL_GROUP_MESSAGES);
	card_begin(page, 12, LABEL_MESSAGE_FUNNEL, LABEL_MESSAGE_NOTE);
	if (messages->nrows == 0)
		card_nothing(page, LABEL_NO_MESSAGES);
	else
		table_emit(page, messages, LABEL_MESSAGE_FUNNEL);
	card_end(page);
	group_end(page);
}
