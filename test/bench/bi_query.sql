-- What is asked, of how many days, and the slow way to the same answer over the ledger,
-- where it is short.
\set ON_ERROR_STOP on

SELECT p.program_id AS program, (now() AT TIME ZONE p.time_zone)::date AS until
FROM loyalty.program p WHERE p.name = 'bench' \gset

CREATE TABLE bench.query (
	position serial PRIMARY KEY,
	title    text NOT NULL UNIQUE,
	statement text NOT NULL,
	-- the same rows, from the ledger itself
	slow     text,
	-- milliseconds; NULL: none
	target   int DEFAULT 200
);
CREATE TABLE bench.timing (position int NOT NULL, elapsed numeric NOT NULL, cpu numeric NOT NULL);

-- The ledger as one would read it: orders, and refunds on their own day.
CREATE VIEW bench.sold AS
SELECT j.member_id, (j.effective_at AT TIME ZONE 'Asia/Shanghai')::date AS day, 1 AS orders, j.amount, 0 AS refunds, 0::bigint AS refunded,
	j.store
FROM loyalty.journal j WHERE j.kind = 'event' AND j.event = 'purchase'
UNION ALL
SELECT j.member_id, (j.effective_at AT TIME ZONE 'Asia/Shanghai')::date, 0, 0, 1, j.amount, o.store
FROM loyalty.journal j
JOIN loyalty.journal o ON o.member_id = j.member_id AND o.ref = j.reverses AND o.kind = 'event' AND o.event = 'purchase'
WHERE j.kind = 'refund';

CREATE VIEW bench.bought AS
SELECT s.member_id, s.day, row_number() OVER (PARTITION BY s.member_id ORDER BY s.day) AS nth
FROM bench.sold s WHERE s.orders = 1;

CREATE FUNCTION bench.filled(query text, since timestamp, until date, grain text) RETURNS text LANGUAGE sql
RETURN replace(replace(replace(query, '{since}', format('date %L', since::date)), '{until}', format('date %L', until)), '{grain}', quote_literal(grain));

-- Reports over a year and over 30 days: {since} and {until} are the range, {grain} what suits it.
INSERT INTO bench.query (title, statement, slow)
SELECT x.title, x.statement, x.slow
FROM (VALUES
	('`report_headline`, {range}', $$report_headline('bench', {since}, {until})$$, NULL),
	('`report_sale` by {grain}, {range}', $$report_sale('bench', {since}, {until}, grain => {grain})$$,
		$$SELECT greatest(date_trunc({grain}, s.day)::date, {since}) AS period, NULL::text, sum(s.orders), sum(s.amount) / 100.0, sum(s.refunds),
			sum(s.refunded) / 100.0, sum(s.amount - s.refunded) / 100.0, round(round(sum(s.amount) / nullif(sum(s.orders), 0)) / 100, 2), 'CNY'
		FROM bench.sold s WHERE s.day BETWEEN {since} AND {until} GROUP BY 1$$),
	('`report_sale` by store, {range}', $$report_sale('bench', {since}, {until}, by => 'store')$$,
		$$SELECT {since}, s.store, sum(s.orders), sum(s.amount) / 100.0, sum(s.refunds), sum(s.refunded) / 100.0,
			sum(s.amount - s.refunded) / 100.0, round(round(sum(s.amount) / nullif(sum(s.orders), 0)) / 100, 2), 'CNY'
		FROM bench.sold s WHERE s.day BETWEEN {since} AND {until} GROUP BY s.store$$),
	('`report_growth` by {grain}, {range}', $$report_growth('bench', {since}, {until}, grain => {grain})$$,
		$$SELECT x.period, NULL::text, x.joined, 0, 0, sum(x.joined) OVER (ORDER BY x.period) + (
			SELECT count(*) FROM loyalty.member m WHERE (m.joined_at AT TIME ZONE 'Asia/Shanghai')::date < {since})
		FROM (SELECT greatest(date_trunc({grain}, d.day)::date, {since}) AS period, count(m.member_id) AS joined
			FROM generate_series({since}, {until}, interval '1 day') d (day)
			LEFT JOIN loyalty.member m ON (m.joined_at AT TIME ZONE 'Asia/Shanghai')::date = d.day GROUP BY 1) x$$),
	('`report_active`, {range}', $$report_active('bench', {until})$$,
		$$SELECT NULL::text, d.days, count(DISTINCT j.member_id), m.members, round(count(DISTINCT j.member_id)::numeric / m.members, 4)
		FROM (VALUES (1), (7), (30), (90)) d (days)
		JOIN (SELECT member_id, (effective_at AT TIME ZONE 'Asia/Shanghai')::date AS day FROM loyalty.journal
			WHERE (kind = 'event' AND event <> 'signup') OR kind IN ('redeem', 'coupon_use')) j ON j.day > {until} - d.days AND j.day <= {until},
		(SELECT count(*) AS members FROM loyalty.member WHERE (joined_at AT TIME ZONE 'Asia/Shanghai')::date <= {until}) m
		GROUP BY d.days, m.members$$),
	('`report_buyer`, {range}', $$report_buyer('bench', {since}, {until})$$,
		$$SELECT {since}, NULL::text, b.buyers, b.new, b.buyers - b.new, round((b.buyers - b.new)::numeric / b.buyers, 4), b.again,
			round(b.again::numeric / b.buyers, 4), b.orders, round(b.orders::numeric / b.buyers, 4)
		FROM (SELECT count(*) AS buyers, count(*) FILTER (WHERE m.first_nth = 1) AS new, count(*) FILTER (WHERE m.last_nth > 1) AS again,
				sum(m.orders) AS orders
			FROM (SELECT member_id, min(nth) AS first_nth, max(nth) AS last_nth, count(*) AS orders FROM bench.bought
				WHERE day BETWEEN {since} AND {until} GROUP BY member_id) m) b$$),
	('`report_buyer` by {grain}, {range}', $$report_buyer('bench', {since}, {until}, grain => {grain})$$, NULL),
	('`report_cohort`, {range}', $$report_cohort('bench', {since}, {until})$$, NULL),
	('`report_rfm`, yesterday', $$report_rfm('bench', {until} - 1)$$, NULL),
	('`report_rfm_segment`, yesterday', $$report_rfm_segment('bench', {until} - 1)$$, NULL),
	('`report_product`, {range}', $$report_product('bench', {since}, {until})$$, NULL),
	('`report_product` by tier, {range}', $$report_product('bench', {since}, {until}, by => 'tier')$$, NULL),
	('`report_product` of categories, {range}', $$report_product('bench', {since}, {until}, kind => 'category')$$, NULL),
	('`report_points` by {grain}, {range}', $$report_points('bench', {since}, {until}, grain => {grain})$$, NULL),
	('`report_points_usage`, {range}', $$report_points_usage('bench', {since}, {until})$$, NULL),
	('`report_expiry`, {range}', $$report_expiry('bench', at => {until})$$, NULL),
	('`report_liability`, {range}', $$report_liability('bench', {until})$$, NULL),
	('`report_liability_schedule`, {range}', $$report_liability_schedule('bench', 'points', {until})$$, NULL),
	('`report_breakage`, {range}', $$report_breakage('bench')$$, NULL),
	('`report_tier`, {range}', $$report_tier('bench', {until})$$, NULL),
	('`report_tier_move`, {range}', $$report_tier_move('bench', {since}, {until})$$, NULL),
	('`report_coupon_funnel`, {range}', $$report_coupon_funnel('bench', {since}, {until})$$, NULL),
	('`report_campaign_cost`, {range}', $$report_campaign_cost('bench', {since}, {until})$$, NULL),
	('`report_automation_cost`, {range}', $$report_automation_cost('bench', {since}, {until})$$, NULL),
	('`report_uplift`, {range}', $$report_uplift('bench', 'second_order', {since}, {until})$$, NULL),
	('`report_message_funnel`, {range}', $$report_message_funnel('bench', {since}, {until})$$,
		$$SELECT m.channel, m.template, count(*), count(*) FILTER (WHERE m.status = 'done'), count(*) FILTER (WHERE f.kinds && '{delivered,opened,clicked}'),
			count(*) FILTER (WHERE f.kinds && '{opened,clicked}'), count(*) FILTER (WHERE f.kinds && '{clicked}'), 0, 0,
			count(*) FILTER (WHERE m.status = 'suppressed'), count(*) FILTER (WHERE m.status = 'expired'), count(*) FILTER (WHERE m.status = 'dead'),
			count(*) FILTER (WHERE m.status = 'cancelled'),
			round(count(*) FILTER (WHERE f.kinds && '{delivered,opened,clicked}')::numeric / nullif(count(*) FILTER (WHERE m.status = 'done'), 0), 4),
			round(count(*) FILTER (WHERE f.kinds && '{opened,clicked}')::numeric / nullif(count(*) FILTER (WHERE f.kinds && '{delivered,opened,clicked}'), 0), 4),
			round(count(*) FILTER (WHERE f.kinds && '{clicked}')::numeric / nullif(count(*) FILTER (WHERE f.kinds && '{opened,clicked}'), 0), 4)
		FROM loyalty.message m
		LEFT JOIN (SELECT x.member_id, x.message_id, array_agg(x.kind) AS kinds FROM loyalty.message_feedback x GROUP BY 1, 2) f USING (member_id, message_id)
		WHERE (m.created_at AT TIME ZONE 'Asia/Shanghai')::date BETWEEN {since} AND {until} GROUP BY 1, 2$$),
	('`report_kpi`, {range}', $$report_kpi('bench', {until})$$, NULL),
	('`report_member_share`, {range}', $$report_member_share('bench', {since}, {until})$$, NULL),
	('`dashboard`, {range}', $$dashboard('bench', {since}, {until})$$, NULL)) q (title, call, slow)
CROSS JOIN (VALUES ('a year', '364 days', 'month'), ('30 days', '29 days', 'day')) r (range, length, grain)
CROSS JOIN LATERAL (SELECT replace(replace(q.title, '{grain}', r.grain), '{range}', CASE WHEN q.call ~ '\{since\}' THEN r.range ELSE 'now' END) AS title,
	bench.filled('SELECT * FROM loyalty.' || q.call, date :'until' - r.length::interval, :'until', r.grain) AS statement,
	bench.filled(q.slow, date :'until' - r.length::interval, :'until', r.grain) AS slow) x
-- what knows no range is asked once
WHERE r.range = 'a year' OR q.call ~ '\{since\}'
ORDER BY r.range = '30 days';

-- The views, as somebody looks at one member or one day.
INSERT INTO bench.query (title, statement)
SELECT '`' || v.name || '` of a member', format('SELECT * FROM loyalty.%I WHERE member_id = %s', v.name, m.member_id)
FROM (SELECT member_id FROM loyalty.account ORDER BY purchases DESC, member_id LIMIT 1) m,
	(VALUES ('report_member'), ('report_balance'), ('report_lot'), ('report_ledger'), ('report_event'), ('report_tier_history'),
		('report_member_coupon'), ('report_coupon_use'), ('report_hold')) v (name);
INSERT INTO bench.query (title, statement) VALUES
	('`report_campaign`', $$SELECT * FROM loyalty.report_campaign WHERE program = 'bench'$$),
	('`report_lifecycle`', $$SELECT * FROM loyalty.report_lifecycle WHERE program = 'bench'$$);

-- An analysis of the orders of each member who is compared, which no dashboard shows; and
-- a page of twenty queries, each of which is above.
UPDATE bench.query SET target = NULL WHERE title ~ '^`(report_uplift|dashboard)`';

GRANT USAGE ON SCHEMA bench TO PUBLIC;
SELECT loyalty.setup_roles('bench_bi') \g /dev/null
DROP ROLE IF EXISTS bench_bi_analyst;
CREATE ROLE bench_bi_analyst LOGIN IN ROLE bench_bi_reader;
-- what passed, and what of it the processor worked
ALTER ROLE bench_bi_analyst SET log_statement_stats = on;
ALTER ROLE bench_bi_analyst SET client_min_messages = log;
