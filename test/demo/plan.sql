-- From the staged lines to the calls: which purchase, which refund, in which order.

-- The invoices of known customers, dated by their first line, in time order.
CREATE TABLE demo.invoice AS
SELECT row_number() OVER (ORDER BY min(invoice_ts), min(line_no))::int AS position,
	invoice_no, min(customer_no) AS customer_no, min(invoice_ts) AS local_ts,
	min(country) AS country, invoice_no LIKE 'C%' AS cancellation
FROM demo.line
WHERE customer_no IS NOT NULL
GROUP BY invoice_no;
ALTER TABLE demo.invoice ADD PRIMARY KEY (position);

-- What was sold: the cart of a purchase. Lines at price 0 are gifts and samples.
CREATE TABLE demo.sale_line AS
SELECT i.position, row_number() OVER (PARTITION BY i.position ORDER BY l.line_no)::int AS line,
	i.customer_no, l.stock_code, l.description, l.quantity, l.unit_price, l.quantity AS remaining
FROM demo.invoice i JOIN demo.line l USING (invoice_no)
WHERE NOT i.cancellation AND l.quantity > 0 AND l.unit_price > 0;
ALTER TABLE demo.sale_line ADD PRIMARY KEY (position, line);
CREATE INDEX ON demo.sale_line (customer_no, stock_code, position, line);
ANALYZE demo.invoice, demo.sale_line;

-- A cancellation names no order. Each of its lines goes to the newest earlier
-- sale lines of the same product and customer that still have quantity left;
-- what then remains is reported, not forced.
CREATE TABLE demo.cancelled_line (
	cancellation int     NOT NULL,
	line_no      bigint  NOT NULL PRIMARY KEY,
	quantity     int     NOT NULL,
	unit_price   numeric NOT NULL,
	unmatched    int     NOT NULL
);
CREATE TABLE demo.matched_line (
	cancellation int NOT NULL,
	sale         int NOT NULL,
	line         int NOT NULL,
	quantity     int NOT NULL
);

DO $$
DECLARE
	cancelled record;
	sold record;
	part int;
	missing int;
BEGIN
	FOR cancelled IN
		SELECT i.position, l.line_no, l.customer_no, l.stock_code, -l.quantity AS quantity, l.unit_price
		FROM demo.invoice i JOIN demo.line l USING (invoice_no)
		WHERE i.cancellation AND l.quantity < 0
		ORDER BY i.position, l.line_no
	LOOP
		missing := cancelled.quantity;
		FOR sold IN
			SELECT s.position, s.line, s.remaining
			FROM demo.sale_line s
			WHERE s.customer_no = cancelled.customer_no AND s.stock_code = cancelled.stock_code
				AND s.position < cancelled.position AND s.remaining > 0
			ORDER BY s.position DESC, s.line DESC
		LOOP
			EXIT WHEN missing = 0;
			part := least(missing, sold.remaining);
			missing := missing - part;
			UPDATE demo.sale_line s SET remaining = s.remaining - part
			WHERE s.position = sold.position AND s.line = sold.line;
			INSERT INTO demo.matched_line
			VALUES (cancelled.position, sold.position, sold.line, part);
		END LOOP;
		INSERT INTO demo.cancelled_line
		VALUES (cancelled.position, cancelled.line_no, cancelled.quantity, cancelled.unit_price, missing);
	END LOOP;
END $$;

-- The data know no birthdays. Of ten customers one has told none, and three
-- without the year.
CREATE FUNCTION demo.birthday(customer_no int) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE
	WHEN customer_no % 10 = 0 THEN NULL
	ELSE to_char(date '1940-01-01' + customer_no * 7919 % 22000,
		CASE WHEN customer_no % 10 < 4 THEN '"--"MM-DD' ELSE 'YYYY-MM-DD' END)
END;

-- The calls. A customer enrols with the first invoice; a cancellation is one
-- refund for each order that it touches, the newest order first.
CREATE TABLE demo.call AS
WITH cart AS (
	SELECT position, round(sum(quantity * unit_price), 2) AS amount,
		jsonb_agg(jsonb_build_object('sku', stock_code, 'name', description,
			'qty', quantity, 'price', unit_price) ORDER BY line) AS items
	FROM demo.sale_line
	GROUP BY position
), returned AS (
	SELECT cancellation, sale, line, sum(quantity) AS quantity
	FROM demo.matched_line
	GROUP BY cancellation, sale, line
), refund AS (
	SELECT cancellation, sale,
		row_number() OVER (PARTITION BY cancellation ORDER BY sale DESC) AS nth,
		jsonb_agg(jsonb_build_object('line', line, 'qty', quantity) ORDER BY line) AS items
	FROM returned
	GROUP BY cancellation, sale
), step AS (
	SELECT min(position) AS position, 0 AS nth, 'enroll' AS verb,
		NULL AS ref, NULL AS refund_ref, NULL::numeric AS amount, NULL::jsonb AS items
	FROM demo.invoice
	GROUP BY customer_no
	UNION ALL
	SELECT position, 1, 'purchase', invoice_no, NULL, amount, items
	FROM cart JOIN demo.invoice USING (position)
	UNION ALL
	SELECT refund.cancellation, nth, 'refund', sale.invoice_no,
		back.invoice_no || CASE WHEN nth > 1 THEN '/' || nth ELSE '' END, NULL, items
	FROM refund
		JOIN demo.invoice back ON back.position = refund.cancellation
		JOIN demo.invoice sale ON sale.position = refund.sale
)
SELECT row_number() OVER (ORDER BY position, nth)::int AS call_no, verb,
	date_trunc('month', local_ts)::date AS month, local_ts AT TIME ZONE 'Europe/London' AS at,
	customer_no, country, ref, refund_ref, amount, items
FROM step JOIN demo.invoice USING (position);
ALTER TABLE demo.call ADD PRIMARY KEY (call_no);
CREATE INDEX ON demo.call (month, call_no);
ANALYZE demo.call;
