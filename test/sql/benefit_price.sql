\set ECHO none
\i test/prelude.sql
SELECT plan(47);

SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai', 'empty') AS shop \gset
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:shop, 'basic', 0), (:shop, 'silver', 1), (:shop, 'gold', 2), (:shop, 'trade', 3);
CALL pg_temp.enroll('Shop', 'ann', 'sam', 'gil', 'tom');
SELECT FROM (VALUES ('sam', 'silver'), ('gil', 'gold'), ('tom', 'trade')) x (who, tier), loyalty.tier_grant(pg_temp.id(who), tier, 'test', key => 'g');
INSERT INTO loyalty.collection (program_id, name) VALUES (:shop, 'wine'), (:shop, 'sale');
INSERT INTO loyalty.collection_item (program_id, collection, kind, value) VALUES
	(:shop, 'wine', 'category', 'red'), (:shop, 'wine', 'sku', 'R1'), (:shop, 'wine', 'brand', 'Abbey'), (:shop, 'sale', 'sku', 'R2'), (:shop, 'wine', 'store', 'S1');
INSERT INTO loyalty.calendar_day (program_id, calendar, day) VALUES (:shop, 'members', '2026-03-18');

-- '7.99 off20, 0.02 off20': the member's prices, and by what.
CREATE FUNCTION pg_temp.prices(who text, items jsonb, at timestamptz DEFAULT NULL, channel text DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT string_agg(concat_ws(' ', member_price, benefit), ', ' ORDER BY line) FROM loyalty.benefit_price(pg_temp.id(who), items, at, channel)
$$;
CREATE FUNCTION pg_temp.benefit(settings jsonb, VARIADIC tiers text[] DEFAULT '{}') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE (SELECT format('INSERT INTO loyalty.benefit (%s) VALUES (%s)',
			string_agg(format('%I', key), ', '), string_agg(format('%L', value), ', '))
		FROM jsonb_each_text('{"kind": "price"}' || settings || jsonb_build_object('program_id',
			(SELECT program_id FROM loyalty.program WHERE name = 'Shop'))));
	PERFORM loyalty.benefit_hold('Shop', settings ->> 'name', 'tier', tier) FROM unnest(tiers) tier;
	IF tiers = '{}' THEN
		PERFORM loyalty.benefit_hold('Shop', settings ->> 'name', 'everyone');
	END IF;
END
$$;
-- Lines of one piece each: '9.99 A, 5 B'
CREATE FUNCTION pg_temp.cart(VARIADIC prices numeric[]) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_agg(jsonb_build_object('sku', 'X' || n, 'price', price) ORDER BY n) FROM unnest(prices) WITH ORDINALITY x (price, n)
$$;

SELECT is(pg_temp.signature('benefit_price'), '(member_id bigint, items jsonb, at timestamp with time zone DEFAULT NULL::timestamp with time zone, channel text DEFAULT NULL::text) -> TABLE(line integer, sku text, qty numeric, price numeric, member_price numeric, benefit text, source text)', 'benefit_price(): arguments');
SELECT is(pg_temp.prices('ann', pg_temp.cart(9.99, 0)), '9.99, 0', 'no benefit: the given prices');

-- 80 % and 70 % of the price
SELECT FROM pg_temp.benefit('{"name": "off20", "percent_off": 20}', 'silver', 'gold');
SELECT FROM pg_temp.benefit('{"name": "off30", "percent_off": 30}', 'gold');
SELECT is(pg_temp.prices('ann', pg_temp.cart(100)), '100', 'percentage: not the tier');
SELECT is(pg_temp.prices('sam', pg_temp.cart(100)), '80.00 off20', 'percentage: 80 % of 100');
SELECT is(pg_temp.prices('gil', pg_temp.cart(100)), '70.00 off30', 'percentage: the lower of two');
SELECT results_eq($$SELECT line, sku, qty, price, member_price, benefit, source FROM loyalty.benefit_price(pg_temp.id('gil'),
	'[{"sku": "A", "qty": 2.5, "price": 12.5}, {"sku": "B", "price": 3}]')$$,
	$$VALUES (1, 'A', 2.5, 12.5, 8.75, 'off30', 'tier gold'), (2, 'B', 1, 3, 2.10, 'off30', 'tier gold')$$, 'one row per line, of one piece');
-- 0.8 x 9.99 = 7.992; 0.8 x 0.01 = 0.008; 0.8 x 0.02 = 0.016; 0.8 x 0.03 = 0.024; 0.8 x 1.13 = 0.904
SELECT is(pg_temp.prices('sam', pg_temp.cart(9.99, 0.01, 0.02, 0.03, 1.13)), '7.99 off20, 0.01, 0.02, 0.02 off20, 0.90 off20', 'rounded to the cent; what does not fall is the given price');
-- half a cent: 0.7 x 0.15 = 0.105, 0.7 x 0.05 = 0.035 (as much as 0.8 x 0.05: the first of two that are equal), 0.7 x 0.25 = 0.175
SELECT is(pg_temp.prices('gil', pg_temp.cart(0.15, 0.05, 0.25)), '0.11 off30, 0.04 off20, 0.18 off30', 'half a cent is rounded up');
SELECT is(pg_temp.prices('gil', pg_temp.cart(0)), '0', 'nothing stays nothing');
-- 0.7 x 0.333 = 0.2331; 0.7 x 0.004 = 0.0028
SELECT is(pg_temp.prices('gil', pg_temp.cart(0.333, 0.004, 0.006)), '0.23 off30, 0.00 off20, 0.00 off20', 'a price below the cent');
SELECT is(pg_temp.prices('gil', pg_temp.cart(0.0075)), '0.0075', 'never above the given one');
-- 33.333 % off 3: 3 x 66.667 % = 2.00001
SELECT FROM pg_temp.benefit('{"name": "third", "percent_off": 33.333}', 'gold');
SELECT is(pg_temp.prices('gil', pg_temp.cart(3, 1000000000.01)), '2.00 third, 666670000.01 third', 'thousandths of a percent');
SELECT FROM pg_temp.benefit('{"name": "gratis", "percent_off": 100}', 'trade');
SELECT is(pg_temp.prices('tom', pg_temp.cart(5)), '0.00 gratis', '100 % off');
DELETE FROM loyalty.benefit_holder;
DELETE FROM loyalty.benefit;

-- Lists: wholesale prices for the trade
INSERT INTO loyalty.price_list (program_id, name, kind, value, price, percent_off) VALUES
	(:shop, 'wholesale', 'sku', 'A', 6, NULL), (:shop, 'wholesale', 'sku', 'B', NULL, 50), (:shop, 'wholesale', 'collection', 'wine', NULL, 40),
	(:shop, 'wholesale', 'collection', 'sale', 1, NULL), (:shop, 'wholesale', 'category', 'red', NULL, 60), (:shop, 'wholesale', 'category', 'tools', NULL, 30),
	(:shop, 'wholesale', 'brand', 'Abbey', NULL, 70), (:shop, 'wholesale', 'brand', 'Acme', 4, NULL), (:shop, 'wholesale', 'sku', 'R1', NULL, 10);
SELECT FROM pg_temp.benefit('{"name": "trade", "price_list": "wholesale"}', 'trade');
SELECT is(pg_temp.prices('ann', '[{"sku": "A", "price": 10}]'), '10', 'list: not for others');
SELECT is(pg_temp.prices('tom', '[{"sku": "A", "price": 10}, {"sku": "B", "price": 10}, {"sku": "C", "price": 10}]'), '6.00 trade, 5.00 trade, 10', 'list: a price, a percentage, not in it');
SELECT is(pg_temp.prices('tom', '[{"sku": "A", "price": 5}, {"sku": "A", "price": 6}]'), '5, 6', 'list: its price is not lower');
SELECT is(pg_temp.prices('tom', '[{"sku": "C", "price": 10, "category": "tools"}, {"sku": "C", "price": 10, "brand": "Acme"}, {"sku": "C", "price": 10, "category": "tools", "brand": "Acme"}]'),
	'7.00 trade, 4.00 trade, 7.00 trade', 'list: by category, by brand; a category is more exact');
SELECT is(pg_temp.prices('tom', '[{"sku": "R3", "price": 10, "category": "red"}, {"sku": "R1", "price": 10, "category": "red"}, {"sku": "C", "price": 10, "brand": "Abbey"}]'),
	'6.00 trade, 9.00 trade, 6.00 trade', 'list: a collection is more exact than category and brand, a sku more than all');
SELECT is(pg_temp.prices('tom', '[{"sku": "R2", "price": 10, "category": "red"}]'), '1.00 trade', 'list: of two collections, the lower price');
SELECT is(pg_temp.prices('tom', '[{"sku": "red", "price": 10, "category": "A", "brand": "tools"}]'), '10', 'list: a sku is no category');
SELECT is(pg_temp.prices('tom', '[{"sku": "S1", "price": 10}]'), '10', 'list: nor a store');
SELECT FROM pg_temp.benefit('{"name": "off45", "percent_off": 45}', 'trade');
SELECT is(pg_temp.prices('tom', '[{"sku": "A", "price": 10}, {"sku": "B", "price": 10}, {"sku": "R1", "price": 10}]'), '5.50 off45, 5.00 trade, 5.50 off45', 'the lowest of list and percentage, line by line');
INSERT INTO loyalty.price_list (program_id, name, kind, value, price) VALUES (:shop, 'special', 'sku', 'A', 5.49);
SELECT FROM pg_temp.benefit('{"name": "special", "price_list": "special"}', 'trade');
SELECT is(pg_temp.prices('tom', '[{"sku": "A", "price": 10}]'), '5.49 special', 'two lists');
INSERT INTO loyalty.price_list (program_id, name, kind, value, price) VALUES (:shop, 'secret', 'sku', 'A', 0.01);
SELECT is(pg_temp.prices('tom', '[{"sku": "A", "price": 10}]'), '5.49 special', 'a list that is not his');
UPDATE loyalty.price_list SET price = 5.48 WHERE name = 'special';
SELECT is(pg_temp.prices('tom', '[{"sku": "A", "price": 10}]'), '5.48 special', 'a changed price counts at once');
DELETE FROM loyalty.price_list WHERE name = 'special';
SELECT is(pg_temp.prices('tom', '[{"sku": "A", "price": 10}]'), '5.50 off45', 'and one that is gone no more');
DELETE FROM loyalty.benefit_holder;
DELETE FROM loyalty.benefit;

-- When and where
SELECT FROM pg_temp.benefit('{"name": "birthday", "percent_off": 50, "birthday": "day"}');
SELECT FROM pg_temp.benefit('{"name": "members_day", "percent_off": 20, "calendar": "members"}');
SELECT FROM pg_temp.benefit('{"name": "app", "percent_off": 10, "channels": "{app}"}');
SELECT FROM pg_temp.benefit('{"name": "week", "percent_off": 5, "valid_from": "2026-03-20 00:00+08", "valid_until": "2026-03-27 00:00+08"}');
UPDATE loyalty.member SET profile = '{"birthday": "1990-03-17"}' WHERE member_id = pg_temp.id('ann');
SELECT is(pg_temp.prices('ann', pg_temp.cart(100), at::timestamptz, channel), expected, at || ' ' || coalesce(channel, 'nowhere')) FROM (VALUES
	('2026-03-16 23:59+08', NULL, '100'), ('2026-03-17 00:00+08', NULL, '50.00 birthday'), ('2026-03-18 12:00+08', NULL, '80.00 members_day'),
	('2026-03-19 12:00+08', 'app', '90.00 app'), ('2026-03-19 12:00+08', 'web', '100'), ('2026-03-20 00:00+08', 'web', '95.00 week'),
	('2026-03-20 00:00+08', 'app', '90.00 app'), ('2026-03-27 00:00+08', NULL, '100')) x (at, channel, expected);
SELECT FROM loyalty.member_freeze(pg_temp.id('ann'), 'test', key => 'f');
SELECT is(pg_temp.prices('ann', pg_temp.cart(100), '2026-03-17 12:00+08'), '50.00 birthday', 'frozen: his prices');
SELECT FROM loyalty.member_close(pg_temp.id('ann'), 'test', key => 'c');
SELECT is(pg_temp.prices('ann', pg_temp.cart(100), '2026-03-17 12:00+08'), '100', 'closed: the given ones');

-- A currency without decimals: 0.85 x 1010 = 858.5, half up
SELECT loyalty.program_create('Mise', 'JPY', 'Asia/Tokyo', 'empty') AS mise \gset
INSERT INTO loyalty.benefit (program_id, name, kind, percent_off) VALUES (:mise, 'off15', 'price', 15);
SELECT FROM loyalty.benefit_hold('Mise', 'off15', 'everyone');
CALL pg_temp.enroll('Mise', 'yui');
SELECT is(pg_temp.prices('yui', pg_temp.cart(1010, 1, 99)), '859 off15, 1, 84 off15', 'whole yen');

-- Bad questions
SELECT is(pg_temp.raised(format('SELECT * FROM loyalty.benefit_price(%s)', args)), error, args) FROM (VALUES
	('0, ''[{"sku": "A", "price": 1}]''', 'LY501 member_id=0'), ('NULL, ''[{"sku": "A", "price": 1}]''', '22004'), ('pg_temp.id(''sam''), NULL', '22004'),
	('pg_temp.id(''sam''), ''[]''', 'LY006 items must be a json array of at least one line'), ('pg_temp.id(''sam''), ''[{"price": 1}]''', 'LY006 line 1: sku must be a string'),
	('pg_temp.id(''sam''), ''[{"sku": "A"}]''', 'LY006 line 1: price must be a number'), ('pg_temp.id(''sam''), ''[{"sku": "A", "price": -1}]''', 'LY006 line 1: price is negative or too large'),
	('pg_temp.id(''sam''), ''[{"sku": "A", "price": 1}]'', ''infinity''', 'LY107 at is not finite')) x (args, error);

-- A cart of a thousand lines, against plain SQL
INSERT INTO loyalty.price_list (program_id, name, kind, value, price, percent_off)
SELECT :shop, 'long', 'sku', 'S' || n, CASE WHEN n % 3 = 0 THEN n END, CASE WHEN n % 3 <> 0 THEN n % 100 + 0.5 END FROM generate_series(1, 3000, 2) n;
SELECT FROM pg_temp.benefit('{"name": "long", "price_list": "long"}', 'trade');
CREATE TEMP TABLE cart AS
	SELECT row_number() OVER (ORDER BY n % 17, n)::int AS line, 'S' || n AS sku, 1000 + n * 0.37 AS price FROM generate_series(1, 1000) n;
SELECT results_eq($$SELECT line, member_price::numeric(12,2) FROM loyalty.benefit_price(pg_temp.id('tom'),
		(SELECT jsonb_agg(jsonb_build_object('sku', sku, 'price', price) ORDER BY line) FROM cart)) ORDER BY line$$,
	$$SELECT c.line, least(c.price, p.price, round(c.price * (100 - p.percent_off) / 100, 2))::numeric(12,2)
		FROM cart c LEFT JOIN loyalty.price_list p ON p.name = 'long' AND p.value = c.sku ORDER BY line$$,
	'a long cart and a long list');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
