/*
 * dashboard_member.c
 *
 * One member on one page, for a support desk: what there is to spend and by
 * when, the way to the next tier, coupons, benefits, what happened.  Nothing
 * personal: no profile, no identity, no code of a coupon.
 */
#include "dashboard.h"

#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(loyalty_dashboard_member_card);

enum card_arg
{
	CARD_MEMBER_ID,
	CARD_LANGUAGE
};

static Statement select_member = {
	"SELECT p.name, p.currency, a.status,"
	" (m.joined_at AT TIME ZONE p.time_zone)::date,"
	" (a.last_purchase_at AT TIME ZONE p.time_zone)::date, a.purchases,"
	" coalesce(t.title, c.tier), c.tier_until, c.tier_state,"
	" (loyalty.now() AT TIME ZONE p.time_zone)::date"
	" FROM loyalty.account a"
	" JOIN loyalty.member m ON m.member_id = a.member_id"
	" JOIN loyalty.program p ON p.program_id = a.program_id"
	" LEFT JOIN LATERAL loyalty.tier_current(a.member_id) c ON true"
	" LEFT JOIN loyalty.tier t"
	"  ON t.program_id = p.program_id AND t.code = c.tier"
	" WHERE a.member_id = $1",
	1, {INT8OID}
};

enum member_column
{
	MEMBER_PROGRAM,
	MEMBER_CURRENCY,
	MEMBER_STATUS,
	MEMBER_JOINED,
	MEMBER_LAST_ORDER,
	MEMBER_PURCHASES,
	MEMBER_TIER,
	MEMBER_TIER_UNTIL,
	MEMBER_TIER_STATE,
	MEMBER_TODAY
};

static const Column member_columns[] = {
	[MEMBER_PROGRAM] = {LABEL_HIDDEN, CELL_TEXT},
	[MEMBER_CURRENCY] = {LABEL_HIDDEN, CELL_TEXT},
	[MEMBER_STATUS] = {LABEL_STATUS, CELL_WORD},
	[MEMBER_JOINED] = {LABEL_MEMBER_SINCE, CELL_DATE},
	[MEMBER_LAST_ORDER] = {LABEL_LAST_ORDER, CELL_DATE},
	[MEMBER_PURCHASES] = {LABEL_ORDERS, CELL_NUMBER},
	[MEMBER_TIER] = {LABEL_TIER, CELL_TEXT},
	[MEMBER_TIER_UNTIL] = {LABEL_UNTIL, CELL_DATE},
	[MEMBER_TIER_STATE] = {LABEL_STATUS, CELL_WORD},
	[MEMBER_TODAY] = {LABEL_AS_OF, CELL_DATE}
};

static Statement select_balances = {
	"SELECT b.unit, b.available, b.pending, b.held, b.debt, b.next_expiry,"
	" b.next_expiry_amount"
	" FROM loyalty.balance($1) b LIMIT 24",
	1, {INT8OID}
};

enum balance_column
{
	BALANCE_UNIT,
	BALANCE_AVAILABLE,
	BALANCE_PENDING,
	BALANCE_HELD,
	BALANCE_DEBT,
	BALANCE_EXPIRY,
	BALANCE_EXPIRING
};

static const Column balance_columns[] = {
	[BALANCE_UNIT] = {LABEL_UNIT, CELL_TEXT},
	[BALANCE_AVAILABLE] = {LABEL_AMOUNT, CELL_NUMBER},
	[BALANCE_PENDING] = {LABEL_PENDING, CELL_NUMBER},
	[BALANCE_HELD] = {LABEL_HELD, CELL_NUMBER},
	[BALANCE_DEBT] = {LABEL_DEBT, CELL_NUMBER},
	[BALANCE_EXPIRY] = {LABEL_NEXT_EXPIRY, CELL_DATE},
	[BALANCE_EXPIRING] = {LABEL_AMOUNT, CELL_NUMBER}
};

static Statement select_progress = {
	"SELECT p.purpose, coalesce(t.title, p.for_tier), p.unit, p.reached,"
	" p.threshold, p.missing, p.keep_by"
	" FROM loyalty.tier_progress($1) p"
	" JOIN loyalty.account a ON a.member_id = $1"
	" LEFT JOIN loyalty.tier t"
	"  ON t.program_id = a.program_id AND t.code = p.for_tier"
	" WHERE p.threshold IS NOT NULL LIMIT 12",
	1, {INT8OID}
};

enum progress_column
{
	PROGRESS_PURPOSE,
	PROGRESS_TIER,
	PROGRESS_UNIT,
	PROGRESS_REACHED,
	PROGRESS_THRESHOLD,
	PROGRESS_MISSING,
	PROGRESS_KEEP_BY
};

static const Column progress_columns[] = {
	[PROGRESS_PURPOSE] = {LABEL_HIDDEN, CELL_WORD},
	[PROGRESS_TIER] = {LABEL_TIER, CELL_TEXT},
	[PROGRESS_UNIT] = {LABEL_UNIT, CELL_TEXT},
	[PROGRESS_REACHED] = {LABEL_ACTUAL, CELL_NUMBER},
	[PROGRESS_THRESHOLD] = {LABEL_TARGET, CELL_NUMBER},
	[PROGRESS_MISSING] = {LABEL_MISSING, CELL_NUMBER},
	[PROGRESS_KEEP_BY] = {LABEL_UNTIL, CELL_DATE}
};

/* A metric is not spent; what has lapsed and is not posted yet is gone. */
static Statement select_lots = {
	"SELECT u.code, loyalty.unit_amount(sum(l.amount)::bigint, u.scale),"
	" l.expires_on, CASE WHEN l.vests_on > x.today THEN l.vests_on END"
	" FROM loyalty.account a"
	" JOIN loyalty.program p ON p.program_id = a.program_id"
	" CROSS JOIN LATERAL ("
	"  SELECT (loyalty.now() AT TIME ZONE p.time_zone)::date AS today) x"
	" CROSS JOIN LATERAL loyalty.wallet_lots(a.wallet) l"
	" JOIN loyalty.unit u ON u.unit_id = l.unit_id AND u.kind <> 'metric'"
	" WHERE a.member_id = $1 AND l.amount > 0"
	" AND (l.expires_on IS NULL OR l.expires_on >= x.today)"
	" GROUP BY u.unit_id, u.code, u.scale, l.expires_on, 4"
	" ORDER BY u.unit_id, l.expires_on NULLS LAST, 4 NULLS FIRST LIMIT 50",
	1, {INT8OID}
};

static const Column lot_columns[] = {
	{LABEL_UNIT, CELL_TEXT},
	{LABEL_AMOUNT, CELL_NUMBER, true},
	{LABEL_EXPIRES, CELL_DATE},
	{LABEL_VESTS, CELL_DATE}
};

static Statement select_coupons = {
	"SELECT m.coupon_no::text, coalesce(c.title, c.name), c.kind,"
	" CASE WHEN m.status = 'issued' AND m.uses >= m.max_uses THEN 'used'"
	"  WHEN m.status = 'issued' AND m.valid_until < x.today THEN 'expired'"
	"  ELSE m.status END,"
	" m.valid_from, m.valid_until, m.uses, m.max_uses"
	" FROM loyalty.member_coupon m"
	" JOIN loyalty.coupon c ON c.coupon_id = m.coupon_id"
	" JOIN loyalty.program p ON p.program_id = m.program_id"
	" CROSS JOIN LATERAL ("
	"  SELECT (loyalty.now() AT TIME ZONE p.time_zone)::date AS today) x"
	" WHERE m.member_id = $1"
	" ORDER BY m.status = 'issued' AND m.uses < m.max_uses"
	"  AND coalesce(m.valid_until >= x.today, true) DESC,"
	" m.coupon_no DESC LIMIT 50",
	1, {INT8OID}
};

static const Column coupon_columns[] = {
	{LABEL_NUMBER, CELL_TEXT},
	{LABEL_COUPON, CELL_TEXT},
	{LABEL_KIND, CELL_WORD},
	{LABEL_STATUS, CELL_WORD},
	{LABEL_VALID_FROM, CELL_DATE},
	{LABEL_VALID_UNTIL, CELL_DATE},
	{LABEL_USES, CELL_NUMBER},
	{LABEL_USES_MAX, CELL_NUMBER}
};

static Statement select_plans = {
	"SELECT coalesce(c.title, c.plan), c.starts_on, c.ends_on, c.paid,"
	" c.auto_renew::text"
	" FROM loyalty.plan_current($1) c LIMIT 12",
	1, {INT8OID}
};

static const Column plan_columns[] = {
	{LABEL_PLAN, CELL_TEXT},
	{LABEL_STARTS, CELL_DATE},
	{LABEL_ENDS, CELL_DATE},
	{LABEL_PAID, CELL_MONEY},
	{LABEL_RENEWS, CELL_WORD}
};

static Statement select_benefits = {
	"SELECT coalesce(b.title, b.name), b.kind, b.by, b.quantity, b.remaining,"
	" b.period_until"
	" FROM loyalty.benefits($1) b LIMIT 50",
	1, {INT8OID}
};

static const Column benefit_columns[] = {
	{LABEL_BENEFIT, CELL_TEXT},
	{LABEL_KIND, CELL_WORD},
	{LABEL_GIVEN_BY, CELL_TEXT},
	{LABEL_QUANTITY, CELL_NUMBER},
	{LABEL_REMAINING, CELL_NUMBER},
	{LABEL_UNTIL, CELL_DATE}
};

/* The newest rows of the journal, with what each moved. */
static Statement select_history = {
	"SELECT to_char(j.effective_at AT TIME ZONE p.time_zone,"
	"  'YYYY-MM-DD HH24:MI'), CASE WHEN j.kind = 'event' THEN j.event"
	"  ELSE j.kind END, coalesce(j.ref, j.reverses),"
	" (SELECT string_agg(CASE WHEN s.amount > 0"
	"   THEN '+' ELSE '' END || s.amount || ' ' || s.code, ', '"
	"   ORDER BY s.unit_id)"
	"  FROM (SELECT u.unit_id, u.code,"
	"    loyalty.unit_amount(sum(e.amount)::bigint, u.scale) AS amount"
	"   FROM loyalty.entry e"
	"   JOIN loyalty.unit u ON u.unit_id = e.unit_id"
	"   WHERE e.member_id = $1 AND e.journal_id = j.journal_id"
	"   GROUP BY u.unit_id, u.code, u.scale"
	"   HAVING sum(e.amount) <> 0) s),"
	" nullif(concat_ws(' / ', j.channel, j.store), ''), j.reason"
	" FROM (SELECT * FROM loyalty.journal x WHERE x.member_id = $1"
	"  ORDER BY x.journal_id DESC LIMIT 50) j"
	" JOIN loyalty.program p ON p.program_id = j.program_id"
	" ORDER BY j.journal_id DESC",
	1, {INT8OID}
};

static const Column history_columns[] = {
	{LABEL_WHEN, CELL_TIME},
	{LABEL_WHAT, CELL_WORD},
	{LABEL_REFERENCE, CELL_TEXT},
	{LABEL_MOVED, CELL_TEXT},
	{LABEL_WHERE, CELL_TEXT},
	{LABEL_REASON, CELL_TEXT}
};

static void
emit_chip(HtmlPage *page, const Table *member, int column, Label label)
{
	if (table_text(member, 0, column) == NULL)
		return;
	page_markup(page, "<li>");
	page_label(page, label);
	page_words(page, " ");
	cell_emit(page, member->columns[column].kind,
			  table_text(member, 0, column));
	page_markup(page, "</li>");
}

static void
emit_header(HtmlPage *page, const Table *member, int64 member_id)
{
	page_markup(page, "<header class=\"top\">\n<p class=\"eyebrow\">");
	page_label(page, LABEL_MEMBER_CARD);
	page_words(page, " · ");
	page_value(page, table_text(member, 0, MEMBER_PROGRAM));
	page_markup(page, "</p>\n<h1>");
	page_label(page, LABEL_MEMBER);
	page_markup(page, " " INT64_FORMAT "</h1>\n<ul class=\"chips\">",
				member_id);
	emit_chip(page, member, MEMBER_STATUS, LABEL_STATUS);
	emit_chip(page, member, MEMBER_TIER, LABEL_TIER);
	emit_chip(page, member, MEMBER_JOINED, LABEL_MEMBER_SINCE);
	emit_chip(page, member, MEMBER_PURCHASES, LABEL_ORDERS);
	emit_chip(page, member, MEMBER_LAST_ORDER, LABEL_LAST_ORDER);
	emit_chip(page, member, MEMBER_TODAY, LABEL_AS_OF);
	page_markup(page, "</ul>\n</header>\n");
}

/* What is beside what is available, where there is any. */
static void
emit_beside(HtmlPage *page, const Table *balances, int row, int column)
{
	if (table_value(balances, row, column) == 0)
		return;
	page_markup(page, "<p class=\"delta\"><b>");
	cell_emit(page, CELL_NUMBER, table_text(balances, row, column));
	page_markup(page, "</b><span>");
	page_label(page, balances->columns[column].label);
	page_markup(page, "</span></p>");
}

static void
emit_balances(HtmlPage *page, const Table *balances)
{
	page_markup(page, "<section aria-labelledby=\"balances\">\n"
				"<h2 id=\"balances\">");
	page_label(page, LABEL_BALANCES);
	page_markup(page, "</h2>\n<div class=\"tiles\">\n");
	for (int row = 0; row < balances->nrows; row++)
	{
		page_markup(page, "<article class=\"tile\"><h3><span>");
		page_value(page, table_text(balances, row, BALANCE_UNIT));
		page_markup(page, "</span></h3><p class=\"num\" title=\"");
		cell_emit(page, CELL_NUMBER,
				  table_text(balances, row, BALANCE_AVAILABLE));
		page_markup(page, "\">");
		page_words(page, short_number_text(table_value(balances, row,
													   BALANCE_AVAILABLE)));
		page_markup(page, "</p>");
		emit_beside(page, balances, row, BALANCE_PENDING);
		emit_beside(page, balances, row, BALANCE_HELD);
		emit_beside(page, balances, row, BALANCE_DEBT);
		if (table_text(balances, row, BALANCE_EXPIRY) != NULL)
		{
			page_markup(page, "<p class=\"delta\"><span>");
			page_label(page, LABEL_NEXT_EXPIRY);
			page_words(page, " ");
			cell_emit(page, CELL_DATE,
					  table_text(balances, row, BALANCE_EXPIRY));
			page_markup(page, "</span><b>");
			cell_emit(page, CELL_NUMBER,
					  table_text(balances, row, BALANCE_EXPIRING));
			page_markup(page, "</b></p>");
		}
		page_markup(page, "</article>\n");
	}
	page_markup(page, "</div>\n</section>\n");
}

/* One bar for each threshold. */
static void
emit_progress(HtmlPage *page, const Table *member, const Table *progress)
{
	card_begin(page, 4, LABEL_PROGRESS, LABEL_PROGRESS_NOTE);
	page_markup(page, "<dl class=\"figures\"><div><dt>");
	page_label(page, LABEL_TIER);
	page_markup(page, "</dt><dd>");
	if (table_text(member, 0, MEMBER_TIER) == NULL)
		page_label(page, LABEL_NONE);
	else
		page_value(page, table_text(member, 0, MEMBER_TIER));
	page_markup(page, "</dd></div>");
	if (table_text(member, 0, MEMBER_TIER_UNTIL) != NULL)
	{
		page_markup(page, "<div><dt>");
		page_label(page, LABEL_VALID_UNTIL);
		page_markup(page, "</dt><dd>");
		cell_emit(page, CELL_DATE, table_text(member, 0, MEMBER_TIER_UNTIL));
		page_markup(page, "</dd></div>");
	}
	page_markup(page, "</dl>\n");
	if (progress->nrows == 0)
		card_nothing(page, LABEL_NO_PROGRESS);
	else
		page_markup(page, "<ul class=\"steps\">\n");
	for (int row = 0; row < progress->nrows; row++)
	{
		double		threshold = table_value(progress, row, PROGRESS_THRESHOLD);
		double		reached = table_value(progress, row, PROGRESS_REACHED);
		const char *purpose = table_text(progress, row, PROGRESS_PURPOSE);
		bool		keeps = purpose != NULL && strcmp(purpose, "retention") == 0;

		page_markup(page, "<li><div class=\"row\"><span>");
		page_label(page, keeps ? LABEL_TO_KEEP : LABEL_TO_REACH);
		page_words(page, " ");
		cell_emit(page, CELL_TEXT, table_text(progress, row, PROGRESS_TIER));
		page_markup(page, "</span><b>");
		cell_emit(page, CELL_NUMBER,
				  table_text(progress, row, PROGRESS_REACHED));
		page_words(page, " / ");
		cell_emit(page, CELL_NUMBER,
				  table_text(progress, row, PROGRESS_THRESHOLD));
		page_words(page, " ");
		cell_emit(page, CELL_TEXT, table_text(progress, row, PROGRESS_UNIT));
		page_markup(page, "</b></div>");
		bar_emit(page, 0, threshold > 0 ? reached / threshold : 0,
				 reached >= threshold ? 3 : 1);
		page_markup(page, "<small>");
		page_label(page, LABEL_MISSING);
		page_words(page, " ");
		cell_emit(page, CELL_NUMBER,
				  table_text(progress, row, PROGRESS_MISSING));
		if (table_text(progress, row, PROGRESS_KEEP_BY) != NULL)
		{
			page_words(page, " · ");
			page_label(page, LABEL_UNTIL);
			page_words(page, " ");
			cell_emit(page, CELL_DATE,
					  table_text(progress, row, PROGRESS_KEEP_BY));
		}
		page_markup(page, "</small></li>\n");
	}
	if (progress->nrows > 0)
		page_markup(page, "</ul>\n");
	card_end(page);
}

/* A card with a table, or with the word that it would be empty. */
static void
emit_list(HtmlPage *page, int span, Statement *statement,
		  const NullableDatum *member_id, const Column *columns, int ncolumns,
		  Label title, Label note, Label nothing)
{
	Table	   *table = table_load(statement, member_id, columns, ncolumns);

	card_begin(page, span, title, note);
	if (table->nrows == 0)
		card_nothing(page, nothing);
	else
		table_emit(page, table, title);
	card_end(page);
}

/*
 * member_card(member_id, language): the page of a member.  LY501 if there is
 * none.
 */
Datum
loyalty_dashboard_member_card(PG_FUNCTION_ARGS)
{
	HtmlPage		page = {0};
	Table	   *member;
	const NullableDatum *args = &fcinfo->args[CARD_MEMBER_ID];
	int64		member_id;

	require_argument(fcinfo, CARD_MEMBER_ID, "member_id");
	require_argument(fcinfo, CARD_LANGUAGE, "language");
	page.language =
		language_of(text_to_cstring(PG_GETARG_TEXT_PP(CARD_LANGUAGE)));
	member_id = PG_GETARG_INT64(CARD_MEMBER_ID);
	page.out = makeStringInfo();

	SPI_connect();
	loyalty_check_version();
	member = table_load(&select_member, args, member_columns,
						lengthof(member_columns));
	if (member->nrows == 0)
		refusal_raise(REFUSAL_MEMBER_NOT_FOUND,
					  psprintf("member_id=" INT64_FORMAT, member_id));
	page.currency = pstrdup(table_text(member, 0, MEMBER_CURRENCY));

	page_begin(&page, psprintf("%s " INT64_FORMAT,
							   label_text(&page, LABEL_MEMBER), member_id),
			   false);
	emit_header(&page, member, member_id);
	page_markup(&page, "<main>\n");
	emit_balances(&page, table_load(&select_balances, args, balance_columns,
									lengthof(balance_columns)));
	group_begin(&page, "now", LABEL_GROUP_CARD);
	emit_progress(&page, member,
				  table_load(&select_progress, args, progress_columns,
							 lengthof(progress_columns)));
	emit_list(&page, 8, &select_lots, args, lot_columns,
			  lengthof(lot_columns), LABEL_LOTS, LABEL_LOTS_NOTE,
			  LABEL_NO_LOTS);
	emit_list(&page, 12, &select_coupons, args, coupon_columns,
			  lengthof(coupon_columns), LABEL_HELD_COUPONS,
			  LABEL_HELD_COUPONS_NOTE, LABEL_NO_HELD_COUPONS);
	emit_list(&page, 6, &select_benefits, args, benefit_columns,
			  lengthof(benefit_columns), LABEL_BENEFITS, LABEL_BENEFITS_NOTE,
			  LABEL_NO_BENEFITS);
	emit_list(&page, 6, &select_plans, args, plan_columns,
			  lengthof(plan_columns), LABEL_PLAN, LABEL_PLAN_NOTE,
			  LABEL_NO_PLAN);
	emit_list(&page, 12, &select_history, args, history_columns,
			  lengthof(history_columns), LABEL_HISTORY, LABEL_HISTORY_NOTE,
			  LABEL_NO_HISTORY);
	group_end(&page);
	page_markup(&page, "</main>\n<footer>");
	page_label(&page, LABEL_FOOTER_CARD);
	page_markup(&page, "</footer>\n");
	page_end(&page);
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(page.out->data, page.out->len));
}
