\set ECHO none
\i test/prelude.sql
-- Whether a message that is due may be given out: consent, quiet hours, caps, quotas, other channels.
SELECT * FROM no_plan();

SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
SELECT loyalty.program_create('Cafe', 'EUR', 'Europe/Berlin') AS cafe \gset
INSERT INTO loyalty.message_channel (program_id, name, quiet_from, quiet_until) VALUES
	(:shop, 'night', '22:00', '08:00'), (:shop, 'noon', '12:00', '14:00'), (:shop, 'late', '22:00', '24:00'), (:cafe, 'night', '22:00', '08:00'), (:cafe, 'gap', '22:00', '02:30');
INSERT INTO loyalty.message_channel (program_id, name, member_cap, member_days, quota) VALUES
	(:shop, 'capped', 2, 3, NULL), (:shop, 'counted', NULL, 1, 3), (:shop, 'closed', NULL, 1, 0);
INSERT INTO loyalty.message_channel (program_id, name) VALUES (:shop, 'plain');
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan');
CALL pg_temp.enroll('Cafe', 'zoe');

CREATE FUNCTION pg_temp.at(at timestamptz) RETURNS void LANGUAGE sql AS $$ SELECT set_config('loyalty.now', at::text, false) $$;
CREATE FUNCTION pg_temp.put(who text, channel text, template text, purpose text DEFAULT 'service', priority int DEFAULT 5) RETURNS bigint LANGUAGE sql AS $$
	SELECT loyalty.message_enqueue(pg_temp.id(who), channel, template, NULL, purpose, NULL, NULL, NULL, priority)
$$;
CREATE FUNCTION pg_temp.took(channel text, n int DEFAULT 100, program text DEFAULT NULL, lease interval DEFAULT '1 day') RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(t.template, ' '), '-') FROM loyalty.message_take(channel, n, lease, program) t
$$;
CREATE FUNCTION pg_temp.state(template text, channel text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(concat_ws(' ', m.channel, m.status, m.reason), ', ' ORDER BY m.message_id), '-') FROM loyalty.message m WHERE m.template = $1 AND m.channel = coalesce($2, m.channel)
$$;
CREATE FUNCTION pg_temp.due(template text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), reason), ', ' ORDER BY message_id) FROM loyalty.message m WHERE m.template = $1 AND m.status = 'queued'
$$;
-- puts a message at a time, asks for it, and tells when it is due then
CREATE FUNCTION pg_temp.asked(who text, channel text, at timestamptz, zone jsonb DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	PERFORM pg_temp.at(asked.at);
	UPDATE loyalty.member SET profile = CASE WHEN zone IS NULL THEN '{}' ELSE jsonb_build_object('time_zone', zone) END WHERE member_id = pg_temp.id(who);
	DELETE FROM loyalty.message;
	PERFORM pg_temp.put(who, channel, 'm');
	SELECT pg_temp.took(channel) INTO result;
	RETURN CASE WHEN result = 'm' THEN 'taken' ELSE pg_temp.due('m') END;
END
$$;

-- Quiet hours: Shanghai is eight hours ahead
SELECT is(pg_temp.asked('ann', 'night', '2026-01-10 13:59:59.999999+00'), 'taken', 'just before 22:00');
SELECT is(pg_temp.asked('ann', 'night', '2026-01-10 14:00+00'), '2026-01-11 00:00 quiet_hours', 'at 22:00: until 08:00 of the next day');
SELECT is(pg_temp.asked('ann', 'night', '2026-01-10 16:00+00'), '2026-01-11 00:00 quiet_hours', 'at midnight');
SELECT is(pg_temp.asked('ann', 'night', '2026-01-10 23:59:59.999999+00'), '2026-01-11 00:00 quiet_hours', 'just before 08:00');
SELECT is(pg_temp.asked('ann', 'night', '2026-01-11 00:00+00'), 'taken', 'at 08:00');
SELECT is(pg_temp.asked('ann', 'noon', '2026-01-10 05:30+00'), '2026-01-10 06:00 quiet_hours', 'hours that do not cross midnight');
SELECT is(pg_temp.asked('ann', 'noon', '2026-01-10 06:00+00') || pg_temp.asked('ann', 'noon', '2026-01-10 03:59+00'), 'takentaken', 'before and after them');
SELECT is(pg_temp.asked('ann', 'late', '2026-01-10 15:00+00'), '2026-01-10 16:00 quiet_hours', 'until 24:00');
SELECT is(pg_temp.asked('ann', 'late', '2026-01-10 16:00+00'), 'taken', 'and no longer');
SELECT pg_temp.asked('ann', 'night', '2026-01-10 15:00+00'), pg_temp.put('ann', 'night', 'urgent', priority => 9), pg_temp.put('ann', 'night', 'eight', priority => 8);
SELECT is(pg_temp.took('night'), 'urgent', 'what is urgent goes at night');
SELECT pg_temp.at('2026-01-11 00:00+00');
SELECT is(pg_temp.took('night') || ' ' || pg_temp.state('m'), 'eight m night taken', 'and the rest in the morning');

-- by the member's own clock
SELECT is(pg_temp.asked('ann', 'night', '2026-01-10 03:00+00', '"America/New_York"'), '2026-01-10 13:00 quiet_hours', 'it is 22:00 in New York');
SELECT is(pg_temp.asked('ann', 'night', '2026-01-10 14:00+00', '"America/New_York"'), 'taken', 'and 09:00, when it is 22:00 in Shanghai');
SELECT is(pg_temp.asked('ann', 'night', '2026-01-10 07:00+00', '"Etc/GMT+9"'), '2026-01-10 17:00 quiet_hours', 'nine hours behind: it is 22:00');
SELECT is(pg_temp.asked('ann', 'night', '2026-01-10 22:00+00', '"UTC"'), '2026-01-11 08:00 quiet_hours', 'UTC');
SELECT is(pg_temp.asked('ann', 'night', '2026-01-10 14:00+00', zone), '2026-01-11 00:00 quiet_hours', 'no zone: ' || zone::text)
FROM unnest('{"\"Mars/Phobos\"","\"EST5\"","\"+08\"","\"../../etc/passwd\"","\"\"","5","{\"a\": 1}","null","\"Asia/Nowhere5\""}'::jsonb[]) zone;
SELECT is(pg_temp.asked('ann', 'night', '2026-01-10 14:00+00', to_jsonb(repeat('A/', 500))), '2026-01-11 00:00 quiet_hours', 'no zone, and long');

-- when clocks change: in Berlin on 2026-03-29 at 02:00 to 03:00, on 2026-10-25 at 03:00 to 02:00
SELECT is(pg_temp.asked('zoe', 'night', '2026-03-28 22:00+00'), '2026-03-29 06:00 quiet_hours', 'a night that is an hour shorter');
SELECT is(pg_temp.asked('zoe', 'night', '2026-10-24 21:00+00'), '2026-10-25 07:00 quiet_hours', 'and one that is an hour longer');
SELECT is(pg_temp.asked('zoe', 'gap', '2026-03-28 23:00+00'), '2026-03-29 01:30 quiet_hours', 'until 02:30, which there is not: 03:30');
SELECT is(pg_temp.asked('zoe', 'gap', '2026-03-29 01:30+00'), 'taken', 'which is not quiet');
SELECT is(pg_temp.asked('zoe', 'gap', '2026-10-24 23:00+00'), '2026-10-25 01:30 quiet_hours', 'until 02:30, which there is twice: the second');
SELECT is(pg_temp.asked('zoe', 'gap', '2026-10-25 01:00+00'), '2026-10-25 01:30 quiet_hours', 'at the second 02:00');

-- Consent
DELETE FROM loyalty.message;
SELECT pg_temp.at('2026-01-10 03:00+00');
SELECT is(loyalty.has_consent(pg_temp.id('ann'), 'marketing', 'plain'), false, 'nothing was said');
SELECT is(loyalty.has_consent(pg_temp.id('ann'), 'service', 'plain'), true, 'which is no matter for service');
SELECT pg_temp.put('ann', 'plain', 'ad', 'marketing'), pg_temp.put('ann', 'plain', 'order');
SELECT is(pg_temp.took('plain'), 'order', 'who has not agreed gets no advertising');
SELECT is(pg_temp.state('ad'), 'plain suppressed no_consent', 'which is kept');
SELECT isnt(loyalty.consent_give(pg_temp.id('ann'), 'marketing', 'plain', 'form 7'), NULL, 'given');
SELECT pg_temp.put('ann', 'plain', 'ad2', 'marketing'), pg_temp.put('ann', 'plain', 'poll', 'research'), pg_temp.put('bob', 'plain', 'ad3', 'marketing');
SELECT is(pg_temp.took('plain'), 'ad2', 'to one purpose, by one member');
SELECT pg_temp.put('ann', 'plain', 'ad4', 'marketing');
SELECT isnt(loyalty.consent_withdraw(pg_temp.id('ann'), 'marketing'), NULL, 'withdrawn, after it was enqueued');
SELECT is(pg_temp.took('plain'), '-', 'what was said last counts');
SELECT results_eq($$SELECT purpose, channel, given, evidence FROM loyalty.consent_current(pg_temp.id('ann'))$$,
	$$VALUES ('marketing', 'plain', true, 'form 7'), ('marketing', NULL, false, NULL)$$, 'what she said');
SELECT is(loyalty.has_consent(pg_temp.id('ann'), 'marketing', 'plain'), false, 'all withdrawn later counts more than one given');
SELECT pg_temp.at('2026-01-10 04:00+00');
SELECT loyalty.consent_withdraw(pg_temp.id('bob'), 'marketing', at => '2026-01-09 12:00+00'), loyalty.consent_give(pg_temp.id('bob'), 'marketing', at => '2026-01-08 12:00+00');
SELECT is(loyalty.has_consent(pg_temp.id('bob'), 'marketing', 'plain'), false, 'the form of the day before yesterday came in today');
SELECT loyalty.consent_give(pg_temp.id('bob'), 'marketing', at => '2026-01-10 05:00+00');
SELECT is((SELECT max(at) FROM loyalty.consent), '2026-01-10 04:00+00', 'a clock that is ahead counts as now');
SELECT is(loyalty.has_consent(pg_temp.id('bob'), 'marketing', 'plain'), true, 'given again');
SELECT throws_ok($$SELECT loyalty.consent_give(pg_temp.id('bob'), 'service')$$, '22023', NULL, 'nobody is asked for service');
SELECT throws_ok($$SELECT loyalty.consent_give(pg_temp.id('bob'), 'Marketing')$$, '22023', NULL, 'a purpose has a name');
SELECT throws_ok($$SELECT loyalty.consent_give(pg_temp.id('bob'), NULL)$$, '22004', NULL, 'a purpose');
SELECT throws_ok($$SELECT loyalty.consent_give(NULL, 'marketing')$$, '22004', NULL, 'a member');
SELECT throws_ok($$SELECT loyalty.consent_give(999, 'marketing')$$, 'LY501', NULL, 'who is there');
SELECT throws_ok($$SELECT loyalty.consent_give(pg_temp.id('bob'), 'marketing', 'pigeon')$$, 'LY440', NULL, 'a channel that is there');
SELECT throws_ok($$SELECT loyalty.consent_give(pg_temp.id('bob'), 'marketing', at => '2026-02-01')$$, 'LY108', NULL, 'not in a month');
SELECT throws_ok($$SELECT loyalty.consent_give(pg_temp.id('bob'), 'marketing', at => 'infinity')$$, 'LY107', NULL, 'nor never');
SELECT throws_ok($$SELECT loyalty.consent_give(pg_temp.id('bob'), 'marketing', evidence => repeat('x', 256))$$, 'LY004', NULL, 'with a short proof');
SELECT throws_ok('SELECT * FROM loyalty.has_consent(999, ''marketing'', ''plain'')', 'LY501', NULL, 'has_consent: a member who is there');
SELECT throws_ok('SELECT * FROM loyalty.consent_current(999)', 'LY501', NULL, 'consent_current: the same');
SELECT throws_ok('UPDATE loyalty.consent SET given = true', 'LY190', NULL, 'what was said is not changed');
SELECT throws_ok('DELETE FROM loyalty.consent', 'LY190', NULL, 'nor deleted');
SELECT throws_ok('TRUNCATE loyalty.consent', 'LY190', NULL, 'nor all of it');
SELECT loyalty.member_close(pg_temp.id('dan'), 'left');
SELECT throws_ok($$SELECT loyalty.consent_give(pg_temp.id('dan'), 'marketing')$$, 'LY502', NULL, 'who has left agrees to nothing');
SELECT lives_ok($$SELECT loyalty.consent_withdraw(pg_temp.id('dan'), 'marketing')$$, 'but may take it back');

-- whatever was said in whatever order: has_consent and what is given out agree with a walk through what was said
SELECT count(loyalty.enroll('Shop', jsonb_build_object('customer_no', 'p' || n))) AS n FROM generate_series(1, 80) n \gset
SELECT setseed(0.42);
SELECT count(*) AS said FROM (
	SELECT CASE WHEN random() < 0.5 THEN loyalty.consent_give(pg_temp.id('p' || n), 'marketing', c, at => t) ELSE loyalty.consent_withdraw(pg_temp.id('p' || n), 'marketing', c, at => t) END
	FROM generate_series(1, 80) n, generate_series(1, n % 5) s,
	LATERAL (SELECT (ARRAY['plain', NULL, NULL, 'noon', 'plain'])[1 + floor(random() * 5 + 0 * s)::int] AS c, timestamptz '2026-01-05' + floor(random() * 3 + 0 * s) * interval '1 day' AS t) x) y \gset
CREATE FUNCTION pg_temp.walk(member bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	said record;
	own boolean;
	every boolean;
BEGIN
	FOR said IN SELECT channel, given FROM loyalty.consent WHERE member_id = member AND coalesce(channel, 'plain') = 'plain' ORDER BY at, consent_id LOOP
		IF said.channel IS NOT NULL THEN
			own := said.given;
		ELSE
			every := said.given;
			IF NOT every AND own THEN own := NULL; END IF;
		END IF;
	END LOOP;
	RETURN coalesce(own, every, false);
END
$$;
SELECT pg_temp.put('p' || n, 'plain', 'walk', 'marketing') FROM generate_series(1, 80) n;
SELECT pg_temp.took('plain');
SELECT is_empty($$SELECT n FROM generate_series(1, 80) n, LATERAL (SELECT pg_temp.id('p' || n) AS member) x
	WHERE pg_temp.walk(member) <> loyalty.has_consent(member, 'marketing', 'plain')
	OR pg_temp.walk(member) <> (SELECT status = 'taken' FROM loyalty.message m WHERE m.member_id = member AND m.template = 'walk')$$, 'a walk through what was said');
SELECT ok(count(*) FILTER (WHERE status = 'taken') > 15 AND count(*) FILTER (WHERE status = 'suppressed') > 15, 'some agreed, some did not') FROM loyalty.message WHERE template = 'walk';

-- Caps: two in three local days
DELETE FROM loyalty.message;
SELECT loyalty.consent_give(pg_temp.id('cat'), 'marketing');
SELECT pg_temp.put('cat', 'capped', 'k1', 'marketing');
SELECT is(pg_temp.took('capped'), 'k1', 'on the 10th the first');
SELECT loyalty.message_done(member_id, message_id) FROM loyalty.message WHERE status = 'taken';
SELECT pg_temp.at('2026-01-10 16:30+00');
SELECT pg_temp.put('cat', 'capped', 'k' || n, 'marketing') FROM generate_series(2, 4) n;
SELECT is(pg_temp.took('capped'), 'k2', 'on the 11th, half an hour after midnight, the second');
SELECT is(pg_temp.due('k3') || ', ' || pg_temp.due('k4'), '2026-01-12 16:00 member_cap, 2026-01-12 16:00 member_cap', 'the others when the 10th is over: on the 13th');
SELECT pg_temp.put('cat', 'capped', 'order'), pg_temp.put('cat', 'capped', 'flood', 'marketing', 9);
SELECT is(pg_temp.took('capped'), 'flood order', 'what is urgent or for service goes');
SELECT loyalty.message_done(member_id, message_id) FROM loyalty.message WHERE status = 'taken';
SELECT pg_temp.at('2026-01-12 16:00+00');
SELECT is(pg_temp.took('capped'), '-', 'what was urgent counts: two on the 11th');
SELECT is(pg_temp.due('k3'), '2026-01-13 16:00 member_cap', 'until the 14th');
SELECT pg_temp.at('2026-01-13 16:00+00');
SELECT is(pg_temp.took('capped', 10, lease => '1 minute'), 'k3 k4', 'then there are none, and two may go');
SELECT pg_temp.at('2026-01-13 16:05+00');
SELECT is(pg_temp.took('capped'), 'k3 k4', 'a lease that is over does not count against itself');
UPDATE loyalty.message_channel SET member_cap = 1 WHERE name = 'capped';
SELECT pg_temp.put('cat', 'capped', 'k5', 'marketing');
SELECT is(pg_temp.took('capped') || ' ' || pg_temp.due('k5'), '- 2026-01-16 16:00 member_cap', 'a smaller cap: when both are over');
SELECT loyalty.message_cancel(member_id, message_id) FROM loyalty.message WHERE status = 'queued';

-- Quotas: three in a local day
SELECT pg_temp.at('2026-01-20 15:00+00');
SELECT pg_temp.put('ann', 'counted', 'q' || n) FROM generate_series(1, 7) n;
SELECT is(pg_temp.took('counted', 2) || ', ' || pg_temp.took('counted') || ', ' || pg_temp.took('counted'), 'q1 q2, q3, -', 'three');
SELECT results_eq($$SELECT day, taken FROM loyalty.message_quota$$, $$VALUES (date '2026-01-20', 3)$$, 'are counted');
SELECT is(pg_temp.due('q4'), '2026-01-20 15:00', 'the rest waits where it is');
SELECT pg_temp.at('2026-01-20 16:00+00');
SELECT is(pg_temp.took('counted'), 'q4 q5 q6', 'three on the next local day');
UPDATE loyalty.message_channel SET quota = 4 WHERE name = 'counted';
SELECT is(pg_temp.took('counted'), 'q7', 'a quota that is raised');
SELECT pg_temp.put('ann', 'closed', 'q8', priority => 9);
SELECT is(pg_temp.took('closed'), '-', 'a quota of none holds back even what is urgent');
SELECT pg_temp.at('2026-02-21 16:00+00');
SELECT results_eq('SELECT * FROM loyalty.message_expire()', 'VALUES (0, false)', 'after a month');
SELECT results_eq('SELECT day FROM loyalty.message_quota', $$VALUES (date '2026-01-21')$$, 'counts are forgotten');
SELECT throws_ok($$UPDATE loyalty.message_channel SET quota = -1$$, '23514', NULL, 'a quota is not below zero');

-- Other channels: a, then b, then c, then a again; and one that there is not
DELETE FROM loyalty.message;
INSERT INTO loyalty.message_channel (program_id, name, fallback, max_attempts) VALUES (:shop, 'a', 'b', 1), (:shop, 'b', 'c', 1), (:shop, 'c', 'a', 1), (:shop, 'lost', NULL, 1);
SELECT pg_temp.put('ann', 'a', 'f1');
CREATE FUNCTION pg_temp.fails(channel text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(loyalty.message_retry(t.member_id, t.message_id, t.attempts, 'no answer'), ' ') FROM loyalty.message_take($1) t
$$;
SELECT is(pg_temp.fails('a') || ' ' || pg_temp.state('f1'), 'dead a dead no answer, b queued', 'what a gives up, b tries');
SELECT is(pg_temp.fails('b') || ' ' || pg_temp.state('f1'), 'dead a dead no answer, b dead no answer, c queued', 'then c');
SELECT is(pg_temp.fails('c') || ' ' || pg_temp.state('f1'), 'dead a dead no answer, b dead no answer, c dead no answer', 'and nobody again');
SELECT loyalty.consent_give(pg_temp.id('ann'), 'marketing', 'c');
SELECT pg_temp.put('ann', 'a', 'f2', 'marketing');
SELECT is(pg_temp.took('a') || ' ' || pg_temp.state('f2'), '- a suppressed no_consent, c queued', 'who agreed to c only gets it there');
SELECT is(pg_temp.took('c'), 'f2', 'taken');
SELECT pg_temp.put('bob', 'a', 'f3');
SELECT is(pg_temp.took('a'), 'f3', 'delivered');
SELECT loyalty.message_done(member_id, message_id) FROM loyalty.message WHERE template = 'f3';
SELECT loyalty.message_feedback(member_id, message_id, 'bounced') FROM loyalty.message WHERE template = 'f3';
SELECT is(pg_temp.state('f3'), 'a dead bounced, b queued', 'what comes back goes another way');
SELECT loyalty.message_requeue(member_id, message_id) FROM loyalty.message WHERE template = 'f3' AND channel = 'a';
SELECT is(pg_temp.fails('a') || ' ' || pg_temp.state('f3'), 'dead a dead no answer, b queued', 'once, however often it fails');
SELECT is((SELECT loyalty.message_cancel(member_id, message_id) FROM loyalty.message WHERE template = 'f3' AND channel = 'a'), true, 'what is cancelled');
SELECT is(pg_temp.state('f3'), 'a dead no answer, b cancelled', 'is what stands in for it');
SELECT loyalty.consent_give(pg_temp.id('bob'), 'marketing', 'a');
SELECT pg_temp.put('bob', 'a', 'f4', 'marketing');
SELECT pg_temp.took('a');
SELECT loyalty.message_feedback(member_id, message_id, 'unsubscribed') FROM loyalty.message WHERE template = 'f4';
SELECT is(loyalty.has_consent(pg_temp.id('bob'), 'marketing', 'a'), false, 'who unsubscribed no longer agrees');
SELECT is(loyalty.has_consent(pg_temp.id('bob'), 'marketing', 'b'), true, 'on this channel');
SELECT is((SELECT evidence = 'message ' || message_id FROM loyalty.consent, loyalty.message WHERE template = 'f4' AND NOT given ORDER BY consent_id DESC LIMIT 1), true, 'as the message proves');
SELECT pg_temp.put('bob', 'a', 'f5');
SELECT pg_temp.took('a', lease => '1 second');
UPDATE loyalty.message SET due_at = loyalty.now() WHERE template = 'f5';
SELECT is((SELECT loyalty.message_cancel(member_id, message_id) FROM loyalty.message WHERE template = 'f5'), true, 'what is cancelled when its lease is over');
SELECT loyalty.message_feedback(member_id, message_id, 'bounced') FROM loyalty.message WHERE template = 'f5';
SELECT is(pg_temp.state('f5'), 'a cancelled', 'goes no other way, though it comes back');
SELECT throws_ok($$UPDATE loyalty.message_channel SET fallback = 'pigeon' WHERE name = 'lost'$$, '23503', NULL, 'a fallback is a channel');
SELECT throws_ok($$UPDATE loyalty.message_channel SET fallback = 'lost' WHERE name = 'lost'$$, '23514', NULL, 'another one');
SELECT throws_ok($$DELETE FROM loyalty.message_channel WHERE name = 'b'$$, '23503', NULL, 'a channel in use stays');
SELECT throws_ok($$UPDATE loyalty.message_channel SET name = 'd' WHERE name = 'c'$$, '23503', NULL, 'and keeps its name');
SELECT lives_ok($$UPDATE loyalty.message_channel SET name = 'found' WHERE name = 'lost'$$, 'another may have a new one');
SELECT lives_ok($$DELETE FROM loyalty.message_channel WHERE name = 'found'$$, 'and go');

-- The usual channels
SELECT is(loyalty.message_channels('Cafe'), 8, 'eight');
SELECT is(loyalty.message_channels('Cafe'), 0, 'once');
SELECT set_eq($$SELECT name, fallback FROM loyalty.message_channel WHERE program_id = (SELECT program_id FROM loyalty.program WHERE name = 'Cafe') AND role IS NOT NULL AND title IS NOT NULL$$,
	$$VALUES ('sms', NULL), ('email', NULL), ('mini_program', 'official_account'), ('official_account', 'sms'), ('wecom', 'official_account'), ('app_push', 'sms'), ('webhook', NULL), ('staff', NULL)$$, 'these');
SELECT throws_ok($$SELECT loyalty.message_channels('Bar')$$, 'LY403', NULL, 'of a programme that is there');
SELECT throws_ok($$SELECT loyalty.message_channels(NULL)$$, '22004', NULL, 'of a programme');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');

-- However long the queue: what is leased, later, less urgent or of a channel at rest is not read, with and without statistics
INSERT INTO loyalty.message_channel (program_id, name, status) VALUES (:shop, 'long', 'active'), (:cafe, 'long', 'paused');
INSERT INTO loyalty.message (member_id, message_id, created_at, due_at, program_id, attempts, taken_at, status, priority, channel, template)
SELECT CASE WHEN n % 5 = 0 THEN zoe ELSE ann END, loyalty.next_id(), loyalty.now(),
	loyalty.now() + CASE n % 5 WHEN 1 THEN interval '1 minute' WHEN 2 THEN interval '1 hour' ELSE interval '-1 hour' END + n * interval '1 microsecond',
	CASE WHEN n % 5 = 0 THEN :cafe ELSE :shop END, CASE n % 5 WHEN 1 THEN 1 ELSE 0 END, CASE n % 5 WHEN 1 THEN loyalty.now() END,
	CASE n % 5 WHEN 1 THEN 'taken' ELSE 'queued' END, CASE WHEN n % 5 = 3 THEN 5 ELSE n % 2 END, 'long', 'n' || n
FROM (SELECT m.n, x.ann, x.zoe FROM generate_series(1, 50000) m (n), (SELECT pg_temp.id('ann') AS ann, pg_temp.id('zoe') AS zoe OFFSET 0) x) y;
CREATE FUNCTION pg_temp.reads() RETURNS bigint LANGUAGE sql AS $$
	SELECT sum(pg_stat_get_xact_blocks_fetched(c))::bigint FROM (SELECT 'loyalty.message'::regclass UNION ALL SELECT indexrelid FROM pg_index WHERE indrelid = 'loyalty.message'::regclass) x (c)
$$;
CREATE FUNCTION pg_temp.read_by(n int, program text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	before bigint := pg_temp.reads();
BEGIN
	IF (SELECT count(*) FROM loyalty.message_take('long', n, program => program)) <> n THEN
		RAISE EXCEPTION 'not %', n;
	END IF;
	RETURN pg_temp.reads() - before;
END
$$;
-- pages: finding and moving ten takes some 200, the whole index has more
SELECT cmp_ok(pg_temp.read_by(10, NULL), '<', 400::bigint, 'ten of fifty thousand');
INSERT INTO loyalty.message_channel (program_id, name) VALUES (:shop, 'later');
UPDATE loyalty.message SET channel = 'later', due_at = loyalty.now() + interval '1 day', status = 'queued' WHERE channel = 'long' AND program_id = :shop;
CREATE FUNCTION pg_temp.read_nothing() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	before bigint := pg_temp.reads();
BEGIN
	IF EXISTS (SELECT FROM loyalty.message_take('later')) THEN
		RAISE EXCEPTION 'not nothing';
	END IF;
	RETURN pg_temp.reads() - before;
END
$$;
SELECT cmp_ok(pg_temp.read_nothing(), '<', 100::bigint, 'nothing of forty thousand that are later');
ANALYZE loyalty.message;
SELECT cmp_ok(pg_temp.read_nothing(), '<', 100::bigint, 'with statistics');
UPDATE loyalty.message_channel SET status = 'active' WHERE name = 'long';
SELECT cmp_ok(pg_temp.read_by(10, 'Cafe'), '<', 400::bigint, 'ten, with statistics');
SELECT * FROM finish();
ROLLBACK;
