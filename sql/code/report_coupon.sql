-- What became of coupons and offers in a range of days. Of coupons the reader sees
-- no codes, so that this runs with the owner's rights.

CREATE OR REPLACE FUNCTION loyalty.report_coupon_funnel(program text, since date, until date, by text DEFAULT NULL)
RETURNS TABLE (part text, coupon text, title text, kind text, automatic boolean, issued bigint, claimed bigint,
	reserved bigint, used bigint, codes bigint, returned bigint, expired bigint, void bigint, discount numeric,
	sales numeric, rate numeric, currency text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off
-- what is counted is known to be much, and is counted in memory
SET work_mem = '64MB'
BEGIN ATOMIC
	SELECT loyalty.report_require(report_coupon_funnel.program, report_coupon_funnel.since,
		report_coupon_funnel.until, report_coupon_funnel.by);

	WITH span AS MATERIALIZED (
		SELECT p.program_id, p.currency, p.currency_scale,
			report_coupon_funnel.since::timestamp AT TIME ZONE p.time_zone AS first_at,
			(report_coupon_funnel.until + 1)::timestamp AT TIME ZONE p.time_zone AS end_at,
			(loyalty.now() AT TIME ZONE p.time_zone)::date AS today,
			-- the tier of those who have none on record
			(SELECT t.code FROM loyalty.tier t
			 WHERE t.program_id = p.program_id AND NOT EXISTS (
				SELECT FROM loyalty.tier_threshold h WHERE h.tier_id = t.tier_id AND h.purpose = 'entry')
			 ORDER BY t.rank LIMIT 1) AS base
		FROM loyalty.program p
		WHERE p.name = report_coupon_funnel.program
	), waiting AS (
		-- uses counts reservations, too, until somebody releases those that timed out
		SELECT u.member_id, u.coupon_no, count(*) AS reserved,
			count(*) FILTER (WHERE u.reserved_until <= loyalty.now()) AS timed_out
		FROM span s
		JOIN loyalty.coupon c ON c.program_id = s.program_id
		JOIN loyalty.coupon_use u ON u.coupon_id = c.coupon_id
		WHERE u.status = 'reserved' AND u.coupon_no IS NOT NULL
		GROUP BY u.member_id, u.coupon_no
	), held AS (
		SELECT x.coupon_id, x.part,
			count(*) FILTER (WHERE x.is_issued AND x.status <> 'void') AS issued,
			count(*) FILTER (WHERE x.is_issued AND x.status <> 'void' AND x.source IN ('claim', 'code', 'buy')) AS claimed,
			count(*) FILTER (WHERE x.is_issued AND x.status <> 'void' AND x.is_spent) AS spent,
			count(*) FILTER (WHERE x.is_issued AND x.status = 'void') AS void,
			count(*) FILTER (WHERE x.is_expired) AS expired
		FROM (
			SELECT m.coupon_id, m.status, m.source, m.uses > coalesce(w.reserved, 0) AS is_spent,
				m.issued_at >= s.first_at AND m.issued_at < s.end_at AND m.source <> 'transfer' AS is_issued,
				m.valid_until >= report_coupon_funnel.since
					AND m.valid_until <= least(report_coupon_funnel.until, s.today - 1)
					AND m.status = 'issued' AND m.uses - coalesce(w.timed_out, 0) < m.max_uses AS is_expired,
				-- where there is no need of it, the journal is not looked at
				CASE WHEN report_coupon_funnel.by IS NOT NULL THEN (
					SELECT CASE report_coupon_funnel.by WHEN 'channel' THEN j.channel WHEN 'store' THEN j.store
						WHEN 'staff' THEN j.staff ELSE coalesce(t.code, s.base) END
					FROM loyalty.journal j
					LEFT JOIN loyalty.tier t ON t.tier_id = j.tier_before
					WHERE j.member_id = m.member_id AND j.journal_id = m.journal_id) END AS part
			FROM span s
			JOIN loyalty.member_coupon m ON m.program_id = s.program_id
			LEFT JOIN waiting w ON w.member_id = m.member_id AND w.coupon_no = m.coupon_no
			WHERE m.issued_at >= s.first_at AND m.issued_at < s.end_at
				OR m.valid_until BETWEEN report_coupon_funnel.since AND report_coupon_funnel.until) x
		GROUP BY x.coupon_id, x.part
	), taken AS MATERIALIZED (
		SELECT u.coupon_id, u.member_id, u.ref, u.status, u.discount - u.returned AS discount,
			u.code IS NOT NULL AND u.coupon_no IS NULL AS by_code,
			CASE WHEN report_coupon_funnel.by IS NOT NULL THEN (
				SELECT CASE report_coupon_funnel.by WHEN 'channel' THEN j.channel WHEN 'store' THEN j.store
					WHEN 'staff' THEN j.staff ELSE coalesce(t.code, s.base) END
				FROM loyalty.journal j
				LEFT JOIN loyalty.tier t ON t.tier_id = j.tier_before
				WHERE j.member_id = u.member_id AND j.journal_id = u.journal_id) END AS part
		FROM span s
		JOIN loyalty.coupon_use u ON u.program_id = s.program_id
		WHERE u.used_at >= s.first_at AND u.used_at < s.end_at
		-- what is reserved and timed out counts nowhere
		AND (u.status IN ('used', 'returned') OR u.status = 'reserved' AND u.reserved_until > loyalty.now())
	), used AS (
		SELECT k.coupon_id, k.part,
			count(*) FILTER (WHERE k.status = 'reserved') AS reserved,
			count(*) FILTER (WHERE k.status = 'used') AS used,
			count(*) FILTER (WHERE k.status = 'used' AND k.by_code) AS codes,
			count(*) FILTER (WHERE k.status = 'returned') AS returned,
			-- of what was given back there can be a part that was not
			coalesce(sum(k.discount) FILTER (WHERE k.status <> 'reserved'), 0)::bigint AS discount
		FROM taken k
		GROUP BY k.coupon_id, k.part
	), sale AS (
		-- an order counts once, however many of the coupon it has
		SELECT o.coupon_id, o.part, sum(j.amount)::bigint AS sales
		FROM (SELECT DISTINCT k.coupon_id, k.part, k.member_id, k.ref FROM taken k WHERE k.status = 'used') o
		CROSS JOIN LATERAL (
			SELECT y.amount FROM loyalty.journal y
			WHERE y.member_id = o.member_id AND y.ref = o.ref AND y.kind = 'event' AND y.event = 'purchase'
			LIMIT 1) j
		GROUP BY o.coupon_id, o.part
	), total AS (
		SELECT x.coupon_id, x.part, sum(x.issued)::bigint AS issued, sum(x.claimed)::bigint AS claimed,
			sum(x.spent)::bigint AS spent, sum(x.void)::bigint AS void, sum(x.expired)::bigint AS expired,
			sum(x.reserved)::bigint AS reserved, sum(x.used)::bigint AS used, sum(x.codes)::bigint AS codes,
			sum(x.returned)::bigint AS returned, sum(x.discount)::bigint AS discount, sum(x.sales)::bigint AS sales
		FROM (
			SELECT h.coupon_id, h.part, h.issued, h.claimed, h.spent, h.void, h.expired,
				0 AS reserved, 0 AS used, 0 AS codes, 0 AS returned, 0 AS discount, 0 AS sales
			FROM held h
			UNION ALL
			SELECT u.coupon_id, u.part, 0, 0, 0, 0, 0, u.reserved, u.used, u.codes, u.returned, u.discount, 0
			FROM used u
			UNION ALL
			SELECT a.coupon_id, a.part, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a.sales
			FROM sale a
			UNION ALL
			-- what nobody has touched is told, too
			SELECT c.coupon_id, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
			FROM span s
			JOIN loyalty.coupon c ON c.program_id = s.program_id
			WHERE report_coupon_funnel.by IS NULL AND c.status = 'active') x
		GROUP BY x.coupon_id, x.part
	)
	SELECT t.part, c.name, c.title, c.kind, c.automatic, t.issued, t.claimed, t.reserved, t.used, t.codes, t.returned,
		t.expired, t.void, loyalty.unit_amount(t.discount, s.currency_scale),
		loyalty.unit_amount(t.sales, s.currency_scale), round(t.spent::numeric / nullif(t.issued, 0), 4), s.currency
	FROM total t
	CROSS JOIN span s
	JOIN loyalty.coupon c ON c.coupon_id = t.coupon_id
	ORDER BY t.part NULLS FIRST, c.name;
END;
COMMENT ON FUNCTION loyalty.report_coupon_funnel(text, date, date, text) IS
'What became of each coupon and offer in a range of local days: issued, claimed, reserved, used, given back, expired, what it took off and what was sold with it';
