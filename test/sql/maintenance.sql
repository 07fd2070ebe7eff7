\set ECHO none
\i test/prelude.sql
SELECT plan(123);

-- 'hold 0 f' ...: what a batch of a job came to
CREATE FUNCTION pg_temp.batch(job text, batch int DEFAULT 500) RETURNS text LANGUAGE sql AS $$
	SELECT format('%s %s', done, left_over) FROM loyalty.maintain_batch(job, batch)
$$;
-- 'expire 2026-06-02 00:00, ...' in the programme's time
CREATE FUNCTION pg_temp.posted(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(concat_ws(' ', j.kind, to_char(j.effective_at AT TIME ZONE p.time_zone, 'YYYY-MM-DD HH24:MI')), ', ' ORDER BY j.journal_id), 'nothing')
	FROM loyalty.journal j JOIN loyalty.program p USING (program_id)
	WHERE j.member_id = pg_temp.id($1) AND j.kind IN ('vest', 'time_out', 'tier_review', 'expire')
$$;
CREATE FUNCTION pg_temp.status(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT format('%s left since %s, %s errors, %s faults', backlog, coalesce(lag::text, 'never'), errors, faults)
	FROM loyalty.maintenance_status WHERE job = name
$$;
CREATE FUNCTION pg_temp.due(name text) RETURNS date LANGUAGE sql STABLE AS $$
	SELECT due_on FROM loyalty.account WHERE member_id = pg_temp.id(name)
$$;

-- Arguments
SELECT is(pg_temp.signature('maintain_batch'), '(job text, batch integer DEFAULT 500, OUT done integer, OUT left_over boolean) -> record', 'maintain_batch(): arguments');
SELECT is(pg_temp.signature(job || '_maintain'), '(batch integer DEFAULT 500, OUT done integer, OUT left_over boolean) -> record', job || '_maintain(): arguments')
FROM unnest('{hold,account,tag,activity}'::text[]) job;
SELECT is((SELECT pg_get_function_arguments('loyalty.maintain'::regproc)), 'IN budget interval DEFAULT ''00:01:00''::interval, IN batch integer DEFAULT 500', 'maintain(): arguments');
SELECT throws_ok(format('CALL loyalty.maintain(%s)', arguments), code, NULL, format('maintain(%s): refused', arguments))
FROM (VALUES ('NULL', '22004'), ('''0''', '22023'), ('''-1 second''', '22023'), ('''1 day -25 hours''', '22023'), ('''367 days''', '22023'), ('''178000000 years''', '22023'),
	('''1 minute'', NULL', '22004'), ('''1 minute'', 0', '22023'), ('''1 minute'', -1', '22023'), ('''1 minute'', 10001', '22023')) a (arguments, code);
SELECT throws_ok(format('SELECT loyalty.maintain_batch(%s)', arguments), code, NULL, format('maintain_batch(%s): refused', arguments))
FROM (VALUES ('NULL', '22004'), ('''''', '22023'), ('''Account''', '22023'), ('repeat(''x'', 100000)', '22023'), ('''account'', NULL', '22004'), ('''account'', 0', '22023'), ('''account'', 10001', '22023')) a (arguments, code);
SELECT throws_ok(format('SELECT loyalty.%s_maintain(NULL)', job), '22004', NULL, job || '_maintain(): no batch') FROM unnest('{hold,account,tag,activity}'::text[]) job;

-- Nothing is there
SELECT results_eq($$SELECT job, started_at, finished_at, done, backlog, lag, errors, failed_at, error, faults FROM loyalty.maintenance_status$$,
	$$SELECT job, NULL::timestamptz, NULL::timestamptz, 0::bigint, CASE WHEN job NOT IN ('schedule', 'activity') THEN 0::bigint END, NULL::interval, 0::bigint, NULL::timestamptz, NULL::text, 0::bigint
	  FROM unnest('{hold,account,tag,scan,schedule,broadcast,run,message,activity,report,period}'::text[]) job$$, 'the jobs, before the first call');
CALL loyalty.maintain();
SELECT is((SELECT string_agg(DISTINCT format('%s %s %s %s', started_at, finished_at, done, errors), ', ') FROM loyalty.maintenance_status),
	'2026-03-15 12:00:00+00 2026-03-15 12:00:00+00 0 0', 'where nothing is to do each job has its turn');

-- Two programmes, in two zones. What is earned on 03-15 vests on 03-22, and is good to the end of March 2027.
SELECT loyalty.program_create('Shanghai', 'CNY', 'Asia/Shanghai', vest_days => 7) AS shanghai, loyalty.program_create('Paris', 'EUR', 'Europe/Paris', vest_days => 7) AS paris \gset
CALL pg_temp.enroll('Shanghai', 'ann', 'bob', 'cat');
CALL pg_temp.enroll('Paris', 'dan', 'eve');
SELECT FROM unnest('{ann,bob,dan}'::text[]) name, loyalty.purchase(pg_temp.id(name), 100, 'o1');
SELECT is(pg_temp.batch(job), '0 f', 'nothing is due: ' || job) FROM loyalty.maintenance_status WHERE job <> 'report';
SET loyalty.now = '2026-03-21 15:59:59+00';
SELECT is(pg_temp.batch('account'), '0 f', 'a second before midnight in Shanghai nothing is due');
SET loyalty.now = '2026-03-21 16:00+00';
SELECT is(pg_temp.status('account'), '2 left since 00:00:00, 0 errors, 0 faults', 'at midnight two are');
SELECT is((SELECT string_agg(pg_temp.balance(name), ', ') FROM unnest('{ann,bob,dan}'::text[]) name), '100 available, 100 available, 100 pending', 'what they have does not wait for it');
SELECT is(pg_temp.batch('account', 1), '1 t', 'one at a time');
SELECT is(pg_temp.batch('account', 1), '1 t', 'and another');
SELECT is(pg_temp.batch('account', 1), '0 f', 'in Paris it is the day before');
SELECT is((SELECT string_agg(pg_temp.posted(name), ', ') FROM unnest('{ann,bob,dan}'::text[]) name), 'vest 2026-03-22 00:00, vest 2026-03-22 00:00, nothing', 'dated at their midnight');
SET loyalty.now = '2026-03-25 09:00+00';
CALL loyalty.maintain();
SELECT is(pg_temp.posted('dan'), 'vest 2026-03-22 00:00', 'and three days late at theirs');
SELECT is((SELECT string_agg(pg_temp.balance(name), ', ') FROM unnest('{ann,bob,dan}'::text[]) name), '100 available, 100 available, 100 available', 'no balance has changed');
SELECT results_eq($$SELECT DISTINCT due_on FROM loyalty.account WHERE purchases = 1$$, $$VALUES ('2027-04-01'::date)$$, 'due next when the points lapse');
SELECT results_eq($$SELECT done, finished_at FROM loyalty.maintenance_status WHERE job = 'account'$$, $$VALUES (1::bigint, '2026-03-25 09:00+00'::timestamptz)$$, 'what maintain() did is noted');

-- Order of a day, and one row for each member and day. On 06-01, at once: 30 vest and repay a
-- debt, the tier is reviewed, and 10 + 5 lapse, of two origins.
UPDATE loyalty.unit SET debt_policy = 'debt' WHERE code = 'points' AND program_id = :paris;
INSERT INTO loyalty.tier (program_id, code, rank, valid_months, warn_days) VALUES (:paris, 'basic', 0, NULL, 0), (:paris, 'gold', 1, 12, 0);
SELECT FROM loyalty.tier_ask('Paris', 'gold', 'spend', 100000);
SELECT FROM loyalty.tier_grant(pg_temp.id('eve'), 'gold', 'guest', '2026-05-31');
SELECT FROM loyalty.adjust(pg_temp.id('eve'), 30, 'points', 'promise', '2026-06-01', '2026-12-31', key => 'k1');
SELECT FROM loyalty.adjust(pg_temp.id('eve'), 10, 'points', 'gift', expires_on => '2026-05-31', key => 'k2');
SELECT FROM loyalty.import_member('Paris', '{"customer_no": "fay"}', '{}', '{"lots": [{"unit": "points", "amount": 5, "expires_on": "2026-05-31"},
	{"unit": "points", "amount": 6, "expires_on": "2026-05-31", "origin": "b"}, {"unit": "points", "amount": 7, "expires_on": "2026-06-01"}]}');
SET loyalty.now = '2026-06-05 09:00+00';
SELECT is(pg_temp.balance('fay'), 'nothing', 'all has lapsed');
SELECT is(pg_temp.status('account'), '2 left since 4 days 11:00:00, 0 errors, 0 faults', 'two are due, since midnight of 06-01');
SELECT is(pg_temp.batch('account', 2), '2 t', 'both in one batch');
SELECT is(pg_temp.posted('eve'), 'vest 2026-06-01 00:00, tier_review 2026-06-01 00:00, expire 2026-06-01 00:00', 'vest, tier review, expire');
SELECT is(pg_temp.posted('fay'), 'expire 2026-06-01 00:00, expire 2026-06-02 00:00', 'one row for each day');
SELECT results_eq($$SELECT j.effective_at, e.amount, e.origin::text FROM loyalty.journal j JOIN loyalty.entry e USING (member_id, journal_id)
	WHERE j.member_id = pg_temp.id('fay') AND j.kind = 'expire' ORDER BY j.journal_id, e.amount$$,
	$$VALUES ('2026-05-31 22:00+00'::timestamptz, -6::bigint, 'b'), ('2026-05-31 22:00+00', -5, 'e'), ('2026-06-01 22:00+00', -7, 'e')$$, 'with the lots that lapsed on it');
SELECT results_eq($$SELECT action, b.code, a.code FROM loyalty.tier_history h JOIN loyalty.tier b ON b.tier_id = h.tier_before JOIN loyalty.tier a ON a.tier_id = h.tier_after
	WHERE h.member_id = pg_temp.id('eve') AND h.effective_at = '2026-05-31 22:00+00'$$, $$VALUES ('demoted', 'gold', 'basic')$$, 'and the history of the tier');
SELECT is(pg_temp.due('eve'), '2027-01-01'::date, 'due again when the rest lapses');
SELECT is(pg_temp.due('fay'), 'infinity'::date, 'and where nothing is left, never');

-- The oldest first, however many are done at a time
CALL pg_temp.enroll('Shanghai', 'guy', 'hal', 'ida');
SELECT FROM (VALUES ('guy', date '2026-06-12'), ('hal', '2026-06-10'), ('ida', '2026-06-11')) v (name, last_day),
	loyalty.adjust(pg_temp.id(name), 10, 'points', 'gift', expires_on => last_day, key => 'k1');
SET loyalty.now = '2026-06-20 00:00+00';
CREATE TEMP TABLE done (place int GENERATED ALWAYS AS IDENTITY, name text);
DO $$
BEGIN
	FOR i IN 1..4 LOOP
		PERFORM FROM loyalty.account_maintain(1);
		INSERT INTO done (name) SELECT name FROM unnest('{guy,hal,ida}'::text[]) name WHERE pg_temp.posted(name) <> 'nothing' AND name NOT IN (SELECT d.name FROM done d);
	END LOOP;
END
$$;
SELECT is((SELECT string_agg(name, ', ' ORDER BY place) FROM done), 'hal, ida, guy', 'who has been due longest comes first');
-- each job has a turn, however small the budget is
CREATE PROCEDURE pg_temp.promise(last_day date) LANGUAGE sql AS $$
	SELECT count(loyalty.adjust(pg_temp.id(name), 10, 'points', 'gift', expires_on => last_day, key => last_day::text)) FROM unnest('{guy,hal,ida}'::text[]) name
$$;
CALL pg_temp.promise('2026-06-30');
SET loyalty.now = '2026-07-01 00:00+00';
CALL loyalty.maintain('1 microsecond', 1);
SELECT is((SELECT count(*) FROM loyalty.journal WHERE kind = 'expire' AND effective_at >= '2026-06-30'), 1::bigint, 'a budget that is used up: a batch');
SELECT is((SELECT started_at > finished_at FROM loyalty.maintenance_job WHERE job = 'account'), true, 'the job is not through');
CALL loyalty.maintain(batch => 1);
SELECT is((SELECT count(*) FROM loyalty.journal WHERE kind = 'expire' AND effective_at >= '2026-06-30'), 3::bigint, 'the next call goes on where it stopped');
SELECT is((SELECT started_at = finished_at FROM loyalty.maintenance_job WHERE job = 'account'), true, 'and it is');

-- Holds, reserved orders, reserved coupons
INSERT INTO loyalty.coupon (program_id, name, kind, amount) VALUES (:shanghai, 'five', 'amount', 5);
SELECT FROM loyalty.coupon_import('Shanghai', 'five', '{FIVE-1}');
INSERT INTO loyalty.cart_unit (program_id, unit_id) SELECT program_id, unit_id FROM loyalty.unit WHERE program_id = :shanghai AND code = 'points';
SELECT FROM loyalty.checkout_reserve(pg_temp.id('ann'), '{"items": [{"sku": "A", "price": 50}]}', 'o2', '{FIVE-1}', '{"points": 20}', ttl => '10 minutes');
SELECT FROM loyalty.hold(pg_temp.id('bob'), 40, ttl => '5 minutes', ref => 'h1');
SELECT FROM loyalty.hold(pg_temp.id('cat'), 0.0, ref => 'h1', mode => 'try');
SET loyalty.now = '2026-07-01 00:09+00';
SELECT is(pg_temp.status('hold'), '1 left since 00:04:00, 0 errors, 0 faults', 'one hold has timed out');
SELECT is(pg_temp.batch('hold'), '1 f', 'it is ended');
SELECT is((SELECT status FROM loyalty.hold WHERE member_id = pg_temp.id('bob')), 'timed_out', 'in its row as well');
SELECT is(pg_temp.posted('bob'), 'vest 2026-03-22 00:00, time_out 2026-07-01 08:05', 'dated when its time was over');
SET loyalty.now = '2026-07-01 00:30+00';
SELECT is(pg_temp.batch('hold'), '1 f', 'a reserved order');
SELECT results_eq($$SELECT (SELECT status FROM loyalty.checkout WHERE member_id = pg_temp.id('ann')), (SELECT string_agg(status, ' ') FROM loyalty.hold WHERE member_id = pg_temp.id('ann')),
	(SELECT string_agg(status, ' ') FROM loyalty.coupon_use WHERE member_id = pg_temp.id('ann'))$$,
	$$VALUES ('timed_out', 'timed_out', 'released')$$, 'with what it kept');
SELECT is(pg_temp.batch('hold'), '0 f', 'once');

-- Tags, and what is no longer kept
INSERT INTO loyalty.tag (program_id, name, condition) VALUES (:shanghai, 'asleep', '$.member.days_since_purchase >= 30');
SELECT is(pg_temp.batch('tag', 4), '4 t', 'after a new condition all are judged');
SELECT is(pg_temp.batch('tag', 4), '2 f', 'to the last');
SELECT is((SELECT count(*) FROM loyalty.member_tag WHERE tag = 'asleep'), 2::bigint, 'two are asleep');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 10, 'o3');
SET loyalty.now = '2026-08-01 00:30+00';
SELECT is((SELECT string_agg(tag, ' ') FROM loyalty.member_tag WHERE member_id = pg_temp.id('bob')), NULL, 'one wakes up');
CALL loyalty.maintain();
SELECT is((SELECT tagged_at FROM loyalty.member_tag WHERE member_id = pg_temp.id('bob')), '2026-07-30 16:00+00'::timestamptz, 'and falls asleep again, on the day on which he did');
INSERT INTO loyalty.activity_kind (program_id, kind, retain_days) VALUES (:paris, 'view', 10);
SELECT count(loyalty.track(pg_temp.id('dan'), 'view')) FROM generate_series(1, 3) \g /dev/null
SET loyalty.now = '2026-08-20 00:30+00';
SELECT is(pg_temp.batch('activity', 2), '2 t', 'what is no longer kept is deleted');
SELECT is(pg_temp.batch('activity', 2), '1 f', 'to the last');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');

-- A member whose turn fails holds up nobody. His wallet has a unit that there is not.
CALL loyalty.maintain();
CALL pg_temp.promise('2026-08-31');
SELECT wallet AS sound, member_id AS ida FROM loyalty.account WHERE member_id = pg_temp.id('ida') \gset
UPDATE loyalty.account SET wallet = '{9999 - 2026-08-31 e 10}' WHERE member_id = :ida;
SET loyalty.now = '2026-09-01 00:00+00';
SELECT is(pg_temp.batch('account'), '3 f', 'three have had their turn');
SELECT is((SELECT count(*) FROM loyalty.journal WHERE kind = 'expire' AND effective_at = '2026-08-31 16:00+00'), 2::bigint, 'two of them have been posted');
SELECT results_eq('SELECT member_id, job, program_id, failed_at, retry_at, attempts, sqlstate, message FROM loyalty.maintenance_fault',
	format($$VALUES (%s::bigint, 'account', %s, '2026-09-01 00:00+00'::timestamptz, '2026-09-01 00:01+00'::timestamptz, 1, 'LY902', 'the books of this member do not agree')$$, :ida, :shanghai), 'the third is noted');
SELECT is(pg_temp.batch('account'), '0 f', 'and left alone');
SELECT is(pg_temp.status('account'), '1 left since 08:00:00, 0 errors, 1 faults', 'the monitoring sees it');
CREATE TEMP TABLE retry (attempts int, wait interval);
DO $$
BEGIN
	FOR i IN 2..14 LOOP
		PERFORM set_config('loyalty.now', (SELECT retry_at::text FROM loyalty.maintenance_fault), false);
		PERFORM FROM loyalty.account_maintain();
		INSERT INTO retry SELECT attempts, retry_at - failed_at FROM loyalty.maintenance_fault;
	END LOOP;
END
$$;
SELECT results_eq('SELECT wait FROM retry ORDER BY attempts',
	$$SELECT least(interval '1 minute' * (2 ^ n)::int, interval '1 day') FROM generate_series(1, 13) n$$, 'he is tried again after a minute, then after twice as long each time, up to a day');
SELECT is((SELECT count(*) FROM loyalty.maintenance_fault), 1::bigint, 'one note of him');
UPDATE loyalty.account SET wallet = :'sound' WHERE member_id = :ida;
SELECT set_config('loyalty.now', (SELECT retry_at::text FROM loyalty.maintenance_fault), false) \g /dev/null
SELECT is(pg_temp.batch('account'), '1 f', 'when he is in order again');
SELECT is_empty('SELECT FROM loyalty.maintenance_fault', 'the note is gone');
SELECT is((SELECT count(*) FROM loyalty.journal WHERE kind = 'expire' AND effective_at = '2026-08-31 16:00+00'), 3::bigint, 'and what was due is posted, with its date');

-- Nor does one whose tags cannot be judged: neither after conditions were changed, nor when time has passed.
CALL loyalty.maintain();
CALL pg_temp.enroll('Shanghai', 'joe', 'kim', 'lea');
SELECT member_id AS kim, wallet AS empty FROM loyalty.account WHERE member_id = pg_temp.id('kim') \gset
SELECT FROM unnest('{joe,kim,lea}'::text[]) name, loyalty.purchase(pg_temp.id(name), 1, 'o1');
SELECT wallet AS sound FROM loyalty.account WHERE member_id = :kim \gset
UPDATE loyalty.account SET wallet = '{9999 - - e 10}' WHERE member_id = :kim;
UPDATE loyalty.tag SET condition = '$.member.days_since_purchase >= 20' WHERE name = 'asleep';
SELECT is(pg_temp.batch('tag'), (SELECT count(*) - 1 FROM loyalty.account WHERE program_id = :shanghai) || ' f', 'all but one are judged by a new condition');
SELECT results_eq($$SELECT member_id, job, sqlstate FROM loyalty.maintenance_fault$$, format($$VALUES (%s::bigint, 'tag', 'LY902')$$, :kim), 'who is noted');
SELECT set_config('loyalty.now', (loyalty.now() + '25 days'::interval)::text, false) \g /dev/null
SELECT is(pg_temp.batch('tag'), '2 f', 'and when time has passed the others are again');
SELECT is((SELECT count(*) FROM loyalty.member_tag WHERE tag = 'asleep' AND member_id = ANY (ARRAY[pg_temp.id('joe'), pg_temp.id('lea')])), 2::bigint, 'they have fallen asleep');
SELECT results_eq($$SELECT attempts FROM loyalty.maintenance_fault$$, 'VALUES (2)', 'he was tried once more');
SELECT is(pg_temp.batch('tag'), '0 f', 'and is left alone');
UPDATE loyalty.account SET wallet = :'sound' WHERE member_id = :kim;
SELECT set_config('loyalty.now', (SELECT retry_at::text FROM loyalty.maintenance_fault), false) \g /dev/null
SELECT is(pg_temp.batch('tag'), '1 f', 'when he is in order again his turn comes');
SELECT is((SELECT count(*) FROM loyalty.member_tag WHERE tag = 'asleep' AND member_id = :kim), 1::bigint, 'and he sleeps too');
SELECT is_empty('SELECT FROM loyalty.maintenance_fault', 'nothing is noted any more');
SELECT is_empty($$SELECT * FROM loyalty.tag_check('Shanghai')$$, 'tags are as they should be');

-- What jobs of others call
SELECT is(loyalty.maintenance_fail(:ida, 'hold', 'XX000', 'broken'), loyalty.now() + '1 minute'::interval, 'maintenance_fail() tells until when');
SELECT is(loyalty.maintenance_faulty('hold'), ARRAY[:ida]::bigint[], 'maintenance_faulty() tells who');
SELECT is(loyalty.maintenance_faulty('tag'), '{}'::bigint[], 'in which job');
SELECT is(loyalty.maintenance_noted('hold', program_id), ARRAY[:ida]::bigint[], 'maintenance_noted() tells who of a programme') FROM loyalty.account WHERE member_id = :ida;
SELECT is(loyalty.maintenance_noted('hold', 0), '{}'::bigint[], 'and of another nobody');
SELECT is(loyalty.maintenance_heal('tag', ARRAY[:ida]) || ' ' || loyalty.maintenance_heal('hold', ARRAY[:ida, NULL]), '0 1', 'maintenance_heal() deletes it');
SELECT throws_ok($$SELECT loyalty.maintenance_fail(-1, 'hold', 'XX000', 'broken')$$, 'LY501', NULL, 'of a member who is not there nothing is noted');
SELECT throws_ok(sql, '22004', NULL, sql) FROM unnest(ARRAY[$$SELECT loyalty.maintenance_fail(NULL, 'hold', 'XX000', 'broken')$$, $$SELECT loyalty.maintenance_fail(1, NULL, 'XX000', 'broken')$$,
	$$SELECT loyalty.maintenance_heal(NULL, '{}')$$, $$SELECT loyalty.maintenance_heal('hold', NULL)$$, $$SELECT loyalty.maintenance_note(NULL, now(), now(), 1)$$]) sql;
-- A note that made the sums overflow would keep maintain() from noting anything.
SELECT throws_ok(sql, '22023', NULL, 'refused: ' || sql) FROM unnest(ARRAY[
	$$SELECT loyalty.maintenance_note('hold', now(), now(), 9223372036854775807)$$, $$SELECT loyalty.maintenance_note('hold', now(), now(), -1)$$,
	$$SELECT loyalty.maintenance_note('hold', now(), now(), 1, -1)$$, $$SELECT loyalty.maintenance_note('hold', now(), now(), 1, 2147483647)$$]) sql;
SELECT FROM loyalty.maintenance_fail(:ida, 'hold', 'XX000', 'broken');
SELECT set_config('loyalty.now', (loyalty.now() + '25 hours'::interval)::text, false) \g /dev/null
CALL loyalty.maintain();
SELECT is_empty('SELECT FROM loyalty.maintenance_fault', 'what is not repeated within a day is forgotten');

-- A job that fails as a whole does not hold up the others
SET LOCAL client_min_messages = error;
CREATE FUNCTION pg_temp.cancelled() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	CALL loyalty.maintain();
	RETURN false;
EXCEPTION WHEN query_canceled THEN
	RETURN true;
END
$$;
CREATE SEQUENCE pg_temp.calls;
CREATE OR REPLACE FUNCTION loyalty.tag_refresh(program text, batch int DEFAULT 500, OUT looked_at int, OUT changed int, OUT left_over boolean)
RETURNS record LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('pg_temp.calls'); RAISE EXCEPTION 'in the way' USING ERRCODE = current_setting('test.code'); END $$;
SET test.code = '40P01';
CALL loyalty.maintain();
SELECT is(currval('pg_temp.calls'), 4::bigint, 'what others got in the way of is repeated three times');
SELECT results_eq($$SELECT errors, failed_at, error FROM loyalty.maintenance_status WHERE job = 'tag'$$, $$VALUES (1::bigint, loyalty.now(), '40P01: in the way')$$, 'and then noted');
SET test.code = '57014';
SELECT is(pg_temp.cancelled(), true, 'who cancels it, ends it');
CREATE OR REPLACE FUNCTION loyalty.tag_refresh(program text, batch int DEFAULT 500, OUT looked_at int, OUT changed int, OUT left_over boolean)
RETURNS record LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('pg_temp.calls'), '1990-13-13'::date; END $$;
CALL pg_temp.promise('2026-10-31');
SET loyalty.now = '2026-11-01 00:00+00';
CALL loyalty.maintain();
SELECT is((SELECT count(*) FROM loyalty.journal WHERE kind = 'expire' AND effective_at = '2026-10-31 16:00+00'), 3::bigint, 'accounts are settled all the same');
SELECT results_eq($$SELECT errors, error, finished_at < started_at FROM loyalty.maintenance_status WHERE job = 'tag'$$,
	$$VALUES (2::bigint, '22008: date/time field value out of range', true)$$, 'no value is kept with the error');
SELECT is((SELECT finished_at FROM loyalty.maintenance_status WHERE job = 'activity'), '2026-11-01 00:00+00'::timestamptz, 'and what comes after it is done');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');

SELECT * FROM finish();
ROLLBACK;
