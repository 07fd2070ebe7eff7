/*
 * dashboard.c
 *
 * The programme on one page: which days it covers, and its sections in order.
 */
#include "dashboard.h"

#include "utils/builtins.h"
#include "utils/datetime.h"

PG_FUNCTION_INFO_V1(loyalty_dashboard);

enum dashboard_arg
{
	DASHBOARD_PROGRAM,
	DASHBOARD_SINCE,
	DASHBOARD_UNTIL,
	DASHBOARD_LANGUAGE
};

/* Months that a page covers when nothing else is asked for. */
#define USUAL_MONTHS 12

/* Points, if a unit of them has that name, else the first of its kind. */
static Statement select_program = {
	"SELECT p.currency, (x.now AT TIME ZONE p.time_zone)::date,"
	" to_char(x.now AT TIME ZONE p.time_zone, 'HH24:MI'), p.time_zone,"
	" (SELECT u.code FROM loyalty.unit u"
	"  WHERE u.program_id = p.program_id AND u.kind = 'points'"
	"  ORDER BY u.code <> 'points', u.unit_id LIMIT 1)"
	" FROM loyalty.program p, (SELECT loyalty.now() AS now) x"
	" WHERE p.name = $1",
	1, {TEXTOID}
};

static Statement require_range = {
	"SELECT loyalty.report_require($1, $2, $3)",
	3, {TEXTOID, DATEOID, DATEOID}
};

/* So many months before the month of a date, its first day. */
static DateADT
month_before(DateADT date, int months_back)
{
	int			year,
				month,
				day;

	j2date(date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	month -= months_back;
	while (month < 1)
	{
		month += 12;
		year--;
	}
	return date2j(year, month, 1) - POSTGRES_EPOCH_JDATE;
}

/* Periods few enough to be told apart, and enough to see how it went. */
static Grain
grain_of(int days)
{
	if (days <= 45)
		return GRAIN_DAY;
	if (days <= 200)
		return GRAIN_WEEK;
	if (days <= 1200)
		return GRAIN_MONTH;
	if (days <= 4400)
		return GRAIN_QUARTER;
	return GRAIN_YEAR;
}

static void
emit_header(Dashboard *dashboard, const char *program, DateADT today,
			const char *time, const char *zone)
{
	HtmlPage	   *page = &dashboard->page;
	static const struct
	{
		const char *id;
		Label		label;
	}			links[] = {
		{"headline", LABEL_GROUP_HEADLINE},
		{"sales", LABEL_GROUP_SALES},
		{"members", LABEL_GROUP_MEMBERS},
		{"loyalty", LABEL_GROUP_LOYALTY},
		{"points", LABEL_GROUP_POINTS},
		{"tiers", LABEL_GROUP_TIERS},
		{"offers", LABEL_GROUP_OFFERS},
		{"products", LABEL_GROUP_PRODUCTS},
		{"messages", LABEL_GROUP_MESSAGES}
	};

	page_markup(page, "<header class=\"top\">\n<p class=\"eyebrow\">");
	page_label(page, LABEL_DASHBOARD);
	page_markup(page, "</p>\n<h1>");
	page_value(page, program);
	page_markup(page, "</h1>\n<ul class=\"chips\"><li>");
	page_words(page, day_text(page, DatumGetDateADT(dashboard->args[1].value)));
	page_words(page, " – ");
	page_words(page, day_text(page, DatumGetDateADT(dashboard->args[2].value)));
	page_markup(page, "</li><li>");
	page_attribute(page, page->currency);
	page_markup(page, "</li><li>");
	page_label(page, LABEL_AS_OF);
	page_words(page, " ");
	page_words(page, day_text(page, today));
	page_words(page, " ");
	page_attribute(page, time);
	page_words(page, " ");
	page_attribute(page, zone);
	page_markup(page, "</li></ul>\n<nav aria-label=\"");
	page_label(page, LABEL_CONTENTS);
	page_markup(page, "\">");
	for (int i = 0; i < lengthof(links); i++)
	{
		page_markup(page, "<a href=\"#%s\">", links[i].id);
		page_label(page, links[i].label);
		page_markup(page, "</a>");
	}
	page_markup(page, "</nav>\n</header>\n");
}

/*
 * The days that are asked for, else up to today from the first of the month
 * eleven months before; and what the statements need to know of them.
 */
static void
choose_range(Dashboard *dashboard, FunctionCallInfo fcinfo, DateADT today)
{
	static const char *const grains[] =
		{"day", "week", "month", "quarter", "year"};
	DateADT		until = PG_ARGISNULL(DASHBOARD_UNTIL) ? today :
		PG_GETARG_DATEADT(DASHBOARD_UNTIL);
	DateADT		since;

	if (!PG_ARGISNULL(DASHBOARD_SINCE))
		since = PG_GETARG_DATEADT(DASHBOARD_SINCE);
	else if (DATE_NOT_FINITE(until))
		since = until;
	else
		since = month_before(until, USUAL_MONTHS - 1);
	dashboard->args[0] = fcinfo->args[DASHBOARD_PROGRAM];
	dashboard->args[1] = ARG(DateADTGetDatum(since));
	dashboard->args[2] = ARG(DateADTGetDatum(until));
	statement_run(&require_range, dashboard->args, true);
	dashboard->page.grain = grain_of(until - since + 1);
	dashboard->args[3] =
		ARG(CStringGetTextDatum(grains[dashboard->page.grain]));
}

/*
 * dashboard(program, since, until, language): the page.  LY403 for an unknown
 * programme, 22023 and 22008 for what is no range, as of any report.
 */
Datum
loyalty_dashboard(PG_FUNCTION_ARGS)
{
	Dashboard	dashboard = {0};
	HtmlPage	   *page = &dashboard.page;
	char	   *program;
	char	   *time;
	char	   *zone;
	char	   *unit;
	DateADT		today;

	require_argument(fcinfo, DASHBOARD_PROGRAM, "program");
	require_argument(fcinfo, DASHBOARD_LANGUAGE, "language");
	page->language =
		language_of(text_to_cstring(PG_GETARG_TEXT_PP(DASHBOARD_LANGUAGE)));
	program = text_to_cstring(PG_GETARG_TEXT_PP(DASHBOARD_PROGRAM));
	page->out = makeStringInfo();

	SPI_connect();
	loyalty_check_version();
	if (statement_run(&select_program, &fcinfo->args[DASHBOARD_PROGRAM],
					  true) == 0)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s", clipped(program)));
	page->currency = statement_text(0, 1);
	today = DatumGetDateADT(statement_notnull(0, 2));
	time = statement_text(0, 3);
	zone = statement_text(0, 4);
	unit = statement_text(0, 5);
	dashboard.has_points = unit != NULL;
	dashboard.args[4] = dashboard.has_points ?
		ARG(CStringGetTextDatum(unit)) : NULL_ARG;
	choose_range(&dashboard, fcinfo, today);

	page_begin(page, program, true);
	emit_header(&dashboard, program, today, time, zone);
	page_markup(page, "<main>\n");
	dashboard_load(&dashboard);
	section_headline(&dashboard);
	section_sales(&dashboard);
	section_members(&dashboard);
	section_loyalty(&dashboard);
	section_points(&dashboard);
	section_tiers(&dashboard);
	section_offers(&dashboard);
	section_products(&dashboard);
	section_messages(&dashboard);
	page_markup(page, "</main>\n<footer>");
	page_label(page, LABEL_FOOTER);
	page_markup(page, "</footer>\n");
	page_end(page);
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(page->out->data,
											  page->out->len));
}
