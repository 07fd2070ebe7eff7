-- Reading the books: the bank statement of one member, the member at a till,
-- five views and two functions for BI tools. The views show no personal data and no wallet,
-- run with the rights of whoever reads them, and name every column they show.

COMMENT ON TABLE loyalty.report_folded IS 'Which ids of the journal are in the sums of the reports';
COMMENT ON TABLE loyalty.report_mark IS 'Up to where the next turn may fold the journal into the sums';
COMMENT ON TABLE loyalty.report_value_day IS 'What came and went by local day, dimension, unit and kind of journal row';
COMMENT ON TABLE loyalty.report_lot_month IS 'What came and went by last day of use and month';
COMMENT ON TABLE loyalty.report_sale_day IS 'Orders and refunds by local day and dimension';
COMMENT ON TABLE loyalty.report_member_count IS 'Members who joined, were closed and reopened, by local day and dimension';
COMMENT ON TABLE loyalty.report_member_day IS 'What each member did on each local day';
COMMENT ON TABLE loyalty.report_campaign_day IS 'What campaigns awarded by local day, and in how many events';
COMMENT ON TABLE loyalty.report_campaign_member_day IS 'On which local days a member had something of a campaign';
COMMENT ON TABLE loyalty.report_campaign_return_day IS 'Members of campaigns by local day and how long they had been away from it';
COMMENT ON TABLE loyalty.report_return_day IS 'Members by local day and how long they had been away';
COMMENT ON TABLE loyalty.report_second IS 'Members by the days of their first and their second order';
COMMENT ON TABLE loyalty.report_cohort_month IS 'What members bought by month, by the month of their first order';
COMMENT ON TABLE loyalty.report_product_day IS 'What was bought and returned by local day, product, category or brand, and tier';
COMMENT ON TABLE loyalty.report_product_month IS 'What was bought and returned by local month, product, category or brand, and tier';
COMMENT ON TABLE loyalty.report_tier_day IS 'Changes of tier by local day';
COMMENT ON TABLE loyalty.report_rfm_day IS 'How members were spread over recency, frequency and money at the end of a day';
COMMENT ON TABLE loyalty.report_message_day IS 'What became of the messages that were queued on a local day, by channel and template';
COMMENT ON TABLE loyalty.report_message_change IS 'What calls have changed of report_message_day that is not folded';

-- Checked once for all reports.

CREATE OR REPLACE FUNCTION loyalty.report_require(program text, since date, until date, by text DEFAULT NULL, grain text DEFAULT NULL)
RETURNS int LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_report_require';
COMMENT ON FUNCTION loyalty.report_require(text, date, date, text, text) IS
'For reports: the id of a programme; LY403 if there is none, 22023 if the other arguments make no report';

CREATE OR REPLACE FUNCTION loyalty.report_moment_require(at timestamptz)
RETURNS timestamptz LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_report_moment_require';
COMMENT ON FUNCTION loyalty.report_moment_require(timestamptz) IS
'For reports: an argument "at"; 22004 if it is NULL, 22008 if it is not finite';

CREATE OR REPLACE FUNCTION loyalty.report_estimate_require(deferred numeric, expected numeric[])
RETURNS int LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_report_estimate_require';
COMMENT ON FUNCTION loyalty.report_estimate_require(numeric, numeric[]) IS
'For report_revenue: how many estimates there are; 22004 or 22023 for arguments by which nothing can be recognised';

CREATE OR REPLACE FUNCTION loyalty.report_ranges(since date, until date)
RETURNS TABLE (range text, first_day date, last_day date)
LANGUAGE sql IMMUTABLE STRICT ROWS 3
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH months AS (
		-- whole months are compared with as many whole months
		SELECT CASE WHEN date_trunc('month', since) = since AND date_trunc('month', until + 1) = until + 1
			THEN (extract(year FROM age(until + 1, since)) * 12 + extract(month FROM age(until + 1, since)))::int END AS n
	)
	SELECT 'current', since, until
	UNION ALL
	SELECT 'previous', CASE WHEN m.n IS NULL THEN since - (until - since + 1)
		ELSE (since - make_interval(months => m.n))::date END, since - 1
	FROM months m
	UNION ALL
	-- the day after the last, so that the 28th of February that ends a month meets the 29th
	SELECT 'last_year', (since - interval '1 year')::date, (until + 1 - interval '1 year')::date - 1;
END;
COMMENT ON FUNCTION loyalty.report_ranges(date, date) IS
'The range of days, the one before it and the one of a year ago: compares any report by LATERAL';

CREATE OR REPLACE FUNCTION loyalty.statement(member_id bigint, since timestamptz DEFAULT NULL,
	until timestamptz DEFAULT NULL, unit text DEFAULT NULL)
RETURNS TABLE (at timestamptz, journal_id bigint, kind text, event text, ref text, unit text,
	amount numeric, pending numeric, balance_after numeric, expires_on date, reason text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	-- Plain SQL cannot raise: these do for an unknown member or unit. As a
	-- statement of its own it runs even where the next one finds nothing.
	SELECT CASE WHEN statement.unit IS NULL THEN loyalty.member_require(statement.member_id)
	       ELSE loyalty.unit_require(loyalty.member_require(statement.member_id), statement.unit) END;

	SELECT j.effective_at, j.journal_id, j.kind, j.event, j.ref, u.code,
		loyalty.unit_amount(e.amount, u.scale),
		loyalty.unit_amount(e.pending, u.scale),
		loyalty.unit_amount(e.balance_after, u.scale),
		e.expires_on, j.reason
	FROM loyalty.journal j
	CROSS JOIN LATERAL (
		SELECT l.unit_id,
			sum(l.amount)::bigint AS amount,
			coalesce(sum(l.amount) FILTER (WHERE l.vests_on IS NOT NULL), 0)::bigint AS pending,
			(array_agg(l.balance_after ORDER BY l.line DESC))[1] AS balance_after,
			min(l.expires_on) FILTER (WHERE l.amount > 0) AS expires_on
		FROM (
			-- a metric lot has its month there, and is never pending
			SELECT x.line, x.unit_id, x.amount, x.balance_after, x.expires_on,
				CASE WHEN k.kind <> 'metric' THEN x.vests_on END AS vests_on
			FROM loyalty.entry x
			JOIN loyalty.unit k ON k.unit_id = x.unit_id
			WHERE x.member_id = j.member_id AND x.journal_id = j.journal_id) l
		GROUP BY l.unit_id) e
	JOIN loyalty.unit u ON u.unit_id = e.unit_id
	WHERE j.member_id = statement.member_id
	AND (statement.since IS NULL OR j.effective_at >= statement.since)
	AND (statement.until IS NULL OR j.effective_at < statement.until)
	AND (statement.unit IS NULL OR u.code = statement.unit)
	ORDER BY j.journal_id, u.unit_id;
END;
COMMENT ON FUNCTION loyalty.statement(bigint, timestamptz, timestamptz, text) IS
'What moved a member''s units and why, like a bank statement: one row per journal row and unit, dated from since up to before until';

CREATE OR REPLACE VIEW loyalty.report_member WITH (security_invoker = true) AS
WITH base AS (
	-- the tier of those who have none on record
	SELECT DISTINCT ON (t.program_id) t.program_id, t.tier_id
	FROM loyalty.tier t
	WHERE NOT EXISTS (
		SELECT FROM loyalty.tier_threshold h WHERE h.tier_id = t.tier_id AND h.purpose = 'entry')
	ORDER BY t.program_id, t.rank
)
SELECT m.member_id, p.name AS program, a.status,
	(m.joined_at AT TIME ZONE p.time_zone)::date AS joined_on, m.joined_at,
	a.first_event_at, a.last_event_at, a.first_purchase_at, a.last_purchase_at, a.purchases,
	CASE WHEN c.due THEN c.tier ELSE t.code END AS tier,
	CASE WHEN c.due THEN c.tier_until
		WHEN a.tier_until IS NOT NULL THEN greatest(a.tier_until, a.tier_locked_until) END AS tier_until
FROM loyalty.member m
JOIN loyalty.account a ON a.member_id = m.member_id
JOIN loyalty.program p ON p.program_id = m.program_id
LEFT JOIN base b ON b.program_id = m.program_id
LEFT JOIN loyalty.tier t ON t.tier_id = coalesce(a.tier_id, b.tier_id)
-- a review may be due that was not posted
LEFT JOIN LATERAL (
	SELECT true AS due, x.tier, x.tier_until FROM loyalty.tier_current(m.member_id) x) c
	ON a.due_on <= (loyalty.now() AT TIME ZONE p.time_zone)::date;
COMMENT ON VIEW loyalty.report_member IS
'One row per member: programme, status, first and last event, tier now; nothing personal';

CREATE OR REPLACE VIEW loyalty.report_balance WITH (security_invoker = true) AS
WITH clock AS (
	SELECT p.program_id, loyalty.now() AS now, (loyalty.now() AT TIME ZONE p.time_zone)::date AS today
	FROM loyalty.program p
), balance AS (
	-- Nothing has fallen due since it was last posted: the wallet tells.
	SELECT a.member_id, a.program_id, u.unit_id,
		CASE WHEN u.kind = 'metric' THEN coalesce((
			SELECT sum(l.amount) FROM loyalty.wallet_lots(a.wallet) l
			WHERE l.unit_id = u.unit_id AND l.vests_on <= c.today
			AND (u.window_months IS NULL OR l.vests_on > c.today - make_interval(months => u.window_months))), 0)::bigint
		ELSE loyalty.wallet_balance(a.wallet, u.unit_id, c.today) END AS available,
		CASE WHEN u.kind = 'metric' THEN 0
		ELSE loyalty.wallet_pending(a.wallet, u.unit_id, c.today) END AS pending,
		coalesce(h.held, 0)::bigint AS held,
		loyalty.wallet_debt(a.wallet, u.unit_id) AS debt
	FROM loyalty.account a
	JOIN clock c ON c.program_id = a.program_id
	JOIN loyalty.unit u ON u.program_id = a.program_id
	LEFT JOIN (
		SELECT o.member_id, o.unit_id, sum(o.amount) AS held
		FROM loyalty.hold o WHERE o.status = 'held'
		GROUP BY o.member_id, o.unit_id) h ON h.member_id = a.member_id AND h.unit_id = u.unit_id
	WHERE a.due_on > c.today AND (a.hold_until IS NULL OR a.hold_until > c.now)
	UNION ALL
	-- Something has, and balance() knows what it comes to, posted or not.
	SELECT a.member_id, a.program_id, u.unit_id,
		trunc(b.available * 10::numeric ^ u.scale)::bigint,
		trunc(b.pending * 10::numeric ^ u.scale)::bigint,
		trunc(b.held * 10::numeric ^ u.scale)::bigint,
		trunc(b.debt * 10::numeric ^ u.scale)::bigint
	FROM loyalty.account a
	JOIN clock c ON c.program_id = a.program_id
	CROSS JOIN LATERAL loyalty.balance(a.member_id) b
	JOIN loyalty.unit u ON u.program_id = a.program_id AND u.code = b.unit
	WHERE a.due_on <= c.today OR a.hold_until <= c.now
)
SELECT b.member_id, p.name AS program, u.code AS unit, u.kind AS unit_kind,
	loyalty.unit_amount(b.available, u.scale) AS available,
	loyalty.unit_amount(b.pending, u.scale) AS pending,
	loyalty.unit_amount(b.held, u.scale) AS held,
	loyalty.unit_amount(b.debt, u.scale) AS debt,
	-- whole minor units of the currency, as a till would count them
	CASE WHEN v.units IS NOT NULL THEN div(b.available::numeric * v.money, v.units)
		-- stored value pays one for one
		WHEN u.kind = 'money' THEN div(b.available::numeric * 10::numeric ^ p.currency_scale, 10::numeric ^ u.scale) END
		* loyalty.unit_amount(1, p.currency_scale) AS worth,
	p.currency
FROM balance b
JOIN loyalty.program p ON p.program_id = b.program_id
JOIN loyalty.unit u ON u.unit_id = b.unit_id
JOIN clock c ON c.program_id = b.program_id
LEFT JOIN LATERAL (
	SELECT x.units, x.money FROM loyalty.unit_anchor x
	WHERE x.unit_id = u.unit_id AND x.valid_from <= c.today
	ORDER BY x.valid_from DESC LIMIT 1) v ON true;
COMMENT ON VIEW loyalty.report_balance IS
'One row per member and unit: available, pending, held and debt now, and what the available part is worth today';

CREATE OR REPLACE VIEW loyalty.report_ledger WITH (security_invoker = true) AS
SELECT e.member_id, e.journal_id, e.line, p.name AS program, j.kind, j.event, j.ref, j.reverses,
	j.channel, j.store, u.code AS unit,
	CASE WHEN e.origin = 'e' THEN 'earned'
		WHEN e.origin = 'b' THEN 'bonus'
		WHEN e.origin = 'a' THEN 'adjusted'
		WHEN e.origin = 't' THEN 'transferred'
		WHEN e.origin = 'p' THEN 'principal'
		WHEN e.origin = 'd' THEN 'debt' END AS origin,
	loyalty.unit_amount(e.amount, u.scale) AS amount,
	loyalty.unit_amount(e.balance_after, u.scale) AS balance_after,
	e.vests_on, e.expires_on, e.rule_id,
	(j.effective_at AT TIME ZONE p.time_zone)::date AS effective_on, j.effective_at,
	(j.recorded_at AT TIME ZONE p.time_zone)::date AS recorded_on, j.recorded_at
FROM loyalty.entry e
JOIN loyalty.journal j ON j.member_id = e.member_id AND j.journal_id = e.journal_id
JOIN loyalty.program p ON p.program_id = e.program_id
JOIN loyalty.unit u ON u.unit_id = e.unit_id;
COMMENT ON VIEW loyalty.report_ledger IS
'One row per ledger entry: what moved in which lot, with the journal row that moved it';

CREATE OR REPLACE VIEW loyalty.report_event WITH (security_invoker = true) AS
SELECT j.member_id, j.journal_id, p.name AS program, j.kind, j.event, j.ref, j.reverses,
	loyalty.unit_amount(j.amount, CASE WHEN u.unit_id IS NOT NULL THEN u.scale
		WHEN k.pieces IS NOT NULL THEN 0 ELSE p.currency_scale END) AS amount,
	CASE WHEN j.amount IS NULL THEN NULL WHEN u.unit_id IS NOT NULL THEN u.code
		ELSE coalesce(k.pieces, p.currency) END AS amount_in,
	j.channel, j.store, j.staff, j.other_member_id,
	(j.effective_at AT TIME ZONE p.time_zone)::date AS effective_on, j.effective_at,
	(j.recorded_at AT TIME ZONE p.time_zone)::date AS recorded_on, j.recorded_at
FROM loyalty.journal j
JOIN loyalty.program p ON p.program_id = j.program_id
LEFT JOIN loyalty.unit u ON u.unit_id = j.unit_id
CROSS JOIN LATERAL (
	SELECT CASE WHEN j.kind LIKE 'benefit\_%' THEN 'vouchers'
		WHEN j.kind IN ('coupon_claim', 'coupon_issue', 'coupon_buy', 'coupon_transfer', 'coupon_receive', 'coupon_void')
			THEN 'coupons' END AS pieces) k
-- not what the clock did; the vesting that a caller asked for names its order
WHERE j.kind NOT IN ('expire', 'time_out', 'tier_review') AND (j.kind <> 'vest' OR j.ref IS NOT NULL);
COMMENT ON VIEW loyalty.report_event IS
'One row per event and call, even one that moved nothing: what happened to whom, where, and for how much';

-- Of coupons the reader sees no codes, so that these run with the owner's rights.
CREATE OR REPLACE FUNCTION loyalty.report_coupon(program text)
RETURNS TABLE (coupon text, title text, kind text, automatic boolean, issued bigint, codes bigint, used bigint,
	returned bigint, discount numeric, rate numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT loyalty.coupon_require(report_coupon.program);

	SELECT c.name, c.title, c.kind, c.automatic, i.issued, k.codes, u.used, u.returned,
		loyalty.unit_amount(u.discount, p.currency_scale),
		round(u.spent::numeric / nullif(i.issued + k.codes, 0), 4)
	FROM loyalty.program p
	JOIN loyalty.coupon c ON c.program_id = p.program_id
	CROSS JOIN LATERAL (
		SELECT count(*) AS issued
		FROM loyalty.member_coupon m
		WHERE m.coupon_id = c.coupon_id AND m.source <> 'transfer' AND m.status <> 'void') i
	CROSS JOIN LATERAL (
		-- each is for one, and nobody's yet
		SELECT count(*) AS codes
		FROM loyalty.coupon_code x
		WHERE x.coupon_id = c.coupon_id AND x.kind <> 'generic' AND x.coupon_no IS NULL) k
	CROSS JOIN LATERAL (
		SELECT count(*) FILTER (WHERE y.status = 'used') AS used,
			count(*) FILTER (WHERE y.status = 'returned') AS returned,
			coalesce(sum(y.discount - y.returned), 0)::bigint AS discount,
			count(DISTINCT (y.member_id, y.coupon_no)) FILTER (WHERE y.status = 'used' AND y.coupon_no IS NOT NULL)
				+ count(DISTINCT y.code) FILTER (WHERE y.status = 'used' AND y.coupon_no IS NULL AND x.kind <> 'generic') AS spent
		FROM loyalty.coupon_use y
		LEFT JOIN loyalty.coupon_code x ON x.code = y.code AND x.program_id = y.program_id
		WHERE y.coupon_id = c.coupon_id AND y.status IN ('used', 'returned')) u
	WHERE p.name = report_coupon.program
	ORDER BY c.name;
END;
COMMENT ON FUNCTION loyalty.report_coupon(text) IS
'One row per coupon and offer: how many were issued, used and returned, what they took off, and the share of those issued that was used';

CREATE OR REPLACE FUNCTION loyalty.report_coupon_cost(program text)
RETURNS TABLE (coupon text, bearer text, discount numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT loyalty.coupon_require(report_coupon_cost.program);

	SELECT x.name, x.bearer, loyalty.unit_amount(sum(x.part)::bigint, x.currency_scale)
	FROM (
		-- the parts of a sum are the differences of its rounded shares, so they add up to it
		SELECT p.currency_scale, c.name, s.bearer,
			coalesce(round(u.discount * sum(s.share) OVER parts / 100)
				- coalesce(round(u.discount * sum(s.share) OVER before / 100), 0), u.discount) AS part
		FROM loyalty.program p
		JOIN loyalty.coupon c ON c.program_id = p.program_id
		JOIN (
			SELECT y.coupon_id, y.version, sum(y.discount - y.returned)::bigint AS discount
			FROM loyalty.coupon_use y
			WHERE y.status IN ('used', 'returned')
			GROUP BY y.coupon_id, y.version) u ON u.coupon_id = c.coupon_id
		LEFT JOIN loyalty.coupon_version v ON v.coupon_id = c.coupon_id AND v.version = u.version AND v.version <> c.version
		LEFT JOIN LATERAL (
			SELECT e.key AS bearer, e.value::numeric AS share
			FROM jsonb_each_text(CASE WHEN u.version = c.version THEN c.cost_shares
				WHEN jsonb_typeof(v.definition -> 'cost_shares') = 'object' THEN v.definition -> 'cost_shares' END) e) s ON true
		WHERE p.name = report_coupon_cost.program
		WINDOW parts AS (PARTITION BY u.coupon_id, u.version ORDER BY s.bearer),
			before AS (PARTITION BY u.coupon_id, u.version ORDER BY s.bearer ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) x
	GROUP BY x.name, x.bearer, x.currency_scale
	ORDER BY x.name, x.bearer;
END;
COMMENT ON FUNCTION loyalty.report_coupon_cost(text) IS
'One row per coupon and who bears it: the part of what it took off by the shares of its terms; bearer NULL: no shares were given';

-- It belongs to the member by name, and stands here because it is made of
-- find(), balance() and tier_current(), which come after the member.
CREATE OR REPLACE FUNCTION loyalty.member_get(program text, kind text, value text)
RETURNS TABLE (member_id bigint, status text, joined_at timestamptz, tier text, tier_until date, balances jsonb,
	next_expiry date, next_expiry_unit text, next_expiry_amount numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT a.member_id, a.status, m.joined_at, t.tier, t.tier_until, coalesce(b.balances, '{}'),
		b.next_expiry, b.next_expiry_unit, b.next_expiry_amount
	FROM loyalty.account a
	JOIN loyalty.member m ON m.member_id = a.member_id
	CROSS JOIN LATERAL loyalty.tier_current(a.member_id) t
	CROSS JOIN LATERAL (
		SELECT jsonb_object_agg(x.unit, jsonb_build_object('available', x.available,
				'pending', x.pending, 'held', x.held, 'debt', x.debt)) AS balances,
			min(x.next_expiry) AS next_expiry,
			(array_agg(x.unit ORDER BY x.next_expiry, x.place)
				FILTER (WHERE x.next_expiry IS NOT NULL))[1] AS next_expiry_unit,
			(array_agg(x.next_expiry_amount ORDER BY x.next_expiry, x.place)
				FILTER (WHERE x.next_expiry IS NOT NULL))[1] AS next_expiry_amount
		FROM loyalty.balance(a.member_id) WITH ORDINALITY
			x (unit, available, pending, held, debt, next_expiry, next_expiry_amount, place)) b
	WHERE a.member_id = (SELECT loyalty.find(member_get.program, member_get.kind, member_get.value));
END;
COMMENT ON FUNCTION loyalty.member_get(text, text, text) IS
'What a till needs of the member that an identity leads to, in one call; no row when unknown';
