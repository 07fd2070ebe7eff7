-- Behaviour that moves no value: append-only, kept as long as its kind says.
CREATE TABLE loyalty.activity_kind (
	program_id  int  NOT NULL,
	kind        text NOT NULL CHECK (kind ~ '^[a-z][a-z0-9_]{0,62}$'),
	title       text,
	-- whole local days after its own; NULL: for ever
	retain_days int  CHECK (retain_days BETWEEN 1 AND 36500),
	PRIMARY KEY (program_id, kind)
);

CREATE TABLE loyalty.activity (
	-- or the anonymous id of a visitor who has not joined
	member_id     bigint      NOT NULL,
	activity_id   bigint      NOT NULL,
	at            timestamptz NOT NULL,
	program_id    int         NOT NULL,
	dwell_seconds int         CHECK (dwell_seconds >= 0),
	kind          text        NOT NULL,
	-- sku, page, store, ...
	target_kind   text,
	target        text,
	session       text,
	channel       text,
	-- what may be personal; nothing else here should be
	data          jsonb,
	-- of the sender, so that what is sent twice is kept once
	key           text,
	PRIMARY KEY (member_id, activity_id)
);
CREATE INDEX activity_at_idx ON loyalty.activity (program_id, kind, at);
CREATE UNIQUE INDEX activity_key_idx ON loyalty.activity (member_id, key)
	WHERE key IS NOT NULL;

-- What was deleted, so that nobody takes its days for days without activities. Several
-- who delete at once have rows of their own, so that none waits for another; the latest
-- date counts.
CREATE TABLE loyalty.activity_expired (
	program_id int         NOT NULL,
	kind       text        NOT NULL,
	noted_at   timestamptz NOT NULL,
	-- local date; of earlier days nothing is left, or a part
	before     date        NOT NULL,
	PRIMARY KEY (program_id, kind, noted_at)
);

-- One thing that a member or a visitor did, for track_batch().
CREATE TYPE loyalty.activity_row AS (
	member_id     bigint,
	-- instead of member_id
	visitor       text,
	kind          text,
	target_kind   text,
	target        text,
	session       text,
	dwell_seconds int,
	channel       text,
	data          jsonb,
	-- NULL: now
	at            timestamptz,
	key           text
);

-- Who has not joined yet, by what the shop recognises him by: a cookie, a device.
CREATE TABLE loyalty.visitor (
	program_id int         NOT NULL,
	visitor    text        NOT NULL CHECK (octet_length(visitor) BETWEEN 1 AND 255),
	-- under whose id his activities are kept: an anonymous one until he joins
	member_id  bigint      NOT NULL,
	-- for the first time
	seen_at    timestamptz NOT NULL,
	-- NULL: he has not
	joined_at  timestamptz,
	PRIMARY KEY (visitor, program_id)
);
CREATE INDEX visitor_member_id_idx ON loyalty.visitor (member_id);
