-- What the job must come to, worked out from demo.line alone: no function of
-- the extension, none of its rules, none of the demo's own preparation. The
-- matching is done with ranges instead of a loop, the points are followed
-- member by member in a table of lots of its own.
--
-- psql variables: vest_days, months_ahead (how far the clock runs on after the
-- last line).
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
	floor(round(sum(quantity * unit_price), 2))::bigint AS points,
	(date_trunc('month', i.day) + interval '13 months - 1 day')::date AS expires_on,
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
		left(i.invoice_no, 1) = 'C' AS back, l.quantity,
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
SELECT customer_no, stock_code, nth, place, invoice_no, back, quantity, unit_price,
	before - after AS uncovered,
	int8range(least(before, after), greatest(before, after)) AS heights
FROM step;
CREATE INDEX ON movement (customer_no, stock_code, nth);
ANALYZE movement;

CREATE TABLE piece AS
SELECT c.invoice_no AS cancellation, c.place, s.invoice_no, s.unit_price,
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
	s.invoice_no, (100 * round(p.amount, 2))::bigint AS pence
FROM (
	SELECT cancellation, invoice_no, sum(quantity * unit_price) AS amount
	FROM piece
	GROUP BY cancellation, invoice_no
) p
	JOIN sale s USING (invoice_no)
	JOIN (SELECT invoice_no AS cancellation, day, place FROM invoice) b USING (cancellation);

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

-- Vested points pay the debt first; the rest joins the lot of its last day.
CREATE PROCEDURE come_due(customer int, today date) LANGUAGE plpgsql AS $$
DECLARE
	due record;
	paid bigint;
BEGIN
	FOR due IN
		SELECT vests_on, expires_on, points FROM lot
		WHERE customer_no = customer AND vests_on > '-infinity' AND vests_on <= today
		ORDER BY vests_on
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
		ORDER BY expires_on, vests_on
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
	so_far bigint;
	wanted bigint;
	available bigint;
BEGIN
	FOR happened IN
		SELECT customer_no, place, 0 AS nth, day, invoice_no, points, expires_on,
			NULL::bigint AS taken, NULL::date AS sold_on
		FROM sale
		UNION ALL
		-- each refund takes the order's points up to its share of all refunds so far
		SELECT r.customer_no, r.place, r.nth, r.day, r.invoice_no, s.points, s.expires_on,
			div(s.points::numeric * r.total, s.pence) - div(s.points::numeric * (r.total - r.pence), s.pence), s.day
		FROM (SELECT *, sum(pence) OVER (PARTITION BY invoice_no ORDER BY place) AS total FROM refund) r
			JOIN sale s USING (invoice_no)
		ORDER BY customer_no, place, nth
	LOOP
		CALL come_due(happened.customer_no, happened.day);
		IF happened.taken IS NULL THEN
			UPDATE account SET issued = issued + happened.points WHERE customer_no = happened.customer_no;
			INSERT INTO lot VALUES (happened.customer_no, happened.day + vest_days, happened.expires_on, happened.points)
			ON CONFLICT (customer_no, vests_on, expires_on) DO UPDATE SET points = lot.points + EXCLUDED.points;
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
		ELSIF happened.expires_on < happened.day THEN
			UPDATE account SET lapsed = lapsed + happened.taken WHERE customer_no = happened.customer_no;
		ELSE
			UPDATE account SET taken_back = taken_back + happened.taken WHERE customer_no = happened.customer_no;
			wanted := happened.taken;
			CALL take(happened.customer_no, 'home', wanted,
				CASE WHEN happened.sold_on + vest_days > happened.day
				     THEN happened.sold_on + vest_days ELSE '-infinity' END,
				happened.expires_on);
			CALL take(happened.customer_no, 'vested', wanted);
			CALL take(happened.customer_no, 'pending', wanted);
			UPDATE account SET debt = debt + wanted WHERE customer_no = happened.customer_no;
		END IF;
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
SELECT max(day) AS last_day FROM invoice \gset
CALL all_come_due(:'last_day');
CREATE TABLE account_at_end AS
SELECT account.*, available, pending
FROM account, LATERAL (
	SELECT coalesce(sum(points) FILTER (WHERE vests_on = '-infinity'), 0) AS available,
		coalesce(sum(points) FILTER (WHERE vests_on > '-infinity'), 0) AS pending
	FROM lot WHERE lot.customer_no = account.customer_no
) held;
CREATE TABLE lot_at_end AS SELECT * FROM lot WHERE points > 0;

SELECT (:'last_day'::date + make_interval(months => :months_ahead))::date AS outlook_day \gset
CALL all_come_due(:'outlook_day');

-- Metrics: what was spent and ordered in each month, less what came back of
-- the orders of that month; an order is gone only when all of it is.
CREATE TABLE metric AS
SELECT customer_no, month, sum(pence - back) AS pence, count(*) FILTER (WHERE back < pence) AS orders
FROM sale LEFT JOIN LATERAL (
	SELECT coalesce(sum(r.pence), 0) AS back FROM refund r WHERE r.invoice_no = sale.invoice_no
) returned ON true
GROUP BY customer_no, month;
