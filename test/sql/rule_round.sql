\set ECHO none
\i test/prelude.sql
SELECT plan(26);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:shop, 'points', 'points', 0), (:shop, 'cash', 'money', 2);
CALL pg_temp.enroll('Shop', 'ann');
CREATE FUNCTION pg_temp.bought(ref text, amount numeric, items jsonb DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM loyalty.purchase(pg_temp.id('ann'), amount, ref, items);
	RETURN pg_temp.awards('ann', ref);
END
$$;
-- One rule for each mode, in a scope
CREATE FUNCTION pg_temp.rules(scope text, settings jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM loyalty.rule;
	PERFORM pg_temp.rule(settings || jsonb_build_object('name', mode, 'rounding', mode, 'rounding_scope', scope))
	FROM unnest('{down,nearest,up,half_even}'::text[]) WITH ORDINALITY m (mode, n) ORDER BY n;
END
$$;

-- One point per 2.00, exactly. 9.00 are 4.5, 9.50 are 4.75, 9.02 are 4.51, 8.98 are 4.49, 3.00 are 1.5, 8.00 are 4
\set half '{"kind": "per_amount", "award": 1, "per": 2, "proportional": true}'
SELECT FROM pg_temp.rules('rule', :'half');
SELECT is(pg_temp.bought('r' || amount, amount), awards, format('rule: %s', amount))
FROM (VALUES
	(9.00, 'down 4, nearest 5, up 5, half_even 4'),
	(9.50, 'down 4, nearest 5, up 5, half_even 5'),
	(9.02, 'down 4, nearest 5, up 5, half_even 5'),
	(8.98, 'down 4, nearest 4, up 5, half_even 4'),
	(3.00, 'down 1, nearest 2, up 2, half_even 2'),
	(8.00, 'down 4, nearest 4, up 4, half_even 4'),
	(0.01, 'down no_effect, nearest no_effect, up 1, half_even no_effect'),
	(1.00, 'down no_effect, nearest 1, up 1, half_even no_effect')
) v (amount, awards);

-- Lines of 1.00, 3.00, 5.00 and 0.50: 0.5, 1.5, 2.5 and 0.25; in all 4.75
\set lines '[{"sku": "A", "price": 1}, {"sku": "B", "price": 3}, {"sku": "C", "price": 5}, {"sku": "D", "price": 0.5}]'
SELECT FROM pg_temp.rules('line', :'half');
-- 0 + 1 + 2 + 0; 1 + 2 + 3 + 0; 1 + 2 + 3 + 1; 0 + 2 + 2 + 0
SELECT is(pg_temp.bought('l1', 9.50, :'lines'), 'down 3, nearest 6, up 7, half_even 4', 'line: each line, then the sum');
SELECT FROM pg_temp.rules('rule', :'half');
SELECT is(pg_temp.bought('l2', 9.50, :'lines'), 'down 4, nearest 5, up 5, half_even 5', 'rule: the sum of the same lines');
SELECT FROM pg_temp.rules('line', :'half' || '{"item_filter": "$.price > 2"}'::jsonb);
-- lines B and C: 1 + 2; 2 + 3; 2 + 3; 2 + 2
SELECT is(pg_temp.bought('l3', 9.50, :'lines'), 'down 3, nearest 5, up 5, half_even 4', 'line: those that match');
SELECT FROM pg_temp.rules('line', :'half');
-- 1.50 beyond the lines count as one more: 0.75 on top of 3, 6, 7 and 4
SELECT is(pg_temp.bought('l4', 11.00, :'lines'), 'down 3, nearest 7, up 8, half_even 5', 'line: what is beyond the lines is one of its own');
SELECT is(pg_temp.bought('l5', 9.00), 'down 4, nearest 5, up 5, half_even 4', 'line: an order without items is one line');
-- pieces: 0.5 and 1.5 of them
SELECT FROM pg_temp.rules('line', '{"kind": "per_quantity", "award": 1, "per": 1, "proportional": true}');
SELECT is(pg_temp.bought('l6', 2, '[{"sku": "A", "price": 1, "qty": 0.5}, {"sku": "B", "price": 1, "qty": 1.5}]'),
	'down 1, nearest 3, up 3, half_even 2', 'line: pieces');

-- Two rules of 4.5 and 4.25 (1 per 9.00/4.25), together 8.75; the second gets the rest of the rounded sum
DELETE FROM loyalty.rule;
CREATE FUNCTION pg_temp.pair(mode text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM loyalty.rule;
	PERFORM pg_temp.rule(jsonb_build_object('name', 'a', 'kind', 'per_amount', 'award', 1, 'per', 2, 'proportional', true,
		'rounding', mode, 'rounding_scope', 'event'));
	PERFORM pg_temp.rule(jsonb_build_object('name', 'b', 'kind', 'per_amount', 'award', 17, 'per', 36, 'proportional', true,
		'rounding', mode, 'rounding_scope', 'event'));
END
$$;
SELECT FROM pg_temp.pair('down');
SELECT is(pg_temp.bought('e1', 9.00), 'a 4, b 4', 'event, down: 4.5 is 4, 8.75 is 8');
-- 2 x 4.5 and 2 x 4.25: 9 and 17.5
SELECT is(pg_temp.bought('e2', 18.00), 'a 9, b 8', 'event, down: 9 is 9, 17.5 is 17');
SELECT FROM pg_temp.pair('nearest');
SELECT is(pg_temp.bought('e3', 9.00), 'a 5, b 4', 'event, nearest: 4.5 is 5, 8.75 is 9');
SELECT FROM pg_temp.pair('up');
SELECT is(pg_temp.bought('e4', 9.00), 'a 5, b 4', 'event, up: 4.5 is 5, 8.75 is 9');
SELECT FROM pg_temp.pair('half_even');
SELECT is(pg_temp.bought('e5', 9.00), 'a 4, b 5', 'event, half_even: 4.5 is 4, 8.75 is 9');
-- A rule of the scope rule between them stands by itself; another unit has a sum of its own
SELECT FROM pg_temp.rule('{"name": "own", "kind": "per_amount", "award": 1, "per": 2, "proportional": true, "priority": 1}');
SELECT FROM pg_temp.rule('{"name": "cash", "unit": "cash", "kind": "per_amount", "award": 0.01, "per": 2, "proportional": true, "rounding_scope": "event"}');
-- cash: 0.045, down to 0.04
SELECT is(pg_temp.bought('e6', 9.00), 'own 4, a 4, b 5, cash 4', 'event: with a rule of another scope, and another unit');

-- What is rounded to nothing still counts for those that follow: three of 0.4 are 1.2
DELETE FROM loyalty.rule;
SELECT FROM unnest('{a,b,c}'::text[]) r (name), pg_temp.rule(jsonb_build_object('name', name, 'kind', 'per_amount', 'award', 1, 'per', 25,
	'proportional', true, 'rounding_scope', 'event'));
SELECT is(pg_temp.bought('e7', 10.00), 'a no_effect, b no_effect, c 1', 'event, down: 0.4 and 0.8 are 0, 1.2 is 1');

-- A multiplier is rounded like any other award: base 4.5, x 1.5 adds 2.25 of it
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"name": "a", "kind": "per_amount", "award": 1, "per": 2, "proportional": true, "rounding_scope": "event"}');
SELECT FROM pg_temp.rule('{"name": "x1.5", "kind": "multiplier", "award": 1.5, "rounding_scope": "event"}');
SELECT is(pg_temp.bought('x1', 9.00), 'a 4, x1.5 2', 'event: 4.5 and 2.25 are 6.75, down to 6');
SELECT is(pg_temp.bought('x2', 10.00), 'a 5, x1.5 2', 'event: 5 and 2.5 are 7.5, down to 7');
UPDATE loyalty.rule SET rounding = 'up';
SELECT is(pg_temp.bought('x3', 9.00), 'a 5, x1.5 2', 'event: 4.5 and 2.25 are 6.75, up to 7');

-- Large amounts lose nothing: 45035996273.70 x 3 / 7 = 19301141260.157..., in cents
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"name": "cash", "unit": "cash", "kind": "per_amount", "award": 3, "per": 7, "proportional": true}');
SELECT is(pg_temp.bought('b1', 45035996273.70), 'cash 1930114126015', 'large amounts are exact');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
