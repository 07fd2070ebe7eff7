\set ECHO none
\i test/prelude.sql
SELECT plan(29);

SELECT is(pg_temp.signature('now'), '() -> timestamp with time zone', 'now(): arguments');
SELECT is(pg_temp.signature('next_id'), '() -> bigint', 'next_id(): arguments');

-- The clock
SELECT is(loyalty.now(), '2026-03-15 12:00+00', 'loyalty.now moves the clock');
SET LOCAL TimeZone = 'Asia/Shanghai';
SET LOCAL DateStyle = 'SQL, DMY';
SELECT is(loyalty.now(), '2026-03-15 12:00+00', 'the session''s TimeZone and DateStyle do not');
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET loyalty.now = '2028-02-29 23:59:59.999999-08';
SELECT is(loyalty.now(), '2028-03-01 07:59:59.999999+00', 'loyalty.now takes an offset and microseconds');
SELECT throws_ok($$SET loyalty.now = 'soon'$$, '22023', NULL, 'loyalty.now refuses what is not a time');
SELECT throws_ok($$SET loyalty.now = '2026-02-30'$$, '22023', NULL, 'loyalty.now refuses a day that does not exist');
SELECT throws_ok($$SET loyalty.now = 'infinity'$$, '22023', NULL, 'loyalty.now refuses infinity');
SELECT throws_ok($$SET loyalty.now = '-infinity'$$, '22023', NULL, 'loyalty.now refuses -infinity');
SELECT is(loyalty.now(), '2028-03-01 07:59:59.999999+00', 'a refused time leaves the clock as it was');
-- A parallel worker knows neither the session's zone nor abbreviations when it is told
SET LOCAL TimeZone = 'Asia/Shanghai';
SET loyalty.now = '2028-02-29 12:00';
SELECT is(current_setting('loyalty.now'), '2028-02-29 04:00:00+00', 'a time without a zone is that of the session, and is kept as a point in time');
SET LOCAL TimeZone = 'UTC';
SET loyalty.now = '2028-02-29T12:00:00Z';
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
CREATE TABLE loyalty_test_parallel (x int);
INSERT INTO loyalty_test_parallel SELECT generate_series(1, 10000);
ANALYZE loyalty_test_parallel;
SET LOCAL parallel_leader_participation = off;
SELECT max(loyalty.now() + x * interval '0') AS seen FROM loyalty_test_parallel \gset
SELECT is(:'seen'::timestamptz, '2028-02-29 12:00+00', 'workers have the same clock');
RESET loyalty.now;
SELECT is(loyalty.now(), statement_timestamp(), 'unset, the clock shows the start of the statement');
CREATE TEMP TABLE tick AS SELECT loyalty.now() AS at;
SELECT FROM pg_sleep(0.002);
SELECT cmp_ok(loyalty.now(), '>', (SELECT at FROM tick), 'it goes on within a transaction');
SELECT is((SELECT count(DISTINCT loyalty.now()) FROM generate_series(1, 3), pg_sleep(0.002)), 1::bigint,
	'and stands still within a statement');
SELECT volatility_is('loyalty', 'now', '{}'::name[], 'stable', 'now() is STABLE');

-- Ids
SELECT is((SELECT count(DISTINCT loyalty.next_id()) FROM generate_series(1, 1000)), 1000::bigint,
	'next_id() never repeats');
SELECT cmp_ok(loyalty.next_id(), '<', loyalty.next_id(), 'next_id() grows');
SELECT is(current_setting('loyalty.node_id'), '0', 'loyalty.node_id is 0');
-- The sequence has 43 bits, the node the 10 above.
SELECT is(loyalty.next_id() >> 43, 0::bigint, 'node 0 has ids below 2^43');
SET loyalty.node_id = 5;
SELECT is(loyalty.next_id() >> 43, 5::bigint, 'node 5 has 5 in the upper bits');
SET loyalty.node_id = 1023;
SELECT cmp_ok(loyalty.next_id(), '<', 9007199254740992, 'the last node stays below 2^53');
SELECT throws_ok('SET loyalty.node_id = 1024', '22023', NULL, 'there is no node 1024');
SELECT throws_ok('SET loyalty.node_id = -1', '22023', NULL, 'there is no node -1');
RESET loyalty.node_id;

-- Both settings are the superuser's
CREATE ROLE loyalty_test_nobody;
SET ROLE loyalty_test_nobody;
SELECT throws_ok($$SET loyalty.now = '2026-01-01'$$, '42501', NULL, 'loyalty.now is for superusers');
SELECT throws_ok('SET loyalty.node_id = 1', '42501', NULL, 'loyalty.node_id is for superusers');
RESET ROLE;

-- The register of tables
SELECT is_empty($$
	SELECT relname FROM pg_class
	WHERE relnamespace = 'loyalty'::regnamespace AND relkind IN ('r', 'p')
	EXCEPT SELECT table_name FROM loyalty.table_kind $$, 'every table is declared in table_kind');
SELECT throws_ok($$INSERT INTO loyalty.table_kind VALUES ('x', 'lookup')$$, '23514', NULL,
	'a lookup table names its column');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
