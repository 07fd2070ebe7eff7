\set ECHO none
\i test/prelude.sql
SELECT plan(31);

SELECT loyalty.program_create('Shop', 'EUR', 'Europe/Berlin', 'empty') AS shop \gset
SELECT loyalty.program_create('Other', 'EUR', 'Europe/Berlin', 'empty') AS other \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:shop, 'points', 'points', 0);
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, per)
	SELECT program_id, 'purchase', unit_id, 'per_amount', 1, 1 FROM loyalty.unit WHERE program_id = :shop;
CALL pg_temp.enroll('Shop', 'ann');

-- What a purchase of one line, or in a store, or on a day awards under the rule.
CREATE SEQUENCE pg_temp.no;
CREATE FUNCTION pg_temp.line(line jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('ann'), (line ->> 'price')::numeric,
		'line-' || nextval('pg_temp.no'), items => jsonb_build_array(line)) r
$$;
CREATE FUNCTION pg_temp.store(store text) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('ann'), 10,
		'store-' || nextval('pg_temp.no'), data => jsonb_strip_nulls(jsonb_build_object('store', store))) r
$$;
CREATE FUNCTION pg_temp.at(at timestamptz) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('ann'), 10, 'at-' || nextval('pg_temp.no'), at => at) r
$$;

-- What may be written
SELECT lives_ok(format($$INSERT INTO loyalty.collection VALUES (%s, 'toys', 'Toys'), (%s, 'empty', NULL)$$, :shop, :shop), 'collections');
SELECT lives_ok(format($$INSERT INTO loyalty.collection VALUES (%s, 'toys', 'Toys')$$, :other), 'the same name in another programme');
SELECT throws_ok(format($$INSERT INTO loyalty.collection VALUES (%s, 'toys', NULL)$$, :shop), '23505', NULL, 'a name is there once');
SELECT throws_ok(format($$INSERT INTO loyalty.collection VALUES (%s, 'Toys!', NULL)$$, :shop), '23514', NULL, 'a name is a word');
SELECT throws_ok($$INSERT INTO loyalty.collection VALUES (0, 'toys', NULL)$$, '23503', NULL, 'no programme');
SELECT throws_ok(format($$INSERT INTO loyalty.collection_item VALUES (%s, 'games', 'sku', 'a')$$, :shop), '23503', NULL, 'no collection');
SELECT throws_ok(format($$INSERT INTO loyalty.collection_item VALUES (%s, 'toys', 'colour', 'red')$$, :shop), '23514', NULL, 'no such kind');
SELECT throws_ok(format($$INSERT INTO loyalty.collection_item VALUES (%s, 'toys', 'sku', '')$$, :shop), '23514', NULL, 'an empty value');
SELECT throws_ok(format($$INSERT INTO loyalty.calendar_day VALUES (%s, 'holiday', 'infinity')$$, :shop), '23514', NULL, 'a day without end');
SELECT throws_ok(format($$INSERT INTO loyalty.calendar_day VALUES (0, 'holiday', '2026-01-01')$$), '23503', NULL, 'a calendar of no programme');

-- Products: a thousand skus, two categories, a brand; one name is the beginning of another
INSERT INTO loyalty.collection_item
	SELECT :shop, 'toys', 'sku', 'T' || i FROM generate_series(1, 1000) i
	UNION ALL VALUES (:shop, 'toys', 'category', 'dolls'), (:shop, 'toys', 'category', 'Gärten'),
		(:shop, 'toys', 'brand', 'Bär'), (:other, 'toys', 'sku', 'X1');
UPDATE loyalty.rule SET collection = 'toys';
SELECT is(pg_temp.line(line), moved, what)
FROM (VALUES
	('{"sku": "T1", "price": 10}'::jsonb, '10 points', 'the first sku'),
	('{"sku": "T1000", "price": 10}', '10 points', 'the last sku'),
	('{"sku": "T1001", "price": 10}', 'nothing', 'a sku that goes on'),
	('{"sku": "T", "price": 10}', 'nothing', 'a sku that breaks off'),
	('{"sku": "t1", "price": 10}', 'nothing', 'a sku in lower case'),
	('{"sku": "dolls", "price": 10}', 'nothing', 'a category is no sku'),
	('{"sku": "a", "category": "dolls", "price": 10}', '10 points', 'a category'),
	('{"sku": "a", "category": "Gärten", "price": 10}', '10 points', 'a category with an umlaut'),
	('{"sku": "a", "category": "T1", "price": 10}', 'nothing', 'a sku is no category'),
	('{"sku": "a", "category": "b", "brand": "Bär", "price": 10}', '10 points', 'a brand'),
	('{"sku": "X1", "price": 10}', 'nothing', 'what is in the other programme''s collection')
) t (line, moved, what);

-- Without: the rest
UPDATE loyalty.rule SET collection = NULL, excluded_collection = 'toys';
SELECT is(pg_temp.line('{"sku": "T7", "price": 10}') || ', ' || pg_temp.line('{"sku": "U7", "price": 10}'),
	'nothing, 10 points', 'everything but a collection');

-- A change is seen at once; an empty collection has nothing
DELETE FROM loyalty.collection_item WHERE value = 'T7';
SELECT is(pg_temp.line('{"sku": "T7", "price": 10}'), '10 points', 'a sku less');
UPDATE loyalty.rule SET excluded_collection = NULL, collection = 'empty';
SELECT is(pg_temp.line('{"sku": "T8", "price": 10}'), 'nothing', 'a collection without items');
SELECT throws_ok($$DELETE FROM loyalty.collection WHERE name = 'empty'$$, '23503', NULL, 'a collection that a rule names');

-- Stores
INSERT INTO loyalty.collection_item VALUES (:shop, 'empty', 'store', 'north');
UPDATE loyalty.rule SET collection = NULL, store_collection = 'empty';
SELECT is(concat_ws(', ', pg_temp.store('north'), pg_temp.store('south'), pg_temp.store(NULL)),
	'10 points, nothing, nothing', 'a group of stores');

-- A calendar: local days, in whatever order they were written
INSERT INTO loyalty.calendar_day VALUES
	(:shop, 'holiday', '2026-03-14'), (:shop, 'holiday', '2025-12-26'), (:shop, 'holiday', '2025-12-25'),
	(:shop, 'members', '2026-03-01'), (:other, 'holiday', '2026-03-02');
UPDATE loyalty.rule SET store_collection = NULL, calendar = 'holiday';
SELECT is(pg_temp.at(at::timestamptz), moved, what)
FROM (VALUES
	('2025-12-24 23:59:59.999999 Europe/Berlin', 'nothing', 'the last moment of the day before'),
	('2025-12-25 00:00 Europe/Berlin', '10 points', 'the first moment of a holiday'),
	('2025-12-26 23:59:59.999999 Europe/Berlin', '10 points', 'the last moment of a holiday'),
	('2026-03-02 12:00 Europe/Berlin', 'nothing', 'a holiday of another programme')
) t (at, moved, what);

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
