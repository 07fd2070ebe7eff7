-- A level of a programme.
CREATE TABLE loyalty.tier (
	tier_id         int          NOT NULL DEFAULT nextval('loyalty.tier_id_seq') PRIMARY KEY,
	program_id      int          NOT NULL,
	code            text         NOT NULL CHECK (code ~ '^[a-z][a-z0-9_]{0,62}$'),
	-- higher is better
	rank            int          NOT NULL CHECK (rank >= 0),
	title           text,
	icon            text,
	color           text,
	-- do all thresholds have to be met, or any one
	entry_match     text         NOT NULL DEFAULT 'any' CHECK (entry_match IN ('any', 'all')),
	retention_match text         NOT NULL DEFAULT 'any' CHECK (retention_match IN ('any', 'all')),
	-- how long it is held before it is reviewed; NULL: for ever
	valid_months    int          CHECK (valid_months BETWEEN 1 AND 1200),
	-- up to the end of which period the validity is rounded
	valid_round     text         NOT NULL DEFAULT 'day' CHECK (valid_round IN ('day', 'month', 'year')),
	grace_days      int          NOT NULL DEFAULT 0 CHECK (grace_days BETWEEN 0 AND 3650),
	warn_days       int          NOT NULL DEFAULT 30 CHECK (warn_days BETWEEN 0 AND 3650),
	demotion        text         NOT NULL DEFAULT 'one_level'
	                CHECK (demotion IN ('one_level', 'to_qualified', 'never')),
	-- what rules that may be multiplied award in this tier
	multiplier      numeric(6,3) NOT NULL DEFAULT 1 CHECK (multiplier > 0),
	-- of what is earned in this tier; NULL: the unit's own
	expiry          text         CHECK (expiry IN ('never', 'days', 'months', 'end_of_month', 'end_of_year')),
	expiry_count    int          CHECK (expiry_count >= 0),
	vest_days       int          CHECK (vest_days BETWEEN 0 AND 3650),
	UNIQUE (program_id, code),
	UNIQUE (program_id, rank),
	CONSTRAINT tier_expiry_count_goes_with_expiry CHECK ((expiry IS NULL OR expiry = 'never') = (expiry_count IS NULL)),
	CONSTRAINT tier_expiry_too_long CHECK (expiry_count <= CASE expiry WHEN 'days' THEN 36500 WHEN 'end_of_year' THEN 100 ELSE 1200 END)
);

-- What a tier asks for. Without an entry threshold everybody qualifies; without
-- one of retention, the entry thresholds are to be met again.
CREATE TABLE loyalty.tier_threshold (
	program_id int     NOT NULL,
	tier_id    int     NOT NULL,
	purpose    text    NOT NULL DEFAULT 'entry' CHECK (purpose IN ('entry', 'retention')),
	-- a metric
	unit_id    int     NOT NULL,
	threshold  numeric NOT NULL CHECK (threshold > 0 AND threshold < 1000000000000),
	-- which months count: the last n, this one included; those of the calendar
	-- year; those since the tier was reached; all
	window_kind text   NOT NULL DEFAULT 'rolling'
	           CHECK (window_kind IN ('rolling', 'calendar_year', 'tier_start', 'lifetime')),
	months     int     CHECK (months BETWEEN 1 AND 1200),
	PRIMARY KEY (tier_id, purpose, unit_id),
	CONSTRAINT tier_threshold_months_go_with_rolling CHECK ((window_kind = 'rolling') = (months IS NOT NULL))
);

-- Every change of a member's tier, and every review; append-only.
CREATE TABLE loyalty.tier_history (
	member_id    bigint      NOT NULL,
	-- the row that brought it about
	journal_id   bigint      NOT NULL,
	line         smallint    NOT NULL,
	program_id   int         NOT NULL,
	effective_at timestamptz NOT NULL,
	-- joined, promoted, prolonged, warned, grace, demoted, revoked (by a refund, or as a plan is over),
	-- granted (by hand), bought (given by a plan)
	action       text        NOT NULL,
	-- NULL: none
	tier_before  int,
	tier_after   int,
	-- held up to and including this date; NULL: no end
	tier_until   date,
	-- not to be reviewed before
	locked_until date,
	-- the threshold that decided: unit, minor units reached and asked for, months that counted
	unit_id      int,
	reached      bigint,
	threshold    bigint,
	window_from  date,
	window_until date,
	PRIMARY KEY (member_id, journal_id, line)
);
