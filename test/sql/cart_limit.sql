\set ECHO none
\i test/prelude.sql
SELECT plan(22);

-- Several coupons of one template in one order share what is left of it: the uses of the member, in a
-- period and in all, and the discount in all. What quote() shows is what checkout() does.
SELECT loyalty.program_create('Shop', 'CNY', 'UTC', 'empty') AS shop \gset
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan');
INSERT INTO loyalty.coupon (program_id, name, kind, amount, max_per_order, limit_member, limit_period, period) VALUES
	(:shop, 'twice', 'amount', 5, 3, 2, NULL, NULL), (:shop, 'daily', 'amount', 6, 3, 3, 1, 'day'),
	(:shop, 'few', 'amount', 7, 3, NULL, NULL, NULL), (:shop, 'purse', 'amount', 8, 3, NULL, NULL, NULL);
SELECT FROM loyalty.coupon_limit('Shop', 'few', 'used', 2);
SELECT FROM loyalty.coupon_limit('Shop', 'purse', 'discount', 20);
CREATE TEMP TABLE code AS SELECT name, n, name || '-' || n || 'Z' AS code FROM unnest('{twice,daily,few,purse}'::text[]) name, generate_series(1, 5) n;
SELECT FROM code, loyalty.coupon_code_create('Shop', name, code);
\set cart '{"items": [{"sku": "A", "price": 100}]}'
CREATE FUNCTION pg_temp.codes(name text, VARIADIC n int[]) RETURNS text[] LANGUAGE sql STABLE AS $$ SELECT array_agg(code ORDER BY x.place) FROM unnest($2) WITH ORDINALITY x (n, place) JOIN code c USING (n) WHERE c.name = $1 $$;
-- '5.00, 5.00, limit_member': what becomes of each code or coupon, as given
CREATE FUNCTION pg_temp.told(q jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT string_agg(coalesce(v ->> 'reason', v ->> 'saving') || coalesce(' by ' || jsonb_array_length(v -> 'beaten_by'), ''), ', ' ORDER BY n) FROM jsonb_array_elements(q -> 'verdicts') WITH ORDINALITY x (v, n)
$$;
CREATE FUNCTION pg_temp.tried(name text, ref text, codes text[]) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', r.status, r.reason) FROM loyalty.checkout(pg_temp.id(name), '{"items": [{"sku": "A", "price": 100}]}', ref, codes, mode => 'try') r
$$;

-- Of a member
SELECT is(pg_temp.told(loyalty.quote(pg_temp.id('ann'), :'cart', pg_temp.codes('twice', 1, 2, 3))), '5.00, 5.00, limit_member', 'the third use of two');
SELECT is(pg_temp.tried('ann', 'a1', pg_temp.codes('twice', 1, 2, 3)), 'refused limit_member', 'so checkout() refuses it');
SELECT is(pg_temp.tried('ann', 'a1', pg_temp.codes('twice', 3)), 'done', 'one is used');
SELECT is(pg_temp.told(loyalty.quote(pg_temp.id('ann'), :'cart', pg_temp.codes('twice', 1, 2, 3))), '5.00, limit_member, limit_member', 'of two one is left');
SELECT is(pg_temp.tried('ann', 'a2', pg_temp.codes('twice', 1, 2)), 'refused limit_member', 'and so for checkout()');

-- In a period
SELECT is(pg_temp.told(loyalty.quote(pg_temp.id('ann'), :'cart', pg_temp.codes('daily', 2, 1))), '6.00, limit_period', 'the second of a day');
SELECT is(pg_temp.tried('ann', 'a3', pg_temp.codes('daily', 1, 2)), 'refused limit_period', 'so checkout() refuses it');

-- In all
SELECT is(pg_temp.told(loyalty.quote(pg_temp.id('ann'), :'cart', pg_temp.codes('few', 1, 2, 3))), '7.00, 7.00, limit_campaign', 'the third use of two in all');
SELECT is((r).status, 'done', 'one is reserved') FROM loyalty.checkout_reserve(pg_temp.id('bob'), :'cart', 'b1', pg_temp.codes('few', 5), ttl => '1 minute') r;
SELECT is(pg_temp.told(loyalty.quote(pg_temp.id('ann'), :'cart', pg_temp.codes('few', 1, 2, 3))), '7.00, limit_campaign, limit_campaign', 'so that one is left');
SET loyalty.now = '2026-03-15 12:02+00';
SELECT is(pg_temp.told(loyalty.quote(pg_temp.id('ann'), :'cart', pg_temp.codes('few', 1, 2, 3))), '7.00, 7.00, limit_campaign', 'a reservation whose time is over counts nowhere');
SELECT is(pg_temp.tried('ann', 'a4', pg_temp.codes('few', 1, 2)), 'done', 'and so for checkout()');

-- The discount in all: 20 is enough for two of 8. Those that were given first win, in whatever order they are applied.
SELECT is(pg_temp.told(loyalty.quote(pg_temp.id('ann'), :'cart', pg_temp.codes('purse', 3, 1, 2))), '8.00, 8.00, budget_exhausted', 'a third of 8 from a budget of 20');
SELECT is(pg_temp.tried('ann', 'a5', pg_temp.codes('purse', 3, 1, 2)), 'refused budget_exhausted', 'so checkout() refuses it');
-- the last of these saves 4 only, which the budget still has
SELECT is(pg_temp.told(loyalty.quote(pg_temp.id('ann'), '{"items": [{"sku": "A", "price": 20}]}', pg_temp.codes('purse', 1, 2, 3))), '8.00, 8.00, 4.00', 'what fits is used');

-- The best combination keeps to the same
CALL pg_temp.enroll('Shop', 'eve');
SELECT FROM generate_series(1, 3) n, unnest('{twice,daily,few,purse}'::text[]) name, loyalty.coupon_issue(pg_temp.id('eve'), name, name || n);
SELECT FROM loyalty.coupon_limit('Shop', 'few', 'used', 4);
SELECT is(q #>> '{best,saving}', '46.00', 'two of 5, one of 6, two of 7 and two of 8') FROM loyalty.quote(pg_temp.id('eve'), :'cart', best => true) q;
SELECT is((SELECT string_agg(DISTINCT concat_ws(' ', v ->> 'coupon', v ->> 'reason', jsonb_array_length(v -> 'beaten_by')), ', ' ORDER BY concat_ws(' ', v ->> 'coupon', v ->> 'reason', jsonb_array_length(v -> 'beaten_by')))
		FROM jsonb_array_elements(q -> 'verdicts') v WHERE NOT (v -> 'applicable')::boolean),
	'daily limit_period 1, few limit_campaign 2, purse budget_exhausted 2, twice limit_member 2', 'why the others are not in it') FROM loyalty.quote(pg_temp.id('eve'), :'cart', best => true) q;
SELECT is(pg_temp.tried('eve', 'e1', (SELECT array_agg('#' || (v ->> 'coupon_no')) FROM jsonb_array_elements(loyalty.quote(pg_temp.id('eve'), :'cart', best => true) -> 'verdicts') v WHERE (v -> 'applicable')::boolean)),
	'done', 'checkout() takes what is best');

-- Random ones: the best of all combinations that quote() lets stand is the one that is found, and checkout() takes it
SELECT setseed(0.5);
CREATE TEMP TABLE found (n int, name text, best numeric, most numeric, optimal boolean, done text, sharing int);
CREATE PROCEDURE pg_temp.look(n int, shop int) LANGUAGE plpgsql AS $$
DECLARE
	who text = 'r' || n;
	cart jsonb = jsonb_build_object('shipping', 5, 'items', jsonb_build_array(
		jsonb_build_object('sku', 'A', 'qty', 1 + n % 3, 'price', 5 + floor(random() * 30)), jsonb_build_object('sku', 'B', 'category', 'red', 'price', 5 + floor(random() * 40))));
	q jsonb;
	held text[];
	most numeric;
	result text;
BEGIN
	CALL pg_temp.enroll('Shop', who);
	FOR k IN 1..3 LOOP
		IF random() < 0.5 THEN
			INSERT INTO loyalty.coupon (program_id, name, kind, amount, max_per_order, limit_member, limit_period, period, item_filter)
			VALUES (shop, format('x%s_%s', n, k), 'amount', 1 + floor(random() * 12), 1 + floor(random() * 3), nullif(floor(random() * 4)::int, 0), 1 + n % 2, 'month',
				CASE WHEN random() < 0.5 THEN '$.category == "red"' END::jsonpath);
		ELSE
			INSERT INTO loyalty.coupon (program_id, name, kind, percent, max_per_order, item_filter)
			VALUES (shop, format('x%s_%s', n, k), 'percent', 5 + floor(random() * 60), 2, CASE WHEN random() < 0.5 THEN '$.category == "red"' END::jsonpath);
		END IF;
		IF random() < 0.3 THEN
			PERFORM loyalty.coupon_limit('Shop', format('x%s_%s', n, k), 'used', 1 + floor(random() * 2)::int);
		END IF;
		IF random() < 0.6 THEN
			PERFORM loyalty.coupon_limit('Shop', format('x%s_%s', n, k), 'discount', 2 + floor(random() * 20)::int);
		END IF;
		PERFORM FROM generate_series(1, 2) i, loyalty.coupon_issue(pg_temp.id(who), format('x%s_%s', n, k), 'i' || k || i);
	END LOOP;
	held := (SELECT array_agg('#' || coupon_no ORDER BY coupon_no) FROM loyalty.member_coupon WHERE member_id = pg_temp.id(who));
	-- those of which everything applies: no order of the codes matters then
	SELECT max((s ->> 'discount')::numeric) INTO most
	FROM generate_series(0, (1 << cardinality(held)) - 1) mask,
		loyalty.quote(pg_temp.id(who), cart, (SELECT array_agg(held[b + 1]) FROM generate_series(0, cardinality(held) - 1) b WHERE mask >> b & 1 = 1)) s
	WHERE NOT EXISTS (SELECT FROM jsonb_array_elements(s -> 'verdicts') v WHERE NOT (v -> 'applicable')::boolean);
	q := loyalty.quote(pg_temp.id(who), cart, best => true);
	SELECT (r).status INTO result FROM loyalty.checkout(pg_temp.id(who), cart, 'o', (SELECT array_agg('#' || (v ->> 'coupon_no')) FROM jsonb_array_elements(q -> 'verdicts') v WHERE (v -> 'applicable')::boolean),
		expect => (q ->> 'payable')::numeric, mode => 'try') r;
	INSERT INTO found SELECT n, who, (q #>> '{best,saving}')::numeric, most, (q #>> '{best,optimal}')::boolean, result,
		(SELECT count(*) FROM jsonb_array_elements(q -> 'verdicts') v WHERE v ->> 'reason' IN ('limit_member', 'limit_period', 'limit_campaign', 'budget_exhausted') AND v ? 'beaten_by');
END
$$;
DO $$
DECLARE
	shop int = (SELECT program_id FROM loyalty.program WHERE name = 'Shop');
BEGIN
	FOR n IN 1..40 LOOP
		CALL pg_temp.look(n, shop);
	END LOOP;
END
$$;
SELECT is_empty('SELECT * FROM found WHERE best IS DISTINCT FROM most OR NOT optimal', 'nothing is better than the best');
SELECT is_empty($$SELECT * FROM found WHERE done <> 'done'$$, 'and it can be bought');
SELECT cmp_ok((SELECT count(*)::int FROM found WHERE sharing > 0), '>', 15, 'limits mattered in many');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'verify() finds nothing');
SELECT * FROM finish();
ROLLBACK;
