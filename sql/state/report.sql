-- Sums for reports: what the ledger comes to by local day, folded from it by
-- maintenance. What is not folded yet is read from the ledger itself, so that a
-- report is right whether or not maintenance has run. All of it can be made anew.

-- Which ids of the journal are folded: ranges that do not touch each other.
CREATE TABLE loyalty.report_folded (
	first_id bigint NOT NULL PRIMARY KEY,
	last_id  bigint NOT NULL
);

-- Up to where the next turn may fold. Who had an id up to until_id when it was read
-- had a transaction before xid: once all of those are over, no such id can still come.
CREATE TABLE loyalty.report_mark (
	is_one   boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (is_one),
	-- of the sequence, without the bits of the node
	until_id bigint  NOT NULL,
	xid      xid8    NOT NULL
);

-- What came and went, in minor units of the unit; '' where the journal has NULL.
CREATE TABLE loyalty.report_value_day (
	program_id   int    NOT NULL,
	-- of effective_at, in the programme's zone
	day          date   NOT NULL,
	-- all (value ''), channel, store, staff, tier (its id: as the row found it)
	dimension    text   NOT NULL,
	value        text   NOT NULL,
	-- 0: rows that moved nothing
	unit_id      int    NOT NULL,
	-- of the journal row
	kind         text   NOT NULL,
	event        text   NOT NULL,
	journal_rows bigint NOT NULL,
	credited     bigint NOT NULL,
	debited      bigint NOT NULL,
	PRIMARY KEY (program_id, dimension, day, value, unit_id, kind, event)
);

-- The same by lot: of what lapses on a date, what came and went in which month.
CREATE TABLE loyalty.report_lot_month (
	program_id int    NOT NULL,
	unit_id    int    NOT NULL,
	-- infinity: never; -infinity: what members owe
	expires_on date   NOT NULL,
	-- its first day
	month      date   NOT NULL,
	kind       text   NOT NULL,
	credited   bigint NOT NULL,
	debited    bigint NOT NULL,
	PRIMARY KEY (program_id, unit_id, expires_on, month, kind)
);

-- What was sold, in minor units of the currency. A refund counts on its own day,
-- at the store, channel and tier of its order.
CREATE TABLE loyalty.report_sale_day (
	program_id int    NOT NULL,
	day        date   NOT NULL,
	-- as in report_value_day
	dimension  text   NOT NULL,
	value      text   NOT NULL,
	orders     bigint NOT NULL,
	amount     bigint NOT NULL,
	refunds    bigint NOT NULL,
	refunded   bigint NOT NULL,
	PRIMARY KEY (program_id, dimension, day, value)
);

-- Members who came and went; signups, and members taken over from another system.
CREATE TABLE loyalty.report_member_count (
	program_id int    NOT NULL,
	day        date   NOT NULL,
	dimension  text   NOT NULL,
	value      text   NOT NULL,
	joined     bigint NOT NULL,
	closed     bigint NOT NULL,
	reopened   bigint NOT NULL,
	PRIMARY KEY (program_id, dimension, day, value)
);

-- What one member did on one day: the days from which the next four are made.
CREATE TABLE loyalty.report_member_day (
	member_id  bigint NOT NULL,
	day        date   NOT NULL,
	program_id int    NOT NULL,
	-- rows of the journal by which he counts as active, orders among them
	actions    int    NOT NULL,
	orders     int    NOT NULL,
	amount     bigint NOT NULL,
	refunded   bigint NOT NULL,
	PRIMARY KEY (member_id, day)
);

-- For a day, members who were there and how many days after they had been there
-- last. Who is counted in a range of days is who was not there before within it, so
-- that distinct members of any range are a sum.
CREATE TABLE loyalty.report_return_day (
	program_id int    NOT NULL,
	-- active, buyer
	kind       text   NOT NULL,
	day        date   NOT NULL,
	-- 0: for the first time
	gap        int    NOT NULL,
	members    bigint NOT NULL,
	PRIMARY KEY (program_id, kind, day, gap)
);

-- Members by the days of their first and their second order.
CREATE TABLE loyalty.report_second (
	program_id int    NOT NULL,
	first_on   date   NOT NULL,
	-- infinity: none
	second_on  date   NOT NULL,
	members    bigint NOT NULL,
	PRIMARY KEY (program_id, first_on, second_on)
);

-- Members by the month of their first order, and what they bought in which month.
CREATE TABLE loyalty.report_cohort_month (
	program_id int    NOT NULL,
	cohort     date   NOT NULL,
	month      date   NOT NULL,
	members    bigint NOT NULL,
	orders     bigint NOT NULL,
	amount     bigint NOT NULL,
	refunded   bigint NOT NULL,
	PRIMARY KEY (program_id, cohort, month)
);

-- What was bought of what, as far as orders name their items.
CREATE TABLE loyalty.report_product_day (
	program_id int    NOT NULL,
	day        date   NOT NULL,
	-- sku, category, brand
	kind       text   NOT NULL,
	name       text   NOT NULL,
	-- of the member then; 0: none
	tier_id    int    NOT NULL,
	orders     bigint NOT NULL,
	-- thousandths of pieces
	quantity   bigint NOT NULL,
	amount     bigint NOT NULL,
	returned_quantity bigint NOT NULL,
	returned_amount   bigint NOT NULL,
	PRIMARY KEY (program_id, kind, day, name, tier_id)
);

-- The same by month, because a year of days is long.
CREATE TABLE loyalty.report_product_month (
	program_id int    NOT NULL,
	-- its first day
	month      date   NOT NULL,
	kind       text   NOT NULL,
	name       text   NOT NULL,
	tier_id    int    NOT NULL,
	orders     bigint NOT NULL,
	quantity   bigint NOT NULL,
	amount     bigint NOT NULL,
	returned_quantity bigint NOT NULL,
	returned_amount   bigint NOT NULL,
	PRIMARY KEY (program_id, kind, month, name, tier_id)
);

-- Changes of tier; 0: none, which is the base tier. Who is closed goes to -1, and comes
-- from there when reopened; what became of the tier meanwhile is while_closed.
CREATE TABLE loyalty.report_tier_day (
	program_id  int    NOT NULL,
	day         date   NOT NULL,
	-- as in tier_history; closed, reopened, while_closed
	action      text   NOT NULL,
	tier_before int    NOT NULL,
	tier_after  int    NOT NULL,
	times       bigint NOT NULL,
	PRIMARY KEY (program_id, day, action, tier_before, tier_after)
);

-- What campaigns awarded, net of what refunds took back, and what they were part of.
CREATE TABLE loyalty.report_campaign_day (
	program_id  int    NOT NULL,
	campaign_id int    NOT NULL,
	day         date   NOT NULL,
	-- 0: events that its rules awarded something or in which its coupons were used,
	-- each once, and the amounts of the purchases among them
	unit_id     int    NOT NULL,
	events      bigint NOT NULL,
	amount      bigint NOT NULL,
	PRIMARY KEY (program_id, campaign_id, day, unit_id)
);

-- On which days a member had such an event: the days from which the next is made.
CREATE TABLE loyalty.report_campaign_member_day (
	member_id   bigint NOT NULL,
	campaign_id int    NOT NULL,
	day         date   NOT NULL,
	program_id  int    NOT NULL,
	PRIMARY KEY (member_id, campaign_id, day)
);

-- As report_return_day, for each campaign.
CREATE TABLE loyalty.report_campaign_return_day (
	program_id  int    NOT NULL,
	campaign_id int    NOT NULL,
	day         date   NOT NULL,
	-- 0: for the first time
	gap         int    NOT NULL,
	members     bigint NOT NULL,
	PRIMARY KEY (program_id, campaign_id, day, gap)
);

-- How members were spread over recency, frequency and money at the end of a day.
-- Deleted when something is folded that is dated up to then; then the report
-- computes it. A day that was computed has a row of zeros, too.
CREATE TABLE loyalty.report_rfm_day (
	program_id int      NOT NULL,
	day        date     NOT NULL,
	recency    smallint NOT NULL,
	frequency  smallint NOT NULL,
	monetary   smallint NOT NULL,
	members    bigint   NOT NULL,
	orders     bigint   NOT NULL,
	amount     bigint   NOT NULL,
	PRIMARY KEY (program_id, day, recency, frequency, monetary)
);

-- What became of the messages that were queued on a day.
CREATE TABLE loyalty.report_message_day (
	program_id   int    NOT NULL,
	-- of created_at, in the programme's zone
	day          date   NOT NULL,
	channel      text   NOT NULL,
	template     text   NOT NULL,
	queued       bigint NOT NULL,
	-- done, or bounced
	sent         bigint NOT NULL,
	-- who opened it has got it, and who clicked has opened it
	delivered    bigint NOT NULL,
	opened       bigint NOT NULL,
	clicked      bigint NOT NULL,
	bounced      bigint NOT NULL,
	unsubscribed bigint NOT NULL,
	suppressed   bigint NOT NULL,
	expired      bigint NOT NULL,
	dead         bigint NOT NULL,
	cancelled    bigint NOT NULL,
	PRIMARY KEY (program_id, day, channel, template)
);
