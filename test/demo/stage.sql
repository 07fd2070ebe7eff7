-- The staging table: what a shop's till or its old system would hand over, line
-- by line. A file of real orders and the generator both fill it.
CREATE SCHEMA demo;

CREATE TABLE demo.line (
	-- order of the source
	line_no     bigint    NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	-- 'C' and a number: a cancellation; 'A' and a number: an adjustment
	invoice_no  text      NOT NULL,
	stock_code  text      NOT NULL,
	description text,
	-- negative where goods come back
	quantity    int       NOT NULL,
	-- wall clock of the shop
	invoice_ts  timestamp NOT NULL,
	unit_price  numeric   NOT NULL,
	customer_no int,
	country     text      NOT NULL
);
