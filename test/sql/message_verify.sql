\set ECHO none
\i test/prelude.sql

-- Each check of verify() that is about messages and consent finds what it is for.
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
SELECT loyalty.program_create('Other', 'CNY', 'Asia/Shanghai') AS other \gset
INSERT INTO loyalty.message_channel (program_id, name, quota, fallback, max_attempts) VALUES (:shop, 'b', NULL, NULL, 1), (:shop, 'a', 10, 'b', 1);
CALL pg_temp.enroll('Shop', 'ann', 'bob');
CALL pg_temp.enroll('Other', 'zoe');
SELECT loyalty.consent_give(pg_temp.id('ann'), 'marketing', 'a'), loyalty.consent_give(pg_temp.id('bob'), 'marketing');
SELECT loyalty.message_enqueue(pg_temp.id('ann'), 'a', 'done', purpose => 'marketing', dedupe_key => '1');
SELECT count(loyalty.message_done(member_id, message_id)) FROM loyalty.message_take('a');
SELECT count(loyalty.message_feedback(member_id, message_id, 'unsubscribed')) FROM loyalty.message;
SELECT loyalty.message_enqueue(pg_temp.id('bob'), 'a', 'dead', purpose => 'marketing');
SELECT count(loyalty.message_retry(member_id, message_id, 1, 'lost')) FROM loyalty.message_take('a');
SELECT loyalty.message_enqueue(pg_temp.id('ann'), 'a', 'taken');
SELECT count(*) FROM loyalty.message_take('a');
SELECT loyalty.message_enqueue(pg_temp.id('ann'), 'a', 'queued', dedupe_key => '2', expires_at => '2026-04-01');

CREATE FUNCTION pg_temp.found(change text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	codes text;
BEGIN
	SET LOCAL session_replication_role = replica;
	EXECUTE change;
	SELECT coalesce(string_agg(DISTINCT invariant, ' ' ORDER BY invariant), 'nothing')
	INTO codes FROM loyalty.verify('Shop');
	RAISE EXCEPTION USING ERRCODE = 'UNDO1';
EXCEPTION WHEN SQLSTATE 'UNDO1' THEN
	RETURN codes;
END
$$;

CREATE TEMP TABLE change (no int GENERATED ALWAYS AS IDENTITY, codes text, what text, sql text);
INSERT INTO change (codes, what, sql) VALUES
	('nothing', 'no change', 'SELECT'),
	('message_state report_message_differs', 'a status that there is not', $$UPDATE loyalty.message SET status = 'lost' WHERE template = 'done'$$),
	('message_state', 'queued, and ended', $$UPDATE loyalty.message SET ended_at = now() WHERE template = 'queued'$$),
	('message_state', 'done, and never ended', $$UPDATE loyalty.message SET ended_at = NULL WHERE template = 'done'$$),
	('message_state', 'done, and never taken', $$UPDATE loyalty.message SET attempts = 0 WHERE template = 'done'$$),
	('message_state', 'taken by nobody', $$UPDATE loyalty.message SET attempts = 0 WHERE template = 'taken'$$),
	('message_state', 'taken less than never', $$UPDATE loyalty.message SET attempts = -1 WHERE template = 'queued'$$),
	('message_state', 'taken at no time', $$UPDATE loyalty.message SET taken_at = NULL WHERE template = 'taken'$$),
	('message_state', 'more than urgent', $$UPDATE loyalty.message SET priority = 10 WHERE template = 'queued'$$),
	('message_state', 'parameters that are none', $$UPDATE loyalty.message SET params = '[]' WHERE template = 'queued'$$),
	('message_state', 'over before it was there', $$UPDATE loyalty.message SET expires_at = created_at WHERE template = 'queued'$$),
	('message_dedupe', 'a key that was known', $$DROP INDEX loyalty.message_dedupe_key_idx; UPDATE loyalty.message SET dedupe_key = '1' WHERE template = 'queued'$$),
	('message_fallback', 'instead of nothing', $$UPDATE loyalty.message SET fallback_of = 1 WHERE template = 'queued'$$),
	('message_fallback', 'instead of what came later', $$UPDATE loyalty.message SET fallback_of = message_id WHERE template = 'queued'$$),
	('message_fallback report_message_differs', 'another way that is the same', $$UPDATE loyalty.message SET channel = 'a' WHERE fallback_of IS NOT NULL$$),
	('message_fallback report_message_differs', 'twice', $$INSERT INTO loyalty.message (member_id, message_id, created_at, due_at, program_id, fallback_of, channel, template)
		SELECT member_id, loyalty.next_id(), created_at, due_at, program_id, fallback_of, channel, template FROM loyalty.message WHERE fallback_of IS NOT NULL$$),
	('message_run', 'of a run that there was not', $$UPDATE loyalty.message SET run_id = 1, automation_id = 1 WHERE template = 'queued'$$),
	('message_run', 'of an automation, and of no run', $$UPDATE loyalty.message SET automation_id = 1 WHERE template = 'queued'$$),
	('message_consent', 'to one who never agreed', $$DELETE FROM loyalty.consent WHERE member_id = pg_temp.id('bob')$$),
	('message_consent', 'to one who agreed later', $$UPDATE loyalty.consent SET at = at + interval '1 second' WHERE member_id = pg_temp.id('bob')$$),
	('message_consent', 'to one who agreed to something else', $$UPDATE loyalty.consent SET purpose = 'research' WHERE member_id = pg_temp.id('bob')$$),
	('message_consent', 'to one who agreed to another channel', $$UPDATE loyalty.consent SET channel = 'b' WHERE given AND member_id = pg_temp.id('ann')$$),
	('message_feedback', 'of no message', $$INSERT INTO loyalty.message_feedback SELECT member_id, 1, 'opened', program_id, now() FROM loyalty.member WHERE member_id = pg_temp.id('ann')$$),
	('message_feedback report_message_differs', 'nothing that is known', $$UPDATE loyalty.message_feedback SET kind = 'eaten'$$),
	('message_feedback', 'unsubscribed, and still agreed', $$DELETE FROM loyalty.consent WHERE NOT given$$),
	('message_quota', 'less than none', $$UPDATE loyalty.message_quota SET taken = -1$$),
	('message_quota', 'of no channel', $$UPDATE loyalty.message_quota SET channel = 'pigeon'$$),
	('message_unknown report_message_differs', 'a channel that is gone', $$UPDATE loyalty.message SET channel = 'pigeon' WHERE template = 'queued'$$),
	('message_unknown', 'another programme''s member', $$UPDATE loyalty.message SET member_id = pg_temp.id('zoe') WHERE template = 'queued'$$),
	('message_unknown', 'a member who is gone', $$UPDATE loyalty.message SET member_id = 999 WHERE template = 'queued'$$),
	('consent_unknown', 'another programme''s member', format($$INSERT INTO loyalty.consent VALUES (pg_temp.id('zoe'), 1, %s, 'marketing', NULL, true, now(), NULL, 'me')$$, :shop)),
	('consent_unknown', 'a channel that is gone', format($$INSERT INTO loyalty.consent VALUES (pg_temp.id('ann'), 1, %s, 'marketing', 'pigeon', true, now(), NULL, 'me')$$, :shop)),
	('config_reference', 'a fallback that is gone', $$UPDATE loyalty.message_channel SET fallback = 'pigeon' WHERE name = 'b'$$),
	('sequence_behind', 'ids that will come again', $$UPDATE loyalty.message SET message_id = message_id + 1000000 WHERE template = 'queued'$$),
	('sequence_behind', 'and those of consent', $$UPDATE loyalty.consent SET consent_id = consent_id + 1000000$$);
SELECT plan(2 + count(*)::int) FROM change;
SELECT is(pg_temp.found(sql), codes, what) FROM change ORDER BY no;
-- a whole programme's channels without the programme
CREATE FUNCTION pg_temp.all_found(change text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL session_replication_role = replica;
	EXECUTE change;
	RETURN EXISTS (SELECT FROM loyalty.verify() WHERE invariant = 'config_reference' AND detail LIKE 'channel=%');
END
$$;
SELECT is(pg_temp.all_found($$INSERT INTO loyalty.message_channel (program_id, name) VALUES (999, 'a')$$), true, 'a channel of no programme');
DELETE FROM loyalty.message_channel WHERE program_id = 999;
SELECT is_empty('SELECT * FROM loyalty.verify()', 'and when all is undone the books are right');
SELECT * FROM finish();
ROLLBACK;
