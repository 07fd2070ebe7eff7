\set ECHO none
\i test/prelude.sql
SELECT plan(34);

-- A source is read as its owner. Whoever wrote its functions gets no more rights
-- through it than he has, and nothing of what they do stays.
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
CALL pg_temp.enroll('Shop', 'ann', 'bob');
CREATE ROLE loyalty_seg_crm;
CREATE ROLE loyalty_seg_mallory;
CREATE ROLE loyalty_seg_manager;
CREATE ROLE loyalty_seg_till;
CREATE SCHEMA crm AUTHORIZATION loyalty_seg_crm;
CREATE SCHEMA evil AUTHORIZATION loyalty_seg_mallory;
SELECT FROM loyalty.setup_roles('loyalty_seg');
GRANT loyalty_seg_admin TO loyalty_seg_manager;
GRANT loyalty_seg_app TO loyalty_seg_till;
SELECT pg_temp.id('ann') AS ann \gset
SELECT pg_temp.id('bob') AS bob \gset

-- Who may name a source: whoever has the rights of its owner
SET ROLE loyalty_seg_crm;
CREATE TABLE crm.vip (member_id bigint);
INSERT INTO crm.vip VALUES (:ann);
CREATE VIEW crm.vips AS SELECT member_id FROM crm.vip;
GRANT USAGE ON SCHEMA crm TO loyalty_seg_manager, loyalty_seg_mallory;
GRANT SELECT ON crm.vips TO loyalty_seg_manager;
SET ROLE loyalty_seg_manager;
SELECT throws_ok(format($$INSERT INTO loyalty.segment (program_id, name, source) VALUES (%s, 'vip', 'crm.vips')$$, :shop), '42501',
	'must be owner of view vips', 'to read a source is not enough to name it');
SELECT lives_ok(format($$INSERT INTO loyalty.segment (program_id, name) VALUES (%s, 'vip')$$, :shop), 'a list names nobody''s view');
SELECT throws_ok($$UPDATE loyalty.segment SET source = 'crm.vips' WHERE name = 'vip'$$, '42501', NULL, 'nor by an UPDATE');
RESET ROLE;
GRANT loyalty_seg_crm TO loyalty_seg_manager;
SET ROLE loyalty_seg_manager;
SELECT lives_ok($$UPDATE loyalty.segment SET source = 'crm.vips' WHERE name = 'vip'$$, 'who has the rights of its owner may name it');
RESET ROLE;
REVOKE loyalty_seg_crm FROM loyalty_seg_manager;

SET ROLE loyalty_seg_manager;
SET check_function_bodies = off;
SELECT throws_ok(format($$INSERT INTO loyalty.segment (program_id, name, source) VALUES (%s, 'later', 'crm.later')$$, :shop), '42P01', NULL, 'only who loads a dump may name what comes later');
SELECT throws_ok(format($$INSERT INTO loyalty.segment (program_id, name, source) VALUES (%s, 'later', 'crm.vips')$$, :shop), '42501', NULL, 'and nobody what is another''s');
RESET check_function_bodies;
RESET ROLE;

-- Anybody may refresh it who may call that, with no rights on it
SET ROLE loyalty_seg_till;
SELECT throws_ok('SELECT * FROM crm.vips', '42501', NULL, 'the till cannot read the view');
SELECT results_eq($$SELECT n_entered FROM loyalty.segment_refresh('Shop', 'vip')$$, 'VALUES (1::bigint)', 'but has it read');
SELECT throws_ok($$SELECT loyalty.segment_drop('Shop', 'vip')$$, '42501', NULL, 'the till drops no segment');
SELECT throws_ok($$SELECT * FROM loyalty.segment_members('Shop', 'vip')$$, '42501', NULL, 'nor lists who is in it');
SET ROLE loyalty_seg_manager;
SELECT lives_ok($$UPDATE loyalty.segment SET title = 'Very important' WHERE name = 'vip'$$, 'all but the source can be changed without those rights');
SET ROLE loyalty_seg_reader;
SELECT results_eq($$SELECT member_id FROM loyalty.segment_members('Shop', 'vip')$$, format('VALUES (%s::bigint)', :ann), 'the reader lists who is in it');
SELECT throws_ok($$SELECT FROM loyalty.segment_history$$, '42501', NULL, 'but not the history');
RESET ROLE;

-- Its owner, and not the owner of what it reads
ALTER VIEW crm.vips OWNER TO loyalty_seg_mallory;
SELECT throws_ok($$SELECT loyalty.segment_refresh('Shop', 'vip')$$, '42501', 'permission denied for table vip', 'an owner who may not read what it reads');
ALTER VIEW crm.vips OWNER TO loyalty_seg_crm;
REVOKE ALL ON crm.vip FROM loyalty_seg_crm;
SELECT throws_ok($$SELECT loyalty.segment_refresh('Shop', 'vip')$$, '42501', 'permission denied for table vip', 'an owner who has lost his rights');
GRANT ALL ON crm.vip TO loyalty_seg_crm;

-- Mallory's functions
SET ROLE loyalty_seg_mallory;
CREATE FUNCTION evil.act() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;
CREATE VIEW evil.view AS SELECT evil.act() AS member_id;
RESET ROLE;
INSERT INTO loyalty.segment (program_id, name, source) VALUES (:shop, 'evil', 'evil.view');
CREATE FUNCTION pg_temp.acts(body text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before text = pg_temp.state();
	answer text;
BEGIN
	EXECUTE format('CREATE OR REPLACE FUNCTION evil.act() RETURNS bigint LANGUAGE plpgsql AS %L', 'BEGIN ' || body || '; RETURN -1; END');
	answer := pg_temp.raised($s$SELECT loyalty.segment_refresh('Shop', 'evil')$s$);
	RETURN answer || CASE WHEN pg_temp.state() <> before THEN ' AND ROWS HAVE CHANGED' ELSE '' END;
END
$$;
SELECT is(pg_temp.acts($$RAISE EXCEPTION USING MESSAGE = 'x', DETAIL = current_user$$), 'P0001 loyalty_seg_mallory', 'a function runs as the owner of the view');
SELECT is(pg_temp.acts(act), code, 'a function cannot ' || what) FROM (VALUES
	('PERFORM FROM loyalty.account', '42501', 'read what its owner may not'),
	('UPDATE loyalty.account SET wallet = wallet', '42501', 'write what its owner may not'),
	('SET ROLE loyalty_seg_owner', '42501', 'become the owner of the extension'),
	('RESET ROLE', '42501', 'become who called'),
	('SET SESSION AUTHORIZATION DEFAULT', '42501', 'become who logged in'),
	($$PERFORM set_config('role', 'loyalty_seg_owner', false)$$, '42501', 'do so by a setting'),
	('SET TRANSACTION READ WRITE', '25001', 'make the transaction writable'),
	($$PERFORM set_config('transaction_read_only', 'off', true)$$, '25001', 'do so by a setting'),
	('CREATE TEMP TABLE account (member_id bigint)', '25006', 'make a temporary table'),
	('CREATE TABLE evil.loot (x int)', '25006', 'make a table of its own'),
	('PERFORM loyalty.program_create(''Evil'', ''GBP'', ''UTC'')', '42501', 'call what its owner may not'),
	('EXECUTE $q$DECLARE c CURSOR WITH HOLD FOR SELECT 1$q$', '42501', 'leave a cursor')) v (act, code, what);

-- What it may do is undone
SET search_path = evil, public;
SELECT is(pg_temp.acts($$PERFORM set_config('search_path', 'evil', false); SET work_mem = '64kB'; SET lock_timeout = '1ms'$$), 'no error', 'a function can change settings');
SELECT is(current_setting('search_path') || ' ' || current_setting('work_mem') || ' ' || current_setting('lock_timeout'), 'evil, public 4MB 0', 'which are gone when it was read');
-- An operator that is found first, if the path of the caller counted
CREATE FUNCTION evil.always(bigint, bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
CREATE OPERATOR evil.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.always);
SET ROLE loyalty_seg_crm;
INSERT INTO crm.vip VALUES (:bob);
RESET ROLE;
SELECT results_eq(format($$SELECT n_entered FROM loyalty.segment_refresh('Shop', 'vip', '{%s}')$$, :bob), 'VALUES (1::bigint)', 'nor does the path of the caller count');
RESET search_path;

-- Rows that only some may see, and none for the owner either
SET ROLE loyalty_seg_crm;
ALTER TABLE crm.vip ENABLE ROW LEVEL SECURITY;
ALTER TABLE crm.vip FORCE ROW LEVEL SECURITY;
CREATE POLICY one ON crm.vip USING (current_user = 'loyalty_seg_crm' AND member_id IS NOT NULL);
RESET ROLE;
SELECT results_eq($$SELECT n_entered, n_left FROM loyalty.segment_refresh('Shop', 'vip')$$, 'VALUES (0::bigint, 0::bigint)', 'policies see the owner, not who calls');

SELECT is(current_user || ' ' || current_setting('transaction_read_only'), session_user || ' off', 'afterwards all is as before');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
