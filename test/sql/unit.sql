\set ECHO none
\i test/prelude.sql
SELECT plan(67);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset

-- What a unit may be
PREPARE unit(text, text, int) AS
	INSERT INTO loyalty.unit (program_id, code, kind, scale)
	SELECT program_id, $1, $2, $3 FROM loyalty.program WHERE name = 'Shop';
SELECT lives_ok($$EXECUTE unit('miles', 'points', 0)$$, 'points without decimals');
SELECT lives_ok($$EXECUTE unit('cash', 'money', 2)$$, 'money with two decimals');
SELECT lives_ok($$EXECUTE unit('nights', 'metric', 0)$$, 'a metric');
SELECT throws_ok($$EXECUTE unit('miles', 'points', 0)$$, '23505', NULL, 'a code is used once in a programme');
SELECT throws_ok($$EXECUTE unit('Miles', 'points', 0)$$, '23514', NULL, 'a code is a word in lower case');
SELECT throws_ok($$EXECUTE unit('x', 'gold', 0)$$, '23514', NULL, 'an unknown kind');
SELECT throws_ok($$EXECUTE unit('x', 'points', -1)$$, '23514', NULL, 'fewer than no decimals');
SELECT throws_ok($$EXECUTE unit('x', 'points', 5)$$, '23514', NULL, 'five decimals');

-- Settings that do not fit together
CREATE TEMP TABLE misfit (code text, setting text, why text);
INSERT INTO misfit VALUES
	('miles', $$expiry = 'months'$$, 'an expiry without its count'),
	('miles', $$expiry_count = 3$$, 'a count without its expiry'),
	('miles', $$expiry = 'weeks', expiry_count = 3$$, 'an unknown expiry'),
	('miles', $$expiry = 'days', expiry_count = -1$$, 'an expiry before the day it was earned'),
	('miles', $$vest_days = -1$$, 'vesting before the day it was earned'),
	('miles', $$debt_policy = 'ask'$$, 'an unknown debt policy'),
	('miles', $$refund = 'none'$$, 'an unknown refund policy'),
	('miles', $$return_policy = 'grace'$$, 'grace without its days'),
	('miles', $$grace_days = 30$$, 'days without grace'),
	('miles', $$return_policy = 'grace', grace_days = 0$$, 'a grace of no day'),
	('miles', $$vest_days = 1, expiry = 'days', expiry_count = 0$$, 'lapses before it vests: the same day'),
	('miles', $$vest_days = 30, expiry = 'days', expiry_count = 29$$, 'lapses before it vests: 29 days'),
	('miles', $$vest_days = 29, expiry = 'months', expiry_count = 1$$, 'lapses before it vests: a month, which may have 28 days'),
	('miles', $$vest_days = 1, expiry = 'end_of_month', expiry_count = 0$$, 'lapses before it vests: this month, which may end today'),
	('miles', $$vest_days = 29, expiry = 'end_of_month', expiry_count = 1$$, 'lapses before it vests: the next month'),
	('miles', $$vest_days = 1, expiry = 'end_of_year', expiry_count = 0$$, 'lapses before it vests: this year, which may end today'),
	('miles', $$vest_days = 366, expiry = 'end_of_year', expiry_count = 1$$, 'lapses before it vests: the next year'),
	('miles', $$window_months = 12$$, 'a window of what is not a metric'),
	('nights', $$window_months = 0$$, 'a window of no month'),
	('nights', $$vest_days = 1$$, 'a metric that vests'),
	('nights', $$expiry = 'end_of_year', expiry_count = 0$$, 'a metric that lapses');
SELECT throws_ok(format('UPDATE loyalty.unit SET %s WHERE code = %L', setting, code), '23514', NULL, why)
FROM misfit;

-- What vests on the last day of use at the latest
SELECT lives_ok(format('UPDATE loyalty.unit SET %s WHERE code = %L', setting, 'miles'), 'vests before it lapses: ' || setting)
FROM unnest(ARRAY[$$vest_days = 30, expiry = 'days', expiry_count = 30$$, $$vest_days = 28, expiry = 'months', expiry_count = 1$$,
	$$vest_days = 28, expiry = 'end_of_month', expiry_count = 1$$, $$vest_days = 365, expiry = 'end_of_year', expiry_count = 1$$,
	$$vest_days = 3650, expiry = 'never', expiry_count = NULL$$]) setting;
UPDATE loyalty.unit SET vest_days = 0 WHERE code = 'miles';

-- Anchors
PREPARE anchor(text, date, bigint, bigint) AS
	INSERT INTO loyalty.unit_anchor SELECT program_id, unit_id, $2, $3, $4 FROM loyalty.unit WHERE code = $1;
SELECT lives_ok($$EXECUTE anchor('miles', '2026-01-01', 100, 1)$$, 'rule 16: an anchor is two integers');
SELECT lives_ok($$EXECUTE anchor('miles', '2027-01-01', 200, 1)$$, 'rule 16: with a validity');
SELECT throws_ok($$EXECUTE anchor('miles', '2027-01-01', 300, 1)$$, '23505', NULL, 'one anchor a day');
SELECT throws_ok($$EXECUTE anchor('miles', '2028-01-01', 0, 1)$$, '23514', NULL, 'a unit of no size');
SELECT throws_ok($$EXECUTE anchor('miles', '2028-01-01', 1, 0)$$, '23514', NULL, 'a unit of no worth');
SELECT throws_ok($$EXECUTE anchor('miles', 'infinity', 1, 1)$$, '23514', NULL, 'an anchor that never begins');

-- Expiry, counted from the local date of earning. Every policy gets one award per check-in.
INSERT INTO loyalty.unit (program_id, code, kind, expiry, expiry_count) VALUES
	(:shop, 'd0', 'points', 'days', 0),
	(:shop, 'd30', 'points', 'days', 30),
	(:shop, 'm1', 'points', 'months', 1),
	(:shop, 'm12', 'points', 'months', 12),
	(:shop, 'em0', 'points', 'end_of_month', 0),
	(:shop, 'em1', 'points', 'end_of_month', 1),
	(:shop, 'em12', 'points', 'end_of_month', 12),
	(:shop, 'ey0', 'points', 'end_of_year', 0),
	(:shop, 'ey1', 'points', 'end_of_year', 1);
INSERT INTO loyalty.unit (program_id, code, kind, vest_days, expiry, expiry_count) VALUES
	(:shop, 'v30em2', 'points', 30, 'end_of_month', 2),
	(:shop, 'v28m1', 'points', 28, 'months', 1);
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award)
SELECT program_id, 'profile_complete', unit_id, 'fixed', 10 FROM loyalty.unit
WHERE code ~ '[0-9]$' OR code IN ('miles', 'nights');

-- The dates are from a calendar: 2026-02 has 28 days, 2028-02 has 29.
CREATE TEMP TABLE lapse (earned date, code text, expires_on date);
INSERT INTO lapse VALUES
	-- the last day of a long month before a short one
	('2026-01-31', 'd0', '2026-01-31'), ('2026-01-31', 'd30', '2026-03-02'),
	('2026-01-31', 'm1', '2026-02-28'), ('2026-01-31', 'm12', '2027-01-31'),
	('2026-01-31', 'em0', '2026-01-31'), ('2026-01-31', 'em1', '2026-02-28'), ('2026-01-31', 'em12', '2027-01-31'),
	('2026-01-31', 'ey0', '2026-12-31'), ('2026-01-31', 'ey1', '2027-12-31'),
	('2026-01-31', 'v30em2', '2026-03-31'), ('2026-01-31', 'miles', NULL), ('2026-01-31', 'nights', NULL),
	-- the middle of a month
	('2026-03-15', 'd0', '2026-03-15'), ('2026-03-15', 'd30', '2026-04-14'),
	('2026-03-15', 'm1', '2026-04-15'), ('2026-03-15', 'm12', '2027-03-15'),
	('2026-03-15', 'em0', '2026-03-31'), ('2026-03-15', 'em1', '2026-04-30'), ('2026-03-15', 'em12', '2027-03-31'),
	('2026-03-15', 'ey0', '2026-12-31'), ('2026-03-15', 'ey1', '2027-12-31'),
	('2026-03-15', 'v30em2', '2026-05-31'), ('2026-03-15', 'miles', NULL), ('2026-03-15', 'nights', NULL),
	-- a year before 29 February
	('2027-02-28', 'd0', '2027-02-28'), ('2027-02-28', 'd30', '2027-03-30'),
	('2027-02-28', 'm1', '2027-03-28'), ('2027-02-28', 'm12', '2028-02-28'),
	('2027-02-28', 'em0', '2027-02-28'), ('2027-02-28', 'em1', '2027-03-31'), ('2027-02-28', 'em12', '2028-02-29'),
	('2027-02-28', 'ey0', '2027-12-31'), ('2027-02-28', 'ey1', '2028-12-31'),
	-- the last day of a year
	('2027-12-31', 'd0', '2027-12-31'), ('2027-12-31', 'd30', '2028-01-30'),
	('2027-12-31', 'm1', '2028-01-31'), ('2027-12-31', 'm12', '2028-12-31'),
	('2027-12-31', 'em0', '2027-12-31'), ('2027-12-31', 'em1', '2028-01-31'), ('2027-12-31', 'em12', '2028-12-31'),
	('2027-12-31', 'ey0', '2027-12-31'), ('2027-12-31', 'ey1', '2028-12-31'),
	-- 29 February
	('2028-02-29', 'd0', '2028-02-29'), ('2028-02-29', 'd30', '2028-03-30'),
	('2028-02-29', 'm1', '2028-03-29'), ('2028-02-29', 'm12', '2029-02-28'),
	('2028-02-29', 'em0', '2028-02-29'), ('2028-02-29', 'em1', '2028-03-31'), ('2028-02-29', 'em12', '2029-02-28'),
	('2028-02-29', 'ey0', '2028-12-31'), ('2028-02-29', 'ey1', '2029-12-31');
-- A member for each day, named after it; the clock only goes forward.
SET loyalty.now = '2026-01-31 12:00+00';
DO $$
DECLARE
	day date;
BEGIN
	FOR day IN SELECT DISTINCT earned FROM lapse ORDER BY 1 LOOP
		PERFORM set_config('loyalty.now', day || ' 12:00+00', false);
		CALL pg_temp.enroll('Shop', day::text);
		PERFORM loyalty.record(pg_temp.id(day::text), 'profile_complete');
	END LOOP;
END
$$;
SELECT results_eq(
	format($$SELECT u.code, e.expires_on FROM loyalty.entry e JOIN loyalty.unit u USING (unit_id)
		WHERE e.member_id = pg_temp.id(%L) AND e.amount > 0 AND u.code IN (SELECT code FROM lapse WHERE earned = %L)
		ORDER BY u.code$$, earned, earned),
	format($$SELECT code, expires_on FROM lapse WHERE earned = %L ORDER BY code$$, earned),
	'rule 10: what is earned on ' || earned || ' expires as its unit says')
FROM (SELECT DISTINCT earned FROM lapse ORDER BY 1) day;

-- Vesting: 2026-03-15 + 30 days = 2026-04-14; expiry counts from earning, not from there.
SELECT is((SELECT vests_on FROM loyalty.entry e JOIN loyalty.unit u USING (unit_id)
	WHERE e.member_id = pg_temp.id('2026-03-15') AND u.code = 'v30em2' ORDER BY journal_id, line LIMIT 1),
	'2026-04-14', 'vests_on = date + vest_days');
-- 2027-01-31 + 28 days = 2027-02-28 = a month on, clamped: vests on its last day, on which it can be spent
SET loyalty.now = '2027-12-31 13:00+00';
CALL pg_temp.enroll('Shop', 'zoe');
SELECT FROM loyalty.record(pg_temp.id('zoe'), 'profile_complete', at => '2027-01-31 12:00+00');
SELECT is(pg_temp.balance('zoe', 'v28m1', as_of), balance, 'vests and lapses: ' || as_of)
FROM (VALUES ('2027-02-27'::date, '10 pending'), ('2027-02-28', '10 available'), ('2027-03-01', 'nothing')) v(as_of, balance);

-- A lot of no days is good on the day it was earned, to the last moment of it
SET loyalty.now = '2028-06-30 12:00+00';
CALL pg_temp.enroll('Shop', 'ann');
SELECT FROM loyalty.record(pg_temp.id('ann'), 'profile_complete');
-- 23:59:59 in London, which is an hour ahead in June
SET loyalty.now = '2028-06-30 22:59:59.999999+00';
SELECT is(pg_temp.balance('ann', 'd0'), '10 available', 'a lot can be spent until local midnight');
SET loyalty.now = '2028-06-30 23:00+00';
SELECT is(pg_temp.balance('ann', 'd0'), 'nothing', 'and not after');

-- Rule 16
SELECT throws_ok($$UPDATE loyalty.unit SET scale = 2 WHERE code = 'points'$$, 'LY808', NULL,
	'rule 16: the decimals are fixed once there is a journal');
SELECT throws_ok($$UPDATE loyalty.unit SET kind = 'money' WHERE code = 'points'$$, 'LY808', NULL,
	'rule 16: and the kind');
INSERT INTO loyalty.unit (program_id, code, kind, period) SELECT program_id, 'daily', 'counter', 'day' FROM loyalty.unit WHERE code = 'points';
SELECT throws_ok($$UPDATE loyalty.unit SET period = 'month' WHERE code = 'daily'$$, 'LY808', NULL,
	'rule 16: and the period of a counter, or what it has counted would be forgotten');
SELECT lives_ok($$UPDATE loyalty.unit SET scale = 0, kind = 'points', debt_policy = 'limit' WHERE code = 'points'$$,
	'rule 16: policies may change');
SELECT throws_ok(format($$UPDATE loyalty.unit SET %I = NULL WHERE code = 'points'$$, setting), '23502', NULL, 'rule 16: no ' || setting)
FROM unnest('{scale,kind}'::text[]) setting;
SELECT loyalty.program_create('Fresh', 'GBP', 'Europe/London') AS fresh \gset
SELECT lives_ok(format($$UPDATE loyalty.unit SET scale = 2 WHERE code = 'points' AND program_id = %s$$, :fresh),
	'rule 16: before the first journal row all may');

-- Kinds: only points and money are spent
SELECT throws_ok($$SELECT * FROM loyalty.redeem(pg_temp.id('ann'), 1, 'nights', key => 'k1')$$, 'LY106', NULL,
	'a metric is not redeemed');
SELECT throws_ok($$SELECT * FROM loyalty.hold(pg_temp.id('ann'), 1, 'nights', key => 'k1')$$, 'LY106', NULL,
	'a metric is not held');
SELECT throws_ok($$SELECT * FROM loyalty.transfer(pg_temp.id('ann'), pg_temp.id('2026-03-15'), 1, 'nights', key => 'k1')$$,
	'LY106', NULL, 'a metric is not transferred');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.redeem(pg_temp.id('ann'), 1, 'miles', key => 'k1') r), '-1 miles',
	'points of any name are redeemed');
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 10.50, 'cash', 'gift', key => 'k2');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.redeem(pg_temp.id('ann'), 3.25, 'cash', key => 'k3') r), '-3.25 cash',
	'money is redeemed in its own decimals');
SELECT throws_ok($$SELECT * FROM loyalty.redeem(pg_temp.id('ann'), 0.001, 'cash', key => 'k4')$$, 'LY103', NULL,
	'and in no more of them');
SELECT is(pg_temp.balance('ann', 'cash'), '7.25 available', '10.50 - 3.25 = 7.25');
SELECT is((SELECT available::text FROM loyalty.balance(pg_temp.id('ann'), 'cash')), '7.25', 'an amount has its unit''s decimals');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
