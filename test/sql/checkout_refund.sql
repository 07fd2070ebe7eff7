\set ECHO none
\i test/prelude.sql
SELECT plan(47);

-- Refunds of orders that were checked out. What each part comes to is worked out by hand in the comments.
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind) VALUES (:shop, 'points', 'points');
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:shop, 'balance', 'money', 2);
-- 100 points are 1.00, one point for each pound
INSERT INTO loyalty.unit_anchor (program_id, unit_id, valid_from, units, money) SELECT program_id, unit_id, '2026-01-01', 1, 1 FROM loyalty.unit WHERE code = 'points';
INSERT INTO loyalty.cart_unit (program_id, unit_id) SELECT program_id, unit_id FROM loyalty.unit WHERE code = 'points';
INSERT INTO loyalty.topup_policy (program_id, unit_id) SELECT program_id, unit_id FROM loyalty.unit WHERE code = 'balance';
INSERT INTO loyalty.topup_step (program_id, unit_id, step_from, bonus) SELECT program_id, unit_id, 100, 50 FROM loyalty.unit WHERE code = 'balance';
SELECT FROM pg_temp.rule('{"name": "base", "kind": "per_amount", "award": 1, "per": 1}');
INSERT INTO loyalty.coupon (program_id, name, kind, percent, item_filter) VALUES (:shop, 'tea', 'percent', 10, '$.category == "tea"');
INSERT INTO loyalty.coupon (program_id, name, kind, amount) VALUES (:shop, 'fifteen', 'amount', 15);
INSERT INTO loyalty.coupon (program_id, name, kind, buy, get, percent) VALUES (:shop, 'third', 'buy_get', 2, 1, 100);
INSERT INTO loyalty.coupon (program_id, name, kind) VALUES (:shop, 'carriage', 'shipping');
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay', 'gus', 'hal');
SELECT FROM unnest('{ann,bob,cat,dan,eve,fay,gus,hal}'::text[]) name, loyalty.adjust(pg_temp.id(name), 1500, 'points', 'start', key => 'start');
SELECT FROM unnest('{tea,fifteen,third,carriage}'::text[]) coupon, loyalty.coupon_import('Shop', coupon, ARRAY[coupon || '-1', coupon || '-2', coupon || '-3', coupon || '-4']);

-- A 2 x 20.00 (tea), B 35.00, C 3 x 10.00, shipping 6.00. tea: 4.00 of A. fifteen, of 36.00, 35.00 and 30.00:
-- 5.3465, 5.1980, 4.4554, that is 5.35, 5.20, 4.45. Nets 30.65, 29.80, 25.55; total 92.00.
-- 1000 points pay 10.00, so 82.00 remains to be paid; 92 points are earned.
CREATE FUNCTION pg_temp.order(name text, n int) RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM loyalty.checkout(pg_temp.id(name), '{"items": [{"sku": "A", "category": "tea", "price": 20, "qty": 2},
		{"sku": "B", "price": 35}, {"sku": "C", "price": 10, "qty": 3}], "shipping": 6}', 'o1',
		ARRAY['tea-' || n, 'fifteen-' || n], '{"points": 1000}');
	RETURN (SELECT (d.data #>> '{checkout,payable}')::numeric FROM loyalty.event_data d JOIN loyalty.journal j USING (member_id, journal_id)
		WHERE j.member_id = pg_temp.id(name) AND j.ref = 'o1' AND j.kind = 'event');
END
$$;
-- 'earned -15, spent 166, payable 13.65': what a refund moved, and what is to be paid back
CREATE FUNCTION pg_temp.told_back(r loyalty.receipt) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT concat_ws(', ', 'earned ' || trim_scale(sum(amount) FILTER (WHERE amount < 0)), 'spent ' || trim_scale(sum(amount) FILTER (WHERE amount > 0)),
		(SELECT 'payable ' || trim_scale((m ->> 'amount')::numeric) FROM jsonb_array_elements((r).messages) m WHERE m ->> 'code' = 'payable_refund'))
	FROM unnest((r).postings)
$$;
-- 'tea used 199 of 400': the coupons of an order
CREATE FUNCTION pg_temp.uses(name text, ref text DEFAULT 'o1') RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT coalesce(string_agg(format('%s %s %s of %s', c.name, u.status, u.returned, u.discount), ', ' ORDER BY u.use_id), 'none')
	FROM loyalty.coupon_use u JOIN loyalty.coupon c USING (coupon_id) WHERE u.member_id = pg_temp.id($1) AND u.ref = $2
$$;

-- Mixed: a piece, an amount, the rest
SELECT is(pg_temp.order('ann', 1), 82.00, 'the order');
SELECT is(pg_temp.balance('ann'), '592 available', '1500 less 1000, and 92');
-- one of two A: 15.32 of 92.00. 92 x = 15.32; 1000 x = 166.52; 82.00 x = 13.6547; tea 4.00 x 1532/3065 = 1.9993; fifteen 5.35 x = 2.6741
SELECT is(pg_temp.told_back(r), 'earned -15, spent 166, payable 13.65', 'one piece')
FROM loyalty.refund(pg_temp.id('ann'), 'o1', items => '[{"sku": "A", "qty": 1}]', refund_ref => 'r1') r;
SELECT is(pg_temp.uses('ann'), 'tea used 199 of 400, fifteen used 267 of 1500', 'its share of both coupons');
-- 20.00 over 15.33, 29.80, 25.55, 6.00: 3.998, 7.773, 6.664, 1.565, that is 4.00, 7.77, 6.66, 1.57. So far 35.32:
-- 35.32, 383.91, 31.4809; tea 4.00 x 1932/3065 = 2.5214; fifteen 3.3723 + 5.20 x 777/2980 = 1.3558 + 4.45 x 666/2555 = 1.1600
SELECT is(pg_temp.told_back(r), 'earned -20, spent 217, payable 17.83', 'an amount')
FROM loyalty.refund(pg_temp.id('ann'), 'o1', 20, refund_ref => 'r2') r;
SELECT is(pg_temp.uses('ann'), 'tea used 252 of 400, fifteen used 587 of 1500', 'its share of both coupons');
SELECT is(pg_temp.told_back(r), 'earned -57, spent 617, payable 50.52', 'the rest')
FROM loyalty.refund(pg_temp.id('ann'), 'o1') r;
SELECT is(pg_temp.uses('ann'), 'tea returned 400 of 400, fifteen returned 1500 of 1500', 'and the coupons return');
SELECT is(pg_temp.balance('ann'), '1500 available', 'exactly as before');
SELECT is(sum((m ->> 'amount')::numeric), 82.00, 'exactly what was paid') FROM loyalty.journal j, jsonb_array_elements(j.outcome) m
WHERE j.member_id = pg_temp.id('ann') AND m ->> 'code' = 'payable_refund';
SELECT is(string_agg(concat_ws(' ', m ->> 'coupon', m ->> 'discount'), ', ' ORDER BY m ->> 'coupon'), 'fifteen 9.13, tea 1.48', 'the receipt tells of them')
FROM loyalty.journal j, jsonb_array_elements(j.outcome) m WHERE j.member_id = pg_temp.id('ann') AND m ->> 'code' = 'coupon_returned';
SELECT is(pg_temp.raised($$SELECT loyalty.refund(pg_temp.id('ann'), 'o1', refund_ref => 'r4')$$), 'LY131 amount=92 refunded=92 requested=0', 'there is nothing left');

-- The codes are good again, for one order each
SELECT is(pg_temp.order('hal', 1), 82.00, 'the codes are good again');
SELECT matches(pg_temp.raised($$SELECT loyalty.checkout(pg_temp.id('ann'), '{"items": [{"sku": "A", "category": "tea", "price": 20}]}', 'o2', '{tea-1}')$$), '^LY210', 'but once');

-- By lines: 30.65, 29.80, 25.55, and what is left is the shipping
SELECT is(pg_temp.order('bob', 2), 82.00, 'the order');
SELECT is(concat_ws('; ', pg_temp.told_back(r), pg_temp.uses('bob')), told, item)
FROM (VALUES
	(1, '[{"sku": "A"}]',   'earned -30, spent 333, payable 27.31; tea used 400 of 400, fifteen used 535 of 1500'),	-- 30.65, 333.15, 27.3185
	(2, '[{"line": 2}]',    'earned -30, spent 324, payable 26.56; tea used 400 of 400, fifteen used 1055 of 1500'),	-- 60.45, 657.07, 53.8793
	(3, '[{"sku": "C", "qty": 3}]', 'earned -26, spent 277, payable 22.78; tea used 400 of 400, fifteen used 1500 of 1500')	-- 86.00, 934.78, 76.6522
) v (n, item, told), LATERAL (SELECT loyalty.refund(pg_temp.id('bob'), 'o1', items => item::jsonb, refund_ref => 'r' || n) AS r OFFSET 0) x;
SELECT is(pg_temp.told_back(r), 'earned -6, spent 66, payable 5.35', 'the shipping') FROM loyalty.refund(pg_temp.id('bob'), 'o1') r;
SELECT is(pg_temp.uses('bob'), 'tea returned 400 of 400, fifteen returned 1500 of 1500', 'with it the coupons return');
SELECT is(pg_temp.balance('bob'), '1500 available', 'exactly as before');

-- By amount: 30.00 are 9.99, 9.72, 8.33, 1.96; 60.00 are 19.99, 19.44, 16.66, 3.91
SELECT is(pg_temp.order('cat', 3), 82.00, 'the order');
SELECT is(concat_ws('; ', pg_temp.told_back(r), pg_temp.uses('cat')), told, 'refund ' || n)
FROM (VALUES
	(1, 30, 'earned -30, spent 326, payable 26.73; tea used 130 of 400, fifteen used 488 of 1500'),	-- 326.09, 26.7391; 1.3037; 1.7437, 1.6961, 1.4508
	(2, 30, 'earned -30, spent 326, payable 26.74; tea used 260 of 400, fifteen used 977 of 1500'),	-- 652.17, 53.4783; 2.6088; 3.4893, 3.3922, 2.9017
	(3, 32, 'earned -32, spent 348, payable 28.53; tea returned 400 of 400, fifteen returned 1500 of 1500')
) v (n, amount, told), LATERAL (SELECT loyalty.refund(pg_temp.id('cat'), 'o1', amount, refund_ref => 'r' || n) AS r OFFSET 0) x;
SELECT is(pg_temp.balance('cat'), '1500 available', 'exactly as before');

-- In mode dry the same is told, and nothing changes
CREATE TEMP TABLE state AS SELECT pg_temp.state();
SELECT is(pg_temp.told_back(r), 'earned -92, spent 1000, payable 82', 'dry: what the whole would be') FROM loyalty.refund(pg_temp.id('hal'), 'o1', mode => 'dry') r;
SELECT is((SELECT count(*) FROM jsonb_array_elements((r).messages) m WHERE m ->> 'code' = 'coupon_returned'), 2::bigint, 'dry: with its coupons')
FROM loyalty.refund(pg_temp.id('hal'), 'o1', mode => 'dry') r;
SELECT is(pg_temp.state(), state, 'dry: nothing has changed') FROM state;
-- recorded anew, an order keeps its coupons
SELECT FROM loyalty.refund(pg_temp.id('hal'), 'o1', data => '{"replaced": true}');
SELECT is(pg_temp.uses('hal'), 'tea used 0 of 400, fifteen used 0 of 1500', 'what is recorded anew keeps its coupons');

-- Stored value: 100.00 paid and 50.00 given; of 90.00 spent, 60.00 and 30.00
SELECT FROM loyalty.topup(pg_temp.id('dan'), 100, 't1');
SELECT FROM loyalty.checkout(pg_temp.id('dan'), '{"items": [{"sku": "A", "price": 90}]}', 'o1', NULL, '{"balance": "max"}');
SELECT is(pg_temp.lots('dan', 'balance'), '20 b, 40 p', 'both parts are spent');
-- What is refunded comes back to the cent: of 30.01, 10.0033 are bonus, so 10 and 20.01; of 60.02, 20.0067, so 20 and 40.02
SELECT is(pg_temp.moved(r), moved, 'refund ' || n)
FROM (VALUES (1, 30.01, '30.01 balance, -30 points'), (2, 30.01, '30.01 balance, -30 points'), (3, 29.98, '29.98 balance, -30 points')) v (n, amount, moved),
	LATERAL (SELECT loyalty.refund(pg_temp.id('dan'), 'o1', amount, refund_ref => 'r' || n) AS r OFFSET 0) x;
SELECT is(pg_temp.lots('dan', 'balance'), '50 b, 100 p', 'both parts are as before');
SELECT is(array_agg(trim_scale(e.amount / 100.0) ORDER BY e.journal_id, e.origin), '{10,20.01,10,20.01,10,19.98}', 'each in its own proportion')
FROM loyalty.entry e JOIN loyalty.journal j USING (member_id, journal_id) JOIN loyalty.unit u ON u.unit_id = e.unit_id
WHERE j.member_id = pg_temp.id('dan') AND j.kind = 'refund' AND u.code = 'balance';

-- Points, stored value and money: 10.00, 30.00, 50.00
SELECT FROM loyalty.topup(pg_temp.id('eve'), 30, 't1');
SELECT FROM loyalty.checkout_reserve(pg_temp.id('eve'), '{"items": [{"sku": "A", "price": 90}]}', 'o1', NULL, '{"points": 1000, "balance": "max"}', 50);
SELECT FROM loyalty.checkout_confirm(pg_temp.id('eve'), 'o1');
SELECT is(concat_ws(', ', pg_temp.balance('eve'), pg_temp.balance('eve', 'balance')), '590 available, nothing', 'all three pay');
-- a third: 333.33, 10.00, 16.6667
SELECT is(concat_ws(', ', pg_temp.moved(r), (r).messages ->> 0), '10 balance, 303 points, {"code": "payable_refund", "amount": 16.66}', 'a third of each')
FROM loyalty.refund(pg_temp.id('eve'), 'o1', 30, refund_ref => 'r1') r;
SELECT is(concat_ws(', ', pg_temp.moved(r), (r).messages ->> 0), '20 balance, 607 points, {"code": "payable_refund", "amount": 33.34}', 'and the rest')
FROM loyalty.refund(pg_temp.id('eve'), 'o1') r;

-- A line that costs nothing, and free shipping: 30.00, 20.00 and the third free
SELECT FROM loyalty.checkout(pg_temp.id('fay'), '{"items": [{"sku": "A", "price": 30}, {"sku": "B", "price": 20}, {"sku": "C", "price": 10}], "shipping": 6}',
	'o1', '{third-1,carriage-1}');
SELECT is(concat_ws('; ', pg_temp.told_back(r), pg_temp.uses('fay')), told, coalesce(item, 'the rest'))
FROM (VALUES
	(1, '[{"sku": "C"}]', 'payable 0; third used 1000 of 1000, carriage used 0 of 600'),
	(2, '[{"sku": "A"}]', 'earned -30, payable 30; third used 1000 of 1000, carriage used 0 of 600'),
	(3, NULL,             'earned -20, payable 20; third returned 1000 of 1000, carriage returned 600 of 600')
) v (n, item, told), LATERAL (SELECT loyalty.refund(pg_temp.id('fay'), 'o1', items => item::jsonb, refund_ref => 'r' || n) AS r OFFSET 0) x;

-- What is left when the inputs were erased: the shares of the order. 46.00 of 92.00, then the rest
SELECT is(pg_temp.order('gus', 4), 82.00, 'the order');
DELETE FROM loyalty.event_data WHERE member_id = pg_temp.id('gus');
SELECT is(concat_ws('; ', pg_temp.told_back(r), pg_temp.uses('gus')), 'earned -46, spent 500; tea used 200 of 400, fifteen used 750 of 1500', 'erased: half')
FROM loyalty.refund(pg_temp.id('gus'), 'o1', 46, refund_ref => 'r1') r;
SELECT is(concat_ws('; ', pg_temp.told_back(r), pg_temp.uses('gus')), 'earned -46, spent 500; tea returned 400 of 400, fifteen returned 1500 of 1500', 'erased: the rest')
FROM loyalty.refund(pg_temp.id('gus'), 'o1') r;

-- Property: whatever the parts, the end is that of one refund; and what is to be paid back, and the points, are on
-- the way the share of what was refunded, rounded down
CALL pg_temp.enroll('Shop', 'one', 'two');
SELECT FROM unnest('{one,two}'::text[]) name, loyalty.adjust(pg_temp.id(name), 100000, 'points', 'start', key => 'start');
SELECT FROM unnest('{one,two}'::text[]) name, loyalty.topup(pg_temp.id(name), 1000, 't1');
SELECT FROM unnest('{tea,fifteen,third,carriage}'::text[]) coupon, loyalty.coupon_code_create('Shop', coupon, upper(coupon) || 'ALL');
CREATE TEMP TABLE fault (ref text, what text);
CREATE FUNCTION pg_temp.end_of(name text, ref text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT concat_ws('; ', pg_temp.lots(name), pg_temp.lots(name, 'balance'), pg_temp.uses(name, ref),
		(SELECT trim_scale(sum((m ->> 'amount')::numeric)) FROM loyalty.journal j, jsonb_array_elements(j.outcome) m
			WHERE j.member_id = pg_temp.id($1) AND j.reverses = $2 AND m ->> 'code' = 'payable_refund'))
$$;
DO $$
DECLARE
	one bigint := pg_temp.id('one');
	two bigint := pg_temp.id('two');
	cart jsonb;
	codes text[];
	use jsonb;
	receipt loyalty.receipt;
	total bigint;
	refunded bigint;
	payable numeric;
	spent bigint;
	expected text;
	parts int := 0;
BEGIN
	PERFORM setseed(0.25);
	FOR i IN 1 .. 60 LOOP
		SELECT jsonb_build_object('items', jsonb_agg(jsonb_build_object('sku', 's' || n, 'category', CASE WHEN random() < 0.5 THEN 'tea' END,
				'price', round((random() * 40)::numeric, 2), 'qty', 1 + floor(random() * 4))), 'shipping', floor(random() * 3) * 3.5)
		INTO cart FROM generate_series(1, 1 + (random() * 4)::int) n;
		SELECT array_agg(code) INTO codes FROM unnest('{TEAALL,FIFTEENALL,THIRDALL,CARRIAGEALL}'::text[]) code WHERE random() < 0.5;
		use := jsonb_build_object('points', (random() * 3000)::int, 'balance', (random() * 30)::int);
		receipt := loyalty.checkout(one, cart, 'p' || i, codes, use, mode => 'try');
		IF receipt.status = 'refused' THEN
			codes := NULL;
			receipt := loyalty.checkout(one, cart, 'p' || i, codes, use);
		END IF;
		PERFORM FROM loyalty.checkout(two, cart, 'p' || i, codes, use);
		SELECT j.amount, (d.data #>> '{checkout,payable}')::numeric * 100 INTO total, payable
		FROM loyalty.journal j JOIN loyalty.event_data d USING (member_id, journal_id)
		WHERE j.member_id = one AND j.ref = 'p' || i AND j.event = 'purchase';
		SELECT coalesce(sum(j.amount), 0) INTO spent FROM loyalty.journal j
		WHERE j.member_id = one AND j.ref = 'p' || i AND j.kind = 'redeem' AND j.event = 'points';

		FOR k IN 1 .. (random() * 6)::int LOOP
			IF random() < 0.5 THEN
				receipt := loyalty.refund(one, 'p' || i, items => jsonb_build_array(jsonb_build_object('sku', 's' || 1 + (random() * 4)::int,
					'qty', CASE WHEN random() < 0.3 THEN 0.5 ELSE 1 END)), key => 'p' || i || '-' || k, mode => 'try');
			ELSE
				receipt := loyalty.refund(one, 'p' || i, round((random() * total / 200)::numeric, 2), key => 'p' || i || '-' || k, mode => 'try');
			END IF;
			parts := parts + (receipt.status = 'done')::int;
			SELECT coalesce(sum(j.amount), 0) INTO refunded FROM loyalty.journal j WHERE j.member_id = one AND j.reverses = 'p' || i AND j.kind = 'refund';
			CONTINUE WHEN total = 0;
			IF (SELECT coalesce(sum((m ->> 'amount')::numeric * 100), 0) FROM loyalty.journal j, jsonb_array_elements(j.outcome) m
					WHERE j.member_id = one AND j.reverses = 'p' || i AND m ->> 'code' = 'payable_refund') <> div(payable * refunded, total) THEN
				INSERT INTO fault VALUES ('p' || i, 'payable');
			END IF;
			IF (SELECT coalesce(sum(e.amount), 0) FROM loyalty.journal j JOIN loyalty.entry e USING (member_id, journal_id) JOIN loyalty.unit u ON u.unit_id = e.unit_id
					WHERE j.member_id = one AND j.reverses = 'p' || i AND u.code = 'points' AND e.amount > 0) <> div(spent::numeric * refunded, total) THEN
				INSERT INTO fault VALUES ('p' || i, 'points');
			END IF;
		END LOOP;
		PERFORM FROM loyalty.refund(one, 'p' || i, mode => 'try');
		PERFORM FROM loyalty.refund(two, 'p' || i);
		expected := pg_temp.end_of('two', 'p' || i);
		IF pg_temp.end_of('one', 'p' || i) <> expected OR expected NOT LIKE '100000 a; %' THEN
			INSERT INTO fault VALUES ('p' || i, pg_temp.end_of('one', 'p' || i) || ' instead of ' || expected);
		END IF;
	END LOOP;
	IF parts < 100 THEN
		INSERT INTO fault VALUES ('all', 'only so many parts: ' || parts);
	END IF;
END
$$;
SELECT is_empty('SELECT * FROM fault', '60 orders, refunded in parts and at once, end alike');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
