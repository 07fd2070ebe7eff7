\set ECHO none
\i test/prelude.sql
SELECT plan(45);

SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES
	(:shop, 'points', 'points', 0), (:shop, 'miles', 'points', 1), (:shop, 'balance', 'money', 2),
	(:shop, 'spend', 'metric', 2), (:shop, 'stars', 'points', 0);
CREATE FUNCTION pg_temp.unit(name text) RETURNS int LANGUAGE sql STABLE AS $$ SELECT unit_id FROM loyalty.unit WHERE code = name $$;
-- 100 points are 1.00; 3 miles are 0.10; since 2026-03-10 only
INSERT INTO loyalty.unit_anchor (program_id, unit_id, valid_from, units, money) VALUES
	(:shop, pg_temp.unit('points'), '2020-01-01', 100, 100), (:shop, pg_temp.unit('miles'), '2026-03-10', 30, 10);
INSERT INTO loyalty.cart_unit (program_id, unit_id) SELECT :shop, pg_temp.unit(u) FROM unnest('{points,miles,stars}'::text[]) u;
INSERT INTO loyalty.topup_policy (program_id, unit_id) SELECT :shop, pg_temp.unit(u) FROM unnest('{balance}'::text[]) u;
CALL pg_temp.enroll('Shop', 'ann', 'bob');
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 2550, 'points', 'test', key => 'k1');
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 10, 'miles', 'test', key => 'k2');
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 30, 'balance', 'test', key => 'k3');
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 30, 'stars', 'test', key => 'k4');

-- 'points 2550 25.50; payable 74.50': what pays, and why less than was asked for.
CREATE FUNCTION pg_temp.pays(use jsonb, price numeric DEFAULT 100, shipping numeric DEFAULT 0, who text DEFAULT 'ann', at timestamptz DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(concat_ws(' ', p ->> 'unit', p ->> 'spent', p ->> 'amount', p ->> 'limited'), ', ' ORDER BY n) FILTER (WHERE p IS NOT NULL) || '; ', '') || (q ->> 'payable')
	FROM loyalty.quote(pg_temp.id(who), jsonb_build_object('items', jsonb_build_array(jsonb_build_object('sku', 'A', 'price', price)), 'shipping', shipping), NULL, use, at) q
	LEFT JOIN jsonb_array_elements((q -> 'points') || (q -> 'stored_value')) WITH ORDINALITY x (p, n) ON true
	GROUP BY q
$$;
CREATE FUNCTION pg_temp.set_unit(settings text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE loyalty.cart_unit SET minimum = 0, step = NULL, max_share = 100 WHERE unit_id = pg_temp.unit('points');
	EXECUTE 'UPDATE loyalty.cart_unit SET ' || settings || ' WHERE unit_id = pg_temp.unit(''points'')';
END
$$;

SELECT is(pg_temp.pays(NULL), '100.00', 'nothing is asked for');
SELECT is(pg_temp.pays('{}'), '100.00', 'nothing is said');
SELECT is(pg_temp.pays('{"points": null}'), '100.00', 'null');
SELECT is(pg_temp.pays('{"points": 0}'), '100.00', 'none');
SELECT is(pg_temp.pays('{"points": 500}'), 'points 500 5.00; 95.00', 'a number');
SELECT is(pg_temp.pays('{"points": 505}'), 'points 505 5.05; 94.95', 'each point is a cent');
SELECT is(pg_temp.pays('{"points": "max"}'), 'points 2550 25.50; 74.50', 'all there are');
SELECT is(pg_temp.pays('{"points": 9999}'), 'points 2550 25.50 available; 74.50', 'more than there are');
SELECT is(pg_temp.pays('{"points": "max"}', 20), 'points 2000 20.00; 0.00', 'no more than the goods cost');
SELECT is(pg_temp.pays('{"points": 2001}', 20), 'points 2000 20.00 amount; 0.00', 'nor if it is asked for');
SELECT is(pg_temp.pays('{"points": "max"}', 20, 8), 'points 2000 20.00; 8.00', 'points do not pay for shipping');
SELECT is(pg_temp.pays('{"points": "max"}', 0), 'points 0 0.00 amount; 0.00', 'nothing to be paid');
SELECT is(pg_temp.pays('{"points": "max"}', who => 'bob'), 'points 0 0.00 available; 100.00', 'who has none');

-- minimum, step, share
SELECT pg_temp.set_unit('minimum = 600') \g /dev/null
SELECT is(pg_temp.pays('{"points": 500}'), 'points 0 0.00 minimum; 100.00', 'fewer than the minimum');
SELECT is(pg_temp.pays('{"points": 600}'), 'points 600 6.00; 94.00', 'the minimum');
SELECT is(pg_temp.pays('{"points": "max"}', 5), 'points 0 0.00 minimum; 5.00', 'the goods cost less than the minimum is worth');
SELECT pg_temp.set_unit('step = 200') \g /dev/null
SELECT is(pg_temp.pays('{"points": "max"}'), 'points 2400 24.00; 76.00', 'whole steps of all there are');
SELECT is(pg_temp.pays('{"points": 599}'), 'points 400 4.00 step; 96.00', 'whole steps of what is asked for');
SELECT is(pg_temp.pays('{"points": 199}'), 'points 0 0.00 step; 100.00', 'less than a step');
SELECT is(pg_temp.pays('{"points": "max"}', 11.99), 'points 1000 10.00; 1.99', 'whole steps of what the goods cost');
SELECT pg_temp.set_unit('max_share = 12.5') \g /dev/null
-- 12.5 % of 99.99 is 12.49875
SELECT is(pg_temp.pays('{"points": 2000}', 99.99), 'points 1249 12.49 max_share; 87.50', 'a share of the goods');
SELECT is(pg_temp.pays('{"points": 2000}', 99.99, 50), 'points 1249 12.49 max_share; 137.50', 'not of shipping');
SELECT pg_temp.set_unit('max_share = 50, step = 300, minimum = 500') \g /dev/null
-- half of 15.99 is 7.99, which is 600 points
SELECT is(pg_temp.pays('{"points": "max"}', 15.99), 'points 600 6.00; 9.99', 'all of them');
SELECT is(pg_temp.pays('{"points": "max"}', 11.99), 'points 0 0.00 minimum; 11.99', 'a step that is below the minimum');
SELECT pg_temp.set_unit('max_share = 100') \g /dev/null

-- What must remain
INSERT INTO loyalty.cart_policy (program_id, min_payable) VALUES (:shop, 1);
SELECT is(pg_temp.pays('{"points": "max"}', 20), 'points 1900 19.00; 1.00', 'something remains to be paid');
SELECT is(pg_temp.pays('{"points": 2000}', 20, 8), 'points 1900 19.00 min_payable; 9.00', 'of the goods');
SELECT is(pg_temp.pays('{"points": 2000}', 0.99), 'points 0 0.00 min_payable; 0.99', 'who pays less than that pays all');
SELECT is(pg_temp.pays('{"balance": "max"}', 20), 'balance 20 20.00; 0.00', 'stored value is a payment');
UPDATE loyalty.cart_policy SET min_payable = 0;

-- An anchor that is not even: 3.0 miles are 0.10, so 0.1 mile is a third of a cent
SELECT is(pg_temp.pays('{"miles": 10}'), 'miles 9.9 0.33 rounding; 99.67', 'none are spent for nothing');
SELECT is(pg_temp.pays('{"miles": 0.2}'), 'miles 0 0.00 rounding; 100.00', 'none are spent for less than a cent');
SELECT is(pg_temp.pays('{"miles": "max"}', 0.11), 'miles 3.3 0.11; 0.00', 'the fewest that pay it all');
SELECT is(pg_temp.pays('{"miles": 10}', at => '2026-03-09 12:00+08'), 'miles 0 0.00 no_anchor; 100.00', 'before they were worth anything');
SELECT is(pg_temp.pays('{"stars": 10}'), 'stars 0 0.00 no_anchor; 100.00', 'never worth anything');

-- Several, stored value last, for goods and shipping
SELECT is(pg_temp.pays('{"balance": "max", "points": 2500, "miles": 3}', 50, 8), 'points 2500 25.00, miles 3 0.10, balance 30 30.00; 2.90', 'in their order');
SELECT is(pg_temp.pays('{"balance": 30, "points": 2500, "miles": 3}', 25, 8), 'points 2500 25.00, miles 0 0.00 amount, balance 8 8.00 amount; 0.00', 'what is left to be paid');
SELECT is(pg_temp.pays('{"balance": 40}', 50), 'balance 30 30.00 available; 20.00', 'no more than there is');

-- Refused
SELECT is(pg_temp.raised(format('SELECT loyalty.quote(pg_temp.id(''ann''), ''{"items": [{"sku": "A", "price": 1}]}'', use => %L)', use)), refusal, use)
FROM (VALUES
	('[]', 'LY224 use must be a json object'),
	('{"points": "all"}', 'LY224 use.points must be a number or "max"'),
	('{"points": true}', 'LY224 use.points must be a number or "max"'),
	('{"points": -1}', 'LY101 points=-1 decimals=0'),
	('{"points": 0.5}', 'LY103 points=0.5 decimals=0'),
	('{"points": 1e30}', 'LY102 points=1000000000000000000000000000000 decimals=0'),
	('{"crowns": 1}', 'LY105 unit=crowns'),
	('{"spend": 1}', 'LY106 unit=spend does not pay for carts')
) x (use, refusal);

SELECT is_empty('SELECT * FROM loyalty.verify()', 'verify()');
SELECT * FROM finish();
ROLLBACK;
