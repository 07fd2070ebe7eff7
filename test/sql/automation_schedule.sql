\set ECHO none
\i test/prelude.sql
-- What starts by the clock alone: schedules, and holds that are about to end.

SELECT plan(29);

SELECT loyalty.program_create('shop', 'CNY', 'Asia/Shanghai') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:shop, 'coins', 'points', 0);
CALL pg_temp.enroll('shop', 'ann', 'bob');
INSERT INTO loyalty.segment (program_id, name) VALUES (:shop, 'fans');
INSERT INTO loyalty.calendar_day (program_id, calendar, day) VALUES (:shop, 'holidays', '2026-05-01');

CREATE FUNCTION pg_temp.at(t text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('loyalty.now', t || '+08', true) $$;
CREATE FUNCTION pg_temp.keys(automation text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(b.key || to_char(b.triggered_at AT TIME ZONE 'Asia/Shanghai', ' HH24:MI'), ', ' ORDER BY b.triggered_at)
	FROM loyalty.automation_broadcast b JOIN loyalty.automation a USING (automation_id) WHERE a.name = $1
$$;
SELECT pg_temp.at('2026-03-01 00:00');
INSERT INTO loyalty.automation (program_id, name, status, trigger_kind, at_time, late_days, segment, on_date, days_of_week, days_of_month, calendar, calendar_days) VALUES
	(:shop, 'once', 'live', 'schedule', '10:00', 3, NULL, '2026-03-16', NULL, NULL, NULL, 0),
	(:shop, 'weekly', 'live', 'schedule', '18:30', 0, 'fans', NULL, '{1,4}', NULL, NULL, 0),
	(:shop, 'monthly', 'live', 'schedule', '09:00', 2, NULL, NULL, NULL, '{1,-1}', NULL, 0),
	(:shop, 'friday_13', 'live', 'schedule', '10:00', 0, NULL, NULL, '{5}', '{13}', NULL, 0),
	(:shop, 'holiday', 'live', 'schedule', '10:00', 0, NULL, NULL, NULL, NULL, 'holidays', 3),
	(:shop, 'after_it', 'live', 'schedule', '10:00', 0, NULL, NULL, NULL, NULL, 'holidays', -2),
	(:shop, 'never', 'draft', 'schedule', '10:00', 0, NULL, NULL, '{1,2,3,4,5,6,7}', NULL, NULL, 0);
INSERT INTO loyalty.automation (program_id, name, status, trigger_kind, at_time, late_days, days_of_week, starts_at, ends_at)
VALUES (:shop, 'spring', 'live', 'schedule', '10:00', 0, '{1,2,3,4,5,6,7}', '2026-03-03 10:00+08', '2026-03-05 10:00+08');
UPDATE loyalty.automation SET starts_at = loyalty.now() WHERE starts_at IS NULL;

SELECT pg_temp.at('2026-03-16 09:59:59');
SELECT results_eq('SELECT * FROM loyalty.automation_schedule()', 'VALUES (0, false)', 'nothing before its time');
SELECT pg_temp.at('2026-03-16 10:00');
SELECT results_eq('SELECT * FROM loyalty.automation_schedule()', 'VALUES (1, false)', 'a schedule that has come is announced');
SELECT results_eq('SELECT * FROM loyalty.automation_schedule()', 'VALUES (0, false)', 'once');
SELECT is(pg_temp.keys('once'), '2026-03-16 10:00', 'by its date');

-- An hour at a time, from March to May; by hand, 1 March is a Sunday.
DO $$
BEGIN
	FOR h IN 0 .. 24 * 65 LOOP
		PERFORM set_config('loyalty.now', ('2026-03-01 00:00+08'::timestamptz + make_interval(hours => h))::text, true);
		PERFORM loyalty.automation_schedule();
	END LOOP;
END
$$;
SELECT is((SELECT string_agg(to_char(triggered_at AT TIME ZONE 'Asia/Shanghai', 'Dy HH24:MI'), ', ' ORDER BY triggered_at)
	FROM (SELECT triggered_at FROM loyalty.automation_broadcast JOIN loyalty.automation USING (automation_id) WHERE name = 'weekly' ORDER BY 1 LIMIT 4) b),
	'Mon 18:30, Thu 18:30, Mon 18:30, Thu 18:30', 'on some days of the week');
SELECT is((SELECT count(*) || ' ' || count(DISTINCT key) || ' ' || min(key) || ' ' || max(key) FROM loyalty.automation_broadcast
	JOIN loyalty.automation USING (automation_id) WHERE name = 'weekly'), '19 19 2026-03-02 2026-05-04', 'each of them, none twice');
SELECT is(pg_temp.keys('monthly'), '2026-03-01 09:00, 2026-03-31 09:00, 2026-04-01 09:00, 2026-04-30 09:00, 2026-05-01 09:00',
	'the first and the last of the month');
SELECT is(pg_temp.keys('friday_13'), '2026-03-13 10:00', 'all that is given must be true');
SELECT is(pg_temp.keys('holiday'), '2026-04-28 10:00', 'days before a day of the calendar');
SELECT is(pg_temp.keys('after_it'), '2026-05-03 10:00', 'and after it');
SELECT is(pg_temp.keys('spring'), '2026-03-03 10:00, 2026-03-04 10:00', 'from its start, and not at its end');
SELECT is(pg_temp.keys('never'), NULL, 'a draft starts nothing');
SELECT is((SELECT DISTINCT segment FROM loyalty.automation_broadcast WHERE segment IS NOT NULL), 'fans', 'its segment is kept');

-- Missed days.
DELETE FROM loyalty.automation_broadcast;
SELECT pg_temp.at('2026-04-02 23:00');
SELECT results_eq('SELECT * FROM loyalty.automation_schedule(2)', 'VALUES (2, true)', 'as many as it may');
SELECT results_eq('SELECT * FROM loyalty.automation_schedule(2)', 'VALUES (1, false)', 'then the rest');
SELECT is(pg_temp.keys('monthly'), '2026-03-31 09:00, 2026-04-01 09:00', 'what was missed is made up for a while, with its date');
SELECT is(pg_temp.keys('once'), NULL, 'and then not any more');
SELECT is(pg_temp.keys('weekly'), '2026-04-02 18:30', 'a Thursday');

-- Holds: of a day's notice.
SELECT pg_temp.at('2026-06-01 12:00');
SELECT FROM loyalty.automation_schedule();
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 100, 'points', 'gift', key => 'a');
SELECT FROM loyalty.adjust(pg_temp.id('bob'), 100, 'coins', 'gift', key => 'a');
INSERT INTO loyalty.automation (program_id, name, status, trigger_kind, trigger_name, lead) VALUES
	(:shop, 'holds', 'live', 'hold_expiring', NULL, '1 day'), (:shop, 'coins', 'live', 'hold_expiring', 'coins', '1 hour');
SELECT hold_id AS long FROM loyalty.hold(pg_temp.id('ann'), 30, ttl => '3 days', key => 'long') \gset
SELECT hold_id AS short FROM loyalty.hold(pg_temp.id('ann'), 30, ttl => '20 hours', key => 'short') \gset
SELECT hold_id AS coin FROM loyalty.hold(pg_temp.id('bob'), 5, 'coins', ttl => '2 hours', key => 'coin') \gset
SELECT results_eq('SELECT * FROM loyalty.automation_schedule()', 'VALUES (0, false)', 'none ends soon but what is short anyway');
SELECT pg_temp.at('2026-06-01 13:00');
SELECT results_eq('SELECT * FROM loyalty.automation_schedule()', 'VALUES (1, false)', 'an hour before');
SELECT pg_temp.at('2026-06-03 12:00');
SELECT results_eq('SELECT * FROM loyalty.automation_schedule()', 'VALUES (1, false)', 'a day before');
SELECT results_eq('SELECT * FROM loyalty.automation_schedule()', 'VALUES (0, false)', 'once');
SELECT results_eq($$SELECT a.name, r.occurrence, r.triggered_at, r.trigger FROM loyalty.automation_run r JOIN loyalty.automation a USING (automation_id) ORDER BY 1$$,
	format($$VALUES ('coins', '%s', '2026-06-01 13:00+08'::timestamptz, '{"hold_id": "%s", "unit": "coins", "amount": 5, "expires_at": "2026-06-01 14:00"}'::jsonb),
		('holds', '%s', '2026-06-03 12:00+08', '{"hold_id": "%s", "unit": "points", "amount": 30, "expires_at": "2026-06-04 12:00"}')$$,
		:coin, :coin, :long, :long), 'with its facts');
UPDATE loyalty.automation SET once = 'ever' WHERE name = 'holds';
SELECT FROM loyalty.hold(pg_temp.id('ann'), 1, ttl => '2 days', key => 'next');
SELECT FROM loyalty.hold(pg_temp.id('ann'), 1, ttl => '2 days', key => 'last');
SELECT pg_temp.at('2026-06-04 13:00');
SELECT results_eq('SELECT * FROM loyalty.automation_schedule(1)', 'VALUES (1, true)', 'of one for ever');
SELECT results_eq('SELECT * FROM loyalty.automation_schedule(1)', 'VALUES (0, false)', 'there is one');
SELECT throws_ok('SELECT loyalty.automation_schedule(NULL)', '22004', NULL, 'no batch');
SELECT FROM loyalty.message_channels('shop');
INSERT INTO loyalty.automation_step (automation_id, position, program_id, kind, channel, template)
SELECT automation_id, 10, program_id, 'message', 'sms', 'news' FROM loyalty.automation;

-- Started at noon: the days before are not made up for, whose time was before it was there; a start that is given stays.
INSERT INTO loyalty.automation (program_id, name, trigger_kind, days_of_week, starts_at) VALUES
	(:shop, 'daily', 'schedule', '{1,2,3,4,5,6,7}', NULL), (:shop, 'since', 'schedule', '{1,2,3,4,5,6,7}', '2026-06-03 00:00+08');
INSERT INTO loyalty.automation_step (automation_id, position, program_id, kind, channel, template)
SELECT automation_id, 10, program_id, 'message', 'sms', 'news' FROM loyalty.automation WHERE name IN ('daily', 'since');
SELECT loyalty.automation_start('shop', name) FROM loyalty.automation WHERE name IN ('daily', 'since');
SELECT loyalty.automation_schedule();
SELECT is(pg_temp.keys('daily'), '2026-06-04 10:00', 'what is started makes up for no day before');
SELECT is(pg_temp.keys('since'), '2026-06-03 10:00, 2026-06-04 10:00', 'unless it says since when');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
