COMMENT ON TABLE loyalty.benefit IS 'What membership entitles to: prices, multipliers, rights, quotas, services, gifts';
COMMENT ON TABLE loyalty.benefit_holder IS 'Who has a benefit: a tier, a segment, a tag, a stage, a plan, a campaign, everyone';
COMMENT ON TABLE loyalty.member_benefit IS 'Benefits given to one member by hand';
COMMENT ON TABLE loyalty.price_list IS 'Member prices by product';
COMMENT ON TABLE loyalty.voucher IS 'Services and gifts that were issued to a member: used, void, or open until a date';
COMMENT ON SEQUENCE loyalty.benefit_id_seq IS 'Ids of benefits';

CREATE OR REPLACE TRIGGER benefit_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.benefit
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
CREATE OR REPLACE TRIGGER benefit_holder_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.benefit_holder
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
CREATE OR REPLACE TRIGGER price_list_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.price_list
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
