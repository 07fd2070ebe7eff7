\set ECHO none
\i test/prelude.sql
SELECT plan(45);

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

-- An attached table notes those without a member, and follows them
CREATE TABLE slip (no text PRIMARY KEY, customer text, total numeric(12,2), paid_at timestamptz, shop text);
SELECT throws_ok($$SELECT loyalty.attach('slip', 'Shop', 'customer', ref => 'no', identity => 'customer_no', guests => true, event => 'check_in')$$, '22023', NULL, 'attach: for purchases only');
INSERT INTO slip VALUES ('s0', NULL, 9, '2026-03-14', 'S9');
SELECT loyalty.attach('slip', 'Shop', 'customer', ref => 'no', store => 'shop', identity => 'customer_no', guests => true);
DELETE FROM loyalty.guest_order;
CALL pg_temp.enroll('Shop', 'ann');
INSERT INTO slip VALUES ('s1', NULL, 10, '2026-03-15', 'S1'), ('s2', 'nobody', 20, '2026-03-15', 'S2'), ('s3', 'ann', 30, '2026-03-15', 'S1'), ('s4', NULL, 40, NULL, 'S1');
SELECT is(pg_temp.noted() || '; ' || pg_temp.journal('ann'), 's1 1000 S1, s2 2000 S2; event signup, event purchase s3', 'paid orders of nobody and of an unknown number');
UPDATE slip SET total = total + 1, paid_at = coalesce(paid_at, '2026-03-15') WHERE no <> 's0';
SELECT is(pg_temp.noted(), 's1 1100 S1, s2 2100 S2, s4 4100 S1', 'an amount changes, an order is paid');
SELECT is((SELECT without_member FROM loyalty.attach_count('slip')), 4::bigint, 'one from before is not noted');
UPDATE slip SET customer = 'ann' WHERE no = 's1';
UPDATE slip SET customer = NULL WHERE no = 's3';
SELECT is(pg_temp.noted() || '; ' || pg_temp.journal('ann'), 's2 2100 S2, s3 3100 S1, s4 4100 S1; event signup, event purchase s3, refund s3~r1, event purchase s3~2, event purchase s1, refund s3~2~r1',
	'one gets a member, another loses him');
CALL pg_temp.enroll('Shop', 'nobody');
UPDATE slip SET total = 22 WHERE no = 's2';
SELECT is(pg_temp.noted() || '; ' || pg_temp.journal('nobody'), 's3 3100 S1, s4 4100 S1; event signup, event purchase s2', 'a number that became a member''s');
DELETE FROM slip WHERE no = 's3';
UPDATE slip SET paid_at = NULL WHERE no = 's4';
SELECT is(pg_temp.noted(), 'none', 'deleted, and not paid any more');
INSERT INTO slip SELECT 'b' || n, NULL, n, '2026-03-15', NULL FROM generate_series(1, 20) n;
SELECT is((SELECT count(*) || ' ' || sum(amount) FROM loyalty.guest_order), '20 21000', 'many in one statement');
INSERT INTO slip VALUES ('f', NULL, 5, '2026-03-16 12:00+00', NULL);
SELECT results_eq($$SELECT ref, code FROM loyalty.ingest_reject$$, $$VALUES ('f', 'LY108')$$, 'what cannot be noted is among the rejects');
DELETE FROM loyalty.guest_order WHERE ref = 'b7';
SELECT results_eq($$SELECT * FROM loyalty.attach_catch_up('slip', until => '2026-03-16')$$, $$VALUES (2::bigint, 0::bigint)$$, 'catching up: what is not noted yet');
SELECT is(pg_temp.noted() LIKE '%b7 700,%s0 900 S9', true, 'the one from before, too');
SELECT loyalty.detach('slip');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
