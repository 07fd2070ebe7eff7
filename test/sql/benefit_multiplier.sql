\set ECHO none
\i test/prelude.sql
SELECT plan(44);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale, expiry) VALUES
	(:shop, 'points', 'points', 0, 'never'), (:shop, 'stars', 'points', 0, 'never'), (:shop, 'cash', 'money', 2, 'never'),
	(:shop, 'spend', 'metric', 2, 'never');
INSERT INTO loyalty.tier (program_id, code, rank, multiplier) VALUES (:shop, 'basic', 0, 1), (:shop, 'gold', 2, 1.5);
INSERT INTO loyalty.program_event (program_id, event) VALUES (:shop, 'visit');
SELECT FROM pg_temp.rule('{"name": "amount", "kind": "per_amount", "award": 1, "per": 1}');
SELECT FROM pg_temp.rule('{"name": "stars", "unit": "stars", "kind": "per_amount", "award": 1, "per": 1}');
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'fay', 'gus', 'hal', 'ida');
SELECT FROM loyalty.tier_grant(pg_temp.id('bob'), 'gold', 'test', key => 'g');

-- A multiplier benefit of the newest programme: settings as columns.
CREATE FUNCTION pg_temp.multiplier(settings jsonb, source text DEFAULT NULL, holder text DEFAULT '') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE (SELECT format('INSERT INTO loyalty.benefit (%s) VALUES (%s)',
			string_agg(format('%I', key), ', '), string_agg(format('%L', value), ', '))
		FROM jsonb_each_text('{"kind": "multiplier"}' || settings || jsonb_build_object('program_id',
			(SELECT max(program_id) FROM loyalty.program))));
	IF source IS NOT NULL THEN
		PERFORM loyalty.benefit_hold((SELECT name FROM loyalty.program ORDER BY program_id DESC LIMIT 1), settings ->> 'name', source, holder);
	END IF;
END
$$;
-- What a purchase of 10 comes to for each: the points.
CREATE FUNCTION pg_temp.buys(name text, ref text, amount numeric DEFAULT 10, at timestamptz DEFAULT NULL, data jsonb DEFAULT '{}')
RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id(name), amount, ref, data => data, at => at) r
$$;

-- Everyone: on top of the tier's
SELECT is(pg_temp.buys('ann', 'a1'), '10 points, 10 stars', 'no multiplier yet');
SELECT is(pg_temp.buys('bob', 'a1'), '15 points, 15 stars', 'the tier''s only');
SELECT FROM pg_temp.multiplier('{"name": "double", "factor": 2}', 'everyone');
SELECT is(pg_temp.buys('ann', 'a2'), '20 points, 20 stars', 'everyone: double');
-- 10 x 1.5 x 2
SELECT is(pg_temp.buys('bob', 'a2'), '30 points, 30 stars', 'everyone: double what the tier makes of it');
-- 7 x 1.5 x 2 = 21, not floor(10.5) x 2
SELECT is(pg_temp.buys('bob', 'a3', 7), '21 points, 21 stars', 'rounded once, after both');

-- The largest counts, they do not add up
SELECT FROM pg_temp.multiplier('{"name": "more", "factor": 2.5}', 'everyone');
SELECT FROM pg_temp.multiplier('{"name": "less", "factor": 1.5}', 'everyone');
SELECT is(pg_temp.buys('ann', 'a4'), '25 points, 25 stars', 'of several, the largest');
UPDATE loyalty.benefit SET status = 'inactive' WHERE name = 'more';
SELECT is(pg_temp.buys('ann', 'a5'), '20 points, 20 stars', 'an inactive one does not count');
DELETE FROM loyalty.benefit_holder;
SELECT is(pg_temp.buys('ann', 'a6'), '10 points, 10 stars', 'nor one that nobody has');

-- One unit
SELECT FROM loyalty.unit, pg_temp.multiplier(jsonb_build_object('name', 'starry', 'factor', 3, 'unit_id', unit_id), 'everyone') WHERE code = 'stars';
SELECT is(pg_temp.buys('ann', 'b1'), '10 points, 30 stars', 'of one unit');
DELETE FROM loyalty.benefit_holder;

-- What is multiplied: what is counted per amount, per piece and by ladder, in points, unless the rule says no
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"name": "amount", "kind": "per_amount", "award": 1, "per": 1}');
SELECT FROM pg_temp.rule('{"name": "pieces", "kind": "per_quantity", "award": 3, "per": 1}');
SELECT FROM pg_temp.rule('{"name": "ladder", "kind": "steps", "step_from": "{5}", "step_award": "{7}"}');
SELECT FROM pg_temp.rule('{"name": "fix", "award": 11}');
SELECT FROM pg_temp.rule('{"name": "plain", "kind": "per_amount", "award": 1, "per": 1, "tier_multiplied": false}');
SELECT FROM pg_temp.rule('{"name": "cash", "unit": "cash", "kind": "per_amount", "award": 0.01, "per": 1}');
SELECT FROM pg_temp.rule('{"name": "spend", "unit": "spend", "kind": "per_amount", "award": 1, "per": 1, "proportional": true}');
SELECT FROM loyalty.benefit_hold('Shop', 'double', 'everyone');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 11, 'c1', '[{"sku": "A", "price": 11}]');
SELECT is(pg_temp.awards('ann', 'c1'), 'amount 22, pieces 6, ladder 14, fix 11, plain 11, cash 11, spend 1100', 'which rules');
-- A rule that multiplies comes on top, and line by line comes to the same
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"name": "amount", "kind": "per_amount", "award": 1, "per": 1, "rounding_scope": "line"}');
SELECT FROM pg_temp.rule('{"name": "treble", "kind": "multiplier", "award": 3}');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 11, 'c2', '[{"sku": "A", "price": 4}, {"sku": "B", "price": 7}]');
SELECT is(pg_temp.awards('ann', 'c2'), 'amount 22, treble 44', 'a multiplier of the rules comes on top');
DELETE FROM loyalty.rule;
DELETE FROM loyalty.benefit_holder;
DELETE FROM loyalty.benefit WHERE name <> 'double';
SELECT FROM pg_temp.rule('{"name": "amount", "kind": "per_amount", "award": 1, "per": 1}');

-- By whom it is held
SELECT FROM loyalty.benefit_hold('Shop', 'double', 'tier', 'gold');
SELECT is(pg_temp.buys('ann', 'd1'), '10 points', 'tier: not held');
SELECT is(pg_temp.buys('bob', 'd1'), '30 points', 'tier: held');
DELETE FROM loyalty.benefit_holder;
SELECT FROM loyalty.benefit_hold('Shop', 'double', 'tag', 'vip');
SELECT FROM loyalty.tag_add(pg_temp.id('cat'), 'vip');
SELECT is(pg_temp.buys('ann', 'd2'), '10 points', 'tag: not held');
SELECT is(pg_temp.buys('cat', 'd2'), '20 points', 'tag: held');
UPDATE loyalty.member_tag SET valid_until = '2026-03-15 12:00+00';
SELECT is(pg_temp.buys('cat', 'd3'), '10 points', 'tag: over, though its row is still there');
SELECT is(pg_temp.buys('cat', 'd4', at => '2026-03-15 11:59+00'), '20 points', 'tag: held at the time of a late order');
DELETE FROM loyalty.member_tag;
DELETE FROM loyalty.benefit_holder;
INSERT INTO loyalty.segment (program_id, name) VALUES (:shop, 'best');
SELECT FROM loyalty.benefit_hold('Shop', 'double', 'segment', 'best');
SELECT FROM loyalty.segment_add(pg_temp.id('dan'), 'best');
SELECT is(pg_temp.buys('ann', 'd5'), '10 points', 'segment: not in it');
SELECT is(pg_temp.buys('dan', 'd5'), '20 points', 'segment: in it');
DELETE FROM loyalty.benefit_holder;
SELECT FROM loyalty.segment_remove(pg_temp.id('dan'), 'best');
INSERT INTO loyalty.plan (program_id, name, months, price) VALUES (:shop, 'plus', 1, 10);
SELECT FROM loyalty.benefit_hold('Shop', 'double', 'plan', 'plus');
SET loyalty.now = '2026-02-15 12:00+00';
CALL pg_temp.enroll('Shop', 'eve');
SELECT FROM loyalty.plan_buy(pg_temp.id('eve'), 'plus', 'p1');
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.buys('eve', 'd6'), '10 points', 'plan: ended yesterday');
SELECT is(pg_temp.buys('eve', 'd7', at => '2026-03-14 23:59+00'), '20 points', 'plan: held on its last day');
SELECT FROM loyalty.plan_renew(pg_temp.id('eve'), 'p2');
SELECT is(pg_temp.buys('eve', 'd8'), '20 points', 'plan: renewed');
DELETE FROM loyalty.benefit_holder;
INSERT INTO loyalty.campaign (program_id, name, status, starts_at, ends_at) VALUES
	(:shop, 'Spring', 'live', '2026-03-15 12:00+00', '2026-03-16 00:00+00');
SELECT FROM loyalty.benefit_hold('Shop', 'double', 'campaign', 'Spring');
SELECT is(pg_temp.buys('ann', 'd9'), '20 points', 'campaign: while it runs');
SELECT is(pg_temp.buys('ann', 'd10', at => '2026-03-15 11:59+00'), '10 points', 'campaign: not before it began');
UPDATE loyalty.campaign SET status = 'paused';
SELECT is(pg_temp.buys('ann', 'd11'), '10 points', 'campaign: not while it is paused');
-- By hand
SELECT FROM loyalty.benefit_give(pg_temp.id('fay'), 'double', 'test', '2026-03-15 12:00+00', '2026-03-16 00:00+00', key => 'b1');
SELECT is(pg_temp.buys('fay', 'd12'), '20 points', 'by hand');
SELECT is(pg_temp.buys('fay', 'd13', at => '2026-03-15 11:59:59+00'), '10 points', 'by hand: not before');
SET loyalty.now = '2026-03-16 00:00+00';
SELECT is(pg_temp.buys('fay', 'd14'), '10 points', 'by hand: not when it is over');
SELECT is(pg_temp.buys('fay', 'd15', at => '2026-03-15 23:59:59+00'), '20 points', 'by hand: in its last second');
SET loyalty.now = '2026-03-15 12:00+00';
SELECT FROM loyalty.benefit_withdraw(pg_temp.id('fay'), 'double', 'test', key => 'b2');
DELETE FROM loyalty.benefit_holder;
DELETE FROM loyalty.benefit;

-- When and where it counts
SELECT FROM pg_temp.multiplier('{"name": "birthday", "factor": 2, "birthday": "day"}', 'everyone');
UPDATE loyalty.member SET profile = '{"birthday": "1990-03-15"}' WHERE member_id = pg_temp.id('gus');
UPDATE loyalty.member SET profile = '{"birthday": "--02-29"}' WHERE member_id = pg_temp.id('hal');
SELECT is(pg_temp.buys('gus', 'e1'), '20 points', 'birthday: on the day');
SELECT is(pg_temp.buys('gus', 'e2', at => '2026-03-14 12:00+00'), '10 points', 'birthday: not the day before');
SELECT is(pg_temp.buys('ann', 'e3'), '10 points', 'birthday: not known');
SELECT is(pg_temp.buys('hal', 'e4', at => '2026-02-28 12:00+00'), '20 points', 'birthday: 29 February is the 28th in other years');
SELECT is(pg_temp.buys('hal', 'e5', at => '2026-03-01 12:00+00'), '10 points', 'birthday: and not 1 March');
SELECT FROM pg_temp.multiplier('{"name": "member_day", "factor": 5, "calendar": "days"}', 'everyone');
INSERT INTO loyalty.calendar_day (program_id, calendar, day) VALUES (:shop, 'days', '2026-03-08');
SELECT is(pg_temp.buys('ann', 'e6', at => '2026-03-08 12:00+00'), '50 points', 'calendar: on a day of it');
SELECT is(pg_temp.buys('ann', 'e7', at => '2026-03-09 00:00+00'), '10 points', 'calendar: not after');
SELECT FROM pg_temp.multiplier('{"name": "pickup", "factor": 4, "channels": "{pickup,kiosk}"}', 'everyone');
SELECT is(pg_temp.buys('ann', 'e8', data => '{"channel": "kiosk"}'), '40 points', 'channels: in one of them');
SELECT is(pg_temp.buys('ann', 'e9', data => '{"channel": "web"}'), '10 points', 'channels: not in another');
SELECT is(pg_temp.buys('ann', 'e10'), '10 points', 'channels: not where none is told');
DELETE FROM loyalty.benefit_holder;
DELETE FROM loyalty.benefit;
SELECT FROM pg_temp.multiplier('{"name": "week", "factor": 2, "valid_from": "2026-03-10 00:00+00", "valid_until": "2026-03-12 00:00+00"}', 'everyone');
SELECT is(string_agg(pg_temp.buys('ann', 'f' || day, at => ('2026-03-' || day || ' 12:00+00')::timestamptz), ', ' ORDER BY day),
	'10 points, 20 points, 20 points, 10 points', 'validity: from the first moment, not at the last')
FROM generate_series(9, 12) day, lateral (SELECT lpad(day::text, 2, '0')) x (text);
DELETE FROM loyalty.benefit_holder;
DELETE FROM loyalty.benefit;

-- A refund takes back what was awarded, whatever the member has by then
SELECT FROM pg_temp.multiplier('{"name": "double", "factor": 2}', 'everyone');
SELECT is(pg_temp.buys('ida', 'g1'), '20 points', 'ida buys');
DELETE FROM loyalty.benefit_holder;
SELECT is(pg_temp.moved(r), '-10 points', 'half of it back') FROM loyalty.refund(pg_temp.id('ida'), 'g1', 5, key => 'r') r;

-- A simulated campaign brings its benefits
SELECT FROM loyalty.benefit_hold('Shop', 'double', 'campaign', 'Spring');
UPDATE loyalty.campaign SET starts_at = '2026-03-15 00:00+00';
SELECT is(sum(amount), 20::numeric, 'simulate: what ida''s and gus''s orders of the day would have earned more')
FROM loyalty.simulate_postings('Shop', 'Spring', '2026-03-15 00:00+00') WHERE member_id IN (pg_temp.id('ida'), pg_temp.id('gus')) AND amount > 0;

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
