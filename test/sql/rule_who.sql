\set ECHO none
\i test/prelude.sql
SELECT plan(42);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale, expiry, expiry_count) VALUES
	(:shop, 'points', 'points', 0, 'months', 12), (:shop, 'cash', 'money', 2, 'never', NULL), (:shop, 'spend', 'metric', 2, 'never', NULL);
INSERT INTO loyalty.tier (program_id, code, rank, multiplier, expiry, expiry_count) VALUES
	(:shop, 'basic', 0, 1, NULL, NULL), (:shop, 'silver', 1, 1.25, NULL, NULL), (:shop, 'gold', 2, 1.5, 'end_of_year', 2);
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, window_kind)
SELECT :shop, tier_id, unit_id, CASE t.code WHEN 'silver' THEN 100 ELSE 1000 END, 'lifetime'
FROM loyalty.tier t JOIN loyalty.unit u USING (program_id) WHERE u.code = 'spend' AND t.code <> 'basic';
INSERT INTO loyalty.program_event (program_id, event) SELECT :shop, unnest('{visit,spent}'::text[]);
SELECT FROM pg_temp.rule('{"event": "spent", "unit": "spend", "kind": "per_amount", "award": 1, "per": 1, "proportional": true}');
CALL pg_temp.enroll('Shop', 'ann', 'sam', 'gil');
SELECT FROM loyalty.record(pg_temp.id('sam'), 'spent', 100);
SELECT FROM loyalty.record(pg_temp.id('gil'), 'spent', 1000);

-- Tiers
SELECT FROM pg_temp.rule('{"event": "visit", "name": "basic", "award": 1, "tiers": "{basic}"}');
SELECT FROM pg_temp.rule('{"event": "visit", "name": "metal", "award": 2, "tiers": "{silver,gold}"}');
SELECT FROM pg_temp.rule('{"event": "visit", "name": "all", "award": 4, "tiers": "{silver,basic,gold}"}');
SELECT FROM unnest('{ann,sam,gil}'::text[]) who, loyalty.record(pg_temp.id(who), 'visit', ref => 't');
SELECT is(pg_temp.awards('ann', 't'), 'basic 1, metal tier_mismatch, all 4', 'tiers: the lowest');
SELECT is(pg_temp.awards('sam', 't'), 'basic tier_mismatch, metal 2, all 4', 'tiers: a higher one');
SELECT is(pg_temp.awards('gil', 't'), 'basic tier_mismatch, metal 2, all 4', 'tiers: the highest');
DELETE FROM loyalty.rule WHERE event = 'visit';

-- The event that promotes is judged by the tier before it
SELECT FROM pg_temp.rule('{"name": "spend", "unit": "spend", "kind": "per_amount", "award": 1, "per": 1, "proportional": true}');
SELECT FROM pg_temp.rule('{"name": "gold", "award": 7, "tiers": "{gold}"}');
CALL pg_temp.enroll('Shop', 'bob');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 1000, 'p1');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 1, 'p2');
SELECT is(pg_temp.awards('bob', 'p1'), 'spend 100000, gold tier_mismatch', 'tiers: not by the order that reaches it');
SELECT is(pg_temp.awards('bob', 'p2'), 'spend 100, gold 7', 'tiers: but by the next');
DELETE FROM loyalty.rule WHERE event = 'purchase';

-- A programme without tiers
SELECT loyalty.program_create('Flat', 'GBP', 'Europe/London', 'empty') AS flat \gset
INSERT INTO loyalty.unit (program_id, code, kind) VALUES (:flat, 'points', 'points');
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:flat, 'club', 5);
INSERT INTO loyalty.unit (program_id, code, kind) VALUES (:flat, 'visits', 'metric');
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, window_kind)
SELECT :flat, tier_id, unit_id, 2, 'lifetime' FROM loyalty.tier t JOIN loyalty.unit u USING (program_id)
WHERE t.program_id = :flat AND u.code = 'visits';
SELECT FROM pg_temp.rule('{"event": "check_in", "name": "visits", "unit": "visits", "award": 1}');
SELECT FROM pg_temp.rule('{"event": "check_in", "name": "club", "award": 1, "tiers": "{club}"}');
UPDATE loyalty.program_event SET daily = false WHERE program_id = :flat;
CALL pg_temp.enroll('Flat', 'flo');
SELECT FROM unnest('{v1,v2,v3}'::text[]) n, loyalty.record(pg_temp.id('flo'), 'check_in', ref => n);
SELECT is(string_agg(pg_temp.awards('flo', n), '; ' ORDER BY n),
	'visits 1, club tier_mismatch; visits 1, club tier_mismatch; visits 1, club 1', 'tiers: of none, until one is reached')
FROM unnest('{v1,v2,v3}'::text[]) n;

-- The multiplier of the tier: gold 1.5, on what is counted per amount, per piece and by ladder, in points only
SELECT FROM pg_temp.rule('{"program": "Shop", "name": "amount", "kind": "per_amount", "award": 1, "per": 1}');
SELECT FROM pg_temp.rule('{"program": "Shop", "name": "exact", "kind": "per_amount", "award": 1, "per": 3, "proportional": true}');
SELECT FROM pg_temp.rule('{"program": "Shop", "name": "pieces", "kind": "per_quantity", "award": 3, "per": 1}');
SELECT FROM pg_temp.rule('{"program": "Shop", "name": "ladder", "kind": "steps", "step_from": "{5}", "step_award": "{7}"}');
SELECT FROM pg_temp.rule('{"program": "Shop", "name": "by piece", "kind": "steps", "base": "quantity", "step_from": "{1}", "step_award": "{9}"}');
SELECT FROM pg_temp.rule('{"program": "Shop", "name": "fix", "award": 11}');
SELECT FROM pg_temp.rule('{"program": "Shop", "name": "plain", "kind": "per_amount", "award": 1, "per": 1, "tier_multiplied": false}');
SELECT FROM pg_temp.rule('{"program": "Shop", "name": "cash", "unit": "cash", "kind": "per_amount", "award": 0.01, "per": 1}');
SELECT FROM pg_temp.rule('{"program": "Shop", "name": "spend", "unit": "spend", "kind": "per_amount", "award": 1, "per": 1, "proportional": true}');
SELECT FROM unnest('{ann,sam,gil}'::text[]) who, loyalty.purchase(pg_temp.id(who), 11, 'm', '[{"sku": "A", "price": 11}]');
SELECT is(pg_temp.awards('ann', 'm'),
	'amount 11, exact 3, pieces 3, ladder 7, by piece 9, fix 11, plain 11, cash 11, spend 1100', 'multiplier of the tier: 1');
-- 13.75; 11 / 3 x 1.25 = 4.583; 3.75; 8.75; 11.25
SELECT is(pg_temp.awards('sam', 'm'),
	'amount 13, exact 4, pieces 3, ladder 8, by piece 11, fix 11, plain 11, cash 11, spend 1100', 'multiplier of the tier: 1.25');
-- 16.5; 5.5; 4.5; 10.5; 13.5
SELECT is(pg_temp.awards('gil', 'm'),
	'amount 16, exact 5, pieces 4, ladder 10, by piece 13, fix 11, plain 11, cash 11, spend 1100', 'multiplier of the tier: 1.5');
DELETE FROM loyalty.rule WHERE program_id = :shop;
-- Multipliers on top of it: 100 x 1.5 = 150, doubled: 150 more
SELECT FROM pg_temp.rule('{"program": "Shop", "name": "amount", "kind": "per_amount", "award": 1, "per": 1}');
SELECT FROM pg_temp.rule('{"program": "Shop", "name": "double", "kind": "multiplier", "award": 2}');
SELECT FROM loyalty.purchase(pg_temp.id('gil'), 100, 'm2');
SELECT is(pg_temp.awards('gil', 'm2'), 'amount 150, double 150', 'multiplier of the tier: a multiplier comes on top');
DELETE FROM loyalty.rule WHERE program_id = :shop;

-- Expiry: of the rule, else of the tier, else of the unit
SELECT FROM pg_temp.rule('{"program": "Shop", "event": "visit", "award": 1}');
SELECT FROM pg_temp.rule('{"program": "Shop", "event": "visit", "award": 2, "expiry": "days", "expiry_count": 10}');
SELECT FROM pg_temp.rule('{"program": "Shop", "event": "visit", "award": 4, "expiry": "never"}');
CALL pg_temp.enroll('Shop', 'gus');
SELECT FROM loyalty.record(pg_temp.id('gus'), 'visit');
SELECT is(pg_temp.lots('gus'), '2 e until 2026-03-25, 1 e until 2027-03-15, 4 e', 'expiry: of the rule, else of the unit');
SELECT FROM loyalty.tier_grant(pg_temp.id('gus'), 'gold', 'test', key => 'g');
SELECT FROM loyalty.record(pg_temp.id('gus'), 'visit');
SELECT is(pg_temp.lots('gus'), '4 e until 2026-03-25, 1 e until 2027-03-15, 1 e until 2028-12-31, 8 e',
	'expiry: of the rule, else of the tier');
SELECT FROM pg_temp.rule('{"program": "Shop", "event": "visit", "unit": "cash", "award": 1}');
SELECT FROM loyalty.record(pg_temp.id('gus'), 'visit');
SELECT is(pg_temp.lots('gus', 'cash'), '1 e', 'expiry: a tier''s is for points, not for money');
DELETE FROM loyalty.rule WHERE program_id = :shop;

-- Tags
SELECT is(pg_temp.signature('tag_add'), '(member_id bigint, tag text, source text DEFAULT ''hand''::text, valid_until timestamp with time zone DEFAULT NULL::timestamp with time zone) -> boolean', 'tag_add(): arguments');
SELECT is(pg_temp.signature('tag_remove'), '(member_id bigint, tag text) -> boolean', 'tag_remove(): arguments');
SELECT is(loyalty.tag_add(pg_temp.id('ann'), 'vip'), true, 'tag_add: a new tag');
SELECT is(loyalty.tag_add(pg_temp.id('ann'), 'vip'), false, 'tag_add: had it');
SELECT is(loyalty.tag_add(pg_temp.id('ann'), 'tea_lover'), true, 'tag_add: another');
SELECT is(loyalty.tag_add(pg_temp.id('bob'), 'staff'), true, 'tag_add: another member');
SELECT throws_ok($$SELECT loyalty.tag_add(-1, 'vip')$$, 'LY501', NULL, 'tag_add: no such member');
SELECT throws_ok($$SELECT loyalty.tag_remove(-1, 'vip')$$, 'LY501', NULL, 'tag_remove: no such member');
SELECT throws_ok($$SELECT loyalty.tag_add(NULL, 'vip')$$, '22004', NULL, 'tag_add: no member');
SELECT throws_ok($$SELECT loyalty.tag_add(pg_temp.id('ann'), NULL)$$, '22004', NULL, 'tag_add: no tag');
SELECT throws_ok(format($$SELECT loyalty.tag_add(pg_temp.id('ann'), %L)$$, tag), '22023', NULL, format('tag_add: not %L', left(tag, 10)))
FROM unnest(ARRAY['', 'VIP', '1st', 'a b', 'é', repeat('x', 64)]) tag;
SELECT FROM pg_temp.rule('{"program": "Shop", "event": "visit", "name": "vip", "award": 1, "tags": "{vip,staff}"}');
SELECT FROM pg_temp.rule('{"program": "Shop", "event": "visit", "name": "tea", "award": 2, "tags": "{tea_lover}"}');
SELECT FROM unnest('{ann,bob,sam}'::text[]) who, loyalty.record(pg_temp.id(who), 'visit', ref => 'g');
SELECT is(pg_temp.awards('ann', 'g'), 'vip 1, tea 2', 'tags: two of them');
SELECT is(pg_temp.awards('bob', 'g'), 'vip 1, tea segment_mismatch', 'tags: any of the rule');
SELECT is(pg_temp.awards('sam', 'g'), 'vip segment_mismatch, tea segment_mismatch', 'tags: none');
SELECT is(loyalty.tag_remove(pg_temp.id('ann'), 'vip'), true, 'tag_remove: had it');
SELECT is(loyalty.tag_remove(pg_temp.id('ann'), 'vip'), false, 'tag_remove: has it no more');
SELECT FROM loyalty.record(pg_temp.id('ann'), 'visit', ref => 'g2');
SELECT is(pg_temp.awards('ann', 'g2'), 'vip segment_mismatch, tea 2', 'tags: taken away');
DELETE FROM loyalty.rule WHERE program_id = :shop;

-- Channels and stores
INSERT INTO loyalty.collection (program_id, name) VALUES (:shop, 'city');
INSERT INTO loyalty.collection_item (program_id, collection, kind, value) VALUES
	(:shop, 'city', 'store', 'S1'), (:shop, 'city', 'store', 'S2'), (:shop, 'city', 'sku', 'S3');
SELECT FROM pg_temp.rule('{"program": "Shop", "event": "visit", "name": "app", "award": 1, "channels": "{app,web}"}');
SELECT FROM pg_temp.rule('{"program": "Shop", "event": "visit", "name": "store", "award": 1, "stores": "{S1,S3}"}');
SELECT FROM pg_temp.rule('{"program": "Shop", "event": "visit", "name": "city", "award": 1, "store_collection": "city"}');
SELECT FROM pg_temp.rule('{"program": "Shop", "event": "visit", "name": "both", "award": 1, "stores": "{S2,S3}", "store_collection": "city", "channels": "{web}"}');
SELECT FROM (VALUES (1, '{}'::jsonb), (2, '{"channel": "app", "store": "S1"}'), (3, '{"channel": "web", "store": "S2"}'),
	(4, '{"channel": "APP", "store": "S3"}'), (5, '{"channel": "shop", "store": "s1"}'), (6, '{"channel": "app "}')) v (n, data),
	loyalty.record(pg_temp.id('ann'), 'visit', ref => 'c' || n, data => data);
SELECT is(pg_temp.awards('ann', 'c' || n), awards, what)
FROM (VALUES
	(1, 'app channel_mismatch, store store_mismatch, city store_mismatch, both channel_mismatch', 'channels, stores: neither is given'),
	(2, 'app 1, store 1, city 1, both channel_mismatch', 'channels, stores: both of the first'),
	(3, 'app 1, store store_mismatch, city 1, both 1', 'channels, stores: both of the second'),
	(4, 'app channel_mismatch, store 1, city store_mismatch, both channel_mismatch', 'channels, stores: as they are written; a sku is no store'),
	(5, 'app channel_mismatch, store store_mismatch, city store_mismatch, both channel_mismatch', 'channels, stores: small letters are others'),
	(6, 'app channel_mismatch, store store_mismatch, city store_mismatch, both channel_mismatch', 'channels, stores: a blank counts')
) v (n, awards, what);

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
