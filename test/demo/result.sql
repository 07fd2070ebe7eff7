-- What the replay came to on its last day, from the views that a report would use.
CREATE TABLE demo.balance_at_end AS
SELECT i.value::int AS customer_no, b.unit, b.available, b.pending, b.held, b.debt, b.next_expiry,
	b.next_expiry_amount
FROM loyalty.identity i, LATERAL loyalty.balance(i.member_id) b
WHERE i.kind = 'customer_no';

CREATE TABLE demo.tier_at_end AS
SELECT i.value::int AS customer_no, t.tier, t.tier_since, t.tier_until, t.tier_state
FROM loyalty.identity i, LATERAL loyalty.tier_current(i.member_id) t
WHERE i.kind = 'customer_no';

CREATE TABLE demo.progress_at_end AS
SELECT i.value::int AS customer_no, p.*
FROM loyalty.identity i, LATERAL loyalty.tier_progress(i.member_id) p
WHERE i.kind = 'customer_no';

CREATE TABLE demo.stage_at_end AS
SELECT i.value::int AS customer_no, s.stage, s.since_on
FROM loyalty.lifecycle_current s JOIN loyalty.identity i USING (member_id)
WHERE i.kind = 'customer_no';

-- What they were told, or will be when a channel takes it, with the day on which it was due.
CREATE TABLE demo.told AS
SELECT i.value::int AS customer_no, m.template, m.channel, (r.triggered_at AT TIME ZONE 'Europe/London')::date AS due_on,
	m.params
FROM loyalty.message m
	JOIN loyalty.automation_run r USING (member_id, run_id)
	JOIN loyalty.identity i USING (member_id)
WHERE i.kind = 'customer_no';

-- What counts for a limit that is not over yet.
CREATE TABLE demo.counter_at_end AS
SELECT i.value::int AS customer_no, u.code AS unit, l.expires_on, l.amount
FROM loyalty.identity i
	JOIN loyalty.account a USING (member_id), loyalty.wallet_lots(a.wallet) l
	JOIN loyalty.unit u ON u.unit_id = l.unit_id
WHERE i.kind = 'customer_no' AND u.kind = 'counter'
	AND l.expires_on >= (loyalty.now() AT TIME ZONE 'Europe/London')::date;

CREATE TABLE demo.campaign_result AS
SELECT c.campaign_id, c.name, c.title, count(*) FILTER (WHERE granted > 0) AS orders,
	count(DISTINCT member_id) FILTER (WHERE granted > 0) AS members,
	coalesce(sum(granted), 0) AS points,
	-- recorded only where it differs
	coalesce(sum(desired - granted), 0) AS cut
FROM loyalty.campaign c
	JOIN loyalty.rule r USING (campaign_id)
	LEFT JOIN (
		SELECT d.member_id, x.rule, x.desired, x.granted
		FROM loyalty.event_data d
		CROSS JOIN LATERAL jsonb_to_recordset(d.data -> 'awards') AS x(rule int, desired bigint, granted bigint)
		UNION ALL
		-- or the entries say it
		SELECT e.member_id, e.rule_id, NULL, e.amount
		FROM loyalty.journal j JOIN loyalty.entry e USING (member_id, journal_id)
		WHERE j.awarded_plainly) a ON a.rule = r.rule_id
GROUP BY c.campaign_id, c.name, c.title;

INSERT INTO demo.figure
SELECT 'members', count(*) FROM loyalty.report_member
UNION ALL
SELECT 'lines', count(*) FROM demo.line
UNION ALL
SELECT name, value
FROM (
	SELECT count(*) AS events,
		count(*) FILTER (WHERE event = 'purchase') AS orders,
		sum(amount) FILTER (WHERE event = 'purchase') AS order_amount,
		count(*) FILTER (WHERE kind = 'refund') AS refunds,
		sum(amount) FILTER (WHERE kind = 'refund') AS refund_amount,
		count(*) FILTER (WHERE kind = 'redeem') AS redemptions,
		count(DISTINCT member_id) FILTER (WHERE kind = 'redeem') AS members_redeemed
	FROM loyalty.report_event
) e, LATERAL (VALUES ('events', events), ('orders', orders), ('order_amount', order_amount),
	('refunds', refunds), ('refund_amount', refund_amount), ('redemptions', redemptions),
	('members_redeemed', members_redeemed)) f(name, value)
UNION ALL
SELECT name, value
FROM (
	SELECT count(*) AS cancelled_lines,
		count(*) FILTER (WHERE unmatched > 0) AS unmatched_lines,
		coalesce(sum(unmatched), 0) AS unmatched_quantity,
		coalesce(sum(unmatched * unit_price), 0) AS unmatched_amount
	FROM demo.cancelled_line
) c, LATERAL (VALUES ('cancelled_lines', cancelled_lines), ('unmatched_lines', unmatched_lines),
	('unmatched_quantity', unmatched_quantity), ('unmatched_amount', unmatched_amount)) f(name, value)
UNION ALL
SELECT name, coalesce(value, 0)
FROM (
	SELECT sum(amount) FILTER (WHERE event = 'purchase') AS issued,
		-- what leaves the pending lots when their day has come
		-sum(amount) FILTER (WHERE kind = 'vest' AND vests_on IS NOT NULL) AS vested,
		-sum(amount) FILTER (WHERE kind = 'refund') AS taken_back,
		-sum(amount) FILTER (WHERE kind = 'redeem') AS spent,
		-sum(amount) FILTER (WHERE kind = 'expire') AS expired
	FROM loyalty.report_ledger WHERE unit = 'points'
) l, LATERAL (VALUES ('issued', issued), ('vested', vested), ('taken_back', taken_back),
	('spent', spent), ('expired', expired)) f(name, value)
UNION ALL
SELECT name, value
FROM (
	SELECT sum(available) AS available, sum(pending) AS pending, sum(debt) AS debt,
		count(*) FILTER (WHERE debt > 0) AS members_in_debt
	FROM loyalty.report_balance WHERE unit = 'points'
) b, LATERAL (VALUES ('available', available), ('pending', pending), ('debt', debt),
	('members_in_debt', members_in_debt)) f(name, value)
UNION ALL
SELECT 'tier_' || t.code, count(e.tier)
FROM loyalty.tier t LEFT JOIN demo.tier_at_end e ON e.tier = t.code
GROUP BY t.code
UNION ALL
SELECT name, value
FROM (
	SELECT count(*) FILTER (WHERE action = 'promoted') AS promotions,
		count(*) FILTER (WHERE action = 'promoted' AND a.rank > b.rank + 1) AS promotions_skipping,
		count(*) FILTER (WHERE action = 'revoked') AS revocations,
		count(*) FILTER (WHERE action = 'prolonged') AS prolongations,
		count(*) FILTER (WHERE action = 'grace') AS graces,
		count(*) FILTER (WHERE action = 'demoted') AS demotions
	FROM loyalty.tier_history h
		LEFT JOIN loyalty.tier b ON b.tier_id = h.tier_before
		LEFT JOIN loyalty.tier a ON a.tier_id = h.tier_after
) h, LATERAL (VALUES ('promotions', promotions), ('promotions_skipping', promotions_skipping),
	('revocations', revocations), ('prolongations', prolongations), ('graces', graces),
	('demotions', demotions)) f(name, value)
UNION ALL
SELECT 'stage_' || stage, members FROM loyalty.report_lifecycle
UNION ALL
SELECT 'message_' || name, count(t.template)
FROM loyalty.automation LEFT JOIN demo.told t ON t.template = name
GROUP BY name
UNION ALL
SELECT 'stage_moves', sum(moves) FROM loyalty.report_lifecycle_move WHERE from_stage IS NOT NULL
UNION ALL
SELECT c.name || '_' || f.name, f.value
FROM demo.campaign_result c,
	LATERAL (VALUES ('orders', orders), ('members', members), ('points', points), ('cut', cut)) f(name, value)
UNION ALL
SELECT 'money_per_point', a.money::numeric / a.units / 100
FROM loyalty.unit_anchor a JOIN loyalty.unit u USING (unit_id) WHERE u.code = 'points';

CREATE FUNCTION demo.figure(name text) RETURNS numeric LANGUAGE sql STABLE
RETURN (SELECT f.value FROM demo.figure f WHERE f.name = figure.name);

CREATE FUNCTION demo.count_of(amount numeric) RETURNS text LANGUAGE sql STABLE
RETURN lpad(to_char(amount, 'FM999,999,999,990'), 12);

CREATE FUNCTION demo.money_of(amount numeric) RETURNS text LANGUAGE sql STABLE
RETURN lpad(to_char(amount, 'FM999,999,990.00'), 14);

CREATE FUNCTION demo.points_line(label text, points numeric, note text DEFAULT '')
RETURNS text LANGUAGE sql STABLE
RETURN rpad('  ' || label, 30) || demo.count_of(points)
	|| demo.money_of(points * demo.figure('money_per_point')) || note;

\pset format unaligned
\pset tuples_only on
SELECT format(E'%s: %s lines, %s to %s\n', :'source', to_char(count(*), 'FM999,999,999'),
	to_char(min(invoice_ts), 'FMDD FMMonth YYYY'), to_char(max(invoice_ts), 'FMDD FMMonth YYYY'))
FROM demo.line;

SELECT concat_ws(E'\n',
	rpad('Replay', 30) || lpad('number', 12) || lpad('GBP', 14),
	rpad('  members enrolled', 30) || demo.count_of(demo.figure('members')),
	rpad('  orders', 30) || demo.count_of(demo.figure('orders')) || demo.money_of(demo.figure('order_amount')),
	rpad('  refunds', 30) || demo.count_of(demo.figure('refunds')) || demo.money_of(demo.figure('refund_amount')),
	rpad('  cancelled lines', 30) || demo.count_of(demo.figure('cancelled_lines')),
	rpad('    not or not all matched', 30) || demo.count_of(demo.figure('unmatched_lines'))
		|| demo.money_of(demo.figure('unmatched_amount'))
		|| format('   %s pieces', to_char(demo.figure('unmatched_quantity'), 'FM999,999,990')),
	rpad('  vouchers', 30) || demo.count_of(demo.figure('redemptions'))
		|| demo.money_of(demo.figure('spent') * demo.figure('money_per_point'))
		|| format('   to %s members', to_char(demo.figure('members_redeemed'), 'FM999,999,990')),
	rpad('  events', 30) || demo.count_of(demo.figure('events'))
		|| format('   in %s s: %s per second', round(demo.figure('seconds'), 1),
			to_char(demo.figure('events') / demo.figure('seconds'), 'FM999,999,990')),
	rpad('  nights of maintenance', 30) || demo.count_of(demo.figure('nights'))
		|| format('   in %s s, the longest %s s', round(demo.figure('night_seconds'), 1),
			round(demo.figure('longest_night'), 2)),
	'',
	rpad('Points on ' || to_char(loyalty.now(), 'FMDD FMMonth YYYY'), 30) || lpad('points', 12) || lpad('worth GBP', 14),
	demo.points_line('issued', demo.figure('issued')),
	demo.points_line('taken back by refunds', -demo.figure('taken_back')),
	demo.points_line('spent', -demo.figure('spent')),
	demo.points_line('expired', -demo.figure('expired')),
	demo.points_line('outstanding', demo.figure('available') + demo.figure('pending') - demo.figure('debt')),
	demo.points_line('  available', demo.figure('available')),
	demo.points_line('  pending', demo.figure('pending')),
	demo.points_line('  debt', -demo.figure('debt'),
		format('   %s members', demo.figure('members_in_debt'))),
	demo.points_line('vested so far', demo.figure('vested')),
	'');

SELECT rpad('Tiers on ' || to_char(loyalty.now(), 'FMDD FMMonth YYYY'), 30) || lpad('members', 12);
SELECT rpad('  ' || code, 30) || demo.count_of(demo.figure('tier_' || code))
FROM loyalty.tier ORDER BY rank DESC;
SELECT concat_ws(E'\n',
	rpad('Changes so far', 30) || lpad('number', 12),
	rpad('  promoted', 30) || demo.count_of(demo.figure('promotions'))
		|| format('   %s of them past a tier', to_char(demo.figure('promotions_skipping'), 'FM999,999,990')),
	rpad('  taken back after a refund', 30) || demo.count_of(demo.figure('revocations')),
	rpad('  kept for another period', 30) || demo.count_of(demo.figure('prolongations')),
	rpad('  let into grace', 30) || demo.count_of(demo.figure('graces')),
	rpad('  demoted', 30) || demo.count_of(demo.figure('demotions')));

SELECT E'\n' || rpad('Stages on ' || to_char(loyalty.now(), 'FMDD FMMonth YYYY'), 30) || lpad('members', 12);
SELECT rpad('  ' || name, 30) || demo.count_of(demo.figure('stage_' || name))
FROM loyalty.tag WHERE dimension = 'lifecycle' ORDER BY position;
SELECT rpad('  changes so far', 30) || demo.count_of(demo.figure('stage_moves'));

SELECT E'\n' || rpad('Messages so far', 30) || lpad('number', 12);
SELECT rpad('  ' || name, 30) || demo.count_of(demo.figure('message_' || name))
	|| format('   by %s to %s members: %s', channel, to_char(count(DISTINCT customer_no), 'FM999,999,990'), lower(title))
FROM loyalty.automation JOIN loyalty.automation_step USING (automation_id) LEFT JOIN demo.told t USING (channel)
WHERE t.template = name
GROUP BY name, channel, title
ORDER BY name;

SELECT E'\n' || rpad('Campaigns', 30) || lpad('points', 12) || lpad('worth GBP', 14)
	|| lpad('orders', 10) || lpad('members', 10) || lpad('cut off', 12);
SELECT rpad('  ' || name, 30) || demo.count_of(points) || demo.money_of(points * demo.figure('money_per_point'))
	|| lpad(to_char(orders, 'FM999,999,990'), 10) || lpad(to_char(members, 'FM999,999,990'), 10)
	|| demo.count_of(cut)
FROM demo.campaign_result ORDER BY campaign_id;
SELECT rpad('  December''s budget', 30) || demo.count_of(amount)
	|| demo.money_of(amount * demo.figure('money_per_point')) || format(E'   %s used\n', to_char(used, 'FM999,999,990'))
FROM loyalty.budget_status;

\pset format aligned
\pset tuples_only off
\pset border 0
\pset footer off
\pset null ''
\echo Points month by month
WITH month AS (
	SELECT date_trunc('month', day)::date AS month,
		sum(net) FILTER (WHERE kind = 'event') AS issued,
		-- credited, not net: a debt that is paid comes out of it
		sum(credited) FILTER (WHERE kind = 'vest') AS vested,
		sum(net) FILTER (WHERE kind = 'refund') AS taken_back,
		sum(net) FILTER (WHERE kind = 'redeem') AS spent,
		sum(net) FILTER (WHERE kind = 'expire') AS expired,
		sum(net) AS change
	FROM loyalty.report_daily
	WHERE program = 'demo' AND unit = 'points'
	GROUP BY 1
)
SELECT to_char(month, '  YYYY-MM') AS "  month  ",
	to_char(coalesce(issued, 0), '99,999,999') AS "     issued",
	to_char(coalesce(vested, 0), '99,999,999') AS "     vested",
	to_char(coalesce(taken_back, 0), '99,999,999') AS " taken back",
	to_char(coalesce(spent, 0), '99,999,999') AS "      spent",
	to_char(coalesce(expired, 0), '99,999,999') AS "    expired",
	to_char(sum(change) OVER (ORDER BY month), '99,999,999') AS "outstanding"
FROM month
ORDER BY month;
