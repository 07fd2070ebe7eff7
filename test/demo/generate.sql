-- A year and six weeks of orders of a shop that does not exist, so that the
-- demo and its test need no data. The extra weeks let points lapse before the
-- end. Each value is an arithmetic hash of what it belongs to: the same rows on
-- every machine. It has the flaws of real data: lines without a customer,
-- at price 0 or listed twice, invoices with two timestamps, codes that differ
-- in case only, cancellations that name no order and some that fit none.

-- 0 .. sides - 1
CREATE FUNCTION demo.dice(what text, sides int)
RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (('x' || left(md5(what), 8))::bit(32)::bigint % sides)::int;

CREATE TEMPORARY TABLE product AS
SELECT n,
	-- 40 and 41 are the same number in upper and in lower case, and so on
	(20000 + 17 * (n - (n % 40 = 1)::int))::text
		|| CASE WHEN n % 40 = 0 THEN 'A' WHEN n % 40 = 1 THEN 'a' ELSE '' END AS stock_code,
	'PRODUCT ' || n || CASE n % 9 WHEN 0 THEN ' BAG' WHEN 1 THEN ' BAGS OF 3' WHEN 2 THEN ' BAGGAGE'
		ELSE '' END AS description,
	round((25 + demo.dice('dear/' || n, 7) * demo.dice('price/' || n, 140)) / 100.0, 2) AS unit_price
FROM generate_series(2, 401) n;

-- A few customers order often.
CREATE TEMPORARY TABLE sale AS
SELECT customer_no, customer_no || '/' || nth AS id,
	CASE WHEN demo.dice('known/' || customer_no || '/' || nth, 20) > 0 THEN customer_no END AS known_as,
	-- a reseller's order
	demo.dice('bulk/' || customer_no || '/' || nth, 60) = 0 AS bulk,
	CASE WHEN customer_no % 11 = 0 THEN 'France' ELSE 'United Kingdom' END AS country,
	-- from seven in the morning to half an hour after midnight
	timestamp '2024-01-01' + make_interval(
		days => demo.dice('day/' || customer_no || '/' || nth, 411),
		hours => (7 + demo.dice('hour/' || customer_no || '/' || nth, 18)) % 24,
		mins => demo.dice('minute/' || customer_no || '/' || nth, 30)) AS ts
FROM generate_series(12001, 13500) customer_no,
	generate_series(1, 1 + demo.dice('few/' || customer_no, 5)
		+ CASE WHEN demo.dice('often/' || customer_no, 100) < 15
		       THEN 1 + demo.dice('more/' || customer_no, 20) ELSE 0 END
		+ CASE WHEN demo.dice('always/' || customer_no, 100) < 2
		       THEN 50 ELSE 0 END) nth
UNION ALL
-- the last and the first minute of days with which something begins or ends
SELECT customer_no, customer_no || '/' || nth, customer_no, false, 'United Kingdom', ts
FROM generate_series(13501, 13530) customer_no,
	unnest('{2024-02-29 23:59, 2024-03-01 00:00, 2024-05-31 23:59, 2024-06-01 00:00, 2024-06-30 23:59,
		2024-07-01 00:00, 2024-11-30 23:59, 2024-12-01 00:00, 2024-12-31 23:59, 2025-01-01 00:00,
		2025-02-13 23:59, 2025-02-14 00:00}'::timestamp[]) WITH ORDINALITY AS edge(ts, nth)
WHERE demo.dice('edge/' || customer_no || '/' || nth, 3) > 0;

CREATE TEMPORARY TABLE sale_line AS
SELECT s.id, s.customer_no, nth AS n, l.id AS line_id, p.stock_code, p.description, quantity,
	CASE WHEN demo.dice('free/' || l.id, 40) = 0 THEN 0 ELSE p.unit_price END AS unit_price,
	-- two timestamps
	s.ts + make_interval(mins => (nth > 2 AND demo.dice('slow/' || s.id, 150) = 0)::int) AS ts
FROM sale s,
	generate_series(1, 1 + demo.dice('lines/' || s.id, 14)) nth,
	LATERAL (SELECT s.id || '/' || nth AS id) l,
	-- a taste for 50 neighbouring products, so that some are bought again
	LATERAL (SELECT 2 + (demo.dice('taste/' || s.customer_no, 400)
		+ demo.dice('choice/' || l.id, 50)) % 400 AS n) choice
	JOIN product p ON p.n = choice.n,
	LATERAL (SELECT (ARRAY[1, 1, 2, 2, 3, 4, 6, 6, 8, 10, 12, 12, 20, 24, 48])
		[1 + demo.dice('quantity/' || l.id, 15)] * CASE WHEN bulk THEN 20 ELSE 1 END AS quantity) q,
	-- a receipt may list a line twice
	generate_series(0, (demo.dice('twice/' || l.id, 80) = 0)::int)
UNION ALL
SELECT id, customer_no, 90, id || '/post', 'POST', 'POSTAGE', 1, 18.00, ts
FROM sale WHERE demo.dice('post/' || id, 9) = 0
UNION ALL
-- less than the smallest coin
SELECT id, customer_no, 91, id || '/pads', 'PADS', 'PADS TO MATCH ALL CUSHIONS', 1, 0.001, ts
FROM sale WHERE demo.dice('pads/' || id, 400) = 0;

-- One order in seven comes back, wholly or in part, and every third in bulk:
-- most within two months, some at once, some after a year.
CREATE TEMPORARY TABLE cancellation AS
SELECT id, customer_no, known_as, country,
	bulk OR demo.dice('whole/' || id, 4) = 0 AS whole,
	date_trunc('minute', ts) + CASE demo.dice('speed/' || id, 10)
		WHEN 0 THEN make_interval(mins => demo.dice('minutes/' || id, 30))
		WHEN 1 THEN make_interval(days => 380 + demo.dice('year/' || id, 30))
		WHEN 2 THEN make_interval(days => 380 + demo.dice('year/' || id, 30))
		ELSE make_interval(days => demo.dice('days/' || id, 60), hours => demo.dice('hours/' || id, 7))
	END AS ts
FROM sale WHERE demo.dice('back/' || id, CASE WHEN bulk THEN 3 ELSE 7 END) = 0;

CREATE TEMPORARY TABLE cancelled_line AS
SELECT c.id, l.n, l.stock_code, l.description, l.unit_price, c.ts,
	CASE
		WHEN whole THEN l.quantity
		-- more than this order had: some of an earlier one, or of none
		WHEN demo.dice('over/' || l.line_id, 12) = 0 THEN 2 * l.quantity + 1
		ELSE 1 + demo.dice('part/' || l.line_id, l.quantity)
	END AS quantity
FROM cancellation c JOIN sale_line l USING (id)
WHERE l.unit_price >= 0.01 AND (whole OR demo.dice('chosen/' || l.line_id, 3) = 0)
UNION ALL
SELECT id, 92, 'D', 'Discount', round(5 + demo.dice('discount/' || id, 2000) / 100.0, 2), ts, 1
FROM cancellation WHERE demo.dice('discounted/' || id, 15) = 0;

-- One numbering for orders and cancellations, in time order.
CREATE TEMPORARY TABLE document AS
SELECT id, cancelled, known_as, country,
	CASE WHEN cancelled THEN 'C' ELSE '' END
		|| 300000 + row_number() OVER (ORDER BY ts, cancelled, id COLLATE "C") AS invoice_no
FROM (
	SELECT id, false AS cancelled, known_as, country, ts FROM sale
	UNION ALL
	SELECT id, true, known_as, country, ts FROM cancellation
	WHERE EXISTS (SELECT FROM cancelled_line l WHERE l.id = cancellation.id)
) both_kinds
WHERE ts < '2025-02-15';

INSERT INTO demo.line (invoice_no, stock_code, description, quantity, invoice_ts,
	unit_price, customer_no, country)
SELECT invoice_no, stock_code, description, quantity, ts, unit_price, known_as, country
FROM (
	SELECT d.*, l.n, l.stock_code, l.description, l.quantity, l.ts, l.unit_price
	FROM document d JOIN sale_line l USING (id) WHERE NOT cancelled
	UNION ALL
	SELECT d.*, l.n, l.stock_code, l.description, -l.quantity, l.ts, l.unit_price
	FROM document d JOIN cancelled_line l USING (id) WHERE cancelled
	UNION ALL
	-- broken goods, written off in the evening
	SELECT 'w' || day, false, NULL, 'United Kingdom', (400000 + day)::text,
		1, p.stock_code, 'damaged', -1 - demo.dice('broken/' || day, 40),
		timestamp '2024-01-01 23:59' + make_interval(days => day), 0
	FROM generate_series(3, 400, 7) day
		JOIN product p ON p.n = 2 + demo.dice('which/' || day, 400)
) everything
ORDER BY date_trunc('day', ts), right(invoice_no, 6), n, stock_code COLLATE "C", quantity;
