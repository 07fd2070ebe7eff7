/*
 * dashboard_section_value.c
 *
 * Sections of the dashboard: who comes back, points and what they are worth,
 * tiers.
 */
#include "dashboard.h"

/* Months after the first order that are shown. */
#define COHORT_MONTHS 12

static Statement select_cohort = {
	"SELECT c.cohort, c.months_since, c.members, c.cohort_members, c.share"
	" FROM loyalty.report_cohort($1, $2, $3) c"
	/* the latest ones, if there are many */
	" WHERE c.months_since BETWEEN 0 AND 12"
	" AND c.cohort > date_trunc('month', $3::timestamp) - interval '13 months'"
	" ORDER BY c.cohort, c.months_since",
	DASHBOARD_ARGS
};

enum cohort_column
{
	COHORT_FIRST,
	COHORT_SINCE,
	COHORT_MEMBERS,
	COHORT_SIZE,
	COHORT_SHARE
};

static const Column cohort_columns[] = {
	[COHORT_FIRST] = {LABEL_COHORT, CELL_MONTH},
	[COHORT_SINCE] = {LABEL_MONTHS_SINCE, CELL_NUMBER},
	[COHORT_MEMBERS] = {LABEL_MEMBERS, CELL_NUMBER},
	[COHORT_SIZE] = {LABEL_SIZE, CELL_NUMBER},
	[COHORT_SHARE] = {LABEL_SHARE, CELL_SHARE}
};

/* Of a day that is over, as only those are kept. */
#define RFM_DAY \
	"(SELECT least($3, (loyalty.now() AT TIME ZONE p.time_zone)::date - 1)" \
	" FROM loyalty.program p WHERE p.name = $1)"

static Statement select_rfm = {
	"SELECT r.recency, r.frequency, sum(r.members)"
	" FROM loyalty.report_rfm($1, " RFM_DAY ") r"
	" GROUP BY r.recency, r.frequency",
	DASHBOARD_ARGS
};

static const Column rfm_columns[] = {
	{LABEL_RECENCY, CELL_NUMBER},
	{LABEL_FREQUENCY_SCORE, CELL_NUMBER},
	{LABEL_MEMBERS, CELL_NUMBER}
};

static Statement select_segments = {
	"SELECT s.segment, s.members, s.share, s.net"
	" FROM loyalty.report_rfm_segment($1, " RFM_DAY ") s",
	DASHBOARD_ARGS
};

static const Column segment_columns[] = {
	{LABEL_SEGMENT, CELL_WORD},
	{LABEL_MEMBERS, CELL_NUMBER, true},
	{LABEL_SHARE, CELL_SHARE},
	{LABEL_NET, CELL_MONEY}
};

static Statement select_liability = {
	"SELECT l.unit, l.outstanding, l.worth, l.breakage_rate, l.liability"
	" FROM loyalty.report_liability($1, $3) l LIMIT 20",
	DASHBOARD_ARGS
};

static const Column liability_columns[] = {
	{LABEL_UNIT, CELL_TEXT},
	{LABEL_OUTSTANDING, CELL_NUMBER},
	{LABEL_WORTH, CELL_MONEY},
	{LABEL_BREAKAGE_RATE, CELL_SHARE},
	{LABEL_LIABILITY_VALUE, CELL_MONEY}
};

static Statement select_expiry = {
	"SELECT CASE WHEN e.month IS NULL THEN e.state"
	"  WHEN e.month >= date_trunc('month', $3::timestamp)"
	"   + interval '12 months' THEN 'later'"
	"  ELSE e.month::text END, sum(e.amount), sum(e.worth)"
	" FROM loyalty.report_expiry($1, $5, $3) e"
	" GROUP BY 1 ORDER BY min(e.month), min(e.state) DESC",
	DASHBOARD_ARGS
};

static const Column expiry_columns[] = {
	{LABEL_EXPIRES, CELL_MONTH},
	{LABEL_AMOUNT, CELL_NUMBER, true},
	{LABEL_WORTH, CELL_MONEY}
};

static Statement select_tiers = {
	"SELECT coalesce(t.title, t.tier), t.members, t.share"
	" FROM loyalty.report_tier($1, $3) t"
	" ORDER BY t.rank DESC NULLS LAST LIMIT 30",
	DASHBOARD_ARGS
};

static const Column tier_columns[] = {
	{LABEL_TIER, CELL_TEXT},
	{LABEL_MEMBERS, CELL_NUMBER, true},
	{LABEL_SHARE, CELL_SHARE}
};

/* Each tier that anybody left or came to, and how many did. */
static Statement select_moves = {
	"SELECT coalesce(f.title, m.from_tier), coalesce(t.title, m.to_tier),"
	" sum(m.times), coalesce(f.rank, -1), coalesce(t.rank, -1)"
	" FROM loyalty.program p"
	" CROSS JOIN loyalty.report_tier_move($1, $2, $3) m"
	" LEFT JOIN loyalty.tier f"
	"  ON f.program_id = p.program_id AND f.code = m.from_tier"
	" LEFT JOIN loyalty.tier t"
	"  ON t.program_id = p.program_id AND t.code = m.to_tier"
	" WHERE p.name = $1 AND m.from_tier IS DISTINCT FROM m.to_tier"
	" GROUP BY 1, 2, 4, 5 ORDER BY 4 DESC, 5 DESC, 1, 2 LIMIT 400",
	DASHBOARD_ARGS
};

enum move_column
{
	MOVE_FROM,
	MOVE_TO,
	MOVE_MEMBERS,
	MOVE_FROM_RANK,
	MOVE_TO_RANK
};

static const Column move_columns[] = {
	[MOVE_FROM] = {LABEL_FROM, CELL_TEXT},
	[MOVE_TO] = {LABEL_TO, CELL_TEXT},
	[MOVE_MEMBERS] = {LABEL_MEMBERS, CELL_NUMBER},
	[MOVE_FROM_RANK] = {LABEL_HIDDEN, CELL_NUMBER},
	[MOVE_TO_RANK] = {LABEL_HIDDEN, CELL_NUMBER}
};

/* One row for each month in which somebody first bought. */
static void
emit_cohorts(HtmlPage *page, const Table *table)
{
	int			ncohorts = 0;
	int			cohort = -1;
	Matrix	   *matrix;

	for (int row = 0; row < table->nrows; row++)
		if (row == 0 || strcmp(table_text(table, row, COHORT_FIRST),
							   table_text(table, row - 1, COHORT_FIRST)) != 0)
			ncohorts++;
	matrix = matrix_make(ncohorts, COHORT_MONTHS + 1);
	matrix->column_names[0] = html_of_label(page, LABEL_SIZE);
	for (int i = 1; i <= COHORT_MONTHS; i++)
		matrix->column_names[i] = psprintf("%d", i);
	for (int row = 0; row < table->nrows; row++)
	{
		int			month = (int) table_value(table, row, COHORT_SINCE);
		int			at;

		if (row == 0 || strcmp(table_text(table, row, COHORT_FIRST),
							   table_text(table, row - 1, COHORT_FIRST)) != 0)
		{
			cohort++;
			matrix->row_names[cohort] = html_of(page, table, row,
												COHORT_FIRST);
			matrix->shown[cohort * matrix->ncolumns] =
				html_of(page, table, row, COHORT_SIZE);
		}
		if (month < 1 || month > COHORT_MONTHS)
			continue;
		at = cohort * matrix->ncolumns + month;
		matrix->value[at] = table_value(table, row, COHORT_SHARE);
		matrix->shown[at] = html_of(page, table, row, COHORT_SHARE);
		matrix->hint[at] = psprintf("%s / %s",
									number_text(table_text(table, row,
														   COHORT_MEMBERS)),
									number_text(table_text(table, row,
														   COHORT_SIZE)));
	}
	matrix_emit(page, matrix, LABEL_COHORT, LABEL_COHORTS);
}

/* Frequency from top to bottom, recency from left to right. */
static void
emit_rfm(HtmlPage *page, const Table *table)
{
	Matrix	   *matrix = matrix_make(5, 5);

	for (int i = 0; i < 5; i++)
	{
		matrix->column_names[i] = psprintf("%s %d",
										   html_of_label(page, LABEL_RECENCY_SHORT),
										   i + 1);
		matrix->row_names[i] = psprintf("%s %d",
										html_of_label(page, LABEL_FREQUENCY_SHORT),
										5 - i);
	}
	for (int row = 0; row < table->nrows; row++)
	{
		int			recency = (int) table_value(table, row, 0);
		int			frequency = (int) table_value(table, row, 1);
		int			at;

		if (recency < 1 || recency > 5 || frequency < 1 || frequency > 5)
			continue;
		at = (5 - frequency) * 5 + recency - 1;
		matrix->value[at] = table_value(table, row, 2);
		matrix->shown[at] = html_of(page, table, row, 2);
	}
	matrix_emit(page, matrix, LABEL_FREQUENCY_SCORE, LABEL_RFM);
}

void
section_loyalty(Dashboard *dashboard)
{
	HtmlPage	   *page = &dashboard->page;
	const NullableDatum *args = dashboard->args;
	Table	   *cohorts = table_load(&select_cohort, args, cohort_columns,
									 lengthof(cohort_columns));
	Table	   *rfm = table_load(&select_rfm, args, rfm_columns,
								 lengthof(rfm_columns));
	Table	   *segments = table_load(&select_segments, args, segment_columns,
									  lengthof(segment_columns));

	group_begin(page, "loyalty", LABEL_GROUP_LOYALTY);
	card_begin(page, 12, LABEL_COHORTS, LABEL_COHORTS_NOTE);
	if (cohorts->nrows == 0)
		card_nothing(page, LABEL_NO_BUYERS);
	else
		emit_cohorts(page, cohorts);
	card_end(page);

	card_begin(page, 5, LABEL_RFM, LABEL_RFM_NOTE);
	if (rfm->nrows == 0)
		card_nothing(page, LABEL_NO_BUYERS);
	else
		emit_rfm(page, rfm);
	card_end(page);

	card_begin(page, 7, LABEL_SEGMENTS, LABEL_SEGMENTS_NOTE);
	if (table_is_zero(segments, 1))
		card_nothing(page, LABEL_NO_BUYERS);
	else
		table_emit(page, segments, LABEL_SEGMENTS);
	card_end(page);
	group_end(page);
}

/* A step of the roll-forward: where it starts, where it ends. */
typedef struct Step
{
	Label		label;
	int			column;
	int			sign;			/* 0: a balance */
} Step;

static const Step steps[] = {
	{LABEL_OPENING, POINTS_OPENING, 0},
	{LABEL_ISSUED, POINTS_ISSUED, 1},
	{LABEL_SPENT, POINTS_SPENT, -1},
	{LABEL_HELD, POINTS_HELD, -1},
	{LABEL_EXPIRED, POINTS_EXPIRED, -1},
	{LABEL_ADJUSTED, POINTS_ADJUSTED, 1},
	{LABEL_TRANSFERRED, POINTS_TRANSFERRED, 1},
	{LABEL_CLOSING, POINTS_CLOSING, 0}
};

static Statement select_roll_forward = {
	"SELECT r.period, r.opening, r.issued, r.spent, r.held, r.expired,"
	" r.adjusted, r.transferred, r.closing"
	" FROM loyalty.report_points($1, $2, $3, unit => $5) r",
	DASHBOARD_ARGS
};

/* From the opening to the closing balance: bars that start where one ended. */
static void
emit_roll_forward(HtmlPage *page, const Table *table)
{
	double		low = 0;
	double		high = 0;
	double		level = 0;

	for (int i = 0; i < lengthof(steps); i++)
	{
		double		value = table_value(table, 0, steps[i].column);

		level = steps[i].sign == 0 ? value : level + steps[i].sign * value;
		low = Min(low, level);
		high = Max(high, level);
	}
	if (high <= low)
		high = low + 1;
	level = 0;
	page_markup(page, "<table><caption>");
	page_label(page, LABEL_ROLL_FORWARD);
	page_markup(page, "</caption><thead><tr><th scope=\"col\" class=\"l\">");
	page_label(page, LABEL_MOVEMENT);
	page_markup(page, "</th><th scope=\"col\" colspan=\"2\">");
	page_label(page, LABEL_POINTS);
	page_markup(page, "</th></tr></thead><tbody>\n");
	for (int i = 0; i < lengthof(steps); i++)
	{
		double		value = table_value(table, 0, steps[i].column);
		double		from = steps[i].sign == 0 ? 0 : level;
		double		to = steps[i].sign == 0 ? value :
			level + steps[i].sign * value;

		level = to;
		page_markup(page, "<tr><th scope=\"row\" class=\"l\">");
		page_label(page, steps[i].label);
		page_markup(page, "</th><td class=\"barcell\">");
		bar_emit(page, (Min(from, to) - low) / (high - low),
				 (Max(from, to) - Min(from, to)) / (high - low),
				 steps[i].sign == 0 ? 1 : to >= from ? 3 : 5);
		page_markup(page, "</td><td>");
		if (steps[i].sign < 0 && value > 0)
			page_words(page, "−");
		else if (steps[i].sign > 0 && value > 0)
			page_words(page, "+");
		cell_emit(page, CELL_NUMBER,
				  table_text(table, 0, steps[i].column));
		page_markup(page, "</td></tr>\n");
	}
	page_markup(page, "</tbody></table>\n");
}

static void
emit_expiry(HtmlPage *page, const Table *table)
{
	page_markup(page, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
				"aria-label=\"");
	page_label(page, LABEL_EXPIRY);
	page_markup(page, "\"><table><caption>");
	page_label(page, LABEL_EXPIRY);
	page_markup(page, "</caption><thead><tr><th scope=\"col\" class=\"l\">");
	page_label(page, LABEL_EXPIRES);
	page_markup(page, "</th><th scope=\"col\" colspan=\"2\">");
	page_label(page, LABEL_AMOUNT);
	page_markup(page, "</th><th scope=\"col\">");
	page_label(page, LABEL_WORTH);
	page_markup(page, " (");
	page_attribute(page, page->currency);
	page_markup(page, ")</th></tr></thead><tbody>\n");
	for (int row = 0; row < table->nrows; row++)
	{
		const char *month = table_text(table, row, 0);
		double		max = table_max(table, 1);

		page_markup(page, "<tr><th scope=\"row\" class=\"l\">");
		if (strcmp(month, "never") == 0)
			page_label(page, LABEL_NEVER);
		else if (strcmp(month, "held") == 0)
			page_label(page, LABEL_HELD);
		else if (strcmp(month, "debt") == 0)
			page_label(page, LABEL_MEMBER_DEBT);
		else if (strcmp(month, "later") == 0)
			page_label(page, LABEL_LATER);
		else
			cell_emit(page, CELL_MONTH, month);
		page_markup(page, "</th><td class=\"barcell\">");
		bar_emit(page, 0, max > 0 ? table_value(table, row, 1) / max : 0, 1);
		page_markup(page, "</td><td>");
		cell_emit(page, CELL_NUMBER, table_text(table, row, 1));
		page_markup(page, "</td><td>");
		cell_emit(page, CELL_MONEY, table_text(table, row, 2));
		page_markup(page, "</td></tr>\n");
	}
	page_markup(page, "</tbody></table></div>\n");
}

static void
emit_points_trend(HtmlPage *page, const Table *table)
{
	static const Chart chart = {
		LABEL_POINTS_TREND, POINTS_PERIOD, 3, {
			{POINTS_ISSUED, 1},
			{POINTS_SPENT, 2, .below = true},
			{POINTS_EXPIRED, 5, .below = true}
		}
	};

	if (table_is_zero(table, POINTS_ISSUED) &&
		table_is_zero(table, POINTS_SPENT) &&
		table_is_zero(table, POINTS_EXPIRED))
		card_nothing(page, LABEL_NO_POINTS);
	else
		chart_emit(page, table, &chart);
}

void
section_points(Dashboard *dashboard)
{
	HtmlPage	   *page = &dashboard->page;
	const NullableDatum *args = dashboard->args;
	Table	   *roll;
	Table	   *expiry;
	Table	   *liability;

	group_begin(page, "points", LABEL_GROUP_POINTS);
	if (!dashboard->has_points)
	{
		card_begin(page, 12, LABEL_ROLL_FORWARD, LABEL_ROLL_FORWARD_NOTE);
		card_nothing(page, LABEL_NO_POINTS_UNIT);
		card_end(page);
		group_end(page);
		return;
	}
	roll = table_load(&select_roll_forward, args, dashboard->points->columns,
					  dashboard->points->ncolumns);
	expiry = table_load(&select_expiry, args, expiry_columns,
						lengthof(expiry_columns));
	liability = table_load(&select_liability, args, liability_columns,
						   lengthof(liability_columns));

	card_begin(page, 5, LABEL_ROLL_FORWARD, LABEL_ROLL_FORWARD_NOTE);
	if (roll->nrows != 1 || (table_is_zero(roll, POINTS_OPENING) &&
							 table_is_zero(roll, POINTS_ISSUED) &&
							 table_is_zero(roll, POINTS_CLOSING)))
		card_nothing(page, LABEL_NO_POINTS);
	else
		emit_roll_forward(page, roll);
	card_end(page);

	card_begin(page, 7, LABEL_POINTS_TREND, LABEL_POINTS_TREND_NOTE);
	emit_points_trend(page, dashboard->points);
	card_end(page);

	card_begin(page, 5, LABEL_EXPIRY, LABEL_EXPIRY_NOTE);
	if (table_is_zero(expiry, 1))
		card_nothing(page, LABEL_NOTHING_OUTSTANDING);
	else
		emit_expiry(page, expiry);
	card_end(page);

	card_begin(page, 7, LABEL_LIABILITY, LABEL_LIABILITY_NOTE);
	if (table_is_zero(liability, 1))
		card_nothing(page, LABEL_NOTHING_OUTSTANDING);
	else
		table_emit(page, liability, LABEL_LIABILITY);
	card_end(page);
	group_end(page);
}

/* The tiers that come up in a column, from the highest to the lowest. */
static int
collect_tiers(const Table *table, int name, int rank, int *rows)
{
	int			n = 0;

	for (int row = 0; row < table->nrows; row++)
	{
		int			i;
		int			at = 0;

		for (i = 0; i < n; i++)
			if (table_value(table, rows[i], rank) ==
				table_value(table, row, rank))
				break;
		if (i < n)
			continue;
		while (at < n && table_value(table, rows[at], rank) >
			   table_value(table, row, rank))
			at++;
		memmove(&rows[at + 1], &rows[at], (n - at) * sizeof(int));
		rows[at] = row;
		n++;
	}
	return n;
}

static void
emit_moves(HtmlPage *page, const Table *table)
{
	int		   *from = palloc(sizeof(int) * (table->nrows + 1));
	int		   *to = palloc(sizeof(int) * (table->nrows + 1));
	int			nfrom = collect_tiers(table, MOVE_FROM, MOVE_FROM_RANK, from);
	int			nto = collect_tiers(table, MOVE_TO, MOVE_TO_RANK, to);
	Matrix	   *matrix = matrix_make(nfrom, nto);

	for (int i = 0; i < nfrom; i++)
	{
		matrix->row_names[i] = html_of(page, table, from[i], MOVE_FROM);
		matrix->row_titles[i] = table_text(table, from[i], MOVE_FROM);
	}
	for (int i = 0; i < nto; i++)
	{
		matrix->column_names[i] = html_of(page, table, to[i], MOVE_TO);
		matrix->column_titles[i] = table_text(table, to[i], MOVE_TO);
	}
	for (int row = 0; row < table->nrows; row++)
		for (int i = 0; i < nfrom; i++)
			for (int k = 0; k < nto; k++)
				if (table_value(table, row, MOVE_FROM_RANK) ==
					table_value(table, from[i], MOVE_FROM_RANK) &&
					table_value(table, row, MOVE_TO_RANK) ==
					table_value(table, to[k], MOVE_TO_RANK))
				{
					matrix->value[i * nto + k] =
						table_value(table, row, MOVE_MEMBERS);
					matrix->shown[i * nto + k] =
						html_of(page, table, row, MOVE_MEMBERS);
				}
	matrix_emit(page, matrix, LABEL_FROM_TO, LABEL_TIER_MOVES);
}

void
section_tiers(Dashboard *dashboard)
{
	HtmlPage	   *page = &dashboard->page;
	Table	   *tiers = table_load(&select_tiers, dashboard->args,
								   tier_columns, lengthof(tier_columns));
	Table	   *moves = table_load(&select_moves, dashboard->args,
								   move_columns, lengthof(move_columns));

	group_begin(page, "tiers", LABEL_GROUP_TIERS);
	card_begin(page, 6, LABEL_TIER_SPREAD, LABEL_TIER_SPREAD_NOTE);
	if (tiers->nrows == 0)
		card_nothing(page, LABEL_NO_TIERS);
	else
		table_emit(page, tiers, LABEL_TIER_SPREAD);
	card_end(page);

	card_begin(page, 6, LABEL_TIER_MOVES, LABEL_TIER_MOVES_NOTE);
	if (moves->nrows == 0)
		card_nothing(page, LABEL_NO_MOVES);
	else
		emit_moves(page, moves);
	card_end(page);
	group_end(page);
}
