-- Two years of a shop, by the extension's own verbs, for as many members as there are
-- patterns: joining, orders with items, refunds, redemptions, coupons, a campaign with
-- a budget, an automation with a holdout, messages and what became of them. What lapses
-- and which tier is reviewed is the work of maintenance, every morning. Each value is a
-- hash of what it belongs to, so that two runs on one day write the same.
-- Variables: patterns, orders (how many a member has on average, in hundredths)
\set ON_ERROR_STOP on
SET synchronous_commit = off;
SET jit = off;

CREATE EXTENSION loyalty;
CREATE SCHEMA bench;

SELECT loyalty.program_create('bench', 'CNY', 'Asia/Shanghai') AS program \gset
-- the verdicts of the rules are in no report
UPDATE loyalty.program SET explain = false WHERE program_id = :program;
SELECT unit_id AS points FROM loyalty.unit WHERE program_id = :program AND code = 'points' \gset
INSERT INTO loyalty.tier (program_id, code, rank, title, valid_months, valid_round) VALUES
	(:program, 'member', 0, 'Member', NULL, 'day'), (:program, 'silver', 1, 'Silver', 12, 'month'),
	(:program, 'gold', 2, 'Gold', 12, 'month'), (:program, 'diamond', 3, 'Diamond', 12, 'month');
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, months)
SELECT t.program_id, t.tier_id, u.unit_id, v.threshold, 12
FROM loyalty.tier t
JOIN (VALUES ('silver', 800), ('gold', 3000), ('diamond', 9000)) v (code, threshold) USING (code)
JOIN loyalty.unit u ON u.program_id = t.program_id AND u.code = 'spend'
WHERE t.program_id = :program;

-- every autumn, live from the beginning
INSERT INTO loyalty.campaign (program_id, name, title, starts_at, ends_at)
SELECT :program, 'autumn_' || y, 'Autumn ' || y, make_timestamptz(y, 9, 1, 0, 0, 0, 'Asia/Shanghai'),
	make_timestamptz(y, 12, 1, 0, 0, 0, 'Asia/Shanghai')
FROM generate_series(extract(year FROM current_date)::int - 2, extract(year FROM current_date)::int) y;
INSERT INTO loyalty.rule (program_id, event, unit_id, name, campaign_id, kind, award)
SELECT program_id, 'purchase', :points, name, campaign_id, 'fixed', 5 FROM loyalty.campaign WHERE program_id = :program;
SELECT loyalty.budget_set('bench', 'points', 100 * :patterns, campaign => name) FROM loyalty.campaign WHERE program_id = :program \g /dev/null
UPDATE loyalty.campaign SET status = 'live' WHERE program_id = :program;

INSERT INTO loyalty.coupon (program_id, name, title, kind, amount, valid_days)
SELECT :program, name, title, 'amount', amount, 45
FROM (VALUES ('welcome', 'Welcome', 10), ('ten_off', '10 off', 10), ('winback', 'Come back', 20)) v (name, title, amount);
-- that of new members is a campaign of its own
INSERT INTO loyalty.campaign (program_id, name, title, status) VALUES (:program, 'welcome', 'Welcome', 'live');
UPDATE loyalty.coupon SET campaign_id = (SELECT c.campaign_id FROM loyalty.campaign c WHERE c.program_id = :program AND c.name = 'welcome')
WHERE program_id = :program AND name = 'welcome';

INSERT INTO loyalty.message_channel (program_id, name) VALUES (:program, 'app');
INSERT INTO loyalty.automation (program_id, name, title, trigger_kind, trigger_name, once, holdout, goal_event, goal_days, purpose)
VALUES (:program, 'second_order', 'A reason to come again', 'event', 'purchase', 'ever', 10, 'purchase', 60, 'service')
RETURNING automation_id AS second_order \gset
INSERT INTO loyalty.automation_step (automation_id, position, program_id, kind, unit_id, amount, channel, template) VALUES
	(:second_order, 10, :program, 'award', :points, 20, NULL, NULL),
	(:second_order, 20, :program, 'message', NULL, NULL, 'app', 'second_order');
UPDATE loyalty.automation SET status = 'live' WHERE automation_id = :second_order;

-- 0 .. sides - 1, and 0 .. 1
CREATE FUNCTION bench.dice(what text, sides int) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN abs(hashtextextended(what, 0) % sides)::int;
CREATE FUNCTION bench.chance(what text) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN abs(hashtextextended(what, 0) % 1000000) / 1000000.0::float8;

-- The two years end yesterday. A third of the members is there after two months;
-- the heavy buyers are 5 % and place 40 % of the orders, two thirds seldom come again.
CREATE TABLE bench.span AS
SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date - 731 AS first_day, 731 AS days;
CREATE TABLE bench.customer AS
SELECT n, NULL::bigint AS member_id,
	CASE WHEN bench.dice('early/' || n, 3) = 0 THEN bench.dice('join/' || n, 60) ELSE bench.dice('join/' || n, 731) END AS joins,
	CASE WHEN bench.dice('kind/' || n, 100) < 5 THEN 8.0 WHEN bench.dice('kind/' || n, 100) < 35 THEN 1.35 ELSE 0.3 END AS weight,
	bench.dice('store/' || n, 50) AS store
FROM generate_series(1, :patterns) n;

-- How many orders: by weight, and by how long he has been there.
CREATE TABLE bench.sale AS
SELECT c.n, c.n || '-' || k AS ref, day, day::timestamp + make_interval(mins => 480 + bench.dice('minute/' || c.n || '/' || k, 780)) AS at,
	CASE WHEN bench.dice('away/' || c.n || '/' || k, 5) = 0 THEN bench.dice('other/' || c.n || '/' || k, 50) ELSE c.store END AS store
FROM bench.span s, bench.customer c,
	LATERAL (SELECT c.weight * :orders / 100.0 * (s.days - c.joins) / s.days * 1.37 AS expected) e,
	LATERAL generate_series(1, floor(e.expected * (0.5 + bench.chance('many/' || c.n)) + bench.chance('more/' || c.n))::int) k,
	-- more of them soon after joining
	LATERAL (SELECT s.first_day + c.joins + floor((s.days - c.joins) * power(bench.chance('day/' || c.n || '/' || k), 1.3))::int AS day) d;

-- 200 articles in ten colours, of which some sell much more than others. The copies of
-- a pattern have other colours: see bi_copy.sql.
CREATE TABLE bench.basket AS
SELECT b.ref, sum(b.qty * b.price) AS amount, jsonb_agg(jsonb_build_object('sku', format('A%s-x', b.article), 'category', 'c' || b.article % 20,
	'brand', 'b' || b.article % 40, 'qty', b.qty, 'price', b.price)) AS items
FROM (
	SELECT s.ref, a.article, 1 + bench.dice('qty/' || s.ref || a.i, 3) / 2 AS qty, (19 + 7 * (a.article % 23))::numeric AS price
	FROM bench.sale s,
		LATERAL (SELECT DISTINCT ON (article) floor(200 * power(bench.chance('article/' || s.ref || i), 2.2))::int AS article, i
			FROM generate_series(1, 1 + bench.dice('lines/' || s.ref, 3)) i) a) b
GROUP BY b.ref;

CREATE TABLE bench.call (day date, at timestamptz, n int, verb text, ref text, amount numeric, items jsonb, data jsonb);
INSERT INTO bench.call
SELECT s.day, s.at AT TIME ZONE 'Asia/Shanghai', s.n, 'purchase', s.ref, b.amount, b.items,
	jsonb_build_object('channel', (ARRAY['store', 'store', 'app', 'web', 'wechat'])[1 + bench.dice('channel/' || s.ref, 5)],
		'store', 'S' || to_char(s.store, 'FM00'), 'staff', 'E' || to_char(s.store * 4 + bench.dice('staff/' || s.ref, 4), 'FM000'))
FROM bench.sale s JOIN bench.basket b USING (ref);
-- one order in 25 comes back, half of them only in part
INSERT INTO bench.call
SELECT c.day + w.days, (c.day + w.days + time '21:30') AT TIME ZONE 'Asia/Shanghai', c.n, 'refund', c.ref,
	CASE WHEN bench.dice('part/' || c.ref, 2) = 0 THEN round(c.amount / 2, 2) END
FROM bench.call c, LATERAL (SELECT 1 + bench.dice('back/' || c.ref, 20) AS days) w, bench.span s
WHERE c.verb = 'purchase' AND bench.dice('refund/' || c.ref, 25) = 0 AND c.day + w.days < s.first_day + s.days;
-- after one order in six some of the points are spent
INSERT INTO bench.call
SELECT day, (day + time '21:40') AT TIME ZONE 'Asia/Shanghai', n, 'redeem', 'r' || ref
FROM bench.call WHERE verb = 'purchase' AND bench.dice('spend/' || ref, 6) = 0;
-- who has joined gets a coupon, one in eight, and who has not come for long
INSERT INTO bench.call
SELECT s.first_day + c.joins, (s.first_day + c.joins + time '21:45') AT TIME ZONE 'Asia/Shanghai', c.n, 'issue', 'welcome'
FROM bench.customer c, bench.span s WHERE bench.dice('coupon/' || c.n, 8) = 0
UNION ALL
SELECT day + 20, (day + 20 + time '21:45') AT TIME ZONE 'Asia/Shanghai', n, 'issue', CASE WHEN n % 2 = 0 THEN 'ten_off' ELSE 'winback' END
FROM bench.call, bench.span s
WHERE verb = 'purchase' AND bench.dice('again/' || ref, 50) = 0 AND day + 20 < s.first_day + s.days;
CREATE INDEX ON bench.call (day, verb, at);
CREATE INDEX ON bench.customer (joins);
ANALYZE bench.call, bench.customer, bench.sale;

-- Orders that a coupon is used with: the member's next after he got one.
CREATE FUNCTION bench.use_coupons(today date) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(u.status)
	FROM (
		SELECT DISTINCT ON (m.member_id) m.member_id, m.coupon_no, c.ref, k.amount
		FROM bench.call c
		JOIN bench.customer o USING (n)
		JOIN loyalty.member_coupon m ON m.member_id = o.member_id AND m.uses = 0 AND m.valid_until >= today
		JOIN loyalty.coupon k ON k.coupon_id = m.coupon_id
		WHERE c.day = today AND c.verb = 'purchase' AND c.amount > k.amount
		ORDER BY m.member_id, c.ref, m.coupon_no) x,
	LATERAL loyalty.coupon_use(x.member_id, '#' || x.coupon_no, x.ref, x.amount, mode => 'try') u
$$;

CREATE FUNCTION bench.set_clock(today date, hour text) RETURNS text LANGUAGE sql
RETURN set_config('loyalty.now', ((today + hour::time) AT TIME ZONE 'Asia/Shanghai')::text, false);

CREATE FUNCTION bench.work(job text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	turn record;
BEGIN
	LOOP
		SELECT * INTO turn FROM loyalty.maintain_batch(job, 5000);
		EXIT WHEN NOT turn.left_over;
	END LOOP;
END
$$;

CREATE PROCEDURE bench.two_years() LANGUAGE plpgsql AS $$
DECLARE
	s bench.span;
	today date;
BEGIN
	SELECT * INTO s FROM bench.span;
	FOR d IN 0 .. s.days - 1 LOOP
		today := s.first_day + d;
		PERFORM bench.set_clock(today, '00:10');
		PERFORM bench.work('account');
		PERFORM bench.set_clock(today, '07:00');
		UPDATE bench.customer c
		SET member_id = (loyalty.enroll('bench', jsonb_build_object('customer_no', 'N' || c.n),
			data => jsonb_build_object('channel', 'store', 'store', 'S' || to_char(c.store, 'FM00')))).member_id
		WHERE c.joins = d;
		PERFORM bench.set_clock(today, '21:15');
		PERFORM count(p.status)
		FROM (SELECT * FROM bench.call WHERE day = today AND verb = 'purchase' ORDER BY at) c
		JOIN bench.customer o USING (n), LATERAL loyalty.purchase(o.member_id, c.amount, c.ref, c.items, c.data, c.at) p;
		PERFORM bench.use_coupons(today);
		PERFORM bench.set_clock(today, '21:30');
		PERFORM count(p.status)
		FROM bench.call c JOIN bench.customer o USING (n),
			LATERAL loyalty.refund(o.member_id, c.ref, c.amount, refund_ref => 'back-' || c.ref) p
		WHERE c.day = today AND c.verb = 'refund';
		PERFORM bench.set_clock(today, '21:40');
		-- half of what there is, in tens
		PERFORM count(p.status)
		FROM bench.call c JOIN bench.customer o USING (n),
			LATERAL (SELECT trunc(b.available / 20) * 10 AS amount FROM loyalty.balance(o.member_id, 'points') b) b,
			LATERAL loyalty.redeem(o.member_id, b.amount, ref => c.ref, mode => 'try') p
		WHERE c.day = today AND c.verb = 'redeem' AND b.amount > 0;
		PERFORM bench.set_clock(today, '21:45');
		PERFORM count(p.status)
		FROM bench.call c JOIN bench.customer o USING (n), LATERAL loyalty.coupon_issue(o.member_id, c.ref, c.ref || today) p
		WHERE c.day = today AND c.verb = 'issue';
		PERFORM bench.set_clock(today, '21:50');
		PERFORM bench.work('run');
		PERFORM bench.set_clock(today, '22:00');
		PERFORM count(loyalty.message_done(t.member_id, t.message_id)) FROM loyalty.message_take('app', 1000) t;
		PERFORM count(loyalty.message_feedback(m.member_id, m.message_id, f.kind))
		FROM loyalty.message m,
			LATERAL (VALUES ('delivered', 100), ('opened', 40), ('clicked', 8)) f (kind, percent)
		WHERE m.ended_at > loyalty.now() - interval '1 hour' AND m.status = 'done' AND m.message_id % 100 < f.percent;
		COMMIT;
		IF d IN (30, 100) THEN
			ANALYZE;
		END IF;
	END LOOP;
	PERFORM set_config('loyalty.now', '', false);
	PERFORM bench.work('account');
END
$$;
CALL bench.two_years();

-- What maintenance would have done on the way, and how fast.
CREATE TABLE bench.fold (folded bigint NOT NULL, seconds numeric NOT NULL, tail bigint);
CREATE PROCEDURE bench.fold_all() LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz := clock_timestamp();
	turn record;
	n bigint := 0;
BEGIN
	LOOP
		SELECT * INTO turn FROM loyalty.report_fold(5000);
		COMMIT;
		n := n + turn.done;
		EXIT WHEN NOT turn.left_over;
	END LOOP;
	INSERT INTO bench.fold VALUES (n, round(extract(epoch FROM clock_timestamp() - began), 1));
	IF n <> (SELECT count(*) FROM loyalty.journal) THEN
		RAISE EXCEPTION '% rows are folded', n;
	END IF;
END
$$;
VACUUM (ANALYZE);
CALL bench.fold_all();
