-- Paid membership: what is sold, for how long, for how much. What a plan grants:
-- its tier, and the benefits that name it in benefit_holder.
CREATE TABLE loyalty.plan (
	plan_id    int     NOT NULL DEFAULT nextval('loyalty.plan_id_seq') PRIMARY KEY,
	program_id int     NOT NULL,
	name       text    NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
	title      text,
	status     text    NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive')),
	months     int     CHECK (months BETWEEN 1 AND 1200),
	days       int     CHECK (days BETWEEN 1 AND 36500),
	-- for a whole period, in the programme's currency
	price      numeric NOT NULL CHECK (price >= 0 AND price < 1000000000000),
	-- higher is better: a member upgrades to a higher one
	rank       int     NOT NULL DEFAULT 0 CHECK (rank >= 0),
	tier       text,
	UNIQUE (program_id, name),
	CONSTRAINT plan_has_one_period CHECK (num_nonnulls(months, days) = 1)
);

-- One row for each period that was paid for; those of a member do not overlap.
CREATE TABLE loyalty.member_plan (
	member_id      bigint  NOT NULL,
	member_plan_id bigint  NOT NULL,
	program_id     int     NOT NULL,
	plan_id        int     NOT NULL,
	starts_on      date    NOT NULL,
	-- last day, included; before starts_on if the period was given back wholly
	ends_on        date    NOT NULL,
	-- as it was bought, whatever was given back later
	bought_until   date    NOT NULL,
	-- minor units of the currency
	price          bigint  NOT NULL,
	refunded       bigint  NOT NULL DEFAULT 0,
	auto_renew     boolean NOT NULL,
	status         text    NOT NULL CHECK (status IN ('active', 'upgraded', 'refunded')),
	journal_id     bigint  NOT NULL,
	PRIMARY KEY (member_id, member_plan_id)
);
