-- Orders of people who are not members, to compare those of members with. Nothing
-- is earned by them and nothing personal is kept.
CREATE TABLE loyalty.guest_order (
	program_id  int         NOT NULL,
	ref         text        NOT NULL,
	-- '': the order; else a refund of it
	refund_ref  text        NOT NULL DEFAULT '',
	-- minor units of the currency
	amount      bigint      NOT NULL CHECK (amount >= 0),
	at          timestamptz NOT NULL,
	recorded_at timestamptz NOT NULL,
	channel     text,
	store       text,
	staff       text,
	PRIMARY KEY (ref, refund_ref, program_id)
);
-- orders come in about the order of their time
CREATE INDEX guest_order_at_idx ON loyalty.guest_order USING brin (at) WITH (pages_per_range = 16, autosummarize = on);
