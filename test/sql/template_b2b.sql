\set ECHO none
\i test/prelude.sql
SELECT plan(27);

-- Two business customers of a wholesaler, with what template b2b has put there and
-- nothing else. All figures are worked out by hand from doc/program.md.
SET LOCAL loyalty.now = '2026-02-02 10:00+08';
SELECT loyalty.program_create('trade', 'CNY', 'Asia/Shanghai', 'b2b') AS trade \gset
CREATE PROCEDURE pg_temp.go(at timestamptz) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('loyalty.now', at::text, true);
	CALL loyalty.maintain('1 hour');
END
$$;
CREATE FUNCTION pg_temp.goods(pieces int, price numeric, shipping numeric DEFAULT 0) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_object('items', jsonb_build_array(jsonb_build_object('sku', 'G', 'qty', pieces, 'price', price)), 'shipping', shipping)
$$;
CREATE FUNCTION pg_temp.messages(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT string_agg(template, ', ' ORDER BY message_id) FROM loyalty.message WHERE member_id = pg_temp.id($1)
$$;

CALL pg_temp.enroll('trade', 'acme', 'bolt');
SELECT FROM unnest('{acme,bolt}'::text[]) n, loyalty.consent_give(pg_temp.id(n), 'marketing', evidence => 'contract');
CALL pg_temp.go('2026-02-02 10:30+08');

-- 200 pieces at 300, freight 500: 2 % off 60,000, freight free, then 5 % but 500 at most
SELECT is((SELECT concat_ws(' ', q ->> 'price', q ->> 'discount', q ->> 'total') FROM loyalty.quote(pg_temp.id('acme'), pg_temp.goods(200, 300, 500), best => true) q),
	'60000.00 2200.00 58300.00', 'the first order: 1,200 by quantity, 500 freight, 500 coupon');
SELECT is((SELECT concat_ws(' ', q ->> 'discount', q ->> 'total') FROM loyalty.quote(pg_temp.id('acme'), pg_temp.goods(500, 8, 500)) q),
	'160.00 4340.00', '4 % from 500 pieces; freight is free from 5,000 on');
SELECT is((SELECT pg_temp.moved(r) || ', ' || r.tier_after FROM loyalty.checkout(pg_temp.id('acme'), pg_temp.goods(200, 300, 500), 'inv-1', expect => 58300, best => true) r),
	'1 orders, 583 points, 58300 spend, silver', '1 % credit; silver from 50,000 on');
SELECT is((SELECT tier_until FROM loyalty.tier_current(pg_temp.id('acme'))), '2027-12-31', 'to the end of next year');
SELECT is(pg_temp.balance('acme'), '583 pending', 'credit waits for the invoice');
SELECT throws_ok(format('SELECT loyalty.purchase(%s, 100, ''inv-1'')', pg_temp.id('bolt')), 'LY003', NULL, 'an invoice belongs to one customer');
SELECT ok(loyalty.has_benefit(pg_temp.id('acme'), 'net_30') AND NOT loyalty.has_benefit(pg_temp.id('acme'), 'net_60')
	AND NOT loyalty.has_benefit(pg_temp.id('bolt'), 'net_30'), 'silver has 30 days to pay');
SELECT lives_ok(format('SELECT loyalty.benefit_use(%s, ''samples'', ''s'' || n) FROM generate_series(1, 2) n', pg_temp.id('acme')), 'two samples');
SELECT throws_ok(format('SELECT loyalty.benefit_use(%s, ''samples'', ''s3'')', pg_temp.id('acme')), 'LY411', NULL, 'no third one');

-- 30 days later. 150,000 - 5 % = 142,500, - 2 % = 139,650; 583 of it by credit
CALL pg_temp.go('2026-03-03 10:30+08');
SELECT is(pg_temp.balance('acme'), '583 pending', 'the 29th day');
CALL pg_temp.go('2026-03-04 10:30+08');
SELECT is(pg_temp.balance('acme'), '583 available', 'the 30th');
SELECT is((SELECT concat_ws(' ', q ->> 'list', q ->> 'price', q ->> 'total', q ->> 'payable')
	FROM loyalty.quote(pg_temp.id('acme'), pg_temp.goods(100, 1500), use => '{"points": "max"}') q), '150000.00 142500.00 139650.00 139067.00', 'silver price');
SELECT is((SELECT string_agg(amount || ' ' || unit, ', ' ORDER BY n) FROM loyalty.checkout(pg_temp.id('acme'), pg_temp.goods(100, 1500), 'inv-2', use => '{"points": "max"}') r,
	unnest(r.postings) WITH ORDINALITY AS p (unit, amount, balance_after, vests_on, expires_on, n)),
	'-583 points, 1390 points, 139650.00 spend, 1 orders', 'what credit paid earns no credit');
CALL pg_temp.go('2026-03-04 10:35+08');
SELECT ok(pg_temp.messages('acme') LIKE '%near_upgrade%', '2,050 short of gold');

-- 197,950 + 2,850 = 200,800
CALL pg_temp.go('2026-04-10 10:30+08');
SELECT is((SELECT pg_temp.moved(r) || ', ' || r.tier_after FROM loyalty.checkout(pg_temp.id('acme'), pg_temp.goods(10, 300), 'inv-3') r),
	'1 orders, 28 points, 2850 spend, gold', 'gold from 200,000 on');
SELECT ok(loyalty.has_benefit(pg_temp.id('acme'), 'net_60') AND loyalty.has_benefit(pg_temp.id('acme'), 'account_manager'), '60 days and a manager');
SELECT lives_ok(format('SELECT loyalty.benefit_use(%s, ''samples'', ''s'' || n) FROM generate_series(3, 4) n', pg_temp.id('acme')), 'two samples more');
SELECT throws_ok(format('SELECT loyalty.benefit_use(%s, ''samples'', ''s5'')', pg_temp.id('acme')), 'LY411', NULL, 'four a year');
-- 1,000 - 10 %; 9 x 1.5 = 13.5
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.checkout(pg_temp.id('acme'), pg_temp.goods(1, 1000), 'inv-4') r), '1 orders, 13 points, 900 spend', 'gold price, 1.5 %');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('acme'), 'referral', key => 'f1') r), '200 points', 'a referral: 200');

-- 60 days without an order
CALL pg_temp.go('2026-06-09 10:30+08');
SELECT is((SELECT string_agg(c.name, ', ') FROM loyalty.member_coupon m JOIN loyalty.coupon c USING (coupon_id) WHERE m.member_id = pg_temp.id('acme') AND m.uses = 0),
	'reorder', '200 off 5,000');

-- 2027: 60,000 are no 200,000. Warned 60 days before the end, then silver, for which they are enough.
CALL pg_temp.go('2027-05-10 10:30+08');
SELECT is(pg_temp.balance('acme'), '1631 available', '1,390 + 28 + 13 + 200');
SELECT FROM loyalty.purchase(pg_temp.id('acme'), 60000, 'inv-5');
CALL pg_temp.go('2027-10-31 10:30+08');
SELECT ok(pg_temp.messages('acme') NOT LIKE '%tier_at_risk%', 'not warned yet');
CALL pg_temp.go('2027-11-01 10:30+08');
SELECT ok(pg_temp.messages('acme') LIKE '%tier_at_risk%', 'warned');
CALL pg_temp.go('2028-01-01 10:30+08');
SELECT is((SELECT tier FROM loyalty.tier_current(pg_temp.id('acme'))), 'silver', 'one level down');
-- 600 x 1.5 of 2027 stay
SELECT is(pg_temp.balance('acme'), '900 available', 'the credit of 2026 has lapsed');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
