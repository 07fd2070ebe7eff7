COMMENT ON TABLE loyalty.unit IS 'Something that is counted: points, money or a metric, with its vesting, expiry and refund policies';
COMMENT ON TABLE loyalty.unit_anchor IS 'What a unit is worth from a date on: two integers, minor units of the unit and of the currency';

CREATE OR REPLACE TRIGGER unit_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.unit
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
