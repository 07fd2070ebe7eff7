/*
 * template_title.c
 *
 * Titles of templates in Chinese.  They are here and not in SQL, because the
 * script of an extension is read in the encoding of the database, and must be
 * right in one that has no such letters.
 */
#include "loyalty.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(loyalty_template_title_zh);

static const struct
{
	const char *name;
	const char *title;			/* UTF-8 */
}			titles[] = {
	{"basic", "基础"},
	{"retail", "零售"},
	{"catering", "餐饮"},
	{"knowledge", "知识文档"},
	{"b2b", "批发"},
	{"empty", "空白"},
	{"welcome_pack", "入会礼包"},
	{"newcomer_guide", "新人引导"},
	{"first_purchase_pack", "首购礼包"},
	{"repurchase_offer", "复购优惠"},
	{"points_expiring", "积分到期提醒"},
	{"points_last_chance", "积分到期最后提醒"},
	{"coupon_expiring", "优惠券到期提醒"},
	{"hold_expiring", "锁定积分即将释放"},
	{"near_upgrade", "临近升级"},
	{"tier_promoted", "升级通知"},
	{"tier_prolonged", "保级通知"},
	{"tier_at_risk", "降级预警"},
	{"tier_grace", "保级宽限"},
	{"tier_demoted", "降级通知"},
	{"top_tier_renewal", "高等级续期提醒"},
	{"plan_renewal", "付费会员续费提醒"},
	{"birthday_care", "生日关怀"},
	{"member_anniversary", "入会周年"},
	{"purchase_anniversary", "购物周年"},
	{"silent_reminder", "沉默提醒"},
	{"absence_offer", "久未消费专享券"},
	{"dormant_recall", "沉睡召回"},
	{"churn_warning", "流失预警"},
	{"cart_abandoned", "购物车未付款"},
	{"price_drop", "浏览商品降价"},
	{"restock", "到货提醒"},
	{"new_arrivals", "偏好品类上新"},
	{"launch", "新品首发"},
	{"holiday", "节日营销"},
};

/* In the encoding of the database; NULL, if it has not all of the letters. */
static char *
in_database(const char *text)
{
	int			length = (int) strlen(text);
	int			size = length * MAX_CONVERSION_GROWTH + 1;
	int			encoding = GetDatabaseEncoding();
	char	   *converted;
	Oid			conversion;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
		return pstrdup(text);
	conversion = FindDefaultConversionProc(PG_UTF8, encoding);
	if (!OidIsValid(conversion))
		return NULL;
	converted = palloc(size);
	if (pg_do_encoding_conversion_buf(conversion, PG_UTF8, encoding,
									  (unsigned char *) unconstify(char *, text),
									  length, (unsigned char *) converted, size,
									  true) < length)
		return NULL;
	return converted;
}

/* template_title_zh(name, title): in Chinese, or else the title given. */
Datum
loyalty_template_title_zh(PG_FUNCTION_ARGS)
{
	char	   *name;

	require_argument(fcinfo, 0, "name");
	require_argument(fcinfo, 1, "title");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	for (int i = 0; i < lengthof(titles); i++)
		if (strcmp(titles[i].name, name) == 0)
		{
			char	   *title = in_database(titles[i].title);

			if (title != NULL)
				PG_RETURN_TEXT_P(cstring_to_text(title));
		}
	PG_RETURN_DATUM(fcinfo->args[1].value);
}
