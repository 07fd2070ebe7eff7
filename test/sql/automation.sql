\set ECHO none
\i test/prelude.sql
SELECT plan(184);

SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
SELECT loyalty.program_create('Other', 'CNY', 'Asia/Shanghai') AS other \gset
INSERT INTO loyalty.activity_kind (program_id, kind) VALUES (:shop, 'cart_updated'), (:shop, 'browse');
INSERT INTO loyalty.message_channel (program_id, name) VALUES (:shop, 'sms');
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:shop, 'base', 0), (:shop, 'gold', 1);
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, window_kind)
SELECT :shop, t.tier_id, u.unit_id, 1000, 'lifetime' FROM loyalty.tier t, loyalty.unit u WHERE t.code = 'gold' AND u.program_id = :shop AND u.code = 'spend';
SELECT pg_temp.coupon('{"program": "Shop", "name": "five", "kind": "amount", "amount": 5}');
SELECT pg_temp.coupon('{"program": "Shop", "name": "ten", "kind": "amount", "amount": 10, "status": "inactive"}');
INSERT INTO loyalty.segment (program_id, name) VALUES (:shop, 'press');
INSERT INTO loyalty.tag (program_id, name, dimension) VALUES (:shop, 'regular', 'lifecycle');
INSERT INTO loyalty.tag (program_id, name, condition) VALUES (:shop, 'often', '$.member.purchases >= 3');
INSERT INTO loyalty.program_event (program_id, event) VALUES (:shop, 'wish') ON CONFLICT DO NOTHING;
SELECT FROM loyalty.tag_refresh('Shop');
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay', 'gus', 'hal', 'ida', 'joe', 'kim', 'lea', 'max', 'ned', 'oda', 'pam', 'ron', 'sue', 'tim', 'uma');

-- An automation of the shop and its steps: '{"trigger_kind": "event", ...}', '{"kind": "tag_add", "tag": "x"}' ...; live at once.
CREATE FUNCTION pg_temp.auto(settings jsonb, VARIADIC steps jsonb[]) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
	program int := (SELECT program_id FROM loyalty.program WHERE name = 'Shop');
	row jsonb := settings || jsonb_build_object('program_id', program);
	id int;
	step jsonb;
	n int := 0;
BEGIN
	EXECUTE (SELECT format('INSERT INTO loyalty.automation (%s) VALUES (%s) RETURNING automation_id',
		string_agg(format('%I', key), ', '), string_agg(format('%L', value), ', ')) FROM jsonb_each_text(row)) INTO id;
	FOREACH step IN ARRAY steps LOOP
		n := n + 1;
		step := jsonb_build_object('position', n) || step - 'unit' || jsonb_build_object('program_id', program, 'automation_id', id)
			|| CASE WHEN step ? 'unit' THEN jsonb_build_object('unit_id', (SELECT unit_id FROM loyalty.unit WHERE program_id = program AND code = step ->> 'unit')) ELSE '{}' END;
		EXECUTE (SELECT format('INSERT INTO loyalty.automation_step (%s) VALUES (%s)',
			string_agg(format('%I', key), ', '), string_agg(format('%L', value), ', ')) FROM jsonb_each_text(step));
	END LOOP;
	IF NOT settings ? 'status' THEN
		PERFORM loyalty.automation_start('Shop', settings ->> 'name');
	END IF;
	RETURN id;
END
$$;
-- 'thanks done, late skipped late': the runs of a member, oldest first
CREATE FUNCTION pg_temp.runs(name text, automation text DEFAULT NULL) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(concat_ws(' ', CASE WHEN $2 IS NULL THEN a.name END, r.status, r.reason), ', ' ORDER BY r.triggered_at, r.run_id), 'none')
	FROM loyalty.automation_run r JOIN loyalty.automation a USING (automation_id)
	WHERE r.member_id = pg_temp.id($1) AND ($2 IS NULL OR a.name = $2)
$$;
CREATE FUNCTION pg_temp.work() RETURNS int LANGUAGE sql AS 'SELECT done FROM loyalty.automation_run_due(1000)';
CREATE FUNCTION pg_temp.tags(name text) RETURNS text LANGUAGE sql STABLE AS
	$$SELECT coalesce(string_agg(tag, ' ' ORDER BY tag), 'none') FROM loyalty.member_tag WHERE member_id = pg_temp.id($1)$$;
CREATE PROCEDURE pg_temp.stop(VARIADIC names text[]) LANGUAGE plpgsql AS
	$$BEGIN PERFORM loyalty.automation_end('Shop', n) FROM unnest(names) n; END$$;

SELECT is(pg_temp.signature('automation_run_due'), '(batch integer DEFAULT 500, OUT done integer, OUT left_over boolean) -> record', 'automation_run_due(): arguments');

-- An event starts a run in its transaction, and the job does its steps.
SELECT pg_temp.auto('{"name": "thanks", "trigger_kind": "event", "trigger_name": "purchase", "condition": "$.event.amount >= 100", "purpose": "service"}',
	'{"kind": "award", "unit": "points", "amount": 50}', '{"kind": "coupon", "coupon": "five"}', '{"kind": "tag_add", "tag": "buyer", "valid_days": 30}',
	'{"kind": "message", "channel": "sms", "template": "thanks", "params": {"tone": "warm", "event": "mine"}}');
SAVEPOINT a;
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 200, 'o1');
SELECT is(pg_temp.runs('ann'), 'thanks waiting', 'a purchase starts it');
ROLLBACK TO a;
SELECT is(pg_temp.runs('ann'), 'none', 'a purchase that is rolled back leaves no run');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 200, 'o1');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 200, 'o1');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 99.99, 'o1');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 300, 'dry', mode => 'dry');
SELECT is(pg_temp.runs('ann'), 'thanks waiting', 'a replay and a dry run start nothing');
SELECT is(pg_temp.work(), 2, 'two runs were due');
SELECT is(pg_temp.work(), 0, 'and no more');
SELECT is(pg_temp.runs('ann'), 'thanks done', 'done');
SELECT is(pg_temp.runs('bob'), 'thanks skipped condition', 'the condition was not met');
-- 200 earned by the rule, 50 bonus
SELECT is(pg_temp.lots('ann'), '200 e until 2027-03-31, 50 b until 2027-03-31', 'the award is a bonus, with the unit''s expiry');
SELECT results_eq($$SELECT c.name, m.status FROM loyalty.member_coupon m JOIN loyalty.coupon c USING (coupon_id) WHERE m.member_id = pg_temp.id('ann')$$, $$VALUES ('five', 'issued')$$, 'the coupon');
SELECT results_eq($$SELECT tag, source, valid_until FROM loyalty.member_tag WHERE member_id = pg_temp.id('ann')$$,
	$$VALUES ('buyer', 'automation', timestamptz '2026-04-14 12:00+00')$$, 'the tag, for 30 days');
SELECT results_eq($$SELECT template, purpose, params - 'coupon_no' FROM loyalty.message WHERE member_id = pg_temp.id('ann') AND run_id IS NOT NULL AND automation_id IS NOT NULL$$,
	$$VALUES ('thanks', 'service', '{"ref": "o1", "tone": "warm", "event": "mine", "amount": 200.00, "coupon": "five", "award_unit": "points", "award_amount": 50}'::jsonb)$$,
	'the message: what started the run, what was given, and first what the step says');
SELECT results_eq($$SELECT kind, key IS NOT NULL FROM loyalty.journal WHERE member_id = pg_temp.id('ann') AND kind IN ('award', 'coupon_issue') ORDER BY 1$$, $$VALUES ('award', true), ('coupon_issue', true)$$, 'under keys of the run');
SELECT results_eq($$SELECT line, kind FROM loyalty.automation_run r, loyalty.automation_explain(r.member_id, r.run_id) WHERE r.member_id = pg_temp.id('ann')$$,
	$$VALUES (0, 'trigger'), (1, 'award'), (2, 'coupon'), (3, 'tag_add'), (4, 'message'), (5, 'done')$$, 'explained');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.automation_explain(pg_temp.id('ann'), 1)$$), format('LY451 member_id=%s run_id=1', pg_temp.id('ann')), 'a run that is not there');

-- A whole refund takes back what it gave.
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'o1', 100, refund_ref => 'r1');
SELECT is(pg_temp.work(), 0, 'a part of the order takes nothing back');
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'o1');
SELECT is(pg_temp.runs('ann'), 'thanks waiting refunded', 'the whole does');
SELECT is(pg_temp.work(), 1, 'when it is worked off');
SELECT is(pg_temp.runs('ann'), 'thanks undone refunded', 'undone');
SELECT is(pg_temp.balance('ann'), 'nothing', 'the award');
SELECT is(pg_temp.tags('ann'), 'none', 'the tag');
SELECT results_eq($$SELECT status FROM loyalty.member_coupon WHERE member_id = pg_temp.id('ann')$$, $$VALUES ('void')$$, 'the coupon');
SELECT results_eq($$SELECT status FROM loyalty.message WHERE member_id = pg_temp.id('ann')$$, $$VALUES ('cancelled')$$, 'the message');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 150, 'o1');
SELECT FROM loyalty.refund(pg_temp.id('cat'), 'o1');
SELECT is(pg_temp.work(), 1, 'refunded before it was worked off');
SELECT is(pg_temp.runs('cat') || ', ' || pg_temp.balance('cat'), 'thanks undone refunded, nothing', 'nothing was given');
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 150, 'o1');
SELECT pg_temp.work();
SELECT FROM loyalty.redeem(pg_temp.id('dan'), 200, 'points', 'r1');
SELECT FROM loyalty.tag_add(pg_temp.id('dan'), 'buyer', 'hand');
SELECT FROM loyalty.refund(pg_temp.id('dan'), 'o1');
SELECT pg_temp.work();
SELECT is(pg_temp.runs('dan') || ', ' || pg_temp.tags('dan'), 'thanks undone refunded, buyer', 'a tag that is held by hand by now stays');
CALL pg_temp.stop('thanks');

-- Triggers
SELECT pg_temp.auto(jsonb_build_object('name', v.name, 'trigger_kind', v.kind) || v.more, jsonb_build_object('kind', 'tag_add', 'tag', 'by_' || v.name))
FROM (VALUES ('refund', 'refund', '{"trigger_name": "purchase"}'::jsonb), ('promoted', 'tier', '{"trigger_name": "promoted"}'), ('near', 'near_tier', '{"percent": 20}'),
	('tagged', 'tag_set', '{"trigger_name": "vip"}'), ('untagged', 'tag_removed', '{"trigger_name": "vip"}'), ('staged', 'stage', '{}'), ('often', 'tag_set', '{"trigger_name": "often"}'),
	('entered', 'segment_entered', '{"trigger_name": "press"}'), ('gone', 'segment_left', '{}'), ('browsed', 'activity', '{"trigger_name": "browse", "once": "day"}')) v (name, kind, more);
SELECT FROM loyalty.purchase(pg_temp.id('eve'), 799.99, 'o1');
SELECT is(pg_temp.runs('eve'), 'none', '200.01 of 1000 are missing');
SELECT FROM loyalty.purchase(pg_temp.id('eve'), 0.01, 'o2');
SELECT is(pg_temp.runs('eve'), 'near waiting', '200 of 1000 are: 20 %');
SELECT FROM loyalty.purchase(pg_temp.id('eve'), 100, 'o3');
SELECT is(pg_temp.runs('eve'), 'near waiting, often waiting', 'once in each tier; and a tag by its condition');
SELECT FROM loyalty.purchase(pg_temp.id('eve'), 100, 'o4');
SELECT is(pg_temp.runs('eve'), 'near waiting, often waiting, promoted waiting', 'promoted');
SELECT FROM loyalty.refund(pg_temp.id('eve'), 'o1', 10, refund_ref => 'r1');
SELECT FROM loyalty.tag_add(pg_temp.id('fay'), 'vip');
SELECT FROM loyalty.tag_add(pg_temp.id('fay'), 'vip');
SELECT FROM loyalty.tag_remove(pg_temp.id('fay'), 'vip');
SELECT FROM loyalty.tag_add(pg_temp.id('fay'), 'other');
SELECT FROM loyalty.tag_add(pg_temp.id('fay'), 'regular');
SELECT FROM loyalty.segment_add(pg_temp.id('fay'), 'press');
SELECT FROM loyalty.segment_remove(pg_temp.id('fay'), 'press');
SELECT FROM loyalty.track(pg_temp.id('fay'), 'browse', 'sku', 'a');
SELECT FROM loyalty.track(pg_temp.id('fay'), 'browse', 'sku', 'b');
SELECT FROM loyalty.track(pg_temp.id('fay'), 'cart_updated');
SELECT is(pg_temp.runs('eve', 'refund'), 'waiting', 'a refund of a purchase');
SELECT is(pg_temp.runs('fay'), 'tagged waiting, untagged waiting, staged waiting, entered waiting, gone waiting, browsed waiting', 'tags, a stage, segments, activities');
SELECT is((SELECT trigger FROM loyalty.automation_run r JOIN loyalty.automation a USING (automation_id) WHERE a.name = 'browsed'),
	'{"activity": "browse", "target_kind": "sku", "target": "a"}'::jsonb, 'with the facts of what came first');
SELECT pg_temp.work();
SELECT is(pg_temp.tags('fay'), 'by_browsed by_entered by_gone by_staged by_tagged by_untagged other regular', 'each did its step');
CREATE VIEW public.everybody AS SELECT member_id FROM loyalty.identity WHERE value IN ('gus', 'hal', 'ida');
INSERT INTO loyalty.segment (program_id, name, source) VALUES (:shop, 'source', 'public.everybody');
UPDATE loyalty.automation SET trigger_name = 'source' WHERE name = 'entered';
SELECT is((SELECT n_entered FROM loyalty.segment_refresh('Shop', 'source')), 3::bigint, 'three enter a segment at once');
SELECT is((SELECT count(*) FROM loyalty.automation_run r JOIN loyalty.automation a USING (automation_id) WHERE a.name = 'entered' AND r.status = 'waiting'), 3::bigint, 'and three runs start');
SELECT is((SELECT accepted FROM loyalty.track_batch('Shop', ARRAY(SELECT row(pg_temp.id(v), NULL, 'browse', 'sku', 'x', NULL, NULL, NULL, NULL, NULL, NULL)::loyalty.activity_row FROM unnest('{gus,hal,gus}'::text[]) v))), 3::bigint, 'three activities');
SELECT is(pg_temp.runs('gus', 'browsed') || '; ' || pg_temp.runs('hal', 'browsed'), 'waiting; waiting', 'one run a day for each');
SELECT pg_temp.work();
CALL pg_temp.stop('refund', 'promoted', 'near', 'tagged', 'untagged', 'staged', 'often', 'entered', 'gone', 'browsed');

-- Many events at once
SELECT pg_temp.auto('{"name": "batch", "trigger_kind": "event", "trigger_name": "purchase", "once": "ever", "goal_event": "wish"}', '{"kind": "tag_add", "tag": "x"}');
SELECT is((SELECT done FROM loyalty.ingest_batch('Shop', ARRAY(SELECT row(n::text, pg_temp.id(v), NULL, NULL, 10, 'b' || n, NULL, NULL, NULL, NULL, NULL)::loyalty.ingest_row
	FROM unnest('{joe,kim,joe,lea}'::text[]) WITH ORDINALITY u (v, n)), 'test')), 4::bigint, 'a batch of four');
SELECT results_eq($$SELECT count(*), count(DISTINCT member_id) FROM loyalty.automation_run r JOIN loyalty.automation a USING (automation_id) WHERE a.name = 'batch'$$, $$VALUES (3::bigint, 3::bigint)$$, 'three runs: once for each');
CALL pg_temp.stop('batch');
SELECT is(pg_temp.runs('joe'), 'batch cancelled ended', 'ended: what waits is cancelled');

-- Late
SELECT pg_temp.auto('{"name": "late", "trigger_kind": "event", "trigger_name": "purchase", "late_days": 2}', '{"kind": "tag_add", "tag": "x"}');
SELECT FROM loyalty.purchase(pg_temp.id('kim'), 10, 'l1', at => '2026-03-12 15:59+00');
SELECT FROM loyalty.purchase(pg_temp.id('lea'), 10, 'l1', at => '2026-03-12 16:00+00');
SELECT is(pg_temp.runs('kim', 'late') || '; ' || pg_temp.runs('lea', 'late'), 'none; waiting', 'three local days ago is too long, two are not');
SET loyalty.now = '2026-03-15 16:00+00';
SELECT pg_temp.work();
SELECT is(pg_temp.runs('lea', 'late'), 'skipped late', 'and nobody has worked it off in time');
SET loyalty.now = '2026-03-15 12:00+00';
CALL pg_temp.stop('late');

-- Once in a period; a period whose only run was skipped is free
SELECT pg_temp.auto('{"name": "weekly", "trigger_kind": "event", "trigger_name": "wish", "once": "week", "condition": "$.event.amount > 5", "gap_days": 10}', '{"kind": "tag_add", "tag": "x"}');
SELECT FROM loyalty.record(pg_temp.id('max'), 'wish', 1, 'w1');
SELECT pg_temp.work();
SELECT FROM loyalty.record(pg_temp.id('max'), 'wish', 9, 'w2');
SELECT pg_temp.work();
SELECT FROM loyalty.record(pg_temp.id('max'), 'wish', 9, 'w3');
SELECT is(pg_temp.runs('max', 'weekly'), 'skipped condition, done', 'the first was not wanted, the second was, the third is of the same week');
SELECT results_eq($$SELECT occurrence ~ '^w2026-03-09#\d+$', status FROM loyalty.automation_run WHERE member_id = pg_temp.id('max') AND status = 'skipped'$$, $$VALUES (true, 'skipped')$$, 'Sunday the 15th belongs to the week of the 9th');
SET loyalty.now = '2026-03-24 12:00+00';
SELECT FROM loyalty.record(pg_temp.id('max'), 'wish', 9, 'w4');
SELECT pg_temp.work();
SET loyalty.now = '2026-03-25 12:00+00';
SELECT FROM loyalty.record(pg_temp.id('max'), 'wish', 9, 'w5');
SELECT pg_temp.work();
SELECT is(pg_temp.runs('max', 'weekly'), 'skipped condition, done, skipped gap, done', 'nine days are too few, ten are not');
SET loyalty.now = '2026-03-15 12:00+00';
CALL pg_temp.stop('weekly');

-- Delay, restart, goal
SELECT pg_temp.auto('{"name": "cart", "trigger_kind": "activity", "trigger_name": "cart_updated", "delay": "2 hours", "restarts": true, "goal_event": "purchase", "goal_days": 3}', '{"kind": "tag_add", "tag": "cart"}');
SELECT FROM loyalty.track(pg_temp.id('ned'), 'cart_updated', 'sku', 'a');
SET loyalty.now = '2026-03-15 13:00+00';
SELECT FROM loyalty.track(pg_temp.id('ned'), 'cart_updated', 'sku', 'b');
SELECT FROM loyalty.track(pg_temp.id('oda'), 'cart_updated', 'sku', 'c');
SET loyalty.now = '2026-03-15 14:30+00';
SELECT is(pg_temp.work(), 0, 'it begins anew with each change');
SELECT FROM loyalty.purchase(pg_temp.id('oda'), 10, 'o1');
SELECT is(pg_temp.runs('oda', 'cart'), 'exited goal', 'who buys is not reminded');
SET loyalty.now = '2026-03-15 15:00+00';
SELECT is(pg_temp.work(), 1, 'two hours after the last');
SELECT is(pg_temp.runs('ned', 'cart') || ' ' || pg_temp.tags('ned'), 'done cart', 'one run');
SELECT FROM loyalty.purchase(pg_temp.id('ned'), 10, 'o0', at => '2026-03-15 12:59+00');
SELECT is((SELECT goal_at FROM loyalty.automation_run WHERE member_id = pg_temp.id('ned')), NULL, 'what happened before is no goal');
SELECT FROM loyalty.purchase(pg_temp.id('ned'), 10, 'o1');
SELECT is((SELECT goal_at FROM loyalty.automation_run WHERE member_id = pg_temp.id('ned')), '2026-03-15 15:00+00', 'bought after the reminder');
SELECT FROM loyalty.track(pg_temp.id('ned'), 'cart_updated', 'sku', 'd');
SELECT is(pg_temp.runs('ned', 'cart'), 'done, waiting', 'another cart');
SET loyalty.now = '2026-03-15 12:00+00';
CALL pg_temp.stop('cart');

-- Wait, check, otherwise; days of the calendar
SELECT pg_temp.auto('{"name": "path", "trigger_kind": "event", "trigger_name": "wish"}', '{"kind": "wait", "wait": "3 days"}', '{"kind": "check", "condition": "$.purchases.days_30.times > 0", "otherwise": 4}',
	'{"kind": "tag_add", "tag": "bought"}', '{"kind": "check", "condition": "!($.member.tags[*] == \"bought\")"}', '{"kind": "tag_add", "tag": "not_bought"}');
SELECT FROM loyalty.record(pg_temp.id('pam'), 'wish');
SELECT FROM loyalty.record(pg_temp.id('ron'), 'wish');
SELECT FROM loyalty.purchase(pg_temp.id('ron'), 10, 'o1');
SELECT is(pg_temp.work(), 2, 'both wait');
SELECT results_eq($$SELECT status, position, due_at FROM loyalty.automation_run WHERE member_id = pg_temp.id('pam')$$, $$VALUES ('waiting', 1, timestamptz '2026-03-18 12:00+00')$$, 'for three days');
SET loyalty.now = '2026-03-18 12:00+00';
SELECT is(pg_temp.work(), 2, 'both go on');
SELECT is(pg_temp.runs('pam') || ' ' || pg_temp.tags('pam'), 'path done not_bought', 'who has not bought');
SELECT is(pg_temp.runs('ron') || ' ' || pg_temp.tags('ron'), 'path exited check bought', 'and who has');
SET loyalty.now = '2026-03-15 12:00+00';

-- Pause, resume
SELECT FROM loyalty.record(pg_temp.id('sue'), 'wish', ref => 'w1');
SELECT FROM loyalty.automation_pause('Shop', 'path');
SELECT FROM loyalty.record(pg_temp.id('sue'), 'wish', ref => 'w2');
SELECT is(pg_temp.work(), 1, 'looked at');
SELECT is(pg_temp.runs('sue'), 'path waiting paused', 'paused: nothing starts, and what waits goes on waiting');
SELECT is((SELECT loyalty.automation_resume('Shop', 'path')), 1::bigint, 'one goes on');
SELECT pg_temp.work();
SELECT results_eq($$SELECT status, reason, position FROM loyalty.automation_run WHERE member_id = pg_temp.id('sue')$$, $$VALUES ('waiting', NULL, 1)$$, 'it does');
SELECT is(pg_temp.raised($$SELECT loyalty.automation_start('Shop', 'cart')$$), 'LY452 automation=cart status=ended', 'what has ended does not start again');
SELECT is(pg_temp.raised($$SELECT loyalty.automation_pause('Shop', 'nothing')$$), 'LY450 automation=nothing', 'unknown');
SELECT is(pg_temp.raised($$SELECT loyalty.automation_end('Nowhere', 'cart')$$), 'LY403 program=Nowhere', 'unknown programme');
CALL pg_temp.stop('path');

-- Members who have left
SELECT pg_temp.auto('{"name": "later", "trigger_kind": "event", "trigger_name": "wish", "delay": "1 day"}', '{"kind": "tag_add", "tag": "later"}');
SELECT FROM loyalty.record(pg_temp.id('tim'), 'wish');
SELECT FROM loyalty.record(pg_temp.id('uma'), 'wish');
SELECT FROM loyalty.member_close(pg_temp.id('tim'), 'left', key => 'k1');
SELECT FROM loyalty.member_freeze(pg_temp.id('uma'), 'why', key => 'k1');
SET loyalty.now = '2026-03-16 12:00+00';
SELECT pg_temp.work();
SELECT is(pg_temp.runs('tim') || '; ' || pg_temp.runs('uma'), 'later skipped member_closed; later done', 'closed: nothing more; frozen: as usual');
SET loyalty.now = '2026-03-15 12:00+00';
CALL pg_temp.stop('later');

-- What fails is tried again, and holds up nobody
SELECT pg_temp.auto('{"name": "fails", "trigger_kind": "event", "trigger_name": "wish"}', '{"kind": "tag_add", "tag": "half"}', '{"kind": "coupon", "coupon": "ten"}');
SELECT pg_temp.auto('{"name": "works", "trigger_kind": "event", "trigger_name": "wish"}', '{"kind": "tag_add", "tag": "works"}');
CALL pg_temp.enroll('Shop', 'f1', 'f2');
SELECT FROM loyalty.record(pg_temp.id('f1'), 'wish');
SELECT is(pg_temp.work(), 2, 'both were looked at');
SELECT is(pg_temp.runs('f1') || ' ' || pg_temp.tags('f1'), 'fails waiting, works done works', 'the one that fails has done nothing');
SELECT results_eq($$SELECT due_at, log #> '{0,error}', log #> '{0,reason}' FROM loyalty.automation_run WHERE member_id = pg_temp.id('f1') AND status = 'waiting'$$, $$VALUES (timestamptz '2026-03-15 12:01+00', '"LY206"'::jsonb, '"disabled"'::jsonb)$$, 'again in a minute');
SET loyalty.now = '2026-03-15 12:01+00';
SELECT pg_temp.work();
SELECT is((SELECT due_at FROM loyalty.automation_run WHERE member_id = pg_temp.id('f1') AND status = 'waiting'), '2026-03-15 12:03+00', 'then in two');
UPDATE loyalty.coupon SET status = 'active' WHERE name = 'ten';
SET loyalty.now = '2026-03-15 12:03+00';
SELECT pg_temp.work();
SELECT is(pg_temp.runs('f1', 'fails') || ' ' || pg_temp.tags('f1'), 'done half works', 'once it can be done it is');
UPDATE loyalty.coupon SET status = 'inactive' WHERE name = 'ten';
SELECT FROM loyalty.record(pg_temp.id('f2'), 'wish');
DO $$BEGIN
	FOR n IN 0..10 LOOP
		PERFORM set_config('loyalty.now', (timestamptz '2026-03-15 12:03+00' + (power(2, n) - 1) * interval '1 minute')::text, false);
		PERFORM pg_temp.work();
	END LOOP;
END$$;
SELECT results_eq($$SELECT r.status, r.reason, jsonb_array_length(r.log) FROM loyalty.automation_run r JOIN loyalty.automation a USING (automation_id) WHERE a.name = 'fails' AND member_id = pg_temp.id('f2')$$,
	$$VALUES ('failed', 'LY206', 8)$$, 'after eight attempts it is given up');
SELECT m.run_id AS failed FROM loyalty.automation_run m WHERE m.member_id = pg_temp.id('f2') AND m.status = 'failed' \gset
SELECT is(loyalty.automation_run_retry(pg_temp.id('f2'), :failed), true, 'and tried again');
SELECT is(loyalty.automation_run_retry(pg_temp.id('f2'), :failed), false, 'once');
SELECT pg_temp.work();
SELECT results_eq(format('SELECT status, reason, due_at - loyalty.now(), jsonb_array_length(log) FROM loyalty.automation_run WHERE run_id = %s', :failed),
	$$VALUES ('waiting', NULL, interval '1 minute', 10)$$, 'its failures are counted anew');
UPDATE loyalty.coupon SET status = 'active' WHERE name = 'ten';
SELECT set_config('loyalty.now', (loyalty.now() + interval '1 minute')::text, false) \g /dev/null
SELECT pg_temp.work();
SELECT is(pg_temp.runs('f2', 'fails') || ' ' || pg_temp.tags('f2'), 'done half works', 'it gives what it should have');
SELECT throws_ok(format('SELECT loyalty.automation_run_retry(%s, 1)', pg_temp.id('f2')), 'LY451', NULL, 'not what there is not');
SELECT throws_ok('SELECT loyalty.automation_run_retry(NULL, 1)', '22004', NULL, 'nor nobody''s');
UPDATE loyalty.coupon SET status = 'inactive' WHERE name = 'ten';
SELECT pg_temp.auto('{"name": "sold", "trigger_kind": "event", "trigger_name": "purchase"}', '{"kind": "coupon", "coupon": "ten"}');
CALL pg_temp.enroll('Shop', 'f3');
SELECT FROM loyalty.purchase(pg_temp.id('f3'), 10, 'failed-order');
DO $$DECLARE began timestamptz := loyalty.now(); BEGIN
	FOR n IN 0..8 LOOP
		PERFORM set_config('loyalty.now', (began + (power(2, n) - 1) * interval '1 minute')::text, false);
		PERFORM pg_temp.work();
	END LOOP;
END$$;
SELECT is(pg_temp.runs('f3', 'sold'), 'failed LY206', 'one that an order started fails');
SELECT FROM loyalty.refund(pg_temp.id('f3'), 'failed-order');
SELECT pg_temp.work();
SELECT is(pg_temp.runs('f3', 'sold') || ' ' || (SELECT loyalty.automation_run_retry(member_id, run_id) FROM loyalty.automation_run WHERE member_id = pg_temp.id('f3') AND reason = 'refunded'),
	'undone refunded false', 'when the order is refunded it cannot be tried again');
CALL pg_temp.stop('sold');
SET loyalty.now = '2026-03-15 12:00+00';
CALL pg_temp.stop('fails', 'works');

-- Segment, campaign, holdout
INSERT INTO loyalty.campaign (program_id, name, starts_at) VALUES (:shop, 'spring', '2026-01-01') RETURNING campaign_id AS spring \gset
SELECT pg_temp.auto(jsonb_build_object('name', 'whom', 'trigger_kind', 'event', 'trigger_name', 'wish', 'segment', 'press', 'campaign_id', :spring), '{"kind": "tag_add", "tag": "whom"}');
CALL pg_temp.enroll('Shop', 's1');
SELECT FROM loyalty.record(pg_temp.id('s1'), 'wish', ref => 'w1');
SELECT pg_temp.work();
SELECT loyalty.campaign_start('Shop', 'spring');
SELECT FROM loyalty.record(pg_temp.id('s1'), 'wish', ref => 'w2');
SELECT pg_temp.work();
SELECT FROM loyalty.segment_add(pg_temp.id('s1'), 'press');
SELECT FROM loyalty.record(pg_temp.id('s1'), 'wish', ref => 'w3');
SELECT pg_temp.work();
SELECT is(pg_temp.runs('s1', 'whom'), 'skipped campaign_not_running, skipped segment, done', 'campaign, segment');
CALL pg_temp.stop('whom');
SELECT count(loyalty.enroll('Shop', jsonb_build_object('customer_no', 'h' || n))) FROM generate_series(1, 400) n;
SELECT pg_temp.auto('{"name": "half", "trigger_kind": "event", "trigger_name": "wish", "holdout": 50, "goal_event": "purchase", "condition": "$.event.amount > 1"}', '{"kind": "tag_add", "tag": "half"}');
SELECT count(r) FROM generate_series(1, 400) n, loyalty.record(pg_temp.id('h' || n), 'wish', CASE WHEN n <= 300 THEN 9 ELSE 1 END, ref => 'w1') r;
SELECT pg_temp.work();
SELECT is((SELECT count(*) FROM loyalty.automation_run r JOIN loyalty.automation a USING (automation_id) WHERE a.name = 'half' AND r.status = 'skipped'), 100::bigint, 'who is not meant is not held out');
SELECT ok((SELECT count(*) FILTER (WHERE r.status = 'held_out') BETWEEN 110 AND 190 FROM loyalty.automation_run r JOIN loyalty.automation a USING (automation_id) WHERE a.name = 'half'), 'about half of the 300 are (110 to 190: more than 4.6 sigma)');
SELECT count(r) FROM loyalty.automation_run x JOIN loyalty.automation a USING (automation_id), loyalty.purchase(x.member_id, 10, 'o1') r WHERE a.name = 'half' AND x.status = 'held_out';
SELECT results_eq($$SELECT runs, skipped, done + held_out, treated = done, treated_goals, held_out_goals = held_out, held_out_share FROM loyalty.report_automation WHERE automation = 'half'$$,
	$$VALUES (400::bigint, 100::bigint, 300::bigint, true, 0::bigint, true, 1.0000)$$, 'goals are counted in the holdout and out of it');
SELECT is((SELECT string_agg(DISTINCT t.outcome, ' ') FROM loyalty.automation_run r JOIN loyalty.automation a USING (automation_id),
	loyalty.automation_test(r.member_id, 'half', journal_id => r.journal_id) t WHERE a.name = 'half' AND r.status = 'held_out' AND t.step_position = 0), 'held_out', 'and it is always the same members');
CALL pg_temp.stop('half');

-- Trying it out
SELECT pg_temp.auto('{"name": "draft", "status": "draft", "trigger_kind": "event", "trigger_name": "purchase", "condition": "$.member.purchases >= 1", "holdout": 10}',
	'{"kind": "award", "unit": "points", "amount": 5}', '{"kind": "wait", "wait": "1 day"}', '{"kind": "coupon", "coupon": "ten"}', '{"kind": "message", "channel": "sms", "template": "hello"}');
SELECT pg_temp.state() AS before \gset
SELECT results_eq($$SELECT step_position, kind, outcome FROM loyalty.automation_test(pg_temp.id('ron'), 'draft')$$,
	$$VALUES (0, 'start', 'started'), (1, 'award', 'dry'), (2, 'wait', 'would be done'), (3, 'coupon', 'disabled'), (4, 'message', 'would be done')$$, 'what it would do');
SELECT results_eq($$SELECT outcome FROM loyalty.automation_test(pg_temp.id('pam'), 'draft')$$, $$VALUES ('condition')$$, 'or why not');
SELECT results_eq($$SELECT members, reached + held_out FROM loyalty.automation_audience('Shop', 'draft')$$,
	$$SELECT count(*) FILTER (WHERE status <> 'closed'), count(*) FILTER (WHERE purchases >= 1 AND status <> 'closed') FROM loyalty.account WHERE program_id = (SELECT program_id FROM loyalty.program WHERE name = 'Shop')$$, 'the audience');
SELECT is(pg_temp.state(), :'before', 'nothing was written');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.automation_test(pg_temp.id('ron'), 'nothing')$$), 'LY450 automation=nothing', 'unknown');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.automation_test(0, 'draft')$$), 'LY501 member_id=0', 'nobody');
SELECT throws_ok(format('SELECT * FROM loyalty.%s', call), '22004', NULL, call) FROM unnest('{"automation_run_due(NULL)", "automation_test(NULL, ''draft'')", "automation_test(1, NULL)", "automation_audience(NULL, ''x'')", "automation_explain(NULL, 1)", "automation_start(NULL, ''x'')", "automation_end(''Shop'', NULL)"}'::text[]) call;
SELECT throws_ok('SELECT * FROM loyalty.automation_run_due(0)', '22023', NULL, 'a batch of none');

-- What cannot be saved
SELECT throws_ok(format('INSERT INTO loyalty.automation (program_id, name, trigger_kind, %s) VALUES (%s, ''bad'', %s)', columns, :shop, vals), code, NULL, columns || ' ' || vals)
FROM (VALUES
	('status', $$'lunch', 'draft'$$, '23514'), ('trigger_name', $$'event', 'nothing'$$, '23503'), ('trigger_name', $$'activity', 'nothing'$$, '23503'),
	('trigger_name', $$'stage', 'often'$$, '23503'), ('trigger_name', $$'segment_left', 'x'$$, '23503'), ('trigger_name', $$'tier', 'eaten'$$, 'LY801'), ('trigger_name', $$'near_tier', 'gold'$$, 'LY801'),
	('trigger_name, days', $$'date', 'easter', 1$$, 'LY801'), ('days', $$'silent', 3$$, 'LY801'), ('trigger_name, days', $$'silent', 'purchase', 0$$, 'LY801'), ('trigger_name', $$'points_expiring', 'points'$$, 'LY801'),
	('trigger_name, days', $$'points_expiring', 'spend', 3$$, '23503'), ('days', $$'event', 3$$, 'LY801'), ('days, min_amount', $$'points_expiring', 3, 5$$, 'LY801'), ('trigger_name, days, min_amount', $$'points_expiring', 'points', 3, 0.5$$, 'LY801'),
	('days', $$'coupon_expiring', -1$$, 'LY801'), ('lead', $$'event', '1 hour'$$, 'LY801'), ('title', $$'hold_expiring', 'x'$$, 'LY801'), ('title', $$'schedule', 'x'$$, 'LY801'), ('trigger_name', $$'announcement', 'x'$$, 'LY801'),
	('percent', $$'near_tier', 10.25$$, 'LY801'), ('holdout', $$'event', 10.125$$, 'LY801'), ('holdout', $$'event', 'NaN'$$, '23514'), ('restarts', $$'event', true$$, 'LY801'), ('restarts, trigger_name, delay', $$'date', true, 'birthday', '1 day'$$, 'LY801'),
	('yearly', $$'event', true$$, 'LY801'), ('condition', $$'event', '$.event.amount'$$, 'LY801'), ('condition', $$'event', '$.event.colour == 1'$$, 'LY801'), ('condition', $$'event', '$.orders > 1'$$, 'LY801'), ('condition', $$'event', 'exists($.**.x)'$$, 'LY805'),
	('goal_event', $$'event', 'nothing'$$, '23503'), ('goal_days', $$'event', 3$$, 'LY801'), ('segment', $$'event', 'nothing'$$, '23503'), ('campaign_id', $$'event', 99$$, '23503'), ('on_date', $$'tier', '2026-01-01'$$, 'LY801')) v (columns, vals, code);
SELECT throws_ok(format('INSERT INTO loyalty.automation_step (automation_id, program_id, position, kind, %s) SELECT automation_id, program_id, 9, %s FROM loyalty.automation WHERE name = ''draft''', columns, vals), code, NULL, columns || ' ' || vals)
FROM (VALUES
	('tag', $$'sing', 'x'$$, '23514'), ('amount', $$'award', 5$$, 'LY801'), ('unit_id', $$'award', 1$$, 'LY801'), ('unit_id, amount', $$'award', 9999, 5$$, '23503'), ('unit_id, amount', $$'award', (SELECT unit_id FROM loyalty.unit u WHERE u.program_id = automation.program_id AND code = 'points'), 0.5$$, 'LY801'),
	('undo', $$'coupon', true$$, 'LY801'), ('coupon, pack', $$'coupon', 'five', 'x'$$, NULL), ('coupon', $$'coupon', 'nothing'$$, '23503'), ('coupon, tag', $$'coupon', 'five', 'x'$$, 'LY801'), ('tag', $$'tag_add', 'often'$$, 'LY801'), ('tag', $$'tag_add', 'Not A Tag'$$, '23514'),
	('valid_days, tag', $$'tag_remove', 3, 'x'$$, 'LY801'), ('channel', $$'message', 'sms'$$, 'LY801'), ('channel, template', $$'message', 'pigeon', 'x'$$, '23503'), ('params, channel, template', $$'message', '[]', 'sms', 'x'$$, '23514'), ('wait', $$'wait', '0'$$, '23514'), ('undo', $$'wait', true$$, 'LY801'),
	('undo', $$'check', true$$, 'LY801'), ('condition, otherwise', $$'check', '$.now.month == 3', 9$$, 'LY801'), ('condition, otherwise', $$'check', '$.now.month == 3', 4$$, 'LY801'), ('condition', $$'check', '$.now.month'$$, 'LY801')) v (columns, vals, code);
SELECT pg_temp.auto('{"name": "empty", "status": "draft", "trigger_kind": "announcement"}', VARIADIC '{}');
SELECT is(pg_temp.raised($$SELECT loyalty.automation_start('Shop', 'empty')$$), 'LY452 automation=empty has no step', 'without a step nothing can start');
SELECT lives_ok($$UPDATE loyalty.automation SET condition = '$.event.items[*].sku == "a" && $.event.data.x.y == 2 && $.trigger.target == "a" && $.member.tags[*] == "vip"' WHERE name = 'empty'$$, 'a condition on all that the document has');
SELECT throws_ok(sql, '23503', NULL, sql) FROM unnest(ARRAY[$$DELETE FROM loyalty.automation WHERE name = 'thanks'$$, $$UPDATE loyalty.automation SET automation_id = 999 WHERE name = 'thanks'$$,
	$$DELETE FROM loyalty.segment WHERE name = 'source'$$, $$DELETE FROM loyalty.campaign WHERE name = 'spring'$$, $$DELETE FROM loyalty.program_event WHERE event = 'wish'$$]) sql;
SELECT lives_ok($$DELETE FROM loyalty.automation WHERE name = 'empty'$$, 'one that nobody has used can go');

-- What is named before the programme has anything of the kind is asked for again when it starts
SELECT FROM loyalty.program_create('Bare', 'EUR', 'UTC');
INSERT INTO loyalty.automation (program_id, name, trigger_kind, trigger_name, percent, segment)
SELECT program_id, 'early', 'near_tier', 'gold', 10, 'best' FROM loyalty.program WHERE name = 'Bare';
INSERT INTO loyalty.automation_step (automation_id, program_id, position, kind, channel, template, coupon, pack)
SELECT a.automation_id, a.program_id, v.* FROM loyalty.automation a,
	(VALUES (1, 'message', 'sms', 'x', NULL, NULL), (2, 'coupon', NULL, NULL, 'ten', NULL), (3, 'coupon', NULL, NULL, NULL, 'many')) v WHERE a.name = 'early';
SELECT is(pg_temp.raised($$SELECT loyalty.automation_start('Bare', 'early')$$), 'LY452 automation=early channel=sms does not exist', 'no channel');
SELECT is(pg_temp.raised($$UPDATE loyalty.automation SET status = 'live' WHERE name = 'early'$$), 'LY452 automation=early channel=sms does not exist', 'nor by hand');
SELECT FROM loyalty.message_channels('Bare');
SELECT is(pg_temp.raised($$SELECT loyalty.automation_start('Bare', 'early')$$), 'LY452 automation=early coupon=ten does not exist', 'no coupon');
INSERT INTO loyalty.coupon (program_id, name, kind, amount) SELECT program_id, 'ten', 'amount', 10 FROM loyalty.program WHERE name = 'Bare';
SELECT is(pg_temp.raised($$SELECT loyalty.automation_start('Bare', 'early')$$), 'LY452 automation=early pack=many does not exist', 'no pack');
INSERT INTO loyalty.coupon_pack (program_id, name, coupon_id) SELECT program_id, 'many', coupon_id FROM loyalty.coupon JOIN loyalty.program USING (program_id) WHERE program.name = 'Bare';
SELECT is(pg_temp.raised($$SELECT loyalty.automation_start('Bare', 'early')$$), 'LY452 automation=early trigger_name=gold does not exist', 'no tier');
UPDATE loyalty.automation SET trigger_kind = 'announcement', trigger_name = NULL, percent = NULL WHERE name = 'early';
SELECT is(pg_temp.raised($$SELECT loyalty.automation_start('Bare', 'early')$$), 'LY452 automation=early segment=best does not exist', 'no segment');
UPDATE loyalty.automation SET trigger_kind = 'schedule', calendar = 'holidays', segment = NULL WHERE name = 'early';
SELECT is(pg_temp.raised($$SELECT loyalty.automation_start('Bare', 'early')$$), 'LY452 automation=early calendar=holidays does not exist', 'no calendar');
UPDATE loyalty.automation SET on_date = '2026-05-01', calendar = NULL WHERE name = 'early';
SELECT is(pg_temp.raised($$SELECT loyalty.automation_pause('Bare', 'early')$$), 'LY452 automation=early status=draft', 'a draft cannot pause');
SELECT lives_ok($$SELECT loyalty.automation_start('Bare', 'early')$$, 'all is there');

-- A message that is held back for longer than valid_days is not sent
SELECT pg_temp.auto('{"name": "brief", "trigger_kind": "event", "trigger_name": "signup", "purpose": "service"}',
	VARIADIC ARRAY['{"kind": "message", "channel": "sms", "template": "brief", "valid_days": 2}', '{"kind": "message", "channel": "sms", "template": "lasting"}']::jsonb[]);
SET loyalty.now = '2026-10-24 12:00+00';
SELECT FROM loyalty.enroll('Shop', '{"customer_no": "brief"}');
SELECT FROM loyalty.automation_run_due();
SELECT results_eq($$SELECT template, expires_at FROM loyalty.message WHERE template IN ('brief', 'lasting') ORDER BY 1$$,
	$$VALUES ('brief', timestamptz '2026-10-26 12:00+00'), ('lasting', NULL)$$, 'valid_days of a message');

-- However many wait, each is read from the index of what is due as often as it is found there, not once for each other
SELECT pg_temp.auto('{"name": "crowd", "trigger_kind": "announcement"}', '{"kind": "message", "channel": "sms", "template": "news"}') AS crowd \gset
INSERT INTO loyalty.automation_run (member_id, run_id, program_id, automation_id, occurrence, triggered_at, due_at)
SELECT a.member_id, loyalty.next_id(), :shop, :crowd, n, loyalty.now(), loyalty.now() FROM loyalty.account a, generate_series(1, 20) n WHERE a.program_id = :shop AND a.status = 'active';
SELECT count(*) AS crowd FROM loyalty.automation_run WHERE automation_id = :crowd \gset
SELECT pg_temp.auto('{"name": "again", "trigger_kind": "event", "trigger_name": "wish", "delay": "2 days", "restarts": true}', '{"kind": "tag_add", "tag": "again"}');
CALL pg_temp.enroll('Shop', 'again');
SELECT FROM loyalty.record(pg_temp.id('again'), 'wish', ref => 'a1');
SELECT pg_stat_get_xact_tuples_returned('loyalty.automation_run'::regclass) + pg_stat_get_xact_tuples_returned('loyalty.automation_run_due_at_idx'::regclass)
	+ pg_stat_get_xact_tuples_returned('loyalty.automation_run_automation_id_idx'::regclass) AS read \gset
SELECT FROM loyalty.record(pg_temp.id('again'), 'wish', ref => 'a2');
SELECT cmp_ok(pg_stat_get_xact_tuples_returned('loyalty.automation_run'::regclass) + pg_stat_get_xact_tuples_returned('loyalty.automation_run_due_at_idx'::regclass)
	+ pg_stat_get_xact_tuples_returned('loyalty.automation_run_automation_id_idx'::regclass) - :read, '<=', 100::bigint, 'who begins anew is found by the member, not among all that wait');
SELECT is((SELECT count(*) || ' ' || max(r.trigger ->> 'ref') FROM loyalty.automation_run r JOIN loyalty.automation a USING (automation_id) WHERE a.name = 'again'), '1 a2', 'and begins anew');
CALL pg_temp.stop('again');
SELECT pg_stat_get_xact_tuples_returned('loyalty.automation_run_due_at_idx'::regclass) AS before \gset
SELECT is(pg_temp.work(), least(1000, :crowd), 'a crowd is worked off');
SELECT cmp_ok(pg_stat_get_xact_tuples_returned('loyalty.automation_run_due_at_idx'::regclass) - :before, '<=', 2 * :crowd::bigint, 'and read once');

-- What an automation cannot be without
SELECT pg_temp.auto('{"name": "needs", "trigger_kind": "activity", "trigger_name": "browse"}', '{"kind": "tag_add", "tag": "browsed"}', '{"kind": "tag_add", "tag": "browsed_too"}') AS needs \gset
SELECT throws_ok($$DELETE FROM loyalty.activity_kind WHERE kind = 'browse'$$, '23503', NULL, 'a kind of activity that starts one');
SELECT throws_ok($$UPDATE loyalty.activity_kind SET kind = 'look' WHERE kind = 'browse'$$, '23503', NULL, 'under its name');
SET CONSTRAINTS loyalty.automation_step_needed IMMEDIATE;
SELECT lives_ok(format('DELETE FROM loyalty.automation_step WHERE automation_id = %s AND position = 1', :needs), 'one of two steps may go');
SELECT throws_ok(format('DELETE FROM loyalty.automation_step WHERE automation_id = %s', :needs), 'LY452', NULL, 'not the last, of one that is live');
SET CONSTRAINTS loyalty.automation_step_needed DEFERRED;
SELECT lives_ok(format($$WITH old AS (DELETE FROM loyalty.automation_step WHERE automation_id = %1$s RETURNING *)
	INSERT INTO loyalty.automation_step (automation_id, position, program_id, kind, tag) SELECT automation_id, 7, program_id, kind, tag FROM old; SET CONSTRAINTS loyalty.automation_step_needed IMMEDIATE$$, :needs), 'but be exchanged in a transaction');
UPDATE loyalty.automation SET status = 'ended' WHERE automation_id = :needs;
SELECT lives_ok(format('DELETE FROM loyalty.automation_step WHERE automation_id = %s', :needs), 'and go when it has ended');

-- who inserts runs by hand has to say so
SELECT FROM loyalty.report_rebuild('Shop');
SELECT is_empty($$SELECT * FROM loyalty.verify()$$, 'verify()');
SELECT * FROM finish();
ROLLBACK;
