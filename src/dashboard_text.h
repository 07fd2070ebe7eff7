/*
 * dashboard_text.h
 *
 * The words on the pages, in each language; UTF-8.
 */
#ifndef LOYALTY_DASHBOARD_TEXT_H
#define LOYALTY_DASHBOARD_TEXT_H

#define DASHBOARD_LABELS(X) \
	X(HIDDEN, "", "") \
	/* the page */ \
	X(DASHBOARD, "Membership dashboard", "会员仪表板") \
	X(MEMBER_CARD, "Member card", "会员卡片") \
	X(AS_OF, "As of", "截至") \
	X(CONTENTS, "Sections", "目录") \
	X(SHOW_DATA, "Show the figures", "查看数据") \
	X(FOOTER, "Figures come straight from the ledger. Amounts are net of " \
	  "tax or not as the shop records them; dates are the programme’s own.", \
	  "数据直接来自账本。金额是否含税以商户入账为准；日期为会员计划当地日期。") \
	X(FOOTER_CARD, "This card shows no personal data.", \
	  "本卡片不含个人信息。") \
	X(PREVIOUS_PERIOD, "vs previous period", "较上一时段") \
	X(LAST_YEAR, "vs last year", "较去年同期") \
	X(POINTS_UNIT, "pp", "个百分点") \
	X(TO, "to", "至") \
	X(NONE, "None", "无") \
	/* groups */ \
	X(GROUP_HEADLINE, "At a glance", "概览") \
	X(GROUP_SALES, "Sales", "销售") \
	X(GROUP_MEMBERS, "Members", "会员") \
	X(GROUP_LOYALTY, "Retention and value", "留存与价值") \
	X(GROUP_POINTS, "Points and liability", "积分与负债") \
	X(GROUP_TIERS, "Tiers", "等级") \
	X(GROUP_OFFERS, "Coupons and campaigns", "优惠券与活动") \
	X(GROUP_PRODUCTS, "Products", "商品") \
	X(GROUP_MESSAGES, "Messages", "消息") \
	X(GROUP_CARD, "Standing and holdings", "等级与资产") \
	/* headline */ \
	X(REVENUE, "Revenue", "销售额") \
	X(NET, "Net sales", "净销售额") \
	X(ORDERS, "Orders", "订单数") \
	X(AVERAGE_ORDER, "Average order", "客单价") \
	X(BUYERS, "Buyers", "购买会员") \
	X(MEMBERS, "Members", "会员数") \
	X(JOINED, "New members", "新增会员") \
	X(ACTIVE_SHARE_30, "Active in 30 days", "30天活跃率") \
	X(NEW_BUYERS, "First-time buyers", "首购会员") \
	X(REPURCHASE_RATE, "Repurchase rate", "复购率") \
	X(FREQUENCY, "Orders per buyer", "人均订单") \
	X(POINTS_ISSUED, "Points issued", "发放积分") \
	X(POINTS_OUTSTANDING, "Points outstanding", "积分余额") \
	X(BURN_RATE, "Burn rate", "积分消耗率") \
	X(MEMBER_SHARE, "Member share of sales", "会员销售占比") \
	/* sales */ \
	X(SALES_TREND, "Sales over time", "销售趋势") \
	X(SALES_NOTE, "Orders less refunds of members, and the same time a year " \
	  "before where there is one", "会员订单减退款；如有去年同期则一并显示") \
	X(PERIOD, "Period", "时段") \
	X(REFUNDED, "Refunded", "退款额") \
	X(NET_LAST_YEAR, "Net sales, a year before", "去年同期净销售额") \
	X(NO_SALES, "No orders in this range yet. They appear here with the " \
	  "first purchase.", "该时段暂无订单，首笔购买后即在此显示。") \
	X(GUEST_SHARE, "Members and guests", "会员与散客") \
	X(GUEST_NOTE, "Sales with and without a member, where the shop records " \
	  "guest orders", "商户记录散客订单时，会员与散客销售的对比") \
	X(MEMBER_SALES, "Member sales", "会员销售额") \
	X(GUEST_SALES, "Guest sales", "散客销售额") \
	X(MEMBER_BASKET, "Member basket", "会员客单价") \
	X(GUEST_BASKET, "Guest basket", "散客客单价") \
	X(TARGETS, "Targets", "目标") \
	X(TARGETS_NOTE, "What was aimed at and what came of it", \
	  "目标与实际完成") \
	X(TARGET, "Target", "目标") \
	X(ACTUAL, "Actual", "实际") \
	X(MET, "met", "已达成") \
	X(MET_SO_FAR, "met so far", "目前达成") \
	X(NOT_MET, "not met yet", "未达成") \
	X(NO_TARGETS, "No targets are set for this time.", "该时段未设目标。") \
	/* members */ \
	X(GROWTH, "Member growth", "会员增长") \
	X(GROWTH_NOTE, "Members at the end of each period", "各时段末会员数") \
	X(JOINS, "Joined and left", "加入与离开") \
	X(JOINS_NOTE, "Who came and who closed their account", \
	  "新加入与关闭账户的会员") \
	X(CLOSED, "Closed", "关闭") \
	X(ACTIVE, "Active members", "活跃会员") \
	X(ACTIVE_NOTE, "Members who did something themselves in the last days", \
	  "近期有主动行为的会员") \
	X(DAYS, "Days", "天数") \
	X(SHARE, "Share", "占比") \
	X(NEW_RETURNING, "New and returning buyers", "新老购买会员") \
	X(NEW_RETURNING_NOTE, "First order ever, or bought before", \
	  "首次购买与再次购买") \
	X(RETURNING_BUYERS, "Returning buyers", "老客购买") \
	X(RETURNING_SHARE, "Returning share", "老客占比") \
	X(LIFECYCLE, "Lifecycle", "生命周期") \
	X(LIFECYCLE_NOTE, "Members by stage, now", "当前各阶段会员") \
	X(STAGE, "Stage", "阶段") \
	X(NO_LIFECYCLE, "No stages of the lifecycle are set up.", \
	  "尚未设置生命周期阶段。") \
	X(NO_MEMBERS, "No members yet. Enrol the first one and come back.", \
	  "暂无会员，注册首位会员后即可查看。") \
	X(NO_BUYERS, "Nobody has bought in this range.", "该时段无人购买。") \
	/* retention */ \
	X(COHORTS, "Cohorts", "留存矩阵") \
	X(COHORTS_NOTE, "Of those who first bought in a month, how many bought " \
	  "again so many months later", "按首购月份分组，此后各月再次购买的比例") \
	X(COHORT, "First bought", "首购月份") \
	X(MONTHS_SINCE, "Months since", "距首购月数") \
	X(SIZE, "Buyers", "人数") \
	X(RFM, "Recency and frequency", "最近购买与频率") \
	X(RFM_NOTE, "Buyers by quintile; 5 is the most recent and the most " \
	  "frequent fifth", "按五分位划分，5为最近、最频繁") \
	X(RECENCY, "Recency", "最近度") \
	X(FREQUENCY_SCORE, "Frequency", "频率") \
	X(RECENCY_SHORT, "R", "R") \
	X(FREQUENCY_SHORT, "F", "F") \
	X(SEGMENTS, "Value segments", "价值分群") \
	X(SEGMENTS_NOTE, "By recency, frequency and money", \
	  "按最近度、频率与金额") \
	X(SEGMENT, "Segment", "分群") \
	/* points */ \
	X(ROLL_FORWARD, "Points roll-forward", "积分变动") \
	X(ROLL_FORWARD_NOTE, "From the opening to the closing balance", \
	  "从期初余额到期末余额") \
	X(OPENING, "Opening", "期初") \
	X(ISSUED, "Issued", "发放") \
	X(SPENT, "Spent", "消耗") \
	X(HELD, "Held", "冻结") \
	X(EXPIRED, "Expired", "过期") \
	X(ADJUSTED, "Adjusted", "调整") \
	X(TRANSFERRED, "Transferred", "转移") \
	X(CLOSING, "Closing", "期末") \
	X(MOVEMENT, "Movement", "变动") \
	X(POINTS, "Points", "积分") \
	X(POINTS_TREND, "Issued, spent and expired", "发放、消耗与过期") \
	X(POINTS_TREND_NOTE, "Upwards what was issued, downwards what went", \
	  "向上为发放，向下为消耗与过期") \
	X(NO_POINTS, "Nothing was issued or spent in this range.", \
	  "该时段没有积分变动。") \
	X(NO_POINTS_UNIT, "This programme has no points.", "该计划没有积分。") \
	X(LIABILITY, "Liability", "负债") \
	X(LIABILITY_NOTE, "What members may still spend, and what of it is " \
	  "expected to be", "会员尚可使用的价值及预计兑换") \
	X(UNIT, "Unit", "单位") \
	X(OUTSTANDING, "Outstanding", "余额") \
	X(WORTH, "Worth", "价值") \
	X(BREAKAGE_RATE, "Breakage", "预计不兑换率") \
	X(LIABILITY_VALUE, "Liability", "负债") \
	X(EXPIRY, "When points expire", "积分到期分布") \
	X(EXPIRY_NOTE, "What is outstanding, by the month it expires in", \
	  "按到期月份的积分余额") \
	X(EXPIRES, "Expires", "到期") \
	X(NEVER, "Never", "永不") \
	X(MEMBER_DEBT, "Owed by members", "会员欠额") \
	X(LATER, "Later", "更晚") \
	X(NOTHING_OUTSTANDING, "Members have no points now.", \
	  "会员目前没有积分。") \
	/* tiers */ \
	X(TIER_SPREAD, "Members by tier", "等级分布") \
	X(TIER_SPREAD_NOTE, "Now, from the highest to the lowest", \
	  "当前，从高到低") \
	X(TIER, "Tier", "等级") \
	X(TIER_MOVES, "Movement between tiers", "等级变动") \
	X(TIER_MOVES_NOTE, "Changes in this range, from the row’s tier to the " \
	  "column’s", "该时段内从行等级到列等级的变动") \
	X(FROM, "From", "从") \
	X(FROM_TO, "From ↓ to →", "从 ↓ 到 →") \
	X(NO_TIERS, "This programme has no tiers.", "该计划没有等级。") \
	X(NO_MOVES, "Nobody changed tier in this range.", \
	  "该时段没有等级变动。") \
	/* offers */ \
	X(FUNNEL, "Coupon funnel", "优惠券漏斗") \
	X(FUNNEL_NOTE, "All coupons together, in this range", \
	  "该时段全部优惠券") \
	X(STEP, "Step", "步骤") \
	X(COUPONS, "Coupons", "优惠券") \
	X(COUPONS_NOTE, "Those that were used the most", "使用最多的优惠券") \
	X(COUPON, "Coupon", "优惠券") \
	X(KIND, "Kind", "类型") \
	X(CLAIMED, "Claimed", "领取") \
	X(RESERVED, "Reserved", "预占") \
	X(USED, "Used", "使用") \
	X(RETURNED, "Returned", "退回") \
	X(DISCOUNT, "Discount", "优惠额") \
	X(SALES_WITH, "Sales with", "带动销售") \
	X(RATE, "Rate", "比率") \
	X(NO_COUPONS, "No coupons were issued or used in this range.", \
	  "该时段没有发放或使用优惠券。") \
	X(CAMPAIGNS, "Campaigns", "活动") \
	X(CAMPAIGNS_NOTE, "What they awarded and what that is worth", \
	  "活动奖励及其价值") \
	X(CAMPAIGN, "Campaign", "活动") \
	X(STATUS, "Status", "状态") \
	X(STARTS, "From", "开始") \
	X(ENDS, "Until", "结束") \
	X(EVENTS, "Events", "事件") \
	X(AWARDED, "Awarded", "奖励") \
	X(BUDGET, "Budget", "预算") \
	X(BUDGET_USED, "Used", "已用") \
	X(NO_CAMPAIGNS, "No campaigns awarded anything in this range.", \
	  "该时段没有活动奖励。") \
	X(AUTOMATIONS, "Automations", "自动化营销") \
	X(AUTOMATIONS_NOTE, "Runs that started in this range, and how many " \
	  "members reached the goal; who is held out gets nothing, for comparison", \
	  "该时段启动的流程及目标达成；对照组不触达，仅作比较") \
	X(AUTOMATION, "Automation", "自动化") \
	X(RUNS, "Runs", "启动次数") \
	X(TREATED, "Treated", "触达") \
	X(HELD_OUT, "Held out", "对照组") \
	X(GOALS, "Goals", "达成") \
	X(GOAL_SHARE, "Goal share", "达成率") \
	X(HELD_OUT_GOALS, "Goals, held out", "对照组达成") \
	X(HELD_OUT_SHARE, "Goal share, held out", "对照组达成率") \
	X(COST, "Cost", "成本") \
	X(NO_AUTOMATIONS, "No automation started in this range.", \
	  "该时段没有启动自动化流程。") \
	/* products */ \
	X(TOP_PRODUCTS, "Top products", "热销商品") \
	X(TOP_CATEGORIES, "Top categories", "热销品类") \
	X(TOP_NOTE, "By net sales, of orders that list their items", \
	  "按净销售额，限有明细的订单") \
	X(PRODUCT, "Product", "商品") \
	X(CATEGORY, "Category", "品类") \
	X(QUANTITY, "Quantity", "数量") \
	X(NO_PRODUCTS, "No order in this range lists its items.", \
	  "该时段没有带明细的订单。") \
	X(NO_CATEGORIES, "No item in this range has a category.", \
	  "该时段商品没有品类。") \
	/* messages */ \
	X(MESSAGE_FUNNEL, "Delivery", "送达情况") \
	X(MESSAGE_NOTE, "By channel and template, in this range", \
	  "该时段按渠道与模板") \
	X(CHANNEL, "Channel", "渠道") \
	X(TEMPLATE, "Template", "模板") \
	X(QUEUED, "Queued", "入队") \
	X(SENT, "Sent", "发送") \
	X(DELIVERED, "Delivered", "送达") \
	X(OPENED, "Opened", "打开") \
	X(CLICKED, "Clicked", "点击") \
	X(SUPPRESSED, "Suppressed", "拦截") \
	X(DELIVERY_RATE, "Delivery rate", "送达率") \
	X(OPEN_RATE, "Open rate", "打开率") \
	X(CLICK_RATE, "Click rate", "点击率") \
	X(NO_MESSAGES, "No messages were sent in this range.", \
	  "该时段没有发送消息。") \
	/* the member's card */ \
	X(MEMBER, "Member", "会员") \
	X(MEMBER_SINCE, "Member since", "入会日期") \
	X(LAST_ORDER, "Last order", "最近订单") \
	X(UNTIL, "until", "至") \
	X(BALANCES, "Balances", "余额") \
	X(PENDING, "Pending", "待生效") \
	X(DEBT, "Owed", "欠额") \
	X(NEXT_EXPIRY, "Next to expire", "最近到期") \
	X(PROGRESS, "Tier and progress", "等级与进度") \
	X(PROGRESS_NOTE, "What is missing for the next tier, and what is to be " \
	  "kept for this one", "升级所差及保级所需") \
	X(TO_REACH, "To reach", "升级至") \
	X(TO_KEEP, "To keep", "保级") \
	X(MISSING, "missing", "还差") \
	X(NO_PROGRESS, "There is no tier above this one to work towards.", \
	  "没有更高等级。") \
	X(LOTS, "Balance by expiry", "按到期日的余额") \
	X(LOTS_NOTE, "What is spent first comes first", "先用先到期") \
	X(AMOUNT, "Amount", "数额") \
	X(VESTS, "Usable from", "生效日") \
	X(NO_LOTS, "Nothing to spend.", "没有可用余额。") \
	X(HELD_COUPONS, "Coupons", "优惠券") \
	X(HELD_COUPONS_NOTE, "Usable ones first; the latest fifty", \
	  "可用者在前，最近五十张") \
	X(NUMBER, "Number", "编号") \
	X(VALID_FROM, "Valid from", "生效") \
	X(VALID_UNTIL, "Valid until", "失效") \
	X(USES, "Uses", "已用次数") \
	X(USES_MAX, "of", "上限") \
	X(NO_HELD_COUPONS, "This member has no coupons.", "该会员没有优惠券。") \
	X(PLAN, "Plan", "付费会员") \
	X(PLAN_NOTE, "Bought membership, now and to come", \
	  "当前与即将生效的付费会员") \
	X(PAID, "Paid", "实付") \
	X(RENEWS, "Renews", "自动续费") \
	X(NO_PLAN, "No plan.", "没有付费会员。") \
	X(BENEFITS, "Benefits", "权益") \
	X(BENEFITS_NOTE, "What the member is entitled to now", "当前享有的权益") \
	X(BENEFIT, "Benefit", "权益") \
	X(GIVEN_BY, "By", "来源") \
	X(REMAINING, "Left", "剩余") \
	X(NO_BENEFITS, "No benefits.", "没有权益。") \
	X(HISTORY, "History", "记录") \
	X(HISTORY_NOTE, "The last fifty entries of the journal", \
	  "最近五十条流水") \
	X(WHEN, "When", "时间") \
	X(WHAT, "What", "事项") \
	X(REFERENCE, "Reference", "单号") \
	X(MOVED, "Moved", "变动") \
	X(WHERE, "Where", "地点") \
	X(REASON, "Reason", "原因") \
	X(NO_HISTORY, "Nothing has happened yet.", "暂无记录。")

#endif							/* LOYALTY_DASHBOARD_TEXT_H */
