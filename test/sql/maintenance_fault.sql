\set ECHO none
\i test/prelude.sql
-- One member, or one programme, that fails holds up no other: in the jobs that look at
-- all members of a programme, or at all programmes.
SELECT plan(27);

CREATE FUNCTION pg_temp.batch(job text, batch int DEFAULT 100) RETURNS text LANGUAGE sql AS $$
	SELECT format('%s %s', done, left_over) FROM loyalty.maintain_batch(job, batch)
$$;
-- A programme that fails as a whole
CREATE FUNCTION pg_temp.broken() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.program_id = (SELECT program_id FROM loyalty.program WHERE name = TG_ARGV[0]) THEN
		RAISE EXCEPTION 'broken';
	END IF;
	RETURN NEW;
END
$$;

SET loyalty.now = '2026-01-10 12:00+00';
SELECT loyalty.program_create('Shanghai', 'CNY', 'Asia/Shanghai') AS shanghai, loyalty.program_create('Paris', 'EUR', 'Europe/Paris') AS paris \gset
UPDATE loyalty.unit SET expiry = 'end_of_month', expiry_count = 0 WHERE code = 'points';
CALL pg_temp.enroll('Shanghai', 'ann', 'bob', 'cat');
CALL pg_temp.enroll('Paris', 'dan');
SELECT FROM unnest('{ann,bob,cat,dan}'::text[]) name, loyalty.purchase(pg_temp.id(name), 100, name || 1);
SELECT FROM loyalty.message_channels('Shanghai');
SELECT FROM loyalty.message_channels('Paris');
CALL loyalty.maintain();

-- Scan: bob's wallet has a unit that there is not.
SELECT wallet AS sound, member_id AS bob FROM loyalty.account WHERE member_id = pg_temp.id('bob') \gset
UPDATE loyalty.account SET wallet = '{9999 - 2026-01-31 e 10}' WHERE member_id = :bob;
INSERT INTO loyalty.automation (program_id, name, status, trigger_kind, trigger_name, days)
VALUES (:shanghai, 'guide', 'live', 'date', 'joined', 3), (:paris, 'guide', 'live', 'date', 'joined', 3);
SELECT is(pg_temp.batch('scan'), '4 f', 'scan: all are looked at');
SELECT results_eq($$SELECT i.value, a.due_on FROM loyalty.account a JOIN loyalty.identity i USING (member_id) ORDER BY 1$$,
	$$VALUES ('ann', date '2026-01-13'), ('bob', '2026-01-10'), ('cat', '2026-01-13'), ('dan', '2026-01-13')$$,
	'scan: who cannot be looked at is due today, the others when the automation says');
SELECT results_eq($$SELECT program_id, done_until FROM loyalty.automation_scan ORDER BY 1$$, format('VALUES (%s, NULL::bigint), (%s, NULL)', :shanghai, :paris), 'scan: it has ended');
SELECT is(pg_temp.batch('scan'), '0 f', 'scan: nothing is left');
SELECT is(pg_temp.batch('account'), '1 f', 'scan: he is left to job "account"');
SELECT results_eq('SELECT member_id, job FROM loyalty.maintenance_fault', format($$VALUES (%s::bigint, 'account')$$, :bob), 'scan: which notes him');
SELECT results_eq($$SELECT job, faults, programs FROM loyalty.maintenance_status WHERE faults > 0$$, $$VALUES ('account', 1::bigint, '{Shanghai}'::text[])$$, 'the monitoring sees of which programme he is');
SELECT is_empty('SELECT FROM loyalty.maintenance_status WHERE faults = 0 AND programs IS NOT NULL', 'and of the other jobs none');
UPDATE loyalty.account SET wallet = :'sound' WHERE member_id = :bob;
SET loyalty.now = '2026-01-13 12:00+00';
CALL loyalty.maintain();
SELECT set_eq($$SELECT i.value FROM loyalty.automation_run r JOIN loyalty.identity i USING (member_id)$$, '{ann,bob,cat,dan}'::text[], 'scan: when he is in order he misses nothing');

-- Scan: a programme fails as a whole.
CREATE TRIGGER broken BEFORE UPDATE ON loyalty.automation_scan FOR EACH ROW EXECUTE FUNCTION pg_temp.broken('Shanghai');
INSERT INTO loyalty.automation (program_id, name, status, trigger_kind, trigger_name, days)
VALUES (:shanghai, 'month', 'live', 'date', 'joined', 60), (:paris, 'month', 'live', 'date', 'joined', 5);
SELECT is(pg_temp.batch('scan'), '1 t', 'scan: the other programme is done');
SELECT is(due_on, '2026-01-15', 'scan: its member is due') FROM loyalty.account WHERE program_id = :paris;
SELECT throws_ok($$SELECT loyalty.automation_scan()$$, 'P0001', 'broken', 'scan: then it is raised');
SET client_min_messages = error;
CALL loyalty.maintain();
RESET client_min_messages;
SELECT is((SELECT error FROM loyalty.maintenance_status WHERE job = 'scan'), 'P0001: broken', 'scan: the monitoring sees it');
DROP TRIGGER broken ON loyalty.automation_scan;
SELECT is(pg_temp.batch('scan'), '3 f', 'scan: when it is mended its turn comes');

-- Period: bob cannot be settled. As if all had been asked for by another transaction, long ago
SET loyalty.now = '2026-02-02 12:00+00';
UPDATE loyalty.account SET wallet = '{9999 - 2026-01-31 e 10}' WHERE member_id = :bob;
SELECT loyalty.period_close('Shanghai', '2026-02-01'), loyalty.period_close('Paris', '2026-02-01') \g /dev/null
UPDATE loyalty.report_close SET asked_by = '3', xid = '3', others = '{}';
SELECT is(pg_temp.batch('period'), '1 f', 'period: the other programme is published');
SELECT results_eq('SELECT program_id, closed_at IS NOT NULL FROM loyalty.report_close ORDER BY 1', format('VALUES (%s, false), (%s, true)', :shanghai, :paris), 'period: his is closing');
SELECT results_eq($$SELECT member_id, sqlstate FROM loyalty.maintenance_fault WHERE job = 'period'$$, format($$VALUES (%s::bigint, 'LY902')$$, :bob), 'period: he is noted');
SELECT results_eq($$SELECT backlog, faults, programs FROM loyalty.maintenance_status WHERE job = 'period'$$, $$VALUES (1::bigint, 1::bigint, '{Shanghai}'::text[])$$, 'period: the monitoring sees which programme waits');
SELECT is((SELECT count(*) FROM loyalty.journal WHERE program_id = :shanghai AND kind = 'expire'), 2::bigint, 'period: the others of his programme are settled');
SELECT is(pg_temp.batch('period'), '0 f', 'period: it is left alone');
SELECT is(attempts, 1, 'period: and not tried') FROM loyalty.maintenance_fault WHERE job = 'period';
SELECT throws_ok($$SELECT loyalty.period_close('Shanghai', '2026-02-01')$$, 'LY902', NULL, 'period: who calls by hand is told why');
UPDATE loyalty.account SET wallet = :'sound' WHERE member_id = :bob;
SET loyalty.now = '2026-02-02 12:01+00';
-- Period: a programme fails as a whole.
SET loyalty.now = '2026-02-03 12:01+00';
SELECT loyalty.period_close('Paris', '2026-02-02') \g /dev/null
UPDATE loyalty.report_close SET asked_by = '3', xid = '3', others = '{}' WHERE closed_at IS NULL;
CREATE TRIGGER broken BEFORE INSERT ON loyalty.report_period FOR EACH ROW EXECUTE FUNCTION pg_temp.broken('Paris');
SELECT is(pg_temp.batch('period'), '1 f', 'period: when he is in order again it is published');
SELECT is_empty($$SELECT FROM loyalty.maintenance_fault WHERE job = 'period'$$, 'period: the note is gone');
SELECT throws_ok($$SELECT loyalty.period_publish()$$, 'P0001', 'broken', 'period: one that fails as a whole is raised when nothing else can be done');
DROP TRIGGER broken ON loyalty.report_period;
SELECT is(pg_temp.batch('period'), '1 f', 'period: when it is mended it is published');
CALL loyalty.maintain();
INSERT INTO loyalty.automation_step (automation_id, program_id, position, kind, wait) SELECT automation_id, program_id, 1, 'wait', '1 day' FROM loyalty.automation;
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
