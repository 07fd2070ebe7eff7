\set ECHO none
\i test/prelude.sql
SELECT plan(16);

-- 20:00 in Shanghai. Who has spent 40 is gold.
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
SELECT loyalty.program_create('Empty', 'JPY', 'Asia/Tokyo');
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:shop, 'base', 0), (:shop, 'gold', 1);
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, window_kind)
SELECT :shop, t.tier_id, u.unit_id, 40, 'lifetime' FROM loyalty.tier t, loyalty.unit u WHERE t.code = 'gold' AND u.program_id = :shop AND u.code = 'spend';
SELECT pg_temp.coupon('{"program": "Shop", "name": "ten", "title": "Ten off", "kind": "amount", "amount": 10, "claimable": true, "claims": 5, "valid_days": 7}');
SELECT pg_temp.coupon('{"program": "Shop", "name": "five", "kind": "amount", "amount": 5, "valid_days": 30}');
SELECT pg_temp.coupon('{"program": "Shop", "name": "tea", "kind": "amount", "amount": 3, "automatic": true, "item_filter": "$.category == \"tea\""}');
SELECT pg_temp.coupon('{"program": "Shop", "name": "old", "kind": "amount", "amount": 1, "status": "inactive"}');
SELECT code AS code FROM loyalty.coupon_generate('Shop', 'five', 3) code LIMIT 1 \gset
CALL pg_temp.enroll('Shop', 'ann', 'bob');
CREATE FUNCTION pg_temp.held(name text, coupon text, place int) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT '#' || m.coupon_no FROM loyalty.member_coupon m JOIN loyalty.coupon c USING (coupon_id)
	WHERE m.member_id = pg_temp.id($1) AND c.name = $2 ORDER BY m.coupon_no OFFSET $3 - 1 LIMIT 1
$$;

-- The 15th: ann claims two, bob one; each is given another
SELECT FROM loyalty.coupon_claim(pg_temp.id('ann'), 'ten', 'c1');
SELECT FROM loyalty.coupon_claim(pg_temp.id('ann'), 'ten', 'c2');
SELECT FROM loyalty.coupon_claim(pg_temp.id('bob'), 'ten', 'c3');
SELECT FROM loyalty.coupon_issue(pg_temp.id('bob'), 'ten', 'i1');
SELECT FROM loyalty.coupon_issue(pg_temp.id('ann'), 'five', 'i2');
-- The 16th: 60 less 3 and 10 is 47 on the web; 80 less 10 is 70 in the shop, which
-- is told afterwards. What bob was given is made void.
SET loyalty.now = '2026-03-16 12:00+00';
SELECT FROM loyalty.checkout(pg_temp.id('ann'), '{"items": [{"sku": "T", "category": "tea", "price": 60}], "channel": "web", "store": "S1"}', 'o1', ARRAY[pg_temp.held('ann', 'ten', 1)]);
SELECT FROM loyalty.coupon_use(pg_temp.id('ann'), pg_temp.held('ann', 'ten', 2), 'o2', 10, '{"channel": "shop", "store": "S2"}');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 70, 'o2', data => '{"channel": "shop", "store": "S2"}');
SELECT FROM loyalty.coupon_void(pg_temp.id('bob'), substr(pg_temp.held('bob', 'ten', 2), 2)::bigint, 'by mistake');
-- The 17th: bob has a code; another order of his is returned the day after
SET loyalty.now = '2026-03-17 12:00+00';
SELECT FROM loyalty.coupon_use(pg_temp.id('bob'), :'code', 'o3', 5, '{"channel": "web"}');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 95, 'o3', data => '{"channel": "web"}');
SELECT FROM loyalty.checkout(pg_temp.id('bob'), '{"items": [{"sku": "B", "price": 50}], "channel": "web"}', 'o4', ARRAY[pg_temp.held('bob', 'ten', 1)]);
SET loyalty.now = '2026-03-18 12:00+00';
SELECT FROM loyalty.refund(pg_temp.id('bob'), 'o4');
SELECT FROM loyalty.coupon_issue(pg_temp.id('bob'), 'five', 'i3');
SELECT FROM loyalty.checkout_reserve(pg_temp.id('bob'), '{"items": [{"sku": "B", "price": 50}], "channel": "web"}', 'o5', ARRAY[pg_temp.held('bob', 'five', 1)], ttl => '1 hour');

SELECT is(pg_temp.signature('report_coupon_funnel'),
	'(program text, since date, until date, by text DEFAULT NULL::text)'
	' -> TABLE(part text, coupon text, title text, kind text, automatic boolean, issued bigint, claimed bigint, reserved bigint, used bigint, codes bigint, returned bigint, expired bigint, void bigint, discount numeric, sales numeric, rate numeric, currency text)',
	'report_coupon_funnel(): arguments');
CREATE VIEW pg_temp.march AS SELECT * FROM loyalty.report_coupon_funnel('Shop', '2026-03-01', '2026-03-31');
SELECT results_eq($$SELECT coupon, reserved FROM march ORDER BY coupon$$, $$VALUES ('five', 1::bigint), ('tea', 0), ('ten', 0)$$,
	'what is reserved now');
-- One of bob's is left, and was good up to the 21st
SET loyalty.now = '2026-03-21 15:59+00';
SELECT results_eq($$SELECT expired, reserved FROM march WHERE coupon IN ('ten', 'five')$$, $$VALUES (0::bigint, 0::bigint), (0, 0)$$,
	'a reservation that has timed out is none; the last day is a day of use');
SET loyalty.now = '2026-03-21 16:00+00';
SELECT results_eq(
	$$SELECT part, coupon, title, kind, automatic, issued, claimed, reserved, used, codes, returned, expired, void, discount, sales, rate, currency FROM march$$,
	$$VALUES (NULL, 'five', NULL, 'amount', false, 2::bigint, 0::bigint, 0::bigint, 1::bigint, 1::bigint, 0::bigint, 0::bigint, 0::bigint, 5.00, 95.00, 0.0000, 'CNY'),
	         (NULL, 'tea', NULL, 'amount', true, 0, 0, 0, 1, 0, 0, 0, 0, 3.00, 47.00, NULL, 'CNY'),
	         (NULL, 'ten', 'Ten off', 'amount', false, 3, 3, 0, 2, 0, 1, 1, 1, 20.00, 117.00, 0.6667, 'CNY')$$,
	'the funnel of a month; what is inactive and was not used is not there');
SELECT results_eq(
	$$SELECT coupon, issued, used, returned, expired, void, discount, sales, rate FROM loyalty.report_coupon_funnel('Shop', '2026-03-17', '2026-03-17')$$,
	$$VALUES ('five', 0::bigint, 1::bigint, 0::bigint, 0::bigint, 0::bigint, 5.00, 95.00, NULL::numeric), ('tea', 0, 0, 0, 0, 0, 0, 0, NULL),
	         ('ten', 0, 0, 1, 0, 0, 0, 0, NULL)$$,
	'one day: by the day of issue, of use, and the last day of use');
SELECT results_eq(
	$$SELECT part, coupon, issued, used, returned, expired, void, discount, sales FROM loyalty.report_coupon_funnel('Shop', '2026-03-01', '2026-03-31', 'channel')$$,
	$$VALUES (NULL, 'five', 2::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0.00, 0.00), (NULL, 'ten', 3, 0, 0, 1, 1, 0, 0),
	         ('shop', 'ten', 0, 1, 0, 0, 0, 10, 70), ('web', 'five', 0, 1, 0, 0, 0, 5, 95),
	         ('web', 'tea', 0, 1, 0, 0, 0, 3, 47), ('web', 'ten', 0, 1, 1, 0, 0, 10, 47)$$,
	'by channel: claims have none');
SELECT results_eq(
	$$SELECT part, coupon, used, sales FROM loyalty.report_coupon_funnel('Shop', '2026-03-01', '2026-03-31', 'store') WHERE used > 0$$,
	$$VALUES (NULL, 'five', 1::bigint, 95.00), ('S1', 'tea', 1, 47), ('S1', 'ten', 1, 47), ('S2', 'ten', 1, 70)$$, 'by store');
SELECT results_eq(
	$$SELECT part, coupon, issued, used, returned, void, discount, sales, rate FROM loyalty.report_coupon_funnel('Shop', '2026-03-01', '2026-03-31', 'tier')$$,
	$$VALUES ('base', 'five', 1::bigint, 1::bigint, 0::bigint, 0::bigint, 5.00, 95.00, 0.0000), ('base', 'tea', 0, 1, 0, 0, 3, 47, NULL),
	         ('base', 'ten', 3, 1, 0, 1, 10, 47, 0.6667), ('gold', 'five', 1, 0, 0, 0, 0, 0, 0.0000), ('gold', 'ten', 0, 1, 1, 0, 10, 70, NULL)$$,
	'by tier: as the call found it');
-- A part of an order goes back, and the discount with it as far as it was of the part
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'o1', 47, refund_ref => 'r1');
SELECT results_eq($$SELECT coupon, used, returned, discount, sales FROM march$$,
	$$VALUES ('five', 1::bigint, 0::bigint, 5.00, 95.00), ('tea', 0, 1, 0, 0), ('ten', 1, 2, 10, 70)$$,
	'what is refunded wholly is given back');

SELECT is_empty($$SELECT * FROM loyalty.report_coupon_funnel('Empty', '2026-03-01', '2026-03-31')$$, 'an empty programme');
SELECT results_eq($$SELECT DISTINCT issued + used + expired, sales, rate FROM loyalty.report_coupon_funnel('Shop', '2030-01-01', '2030-12-31')$$,
	$$VALUES (0::bigint, 0.00, NULL::numeric)$$, 'the future: nothing');
SELECT throws_ok($$SELECT * FROM loyalty.report_coupon_funnel('Nowhere', '2026-03-01', '2026-03-31')$$, 'LY403', NULL, 'an unknown programme');
SELECT throws_ok($$SELECT * FROM loyalty.report_coupon_funnel('Shop', '2026-03-31', '2026-03-01')$$, '22023', NULL, 'the wrong way round');
SELECT throws_ok($$SELECT * FROM loyalty.report_coupon_funnel('Shop', '2026-03-01', NULL)$$, '22004', NULL, 'no end');
SELECT throws_ok($$SELECT * FROM loyalty.report_coupon_funnel('Shop', '2026-03-01', '2026-03-31', 'colour')$$, '22023', NULL, 'by what there is not');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
