CREATE TABLE loyalty.unit (
	unit_id       int      NOT NULL DEFAULT nextval('loyalty.unit_id_seq') PRIMARY KEY,
	program_id    int      NOT NULL,
	code          text     NOT NULL CHECK (code ~ '^[a-z][a-z0-9_]{0,62}$'),
	kind          text     NOT NULL CHECK (kind IN ('points', 'money', 'metric', 'counter')),
	-- number of decimals; amounts are kept as integers of 10^-scale
	scale         smallint NOT NULL DEFAULT 0 CHECK (scale BETWEEN 0 AND 4),
	vest_days     int      NOT NULL DEFAULT 0 CHECK (vest_days BETWEEN 0 AND 3650),
	-- when a lot lapses, counted from the local date on which it was earned
	expiry        text     NOT NULL DEFAULT 'never'
	              CHECK (expiry IN ('never', 'days', 'months', 'end_of_month', 'end_of_year')),
	expiry_count  int      CHECK (expiry_count >= 0),
	-- metric only: how many months, the current one included, balance() adds up; NULL = all
	window_months int      CHECK (window_months BETWEEN 1 AND 1200),
	-- 'proportional': a partial refund takes its share; 'whole': only a full refund takes it
	refund        text     NOT NULL DEFAULT 'proportional'
	              CHECK (refund IN ('proportional', 'whole')),
	-- earned value that was already spent when its order is refunded
	debt_policy   text     NOT NULL DEFAULT 'debt' CHECK (debt_policy IN ('limit', 'debt')),
	-- spent value that comes back after its lot has lapsed
	return_policy text     NOT NULL DEFAULT 'expire' CHECK (return_policy IN ('expire', 'grace')),
	grace_days    int      CHECK (grace_days BETWEEN 1 AND 3650),
	-- counter only: what it counts is forgotten at the end of the local period
	period        text     CHECK (period IN ('day', 'week', 'month', 'year', 'lifetime')),
	UNIQUE (program_id, code),
	CONSTRAINT unit_expiry_count_goes_with_expiry CHECK ((expiry = 'never') = (expiry_count IS NULL)),
	CONSTRAINT unit_expiry_too_long CHECK (expiry_count <= CASE expiry WHEN 'days' THEN 36500 WHEN 'end_of_year' THEN 100 ELSE 1200 END),
	CONSTRAINT unit_grace_days_go_with_policy CHECK ((return_policy = 'grace') = (grace_days IS NOT NULL)),
	-- nothing lapses before it can be used
	CONSTRAINT unit_vests_before_it_lapses
	CHECK (vest_days <= CASE expiry WHEN 'days' THEN expiry_count WHEN 'never' THEN vest_days
	       WHEN 'end_of_year' THEN expiry_count * 365 ELSE expiry_count * 28 END),
	CONSTRAINT unit_window_needs_metric CHECK (kind = 'metric' OR window_months IS NULL),
	-- a metric lot is a month of history: it neither vests nor lapses
	CONSTRAINT unit_counted_neither_vests_nor_expires CHECK (kind NOT IN ('metric', 'counter') OR (vest_days = 0 AND expiry = 'never')),
	CONSTRAINT unit_period_goes_with_counter CHECK ((kind = 'counter') = (period IS NOT NULL))
);

-- What a unit is worth: `units` minor units of it = `money` minor units of the currency.
CREATE TABLE loyalty.unit_anchor (
	program_id int    NOT NULL,
	unit_id    int    NOT NULL,
	valid_from date   NOT NULL CHECK (isfinite(valid_from)),
	units      bigint NOT NULL CHECK (units BETWEEN 1 AND 1000000000000),
	money      bigint NOT NULL CHECK (money BETWEEN 1 AND 1000000000000),
	PRIMARY KEY (unit_id, valid_from)
);
