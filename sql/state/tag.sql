-- What a member is known for.

-- A tag that is judged by a condition, or described for those who give it by hand.
CREATE TABLE loyalty.tag (
	program_id int      NOT NULL,
	name       text     NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
	title      text,
	-- of the tags of dimension lifecycle a member has one at a time
	dimension  text     NOT NULL DEFAULT 'attribute'
	           CHECK (dimension IN ('attribute', 'transaction', 'behaviour', 'social', 'lifecycle')),
	-- over the member document; NULL: given by hand
	condition  jsonpath,
	status     text     NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive')),
	-- of stages: the first by position whose condition is true counts; also their order
	-- of progress, for people
	position   int      NOT NULL DEFAULT 100,
	PRIMARY KEY (program_id, name)
);

-- What members have. A tag that is over stays until it is looked at again.
CREATE TABLE loyalty.member_tag (
	member_id   bigint      NOT NULL,
	tag         text        NOT NULL CHECK (tag ~ '^[a-z][a-z0-9_]{0,62}$'),
	program_id  int         NOT NULL,
	tagged_at   timestamptz NOT NULL,
	-- 'rule': by the tag's condition; else who says so: hand, survey, import
	source      text        NOT NULL DEFAULT 'hand' CHECK (source ~ '^[a-z][a-z0-9_]{0,62}$'),
	valid_until timestamptz CHECK (isfinite(valid_until)),
	PRIMARY KEY (member_id, tag)
);

-- Every tag that was set or removed; append-only.
CREATE TABLE loyalty.tag_history (
	member_id  bigint      NOT NULL,
	history_id bigint      NOT NULL,
	program_id int         NOT NULL,
	tag        text        NOT NULL,
	action     text        NOT NULL CHECK (action IN ('set', 'removed')),
	source     text        NOT NULL,
	-- when it became so: of the event, or the date on which time changed it
	changed_at timestamptz NOT NULL,
	PRIMARY KEY (member_id, history_id)
);

-- What a member did on a local day, added up: the figures that conditions of tags
-- and segments see. Can be made anew from the ledger and the activities.
CREATE TABLE loyalty.member_day (
	member_id  bigint NOT NULL,
	day        date   NOT NULL,
	-- purchase (name ''), category, brand, activity; no CHECK, as in account.sql
	kind       text   NOT NULL,
	name       text   NOT NULL DEFAULT '',
	program_id int    NOT NULL,
	-- purchases, or activities
	times      int    NOT NULL DEFAULT 0,
	-- thousandths of pieces
	quantity   bigint NOT NULL DEFAULT 0,
	-- minor units of the currency
	amount     bigint NOT NULL DEFAULT 0,
	-- purchases with a discount
	discounted int    NOT NULL DEFAULT 0,
	PRIMARY KEY (member_id, day, kind, name)
);

-- When the tags and segments of a member must be judged again because time has passed.
CREATE TABLE loyalty.tag_review (
	member_id  bigint NOT NULL PRIMARY KEY,
	program_id int    NOT NULL,
	due_on     date   NOT NULL
);
CREATE INDEX tag_review_due_on_idx ON loyalty.tag_review (program_id, due_on, member_id);

-- How far all members have been judged by the conditions as they are now.
CREATE TABLE loyalty.tag_scan (
	program_id  int    NOT NULL PRIMARY KEY,
	-- a hash of the conditions
	definition  bytea  NOT NULL,
	-- all members up to this id are done; NULL: all
	done_until  bigint
);
