-- What became of coupons and offers in a range of days. Of coupons the reader sees
-- no codes, so that this runs with the owner's rights.

CREATE OR REPLACE FUNCTION loyalty.report_coupon_funnel(program text, since date, until date, by text DEFAULT NULL)
RETURNS TABLE (part text, coupon text, title text, kind text, automatic boolean, issued bigint, claimed bigint,
	reserved bigint, used bigint, codes bigint, returned bigint, expired bigint, void bigint, discount numeric,
	sales numeric, rate numeric, currency text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_coupon_funnel.program, report_coupon_funnel.since,
		report_coupon_funnel.until, report_coupon_funnel.by);

	WITH span AS MATERIALIZED (
		SELECT p.program_id, p.currency, p.currency_scale, coalesce(report_coupon_funnel.by, 'all') AS dimension,
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
	), waiting AS MATERIALIZED (
		-- what is reserved and timed out counts nowhere
		SELECT u.member_id, u.coupon_id, u.coupon_no, u.used_at, u.journal_id
		FROM span s
		JOIN loyalty.coupon c ON c.program_id = s.program_id
		JOIN loyalty.coupon_use u ON u.coupon_id = c.coupon_id
		WHERE u.status = 'reserved' AND u.reserved_until > loyalty.now()
	), taken AS (
		-- of what is open, what is reserved to the last: it is not lost
		SELECT m.member_id, m.coupon_id, m.journal_id
		FROM span s
		CROSS JOIN (
			SELECT x.member_id, x.coupon_no, count(*) AS reserved
			FROM waiting x WHERE x.coupon_no IS NOT NULL GROUP BY x.member_id, x.coupon_no) w
		JOIN loyalty.member_coupon m ON m.member_id = w.member_id AND m.coupon_no = w.coupon_no
		CROSS JOIN LATERAL (
			-- uses counts reservations, too, until somebody releases those that timed out
			SELECT m.uses - count(*) AS uses FROM loyalty.coupon_use u
			WHERE u.member_id = m.member_id AND u.coupon_no = m.coupon_no AND u.status = 'reserved') k
		WHERE m.valid_until BETWEEN report_coupon_funnel.since AND least(report_coupon_funnel.until, s.today - 1)
		AND m.status = 'issued' AND k.uses < m.max_uses AND k.uses + w.reserved >= m.max_uses
	), part AS (
		SELECT x.coupon_id, x.value, sum(x.issued) AS issued, sum(x.claimed) AS claimed, sum(x.spent) AS spent, sum(x.void) AS void,
			coalesce(sum(x.open) FILTER (WHERE x.day < s.today), 0) AS expired, 0 AS reserved, sum(x.used) AS used,
			sum(x.codes) AS codes, sum(x.returned) AS returned, sum(x.discount) AS discount, sum(x.sales) AS sales
		FROM span s
		CROSS JOIN LATERAL loyalty.report_coupon_sum(s.program_id, report_coupon_funnel.since, report_coupon_funnel.until, s.dimension) x
		GROUP BY x.coupon_id, x.value
		UNION ALL
		SELECT r.coupon_id, coalesce(CASE s.dimension WHEN 'all' THEN '' WHEN 'channel' THEN j.channel WHEN 'store' THEN j.store
				WHEN 'staff' THEN j.staff ELSE j.tier_before::text END, ''),
			0, 0, 0, 0, -r.taken, r.reserved, 0, 0, 0, 0, 0
		FROM span s
		CROSS JOIN LATERAL (
			SELECT w.member_id, w.coupon_id, w.journal_id, 1 AS reserved, 0 AS taken
			FROM waiting w WHERE w.used_at >= s.first_at AND w.used_at < s.end_at
			UNION ALL
			SELECT w.member_id, w.coupon_id, w.journal_id, 0, 1 FROM taken w) r
		JOIN loyalty.journal j ON j.member_id = r.member_id AND j.journal_id = r.journal_id
		UNION ALL
		-- what nobody has touched is told, too
		SELECT c.coupon_id, '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
		FROM span s
		JOIN loyalty.coupon c ON c.program_id = s.program_id
		WHERE s.dimension = 'all' AND c.status = 'active'
	), total AS (
		SELECT x.coupon_id, n.part, sum(x.issued)::bigint AS issued, sum(x.claimed)::bigint AS claimed,
			sum(x.spent)::bigint AS spent, sum(x.void)::bigint AS void, sum(x.expired)::bigint AS expired,
			sum(x.reserved)::bigint AS reserved, sum(x.used)::bigint AS used, sum(x.codes)::bigint AS codes,
			sum(x.returned)::bigint AS returned, sum(x.discount)::bigint AS discount, sum(x.sales)::bigint AS sales
		FROM part x
		CROSS JOIN span s
		LEFT JOIN loyalty.tier t ON s.dimension = 'tier' AND t.tier_id::text = x.value
		CROSS JOIN LATERAL (SELECT CASE s.dimension WHEN 'tier' THEN coalesce(t.code, s.base) ELSE nullif(x.value, '') END AS part) n
		JOIN loyalty.coupon c ON c.coupon_id = x.coupon_id
		GROUP BY x.coupon_id, n.part
		HAVING bool_or(s.dimension = 'all' AND c.status = 'active') OR sum(x.issued) <> 0 OR sum(x.void) <> 0 OR sum(x.expired) <> 0
		OR sum(x.reserved) <> 0 OR sum(x.used) <> 0 OR sum(x.returned) <> 0 OR sum(x.discount) <> 0
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
