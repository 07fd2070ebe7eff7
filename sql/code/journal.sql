COMMENT ON TABLE loyalty.journal IS 'One row per accepted call, even one that moved nothing; append-only';
COMMENT ON TABLE loyalty.event_data IS 'Bulky or personal inputs of a journal row; may be erased, the books stay';
COMMENT ON TABLE loyalty.entry IS 'What each journal row moved, lot by lot; append-only';
COMMENT ON TABLE loyalty.journal_ref IS 'Where program.ref_scope is program: the member that an order reference belongs to';
COMMENT ON TYPE loyalty.posting IS 'One movement of one lot, in the unit''s own terms';
COMMENT ON TYPE loyalty.receipt IS 'What every mutating call returns';

CREATE OR REPLACE FUNCTION loyalty.journal_immutable()
RETURNS trigger LANGUAGE C
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_journal_immutable';
COMMENT ON FUNCTION loyalty.journal_immutable() IS
'Trigger: refuses UPDATE, DELETE and TRUNCATE of the ledger, and DELETE and TRUNCATE of whose it is (LY190), even to its owner';

CREATE OR REPLACE TRIGGER journal_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON loyalty.journal
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.journal_immutable();
CREATE OR REPLACE TRIGGER entry_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON loyalty.entry
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.journal_immutable();
CREATE OR REPLACE TRIGGER account_immutable BEFORE DELETE OR TRUNCATE ON loyalty.account
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.journal_immutable();

CREATE OR REPLACE TRIGGER tier_history_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON loyalty.tier_history
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.journal_immutable();
CREATE OR REPLACE TRIGGER tag_history_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON loyalty.tag_history
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.journal_immutable();
CREATE OR REPLACE TRIGGER segment_history_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON loyalty.segment_history
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.journal_immutable();

-- What of the configuration is fixed, once the ledger is written in its terms.

CREATE OR REPLACE FUNCTION loyalty.program_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_program_check';
COMMENT ON FUNCTION loyalty.program_check() IS
'Trigger: refuses an unknown time zone, and another zone or currency once the programme has a journal';

CREATE OR REPLACE TRIGGER program_check BEFORE INSERT OR UPDATE ON loyalty.program
	FOR EACH ROW EXECUTE FUNCTION loyalty.program_check();
CREATE OR REPLACE FUNCTION loyalty.unit_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_unit_check';
COMMENT ON FUNCTION loyalty.unit_check() IS
'Trigger: refuses another scale or kind of a unit once the programme has a journal';

CREATE OR REPLACE TRIGGER unit_check BEFORE UPDATE ON loyalty.unit
	FOR EACH ROW EXECUTE FUNCTION loyalty.unit_check();

CREATE OR REPLACE FUNCTION loyalty.benefit_fixed()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_benefit_fixed';
COMMENT ON FUNCTION loyalty.benefit_fixed() IS
'Trigger: refuses another kind, unit or n of a benefit of which vouchers were issued';

CREATE OR REPLACE TRIGGER benefit_fixed BEFORE UPDATE OF kind, unit_id, quantity ON loyalty.benefit
	FOR EACH ROW EXECUTE FUNCTION loyalty.benefit_fixed();

CREATE OR REPLACE FUNCTION loyalty.config_in_use()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_config_in_use';
COMMENT ON FUNCTION loyalty.config_in_use() IS
'Trigger: refuses to delete configuration that other rows refer to, or to change its key';

CREATE OR REPLACE TRIGGER program_in_use BEFORE DELETE OR UPDATE OF program_id ON loyalty.program
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_in_use();
CREATE OR REPLACE TRIGGER program_event_in_use BEFORE DELETE OR UPDATE OF program_id, event ON loyalty.program_event
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_in_use();
CREATE OR REPLACE TRIGGER unit_in_use BEFORE DELETE OR UPDATE OF program_id, unit_id ON loyalty.unit
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_in_use();
CREATE OR REPLACE TRIGGER collection_in_use BEFORE DELETE OR UPDATE OF program_id, name ON loyalty.collection
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_in_use();
CREATE OR REPLACE TRIGGER campaign_in_use BEFORE DELETE OR UPDATE OF program_id, campaign_id, name ON loyalty.campaign
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_in_use();
CREATE OR REPLACE TRIGGER tag_in_use BEFORE DELETE OR UPDATE OF program_id, name ON loyalty.tag
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_in_use();
CREATE OR REPLACE TRIGGER tier_in_use BEFORE DELETE OR UPDATE OF program_id, tier_id, code ON loyalty.tier
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_in_use();
CREATE OR REPLACE TRIGGER rule_group_in_use BEFORE DELETE OR UPDATE OF program_id, name ON loyalty.rule_group
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_in_use();
CREATE OR REPLACE TRIGGER rule_in_use BEFORE DELETE OR UPDATE OF program_id, rule_id ON loyalty.rule
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_in_use();
CREATE OR REPLACE TRIGGER segment_in_use BEFORE DELETE OR UPDATE OF program_id, name ON loyalty.segment
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_in_use();
CREATE OR REPLACE TRIGGER plan_in_use BEFORE DELETE OR UPDATE OF program_id, plan_id, name ON loyalty.plan
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_in_use();
CREATE OR REPLACE TRIGGER benefit_in_use BEFORE DELETE OR UPDATE OF program_id, benefit_id ON loyalty.benefit
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_in_use();
CREATE OR REPLACE TRIGGER coupon_category_in_use BEFORE DELETE OR UPDATE OF program_id, name ON loyalty.coupon_category
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_in_use();
CREATE OR REPLACE TRIGGER coupon_in_use BEFORE DELETE OR UPDATE OF program_id, coupon_id ON loyalty.coupon
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_in_use();
CREATE OR REPLACE TRIGGER topup_policy_in_use BEFORE DELETE OR UPDATE OF program_id, unit_id ON loyalty.topup_policy
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_in_use();
CREATE OR REPLACE TRIGGER automation_in_use BEFORE DELETE OR UPDATE OF program_id, automation_id ON loyalty.automation
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_in_use();
