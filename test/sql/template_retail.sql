\set ECHO none
\i test/prelude.sql
SELECT plan(40);

-- A year of a shop, with what template retail has put there and nothing else. All
-- figures are worked out by hand from doc/program.md.
SET LOCAL loyalty.now = '2026-01-05 09:00+08';
SELECT loyalty.program_create('shop', 'CNY', 'Asia/Shanghai', 'retail') AS shop \gset
CREATE PROCEDURE pg_temp.go(at timestamptz) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('loyalty.now', at::text, true);
	CALL loyalty.maintain('1 hour');
END
$$;
CREATE FUNCTION pg_temp.tier_of(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT tier FROM loyalty.tier_current(pg_temp.id(name))
$$;
-- 'ten, five': coupons that are held and not used
CREATE FUNCTION pg_temp.coupons(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(c.name, ', ' ORDER BY c.name COLLATE "C"), 'none')
	FROM loyalty.member_coupon m JOIN loyalty.coupon c USING (coupon_id)
	WHERE m.member_id = pg_temp.id($1) AND m.status = 'issued' AND m.uses = 0
	AND m.valid_until >= (loyalty.now() AT TIME ZONE 'Asia/Shanghai')::date
$$;
CREATE FUNCTION pg_temp.messages(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(template, ', ' ORDER BY message_id), 'none') FROM loyalty.message WHERE member_id = pg_temp.id($1)
$$;
CREATE FUNCTION pg_temp.goods(price numeric, shipping numeric DEFAULT 0) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_object('items', jsonb_build_array(jsonb_build_object('sku', 'A', 'price', price)), 'shipping', shipping)
$$;

SELECT is((SELECT string_agg(code, ' ' ORDER BY rank) FROM loyalty.tier WHERE program_id = :shop), 'ordinary silver gold diamond', 'four tiers');
SELECT is((SELECT count(*) FROM loyalty.automation WHERE program_id = :shop AND status = 'live'), 14::bigint, 'fourteen automations are live');

-- Joining brings 100 points at once, and the welcome pack with the next round.
SELECT FROM loyalty.enroll('shop', '{"customer_no": "ann"}', '{"birthday": "1990-06-15"}');
SELECT FROM loyalty.consent_give(pg_temp.id('ann'), 'marketing', evidence => 'form');
SELECT is(pg_temp.balance('ann'), '100 available', 'joining: 100 points');
CALL pg_temp.go('2026-01-05 10:30+08');
SELECT is(pg_temp.coupons('ann'), 'free_shipping, newcomer', 'the welcome pack');

-- 80 and 12 for shipping: 10 off, and no shipping. A point for each of 70.
CALL pg_temp.go('2026-01-06 12:00+08');
SELECT is((SELECT q ->> 'payable' FROM loyalty.quote(pg_temp.id('ann'), pg_temp.goods(80, 12), best => true) q), '70.00', 'the first order: 10 off, no shipping');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.checkout(pg_temp.id('ann'), pg_temp.goods(80, 12), 'o1', expect => 70, best => true) r),
	'1 orders, 70 points, 70 spend', 'a point for each whole yuan that was paid');
CALL pg_temp.go('2026-01-06 12:05+08');
SELECT is(pg_temp.coupons('ann'), 'come_again', 'a coupon to come again');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'check_in') r), '5 points', 'a check-in');
SELECT throws_ok(format('SELECT loyalty.record(%s, ''check_in'')', pg_temp.id('ann')), 'LY405', NULL, 'once a day');

-- 180 - 20
CALL pg_temp.go('2026-01-20 12:00+08');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.checkout(pg_temp.id('ann'), pg_temp.goods(180), 'o2', expect => 160, best => true) r),
	'1 orders, 160 points, 160 spend', 'she came again');
SELECT is(pg_temp.balance('ann'), '335 available', '100 + 70 + 5 + 160');

-- The eighth: twice the points. 70 + 160 + 800 = 1,030 make her silver.
CALL pg_temp.go('2026-02-08 20:00+08');
SELECT is((SELECT pg_temp.moved(r) || ', ' || r.tier_after FROM loyalty.purchase(pg_temp.id('ann'), 800, 'o3') r),
	'1 orders, 1600 points, 800 spend, silver', 'members'' day: double points; silver from 1,000 on');
CALL pg_temp.go('2026-04-10 12:00+08');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('ann'), 100, 'o4') r), '1 orders, 120 points, 100 spend', 'silver: 1.2 times');

-- Her birthday: a coupon, and double points: 100 x 1.2 x 2
CALL pg_temp.go('2026-06-15 10:30+08');
SELECT is(pg_temp.coupons('ann'), 'birthday', 'a coupon for the birthday');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.checkout(pg_temp.id('ann'), pg_temp.goods(130), 'o5', expect => 100, best => true) r),
	'1 orders, 240 points, 100 spend', 'on the birthday: 30 off 130, double points');
SELECT is(pg_temp.balance('ann'), '2295 available', '335 + 1,600 + 120 + 240');

-- 1,000 points for a coupon of 10
CALL pg_temp.go('2026-06-16 12:00+08');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.coupon_buy(pg_temp.id('ann'), 'points_ten', 'c1') r), '-1000 points', 'a coupon for points');

-- 1,230 + 2,000 make her gold: 10 % off, half of the cart by points, none for those.
CALL pg_temp.go('2026-07-01 12:00+08');
SELECT is((SELECT pg_temp.moved(r) || ', ' || r.tier_after FROM loyalty.purchase(pg_temp.id('ann'), 2000, 'o6') r),
	'1 orders, 2400 points, 2000 spend, gold', 'gold from 3,000 on');
SELECT is(pg_temp.balance('ann'), '3695 available', '2,295 - 1,000 + 2,400');
SELECT ok(loyalty.has_benefit(pg_temp.id('ann'), 'priority_shipping') AND NOT loyalty.has_benefit(pg_temp.id('ann'), 'presale'),
	'gold is shipped first, and has no presale');
CALL pg_temp.go('2026-07-02 12:00+08');
SELECT is((SELECT concat_ws(' ', q ->> 'price', q ->> 'total', q ->> 'payable') FROM loyalty.quote(pg_temp.id('ann'), pg_temp.goods(200), use => '{"points": "max"}') q),
	'180.00 180.00 144.00', '3,600 of the points pay 36.00, in whole hundreds');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.checkout(pg_temp.id('ann'), pg_temp.goods(200), 'o7', use => '{"points": "max"}', expect => 144) r),
	'1 orders, -3384 points, 180 spend', '3,600 points spent, 144 x 1.5 = 216 earned');
SELECT is(pg_temp.balance('ann'), '311 available', '3,695 - 3,384');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.refund(pg_temp.id('ann'), 'o7') r), '-1 orders, 3384 points, -180 spend', 'all of it comes back');
SELECT is(pg_temp.balance('ann') || ', ' || pg_temp.tier_of('ann'), '3695 available, gold', 'she stays gold');

-- Four times shared, three times 5; 200 for a friend; a profile once
SELECT is((SELECT sum((r.postings[1]).amount) FROM generate_series(1, 4) n CROSS JOIN LATERAL loyalty.record(pg_temp.id('ann'), 'share', key => 's' || n) r),
	15::numeric, 'sharing: 15 a day at most');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'referral', key => 'f1') r), '200 points', 'a referral');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'profile_complete', key => 'p1') r), '50 points', 'a complete profile');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'profile_complete', key => 'p2') r), 'nothing', 'once');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'review', data => '{"target": "A"}', key => 'r1') r), '20 points', 'a review');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'review', data => '{"target": "A"}', key => 'r2') r), 'nothing', 'of a product once');

-- 90 days later: 15 % to win her back, and double points. 200 - 10 % - 15 % = 153; 153 x 1.5 = 229.5, and that again
CALL pg_temp.go('2026-09-30 10:30+08');
SELECT is(pg_temp.coupons('ann'), 'recall', 'recalled after 90 days; the coupon for points is over since 13 September');
CALL pg_temp.go('2026-10-05 12:00+08');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.checkout(pg_temp.id('ann'), pg_temp.goods(200), 'o8', expect => 153, best => true) r),
	'1 orders, 458 points, 153 spend', 'won back');
SELECT is(pg_temp.balance('ann'), '4438 available', '3,695 + 15 + 200 + 50 + 20 + 458');

-- issued 100 + 70 + 5 + 160 + 1,600 + 120 + 240 + 2,400 + 216 + 15 + 200 + 50 + 20 + 458, less 216 that were
-- taken back; spent 1,000 and 3,600, of which 3,600 came back
SELECT results_eq($$SELECT opening, issued, spent, expired, closing FROM loyalty.report_points('shop', '2026-01-01', '2026-12-31')$$,
	'VALUES (0::numeric, 5438::numeric, 1000::numeric, 0::numeric, 4438::numeric)', 'the points of the year');

-- Of those of February 935 were left: 335 + 1,600 - 1,000. They are good until 28 February.
CALL pg_temp.go('2027-01-29 10:30+08');
SELECT ok(pg_temp.messages('ann') LIKE '%points_expiring%', 'told of it 30 days before');
CALL pg_temp.go('2027-03-01 10:30+08');
SELECT is(pg_temp.balance('ann'), '3503 available', '935 have lapsed');

-- Gold from 1 July 2026 to 30 June 2027: 153 since then are no 1,500. 30 days of grace, then silver.
CALL pg_temp.go('2027-07-01 10:30+08');
SELECT is((SELECT tier || ' ' || tier_state FROM loyalty.tier_current(pg_temp.id('ann'))), 'gold grace', 'a year is over: grace');
CALL pg_temp.go('2027-07-31 10:30+08');
SELECT is(pg_temp.tier_of('ann'), 'silver', 'one level down');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
