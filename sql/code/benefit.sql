COMMENT ON TABLE loyalty.benefit IS 'What membership entitles to: prices, multipliers, rights, quotas, services, gifts';
COMMENT ON TABLE loyalty.benefit_holder IS 'Who has a benefit: a tier, a segment, a tag, a stage, a plan, a campaign, everyone';
COMMENT ON TABLE loyalty.member_benefit IS 'Benefits given to one member by hand';
COMMENT ON TABLE loyalty.price_list IS 'Member prices by product';
COMMENT ON TABLE loyalty.voucher IS 'Services and gifts that were issued to a member: used, void, or open until a date';
COMMENT ON SEQUENCE loyalty.benefit_id_seq IS 'Ids of benefits';

CREATE OR REPLACE FUNCTION loyalty.benefit_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_benefit_check';
COMMENT ON FUNCTION loyalty.benefit_check() IS
'Trigger: refuses a benefit that could not be carried out, such as a price above 100 % or a quota without a counter';

CREATE OR REPLACE FUNCTION loyalty.benefit_holder_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_benefit_holder_check';
COMMENT ON FUNCTION loyalty.benefit_holder_check() IS
'Trigger: refuses a holder that the programme does not have, and a quantity of what is no quota';

CREATE OR REPLACE FUNCTION loyalty.benefit_price_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_benefit_price_check';
COMMENT ON FUNCTION loyalty.benefit_price_check() IS
'Trigger: refuses a price above 100 %, with more decimals than the currency, or of a collection that is not there';

CREATE OR REPLACE TRIGGER benefit_check BEFORE INSERT OR UPDATE ON loyalty.benefit
	FOR EACH ROW EXECUTE FUNCTION loyalty.benefit_check();
CREATE OR REPLACE TRIGGER benefit_holder_check BEFORE INSERT OR UPDATE ON loyalty.benefit_holder
	FOR EACH ROW EXECUTE FUNCTION loyalty.benefit_holder_check();
CREATE OR REPLACE TRIGGER price_list_check BEFORE INSERT OR UPDATE ON loyalty.price_list
	FOR EACH ROW EXECUTE FUNCTION loyalty.benefit_price_check();
CREATE OR REPLACE TRIGGER benefit_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.benefit
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
CREATE OR REPLACE TRIGGER benefit_holder_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.benefit_holder
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();

CREATE OR REPLACE FUNCTION loyalty.benefit_hold(program text, benefit text, source text,
	name text DEFAULT '', quantity numeric DEFAULT NULL)
RETURNS void LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_benefit_hold';
COMMENT ON FUNCTION loyalty.benefit_hold(text, text, text, text, numeric) IS
'Gives a benefit to everyone, or to those of a tier, segment, tag, stage, plan or campaign, all by their names; quantity: of a quota, instead of its own';
