\set ECHO none
\i test/prelude.sql
-- One start for many: announced by hand or by a schedule, made in batches; and holds that end soon.

SELECT plan(53);

SELECT loyalty.program_create('shop', 'CNY', 'Asia/Shanghai') AS shop \gset
SELECT loyalty.program_create('other', 'CNY', 'Asia/Shanghai') AS other \gset
SELECT unit_id AS points FROM loyalty.unit WHERE program_id = :shop AND code = 'points' \gset
CALL pg_temp.enroll('shop', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay');
CALL pg_temp.enroll('other', 'odd');
INSERT INTO loyalty.segment (program_id, name) VALUES (:shop, 'fans'), (:shop, 'nobody');
SELECT FROM unnest('{ann,bob,cat}'::text[]) n, loyalty.segment_add(pg_temp.id(n), 'fans');
INSERT INTO loyalty.activity_kind (program_id, kind) VALUES (:shop, 'view');
INSERT INTO loyalty.automation (program_id, name, status, trigger_kind, segment) VALUES
	(:shop, 'news', 'live', 'announcement', NULL),
	(:shop, 'for_fans', 'live', 'announcement', 'fans'),
	(:shop, 'asleep', 'paused', 'announcement', NULL),
	(:shop, 'hello', 'live', 'event', NULL);
SELECT FROM loyalty.message_channels('shop');
INSERT INTO loyalty.automation_step (automation_id, position, program_id, kind, channel, template)
SELECT automation_id, 10, program_id, 'message', 'sms', 'news' FROM loyalty.automation;

CREATE FUNCTION pg_temp.who(automation text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(i.value, ' ' ORDER BY i.value)
	FROM loyalty.automation_run r JOIN loyalty.automation a USING (automation_id)
	JOIN loyalty.identity i ON i.member_id = r.member_id
	WHERE a.name = $1
$$;
CREATE FUNCTION pg_temp.run_all() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	total bigint := 0;
	turn record;
BEGIN
	LOOP
		SELECT * INTO turn FROM loyalty.automation_broadcast_run(2);
		total := total + turn.done;
		EXIT WHEN NOT turn.left_over;
	END LOOP;
	RETURN total;
END
$$;

-- All members, two at a time.
SELECT is(pg_temp.run_all(), 0::bigint, 'without a broadcast there is nothing to do');
SELECT loyalty.automation_broadcast('shop', 'news', 'spring', params => '{"price": 99, "broadcast": "mine"}') AS spring \gset
SELECT is((SELECT count(*) FROM loyalty.automation_run), 0::bigint, 'an announcement makes no run by itself');
SELECT is(loyalty.automation_broadcast('shop', 'news', 'spring', params => '{"broadcast": "mine", "price": 99.0}'), :spring::bigint,
	'the same again is the same');
SELECT throws_ok($$SELECT loyalty.automation_broadcast('shop', 'news', 'spring')$$, 'LY002', NULL, 'another with its key is refused');
SELECT throws_ok($$SELECT loyalty.automation_broadcast('shop', 'news', 'spring', 'fans', params => '{"price": 99, "broadcast": "mine"}')$$,
	'LY002', NULL, 'also for others');
SELECT results_eq('SELECT * FROM loyalty.automation_broadcast_run(4)', 'VALUES (4, true)', 'a batch looks at as many as it may');
SELECT is(pg_temp.who('news'), 'ann bob cat dan', 'in the order of their ids');
SELECT results_eq($$SELECT status, audience, looked_at, started, waiting, done, held_out, ended FROM loyalty.broadcast_progress$$,
	$$VALUES ('running', 6::bigint, 4::bigint, 4::bigint, 4::bigint, 0::bigint, 0::bigint, 0::bigint)$$, 'how far it came can be seen');
SELECT results_eq('SELECT * FROM loyalty.automation_broadcast_run(4)', 'VALUES (2, false)', 'the next goes on from there');
SELECT is(pg_temp.who('news'), 'ann bob cat dan eve fay', 'members of another programme are not meant');
SELECT results_eq($$SELECT status, finished_at, done_until = pg_temp.id('fay'), started FROM loyalty.automation_broadcast$$,
	$$VALUES ('done', loyalty.now(), true, 6::bigint)$$, 'and it is done');
SELECT results_eq(format($$SELECT DISTINCT occurrence, status, triggered_at, due_at, position, trigger FROM loyalty.automation_run$$),
	format($$VALUES (%L, 'waiting', loyalty.now(), loyalty.now(), 0, '{"price": 99, "broadcast": "spring", "broadcast_id": "%s"}'::jsonb)$$, :spring, :spring),
	'each run knows what started it');

-- Who joins or closes meanwhile.
SELECT FROM loyalty.member_close(pg_temp.id('fay'), 'wish');
SELECT loyalty.automation_broadcast('shop', 'for_fans', 'a') AS a \gset
SELECT is((SELECT segment FROM loyalty.automation_broadcast WHERE broadcast_id = :a), 'fans', 'the segment of the automation counts');
SELECT loyalty.automation_broadcast('shop', 'news', 'nobody', 'nobody') AS b \gset
SELECT is(pg_temp.run_all(), 3::bigint, 'only members of the segment are looked at');
SELECT is(pg_temp.who('for_fans'), 'ann bob cat', 'and get a run');
SELECT is((SELECT status || started FROM loyalty.automation_broadcast WHERE broadcast_id = :b), 'done0', 'of nobody there is none');
DELETE FROM loyalty.automation_run;
SELECT loyalty.automation_broadcast('shop', 'news', 'all again') AS c \gset
SELECT is(pg_temp.run_all(), 6::bigint, 'a second for all');
SELECT is(pg_temp.who('news'), 'ann bob cat dan eve', 'reaches all but former members');

-- Once in a while only: the period counts, not the broadcast.
UPDATE loyalty.automation SET once = 'month' WHERE name = 'for_fans';
SELECT FROM loyalty.automation_broadcast('shop', 'for_fans', 'b') b, loyalty.automation_broadcast('shop', 'for_fans', 'c') c;
SELECT is(pg_temp.run_all(), 6::bigint, 'two in a month look at all of them');
SELECT results_eq($$SELECT DISTINCT occurrence FROM loyalty.automation_run r JOIN loyalty.automation USING (automation_id) WHERE name = 'for_fans'$$,
	$$VALUES ('m2026-03-01')$$, 'and start once');

-- What somebody looked at, and did not buy since.
SET loyalty.now = '2026-04-01 09:00+08';
SELECT FROM unnest('{ann,bob,dan}'::text[]) n, loyalty.track(pg_temp.id(n), 'view', target_kind => 'sku', target => 'tea');
SELECT FROM loyalty.track(pg_temp.id('eve'), 'view', target_kind => 'sku', target => 'cup');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 10, 'c1', items => '[{"sku": "rice", "category": "food", "brand": "sun", "qty": 1, "price": 10}]');
SET loyalty.now = '2026-04-10 09:00+08';
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 10, 'b1', items => '[{"sku": "tea", "category": "drinks", "brand": "sun", "qty": 1, "price": 10}]');
SET loyalty.now = '2026-04-11 09:00+08';
DELETE FROM loyalty.automation_run;
SELECT loyalty.automation_broadcast('shop', 'news', 'tea', target_kind => 'sku', target => 'tea') AS tea \gset
SELECT is((SELECT target_days FROM loyalty.automation_broadcast WHERE broadcast_id = :tea), 30, 'thirty days, unless it says otherwise');
SELECT is(pg_temp.run_all(), 6::bigint, 'all are looked at');
SELECT is(pg_temp.who('news'), 'ann dan', 'who looked at it, and has not bought it since');
SELECT is((SELECT DISTINCT trigger->>'sku' FROM loyalty.automation_run), 'tea', 'the run says what it is about');
SELECT FROM loyalty.track(pg_temp.id('bob'), 'view', target_kind => 'sku', target => 'tea', at => '2026-04-10 20:00+08');
SELECT FROM loyalty.automation_broadcast('shop', 'for_fans', 'tea', target_kind => 'sku', target => 'tea', target_days => 3);
DELETE FROM loyalty.automation_run;
SELECT pg_temp.run_all();
SELECT is(pg_temp.who('for_fans'), 'bob', 'and looked again since; of the segment, in so many days');
DELETE FROM loyalty.automation_run;
SELECT FROM loyalty.automation_broadcast('shop', 'news', 'drinks', target_kind => 'category', target => 'drinks');
SELECT pg_temp.run_all();
SELECT is(pg_temp.who('news'), 'bob', 'who bought of a category: by the ledger');
DELETE FROM loyalty.automation_run;
INSERT INTO loyalty.tag (program_id, name, condition) VALUES (:shop, 'sunny', '$.brands.sun.year.times > 0');
SELECT FROM loyalty.tag_refresh('shop');
SELECT FROM loyalty.automation_broadcast('shop', 'news', 'sun', target_kind => 'brand', target => 'sun');
SELECT FROM loyalty.track(pg_temp.id('eve'), 'view', target_kind => 'brand', target => 'sun');
SELECT pg_temp.run_all();
SELECT is(pg_temp.who('news'), 'bob cat eve', 'or a brand: by their days; or looked at it');

-- Cancelled, paused, ended.
DELETE FROM loyalty.automation_run;
SELECT loyalty.automation_broadcast('shop', 'news', 'wrong') AS wrong \gset
SELECT * FROM loyalty.automation_broadcast_run(3);
UPDATE loyalty.automation_run SET position = 10 WHERE member_id = pg_temp.id('ann');
SELECT is(loyalty.automation_broadcast_cancel(:wrong), 2::bigint, 'what has done nothing is cancelled');
SELECT is(loyalty.automation_broadcast_cancel(:wrong), 0::bigint, 'once');
SELECT is(pg_temp.run_all(), 0::bigint, 'and nobody else is looked at');
SELECT results_eq('SELECT status, reason FROM loyalty.automation_run WHERE position = 0 GROUP BY 1, 2', $$VALUES ('cancelled', 'cancelled')$$, 'they say so');
SELECT is((SELECT status || ' ' || waiting || ' ' || ended FROM loyalty.broadcast_progress WHERE broadcast_id = :wrong), 'cancelled 1 2', 'as does the broadcast');
DELETE FROM loyalty.automation_run;
SELECT loyalty.automation_broadcast('shop', 'news', 'later') AS later \gset
UPDATE loyalty.automation SET status = 'paused' WHERE name = 'news';
SELECT is(pg_temp.run_all(), 0::bigint, 'one whose automation is paused waits');
SELECT is((SELECT backlog FROM loyalty.maintenance_status WHERE job = 'broadcast'), 0::bigint, 'and is no backlog');
UPDATE loyalty.automation SET status = 'live' WHERE name = 'news';
SELECT is((SELECT backlog FROM loyalty.maintenance_status WHERE job = 'broadcast'), 1::bigint, 'one that is live is');
SELECT is(pg_temp.run_all(), 6::bigint, 'and goes on');
SELECT loyalty.automation_broadcast('shop', 'news', 'last') AS last \gset
UPDATE loyalty.automation SET status = 'ended' WHERE name = 'news';
SELECT is(pg_temp.run_all(), 0::bigint, 'one whose automation has ended');
SELECT is((SELECT status FROM loyalty.automation_broadcast WHERE broadcast_id = :last), 'cancelled', 'is cancelled');

-- What is refused.
SELECT throws_ok($$SELECT loyalty.automation_broadcast('no', 'news', 'k')$$, 'LY403', NULL, 'an unknown programme');
SELECT throws_ok($$SELECT loyalty.automation_broadcast('shop', 'no', 'k')$$, 'LY450', NULL, 'an unknown automation');
SELECT throws_ok($$SELECT loyalty.automation_broadcast('shop', 'hello', 'k')$$, 'LY452', NULL, 'one that starts for one member');
SELECT throws_ok($$SELECT loyalty.automation_broadcast('shop', 'asleep', 'k')$$, 'LY452', NULL, 'one that is not live');
SELECT throws_ok($$SELECT loyalty.automation_broadcast('shop', 'for_fans', 'k', 'no')$$, 'LY811', NULL, 'an unknown segment');
SELECT throws_ok($$SELECT loyalty.automation_broadcast('shop', 'for_fans', NULL)$$, '22004', NULL, 'no key');
SELECT throws_ok($$SELECT loyalty.automation_broadcast('shop', 'for_fans', '')$$, '22023', NULL, 'an empty key');
SELECT throws_ok($$SELECT loyalty.automation_broadcast('shop', 'for_fans', 'k', target => 'tea')$$, '22023', NULL, 'a target of no kind');
SELECT throws_ok($$SELECT loyalty.automation_broadcast('shop', 'for_fans', 'k', target_kind => 'shop', target => 'tea')$$, '22023', NULL, 'of an unknown kind');
SELECT throws_ok($$SELECT loyalty.automation_broadcast('shop', 'for_fans', 'k', target_kind => 'sku', target => 'tea', target_days => 367)$$, '22023', NULL, 'too many days');
SELECT throws_ok($$SELECT loyalty.automation_broadcast('shop', 'for_fans', 'k', params => '[]')$$, '22023', NULL, 'params that are no object');
SELECT throws_ok($$SELECT loyalty.automation_broadcast('shop', 'for_fans', 'k', params => jsonb_build_object('a', repeat('x', 8200)))$$, 'LY004', NULL, 'params that no message could have, a copy for each member');
SELECT throws_ok('SELECT loyalty.automation_broadcast_cancel(1)', 'LY453', NULL, 'an unknown broadcast');
SELECT throws_ok('SELECT loyalty.automation_broadcast_run(0)', '22023', NULL, 'no batch');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
