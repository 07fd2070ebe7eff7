\set ECHO none
\i test/prelude.sql
SELECT plan(72);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
SELECT loyalty.program_create('Later', 'GBP', 'Europe/London', vest_days => 14) AS later \gset
SELECT loyalty.program_create('New York', 'USD', 'America/New_York', vest_days => 14) AS ny \gset
SELECT loyalty.program_create('Shanghai', 'CNY', 'Asia/Shanghai', vest_days => 14) AS sh \gset
-- Where clocks change at midnight: 2026-03-29 begins at 01:00, 2026-10-24 has its last hour twice.
SELECT loyalty.program_create('Beirut', 'LBP', 'Asia/Beirut', vest_days => 14) AS be \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:shop, 'lifetime', 'metric', 2);
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, per, proportional)
SELECT program_id, 'purchase', unit_id, 'per_amount', 1, 1, true FROM loyalty.unit WHERE code = 'lifetime';

SELECT is(pg_temp.signature('balance'),
	'(member_id bigint, unit text DEFAULT NULL::text, as_of date DEFAULT NULL::date) -> '
	'SETOF loyalty.account_balance', 'balance(): arguments');
SELECT is((SELECT string_agg(attname || ' ' || atttypid::regtype, ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'loyalty.account_balance'::regclass),
	'unit text, available numeric, pending numeric, held numeric, debt numeric, next_expiry date, next_expiry_amount numeric', 'balance(): result');
SELECT is(pg_temp.signature('account_settle'), '(member_id bigint) -> integer', 'account_settle(): arguments');

-- A new account
CALL pg_temp.enroll('Shop', 'ann');
SELECT results_eq(
	$$SELECT * FROM loyalty.balance(pg_temp.id('ann'))$$,
	$$VALUES ('points', 0::numeric, 0::numeric, 0::numeric, 0::numeric, NULL::date, NULL::numeric),
	         ('spend', 0, 0, 0, 0, NULL, NULL), ('orders', 0, 0, 0, 0, NULL, NULL), ('lifetime', 0, 0, 0, 0, NULL, NULL)$$,
	'a new member has nothing of every unit');
SELECT results_eq(
	$$SELECT a.status, a.first_event_at, a.last_event_at, a.first_purchase_at, a.last_purchase_at, a.hold_until, a.settled_on, a.wallet::text
	  FROM loyalty.account a WHERE member_id = pg_temp.id('ann')$$,
	$$VALUES ('active', '2026-03-15 12:00+00'::timestamptz, '2026-03-15 12:00+00'::timestamptz, NULL::timestamptz, NULL::timestamptz,
	          NULL::timestamptz, '2026-03-15'::date, '{}')$$,
	'a new account: signup is its first event');

-- available, pending, held, next expiry
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 100, 'o1');
SET loyalty.now = '2026-04-10 12:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 50, 'o2');
SELECT FROM loyalty.hold(pg_temp.id('ann'), 30, ref => 'h1');
SELECT results_eq(
	$$SELECT * FROM loyalty.balance(pg_temp.id('ann'), 'points')$$,
	-- the hold took from the lot of March: 100 - 30 + 50
	$$VALUES ('points', 120::numeric, 0::numeric, 30::numeric, 0::numeric, '2027-03-31'::date, 70::numeric)$$,
	'what is held is not available, nor does it expire next');
SELECT results_eq(
	$$SELECT first_event_at, last_event_at, first_purchase_at, last_purchase_at, hold_until
	  FROM loyalty.account WHERE member_id = pg_temp.id('ann')$$,
	$$VALUES ('2026-03-15 12:00+00'::timestamptz, '2026-04-10 12:00+00'::timestamptz,
	          '2026-03-15 12:00+00'::timestamptz, '2026-04-10 12:00+00'::timestamptz, '2026-04-10 12:15+00'::timestamptz)$$,
	'first and last event and purchase, and the next time-out');
SET loyalty.now = '2026-04-10 12:14:59.999999+00';
SELECT is(pg_temp.balance('ann'), '120 available, 30 held', 'rule 4: held until the time-out');
SET loyalty.now = '2026-04-10 12:15+00';
SELECT is(pg_temp.balance('ann'), '150 available', 'rule 4: timed out at it, swept or not');
CALL pg_temp.enroll('Later', 'bob');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 80, 'o1');
SELECT results_eq(
	$$SELECT * FROM loyalty.balance(pg_temp.id('bob'), 'points')$$,
	$$VALUES ('points', 0::numeric, 80::numeric, 0::numeric, 0::numeric, NULL::date, NULL::numeric)$$,
	'what is pending is not available and does not expire next');

-- as_of: the end of a local date
CALL pg_temp.enroll('Shop', 'cat');
SET loyalty.now = '2026-05-01 12:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 100, 'o1');
SET loyalty.now = '2026-05-10 12:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 60, 'o2');
SET loyalty.now = '2026-06-20 12:00+00';
SELECT FROM loyalty.redeem(pg_temp.id('cat'), 130, key => 'k1');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 7, 'o3');
SET loyalty.now = '2026-07-01 12:00+00';
SELECT is(pg_temp.balance('cat', 'points', as_of), expected, format('as of %s, seen from 1 July', to_char(as_of, 'YYYY-MM-DD')))
FROM (VALUES
	('2026-04-30'::date, 'nothing'),
	('2026-05-01', '100 available'),
	('2026-05-09', '100 available'),
	('2026-05-10', '160 available'),
	('2026-06-19', '160 available'),
	('2026-06-20', '37 available'),       -- 160 - 130 + 7
	('2026-07-01', '37 available'),
	('2027-05-31', '37 available'),       -- the last day of 30 points of May
	('2027-06-01', '7 available'),
	('2027-06-30', '7 available'),
	('2027-07-01', 'nothing')) v(as_of, expected);
SELECT results_eq(
	$$SELECT next_expiry, next_expiry_amount FROM loyalty.balance(pg_temp.id('cat'), 'points', '2027-06-01')$$,
	$$VALUES ('2027-06-30'::date, 7::numeric)$$, 'the next expiry as of a date to come');
SET loyalty.now = '2026-04-10 12:15+00';
SELECT is(pg_temp.balance('bob', 'points', as_of), expected, format('as of %s, pending until 24 April', to_char(as_of, 'YYYY-MM-DD')))
FROM (VALUES ('2026-04-23'::date, '80 pending'), ('2026-04-24', '80 available'), ('2027-04-30', '80 available'), ('2027-05-01', 'nothing')) v(as_of, expected);

-- Metric windows (12 months, the current one included)
SET loyalty.now = '2026-03-15 12:00+00';
CALL pg_temp.enroll('Shop', 'dan');
SELECT FROM (VALUES ('2025-03-31 12:00+00'::timestamptz, 10), ('2025-04-01 12:00+00', 20), ('2026-03-15 12:00+00', 40)) v(at, amount),
	loyalty.purchase(pg_temp.id('dan'), amount, 'o' || amount, at => at);
SELECT is(pg_temp.balance('dan', 'spend', as_of), expected, format('rule 11: 12 months to %s', to_char(as_of, 'YYYY-MM-DD')))
FROM (VALUES
	('2026-02-28'::date, '30 available'),   -- March 2025 to February 2026: 10 + 20
	('2026-03-15', '60 available'),         -- April 2025 to March 2026: 20 + 40
	('2026-03-31', '60 available'),
	('2026-04-01', '40 available'),         -- May 2025 to April 2026
	('2027-02-28', '40 available'),
	('2027-03-01', 'nothing')) v(as_of, expected);
SELECT is(pg_temp.balance('dan', 'spend'), '60 available', 'rule 11: 12 months to today');
SELECT is(pg_temp.balance('dan', 'orders'), '2 available', 'rule 11: orders too');
SELECT is(pg_temp.balance('dan', 'lifetime'), '70 available', 'rule 11: no window, all months');
SET loyalty.now = '2026-03-31 22:59:59+00';
SELECT is(pg_temp.balance('dan', 'spend'), '60 available', 'rule 11: the month lasts until local midnight');
SET loyalty.now = '2026-03-31 23:00+00';
SELECT is(pg_temp.balance('dan', 'spend'), '40 available', 'rule 11: and begins at it');

-- Local dates: what is earned at an instant vests 14 days on, lapses at the end of the month
-- 12 months on, and counts in its month.
CREATE TEMP TABLE instant (program text, at timestamptz, vests_on date, expires_on date, month date);
INSERT INTO instant VALUES
	('Later',    '2026-03-31 22:59:59.999999+00', '2026-04-14', '2027-03-31', '2026-03-01'),  -- BST, +1
	('Later',    '2026-03-31 23:00:00+00',        '2026-04-15', '2027-04-30', '2026-04-01'),
	('Later',    '2026-12-31 23:59:59.999999+00', '2027-01-14', '2027-12-31', '2026-12-01'),  -- GMT
	('Later',    '2027-01-01 00:00:00+00',        '2027-01-15', '2028-01-31', '2027-01-01'),
	('New York', '2026-01-01 04:59:59.999999+00', '2026-01-14', '2026-12-31', '2025-12-01'),  -- EST, -5
	('New York', '2026-01-01 05:00:00+00',        '2026-01-15', '2027-01-31', '2026-01-01'),
	('New York', '2026-03-09 03:59:59.999999+00', '2026-03-22', '2027-03-31', '2026-03-01'),  -- EDT, -4, since 8 March
	('New York', '2026-11-01 03:59:59.999999+00', '2026-11-14', '2027-10-31', '2026-10-01'),
	('New York', '2026-11-02 04:59:59.999999+00', '2026-11-15', '2027-11-30', '2026-11-01'),  -- EST again
	('Shanghai', '2026-02-28 15:59:59.999999+00', '2026-03-14', '2027-02-28', '2026-02-01'),  -- +8
	('Shanghai', '2026-02-28 16:00:00+00',        '2026-03-15', '2027-03-31', '2026-03-01'),
	('Shanghai', '2028-02-29 15:59:59.999999+00', '2028-03-14', '2029-02-28', '2028-02-01'),
	('Beirut',   '2026-03-28 21:59:59.999999+00', '2026-04-11', '2027-03-31', '2026-03-01'),  -- +2
	('Beirut',   '2026-03-28 22:00:00+00',        '2026-04-12', '2027-03-31', '2026-03-01'),  -- +3, 01:00 on the 29th
	('Beirut',   '2026-10-24 21:30:00+00',        '2026-11-07', '2027-10-31', '2026-10-01'),  -- the second 23:30
	('Beirut',   '2026-10-24 22:00:00+00',        '2026-11-08', '2027-10-31', '2026-10-01');
CREATE TEMP TABLE earned (program text, at timestamptz, unit text, vests_on date, expires_on date);
DO $$
DECLARE
	i instant;
	n int = 0;
BEGIN
	FOR i IN SELECT * FROM instant ORDER BY at LOOP
		n := n + 1;
		PERFORM set_config('loyalty.now', i.at::text, false);
		CALL pg_temp.enroll(i.program, 'zone-' || n);
		INSERT INTO earned SELECT i.program, i.at, p.unit, p.vests_on, p.expires_on
		FROM loyalty.purchase(pg_temp.id('zone-' || n), 10, 'o1') r, unnest(r.postings) p;
	END LOOP;
END
$$;
SELECT is(
	(SELECT format('%s %s %s', p.vests_on, p.expires_on, s.vests_on) FROM earned p JOIN earned s USING (program, at)
	 WHERE p.unit = 'points' AND s.unit = 'spend' AND p.program = i.program AND p.at = i.at),
	format('%s %s %s', i.vests_on, i.expires_on, i.month),
	format('local date in %s at %s', program, at))
FROM instant i ORDER BY at;

-- Local midnight: pending until the last moment before it, available from it
CREATE TEMP TABLE midnight (program text, earned timestamptz, vested timestamptz);
INSERT INTO midnight VALUES
	('Later',    '2026-03-15 12:00+00', '2026-03-29 00:00+00'),   -- the day the clock changes, still GMT
	('Later',    '2026-03-16 12:00+00', '2026-03-29 23:00+00'),   -- 30 March, BST
	('Later',    '2026-10-11 12:00+00', '2026-10-24 23:00+00'),   -- 25 October, still BST
	('Later',    '2026-10-12 12:00+00', '2026-10-26 00:00+00'),
	('New York', '2026-02-22 12:00+00', '2026-03-08 05:00+00'),
	('New York', '2026-02-23 12:00+00', '2026-03-09 04:00+00'),
	('New York', '2026-10-18 12:00+00', '2026-11-01 04:00+00'),
	('New York', '2026-10-19 12:00+00', '2026-11-02 05:00+00'),
	('Shanghai', '2026-03-15 12:00+00', '2026-03-28 16:00+00'),
	('Beirut',   '2026-03-15 12:00+00', '2026-03-28 22:00+00'),   -- there is no 00:00 on 29 March
	('Beirut',   '2026-10-11 12:00+00', '2026-10-24 22:00+00');   -- 23:xx on the 24th came twice
CREATE TEMP TABLE seen (program text, earned timestamptz, before text, at text);
DO $$
DECLARE
	m midnight;
	n int = 0;
	before text;
BEGIN
	FOR m IN SELECT * FROM midnight ORDER BY earned LOOP
		n := n + 1;
		PERFORM set_config('loyalty.now', m.earned::text, false);
		CALL pg_temp.enroll(m.program, 'midnight-' || n);
		PERFORM loyalty.purchase(pg_temp.id('midnight-' || n), 10, 'o1');
		PERFORM set_config('loyalty.now', (m.vested - interval '1 microsecond')::text, false);
		before := pg_temp.balance('midnight-' || n);
		PERFORM set_config('loyalty.now', m.vested::text, false);
		INSERT INTO seen VALUES (m.program, m.earned, before, pg_temp.balance('midnight-' || n));
	END LOOP;
END
$$;
SELECT is(before || ' | ' || at, '10 pending | 10 available', format('local midnight in %s, 14 days after %s', program, earned))
FROM seen ORDER BY earned, program;

-- The session's settings do not matter
SET loyalty.now = '2026-03-28 12:00+00';
CREATE TEMP TABLE told (zone text, style text, what text);
DO $$
DECLARE
	zone text;
	style text;
	name text;
	what text;
BEGIN
	FOREACH zone IN ARRAY '{UTC,Europe/London,America/Los_Angeles,Pacific/Kiritimati}'::text[] LOOP
		FOREACH style IN ARRAY '{"ISO, YMD","SQL, DMY","German","Postgres, MDY"}'::text[] LOOP
			name := zone || style;
			PERFORM set_config('TimeZone', zone, true), set_config('DateStyle', style, true),
				set_config('IntervalStyle', 'iso_8601', true);
			CALL pg_temp.enroll('Shop', name);
			SELECT pg_temp.told(r)::text INTO what
			FROM loyalty.purchase(pg_temp.id(name), 100, 'o1', at => '2026-03-01 00:30+00') r;
			PERFORM loyalty.hold(pg_temp.id(name), 10, ttl => '1 day', ref => 'h1');
			SELECT concat_ws(' ', what, extract(epoch FROM h.expires_at), to_jsonb(b)) INTO what
			FROM loyalty.hold h, loyalty.balance(pg_temp.id(name), 'points') b
			WHERE h.member_id = pg_temp.id(name);
			what := regexp_replace(what, '"(member|journal)_id": \d+', '', 'g');
			INSERT INTO told VALUES (zone, style, what);
		END LOOP;
	END LOOP;
	PERFORM set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true), set_config('IntervalStyle', 'postgres', true);
END
$$;
SELECT is((SELECT count(*) FROM told), 16::bigint, '4 time zones, 4 date styles');
SELECT is((SELECT count(DISTINCT what) FROM told), 1::bigint, 'the session''s TimeZone, DateStyle and IntervalStyle do not matter');

-- Refused
SELECT throws_ok('SELECT * FROM loyalty.balance(0)', 'LY501', NULL, 'an unknown member');
SELECT throws_ok('SELECT * FROM loyalty.balance(NULL)', '22004', NULL, 'no member');
SELECT throws_ok($$SELECT * FROM loyalty.balance(pg_temp.id('ann'), 'gold')$$, 'LY105', NULL, 'an unknown unit');
SELECT throws_ok('SELECT loyalty.account_settle(0)', 'LY501', NULL, 'an unknown member is not settled');
SELECT throws_ok('SELECT loyalty.account_settle(NULL)', '22004', NULL, 'nor is none');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
