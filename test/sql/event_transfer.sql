\set ECHO none
\i test/prelude.sql
SELECT plan(37);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
SELECT loyalty.program_create('Cafe', 'GBP', 'Europe/London') AS cafe \gset
SELECT loyalty.program_create('Later', 'GBP', 'Europe/London', vest_days => 14) AS later \gset
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan');
CALL pg_temp.enroll('Cafe', 'zoe');
CALL pg_temp.enroll('Later', 'eve', 'fay');

SELECT is(pg_temp.signature('transfer'),
	'(member_id bigint, to_member_id bigint, amount numeric, unit text DEFAULT ''points''::text, ref text DEFAULT NULL::text, '
	'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text) -> loyalty.receipt',
	'transfer(): arguments');

-- Rule 9: usable lots in spend order, and their dates
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 30, 'o1', at => '2026-01-15 12:00+00');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 50, 'o2');
SELECT * FROM loyalty.transfer(pg_temp.id('ann'), pg_temp.id('bob'), 40, ref => 't1') \gset sent_
SELECT is(format('%s %s', :'sent_status', :sent_member_id = pg_temp.id('ann')), 'done t', 'the receipt is the sender''s');
SELECT is(pg_temp.lots('ann'), '40 e until 2027-03-31', 'rule 9: the sender gives the earliest expiry first');
SELECT is(pg_temp.lots('bob'), '30 t until 2027-01-31, 10 t until 2027-03-31', 'rule 9: the lots keep their dates');
SELECT results_eq($$SELECT kind, ref, key, other_member_id, amount, request_hash IS NOT NULL FROM loyalty.journal
	WHERE member_id = pg_temp.id('ann') ORDER BY journal_id DESC LIMIT 1$$,
	$$VALUES ('transfer', 't1', NULL::text, pg_temp.id('bob'), 40::bigint, true)$$, 'the sender''s half');
SELECT results_eq($$SELECT kind, ref, key, other_member_id, amount, request_hash IS NOT NULL FROM loyalty.journal
	WHERE member_id = pg_temp.id('bob') ORDER BY journal_id DESC LIMIT 1$$,
	format($$VALUES ('receive', 'transfer:%s', NULL::text, pg_temp.id('ann'), 40::bigint, false)$$, :sent_journal_id),
	'rule 9: the receiver''s half is its own row, its ref derives from the sender''s');
SELECT is((SELECT replayed FROM loyalty.transfer(pg_temp.id('ann'), pg_temp.id('bob'), 40, ref => 't1')), true, 'rule 1: once');
SELECT is(pg_temp.balance('ann') || ', ' || pg_temp.balance('bob'), '40 available, 40 available', 'rule 1: both sides once');
SELECT is((SELECT sum(e.amount) FROM loyalty.entry e JOIN loyalty.journal j USING (member_id, journal_id)
	WHERE j.kind IN ('transfer', 'receive')), 0::numeric, 'the two sides add up to zero');

-- And on
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.transfer(pg_temp.id('bob'), pg_temp.id('ann'), 35, key => 'k1') r), '-35 points', 'back again');
SELECT is(pg_temp.lots('ann'), '30 t until 2027-01-31, 40 e until 2027-03-31, 5 t until 2027-03-31', 'rule 9: transferred stays transferred');
SELECT is(pg_temp.lots('bob'), '5 t until 2027-03-31', 'rule 9: the rest');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.redeem(pg_temp.id('ann'), 71, key => 'k2') r), '-71 points', 'rule 3: it is spent');
SELECT is(pg_temp.lots('ann'), '4 t until 2027-03-31', 'rule 3: earned before transferred');

-- Not what is pending, lapsed or held; nor more than is available
SELECT FROM loyalty.purchase(pg_temp.id('eve'), 100, 'o1');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.transfer(pg_temp.id('eve'), pg_temp.id('fay'), 1, key => 'k1')$$), 'LY120 available=0 requested=1 unit=points', 'rule 9: not what is pending');
SELECT FROM loyalty.hold(pg_temp.id('bob'), 3, key => 'h1');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.transfer(pg_temp.id('bob'), pg_temp.id('ann'), 3, key => 'k3')$$), 'LY120 available=2 requested=3 unit=points', 'rule 9: not what is held');
SELECT is(pg_temp.balance('ann') || ', ' || pg_temp.balance('bob'), '4 available, 2 available, 3 held', 'a refused one moves nothing');
SELECT is((SELECT format('%s %s', status, pg_temp.moved(r)) FROM loyalty.transfer(pg_temp.id('bob'), pg_temp.id('ann'), 2, key => 'k3', mode => 'dry') r),
	'dry -2 points', 'a dry run');
SELECT is(pg_temp.balance('ann') || ', ' || pg_temp.balance('bob'), '4 available, 2 available, 3 held', 'moves nothing');

-- Rule 8: the receiver's debt is repaid first
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 100, 'o1');
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 60, 'o1');
SELECT FROM loyalty.redeem(pg_temp.id('dan'), 60, key => 'k1');
SELECT FROM loyalty.refund(pg_temp.id('dan'), 'o1');
SELECT FROM loyalty.transfer(pg_temp.id('cat'), pg_temp.id('dan'), 20, key => 'k1');
SELECT is(pg_temp.balance('dan'), '40 debt', 'rule 8: 60 owed, 20 received');
SELECT FROM loyalty.transfer(pg_temp.id('cat'), pg_temp.id('dan'), 50, key => 'k2');
SELECT is(pg_temp.balance('dan'), '10 available', 'rule 8: 40 owed, 50 received');
SELECT is(pg_temp.balance('cat'), '30 available', 'the sender gave 70');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.refund(pg_temp.id('cat'), 'o1')$$), 'no error', 'rule 6: the sender''s order comes back');
SELECT is(pg_temp.balance('cat') || ', ' || pg_temp.balance('dan'), '70 debt, 10 available', 'rule 6: what was sent is not fetched from the receiver');

-- Lapsed
SET loyalty.now = '2027-03-31 23:00+00';
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.transfer(pg_temp.id('dan'), pg_temp.id('bob'), 1, key => 'k9')$$), 'LY120 available=0 requested=1 unit=points', 'rule 9: not what has lapsed');
SET loyalty.now = '2026-03-15 13:00+00';

-- What is due is posted before, on both sides
CALL pg_temp.enroll('Shop', 'gus', 'hal');
SELECT FROM unnest('{gus,hal}'::text[]) name, loyalty.purchase(pg_temp.id(name), 100, 'o1');
SELECT FROM unnest('{gus,hal}'::text[]) name, loyalty.hold(pg_temp.id(name), 10, ref => 'h1');
SET loyalty.now = '2026-03-15 14:00+00';
SELECT * FROM loyalty.transfer(pg_temp.id('gus'), pg_temp.id('hal'), 95, ref => 't1') \gset sent_
SELECT is(pg_temp.journal('gus'), 'event signup, event purchase o1, hold h1, time_out, transfer t1', 'what is due is posted first: sender');
SELECT is(pg_temp.journal('hal'), 'event signup, event purchase o1, hold h1, time_out, receive transfer:' || :'sent_journal_id',
	'what is due is posted first: receiver');

-- To whom
SELECT throws_ok($$SELECT * FROM loyalty.transfer(pg_temp.id('ann'), pg_temp.id('ann'), 1, key => 'k9')$$, 'LY150', NULL, 'not to oneself');
SELECT throws_ok($$SELECT * FROM loyalty.transfer(pg_temp.id('ann'), pg_temp.id('zoe'), 1, key => 'k9')$$, 'LY501', NULL, 'not to another programme');
SELECT throws_ok($$SELECT * FROM loyalty.transfer(pg_temp.id('ann'), 0, 1, key => 'k9')$$, 'LY501', NULL, 'not to nobody');
SELECT throws_ok($$SELECT * FROM loyalty.transfer(0, pg_temp.id('ann'), 1, key => 'k9')$$, 'LY501', NULL, 'nor from nobody');
SELECT throws_ok($$SELECT * FROM loyalty.transfer(pg_temp.id('ann'), NULL, 1, key => 'k9')$$, '22004', NULL, 'nor to NULL');
SELECT throws_ok($$SELECT * FROM loyalty.transfer(pg_temp.id('ann'), pg_temp.id('bob'), 1, 'spend', key => 'k9')$$, 'LY106', NULL, 'not a metric');
SELECT throws_ok($$SELECT * FROM loyalty.transfer(pg_temp.id('ann'), pg_temp.id('bob'), 1)$$, 'LY001', NULL, 'not without key and ref');
SELECT FROM loyalty.member_close(pg_temp.id('bob'), 'left');
SELECT throws_ok($$SELECT * FROM loyalty.transfer(pg_temp.id('ann'), pg_temp.id('bob'), 1, key => 'k9')$$, 'LY502', NULL, 'not to a closed member');
SELECT FROM loyalty.member_freeze(pg_temp.id('dan'), 'lost');
SELECT is((SELECT status FROM loyalty.transfer(pg_temp.id('ann'), pg_temp.id('dan'), 1, key => 'k9')), 'done', 'but to a frozen one');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
