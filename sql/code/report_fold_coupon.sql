-- Sums of coupons: what a range of ids of the journal changes in them, its folding, and
-- what reports read. Whoever changes a coupon or a use writes a row of the journal of its
-- member, except who releases a reservation whose time is over; but what is reserved
-- counts nowhere here, before as after. So the coupons and uses that rows of the journal
-- concern are compared with what they were counted as.

COMMENT ON TABLE loyalty.report_coupon_day IS 'What became of coupons by local day and dimension';
COMMENT ON TABLE loyalty.report_coupon_seen IS 'As what each coupon and each use is counted in report_coupon_day';
COMMENT ON TYPE loyalty.report_coupon_item IS 'As what a coupon or a use is counted';

-- A use names the order, and so does every row of the journal that changes it, be it as
-- its own reference or as what it reverses. A coupon names the rows that issued and ended
-- it; what else becomes of it comes with a use. An order counts with the first of its uses
-- of a coupon that was not given back, on the day of that and at its part.
CREATE OR REPLACE FUNCTION loyalty.report_coupon_now(of_program int, first_ids bigint[], last_ids bigint[])
RETURNS SETOF loyalty.report_coupon_item
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET max_parallel_workers_per_gather = 0
SET work_mem = '64MB'
SET jit = off
BEGIN ATOMIC
	WITH moved AS MATERIALIZED (
		SELECT j.member_id, j.journal_id, j.ref, j.reverses
		FROM unnest(report_coupon_now.first_ids, report_coupon_now.last_ids) r (first_id, last_id)
		CROSS JOIN LATERAL loyalty.report_journal(report_coupon_now.of_program, r.first_id, r.last_id) j
	), use AS MATERIALIZED (
		SELECT u.member_id, u.use_id, u.journal_id, u.program_id, u.coupon_id, u.coupon_no, u.code, u.ref, u.used_at,
			u.status, u.discount - u.returned AS discount,
			row_number() OVER (PARTITION BY u.member_id, u.ref, u.coupon_id ORDER BY u.status <> 'used', u.use_id) = 1 AS is_first
		FROM (
			SELECT m.member_id, m.ref FROM moved m WHERE m.ref IS NOT NULL
			UNION
			SELECT m.member_id, m.reverses FROM moved m WHERE m.reverses IS NOT NULL) o
		JOIN loyalty.coupon_use u ON u.member_id = o.member_id AND u.ref = o.ref
	), held AS MATERIALIZED (
		SELECT m.member_id, m.coupon_no, m.journal_id, m.program_id, m.coupon_id, m.issued_at, m.valid_until, m.status, m.source,
			m.uses, m.max_uses
		FROM (SELECT DISTINCT x.member_id FROM moved x) o
		JOIN loyalty.member_coupon m ON m.member_id = o.member_id
		WHERE m.journal_id IN (SELECT x.journal_id FROM moved x) OR m.ended_by IN (SELECT x.journal_id FROM moved x)
		OR m.coupon_no IN (SELECT x.coupon_no FROM use x WHERE x.coupon_no IS NOT NULL)
	), item AS (
		SELECT h.member_id, h.coupon_no AS item_id, h.journal_id, 0::bigint AS discount, 0::bigint AS sales, h.program_id, h.coupon_id,
			h.issued_at AS at, h.valid_until AS lapses_on,
			(k.is_issued AND h.status <> 'void')::int::smallint AS issued,
			(k.is_issued AND h.status <> 'void' AND h.source IN ('claim', 'code', 'buy'))::int::smallint AS claimed,
			(k.is_issued AND h.status <> 'void' AND k.uses > 0)::int::smallint AS spent,
			(k.is_issued AND h.status = 'void')::int::smallint AS void,
			(h.valid_until IS NOT NULL AND h.status = 'issued' AND k.uses < h.max_uses)::int::smallint AS open,
			0::smallint AS used, 0::smallint AS codes, 0::smallint AS returned
		FROM held h
		CROSS JOIN LATERAL (
			SELECT h.source <> 'transfer' AS is_issued, CASE WHEN h.uses = 0 THEN 0 ELSE h.uses - (
				SELECT count(*) FROM loyalty.coupon_use u
				WHERE u.member_id = h.member_id AND u.coupon_id = h.coupon_id AND u.coupon_no = h.coupon_no
				AND u.status = 'reserved') END AS uses) k
		UNION ALL
		SELECT u.member_id, u.use_id, u.journal_id, u.discount,
			-- what has no purchase yet gets it with the row of the purchase
			CASE WHEN u.status = 'used' AND u.is_first THEN coalesce((
				SELECT y.amount FROM loyalty.journal y
				WHERE y.member_id = u.member_id AND y.ref = u.ref AND y.kind = 'event' AND y.event = 'purchase'
				LIMIT 1), 0) ELSE 0 END,
			u.program_id, u.coupon_id, u.used_at, NULL, 0, 0, 0, 0, 0, (u.status = 'used')::int,
			(u.status = 'used' AND u.code IS NOT NULL AND u.coupon_no IS NULL)::int, (u.status = 'returned')::int
		FROM use u
		WHERE u.status IN ('used', 'returned')
	)
	SELECT i.member_id, i.item_id, i.journal_id, i.discount, i.sales, i.program_id, i.coupon_id,
		(i.at AT TIME ZONE p.time_zone)::date, CASE WHEN i.open > 0 THEN i.lapses_on END, i.issued, i.claimed, i.spent, i.void, i.open,
		i.used, i.codes, i.returned
	FROM item i
	CROSS JOIN LATERAL (SELECT x.time_zone FROM loyalty.program x WHERE x.program_id = i.program_id) p;
END;
COMMENT ON FUNCTION loyalty.report_coupon_now(int, bigint[], bigint[]) IS
'For reports: as what the coupons and uses count now that ranges of ids of the journal concern, of one programme or of all';

-- Of what has not changed nothing is left, as each is there twice.
CREATE OR REPLACE FUNCTION loyalty.report_coupon_part(items loyalty.report_coupon_item[], sign int, of_dimension text)
RETURNS TABLE (program_id int, day date, dimension text, value text, coupon_id int, issued bigint, claimed bigint, spent bigint,
	void bigint, open bigint, used bigint, codes bigint, returned bigint, discount bigint, sales bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
BEGIN ATOMIC
	SELECT i.program_id, c.day, d.dimension, coalesce(d.value, ''), i.coupon_id,
		sum(sign * c.issued)::bigint, sum(sign * c.claimed)::bigint, sum(sign * c.spent)::bigint, sum(sign * c.void)::bigint,
		sum(sign * c.open)::bigint, sum(sign * c.used)::bigint, sum(sign * c.codes)::bigint, sum(sign * c.returned)::bigint,
		sum(sign * c.discount)::bigint, sum(sign * c.sales)::bigint
	FROM unnest(report_coupon_part.items) i
	LEFT JOIN LATERAL (
		SELECT x.channel, x.store, x.staff, x.tier_before FROM loyalty.journal x
		WHERE x.member_id = i.member_id AND x.journal_id = i.journal_id) j
		ON report_coupon_part.of_dimension IS DISTINCT FROM 'all'
	LEFT JOIN LATERAL (
		SELECT x.campaign_id FROM loyalty.coupon_use x
		WHERE x.member_id = i.member_id AND x.use_id = i.item_id) u
		ON coalesce(report_coupon_part.of_dimension, 'campaign') = 'campaign'
	CROSS JOIN LATERAL (VALUES ('all', ''), ('channel', j.channel), ('store', j.store), ('staff', j.staff),
		('tier', j.tier_before::text), ('campaign', u.campaign_id::text)) d (dimension, value)
	CROSS JOIN LATERAL (VALUES
		(i.day, i.issued::bigint, i.claimed::bigint, i.spent::bigint, i.void::bigint, 0::bigint, i.used::bigint, i.codes::bigint,
			i.returned::bigint, i.discount, i.sales),
		(i.lapses_on, 0, 0, 0, 0, i.open, 0, 0, 0, 0, 0))
		c (day, issued, claimed, spent, void, open, used, codes, returned, discount, sales)
	WHERE (report_coupon_part.of_dimension IS NULL OR d.dimension = report_coupon_part.of_dimension) AND c.day IS NOT NULL
	-- uses only, and not those of coupons without one
	AND (d.dimension <> 'campaign' OR d.value IS NOT NULL)
	GROUP BY i.program_id, c.day, d.dimension, coalesce(d.value, ''), i.coupon_id;
END;
COMMENT ON FUNCTION loyalty.report_coupon_part(loyalty.report_coupon_item[], int, text) IS
'For reports: coupons and uses by local day and dimension, of one dimension or of all, added up with a sign';

CREATE OR REPLACE FUNCTION loyalty.report_coupon_change(of_program int, first_ids bigint[], last_ids bigint[], of_dimension text)
RETURNS TABLE (program_id int, day date, dimension text, value text, coupon_id int, issued bigint, claimed bigint, spent bigint,
	void bigint, open bigint, used bigint, codes bigint, returned bigint, discount bigint, sales bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
BEGIN ATOMIC
	WITH pair AS MATERIALIZED (
		SELECT n AS now, CASE WHEN s.item_id IS NOT NULL THEN ROW(s.*)::loyalty.report_coupon_item END AS seen
		FROM loyalty.report_coupon_now(report_coupon_change.of_program, report_coupon_change.first_ids, report_coupon_change.last_ids) n
		LEFT JOIN loyalty.report_coupon_seen s ON s.member_id = n.member_id AND s.item_id = n.item_id
		-- one that has never counted need not be noted
		WHERE n IS DISTINCT FROM ROW(s.*)::loyalty.report_coupon_item AND (s.item_id IS NOT NULL OR n.issued + n.void + n.open + n.used + n.returned > 0)
	)
	SELECT p.program_id, p.day, p.dimension, p.value, p.coupon_id, p.issued, p.claimed, p.spent, p.void, p.open, p.used, p.codes,
		p.returned, p.discount, p.sales
	FROM (SELECT array_agg(x.now) AS items FROM pair x) a
	CROSS JOIN LATERAL loyalty.report_coupon_part(a.items, 1, report_coupon_change.of_dimension) p
	UNION ALL
	SELECT p.program_id, p.day, p.dimension, p.value, p.coupon_id, p.issued, p.claimed, p.spent, p.void, p.open, p.used, p.codes,
		p.returned, p.discount, p.sales
	FROM (SELECT array_agg(x.seen) FILTER (WHERE (x.seen).item_id IS NOT NULL) AS items FROM pair x) a
	CROSS JOIN LATERAL loyalty.report_coupon_part(a.items, -1, report_coupon_change.of_dimension) p;
END;
COMMENT ON FUNCTION loyalty.report_coupon_change(int, bigint[], bigint[], text) IS
'For reports: what ranges of ids of the journal change in report_coupon_day, of one dimension or of all; rows are to be added up';

-- In one statement, so that what is noted is what was counted.
CREATE OR REPLACE FUNCTION loyalty.report_fold_coupon(of_program int, first_id bigint, last_id bigint)
RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
BEGIN ATOMIC
	WITH pair AS MATERIALIZED (
		SELECT n AS now, CASE WHEN s.item_id IS NOT NULL THEN ROW(s.*)::loyalty.report_coupon_item END AS seen
		FROM loyalty.report_coupon_now(of_program, ARRAY[first_id], ARRAY[last_id]) n
		LEFT JOIN loyalty.report_coupon_seen s ON s.member_id = n.member_id AND s.item_id = n.item_id
		-- one that has never counted need not be noted
		WHERE n IS DISTINCT FROM ROW(s.*)::loyalty.report_coupon_item AND (s.item_id IS NOT NULL OR n.issued + n.void + n.open + n.used + n.returned > 0)
	), noted AS (
		INSERT INTO loyalty.report_coupon_seen AS t
		SELECT (x.now).* FROM pair x
		ON CONFLICT (member_id, item_id) DO UPDATE
		SET journal_id = excluded.journal_id, discount = excluded.discount, sales = excluded.sales, lapses_on = excluded.lapses_on,
			issued = excluded.issued, claimed = excluded.claimed, spent = excluded.spent, void = excluded.void, open = excluded.open,
			used = excluded.used, codes = excluded.codes, returned = excluded.returned
	)
	INSERT INTO loyalty.report_coupon_day AS t (program_id, day, dimension, value, coupon_id, issued, claimed, spent, void, open, used,
		codes, returned, discount, sales)
	SELECT p.program_id, p.day, p.dimension, p.value, p.coupon_id, sum(p.issued), sum(p.claimed), sum(p.spent), sum(p.void),
		sum(p.open), sum(p.used), sum(p.codes), sum(p.returned), sum(p.discount), sum(p.sales)
	FROM (
		SELECT array_agg(x.now) AS items, 1 AS sign FROM pair x
		UNION ALL
		SELECT array_agg(x.seen), -1 FROM pair x WHERE (x.seen).item_id IS NOT NULL) a
	CROSS JOIN LATERAL loyalty.report_coupon_part(a.items, a.sign, NULL) p
	GROUP BY p.program_id, p.day, p.dimension, p.value, p.coupon_id
	ON CONFLICT (program_id, dimension, day, value, coupon_id) DO UPDATE
	SET issued = t.issued + excluded.issued, claimed = t.claimed + excluded.claimed, spent = t.spent + excluded.spent,
		void = t.void + excluded.void, open = t.open + excluded.open, used = t.used + excluded.used, codes = t.codes + excluded.codes,
		returned = t.returned + excluded.returned, discount = t.discount + excluded.discount, sales = t.sales + excluded.sales;
END;
COMMENT ON FUNCTION loyalty.report_fold_coupon(int, bigint, bigint) IS
'For report_fold(): adds what a range of ids changes of coupons, of one programme or of all, to their sums, and notes as what they are counted';

CREATE OR REPLACE FUNCTION loyalty.report_coupon_sum(program_id int, since date, until date, dimension text)
RETURNS TABLE (day date, value text, coupon_id int, issued bigint, claimed bigint, spent bigint, void bigint, open bigint,
	used bigint, codes bigint, returned bigint, discount bigint, sales bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT s.day, s.value, s.coupon_id, s.issued, s.claimed, s.spent, s.void, s.open, s.used, s.codes, s.returned, s.discount, s.sales
	FROM loyalty.report_coupon_day s
	WHERE s.program_id = report_coupon_sum.program_id AND s.dimension = report_coupon_sum.dimension
	AND s.day BETWEEN report_coupon_sum.since AND report_coupon_sum.until
	UNION ALL
	SELECT t.day, t.value, t.coupon_id, t.issued, t.claimed, t.spent, t.void, t.open, t.used, t.codes, t.returned, t.discount, t.sales
	FROM (SELECT array_agg(x.first_id) AS first_ids, array_agg(x.last_id) AS last_ids FROM loyalty.report_gap() x) g
	CROSS JOIN LATERAL loyalty.report_coupon_change(report_coupon_sum.program_id, g.first_ids, g.last_ids, report_coupon_sum.dimension) t
	WHERE t.day BETWEEN report_coupon_sum.since AND report_coupon_sum.until;
END;
COMMENT ON FUNCTION loyalty.report_coupon_sum(int, date, date, text) IS
'For reports: what became of coupons by local day and part, in minor units; open: of those whose last day of use it is; what is reserved is in none of it; rows are to be added up';
