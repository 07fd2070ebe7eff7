-- One ID: each way to recognise a member leads to one member of the programme.
-- A lookup table, found by value; a distributed engine keeps it apart from the
-- member.
CREATE TABLE loyalty.identity (
	program_id int         NOT NULL,
	kind       text        NOT NULL CHECK (kind ~ '^[a-z][a-z0-9_]{0,62}$'),
	value      text        NOT NULL CHECK (length(value) BETWEEN 1 AND 255),
	member_id  bigint      NOT NULL,
	added_at   timestamptz NOT NULL,
	PRIMARY KEY (value, kind, program_id)
);
CREATE INDEX identity_member_id_idx ON loyalty.identity (member_id);
