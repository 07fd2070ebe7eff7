-- What was bought of what, as far as orders name their items.

CREATE OR REPLACE FUNCTION loyalty.report_product_require(kind text, top int, by text)
RETURNS boolean LANGUAGE C IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_report_product_require';
COMMENT ON FUNCTION loyalty.report_product_require(text, int, text) IS
'For report_product: 22004 or 22023 if its own arguments make no report';

CREATE OR REPLACE FUNCTION loyalty.report_product(program text, since date, until date, kind text DEFAULT 'sku',
	top int DEFAULT 20, by text DEFAULT NULL)
RETURNS TABLE (part text, place bigint, name text, orders bigint, quantity numeric, amount numeric,
	returned_quantity numeric, returned numeric, net numeric, share numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 20
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_product.program, report_product.since, report_product.until, report_product.by);
	SELECT loyalty.report_product_require(report_product.kind, report_product.top, report_product.by);

	WITH found AS MATERIALIZED (
		SELECT p.program_id, p.currency_scale AS scale
		FROM loyalty.program p
		WHERE p.name = report_product.program
	), valued AS MATERIALIZED (
		SELECT s.name, CASE WHEN report_product.by = 'tier' THEN s.tier_id END AS tier_id, sum(s.orders) AS orders,
			sum(s.quantity) AS quantity, sum(s.amount) AS amount, sum(s.returned_quantity) AS returned_quantity,
			sum(s.returned_amount) AS returned
		FROM found f
		CROSS JOIN LATERAL loyalty.report_product_sum(f.program_id, report_product.since, report_product.until,
			report_product.kind) s
		GROUP BY 1, 2
	), tier AS (
		-- each once, for there are many products
		SELECT v.tier_id, loyalty.report_part(f.program_id, 'tier', v.tier_id::text) AS part
		FROM found f
		CROSS JOIN (SELECT DISTINCT x.tier_id FROM valued x WHERE x.tier_id IS NOT NULL) v
	), sold AS (
		SELECT t.part, v.name, sum(v.orders) AS orders, sum(v.quantity) AS quantity, sum(v.amount) AS amount,
			sum(v.returned_quantity) AS returned_quantity, sum(v.returned) AS returned,
			sum(v.amount) - sum(v.returned) AS net
		FROM valued v
		LEFT JOIN tier t ON t.tier_id = v.tier_id
		GROUP BY t.part, v.name
		HAVING sum(v.orders) <> 0 OR sum(v.returned) <> 0 OR sum(v.returned_quantity) <> 0
	), placed AS (
		SELECT s.part, s.name, s.orders, s.quantity, s.amount, s.returned_quantity, s.returned, s.net,
			row_number() OVER (PARTITION BY s.part ORDER BY s.net DESC, s.name COLLATE "C") AS place,
			sum(s.net) OVER (PARTITION BY s.part) AS total
		FROM sold s
	)
	SELECT a.part, a.place, a.name, a.orders::bigint, trim_scale(a.quantity / 1000),
		loyalty.unit_amount(a.amount::bigint, f.scale), trim_scale(a.returned_quantity / 1000),
		loyalty.unit_amount(a.returned::bigint, f.scale), loyalty.unit_amount(a.net::bigint, f.scale),
		round(a.net / nullif(a.total, 0), 4)
	FROM found f
	CROSS JOIN placed a
	WHERE a.place <= report_product.top
	ORDER BY a.part, a.place;
END;
COMMENT ON FUNCTION loyalty.report_product(text, date, date, text, int, text) IS
'The products, categories or brands with the highest sales, returns deducted, and their share of all that name one; in each tier if asked for';
