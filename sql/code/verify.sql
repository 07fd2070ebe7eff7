-- The books, checked against themselves. doc/verify.md says for each code what
-- it means and what to do.

-- One statement, so one snapshot; it reads every table once or twice as a whole
-- and asks for single rows only where something is wrong.
CREATE OR REPLACE FUNCTION loyalty.verify(program text DEFAULT NULL)
RETURNS TABLE (invariant text, member_id bigint, detail text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
-- Compiling a query of this length takes longer than running it; and to read
-- a whole table in the order of an index takes longer than to sort it.
SET jit = off
SET random_page_cost = 20
BEGIN ATOMIC
	-- Plain SQL cannot raise: find() does, when there is no such programme.
	SELECT CASE WHEN verify.program IS NOT NULL THEN loyalty.find(verify.program, 'card', '0') END;

	WITH scope AS MATERIALIZED (
		SELECT p.program_id FROM loyalty.program p WHERE p.name = verify.program
	), ledger AS MATERIALIZED (
		-- every entry once: per member and unit, and with unit_id NULL per member
		SELECT c.member_id, c.unit_id,
			loyalty.wallet_fold(c.unit_id, c.vests_on, c.expires_on, c.origin, c.amount) AS wallet,
			sum(c.amount) AS total,
			min(c.journal_id) FILTER (WHERE c.broken) AS broken_at,
			min(c.program_id) AS first_program, max(c.program_id) AS last_program
		FROM (
			SELECT e.member_id, e.unit_id, e.vests_on, e.expires_on, e.origin, e.amount,
				e.journal_id, e.program_id,
				e.balance_after - e.amount IS DISTINCT FROM lag(e.balance_after, 1, 0::bigint) OVER (
					PARTITION BY e.member_id, e.unit_id ORDER BY e.journal_id, e.line) AS broken
			FROM loyalty.entry e
			WHERE verify.program IS NULL OR e.program_id = (SELECT s.program_id FROM scope s)) c
		GROUP BY GROUPING SETS ((c.member_id, c.unit_id), (c.member_id))
	), node AS (
		SELECT coalesce(nullif(current_setting('loyalty.node_id', true), ''), '0')::bigint AS node
	), past AS MATERIALIZED (
		-- every journal row once, per member
		SELECT j.member_id,
			min(j.program_id) AS first_program, max(j.program_id) AS last_program,
			min(j.effective_at) FILTER (WHERE j.kind = 'event') AS first_event_at,
			max(j.effective_at) FILTER (WHERE j.kind = 'event') AS last_event_at,
			min(j.effective_at) FILTER (WHERE j.kind = 'event' AND j.event = 'purchase') AS first_purchase_at,
			max(j.effective_at) FILTER (WHERE j.kind = 'event' AND j.event = 'purchase') AS last_purchase_at,
			bool_or(j.kind = 'import') AS imported,
			count(*) FILTER (WHERE j.kind = 'event' AND j.event = 'purchase')
				+ coalesce(sum(j.amount) FILTER (WHERE j.kind = 'import'), 0) AS purchases,
			max(j.journal_id) FILTER (WHERE j.kind IN ('freeze', 'thaw', 'close', 'reopen')) AS status_from,
			-- ids of this node, without the node
			max(j.journal_id & 8796093022207) FILTER (WHERE j.journal_id >> 43 = (SELECT n.node FROM node n)) AS last_id,
			count(j.key) AS keys, count(DISTINCT j.key COLLATE "C") AS different_keys,
			count(j.ref) AS refs,
			-- neither a kind nor an event has a blank
			count(DISTINCT concat_ws(' ', j.kind, j.event, j.ref) COLLATE "C")
				FILTER (WHERE j.ref IS NOT NULL) AS different_refs
		FROM loyalty.journal j
		WHERE verify.program IS NULL OR j.program_id = (SELECT s.program_id FROM scope s)
		GROUP BY j.member_id
	), balance AS MATERIALIZED (
		-- every account and unit, as balance() counts
		SELECT a.member_id, a.wallet, u.unit_id,
			loyalty.wallet_total(a.wallet, u.unit_id) AS total,
			loyalty.wallet_balance(a.wallet, u.unit_id, c.today) AS available,
			loyalty.wallet_pending(a.wallet, u.unit_id, c.today) AS pending,
			loyalty.wallet_lapsed(a.wallet, u.unit_id, c.today) AS lapsed
		FROM loyalty.account a
		JOIN loyalty.unit u ON u.program_id = a.program_id AND u.kind <> 'counter'
		JOIN loyalty.program p ON p.program_id = a.program_id
		CROSS JOIN LATERAL (SELECT (loyalty.now() AT TIME ZONE p.time_zone)::date AS today) c
		WHERE verify.program IS NULL OR a.program_id = (SELECT s.program_id FROM scope s)
	), lot AS MATERIALIZED (
		-- every account's lots, its open holds and reserved coupons
		SELECT a.member_id, a.settled_on, a.due_on, a.hold_until, w.*, h.first_end,
			CASE WHEN a.tier_until IS NOT NULL THEN greatest(a.tier_until, a.tier_locked_until) + 1 END AS review_on
		FROM loyalty.account a
		CROSS JOIN LATERAL (
			SELECT min(least(l.vests_on, l.expires_on + 1)) FILTER (WHERE u.kind NOT IN ('metric', 'counter')) AS first_due,
				bool_or(CASE WHEN l.origin = 'd' THEN l.amount > 0 ELSE l.amount < 0 END) AS wrong_sign,
				bool_or(l.origin = 'd' AND (l.vests_on IS NOT NULL OR l.expires_on IS NOT NULL)) AS wrong_debt,
				bool_or(u.kind = 'metric' AND (l.vests_on IS NULL OR l.expires_on IS NOT NULL
					OR l.origin = 'd' OR date_part('day', l.vests_on) <> 1)) AS wrong_metric,
				bool_or(l.origin = 'd') AS owes
			FROM loyalty.wallet_lots(a.wallet) l
			LEFT JOIN loyalty.unit u ON u.unit_id = l.unit_id) w
		LEFT JOIN (
			SELECT o.member_id, min(o.ends_at) AS first_end
			FROM (
				SELECT x.member_id, x.expires_at AS ends_at FROM loyalty.hold x WHERE x.status = 'held'
				UNION ALL
				SELECT y.member_id, y.reserved_until FROM loyalty.coupon_use y WHERE y.status = 'reserved') o
			GROUP BY o.member_id) h ON h.member_id = a.member_id
		WHERE verify.program IS NULL OR a.program_id = (SELECT s.program_id FROM scope s)
	), used AS MATERIALIZED (
		-- every use of a benefit, and how much of it was given back
		SELECT j.member_id, j.journal_id, j.program_id, j.unit_id, j.effective_at, j.event, j.ref, j.amount,
			coalesce(r.amount, 0) AS returned
		FROM loyalty.journal j
		LEFT JOIN (
			SELECT x.member_id, x.reverses, x.event, sum(x.amount) AS amount
			FROM loyalty.journal x
			WHERE x.kind = 'benefit_return'
			AND (EXISTS (SELECT FROM loyalty.unit k WHERE k.kind = 'counter') OR EXISTS (SELECT FROM loyalty.voucher))
			GROUP BY x.member_id, x.reverses, x.event) r
			ON r.member_id = j.member_id AND r.reverses = j.ref AND r.event = j.event
		WHERE j.kind = 'benefit_use'
		AND (EXISTS (SELECT FROM loyalty.unit k WHERE k.kind = 'counter') OR EXISTS (SELECT FROM loyalty.voucher))
		AND (verify.program IS NULL OR j.program_id = (SELECT s.program_id FROM scope s))
	), counted AS MATERIALIZED (
		-- what awards and quotas counted in periods that are not over, by the day after which they are
		SELECT c.member_id, c.unit_id, c.expires_on, sum(c.used) AS used
		FROM (
			SELECT y.member_id, y.unit_id, y.used, a.settled_on,
				CASE u.period WHEN 'day' THEN l.day
					WHEN 'week' THEN date_trunc('week', l.day)::date + 6
					WHEN 'month' THEN (date_trunc('month', l.day) + '1 month'::interval)::date - 1
					WHEN 'year' THEN (date_trunc('year', l.day) + '1 year'::interval)::date - 1 END AS expires_on
			FROM (
				SELECT j.member_id, j.program_id, j.effective_at, n.key::int AS unit_id, n.value::bigint AS used
				FROM loyalty.event_data d
				JOIN loyalty.journal j ON j.member_id = d.member_id AND j.journal_id = d.journal_id
				CROSS JOIN LATERAL jsonb_path_query(d.data, '$.awards[*].counters') x (counters)
				CROSS JOIN LATERAL jsonb_each(x.counters) n
				WHERE EXISTS (SELECT FROM loyalty.unit k WHERE k.kind = 'counter')
				AND (verify.program IS NULL OR j.program_id = (SELECT s.program_id FROM scope s))
				UNION ALL
				SELECT b.member_id, b.program_id, b.effective_at, b.unit_id, b.amount - b.returned
				FROM used b
				WHERE b.unit_id IS NOT NULL) y
			JOIN loyalty.account a ON a.member_id = y.member_id
			JOIN loyalty.program p ON p.program_id = y.program_id
			JOIN loyalty.unit u ON u.unit_id = y.unit_id
			CROSS JOIN LATERAL (SELECT (y.effective_at AT TIME ZONE p.time_zone)::date AS day) l) c
		WHERE c.expires_on IS NULL OR c.expires_on >= c.settled_on
		GROUP BY c.member_id, c.unit_id, c.expires_on
	), count_lot AS MATERIALIZED (
		SELECT a.member_id, w.unit_id, w.expires_on, w.amount
		FROM loyalty.account a
		CROSS JOIN LATERAL loyalty.wallet_lots(a.wallet) w
		JOIN loyalty.unit u ON u.unit_id = w.unit_id AND u.kind = 'counter'
		WHERE EXISTS (SELECT FROM loyalty.unit k WHERE k.kind = 'counter')
		AND (w.expires_on IS NULL OR w.expires_on >= a.settled_on)
		AND (verify.program IS NULL OR a.program_id = (SELECT s.program_id FROM scope s))
	), refund AS MATERIALIZED (
		-- of the order's money, and where there was none, of the unit spent on it
		SELECT j.member_id, j.reverses AS ref,
			coalesce(sum(j.amount) FILTER (WHERE j.unit_id IS NULL), 0) AS amount,
			coalesce(sum(j.amount) FILTER (WHERE j.unit_id IS NOT NULL), 0) AS in_units
		FROM loyalty.journal j
		WHERE j.kind = 'refund'
		AND (verify.program IS NULL OR j.program_id = (SELECT s.program_id FROM scope s))
		GROUP BY j.member_id, j.reverses
	), held AS MATERIALIZED (
		-- every hold, what its journal row took, and the rows that ended it
		SELECT h.member_id, h.hold_id, h.unit_id, h.amount, h.captured, h.status, h.lots, h.program_id,
			j.program_id AS journal_program, t.amount AS taken, t.lots AS taken_lots,
			coalesce(c.ends, '{}') AS ends, coalesce(c.captured, 0) AS captured_then,
			coalesce(c.returned, 0) AS returned
		FROM loyalty.hold h
		LEFT JOIN loyalty.journal j ON j.member_id = h.member_id AND j.journal_id = h.journal_id
			AND j.kind = 'hold' AND j.hold_id = h.hold_id
		LEFT JOIN LATERAL (
			SELECT -sum(e.amount) AS amount,
				loyalty.wallet_fold(e.unit_id, e.vests_on, e.expires_on, e.origin, -e.amount) AS lots
			FROM loyalty.entry e
			WHERE e.member_id = h.member_id AND e.journal_id = h.journal_id) t ON true
		LEFT JOIN (
			SELECT x.member_id, x.hold_id, array_agg(x.kind ORDER BY x.journal_id) AS ends,
				sum(x.amount) FILTER (WHERE x.kind = 'capture') AS captured,
				sum((SELECT sum(e.amount) FROM loyalty.entry e
					WHERE e.member_id = x.member_id AND e.journal_id = x.journal_id)) AS returned
			FROM loyalty.journal x
			WHERE x.hold_id IS NOT NULL AND x.kind IN ('capture', 'release', 'time_out')
			GROUP BY x.member_id, x.hold_id) c ON c.member_id = h.member_id AND c.hold_id = h.hold_id
		WHERE verify.program IS NULL OR h.program_id = (SELECT s.program_id FROM scope s)
	), transfer AS MATERIALIZED (
		-- both sides of every transfer, matched
		SELECT coalesce(o.member_id, i.member_id) AS member_id,
			coalesce(o.journal_id, i.journal_id) AS journal_id,
			o.member_id AS from_member_id, o.journal_id AS out_journal_id,
			i.member_id AS to_member_id, i.journal_id AS in_journal_id
		FROM (
			SELECT j.member_id, j.journal_id, j.other_member_id, 'transfer:' || j.journal_id AS ref
			FROM loyalty.journal j
			WHERE j.kind = 'transfer'
			AND (verify.program IS NULL OR j.program_id = (SELECT s.program_id FROM scope s))) o
		FULL JOIN (
			SELECT j.member_id, j.journal_id, j.other_member_id, j.ref
			FROM loyalty.journal j
			WHERE j.kind = 'receive'
			AND (verify.program IS NULL OR j.program_id = (SELECT s.program_id FROM scope s))) i
			ON i.ref = o.ref AND i.member_id = o.other_member_id AND i.other_member_id = o.member_id
	), budget AS MATERIALIZED (
		SELECT b.budget_id, b.program_id, b.campaign_id, b.unit_id, b.amount * 10::numeric ^ u.scale AS minor,
			coalesce(sum(x.quota), 0) AS quota, coalesce(sum(x.used), 0) AS used
		FROM loyalty.budget b
		JOIN loyalty.unit u ON u.unit_id = b.unit_id
		LEFT JOIN loyalty.budget_slot x ON x.budget_id = b.budget_id
		WHERE verify.program IS NULL OR b.program_id = (SELECT s.program_id FROM scope s)
		GROUP BY b.budget_id, u.scale
	), coupon_budget AS MATERIALIZED (
		-- limits of coupons, and of generic codes, which have no amount but what their slots say
		SELECT o.budget_id, o.program_id, o.coupon_id, o.counts, o.code, o.minor,
			coalesce(sum(x.quota), 0) AS quota, coalesce(sum(x.used), 0) AS used
		FROM (
			SELECT l.budget_id, l.program_id, l.coupon_id, l.counts, NULL::text AS code,
				l.amount * 10::numeric ^ CASE WHEN l.counts = 'discount' THEN coalesce(p.currency_scale, 0) ELSE 0 END AS minor
			FROM loyalty.coupon_limit l
			LEFT JOIN loyalty.program p ON p.program_id = l.program_id
			UNION ALL
			SELECT k.budget_id, k.program_id, k.coupon_id, 'used', k.code, NULL
			FROM loyalty.coupon_code k
			WHERE k.budget_id IS NOT NULL) o
		LEFT JOIN loyalty.budget_slot x ON x.budget_id = o.budget_id
		WHERE verify.program IS NULL OR o.program_id = (SELECT s.program_id FROM scope s)
		GROUP BY o.budget_id, o.program_id, o.coupon_id, o.counts, o.code, o.minor
	), coupon_terms AS MATERIALIZED (
		-- the terms of coupons that there are, and those that something refers to
		SELECT c.coupon_id, c.program_id, c.version, c.limit_member, c.limit_period, c.period FROM loyalty.coupon c
		UNION ALL
		SELECT v.coupon_id, v.program_id, v.version, (v.definition ->> 'limit_member')::int,
			(v.definition ->> 'limit_period')::int, v.definition ->> 'period'
		FROM loyalty.coupon_version v
	), coupon_used AS MATERIALIZED (
		SELECT y.*
		FROM loyalty.coupon_use y
		WHERE verify.program IS NULL OR y.program_id = (SELECT s.program_id FROM scope s)
	), held_coupon AS MATERIALIZED (
		-- every coupon that is or was held, how often it was used, and the rows that issued and ended it
		SELECT m.*, i.kind AS issued_kind, i.ref AS issued_ref, e.kind AS ended_kind, coalesce(n.counted, 0) AS counted
		FROM loyalty.member_coupon m
		LEFT JOIN loyalty.journal i ON i.member_id = m.member_id AND i.journal_id = m.journal_id
		LEFT JOIN loyalty.journal e ON e.member_id = m.member_id AND e.journal_id = m.ended_by
		LEFT JOIN (
			SELECT y.member_id, y.coupon_no, count(*) AS counted
			FROM coupon_used y WHERE y.status IN ('reserved', 'used')
			GROUP BY y.member_id, y.coupon_no) n ON n.member_id = m.member_id AND n.coupon_no = m.coupon_no
		WHERE verify.program IS NULL OR m.program_id = (SELECT s.program_id FROM scope s)
	), coupon_ref AS MATERIALIZED (
		SELECT m.program_id, m.coupon_id, m.version, 'held ones' AS what FROM loyalty.member_coupon m
		UNION
		SELECT y.program_id, y.coupon_id, y.version, 'uses' FROM loyalty.coupon_use y
		UNION
		SELECT k.program_id, k.coupon_id, k.version, 'codes' FROM loyalty.coupon_code k
	), awarded AS MATERIALIZED (
		-- what each rule has awarded of the units that have a budget; refunds give nothing back to it
		SELECT e.program_id, e.unit_id, e.rule_id, sum(e.amount) AS amount
		FROM loyalty.entry e
		WHERE e.rule_id IS NOT NULL AND e.amount > 0
		AND e.unit_id IN (SELECT b.unit_id FROM budget b)
		AND EXISTS (SELECT FROM budget b)
		GROUP BY e.program_id, e.unit_id, e.rule_id
	), reservation AS MATERIALIZED (
		-- every order that was reserved, by which row, and which one ended it
		SELECT c.member_id, c.ref, c.status, c.expires_at, c.document, c.ended_by,
			c.status = 'reserved' AND c.expires_at > loyalty.now() AS stands,
			j.kind IS DISTINCT FROM 'checkout_reserve' OR j.program_id <> c.program_id
				OR coalesce(j.ref, j.reverses) IS DISTINCT FROM c.ref AS no_journal,
			CASE WHEN e.kind = 'checkout_cancel' AND e.reverses = c.ref THEN 'cancelled'
				WHEN e.kind = 'event' AND e.event = 'purchase' AND e.ref = c.ref THEN 'bought' END AS ended
		FROM loyalty.checkout c
		LEFT JOIN loyalty.journal j ON j.member_id = c.member_id AND j.journal_id = c.journal_id
		LEFT JOIN loyalty.journal e ON e.member_id = c.member_id AND e.journal_id = c.ended_by
		WHERE verify.program IS NULL OR c.program_id = (SELECT s.program_id FROM scope s)
	), set_aside AS MATERIALIZED (
		-- what orders that are reserved hold, and what those that were confirmed have captured
		SELECT r.member_id, r.ref, r.stands, (h.value ->> 'unit')::int AS unit_id, (h.value ->> 'amount')::bigint AS amount,
			CASE WHEN r.stands THEN r.expires_at END AS expires_at
		FROM reservation r
		CROSS JOIN LATERAL jsonb_array_elements(r.document -> 'holds') h
		WHERE r.stands OR r.status = 'confirmed'
	), held_aside AS MATERIALIZED (
		SELECT h.member_id, h.ref, true AS stands, h.unit_id, h.amount, h.expires_at
		FROM loyalty.hold h
		WHERE h.of_order AND h.status = 'held' AND h.expires_at > loyalty.now()
		AND (verify.program IS NULL OR h.program_id = (SELECT s.program_id FROM scope s))
		UNION ALL
		SELECT h.member_id, h.ref, false, h.unit_id, h.captured, NULL
		FROM loyalty.hold h
		JOIN loyalty.journal c ON c.member_id = h.member_id AND c.hold_id = h.hold_id AND c.kind = 'capture'
			AND c.ref = h.ref AND c.amount = h.captured
		WHERE h.of_order AND h.status = 'captured'
		AND (verify.program IS NULL OR h.program_id = (SELECT s.program_id FROM scope s))
	), repaid AS (
		-- what refunds said is to be paid back, of what was to be paid
		SELECT j.member_id, j.ref, (d.data #>> '{checkout,payable}')::numeric AS payable,
			(SELECT sum((m.value ->> 'amount')::numeric)
				FROM loyalty.journal x
				CROSS JOIN LATERAL jsonb_array_elements(x.outcome) m
				WHERE x.member_id = j.member_id AND x.reverses = j.ref AND x.kind = 'refund'
				AND m.value ->> 'code' = 'payable_refund') AS amount
		FROM refund b
		JOIN loyalty.journal j ON j.member_id = b.member_id AND j.ref = b.ref AND j.kind = 'event' AND j.event = 'purchase'
		JOIN loyalty.event_data d ON d.member_id = j.member_id AND d.journal_id = j.journal_id
		WHERE d.data ? 'checkout'
	), tier_past AS MATERIALIZED (
		-- every row of the tiers' history, beside the one before
		SELECT h.member_id, h.journal_id, h.line, h.program_id, h.action, h.tier_before, h.tier_after,
			h.tier_until, h.locked_until,
			lag(h.tier_after) OVER past AS held,
			lead(h.journal_id) OVER past IS NULL AS is_last
		FROM loyalty.tier_history h
		WHERE verify.program IS NULL OR h.program_id = (SELECT s.program_id FROM scope s)
		WINDOW past AS (PARTITION BY h.member_id ORDER BY h.journal_id, h.line)
	), segment_past AS MATERIALIZED (
		-- every row of the segments' history, beside the one before
		SELECT h.member_id, h.segment, h.history_id, h.program_id, h.action,
			lag(h.action, 1, 'left') OVER past = h.action AS repeated,
			lead(h.history_id) OVER past IS NULL AS is_last
		FROM loyalty.segment_history h
		WHERE verify.program IS NULL OR h.program_id = (SELECT s.program_id FROM scope s)
		WINDOW past AS (PARTITION BY h.member_id, h.segment ORDER BY h.history_id)
	), config_thing (program_id, kind, name) AS MATERIALIZED (
		-- what rules and coupons can name
		SELECT u.program_id, 'unit', u.unit_id::text FROM loyalty.unit u
		UNION ALL SELECT v.program_id, 'event', v.event FROM loyalty.program_event v
		UNION ALL SELECT k.program_id, 'campaign', k.campaign_id::text FROM loyalty.campaign k
		UNION ALL SELECT g.program_id, 'group', g.name FROM loyalty.rule_group g
		UNION ALL SELECT g.program_id, 'category', g.name FROM loyalty.coupon_category g
		UNION ALL SELECT k.program_id, 'collection', k.name FROM loyalty.collection k
		UNION ALL SELECT t.program_id, 'tier', t.code FROM loyalty.tier t
		UNION ALL SELECT g.program_id, 'segment', g.name FROM loyalty.segment g
	), config_name (program_id, place, kind, name) AS MATERIALIZED (
		-- and what they name
		SELECT r.program_id, format('rule=%s', r.rule_id), n.kind, n.name
		FROM loyalty.rule r
		CROSS JOIN LATERAL (
			VALUES (r.unit_id::text, 'unit'), (r.event, 'event'), (r.campaign_id::text, 'campaign'),
				(r.rule_group, 'group'), (r.collection, 'collection'), (r.excluded_collection, 'collection'),
				(r.store_collection, 'collection')
			UNION ALL SELECT unnest(r.tiers), 'tier'
			UNION ALL SELECT unnest(r.segments), 'segment') n (name, kind)
		WHERE n.name IS NOT NULL
		UNION ALL
		SELECT c.program_id, format('coupon=%s', c.coupon_id), n.kind, n.name
		FROM loyalty.coupon c
		CROSS JOIN LATERAL (
			VALUES (c.unit_id::text, 'unit'), (c.price_unit_id::text, 'unit'), (c.campaign_id::text, 'campaign'),
				(c.category, 'category'), (c.collection, 'collection'), (c.excluded_collection, 'collection'),
				(c.target_collection, 'collection'), (c.store_collection, 'collection')
			UNION ALL SELECT unnest(c.tiers), 'tier'
			UNION ALL SELECT unnest(c.segments), 'segment') n (name, kind)
		WHERE n.name IS NOT NULL
	), bought AS MATERIALIZED (
		-- every period of a plan, beside the call that bought it
		SELECT b.*, j.amount AS paid,
			j.journal_id IS NULL OR j.kind NOT IN ('plan_buy', 'plan_renew', 'plan_upgrade')
				OR j.ref IS DISTINCT FROM b.ref OR j.program_id <> b.program_id AS no_journal
		FROM loyalty.member_plan b
		LEFT JOIN loyalty.journal j ON j.member_id = b.member_id AND j.journal_id = b.journal_id
		WHERE verify.program IS NULL OR b.program_id = (SELECT s.program_id FROM scope s)
	), sold AS MATERIALIZED (
		-- what the journal says of plans
		SELECT j.member_id,
			count(*) FILTER (WHERE j.kind <> 'plan_refund') AS sold,
			coalesce(sum(j.amount) FILTER (WHERE j.kind = 'plan_refund'), 0) AS refunded
		FROM loyalty.journal j
		WHERE j.kind IN ('plan_buy', 'plan_renew', 'plan_upgrade', 'plan_refund')
		AND (verify.program IS NULL OR j.program_id = (SELECT s.program_id FROM scope s))
		GROUP BY j.member_id
	), voucher AS MATERIALIZED (
		-- every voucher, the row that issued it, and the row that used it or made it void
		SELECT v.member_id, v.voucher_id, v.program_id, v.benefit_id, v.status, v.ref, v.journal_id,
			i.kind AS issued_by, i.program_id AS journal_program, c.kind AS changed_by, c.ref AS changed_ref
		FROM loyalty.voucher v
		LEFT JOIN loyalty.journal i ON i.member_id = v.member_id AND i.journal_id = v.issued_journal_id
		LEFT JOIN loyalty.journal c ON c.member_id = v.member_id AND c.journal_id = v.journal_id
		WHERE verify.program IS NULL OR v.program_id = (SELECT s.program_id FROM scope s)
	), topped AS MATERIALIZED (
		-- every top-up, the rows that made it, gave it and took it back, and what these moved
		SELECT t.*, m.kind AS made_by, m.ref AS made_ref, m.amount AS made_amount, m.program_id AS made_program,
			d.kind AS given_by, d.ref AS given_ref, g.value, g.points AS given_points, r.paid, r.principal, r.bonus AS forfeited,
			EXISTS (
				SELECT FROM loyalty.journal c
				WHERE c.member_id = t.member_id AND c.ref = t.ref AND c.kind = 'topup_cancel') AS was_cancelled
		FROM loyalty.topup t
		LEFT JOIN loyalty.journal m ON m.member_id = t.member_id AND m.journal_id = t.journal_id
		LEFT JOIN loyalty.journal d ON d.member_id = t.member_id AND d.journal_id = t.done_by
		LEFT JOIN LATERAL (
			SELECT coalesce(sum(e.amount) FILTER (WHERE e.unit_id = t.unit_id), 0) AS value,
				coalesce(sum(e.amount) FILTER (WHERE e.unit_id = t.points_unit_id), 0) AS points
			FROM loyalty.entry e
			WHERE e.member_id = t.member_id AND e.journal_id = t.done_by) g ON true
		LEFT JOIN LATERAL (
			SELECT coalesce(sum(x.amount), 0) AS paid, coalesce(sum(y.principal), 0) AS principal,
				coalesce(sum(y.bonus), 0) AS bonus
			FROM loyalty.journal x
			CROSS JOIN LATERAL (
				SELECT -sum(e.amount) FILTER (WHERE e.origin = 'p') AS principal,
					-sum(e.amount) FILTER (WHERE e.origin <> 'p') AS bonus
				FROM loyalty.entry e
				WHERE e.member_id = x.member_id AND e.journal_id = x.journal_id AND e.unit_id = t.unit_id) y
			WHERE x.member_id = t.member_id AND x.reverses = t.ref AND x.kind = 'topup_refund') r ON true
		WHERE verify.program IS NULL OR t.program_id = (SELECT s.program_id FROM scope s)
	), card AS MATERIALIZED (
		-- what the journal says of cards
		SELECT j.member_id, j.unit_id, j.program_id, max(j.journal_id) AS journal_id,
			(array_agg(j.kind ORDER BY j.journal_id DESC) FILTER (WHERE j.kind <> 'topup_name'))[1] AS frozen,
			(array_agg(j.event ORDER BY j.journal_id DESC) FILTER (WHERE j.kind = 'topup_name'))[1] AS named
		FROM loyalty.journal j
		WHERE j.kind IN ('topup_freeze', 'topup_unfreeze', 'topup_name')
		AND (verify.program IS NULL OR j.program_id = (SELECT s.program_id FROM scope s))
		GROUP BY j.member_id, j.unit_id, j.program_id
	), id AS (
		-- what the sequences must be above
		SELECT 'id_seq' AS sequence,
			greatest((SELECT max(p.last_id) FROM past p),
				(SELECT max(a.member_id & 8796093022207) FROM loyalty.account a
					WHERE a.member_id >> 43 = (SELECT n.node FROM node n)),
				(SELECT max(h.hold_id & 8796093022207) FROM loyalty.hold h
					WHERE h.hold_id >> 43 = (SELECT n.node FROM node n)),
				(SELECT max(v.voucher_id & 8796093022207) FROM loyalty.voucher v
					WHERE v.voucher_id >> 43 = (SELECT n.node FROM node n)),
				(SELECT max(h.history_id & 8796093022207) FROM loyalty.segment_history h
					WHERE h.history_id >> 43 = (SELECT n.node FROM node n)),
				(SELECT max(m.message_id & 8796093022207) FROM loyalty.message m
					WHERE m.message_id >> 43 = (SELECT n.node FROM node n)),
				(SELECT max(c.consent_id & 8796093022207) FROM loyalty.consent c
					WHERE c.consent_id >> 43 = (SELECT n.node FROM node n)),
				(SELECT max(h.history_id & 8796093022207) FROM loyalty.tag_history h
					WHERE h.history_id >> 43 = (SELECT n.node FROM node n))) AS highest,
			(SELECT s.last_value + s.is_called::int FROM loyalty.id_seq s) AS next
		UNION ALL
		SELECT 'change_id_seq', max(c.change_id),
			(SELECT s.last_value + s.is_called::int FROM loyalty.change_id_seq s)
		FROM (
			SELECT m.change_id FROM loyalty.report_message_change m
			UNION ALL
			SELECT r.change_id FROM loyalty.report_run_change r) c
		UNION ALL
		SELECT 'program_id_seq', max(p.program_id),
			(SELECT s.last_value + s.is_called::int FROM loyalty.program_id_seq s)
		FROM loyalty.program p
		UNION ALL
		SELECT 'unit_id_seq', max(u.unit_id),
			(SELECT s.last_value + s.is_called::int FROM loyalty.unit_id_seq s)
		FROM loyalty.unit u
		UNION ALL
		SELECT 'rule_id_seq', max(r.rule_id),
			(SELECT s.last_value + s.is_called::int FROM loyalty.rule_id_seq s)
		FROM loyalty.rule r
		UNION ALL
		SELECT 'ingest_run_id_seq', max(x.run_id),
			(SELECT s.last_value + s.is_called::int FROM loyalty.ingest_run_id_seq s)
		FROM loyalty.ingest_run x
		UNION ALL
		SELECT 'budget_id_seq', max(x.budget_id),
			(SELECT s.last_value + s.is_called::int FROM loyalty.budget_id_seq s)
		FROM (
			SELECT b.budget_id FROM loyalty.budget b
			UNION ALL
			SELECT b.budget_id FROM loyalty.coupon_limit b
			UNION ALL
			SELECT b.budget_id FROM loyalty.coupon_code b WHERE b.budget_id IS NOT NULL) x
		UNION ALL
		SELECT 'coupon_id_seq', max(x.coupon_id),
			(SELECT s.last_value + s.is_called::int FROM loyalty.coupon_id_seq s)
		FROM loyalty.coupon x
		UNION ALL
		SELECT 'automation_id_seq', max(x.automation_id),
			(SELECT s.last_value + s.is_called::int FROM loyalty.automation_id_seq s)
		FROM loyalty.automation x
		UNION ALL
		SELECT 'campaign_id_seq', max(x.campaign_id),
			(SELECT s.last_value + s.is_called::int FROM loyalty.campaign_id_seq s)
		FROM loyalty.campaign x
		UNION ALL
		SELECT 'plan_id_seq', max(x.plan_id),
			(SELECT s.last_value + s.is_called::int FROM loyalty.plan_id_seq s)
		FROM loyalty.plan x
		UNION ALL
		SELECT 'tier_id_seq', max(x.tier_id),
			(SELECT s.last_value + s.is_called::int FROM loyalty.tier_id_seq s)
		FROM loyalty.tier x
		UNION ALL
		SELECT 'benefit_id_seq', max(x.benefit_id),
			(SELECT s.last_value + s.is_called::int FROM loyalty.benefit_id_seq s)
		FROM loyalty.benefit x
	)

	-- The wallet is the fold of the ledger; counts have no entries.
	SELECT 'wallet_is_fold', a.member_id, f.detail
	FROM loyalty.account a
	LEFT JOIN ledger l ON l.member_id = a.member_id AND l.unit_id IS NULL
	CROSS JOIN LATERAL (
		SELECT string_agg(format('unit=%s vests=%s expires=%s origin=%s wallet=%s ledger=%s', d.unit_id,
			coalesce(to_char(d.vests_on, 'YYYY-MM-DD'), '-'), coalesce(to_char(d.expires_on, 'YYYY-MM-DD'), '-'),
			d.origin, d.wallet, d.ledger), ', '
			ORDER BY d.unit_id, d.expires_on, d.origin, d.vests_on) AS detail
		FROM (
			SELECT x.unit_id, x.vests_on, x.expires_on, x.origin, sum(x.wallet) AS wallet, sum(x.ledger) AS ledger
			FROM (
				SELECT w.unit_id, w.vests_on, w.expires_on, w.origin, w.amount AS wallet, 0::bigint AS ledger
				FROM loyalty.wallet_lots(a.wallet) w
				UNION ALL
				SELECT w.unit_id, w.vests_on, w.expires_on, w.origin, 0, w.amount
				FROM loyalty.wallet_lots(l.wallet) w) x
			WHERE NOT EXISTS (SELECT FROM loyalty.unit u WHERE u.unit_id = x.unit_id AND u.kind = 'counter')
			GROUP BY x.unit_id, x.vests_on, x.expires_on, x.origin
			HAVING sum(x.wallet) <> sum(x.ledger)) d) f
	WHERE (verify.program IS NULL OR a.program_id = (SELECT s.program_id FROM scope s))
	AND a.wallet OPERATOR(loyalty.<>) coalesce(l.wallet, '{}'::loyalty.wallet)
	AND f.detail IS NOT NULL

	UNION ALL
	SELECT 'counter_is_count', coalesce(k.member_id, c.member_id), format('unit=%s until=%s wallet=%s awards=%s',
		coalesce(k.unit_id, c.unit_id), coalesce(to_char(coalesce(k.expires_on, c.expires_on), 'YYYY-MM-DD'), '-'),
		coalesce(k.amount, 0), coalesce(c.used, 0))
	FROM count_lot k
	FULL JOIN counted c ON c.member_id = k.member_id AND c.unit_id = k.unit_id
		-- hashable, and no date is this one
		AND coalesce(c.expires_on, 'infinity'::date) = coalesce(k.expires_on, 'infinity'::date)
	WHERE coalesce(k.amount, 0) <> coalesce(c.used, 0)

	UNION ALL
	SELECT 'balance_is_sum', b.member_id, format('unit=%s available=%s pending=%s lapsed=%s total=%s ledger=%s',
		b.unit_id, b.available, b.pending, b.lapsed, b.total, coalesce(l.total, 0))
	FROM balance b
	LEFT JOIN ledger l ON l.member_id = b.member_id AND l.unit_id = b.unit_id
	-- debt is what is below zero in: usable - debt = total - pending - lapsed
	WHERE b.total <> coalesce(l.total, 0)
	OR b.available <> greatest(0, coalesce(l.total, 0) - b.pending - b.lapsed)

	UNION ALL
	SELECT 'balance_after_chain', l.member_id, format('unit=%s journal_id=%s', l.unit_id, l.broken_at)
	FROM ledger l
	WHERE l.broken_at IS NOT NULL AND l.unit_id IS NOT NULL

	-- The lots of a wallet.
	UNION ALL
	SELECT 'lot_negative', t.member_id, NULL FROM lot t WHERE t.wrong_sign
	UNION ALL
	SELECT 'debt_lot_shape', t.member_id, NULL FROM lot t WHERE t.wrong_debt
	UNION ALL
	SELECT 'metric_lot_shape', t.member_id, NULL FROM lot t WHERE t.wrong_metric
	UNION ALL
	SELECT 'debt_beside_value', t.member_id, format('unit=%s', b.unit_id)
	FROM lot t
	JOIN balance b ON b.member_id = t.member_id
	WHERE t.owes AND loyalty.wallet_debt(b.wallet, b.unit_id) > 0
	AND EXISTS (
		SELECT FROM loyalty.wallet_lots(b.wallet) w
		WHERE w.unit_id = b.unit_id AND w.origin <> 'd' AND w.vests_on IS NULL
		AND (w.expires_on IS NULL OR w.expires_on >= t.settled_on))

	-- The dates by which an account is found when something falls due.
	UNION ALL
	SELECT 'due_lot_left', t.member_id, format('settled_on=%s due=%s',
		to_char(t.settled_on, 'YYYY-MM-DD'), to_char(t.first_due, 'YYYY-MM-DD'))
	FROM lot t WHERE t.first_due <= t.settled_on
	UNION ALL
	SELECT 'due_on_late', t.member_id, format('due_on=%s due=%s',
		to_char(t.due_on, 'YYYY-MM-DD'), to_char(t.first_due, 'YYYY-MM-DD'))
	FROM lot t WHERE t.first_due > t.settled_on AND t.due_on > t.first_due
	UNION ALL
	SELECT 'due_on_late', t.member_id, format('due_on=%s review=%s',
		to_char(t.due_on, 'YYYY-MM-DD'), to_char(t.review_on, 'YYYY-MM-DD'))
	FROM lot t WHERE t.review_on > t.settled_on AND t.due_on > t.review_on
	UNION ALL
	SELECT 'due_on_late', a.member_id, format('due_on=%s plan=%s',
		to_char(a.due_on, 'YYYY-MM-DD'), to_char(b.starts_on, 'YYYY-MM-DD'))
	FROM bought b
	JOIN loyalty.account a ON a.member_id = b.member_id
	JOIN loyalty.tier g ON g.tier_id = b.tier_id
	LEFT JOIN loyalty.tier t ON t.tier_id = a.tier_id
	WHERE b.starts_on > a.settled_on AND b.ends_on >= b.starts_on AND a.due_on > b.starts_on
	AND t.rank < g.rank
	-- what is known to come; of what is due by now it may have become so afterwards
	UNION ALL
	SELECT 'automation_due_late', a.member_id, format('due_on=%s automation=%s due=%s',
		to_char(a.due_on, 'YYYY-MM-DD'), d.automation, to_char(d.due_on, 'YYYY-MM-DD'))
	FROM loyalty.program p
	JOIN loyalty.account a ON a.program_id = p.program_id
	-- an account that cannot be read is told of elsewhere
	CROSS JOIN LATERAL (
		SELECT a.member_id
		WHERE NOT EXISTS (
			SELECT FROM loyalty.wallet_lots(a.wallet) l
			LEFT JOIN loyalty.unit u ON u.unit_id = l.unit_id AND u.program_id = a.program_id
			WHERE u.unit_id IS NULL)
		AND (a.tier_id IS NULL OR EXISTS (
			SELECT FROM loyalty.tier t WHERE t.tier_id = a.tier_id AND t.program_id = a.program_id))
		OFFSET 0) k
	CROSS JOIN LATERAL loyalty.automation_due(k.member_id) d
	WHERE (verify.program IS NULL OR p.program_id = (SELECT s.program_id FROM scope s))
	AND loyalty.automation_scanned(p.program_id) AND a.status <> 'merged'
	AND d.due_on > (loyalty.now() AT TIME ZONE p.time_zone)::date AND d.due_on > a.settled_on AND a.due_on > d.due_on
	UNION ALL
	SELECT 'broadcast_state', NULL, format('broadcast_id=%s status=%s', b.broadcast_id, b.status)
	FROM loyalty.automation_broadcast b
	LEFT JOIN loyalty.automation a ON a.automation_id = b.automation_id AND a.program_id = b.program_id
	WHERE (verify.program IS NULL OR b.program_id = (SELECT s.program_id FROM scope s))
	AND (a.automation_id IS NULL OR (b.status = 'running') <> (b.finished_at IS NULL))
	UNION ALL
	SELECT 'tier_review_left', t.member_id, format('settled_on=%s review=%s',
		to_char(t.settled_on, 'YYYY-MM-DD'), to_char(t.review_on, 'YYYY-MM-DD'))
	FROM lot t WHERE t.review_on <= t.settled_on
	UNION ALL
	SELECT 'hold_until_late', t.member_id, NULL
	FROM lot t WHERE t.first_end < t.hold_until OR (t.hold_until IS NULL AND t.first_end IS NOT NULL)

	-- What the journal says of the account.
	UNION ALL
	SELECT 'status_history', a.member_id, format('status=%s journal=%s', a.status, s.status)
	FROM loyalty.account a
	LEFT JOIN past p ON p.member_id = a.member_id
	LEFT JOIN loyalty.journal j ON j.member_id = a.member_id AND j.journal_id = p.status_from
	CROSS JOIN LATERAL (
		SELECT CASE WHEN j.kind = 'freeze' THEN 'frozen' WHEN j.kind = 'close' THEN 'closed' ELSE 'active' END AS status) s
	WHERE (verify.program IS NULL OR a.program_id = (SELECT s.program_id FROM scope s))
	AND a.status <> s.status AND a.status <> 'merged'
	UNION ALL
	SELECT 'account_times', a.member_id, NULL
	FROM loyalty.account a
	LEFT JOIN past p ON p.member_id = a.member_id
	WHERE (verify.program IS NULL OR a.program_id = (SELECT s.program_id FROM scope s))
	AND (a.first_event_at IS DISTINCT FROM p.first_event_at
		OR a.last_event_at IS DISTINCT FROM p.last_event_at
		-- what was taken over has times of its own
		OR (CASE WHEN p.imported THEN least(a.first_purchase_at, p.first_purchase_at) ELSE p.first_purchase_at END)
			IS DISTINCT FROM a.first_purchase_at
		OR (CASE WHEN p.imported THEN greatest(a.last_purchase_at, p.last_purchase_at) ELSE p.last_purchase_at END)
			IS DISTINCT FROM a.last_purchase_at
		OR a.purchases <> coalesce(p.purchases, 0))

	-- The tier is what its history says.
	UNION ALL
	SELECT 'tier_is_history', a.member_id, format('tier=%s until=%s history=%s until=%s',
		a.tier_id, to_char(a.tier_until, 'YYYY-MM-DD'), h.tier_after, to_char(h.tier_until, 'YYYY-MM-DD'))
	FROM loyalty.account a
	LEFT JOIN tier_past h ON h.member_id = a.member_id AND h.is_last
	WHERE (verify.program IS NULL OR a.program_id = (SELECT s.program_id FROM scope s))
	AND (a.tier_id IS DISTINCT FROM h.tier_after
		OR a.tier_until IS DISTINCT FROM h.tier_until
		OR a.tier_locked_until IS DISTINCT FROM h.locked_until
		OR a.tier_state <> CASE WHEN h.action IN ('warned', 'grace') THEN h.action ELSE 'normal' END
		OR (a.tier_id IS NULL) <> (a.tier_since IS NULL)
		OR (h.action = 'promoted' AND NOT a.tier_promoted)
		OR (a.tier_promoted AND coalesce(h.action, 'joined') IN ('joined', 'prolonged', 'demoted', 'granted', 'bought')))
	UNION ALL
	SELECT 'tier_chain', h.member_id, format('journal_id=%s line=%s', h.journal_id, h.line)
	FROM tier_past h
	WHERE h.tier_before IS DISTINCT FROM h.held
	OR (h.action IN ('prolonged', 'warned', 'grace') AND h.tier_before IS DISTINCT FROM h.tier_after)
	UNION ALL
	SELECT 'period_differs', NULL::bigint, format('until=%s figure=%s part=%s published=%s ledger=%s', d.until, d.figure, d.part, d.published, d.ledger)
	FROM loyalty.report_period_differs((SELECT s.program_id FROM scope s)) d
	WHERE verify.program IS NULL OR d.program_id = (SELECT s.program_id FROM scope s)
	UNION ALL
	SELECT 'tier_history_without_journal', h.member_id, format('journal_id=%s', h.journal_id)
	FROM tier_past h
	WHERE NOT EXISTS (
		SELECT FROM loyalty.journal j
		WHERE j.member_id = h.member_id AND j.journal_id = h.journal_id AND j.program_id = h.program_id)
	UNION ALL
	SELECT 'tier_unknown', a.member_id, format('tier=%s', a.tier_id)
	FROM loyalty.account a
	WHERE (verify.program IS NULL OR a.program_id = (SELECT s.program_id FROM scope s))
	AND a.tier_id IS NOT NULL
	AND NOT EXISTS (
		SELECT FROM loyalty.tier t WHERE t.tier_id = a.tier_id AND t.program_id = a.program_id)

	-- Who is in a segment is who entered and has not left since.
	UNION ALL
	SELECT 'segment_is_history', coalesce(m.member_id, h.member_id), format('segment=%s', coalesce(m.segment, h.segment))
	FROM (
		SELECT x.member_id, x.segment, x.program_id
		FROM loyalty.member_segment x
		WHERE verify.program IS NULL OR x.program_id = (SELECT s.program_id FROM scope s)) m
	FULL JOIN (
		SELECT y.member_id, y.segment, y.program_id FROM segment_past y WHERE y.is_last AND y.action = 'entered') h
		ON h.member_id = m.member_id AND h.segment = m.segment AND h.program_id = m.program_id
	WHERE m.member_id IS NULL OR h.member_id IS NULL
	UNION ALL
	SELECT 'segment_chain', h.member_id, format('segment=%s history_id=%s', h.segment, h.history_id)
	FROM segment_past h
	WHERE h.repeated
	UNION ALL
	SELECT 'segment_unknown', m.member_id, format('segment=%s program_id=%s', m.segment, m.program_id)
	FROM loyalty.member_segment m
	WHERE (verify.program IS NULL OR m.program_id = (SELECT s.program_id FROM scope s))
	AND (NOT EXISTS (
			SELECT FROM loyalty.segment x WHERE x.program_id = m.program_id AND x.name = m.segment)
		OR NOT EXISTS (
			SELECT FROM loyalty.account a WHERE a.member_id = m.member_id AND a.program_id = m.program_id))

	-- Plans: one at a time, and never more back than was paid.
	UNION ALL
	SELECT 'plan_overlap', b.member_id, format('journal_id=%s journal_id=%s', b.journal_id, x.journal_id)
	FROM bought b
	JOIN bought x ON x.member_id = b.member_id AND x.journal_id > b.journal_id
		AND x.starts_on <= b.ends_on AND b.starts_on <= x.ends_on
		AND x.starts_on <= x.ends_on AND b.starts_on <= b.ends_on
	UNION ALL
	SELECT 'plan_period', b.member_id, format('journal_id=%s status=%s starts_on=%s ends_on=%s bought_until=%s', b.journal_id,
		b.status, to_char(b.starts_on, 'YYYY-MM-DD'), to_char(b.ends_on, 'YYYY-MM-DD'), to_char(b.bought_until, 'YYYY-MM-DD'))
	FROM bought b
	WHERE b.starts_on > b.bought_until OR b.ends_on < b.starts_on - 1
	OR (CASE WHEN b.status = 'active' THEN b.ends_on <> b.bought_until ELSE b.ends_on >= b.bought_until OR b.auto_renew END)
	OR (b.status = 'upgraded') <> EXISTS (
		SELECT FROM bought x WHERE x.member_id = b.member_id AND x.upgraded_from = b.journal_id)
	UNION ALL
	SELECT 'plan_money', b.member_id, format('journal_id=%s price=%s credit=%s refunded=%s', b.journal_id, b.price, b.credit, b.refunded)
	FROM bought b
	LEFT JOIN bought x ON x.member_id = b.member_id AND x.journal_id = b.upgraded_from
	WHERE b.credit < 0 OR b.refunded < 0 OR b.refunded > b.price - b.credit
	OR b.credit > coalesce(x.price, 0)
	UNION ALL
	SELECT 'plan_without_journal', b.member_id, format('journal_id=%s', b.journal_id)
	FROM bought b
	WHERE b.no_journal
	UNION ALL
	SELECT 'plan_is_journal', coalesce(b.member_id, d.member_id),
		format('periods=%s sold=%s refunded=%s journal=%s', coalesce(b.n, 0), coalesce(d.sold, 0), coalesce(b.refunded, 0), coalesce(d.refunded, 0))
	FROM (
		SELECT x.member_id, count(*) AS n, sum(x.refunded) AS refunded,
			bool_or(x.paid <> x.price - x.credit AND NOT x.no_journal) AS wrong_price
		FROM bought x
		GROUP BY x.member_id) b
	FULL JOIN sold d ON d.member_id = b.member_id
	WHERE coalesce(b.n, 0) <> coalesce(d.sold, 0) OR coalesce(b.refunded, 0) <> coalesce(d.refunded, 0) OR b.wrong_price

	-- Idempotency: what the unique indexes promise, read from the table.
	UNION ALL
	SELECT 'key_unique', p.member_id, format('keys=%s different=%s', p.keys, p.different_keys)
	FROM past p WHERE p.keys <> p.different_keys
	UNION ALL
	SELECT 'ref_unique', p.member_id, format('refs=%s different=%s', p.refs, p.different_refs)
	FROM past p WHERE p.refs <> p.different_refs

	-- Never more back than there was.
	UNION ALL
	SELECT 'refund_exceeds_original', r.member_id, format('ref=%s order=%s refunded=%s', r.ref, o.amount, o.refunded)
	FROM refund r
	CROSS JOIN LATERAL (
		-- a redemption counts only where nothing was bought under this reference
		SELECT coalesce(sum(j.amount) FILTER (WHERE j.kind = 'event'), sum(j.amount)) AS amount, count(*) AS n,
			CASE WHEN bool_or(j.kind = 'event') THEN r.amount ELSE r.in_units END AS refunded
		FROM loyalty.journal j
		WHERE j.member_id = r.member_id AND j.ref = r.ref AND j.kind IN ('event', 'redeem', 'capture')) o
	WHERE o.n = 0 OR o.refunded > coalesce(o.amount, 0)
	UNION ALL
	SELECT 'refund_exceeds_award', r.member_id, format('ref=%s rule=%s unit=%s over=%s',
		r.ref, e.rule_id, e.unit_id, -sum(e.amount))
	FROM refund r
	JOIN loyalty.journal j ON j.member_id = r.member_id
		AND ((j.kind = 'event' AND j.ref = r.ref) OR (j.kind = 'refund' AND j.reverses = r.ref))
	JOIN loyalty.entry e ON e.member_id = j.member_id AND e.journal_id = j.journal_id
	WHERE e.rule_id IS NOT NULL
	GROUP BY r.member_id, r.ref, e.rule_id, e.unit_id HAVING sum(e.amount) < 0
	UNION ALL
	SELECT 'refund_exceeds_spent', r.member_id, format('ref=%s unit=%s over=%s', r.ref, b.unit_id, sum(b.amount))
	FROM refund r
	CROSS JOIN LATERAL (
		SELECT e.unit_id, e.amount
		FROM loyalty.journal j
		JOIN loyalty.entry e ON e.member_id = j.member_id AND e.journal_id = j.journal_id
		WHERE j.member_id = r.member_id AND e.rule_id IS NULL
		AND ((j.kind = 'redeem' AND j.ref = r.ref) OR (j.kind = 'refund' AND j.reverses = r.ref))
		UNION ALL
		SELECT j.unit_id, -j.amount
		FROM loyalty.journal j
		WHERE j.member_id = r.member_id AND j.kind = 'capture' AND j.ref = r.ref) b
	GROUP BY r.member_id, r.ref, b.unit_id HAVING sum(b.amount) > 0

	-- A transfer moves, and makes nothing.
	UNION ALL
	SELECT 'transfer_unbalanced', t.member_id, format('journal_id=%s', t.journal_id)
	FROM transfer t
	WHERE t.out_journal_id IS NULL OR t.in_journal_id IS NULL
	OR EXISTS (
		SELECT FROM loyalty.entry e
		WHERE (e.member_id = t.from_member_id AND e.journal_id = t.out_journal_id)
		OR (e.member_id = t.to_member_id AND e.journal_id = t.in_journal_id)
		GROUP BY e.unit_id HAVING sum(e.amount) <> 0)

	-- Holds.
	UNION ALL
	SELECT 'hold_without_journal', h.member_id, format('hold_id=%s', h.hold_id)
	FROM held h WHERE h.journal_program IS NULL
	UNION ALL
	SELECT 'held_is_open_holds', h.member_id, format('unit=%s held=%s taken=%s', h.unit_id, sum(h.amount), coalesce(sum(h.taken), 0))
	FROM held h WHERE h.status = 'held'
	GROUP BY h.member_id, h.unit_id HAVING sum(h.amount) <> coalesce(sum(h.taken), 0)
	UNION ALL
	SELECT 'hold_lots', h.member_id, format('hold_id=%s lots=%s taken=%s', h.hold_id, h.lots, h.taken_lots)
	FROM held h WHERE h.lots OPERATOR(loyalty.<>) h.taken_lots
	UNION ALL
	SELECT 'hold_state', h.member_id, format('hold_id=%s status=%s captured=%s journal=%s of %s',
		h.hold_id, h.status, h.captured, h.ends, h.captured_then)
	FROM held h
	WHERE h.ends <> CASE WHEN h.status = 'captured' THEN '{capture}'::text[]
		WHEN h.status = 'released' THEN '{release}'::text[]
		WHEN h.status = 'timed_out' THEN '{time_out}'::text[]
		ELSE '{}'::text[] END
	OR h.captured <> h.captured_then
	UNION ALL
	SELECT 'hold_returned', h.member_id, format('hold_id=%s amount=%s captured=%s returned=%s',
		h.hold_id, h.amount, h.captured, h.returned)
	FROM held h WHERE h.status <> 'held' AND h.captured + h.returned <> h.amount

	-- Benefits in use.
	UNION ALL
	SELECT 'benefit_over_returned', b.member_id, format('journal_id=%s used=%s returned=%s', b.journal_id, b.amount, b.returned)
	FROM used b WHERE b.returned > b.amount
	UNION ALL
	SELECT 'voucher_without_journal', v.member_id, format('voucher_id=%s', v.voucher_id)
	FROM voucher v
	WHERE v.issued_by IS NULL OR v.issued_by NOT IN ('benefit_issue', 'benefit_claim', 'event', 'refund', 'adjust', 'topup', 'topup_confirm')
	UNION ALL
	SELECT 'voucher_state', v.member_id, format('voucher_id=%s status=%s journal=%s', v.voucher_id, v.status, v.changed_by)
	FROM voucher v
	WHERE CASE v.status
		WHEN 'issued' THEN v.journal_id IS NOT NULL OR v.ref IS NOT NULL
		WHEN 'used' THEN v.changed_by IS DISTINCT FROM 'benefit_use' OR v.ref IS DISTINCT FROM v.changed_ref
		ELSE v.ref IS NOT NULL OR v.changed_by IS NULL
			OR v.changed_by NOT IN ('benefit_void', 'benefit_return', 'event', 'refund', 'adjust', 'topup_refund') END
	UNION ALL
	-- what came back too late stays used
	SELECT 'voucher_uses', b.member_id, format('journal_id=%s used=%s returned=%s vouchers=%s',
		b.journal_id, b.amount, b.returned, coalesce(n.vouchers, 0))
	FROM used b
	LEFT JOIN (
		SELECT v.member_id, v.journal_id, count(*) AS vouchers
		FROM voucher v WHERE v.status = 'used'
		GROUP BY v.member_id, v.journal_id) n ON n.member_id = b.member_id AND n.journal_id = b.journal_id
	WHERE b.unit_id IS NULL AND coalesce(n.vouchers, 0) NOT BETWEEN b.amount - b.returned AND b.amount
	UNION ALL
	-- who has used more than he has now reached keeps that, but nothing unused besides
	SELECT 'every_n_count', n.member_id, format('benefit_id=%s vouchers=%s used=%s reached=%s',
		n.benefit_id, n.vouchers, n.used, n.reached)
	FROM (
		SELECT x.member_id, x.benefit_id, x.vouchers, x.used,
			div(greatest(loyalty.wallet_total(a.wallet, b.unit_id), 0), b.quantity * 10::numeric ^ u.scale) AS reached
		FROM (
			SELECT v.member_id, v.benefit_id, count(*) AS vouchers, count(*) FILTER (WHERE v.status = 'used') AS used
			FROM voucher v WHERE v.status <> 'void'
			GROUP BY v.member_id, v.benefit_id) x
		JOIN loyalty.benefit b ON b.benefit_id = x.benefit_id AND b.kind = 'every_n'
		JOIN loyalty.unit u ON u.unit_id = b.unit_id
		JOIN loyalty.account a ON a.member_id = x.member_id) n
	WHERE n.vouchers > greatest(n.reached, n.used)
	UNION ALL
	SELECT 'member_benefit_without_journal', g.member_id, format('benefit_id=%s', g.benefit_id)
	FROM loyalty.member_benefit g
	WHERE (verify.program IS NULL OR g.program_id = (SELECT s.program_id FROM scope s))
	AND NOT EXISTS (
		SELECT FROM loyalty.journal j
		WHERE j.member_id = g.member_id AND j.journal_id = g.journal_id AND j.kind = 'benefit_give')

	-- Stored value.
	UNION ALL
	SELECT 'topup_without_journal', t.member_id, format('unit_id=%s journal_id=%s', t.unit_id, t.journal_id)
	FROM topped t
	WHERE t.made_by IS DISTINCT FROM 'topup' OR t.made_ref IS DISTINCT FROM t.ref
	OR t.made_amount IS DISTINCT FROM t.amount OR t.made_program IS DISTINCT FROM t.program_id
	UNION ALL
	SELECT 'journal_without_topup', j.member_id, format('journal_id=%s', j.journal_id)
	FROM loyalty.journal j
	WHERE j.kind = 'topup' AND (verify.program IS NULL OR j.program_id = (SELECT s.program_id FROM scope s))
	AND NOT EXISTS (
		SELECT FROM loyalty.topup t WHERE t.member_id = j.member_id AND t.journal_id = j.journal_id)
	UNION ALL
	SELECT 'topup_state', t.member_id, format('journal_id=%s status=%s', t.journal_id, t.status)
	FROM topped t
	WHERE CASE WHEN t.status IN ('done', 'refunded') THEN t.given_by IS NULL
			OR t.given_by NOT IN ('topup', 'topup_confirm') OR t.given_ref IS DISTINCT FROM t.ref
		ELSE t.done_by IS NOT NULL END
	OR (t.status = 'cancelled') <> t.was_cancelled
	OR (t.status = 'refunded') <> (t.refunded > 0)
	UNION ALL
	SELECT 'topup_value', t.member_id, format('journal_id=%s amount=%s bonus=%s points=%s posted=%s posted_points=%s',
		t.journal_id, t.amount, t.bonus, t.points, t.value, t.given_points)
	FROM topped t
	WHERE t.done_by IS NOT NULL AND (t.value <> t.amount + t.bonus OR t.given_points <> t.points)
	UNION ALL
	SELECT 'topup_refunded', t.member_id, format('journal_id=%s refunded=%s deducted=%s bonus_taken=%s paid=%s principal=%s bonus=%s',
		t.journal_id, t.refunded, t.deducted, t.bonus_taken, t.paid, t.principal, t.forfeited)
	FROM topped t
	WHERE t.refunded <> t.paid OR t.refunded + t.deducted <> t.principal OR t.bonus_taken - t.deducted <> t.forfeited
	UNION ALL
	SELECT 'card_state', coalesce(k.member_id, c.member_id), format('unit_id=%s', coalesce(k.unit_id, c.unit_id))
	FROM (
		SELECT x.* FROM loyalty.topup_card x
		WHERE verify.program IS NULL OR x.program_id = (SELECT s.program_id FROM scope s)) k
	FULL JOIN card c ON c.member_id = k.member_id AND c.unit_id = k.unit_id
	WHERE k.member_id IS NULL OR c.member_id IS NULL
	OR k.journal_id <> c.journal_id OR k.program_id <> c.program_id
	OR (k.frozen_at IS NOT NULL) <> (coalesce(c.frozen, '') = 'topup_freeze')
	OR k.named <> (coalesce(c.named, '') = 'named')
	UNION ALL
	SELECT 'named_principal_lapses', k.member_id, format('unit_id=%s expires_on=%s', k.unit_id, w.expires_on)
	FROM loyalty.topup_card k
	JOIN loyalty.account a ON a.member_id = k.member_id
	CROSS JOIN LATERAL loyalty.wallet_lots(a.wallet) w
	WHERE k.named AND w.unit_id = k.unit_id AND w.origin = 'p' AND w.expires_on IS NOT NULL
	AND (verify.program IS NULL OR k.program_id = (SELECT s.program_id FROM scope s))

	-- A reserved order has what it needs, neither more nor less.
	UNION ALL
	SELECT 'checkout_without_journal', r.member_id, format('expires_at=%s', r.expires_at)
	FROM reservation r
	WHERE r.no_journal
	UNION ALL
	SELECT 'journal_without_checkout', j.member_id, format('journal_id=%s', j.journal_id)
	FROM loyalty.journal j
	WHERE j.kind IN ('checkout_reserve', 'checkout_cancel')
	AND (verify.program IS NULL OR j.program_id = (SELECT s.program_id FROM scope s))
	AND NOT EXISTS (
		SELECT FROM loyalty.checkout c WHERE c.member_id = j.member_id AND c.ref = coalesce(j.ref, j.reverses))
	UNION ALL
	SELECT 'checkout_state', r.member_id, format('status=%s ended_by=%s', r.status, r.ended_by)
	FROM reservation r
	WHERE CASE r.status WHEN 'confirmed' THEN r.ended IS DISTINCT FROM 'bought'
		WHEN 'cancelled' THEN r.ended IS NULL
		ELSE r.ended_by IS NOT NULL END
	UNION ALL
	SELECT 'checkout_holds', coalesce(r.member_id, h.member_id), format('unit=%s reserved=%s held=%s',
		coalesce(r.unit_id, h.unit_id), r.amount, h.amount)
	FROM set_aside r
	FULL JOIN held_aside h ON h.member_id = r.member_id AND h.ref = r.ref AND h.stands = r.stands
		AND h.unit_id = r.unit_id AND h.amount = r.amount AND h.expires_at IS NOT DISTINCT FROM r.expires_at
	WHERE r.member_id IS NULL OR h.member_id IS NULL
	UNION ALL
	SELECT 'checkout_coupons', r.member_id, format('status=%s reserved=%s uses=%s', r.status, r.document ->> 'uses', y.n)
	FROM reservation r
	CROSS JOIN LATERAL (
		SELECT count(*) AS n
		FROM loyalty.coupon_use x
		WHERE x.member_id = r.member_id AND x.ref = r.ref
		AND CASE WHEN r.stands THEN x.status = 'reserved' AND x.reserved_until = r.expires_at
			ELSE x.status IN ('used', 'returned') AND x.journal_id = r.ended_by END) y
	WHERE (r.stands OR r.status = 'confirmed') AND y.n <> (r.document ->> 'uses')::bigint
	UNION ALL
	SELECT 'checkout_coupons', y.member_id, format('use_id=%s reserved_until=%s', y.use_id, y.reserved_until)
	FROM loyalty.coupon_use y
	WHERE y.status = 'reserved' AND y.reserved_until > loyalty.now()
	AND (verify.program IS NULL OR y.program_id = (SELECT s.program_id FROM scope s))
	AND NOT EXISTS (
		SELECT FROM loyalty.checkout c
		WHERE c.member_id = y.member_id AND c.ref = y.ref AND c.status = 'reserved' AND c.expires_at = y.reserved_until)

	-- Refunds of what was checked out.
	UNION ALL
	SELECT 'refund_payable', p.member_id, format('payable=%s repaid=%s', p.payable, p.amount)
	FROM repaid p
	WHERE p.amount > p.payable
	UNION ALL
	SELECT 'refund_coupon', y.member_id, format('use_id=%s status=%s returned=%s', y.use_id, y.status, y.returned)
	FROM loyalty.coupon_use y
	WHERE (y.returned > 0 OR y.status = 'returned') AND y.line_discounts IS NOT NULL
	AND (verify.program IS NULL OR y.program_id = (SELECT s.program_id FROM scope s))
	AND NOT EXISTS (
		SELECT FROM loyalty.journal j
		WHERE j.member_id = y.member_id AND j.reverses = y.ref AND j.kind = 'refund'
		AND (y.status <> 'returned' OR j.journal_id = y.ended_by))

	-- Coupons that are held, and what became of them.
	UNION ALL
	SELECT 'coupon_state', h.member_id, format('coupon_no=%s status=%s source=%s issued_by=%s ended_by=%s',
		h.coupon_no, h.status, h.source, coalesce(h.issued_kind, '-'), coalesce(h.ended_kind, '-'))
	FROM held_coupon h
	WHERE h.issued_kind IS NULL
	OR (h.source = 'transfer') <> (h.issued_kind = 'coupon_receive')
	OR h.ended_kind IS DISTINCT FROM
		CASE h.status WHEN 'given' THEN 'coupon_transfer' WHEN 'void' THEN
			-- of a gift with a top-up
			CASE WHEN h.ended_kind = 'topup_refund' AND h.issued_kind IN ('topup', 'topup_confirm') THEN 'topup_refund'
				ELSE 'coupon_void' END END
	OR (h.ended_by IS NULL) <> (h.status = 'issued')
	OR h.status NOT IN ('issued', 'void', 'given')
	UNION ALL
	SELECT 'coupon_uses', h.member_id, format('coupon_no=%s status=%s uses=%s counted=%s', h.coupon_no, h.status, h.uses, h.counted)
	FROM held_coupon h
	WHERE h.uses <> h.counted OR h.uses > h.max_uses OR (h.status <> 'issued' AND h.uses > 0)
	UNION ALL
	-- the other half: the same coupon, in the hands of the other member
	SELECT 'coupon_transfer_half', h.member_id, format('coupon_no=%s other_member_id=%s', h.coupon_no, h.other_member_id)
	FROM held_coupon h
	WHERE (h.status = 'given' OR h.source = 'transfer')
	AND NOT EXISTS (
		SELECT FROM held_coupon x
		WHERE x.coupon_id = h.coupon_id AND x.version = h.version AND x.max_uses = h.max_uses
		AND x.valid_from = h.valid_from AND x.code IS NOT DISTINCT FROM h.code
		AND CASE h.status WHEN 'given' THEN x.member_id = h.other_member_id
				AND x.source = 'transfer' AND x.issued_ref = 'transfer:' || h.ended_by
			ELSE 'transfer:' || x.ended_by = h.issued_ref END)
	UNION ALL
	-- of a code that is good once, a reservation that timed out may have been taken over
	SELECT 'code_uses', k.member_id, format('coupon_id=%s uses=%s counted=%s', k.coupon_id, k.uses, n.used + n.reserved)
	FROM loyalty.coupon_code k
	CROSS JOIN LATERAL (
		SELECT count(*) FILTER (WHERE y.status = 'used') AS used,
			CASE WHEN k.max_uses > 1 THEN count(*) FILTER (WHERE y.status = 'reserved')
				ELSE count(*) FILTER (WHERE y.status = 'reserved'
					AND y.member_id = k.reserved_by AND y.ref = k.reserved_ref) END AS reserved
		FROM coupon_used y
		WHERE y.code = k.code AND y.program_id = k.program_id) n
	WHERE k.kind <> 'generic'
	AND (k.uses > 0 OR k.reserved_by IS NOT NULL OR EXISTS (
		SELECT FROM coupon_used y WHERE y.code = k.code AND y.program_id = k.program_id AND y.status = 'used'))
	AND (k.uses <> n.used + n.reserved OR (k.reserved_by IS NOT NULL AND n.reserved = 0))
	AND (verify.program IS NULL OR k.program_id = (SELECT s.program_id FROM scope s))
	UNION ALL
	SELECT 'code_owner', k.member_id, format('coupon_no=%s', k.coupon_no)
	FROM loyalty.coupon_code k
	WHERE k.member_id IS NOT NULL
	AND (verify.program IS NULL OR k.program_id = (SELECT s.program_id FROM scope s))
	AND NOT EXISTS (
		SELECT FROM held_coupon h
		WHERE h.member_id = k.member_id AND h.coupon_no = k.coupon_no AND h.code = k.code
		AND h.coupon_id = k.coupon_id AND h.status <> 'given')
	UNION ALL
	SELECT 'code_owner', h.member_id, format('coupon_no=%s', h.coupon_no)
	FROM held_coupon h
	WHERE h.code IS NOT NULL AND h.status <> 'given'
	AND NOT EXISTS (
		SELECT FROM loyalty.coupon_code k
		WHERE k.code = h.code AND k.program_id = h.program_id AND k.member_id = h.member_id AND k.coupon_no = h.coupon_no)
	UNION ALL
	SELECT 'coupon_use_state', y.member_id, format('use_id=%s status=%s discount=%s returned=%s ended_by=%s',
		y.use_id, y.status, y.discount, y.returned, coalesce(y.ended_by::text, '-'))
	FROM coupon_used y
	WHERE CASE y.status
		WHEN 'reserved' THEN y.returned > 0 OR y.ended_by IS NOT NULL OR y.reserved_until IS NULL
		WHEN 'used' THEN y.ended_by IS NOT NULL AND y.returned < y.discount
		WHEN 'returned' THEN y.returned < y.discount OR y.ended_by IS NULL
		WHEN 'released' THEN y.returned > 0
		ELSE true END
	OR y.discount < 0 OR y.returned NOT BETWEEN 0 AND y.discount
	OR y.discount <> (SELECT sum(x.part) FROM unnest(y.line_discounts) x (part))
	OR NOT EXISTS (
		SELECT FROM loyalty.journal j WHERE j.member_id = y.member_id AND j.journal_id = y.journal_id)
	OR (y.ended_by IS NOT NULL AND NOT EXISTS (
		SELECT FROM loyalty.journal j WHERE j.member_id = y.member_id AND j.journal_id = y.ended_by))
	UNION ALL
	SELECT 'coupon_use_of', y.member_id, format('use_id=%s coupon_no=%s', y.use_id, coalesce(y.coupon_no::text, '-'))
	FROM coupon_used y
	WHERE (y.coupon_no IS NOT NULL AND NOT EXISTS (
		SELECT FROM held_coupon h
		WHERE h.member_id = y.member_id AND h.coupon_no = y.coupon_no AND h.coupon_id = y.coupon_id))
	OR (y.code IS NOT NULL AND NOT EXISTS (
		SELECT FROM loyalty.coupon_code k
		WHERE k.code = y.code AND k.program_id = y.program_id AND k.coupon_id = y.coupon_id))
	UNION ALL
	-- by the terms of each version, when it was used last
	SELECT 'coupon_limit_member', n.member_id, format('coupon_id=%s version=%s uses=%s limit=%s%s',
		n.coupon_id, n.version, n.ever, coalesce(n.limit_member::text, '-'),
		CASE WHEN n.in_period > n.limit_period THEN format(' in_period=%s limit=%s', n.in_period, n.limit_period) END)
	FROM (
		SELECT y.member_id, y.coupon_id, y.version, t.limit_member, t.limit_period,
			count(*) OVER (PARTITION BY y.member_id, y.coupon_id ORDER BY y.use_id) AS ever,
			count(*) OVER (PARTITION BY y.member_id, y.coupon_id, date_trunc(t.period, d.day) ORDER BY y.use_id) AS in_period,
			lead(y.use_id) OVER (PARTITION BY y.member_id, y.coupon_id, y.version ORDER BY y.use_id) IS NULL AS is_last
		FROM coupon_used y
		JOIN loyalty.program p ON p.program_id = y.program_id
		CROSS JOIN LATERAL (SELECT (y.used_at AT TIME ZONE p.time_zone)::timestamp AS day) d
		JOIN coupon_terms t ON t.coupon_id = y.coupon_id AND t.version = y.version
		WHERE (y.status = 'used' OR (y.status = 'reserved' AND y.reserved_until > loyalty.now()))
		AND EXISTS (SELECT FROM coupon_terms x WHERE x.coupon_id = y.coupon_id AND coalesce(x.limit_member, x.limit_period) IS NOT NULL)) n
	WHERE (n.is_last AND n.ever > n.limit_member) OR n.in_period > n.limit_period

	-- The outbox.
	UNION ALL
	SELECT 'message_state', m.member_id, format('message_id=%s status=%s attempts=%s', m.message_id, m.status, m.attempts)
	FROM loyalty.message m
	WHERE (verify.program IS NULL OR m.program_id = (SELECT s.program_id FROM scope s))
	AND (m.status NOT IN ('queued', 'taken', 'done', 'dead', 'suppressed', 'expired', 'cancelled')
		OR (m.ended_at IS NULL) <> (m.status IN ('queued', 'taken'))
		-- who has it, or has delivered it, was given it
		OR m.attempts < 0 OR (m.attempts > 0 AND m.taken_at IS NULL)
		OR (m.status IN ('taken', 'done') AND m.attempts = 0)
		OR m.priority NOT BETWEEN 0 AND 9 OR jsonb_typeof(m.params) <> 'object'
		OR m.expires_at <= m.created_at)
	UNION ALL
	SELECT 'message_dedupe', m.member_id, format('message_id=%s', max(m.message_id))
	FROM loyalty.message m
	WHERE m.dedupe_key IS NOT NULL AND (verify.program IS NULL OR m.program_id = (SELECT s.program_id FROM scope s))
	GROUP BY m.member_id, m.dedupe_key COLLATE "C"
	HAVING count(*) > 1
	UNION ALL
	-- each stands in for one that ended, was the only one to do so, and came another way than all before it
	SELECT 'message_fallback', m.member_id, format('message_id=%s fallback_of=%s', m.message_id, m.fallback_of)
	FROM loyalty.message m
	LEFT JOIN loyalty.message f ON f.member_id = m.member_id AND f.message_id = m.fallback_of
	WHERE m.fallback_of IS NOT NULL AND (verify.program IS NULL OR m.program_id = (SELECT s.program_id FROM scope s))
	AND (f.message_id IS NULL OR f.message_id >= m.message_id OR f.program_id <> m.program_id
		OR EXISTS (SELECT FROM loyalty.message x
			WHERE x.member_id = m.member_id AND x.fallback_of = m.fallback_of AND x.message_id <> m.message_id)
		OR EXISTS (
			WITH RECURSIVE before AS (
				SELECT f.fallback_of, f.channel
				UNION
				SELECT x.fallback_of, x.channel FROM before b
				JOIN loyalty.message x ON x.member_id = m.member_id AND x.message_id = b.fallback_of)
			SELECT FROM before b WHERE b.channel = m.channel))
	UNION ALL
	SELECT 'message_run', m.member_id, format('message_id=%s run_id=%s', m.message_id, m.run_id)
	FROM loyalty.message m
	WHERE coalesce(m.run_id, m.automation_id) IS NOT NULL AND (verify.program IS NULL OR m.program_id = (SELECT s.program_id FROM scope s))
	AND NOT EXISTS (
		SELECT FROM loyalty.automation_run r
		WHERE r.member_id = m.member_id AND r.run_id = m.run_id AND r.automation_id = m.automation_id)
	UNION ALL
	SELECT 'message_consent', m.member_id, format('message_id=%s purpose=%s channel=%s', m.message_id, m.purpose, m.channel)
	FROM loyalty.message m
	WHERE m.purpose <> 'service' AND m.attempts > 0 AND (verify.program IS NULL OR m.program_id = (SELECT s.program_id FROM scope s))
	-- what was said later of that time does not count
	AND NOT EXISTS (
		SELECT FROM loyalty.consent c
		WHERE c.member_id = m.member_id AND c.purpose = m.purpose AND coalesce(c.channel, m.channel) = m.channel
		AND c.given AND c.at <= m.taken_at)
	UNION ALL
	SELECT 'message_feedback', b.member_id, format('message_id=%s kind=%s', b.message_id, b.kind)
	FROM loyalty.message_feedback b
	LEFT JOIN loyalty.message m ON m.member_id = b.member_id AND m.message_id = b.message_id
	WHERE (verify.program IS NULL OR b.program_id = (SELECT s.program_id FROM scope s))
	AND (m.message_id IS NULL OR m.program_id <> b.program_id
		OR b.kind NOT IN ('delivered', 'opened', 'clicked', 'bounced', 'unsubscribed')
		-- who unsubscribed no longer agrees
		OR (b.kind = 'unsubscribed' AND m.purpose <> 'service' AND NOT EXISTS (
			SELECT FROM loyalty.consent c
			WHERE c.member_id = m.member_id AND c.purpose = m.purpose AND c.channel = m.channel
			AND NOT c.given AND c.at <= b.at)))
	UNION ALL
	SELECT 'message_quota', NULL, format('channel=%s day=%s taken=%s', q.channel, q.day, q.taken)
	FROM loyalty.message_quota q
	WHERE (verify.program IS NULL OR q.program_id = (SELECT s.program_id FROM scope s))
	AND (q.taken < 0 OR NOT EXISTS (
		SELECT FROM loyalty.message_channel h WHERE h.program_id = q.program_id AND h.name = q.channel))
	UNION ALL
	SELECT 'message_unknown', m.member_id, format('message_id=%s channel=%s', m.message_id, m.channel)
	FROM loyalty.message m
	LEFT JOIN loyalty.account a ON a.member_id = m.member_id
	WHERE (verify.program IS NULL OR m.program_id = (SELECT s.program_id FROM scope s))
	AND (a.program_id IS DISTINCT FROM m.program_id OR NOT EXISTS (
		SELECT FROM loyalty.message_channel h WHERE h.program_id = m.program_id AND h.name = m.channel))
	UNION ALL
	SELECT 'consent_unknown', c.member_id, format('consent_id=%s channel=%s', c.consent_id, c.channel)
	FROM loyalty.consent c
	LEFT JOIN loyalty.account a ON a.member_id = c.member_id
	WHERE (verify.program IS NULL OR c.program_id = (SELECT s.program_id FROM scope s))
	AND (a.program_id IS DISTINCT FROM c.program_id OR (c.channel IS NOT NULL AND NOT EXISTS (
		SELECT FROM loyalty.message_channel h WHERE h.program_id = c.program_id AND h.name = c.channel)))

	-- Rows that belong to others: what foreign keys would see to.
	UNION ALL
	SELECT 'entry_without_journal', e.member_id, format('journal_id=%s line=%s', e.journal_id, e.line)
	FROM loyalty.entry e
	WHERE (verify.program IS NULL OR e.program_id = (SELECT s.program_id FROM scope s))
	AND NOT EXISTS (
		SELECT FROM loyalty.journal j WHERE j.member_id = e.member_id AND j.journal_id = e.journal_id)
	UNION ALL
	SELECT 'event_data_without_journal', d.member_id, format('journal_id=%s', d.journal_id)
	FROM loyalty.event_data d
	WHERE (verify.program IS NULL OR d.program_id = (SELECT s.program_id FROM scope s))
	AND NOT EXISTS (
		SELECT FROM loyalty.journal j WHERE j.member_id = d.member_id AND j.journal_id = d.journal_id)
	UNION ALL
	SELECT 'journal_ref_without_journal', x.member_id, format('journal_id=%s', x.journal_id)
	FROM loyalty.journal_ref x
	WHERE (verify.program IS NULL OR x.program_id = (SELECT s.program_id FROM scope s))
	AND NOT EXISTS (
		SELECT FROM loyalty.journal j
		WHERE j.member_id = x.member_id AND j.journal_id = x.journal_id
		AND j.ref = x.ref AND coalesce(j.event, ':' || j.kind) = x.event)
	UNION ALL
	SELECT 'journal_without_account', p.member_id, NULL
	FROM past p
	WHERE NOT EXISTS (SELECT FROM loyalty.account a WHERE a.member_id = p.member_id)
	UNION ALL
	SELECT 'fault_without_account', f.member_id, format('job=%s', f.job)
	FROM loyalty.maintenance_fault f
	WHERE (verify.program IS NULL OR f.program_id = (SELECT s.program_id FROM scope s))
	AND NOT EXISTS (
		SELECT FROM loyalty.account a
		WHERE a.member_id = f.member_id AND a.program_id = f.program_id)
	UNION ALL
	SELECT 'account_without_member', a.member_id, NULL
	FROM loyalty.account a
	WHERE (verify.program IS NULL OR a.program_id = (SELECT s.program_id FROM scope s))
	AND NOT EXISTS (SELECT FROM loyalty.member m WHERE m.member_id = a.member_id)
	UNION ALL
	SELECT 'member_without_account', m.member_id, NULL
	FROM loyalty.member m
	WHERE (verify.program IS NULL OR m.program_id = (SELECT s.program_id FROM scope s))
	AND NOT EXISTS (SELECT FROM loyalty.account a WHERE a.member_id = m.member_id)
	UNION ALL
	-- the value is personal and stays out of the detail
	SELECT 'identity_without_member', i.member_id, format('kind=%s', i.kind)
	FROM loyalty.identity i
	WHERE (verify.program IS NULL OR i.program_id = (SELECT s.program_id FROM scope s))
	AND NOT EXISTS (
		SELECT FROM loyalty.member m WHERE m.member_id = i.member_id AND m.program_id = i.program_id)
	UNION ALL
	SELECT 'entry_unit', l.member_id, format('unit=%s', l.unit_id)
	FROM ledger l
	LEFT JOIN loyalty.account a ON a.member_id = l.member_id
	WHERE l.unit_id IS NOT NULL
	AND NOT EXISTS (
		SELECT FROM loyalty.unit u
		WHERE u.unit_id = l.unit_id AND u.program_id = coalesce(a.program_id, u.program_id))
	UNION ALL
	SELECT 'program_mismatch', a.member_id, format('program_id=%s', a.program_id)
	FROM loyalty.account a
	LEFT JOIN loyalty.member m ON m.member_id = a.member_id
	LEFT JOIN past p ON p.member_id = a.member_id
	LEFT JOIN ledger l ON l.member_id = a.member_id AND l.unit_id IS NULL
	WHERE (verify.program IS NULL OR a.program_id = (SELECT s.program_id FROM scope s))
	AND (m.program_id <> a.program_id
		OR p.first_program <> a.program_id OR p.last_program <> a.program_id
		OR l.first_program <> a.program_id OR l.last_program <> a.program_id)
	UNION ALL
	SELECT 'program_mismatch', h.member_id, format('program_id=%s hold_id=%s', a.program_id, h.hold_id)
	FROM held h
	JOIN loyalty.account a ON a.member_id = h.member_id
	WHERE h.program_id <> a.program_id
	UNION ALL
	SELECT 'program_mismatch', v.member_id, format('program_id=%s voucher_id=%s', a.program_id, v.voucher_id)
	FROM voucher v
	JOIN loyalty.account a ON a.member_id = v.member_id
	LEFT JOIN loyalty.benefit b ON b.benefit_id = v.benefit_id
	WHERE v.program_id <> a.program_id OR b.program_id IS DISTINCT FROM a.program_id
	UNION ALL
	SELECT 'program_mismatch', m.member_id, format('program_id=%s coupon_no=%s', a.program_id, m.coupon_no)
	FROM loyalty.member_coupon m
	JOIN loyalty.account a ON a.member_id = m.member_id
	WHERE m.program_id <> a.program_id
	AND (verify.program IS NULL OR a.program_id = (SELECT s.program_id FROM scope s))
	UNION ALL
	SELECT 'program_mismatch', y.member_id, format('program_id=%s use_id=%s', a.program_id, y.use_id)
	FROM loyalty.coupon_use y
	JOIN loyalty.account a ON a.member_id = y.member_id
	WHERE y.program_id <> a.program_id
	AND (verify.program IS NULL OR a.program_id = (SELECT s.program_id FROM scope s))

	-- Budgets.
	UNION ALL
	SELECT 'budget_slots', NULL, format('budget_id=%s amount=%s quota=%s used=%s', b.budget_id, b.minor, b.quota, b.used)
	FROM budget b WHERE b.quota <> greatest(b.minor, b.used)
	UNION ALL
	SELECT 'budget_slots', NULL, format('budget_id=%s slot=%s quota=%s used=%s', x.budget_id, x.slot, x.quota, x.used)
	FROM loyalty.budget_slot x
	WHERE x.used NOT BETWEEN 0 AND x.quota
	AND (verify.program IS NULL OR x.program_id = (SELECT s.program_id FROM scope s))
	UNION ALL
	-- at most: there may have been awards before there was a budget
	SELECT 'budget_used', NULL, format('budget_id=%s used=%s awarded=%s', b.budget_id, b.used, w.awarded)
	FROM budget b
	CROSS JOIN LATERAL (
		SELECT coalesce(sum(a.amount), 0) AS awarded
		FROM awarded a
		WHERE a.program_id = b.program_id AND a.unit_id = b.unit_id
		AND (b.campaign_id IS NULL OR a.rule_id IN (
			SELECT r.rule_id FROM loyalty.rule r WHERE r.campaign_id = b.campaign_id
			UNION ALL
			SELECT v.rule_id FROM loyalty.rule_version v
			WHERE v.program_id = b.program_id AND v.definition ->> 'campaign_id' = b.campaign_id::text))) w
	WHERE b.used > w.awarded
	UNION ALL
	SELECT 'coupon_limit_slots', NULL, format('budget_id=%s coupon=%s counts=%s amount=%s quota=%s used=%s',
		b.budget_id, b.coupon_id, b.counts, b.minor, b.quota, b.used)
	FROM coupon_budget b
	WHERE b.minor IS NOT NULL AND b.quota <> greatest(b.minor, b.used)
	UNION ALL
	-- at most: a call that began before there was a limit does not count itself
	SELECT 'coupon_limit_used', NULL, format('budget_id=%s coupon=%s counts=%s used=%s counted=%s',
		b.budget_id, b.coupon_id, b.counts, b.used, w.counted)
	FROM coupon_budget b
	CROSS JOIN LATERAL (
		SELECT sum(n.n) AS counted
		FROM (
			SELECT count(*) AS n
			FROM loyalty.member_coupon m
			WHERE b.counts = 'issued' AND m.coupon_id = b.coupon_id
			AND m.status <> 'void' AND m.source NOT IN ('transfer', 'code')
			UNION ALL
			SELECT CASE WHEN b.counts = 'used' THEN count(*) ELSE coalesce(sum(y.discount - y.returned), 0) END
			FROM loyalty.coupon_use y
			WHERE b.counts <> 'issued' AND y.coupon_id = b.coupon_id AND y.status IN ('reserved', 'used')
			AND (b.code IS NULL OR y.code = b.code)) n) w
	WHERE b.used > w.counted

	-- Configuration.
	UNION ALL
	SELECT 'account_without_program', a.member_id, format('program_id=%s', a.program_id)
	FROM loyalty.account a
	WHERE NOT EXISTS (SELECT FROM loyalty.program p WHERE p.program_id = a.program_id)
	UNION ALL
	SELECT 'config_reference', NULL, c.detail
	FROM (
		SELECT u.program_id, format('unit=%s program_id=%s', u.unit_id, u.program_id) AS detail
		FROM loyalty.unit u
		WHERE NOT EXISTS (SELECT FROM loyalty.program p WHERE p.program_id = u.program_id)
		UNION ALL
		SELECT v.program_id, format('event=%s program_id=%s', v.event, v.program_id)
		FROM loyalty.program_event v
		WHERE NOT EXISTS (SELECT FROM loyalty.program p WHERE p.program_id = v.program_id)
		UNION ALL
		SELECT n.program_id, format('anchor of unit=%s program_id=%s', n.unit_id, n.program_id)
		FROM loyalty.unit_anchor n
		WHERE NOT EXISTS (
			SELECT FROM loyalty.unit u WHERE u.unit_id = n.unit_id AND u.program_id = n.program_id)
		UNION ALL
		SELECT n.program_id, format('%s %s=%s program_id=%s', n.place, n.kind, n.name, n.program_id)
		FROM config_name n
		WHERE NOT EXISTS (
			SELECT FROM config_thing t WHERE t.program_id = n.program_id AND t.kind = n.kind AND t.name = n.name)
		UNION ALL
		SELECT x.program_id, format('segment=%s program_id=%s', x.name, x.program_id)
		FROM loyalty.segment x
		WHERE NOT EXISTS (SELECT FROM loyalty.program p WHERE p.program_id = x.program_id)
		UNION ALL
		SELECT k.program_id, format('cap of rule=%s unit=%s program_id=%s', k.rule_id, k.unit_id, k.program_id)
		FROM loyalty.rule_cap k
		WHERE NOT EXISTS (
			SELECT FROM loyalty.rule r WHERE r.rule_id = k.rule_id AND r.program_id = k.program_id)
		OR NOT EXISTS (
			SELECT FROM loyalty.unit u WHERE u.unit_id = k.unit_id AND u.program_id = k.program_id AND u.kind = 'counter')
		UNION ALL
		SELECT t.program_id, format('threshold of tier=%s unit=%s program_id=%s', t.tier_id, t.unit_id, t.program_id)
		FROM loyalty.tier_threshold t
		WHERE NOT EXISTS (
			SELECT FROM loyalty.tier x WHERE x.tier_id = t.tier_id AND x.program_id = t.program_id)
		OR NOT EXISTS (
			SELECT FROM loyalty.unit u WHERE u.unit_id = t.unit_id AND u.program_id = t.program_id AND u.kind = 'metric')
		UNION ALL
		SELECT n.program_id, format('plan=%s tier=%s program_id=%s', n.plan_id, coalesce(n.tier, '-'), n.program_id)
		FROM loyalty.plan n
		WHERE NOT EXISTS (SELECT FROM loyalty.program p WHERE p.program_id = n.program_id)
		OR (n.tier IS NOT NULL AND NOT EXISTS (
			SELECT FROM loyalty.tier t WHERE t.program_id = n.program_id AND t.code = n.tier))
		UNION ALL
		SELECT b.program_id, format('periods of plan=%s tier=%s program_id=%s', b.plan_id, coalesce(b.tier_id::text, '-'), b.program_id)
		FROM bought b
		WHERE NOT EXISTS (
			SELECT FROM loyalty.plan n WHERE n.plan_id = b.plan_id AND n.program_id = b.program_id)
		OR (b.tier_id IS NOT NULL AND NOT EXISTS (
			SELECT FROM loyalty.tier t WHERE t.tier_id = b.tier_id AND t.program_id = b.program_id))
		GROUP BY b.program_id, b.plan_id, b.tier_id
		UNION ALL
		SELECT b.program_id, format('budget=%s unit=%s campaign=%s program_id=%s', b.budget_id, b.unit_id, coalesce(b.campaign_id::text, '-'), b.program_id)
		FROM loyalty.budget b
		WHERE NOT EXISTS (
			SELECT FROM loyalty.unit u WHERE u.unit_id = b.unit_id AND u.program_id = b.program_id)
		OR (b.campaign_id IS NOT NULL AND NOT EXISTS (
			SELECT FROM loyalty.campaign k WHERE k.program_id = b.program_id AND k.campaign_id = b.campaign_id))
		UNION ALL
		SELECT x.program_id, format('slot=%s of budget=%s program_id=%s', x.slot, x.budget_id, x.program_id)
		FROM loyalty.budget_slot x
		WHERE NOT EXISTS (
			SELECT FROM loyalty.budget b WHERE b.budget_id = x.budget_id AND b.program_id = x.program_id)
		AND NOT EXISTS (
			SELECT FROM coupon_budget b WHERE b.budget_id = x.budget_id AND b.program_id = x.program_id)
		UNION ALL
		SELECT c.program_id, format('coupon=%s program_id=%s', c.coupon_id, c.program_id)
		FROM loyalty.coupon c
		WHERE NOT EXISTS (SELECT FROM loyalty.program p WHERE p.program_id = c.program_id)
		UNION ALL
		SELECT g.program_id, format('coupon_category=%s program_id=%s', g.name, g.program_id)
		FROM loyalty.coupon_category g
		WHERE NOT EXISTS (SELECT FROM loyalty.program p WHERE p.program_id = g.program_id)
		UNION ALL
		SELECT l.program_id, format('limit of coupon=%s program_id=%s', l.coupon_id, l.program_id)
		FROM loyalty.coupon_limit l
		WHERE NOT EXISTS (
			SELECT FROM loyalty.coupon c WHERE c.coupon_id = l.coupon_id AND c.program_id = l.program_id)
		UNION ALL
		SELECT k.program_id, format('pack=%s coupon=%s program_id=%s', k.name, k.coupon_id, k.program_id)
		FROM loyalty.coupon_pack k
		WHERE NOT EXISTS (
			SELECT FROM loyalty.coupon c WHERE c.coupon_id = k.coupon_id AND c.program_id = k.program_id)
		UNION ALL
		SELECT r.program_id, format('%s of coupon=%s version=%s program_id=%s', r.what, r.coupon_id, r.version, r.program_id)
		FROM coupon_ref r
		WHERE NOT EXISTS (
			SELECT FROM coupon_terms t
			WHERE t.coupon_id = r.coupon_id AND t.version = r.version AND t.program_id = r.program_id)
		UNION ALL
		SELECT k.program_id, format('coupon_key program_id=%s', k.program_id)
		FROM loyalty.coupon_key k
		WHERE NOT EXISTS (SELECT FROM loyalty.program p WHERE p.program_id = k.program_id)
		UNION ALL
		SELECT k.program_id, format('cart_policy program_id=%s', k.program_id)
		FROM loyalty.cart_policy k
		WHERE NOT EXISTS (SELECT FROM loyalty.program p WHERE p.program_id = k.program_id)
		UNION ALL
		SELECT k.program_id, format('cart_unit=%s program_id=%s', k.unit_id, k.program_id)
		FROM loyalty.cart_unit k
		WHERE NOT EXISTS (
			SELECT FROM loyalty.unit u WHERE u.unit_id = k.unit_id AND u.program_id = k.program_id)
		UNION ALL
		SELECT k.program_id, format('stored value of unit=%s program_id=%s', k.unit_id, k.program_id)
		FROM loyalty.topup_policy k
		WHERE NOT EXISTS (
			SELECT FROM loyalty.unit u WHERE u.unit_id = k.unit_id AND u.program_id = k.program_id AND u.kind = 'money')
		UNION ALL
		SELECT k.program_id, format('top-up of unit=%s from=%s program_id=%s', k.unit_id, k.step_from, k.program_id)
		FROM loyalty.topup_step k
		WHERE NOT EXISTS (
			SELECT FROM loyalty.topup_policy y WHERE y.unit_id = k.unit_id AND y.program_id = k.program_id)
		OR (k.points_unit_id IS NOT NULL AND NOT EXISTS (
			SELECT FROM loyalty.unit u WHERE u.unit_id = k.points_unit_id AND u.program_id = k.program_id))
		OR (k.pack IS NOT NULL AND NOT EXISTS (
			SELECT FROM loyalty.coupon_pack x WHERE x.program_id = k.program_id AND x.name = k.pack))
		OR (k.benefit_id IS NOT NULL AND NOT EXISTS (
			SELECT FROM loyalty.benefit b WHERE b.benefit_id = k.benefit_id AND b.program_id = k.program_id))
		UNION ALL
		SELECT h.program_id, format('channel=%s fallback=%s program_id=%s', h.name, h.fallback, h.program_id)
		FROM loyalty.message_channel h
		WHERE NOT EXISTS (SELECT FROM loyalty.program p WHERE p.program_id = h.program_id)
		OR (h.fallback IS NOT NULL AND NOT EXISTS (
			SELECT FROM loyalty.message_channel f WHERE f.program_id = h.program_id AND f.name = h.fallback))
		UNION ALL
		SELECT i.program_id, format('items of collection=%s program_id=%s', i.collection, i.program_id)
		FROM loyalty.collection_item i
		WHERE NOT EXISTS (
			SELECT FROM loyalty.collection k WHERE k.program_id = i.program_id AND k.name = i.collection)
		GROUP BY i.program_id, i.collection) c
	WHERE verify.program IS NULL OR c.program_id = (SELECT s.program_id FROM scope s)

	-- Automations: what was started, what became of it, and what it gave.
	UNION ALL
	SELECT 'automation_without_steps', NULL, format('automation_id=%s', a.automation_id)
	FROM loyalty.automation a
	WHERE a.status = 'live'
	AND NOT EXISTS (SELECT FROM loyalty.automation_step t WHERE t.automation_id = a.automation_id)
	AND (verify.program IS NULL OR a.program_id = (SELECT s.program_id FROM scope s))
	UNION ALL
	SELECT 'automation_run_of', r.member_id, format('run_id=%s automation_id=%s', r.run_id, r.automation_id)
	FROM loyalty.automation_run r
	LEFT JOIN loyalty.automation a ON a.automation_id = r.automation_id AND a.program_id = r.program_id
	LEFT JOIN loyalty.account c ON c.member_id = r.member_id AND c.program_id = r.program_id
	LEFT JOIN loyalty.journal j ON j.member_id = r.member_id AND j.journal_id = r.journal_id
	WHERE (a.automation_id IS NULL OR c.member_id IS NULL OR (r.journal_id IS NOT NULL AND j.journal_id IS NULL))
	AND (verify.program IS NULL OR r.program_id = (SELECT s.program_id FROM scope s))
	UNION ALL
	SELECT 'automation_run_state', r.member_id, format('run_id=%s status=%s', r.run_id, r.status)
	FROM loyalty.automation_run r
	WHERE (r.status NOT IN ('waiting', 'done', 'exited', 'held_out', 'skipped', 'cancelled', 'failed', 'undone')
		OR (r.status = 'waiting') <> (r.due_at IS NOT NULL) OR (r.status = 'waiting') <> (r.finished_at IS NULL)
		OR (r.status IN ('exited', 'skipped', 'cancelled', 'failed', 'undone') AND r.reason IS NULL)
		OR (r.status IN ('held_out', 'skipped') AND r.position <> 0)
		OR r.position < 0 OR r.goal_at < r.triggered_at
		OR jsonb_typeof(r.log) <> 'array' OR jsonb_typeof(r.trigger) <> 'object')
	AND (verify.program IS NULL OR r.program_id = (SELECT s.program_id FROM scope s))
	UNION ALL
	SELECT 'automation_gave', r.member_id, format('run_id=%s position=%s journal_id=%s', r.run_id, l.entry ->> 'position', l.entry ->> 'journal_id')
	FROM loyalty.automation_run r
	CROSS JOIN LATERAL jsonb_path_query(r.log, '$[*] ? (exists(@.journal_id))') l (entry)
	LEFT JOIN loyalty.journal j ON j.member_id = r.member_id AND j.journal_id = (l.entry ->> 'journal_id')::bigint
	WHERE j.key IS DISTINCT FROM format('automation-%s-%s', r.run_id, l.entry ->> 'position')
	AND (verify.program IS NULL OR r.program_id = (SELECT s.program_id FROM scope s))
	UNION ALL
	SELECT 'automation_undone', r.member_id, format('run_id=%s journal_id=%s', r.run_id, l.entry ->> 'journal_id')
	FROM loyalty.automation_run r
	CROSS JOIN LATERAL jsonb_path_query(r.log, '$[*] ? (@.kind == "award" && @.undo == true)') l (entry)
	WHERE r.status = 'undone'
	AND NOT EXISTS (
		SELECT FROM loyalty.journal j
		WHERE j.member_id = r.member_id AND j.kind = 'award_undo'
		AND j.reverses = 'award:' || (l.entry ->> 'journal_id'))
	AND (verify.program IS NULL OR r.program_id = (SELECT s.program_id FROM scope s))
	UNION ALL
	SELECT 'award_undone', u.member_id, format('%s rows=%s', u.reverses, u.n)
	FROM (
		SELECT j.member_id, j.reverses, count(*) AS n, bool_and(EXISTS (
			SELECT FROM loyalty.journal o
			WHERE o.member_id = j.member_id AND o.kind = 'award' AND 'award:' || o.journal_id = j.reverses
			AND o.amount = j.amount AND o.unit_id = j.unit_id)) AS known
		FROM loyalty.journal j
		WHERE j.kind = 'award_undo'
		AND (verify.program IS NULL OR j.program_id = (SELECT s.program_id FROM scope s))
		GROUP BY j.member_id, j.reverses) u
	WHERE u.n > 1 OR NOT u.known

	-- The sums of the reports: what is folded, as the ledger says it.
	UNION ALL
	SELECT 'report_sum_differs', d.member_id, concat('program_id=', d.program_id, ' ', d.detail)
	FROM loyalty.report_sum_differs((SELECT s.program_id FROM scope s)) d
	UNION ALL
	SELECT 'report_sum_differs', d.member_id, concat('program_id=', d.program_id, ' ', d.detail)
	FROM loyalty.report_campaign_differs((SELECT s.program_id FROM scope s)) d
	UNION ALL
	SELECT 'report_sum_differs', d.member_id, concat('program_id=', d.program_id, ' ', d.detail)
	FROM loyalty.report_coupon_differs((SELECT s.program_id FROM scope s)) d
	UNION ALL
	SELECT 'report_sum_differs', d.member_id, concat('program_id=', d.program_id, ' ', d.detail)
	FROM loyalty.report_run_differs((SELECT s.program_id FROM scope s)) d
	UNION ALL
	SELECT 'report_rfm_differs', NULL, format('program_id=%s day=%s members=%s buyers=%s orders=%s bought=%s',
		d.program_id, d.day, d.members, d.buyers, d.orders, d.bought)
	FROM loyalty.report_rfm_differs((SELECT s.program_id FROM scope s)) d
	UNION ALL
	SELECT 'report_message_differs', NULL, format('program_id=%s day=%s channel=%s template=%s missing=%s', d.program_id, d.day,
		d.channel, d.template, concat_ws(',', d.queued, d.sent, d.delivered, d.opened, d.clicked, d.bounced, d.unsubscribed, d.suppressed, d.expired, d.dead, d.cancelled))
	FROM loyalty.report_message_differs((SELECT s.program_id FROM scope s)) d
	UNION ALL
	SELECT 'report_folded_twice', NULL, format('first_id=%s last_id=%s next=%s', f.first_id, f.last_id, f.next)
	FROM (
		SELECT x.first_id, x.last_id, lead(x.first_id) OVER (ORDER BY x.first_id) AS next
		FROM loyalty.report_folded x) f
	WHERE f.last_id < f.first_id OR f.next <= f.last_id

	-- The installation: ids that would come twice, rights that a restore lost.
	UNION ALL
	SELECT 'sequence_behind', NULL, format('sequence=%s next=%s used=%s', i.sequence, i.next, i.highest)
	FROM id i WHERE i.highest >= i.next
	UNION ALL
	SELECT 'definer_owned_by_superuser', NULL, format('function=%s owner=%s', f.oid::regprocedure, o.rolname)
	FROM pg_proc f
	JOIN pg_roles o ON o.oid = f.proowner
	WHERE f.pronamespace = 'loyalty'::regnamespace AND f.prosecdef AND o.rolsuper
	-- only where setup_roles() has been: it leaves grants to x_app beside x_owner
	AND EXISTS (
		SELECT FROM pg_proc g
		CROSS JOIN LATERAL aclexplode(g.proacl) x
		JOIN pg_roles app ON app.oid = x.grantee
		JOIN pg_roles owner ON owner.rolname = regexp_replace(app.rolname, '_app$', '_owner')
		WHERE g.pronamespace = 'loyalty'::regnamespace AND app.rolname LIKE '%\_app');
END;
COMMENT ON FUNCTION loyalty.verify(text) IS
'Recomputes everything that can be recomputed and returns what does not agree; no row: the books are right';

-- Repair, for wallets that verify() names. The lock is a statement of its own:
-- the next one then sees whatever the transaction that it waited for has posted.
CREATE OR REPLACE FUNCTION loyalty.rebuild(member_id bigint)
RETURNS boolean LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT loyalty.member_require(rebuild.member_id);

	SELECT FROM loyalty.account a WHERE a.member_id = rebuild.member_id FOR NO KEY UPDATE;

	WITH folded AS (
		SELECT loyalty.wallet_fold(e.unit_id, e.vests_on, e.expires_on, e.origin, e.amount) AS wallet
		FROM (
			SELECT e.unit_id, e.vests_on, e.expires_on, e.origin, e.amount
			FROM loyalty.entry e
			WHERE e.member_id = rebuild.member_id
			UNION ALL
			-- counts have no entries: they follow from the awards and the uses of quotas
			SELECT u.unit_id, NULL::date, c.ends_on, 'e'::"char", y.used
			FROM (
				SELECT j.member_id, j.program_id, j.effective_at, n.key::int AS unit_id, n.value::bigint AS used
				FROM loyalty.event_data d
				JOIN loyalty.journal j ON j.member_id = d.member_id AND j.journal_id = d.journal_id
				CROSS JOIN LATERAL jsonb_path_query(d.data, '$.awards[*].counters') x (counters)
				CROSS JOIN LATERAL jsonb_each(x.counters) n
				WHERE d.member_id = rebuild.member_id
				UNION ALL
				SELECT j.member_id, j.program_id, j.effective_at, j.unit_id, j.amount - coalesce((
					SELECT sum(r.amount) FROM loyalty.journal r
					WHERE r.member_id = j.member_id AND r.reverses = j.ref AND r.event = j.event
					AND r.kind = 'benefit_return'), 0)::bigint
				FROM loyalty.journal j
				WHERE j.member_id = rebuild.member_id AND j.kind = 'benefit_use' AND j.unit_id IS NOT NULL) y
			JOIN loyalty.account a ON a.member_id = y.member_id
			JOIN loyalty.program p ON p.program_id = y.program_id
			CROSS JOIN LATERAL (SELECT (y.effective_at AT TIME ZONE p.time_zone)::date AS day) l
			JOIN loyalty.unit u ON u.unit_id = y.unit_id
			CROSS JOIN LATERAL (
				SELECT CASE u.period WHEN 'day' THEN l.day
					WHEN 'week' THEN date_trunc('week', l.day)::date + 6
					WHEN 'month' THEN (date_trunc('month', l.day) + '1 month'::interval)::date - 1
					WHEN 'year' THEN (date_trunc('year', l.day) + '1 year'::interval)::date - 1 END AS ends_on) c
			WHERE (c.ends_on IS NULL OR c.ends_on >= a.settled_on)) e
	), right_row AS (
		SELECT f.wallet,
			least(coalesce((
				SELECT min(least(l.vests_on, l.expires_on + 1))
				FROM loyalty.wallet_lots(f.wallet) l
				JOIN loyalty.unit u ON u.unit_id = l.unit_id
				WHERE u.kind NOT IN ('metric', 'counter')), 'infinity'::date),
			coalesce((
				-- the tier's warning, if it is still to come, or its review
				SELECT CASE WHEN a.tier_state = 'normal' AND t.warn_days > 0 AND e.ends - t.warn_days > a.settled_on
					THEN e.ends - t.warn_days ELSE e.ends + 1 END
				FROM loyalty.account a
				JOIN loyalty.tier t ON t.tier_id = a.tier_id
				CROSS JOIN LATERAL (SELECT greatest(a.tier_until, a.tier_locked_until) AS ends) e
				WHERE a.member_id = rebuild.member_id AND a.tier_until IS NOT NULL), 'infinity'::date),
			coalesce((
				-- a plan that may give a higher tier
				SELECT min(b.starts_on)
				FROM loyalty.member_plan b
				JOIN loyalty.account a ON a.member_id = b.member_id
				WHERE b.member_id = rebuild.member_id AND b.tier_id IS NOT NULL
				AND b.starts_on > a.settled_on AND b.ends_on >= b.starts_on), 'infinity'::date),
			coalesce((
				-- an automation that starts on a date, today if that has come
				SELECT min(greatest(d.due_on, (loyalty.now() AT TIME ZONE p.time_zone)::date))
				FROM loyalty.account a
				JOIN loyalty.program p ON p.program_id = a.program_id
				CROSS JOIN LATERAL loyalty.automation_due(a.member_id) d
				WHERE a.member_id = rebuild.member_id), 'infinity'::date)) AS due_on,
			least((SELECT min(h.expires_at) FROM loyalty.hold h
				WHERE h.member_id = rebuild.member_id AND h.status = 'held'),
				(SELECT min(y.reserved_until) FROM loyalty.coupon_use y
				WHERE y.member_id = rebuild.member_id AND y.status = 'reserved')) AS hold_until
		FROM folded f
	), written AS (
		UPDATE loyalty.account a
		SET wallet = r.wallet, due_on = r.due_on, hold_until = r.hold_until
		FROM right_row r
		WHERE a.member_id = rebuild.member_id
		AND (a.wallet OPERATOR(loyalty.<>) r.wallet OR a.due_on <> r.due_on
			OR a.hold_until IS DISTINCT FROM r.hold_until)
	)
	SELECT a.wallet OPERATOR(loyalty.<>) r.wallet
	FROM loyalty.account a
	CROSS JOIN right_row r
	WHERE a.member_id = rebuild.member_id;
END;
COMMENT ON FUNCTION loyalty.rebuild(bigint) IS
'Repair: makes the wallet anew from the ledger, and the dates that follow from it; true if the wallet was different';
