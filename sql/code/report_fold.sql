-- The sums that reports are made of: what a range of ids of the journal comes to, the
-- folding of ranges, and what every report reads: the sums, and with them what is not
-- folded yet. The functions of the first part are used for both, so they cannot differ.

-- What a member did himself counts him as active; said here and nowhere else.
CREATE OR REPLACE FUNCTION loyalty.report_is_action(kind text, event text)
RETURNS boolean LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT CASE WHEN kind = 'event' THEN event IS DISTINCT FROM 'signup'
		ELSE kind IN ('redeem', 'hold', 'capture', 'transfer', 'benefit_use', 'benefit_claim',
			'coupon_claim', 'coupon_buy', 'coupon_use', 'checkout_reserve',
			'topup', 'topup_confirm', 'plan_buy', 'plan_renew', 'plan_upgrade') END;
END;
COMMENT ON FUNCTION loyalty.report_is_action(text, text) IS
'For reports: does a row of the journal of this kind count its member as active?';

-- The planner is told nothing of how many rows a range of ids has, and would now and
-- then read the whole journal for the last thousand of them. With the other ways
-- barred it takes the index on ranges of blocks, and the order of a refund by its key.
CREATE OR REPLACE FUNCTION loyalty.report_journal(of_program int, first_id bigint, last_id bigint)
RETURNS TABLE (program_id int, member_id bigint, journal_id bigint, kind text, event text, ref text, reverses text,
	amount bigint, unit_id int, channel text, store text, staff text, tier_before int, tier_after int,
	effective_at timestamptz, recorded_at timestamptz, day date, order_id bigint,
	part_channel text, part_store text, part_staff text, part_tier int)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_indexscan = off
SET enable_indexonlyscan = off
SET max_parallel_workers_per_gather = 0
SET jit = off
BEGIN ATOMIC
	SELECT j.program_id, j.member_id, j.journal_id, j.kind, j.event, j.ref, j.reverses,
		j.amount, j.unit_id, j.channel, j.store, j.staff, j.tier_before, j.tier_after,
		j.effective_at, j.recorded_at, (j.effective_at AT TIME ZONE p.time_zone)::date,
		CASE WHEN o.is_order THEN o.journal_id END,
		CASE WHEN o.journal_id IS NULL THEN j.channel ELSE o.channel END,
		CASE WHEN o.journal_id IS NULL THEN j.store ELSE o.store END,
		CASE WHEN o.journal_id IS NULL THEN j.staff ELSE o.staff END,
		CASE WHEN o.journal_id IS NULL THEN j.tier_before ELSE o.tier_before END
	FROM loyalty.journal j
	CROSS JOIN LATERAL (
		SELECT x.time_zone FROM loyalty.program x WHERE x.program_id = j.program_id) p
	-- of a refund what it takes back: the purchase, or what else has the reference
	LEFT JOIN LATERAL (
		SELECT x.journal_id, x.channel, x.store, x.staff, x.tier_before,
			x.kind = 'event' AND x.event = 'purchase' AS is_order
		FROM loyalty.journal x
		WHERE x.member_id = j.member_id AND x.ref = j.reverses AND x.kind IN ('event', 'redeem', 'capture')
		-- what was added to the order later changes nothing of the refund
		AND x.journal_id < j.journal_id
		ORDER BY (x.kind = 'event' AND x.event = 'purchase') DESC, x.journal_id
		LIMIT 1) o ON j.kind = 'refund'
	WHERE j.journal_id BETWEEN report_journal.first_id AND report_journal.last_id
	AND (report_journal.of_program IS NULL OR j.program_id = report_journal.of_program);
END;
COMMENT ON FUNCTION loyalty.report_journal(int, bigint, bigint) IS
'For reports: the rows of the journal in a range of ids, of one programme or of all; part_...: where and in which tier they count, of a refund those of its order, which is order_id if it is a purchase';

CREATE OR REPLACE FUNCTION loyalty.report_gap()
RETURNS TABLE (first_id bigint, last_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 2
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT g.first_id, g.last_id
	FROM (
		SELECT f.last_id + 1 AS first_id,
			-- the largest id there is
			lead(f.first_id, 1, 9007199254740992) OVER (ORDER BY f.first_id, f.last_id) - 1 AS last_id
		FROM (
			SELECT 0::bigint AS first_id, 0::bigint AS last_id
			UNION ALL
			SELECT x.first_id, x.last_id FROM loyalty.report_folded x) f) g
	WHERE g.first_id <= g.last_id;
END;
COMMENT ON FUNCTION loyalty.report_gap() IS
'For reports: the ranges of ids that are not folded';

CREATE OR REPLACE FUNCTION loyalty.report_tail(program_id int)
RETURNS TABLE (member_id bigint, journal_id bigint, kind text, event text, ref text, reverses text,
	amount bigint, unit_id int, channel text, store text, staff text, tier_before int, tier_after int,
	effective_at timestamptz, recorded_at timestamptz, day date)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT j.member_id, j.journal_id, j.kind, j.event, j.ref, j.reverses, j.amount, j.unit_id,
		j.channel, j.store, j.staff, j.tier_before, j.tier_after, j.effective_at, j.recorded_at, j.day
	FROM loyalty.report_gap() g
	CROSS JOIN LATERAL loyalty.report_journal(report_tail.program_id, g.first_id, g.last_id) j;
END;
COMMENT ON FUNCTION loyalty.report_tail(int) IS
'For reports: the rows of a programme''s journal that are not in the sums yet';

-- What a range of ids comes to, sum by sum.

CREATE OR REPLACE FUNCTION loyalty.report_value_of(of_program int, first_id bigint, last_id bigint)
RETURNS TABLE (program_id int, day date, dimension text, value text, unit_id int, kind text, event text,
	journal_rows bigint, credited bigint, debited bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
BEGIN ATOMIC
	SELECT j.program_id, j.day, d.dimension, coalesce(d.value, ''), coalesce(e.unit_id, 0), j.kind, coalesce(j.event, ''),
		count(*), coalesce(sum(e.credited), 0)::bigint, coalesce(sum(e.debited), 0)::bigint
	FROM loyalty.report_journal(report_value_of.of_program, report_value_of.first_id, report_value_of.last_id) j
	LEFT JOIN LATERAL (
		SELECT x.unit_id, sum(x.amount) FILTER (WHERE x.amount > 0) AS credited,
			sum(x.amount) FILTER (WHERE x.amount < 0) AS debited
		FROM (
			SELECT n.unit_id, n.amount FROM loyalty.entry n
			WHERE n.member_id = j.member_id AND n.journal_id = j.journal_id
			UNION ALL
			-- a capture posts what it does not spend; told as if it posted all back
			-- and took what it spends
			SELECT j.unit_id, v.amount
			FROM (VALUES (j.amount), (-j.amount)) v (amount)
			WHERE j.kind = 'capture') x
		GROUP BY x.unit_id) e ON true
	CROSS JOIN LATERAL (VALUES ('all', ''), ('channel', j.part_channel), ('store', j.part_store),
		('staff', j.part_staff), ('tier', j.part_tier::text)) d (dimension, value)
	GROUP BY j.program_id, j.day, d.dimension, coalesce(d.value, ''), coalesce(e.unit_id, 0), j.kind, coalesce(j.event, '');
END;
COMMENT ON FUNCTION loyalty.report_value_of(int, bigint, bigint) IS
'For reports: what a range of ids adds to report_value_day';

CREATE OR REPLACE FUNCTION loyalty.report_lot_of(of_program int, first_id bigint, last_id bigint)
RETURNS TABLE (program_id int, unit_id int, expires_on date, month date, kind text, credited bigint, debited bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
BEGIN ATOMIC
	SELECT j.program_id, e.unit_id, d.expires_on, date_trunc('month', j.day::timestamp)::date, j.kind,
		coalesce(sum(e.amount) FILTER (WHERE e.amount > 0), 0)::bigint,
		coalesce(sum(e.amount) FILTER (WHERE e.amount < 0), 0)::bigint
	FROM loyalty.report_journal(report_lot_of.of_program, report_lot_of.first_id, report_lot_of.last_id) j
	JOIN loyalty.entry e ON e.member_id = j.member_id AND e.journal_id = j.journal_id
	CROSS JOIN LATERAL (SELECT CASE WHEN e.origin = 'd' THEN '-infinity' ELSE coalesce(e.expires_on, 'infinity') END AS expires_on) d
	GROUP BY j.program_id, e.unit_id, d.expires_on, date_trunc('month', j.day::timestamp), j.kind;
END;
COMMENT ON FUNCTION loyalty.report_lot_of(int, bigint, bigint) IS
'For reports: what a range of ids adds to report_lot_month';

CREATE OR REPLACE FUNCTION loyalty.report_sale_of(of_program int, first_id bigint, last_id bigint)
RETURNS TABLE (program_id int, day date, dimension text, value text, orders bigint, amount bigint, refunds bigint, refunded bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT j.program_id, j.day, d.dimension, coalesce(d.value, ''),
		count(*) FILTER (WHERE j.order_id IS NULL), coalesce(sum(j.amount) FILTER (WHERE j.order_id IS NULL), 0)::bigint,
		count(j.order_id), coalesce(sum(j.amount) FILTER (WHERE j.order_id IS NOT NULL), 0)::bigint
	FROM loyalty.report_journal(report_sale_of.of_program, report_sale_of.first_id, report_sale_of.last_id) j
	CROSS JOIN LATERAL (VALUES ('all', ''), ('channel', j.part_channel), ('store', j.part_store),
		('staff', j.part_staff), ('tier', j.part_tier::text)) d (dimension, value)
	WHERE (j.kind = 'event' AND j.event = 'purchase') OR j.order_id IS NOT NULL
	GROUP BY j.program_id, j.day, d.dimension, coalesce(d.value, '');
END;
COMMENT ON FUNCTION loyalty.report_sale_of(int, bigint, bigint) IS
'For reports: what a range of ids adds to report_sale_day';

CREATE OR REPLACE FUNCTION loyalty.report_count_of(of_program int, first_id bigint, last_id bigint)
RETURNS TABLE (program_id int, day date, dimension text, value text, joined bigint, closed bigint, reopened bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT j.program_id, j.day, d.dimension, coalesce(d.value, ''),
		count(*) FILTER (WHERE j.kind IN ('event', 'import')),
		count(*) FILTER (WHERE j.kind = 'close'),
		count(*) FILTER (WHERE j.kind = 'reopen')
	FROM loyalty.report_journal(report_count_of.of_program, report_count_of.first_id, report_count_of.last_id) j
	CROSS JOIN LATERAL (VALUES ('all', ''), ('channel', j.part_channel), ('store', j.part_store),
		('staff', j.part_staff), ('tier', j.part_tier::text)) d (dimension, value)
	WHERE (j.kind = 'event' AND j.event = 'signup') OR j.kind IN ('import', 'close', 'reopen')
	GROUP BY j.program_id, j.day, d.dimension, coalesce(d.value, '');
END;
COMMENT ON FUNCTION loyalty.report_count_of(int, bigint, bigint) IS
'For reports: what a range of ids adds to report_member_count';

CREATE OR REPLACE FUNCTION loyalty.report_tier_of(of_program int, first_id bigint, last_id bigint)
RETURNS TABLE (program_id int, day date, action text, tier_before int, tier_after int, times bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
BEGIN ATOMIC
	SELECT c.program_id, c.day, c.action, c.tier_before, c.tier_after, count(*)
	FROM (
		SELECT h.program_id, (h.effective_at AT TIME ZONE p.time_zone)::date AS day,
			CASE WHEN s.is_closed THEN 'while_closed' ELSE h.action END AS action,
			coalesce(h.tier_before, 0) AS tier_before, coalesce(h.tier_after, 0) AS tier_after
		FROM loyalty.report_journal(report_tier_of.of_program, report_tier_of.first_id, report_tier_of.last_id) j
		JOIN loyalty.tier_history h ON h.member_id = j.member_id AND h.journal_id = j.journal_id
		JOIN loyalty.program p ON p.program_id = h.program_id
		-- the clock does not ask whether he is still a member
		LEFT JOIN LATERAL (
			SELECT x.kind = 'close' AS is_closed
			FROM loyalty.journal x
			WHERE x.member_id = j.member_id AND x.journal_id < j.journal_id AND x.kind IN ('close', 'reopen')
			ORDER BY x.journal_id DESC
			LIMIT 1) s ON h.action <> 'joined'
		UNION ALL
		SELECT j.program_id, j.day, CASE j.kind WHEN 'close' THEN 'closed' ELSE 'reopened' END,
			CASE j.kind WHEN 'close' THEN coalesce(j.tier_before, 0) ELSE -1 END,
			CASE j.kind WHEN 'close' THEN -1 ELSE coalesce(j.tier_before, 0) END
		FROM loyalty.report_journal(report_tier_of.of_program, report_tier_of.first_id, report_tier_of.last_id) j
		WHERE j.kind IN ('close', 'reopen')) c
	GROUP BY c.program_id, c.day, c.action, c.tier_before, c.tier_after;
END;
COMMENT ON FUNCTION loyalty.report_tier_of(int, bigint, bigint) IS
'For reports: what a range of ids adds to report_tier_day';

-- The lines of orders, each with what it cost: its net, or where lines have none its
-- price less its share of what the order cost less than all of them, as rules and
-- refunds see it: by largest remainder, of equal ones the first line. What a shop names or
-- counts has no bounds, but those of an index and of a bigint it must not break, or nothing
-- could be folded any more: names count by their first 200 characters, and of a line at
-- most a thousand million pieces.
CREATE OR REPLACE FUNCTION loyalty.report_product_of(of_program int, first_id bigint, last_id bigint)
RETURNS TABLE (program_id int, day date, kind text, name text, tier_id int, orders bigint, quantity bigint, amount bigint,
	returned_quantity bigint, returned_amount bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
BEGIN ATOMIC
	WITH moved AS (
		SELECT j.program_id, j.journal_id, j.day, k.kind, k.name, coalesce(j.part_tier, 0) AS tier_id,
			1 AS orders, least(l.quantity, 1000000000000) AS quantity, l.net AS amount,
			0::bigint AS returned_quantity, 0::bigint AS returned_amount
		FROM loyalty.report_journal(report_product_of.of_program, report_product_of.first_id, report_product_of.last_id) j
		JOIN loyalty.event_data d ON d.member_id = j.member_id AND d.journal_id = j.journal_id
		-- in a join the lines might be read by the scale of another programme, by which they cannot be
		CROSS JOIN LATERAL loyalty.event_lines(d.data -> 'items', j.amount, (
			SELECT p.currency_scale::int FROM loyalty.program p WHERE p.program_id = j.program_id)) l
		CROSS JOIN LATERAL (VALUES ('sku', l.sku), ('category', l.category), ('brand', l.brand)) k (kind, name)
		WHERE j.kind = 'event' AND j.event = 'purchase'
		UNION ALL
		SELECT j.program_id, j.journal_id, j.day, k.kind, k.name, coalesce(j.part_tier, 0),
			0, 0, 0, least((l.line ->> 'qty')::bigint, 1000000000000), (l.line ->> 'net')::bigint
		FROM loyalty.report_journal(report_product_of.of_program, report_product_of.first_id, report_product_of.last_id) j
		JOIN loyalty.event_data d ON d.member_id = j.member_id AND d.journal_id = j.journal_id
		-- in a join all orders of the member might be read
		CROSS JOIN LATERAL (
			SELECT x.data FROM loyalty.event_data x
			WHERE x.member_id = j.member_id AND x.journal_id = j.order_id
			LIMIT 1) o
		CROSS JOIN LATERAL jsonb_array_elements(d.data -> 'lines') l (line)
		CROSS JOIN LATERAL (SELECT o.data -> 'items' -> ((l.line ->> 'line')::int - 1) AS item) i
		CROSS JOIN LATERAL (VALUES ('sku', i.item ->> 'sku'), ('category', i.item ->> 'category'), ('brand', i.item ->> 'brand')) k (kind, name)
		-- 0: what the order has beyond its lines
		WHERE j.order_id IS NOT NULL AND (l.line ->> 'line')::int > 0
	)
	SELECT m.program_id, m.day, m.kind, left(m.name, 200), m.tier_id, count(DISTINCT m.journal_id) FILTER (WHERE m.orders > 0),
		sum(m.quantity)::bigint, sum(m.amount)::bigint, sum(m.returned_quantity)::bigint, sum(m.returned_amount)::bigint
	FROM moved m
	WHERE m.name IS NOT NULL
	GROUP BY m.program_id, m.day, m.kind, left(m.name, 200), m.tier_id;
END;
COMMENT ON FUNCTION loyalty.report_product_of(int, bigint, bigint) IS
'For reports: what a range of ids adds to report_product_day and report_product_month';

CREATE OR REPLACE FUNCTION loyalty.report_day_of(of_program int, first_id bigint, last_id bigint)
RETURNS TABLE (member_id bigint, day date, program_id int, actions int, orders int, amount bigint, refunded bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT j.member_id, j.day, j.program_id,
		(count(*) FILTER (WHERE j.order_id IS NULL))::int,
		(count(*) FILTER (WHERE j.kind = 'event' AND j.event = 'purchase'))::int,
		coalesce(sum(j.amount) FILTER (WHERE j.kind = 'event' AND j.event = 'purchase'), 0)::bigint,
		coalesce(sum(j.amount) FILTER (WHERE j.order_id IS NOT NULL), 0)::bigint
	FROM loyalty.report_journal(report_day_of.of_program, report_day_of.first_id, report_day_of.last_id) j
	WHERE loyalty.report_is_action(j.kind, j.event) OR j.order_id IS NOT NULL
	GROUP BY j.member_id, j.day, j.program_id;
END;
COMMENT ON FUNCTION loyalty.report_day_of(int, bigint, bigint) IS
'For reports: what a range of ids adds to report_member_day';

-- So many at a time fit into memory, and only where there are ids: those of nodes are far
-- apart. An id counts once, even if ranges overlap.
CREATE OR REPLACE FUNCTION loyalty.report_folded_chunk(of_program int)
RETURNS TABLE (first_id bigint, last_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT greatest(lower(f.ids), c.no << 17), least(upper(f.ids), (c.no + 1) << 17) - 1
	FROM (
		SELECT DISTINCT j.journal_id >> 17 AS no
		FROM loyalty.journal j
		WHERE (report_folded_chunk.of_program IS NULL OR j.program_id = report_folded_chunk.of_program)
		AND EXISTS (SELECT FROM loyalty.report_folded)) c
	JOIN (
		SELECT unnest(range_agg(int8range(x.first_id, x.last_id, '[]'))) AS ids
		FROM loyalty.report_folded x
		WHERE x.first_id <= x.last_id) f ON lower(f.ids) < (c.no + 1) << 17 AND upper(f.ids) > c.no << 17;
END;
COMMENT ON FUNCTION loyalty.report_folded_chunk(int) IS
'For verify(): the ids that are folded, in ranges as small as memory wants them';

-- What the sums that are made of members' days change by, as ranges of ids are added: for
-- the members concerned, what their days came to before is taken away, and what they come
-- to after it is added. Whatever is dated earlier than what was folded before comes out
-- right, and a member costs his days, not his orders.
CREATE OR REPLACE FUNCTION loyalty.report_change(of_program int, first_ids bigint[], last_ids bigint[])
RETURNS TABLE (sum text, program_id int, day date, other_day date, gap int,
	members bigint, orders bigint, amount bigint, refunded bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = on
SET max_parallel_workers_per_gather = 0
SET work_mem = '64MB'
SET jit = off
BEGIN ATOMIC
	WITH added AS MATERIALIZED (
		SELECT d.member_id, d.day, d.program_id, d.actions, d.orders, d.amount, d.refunded
		FROM unnest(report_change.first_ids, report_change.last_ids) r (first_id, last_id)
		CROSS JOIN LATERAL loyalty.report_day_of(report_change.of_program, r.first_id, r.last_id) d
	), concerned AS MATERIALIZED (
		-- What lies before the last day on which he bought before the first day that is added
		-- changes nothing, and that day itself comes to the same twice. Without one, all days.
		SELECT m.member_id, l.since, f.first_on
		FROM (
			SELECT x.member_id, min(x.day) AS day, min(x.day) FILTER (WHERE x.orders > 0) AS bought_on
			FROM added x GROUP BY x.member_id) m
		CROSS JOIN LATERAL (
			SELECT coalesce((
				SELECT d.day FROM loyalty.report_member_day d
				WHERE d.member_id = m.member_id AND d.day < m.day AND d.orders > 0
				ORDER BY d.day DESC LIMIT 1), '-infinity') AS since) l
		CROSS JOIN LATERAL (
			SELECT (
				SELECT d.day FROM loyalty.report_member_day d
				WHERE d.member_id = m.member_id AND d.orders > 0
				ORDER BY d.day LIMIT 1) AS first_on) f
	), had AS MATERIALIZED (
		SELECT d.member_id, d.day, d.program_id, d.actions, d.orders, d.amount, d.refunded
		FROM concerned m
		JOIN loyalty.report_member_day d ON d.member_id = m.member_id AND d.day >= m.since
	), version AS (
		SELECT -1 AS sign, h.member_id, h.day, h.program_id, h.actions, h.orders, h.amount, h.refunded FROM had h
		UNION ALL
		SELECT 1, x.member_id, x.day, x.program_id, sum(x.actions)::int, sum(x.orders)::int, sum(x.amount)::bigint, sum(x.refunded)::bigint
		FROM (SELECT h.* FROM had h UNION ALL SELECT a.* FROM added a) x
		GROUP BY x.member_id, x.day, x.program_id
	), placed AS (
		-- on each day, when he was there last, and bought last; and the first of them on which he bought
		SELECT v.*,
			max(v.day) FILTER (WHERE v.actions > 0) OVER b AS active_on,
			max(v.day) FILTER (WHERE v.orders > 0) OVER b AS bought_on,
			min(v.day) FILTER (WHERE v.orders > 0) OVER (PARTITION BY v.sign, v.member_id) AS bought_first
		FROM version v
		WINDOW b AS (PARTITION BY v.sign, v.member_id ORDER BY v.day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
	), first AS (
		-- the first order of all: the earlier one, if something that is added comes before it
		SELECT p.sign, p.member_id, p.day, p.program_id, p.actions, p.orders, p.amount, p.refunded, p.active_on, p.bought_on,
			least(p.bought_first, CASE WHEN m.since > '-infinity' THEN m.first_on END) AS first_on
		FROM placed p
		JOIN concerned m ON m.member_id = p.member_id
	), month AS (
		SELECT p.sign, p.program_id, p.member_id, p.first_on, date_trunc('month', p.day::timestamp)::date AS month,
			sum(p.orders) AS orders, sum(p.amount)::bigint AS amount, sum(p.refunded)::bigint AS refunded
		FROM first p
		WHERE p.first_on IS NOT NULL AND (p.orders > 0 OR p.refunded <> 0)
		GROUP BY p.sign, p.program_id, p.member_id, p.first_on, date_trunc('month', p.day::timestamp)
	), part AS (
		SELECT 'active' AS sum, p.program_id, p.day, NULL::date AS other_day, coalesce(p.day - p.active_on, 0) AS gap,
			p.sign AS members, 0::bigint AS orders, 0::bigint AS amount, 0::bigint AS refunded
		FROM first p WHERE p.actions > 0
		UNION ALL
		SELECT 'buyer', p.program_id, p.day, NULL, coalesce(p.day - p.bought_on, 0), p.sign, 0, 0, 0
		FROM first p WHERE p.orders > 0
		UNION ALL
		SELECT 'second', p.program_id, p.first_on,
			CASE WHEN bool_or(p.day = p.first_on AND p.orders > 1) THEN p.first_on
				ELSE coalesce(min(p.day) FILTER (WHERE p.day > p.first_on), 'infinity') END, NULL, p.sign, 0, 0, 0
		FROM first p WHERE p.orders > 0
		GROUP BY p.sign, p.program_id, p.member_id, p.first_on
		UNION ALL
		SELECT 'cohort', m.program_id, date_trunc('month', m.first_on::timestamp)::date, m.month, NULL,
			CASE WHEN m.orders > 0 THEN m.sign ELSE 0 END, m.sign * m.orders, m.sign * m.amount, m.sign * m.refunded
		FROM month m
	)
	SELECT x.sum, x.program_id, x.day, x.other_day, x.gap,
		sum(x.members)::bigint, sum(x.orders)::bigint, sum(x.amount)::bigint, sum(x.refunded)::bigint
	FROM part x
	GROUP BY x.sum, x.program_id, x.day, x.other_day, x.gap
	HAVING sum(x.members) <> 0 OR sum(x.orders) <> 0 OR sum(x.amount) <> 0 OR sum(x.refunded) <> 0;
END;
COMMENT ON FUNCTION loyalty.report_change(int, bigint[], bigint[]) IS
'For reports: what ranges of ids change in report_return_day, report_second and report_cohort_month';

-- Folding. One session at a time: report_fold() and report_rebuild() lock the row of
-- report_mark.

-- What comes to zero is deleted instead of kept, so that a row is touched once. Sums are
-- found by their keys: the planner takes what changes for more than there is, and would
-- read all of them.
CREATE OR REPLACE FUNCTION loyalty.report_fold_range(of_program int, first_id bigint, last_id bigint)
RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
BEGIN ATOMIC
	INSERT INTO loyalty.report_value_day AS t (program_id, day, dimension, value, unit_id, kind, event, journal_rows, credited, debited)
	SELECT x.program_id, x.day, x.dimension, x.value, x.unit_id, x.kind, x.event, x.journal_rows, x.credited, x.debited
	FROM loyalty.report_value_of(of_program, first_id, last_id) x
	ON CONFLICT (program_id, dimension, day, value, unit_id, kind, event) DO UPDATE
	SET journal_rows = t.journal_rows + excluded.journal_rows, credited = t.credited + excluded.credited,
		debited = t.debited + excluded.debited;

	INSERT INTO loyalty.report_lot_month AS t (program_id, unit_id, expires_on, month, kind, credited, debited)
	SELECT x.program_id, x.unit_id, x.expires_on, x.month, x.kind, x.credited, x.debited
	FROM loyalty.report_lot_of(of_program, first_id, last_id) x
	ON CONFLICT (program_id, unit_id, expires_on, month, kind) DO UPDATE
	SET credited = t.credited + excluded.credited, debited = t.debited + excluded.debited;

	INSERT INTO loyalty.report_sale_day AS t (program_id, day, dimension, value, orders, amount, refunds, refunded)
	SELECT x.program_id, x.day, x.dimension, x.value, x.orders, x.amount, x.refunds, x.refunded
	FROM loyalty.report_sale_of(of_program, first_id, last_id) x
	ON CONFLICT (program_id, dimension, day, value) DO UPDATE
	SET orders = t.orders + excluded.orders, amount = t.amount + excluded.amount,
		refunds = t.refunds + excluded.refunds, refunded = t.refunded + excluded.refunded;

	INSERT INTO loyalty.report_member_count AS t (program_id, day, dimension, value, joined, closed, reopened)
	SELECT x.program_id, x.day, x.dimension, x.value, x.joined, x.closed, x.reopened
	FROM loyalty.report_count_of(of_program, first_id, last_id) x
	ON CONFLICT (program_id, dimension, day, value) DO UPDATE
	SET joined = t.joined + excluded.joined, closed = t.closed + excluded.closed, reopened = t.reopened + excluded.reopened;

	INSERT INTO loyalty.report_tier_day AS t (program_id, day, action, tier_before, tier_after, times)
	SELECT x.program_id, x.day, x.action, x.tier_before, x.tier_after, x.times
	FROM loyalty.report_tier_of(of_program, first_id, last_id) x
	ON CONFLICT (program_id, day, action, tier_before, tier_after) DO UPDATE
	SET times = t.times + excluded.times;

	WITH product AS MATERIALIZED (
		SELECT x.* FROM loyalty.report_product_of(of_program, first_id, last_id) x
	), month AS (
		INSERT INTO loyalty.report_product_month AS t (program_id, month, kind, name, tier_id, orders, quantity, amount,
			returned_quantity, returned_amount)
		SELECT x.program_id, date_trunc('month', x.day::timestamp)::date, x.kind, x.name, x.tier_id, sum(x.orders), sum(x.quantity),
			sum(x.amount), sum(x.returned_quantity), sum(x.returned_amount)
		FROM product x
		GROUP BY x.program_id, date_trunc('month', x.day::timestamp), x.kind, x.name, x.tier_id
		ON CONFLICT (program_id, kind, month, name, tier_id) DO UPDATE
		SET orders = t.orders + excluded.orders, quantity = t.quantity + excluded.quantity, amount = t.amount + excluded.amount,
			returned_quantity = t.returned_quantity + excluded.returned_quantity,
			returned_amount = t.returned_amount + excluded.returned_amount
	)
	INSERT INTO loyalty.report_product_day AS t (program_id, day, kind, name, tier_id, orders, quantity, amount,
		returned_quantity, returned_amount)
	SELECT x.program_id, x.day, x.kind, x.name, x.tier_id, x.orders, x.quantity, x.amount, x.returned_quantity, x.returned_amount
	FROM product x
	ON CONFLICT (program_id, kind, day, name, tier_id) DO UPDATE
	SET orders = t.orders + excluded.orders, quantity = t.quantity + excluded.quantity, amount = t.amount + excluded.amount,
		returned_quantity = t.returned_quantity + excluded.returned_quantity,
		returned_amount = t.returned_amount + excluded.returned_amount;

	-- before the days of the members, from which it is worked out
	WITH change AS MATERIALIZED (
		SELECT c.* FROM loyalty.report_change(of_program, ARRAY[first_id], ARRAY[last_id]) c
	), return_gone AS (
		DELETE FROM loyalty.report_return_day t USING change c
		WHERE c.sum = t.kind AND c.program_id = t.program_id AND c.day = t.day AND c.gap = t.gap
		AND t.members + c.members = 0
	), return_kept AS (
		INSERT INTO loyalty.report_return_day AS t (program_id, kind, day, gap, members)
		SELECT c.program_id, c.sum, c.day, c.gap, c.members
		FROM change c
		LEFT JOIN loyalty.report_return_day o
			ON o.kind = c.sum AND o.program_id = c.program_id AND o.day = c.day AND o.gap = c.gap
		WHERE c.sum IN ('active', 'buyer') AND coalesce(o.members, 0) + c.members <> 0
		ON CONFLICT (program_id, kind, day, gap) DO UPDATE SET members = t.members + excluded.members
	), second_gone AS (
		DELETE FROM loyalty.report_second t USING change c
		WHERE c.sum = 'second' AND c.program_id = t.program_id AND c.day = t.first_on AND c.other_day = t.second_on
		AND t.members + c.members = 0
	), second_kept AS (
		INSERT INTO loyalty.report_second AS t (program_id, first_on, second_on, members)
		SELECT c.program_id, c.day, c.other_day, c.members
		FROM change c
		LEFT JOIN loyalty.report_second o
			ON o.program_id = c.program_id AND o.first_on = c.day AND o.second_on = c.other_day
		WHERE c.sum = 'second' AND coalesce(o.members, 0) + c.members <> 0
		ON CONFLICT (program_id, first_on, second_on) DO UPDATE SET members = t.members + excluded.members
	), cohort_gone AS (
		DELETE FROM loyalty.report_cohort_month t USING change c
		WHERE c.sum = 'cohort' AND c.program_id = t.program_id AND c.day = t.cohort AND c.other_day = t.month
		AND t.members + c.members = 0 AND t.orders + c.orders = 0
		AND t.amount + c.amount = 0 AND t.refunded + c.refunded = 0
	)
	INSERT INTO loyalty.report_cohort_month AS t (program_id, cohort, month, members, orders, amount, refunded)
	SELECT c.program_id, c.day, c.other_day, c.members, c.orders, c.amount, c.refunded
	FROM change c
	LEFT JOIN loyalty.report_cohort_month o
		ON o.program_id = c.program_id AND o.cohort = c.day AND o.month = c.other_day
	WHERE c.sum = 'cohort' AND (coalesce(o.members, 0) + c.members <> 0 OR coalesce(o.orders, 0) + c.orders <> 0
		OR coalesce(o.amount, 0) + c.amount <> 0 OR coalesce(o.refunded, 0) + c.refunded <> 0)
	ON CONFLICT (program_id, cohort, month) DO UPDATE
	SET members = t.members + excluded.members, orders = t.orders + excluded.orders,
		amount = t.amount + excluded.amount, refunded = t.refunded + excluded.refunded;

	WITH day AS MATERIALIZED (
		SELECT x.* FROM loyalty.report_day_of(of_program, first_id, last_id) x
	), late AS (
		DELETE FROM loyalty.report_rfm_day t
		USING (
			SELECT x.program_id, min(x.day) AS day FROM day x
			WHERE x.orders > 0 OR x.refunded > 0
			GROUP BY x.program_id) x
		WHERE t.program_id = x.program_id AND t.day >= x.day
	)
	INSERT INTO loyalty.report_member_day AS t (member_id, day, program_id, actions, orders, amount, refunded)
	SELECT x.member_id, x.day, x.program_id, x.actions, x.orders, x.amount, x.refunded
	FROM day x
	ON CONFLICT (member_id, day) DO UPDATE
	SET actions = t.actions + excluded.actions, orders = t.orders + excluded.orders,
		amount = t.amount + excluded.amount, refunded = t.refunded + excluded.refunded;

	SELECT count(*) FROM loyalty.report_journal(of_program, first_id, last_id);
END;
COMMENT ON FUNCTION loyalty.report_fold_range(int, bigint, bigint) IS
'For report_fold(): adds what a range of ids comes to, of one programme or of all, to the sums; how many rows of the journal that was';

CREATE OR REPLACE FUNCTION loyalty.report_rows(first_id bigint, last_id bigint, most int)
RETURNS int LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_indexscan = off
SET enable_indexonlyscan = off
SET jit = off
BEGIN ATOMIC
	SELECT count(*)::int
	FROM (SELECT FROM loyalty.journal j WHERE j.journal_id BETWEEN first_id AND last_id LIMIT most) x;
END;
COMMENT ON FUNCTION loyalty.report_rows(bigint, bigint, int) IS
'For report_fold(): how many rows of the journal a range of ids has, counted up to most';

-- A node is not known before the first of its ids stands in the journal.
CREATE OR REPLACE FUNCTION loyalty.report_node()
RETURNS TABLE (first_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_indexscan = off
SET enable_indexonlyscan = off
SET jit = off
BEGIN ATOMIC
	SELECT min(j.journal_id)
	FROM loyalty.report_gap() g
	CROSS JOIN LATERAL (
		-- the end of a gap has nodes of which nothing is folded
		SELECT x.journal_id FROM loyalty.journal x
		WHERE x.journal_id BETWEEN ((g.first_id >> 43) + 1) << 43 AND g.last_id) j
	GROUP BY j.journal_id >> 43
	ORDER BY 1;
END;
COMMENT ON FUNCTION loyalty.report_node() IS
'For report_fold(): of each node of which nothing is folded the first id in the journal';

CREATE OR REPLACE FUNCTION loyalty.report_forget(program_id int)
RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	DELETE FROM loyalty.report_value_day t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_lot_month t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_sale_day t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_member_count t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_member_day t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_return_day t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_second t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_cohort_month t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_product_day t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_product_month t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_tier_day t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_rfm_day t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_campaign_day t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_campaign_member_day t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_campaign_return_day t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_coupon_day t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_coupon_seen t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_run_day t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_run_return_day t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_run_seen t WHERE t.program_id = report_forget.program_id;
	DELETE FROM loyalty.report_run_change t WHERE t.program_id = report_forget.program_id;
END;
COMMENT ON FUNCTION loyalty.report_forget(int) IS
'For report_rebuild(): deletes the sums of a programme';

CREATE OR REPLACE FUNCTION loyalty.report_rebuild(program text)
RETURNS bigint LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_report_rebuild';
COMMENT ON FUNCTION loyalty.report_rebuild(text) IS
'Makes the sums of a programme''s reports anew from the ledger, in one transaction; how many rows of the journal they are made of';

-- What reports read.

CREATE OR REPLACE FUNCTION loyalty.report_value(program_id int, since date, until date, dimension text)
RETURNS TABLE (day date, value text, unit_id int, kind text, event text, journal_rows bigint, credited bigint, debited bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT s.day, s.value, s.unit_id, s.kind, s.event, s.journal_rows, s.credited, s.debited
	FROM loyalty.report_value_day s
	WHERE s.program_id = report_value.program_id AND s.dimension = report_value.dimension
	AND s.day BETWEEN report_value.since AND report_value.until
	UNION ALL
	SELECT t.day, t.value, t.unit_id, t.kind, t.event, t.journal_rows, t.credited, t.debited
	FROM loyalty.report_gap() g
	CROSS JOIN LATERAL loyalty.report_value_of(report_value.program_id, g.first_id, g.last_id) t
	WHERE t.dimension = report_value.dimension AND t.day BETWEEN report_value.since AND report_value.until;
END;
COMMENT ON FUNCTION loyalty.report_value(int, date, date, text) IS
'For reports: what came and went by local day and part (all, channel, store, staff, tier), unit (0: none), kind and event, in minor units; rows are to be added up';

CREATE OR REPLACE FUNCTION loyalty.report_lot_sum(program_id int, unit_id int)
RETURNS TABLE (expires_on date, month date, kind text, credited bigint, debited bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT s.expires_on, s.month, s.kind, s.credited, s.debited
	FROM loyalty.report_lot_month s
	WHERE s.program_id = report_lot_sum.program_id AND s.unit_id = report_lot_sum.unit_id
	UNION ALL
	SELECT t.expires_on, t.month, t.kind, t.credited, t.debited
	FROM loyalty.report_gap() g
	CROSS JOIN LATERAL loyalty.report_lot_of(report_lot_sum.program_id, g.first_id, g.last_id) t
	WHERE t.unit_id = report_lot_sum.unit_id;
END;
COMMENT ON FUNCTION loyalty.report_lot_sum(int, int) IS
'For reports: what came and went of a unit by last day of use (infinity: none, -infinity: debt), month and kind, in minor units; rows are to be added up';

CREATE OR REPLACE FUNCTION loyalty.report_sale_sum(program_id int, since date, until date, dimension text)
RETURNS TABLE (day date, value text, orders bigint, amount bigint, refunds bigint, refunded bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT s.day, s.value, s.orders, s.amount, s.refunds, s.refunded
	FROM loyalty.report_sale_day s
	WHERE s.program_id = report_sale_sum.program_id AND s.dimension = report_sale_sum.dimension
	AND s.day BETWEEN report_sale_sum.since AND report_sale_sum.until
	UNION ALL
	SELECT t.day, t.value, t.orders, t.amount, t.refunds, t.refunded
	FROM loyalty.report_gap() g
	CROSS JOIN LATERAL loyalty.report_sale_of(report_sale_sum.program_id, g.first_id, g.last_id) t
	WHERE t.dimension = report_sale_sum.dimension AND t.day BETWEEN report_sale_sum.since AND report_sale_sum.until;
END;
COMMENT ON FUNCTION loyalty.report_sale_sum(int, date, date, text) IS
'For reports: orders and refunds by local day and part, in minor units; rows are to be added up';

CREATE OR REPLACE FUNCTION loyalty.report_member_sum(program_id int, since date, until date, dimension text)
RETURNS TABLE (day date, value text, joined bigint, closed bigint, reopened bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT s.day, s.value, s.joined, s.closed, s.reopened
	FROM loyalty.report_member_count s
	WHERE s.program_id = report_member_sum.program_id AND s.dimension = report_member_sum.dimension
	AND s.day BETWEEN report_member_sum.since AND report_member_sum.until
	UNION ALL
	SELECT t.day, t.value, t.joined, t.closed, t.reopened
	FROM loyalty.report_gap() g
	CROSS JOIN LATERAL loyalty.report_count_of(report_member_sum.program_id, g.first_id, g.last_id) t
	WHERE t.dimension = report_member_sum.dimension AND t.day BETWEEN report_member_sum.since AND report_member_sum.until;
END;
COMMENT ON FUNCTION loyalty.report_member_sum(int, date, date, text) IS
'For reports: members who joined, were closed and reopened, by local day and part; rows are to be added up';

CREATE OR REPLACE FUNCTION loyalty.report_tier_sum(program_id int, since date, until date)
RETURNS TABLE (day date, action text, tier_before int, tier_after int, times bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT s.day, s.action, s.tier_before, s.tier_after, s.times
	FROM loyalty.report_tier_day s
	WHERE s.program_id = report_tier_sum.program_id AND s.day BETWEEN report_tier_sum.since AND report_tier_sum.until
	UNION ALL
	SELECT t.day, t.action, t.tier_before, t.tier_after, t.times
	FROM loyalty.report_gap() g
	CROSS JOIN LATERAL loyalty.report_tier_of(report_tier_sum.program_id, g.first_id, g.last_id) t
	WHERE t.day BETWEEN report_tier_sum.since AND report_tier_sum.until;
END;
COMMENT ON FUNCTION loyalty.report_tier_sum(int, date, date) IS
'For reports: changes of tier by local day, action and tiers (0: none; -1: no member, of who is closed or reopened); while_closed: of who was no member; rows are to be added up';

-- Of a long range the whole months come from the sums by month.
CREATE OR REPLACE FUNCTION loyalty.report_product_sum(program_id int, since date, until date, kind text)
RETURNS TABLE (name text, tier_id int, orders bigint, quantity bigint, amount bigint, returned_quantity bigint, returned_amount bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH whole AS MATERIALIZED (
		-- from the first day of a month to before the first day of another
		SELECT date_trunc('month', report_product_sum.since + interval '1 month' - interval '1 day')::date AS since,
			greatest(date_trunc('month', report_product_sum.since + interval '1 month' - interval '1 day'),
				date_trunc('month', report_product_sum.until + 1))::date AS until
	)
	-- added up here, for a month of days has many rows
	SELECT x.name, x.tier_id, sum(x.orders)::bigint, sum(x.quantity)::bigint, sum(x.amount)::bigint,
		sum(x.returned_quantity)::bigint, sum(x.returned_amount)::bigint
	FROM (
		SELECT s.name, s.tier_id, s.orders, s.quantity, s.amount, s.returned_quantity, s.returned_amount
		FROM whole w
		JOIN loyalty.report_product_month s ON s.month >= w.since AND s.month < w.until
		WHERE s.program_id = report_product_sum.program_id AND s.kind = report_product_sum.kind
		UNION ALL
		SELECT s.name, s.tier_id, s.orders, s.quantity, s.amount, s.returned_quantity, s.returned_amount
		FROM whole w
		JOIN loyalty.report_product_day s ON s.day >= report_product_sum.since AND s.day <= least(report_product_sum.until, w.since - 1)
		WHERE s.program_id = report_product_sum.program_id AND s.kind = report_product_sum.kind
		UNION ALL
		SELECT s.name, s.tier_id, s.orders, s.quantity, s.amount, s.returned_quantity, s.returned_amount
		FROM whole w
		JOIN loyalty.report_product_day s ON s.day >= w.until AND s.day <= report_product_sum.until
		WHERE s.program_id = report_product_sum.program_id AND s.kind = report_product_sum.kind
		UNION ALL
		SELECT t.name, t.tier_id, t.orders, t.quantity, t.amount, t.returned_quantity, t.returned_amount
		FROM loyalty.report_gap() g
		CROSS JOIN LATERAL loyalty.report_product_of(report_product_sum.program_id, g.first_id, g.last_id) t
		WHERE t.kind = report_product_sum.kind AND t.day BETWEEN report_product_sum.since AND report_product_sum.until) x
	GROUP BY x.name, x.tier_id;
END;
COMMENT ON FUNCTION loyalty.report_product_sum(int, date, date, text) IS
'For reports: what was bought and returned of products (kind sku), categories or brands in a range of days, by tier (0: none), in thousandths and minor units; rows are to be added up';

CREATE OR REPLACE FUNCTION loyalty.report_tail_change(program_id int)
RETURNS TABLE (sum text, day date, other_day date, gap int, members bigint, orders bigint, amount bigint, refunded bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT c.sum, c.day, c.other_day, c.gap, c.members, c.orders, c.amount, c.refunded
	FROM (SELECT array_agg(x.first_id) AS first_ids, array_agg(x.last_id) AS last_ids FROM loyalty.report_gap() x) g
	CROSS JOIN LATERAL loyalty.report_change(report_tail_change.program_id, g.first_ids, g.last_ids) c;
END;
COMMENT ON FUNCTION loyalty.report_tail_change(int) IS
'For reports: what is not folded yet changes in the sums that are made of members'' days';

CREATE OR REPLACE FUNCTION loyalty.report_return_sum(program_id int, since date, until date, kind text)
RETURNS TABLE (day date, gap int, members bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT s.day, s.gap, s.members
	FROM loyalty.report_return_day s
	WHERE s.program_id = report_return_sum.program_id AND s.kind = report_return_sum.kind
	AND s.day BETWEEN report_return_sum.since AND report_return_sum.until
	UNION ALL
	SELECT t.day, t.gap, t.members
	FROM loyalty.report_tail_change(report_return_sum.program_id) t
	WHERE t.sum = report_return_sum.kind AND t.day BETWEEN report_return_sum.since AND report_return_sum.until;
END;
COMMENT ON FUNCTION loyalty.report_return_sum(int, date, date, text) IS
'For reports: members who were there (kind active) or bought (kind buyer) on a local day, by how many days after the time before (0: the first time); rows are to be added up, some are negative';

CREATE OR REPLACE FUNCTION loyalty.report_second_sum(program_id int)
RETURNS TABLE (first_on date, second_on date, members bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT s.first_on, s.second_on, s.members
	FROM loyalty.report_second s
	WHERE s.program_id = report_second_sum.program_id
	UNION ALL
	SELECT t.day, t.other_day, t.members
	FROM loyalty.report_tail_change(report_second_sum.program_id) t
	WHERE t.sum = 'second';
END;
COMMENT ON FUNCTION loyalty.report_second_sum(int) IS
'For reports: members by the local days of their first and second order (infinity: none); rows are to be added up, some are negative';

CREATE OR REPLACE FUNCTION loyalty.report_cohort_sum(program_id int, since date, until date)
RETURNS TABLE (cohort date, month date, members bigint, orders bigint, amount bigint, refunded bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT s.cohort, s.month, s.members, s.orders, s.amount, s.refunded
	FROM loyalty.report_cohort_month s
	WHERE s.program_id = report_cohort_sum.program_id
	AND s.cohort BETWEEN date_trunc('month', report_cohort_sum.since)::date AND report_cohort_sum.until
	UNION ALL
	SELECT t.day, t.other_day, t.members, t.orders, t.amount, t.refunded
	FROM loyalty.report_tail_change(report_cohort_sum.program_id) t
	WHERE t.sum = 'cohort' AND t.day BETWEEN date_trunc('month', report_cohort_sum.since)::date AND report_cohort_sum.until;
END;
COMMENT ON FUNCTION loyalty.report_cohort_sum(int, date, date) IS
'For reports: of members whose first order was in a month of the range, who bought how much in which month, in minor units; rows are to be added up, some are negative';
