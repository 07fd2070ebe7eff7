-- What periodic work did last, by kind of work.
CREATE TABLE loyalty.maintenance_job (
	job         text        NOT NULL PRIMARY KEY,
	-- began and was finished last
	started_at  timestamptz,
	finished_at timestamptz,
	-- accounts, holds, runs ... that were worked off
	done        bigint      NOT NULL DEFAULT 0,
	errors      bigint      NOT NULL DEFAULT 0,
	failed_at   timestamptz,
	-- SQLSTATE and message of the last one
	error       text
);

-- Members whose turn failed: they are left alone until retry_at, so that others are not held up.
CREATE TABLE loyalty.maintenance_fault (
	member_id  bigint      NOT NULL,
	job        text        NOT NULL,
	program_id int         NOT NULL,
	failed_at  timestamptz NOT NULL,
	retry_at   timestamptz NOT NULL,
	attempts   int         NOT NULL DEFAULT 1,
	sqlstate   text        NOT NULL,
	message    text        NOT NULL,
	PRIMARY KEY (member_id, job)
);
