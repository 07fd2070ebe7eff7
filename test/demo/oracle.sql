-- What the job must come to, worked out from demo.line alone: no function of
-- the extension, none of its rules, none of the demo's own preparation. The
-- matching is done with ranges instead of a loop; tiers and points are followed
-- member by member, the points in a table of lots.
--
-- psql variables: vest_days, december_budget, months_ahead (how far the clock
-- runs on after the last line).
CREATE SCHEMA oracle;
SET search_path = oracle, pg_catalog, pg_temp;

CREATE TABLE invoice AS
SELECT invoice_no, min(customer_no) AS customer_no, min(invoice_ts)::date AS day,
	row_number() OVER (ORDER BY min(invoice_ts), min(line_no)) AS place
FROM demo.line
WHERE customer_no IS NOT NULL
GROUP BY invoice_no;
CREATE UNIQUE INDEX ON invoice (invoice_no);

-- Orders, in pence.
CREATE TABLE sale AS
SELECT i.*, (100 * round(sum(quantity * unit_price), 2))::bigint AS pence,
	date_trunc('month', i.day)::date AS month
FROM demo.line JOIN invoice i USING (invoice_no)
WHERE left(invoice_no, 1) <> 'C' AND quantity > 0 AND unit_price > 0
GROUP BY i.invoice_no, i.customer_no, i.day, i.place;
CREATE UNIQUE INDEX ON sale (invoice_no);

-- Newest earlier sale first is a stack of pieces. The stack of a customer and
-- a product has a height: a sale covers the heights from before it to after it,
-- a cancellation uncovers those from after it to before it and never goes below
-- the ground. What covers a height is the newest sale that reached it.
CREATE TABLE movement AS
WITH moved AS (
	SELECT i.customer_no, l.stock_code, l.line_no, i.place, i.invoice_no, unit_price,
		left(i.invoice_no, 1) = 'C' AS back, l.quantity, l.description ~ '(^| )BAGS?( |$)' AS bag,
		sum(l.quantity) OVER past AS total
	FROM demo.line l JOIN invoice i USING (invoice_no)
	WHERE CASE left(i.invoice_no, 1) WHEN 'C' THEN quantity < 0 ELSE quantity > 0 AND unit_price > 0 END
	WINDOW past AS (PARTITION BY i.customer_no, stock_code ORDER BY place, line_no)
), height AS (
	SELECT *, total - least(0, min(total) OVER past) AS after
	FROM moved
	WINDOW past AS (PARTITION BY customer_no, stock_code ORDER BY place, line_no)
), step AS (
	SELECT *, row_number() OVER past AS nth, coalesce(lag(after) OVER past, 0) AS before
	FROM height
	WINDOW past AS (PARTITION BY customer_no, stock_code ORDER BY place, line_no)
)
SELECT customer_no, stock_code, nth, place, invoice_no, back, quantity, unit_price, bag,
	before - after AS uncovered,
	int8range(least(before, after), greatest(before, after)) AS heights
FROM step;
CREATE INDEX ON movement (customer_no, stock_code, nth);
ANALYZE movement;

CREATE TABLE piece AS
SELECT c.invoice_no AS cancellation, c.place, s.invoice_no, s.unit_price, s.bag,
	upper(part) - lower(part) AS quantity
FROM movement c
	JOIN movement s ON s.customer_no = c.customer_no AND s.stock_code = c.stock_code
		AND s.nth < c.nth AND NOT s.back AND s.heights && c.heights,
	LATERAL (
		SELECT int8multirange(s.heights * c.heights)
			- coalesce(range_agg(newer.heights), int8multirange()) AS parts
		FROM movement newer
		WHERE newer.customer_no = c.customer_no AND newer.stock_code = c.stock_code
			AND newer.nth > s.nth AND newer.nth < c.nth AND NOT newer.back
	) covered,
	unnest(parts) part
WHERE c.back;

CREATE TABLE unmatched AS
SELECT count(*) AS lines, coalesce(sum(-quantity - uncovered), 0) AS quantity,
	coalesce(sum((-quantity - uncovered) * unit_price), 0) AS amount
FROM movement
WHERE back AND -quantity > uncovered;

-- One refund for each order that a cancellation touches, the newest first.
CREATE TABLE refund AS
SELECT customer_no, b.day, b.place, row_number() OVER (PARTITION BY cancellation ORDER BY s.place DESC) AS nth,
	cancellation || CASE WHEN row_number() OVER (PARTITION BY cancellation ORDER BY s.place DESC) > 1
		THEN '/' || row_number() OVER (PARTITION BY cancellation ORDER BY s.place DESC) ELSE '' END AS refund_ref,
	s.invoice_no, (100 * round(p.amount, 2))::bigint AS pence, (100 * round(p.bags, 2))::bigint AS bag_pence
FROM (
	SELECT cancellation, invoice_no, sum(quantity * unit_price) AS amount,
		coalesce(sum(quantity * unit_price) FILTER (WHERE bag), 0) AS bags
	FROM piece
	GROUP BY cancellation, invoice_no
) p
	JOIN sale s USING (invoice_no)
	JOIN (SELECT invoice_no AS cancellation, day, place FROM invoice) b USING (cancellation);

-- Tiers. What has been spent (pence) and ordered in each month, as far as the
-- life of a member has come.
CREATE TABLE month_so_far (
	customer_no int    NOT NULL,
	month       date   NOT NULL,
	spend       bigint NOT NULL,
	orders      bigint NOT NULL,
	PRIMARY KEY (customer_no, month)
);

CREATE TABLE tier (
	rank        int     NOT NULL PRIMARY KEY,
	code        text    NOT NULL,
	multiplier  numeric NOT NULL,
	months      int,
	whole_month boolean NOT NULL,
	grace       int     NOT NULL,
	warn        int     NOT NULL,
	needs_all   boolean NOT NULL,
	one_level   boolean NOT NULL
);
INSERT INTO tier VALUES
	(0, 'ordinary', 1, NULL, false, 0, 0, false, true),
	(1, 'silver', 1.25, 6, true, 30, 30, false, true),
	(2, 'gold', 1.5, 6, false, 0, 45, true, false),
	(3, 'diamond', 2, 9, true, 20, 60, false, true);

-- To reach a tier, or to keep it. The months that count: the last so many, or
-- all since the year or the tier began.
CREATE TABLE threshold (
	rank    int     NOT NULL,
	to_keep boolean NOT NULL,
	nth     int     NOT NULL,
	unit    text    NOT NULL,
	amount  bigint  NOT NULL,
	counts  text    NOT NULL
);
INSERT INTO threshold VALUES
	(1, false, 1, 'spend', 100000, '12'), (1, false, 2, 'orders', 5, 'year'),
	(1, true, 1, 'spend', 40000, '6'), (1, true, 2, 'orders', 3, '6'),
	(2, false, 1, 'spend', 300000, '12'),
	(2, true, 1, 'spend', 120000, 'tier'), (2, true, 2, 'orders', 2, 'tier'),
	(3, false, 1, 'spend', 1000000, '12'), (3, true, 1, 'spend', 1000000, '12');

-- Where a member stands.
CREATE TABLE standing (
	customer_no  int     NOT NULL PRIMARY KEY,
	rank         int     NOT NULL,
	since        date    NOT NULL,
	until        date,
	state        text    NOT NULL,
	-- reached by orders, so that a refund can take it away
	by_orders    boolean NOT NULL,
	-- of the month in which the tier began, what came before it
	base_spend   bigint  NOT NULL,
	base_orders  bigint  NOT NULL,
	seen_on      date    NOT NULL,
	-- held before the last promotion
	rank_before  int,
	until_before date
);

CREATE TABLE tier_step (
	step        bigint NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	customer_no int    NOT NULL,
	day         date   NOT NULL,
	action      text   NOT NULL,
	rank_before int,
	rank_after  int    NOT NULL,
	until       date,
	unit        text,
	reached     bigint,
	threshold   bigint,
	first_day   date,
	last_day    date
);
CREATE INDEX ON tier_step (customer_no, step);

-- The tier in which each order found the member.
CREATE TABLE sale_tier (
	invoice_no text NOT NULL PRIMARY KEY,
	rank       int  NOT NULL
);

-- How far the thresholds of a tier are met. Windows end with one day, what
-- counts goes on to another.
CREATE FUNCTION reach(s standing, wanted int, keep boolean, window_end date, counts_to date)
RETURNS TABLE (nth int, unit text, reached bigint, threshold bigint, first_day date)
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN QUERY
	SELECT t.nth, t.unit, r.reached, t.amount, w.first_day
	FROM threshold t, LATERAL (
			SELECT CASE t.counts WHEN 'year' THEN date_trunc('year', window_end) WHEN 'tier' THEN s.since
				ELSE date_trunc('month', window_end) - make_interval(months => t.counts::int - 1) END::date AS first_day
		) w, LATERAL (
			SELECT coalesce(sum(CASE WHEN t.counts = 'tier' AND month = date_trunc('month', s.since)
				THEN greatest(0, a.amount - base) ELSE a.amount END), 0)::bigint AS reached
			FROM month_so_far m, LATERAL (
				SELECT CASE t.unit WHEN 'spend' THEN m.spend ELSE m.orders END AS amount,
					CASE t.unit WHEN 'spend' THEN s.base_spend ELSE s.base_orders END AS base) a
			WHERE m.customer_no = s.customer_no AND month BETWEEN date_trunc('month', w.first_day) AND counts_to
		) r
	WHERE t.rank = wanted AND t.to_keep = keep;
END $$;

-- The threshold that decides: the first that is met where one is enough, the
-- first that is not where all are needed, else the first of all.
CREATE TYPE judgement AS (met boolean, unit text, reached bigint, threshold bigint, first_day date, last_day date);
CREATE FUNCTION judge(s standing, wanted int, keep boolean, window_end date, counts_to date)
RETURNS judgement LANGUAGE plpgsql STABLE AS $$
DECLARE
	result judgement;
BEGIN
	SELECT reached >= threshold, unit, reached, threshold, first_day, counts_to INTO result
	FROM reach(s, wanted, keep, window_end, counts_to), tier
	WHERE rank = wanted
	ORDER BY (reached >= threshold) = needs_all, nth
	LIMIT 1;
	-- the lowest asks for nothing
	IF NOT FOUND THEN
		result.met := true;
	END IF;
	RETURN result;
END $$;

CREATE FUNCTION last_day(wanted int, since date) RETURNS date LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN whole_month THEN (date_trunc('month', d) + interval '1 month')::date - 1 ELSE d END
	FROM oracle.tier, LATERAL (SELECT (since + make_interval(months => months))::date - 1 AS d) u
	WHERE rank = wanted
$$;

-- Notes a step, and puts the member into a tier; a warning and grace leave the
-- tier as it is.
CREATE PROCEDURE step(INOUT s standing, today date, what text, new_rank int, new_since date,
	new_until date, j judgement)
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO tier_step (customer_no, day, action, rank_before, rank_after, until, unit, reached, threshold,
		first_day, last_day)
	VALUES (s.customer_no, today, what, s.rank, new_rank, new_until, j.unit, j.reached, j.threshold,
		j.first_day, j.last_day);
	IF what = 'promoted' THEN
		s.rank_before := s.rank;
		s.until_before := s.until;
	END IF;
	s.until := new_until;
	IF what IN ('warned', 'grace') THEN
		s.state := what;
		RETURN;
	END IF;
	s.rank := new_rank;
	s.since := new_since;
	s.state := 'normal';
	s.by_orders := what = 'promoted';
	s.base_spend := 0;
	s.base_orders := 0;
	SELECT spend, orders INTO s.base_spend, s.base_orders FROM month_so_far m
	WHERE m.customer_no = s.customer_no AND month = date_trunc('month', new_since);
	s.base_spend := coalesce(s.base_spend, 0);
	s.base_orders := coalesce(s.base_orders, 0);
END $$;

-- Keeps the tier: from the day after its last, or in grace from now on.
CREATE PROCEDURE keep(INOUT s standing, today date, grace int, j judgement) LANGUAGE plpgsql AS $$
DECLARE
	since date := s.until + 1;
	until date := last_day(s.rank, s.until + 1);
BEGIN
	IF s.state = 'grace' THEN
		since := today;
		until := last_day(s.rank, s.until - grace + 1);
		IF until < today THEN
			until := last_day(s.rank, today);
		END IF;
	END IF;
	CALL step(s, today, 'prolonged', s.rank, since, until, j);
END $$;

-- Warns and reviews, whatever is due.
CREATE PROCEDURE review(INOUT s standing, today date) LANGUAGE plpgsql AS $$
DECLARE
	held tier;
	j judgement;
	due date;
	ends date;
	lower int;
BEGIN
	WHILE s.until IS NOT NULL LOOP
		SELECT * INTO held FROM tier WHERE rank = s.rank;
		ends := s.until - CASE s.state WHEN 'grace' THEN held.grace ELSE 0 END;
		j := judge(s, s.rank, true, ends, s.until);
		due := s.until + 1;
		IF s.state = 'normal' AND s.until - held.warn > s.since AND NOT j.met THEN
			due := s.until - held.warn;
		END IF;
		due := greatest(due, s.seen_on);
		EXIT WHEN due > today;
		IF due <= s.until THEN
			CALL step(s, due, 'warned', s.rank, NULL, s.until, j);
		ELSIF j.met THEN
			CALL keep(s, due, held.grace, j);
		ELSIF held.grace > 0 AND s.state <> 'grace' THEN
			CALL step(s, due, 'grace', s.rank, NULL, s.until + held.grace, j);
		ELSE
			SELECT max(rank) INTO lower FROM tier
			WHERE rank < s.rank AND (held.one_level OR (judge(s, rank, false, ends, s.until)).met);
			CALL step(s, due, 'demoted', lower, due, last_day(lower, due), j);
		END IF;
	END LOOP;
	s.seen_on := today;
END $$;

-- After an order: up to the highest tier that is reached, or out of grace.
CREATE PROCEDURE promote(INOUT s standing, today date) LANGUAGE plpgsql AS $$
DECLARE
	t tier;
	j judgement;
BEGIN
	FOR t IN SELECT * FROM tier WHERE rank > s.rank ORDER BY rank DESC LOOP
		j := judge(s, t.rank, false, today, today);
		IF j.met THEN
			CALL step(s, today, 'promoted', t.rank, today, last_day(t.rank, today), j);
			RETURN;
		END IF;
	END LOOP;
	IF s.state = 'grace' THEN
		SELECT * INTO t FROM tier WHERE rank = s.rank;
		j := judge(s, s.rank, true, s.until - t.grace, s.until);
		IF j.met THEN
			CALL keep(s, today, t.grace, j);
		END IF;
	END IF;
END $$;

-- After a refund: what orders reached and no longer reach is gone, down to what
-- they still reach or to what was held before.
CREATE PROCEDURE revoke(INOUT s standing, today date) LANGUAGE plpgsql AS $$
DECLARE
	j judgement := judge(s, s.rank, false, s.since, s.since);
	lower int;
	lower_until date;
	reached boolean;
BEGIN
	IF NOT s.by_orders OR j.met OR (judge(s, s.rank, false, today, today)).met THEN
		RETURN;
	END IF;
	SELECT max(rank) INTO lower FROM tier
	WHERE rank < s.rank AND (judge(s, rank, false, today, today)).met;
	lower_until := last_day(lower, today);
	reached := lower > 0;
	IF s.rank_before < s.rank AND s.rank_before >= lower AND coalesce(s.until_before, 'infinity') >= today THEN
		reached := reached AND s.rank_before = lower;
		lower := s.rank_before;
		lower_until := s.until_before;
	END IF;
	CALL step(s, today, 'revoked', lower, today, lower_until, j);
	s.by_orders := reached;
END $$;

-- What a member still has to do, on the last day with orders.
CREATE TABLE progress (
	customer_no int     NOT NULL,
	purpose     text    NOT NULL,
	for_rank    int     NOT NULL,
	unit        text    NOT NULL,
	reached     bigint  NOT NULL,
	threshold   bigint  NOT NULL,
	first_day   date    NOT NULL,
	last_day    date    NOT NULL,
	keep_by     date
);

CREATE PROCEDURE note_progress(s standing, today date) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO progress
	SELECT s.customer_no, 'entry', s.rank + 1, unit, reached, threshold, first_day, today
	FROM reach(s, s.rank + 1, false, today, today);
	INSERT INTO progress
	SELECT s.customer_no, 'retention', s.rank, unit, reached, threshold, first_day, s.until, s.until
	FROM tier, reach(s, s.rank, true, s.until - CASE s.state WHEN 'grace' THEN grace ELSE 0 END, s.until)
	WHERE rank = s.rank;
END $$;

CREATE PROCEDURE live_tiers(last_sale date, outlook date) LANGUAGE plpgsql AS $$
DECLARE
	happened record;
	s standing;
BEGIN
	FOR happened IN
		SELECT customer_no, min(place) AS place, -1::bigint AS nth, min(day) AS day, 'join' AS what,
			NULL AS invoice_no, NULL::date AS month, NULL::bigint AS pence, NULL::int AS orders
		FROM invoice GROUP BY customer_no
		UNION ALL
		SELECT customer_no, place, 0, day, 'sale', invoice_no, month, pence, 1 FROM sale
		UNION ALL
		-- the order is gone when all of it is
		SELECT r.customer_no, r.place, r.nth, r.day, 'refund', invoice_no, sale.month, -r.pence,
			-(sum(r.pence) OVER (PARTITION BY invoice_no ORDER BY r.place) = sale.pence)::int
		FROM refund r JOIN sale USING (invoice_no)
		UNION ALL
		SELECT DISTINCT customer_no, 1000000000, nth, v.day, what, NULL, NULL::date, NULL::bigint, NULL::int
		FROM invoice, (VALUES (1, last_sale, 'last'), (2, outlook, 'outlook')) v(nth, day, what)
		ORDER BY customer_no, place, nth
	LOOP
		IF happened.what = 'join' THEN
			s := ROW(happened.customer_no, 0, happened.day, NULL, 'normal', false, 0, 0, happened.day, NULL, NULL);
			INSERT INTO tier_step (customer_no, day, action, rank_after)
			VALUES (s.customer_no, happened.day, 'joined', 0);
			CONTINUE;
		END IF;
		CALL review(s, happened.day);
		IF happened.what = 'last' THEN
			INSERT INTO standing SELECT s.*;
			CALL note_progress(s, happened.day);
		END IF;
		CONTINUE WHEN happened.pence IS NULL;
		INSERT INTO month_so_far VALUES (s.customer_no, happened.month, happened.pence, happened.orders)
		ON CONFLICT (customer_no, month) DO UPDATE SET spend = month_so_far.spend + EXCLUDED.spend,
			orders = month_so_far.orders + EXCLUDED.orders;
		IF happened.what = 'sale' THEN
			INSERT INTO sale_tier VALUES (happened.invoice_no, s.rank);
			CALL promote(s, happened.day);
		ELSE
			CALL revoke(s, happened.day);
		END IF;
	END LOOP;
END $$;

SELECT max(day) AS last_day, (max(day) + make_interval(months => :months_ahead))::date AS outlook_day
FROM invoice \gset
CALL live_tiers(:'last_day', :'outlook_day');

-- What the orders earn. A line is worth what is rounded to pence; if the lines
-- come to more than the order, the order is spread over them by largest
-- remainder, the earlier line first.
CREATE TABLE bag_sale AS
WITH line AS (
	SELECT invoice_no, line_no, l.description ~ '(^| )BAGS?( |$)' AS bag, pence,
		100 * round(quantity * l.unit_price, 2) AS gross,
		sum(100 * round(quantity * l.unit_price, 2)) OVER (PARTITION BY invoice_no) AS total
	FROM demo.line l JOIN sale USING (invoice_no)
	WHERE quantity > 0 AND l.unit_price > 0
), share AS (
	SELECT *, CASE WHEN pence < total THEN div(pence * gross, total) ELSE gross END AS whole,
		CASE WHEN pence < total THEN mod(pence * gross, total) ELSE 0 END AS rest
	FROM line
), spread AS (
	SELECT *, pence < total AND pence - sum(whole) OVER (PARTITION BY invoice_no)
		>= row_number() OVER (PARTITION BY invoice_no ORDER BY rest DESC, line_no) AS more
	FROM share
)
SELECT invoice_no, sum(whole + more::int)::bigint AS pence
FROM spread
WHERE bag
GROUP BY invoice_no;

SELECT extract(year FROM max(day) - interval '2 months')::int AS year FROM invoice \gset

CREATE TABLE award AS
WITH judged AS (
	SELECT s.*, rank, floor(s.pence / 100) * multiplier AS points, coalesce(b.pence, 0) AS bag_pence,
		b.pence IS NOT NULL AS has_bags,
		extract(month FROM day) = 12 AND s.pence >= 5000 AS in_december,
		day >= make_date(:year, 3, 1) AS birthdays_count,
		customer_no % 10 > 0 AND extract(month FROM day)
			= extract(month FROM date '1940-01-01' + customer_no * 7919 % 22000) AS is_birthday
	FROM sale s JOIN sale_tier USING (invoice_no) JOIN tier USING (rank) LEFT JOIN bag_sale b USING (invoice_no)
), verdict AS (
	SELECT invoice_no, customer_no, place, day, rank, 1 AS nth, 'points' AS rule, pence AS base,
		floor(points) AS desired, CASE WHEN points = 0 THEN 'no_effect' END AS reason
	FROM judged
	UNION ALL
	-- only the best offer multiplies, and that is the birthday's
	SELECT invoice_no, customer_no, place, day, rank, 2, 'december', pence, floor(points),
		CASE WHEN NOT in_december THEN 'condition_not_met'
			WHEN birthdays_count AND is_birthday THEN 'not_best' END
	FROM judged
	UNION ALL
	SELECT invoice_no, customer_no, place, day, rank, 3, 'birthday', pence, floor(points * 2),
		CASE WHEN NOT birthdays_count THEN 'not_started' WHEN NOT is_birthday THEN 'not_in_time_window'
			WHEN points = 0 THEN 'preceding_failed' END
	FROM judged
	UNION ALL
	SELECT invoice_no, customer_no, place, day, rank, 4, 'bags', bag_pence, floor(bag_pence / 100),
		CASE WHEN day < make_date(:year, 6, 1) THEN 'not_started' WHEN day >= :'last_day' THEN 'expired'
			WHEN NOT has_bags THEN 'no_matching_items' WHEN bag_pence < 100 THEN 'no_effect' END
	FROM judged
), used AS (
	-- all members share the budget, each has a limit of bags a month
	SELECT *, CASE rule
			WHEN 'december' THEN :december_budget - sum(desired) OVER december + desired
			WHEN 'birthday' THEN 2000
			WHEN 'bags' THEN 500 - sum(desired) OVER bags + desired
			ELSE desired
		END AS left_over
	FROM verdict
	WINDOW december AS (PARTITION BY rule, reason IS NULL ORDER BY place),
		bags AS (PARTITION BY rule, reason IS NULL, customer_no, date_trunc('month', day) ORDER BY place)
)
SELECT invoice_no, customer_no, place, day, nth, rule, w.*,
	CASE WHEN rule = 'birthday' THEN day + 90
		ELSE (date_trunc('month', day) + make_interval(months => CASE rank WHEN 3 THEN 25 ELSE 13 END))::date - 1
	END AS expires_on
FROM used, LATERAL (
	SELECT greatest(0, least(desired, left_over))::bigint AS granted,
		CASE rule WHEN 'december' THEN 'limit_campaign' WHEN 'birthday' THEN 'limit_event' ELSE 'limit_period' END AS limited
) g, LATERAL (
	SELECT CASE WHEN reason IS NULL THEN base END AS base,
		CASE WHEN reason IS NULL THEN desired::bigint END AS desired,
		CASE WHEN reason IS NULL THEN granted END AS granted,
		CASE WHEN reason IS NULL AND granted = 0 THEN limited ELSE reason END AS reason,
		CASE WHEN reason IS NULL AND granted BETWEEN 1 AND desired - 1 THEN limited END AS cut
) w;
CREATE INDEX ON award (invoice_no);

-- A refund takes each award up to its share of all refunds so far; that of the
-- bags by the bags that came back.
CREATE TABLE award_back AS
SELECT r.refund_ref, a.nth, s.day AS sold_on, a.expires_on,
	div(a.granted::numeric * p.back, p.whole) - div(a.granted::numeric * (p.back - p.now), p.whole) AS taken
FROM (
	SELECT *, sum(pence) OVER past AS total, sum(bag_pence) OVER past AS bags
	FROM refund
	WINDOW past AS (PARTITION BY invoice_no ORDER BY place)
) r
	JOIN sale s USING (invoice_no)
	JOIN award a USING (invoice_no),
	LATERAL (
		SELECT CASE a.rule WHEN 'bags' THEN a.base ELSE s.pence END AS whole,
			CASE a.rule WHEN 'bags' THEN r.bags ELSE r.total END AS back,
			CASE a.rule WHEN 'bags' THEN r.bag_pence ELSE r.pence END AS now
	) p
WHERE a.granted > 0;
CREATE INDEX ON award_back (refund_ref);

-- A lot of points: not yet vested, or vested and kept by its last day only
-- (vests_on is then -infinity).
CREATE TABLE lot (
	customer_no int    NOT NULL,
	vests_on    date   NOT NULL,
	expires_on  date   NOT NULL,
	points      bigint NOT NULL CHECK (points >= 0),
	PRIMARY KEY (customer_no, vests_on, expires_on)
);

CREATE TABLE account (
	customer_no int    NOT NULL PRIMARY KEY,
	issued      bigint NOT NULL DEFAULT 0,
	vested      bigint NOT NULL DEFAULT 0,
	taken_back  bigint NOT NULL DEFAULT 0,
	-- refunds of points that had lapsed
	lapsed      bigint NOT NULL DEFAULT 0,
	spent       bigint NOT NULL DEFAULT 0,
	redemptions int    NOT NULL DEFAULT 0,
	expired     bigint NOT NULL DEFAULT 0,
	-- of the debts, by vested points
	repaid      bigint NOT NULL DEFAULT 0,
	debt        bigint NOT NULL DEFAULT 0 CHECK (debt >= 0)
);
INSERT INTO account (customer_no) SELECT DISTINCT customer_no FROM invoice;

-- Points that expired, by their last day.
CREATE TABLE expiry (
	customer_no int    NOT NULL,
	expires_on  date   NOT NULL,
	points      bigint NOT NULL,
	PRIMARY KEY (customer_no, expires_on)
);

CREATE TABLE redemption (
	customer_no int    NOT NULL,
	ref         text   NOT NULL PRIMARY KEY,
	points      bigint NOT NULL
);

-- What is left of the points of a last day, thirty days and seven days before it. A look
-- comes before whatever happens on that day.
CREATE TABLE reminder (
	customer_no int    NOT NULL,
	days        int    NOT NULL,
	day         date   NOT NULL,
	points      bigint NOT NULL
);

-- Vested points pay the debt first; the rest joins the lot of its last day.
CREATE PROCEDURE come_due(customer int, today date) LANGUAGE plpgsql AS $$
DECLARE
	due record;
	paid bigint;
BEGIN
	FOR due IN
		SELECT vests_on, expires_on, points FROM lot
		WHERE customer_no = customer AND vests_on > '-infinity' AND vests_on <= today
		ORDER BY vests_on, expires_on
	LOOP
		UPDATE account SET vested = vested + due.points, repaid = repaid + before.paid, debt = debt - before.paid
		FROM (SELECT least(debt, due.points) AS paid FROM account WHERE customer_no = customer) before
		WHERE customer_no = customer
		RETURNING before.paid INTO paid;
		INSERT INTO lot VALUES (customer, '-infinity', due.expires_on, due.points - paid)
		ON CONFLICT (customer_no, vests_on, expires_on) DO UPDATE SET points = lot.points + EXCLUDED.points;
		DELETE FROM lot WHERE customer_no = customer AND vests_on = due.vests_on AND expires_on = due.expires_on;
	END LOOP;
	FOR due IN
		DELETE FROM lot WHERE customer_no = customer AND expires_on < today
		RETURNING expires_on, points
	LOOP
		CONTINUE WHEN due.points = 0;
		UPDATE account SET expired = expired + due.points WHERE customer_no = customer;
		INSERT INTO expiry VALUES (customer, due.expires_on, due.points);
	END LOOP;
END $$;

-- Takes from the lots of one kind, the earliest last day first; what it could
-- not take is left in wanted.
CREATE PROCEDURE take(customer int, kind text, INOUT wanted bigint, home_vests date = NULL, home_expires date = NULL)
LANGUAGE plpgsql AS $$
DECLARE
	source record;
	part bigint;
BEGIN
	FOR source IN
		SELECT vests_on, expires_on, points FROM lot
		WHERE customer_no = customer AND points > 0 AND CASE kind
			WHEN 'home' THEN vests_on = home_vests AND expires_on = home_expires
			WHEN 'vested' THEN vests_on = '-infinity'
			WHEN 'pending' THEN vests_on > '-infinity' END
		ORDER BY CASE kind WHEN 'pending' THEN vests_on END, expires_on
	LOOP
		part := least(wanted, source.points);
		wanted := wanted - part;
		UPDATE lot SET points = points - part
		WHERE customer_no = customer AND vests_on = source.vests_on AND expires_on = source.expires_on;
	END LOOP;
END $$;

CREATE PROCEDURE live(vest_days int) LANGUAGE plpgsql AS $$
DECLARE
	happened record;
	award record;
	wanted bigint;
	rest bigint;
	available bigint;
BEGIN
	FOR happened IN
		SELECT customer_no, place::numeric, 0 AS nth, day, invoice_no, NULL AS refund_ref, NULL::int AS days FROM sale
		UNION ALL
		SELECT customer_no, place, nth, day, invoice_no, refund_ref, NULL FROM refund
		UNION ALL
		SELECT a.customer_no, coalesce((SELECT min(place) - 0.5 FROM invoice i WHERE i.day >= a.expires_on - d.days), 1000000000),
			0, a.expires_on - d.days, NULL, NULL, d.days
		FROM (SELECT DISTINCT customer_no, expires_on FROM award WHERE granted > 0) a, (VALUES (30), (7)) d(days)
		WHERE a.expires_on - d.days <= (SELECT max(day) FROM invoice)
		ORDER BY customer_no, place, nth, day
	LOOP
		CALL come_due(happened.customer_no, happened.day);
		IF happened.days IS NOT NULL THEN
			INSERT INTO reminder
			SELECT customer_no, happened.days, happened.day, points FROM lot
			WHERE customer_no = happened.customer_no AND vests_on = '-infinity' AND expires_on = happened.day + happened.days
				AND points > 0;
			CONTINUE;
		END IF;
		IF happened.refund_ref IS NULL THEN
			FOR award IN
				SELECT granted, expires_on FROM award a WHERE a.invoice_no = happened.invoice_no AND granted > 0
			LOOP
				UPDATE account SET issued = issued + award.granted WHERE customer_no = happened.customer_no;
				INSERT INTO lot VALUES (happened.customer_no, happened.day + vest_days, award.expires_on, award.granted)
				ON CONFLICT (customer_no, vests_on, expires_on) DO UPDATE SET points = lot.points + EXCLUDED.points;
			END LOOP;
			-- vouchers for all whole thousands
			SELECT coalesce(sum(points), 0) - (SELECT debt FROM account WHERE customer_no = happened.customer_no)
			INTO available
			FROM lot WHERE customer_no = happened.customer_no AND vests_on = '-infinity';
			IF available >= 1000 THEN
				wanted := available / 1000 * 1000;
				UPDATE account SET spent = spent + wanted, redemptions = redemptions + 1
				WHERE customer_no = happened.customer_no;
				INSERT INTO redemption VALUES (happened.customer_no, 'R-' || happened.invoice_no, wanted);
				CALL take(happened.customer_no, 'vested', wanted);
			END IF;
			CONTINUE;
		END IF;
		-- first from the lots that the awards were posted to, then from any
		rest := 0;
		FOR award IN
			SELECT * FROM award_back b WHERE b.refund_ref = happened.refund_ref AND taken > 0 ORDER BY nth
		LOOP
			IF award.expires_on < happened.day THEN
				UPDATE account SET lapsed = lapsed + award.taken WHERE customer_no = happened.customer_no;
				CONTINUE;
			END IF;
			UPDATE account SET taken_back = taken_back + award.taken WHERE customer_no = happened.customer_no;
			wanted := award.taken;
			CALL take(happened.customer_no, 'home', wanted, award.sold_on + vest_days, award.expires_on);
			CALL take(happened.customer_no, 'home', wanted, '-infinity', award.expires_on);
			rest := rest + wanted;
		END LOOP;
		CALL take(happened.customer_no, 'vested', rest);
		CALL take(happened.customer_no, 'pending', rest);
		UPDATE account SET debt = debt + rest WHERE customer_no = happened.customer_no AND rest > 0;
	END LOOP;
END $$;

CREATE PROCEDURE all_come_due(today date) LANGUAGE plpgsql AS $$
DECLARE
	customer int;
BEGIN
	FOR customer IN SELECT customer_no FROM account LOOP
		CALL come_due(customer, today);
	END LOOP;
END $$;

CALL live(:vest_days);
CALL all_come_due(:'last_day');
CREATE TABLE account_at_end AS
SELECT account.*, available, pending
FROM account, LATERAL (
	SELECT coalesce(sum(points) FILTER (WHERE vests_on = '-infinity'), 0) AS available,
		coalesce(sum(points) FILTER (WHERE vests_on > '-infinity'), 0) AS pending
	FROM lot WHERE lot.customer_no = account.customer_no
) held;
CREATE TABLE lot_at_end AS SELECT * FROM lot WHERE points > 0;

CALL all_come_due(:'outlook_day');

-- Metrics: what was spent and ordered in each month, less what came back of
-- the orders of that month; an order is gone only when all of it is.
CREATE TABLE metric AS
SELECT customer_no, month, sum(pence - back) AS pence, count(*) FILTER (WHERE back < pence) AS orders
FROM sale LEFT JOIN LATERAL (
	SELECT coalesce(sum(r.pence), 0) AS back FROM refund r WHERE r.invoice_no = sale.invoice_no
) returned ON true
GROUP BY customer_no, month;

-- Stages, on the last day of each month and on the last day of all. A purchase day is
-- one of the last 365 with a sale of which something was kept by then.
CREATE TABLE stage AS
WITH day AS (
	SELECT DISTINCT least((date_trunc('month', day) + interval '1 month')::date - 1, max(day) OVER ()) AS day FROM invoice
), sold AS (
	SELECT d.day AS today, s.customer_no, s.day,
		coalesce((SELECT sum(r.pence) FROM refund r WHERE r.invoice_no = s.invoice_no AND r.day <= d.day), 0) < s.pence
			OR s.pence = 0 AS kept
	FROM day d JOIN sale s ON s.day <= d.day
), bought AS (
	SELECT today, customer_no, count(*) AS times, min(day) AS first, max(day) AS last,
		count(*) FILTER (WHERE kept AND day > today - 365) AS times_365
	FROM sold GROUP BY today, customer_no
), purchase_day AS (
	SELECT today, customer_no, day, day - lag(day) OVER (PARTITION BY today, customer_no ORDER BY day) AS gap, count(*) - 1 AS more
	FROM sold WHERE kept AND day > today - 365 GROUP BY today, customer_no, day
), pace AS (
	SELECT today, customer_no, count(*) AS days, sum(more) AS more,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY gap)::numeric AS median
	FROM purchase_day GROUP BY today, customer_no
), known AS (
	SELECT d.day AS today, c.customer_no, d.day - c.joined AS age, coalesce(times, 0) AS times, coalesce(times_365, 0) AS times_365,
		d.day - last AS since, CASE WHEN days >= 3 THEN median
			WHEN last > first AND times - coalesce(more, 0) > 1
				THEN greatest(1, round((last - first)::numeric / (times - coalesce(more, 0) - 1), 1)) END AS pace
	FROM day d JOIN (SELECT customer_no, min(day) AS joined FROM invoice GROUP BY customer_no) c ON c.joined <= d.day
		LEFT JOIN bought b ON b.today = d.day AND b.customer_no = c.customer_no
		LEFT JOIN pace p ON p.today = d.day AND p.customer_no = c.customer_no
), near AS (
	SELECT *, round(since / pace, 2) <= 1.5 OR since <= 1.5 * 7 OR pace IS NULL AND since <= 1.5 * 30 AS present,
		round(since / pace, 2) <= 3 OR since <= 3 * 7 OR pace IS NULL AND since <= 3 * 30 AS slow
	FROM known
)
SELECT today, customer_no, CASE WHEN times = 0 OR age < 30 THEN 'newcomer' WHEN present AND times_365 < 6 THEN 'growing'
	WHEN present THEN 'mature' WHEN slow THEN 'declining' ELSE 'lost' END AS stage
FROM near;

-- What members are told, and on which day: when they join; when they have not bought for
-- ninety days, and not before that day is over; thirty and seven days before points
-- lapse; when their tier is at risk, in grace and lost.
CREATE TABLE told AS
SELECT customer_no, 'welcome_pack' AS template, min(day) AS day, NULL::bigint AS points FROM invoice GROUP BY customer_no
UNION ALL
SELECT customer_no, 'absence_offer', day + 90, NULL
FROM (SELECT customer_no, day, lead(day) OVER (PARTITION BY customer_no ORDER BY place) AS next FROM sale) s
WHERE coalesce(next, 'infinity') >= day + 90 AND day + 90 <= (SELECT max(day) FROM invoice)
UNION ALL
SELECT customer_no, CASE days WHEN 30 THEN 'points_expiring' ELSE 'points_last_chance' END, day, points FROM reminder
UNION ALL
SELECT customer_no, CASE action WHEN 'warned' THEN 'tier_at_risk' ELSE 'tier_' || action END, day, NULL FROM tier_step
WHERE action IN ('warned', 'grace', 'demoted') AND day <= (SELECT max(day) FROM invoice);
