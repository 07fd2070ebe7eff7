-- Template catering: restaurants, cafes, tea shops. Who orders is a member; a stamp card, a
-- prepaid card (500 brings 50), double points at the table, lunch on working days.
CREATE OR REPLACE FUNCTION loyalty.template_catering()
RETURNS TABLE (place bigint, part text, definition jsonb)
LANGUAGE sql IMMUTABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT row_number() OVER (), t.part, t.definition::jsonb
	FROM (VALUES
		('program', '{"tier_refund": "immediate"}'),
		('unit', '{"code": "points", "kind": "points", "expiry": "end_of_year", "expiry_count": 1}'),
		('unit', '{"code": "spend", "kind": "metric", "in_currency": true, "window_months": 12}'),
		('unit', '{"code": "orders", "kind": "metric", "window_months": 12, "refund": "whole"}'),
		('unit', '{"code": "card", "kind": "money", "in_currency": true}'),
		('unit_anchor', '{"unit": "points", "units": 100, "money": 1}'),

		('tier', '{"code": "guest", "rank": 0, "title": "Guest", "warn_days": 0}'),
		('tier', '{"code": "regular", "rank": 1, "title": "Regular", "multiplier": 1.2, "valid_months": 12, "valid_round": "month"}'),
		('tier', '{"code": "friend", "rank": 2, "title": "Friend of the house", "multiplier": 1.5, "valid_months": 12, "valid_round": "month"}'),
		('tier_threshold', '{"tier": "regular", "unit": "spend", "threshold": 1000, "window_kind": "rolling", "months": 12}'),
		('tier_threshold', '{"tier": "regular", "unit": "orders", "threshold": 12, "window_kind": "rolling", "months": 12}'),
		('tier_threshold', '{"tier": "friend", "unit": "spend", "threshold": 3000, "window_kind": "rolling", "months": 12}'),
		('tier_threshold', '{"tier": "regular", "purpose": "retention", "unit": "orders", "threshold": 6, "window_kind": "tier_start"}'),
		('tier_threshold', '{"tier": "friend", "purpose": "retention", "unit": "orders", "threshold": 12, "window_kind": "tier_start"}'),

		('tag', '{"name": "frequent", "title": "Comes three times a month", "dimension": "transaction", "condition": "$.purchases.days_30.times >= 3"}'),
		('tag', '{"name": "prepaid", "title": "Has money on the card", "dimension": "transaction", "condition": "$.member.counters.card > 0"}'),
		('lifecycle', '{"set": "churn", "days": 21, "least_days": 7}'),
		('segment', '{"name": "regulars", "title": "Comes at least twice a month", "condition": "$.purchases.days_90.times >= 6"}'),
		('segment', '{"name": "gone", "title": "Came five times in the year, and not for 45 days",
			"condition": "$.member.days_since_purchase > 45 && $.purchases.days_365.times >= 5"}'),

		('benefit', '{"name": "tenth_drink", "title": "A drink for ten visits", "kind": "every_n", "unit": "orders", "quantity": 10, "valid_days": 60}'),
		('benefit', '{"name": "members_menu", "title": "The set meal for members", "kind": "flag"}'),
		('benefit', '{"name": "free_delivery", "title": "Free delivery", "kind": "voucher", "valid_days": 90}'),
		('benefit', '{"name": "birthday_gift", "title": "Birthday cake", "kind": "gift", "gap_days": 300, "valid_days": 15}'),
		('benefit', '{"name": "five_off", "title": "5 % off", "kind": "price", "percent_off": 5}'),
		('benefit', '{"name": "ten_off", "title": "10 % off", "kind": "price", "percent_off": 10}'),
		('benefit', '{"name": "reserved_table", "title": "A table without waiting", "kind": "flag"}'),
		('benefit_holder', '{"benefit": "tenth_drink", "source": "everyone"}'),
		('benefit_holder', '{"benefit": "members_menu", "source": "everyone"}'),
		('benefit_holder', '{"benefit": "birthday_gift", "source": "tier", "name": "regular"}'),
		('benefit_holder', '{"benefit": "birthday_gift", "source": "tier", "name": "friend"}'),
		('benefit_holder', '{"benefit": "five_off", "source": "tier", "name": "regular"}'),
		('benefit_holder', '{"benefit": "ten_off", "source": "tier", "name": "friend"}'),
		('benefit_holder', '{"benefit": "reserved_table", "source": "tier", "name": "friend"}'),

		('coupon', '{"name": "next_visit", "title": "10 off 50 next time", "kind": "amount", "amount": 10, "min_amount": 50, "valid_days": 30, "valid_after": 1}'),
		('coupon', '{"name": "lunch", "title": "Lunch on working days, 15 % off", "automatic": true, "kind": "percent", "percent": 15, "channels": ["dine_in"],
			"days_of_week": [1, 2, 3, 4, 5], "time_from": "11:00", "time_until": "14:00"}'),
		('coupon', '{"name": "dessert", "title": "A dessert for the birthday", "kind": "gift", "sku": "DESSERT", "quantity": 1, "valid_days": 15}'),
		('coupon', '{"name": "recall", "title": "20 off 80", "kind": "amount", "amount": 20, "min_amount": 80, "valid_days": 14}'),
		('coupon', '{"name": "points_ten", "title": "10 off for 1,000 points", "kind": "amount", "amount": 10, "valid_days": 90,
			"price": 1000, "price_unit": "points"}'),
		('topup_policy', '{"unit": "card", "spend_order": "proportional", "bonus_policy": "forgive", "bonus_days": 730}'),
		('topup_step', '{"unit": "card", "step_from": 200, "bonus": 10}'),
		('topup_step', '{"unit": "card", "step_from": 500, "bonus": 50, "points": 100, "points_unit": "points"}'),
		('topup_step', '{"unit": "card", "step_from": 1000, "bonus": 120, "points": 300, "points_unit": "points", "benefit": "free_delivery"}'),
		('cart_policy', '{"max_coupons": 1}'),
		('cart_unit', '{"unit": "points", "minimum": 100, "step": 100, "max_share": 100}'),

		('rule', '{"name": "points", "event": "purchase", "unit": "points", "kind": "per_amount", "award": 1, "per": 1, "excludes": ["shipping", "points"]}'),
		('rule', '{"name": "dine_in", "event": "purchase", "unit": "points", "kind": "multiplier", "award": 2, "channels": ["dine_in"]}'),
		('rule', '{"name": "spend", "event": "purchase", "unit": "spend", "kind": "per_amount", "award": 1, "per": 1, "proportional": true}'),
		('rule', '{"name": "orders", "event": "purchase", "unit": "orders", "kind": "fixed", "award": 1}'),
		('rule', '{"name": "signup", "event": "signup", "unit": "points", "kind": "fixed", "award": 50}'),
		('rule', '{"name": "review", "event": "review", "unit": "points", "kind": "fixed", "award": 20}'),
		('rule', '{"name": "share", "event": "share", "unit": "points", "kind": "fixed", "award": 5}'),
		('rule', '{"name": "referral", "event": "referral", "unit": "points", "kind": "fixed", "award": 200}'),
		('rule_limit', '{"rule": "review", "period": "day", "maximum": 20}'),
		('rule_limit', '{"rule": "share", "period": "day", "maximum": 10}'),
		('rule_limit', '{"rule": "referral", "period": "month", "maximum": 2000}'),

		('kpi_target', '{"kpi": "conversion", "months": 3, "target": 0.25}'),
		('kpi_target', '{"kpi": "retention", "months": 6, "target": 0.40}'),
		('kpi_target', '{"kpi": "active_share_30", "months": 1, "target": 0.30}'),
		('message_channels', '{}'),
		('automation', '{"template": "welcome_pack", "settings": {"points": null, "channel": "mini_program"}}'),
		('automation', '{"template": "first_purchase_pack", "settings": {"points": null, "coupon": "next_visit", "channel": "mini_program"}}'),
		('automation', '{"template": "birthday_care", "settings": {"days": 7, "points": null, "coupon": "dessert", "channel": "mini_program"}}'),
		('automation', '{"template": "near_upgrade", "settings": {"channel": "mini_program"}}'),
		('automation', '{"template": "tier_promoted", "settings": {"channel": "mini_program"}}'),
		('automation', '{"template": "points_expiring", "settings": {"channel": "mini_program", "min_amount": 100}}'),
		('automation', '{"template": "coupon_expiring", "settings": {"channel": "mini_program"}}'),
		('automation', '{"template": "dormant_recall", "settings": {"days": 45, "coupon": "recall", "channel": "sms"}}')
	) AS t (part, definition);
END;
COMMENT ON FUNCTION loyalty.template_catering() IS
'Rows of the template catering: stamp card, prepaid card, double points at the table, lunch offer';
