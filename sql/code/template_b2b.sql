-- Template b2b: a wholesaler's business customers. Prices by tier, tiers by what was bought in
-- twelve months, 1 % back as credit once the invoice is paid, discounts by quantity.
CREATE OR REPLACE FUNCTION loyalty.template_b2b()
RETURNS TABLE (place bigint, part text, definition jsonb)
LANGUAGE sql IMMUTABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT row_number() OVER (), t.part, t.definition::jsonb
	FROM (VALUES
		-- an invoice belongs to one customer
		('program', '{"ref_scope": "program", "tier_refund": "immediate"}'),
		-- credit: usable when the 30 days of payment are over
		('unit', '{"code": "points", "kind": "points", "vest_days": 30, "expiry": "end_of_year", "expiry_count": 1}'),
		('unit', '{"code": "spend", "kind": "metric", "in_currency": true, "window_months": 12}'),
		('unit', '{"code": "orders", "kind": "metric", "window_months": 12, "refund": "whole"}'),
		('unit', '{"code": "samples", "kind": "counter", "period": "year"}'),
		('unit_anchor', '{"unit": "points", "units": 1, "money": 1}'),

		-- to the end of the next calendar year; what was bought in that year keeps them
		('tier', '{"code": "standard", "rank": 0, "title": "Standard", "warn_days": 0}'),
		('tier', '{"code": "silver", "rank": 1, "title": "Silver", "valid_months": 12, "valid_round": "year", "warn_days": 60}'),
		('tier', '{"code": "gold", "rank": 2, "title": "Gold", "multiplier": 1.5, "valid_months": 12, "valid_round": "year", "warn_days": 60}'),
		('tier', '{"code": "platinum", "rank": 3, "title": "Platinum", "multiplier": 2, "valid_months": 12, "valid_round": "year", "warn_days": 60}'),
		('tier_threshold', '{"tier": "silver", "unit": "spend", "threshold": 50000, "window_kind": "rolling", "months": 12}'),
		('tier_threshold', '{"tier": "gold", "unit": "spend", "threshold": 200000, "window_kind": "rolling", "months": 12}'),
		('tier_threshold', '{"tier": "platinum", "unit": "spend", "threshold": 1000000, "window_kind": "rolling", "months": 12}'),

		('tag', '{"name": "large_orders", "title": "20,000 an order", "dimension": "transaction", "condition": "$.purchases.days_365.average >= 20000"}'),
		('lifecycle', '{"set": "activity", "days": 45, "least_days": 14}'),
		('segment', '{"name": "key_accounts", "title": "200,000 in a year", "condition": "$.purchases.days_365.amount >= 200000"}'),
		('segment', '{"name": "at_risk", "title": "Ordered three times in the year, and not for 60 days",
			"condition": "$.member.days_since_purchase > 60 && $.purchases.days_365.times >= 3"}'),

		('benefit', '{"name": "price_silver", "title": "Wholesale price, 5 % less", "kind": "price", "percent_off": 5}'),
		('benefit', '{"name": "price_gold", "title": "Wholesale price, 10 % less", "kind": "price", "percent_off": 10}'),
		('benefit', '{"name": "price_platinum", "title": "Wholesale price, 15 % less", "kind": "price", "percent_off": 15}'),
		('benefit', '{"name": "net_30", "title": "30 days to pay", "kind": "flag"}'),
		('benefit', '{"name": "net_60", "title": "60 days to pay", "kind": "flag"}'),
		('benefit', '{"name": "account_manager", "title": "A manager for the account", "kind": "flag"}'),
		('benefit', '{"name": "priority_shipping", "title": "Shipped first", "kind": "flag"}'),
		('benefit', '{"name": "samples", "title": "Samples for nothing", "kind": "quota", "unit": "samples", "quantity": 2}'),
		('benefit_holder', '{"benefit": "price_silver", "source": "tier", "name": "silver"}'),
		('benefit_holder', '{"benefit": "price_gold", "source": "tier", "name": "gold"}'),
		('benefit_holder', '{"benefit": "price_platinum", "source": "tier", "name": "platinum"}'),
		('benefit_holder', '{"benefit": "net_30", "source": "tier", "name": "silver"}'),
		('benefit_holder', '{"benefit": "net_60", "source": "tier", "name": "gold"}'),
		('benefit_holder', '{"benefit": "net_60", "source": "tier", "name": "platinum"}'),
		('benefit_holder', '{"benefit": "account_manager", "source": "tier", "name": "gold"}'),
		('benefit_holder', '{"benefit": "account_manager", "source": "tier", "name": "platinum"}'),
		('benefit_holder', '{"benefit": "priority_shipping", "source": "tier", "name": "gold"}'),
		('benefit_holder', '{"benefit": "priority_shipping", "source": "tier", "name": "platinum"}'),
		('benefit_holder', '{"benefit": "samples", "source": "tier", "name": "silver"}'),
		('benefit_holder', '{"benefit": "samples", "source": "tier", "name": "gold", "quantity": 4}'),
		('benefit_holder', '{"benefit": "samples", "source": "tier", "name": "platinum", "quantity": 12}'),

		('coupon', '{"name": "by_quantity", "title": "2 % from 100 pieces, 4 % from 500", "automatic": true, "kind": "ladder",
			"base": "quantity", "step_kind": "percent", "step_from": [100, 500], "step_off": [2, 4]}'),
		('coupon', '{"name": "free_freight", "title": "Free freight from 5,000", "automatic": true, "kind": "shipping", "min_amount": 5000}'),
		('coupon', '{"name": "first_order", "title": "5 % off the first order, 500 at most", "kind": "percent", "percent": 5, "max_discount": 500,
			"first_purchases": 1, "valid_days": 60}'),
		('coupon', '{"name": "reorder", "title": "200 off 5,000", "kind": "amount", "amount": 200, "min_amount": 5000, "valid_days": 30}'),
		('cart_unit', '{"unit": "points", "max_share": 50}'),

		('rule', '{"name": "points", "event": "purchase", "unit": "points", "kind": "per_amount", "award": 1, "per": 100, "excludes": ["tax", "shipping", "points"]}'),
		('rule', '{"name": "spend", "event": "purchase", "unit": "spend", "kind": "per_amount", "award": 1, "per": 1, "proportional": true, "excludes": ["tax", "shipping"]}'),
		('rule', '{"name": "orders", "event": "purchase", "unit": "orders", "kind": "fixed", "award": 1}'),
		('rule', '{"name": "referral", "event": "referral", "unit": "points", "kind": "fixed", "award": 200}'),
		('rule_limit', '{"rule": "referral", "period": "year", "maximum": 2000}'),

		('activity_kind', '{"kind": "view", "title": "Looked at", "retain_days": 400}'),
		('kpi_target', '{"kpi": "retention", "months": 6, "target": 0.40}'),
		('kpi_target', '{"kpi": "repurchase_rate", "months": 12, "target": 0.60}'),
		('message_channels', '{}'),
		('automation', '{"template": "welcome_pack", "settings": {"points": null, "coupon": "first_order", "channel": "email"}}'),
		('automation', '{"template": "near_upgrade", "settings": {"percent": 10, "channel": "email"}}'),
		('automation', '{"template": "tier_promoted", "settings": {"channel": "email"}}'),
		('automation', '{"template": "tier_at_risk", "settings": {"channel": "email"}}'),
		('automation', '{"template": "tier_demoted", "settings": {"channel": "email"}}'),
		('automation', '{"template": "points_expiring", "settings": {"days": 60, "channel": "email"}}'),
		('automation', '{"template": "absence_offer", "settings": {"days": 60, "coupon": "reorder", "channel": "email"}}'),
		('automation', '{"template": "price_drop", "settings": {"channel": "email"}}'),
		('automation', '{"template": "restock", "settings": {"channel": "email"}}'),
		('automation', '{"template": "new_arrivals", "settings": {"channel": "email"}}')
	) AS t (part, definition);
END;
COMMENT ON FUNCTION loyalty.template_b2b() IS
'Rows of the template b2b: wholesale prices and terms by tier, credit for what was bought, discounts by quantity';
