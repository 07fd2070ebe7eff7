CREATE OR REPLACE FUNCTION loyalty.plan_buy(member_id bigint, plan text, ref text, price numeric DEFAULT NULL,
	auto_renew boolean DEFAULT false, starts_on date DEFAULT NULL, at timestamptz DEFAULT NULL,
	key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_plan_buy';
COMMENT ON FUNCTION loyalty.plan_buy(bigint, text, text, numeric, boolean, date, timestamptz, text, text) IS
'A period of a plan was paid for: from today, or from starts_on; ref is the payment';

CREATE OR REPLACE FUNCTION loyalty.plan_renew(member_id bigint, ref text, price numeric DEFAULT NULL,
	plan text DEFAULT NULL, auto_renew boolean DEFAULT NULL, at timestamptz DEFAULT NULL,
	key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_plan_renew';
COMMENT ON FUNCTION loyalty.plan_renew(bigint, text, numeric, text, boolean, timestamptz, text, text) IS
'Another period was paid for: from the day after the last one, or from today if that is later';

CREATE OR REPLACE FUNCTION loyalty.plan_upgrade(member_id bigint, plan text, ref text, price numeric DEFAULT NULL,
	auto_renew boolean DEFAULT NULL, at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_plan_upgrade';
COMMENT ON FUNCTION loyalty.plan_upgrade(bigint, text, text, numeric, boolean, timestamptz, text, text) IS
'Exchanges the plan that is held for a full period of a higher one, from today; the days that are left count as paid';

CREATE OR REPLACE FUNCTION loyalty.plan_cancel(member_id bigint, at timestamptz DEFAULT NULL,
	key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_plan_cancel';
COMMENT ON FUNCTION loyalty.plan_cancel(bigint, timestamptz, text, text) IS
'The plan is not to be renewed; it is held until its period is over';

CREATE OR REPLACE FUNCTION loyalty.plan_refund(member_id bigint, ref text, at timestamptz DEFAULT NULL,
	key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_plan_refund';
COMMENT ON FUNCTION loyalty.plan_refund(bigint, text, timestamptz, text, text) IS
'Ends the period of a payment yesterday and tells what of it is to be given back: by the days that are left, all of it if none has begun';

CREATE OR REPLACE FUNCTION loyalty.plan_current(member_id bigint)
RETURNS TABLE (plan text, title text, tier text, starts_on date, ends_on date, held boolean, auto_renew boolean,
	price numeric, paid numeric, worth numeric, ref text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	-- Plain SQL cannot raise.
	SELECT loyalty.member_require(plan_current.member_id);

	SELECT n.name, n.title, t.code, b.starts_on, b.ends_on, b.starts_on <= c.today, b.auto_renew,
		loyalty.unit_amount(b.price, p.currency_scale),
		loyalty.unit_amount(b.price - b.credit, p.currency_scale),
		loyalty.unit_amount(CASE WHEN c.today <= b.starts_on THEN b.price
			ELSE div(b.price::numeric * (b.ends_on - c.today + 1), b.bought_until - b.starts_on + 1)::bigint END,
			p.currency_scale),
		b.ref
	FROM loyalty.member_plan b
	JOIN loyalty.program p ON p.program_id = b.program_id
	JOIN loyalty.plan n ON n.plan_id = b.plan_id
	LEFT JOIN loyalty.tier t ON t.tier_id = b.tier_id
	CROSS JOIN LATERAL (SELECT (loyalty.now() AT TIME ZONE p.time_zone)::date AS today) c
	WHERE b.member_id = plan_current.member_id AND b.ends_on >= c.today AND b.status = 'active'
	ORDER BY b.starts_on;
END;
COMMENT ON FUNCTION loyalty.plan_current(bigint) IS
'The period of a plan that a member holds, and those to come: until when, what was paid, what a refund would give back';

CREATE OR REPLACE FUNCTION loyalty.plan_due(program text, until date DEFAULT NULL)
RETURNS TABLE (member_id bigint, plan text, ends_on date, price numeric, currency text, ref text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	-- Plain SQL cannot raise: find() does, when there is no such programme.
	SELECT loyalty.find(plan_due.program, 'card', '0');

	SELECT b.member_id, n.name, b.ends_on, round(n.price, p.currency_scale), p.currency, b.ref
	FROM loyalty.program p
	JOIN loyalty.member_plan b ON b.program_id = p.program_id
	JOIN loyalty.plan n ON n.plan_id = b.plan_id
	JOIN loyalty.account a ON a.member_id = b.member_id AND a.status IN ('active', 'frozen')
	WHERE p.name = plan_due.program AND b.auto_renew AND b.status = 'active'
	AND b.ends_on <= coalesce(plan_due.until, (loyalty.now() AT TIME ZONE p.time_zone)::date)
	AND NOT EXISTS (
		SELECT FROM loyalty.member_plan x
		WHERE x.member_id = b.member_id AND x.status = 'active' AND x.starts_on > b.starts_on)
	ORDER BY b.ends_on, b.member_id;
END;
COMMENT ON FUNCTION loyalty.plan_due(text, date) IS
'Whose plan ends by a date and is to be renewed, at which price: for the shop''s payment job';
