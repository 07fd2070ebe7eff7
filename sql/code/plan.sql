COMMENT ON TABLE loyalty.plan IS 'A paid membership: its period, its price and the tier it gives';
COMMENT ON TABLE loyalty.member_plan IS 'Each period of a plan that a member paid for, and what became of it';
COMMENT ON SEQUENCE loyalty.plan_id_seq IS 'Ids of plans';

CREATE OR REPLACE FUNCTION loyalty.plan_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_plan_check';
COMMENT ON FUNCTION loyalty.plan_check() IS
'Trigger: refuses a price with more decimals than the currency';

CREATE OR REPLACE TRIGGER plan_check BEFORE INSERT OR UPDATE ON loyalty.plan
	FOR EACH ROW EXECUTE FUNCTION loyalty.plan_check();
CREATE OR REPLACE TRIGGER plan_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.plan
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();

CREATE OR REPLACE VIEW loyalty.report_plan WITH (security_invoker = true) AS
SELECT b.member_id, p.name AS program, n.name AS plan, t.code AS tier, b.starts_on, b.ends_on, b.bought_until,
	loyalty.unit_amount(b.price, p.currency_scale) AS price,
	loyalty.unit_amount(b.credit, p.currency_scale) AS credit,
	loyalty.unit_amount(b.price - b.credit, p.currency_scale) AS paid,
	loyalty.unit_amount(b.refunded, p.currency_scale) AS refunded,
	p.currency, b.auto_renew, b.status, b.journal_id
FROM loyalty.member_plan b
JOIN loyalty.program p ON p.program_id = b.program_id
JOIN loyalty.plan n ON n.plan_id = b.plan_id
LEFT JOIN loyalty.tier t ON t.tier_id = b.tier_id;
COMMENT ON VIEW loyalty.report_plan IS
'One row per payment for a plan: the period, what was paid and given back, whether it is to be renewed';
