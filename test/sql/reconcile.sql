\set ECHO none
\i test/prelude.sql
SELECT plan(32);

SELECT loyalty.program_create('Shop', 'JPY', 'Asia/Tokyo') AS shop \gset
SELECT loyalty.program_create('Other', 'CNY', 'Asia/Shanghai') AS other \gset
CALL pg_temp.enroll('Shop', 'ann', 'bob');
CREATE SCHEMA shop;

SELECT is(pg_temp.signature('reconcile'),
	'(source regclass, since timestamp with time zone DEFAULT NULL::timestamp with time zone, until timestamp with time zone DEFAULT NULL::timestamp with time zone) -> '
	'TABLE(problem text, ref text, member_id bigint, source_amount numeric, ledger_amount numeric)', 'reconcile(): arguments');
SELECT is(pg_temp.signature('attach_catch_up'),
	'(source regclass, since timestamp with time zone DEFAULT NULL::timestamp with time zone, until timestamp with time zone DEFAULT NULL::timestamp with time zone) -> '
	'TABLE(booked bigint, refused bigint)', 'attach_catch_up(): arguments');
SELECT is(pg_temp.signature('attach_count'),
	'(source regclass, since timestamp with time zone DEFAULT NULL::timestamp with time zone, until timestamp with time zone DEFAULT NULL::timestamp with time zone) -> '
	'TABLE(orders bigint, paid bigint, paid_amount numeric, without_member bigint, without_member_amount numeric)', 'attach_count(): arguments');

-- Two tables, names that need quotes, and calls of the application
CREATE TABLE shop."Web Orders" ("customer id" int, "order" text UNIQUE, "Total" int, "paid at" timestamptz, "select" boolean DEFAULT true);
CREATE TABLE shop.till (customer_id bigint, order_no text UNIQUE, total bigint, paid_at timestamptz);
SELECT loyalty.attach('shop."Web Orders"', 'Shop', member => 'customer id', amount => 'Total', ref => 'order', at => 'paid at', paid => 'select');
SELECT loyalty.attach('shop.till', 'Shop');
INSERT INTO shop."Web Orders" SELECT pg_temp.id(CASE n % 2 WHEN 0 THEN 'ann' ELSE 'bob' END), 'w' || n, n * 100, timestamptz '2026-03-01 00:00+09' + n * interval '12 hours'
FROM generate_series(1, 20) n;
INSERT INTO shop.till SELECT pg_temp.id('ann'), 't' || n, n, '2026-03-05 12:00+09' FROM generate_series(1, 5) n;
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 777, 'app', at => '2026-03-05 12:00+09');
SELECT is_empty($$SELECT * FROM loyalty.reconcile('shop."Web Orders"')$$, 'all agree; what another table or a call has booked is not this one''s');
SELECT is_empty($$SELECT * FROM loyalty.reconcile('shop.till')$$, 'nor the other way round');
SELECT results_eq($$SELECT orders, paid, paid_amount, without_member FROM loyalty.attach_count('shop."Web Orders"')$$,
	$$VALUES (20::bigint, 20::bigint, 21000::numeric, 0::bigint)$$, 'attach_count');

-- What the triggers do not see, each found by its own question
ALTER TABLE shop."Web Orders" DISABLE TRIGGER ALL;
UPDATE shop."Web Orders" SET "Total" = "Total" + 1 WHERE "order" = 'w1';
UPDATE shop."Web Orders" SET "Total" = "Total" - 1 WHERE "order" = 'w2';
DELETE FROM shop."Web Orders" WHERE "order" = 'w3';
UPDATE shop."Web Orders" SET "select" = false WHERE "order" = 'w4';
UPDATE shop."Web Orders" SET "customer id" = pg_temp.id('ann') WHERE "order" = 'w5';
UPDATE shop."Web Orders" SET "order" = 'w66' WHERE "order" = 'w6';
UPDATE shop."Web Orders" SET "paid at" = "paid at" - interval '1 month' WHERE "order" = 'w7';
INSERT INTO shop."Web Orders" VALUES (pg_temp.id('bob'), 'w21', 2100, '2026-03-11 12:00+09'), (pg_temp.id('bob'), 'w22', 2200, NULL),
	(NULL, 'w23', 2300, '2026-03-11 12:00+09'), (pg_temp.id('ann'), 'w24', 0, '2026-03-11 12:00+09');
ALTER TABLE shop."Web Orders" ENABLE TRIGGER ALL;
SELECT results_eq($$SELECT problem, ref, member_id = pg_temp.id('ann'), source_amount, ledger_amount FROM loyalty.reconcile('shop."Web Orders"') ORDER BY ref COLLATE "C", problem$$,
	$$VALUES ('amount_differs', 'w1', false, 101::numeric, 100::numeric), ('amount_differs', 'w2', true, 199, 200),
		('not_booked', 'w21', false, 2100, NULL), ('not_booked', 'w24', true, 0, NULL),
		('no_order', 'w3', false, NULL, 300), ('no_order', 'w4', true, NULL, 400),
		('no_order', 'w5', false, NULL, 500), ('not_booked', 'w5', true, 500, NULL),
		('no_order', 'w6', true, NULL, 600), ('not_booked', 'w66', true, 600, NULL)$$,
	'amounts, references, members, states: each difference once; another date is none');

-- A period counts from its beginning up to before its end, in the table's time
SELECT results_eq($$SELECT ref FROM loyalty.reconcile('shop."Web Orders"', '2026-03-01 12:00+09', '2026-03-02 12:00+09') ORDER BY ref$$,
	$$VALUES ('w1'), ('w2')$$, 'a period: w3 lies at its end');
SELECT results_eq($$SELECT ref FROM loyalty.reconcile('shop."Web Orders"', since => '2026-03-11 12:00+09') ORDER BY ref$$, $$VALUES ('w21'), ('w24')$$, 'since');
SELECT results_eq($$SELECT ref FROM loyalty.reconcile('shop."Web Orders"', until => '2026-03-02 00:00+09') ORDER BY ref$$, $$VALUES ('w1')$$, 'until');
SELECT is_empty($$SELECT * FROM loyalty.reconcile('shop."Web Orders"', '2026-02-01', '2026-02-28')$$, 'an order that moved to another month is found in the books of the first');
SELECT results_eq($$SELECT orders, paid, without_member FROM loyalty.attach_count('shop."Web Orders"', '2026-03-11 12:00+09', '2026-03-12')$$,
	$$VALUES (3::bigint, 3::bigint, 1::bigint)$$, 'attach_count: a period');

-- Catching up: part of it, then all, then nothing
SELECT results_eq($$SELECT booked, refused FROM loyalty.attach_catch_up('shop."Web Orders"', '2026-03-01 12:00+09', '2026-03-02 12:00+09')$$,
	$$VALUES (2::bigint, 0::bigint)$$, 'attach_catch_up: a period');
SELECT is((SELECT count(*) FROM loyalty.reconcile('shop."Web Orders"')), 8::bigint, 'the rest is left');
SELECT FROM loyalty.member_close(pg_temp.id('bob'), 'test');
SELECT results_eq($$SELECT booked, refused FROM loyalty.attach_catch_up('shop."Web Orders"')$$, $$VALUES (7::bigint, 1::bigint)$$, 'attach_catch_up: what is refused does not stop the rest');
SELECT results_eq($$SELECT source, ref, reason FROM loyalty.ingest_reject$$, $$VALUES ('shop."Web Orders"', 'w21', 'member_closed')$$, 'and is kept');
SELECT results_eq($$SELECT booked, refused FROM loyalty.attach_catch_up('shop."Web Orders"')$$, $$VALUES (0::bigint, 1::bigint)$$, 'attach_catch_up: again');
SELECT is((SELECT count(*) FROM loyalty.ingest_reject), 1::bigint, 'and is kept once');
SELECT FROM loyalty.member_reopen(pg_temp.id('bob'), 'test');
SELECT results_eq($$SELECT booked, refused FROM loyalty.attach_catch_up('shop."Web Orders"')$$, $$VALUES (1::bigint, 0::bigint)$$, 'attach_catch_up: now it is booked');
SELECT is((SELECT count(*) FROM loyalty.ingest_reject), 0::bigint, 'and no reject any more');
SELECT is_empty($$SELECT * FROM loyalty.reconcile('shop."Web Orders"')$$, 'all agree');
SELECT is((SELECT sum(available) FROM unnest('{ann,bob}'::text[]) name, loyalty.balance(pg_temp.id(name), 'spend')),
	(SELECT sum("Total") FROM shop."Web Orders" WHERE "select" AND "paid at" IS NOT NULL AND "customer id" IS NOT NULL) + 15::numeric + 777,
	'and what the members spent is what the tables and the call say');

-- Refunded by hand: the table is the truth
SELECT FROM loyalty.refund(pg_temp.id('ann'), 't5', 2, refund_ref => 'by hand');
SELECT results_eq($$SELECT problem, ref, source_amount, ledger_amount FROM loyalty.reconcile('shop.till')$$, $$VALUES ('amount_differs', 't5', 5::numeric, 3::numeric)$$, 'a refund by hand is a difference');
UPDATE shop.till SET total = 3 WHERE order_no = 't5';
SELECT is_empty($$SELECT * FROM loyalty.reconcile('shop.till')$$, 'until the row says the same');

-- Inputs that were erased: still found from the table, but not missed without a row
DELETE FROM loyalty.event_data;
SELECT is_empty($$SELECT * FROM loyalty.reconcile('shop.till') UNION ALL SELECT * FROM loyalty.reconcile('shop."Web Orders"')$$, 'without the inputs of the events all agree as well');

-- Nothing keeps one reference from being two orders, or none: told when it is attached, found,
-- and left to who knows which is which
CREATE TABLE shop.loose (customer_id bigint, order_no text, total int, paid_at timestamptz);
SELECT loyalty.attach('shop.loose', 'Shop');
INSERT INTO shop.loose VALUES (pg_temp.id('ann'), 'l1', 10, '2026-03-12 12:00+09'), (pg_temp.id('ann'), 'l2', 20, '2026-03-12 12:00+09');
INSERT INTO shop.loose VALUES (pg_temp.id('ann'), 'l1', 10, '2026-03-12 12:00+09'), (pg_temp.id('ann'), NULL, 40, '2026-03-12 12:00+09');
INSERT INTO shop.loose VALUES (pg_temp.id('ann'), 'l2', 21, '2026-03-12 12:00+09');
CREATE FUNCTION pg_temp.loose() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', problem, ref, source_amount, 'of', ledger_amount), ', ' ORDER BY ref, source_amount) FROM loyalty.reconcile('shop.loose')
$$;
SELECT is(pg_temp.loose(), 'duplicate_ref l1 10 of 10, duplicate_ref l1 10 of 10, duplicate_ref l2 20 of 20, duplicate_ref l2 21 of 20, not_booked 40 of', 'two rows of one reference, and one without');
SELECT results_eq($$SELECT booked, refused FROM loyalty.attach_catch_up('shop.loose')$$, $$VALUES (0::bigint, 5::bigint)$$, 'attach_catch_up: none is guessed');
SELECT is(pg_temp.loose(), 'duplicate_ref l1 10 of 10, duplicate_ref l1 10 of 10, duplicate_ref l2 20 of 20, duplicate_ref l2 21 of 20, not_booked 40 of', 'attach_catch_up: nor changes anything');
DELETE FROM shop.loose WHERE total IN (21, 40);
DELETE FROM shop.loose WHERE ctid IN (SELECT min(ctid) FROM shop.loose WHERE order_no = 'l1');
SELECT is(pg_temp.loose(), 'not_booked l1 10 of, not_booked l2 20 of', 'a copy that is deleted takes its order along, which is told');
SELECT results_eq($$SELECT booked, refused FROM loyalty.attach_catch_up('shop.loose')$$, $$VALUES (2::bigint, 0::bigint)$$, 'attach_catch_up: and mended');
SELECT is(pg_temp.loose(), NULL, 'all agree');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books agree');
SELECT * FROM finish();
ROLLBACK;
