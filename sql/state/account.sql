-- The person. Personal data lives here, in identity and in event_data, nowhere else.
CREATE TABLE loyalty.member (
	member_id  bigint      NOT NULL PRIMARY KEY,
	joined_at  timestamptz NOT NULL,
	program_id int         NOT NULL,
	profile    jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(profile) = 'object')
);
CREATE INDEX member_program_id_idx ON loyalty.member (program_id);

-- The hot row: the only row of a member that every call locks and changes.
-- Wide columns first, so that no byte is lost to alignment; a low fillfactor,
-- so that the new version stays on the page and no index is touched (HOT).
-- No CHECK here nor in the ledger: PostgreSQL parses the expressions anew for
-- each statement, 15 % of a purchase. One routine writes these tables, and
-- verify() checks what a constraint would.
CREATE TABLE loyalty.account (
	member_id         bigint         NOT NULL PRIMARY KEY,
	-- keys the request hashes of the journal; replaced when the person is erased
	salt              bigint         NOT NULL,
	first_event_at    timestamptz,
	last_event_at     timestamptz,
	first_purchase_at timestamptz,
	last_purchase_at  timestamptz,
	-- earliest time-out of an open hold
	hold_until        timestamptz,
	program_id        int            NOT NULL,
	-- purchases recorded, refunded or not
	purchases         int            NOT NULL DEFAULT 0,
	tier_id           int,
	-- first day of the period that ends with tier_until
	tier_since        date,
	-- held up to and including this date, then reviewed; NULL: no end
	tier_until        date,
	-- granted by hand: not reviewed before
	tier_locked_until date,
	-- everything that fell due up to and including this local date has been posted
	settled_on        date           NOT NULL,
	-- no later than the first date after settled_on on which something falls due
	due_on            date           NOT NULL,
	-- the tier was reached by a threshold, and has not been prolonged since
	tier_promoted     boolean        NOT NULL DEFAULT false,
	-- active, frozen, closed, merged
	status            text           NOT NULL DEFAULT 'active',
	-- normal, warned, grace
	tier_state        text           NOT NULL DEFAULT 'normal',
	-- what the metrics of the month of tier_since stood at then: unit, amount, unit, amount ...
	tier_base         bigint[],
	wallet            loyalty.wallet NOT NULL
) WITH (fillfactor = 60);
-- by programme, because each has a date of its own
CREATE INDEX account_due_on_idx ON loyalty.account (program_id, due_on);

-- One row of balance().
CREATE TYPE loyalty.account_balance AS (
	unit               text,
	available          numeric,
	pending            numeric,
	held               numeric,
	debt               numeric,
	next_expiry        date,
	next_expiry_amount numeric
);
