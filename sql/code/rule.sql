COMMENT ON TABLE loyalty.rule IS 'What an event earns: a fixed award, or so much per amount';

CREATE OR REPLACE FUNCTION loyalty.rule_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_rule_check';
COMMENT ON FUNCTION loyalty.rule_check() IS
'Trigger: refuses a rule whose award or per has more decimals than its unit or currency, or whose award is of no use';

CREATE OR REPLACE TRIGGER rule_check BEFORE INSERT OR UPDATE ON loyalty.rule
	FOR EACH ROW EXECUTE FUNCTION loyalty.rule_check();
CREATE OR REPLACE TRIGGER rule_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.rule
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();

CREATE OR REPLACE FUNCTION loyalty.config_reference()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_config_reference';
COMMENT ON FUNCTION loyalty.config_reference() IS
'Trigger: refuses a reference to a programme, unit or event that does not exist';

CREATE OR REPLACE TRIGGER program_event_reference BEFORE INSERT OR UPDATE ON loyalty.program_event
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER unit_reference BEFORE INSERT OR UPDATE ON loyalty.unit
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER unit_anchor_reference BEFORE INSERT OR UPDATE ON loyalty.unit_anchor
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER rule_reference BEFORE INSERT OR UPDATE ON loyalty.rule
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
