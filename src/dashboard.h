/*
 * dashboard.h
 *
 * Pages of HTML made from the reports.  A page is one text: style and drawings
 * are in it, nothing is fetched, nothing runs.  It is well-formed as XML too,
 * so that a test can take it apart.
 *
 * Three kinds of text go into a page, each by a way of its own:
 *
 *		page_markup		markup of ours, ASCII
 *		page_words		words of ours, UTF-8
 *		page_value		what the database holds, in its encoding; escaped
 *
 * Coordinates of drawings are the only floating point numbers: what is printed
 * of a figure is the text that the report gave, with separators put in.
 */
#ifndef LOYALTY_DASHBOARD_H
#define LOYALTY_DASHBOARD_H

#include "loyalty.h"

#include "lib/stringinfo.h"

#include "dashboard_text.h"
#include "statement.h"

#pragma GCC visibility push(hidden)

typedef enum Language
{
	LANGUAGE_EN,
	LANGUAGE_ZH,
	LANGUAGES
} Language;

typedef enum Label
{
#define DASHBOARD_ENUM(name, en, zh) LABEL_##name,
	DASHBOARD_LABELS(DASHBOARD_ENUM)
#undef DASHBOARD_ENUM
	LABELS
} Label;

/* How a range is cut for its charts. */
typedef enum Grain
{
	GRAIN_DAY,
	GRAIN_WEEK,
	GRAIN_MONTH,
	GRAIN_QUARTER,
	GRAIN_YEAR
} Grain;

typedef struct HtmlPage
{
	StringInfo	out;
	Language	language;
	Grain		grain;
	char	   *currency;
	int			ids;			/* given to drawings so far */
} HtmlPage;

typedef enum CellKind
{
	CELL_TEXT,					/* of the database */
	CELL_WORD,					/* of ours, translated */
	CELL_NUMBER,
	CELL_MONEY,
	CELL_SHARE,					/* 0.25 is shown as 25.0% */
	CELL_DATE,
	CELL_TIME,					/* a local one, as text */
	CELL_MONTH,
	CELL_PERIOD					/* its first day, in the page's grain */
} CellKind;

typedef struct Column
{
	Label		label;
	CellKind	kind;
	bool		bar;			/* a bar beside the figure */
} Column;

/* What a statement gave, taken out of SPI. */
typedef struct Table
{
	const Column *columns;
	int			ncolumns;
	int			nrows;
	char	  **text;			/* NULL for NULL */
	double	   *value;			/* of figures; 0 for NULL */
} Table;

/* A line, or one part of the bars. */
typedef struct Series
{
	int			column;
	int			colour;			/* 1 to 6, of the style */
	bool		line;			/* over the bars */
	bool		area;			/* and filled down to zero */
	bool		below;			/* counts downwards */
} Series;

#define CHART_MAX_SERIES 6

typedef struct Chart
{
	Label		title;
	int			axis;			/* column of the periods */
	int			nseries;
	Series		series[CHART_MAX_SERIES];
	bool		from_zero;		/* lines too */
} Chart;

/* Rows by columns, shaded by value. */
typedef struct Matrix
{
	int			nrows;
	int			ncolumns;
	char	  **row_names;		/* HTML */
	char	  **column_names;	/* HTML */
	/* whole names of the database, where those above may be cut, or NULL */
	const char **row_titles;
	const char **column_titles;
	double	   *value;
	char	  **shown;			/* HTML; NULL: an empty cell */
	char	  **hint;			/* UTF-8 of ours, or NULL */
} Matrix;

/* dashboard_page.c */
extern void page_begin(HtmlPage *page, const char *title, bool title_is_value);
extern void page_end(HtmlPage *page);
extern void page_markup(HtmlPage *page, const char *format,...)
			pg_attribute_printf(2, 3);
extern void page_words(HtmlPage *page, const char *utf8);
extern void page_label(HtmlPage *page, Label label);
extern void page_value(HtmlPage *page, const char *value);
extern void page_attribute(HtmlPage *page, const char *value);
extern void group_begin(HtmlPage *page, const char *id, Label title);
extern void group_end(HtmlPage *page);
extern void card_begin(HtmlPage *page, int span, Label title, Label note);
extern void card_end(HtmlPage *page);
extern void card_nothing(HtmlPage *page, Label why);
extern char *html_of_label(HtmlPage *page, Label label);
extern char *html_of(HtmlPage *page, const Table *table, int row, int column);

/* dashboard_text.c */
extern const char *label_text(const HtmlPage *page, Label label);
extern const char *word_text(const HtmlPage *page, const char *word);
extern char *number_text(const char *number);
extern char *short_number_text(double value);
extern char *share_text(const char *share);
extern char *day_text(const HtmlPage *page, DateADT date);
extern char *month_text(const HtmlPage *page, DateADT date);
extern char *period_text(const HtmlPage *page, DateADT date);
extern char *tick_text(const HtmlPage *page, DateADT date);
extern DateADT date_of(const char *iso);
extern Language language_of(const char *name);

/* dashboard_table.c */
extern Table *table_load(Statement *statement, const NullableDatum *args,
						 const Column *columns, int ncolumns);
extern const char *table_text(const Table *table, int row, int column);
extern double table_value(const Table *table, int row, int column);
extern bool table_is_zero(const Table *table, int column);
extern double table_max(const Table *table, int column);
extern void table_cut(Table *table, int rows);
extern void table_emit(HtmlPage *page, const Table *table, Label caption);
extern void table_details(HtmlPage *page, const Table *table);
extern void cell_emit(HtmlPage *page, CellKind kind, const char *text);
extern void bar_emit(HtmlPage *page, double from, double length, int colour);

/* dashboard_chart.c */
extern void chart_emit(HtmlPage *page, const Table *table, const Chart *chart);
extern void spark_emit(HtmlPage *page, const Table *table, int column);
extern void matrix_emit(HtmlPage *page, const Matrix *matrix, Label corner,
						Label caption);
extern Matrix *matrix_make(int nrows, int ncolumns);

/* dashboard_section*.c */
typedef struct Dashboard
{
	HtmlPage		page;
	/* program, since, until, grain, unit: what the statements take */
	NullableDatum args[5];
	bool		has_points;
	/* by period, the same in all; what was before the first member is cut */
	Table	   *sales;
	Table	   *growth;
	Table	   *buyers;
	Table	   *points;
} Dashboard;

/* Arguments of all statements of the dashboard, in this order. */
#define DASHBOARD_ARGS 5, {TEXTOID, DATEOID, DATEOID, TEXTOID, TEXTOID}

/* Columns of the tables by period. */
enum sales_column
{
	SALES_PERIOD,
	SALES_ORDERS,
	SALES_AMOUNT,
	SALES_REFUNDED,
	SALES_NET,
	SALES_AVERAGE,
	SALES_LAST_YEAR
};

enum growth_column
{
	GROWTH_PERIOD,
	GROWTH_JOINED,
	GROWTH_CLOSED,
	GROWTH_MEMBERS
};

enum buyer_column
{
	BUYER_PERIOD,
	BUYER_BUYERS,
	BUYER_NEW,
	BUYER_RETURNING,
	BUYER_SHARE,
	BUYER_RATE,
	BUYER_FREQUENCY
};

enum points_column
{
	POINTS_PERIOD,
	POINTS_OPENING,
	POINTS_ISSUED,
	POINTS_SPENT,
	POINTS_HELD,
	POINTS_EXPIRED,
	POINTS_ADJUSTED,
	POINTS_TRANSFERRED,
	POINTS_CLOSING
};

extern void dashboard_load(Dashboard *dashboard);

extern void section_headline(Dashboard *dashboard);
extern void section_sales(Dashboard *dashboard);
extern void section_members(Dashboard *dashboard);
extern void section_loyalty(Dashboard *dashboard);
extern void section_points(Dashboard *dashboard);
extern void section_tiers(Dashboard *dashboard);
extern void section_offers(Dashboard *dashboard);
extern void section_products(Dashboard *dashboard);
extern void section_messages(Dashboard *dashboard);

#pragma GCC visibility pop

#endif							/* LOYALTY_DASHBOARD_H */
