\set ECHO none
\i test/prelude.sql
SELECT plan(146);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:shop, 'points', 'points', 0), (:shop, 'tenths', 'points', 1);
INSERT INTO loyalty.program_event (program_id, event) SELECT :shop, unnest('{visit,day,week,month,year,ever}'::text[]);
CREATE FUNCTION pg_temp.visit(name text, ref text, data jsonb DEFAULT '{}', at timestamptz DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM loyalty.record(pg_temp.id(name), 'visit', ref => ref, data => data, at => at);
	RETURN pg_temp.awards(name, ref);
END
$$;
CREATE FUNCTION pg_temp.rule_id(name text) RETURNS int LANGUAGE sql STABLE AS
	$$ SELECT rule_id FROM loyalty.rule r WHERE r.name = $1 $$;

-- rule_limit()
SELECT is(pg_temp.signature('rule_limit'),
	'(rule_id integer, period text, maximum numeric, counts text DEFAULT ''amount''::text, on_excess text DEFAULT ''truncate''::text, '
	'counter text DEFAULT NULL::text) -> integer', 'rule_limit(): arguments');
SELECT FROM pg_temp.rule('{"event": "share", "name": "a", "award": 1}');
SELECT FROM pg_temp.rule('{"event": "share", "name": "b", "unit": "tenths", "award": 1}');
SELECT loyalty.rule_limit(pg_temp.rule_id('a'), 'day', 10) AS daily, loyalty.rule_limit(pg_temp.rule_id('b'), 'month', 2.5, counter => 'mine') AS monthly \gset
SELECT is((SELECT format('%s %s %s %s', code = format('rule_%s_day', pg_temp.rule_id('a')), kind, period, scale)
	FROM loyalty.unit WHERE unit_id = :daily), 't counter day 0', 'rule_limit: makes the counter');
SELECT results_eq($$SELECT maximum, counts, on_excess FROM loyalty.rule_cap WHERE rule_id = pg_temp.rule_id('a')$$,
	$$VALUES (10::numeric, 'amount', 'truncate')$$, 'rule_limit: and the limit');
SELECT lives_ok($$SELECT loyalty.rule_limit(pg_temp.rule_id('a'), 'day', 20, on_excess => 'reject')$$, 'rule_limit: again');
SELECT results_eq($$SELECT maximum, counts, on_excess FROM loyalty.rule_cap WHERE rule_id = pg_temp.rule_id('a')$$,
	$$VALUES (20::numeric, 'amount', 'reject')$$, 'rule_limit: changes the limit');
SELECT loyalty.rule_limit(pg_temp.rule_id('a'), 'week', 3, 'times') AS weekly \gset
SELECT is((SELECT code FROM loyalty.unit WHERE unit_id = :weekly),
	format('rule_%s_week_times', pg_temp.rule_id('a')), 'rule_limit: another counter for another period');
SELECT is((SELECT format('%s %s', code, scale) FROM loyalty.unit WHERE unit_id = :monthly), 'mine 1',
	'rule_limit: a code of one''s own, the decimals of the rule''s unit');
SELECT throws_ok($$SELECT loyalty.rule_limit(pg_temp.rule_id('a'), 'day', 10, counter => 'mine')$$, 'LY801', NULL,
	'rule_limit: a counter of another period');
SELECT throws_ok($$SELECT loyalty.rule_limit(pg_temp.rule_id('a'), 'month', 10, counter => 'mine')$$, 'LY801', NULL,
	'rule_limit: a counter of other decimals');
SELECT throws_ok($$SELECT loyalty.rule_limit(pg_temp.rule_id('a'), 'month', 10, counter => 'points')$$, 'LY801', NULL,
	'rule_limit: a unit that is no counter');
SELECT throws_ok($$SELECT loyalty.rule_limit(0, 'day', 10)$$, '23503', NULL, 'rule_limit: no such rule');
SELECT throws_ok(format('SELECT loyalty.rule_limit(%s)', arguments), code, NULL, format('rule_limit(%s)', arguments))
FROM (VALUES ('NULL, ''day'', 1', '22004'), ('pg_temp.rule_id(''a''), NULL, 1', '22004'), ('pg_temp.rule_id(''a''), ''day'', NULL', '22004'),
	('pg_temp.rule_id(''a''), ''day'', 1, NULL', '22004'), ('pg_temp.rule_id(''a''), ''day'', 1, ''times'', NULL', '22004'),
	('pg_temp.rule_id(''a''), ''hour'', 1', '23514'), ('pg_temp.rule_id(''a''), ''day'', 0', '23514'),
	('pg_temp.rule_id(''a''), ''day'', 1, ''often''', '23514'), ('pg_temp.rule_id(''a''), ''day'', 1, on_excess => ''raise''', '23514'),
	('pg_temp.rule_id(''a''), ''day'', 1, counter => ''My counter''', '23514'),
	('pg_temp.rule_id(''a''), ''day'', 0.5', 'LY801'), ('pg_temp.rule_id(''a''), ''week'', 1.5, ''times''', 'LY801')) v (arguments, code);

-- Periods: one award in each. In the clock's order, and all of them late
CREATE TEMP TABLE probe (period text, at timestamptz, awarded boolean, what text);
INSERT INTO probe VALUES
	('day', '2025-03-29 23:59:59.999999+00', true, 'a day'),
	('day', '2025-03-30 00:00+00', true, 'the day of 23 hours begins'),
	('day', '2025-03-30 22:59:59.999999+00', false, 'and is still there'),
	('day', '2025-03-30 23:00+00', true, 'the next day'),
	('day', '2025-10-25 22:59:59.999999+00', true, 'a day'),
	('day', '2025-10-25 23:00+00', true, 'the day of 25 hours begins'),
	('day', '2025-10-26 00:30+00', false, '01:30, the first time'),
	('day', '2025-10-26 01:30+00', false, '01:30, the second time'),
	('day', '2025-10-26 23:59:59.999999+00', false, 'and is still there'),
	('day', '2025-10-27 00:00+00', true, 'the next day'),
	('week', '2025-12-28 23:59:59.999999+00', true, 'Sunday'),
	('week', '2025-12-29 00:00+00', true, 'Monday of ISO week 1 of 2026'),
	('week', '2025-12-31 23:59:59.999999+00', false, 'still in the old year'),
	('week', '2026-01-01 00:00+00', false, 'in the new year'),
	('week', '2026-01-04 23:59:59.999999+00', false, 'its Sunday'),
	('week', '2026-01-05 00:00+00', true, 'the next Monday'),
	('month', '2025-06-30 22:59:59.999999+00', true, 'local June'),
	('month', '2025-06-30 23:00+00', true, 'local July'),
	('month', '2025-07-31 22:59:59.999999+00', false, 'its end'),
	('month', '2025-07-31 23:00+00', true, 'local August'),
	('month', '2026-02-28 00:00+00', true, 'February'),
	('month', '2026-02-28 23:59:59.999999+00', false, 'its end'),
	('month', '2026-03-01 00:00+00', true, 'March'),
	('year', '2025-01-01 00:00+00', true, 'a year'),
	('year', '2025-12-31 23:59:59.999999+00', false, 'its end'),
	('year', '2026-01-01 00:00+00', true, 'the next'),
	('year', '2026-03-01 12:00+00', false, 'a month later'),
	('ever', '2025-01-01 00:00+00', true, 'once'),
	('ever', '2026-03-01 00:00+00', false, 'never again');
SELECT FROM unnest('{day,week,month,year,ever}'::text[]) period,
	pg_temp.rule(jsonb_build_object('event', period, 'name', period, 'award', 5)) rule_id,
	loyalty.rule_limit(rule_id, CASE period WHEN 'ever' THEN 'lifetime' ELSE period END, 1, 'times');
SET loyalty.now = '2024-12-31 12:00+00';
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat');
DO $$
DECLARE
	p record;
BEGIN
	FOR p IN SELECT * FROM probe ORDER BY at, period LOOP
		PERFORM set_config('loyalty.now', p.at::text, true);
		PERFORM FROM loyalty.record(pg_temp.id('ann'), p.period, ref => p.period || p.at);
	END LOOP;
END
$$;
SET loyalty.now = '2026-03-15 12:00+00';
DO $$
DECLARE
	p record;
BEGIN
	-- by period, so that the days come after the years
	FOR p IN SELECT * FROM probe ORDER BY period DESC, at LOOP
		PERFORM FROM loyalty.record(pg_temp.id('bob'), p.period, ref => p.period || p.at, at => p.at);
	END LOOP;
END
$$;
SELECT is(pg_temp.awards(who, period || at),
	CASE WHEN awarded THEN period || ' 5' WHEN period = 'ever' THEN 'ever limit_member' ELSE period || ' limit_period' END,
	format('%s, %s: %s', CASE who WHEN 'ann' THEN 'in time' ELSE 'late' END, period, what))
FROM probe, unnest('{ann,bob}'::text[]) who ORDER BY who, period, at;

-- Amounts: 10 a day; 4, 4 and what is left
SELECT FROM pg_temp.rule('{"event": "visit", "name": "cut", "award": 4}') r (id), loyalty.rule_limit(id, 'day', 10);
SELECT FROM pg_temp.rule('{"event": "visit", "name": "all", "award": 4}') r (id), loyalty.rule_limit(id, 'day', 10, on_excess => 'reject');
SELECT FROM pg_temp.rule('{"event": "visit", "name": "twice", "award": 4}') r (id), loyalty.rule_limit(id, 'day', 2, 'times');
SELECT FROM pg_temp.rule('{"event": "visit", "name": "ever", "award": 4}') r (id), loyalty.rule_limit(id, 'lifetime', 4);
UPDATE loyalty.rule SET status = 'inactive' WHERE event = 'ever';
SELECT is(pg_temp.visit('cat', 'a1'), 'cut 4, all 4, twice 4, ever 4', 'amount: the first');
SELECT is(pg_temp.visit('cat', 'a2'), 'cut 4, all 4, twice 4, ever limit_member', 'amount: the second; the lifetime is over');
SELECT is(pg_temp.visit('cat', 'a3'), 'cut 2 of 4, all limit_period, twice limit_period, ever limit_member',
	'amount: truncate gives what is left, reject nothing; two times are over');
SELECT is(pg_temp.visit('cat', 'a4'), 'cut limit_period, all limit_period, twice limit_period, ever limit_member', 'amount: nothing is left');
SELECT is((SELECT a -> 'desired' FROM loyalty.journal JOIN loyalty.event_data d USING (member_id, journal_id),
	jsonb_array_elements(d.data -> 'awards') a WHERE ref = 'a3' AND a ->> 'granted' = '2'), '4', 'desired and granted are both recorded');
SELECT is((SELECT available FROM loyalty.balance(pg_temp.id('cat'), format('rule_%s_day', pg_temp.rule_id('cut')))), 10::numeric,
	'the counter stands in the balance');
-- A late event of a day before counts there, not here
SELECT is(pg_temp.visit('cat', 'y1', at => '2026-03-14 12:00+00'), 'cut 4, all 4, twice 4, ever limit_member', 'late: yesterday''s limit is its own');
SELECT is(pg_temp.visit('cat', 'a5'), 'cut limit_period, all limit_period, twice limit_period, ever limit_member', 'late: today''s is where it was');
SELECT is(pg_temp.visit('cat', 'y2', at => '2026-03-14 12:00+00'), 'cut 4, all 4, twice 4, ever limit_member', 'late: yesterday, again');
SELECT is(pg_temp.visit('cat', 'y3', at => '2026-03-14 23:59:59.999999+00'), 'cut 2 of 4, all limit_period, twice limit_period, ever limit_member',
	'late: yesterday is counted up from the ledger');
SET loyalty.now = '2026-03-16 00:00+00';
SELECT is(pg_temp.visit('cat', 'b1'), 'cut 4, all 4, twice 4, ever limit_member', 'tomorrow everything begins anew');
SELECT is(pg_temp.visit('cat', 'y4', at => '2026-03-15 23:59:59.999999+00'), 'cut limit_period, all limit_period, twice limit_period, ever limit_member',
	'and what was today is then yesterday, and full');
SET loyalty.now = '2026-03-15 12:00+00';
DELETE FROM loyalty.rule_cap;
DELETE FROM loyalty.rule;

-- Several limits of a rule; several rules of a limit
CALL pg_temp.enroll('Shop', 'dan', 'eve');
SELECT FROM pg_temp.rule('{"event": "visit", "name": "a", "award": 6}') r (id),
	loyalty.rule_limit(id, 'day', 10, counter => 'shared') s, loyalty.rule_limit(id, 'month', 15) m;
SELECT FROM pg_temp.rule('{"event": "visit", "name": "b", "award": 6}') r (id), loyalty.rule_limit(id, 'day', 10, counter => 'shared');
SELECT FROM pg_temp.rule('{"event": "visit", "name": "c", "award": 1}') r (id), loyalty.rule_limit(id, 'day', 12, counter => 'shared');
SELECT is(pg_temp.visit('dan', 's1'), 'a 6, b 4 of 6, c 1', 'shared: 6, 4 of 6; the third may go on to 12');
SELECT is(pg_temp.visit('dan', 's2'), 'a limit_period, b limit_period, c 1', 'shared: the counter stands at 11, then 12');
SELECT is(pg_temp.visit('dan', 's3'), 'a limit_period, b limit_period, c limit_period', 'shared: over for all');
SET loyalty.now = '2026-03-16 12:00+00';
SELECT is(pg_temp.visit('dan', 's4'), 'a 6, b 4 of 6, c 1', 'several: the second day, 12 of 15 in the month');
SET loyalty.now = '2026-03-17 12:00+00';
SELECT is(pg_temp.visit('dan', 's5'), 'a 3 of 6, b 6, c 1', 'several: the third day, 3 left in the month; what was not given is not counted');
SET loyalty.now = '2026-03-15 12:00+00';
DELETE FROM loyalty.rule_cap;
DELETE FROM loyalty.rule;

-- A refund gives nothing back to a limit
SELECT FROM pg_temp.rule('{"name": "cap", "kind": "per_amount", "award": 1, "per": 1}') r (id), loyalty.rule_limit(id, 'day', 10);
SELECT FROM loyalty.purchase(pg_temp.id('eve'), 10, 'r1');
SELECT FROM loyalty.refund(pg_temp.id('eve'), 'r1');
SELECT FROM loyalty.purchase(pg_temp.id('eve'), 10, 'r2');
SELECT is(pg_temp.awards('eve', 'r1') || '; ' || pg_temp.awards('eve', 'r2'), 'cap 10; cap limit_period', 'a refund gives nothing back to a limit');
SELECT is(pg_temp.balance('eve'), 'nothing', 'and takes what was given');
-- nor does a dry run take from it
CALL pg_temp.enroll('Shop', 'fay');
SELECT FROM generate_series(1, 3) n, loyalty.purchase(pg_temp.id('fay'), 10, 'd' || n, mode => 'dry');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('fay'), 10, 'd') r), '10 points', 'a dry run takes nothing from a limit');
-- two in one statement
SELECT is((SELECT string_agg(pg_temp.moved(r), ', ' ORDER BY n) FROM generate_series(1, 2) n, loyalty.purchase(pg_temp.id('fay'), 10, 'm' || n, at => '2026-03-14 12:00+00') r),
	'10 points, nothing', 'two purchases in one statement');
DELETE FROM loyalty.rule_cap;
DELETE FROM loyalty.rule;

-- max_award: of one award
SELECT FROM pg_temp.rule('{"name": "cut", "kind": "per_amount", "award": 1, "per": 1, "max_award": 50}');
SELECT FROM pg_temp.rule('{"name": "all", "kind": "per_amount", "award": 1, "per": 1, "max_award": 50, "on_excess": "reject"}');
SELECT FROM pg_temp.rule('{"name": "x2", "kind": "multiplier", "award": 2, "max_award": 30}');
CALL pg_temp.enroll('Shop', 'gus');
SELECT FROM unnest('{14,50,51}'::int[]) amount, loyalty.purchase(pg_temp.id('gus'), amount, 'x' || amount);
SELECT is(pg_temp.awards('gus', 'x14'), 'cut 14, all 14, x2 28', 'max_award: below');
SELECT is(pg_temp.awards('gus', 'x50'), 'cut 50, all 50, x2 30 of 100', 'max_award: reached');
SELECT matches(pg_temp.awards('gus', 'x51'), '^cut 50 of 51, all \S+, x2 30 of ', 'max_award: exceeded');
DELETE FROM loyalty.rule;

-- In order: the award, the member's limit, the campaign's budget, the programme's
INSERT INTO loyalty.campaign (program_id, name, status) VALUES (:shop, 'spring', 'live') RETURNING campaign_id AS spring \gset
SELECT loyalty.budget_set('Shop', 'points', 150, 'spring') AS budget \gset
SELECT loyalty.budget_set('Shop', 'points', 190) AS budget \gset
SELECT FROM pg_temp.rule(format('{"name": "all", "award": 100, "max_award": 80, "campaign_id": %s}', :spring)::jsonb) r (id), loyalty.rule_limit(id, 'day', 70);
SELECT FROM pg_temp.rule(format('{"name": "whole", "award": 20, "campaign_id": %s, "on_excess": "reject"}', :spring)::jsonb);
SELECT FROM pg_temp.rule('{"name": "other", "award": 10}');
CALL pg_temp.enroll('Shop', 'hal', 'ida', 'jim', 'kim');
SELECT FROM unnest('{hal,ida,jim,kim}'::text[]) WITH ORDINALITY w (name, n), loyalty.purchase(pg_temp.id(name), 1, 'o') ORDER BY n;
SELECT FROM loyalty.purchase(pg_temp.id('kim'), 1, 'o2');
-- campaign: 150 - 70 - 20 = 60; programme: 190 - 100 = 90
SELECT is(pg_temp.awards('hal', 'o'), 'all 70 of 100, whole 20, other 10', 'order: 100, 80, 70');
-- campaign: 60 - 60 = 0; programme: 90 - 60 - 10 = 20
SELECT is(pg_temp.awards('ida', 'o'), 'all 60 of 100, whole limit_campaign, other 10', 'order: what is left of the campaign''s budget');
SELECT is(pg_temp.awards('jim', 'o'), 'all limit_campaign, whole limit_campaign, other 10', 'order: nothing is left of it');
SELECT is(pg_temp.awards('kim', 'o'), 'all limit_campaign, whole limit_campaign, other 10', 'order: the last of the programme''s budget');
SELECT is(pg_temp.awards('kim', 'o2'), 'all limit_campaign, whole limit_campaign, other budget_exhausted', 'order: nothing is left of that either');
-- What a budget has not given is not counted by the limit: ida got 60 of 70
SELECT is((SELECT available FROM loyalty.balance(pg_temp.id('ida'), format('rule_%s_day', pg_temp.rule_id('all')))), 60::numeric,
	'order: the limit counts what was granted');
DELETE FROM loyalty.rule_cap;
DELETE FROM loyalty.rule;
SELECT loyalty.budget_set('Shop', 'points', 1000000) AS budget \gset

-- Cooldown: by the programme's clock
CALL pg_temp.enroll('Shop', 'lea', 'meg');
SELECT FROM pg_temp.rule('{"event": "visit", "name": "hour", "award": 1, "cooldown": "1 hour"}');
SELECT FROM pg_temp.rule('{"event": "visit", "name": "day", "award": 1, "cooldown": "1 day"}');
SELECT FROM pg_temp.rule('{"event": "visit", "name": "web", "award": 1, "cooldown": "1 hour", "channels": "{web}"}');
SELECT is(pg_temp.visit('lea', 'k' || n, CASE WHEN web THEN '{"channel": "web"}'::jsonb ELSE '{}' END, at), awards, format('cooldown: %s', at))
FROM (VALUES
	(1, '2025-03-29 12:00+00'::timestamptz, false, 'hour 1, day 1, web channel_mismatch'),
	(2, '2025-03-29 12:59:59.999999+00', true, 'hour cooldown, day cooldown, web 1'),
	(3, '2025-03-29 13:00+00', true, 'hour 1, day cooldown, web cooldown'),
	(4, '2025-03-29 13:30+00', true, 'hour cooldown, day cooldown, web cooldown'),
	(5, '2025-03-29 14:00+00', true, 'hour 1, day cooldown, web 1'),
	-- a day of 23 hours: 12:00 in London is 11:00 UTC
	(6, '2025-03-30 10:59:59.999999+00', false, 'hour 1, day cooldown, web channel_mismatch'),
	(7, '2025-03-30 11:00+00', false, 'hour cooldown, day 1, web channel_mismatch')
) v (n, at, web, awards);
SELECT is(pg_temp.visit('meg', 'k1', at => '2025-03-29 12:30+00'), 'hour 1, day 1, web channel_mismatch', 'cooldown: another member''s is his own');
DELETE FROM loyalty.rule;

-- Once for each target
SELECT FROM pg_temp.rule('{"event": "visit", "name": "once", "award": 1, "once_per_target": true}');
SELECT FROM pg_temp.rule('{"event": "visit", "name": "web once", "award": 1, "once_per_target": true, "channels": "{web}"}');
SELECT is(pg_temp.visit('lea', 'q1', '{"target": "A"}'), 'once 1, web once channel_mismatch', 'once_per_target: the first time');
SELECT is(pg_temp.visit('lea', 'q2', '{"target": "A", "channel": "web"}'), 'once already_used, web once 1', 'once_per_target: again; another rule');
SELECT is(pg_temp.visit('lea', 'q3', '{"target": "B"}'), 'once 1, web once channel_mismatch', 'once_per_target: another target');
SELECT is(pg_temp.visit('lea', 'q4', '{"target": "a"}'), 'once 1, web once channel_mismatch', 'once_per_target: small letters are another');
SELECT is(pg_temp.visit('lea', 'q5'), 'once target_required, web once channel_mismatch', 'once_per_target: no target');
SELECT throws_ok(format($$SELECT pg_temp.visit('lea', 'q6', %L)$$, data), 'LY007', NULL, 'once_per_target: refused ' || left(data, 20))
FROM unnest(ARRAY['{"target": ""}', '{"target": 5}', '{"target": ["A"]}', format('{"target": "%s"}', repeat('x', 256))]) data;
SELECT is(pg_temp.visit('lea', 'q6', '{"target": null}'), 'once target_required, web once channel_mismatch', 'once_per_target: null is none');
SELECT is(pg_temp.visit('meg', 'q1', '{"target": "A"}'), 'once 1, web once channel_mismatch', 'once_per_target: another member');
SELECT FROM loyalty.refund(pg_temp.id('lea'), 'q1');
SELECT is(pg_temp.visit('lea', 'q7', '{"target": "A"}'), 'once already_used, web once channel_mismatch', 'once_per_target: taken back, and still once');
SELECT is((SELECT string_agg(target, ',' ORDER BY target COLLATE "C") FROM loyalty.rule_use WHERE rule_id = pg_temp.rule_id('once') AND member_id = pg_temp.id('lea')),
	'A,B,a', 'rule_use has the targets');
-- both at once: each target once, and an hour between any two
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"event": "visit", "name": "both", "award": 1, "once_per_target": true, "cooldown": "1 hour"}');
SELECT is(pg_temp.visit('meg', 'w' || n, jsonb_build_object('target', target), at), awards, format('once_per_target and cooldown: %s at %s', target, at))
FROM (VALUES (1, 'A', '2026-03-15 12:00+00'::timestamptz, 'both 1'), (2, 'B', '2026-03-15 12:30+00', 'both cooldown'),
	(3, 'B', '2026-03-15 13:00+00', 'both 1'), (4, 'B', '2026-03-15 14:00+00', 'both already_used'),
	(5, 'C', '2026-03-15 14:00+00', 'both 1')) v (n, target, at, awards);

-- No more is kept without explain than limits and verify() need
DELETE FROM loyalty.rule;
UPDATE loyalty.program SET explain = false WHERE program_id = :shop;
SELECT FROM pg_temp.rule('{"event": "visit", "name": "cap", "award": 4}') r (id), loyalty.rule_limit(id, 'day', 6);
SELECT FROM pg_temp.rule('{"event": "visit", "name": "free", "award": 1}');
SELECT is(pg_temp.visit('meg', 'z' || n), awards, 'explain off: ' || n) FROM (VALUES (1, 'cap 4'), (2, 'cap 2 of 4'), (3, NULL)) v (n, awards);
SELECT is(pg_temp.visit('meg', 'z4', at => '2026-03-14 12:00+00'), 'cap 4', 'explain off: late');

-- One limit over both events of a sale
SELECT FROM pg_temp.rule('{"event": "signup", "name": "join", "award": 6}') r (id), loyalty.rule_limit(id, 'day', 10, counter => 'both');
SELECT FROM pg_temp.rule('{"name": "buy", "award": 6}') r (id), loyalty.rule_limit(id, 'day', 10, counter => 'both');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.sale('Shop', '{"customer_no": "nan"}', 5, 's1', mode => 'dry') r), '4 points', 'a sale: 6 for joining leave 4 of 6, dry');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.sale('Shop', '{"customer_no": "nan"}', 5, 's1') r), '4 points', 'a sale: 6 for joining leave 4 of 6');
SELECT is(pg_temp.balance('nan'), '10 available', 'a sale: the limit');

-- A target matters to rules that ask for one, and to no other
DELETE FROM loyalty.rule_cap;
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"event": "visit", "name": "cool", "award": 1, "cooldown": "1 hour"}');
SELECT lives_ok($$SELECT pg_temp.visit('meg', 'z5', '{"target": 5}')$$, 'a target of another form, where no rule asks for one');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
