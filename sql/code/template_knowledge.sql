-- Template knowledge: documents, courses, anything that is read. Three purchases make a
-- member, for good: 30 % off and updates for nothing. Or membership is bought by the year.
-- 10 points are worth 1.
CREATE OR REPLACE FUNCTION loyalty.template_knowledge()
RETURNS TABLE (place bigint, part text, definition jsonb)
LANGUAGE sql IMMUTABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT row_number() OVER (), t.part, t.definition::jsonb
	FROM (VALUES
		('program', '{"tier_refund": "immediate"}'),
		('unit', '{"code": "points", "kind": "points", "expiry": "end_of_month", "expiry_count": 24}'),
		('unit', '{"code": "spend", "kind": "metric", "in_currency": true, "window_months": 12}'),
		('unit', '{"code": "orders", "kind": "metric", "refund": "whole"}'),
		('unit', '{"code": "questions", "kind": "counter", "period": "month"}'),
		('unit_anchor', '{"unit": "points", "units": 10, "money": 1}'),

		('tier', '{"code": "reader", "rank": 0, "title": "Reader", "warn_days": 0}'),
		('tier', '{"code": "member", "rank": 1, "title": "Member", "warn_days": 0, "demotion": "never"}'),
		('tier_threshold', '{"tier": "member", "unit": "orders", "threshold": 3, "window_kind": "lifetime"}'),
		('tag', '{"name": "frequent", "title": "Buys three times in 90 days", "dimension": "transaction", "condition": "$.purchases.days_90.times >= 3"}'),
		('lifecycle', '{"set": "growth", "days": 60}'),
		('segment', '{"name": "one_more", "title": "Two purchases: one more makes a member", "condition": "$.member.purchases == 2"}'),
		('plan', '{"name": "annual", "title": "Membership for a year", "months": 12, "price": 199, "tier": "member"}'),

		('benefit', '{"name": "thirty_off", "title": "30 % off", "kind": "price", "percent_off": 30}'),
		('benefit', '{"name": "free_updates", "title": "Updates for nothing", "kind": "flag"}'),
		('benefit', '{"name": "ask_author", "title": "A question to the author", "kind": "quota", "unit": "questions", "quantity": 1}'),
		('benefit', '{"name": "early_access", "title": "What is new, a week before", "kind": "flag"}'),
		('benefit_holder', '{"benefit": "thirty_off", "source": "tier", "name": "member"}'),
		('benefit_holder', '{"benefit": "free_updates", "source": "tier", "name": "member"}'),
		('benefit_holder', '{"benefit": "ask_author", "source": "tier", "name": "member"}'),
		('benefit_holder', '{"benefit": "ask_author", "source": "plan", "name": "annual", "quantity": 4}'),
		('benefit_holder', '{"benefit": "early_access", "source": "plan", "name": "annual"}'),

		('coupon', '{"name": "second", "title": "5 off the next", "kind": "amount", "amount": 5, "min_amount": 10, "valid_days": 30}'),
		('coupon', '{"name": "free_document", "title": "A document for 300 points", "kind": "exchange", "item_filter": "$.category == \"document\"",
			"max_discount": 50, "valid_days": 365, "price": 300, "price_unit": "points"}'),
		('cart_unit', '{"unit": "points", "minimum": 10, "step": 10, "max_share": 50}'),

		('rule', '{"name": "points", "event": "purchase", "unit": "points", "kind": "per_amount", "award": 1, "per": 1, "excludes": ["points"]}'),
		('rule', '{"name": "spend", "event": "purchase", "unit": "spend", "kind": "per_amount", "award": 1, "per": 1, "proportional": true}'),
		('rule', '{"name": "orders", "event": "purchase", "unit": "orders", "kind": "fixed", "award": 1}'),
		('rule', '{"name": "signup", "event": "signup", "unit": "points", "kind": "fixed", "award": 20}'),
		('rule', '{"name": "review", "event": "review", "unit": "points", "kind": "fixed", "award": 10, "once_per_target": true}'),
		('rule', '{"name": "share", "event": "share", "unit": "points", "kind": "fixed", "award": 2}'),
		('rule', '{"name": "referral", "event": "referral", "unit": "points", "kind": "fixed", "award": 200}'),
		('rule_limit', '{"rule": "share", "period": "day", "maximum": 10}'),
		('rule_limit', '{"rule": "referral", "period": "month", "maximum": 2000}'),

		('activity_kind', '{"kind": "view", "title": "Looked at", "retain_days": 400}'),
		('kpi_target', '{"kpi": "conversion", "months": 3, "target": 0.25}'),
		('kpi_target', '{"kpi": "repurchase_rate", "months": 12, "target": 0.25}'),
		('message_channels', '{}'),
		('automation', '{"template": "welcome_pack", "settings": {"points": null, "channel": "email"}}'),
		('automation', '{"template": "first_purchase_pack", "settings": {"points": null, "coupon": "second", "channel": "email"}}'),
		-- two of three are there, a third is missing
		('automation', '{"template": "near_upgrade", "settings": {"percent": 34, "channel": "email"}}'),
		('automation', '{"template": "tier_promoted", "settings": {"channel": "email"}}'),
		('automation', '{"template": "plan_renewal", "settings": {"days": 14, "channel": "email"}}'),
		('automation', '{"template": "points_expiring", "settings": {"channel": "email"}}'),
		('automation', '{"template": "absence_offer", "settings": {"days": 90, "channel": "email"}}'),
		('automation', '{"template": "new_arrivals", "settings": {"channel": "email"}}')
	) AS t (part, definition);
END;
COMMENT ON FUNCTION loyalty.template_knowledge() IS
'Rows of the template knowledge: three purchases make a member, with 30 % off; membership by the year';
