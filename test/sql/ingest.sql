\set ECHO none
\i test/prelude.sql
SELECT plan(70);

SELECT loyalty.program_create('shop', 'GBP', 'Europe/London') AS shop \gset
SELECT loyalty.program_create('other', 'GBP', 'Europe/London') AS other \gset
CALL pg_temp.enroll('shop', 'ann', 'bob');
CALL pg_temp.enroll('other', 'eve');

-- 'line reason code detail' of what was rejected since the last look
CREATE SEQUENCE pg_temp.seen;
CREATE FUNCTION pg_temp.rejects() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	last bigint := currval('pg_temp.seen');
BEGIN
	PERFORM setval('pg_temp.seen', (SELECT coalesce(max(reject_id), last) FROM loyalty.ingest_reject));
	RETURN QUERY SELECT concat_ws(' ', line, reason, code, detail) FROM loyalty.ingest_reject WHERE reject_id > last ORDER BY reject_id;
END
$$;
SELECT nextval('pg_temp.seen') AS seen \gset
CREATE FUNCTION pg_temp.batch(rows loyalty.ingest_row[], enroll boolean DEFAULT false) RETURNS text LANGUAGE sql AS $$
	SELECT format('%s done, %s replayed, %s rejected', done, replayed, rejected)
	FROM loyalty.ingest_batch('shop', rows, 'test', enroll => enroll)
$$;

-- ingest_batch()
SELECT is(pg_temp.signature('ingest_batch'),
	'(program text, rows loyalty.ingest_row[], source text, run_id integer DEFAULT NULL::integer, enroll boolean DEFAULT false, '
	'OUT done bigint, OUT replayed bigint, OUT rejected bigint) -> record', 'ingest_batch(): arguments');
SELECT is(pg_temp.batch(ARRAY[
	ROW('1', pg_temp.id('ann'), NULL, NULL, 100, 'o1', '[{"sku": "a", "price": 100}]', '{"channel": "web", "store": "s1"}', '2026-03-01', 'k1', NULL),
	ROW('2', pg_temp.id('bob'), NULL, 'purchase', 50, 'o1', NULL, NULL, NULL, NULL, NULL),
	ROW('3', NULL, '{"customer_no": "ann"}', 'share', NULL, 's1', NULL, '{"target": "t"}', NULL, NULL, NULL),
	ROW('4', pg_temp.id('ann'), NULL, 'review', 7, NULL, NULL, NULL, NULL, 'k4', NULL)]::loyalty.ingest_row[]),
	'4 done, 0 replayed, 0 rejected', 'rows of every shape');
SELECT is(pg_temp.journal('ann'), 'event signup, event purchase o1, event share s1, event review', 'one after the other');
SELECT is(pg_temp.balance('ann'), '100 available', 'with what they earn');
SELECT is(pg_temp.balance('bob'), '50 available', 'each');
SELECT results_eq($$SELECT amount, channel, store, key, effective_at FROM loyalty.journal WHERE member_id = pg_temp.id('ann') AND ref = 'o1'$$,
	$$VALUES (10000::bigint, 'web', 's1', 'k1', '2026-03-01 00:00+00'::timestamptz)$$, 'and all that was said');
SELECT is(pg_temp.batch('{}'), '0 done, 0 replayed, 0 rejected', 'nothing');

SELECT is(pg_temp.batch(ARRAY[
	ROW('1', pg_temp.id('ann'), NULL, NULL, 100, 'o1', '[{"sku": "a", "price": 100}]', '{"channel": "web", "store": "s1"}', '2026-03-01', 'k1', NULL),
	ROW('2', pg_temp.id('ann'), NULL, NULL, 20, 'o2', NULL, NULL, NULL, NULL, NULL),
	ROW('3', pg_temp.id('ann'), NULL, NULL, 20.00, 'o2', NULL, '{}', NULL, NULL, NULL),
	ROW('4', pg_temp.id('ann'), NULL, NULL, 21, 'o2', NULL, NULL, NULL, NULL, NULL),
	ROW('5', pg_temp.id('ann'), NULL, NULL, 20, 'o2', NULL, NULL, NULL, 'k5', NULL),
	ROW('6', pg_temp.id('ann'), NULL, NULL, 20, 'o6', NULL, NULL, NULL, 'k1', NULL)]::loyalty.ingest_row[]),
	'1 done, 2 replayed, 3 rejected', 'known from before, and from the batch itself');
SELECT results_eq($$SELECT regexp_replace(r, '=\d+', '=N') FROM pg_temp.rejects() r$$,
	$$VALUES ('4 idempotency_key_reused LY002 journal_id=N'), ('5 duplicate_ref LY003 journal_id=N'), ('6 idempotency_key_reused LY002 journal_id=N')$$,
	'the three ways of being known');

-- A batch that follows one in which all was new takes its rows for new, and finds out.
CALL pg_temp.enroll('shop', 'cas');
SELECT is(pg_temp.batch(ARRAY[
	ROW('1', pg_temp.id('cas'), NULL, NULL, 10, 'c1', NULL, NULL, NULL, 'kc1', NULL),
	ROW('2', pg_temp.id('cas'), NULL, NULL, 20, 'c2', NULL, NULL, NULL, NULL, NULL)]::loyalty.ingest_row[]),
	'2 done, 0 replayed, 0 rejected', 'all is new');
SELECT is(pg_temp.batch(ARRAY[
	ROW('1', pg_temp.id('cas'), NULL, NULL, 30, 'c3', NULL, NULL, NULL, NULL, NULL),
	ROW('2', pg_temp.id('cas'), NULL, NULL, 10, 'c1', NULL, NULL, NULL, 'kc1', NULL),
	ROW('3', pg_temp.id('cas'), NULL, NULL, 21, 'c2', NULL, NULL, NULL, NULL, NULL),
	ROW('4', pg_temp.id('cas'), NULL, NULL, 20, 'c2', NULL, NULL, NULL, 'kc2', NULL)]::loyalty.ingest_row[]),
	'1 done, 1 replayed, 2 rejected', 'then not all');
SELECT results_eq($$SELECT regexp_replace(r, '=\d+', '=N') FROM pg_temp.rejects() r$$,
	$$VALUES ('3 idempotency_key_reused LY002 journal_id=N'), ('4 duplicate_ref LY003 journal_id=N')$$, 'for the same reasons');
SELECT is(pg_temp.batch(ARRAY[ROW('1', pg_temp.id('cas'), NULL, NULL, 40, 'c4', NULL, NULL, NULL, NULL, NULL)]::loyalty.ingest_row[]),
	'1 done, 0 replayed, 0 rejected', 'all is new again');
SELECT FROM loyalty.member_close(pg_temp.id('cas'), 'moved');
SELECT is(pg_temp.batch(ARRAY[
	ROW('1', pg_temp.id('cas'), NULL, NULL, 40, 'c4', NULL, NULL, NULL, NULL, NULL),
	ROW('2', pg_temp.id('cas'), NULL, NULL, 50, 'c5', NULL, NULL, NULL, NULL, NULL)]::loyalty.ingest_row[]),
	'0 done, 1 replayed, 1 rejected', 'what would be refused today is replayed');
SELECT is((SELECT string_agg(r, ', ') FROM pg_temp.rejects() r), '2 member_closed LY502 member_id=' || pg_temp.id('cas'), 'what is new is refused');

SELECT is(pg_temp.batch(ARRAY[
	ROW('1', NULL, NULL, NULL, 1, 'x', NULL, NULL, NULL, NULL, NULL),
	ROW('2', 0, NULL, NULL, 1, 'x', NULL, NULL, NULL, NULL, NULL),
	ROW('3', pg_temp.id('eve'), NULL, NULL, 1, 'x', NULL, NULL, NULL, NULL, NULL),
	ROW('4', pg_temp.id('ann'), NULL, NULL, NULL, 'x', NULL, NULL, NULL, NULL, NULL),
	ROW('5', pg_temp.id('ann'), NULL, NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL),
	ROW('6', pg_temp.id('ann'), NULL, NULL, 1, NULL, NULL, NULL, NULL, 'k6', NULL),
	ROW('7', pg_temp.id('ann'), NULL, 'moon', NULL, 'x', NULL, NULL, NULL, NULL, NULL),
	ROW('8', pg_temp.id('ann'), NULL, 'share', NULL, 'x', '[{"sku": "a", "price": 1}]', NULL, NULL, NULL, NULL),
	ROW('9', NULL, '{"customer_no": "nobody"}', NULL, 1, 'x', NULL, NULL, NULL, NULL, NULL),
	ROW('10', NULL, '"ann"', NULL, 1, 'x', NULL, NULL, NULL, NULL, NULL),
	ROW('11', NULL, '[{"kind": "customer_no", "value": "ann"}, {"kind": "customer_no", "value": "bob"}]', NULL, 1, 'x', NULL, NULL, NULL, NULL, NULL),
	ROW('12', pg_temp.id('ann'), NULL, NULL, 'NaN', 'x', NULL, NULL, NULL, NULL, NULL),
	ROW('13', pg_temp.id('ann'), NULL, NULL, 1, 'x', NULL, NULL, '2030-01-01', NULL, NULL),
	ROW('14', pg_temp.id('ann'), NULL, NULL, 1, 'x', NULL, NULL, NULL, NULL, 'it was unreadable'),
	ROW('15', pg_temp.id('ann'), NULL, NULL, 9, 'good', NULL, NULL, NULL, NULL, NULL)]::loyalty.ingest_row[]),
	'1 done, 0 replayed, 14 rejected', 'rows that are wrong stop no other');
SELECT results_eq('SELECT * FROM pg_temp.rejects()', $$VALUES
	('1 member_required 22004 neither member_id nor identities is given'),
	('2 member_not_found LY501 member_id=0'),
	('3 member_not_found LY501 member_id=' || pg_temp.id('eve')),
	('4 amount_required 22004 amount must not be null'),
	('5 idempotency_key_invalid LY001 a row needs a key or a ref, so that it can be repeated safely'),
	('6 ref_invalid LY005 a purchase needs the reference of its order'),
	('7 unknown_event LY404 event=moon'),
	('8 items_invalid LY006 only a purchase has items'),
	('9 member_not_found LY501 the identities lead to no member'),
	('10 identifier_malformed LY505 identities must be a json object or array'),
	('11 identifier_taken LY506 the identities lead to several members'),
	('12 amount_not_finite LY104 amount=NaN decimals=2'),
	('13 time_in_future LY108 at=2030-01-01 00:00:00+00'),
	('14 value_invalid 22023 it was unreadable')$$, 'each for its reason');
SELECT results_eq($$SELECT source, run_id, member_id = pg_temp.id('ann'), event, ref, rejected_at IS NULL FROM loyalty.ingest_reject WHERE line = '7'$$,
	$$VALUES ('test', NULL::int, true, 'moon', 'x', false)$$, 'with what leads to the row');

-- An error that is no refusal: the row is rejected, the others are not.
CREATE FUNCTION pg_temp.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = TG_ARGV[0]; END $$;
CREATE TRIGGER fail BEFORE INSERT ON loyalty.journal FOR EACH ROW WHEN (NEW.ref = 'bad') EXECUTE FUNCTION pg_temp.fail('P0001');
SELECT is(pg_temp.batch(ARRAY[
	ROW('1', pg_temp.id('ann'), NULL, NULL, 1, 'before', NULL, NULL, NULL, NULL, NULL),
	ROW('2', pg_temp.id('ann'), NULL, NULL, 1, 'bad', NULL, NULL, NULL, NULL, NULL),
	ROW('3', pg_temp.id('ann'), NULL, NULL, 1, 'after', NULL, NULL, NULL, NULL, NULL),
	ROW('4', pg_temp.id('ann'), NULL, NULL, 1, 'after', NULL, NULL, NULL, NULL, NULL),
	ROW('5', pg_temp.id('bob'), NULL, NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL)]::loyalty.ingest_row[]),
	'2 done, 1 replayed, 2 rejected', 'a row that raises an error');
SELECT results_eq('SELECT * FROM pg_temp.rejects()', $$VALUES ('2 error P0001'),
	('5 idempotency_key_invalid LY001 a row needs a key or a ref, so that it can be repeated safely')$$, 'is rejected, without the message');
SELECT is(pg_temp.journal('ann'), 'event signup, event purchase o1, event share s1, event review, event purchase o2, event purchase good, '
	'event purchase before, event purchase after', 'the others are in their order');
DROP TRIGGER fail ON loyalty.journal;
CREATE TRIGGER fail BEFORE INSERT ON loyalty.journal FOR EACH ROW WHEN (NEW.ref = 'bad') EXECUTE FUNCTION pg_temp.fail('53100');
SELECT throws_ok(format($$SELECT loyalty.ingest_batch('shop', ARRAY[ROW('2', %s, NULL, NULL, 1, 'bad', NULL, NULL, NULL, NULL, NULL)]::loyalty.ingest_row[], 'test')$$,
	pg_temp.id('ann')), '53100', 'secret', 'a full disk is not a wrong row');
DROP TRIGGER fail ON loyalty.journal;

SELECT throws_ok($$SELECT loyalty.ingest_batch('none', '{}', 'test')$$, 'LY403', NULL, 'no such programme');
SELECT throws_ok($$SELECT loyalty.ingest_batch('shop', '{NULL}', 'test')$$, '22004', NULL, 'a row that is NULL');
SELECT throws_ok(format('SELECT loyalty.ingest_batch(%s)', arguments), '22004', NULL, format('ingest_batch(%s)', arguments))
FROM (VALUES ('NULL, ''{}'', ''x'''), ('''shop'', NULL, ''x'''), ('''shop'', ''{}'', NULL'), ('''shop'', ''{}'', ''x'', enroll => NULL')) v (arguments);
SELECT throws_ok($$SELECT loyalty.ingest_batch('shop', '{}', 'test', 77)$$, 'LY810', NULL, 'no such run');

-- Members who are not known yet
SELECT is(pg_temp.batch(ARRAY[
	ROW('1', NULL, '{"customer_no": "new"}', NULL, 10, 'n1', NULL, NULL, '2026-02-01', NULL, NULL),
	ROW('2', NULL, '{"customer_no": "new"}', NULL, 20, 'n2', NULL, NULL, NULL, NULL, NULL),
	ROW('3', NULL, '{"customer_no": "ann", "phone": "12345678"}', NULL, 5, 'n3', NULL, NULL, NULL, NULL, NULL),
	ROW('4', NULL, '{"Phone": "x"}', NULL, 5, 'n4', NULL, NULL, NULL, NULL, NULL)]::loyalty.ingest_row[], enroll => true),
	'3 done, 0 replayed, 1 rejected', 'enroll: who is not known becomes a member');
SELECT is(pg_temp.journal('new'), 'event signup, event purchase n1, event purchase n2', 'enroll: signed up first');
SELECT is((SELECT joined_at FROM loyalty.member WHERE member_id = pg_temp.id('new')), '2026-02-01 00:00+00', 'enroll: at the time of the row');
SELECT is(loyalty.find('shop', 'phone', '12345678'), NULL, 'enroll: who is known gets no new identities');
SELECT is(pg_temp.batch(ARRAY[ROW('1', NULL, '{"customer_no": "new"}', NULL, 10, 'n1', NULL, NULL, '2026-02-01', NULL, NULL)]::loyalty.ingest_row[], true),
	'0 done, 1 replayed, 0 rejected', 'enroll: twice');

-- ingest()
CREATE TABLE pg_temp.staging (customer bigint, total numeric, order_no text, paid_at timestamptz, note text);
CREATE FUNCTION pg_temp.progress() RETURNS text LANGUAGE sql AS $$
	SELECT format('%s %s: %s done, %s replayed, %s rejected', regexp_replace(source, '^.*\.', ''), status, done, replayed, rejected)
	FROM loyalty.ingest_progress ORDER BY run_id DESC LIMIT 1
$$;
INSERT INTO pg_temp.staging SELECT CASE WHEN n % 2 = 0 THEN pg_temp.id('ann') ELSE pg_temp.id('bob') END, n, 'st' || n, '2026-03-10' FROM generate_series(1, 50) n;
INSERT INTO pg_temp.staging VALUES (0, 1, 'st51', '2026-03-10');
CALL loyalty.ingest('shop', 'staging', columns => '{"member_id": "customer", "amount": "total", "ref": "order_no", "at": "paid_at", "key": null}', batch => 7);
SELECT is(pg_temp.progress(), 'staging done: 50 done, 0 replayed, 1 rejected', 'ingest: columns of other names');
SELECT results_eq($$SELECT ref, run_id = (SELECT max(run_id) FROM loyalty.ingest_run), line FROM loyalty.ingest_reject ORDER BY reject_id DESC LIMIT 1$$,
	$$VALUES ('st51', true, (SELECT ctid::text FROM pg_temp.staging WHERE order_no = 'st51'))$$, 'ingest: a reject leads to its row');
SELECT is((SELECT count(*) FROM loyalty.journal WHERE ref ~ '^st' AND effective_at = '2026-03-10'), 50::bigint, 'ingest: recorded');
CALL loyalty.ingest('shop', 'staging', columns => '{"member_id": "customer", "amount": "total", "ref": "order_no", "at": "paid_at"}');
SELECT is(pg_temp.progress(), 'staging done: 0 done, 50 replayed, 1 rejected', 'ingest: again, from the start');
UPDATE loyalty.ingest_run SET status = 'running', position = (SELECT ctid::text FROM pg_temp.staging WHERE order_no = 'st40'), done = 0, replayed = 0, rejected = 0
WHERE run_id = (SELECT max(run_id) FROM loyalty.ingest_run);
CALL loyalty.ingest('shop', 'staging', columns => '{"member_id": "customer", "amount": "total", "ref": "order_no", "at": "paid_at"}');
SELECT is(pg_temp.progress(), 'staging done: 0 done, 10 replayed, 1 rejected', 'ingest: goes on where it stopped');
UPDATE loyalty.ingest_run SET status = 'running', done = 0, replayed = 0, rejected = 0 WHERE run_id = (SELECT max(run_id) FROM loyalty.ingest_run);
CALL loyalty.ingest('shop', 'staging', columns => '{"member_id": "customer", "amount": "total", "ref": "order_no", "at": "paid_at"}', restart => true);
SELECT is(pg_temp.progress(), 'staging done: 0 done, 50 replayed, 1 rejected', 'ingest: or anew');
SELECT is((SELECT count(*) FROM loyalty.ingest_run WHERE status = 'stopped'), 1::bigint, 'ingest: then the other is stopped');
-- as if it had been: in one transaction a new table keeps its file
UPDATE loyalty.ingest_run SET status = 'running', storage = 1 WHERE run_id = (SELECT max(run_id) FROM loyalty.ingest_run);
TRUNCATE pg_temp.staging;
INSERT INTO pg_temp.staging VALUES (pg_temp.id('ann'), 3, 'st90', NULL);
CALL loyalty.ingest('shop', 'staging', columns => '{"member_id": "customer", "amount": "total", "ref": "order_no", "at": "paid_at"}');
SELECT is(pg_temp.progress(), 'staging done: 1 done, 0 replayed, 0 rejected', 'ingest: a table that was filled anew is read from its start');

-- What is not of the type that is wanted
CREATE TABLE pg_temp.raw (identities text, amount text, ref int, at text, data json, "key" varchar(10));
INSERT INTO pg_temp.raw VALUES ('{"customer_no": "ann"}', '10.5', 1, '2026-03-02', '{"store": "s"}', 'r1'), ('{"customer_no": "ann"}', 'ten', 2, '2026-03-02', NULL, 'r2'),
	('{"customer_no": "ann"', '1', 3, NULL, NULL, 'r3'), ('{"customer_no": "ann"}', '1', 4, '2026-02-30', NULL, 'r4'), ('{"customer_no": "bob"}', '7', 5, NULL, NULL, NULL);
SELECT FROM pg_temp.rejects();
CALL loyalty.ingest('shop', 'raw');
SELECT is(pg_temp.progress(), 'raw done: 2 done, 0 replayed, 3 rejected', 'ingest: text is read as what it stands for');
SELECT results_eq('SELECT * FROM pg_temp.rejects()', $$VALUES ('(0,2) value_invalid 22023 column amount is not of type numeric'),
	('(0,3) value_invalid 22023 column identities is not of type jsonb'), ('(0,4) value_invalid 22023 column at is not of type timestamp with time zone')$$,
	'ingest: or rejected');
SELECT results_eq($$SELECT amount, store, key FROM loyalty.journal WHERE member_id = pg_temp.id('ann') AND ref = '1'$$, $$VALUES (1050::bigint, 's', 'r1')$$, 'ingest: with all its fields');

-- A view, a partitioned table, one with an odd name
CREATE VIEW pg_temp.orders AS SELECT pg_temp.id('ann') AS member_id, n AS amount, 'v' || n AS ref FROM generate_series(1, 20) n ORDER BY n;
CALL loyalty.ingest('shop', 'orders', batch => 6);
SELECT is(pg_temp.progress(), 'orders done: 20 done, 0 replayed, 0 rejected', 'ingest: a view');
CREATE TABLE pg_temp.parted (member_id bigint, amount numeric, ref text) PARTITION BY HASH (ref);
CREATE TABLE pg_temp.parted_0 PARTITION OF pg_temp.parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE pg_temp.parted_1 PARTITION OF pg_temp.parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO pg_temp.parted SELECT pg_temp.id('bob'), n, 'p' || n FROM generate_series(1, 20) n;
CALL loyalty.ingest('shop', 'parted', batch => 6);
SELECT is(pg_temp.progress(), 'parted done: 20 done, 0 replayed, 0 rejected', 'ingest: a partitioned table');
CREATE TABLE pg_temp."O'Neil; ""x"" Ltd" (member_id bigint, "the ""sum"" $1" numeric, ref text);
INSERT INTO pg_temp."O'Neil; ""x"" Ltd" VALUES (pg_temp.id('bob'), 1, 'odd');
CALL loyalty.ingest('shop', 'pg_temp."O''Neil; ""x"" Ltd"', columns => '{"amount": "the \"sum\" $1"}');
SELECT is((SELECT done FROM loyalty.ingest_progress ORDER BY run_id DESC LIMIT 1), 1::bigint, 'ingest: odd names');

SELECT throws_ok(statement, code, NULL, statement) FROM (VALUES
	($$CALL loyalty.ingest('none', 'raw')$$, 'LY403'),
	($$CALL loyalty.ingest('shop', 'raw', 0)$$, '22023'),
	($$CALL loyalty.ingest('shop', 'raw', 10001)$$, '22023'),
	($$CALL loyalty.ingest(NULL, 'raw')$$, '22004'),
	($$CALL loyalty.ingest('shop', NULL)$$, '22004'),
	($$CALL loyalty.ingest('shop', 'raw', columns => '{"amount": "nix"}')$$, 'LY810'),
	($$CALL loyalty.ingest('shop', 'raw', columns => '{"identities": null}')$$, 'LY810'),
	($$CALL loyalty.ingest('shop', 'raw', columns => '{"key": null, "ref": null}')$$, 'LY810'),
	($$CALL loyalty.ingest('shop', 'raw', columns => '{"nix": "amount"}')$$, '22023'),
	($$CALL loyalty.ingest('shop', 'raw', columns => '{"amount": 1}')$$, '22023'),
	($$CALL loyalty.ingest('shop', 'raw', columns => '[]')$$, '22023'),
	($$CALL loyalty.ingest('shop', 'loyalty.id_seq')$$, 'LY810'),
	($$CALL loyalty.ingest('shop', 'loyalty.journal_pkey')$$, 'LY810'),
	($$CALL loyalty.ingest('shop', 999999::oid::regclass)$$, '42P01'),
	($$SELECT loyalty.ingest_open('shop', NULL, NULL, NULL, false)$$, '22004'),
	($$SELECT loyalty.ingest_position(NULL)$$, '22004'),
	($$SELECT loyalty.ingest_close(NULL)$$, '22004')) v (statement, code);

-- A member's state in the batch: a budget to the last point, a cap, a run of days.
SELECT FROM loyalty.budget_set('shop', 'points', 1000, slots => 1);
UPDATE loyalty.budget_slot SET used = quota - 25;
SELECT is(pg_temp.batch(ARRAY[
	ROW('1', pg_temp.id('ann'), NULL, NULL, 20, 'b1', NULL, NULL, NULL, NULL, NULL),
	ROW('2', pg_temp.id('bob'), NULL, NULL, 20, 'b2', NULL, NULL, NULL, NULL, NULL),
	ROW('3', pg_temp.id('ann'), NULL, NULL, 20, 'b3', NULL, NULL, NULL, NULL, NULL)]::loyalty.ingest_row[]), '3 done, 0 replayed, 0 rejected', 'a budget that ends in the batch');
SELECT results_eq($$SELECT j.ref, coalesce(sum(e.amount) FILTER (WHERE u.code = 'points'), 0) FROM loyalty.journal j JOIN loyalty.entry e USING (member_id, journal_id)
	JOIN loyalty.unit u ON u.unit_id = e.unit_id WHERE j.ref ~ '^b\d$' GROUP BY 1 ORDER BY 1$$, $$VALUES ('b1', 20::numeric), ('b2', 5), ('b3', 0)$$, 'goes to the rows in their order');
UPDATE loyalty.budget_slot SET used = (SELECT sum(e.amount) FROM loyalty.entry e JOIN loyalty.unit u USING (unit_id) WHERE u.code = 'points' AND u.program_id = :shop), quota = 100000;
UPDATE loyalty.budget SET amount = 100000;

-- What statements return is freed row by row: how many results there are when the batch is written.
SELECT FROM pg_temp.rule('{"program": "shop", "award": 1, "tags": "{vip}", "cooldown": "1 day"}');
-- compiles the programme, whose results are not those of rows
SELECT FROM pg_temp.batch(ARRAY[ROW('1', pg_temp.id('ann'), NULL, NULL, 1, 'kept-0', NULL, NULL, NULL, NULL, NULL)]::loyalty.ingest_row[]);
CREATE TABLE pg_temp.kept (n bigint);
CREATE FUNCTION pg_temp.count_results() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO pg_temp.kept SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'SPI TupTable';
	RETURN NULL;
END
$$;
CREATE TRIGGER count_results AFTER INSERT ON loyalty.journal FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.count_results();
SELECT is(pg_temp.batch(array_agg(ROW(n, pg_temp.id('bob'), NULL, NULL, 1, 'kept-' || n, NULL, NULL, NULL, NULL, NULL)::loyalty.ingest_row)),
	'100 done, 0 replayed, 0 rejected', 'a hundred rows') FROM generate_series(1, 100) n;
SELECT cmp_ok((SELECT max(n) FROM pg_temp.kept), '<', 20::bigint, 'leave no hundred results');
DROP TRIGGER count_results ON loyalty.journal;

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
