-- Template retail: a shop with a counter, a website or both. 100 points are worth 1; tiers at
-- 1,000, 3,000 and 10,000; points for what members do beside buying; the eighth of each
-- month is members' day.
CREATE OR REPLACE FUNCTION loyalty.template_retail()
RETURNS TABLE (place bigint, part text, definition jsonb)
LANGUAGE sql IMMUTABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT row_number() OVER (), t.part, t.definition::jsonb
	FROM (VALUES
		('program', '{"tier_refund": "immediate"}'),
		('unit', '{"code": "points", "kind": "points", "expiry": "end_of_month", "expiry_count": 12}'),
		('unit', '{"code": "spend", "kind": "metric", "in_currency": true, "window_months": 12}'),
		('unit', '{"code": "orders", "kind": "metric", "window_months": 12, "refund": "whole"}'),
		('unit_anchor', '{"unit": "points", "units": 100, "money": 1}'),

		-- easy to begin with, then harder; half of it keeps a tier
		('tier', '{"code": "ordinary", "rank": 0, "title": "Ordinary", "warn_days": 0}'),
		('tier', '{"code": "silver", "rank": 1, "title": "Silver", "multiplier": 1.2, "valid_months": 12, "valid_round": "month"}'),
		('tier', '{"code": "gold", "rank": 2, "title": "Gold", "multiplier": 1.5, "valid_months": 12, "valid_round": "month", "grace_days": 30}'),
		('tier', '{"code": "diamond", "rank": 3, "title": "Diamond", "multiplier": 2, "valid_months": 12, "valid_round": "month", "grace_days": 30}'),
		('tier_threshold', '{"tier": "silver", "unit": "spend", "threshold": 1000, "window_kind": "rolling", "months": 12}'),
		('tier_threshold', '{"tier": "silver", "unit": "orders", "threshold": 12, "window_kind": "rolling", "months": 12}'),
		('tier_threshold', '{"tier": "gold", "unit": "spend", "threshold": 3000, "window_kind": "rolling", "months": 12}'),
		('tier_threshold', '{"tier": "diamond", "unit": "spend", "threshold": 10000, "window_kind": "rolling", "months": 12}'),
		('tier_threshold', '{"tier": "silver", "purpose": "retention", "unit": "spend", "threshold": 500, "window_kind": "tier_start"}'),
		('tier_threshold', '{"tier": "gold", "purpose": "retention", "unit": "spend", "threshold": 1500, "window_kind": "tier_start"}'),
		('tier_threshold', '{"tier": "diamond", "purpose": "retention", "unit": "spend", "threshold": 5000, "window_kind": "tier_start"}'),

		('tag', '{"name": "frequent", "title": "Buys three times a month", "dimension": "transaction", "condition": "$.purchases.days_30.times >= 3"}'),
		('tag', '{"name": "big_basket", "title": "500 an order", "dimension": "transaction", "condition": "$.purchases.days_365.average >= 500"}'),
		('tag', '{"name": "family", "title": "Buys for children", "dimension": "attribute", "condition": "$.categories.children.days_365.times >= 3"}'),
		('tag', '{"name": "bargain_hunter", "title": "Buys what is reduced", "dimension": "behaviour",
			"condition": "$.purchases.days_365.times >= 3 && $.purchases.days_365.discount_share >= 0.5"}'),
		('lifecycle', '{"set": "growth"}'),
		('segment', '{"name": "high_value", "title": "Spent 3,000 in a year", "condition": "$.purchases.days_365.amount >= 3000"}'),
		('segment', '{"name": "at_risk", "title": "Bought three times in the year, and not for 90 days",
			"condition": "$.member.days_since_purchase > 90 && $.purchases.days_365.times >= 3"}'),
		('segment', '{"name": "never_bought", "title": "Joined 30 days ago and has not bought yet",
			"condition": "$.member.purchases == 0 && $.member.age_days >= 30"}'),

		-- what the tiers entitle to, a clear step from one to the next
		('benefit', '{"name": "free_packaging", "title": "Free gift wrapping", "kind": "flag"}'),
		('benefit', '{"name": "birthday_double", "title": "Double points on the birthday", "kind": "multiplier", "factor": 2, "birthday": "day"}'),
		('benefit', '{"name": "birthday_gift", "title": "Birthday gift", "kind": "gift", "gap_days": 300, "valid_days": 30}'),
		('benefit', '{"name": "ten_off", "title": "10 % off", "kind": "price", "percent_off": 10}'),
		('benefit', '{"name": "twenty_off", "title": "20 % off", "kind": "price", "percent_off": 20}'),
		('benefit', '{"name": "priority_shipping", "title": "Shipped first", "kind": "flag"}'),
		('benefit', '{"name": "own_service", "title": "A contact of your own", "kind": "flag"}'),
		('benefit', '{"name": "early_access", "title": "New things first", "kind": "flag"}'),
		('benefit', '{"name": "presale", "title": "Presale of limited editions", "kind": "flag"}'),
		('benefit_holder', '{"benefit": "free_packaging", "source": "everyone"}'),
		('benefit_holder', '{"benefit": "birthday_double", "source": "tier", "name": "silver"}'),
		('benefit_holder', '{"benefit": "birthday_double", "source": "tier", "name": "gold"}'),
		('benefit_holder', '{"benefit": "birthday_double", "source": "tier", "name": "diamond"}'),
		('benefit_holder', '{"benefit": "birthday_gift", "source": "tier", "name": "gold"}'),
		('benefit_holder', '{"benefit": "birthday_gift", "source": "tier", "name": "diamond"}'),
		('benefit_holder', '{"benefit": "ten_off", "source": "tier", "name": "gold"}'),
		('benefit_holder', '{"benefit": "twenty_off", "source": "tier", "name": "diamond"}'),
		('benefit_holder', '{"benefit": "priority_shipping", "source": "tier", "name": "gold"}'),
		('benefit_holder', '{"benefit": "priority_shipping", "source": "tier", "name": "diamond"}'),
		('benefit_holder', '{"benefit": "own_service", "source": "tier", "name": "gold"}'),
		('benefit_holder', '{"benefit": "own_service", "source": "tier", "name": "diamond"}'),
		('benefit_holder', '{"benefit": "early_access", "source": "tier", "name": "gold"}'),
		('benefit_holder', '{"benefit": "early_access", "source": "tier", "name": "diamond"}'),
		('benefit_holder', '{"benefit": "presale", "source": "tier", "name": "diamond"}'),

		('coupon', '{"name": "newcomer", "title": "10 off the first order of 50", "kind": "amount", "amount": 10, "min_amount": 50,
			"first_purchases": 1, "valid_days": 30}'),
		('coupon', '{"name": "free_shipping", "title": "Free shipping", "kind": "shipping", "valid_days": 30}'),
		('coupon', '{"name": "come_again", "title": "20 off 150", "kind": "amount", "amount": 20, "min_amount": 150, "valid_days": 30}'),
		('coupon', '{"name": "birthday", "title": "30 off 100 for the birthday", "kind": "amount", "amount": 30, "min_amount": 100, "valid_days": 30}'),
		('coupon', '{"name": "recall", "title": "15 % off, 50 at most", "kind": "percent", "percent": 15, "max_discount": 50, "valid_days": 14}'),
		('coupon', '{"name": "points_ten", "title": "10 off for 1,000 points", "kind": "amount", "amount": 10, "valid_days": 90,
			"price": 1000, "price_unit": "points"}'),
		('coupon_pack', '{"name": "welcome", "coupon": "newcomer"}'),
		('coupon_pack', '{"name": "welcome", "coupon": "free_shipping"}'),
		('cart_policy', '{"max_coupons": 2}'),
		('cart_unit', '{"unit": "points", "minimum": 100, "step": 100, "max_share": 50}'),

		('rule', '{"name": "points", "event": "purchase", "unit": "points", "kind": "per_amount", "award": 1, "per": 1, "excludes": ["shipping", "points"]}'),
		('rule', '{"name": "spend", "event": "purchase", "unit": "spend", "kind": "per_amount", "award": 1, "per": 1, "proportional": true}'),
		('rule', '{"name": "orders", "event": "purchase", "unit": "orders", "kind": "fixed", "award": 1}'),
		('rule', '{"name": "members_day", "event": "purchase", "unit": "points", "kind": "multiplier", "award": 2, "days_of_month": [8]}'),
		('rule', '{"name": "signup", "event": "signup", "unit": "points", "kind": "fixed", "award": 100}'),
		('rule', '{"name": "check_in", "event": "check_in", "unit": "points", "kind": "steps", "base": "streak",
			"step_from": [1, 7], "step_award": [5, 10], "tier_multiplied": false}'),
		('rule', '{"name": "share", "event": "share", "unit": "points", "kind": "fixed", "award": 5}'),
		('rule', '{"name": "review", "event": "review", "unit": "points", "kind": "fixed", "award": 20, "once_per_target": true}'),
		('rule', '{"name": "profile_complete", "event": "profile_complete", "unit": "points", "kind": "fixed", "award": 50}'),
		('rule', '{"name": "referral", "event": "referral", "unit": "points", "kind": "fixed", "award": 200}'),
		('rule_limit', '{"rule": "share", "period": "day", "maximum": 15}'),
		('rule_limit', '{"rule": "review", "period": "day", "maximum": 100}'),
		('rule_limit', '{"rule": "profile_complete", "period": "lifetime", "maximum": 50}'),
		('rule_limit', '{"rule": "referral", "period": "month", "maximum": 2000}'),

		('activity_kind', '{"kind": "view", "title": "Looked at", "retain_days": 400}'),
		('activity_kind', '{"kind": "cart_updated", "title": "Put into the cart", "retain_days": 400}'),
		('message_channels', '{}'),
		('automation', '{"template": "welcome_pack", "settings": {"points": null, "pack": "welcome", "channel": "email"}}'),
		('automation', '{"template": "first_purchase_pack", "settings": {"points": null, "coupon": "come_again", "channel": "email"}}'),
		('automation', '{"template": "birthday_care", "settings": {"points": null, "coupon": "birthday", "channel": "email"}}'),
		('automation', '{"template": "purchase_anniversary", "settings": {"channel": "email"}}'),
		('automation', '{"template": "near_upgrade", "settings": {"channel": "email"}}'),
		('automation', '{"template": "tier_promoted", "settings": {"channel": "email"}}'),
		('automation', '{"template": "tier_at_risk", "settings": {"channel": "email"}}'),
		('automation', '{"template": "tier_demoted", "settings": {"channel": "email"}}'),
		('automation', '{"template": "points_expiring", "settings": {"channel": "email", "min_amount": 100}}'),
		('automation', '{"template": "points_last_chance", "settings": {"channel": "sms", "min_amount": 100}}'),
		('automation', '{"template": "dormant_recall", "settings": {"days": 90, "coupon": "recall", "channel": "sms"}}'),
		('automation', '{"template": "cart_abandoned", "settings": {"channel": "email"}}'),
		('automation', '{"template": "price_drop", "settings": {"channel": "email"}}'),
		('automation', '{"template": "restock", "settings": {"channel": "email"}}')
	) AS t (part, definition);
END;
COMMENT ON FUNCTION loyalty.template_retail() IS
'Rows of the template retail: tiers, benefits, coupons, points for more than buying, automations';
