COMMENT ON TABLE loyalty.topup_policy IS 'Stored value of a unit of kind money: in which order it is spent, what a card may hold, when it lapses';
COMMENT ON TABLE loyalty.topup_step IS 'What a top-up of at least so much brings in addition: bonus, points, coupons, a benefit';
COMMENT ON TABLE loyalty.topup_card IS 'The card of a member and unit, once it was frozen or named';
COMMENT ON TABLE loyalty.topup IS 'Each top-up by its payment: what it was worth, and what of it was refunded';

CREATE OR REPLACE FUNCTION loyalty.topup_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_topup_check';
COMMENT ON FUNCTION loyalty.topup_check() IS
'Trigger: refuses stored value of a unit that is not money with the decimals of the currency';

CREATE OR REPLACE FUNCTION loyalty.topup_step_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_topup_step_check';
COMMENT ON FUNCTION loyalty.topup_step_check() IS
'Trigger: refuses amounts with more decimals than their unit, points of a unit that has none, and a benefit of which no voucher is issued';

CREATE OR REPLACE TRIGGER topup_policy_check BEFORE INSERT OR UPDATE ON loyalty.topup_policy
	FOR EACH ROW EXECUTE FUNCTION loyalty.topup_check();
CREATE OR REPLACE TRIGGER topup_step_check BEFORE INSERT OR UPDATE ON loyalty.topup_step
	FOR EACH ROW EXECUTE FUNCTION loyalty.topup_step_check();
CREATE OR REPLACE TRIGGER topup_policy_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.topup_policy
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
CREATE OR REPLACE TRIGGER topup_step_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.topup_step
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
