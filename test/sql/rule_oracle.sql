\set ECHO none
\i test/prelude.sql
SELECT plan(7);

-- Random carts, judged by the rules and by plain SQL over the carts, in whole
-- numbers of 1/84000 of a point: 84000 is a multiple of every divisor below.
SELECT setseed(0.20260315) \g /dev/null
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES
	(:shop, 'points', 'points', 0), (:shop, 'tenths', 'points', 1), (:shop, 'level', 'metric', 0);
INSERT INTO loyalty.tier (program_id, code, rank, multiplier) VALUES (:shop, 'basic', 0, 1), (:shop, 'gold', 1, 1.25);
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, window_kind)
SELECT :shop, tier_id, unit_id, 1, 'lifetime' FROM loyalty.tier JOIN loyalty.unit u USING (program_id) WHERE tier.code = 'gold' AND u.code = 'level';
INSERT INTO loyalty.collection (program_id, name) VALUES (:shop, 'some'), (:shop, 'never');
INSERT INTO loyalty.collection_item (program_id, collection, kind, value) VALUES
	(:shop, 'some', 'sku', 'A'), (:shop, 'some', 'category', 'cup'), (:shop, 'never', 'sku', 'D');
INSERT INTO loyalty.rule_group (program_id, name, combine) VALUES (:shop, 'grp', 'best');
SELECT FROM pg_temp.rule('{"event": "review", "unit": "level", "award": 1}');
SELECT FROM pg_temp.rule('{"name": "whole", "kind": "per_amount", "award": 3, "per": 7, "proportional": true, "rounding": "nearest"}');
SELECT FROM pg_temp.rule('{"name": "tea", "kind": "per_amount", "award": 1, "per": 10, "item_filter": "$.category == \"tea\""}');
SELECT FROM pg_temp.rule('{"name": "pieces", "kind": "per_quantity", "award": 2, "per": 1.5, "proportional": true, "rounding": "half_even", "collection": "some", "rule_group": "grp"}');
SELECT FROM pg_temp.rule('{"name": "lines", "kind": "per_amount", "award": 1, "per": 3, "proportional": true, "rounding": "up", "rounding_scope": "line", "excluded_collection": "never"}');
SELECT FROM pg_temp.rule('{"name": "tenths", "unit": "tenths", "kind": "per_amount", "award": 0.7, "per": 3, "proportional": true, "rounding": "half_even", "rounding_scope": "event"}');
SELECT FROM pg_temp.rule('{"name": "three", "unit": "tenths", "award": 0.3, "rounding": "half_even", "rounding_scope": "event"}');
SELECT FROM pg_temp.rule('{"name": "twelve", "award": 12, "rule_group": "grp"}');
SELECT FROM pg_temp.rule('{"name": "x1.5", "kind": "multiplier", "award": 1.5}');
SELECT FROM pg_temp.rule('{"name": "x3 tea", "kind": "multiplier", "award": 3, "item_filter": "$.category == \"tea\"", "rule_group": "grp"}');
SELECT FROM pg_temp.rule('{"name": "x2 dear", "kind": "multiplier", "award": 2, "item_filter": "$.price > 20", "rounding": "up"}');
CALL pg_temp.enroll('Shop', 'basic', 'gold');
SELECT FROM loyalty.record(pg_temp.id('gold'), 'review');

CREATE TEMP TABLE line AS
SELECT o AS n, l AS line, chr(65 + floor(random() * 5)::int) AS sku, (ARRAY['tea', 'cup', NULL])[1 + floor(random() * 3)::int] AS category,
	(ARRAY[1, 2, 0.5, 1.255, 3])[1 + floor(random() * 5)::int] AS qty,
	CASE WHEN random() < 0.05 THEN 0 ELSE round((random() * 40)::numeric, 2) END AS price
FROM generate_series(1, 400) o, generate_series(1, 1 + o % 6) l;
CREATE TEMP TABLE cart AS
SELECT n, CASE WHEN n % 2 = 0 THEN 'basic' ELSE 'gold' END AS who,
	round(sum(round(price * qty, 2)) * (ARRAY[1, 0.9, 0.37, 1.15, 0])[1 + floor(random() * 5)::int], 2) AS amount,
	jsonb_agg(jsonb_strip_nulls(to_jsonb(l) - 'n' - 'line') ORDER BY l.line) AS items
FROM line l GROUP BY n;
SELECT count(r.status) AS done FROM cart, loyalty.purchase(pg_temp.id(who), amount, 'cart-' || n, items) r \gset

-- Cents of each line: its price, or its share of the amount, largest remainder first
CREATE TEMP TABLE net AS
SELECT n, line, sku, category, price, qty * 1000 AS mille,
	CASE WHEN amount >= total THEN gross
		ELSE amount * gross / total - amount * gross % total / total
			+ CASE WHEN row_number() OVER (PARTITION BY n ORDER BY amount * gross % total DESC, line) <= rest THEN 1 ELSE 0 END END AS cents
FROM (SELECT x.*, amount - sum(CASE WHEN total > 0 THEN (amount * gross - amount * gross % total) / total ELSE 0 END) OVER (PARTITION BY n) AS rest
	FROM (SELECT l.*, round(price * qty, 2) * 100 AS gross, sum(round(price * qty, 2) * 100) OVER (PARTITION BY n) AS total, c.amount * 100 AS amount
		FROM line l JOIN cart c USING (n)) x) y;
UPDATE net SET cents = round(cents);

CREATE FUNCTION pg_temp.down(x numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT (x - x % 84000) / 84000 $$;
CREATE FUNCTION pg_temp.up(x numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT pg_temp.down(x + 83999) $$;
CREATE FUNCTION pg_temp.nearest(x numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT pg_temp.down(x + 42000) $$;
CREATE FUNCTION pg_temp.half_even(x numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
	SELECT pg_temp.down(x + 42000) - CASE WHEN x % 84000 = 42000 AND pg_temp.down(x) % 2 = 0 THEN 1 ELSE 0 END
$$;
-- What each rule is worth; t: four times the multiplier of the tier
CREATE TEMP TABLE worth AS
SELECT n, w.*, CASE WHEN pieces >= twelve THEN pieces ELSE 0 END AS won_pieces, CASE WHEN pieces < twelve THEN twelve ELSE 0 END AS won_twelve
FROM (SELECT n, amount * 100 AS cents, CASE who WHEN 'gold' THEN 5 ELSE 4 END AS t FROM cart) c
JOIN LATERAL (
	SELECT c.cents * 3 * c.t * 30 AS whole,
		pg_temp.down(coalesce(sum(l.cents) FILTER (WHERE category = 'tea'), 0) * 84) * c.t * 21000 AS tea,
		coalesce(sum(mille) FILTER (WHERE sku = 'A' OR category = 'cup'), 0) * 2 * c.t * 14 AS pieces,
		coalesce(sum(l.cents) FILTER (WHERE sku <> 'D'), 0) * c.t * 70 AS lines,
		coalesce(sum(pg_temp.up(l.cents * c.t * 70)) FILTER (WHERE sku <> 'D'), 0) AS lines_rounded,
		c.cents * 7 * c.t * 70 AS tenths, 3 * 84000 AS three, 12 * 84000 AS twelve,
		-- of the lines that the multipliers are for
		coalesce(sum(l.cents) FILTER (WHERE price > 20), 0) * 3 * c.t * 30
			+ pg_temp.down(coalesce(sum(l.cents) FILTER (WHERE price > 20 AND category = 'tea'), 0) * 84) * c.t * 21000
			+ coalesce(sum(l.cents) FILTER (WHERE price > 20 AND sku <> 'D'), 0) * c.t * 70 AS dear,
		coalesce(sum(mille) FILTER (WHERE category = 'tea' AND (sku = 'A' OR category = 'cup')), 0) * 2 * c.t * 14 AS tea_pieces
	FROM net l WHERE l.n = c.n) w ON true;
CREATE TEMP TABLE expected AS
SELECT n, r.name, r.granted FROM worth, LATERAL (VALUES
	('whole', pg_temp.nearest(whole)), ('tea', pg_temp.down(tea)), ('pieces', pg_temp.half_even(won_pieces)), ('lines', lines_rounded),
	('tenths', pg_temp.half_even(tenths)), ('three', pg_temp.half_even(tenths + three) - pg_temp.half_even(tenths)), ('twelve', pg_temp.down(won_twelve)),
	('x1.5', pg_temp.down((whole + tea + lines) / 2)), ('x2 dear', pg_temp.up(dear)),
	('x3 tea', CASE WHEN won_pieces > 0 THEN pg_temp.down(2 * tea_pieces) ELSE 0 END)) r (name, granted);
CREATE TEMP TABLE actual AS
SELECT c.n, r.name, coalesce((a -> 'granted')::numeric, 0) AS granted
FROM cart c JOIN loyalty.journal j ON j.ref = 'cart-' || c.n JOIN pg_temp.award_record USING (member_id, journal_id)
JOIN loyalty.rule r ON r.rule_id = (a -> 'rule')::int;

SELECT is((SELECT count(*) FROM actual), 4000::bigint, '10 rules were looked at for 400 carts');
SELECT is((SELECT count(DISTINCT name) FROM expected WHERE granted > 0), 10::bigint, 'each awards something at times');
SELECT is((SELECT count(DISTINCT name) FROM expected WHERE granted = 0), 9::bigint, 'and all but one nothing at others');
SELECT is((SELECT sum(cents) FROM net JOIN cart USING (n) WHERE n % 7 = 0 AND amount < (SELECT sum(round(price * qty, 2)) FROM line WHERE line.n = cart.n)),
	(SELECT sum(amount * 100) FROM cart WHERE n % 7 = 0 AND amount < (SELECT sum(round(price * qty, 2)) FROM line WHERE line.n = cart.n)), 'the oracle spreads a discount to the cent');
SELECT set_eq('SELECT n, name, granted FROM actual', 'SELECT n, name, granted FROM expected', 'each rule awards what plain SQL says, cart by cart');

-- and each refund, in three parts, ends at nothing
SELECT count(r.status) AS refunds FROM cart, LATERAL loyalty.refund(pg_temp.id(who), 'cart-' || n, items => '[{"line": 1}]', refund_ref => 'a' || n) r
WHERE amount > 0 AND n % 3 = 0 AND (items -> 0 ->> 'price')::numeric > 0 \gset
SELECT count(r.status) AS refunds FROM cart, LATERAL loyalty.refund(pg_temp.id(who), 'cart-' || n, 0.01, refund_ref => 'b' || n, mode => 'try') r WHERE amount > 0 \gset
SELECT count(r.status) AS refunds FROM cart, LATERAL loyalty.refund(pg_temp.id(who), 'cart-' || n, refund_ref => 'c' || n, mode => 'try') r \gset
SELECT is(string_agg(pg_temp.balance(who, unit), ', '), 'nothing, nothing, nothing, nothing', 'and refunds take all of it')
FROM unnest('{basic,gold}'::text[]) who, unnest('{points,tenths}'::text[]) unit;
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
