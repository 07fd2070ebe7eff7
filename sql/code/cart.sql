COMMENT ON TABLE loyalty.cart_policy IS 'How carts of a programme are priced: what discounts reckon with, how many coupons, what must remain to be paid';
COMMENT ON TABLE loyalty.cart_unit IS 'Units that pay for carts: at least how many, in which steps, for which part of the goods';

CREATE OR REPLACE FUNCTION loyalty.cart_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_cart_check';
COMMENT ON FUNCTION loyalty.cart_check() IS
'Trigger: refuses a least amount to pay with more decimals than the currency';

CREATE OR REPLACE FUNCTION loyalty.cart_unit_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_cart_unit_check';
COMMENT ON FUNCTION loyalty.cart_unit_check() IS
'Trigger: refuses a unit that cannot pay, and numbers with more decimals than the unit';

CREATE OR REPLACE TRIGGER cart_policy_check BEFORE INSERT OR UPDATE ON loyalty.cart_policy
	FOR EACH ROW EXECUTE FUNCTION loyalty.cart_check();
CREATE OR REPLACE TRIGGER cart_unit_check BEFORE INSERT OR UPDATE ON loyalty.cart_unit
	FOR EACH ROW EXECUTE FUNCTION loyalty.cart_unit_check();
CREATE OR REPLACE TRIGGER cart_policy_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.cart_policy
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
CREATE OR REPLACE TRIGGER cart_unit_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.cart_unit
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
