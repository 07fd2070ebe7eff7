-- A named, time-boxed group of rules.
CREATE TABLE loyalty.campaign (
	campaign_id int         NOT NULL DEFAULT nextval('loyalty.campaign_id_seq') PRIMARY KEY,
	program_id  int         NOT NULL,
	name        text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 63),
	title       text,
	-- only a live campaign awards; draft: simulate() runs it
	status      text        NOT NULL DEFAULT 'draft'
	            CHECK (status IN ('draft', 'live', 'paused', 'ended')),
	starts_at   timestamptz CHECK (isfinite(starts_at)),
	-- not included
	ends_at     timestamptz CHECK (isfinite(ends_at)),
	UNIQUE (program_id, name),
	CONSTRAINT campaign_period_inverted CHECK (starts_at < ends_at)
);

-- How much of a unit may be awarded in all: by a campaign, or by every rule of the programme.
CREATE TABLE loyalty.budget (
	budget_id   int     NOT NULL DEFAULT nextval('loyalty.budget_id_seq') PRIMARY KEY,
	program_id  int     NOT NULL,
	-- NULL: the programme's
	campaign_id int,
	unit_id     int     NOT NULL,
	-- in the unit's own terms
	amount      numeric NOT NULL CHECK (amount >= 0 AND amount < 1000000000000),
	UNIQUE NULLS NOT DISTINCT (program_id, campaign_id, unit_id)
);

-- The budget, cut into slots, so that not everybody waits for one row. Minor units.
-- No CHECK, as in account.sql.
CREATE TABLE loyalty.budget_slot (
	budget_id  int    NOT NULL,
	slot       int    NOT NULL,
	program_id int    NOT NULL,
	quota      bigint NOT NULL,
	used       bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (budget_id, slot)
) WITH (fillfactor = 50);
