\set ECHO none
\i test/prelude.sql
SELECT plan(77);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan');

SELECT is(pg_temp.signature('member_' || verb),
	'(member_id bigint, reason text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, '
	'key text DEFAULT NULL::text, mode text DEFAULT ''do''::text) -> loyalty.receipt',
	format('member_%s(): arguments', verb))
FROM unnest('{freeze,thaw,close,reopen}'::text[]) verb;

-- What all can use later: 100 points, an order, a hold
SELECT FROM unnest('{ann,bob,cat,dan}'::text[]) name, loyalty.purchase(pg_temp.id(name), 100, 'o1');
CREATE TEMP TABLE held AS
	SELECT name, hold_id FROM unnest('{ann,bob,cat,dan}'::text[]) name, loyalty.hold(pg_temp.id(name), 40, ref => 'h1');

-- '{active}' before, '{frozen}' after, what may be called in each status
CREATE FUNCTION pg_temp.status(name text) RETURNS text
LANGUAGE sql AS $$ SELECT status FROM loyalty.account WHERE member_id = pg_temp.id(name) $$;

-- Freeze and thaw
SELECT is(pg_temp.status('ann'), 'active', 'a new member is active');
SELECT throws_ok($$SELECT * FROM loyalty.member_thaw(pg_temp.id('ann'), 'mistake')$$, 'LY508', NULL, 'active: cannot thaw');
SELECT throws_ok($$SELECT * FROM loyalty.member_reopen(pg_temp.id('ann'), 'mistake')$$, 'LY508', NULL, 'active: cannot reopen');
SELECT is((SELECT status FROM loyalty.member_freeze(pg_temp.id('ann'), 'card was stolen')), 'done', 'active: can freeze');
SELECT is(pg_temp.status('ann'), 'frozen', 'and is frozen');
SELECT results_eq($$SELECT kind, reason, amount, ref FROM loyalty.journal
	WHERE member_id = pg_temp.id('ann') ORDER BY journal_id DESC LIMIT 1$$,
	$$VALUES ('freeze', 'card was stolen', NULL::bigint, NULL::text)$$, 'the reason is in the journal');
SELECT throws_ok($$SELECT * FROM loyalty.member_freeze(pg_temp.id('ann'), 'again')$$, 'LY508', NULL, 'frozen: cannot freeze');
SELECT throws_ok($$SELECT * FROM loyalty.member_reopen(pg_temp.id('ann'), 'mistake')$$, 'LY508', NULL, 'frozen: cannot reopen');
SELECT throws_ok($$SELECT * FROM loyalty.redeem(pg_temp.id('ann'), 1, ref => 'r1')$$, 'LY503', NULL, 'frozen: no redeem');
SELECT throws_ok($$SELECT * FROM loyalty.hold(pg_temp.id('ann'), 1, ref => 'r1')$$, 'LY503', NULL, 'frozen: no hold');
SELECT throws_ok($$SELECT * FROM loyalty.capture(pg_temp.id('ann'), (SELECT hold_id FROM held WHERE name = 'ann'))$$, 'LY503', NULL, 'frozen: no capture');
SELECT throws_ok($$SELECT * FROM loyalty.transfer(pg_temp.id('ann'), pg_temp.id('bob'), 1, ref => 'r1')$$, 'LY503', NULL, 'frozen: sends nothing');
SELECT is((SELECT status FROM loyalty.transfer(pg_temp.id('bob'), pg_temp.id('ann'), 10, ref => 't1')), 'done', 'frozen: but receives');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('ann'), 20, 'o2') r), '1 orders, 20 points, 20 spend', 'frozen: earns');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.refund(pg_temp.id('ann'), 'o2') r), '-1 orders, -20 points, -20 spend', 'frozen: takes refunds');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.adjust(pg_temp.id('ann'), 5, 'points', 'sorry', key => 'a1') r), '5 points', 'frozen: is adjusted');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.release(pg_temp.id('ann'), (SELECT hold_id FROM held WHERE name = 'ann')) r), '40 points', 'frozen: a hold is released');
SELECT is((SELECT status FROM loyalty.identity_add(pg_temp.id('ann'), 'card', '1234')), 'done', 'frozen: gets a new card');
SELECT is((SELECT status FROM loyalty.member_thaw(pg_temp.id('ann'), 'new card')), 'done', 'frozen: can thaw');
SELECT is(pg_temp.status('ann'), 'active', 'and is active');
-- 100 - 40 held + 10 received + 20 - 20 + 5 + 40 released = 115
SELECT is(pg_temp.balance('ann'), '115 available', 'nothing was lost');

-- Close and reopen
SELECT is((SELECT status FROM loyalty.member_close(pg_temp.id('bob'), 'moved away')), 'done', 'active: can close');
SELECT is(pg_temp.status('bob'), 'closed', 'and is closed');
CREATE TEMP TABLE call (sql text, what text);
INSERT INTO call VALUES
	($$loyalty.purchase(pg_temp.id('%1$s'), 10, 'o2')$$, 'purchase'),
	($$loyalty.record(pg_temp.id('%1$s'), 'check_in')$$, 'record'),
	($$loyalty.sale('Shop', '{"customer_no":"%1$s"}', 10, 'o2')$$, 'sale'),
	($$loyalty.enroll('Shop', '{"customer_no":"%1$s","card":"999"}')$$, 'new identity by enroll'),
	($$loyalty.vest(pg_temp.id('%1$s'), 'o1')$$, 'vest'),
	($$loyalty.redeem(pg_temp.id('%1$s'), 1, ref => 'r1')$$, 'redeem'),
	($$loyalty.hold(pg_temp.id('%1$s'), 1, ref => 'r1')$$, 'hold'),
	($$loyalty.capture(pg_temp.id('%1$s'), (SELECT hold_id FROM held WHERE name = '%1$s'))$$, 'capture'),
	($$loyalty.transfer(pg_temp.id('%1$s'), pg_temp.id('cat'), 1, ref => 'r1')$$, 'transfer from it'),
	($$loyalty.transfer(pg_temp.id('cat'), pg_temp.id('%1$s'), 1, ref => 'r1')$$, 'transfer to it'),
	($$loyalty.adjust(pg_temp.id('%1$s'), 1, 'points', 'sorry', ref => 'r1')$$, 'adjust'),
	($$loyalty.identity_add(pg_temp.id('%1$s'), 'card', '999')$$, 'identity_add'),
	($$loyalty.identity_remove(pg_temp.id('%1$s'), 'customer_no', '%1$s')$$, 'identity_remove'),
	($$loyalty.member_freeze(pg_temp.id('%1$s'), 'again')$$, 'freeze');
SELECT throws_ok('SELECT * FROM ' || format(sql, 'bob'),
	CASE what WHEN 'freeze' THEN 'LY508' ELSE 'LY502' END, NULL, 'closed: no ' || what) FROM call;
SELECT throws_ok($$SELECT * FROM loyalty.member_thaw(pg_temp.id('bob'), 'mistake')$$, 'LY508', NULL, 'closed: cannot thaw');
SELECT throws_ok($$SELECT * FROM loyalty.member_close(pg_temp.id('bob'), 'again')$$, 'LY508', NULL, 'closed: cannot close');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.release(pg_temp.id('bob'), (SELECT hold_id FROM held WHERE name = 'bob')) r), '40 points', 'closed: a hold is released');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.refund(pg_temp.id('bob'), 'o1') r), '-1 orders, -100 points, -100 spend', 'closed: takes refunds');
-- 100 - 10 sent - 100 refunded: 10 short
SELECT is(pg_temp.balance('bob'), '10 debt', 'closed: the balance is told');
SELECT is(loyalty.find('Shop', 'customer_no', 'bob'), pg_temp.id('bob'), 'closed: the member is found');
SELECT is((SELECT status FROM loyalty.member_reopen(pg_temp.id('bob'), 'back again')), 'done', 'closed: can reopen');
SELECT is(pg_temp.status('bob'), 'active', 'and is active');
SELECT FROM loyalty.member_freeze(pg_temp.id('bob'), 'check');
SELECT is((SELECT status FROM loyalty.member_close(pg_temp.id('bob'), 'fraud')), 'done', 'frozen: can close');
SELECT is(pg_temp.journal('bob'),
	'event signup, event purchase o1, hold h1, transfer t1, close, release, refund, reopen, freeze, close',
	'all of it is in the journal');

-- Merged: refused, whatever is asked
UPDATE loyalty.account SET status = 'merged' WHERE member_id = pg_temp.id('dan');
SELECT throws_ok('SELECT * FROM ' || format(sql, 'dan'), 'LY504', NULL, 'rule 17: merged: no ' || what) FROM call;
SELECT throws_ok($$SELECT * FROM loyalty.refund(pg_temp.id('dan'), 'o1')$$, 'LY504', NULL, 'rule 17: merged: no refund');
SELECT throws_ok($$SELECT * FROM loyalty.release(pg_temp.id('dan'), (SELECT hold_id FROM held WHERE name = 'dan'))$$, 'LY504', NULL, 'rule 17: merged: no release');
SELECT throws_ok($$SELECT * FROM loyalty.member_close(pg_temp.id('dan'), 'x')$$, 'LY504', NULL, 'rule 17: merged: no close');
SELECT throws_ok($$SELECT * FROM loyalty.member_reopen(pg_temp.id('dan'), 'x')$$, 'LY504', NULL, 'rule 17: merged: no reopen');
SELECT is((SELECT replayed FROM loyalty.purchase(pg_temp.id('dan'), 100, 'o1')), true, 'rule 17: merged: known refs still replay');
UPDATE loyalty.account SET status = 'active' WHERE member_id = pg_temp.id('dan');

-- Reason
SELECT throws_ok(format('SELECT * FROM loyalty.member_%s(pg_temp.id(''cat''), %L)', verb, reason), 'LY160', NULL,
	format('%s: a reason is required, not %s', verb, coalesce(quote_literal(reason), 'NULL')))
FROM unnest('{freeze,close}'::text[]) verb, unnest('{NULL,"","  "}'::text[]) reason;

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
