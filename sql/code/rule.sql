COMMENT ON TABLE loyalty.rule IS 'What an event earns: which unit, how much, when, for whom, up to what limits';
COMMENT ON TABLE loyalty.rule_group IS 'How the rules of one unit that apply to the same event combine';
COMMENT ON TABLE loyalty.rule_version IS 'What a rule was before it was changed or deleted';
COMMENT ON TABLE loyalty.rule_cap IS 'At most so much per member and period of a counter';
COMMENT ON TABLE loyalty.rule_use IS 'When a rule awarded something to a member last, and for which targets';
COMMENT ON TABLE loyalty.streak IS 'Days on end on which a daily event of a member happened';

CREATE OR REPLACE FUNCTION loyalty.rule_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_rule_check';
COMMENT ON FUNCTION loyalty.rule_check() IS
'Trigger: refuses a rule that could not be carried out or whose condition could cost too much; counts its version up';

CREATE OR REPLACE TRIGGER rule_check BEFORE INSERT OR UPDATE ON loyalty.rule
	FOR EACH ROW EXECUTE FUNCTION loyalty.rule_check();
CREATE OR REPLACE TRIGGER rule_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.rule
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();

CREATE OR REPLACE FUNCTION loyalty.rule_keep()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_rule_keep';
COMMENT ON FUNCTION loyalty.rule_keep() IS
'Trigger: keeps what rules were before they were changed or deleted';

CREATE OR REPLACE TRIGGER rule_replaced AFTER UPDATE ON loyalty.rule
	REFERENCING OLD TABLE AS old_rules
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.rule_keep();
CREATE OR REPLACE TRIGGER rule_deleted AFTER DELETE ON loyalty.rule
	REFERENCING OLD TABLE AS old_rules
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.rule_keep();
CREATE OR REPLACE TRIGGER rule_group_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.rule_group
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
CREATE OR REPLACE TRIGGER rule_cap_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.rule_cap
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();

CREATE OR REPLACE FUNCTION loyalty.rule_limit(rule_id int, period text, maximum numeric,
	counts text DEFAULT 'amount', on_excess text DEFAULT 'truncate', counter text DEFAULT NULL)
RETURNS int LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_rule_limit';
COMMENT ON FUNCTION loyalty.rule_limit(int, text, numeric, text, text, text) IS
'Limits what a rule awards to a member in a period, makes the counter for it, and returns its unit_id; rules that name the same counter share the limit';

CREATE OR REPLACE FUNCTION loyalty.rule_cap_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_rule_cap_check';
COMMENT ON FUNCTION loyalty.rule_cap_check() IS
'Trigger: refuses a limit whose maximum or counter has other decimals than what it counts';

CREATE OR REPLACE TRIGGER rule_cap_check BEFORE INSERT OR UPDATE ON loyalty.rule_cap
	FOR EACH ROW EXECUTE FUNCTION loyalty.rule_cap_check();

CREATE OR REPLACE FUNCTION loyalty.config_reference()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_config_reference';
COMMENT ON FUNCTION loyalty.config_reference() IS
'Trigger: refuses a reference to a programme, or to what the programme has not';

CREATE OR REPLACE TRIGGER program_event_reference BEFORE INSERT OR UPDATE ON loyalty.program_event
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER unit_reference BEFORE INSERT OR UPDATE ON loyalty.unit
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER unit_anchor_reference BEFORE INSERT OR UPDATE ON loyalty.unit_anchor
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER rule_reference BEFORE INSERT OR UPDATE ON loyalty.rule
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER collection_reference BEFORE INSERT OR UPDATE ON loyalty.collection
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER collection_item_reference BEFORE INSERT OR UPDATE ON loyalty.collection_item
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER calendar_day_reference BEFORE INSERT OR UPDATE ON loyalty.calendar_day
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER campaign_reference BEFORE INSERT OR UPDATE ON loyalty.campaign
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER budget_reference BEFORE INSERT OR UPDATE ON loyalty.budget
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER tier_reference BEFORE INSERT OR UPDATE ON loyalty.tier
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER tier_threshold_reference BEFORE INSERT OR UPDATE ON loyalty.tier_threshold
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER rule_group_reference BEFORE INSERT OR UPDATE ON loyalty.rule_group
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER rule_cap_reference BEFORE INSERT OR UPDATE ON loyalty.rule_cap
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER tag_reference BEFORE INSERT OR UPDATE ON loyalty.tag
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER segment_reference BEFORE INSERT OR UPDATE ON loyalty.segment
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER plan_reference BEFORE INSERT OR UPDATE ON loyalty.plan
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER benefit_reference BEFORE INSERT OR UPDATE ON loyalty.benefit
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER benefit_holder_reference BEFORE INSERT OR UPDATE ON loyalty.benefit_holder
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER price_list_reference BEFORE INSERT OR UPDATE ON loyalty.price_list
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER coupon_category_reference BEFORE INSERT OR UPDATE ON loyalty.coupon_category
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER coupon_reference BEFORE INSERT OR UPDATE ON loyalty.coupon
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER coupon_limit_reference BEFORE INSERT OR UPDATE ON loyalty.coupon_limit
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER coupon_pack_reference BEFORE INSERT OR UPDATE ON loyalty.coupon_pack
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER topup_policy_reference BEFORE INSERT OR UPDATE ON loyalty.topup_policy
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER topup_step_reference BEFORE INSERT OR UPDATE ON loyalty.topup_step
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER cart_policy_reference BEFORE INSERT OR UPDATE ON loyalty.cart_policy
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER cart_unit_reference BEFORE INSERT OR UPDATE ON loyalty.cart_unit
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER automation_reference BEFORE INSERT OR UPDATE ON loyalty.automation
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER automation_step_reference BEFORE INSERT OR UPDATE ON loyalty.automation_step
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
