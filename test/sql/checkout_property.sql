\set ECHO none
\i test/prelude.sql
SELECT plan(10);

-- What quote() shows is what checkout() does, to the cent: random carts, codes,
-- coupons of the member, points and stored value, each quoted and then bought.
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
CREATE FUNCTION pg_temp.unit(name text) RETURNS int LANGUAGE sql STABLE AS $$ SELECT unit_id FROM loyalty.unit WHERE code = $1 $$;
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:shop, 'balance', 'money', 2), (:shop, 'miles', 'points', 1);
INSERT INTO loyalty.unit_anchor (program_id, unit_id, valid_from, units, money) VALUES
	(:shop, pg_temp.unit('points'), '2020-01-01', 100, 100), (:shop, pg_temp.unit('miles'), '2020-01-01', 30, 10) ON CONFLICT DO NOTHING;
INSERT INTO loyalty.cart_unit (program_id, unit_id, minimum, step, max_share) VALUES
	(:shop, pg_temp.unit('points'), 100, 50, 60), (:shop, pg_temp.unit('miles'), 0, NULL, 100);
INSERT INTO loyalty.topup_policy (program_id, unit_id) VALUES (:shop, pg_temp.unit('balance'));
INSERT INTO loyalty.cart_policy (program_id, min_payable, max_coupons) VALUES (:shop, 0.50, 3);
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, per, proportional, item_filter, excludes) VALUES
	(:shop, 'purchase', pg_temp.unit('miles'), 'per_amount', 1, 3, true, '$.net > 5', '{points}'),
	(:shop, 'purchase', pg_temp.unit('miles'), 'per_quantity', 0.3, 1, false, '$.category == "tea"', '{}');
INSERT INTO loyalty.benefit (program_id, name, kind, percent_off) VALUES (:shop, 'member', 'price', 5);
INSERT INTO loyalty.tier (program_id, code, rank, multiplier) VALUES (:shop, 'basic', 0, 1), (:shop, 'gold', 1, 1.5);
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, window_kind) SELECT :shop, tier_id, pg_temp.unit('spend'), 2000, 'lifetime' FROM loyalty.tier WHERE program_id = :shop AND code = 'gold';
SELECT FROM loyalty.benefit_hold('Shop', 'member', 'tier', 'gold');

INSERT INTO loyalty.coupon_category (program_id, name, stacking, max_per_order, rank) VALUES (:shop, 'solo', 'never', 1, 50), (:shop, 'any', 'always', NULL, 200);
INSERT INTO loyalty.coupon (program_id, name, kind, percent, max_discount, min_amount, category) VALUES
	(:shop, 'c1', 'percent', 7.5, 6, NULL, NULL), (:shop, 'c2', 'percent', 33.3, NULL, 40, 'solo');
INSERT INTO loyalty.coupon (program_id, name, kind, amount, min_amount, item_filter, category) VALUES
	(:shop, 'c3', 'amount', 5, 20, '$.category == "tea"', NULL), (:shop, 'c4', 'amount', 11.11, NULL, NULL, 'any'), (:shop, 'c5', 'shipping', 4, NULL, NULL, 'any');
INSERT INTO loyalty.coupon (program_id, name, kind, factor, category) VALUES (:shop, 'c6', 'multiplier', 1.7, 'any');
INSERT INTO loyalty.coupon (program_id, name, kind, buy, get, percent, item_filter) VALUES (:shop, 'c7', 'buy_get', 2, 1, 100, '$.price < 20');
INSERT INTO loyalty.coupon (program_id, name, kind, percent, exclusive) VALUES (:shop, 'c8', 'percent', 12, true);
INSERT INTO loyalty.coupon (program_id, name, kind, step_from, step_off, automatic, category) VALUES (:shop, 'o1', 'ladder', '{30,60,120}', '{1,3,9}', true, 'any');
INSERT INTO loyalty.coupon (program_id, name, kind, buy, amount, automatic, item_filter) VALUES (:shop, 'o2', 'bundle', 3, 25, true, '$.category == "pot"');
INSERT INTO loyalty.coupon (program_id, name, kind, sku, quantity, automatic, min_amount, category) VALUES (:shop, 'o3', 'gift', 'MUG', 1, true, 80, 'any');
SELECT FROM generate_series(1, 8) i, loyalty.coupon_code_create('Shop', 'c' || i, 'CODE' || i);
SELECT FROM (VALUES ('c1', 'used', 40), ('c4', 'discount', 300)) x (coupon, counts, amount), loyalty.coupon_limit('Shop', coupon, counts, x.amount);
CALL pg_temp.enroll('Shop', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7', 'm8');
SELECT FROM generate_series(1, 8) i, loyalty.adjust(pg_temp.id('m' || i), 80000 + i, 'points', 'test', key => 'k1');
SELECT FROM generate_series(1, 8) i, loyalty.adjust(pg_temp.id('m' || i), 111.1, 'miles', 'test', key => 'k2');
SELECT FROM generate_series(1, 6) i, loyalty.adjust(pg_temp.id('m' || i), 450.15, 'balance', 'test', key => 'k3');

CREATE TEMP TABLE bought (n int, who text, cart jsonb, codes text[], use jsonb, q jsonb, r loyalty.receipt);
CREATE FUNCTION pg_temp.random_cart() RETURNS jsonb LANGUAGE sql VOLATILE AS $$
	SELECT jsonb_build_object('items', jsonb_agg(jsonb_build_object('sku', 'S' || (random() * 9)::int, 'category', (ARRAY['tea', 'pot', 'cup'])[1 + (random() * 2)::int],
			'price', round((random() * 40)::numeric, 2), 'qty', CASE WHEN random() < 0.2 THEN round((0.1 + random() * 3)::numeric, 3) ELSE 1 + (random() * 4)::int END)),
		'shipping', (ARRAY[0, 4, 8.88])[1 + (random() * 2)::int], 'channel', 'web', 'data', jsonb_build_object('n', n))
	FROM (SELECT 1 + (random() * 6)::int AS n) x, generate_series(1, x.n) GROUP BY x.n
$$;
DO $$
DECLARE
	who text;
	cart jsonb;
	wanted text[];
	codes text[];
	use jsonb;
	q jsonb;
	r loyalty.receipt;
BEGIN
	PERFORM setseed(0.5);
	FOR n IN 1..300 LOOP
		who := 'm' || 1 + n % 8;
		cart := pg_temp.random_cart();
		use := jsonb_strip_nulls(jsonb_build_object('points', CASE WHEN random() < 0.5 THEN to_jsonb((random() * 6000)::int) WHEN random() < 0.3 THEN '"max"' END,
			'miles', CASE WHEN random() < 0.3 THEN to_jsonb(round((random() * 5)::numeric, 1)) END,
			'balance', CASE WHEN random() < 0.3 THEN to_jsonb(round((random() * 30)::numeric, 2)) END));
		wanted := ARRAY(SELECT 'code-' || i FROM generate_series(1, 8) i WHERE random() < 0.3 ORDER BY random());
		-- those that the quote says apply
		q := loyalty.quote(pg_temp.id(who), cart, wanted, use);
		codes := ARRAY(SELECT v ->> 'code' FROM jsonb_array_elements(q -> 'verdicts') v WHERE v ? 'code' AND (v ->> 'applicable')::boolean);
		q := loyalty.quote(pg_temp.id(who), cart, codes, use);
		r := loyalty.checkout(pg_temp.id(who), cart, 'o' || n, codes, use, expect => (q ->> 'payable')::numeric);
		INSERT INTO bought VALUES (n, who, cart, codes, use, q, r);
	END LOOP;
END
$$;

SELECT is((SELECT count(*) FROM bought WHERE (r).status = 'done'), 300::bigint, 'each quote can be bought at its price');
SELECT ok(count(*) FILTER (WHERE jsonb_array_length(q -> 'steps') >= 4) > 60 AND count(*) FILTER (WHERE q -> 'points' @> '[{"limited": "max_share"}]') > 3, 'the carts are of all sorts') FROM bought;
-- The document adds up
SELECT is_empty($$SELECT n FROM bought WHERE (q ->> 'goods')::numeric <> (SELECT sum((l ->> 'net')::numeric) FROM jsonb_array_elements(q -> 'lines') l)
	OR (q ->> 'price')::numeric <> (SELECT sum((l ->> 'price')::numeric) FROM jsonb_array_elements(q -> 'lines') l)
	OR (q ->> 'total')::numeric <> (q ->> 'goods')::numeric + (q ->> 'shipping')::numeric
	OR (q ->> 'price')::numeric + (cart ->> 'shipping')::numeric - (q ->> 'discount')::numeric <> (q ->> 'total')::numeric
	OR (q ->> 'payable')::numeric <> (q ->> 'total')::numeric - (SELECT coalesce(sum((p ->> 'amount')::numeric), 0) FROM jsonb_array_elements((q -> 'points') || (q -> 'stored_value')) p)
	OR (q ->> 'list')::numeric + (cart ->> 'shipping')::numeric - (q ->> 'payable')::numeric <> (SELECT coalesce(sum((s ->> 'amount')::numeric), 0) FROM jsonb_array_elements(q -> 'steps') s)$$,
	'totals are the sums of their parts, and the steps lead from one to the other');
SELECT is_empty($$SELECT n, l FROM bought, jsonb_array_elements(q -> 'lines') l
	WHERE (l ->> 'net')::numeric < 0 OR (l ->> 'price')::numeric - (l ->> 'net')::numeric <> (SELECT coalesce(sum((d ->> 'amount')::numeric), 0) FROM jsonb_array_elements(l -> 'discounts') d)$$,
	'each line: price less discounts is net, and never below zero');
SELECT is_empty($$SELECT n FROM bought WHERE (q ->> 'goods')::numeric - (SELECT coalesce(sum((p ->> 'amount')::numeric), 0) FROM jsonb_array_elements(q -> 'points') p)
	< least(0.50, (q ->> 'price')::numeric)$$, 'what must remain remains');

-- The books agree with it
SELECT is_empty($$SELECT n FROM bought b JOIN loyalty.journal j ON j.member_id = (r).member_id AND j.journal_id = (r).journal_id
	WHERE j.amount <> (q ->> 'total')::numeric * 100$$, 'the purchase is of the total');
SELECT is_empty($$SELECT n, unit, s.amount, e.amount FROM (SELECT n, (r).member_id, (r).journal_id, x ->> 'unit' AS unit, (x ->> 'amount')::numeric AS amount FROM bought, jsonb_array_elements(q -> 'earned') x) s
	FULL JOIN (SELECT b.n, u.code AS unit, sum(e.amount) / 10.0 ^ u.scale AS amount FROM bought b JOIN loyalty.entry e ON e.member_id = (r).member_id AND e.journal_id = (r).journal_id
		JOIN loyalty.unit u USING (unit_id) GROUP BY b.n, u.code, u.scale) e USING (n, unit) WHERE s.amount IS DISTINCT FROM e.amount$$, 'what was to be earned was earned, unit by unit');
SELECT is_empty($$SELECT n, unit FROM (SELECT n, x ->> 'unit' AS unit, (x ->> 'spent')::numeric AS amount FROM bought, jsonb_array_elements((q -> 'points') || (q -> 'stored_value')) x WHERE (x ->> 'spent')::numeric > 0) s
	FULL JOIN (SELECT b.n, j.event AS unit, -sum(e.amount) / 10.0 ^ u.scale AS amount FROM bought b JOIN loyalty.journal j ON j.member_id = (r).member_id AND j.ref = 'o' || n AND j.kind = 'redeem'
		JOIN loyalty.entry e USING (member_id, journal_id) JOIN loyalty.unit u ON u.unit_id = e.unit_id GROUP BY b.n, j.event, u.scale) e USING (n, unit) WHERE s.amount IS DISTINCT FROM e.amount$$, 'what was to be spent was spent');
SELECT is_empty($$SELECT n, name FROM (SELECT n, coalesce(s ->> 'coupon', s ->> 'offer') AS name, (s ->> 'amount')::numeric AS saving FROM bought, jsonb_array_elements(q -> 'steps') s WHERE s ? 'coupon' OR s ? 'offer') s
	FULL JOIN (SELECT n, c.name, u.discount / 100.0 AS discount FROM bought JOIN loyalty.coupon_use u ON u.member_id = (r).member_id AND u.ref = 'o' || n JOIN loyalty.coupon c USING (coupon_id)) u USING (n, name)
	WHERE s.saving IS DISTINCT FROM u.discount$$, 'each coupon and offer saved what it was to save');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'verify()');
SELECT * FROM finish();
ROLLBACK;
