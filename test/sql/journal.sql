\set ECHO none
\i test/prelude.sql
SELECT plan(233);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
SELECT loyalty.program_create('Later', 'GBP', 'Europe/London', vest_days => 14) AS later \gset
SELECT loyalty.program_create('Once', 'GBP', 'Europe/London') AS once \gset
UPDATE loyalty.program SET ref_scope = 'program' WHERE program_id = :once;
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award)
SELECT :shop, event, unit_id, 'fixed', 10 FROM loyalty.unit, unnest('{profile_complete,review}'::text[]) event
WHERE program_id = :shop AND code = 'points';
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay');
CALL pg_temp.enroll('Later', 'lin');

-- What ann and lin need for the calls below
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 500, 'o0');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 60, 'o1');
SELECT FROM loyalty.purchase(pg_temp.id('lin'), 100, 'o1');
CREATE TEMP TABLE held AS
	SELECT what, hold_id FROM unnest('{capture,release}'::text[]) what, loyalty.hold(pg_temp.id('ann'), 20, key => 'h-' || what);
CREATE FUNCTION pg_temp.hold(what text) RETURNS bigint LANGUAGE sql AS $$ SELECT hold_id FROM held h WHERE h.what = $1 $$;

-- Rule 1, for every verb. sql: the request; same: an equal request in other words; other: another request.
-- %s is where key and mode go.
CREATE TEMP TABLE request (step int GENERATED ALWAYS AS IDENTITY, verb text, sql text, same text, other text);
INSERT INTO request (verb, sql, same, other) VALUES
	('enroll',
	 $$loyalty.enroll('Shop', '{"customer_no":"ann","email":"ann@example.com"}', '{"name":"Ann","city":"Leeds"}', '{"channel":"app","store":"S1"}'%s)$$,
	 $$loyalty.enroll('Shop', '{"email":"ann@example.com","customer_no":"ann"}', '{"city":"Leeds","name":"Ann"}', '{"store":"S1","channel":"app"}'%s)$$,
	 $$loyalty.enroll('Shop', '{"customer_no":"ann","email":"ann@example.com"}', '{"name":"Anne","city":"Leeds"}', '{"channel":"app","store":"S1"}'%s)$$),
	('record',
	 $$loyalty.record(pg_temp.id('ann'), 'review', 10, 'p1', '{"stars":5,"words":120}'%s)$$,
	 $$loyalty.record(pg_temp.id('ann'), 'review', 10.00, 'p1', '{"words":120,"stars":5}'%s)$$,
	 $$loyalty.record(pg_temp.id('ann'), 'review', 10, 'p1', '{"stars":4,"words":120}'%s)$$),
	('purchase',
	 $$loyalty.purchase(pg_temp.id('ann'), 10, 'o2', '[{"sku":"A","qty":2,"price":5}]', at => '2026-03-14 12:00+00'%s)$$,
	 $$loyalty.purchase(pg_temp.id('ann'), 10.00, 'o2', '[{"price":5,"qty":2,"sku":"A"}]', '{}', at => '2026-03-14 20:00+08'%s)$$,
	 $$loyalty.purchase(pg_temp.id('ann'), 10, 'o2', '[{"sku":"A","qty":2,"price":5}]'%s)$$),
	('sale',
	 $$loyalty.sale('Shop', '{"customer_no":"ann"}', 20, 'o3'%s)$$,
	 $$loyalty.sale('Shop', '{ "customer_no" : "ann" }', 20.0, 'o3', NULL, '{}'%s)$$,
	 $$loyalty.sale('Shop', '{"customer_no":"ann"}', 21, 'o3'%s)$$),
	('vest',
	 $$loyalty.vest(pg_temp.id('lin'), 'o1'%s)$$,
	 $$loyalty.vest(member_id => pg_temp.id('lin'), ref => 'o1'%s)$$,
	 $$loyalty.vest(pg_temp.id('lin'), 'o1', at => '2026-03-15 12:00+00'%s)$$),
	('redeem',
	 $$loyalty.redeem(pg_temp.id('ann'), 30, ref => 'r1'%s)$$,
	 $$loyalty.redeem(pg_temp.id('ann'), 30.000, 'points', 'r1', NULL%s)$$,
	 $$loyalty.redeem(pg_temp.id('ann'), 31, ref => 'r1'%s)$$),
	('hold',
	 $$loyalty.hold(pg_temp.id('ann'), 15, ref => 'h1'%s)$$,
	 $$loyalty.hold(pg_temp.id('ann'), 15.0, 'points', '900 seconds', 'h1'%s)$$,
	 $$loyalty.hold(pg_temp.id('ann'), 15, ref => 'h1', ttl => '16 minutes'%s)$$),
	('capture',
	 $$loyalty.capture(pg_temp.id('ann'), pg_temp.hold('capture'), 12, 'c1'%s)$$,
	 $$loyalty.capture(pg_temp.id('ann'), pg_temp.hold('capture'), 12.0, ref => 'c1'%s)$$,
	 $$loyalty.capture(pg_temp.id('ann'), pg_temp.hold('capture'), 13, 'c1'%s)$$),
	('release',
	 $$loyalty.release(pg_temp.id('ann'), pg_temp.hold('release')%s)$$,
	 $$loyalty.release(hold_id => pg_temp.hold('release'), member_id => pg_temp.id('ann')%s)$$,
	 $$loyalty.release(pg_temp.id('ann'), pg_temp.hold('capture')%s)$$),
	('refund',
	 $$loyalty.refund(pg_temp.id('ann'), 'o1', 15, refund_ref => 'b1', data => '{"staff":"Jo","why":"broken"}'%s)$$,
	 $$loyalty.refund(pg_temp.id('ann'), 'o1', 15.00, NULL, 'b1', '{"why":"broken","staff":"Jo"}'%s)$$,
	 $$loyalty.refund(pg_temp.id('ann'), 'o1', 16, refund_ref => 'b1', data => '{"staff":"Jo","why":"broken"}'%s)$$),
	('transfer',
	 $$loyalty.transfer(pg_temp.id('ann'), pg_temp.id('bob'), 25, ref => 't1'%s)$$,
	 $$loyalty.transfer(pg_temp.id('ann'), pg_temp.id('bob'), 25.0, 'points', 't1'%s)$$,
	 $$loyalty.transfer(pg_temp.id('ann'), pg_temp.id('cat'), 25, ref => 't1'%s)$$),
	('adjust',
	 $$loyalty.adjust(pg_temp.id('ann'), 40, 'points', 'goodwill', expires_on => '2026-12-31', ref => 'a1'%s)$$,
	 $$loyalty.adjust(pg_temp.id('ann'), 40.0, 'points', 'goodwill', NULL, '2026-12-31', 'a1'%s)$$,
	 $$loyalty.adjust(pg_temp.id('ann'), -40, 'points', 'goodwill', expires_on => '2026-12-31', ref => 'a1'%s)$$),
	('identity_add',
	 $$loyalty.identity_add(pg_temp.id('ann'), 'card', '4000 1234'%s)$$,
	 $$loyalty.identity_add(member_id => pg_temp.id('ann'), kind => 'card', value => '4000 1234'%s)$$,
	 $$loyalty.identity_add(pg_temp.id('ann'), 'card', '4000 1235'%s)$$),
	('identity_remove',
	 $$loyalty.identity_remove(pg_temp.id('ann'), 'email', 'ann@example.com'%s)$$,
	 $$loyalty.identity_remove(member_id => pg_temp.id('ann'), kind => 'email', value => 'ann@example.com'%s)$$,
	 $$loyalty.identity_remove(pg_temp.id('ann'), 'card', '40001234'%s)$$),
	('member_freeze',
	 $$loyalty.member_freeze(pg_temp.id('ann'), 'stolen'%s)$$,
	 $$loyalty.member_freeze(member_id => pg_temp.id('ann'), reason => 'stolen'%s)$$,
	 $$loyalty.member_freeze(pg_temp.id('ann'), 'lost'%s)$$),
	('member_thaw',
	 $$loyalty.member_thaw(pg_temp.id('ann'), 'found'%s)$$,
	 $$loyalty.member_thaw(member_id => pg_temp.id('ann'), reason => 'found'%s)$$,
	 $$loyalty.member_thaw(pg_temp.id('ann'), 'replaced'%s)$$),
	('member_close',
	 $$loyalty.member_close(pg_temp.id('ann'), 'left'%s)$$,
	 $$loyalty.member_close(member_id => pg_temp.id('ann'), reason => 'left'%s)$$,
	 $$loyalty.member_close(pg_temp.id('ann'), 'moved'%s)$$),
	('member_reopen',
	 $$loyalty.member_reopen(pg_temp.id('ann'), 'came back'%s)$$,
	 $$loyalty.member_reopen(member_id => pg_temp.id('ann'), reason => 'came back'%s)$$,
	 $$loyalty.member_reopen(pg_temp.id('ann'), 'again'%s)$$);

-- First a dry run, then the call, in order; both receipts are kept
CREATE TEMP TABLE answer (step int, dry loyalty.receipt, done loyalty.receipt, dry_wrote boolean);
DO $$
DECLARE
	q request;
	dry loyalty.receipt;
	done loyalty.receipt;
	before text;
	wrote boolean;
BEGIN
	FOR q IN SELECT * FROM request ORDER BY step LOOP
		before := pg_temp.state();
		EXECUTE 'SELECT * FROM ' || format(q.sql, format(', key => %L, mode => ''dry''', 'k-' || q.verb)) INTO dry;
		wrote := pg_temp.state() <> before;
		EXECUTE 'SELECT * FROM ' || format(q.sql, format(', key => %L', 'k-' || q.verb)) INTO done;
		INSERT INTO answer VALUES (q.step, dry, done, wrote);
	END LOOP;
END
$$;
SELECT is((dry).status, 'dry', verb || ': a dry run says so') FROM request JOIN answer USING (step) ORDER BY step;
SELECT is(dry_wrote, false, verb || ': and writes nothing') FROM request JOIN answer USING (step) ORDER BY step;
SELECT is(to_jsonb(dry) - '{status,journal_id,hold_id}'::text[], to_jsonb(done) - '{status,journal_id,hold_id}'::text[],
	verb || ': and answers what the call then answers') FROM request JOIN answer USING (step) ORDER BY step;
SELECT is(format('%s %s', (done).status, (done).replayed), 'done f', verb || ': done') FROM request JOIN answer USING (step) ORDER BY step;
SELECT is((SELECT format('%s %s', j.key, j.request_hash IS NOT NULL) FROM loyalty.journal j
	WHERE j.member_id = (done).member_id AND j.journal_id = (done).journal_id), 'k-' || verb || ' t',
	verb || ': the receipt names its journal row') FROM request JOIN answer USING (step) ORDER BY step;

-- Time goes by, more happens, the member is closed: the replay is the original receipt
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 1000, 'o9');
SET loyalty.now = '2027-06-01 12:00+00';
SELECT FROM loyalty.redeem(pg_temp.id('bob'), 1, key => 'k1', mode => 'try');
SELECT loyalty.account_settle(pg_temp.id('ann')) > 0 AS settled \gset
SELECT FROM loyalty.member_close(pg_temp.id('ann'), 'gone');
CREATE TEMP TABLE state AS SELECT pg_temp.state() AS before;
CREATE FUNCTION pg_temp.call(sql text, rest text) RETURNS loyalty.receipt LANGUAGE plpgsql AS $$
DECLARE
	r loyalty.receipt;
BEGIN
	EXECUTE 'SELECT * FROM ' || format(sql, rest) INTO r;
	RETURN r;
END
$$;
CREATE TEMP TABLE replay AS
	SELECT step, verb, done, pg_temp.call(sql, format(', key => %L', 'k-' || verb)) AS first,
		pg_temp.call(same, format(', key => %L, mode => ''try''', 'k-' || verb)) AS second
	FROM request JOIN answer USING (step);
SELECT is(pg_temp.told(first), pg_temp.told(done), format('rule 1: %s: same key and request: the original receipt', verb)) FROM replay ORDER BY step;
SELECT is(pg_temp.told(second), pg_temp.told(done), format('rule 1: %s: the same request in other words, too', verb)) FROM replay ORDER BY step;
SELECT is((first).replayed AND (second).replayed, true, format('rule 1: %s: marked as replayed', verb)) FROM replay ORDER BY step;
SELECT throws_ok('SELECT * FROM ' || format(other, format(', key => %L', 'k-' || verb)), 'LY002', NULL,
	format('rule 1: %s: same key, other request', verb)) FROM request ORDER BY step;
SELECT is(pg_temp.state(), (SELECT before FROM state), 'rule 1: none of it wrote anything');

-- ref without key, and with another key
SELECT is(pg_temp.told(pg_temp.call(sql, ', mode => ''try''')), pg_temp.told(done), format('rule 1: %s: known ref and no key: replayed', verb))
FROM request JOIN answer USING (step) WHERE verb IN ('record', 'purchase', 'sale', 'vest', 'redeem', 'hold', 'capture', 'refund', 'transfer', 'adjust')
ORDER BY step;
SELECT FROM loyalty.member_reopen(pg_temp.id('ann'), 'for the next tests');
SELECT throws_ok('SELECT * FROM ' || format(sql, ', key => ''another'''), 'LY003', NULL, format('rule 1: %s: known ref and a new key', verb))
FROM request WHERE verb IN ('record', 'purchase', 'sale', 'vest', 'redeem', 'hold', 'capture', 'refund', 'transfer', 'adjust')
ORDER BY step;
SELECT throws_ok('SELECT * FROM ' || format(other, ''), 'LY002', NULL, format('rule 1: %s: known ref and another request', verb))
FROM request WHERE verb IN ('record', 'purchase', 'sale', 'vest', 'redeem', 'hold', 'capture', 'refund', 'transfer', 'adjust')
ORDER BY step;

-- One key space per member for all verbs, each member has its own
SELECT throws_ok($$SELECT * FROM loyalty.record(pg_temp.id('ann'), 'profile_complete', key => 'k-redeem')$$, 'LY002', NULL,
	'rule 1: one key space for all verbs');
SELECT is((SELECT status FROM loyalty.record(pg_temp.id('bob'), 'profile_complete', key => 'k-redeem')), 'done',
	'rule 1: each member has its own keys');
-- A ref is unique per kind
SELECT is((SELECT replayed FROM loyalty.record(pg_temp.id('bob'), 'review', ref => 'x1')), false, 'rule 1: a review x1');
SELECT is((SELECT replayed FROM loyalty.record(pg_temp.id('bob'), 'share', ref => 'x1')), false, 'rule 1: a share x1');
SELECT is((SELECT replayed FROM loyalty.redeem(pg_temp.id('bob'), 1, ref => 'x1')), false, 'rule 1: a redeem x1');
SELECT is((SELECT replayed FROM loyalty.record(pg_temp.id('bob'), 'review', ref => 'x1')), true, 'rule 1: the review x1 again');
SELECT is(pg_temp.journal('bob'), 'event signup, receive transfer:' || (SELECT (done).journal_id FROM replay WHERE verb = 'transfer')
	|| ', expire, event profile_complete, event review x1, event share x1, redeem x1', 'the journal of it');
-- Written in the SELECT list it runs once per column, and counts once
CREATE TEMP TABLE columns AS SELECT (loyalty.redeem(pg_temp.id('bob'), 2, ref => 'x2')).*;
SELECT is((SELECT count(*) FROM loyalty.journal WHERE member_id = pg_temp.id('bob') AND ref = 'x2'), 1::bigint, 'rule 1: (redeem(...)).* redeems once');
SELECT is((SELECT format('%s %s', status, replayed) FROM loyalty.redeem(pg_temp.id('bob'), 2, ref => 'x2', mode => 'dry')), 'done t', 'rule 1: a dry run of what was done replays');
-- Without key and ref each call counts
SELECT FROM loyalty.record(pg_temp.id('cat'), 'profile_complete');
SELECT FROM loyalty.record(pg_temp.id('cat'), 'profile_complete');
SELECT FROM loyalty.record(pg_temp.id('cat'), 'profile_complete');
SELECT is(pg_temp.balance('cat'), '30 available', 'without key and ref each call counts');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 10, 'o1');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 10, 'o1');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 10, 'o1');
SELECT is(pg_temp.balance('cat'), '40 available', 'rule 1: an order posted three times counts once');

-- A refusal is not stored: the same key is judged again
SELECT is((SELECT format('%s %s', status, reason) FROM loyalty.redeem(pg_temp.id('dan'), 5, key => 'k1', mode => 'try')),
	'refused insufficient_points', 'rule 1: refused');
SELECT FROM loyalty.record(pg_temp.id('dan'), 'profile_complete');
SELECT is((SELECT format('%s %s', status, replayed) FROM loyalty.redeem(pg_temp.id('dan'), 5, key => 'k1', mode => 'try')),
	'done f', 'rule 1: judged again');
-- What is rolled back never was
SAVEPOINT before;
SELECT FROM loyalty.redeem(pg_temp.id('dan'), 3, key => 'k2');
ROLLBACK TO before;
SELECT is((SELECT format('%s %s', pg_temp.moved(r), replayed) FROM loyalty.redeem(pg_temp.id('dan'), 4, key => 'k2') r),
	'-4 points f', 'rule 1: a key that was rolled back is free');

-- Keys
SELECT is((SELECT status FROM loyalty.record(pg_temp.id('dan'), 'profile_complete', key => repeat('k', 255))), 'done', 'a key of 255 bytes');
SELECT is((SELECT replayed FROM loyalty.record(pg_temp.id('dan'), 'profile_complete', key => repeat('k', 255))), true, 'is kept whole');
SELECT is((SELECT status FROM loyalty.record(pg_temp.id('dan'), 'profile_complete', key => E' %s''; -- \u00e9 ')), 'done', 'a key of any printable letters');

-- ref_scope = 'program'
CALL pg_temp.enroll('Once', 'guy', 'hal');
SELECT FROM loyalty.purchase(pg_temp.id('guy'), 10, 'o1');
SELECT is((SELECT replayed FROM loyalty.purchase(pg_temp.id('guy'), 10, 'o1')), true, 'rule 1: ref_scope program: the same order of the same member replays');
SELECT throws_ok($$SELECT * FROM loyalty.purchase(pg_temp.id('hal'), 10, 'o1')$$, 'LY003', NULL, 'rule 1: ref_scope program: one order cannot earn twice');
SELECT is((SELECT status FROM loyalty.record(pg_temp.id('hal'), 'review', ref => 'o1')), 'done', 'rule 1: ref_scope program: another event may have the ref');
SELECT is((SELECT status FROM loyalty.purchase(pg_temp.id('hal'), 10, 'o2')), 'done', 'rule 1: ref_scope program: another order earns');
SELECT results_eq($$SELECT ref, event, member_id FROM loyalty.journal_ref ORDER BY ref, event$$,
	$$VALUES ('o1', 'purchase', pg_temp.id('guy')), ('o1', 'review', pg_temp.id('hal')), ('o2', 'purchase', pg_temp.id('hal'))$$,
	'rule 1: ref_scope program: the lookup rows');
SELECT FROM loyalty.purchase(pg_temp.id('eve'), 10, 'o1');
SELECT is((SELECT status FROM loyalty.purchase(pg_temp.id('fay'), 10, 'o1')), 'done', 'rule 1: ref_scope member: each member has its own');

-- What the journal keeps
SET loyalty.now = '2027-06-02 12:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('eve'), 12.34, 'o2', '[{"sku":"A","price":12.34,"colour":"red"}]',
	'{"channel":"web","store":"S2","staff":"Jo","payment_method":"card","note":{"a":[1,2]}}', at => '2027-06-01 09:00+00');
SELECT results_eq(
	$$SELECT kind, event, ref, key, amount, channel, store, staff, effective_at, actor = session_user, reverses, hold_id, other_member_id, unit_id
	  FROM loyalty.journal WHERE member_id = pg_temp.id('eve') AND ref = 'o2'$$,
	$$VALUES ('event', 'purchase', 'o2', NULL::text, 1234::bigint, 'web', 'S2', 'Jo', '2027-06-01 09:00+00'::timestamptz,
	          true, NULL::text, NULL::bigint, NULL::bigint, NULL::int)$$, 'a purchase in the journal');
SELECT is((SELECT data - 'awards' FROM loyalty.event_data JOIN loyalty.journal USING (member_id, journal_id) WHERE ref = 'o2' AND member_id = pg_temp.id('eve')),
	'{"items": [{"sku":"A","price":12.34,"colour":"red"}],
	  "data": {"channel":"web","store":"S2","staff":"Jo","payment_method":"card","note":{"a":[1,2]}}}'::jsonb,
	'items and data are kept as they came, unknown keys too');
SELECT is_empty($$SELECT d.* FROM loyalty.event_data d WHERE member_id = pg_temp.id('cat') AND data - 'awards' <> '{}'$$, 'no inputs, nothing of them');
SELECT ok((SELECT bool_and(recorded_at BETWEEN transaction_timestamp() AND clock_timestamp()) FROM loyalty.journal),
	'recorded_at is the real clock');
SELECT is_empty($$SELECT e.* FROM (SELECT e.*, sum(amount) OVER (PARTITION BY member_id, unit_id ORDER BY journal_id, line) AS n
	FROM loyalty.entry e) e WHERE n <> balance_after$$, 'balance_after is the running sum');
SELECT is_empty($$SELECT member_id, journal_id FROM loyalty.entry GROUP BY 1, 2 HAVING min(line) <> 1 OR max(line) <> count(*)$$,
	'lines are numbered from 1');

-- Append-only, even for the owner
SELECT throws_ok(sql, 'LY190', NULL, sql)
FROM unnest(ARRAY['UPDATE loyalty.journal SET reason = NULL', 'DELETE FROM loyalty.journal', 'TRUNCATE loyalty.journal',
	'UPDATE loyalty.entry SET amount = 1', 'DELETE FROM loyalty.entry', 'TRUNCATE loyalty.entry',
	'DELETE FROM loyalty.entry WHERE false', 'TRUNCATE loyalty.entry CASCADE']) sql;

-- A column that somebody has added
ALTER TABLE loyalty.entry ADD COLUMN note text;
ALTER TABLE loyalty.account ADD COLUMN note text;
SELECT FROM loyalty.purchase(pg_temp.id('eve'), 5, 'added');
SELECT is((SELECT count(*) FROM loyalty.entry e JOIN loyalty.journal j USING (member_id, journal_id) WHERE j.ref = 'added' AND e.note IS NULL),
	3::bigint, 'a column that was added is in nobody''s way');
ALTER TABLE loyalty.entry DROP COLUMN note;
ALTER TABLE loyalty.account DROP COLUMN note;
SELECT FROM loyalty.purchase(pg_temp.id('eve'), 5, 'dropped');
SELECT is((SELECT count(*) FROM loyalty.entry e JOIN loyalty.journal j USING (member_id, journal_id) WHERE j.ref = 'dropped'),
	3::bigint, 'nor is one that was dropped');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
