\set ECHO none
\i test/prelude.sql
SELECT plan(160);

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
SELECT FROM loyalty.setup_roles('loyalty_test');
GRANT EXECUTE ON FUNCTION loyalty.balance TO loyalty_test_nobody;
ALTER ROLE loyalty_test_app SET statement_timeout = '5s';
SELECT pg_temp.rights() AS rights \gset
SELECT FROM loyalty.setup_roles('loyalty_test');
SELECT is(pg_temp.rights(), :'rights', 'setup_roles: a second run changes nothing');
REVOKE EXECUTE ON FUNCTION loyalty.redeem FROM loyalty_test_app;
REVOKE SELECT ON loyalty.report_daily FROM loyalty_test_reader;
ALTER FUNCTION loyalty.hold OWNER TO CURRENT_USER;
SELECT FROM loyalty.setup_roles('loyalty_test');
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

-- Who may call what: those that are not here nobody.
CREATE TEMP TABLE call (name text PRIMARY KEY, roles text NOT NULL);
INSERT INTO call (name, roles) VALUES
	('enroll', 'admin app'), ('record', 'admin app'), ('purchase', 'admin app'), ('sale', 'admin app'), ('vest', 'admin app'),
	('redeem', 'admin app'), ('hold', 'admin app'), ('capture', 'admin app'), ('release', 'admin app'),
	('benefit_use', 'admin app'), ('benefit_return', 'admin app'), ('benefit_issue', 'admin app'), ('benefit_claim', 'admin app'), ('benefit_give', 'admin'), ('benefit_withdraw', 'admin'), ('benefit_void', 'admin'),
	('refund', 'admin app'), ('transfer', 'admin app'), ('identity_add', 'admin app'), ('member_get', 'admin app'),
	('find', 'admin app pii'), ('identity_canonical', 'admin app pii'),
	('balance', 'admin app auditor pii reader'), ('statement', 'admin app auditor'), ('now', 'admin app auditor pii reader worker'),
	('tag_add', 'admin app'), ('tag_remove', 'admin app'), ('tag_refresh', 'admin worker'), ('tag_check', 'admin'),
	('rule_limit', 'admin'), ('budget_set', 'admin'), ('tier_ask', 'admin'), ('benefit_hold', 'admin'), ('campaign_start', 'admin'), ('campaign_pause', 'admin'), ('campaign_end', 'admin'),
	('segment_add', 'admin app'), ('segment_remove', 'admin app'), ('segment_refresh', 'admin app worker'), ('segment_drop', 'admin'), ('segment_members', 'admin auditor pii reader'),
	('adjust', 'admin'), ('program_create', 'admin'), ('identity_remove', 'admin'), ('rebuild', 'admin'),
	('member_freeze', 'admin'), ('member_thaw', 'admin'), ('member_close', 'admin'), ('member_reopen', 'admin'),
	('account_settle', 'admin worker'), ('verify', 'admin auditor worker'),
	('has_benefit', 'admin app auditor pii reader'), ('benefits', 'admin app auditor pii reader'), ('benefit_price', 'admin app auditor pii reader'),
	('tier_current', 'admin app auditor pii reader'), ('tier_at', 'admin app auditor pii reader'), ('tier_progress', 'admin app auditor pii reader'),
	('topup', 'admin app'), ('topup_confirm', 'admin app'), ('topup_cancel', 'admin app'), ('topup_refund', 'admin app'), ('topup_balance', 'admin app auditor pii reader'), ('topup_freeze', 'admin'), ('topup_unfreeze', 'admin'), ('topup_name', 'admin'),
	('plan_buy', 'admin app'), ('plan_renew', 'admin app'), ('plan_upgrade', 'admin app'), ('plan_cancel', 'admin app'), ('plan_refund', 'admin app'),
	('plan_current', 'admin app auditor pii reader'), ('plan_due', 'admin app worker'),
	('tier_review', 'admin worker'), ('tier_grant', 'admin'), ('explain', 'admin app'),
	('simulate', 'admin'), ('simulate_postings', 'admin'), ('simulate_tiers', 'admin'),
	('ingest_batch', 'admin app'), ('ingest', 'admin'), ('ingest_open', 'admin'), ('ingest_position', 'admin'), ('ingest_close', 'admin'),
	('import_member', 'admin'), ('import_batch', 'admin'), ('import_members', 'admin'), ('import_total', 'admin'),
	('attach', 'admin'), ('attach_order', 'admin'), ('attach_check', 'admin'), ('attach_mapping', 'admin'), ('attach_option', 'admin'),
	('attach_set', 'admin'), ('attach_tables', 'admin'), ('attach_query', 'admin'), ('attach_booked', 'admin'), ('attach_ledger', 'admin'),
	('attach_count', 'admin'), ('attach_catch_up', 'admin'), ('detach', 'admin'), ('reconcile', 'admin'),
	('unit_amount', 'admin auditor pii reader'), ('wallet_balance', 'auditor pii reader'), ('wallet_pending', 'auditor pii reader'),
	('wallet_debt', 'auditor pii reader'), ('wallet_lots', 'auditor pii reader'),
	('track', 'admin app'), ('track_visitor', 'admin app'), ('track_batch', 'admin app'), ('visitor_join', 'admin app'), ('path', 'admin app pii'),
	('quote', 'admin app'), ('checkout', 'admin app'), ('coupon_check', 'admin app'), ('coupon_wallet', 'admin app'), ('coupon_try', 'admin app'),
	('coupon_limit', 'admin'), ('report_coupon', 'admin auditor pii reader'), ('report_coupon_cost', 'admin auditor pii reader'),
	('coupon_generate', 'admin'), ('coupon_import', 'admin'), ('coupon_code_create', 'admin'), ('coupon_disable', 'admin'), ('coupon_enable', 'admin'), ('coupon_disable_batch', 'admin'),
	('coupon_code_canonical', 'admin app'), ('coupon_code_valid', 'admin app'), ('coupon_attempt_expire', 'admin worker'),
	('coupon_claim', 'admin app'), ('coupon_claim_code', 'admin app'), ('coupon_issue_pack', 'admin app'), ('coupon_buy', 'admin app'), ('coupon_transfer', 'admin app'),
	('coupon_use', 'admin app'), ('coupon_undo', 'admin app'), ('coupon_issue', 'admin'), ('coupon_issue_segment', 'admin'), ('coupon_void', 'admin'), ('coupon_release', 'admin worker'),
	('checkout_reserve', 'admin app'), ('checkout_confirm', 'admin app'), ('checkout_cancel', 'admin app'), ('checkout_status', 'admin app'), ('checkout_expire', 'admin worker'),
	('maintain', 'admin worker'), ('maintain_batch', 'admin worker'), ('hold_maintain', 'admin worker'), ('account_maintain', 'admin worker'),
	('tag_maintain', 'admin worker'), ('activity_maintain', 'admin worker'), ('maintenance_note', 'admin worker'), ('maintenance_backlog', 'admin auditor pii reader worker'),
	('award', 'admin'), ('award_undo', 'admin'), ('automation_start', 'admin'), ('automation_pause', 'admin'), ('automation_resume', 'admin'), ('automation_end', 'admin'),
	('automation_test', 'admin'), ('automation_audience', 'admin'), ('automation_explain', 'admin'), ('automation_run_retry', 'admin'), ('automation_run_due', 'admin worker'),
	('lifecycle_set', 'admin'), ('lifecycle_members', 'auditor pii reader'), ('lifecycle_moves', 'auditor pii reader'),
	('automation_due', 'admin app'), ('automation_scan', 'admin worker'), ('automation_schedule', 'admin worker'),
	('automation_broadcast', 'admin'), ('automation_broadcast_run', 'admin worker'), ('automation_broadcast_cancel', 'admin'), ('automation_broadcast_count', 'admin auditor pii reader'),
	('automation_template', 'admin'), ('automation_templates', 'admin auditor pii reader'),
	('program_templates', 'admin auditor pii reader'), ('template_rows', 'admin auditor pii reader'),
	('message_enqueue', 'admin app'), ('message_cancel', 'admin app'), ('message_feedback', 'admin app worker'), ('message_channels', 'admin'),
	('message_requeue', 'admin'), ('message_expire', 'admin worker'), ('message_take', 'worker'), ('message_done', 'worker'), ('message_retry', 'worker'),
	('consent_give', 'admin app'), ('consent_withdraw', 'admin app'), ('consent_current', 'admin app pii'), ('has_consent', 'admin app auditor pii reader'),
	('report_ranges', 'admin auditor pii reader'), ('report_fold', 'admin worker'), ('period_publish', 'admin worker'), ('report_rebuild', 'admin'),
	('dashboard', 'admin auditor pii reader'), ('member_card', 'admin app pii'),
	('report_sale', 'admin auditor pii reader'), ('report_growth', 'admin auditor pii reader'), ('report_active', 'admin auditor pii reader'), ('report_buyer', 'admin auditor pii reader'),
	('report_cohort', 'admin auditor pii reader'), ('report_rfm', 'admin auditor pii reader'), ('report_rfm_name', 'admin auditor pii reader'), ('report_rfm_segment', 'admin auditor pii reader'),
	('report_rfm_member', 'admin auditor pii reader'), ('report_product', 'admin auditor pii reader'), ('report_headline', 'admin auditor pii reader'),
	('report_points', 'admin auditor pii reader'), ('report_points_usage', 'admin auditor pii reader'), ('report_expiry', 'admin auditor pii reader'), ('report_liability', 'admin auditor pii reader'), ('report_breakage', 'admin auditor pii reader'), ('report_tier', 'admin auditor pii reader'), ('report_tier_move', 'admin auditor pii reader'),
	('report_liability_schedule', 'admin auditor pii reader'), ('report_revenue', 'admin auditor pii reader'), ('revenue_allocated', 'admin auditor pii reader'), ('revenue_recognised', 'admin auditor pii reader'), ('balance_at', 'admin auditor pii reader'), ('liability_at', 'admin auditor pii reader'), ('report_period', 'admin auditor pii reader'), ('period_close', 'admin'),
	('activity_expire', 'admin worker'), ('report_path', 'admin auditor pii reader');
INSERT INTO call (name, roles) VALUES
	('report_campaign_awarded', 'auditor pii reader'),
	('report_coupon_funnel', 'admin auditor pii reader'), ('report_campaign_cost', 'admin auditor pii reader'), ('report_automation_cost', 'admin auditor pii reader'),
	('report_uplift', 'admin auditor pii reader'), ('report_message_funnel', 'admin auditor pii reader'),
	('report_member_share', 'admin auditor pii reader'), ('report_kpi', 'admin auditor pii reader'),
	('report_days', 'auditor pii reader'), ('guest_order', 'admin app'), ('guest_order_refund', 'admin app');
SELECT set_eq(
	$$SELECT p.proname::text, string_agg(role, ' ' ORDER BY role COLLATE "C")
	  FROM pg_proc p CROSS JOIN unnest('{admin,app,auditor,nobody,pii,reader,worker}'::text[]) role
	  WHERE p.pronamespace = 'loyalty'::regnamespace AND has_function_privilege('loyalty_test_' || role, p.oid, 'EXECUTE')
	  GROUP BY p.oid$$, 'SELECT name, roles FROM call', 'functions: who may call what');
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p
	WHERE p.pronamespace = 'loyalty'::regnamespace AND NOT has_function_privilege('loyalty_test_owner', p.oid, 'EXECUTE')$$,
	'and the owner all of them');

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
		('program', 'owner', 'raw'), ('program', 'admin', 'raw'), ('program', 'worker', 'r'), ('program', 'readers', 'r'),
		('program_event', 'owner', 'ra'), ('program_event', 'admin', 'rawd'), ('program_event', 'readers', 'r'),
		('unit', 'owner', 'ra'), ('unit', 'admin', 'raw'), ('unit', 'readers', 'r'),
		('unit_anchor', 'owner', 'ra'), ('unit_anchor', 'admin', 'rawd'), ('unit_anchor', 'readers', 'r'),
		('collection', 'owner', 'r'), ('collection', 'admin', 'rawd'),
		('collection_item', 'owner', 'r'), ('collection_item', 'admin', 'rawd'),
		('calendar_day', 'owner', 'r'), ('calendar_day', 'admin', 'rawd'),
		('campaign', 'owner', 'rw'), ('campaign', 'admin', 'raw'), ('campaign', 'readers', 'r'),
		('budget', 'owner', 'raw'), ('budget', 'admin', 'r'), ('budget', 'readers', 'r'),
		('budget_slot', 'owner', 'rawd'), ('budget_slot', 'admin', 'r'), ('budget_slot', 'readers', 'r'),
		('tier', 'owner', 'ra'), ('tier', 'admin', 'rawd'), ('tier', 'readers', 'r'),
		('tier_threshold', 'owner', 'raw'), ('tier_threshold', 'admin', 'rawd'), ('tier_threshold', 'readers', 'r'),
		('tier_history', 'owner', 'ra'), ('tier_history', 'readers', 'r'),
		('rule_group', 'owner', 'r'), ('rule_group', 'admin', 'rawd'), ('rule_group', 'readers', 'r'),
		('rule', 'owner', 'ra'), ('rule', 'admin', 'raw'), ('rule', 'readers', 'r'),
		('rule_version', 'owner', 'ra'), ('rule_version', 'admin', 'r'), ('rule_version', 'readers', 'r'),
		('rule_cap', 'owner', 'raw'), ('rule_cap', 'admin', 'rawd'), ('rule_cap', 'readers', 'r'),
		('rule_use', 'owner', 'raw'), ('streak', 'owner', 'rad'),
		('member_tag', 'owner', 'rawd'), ('member_tag', 'pii', 'r'), ('tag', 'owner', 'raw'), ('tag', 'admin', 'rawd'), ('tag', 'readers', 'r'), ('tag_history', 'owner', 'ra'), ('tag_history', 'pii', 'r'), ('member_day', 'owner', 'rawd'), ('member_day', 'pii', 'r'), ('tag_review', 'owner', 'rawd'), ('tag_scan', 'owner', 'raw'), ('activity_expired', 'owner', 'rawd'),
		('segment', 'owner', 'rawd'), ('segment', 'admin', 'rawd'), ('segment', 'worker', 'r'), ('segment', 'readers', 'r'), ('member_segment', 'owner', 'rad'), ('member_segment', 'pii', 'r'),
		('segment_history', 'owner', 'ra'), ('segment_history', 'pii', 'r'),
		('benefit', 'owner', 'ra'), ('benefit', 'admin', 'rawd'), ('benefit', 'readers', 'r'), ('benefit_holder', 'owner', 'raw'), ('benefit_holder', 'admin', 'rawd'), ('benefit_holder', 'readers', 'r'),
		('plan', 'owner', 'ra'), ('plan', 'admin', 'rawd'), ('plan', 'readers', 'r'), ('member_plan', 'owner', 'raw'), ('member_plan', 'readers', 'r'),
		('price_list', 'owner', 'r'), ('price_list', 'admin', 'rawd'), ('price_list', 'readers', 'r'), ('member_benefit', 'owner', 'rawd'), ('member_benefit', 'readers', 'r'), ('voucher', 'owner', 'raw'), ('voucher', 'readers', 'r'),
		('ingest_run', 'owner', 'raw'), ('ingest_run', 'admin', 'rd'),
		('ingest_reject', 'owner', 'rad'), ('ingest_reject', 'admin', 'rd'),
		('ingest_progress', 'admin', 'r'), ('attach_list', 'admin', 'r'), ('budget_status', 'admin', 'r'), ('budget_status', 'readers', 'r'),
		('member', 'owner', 'raw'), ('member', 'reader', 'r*'), ('member', 'auditor', 'r*'), ('member', 'pii', 'r'),
		('identity', 'owner', 'rad'), ('identity', 'pii', 'r'),
		('account', 'owner', 'raw'), ('account', 'readers', 'r*'), ('account', 'worker', 'r*'),
		('journal', 'owner', 'ra'), ('journal', 'reader', 'r*'), ('journal', 'pii', 'r*'), ('journal', 'auditor', 'r'),
		('event_data', 'owner', 'ra'), ('event_data', 'pii', 'r'),
		('entry', 'owner', 'ra'), ('entry', 'readers', 'r'),
		('hold', 'owner', 'raw'), ('hold', 'readers', 'r'), ('hold', 'worker', 'r*'),
		('journal_ref', 'owner', 'ra'), ('journal_ref', 'auditor', 'r'),
		('report_plan', 'readers', 'r'), ('report_member', 'readers', 'r'), ('report_balance', 'readers', 'r'), ('report_ledger', 'readers', 'r'),
		('activity_kind', 'owner', 'ra'), ('activity_kind', 'admin', 'rawd'), ('activity_kind', 'readers', 'r'),
		('activity', 'owner', 'rad'), ('activity', 'pii', 'r'), ('visitor', 'owner', 'rawd'), ('visitor', 'pii', 'r'),
		('coupon_category', 'owner', 'r'), ('coupon_category', 'admin', 'rawd'), ('coupon_category', 'readers', 'r'), ('coupon', 'owner', 'raw'), ('coupon', 'admin', 'rawd'), ('coupon', 'readers', 'r'),
		('offer', 'admin', 'rawd'), ('offer', 'readers', 'r'), ('coupon_pack', 'owner', 'ra'), ('coupon_pack', 'admin', 'rawd'), ('coupon_pack', 'readers', 'r'),
		('coupon_version', 'owner', 'ra'), ('coupon_version', 'admin', 'r'), ('coupon_limit', 'owner', 'raw'), ('coupon_limit', 'admin', 'r'), ('coupon_limit', 'readers', 'r'),
		('coupon_limit_status', 'admin', 'r'), ('coupon_limit_status', 'readers', 'r'), ('coupon_key', 'owner', 'raw'), ('coupon_code', 'owner', 'raw'), ('coupon_attempt', 'owner', 'rawd'),
		('member_coupon', 'owner', 'raw'), ('member_coupon', 'readers', 'r*'), ('coupon_use', 'owner', 'raw'), ('coupon_use', 'readers', 'r*'),
		('topup_policy', 'owner', 'ra'), ('topup_policy', 'admin', 'rawd'), ('topup_policy', 'readers', 'r'), ('topup_step', 'owner', 'ra'), ('topup_step', 'admin', 'rawd'), ('topup_step', 'readers', 'r'),
		('topup_card', 'owner', 'raw'), ('topup_card', 'readers', 'r'), ('topup', 'owner', 'raw'), ('topup', 'readers', 'r'), ('report_topup', 'readers', 'r'), ('lifecycle_current', 'owner', 'r'), ('lifecycle_current', 'pii', 'r'), ('lifecycle_history', 'owner', 'r'), ('lifecycle_history', 'pii', 'r'), ('report_lifecycle', 'owner', 'r'), ('report_lifecycle', 'readers', 'r'), ('report_lifecycle_move', 'readers', 'r'), ('report_topup_quarter', 'readers', 'r'), ('checkout', 'owner', 'raw'), ('checkout', 'pii', 'r'),
		('cart_policy', 'owner', 'ra'), ('cart_policy', 'admin', 'rawd'), ('cart_policy', 'readers', 'r'), ('cart_unit', 'owner', 'ra'), ('cart_unit', 'admin', 'rawd'), ('cart_unit', 'readers', 'r'),
		('coupon_key', 'owner', 'raw'), ('coupon_code', 'owner', 'raw'), ('coupon_attempt', 'owner', 'rawd'),
		('automation', 'owner', 'raw'), ('automation', 'admin', 'rawd'), ('automation', 'readers', 'r'), ('automation_step', 'owner', 'ra'), ('automation_step', 'admin', 'rawd'), ('automation_step', 'readers', 'r'),
		('automation_run', 'owner', 'raw'), ('automation_run', 'admin', 'r'), ('automation_run', 'reader', 'r*'), ('automation_run', 'auditor', 'r*'), ('automation_run', 'pii', 'r'),
		('automation_broadcast', 'owner', 'raw'), ('automation_broadcast', 'admin', 'r'), ('automation_broadcast', 'readers', 'r'), ('automation_scan', 'owner', 'raw'),
		('report_automation', 'admin', 'r'), ('report_automation', 'readers', 'r'),
		('report_lot', 'readers', 'r'), ('report_tier_history', 'readers', 'r'), ('report_member_coupon', 'readers', 'r'), ('report_coupon_use', 'readers', 'r'), ('report_campaign', 'readers', 'r'), ('report_hold', 'readers', 'r'),
		('kpi_target', 'owner', 'ra'), ('kpi_target', 'admin', 'rawd'), ('kpi_target', 'readers', 'r'),
		('guest_order', 'owner', 'rawd'), ('guest_order', 'admin', 'r'), ('guest_order', 'readers', 'r'),
		('message_channel', 'owner', 'ra'), ('message_channel', 'admin', 'rawd'), ('message_channel', 'worker', 'r'), ('message_channel', 'readers', 'r'),
		('message', 'owner', 'raw'), ('message', 'admin', 'r'), ('message', 'reader', 'r*'), ('message', 'auditor', 'r*'), ('message', 'pii', 'r'),
		('message_feedback', 'owner', 'ra'), ('message_feedback', 'admin', 'r'), ('message_feedback', 'readers', 'r'),
		('message_quota', 'owner', 'rawd'), ('message_quota', 'admin', 'r'), ('message_quota', 'readers', 'r'),
		('consent', 'owner', 'ra'), ('consent', 'reader', 'r*'), ('consent', 'auditor', 'r*'), ('consent', 'pii', 'r'),
		('message_status', 'admin', 'r'), ('message_status', 'readers', 'r'), ('report_message', 'readers', 'r'),
		('maintenance_job', 'owner', 'raw'), ('maintenance_job', 'readers', 'r'), ('maintenance_job', 'worker', 'r'), ('maintenance_job', 'admin', 'r'),
		('maintenance_fault', 'owner', 'rawd'), ('maintenance_fault', 'readers', 'r'), ('maintenance_fault', 'worker', 'r'), ('maintenance_fault', 'admin', 'r'),
		('automation_broadcast', 'owner', 'raw'), ('automation_broadcast', 'admin', 'r'), ('automation_broadcast', 'readers', 'r'),
		('automation_scan', 'owner', 'raw'), ('automation_scan', 'admin', 'r'), ('automation_scan', 'readers', 'r'), ('broadcast_progress', 'readers', 'r'), ('broadcast_progress', 'admin', 'r'),
		('maintenance_status', 'readers', 'r'), ('maintenance_status', 'worker', 'r'), ('maintenance_status', 'admin', 'r'),
		('report_folded', 'owner', 'rawd'), ('report_folded', 'readers', 'r'), ('report_mark', 'owner', 'rawd'), ('report_mark', 'readers', 'r'), ('report_value_day', 'owner', 'rawd'), ('report_value_day', 'readers', 'r'),
		('report_lot_month', 'owner', 'rawd'), ('report_lot_month', 'readers', 'r'), ('report_sale_day', 'owner', 'rawd'), ('report_sale_day', 'readers', 'r'), ('report_member_count', 'owner', 'rawd'), ('report_member_count', 'readers', 'r'),
		('report_member_day', 'owner', 'rawd'), ('report_member_day', 'readers', 'r'), ('report_return_day', 'owner', 'rawd'), ('report_return_day', 'readers', 'r'), ('report_second', 'owner', 'rawd'), ('report_second', 'readers', 'r'),
		('report_cohort_month', 'owner', 'rawd'), ('report_cohort_month', 'readers', 'r'), ('report_product_day', 'owner', 'rawd'), ('report_product_day', 'readers', 'r'), ('report_product_month', 'owner', 'rawd'), ('report_product_month', 'readers', 'r'),
		('report_tier_day', 'owner', 'rawd'), ('report_tier_day', 'readers', 'r'), ('report_rfm_day', 'owner', 'rawd'), ('report_rfm_day', 'readers', 'r'),
		('report_message_day', 'owner', 'rawd'), ('report_message_day', 'readers', 'r'), ('report_message_change', 'owner', 'rawd'), ('report_message_change', 'readers', 'r'),
		('report_campaign_day', 'owner', 'rawd'), ('report_campaign_day', 'readers', 'r'), ('report_campaign_member_day', 'owner', 'rawd'), ('report_campaign_member_day', 'readers', 'r'),
		('report_campaign_return_day', 'owner', 'rawd'), ('report_campaign_return_day', 'readers', 'r'),
		('report_coupon_day', 'owner', 'rawd'), ('report_coupon_day', 'readers', 'r'), ('report_coupon_seen', 'owner', 'rawd'), ('report_coupon_seen', 'readers', 'r'),
		('report_run_day', 'owner', 'rawd'), ('report_run_day', 'readers', 'r'), ('report_run_return_day', 'owner', 'rawd'), ('report_run_return_day', 'readers', 'r'),
		('report_run_seen', 'owner', 'rawd'), ('report_run_seen', 'readers', 'r'), ('report_run_change', 'owner', 'rawd'), ('report_run_change', 'readers', 'r'),
		('report_close', 'owner', 'raw'), ('report_close', 'admin', 'r'), ('report_close', 'readers', 'r'), ('report_period', 'owner', 'ra'), ('report_period', 'admin', 'r'), ('report_period', 'readers', 'r'),
		('report_event', 'readers', 'r'), ('report_daily', 'readers', 'r')) x (relation, whom, may)
	  CROSS JOIN LATERAL unnest(CASE whom WHEN 'readers' THEN '{reader,pii,auditor}'::text[] ELSE ARRAY[whom] END) role$$,
	'tables and views: who may do what');
SELECT set_eq(
	$$SELECT a.attrelid::regclass::text || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
	  WHERE c.relnamespace = 'loyalty'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
	  AND has_any_column_privilege('loyalty_test_reader', c.oid, 'SELECT')
	  AND NOT has_column_privilege('loyalty_test_reader', c.oid, a.attnum, 'SELECT')$$,
	'{loyalty.member.profile,loyalty.account.salt,loyalty.account.tier_base,loyalty.account.tier_promoted,loyalty.journal.key,loyalty.journal.request_hash,loyalty.member_coupon.code,loyalty.coupon_use.code,loyalty.automation_run.trigger,loyalty.automation_run.log,loyalty.message.dedupe_key,loyalty.message.params,loyalty.consent.evidence,loyalty.consent.actor}'::text[],
	'what the reader is not shown of a table');
SELECT set_eq(
	$$SELECT c.relname::text, x.role, has_sequence_privilege('loyalty_test_' || x.role, c.oid, 'UPDATE')
	  FROM pg_class c CROSS JOIN unnest('{admin,app,auditor,nobody,owner,pii,reader,worker}'::text[]) x (role)
	  WHERE c.relnamespace = 'loyalty'::regnamespace AND c.relkind = 'S' AND has_sequence_privilege('loyalty_test_' || x.role, c.oid, 'USAGE, SELECT, UPDATE')$$,
	$$SELECT s || '_id_seq' AS sequence, 'owner' AS role, false AS sets FROM unnest('{automation,benefit,plan,coupon,program,unit,rule,budget,ingest_run,tier,campaign}'::text[]) s
	  UNION ALL SELECT s || '_id_seq', 'admin', false FROM unnest('{automation,benefit,plan,coupon,program,unit,rule,tier,campaign}'::text[]) s
	  UNION ALL SELECT unnest('{id_seq,change_id_seq}'::text[]), 'owner', false$$, 'sequences: who may take from them; nobody sets them');
SELECT set_eq(
	$$SELECT x.role FROM unnest('{admin,app,auditor,nobody,owner,pii,reader,worker}'::text[]) x (role)
	  WHERE has_schema_privilege('loyalty_test_' || x.role, 'loyalty', 'USAGE')$$,
	'{admin,app,auditor,owner,pii,reader,worker}'::text[], 'the schema is open to the seven');
SELECT is_empty(
	$$SELECT x.role FROM unnest('{admin,app,auditor,nobody,owner,pii,reader,worker}'::text[]) x (role)
	  WHERE has_schema_privilege('loyalty_test_' || x.role, 'loyalty', 'CREATE')$$, 'and nobody puts anything there');

-- Each does its work with these rights. Every call that the application has,
-- and what each answers: two days, because only a superuser moves the clock.
CREATE FUNCTION pg_temp.first_day(program text) RETURNS TABLE (call text, answer jsonb) LANGUAGE plpgsql AS $$
DECLARE
	ann bigint;
	bob bigint;
	spent bigint;
	freed bigint;
BEGIN
	SELECT member_id INTO ann FROM loyalty.enroll(program, '{"customer_no": "1"}', '{"name": "Ann"}');
	SELECT member_id INTO bob FROM loyalty.enroll(program, '{"customer_no": "2"}');
	call := 'enroll'; SELECT to_jsonb(r) INTO answer FROM loyalty.enroll(program, '{"customer_no": "1", "email": "a@example.com"}', '{"city": "Leeds"}') r; RETURN NEXT;
	call := 'identity_add'; SELECT to_jsonb(r) INTO answer FROM loyalty.identity_add(ann, 'card', '1234') r; RETURN NEXT;
	call := 'purchase'; SELECT to_jsonb(r) INTO answer FROM loyalty.purchase(ann, 250.50, 'o1', '[{"sku": "A", "price": 250.50}]', '{"channel": "app"}') r; RETURN NEXT;
	call := 'sale'; SELECT to_jsonb(r) INTO answer FROM loyalty.sale(program, '{"customer_no": "3"}', 20, 'o2') r; RETURN NEXT;
	call := 'vest'; SELECT to_jsonb(r) INTO answer FROM loyalty.vest(ann, 'o1') r; RETURN NEXT;
	call := 'record'; SELECT to_jsonb(r) INTO answer FROM loyalty.record(ann, 'check_in') r; RETURN NEXT;
	call := 'tag_add'; SELECT to_jsonb(r) INTO answer FROM loyalty.tag_add(ann, 'vip') r; RETURN NEXT;
	call := 'share'; SELECT to_jsonb(r) INTO answer FROM loyalty.record(ann, 'share', data => '{"target": "A", "store": "S1"}') r; RETURN NEXT;
	call := 'share again'; SELECT to_jsonb(r) INTO answer FROM loyalty.record(ann, 'share', data => '{"target": "A", "store": "S1"}') r; RETURN NEXT;
	call := 'tag_remove'; SELECT to_jsonb(r) INTO answer FROM loyalty.tag_remove(ann, 'vip') r; RETURN NEXT;
	call := 'redeem'; SELECT to_jsonb(r) INTO answer FROM loyalty.redeem(ann, 50, key => 'k1') r; RETURN NEXT;
	call := 'redeem again'; SELECT to_jsonb(r) INTO answer FROM loyalty.redeem(ann, 50, key => 'k1') r; RETURN NEXT;
	call := 'redeem too much'; SELECT to_jsonb(r) INTO answer FROM loyalty.redeem(ann, 5000, key => 'k2', mode => 'try') r; RETURN NEXT;
	SELECT hold_id INTO spent FROM loyalty.hold(ann, 30, ref => 'h1');
	SELECT hold_id INTO freed FROM loyalty.hold(ann, 20, ref => 'h2');
	call := 'hold'; SELECT to_jsonb(r) INTO answer FROM loyalty.hold(ann, 10, ref => 'h3') r; RETURN NEXT;
	call := 'capture'; SELECT to_jsonb(r) INTO answer FROM loyalty.capture(ann, spent, 25) r; RETURN NEXT;
	call := 'release'; SELECT to_jsonb(r) INTO answer FROM loyalty.release(ann, freed) r; RETURN NEXT;
	call := 'refund'; SELECT to_jsonb(r) INTO answer FROM loyalty.refund(ann, 'o1', 50.10, refund_ref => 'b1') r; RETURN NEXT;
	call := 'transfer'; SELECT to_jsonb(r) INTO answer FROM loyalty.transfer(ann, bob, 40, ref => 't1') r; RETURN NEXT;
	call := 'purchase dry'; SELECT to_jsonb(r) INTO answer FROM loyalty.purchase(bob, 60, 'o4', mode => 'dry') r; RETURN NEXT;
	call := 'purchase pending'; SELECT to_jsonb(r) INTO answer FROM loyalty.purchase(bob, 60, 'o4') r; RETURN NEXT;
END
$$;
CREATE FUNCTION pg_temp.later_day(program text) RETURNS TABLE (call text, answer jsonb) LANGUAGE plpgsql AS $$
DECLARE
	ann bigint;
	bob bigint;
BEGIN
	SELECT loyalty.find(program, 'email', 'A@Example.com'), loyalty.find(program, 'customer_no', '2') INTO ann, bob;
	call := 'purchase later'; SELECT to_jsonb(r) INTO answer FROM loyalty.purchase(ann, 10, 'o3') r; RETURN NEXT;
	call := 'check_in later'; SELECT to_jsonb(r) INTO answer FROM loyalty.record(ann, 'check_in') r; RETURN NEXT;
	call := 'share late'; SELECT to_jsonb(r) INTO answer FROM loyalty.record(ann, 'share', data => '{"target": "B", "store": "S1"}', at => '2026-03-16 12:00+00') r; RETURN NEXT;
	call := 'transfer later'; SELECT to_jsonb(r) INTO answer FROM loyalty.transfer(bob, ann, 95, ref => 't2') r; RETURN NEXT;
	call := 'track_visitor'; SELECT to_jsonb(r > 0) INTO answer FROM loyalty.track_visitor(program, 'cookie', 'view', key => 'a1') r; RETURN NEXT;
	call := 'track_visitor again'; SELECT to_jsonb(r > 0) INTO answer FROM loyalty.track_visitor(program, 'cookie', 'view', key => 'a1') r; RETURN NEXT;
	call := 'visitor_join'; SELECT to_jsonb(r) INTO answer FROM loyalty.visitor_join(ann, 'cookie') r; RETURN NEXT;
	call := 'track_batch'; SELECT to_jsonb(r) INTO answer FROM loyalty.track_batch(program, ARRAY[(ann, NULL, 'view', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'a2'),
		(NULL, 'cookie', 'view', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'a1'), (NULL, 'new', 'view', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)]::loyalty.activity_row[]) r; RETURN NEXT;
	call := 'path'; SELECT jsonb_agg(to_jsonb(r)) INTO answer FROM loyalty.path(ann) r; RETURN NEXT;
	call := 'member_get'; SELECT to_jsonb(r) INTO answer FROM loyalty.member_get(program, 'card', '12 34') r; RETURN NEXT;
	call := 'balance'; SELECT jsonb_agg(to_jsonb(r)) INTO answer FROM loyalty.balance(ann) r; RETURN NEXT;
	call := 'balance then'; SELECT jsonb_agg(to_jsonb(r)) INTO answer FROM loyalty.balance(ann, 'points', '2026-03-15') r; RETURN NEXT;
	call := 'statement'; SELECT jsonb_agg(to_jsonb(r)) INTO answer FROM loyalty.statement(ann, '2026-03-01', '2026-12-31', 'points') r; RETURN NEXT;
END
$$;
CREATE TEMP TABLE told (program text, place int GENERATED ALWAYS AS IDENTITY, call text, answer jsonb);
GRANT INSERT ON told TO PUBLIC;

-- A schema that the caller has put first: whatever is not written out in full
-- is taken from there, and answers as it likes. So do temporary tables.
CREATE SCHEMA loyalty_test_trap;
GRANT USAGE ON SCHEMA loyalty_test_trap TO PUBLIC;
CREATE FUNCTION loyalty_test_trap.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT timestamptz '1999-01-01 00:00+00' $$;
CREATE FUNCTION loyalty_test_trap.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'trapped' $$;
CREATE FUNCTION loyalty_test_trap.yes(bigint, bigint) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;
CREATE FUNCTION loyalty_test_trap.yes(int, int) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;
CREATE FUNCTION loyalty_test_trap.yes(date, date) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;
CREATE FUNCTION loyalty_test_trap.no(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;
CREATE FUNCTION loyalty_test_trap.no(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;
CREATE FUNCTION loyalty_test_trap.less(bigint, bigint) RETURNS bigint LANGUAGE sql AS $$ SELECT 0::bigint $$;
CREATE OPERATOR loyalty_test_trap.= (FUNCTION = loyalty_test_trap.yes, LEFTARG = bigint, RIGHTARG = bigint);
CREATE OPERATOR loyalty_test_trap.= (FUNCTION = loyalty_test_trap.yes, LEFTARG = int, RIGHTARG = int);
CREATE OPERATOR loyalty_test_trap.= (FUNCTION = loyalty_test_trap.no, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR loyalty_test_trap.<= (FUNCTION = loyalty_test_trap.yes, LEFTARG = date, RIGHTARG = date);
CREATE OPERATOR loyalty_test_trap.<= (FUNCTION = loyalty_test_trap.no, LEFTARG = timestamptz, RIGHTARG = timestamptz);
CREATE OPERATOR loyalty_test_trap.+ (FUNCTION = loyalty_test_trap.less, LEFTARG = bigint, RIGHTARG = bigint);
CREATE TEMP TABLE account (LIKE loyalty.account);
CREATE TEMP TABLE journal (LIKE loyalty.journal);
CREATE TEMP TABLE entry (LIKE loyalty.entry);
CREATE TEMP TABLE hold (LIKE loyalty.hold);
CREATE TEMP TABLE unit (LIKE loyalty.unit);
CREATE TEMP TABLE program (LIKE loyalty.program);

-- The trap first, while no plan is kept; then a clean run; then the trap again,
-- with plans that were made on a clean path and have to be made anew.
SELECT count(loyalty.program_create(name, 'GBP', 'Europe/London', vest_days => 7)) AS made FROM unnest('{First,Clean,Last}'::text[]) name \gset
UPDATE loyalty.program SET ref_scope = 'program';
INSERT INTO loyalty.activity_kind (program_id, kind, retain_days) SELECT program_id, 'view', 30 FROM loyalty.program;
-- rules that need all that rules may need
INSERT INTO loyalty.tier (program_id, code, rank) SELECT program_id, 'basic', 0 FROM loyalty.program;
INSERT INTO loyalty.tier (program_id, code, rank, multiplier) SELECT program_id, 'gold', 1, 2 FROM loyalty.program;
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, window_kind, months)
SELECT t.program_id, t.tier_id, u.unit_id, 200, 'rolling', 12 FROM loyalty.tier t JOIN loyalty.unit u USING (program_id) WHERE t.code = 'gold' AND u.code = 'spend';
INSERT INTO loyalty.collection (program_id, name) SELECT program_id, 'near' FROM loyalty.program;
INSERT INTO loyalty.collection_item (program_id, collection, kind, value) SELECT program_id, 'near', 'store', 'S1' FROM loyalty.program;
INSERT INTO loyalty.campaign (program_id, name, status) SELECT program_id, 'spring', 'live' FROM loyalty.program;
SELECT count(loyalty.budget_set(name, 'points', 1000, 'spring')) AS budgets FROM loyalty.program \gset
SELECT count(loyalty.rule_limit(pg_temp.rule(jsonb_build_object('program', p.name, 'event', 'share', 'award', 5, 'once_per_target', true,
	'cooldown', '1 minute', 'tags', '{vip}', 'store_collection', 'near', 'campaign_id', c.campaign_id, 'condition', '$.member.tier == "gold"')), 'day', 8)) AS limits
FROM loyalty.program p JOIN loyalty.campaign c USING (program_id) \gset
SELECT count(pg_temp.rule(jsonb_build_object('program', name, 'event', 'check_in', 'kind', 'steps', 'base', 'streak', 'step_from', '{1}', 'step_award', '{1}'))) AS streaks
FROM loyalty.program \gset
SET ROLE loyalty_test_app;
SET search_path = loyalty_test_trap, pg_temp, pg_catalog, loyalty, public;
SELECT now() < '2000-01-01' AND 1::bigint = 2::bigint AND NOT 'a'::text = 'a'::text AS sprung \gset
INSERT INTO told (program, call, answer) SELECT 'First', d.call, d.answer FROM pg_temp.first_day('First') d;
RESET search_path;
INSERT INTO told (program, call, answer) SELECT 'Clean', d.call, d.answer FROM pg_temp.first_day('Clean') d;
SET search_path = loyalty_test_trap, pg_temp, pg_catalog, loyalty, public;
INSERT INTO told (program, call, answer) SELECT 'Last', d.call, d.answer FROM pg_temp.first_day('Last') d;
RESET ROLE;
SET loyalty.now = '2026-03-23 12:00+00';
SET ROLE loyalty_test_app;
INSERT INTO told (program, call, answer) SELECT 'First', d.call, d.answer FROM pg_temp.later_day('First') d;
RESET search_path;
INSERT INTO told (program, call, answer) SELECT 'Clean', d.call, d.answer FROM pg_temp.later_day('Clean') d;
SET search_path = loyalty_test_trap, pg_temp, pg_catalog, loyalty, public;
INSERT INTO told (program, call, answer) SELECT 'Last', d.call, d.answer FROM pg_temp.later_day('Last') d;
RESET search_path;
RESET ROLE;
SELECT ok(:'sprung', 'the trap works');
SELECT results_eq(
	$$SELECT call, answer ->> 'status' FROM told WHERE program = 'Clean' AND answer ? 'postings' ORDER BY place$$,
	$$VALUES ('enroll', 'done'), ('identity_add', 'done'), ('purchase', 'done'), ('sale', 'done'), ('vest', 'done'),
	         ('record', 'done'), ('share', 'done'), ('share again', 'done'), ('redeem', 'done'), ('redeem again', 'done'), ('redeem too much', 'refused'), ('hold', 'done'),
	         ('capture', 'done'), ('release', 'done'), ('refund', 'done'), ('transfer', 'done'), ('purchase dry', 'dry'),
	         ('purchase pending', 'done'), ('purchase later', 'done'), ('check_in later', 'done'),
	         ('share late', 'done'), ('transfer later', 'done')$$,
	'the application role can make every call of its own');
SELECT is((SELECT string_agg(format('%s %s', call, coalesce(answer #>> '{postings,0,amount}', 'nothing')), ', ' ORDER BY place) FROM told
	WHERE program = 'Clean' AND call ~ 'share|record|check_in'), 'record 1, share 5, share again nothing, check_in later 1, share late nothing',
	'and its rules award what they should');
CREATE FUNCTION pg_temp.told_in(name text) RETURNS SETOF text LANGUAGE sql STABLE AS $$
	SELECT call || ' ' || regexp_replace(answer::text, '"(member_id|journal_id|hold_id)": \d+|transfer:\d+', '', 'g') FROM told WHERE program = name ORDER BY place
$$;
SELECT is((SELECT answer::text FROM told WHERE program = 'Clean' AND call = 'track_batch'), '{"rejects": [], "accepted": 2, "rejected": 0, "replayed": 1}',
	'and what members do is kept');
SELECT results_eq($$SELECT pg_temp.told_in('First')$$, $$SELECT pg_temp.told_in('Clean')$$, 'a hostile search_path changes no answer');
SELECT results_eq($$SELECT pg_temp.told_in('Last')$$, $$SELECT pg_temp.told_in('Clean')$$, 'nor does one that comes later');
SELECT is_empty('SELECT 1 FROM pg_temp.account UNION ALL SELECT 1 FROM pg_temp.journal UNION ALL SELECT 1 FROM pg_temp.entry UNION ALL SELECT 1 FROM pg_temp.hold',
	'and nothing was written to tables of the same name');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');

-- The other roles, on the trap's path as well
CREATE TEMP TABLE report (place int, content text);
GRANT INSERT ON report TO PUBLIC;
SET ROLE loyalty_test_auditor;
INSERT INTO report SELECT 1, b::text FROM loyalty.report_balance b UNION ALL SELECT 1, d::text FROM loyalty.report_daily d
	UNION ALL SELECT 1, v::text FROM loyalty.verify() v;
SET search_path = loyalty_test_trap, pg_temp, pg_catalog, loyalty, public;
INSERT INTO report SELECT 2, b::text FROM loyalty.report_balance b UNION ALL SELECT 2, d::text FROM loyalty.report_daily d
	UNION ALL SELECT 2, v::text FROM loyalty.verify() v;
RESET search_path;
RESET ROLE;
SELECT bag_eq('SELECT content FROM report WHERE place = 2', 'SELECT content FROM report WHERE place = 1', 'nor does it change a report');
SELECT is((SELECT count(*) FROM report WHERE place = 1 AND content ~ 'orders'), (SELECT count(*) FROM loyalty.account) + 6,
	'which have a row per member and unit, and per day');

CREATE FUNCTION pg_temp.first(name text) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	SELECT member_id FROM loyalty.identity JOIN loyalty.program p USING (program_id) WHERE p.name = 'First' AND value = $1
$$;
SET ROLE loyalty_test_app;
SELECT throws_ok(format('SELECT %s', call), '42501', NULL, 'the application cannot call ' || call) FROM unnest(ARRAY[
	$$loyalty.adjust(pg_temp.first('1'), 1000, 'points', 'mine', key => 'a')$$,
	$$loyalty.rebuild(pg_temp.first('1'))$$, $$loyalty.member_thaw(pg_temp.first('1'), 'mine')$$]) call;
SELECT throws_ok(sql, '42501', NULL, 'the application cannot ' || sql) FROM unnest(ARRAY[
	'SELECT FROM loyalty.account', 'UPDATE loyalty.account SET wallet = wallet', 'DELETE FROM loyalty.entry', 'TRUNCATE loyalty.journal',
	'INSERT INTO loyalty.rule (program_id) VALUES (1)', $$SELECT nextval('loyalty.id_seq')$$]) sql;
SELECT throws_ok($$SET loyalty.now = '2030-01-01'$$, '42501', NULL, 'the application cannot move the clock');

SET ROLE loyalty_test_admin;
SELECT lives_ok(sql, 'the administrator can ' || sql) FROM unnest(ARRAY[
	$$SELECT loyalty.program_create('Mine', 'EUR', 'Europe/Paris')$$,
	$$INSERT INTO loyalty.unit (program_id, code, kind) SELECT program_id, 'stars', 'points' FROM loyalty.program WHERE name = 'Mine'$$,
	$$INSERT INTO loyalty.unit_anchor (program_id, unit_id, valid_from, units, money) SELECT program_id, unit_id, '2026-01-01', 1, 1 FROM loyalty.unit WHERE code = 'stars'$$,
	$$INSERT INTO loyalty.program_event (program_id, event) SELECT program_id, 'visit' FROM loyalty.program WHERE name = 'Mine'$$,
	$$INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award) SELECT program_id, 'visit', unit_id, 'fixed', 5 FROM loyalty.unit WHERE code = 'stars'$$,
	$$INSERT INTO loyalty.tier (program_id, code, rank) SELECT program_id, 'first', 0 FROM loyalty.program WHERE name = 'Mine'$$,
	$$SELECT loyalty.tier_ask('Mine', 'first', 'spend', 250)$$,
	$$SELECT loyalty.tier_ask('Mine', 'first', 'spend', 300)$$,
	$$SELECT loyalty.rule_limit(rule_id, 'day', 5) FROM loyalty.rule WHERE event = 'visit'$$,
	$$SELECT loyalty.rule_limit(rule_id, 'day', 6) FROM loyalty.rule WHERE event = 'visit'$$,
	$$UPDATE loyalty.rule SET status = 'inactive' WHERE event = 'visit'$$,
	$$INSERT INTO loyalty.rule_group (program_id, name) SELECT program_id, 'best' FROM loyalty.program WHERE name = 'Mine'$$,
	$$INSERT INTO loyalty.collection (program_id, name) SELECT program_id, 'set' FROM loyalty.program WHERE name = 'Mine'$$,
	$$INSERT INTO loyalty.calendar_day (program_id, calendar, day) SELECT program_id, 'days', '2026-01-01' FROM loyalty.program WHERE name = 'Mine'$$,
	$$INSERT INTO loyalty.tier (program_id, code, rank) SELECT program_id, 'top', 9 FROM loyalty.program WHERE name = 'Mine'$$,
	$$INSERT INTO loyalty.campaign (program_id, name) SELECT program_id, 'summer' FROM loyalty.program WHERE name = 'Mine'$$,
	$$SELECT loyalty.budget_set('Mine', 'stars', 100, 'summer')$$, $$SELECT loyalty.budget_set('Mine', 'stars', 200, 'summer')$$,
	$$SELECT loyalty.tag_add(pg_temp.first('1'), 'vip')$$, $$SELECT loyalty.tag_remove(pg_temp.first('1'), 'vip')$$,
	$$INSERT INTO loyalty.benefit (program_id, name, kind) SELECT program_id, 'ironing', 'voucher' FROM loyalty.program WHERE name = 'First'$$,
	$$SELECT loyalty.benefit_give(pg_temp.first('1'), 'ironing', 'a guest')$$, $$SELECT loyalty.benefit_issue(pg_temp.first('1'), 'ironing', 'welcome', ref => 'i1')$$,
	$$SELECT loyalty.benefit_use(pg_temp.first('1'), 'ironing', 'i1')$$, $$SELECT loyalty.benefit_return(pg_temp.first('1'), 'ironing', 'i1')$$,
	$$SELECT loyalty.benefit_void(member_id, (messages -> 0 ->> 'voucher')::bigint, 'a mistake') FROM loyalty.benefit_issue(pg_temp.first('1'), 'ironing', 'welcome', ref => 'i1')$$, $$SELECT loyalty.benefit_withdraw(pg_temp.first('1'), 'ironing', 'enough')$$,
	$$INSERT INTO loyalty.segment (program_id, name) SELECT program_id, 'club' FROM loyalty.program WHERE name = 'First'$$,
	$$SELECT loyalty.segment_add(pg_temp.first('1'), 'club')$$, $$SELECT loyalty.segment_remove(pg_temp.first('1'), 'club')$$,
	$$SELECT loyalty.segment_drop('First', 'club')$$,
	$$INSERT INTO loyalty.coupon_category (program_id, name) SELECT program_id, 'food' FROM loyalty.program WHERE name = 'First'$$,
	$$INSERT INTO loyalty.coupon (program_id, name, kind, amount, category) SELECT program_id, 'five', 'amount', 5, 'food' FROM loyalty.program WHERE name = 'First'$$,
	$$UPDATE loyalty.coupon SET amount = 6 WHERE name = 'five'$$, $$SELECT loyalty.coupon_limit('First', 'five', 'used', 100)$$, $$SELECT loyalty.coupon_limit('First', 'five', 'used', 50)$$,
	$$INSERT INTO loyalty.offer (program_id, name, kind, percent) SELECT program_id, 'tenth', 'percent', 10 FROM loyalty.program WHERE name = 'First'$$,
	$$UPDATE loyalty.offer SET percent = 12.5$$, $$INSERT INTO loyalty.coupon_pack (program_id, name, coupon_id) SELECT program_id, 'welcome', coupon_id FROM loyalty.coupon WHERE name = 'five'$$,
	$$INSERT INTO loyalty.cart_policy (program_id, max_coupons) SELECT program_id, 3 FROM loyalty.program WHERE name = 'First'$$,
	$$INSERT INTO loyalty.cart_unit (program_id, unit_id) SELECT u.program_id, u.unit_id FROM loyalty.unit u JOIN loyalty.program p USING (program_id) WHERE p.name = 'First' AND u.code = 'points'$$,
	$$SELECT loyalty.coupon_code_create('First', 'five', 'FIVE')$$, $$SELECT loyalty.coupon_generate('First', 'five', 2)$$,
	$$SELECT loyalty.coupon_use(pg_temp.first('1'), 'FIVE', 'till', 5)$$, $$DELETE FROM loyalty.offer$$,
	$$UPDATE loyalty.program SET closed_until = '2025-01-01' WHERE name = 'Mine'$$,
	$$SELECT loyalty.adjust(pg_temp.first('1'), 1000, 'points', 'gift', key => 'a')$$,
	$$SELECT loyalty.member_freeze(pg_temp.first('1'), 'lost')$$, $$SELECT loyalty.member_thaw(pg_temp.first('1'), 'found')$$,
	$$SELECT loyalty.member_close(pg_temp.first('1'), 'asked')$$, $$SELECT loyalty.member_reopen(pg_temp.first('1'), 'asked')$$,
	$$SELECT loyalty.identity_remove(pg_temp.first('1'), 'card', '1234')$$,
	$$SELECT loyalty.account_settle(pg_temp.first('1'))$$, $$SELECT loyalty.rebuild(pg_temp.first('1'))$$,
	$$SELECT loyalty.redeem(pg_temp.first('1'), 1, key => 'b')$$,
	$$SELECT loyalty.program_create('My ' || name, 'EUR', 'Europe/Paris', name) FROM loyalty.program_templates()$$]) sql;
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the administrator can verify');
SELECT throws_ok(sql, '42501', NULL, 'the administrator cannot ' || sql) FROM unnest(ARRAY[
	'UPDATE loyalty.account SET wallet = wallet', 'INSERT INTO loyalty.entry SELECT', 'SELECT FROM loyalty.identity', 'DELETE FROM loyalty.unit']) sql;

SET ROLE loyalty_test_worker;
SELECT lives_ok($$SELECT loyalty.account_settle(member_id) FROM loyalty.account a JOIN loyalty.program p USING (program_id)
	WHERE a.due_on <= (loyalty.now() AT TIME ZONE p.time_zone)::date$$, 'the worker settles the accounts that are due');
SELECT lives_ok($$SELECT loyalty.account_settle(member_id) FROM loyalty.hold WHERE status = 'held' AND expires_at <= loyalty.now()$$,
	'and those with a hold whose time is over');
SELECT is(loyalty.activity_expire('First'), 0::bigint, 'he deletes what is no longer kept');
SET search_path = loyalty_test_trap, pg_temp, pg_catalog, loyalty, public;
CALL loyalty.maintain();
RESET search_path;
SELECT is((SELECT string_agg(format('%s %s', errors, faults), ', ') FROM (SELECT DISTINCT errors, faults FROM loyalty.maintenance_status WHERE started_at = loyalty.now()) x), '0 0', 'he does all that time asks for, whatever his search_path, and no job fails');
SELECT throws_ok($$SELECT loyalty.redeem(pg_temp.first('1'), 1, key => 'c')$$, '42501', NULL, 'the worker cannot spend');

SET ROLE loyalty_test_reader;
SELECT isnt_empty($$SELECT * FROM loyalty.report_path('First')$$, 'the reader reads the paths');
SELECT throws_ok('SELECT FROM loyalty.activity', '42501', NULL, 'but not what they are made of');
SELECT isnt_empty('SELECT * FROM loyalty.' || view, 'the reader reads ' || view)
FROM unnest('{report_member,report_balance,report_ledger,report_event,report_daily,coupon_limit_status}'::text[]) view;
SELECT isnt_empty($$SELECT * FROM loyalty.report_coupon('First')$$, 'and what coupons came to');
SELECT throws_ok(sql, '42501', NULL, 'the reader cannot ' || sql) FROM unnest(ARRAY[
	'SELECT profile FROM loyalty.member', 'SELECT FROM loyalty.identity', 'SELECT FROM loyalty.event_data', 'SELECT salt FROM loyalty.account',
	'SELECT * FROM loyalty.journal', 'SELECT * FROM loyalty.verify()', $$SELECT loyalty.find('First', 'customer_no', '1')$$,
	'SELECT FROM loyalty.coupon_code', 'SELECT FROM loyalty.coupon_key', 'SELECT FROM loyalty.coupon_version', 'SELECT code FROM loyalty.member_coupon', 'SELECT code FROM loyalty.coupon_use',
	'SELECT FROM loyalty.coupon_attempt']) sql;

SET ROLE loyalty_test_pii;
SELECT isnt_empty('SELECT * FROM loyalty.' || name, 'who may see personal data reads ' || name)
FROM unnest('{member,identity,event_data,report_member}'::text[]) name;
SELECT throws_ok('DELETE FROM loyalty.identity', '42501', NULL, 'and changes none');

SET ROLE loyalty_test_auditor;
SELECT isnt_empty('SELECT * FROM loyalty.' || name, 'the auditor reads ' || name)
FROM unnest('{journal,entry,hold,journal_ref,rule,report_ledger}'::text[]) name;
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the auditor can verify');
SELECT throws_ok(sql, '42501', NULL, 'the auditor cannot ' || sql) FROM unnest(ARRAY[
	'SELECT profile FROM loyalty.member', 'SELECT FROM loyalty.identity', 'SELECT salt FROM loyalty.account']) sql;

-- The owner of the functions has less than a table's owner
SET ROLE loyalty_test_owner;
SELECT throws_ok(sql, '42501', NULL, 'the owner of the functions cannot ' || sql) FROM unnest(ARRAY[
	'UPDATE loyalty.journal SET reason = reason', 'DELETE FROM loyalty.entry', 'ALTER TABLE loyalty.entry DISABLE TRIGGER ALL',
	'UPDATE loyalty.rule SET award = award', 'TRUNCATE loyalty.account']) sql;

SET ROLE loyalty_test_nobody;
SELECT throws_ok('SELECT loyalty.now()', '42501', NULL, 'everybody else cannot even look at the clock');
RESET ROLE;

-- A view that one may select from also needs what it is made of
CREATE FUNCTION pg_temp.unreadable() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	role text;
	view text;
BEGIN
	FOR role, view IN
		SELECT r.role, c.relname
		FROM unnest('{admin,app,worker,reader,pii,auditor}'::text[]) r (role)
		JOIN pg_class c ON c.relnamespace = 'loyalty'::regnamespace AND c.relkind = 'v'
			AND has_table_privilege('loyalty_test_' || r.role, c.oid, 'SELECT')
	LOOP
		BEGIN
			EXECUTE format('SET LOCAL ROLE %I', 'loyalty_test_' || role);
			EXECUTE format('SELECT FROM loyalty.%I', view);
			RESET ROLE;
		EXCEPTION WHEN insufficient_privilege THEN
			RETURN NEXT format('%s %s: %s', role, view, sqlerrm);
		END;
	END LOOP;
END
$$;
SELECT is_empty('SELECT * FROM pg_temp.unreadable()', 'who may read a view can read it');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
