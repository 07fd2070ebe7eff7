-- Named sets that rules refer to, so that a list of thousands need not be
-- written into a condition.

-- Products (by sku, category or brand) or stores.
CREATE TABLE loyalty.collection (
	program_id int  NOT NULL,
	name       text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
	title      text,
	PRIMARY KEY (program_id, name)
);
CREATE TABLE loyalty.collection_item (
	program_id int  NOT NULL,
	collection text NOT NULL,
	kind       text NOT NULL CHECK (kind IN ('sku', 'category', 'brand', 'store')),
	value      text NOT NULL CHECK (octet_length(value) BETWEEN 1 AND 255),
	PRIMARY KEY (program_id, collection, kind, value)
);

-- The days of a named calendar: public holidays, members' days.
CREATE TABLE loyalty.calendar_day (
	program_id int  NOT NULL,
	calendar   text NOT NULL CHECK (calendar ~ '^[a-z][a-z0-9_]{0,62}$'),
	day        date NOT NULL CHECK (isfinite(day)),
	name       text,
	PRIMARY KEY (program_id, calendar, day)
);
