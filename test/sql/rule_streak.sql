\set ECHO none
\i test/prelude.sql
SELECT plan(68);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind) VALUES (:shop, 'points', 'points');
INSERT INTO loyalty.program_event (program_id, event, daily, makeup_days) VALUES
	(:shop, 'daily', true, 0), (:shop, 'kind', true, 3), (:shop, 'weekly', true, 7), (:shop, 'plain', false, 0);
SELECT throws_ok($$UPDATE loyalty.program_event SET makeup_days = 1 WHERE event = 'plain'$$, '23514', NULL, 'what is not daily is not made up for');
SELECT throws_ok($$UPDATE loyalty.program_event SET makeup_days = -1 WHERE event = 'daily'$$, '23514', NULL, 'not before it happens');
SELECT throws_ok($$UPDATE loyalty.program_event SET makeup_days = 367 WHERE event = 'daily'$$, '23514', NULL, 'nor after more than a year');
-- day n of a run earns 1, 1, 5, 5, 5, 5, 20, 20 ...
SELECT FROM unnest('{daily,kind,weekly,plain}'::text[]) event,
	pg_temp.rule(jsonb_build_object('event', event, 'name', 'step', 'kind', 'steps', 'base', 'streak', 'step_from', '{1,3,7}', 'step_award', '{1,5,20}'));

-- What it earned at that clock, or why it was refused
CREATE FUNCTION pg_temp.comes(name text, event text, clock timestamptz, at timestamptz DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	r loyalty.receipt;
BEGIN
	PERFORM set_config('loyalty.now', clock::text, true);
	SELECT * INTO r FROM loyalty.record(pg_temp.id(name), event, at => at, mode => 'try');
	RETURN CASE r.status WHEN 'done' THEN pg_temp.moved(r) ELSE r.reason END;
END
$$;
CREATE FUNCTION pg_temp.runs(name text, event text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT string_agg(started_on || ' to ' || last_on, ', ' ORDER BY started_on)
	FROM loyalty.streak s WHERE s.member_id = pg_temp.id(name) AND s.event = $2
$$;
SET loyalty.now = '2026-03-01 12:00+00';
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay');

-- Once a day, and the ladder
SELECT is(pg_temp.comes('ann', 'daily', at), came, format('daily: %s', at)) FROM (VALUES
	('2026-03-01 12:00+00'::timestamptz, '1 points'),
	('2026-03-01 23:59:59.999999+00', 'event_repeated'),
	('2026-03-02 00:00+00', '1 points'),
	('2026-03-03 23:59+00', '5 points'),
	('2026-03-04 00:00+00', '5 points'),
	('2026-03-04 00:00:00.000001+00', 'event_repeated'),
	('2026-03-05 12:00+00', '5 points'),
	('2026-03-06 12:00+00', '5 points'),
	('2026-03-07 12:00+00', '20 points'),
	('2026-03-08 12:00+00', '20 points'),
	-- the 9th is missed
	('2026-03-10 12:00+00', '1 points'),
	('2026-03-11 12:00+00', '1 points'),
	('2026-03-12 12:00+00', '5 points')) v (at, came);
SELECT is(pg_temp.runs('ann', 'daily'), '2026-03-01 to 2026-03-08, 2026-03-10 to 2026-03-12', 'daily: two runs');
SELECT is(pg_temp.comes('ann', 'kind', '2026-03-12 12:00+00'), '1 points', 'each event has runs of its own');
SELECT is(pg_temp.comes('bob', 'daily', '2026-03-12 12:00+00'), '1 points', 'and each member');
SELECT is(pg_temp.comes('ann', 'plain', '2026-03-12 12:00+00'), 'nothing', 'an event that is not daily has none');
SELECT is(pg_temp.comes('ann', 'plain', '2026-03-12 12:00+00'), 'nothing', 'and may happen twice');
SELECT throws_ok($$SELECT * FROM loyalty.record(pg_temp.id('ann'), 'daily')$$, 'LY405', NULL, 'a second time raises');
SELECT throws_ok($$SELECT * FROM loyalty.record(pg_temp.id('ann'), 'daily', at => '2026-03-11 12:00+00')$$, 'LY405', NULL, 'and so does yesterday');
SELECT is((SELECT reason FROM loyalty.record(pg_temp.id('ann'), 'daily', mode => 'dry')), 'event_repeated', 'and a dry run tells');

-- A key replays, before anything is refused
SET loyalty.now = '2026-03-20 12:00+00';
SELECT is((SELECT replayed FROM loyalty.record(pg_temp.id('bob'), 'daily', key => 'k1')), false, 'a key: the first time');
SELECT is((SELECT replayed FROM loyalty.record(pg_temp.id('bob'), 'daily', key => 'k1')), true, 'a key: replays');
SELECT throws_ok($$SELECT * FROM loyalty.record(pg_temp.id('bob'), 'daily', key => 'k2')$$, 'LY405', NULL, 'another key does not');

-- Days of 23 and of 25 hours
SELECT is(pg_temp.comes('cat', 'daily', at), came, format('daily, clocks change: %s', at)) FROM (VALUES
	('2026-03-28 12:00+00'::timestamptz, '1 points'),
	('2026-03-29 00:00+00', '1 points'),
	('2026-03-29 22:59:59.999999+00', 'event_repeated'),
	('2026-03-29 23:00+00', '5 points'),
	('2026-10-24 22:59:59+00', '1 points'),
	('2026-10-24 23:00+00', '1 points'),
	('2026-10-25 23:59:59.999999+00', 'event_repeated'),
	('2026-10-26 00:00+00', '5 points')) v (at, came);
-- over the end of a month, of February, and of a year
SELECT is(pg_temp.comes('dan', 'daily', at), came, format('daily, month ends: %s', at)) FROM (VALUES
	('2027-12-31 12:00+00'::timestamptz, '1 points'), ('2028-01-01 12:00+00', '1 points'), ('2028-01-02 12:00+00', '5 points'),
	('2028-02-28 12:00+00', '1 points'), ('2028-02-29 12:00+00', '1 points'), ('2028-03-01 12:00+00', '5 points')) v (at, came);
SELECT is(pg_temp.runs('dan', 'daily'), '2027-12-31 to 2028-01-02, 2028-02-28 to 2028-03-01', 'daily, month ends: two runs');

-- Made up for: days 1, 2, 4 and 5 of April; then the 3rd, on the 6th, as its third day
SELECT is(pg_temp.comes('eve', 'kind', clock, at), came, what) FROM (VALUES
	('2029-04-01 12:00+00'::timestamptz, NULL::timestamptz, '1 points', 'made up for: day 1'),
	('2029-04-02 12:00+00', NULL, '1 points', 'day 2'),
	('2029-04-04 12:00+00', NULL, '1 points', 'day 4, a new run'),
	('2029-04-05 12:00+00', NULL, '1 points', 'day 5'),
	('2029-04-06 12:00+00', '2029-04-02 12:00+00', 'event_repeated', 'day 2 is there, and too old'),
	('2029-04-06 12:00+00', '2029-04-05 12:00+00', 'event_repeated', 'day 5 is there'),
	('2029-04-06 22:59:59+00', '2029-04-02 23:00+00', '5 points', 'day 3, of local midnight, three days later: the third of its run'),
	('2029-04-06 22:59:59+00', NULL, '5 points', 'day 6 is the sixth'),
	('2029-04-07 12:00+00', NULL, '20 points', 'day 7 is the seventh'),
	('2029-04-10 12:00+00', '2029-04-06 12:00+00', 'event_repeated', 'too late for day 6'),
	('2029-04-11 12:00+00', '2029-04-07 12:00+00', 'event_repeated', 'four days later it is too late, whatever day it was'),
	('2029-04-11 12:00+00', '2029-04-08 12:00+00', '20 points', 'three days later it is not: the eighth'),
	('2029-04-11 12:00+00', '2029-04-10 12:00+00', '1 points', 'a day that joins nothing'),
	('2029-04-11 12:00+00', '2029-04-09 12:00+00', '20 points', 'a day that joins the runs on both sides: the ninth'),
	('2029-04-11 12:00+00', NULL, '20 points', 'and today is the eleventh')) v (clock, at, came, what);
SELECT is(pg_temp.runs('eve', 'kind'), '2029-04-01 to 2029-04-11', 'made up for: one run');
-- backwards: each day becomes the first of the run
SELECT is(pg_temp.comes('fay', 'weekly', '2029-04-20 12:00+00', at), came, format('backwards: %s', at)) FROM (VALUES
	(NULL::timestamptz, '1 points'), ('2029-04-19 12:00+00', '1 points'), ('2029-04-18 12:00+00', '1 points'),
	('2029-04-13 12:00+00', '1 points'), ('2029-04-12 12:00+00', 'event_repeated')) v (at, came);
SELECT is(pg_temp.runs('fay', 'weekly'), '2029-04-13 to 2029-04-13, 2029-04-18 to 2029-04-20', 'backwards: runs');

-- A dry run leaves no trace
SELECT pg_temp.state() AS before \gset
SELECT FROM loyalty.record(pg_temp.id('ann'), 'daily', mode => 'dry');
SELECT is(pg_temp.state(), :'before', 'a dry run leaves no trace');
-- The day is recorded as the base
SELECT FROM loyalty.record(pg_temp.id('ann'), 'daily', ref => 'd1');
SELECT is((SELECT a - 'rule' - 'version' FROM loyalty.journal JOIN loyalty.event_data d USING (member_id, journal_id),
	jsonb_array_elements(d.data -> 'awards') a WHERE ref = 'd1'), '{"base": 1, "granted": 1}', 'the day of the run is the base');

-- The templates: check_in is daily
SELECT loyalty.program_create('Retail', 'GBP', 'Europe/London') AS retail \gset
SELECT is((SELECT string_agg(event, ',') FROM loyalty.program_event WHERE program_id = :retail AND daily), 'check_in', 'template basic: check_in is daily');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
