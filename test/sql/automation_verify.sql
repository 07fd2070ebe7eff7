\set ECHO none
\i test/prelude.sql

-- Each check of verify() that is about automations finds what it is for.
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
SELECT loyalty.program_create('Other', 'CNY', 'Asia/Shanghai') AS other \gset
INSERT INTO loyalty.automation (program_id, name, trigger_kind, trigger_name) VALUES (:shop, 'thanks', 'event', 'purchase');
INSERT INTO loyalty.automation_step (automation_id, program_id, position, kind, unit_id, amount)
SELECT a.automation_id, :shop, 1, 'award', u.unit_id, 5 FROM loyalty.automation a, loyalty.unit u WHERE u.program_id = :shop AND u.code = 'points';
INSERT INTO loyalty.automation_step (automation_id, program_id, position, kind, wait)
SELECT automation_id, :shop, 2, 'wait', '1 day' FROM loyalty.automation;
SELECT loyalty.automation_start('Shop', 'thanks');
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 10, 'o1');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 10, 'o1');
SELECT FROM loyalty.automation_run_due();
SELECT FROM loyalty.refund(pg_temp.id('bob'), 'o1');
SELECT FROM loyalty.automation_run_due();
SELECT FROM loyalty.award(pg_temp.id('cat'), 3, 'points', 'test', key => 'a1');

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
	('automation_without_steps', 'live, with nothing to do', $$DELETE FROM loyalty.automation_step$$),
	('nothing', 'a draft with nothing to do', $$DELETE FROM loyalty.automation_step; UPDATE loyalty.automation SET status = 'draft'$$),
	('automation_run_of', 'a run of no automation', $$UPDATE loyalty.automation_run SET automation_id = 999 WHERE status = 'waiting'$$),
	('automation_run_of', 'a run that no row of the journal started', $$UPDATE loyalty.automation_run SET journal_id = 999 WHERE status = 'waiting'$$),
	('automation_gave automation_run_of report_sum_differs', 'a run of nobody', $$UPDATE loyalty.automation_run SET member_id = 999, journal_id = NULL WHERE status = 'waiting'$$),
	('automation_run_state', 'a status that there is not', $$UPDATE loyalty.automation_run SET status = 'lost' WHERE status = 'waiting'$$),
	('automation_run_state', 'it waits for ever', $$UPDATE loyalty.automation_run SET due_at = NULL WHERE status = 'waiting'$$),
	('automation_run_state', 'done at no time', $$UPDATE loyalty.automation_run SET status = 'done', due_at = NULL WHERE status = 'waiting'$$),
	('automation_run_state', 'failed for no reason', $$UPDATE loyalty.automation_run SET status = 'failed', due_at = NULL, finished_at = triggered_at WHERE status = 'waiting'$$),
	('automation_run_state', 'skipped after a step', $$UPDATE loyalty.automation_run SET status = 'skipped', reason = 'late', due_at = NULL, finished_at = triggered_at WHERE status = 'waiting'$$),
	('automation_run_state', 'a goal before the start', $$UPDATE loyalty.automation_run SET goal_at = triggered_at - interval '1 day' WHERE status = 'waiting'$$),
	('automation_run_state', 'a log that is none', $$UPDATE loyalty.automation_run SET log = '{}' WHERE status = 'waiting'$$),
	('automation_gave', 'an award that is not its own', $$UPDATE loyalty.automation_run SET log = jsonb_set(log, '{0,position}', '7') WHERE status = 'waiting'$$),
	('automation_undone', 'an award that was not taken back', $$UPDATE loyalty.automation_run SET status = 'undone', reason = 'refunded', due_at = NULL, finished_at = triggered_at WHERE status = 'waiting'$$),
	('award_undone', 'taken back, of what is no award', $$UPDATE loyalty.journal SET kind = 'given', request_hash = NULL WHERE kind = 'award' AND member_id = pg_temp.id('bob')$$),
	('award_undone', 'taken back twice', $$INSERT INTO loyalty.journal SELECT j.member_id, loyalty.next_id(), effective_at, recorded_at, amount, hold_id, other_member_id, program_id, unit_id, tier_before, tier_after, kind, event, NULL, ref, reverses, channel, store, staff, actor, reason, request_hash, outcome FROM loyalty.journal j WHERE kind = 'award_undo'$$);

SELECT plan(count(*)::int + 1) FROM change;
SELECT is(pg_temp.found(sql), codes, codes || ': ' || what) FROM change ORDER BY no;
SELECT is_empty('SELECT * FROM loyalty.verify()', 'verify()');
SELECT * FROM finish();
ROLLBACK;
