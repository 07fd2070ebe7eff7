-- Template basic: points for what is spent, and the metrics that tiers ask for. The
-- least that works; everything else is the shop's to add.
CREATE OR REPLACE FUNCTION loyalty.template_basic()
RETURNS TABLE (place bigint, part text, definition jsonb)
LANGUAGE sql IMMUTABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT row_number() OVER (), t.part, t.definition::jsonb
	FROM (VALUES
		('unit', '{"code": "points", "kind": "points", "expiry": "end_of_month", "expiry_count": 12}'),
		('unit', '{"code": "spend", "kind": "metric", "in_currency": true, "window_months": 12}'),
		('unit', '{"code": "orders", "kind": "metric", "window_months": 12, "refund": "whole"}'),
		('unit_anchor', '{"unit": "points", "units": 100, "money": 1}'),
		('rule', '{"event": "purchase", "unit": "points", "kind": "per_amount", "award": 1, "per": 1}'),
		('rule', '{"event": "purchase", "unit": "spend", "kind": "per_amount", "award": 1, "per": 1, "proportional": true}'),
		('rule', '{"event": "purchase", "unit": "orders", "kind": "fixed", "award": 1}')
	) AS t (part, definition);
END;
COMMENT ON FUNCTION loyalty.template_basic() IS
'Rows of the template basic: points, spend and orders, with their rules';
