-- Orders between quote and payment.

-- What checkout_reserve() has set aside: its coupons in coupon_use, its values in hold.
CREATE TABLE loyalty.checkout (
	member_id   bigint      NOT NULL,
	ref         text        NOT NULL,
	program_id  int         NOT NULL,
	-- past expires_at a reserved one is over, whether it was looked at or not
	status      text        NOT NULL CHECK (status IN ('reserved', 'confirmed', 'cancelled', 'timed_out')),
	expires_at  timestamptz NOT NULL,
	-- cart, use and quote as they were reserved
	document    jsonb       NOT NULL,
	-- of the row that reserved it, and that ended it
	journal_id  bigint      NOT NULL,
	ended_by    bigint,
	PRIMARY KEY (member_id, ref)
);
CREATE INDEX checkout_expires_at_idx ON loyalty.checkout (expires_at) WHERE status = 'reserved';
