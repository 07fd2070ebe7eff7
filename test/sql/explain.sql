\set ECHO none
\i test/prelude.sql
SELECT plan(29);

-- Amounts in pounds; points per whole pound, stars for pieces, a tier that doubles
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale, expiry, expiry_count, debt_policy) VALUES
	(:shop, 'points', 'points', 0, 'end_of_month', 0, 'limit');
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:shop, 'stars', 'points', 1), (:shop, 'spend', 'metric', 2);
INSERT INTO loyalty.unit (program_id, code, kind, period) VALUES (:shop, 'a_day', 'counter', 'day');
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:shop, 'green', 0), (:shop, 'gold', 1);
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, window_kind)
SELECT :shop, t.tier_id, u.unit_id, 100, 'lifetime' FROM loyalty.tier t, loyalty.unit u WHERE t.code = 'gold' AND u.code = 'spend';
INSERT INTO loyalty.campaign (program_id, name, status, ends_at) VALUES
	(:shop, 'spring', 'live', '2026-04-01'), (:shop, 'summer', 'draft', NULL);
INSERT INTO loyalty.rule_group (program_id, name) VALUES (:shop, 'pounds');
SELECT pg_temp.rule('{"name": "base", "kind": "per_amount", "award": 1, "per": 1, "rule_group": "pounds", "priority": 1}') AS base \gset
SELECT pg_temp.rule('{"name": "metric", "kind": "per_amount", "award": 0.01, "per": 0.01, "unit": "spend", "priority": 2}') AS metric \gset
SELECT pg_temp.rule('{"name": "double", "kind": "multiplier", "award": 2, "rule_group": "pounds", "priority": 3}'
	|| jsonb_build_object('campaign_id', (SELECT campaign_id FROM loyalty.campaign WHERE name = 'spring'))) AS double \gset
SELECT pg_temp.rule('{"name": "pieces", "kind": "per_quantity", "award": 0.5, "per": 1, "unit": "stars", "priority": 4, "item_filter": "$.category == \"tea\""}') AS pieces \gset
SELECT pg_temp.rule('{"name": "gift", "award": 50, "tiers": "{gold}", "priority": 5}') AS gift \gset
SELECT pg_temp.rule('{"name": "later", "award": 5, "priority": 6}'
	|| jsonb_build_object('campaign_id', (SELECT campaign_id FROM loyalty.campaign WHERE name = 'summer'))) AS later \gset
SELECT pg_temp.rule('{"name": "card", "award": 7, "condition": "$.data.payment == \"card\" && $.member.purchases >= 0", "priority": 7}') AS card \gset
SELECT pg_temp.rule('{"name": "capped", "award": 30, "priority": 8, "max_award": 20}') AS capped \gset
SELECT pg_temp.rule('{"name": "bonus", "award": 4, "priority": 9}') AS bonus \gset
INSERT INTO loyalty.rule_cap (program_id, rule_id, unit_id, maximum)
SELECT :shop, :bonus, unit_id, 6 FROM loyalty.unit WHERE code = 'a_day';

SET loyalty.now = '2026-03-15 12:00+00';
CALL pg_temp.enroll('Shop', 'ann');
SELECT member_id AS ann, journal_id AS o1 FROM loyalty.purchase(pg_temp.id('ann'), 41.50, 'o1',
	'[{"sku":"a","category":"tea","qty":3,"price":10},{"sku":"b","qty":1,"price":11.50}]') \gset
SELECT journal_id AS o2 FROM loyalty.purchase(:ann, 80, 'o2', data => '{"payment":"card"}') \gset

-- 'base points 41 of 41.50 GBP': what explain() says in a row, one line each
CREATE FUNCTION pg_temp.explained(member_id bigint, journal_id bigint) RETURNS SETOF text
LANGUAGE sql STABLE AS $$
	SELECT concat_ws(' ', name, unit, trim_scale(granted), 'of ' || trim_scale(nullif(desired, granted)),
		'for ' || trim_scale(base) || ' ' || base_in, 'in lines ' || lines::text,
		'because ' || reason, 'by ' || limited_by, outcome)
	FROM loyalty.explain($1, $2) ORDER BY place
$$;

-- 41 for 41.50, the double adds 41; three pieces of tea are 1.5 stars; the gift is gold's; summer is a draft; nobody paid by
-- card; 30 cut to 20; 4
SELECT results_eq(format('SELECT pg_temp.explained(%s, %s)', :ann, :o1), ARRAY[
	'base points 41 for 41.5 GBP awarded', 'metric spend 41.5 for 41.5 GBP awarded', 'double points 41 for 41.5 GBP awarded',
	'pieces stars 1.5 for 3 pieces in lines {1} awarded', 'gift points 0 because tier_mismatch nothing',
	'later points 0 because campaign_not_running nothing', 'card points 0 because condition_not_met nothing',
	'capped points 20 of 30 for 41.5 GBP by limit_event awarded', 'bonus points 4 for 41.5 GBP awarded'],
	'each rule that was looked at, in their order');

-- 80 and 80 more; the card pays; of the 6 a day 2 are left
SELECT results_eq(format('SELECT pg_temp.explained(%s, %s)', :ann, :o2), ARRAY[
	'base points 80 for 80 GBP awarded', 'metric spend 80 for 80 GBP awarded', 'double points 80 for 80 GBP awarded',
	'pieces stars 0 because no_matching_items nothing', 'gift points 0 because tier_mismatch nothing',
	'later points 0 because campaign_not_running nothing', 'card points 7 for 80 GBP awarded',
	'capped points 20 of 30 for 80 GBP by limit_event awarded', 'bonus points 2 of 4 for 80 GBP by limit_period awarded'],
	'limits say what is wanting');
SELECT is((SELECT string_agg(DISTINCT tier, ', ') FROM loyalty.explain(:ann, :o2)), 'green', 'the tier is the one before the promotion');
SELECT is((SELECT member -> 'purchases' FROM loyalty.explain(:ann, :o2) LIMIT 1), '1', 'the member as conditions saw it');
SELECT results_eq(format('SELECT name, campaign FROM loyalty.explain(%s, %s) WHERE campaign IS NOT NULL', :ann, :o2),
	$$VALUES ('double', 'spring'), ('later', 'summer')$$, 'campaigns by name');
SELECT results_eq(format('SELECT name, vests_on, expires_on FROM loyalty.explain(%s, %s) WHERE unit = ''points'' AND granted = 80', :ann, :o2),
	$$VALUES ('base', NULL::date, '2026-03-31'::date), ('double', NULL, '2026-03-31')$$, 'and until when it can be spent');

-- 121.50 spent: gold. The six of the day are used up
SELECT journal_id AS o3 FROM loyalty.purchase(:ann, 10, 'o3', data => '{"payment":"card"}') \gset
SELECT is((SELECT string_agg(concat_ws(' ', name, granted, reason, tier), ', ' ORDER BY place) FROM loyalty.explain(:ann, :o3)
	WHERE name IN ('gift', 'bonus')), 'gift 50 gold, bonus 0 limit_period gold', 'the next order is judged as gold');

-- An event speaks of the rules as they were then, whatever becomes of them
CREATE TEMP TABLE explained AS SELECT * FROM loyalty.explain(:ann, :o1);
UPDATE loyalty.rule SET award = 3, name = 'triple' WHERE rule_id = :double;
UPDATE loyalty.rule SET award = 0.1 WHERE rule_id = :pieces;
DELETE FROM loyalty.rule_cap WHERE rule_id = :bonus;
DELETE FROM loyalty.rule WHERE rule_id IN (:gift, :bonus);
SELECT results_eq(format('SELECT * FROM loyalty.explain(%s, %s)', :ann, :o1), 'SELECT * FROM explained',
	'rules that were changed and deleted since are shown as they were');
SELECT is((SELECT definition ->> 'award' FROM loyalty.explain(:ann, :o1) WHERE name = 'double'), '2', 'with what they said');
SELECT journal_id AS o4 FROM loyalty.purchase(:ann, 10, 'o4') \gset
SELECT is((SELECT string_agg(concat_ws(' ', name, version, granted), ', ' ORDER BY place) FROM loyalty.explain(:ann, :o4)
	WHERE rule_id IN (:double, :gift, :bonus)), 'triple 2 20', 'and today''s orders by today''s');

-- A part of o1: of each award its share, rounded down; 11.50 of 41.50, and no tea.
-- Points floor(41 x 11.5 / 41.5) = 11, twice; 11.50 spent; floor(20 x 11.5 / 41.5) = 5; floor(4 x 11.5 / 41.5) = 1
SELECT journal_id AS r1 FROM loyalty.refund(:ann, 'o1', items => '[{"line":2}]', refund_ref => 'r1') \gset
SELECT results_eq(format('SELECT name, version, unit, trim_scale(granted), outcome, reason FROM loyalty.explain(%s, %s)', :ann, :r1),
	$$VALUES ('base', 1, 'points', -11::numeric, 'posted', 'award_taken_back'), ('metric', 1, 'spend', -11.5, 'posted', 'award_taken_back'),
	('double', 1, 'points', -11, 'posted', 'award_taken_back'), ('capped', 1, 'points', -5, 'posted', 'award_taken_back'),
	('bonus', 1, 'points', -1, 'posted', 'award_taken_back')$$, 'a refund: what it took of which award');

-- What moves by no rule: spends, holds, the clock
SELECT journal_id AS s1 FROM loyalty.redeem(:ann, 100, ref => 's1') \gset
SELECT is((SELECT string_agg(concat_ws(' ', unit, granted, outcome, reason, expires_on), ', ') FROM loyalty.explain(:ann, :s1)),
	'points -100 posted spent 2026-03-31', 'a redemption: its lots');
SELECT hold_id AS h1 FROM loyalty.hold(:ann, 10, ref => 'h1') \gset
SELECT is((SELECT string_agg(concat_ws(' ', unit, granted, outcome, reason), ', ') FROM loyalty.explain(:ann, :h1)),
	'points -10 posted held', 'a hold');
SELECT journal_id AS c1 FROM loyalty.capture(:ann, :h1) \gset
SELECT is((SELECT string_agg(concat_ws(' ', unit, granted, outcome, reason), ', ') FROM loyalty.explain(:ann, :c1)),
	'nothing nothing_moved', 'a capture of all that was held moves nothing, and says so');
SET loyalty.now = '2026-04-02 12:00+00';
SELECT loyalty.account_settle(:ann) \g /dev/null
SELECT journal_id AS e1 FROM loyalty.journal WHERE kind = 'expire' AND member_id = :ann \gset
-- o1 41 + 41 + 20 + 4, o2 80 + 80 + 7 + 20 + 2, o3 10 + 10 + 7 + 20 + 50, o4 10 + 20 + 20; less 28, 100 and 10
SELECT is((SELECT string_agg(concat_ws(' ', unit, granted, outcome, reason, expires_on), ', ') FROM loyalty.explain(:ann, :e1)),
	'points -304 posted lapsed 2026-03-31', 'an expiry: the lot');
SELECT journal_id AS r4 FROM loyalty.refund(:ann, 'o4') \gset
SELECT is((SELECT string_agg(concat_ws(' ', name, unit, coalesce(desired, granted), outcome, reason), ', ' ORDER BY reason, unit, desired) FROM loyalty.explain(:ann, :r4)),
	'metric spend -10.00 posted award_taken_back, points 10 nothing lapsed, points 20 nothing lapsed, points 20 nothing lapsed',
	'a refund of what has lapsed: what was not taken');
SELECT journal_id AS a1 FROM loyalty.adjust(:ann, 5, 'stars', 'sorry', key => 'a1') \gset
SELECT is((SELECT string_agg(concat_ws(' ', unit, granted, outcome, reason), ', ') FROM loyalty.explain(:ann, :a1)),
	'stars 5.0 posted adjusted', 'an adjustment');
SELECT journal_id AS f1 FROM loyalty.member_freeze(:ann, 'lost card') \gset
SELECT is((SELECT string_agg(concat_ws(' ', unit, granted, outcome, reason), ', ') FROM loyalty.explain(:ann, :f1)),
	'nothing nothing_moved', 'a row without entries');

-- Where nothing was kept the entries tell
UPDATE loyalty.program SET explain = false;
DELETE FROM loyalty.rule WHERE rule_id IN (:pieces, :metric);
UPDATE loyalty.rule SET condition = NULL WHERE name = 'card';
INSERT INTO loyalty.rule_cap (program_id, rule_id, unit_id, counts, maximum)
SELECT :shop, :card, unit_id, 'times', 1 FROM loyalty.unit WHERE code = 'a_day';
SELECT journal_id AS o5 FROM loyalty.purchase(:ann, 30, 'o5') \gset
SELECT results_eq(format('SELECT name, version, unit, granted, outcome, reason, definition IS NOT NULL FROM loyalty.explain(%s, %s)', :ann, :o5),
	$$VALUES ('card', 2, 'points', 7::numeric, 'awarded', NULL, true), ('base', NULL, 'points', 30, 'awarded', 'not_recorded', false),
	('capped', NULL, 'points', 20, 'awarded', 'not_recorded', false)$$,
	'only what a limit needs is recorded: of the others, what was posted, by rule');
DELETE FROM loyalty.event_data WHERE journal_id = :o1;
SELECT is((SELECT string_agg(concat_ws(' ', name, trim_scale(granted), unit, reason, tier), ', ' ORDER BY place) FROM loyalty.explain(:ann, :o1)),
	'base 41 points not_recorded green, metric 41.5 spend not_recorded green, triple 41 points not_recorded green, '
	'pieces 1.5 stars not_recorded green, capped 20 points not_recorded green, bonus 4 points not_recorded green',
	'erased: the same, with the names that the rules had last');
SELECT journal_id AS x1 FROM loyalty.record(:ann, 'share') \gset
SELECT is((SELECT string_agg(concat_ws(' ', unit, granted, outcome, reason), ', ') FROM loyalty.explain(:ann, :x1)),
	'nothing no_rules', 'an event without rules');

-- A late event is judged by the tier of its time
UPDATE loyalty.program SET explain = true;
SELECT journal_id AS l1 FROM loyalty.purchase(:ann, 1, 'l1', at => '2026-03-15 11:00+00') \gset
SELECT is((SELECT string_agg(DISTINCT tier, ', ') FROM loyalty.explain(:ann, :l1)), 'green', 'a late event: the tier of its time');

-- The multiplier counts what it multiplies
SELECT pg_temp.rule('{"name": "each", "kind": "per_quantity", "award": 2, "per": 1, "unit": "stars"}') AS each \gset
SELECT pg_temp.rule('{"name": "twice", "kind": "multiplier", "award": 2, "unit": "stars"}') AS twice \gset
SELECT journal_id AS q1 FROM loyalty.purchase(:ann, 1, 'q1', '[{"sku":"a","qty":2.5,"price":0.4}]') \gset
SELECT results_eq(format('SELECT name, base, base_in, granted FROM loyalty.explain(%s, %s) WHERE unit = ''stars''', :ann, :q1),
	$$VALUES ('each', 2.5, 'pieces', 4.0), ('twice', 2.5, 'pieces', 4.0)$$, 'pieces are counted in pieces, by a multiplier too');

-- What is refused
SELECT is(pg_temp.raised('SELECT * FROM loyalty.explain(0, 1)'), 'LY501 member_id=0', 'no such member');
SELECT is(pg_temp.raised(format('SELECT * FROM loyalty.explain(%s, 1)', :ann)), format('LY133 member_id=%s journal_id=1', :ann), 'no such journal row');
CALL pg_temp.enroll('Shop', 'bob');
SELECT is(pg_temp.raised(format('SELECT * FROM loyalty.explain(%s, %s)', pg_temp.id('bob'), :o1)),
	format('LY133 member_id=%s journal_id=%s', pg_temp.id('bob'), :o1), 'another member''s row');
SELECT is(pg_temp.raised('SELECT * FROM loyalty.explain(NULL, 1)'), '22004', 'no member');
SELECT is(pg_temp.raised(format('SELECT * FROM loyalty.explain(%s, NULL)', :ann)), '22004', 'no row');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
