-- The person. Personal data lives here, in identity and in event_data, nowhere else.
CREATE TABLE loyalty.member (
	member_id  bigint      NOT NULL PRIMARY KEY,
	joined_at  timestamptz NOT NULL,
	program_id int         NOT NULL,
	profile    jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(profile) = 'object')
);
CREATE INDEX member_program_id_idx ON loyalty.member (program_id);

-- What a member is known for. Plain names; rules ask for them.
CREATE TABLE loyalty.member_tag (
	member_id  bigint      NOT NULL,
	tag        text        NOT NULL CHECK (tag ~ '^[a-z][a-z0-9_]{0,62}$'),
	program_id int         NOT NULL,
	tagged_at  timestamptz NOT NULL,
	PRIMARY KEY (member_id, tag)
);
