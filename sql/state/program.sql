-- No table has a foreign key. pg_restore -j loads the tables of an extension,
-- whose constraints are there already, in the order of their size, and a key
-- would make it fail. Configuration is checked by triggers when it is saved,
-- members are written by one routine, and verify() checks both.

CREATE TABLE loyalty.program (
	program_id     int         NOT NULL DEFAULT nextval('loyalty.program_id_seq') PRIMARY KEY,
	name           text        NOT NULL UNIQUE
	               -- no character class: those of a name would depend on the database's locale
	               CHECK (char_length(name) BETWEEN 1 AND 63 AND name = btrim(name)
	                      AND name !~ '[\x01-\x1f\x7f]'),
	currency       text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
	currency_scale smallint    NOT NULL CHECK (currency_scale BETWEEN 0 AND 4),
	time_zone      text        NOT NULL,
	status         text        NOT NULL DEFAULT 'active'
	               CHECK (status IN ('active', 'inactive')),
	-- 'program': an order reference may earn once in the programme, not once per member
	ref_scope      text        NOT NULL DEFAULT 'member'
	               CHECK (ref_scope IN ('member', 'program')),
	-- nothing may be dated before this; moves when the accounts of a period are closed
	closed_until   timestamptz CHECK (isfinite(closed_until)),
	-- keeps with each event which rules were looked at and why, for explain()
	explain        boolean     NOT NULL DEFAULT true,
	-- a refund that lowers a metric: a promotion it brought is revoked at once, or
	-- counts at the next review; never: metrics are not lowered by refunds
	tier_refund    text        NOT NULL DEFAULT 'at_review'
	               CHECK (tier_refund IN ('immediate', 'at_review', 'never'))
);

-- The events that a programme knows; record() refuses any other.
CREATE TABLE loyalty.program_event (
	program_id int  NOT NULL,
	event      text NOT NULL CHECK (event ~ '^[a-z][a-z0-9_]{0,62}$'),
	-- at most once per local day; days on end are counted as a streak
	daily      boolean NOT NULL DEFAULT false,
	-- how many days later a missed day may still be made up for, with `at`
	makeup_days int NOT NULL DEFAULT 0 CHECK (makeup_days BETWEEN 0 AND 366),
	CONSTRAINT program_event_makeup_needs_daily CHECK (daily OR makeup_days = 0),
	PRIMARY KEY (program_id, event)
);
