\set ECHO none
\i test/prelude.sql
SELECT plan(22);

-- The combination that saves most, and why the others are not in it. All amounts are
-- worked out by hand: the cart is 100 + 40 = 140, and 10 shipping.
SELECT loyalty.program_create('Shop', 'CNY', 'UTC', 'empty') AS shop \gset
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay', 'gus');
\set cart '{"items": [{"sku": "A", "category": "toys", "price": 100}, {"sku": "B", "category": "food", "price": 40}], "shipping": 10}'
INSERT INTO loyalty.coupon_category (program_id, name, stacking, max_per_order) VALUES
	(:shop, 'single', 'common', 1), (:shop, 'apart', 'never', NULL), (:shop, 'extra', 'always', NULL);
INSERT INTO loyalty.coupon (program_id, name, kind, amount, percent, min_amount, item_filter, category, exclusive, max_per_order) VALUES
	(:shop, 'off30', 'amount', 30, NULL, NULL, NULL, NULL, false, 2),
	(:shop, 'off25', 'amount', 25, NULL, NULL, NULL, NULL, false, 1),
	(:shop, 'half', 'percent', NULL, 50, NULL, NULL, NULL, true, 1),
	(:shop, 'tenth', 'percent', NULL, 10, NULL, NULL, 'extra', false, 1),
	(:shop, 'toys20', 'percent', NULL, 20, NULL, '$.category == "toys"', 'single', false, 1),
	(:shop, 'food50', 'percent', NULL, 50, NULL, '$.category == "food"', 'single', false, 1),
	(:shop, 'aside60', 'amount', 60, NULL, NULL, NULL, 'apart', false, 1),
	(:shop, 'big', 'amount', 90, NULL, 200, NULL, NULL, false, 1),
	(:shop, 'free', 'shipping', NULL, NULL, NULL, NULL, NULL, false, 1);
INSERT INTO loyalty.coupon (program_id, name, kind, sku, quantity) VALUES (:shop, 'mug', 'gift', 'MUG', 1);
SELECT FROM loyalty.coupon_code_create('Shop', 'mug', 'MUGMUG');
CREATE PROCEDURE pg_temp.issue(name text, VARIADIC coupons text[]) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM unnest(coupons) WITH ORDINALITY c (coupon, n), loyalty.coupon_issue(pg_temp.id(name), coupon, 'i' || n) r;
END
$$;
-- 'tenth 7.00, half 70.00 | off30 stack_exclusive by half': what applies, and what does not, by name.
CREATE FUNCTION pg_temp.best(name text, cart jsonb, codes text[] DEFAULT NULL) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT concat_ws(' | ', string_agg(coalesce(v ->> 'coupon', v ->> 'offer') || ' ' || (v ->> 'saving'), ', ' ORDER BY coalesce(v ->> 'coupon', v ->> 'offer')) FILTER (WHERE (v -> 'applicable')::boolean),
		string_agg(concat_ws(' ', coalesce(v ->> 'coupon', v ->> 'offer'), v ->> 'reason', 'by ' || (SELECT string_agg(b, '+' ORDER BY b) FROM jsonb_array_elements_text(v -> 'beaten_by') b)),
			', ' ORDER BY coalesce(v ->> 'coupon', v ->> 'offer')) FILTER (WHERE NOT (v -> 'applicable')::boolean))
	FROM loyalty.quote(pg_temp.id(name), cart, codes, best => true) q, jsonb_array_elements(q -> 'verdicts') v
$$;

-- 30, 25 and, of 85 left, nothing else: 55; half of 140 is 70, and a tenth of the 140 before it (extra goes with all)
CALL pg_temp.issue('ann', 'off30', 'off25', 'half');
SELECT is(pg_temp.best('ann', :'cart'), 'half 70.00 | off25 stack_exclusive by half, off30 stack_exclusive by half', 'one that excludes the others saves more than both');
SELECT is(pg_temp.best('ann', '{"items": [{"sku": "A", "price": 90}]}'), 'off25 25.00, off30 30.00 | half stack_exclusive by off25+off30', 'of 90 it does not');
SELECT is(q #>> '{best,optimal}', 'true', 'it is proved') FROM loyalty.quote(pg_temp.id('ann'), :'cart', best => true) q;
SELECT is(q #>> '{best,bound}', '70.00', 'by a bound') FROM loyalty.quote(pg_temp.id('ann'), :'cart', best => true) q;

-- single: 20 of the toys or 20 of the food, the same; toys20 is the first
CALL pg_temp.issue('bob', 'toys20', 'food50', 'aside60', 'big', 'free');
SELECT is(pg_temp.best('bob', :'cart'), 'aside60 60.00 | big min_amount, food50 stack_exclusive by aside60, free stack_exclusive by aside60, toys20 stack_exclusive by aside60',
	'60 by itself is more than 20 and 10');
SELECT is(pg_temp.best('bob', '{"items": [{"sku": "A", "category": "toys", "price": 300}, {"sku": "B", "category": "food", "price": 40}], "shipping": 10}'),
	'big 90.00, free 10.00, toys20 60.00 | aside60 stack_exclusive by big+free+toys20, food50 stack_category_limit by toys20', 'of 340 it is not: 60, 90 and 10');

-- Of the same coupon as many as one order may have, those that end soonest
SELECT FROM loyalty.coupon_issue(pg_temp.id('cat'), 'off30', 'late', valid_until => '2026-12-31');
SELECT FROM loyalty.coupon_issue(pg_temp.id('cat'), 'off30', 'soon', valid_until => '2026-04-01');
SELECT FROM loyalty.coupon_issue(pg_temp.id('cat'), 'off30', 'later', valid_until => '2027-12-31');
SELECT is((SELECT string_agg(m.valid_until::text, ', ' ORDER BY m.valid_until) FROM jsonb_array_elements(q -> 'verdicts') v
		JOIN loyalty.member_coupon m ON m.coupon_no = (v -> 'coupon_no')::bigint WHERE (v -> 'applicable')::boolean),
	'2026-04-01, 2026-12-31', 'two of three equal ones: those that end soonest') FROM loyalty.quote(pg_temp.id('cat'), :'cart', best => true) q;
SELECT is(pg_temp.best('cat', '{"items": [{"sku": "A", "price": 25}]}'), 'off30 25.00 | off30 no_effect by off30, off30 no_effect', 'no more coupons than are needed');

-- max_coupons
INSERT INTO loyalty.cart_policy (program_id, max_coupons) VALUES (:shop, 1);
CALL pg_temp.issue('dan', 'off30', 'off25', 'free');
SELECT is(pg_temp.best('dan', :'cart'), 'off30 30.00 | free stack_total_limit by off30, off25 stack_total_limit by off30', 'one coupon in an order: the best');
UPDATE loyalty.cart_policy SET max_coupons = NULL;

-- A gift that was chosen joins as far as it fits
CALL pg_temp.issue('eve', 'off30', 'half');
SELECT is(pg_temp.best('eve', '{"items": [{"sku": "A", "price": 40}]}', '{MUGMUG}'), 'mug 0.00, off30 30.00 | half stack_exclusive by mug+off30', 'a gift joins');
SELECT is(pg_temp.best('eve', :'cart', '{MUGMUG}'), 'half 70.00 | mug stack_exclusive by half, off30 stack_exclusive by half', 'unless it is excluded');

-- An offer stands aside for a better coupon
INSERT INTO loyalty.coupon (program_id, name, kind, percent, automatic, category) VALUES (:shop, 'sale', 'percent', 10, true, 'single');
CALL pg_temp.issue('fay', 'toys20');
SELECT is(pg_temp.best('fay', :'cart'), 'toys20 20.00 | sale stack_category_limit by toys20', 'an offer of 14 for a coupon of 20');
SELECT is(q ->> 'total', '130.00', 'so that 140 and 10 are 130') FROM loyalty.quote(pg_temp.id('fay'), :'cart', best => true) q;
SELECT is(pg_temp.best('fay', '{"items": [{"sku": "B", "category": "food", "price": 40}]}'), 'sale 4.00 | toys20 no_matching_items', 'and stays without one');

-- With a limit of one combination nothing is proved, and the bound says what may be
UPDATE loyalty.cart_policy SET search_limit = 1;
CALL pg_temp.issue('gus', 'off30', 'toys20', 'food50', 'off25', 'half', 'tenth');
SELECT ok((q #>> '{best,bound}')::numeric >= (q #>> '{best,saving}')::numeric AND (q #>> '{best,optimal}')::boolean = (q #> '{best,bound}' = q #> '{best,saving}'),
	'the bound is never below what was found') FROM loyalty.quote(pg_temp.id('gus'), :'cart', best => true) q;
UPDATE loyalty.cart_policy SET search_limit = DEFAULT;
-- 50 % of 140 is 70, a tenth of the other 70 is 7: 77. Without: 20 of the toys or the food, 30, 25, and a tenth of 65: 81.50
SELECT is(pg_temp.best('gus', :'cart'), 'off25 25.00, off30 30.00, tenth 6.50, toys20 20.00 | food50 stack_category_limit by toys20, '
	'half stack_exclusive by off25+off30+toys20, sale stack_category_limit by toys20', '20 of the toys, which come before the food, 30, 25 and a tenth of the rest');

-- What was searched for can be bought: 50 less 1 by the offer that comes first, or less 10 by the one that saves more, or less ida's 30
UPDATE loyalty.coupon SET status = 'inactive' WHERE automatic;
INSERT INTO loyalty.offer (program_id, name, kind, amount, exclusive, priority) VALUES (:shop, 'one', 'amount', 1, true, 1), (:shop, 'ten', 'amount', 10, true, 100);
CALL pg_temp.enroll('Shop', 'hal', 'ida');
CALL pg_temp.issue('ida', 'off30');
\set cart '{"items": [{"sku": "A", "price": 50}]}'
SELECT throws_ok(format($$SELECT loyalty.checkout(pg_temp.id('hal'), %L, 'plain', expect => 40)$$, :'cart'), 'LY246', NULL, 'without a search the offer of the lower priority counts');
SELECT results_eq(format($$SELECT name, (loyalty.quote(pg_temp.id(name), %L, best => true) ->> 'payable')::numeric FROM unnest('{hal,ida}'::text[]) name$$, :'cart'),
	$$VALUES ('hal', 40.00), ('ida', 20.00)$$, 'with one the best does');
SELECT is((SELECT (r).status FROM loyalty.checkout(pg_temp.id('hal'), :'cart', 'best', expect => 40, best => true) r), 'done', 'and can be bought');
SELECT is((SELECT string_agg((r).status, ' ') FROM loyalty.checkout_reserve(pg_temp.id('ida'), :'cart', 'best', '{NOCODE}', expect => 20, best => true) r), 'done', 'or reserved; a code that is none refuses nothing');
SELECT FROM loyalty.checkout_confirm(pg_temp.id('ida'), 'best', expect => 20);
SELECT results_eq($$SELECT c.name, u.discount, u.coupon_no IS NOT NULL FROM loyalty.coupon_use u JOIN loyalty.coupon c USING (coupon_id) WHERE u.ref = 'best' AND u.status = 'used' ORDER BY 1$$,
	$$VALUES ('off30', 3000::bigint, true), ('ten', 1000, false)$$, 'by what was found');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'verify() finds nothing');
SELECT * FROM finish();
ROLLBACK;
