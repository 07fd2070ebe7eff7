\set ECHO none
\i test/prelude.sql
SELECT plan(62);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES
	(:shop, 'points', 'points', 0), (:shop, 'tenths', 'points', 1), (:shop, 'cash', 'money', 2), (:shop, 'hours', 'metric', 2);
-- each kind of rule has an event of its own, so that none meddles with another
INSERT INTO loyalty.program_event (program_id, event)
SELECT :shop, unnest('{visit,nap,gift}'::text[]);
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat');

-- What a purchase moved; dry, so that one member may buy as often as we like
CREATE FUNCTION pg_temp.buys(amount numeric, items jsonb DEFAULT NULL, data jsonb DEFAULT '{}') RETURNS text
LANGUAGE sql AS $$
	SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('ann'), $1, 'dry', $2, $3, mode => 'dry') r
$$;

-- Any event, any unit
SELECT FROM pg_temp.rule('{"event": "visit", "award": 7}');
SELECT FROM pg_temp.rule('{"event": "visit", "unit": "tenths", "award": 0.5}');
SELECT FROM pg_temp.rule('{"event": "nap", "unit": "hours", "award": 1.25}');
SELECT FROM pg_temp.rule('{"event": "nap", "unit": "cash", "award": 0.01}');
SELECT FROM pg_temp.rule('{"event": "signup", "award": 50}');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'visit', ref => 'v1') r), '7 points, 0.5 tenths',
	'fixed: two kinds of points');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'visit', 999, 'v2') r), '7 points, 0.5 tenths',
	'fixed: whatever the amount');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'nap') r), '0.01 cash, 1.25 hours',
	'fixed: money and a metric');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.enroll('Shop', '{"customer_no": "dan"}') r), '50 points', 'fixed: for joining');
DELETE FROM loyalty.rule;

-- per_amount: 2 for each whole 3.00; 0.1 x the exact share of 3 per 7.00
SELECT FROM pg_temp.rule('{"kind": "per_amount", "award": 2, "per": 3}');
SELECT FROM pg_temp.rule('{"kind": "per_amount", "unit": "tenths", "award": 3, "per": 7, "proportional": true}');
SELECT is(pg_temp.buys(a.amount), a.moved, format('per_amount: %s', a.amount))
FROM (VALUES
	(0.00, 'nothing'),
	(0.23, 'nothing'),                    -- 0.69 / 7 = 0.0986
	(0.24, '0.1 tenths'),                 -- 0.72 / 7 = 0.1029
	(2.99, '1.2 tenths'),                 -- 8.97 / 7 = 1.2814
	(3.00, '2 points, 1.2 tenths'),       -- 9 / 7 = 1.2857
	(7.00, '4 points, 3 tenths'),
	(100.00, '66 points, 42.8 tenths')    -- 33 groups; 300 / 7 = 42.857
) a (amount, moved);
DELETE FROM loyalty.rule;

-- per_quantity: 2 for each whole 3 pieces; tenths: 1 per 4 pieces, exactly
SELECT FROM pg_temp.rule('{"kind": "per_quantity", "award": 2, "per": 3}');
SELECT FROM pg_temp.rule('{"kind": "per_quantity", "unit": "tenths", "award": 1, "per": 4, "proportional": true}');
SELECT is(pg_temp.buys(10, a.items), a.moved, format('per_quantity: %s', a.what))
FROM (VALUES
	('one piece', '[{"sku": "A", "price": 10}]'::jsonb, '0.2 tenths'),                                      -- 0.25
	('2.999 pieces', '[{"sku": "A", "price": 10, "qty": 2.999}]', '0.7 tenths'),                            -- 0.74975
	('3 pieces', '[{"sku": "A", "price": 10, "qty": 3}]', '2 points, 0.7 tenths'),                          -- 0.75
	('3.5 and 4 pieces', '[{"sku": "A", "price": 1, "qty": 3.5}, {"sku": "B", "price": 0, "qty": 4}]',
		'4 points, 1.8 tenths'),                                                                              -- 7.5: 2 groups; 1.875
	('no items', NULL, 'nothing')
) a (what, items, moved);
DELETE FROM loyalty.rule;
-- 3 for each half piece: 1.2 pieces are 2 halves
SELECT FROM pg_temp.rule('{"kind": "per_quantity", "award": 3, "per": 0.5}');
SELECT is(pg_temp.buys(10, '[{"sku": "A", "price": 10, "qty": 1.2}]'), '6 points', 'per_quantity: per half a piece');
DELETE FROM loyalty.rule;

-- steps: over the amount
SELECT FROM pg_temp.rule('{"kind": "steps", "step_from": "{50,100,250.50}", "step_award": "{5,20,60}"}');
SELECT is(pg_temp.buys(a.amount), a.moved, format('steps: an amount of %s', a.amount))
FROM (VALUES (0, 'nothing'), (49.99, 'nothing'), (50, '5 points'), (99.99, '5 points'), (100, '20 points'), (250.49, '20 points'),
	(250.50, '60 points'), (1000000, '60 points')) a (amount, moved);
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"kind": "steps", "base": "quantity", "step_from": "{0.5,2,5}", "step_award": "{1,10,30}"}');
SELECT is(pg_temp.buys(10, jsonb_build_array(jsonb_build_object('sku', 'A', 'price', 1, 'qty', a.qty))), a.moved,
	format('steps: %s pieces', a.qty))
FROM (VALUES (0.499, 'nothing'), (0.5, '1 points'), (1.999, '1 points'), (2, '10 points'), (4.999, '10 points'), (5, '30 points')) a (qty, moved);
SELECT is(pg_temp.buys(10), 'nothing', 'steps: no items, no pieces');
DELETE FROM loyalty.rule;

-- multiplier: of each kind of base
SELECT FROM pg_temp.rule('{"name": "fix", "award": 10}');
SELECT FROM pg_temp.rule('{"name": "amount", "kind": "per_amount", "award": 1, "per": 1}');
SELECT FROM pg_temp.rule('{"name": "pieces", "kind": "per_quantity", "award": 5, "per": 1}');
SELECT FROM pg_temp.rule('{"name": "ladder", "kind": "steps", "step_from": "{20}", "step_award": "{100}"}');
SELECT FROM pg_temp.rule('{"name": "double", "kind": "multiplier", "award": 2}');
SELECT FROM pg_temp.rule('{"name": "half more", "kind": "multiplier", "unit": "tenths", "award": 1.5}');
SELECT FROM pg_temp.rule('{"name": "thirds", "kind": "fixed", "unit": "tenths", "award": 0.3}');
-- 30.00, 2 pieces: 10 + 30 + 10 + 100 = 150, and once more; tenths: 0.3, and half of it: 0.15, down to 0.1
SELECT is(pg_temp.buys(30, '[{"sku": "A", "price": 15, "qty": 2}]'), '300 points, 0.4 tenths',
	'multiplier: of all kinds of base, of its own unit only');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 30, 'm1', '[{"sku": "A", "price": 15, "qty": 2}]');
SELECT is(pg_temp.awards('ann', 'm1'), 'fix 10, amount 30, pieces 10, ladder 100, double 150, half more 1, thirds 3',
	'multiplier: what each rule came to, the multiplier before its base too');
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"name": "double", "kind": "multiplier", "award": 2}');
SELECT FROM pg_temp.rule('{"name": "thirds", "kind": "fixed", "unit": "tenths", "award": 0.3}');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 30, 'm2');
SELECT is(pg_temp.awards('ann', 'm2'), 'double preceding_failed, thirds 3', 'multiplier: nothing to multiply');
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"name": "amount", "kind": "per_amount", "award": 1, "per": 1}');
SELECT FROM pg_temp.rule('{"name": "x1000", "kind": "multiplier", "award": 1000}');
SELECT FROM pg_temp.rule('{"name": "x1.001", "kind": "multiplier", "award": 1.001}');
-- 2000 + 999 x 2000 + 0.001 x 2000
SELECT is(pg_temp.buys(2000), '2000002 points', 'multiplier: from 1.001 to 1000');
DELETE FROM loyalty.rule;

-- Without an amount
SELECT FROM pg_temp.rule('{"event": "gift", "name": "amount", "kind": "per_amount", "award": 1, "per": 1}');
SELECT FROM pg_temp.rule('{"event": "gift", "name": "pieces", "kind": "per_quantity", "award": 1, "per": 1}');
SELECT FROM pg_temp.rule('{"event": "gift", "name": "ladder", "kind": "steps", "step_from": "{0}", "step_award": "{3}"}');
SELECT FROM pg_temp.rule('{"event": "gift", "name": "fix", "award": 1}');
SELECT FROM loyalty.record(pg_temp.id('ann'), 'gift', ref => 'g1');
SELECT is(pg_temp.awards('ann', 'g1'), 'amount no_effect, pieces no_effect, ladder no_effect, fix 1',
	'no amount: nothing per amount, per piece, or by a ladder, even from 0 on');
SELECT FROM loyalty.record(pg_temp.id('ann'), 'gift', 0, 'g2');
SELECT is(pg_temp.awards('ann', 'g2'), 'amount no_effect, pieces no_effect, ladder 3, fix 1', 'an amount of 0 is one');
DELETE FROM loyalty.rule;

-- What is left out of the amount
SELECT FROM pg_temp.rule('{"name": "all", "kind": "per_amount", "award": 1, "per": 0.01}');
SELECT FROM pg_temp.rule('{"name": "tax", "kind": "per_amount", "award": 1, "per": 0.01, "excludes": "{tax}"}');
SELECT FROM pg_temp.rule('{"name": "ship", "kind": "per_amount", "award": 1, "per": 0.01, "excludes": "{shipping}"}');
SELECT FROM pg_temp.rule('{"name": "paid", "kind": "per_amount", "award": 1, "per": 0.01, "excludes": "{points}"}');
SELECT FROM pg_temp.rule('{"name": "net", "kind": "per_amount", "award": 1, "per": 0.01, "excludes": "{points,tax,shipping}"}');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 100, 'x1', data => '{"tax": 16.67, "shipping": 3.5, "points": 10}');
SELECT is(pg_temp.awards('ann', 'x1'), 'all 10000, tax 8333, ship 9650, paid 9000, net 6983',
	'excludes: 100.00 less 16.67, 3.50 and 10.00');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 100, 'x2', data => '{"tax": null}');
SELECT is(pg_temp.awards('ann', 'x2'), 'all 10000, tax 10000, ship 10000, paid 10000, net 10000', 'excludes: nothing is named');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 10, 'x3', data => '{"tax": 4, "shipping": 7, "points": 11}');
SELECT is(pg_temp.awards('ann', 'x3'), 'all 1000, tax 600, ship 300, paid no_effect, net no_effect', 'excludes: never below nothing');
SELECT throws_ok(format($$SELECT * FROM loyalty.purchase(pg_temp.id('ann'), 10, 'x4', data => %L)$$, bad), 'LY007', NULL,
	'excludes: refused ' || bad)
FROM unnest('{"{\"tax\": \"4\"}","{\"shipping\": -1}","{\"points\": 1.001}","{\"tax\": true}","{\"tax\": 1e30}"}'::text[]) bad;
DELETE FROM loyalty.rule;

-- Lines: 60.00 of 100.00 gross are paid, so nets are 0.6 x gross, largest remainder in cents, ties by line:
-- 33.33 -> 19.998, 33.33 -> 19.998, 33.34 -> 20.004: 19.99 + 19.99 + 20.00 and two cents to lines 1 and 2
SELECT FROM pg_temp.rule('{"name": "a", "kind": "per_amount", "award": 1, "per": 0.01, "item_filter": "$.sku == \"A\""}');
SELECT FROM pg_temp.rule('{"name": "c", "kind": "per_amount", "award": 1, "per": 0.01, "item_filter": "$.category == \"C\""}');
SELECT FROM pg_temp.rule('{"name": "not a", "kind": "per_amount", "award": 1, "per": 0.01, "item_filter": "$.sku != \"A\""}');
SELECT FROM pg_temp.rule('{"name": "line 2", "kind": "per_amount", "award": 1, "per": 0.01, "item_filter": "$.line == 2"}');
SELECT FROM pg_temp.rule('{"name": "net", "kind": "per_amount", "award": 1, "per": 0.01, "item_filter": "$.net == 20.00"}');
SELECT FROM pg_temp.rule('{"name": "own", "kind": "per_amount", "award": 1, "per": 0.01, "item_filter": "$.bio == true && $.price > 33.33"}');
SELECT FROM pg_temp.rule('{"name": "none", "kind": "per_amount", "award": 1, "per": 0.01, "item_filter": "$.sku == \"Z\""}');
SELECT FROM pg_temp.rule('{"name": "none fix", "award": 1, "item_filter": "$.sku == \"Z\""}');
SELECT FROM pg_temp.rule('{"name": "some fix", "award": 1, "item_filter": "$.sku == \"A\""}');
SELECT FROM pg_temp.rule('{"name": "pieces", "kind": "per_quantity", "award": 1, "per": 1, "item_filter": "$.category == \"C\""}');
SELECT FROM pg_temp.rule('{"name": "ladder", "kind": "steps", "step_from": "{20,40.01}", "step_award": "{3,5}", "item_filter": "$.category == \"C\""}');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 60, 'l1', '[{"sku": "A", "price": 33.33},
	{"sku": "B", "price": 11.11, "qty": 3, "category": "C"}, {"sku": "C", "price": 33.34, "category": "C", "bio": true}]');
SELECT is(pg_temp.awards('bob', 'l1'), 'a 2000, c 4000, not a 4000, line 2 2000, net 6000, own 2000, none no_matching_items, '
	'none fix no_matching_items, some fix 1, pieces 4, ladder 3', 'item_filter: nets by largest remainder, own keys, pieces, ladder');
SELECT is((SELECT jsonb_agg(a -> 'lines' ORDER BY n) FROM loyalty.journal JOIN loyalty.event_data d USING (member_id, journal_id),
		jsonb_array_elements(d.data -> 'awards') WITH ORDINALITY x (a, n) WHERE ref = 'l1' AND a ? 'granted'),
	'[[1], [2, 3], [2, 3], [2], [1, 2, 3], [3], [1], [2, 3], [2, 3]]', 'item_filter: the lines are recorded');
SELECT is((SELECT jsonb_agg(a -> 'base' ORDER BY n) FROM loyalty.journal JOIN loyalty.event_data d USING (member_id, journal_id),
		jsonb_array_elements(d.data -> 'awards') WITH ORDINALITY x (a, n) WHERE ref = 'l1' AND n IN (1, 2, 10, 11)),
	'[2000, 4000, 4000, 4000]', 'and the base: cents, and thousandths of pieces');
-- 5.00 beyond the lines, such as shipping, belong to no line
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 105, 'l2', '[{"sku": "A", "price": 60}, {"sku": "B", "price": 40}]');
SELECT is(split_part(pg_temp.awards('bob', 'l2'), ',', 1), 'a 6000', 'item_filter: what the order costs beyond its lines counts for none');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 105, 'l3');
SELECT is(split_part(pg_temp.awards('bob', 'l3'), ',', 1), 'a no_matching_items', 'item_filter: an order without items');
DELETE FROM loyalty.rule;

-- Collections: by sku, category and brand; what is excluded wins
INSERT INTO loyalty.collection (program_id, name) VALUES (:shop, 'sale'), (:shop, 'never'), (:shop, 'empty'), (:shop, 'shops');
INSERT INTO loyalty.collection_item (program_id, collection, kind, value) VALUES
	(:shop, 'sale', 'sku', 'A'), (:shop, 'sale', 'category', 'tea'), (:shop, 'sale', 'brand', 'Acme'), (:shop, 'sale', 'store', 'X'),
	(:shop, 'never', 'sku', 'T2'), (:shop, 'never', 'brand', 'Bad'), (:shop, 'shops', 'store', 'A');
SELECT FROM pg_temp.rule('{"name": "sale", "kind": "per_amount", "award": 1, "per": 1, "collection": "sale"}');
SELECT FROM pg_temp.rule('{"name": "but", "kind": "per_amount", "award": 1, "per": 1, "collection": "sale", "excluded_collection": "never"}');
SELECT FROM pg_temp.rule('{"name": "not", "kind": "per_amount", "award": 1, "per": 1, "excluded_collection": "never"}');
SELECT FROM pg_temp.rule('{"name": "empty", "kind": "per_amount", "award": 1, "per": 1, "collection": "empty"}');
SELECT FROM pg_temp.rule('{"name": "not empty", "kind": "per_amount", "award": 1, "per": 1, "excluded_collection": "empty"}');
SELECT FROM pg_temp.rule('{"name": "stores", "kind": "per_amount", "award": 1, "per": 1, "collection": "shops"}');
SELECT FROM pg_temp.rule('{"name": "both", "kind": "per_amount", "award": 1, "per": 1, "collection": "sale", "item_filter": "$.price < 10"}');
-- 1: sku; 2: category; 3: category, excluded by sku; 4: brand; 5: of none; 6: category, excluded by brand; 7: a store's name as sku
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 127, 'c1', '[{"sku": "A", "price": 1}, {"sku": "T1", "category": "tea", "price": 2},
	{"sku": "T2", "category": "tea", "price": 4}, {"sku": "D", "category": "tools", "brand": "Acme", "price": 8},
	{"sku": "E", "price": 16}, {"sku": "F", "category": "tea", "brand": "Bad", "price": 32}, {"sku": "X", "price": 64}]');
SELECT is(pg_temp.awards('bob', 'c1'), 'sale 47, but 11, not 91, empty no_matching_items, not empty 127, stores no_matching_items, both 15',
	'collections: 1 + 2 + 4 + 8 + 32; less 4 and 32; all less 4 and 32; with a filter less 32');
-- A collection that changes, changes the rule
INSERT INTO loyalty.collection_item (program_id, collection, kind, value) VALUES (:shop, 'empty', 'sku', 'E');
SELECT is(pg_temp.buys(16, '[{"sku": "E", "price": 16}]'), '32 points', 'a collection that grows: 16 of "not" and 16 of "empty"');
DELETE FROM loyalty.rule;

-- A multiplier on some lines: of a base on all, on the same, on others
SELECT FROM pg_temp.rule('{"name": "base", "kind": "per_amount", "award": 1, "per": 1}');
SELECT FROM pg_temp.rule('{"name": "tea x3", "kind": "multiplier", "award": 3, "item_filter": "$.category == \"tea\""}');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 90, 't1', '[{"sku": "T", "category": "tea", "price": 40}, {"sku": "C", "price": 60}]');
SELECT is(pg_temp.awards('cat', 't1'), 'base 90, tea x3 72', 'multiplier on lines: 2 x the 36 of 90 that the tea earned');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 90, 't2', '[{"sku": "C", "price": 90}]');
SELECT is(pg_temp.awards('cat', 't2'), 'base 90, tea x3 no_matching_items', 'multiplier on lines: no such line');
SELECT FROM pg_temp.rule('{"name": "tea", "kind": "per_amount", "award": 1, "per": 2, "item_filter": "$.category == \"tea\""}');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 100, 't3', '[{"sku": "T", "category": "tea", "price": 40}, {"sku": "C", "price": 60}]');
-- base 100, of which 40 for tea; tea 20: 2 x (40 + 20)
SELECT is(pg_temp.awards('cat', 't3'), 'base 100, tea x3 120, tea 20', 'multiplier on lines: of two bases');

-- of a fixed award, and of a ladder, if they were for no other lines
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"name": "all", "award": 7}');
SELECT FROM pg_temp.rule('{"name": "tea", "award": 10, "item_filter": "$.category == \"tea\""}');
SELECT FROM pg_temp.rule('{"name": "both", "award": 100, "item_filter": "$.price > 30"}');
SELECT FROM pg_temp.rule('{"name": "ladder", "kind": "steps", "step_from": "{40}", "step_award": "{1000}", "item_filter": "$.category == \"tea\""}');
SELECT FROM pg_temp.rule('{"name": "tea x2", "kind": "multiplier", "award": 2, "item_filter": "$.category == \"tea\""}');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 100, 't4', '[{"sku": "T", "category": "tea", "price": 40}, {"sku": "C", "price": 60}]');
SELECT is(pg_temp.awards('cat', 't4'), 'all 7, tea 10, both 100, ladder 1000, tea x2 1010', 'multiplier on lines: of what was for these lines only');

-- What is too much to be counted is not awarded, and stops nothing
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"name": "huge", "kind": "per_amount", "award": 999999999999, "per": 0.01}');
SELECT FROM pg_temp.rule('{"name": "exact", "kind": "per_amount", "award": 999999999999, "per": 0.07, "proportional": true, "rounding_scope": "event"}');
SELECT FROM pg_temp.rule('{"name": "line", "kind": "per_amount", "award": 999999999999, "per": 0.07, "proportional": true, "rounding_scope": "line"}');
SELECT FROM pg_temp.rule('{"name": "most", "award": 999999999999}');
SELECT FROM pg_temp.rule('{"name": "x1000", "kind": "multiplier", "award": 1000}');
SELECT FROM pg_temp.rule('{"name": "one", "award": 1, "rule_group": null}');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 90071992547409.92, 'h1', '[{"sku": "A", "price": 45035996273704.96, "qty": 2}]');
SELECT is(pg_temp.awards('cat', 'h1'), 'huge overflow, exact overflow, line overflow, most 999999999999, x1000 overflow, one 1', 'overflow');

-- How long it is good for
DELETE FROM loyalty.rule;
UPDATE loyalty.unit SET expiry = 'end_of_year', expiry_count = 1, vest_days = 3 WHERE unit_id = (SELECT unit_id FROM loyalty.unit WHERE code = 'points');
SELECT FROM pg_temp.rule('{"event": "visit", "award": 1}');
SELECT FROM pg_temp.rule('{"event": "visit", "award": 2, "vest_days": 0}');
SELECT FROM pg_temp.rule('{"event": "visit", "award": 4, "vest_days": 10, "expiry": "days", "expiry_count": 30}');
SELECT FROM pg_temp.rule('{"event": "visit", "award": 8, "vest_days": 0, "expiry": "end_of_month", "expiry_count": 0}');
SELECT FROM pg_temp.rule('{"event": "visit", "award": 16, "expiry": "never"}');
SELECT FROM pg_temp.rule('{"event": "visit", "award": 32, "expiry": "months", "expiry_count": 1}');
CALL pg_temp.enroll('Shop', 'eve');
SELECT FROM loyalty.record(pg_temp.id('eve'), 'visit');
SELECT is(pg_temp.lots('eve'), '8 e until 2026-03-31, 4 e from 2026-03-25 until 2026-04-14, '
	'32 e from 2026-03-18 until 2026-04-15, 2 e until 2027-12-31, 1 e from 2026-03-18 until 2027-12-31, 16 e from 2026-03-18',
	'vesting and expiry: of the unit, and of the rule');
-- a tier of everybody comes between the two
INSERT INTO loyalty.tier (program_id, code, rank, expiry, expiry_count, vest_days)
SELECT program_id, 'all', 0, 'days', 60, 5 FROM loyalty.program WHERE name = 'Shop';
CALL pg_temp.enroll('Shop', 'fay');
SELECT FROM loyalty.record(pg_temp.id('fay'), 'visit');
SELECT is(pg_temp.lots('fay'), '8 e until 2026-03-31, 4 e from 2026-03-25 until 2026-04-14, '
	'32 e from 2026-03-20 until 2026-04-15, 2 e until 2026-05-14, 1 e from 2026-03-20 until 2026-05-14, 16 e from 2026-03-20',
	'vesting and expiry: rule before tier before unit');
-- whoever sets one of the two does not know the other
UPDATE loyalty.tier SET vest_days = 100;
CALL pg_temp.enroll('Shop', 'gus');
SELECT FROM loyalty.record(pg_temp.id('gus'), 'visit');
SELECT is(pg_temp.lots('gus'), '8 e until 2026-03-31, 4 e from 2026-03-25 until 2026-04-14, '
	'32 e from 2026-04-15 until 2026-04-15, 2 e until 2026-05-14, 1 e from 2026-05-14 until 2026-05-14, 16 e from 2026-06-23',
	'vesting and expiry: nothing lapses before it can be used');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
