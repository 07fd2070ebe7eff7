\set ECHO none
\i test/prelude.sql
SELECT plan(34);

SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
SELECT loyalty.program_create('Other', 'JPY', 'Asia/Tokyo');
CREATE FUNCTION pg_temp.noted(program text DEFAULT 'Shop') RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(concat_ws(' ', concat_ws('/', ref, nullif(refund_ref, '')), amount, channel, store, staff), ', ' ORDER BY ref, refund_ref), 'none')
	FROM loyalty.guest_order JOIN loyalty.program p USING (program_id) WHERE p.name = $1
$$;

SELECT is(pg_temp.signature('guest_order'),
	'(program text, amount numeric, ref text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, data jsonb DEFAULT NULL::jsonb) -> boolean', 'guest_order(): arguments');
SELECT is(pg_temp.signature('guest_order_refund'),
	'(program text, ref text, amount numeric DEFAULT NULL::numeric, refund_ref text DEFAULT NULL::text, at timestamp with time zone DEFAULT NULL::timestamp with time zone) -> boolean', 'guest_order_refund(): arguments');
SELECT ok(loyalty.guest_order('Shop', 25.50, 'g1', data => '{"channel": "web", "store": "S1", "staff": "7", "note": "x"}'), 'it is noted');
SELECT ok(NOT loyalty.guest_order('Shop', 25.50, 'g1'), 'told again it is known');
SELECT ok(loyalty.guest_order('Shop', 0, 'g2', '2026-03-01 00:00+08'), 'for nothing, some days ago');
SELECT ok(loyalty.guest_order('Other', 300, 'g1'), 'a reference is of a programme');
SELECT is(pg_temp.noted() || '; ' || pg_temp.noted('Other'), 'g1 2550 web S1 7, g2 0; g1 300', 'amount and place are kept');
SELECT is(pg_temp.raised($$SELECT loyalty.guest_order('Shop', 25.51, 'g1')$$), 'LY454 amount=25.51 known=25.5', 'another amount under the same reference');
SELECT is(pg_temp.raised(format('SELECT loyalty.guest_order(%s)', args)) ~ ('^' || code), true, args)
FROM (VALUES ('LY403', $$'Nowhere', 1, 'x'$$), ('LY101', $$'Shop', -1, 'x'$$), ('LY103', $$'Shop', 1.005, 'x'$$), ('LY104', $$'Shop', 'NaN', 'x'$$),
	('LY005', $$'Shop', 1, ''$$), ('LY005', $$'Shop', 1, repeat('x', 256)$$), ('LY005', $$'Shop', 1, E'a\nb'$$), ('LY107', $$'Shop', 1, 'x', 'infinity'$$),
	('LY108', $$'Shop', 1, 'x', '2026-03-16'$$), ('LY007', $$'Shop', 1, 'x', data => '[]'$$), ('LY007', $$'Shop', 1, 'x', data => '{"store": 7}'$$),
	('22004', $$'Shop', NULL, 'x'$$), ('22004', $$'Shop', 1, NULL$$), ('22004', $$NULL, 1, 'x'$$)) bad (code, args);

-- Refunds
SELECT ok(loyalty.guest_order_refund('Shop', 'g1', 5.50, 'r1', '2026-03-15 12:00+00'), 'a part');
SELECT ok(NOT loyalty.guest_order_refund('Shop', 'g1', 5.50, 'r1'), 'told again');
SELECT is(pg_temp.raised($$SELECT loyalty.guest_order_refund('Shop', 'g1', 6, 'r1')$$), 'LY454 amount=6 known=5.5', 'another amount');
SELECT is(pg_temp.raised($$SELECT loyalty.guest_order_refund('Shop', 'g1', 20.01, 'r2')$$), 'LY131 left=20', 'more than is left');
SELECT is(pg_temp.raised($$SELECT loyalty.guest_order_refund('Shop', 'g1', 1)$$) ~ '^LY001', true, 'a part without a name');
SELECT is(pg_temp.raised($$SELECT loyalty.guest_order_refund('Shop', 'g3')$$), 'LY455 ref=g3', 'an order that is not there');
SELECT ok(loyalty.guest_order_refund('Shop', 'g1'), 'all that is left');
SELECT ok(NOT loyalty.guest_order_refund('Shop', 'g1'), 'again');
SELECT is(pg_temp.noted(), 'g1 2550 web S1 7, g1/all 2000 web S1 7, g1/r1 550 web S1 7, g2 0', 'at the place of the order');
UPDATE loyalty.program SET closed_until = '2026-03-10' WHERE name = 'Shop';
SELECT is(pg_temp.raised($$SELECT loyalty.guest_order('Shop', 1, 'x', '2026-03-09')$$) ~ '^LY109', true, 'a period that is closed');
SELECT ok(NOT loyalty.guest_order('Shop', 0, 'g2', '2026-03-01 00:00+08'), 'what is known from then is known');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
