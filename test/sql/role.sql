\set ECHO none
\i test/prelude.sql
SELECT plan(136);

SELECT is(pg_temp.signature('setup_roles'), '(prefix text DEFAULT ''loyalty''::text) -> void', 'setup_roles(): arguments');

-- Refused
SELECT throws_ok('SELECT loyalty.setup_roles(NULL)', '22004', NULL, 'setup_roles: no prefix');
SELECT throws_ok(format('SELECT loyalty.setup_roles(%L)', prefix), '22023', NULL, format('setup_roles: not %L', left(prefix, 20)))
FROM unnest(ARRAY['', 'Shop', '1shop', '_shop', 'my shop', 'x"; DROP ROLE y; --', 'é', 'pg_shop', repeat('x', 56)]) prefix;
CREATE ROLE loyalty_test_nobody;
SET ROLE loyalty_test_nobody;
SELECT throws_ok($$SELECT loyalty.setup_roles('loyalty_test_x')$$, '42501', NULL, 'setup_roles: not for everybody');
RESET ROLE;
CREATE ROLE loyalty_test_strong_owner SUPERUSER;
SELECT throws_ok($$SELECT loyalty.setup_roles('loyalty_test_strong')$$, '55000', NULL, 'setup_roles: an owner who may do anything');
SELECT is_empty($$SELECT rolname FROM pg_roles WHERE rolname ~ '^loyalty_test_strong_' AND rolname <> 'loyalty_test_strong_owner'$$,
	'what was refused has made no role');
SELECT lives_ok(format('SELECT loyalty.setup_roles(%L)', repeat('x', 55)), 'setup_roles: the longest prefix');

-- The same state after every run; what the administrator granted stays.
CREATE FUNCTION pg_temp.rights() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT md5(string_agg(line, E'\n' ORDER BY line)) FROM (
		SELECT format('%s %s', p.oid, p.proowner) || ' ' || unnest(p.proacl)::text FROM pg_proc p WHERE p.pronamespace = 'loyalty'::regnamespace
		UNION ALL SELECT format('%s %s', c.oid, c.relowner) || ' ' || unnest(c.relacl)::text FROM pg_class c WHERE c.relnamespace = 'loyalty'::regnamespace
		UNION ALL SELECT format('%s.%s', a.attrelid, a.attnum) || ' ' || unnest(a.attacl)::text FROM pg_attribute a
		UNION ALL SELECT unnest(nspacl)::text FROM pg_namespace WHERE nspname = 'loyalty'
		UNION ALL SELECT to_jsonb(r)::text FROM pg_roles r WHERE r.rolname ~ '^loyalty_test'
		UNION ALL SELECT format('%s %s', m.roleid, m.member) FROM pg_auth_members m) x (line)
$$;
SELECT loyalty.setup_roles('loyalty_test');
GRANT EXECUTE ON FUNCTION loyalty.balance TO loyalty_test_nobody;
ALTER ROLE loyalty_test_app SET statement_timeout = '5s';
SELECT pg_temp.rights() AS rights \gset
SELECT loyalty.setup_roles('loyalty_test');
SELECT is(pg_temp.rights(), :'rights', 'setup_roles: a second run changes nothing');
REVOKE EXECUTE ON FUNCTION loyalty.redeem FROM loyalty_test_app;
REVOKE SELECT ON loyalty.report_daily FROM loyalty_test_reader;
ALTER FUNCTION loyalty.hold OWNER TO CURRENT_USER;
SELECT loyalty.setup_roles('loyalty_test');
SELECT is(pg_temp.rights(), :'rights', 'setup_roles: and puts right what was taken away');
REVOKE EXECUTE ON FUNCTION loyalty.balance FROM loyalty_test_nobody;

-- The roles
SELECT results_eq(
	$$SELECT substr(rolname, 14)::text COLLATE "C", rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication
	  FROM pg_roles WHERE rolname ~ '^loyalty_test_(owner|admin|app|worker|reader|pii|auditor)$' ORDER BY 1$$,
	$$VALUES ('admin' COLLATE "C", false), ('app', false), ('auditor', false), ('owner', false), ('pii', false), ('reader', false), ('worker', false)$$,
	'seven roles that cannot log in and have no rights in the server');
SELECT set_eq(
	$$SELECT m.member::regrole::text || ' has ' || m.roleid::regrole FROM pg_auth_members m WHERE m.member::regrole::text ~ '^loyalty_test_'$$,
	'{loyalty_test_admin has loyalty_test_app,loyalty_test_pii has loyalty_test_reader,loyalty_test_auditor has loyalty_test_reader}'::text[],
	'the administrator may what the application may; who reads more may what the reader may');
SELECT is((SELECT rolconfig FROM pg_roles WHERE rolname = 'loyalty_test_app'),
	'{statement_timeout=5s,idle_in_transaction_session_timeout=60s}'::text[], 'time-outs for the application; one that was set stays');
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p
	WHERE p.pronamespace = 'loyalty'::regnamespace AND p.prosecdef AND p.proowner <> 'loyalty_test_owner'::regrole$$,
	'what runs with its owner''s rights belongs to the owner role');
SELECT is_empty($$SELECT c.oid::regclass FROM pg_class c WHERE c.relowner = 'loyalty_test_owner'::regrole$$,
	'who owns no table, and cannot take the guard from the ledger');

-- Who may call what, function by function: those that are not here nobody.
CREATE TEMP TABLE call (name text PRIMARY KEY, roles text NOT NULL);
INSERT INTO call (name, roles) VALUES
	('enroll', 'admin app'), ('record', 'admin app'), ('purchase', 'admin app'), ('sale', 'admin app'), ('vest', 'admin app'),
	('redeem', 'admin app'), ('hold', 'admin app'), ('capture', 'admin app'), ('release', 'admin app'),
	('refund', 'admin app'), ('transfer', 'admin app'), ('identity_add', 'admin app'), ('member_get', 'admin app'),
	('find', 'admin app pii'), ('identity_canonical', 'admin app pii'),
	('balance', 'admin app auditor pii reader'), ('statement', 'admin app auditor'), ('now', 'admin app auditor pii reader worker'),
	('adjust', 'admin'), ('program_create', 'admin'), ('identity_remove', 'admin'), ('rebuild', 'admin'),
	('member_freeze', 'admin'), ('member_thaw', 'admin'), ('member_close', 'admin'), ('member_reopen', 'admin'),
	('account_settle', 'admin worker'), ('verify', 'admin auditor worker'),
	('unit_amount', 'auditor pii reader'), ('wallet_balance', 'auditor pii reader'), ('wallet_pending', 'auditor pii reader'),
	('wallet_debt', 'auditor pii reader'), ('wallet_lots', 'auditor pii reader');
SELECT is(
	(SELECT coalesce(string_agg(role, ' ' ORDER BY role COLLATE "C"), '') FROM unnest('{admin,app,auditor,pii,reader,worker}'::text[]) role
	 WHERE has_function_privilege('loyalty_test_' || role, p.oid, 'EXECUTE')),
	coalesce(c.roles, ''), format('%s: %s', p.proname, coalesce(c.roles, 'nobody')))
FROM pg_proc p LEFT JOIN call c ON c.name = p.proname WHERE p.pronamespace = 'loyalty'::regnamespace ORDER BY p.proname COLLATE "C";
SELECT is_empty($$SELECT name FROM call WHERE name NOT IN (SELECT proname FROM pg_proc WHERE pronamespace = 'loyalty'::regnamespace)$$,
	'and all of these exist');

-- Who may do what with a relation: "r" reads it, "r*" reads some columns, "a"
-- inserts, "w" updates, "d" deletes.
CREATE FUNCTION pg_temp.may(role text, relation oid) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN has_table_privilege(role, relation, 'SELECT') THEN 'r'
		WHEN has_any_column_privilege(role, relation, 'SELECT') THEN 'r*' ELSE '' END
		|| CASE WHEN has_table_privilege(role, relation, 'INSERT') THEN 'a' ELSE '' END
		|| CASE WHEN has_table_privilege(role, relation, 'UPDATE') THEN 'w' ELSE '' END
		|| CASE WHEN has_table_privilege(role, relation, 'DELETE') THEN 'd' ELSE '' END
		|| CASE WHEN has_table_privilege(role, relation, 'TRUNCATE') THEN 'D' ELSE '' END
		|| CASE WHEN has_table_privilege(role, relation, 'REFERENCES') THEN 'x' ELSE '' END
		|| CASE WHEN has_table_privilege(role, relation, 'TRIGGER') THEN 't' ELSE '' END
		|| CASE WHEN has_any_column_privilege(role, relation, 'INSERT, UPDATE, REFERENCES') AND NOT has_table_privilege(role, relation, 'INSERT, UPDATE, REFERENCES') THEN '!' ELSE '' END
$$;
SELECT set_eq(
	$$SELECT c.relname::text, x.role, pg_temp.may('loyalty_test_' || x.role, c.oid)
	  FROM pg_class c CROSS JOIN unnest('{admin,app,auditor,nobody,owner,pii,reader,worker}'::text[]) x (role)
	  WHERE c.relnamespace = 'loyalty'::regnamespace AND c.relkind IN ('r', 'v') AND pg_temp.may('loyalty_test_' || x.role, c.oid) <> ''$$,
	$$SELECT relation, role, may FROM (VALUES
		('table_kind', 'owner', 'r'), ('table_kind', 'auditor', 'r'),
		('program', 'owner', 'ra'), ('program', 'admin', 'raw'), ('program', 'worker', 'r'), ('program', 'readers', 'r'),
		('program_event', 'owner', 'ra'), ('program_event', 'admin', 'rawd'), ('program_event', 'readers', 'r'),
		('unit', 'owner', 'ra'), ('unit', 'admin', 'raw'), ('unit', 'readers', 'r'),
		('unit_anchor', 'owner', 'ra'), ('unit_anchor', 'admin', 'rawd'), ('unit_anchor', 'readers', 'r'),
		('rule', 'owner', 'ra'), ('rule', 'admin', 'raw'), ('rule', 'readers', 'r'),
		('member', 'owner', 'raw'), ('member', 'reader', 'r*'), ('member', 'auditor', 'r*'), ('member', 'pii', 'r'),
		('identity', 'owner', 'rad'), ('identity', 'pii', 'r'),
		('account', 'owner', 'raw'), ('account', 'readers', 'r*'), ('account', 'worker', 'r*'),
		('journal', 'owner', 'ra'), ('journal', 'reader', 'r*'), ('journal', 'pii', 'r*'), ('journal', 'auditor', 'r'),
		('event_data', 'owner', 'ra'), ('event_data', 'pii', 'r'),
		('entry', 'owner', 'ra'), ('entry', 'readers', 'r'),
		('hold', 'owner', 'raw'), ('hold', 'readers', 'r'), ('hold', 'worker', 'r*'),
		('journal_ref', 'owner', 'ra'), ('journal_ref', 'auditor', 'r'),
		('report_member', 'readers', 'r'), ('report_balance', 'readers', 'r'), ('report_ledger', 'readers', 'r'),
		('report_event', 'readers', 'r'), ('report_daily', 'readers', 'r')) x (relation, whom, may)
	  CROSS JOIN LATERAL unnest(CASE whom WHEN 'readers' THEN '{reader,pii,auditor}'::text[] ELSE ARRAY[whom] END) role$$,
	'tables and views: who may do what');
SELECT set_eq(
	$$SELECT a.attrelid::regclass::text || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
	  WHERE c.relnamespace = 'loyalty'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
	  AND has_any_column_privilege('loyalty_test_reader', c.oid, 'SELECT')
	  AND NOT has_column_privilege('loyalty_test_reader', c.oid, a.attnum, 'SELECT')$$,
	'{loyalty.member.profile,loyalty.account.salt,loyalty.journal.key,loyalty.journal.request_hash}'::text[],
	'what the reader is not shown of a table');
SELECT set_eq(
	$$SELECT c.relname::text, x.role, has_sequence_privilege('loyalty_test_' || x.role, c.oid, 'UPDATE')
	  FROM pg_class c CROSS JOIN unnest('{admin,app,auditor,nobody,owner,pii,reader,worker}'::text[]) x (role)
	  WHERE c.relnamespace = 'loyalty'::regnamespace AND c.relkind = 'S' AND has_sequence_privilege('loyalty_test_' || x.role, c.oid, 'USAGE, SELECT, UPDATE')$$,
	$$SELECT s || '_id_seq', 'owner', false FROM unnest('{program,unit,rule}'::text[]) s
	  UNION ALL SELECT s || '_id_seq', 'admin', false FROM unnest('{program,unit,rule}'::text[]) s
	  UNION ALL SELECT 'id_seq', 'owner', false$$, 'sequences: who may take from them; nobody sets them');
SELECT set_eq(
	$$SELECT x.role FROM unnest('{admin,app,auditor,nobody,owner,pii,reader,worker}'::text[]) x (role)
	  WHERE has_schema_privilege('loyalty_test_' || x.role, 'loyalty', 'USAGE')$$,
	'{admin,app,auditor,owner,pii,reader,worker}'::text[], 'the schema is open to the seven');
SELECT is_empty(
	$$SELECT x.role FROM unnest('{admin,app,auditor,nobody,owner,pii,reader,worker}'::text[]) x (role)
	  WHERE has_schema_privilege('loyalty_test_' || x.role, 'loyalty', 'CREATE')$$, 'and nobody puts anything there');

-- Each does its work with these rights, and not the others'. Two programmes:
-- one for a clean run, one for a run under a hostile search_path.
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', vest_days => 7) AS shop \gset
SELECT loyalty.program_create('Trap', 'GBP', 'Europe/London', vest_days => 7) AS trap \gset
UPDATE loyalty.program SET ref_scope = 'program';

-- Every call that the application has, and what each answers, without ids.
CREATE FUNCTION pg_temp.day(program text) RETURNS TABLE (call text, answer jsonb) LANGUAGE plpgsql AS $$
DECLARE
	ann bigint;
	bob bigint;
	spent bigint;
	freed bigint;
BEGIN
	PERFORM set_config('loyalty.now', '2026-03-15 12:00+00', true);
	SELECT member_id INTO ann FROM loyalty.enroll(program, '{"customer_no": "1"}', '{"name": "Ann"}');
	SELECT member_id INTO bob FROM loyalty.enroll(program, '{"customer_no": "2"}');
	call := 'enroll'; SELECT to_jsonb(r) INTO answer FROM loyalty.enroll(program, '{"customer_no": "1", "email": "a@example.com"}', '{"city": "Leeds"}') r; RETURN NEXT;
	call := 'identity_add'; SELECT to_jsonb(r) INTO answer FROM loyalty.identity_add(ann, 'card', '1234') r; RETURN NEXT;
	call := 'purchase'; SELECT to_jsonb(r) INTO answer FROM loyalty.purchase(ann, 250.50, 'o1', '[{"sku": "A", "price": 250.50}]', '{"channel": "app"}') r; RETURN NEXT;
	call := 'sale'; SELECT to_jsonb(r) INTO answer FROM loyalty.sale(program, '{"customer_no": "3"}', 20, 'o2') r; RETURN NEXT;
	call := 'vest'; SELECT to_jsonb(r) INTO answer FROM loyalty.vest(ann, 'o1') r; RETURN NEXT;
	call := 'record'; SELECT to_jsonb(r) INTO answer FROM loyalty.record(ann, 'check_in') r; RETURN NEXT;
	call := 'redeem'; SELECT to_jsonb(r) INTO answer FROM loyalty.redeem(ann, 50, key => 'k1') r; RETURN NEXT;
	call := 'again'; SELECT to_jsonb(r) INTO answer FROM loyalty.redeem(ann, 50, key => 'k1') r; RETURN NEXT;
	SELECT hold_id INTO spent FROM loyalty.hold(ann, 30, ref => 'h1');
	SELECT hold_id INTO freed FROM loyalty.hold(ann, 20, ref => 'h2');
	PERFORM loyalty.hold(ann, 10, ref => 'h3');
	call := 'capture'; SELECT to_jsonb(r) INTO answer FROM loyalty.capture(ann, spent, 25) r; RETURN NEXT;
	call := 'release'; SELECT to_jsonb(r) INTO answer FROM loyalty.release(ann, freed) r; RETURN NEXT;
	call := 'refund'; SELECT to_jsonb(r) INTO answer FROM loyalty.refund(ann, 'o1', 50.10, refund_ref => 'b1') r; RETURN NEXT;
	call := 'transfer'; SELECT to_jsonb(r) INTO answer FROM loyalty.transfer(ann, bob, 40, ref => 't1') r; RETURN NEXT;
	PERFORM set_config('loyalty.now', '2026-03-23 12:00+00', true);
	call := 'purchase'; SELECT to_jsonb(r) INTO answer FROM loyalty.purchase(ann, 10, 'o3') r; RETURN NEXT;
	call := 'find'; SELECT to_jsonb(loyalty.find(program, 'email', 'A@example.com') IS NOT NULL) INTO answer; RETURN NEXT;
	call := 'member_get'; SELECT to_jsonb(r) INTO answer FROM loyalty.member_get(program, 'card', '12 34') r; RETURN NEXT;
	call := 'balance'; SELECT jsonb_agg(to_jsonb(r)) INTO answer FROM loyalty.balance(ann) r; RETURN NEXT;
	call := 'balance'; SELECT jsonb_agg(to_jsonb(r)) INTO answer FROM loyalty.balance(ann, 'points', '2026-03-15') r; RETURN NEXT;
	call := 'statement'; SELECT jsonb_agg(to_jsonb(r)) INTO answer FROM loyalty.statement(ann, '2026-03-01', '2026-12-31', 'points') r; RETURN NEXT;
END
$$;
