/*
 * dashboard_table.c
 *
 * Tables: rows of a statement, shown with the figures as people write them.
 */
#include "dashboard.h"

/* Runs a statement whose columns are these, and keeps the rows. */
Table *
table_load(Statement *statement, const NullableDatum *args,
		   const Column *columns, int ncolumns)
{
	Table	   *table = palloc0(sizeof(Table));
	uint64		nrows = statement_run(statement, args, true);
	Assert(SPI_tuptable->tupdesc->natts == ncolumns);
	table->columns = columns;
	table->ncolumns = ncolumns;
	table->nrows = (int) nrows;
	table->text = palloc0((nrows * ncolumns + 1) * sizeof(char *));
	table->value = palloc0((nrows * ncolumns + 1) * sizeof(double));
	for (int row = 0; row < table->nrows; row++)
	{
		for (int i = 0; i < ncolumns; i++)
		{
			char	   *text = SPI_getvalue(SPI_tuptable->vals[row],
											SPI_tuptable->tupdesc, i + 1);
			int			at = row * ncolumns + i;

			table->text[at] = text;
			if (text != NULL && columns[i].kind >= CELL_NUMBER &&
				columns[i].kind <= CELL_SHARE)
				table->value[at] = strtod(text, NULL);
		}
	}
	SPI_freetuptable(SPI_tuptable);
	return table;
}

const char *
table_text(const Table *table, int row, int column)
{
	return table->text[row * table->ncolumns + column];
}

double
table_value(const Table *table, int row, int column)
{
	return table->value[row * table->ncolumns + column];
}

/* Is there nothing to be seen in a column? */
bool
table_is_zero(const Table *table, int column)
{
	for (int row = 0; row < table->nrows; row++)
		if (table_value(table, row, column) != 0)
			return false;
	return true;
}

double
table_max(const Table *table, int column)
{
	double		max = 0;

	for (int row = 0; row < table->nrows; row++)
		max = Max(max, table_value(table, row, column));
	return max;
}

/* Leaves the first rows away. */
void
table_cut(Table *table, int rows)
{
	rows = Min(rows, table->nrows);
	table->text += rows * table->ncolumns;
	table->value += rows * table->ncolumns;
	table->nrows -= rows;
}

/* One value as people write it. */
void
cell_emit(HtmlPage *page, CellKind kind, const char *text)
{
	if (text == NULL)
	{
		page_words(page, "–");
		return;
	}
	switch (kind)
	{
		case CELL_TEXT:
		case CELL_TIME:
			page_value(page, text);
			break;
		case CELL_WORD:
			if (word_text(page, text) != NULL)
				page_words(page, word_text(page, text));
			else
				page_value(page, text);
			break;
		case CELL_NUMBER:
		case CELL_MONEY:
			page_words(page, number_text(text));
			break;
		case CELL_SHARE:
			page_words(page, share_text(text));
			break;
		case CELL_DATE:
			page_words(page, day_text(page, date_of(text)));
			break;
		case CELL_MONTH:
			page_words(page, month_text(page, date_of(text)));
			break;
		case CELL_PERIOD:
			page_words(page, period_text(page, date_of(text)));
			break;
	}
}

/* A bar from one share of the width, so much of it long. */
void
bar_emit(HtmlPage *page, double from, double length, int colour)
{
	page_markup(page, "<svg class=\"hbar\" width=\"100%%\" height=\"12\" "
				"aria-hidden=\"true\"><rect class=\"f%d\" x=\"%.2f%%\" "
				"width=\"%.2f%%\" height=\"12\" rx=\"3\"/></svg>", colour,
				100 * Min(Max(from, 0), 1), 100 * Min(Max(length, 0), 1));
}

static bool
is_figure(CellKind kind)
{
	return kind >= CELL_NUMBER && kind <= CELL_SHARE;
}

static void
emit_heads(HtmlPage *page, const Table *table)
{
	page_markup(page, "<thead><tr>");
	for (int i = 0; i < table->ncolumns; i++)
	{
		const Column *column = &table->columns[i];

		if (column->label == LABEL_HIDDEN)
			continue;
		page_markup(page, "<th scope=\"col\"%s%s>",
					is_figure(column->kind) ? "" : " class=\"l\"",
					column->bar ? " colspan=\"2\"" : "");
		page_label(page, column->label);
		if (column->kind == CELL_MONEY && page->currency != NULL)
		{
			page_markup(page, " (");
			page_attribute(page, page->currency);
			page_markup(page, ")");
		}
		page_markup(page, "</th>");
	}
	page_markup(page, "</tr></thead>");
}

static void
emit_cell(HtmlPage *page, const Table *table, int row, int i, bool first)
{
	const Column *column = &table->columns[i];
	const char *text = table_text(table, row, i);
	double		max;

	if (column->bar)
	{
		max = table_max(table, i);
		page_markup(page, "<td class=\"barcell\">");
		bar_emit(page, 0, max > 0 ? table_value(table, row, i) / max : 0, 1);
		page_markup(page, "</td>");
	}
	page_markup(page, first ? "<th scope=\"row\"" : "<td");
	/* long ones are cut where there is no room, and told in full when asked */
	if (column->kind == CELL_TEXT)
	{
		page_markup(page, " class=\"l clip\" title=\"");
		if (text != NULL)
			page_attribute(page, text);
		page_markup(page, "\"");
	}
	else if (!is_figure(column->kind))
		page_markup(page, " class=\"l\"");
	page_markup(page, ">");
	cell_emit(page, column->kind, text);
	page_markup(page, first ? "</th>" : "</td>");
}

/* The whole table, in a box of its own that scrolls where it is too wide. */
void
table_emit(HtmlPage *page, const Table *table, Label caption)
{
	page_markup(page, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
				"aria-label=\"");
	page_label(page, caption);
	page_markup(page, "\"><table><caption>");
	page_label(page, caption);
	page_markup(page, "</caption>");
	emit_heads(page, table);
	page_markup(page, "<tbody>\n");
	for (int row = 0; row < table->nrows; row++)
	{
		bool		first = true;

		page_markup(page, "<tr>");
		for (int i = 0; i < table->ncolumns; i++)
		{
			if (table->columns[i].label == LABEL_HIDDEN)
				continue;
			emit_cell(page, table, row, i, first);
			first = false;
		}
		page_markup(page, "</tr>\n");
	}
	page_markup(page, "</tbody></table></div>\n");
}

/* The figures behind a drawing. */
void
table_details(HtmlPage *page, const Table *table)
{
	page_markup(page, "<details><summary>");
	page_label(page, LABEL_SHOW_DATA);
	page_markup(page, "</summary>");
	table_emit(page, table, LABEL_SHOW_DATA);
	page_markup(page, "</details>\n");
}
