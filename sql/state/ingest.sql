-- One event to be loaded: what record() and purchase() take.
CREATE TYPE loyalty.ingest_row AS (
	-- the position in its source, for rejects
	line       text,
	member_id  bigint,
	-- instead of member_id: whom they lead to
	identities jsonb,
	-- NULL: purchase
	event      text,
	amount     numeric,
	ref        text,
	items      jsonb,
	data       jsonb,
	at         timestamptz,
	key        text,
	-- why it could not be read; it is rejected with this detail
	error      text
);

-- One member to be taken over from another system.
CREATE TYPE loyalty.import_row AS (
	line              text,
	identities        jsonb,
	profile           jsonb,
	joined_at         timestamptz,
	tier              text,
	tier_since        date,
	tier_until        date,
	purchases         int,
	first_purchase_at timestamptz,
	last_purchase_at  timestamptz,
	lots              jsonb,
	-- the member's number in the other system: what its table of lots refers to
	number            text,
	error             text
);

-- A load: how far it has come.
CREATE TABLE loyalty.ingest_run (
	run_id     int         NOT NULL DEFAULT nextval('loyalty.ingest_run_id_seq') PRIMARY KEY,
	program_id int         NOT NULL,
	source     text        NOT NULL,
	-- stopped: begun anew by another run
	status     text        NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'done', 'stopped')),
	-- the last row of the source that was looked at
	position   text,
	-- the file in which the source is stored; in another one no position holds
	storage    bigint,
	-- as estimated when it began
	total      bigint,
	done       bigint      NOT NULL DEFAULT 0,
	replayed   bigint      NOT NULL DEFAULT 0,
	rejected   bigint      NOT NULL DEFAULT 0,
	started_at timestamptz NOT NULL,
	changed_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX ingest_run_running_idx ON loyalty.ingest_run (program_id, source)
	WHERE status = 'running';

-- Rows that could not be loaded, by ingest() or by a trigger of attach().
CREATE TABLE loyalty.ingest_reject (
	reject_id   bigint      NOT NULL PRIMARY KEY,
	program_id  int         NOT NULL,
	source      text        NOT NULL,
	-- NULL: a trigger's
	run_id      int,
	line        text,
	member_id   bigint,
	event       text,
	ref         text,
	-- name and SQLSTATE of the refusal
	reason      text        NOT NULL,
	code        text        NOT NULL,
	detail      text,
	rejected_at timestamptz NOT NULL
);
CREATE INDEX ingest_reject_source_idx ON loyalty.ingest_reject (program_id, source, reject_id);
