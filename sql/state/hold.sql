-- Value set aside: held, then captured (wholly or partly), released or timed out.
CREATE TABLE loyalty.hold (
	member_id  bigint         NOT NULL,
	hold_id    bigint         NOT NULL,
	journal_id bigint         NOT NULL,
	amount     bigint         NOT NULL,
	captured   bigint         NOT NULL DEFAULT 0,
	expires_at timestamptz    NOT NULL,
	program_id int            NOT NULL,
	unit_id    int            NOT NULL,
	-- held, captured, released, timed_out
	status     text           NOT NULL DEFAULT 'held',
	ref        text,
	-- the lots it was taken from, in spend order
	lots       loyalty.wallet NOT NULL,
	-- of an order that is reserved: it ends with the order, not by itself
	of_order   boolean        NOT NULL DEFAULT false,
	PRIMARY KEY (member_id, hold_id)
);
CREATE INDEX hold_expires_at_idx ON loyalty.hold (expires_at) WHERE status = 'held';
CREATE INDEX hold_open_idx ON loyalty.hold (member_id) WHERE status = 'held';
