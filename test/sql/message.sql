\set ECHO none
\i test/prelude.sql
-- The outbox: what is given to a consumer, when, and what becomes of it.
SELECT plan(120);

SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
SELECT loyalty.program_create('Cafe', 'EUR', 'Europe/Berlin') AS cafe \gset
INSERT INTO loyalty.message_channel (program_id, name, retry_after, retry_max, max_attempts) VALUES (:shop, 'plain', '1 minute', '5 minutes', 4);
INSERT INTO loyalty.message_channel (program_id, name) VALUES (:cafe, 'plain');
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay');
CALL pg_temp.enroll('Cafe', 'zoe');

-- 2026-01-10 is a Saturday; 03:00 in UTC is 11:00 in Shanghai
SET loyalty.now = '2026-01-10 03:00+00';
CREATE FUNCTION pg_temp.put(who text, channel text, template text, purpose text DEFAULT 'service', priority int DEFAULT 5,
	not_before timestamptz DEFAULT NULL, expires_at timestamptz DEFAULT NULL) RETURNS bigint LANGUAGE sql AS $$
	SELECT loyalty.message_enqueue(pg_temp.id(who), channel, template, '{"n": 1}', purpose, who || '-' || template, not_before, expires_at, priority)
$$;
CREATE FUNCTION pg_temp.msg(template text, channel text DEFAULT NULL) RETURNS bigint LANGUAGE sql AS $$
	SELECT max(message_id) FROM loyalty.message m WHERE m.template = $1 AND m.channel = coalesce($2, m.channel)
$$;
-- templates in the order in which they are given out
CREATE FUNCTION pg_temp.took(channel text, n int DEFAULT 100, program text DEFAULT NULL, lease interval DEFAULT '5 minutes') RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(t.template, ' '), '-') FROM loyalty.message_take(channel, n, lease, program) t
$$;
CREATE FUNCTION pg_temp.state(template text, channel text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, attempts, reason) FROM loyalty.message WHERE message_id = (SELECT pg_temp.msg($1, $2))
$$;
CREATE FUNCTION pg_temp.due(template text) RETURNS text LANGUAGE sql AS $$
	SELECT to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') FROM loyalty.message WHERE message_id = (SELECT pg_temp.msg($1))
$$;
CREATE FUNCTION pg_temp.done(template text) RETURNS boolean LANGUAGE sql AS $$
	SELECT loyalty.message_done(member_id, message_id) FROM loyalty.message WHERE message_id = (SELECT pg_temp.msg($1))
$$;

-- Enqueue
SELECT pg_temp.put('ann', 'plain', 'hello') AS hello \gset
SELECT is(pg_temp.put('ann', 'plain', 'hello'), :hello::bigint, 'a known dedupe key returns the first id');
SELECT isnt(pg_temp.put('bob', 'plain', 'hello'), :hello::bigint, 'which is the member''s');
SELECT is(loyalty.message_enqueue(pg_temp.id('ann'), 'plain', 'other', dedupe_key => 'ann-hello'), :hello::bigint, 'whatever else is asked for');
SELECT is(loyalty.message_enqueue(pg_temp.id('ann'), 'gone', 'other', dedupe_key => 'ann-hello'), :hello::bigint, 'before anything is refused');
SELECT results_eq(format('SELECT status, attempts, priority::int, purpose, params, program_id, due_at, created_at FROM loyalty.message WHERE message_id = %s', :hello),
	format($$VALUES ('queued', 0, 5, 'service', '{"n": 1}'::jsonb, %s, timestamptz '2026-01-10 03:00+00', timestamptz '2026-01-10 03:00+00')$$, :shop), 'the row');
SELECT isnt(loyalty.message_enqueue(pg_temp.id('ann'), 'plain', 'bare', NULL), NULL, 'one without parameters');
SELECT is((SELECT params::text FROM loyalty.message WHERE template = 'bare'), '{}', 'no parameters are an empty object');
SELECT isnt(loyalty.message_enqueue(pg_temp.id('ann'), 'plain', 'twice'), loyalty.message_enqueue(pg_temp.id('ann'), 'plain', 'twice'), 'without a key there may be two');

CREATE FUNCTION pg_temp.refused(channel text DEFAULT 'plain', template text DEFAULT 't', params jsonb DEFAULT '{}', purpose text DEFAULT 'service',
	dedupe_key text DEFAULT 'k', not_before timestamptz DEFAULT NULL, expires_at timestamptz DEFAULT NULL, priority int DEFAULT 5, who text DEFAULT 'ann') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM loyalty.message_enqueue(CASE who WHEN 'nobody' THEN 999 ELSE pg_temp.id(who) END, channel, template, params, purpose, dedupe_key, not_before, expires_at, priority);
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END
$$;
SELECT is(pg_temp.refused(channel => 'pigeon'), 'LY440', 'a channel that there is not');
SELECT is(pg_temp.refused(channel => 'plain', who => 'nobody'), 'LY501', 'a member who is not there');
SELECT is(pg_temp.refused(channel => NULL), '22004', 'no channel');
SELECT is(pg_temp.refused(channel => ''), '22023', 'an empty channel');
SELECT is(pg_temp.refused(template => NULL), '22004', 'no template');
SELECT is(pg_temp.refused(template => 'Hello'), '22023', 'a template in capitals');
SELECT is(pg_temp.refused(template => 'a' || repeat('b', 63)), '22023', 'a template that is too long');
SELECT is(pg_temp.refused(template => 'a.b-c_1'), 'done', 'a template with a dot, a hyphen and an underscore');
SELECT is(pg_temp.refused(purpose => NULL), '22004', 'no purpose');
SELECT is(pg_temp.refused(purpose => 'a.b', dedupe_key => 'p'), '22023', 'a purpose with a dot');
SELECT is(pg_temp.refused(params => '[]', dedupe_key => 'p'), 'LY007', 'parameters that are a list');
SELECT is(pg_temp.refused(params => 'null', dedupe_key => 'p'), 'LY007', 'parameters that are the null of JSON');
SELECT is(pg_temp.refused(params => jsonb_build_object('a', repeat('x', 8200)), dedupe_key => 'p'), 'LY004', 'parameters that are too large');
SELECT is(pg_temp.refused(params => '{"a": {"b": {"c": {"d": 1}}}}', dedupe_key => 'p'), 'done', 'parameters in four levels');
SELECT is(pg_temp.refused(params => '{"a": {"b": {"c": {"d": []}}}}', dedupe_key => 'q'), 'LY004', 'parameters in five');
SELECT is(pg_temp.refused(dedupe_key => ''), 'LY001', 'an empty key');
SELECT is(pg_temp.refused(dedupe_key => repeat('k', 256)), 'LY001', 'a key that is too long');
SELECT is(pg_temp.refused(dedupe_key => E'a\nb'), 'LY001', 'a key with a line break');
SELECT is(pg_temp.refused(not_before => 'infinity', dedupe_key => 'q'), 'LY107', 'never to be taken');
SELECT is(pg_temp.refused(expires_at => '-infinity', dedupe_key => 'q'), 'LY107', 'an end before all time');
SELECT is(pg_temp.refused(expires_at => '2026-01-10 03:00+00', dedupe_key => 'q'), 'LY110', 'over already');
SELECT is(pg_temp.refused(not_before => '2026-01-12', expires_at => '2026-01-12', dedupe_key => 'q'), 'LY111', 'over before it begins');
SELECT is(pg_temp.refused(priority => 10, dedupe_key => 'q'), '22023', 'more than urgent');
SELECT is(pg_temp.refused(priority => -1, dedupe_key => 'q'), '22023', 'less than nothing');
SELECT is(pg_temp.refused(priority => NULL, dedupe_key => 'q'), '22004', 'no priority');
SELECT loyalty.member_close(pg_temp.id('dan'), 'left');
SELECT is(pg_temp.refused(who => 'dan'), 'LY502', 'a member who has left');
SELECT loyalty.member_freeze(pg_temp.id('eve'), 'looked at');
SELECT is(pg_temp.refused(who => 'eve'), 'done', 'one who is frozen is told why');
UPDATE loyalty.program SET status = 'inactive' WHERE name = 'Cafe';
SELECT is(pg_temp.refused(who => 'zoe'), 'LY402', 'a programme at rest');
UPDATE loyalty.program SET status = 'active' WHERE name = 'Cafe';

-- Taking: the most urgent first, then the one that is due longest
UPDATE loyalty.message SET status = 'cancelled', ended_at = loyalty.now();
SELECT pg_temp.put('ann', 'plain', 'a5'), pg_temp.put('ann', 'plain', 'b9', priority => 9), pg_temp.put('ann', 'plain', 'c0', priority => 0),
	pg_temp.put('bob', 'plain', 'd9', priority => 9), pg_temp.put('bob', 'plain', 'e5'), pg_temp.put('bob', 'plain', 'f5', not_before => '2026-01-10 04:00+00');
SELECT is(pg_temp.took('plain', 2), 'b9 d9', 'two of them');
SELECT is(pg_temp.took('plain'), 'a5 e5 c0', 'and those that are left');
SELECT is(pg_temp.took('plain'), '-', 'none twice');
SET loyalty.now = '2026-01-10 03:05+00';
SELECT is(pg_temp.took('plain', 3), 'b9 d9 a5', 'until the lease is over');
SELECT is(pg_temp.state('b9'), 'taken 2', 'which is another attempt');
SET loyalty.now = '2026-01-10 04:00+00';
SELECT is(pg_temp.took('plain'), 'b9 d9 e5 a5 f5 c0', 'what is due since');
SELECT pg_temp.put('cat', 'plain', 'whole');
SELECT results_eq($$SELECT message_id, member_id, program, channel, template, params, purpose, priority, attempts, created_at, idempotency_key
	FROM loyalty.message_take('plain')$$,
	$$SELECT message_id, member_id, 'Shop', 'plain', template, '{"n": 1}'::jsonb, 'service', 5, 1, timestamptz '2026-01-10 04:00+00', 'message-' || message_id
	FROM loyalty.message WHERE template = 'whole' /* as it was */$$, 'what a consumer is told');
SELECT throws_ok($$SELECT loyalty.message_take(NULL)$$, '22004', NULL, 'of no channel');
SELECT throws_ok($$SELECT loyalty.message_take('pigeon')$$, 'LY440', NULL, 'of one that there is not');
SELECT throws_ok($$SELECT loyalty.message_take('plain', program => 'Bar')$$, 'LY403', NULL, 'of no programme');
SELECT throws_ok($$SELECT loyalty.message_take('plain', 0)$$, '22023', NULL, 'none');
SELECT throws_ok($$SELECT loyalty.message_take('plain', 10001)$$, '22023', NULL, 'too many');
SELECT throws_ok($$SELECT loyalty.message_take('plain', NULL)$$, '22004', NULL, 'how many');
SELECT throws_ok($$SELECT loyalty.message_take('plain', lease => '0')$$, '22023', NULL, 'for no time');
SELECT throws_ok($$SELECT loyalty.message_take('plain', lease => '25 hours')$$, '22023', NULL, 'for too long');
SELECT throws_ok($$SELECT loyalty.message_take('plain', lease => NULL)$$, '22004', NULL, 'for how long');

-- of several programmes, of those that are asked for, and each its share
UPDATE loyalty.message SET status = 'cancelled', ended_at = loyalty.now() WHERE status = 'taken';
SELECT pg_temp.put('ann', 'plain', 's' || n) FROM generate_series(1, 6) n;
SELECT pg_temp.put('zoe', 'plain', 'z' || n) FROM generate_series(1, 2) n;
SELECT is(pg_temp.took('plain', 1, 'Cafe'), 'z1', 'of one programme');
SELECT is(pg_temp.took('plain', 4), 's1 s2 z2 s3', 'of both: each its half, and what one leaves is the other''s');
UPDATE loyalty.message_channel SET status = 'paused' WHERE program_id = :shop;
SELECT is(pg_temp.took('plain'), '-', 'a channel that is paused waits');
UPDATE loyalty.message_channel SET status = 'active' WHERE program_id = :shop;
UPDATE loyalty.program SET status = 'inactive' WHERE program_id = :shop;
SELECT is(pg_temp.took('plain'), '-', 'and so does a programme at rest');
UPDATE loyalty.program SET status = 'active' WHERE program_id = :shop;
SELECT is(pg_temp.took('plain', 2), 's4 s5', 'and goes on');

-- Done
SELECT is(pg_temp.done('s1'), true, 'done');
SELECT is(pg_temp.done('s1'), false, 'is said once');
SELECT is(pg_temp.state('s1'), 'done 1', 'and kept');
SELECT throws_ok($$SELECT pg_temp.done('s6')$$, 'LY442', NULL, 'not of what nobody has taken');
SELECT throws_ok(format('SELECT loyalty.message_done(%s, 999)', pg_temp.id('ann')), 'LY441', NULL, 'nor of what is not there');
SELECT throws_ok(format('SELECT loyalty.message_done(%s, %s)', pg_temp.id('bob'), pg_temp.msg('s2')), 'LY441', NULL, 'nor of another member''s');
SELECT throws_ok(format('SELECT loyalty.message_done(%s, %s, 2)', pg_temp.id('ann'), pg_temp.msg('s2')), 'LY442', NULL, 'nor of an attempt that there was not');
SELECT throws_ok('SELECT loyalty.message_done(NULL, 1)', '22004', NULL, 'nor of nobody''s');
SET loyalty.now = '2026-01-10 04:10+00';
SELECT is(pg_temp.took('plain', 1), 's6', 'another one first: it is due for longest');
SELECT is(pg_temp.took('plain', 1, 'Shop'), 's2', 'a lease that is over is somebody else''s');
SELECT is((SELECT loyalty.message_done(member_id, message_id, 1) FROM loyalty.message WHERE template = 's2'), true, 'the first one may still say that it is done');
SELECT is(pg_temp.done('s2'), false, 'and the second says it in vain');

-- Retry: 1, 2, 4 minutes, at most 5; after the fourth attempt it is given up
CREATE FUNCTION pg_temp.retry(template text, attempt int DEFAULT NULL, after interval DEFAULT NULL, give_up boolean DEFAULT false) RETURNS text LANGUAGE sql AS $$
	SELECT loyalty.message_retry(member_id, message_id, $2, 'no answer', $3, $4) FROM loyalty.message WHERE message_id = (SELECT pg_temp.msg($1))
$$;
SELECT is(pg_temp.retry('s6', 1), 'queued', 'it failed');
SELECT is(pg_temp.state('s6') || ' ' || pg_temp.due('s6'), 'queued 1 no answer 2026-01-10 04:11', 'and is due in a minute');
SELECT is(pg_temp.retry('s6', 1), 'queued', 'said twice');
SET loyalty.now = '2026-01-10 04:11+00';
UPDATE loyalty.message SET status = 'cancelled', ended_at = loyalty.now() WHERE status IN ('queued', 'taken') AND template <> 's6';
SELECT is(pg_temp.took('plain'), 's6', 'it is taken again');
SELECT is(pg_temp.retry('s6', 1), 'taken', 'the failure of an attempt that is over is nothing to the one who has it now');
SELECT is(pg_temp.retry('s6', 2) || ' ' || pg_temp.due('s6'), 'queued 2026-01-10 04:13', 'two minutes');
SET loyalty.now = '2026-01-10 04:13+00';
SELECT is(pg_temp.took('plain') || ' ' || pg_temp.retry('s6', NULL, '10 minutes') || ' ' || pg_temp.due('s6'), 's6 queued 2026-01-10 04:23', 'or what the channel asks for');
SET loyalty.now = '2026-01-10 04:23+00';
SELECT is(pg_temp.took('plain') || ' ' || pg_temp.retry('s6', 4), 's6 dead', 'the fourth was the last');
SELECT is(pg_temp.state('s6'), 'dead 4 no answer', 'given up');
SELECT is(pg_temp.took('plain'), '-', 'and not taken again');
SELECT is((SELECT loyalty.message_requeue(member_id, message_id) FROM loyalty.message WHERE template = 's6'), true, 'put back');
SELECT is((SELECT loyalty.message_requeue(member_id, message_id) FROM loyalty.message WHERE template = 's6'), false, 'once');
SELECT is(pg_temp.took('plain') || ' ' || pg_temp.retry('s6', 1, NULL, true), 's6 dead', 'given up at once');
SELECT throws_ok($$SELECT pg_temp.retry('hello')$$, 'LY442', NULL, 'what nobody has taken cannot fail');
SELECT throws_ok($$SELECT pg_temp.retry('s6', 1, '-1 s')$$, '22023', NULL, 'nor be due before now');
SELECT throws_ok(format('SELECT loyalty.message_retry(%s, %s, 1, NULL)', pg_temp.id('ann'), pg_temp.msg('s6')), '22004', NULL, 'nor without a reason');
-- a consumer that never answers: after four leases it is given up as well
SELECT pg_temp.put('ann', 'plain', 'poison');
CREATE FUNCTION pg_temp.minutes(n int) RETURNS void LANGUAGE sql AS $$ SELECT set_config('loyalty.now', (loyalty.now() + n * interval '1 minute')::text, false) $$;
SELECT is((SELECT string_agg(t.template || t.attempts, ' ') FROM generate_series(1, 6) n, LATERAL (SELECT pg_temp.minutes(n + 5 - n)) m, LATERAL loyalty.message_take(CASE WHEN n > 0 THEN 'plain' END) t),
	'poison1 poison2 poison3 poison4', 'four times');
SELECT is(pg_temp.state('poison'), 'dead 4 lease_over', 'and no more');

-- Expiry
SET loyalty.now = '2026-01-11 03:00+00';
SELECT pg_temp.put('ann', 'plain', 'x1', expires_at => '2026-01-11 03:10+00'), pg_temp.put('ann', 'plain', 'x2', expires_at => '2026-01-11 03:10+00'),
	pg_temp.put('ann', 'plain', 'x3', expires_at => '2026-01-11 03:30+00'), pg_temp.put('ann', 'plain', 'x4', expires_at => '2026-01-11 03:20+00', priority => 9);
SELECT is(pg_temp.took('plain', 1, lease => '25 minutes'), 'x4', 'one is taken');
SET loyalty.now = '2026-01-11 03:10+00';
SELECT results_eq('SELECT * FROM loyalty.message_expire(1)', 'VALUES (1, true)', 'one at a time');
SELECT results_eq('SELECT * FROM loyalty.message_expire()', 'VALUES (1, false)', 'and the other');
SELECT is(pg_temp.state('x1') || ' ' || pg_temp.state('x2') || ' ' || pg_temp.state('x3'), 'expired 0 expired 0 queued 0', 'those that are over');
SET loyalty.now = '2026-01-11 03:20+00';
SELECT results_eq('SELECT * FROM loyalty.message_expire()', 'VALUES (0, false)', 'what is being delivered is left to its consumer');
SET loyalty.now = '2026-01-11 03:30+00';
SELECT is(pg_temp.took('plain'), '-', 'one that is over is not given out, expired or not');
SELECT is(pg_temp.state('x3') || ' ' || pg_temp.state('x4'), 'expired 0 expired 1', 'it is expired then');
SELECT throws_ok('SELECT loyalty.message_expire(0)', '22023', NULL, 'a batch of none');

-- Cancelling
SELECT pg_temp.put('ann', 'plain', 'c1'), pg_temp.put('ann', 'plain', 'c2', priority => 9);
SELECT is(pg_temp.took('plain', 1), 'c2', 'one is being delivered');
SELECT is(loyalty.message_cancel(pg_temp.id('ann'), pg_temp.msg('c1')), true, 'the other is cancelled');
SELECT is(loyalty.message_cancel(pg_temp.id('ann'), pg_temp.msg('c1')), false, 'once');
SELECT is(loyalty.message_cancel(pg_temp.id('ann'), pg_temp.msg('c2')), false, 'too late');
SELECT is(pg_temp.done('c2'), true, 'which is delivered');
SELECT throws_ok(format('SELECT loyalty.message_cancel(%s, 999)', pg_temp.id('ann')), 'LY441', NULL, 'one that is not there');

-- Who has left is told nothing more
SELECT pg_temp.put('fay', 'plain', 'bye');
SELECT loyalty.member_close(pg_temp.id('fay'), 'left');
SELECT is(pg_temp.took('plain') || ' ' || pg_temp.state('bye'), '- suppressed 0 member_closed', 'a member who was closed meanwhile');

-- Feedback
SELECT pg_temp.put('bob', 'plain', 'told') AS told \gset
CREATE FUNCTION pg_temp.told(kind text, at timestamptz DEFAULT NULL) RETURNS boolean LANGUAGE sql AS $$
	SELECT loyalty.message_feedback(pg_temp.id('bob'), pg_temp.msg('told'), kind, at)
$$;
SELECT throws_ok($$SELECT pg_temp.told('delivered')$$, 'LY442', NULL, 'of one that was not sent nothing can be told');
SELECT is(pg_temp.took('plain'), 'told', 'taken');
SELECT is(pg_temp.told('delivered', '2026-01-11 03:29+00'), true, 'delivered');
SELECT is(pg_temp.told('delivered'), false, 'once');
SELECT is(pg_temp.told('opened') AND pg_temp.told('clicked'), true, 'opened and clicked');
SELECT is(pg_temp.told('unsubscribed'), true, 'unsubscribed');
SELECT is_empty('SELECT FROM loyalty.consent', 'from what needs no consent, so that none is withdrawn');
SELECT is(pg_temp.state('told'), 'taken 1', 'none of it says that it is done');
SELECT throws_ok($$SELECT pg_temp.told('lost')$$, '22023', NULL, 'a kind that there is not');
SELECT throws_ok($$SELECT pg_temp.told(NULL)$$, '22004', NULL, 'no kind');
SELECT throws_ok($$SELECT pg_temp.told('bounced', 'infinity')$$, 'LY107', NULL, 'never');
SELECT throws_ok($$SELECT pg_temp.told('bounced', '2026-02-01')$$, 'LY108', NULL, 'not yet');
SELECT throws_ok('UPDATE loyalty.message_feedback SET at = now()', 'LY190', NULL, 'it is not changed');
SELECT is(pg_temp.told('bounced') AND pg_temp.state('told') = 'dead 1 bounced', true, 'a bounce ends it');
SELECT is(pg_temp.done('told'), false, 'whatever is said later');

SELECT results_eq($$SELECT sum(messages), sum(taken), sum(done), sum(delivered), sum(opened), sum(clicked), sum(bounced), sum(unsubscribed), sum(suppressed), sum(expired) FROM loyalty.report_message
	WHERE program = 'Shop' AND day = '2026-01-11'$$, $$VALUES (8::numeric, 3::numeric, 1::numeric, 1::numeric, 1::numeric, 1::numeric, 1::numeric, 1::numeric, 1::numeric, 4::numeric)$$, 'the funnel of that day');
SELECT results_eq($$SELECT status, sum(messages) FROM loyalty.message_status GROUP BY status ORDER BY status$$, $$SELECT status, count(*)::numeric FROM loyalty.message GROUP BY status ORDER BY status$$, 'what is in the outbox');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
