COMMENT ON TABLE loyalty.plan IS 'A paid membership: its period, its price and the tier it gives';
COMMENT ON TABLE loyalty.member_plan IS 'Each period of a plan that a member paid for';
COMMENT ON SEQUENCE loyalty.plan_id_seq IS 'Ids of plans';

CREATE OR REPLACE TRIGGER plan_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.plan
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
