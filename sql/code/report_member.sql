-- Members: how many there are, who is active, who buys, and who comes back.

CREATE OR REPLACE FUNCTION loyalty.report_member_step(program_id int, until date, by text)
RETURNS TABLE (member_id bigint, journal_id bigint, kind text, day date, part text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH step AS (
		SELECT j.member_id, j.journal_id, CASE WHEN j.kind IN ('close', 'reopen') THEN j.kind ELSE 'join' END AS kind,
			(j.effective_at AT TIME ZONE p.time_zone)::date AS day,
			CASE report_member_step.by WHEN 'channel' THEN j.channel WHEN 'store' THEN j.store WHEN 'staff' THEN j.staff
				WHEN 'tier' THEN j.tier_before::text END AS value
		FROM loyalty.program p
		JOIN loyalty.journal j ON j.program_id = p.program_id
		WHERE p.program_id = report_member_step.program_id
		AND (j.kind IN ('import', 'close', 'reopen') OR j.kind = 'event' AND j.event = 'signup')
	)
	SELECT s.member_id, s.journal_id, s.kind, s.day,
		loyalty.report_part(report_member_step.program_id, report_member_step.by, CASE WHEN report_member_step.by = 'tier'
			THEN s.value
			-- who leaves leaves where he came from
			ELSE first_value(s.value) OVER (PARTITION BY s.member_id ORDER BY s.journal_id) END)
	FROM step s
	WHERE s.day <= report_member_step.until;
END;
COMMENT ON FUNCTION loyalty.report_member_step(int, date, text) IS
'For report_growth: who joined, was closed and reopened up to a day, from the ledger; at the tier of then, else where he joined';

CREATE OR REPLACE FUNCTION loyalty.report_growth_part(program_id int, since date, until date, by text, grain text)
RETURNS TABLE (period date, part text, joined bigint, closed bigint, reopened bigint, members bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH step AS MATERIALIZED (
		SELECT m.member_id, m.journal_id, m.kind, m.day, m.part
		FROM loyalty.report_member_step(report_growth_part.program_id, report_growth_part.until, report_growth_part.by) m
	), calendar AS (
		SELECT c.first_day, c.last_day
		FROM loyalty.report_calendar(report_growth_part.since, report_growth_part.until, report_growth_part.grain) c
	), moved AS (
		SELECT greatest(date_trunc(report_growth_part.grain, s.day::timestamp)::date, report_growth_part.since) AS period,
			s.part, count(*) FILTER (WHERE s.kind = 'join') AS joined, count(*) FILTER (WHERE s.kind = 'close') AS closed,
			count(*) FILTER (WHERE s.kind = 'reopen') AS reopened, 0::bigint AS members
		FROM step s
		WHERE s.day >= report_growth_part.since
		GROUP BY 1, 2
	), held AS (
		-- of the tier at a period's end the history tells
		SELECT c.first_day, coalesce((
				SELECT t.code FROM loyalty.tier t WHERE t.tier_id = h.tier_after),
				loyalty.report_base_tier(report_growth_part.program_id)) AS part, count(*) AS members
		FROM calendar c
		JOIN loyalty.program p ON p.program_id = report_growth_part.program_id
		CROSS JOIN LATERAL (
			SELECT s.member_id
			FROM step s
			WHERE s.day <= c.last_day
			GROUP BY s.member_id
			HAVING (array_agg(s.kind ORDER BY s.journal_id DESC))[1] <> 'close') m
		LEFT JOIN LATERAL (
			SELECT x.tier_after
			FROM loyalty.tier_history x
			WHERE x.member_id = m.member_id AND x.effective_at < (c.last_day + 1)::timestamp AT TIME ZONE p.time_zone
			ORDER BY x.journal_id DESC, x.line DESC
			LIMIT 1) h ON true
		WHERE report_growth_part.by = 'tier'
		GROUP BY 1, 2
		UNION ALL
		SELECT c.first_day, s.part, sum(CASE s.kind WHEN 'close' THEN -1 ELSE 1 END)::bigint
		FROM calendar c
		JOIN step s ON s.day <= c.last_day
		WHERE report_growth_part.by <> 'tier'
		GROUP BY 1, 2
	)
	SELECT g.period, g.part, sum(g.joined)::bigint, sum(g.closed)::bigint, sum(g.reopened)::bigint, sum(g.members)::bigint
	FROM (
		SELECT m.period, m.part, m.joined, m.closed, m.reopened, m.members FROM moved m
		UNION ALL
		SELECT h.first_day, h.part, 0, 0, 0, h.members FROM held h) g
	GROUP BY g.period, g.part
	HAVING sum(g.joined) + sum(g.closed) + sum(g.reopened) + sum(g.members) > 0;
END;
COMMENT ON FUNCTION loyalty.report_growth_part(int, date, date, text, text) IS
'For report_growth: the same by channel, store, staff or tier, from the ledger';

CREATE OR REPLACE FUNCTION loyalty.report_growth(program text, since date, until date, by text DEFAULT NULL,
	grain text DEFAULT NULL)
RETURNS TABLE (period date, part text, joined bigint, closed bigint, reopened bigint, members bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 30
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_growth.program, report_growth.since, report_growth.until, report_growth.by,
		report_growth.grain);

	WITH found AS MATERIALIZED (
		SELECT p.program_id
		FROM loyalty.program p
		WHERE p.name = report_growth.program
	), moved AS (
		-- all that was before is one period more
		SELECT CASE WHEN s.day >= report_growth.since
				THEN greatest(date_trunc(report_growth.grain, s.day::timestamp)::date, report_growth.since) END AS period,
			sum(s.joined) AS joined, sum(s.closed) AS closed, sum(s.reopened) AS reopened
		FROM found f
		CROSS JOIN LATERAL loyalty.report_member_sum(f.program_id, '-infinity', report_growth.until, 'all') s
		WHERE report_growth.by IS NULL
		GROUP BY 1
	)
	SELECT c.first_day, NULL::text, coalesce(m.joined, 0)::bigint, coalesce(m.closed, 0)::bigint,
		coalesce(m.reopened, 0)::bigint,
		(coalesce(b.members, 0) + coalesce(sum(m.joined - m.closed + m.reopened) OVER (ORDER BY c.first_day), 0))::bigint
	FROM found f
	CROSS JOIN loyalty.report_calendar(report_growth.since, report_growth.until, report_growth.grain) c
	LEFT JOIN moved m ON m.period = c.first_day
	LEFT JOIN (SELECT x.joined - x.closed + x.reopened AS members FROM moved x WHERE x.period IS NULL) b ON true
	WHERE report_growth.by IS NULL
	UNION ALL
	SELECT g.period, g.part, g.joined, g.closed, g.reopened, g.members
	FROM found f
	CROSS JOIN LATERAL loyalty.report_growth_part(f.program_id, report_growth.since, report_growth.until, report_growth.by,
		report_growth.grain) g
	WHERE report_growth.by IS NOT NULL
	ORDER BY 1, 2;
END;
COMMENT ON FUNCTION loyalty.report_growth(text, date, date, text, text) IS
'Members who joined, were closed and reopened in each period, and how many there were at its end; by where they joined, or by tier';

-- Different members are told by the sums, and the tail is worked out once for all
-- that is asked.
CREATE OR REPLACE FUNCTION loyalty.report_present(program_id int, kinds text[], first_days date[], last_days date[])
RETURNS TABLE (place bigint, members bigint, first_timers bigint, once_only bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 4
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH tail AS MATERIALIZED (
		SELECT t.sum, t.day, t.other_day, t.gap, t.members
		FROM loyalty.report_tail_change(report_present.program_id) t
		WHERE t.sum IN ('active', 'buyer', 'second')
	), asked AS (
		SELECT a.kind, a.first_day, a.last_day, a.place
		FROM unnest(report_present.kinds, report_present.first_days, report_present.last_days)
			WITH ORDINALITY a (kind, first_day, last_day, place)
	)
	SELECT a.place, (coalesce(s.members, 0) + coalesce(t.members, 0))::bigint,
		(coalesce(s.first_timers, 0) + coalesce(t.first_timers, 0))::bigint,
		(coalesce(s.first_timers, 0) + coalesce(t.first_timers, 0) - coalesce(o.members, 0) - coalesce(u.members, 0))::bigint
	FROM asked a
	CROSS JOIN LATERAL (
		-- who was not there before within the range
		SELECT sum(d.members) AS members, sum(d.members) FILTER (WHERE d.gap = 0) AS first_timers
		FROM loyalty.report_return_day d
		WHERE d.program_id = report_present.program_id AND d.kind = a.kind AND d.day BETWEEN a.first_day AND a.last_day
		AND (d.gap = 0 OR d.day - d.gap < a.first_day)) s
	CROSS JOIN LATERAL (
		SELECT sum(x.members) AS members, sum(x.members) FILTER (WHERE x.gap = 0) AS first_timers
		FROM tail x
		WHERE x.sum = a.kind AND x.day BETWEEN a.first_day AND a.last_day
		AND (x.gap = 0 OR x.day - x.gap < a.first_day)) t
	CROSS JOIN LATERAL (
		-- who came for the first and the second time
		SELECT sum(d.members) AS members
		FROM loyalty.report_second d
		WHERE a.kind = 'buyer' AND d.program_id = report_present.program_id
		AND d.first_on BETWEEN a.first_day AND a.last_day AND d.second_on <= a.last_day) o
	CROSS JOIN LATERAL (
		SELECT sum(x.members) AS members
		FROM tail x
		WHERE a.kind = 'buyer' AND x.sum = 'second' AND x.day BETWEEN a.first_day AND a.last_day
		AND x.other_day <= a.last_day) u;
END;
COMMENT ON FUNCTION loyalty.report_present(int, text[], date[], date[]) IS
'For reports: of each range of days who was active or bought, how many for the first time, and how many buyers just once by its end';

CREATE OR REPLACE FUNCTION loyalty.report_active(program text, until date, by text DEFAULT NULL)
RETURNS TABLE (part text, days int, active bigint, members bigint, share numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 4
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_active.program, report_active.until, report_active.until, report_active.by);

	WITH found AS MATERIALIZED (
		SELECT p.program_id, p.time_zone, (
			SELECT coalesce(sum(s.joined - s.closed + s.reopened), 0)::bigint
			FROM loyalty.report_member_sum(p.program_id, '-infinity', report_active.until, 'all') s) AS members
		FROM loyalty.program p
		WHERE p.name = report_active.program
	), span AS (
		SELECT d.days, report_active.until - d.days + 1 AS first_day, d.place
		FROM (VALUES (1, 1), (7, 2), (30, 3), (90, 4)) d (days, place)
	), acted AS MATERIALIZED (
		SELECT j.member_id, (j.effective_at AT TIME ZONE f.time_zone)::date AS day,
			CASE report_active.by WHEN 'channel' THEN j.channel WHEN 'store' THEN j.store WHEN 'staff' THEN j.staff
				WHEN 'tier' THEN j.tier_before::text END AS value
		FROM found f
		JOIN loyalty.journal j ON j.program_id = f.program_id
		WHERE report_active.by IS NOT NULL AND loyalty.report_is_action(j.kind, j.event)
		AND j.effective_at >= (report_active.until - 89)::timestamp AT TIME ZONE f.time_zone
		AND j.effective_at < (report_active.until + 1)::timestamp AT TIME ZONE f.time_zone
	), counted AS (
		SELECT NULL::text AS part, s.days, c.members AS active
		FROM found f
		CROSS JOIN LATERAL loyalty.report_present(f.program_id, '{active,active,active,active}',
			(SELECT array_agg(x.first_day ORDER BY x.place) FROM span x), array_fill(report_active.until, '{4}')) c
		JOIN span s ON s.place = c.place
		WHERE report_active.by IS NULL
		UNION ALL
		SELECT v.part, s.days, count(DISTINCT a.member_id) FILTER (WHERE a.day >= s.first_day)
		FROM (
			SELECT x.value, loyalty.report_part(f.program_id, report_active.by, x.value) AS part
			FROM found f
			CROSS JOIN (SELECT DISTINCT b.value FROM acted b) x) v
		JOIN acted a ON a.value IS NOT DISTINCT FROM v.value
		CROSS JOIN span s
		GROUP BY v.part, s.days
	)
	SELECT c.part, c.days, c.active, f.members, round(c.active::numeric / nullif(f.members, 0), 4)
	FROM found f
	CROSS JOIN counted c
	ORDER BY c.part, c.days;
END;
COMMENT ON FUNCTION loyalty.report_active(text, date, text) IS
'Members who did something themselves on the last 1, 7, 30 and 90 days up to one, and their share of all members of then';

CREATE OR REPLACE FUNCTION loyalty.report_buyer_part(program_id int, since date, until date, by text, grain text)
RETURNS TABLE (period date, part text, buyers bigint, new_buyers bigint, repeat_buyers bigint, orders bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH bought AS (
		SELECT j.member_id, (j.effective_at AT TIME ZONE p.time_zone)::date AS day,
			CASE report_buyer_part.by WHEN 'channel' THEN j.channel WHEN 'store' THEN j.store WHEN 'staff' THEN j.staff
				WHEN 'tier' THEN j.tier_before::text END AS value
		FROM loyalty.program p
		JOIN loyalty.journal j ON j.program_id = p.program_id
		WHERE p.program_id = report_buyer_part.program_id AND j.kind = 'event' AND j.event = 'purchase'
		AND j.effective_at < (report_buyer_part.until + 1)::timestamp AT TIME ZONE p.time_zone
	), life AS (
		SELECT b.member_id, b.day, b.value, min(b.day) OVER w AS first_on,
			nth_value(b.day, 2) OVER (w ORDER BY b.day ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS second_on
		FROM bought b
		WINDOW w AS (PARTITION BY b.member_id)
	), part AS (
		SELECT x.value, loyalty.report_part(report_buyer_part.program_id, report_buyer_part.by, x.value) AS part
		FROM (SELECT DISTINCT b.value FROM bought b) x
	)
	SELECT c.first_day, v.part, count(DISTINCT l.member_id),
		count(DISTINCT l.member_id) FILTER (WHERE l.first_on >= c.first_day),
		count(DISTINCT l.member_id) FILTER (WHERE l.second_on <= c.last_day), count(*)
	FROM loyalty.report_calendar(report_buyer_part.since, report_buyer_part.until, report_buyer_part.grain) c
	JOIN life l ON l.day >= report_buyer_part.since
		AND greatest(date_trunc(report_buyer_part.grain, l.day::timestamp)::date, report_buyer_part.since) = c.first_day
	JOIN part v ON v.value IS NOT DISTINCT FROM l.value
	GROUP BY c.first_day, v.part;
END;
COMMENT ON FUNCTION loyalty.report_buyer_part(int, date, date, text, text) IS
'For report_buyer: the same by channel, store, staff or tier, from the ledger';

CREATE OR REPLACE FUNCTION loyalty.report_buyer_all(program_id int, since date, until date, grain text)
RETURNS TABLE (period date, buyers bigint, new_buyers bigint, repeat_buyers bigint, orders bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 30
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH tail AS MATERIALIZED (
		SELECT t.sum, t.day, t.other_day, t.gap, t.members
		FROM loyalty.report_tail_change(report_buyer_all.program_id) t
		WHERE t.sum IN ('buyer', 'second') AND t.day BETWEEN report_buyer_all.since AND report_buyer_all.until
	), came AS (
		SELECT x.day, x.gap, x.members,
			greatest(date_trunc(report_buyer_all.grain, x.day::timestamp)::date, report_buyer_all.since) AS period
		FROM (
			SELECT d.day, d.gap, d.members
			FROM loyalty.report_return_day d
			WHERE d.program_id = report_buyer_all.program_id AND d.kind = 'buyer'
			AND d.day BETWEEN report_buyer_all.since AND report_buyer_all.until
			UNION ALL
			SELECT t.day, t.gap, t.members FROM tail t WHERE t.sum = 'buyer') x
	), buyer AS (
		-- who had not been there before within the period
		SELECT c.period, sum(c.members) AS buyers, coalesce(sum(c.members) FILTER (WHERE c.gap = 0), 0) AS new_buyers
		FROM came c
		WHERE c.gap = 0 OR c.day - c.gap < c.period
		GROUP BY c.period
	), calendar AS (
		SELECT c.first_day, c.last_day
		FROM loyalty.report_calendar(report_buyer_all.since, report_buyer_all.until, report_buyer_all.grain) c
	), twice AS (
		-- new buyers who have bought again by its end; of the others all have bought before
		SELECT c.first_day AS period, sum(x.members) AS members
		FROM (
			SELECT d.first_on, d.second_on, d.members
			FROM loyalty.report_second d
			WHERE d.program_id = report_buyer_all.program_id
			AND d.first_on BETWEEN report_buyer_all.since AND report_buyer_all.until AND d.second_on <= report_buyer_all.until
			UNION ALL
			SELECT t.day, t.other_day, t.members FROM tail t WHERE t.sum = 'second') x
		JOIN calendar c ON c.first_day
			= greatest(date_trunc(report_buyer_all.grain, x.first_on::timestamp)::date, report_buyer_all.since)
		WHERE x.second_on <= c.last_day
		GROUP BY c.first_day
	), sold AS (
		SELECT greatest(date_trunc(report_buyer_all.grain, s.day::timestamp)::date, report_buyer_all.since) AS period,
			sum(s.orders) AS orders
		FROM loyalty.report_sale_sum(report_buyer_all.program_id, report_buyer_all.since, report_buyer_all.until, 'all') s
		GROUP BY 1
	)
	SELECT c.first_day, coalesce(b.buyers, 0)::bigint, coalesce(b.new_buyers, 0)::bigint,
		(coalesce(b.buyers - b.new_buyers, 0) + coalesce(o.members, 0))::bigint, coalesce(s.orders, 0)::bigint
	FROM calendar c
	LEFT JOIN buyer b ON b.period = c.first_day
	LEFT JOIN twice o ON o.period = c.first_day
	LEFT JOIN sold s ON s.period = c.first_day;
END;
COMMENT ON FUNCTION loyalty.report_buyer_all(int, date, date, text) IS
'For report_buyer: of all channels, stores, staff and tiers together, from the sums';

CREATE OR REPLACE FUNCTION loyalty.report_buyer(program text, since date, until date, by text DEFAULT NULL,
	grain text DEFAULT NULL)
RETURNS TABLE (period date, part text, buyers bigint, new_buyers bigint, returning_buyers bigint,
	returning_share numeric, repeat_buyers bigint, repurchase_rate numeric, orders bigint, frequency numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 30
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_buyer.program, report_buyer.since, report_buyer.until, report_buyer.by,
		report_buyer.grain);

	SELECT b.period, b.part, b.buyers, b.new_buyers, b.buyers - b.new_buyers,
		round((b.buyers - b.new_buyers)::numeric / nullif(b.buyers, 0), 4), b.repeat_buyers,
		round(b.repeat_buyers::numeric / nullif(b.buyers, 0), 4), b.orders,
		round(b.orders::numeric / nullif(b.buyers, 0), 4)
	FROM loyalty.program p
	CROSS JOIN LATERAL (
		SELECT a.period, NULL::text AS part, a.buyers, a.new_buyers, a.repeat_buyers, a.orders
		FROM loyalty.report_buyer_all(p.program_id, report_buyer.since, report_buyer.until, report_buyer.grain) a
		WHERE report_buyer.by IS NULL
		UNION ALL
		SELECT a.period, a.part, a.buyers, a.new_buyers, a.repeat_buyers, a.orders
		FROM loyalty.report_buyer_part(p.program_id, report_buyer.since, report_buyer.until, report_buyer.by,
			report_buyer.grain) a
		WHERE report_buyer.by IS NOT NULL) b
	WHERE p.name = report_buyer.program
	ORDER BY b.period, b.part;
END;
COMMENT ON FUNCTION loyalty.report_buyer(text, date, date, text, text) IS
'Members who bought in each period: for the first time or again, how many of them had bought twice by its end, and how often they bought';

CREATE OR REPLACE FUNCTION loyalty.report_cohort(program text, since date, until date)
RETURNS TABLE (cohort date, months_since int, month date, members bigint, cohort_members bigint, share numeric,
	orders bigint, net numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 300
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_cohort.program, report_cohort.since, report_cohort.until);

	WITH found AS MATERIALIZED (
		SELECT p.program_id, p.currency_scale AS scale, date_trunc('month', report_cohort.since::timestamp)::date AS first_month,
			-- of months to come nothing is known
			least(date_trunc('month', report_cohort.until::timestamp),
				date_trunc('month', loyalty.now() AT TIME ZONE p.time_zone))::date AS last_month
		FROM loyalty.program p
		WHERE p.name = report_cohort.program
	), bought AS MATERIALIZED (
		SELECT s.cohort, s.month, sum(s.members) AS members, sum(s.orders) AS orders, sum(s.amount - s.refunded) AS net
		FROM found f
		CROSS JOIN LATERAL loyalty.report_cohort_sum(f.program_id, f.first_month,
			(f.last_month + interval '1 month')::date - 1) s
		WHERE s.cohort >= f.first_month AND s.month <= f.last_month
		GROUP BY s.cohort, s.month
	)
	SELECT a.cohort, (extract(year FROM age(m.month, a.cohort)) * 12 + extract(month FROM age(m.month, a.cohort)))::int,
		m.month::date, coalesce(b.members, 0)::bigint, a.members::bigint,
		round(coalesce(b.members, 0) / nullif(a.members, 0), 4), coalesce(b.orders, 0)::bigint,
		loyalty.unit_amount(coalesce(b.net, 0)::bigint, f.scale)
	FROM found f
	-- in its own month all of a cohort bought
	JOIN bought a ON a.month = a.cohort AND a.members <> 0
	CROSS JOIN LATERAL generate_series(a.cohort::timestamp, f.last_month::timestamp, interval '1 month') m (month)
	LEFT JOIN bought b ON b.cohort = a.cohort AND b.month = m.month::date
	ORDER BY 1, 2;
END;
COMMENT ON FUNCTION loyalty.report_cohort(text, date, date) IS
'Members by the month of their first order: how many of them bought in each month from then on, and for how much';
