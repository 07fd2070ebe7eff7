/*
 * dashboard_text.c
 *
 * Words, figures and dates as people write them, in each language.
 */
#include "dashboard.h"

#include <ctype.h>
#include <math.h>

#include "utils/datetime.h"

#define MINUS "−"

static const char *const labels[LANGUAGES][LABELS] = {
#define DASHBOARD_EN(name, en, zh) en,
#define DASHBOARD_ZH(name, en, zh) zh,
	{DASHBOARD_LABELS(DASHBOARD_EN)},
	{DASHBOARD_LABELS(DASHBOARD_ZH)}
};

/* Words that columns of the reports hold. */
static const char *const words[][1 + LANGUAGES] = {
	/* status */
	{"active", "active", "有效"},
	{"frozen", "frozen", "冻结"},
	{"closed", "closed", "关闭"},
	{"merged", "merged", "已合并"},
	{"draft", "draft", "草稿"},
	{"live", "live", "进行中"},
	{"paused", "paused", "暂停"},
	{"ended", "ended", "已结束"},
	{"issued", "issued", "已发放"},
	{"used", "used", "已使用"},
	{"expired", "expired", "已过期"},
	{"void", "void", "作废"},
	{"given", "given away", "已转赠"},
	{"returned", "returned", "已退回"},
	{"true", "yes", "是"},
	{"false", "no", "否"},
	/* of a tier */
	{"normal", "normal", "正常"},
	{"warned", "warned", "已提醒"},
	{"grace", "grace", "宽限期"},
	/* kinds of coupons and benefits */
	{"amount", "amount off", "减免"},
	{"percent", "percent off", "折扣"},
	{"ladder", "steps", "阶梯优惠"},
	{"price", "special price", "特价"},
	{"bundle", "bundle", "组合价"},
	{"buy_get", "buy and get", "买赠"},
	{"gift", "gift", "赠品"},
	{"exchange", "exchange", "兑换"},
	{"shipping", "shipping", "免运费"},
	{"multiplier", "multiplier", "倍数"},
	{"points", "points", "积分"},
	{"flag", "entitlement", "资格"},
	{"quota", "quota", "限次"},
	{"voucher", "voucher", "凭证"},
	{"every_n", "every n-th", "每满次数"},
	/* of the journal */
	{"signup", "joined", "入会"},
	{"purchase", "purchase", "购买"},
	{"event", "event", "事件"},
	{"refund", "refund", "退款"},
	{"redeem", "redeemed", "兑换"},
	{"hold", "held", "冻结"},
	{"capture", "hold captured", "冻结扣除"},
	{"release", "hold released", "冻结释放"},
	{"time_out", "hold timed out", "冻结超时"},
	{"expire", "expired", "过期"},
	{"vest", "became usable", "生效"},
	{"adjust", "adjusted", "人工调整"},
	{"transfer", "transferred", "转出"},
	{"receive", "received", "转入"},
	{"award", "awarded", "奖励"},
	{"award_undo", "award taken back", "奖励收回"},
	{"import", "imported", "导入"},
	{"tier_review", "tier reviewed", "等级评定"},
	{"tier_grant", "tier given", "授予等级"},
	{"coupon_issue", "coupon issued", "发放优惠券"},
	{"coupon_claim", "coupon claimed", "领取优惠券"},
	{"coupon_buy", "coupon bought", "购买优惠券"},
	{"coupon_use", "coupon used", "使用优惠券"},
	{"coupon_undo", "coupon returned", "退回优惠券"},
	{"coupon_void", "coupon voided", "作废优惠券"},
	{"coupon_transfer", "coupon given away", "转赠优惠券"},
	{"coupon_receive", "coupon received", "收到优惠券"},
	{"benefit_use", "benefit used", "使用权益"},
	{"benefit_claim", "benefit claimed", "领取权益"},
	{"plan_buy", "plan bought", "购买付费会员"},
	{"plan_renew", "plan renewed", "续费"},
	{"plan_upgrade", "plan upgraded", "升级付费会员"},
	{"plan_cancel", "plan cancelled", "取消付费会员"},
	{"plan_refund", "plan refunded", "付费会员退款"},
	{"plan_end", "plan ended", "付费会员到期"},
	{"topup", "topped up", "充值"},
	{"topup_confirm", "top-up confirmed", "充值确认"},
	{"topup_refund", "top-up refunded", "充值退款"},
	{"checkout_reserve", "order reserved", "订单预占"},
	{"checkout_confirm", "order confirmed", "订单确认"},
	{"checkout_cancel", "order cancelled", "订单取消"},
	{"freeze", "frozen", "冻结账户"},
	{"thaw", "unfrozen", "解冻账户"},
	{"close", "closed", "关闭账户"},
	{"reopen", "reopened", "重新开通"},
	{"merge", "merged", "合并"},
	{"lifecycle", "lifecycle", "生命周期"},
	{"automation", "automation", "自动化"},
	/* what targets are set for */
	{"conversion", "Conversion of new members", "新会员转化率"},
	{"retention", "Retention of buyers", "购买会员留存率"},
	{"repurchase_rate", "Repurchase rate", "复购率"},
	{"active_share_30", "Active in 30 days", "30天活跃率"},
	{"member_share", "Member share of sales", "会员销售占比"},
	{"basket_growth", "Growth of the basket", "客单价增长"},
	{"basket_lift", "Basket above guests", "会员客单价提升"},
	{"net", "Net sales", "净销售额"},
	{"basket", "Basket", "客单价"},
	{"members", "Members", "会员数"},
	{"joined", "New members", "新增会员"},
	/* named segments of recency, frequency and money */
	{"champions", "Champions", "高价值客户"},
	{"loyal", "Loyal", "忠诚客户"},
	{"potential_loyalist", "Potential loyalists", "潜在忠诚客户"},
	{"new", "New", "新客户"},
	{"promising", "Promising", "有希望"},
	{"need_attention", "Need attention", "需关注"},
	{"about_to_sleep", "About to sleep", "即将沉睡"},
	{"at_risk", "At risk", "流失风险"},
	{"cannot_lose", "Cannot lose", "重点挽留"},
	{"hibernating", "Hibernating", "沉睡客户"},
	{"lost", "Lost", "已流失"}
};

const char *
label_text(const HtmlPage *page, Label label)
{
	return labels[page->language][label];
}

/* NULL: it is not one of ours. */
const char *
word_text(const HtmlPage *page, const char *word)
{
	for (int i = 0; i < lengthof(words); i++)
		if (strcmp(words[i][0], word) == 0)
			return words[i][1 + page->language];
	return NULL;
}

Language
language_of(const char *name)
{
	if (strcmp(name, "en") == 0)
		return LANGUAGE_EN;
	if (strcmp(name, "zh") == 0)
		return LANGUAGE_ZH;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("language must be en or zh")));
}

/* 1234567.89 as 1,234,567.89: no digit of it changes. */
char *
number_text(const char *number)
{
	StringInfoData text;
	int			whole;

	initStringInfo(&text);
	if (*number == '-')
	{
		appendStringInfoString(&text, MINUS);
		number++;
	}
	whole = strspn(number, "0123456789");
	for (int i = 0; i < whole; i++)
	{
		if (i > 0 && (whole - i) % 3 == 0)
			appendStringInfoChar(&text, ',');
		appendStringInfoChar(&text, number[i]);
	}
	appendStringInfoString(&text, number + whole);
	return text.data;
}

/* Rounded, for places with little room: 1,234,568 or 123.5M. */
char *
short_number_text(double value)
{
	double		size = fabs(value);

	if (size >= 1e8)
		return psprintf("%sM", number_text(psprintf("%.1f", value / 1e6)));
	if (size >= 1000 || value == rint(value))
		return number_text(psprintf("%.0f", value));
	return number_text(psprintf("%.2f", value));
}

/* 0.1234 as 12.3% */
char *
share_text(const char *share)
{
	double		percent = strtod(share, NULL) * 100;

	return psprintf("%s%%", number_text(psprintf("%.1f", percent)));
}

/* Of a date in ISO 8601, which the pages' functions set. */
DateADT
date_of(const char *iso)
{
	int			year,
				month,
				day;

	if (sscanf(iso, "%d-%d-%d", &year, &month, &day) != 3)
		elog(ERROR, "not a date: \"%s\"", iso);
	return date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
}

static void
date_parts(DateADT date, int *year, int *month, int *day)
{
	j2date(date + POSTGRES_EPOCH_JDATE, year, month, day);
}

/* 2026-11-22, 2026年11月22日 */
char *
day_text(const HtmlPage *page, DateADT date)
{
	int			year,
				month,
				day;

	date_parts(date, &year, &month, &day);
	if (page->language == LANGUAGE_ZH)
		return psprintf("%d年%d月%d日", year, month, day);
	return psprintf("%04d-%02d-%02d", year, month, day);
}

/* Nov 2026, 2026年11月 */
char *
month_text(const HtmlPage *page, DateADT date)
{
	int			year,
				month,
				day;

	date_parts(date, &year, &month, &day);
	if (page->language == LANGUAGE_ZH)
		return psprintf("%d年%d月", year, month);
	return psprintf("%s %d", months[month - 1], year);
}

/* A period by its first day. */
char *
period_text(const HtmlPage *page, DateADT date)
{
	int			year,
				month,
				day;

	date_parts(date, &year, &month, &day);
	switch (page->grain)
	{
		case GRAIN_MONTH:
			return month_text(page, date);
		case GRAIN_QUARTER:
			if (page->language == LANGUAGE_ZH)
				return psprintf("%d年第%d季度", year, (month + 2) / 3);
			return psprintf("Q%d %d", (month + 2) / 3, year);
		case GRAIN_YEAR:
			return psprintf("%d", year);
		default:
			return day_text(page, date);
	}
}

/* The same, as short as it goes on an axis. */
char *
tick_text(const HtmlPage *page, DateADT date)
{
	int			year,
				month,
				day;

	date_parts(date, &year, &month, &day);
	switch (page->grain)
	{
		case GRAIN_MONTH:
			if (page->language == LANGUAGE_ZH)
				return psprintf("%02d年%d月", year % 100, month);
			return psprintf("%s ’%02d", months[month - 1], year % 100);
		case GRAIN_QUARTER:
			return psprintf("%02d Q%d", year % 100, (month + 2) / 3);
		case GRAIN_YEAR:
			return psprintf("%d", year);
		default:
			if (page->language == LANGUAGE_ZH)
				return psprintf("%d月%d日", month, day);
			return psprintf("%d %s", day, months[month - 1]);
	}
}
