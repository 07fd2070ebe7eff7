\set ECHO none
\i test/prelude.sql
SELECT plan(19);

-- Coupons as a gift with a top-up: 500 bring a pack of two meals and a tea.
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:shop, 'card', 'money', 2);
SELECT unit_id AS card FROM loyalty.unit WHERE code = 'card' \gset
INSERT INTO loyalty.topup_policy (unit_id, program_id) VALUES (:card, :shop);
INSERT INTO loyalty.coupon (program_id, name, kind, amount) VALUES (:shop, 'meal', 'amount', 20), (:shop, 'tea', 'amount', 5);
INSERT INTO loyalty.coupon_pack (program_id, name, coupon_id, quantity)
SELECT :shop, 'welcome', coupon_id, CASE name WHEN 'meal' THEN 2 ELSE 1 END FROM loyalty.coupon;
INSERT INTO loyalty.topup_step (program_id, unit_id, step_from, pack) VALUES (:shop, :card, 500, 'welcome');
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan');
-- 'meal issued, meal issued, tea void'
CREATE FUNCTION pg_temp.coupons(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(c.name || ' ' || m.status, ', ' ORDER BY c.name, m.status), 'none')
	FROM loyalty.member_coupon m JOIN loyalty.coupon c USING (coupon_id) WHERE m.member_id = pg_temp.id($1)
$$;
CREATE FUNCTION pg_temp.codes(r loyalty.receipt) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT string_agg(concat_ws(' ', m ->> 'code', m ->> 'coupon', m ->> 'pack'), ', ' ORDER BY place) FROM jsonb_array_elements((r).messages) WITH ORDINALITY x (m, place)
$$;

SELECT throws_ok(format($$INSERT INTO loyalty.topup_step (program_id, unit_id, step_from, pack) VALUES (%s, %s, 9, 'unknown')$$, :shop, :card), '23503', NULL, 'a pack that there is not');
SELECT is(r.status || ': ' || pg_temp.codes(r), 'dry: coupon_issued meal, coupon_issued meal, coupon_issued tea', 'what would be given')
FROM loyalty.topup(pg_temp.id('ann'), 500, 'pay-1', mode => 'dry') r;
SELECT is(pg_temp.coupons('ann'), 'none', 'and was not');
SELECT is(pg_temp.codes(r), 'coupon_issued meal, coupon_issued meal, coupon_issued tea', 'given') FROM loyalty.topup(pg_temp.id('ann'), 500, 'pay-1') r;
SELECT is(pg_temp.coupons('ann'), 'meal issued, meal issued, tea issued', 'the coupons are there');
SELECT is(r.replayed::text || ' ' || pg_temp.codes(r), 'true coupon_issued meal, coupon_issued meal, coupon_issued tea', 'a replay tells of them') FROM loyalty.topup(pg_temp.id('ann'), 500, 'pay-1') r;
SELECT is(pg_temp.coupons('ann'), 'meal issued, meal issued, tea issued', 'and gives no more');

-- One is used; all that is not goes when all is refunded.
SELECT FROM loyalty.coupon_use(pg_temp.id('ann'), (SELECT '#' || min(coupon_no) FROM loyalty.member_coupon), 'order-1');
SELECT is(pg_temp.codes(r), 'pay_out', 'a part is refunded') FROM loyalty.topup_refund(pg_temp.id('ann'), 'pay-1', 100, 'b1') r;
SELECT is(pg_temp.coupons('ann'), 'meal issued, meal issued, tea issued', 'the coupons stay');
SELECT is(pg_temp.codes(r), 'pay_out, coupon_void meal, coupon_void tea', 'the rest') FROM loyalty.topup_refund(pg_temp.id('ann'), 'pay-1', refund_ref => 'b2') r;
SELECT is(pg_temp.coupons('ann'), 'meal issued, meal void, tea void', 'the coupons that were not used are void');

-- Pending: with the confirmation. What is used up (bob has one, and cat the last: ann's is void) does not keep the payment from the card.
SELECT FROM loyalty.topup(pg_temp.id('bob'), 500, 'pay-1', pending => true);
SELECT is(pg_temp.coupons('bob'), 'none', 'pending: none yet');
SELECT FROM loyalty.topup_confirm(pg_temp.id('bob'), 'pay-1');
SELECT is(pg_temp.coupons('bob'), 'meal issued, meal issued, tea issued', 'confirmed');
SELECT FROM loyalty.coupon_limit('Shop', 'tea', 'issued', 2);
SELECT is(pg_temp.codes(r), 'coupon_issued meal, coupon_issued meal, coupon_issued tea', 'the last') FROM loyalty.topup(pg_temp.id('cat'), 500, 'pay-1') r;
SELECT is(pg_temp.codes(r) || '; ' || pg_temp.moved(r), 'pack_not_issued welcome; 500 card', 'one too many: the value comes, the pack does not') FROM loyalty.topup(pg_temp.id('dan'), 500, 'pay-1') r;
SELECT is(pg_temp.coupons('dan'), 'none', 'not even a part of it');
SELECT FROM loyalty.topup_refund(pg_temp.id('cat'), 'pay-1', refund_ref => 'b1');
SELECT is(pg_temp.codes(r), 'coupon_issued meal, coupon_issued meal, coupon_issued tea', 'one that came back can be given again') FROM loyalty.topup(pg_temp.id('dan'), 500, 'pay-2') r;
UPDATE loyalty.coupon SET status = 'inactive' WHERE name = 'meal';
SELECT is(pg_temp.codes(r), 'pack_not_issued welcome', 'nor while one of it is inactive') FROM loyalty.topup(pg_temp.id('dan'), 500, 'pay-3') r;

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
