-- What happens by itself: when, for whom, and step by step what.
CREATE TABLE loyalty.automation (
	automation_id int     NOT NULL DEFAULT nextval('loyalty.automation_id_seq') PRIMARY KEY,
	program_id    int     NOT NULL,
	name          text    NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
	title         text,
	-- draft: for test runs only; paused: nothing starts, and what waits goes on waiting;
	-- ended: nothing starts, and what waits ends
	status        text    NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'live', 'paused', 'ended')),

	-- what starts it. At the moment it happens: event, refund, activity, tier, near_tier,
	-- tag_set, tag_removed, stage, segment_entered, segment_left. On a date: date,
	-- points_expiring, coupon_expiring, plan_ending, silent. Before an hour:
	-- hold_expiring. For many: schedule, announcement
	trigger_kind  text    NOT NULL
	              CHECK (trigger_kind IN ('event', 'refund', 'activity', 'tier', 'near_tier', 'tag_set', 'tag_removed',
	                     'stage', 'segment_entered', 'segment_left', 'date', 'points_expiring', 'coupon_expiring',
	                     'plan_ending', 'silent', 'hold_expiring', 'schedule', 'announcement')),
	-- event, refund: of the event; activity: its kind; tier: the action in tier_history;
	-- tag, stage and segment: its name; date: birthday, joined, first_purchase,
	-- last_purchase, tier_until; points_expiring, hold_expiring: the unit;
	-- coupon_expiring: the coupon; plan_ending: the plan; silent: purchase or event.
	-- NULL: any
	trigger_name  text    CHECK (octet_length(trigger_name) BETWEEN 1 AND 63),
	-- date: days after it, below zero before; points_expiring, coupon_expiring,
	-- plan_ending: days before; silent: days since
	days          int     CHECK (days BETWEEN -3650 AND 3650),
	-- date: each year again; else once
	yearly        boolean NOT NULL DEFAULT false,
	-- near_tier: what is missing to the next tier is at most this percentage of it
	percent       numeric CHECK (percent > 0 AND percent <= 100),
	-- points_expiring: only from this amount on, in the unit's own terms
	min_amount    numeric CHECK (min_amount > 0 AND min_amount < 1000000000000),
	-- hold_expiring: so long before
	lead          interval CHECK (lead > '0' AND lead <= '30 days'),
	-- schedule: local days; all that are given must be true
	on_date       date    CHECK (isfinite(on_date)),
	days_of_week  int[]   CHECK (days_of_week <@ '{1,2,3,4,5,6,7}' AND days_of_week <> '{}'),
	days_of_month int[]   CHECK (days_of_month <@ '{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,-1}' AND days_of_month <> '{}'),
	-- so many days before (below zero: after) a day of the calendar
	calendar      text,
	calendar_days int     NOT NULL DEFAULT 0 CHECK (calendar_days BETWEEN -366 AND 366),
	-- local time at which what is due on a date begins
	at_time       time    NOT NULL DEFAULT '10:00',
	-- of something that was due longer ago than so many days nobody is told any more
	late_days     int     NOT NULL DEFAULT 3 CHECK (late_days BETWEEN 0 AND 366),

	-- whom: members of the segment, and over the automation document
	segment       text,
	condition     jsonpath,
	-- for one member: each time it happens, once a local period, or once
	once          text    NOT NULL DEFAULT 'occurrence'
	              CHECK (once IN ('occurrence', 'day', 'week', 'month', 'year', 'ever')),
	-- whole days between two runs of one member, at least
	gap_days      int     CHECK (gap_days BETWEEN 1 AND 3650),
	-- from what starts it to the first step; restarts: begins anew if it happens again
	delay         interval NOT NULL DEFAULT '0' CHECK (delay >= '0' AND delay <= '1 year'),
	restarts      boolean NOT NULL DEFAULT false,
	-- percentage of members who get nothing, for comparison; they are recorded
	holdout       numeric NOT NULL DEFAULT 0 CHECK (holdout >= 0 AND holdout <= 90),
	-- reached when such an event follows the start, within so many days; what waits ends
	goal_event    text,
	goal_days     int     CHECK (goal_days BETWEEN 1 AND 366),
	-- of its messages; service needs no consent
	purpose       text    NOT NULL DEFAULT 'marketing' CHECK (purpose ~ '^[a-z][a-z0-9_]{0,62}$'),
	campaign_id   int,
	starts_at     timestamptz CHECK (isfinite(starts_at)),
	ends_at       timestamptz CHECK (isfinite(ends_at)),
	CONSTRAINT automation_period_inverted CHECK (starts_at < ends_at),
	UNIQUE (program_id, name)
);

CREATE TABLE loyalty.automation_step (
	automation_id int     NOT NULL,
	-- ascending; gaps are allowed
	position      int     NOT NULL CHECK (position BETWEEN 1 AND 1000),
	program_id    int     NOT NULL,
	kind          text    NOT NULL
	              CHECK (kind IN ('award', 'coupon', 'tag_add', 'tag_remove', 'message', 'wait', 'check')),
	-- award
	unit_id       int,
	amount        numeric CHECK (amount > 0 AND amount < 1000000000000),
	-- coupon: the template; or a pack
	coupon        text,
	pack          text,
	-- tag_add, tag_remove; valid_days, also of a message, which is not sent later: NULL for good
	tag           text    CHECK (tag ~ '^[a-z][a-z0-9_]{0,62}$'),
	valid_days    int     CHECK (valid_days BETWEEN 1 AND 3650),
	-- message
	channel       text,
	template      text    CHECK (template ~ '^[a-z][a-z0-9_.-]{0,62}$'),
	params        jsonb   CHECK (jsonb_typeof(params) = 'object'),
	priority      smallint NOT NULL DEFAULT 5 CHECK (priority BETWEEN 0 AND 9),
	-- wait
	wait          interval CHECK (wait > '0' AND wait <= '1 year'),
	-- check: over the automation document; goes on at `otherwise` if it is not true,
	-- NULL: the run ends
	condition     jsonpath,
	otherwise     int,
	-- what it gave is taken back when the order that started the run is refunded wholly
	undo          boolean NOT NULL DEFAULT true,
	PRIMARY KEY (automation_id, position)
);

-- What was started for a member, how far it came, and what it did.
CREATE TABLE loyalty.automation_run (
	member_id     bigint      NOT NULL,
	run_id        bigint      NOT NULL,
	program_id    int         NOT NULL,
	automation_id int         NOT NULL,
	-- of which there is one run at most: what happened, or the period
	occurrence    text        NOT NULL,
	-- waiting, done, exited, held_out, skipped, cancelled, failed, undone
	status        text        NOT NULL DEFAULT 'waiting',
	-- why it exited, was skipped, cancelled or failed
	reason        text,
	-- when it happened, or was due
	triggered_at  timestamptz NOT NULL,
	-- waiting: when the next step is due
	due_at        timestamptz,
	-- the last step that was done; 0: none
	position      int         NOT NULL DEFAULT 0,
	-- the row of the journal that started it
	journal_id    bigint,
	-- what started it: names, ids, amounts and dates, nothing personal
	trigger       jsonb       NOT NULL DEFAULT '{}',
	-- for each step that was looked at: what came of it
	log           jsonb       NOT NULL DEFAULT '[]',
	finished_at   timestamptz,
	-- when the goal was reached
	goal_at       timestamptz,
	PRIMARY KEY (member_id, run_id),
	UNIQUE (member_id, automation_id, occurrence)
);
-- not of the member: who looks for his runs must never be sent through all that wait
CREATE INDEX automation_run_due_at_idx ON loyalty.automation_run (due_at, run_id) WHERE status = 'waiting';
CREATE INDEX automation_run_automation_id_idx ON loyalty.automation_run (automation_id, triggered_at);

-- One start of an automation for many: by hand, or by schedule.
CREATE TABLE loyalty.automation_broadcast (
	broadcast_id  bigint      NOT NULL PRIMARY KEY,
	program_id    int         NOT NULL,
	automation_id int         NOT NULL,
	-- of the caller, or the date of the schedule
	key           text        NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 255),
	-- whom; NULL: all
	segment       text,
	-- who bought or looked at it: sku, category or brand, in so many days
	target_kind   text        CHECK (target_kind IN ('sku', 'category', 'brand')),
	target        text,
	target_days   int         CHECK (target_days BETWEEN 1 AND 366),
	params        jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(params) = 'object'),
	status        text        NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'done', 'cancelled')),
	triggered_at  timestamptz NOT NULL,
	-- all members up to this id have been looked at
	done_until    bigint      NOT NULL DEFAULT 0,
	-- runs that were made
	started       bigint      NOT NULL DEFAULT 0,
	finished_at   timestamptz,
	UNIQUE (automation_id, key)
);
CREATE INDEX automation_broadcast_running_idx ON loyalty.automation_broadcast (broadcast_id) WHERE status = 'running';

-- How far all members have been looked at for what their automations make due.
CREATE TABLE loyalty.automation_scan (
	program_id  int    NOT NULL PRIMARY KEY,
	-- a hash of the automations that start on a date
	definition  bytea  NOT NULL,
	-- all members up to this id are done; NULL: all
	done_until  bigint
);

-- Runs that calls have changed, which the reports are to count again (report_run_day). Only added to, so that no
-- two calls wait for each other; a run may be named by many rows.
CREATE TABLE loyalty.report_run_change (
	program_id int      NOT NULL,
	change_id  bigint   NOT NULL,
	member_ids bigint[] NOT NULL,
	run_ids    bigint[] NOT NULL,
	PRIMARY KEY (program_id, change_id)
);
