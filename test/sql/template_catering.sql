\set ECHO none
\i test/prelude.sql
SELECT plan(32);

-- A guest of a restaurant, with what template catering has put there and nothing else.
-- All figures are worked out by hand from doc/program.md.
SELECT loyalty.program_create('bistro', 'CNY', 'Asia/Shanghai', 'catering') AS bistro \gset
CREATE PROCEDURE pg_temp.go(at timestamptz) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('loyalty.now', at::text, true);
	CALL loyalty.maintain('1 hour');
END
$$;
CREATE FUNCTION pg_temp.meal(price numeric, channel text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_object('items', jsonb_build_array(jsonb_build_object('sku', 'M', 'price', price)), 'channel', channel)
$$;
CREATE FUNCTION pg_temp.coupons(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(c.name, ', ' ORDER BY c.name COLLATE "C"), 'none')
	FROM loyalty.member_coupon m JOIN loyalty.coupon c USING (coupon_id)
	WHERE m.member_id = pg_temp.id($1) AND m.status = 'issued' AND m.uses = 0
	AND m.valid_until >= (loyalty.now() AT TIME ZONE 'Asia/Shanghai')::date
$$;

-- Who orders is a member: 50 points for that, and at the table twice 60.
SET LOCAL loyalty.now = '2026-04-06 19:00+08';
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.sale('bistro', '{"customer_no": "ann"}', 60, 'o1', data => '{"channel": "dine_in"}') r),
	'1 orders, 120 points, 60 spend', 'ordering is joining; double points at the table');
SELECT FROM loyalty.consent_give(pg_temp.id('ann'), 'marketing', evidence => 'form');
SELECT is(pg_temp.balance('ann'), '170 available', '50 for joining');
CALL pg_temp.go('2026-04-06 19:05+08');
SELECT is(pg_temp.coupons('ann'), 'next_visit', 'a coupon for the next visit');

-- 500 brings 50, and 100 points
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.topup(pg_temp.id('ann'), 500, 'pay-1') r), '550 card, 100 points', '500 brings 50');
SELECT results_eq(format('SELECT principal, bonus FROM loyalty.topup_balance(%s)', pg_temp.id('ann')), 'VALUES (500.00, 50.00)', 'kept apart');

-- Tuesday at noon: 15 % off 100, then 10, and the card pays 75: 75 x 50 / 550 = 6.81 of it are bonus.
CALL pg_temp.go('2026-04-07 12:00+08');
SELECT is((SELECT concat_ws(' ', q ->> 'discount', q ->> 'total', q ->> 'payable')
	FROM loyalty.quote(pg_temp.id('ann'), pg_temp.meal(100, 'dine_in'), use => '{"card": "max"}', best => true) q), '25.00 75.00 0.00', 'lunch');
SELECT is((SELECT q ->> 'total' FROM loyalty.quote(pg_temp.id('ann'), pg_temp.meal(100, 'delivery'), best => true) q), '90.00', 'lunch is at the table only');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.checkout(pg_temp.id('ann'), pg_temp.meal(100, 'dine_in'), 'o2', use => '{"card": "max"}', best => true) r),
	'-75 card, 1 orders, 150 points, 75 spend', 'paid by card');
SELECT results_eq(format('SELECT principal, bonus FROM loyalty.topup_balance(%s)', pg_temp.id('ann')), 'VALUES (431.81, 43.19)', 'by proportion');
SELECT is((SELECT q ->> 'total' FROM loyalty.quote(pg_temp.id('ann'), pg_temp.meal(100, 'dine_in'), at => '2026-04-11 12:00+08') q), '100.00', 'no lunch on Saturday');
SELECT is((SELECT q ->> 'total' FROM loyalty.quote(pg_temp.id('ann'), pg_temp.meal(100, 'dine_in'), at => '2026-04-08 14:00+08') q), '100.00', 'nor from two o''clock on');

-- Eight deliveries of 30; the tenth order of all brings a drink.
SELECT is((SELECT sum(jsonb_array_length(r.messages)) FROM generate_series(1, 7) n,
	loyalty.purchase(pg_temp.id('ann'), 30, 'd' || n, data => '{"channel": "delivery"}') r), NULL, 'nine orders, no drink yet');
SELECT is((SELECT vouchers FROM loyalty.benefits(pg_temp.id('ann')) WHERE name = 'tenth_drink'), 0, 'none');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 30, 'd8', data => '{"channel": "delivery"}');
SELECT is((SELECT vouchers FROM loyalty.benefits(pg_temp.id('ann')) WHERE name = 'tenth_drink'), 1, 'a drink for ten visits');
SELECT lives_ok(format('SELECT loyalty.benefit_use(%s, ''tenth_drink'', ''v1'')', pg_temp.id('ann')), 'which is drunk');
SELECT is(pg_temp.balance('ann'), '660 available', '170 + 100 + 150 + 8 x 30');

-- 60 + 75 + 240 + 700 = 1,075
CALL pg_temp.go('2026-04-18 19:00+08');
SELECT is((SELECT pg_temp.moved(r) || ', ' || r.tier_after FROM loyalty.purchase(pg_temp.id('ann'), 700, 'o3', data => '{"channel": "dine_in"}') r),
	'1 orders, 1400 points, 700 spend, regular', 'a regular from 1,000 on');
-- 20 - 5 % = 19.00 are 1,900 of 2,060 points, and earn none
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.checkout(pg_temp.id('ann'), pg_temp.meal(20, 'delivery'), 'o4', use => '{"points": "max"}', expect => 0) r),
	'1 orders, -1900 points, 19 spend', 'points pay all of it');
SELECT is(pg_temp.balance('ann'), '160 available', '2,060 - 1,900');
-- 50 x 1.2 x 2
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('ann'), 50, 'o5', data => '{"channel": "dine_in"}') r),
	'1 orders, 120 points, 50 spend', 'a regular at the table');

-- 1,000 brings 120, 300 points and a delivery
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.topup(pg_temp.id('ann'), 1000, 'pay-2') r), '1120 card, 300 points', '1,000 brings 120');
SELECT is((SELECT vouchers FROM loyalty.benefits(pg_temp.id('ann')) WHERE name = 'free_delivery'), 1, 'and a free delivery');
-- 550 - 75 + 1,120
SELECT is((SELECT worth || ' ' || liability FROM loyalty.report_liability('bistro') WHERE unit = 'card'), '1595.00 1595.00', 'what is on cards is owed, one for one');
SELECT is((SELECT sum(worth) FROM loyalty.report_balance WHERE unit = 'card'), 1595.00, 'and worth that');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.topup_refund(pg_temp.id('ann'), 'pay-2', refund_ref => 'back-2') r), '-1120 card, -300 points', 'paid back, with what it brought');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'review', key => 'r1') r), '20 points', 'a review');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'review', key => 'r2') r), 'nothing', 'one a day');
SELECT is(pg_temp.balance('ann'), '300 available', '160 + 120 + 20');
SELECT is(pg_temp.lots('ann'), '200 e until 2027-12-31, 100 b until 2027-12-31', 'good to the end of next year');

-- 45 days later
CALL pg_temp.go('2026-06-02 10:30+08');
SELECT is(pg_temp.coupons('ann'), 'recall', 'recalled');
SELECT is((SELECT tag FROM loyalty.member_tag JOIN loyalty.tag t ON t.program_id = :bistro AND t.name = tag WHERE member_id = pg_temp.id('ann') AND t.dimension = 'lifecycle'),
	'churn_warning', 'and her stage says so');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
