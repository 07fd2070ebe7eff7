\set ECHO none
\i test/prelude.sql
SELECT plan(139);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
SELECT loyalty.program_create('Cafe', 'GBP', 'Europe/London', 'empty') AS cafe \gset
INSERT INTO loyalty.unit (program_id, code, kind) VALUES (:shop, 'points', 'points');
INSERT INTO loyalty.program_event (program_id, event) VALUES (:shop, 'visit');
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve');
CALL pg_temp.enroll('Cafe', 'zoe');
CREATE SCHEMA crm;
CREATE TABLE crm.customer (member_id bigint, spent numeric NOT NULL, city text);
CREATE VIEW crm.rich AS SELECT member_id FROM crm.customer WHERE spent >= 1000;
CREATE TABLE crm.list (who bigint);
INSERT INTO crm.customer
SELECT pg_temp.id(name), spent FROM (VALUES ('ann', 1000), ('bob', 999.99), ('cat', 5000), ('dan', 0)) v (name, spent);

-- 'ann cat': who is in a segment, by the table; 'ann entered, bob left': what became of it.
CREATE FUNCTION pg_temp.members(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(i.value, ' ' ORDER BY i.value), 'nobody')
	FROM loyalty.member_segment m JOIN loyalty.identity i USING (member_id) WHERE m.segment = $1
$$;
CREATE FUNCTION pg_temp.history(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(i.value || ' ' || h.action, ', ' ORDER BY h.history_id), 'nothing')
	FROM loyalty.segment_history h JOIN loyalty.identity i USING (member_id) WHERE h.segment = $1
$$;
-- 'rich 2 in 1 out 0 ignored': what a refresh did
CREATE FUNCTION pg_temp.refresh(program text, segment text DEFAULT NULL, names text[] DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(format('%s %s in %s out %s ignored', segment_name, n_entered, n_left, n_ignored), ', '), 'none')
	FROM loyalty.segment_refresh($1, $2, (SELECT array_agg(pg_temp.id(n)) FROM unnest($3) n WHERE $3 IS NOT NULL))
$$;

SELECT is(pg_temp.signature('segment_refresh'),
	'(program text, segment text DEFAULT NULL::text, member_ids bigint[] DEFAULT NULL::bigint[], OUT segment_name text, OUT n_entered bigint, OUT n_left bigint, OUT n_ignored bigint) -> SETOF record',
	'segment_refresh(): arguments');
SELECT is(pg_temp.signature('segment_add'), '(member_id bigint, segment text) -> boolean', 'segment_add(): arguments');
SELECT is(pg_temp.signature('segment_remove'), '(member_id bigint, segment text) -> boolean', 'segment_remove(): arguments');
SELECT is(pg_temp.signature('segment_drop'), '(program text, segment text) -> bigint', 'segment_drop(): arguments');
SELECT is(pg_temp.signature('segment_members'),
	'(program text, segment text) -> TABLE(member_id bigint, entered_at timestamp with time zone)', 'segment_members(): arguments');

-- A source
INSERT INTO loyalty.segment (program_id, name, title, source) VALUES (:shop, 'rich', 'Spent a thousand', 'crm.rich');
SELECT is(pg_temp.members('rich'), 'nobody', 'source: nobody is in it before it was read');
SELECT is(pg_temp.refresh('Shop', 'rich'), 'rich 2 in 0 out 0 ignored', 'source: who is in it enters');
SELECT is(pg_temp.members('rich'), 'ann cat', 'source: those and no others');
SELECT is(pg_temp.history('rich'), 'ann entered, cat entered', 'source: that is recorded');
SET loyalty.now = '2026-03-16 12:00+00';
SELECT is(pg_temp.refresh('Shop', 'rich'), 'rich 0 in 0 out 0 ignored', 'source: nothing changed');
SELECT is(pg_temp.history('rich'), 'ann entered, cat entered', 'source: nothing is recorded');
UPDATE crm.customer SET spent = 2000 WHERE member_id IN (pg_temp.id('bob'), pg_temp.id('cat'));
DELETE FROM crm.customer WHERE member_id = pg_temp.id('ann');
SELECT is(pg_temp.refresh('Shop', 'rich'), 'rich 1 in 1 out 0 ignored', 'source: one enters, one leaves');
SELECT is(pg_temp.members('rich'), 'bob cat', 'source: the others stay');
SELECT is(pg_temp.history('rich'), 'ann entered, cat entered, bob entered, ann left', 'source: only who changed is recorded');
SELECT results_eq($$SELECT member_id, entered_at FROM loyalty.segment_members('Shop', 'rich') ORDER BY entered_at$$,
	$$VALUES (pg_temp.id('cat'), '2026-03-15 12:00+00'::timestamptz), (pg_temp.id('bob'), '2026-03-16 12:00+00')$$,
	'segment_members(): who, and since when');
SELECT is((SELECT string_agg(to_char(changed_at, 'DD') || ' ' || program_id, ', ' ORDER BY history_id) FROM loyalty.segment_history WHERE member_id = pg_temp.id('ann')),
	format('15 %s, 16 %s', :shop, :shop), 'history: when, and of which programme');

-- What a source may say: more than once, NULL, an id that is nobody's, one of another programme
INSERT INTO crm.customer SELECT m, 3000 FROM unnest(ARRAY[pg_temp.id('bob'), NULL, NULL, -1, 0, 9223372036854775807, pg_temp.id('zoe')]) m;
SELECT is(pg_temp.refresh('Shop', 'rich'), 'rich 0 in 0 out 5 ignored', 'source: who is not of the programme is left out and counted, NULL once');
SELECT is(pg_temp.members('rich'), 'bob cat', 'source: and is not in it');
INSERT INTO loyalty.segment (program_id, name, source) VALUES (:cafe, 'rich', 'crm.rich');
SELECT is(pg_temp.refresh('Cafe', 'rich'), 'rich 1 in 0 out 6 ignored', 'source: the other programme takes its own');
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SELECT throws_ok($$SELECT * FROM loyalty.segment_members('Shop', 'nothing')$$, 'LY811', NULL, 'segment_members(): one that is not there, whatever the plan');
RESET enable_indexscan;
RESET enable_bitmapscan;
SELECT results_eq($$SELECT member_id FROM loyalty.segment_members('Cafe', 'rich')$$, $$SELECT pg_temp.id('zoe')$$, 'segment_members(): of one programme');

-- Some members only, as a trigger of the shop's would ask
INSERT INTO crm.customer SELECT pg_temp.id(name), 9000 FROM unnest('{dan,eve}'::text[]) name;
DELETE FROM crm.customer WHERE member_id IN (pg_temp.id('bob'), pg_temp.id('cat'));
SELECT is(pg_temp.refresh('Shop', 'rich', '{dan}'), 'rich 1 in 0 out 0 ignored', 'members: who is asked for enters');
SELECT is(pg_temp.members('rich'), 'bob cat dan zoe', 'members: the others are left as they were');
SELECT is(pg_temp.refresh('Shop', 'rich', '{bob,bob,ann,zoe}'), 'rich 0 in 1 out 1 ignored', 'members: who is asked for leaves');
SELECT is(pg_temp.members('rich'), 'cat dan zoe', 'members: twice is once');
SELECT is(pg_temp.refresh('Shop', 'rich', '{}'), 'rich 1 in 1 out 5 ignored', 'members: an empty list made of no names is NULL, all');
SELECT is((SELECT n_entered + n_left FROM loyalty.segment_refresh('Shop', 'rich', '{}')), 0::bigint, 'members: nobody');

-- Every source of a programme, and no other segment
INSERT INTO loyalty.segment (program_id, name, source, status) VALUES
	(:shop, 'list', 'crm.list', 'active'), (:shop, 'asleep', 'crm.list', 'inactive');
INSERT INTO loyalty.segment (program_id, name, condition) VALUES (:shop, 'old', '$.member.purchases > 10'), (:shop, 'club', NULL);
INSERT INTO crm.list SELECT pg_temp.id(n) FROM unnest('{ann,bob}'::text[]) n;
DELETE FROM crm.customer WHERE member_id = pg_temp.id('eve');
SELECT is(pg_temp.refresh('Shop'), 'list 2 in 0 out 0 ignored, rich 0 in 1 out 5 ignored', 'all: every active segment that has a source, a table is one too');
SELECT is(pg_temp.members('list'), 'ann bob', 'all: the table');
SELECT is(pg_temp.members('asleep'), 'nobody', 'inactive: nobody enters');
SELECT is(pg_temp.refresh('Shop', 'asleep'), 'none', 'inactive: nor when it is named');
UPDATE loyalty.segment SET status = 'inactive' WHERE name = 'list';
TRUNCATE crm.list;
SELECT is(pg_temp.refresh('Shop', 'list'), 'none', 'inactive: it is not read');
SELECT is(pg_temp.members('list'), 'ann bob', 'inactive: nobody leaves');
UPDATE loyalty.segment SET status = 'active' WHERE name = 'list';
SELECT is(pg_temp.refresh('Shop', 'list'), 'list 0 in 2 out 0 ignored', 'active again: it is read');
SELECT is(pg_temp.members('list'), 'nobody', 'active again: everybody leaves');

-- Lists
SELECT is(loyalty.segment_add(pg_temp.id('ann'), 'club'), true, 'segment_add: a new one');
SELECT is(loyalty.segment_add(pg_temp.id('ann'), 'club'), false, 'segment_add: was in it');
SELECT is(loyalty.segment_add(pg_temp.id('bob'), 'club'), true, 'segment_add: another');
SELECT is(loyalty.segment_remove(pg_temp.id('ann'), 'club'), true, 'segment_remove: was in it');
SELECT is(loyalty.segment_remove(pg_temp.id('ann'), 'club'), false, 'segment_remove: is in it no more');
SELECT is(loyalty.segment_add(pg_temp.id('ann'), 'club'), true, 'segment_add: again');
SELECT is(pg_temp.history('club'), 'ann entered, bob entered, ann left, ann entered', 'lists: all of it is recorded');
SELECT is(pg_temp.members('club'), 'ann bob', 'lists: who is in it');
CALL pg_temp.enroll('Shop', 'closed', 'merged', 'frozen');
SELECT loyalty.segment_add(pg_temp.id('closed'), 'club') \g /dev/null
SELECT FROM loyalty.member_close(pg_temp.id('closed'), 'test');
SELECT FROM loyalty.member_freeze(pg_temp.id('frozen'), 'test');
UPDATE loyalty.account SET status = 'merged' WHERE member_id = pg_temp.id('merged');
SELECT throws_ok(format($$SELECT loyalty.segment_add(%s, 'club')$$, pg_temp.id('merged')), 'LY504', NULL, 'segment_add: a merged member');
SELECT is(loyalty.segment_remove(pg_temp.id('closed'), 'club'), true, 'segment_remove: a closed member');
SELECT throws_ok(format($$SELECT loyalty.segment_add(%s, 'club')$$, pg_temp.id('closed')), 'LY502', NULL, 'segment_add: a closed member');
SELECT is(loyalty.segment_add(pg_temp.id('frozen'), 'club'), true, 'segment_add: a frozen member');
SELECT is(loyalty.segment_remove(pg_temp.id('frozen'), 'club'), true, 'segment_remove: a frozen member');

-- One kind becomes another: who is in it stays until it is read
UPDATE loyalty.segment SET source = 'crm.list' WHERE name = 'club';
INSERT INTO crm.list VALUES (pg_temp.id('bob')), (pg_temp.id('cat'));
SELECT is(pg_temp.members('club'), 'ann bob', 'from a list to a source: as before');
SELECT is(pg_temp.refresh('Shop', 'club'), 'club 1 in 1 out 0 ignored', 'from a list to a source: only what differs');
SELECT is(pg_temp.members('club'), 'bob cat', 'from a list to a source: once read');
UPDATE loyalty.segment SET source = NULL WHERE name = 'club';
SELECT is(loyalty.segment_remove(pg_temp.id('cat'), 'club'), true, 'from a source to a list');

-- All that can be read as one column of ids
CREATE MATERIALIZED VIEW crm.kept AS SELECT pg_temp.id('ann') AS "Member Id";
CREATE TABLE crm.parts (member_id bigint) PARTITION BY HASH (member_id);
CREATE TABLE crm."Part; 1" PARTITION OF crm.parts FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO crm.parts VALUES (pg_temp.id('ann'));
CREATE TABLE crm.rest (note text, member_id bigint, spent numeric);
ALTER TABLE crm.rest DROP COLUMN note, DROP COLUMN spent;
INSERT INTO crm.rest VALUES (pg_temp.id('ann'));
CREATE VIEW crm.invoker WITH (security_invoker = true) AS SELECT member_id FROM crm.rest;
CREATE TABLE crm.heir () INHERITS (crm.rest);
INSERT INTO crm.heir VALUES (pg_temp.id('bob'));
INSERT INTO loyalty.segment (program_id, name, source) VALUES (:shop, 'a_kept', 'crm.kept'), (:shop, 'b_parts', 'CRM.Parts'),
	(:shop, 'c_part', 'crm."Part; 1"'), (:shop, 'd_rest', 'crm . rest'), (:shop, 'e_invoker', 'crm.invoker'), (:shop, 'f_heir', 'crm.heir');
SELECT is(pg_temp.refresh('Shop', name, '{ann,bob}') || ' ' || source, expected, 'source: ' || source)
FROM loyalty.segment JOIN (VALUES ('a_kept', '1 in 0 out 0 ignored crm.kept'), ('b_parts', '1 in 0 out 0 ignored CRM.Parts'),
	('c_part', '1 in 0 out 0 ignored crm."Part; 1"'), ('d_rest', '2 in 0 out 0 ignored crm . rest'), ('e_invoker', '2 in 0 out 0 ignored crm.invoker'),
	('f_heir', '1 in 0 out 0 ignored crm.heir')) x (segment, result) ON segment = name CROSS JOIN LATERAL (SELECT name || ' ' || result) y (expected) ORDER BY name;
SELECT is((SELECT sum(n_left) FROM loyalty.segment_refresh('Shop', 'd_rest', ARRAY[[pg_temp.id('ann'), pg_temp.id('bob')], [1, -1]])), 0::numeric,
	'members: in rows and columns');
SELECT is((SELECT sum(loyalty.segment_drop('Shop', name)) FROM loyalty.segment WHERE name ~ '^._'), 8::numeric, 'they are dropped with all who are in them');

-- Bad input: an error, and not a row is changed
CREATE VIEW crm.two AS SELECT member_id, spent FROM crm.customer;
CREATE VIEW crm.none AS SELECT FROM crm.customer;
CREATE VIEW crm.words AS SELECT city FROM crm.customer;
CREATE VIEW crm.small AS SELECT 1 AS member_id;
CREATE VIEW crm.money AS SELECT spent FROM crm.customer;
CREATE DOMAIN crm.id AS bigint;
CREATE VIEW crm.disguised AS SELECT member_id::crm.id FROM crm.customer;
CREATE SEQUENCE crm.counter;
CREATE INDEX who_idx ON crm.list (who);
CREATE TYPE crm.pair AS (member_id bigint);
CREATE TEMP VIEW passing AS SELECT member_id FROM crm.customer;
CREATE FUNCTION crm.writes() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO crm.list SELECT member_id FROM crm.customer;
	RETURN 1;
END
$$;
CREATE VIEW crm.writing AS SELECT crm.writes() AS member_id;
CREATE VIEW crm.counting AS SELECT nextval('crm.counter') AS member_id;
CREATE VIEW crm.endless AS
	WITH RECURSIVE n AS (SELECT 1::bigint AS i UNION ALL SELECT 1 - i FROM n) SELECT i AS member_id FROM n;
CREATE VIEW crm.failing AS SELECT 1::bigint / (SELECT count(*) FROM crm.customer WHERE spent < 0) AS member_id;
CREATE VIEW crm.leaving AS SELECT member_id FROM crm.customer;
INSERT INTO loyalty.segment (program_id, name, source) VALUES
	(:shop, 'writing', 'crm.writing'), (:shop, 'counting', 'crm.counting'), (:shop, 'endless', 'crm.endless'),
	(:shop, 'failing', 'crm.failing'), (:shop, 'leaving', 'crm.leaving'), (:shop, 'quoted', '"crm"."rich"');
SELECT pg_temp.state() AS before \gset
SELECT throws_ok(format($$INSERT INTO loyalty.segment (program_id, name, source) VALUES (%s, 'bad', %L)$$, :shop, source), code, NULL, 'a source cannot be ' || what)
FROM (VALUES
	('crm.two', 'LY810', 'of two columns'), ('crm.none', 'LY810', 'of no column'), ('crm.words', 'LY810', 'text'), ('crm.small', 'LY810', 'int'),
	('crm.money', 'LY810', 'numeric'), ('crm.disguised', 'LY810', 'a domain'), ('crm.counter', 'LY810', 'a sequence'), ('crm.who_idx', 'LY810', 'an index'),
	('crm.pair', 'LY810', 'a type'), (pg_my_temp_schema()::regnamespace || '.passing', 'LY810', 'temporary'), ('rich', 'LY810', 'without its schema'),
	('postgres.crm.rich', 'LY810', 'of another database'), ('crm.nothing', '42P01', 'what is not there'), ('nowhere.rich', '3F000', 'in a schema that is not there'),
	('crm.rich; DROP TABLE crm.list', 'LY810', 'a statement'), ('', 'LY810', 'empty'), ('(SELECT 1)', 'LY810', 'a query')) v (source, code, what);
SET check_function_bodies = off;
SELECT throws_ok(format($$INSERT INTO loyalty.segment (program_id, name, source) VALUES (%s, 'bad', %L)$$, :shop, source), 'LY810', NULL, 'while a dump is loaded: ' || source)
FROM unnest('{crm.two,crm.counter,rich}'::text[]) source;
SAVEPOINT loaded;
SELECT lives_ok(format($$INSERT INTO loyalty.segment (program_id, name, source) VALUES (%s, 'later', %L)$$, :shop, source), 'while a dump is loaded, a source may come later: ' || source)
FROM unnest('{nowhere.later}'::text[]) source;
SELECT throws_ok($$SELECT loyalty.segment_refresh('Shop', 'later')$$, '3F000', NULL, 'but it is there when it is read');
ROLLBACK TO loaded;
RESET check_function_bodies;
SELECT throws_ok(format($$INSERT INTO loyalty.segment (program_id, name, %s) VALUES (%s, %s)$$, columns, :shop, vals), code, NULL, what)
FROM (VALUES
	('condition', $$'bad', '$.basket.amount > 1'$$, 'LY801', 'a condition must ask for what there is'),
	('condition', $$'bad', '$.member.tier'$$, 'LY801', 'a condition must be a predicate'),
	('condition', $$'bad', '$.profile.likes[*] ? (@ == $.profile.hates[*]) == "tea"'$$, 'LY805', 'a condition must not cost too much'),
	('condition, source', $$'bad', '$.member.purchases > 1', 'crm.rich'$$, '23514', 'a condition or a source, not both'),
	('title', $$'Bad name', NULL$$, '23514', 'a name of small letters'),
	('title', $$'rich', NULL$$, '23505', 'a name that is there already')) v (columns, vals, code, what);
SELECT throws_ok('INSERT INTO loyalty.segment (program_id, name) VALUES (-1, ''bad'')', '23503', NULL, 'a programme that is there');
SELECT throws_ok($$UPDATE loyalty.segment SET source = 'crm.two' WHERE name = 'rich'$$, 'LY810', NULL, 'an UPDATE is checked as well');
SELECT throws_ok(format('SELECT * FROM loyalty.segment_refresh(%s)', args), code, NULL, what)
FROM (VALUES
	('NULL', '22004', 'segment_refresh: no programme'), ($$'Nobody'$$, 'LY403', 'segment_refresh: a programme that is not there'),
	($$'Shop', 'nothing'$$, 'LY811', 'segment_refresh: a segment that is not there'),
	($$'Shop', 'club'$$, 'LY810', 'segment_refresh: a list has no source'), ($$'Shop', 'old'$$, 'LY810', 'segment_refresh: a condition is no source'),
	($$'Shop', 'rich', ARRAY[1, NULL]$$, '22004', 'segment_refresh: NULL among the members'),
	($$'Shop', 'writing'$$, '25006', 'a source cannot write'), ($$'Shop', 'counting'$$, '25006', 'nor take from a sequence'),
	($$'Shop', 'failing'$$, '22012', 'what goes wrong in a source is told'),
	($$'Shop'$$, '25006', 'and lets nothing of it through when all are read')) v (args, code, what);
SELECT throws_ok(call, code, NULL, call) FROM (VALUES
	($$SELECT loyalty.segment_add(NULL, 'club')$$, '22004'), ($$SELECT loyalty.segment_add(pg_temp.id('ann'), NULL)$$, '22004'),
	($$SELECT loyalty.segment_add(-1, 'club')$$, 'LY501'), ($$SELECT loyalty.segment_add(pg_temp.id('ann'), 'nothing')$$, 'LY811'),
	($$SELECT loyalty.segment_add(pg_temp.id('zoe'), 'club')$$, 'LY811'), ($$SELECT loyalty.segment_add(pg_temp.id('ann'), 'rich')$$, 'LY812'),
	($$SELECT loyalty.segment_remove(pg_temp.id('ann'), 'old')$$, 'LY812'), ($$SELECT loyalty.segment_remove(-1, 'club')$$, 'LY501'),
	($$SELECT * FROM loyalty.segment_members('Shop', 'nothing')$$, 'LY811'), ($$SELECT * FROM loyalty.segment_members('Nobody', 'rich')$$, 'LY403'),
	($$SELECT * FROM loyalty.segment_members(NULL, 'rich')$$, '22004'), ($$SELECT * FROM loyalty.segment_members('Shop', NULL)$$, '22004'),
	($$SELECT loyalty.segment_drop('Shop', 'nothing')$$, 'LY811'), ($$SELECT loyalty.segment_drop(NULL, 'rich')$$, '22004')) v (call, code);
-- One that does not end is ended like any other query
CREATE FUNCTION pg_temp.ended(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'in time';
EXCEPTION WHEN query_canceled THEN
	RETURN 'cancelled';
END
$$;
SET statement_timeout = '300ms';
SELECT is(pg_temp.ended($$SELECT loyalty.segment_refresh('Shop', 'endless')$$), 'cancelled', 'a source that does not end');
RESET statement_timeout;
SELECT is(pg_temp.state(), :'before', 'none of it has changed a row');
SELECT is((SELECT count(*) FROM crm.list), 2::bigint, 'nor one of the shop''s');
SELECT is(pg_temp.refresh('Shop', 'quoted'), 'quoted 1 in 0 out 5 ignored', 'names may be quoted');

-- What becomes of the source later
DROP VIEW crm.leaving;
SELECT throws_ok($$SELECT loyalty.segment_refresh('Shop', 'leaving')$$, '42P01', NULL, 'a source that is gone');
SELECT lives_ok($$UPDATE loyalty.segment SET status = 'inactive' WHERE name = 'leaving'$$, 'can be left out');
CREATE VIEW crm.leaving AS SELECT 'x' AS member_id;
UPDATE loyalty.segment SET status = 'active' WHERE name = 'leaving';
SELECT throws_ok($$SELECT loyalty.segment_refresh('Shop', 'leaving')$$, 'LY810', NULL, 'a source that has become another');

-- The history is never changed, whoever tries
SELECT throws_ok(statement, 'LY190', NULL, statement) FROM unnest(ARRAY[
	'UPDATE loyalty.segment_history SET changed_at = now()', 'DELETE FROM loyalty.segment_history', 'TRUNCATE loyalty.segment_history']) statement;

-- What is named is not dropped
SELECT FROM pg_temp.rule(format('{"program": "Shop", "event": "visit", "award": 1, "segments": "{rich,club}"}')::jsonb);
SELECT throws_ok($$SELECT loyalty.segment_drop('Shop', 'rich')$$, '23503', NULL, 'segment_drop: one that a rule names');
SELECT throws_ok($$DELETE FROM loyalty.segment WHERE name = 'club'$$, '23503', NULL, 'DELETE: one that a rule names');
SELECT throws_ok($$UPDATE loyalty.segment SET name = 'house' WHERE name = 'club'$$, '23503', NULL, 'renamed: one that a rule names');
SELECT throws_ok($$SELECT pg_temp.rule('{"program": "Shop", "event": "visit", "award": 1, "segments": "{nothing}"}')$$, '23503', NULL, 'a rule names what is there');
SELECT is(pg_temp.members('rich'), 'dan zoe', 'segment_drop: nobody has left');
DELETE FROM loyalty.rule;
SELECT throws_ok($$DELETE FROM loyalty.segment WHERE name = 'club'$$, '23503', NULL, 'DELETE: one that somebody is in');
SELECT throws_ok($$UPDATE loyalty.segment SET name = 'house' WHERE name = 'club'$$, '23503', NULL, 'renamed: one that somebody is in');
INSERT INTO loyalty.benefit (program_id, name, kind) VALUES (:shop, 'lounge', 'flag');
INSERT INTO loyalty.benefit_holder (program_id, benefit_id, source, name) SELECT :shop, benefit_id, 'segment', 'rich' FROM loyalty.benefit;
SELECT throws_ok($$SELECT loyalty.segment_drop('Shop', 'rich')$$, '23503', NULL, 'segment_drop: one that has a benefit');
DELETE FROM loyalty.benefit_holder;
SELECT is(loyalty.segment_drop('Shop', 'rich'), 1::bigint, 'segment_drop: who was in it has left');
SELECT is(pg_temp.members('rich'), 'zoe', 'segment_drop: of this programme only');
SELECT is(pg_temp.history('club'), 'ann entered, bob entered, ann left, ann entered, closed entered, closed left, frozen entered, frozen left, cat entered, ann left, cat left',
	'history: a list, its source, a list again');
SELECT is((SELECT count(*) FROM loyalty.segment WHERE program_id = :shop AND name = 'rich'), 0::bigint, 'segment_drop: it is gone');
SELECT is(loyalty.segment_drop('Shop', 'old'), 0::bigint, 'segment_drop: nobody was in it');
UPDATE loyalty.segment SET name = 'slumber' WHERE name = 'asleep';
SELECT is((SELECT count(*) FROM loyalty.segment WHERE name = 'slumber'), 1::bigint, 'renamed: one that nobody is in and nothing names');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
