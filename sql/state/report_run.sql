-- What runs of automations came to, by the local day on which they were triggered.
CREATE TABLE loyalty.report_run_day (
	program_id     int    NOT NULL,
	automation_id  int    NOT NULL,
	-- of triggered_at
	day            date   NOT NULL,
	-- 0: all but awarded
	unit_id        int    NOT NULL,
	-- the local day of the award, by which it is worth something; unit 0: day
	awarded_on     date   NOT NULL,
	runs           bigint NOT NULL,
	treated        bigint NOT NULL,
	held_out       bigint NOT NULL,
	treated_goals  bigint NOT NULL,
	held_out_goals bigint NOT NULL,
	coupons        bigint NOT NULL,
	discount       bigint NOT NULL,
	messages       bigint NOT NULL,
	awarded        bigint NOT NULL,
	PRIMARY KEY (program_id, automation_id, day, unit_id, awarded_on)
);

-- As report_return_day, for each automation: members who had a run that day.
CREATE TABLE loyalty.report_run_return_day (
	program_id    int    NOT NULL,
	automation_id int    NOT NULL,
	day           date   NOT NULL,
	-- 0: for the first time
	gap           int    NOT NULL,
	members       bigint NOT NULL,
	PRIMARY KEY (program_id, automation_id, day, gap)
);

-- As what each run is counted in these two. What it gave may be taken back at any time.
CREATE TABLE loyalty.report_run_seen (
	member_id      bigint   NOT NULL,
	run_id         bigint   NOT NULL,
	discount       bigint   NOT NULL,
	program_id     int      NOT NULL,
	automation_id  int      NOT NULL,
	day            date     NOT NULL,
	coupons        int      NOT NULL,
	messages       int      NOT NULL,
	treated        smallint NOT NULL,
	held_out       smallint NOT NULL,
	treated_goals  smallint NOT NULL,
	held_out_goals smallint NOT NULL,
	-- what it awarded, one beside the other; NULL: nothing
	unit_ids       int[],
	awarded_on     date[],
	awarded        bigint[],
	PRIMARY KEY (member_id, run_id)
);

-- A row of it, as functions hand it on.
CREATE TYPE loyalty.report_run_item AS (
	member_id      bigint,
	run_id         bigint,
	discount       bigint,
	program_id     int,
	automation_id  int,
	day            date,
	coupons        int,
	messages       int,
	treated        smallint,
	held_out       smallint,
	treated_goals  smallint,
	held_out_goals smallint,
	unit_ids       int[],
	awarded_on     date[],
	awarded        bigint[]
);
