-- What is to be told to members: by whom it may be, through which channel, and what became of it.

CREATE TABLE loyalty.message_channel (
	program_id    int      NOT NULL,
	name          text     NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
	title         text,
	-- what it is for, for people
	role          text,
	-- paused: messages wait
	status        text     NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused')),
	-- messages taken per local day; NULL: no limit
	quota         int      CHECK (quota >= 0),
	-- local hours in which nothing is taken but what is urgent; may cross midnight
	quiet_from    time     CHECK (quiet_from < '24:00'),
	quiet_until   time,
	-- messages to one member in so many local days, of those that need his consent; NULL: no limit
	member_cap    int      CHECK (member_cap > 0),
	member_days   int      NOT NULL DEFAULT 1 CHECK (member_days BETWEEN 1 AND 366),
	-- the channel for what this one could not deliver; no reference is checked, because
	-- a restore loads the rows in any order
	fallback      text,
	max_attempts  int      NOT NULL DEFAULT 8 CHECK (max_attempts BETWEEN 1 AND 100),
	-- after the first failure; doubles with each, up to retry_max
	retry_after   interval NOT NULL DEFAULT '1 minute' CHECK (retry_after > '0' AND retry_after <= '1 day'),
	retry_max     interval NOT NULL DEFAULT '6 hours' CHECK (retry_max > '0' AND retry_max <= '7 days'),
	-- consumers are told by NOTIFY; transactions that do so commit one after the other
	wakes         boolean  NOT NULL DEFAULT true,
	CONSTRAINT message_channel_quiet_from_goes_with_until CHECK ((quiet_from IS NULL) = (quiet_until IS NULL)),
	CONSTRAINT message_channel_quiet_window_empty CHECK (quiet_from <> quiet_until),
	CONSTRAINT message_channel_retry_inverted CHECK (retry_after <= retry_max),
	CONSTRAINT message_channel_falls_back_on_itself CHECK (fallback <> name),
	PRIMARY KEY (program_id, name)
);

-- The outbox. A row is there if and only if the transaction that wrote it was committed.
CREATE TABLE loyalty.message (
	member_id     bigint      NOT NULL,
	message_id    bigint      NOT NULL,
	created_at    timestamptz NOT NULL,
	-- when it may be taken: not before, after a failure, when a lease is over
	due_at        timestamptz NOT NULL,
	-- not taken after that
	expires_at    timestamptz,
	-- when it was taken last, and done or given up
	taken_at      timestamptz,
	ended_at      timestamptz,
	program_id    int         NOT NULL,
	automation_id int,
	run_id        bigint,
	-- the message that this one stands in for
	fallback_of   bigint,
	attempts      int         NOT NULL DEFAULT 0,
	-- 9 is urgent: neither quiet hours nor the member's cap hold it back
	priority      smallint    NOT NULL DEFAULT 5,
	-- queued, taken, done, dead, suppressed, expired, cancelled
	status        text        NOT NULL DEFAULT 'queued',
	channel       text        NOT NULL,
	template      text        NOT NULL,
	purpose       text        NOT NULL DEFAULT 'service',
	-- of which a member has one at most
	dedupe_key    text,
	-- why it failed last, was suppressed or given up
	reason        text,
	-- names, ids, amounts and dates, nothing personal: who sends it looks that up
	params        jsonb       NOT NULL DEFAULT '{}',
	PRIMARY KEY (member_id, message_id)
);
CREATE UNIQUE INDEX message_dedupe_key_idx ON loyalty.message (member_id, dedupe_key) WHERE dedupe_key IS NOT NULL;
-- the queue: of a programme, because those that are paused must not stand in the way of others
CREATE INDEX message_due_at_idx ON loyalty.message (program_id, channel, priority, due_at, message_id)
	WHERE status IN ('queued', 'taken');
CREATE INDEX message_expires_at_idx ON loyalty.message (expires_at)
	WHERE status IN ('queued', 'taken') AND expires_at IS NOT NULL;

-- What the channel tells of a message that was sent, each kind once; append-only.
CREATE TABLE loyalty.message_feedback (
	member_id   bigint      NOT NULL,
	message_id  bigint      NOT NULL,
	-- delivered, opened, clicked, bounced, unsubscribed
	kind        text        NOT NULL,
	program_id  int         NOT NULL,
	at          timestamptz NOT NULL,
	PRIMARY KEY (member_id, message_id, kind)
);

-- How many messages of a channel were taken on a local day, while it has a quota.
CREATE TABLE loyalty.message_quota (
	channel    text NOT NULL,
	program_id int  NOT NULL,
	day        date NOT NULL,
	taken      int  NOT NULL DEFAULT 0,
	PRIMARY KEY (channel, program_id, day)
);

-- What a member has agreed to, and taken back; append-only, what was said last counts.
CREATE TABLE loyalty.consent (
	member_id  bigint      NOT NULL,
	consent_id bigint      NOT NULL,
	program_id int         NOT NULL,
	purpose    text        NOT NULL,
	-- NULL: all channels. What is said of a channel counts before what is said of all,
	-- but for a withdrawal of all that came later
	channel    text,
	given      boolean     NOT NULL,
	at         timestamptz NOT NULL,
	-- how it can be proved: the id of a form, a version of the text; nothing personal
	evidence   text,
	actor      text        NOT NULL,
	PRIMARY KEY (member_id, consent_id)
);

-- What calls have changed of the sums of the reports (report_message_day), until these
-- are brought up to it. Only added to, so that no two calls wait for each other.
CREATE TABLE loyalty.report_message_change (
	program_id   int    NOT NULL,
	change_id    bigint NOT NULL,
	day          date   NOT NULL,
	channel      text   NOT NULL,
	template     text   NOT NULL,
	queued       int    NOT NULL DEFAULT 0,
	sent         int    NOT NULL DEFAULT 0,
	delivered    int    NOT NULL DEFAULT 0,
	opened       int    NOT NULL DEFAULT 0,
	clicked      int    NOT NULL DEFAULT 0,
	bounced      int    NOT NULL DEFAULT 0,
	unsubscribed int    NOT NULL DEFAULT 0,
	suppressed   int    NOT NULL DEFAULT 0,
	expired      int    NOT NULL DEFAULT 0,
	dead         int    NOT NULL DEFAULT 0,
	cancelled    int    NOT NULL DEFAULT 0,
	PRIMARY KEY (program_id, change_id)
);
