\set ECHO none
\i test/prelude.sql
SELECT plan(33);

SELECT loyalty.program_create('shop', 'GBP', 'Europe/London') AS program_id \gset
CALL pg_temp.enroll('shop', 'ann', 'bob');

-- Earned 300 on 15 March, 100 of them held for a day on the same day.
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 300, 'o1');
SELECT FROM loyalty.hold(pg_temp.id('ann'), 100, ttl => '1 day', ref => 'h1');
SELECT is(pg_temp.balance('ann'), '200 available, 100 held', 'a hold is set aside');

-- On the 18th nobody has swept: a balance never depends on it.
SET loyalty.now = '2026-03-18 12:00+00';
SELECT is(pg_temp.balance('ann'), '300 available', 'a hold that has timed out is back, swept or not');
SELECT is(pg_temp.balance('ann', as_of => '2026-03-14'), 'nothing', 'nothing before the purchase');
SELECT is(pg_temp.balance('ann', as_of => '2026-03-15'), '200 available, 100 held', 'in the past: held at the end of its day');
SELECT is(pg_temp.balance('ann', as_of => '2026-03-16'), '300 available', 'in the past: timed out by the end of the next');
SELECT is(loyalty.account_settle(pg_temp.id('ann')), 1, 'sweeping writes the time-out');
SELECT is(pg_temp.balance('ann', as_of => '2026-03-15'), '200 available, 100 held', 'and changes nothing of that: held');
SELECT is(pg_temp.balance('ann', as_of => '2026-03-16'), '300 available', 'and changes nothing of that: timed out');
SELECT is(loyalty.account_settle(pg_temp.id('ann')), 0, 'sweeping again writes nothing');

-- A hold that was captured later was open before.
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 50, 'o2');
SELECT hold_id FROM loyalty.hold(pg_temp.id('bob'), 40, ttl => '3 days', ref => 'h2') \gset
SET loyalty.now = '2026-03-20 12:00+00';
SELECT FROM loyalty.capture(pg_temp.id('bob'), :hold_id, 30);
SELECT is(pg_temp.balance('bob', as_of => '2026-03-19'), '10 available, 40 held', 'in the past: not captured yet');
SELECT is(pg_temp.balance('bob', as_of => '2026-03-20'), '20 available', 'in the past: captured, the rest returned');

-- The future, if nothing else happens: earned in March 2026, good until the end of March 2027.
SELECT is(pg_temp.balance('bob', as_of => '2027-03-31'), '20 available', 'in the future: the last day of use');
SELECT is(pg_temp.balance('bob', as_of => '2027-04-01'), 'nothing', 'in the future: lapsed');
SELECT is(pg_temp.balance('bob', 'spend', '2027-02-28'), '50 available', 'in the future: February 2027 and the 11 months before');
SELECT is(pg_temp.balance('bob', 'spend', '2027-03-01'), 'nothing', 'in the future: March 2026 has left the window');

-- Debt, and what repaid it at a date before it was made. cat: 100 earned on 1 March, spent on 2 March, taken back on the
-- 10th; on the 11th 40 dated the 5th arrive and repay.
SET loyalty.now = '2026-03-01 12:00+00';
CALL pg_temp.enroll('shop', 'cat', 'dan');
SELECT FROM unnest('{cat,dan}'::text[]) name, loyalty.purchase(pg_temp.id(name), 100, 'o1');
SET loyalty.now = '2026-03-02 12:00+00';
SELECT FROM unnest('{cat,dan}'::text[]) name, loyalty.redeem(pg_temp.id(name), 100, key => 'r1');
SET loyalty.now = '2026-03-10 12:00+00';
SELECT FROM unnest('{cat,dan}'::text[]) name, loyalty.refund(pg_temp.id(name), 'o1');
SET loyalty.now = '2026-03-11 12:00+00';
SELECT is(pg_temp.balance('cat'), '100 debt', 'owed');
SELECT FROM loyalty.adjust(pg_temp.id('cat'), 40, 'points', 'forgotten', at => '2026-03-05 12:00+00', key => 'a1');
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 140, 'o2', at => '2026-03-05 12:00+00');
SELECT is(pg_temp.balance('cat', as_of => as_of), balance, 'a late 40, seen from ' || as_of)
FROM (VALUES ('2026-02-28'::date, 'nothing'), ('2026-03-01', '100 available'), ('2026-03-02', 'nothing'), ('2026-03-04', 'nothing'),
	('2026-03-05', '40 available'), ('2026-03-07', '40 available'), ('2026-03-09', '40 available'),
	('2026-03-10', '60 debt'), ('2026-03-11', '60 debt'), ('2026-03-12', '60 debt')) v(as_of, balance);
-- dan: 140 of the 5th, 100 of which repay: 140 before the debt was made, 40 after it
SELECT is(pg_temp.balance('dan', as_of => as_of), balance, 'a late 140, seen from ' || as_of)
FROM (VALUES ('2026-03-04'::date, 'nothing'), ('2026-03-05', '140 available'), ('2026-03-09', '140 available'),
	('2026-03-10', '40 available'), ('2026-03-11', '40 available')) v(as_of, balance);
SELECT is_empty($$SELECT * FROM generate_series(date '2026-02-28', '2026-03-20', '1 day') d, unnest('{cat,dan}'::text[]) name,
	loyalty.balance(pg_temp.id(name), as_of => d::date) b WHERE b.available < 0 OR b.pending < 0 OR b.held < 0 OR b.debt < 0$$, 'no day is below zero');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
