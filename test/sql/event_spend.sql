\set ECHO none
\i test/prelude.sql
SELECT plan(40);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
SELECT loyalty.program_create('Later', 'GBP', 'Europe/London', vest_days => 14) AS later \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:shop, 'cash', 'money', 2);

SELECT is(pg_temp.signature('redeem'),
	'(member_id bigint, amount numeric, unit text DEFAULT ''points''::text, ref text DEFAULT NULL::text, reason text DEFAULT NULL::text, '
	'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text) -> loyalty.receipt',
	'redeem(): arguments');

-- Rule 3: earliest expiry, then origin; what never lapses goes last
CALL pg_temp.enroll('Shop', 'ann');
SELECT FROM (VALUES ('2026-01-15 12:00+00'::timestamptz, 30, 'o1'), ('2026-03-15 12:00+00', 50, 'o3'), ('2026-02-15 12:00+00', 40, 'o2')) v(at, amount, ref),
	loyalty.purchase(pg_temp.id('ann'), amount, ref, at => at);
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 25, 'points', 'gift', expires_on => '2027-02-28', key => 'a1');
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 9, 'points', 'gift', expires_on => '2026-03-15', key => 'a2');
SELECT is(pg_temp.lots('ann'), '9 a until 2026-03-15, 30 e until 2027-01-31, 40 e until 2027-02-28, 25 a until 2027-02-28, 50 e until 2027-03-31',
	'the lots, in spend order');
SELECT results_eq(
	$$SELECT p.unit, p.amount, p.balance_after, p.vests_on, p.expires_on FROM loyalty.redeem(pg_temp.id('ann'), 60, ref => 'r1') r, unnest(r.postings) p$$,
	$$VALUES ('points', -9::numeric, 145::numeric, NULL::date, '2026-03-15'::date), ('points', -30, 115, NULL, '2027-01-31'), ('points', -21, 94, NULL, '2027-02-28')$$,
	'rule 3: earliest expiry first: 9 + 30 + 21 of 154');
SELECT is(pg_temp.lots('ann'), '19 e until 2027-02-28, 25 a until 2027-02-28, 50 e until 2027-03-31', 'rule 3: earned before adjusted');
SELECT FROM loyalty.redeem(pg_temp.id('ann'), 20, 'points', 'r2', 'mug');
SELECT is(pg_temp.lots('ann'), '24 a until 2027-02-28, 50 e until 2027-03-31', 'rule 3: then the next origin');
SELECT results_eq($$SELECT j.kind, ref, amount, reason, code, effective_at FROM loyalty.journal j JOIN loyalty.unit USING (unit_id)
	WHERE member_id = pg_temp.id('ann') ORDER BY journal_id DESC LIMIT 1$$,
	$$VALUES ('redeem', 'r2', 20::bigint, 'mug', 'points', '2026-03-15 12:00+00'::timestamptz)$$, 'in the journal, with the reason');

-- All or nothing
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.redeem(pg_temp.id('ann'), 75, key => 'k1')$$), 'LY120 available=74 requested=75 unit=points', 'more than there is');
SELECT is(pg_temp.balance('ann'), '74 available', 'takes nothing');
SELECT is((SELECT format('%s %s %s', status, reason, pg_temp.moved(r)) FROM loyalty.redeem(pg_temp.id('ann'), 75, key => 'k1', mode => 'try') r),
	'refused insufficient_points nothing', 'mode try tells');
SELECT is((SELECT messages FROM loyalty.redeem(pg_temp.id('ann'), 75, key => 'k1', mode => 'try') r),
	'[{"code":"insufficient_points","detail":"available=74 requested=75 unit=points"}]', 'mode try gives the facts, too');
SELECT is((SELECT format('%s %s', status, reason) FROM loyalty.redeem(pg_temp.id('ann'), 75, key => 'k1', mode => 'dry') r),
	'refused insufficient_points', 'mode dry tells');
SELECT is((SELECT format('%s %s', status, pg_temp.moved(r)) FROM loyalty.redeem(pg_temp.id('ann'), 74, key => 'k1', mode => 'dry') r),
	'dry -74 points', 'mode dry: what would go');
SELECT is((SELECT format('%s %s', status, pg_temp.moved(r)) FROM loyalty.redeem(pg_temp.id('ann'), 74, key => 'k1', mode => 'try') r),
	'done -74 points', 'all there is');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.redeem(pg_temp.id('ann'), 1, key => 'k2')$$), 'LY120 available=0 requested=1 unit=points', 'and 1 more');
SELECT throws_ok($$SELECT * FROM loyalty.redeem(pg_temp.id('ann'), 1)$$, 'LY001', NULL, 'neither key nor ref');

-- Other units
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 10.50, 'cash', 'voucher', key => 'a3');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.redeem(pg_temp.id('ann'), 3.05, unit => 'cash', key => 'k3') r), '-3.05 cash', 'money has decimals');
SELECT is(pg_temp.balance('ann', 'cash'), '7.45 available', '10.50 - 3.05');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.redeem(pg_temp.id('ann'), 7.46, 'cash', key => 'k4')$$), 'LY120 available=7.45 requested=7.46 unit=cash',
	'and is told in them');
SELECT throws_ok($$SELECT * FROM loyalty.redeem(pg_temp.id('ann'), 0.5, key => 'k4')$$, 'LY103', NULL, 'half a point');
SELECT throws_ok($$SELECT * FROM loyalty.redeem(pg_temp.id('ann'), 1, 'gold', key => 'k4')$$, 'LY105', NULL, 'an unknown unit');
SELECT throws_ok($$SELECT * FROM loyalty.redeem(pg_temp.id('ann'), 1, 'spend', key => 'k4')$$, 'LY106', NULL, 'a metric is not spent');

-- Rule 3: not before it vests
CALL pg_temp.enroll('Later', 'bob');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 100, 'o1');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.redeem(pg_temp.id('bob'), 1, key => 'k1')$$), 'LY120 available=0 requested=1 unit=points', 'rule 3: pending is not usable');
SET loyalty.now = '2026-03-28 23:59:59.999999+00';
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.redeem(pg_temp.id('bob'), 1, key => 'k1')$$), 'LY120 available=0 requested=1 unit=points',
	'rule 3: until the local midnight before it vests');
SET loyalty.now = '2026-03-29 00:00+00';
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.redeem(pg_temp.id('bob'), 1, key => 'k1') r), '-1 points', 'rule 3: vested, usable, unswept or not');
SELECT is(pg_temp.journal('bob'), 'event signup, event purchase o1, vest, redeem', 'what fell due is posted before');

-- Rule 3: not after it lapsed. London is an hour ahead: the last day ends at 23:00 UTC.
CALL pg_temp.enroll('Shop', 'cat', 'dan');
SET loyalty.now = '2026-03-15 12:00+00';
SELECT FROM unnest('{cat,dan}'::text[]) name, loyalty.purchase(pg_temp.id(name), 100, 'o1');
SET loyalty.now = '2027-03-31 22:59:59.999999+00';
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.redeem(pg_temp.id('cat'), 60, key => 'k1') r), '-60 points', 'rule 3: usable until local midnight');
SET loyalty.now = '2027-03-31 23:00+00';
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.redeem(pg_temp.id('cat'), 1, key => 'k2')$$), 'LY120 available=0 requested=1 unit=points', 'rule 3: and not after, swept or not');
SELECT is((SELECT kind FROM loyalty.journal WHERE member_id = pg_temp.id('cat') ORDER BY journal_id DESC LIMIT 1), 'redeem', 'a refusal leaves nothing swept');
SELECT loyalty.account_settle(pg_temp.id('cat')) AS settled \gset
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.redeem(pg_temp.id('cat'), 1, key => 'k2')$$), 'LY120 available=0 requested=1 unit=points', 'rule 3: swept');
-- Rule 10: at does not move a spend
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.redeem(pg_temp.id('dan'), 1, key => 'k1', at => '2027-03-31 12:00+00')$$), 'LY120 available=0 requested=1 unit=points',
	'rule 10: a spend is judged now, whatever at says');
SET loyalty.now = '2027-03-31 12:00+00';
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.redeem(pg_temp.id('dan'), 30, key => 'k1', at => '2027-04-01 11:00+00') r), '-30 points',
	'rule 10: and an at after the expiry does not hinder it');
SELECT is((SELECT effective_at FROM loyalty.journal WHERE member_id = pg_temp.id('dan') AND kind = 'redeem'), '2027-03-31 12:00+00', 'rule 10: it is dated now');

-- Rule 8: debt
CALL pg_temp.enroll('Shop', 'eve');
SET loyalty.now = '2026-03-15 12:00+00';
CALL pg_temp.enroll('Shop', 'fay');
SELECT FROM loyalty.purchase(pg_temp.id('fay'), 100, 'o1');
SELECT FROM loyalty.redeem(pg_temp.id('fay'), 100, key => 'k1');
SELECT FROM loyalty.refund(pg_temp.id('fay'), 'o1');
SELECT is(pg_temp.balance('fay'), '100 debt', 'rule 8: what was spent is owed');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.redeem(pg_temp.id('fay'), 1, key => 'k2')$$), 'LY120 available=0 requested=1 unit=points', 'rule 8: in debt nothing is available');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('fay'), 130, 'o2') r), '1 orders, 130 points, 130 spend', 'rule 8: the next earning');
SELECT is(pg_temp.balance('fay'), '30 available', 'rule 8: repays it first');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.redeem(pg_temp.id('fay'), 31, key => 'k2')$$), 'LY120 available=30 requested=31 unit=points', 'rule 8: only the rest is available');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.redeem(pg_temp.id('fay'), 30, key => 'k2') r), '-30 points', 'rule 8: and can be spent');
SELECT is(pg_temp.lots('fay'), 'none', 'rule 8: nothing is left, nothing owed');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
