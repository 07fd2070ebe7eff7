\set ECHO none
\i test/prelude.sql
SELECT plan(67);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
SELECT loyalty.program_create('Kind', 'GBP', 'Europe/London') AS kind \gset
UPDATE loyalty.unit SET return_policy = 'grace', grace_days = 30 WHERE program_id = :kind AND code = 'points';
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay', 'guy');
CALL pg_temp.enroll('Kind', 'kim', 'kit');

SELECT is(pg_temp.signature(name), format('(%s) -> loyalty.receipt', arguments), name || '(): arguments')
FROM (VALUES
	('hold', 'member_id bigint, amount numeric, unit text DEFAULT ''points''::text, ttl interval DEFAULT ''00:15:00''::interval, ref text DEFAULT NULL::text, '
		'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text'),
	('capture', 'member_id bigint, hold_id bigint, amount numeric DEFAULT NULL::numeric, ref text DEFAULT NULL::text, '
		'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text'),
	('release', 'member_id bigint, hold_id bigint, '
		'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text')
) v(name, arguments);

-- hold_id by a name: SELECT pg_temp.hold('ann', 30) makes one, pg_temp.last('ann') is the newest
CREATE FUNCTION pg_temp.hold(name text, amount numeric, ttl interval DEFAULT '15 minutes') RETURNS bigint
LANGUAGE sql AS $$ SELECT hold_id FROM loyalty.hold(pg_temp.id(name), amount, ttl => ttl, key => 'hold-' || clock_timestamp()) $$;
CREATE FUNCTION pg_temp.last(name text) RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT hold_id FROM loyalty.hold WHERE member_id = pg_temp.id(name) ORDER BY hold_id DESC LIMIT 1 $$;
CREATE FUNCTION pg_temp.hold_status(name text) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT format('%s %s of %s', status, captured, amount) FROM loyalty.hold
	WHERE member_id = pg_temp.id(name) AND hold_id = pg_temp.last(name) $$;

-- Hold
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 30, 'o1', at => '2026-01-15 12:00+00');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 70, 'o2');
SELECT results_eq(
	$$SELECT p.unit, p.amount, p.balance_after, p.expires_on FROM loyalty.hold(pg_temp.id('ann'), 40, ref => 'h1') r, unnest(r.postings) p$$,
	$$VALUES ('points', -30::numeric, 70::numeric, '2027-01-31'::date), ('points', -10, 60, '2027-03-31')$$,
	'rule 4: a hold posts negative entries, in spend order');
SELECT results_eq($$SELECT h.amount, h.captured, h.status, h.ref, h.expires_at, j.kind, j.ref FROM loyalty.hold h JOIN loyalty.journal j USING (member_id, journal_id)
	WHERE h.member_id = pg_temp.id('ann')$$,
	$$VALUES (40::bigint, 0::bigint, 'held', 'h1', '2026-03-15 12:15+00'::timestamptz, 'hold', 'h1')$$, 'the hold, 15 minutes by default');
SELECT is(pg_temp.balance('ann'), '60 available, 40 held', 'what is held is not available');
SELECT is((SELECT format('%s %s', replayed, hold_id = pg_temp.last('ann')) FROM loyalty.hold(pg_temp.id('ann'), 40, ref => 'h1')), 't t', 'rule 1: the replay names the hold');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.redeem(pg_temp.id('ann'), 61, key => 'k1')$$), 'LY120 available=60 requested=61 unit=points', 'nor can it be spent');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.hold(pg_temp.id('ann'), 61, key => 'k1')$$), 'LY120 available=60 requested=61 unit=points', 'nor held twice');

SELECT FROM loyalty.hold(pg_temp.id('guy'), 1, key => 'k1', mode => 'try');
SELECT FROM loyalty.adjust(pg_temp.id('guy'), 5, 'points', 'gift', expires_on => '2026-12-31', key => 'k2');
SELECT FROM loyalty.hold(pg_temp.id('guy'), 5, at => '2026-03-14 12:00+00', key => 'k1');
SELECT is((SELECT expires_at FROM loyalty.hold WHERE member_id = pg_temp.id('guy')), '2026-03-15 12:15+00', 'rule 10: a hold begins now, whatever at says');
SELECT FROM loyalty.capture(pg_temp.id('guy'), pg_temp.last('guy'));

-- Release
SELECT results_eq(
	$$SELECT p.unit, p.amount, p.expires_on FROM loyalty.release(pg_temp.id('ann'), pg_temp.last('ann')) r, unnest(r.postings) p ORDER BY expires_on$$,
	$$VALUES ('points', 30::numeric, '2027-01-31'::date), ('points', 10, '2027-03-31')$$, 'rule 4: a release posts them back');
SELECT is(pg_temp.lots('ann'), '30 e until 2027-01-31, 70 e until 2027-03-31', 'to the lots they came from');
SELECT is(pg_temp.hold_status('ann'), 'released 0 of 40', 'and that is the end of it');
SELECT throws_ok($$SELECT * FROM loyalty.release(pg_temp.id('ann'), pg_temp.last('ann'), key => 'k2')$$, 'LY143', NULL, 'a released hold is not released');
SELECT throws_ok($$SELECT * FROM loyalty.capture(pg_temp.id('ann'), pg_temp.last('ann'), key => 'k2')$$, 'LY143', NULL, 'nor captured');

-- Capture, whole
SELECT pg_temp.hold('ann', 50) IS NOT NULL AS made \gset
SELECT is((SELECT format('%s %s', status, pg_temp.moved(r)) FROM loyalty.capture(pg_temp.id('ann'), pg_temp.last('ann')) r), 'done nothing', 'rule 4: a capture posts nothing');
SELECT is(pg_temp.hold_status('ann'), 'captured 50 of 50', 'the hold is captured');
SELECT is(pg_temp.balance('ann'), '50 available', 'and spent');
SELECT throws_ok($$SELECT * FROM loyalty.capture(pg_temp.id('ann'), pg_temp.last('ann'), key => 'k3')$$, 'LY142', NULL, 'rule 4: one capture only');
SELECT throws_ok($$SELECT * FROM loyalty.release(pg_temp.id('ann'), pg_temp.last('ann'), key => 'k3')$$, 'LY142', NULL, 'a captured hold is not released');

-- Capture, in part: 20 of January and 25 of March are held, 30 are taken in spend order
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 20, 'o1', at => '2026-01-15 12:00+00');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 70, 'o2');
SELECT pg_temp.hold('bob', 45) IS NOT NULL AS made \gset
SELECT is((SELECT format('%s %s', status, pg_temp.moved(r)) FROM loyalty.capture(pg_temp.id('bob'), pg_temp.last('bob'), 46, mode => 'try') r),
	'refused nothing', 'not more than the hold');
SELECT is((SELECT format('%s %s', status, pg_temp.moved(r)) FROM loyalty.capture(pg_temp.id('bob'), pg_temp.last('bob'), 30, mode => 'dry') r),
	'dry 15 points', 'a dry run');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.capture(pg_temp.id('bob'), pg_temp.last('bob'), 30) r), '15 points', 'rule 4: capture of less returns the rest');
SELECT is(pg_temp.hold_status('bob'), 'captured 30 of 45', 'the hold is captured');
SELECT is(pg_temp.lots('bob'), '60 e until 2027-03-31', 'rule 4: captured in spend order: 45 + 15 are left of March');
SELECT throws_ok($$SELECT * FROM loyalty.release(pg_temp.id('bob'), pg_temp.last('bob'), key => 'k3')$$, 'LY142', NULL, 'the rest is not released again');

-- ref
SELECT FROM loyalty.hold(pg_temp.id('bob'), 10, ref => 'cart-7');
SELECT FROM loyalty.capture(pg_temp.id('bob'), pg_temp.last('bob'));
SELECT is((SELECT replayed FROM loyalty.capture(pg_temp.id('bob'), pg_temp.last('bob'))), true, 'rule 1: by which the same capture replays');
SELECT throws_ok($$SELECT * FROM loyalty.capture(pg_temp.id('bob'), pg_temp.last('bob'), key => 'k4')$$, 'LY142', NULL, 'rule 4: but one capture only');
SELECT is((SELECT ref FROM loyalty.journal WHERE member_id = pg_temp.id('bob') AND kind = 'capture' ORDER BY journal_id DESC LIMIT 1), 'cart-7',
	'rule 4: the capture''s ref defaults to the hold''s');
SELECT FROM loyalty.hold(pg_temp.id('bob'), 10, ref => 'cart-8');
SELECT FROM loyalty.capture(pg_temp.id('bob'), pg_temp.last('bob'), ref => 'order-8');
SELECT is((SELECT ref FROM loyalty.journal WHERE member_id = pg_temp.id('bob') AND kind = 'capture' ORDER BY journal_id DESC LIMIT 1), 'order-8', 'or is its own');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.refund(pg_temp.id('bob'), 'order-8') r), '10 points', 'rule 5: by which it is refunded');

-- Time-out
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 100, 'o1');
SELECT pg_temp.hold('cat', 40, '1 hour') IS NOT NULL AS made \gset
SET loyalty.now = '2026-03-15 12:59:59.999999+00';
SELECT is(pg_temp.balance('cat'), '60 available, 40 held', 'rule 4: held to the last moment');
SELECT is((SELECT status FROM loyalty.capture(pg_temp.id('cat'), pg_temp.last('cat'), mode => 'dry')), 'dry', 'rule 4: in which it can be captured');
SET loyalty.now = '2026-03-15 13:00+00';
SELECT is(pg_temp.balance('cat'), '100 available', 'rule 4: timed out when expires_at <= now, not swept');
SELECT throws_ok($$SELECT * FROM loyalty.capture(pg_temp.id('cat'), pg_temp.last('cat'))$$, 'LY144', NULL, 'rule 4: no capture after that');
SELECT throws_ok($$SELECT * FROM loyalty.release(pg_temp.id('cat'), pg_temp.last('cat'))$$, 'LY144', NULL, 'nor release');
SELECT is(pg_temp.hold_status('cat'), 'held 0 of 40', 'a refusal sweeps nothing');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.redeem(pg_temp.id('cat'), 100, key => 'k1') r), '-100 points', 'rule 4: what it held can be spent');
SELECT is(pg_temp.hold_status('cat'), 'timed_out 0 of 40', 'and now it is swept');
SELECT results_eq($$SELECT kind, effective_at, key, ref, request_hash FROM loyalty.journal WHERE member_id = pg_temp.id('cat') AND kind = 'time_out'$$,
	$$VALUES ('time_out', '2026-03-15 13:00+00'::timestamptz, NULL::text, NULL::text, NULL::bytea)$$, 'as of its time-out');
SELECT throws_ok($$SELECT * FROM loyalty.capture(pg_temp.id('cat'), pg_temp.last('cat'))$$, 'LY144', NULL, 'rule 4: no capture of a swept one');
SELECT throws_ok($$SELECT * FROM loyalty.capture(pg_temp.id('cat'), pg_temp.last('cat'), at => '2026-03-15 12:30+00')$$, 'LY144', NULL,
	'rule 10: a capture is judged now, whatever at says');

-- Time-outs of several
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 100, 'o1');
SELECT pg_temp.hold('dan', 10, '3 hours'), pg_temp.hold('dan', 20, '1 hour'), pg_temp.hold('dan', 30, '30 days') \gset
SELECT is((SELECT hold_until FROM loyalty.account WHERE member_id = pg_temp.id('dan')), '2026-03-15 14:00+00', 'the account knows the next time-out');
SET loyalty.now = '2026-03-15 14:00+00';
SELECT is(pg_temp.balance('dan'), '60 available, 40 held', 'one after the other');
SELECT is(loyalty.account_settle(pg_temp.id('dan')), 1, 'swept');
SELECT is((SELECT hold_until FROM loyalty.account WHERE member_id = pg_temp.id('dan')), '2026-03-15 16:00+00', 'the next');
SET loyalty.now = '2026-04-15 12:00+00';
SELECT is(pg_temp.balance('dan'), '100 available', 'all');
SELECT is(loyalty.account_settle(pg_temp.id('dan')), 2, 'swept');
SELECT is((SELECT hold_until FROM loyalty.account WHERE member_id = pg_temp.id('dan')), NULL, 'none');

-- A held lot does not lapse; returned after that it follows the return policy. Points of 2026-03-15 lapse after 2027-03-31.
SET loyalty.now = '2026-03-15 14:00+00';
SELECT FROM unnest('{eve,fay,guy,kim,kit}'::text[]) name, loyalty.purchase(pg_temp.id(name), 100, 'o1');
SET loyalty.now = '2027-03-25 12:00+00';
SELECT pg_temp.hold(name, 60, '20 days') FROM unnest('{eve,fay,guy,kim,kit}'::text[]) name \g /dev/null
SET loyalty.now = '2027-04-02 12:00+00';
SELECT is(pg_temp.balance('eve'), '60 held', 'rule 4: a held lot does not expire while held, the rest does');
SELECT is((SELECT messages FROM loyalty.capture(pg_temp.id('fay'), pg_temp.last('fay'))), NULL, 'rule 4: and can be captured');
SELECT is((SELECT messages FROM loyalty.release(pg_temp.id('eve'), pg_temp.last('eve'))), '[{"code":"lapsed","unit":"points","amount":60}]',
	'rule 7: expire: what returns has lapsed, and that is told');
SELECT is(pg_temp.balance('eve'), 'nothing', 'rule 7: expire: nothing is left');
SELECT is(pg_temp.lots('eve'), 'none', 'rule 7: expire: not even in the ledger');
SELECT is((SELECT messages FROM loyalty.capture(pg_temp.id('guy'), pg_temp.last('guy'), 25)), '[{"code":"lapsed","unit":"points","amount":35}]',
	'rule 7: expire: the rest of a partial capture, too');
SELECT is(pg_temp.balance('guy'), 'nothing', 'rule 7: expire: nothing is left');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.release(pg_temp.id('kim'), pg_temp.last('kim')) r), '60 points', 'rule 7: grace: what returns');
SELECT is(pg_temp.lots('kim'), '60 e until 2027-05-02', 'rule 7: grace: is good for 30 days more');
-- kit's hold times out on 2027-04-14 12:00
SET loyalty.now = '2027-04-20 12:00+00';
SELECT is(pg_temp.balance('kit'), '60 available', 'rule 7: grace: after a time-out');
SELECT loyalty.account_settle(pg_temp.id('kit')) AS settled \gset
SELECT is(pg_temp.lots('kit'), '60 e until 2027-05-14', 'rule 7: grace: is counted from the time-out');

-- Limits of the time-out
SET loyalty.now = '2026-03-15 15:00+00';
SELECT throws_ok(format($$SELECT * FROM loyalty.hold(pg_temp.id('ann'), 1, ttl => %L, key => 'k9')$$, ttl), 'LY145', NULL, 'no time-out of ' || ttl)
FROM unnest('{0,-1 minute,30 days 1 second,1 year}'::text[]) ttl;
SELECT is((SELECT status FROM loyalty.hold(pg_temp.id('ann'), 1, ttl => '30 days', key => 'k9', mode => 'dry')), 'dry', 'but one of 30 days');
SELECT is((SELECT status FROM loyalty.hold(pg_temp.id('ann'), 1, ttl => '1 microsecond', key => 'k9', mode => 'dry')), 'dry', 'and one of a microsecond');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
