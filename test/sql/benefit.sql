\set ECHO none
\i test/prelude.sql
SELECT plan(141);

SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale, expiry) VALUES
	(:shop, 'points', 'points', 0, 'never'), (:shop, 'cash', 'money', 2, 'never'), (:shop, 'nights', 'metric', 1, 'never'), (:shop, 'growth', 'metric', 0, 'never');
INSERT INTO loyalty.unit (program_id, code, kind, period) VALUES
	(:shop, 'deliveries', 'counter', 'month'), (:shop, 'lounges', 'counter', 'year'), (:shop, 'trials', 'counter', 'lifetime');
INSERT INTO loyalty.unit (program_id, code, kind, scale, period) VALUES (:shop, 'cents', 'counter', 2, 'month');
INSERT INTO loyalty.tier (program_id, code, rank, valid_months) VALUES (:shop, 'basic', 0, NULL), (:shop, 'silver', 1, NULL), (:shop, 'gold', 2, 1);
SELECT loyalty.tier_ask('Shop', 'gold', 'growth', 100) AS asked \gset
INSERT INTO loyalty.program_event (program_id, event) VALUES (:shop, 'stay');
SELECT FROM pg_temp.rule('{"unit": "growth", "kind": "per_amount", "award": 1, "per": 1}');
SELECT FROM pg_temp.rule('{"event": "stay", "unit": "nights", "kind": "per_amount", "award": 1, "per": 1, "proportional": true}');
INSERT INTO loyalty.tag (program_id, name, dimension) VALUES (:shop, 'newcomer', 'lifecycle'), (:shop, 'vip', 'attribute');
INSERT INTO loyalty.segment (program_id, name) VALUES (:shop, 'best');
INSERT INTO loyalty.plan (program_id, name, months, price) VALUES (:shop, 'plus', 1, 10), (:shop, 'prime', 12, 100);
INSERT INTO loyalty.campaign (program_id, name, status, starts_at, ends_at) VALUES
	(:shop, 'Spring sale', 'live', '2026-03-10 00:00+08', '2026-03-20 00:00+08');
INSERT INTO loyalty.collection (program_id, name) VALUES (:shop, 'wine');
INSERT INTO loyalty.calendar_day (program_id, calendar, day) VALUES (:shop, 'members', '2026-03-18');
SELECT loyalty.program_create('Other', 'CNY', 'Asia/Shanghai', 'empty') AS other \gset
INSERT INTO loyalty.unit (program_id, code, kind, period) VALUES (:other, 'foreign', 'counter', 'month');
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:other, 'platinum', 0);
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'fay', 'gil');

-- A benefit of the shop: settings as columns, "unit" by its code.
CREATE FUNCTION pg_temp.benefit(settings jsonb) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	benefit jsonb := jsonb_build_object('program_id', (SELECT program_id FROM loyalty.program WHERE name = 'Shop')) || settings - 'unit';
	id int;
BEGIN
	IF settings ? 'unit' THEN
		benefit := benefit || jsonb_build_object('unit_id', (SELECT unit_id FROM loyalty.unit WHERE code = settings ->> 'unit'));
	END IF;
	EXECUTE (SELECT format('INSERT INTO loyalty.benefit (%s) VALUES (%s) RETURNING benefit_id',
			string_agg(format('%I', key), ', '), string_agg(format('%L', value), ', '))
		FROM jsonb_each_text(benefit)) INTO id;
	RETURN id;
END
$$;
CREATE FUNCTION pg_temp.refused(settings jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.raised(format('SELECT pg_temp.benefit(%L)', settings))
$$;
-- 'fast, lounge 2 of 2 until 2026-12-31': names and what is left, in order of name.
CREATE FUNCTION pg_temp.has(who text, at timestamptz DEFAULT NULL) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(concat_ws(' ', name, '(' || by || ')', remaining || ' of ' || quantity,
		'until ' || to_char(period_until, 'YYYY-MM-DD'), CASE WHEN NOT open THEN 'closed' END), ', ' ORDER BY name), 'nothing')
	FROM loyalty.benefits(pg_temp.id(who), at)
$$;

-- Arguments
SELECT is(pg_temp.signature(name), signature, name || '(): arguments') FROM (VALUES
	('benefit_hold', '(program text, benefit text, source text, name text DEFAULT ''''::text, quantity numeric DEFAULT NULL::numeric) -> void'),
	('has_benefit', '(member_id bigint, benefit text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, channel text DEFAULT NULL::text) -> boolean'),
	('benefits', '(member_id bigint, at timestamp with time zone DEFAULT NULL::timestamp with time zone) -> TABLE(name text, title text, kind text, by text, open boolean, quantity numeric, used numeric, remaining numeric, period_until date, until timestamp with time zone, vouchers integer)')) x (name, signature);

-- What a benefit may be
SELECT is(pg_temp.refused(settings::jsonb), error, what) FROM (VALUES
	('{"name": "p", "kind": "price", "percent_off": 100.001}', 'LY801 percent_off=100.001: a price falls by 100 % at most', 'a price above 100 %'),
	('{"name": "p", "kind": "price", "percent_off": 150}', 'LY801 percent_off=150: a price falls by 100 % at most', 'far above'),
	('{"name": "p", "kind": "price", "percent_off": 99999999}', 'LY801 percent_off=99999999: a price falls by 100 % at most', 'beyond any column'),
	('{"name": "p", "kind": "price", "percent_off": "NaN"}', 'LY801 percent_off=NaN: a price falls by 100 % at most', 'no number'),
	('{"name": "p", "kind": "price", "percent_off": 33.3333}', 'LY801 percent_off=33.3333: has at most 3 decimals', 'with too many decimals'),
	('{"name": "m", "kind": "multiplier", "factor": 1.0001}', 'LY801 factor=1.0001: has at most 3 decimals', 'a factor too'),
	('{"name": "q", "kind": "quota", "quantity": 1.5, "unit": "deliveries"}', 'LY801 quantity=1.5: must be a whole number', 'half a delivery'),
	('{"name": "n", "kind": "every_n", "quantity": 1.25, "unit": "nights"}', 'LY801 quantity=1.25: has at most 1 decimals', 'with its decimals')) x (settings, error, what);
SELECT matches(pg_temp.refused(settings::jsonb), error, what) FROM (VALUES
	('{"name": "m", "kind": "multiplier", "factor": 2, "unit": "cash"}', '^LY801 unit_id=\d+: a multiplier is of points$', 'a multiplier is of points'),
	('{"name": "m", "kind": "multiplier", "factor": 2, "unit": "growth"}', '^LY801 unit_id=\d+: a multiplier is of points$', 'and of no metric'),
	('{"name": "q", "kind": "quota", "quantity": 4, "unit": "points"}', '^LY801 unit_id=\d+: a quota is kept by a counter$', 'a quota is kept by a counter'),
	('{"name": "q", "kind": "quota", "quantity": 4, "unit": "cents"}', '^LY801 unit_id=\d+: a quota is counted in whole numbers$', 'a counter of whole numbers'),
	('{"name": "q", "kind": "quota", "quantity": 4, "unit": "foreign"}', '^23503 unit_id=\d+$', 'a counter of its programme'),
	('{"name": "n", "kind": "every_n", "quantity": 10, "unit": "deliveries"}', '^LY801 unit_id=\d+: every n is of a metric$', 'every n is of a metric'),
	('{"name": "f", "kind": "flag", "calendar": "nowhere"}', '^23503 calendar=nowhere$', 'a calendar that is not there'),
	('{"name": "f", "kind": "flag", "program_id": 0}', '^23503 program_id=0$', 'a programme that is not there'),
	('{"name": "p", "kind": "price"}', '^23514', 'a price without one'),
	('{"name": "p", "kind": "price", "percent_off": 0}', '^23514', 'nothing off'),
	('{"name": "p", "kind": "price", "percent_off": 10, "price_list": "w"}', '^23514', 'two prices'),
	('{"name": "f", "kind": "flag", "percent_off": 10}', '^23514', 'a price that is a right'),
	('{"name": "m", "kind": "multiplier", "factor": 1}', '^23514', 'a factor of 1'),
	('{"name": "m", "kind": "multiplier", "factor": 1001}', '^23514', 'a factor above 1000'),
	('{"name": "m", "kind": "multiplier"}', '^23514', 'no factor'),
	('{"name": "q", "kind": "quota", "quantity": 4}', '^23514', 'a quota without a counter'),
	('{"name": "q", "kind": "quota", "unit": "deliveries"}', '^23514', 'a quota without a quantity'),
	('{"name": "q", "kind": "quota", "quantity": 0, "unit": "deliveries"}', '^23514', 'a quota of nothing'),
	('{"name": "g", "kind": "gift"}', '^23514', 'a gift without a gap'),
	('{"name": "f", "kind": "flag", "valid_days": 3}', '^23514', 'days of use of a right'),
	('{"name": "f", "kind": "flag", "channels": "{}"}', '^23514', 'no channel at all'),
	('{"name": "f", "kind": "flag", "valid_from": "2026-02-01", "valid_until": "2026-01-01"}', '^23514', 'ends before it begins'),
	('{"name": "Fast", "kind": "flag"}', '^23514', 'a name in capitals'),
	('{"name": "f", "kind": "wish"}', '^23514', 'an unknown kind')) x (settings, error, what);
SELECT is(pg_temp.raised(format('INSERT INTO loyalty.price_list (program_id, name, kind, value, price, percent_off) VALUES (%s, ''w'', %s)', :shop, v)), error, what)
FROM (VALUES
	('''sku'', ''A'', 9.999, NULL', 'LY801 price=9.999: has at most 2 decimals', 'a list price with too many decimals'),
	('''sku'', ''A'', NULL, 101', 'LY801 percent_off=101: a price falls by 100 % at most', 'more than 100 % off'),
	('''collection'', ''beer'', NULL, 10', '23503 value=beer', 'a collection that is not there')) x (v, error, what);
SELECT matches(pg_temp.raised(format('INSERT INTO loyalty.price_list (program_id, name, kind, value, price, percent_off) VALUES (%s, ''w'', %s)', :shop, v)), error, what)
FROM (VALUES
	('''sku'', ''A'', 9, 10', '^23514', 'a price and a percentage'), ('''sku'', ''A'', -1, NULL', '^23514', 'a negative price'),
	('''colour'', ''red'', 1, NULL', '^23514', 'a price by colour')) x (v, error, what);
INSERT INTO loyalty.price_list (program_id, name, kind, value, price) VALUES (:shop, 'wholesale', 'sku', 'A', 7);
SELECT is(pg_temp.refused('{"name": "p", "kind": "price", "price_list": "retail"}'), '23503 price_list=retail', 'a list that is not there');

-- Who has it, by names
SELECT FROM pg_temp.benefit('{"name": "fast", "kind": "flag", "title": "Fast delivery"}');
SELECT FROM pg_temp.benefit('{"name": "free", "kind": "quota", "quantity": 4, "unit": "deliveries"}');
SELECT is(pg_temp.raised(format('SELECT loyalty.benefit_hold(%s)', args)), error, 'hold: ' || what) FROM (VALUES
	('''Nowhere'', ''fast'', ''everyone''', 'LY403 program=Nowhere', 'an unknown programme'),
	('''Shop'', ''slow'', ''everyone''', 'LY408 benefit=slow', 'an unknown benefit'),
	('''Shop'', ''fast'', ''tier'', ''platinum''', '23503 name=platinum', 'a tier of another programme'),
	('''Shop'', ''fast'', ''segment'', ''worst''', '23503 name=worst', 'an unknown segment'),
	('''Shop'', ''fast'', ''stage'', ''vip''', '23503 name=vip', 'a tag that is no stage'),
	('''Shop'', ''fast'', ''plan'', ''minus''', '23503 name=minus', 'an unknown plan'),
	('''Shop'', ''fast'', ''campaign'', ''Autumn''', '23503 name=Autumn', 'an unknown campaign'),
	('''Shop'', ''fast'', ''everyone'', quantity => 2', 'LY801 quantity=2: only a quota has one', 'so many of a right'),
	('''Shop'', ''free'', ''everyone'', quantity => 2.5', 'LY801 quantity=2.5: must be a whole number', 'half of one more'),
	('''Shop'', NULL, ''everyone''', '22004', 'no benefit'),
	('''Shop'', ''fast'', ''tag'', ''anything''', 'no error', 'a tag need not be declared'),
	('''Shop'', ''fast'', ''tag'', ''anything''', 'no error', 'twice')) x (args, error, what);
SELECT matches(pg_temp.raised($$SELECT loyalty.benefit_hold('Shop', 'fast', 'everyone', 'gold')$$), '^23514', 'hold: everyone has no name');
SELECT matches(pg_temp.raised($$SELECT loyalty.benefit_hold('Shop', 'fast', 'tier')$$), '^23514|^23503', 'hold: a tier has one');
SELECT matches(pg_temp.raised($$SELECT loyalty.benefit_hold('Shop', 'fast', 'friend', 'ann')$$), '^23514', 'hold: an unknown source');
SELECT matches(pg_temp.raised($$SELECT loyalty.benefit_hold('Shop', 'fast', 'tag', repeat('t', 256))$$), '^23514', 'hold: a name that is too long');
SELECT results_eq('SELECT source, name FROM loyalty.benefit_holder', $$VALUES ('tag', 'anything')$$, 'hold: one row each');
DELETE FROM loyalty.benefit_holder;

-- By everything that gives it: held, and not held by another
SELECT FROM loyalty.benefit_hold('Shop', 'fast', 'tier', 'gold');
SELECT FROM loyalty.tier_grant(pg_temp.id('ann'), 'gold', 'test', key => 'g');
SELECT is(loyalty.has_benefit(pg_temp.id(who), 'fast'), has, 'tier: ' || who) FROM (VALUES ('ann', true), ('bob', false)) x (who, has);
SELECT FROM loyalty.tier_grant(pg_temp.id('bob'), 'silver', 'test', key => 'g');
SELECT is(loyalty.has_benefit(pg_temp.id('bob'), 'fast'), false, 'tier: another');
SELECT FROM loyalty.benefit_hold('Shop', 'fast', 'stage', 'newcomer');
SELECT FROM loyalty.tag_add(pg_temp.id('bob'), 'newcomer');
SELECT is(pg_temp.has('bob'), 'fast (stage newcomer)', 'stage');
SELECT FROM loyalty.tag_remove(pg_temp.id('bob'), 'newcomer');
SELECT is(pg_temp.has('bob'), 'nothing', 'stage: over');
SELECT FROM loyalty.benefit_hold('Shop', 'fast', 'segment', 'best');
SELECT FROM loyalty.segment_add(pg_temp.id('cat'), 'best');
SELECT is(pg_temp.has('cat'), 'fast (segment best)', 'segment');
SELECT is(loyalty.has_benefit(pg_temp.id('cat'), 'fast'), true, 'segment: has it');
SELECT FROM loyalty.benefit_hold('Shop', 'fast', 'tag', 'vip');
SELECT FROM loyalty.tag_add(pg_temp.id('dan'), 'vip');
SELECT is(pg_temp.has('dan'), 'fast (tag vip)', 'tag');
UPDATE loyalty.member_tag SET valid_until = '2026-03-15 12:00:01+00' WHERE member_id = pg_temp.id('dan');
SELECT is(loyalty.has_benefit(pg_temp.id('dan'), 'fast'), true, 'tag: its last second');
UPDATE loyalty.member_tag SET valid_until = '2026-03-15 12:00+00' WHERE member_id = pg_temp.id('dan');
SELECT is(loyalty.has_benefit(pg_temp.id('dan'), 'fast'), false, 'tag: past its end, though the row is there');
SELECT FROM loyalty.benefit_hold('Shop', 'fast', 'plan', 'plus');
SET loyalty.now = '2026-02-16 12:00+08';
CALL pg_temp.enroll('Shop', 'eve');
SELECT FROM loyalty.plan_buy(pg_temp.id('eve'), 'plus', 'p1');
SELECT FROM loyalty.plan_renew(pg_temp.id('eve'), 'p2');
SELECT FROM loyalty.plan_renew(pg_temp.id('eve'), 'p3', plan => 'prime');
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.has('eve'), 'fast (plan plus)', 'plan: on its last day');
SELECT is((SELECT until FROM loyalty.benefits(pg_temp.id('eve'))), '2026-04-16 00:00+08', 'plan: until, with the period that follows');
SELECT is(string_agg(loyalty.has_benefit(pg_temp.id('eve'), 'fast', at)::text, ', ' ORDER BY at), 'false, true, true, true, false', 'plan: first and last moments')
FROM unnest('{2026-02-15 23:59:59+08,2026-02-16 00:00+08,2026-03-16 00:00+08,2026-04-15 23:59:59+08,2026-04-16 00:00+08}'::timestamptz[]) at;
DELETE FROM loyalty.benefit_holder;
-- a plan bought ahead that brings a tier
INSERT INTO loyalty.plan (program_id, name, months, price, rank, tier) VALUES (:shop, 'golden', 1, 50, 3, 'gold');
SELECT FROM loyalty.benefit_hold('Shop', 'fast', 'tier', 'gold');
SELECT FROM loyalty.plan_buy(pg_temp.id('dan'), 'golden', 'p1', starts_on => '2026-05-01');
SELECT is(string_agg(loyalty.has_benefit(pg_temp.id('dan'), 'fast', at)::text, ', ' ORDER BY at), 'false, false, true, true, false', 'the tier of a plan bought ahead: now, before, first, last, after')
FROM unnest('{2026-03-15 12:00+00,2026-04-30 23:59:59+08,2026-05-01 00:00+08,2026-05-31 23:59:59+08,2026-06-01 00:00+08}'::timestamptz[]) at;
DELETE FROM loyalty.benefit_holder;
SELECT FROM loyalty.benefit_hold('Shop', 'fast', 'campaign', 'Spring sale');
SELECT is(pg_temp.has('fay'), 'fast (campaign Spring sale)', 'campaign');
SELECT is((SELECT until FROM loyalty.benefits(pg_temp.id('fay'))), '2026-03-20 00:00+08', 'campaign: until it ends');
SELECT is(loyalty.has_benefit(pg_temp.id('fay'), 'fast', '2026-03-20 00:00+08'), false, 'campaign: and then no more');
SELECT FROM loyalty.campaign_pause('Shop', 'Spring sale');
SELECT is(loyalty.has_benefit(pg_temp.id('fay'), 'fast'), false, 'campaign: not while it is paused');
DELETE FROM loyalty.benefit_holder;
SELECT FROM loyalty.benefit_give(pg_temp.id('fay'), 'fast', 'test', '2026-03-15 12:00+00', '2026-03-16 12:00+00', key => 'b1');
SELECT is(pg_temp.has('fay'), 'fast (hand)', 'by hand');
SELECT is(string_agg(loyalty.has_benefit(pg_temp.id('fay'), 'fast', at)::text, ', ' ORDER BY at), 'false, true, false', 'by hand: first and last moments')
FROM unnest('{2026-03-15 11:59:59+00,2026-03-16 11:59:59+00,2026-03-16 12:00+00}'::timestamptz[]) at;
SELECT FROM loyalty.benefit_hold('Shop', 'fast', 'everyone');
SELECT is(pg_temp.has('fay'), 'fast (everyone)', 'of two, the longer');
SELECT is((SELECT until FROM loyalty.benefits(pg_temp.id('fay'))), NULL, 'of which no end is known');
SELECT is(pg_temp.has('gil'), 'fast (everyone)', 'everyone');
DELETE FROM loyalty.benefit_holder;
SELECT FROM loyalty.benefit_withdraw(pg_temp.id('fay'), 'fast', 'test', key => 'b2');

-- The tier of the date: gold is reached on 15 March (local), held for a month, and not kept
SELECT FROM loyalty.purchase(pg_temp.id('gil'), 100, 'o1', at => '2026-03-15 12:00+00');
SELECT FROM loyalty.benefit_hold('Shop', 'fast', 'tier', 'gold');
SELECT is((SELECT until FROM loyalty.benefits(pg_temp.id('gil'))), '2026-04-15 00:00+08', 'tier: held at least up to its review');
SELECT is(loyalty.has_benefit(pg_temp.id('gil'), 'fast', '2026-03-15 11:59+00'), false, 'tier: not before it was reached');
SELECT is(loyalty.has_benefit(pg_temp.id('gil'), 'fast', '2027-03-14 23:59+08'), true, 'tier: kept while the growth is in its window');
SELECT is(loyalty.has_benefit(pg_temp.id('gil'), 'fast', '2027-03-15 00:00+08'), false, 'tier: a future date at which it has lapsed');
SET loyalty.now = '2027-03-14 12:00+08';
SELECT is(loyalty.has_benefit(pg_temp.id('gil'), 'fast'), true, 'tier: on its last day');
SET loyalty.now = '2027-03-15 12:00+08';
SELECT is(loyalty.has_benefit(pg_temp.id('gil'), 'fast'), false, 'tier: lapsed by date, though nobody has reviewed it');
SELECT is((SELECT tier_id FROM loyalty.account WHERE member_id = pg_temp.id('gil')), (SELECT tier_id FROM loyalty.tier WHERE code = 'gold'), 'tier: as its row still says');
SELECT is(loyalty.has_benefit(pg_temp.id('gil'), 'fast', '2026-12-31 12:00+08'), true, 'tier: and it was held in the past');
SET loyalty.now = '2026-03-15 12:00+00';
DELETE FROM loyalty.benefit_holder;

-- How much: the largest counts
SELECT FROM loyalty.benefit_hold('Shop', 'free', 'everyone');
SELECT FROM loyalty.benefit_hold('Shop', 'free', 'tier', 'gold', 10);
SELECT FROM loyalty.benefit_hold('Shop', 'free', 'tag', 'vip', 2);
SELECT FROM pg_temp.benefit('{"name": "lounge", "kind": "quota", "quantity": 2, "unit": "lounges"}');
SELECT FROM pg_temp.benefit('{"name": "trial", "kind": "quota", "quantity": 1, "unit": "trials"}');
SELECT FROM unnest('{lounge,trial}'::text[]) name, loyalty.benefit_hold('Shop', name, 'everyone');
SELECT is(pg_temp.has('bob'), 'free (everyone) 4 of 4 until 2026-03-31, lounge (everyone) 2 of 2 until 2026-12-31, trial (everyone) 1 of 1', 'quotas: by period');
SELECT is(pg_temp.has('ann'), 'free (tier gold) 10 of 10 until 2026-03-31, lounge (everyone) 2 of 2 until 2026-12-31, trial (everyone) 1 of 1', 'quotas: the tier gives more');
SELECT is(pg_temp.has('bob', '2026-05-02 00:00+08'), 'free (everyone) 4 of 4 until 2026-05-31, lounge (everyone) 2 of 2 until 2026-12-31, trial (everyone) 1 of 1', 'quotas: of a period to come');
SELECT is((SELECT array_agg(used::text || ' ' || remaining) FROM loyalty.benefits(pg_temp.id('bob'), '2026-02-02 00:00+08') WHERE name = 'free'), '{NULL}', 'quotas: of a period that is over it is not told');
SELECT FROM pg_temp.benefit('{"name": "pick_up", "kind": "quota", "quantity": 3, "unit": "deliveries"}');
SELECT FROM loyalty.benefit_hold('Shop', 'pick_up', 'everyone');
SELECT FROM loyalty.benefit_use(pg_temp.id('bob'), 'free', 'u1', 2);
SELECT FROM loyalty.benefit_use(pg_temp.id('bob'), 'lounge', 'u1', 2);
SELECT results_eq($$SELECT name, quantity, used, remaining FROM loyalty.benefits(pg_temp.id('bob')) ORDER BY name$$,
	$$VALUES ('free', 4::numeric, 2::numeric, 2::numeric), ('lounge', 2, 2, 0), ('pick_up', 3, 2, 1), ('trial', 1, 0, 1)$$, 'quotas: used, by two of one counter');
SELECT results_eq($$SELECT name, used FROM loyalty.benefits(pg_temp.id('bob'), '2026-04-01 00:00+08') ORDER BY name$$,
	$$VALUES ('free', 0::numeric), ('lounge', 2), ('pick_up', 0), ('trial', 0)$$, 'quotas: another month begins');
SELECT is(loyalty.has_benefit(pg_temp.id('bob'), 'lounge'), true, 'quotas: who has used it up is still entitled');

-- When: the time, the day, the birthday, the channel
DELETE FROM loyalty.benefit_holder;
SELECT FROM pg_temp.benefit('{"name": "members_day", "kind": "flag", "calendar": "members"}');
SELECT FROM pg_temp.benefit('{"name": "birthday", "kind": "flag", "birthday": "month"}');
SELECT FROM pg_temp.benefit('{"name": "pickup", "kind": "flag", "channels": "{pickup,kiosk}"}');
SELECT FROM pg_temp.benefit('{"name": "soon", "kind": "flag", "valid_from": "2026-04-01 00:00+08", "valid_until": "2026-05-01 00:00+08"}');
SELECT FROM pg_temp.benefit('{"name": "off", "kind": "flag", "status": "inactive"}');
SELECT FROM unnest('{members_day,birthday,pickup,soon,off}'::text[]) name, loyalty.benefit_hold('Shop', name, 'everyone');
UPDATE loyalty.member SET profile = '{"birthday": "1980-03-31"}' WHERE member_id = pg_temp.id('ann');
SELECT is(pg_temp.has('ann'), 'birthday (everyone), members_day (everyone) closed, pickup (everyone), soon (everyone) closed', 'open: the birthday''s month');
SELECT is(pg_temp.has('bob'), 'birthday (everyone) closed, members_day (everyone) closed, pickup (everyone), soon (everyone) closed', 'open: no birthday known');
SELECT is(pg_temp.has('bob', '2026-03-18 00:00+08'), 'birthday (everyone) closed, members_day (everyone), pickup (everyone), soon (everyone) closed', 'open: the members'' day');
SELECT is(pg_temp.has('bob', '2026-05-01 00:00+08'), 'birthday (everyone) closed, members_day (everyone) closed, pickup (everyone)', 'what is over is not listed');
SELECT is(loyalty.has_benefit(pg_temp.id('bob'), name, at, channel), has, 'has_benefit: ' || what) FROM (VALUES
	('members_day', '2026-03-17 23:59:59+08'::timestamptz, NULL, false, 'the day before'), ('members_day', '2026-03-18 23:59:59+08', NULL, true, 'the day'),
	('soon', '2026-03-31 23:59:59+08', NULL, false, 'not yet'), ('soon', '2026-04-01 00:00+08', NULL, true, 'from now on'),
	('soon', '2026-05-01 00:00+08', NULL, false, 'no more'), ('off', NULL, NULL, false, 'inactive'),
	('pickup', NULL, 'kiosk', true, 'in the channel'), ('pickup', NULL, 'web', false, 'in another'), ('pickup', NULL, NULL, false, 'none told'),
	('members_day', '2026-03-18 12:00+08', 'web', true, 'in any')) x (name, at, channel, has, what);

-- Every n: 23.5 nights are two times ten and 3.5
DELETE FROM loyalty.benefit_holder;
SELECT FROM pg_temp.benefit('{"name": "night", "kind": "every_n", "quantity": 10, "unit": "nights"}');
SELECT FROM loyalty.benefit_hold('Shop', 'night', 'tier', 'silver');
SELECT FROM loyalty.record(pg_temp.id('cat'), 'stay', 3.5, 's1');
SELECT FROM loyalty.tier_grant(pg_temp.id('cat'), 'silver', 'test', key => 'g');
SELECT results_eq($$SELECT quantity, used, remaining, vouchers FROM loyalty.benefits(pg_temp.id('cat'))$$, 'VALUES (10.0, 3.5, 6.5, 0)', 'every n: how far it is');

-- What was issued stays when the tier is gone, until its date
SELECT FROM pg_temp.benefit('{"name": "upgrade", "kind": "voucher", "valid_days": 30}');
SELECT is(pg_temp.has('bob'), 'night (tier silver) 10.0 of 10.0', 'voucher: none');
INSERT INTO loyalty.voucher (member_id, voucher_id, program_id, benefit_id, status, issued_on, valid_until, issued_journal_id)
SELECT pg_temp.id('bob'), n, :shop, benefit_id, v.status, '2026-03-01', v.until, 1 FROM loyalty.benefit,
	(VALUES (1, 'issued', date '2026-03-15'), (2, 'issued', NULL), (3, 'used', NULL), (4, 'void', NULL), (5, 'issued', '2026-03-14')) v (n, status, until)
WHERE name = 'upgrade';
SELECT results_eq($$SELECT name, by, vouchers FROM loyalty.benefits(pg_temp.id('bob')) WHERE kind = 'voucher'$$, $$VALUES ('upgrade', 'voucher', 2)$$, 'voucher: those that can be used');
SELECT results_eq($$SELECT name, by, vouchers FROM loyalty.benefits(pg_temp.id('bob'), '2026-03-16 00:00+08') WHERE kind = 'voucher'$$, $$VALUES ('upgrade', 'voucher', 1)$$, 'voucher: a day later');
SELECT is(loyalty.has_benefit(pg_temp.id('bob'), 'upgrade'), false, 'voucher: he has it, but is not entitled to another');
SELECT is(pg_temp.raised($$UPDATE loyalty.benefit SET kind = 'flag', valid_days = NULL WHERE name = 'upgrade'$$), 'LY808 column=kind', 'what was issued keeps its kind');
SELECT is(pg_temp.raised($$UPDATE loyalty.benefit SET name = 'downgrade' WHERE name = 'upgrade'$$), 'LY808 column=name', 'and its name');
SELECT is(pg_temp.raised($$UPDATE loyalty.benefit SET name = 'faster' WHERE name = 'fast'$$), 'no error', 'what was not may change');
SELECT matches(pg_temp.raised($$DELETE FROM loyalty.benefit WHERE name = 'upgrade'$$), '^23503', 'what was issued cannot be deleted');
DELETE FROM loyalty.voucher;

-- What a holder names stays
SELECT FROM (VALUES ('tier', 'gold'), ('segment', 'best'), ('stage', 'newcomer'), ('plan', 'prime'), ('campaign', 'Spring sale')) x (source, name), loyalty.benefit_hold('Shop', 'lounge', source, name);
SELECT matches(pg_temp.raised(statement), '^23503', 'in use: ' || statement) FROM unnest(ARRAY[
	$$UPDATE loyalty.tier SET code = 'golden' WHERE code = 'gold'$$, $$DELETE FROM loyalty.segment$$, $$DELETE FROM loyalty.tag WHERE name = 'newcomer'$$,
	$$UPDATE loyalty.plan SET name = 'first' WHERE name = 'prime'$$, $$UPDATE loyalty.campaign SET name = 'Autumn'$$, $$DELETE FROM loyalty.benefit WHERE name = 'lounge'$$]) statement;
DELETE FROM loyalty.benefit_holder;

-- Who is frozen keeps what he is entitled to, who has left does not
SELECT FROM loyalty.benefit_hold('Shop', 'members_day', 'everyone');
SELECT FROM loyalty.benefit_hold('Shop', 'free', 'everyone');
SELECT FROM loyalty.member_freeze(pg_temp.id('fay'), 'test', key => 'f');
SELECT is(pg_temp.has('fay', '2026-03-18 12:00+08'), 'free (everyone) 4 of 4 until 2026-03-31 closed, members_day (everyone) closed', 'frozen: shown, but closed');
SELECT is(loyalty.has_benefit(pg_temp.id('fay'), 'free'), true, 'frozen: still entitled');
SELECT FROM loyalty.member_close(pg_temp.id('fay'), 'test', key => 'c');
SELECT is(pg_temp.has('fay'), 'nothing', 'closed: nothing');
SELECT is(loyalty.has_benefit(pg_temp.id('fay'), 'free'), false, 'closed: has none');

-- Bad questions
SELECT is(pg_temp.raised(statement), error, statement) FROM (VALUES
	('SELECT loyalty.has_benefit(0, ''free'')', 'LY501 member_id=0'), ('SELECT * FROM loyalty.benefits(0)', 'LY501 member_id=0'),
	('SELECT loyalty.has_benefit(NULL, ''free'')', '22004'), ('SELECT loyalty.has_benefit(1, NULL)', '22004'), ('SELECT * FROM loyalty.benefits(NULL)', '22004'),
	('SELECT loyalty.has_benefit(pg_temp.id(''ann''), ''nothing'')', 'LY408 benefit=nothing'),
	('SELECT loyalty.has_benefit(pg_temp.id(''ann''), ''free'', ''infinity'')', 'LY107 at is not finite'),
	('SELECT * FROM loyalty.benefits(pg_temp.id(''ann''), ''-infinity'')', 'LY107 at is not finite'),
	('SELECT * FROM loyalty.benefits(pg_temp.id(''ann''), ''12000-01-01'')', 'LY107 at must lie between the years 1 and 9999')) x (statement, error);

-- Nothing is written
SELECT pg_temp.state() AS before \gset
SELECT FROM loyalty.benefits(pg_temp.id('gil'), '2027-06-01'), loyalty.has_benefit(pg_temp.id('gil'), 'free', '2027-06-01');
SELECT is(pg_temp.state(), :'before', 'reading writes nothing');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
