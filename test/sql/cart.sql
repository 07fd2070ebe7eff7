\set ECHO none
\i test/prelude.sql
SELECT plan(72);

SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
CALL pg_temp.enroll('Shop', 'ann', 'gil');
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:shop, 'basic', 0), (:shop, 'gold', 1);
SELECT FROM loyalty.tier_grant(pg_temp.id('gil'), 'gold', 'test', key => 'g');
INSERT INTO loyalty.benefit (program_id, name, kind, percent_off) VALUES (:shop, 'gold_price', 'price', 10);
SELECT FROM loyalty.benefit_hold('Shop', 'gold_price', 'tier', 'gold');

SELECT is(pg_temp.signature('quote'), '(member_id bigint, cart jsonb, codes text[] DEFAULT NULL::text[], use jsonb DEFAULT NULL::jsonb, '
	'at timestamp with time zone DEFAULT NULL::timestamp with time zone, best boolean DEFAULT false, program text DEFAULT NULL::text) -> jsonb', 'quote(): arguments');
SELECT is((SELECT provolatile FROM pg_proc WHERE oid = 'loyalty.quote'::regproc), 's', 'quote() is stable');
SELECT pg_temp.state() AS before \gset

-- What a cart costs, or the refusal.
CREATE FUNCTION pg_temp.quoted(cart jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN pg_temp.raised(format('SELECT loyalty.quote(pg_temp.id(''ann''), %L)', cart));
END
$$;
CREATE FUNCTION pg_temp.totals(q jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', q ->> 'list', q ->> 'price', q ->> 'discount', q ->> 'goods', q ->> 'shipping', q ->> 'total', q ->> 'payable')
$$;
CREATE FUNCTION pg_temp.line(fields jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('items', jsonb_build_array(jsonb_strip_nulls('{"sku": "A", "qty": 1, "price": 10}' || fields)))
$$;

-- The form of a cart
SELECT is(pg_temp.quoted(cart::jsonb), refusal, cart)
FROM (VALUES
	('[]', 'LY224 cart must be a json object'),
	('"x"', 'LY224 cart must be a json object'),
	('null', 'LY224 cart must be a json object'),
	('{}', 'LY224 items are missing'),
	('{"items": null}', 'LY224 items are missing'),
	('{"items": {}}', 'LY224 items must be a json array'),
	('{"items": 5}', 'LY224 items must be a json array'),
	('{"items": []}', 'LY006 items must be a json array of at least one line'),
	('{"items": [5]}', 'LY006 line 1 must be a json object'),
	('{"items": [{"sku": "A", "price": 1}], "shiping": 5}', 'LY224 a cart has no field "shiping"'),
	('{"items": [{"sku": "A", "price": 1}], "coupons": ["X"]}', 'LY224 a cart has no field "coupons"'),
	('{"items": [{"sku": "A", "price": 1}], "currency": "EUR"}', 'LY224 currency is not CNY'),
	('{"items": [{"sku": "A", "price": 1}], "currency": "cny"}', 'LY224 currency is not CNY'),
	('{"items": [{"sku": "A", "price": 1}], "currency": 5}', 'LY224 currency must be a string'),
	('{"items": [{"sku": "A", "price": 1}], "shipping": "5"}', 'LY224 shipping must be a number'),
	('{"items": [{"sku": "A", "price": 1}], "shipping": -0.01}', 'LY224 shipping is negative, too large or has more than 2 decimals'),
	('{"items": [{"sku": "A", "price": 1}], "shipping": 0.001}', 'LY224 shipping is negative, too large or has more than 2 decimals'),
	('{"items": [{"sku": "A", "price": 1}], "shipping": 1e30}', 'LY224 shipping is negative, too large or has more than 2 decimals'),
	('{"items": [{"sku": "A", "price": 1}], "channel": 5}', 'LY224 channel must be a string'),
	('{"items": [{"sku": "A", "price": 1}], "store": ""}', 'LY224 store is empty'),
	('{"items": [{"sku": "A", "price": 1}], "staff": {}}', 'LY224 staff must be a string'),
	('{"items": [{"sku": "A", "price": 1}], "payment_method": ["card"]}', 'LY224 payment_method must be a string'),
	('{"items": [{"sku": "A", "price": 1}], "data": []}', 'LY224 data must be a json object'),
	('{"items": [{"sku": "A", "price": 1}], "data": {"channel": "web"}}', 'LY224 data.channel: it is a field of the cart itself'),
	('{"items": [{"sku": "A", "price": 1}], "data": {"points": 1}}', 'LY224 data.points: it is worked out, not given')
) x (cart, refusal);
SELECT is(pg_temp.quoted(jsonb_build_object('items', '[{"sku": "A", "price": 1}]'::jsonb, 'channel', repeat('x', 256))), 'LY224 channel has 256 bytes, at most 255', 'a long channel');
SELECT is(pg_temp.quoted(jsonb_build_object('items', '[{"sku": "A", "price": 1}]'::jsonb, repeat('x', 300), 1)), 'LY224 a cart has no field "' || repeat('x', 64) || '"', 'a long field is told short');

-- The form of a line
SELECT is(pg_temp.quoted(pg_temp.line(fields::jsonb)), refusal, fields)
FROM (VALUES
	('{"sku": null}', 'LY006 line 1: sku must be a string'),
	('{"sku": ""}', 'LY006 line 1: sku must be a string'),
	('{"sku": 5}', 'LY006 line 1: sku must be a string'),
	('{"price": null}', 'LY006 line 1: price must be a number'),
	('{"price": "9.99"}', 'LY006 line 1: price must be a number'),
	('{"price": -0.01}', 'LY006 line 1: price is negative or too large'),
	('{"price": -0.001}', 'LY006 line 1: price is negative or too large'), ('{"price": -4, "qty": 0.001}', 'LY006 line 1: price is negative or too large'),
	('{"price": 1e20}', 'LY006 line 1: price is negative or too large'),
	('{"price": 1e200}', 'LY004 cart has a number of more than 100 digits'),
	('{"qty": 0}', 'LY006 line 1: qty must be a positive number with at most 3 decimals'),
	('{"qty": -1}', 'LY006 line 1: qty must be a positive number with at most 3 decimals'),
	('{"qty": 0.0001}', 'LY006 line 1: qty must be a positive number with at most 3 decimals'),
	('{"qty": "2"}', 'LY006 line 1: qty must be a positive number with at most 3 decimals'),
	('{"qty": 1e20}', 'LY006 line 1: qty must be a positive number with at most 3 decimals'),
	('{"category": 5}', 'LY006 line 1: category must be a string'),
	('{"brand": {}}', 'LY006 line 1: brand must be a string'),
	('{"net": 5}', 'LY224 line 1: net is worked out, not given'),
	('{"qty": null, "quantity": 2}', 'LY006 line 1: a line has no field "quantity", it is qty'),
	('{"list": 5}', 'LY224 line 1: list is worked out, not given'),
	('{"line": 1}', 'LY224 line 1: line is worked out, not given')
) x (fields, refusal);
SELECT is(pg_temp.quoted(jsonb_build_object('items', (SELECT jsonb_agg('{"sku": "A", "price": 1}'::jsonb) FROM generate_series(1, 5001)))),
	'LY004 items has 5001 lines, at most 5000', '5001 lines');
SELECT is(pg_temp.quoted('{"items": [{"sku": "A", "price": 90071992547409.91}, {"sku": "A", "price": 0.02}]}'), 'LY102 the lines add up to too much', 'too much of all lines');
SELECT is(pg_temp.quoted('{"items": [{"sku": "A", "price": 90071992547409.91}], "shipping": 0.02}'), 'LY102 lines and shipping add up to too much', 'too much with shipping');

-- What is allowed
SELECT is(pg_temp.totals(loyalty.quote(pg_temp.id('ann'), cart::jsonb)), totals, what)
FROM (VALUES
	('a price of nothing', '{"items": [{"sku": "A", "price": 0}]}', '0.00 0.00 0.00 0.00 0.00 0.00 0.00'),
	('two lines of one sku', '{"items": [{"sku": "A", "price": 1.11}, {"sku": "A", "price": 1.11}]}', '2.22 2.22 0.00 2.22 0.00 2.22 2.22'),
	-- 0.333 x 1.5 = 0.4995
	('more decimals than the currency has', '{"items": [{"sku": "A", "price": 0.333, "qty": 1.5}]}', '0.50 0.50 0.00 0.50 0.00 0.50 0.50'),
	('all there is', '{"items": [{"sku": "A", "price": 10, "qty": 2, "category": "tea", "brand": "T", "colour": "red", "tags": [1, 2]}], "shipping": 8, "currency": "CNY",
	  "channel": "web", "store": "S1", "staff": "E1", "payment_method": "card", "data": {"tax": 1.20}}', '20.00 20.00 0.00 20.00 8.00 28.00 28.00')
) x (what, cart, totals);
SELECT is(jsonb_array_length(loyalty.quote(pg_temp.id('ann'), jsonb_build_object('items', (SELECT jsonb_agg('{"sku": "A", "price": 0.01}'::jsonb) FROM generate_series(1, 5000)))) -> 'lines'), 5000, '5000 lines');

-- 9.99 less 10 % is 8.991
SELECT is(pg_temp.totals(loyalty.quote(pg_temp.id('gil'), '{"items": [{"sku": "A", "price": 9.99, "qty": 3}, {"sku": "B", "price": 0.04}]}')),
	'30.01 27.01 0.00 27.01 0.00 27.01 27.01', 'the member''s prices');
SELECT is(loyalty.quote(pg_temp.id('gil'), '{"items": [{"sku": "A", "price": 9.99, "qty": 3}, {"sku": "B", "price": 0.04}]}') -> 'steps',
	'[{"step": 1, "name": "price", "benefit": "gold_price", "amount": 3.00}]', 'are the first step');

-- Guests and other bad arguments
SELECT is(pg_temp.totals(loyalty.quote(NULL, '{"items": [{"sku": "A", "price": 9.99}]}', program => 'Shop')), '9.99 9.99 0.00 9.99 0.00 9.99 9.99', 'a guest');
SELECT is(pg_temp.raised($$SELECT loyalty.quote(NULL, '{"items": [{"sku": "A", "price": 9.99}]}')$$), '22004', 'neither member nor programme');
SELECT is(pg_temp.raised($$SELECT loyalty.quote(NULL, '{"items": [{"sku": "A", "price": 9.99}]}', program => 'Nowhere')$$), 'LY403 program=Nowhere', 'no such programme');
SAVEPOINT inactive;
UPDATE loyalty.program SET status = 'inactive' WHERE name = 'Shop';
SELECT is(pg_temp.raised($$SELECT loyalty.quote(NULL, '{"items": [{"sku": "A", "price": 9.99}]}', program => 'Shop')$$),
	pg_temp.raised($$SELECT loyalty.quote(pg_temp.id('ann'), '{"items": [{"sku": "A", "price": 9.99}]}')$$), 'an inactive programme sells nothing, to guests neither');
ROLLBACK TO inactive;
SELECT is(pg_temp.raised($$SELECT loyalty.quote(5, '{"items": [{"sku": "A", "price": 9.99}]}')$$), 'LY501 member_id=5', 'no such member');
SELECT is(pg_temp.raised($$SELECT loyalty.quote(pg_temp.id('ann'), NULL)$$), '22004', 'no cart');
SELECT is(pg_temp.raised($$SELECT loyalty.quote(pg_temp.id('ann'), '{"items": [{"sku": "A", "price": 9.99}]}', '{A,NULL}')$$), '22004', 'NULL is no code');
SELECT is(pg_temp.raised($$SELECT loyalty.quote(pg_temp.id('ann'), '{"items": [{"sku": "A", "price": 9.99}]}', '{{A},{B}}')$$), '22023', 'nor are two dimensions');
SELECT is(pg_temp.raised($$SELECT loyalty.quote(pg_temp.id('ann'), '{"items": [{"sku": "A", "price": 9.99}]}', array_fill('A'::text, '{101}'))$$),
	'LY004 codes has 101 elements, at most 100', 'too many codes');
SELECT is(pg_temp.raised($$SELECT loyalty.quote(pg_temp.id('ann'), '{"items": [{"sku": "A", "price": 9.99}]}', at => 'infinity')$$), 'LY107 at is not finite', 'at never');

SELECT is(pg_temp.state(), :'before', 'nothing was written');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'verify()');
SELECT * FROM finish();
ROLLBACK;
