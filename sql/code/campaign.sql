COMMENT ON SEQUENCE loyalty.campaign_id_seq IS 'Ids of campaigns';
COMMENT ON SEQUENCE loyalty.budget_id_seq IS 'Ids of budgets';
COMMENT ON TABLE loyalty.campaign IS 'A named, time-boxed group of rules; only a live one awards';
COMMENT ON TABLE loyalty.budget IS 'How much of a unit a campaign, or the whole programme, may award; written by budget_set()';
COMMENT ON TABLE loyalty.budget_slot IS 'A part of a budget and what is used of it; an award takes from one that nobody else has locked';

CREATE OR REPLACE TRIGGER campaign_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.campaign
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
-- not of the slots: what is left is read whenever something is taken
CREATE OR REPLACE TRIGGER budget_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.budget
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();

CREATE OR REPLACE FUNCTION loyalty.campaign_start(program text, campaign text)
RETURNS void LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_campaign_start';
COMMENT ON FUNCTION loyalty.campaign_start(text, text) IS
'Makes a campaign live: from now on, and between its dates, its rules award';

CREATE OR REPLACE FUNCTION loyalty.campaign_pause(program text, campaign text)
RETURNS void LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_campaign_pause';
COMMENT ON FUNCTION loyalty.campaign_pause(text, text) IS
'Pauses a campaign: its rules award nothing until it is started again';

CREATE OR REPLACE FUNCTION loyalty.campaign_end(program text, campaign text)
RETURNS void LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_campaign_end';
COMMENT ON FUNCTION loyalty.campaign_end(text, text) IS
'Ends a campaign: its rules award nothing any more';

CREATE OR REPLACE FUNCTION loyalty.budget_set(program text, unit text, amount numeric,
	campaign text DEFAULT NULL, slots int DEFAULT 16)
RETURNS int LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_budget_set';
COMMENT ON FUNCTION loyalty.budget_set(text, text, numeric, text, int) IS
'Makes or changes the budget of a campaign, or without one of the programme, and returns its id; what is used stays used';

CREATE OR REPLACE VIEW loyalty.budget_status WITH (security_invoker = true) AS
SELECT b.budget_id, p.name AS program, c.name AS campaign, u.code AS unit, b.amount,
	loyalty.unit_amount(s.used, u.scale) AS used,
	loyalty.unit_amount(s.quota - s.used, u.scale) AS remaining, s.slots
FROM loyalty.budget b
JOIN loyalty.program p ON p.program_id = b.program_id
JOIN loyalty.unit u ON u.unit_id = b.unit_id
LEFT JOIN loyalty.campaign c ON c.campaign_id = b.campaign_id
CROSS JOIN LATERAL (
	SELECT count(*)::int AS slots, coalesce(sum(x.quota), 0)::bigint AS quota, coalesce(sum(x.used), 0)::bigint AS used
	FROM loyalty.budget_slot x
	WHERE x.budget_id = b.budget_id) s;
COMMENT ON VIEW loyalty.budget_status IS
'One row per budget: how much of it is used, and how much remains; campaign is NULL for the programme''s own';
