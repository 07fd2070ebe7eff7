-- What every concept stands on: the register of tables and the source of ids.

-- How a distributed engine treats each table; a test refuses an undeclared one.
CREATE TABLE loyalty.table_kind (
	table_name  name    NOT NULL PRIMARY KEY,
	kind        text    NOT NULL CHECK (kind IN ('member', 'reference', 'lookup')),
	column_name name,
	builtin     boolean NOT NULL DEFAULT false,
	CHECK ((kind = 'lookup') = (column_name IS NOT NULL))
);

-- CACHE 1, because the order of a member's journal is the order of its ids.
CREATE SEQUENCE loyalty.id_seq AS bigint MAXVALUE 8796093022207;
CREATE SEQUENCE loyalty.program_id_seq AS int;
CREATE SEQUENCE loyalty.unit_id_seq AS int;
CREATE SEQUENCE loyalty.rule_id_seq AS int;
CREATE SEQUENCE loyalty.tier_id_seq AS int;
CREATE SEQUENCE loyalty.campaign_id_seq AS int;
CREATE SEQUENCE loyalty.budget_id_seq AS int;
CREATE SEQUENCE loyalty.ingest_run_id_seq AS int;
CREATE SEQUENCE loyalty.benefit_id_seq AS int;
CREATE SEQUENCE loyalty.plan_id_seq AS int;
CREATE SEQUENCE loyalty.coupon_id_seq AS int;
CREATE SEQUENCE loyalty.automation_id_seq AS int;

INSERT INTO loyalty.table_kind (table_name, kind, column_name, builtin) VALUES
	('table_kind',    'reference', NULL,    true),
	('program',       'reference', NULL,    true),
	('program_event', 'reference', NULL,    true),
	('unit',          'reference', NULL,    true),
	('unit_anchor',   'reference', NULL,    true),
	('collection',    'reference', NULL,    true),
	('collection_item', 'reference', NULL,  true),
	('calendar_day',  'reference', NULL,    true),
	('campaign',      'reference', NULL,    true),
	('budget',        'reference', NULL,    true),
	('budget_slot',   'lookup',    'budget_id', true),
	('tier',          'reference', NULL,    true),
	('tier_threshold', 'reference', NULL,   true),
	('tag',           'reference', NULL,    true),
	('tag_scan',      'reference', NULL,    true),
	('segment',       'reference', NULL,    true),
	('benefit',       'reference', NULL,    true),
	('benefit_holder', 'reference', NULL,   true),
	('price_list',    'reference', NULL,    true),
	('plan',          'reference', NULL,    true),
	('coupon_category', 'reference', NULL,  true),
	('coupon',        'reference', NULL,    true),
	('coupon_version', 'reference', NULL,   true),
	('coupon_limit',  'reference', NULL,    true),
	('coupon_pack',   'reference', NULL,    true),
	('coupon_key',    'reference', NULL,    true),
	('topup_policy',  'reference', NULL,    true),
	('topup_step',    'reference', NULL,    true),
	('cart_policy',   'reference', NULL,    true),
	('cart_unit',     'reference', NULL,    true),
	('activity_kind', 'reference', NULL,    true),
	('automation',    'reference', NULL,    true),
	('automation_step', 'reference', NULL,  true),
	('automation_scan', 'reference', NULL,  true),
	('automation_broadcast', 'reference', NULL, true),
	('message_channel', 'reference', NULL,  true),
	('maintenance_job', 'reference', NULL,  true),
	('report_folded', 'reference', NULL,    true),
	('report_mark',   'reference', NULL,    true),
	('report_value_day', 'lookup', 'program_id', true),
	('report_lot_month', 'lookup', 'program_id', true),
	('report_sale_day', 'lookup',  'program_id', true),
	('report_member_count', 'lookup', 'program_id', true),
	('report_return_day', 'lookup', 'program_id', true),
	('report_second', 'lookup',    'program_id', true),
	('report_cohort_month', 'lookup', 'program_id', true),
	('report_product_day', 'lookup', 'program_id', true),
	('report_product_month', 'lookup', 'program_id', true),
	('report_tier_day', 'lookup',  'program_id', true),
	('report_rfm_day', 'lookup',   'program_id', true),
	('report_member_day', 'member', NULL,   true),
	('rule_group',    'reference', NULL,    true),
	('rule',          'reference', NULL,    true),
	('rule_version',  'reference', NULL,    true),
	('rule_cap',      'reference', NULL,    true),
	('ingest_run',    'reference', NULL,    true),
	('ingest_reject', 'lookup',    'reject_id', true),
	('rule_use',      'member',    NULL,    true),
	('streak',        'member',    NULL,    true),
	('tier_history',  'member',    NULL,    true),
	('member_tag',    'member',    NULL,    true),
	('tag_history',   'member',    NULL,    true),
	('member_day',    'member',    NULL,    true),
	('tag_review',    'member',    NULL,    true),
	('member_segment', 'member',   NULL,    true),
	('segment_history', 'member',  NULL,    true),
	('member_benefit', 'member',   NULL,    true),
	('voucher',       'member',    NULL,    true),
	('member_plan',   'member',    NULL,    true),
	('member_coupon', 'member',    NULL,    true),
	('coupon_use',    'member',    NULL,    true),
	('topup_card',    'member',    NULL,    true),
	('topup',         'member',    NULL,    true),
	('checkout',      'member',    NULL,    true),
	('activity',      'member',    NULL,    true),
	('member',        'member',    NULL,    true),
	('account',       'member',    NULL,    true),
	('journal',       'member',    NULL,    true),
	('event_data',    'member',    NULL,    true),
	('entry',         'member',    NULL,    true),
	('hold',          'member',    NULL,    true),
	('automation_run', 'member',   NULL,    true),
	('consent',       'member',    NULL,    true),
	('message',       'member',    NULL,    true),
	('message_feedback', 'member', NULL,    true),
	('maintenance_fault', 'member', NULL,   true),
	('message_quota', 'lookup',    'channel', true),
	('visitor',       'lookup',    'visitor', true),
	('identity',      'lookup',    'value', true),
	('coupon_code',   'lookup',    'code',  true),
	('coupon_attempt', 'lookup',   'value', true),
	('journal_ref',   'lookup',    'ref',   true);
