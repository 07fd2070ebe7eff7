-- Stored value as accounting sees it: principal is owed to members, bonus is a
-- cost of marketing. What is set aside is still theirs, and is spent when the
-- hold is captured.

CREATE OR REPLACE VIEW loyalty.report_topup WITH (security_invoker = true) AS
WITH moved AS (
	SELECT e.program_id, e.unit_id, e.origin = 'p' AS principal, e.amount,
		CASE WHEN j.kind IN ('topup', 'topup_confirm') THEN 'given'
			WHEN j.kind = 'topup_refund' THEN 'refunded'
			WHEN j.kind = 'expire' THEN 'lapsed'
			WHEN j.kind IN ('redeem', 'coupon_buy', 'hold', 'capture', 'release', 'time_out')
				OR j.kind = 'refund' AND e.rule_id IS NULL THEN 'spent'
			ELSE 'other' END AS what,
		coalesce(x.effective_at, j.effective_at) AS at
	FROM loyalty.entry e
	JOIN loyalty.topup_policy c ON c.unit_id = e.unit_id
	JOIN loyalty.journal j ON j.member_id = e.member_id AND j.journal_id = e.journal_id
	LEFT JOIN loyalty.journal x ON j.kind = 'hold' AND x.member_id = j.member_id AND x.hold_id = j.hold_id
		AND x.kind IN ('capture', 'release', 'time_out')
	WHERE j.kind <> 'hold' OR x.journal_id IS NOT NULL
	UNION ALL
	SELECT j.program_id, j.unit_id, true, j.amount, 'paid_out', j.effective_at
	FROM loyalty.journal j
	WHERE j.kind = 'topup_refund'
), monthly AS (
	SELECT m.program_id, m.unit_id, date_trunc('month', m.at AT TIME ZONE p.time_zone)::date AS month,
		sum(m.amount) FILTER (WHERE m.principal AND m.what = 'given') AS topped_up,
		sum(m.amount) FILTER (WHERE NOT m.principal AND m.what = 'given') AS bonus_given,
		-sum(m.amount) FILTER (WHERE m.principal AND m.what = 'spent') AS spent_principal,
		-sum(m.amount) FILTER (WHERE NOT m.principal AND m.what = 'spent') AS spent_bonus,
		-sum(m.amount) FILTER (WHERE m.principal AND m.what = 'refunded') AS refunded,
		sum(m.amount) FILTER (WHERE m.what = 'paid_out') AS paid_out,
		-sum(m.amount) FILTER (WHERE NOT m.principal AND m.what = 'refunded') AS forfeited,
		-sum(m.amount) FILTER (WHERE m.principal AND m.what = 'lapsed') AS lapsed_principal,
		-sum(m.amount) FILTER (WHERE NOT m.principal AND m.what = 'lapsed') AS lapsed_bonus,
		sum(m.amount) FILTER (WHERE m.principal AND m.what = 'other') AS other_principal,
		sum(m.amount) FILTER (WHERE NOT m.principal AND m.what = 'other') AS other_bonus,
		sum(m.amount) FILTER (WHERE m.principal AND m.what <> 'paid_out') AS principal,
		sum(m.amount) FILTER (WHERE NOT m.principal) AS bonus
	FROM moved m
	JOIN loyalty.program p ON p.program_id = m.program_id
	GROUP BY m.program_id, m.unit_id, 3
), calendar AS (
	-- every month from the first on
	SELECT f.program_id, f.unit_id, g.month::date AS month
	FROM (
		SELECT m.program_id, m.unit_id, min(m.month) AS first, max(m.month) AS last
		FROM monthly m GROUP BY m.program_id, m.unit_id) f
	JOIN loyalty.program p ON p.program_id = f.program_id
	CROSS JOIN LATERAL generate_series(f.first::timestamp,
		greatest(f.last, date_trunc('month', loyalty.now() AT TIME ZONE p.time_zone)::date)::timestamp,
		interval '1 month') g (month)
), outstanding AS (
	SELECT c.program_id, c.unit_id, c.month, m.topped_up, m.bonus_given, m.spent_principal, m.spent_bonus,
		m.refunded, m.paid_out, m.forfeited, m.lapsed_principal, m.lapsed_bonus, m.other_principal, m.other_bonus,
		coalesce(m.principal, 0) AS principal, coalesce(m.bonus, 0) AS bonus,
		coalesce(sum(m.principal) OVER until_then, 0) AS closing_principal,
		coalesce(sum(m.bonus) OVER until_then, 0) AS closing_bonus
	FROM calendar c
	LEFT JOIN monthly m ON m.program_id = c.program_id AND m.unit_id = c.unit_id AND m.month = c.month
	WINDOW until_then AS (PARTITION BY c.program_id, c.unit_id ORDER BY c.month)
)
SELECT p.name AS program, u.code AS unit, o.month, p.currency,
	loyalty.unit_amount((o.closing_principal - o.principal)::bigint, u.scale) AS opening_principal,
	loyalty.unit_amount(coalesce(o.topped_up, 0)::bigint, u.scale) AS topped_up,
	loyalty.unit_amount(coalesce(o.spent_principal, 0)::bigint, u.scale) AS spent_principal,
	loyalty.unit_amount(coalesce(o.refunded, 0)::bigint, u.scale) AS refunded,
	loyalty.unit_amount(coalesce(o.paid_out, 0)::bigint, u.scale) AS paid_out,
	loyalty.unit_amount(coalesce(o.lapsed_principal, 0)::bigint, u.scale) AS lapsed_principal,
	loyalty.unit_amount(coalesce(o.other_principal, 0)::bigint, u.scale) AS other_principal,
	loyalty.unit_amount(o.closing_principal::bigint, u.scale) AS closing_principal,
	loyalty.unit_amount((o.closing_bonus - o.bonus)::bigint, u.scale) AS opening_bonus,
	loyalty.unit_amount(coalesce(o.bonus_given, 0)::bigint, u.scale) AS bonus_given,
	loyalty.unit_amount(coalesce(o.spent_bonus, 0)::bigint, u.scale) AS spent_bonus,
	loyalty.unit_amount(coalesce(o.forfeited, 0)::bigint, u.scale) AS forfeited,
	loyalty.unit_amount(coalesce(o.lapsed_bonus, 0)::bigint, u.scale) AS lapsed_bonus,
	loyalty.unit_amount(coalesce(o.other_bonus, 0)::bigint, u.scale) AS other_bonus,
	loyalty.unit_amount(o.closing_bonus::bigint, u.scale) AS closing_bonus
FROM outstanding o
JOIN loyalty.program p ON p.program_id = o.program_id
JOIN loyalty.unit u ON u.unit_id = o.unit_id;
COMMENT ON VIEW loyalty.report_topup IS
'One row per unit of stored value and month: what came and went of principal and of bonus, and what members had of each at the end';

CREATE OR REPLACE VIEW loyalty.report_topup_quarter WITH (security_invoker = true) AS
SELECT m.program, m.unit, date_trunc('quarter', m.month::timestamp)::date AS quarter, m.currency,
	sum(m.topped_up) AS topped_up, sum(m.bonus_given) AS bonus_given,
	sum(m.spent_principal) AS spent_principal, sum(m.spent_bonus) AS spent_bonus,
	sum(m.paid_out) AS paid_out,
	sum(m.lapsed_principal) AS lapsed_principal, sum(m.lapsed_bonus) AS lapsed_bonus,
	(array_agg(m.closing_principal ORDER BY m.month DESC))[1] AS outstanding_principal,
	(array_agg(m.closing_bonus ORDER BY m.month DESC))[1] AS outstanding_bonus
FROM loyalty.report_topup m
GROUP BY m.program, m.unit, 3, m.currency;
COMMENT ON VIEW loyalty.report_topup_quarter IS
'One row per unit of stored value and quarter: top-ups, spending and refunds, and what was outstanding at the end';
