-- How rules of one unit that apply to the same event combine.
CREATE TABLE loyalty.rule_group (
	program_id int  NOT NULL,
	name       text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
	-- of rules that award, and apart from them of multipliers: all, the one that
	-- gives most, the first; max_multiplier: all rules, but the best multiplier only
	combine    text NOT NULL DEFAULT 'sum'
	           CHECK (combine IN ('sum', 'best', 'first', 'max_multiplier')),
	PRIMARY KEY (program_id, name)
);

-- What an event earns.
CREATE TABLE loyalty.rule (
	rule_id      int         NOT NULL DEFAULT nextval('loyalty.rule_id_seq') PRIMARY KEY,
	program_id   int         NOT NULL,
	event        text        NOT NULL,
	unit_id      int         NOT NULL,
	kind         text        NOT NULL
	             CHECK (kind IN ('fixed', 'per_amount', 'per_quantity', 'steps', 'multiplier')),
	-- fixed, per_amount, per_quantity: in the unit's own terms, for each event or
	-- for each `per`; multiplier: the factor, 2 is double
	award        numeric     CHECK (award > 0 AND award < 1000000000000),
	-- per_amount: in the programme's currency; per_quantity: pieces
	per          numeric     CHECK (per > 0 AND per < 1000000000000),
	-- whole groups of `per` only, or the exact share
	proportional boolean     NOT NULL DEFAULT false,
	status       text        NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive')),
	valid_from   timestamptz CHECK (isfinite(valid_from)),
	valid_until  timestamptz CHECK (isfinite(valid_until)),

	name         text        CHECK (char_length(name) BETWEEN 1 AND 63),
	-- counts up with every change; the ledger's awards name it
	version      int         NOT NULL DEFAULT 1,
	campaign_id  int,
	rule_group   text,
	-- lower first; ties by rule_id
	priority     int         NOT NULL DEFAULT 100,
	-- where it awards something, no rule of the unit that comes after it does
	exclusive    boolean     NOT NULL DEFAULT false,

	-- steps: from step_from[i] on, step_award[i]; the highest step reached counts
	base         text        NOT NULL DEFAULT 'amount' CHECK (base IN ('amount', 'quantity', 'streak')),
	step_from    numeric[],
	step_award   numeric[],

	-- which part of the order counts
	excludes     text[]      NOT NULL DEFAULT '{}' CHECK (excludes <@ '{tax,shipping,points}'),
	item_filter  jsonpath,
	collection   text,
	excluded_collection text,

	-- when, in the programme's zone
	days_of_week   int[]     CHECK (days_of_week <@ '{1,2,3,4,5,6,7}' AND days_of_week <> '{}'),
	-- with days_of_week: the first, second ... of the month; -1 the last
	weeks_of_month int[]     CHECK (weeks_of_month <@ '{1,2,3,4,5,-1}' AND weeks_of_month <> '{}'),
	-- -1: the last day of the month
	days_of_month  int[]     CHECK (days_of_month <@ '{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,-1}' AND days_of_month <> '{}'),
	calendar       text,
	-- from <= time < until; over midnight, if from is later than until
	time_from      time,
	time_until     time,
	birthday       text      CHECK (birthday IN ('day', 'month')),
	anniversary    text      CHECK (anniversary IN ('day', 'month')),
	first_purchases int      CHECK (first_purchases > 0),
	-- days since the last purchase
	idle_from      int       CHECK (idle_from >= 0),
	idle_until     int       CHECK (idle_until >= 0),

	-- who; each: any of them
	tiers        text[] CHECK (tiers <> '{}' AND array_position(tiers, NULL) IS NULL),
	tags         text[] CHECK (tags <> '{}' AND array_position(tags, NULL) IS NULL),
	segments     text[] CHECK (segments <> '{}' AND array_position(segments, NULL) IS NULL),
	channels     text[] CHECK (channels <> '{}' AND array_position(channels, NULL) IS NULL),
	stores       text[] CHECK (stores <> '{}' AND array_position(stores, NULL) IS NULL),
	store_collection text,
	condition    jsonpath,

	-- how much
	tier_multiplied boolean  NOT NULL DEFAULT true,
	rounding     text        NOT NULL DEFAULT 'down'
	             CHECK (rounding IN ('down', 'nearest', 'up', 'half_even')),
	rounding_scope text      NOT NULL DEFAULT 'rule' CHECK (rounding_scope IN ('line', 'rule', 'event')),
	max_award    numeric     CHECK (max_award > 0 AND max_award < 1000000000000),
	-- what exceeds max_award or a budget: is cut, or nothing is awarded
	on_excess    text        NOT NULL DEFAULT 'truncate' CHECK (on_excess IN ('truncate', 'reject')),
	once_per_target boolean  NOT NULL DEFAULT false,
	cooldown     interval    CHECK (cooldown > '0' AND cooldown <= '100 years'),

	-- of what it awards; NULL: the tier's, then the unit's own
	vest_days    int         CHECK (vest_days BETWEEN 0 AND 3650),
	expiry       text        CHECK (expiry IN ('never', 'days', 'months', 'end_of_month', 'end_of_year')),
	expiry_count int         CHECK (expiry_count >= 0),

	CONSTRAINT rule_per_goes_with_kind CHECK ((kind IN ('per_amount', 'per_quantity')) = (per IS NOT NULL)),
	CONSTRAINT rule_award_unless_steps CHECK ((kind = 'steps') = (award IS NULL)),
	CONSTRAINT rule_steps_go_with_kind CHECK ((kind = 'steps') = (step_from IS NOT NULL) AND (kind = 'steps') = (step_award IS NOT NULL)),
	CONSTRAINT rule_steps_as_many_as_awards CHECK (cardinality(step_from) BETWEEN 1 AND 100 AND cardinality(step_from) = cardinality(step_award)),
	CONSTRAINT rule_base_needs_steps CHECK (kind = 'steps' OR base = 'amount'),
	CONSTRAINT rule_proportional_needs_per CHECK (kind IN ('per_amount', 'per_quantity') OR NOT proportional),
	CONSTRAINT rule_multiplier_too_large CHECK (kind <> 'multiplier' OR award <= 1000),
	CONSTRAINT rule_weeks_need_days CHECK (weeks_of_month IS NULL OR days_of_week IS NOT NULL),
	CONSTRAINT rule_time_from_goes_with_until CHECK ((time_from IS NULL) = (time_until IS NULL)),
	CONSTRAINT rule_time_window_empty CHECK (time_from <> time_until),
	CONSTRAINT rule_idle_inverted CHECK (idle_from <= idle_until),
	CONSTRAINT rule_expiry_count_goes_with_expiry CHECK ((expiry IS NULL OR expiry = 'never') = (expiry_count IS NULL)),
	CONSTRAINT rule_expiry_too_long CHECK (expiry_count <= CASE expiry WHEN 'days' THEN 36500 WHEN 'end_of_year' THEN 100 ELSE 1200 END),
	CONSTRAINT rule_validity_inverted CHECK (valid_from < valid_until)
);
CREATE INDEX rule_program_id_idx ON loyalty.rule (program_id);

-- What a rule was before it was changed or deleted: for explain(), and for reports,
-- which ask what it was when an award was recorded.
CREATE TABLE loyalty.rule_version (
	rule_id     int         NOT NULL,
	version     int         NOT NULL,
	program_id  int         NOT NULL,
	replaced_at timestamptz NOT NULL,
	definition  jsonb       NOT NULL,
	-- an id of the journal's sequence: what has a higher one came after the change,
	-- whatever the clocks say
	replaced_id bigint      NOT NULL,
	PRIMARY KEY (rule_id, version)
);

-- At most so much per member and period; rules that name the same counter share it.
CREATE TABLE loyalty.rule_cap (
	program_id int     NOT NULL,
	rule_id    int     NOT NULL,
	-- a unit of kind counter, which has the period
	unit_id    int     NOT NULL,
	counts     text    NOT NULL DEFAULT 'amount' CHECK (counts IN ('amount', 'times')),
	-- in the terms of the rule's unit, or times
	maximum    numeric NOT NULL CHECK (maximum > 0 AND maximum < 1000000000000),
	on_excess  text    NOT NULL DEFAULT 'truncate' CHECK (on_excess IN ('truncate', 'reject')),
	PRIMARY KEY (rule_id, unit_id)
);

-- When a rule awarded something to a member last: for a cooldown, and per target.
CREATE TABLE loyalty.rule_use (
	member_id  bigint      NOT NULL,
	rule_id    int         NOT NULL,
	-- '': all together
	target     text        NOT NULL DEFAULT '',
	program_id int         NOT NULL,
	used_at    timestamptz NOT NULL,
	PRIMARY KEY (member_id, rule_id, target)
);

-- Days on end on which a daily event happened.
CREATE TABLE loyalty.streak (
	member_id  bigint NOT NULL,
	event      text   NOT NULL,
	started_on date   NOT NULL,
	last_on    date   NOT NULL,
	program_id int    NOT NULL,
	PRIMARY KEY (member_id, event, started_on)
);
