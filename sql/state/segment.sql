-- Sets of members: by a condition, by a view of the shop's own, or as a list.
CREATE TABLE loyalty.segment (
	program_id int      NOT NULL,
	name       text     NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
	title      text,
	-- over the member document
	condition  jsonpath,
	-- schema and name of a view or table whose one column, a bigint, is the member id
	source     text,
	status     text     NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive')),
	PRIMARY KEY (program_id, name),
	-- neither: a list
	CONSTRAINT segment_condition_or_source CHECK (condition IS NULL OR source IS NULL)
);

CREATE TABLE loyalty.member_segment (
	member_id  bigint      NOT NULL,
	segment    text        NOT NULL,
	program_id int         NOT NULL,
	entered_at timestamptz NOT NULL,
	PRIMARY KEY (member_id, segment)
);
CREATE INDEX member_segment_segment_idx ON loyalty.member_segment (program_id, segment, member_id);

-- Every member who entered or left; append-only.
CREATE TABLE loyalty.segment_history (
	member_id  bigint      NOT NULL,
	history_id bigint      NOT NULL,
	program_id int         NOT NULL,
	segment    text        NOT NULL,
	action     text        NOT NULL CHECK (action IN ('entered', 'left')),
	changed_at timestamptz NOT NULL,
	PRIMARY KEY (member_id, history_id)
);
