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
