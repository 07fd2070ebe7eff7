-- Sums of what became of coupons. Coupons and their uses change, so that what is folded
-- is what they come to differently from when they were counted last.

-- Coupons by the day of their issue, what is open by its last day of use, uses by the day
-- on which they were made. What is reserved is in none of it.
CREATE TABLE loyalty.report_coupon_day (
	program_id int    NOT NULL,
	day        date   NOT NULL,
	-- as in report_value_day; of a coupon those of the call that issued it, of a use
	-- those of the call that made it; campaign: of a use that of coupon_use
	dimension  text   NOT NULL,
	value      text   NOT NULL,
	coupon_id  int    NOT NULL,
	-- not void, and not from another member
	issued     bigint NOT NULL,
	claimed    bigint NOT NULL,
	spent      bigint NOT NULL,
	void       bigint NOT NULL,
	-- can still be used, for all that is reserved
	open       bigint NOT NULL,
	used       bigint NOT NULL,
	-- of these by a code that nobody holds as a coupon
	codes      bigint NOT NULL,
	returned   bigint NOT NULL,
	-- minor units of the currency; what refunds took back of it is not in it
	discount   bigint NOT NULL,
	-- of orders, each once for a coupon
	sales      bigint NOT NULL,
	PRIMARY KEY (program_id, dimension, day, value, coupon_id)
);

-- As what a coupon or a use is counted in report_coupon_day.
CREATE TABLE loyalty.report_coupon_seen (
	member_id  bigint   NOT NULL,
	-- coupon_no or use_id, which are of one sequence
	item_id    bigint   NOT NULL,
	-- by which its channel, store, staff and tier are found
	journal_id bigint   NOT NULL,
	discount   bigint   NOT NULL,
	sales      bigint   NOT NULL,
	program_id int      NOT NULL,
	coupon_id  int      NOT NULL,
	-- of the issue, or of the use
	day        date     NOT NULL,
	-- the day on which open counts
	lapses_on  date,
	issued     smallint NOT NULL,
	claimed    smallint NOT NULL,
	spent      smallint NOT NULL,
	void       smallint NOT NULL,
	open       smallint NOT NULL,
	used       smallint NOT NULL,
	codes      smallint NOT NULL,
	returned   smallint NOT NULL,
	PRIMARY KEY (member_id, item_id)
);

-- A row of it, as functions hand it on.
CREATE TYPE loyalty.report_coupon_item AS (
	member_id  bigint,
	item_id    bigint,
	journal_id bigint,
	discount   bigint,
	sales      bigint,
	program_id int,
	coupon_id  int,
	day        date,
	lapses_on  date,
	issued     smallint,
	claimed    smallint,
	spent      smallint,
	void       smallint,
	open       smallint,
	used       smallint,
	codes      smallint,
	returned   smallint
);
