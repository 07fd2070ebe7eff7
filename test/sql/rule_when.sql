\set ECHO none
\i test/prelude.sql
SELECT plan(171);

-- Clocks in London: 2025-03-30 01:00 becomes 02:00, 2025-10-26 02:00 becomes 01:00. 14 March 2026 is a Saturday.
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind) VALUES (:shop, 'points', 'points');
CALL pg_temp.enroll('Shop', 'ann');
INSERT INTO loyalty.calendar_day (program_id, calendar, day, name) VALUES
	(:shop, 'holidays', '2025-12-25', 'Christmas'), (:shop, 'holidays', '2025-12-26', 'Boxing Day'), (:shop, 'other', '2025-12-24', NULL);

-- One event per rule, so that each is looked at alone
CREATE TEMP TABLE rule (event text PRIMARY KEY, settings jsonb);
INSERT INTO rule VALUES
	('weekend', '{"days_of_week": "{6,7}"}'),
	('sunday', '{"days_of_week": "{7}"}'),
	('second_tuesday', '{"days_of_week": "{2}", "weeks_of_month": "{2}"}'),
	('last_friday', '{"days_of_week": "{5}", "weeks_of_month": "{-1}"}'),
	('first_or_fifth', '{"days_of_week": "{5,7}", "weeks_of_month": "{1,5}"}'),
	('month_ends', '{"days_of_month": "{1,-1}"}'),
	('day_31', '{"days_of_month": "{31}"}'),
	('saturday_14', '{"days_of_week": "{6}", "days_of_month": "{14}"}'),
	('holiday', '{"calendar": "holidays"}'),
	('office', '{"time_from": "09:00", "time_until": "17:00"}'),
	('night', '{"time_from": "22:00", "time_until": "02:00"}'),
	('evening', '{"time_from": "18:00", "time_until": "00:00"}'),
	('small_hours', '{"time_from": "01:30", "time_until": "02:30"}'),
	('valid', '{"valid_from": "2025-06-01 00:00+01", "valid_until": "2025-07-01 00:00+01"}');
INSERT INTO loyalty.program_event (program_id, event) SELECT :shop, event FROM rule;
SELECT FROM rule r, pg_temp.rule(r.settings || jsonb_build_object('event', r.event, 'name', r.event, 'award', 1));

-- When it applies: the time in UTC
CREATE TEMP TABLE probe (event text, at timestamptz, applies boolean, what text);
INSERT INTO probe VALUES
	('weekend', '2026-03-13 23:59:59.999999+00', false, 'Friday, the last microsecond'),
	('weekend', '2026-03-14 00:00+00', true, 'Saturday, the first'),
	('weekend', '2026-03-08 23:59:59.999999+00', true, 'Sunday, the last'),
	('weekend', '2026-03-09 00:00+00', false, 'Monday'),
	('weekend', '2025-07-11 22:59:59.999999+00', false, 'in summer, Friday'),
	('weekend', '2025-07-11 23:00+00', true, 'in summer, local Saturday'),
	('weekend', '2025-07-13 22:59:59.999999+00', true, 'in summer, Sunday'),
	('weekend', '2025-07-13 23:00+00', false, 'in summer, local Monday'),
	('sunday', '2025-03-29 23:59:59.999999+00', false, 'before the day of 23 hours'),
	('sunday', '2025-03-30 00:00+00', true, 'the day of 23 hours begins'),
	('sunday', '2025-03-30 22:59:59.999999+00', true, 'and is still there'),
	('sunday', '2025-03-30 23:00+00', false, 'and is over'),
	('sunday', '2025-10-25 22:59:59.999999+00', false, 'before the day of 25 hours'),
	('sunday', '2025-10-25 23:00+00', true, 'the day of 25 hours begins'),
	('sunday', '2025-10-26 23:59:59.999999+00', true, 'and is still there'),
	('sunday', '2025-10-27 00:00+00', false, 'and is over'),
	('second_tuesday', '2026-03-03 12:00+00', false, 'the first Tuesday'),
	('second_tuesday', '2026-03-10 12:00+00', true, 'the second'),
	('second_tuesday', '2026-02-17 12:00+00', false, 'the third'),
	('second_tuesday', '2026-03-11 12:00+00', false, 'a Wednesday of that week'),
	('second_tuesday', '2025-07-08 12:00+00', true, 'a month that begins with a Tuesday: the 8th'),
	('second_tuesday', '2025-07-01 12:00+00', false, 'and not the 1st'),
	('second_tuesday', '2025-12-09 12:00+00', true, 'the 9th'),
	('second_tuesday', '2025-01-14 12:00+00', true, 'the latest: the 14th'),
	('second_tuesday', '2025-07-07 23:00+00', true, 'local midnight'),
	('second_tuesday', '2025-07-08 23:00+00', false, 'and the end of the day'),
	('last_friday', '2026-01-30 12:00+00', true, 'a fifth Friday'),
	('last_friday', '2026-01-23 12:00+00', false, 'the one before'),
	('last_friday', '2026-02-27 12:00+00', true, 'a fourth Friday'),
	('last_friday', '2025-10-31 12:00+00', true, 'on the last day'),
	('last_friday', '2025-10-24 12:00+00', false, 'a week before the last day'),
	('last_friday', '2024-02-23 12:00+00', true, 'February with 29 days, a Thursday'),
	('last_friday', '2025-02-28 12:00+00', true, 'February with 28 days'),
	('first_or_fifth', '2026-01-02 12:00+00', true, 'the first Friday'),
	('first_or_fifth', '2026-01-04 12:00+00', true, 'the first Sunday'),
	('first_or_fifth', '2026-01-09 12:00+00', false, 'the second Friday'),
	('first_or_fifth', '2026-01-30 12:00+00', true, 'the fifth Friday'),
	('first_or_fifth', '2026-02-27 12:00+00', false, 'the last but not fifth Friday'),
	('first_or_fifth', '2026-01-03 12:00+00', false, 'the first Saturday'),
	('month_ends', '2026-02-28 12:00+00', true, '28 February'),
	('month_ends', '2026-02-27 12:00+00', false, '27 February'),
	('month_ends', '2024-02-29 12:00+00', true, '29 February'),
	('month_ends', '2024-02-28 12:00+00', false, '28 February of a leap year'),
	('month_ends', '2025-04-30 12:00+00', true, '30 April'),
	('month_ends', '2025-12-31 23:59:59.999999+00', true, 'the last of the year'),
	('month_ends', '2026-01-01 00:00+00', true, 'the first of the year'),
	('month_ends', '2026-01-02 00:00+00', false, 'the second'),
	('month_ends', '2025-07-30 22:59:59.999999+00', false, 'local 30 July'),
	('month_ends', '2025-07-30 23:00+00', true, 'local 31 July'),
	('month_ends', '2025-08-01 22:59:59.999999+00', true, 'local 1 August'),
	('month_ends', '2025-08-01 23:00+00', false, 'local 2 August'),
	('day_31', '2025-04-30 12:00+00', false, 'a month without it'),
	('day_31', '2025-05-31 12:00+00', true, 'a month with it'),
	('saturday_14', '2026-03-14 12:00+00', true, 'Saturday and the 14th'),
	('saturday_14', '2026-02-14 12:00+00', true, 'and in February'),
	('saturday_14', '2026-03-07 12:00+00', false, 'a Saturday'),
	('saturday_14', '2026-01-14 12:00+00', false, 'a 14th'),
	('holiday', '2025-12-24 23:59:59.999999+00', false, 'a day of another calendar'),
	('holiday', '2025-12-25 00:00+00', true, 'the first day'),
	('holiday', '2025-12-26 23:59:59.999999+00', true, 'the last day'),
	('holiday', '2025-12-27 00:00+00', false, 'the day after'),
	('holiday', '2024-12-25 12:00+00', false, 'the same day of another year'),
	('office', '2026-03-02 08:59:59.999999+00', false, 'before'),
	('office', '2026-03-02 09:00+00', true, 'the first microsecond'),
	('office', '2026-03-02 16:59:59.999999+00', true, 'the last'),
	('office', '2026-03-02 17:00+00', false, 'after'),
	('office', '2025-07-02 07:59:59.999999+00', false, 'in summer, before'),
	('office', '2025-07-02 08:00+00', true, 'in summer, the first microsecond'),
	('office', '2025-07-02 16:00+00', false, 'in summer, after'),
	('night', '2026-03-02 21:59:59.999999+00', false, 'over midnight: before'),
	('night', '2026-03-02 22:00+00', true, 'over midnight: from'),
	('night', '2026-03-03 00:00+00', true, 'over midnight: midnight'),
	('night', '2026-03-03 01:59:59.999999+00', true, 'over midnight: until'),
	('night', '2026-03-03 02:00+00', false, 'over midnight: after'),
	('evening', '2026-03-02 17:59:59.999999+00', false, 'until midnight: before'),
	('evening', '2026-03-02 23:59:59.999999+00', true, 'until midnight: the last microsecond'),
	('evening', '2026-03-03 00:00+00', false, 'until midnight: midnight'),
	('small_hours', '2025-03-30 00:59:59.999999+00', false, 'spring: 00:59:59 is before'),
	('small_hours', '2025-03-30 01:00+00', true, 'spring: then it is 02:00'),
	('small_hours', '2025-03-30 01:29:59.999999+00', true, 'spring: 02:29:59'),
	('small_hours', '2025-03-30 01:30+00', false, 'spring: 02:30'),
	('small_hours', '2025-10-26 00:29:59.999999+00', false, 'autumn: 01:29:59, the first time'),
	('small_hours', '2025-10-26 00:30+00', true, 'autumn: 01:30, the first time'),
	('small_hours', '2025-10-26 00:59:59.999999+00', true, 'autumn: 01:59:59, the first time'),
	('small_hours', '2025-10-26 01:00+00', false, 'autumn: then it is 01:00'),
	('small_hours', '2025-10-26 01:30+00', true, 'autumn: 01:30, the second time'),
	('small_hours', '2025-10-26 02:29:59.999999+00', true, 'autumn: 02:29:59'),
	('small_hours', '2025-10-26 02:30+00', false, 'autumn: 02:30'),
	('valid', '2025-05-31 22:59:59.999999+00', false, 'before it begins'),
	('valid', '2025-05-31 23:00+00', true, 'its first microsecond'),
	('valid', '2025-06-30 22:59:59.999999+00', true, 'its last'),
	('valid', '2025-06-30 23:00+00', false, 'after it has ended');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), p.event, at => p.at, ref => 'p' || p.at) r),
	CASE WHEN applies THEN '1 points' ELSE 'nothing' END, format('%s: %s', event, what))
FROM probe p;
SELECT is(
	(SELECT array_agg(DISTINCT a ->> 'reason' ORDER BY a ->> 'reason') FROM loyalty.journal j
	 JOIN loyalty.event_data d USING (member_id, journal_id), jsonb_array_elements(d.data -> 'awards') a
	 WHERE a ? 'reason' AND j.event <> 'valid'),
	'{not_in_time_window}', 'the reason: not_in_time_window');
SELECT is(
	(SELECT array_agg(a ->> 'reason' ORDER BY j.effective_at) FROM loyalty.journal j
	 JOIN loyalty.event_data d USING (member_id, journal_id), jsonb_array_elements(d.data -> 'awards') a
	 WHERE a ? 'reason' AND j.event = 'valid'),
	'{not_started,expired}', 'and not_started, expired');
-- A calendar that changes, changes the rule
INSERT INTO loyalty.calendar_day (program_id, calendar, day) VALUES (:shop, 'holidays', '2025-12-27');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'holiday', at => '2025-12-27 12:00+00') r), '1 points',
	'a new day in the calendar');

-- Birthdays and anniversaries
INSERT INTO loyalty.program_event (program_id, event) VALUES
	(:shop, 'birthday'), (:shop, 'birth_month'), (:shop, 'anniversary'), (:shop, 'anniversary_month');
SELECT FROM pg_temp.rule('{"event": "birthday", "birthday": "day", "award": 1}');
SELECT FROM pg_temp.rule('{"event": "birth_month", "birthday": "month", "award": 1}');
SELECT FROM pg_temp.rule('{"event": "anniversary", "anniversary": "day", "award": 1}');
SELECT FROM pg_temp.rule('{"event": "anniversary_month", "anniversary": "month", "award": 1}');
CREATE TEMP TABLE person (name text, born jsonb, joined timestamptz);
INSERT INTO person VALUES
	('may', '"1990-05-20"', '2023-05-20 12:00+00'),
	('leap', '"2000-02-29"', '2024-02-29 12:00+00'),
	('nameless_leap', '"--02-29"', '2023-02-28 12:00+00'),
	('sylvester', '"--12-31"', '2024-12-31 23:59:59.999999+00'),
	('baby', '"2025-05-20"', '2024-07-31 23:30+00'),
	('nobody', NULL, '2020-01-01 00:00+00'),
	('odd', '"1990-13-01"', '2020-01-01 00:00+00'),
	('odder', '"1990-02-30"', '2020-01-01 00:00+00'),
	('number', '19900520', '2020-01-01 00:00+00'),
	('word', '"20 May"', '2020-01-01 00:00+00'),
	('empty', '""', '2020-01-01 00:00+00'),
	('object', '{"day": 20}', '2020-01-01 00:00+00');
SELECT FROM person p, loyalty.enroll('Shop', jsonb_build_object('customer_no', p.name),
	CASE WHEN p.born IS NULL THEN '{}' ELSE jsonb_build_object('birthday', p.born) END, at => p.joined);
CREATE TEMP TABLE feast (name text, event text, at timestamptz, applies boolean, what text);
INSERT INTO feast VALUES
	('may', 'birthday', '2025-05-19 22:59:59.999999+00', false, 'the day before'),
	('may', 'birthday', '2025-05-19 23:00+00', true, 'local midnight'),
	('may', 'birthday', '2025-05-20 22:59:59.999999+00', true, 'the last microsecond'),
	('may', 'birthday', '2025-05-20 23:00+00', false, 'the day after'),
	('may', 'birth_month', '2025-04-30 22:59:59.999999+00', false, 'the last of April'),
	('may', 'birth_month', '2025-04-30 23:00+00', true, 'local 1 May'),
	('may', 'birth_month', '2025-05-31 22:59:59.999999+00', true, 'the last of May'),
	('may', 'birth_month', '2025-05-31 23:00+00', false, 'local 1 June'),
	('leap', 'birthday', '2024-02-28 12:00+00', false, '28 February of a leap year'),
	('leap', 'birthday', '2024-02-29 12:00+00', true, '29 February'),
	('leap', 'birthday', '2025-02-27 12:00+00', false, '27 February'),
	('leap', 'birthday', '2025-02-28 12:00+00', true, '28 February of another year'),
	('leap', 'birthday', '2025-03-01 00:00+00', false, '1 March of another year'),
	('leap', 'birth_month', '2025-02-01 00:00+00', true, 'February'),
	('leap', 'birth_month', '2025-03-01 00:00+00', false, 'March'),
	('nameless_leap', 'birthday', '2024-02-29 12:00+00', true, 'without a year, 29 February'),
	('nameless_leap', 'birthday', '2025-02-28 12:00+00', true, 'without a year, 28 February'),
	('sylvester', 'birthday', '2025-12-31 23:59:59.999999+00', true, 'the end of the year'),
	('sylvester', 'birthday', '2026-01-01 00:00+00', false, 'the new year'),
	('sylvester', 'birthday', '2025-12-31 00:00+00', true, 'the day begins'),
	('sylvester', 'birth_month', '2025-12-01 00:00+00', true, 'December'),
	('nobody', 'birthday', '2025-05-20 12:00+00', false, 'not known'),
	('nobody', 'birth_month', '2025-05-20 12:00+00', false, 'not known'),
	('odd', 'birthday', '2025-01-01 12:00+00', false, 'month 13'),
	('odder', 'birthday', '2025-02-28 12:00+00', false, '30 February'),
	('odder', 'birth_month', '2025-02-28 12:00+00', false, '30 February'),
	('number', 'birthday', '2025-05-20 12:00+00', false, 'a number'),
	('word', 'birth_month', '2025-05-20 12:00+00', false, 'in words'),
	('empty', 'birthday', '2025-05-20 12:00+00', false, 'empty'),
	('object', 'birthday', '2025-05-20 12:00+00', false, 'an object'),
	('may', 'anniversary', '2023-05-20 12:00+00', false, 'the day of joining itself'),
	('may', 'anniversary', '2024-05-19 22:59:59.999999+00', false, 'a year later, less a microsecond'),
	('may', 'anniversary', '2024-05-19 23:00+00', true, 'a year later'),
	('may', 'anniversary', '2025-05-20 22:59:59.999999+00', true, 'two years later'),
	('may', 'anniversary', '2025-05-20 23:00+00', false, 'and a day'),
	('may', 'anniversary_month', '2023-05-31 12:00+00', false, 'the month of joining itself'),
	('may', 'anniversary_month', '2024-04-30 23:00+00', true, 'a year later, the first day'),
	('may', 'anniversary_month', '2024-05-31 22:59:59.999999+00', true, 'a year later, the last day'),
	('may', 'anniversary_month', '2024-05-31 23:00+00', false, 'and then June'),
	('leap', 'anniversary', '2024-02-29 12:00+00', false, 'the leap day itself'),
	('leap', 'anniversary', '2025-02-28 12:00+00', true, 'a year after the leap day'),
	('leap', 'anniversary', '2025-03-01 12:00+00', false, 'not in March'),
	('leap', 'anniversary_month', '2026-02-01 12:00+00', true, 'two years later, February'),
	('nameless_leap', 'anniversary', '2024-02-28 12:00+00', true, 'joined on 28 February: of a leap year too'),
	('nameless_leap', 'anniversary', '2024-02-29 12:00+00', false, 'and not on the 29th'),
	('sylvester', 'anniversary', '2025-12-31 12:00+00', true, 'joined in the last microsecond of the year'),
	('sylvester', 'anniversary', '2026-01-01 12:00+00', false, 'and not a day later'),
	('sylvester', 'anniversary', '2025-01-01 12:00+00', false, 'nor in the first days of the next'),
	('baby', 'anniversary', '2025-07-31 22:59:59.999999+00', false, 'joined at 00:30 local time: the day before'),
	('baby', 'anniversary', '2025-07-31 23:00+00', true, 'joined at 00:30 local time: the day'),
	('baby', 'anniversary_month', '2025-07-15 12:00+00', false, 'joined at 00:30 local time: the month before'),
	('baby', 'anniversary_month', '2025-08-15 12:00+00', true, 'joined at 00:30 local time: the month');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id(f.name), f.event, at => f.at) r),
	CASE WHEN applies THEN '1 points' ELSE 'nothing' END, format('%s of %s: %s', event, name, what))
FROM feast f;
DELETE FROM loyalty.rule;

-- The first purchases, refunded or not
SELECT FROM pg_temp.rule('{"name": "first", "award": 10, "first_purchases": 1}');
SELECT FROM pg_temp.rule('{"name": "third", "award": 1, "first_purchases": 3}');
SELECT FROM pg_temp.rule('{"name": "newcomer", "event": "review", "award": 5, "first_purchases": 1}');
CALL pg_temp.enroll('Shop', 'bob');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('bob'), 'review') r), '5 points', 'first_purchases: before any');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 10, 'f1');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('bob'), 'review') r), '5 points', 'first_purchases: after the first');
SELECT FROM loyalty.refund(pg_temp.id('bob'), 'f1');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 10, 'f2');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('bob'), 'review') r), 'nothing', 'first_purchases: after the second');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 10, 'f3');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 10, 'f4');
SELECT is(string_agg(pg_temp.awards('bob', ref), '; ' ORDER BY ref),
	'first 10, third 1; first first_order_only, third 1; first first_order_only, third 1; first first_order_only, third first_order_only',
	'first_purchases: four purchases, the first refunded')
FROM unnest('{f1,f2,f3,f4}'::text[]) ref;
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.sale('Shop', '{"customer_no": "new"}', 10, 'f1') r), '11 points',
	'first_purchases: who joins by buying');
-- sale: the signup comes before the purchase
DELETE FROM loyalty.rule;

-- Days since the last purchase
SELECT FROM pg_temp.rule('{"event": "review", "name": "idle", "award": 1, "idle_from": 30, "idle_until": 60}');
SELECT FROM pg_temp.rule('{"event": "share", "name": "long", "award": 1, "idle_from": 61}');
SELECT FROM pg_temp.rule('{"event": "referral", "name": "soon", "award": 1, "idle_until": 7}');
SELECT FROM pg_temp.rule('{"event": "purchase", "name": "back", "award": 1, "idle_from": 30}');
CALL pg_temp.enroll('Shop', 'cat');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('cat'), 'review', at => '2025-05-31 12:00+00') r), 'nothing', 'idle: never bought');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('cat'), 10, 'i1', at => '2025-06-01 22:59:59+00') r), 'nothing',
	'idle: the first purchase comes after none');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('cat'), p.event, at => p.at) r),
	CASE WHEN applies THEN '1 points' ELSE 'nothing' END, format('idle: %s, %s', event, at))
FROM (VALUES
	('review', '2025-06-30 22:59:59.999999+00'::timestamptz, false),   -- 29 local days after 1 June
	('review', '2025-06-30 23:00+00', true),                           -- local 1 July: 30
	('review', '2025-07-31 22:59:59.999999+00', true),                 -- local 31 July: 60
	('review', '2025-07-31 23:00+00', false),                          -- 61
	('share', '2025-07-31 22:59:59.999999+00', false),
	('share', '2025-07-31 23:00+00', true),
	('share', '2026-03-01 12:00+00', true),
	('referral', '2025-06-01 22:59:59.5+00', true),                    -- the same day
	('referral', '2025-06-08 22:59:59.999999+00', true),               -- 7
	('referral', '2025-06-08 23:00+00', false)                         -- 8
) p (event, at, applies);
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('cat'), 10, 'i2', at => '2025-06-30 23:00+00') r), '1 points',
	'idle: back after 30 days; this purchase does not count as the last one');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('cat'), 10, 'i3', at => '2025-07-02 12:00+00') r), 'nothing',
	'idle: and again after one');

-- Another zone: what is Friday evening in London is Saturday in Auckland
SELECT loyalty.program_create('Kiwi', 'NZD', 'Pacific/Auckland', 'empty') AS kiwi \gset
INSERT INTO loyalty.unit (program_id, code, kind) VALUES (:kiwi, 'points', 'points');
SELECT FROM pg_temp.rule('{"event": "review", "award": 1, "days_of_week": "{6}", "time_until": "08:00", "time_from": "00:00"}');
CALL pg_temp.enroll('Kiwi', 'kim');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('kim'), 'review', at => p.at) r),
	CASE WHEN applies THEN '1 points' ELSE 'nothing' END, format('the programme''s zone: %s', at))
FROM (VALUES ('2026-03-13 10:59:59.999999+00'::timestamptz, false), ('2026-03-13 11:00+00', true),
	('2026-03-13 18:59:59.999999+00', true), ('2026-03-13 19:00+00', false)) p (at, applies);

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
