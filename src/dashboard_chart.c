/*
 * dashboard_chart.c
 *
 * Drawings.  A drawing is as wide as its card and keeps its height: places
 * along the axis are percentages, heights are pixels, so that texts have the
 * same size on a phone and on a wall.  Only lines need a box that stretches.
 */
#include "dashboard.h"

#include <math.h>

#define CHART_HEIGHT 250
#define CHART_TOP 10
#define CHART_BOTTOM 24
#define PLOT_HEIGHT (CHART_HEIGHT - CHART_TOP - CHART_BOTTOM)
/* how much room a label on the axis takes, and what there is for all of them */
#define TICK_WIDTH 58
#define NARROW_WIDTH 225
#define MIDDLE_WIDTH 440
#define WIDE_WIDTH 700
/* the width of the box that stretches */
#define STRETCH 1000.0

typedef struct Scale
{
	double		low;
	double		high;
	double		step;
} Scale;

/* A step of 1, 2, 2.5 or 5 times a power of ten, so that four or so fit. */
static double
nice_step(double range, bool whole)
{
	double		rough = range / 4;
	double		power = pow(10, floor(log10(rough)));
	double		digit = rough / power;
	double		step;

	if (digit <= 1)
		step = 1;
	else if (digit <= 2)
		step = 2;
	else if (digit <= 2.5 && power >= 10)
		step = 2.5;
	else if (digit <= 5)
		step = 5;
	else
		step = 10;
	step *= power;
	return whole ? Max(step, 1) : step;
}

static bool
is_whole(const Table *table, const Chart *chart)
{
	for (int i = 0; i < chart->nseries; i++)
		for (int row = 0; row < table->nrows; row++)
		{
			double		value = table_value(table, row,
											chart->series[i].column);

			if (value != rint(value))
				return false;
		}
	return true;
}

/* What the axis has to cover: the sums of bars, and each line. */
static Scale
scale_of(const Table *table, const Chart *chart)
{
	Scale		scale;
	double		low = 0;
	double		high = 0;
	double		line_low = INFINITY;
	bool		bars = false;

	for (int row = 0; row < table->nrows; row++)
	{
		double		up = 0;
		double		down = 0;

		for (int i = 0; i < chart->nseries; i++)
		{
			const Series *series = &chart->series[i];
			double		value = table_value(table, row, series->column);

			if (series->line)
			{
				high = Max(high, value);
				low = Min(low, value);
				line_low = Min(line_low, value);
				continue;
			}
			bars = true;
			if (series->below)
				value = -value;
			if (value > 0)
				up += value;
			else
				down += value;
		}
		high = Max(high, up);
		low = Min(low, down);
	}
	/* a line far from zero alone would be flat */
	if (!bars && !chart->from_zero && line_low > 0 && line_low > high * 0.6)
		low = line_low - (high - line_low) * 0.25;
	if (high <= low)
		high = low + 1;
	scale.step = nice_step(high - low, is_whole(table, chart));
	scale.low = floor(low / scale.step + 1e-9) * scale.step;
	scale.high = ceil(high / scale.step - 1e-9) * scale.step;
	return scale;
}

static double
y_of(const Scale *scale, double value)
{
	return CHART_TOP +
		PLOT_HEIGHT * (scale->high - value) / (scale->high - scale->low);
}

static char *
axis_number(double value, double step)
{
	if (step >= 1e6)
		return psprintf("%sM", number_text(psprintf("%.*f",
													step >= 1e7 ? 0 : 1,
													value / 1e6)));
	if (step >= 1)
		return number_text(psprintf("%.0f", value));
	return number_text(psprintf("%.*f", step >= 0.1 ? 1 : 2, value));
}

static void
emit_grid(HtmlPage *page, const Scale *scale)
{
	page_markup(page, "<g class=\"grid\">");
	for (double value = scale->low; value <= scale->high + scale->step / 2;
		 value += scale->step)
	{
		bool		zero = fabs(value) < scale->step / 1e6;
		double		y = y_of(scale, zero ? 0 : value);

		page_markup(page, "<line%s x1=\"0\" x2=\"100%%\" y1=\"%.1f\" "
					"y2=\"%.1f\"/><text x=\"-10\" y=\"%.1f\" "
					"text-anchor=\"end\">", zero ? " class=\"zero\"" : "",
					y, y, y + 4);
		page_words(page, axis_number(zero ? 0 : value, scale->step));
		page_markup(page, "</text>");
	}
	page_markup(page, "</g>\n");
}

/* How many periods lie between two labels, a multiple of what is given. */
static int
tick_step(int n, int room, int of)
{
	int			fit = Max(room / TICK_WIDTH, 1);
	int			step = of;

	while ((n + step - 1) / step > fit)
		step += of;
	return step;
}

static void
emit_ticks(HtmlPage *page, const Table *table, const Chart *chart)
{
	int			n = table->nrows;
	int			wide = tick_step(n, WIDE_WIDTH, 1);
	int			middle = tick_step(n, MIDDLE_WIDTH, wide);
	int			narrow = tick_step(n, NARROW_WIDTH, middle);

	for (int row = 0; row < n; row++)
	{
		int			from_last = n - 1 - row;

		if (from_last % wide != 0)
			continue;
		page_markup(page, "<text%s x=\"%.2f%%\" y=\"%d\" "
					"text-anchor=\"middle\">",
					from_last % narrow == 0 ? "" :
					from_last % middle == 0 ? " class=\"m\"" : " class=\"w\"",
					100 * (row + 0.5) / n, CHART_HEIGHT - 4);
		page_words(page, tick_text(page, date_of(table_text(table, row,
															chart->axis))));
		page_markup(page, "</text>\n");
	}
}

static void
emit_bars(HtmlPage *page, const Table *table, const Chart *chart,
		  const Scale *scale)
{
	double		slot = 100.0 / table->nrows;
	double		width = Min(slot * 0.66, 7);

	for (int row = 0; row < table->nrows; row++)
	{
		double		up = 0;
		double		down = 0;

		for (int i = 0; i < chart->nseries; i++)
		{
			const Series *series = &chart->series[i];
			double		value = table_value(table, row, series->column);
			double	   *base;
			double		top;
			double		bottom;

			if (series->line || value == 0)
				continue;
			if (series->below)
				value = -value;
			base = value > 0 ? &up : &down;
			top = y_of(scale, Max(*base, *base + value));
			bottom = y_of(scale, Min(*base, *base + value));
			*base += value;
			page_markup(page, "<rect class=\"f%d\" x=\"%.2f%%\" y=\"%.1f\" "
						"width=\"%.2f%%\" height=\"%.1f\" rx=\"2\"/>\n",
						series->colour, slot * (row + 0.5) - width / 2, top,
						width, Max(bottom - top, 1));
		}
	}
}

/* The line in a box of 1000 by its height, which stretches. */
static void
emit_path(HtmlPage *page, const Table *table, int column, const Scale *scale)
{
	for (int row = 0; row < table->nrows; row++)
		page_markup(page, "%s%.1f %.1f", row == 0 ? "M" : "L",
					STRETCH * (row + 0.5) / table->nrows,
					y_of(scale, table_value(table, row, column)));
}

static void
emit_lines(HtmlPage *page, const Table *table, const Chart *chart,
		   const Scale *scale)
{
	for (int i = 0; i < chart->nseries; i++)
	{
		const Series *series = &chart->series[i];

		if (!series->line)
			continue;
		page_markup(page, "<svg width=\"100%%\" height=\"%d\" "
					"viewBox=\"0 0 1000 %d\" preserveAspectRatio=\"none\">",
					CHART_HEIGHT, CHART_HEIGHT);
		if (series->area)
		{
			page_markup(page, "<path class=\"area\" d=\"");
			emit_path(page, table, series->column, scale);
			page_markup(page, "L%.1f %.1fL%.1f %.1fZ\"/>",
						STRETCH * (table->nrows - 0.5) / table->nrows,
						y_of(scale, scale->low),
						STRETCH * 0.5 / table->nrows, y_of(scale, scale->low));
		}
		page_markup(page, "<path class=\"stroke s%d\" d=\"", series->colour);
		emit_path(page, table, series->column, scale);
		page_markup(page, "\"/></svg>\n");
		page_markup(page, "<circle class=\"f%d\" cx=\"%.2f%%\" cy=\"%.1f\" "
					"r=\"3.5\"/>\n", series->colour,
					100 * (table->nrows - 0.5) / table->nrows,
					y_of(scale, table_value(table, table->nrows - 1,
											series->column)));
	}
}

/* 'Nov 2026: Net sales 1,234.00; Refunded 12.00' */
static void
emit_reading(HtmlPage *page, const Table *table, const Chart *chart, int row)
{
	cell_emit(page, table->columns[chart->axis].kind,
			  table_text(table, row, chart->axis));
	for (int i = 0; i < chart->nseries; i++)
	{
		const Column *column = &table->columns[chart->series[i].column];

		page_words(page, i == 0 ? ": " : "; ");
		page_label(page, column->label);
		page_words(page, " ");
		cell_emit(page, column->kind == CELL_TEXT ? CELL_NUMBER : column->kind,
				  table_text(table, row, chart->series[i].column));
	}
}

static void
emit_legend(HtmlPage *page, const Table *table, const Chart *chart)
{
	page_markup(page, "<ul class=\"legend\">");
	for (int i = 0; i < chart->nseries; i++)
	{
		const Series *series = &chart->series[i];

		page_markup(page, "<li><svg width=\"14\" height=\"10\" "
					"aria-hidden=\"true\"><rect class=\"f%d\" y=\"%d\" "
					"width=\"14\" height=\"%d\" rx=\"%d\"/></svg>",
					series->colour, series->line ? 4 : 0,
					series->line ? 3 : 10, series->line ? 1 : 2);
		page_label(page, table->columns[series->column].label);
		page_markup(page, "</li>");
	}
	page_markup(page, "</ul>\n");
}

/* Bars and lines over periods, with the table behind them. */
void
chart_emit(HtmlPage *page, const Table *table, const Chart *chart)
{
	Scale		scale = scale_of(table, chart);
	int			id = ++page->ids;

	page_markup(page, "<figure><div class=\"frame\"><svg class=\"plot\" "
				"width=\"100%%\" height=\"%d\" role=\"img\" "
				"aria-labelledby=\"t%d d%d\">\n<title id=\"t%d\">",
				CHART_HEIGHT, id, id, id);
	page_label(page, chart->title);
	page_markup(page, "</title><desc id=\"d%d\">", id);
	emit_reading(page, table, chart, 0);
	if (table->nrows > 1)
	{
		page_words(page, " – ");
		emit_reading(page, table, chart, table->nrows - 1);
	}
	page_markup(page, "</desc>\n");
	emit_grid(page, &scale);
	emit_bars(page, table, chart, &scale);
	emit_lines(page, table, chart, &scale);
	emit_ticks(page, table, chart);
	for (int row = 0; row < table->nrows; row++)
	{
		page_markup(page, "<rect class=\"hit\" x=\"%.2f%%\" y=\"%d\" "
					"width=\"%.2f%%\" height=\"%d\"><title>",
					100.0 * row / table->nrows, CHART_TOP,
					100.0 / table->nrows, PLOT_HEIGHT);
		emit_reading(page, table, chart, row);
		page_markup(page, "</title></rect>\n");
	}
	page_markup(page, "</svg></div>\n");
	if (chart->nseries > 1)
		emit_legend(page, table, chart);
	page_markup(page, "</figure>\n");
	table_details(page, table);
}

/* How a figure went, without axes: what the trend tells in words beside it. */
void
spark_emit(HtmlPage *page, const Table *table, int column)
{
	double		high = table_max(table, column);
	double		low = high;
	StringInfoData path;

	for (int row = 0; row < table->nrows; row++)
		low = Min(low, table_value(table, row, column));
	if (table->nrows < 2 || high <= low)
		return;
	initStringInfo(&path);
	for (int row = 0; row < table->nrows; row++)
		appendStringInfo(&path, "%s%.1f %.1f", row == 0 ? "M" : "L",
						 100.0 * row / (table->nrows - 1),
						 26 - 22 * (table_value(table, row, column) - low) /
						 (high - low));
	page_markup(page, "<svg class=\"spark\" viewBox=\"0 0 100 30\" "
				"preserveAspectRatio=\"none\" aria-hidden=\"true\">"
				"<path class=\"area\" d=\"%sL100 30L0 30Z\"/>"
				"<path class=\"stroke s1\" d=\"%s\"/></svg>", path.data,
				path.data);
}

Matrix *
matrix_make(int nrows, int ncolumns)
{
	Matrix	   *matrix = palloc0(sizeof(Matrix));

	matrix->nrows = nrows;
	matrix->ncolumns = ncolumns;
	matrix->row_names = palloc0(nrows * sizeof(char *));
	matrix->column_names = palloc0(ncolumns * sizeof(char *));
	matrix->row_titles = palloc0(nrows * sizeof(char *));
	matrix->column_titles = palloc0(ncolumns * sizeof(char *));
	matrix->value = palloc0(nrows * ncolumns * sizeof(double));
	matrix->shown = palloc0(nrows * ncolumns * sizeof(char *));
	matrix->hint = palloc0(nrows * ncolumns * sizeof(char *));
	return matrix;
}

/* A head, which is cut where it is too long. */
static void
emit_head(HtmlPage *page, const char *scope, const char *name,
		  const char *title)
{
	page_markup(page, "<th scope=\"%s\" class=\"clip\"", scope);
	if (title != NULL)
	{
		page_markup(page, " title=\"");
		page_attribute(page, title);
		page_markup(page, "\"");
	}
	page_markup(page, ">%s</th>", name);
}

/*
 * A matrix is a table whose cells are shaded in eight steps: readable without
 * colours, and by who cannot see them.
 */
void
matrix_emit(HtmlPage *page, const Matrix *matrix, Label corner, Label caption)
{
	double		max = 0;

	for (int i = 0; i < matrix->nrows * matrix->ncolumns; i++)
		max = Max(max, matrix->value[i]);
	page_markup(page, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
				"aria-label=\"");
	page_label(page, caption);
	page_markup(page, "\"><table class=\"heat\"><caption>");
	page_label(page, caption);
	page_markup(page, "</caption><thead><tr><th scope=\"col\">");
	page_label(page, corner);
	page_markup(page, "</th>");
	for (int column = 0; column < matrix->ncolumns; column++)
		emit_head(page, "col", matrix->column_names[column],
				  matrix->column_titles[column]);
	page_markup(page, "</tr></thead><tbody>\n");
	for (int row = 0; row < matrix->nrows; row++)
	{
		page_markup(page, "<tr>");
		emit_head(page, "row", matrix->row_names[row],
				  matrix->row_titles[row]);
		for (int column = 0; column < matrix->ncolumns; column++)
		{
			int			at = row * matrix->ncolumns + column;
			int			shade = max > 0 ?
				(int) ceil(8 * matrix->value[at] / max) : 0;

			page_markup(page, "<td");
			if (shade > 0)
				page_markup(page, " class=\"q%d\"", shade);
			if (matrix->hint[at] != NULL)
			{
				page_markup(page, " title=\"");
				page_words(page, matrix->hint[at]);
				page_markup(page, "\"");
			}
			page_markup(page, ">%s</td>",
						matrix->shown[at] != NULL ? matrix->shown[at] : "");
		}
		page_markup(page, "</tr>\n");
	}
	page_markup(page, "</tbody></table></div>\n");
}
