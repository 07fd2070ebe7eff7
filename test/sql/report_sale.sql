\set ECHO none
\i test/prelude.sql
SELECT plan(110);

-- Folds all there is; how many rows are left. Waits for nobody, but for the server's
-- own short transactions.
CREATE FUNCTION pg_temp.fold() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	rows bigint;
BEGIN
	FOR i IN 1..1000 LOOP
		PERFORM loyalty.report_fold(10000);
		rows := (SELECT count(*) FROM loyalty.program p, loyalty.report_tail(p.program_id));
		EXIT WHEN rows = 0;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RETURN rows;
END
$$;

-- A shop in Shanghai; noon there is 04:00 in UTC.
SET loyalty.now = '2026-01-05 04:00+00';
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
SELECT loyalty.program_create('Empty', 'JPY', 'Asia/Tokyo') AS empty \gset
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:shop, 'ordinary', 0), (:shop, 'gold', 1);
SELECT FROM loyalty.enroll('Shop', '{"customer_no": "ann"}', data => '{"store": "S1", "channel": "app"}');
SELECT FROM loyalty.enroll('Shop', '{"customer_no": "bob"}', data => '{"store": "S2"}');
SELECT FROM loyalty.enroll('Shop', '{"customer_no": "cat"}');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 100, 'a1', data => '{"store": "S1", "staff": "7"}', items =>
	'[{"sku": "TEA", "qty": 2, "price": 30, "category": "drink", "brand": "Leaf"}, {"sku": "CUP", "price": 40, "category": "ware"}]');
SET loyalty.now = '2026-01-10 04:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 50, 'b1', data => '{"store": "S2"}');
-- half past midnight on 1 February
SET loyalty.now = '2026-01-31 16:30+00';
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 20, 'c1', data => '{"store": "S1"}');
SET loyalty.now = '2026-02-03 04:00+00';
-- 20.00 off
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 60, 'a2', data => '{"store": "S2"}', items =>
	'[{"sku": "CUP", "qty": 2, "price": 40, "category": "ware"}]');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 40, 'a3', data => '{"store": "S1"}');
-- 18.00 of the tea, 12.00 of the cup
SET loyalty.now = '2026-02-10 04:00+00';
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'a1', 30, refund_ref => 'r1');
SET loyalty.now = '2026-02-20 04:00+00';
SELECT FROM loyalty.enroll('Shop', '{"customer_no": "dan"}', data => '{"store": "S2"}');
SET loyalty.now = '2026-03-01 04:00+00';
SELECT FROM loyalty.member_close(pg_temp.id('bob'), 'asked for it');
SET loyalty.now = '2026-03-05 04:00+00';
SELECT FROM loyalty.enroll('Shop', '{"customer_no": "eve"}', data => '{"store": "S1"}');
SET loyalty.now = '2026-03-06 04:00+00';
SELECT FROM loyalty.member_reopen(pg_temp.id('bob'), 'came back');
SET loyalty.now = '2026-03-10 04:00+00';
SELECT FROM loyalty.tier_grant(pg_temp.id('ann'), 'gold', 'a good customer');
-- 50.00 more than its lines: the delivery
SET loyalty.now = '2026-03-12 04:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 200, 'a4', data => '{"store": "S1"}', items => '[{"sku": "TEA", "qty": 5, "price": 30}]');
SET loyalty.now = '2026-03-13 04:00+00';
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'a4', items => '[{"sku": "TEA", "qty": 1}]', refund_ref => 'r2');
SET loyalty.now = '2026-03-14 04:00+00';
SELECT FROM loyalty.adjust(pg_temp.id('dan'), 10, 'points', 'gift', ref => 'd1');
SET loyalty.now = '2026-03-15 04:00+00';
SELECT FROM loyalty.redeem(pg_temp.id('dan'), 5, ref => 'd2');

-- Sales
SELECT is(pg_temp.signature('report_sale'),
	'(program text, since date, until date, by text DEFAULT NULL::text, grain text DEFAULT NULL::text)'
	' -> TABLE(period date, part text, orders bigint, amount numeric, refunds bigint, refunded numeric, net numeric, average_order numeric, currency text)',
	'report_sale(): arguments');
SELECT results_eq($$SELECT * FROM loyalty.report_sale('Shop', '2026-01-01', '2026-03-15', grain => 'month')$$,
	$$VALUES (date '2026-01-01', NULL::text, 2::bigint, 150.00, 0::bigint, 0.00, 150.00, 75.00, 'CNY'),
	         ('2026-02-01', NULL, 3, 120.00, 1, 30.00, 90.00, 40.00, 'CNY'),
	         ('2026-03-01', NULL, 1, 200.00, 1, 30.00, 170.00, 200.00, 'CNY')$$,
	'report_sale: by month of Shanghai; a refund counts on its own day');
SELECT results_eq($$SELECT period, orders, net FROM loyalty.report_sale('Shop', '2026-01-05', '2026-03-15')$$,
	$$VALUES (date '2026-01-05', 6::bigint, 410.00)$$, 'report_sale: the range as one period');
SELECT results_eq($$SELECT part, orders, amount, refunds, refunded, net, average_order FROM loyalty.report_sale('Shop', '2026-01-01', '2026-03-15', 'store')$$,
	$$VALUES ('S1', 4::bigint, 360.00, 2::bigint, 60.00, 300.00, 90.00), ('S2', 2, 110.00, 0, 0.00, 110.00, 55.00)$$,
	'report_sale: by store; a refund at the store of its order');
SELECT results_eq($$SELECT part, orders, amount, refunds, refunded FROM loyalty.report_sale('Shop', '2026-01-01', '2026-03-15', 'tier')$$,
	$$VALUES ('gold', 1::bigint, 200.00, 1::bigint, 30.00), ('ordinary', 5, 270.00, 1, 30.00)$$, 'report_sale: by tier of then');
SELECT results_eq($$SELECT part, orders FROM loyalty.report_sale('Shop', '2026-01-01', '2026-03-15', 'staff')$$,
	$$VALUES ('7', 1::bigint), (NULL, 5)$$, 'report_sale: by staff, and who is nobody''s');
SELECT results_eq($$SELECT period, part, orders FROM loyalty.report_sale('Shop', '2026-01-01', '2026-03-15', 'store', 'quarter')$$,
	$$VALUES (date '2026-01-01', 'S1', 4::bigint), ('2026-01-01', 'S2', 2)$$, 'report_sale: by store and quarter');
SELECT results_eq($$SELECT period, orders FROM loyalty.report_sale('Shop', '2026-01-29', '2026-02-03', grain => 'week')$$,
	$$VALUES (date '2026-01-29', 1::bigint), ('2026-02-02', 2)$$, 'report_sale: weeks begin on Monday, the first is cut');
SELECT results_eq($$SELECT period, orders FROM loyalty.report_sale('Shop', '2026-01-31', '2026-02-02', grain => 'day')$$,
	$$VALUES (date '2026-01-31', 0::bigint), ('2026-02-01', 1), ('2026-02-02', 0)$$, 'report_sale: each day, also without orders');
SELECT results_eq($$SELECT period, orders, average_order FROM loyalty.report_sale('Shop', '2030-01-01', '2030-01-31')$$,
	$$VALUES (date '2030-01-01', 0::bigint, NULL::numeric)$$, 'report_sale: in the future');
SELECT results_eq($$SELECT * FROM loyalty.report_sale('Empty', '2025-12-31', '2026-03-15', grain => 'year')$$,
	$$VALUES (date '2025-12-31', NULL::text, 0::bigint, 0::numeric, 0::bigint, 0::numeric, 0::numeric, NULL::numeric, 'JPY'),
	         ('2026-01-01', NULL, 0, 0, 0, 0, 0, NULL, 'JPY')$$, 'report_sale: a programme without members');
SELECT is_empty($$SELECT * FROM loyalty.report_sale('Empty', '2026-01-01', '2026-03-15', 'store')$$, 'report_sale: which has no stores');

-- Members
SELECT is(pg_temp.signature('report_growth'),
	'(program text, since date, until date, by text DEFAULT NULL::text, grain text DEFAULT NULL::text)'
	' -> TABLE(period date, part text, joined bigint, closed bigint, reopened bigint, members bigint)',
	'report_growth(): arguments');
SELECT results_eq($$SELECT * FROM loyalty.report_growth('Shop', '2026-01-01', '2026-03-15', grain => 'month')$$,
	$$VALUES (date '2026-01-01', NULL::text, 3::bigint, 0::bigint, 0::bigint, 3::bigint),
	         ('2026-02-01', NULL, 1, 0, 0, 4), ('2026-03-01', NULL, 1, 1, 1, 5)$$, 'report_growth: by month');
SELECT results_eq($$SELECT joined, closed, reopened, members FROM loyalty.report_growth('Shop', '2026-03-02', '2026-03-05')$$,
	$$VALUES (1::bigint, 0::bigint, 0::bigint, 4::bigint)$$, 'report_growth: who was closed before is no member');
SELECT results_eq($$SELECT period, members FROM loyalty.report_growth('Shop', '2026-03-04', '2026-03-07', grain => 'day')$$,
	$$VALUES (date '2026-03-04', 3::bigint), ('2026-03-05', 4), ('2026-03-06', 5), ('2026-03-07', 5)$$, 'report_growth: by day');
SELECT results_eq($$SELECT part, joined, closed, reopened, members FROM loyalty.report_growth('Shop', '2026-01-01', '2026-03-15', 'store')$$,
	$$VALUES ('S1', 2::bigint, 0::bigint, 0::bigint, 2::bigint), ('S2', 2, 1, 1, 2), (NULL, 1, 0, 0, 1)$$,
	'report_growth: by the store where they joined, who is closed there, too');
SELECT results_eq($$SELECT period, part, joined, closed, members FROM loyalty.report_growth('Shop', '2026-02-28', '2026-03-01', 'store', 'day')$$,
	$$VALUES (date '2026-02-28', 'S1', 0::bigint, 0::bigint, 1::bigint), ('2026-02-28', 'S2', 0, 0, 2), ('2026-02-28', NULL, 0, 0, 1),
	         ('2026-03-01', 'S1', 0, 0, 1), ('2026-03-01', 'S2', 0, 1, 1), ('2026-03-01', NULL, 0, 0, 1)$$,
	'report_growth: by store and day');
SELECT results_eq($$SELECT part, joined, closed, reopened, members FROM loyalty.report_growth('Shop', '2026-03-01', '2026-03-15', 'tier')$$,
	$$VALUES ('gold', 0::bigint, 0::bigint, 0::bigint, 1::bigint), ('ordinary', 1, 1, 1, 4)$$, 'report_growth: by tier');
SELECT results_eq($$SELECT part, members FROM loyalty.report_growth('Shop', '2026-03-09', '2026-03-09', 'tier')$$,
	$$VALUES ('ordinary', 5::bigint)$$, 'report_growth: the tier at the end of the period');
SELECT results_eq($$SELECT members FROM loyalty.report_growth('Empty', '2026-03-01', '2026-03-15')$$, 'VALUES (0::bigint)',
	'report_growth: a programme without members');
SELECT results_eq($$SELECT joined, members FROM loyalty.report_growth('Shop', '2030-01-01', '2030-01-31')$$,
	'VALUES (0::bigint, 5::bigint)', 'report_growth: in the future');

-- Active
SELECT is(pg_temp.signature('report_active'),
	'(program text, until date, by text DEFAULT NULL::text) -> TABLE(part text, days integer, active bigint, members bigint, share numeric)',
	'report_active(): arguments');
SELECT results_eq($$SELECT * FROM loyalty.report_active('Shop', '2026-03-15')$$,
	$$VALUES (NULL::text, 1, 1::bigint, 5::bigint, 0.2000), (NULL, 7, 2, 5, 0.4000), (NULL, 30, 2, 5, 0.4000), (NULL, 90, 4, 5, 0.8000)$$,
	'report_active: who bought or spent, but not whom a gift was given');
-- cat on the 1st, ann on the 3rd of February
SELECT results_eq($$SELECT days, active, members FROM loyalty.report_active('Shop', '2026-02-07')$$,
	'VALUES (1, 0::bigint, 3::bigint), (7, 2, 3), (30, 3, 3), (90, 3, 3)', 'report_active: as of another day');
SELECT results_eq($$SELECT days, active FROM loyalty.report_active('Shop', '2026-02-08')$$,
	'VALUES (1, 0::bigint), (7, 1), (30, 3), (90, 3)', 'report_active: seven days with this one');
SELECT results_eq($$SELECT part, array_agg(active ORDER BY days), max(members) FROM loyalty.report_active('Shop', '2026-03-15', 'store') GROUP BY 1 ORDER BY 1$$,
	$$VALUES ('S1', '{0,1,1,2}'::bigint[], 5::bigint), ('S2', '{0,0,0,2}', 5), (NULL, '{1,1,1,1}', 5)$$,
	'report_active: by store, of all members');
SELECT results_eq($$SELECT part, array_agg(active ORDER BY days) FROM loyalty.report_active('Shop', '2026-03-15', 'tier') GROUP BY 1 ORDER BY 1$$,
	$$VALUES ('gold', '{0,1,1,1}'::bigint[]), ('ordinary', '{1,1,1,4}')$$, 'report_active: by tier of then');
SELECT results_eq($$SELECT days, active, members, share FROM loyalty.report_active('Empty', '2026-03-15')$$,
	'VALUES (1, 0::bigint, 0::bigint, NULL::numeric), (7, 0, 0, NULL), (30, 0, 0, NULL), (90, 0, 0, NULL)', 'report_active: nobody of nobody');

-- Buyers
SELECT is(pg_temp.signature('report_buyer'),
	'(program text, since date, until date, by text DEFAULT NULL::text, grain text DEFAULT NULL::text)'
	' -> TABLE(period date, part text, buyers bigint, new_buyers bigint, returning_buyers bigint, returning_share numeric, repeat_buyers bigint, repurchase_rate numeric, orders bigint, frequency numeric)',
	'report_buyer(): arguments');
SELECT results_eq($$SELECT * FROM loyalty.report_buyer('Shop', '2026-01-01', '2026-03-15', grain => 'month')$$,
	$$VALUES (date '2026-01-01', NULL::text, 2::bigint, 2::bigint, 0::bigint, 0.0000, 0::bigint, 0.0000, 2::bigint, 1.0000),
	         ('2026-02-01', NULL, 2, 1, 1, 0.5000, 1, 0.5000, 3, 1.5000),
	         ('2026-03-01', NULL, 1, 0, 1, 1.0000, 1, 1.0000, 1, 1.0000)$$, 'report_buyer: by month');
SELECT results_eq($$SELECT buyers, new_buyers, returning_buyers, repeat_buyers, repurchase_rate, orders, frequency FROM loyalty.report_buyer('Shop', '2026-01-01', '2026-03-15')$$,
	$$VALUES (3::bigint, 3::bigint, 0::bigint, 1::bigint, 0.3333, 6::bigint, 2.0000)$$, 'report_buyer: each counts once in a longer period');
SELECT results_eq($$SELECT buyers, new_buyers, repeat_buyers FROM loyalty.report_buyer('Shop', '2026-01-06', '2026-02-02')$$,
	$$VALUES (2::bigint, 2::bigint, 0::bigint)$$, 'report_buyer: a period of any days');
SELECT results_eq($$SELECT buyers, new_buyers, repeat_buyers FROM loyalty.report_buyer('Shop', '2026-02-03', '2026-02-03')$$,
	$$VALUES (1::bigint, 0::bigint, 1::bigint)$$, 'report_buyer: one day');
SELECT results_eq($$SELECT part, buyers, new_buyers, repeat_buyers, orders, frequency FROM loyalty.report_buyer('Shop', '2026-01-01', '2026-03-15', 'store')$$,
	$$VALUES ('S1', 2::bigint, 2::bigint, 1::bigint, 4::bigint, 2.0000), ('S2', 2, 2, 1, 2, 1.0000)$$,
	'report_buyer: by store, who bought at both is in both');
SELECT results_eq($$SELECT period, part, buyers, new_buyers, repeat_buyers, orders FROM loyalty.report_buyer('Shop', '2026-01-15', '2026-03-15', 'store', 'month')$$,
	$$VALUES (date '2026-02-01', 'S1', 2::bigint, 1::bigint, 1::bigint, 2::bigint), ('2026-02-01', 'S2', 1, 0, 1, 1), ('2026-03-01', 'S1', 1, 0, 1, 1)$$,
	'report_buyer: by store and month; new is who never bought anywhere');
SELECT results_eq($$SELECT part, buyers, new_buyers FROM loyalty.report_buyer('Shop', '2026-01-01', '2026-03-15', 'tier')$$,
	$$VALUES ('gold', 1::bigint, 1::bigint), ('ordinary', 3, 3)$$, 'report_buyer: by tier');
SELECT results_eq($$SELECT buyers, returning_share, repurchase_rate, orders, frequency FROM loyalty.report_buyer('Shop', '2026-02-15', '2026-02-28')$$,
	'VALUES (0::bigint, NULL::numeric, NULL::numeric, 0::bigint, NULL::numeric)', 'report_buyer: when nobody buys there are no rates');
SELECT results_eq($$SELECT buyers FROM loyalty.report_buyer('Empty', '2026-01-01', '2026-03-15', grain => 'quarter')$$, 'VALUES (0::bigint)',
	'report_buyer: a programme without members');

-- Cohorts
SELECT is(pg_temp.signature('report_cohort'),
	'(program text, since date, until date) -> TABLE(cohort date, months_since integer, month date, members bigint, cohort_members bigint, share numeric, orders bigint, net numeric)',
	'report_cohort(): arguments');
CREATE TEMP TABLE cohort AS
	SELECT * FROM (VALUES (date '2026-01-01', 0, date '2026-01-01', 2::bigint, 2::bigint, 1.0000, 2::bigint, 150.00),
		('2026-01-01', 1, '2026-02-01', 1, 2, 0.5000, 2, 70.00), ('2026-01-01', 2, '2026-03-01', 1, 2, 0.5000, 1, 170.00),
		('2026-02-01', 0, '2026-02-01', 1, 1, 1.0000, 1, 20.00), ('2026-02-01', 1, '2026-03-01', 0, 1, 0.0000, 0, 0.00)) c;
SELECT results_eq($$SELECT * FROM loyalty.report_cohort('Shop', '2026-01-01', '2026-03-15')$$, 'TABLE cohort', 'report_cohort: by month of the first order');
SELECT results_eq($$SELECT * FROM loyalty.report_cohort('Shop', '2026-01-20', '2027-12-31')$$, 'TABLE cohort',
	'report_cohort: whole months, and none that is still to come');
SELECT results_eq($$SELECT * FROM loyalty.report_cohort('Shop', '2026-02-28', '2026-03-01')$$, 'SELECT * FROM cohort OFFSET 3',
	'report_cohort: who began before is not in it');
SELECT is_empty($$SELECT * FROM loyalty.report_cohort('Shop', '2030-01-01', '2030-12-31')$$, 'report_cohort: in the future');
SELECT is_empty($$SELECT * FROM loyalty.report_cohort('Empty', '2026-01-01', '2026-12-31')$$, 'report_cohort: a programme without members');

-- Recency, frequency, money: three buyers. Nobody is worse: 1. A third is: 1 + floor(5/3). Two thirds are: 1 + floor(10/3).
SELECT is(pg_temp.signature('report_rfm_member'),
	'(program text, until date) -> TABLE(member_id bigint, recency integer, frequency integer, monetary integer, segment text, last_on date, orders bigint, net numeric)',
	'report_rfm_member(): arguments');
SELECT set_eq($$SELECT * FROM loyalty.report_rfm_member('Shop', '2026-03-15')$$,
	$$VALUES (pg_temp.id('ann'), 4, 4, 4, 'champions', date '2026-03-12', 4::bigint, 340.00),
	         (pg_temp.id('bob'), 1, 1, 2, 'lost', '2026-01-10', 1, 50.00),
	         (pg_temp.id('cat'), 2, 1, 1, 'hibernating', '2026-02-01', 1, 20.00)$$, 'report_rfm_member: equal values score alike');
-- the first refund is not yet known, a2 and a3 are
SELECT results_eq($$SELECT recency, frequency, monetary, last_on, orders, net FROM loyalty.report_rfm_member('Shop', '2026-02-03') WHERE member_id = pg_temp.id('ann')$$,
	$$VALUES (4, 4, 4, date '2026-02-03', 3::bigint, 200.00)$$, 'report_rfm_member: as of the end of another day');
SELECT results_eq($$SELECT recency, frequency, monetary FROM loyalty.report_rfm_member('Shop', '2026-01-05')$$, 'VALUES (1, 1, 1)',
	'report_rfm_member: one buyer');
SELECT is(pg_temp.signature('report_rfm'),
	'(program text, until date) -> TABLE(recency integer, frequency integer, monetary integer, segment text, members bigint, orders bigint, net numeric)',
	'report_rfm(): arguments');
CREATE TEMP TABLE grid AS
	SELECT * FROM (VALUES (1, 1, 2, 'lost', 1::bigint, 1::bigint, 50.00), (2, 1, 1, 'hibernating', 1, 1, 20.00), (4, 4, 4, 'champions', 1, 4, 340.00)) g;
SELECT results_eq($$SELECT * FROM loyalty.report_rfm('Shop', '2026-03-14')$$, 'TABLE grid', 'report_rfm: the grid');
SELECT is(pg_temp.signature('report_rfm_segment'),
	'(program text, until date) -> TABLE(segment text, members bigint, share numeric, orders bigint, net numeric)',
	'report_rfm_segment(): arguments');
SELECT results_eq($$SELECT * FROM loyalty.report_rfm_segment('Shop', '2026-03-14') WHERE members > 0$$,
	$$VALUES ('champions', 1::bigint, 0.3333, 4::bigint, 340.00), ('hibernating', 1, 0.3333, 1, 20.00), ('lost', 1, 0.3333, 1, 50.00)$$,
	'report_rfm_segment: by segment');
SELECT results_eq($$SELECT count(*), sum(members), max(share) FROM loyalty.report_rfm_segment('Empty', '2026-03-14')$$,
	'VALUES (11::bigint, 0::numeric, NULL::numeric)', 'report_rfm_segment: all eleven, of nobody');
SELECT is_empty($$SELECT * FROM loyalty.report_rfm('Empty', '2026-03-14')$$, 'report_rfm: a programme without members');
SELECT results_eq($$SELECT count(DISTINCT s), count(s) FROM generate_series(1, 5) r, generate_series(1, 5) f, generate_series(1, 5) m, loyalty.report_rfm_name(r, f, m) s$$,
	'VALUES (11::bigint, 125::bigint)', 'report_rfm_name: each of the 125 cells has one of eleven names');
SELECT results_eq($$SELECT loyalty.report_rfm_name(r, 2, 3) FROM generate_series(5, 1, -1) r$$,
	$$VALUES ('loyal'), ('loyal'), ('need_attention'), ('at_risk'), ('at_risk')$$, 'report_rfm_name: halves are rounded up');

-- Products
SELECT is(pg_temp.signature('report_product'),
	'(program text, since date, until date, kind text DEFAULT ''sku''::text, top integer DEFAULT 20, by text DEFAULT NULL::text)'
	' -> TABLE(part text, place bigint, name text, orders bigint, quantity numeric, amount numeric, returned_quantity numeric, returned numeric, net numeric, share numeric)',
	'report_product(): arguments');
SELECT results_eq($$SELECT * FROM loyalty.report_product('Shop', '2026-01-01', '2026-03-15')$$,
	$$VALUES (NULL::text, 1::bigint, 'TEA', 2::bigint, 7::numeric, 210.00, 1::numeric, 48.00, 162.00, 0.6480),
	         (NULL, 2, 'CUP', 2, 3, 100.00, 0, 12.00, 88.00, 0.3520)$$, 'report_product: after discounts and returns');
SELECT results_eq($$SELECT name, orders, quantity, amount, returned, net, share FROM loyalty.report_product('Shop', '2026-01-01', '2026-03-15', 'category')$$,
	$$VALUES ('ware', 2::bigint, 3::numeric, 100.00, 12.00, 88.00, 0.6769), ('drink', 1, 2, 60.00, 18.00, 42.00, 0.3231)$$,
	'report_product: categories, as far as there are any');
SELECT results_eq($$SELECT name, net, share FROM loyalty.report_product('Shop', '2026-01-01', '2026-03-15', 'brand')$$,
	$$VALUES ('Leaf', 42.00, 1.0000)$$, 'report_product: brands');
SELECT results_eq($$SELECT part, place, name, orders, quantity, amount, returned_quantity, returned, net, share
	FROM loyalty.report_product('Shop', '2026-01-01', '2026-03-15', by => 'tier')$$,
	$$VALUES ('gold', 1::bigint, 'TEA', 1::bigint, 5::numeric, 150.00, 1::numeric, 30.00, 120.00, 1.0000),
	         ('ordinary', 1, 'CUP', 2, 3, 100.00, 0, 12.00, 88.00, 0.6769), ('ordinary', 2, 'TEA', 1, 2, 60.00, 0, 18.00, 42.00, 0.3231)$$,
	'report_product: in each tier');
SELECT results_eq($$SELECT part, name FROM loyalty.report_product('Shop', '2026-01-01', '2026-03-15', 'sku', 1, 'tier')$$,
	$$VALUES ('gold', 'TEA'), ('ordinary', 'CUP')$$, 'report_product: the first of each tier');
SELECT results_eq($$SELECT name, orders, amount, returned, net, share FROM loyalty.report_product('Shop', '2026-02-10', '2026-02-28')$$,
	$$VALUES ('CUP', 0::bigint, 0.00, 12.00, -12.00, 0.4000), ('TEA', 0, 0.00, 18.00, -18.00, 0.6000)$$, 'report_product: when things only come back');
SELECT is_empty($$SELECT * FROM loyalty.report_product('Empty', '2026-01-01', '2026-03-15')$$, 'report_product: a programme without members');
SELECT throws_ok(format($$SELECT * FROM loyalty.report_product('Shop', '2026-01-01', '2026-03-15', %s)$$, arguments), code, NULL, 'report_product: not ' || arguments)
FROM (VALUES ($$'colour'$$, '22023'), ('NULL', '22004'), ($$'sku', 0$$, '22023'), ($$'sku', NULL$$, '22004'), ($$'sku', 1, 'store'$$, '22023'), ($$'sku', 1, 'x'$$, '22023')) v (arguments, code);

-- The figures at the top: 1 to 15 March, before that 14 to 28 February
SELECT results_eq($$SELECT measure, value, previous, last_year, change, change_year FROM loyalty.report_headline('Shop', '2026-03-01', '2026-03-15')
	WHERE measure NOT LIKE 'points%' AND measure NOT IN ('burn_rate', 'member_share')$$,
	$$VALUES ('members', 5::numeric, 4::numeric, 0::numeric, 0.2500, NULL::numeric), ('joined', 1, 1, 0, 0.0000, NULL),
	         ('active_30', 2, 2, 0, 0.0000, NULL), ('active_share_30', 0.4000, 0.5000, NULL, -0.2000, NULL),
	         ('buyers', 1, 0, 0, NULL, NULL), ('new_buyers', 0, 0, 0, NULL, NULL), ('repurchase_rate', 1.0000, NULL, NULL, NULL, NULL),
	         ('orders', 1, 0, 0, NULL, NULL), ('revenue', 200.00, 0.00, 0.00, NULL, NULL), ('net', 170.00, 0.00, 0.00, NULL, NULL),
	         ('average_order', 200.00, NULL, NULL, NULL, NULL), ('frequency', 1.0000, NULL, NULL, NULL, NULL)$$,
	'report_headline: against the fortnight before');
SELECT results_eq($$SELECT measure, value, previous, change FROM loyalty.report_headline('Shop', '2026-03-01', '2026-03-31') WHERE measure IN ('orders', 'net')$$,
	$$VALUES ('orders', 1::numeric, 3::numeric, -0.6667), ('net', 170.00, 90.00, 0.8889)$$, 'report_headline: a month against the month before');
SELECT results_eq($$SELECT part, value, previous FROM loyalty.report_headline('Shop', '2026-03-01', '2026-03-31', 'store') WHERE measure = 'revenue'$$,
	$$VALUES ('S1', 200.00, 60.00), ('S2', NULL, 60.00)$$, 'report_headline: by store');

-- 200 for a4, 30 of them taken back; before: 70 of a1, 50, 20, 60 and 40; dan has 5
SELECT results_eq($$SELECT measure, value, previous, last_year, change FROM loyalty.report_headline('Shop', '2026-03-01', '2026-03-15')
	WHERE measure LIKE 'points%' OR measure IN ('burn_rate', 'member_share')$$,
	$$VALUES ('points_issued', 170::numeric, 0::numeric, 0::numeric, NULL::numeric), ('points_spent', 5, 0, 0, NULL), ('points_expired', 0, 0, 0, NULL),
	         ('points_outstanding', 415, 240, 0, 0.7292), ('burn_rate', 0.0294, NULL, NULL, NULL), ('member_share', 1.0000, NULL, NULL, NULL)$$,
	'report_headline: what points did');
SELECT results_eq($$SELECT part, value FROM loyalty.report_headline('Shop', '2026-03-01', '2026-03-31', 'store') WHERE measure = 'points_issued' AND value <> 0$$,
	$$VALUES ('S1', 170::numeric)$$, 'report_headline: points by store');
SELECT results_eq($$SELECT count(*), count(value), sum(value) FROM loyalty.report_headline('Empty', '2026-03-01', '2026-03-15')$$,
	'VALUES (18::bigint, 12::bigint, 0::numeric)', 'report_headline: a programme without members');

-- Arguments that make no report
SELECT throws_ok(format('SELECT * FROM loyalty.%s', call), code, NULL, call)
FROM (VALUES ($$report_sale('Nowhere', '2026-01-01', '2026-03-15')$$, 'LY403'), ($$report_growth('Nowhere', '2026-01-01', '2026-03-15')$$, 'LY403'),
	($$report_active('Nowhere', '2026-03-15')$$, 'LY403'), ($$report_buyer('Nowhere', '2026-01-01', '2026-03-15')$$, 'LY403'),
	($$report_cohort('Nowhere', '2026-01-01', '2026-03-15')$$, 'LY403'), ($$report_rfm('Nowhere', '2026-03-15')$$, 'LY403'),
	($$report_product('Nowhere', '2026-01-01', '2026-03-15')$$, 'LY403'), ($$report_headline('Nowhere', '2026-01-01', '2026-03-15')$$, 'LY403'),
	($$report_sale('Shop', '2026-03-15', '2026-03-14')$$, '22023'), ($$report_buyer('Shop', '2026-03-15', '2026-03-14')$$, '22023'),
	($$report_sale('Shop', NULL, '2026-03-14')$$, '22004')) c (call, code);

-- Two orders on one day make a repeat buyer, also of that day.
CALL pg_temp.enroll('Shop', 'fay');
SELECT FROM loyalty.purchase(pg_temp.id('fay'), 10, 'f1');
SELECT FROM loyalty.purchase(pg_temp.id('fay'), 10, 'f2');
SELECT results_eq($$SELECT buyers, new_buyers, repeat_buyers, frequency FROM loyalty.report_buyer('Shop', '2026-03-15', '2026-03-15')$$,
	'VALUES (1::bigint, 1::bigint, 1::bigint, 2.0000)', 'report_buyer: two orders on the first day');
-- What comes late counts on its day: ann had bought in December.
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 5, 'a0', at => '2025-12-31 04:00+00');
SELECT results_eq($$SELECT cohort, array_agg(members ORDER BY months_since) FROM loyalty.report_cohort('Shop', '2025-12-01', '2026-03-15') GROUP BY 1 ORDER BY 1$$,
	$$VALUES (date '2025-12-01', '{1,1,1,1}'::bigint[]), ('2026-01-01', '{1,0,0}'), ('2026-02-01', '{1,0}'), ('2026-03-01', '{1}')$$,
	'report_cohort: a member moves to the month of an order that came late');
SELECT results_eq($$SELECT buyers, new_buyers, repeat_buyers FROM loyalty.report_buyer('Shop', '2026-01-01', '2026-01-31')$$,
	'VALUES (2::bigint, 1::bigint, 1::bigint)', 'report_buyer: and is new no more');

-- The grid of yesterday is kept once what it is made of is folded.
SELECT ok(NOT loyalty.report_rfm_keep(:shop), 'report_rfm_keep: not while there are orders that are not folded');
SELECT is((SELECT count(*) FROM loyalty.report_rfm_day), 0::bigint, 'report_rfm_keep: then nothing is kept');
CREATE TEMP TABLE before AS SELECT * FROM loyalty.report_rfm('Shop', '2026-03-14');
SELECT is(pg_temp.fold(), 0::bigint, 'everything is folded');
DELETE FROM loyalty.report_rfm_day;
SELECT set_eq($$SELECT * FROM loyalty.report_rfm('Shop', '2026-03-14')$$, 'TABLE before', 'report_rfm: the same after that');
SELECT ok(loyalty.report_rfm_keep(:shop), 'report_rfm_keep: yesterday');
SELECT ok(loyalty.report_rfm_keep(:shop), 'report_rfm_keep: which is kept');
SELECT set_eq($$SELECT day, recency, frequency, monetary, members FROM loyalty.report_rfm_day$$,
	$$SELECT date '2026-03-14', recency, frequency, monetary, members FROM before
	  UNION ALL VALUES (date '2026-03-14', 0, 0, 0, 0)$$, 'report_rfm_keep: the grid, and that the day is known');
UPDATE loyalty.report_rfm_day SET members = 7 WHERE recency = 1;
SELECT is((SELECT members FROM loyalty.report_rfm('Shop', '2026-03-14') WHERE recency = 1), 7::bigint, 'report_rfm: reads what is kept');
SELECT is((SELECT members FROM loyalty.report_rfm_segment('Shop', '2026-03-14') WHERE segment = 'lost'), 7::bigint, 'report_rfm_segment: as well');
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 1000, 'd3', at => '2026-03-15 04:00+00');
SELECT is((SELECT max(members) FROM loyalty.report_rfm('Shop', '2026-03-14')), 7::bigint, 'report_rfm: also if something is dated later');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 1000, 'b2', at => '2026-03-14 04:00+00');
SELECT set_eq($$SELECT recency, frequency, monetary, members, net FROM loyalty.report_rfm('Shop', '2026-03-14')$$,
	$$VALUES (1, 1, 1, 1::bigint, 20.00), (2, 4, 2, 1, 345.00), (4, 2, 4, 1, 1050.00)$$, 'report_rfm: an order that came late');
SELECT is(pg_temp.fold(), 0::bigint, 'and is folded');
SELECT is_empty('SELECT * FROM loyalty.report_rfm_day WHERE members = 7', 'which deletes what it made wrong');
SELECT is((SELECT net FROM loyalty.report_rfm('Shop', '2026-03-14') WHERE monetary = 4), 1050.00, 'report_rfm: and says the same');
SELECT ok(loyalty.report_rfm_keep(:empty), 'report_rfm_keep: a programme without members');
SELECT is_empty($$SELECT * FROM loyalty.report_rfm('Empty', '2026-03-14')$$, 'report_rfm: of whom nobody is kept');
SELECT throws_ok($$SELECT * FROM loyalty.report_rfm('Empty', NULL)$$, '22004', 'until must not be null', 'report_rfm: names the argument that is missing');
SELECT ok(NOT loyalty.report_rfm_keep(999), 'report_rfm_keep: no programme');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'and the books are right');
SELECT * FROM finish();
ROLLBACK;
