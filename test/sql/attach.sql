\set ECHO none
\i test/prelude.sql
SELECT plan(200);

SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve');

CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO PUBLIC;

-- What a member has of each unit, which must be what the paid orders of all
-- tables say: points are whole yuan of each order, spend the sum.
CREATE FUNCTION pg_temp.has(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT format('%s points, %s spend, %s orders',
		max(available - debt) FILTER (WHERE unit = 'points'), trim_scale(max(available) FILTER (WHERE unit = 'spend')),
		max(available) FILTER (WHERE unit = 'orders'))
	FROM loyalty.balance(pg_temp.id(name))
$$;
CREATE FUNCTION pg_temp.rejects() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(concat_ws(' ', ref, code, reason), ', ' ORDER BY reject_id), 'none') FROM loyalty.ingest_reject
$$;
CREATE FUNCTION pg_temp.problems(source regclass) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(concat_ws(' ', problem, ref, source_amount, ledger_amount), ', ' ORDER BY ref COLLATE "C", problem COLLATE "C"), 'none')
	FROM loyalty.reconcile(source)
$$;

SELECT is(pg_temp.signature('attach'),
	'(source regclass, program text, member text DEFAULT ''customer_id''::text, amount text DEFAULT ''total''::text, '
	'ref text DEFAULT ''order_no''::text, at text DEFAULT ''paid_at''::text, items text DEFAULT NULL::text, channel text DEFAULT NULL::text, '
	'store text DEFAULT NULL::text, data text DEFAULT NULL::text, paid text DEFAULT NULL::text, paid_values text[] DEFAULT NULL::text[], '
	'identity text DEFAULT NULL::text, enroll boolean DEFAULT false, event text DEFAULT ''purchase''::text, '
	'on_update text DEFAULT ''correct''::text, on_delete text DEFAULT ''refund''::text, on_refusal text DEFAULT ''reject''::text, guests boolean DEFAULT false) -> void',
	'attach(): arguments');
SELECT is(pg_temp.signature('detach'), '(source regclass) -> void', 'detach(): arguments');

-- What cannot be attached
CREATE TABLE shop.odd (customer_id bigint, order_no text, total numeric(12,2), paid_at timestamptz, price real, note json,
	flag boolean, label text, n int);
CREATE TYPE shop.odd_type AS (a int);
CREATE VIEW shop.view AS SELECT * FROM shop.odd;
SELECT throws_ok(format('SELECT loyalty.attach(%s)', arguments), code, NULL, 'attach: not ' || arguments)
FROM (VALUES
	('NULL, ''Shop''', '22004'), ('''shop.odd'', NULL', '22004'), ('''shop.odd'', ''Shop'', ref => NULL', '22004'),
	('''shop.odd'', ''Shop'', on_update => ''refund''', '22023'), ('''shop.odd'', ''Shop'', on_update => NULL', '22004'),
	('''shop.odd'', ''Shop'', on_delete => ''correct''', '22023'), ('''shop.odd'', ''Shop'', on_refusal => ''x''', '22023'),
	('''shop.odd'', ''Shop'', paid_values => ''{a}''', '22023'), ('''shop.odd'', ''Shop'', enroll => true', '22023'),
	('''shop.odd'', ''Shop'', enroll => true, identity => ''phone'', event => ''review''', '22023'),
	('''shop.odd'', ''Shop'', items => ''note'', event => ''review''', '22023'),
	('''shop.odd'', ''Nowhere''', 'LY403'), ('''shop.odd'', ''Shop'', event => ''unheard_of''', 'LY404'),
	('''shop.odd'', ''Shop'', member => ''nobody''', 'LY810'), ('''shop.odd'', ''Shop'', member => ''label''', 'LY810'),
	('''shop.odd'', ''Shop'', amount => ''price''', 'LY810'), ('''shop.odd'', ''Shop'', amount => ''label''', 'LY810'),
	('''shop.odd'', ''Shop'', ref => ''total''', 'LY810'), ('''shop.odd'', ''Shop'', at => ''label''', 'LY810'),
	('''shop.odd'', ''Shop'', paid => ''label''', 'LY810'), ('''shop.odd'', ''Shop'', paid => ''flag'', paid_values => ''{t}''', 'LY810'),
	('''shop.odd'', ''Shop'', items => ''note''', 'LY810'), ('''shop.odd'', ''Shop'', data => ''note''', 'LY810'),
	('''shop.odd'', ''Shop'', member => ''flag'', identity => ''phone''', 'LY810'),
	('''shop.view'', ''Shop''', 'LY810'), ('''loyalty.journal'', ''Shop''', 'LY810'), ('''pg_class'', ''Shop''', 'LY810'),
	('''shop.nowhere'', ''Shop''', '42P01')) x (arguments, code);
SELECT is(pg_temp.raised($$SELECT loyalty.attach('shop.odd', 'Shop', amount => 'cost')$$),
	'LY810 Column "cost" of "odd", which is attached as amount, does not exist.', 'attach: tells the column');
SELECT is(pg_temp.raised($$SELECT loyalty.attach('shop.odd', 'Shop', amount => 'price')$$),
	'LY810 Column "price" of "odd" is of type real, amount needs numeric or an integer.', 'attach: and the type');
SELECT throws_ok($$SELECT loyalty.detach('shop.odd')$$, 'LY810', NULL, 'detach: not what is not attached');
SELECT throws_ok(format('SELECT * FROM loyalty.%s(%s)', f, x), CASE x WHEN 'NULL' THEN '22004' WHEN '0::oid' THEN '42P01' ELSE '42809' END, NULL, f || ' of ' || x)
FROM unnest('{attach_mapping,attach_query,reconcile,attach_count,attach_catch_up}'::text[]) f, unnest(ARRAY['NULL', '0::oid', '''shop.odd_type''']) x;
SELECT throws_ok('SELECT loyalty.detach(NULL)', '22004', NULL, 'detach of NULL');
SELECT throws_ok($$SELECT loyalty.attach_mapping('shop.odd')$$, 'LY810', NULL, 'attach_mapping: the same');
SELECT throws_ok($$SELECT * FROM loyalty.reconcile('shop.odd')$$, 'LY810', NULL, 'reconcile: the same');
SELECT throws_ok($$SELECT * FROM loyalty.attach_count('shop.odd')$$, 'LY810', NULL, 'attach_count: the same');
SELECT throws_ok($$SELECT * FROM loyalty.attach_catch_up('shop.odd')$$, 'LY810', NULL, 'attach_catch_up: the same');
SELECT is((SELECT count(*) FROM pg_trigger WHERE tgrelid = 'shop.odd'::regclass), 0::bigint, 'what was refused has made no trigger');
CREATE FOREIGN DATA WRAPPER loyalty_test_far;
CREATE SERVER loyalty_test_far FOREIGN DATA WRAPPER loyalty_test_far;
CREATE TABLE shop.split (customer_id bigint, order_no text, total numeric, paid_at timestamptz) PARTITION BY LIST (order_no);
CREATE FOREIGN TABLE shop.split_far PARTITION OF shop.split FOR VALUES IN ('far') SERVER loyalty_test_far;
SELECT throws_ok($$SELECT loyalty.attach('shop.split', 'Shop')$$, 'LY810', NULL, 'attach: no partition in another database');

-- Insert: several rows, one member twice, not paid, nobody's, unknown
CREATE TABLE shop.orders (customer_id bigint, order_no text PRIMARY KEY, total numeric(12,2), paid_at timestamptz,
	lines jsonb, chan text, branch char(12), extra jsonb, note text);
INSERT INTO shop.orders VALUES (pg_temp.id('eve'), 'old', 40, '2026-03-10 12:00+00');
SELECT lives_ok($$SELECT loyalty.attach('shop.orders', 'Shop', items => 'lines', channel => 'chan', store => 'branch', data => 'extra')$$, 'attach');
SELECT is(loyalty.attach_mapping('shop.orders'),
	'{source=shop.orders,program=Shop,event=purchase,member=customer_id,amount=total,ref=order_no,at=paid_at,items=lines,channel=chan,store=branch,data=extra,on_update=correct,on_delete=refund,on_refusal=reject}'::text[],
	'attach_mapping: what the triggers say');
SELECT is(pg_temp.has('eve'), '0 points, 0 spend, 0 orders', 'what was there before is left as it is');
INSERT INTO shop.orders (customer_id, order_no, total, paid_at, chan, branch, extra) VALUES
	(pg_temp.id('bob'), 'b1', 20.99, '2026-03-15 09:00+00', 'app', 'S1', '{"staff": "kim", "gift": true}'),
	(pg_temp.id('ann'), 'a2', 30.50, '2026-03-15 10:00+00', '', NULL, NULL),
	(pg_temp.id('ann'), 'a1', 10.50, '2026-03-15 09:00+00', NULL, NULL, NULL),
	(NULL, 'n1', 99, '2026-03-15 09:00+00', NULL, NULL, NULL),
	(pg_temp.id('cat'), 'c1', 70, NULL, NULL, NULL, NULL),
	(4711, 'x1', 5, '2026-03-15 09:00+00', NULL, NULL, NULL);
SELECT is(pg_temp.journal('ann'), 'event signup, event purchase a1, event purchase a2', 'insert: the orders of a member in the order of time');
SELECT is(pg_temp.has('ann'), '40 points, 41 spend, 2 orders', 'insert: both earn');
SELECT is(pg_temp.has('bob'), '20 points, 20.99 spend, 1 orders', 'insert: and that of another');
SELECT is(pg_temp.has('cat'), '0 points, 0 spend, 0 orders', 'insert: what is not paid does not');
SELECT is(pg_temp.rejects(), 'x1 LY501 member_not_found', 'insert: a member that does not exist is a reject, nobody is none');
SELECT results_eq($$SELECT source, program_id, run_id, event, member_id, detail FROM loyalty.ingest_reject$$,
	format($$VALUES ('shop.orders', %s, NULL::int, 'purchase', 4711::bigint, 'member_id=4711')$$, :shop), 'insert: what a reject tells');
DELETE FROM loyalty.ingest_reject;
SELECT results_eq($$SELECT ref, channel, store, staff, effective_at FROM loyalty.journal WHERE event = 'purchase' ORDER BY ref$$,
	$$VALUES ('a1', NULL, NULL, NULL, '2026-03-15 09:00+00'::timestamptz), ('a2', NULL, NULL, NULL, '2026-03-15 10:00+00'), ('b1', 'app', 'S1', 'kim', '2026-03-15 09:00+00')$$,
	'insert: channel, store and data; an empty channel is none, blanks that pad are not part');
SELECT is((SELECT data -> 'data' FROM loyalty.event_data JOIN loyalty.journal USING (member_id, journal_id) WHERE ref = 'b1'),
	'{"gift": true, "staff": "kim", "store": "S1", "source": "shop.orders", "channel": "app"}'::jsonb, 'insert: the data of the event');
SELECT results_eq($$SELECT orders, paid, paid_amount, without_member, without_member_amount FROM loyalty.attach_count('shop.orders')$$,
	$$VALUES (7::bigint, 6::bigint, 205.99, 1::bigint, 99.00)$$, 'attach_count: nobody''s orders are counted');
SELECT results_eq($$SELECT orders, without_member FROM loyalty.attach_count('shop.orders', '2026-03-15 10:00+00', '2026-03-16')$$,
	$$VALUES (1::bigint, 0::bigint)$$, 'attach_count: of a period');
SELECT is(pg_temp.problems('shop.orders'), 'not_booked old 40.00, not_booked x1 5.00', 'reconcile: what is not booked');
DELETE FROM shop.orders WHERE order_no IN ('x1', 'old');
COPY shop.orders (customer_id, order_no, total, paid_at) FROM STDIN;
\N	y1	1	2026-03-15 09:00+00
\N	y2	1	2026-03-15 09:00+00
\.
UPDATE shop.orders SET customer_id = pg_temp.id('dan') WHERE order_no IN ('y1', 'y2');
SELECT is(pg_temp.has('dan'), '2 points, 2 spend, 2 orders', 'an order that gets its member later earns then');
SELECT is(pg_temp.problems('shop.orders'), 'none', 'reconcile: all agree');

-- Update: what becomes paid, falls, rises, is cancelled, is paid again
UPDATE shop.orders SET paid_at = '2026-03-15 11:00+00' WHERE order_no = 'c1';
SELECT is(pg_temp.has('cat'), '70 points, 70 spend, 1 orders', 'update: becomes paid');
SELECT pg_temp.state() AS before \gset
UPDATE shop.orders SET note = 'sent', chan = 'web', paid_at = paid_at + interval '1 minute' WHERE order_no = 'c1';
UPDATE shop.orders SET total = total, order_no = order_no;
SELECT is(pg_temp.state(), :'before', 'update: other columns change nothing');
UPDATE shop.orders SET total = 50.50 WHERE order_no = 'c1';
SELECT is(pg_temp.has('cat'), '51 points, 50.5 spend, 1 orders', 'update: falls by 19.50; 19 of 70 points are taken');
SELECT is(pg_temp.journal('cat'), 'event signup, event purchase c1, refund c1~r1', 'update: by a refund of the difference');
UPDATE shop.orders SET total = 60.50 WHERE order_no = 'c1';
SELECT is(pg_temp.has('cat'), '60 points, 60.5 spend, 1 orders', 'update: rises');
SELECT is(pg_temp.journal('cat'), 'event signup, event purchase c1, refund c1~r1, refund c1~r2, event purchase c1~2', 'update: by a new purchase instead');
UPDATE shop.orders SET paid_at = NULL WHERE order_no = 'c1';
SELECT is(pg_temp.has('cat'), '0 points, 0 spend, 0 orders', 'update: is cancelled');
UPDATE shop.orders SET paid_at = '2026-03-15 11:00+00', total = 8 WHERE order_no = 'c1';
SELECT is(pg_temp.has('cat'), '8 points, 8 spend, 1 orders', 'update: is paid again, with another amount');
UPDATE shop.orders SET total = 0 WHERE order_no = 'c1';
SELECT is(pg_temp.has('cat'), '0 points, 0 spend, 1 orders', 'update: nothing to pay is still an order');
UPDATE shop.orders SET total = 9 WHERE order_no = 'c1';
SELECT is(pg_temp.has('cat'), '9 points, 9 spend, 1 orders', 'update: from nothing');
UPDATE shop.orders SET customer_id = pg_temp.id('dan') WHERE order_no = 'c1';
SELECT is(pg_temp.has('cat') || ' / ' || pg_temp.has('dan'), '0 points, 0 spend, 0 orders / 11 points, 11 spend, 3 orders', 'update: another member');
UPDATE shop.orders SET customer_id = pg_temp.id('cat') WHERE order_no = 'c1';
SELECT is(pg_temp.has('cat') || ' / ' || pg_temp.has('dan'), '9 points, 9 spend, 1 orders / 2 points, 2 spend, 2 orders', 'update: and back');
UPDATE shop.orders SET order_no = 'c2' WHERE order_no = 'c1';
SELECT is(pg_temp.has('cat'), '9 points, 9 spend, 1 orders', 'update: another reference');
UPDATE shop.orders SET customer_id = NULL WHERE order_no = 'c2';
SELECT is(pg_temp.has('cat'), '0 points, 0 spend, 0 orders', 'update: nobody''s any more');
UPDATE shop.orders SET customer_id = pg_temp.id('cat'), order_no = 'c1' WHERE order_no = 'c2';
SELECT is(pg_temp.has('cat'), '9 points, 9 spend, 1 orders', 'update: and somebody''s again');
ALTER TABLE shop.orders DROP CONSTRAINT orders_pkey;
UPDATE shop.orders SET order_no = CASE order_no WHEN 'a1' THEN 'a2' ELSE 'a1' END WHERE order_no IN ('a1', 'a2');
SELECT is(pg_temp.has('ann'), '40 points, 41 spend, 2 orders', 'update: two orders change their references');
SELECT is(pg_temp.problems('shop.orders') || ' ' || pg_temp.rejects(), 'none none', 'all agree, nothing was refused');
UPDATE shop.orders SET order_no = CASE order_no WHEN 'a1' THEN 'a2' ELSE 'a1' END WHERE order_no IN ('a1', 'a2');
ALTER TABLE shop.orders ADD PRIMARY KEY (order_no);

-- Amended a hundred times, each time by a statement on many rows
INSERT INTO shop.orders (customer_id, order_no, total, paid_at)
SELECT pg_temp.id('eve'), 'e' || n, n * 10.25, '2026-03-15 09:00+00' FROM generate_series(1, 12) n;
DO $$
BEGIN
	FOR i IN 1..100 LOOP
		UPDATE shop.orders SET total = (i * 37 + length(order_no) * 11 + ascii(right(order_no, 1)) * 13) % 100 + 0.99,
			paid_at = CASE WHEN (i + ascii(right(order_no, 1))) % 4 > 0 THEN timestamptz '2026-03-15 09:00+00' END
		WHERE order_no LIKE 'e%' AND (i * 7 + ascii(right(order_no, 1))) % 3 > 0;
	END LOOP;
END
$$;
-- What is refunded in parts is rounded down in parts, so points may be more than
-- those of orders that were always so; settle each by a last rise.
SELECT is(pg_temp.problems('shop.orders'), 'none', 'amended a hundred times: to the cent');
SELECT is((SELECT trim_scale(available) FROM loyalty.balance(pg_temp.id('eve'), 'spend')),
	(SELECT trim_scale(sum(total)) FROM shop.orders WHERE order_no LIKE 'e%' AND paid_at IS NOT NULL), 'amended a hundred times: spend');
SELECT is((SELECT available FROM loyalty.balance(pg_temp.id('eve'), 'orders')),
	(SELECT count(*)::numeric FROM shop.orders WHERE order_no LIKE 'e%' AND paid_at IS NOT NULL), 'amended a hundred times: orders');
UPDATE shop.orders SET total = total + 100, paid_at = '2026-03-15 09:00+00' WHERE order_no LIKE 'e%';
SELECT is((SELECT available FROM loyalty.balance(pg_temp.id('eve'), 'points')),
	(SELECT sum(floor(total)) FROM shop.orders WHERE order_no LIKE 'e%'), 'amended a hundred times: points');
SELECT is(pg_temp.rejects(), 'none', 'amended a hundred times: nothing was refused');

-- Items: what else changed decides how it is corrected
INSERT INTO loyalty.unit (program_id, code, kind) VALUES (:shop, 'stars', 'points');
INSERT INTO shop.orders (customer_id, order_no, total, paid_at, lines) VALUES
	(pg_temp.id('dan'), 'i1', 30, '2026-03-15 09:00+00', '[{"sku": "A", "price": 10}, {"sku": "B", "price": 20}]'),
	(pg_temp.id('dan'), 'i2', 30, '2026-03-15 09:00+00', '[{"sku": "A", "price": 10}, {"sku": "B", "price": 20}]');
UPDATE shop.orders SET total = 20, lines = CASE order_no WHEN 'i1' THEN lines ELSE '[{"sku": "B", "price": 20}]' END WHERE order_no IN ('i1', 'i2');
SELECT is((SELECT string_agg(ref, ' ' ORDER BY journal_id) FROM loyalty.journal WHERE ref LIKE 'i%'), 'i1 i2 i1~r1 i2~r1 i2~2',
	'items: the same, a part is refunded; others, the order is replaced');
SELECT is((SELECT jsonb_array_length(data -> 'items') FROM loyalty.event_data JOIN loyalty.journal USING (member_id, journal_id) WHERE ref = 'i2~2'), 1,
	'items: those of now');
INSERT INTO shop.orders (customer_id, order_no, total, paid_at, lines) VALUES (pg_temp.id('dan'), 'i3', 30, '2026-03-15 09:00+00', '{"sku": "A"}');
SELECT is(pg_temp.rejects(), 'i3 LY006 items_invalid', 'items: malformed');
DELETE FROM loyalty.ingest_reject;
DELETE FROM shop.orders WHERE order_no = 'i3';

-- Delete, and there again
DELETE FROM shop.orders WHERE order_no IN ('b1', 'i1', 'i2', 'y1');
SELECT is(pg_temp.has('bob') || ' / ' || pg_temp.has('dan'), '0 points, 0 spend, 0 orders / 1 points, 1 spend, 1 orders', 'delete: refunds');
INSERT INTO shop.orders (customer_id, order_no, total, paid_at) VALUES (pg_temp.id('bob'), 'b1', 20.99, '2026-03-15 09:00+00');
SELECT is(pg_temp.has('bob'), '20 points, 20.99 spend, 1 orders', 'delete: there again, it earns again');
INSERT INTO shop.orders (customer_id, order_no, total, paid_at) VALUES (pg_temp.id('bob'), 'b1', 25, '2026-03-15 09:00+00')
ON CONFLICT (order_no) DO UPDATE SET total = excluded.total;
SELECT is(pg_temp.has('bob'), '25 points, 25 spend, 1 orders', 'on conflict do update');
MERGE INTO shop.orders o USING (VALUES ('b1', 26), ('b2', 4)) x (ref, total) ON o.order_no = x.ref
WHEN MATCHED THEN UPDATE SET total = x.total
WHEN NOT MATCHED THEN INSERT (customer_id, order_no, total, paid_at) VALUES (pg_temp.id('bob'), x.ref, x.total, '2026-03-15 09:00+00');
SELECT is(pg_temp.has('bob'), '30 points, 30 spend, 2 orders', 'merge');
WITH gone AS (DELETE FROM shop.orders WHERE order_no = 'b2' RETURNING *)
INSERT INTO shop.orders SELECT customer_id, 'b3', total, paid_at FROM gone;
SELECT is(pg_temp.has('bob'), '30 points, 30 spend, 2 orders', 'a statement that deletes and inserts');
SELECT is(pg_temp.problems('shop.orders') || ' ' || pg_temp.rejects(), 'none none', 'all agree, nothing was refused');

-- Refusals
SELECT pg_temp.state() AS before \gset
INSERT INTO shop.orders (customer_id, order_no, total, paid_at) VALUES (pg_temp.id('bob'), 'r1', NULL, '2026-03-15 09:00+00'),
	(pg_temp.id('bob'), 'r2', -1, '2026-03-15 09:00+00'), (pg_temp.id('bob'), 'r3', 1, 'infinity'), (pg_temp.id('bob'), 'r4~2', 1, '2026-03-15 09:00+00'),
	(pg_temp.id('bob'), E'r5\n', 1, '2026-03-15 09:00+00'), (pg_temp.id('bob'), '', 1, '2026-03-15 09:00+00');
SELECT set_eq($$SELECT ref, code FROM loyalty.ingest_reject$$,
	$$VALUES ('r1', 'LY101'), ('r2', 'LY101'), ('r3', 'LY107'), ('r4~2', 'LY005'), (E'r5\n', 'LY005'), ('', 'LY005')$$, 'refusals: no amount, below zero, no time, malformed references');
DELETE FROM loyalty.ingest_reject;
SELECT is(pg_temp.state(), :'before', 'refusals: wrote nothing else');
SELECT is(pg_temp.problems('shop.orders'), 'not_booked  1.00, not_booked r1, not_booked r2 -1.00, not_booked r3 1.00, not_booked r4~2 1.00, not_booked r5
 1.00', 'reconcile: each of them');
SELECT results_eq($$SELECT booked, refused FROM loyalty.attach_catch_up('shop.orders')$$, $$VALUES (0::bigint, 6::bigint)$$, 'attach_catch_up: and again');
DELETE FROM loyalty.ingest_reject;
DELETE FROM shop.orders WHERE order_no ~ '^r' OR order_no = '';
SELECT FROM loyalty.member_close(pg_temp.id('bob'), 'test');
INSERT INTO shop.orders (customer_id, order_no, total, paid_at) VALUES (pg_temp.id('bob'), 'b4', 5, '2026-03-15 09:00+00');
UPDATE shop.orders SET total = 40 WHERE order_no = 'b1';
SELECT is(pg_temp.rejects(), 'b4 LY502 member_closed, b1 LY502 member_closed', 'refusals: a closed member');
SELECT is(pg_temp.has('bob'), '30 points, 30 spend, 2 orders', 'refusals: a rise is refused as a whole, not half done');
UPDATE shop.orders SET total = 1 WHERE order_no = 'b3';
SELECT is(pg_temp.has('bob'), '27 points, 27 spend, 2 orders', 'refusals: a refund is not refused');
SELECT FROM loyalty.member_reopen(pg_temp.id('bob'), 'test');
SELECT is(pg_temp.problems('shop.orders'), 'amount_differs b1 40.00 26.00, not_booked b4 5.00', 'reconcile: what was refused');
SELECT results_eq($$SELECT booked, refused FROM loyalty.attach_catch_up('shop.orders')$$, $$VALUES (2::bigint, 0::bigint)$$, 'attach_catch_up: does what is possible now');
SELECT is(pg_temp.problems('shop.orders') || ' ' || pg_temp.rejects() || ' ' || pg_temp.has('bob'), 'none none 46 points, 46 spend, 3 orders', 'attach_catch_up: all agree, no reject is left');

-- An error that is none of ours stops one order, unless the caller has to know
CREATE FUNCTION pg_temp.stop() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.ref = 'stop' THEN RAISE EXCEPTION 'stopped' USING ERRCODE = '22012'; END IF;
	IF NEW.ref = 'again' THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF;
	RETURN NEW;
END
$$;
CREATE TRIGGER stop BEFORE INSERT ON loyalty.journal FOR EACH ROW EXECUTE FUNCTION pg_temp.stop();
INSERT INTO shop.orders (customer_id, order_no, total, paid_at) VALUES (pg_temp.id('ann'), 'before', 1, '2026-03-15 09:00+00'),
	(pg_temp.id('bob'), 'stop', 2, '2026-03-15 09:00+00'), (pg_temp.id('cat'), 'after', 4, '2026-03-15 09:00+00');
SELECT is(pg_temp.rejects(), 'stop 22012 error', 'an error stops the order that it is about');
SELECT is((SELECT count(*) FROM loyalty.journal WHERE ref IN ('before', 'after')), 2::bigint, 'and no other');
SELECT throws_ok($$INSERT INTO shop.orders (customer_id, order_no, total, paid_at) VALUES (pg_temp.id('ann'), 'again', 1, '2026-03-15 09:00+00')$$,
	'40001', 'again', 'what has to be repeated is raised');
-- The same in a statement of many rows, which are booked as a batch
DELETE FROM loyalty.ingest_reject;
DELETE FROM shop.orders WHERE order_no = 'stop';
INSERT INTO shop.orders (customer_id, order_no, total, paid_at)
SELECT pg_temp.id(name), 'many ' || name || n, n, timestamptz '2026-03-15 09:00+00' FROM unnest('{ann,cat,dan}'::text[]) name, generate_series(1, 5) n
UNION ALL SELECT pg_temp.id('ann'), 'stop', 3, '2026-03-15 09:00+00'
UNION ALL SELECT 4711, 'many x', 3, '2026-03-15 09:00+00'
UNION ALL SELECT pg_temp.id('cat'), 'many y', NULL, '2026-03-15 09:00+00'
UNION ALL SELECT pg_temp.id('cat'), 'many z~3', 3, '2026-03-15 09:00+00';
SELECT is((SELECT string_agg(ref || ' ' || code, ', ' ORDER BY ref) FROM loyalty.ingest_reject), 'many x LY501, many y LY101, many z~3 LY005, stop 22012', 'a batch: what is refused, and what stops');
SELECT is((SELECT count(*) FROM loyalty.journal WHERE ref LIKE 'many%'), 15::bigint, 'a batch: all others');
SELECT throws_ok($$INSERT INTO shop.orders (customer_id, order_no, total, paid_at) SELECT pg_temp.id('ann'), CASE n WHEN 7 THEN 'again' ELSE 'many ' || n END, 1, '2026-03-15 09:00+00'
	FROM generate_series(1, 10) n$$, '40001', 'again', 'a batch: what has to be repeated is raised');
DELETE FROM shop.orders WHERE order_no LIKE 'many%';
INSERT INTO shop.orders (customer_id, order_no, total, paid_at)
SELECT pg_temp.id('cat'), 'many cat' || n, n + n % 2, '2026-03-15 09:00+00' FROM generate_series(1, 10) n;
DELETE FROM loyalty.ingest_reject;
SELECT is(pg_temp.problems('shop.orders'), 'not_booked stop 3.00', 'a batch: orders that are there again earn again');
DROP TRIGGER stop ON loyalty.journal;
SELECT is((SELECT booked FROM loyalty.attach_catch_up('shop.orders')), 1::bigint, 'attach_catch_up: the one that was stopped');

-- on_refusal raise, on_update and on_delete ignore
SELECT loyalty.attach('shop.orders', 'Shop', on_refusal => 'raise', on_update => 'ignore', on_delete => 'ignore');
SELECT is((SELECT string_agg(tgname::text, ' ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = 'shop.orders'::regclass), 'loyalty_attach_insert loyalty_attach_update', 'attached again: the triggers are others');
SELECT pg_temp.state() AS before \gset
SELECT is(pg_temp.raised($$INSERT INTO shop.orders (customer_id, order_no, total, paid_at) VALUES (pg_temp.id('ann'), 'z1', 1, '2026-03-15 09:00+00'), (4711, 'z2', 5, '2026-03-15 09:00+00')$$),
	'LY501 member_id=4711', 'raise: the refusal is the error of the statement');
SELECT is(pg_temp.raised($$INSERT INTO shop.orders (customer_id, order_no, paid_at) VALUES (pg_temp.id('ann'), 'z1', '2026-03-15 09:00+00')$$),
	'LY101 the row has no amount', 'raise: a row without an amount');
SELECT is(pg_temp.state(), :'before', 'raise: and nothing stays');
UPDATE shop.orders SET total = 1000 WHERE order_no = 'a1';
UPDATE shop.orders SET paid_at = NULL WHERE order_no = 'a2';
DELETE FROM shop.orders WHERE order_no = 'before';
SELECT is(pg_temp.state(), :'before', 'ignore: changes of paid orders change nothing');
INSERT INTO shop.orders (customer_id, order_no, total) VALUES (pg_temp.id('cat'), 'z3', 3);
UPDATE shop.orders SET paid_at = '2026-03-15 09:00+00' WHERE order_no = 'z3';
SELECT is((SELECT count(*) FROM loyalty.journal WHERE ref = 'z3'), 1::bigint, 'ignore: an order that becomes paid earns');
SELECT is(pg_temp.problems('shop.orders'), 'amount_differs a1 1000.00 10.50, no_order a2 30.50, no_order before 1.00', 'reconcile: what was ignored');
SELECT results_eq($$SELECT booked, refused FROM loyalty.attach_catch_up('shop.orders')$$, $$VALUES (1::bigint, 0::bigint)$$, 'attach_catch_up: does not refund what is to be left');
SELECT loyalty.attach('shop.orders', 'Shop');
SELECT results_eq($$SELECT booked, refused FROM loyalty.attach_catch_up('shop.orders')$$, $$VALUES (2::bigint, 0::bigint)$$, 'attach_catch_up: otherwise it does');
SELECT is(pg_temp.problems('shop.orders'), 'none', 'all agree');

-- A column that is not there any more
ALTER TABLE shop.orders RENAME total TO price;
SELECT is(pg_temp.raised($$INSERT INTO shop.orders (customer_id, order_no, price) VALUES (1, 'q', 1)$$),
	'LY810 Column "total" of "orders", which is attached as amount, does not exist.', 'a renamed column is an error');
SELECT throws_ok($$SELECT * FROM loyalty.reconcile('shop.orders')$$, 'LY810', NULL, 'for reconcile too');
ALTER TABLE shop.orders RENAME price TO total;
ALTER TABLE shop.orders DROP COLUMN note, ADD COLUMN note text;
ALTER TABLE shop.orders RENAME paid_at TO paid_on;
SELECT is(pg_temp.raised($$DELETE FROM shop.orders WHERE order_no = 'b1'$$),
	'LY810 Column "paid_at" of "orders", which is attached as at, does not exist.', 'for DELETE');
SELECT is(pg_temp.raised($$UPDATE shop.orders SET total = 3 WHERE order_no = 'b1'$$),
	'LY810 Column "paid_at" of "orders", which is attached as at, does not exist.', 'for UPDATE');
ALTER TABLE shop.orders RENAME paid_on TO paid_at;
UPDATE shop.orders SET total = 3 WHERE order_no = 'b1';
SELECT is(pg_temp.problems('shop.orders'), 'none', 'and all is well when it is back');
ALTER TABLE shop.orders RENAME TO sales;
INSERT INTO shop.sales (customer_id, order_no, total, paid_at) VALUES (pg_temp.id('ann'), 's1', 5, '2026-03-15 09:00+00');
SELECT is(pg_temp.problems('shop.sales'), 'none', 'a table that was renamed is followed');
SELECT is((SELECT source || ' ' || program || ' ' || enabled FROM loyalty.attach_list), 'shop.sales Shop true', 'attach_list');
ALTER TABLE shop.sales DISABLE TRIGGER loyalty_attach_update;
SELECT is((SELECT enabled FROM loyalty.attach_list), false, 'attach_list: a trigger is disabled');
SELECT loyalty.detach('shop.sales');
INSERT INTO shop.sales (customer_id, order_no, total, paid_at) VALUES (pg_temp.id('ann'), 's2', 5, '2026-03-15 09:00+00');
SELECT is((SELECT count(*) FROM loyalty.journal WHERE ref = 's2') + (SELECT count(*) FROM loyalty.attach_list), 0::bigint, 'detach');

-- Identities, enrolment, types of columns
CREATE TYPE shop.state AS ENUM ('new', 'paid', 'sent', 'void');
CREATE DOMAIN shop.yuan AS int;
CREATE TABLE shop.till (phone varchar(30), no uuid, amount shop.yuan, day date, state shop.state, branch int);
SELECT loyalty.attach('shop.till', 'Shop', member => 'phone', amount => 'amount', ref => 'no', at => 'day', store => 'branch',
	paid => 'state', paid_values => '{paid,sent}', identity => 'phone');
INSERT INTO shop.till VALUES ('+86 139 0000 0001', '00000000-0000-0000-0000-000000000001', 10, '2026-03-15', 'paid', 7);
SELECT is((SELECT count(*) FROM loyalty.identity WHERE kind = 'phone') + (SELECT count(*) FROM loyalty.ingest_reject), 0::bigint, 'an unknown identity is nobody');
SELECT is((SELECT without_member FROM loyalty.attach_count('shop.till')), 1::bigint, 'and counted');
SELECT is(pg_temp.problems('shop.till'), 'none', 'and not missed');
SELECT loyalty.attach('shop.till', 'Shop', member => 'phone', amount => 'amount', ref => 'no', at => 'day', store => 'branch',
	paid => 'state', paid_values => '{paid,sent}', identity => 'phone', enroll => true);
SELECT is(pg_temp.problems('shop.till'), 'not_booked 00000000-0000-0000-0000-000000000001 10', 'with enroll he is missed');
SELECT results_eq($$SELECT booked, refused FROM loyalty.attach_catch_up('shop.till')$$, $$VALUES (1::bigint, 0::bigint)$$, 'attach_catch_up: enrols');
INSERT INTO shop.till VALUES ('+86 139 0000 0002', '00000000-0000-0000-0000-000000000002', 20, '2026-03-14', 'new', 7),
	('+86-139-0000-0002', '00000000-0000-0000-0000-000000000003', 30, '2026-03-15', 'sent', 7),
	('+8613900000002', '00000000-0000-0000-0000-000000000004', 40, '2026-03-13', 'paid', NULL),
	('nonsense', '00000000-0000-0000-0000-000000000005', 50, '2026-03-13', 'paid', NULL),
	('', '00000000-0000-0000-0000-000000000006', 60, '2026-03-13', 'paid', NULL), (NULL, NULL, 60, '2026-03-13', 'paid', NULL);
SELECT is(pg_temp.has('+8613900000002'), '70 points, 70 spend, 2 orders', 'enrolled once by the first of two orders, both earn');
SELECT is((SELECT code FROM loyalty.ingest_reject), 'LY505', 'a malformed identity is refused');
DELETE FROM loyalty.ingest_reject;
UPDATE shop.till SET state = CASE state WHEN 'new' THEN 'sent' ELSE 'void' END::shop.state WHERE phone <> 'nonsense' AND phone <> '';
SELECT is(pg_temp.has('+8613900000002') || ' / ' || pg_temp.has('+8613900000001'), '20 points, 20 spend, 1 orders / 0 points, 0 spend, 0 orders', 'paid and void by their names');
SELECT is((SELECT effective_at FROM loyalty.journal WHERE ref = '00000000-0000-0000-0000-000000000002'), '2026-03-13 16:00+00'::timestamptz, 'a date begins at local midnight');
SELECT is((SELECT store FROM loyalty.journal WHERE ref = '00000000-0000-0000-0000-000000000003'), '7', 'a number is the name of a store');
CREATE TABLE shop.zones (customer_id int, order_no char(10), total bigint, paid_at timestamp, ok boolean);
SELECT loyalty.program_create('York', 'USD', 'America/New_York') AS york \gset
CALL pg_temp.enroll('York', 'yan');
SELECT loyalty.attach('shop.zones', 'York', paid => 'ok');
SET loyalty.now = '2026-11-02 12:00+00';
INSERT INTO shop.zones SELECT pg_temp.id('yan'), v.* FROM (VALUES ('w', 1, timestamp '2026-03-08 01:59', true), ('x', 2, '2026-03-08 03:00', true),
	('y', 3, '2026-11-01 00:59', true), ('z', 4, '2026-11-01 02:00', true), ('n', 5, '2026-11-01 02:00', NULL)) v;
SELECT results_eq($$SELECT ref, effective_at FROM loyalty.journal JOIN loyalty.program USING (program_id) WHERE name = 'York' AND event = 'purchase' ORDER BY ref$$,
	$$VALUES ('w', '2026-03-08 06:59+00'::timestamptz), ('x', '2026-03-08 07:00+00'), ('y', '2026-11-01 04:59+00'), ('z', '2026-11-01 07:00+00')$$,
	'a time without a zone is the programme''s, before and after the clocks change');
SELECT is(pg_temp.problems('shop.zones'), 'none', 'reconcile reads it alike');
SELECT is((SELECT count(*) FROM loyalty.reconcile('shop.zones', '2026-03-08 07:00+00', '2026-11-01 07:00+00')), 0::bigint, 'in a period, too');
SET loyalty.now = '2026-03-15 12:00+00';

-- No time: orders count when they are written. Other events than purchases
CREATE TABLE shop.reviews (customer_id bigint, order_no text, total int);
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award) SELECT :shop, 'review', unit_id, 'fixed', 5 FROM loyalty.unit WHERE program_id = :shop AND code = 'stars';
SELECT loyalty.attach('shop.reviews', 'Shop', at => NULL, event => 'review');
INSERT INTO shop.reviews VALUES (pg_temp.id('dan'), 'v1', NULL), (pg_temp.id('dan'), 'v2', 0);
SELECT is(pg_temp.balance('dan', 'stars'), '10 available', 'any event');
DELETE FROM shop.reviews WHERE order_no = 'v2';
SELECT is(pg_temp.balance('dan', 'stars'), '5 available', 'and back');
INSERT INTO shop.reviews VALUES (pg_temp.id('dan'), 'v3', 7);
SELECT is(pg_temp.problems('shop.reviews'), 'none', 'an event may have no amount');
UPDATE shop.reviews SET total = NULL WHERE order_no = 'v3';
SELECT is(pg_temp.problems('shop.reviews') || ' ' || pg_temp.balance('dan', 'stars'), 'none 10 available', 'or lose it');
SELECT throws_ok($$SELECT * FROM loyalty.reconcile('shop.reviews', since => '2026-03-01')$$, '22023', NULL, 'no period without a time');

-- Partitions: what is written to the table, and what is written to a part
CREATE TABLE shop.part (customer_id bigint, order_no text, total numeric(12,2), paid_at timestamptz, region text) PARTITION BY LIST (region);
CREATE TABLE shop.part_a PARTITION OF shop.part FOR VALUES IN ('a');
CREATE TABLE shop.part_b (region text, total numeric(12,2), paid_at timestamptz, gone int, order_no text, customer_id bigint);
ALTER TABLE shop.part_b DROP COLUMN gone;
ALTER TABLE shop.part ATTACH PARTITION shop.part_b FOR VALUES IN ('b');
SELECT loyalty.attach('shop.part', 'Shop');
CALL pg_temp.enroll('Shop', 'pat');
INSERT INTO shop.part SELECT pg_temp.id('pat'), 'p' || n, n, '2026-03-15 09:00+00', CASE n % 2 WHEN 0 THEN 'a' ELSE 'b' END FROM generate_series(1, 4) n;
INSERT INTO shop.part_b (customer_id, order_no, total, paid_at, region) VALUES (pg_temp.id('pat'), 'p5', 5, '2026-03-15 09:00+00', 'b');
SELECT is(pg_temp.has('pat'), '15 points, 15 spend, 5 orders', 'partitions: each row once, however it came');
UPDATE shop.part SET region = 'b', total = total * 10 WHERE order_no = 'p2';
SELECT is(pg_temp.has('pat'), '33 points, 33 spend, 5 orders', 'partitions: a row that moves is one order');
UPDATE shop.part_b SET total = 30 WHERE order_no = 'p3';
DELETE FROM shop.part WHERE order_no = 'p2';
DELETE FROM shop.part_a WHERE order_no = 'p4';
SELECT is(pg_temp.has('pat'), '36 points, 36 spend, 3 orders', 'partitions: changes of either');
CREATE TABLE shop.part_c PARTITION OF shop.part FOR VALUES IN ('c');
INSERT INTO shop.part VALUES (pg_temp.id('pat'), 'p6', 6, '2026-03-15 09:00+00', 'c');
SELECT is(pg_temp.has('pat'), '42 points, 42 spend, 4 orders', 'partitions: a new one, through the table');
INSERT INTO shop.part_c VALUES (pg_temp.id('pat'), 'p7', 7, '2026-03-15 09:00+00', 'c');
SELECT is(pg_temp.problems('shop.part'), 'not_booked p7 7.00', 'partitions: straight into a new one is missed, and seen');
SELECT loyalty.attach('shop.part', 'Shop');
INSERT INTO shop.part_c VALUES (pg_temp.id('pat'), 'p8', 8, '2026-03-15 09:00+00', 'c');
SELECT is(pg_temp.problems('shop.part'), 'not_booked p7 7.00', 'partitions: attached again it is not');
SELECT loyalty.detach('shop.part');
SELECT is((SELECT count(*) FROM pg_trigger WHERE tgrelid::regclass::text LIKE 'shop.part%'), 0::bigint, 'partitions: detached all');
CREATE TABLE shop.base (customer_id bigint, order_no text, total numeric(12,2), paid_at timestamptz);
CREATE TABLE shop.child (more int) INHERITS (shop.base);
SELECT loyalty.attach('shop.base', 'Shop');
INSERT INTO shop.child VALUES (pg_temp.id('pat'), 'h1', 1, '2026-03-15 09:00+00', 1);
INSERT INTO shop.base VALUES (pg_temp.id('pat'), 'h2', 2, '2026-03-15 09:00+00');
UPDATE shop.base SET total = total + 1;
SELECT is(pg_temp.problems('shop.base'), 'none', 'inheritance');

-- A closed period, and references that belong to the programme
CREATE TABLE shop.late (customer_id bigint, order_no text, total numeric(12,2), paid_at timestamptz);
SELECT loyalty.program_create('Close', 'CNY', 'Asia/Shanghai') AS close \gset
UPDATE loyalty.program SET ref_scope = 'program' WHERE program_id = :close;
CALL pg_temp.enroll('Close', 'kim', 'lee');
SELECT loyalty.attach('shop.late', 'Close');
INSERT INTO shop.late VALUES (pg_temp.id('kim'), 'k1', 10, '2026-02-10 09:00+00'), (pg_temp.id('lee'), 'l1', 20, '2026-02-10 09:00+00');
UPDATE loyalty.program SET closed_until = '2026-03-01 00:00+08' WHERE program_id = :close;
UPDATE shop.late SET total = 15;
SELECT is(pg_temp.has('kim') || ' / ' || pg_temp.has('lee'), '15 points, 15 spend, 1 orders / 15 points, 15 spend, 1 orders', 'closed period: corrected all the same');
SELECT is((SELECT effective_at FROM loyalty.journal WHERE ref = 'k1~2'), '2026-03-15 12:00+00'::timestamptz, 'closed period: dated now');
INSERT INTO shop.late VALUES (pg_temp.id('kim'), 'k2', 10, '2026-02-10 09:00+00');
SELECT is(pg_temp.rejects(), 'k2 LY109 period_closed', 'closed period: a new order is refused');
DELETE FROM loyalty.ingest_reject;
UPDATE shop.late SET customer_id = CASE customer_id WHEN pg_temp.id('kim') THEN pg_temp.id('lee') ELSE pg_temp.id('kim') END WHERE order_no <> 'k2';
SELECT is(pg_temp.has('kim') || ' / ' || pg_temp.has('lee'), '15 points, 15 spend, 1 orders / 15 points, 15 spend, 1 orders', 'references of the programme: two members change their orders');
SELECT is(pg_temp.rejects(), 'none', 'references of the programme: nothing was refused');
INSERT INTO shop.late VALUES (pg_temp.id('kim'), 'k1', 15, '2026-03-10 09:00+00');
SELECT is(pg_temp.rejects(), 'k1 LY003 duplicate_ref', 'references of the programme: one that is another member''s');
DELETE FROM loyalty.ingest_reject;

-- Two rows with one reference
CREATE TABLE shop.twice (customer_id bigint, order_no text, total numeric(12,2), paid_at timestamptz);
SELECT loyalty.attach('shop.twice', 'Shop');
CALL pg_temp.enroll('Shop', 'tim');
INSERT INTO shop.twice VALUES (pg_temp.id('tim'), 't1', 10, '2026-03-15 09:00+00'), (pg_temp.id('tim'), 't1', 20, '2026-03-15 09:30+00'),
	(pg_temp.id('tim'), 't2', 5, '2026-03-15 09:00+00'), (pg_temp.id('tim'), 't2', 5, '2026-03-15 09:00+00');
SELECT is(pg_temp.has('tim'), '15 points, 15 spend, 2 orders', 'one reference earns once');
SELECT is(pg_temp.rejects(), 't1 LY003 duplicate_ref', 'and the other is a reject, unless it is the same');
DELETE FROM loyalty.ingest_reject;

-- What was spent is not forgiven and earned once more
UPDATE loyalty.unit SET debt_policy = 'limit' WHERE program_id = :shop AND code = 'points';
INSERT INTO shop.twice VALUES (pg_temp.id('tim'), 't3', 100, '2026-03-15 09:00+00');
SELECT FROM loyalty.redeem(pg_temp.id('tim'), 115, ref => 'spent');
UPDATE shop.twice SET total = 101 WHERE order_no = 't3';
SELECT is(pg_temp.has('tim'), '1 points, 116 spend, 3 orders', 'limit: a rise earns what it rose by');
DELETE FROM shop.twice WHERE order_no = 't3';
SELECT is(pg_temp.has('tim'), '0 points, 15 spend, 2 orders', 'limit: a cancelled order forgives what was spent');
SELECT FROM loyalty.adjust(pg_temp.id('tim'), 15, 'points', 'test', key => 'test');

-- Metrics that refunds do not take: a rise does not count twice
UPDATE loyalty.program SET tier_refund = 'never' WHERE program_id = :shop;
INSERT INTO shop.twice VALUES (pg_temp.id('tim'), 't4', 50, '2026-03-15 09:00+00');
UPDATE shop.twice SET total = 60 WHERE order_no = 't4';
SELECT is(pg_temp.has('tim'), '75 points, 75 spend, 3 orders', 'never: a rise counts by what it rose by');
UPDATE shop.twice SET total = 40 WHERE order_no = 't4';
SELECT is(pg_temp.has('tim'), '55 points, 75 spend, 3 orders', 'never: a fall takes no metric');
UPDATE loyalty.program SET tier_refund = 'at_review' WHERE program_id = :shop;
DELETE FROM shop.twice WHERE order_no = 't4';
SELECT FROM loyalty.adjust(pg_temp.id('tim'), -20, 'spend', 'test', key => 'test 2');

-- Rights: whoever writes the table needs none; its owner needs that to attach
CREATE ROLE loyalty_test_owner;
CREATE ROLE loyalty_test_till;
CREATE TABLE shop.mine (customer_id bigint, order_no text, total numeric(12,2), paid_at timestamptz);
ALTER TABLE shop.mine OWNER TO loyalty_test_owner;
GRANT INSERT ON shop.mine TO loyalty_test_till;
GRANT USAGE ON SCHEMA loyalty TO loyalty_test_owner;
SET ROLE loyalty_test_owner;
SELECT throws_ok($$SELECT loyalty.attach('shop.mine', 'Shop')$$, '42501', NULL, 'rights: who may not attach does not');
RESET ROLE;
SELECT throws_ok($$SELECT loyalty.attach('shop.mine', 'Shop')$$, '42501', 'owner of table shop.mine may not book orders', 'rights: nor does a superuser for him, as all his orders would fail');
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA loyalty TO loyalty_test_owner;
GRANT SELECT ON loyalty.program TO loyalty_test_owner;
SET ROLE loyalty_test_owner;
SELECT lives_ok($$SELECT loyalty.attach('shop.mine', 'Shop')$$, 'rights: the owner may attach');
SELECT throws_ok($$SELECT loyalty.attach('shop.sales', 'Shop')$$, '42501', NULL, 'rights: but not what is not his');
RESET ROLE;
SELECT pg_temp.id('tim') AS tim \gset
SET ROLE loyalty_test_till;
INSERT INTO shop.mine VALUES (:tim, 'm1', 100, '2026-03-15 09:00+00');
SELECT throws_ok('SELECT * FROM loyalty.journal', '42501', NULL, 'rights: who inserts has none on the books');
RESET ROLE;
SELECT is(pg_temp.has('tim'), '115 points, 115 spend, 3 orders', 'rights: and the order earns');
SET ROLE loyalty_test_owner;
SELECT is_empty($$SELECT * FROM loyalty.reconcile('shop.mine')$$, 'rights: the owner reconciles');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION loyalty.attach_order() FROM loyalty_test_owner;
SELECT throws_ok(format($$INSERT INTO shop.mine VALUES (%s, 'm2', 100, '2026-03-15 09:00+00')$$, :tim), '42501', NULL, 'rights: taken from the owner');

-- Zero is nobody's number, whether alone or beside others, and however a refusal is taken
CREATE TABLE shop.guest (customer_id bigint, order_no text PRIMARY KEY, total numeric(12,2), paid_at timestamptz);
SELECT loyalty.attach('shop.guest', 'Shop');
DELETE FROM loyalty.ingest_reject;
INSERT INTO shop.guest VALUES (0, 'g1', 10, '2026-03-15 09:00+00'), (-1, 'g2', 10, '2026-03-15 09:00+00');
SELECT is(pg_temp.rejects(), 'g2 LY501 member_not_found, g1 LY501 member_not_found', 'a member column that says 0');
UPDATE shop.guest SET total = 12;
DELETE FROM shop.guest;
SELECT is((SELECT count(*) FROM loyalty.ingest_reject), 4::bigint, 'and changes of such an order, but not its end');

-- The member of another programme is none here
SELECT loyalty.program_create('Other', 'CNY', 'Asia/Shanghai') AS other \gset
CALL pg_temp.enroll('Other', 'zoe');
SELECT FROM loyalty.purchase(pg_temp.id('zoe'), 50, 'z1');
SELECT pg_temp.id('zoe') AS zoe, pg_temp.journal('zoe') AS before \gset
DELETE FROM loyalty.ingest_reject;
INSERT INTO shop.guest VALUES (:zoe, 'z1', 50, '2026-03-15 09:00+00'), (:zoe, 'z2', 10, '2026-03-15 09:00+00');
SELECT is(pg_temp.rejects(), 'z1 LY501 member_not_found, z2 LY501 member_not_found', 'a member of another programme');
UPDATE shop.guest SET total = total + 1;
SELECT is(pg_temp.problems('shop.guest'), 'not_booked z1 51.00, not_booked z2 11.00', 'whose books are not compared');
DELETE FROM shop.guest;
SELECT loyalty.attach('shop.guest', 'Shop', on_refusal => 'raise');
SELECT is(pg_temp.raised(format($$INSERT INTO shop.guest VALUES (%s, 'z3', 10, '2026-03-15 09:00+00')$$, :zoe)), 'LY501 member_id=' || :zoe, 'raise: the same');
SELECT is(pg_temp.journal('zoe'), :'before', 'and nothing was booked there');

-- A domain over a domain is what it is made of, also where the session has another time zone
CREATE DOMAIN shop.moment AS timestamptz;
CREATE DOMAIN shop.paid AS shop.moment;
CREATE TABLE shop.domain (customer_id bigint, order_no text PRIMARY KEY, total numeric(12,2), paid_at shop.paid);
SELECT loyalty.attach('shop.domain', 'Shop');
INSERT INTO shop.domain VALUES (:tim, 'd1', 10, '2026-03-15 09:00+00');
SET LOCAL TimeZone = 'America/Lima';
SELECT is((SELECT paid FROM loyalty.attach_count('shop.domain', '2026-03-15 09:00+00', '2026-03-15 09:01+00')), 1::bigint, 'a domain over a domain of times');
SET LOCAL TimeZone = 'UTC';
DELETE FROM shop.domain;

-- A row that is lost on its way to another partition
CREATE TABLE shop.path (customer_id bigint, order_no text, total numeric(12,2), paid_at timestamptz, part int) PARTITION BY LIST (part);
CREATE TABLE shop.path1 PARTITION OF shop.path FOR VALUES IN (1);
CREATE TABLE shop.path2 PARTITION OF shop.path FOR VALUES IN (2);
CREATE FUNCTION pg_temp.lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN NEW.order_no = 'p1' THEN NULL ELSE NEW END; END $$;
CREATE TRIGGER lose BEFORE INSERT ON shop.path2 FOR EACH ROW EXECUTE FUNCTION pg_temp.lose();
SELECT loyalty.attach('shop.path', 'Shop');
INSERT INTO shop.path VALUES (:tim, 'p1', 10, '2026-03-15 09:00+00', 1), (:tim, 'p2', 20, '2026-03-15 09:00+00', 1);
SELECT throws_ok('UPDATE shop.path SET part = 2', '0A000', NULL, 'an update that loses a row is not followed');
UPDATE shop.path SET part = 2, total = 30 WHERE order_no = 'p2';
SELECT is(pg_temp.problems('shop.path'), 'none', 'one that moves a row is');
DELETE FROM shop.path;

-- The trigger function is for these triggers
CREATE TABLE shop.wrong (customer_id bigint, order_no text, total numeric(12,2), paid_at timestamptz);
CREATE TRIGGER wrong AFTER INSERT ON shop.wrong FOR EACH STATEMENT EXECUTE FUNCTION loyalty.attach_order('program=Shop');
SELECT throws_ok($$INSERT INTO shop.wrong VALUES (1)$$, '39P01', NULL, 'a trigger without transition tables');
DROP TRIGGER wrong ON shop.wrong;
CREATE TRIGGER wrong AFTER INSERT ON shop.wrong REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION loyalty.attach_order('program=Shop');
SELECT throws_ok($$INSERT INTO shop.wrong VALUES (1)$$, 'LY810', NULL, 'a trigger with too few arguments');
DROP TRIGGER wrong ON shop.wrong;
CREATE TRIGGER wrong AFTER INSERT ON shop.wrong REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION loyalty.attach_order('nonsense');
SELECT throws_ok($$INSERT INTO shop.wrong VALUES (1)$$, 'LY810', NULL, 'a trigger with an argument of no form');
UPDATE loyalty.program SET name = 'Renamed' WHERE program_id = :shop;
SELECT throws_ok($$INSERT INTO shop.twice VALUES (1, 'x', 1, '2026-03-15 09:00+00')$$, 'LY403', NULL, 'a programme that was renamed');
-- before 18 there is no such column
SELECT is(CASE WHEN current_setting('server_version_num')::int >= 180000 THEN pg_temp.raised($$
	CREATE TABLE shop.virtual (customer_id bigint, order_no text, paid_at timestamptz, total numeric(12,2) GENERATED ALWAYS AS (1) VIRTUAL);
	SELECT loyalty.attach('shop.virtual', 'Renamed')$$) ELSE expected END, expected, 'attach: not what has no value in a trigger')
FROM (VALUES ('LY810 Column "total" of "virtual" is generated when it is read, and has no value in a trigger.')) x (expected);

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books agree');
SELECT * FROM finish();
ROLLBACK;
