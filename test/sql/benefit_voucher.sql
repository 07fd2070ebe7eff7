\set ECHO none
\i test/prelude.sql
SELECT plan(60);

SELECT loyalty.program_create('Hotel', 'EUR', 'Europe/Berlin') AS hotel \gset
INSERT INTO loyalty.tier (program_id, code, rank, valid_months) VALUES (:hotel, 'base', 0, NULL), (:hotel, 'gold', 1, 12);
SELECT loyalty.tier_ask('Hotel', 'gold', 'spend', 100000);
SELECT pg_temp.offer('{"name": "late_checkout", "kind": "voucher", "valid_days": 30}', 'tier gold') AS late_checkout \gset
SELECT pg_temp.offer('{"name": "ironing", "kind": "voucher"}', 'everyone') AS ironing \gset
SELECT pg_temp.offer('{"name": "upgrade", "kind": "voucher", "birthday": "day"}', 'everyone') AS upgrade \gset
SELECT pg_temp.offer('{"name": "spa", "kind": "voucher", "valid_days": 30, "valid_until": "2026-04-01 00:00+02"}', 'everyone') AS spa \gset
SELECT pg_temp.offer('{"name": "priority", "kind": "flag"}', 'everyone') AS priority \gset
INSERT INTO loyalty.unit (program_id, code, kind, period) VALUES (:hotel, 'visits', 'counter', 'month');
SELECT pg_temp.offer('{"name": "gym", "kind": "quota", "unit": "visits", "quantity": 1}', 'everyone') AS gym \gset
CALL pg_temp.enroll('Hotel', 'ann', 'bob', 'cat', 'dan');
SELECT FROM loyalty.tier_grant(pg_temp.id('ann'), 'gold', 'a guest');
SELECT FROM loyalty.tier_grant(pg_temp.id('dan'), 'gold', 'a guest', until => '2026-03-31');

CREATE FUNCTION pg_temp.issue(name text, benefit text, ref text, valid_until date DEFAULT NULL, mode text DEFAULT 'try') RETURNS text
LANGUAGE sql AS $$ SELECT pg_temp.news(r) FROM loyalty.benefit_issue(pg_temp.id(name), benefit, 'welcome', valid_until, ref, mode => mode) r $$;
CREATE FUNCTION pg_temp.use(name text, benefit text, ref text, quantity numeric DEFAULT 1, mode text DEFAULT 'try') RETURNS text
LANGUAGE sql AS $$ SELECT pg_temp.news(r) FROM loyalty.benefit_use(pg_temp.id(name), benefit, ref, quantity, mode => mode) r $$;
CREATE FUNCTION pg_temp.voucher(name text, place int) RETURNS bigint
LANGUAGE sql AS $$ SELECT voucher_id FROM loyalty.voucher WHERE member_id = pg_temp.id(name) ORDER BY voucher_id OFFSET place - 1 LIMIT 1 $$;

SELECT is(pg_temp.signature('benefit_issue'), '(member_id bigint, benefit text, reason text, valid_until date DEFAULT NULL::date, ref text DEFAULT NULL::text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text) -> loyalty.receipt', 'benefit_issue(): arguments');
SELECT is(pg_temp.signature('benefit_void'), '(member_id bigint, voucher_id bigint, reason text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text) -> loyalty.receipt', 'benefit_void(): arguments');

-- Issued to those who are entitled.
SELECT is(pg_temp.issue('bob', 'late_checkout', 'i1'), 'not_entitled, benefit=late_checkout', 'for gold only');
SELECT is(pg_temp.issue('ann', 'late_checkout', 'i1'), 'voucher_issued, until 2026-04-13', '30 days, that of issue included');
SELECT is(pg_temp.issue('ann', 'late_checkout', 'i1'), 'voucher_issued, until 2026-04-13', 'the same reference replays');
SELECT is(pg_temp.issue('ann', 'late_checkout', 'i2', '2026-03-20'), 'voucher_issued, until 2026-03-20', 'a date of its own');
SELECT is(pg_temp.issue('ann', 'ironing', 'i1'), 'voucher_issued', 'no end; another benefit of the same reference');
SELECT is(pg_temp.vouchers('ann', 'late_checkout'), 'issued until 2026-04-13, issued until 2026-03-20', 'each once');
SELECT is((SELECT (r.messages -> 0 ->> 'voucher')::bigint FROM loyalty.benefit_issue(pg_temp.id('ann'), 'late_checkout', 'welcome', ref => 'i1') r), pg_temp.voucher('ann', 1), 'the receipt names the voucher');
SELECT results_eq($$SELECT kind, event, ref, reason, amount::int, unit_id FROM loyalty.journal WHERE member_id = pg_temp.id('ann') AND kind = 'benefit_issue' ORDER BY journal_id LIMIT 1$$,
	$$VALUES ('benefit_issue', 'late_checkout', 'i1', 'welcome', 1, NULL::int)$$, 'and the journal why it was issued');
SELECT is(pg_temp.issue('ann', 'late_checkout', 'i3', '2026-03-14'), 'expiry_in_past, valid_until lies before today', 'it cannot end before today');
SELECT is(pg_temp.issue('ann', 'late_checkout', 'i3', 'infinity'), 'time_not_finite, valid_until lies after the year 9999', 'nor ever so late');
SELECT is(pg_temp.issue('ann', 'priority', 'i3'), 'benefit_kind_mismatch, benefit=priority kind=flag', 'a right is not issued');
SELECT is(pg_temp.issue('ann', 'gym', 'i3'), 'benefit_kind_mismatch, benefit=gym kind=quota', 'nor a quota');
SELECT is(pg_temp.raised('SELECT loyalty.benefit_issue(pg_temp.id(''ann''), ''ironing'', '' '', ref => ''i3'')'), 'LY160 reason is empty', 'without a reason');
SELECT is(pg_temp.raised('SELECT loyalty.benefit_issue(pg_temp.id(''ann''), ''ironing'', ''welcome'')'), 'LY001 benefit_issue needs a key or a ref, so that it can be repeated safely', 'without key and reference');
SELECT pg_temp.state() AS before \gset
SELECT is((SELECT pg_temp.news(r) || (r.messages -> 0 ? 'voucher')::text FROM loyalty.benefit_issue(pg_temp.id('ann'), 'ironing', 'welcome', key => 'd1', mode => 'dry') r), 'voucher_issuedfalse', 'mode dry makes no voucher');
SELECT is(pg_temp.state(), :'before', 'and writes nothing');
SELECT is(pg_temp.issue('dan', 'spa', 'i9', '2026-06-30'), 'voucher_issued, until 2026-06-30', 'unless it is said');
SELECT is(pg_temp.issue('bob', 'spa', 'i1'), 'voucher_issued, until 2026-03-31', 'not beyond the benefit itself, which ends before April');

-- Used: first what ends first.
SELECT is(pg_temp.use('ann', 'late_checkout', 's1'), 'voucher_used, left 1, until 2026-03-20', 'the one that ends first');
SELECT is((SELECT format('%s %s', r.replayed, pg_temp.news(r)) FROM loyalty.benefit_use(pg_temp.id('ann'), 'late_checkout', 's1') r), 't voucher_used, left 1, until 2026-03-20', 'replays');
SELECT is(pg_temp.use('ann', 'late_checkout', 's2', 2), 'voucher_not_found, benefit=late_checkout open=1', 'two of one');
SELECT is(pg_temp.raised('SELECT loyalty.benefit_use(pg_temp.id(''ann''), ''late_checkout'', ''s2'', 2)'), 'LY414 benefit=late_checkout open=1', 'as an error');
SELECT is(pg_temp.vouchers('ann', 'late_checkout'), 'issued until 2026-04-13, used s1 until 2026-03-20', 'one is left');
SELECT FROM loyalty.benefit_issue(pg_temp.id('ann'), 'ironing', 'welcome', ref => 'i4');
SELECT is(pg_temp.use('ann', 'ironing', 's1', 2), 'voucher_used, left 1; voucher_used, left 0', 'two at once');
SELECT is(pg_temp.use('bob', 'ironing', 's1'), 'voucher_not_found, benefit=ironing open=0', 'who has none');

-- Given back.
SELECT is((SELECT pg_temp.news(r) FROM loyalty.benefit_return(pg_temp.id('ann'), 'ironing', 's1', 1, key => 'b1') r), 'voucher_returned, left 1', 'one of two');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.benefit_return(pg_temp.id('ann'), 'ironing', 's1') r), 'voucher_returned, left 2', 'and the other');
SELECT is(pg_temp.raised('SELECT loyalty.benefit_return(pg_temp.id(''ann''), ''ironing'', ''s1'', key => ''b2'')'), 'LY131 used=2 returned=2 requested=0', 'there are no more');
SELECT is(pg_temp.vouchers('ann', 'ironing'), 'issued, issued', 'as they were');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');

-- A refund of the order.
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 200, 's9');
SELECT is(pg_temp.use('ann', 'ironing', 's9'), 'voucher_used, left 1', 'used for an order');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.refund(pg_temp.id('ann'), 's9', 100, refund_ref => 'r1') r), 'nothing', 'half of it is refunded');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.refund(pg_temp.id('ann'), 's9', refund_ref => 'r2') r), 'voucher_returned, left 2', 'all of it');
SELECT is(pg_temp.vouchers('ann', 'ironing'), 'issued, issued', 'it is open again');

-- Its last day, in the programme's zone.
SET loyalty.now = '2026-03-20 22:59+00';
SELECT is((SELECT pg_temp.news(r) FROM loyalty.benefit_return(pg_temp.id('ann'), 'late_checkout', 's1', mode => 'dry') r), 'voucher_returned, left 2, until 2026-03-20', 'a minute to midnight in Berlin');
SET loyalty.now = '2026-03-20 23:00+00';
SELECT is((SELECT pg_temp.news(r) FROM loyalty.benefit_return(pg_temp.id('ann'), 'late_checkout', 's1') r), 'voucher_lapsed, until 2026-03-20', 'midnight: it does not come back');
SELECT is(pg_temp.vouchers('ann', 'late_checkout'), 'issued until 2026-04-13, used s1 until 2026-03-20', 'and stays used');
SELECT is(pg_temp.raised('SELECT loyalty.benefit_return(pg_temp.id(''ann''), ''late_checkout'', ''s1'', key => ''b9'')'), 'LY131 used=1 returned=1 requested=0', 'it was given back all the same');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');

-- A benefit that is lost leaves what was issued.
SELECT FROM loyalty.benefit_issue(pg_temp.id('dan'), 'late_checkout', 'welcome', ref => 'i1');
SET loyalty.now = '2026-04-02 12:00+00';
SELECT is(pg_temp.issue('dan', 'late_checkout', 'i2'), 'not_entitled, benefit=late_checkout', 'the tier has ended');
SELECT is(pg_temp.use('dan', 'late_checkout', 's1'), 'voucher_used, left 0, until 2026-04-19', 'what was issued stays until its date');
SELECT is(pg_temp.issue('bob', 'spa', 'i2'), 'not_entitled, benefit=spa', 'a benefit that is over is issued no more');
SELECT is(pg_temp.use('bob', 'spa', 's1'), 'not_in_time_window, benefit=spa', 'and its vouchers ended with it');
SELECT is(pg_temp.use('dan', 'spa', 's1'), 'voucher_used, left 0, until 2026-06-30', 'but for the one that was given a date of its own');
SET loyalty.now = '2026-04-14 12:00+00';
SELECT is(pg_temp.use('ann', 'late_checkout', 's3'), 'voucher_not_found, benefit=late_checkout open=0', 'after its last day');

-- On the birthday.
SELECT FROM loyalty.benefit_issue(pg_temp.id('cat'), 'upgrade', 'welcome', ref => 'i1');
UPDATE loyalty.member SET profile = '{"birthday": "--05-01"}' WHERE member_id = pg_temp.id('cat');
SELECT is(pg_temp.use('cat', 'upgrade', 's1'), 'not_in_time_window, benefit=upgrade', 'not on any day');
SET loyalty.now = '2026-04-30 22:00+00';
SELECT is(pg_temp.use('cat', 'upgrade', 's1'), 'voucher_used, left 0', 'but on the birthday');

-- Made void.
SELECT is((SELECT pg_temp.news(r) FROM loyalty.benefit_void(pg_temp.id('ann'), pg_temp.voucher('ann', 3), 'a mistake') r), 'voucher_void', 'by hand');
SELECT is((SELECT r.replayed || pg_temp.news(r) FROM loyalty.benefit_void(pg_temp.id('ann'), pg_temp.voucher('ann', 3), 'a mistake') r), 'truevoucher_void', 'again: replays');
SELECT alike(pg_temp.raised('SELECT loyalty.benefit_void(pg_temp.id(''ann''), pg_temp.voucher(''ann'', 3), ''for fun'')'), 'LY414 voucher=% status=void', 'for another reason: it is void already');
SELECT alike(pg_temp.raised('SELECT loyalty.benefit_void(pg_temp.id(''dan''), pg_temp.voucher(''dan'', 1), ''for fun'')'), 'LY414 voucher=% status=used', 'one that was used');
SELECT is(pg_temp.raised('SELECT loyalty.benefit_void(pg_temp.id(''ann''), 1, ''for fun'')'), 'LY414 voucher=1 status=unknown', 'one that there is not');
SELECT alike(pg_temp.raised('SELECT loyalty.benefit_void(pg_temp.id(''ann''), pg_temp.voucher(''dan'', 1), ''for fun'')'), 'LY414 voucher=% status=unknown', 'one of somebody else');
SELECT is(pg_temp.raised('SELECT loyalty.benefit_void(pg_temp.id(''ann''), pg_temp.voucher(''ann'', 4), NULL)'), 'LY160 reason is empty', 'without a reason');
SELECT is(pg_temp.vouchers('ann', 'ironing'), 'void, issued', 'one is left');

-- What vouchers were issued for stays as it is.
SELECT throws_ok('UPDATE loyalty.benefit SET kind = ''flag'', valid_days = NULL WHERE name = ''late_checkout''', 'LY808', NULL, 'another kind');
SELECT lives_ok('UPDATE loyalty.benefit SET valid_days = 60, title = ''Late check-out'' WHERE name = ''late_checkout''', 'but not its days and its title');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
