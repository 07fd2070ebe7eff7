COMMENT ON SEQUENCE loyalty.coupon_id_seq IS 'Ids of coupons and offers';
COMMENT ON TABLE loyalty.coupon_category IS 'Which coupons and offers can be combined in one order, and which are applied first';
COMMENT ON TABLE loyalty.coupon IS 'Templates of coupons, and offers that need none: what they give, on what, when, to whom, together with what';
COMMENT ON TABLE loyalty.coupon_version IS 'What a coupon was before its terms were changed or it was deleted: the terms of what was issued then';
COMMENT ON TABLE loyalty.coupon_limit IS 'How much of a coupon there is in all; written by coupon_limit(), counted in budget_slot';
COMMENT ON TABLE loyalty.coupon_pack IS 'Coupons that are issued together';
COMMENT ON TABLE loyalty.member_coupon IS 'Coupons that members hold, used up or not';
COMMENT ON TABLE loyalty.coupon_use IS 'Which coupon, code or offer was used, or is reserved, for which order, and what it took off';
COMMENT ON TYPE loyalty.verdict IS 'What becomes of one coupon or offer in a cart: what it saves, or why it does not apply';

CREATE OR REPLACE FUNCTION loyalty.coupon_terms_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_terms_check';
COMMENT ON FUNCTION loyalty.coupon_terms_check() IS
'Trigger: refuses a coupon or offer that could not be carried out or whose conditions could cost too much; counts its version up';

CREATE OR REPLACE FUNCTION loyalty.coupon_keep()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_keep';
COMMENT ON FUNCTION loyalty.coupon_keep() IS
'Trigger: keeps what coupons were before their terms were changed or they were deleted';

CREATE OR REPLACE FUNCTION loyalty.coupon_pack_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_pack_check';
COMMENT ON FUNCTION loyalty.coupon_pack_check() IS
'Trigger: refuses an offer in a pack, because it is not issued';

CREATE OR REPLACE TRIGGER coupon_terms_check BEFORE INSERT OR UPDATE ON loyalty.coupon
	FOR EACH ROW EXECUTE FUNCTION loyalty.coupon_terms_check();
CREATE OR REPLACE TRIGGER coupon_replaced AFTER UPDATE ON loyalty.coupon
	REFERENCING OLD TABLE AS old_coupons
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.coupon_keep();
CREATE OR REPLACE TRIGGER coupon_deleted AFTER DELETE ON loyalty.coupon
	REFERENCING OLD TABLE AS old_coupons
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.coupon_keep();
CREATE OR REPLACE TRIGGER coupon_pack_check BEFORE INSERT OR UPDATE ON loyalty.coupon_pack
	FOR EACH ROW EXECUTE FUNCTION loyalty.coupon_pack_check();

CREATE OR REPLACE TRIGGER coupon_category_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.coupon_category
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
CREATE OR REPLACE TRIGGER coupon_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.coupon
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
CREATE OR REPLACE TRIGGER coupon_version_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.coupon_version
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
CREATE OR REPLACE TRIGGER coupon_limit_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.coupon_limit
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();

-- Promotions that need no coupon. The columns of coupon that tell how members
-- come by one are not here.
CREATE OR REPLACE VIEW loyalty.offer WITH (security_invoker = true) AS
SELECT c.coupon_id, c.program_id, c.name, c.title, c.status, c.version, c.campaign_id, c.kind, c.amount, c.percent,
	c.max_discount, c.base, c.step_from, c.step_off, c.step_kind, c.repeats, c.buy, c.get, c.pick, c.max_times, c.sku,
	c.quantity, c.factor, c.unit_id, c.item_filter, c.collection, c.excluded_collection, c.target_filter,
	c.target_collection, c.min_amount, c.max_amount, c.min_quantity, c.max_quantity, c.valid_from, c.valid_until,
	c.days_of_week, c.weeks_of_month, c.days_of_month, c.calendar, c.time_from, c.time_until, c.birthday,
	c.anniversary, c.first_purchases, c.idle_from, c.idle_until, c.tiers, c.tags, c.segments, c.channels, c.stores,
	c.store_collection, c.payment_methods, c.condition, c.category, c.exclusive, c.priority, c.limit_member,
	c.limit_period, c.period, c.cost_shares, c.automatic
FROM loyalty.coupon c
WHERE c.automatic
WITH LOCAL CHECK OPTION;
ALTER VIEW loyalty.offer ALTER automatic SET DEFAULT true;
COMMENT ON VIEW loyalty.offer IS
'Promotions that apply without a coupon: the rows of loyalty.coupon that are automatic; INSERT, UPDATE and DELETE work';

CREATE OR REPLACE FUNCTION loyalty.coupon_limit(program text, coupon text, counts text, amount numeric,
	slots int DEFAULT 16)
RETURNS int LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_limit';
COMMENT ON FUNCTION loyalty.coupon_limit(text, text, text, numeric, int) IS
'Limits how many coupons are issued or used in all, or what they take off in all, and returns the id of the budget that counts it; what there has been counts';

CREATE OR REPLACE VIEW loyalty.coupon_limit_status WITH (security_invoker = true) AS
SELECT l.budget_id, p.name AS program, c.name AS coupon, l.counts, l.amount,
	loyalty.unit_amount(s.used, n.scale) AS used,
	loyalty.unit_amount(s.quota - s.used, n.scale) AS remaining, s.slots
FROM loyalty.coupon_limit l
JOIN loyalty.coupon c ON c.coupon_id = l.coupon_id
JOIN loyalty.program p ON p.program_id = l.program_id
CROSS JOIN LATERAL (SELECT CASE WHEN l.counts = 'discount' THEN p.currency_scale ELSE 0 END::smallint AS scale) n
CROSS JOIN LATERAL (
	SELECT count(*)::int AS slots, coalesce(sum(x.quota), 0)::bigint AS quota, coalesce(sum(x.used), 0)::bigint AS used
	FROM loyalty.budget_slot x
	WHERE x.budget_id = l.budget_id) s;
COMMENT ON VIEW loyalty.coupon_limit_status IS
'One row per limit of a coupon in all: how much of it is used, and how much remains';

CREATE OR REPLACE FUNCTION loyalty.coupon_require(program text)
RETURNS int LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_require';
COMMENT ON FUNCTION loyalty.coupon_require(text) IS
'For report_coupon() and report_coupon_cost(): the id of a programme; LY403 if there is none';
