-- Discounts: what they give, on what, when, to whom, together with what; and
-- what members hold and have used of them.

-- Which coupons and offers can be combined in one order.
CREATE TABLE loyalty.coupon_category (
	program_id    int  NOT NULL,
	name          text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
	-- common: with common and always; never: with always, and with its like; always: with all
	stacking      text NOT NULL DEFAULT 'common' CHECK (stacking IN ('common', 'never', 'always')),
	-- of the category in one order; NULL: no limit
	max_per_order int  CHECK (max_per_order > 0),
	-- lower is applied first
	rank          int  NOT NULL DEFAULT 100,
	PRIMARY KEY (program_id, name)
);

-- A template of coupons; or, if automatic, a promotion that needs none (view offer).
CREATE TABLE loyalty.coupon (
	coupon_id    int     NOT NULL DEFAULT nextval('loyalty.coupon_id_seq') PRIMARY KEY,
	program_id   int     NOT NULL,
	name         text    NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
	title        text,
	automatic    boolean NOT NULL DEFAULT false,
	status       text    NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive')),
	-- counts up with every change; what was issued keeps the version it was issued with
	version      int     NOT NULL DEFAULT 1,
	campaign_id  int,

	-- amount, percent: off; ladder: off by how much is bought; price: a new price of
	-- pieces; bundle: `buy` pieces for one price; buy_get: for `buy` pieces, `get` more
	-- at percent off; gift: an item is added; shipping: off the shipping; multiplier:
	-- of points earned; exchange: pieces for the coupon
	kind         text    NOT NULL
	             CHECK (kind IN ('amount', 'percent', 'ladder', 'price', 'bundle', 'buy_get', 'gift',
	                             'shipping', 'multiplier', 'exchange')),
	-- in the programme's currency. amount: off; price: of a piece; bundle: of all its
	-- pieces; shipping: at most so much, NULL all of it
	amount       numeric CHECK (amount >= 0 AND amount < 1000000000000),
	-- percent, buy_get: off; 100 is free
	percent      numeric CHECK (percent > 0 AND percent <= 100),
	max_discount numeric CHECK (max_discount > 0 AND max_discount < 1000000000000),
	-- ladder: from step_from[i] on, step_off[i]; the highest step reached counts
	base         text    NOT NULL DEFAULT 'amount' CHECK (base IN ('amount', 'quantity')),
	step_from    numeric[],
	step_off     numeric[],
	-- what step_off is; an amount in the programme's currency
	step_kind    text    NOT NULL DEFAULT 'amount' CHECK (step_kind IN ('amount', 'percent')),
	-- the one step again for each time it is reached
	repeats      boolean NOT NULL DEFAULT false,
	buy          int     CHECK (buy BETWEEN 1 AND 10000),
	get          int     CHECK (get BETWEEN 1 AND 10000),
	-- which pieces are reduced
	pick         text    NOT NULL DEFAULT 'cheapest' CHECK (pick IN ('cheapest', 'dearest')),
	-- price, exchange: pieces; bundle, buy_get: times; NULL: no limit
	max_times    int     CHECK (max_times > 0),
	-- gift: what is added
	sku          text    CHECK (octet_length(sku) BETWEEN 1 AND 255),
	quantity     numeric CHECK (quantity > 0 AND quantity < 1000000),
	-- multiplier: 2 is double; of this unit, NULL: of all points
	factor       numeric CHECK (factor > 1 AND factor <= 1000),
	unit_id      int,

	-- the part of the cart by which it is judged, and which it reduces: all lines, or
	item_filter  jsonpath,
	collection   text,
	excluded_collection text,
	-- instead, what it reduces
	target_filter jsonpath,
	target_collection text,
	-- of the part by which it is judged
	min_amount   numeric CHECK (min_amount > 0 AND min_amount < 1000000000000),
	max_amount   numeric CHECK (max_amount > 0 AND max_amount < 1000000000000),
	min_quantity numeric CHECK (min_quantity > 0 AND min_quantity < 1000000000),
	max_quantity numeric CHECK (max_quantity > 0 AND max_quantity < 1000000000),

	-- first and last day of use, local
	valid_from   date    CHECK (isfinite(valid_from)),
	valid_until  date    CHECK (isfinite(valid_until)),
	-- of one that is issued: days of use, from so many days after the issue
	valid_days   int     CHECK (valid_days BETWEEN 1 AND 36500),
	valid_after  int     NOT NULL DEFAULT 0 CHECK (valid_after BETWEEN 0 AND 3650),

	-- when, in the programme's zone; as rules have it
	days_of_week   int[]     CHECK (days_of_week <@ '{1,2,3,4,5,6,7}' AND days_of_week <> '{}'),
	weeks_of_month int[]     CHECK (weeks_of_month <@ '{1,2,3,4,5,-1}' AND weeks_of_month <> '{}'),
	days_of_month  int[]     CHECK (days_of_month <@ '{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,-1}' AND days_of_month <> '{}'),
	calendar       text,
	time_from      time,
	time_until     time,
	birthday       text      CHECK (birthday IN ('day', 'month')),
	anniversary    text      CHECK (anniversary IN ('day', 'month')),
	first_purchases int      CHECK (first_purchases > 0),
	idle_from      int       CHECK (idle_from >= 0),
	idle_until     int       CHECK (idle_until >= 0),
	-- who; each: any of them
	tiers        text[] CHECK (tiers <> '{}' AND array_position(tiers, NULL) IS NULL),
	tags         text[] CHECK (tags <> '{}' AND array_position(tags, NULL) IS NULL),
	segments     text[] CHECK (segments <> '{}' AND array_position(segments, NULL) IS NULL),
	channels     text[] CHECK (channels <> '{}' AND array_position(channels, NULL) IS NULL),
	stores       text[] CHECK (stores <> '{}' AND array_position(stores, NULL) IS NULL),
	store_collection text,
	payment_methods text[] CHECK (payment_methods <> '{}' AND array_position(payment_methods, NULL) IS NULL),
	condition    jsonpath,

	-- together with what
	category     text,
	-- with nothing but what is of an always category
	exclusive    boolean NOT NULL DEFAULT false,
	-- of this template in one order
	max_per_order int    NOT NULL DEFAULT 1 CHECK (max_per_order > 0),
	-- lower is applied first, among those of one category
	priority     int     NOT NULL DEFAULT 100,

	-- how members come by it
	claimable    boolean NOT NULL DEFAULT false,
	-- times a member may claim it; NULL: no limit
	claims       int     CHECK (claims > 0),
	claim_from   date    CHECK (isfinite(claim_from)),
	claim_until  date    CHECK (isfinite(claim_until)),
	-- a code of it is good only for members who claimed it or were issued it
	claim_required boolean NOT NULL DEFAULT false,
	transferable boolean NOT NULL DEFAULT false,
	-- what it costs with coupon_buy(), in the unit's own terms
	price        numeric CHECK (price > 0 AND price < 1000000000000),
	price_unit_id int,
	code_length  int     NOT NULL DEFAULT 12 CHECK (code_length BETWEEN 10 AND 24 AND code_length % 2 = 0),

	-- times one coupon, or one unique code, can be used
	max_uses     int     NOT NULL DEFAULT 1 CHECK (max_uses > 0),
	-- times one member can use coupons of this template: ever, and per period
	limit_member int     CHECK (limit_member > 0),
	limit_period int     CHECK (limit_period > 0),
	period       text    CHECK (period IN ('day', 'week', 'month', 'year')),

	-- a refund of the whole order gives it back; over its last day it is expired, or
	-- good for so many days from then
	returns      boolean NOT NULL DEFAULT true,
	return_days  int     CHECK (return_days BETWEEN 1 AND 3650),
	-- who bears the discount: percentages by name, that add up to 100; for reports
	cost_shares  jsonb   CHECK (jsonb_typeof(cost_shares) = 'object'),
	-- has codes without a check character: generic ones, or made elsewhere
	free_codes   boolean NOT NULL DEFAULT false,

	UNIQUE (program_id, name),
	-- constraints are checked by name: what a kind goes with after coupon_kind_check
	CONSTRAINT coupon_kind_needs_amount CHECK (kind NOT IN ('amount', 'price', 'bundle') OR amount IS NOT NULL),
	CONSTRAINT coupon_kind_has_no_amount CHECK (kind IN ('amount', 'price', 'bundle', 'shipping') OR amount IS NULL),
	CONSTRAINT coupon_kind_needs_amount_above_zero CHECK (kind <> 'amount' OR amount > 0),
	CONSTRAINT coupon_kind_goes_with_percent CHECK ((kind IN ('percent', 'buy_get')) = (percent IS NOT NULL)),
	CONSTRAINT coupon_kind_goes_with_steps CHECK ((kind = 'ladder') = (step_from IS NOT NULL) AND (kind = 'ladder') = (step_off IS NOT NULL)),
	CONSTRAINT coupon_steps_match CHECK (cardinality(step_from) BETWEEN 1 AND 100 AND cardinality(step_from) = cardinality(step_off)),
	CONSTRAINT coupon_kind_has_no_base CHECK (kind = 'ladder' OR (base = 'amount' AND step_kind = 'amount' AND NOT repeats)),
	CONSTRAINT coupon_repeats_one_amount CHECK (NOT repeats OR (cardinality(step_from) = 1 AND step_kind = 'amount')),
	CONSTRAINT coupon_kind_goes_with_buy CHECK ((kind IN ('bundle', 'buy_get')) = (buy IS NOT NULL)),
	CONSTRAINT coupon_kind_goes_with_get CHECK ((kind = 'buy_get') = (get IS NOT NULL)),
	CONSTRAINT coupon_kind_has_no_max_times CHECK (kind IN ('price', 'bundle', 'buy_get', 'exchange') OR max_times IS NULL),
	CONSTRAINT coupon_kind_goes_with_sku_and_quantity CHECK ((kind = 'gift') = (sku IS NOT NULL) AND (kind = 'gift') = (quantity IS NOT NULL)),
	CONSTRAINT coupon_kind_goes_with_factor CHECK ((kind = 'multiplier') = (factor IS NOT NULL) AND (kind = 'multiplier' OR unit_id IS NULL)),
	CONSTRAINT coupon_kind_has_no_target CHECK (kind NOT IN ('gift', 'shipping', 'multiplier') OR num_nonnulls(target_filter, target_collection) = 0),
	CONSTRAINT coupon_amounts_inverted CHECK (min_amount <= max_amount),
	CONSTRAINT coupon_quantities_inverted CHECK (min_quantity <= max_quantity),
	CONSTRAINT coupon_validity_inverted CHECK (valid_from <= valid_until),
	CONSTRAINT coupon_claim_inverted CHECK (claim_from <= claim_until),
	CONSTRAINT coupon_weeks_need_days_of_week CHECK (weeks_of_month IS NULL OR days_of_week IS NOT NULL),
	CONSTRAINT coupon_time_needs_both_ends CHECK ((time_from IS NULL) = (time_until IS NULL)),
	CONSTRAINT coupon_time_is_empty CHECK (time_from <> time_until),
	CONSTRAINT coupon_idle_inverted CHECK (idle_from <= idle_until),
	CONSTRAINT coupon_price_needs_unit CHECK ((price IS NULL) = (price_unit_id IS NULL)),
	CONSTRAINT coupon_limit_needs_period CHECK ((limit_period IS NULL) = (period IS NULL)),
	CONSTRAINT coupon_offer_is_not_issued CHECK (NOT automatic OR (NOT claimable AND NOT claim_required AND NOT transferable AND price IS NULL
	                         AND valid_days IS NULL))
);
CREATE INDEX coupon_program_id_idx ON loyalty.coupon (program_id);

-- What a template was before it was changed: the terms of what was issued then.
CREATE TABLE loyalty.coupon_version (
	coupon_id   int         NOT NULL,
	version     int         NOT NULL,
	program_id  int         NOT NULL,
	replaced_at timestamptz NOT NULL,
	definition  jsonb       NOT NULL,
	PRIMARY KEY (coupon_id, version)
);

-- At most so much in all. The rows of budget_slot with this budget_id count it.
CREATE TABLE loyalty.coupon_limit (
	coupon_id  int     NOT NULL,
	-- issued: claims and issues; used: times; discount: in the programme's currency
	counts     text    NOT NULL CHECK (counts IN ('issued', 'used', 'discount')),
	program_id int     NOT NULL,
	budget_id  int     NOT NULL UNIQUE,
	amount     numeric NOT NULL CHECK (amount >= 0 AND amount < 1000000000000),
	PRIMARY KEY (coupon_id, counts)
);

-- What coupon_issue_pack() issues together.
CREATE TABLE loyalty.coupon_pack (
	program_id int  NOT NULL,
	name       text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
	coupon_id  int  NOT NULL,
	quantity   int  NOT NULL DEFAULT 1 CHECK (quantity BETWEEN 1 AND 100),
	PRIMARY KEY (program_id, name, coupon_id)
);

-- With which codes are made: unique by construction, unguessable without the key.
CREATE TABLE loyalty.coupon_key (
	program_id int    NOT NULL PRIMARY KEY,
	key        bytea  NOT NULL CHECK (octet_length(key) = 32),
	-- codes made so far
	made       bigint NOT NULL DEFAULT 0
);

-- Codes, in canonical form.
CREATE TABLE loyalty.coupon_code (
	-- in one order everywhere, for that is the order in which codes are locked
	code           text   NOT NULL COLLATE "C",
	program_id     int    NOT NULL,
	coupon_id      int    NOT NULL,
	-- the terms; generic: as they are now
	version        int    NOT NULL,
	-- generated: with a check character; imported: made elsewhere; generic: one code, many uses
	kind           text   NOT NULL CHECK (kind IN ('generated', 'imported', 'generic')),
	status         text   NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
	-- of a generic code with a limit of its own: counted in budget_slot; NULL: no limit
	budget_id      int,
	-- not generic: times used, and how often it can be
	uses           int    NOT NULL DEFAULT 0,
	max_uses       int,
	-- whose it is, and which of his coupons; NULL: whoever comes first
	member_id      bigint,
	coupon_no      bigint,
	valid_from     date,
	valid_until    date,
	-- reserved for an order, until then
	reserved_by    bigint,
	reserved_ref   text,
	reserved_until timestamptz,
	-- the call that made it, for reports
	batch          text,
	PRIMARY KEY (code, program_id),
	CONSTRAINT coupon_code_uses_exceeded CHECK (uses >= 0 AND uses <= max_uses),
	CONSTRAINT coupon_code_generic_has_no_max_uses CHECK ((kind = 'generic') = (max_uses IS NULL)),
	CONSTRAINT coupon_code_member_goes_with_coupon CHECK ((member_id IS NULL) = (coupon_no IS NULL))
);
CREATE INDEX coupon_code_coupon_id_idx ON loyalty.coupon_code (coupon_id, batch);

-- Coupons that members hold.
CREATE TABLE loyalty.member_coupon (
	member_id   bigint      NOT NULL,
	coupon_no   bigint      NOT NULL,
	program_id  int         NOT NULL,
	coupon_id   int         NOT NULL,
	version     int         NOT NULL,
	-- issued; void; given: to another member. Used and expired follow from uses and dates
	status      text        NOT NULL,
	-- claim, issue, pack, segment, buy, transfer, code, import
	source      text        NOT NULL,
	issued_at   timestamptz NOT NULL,
	valid_from  date        NOT NULL,
	-- last day of use; NULL: no end
	valid_until date,
	uses        int         NOT NULL DEFAULT 0,
	max_uses    int         NOT NULL,
	code        text,
	-- the call that issued it, and the one that made it void or gave it away
	journal_id  bigint      NOT NULL,
	ended_by    bigint,
	-- the other side of a transfer
	other_member_id bigint,
	PRIMARY KEY (member_id, coupon_no)
);
CREATE INDEX member_coupon_coupon_id_idx ON loyalty.member_coupon (coupon_id, member_id);

-- What was used, or is reserved, for which order.
CREATE TABLE loyalty.coupon_use (
	member_id      bigint      NOT NULL,
	use_id         bigint      NOT NULL,
	program_id     int         NOT NULL,
	coupon_id      int         NOT NULL,
	version        int         NOT NULL,
	-- the member's coupon, or the code, or neither: an offer
	coupon_no      bigint,
	code           text,
	ref            text        NOT NULL,
	-- reserved: until reserved_until; released: by hand or because time was over
	status         text        NOT NULL,
	used_at        timestamptz NOT NULL,
	reserved_until timestamptz,
	-- minor units of the currency; of it, what refunds have taken back
	discount       bigint      NOT NULL,
	returned       bigint      NOT NULL DEFAULT 0,
	-- the discount by line of the order, the shipping last; NULL: used without a cart
	line_discounts bigint[],
	journal_id     bigint      NOT NULL,
	-- of the row that returned or released it
	ended_by       bigint,
	-- that the coupon named when it was used or reserved
	campaign_id    int,
	PRIMARY KEY (member_id, use_id)
);
CREATE INDEX coupon_use_ref_idx ON loyalty.coupon_use (member_id, ref);
CREATE INDEX coupon_use_coupon_id_idx ON loyalty.coupon_use (member_id, coupon_id);
CREATE INDEX coupon_use_reserved_idx ON loyalty.coupon_use (coupon_id, reserved_until)
	WHERE status = 'reserved';

-- Codes that were typed in wrongly.
CREATE TABLE loyalty.coupon_attempt (
	program_id    int         NOT NULL,
	-- of what they are counted: member, device, store
	scope         text        NOT NULL CHECK (scope IN ('member', 'device', 'store')),
	-- a hash of who or which
	value         bytea       NOT NULL,
	first_at      timestamptz NOT NULL,
	failures      int         NOT NULL,
	blocked_until timestamptz,
	PRIMARY KEY (value, scope, program_id)
);

-- What becomes of one coupon or offer.
CREATE TYPE loyalty.verdict AS (
	coupon      text,
	title       text,
	-- as it was given: the code, or '#' and the number of the member's coupon
	code        text,
	coupon_no   bigint,
	kind        text,
	applicable  boolean,
	reason      text,
	-- in the programme's currency; of a multiplier or gift 0
	saving      numeric,
	-- of what too little is there: amount or pieces
	missing     numeric,
	valid_until date,
	-- for people: '12.50 more'
	message     text,
	-- by which coupons it lost, in a search for the best
	beaten_by   text[]
);
