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

-- One row for each payment and the period it is for; those of a member do not overlap.
CREATE TABLE loyalty.member_plan (
	member_id     bigint   NOT NULL,
	-- the row of the call that bought it
	journal_id    bigint   NOT NULL,
	program_id    int      NOT NULL,
	plan_id       int      NOT NULL,
	-- the tier that it gives, as it was bought; NULL: none
	tier_id       int,
	starts_on     date     NOT NULL,
	-- last day, included; before starts_on if no day of it is left
	ends_on       date     NOT NULL,
	-- as it was bought, whatever was given back later
	bought_until  date     NOT NULL,
	-- day of the month on which its months begin, kept by what follows it; 0: of days
	anchor_day    smallint NOT NULL,
	-- minor units of the currency: what the period was sold for; of that, what the
	-- period before it still was worth; and what was given back of the payment,
	-- which is the rest
	price         bigint   NOT NULL,
	credit        bigint   NOT NULL,
	refunded      bigint   NOT NULL,
	auto_renew    boolean  NOT NULL,
	status        text     NOT NULL CHECK (status IN ('active', 'upgraded', 'refunded')),
	-- the payment
	ref           text     NOT NULL,
	-- the period that the credit comes from
	upgraded_from bigint,
	PRIMARY KEY (member_id, journal_id),
	UNIQUE (member_id, ref)
);
CREATE INDEX member_plan_ends_on_idx ON loyalty.member_plan (program_id, ends_on)
	WHERE auto_renew AND status = 'active';
