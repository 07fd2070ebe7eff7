COMMENT ON TABLE loyalty.unit IS 'Something that is counted: points, money or a metric, with its vesting, expiry and refund policies';
COMMENT ON TABLE loyalty.unit_anchor IS 'What a unit is worth from a date on: two integers, minor units of the unit and of the currency';

CREATE OR REPLACE FUNCTION loyalty.unit_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_unit_check';
COMMENT ON FUNCTION loyalty.unit_check() IS
'Trigger: refuses another scale or kind of a unit once the programme has a journal';

CREATE OR REPLACE TRIGGER unit_check BEFORE UPDATE ON loyalty.unit
	FOR EACH ROW EXECUTE FUNCTION loyalty.unit_check();
CREATE OR REPLACE TRIGGER unit_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.unit
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
