-- For verify(): are coupons counted as what they are?

-- What a row of the journal concerns that is not folded may be counted as what it was.
CREATE OR REPLACE FUNCTION loyalty.report_coupon_differs(of_program int)
RETURNS TABLE (program_id int, member_id bigint, detail text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH chunk AS MATERIALIZED (
		SELECT f.first_id, f.last_id
		FROM loyalty.report_folded_chunk(report_coupon_differs.of_program) f
	), waiting AS MATERIALIZED (
		SELECT n.member_id, n.item_id
		FROM (SELECT array_agg(x.first_id) AS first_ids, array_agg(x.last_id) AS last_ids FROM loyalty.report_gap() x) g
		CROSS JOIN LATERAL loyalty.report_coupon_now(report_coupon_differs.of_program, g.first_ids, g.last_ids) n
	), item AS (
		SELECT DISTINCT n.*
		FROM chunk c
		CROSS JOIN LATERAL loyalty.report_coupon_now(report_coupon_differs.of_program, ARRAY[c.first_id], ARRAY[c.last_id]) n
		WHERE n.issued + n.void + n.open + n.used + n.returned > 0
	), noted AS (
		-- one that counts no more is as if it were not noted
		SELECT s.* FROM loyalty.report_coupon_seen s
		WHERE (report_coupon_differs.of_program IS NULL OR s.program_id = report_coupon_differs.of_program)
		AND s.issued + s.void + s.open + s.used + s.returned > 0
	), figure (kept, program_id, day, dimension, value, coupon_id, issued, claimed, spent, void, open, used, codes, returned, discount, sales) AS (
		SELECT true, t.program_id, t.day, t.dimension, t.value, t.coupon_id, t.issued, t.claimed, t.spent, t.void, t.open, t.used,
			t.codes, t.returned, t.discount, t.sales
		FROM loyalty.report_coupon_day t
		WHERE report_coupon_differs.of_program IS NULL OR t.program_id = report_coupon_differs.of_program
		UNION ALL
		SELECT false, s.program_id, x.day, d.dimension, coalesce(d.value, ''), s.coupon_id, sum(x.counts * s.issued), sum(x.counts * s.claimed),
			sum(x.counts * s.spent), sum(x.counts * s.void), sum((1 - x.counts) * s.open), sum(x.counts * s.used), sum(x.counts * s.codes),
			sum(x.counts * s.returned), sum(x.counts * s.discount), sum(x.counts * s.sales)
		FROM noted s
		LEFT JOIN loyalty.journal j ON j.member_id = s.member_id AND j.journal_id = s.journal_id
		CROSS JOIN LATERAL (VALUES (s.day, 1), (s.lapses_on, 0)) x (day, counts)
		LEFT JOIN loyalty.coupon_use u ON u.member_id = s.member_id AND u.use_id = s.item_id
		CROSS JOIN LATERAL (VALUES ('all', ''), ('channel', j.channel), ('store', j.store), ('staff', j.staff),
			('tier', j.tier_before::text), ('campaign', u.campaign_id::text)) d (dimension, value)
		WHERE x.day IS NOT NULL AND (d.dimension <> 'campaign' OR d.value IS NOT NULL)
		GROUP BY s.program_id, x.day, d.dimension, coalesce(d.value, ''), s.coupon_id
	)
	SELECT f.program_id, NULL::bigint, format('sum=report_coupon_day day=%s coupon=%s dimension=%s value=%s kept=%s noted=%s', f.day, f.coupon_id, f.dimension,
		-- who issued or sold is a person
		CASE WHEN f.dimension = 'staff' THEN '-' ELSE f.value END,
		concat_ws(',', sum(f.issued) FILTER (WHERE f.kept), sum(f.claimed) FILTER (WHERE f.kept), sum(f.spent) FILTER (WHERE f.kept),
			sum(f.void) FILTER (WHERE f.kept), sum(f.open) FILTER (WHERE f.kept), sum(f.used) FILTER (WHERE f.kept),
			sum(f.codes) FILTER (WHERE f.kept), sum(f.returned) FILTER (WHERE f.kept), sum(f.discount) FILTER (WHERE f.kept),
			sum(f.sales) FILTER (WHERE f.kept)),
		concat_ws(',', sum(f.issued) FILTER (WHERE NOT f.kept), sum(f.claimed) FILTER (WHERE NOT f.kept), sum(f.spent) FILTER (WHERE NOT f.kept),
			sum(f.void) FILTER (WHERE NOT f.kept), sum(f.open) FILTER (WHERE NOT f.kept), sum(f.used) FILTER (WHERE NOT f.kept),
			sum(f.codes) FILTER (WHERE NOT f.kept), sum(f.returned) FILTER (WHERE NOT f.kept), sum(f.discount) FILTER (WHERE NOT f.kept),
			sum(f.sales) FILTER (WHERE NOT f.kept)))
	FROM figure f
	CROSS JOIN LATERAL (SELECT CASE WHEN f.kept THEN 1 ELSE -1 END AS sign) z
	GROUP BY f.program_id, f.day, f.coupon_id, f.dimension, f.value
	HAVING sum(z.sign * f.issued) <> 0 OR sum(z.sign * f.claimed) <> 0 OR sum(z.sign * f.spent) <> 0 OR sum(z.sign * f.void) <> 0
	OR sum(z.sign * f.open) <> 0 OR sum(z.sign * f.used) <> 0 OR sum(z.sign * f.codes) <> 0 OR sum(z.sign * f.returned) <> 0
	OR sum(z.sign * f.discount) <> 0 OR sum(z.sign * f.sales) <> 0
	UNION ALL
	SELECT coalesce(s.program_id, n.program_id), x.member_id, format('sum=report_coupon_seen item=%s kept=%s ledger=%s', x.item_id,
		concat_ws(',', s.journal_id, s.coupon_id, s.day, s.lapses_on, s.issued, s.claimed, s.spent, s.void, s.open, s.used, s.codes, s.returned, s.discount, s.sales),
		concat_ws(',', n.journal_id, n.coupon_id, n.day, n.lapses_on, n.issued, n.claimed, n.spent, n.void, n.open, n.used, n.codes, n.returned, n.discount, n.sales))
	FROM noted s
	FULL JOIN item n ON n.member_id = s.member_id AND n.item_id = s.item_id
	CROSS JOIN LATERAL (SELECT coalesce(s.member_id, n.member_id) AS member_id, coalesce(s.item_id, n.item_id) AS item_id) x
	WHERE s IS DISTINCT FROM n
	AND NOT EXISTS (SELECT FROM waiting w WHERE w.member_id = x.member_id AND w.item_id = x.item_id);
END;
COMMENT ON FUNCTION loyalty.report_coupon_differs(int) IS
'For verify(): sums of coupons, of one programme or of all, that are not what coupons and uses are noted as, and notes that are not what these are now';
