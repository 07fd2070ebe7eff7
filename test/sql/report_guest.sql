\set ECHO none
\i test/prelude.sql
SELECT plan(11);

-- Members: 100 and 200 on the web, 60 in the shop, of which 10 go back in April. Guests:
-- 40 and 50 on the web, 30 in the shop, of which 30 go back.
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
SELECT loyalty.program_create('Empty', 'JPY', 'Asia/Tokyo');
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:shop, 'base', 0);
CALL pg_temp.enroll('Shop', 'ann', 'bob');
SELECT FROM (VALUES ('ann', 100, 'o1', 'web'), ('bob', 200, 'o2', 'web'), ('bob', 60, 'o3', 'shop')) x (name, amount, ref, channel),
	loyalty.purchase(pg_temp.id(name), amount, ref, data => jsonb_build_object('channel', channel));
SELECT FROM (VALUES (40, 'g1', 'web'), (50, 'g2', 'web'), (30, 'g3', 'shop')) x (amount, ref, channel),
	loyalty.guest_order('Shop', amount, ref, data => jsonb_build_object('channel', channel));
-- 00:30 on the 1st of April in Shanghai
SET loyalty.now = '2026-03-31 16:30+00';
SELECT FROM loyalty.refund(pg_temp.id('bob'), 'o3', 10, refund_ref => 'r1');
SELECT FROM loyalty.guest_order_refund('Shop', 'g3');
SELECT FROM loyalty.guest_order('Shop', 20, 'g4');

SELECT is(pg_temp.signature('report_member_share'),
	'(program text, since date, until date, by text DEFAULT NULL::text, grain text DEFAULT NULL::text) -> TABLE(period date, part text, member_orders bigint, member_sales numeric,'
	' guest_orders bigint, guest_sales numeric, member_share numeric, member_basket numeric, guest_basket numeric, lift numeric, currency text)', 'report_member_share(): arguments');
SELECT results_eq($$SELECT * FROM loyalty.report_member_share('Shop', '2026-03-01', '2026-03-31')$$,
	$$VALUES (date '2026-03-01', NULL, 3::bigint, 360.00, 3::bigint, 120.00, 0.7500, 120.00, 40.00, 2.0000, 'CNY')$$, 'a month: members spend three times as much an order');
SELECT results_eq($$SELECT period, member_orders, member_sales, guest_orders, guest_sales, member_share, member_basket, guest_basket, lift
	  FROM loyalty.report_member_share('Shop', '2026-02-15', '2026-04-30', grain => 'month')$$,
	$$VALUES (date '2026-02-15', 0::bigint, 0.00, 0::bigint, 0.00, NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric),
	         ('2026-03-01', 3, 360, 3, 120, 0.7500, 120, 40, 2.0000), ('2026-04-01', 0, -10, 1, -10, 0.5000, NULL, 20, NULL)$$,
	'by month: what goes back counts on its own day');
SELECT results_eq($$SELECT part, member_orders, member_sales, guest_orders, guest_sales, member_share, lift
	  FROM loyalty.report_member_share('Shop', '2026-03-01', '2026-04-30', 'channel')$$,
	$$VALUES (NULL, 0::bigint, 0.00, 1::bigint, 20.00, 0.0000, NULL::numeric), ('shop', 1, 50, 1, 0, 1.0000, 1.0000), ('web', 2, 300, 2, 90, 0.7692, 2.3333)$$,
	'by channel: a refund at that of its order');
SELECT results_eq($$SELECT part, member_orders, guest_orders FROM loyalty.report_member_share('Shop', '2026-03-01', '2026-04-30', 'tier')$$,
	$$VALUES (NULL, 0::bigint, 4::bigint), ('base', 3, 0)$$, 'by tier: guests have none');
SELECT results_eq($$SELECT period, part, member_sales, guest_sales, member_share FROM loyalty.report_member_share('Empty', '2026-03-01', '2026-03-31')$$,
	$$VALUES (date '2026-03-01', NULL, 0::numeric, 0::numeric, NULL::numeric)$$, 'an empty programme');
SELECT results_eq($$SELECT member_orders, guest_orders, member_share FROM loyalty.report_member_share('Shop', '2030-01-01', '2030-12-31')$$,
	$$VALUES (0::bigint, 0::bigint, NULL::numeric)$$, 'the future');
SELECT throws_ok($$SELECT * FROM loyalty.report_member_share('Nowhere', '2026-03-01', '2026-03-31')$$, 'LY403', NULL, 'an unknown programme');
SELECT throws_ok($$SELECT * FROM loyalty.report_member_share('Shop', '2026-03-01', '2026-03-31', NULL, 'decade')$$, '22023', NULL, 'a grain that there is not');
SELECT FROM loyalty.report_fold(1000);
SELECT results_eq($$SELECT member_sales, guest_sales FROM loyalty.report_member_share('Shop', '2026-03-01', '2026-03-31')$$,
	$$VALUES (360.00, 120.00)$$, 'the same when it is folded');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
