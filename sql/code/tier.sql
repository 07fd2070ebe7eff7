COMMENT ON TABLE loyalty.tier IS 'A level of a programme: rank, validity, grace, demotion, and what it is worth';
COMMENT ON TABLE loyalty.tier_threshold IS 'What a tier asks for: so much of a metric in a window, to reach it or to keep it';
COMMENT ON TABLE loyalty.tier_history IS 'Every change of a member''s tier and every review, with the threshold that decided; append-only';
COMMENT ON SEQUENCE loyalty.tier_id_seq IS 'Ids of tiers';

CREATE OR REPLACE FUNCTION loyalty.tier_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_tier_check';
COMMENT ON FUNCTION loyalty.tier_check() IS
'Trigger: refuses a threshold on a unit that is no metric, or with more decimals than the unit';

CREATE OR REPLACE TRIGGER tier_threshold_check BEFORE INSERT OR UPDATE ON loyalty.tier_threshold
	FOR EACH ROW EXECUTE FUNCTION loyalty.tier_check();
CREATE OR REPLACE TRIGGER tier_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.tier
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
CREATE OR REPLACE TRIGGER tier_threshold_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.tier_threshold
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();

CREATE OR REPLACE FUNCTION loyalty.tier_ask(program text, tier text, unit text, threshold numeric,
	purpose text DEFAULT 'entry', window_kind text DEFAULT 'rolling', months int DEFAULT 12)
RETURNS void LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_tier_ask';
COMMENT ON FUNCTION loyalty.tier_ask(text, text, text, numeric, text, text, int) IS
'Makes or changes a threshold of a tier, all by their names; months counts for a rolling window only';

CREATE OR REPLACE FUNCTION loyalty.tier_review(member_id bigint, at timestamptz DEFAULT NULL,
	key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_tier_review';
COMMENT ON FUNCTION loyalty.tier_review(bigint, timestamptz, text, text) IS
'Makes the reviews of a member''s tier that are due: warns, prolongs, lets into grace, demotes; and promotes who has reached enough';

CREATE OR REPLACE FUNCTION loyalty.tier_grant(member_id bigint, tier text, reason text,
	until date DEFAULT NULL, locked_until date DEFAULT NULL, at timestamptz DEFAULT NULL,
	key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_tier_grant';
COMMENT ON FUNCTION loyalty.tier_grant(bigint, text, text, date, date, timestamptz, text, text) IS
'Gives a tier by hand, up or down, until a date or as long as the tier is valid; not reviewed before locked_until is over';

CREATE OR REPLACE FUNCTION loyalty.tier_current(member_id bigint)
RETURNS TABLE (tier text, tier_since date, tier_until date, tier_state text)
LANGUAGE C STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_tier_current';
COMMENT ON FUNCTION loyalty.tier_current(bigint) IS
'The tier of a member at loyalty.now(), whether or not a review that is due was posted';

CREATE OR REPLACE FUNCTION loyalty.tier_at(member_id bigint, at timestamptz)
RETURNS text LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_tier_at';
COMMENT ON FUNCTION loyalty.tier_at(bigint, timestamptz) IS
'The tier of a member at a time: in the past from the history, in the future if nothing else happens; NULL for none';

CREATE OR REPLACE FUNCTION loyalty.tier_progress(member_id bigint)
RETURNS TABLE (tier text, tier_since date, tier_until date, tier_state text, purpose text,
	for_tier text, match text, unit text, reached numeric, threshold numeric, missing numeric,
	window_kind text, window_from date, window_until date, keep_by date,
	projected_tier text, projected_state text)
LANGUAGE C STABLE SECURITY DEFINER ROWS 3
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_tier_progress';
COMMENT ON FUNCTION loyalty.tier_progress(bigint) IS
'What is missing to reach the next tier, what must be kept by when, and the tier to come if nothing else happens';
