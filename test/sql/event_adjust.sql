\set ECHO none
\i test/prelude.sql
SELECT plan(49);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
SELECT loyalty.program_create('Later', 'GBP', 'Europe/London', vest_days => 14) AS later \gset
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve');
CALL pg_temp.enroll('Later', 'lin');

SELECT is(pg_temp.signature('adjust'),
	'(member_id bigint, amount numeric, unit text, reason text, vests_on date DEFAULT NULL::date, expires_on date DEFAULT NULL::date, ref text DEFAULT NULL::text, '
	'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text, extend boolean DEFAULT false) -> loyalty.receipt',
	'adjust(): arguments');

-- Up
SELECT results_eq(
	$$SELECT p.unit, p.amount, p.balance_after, p.vests_on, p.expires_on
	  FROM loyalty.adjust(pg_temp.id('ann'), 100, 'points', 'goodwill', expires_on => '2026-06-30', ref => 'c-1') r, unnest(r.postings) p$$,
	$$VALUES ('points', 100::numeric, 100::numeric, NULL::date, '2026-06-30'::date)$$, 'a positive one posts a lot');
SELECT is(pg_temp.lots('ann'), '100 a until 2026-06-30', 'origin adjusted');
SELECT results_eq($$SELECT j.kind, ref, amount, reason, code FROM loyalty.journal j JOIN loyalty.unit USING (unit_id)
	WHERE member_id = pg_temp.id('ann') ORDER BY journal_id DESC LIMIT 1$$,
	$$VALUES ('adjust', 'c-1', 100::bigint, 'goodwill', 'points')$$, 'in the journal, with the reason');
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 20, 'points', 'promise', '2026-04-01', '2026-12-31', key => 'k1');
SELECT is(pg_temp.balance('ann'), '100 available, 20 pending', 'it may vest later');
SELECT is(pg_temp.balance('ann', as_of => '2026-04-01'), '120 available', 'and does');
SELECT FROM loyalty.adjust(pg_temp.id('lin'), 5, 'points', 'goodwill', key => 'k1');
SELECT is(pg_temp.lots('lin'), '5 a until 2027-03-31', 'without dates it is usable at once and lapses as if earned today');
SELECT FROM loyalty.adjust(pg_temp.id('lin'), 6, 'points', 'goodwill', expires_on => 'infinity', key => 'k2');
SELECT is(pg_temp.balance('lin', as_of => '2199-12-31'), '6 available', 'it may last for ever');
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 7, 'points', 'last day', expires_on => '2026-03-15', key => 'k2');
SELECT is(pg_temp.balance('ann'), '107 available, 20 pending', 'it may lapse tonight');
SELECT is(pg_temp.balance('ann', as_of => '2026-03-16'), '100 available, 20 pending', 'and does');

-- Down: usable lots in spend order
SELECT results_eq(
	$$SELECT p.amount, p.expires_on FROM loyalty.adjust(pg_temp.id('ann'), -50, 'points', 'mistake', key => 'k3') r, unnest(r.postings) p$$,
	$$VALUES (-7::numeric, '2026-03-15'::date), (-43, '2026-06-30')$$, 'a negative one takes usable lots in spend order');
SELECT is((SELECT amount FROM loyalty.journal WHERE member_id = pg_temp.id('ann') AND key = 'k3'), -50::bigint, 'the journal keeps the sign');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.adjust(pg_temp.id('ann'), -58, 'points', 'mistake', key => 'k4')$$), 'LY120 available=57 requested=58 unit=points',
	'not more than is available');
SELECT is(pg_temp.balance('ann'), '57 available, 20 pending', 'a refused one takes nothing');

-- Rule 8: only adjust writes debt off
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 100, 'o1');
SELECT FROM loyalty.redeem(pg_temp.id('bob'), 100, key => 'k1');
SELECT FROM loyalty.refund(pg_temp.id('bob'), 'o1');
SELECT FROM loyalty.adjust(pg_temp.id('bob'), 60, 'points', 'write-off', expires_on => '2026-12-31', key => 'k2');
SELECT is(pg_temp.balance('bob'), '40 debt', 'rule 8: a write-off of 60 of 100');
SELECT FROM loyalty.adjust(pg_temp.id('bob'), 10, 'points', 'promise', '2026-04-01', '2026-12-31', key => 'k3');
SELECT is(pg_temp.balance('bob'), '10 pending, 40 debt', 'rule 8: what is pending does not repay');
SELECT is(pg_temp.balance('bob', as_of => '2026-04-01'), '30 debt', 'rule 8: until it vests');
SELECT FROM loyalty.adjust(pg_temp.id('bob'), 45, 'points', 'write-off', expires_on => '2026-12-31', key => 'k4');
SELECT is(pg_temp.balance('bob'), '5 available, 10 pending', 'rule 8: what is over is available');

-- Extend
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 100, 'o1');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 30, 'o2', at => '2026-01-15 12:00+00');
SELECT is(pg_temp.lots('cat'), '30 e until 2027-01-31, 100 e until 2027-03-31', 'two lots');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.adjust(pg_temp.id('cat'), 50, 'points', 'sorry', expires_on => '2028-06-30', key => 'k1', extend => true) r),
	'0 points', 'extend: nothing more and nothing less');
SELECT is(pg_temp.balance('cat'), '130 available', 'extend: the sum is the same');
SELECT is(pg_temp.balance('cat', as_of => as_of), expected, 'extend: as of ' || as_of)
FROM (VALUES ('2027-01-31'::date, '130 available'),
	('2027-02-01', '130 available'),     -- the 30 that would have lapsed first were moved
	('2027-03-31', '130 available'),
	('2027-04-01', '50 available'),      -- and 20 of the others: 100 - 20 lapse
	('2028-06-30', '50 available'),
	('2028-07-01', 'nothing')) v(as_of, expected);
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.adjust(pg_temp.id('cat'), 131, 'points', 'sorry', expires_on => '2028-06-30', key => 'k2', extend => true)$$),
	'LY120 available=80 requested=131 unit=points', 'extend: not what is good for as long already');

CALL pg_temp.enroll('Later', 'lou');
SELECT FROM loyalty.purchase(pg_temp.id('lou'), 30, 'o1');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.adjust(pg_temp.id('lou'), 1, 'points', 'sorry', expires_on => '2028-06-30', key => 'k1', extend => true)$$),
	'LY120 available=0 requested=1 unit=points', 'extend: not what is pending');

-- Reinstate
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 40, 'o1', at => '2025-02-15 12:00+00');
SELECT is(pg_temp.balance('dan'), 'nothing', 'lapsed on 28 February 2026');
SELECT FROM loyalty.adjust(pg_temp.id('dan'), 40, 'points', 'reinstated', expires_on => '2026-05-31', key => 'k1');
SELECT is(pg_temp.balance('dan'), '40 available', 'reinstated');
SELECT is(pg_temp.lots('dan'), '40 a until 2026-05-31', 'with a new expiry');

-- Rule 11: a metric has months
SELECT FROM loyalty.purchase(pg_temp.id('eve'), 100, 'o1');
SELECT FROM loyalty.adjust(pg_temp.id('eve'), 20.50, 'spend', 'till was down', '2026-01-20', key => 'k1');
SELECT is(pg_temp.lots('eve', 'spend'), '20.5 e from 2026-01-01, 100 e from 2026-03-01', 'rule 11: vests_on picks the month');
SELECT FROM loyalty.adjust(pg_temp.id('eve'), 3, 'orders', 'till was down', at => '2026-02-28 12:00+00', key => 'k2');
SELECT is(pg_temp.lots('eve', 'orders'), '3 e from 2026-02-01, 1 e from 2026-03-01', 'rule 11: else it is the month of at');
SELECT FROM loyalty.adjust(pg_temp.id('eve'), -40, 'spend', 'typing error', '2026-03-31', key => 'k3');
SELECT is(pg_temp.lots('eve', 'spend'), '20.5 e from 2026-01-01, 60 e from 2026-03-01', 'rule 11: down, too');
SELECT throws_ok($$SELECT * FROM loyalty.adjust(pg_temp.id('eve'), -20.51, 'spend', 'too much', '2026-01-01', key => 'k4')$$, 'LY120', NULL,
	'no month falls below zero');

-- Refused
SELECT throws_ok(format($$SELECT * FROM loyalty.adjust(pg_temp.id('ann'), %s)$$, arguments), code, NULL, why)
FROM (VALUES
	($$0, 'points', 'why', key => 'k9'$$, 'LY101', 'nothing'),
	($$0.5, 'points', 'why', key => 'k9'$$, 'LY103', 'half a point'),
	($$1, 'points', 'why', key => 'k9', extend => true$$, 'LY106', 'extend without a date'),
	($$-1, 'points', 'why', expires_on => '2027-12-31', key => 'k9', extend => true$$, 'LY106', 'extend downwards'),
	($$1, 'spend', 'why', expires_on => '2027-12-31', key => 'k9', extend => true$$, 'LY106', 'extend a metric'),
	($$'NaN', 'points', 'why', key => 'k9'$$, 'LY104', 'not a number'),
	($$1, 'gold', 'why', key => 'k9'$$, 'LY105', 'an unknown unit'),
	($$1, 'points', NULL, key => 'k9'$$, 'LY160', 'no reason'),
	($$1, 'points', ' ', key => 'k9'$$, 'LY160', 'a blank reason'),
	($$1, 'points', 'why'$$, 'LY001', 'neither key nor ref'),
	($$1, 'points', 'why', expires_on => '2026-03-14', key => 'k9'$$, 'LY110', 'an expiry that has passed'),
	($$1, 'points', 'why', '2026-05-01', '2026-04-30', key => 'k9'$$, 'LY111', 'an expiry before it vests')) v(arguments, code, why);

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
