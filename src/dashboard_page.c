/*
 * dashboard_page.c
 *
 * The frame of a page: its head with the style, groups of cards, and the three
 * ways in which text gets into it.
 */
#include "dashboard.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"

/*
 * Colours: those of Okabe and Ito, which people with any kind of colour vision
 * tell apart; one hue for what is shaded.  Texts keep a contrast of 4.5 to
 * their background in both schemes.  Drawings are as wide as their card, and
 * of the labels on an axis a narrow card shows every second or fourth.
 */
static const char style[] =
	":root{color-scheme:light dark;--bg:#f4f6f8;--card:#fff;--ink:#16202b;"
	"--soft:#55616e;--line:#e1e6eb;--grid:#e8ecf0;--accent:#0b63a5;"
	"--c1:#0072b2;--c2:#e69f00;--c3:#009e73;--c4:#56b4e9;--c5:#d55e00;"
	"--c6:#cc79a7;--fill:#0072b21a;--up:#00694d;--down:#a33b00;"
	"--track:#eef1f4;--chip:#e8f1f8;--chipink:#0b4f85;"
	"--q1:#e6f0f9;--q2:#d0e3f3;--q3:#b5d4ea;--q4:#94c4e0;--q5:#6db1d7;"
	"--q6:#2171b5;--q7:#0d549d;--q8:#08306b;--qlow:#10243a;--qhigh:#fff;"
	"--shadow:0 1px 2px #1620270d,0 4px 16px #1620270a}\n"
	"@media(prefers-color-scheme:dark){:root{--bg:#0f151b;--card:#182028;"
	"--ink:#e7edf3;--soft:#a3b0bd;--line:#2a343f;--grid:#27313b;"
	"--accent:#7cc0f0;--c1:#56b4e9;--c2:#e6a817;--c3:#2bbd93;--c4:#9ad4f7;"
	"--c5:#f0803c;--c6:#dd98bf;--fill:#56b4e926;--up:#4fd1a9;"
	"--down:#ff9f68;--track:#222c36;--chip:#1d3448;--chipink:#a9d8f8;"
	"--q1:#182b3f;--q2:#1c3854;--q3:#1f466a;--q4:#235681;--q5:#286799;"
	"--q6:#5ba7dd;--q7:#8cc6ee;--q8:#c3e2f8;--qlow:#eef4fa;--qhigh:#0d1d2d;"
	"--shadow:none}}\n"
	"*{box-sizing:border-box}"
	"html{font-size:16px;-webkit-text-size-adjust:100%;scroll-behavior:smooth}"
	"body{margin:0;background:var(--bg);color:var(--ink);line-height:1.45;"
	"font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',"
	"'Noto Sans','PingFang SC','Hiragino Sans GB','Microsoft YaHei',"
	"'Noto Sans CJK SC','Source Han Sans SC','WenQuanYi Zen Hei',"
	"'DejaVu Sans',sans-serif}"
	"main,.top,footer{max-width:1760px;margin:0 auto;padding:0 16px}"
	".top{padding-top:28px;padding-bottom:4px}"
	".eyebrow{margin:0;color:var(--soft);font-size:.8125rem;"
	"letter-spacing:.04em}"
	"h1{margin:2px 0 10px;font-size:1.75rem;line-height:1.2;font-weight:650;"
	"letter-spacing:-.015em;overflow-wrap:anywhere}"
	".chips{display:flex;flex-wrap:wrap;gap:8px;margin:0;padding:0;"
	"list-style:none;font-size:.8125rem}"
	".chips li{padding:3px 11px;border-radius:14px;background:var(--chip);"
	"color:var(--chipink);max-width:100%;overflow-wrap:anywhere}"
	"nav{display:flex;flex-wrap:wrap;gap:6px 18px;margin:18px 0 0;"
	"font-size:.875rem}"
	"nav a{color:var(--accent);text-decoration:none}"
	"nav a:hover,nav a:focus{text-decoration:underline}"
	"h2{margin:34px 2px 12px;font-size:1.125rem;font-weight:650;"
	"letter-spacing:-.005em}"
	".cards{display:grid;gap:14px;grid-template-columns:minmax(0,1fr)}"
	".card{min-width:0;padding:18px 18px 16px;background:var(--card);"
	"border:1px solid var(--line);border-radius:14px;"
	"box-shadow:var(--shadow);display:flex;flex-direction:column}"
	"h3{margin:0;font-size:.9375rem;font-weight:600;overflow-wrap:anywhere}"
	".note{margin:2px 0 14px;color:var(--soft);font-size:.8125rem}"
	".nothing{margin:auto;padding:26px 12px;color:var(--soft);"
	"text-align:center;font-size:.875rem;max-width:34em}"
	".tiles{display:grid;gap:14px;"
	"grid-template-columns:repeat(auto-fill,minmax(158px,1fr))}"
	".tile{min-width:0;padding:16px 16px 14px;background:var(--card);"
	"border:1px solid var(--line);border-radius:14px;overflow:hidden;"
	"box-shadow:var(--shadow);display:flex;flex-direction:column}"
	".tile h3{display:flex;justify-content:space-between;gap:0 8px;"
	"color:var(--soft);font-weight:500;font-size:.8125rem}"
	".tile h3 small{font-size:.6875rem;padding-top:.1em}"
	".tile .num{margin:4px 0 6px;font-size:1.5rem;line-height:1.2;"
	"font-weight:650;letter-spacing:-.02em;"
	"font-variant-numeric:tabular-nums;white-space:nowrap}"
	".delta{display:flex;flex-wrap:wrap;gap:0 6px;margin:0 0 2px;"
	"font-size:.75rem;color:var(--soft)}"
	".delta b{font-weight:600;font-variant-numeric:tabular-nums}"
	".up{color:var(--up)}.down{color:var(--down)}"
	".spark{display:block;width:calc(100% + 32px);height:36px;"
	"margin:auto -16px -14px;padding-top:6px}"
	"figure{margin:0;container-type:inline-size}"
	".plot{display:block;overflow:visible}"
	".frame{padding:4px 18px 0 58px}"
	".plot text{font-size:11px;fill:var(--soft);"
	"font-variant-numeric:tabular-nums}"
	".grid line{stroke:var(--grid);stroke-width:1}"
	".grid .zero{stroke:var(--soft);stroke-opacity:.55}"
	".m,.w{display:none}"
	"@container(min-width:520px){.m{display:inline}}"
	"@container(min-width:780px){.w{display:inline}}"
	".hit{fill:transparent}.hit:hover{fill:var(--ink);fill-opacity:.06}"
	".stroke{fill:none;stroke-width:2.25;stroke-linejoin:round;"
	"stroke-linecap:round;vector-effect:non-scaling-stroke}"
	".f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}"
	".f4{fill:var(--c4)}.f5{fill:var(--c5)}.f6{fill:var(--c6)}"
	".s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}"
	".s4{stroke:var(--c4)}.s5{stroke:var(--c5)}.s6{stroke:var(--c6)}"
	".area{fill:var(--fill)}"
	".legend{display:flex;flex-wrap:wrap;gap:4px 16px;margin:8px 0 0;"
	"padding:0;list-style:none;font-size:.8125rem;color:var(--soft)}"
	".legend li{display:flex;align-items:center;gap:6px}"
	".legend svg{flex:none}"
	"details{margin-top:auto;padding-top:10px;font-size:.8125rem}"
	"summary{cursor:pointer;color:var(--accent);width:max-content;"
	"max-width:100%}"
	".scroll{overflow-x:auto;max-width:100%}"
	"details .scroll{margin-top:8px;max-height:320px;overflow-y:auto}"
	"table{border-collapse:collapse;width:100%;font-size:.8125rem;"
	"font-variant-numeric:tabular-nums}"
	"caption{position:absolute;width:1px;height:1px;overflow:hidden;"
	"clip-path:inset(50%)}"
	"th,td{padding:6px 8px;text-align:right;white-space:nowrap;"
	"border-bottom:1px solid var(--grid);font-weight:400}"
	"th:first-child,td:first-child{padding-left:2px}"
	"th:last-child,td:last-child{padding-right:2px}"
	"thead th{color:var(--soft);font-weight:500;font-size:.75rem}"
	"tbody tr:last-child>*{border-bottom:0}"
	".l{text-align:left}"
	".clip{max-width:15em;overflow:hidden;text-overflow:ellipsis}"
	".prose{white-space:normal;min-width:8em;max-width:28em;"
	"overflow-wrap:anywhere}"
	".barcell{width:42%;min-width:64px}"
	".hbar{display:block;border-radius:3px;background:var(--track)}"
	".heat td{border:2px solid var(--card);border-radius:6px;padding:5px 4px;"
	"text-align:center;min-width:42px}"
	".heat th{border:0;padding:5px 8px 5px 2px}"
	".heat thead th{text-align:center;padding:5px 4px}"
	".heat .clip{max-width:9em}"
	".heat thead th:first-child,.heat tbody th{text-align:left}"
	".q1{background:var(--q1)}.q2{background:var(--q2)}"
	".q3{background:var(--q3)}.q4{background:var(--q4)}"
	".q5{background:var(--q5)}.q6{background:var(--q6)}"
	".q7{background:var(--q7)}.q8{background:var(--q8)}"
	".q1,.q2,.q3,.q4,.q5{color:var(--qlow)}"
	".q6,.q7,.q8{color:var(--qhigh)}"
	".figures{display:flex;flex-wrap:wrap;gap:10px 28px;margin:0 0 14px}"
	".figures div{min-width:0}"
	".figures dt{color:var(--soft);font-size:.75rem}"
	".figures dd{margin:0;font-size:1.125rem;font-weight:600;"
	"font-variant-numeric:tabular-nums;overflow-wrap:anywhere}"
	".steps{list-style:none;margin:0;padding:0}"
	".steps li{margin:0 0 14px}"
	".steps .row{display:flex;justify-content:space-between;gap:4px 12px;"
	"flex-wrap:wrap;font-size:.8125rem;margin-bottom:5px}"
	".steps .row span{overflow-wrap:anywhere;min-width:0}"
	".steps .row b{font-weight:600;font-variant-numeric:tabular-nums}"
	".steps small{color:var(--soft);font-size:.75rem}"
	"footer{padding-top:26px;padding-bottom:34px;color:var(--soft);"
	"font-size:.75rem}"
	"bdi{unicode-bidi:isolate}"
	"@media(min-width:720px){.cards{"
	"grid-template-columns:repeat(12,minmax(0,1fr));gap:18px}"
	".card{grid-column:span 12;padding:22px 24px 20px}"
	".g4,.g6{grid-column:span 6}"
	".tiles{gap:18px;grid-template-columns:repeat(auto-fill,minmax(196px,1fr))}"
	"main,.top,footer{padding-left:28px;padding-right:28px}"
	".tile .num{font-size:1.75rem}h1{font-size:2.125rem}}"
	"@media(min-width:1080px){.card.g4{grid-column:span 4}"
	".card.g5{grid-column:span 5}.card.g7{grid-column:span 7}"
	".card.g8{grid-column:span 8}}"
	"@media(min-width:1800px){html{font-size:17.5px}"
	".tiles{grid-template-columns:repeat(auto-fill,minmax(228px,1fr))}}"
	"@media print{:root{color-scheme:light;--bg:#fff;--card:#fff;--ink:#000;"
	"--soft:#444;--line:#ccc;--shadow:none}"
	"*{-webkit-print-color-adjust:exact;print-color-adjust:exact}"
	"nav,details{display:none}.card,.tile{break-inside:avoid}"
	"h2{break-after:avoid}}"
	"@media(prefers-reduced-motion:reduce){html{scroll-behavior:auto}}\n";

/* Markup of ours. */
void
page_markup(HtmlPage *page, const char *format,...)
{
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(page->out, format, args);
		va_end(args);
		if (needed == 0)
			return;
		enlargeStringInfo(page->out, needed);
	}
}

/*
 * One character of text, in content or in an attribute.  A character that
 * neither HTML nor XML can have becomes the one that stands for such.  Where
 * the database is not in UTF-8, what is not ASCII goes by its number, so that
 * the page is valid in the encoding in which the client gets it.
 */
static void
append_character(StringInfo out, pg_wchar c)
{
	switch (c)
	{
		case '<':
			appendStringInfoString(out, "&lt;");
			return;
		case '>':
			appendStringInfoString(out, "&gt;");
			return;
		case '&':
			appendStringInfoString(out, "&amp;");
			return;
		case '"':
			appendStringInfoString(out, "&#34;");
			return;
		case '\'':
			appendStringInfoString(out, "&#39;");
			return;
		case '\t':
		case '\n':
		case '\r':
			appendStringInfoChar(out, ' ');
			return;
	}
	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000) ||
		(c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef) ||
		c > 0x10ffff)
		c = 0xfffd;
	if (c < 0x80)
		appendStringInfoChar(out, (char) c);
	else if (GetDatabaseEncoding() == PG_UTF8)
	{
		unsigned char utf8[8] = {0};

		unicode_to_utf8(c, utf8);
		appendBinaryStringInfo(out, (char *) utf8, pg_utf_mblen(utf8));
	}
	else
		appendStringInfo(out, "&#x%x;", (unsigned) c);
}

/* Text in UTF-8; what is not becomes the character that stands for it. */
static void
append_utf8(StringInfo out, const char *utf8)
{
	const unsigned char *s = (const unsigned char *) utf8;
	const unsigned char *end = s + strlen(utf8);

	while (s < end)
	{
		int			length = pg_utf_mblen(s);

		if (length > end - s || !pg_utf8_islegal(s, length))
		{
			append_character(out, 0xfffd);
			s++;
			continue;
		}
		append_character(out, utf8_to_unicode(s));
		s += length;
	}
}

/* Words of ours. */
void
page_words(HtmlPage *page, const char *utf8)
{
	append_utf8(page->out, utf8);
}

void
page_label(HtmlPage *page, Label label)
{
	page_words(page, label_text(page, label));
}

/* What the database holds, without an element around it. */
void
page_attribute(HtmlPage *page, const char *value)
{
	/* a database without an encoding holds bytes: those that are UTF-8 count */
	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		append_utf8(page->out, value);
	else
		append_utf8(page->out,
					pg_server_to_any(value, strlen(value), PG_UTF8));
}

/* The same, so that its direction of writing ends where it ends. */
void
page_value(HtmlPage *page, const char *value)
{
	page_markup(page, "<bdi>");
	page_attribute(page, value);
	page_markup(page, "</bdi>");
}

/* A label's HTML as a text of its own. */
char *
html_of_label(HtmlPage *page, Label label)
{
	StringInfoData html;

	initStringInfo(&html);
	append_utf8(&html, label_text(page, label));
	return html.data;
}

/* A cell's HTML as a text of its own. */
char *
html_of(HtmlPage *page, const Table *table, int row, int column)
{
	StringInfo	out = page->out;
	StringInfoData html;

	initStringInfo(&html);
	page->out = &html;
	cell_emit(page, table->columns[column].kind,
			  table_text(table, row, column));
	page->out = out;
	return html.data;
}

/*
 * Head of the page.  The policy forbids whatever is not in the page itself,
 * should a text ever get past page_value().
 */
void
page_begin(HtmlPage *page, const char *title, bool title_is_value)
{
	page_markup(page, "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n"
				"<meta charset=\"%s\"/>\n",
				page->language == LANGUAGE_ZH ? "zh-CN" : "en", "utf-8");
	page_markup(page, "<meta http-equiv=\"Content-Security-Policy\" "
				"content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n"
				"<meta name=\"viewport\" "
				"content=\"width=device-width, initial-scale=1\"/>\n"
				"<meta name=\"color-scheme\" content=\"light dark\"/>\n"
				"<meta name=\"referrer\" content=\"no-referrer\"/>\n<title>");
	if (title_is_value)
		page_attribute(page, title);
	else
		page_words(page, title);
	page_markup(page, "</title>\n<style>\n");
	appendStringInfoString(page->out, style);
	page_markup(page, "</style>\n</head>\n<body>\n");
}

void
page_end(HtmlPage *page)
{
	page_markup(page, "</body>\n</html>\n");
}

void
group_begin(HtmlPage *page, const char *id, Label title)
{
	page_markup(page, "<section aria-labelledby=\"%s\">\n<h2 id=\"%s\">",
				id, id);
	page_label(page, title);
	page_markup(page, "</h2>\n<div class=\"cards\">\n");
}

void
group_end(HtmlPage *page)
{
	page_markup(page, "</div>\n</section>\n");
}

/* A card that is span twelfths wide where there is room; LABELS: no note. */
void
card_begin(HtmlPage *page, int span, Label title, Label note)
{
	CHECK_FOR_INTERRUPTS();
	page_markup(page, "<article class=\"card g%d\">\n<h3>", span);
	page_label(page, title);
	page_markup(page, "</h3>\n<p class=\"note\">");
	if (note != LABELS)
		page_label(page, note);
	page_markup(page, "</p>\n");
}

void
card_end(HtmlPage *page)
{
	page_markup(page, "</article>\n");
}

/* Instead of a drawing of nothing. */
void
card_nothing(HtmlPage *page, Label why)
{
	page_markup(page, "<p class=\"nothing\">");
	page_label(page, why);
	page_markup(page, "</p>\n");
}
