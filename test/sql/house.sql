\set ECHO none
\i test/prelude.sql
SELECT plan(85);

-- The rules that every object of the extension keeps. Each rule is a query for
-- what breaks it.
CREATE TEMP VIEW member AS
	SELECT d.classid, d.objid
	FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'loyalty';
CREATE TEMP VIEW relation AS
	SELECT c.* FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid;
CREATE TEMP VIEW routine AS
	SELECT p.*, p.oid::regprocedure::text AS signature FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid;
CREATE TEMP VIEW attribute AS
	SELECT c.oid::regclass::text AS relation, c.relname, c.relkind, a.attrelid, a.attnum, a.attname, a.atttypid,
		a.attnotnull, a.attidentity, a.attgenerated, a.attacl
	FROM relation c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped;
-- Columns of every key and unique index, in order.
CREATE TEMP VIEW unique_index AS
	SELECT c.relname, i.indexrelid::regclass::text AS index, i.indisprimary,
		ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int[]) WITH ORDINALITY k (attnum, place)
			JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
			WHERE k.place <= i.indnkeyatts ORDER BY k.place) AS columns
	FROM relation c JOIN pg_index i ON i.indrelid = c.oid AND i.indisunique;

CREATE TEMP TABLE rule (no int GENERATED ALWAYS AS IDENTITY, what text, sql text);
INSERT INTO rule (what, sql) VALUES
	-- dump and restore
	('every table and sequence is registered for pg_dump',
	 $$SELECT oid::regclass::text FROM relation
	   WHERE relkind IN ('r', 'S') AND oid <> ALL (SELECT unnest(extconfig) FROM pg_extension WHERE extname = 'loyalty')$$),
	('rows of the script itself are left out of the dump, and only those',
	 $$SELECT c.oid::regclass::text FROM pg_extension e, unnest(e.extconfig, e.extcondition) x (relation, condition)
	   JOIN pg_class c ON c.oid = x.relation
	   WHERE e.extname = 'loyalty' AND condition <> CASE WHEN EXISTS (
		SELECT FROM attribute a WHERE a.attrelid = c.oid AND a.attname = 'builtin') THEN 'WHERE NOT builtin' ELSE '' END$$),
	('no table is partitioned, inherits, is unlogged or has a rule',
	 $$SELECT oid::regclass::text FROM relation
	   WHERE relkind IN ('p', 'f', 'm') OR relispartition OR relhassubclass OR relpersistence <> 'p' OR (relkind = 'r' AND relhasrules)$$),
	('no trigger of a dumped table writes rows',
	 $$SELECT t.tgrelid::regclass || ' ' || t.tgname FROM relation c JOIN pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal
	   WHERE t.tgfoid <> ALL ('{loyalty.journal_immutable,loyalty.report_period_kept,loyalty.message_channel_in_use,loyalty.config_changed,loyalty.automation_check,loyalty.automation_step_check,loyalty.automation_step_needed,loyalty.program_check,loyalty.unit_check,loyalty.rule_check,loyalty.rule_cap_check,loyalty.tier_check,loyalty.tag_condition_check,loyalty.segment_check,loyalty.benefit_fixed,loyalty.benefit_check,loyalty.benefit_holder_check,loyalty.benefit_price_check,loyalty.config_reference,loyalty.config_in_use,loyalty.plan_check,loyalty.coupon_terms_check,loyalty.coupon_pack_check,loyalty.topup_check,loyalty.topup_step_check,loyalty.cart_check,loyalty.cart_unit_check,loyalty.message_channel_check}'::regproc[])
	   -- what writes must not fire while rows are loaded
	   AND NOT (t.tgfoid = ANY ('{loyalty.rule_keep,loyalty.coupon_keep,loyalty.tag_forget_scan,loyalty.report_message_changed,loyalty.report_message_deleted,loyalty.report_run_changed}'::regproc[]) AND t.tgtype & 4 = 0)$$),
	('no column has a type that pg_upgrade cannot carry',
	 $$SELECT relation || '.' || attname FROM attribute
	   WHERE atttypid = ANY ('{regproc,regprocedure,regoper,regoperator,regconfig,regdictionary,regnamespace,regcollation}'::regtype[])$$),
	('no table has a foreign key, which a parallel restore could not keep',
	 $$SELECT f.conname::text FROM pg_constraint f JOIN relation c ON c.oid = f.conrelid WHERE f.contype = 'f'$$),
	('a constraint of several columns has a name that says what is wrong',
	 $$SELECT f.conname::text FROM pg_constraint f JOIN relation c ON c.oid = f.conrelid
	   WHERE f.contype = 'c' AND f.conname ~ ('^' || c.relname || '_check[0-9]*$')$$),
	('nothing stands outside the schema loyalty',
	 $$SELECT i.identity FROM member m, pg_identify_object(m.classid, m.objid, 0) i
	   WHERE i.schema IS DISTINCT FROM 'loyalty' AND i.identity <> 'loyalty'$$),
	('no event trigger, policy or cast',
	 $$SELECT pg_describe_object(classid, objid, 0) FROM member
	   WHERE classid = ANY ('{pg_event_trigger,pg_policy,pg_cast}'::regclass[])$$),

	-- rights
	('no function is executable by everybody',
	 $$SELECT signature FROM routine WHERE EXISTS (
		SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0)$$),
	('no relation is open to everybody',
	 $$SELECT oid::regclass::text FROM relation WHERE EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee = 0)
	   UNION ALL SELECT relation || '.' || attname FROM attribute WHERE EXISTS (SELECT FROM aclexplode(attacl) WHERE grantee = 0)
	   UNION ALL SELECT nspname::text FROM pg_namespace WHERE nspname = 'loyalty' AND EXISTS (SELECT FROM aclexplode(nspacl) WHERE grantee = 0)$$),
	('a function has a fixed search_path, is parsed already, or is immutable C; a procedure that has one cannot commit',
	 $$SELECT signature FROM routine JOIN pg_language l ON l.oid = prolang
	   WHERE prokind NOT IN ('a', 'p') AND prosqlbody IS NULL AND NOT (lanname = 'c' AND provolatile = 'i')
	   AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false)$$),
	('a function that runs with its owner''s rights has a fixed search_path',
	 $$SELECT signature FROM routine WHERE prosecdef
	   AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false)$$),
	('a function of C, or parsed already; those that build their SQL name roles or a shop''s table',
	 $$SELECT signature FROM routine JOIN pg_language l ON l.oid = prolang
	   WHERE lanname NOT IN ('c', 'internal') AND prosqlbody IS NULL AND proname <> ALL ('{setup_roles,attach,attach_catch_up,attach_count,attach_query,detach,reconcile}')$$),
	('what changes a member runs with its owner''s rights, but what reads a shop''s table with its caller''s',
	 $$SELECT signature FROM routine WHERE provolatile = 'v' AND NOT prosecdef
	   AND prorettype <> 'trigger'::regtype AND proname <> ALL ('{setup_roles,attach,attach_catch_up,detach,ingest,import_members,maintain}')$$),
	('views run with the rights of their reader',
	 $$SELECT oid::regclass::text FROM relation WHERE relkind = 'v'
	   AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)$$),
	('type internal is for the support of types and aggregates',
	 $$SELECT signature FROM routine WHERE 'internal'::regtype = ANY (proargtypes::oid[] || prorettype)
	   AND proname <> ALL ('{wallet_recv,wallet_fold_add,wallet_fold_end}')$$),
	('the library''s functions are its own',
	 $$SELECT signature FROM routine JOIN pg_language l ON l.oid = prolang
	   WHERE lanname = 'c' AND (prosrc !~ '^loyalty_' OR probin <> '$libdir/loyalty')$$),

	-- types
	('no amount is a floating point number, nor of type money',
	 $$SELECT relation || '.' || attname FROM attribute WHERE atttypid = ANY ('{real,double precision,money}'::regtype[])
	   UNION ALL SELECT signature FROM routine
	   WHERE coalesce(proallargtypes, proargtypes::oid[]) || prorettype && '{real,double precision,money}'::regtype[]::oid[]$$),
	('no time is without a zone, but for hours of the programme''s clock, no text has a width',
	 $$SELECT relation || '.' || attname FROM attribute WHERE relation || '.' || attname <> ALL ('{loyalty.rule.time_from,loyalty.rule.time_until,loyalty.coupon.time_from,loyalty.coupon.time_until,loyalty.offer.time_from,loyalty.offer.time_until,loyalty.message_channel.quiet_from,loyalty.message_channel.quiet_until,loyalty.automation.at_time}') AND atttypid = ANY ('{timestamp,time,timetz,varchar,bpchar,json}'::regtype[])
	   UNION ALL SELECT signature FROM routine
	   WHERE coalesce(proallargtypes, proargtypes::oid[]) || prorettype && '{timestamp,time,timetz,varchar,bpchar,json}'::regtype[]::oid[]$$),
	('no enum, domain or range',
	 $$SELECT t.typname::text FROM member m JOIN pg_type t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
	   WHERE t.typtype IN ('e', 'd', 'r', 'm')$$),
	('no column counts by itself but ids of configuration',
	 $$SELECT relation || '.' || attname FROM attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	   WHERE relkind = 'r' AND (attidentity <> '' OR attgenerated <> ''
		OR (pg_get_expr(d.adbin, d.adrelid) ~ 'nextval' AND relname <> ALL ('{automation,benefit,plan,coupon,program,unit,rule,campaign,budget,tier,ingest_run}')))$$),
	('no function takes or returns the row of a table',
	 $$SELECT signature FROM routine, unnest(coalesce(proallargtypes, proargtypes::oid[]) || prorettype) a (type)
	   JOIN pg_type t ON t.oid = a.type LEFT JOIN pg_type element ON element.oid = t.typelem
	   JOIN pg_class c ON c.oid IN (t.typrelid, element.typrelid) WHERE c.relkind IN ('r', 'v')$$),

	-- calls
	('NULL for a required argument is an error, not an answer',
	 $$SELECT signature FROM routine WHERE provolatile = 'v' AND proisstrict$$),
	('what changes something takes at, key and mode by name',
	 $$SELECT signature FROM routine WHERE prorettype = 'loyalty.receipt'::regtype
	   AND (NOT proargnames @> '{at,key,mode}' OR proargnames[1] <> ALL ('{member_id,program}')
		OR pg_get_function_arguments(oid) !~ 'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text')$$),
	('every argument has a name',
	 $$SELECT signature FROM routine WHERE prokind = 'f' AND prorettype <> 'trigger'::regtype AND pronargs > 0
	   AND (proargnames IS NULL OR '' = ANY (proargnames))$$),
	('functions, no procedures but those that commit, and none with a list of arguments',
	 $$SELECT signature FROM routine WHERE (prokind = 'p' AND proname <> ALL ('{ingest,import_members,maintain}')) OR provariadic <> 0$$),
	('no function has a second form',
	 $$SELECT proname::text FROM routine GROUP BY proname HAVING count(*) > 1$$),
	('what writes is not run in parallel',
	 $$SELECT signature FROM routine WHERE provolatile = 'v' AND proparallel <> 'u'$$),

	-- a distributed engine
	('every table is declared in table_kind, and nothing else is',
	 $$SELECT coalesce(c.relname, k.table_name)::text FROM (SELECT * FROM relation WHERE relkind = 'r') c
	   FULL JOIN loyalty.table_kind k ON k.table_name = c.relname WHERE c.relname IS NULL OR k.table_name IS NULL$$),
	('every table has a primary key',
	 $$SELECT oid::regclass::text FROM relation WHERE relkind = 'r' AND relname NOT IN (SELECT relname FROM unique_index WHERE indisprimary)$$),
	('member_id is a bigint and never NULL',
	 -- a row that was rejected may have none, a code need not belong to anybody
	 $$SELECT relation || '.' || attname FROM attribute WHERE relkind = 'r' AND attname = 'member_id' AND relation::text <> ALL ('{loyalty.ingest_reject,loyalty.coupon_code}')
	   AND NOT (atttypid = 'bigint'::regtype AND attnotnull)$$),
	('a member''s tables have member_id first in each key, others not at all or as what is looked up',
	 $$SELECT u.index FROM unique_index u JOIN loyalty.table_kind k ON k.table_name = u.relname
	   WHERE k.kind = 'member' AND u.columns[1] <> 'member_id'
	   UNION ALL SELECT a.relation FROM attribute a JOIN loyalty.table_kind k ON k.table_name = a.relname
	   WHERE k.kind = 'reference' AND a.attname = 'member_id'$$),
	('a lookup table has the column it is found by first in its key',
	 $$SELECT u.index FROM unique_index u JOIN loyalty.table_kind k ON k.table_name = u.relname
	   WHERE k.kind = 'lookup' AND u.columns[1] <> k.column_name$$),
	('tables of members and lookup tables carry the programme',
	 $$SELECT k.table_name::text FROM loyalty.table_kind k WHERE k.kind IN ('member', 'lookup') AND NOT EXISTS (
		SELECT FROM attribute a WHERE a.relname = k.table_name AND a.attname = 'program_id' AND a.attnotnull AND a.atttypid = 'int'::regtype)$$),
	('an account changes in place: no index but on its key, its programme and due_on',
	 $$SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
	   WHERE i.indrelid = 'loyalty.account'::regclass AND a.attname NOT IN ('member_id', 'program_id', 'due_on')$$),

	-- words
	('every object has a comment',
	 $$SELECT pg_describe_object(m.classid, m.objid, 0) FROM member m LEFT JOIN pg_type t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
	   LEFT JOIN pg_class r ON r.oid = t.typrelid
	   WHERE obj_description(m.objid, m.classid::regclass::name) IS NULL AND coalesce(t.typelem = 0 OR t.typlen <> -1, true)
	   -- from some release on the row types of tables and views are members as well
	   AND coalesce(r.relkind, 'c') = 'c'
	   AND m.classid <> ALL ('{pg_language,pg_am}'::regclass[])$$),
	('no comment is empty or ends in a full stop',
	 $$SELECT pg_describe_object(m.classid, m.objid, 0) FROM member m WHERE obj_description(m.objid, m.classid::regclass::name) ~ '(^\s*|[^.]\.)$'$$),
	-- the columns of offer are those of coupon
	('every column of a view has a comment',
	 $$SELECT relation || '.' || attname FROM attribute WHERE relkind = 'v' AND relname <> 'offer'
	   AND coalesce(col_description(attrelid, attnum), '') !~ '[^.]$'$$),
	('no view has a document, or what only members and the owner may see',
	 $$SELECT relation || '.' || attname FROM attribute WHERE relkind = 'v' AND relname <> 'offer'
	   AND (atttypid IN ('json'::regtype, 'jsonb'::regtype) OR attname IN ('profile', 'value', 'data', 'code', 'salt', 'request_hash', 'wallet'))$$),
	('names are lower case words',
	 $$SELECT relation || '.' || attname FROM attribute WHERE attname !~ '^[a-z][a-z0-9_]*$'
	   UNION ALL SELECT signature FROM routine WHERE proname !~ '^[a-z][a-z0-9_]*$'$$);

CREATE FUNCTION pg_temp.broken(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	names text;
BEGIN
	EXECUTE format('SELECT string_agg(name, '', '' ORDER BY name) FROM (%s) x (name)', sql) INTO names;
	RETURN coalesce(names, 'nothing');
END
$$;

SELECT is(pg_temp.broken(sql), 'nothing', what) FROM rule ORDER BY no;

SELECT is((SELECT format('%s %s', extnamespace::regnamespace, extrelocatable) FROM pg_extension WHERE extname = 'loyalty'),
	'pg_catalog f', 'the extension itself stands in pg_catalog and cannot move');
SELECT results_eq(
	$$SELECT superuser, trusted FROM pg_available_extension_versions WHERE name = 'loyalty' AND installed$$,
	$$VALUES (true, false)$$, 'only a superuser installs it');

SELECT is_empty($$SELECT name FROM pg_settings WHERE name LIKE 'loyalty.%' AND context NOT IN ('superuser', 'sighup')$$,
	'settings are the superuser''s, or of the configuration file');

-- A rule that nothing could break would be worth nothing. These objects break
-- every one of them.
CREATE TABLE loyalty.bad_member (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, member_id int,
	"Price" double precision, at timestamp, f regproc, parent int REFERENCES loyalty.bad_member, CHECK (id <> member_id));
CREATE TABLE loyalty.bad_lookup (value text, member_id bigint NOT NULL PRIMARY KEY REFERENCES loyalty.member);
CREATE UNLOGGED TABLE loyalty.bad_unlogged (program_id int);
CREATE TABLE public.bad_outside (id int PRIMARY KEY);
CREATE INDEX bad_index ON loyalty.account (status);
CREATE VIEW loyalty.bad_view AS SELECT 1 AS one, '{}'::jsonb AS two;
CREATE TYPE loyalty.bad_enum AS ENUM ('one');
CREATE FUNCTION loyalty.bad_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER bad_trigger AFTER INSERT ON loyalty.bad_member FOR EACH ROW EXECUTE FUNCTION loyalty.bad_trigger();
CREATE FUNCTION loyalty.bad_definer(int) RETURNS loyalty.member LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM loyalty.member';
CREATE FUNCTION loyalty.bad_verb(id int) RETURNS loyalty.receipt LANGUAGE sql STRICT PARALLEL SAFE AS 'SELECT NULL::loyalty.receipt';
CREATE FUNCTION loyalty.bad_internal(state internal) RETURNS bigint LANGUAGE internal IMMUTABLE AS 'int8inc';
CREATE FUNCTION loyalty.bad_library() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE PROCEDURE loyalty.bad_procedure() LANGUAGE sql AS '';
CREATE FUNCTION loyalty.now(zone text) RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT now()';
CREATE CAST (loyalty.wallet AS text) WITH INOUT;
GRANT SELECT ON loyalty.bad_view TO PUBLIC;
COMMENT ON VIEW loyalty.bad_view IS 'It ends in a full stop.';
INSERT INTO loyalty.table_kind VALUES ('bad_member', 'member', NULL), ('bad_lookup', 'lookup', 'value');
UPDATE pg_extension SET extcondition = array_replace(extcondition, 'WHERE NOT builtin', '') WHERE extname = 'loyalty';
ALTER EXTENSION loyalty ADD TABLE loyalty.bad_member;
ALTER EXTENSION loyalty ADD TABLE loyalty.bad_lookup;
ALTER EXTENSION loyalty ADD TABLE loyalty.bad_unlogged;
ALTER EXTENSION loyalty ADD TABLE public.bad_outside;
ALTER EXTENSION loyalty ADD VIEW loyalty.bad_view;
ALTER EXTENSION loyalty ADD TYPE loyalty.bad_enum;
ALTER EXTENSION loyalty ADD FUNCTION loyalty.bad_trigger();
ALTER EXTENSION loyalty ADD FUNCTION loyalty.bad_definer(int);
ALTER EXTENSION loyalty ADD FUNCTION loyalty.bad_verb(int);
ALTER EXTENSION loyalty ADD FUNCTION loyalty.bad_internal(internal);
ALTER EXTENSION loyalty ADD FUNCTION loyalty.bad_library();
ALTER EXTENSION loyalty ADD PROCEDURE loyalty.bad_procedure();
ALTER EXTENSION loyalty ADD FUNCTION loyalty.now(text);
ALTER EXTENSION loyalty ADD CAST (loyalty.wallet AS text);

SELECT isnt(pg_temp.broken(sql), 'nothing', 'seen when broken: ' || what) FROM rule ORDER BY no;

SELECT * FROM finish();
ROLLBACK;
