-- The person. Personal data lives here, in identity and in event_data, nowhere else.
CREATE TABLE loyalty.member (
	member_id  bigint      NOT NULL PRIMARY KEY,
	joined_at  timestamptz NOT NULL,
	program_id int         NOT NULL,
	profile    jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(profile) = 'object')
);
CREATE INDEX member_program_id_idx ON loyalty.member (program_id);
