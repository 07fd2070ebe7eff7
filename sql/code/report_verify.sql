-- For verify(): are the sums what the ledger says?

-- The same functions as in folding say it, of as many ids at a time as fit into memory.
-- Kept and computed rows go into one pile, and what does not cancel out is told.
CREATE OR REPLACE FUNCTION loyalty.report_sum_differs(of_program int)
RETURNS TABLE (program_id int, member_id bigint, detail text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH chunk AS MATERIALIZED (
		SELECT f.first_id, f.last_id
		FROM loyalty.report_folded_chunk(report_sum_differs.of_program) f
	), visit AS MATERIALIZED (
		-- each day of a member, when he was there last, bought last, and bought first
		SELECT d.program_id, d.member_id, d.day, d.actions, d.orders, d.amount, d.refunded,
			max(d.day) FILTER (WHERE d.actions > 0) OVER b AS active_on,
			max(d.day) FILTER (WHERE d.orders > 0) OVER b AS bought_on,
			min(d.day) FILTER (WHERE d.orders > 0) OVER (PARTITION BY d.member_id) AS first_on
		FROM loyalty.report_member_day d
		WHERE report_sum_differs.of_program IS NULL OR d.program_id = report_sum_differs.of_program
		WINDOW b AS (PARTITION BY d.member_id ORDER BY d.day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
	), figure (kept, program_id, sum, key, dimension, value, a, b, c, d, e) AS (
		SELECT x.kept, x.program_id, 'report_value_day',
			format('day=%s unit=%s kind=%s event=%s', x.day, x.unit_id, x.kind, x.event), x.dimension, x.value,
			x.journal_rows, x.credited, x.debited, 0::bigint, 0::bigint
		FROM (
			SELECT true AS kept, s.* FROM loyalty.report_value_day s
			UNION ALL
			SELECT false, t.* FROM chunk c
			CROSS JOIN LATERAL loyalty.report_value_of(report_sum_differs.of_program, c.first_id, c.last_id) t) x
		UNION ALL
		SELECT x.kept, x.program_id, 'report_lot_month',
			format('month=%s unit=%s expires=%s kind=%s', x.month, x.unit_id, x.expires_on, x.kind), NULL, NULL,
			x.credited, x.debited, 0, 0, 0
		FROM (
			SELECT true AS kept, s.* FROM loyalty.report_lot_month s
			UNION ALL
			SELECT false, t.* FROM chunk c
			CROSS JOIN LATERAL loyalty.report_lot_of(report_sum_differs.of_program, c.first_id, c.last_id) t) x
		UNION ALL
		SELECT x.kept, x.program_id, 'report_sale_day', format('day=%s', x.day), x.dimension, x.value,
			x.orders, x.amount, x.refunds, x.refunded, 0
		FROM (
			SELECT true AS kept, s.* FROM loyalty.report_sale_day s
			UNION ALL
			SELECT false, t.* FROM chunk c
			CROSS JOIN LATERAL loyalty.report_sale_of(report_sum_differs.of_program, c.first_id, c.last_id) t) x
		UNION ALL
		SELECT x.kept, x.program_id, 'report_member_count', format('day=%s', x.day), x.dimension, x.value,
			x.joined, x.closed, x.reopened, 0, 0
		FROM (
			SELECT true AS kept, s.* FROM loyalty.report_member_count s
			UNION ALL
			SELECT false, t.* FROM chunk c
			CROSS JOIN LATERAL loyalty.report_count_of(report_sum_differs.of_program, c.first_id, c.last_id) t) x
		UNION ALL
		SELECT x.kept, x.program_id, 'report_tier_day',
			format('day=%s action=%s before=%s after=%s', x.day, x.action, x.tier_before, x.tier_after), NULL, NULL,
			x.times, 0, 0, 0, 0
		FROM (
			SELECT true AS kept, s.* FROM loyalty.report_tier_day s
			UNION ALL
			SELECT false, t.* FROM chunk c
			CROSS JOIN LATERAL loyalty.report_tier_of(report_sum_differs.of_program, c.first_id, c.last_id) t) x
		UNION ALL
		-- the next three follow from the days of members
		SELECT true, s.program_id, 'report_return_day', format('day=%s kind=%s gap=%s', s.day, s.kind, s.gap), NULL, NULL,
			s.members, 0, 0, 0, 0
		FROM loyalty.report_return_day s
		UNION ALL
		SELECT false, v.program_id, 'report_return_day',
			format('day=%s kind=active gap=%s', v.day, coalesce(v.day - v.active_on, 0)), NULL, NULL,
			count(*), 0, 0, 0, 0
		FROM visit v
		WHERE v.actions > 0
		GROUP BY v.program_id, v.day, coalesce(v.day - v.active_on, 0)
		UNION ALL
		SELECT false, v.program_id, 'report_return_day',
			format('day=%s kind=buyer gap=%s', v.day, coalesce(v.day - v.bought_on, 0)), NULL, NULL,
			count(*), 0, 0, 0, 0
		FROM visit v
		WHERE v.orders > 0
		GROUP BY v.program_id, v.day, coalesce(v.day - v.bought_on, 0)
		UNION ALL
		SELECT true, s.program_id, 'report_second', format('first=%s second=%s', s.first_on, s.second_on), NULL, NULL,
			s.members, 0, 0, 0, 0
		FROM loyalty.report_second s
		UNION ALL
		SELECT false, m.program_id, 'report_second', format('first=%s second=%s', m.first_on, m.second_on), NULL, NULL,
			count(*), 0, 0, 0, 0
		FROM (
			SELECT v.program_id, v.first_on, CASE WHEN bool_or(v.day = v.first_on AND v.orders > 1) THEN v.first_on
				ELSE coalesce(min(v.day) FILTER (WHERE v.day > v.first_on), 'infinity') END AS second_on
			FROM visit v
			WHERE v.orders > 0
			GROUP BY v.program_id, v.member_id, v.first_on) m
		GROUP BY m.program_id, m.first_on, m.second_on
		UNION ALL
		SELECT true, s.program_id, 'report_cohort_month', format('cohort=%s month=%s', s.cohort, s.month), NULL, NULL,
			s.members, s.orders, s.amount, s.refunded, 0
		FROM loyalty.report_cohort_month s
		UNION ALL
		SELECT false, m.program_id, 'report_cohort_month', format('cohort=%s month=%s', m.cohort, m.month), NULL, NULL,
			count(*) FILTER (WHERE m.orders > 0), sum(m.orders)::bigint, sum(m.amount)::bigint, sum(m.refunded)::bigint, 0
		FROM (
			SELECT v.program_id, date_trunc('month', v.first_on::timestamp)::date AS cohort,
				date_trunc('month', v.day::timestamp)::date AS month,
				sum(v.orders) AS orders, sum(v.amount) AS amount, sum(v.refunded) AS refunded
			FROM visit v
			WHERE v.first_on IS NOT NULL AND (v.orders > 0 OR v.refunded <> 0)
			GROUP BY v.program_id, v.member_id, v.first_on, date_trunc('month', v.day::timestamp)) m
		GROUP BY m.program_id, m.cohort, m.month
		UNION ALL
		-- and the months of products from their days
		SELECT true, s.program_id, 'report_product_month',
			format('month=%s kind=%s name=%s tier=%s', s.month, s.kind, s.name, s.tier_id), NULL, NULL,
			s.orders, s.quantity, s.amount, s.returned_quantity, s.returned_amount
		FROM loyalty.report_product_month s
		UNION ALL
		SELECT false, s.program_id, 'report_product_month',
			format('month=%s kind=%s name=%s tier=%s', date_trunc('month', s.day::timestamp)::date, s.kind, s.name, s.tier_id), NULL, NULL,
			s.orders, s.quantity, s.amount, s.returned_quantity, s.returned_amount
		FROM loyalty.report_product_day s
	)
	SELECT f.program_id, NULL::bigint, concat_ws(' ', 'sum=' || f.sum, f.key, 'dimension=' || f.dimension,
		-- who sold is a person
		'value=' || CASE WHEN f.dimension = 'staff' THEN '-' ELSE f.value END,
		'kept=' || concat_ws(',', sum(f.a) FILTER (WHERE f.kept), sum(f.b) FILTER (WHERE f.kept), sum(f.c) FILTER (WHERE f.kept),
			sum(f.d) FILTER (WHERE f.kept), sum(f.e) FILTER (WHERE f.kept)),
		'ledger=' || concat_ws(',', sum(f.a) FILTER (WHERE NOT f.kept), sum(f.b) FILTER (WHERE NOT f.kept),
			sum(f.c) FILTER (WHERE NOT f.kept), sum(f.d) FILTER (WHERE NOT f.kept), sum(f.e) FILTER (WHERE NOT f.kept)))
	FROM figure f
	WHERE report_sum_differs.of_program IS NULL OR f.program_id = report_sum_differs.of_program
	GROUP BY f.program_id, f.sum, f.key, f.dimension, f.value
	HAVING sum(CASE WHEN f.kept THEN f.a ELSE -f.a END) <> 0 OR sum(CASE WHEN f.kept THEN f.b ELSE -f.b END) <> 0
	OR sum(CASE WHEN f.kept THEN f.c ELSE -f.c END) <> 0 OR sum(CASE WHEN f.kept THEN f.d ELSE -f.d END) <> 0
	OR sum(CASE WHEN f.kept THEN f.e ELSE -f.e END) <> 0
	UNION ALL
	SELECT x.program_id, x.member_id, format('sum=report_member_day day=%s kept=%s ledger=%s', x.day,
		concat_ws(',', sum(x.actions) FILTER (WHERE x.kept), sum(x.orders) FILTER (WHERE x.kept),
			sum(x.amount) FILTER (WHERE x.kept), sum(x.refunded) FILTER (WHERE x.kept)),
		concat_ws(',', sum(x.actions) FILTER (WHERE NOT x.kept), sum(x.orders) FILTER (WHERE NOT x.kept),
			sum(x.amount) FILTER (WHERE NOT x.kept), sum(x.refunded) FILTER (WHERE NOT x.kept)))
	FROM (
		SELECT true AS kept, s.* FROM loyalty.report_member_day s
		WHERE report_sum_differs.of_program IS NULL OR s.program_id = report_sum_differs.of_program
		UNION ALL
		SELECT false, t.* FROM chunk c
		CROSS JOIN LATERAL loyalty.report_day_of(report_sum_differs.of_program, c.first_id, c.last_id) t) x
	GROUP BY x.member_id, x.day, x.program_id
	HAVING sum(CASE WHEN x.kept THEN x.actions ELSE -x.actions END) <> 0
	OR sum(CASE WHEN x.kept THEN x.orders ELSE -x.orders END) <> 0
	OR sum(CASE WHEN x.kept THEN x.amount ELSE -x.amount END) <> 0
	OR sum(CASE WHEN x.kept THEN x.refunded ELSE -x.refunded END) <> 0
	UNION ALL
	-- What was erased of event_data stays in the sums of products. They cannot have less than
	-- the ledger; and where orders and pieces are the same, nothing was erased.
	SELECT y.program_id, NULL, format('sum=report_product_day day=%s kind=%s name=%s tier=%s kept=%s ledger=%s',
		y.day, y.kind, y.name, y.tier_id,
		concat_ws(',', y.orders, y.quantity, y.amount, y.returned_quantity, y.returned_amount),
		concat_ws(',', y.orders + y.more_orders, y.quantity + y.more_quantity, y.amount + y.more_amount,
			y.returned_quantity + y.more_returned_quantity, y.returned_amount + y.more_returned_amount))
	FROM (
		SELECT x.program_id, x.day, x.kind, x.name, x.tier_id,
			coalesce(sum(x.orders) FILTER (WHERE x.kept), 0) AS orders,
			coalesce(sum(x.quantity) FILTER (WHERE x.kept), 0) AS quantity,
			coalesce(sum(x.amount) FILTER (WHERE x.kept), 0) AS amount,
			coalesce(sum(x.returned_quantity) FILTER (WHERE x.kept), 0) AS returned_quantity,
			coalesce(sum(x.returned_amount) FILTER (WHERE x.kept), 0) AS returned_amount,
			sum(CASE WHEN x.kept THEN -x.orders ELSE x.orders END) AS more_orders,
			sum(CASE WHEN x.kept THEN -x.quantity ELSE x.quantity END) AS more_quantity,
			sum(CASE WHEN x.kept THEN -x.amount ELSE x.amount END) AS more_amount,
			sum(CASE WHEN x.kept THEN -x.returned_quantity ELSE x.returned_quantity END) AS more_returned_quantity,
			sum(CASE WHEN x.kept THEN -x.returned_amount ELSE x.returned_amount END) AS more_returned_amount
		FROM (
			SELECT true AS kept, s.* FROM loyalty.report_product_day s
			WHERE report_sum_differs.of_program IS NULL OR s.program_id = report_sum_differs.of_program
			UNION ALL
			SELECT false, t.* FROM chunk c
			CROSS JOIN LATERAL loyalty.report_product_of(report_sum_differs.of_program, c.first_id, c.last_id) t) x
		GROUP BY x.program_id, x.day, x.kind, x.name, x.tier_id) y
	WHERE y.more_orders > 0 OR y.more_quantity > 0 OR y.more_returned_quantity > 0
	OR (y.more_orders = 0 AND y.more_quantity = 0 AND y.more_returned_quantity = 0
		AND (y.more_amount <> 0 OR y.more_returned_amount <> 0));
END;
COMMENT ON FUNCTION loyalty.report_sum_differs(int) IS
'For verify(): sums of reports, of one programme or of all, that are not what the ledger says of what is folded';

-- By the end of a day as many bought as made their first order up to it.
CREATE OR REPLACE FUNCTION loyalty.report_rfm_differs(of_program int)
RETURNS TABLE (program_id int, day date, members bigint, buyers bigint, orders bigint, bought bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT d.program_id, d.day, d.members::bigint, d.buyers::bigint, d.orders::bigint, d.bought::bigint
	FROM (
		SELECT x.program_id, x.day, bool_or(x.kept) AS kept, sum(x.members) AS members, sum(x.orders) AS orders,
			sum(sum(x.buyers)) OVER w AS buyers, sum(sum(x.bought)) OVER w AS bought
		FROM (
			SELECT true AS kept, r.program_id, r.day, r.members, r.orders, 0::bigint AS buyers, 0::bigint AS bought
			FROM loyalty.report_rfm_day r
			UNION ALL
			SELECT false, s.program_id, s.first_on, 0, 0, s.members, 0 FROM loyalty.report_second s
			UNION ALL
			SELECT false, s.program_id, s.day, 0, 0, 0, s.orders FROM loyalty.report_sale_day s WHERE s.dimension = 'all') x
		WHERE report_rfm_differs.of_program IS NULL OR x.program_id = report_rfm_differs.of_program
		GROUP BY x.program_id, x.day
		WINDOW w AS (PARTITION BY x.program_id ORDER BY x.day)) d
	WHERE d.kept AND (d.members <> d.buyers OR d.orders <> d.bought);
END;
COMMENT ON FUNCTION loyalty.report_rfm_differs(int) IS
'For verify(): days for which report_rfm_day does not have as many members and orders as had bought and were made by then';
