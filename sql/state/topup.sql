-- Stored value: what members have paid in advance, and what was given to them for it.
-- A unit of kind money; its lots are of origin principal or bonus.

CREATE TABLE loyalty.topup_policy (
	unit_id         int     NOT NULL PRIMARY KEY,
	program_id      int     NOT NULL,
	spend_order     text    NOT NULL DEFAULT 'proportional'
	                CHECK (spend_order IN ('bonus_first', 'principal_first', 'proportional')),
	-- bonus that was spent already, when a top-up is refunded: left alone, or deducted
	bonus_policy    text    NOT NULL DEFAULT 'forgive'
	                CHECK (bonus_policy IN ('forgive', 'deduct')),
	-- how much may stand on a member's card, in the unit's own terms; NULL: no limit
	limit_named     numeric CHECK (limit_named >= 0 AND limit_named < 1000000000000),
	limit_unnamed   numeric CHECK (limit_unnamed >= 0 AND limit_unnamed < 1000000000000),
	-- the same over all his cards of the programme
	limit_member    numeric CHECK (limit_member >= 0 AND limit_member < 1000000000000),
	-- when principal of an unnamed card lapses; that of a named one never does
	unnamed_months  int     CHECK (unnamed_months BETWEEN 1 AND 1200),
	-- when bonus lapses; NULL: never
	bonus_days      int     CHECK (bonus_days BETWEEN 1 AND 36500)
);

-- What a top-up of at least so much is worth in addition.
CREATE TABLE loyalty.topup_step (
	program_id     int     NOT NULL,
	unit_id        int     NOT NULL,
	-- in the unit's own terms; the highest step reached counts
	step_from      numeric NOT NULL CHECK (step_from > 0 AND step_from < 1000000000000),
	bonus          numeric NOT NULL DEFAULT 0 CHECK (bonus >= 0 AND bonus < 1000000000000),
	points         numeric CHECK (points > 0 AND points < 1000000000000),
	points_unit_id int,
	-- a pack of coupons, and a benefit of which a voucher is issued
	pack           text,
	benefit_id     int,
	PRIMARY KEY (unit_id, step_from),
	CONSTRAINT topup_step_points_need_unit CHECK ((points IS NULL) = (points_unit_id IS NULL))
);

-- A member's card: of each money unit there is one.
CREATE TABLE loyalty.topup_card (
	member_id   bigint      NOT NULL,
	unit_id     int         NOT NULL,
	program_id  int         NOT NULL,
	-- whose holder is registered by name
	named       boolean     NOT NULL DEFAULT false,
	frozen_at   timestamptz,
	-- the call that froze it, or set it free
	journal_id  bigint      NOT NULL,
	PRIMARY KEY (member_id, unit_id)
);

CREATE TABLE loyalty.topup (
	member_id   bigint      NOT NULL,
	-- the payment
	ref         text        NOT NULL,
	program_id  int         NOT NULL,
	unit_id     int         NOT NULL,
	-- pending: not paid yet; refunded: as far as `refunded` tells
	status      text        NOT NULL CHECK (status IN ('pending', 'done', 'cancelled', 'refunded')),
	made_at     timestamptz NOT NULL,
	-- minor units of the unit
	amount      bigint      NOT NULL CHECK (amount > 0),
	bonus       bigint      NOT NULL CHECK (bonus >= 0),
	points      bigint      NOT NULL DEFAULT 0 CHECK (points >= 0),
	points_unit_id int,
	pack        text,
	benefit_id  int,
	-- principal that was paid out, principal that was kept for bonus that had been
	-- spent, bonus that was taken back or paid for in this way, points taken back
	refunded    bigint      NOT NULL DEFAULT 0 CHECK (refunded >= 0),
	deducted    bigint      NOT NULL DEFAULT 0 CHECK (deducted >= 0),
	bonus_taken bigint      NOT NULL DEFAULT 0 CONSTRAINT topup_bonus_taken_at_most_bonus CHECK (bonus_taken BETWEEN deducted AND bonus),
	points_taken bigint     NOT NULL DEFAULT 0 CONSTRAINT topup_points_taken_at_most_points CHECK (points_taken BETWEEN 0 AND points),
	-- the call that made it, and the one that put it on the card
	journal_id  bigint      NOT NULL,
	done_by     bigint,
	PRIMARY KEY (member_id, ref),
	CONSTRAINT topup_taken_at_most_amount CHECK (refunded + deducted <= amount)
);
