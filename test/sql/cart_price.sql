\set ECHO none
\i test/prelude.sql
SELECT plan(178);

-- What each kind of coupon takes off a cart, worked out by hand. Amounts are the currency's.
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai', 'empty') AS shop \gset
SELECT loyalty.program_create('Kissa', 'JPY', 'Asia/Tokyo', 'empty') AS kissa \gset
SELECT loyalty.program_create('Souk', 'KWD', 'Asia/Kuwait', 'empty') AS souk \gset
CALL pg_temp.enroll('Shop', 'ann');
CALL pg_temp.enroll('Kissa', 'yuki');
CALL pg_temp.enroll('Souk', 'dana');
INSERT INTO loyalty.cart_policy (program_id) VALUES (:shop);
INSERT INTO loyalty.collection (program_id, name) VALUES (:shop, 'sale'), (:shop, 'wine');
INSERT INTO loyalty.collection_item (program_id, collection, kind, value) VALUES
	(:shop, 'sale', 'category', 'sale'), (:shop, 'sale', 'sku', 'S1'), (:shop, 'wine', 'category', 'red'), (:shop, 'wine', 'brand', 'Abbey');
INSERT INTO loyalty.coupon_category (program_id, name, stacking, max_per_order, rank) VALUES
	(:shop, 'common', 'common', NULL, 100), (:shop, 'early', 'common', NULL, 1), (:shop, 'two', 'common', 2, 100),
	(:shop, 'never', 'never', NULL, 100), (:shop, 'always', 'always', NULL, 100);

-- '2 x 100 A:red, 50 B, + 8': lines of a quantity, a price, a sku and a category; what follows the + is the shipping.
CREATE FUNCTION pg_temp.cart(lines text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object(
		'items', jsonb_agg(jsonb_build_object('sku', coalesce(part[3], 'S'), 'category', part[4], 'qty', part[1]::numeric, 'price', part[2]::numeric) ORDER BY n)
			FILTER (WHERE line NOT LIKE '+%'),
		'shipping', max(substr(line, 2)::numeric) FILTER (WHERE line LIKE '+%')))
	FROM string_to_table(lines, ', ') WITH ORDINALITY l (line, n),
		regexp_match(line, '^(?:([\d.]+) x )?([\d.]+)(?: (\w+))?(?::(\w+))?$|^\+') part
$$;
-- '90.00 45.00 + 8.00; c1 15.00 max_discount; c2 min_amount 5.00': the net of each line and the shipping, and of each
-- coupon what it saves and why that is less than it would be, or why it does not apply and what is missing. Of
-- codes all are told, of offers those that are applied. The sums must agree.
CREATE FUNCTION pg_temp.told(quote jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line jsonb;
	net numeric;
BEGIN
	FOR line IN SELECT jsonb_array_elements(quote -> 'lines') LOOP
		SELECT (line ->> 'price')::numeric - coalesce(sum((d ->> 'amount')::numeric), 0) INTO net FROM jsonb_array_elements(line -> 'discounts') d;
		IF net <> (line ->> 'net')::numeric OR net < 0 THEN
			RAISE 'line %', line;
		END IF;
	END LOOP;
	IF (quote ->> 'total')::numeric <> (SELECT sum((l ->> 'net')::numeric) FROM jsonb_array_elements(quote -> 'lines') l) + (quote ->> 'shipping')::numeric
		OR (quote ->> 'discount')::numeric <> coalesce((SELECT sum((v ->> 'saving')::numeric) FROM jsonb_array_elements(quote -> 'verdicts') v), 0)
		OR (quote ->> 'payable')::numeric <> (quote ->> 'total')::numeric THEN
		RAISE 'sums of %', quote;
	END IF;
	RETURN (SELECT string_agg(l ->> 'net', ' ' ORDER BY (l ->> 'line')::int) FROM jsonb_array_elements(quote -> 'lines') l)
		|| CASE WHEN (quote ->> 'shipping')::numeric > 0 THEN ' + ' || (quote ->> 'shipping') ELSE '' END
		|| coalesce('; ' || (SELECT string_agg(concat_ws(' ', coalesce(v ->> 'coupon', v ->> 'offer'), v ->> 'saving', v ->> 'reason', v ->> 'missing',
				(SELECT s ->> 'limited' FROM jsonb_array_elements(quote -> 'steps') s
				WHERE (s -> 'coupon', s -> 'offer', s -> 'code') IS NOT DISTINCT FROM (v -> 'coupon', v -> 'offer', v -> 'code'))),
				'; ' ORDER BY coalesce(v ->> 'coupon', v ->> 'offer'), n)
			FROM jsonb_array_elements(quote -> 'verdicts') WITH ORDINALITY x (v, n)), '');
END
$$;
-- What a cart comes to with these coupons, c1, c2 and so on, each used by a code unless it is automatic, in the
-- order given. They are gone afterwards.
CREATE FUNCTION pg_temp.priced_for(who text, cart jsonb, VARIADIC coupons jsonb[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	program record;
	codes text[] = '{}';
	coupon jsonb;
BEGIN
	SELECT p.program_id, p.name INTO program FROM loyalty.identity i JOIN loyalty.program p USING (program_id) WHERE i.value = who;
	FOR i IN 1 .. cardinality(coupons) LOOP
		coupon := jsonb_build_object('program_id', program.program_id, 'name', 'c' || i) || coupons[i];
		EXECUTE (SELECT format('INSERT INTO loyalty.coupon (%s) VALUES (%s)',
				string_agg(format('%I', key), ', '), string_agg(format('%L', value), ', '))
			FROM jsonb_each_text(coupon));
		IF NOT coalesce((coupon ->> 'automatic')::boolean, false) THEN
			codes := codes || loyalty.coupon_code_create(program.name, coupon ->> 'name', 'CODE' || i);
		END IF;
	END LOOP;
	RAISE SQLSTATE 'ZZ001' USING MESSAGE = pg_temp.told(loyalty.quote(pg_temp.id(who), cart, codes));
EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
	RETURN SQLERRM;
END
$$;
CREATE FUNCTION pg_temp.priced(cart text, VARIADIC coupons jsonb[]) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.priced_for('ann', pg_temp.cart(cart), VARIADIC coupons)
$$;

SELECT is(pg_temp.priced('100 A, 2 x 25 B, + 8', '{"kind": "amount", "amount": 1, "valid_until": "2026-01-01"}'), '100.00 50.00 + 8.00; c1 expired', 'a cart without coupons that apply');

-- Amount: 15 over 100 and 50 is 10 and 5
SELECT is(pg_temp.priced('100 A, 50 B', '{"kind": "amount", "amount": 15}'), '90.00 45.00; c1 15.00', 'amount: in proportion');
-- 3.33 each, and one cent more for the line that ranks first: by sku, not by place
SELECT is(pg_temp.priced('10 A, 10 B, 10 C', '{"kind": "amount", "amount": 10}'), '6.66 6.67 6.67; c1 10.00', 'amount: the rest goes to the first sku');
SELECT is(pg_temp.priced('10 C, 10 B, 10 A', '{"kind": "amount", "amount": 10}'), '6.67 6.67 6.66; c1 10.00', 'amount: wherever its line is');
-- of 1000 by 3333, 3333 and 3334 in 10000: 333.3, 333.3 and 333.4
SELECT is(pg_temp.priced('33.33 A, 33.33 B, 33.34 C', '{"kind": "amount", "amount": 10}'), '30.00 30.00 30.00; c1 10.00', 'amount: the rest goes to the largest remainder');
-- 2 cents by thirds: no line gets a whole one, the first two get the rest
SELECT is(pg_temp.priced('0.01 C, 0.01 B, 0.01 A', '{"kind": "amount", "amount": 0.02}'), '0.01 0.00 0.00; c1 0.02', 'amount: cents among cents');
-- 7 by 3 to 10 to 5 of 18: 1.1667, 3.8889, 1.9444: rests .67, .89, .44 of a cent
SELECT is(pg_temp.priced('3 A, 10 B, 5 C', '{"kind": "amount", "amount": 7}'), '1.83 6.11 3.06; c1 7.00', 'amount: three different shares');
SELECT is(pg_temp.priced('8 A', '{"kind": "amount", "amount": 10}'), '0.00; c1 8.00 amount_left', 'amount: no more than there is');
SELECT is(pg_temp.priced('0 A, 30 B', '{"kind": "amount", "amount": 3}'), '0.00 27.00; c1 3.00', 'amount: a line for nothing');
SELECT is(pg_temp.priced('0 A', '{"kind": "amount", "amount": 5}'), '0.00; c1 no_effect', 'amount: nothing but lines for nothing');
SELECT is(pg_temp.priced('100 A', '{"kind": "amount", "amount": 15, "max_discount": 12.50}'), '87.50; c1 12.50 max_discount', 'amount: at most');

-- Percent: 9.999, 0.005, 0.005, 33.333
SELECT is(pg_temp.priced('99.99 A', '{"kind": "percent", "percent": 10}'), '89.99; c1 10.00', 'percent: rounded up');
SELECT is(pg_temp.priced('0.01 A', '{"kind": "percent", "percent": 50}'), '0.00; c1 0.01', 'percent: half a cent is rounded up');
SELECT is(pg_temp.priced('0.10 A', '{"kind": "percent", "percent": 5}'), '0.09; c1 0.01', 'percent: here too');
SELECT is(pg_temp.priced('0.10 A', '{"kind": "percent", "percent": 4.999}'), '0.10; c1 no_effect', 'percent: less than half a cent is nothing');
SELECT is(pg_temp.priced('100 A', '{"kind": "percent", "percent": 33.333}'), '66.67; c1 33.33', 'percent: thousandths of a percent');
SELECT is(pg_temp.priced('100 A', '{"kind": "percent", "percent": 100}'), '0.00; c1 100.00', 'percent: all');
SELECT is(pg_temp.priced('60 A, 40 B', '{"kind": "percent", "percent": 20, "max_discount": 15}'), '51.00 34.00; c1 15.00 max_discount', 'percent: at most');
-- 1 cent of 10, once for the order and not for each line
SELECT is(pg_temp.priced('0.05 A, 0.05 B', '{"kind": "percent", "percent": 10}'), '0.04 0.05; c1 0.01', 'percent: of the sum');

-- Ladder: over 100 off 10, over 200 off 30, over 300 off 50
\set ladder '''{"kind": "ladder", "step_from": "{100,200,300}", "step_off": "{10,30,50}"}'''
SELECT is(pg_temp.priced('250 A', :ladder), '220.00; c1 30.00', 'ladder: the highest step that is reached');
SELECT is(pg_temp.priced('200 A', :ladder), '170.00; c1 30.00', 'ladder: a step is reached by as much');
SELECT is(pg_temp.priced('199.99 A', :ladder), '189.99; c1 10.00', 'ladder: and not by a cent less');
SELECT is(pg_temp.priced('99.99 A', :ladder), '99.99; c1 min_amount 0.01', 'ladder: a cent below the first step');
SELECT is(pg_temp.priced('4000 A', :ladder), '3950.00; c1 50.00', 'ladder: above the last');
-- 3 times 15; 1 time
\set every '''{"kind": "ladder", "step_from": "{100}", "step_off": "{15}", "repeats": true}'''
SELECT is(pg_temp.priced('350 A', :every), '305.00; c1 45.00', 'ladder: each time');
SELECT is(pg_temp.priced('199.99 A', :every), '184.99; c1 15.00', 'ladder: whole times');
SELECT is(pg_temp.priced('300 A', '{"kind": "ladder", "step_from": "{100}", "step_off": "{15}", "repeats": true, "max_discount": 40}'), '260.00; c1 40.00 max_discount', 'ladder: each time, at most');
-- from 2 pieces 5 %, from 3 10 %
\set pieces '''{"kind": "ladder", "base": "quantity", "step_kind": "percent", "step_from": "{2,3}", "step_off": "{5,10}"}'''
SELECT is(pg_temp.priced('2 x 10 A, 10 B', :pieces), '18.00 9.00; c1 3.00', 'ladder: percent by pieces');
SELECT is(pg_temp.priced('2 x 10 A', :pieces), '19.00; c1 1.00', 'ladder: two pieces');
SELECT is(pg_temp.priced('1.25 x 10 A', :pieces), '12.50; c1 min_quantity 0.75', 'ladder: three quarters of a piece below the first step');
SELECT is(pg_temp.priced('100 A:red, 50 B:blue', '{"kind": "ladder", "step_from": "{100}", "step_off": "{20}", "item_filter": "$.category == \"red\"", "target_filter": "$.category == \"blue\""}'),
	'100.00 30.00; c1 20.00', 'ladder: spend on one, save on another');

-- A new price
SELECT is(pg_temp.priced('3 x 100 A', '{"kind": "price", "amount": 60}'), '180.00; c1 120.00', 'price: of every piece');
SELECT is(pg_temp.priced('3 x 100 A', '{"kind": "price", "amount": 60, "max_times": 2}'), '220.00; c1 80.00', 'price: of two pieces');
SELECT is(pg_temp.priced('50 A, 100 B', '{"kind": "price", "amount": 60}'), '50.00 60.00; c1 40.00', 'price: never dearer');
SELECT is(pg_temp.priced('50 A, 100 B, 80 C', '{"kind": "price", "amount": 60, "max_times": 1}'), '50.00 100.00 60.00; c1 20.00', 'price: the cheapest that it makes cheaper');
SELECT is(pg_temp.priced('50 A, 100 B, 80 C', '{"kind": "price", "amount": 60, "max_times": 1, "pick": "dearest"}'), '50.00 60.00 80.00; c1 40.00', 'price: the dearest');
SELECT is(pg_temp.priced('100 A', '{"kind": "price", "amount": 0}'), '0.00; c1 100.00', 'price: nothing');
SELECT is(pg_temp.priced('50 A', '{"kind": "price", "amount": 50}'), '50.00; c1 no_effect', 'price: as it is');
-- add-on: with something red, something blue for 1.99
SELECT is(pg_temp.priced('30 A:red, 2 x 9.99 B:blue', '{"kind": "price", "amount": 1.99, "max_times": 1, "item_filter": "$.category == \"red\"", "target_filter": "$.category == \"blue\""}'),
	'30.00 11.98; c1 8.00', 'price: of something with something else');
-- 0.35 kg have no piece. 2.5 kg at 10 are 2 pieces of 10 and a rest of 5.
SELECT is(pg_temp.priced('0.350 x 20 A', '{"kind": "price", "amount": 1}'), '7.00; c1 no_effect', 'price: less than a piece is none');
SELECT is(pg_temp.priced('2.5 x 10 A', '{"kind": "price", "amount": 6}'), '17.00; c1 8.00', 'price: the rest keeps its own');
-- 10.00 for three pieces are 3.34, 3.33 and 3.33; at 3 they save 0.34, 0.33, 0.33
SELECT is(pg_temp.priced('3 x 3.333 A', '{"kind": "price", "amount": 3}'), '9.00; c1 1.00', 'price: pieces that differ by a cent');
SELECT is(pg_temp.priced('3 x 3.333 A', '{"kind": "price", "amount": 3.33}'), '9.99; c1 0.01', 'price: only one of them is dearer');
SELECT is(pg_temp.priced('60 A, 50 B', '{"kind": "price", "amount": 40, "max_discount": 15}'), '50.00 45.00; c1 15.00 max_discount', 'price: at most 15, of 20 and 10');

-- So many for one price
SELECT is(pg_temp.priced('5 x 40 A', '{"kind": "bundle", "buy": 3, "amount": 100}'), '180.00; c1 20.00', 'bundle: three of five');
SELECT is(pg_temp.priced('7 x 40 A', '{"kind": "bundle", "buy": 3, "amount": 100}'), '240.00; c1 40.00', 'bundle: twice');
SELECT is(pg_temp.priced('7 x 40 A', '{"kind": "bundle", "buy": 3, "amount": 100, "max_times": 1}'), '260.00; c1 20.00', 'bundle: once at most');
-- 50, 40, 40 for 100: 30 off, 30 x 50 / 130 = 11.538 of them off A. Or 30, 40, 40: 10 off, 10 x 30 / 110 = 2.727 off C.
SELECT is(pg_temp.priced('50 A, 2 x 40 B, 30 C', '{"kind": "bundle", "buy": 3, "amount": 100, "pick": "dearest"}'), '38.47 61.53 30.00; c1 30.00', 'bundle: the dearest');
SELECT is(pg_temp.priced('50 A, 2 x 40 B, 30 C', '{"kind": "bundle", "buy": 3, "amount": 100}'), '50.00 72.72 27.28; c1 10.00', 'bundle: the cheapest');
-- dearest first: 90 and 70 are made cheaper, 60 and 50 would be dearer
SELECT is(pg_temp.priced('90 A, 70 B, 60 C, 50 D', '{"kind": "bundle", "buy": 2, "amount": 120, "pick": "dearest"}'), '67.50 52.50 60.00 50.00; c1 40.00', 'bundle: what would be dearer is left alone');
-- 50 off 50 and 40: 27.777 and the rest
SELECT is(pg_temp.priced('50 A, 40 B, 30 C, 20 D', '{"kind": "bundle", "buy": 2, "amount": 40, "pick": "dearest", "max_times": 1}'), '22.23 17.77 30.00 20.00; c1 50.00', 'bundle: once, of different pieces');
SELECT is(pg_temp.priced('3 x 30 A', '{"kind": "bundle", "buy": 3, "amount": 100}'), '90.00; c1 no_effect', 'bundle: all would be dearer');
SELECT is(pg_temp.priced('2 x 30 A', '{"kind": "bundle", "buy": 3, "amount": 10}'), '60.00; c1 no_effect', 'bundle: too few');
SELECT is(pg_temp.priced('2.9 x 10 A, 1.9 x 10 B', '{"kind": "bundle", "buy": 3, "amount": 21}'), '23.00 16.00; c1 9.00', 'bundle: of whole pieces');

-- For some, others
SELECT is(pg_temp.priced('2 x 100 A', '{"kind": "buy_get", "buy": 1, "get": 1, "percent": 50}'), '150.00; c1 50.00', 'buy and get: the second at half the price');
SELECT is(pg_temp.priced('60 A, 100 B', '{"kind": "buy_get", "buy": 1, "get": 1, "percent": 50}'), '30.00 100.00; c1 30.00', 'buy and get: the cheaper one');
SELECT is(pg_temp.priced('60 A, 100 B', '{"kind": "buy_get", "buy": 1, "get": 1, "percent": 50, "pick": "dearest"}'), '60.00 50.00; c1 50.00', 'buy and get: the dearer one');
SELECT is(pg_temp.priced('3 x 100 A', '{"kind": "buy_get", "buy": 1, "get": 1, "percent": 50}'), '250.00; c1 50.00', 'buy and get: the third has no partner');
SELECT is(pg_temp.priced('100 A', '{"kind": "buy_get", "buy": 1, "get": 1, "percent": 50}'), '100.00; c1 no_effect', 'buy and get: nor has a single one');
-- dearest first: 100 90 80 and 30 20 10
\set six '''10 A, 100 B, 20 C, 90 D, 30 E, 80 F'''
SELECT is(pg_temp.priced(:six, '{"kind": "buy_get", "buy": 2, "get": 1, "percent": 100}'), '0.00 100.00 20.00 90.00 30.00 0.00; c1 90.00', 'buy and get: the cheapest of each three');
SELECT is(pg_temp.priced(:six, '{"kind": "buy_get", "buy": 2, "get": 1, "percent": 100, "pick": "dearest"}'), '10.00 0.00 20.00 90.00 0.00 80.00; c1 130.00', 'buy and get: the dearest of each three');
SELECT is(pg_temp.priced(:six, '{"kind": "buy_get", "buy": 2, "get": 1, "percent": 100, "max_times": 1}'), '10.00 100.00 20.00 90.00 30.00 0.00; c1 80.00', 'buy and get: once, among the dearest');
SELECT is(pg_temp.priced(:six, '{"kind": "buy_get", "buy": 1, "get": 2, "percent": 100}'), '0.00 100.00 0.00 0.00 30.00 0.00; c1 200.00', 'buy and get: two for one');
-- half of 9.99 is 4.995
SELECT is(pg_temp.priced('3 x 9.99 A', '{"kind": "buy_get", "buy": 2, "get": 1, "percent": 50}'), '24.97; c1 5.00', 'buy and get: the third at half the price, rounded half up');
-- each of two: 2 x 5.00, and not 9.99
SELECT is(pg_temp.priced('6 x 9.99 A', '{"kind": "buy_get", "buy": 2, "get": 1, "percent": 50}'), '49.94; c1 10.00', 'buy and get: each piece is rounded');
\set of_blue '''{"kind": "buy_get", "buy": 2, "get": 1, "percent": 100, "item_filter": "$.category == \\"red\\"", "target_filter": "$.category == \\"blue\\""}'''
SELECT is(pg_temp.priced('2 x 50 A:red, 3 x 20 B:blue', :of_blue), '100.00 40.00; c1 20.00', 'buy and get: of other lines');
SELECT is(pg_temp.priced('5 x 50 A:red, 1 x 20 B:blue', :of_blue), '250.00 0.00; c1 20.00', 'buy and get: no more than there are');
SELECT is(pg_temp.priced('50 A:red, 1 x 20 B:blue', :of_blue), '50.00 20.00; c1 no_effect', 'buy and get: too few are bought');
SELECT is(pg_temp.priced('50 A:red', :of_blue), '50.00; c1 no_matching_items', 'buy and get: nothing to get');
-- of A, A, B one is got: with two there would be one bought for two
SELECT is(pg_temp.priced('2 x 50 A:red, 30 B', '{"kind": "buy_get", "buy": 1, "get": 1, "percent": 100, "target_filter": "$.category == \"red\""}'), '50.00 30.00; c1 50.00', 'buy and get: what is got is not bought');
SELECT is(pg_temp.priced('50 A:red, 40 B:red, 30 C', '{"kind": "buy_get", "buy": 1, "get": 1, "percent": 100, "target_filter": "$.category == \"red\""}'), '50.00 0.00 30.00; c1 40.00', 'buy and get: nor if they differ');
SELECT is(pg_temp.priced('50 A:red, 0.9 x 30 B', '{"kind": "buy_get", "buy": 1, "get": 1, "percent": 100, "target_filter": "$.category == \"red\""}'), '50.00 27.00; c1 no_effect', 'buy and get: nor is part of a piece');

-- For the coupon
SELECT is(pg_temp.priced('100 A, 30 B', '{"kind": "exchange"}'), '100.00 0.00; c1 30.00', 'exchange: the cheapest piece');
SELECT is(pg_temp.priced('100 A, 30 B', '{"kind": "exchange", "pick": "dearest"}'), '0.00 30.00; c1 100.00', 'exchange: the dearest');
SELECT is(pg_temp.priced('0 A, 30 B', '{"kind": "exchange"}'), '0.00 0.00; c1 30.00', 'exchange: not one that costs nothing anyway');
SELECT is(pg_temp.priced('3 x 10 A', '{"kind": "exchange", "max_times": 2}'), '10.00; c1 20.00', 'exchange: two pieces');
SELECT is(pg_temp.priced('3 x 10 A', '{"kind": "exchange"}', '{"kind": "exchange"}'), '10.00; c1 10.00; c2 10.00', 'exchange: each another piece, at its own price');
SELECT is(pg_temp.priced('2 x 10 A, 50 B:red', '{"kind": "exchange", "item_filter": "$.category == \"red\""}'), '20.00 0.00; c1 50.00', 'exchange: what it is for');

-- Nothing of the price
SELECT is(pg_temp.priced('100 A', '{"kind": "gift", "sku": "CUP", "quantity": 2}'), '100.00; c1 0.00', 'gift');
SELECT is(pg_temp.priced('100 A', '{"kind": "multiplier", "factor": 2}'), '100.00; c1 0.00', 'multiplier');
SELECT is(pg_temp.priced('100 A, + 12', '{"kind": "shipping"}'), '100.00; c1 12.00', 'shipping: all of it');
SELECT is(pg_temp.priced('100 A, + 12', '{"kind": "shipping", "amount": 5}'), '100.00 + 7.00; c1 5.00', 'shipping: some of it');
SELECT is(pg_temp.priced('100 A, + 12', '{"kind": "shipping", "amount": 20}'), '100.00; c1 12.00 amount_left', 'shipping: no more than it is');
SELECT is(pg_temp.priced('100 A', '{"kind": "shipping"}'), '100.00; c1 no_effect', 'shipping: there is none');
SELECT is(pg_temp.priced('100 A, + 12', '{"kind": "shipping", "amount": 5}', '{"kind": "shipping"}'), '100.00; c1 5.00; c2 7.00', 'shipping: the rest of it');

-- What it is for
CREATE FUNCTION pg_temp.tenth(settings jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '{"kind": "percent", "percent": 10}' || settings $$;
SELECT is(pg_temp.priced('100 A:sale, 50 B, 10 S1', pg_temp.tenth('{"excluded_collection": "sale"}')), '100.00 45.00 10.00; c1 5.00', 'excluded lines');
SELECT is(pg_temp.priced('100 A:sale', pg_temp.tenth('{"excluded_collection": "sale"}')), '100.00; c1 excluded_items', 'all lines are excluded');
SELECT is(pg_temp.priced('100 A:red, 100 S1:red, 100 B', pg_temp.tenth('{"collection": "wine", "excluded_collection": "sale"}')), '90.00 100.00 100.00; c1 10.00', 'a collection less another');
SELECT is(pg_temp.priced('100 A', pg_temp.tenth('{"collection": "wine"}')), '100.00; c1 no_matching_items', 'no line in a collection');
SELECT is(pg_temp.priced('100 A:red, 20 B:red, 50 C', pg_temp.tenth('{"item_filter": "$.category == \"red\" && $.price > 50"}')), '90.00 20.00 50.00; c1 10.00', 'a filter by line');
SELECT is(pg_temp.priced('100 A:red, 50 B', pg_temp.tenth('{"target_filter": "$.category == \"red\"", "min_amount": 150}')), '90.00 50.00; c1 10.00', 'judged by all lines, off some');
SELECT is(pg_temp.priced('100 A:sale, 50 B', pg_temp.tenth('{"target_filter": "$.category == \"sale\"", "excluded_collection": "sale"}')), '100.00 50.00; c1 excluded_items', 'what it would reduce is excluded');

-- Amounts and quantities, of the lines that count
SELECT is(pg_temp.priced('80 A:red, 50 B', pg_temp.tenth('{"min_amount": 100, "item_filter": "$.category == \"red\""}')), '80.00 50.00; c1 min_amount 20', 'minimum: 20 more of what counts');
SELECT is(pg_temp.priced('50 B', pg_temp.tenth('{"min_amount": 100, "item_filter": "$.category == \"red\""}')), '50.00; c1 no_matching_items', 'minimum: not near if nothing counts');
SELECT is(pg_temp.priced('100 A', pg_temp.tenth('{"min_amount": 100, "max_amount": 100}')), '90.00; c1 10.00', 'minimum and maximum: as much');
SELECT is(pg_temp.priced('100.01 A', pg_temp.tenth('{"max_amount": 100}')), '100.01; c1 max_amount', 'maximum: a cent more');
SELECT is(pg_temp.priced('1.5 x 10 A', pg_temp.tenth('{"min_quantity": 2}')), '15.00; c1 min_quantity 0.5', 'minimum of pieces: half a piece');
SELECT is(pg_temp.priced('3 x 10 A', pg_temp.tenth('{"max_quantity": 2}')), '30.00; c1 max_quantity', 'maximum of pieces');
SELECT is(pg_temp.priced('50 A', pg_temp.tenth('{"min_amount": 100, "min_quantity": 2, "payment_methods": "{card}"}')), '50.00; c1 min_amount 50', 'the first reason is told');
-- measured before discounts: 105 is over 100 for both
SELECT is(pg_temp.priced('105 A', '{"kind": "amount", "amount": 10, "min_amount": 100}', '{"kind": "amount", "amount": 20, "min_amount": 100}'), '75.00; c1 10.00; c2 20.00', 'minimum: of what the cart is without discounts');

-- When, who, where and how: what a rule may ask for, and the method of payment. It is Sunday, 20:00 in Shanghai.
CREATE FUNCTION pg_temp.off10(settings jsonb, cart jsonb DEFAULT '{}', who text DEFAULT 'ann') RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(pg_temp.priced_for(who, pg_temp.cart('100 A') || cart, pg_temp.tenth(settings)), '^.*c1 ', '')
$$;
SELECT is(pg_temp.off10(settings, cart), outcome, format('%s in %s', settings, cart))
FROM (VALUES
	('{"days_of_week": "{7}"}'::jsonb, '{}'::jsonb, '10.00'), ('{"days_of_week": "{1,6}"}', '{}', 'not_in_time_window'),
	('{"time_from": "20:00", "time_until": "21:00"}', '{}', '10.00'), ('{"time_from": "08:00", "time_until": "20:00"}', '{}', 'not_in_time_window'),
	('{"valid_from": "2026-03-15", "valid_until": "2026-03-15"}', '{}', '10.00'), ('{"valid_from": "2026-03-16"}', '{}', 'not_started'),
	('{"valid_until": "2026-03-14"}', '{}', 'expired'), ('{"status": "inactive"}', '{}', 'disabled'),
	('{"tags": "{vip}"}', '{}', 'segment_mismatch'), ('{"segments": "{vip}"}', '{}', 'segment_mismatch'), ('{"tiers": "{gold}"}', '{}', 'tier_mismatch'),
	('{"channels": "{app}"}', '{"channel": "app"}', '10.00'), ('{"channels": "{app}"}', '{"channel": "web"}', 'channel_mismatch'), ('{"channels": "{app}"}', '{}', 'channel_mismatch'),
	('{"stores": "{S1}"}', '{"store": "S1"}', '10.00'), ('{"stores": "{S1}"}', '{"store": "S2"}', 'store_mismatch'),
	('{"first_purchases": 1}', '{}', '10.00'), ('{"idle_from": 30}', '{}', 'not_in_time_window'),
	('{"payment_methods": "{card}"}', '{"payment_method": "card"}', '10.00'), ('{"payment_methods": "{card}"}', '{"payment_method": "cash"}', 'payment_method'),
	('{"payment_methods": "{card}"}', '{}', 'payment_method'),
	('{"condition": "$.order.amount >= 100"}', '{}', '10.00'), ('{"condition": "$.order.amount > 100"}', '{}', 'condition_not_met'),
	('{"condition": "$.data.table == 7"}', '{"data": {"table": 7}}', '10.00'), ('{"condition": "$.data.table == 7"}', '{}', 'condition_not_met'),
	('{"condition": "$.data.table.double() > 7"}', '{"data": {"table": "seven"}}', 'condition_not_met'),
	-- the first reason of the list, whatever else is
	('{"valid_until": "2026-03-14", "min_amount": 200}', '{}', 'expired'), ('{"channels": "{app}", "min_amount": 200}', '{}', 'channel_mismatch'),
	('{"condition": "$.order.amount > 100", "payment_methods": "{card}"}', '{}', 'payment_method'),
	('{"condition": "$.order.amount > 100", "collection": "wine"}', '{}', 'no_matching_items')) x (settings, cart, outcome);

INSERT INTO loyalty.coupon (program_id, name, kind, percent, tiers) VALUES (:shop, 'gold', 'percent', 10, '{gold}'), (:shop, 'all', 'percent', 10, NULL);
SELECT FROM (VALUES ('gold'), ('all')) x (name), loyalty.coupon_code_create('Shop', name, 'CODE' || name);
SELECT is(pg_temp.told(loyalty.quote(NULL, pg_temp.cart('100 A'), '{CODEGOLD,CODEALL}', program => 'Shop')), '90.00; all 10.00; gold member_required', 'a guest');

-- Of what is left, or of all: 10 % and 20 % of 100
SELECT is(pg_temp.priced('100 A', '{"kind": "percent", "percent": 10}', '{"kind": "percent", "percent": 20}'), '72.00; c1 10.00; c2 18.00', 'remaining: 28');
SELECT is(pg_temp.priced('100 A, 20 B', '{"kind": "percent", "percent": 25, "item_filter": "$.sku == \"A\""}', '{"kind": "percent", "percent": 50}'), '37.50 10.00; c1 25.00; c2 47.50', 'remaining: half of 75 and 20');
SELECT is(pg_temp.priced('2 x 100 A', '{"kind": "percent", "percent": 10, "automatic": true}', '{"kind": "exchange"}'), '90.00; c1 20.00; c2 90.00', 'remaining: a piece is worth what is left of it');
SELECT is(pg_temp.priced('2 x 100 A', '{"kind": "price", "amount": 50, "max_times": 1}', '{"kind": "price", "amount": 50, "max_times": 1}'), '100.00; c1 50.00; c2 50.00', 'remaining: the other piece has its whole price still');
-- pieces of 100 and 0 are left, then 90 and 0
SELECT is(pg_temp.priced('2 x 100 A', '{"kind": "exchange", "automatic": true}', '{"kind": "percent", "percent": 10, "automatic": true}', '{"kind": "exchange"}'), '0.00; c1 100.00; c2 10.00; c3 90.00', 'remaining: what is off the line is off what is left of its pieces');
-- pieces of 50 and 100; 15 off them: 45 and 90
SELECT is(pg_temp.priced('2 x 100 A', '{"kind": "price", "amount": 50, "max_times": 1, "automatic": true}', '{"kind": "percent", "percent": 10, "automatic": true}', '{"kind": "exchange", "pick": "dearest"}'),
	'45.00; c1 50.00; c2 15.00; c3 90.00', 'remaining: in proportion to what is left of them');
SELECT is(pg_temp.priced('25 x 10 A', VARIADIC array_fill('{"kind": "exchange"}'::jsonb, ARRAY[20])), '50.00; ' || string_agg('c' || n || ' 10.00', '; ' ORDER BY 'c' || n), 'remaining: 20 pieces by 20 coupons')
FROM generate_series(1, 20) n;
UPDATE loyalty.cart_policy SET discount_on = 'initial' WHERE program_id = :shop;
SELECT is(pg_temp.priced('100 A', '{"kind": "percent", "percent": 10}', '{"kind": "percent", "percent": 20}'), '70.00; c1 10.00; c2 20.00', 'initial: 30');
SELECT is(pg_temp.priced('100 A', '{"kind": "percent", "percent": 60}', '{"kind": "percent", "percent": 60}'), '0.00; c1 60.00; c2 40.00 amount_left', 'initial: no more than is left');
-- 12 of 120 by 75 and 20: 9.4737 and 2.5263
SELECT is(pg_temp.priced('100 A, 20 B', '{"kind": "percent", "percent": 25, "item_filter": "$.sku == \"A\""}', '{"kind": "percent", "percent": 10}'), '65.53 17.47; c1 25.00; c2 12.00', 'initial: of all, off what is left');
SELECT is(pg_temp.priced('2 x 100 A', '{"kind": "percent", "percent": 10, "automatic": true}', '{"kind": "buy_get", "buy": 1, "get": 1, "percent": 50}'), '130.00; c1 20.00; c2 50.00', 'initial: half of a piece as it was');
SELECT is(pg_temp.priced('3 x 10 A', '{"kind": "exchange"}', '{"kind": "exchange"}'), '10.00; c1 10.00; c2 10.00', 'initial: each another piece');
SELECT is(pg_temp.priced('2 x 100 A', '{"kind": "percent", "percent": 60, "automatic": true}', '{"kind": "exchange"}'), '40.00; c1 120.00; c2 40.00 amount_left', 'initial: no more of a piece than is left of it');
UPDATE loyalty.cart_policy SET discount_on = 'remaining' WHERE program_id = :shop;

-- Order of application: offers by line, offers on the order, coupons by line, coupons on the order, shipping.
-- c2: 20 % of 100: 80, 100. c1: 10 % of 180 by 80 and 100: 72, 90. c4: half of 72: 36, 90. c3: 20 by 36 and 90 of
-- 126: 5.714 and 14.286.
SELECT is(pg_temp.priced('100 A:red, 100 B, + 8', '{"kind": "percent", "percent": 10, "automatic": true}',
	'{"kind": "percent", "percent": 20, "automatic": true, "item_filter": "$.category == \"red\""}', '{"kind": "amount", "amount": 20}',
	'{"kind": "percent", "percent": 50, "item_filter": "$.category == \"red\""}', '{"kind": "shipping", "amount": 3, "automatic": true}'),
	'30.29 75.71 + 5.00; c1 18.00; c2 20.00; c3 20.00; c4 36.00; c5 3.00', 'order of application: the stages');
SELECT is(pg_temp.priced('100 A', '{"kind": "percent", "percent": 10}', '{"kind": "amount", "amount": 10}'), '80.00; c1 10.00; c2 10.00', 'order of application: by number');
SELECT is(pg_temp.priced('100 A', '{"kind": "percent", "percent": 10, "priority": 2}', '{"kind": "amount", "amount": 10, "priority": 1}'), '81.00; c1 9.00; c2 10.00', 'order of application: by priority before');
SELECT is(pg_temp.priced('100 A', '{"kind": "percent", "percent": 10, "priority": 1}', '{"kind": "amount", "amount": 10, "priority": 2, "category": "early"}'), '81.00; c1 9.00; c2 10.00', 'order of application: by the rank of the category before that');
-- pieces before the order: 2 x 100 less 100, then 10 %
SELECT is(pg_temp.priced('2 x 100 A', '{"kind": "percent", "percent": 10}', '{"kind": "exchange"}'), '90.00; c1 10.00; c2 100.00', 'order of application: pieces before the order');

-- Together: common, never and always, exclusive or not
CREATE FUNCTION pg_temp.pair(one jsonb, other jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(pg_temp.priced('100 A', '{"kind": "amount", "amount": 1}' || one, '{"kind": "amount", "amount": 2}' || other), '^.*c2 ', '')
$$;
\set common '''{"category": "common"}'''
\set never '''{"category": "never"}'''
\set always '''{"category": "always"}'''
\set common_only '''{"category": "common", "exclusive": true}'''
\set never_only '''{"category": "never", "exclusive": true}'''
\set always_only '''{"category": "always", "exclusive": true}'''
SELECT is(pg_temp.pair('{}', '{}'), '2.00', 'no category and no category');
SELECT is(pg_temp.pair('{}', :common), '2.00', 'no category and common');
SELECT is(array_agg(pg_temp.pair(one, other) ORDER BY a, b),
	ARRAY['2.00', 'stack_exclusive', '2.00', 'stack_exclusive', 'stack_exclusive', '2.00',
		'stack_exclusive', '2.00', '2.00', 'stack_exclusive', 'stack_exclusive', '2.00',
		'2.00', '2.00', '2.00', '2.00', '2.00', '2.00',
		'stack_exclusive', 'stack_exclusive', '2.00', 'stack_exclusive', 'stack_exclusive', '2.00',
		'stack_exclusive', 'stack_exclusive', '2.00', 'stack_exclusive', 'stack_exclusive', '2.00',
		'2.00', '2.00', '2.00', '2.00', '2.00', '2.00'], 'each with each')
FROM (VALUES (1, :common::jsonb), (2, :never), (3, :always), (4, :common_only), (5, :never_only), (6, :always_only)) x (a, one),
	(VALUES (1, :common::jsonb), (2, :never), (3, :always), (4, :common_only), (5, :never_only), (6, :always_only)) y (b, other);
-- codes before offers, whichever is applied first; an offer that they keep out is told
SELECT is(pg_temp.priced('100 A', '{"kind": "amount", "amount": 50, "automatic": true}', '{"kind": "amount", "amount": 1, "exclusive": true}'), '99.00; c1 stack_exclusive; c2 1.00', 'a code keeps an offer out');
SELECT is(pg_temp.priced('100 A', '{"kind": "amount", "amount": 1, "automatic": true, "priority": 2}', '{"kind": "amount", "amount": 2, "automatic": true, "exclusive": true, "priority": 1}'), '98.00; c1 stack_exclusive; c2 2.00', 'offers by priority');
SELECT is(pg_temp.priced('100 A', '{"kind": "amount", "amount": 1, "automatic": true, "exclusive": true}', '{"kind": "amount", "amount": 2, "automatic": true}'), '99.00; c1 1.00; c2 stack_exclusive', 'offers of one priority: the older one');
SELECT is(pg_temp.priced('100 A', '{"kind": "amount", "amount": 1, "category": "two"}', '{"kind": "amount", "amount": 2, "category": "two"}', '{"kind": "amount", "amount": 4, "category": "two"}', '{"kind": "amount", "amount": 8}'),
	'89.00; c1 1.00; c2 2.00; c3 stack_category_limit; c4 8.00', 'two of a category');
SELECT is(pg_temp.priced('100 A', '{"kind": "amount", "amount": 1, "category": "two"}', '{"kind": "amount", "amount": 2, "category": "two", "automatic": true}', '{"kind": "amount", "amount": 4, "category": "two"}'),
	'95.00; c1 1.00; c2 stack_category_limit; c3 4.00', 'offers count for their category');
UPDATE loyalty.cart_policy SET max_coupons = 1 WHERE program_id = :shop;
SELECT is(pg_temp.priced('100 A', '{"kind": "amount", "amount": 1}', '{"kind": "amount", "amount": 2}', '{"kind": "amount", "amount": 4, "automatic": true}'),
	'95.00; c1 1.00; c2 stack_total_limit; c3 4.00', 'one coupon, besides offers');
UPDATE loyalty.cart_policy SET max_coupons = NULL WHERE program_id = :shop;
-- the exclusive one would save nothing, so it keeps nothing out
SELECT is(pg_temp.priced('100 A, 0 B:red', '{"kind": "amount", "amount": 1, "exclusive": true, "item_filter": "$.category == \"red\""}', '{"kind": "amount", "amount": 2}'),
	'98.00 0.00; c1 no_effect; c2 2.00', 'what has no effect keeps nothing out');

-- one code twice, two codes of one template
CREATE FUNCTION pg_temp.with_codes(VARIADIC codes text[]) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.told(loyalty.quote(pg_temp.id('ann'), pg_temp.cart('100 A'), codes)) $$;
SELECT loyalty.coupon_code_create('Shop', 'all', 'MORE') \g /dev/null
SELECT is(pg_temp.with_codes('CODEALL', 'CODE-ALL'), '90.00; all 10.00; all already_used', 'the same code counts once');
SELECT is(pg_temp.with_codes('CODEALL', 'MORE'), '90.00; all 10.00; all stack_category_limit', 'one of a template in an order');
UPDATE loyalty.coupon SET max_per_order = 2 WHERE name = 'all';
SELECT is(pg_temp.with_codes('MORE', 'CODEALL', 'more'), '81.00; all 9.00; all 10.00; all already_used', 'two of a template; of them the lower code comes first');
SELECT is(pg_temp.with_codes('NOSUCH', 'CODEGOLD', 'MORE'), '90.00; all 10.00; gold tier_mismatch; not_found', 'what does not apply keeps nothing out');

-- What must remain of the goods
UPDATE loyalty.cart_policy SET min_payable = 10 WHERE program_id = :shop;
SELECT is(pg_temp.priced('100 A, + 8', '{"kind": "amount", "amount": 95}', '{"kind": "shipping"}'), '10.00; c1 90.00 min_payable; c2 8.00', 'minimum payable: of the goods, not of the shipping');
SELECT is(pg_temp.priced('100 A', '{"kind": "percent", "percent": 100}', '{"kind": "amount", "amount": 1}'), '10.00; c1 90.00 min_payable; c2 no_effect', 'minimum payable: nothing is left for the next');
SELECT is(pg_temp.priced('9 A', '{"kind": "amount", "amount": 1}'), '9.00; c1 no_effect', 'minimum payable: less than that to begin with');
-- 90 of 100, by 60 and 40
SELECT is(pg_temp.priced('60 A, 40 B', '{"kind": "exchange", "max_times": 2}'), '6.00 4.00; c1 90.00 min_payable', 'minimum payable: of pieces');
UPDATE loyalty.cart_policy SET min_payable = 0 WHERE program_id = :shop;

-- Many pieces, large amounts
SELECT is(pg_temp.priced('10000 x 9.99 A', '{"kind": "buy_get", "buy": 2, "get": 1, "percent": 100}'), '66603.33; c1 33296.67', '10,000 pieces: 3,333 for nothing');
SELECT is(pg_temp.priced('10000 x 9.99 A', '{"kind": "bundle", "buy": 3, "amount": 20}'), '66669.99; c1 33230.01', '10,000 pieces: 3,333 times 9.97');
SELECT is(pg_temp.priced('10000 x 9.99 A', '{"kind": "price", "amount": 5, "max_times": 9999}'), '50004.99; c1 49895.01', '10,000 pieces: 9,999 times 4.99');
SELECT is(pg_temp.priced('1000000000 x 0.01 A', '{"kind": "buy_get", "buy": 1, "get": 1, "percent": 100}'), '5000000.00; c1 5000000.00', 'a billion pieces');
SELECT is(pg_temp.priced('45035996273704.96 A, 45035996273704.96 B', '{"kind": "amount", "amount": 1000000.01}'), '45035995773704.95 45035995773704.96; c1 1000000.01', 'amounts of 2^52 cents');
SELECT is(pg_temp.priced('90071992547409.92 A', '{"kind": "percent", "percent": 99.999}'), '900719925.47; c1 90071091827484.45', 'a percentage of 2^53 cents');

-- Other currencies: none and three decimals
SELECT is(pg_temp.priced_for('yuki', pg_temp.cart('100 A, 33 B'), '{"kind": "percent", "percent": 12.5}'), '87 29; c1 17', 'yen: 16.625, of which 12.8 and 4.2');
SELECT is(pg_temp.priced_for('yuki', pg_temp.cart('3 x 100 A'), '{"kind": "bundle", "buy": 3, "amount": 200}'), '200; c1 100', 'yen: a bundle');
SELECT is(pg_temp.priced_for('dana', pg_temp.cart('1.001 A'), '{"kind": "percent", "percent": 50}'), '0.500; c1 0.501', 'dinar: half a fils is rounded up');
SELECT is(pg_temp.priced_for('dana', pg_temp.cart('1 A, 1 B, 1 C, + 2.500'), '{"kind": "amount", "amount": 1}', '{"kind": "shipping", "amount": 0.125}'), '0.666 0.667 0.667 + 2.375; c1 1.000; c2 0.125', 'dinar: a third');

-- taken on trust above, as the programme has no tier at all
UPDATE loyalty.coupon SET tiers = NULL WHERE tiers = '{gold}';
SELECT is_empty('SELECT * FROM loyalty.verify()', 'verify() finds nothing');
SELECT * FROM finish();
ROLLBACK;
