\set ECHO none
\i test/prelude.sql
SELECT plan(172);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
SELECT loyalty.program_create('Limit', 'GBP', 'Europe/London') AS lim \gset
SELECT loyalty.program_create('Kind', 'GBP', 'Europe/London') AS kind \gset
SELECT loyalty.program_create('Later', 'GBP', 'Europe/London', vest_days => 14) AS later \gset
SELECT loyalty.program_create('Gift', 'GBP', 'Europe/London') AS gift \gset
UPDATE loyalty.unit SET debt_policy = 'limit' WHERE program_id = :lim AND code = 'points';
UPDATE loyalty.unit SET return_policy = 'grace', grace_days = 30 WHERE program_id = :kind AND code = 'points';
-- Gift: every purchase also earns 100 stars, and 10 stamps that fall only at the whole
INSERT INTO loyalty.unit (program_id, code, kind, refund) VALUES
	(:gift, 'stars', 'points', 'proportional'), (:gift, 'stamps', 'points', 'whole');
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award)
SELECT program_id, 'purchase', unit_id, 'fixed', CASE code WHEN 'stars' THEN 100 ELSE 10 END FROM loyalty.unit WHERE code IN ('stars', 'stamps');

SELECT is(pg_temp.signature('refund'),
	'(member_id bigint, ref text, amount numeric DEFAULT NULL::numeric, items jsonb DEFAULT NULL::jsonb, refund_ref text DEFAULT NULL::text, data jsonb DEFAULT ''{}''::jsonb, '
	'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text) -> loyalty.receipt',
	'refund(): arguments');

-- What a refund moves, by amount and by items; every call has a key of its own
CREATE SEQUENCE pg_temp.key;
CREATE FUNCTION pg_temp.refund(name text, ref text, amount numeric DEFAULT NULL, items jsonb DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
	SELECT pg_temp.moved(r) FROM loyalty.refund(pg_temp.id($1), $2, $3, $4, key => 'refund-' || nextval('pg_temp.key')) r
$$;
CREATE FUNCTION pg_temp.told_to(name text) RETURNS jsonb
LANGUAGE sql AS $$ SELECT outcome FROM loyalty.journal WHERE member_id = pg_temp.id(name) ORDER BY journal_id DESC LIMIT 1 $$;
-- What the last refund was of, in the currency
CREATE FUNCTION pg_temp.worth(name text) RETURNS numeric
LANGUAGE sql AS $$ SELECT trim_scale(amount / 100.0) FROM loyalty.journal WHERE member_id = pg_temp.id(name) ORDER BY journal_id DESC LIMIT 1 $$;

-- The whole
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay', 'guy', 'hal');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 129.90, 'o1', data => '{"store":"S1"}');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.refund(pg_temp.id('ann'), 'o1', data => '{"store":"S2","why":"torn"}') r), '-1 orders, -129 points, -129.9 spend',
	'rule 5: the whole takes back all that was earned');
SELECT is(pg_temp.lots('ann') || ', ' || pg_temp.lots('ann', 'spend') || ', ' || pg_temp.lots('ann', 'orders'), 'none, none, none', 'rule 5: nothing is left');
SELECT results_eq($$SELECT kind, event, reverses, amount, store, effective_at, data FROM loyalty.journal j JOIN loyalty.event_data USING (member_id, journal_id)
	WHERE j.member_id = pg_temp.id('ann') ORDER BY journal_id DESC LIMIT 1$$,
	$$VALUES ('refund', NULL::text, 'o1', 12990::bigint, 'S2', '2026-03-15 12:00+00'::timestamptz, '{"data":{"store":"S2","why":"torn"}}'::jsonb)$$,
	'rule 5: the order goes to reverses');
SELECT is((SELECT replayed FROM loyalty.refund(pg_temp.id('ann'), 'o1', data => '{"store":"S2","why":"torn"}')), true, 'rule 1: the same again replays');
SELECT throws_ok($$SELECT pg_temp.refund('ann', 'o1')$$, 'LY131', NULL, 'rule 5: never more than was taken');
SELECT throws_ok($$SELECT pg_temp.refund('ann', 'o1', 0.01)$$, 'LY131', NULL, 'rule 5: not a penny more');

-- By amount: 100 points over 3 thirds. floor(100 x 33.33 / 100) = 33, floor(66.66) = 66, the whole 100
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 100, 'o1');
SELECT is(pg_temp.raised($$SELECT pg_temp.refund('bob', 'o1', 100.01)$$), 'LY131 amount=100 refunded=0 requested=100.01', 'rule 5: not more than the order');
SELECT is(pg_temp.refund('bob', 'o1', 33.33), '-33 points, -33.33 spend', 'rule 5: a first third');
SELECT is(pg_temp.refund('bob', 'o1', 33.33), '-33 points, -33.33 spend', 'rule 5: a second');
SELECT is(pg_temp.raised($$SELECT pg_temp.refund('bob', 'o1', 33.35)$$), 'LY131 amount=100 refunded=66.66 requested=33.35', 'rule 5: not more than is left');
SELECT is(pg_temp.refund('bob', 'o1', 33.34), '-1 orders, -34 points, -33.34 spend', 'rule 5: the rest; orders fall only at the whole');
SELECT is(pg_temp.balance('bob'), 'nothing', 'rule 5: as one full refund');
-- pennies: floor(129 x 0.01 / 129.90) = 0, ... the 100th penny of 129.90: floor(129 x 1 / 129.90) = 0, of 1.01: floor(1.003) = 1
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 129.90, 'o2');
SELECT is(pg_temp.refund('bob', 'o2', 1), '-1 spend', 'rule 5: floor(129 x 1.00 / 129.90) = 0');
SELECT is(pg_temp.refund('bob', 'o2', 0.01), '-1 points, -0.01 spend', 'rule 5: floor(129 x 1.01 / 129.90) = 1');
SELECT is(pg_temp.refund('bob', 'o2', 128), '-127 points, -128 spend', 'rule 5: floor(129 x 129.01 / 129.90) = 128');
SELECT is(pg_temp.refund('bob', 'o2'), '-1 orders, -1 points, -0.89 spend', 'rule 5: no amount: all that is left');

-- By items: 100 stars over 3 x 33.33 = 99.99. floor(100/3) = 33, floor(200/3) = 66, the whole 100; points 99: 33, 66, 99
CALL pg_temp.enroll('Gift', 'ida', 'jan', 'kim');
SELECT FROM loyalty.purchase(pg_temp.id('ida'), 99.99, 'o1', '[{"sku":"A","price":33.33},{"sku":"B","price":33.33},{"sku":"C","price":33.33}]');
SELECT is(pg_temp.refund('ida', 'o1', items => '[{"sku":"B"}]'), '-33 points, -33.33 spend, -33 stars', 'rule 5: a line by sku');
SELECT is(pg_temp.refund('ida', 'o1', items => '[{"line":1,"qty":1}]'), '-33 points, -33.33 spend, -33 stars', 'rule 5: a line by number');
SELECT throws_ok($$SELECT pg_temp.refund('ida', 'o1', items => '[{"sku":"B"}]')$$, 'LY131', NULL, 'rule 5: not the same line again');
SELECT throws_ok($$SELECT pg_temp.refund('ida', 'o1', items => '[{"line":1,"qty":1}]')$$, 'LY131', NULL, 'rule 5: by either name');
SELECT is(pg_temp.refund('ida', 'o1', items => '[{"sku":"C"}]'), '-1 orders, -33 points, -33.33 spend, -10 stamps, -34 stars', 'rule 5: the last line makes the whole');
SELECT is(pg_temp.lots('ida') || pg_temp.lots('ida', 'stars'), 'nonenone', 'rule 5: as one full refund');
-- amount 100 over lines of 99.99: a penny belongs to no line. floor(100 x 33.33 / 100) = 33, 66, floor(99.99) = 99
SELECT FROM loyalty.purchase(pg_temp.id('ida'), 100, 'o2', '[{"sku":"A","price":33.33},{"sku":"B","price":33.33},{"sku":"C","price":33.33}]');
SELECT is(pg_temp.refund('ida', 'o2', items => '[{"sku":"A"},{"sku":"B"}]'), '-66 points, -66.66 spend, -66 stars', 'rule 5: two lines at once');
SELECT is(pg_temp.refund('ida', 'o2', items => '[{"sku":"C"}]'), '-33 points, -33.33 spend, -33 stars', 'rule 5: all lines are not the whole, if there was more');
SELECT is(pg_temp.refund('ida', 'o2'), '-1 orders, -1 points, -0.01 spend, -10 stamps, -1 stars', 'rule 5: the rest of the order');

-- Rule 14: 20.00 paid for 10.00 + 10.00 + 10.01. In pence 2000 x 1000 / 3001 = 666.44 twice, 2000 x 1001 / 3001 = 667.11;
-- one penny is over, to the largest remainder, ties by line number: 667, 666, 667
SELECT FROM loyalty.purchase(pg_temp.id('jan'), 20, 'o1', '[{"sku":"A","price":10},{"sku":"B","price":10},{"sku":"C","price":10.01}]');
SELECT is(pg_temp.refund('jan', 'o1', items => '[{"sku":"B"}]'), '-6 points, -6.66 spend, -33 stars', 'rule 14: the second line is 6.66');
SELECT is(pg_temp.refund('jan', 'o1', items => '[{"sku":"A"}]'), '-7 points, -6.67 spend, -33 stars', 'rule 14: the first 6.67: floor(20 x 13.33 / 20) = 13');
SELECT is(pg_temp.worth('jan'), 6.67, 'the journal says so');
SELECT is(pg_temp.refund('jan', 'o1', items => '[{"sku":"C"}]'), '-1 orders, -7 points, -6.67 spend, -10 stamps, -34 stars', 'rule 14: the third 6.67');
-- A free line: 3.00 paid for 3.00 + 0
SELECT FROM loyalty.purchase(pg_temp.id('jan'), 3, 'o2', '[{"sku":"A","price":3},{"sku":"gift","price":0}]');
SELECT is(pg_temp.refund('jan', 'o2', items => '[{"sku":"A"}]'), '-1 orders, -3 points, -3 spend, -10 stamps, -100 stars', 'rule 14: a free line holds nothing back');

-- Quantities
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 9.99, 'o1', '[{"sku":"A","qty":3,"price":3.33}]');
SELECT throws_ok($$SELECT pg_temp.refund('cat', 'o1', items => '[{"sku":"A","qty":4}]')$$, 'LY131', NULL, 'rule 5: not more pieces than were bought');
SELECT is(pg_temp.refund('cat', 'o1', items => '[{"sku":"A","qty":1}]'), '-3 points, -3.33 spend', 'rule 5: one piece of three: floor(9 x 3.33 / 9.99) = 3');
SELECT throws_ok($$SELECT pg_temp.refund('cat', 'o1', items => '[{"sku":"A","qty":3}]')$$, 'LY131', NULL, 'rule 5: not more pieces than are left');
SELECT is(pg_temp.refund('cat', 'o1', items => '[{"sku":"A"}]'), '-1 orders, -6 points, -6.66 spend', 'rule 5: no qty: all that is left');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 30, 'o2', '[{"sku":"A","qty":1,"price":10},{"sku":"B","price":10},{"sku":"A","qty":2,"price":5}]');
SELECT is(pg_temp.refund('cat', 'o2', items => '[{"sku":"A","qty":2}]'), '-15 points, -15 spend', 'rule 5: a sku goes through the lines in order: 10 + 5');
SELECT is(pg_temp.refund('cat', 'o2', items => '[{"sku":"A"},{"sku":"B"}]'), '-1 orders, -15 points, -15 spend', 'rule 5: and on from there');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 10, 'o3', '[{"sku":"ham","qty":0.5,"price":20}]');
SELECT is(pg_temp.refund('cat', 'o3', items => '[{"sku":"ham","qty":0.125}]'), '-2 points, -2.5 spend', 'rule 5: a part of a piece: floor(10 x 0.125 / 0.5) = 2');
SELECT throws_ok($$SELECT pg_temp.refund('cat', 'o2', items => '[{"sku":"X"}]')$$, 'LY131', NULL, 'rule 5: nothing is left of what was not bought');
SELECT throws_ok($$SELECT pg_temp.refund('cat', 'o3', items => '[{"line":2}]')$$, 'LY131', NULL, 'rule 5: nor of a line that there is not');

-- Amount and items together: an amount spreads over the lines: 10 of 20 is 5 of each line
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 20, 'o4', '[{"sku":"A","price":10},{"sku":"B","price":10}]');
SELECT is(pg_temp.refund('cat', 'o4', 10), '-10 points, -10 spend', 'rule 5: an amount');
SELECT is(pg_temp.refund('cat', 'o4', items => '[{"sku":"A"}]'), '-5 points, -5 spend', 'rule 5: a line less what was refunded of it');
SELECT is(pg_temp.refund('cat', 'o4', 2), '-2 points, -2 spend', 'rule 5: an amount of the other');
SELECT is(pg_temp.refund('cat', 'o4', items => '[{"sku":"B"}]'), '-1 orders, -3 points, -3 spend', 'rule 5: and the rest of it');

-- A free order
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 0, 'free');
SELECT throws_ok($$SELECT pg_temp.refund('cat', 'free', 1)$$, 'LY131', NULL, 'rule 5: of nothing, no amount comes back');
SELECT is(pg_temp.refund('cat', 'free'), '-1 orders', 'rule 5: but the order does');
SELECT throws_ok($$SELECT pg_temp.refund('cat', 'free')$$, 'LY131', NULL, 'rule 5: once');

-- Any sequence of partial refunds ends at the amounts of one full refund, and at every step what was taken is
-- floor(award x refunded / amount). 40 orders of 1 to 6 lines, some discounted, some with shipping, are taken back in
-- steps that follow from their number; award: 100 stars, floor(amount) points, amount spend.
CREATE TEMP TABLE step (o int, refunded bigint, amount bigint, points bigint, stars bigint, orders bigint, spend bigint);
DO $$
DECLARE
	lines jsonb;
	gross numeric;
	paid numeric;
	n int;
	x bigint;
	at_line int;
	request jsonb;
	part numeric;
BEGIN
	FOR o IN 1 .. 40 LOOP
		x := o * 7919 + 12345;
		n := 1 + o % 6;
		SELECT jsonb_agg(jsonb_build_object('sku', 'S' || i % 4, 'qty', 1 + (x / (i * 3)) % 4, 'price', ((x * i) % 4999 + 1) / 100.0) ORDER BY i),
			sum((1 + (x / (i * 3)) % 4) * (((x * i) % 4999 + 1) / 100.0))
		INTO lines, gross FROM generate_series(1, n) i;
		paid := CASE o % 3 WHEN 0 THEN gross WHEN 1 THEN round(gross * 0.83, 2) ELSE gross + 4.95 END;
		PERFORM loyalty.purchase(pg_temp.id('kim'), paid, 'p' || o, lines);
		FOR i IN 1 .. 12 LOOP
			x := (x * 1103515245 + 12345) % 2147483648;
			BEGIN
				IF x / 65536 % 2 = 0 THEN
					part := round(paid * (1 + x / 131072 % 30) / 100, 2);
					PERFORM pg_temp.refund('kim', 'p' || o, part);
				ELSE
					at_line := 1 + x / 131072 % n;
					request := CASE x / 4194304 % 3
						WHEN 0 THEN jsonb_build_object('line', at_line)
						WHEN 1 THEN jsonb_build_object('line', at_line, 'qty', 1)
						ELSE jsonb_build_object('sku', 'S' || at_line % 4, 'qty', 1) END;
					PERFORM pg_temp.refund('kim', 'p' || o, items => jsonb_build_array(request));
				END IF;
			EXCEPTION WHEN SQLSTATE 'LY131' THEN
				CONTINUE;       -- more than is left
			END;
			INSERT INTO step
			SELECT o, (SELECT sum(amount) FROM loyalty.journal WHERE member_id = pg_temp.id('kim') AND reverses = 'p' || o), (paid * 100)::bigint,
				sum(-e.amount) FILTER (WHERE code = 'points'), sum(-e.amount) FILTER (WHERE code = 'stars'),
				sum(-e.amount) FILTER (WHERE code = 'orders'), sum(-e.amount) FILTER (WHERE code = 'spend')
			FROM loyalty.journal j JOIN loyalty.entry e USING (member_id, journal_id) JOIN loyalty.unit u ON u.unit_id = e.unit_id
			WHERE j.member_id = pg_temp.id('kim') AND reverses = 'p' || o;
		END LOOP;
		BEGIN
			PERFORM pg_temp.refund('kim', 'p' || o);
		EXCEPTION WHEN SQLSTATE 'LY131' THEN
			NULL;               -- nothing was left
		END;
	END LOOP;
END
$$;
SELECT is_empty($$SELECT * FROM step WHERE coalesce(stars, 0) <> 100 * refunded / amount$$, 'rule 5: taken so far = floor(100 x refunded / amount)');
SELECT is_empty($$SELECT * FROM step WHERE coalesce(points, 0) <> amount / 100 * refunded / amount$$, 'rule 5: points likewise');
SELECT is_empty($$SELECT * FROM step WHERE coalesce(spend, 0) <> refunded$$, 'rule 11: spend falls by what is refunded');
SELECT is_empty($$SELECT * FROM step WHERE (orders = 1) IS DISTINCT FROM (refunded = amount) AND (orders IS NOT NULL OR refunded = amount)$$,
	'rule 5: orders fall at the whole');
SELECT cmp_ok((SELECT count(*) FROM step), '>', 200::bigint, 'over more than 200 partial refunds');
SELECT is(pg_temp.lots('kim') || ' ' || pg_temp.lots('kim', 'stars') || ' ' || pg_temp.lots('kim', 'stamps') || ' ' || pg_temp.lots('kim', 'spend') || ' ' || pg_temp.lots('kim', 'orders'),
	'none none none none none', 'rule 5: any sequence of partial refunds ends at the amounts of one full refund');
SELECT is_empty($$SELECT reverses, sum(amount), (SELECT amount FROM loyalty.journal o WHERE o.member_id = r.member_id AND o.ref = r.reverses AND o.kind = 'event') AS paid
	FROM loyalty.journal r WHERE member_id = pg_temp.id('kim') AND kind = 'refund' GROUP BY reverses, member_id
	HAVING sum(amount) <> (SELECT amount FROM loyalty.journal o WHERE o.member_id = r.member_id AND o.ref = r.reverses AND o.kind = 'event')$$,
	'invariant 4: each order was reversed to its own total');

-- Spent and captured value. dan: 200 points, 50 of them spent on order o2 of 50.00, which earns 50
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 30, 'o0', at => '2026-01-15 12:00+00');
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 170, 'o1', at => '2026-02-15 12:00+00');
SELECT FROM loyalty.redeem(pg_temp.id('dan'), 50, ref => 'o2');
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 50, 'o2');
SELECT is(pg_temp.lots('dan'), '150 e until 2027-02-28, 50 e until 2027-03-31', 'spent 50, earned 50');
SELECT is(pg_temp.refund('dan', 'o2', 25), '0 points, -25 spend', 'rule 5: half: 25 return, 25 go');
SELECT is(pg_temp.balance('dan'), '200 available', 'rule 5: half: 200 + 25 - 25');
SELECT is(pg_temp.refund('dan', 'o2'), '-1 orders, 0 points, -25 spend', 'rule 5: the other half');
SELECT is(pg_temp.lots('dan'), '30 e until 2027-01-31, 170 e until 2027-02-28', 'rule 7: what was spent is in its original lots again');
-- 33 spent and 10 earned on an order of 10.00; 3.33 back: floor(33 x 3.33 / 10) = 10 return, floor(10 x 3.33 / 10) = 3 go
SELECT FROM loyalty.redeem(pg_temp.id('dan'), 33, ref => 'o3');
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 10, 'o3');
SELECT is(pg_temp.refund('dan', 'o3', 3.33), '7 points, -3.33 spend', 'rule 5: spent value likewise: 10 - 3');
SELECT is(pg_temp.refund('dan', 'o3', 3.33), '8 points, -3.33 spend', 'rule 5: floor(33 x 6.66 / 10) = 21, floor(6.66) = 6: 11 - 3');
SELECT is(pg_temp.refund('dan', 'o3', 3.34), '-1 orders, 8 points, -3.34 spend', 'rule 5: the whole: 33 - 21 - (10 - 6)');
SELECT is(pg_temp.lots('dan'), '30 e until 2027-01-31, 170 e until 2027-02-28', 'rule 7: in the original lots');
-- captured: 40 held, 30 captured for order o4
SELECT FROM loyalty.hold(pg_temp.id('dan'), 40, ref => 'o4');
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 60, 'o4');
SELECT FROM loyalty.capture(pg_temp.id('dan'), (SELECT hold_id FROM loyalty.hold WHERE ref = 'o4'), 30);
SELECT is(pg_temp.balance('dan'), '230 available', '200 - 30 + 60');
SELECT is(pg_temp.refund('dan', 'o4', 20), '-10 points, -20 spend', 'rule 5: a third: 10 captured return, 20 earned go');
SELECT is(pg_temp.refund('dan', 'o4'), '-1 orders, -20 points, -40 spend', 'rule 5: the rest: 20 - 40');
SELECT is(pg_temp.lots('dan'), '30 e until 2027-01-31, 170 e until 2027-02-28', 'rule 7: in the original lots');
-- no purchase has the ref: the amount is in points
SELECT FROM loyalty.redeem(pg_temp.id('dan'), 100, ref => 'mug-1');
SELECT is(pg_temp.refund('dan', 'mug-1', 40), '40 points', 'rule 5: a redeem alone, in part');
SELECT is(pg_temp.raised($$SELECT pg_temp.refund('dan', 'mug-1', 61)$$), 'LY131 amount=100 refunded=40 requested=61', 'rule 5: not more than was spent');
SELECT is(pg_temp.refund('dan', 'mug-1'), '60 points', 'rule 5: the rest');
SELECT is(pg_temp.lots('dan'), '30 e until 2027-01-31, 170 e until 2027-02-28', 'rule 7: in the original lots');
SELECT is(pg_temp.journal('dan') LIKE '%expire%', false, 'nothing lapsed on the way');

-- Rule 8: debt
SELECT FROM loyalty.purchase(pg_temp.id('eve'), 100, 'o1');
SELECT FROM loyalty.redeem(pg_temp.id('eve'), 80, key => 'k1');
SELECT is(pg_temp.refund('eve', 'o1'), '-1 orders, -100 points, -100 spend', 'rule 6: 20 are there, 80 are owed');
SELECT is(pg_temp.balance('eve'), '80 debt', 'rule 8: available is not below zero');
SELECT FROM loyalty.purchase(pg_temp.id('eve'), 30, 'o2');
SELECT is(pg_temp.balance('eve'), '50 debt', 'rule 8: the next earning repays');
SELECT FROM loyalty.purchase(pg_temp.id('eve'), 100, 'o3');
SELECT is(pg_temp.balance('eve'), '50 available', 'rule 8: to the last point');
SELECT is(pg_temp.refund('eve', 'o2'), '-1 orders, -30 points, -30 spend', 'rule 6: what repaid a debt is taken from other lots');
SELECT is(pg_temp.balance('eve'), '20 available', 'rule 6: 50 - 30');
SELECT FROM loyalty.redeem(pg_temp.id('eve'), 20, ref => 'r1');
SELECT is(pg_temp.refund('eve', 'o3', 50), '-50 points, -50 spend', 'rule 6: and owed again');
SELECT is(pg_temp.refund('eve', 'r1'), '20 points', 'rule 8: what returns');
SELECT is(pg_temp.balance('eve'), '30 debt', 'rule 8: repays, too');
SET loyalty.now = '2029-01-01 12:00+00';
SELECT is(pg_temp.balance('eve'), '30 debt', 'rule 8: debt never expires');
SET loyalty.now = '2026-03-15 12:00+00';

-- Rule 6: own lot, other usable lots, pending, debt. lin in 'Later': 50 of February and 100 of March have vested, 120 are
-- spent (50 + 70), 20 are adjusted, 40 are pending; o1 of 100 goes back: 30 + 20 + 40 + 10 owed
CALL pg_temp.enroll('Later', 'lin', 'may');
SELECT FROM loyalty.purchase(pg_temp.id('lin'), 50, 'o0', at => '2026-02-10 12:00+00');
SELECT FROM loyalty.purchase(pg_temp.id('lin'), 100, 'o1', at => '2026-03-01 12:00+00');
SELECT FROM loyalty.redeem(pg_temp.id('lin'), 120, key => 'k1');
SELECT FROM loyalty.adjust(pg_temp.id('lin'), 20, 'points', 'gift', expires_on => '2026-06-30', key => 'k2');
SELECT FROM loyalty.purchase(pg_temp.id('lin'), 40, 'o2');
SELECT is(pg_temp.lots('lin'), '20 a until 2026-06-30, 30 e until 2027-03-31, 40 e from 2026-03-29 until 2027-03-31', 'own, other, pending');
SELECT is(pg_temp.refund('lin', 'o1', 25), '-25 points, -25 spend', 'rule 6: 25 of it');
SELECT is(pg_temp.lots('lin'), '20 a until 2026-06-30, 5 e until 2027-03-31, 40 e from 2026-03-29 until 2027-03-31', 'rule 6: the lot it was posted to');
SELECT is(pg_temp.refund('lin', 'o1', 15), '-15 points, -15 spend', 'rule 6: 15 more');
SELECT is(pg_temp.lots('lin'), '10 a until 2026-06-30, 40 e from 2026-03-29 until 2027-03-31', 'rule 6: then other usable lots');
SELECT is(pg_temp.refund('lin', 'o1', 30), '-30 points, -30 spend', 'rule 6: 30 more');
SELECT is(pg_temp.lots('lin'), '20 e from 2026-03-29 until 2027-03-31', 'rule 6: then pending');
SELECT is(pg_temp.refund('lin', 'o1'), '-1 orders, -30 points, -30 spend', 'rule 6: the rest');
SELECT is(pg_temp.balance('lin'), '10 debt', 'rule 6: then debt');
-- a pending lot repays when it vests
SELECT FROM loyalty.purchase(pg_temp.id('lin'), 25, 'o3');
SELECT is(pg_temp.balance('lin'), '25 pending, 10 debt', 'rule 8: pending does not repay');
SET loyalty.now = '2026-03-29 12:00+00';
SELECT is(pg_temp.balance('lin'), '15 available', 'rule 8: until it vests');
SELECT loyalty.account_settle(pg_temp.id('lin')) AS settled \gset
SELECT is(pg_temp.balance('lin') || ', ' || pg_temp.lots('lin'), '15 available, 15 e until 2027-03-31', 'rule 8: and is swept');
-- not yet vested
SELECT FROM loyalty.purchase(pg_temp.id('may'), 100, 'o1');
SELECT is(pg_temp.refund('may', 'o1', 40), '-40 points, -40 spend', 'rule 6: a pending order');
SELECT is(pg_temp.balance('may'), '60 pending', 'rule 6: is taken from its pending lot');

-- Limit
CALL pg_temp.enroll('Limit', 'ned', 'ola');
SELECT FROM loyalty.purchase(pg_temp.id('ned'), 100, 'o1');
SELECT FROM loyalty.redeem(pg_temp.id('ned'), 80, key => 'k1');
SELECT is(pg_temp.refund('ned', 'o1', 50), '-20 points, -50 spend', 'rule 6: limit: 20 are there');
SELECT is(pg_temp.told_to('ned'), '[{"code":"forgiven","unit":"points","amount":30}]', 'rule 6: limit: 30 are forgiven, and that is recorded');
SELECT is(pg_temp.refund('ned', 'o1'), '-1 orders, -50 spend', 'rule 6: limit: then nothing');
SELECT is(pg_temp.told_to('ned'), '[{"code":"forgiven","unit":"points","amount":50}]', 'rule 6: limit: 50 are forgiven');
SELECT is(pg_temp.balance('ned'), 'nothing', 'rule 6: limit: nothing is owed');
SELECT FROM loyalty.purchase(pg_temp.id('ned'), 30, 'o2');
SELECT is(pg_temp.balance('ned'), '30 available', 'rule 6: limit: what is forgiven is forgiven');
-- 50 earned and 50 spent on the same order: what returns is there to be taken
SELECT FROM loyalty.purchase(pg_temp.id('ola'), 50, 'o1');
SELECT FROM loyalty.redeem(pg_temp.id('ola'), 50, ref => 'o1');
SELECT is(pg_temp.refund('ola', 'o1'), '-1 orders, 0 points, -50 spend', 'rule 5: limit: what was spent returns before what was earned is taken');
SELECT is(pg_temp.balance('ola'), 'nothing', 'rule 5: limit: and nothing is forgiven');

-- Rule 6: never what is held, or was transferred
SELECT FROM loyalty.purchase(pg_temp.id('fay'), 100, 'o1');
SELECT FROM loyalty.hold(pg_temp.id('fay'), 70, key => 'k1');
SELECT is(pg_temp.refund('fay', 'o1'), '-1 orders, -100 points, -100 spend', 'rule 6: 30 are there, 70 are held');
SELECT is(pg_temp.balance('fay'), '70 held, 70 debt', 'rule 6: held lots are not touched');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.release(pg_temp.id('fay'), (SELECT hold_id FROM loyalty.hold WHERE member_id = pg_temp.id('fay'))) r), '70 points', 'released');
SELECT is(pg_temp.balance('fay'), 'nothing', 'rule 8: they repay the debt');
SELECT FROM loyalty.purchase(pg_temp.id('guy'), 100, 'o1');
SELECT FROM loyalty.transfer(pg_temp.id('guy'), pg_temp.id('hal'), 100, key => 'k1');
SELECT is(pg_temp.refund('guy', 'o1'), '-1 orders, -100 points, -100 spend', 'rule 6: transferred');
SELECT is(pg_temp.balance('guy') || ', ' || pg_temp.balance('hal'), '100 debt, 100 available', 'rule 6: transferred lots are not touched');

-- Lapsed. Points of March 2026 can be spent until 31 March 2027
SET loyalty.now = '2026-03-15 12:00+00';
CALL pg_temp.enroll('Shop', 'pam', 'quo');
CALL pg_temp.enroll('Kind', 'sue');
SELECT FROM unnest('{pam,quo,sue}'::text[]) name, loyalty.purchase(pg_temp.id(name), 100, 'o1');
SET loyalty.now = '2027-03-30 12:00+00';
SELECT FROM unnest('{quo,sue}'::text[]) name, loyalty.redeem(pg_temp.id(name), 60, ref => 'r1');
SELECT FROM loyalty.purchase(pg_temp.id('pam'), 500, 'o2');
SET loyalty.now = '2027-04-05 12:00+00';
SELECT is(pg_temp.refund('pam', 'o1', 40), '-40 spend', 'rule 6: what has lapsed is not taken');
SELECT is(pg_temp.told_to('pam'), '[{"code":"lapsed","unit":"points","amount":40}]', 'rule 6: which is recorded');
SELECT is(pg_temp.refund('pam', 'o1'), '-1 orders, -60 spend', 'rule 6: nor the rest of it');
SELECT is(pg_temp.balance('pam'), '500 available', 'rule 6: from no other lot');
SELECT is(pg_temp.lots('pam', 'spend'), '500 e from 2027-03-01', 'rule 11: the original month is corrected');
SELECT is((SELECT messages FROM loyalty.refund(pg_temp.id('quo'), 'r1', 20, key => 'k1')), '[{"code":"lapsed","unit":"points","amount":20}]',
	'rule 7: expire: what was spent returns and has lapsed');
SELECT is(pg_temp.balance('quo') || ', ' || pg_temp.lots('quo'), 'nothing, none', 'rule 7: expire: nothing is left of it');
SELECT is((SELECT outcome FROM loyalty.journal WHERE member_id = pg_temp.id('quo') AND kind = 'refund'), '[{"code":"lapsed","unit":"points","amount":20}]',
	'rule 7: expire: in the journal, too');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.refund(pg_temp.id('sue'), 'r1', 20, key => 'k1') r), '20 points', 'rule 7: grace: what was spent returns');
SELECT is(pg_temp.lots('sue'), '20 e until 2027-05-05', 'rule 7: grace: for 30 days from the refund');
SET loyalty.now = '2027-05-05 22:59:59+00';
SELECT is(pg_temp.balance('sue'), '20 available', 'rule 7: grace: to the end of the last of them');
SET loyalty.now = '2027-05-05 23:00+00';
SELECT is(pg_temp.balance('sue'), 'nothing', 'rule 7: grace: and no longer');

-- Rule 5: stored awards decide, never today's rules
SET loyalty.now = '2026-03-15 13:00+00';
CALL pg_temp.enroll('Shop', 'tom', 'uma');
SELECT FROM loyalty.purchase(pg_temp.id('tom'), 100, 'o1');
UPDATE loyalty.rule r SET award = 3 FROM loyalty.unit u WHERE u.unit_id = r.unit_id AND u.code = 'points' AND u.program_id = :shop;
SELECT FROM loyalty.purchase(pg_temp.id('tom'), 100, 'o2');
SELECT is(pg_temp.balance('tom'), '400 available', 'a new rule earns three times as much');
SELECT is(pg_temp.refund('tom', 'o1', 50), '-50 points, -50 spend', 'rule 5: what was earned by the old rule is taken');
SELECT is(pg_temp.refund('tom', 'o2', 50), '-150 points, -50 spend', 'rule 5: or by the new one');

-- Rule 10: a refund is dated now
SELECT FROM loyalty.purchase(pg_temp.id('uma'), 100, 'o1', at => '2025-12-20 12:00+00');
SELECT FROM loyalty.refund(pg_temp.id('uma'), 'o1', 30, at => '2026-01-01 12:00+00', refund_ref => 'b1');
SELECT results_eq($$SELECT effective_at, ref, reverses FROM loyalty.journal WHERE member_id = pg_temp.id('uma') AND kind = 'refund'$$,
	$$VALUES ('2026-03-15 13:00+00'::timestamptz, 'b1', 'o1')$$, 'rule 10: a refund is dated now, whatever at says');
SELECT is(pg_temp.lots('uma', 'spend'), '70 e from 2025-12-01', 'rule 11: but corrects the original month');

-- A metric does not fall below zero, nor owe
CALL pg_temp.enroll('Shop', 'vic');
SELECT FROM loyalty.purchase(pg_temp.id('vic'), 100, 'o1');
SELECT FROM loyalty.adjust(pg_temp.id('vic'), -80, 'spend', 'typing error', key => 'k1');
SELECT is(pg_temp.refund('vic', 'o1'), '-1 orders, -300 points, -20 spend', 'rule 11: a month has 20 left of 100');
SELECT is(pg_temp.told_to('vic'), '[{"code":"forgiven","unit":"spend","amount":80}]', 'rule 11: and that is recorded');
SELECT is(pg_temp.lots('vic', 'spend'), 'none', 'rule 11: a metric owes nothing');

-- Which order
SELECT throws_ok($$SELECT pg_temp.refund('uma', 'b1')$$, 'LY132', NULL, 'a refund is not refunded');
SELECT throws_ok($$SELECT pg_temp.refund('uma', 'o9')$$, 'LY130', NULL, 'an unknown order');
SELECT throws_ok($$SELECT pg_temp.refund('uma', 'o2')$$, 'LY130', NULL, 'another member''s order');
SELECT throws_ok($$SELECT * FROM loyalty.refund(pg_temp.id('uma'), 'o1', 10)$$, 'LY001', NULL, 'rule 5: a partial refund needs key or refund_ref');
SELECT throws_ok($$SELECT * FROM loyalty.refund(pg_temp.id('uma'), 'o1', items => '[{"sku":"A"}]')$$, 'LY001', NULL, 'rule 5: by items, too');
SELECT throws_ok($$SELECT pg_temp.refund('uma', 'o1', 10, '[{"sku":"A"}]')$$, '22023', NULL, 'amount or items, not both');
SELECT is((SELECT replayed FROM loyalty.refund(pg_temp.id('uma'), 'o1', 30, at => '2026-01-01 12:00+00', refund_ref => 'b1')), true, 'rule 1: a refund_ref counts once');

-- An order of several rows, which come and go one by one. The clock goes back for it.
SET loyalty.now = '2026-03-15 14:00+00';
SELECT loyalty.program_create('Rows', 'GBP', 'Europe/London') AS rows \gset
INSERT INTO loyalty.unit (program_id, code, kind) VALUES (:rows, 'miles', 'points');
CALL pg_temp.enroll('Rows', 'wes', 'xia', 'yan', 'zac');
SELECT FROM loyalty.adjust(pg_temp.id('wes'), 500, 'points', 'gift', key => 'k1');
SELECT FROM loyalty.redeem(pg_temp.id('wes'), 500, ref => 'o1');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.refund(pg_temp.id('wes'), 'o1') r), '500 points', 'rows: a redeem alone returns');
SELECT FROM loyalty.purchase(pg_temp.id('wes'), 50, 'o1');
-- floor(50 x 45 / 50) = 45
SELECT is(pg_temp.refund('wes', 'o1', 45), '-45 points, -45 spend', 'rows: what has returned does not return again with the purchase');
SELECT is(pg_temp.balance('wes'), '505 available', 'rows: 500 + 50 - 45');
SELECT is((SELECT format('%s %s', replayed, pg_temp.moved(r)) FROM loyalty.refund(pg_temp.id('wes'), 'o1') r), 'f -1 orders, -5 points, -5 spend',
	'rows: a whole refund after the order has grown is another request, and takes the rest');
SELECT is((SELECT format('%s %s', replayed, pg_temp.moved(r)) FROM loyalty.refund(pg_temp.id('wes'), 'o1') r), 't -1 orders, -5 points, -5 spend',
	'rule 1: rows: and the same again replays');
SELECT is(pg_temp.balance('wes') || ', ' || pg_temp.balance('wes', 'spend') || ', ' || pg_temp.balance('wes', 'orders'),
	'500 available, nothing, nothing', 'rows: as before the order');

-- 100 are bought and wholly refunded; 50 of a later review, for which there is no rule, are refunded: nothing of the purchase is left
SELECT FROM loyalty.purchase(pg_temp.id('xia'), 100, 'o2');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.refund(pg_temp.id('xia'), 'o2') r), '-1 orders, -100 points, -100 spend', 'rows: the purchase is refunded');
SELECT FROM loyalty.record(pg_temp.id('xia'), 'review', 50, 'o2');
SELECT is(pg_temp.refund('xia', 'o2', 50), 'nothing', 'rows: a later event is refunded without the purchase');
SELECT is(pg_temp.balance('xia') || ', ' || pg_temp.balance('xia', 'spend'), 'nothing, nothing', 'rows: nothing is taken twice');
SELECT throws_ok($$SELECT pg_temp.refund('xia', 'o2', 0.01)$$, 'LY131', NULL, 'rows: not more than 100 + 50');

-- A review earns 20, whatever it costs. 100 bought, 50 of it refunded; then the review; then the other 50
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award)
SELECT program_id, 'review', unit_id, 'fixed', 20 FROM loyalty.unit WHERE code = 'points' AND program_id = :rows;
SELECT FROM loyalty.purchase(pg_temp.id('xia'), 100, 'o3');
SELECT is(pg_temp.refund('xia', 'o3', 50), '-50 points, -50 spend', 'rows: half of the purchase');
SELECT FROM loyalty.record(pg_temp.id('xia'), 'review', ref => 'o3');
SELECT is(pg_temp.balance('xia'), '70 available', 'rows: 100 - 50 + 20');
SELECT is(pg_temp.refund('xia', 'o3'), '-1 orders, -70 points, -50 spend', 'rows: the rest takes 50 of the purchase and all 20 of the review');
SELECT is(pg_temp.balance('xia'), 'nothing', 'rows: nothing is left');
-- The same with 25 of the other 50: floor(20 x 25 / 50) = 10
SELECT FROM loyalty.purchase(pg_temp.id('xia'), 100, 'o4');
SELECT FROM loyalty.refund(pg_temp.id('xia'), 'o4', 50, key => 'o4-half');
SELECT FROM loyalty.record(pg_temp.id('xia'), 'review', ref => 'o4');
SELECT is(pg_temp.refund('xia', 'o4', 25), '-35 points, -25 spend', 'rows: half of the rest: 25 + 10');
SELECT is(pg_temp.refund('xia', 'o4'), '-1 orders, -35 points, -25 spend', 'rows: and the other half');

-- A free order with lines has no parts
SELECT FROM loyalty.purchase(pg_temp.id('yan'), 0, 'free', '[{"sku":"A","price":0},{"sku":"B","price":0}]');
SELECT throws_ok($$SELECT pg_temp.refund('yan', 'free', items => '[{"sku":"A"}]')$$, 'LY131', NULL, 'rows: of a free order no line is refunded');
SELECT is(pg_temp.refund('yan', 'free'), '-1 orders', 'rows: but the whole');
SELECT throws_ok($$SELECT pg_temp.refund('yan', 'free')$$, 'LY131', NULL, 'rows: once');

-- 2 x 50: 50 by amount leaves 50 on the line, which is 25 a piece
SELECT FROM loyalty.purchase(pg_temp.id('yan'), 100, 'o5', '[{"sku":"A","qty":2,"price":50}]');
SELECT is(pg_temp.refund('yan', 'o5', 50), '-50 points, -50 spend', 'rows: half by amount');
SELECT is(pg_temp.refund('yan', 'o5', items => '[{"sku":"A","qty":1}]'), '-25 points, -25 spend', 'rows: a piece of what is left');
SELECT is(pg_temp.refund('yan', 'o5', items => '[{"sku":"A","qty":1}]'), '-1 orders, -25 points, -25 spend', 'rows: and the other');
-- The same with a piece first: 50, then 25 by amount leaves 25 to the second piece
SELECT FROM loyalty.purchase(pg_temp.id('yan'), 100, 'o6', '[{"sku":"A","qty":2,"price":50}]');
SELECT is(pg_temp.refund('yan', 'o6', items => '[{"sku":"A","qty":1}]'), '-50 points, -50 spend', 'rows: a piece');
SELECT is(pg_temp.refund('yan', 'o6', 25), '-25 points, -25 spend', 'rows: an amount');
SELECT is(pg_temp.refund('yan', 'o6', items => '[{"sku":"A"}]'), '-1 orders, -25 points, -25 spend', 'rows: what the second piece has left');

-- A redeem alone: the refund is in its unit, not in the currency
SELECT FROM unnest('{points,miles}'::text[]) unit, loyalty.adjust(pg_temp.id('zac'), 100, unit, 'gift', key => unit);
SELECT FROM loyalty.redeem(pg_temp.id('zac'), 60, ref => 'mug');
SELECT is(pg_temp.refund('zac', 'mug', 40), '40 points', 'rows: 40 of 60 points');
SELECT results_eq($$SELECT j.amount, u.code FROM loyalty.journal j LEFT JOIN loyalty.unit u USING (unit_id) WHERE j.member_id = pg_temp.id('zac') AND j.kind = 'refund'$$,
	$$VALUES (40::bigint, 'points')$$, 'rows: the journal names the unit');
SELECT results_eq($$SELECT kind, amount, amount_in FROM loyalty.report_event WHERE member_id = pg_temp.id('zac') AND reverses = 'mug'$$,
	$$VALUES ('refund', 40::numeric, 'points')$$, 'rows: and the report shows it in points');
-- Spends of two units under one reference: 30 points redeemed, 20 miles held and captured
SELECT FROM loyalty.redeem(pg_temp.id('zac'), 30, ref => 'trip');
SELECT hold_id FROM loyalty.hold(pg_temp.id('zac'), 20, 'miles', key => 'h1') \gset
SELECT FROM loyalty.capture(pg_temp.id('zac'), :hold_id, ref => 'trip');
SELECT is(pg_temp.balance('zac') || ', ' || pg_temp.balance('zac', 'miles'), '50 available, 80 available', 'rows: 100 - 60 + 40 - 30, and 100 - 20');
SELECT throws_ok($$SELECT pg_temp.refund('zac', 'trip', 10)$$, 'LY106', NULL, 'rows: of two units there is no part');
SELECT is(pg_temp.refund('zac', 'trip'), '20 miles, 30 points', 'rows: the whole returns both');
SELECT is(pg_temp.balance('zac') || ', ' || pg_temp.balance('zac', 'miles'), '80 available, 100 available', 'rows: each to its own');
SELECT throws_ok($$SELECT pg_temp.refund('zac', 'trip')$$, 'LY131', NULL, 'rows: once');

-- An order of 3 x 10 to which an event of 50 was added: 60 of its 80 are refunded by
-- amount, but of the lines no more than the 30 that they are worth.
CALL pg_temp.enroll('Shop', 'ned');
SELECT FROM loyalty.purchase(pg_temp.id('ned'), 30, 'n1', '[{"sku": "A", "qty": 3, "price": 10}]');
SELECT FROM loyalty.record(pg_temp.id('ned'), 'review', 50, 'n1');
SELECT FROM loyalty.refund(pg_temp.id('ned'), 'n1', 60, key => 'n1/1');
SELECT is((SELECT sum((line->>'net')::int) FROM loyalty.event_data d, jsonb_array_elements(d.data->'lines') line
	WHERE d.member_id = pg_temp.id('ned')), 3000::bigint, 'rows: no line gives more than it is worth');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
