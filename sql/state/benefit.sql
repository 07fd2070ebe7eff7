-- What membership entitles to.
CREATE TABLE loyalty.benefit (
	benefit_id  int         NOT NULL DEFAULT nextval('loyalty.benefit_id_seq') PRIMARY KEY,
	program_id  int         NOT NULL,
	name        text        NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
	title       text,
	-- price: a member price; multiplier: of what is earned; flag: a right; quota: so
	-- many per period; voucher: a service that is issued and used; gift: once a year;
	-- every_n: a voucher for every n of a metric
	kind        text        NOT NULL
	            CHECK (kind IN ('price', 'multiplier', 'flag', 'quota', 'voucher', 'gift', 'every_n')),
	status      text        NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive')),

	-- when it can be used, in the programme's zone
	valid_from  timestamptz CHECK (isfinite(valid_from)),
	valid_until timestamptz CHECK (isfinite(valid_until)),
	birthday    text        CHECK (birthday IN ('day', 'month')),
	calendar    text,
	-- of a purchase: where it counts; NULL: everywhere
	channels    text[]      CHECK (channels <> '{}' AND array_position(channels, NULL) IS NULL),

	-- price: so much less on everything, or the prices of a list
	percent_off numeric     CHECK (percent_off > 0 AND percent_off <= 100),
	price_list  text        CHECK (price_list ~ '^[a-z][a-z0-9_]{0,62}$'),
	-- multiplier: 2 is double
	factor      numeric     CHECK (factor > 1 AND factor <= 1000),
	-- multiplier: of these points only; quota: the counter; every_n: the metric
	unit_id     int,
	-- quota: how many per period of the counter; every_n: n, in the metric's own terms
	quantity    numeric     CHECK (quantity > 0 AND quantity < 1000000000),
	-- voucher, gift, every_n: days of use, that of issue included; NULL: no end
	valid_days  int         CHECK (valid_days BETWEEN 1 AND 36500),
	-- gift: days that must lie between two, whatever the birthday says by then
	gap_days    int         CHECK (gap_days BETWEEN 0 AND 366),
	UNIQUE (program_id, name),
	CONSTRAINT benefit_validity_inverted CHECK (valid_from < valid_until),
	CONSTRAINT benefit_price_is_one_of CHECK ((kind = 'price') = (num_nonnulls(percent_off, price_list) = 1)
	       AND num_nonnulls(percent_off, price_list) <= 1),
	CONSTRAINT benefit_factor_goes_with_multiplier CHECK ((kind = 'multiplier') = (factor IS NOT NULL)),
	CONSTRAINT benefit_kind_without_unit CHECK (kind IN ('multiplier', 'quota', 'every_n') OR unit_id IS NULL),
	CONSTRAINT benefit_kind_needs_unit CHECK (kind NOT IN ('quota', 'every_n') OR unit_id IS NOT NULL),
	CONSTRAINT benefit_quantity_goes_with_kind CHECK ((kind IN ('quota', 'every_n')) = (quantity IS NOT NULL)),
	CONSTRAINT benefit_kind_without_valid_days CHECK (kind IN ('voucher', 'gift', 'every_n') OR valid_days IS NULL),
	CONSTRAINT benefit_gap_days_go_with_gift CHECK ((kind = 'gift') = (gap_days IS NOT NULL))
);

-- Who has a benefit: each row is enough.
CREATE TABLE loyalty.benefit_holder (
	program_id int     NOT NULL,
	benefit_id int     NOT NULL,
	-- stage: a tag of dimension lifecycle; everyone has no name
	source     text    NOT NULL
	           CHECK (source IN ('everyone', 'tier', 'segment', 'tag', 'stage', 'plan', 'campaign')),
	name       text    NOT NULL DEFAULT '' CHECK (octet_length(name) <= 255),
	-- quota: instead of the benefit's own; of several, the largest counts
	quantity   numeric CHECK (quantity > 0 AND quantity < 1000000000),
	PRIMARY KEY (benefit_id, source, name),
	CONSTRAINT benefit_holder_everyone_has_no_name CHECK ((source = 'everyone') = (name = ''))
);

-- Benefits given to one member by hand.
CREATE TABLE loyalty.member_benefit (
	member_id   bigint      NOT NULL,
	benefit_id  int         NOT NULL,
	program_id  int         NOT NULL,
	valid_from  timestamptz NOT NULL,
	valid_until timestamptz,
	quantity    numeric     CHECK (quantity > 0 AND quantity < 1000000000),
	reason      text        NOT NULL,
	-- the call that gave it
	journal_id  bigint      NOT NULL,
	PRIMARY KEY (member_id, benefit_id)
);

-- Member prices by product.
CREATE TABLE loyalty.price_list (
	program_id  int         NOT NULL,
	name        text        NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
	-- the most exact counts: sku, then collection, then category, then brand
	kind        text        NOT NULL CHECK (kind IN ('sku', 'collection', 'category', 'brand')),
	value       text        NOT NULL CHECK (octet_length(value) BETWEEN 1 AND 255),
	-- in the programme's currency
	price       numeric     CHECK (price >= 0 AND price < 1000000000000),
	percent_off numeric     CHECK (percent_off > 0 AND percent_off <= 100),
	PRIMARY KEY (program_id, name, kind, value),
	CONSTRAINT price_list_price_is_one_of CHECK (num_nonnulls(price, percent_off) = 1)
);

-- Services and gifts that were issued to a member.
CREATE TABLE loyalty.voucher (
	member_id         bigint      NOT NULL,
	voucher_id        bigint      NOT NULL,
	program_id        int         NOT NULL,
	benefit_id        int         NOT NULL,
	status            text        NOT NULL CHECK (status IN ('issued', 'used', 'void')),
	issued_on         date        NOT NULL,
	-- last day of use; NULL: no end
	valid_until       date,
	-- what it was used for
	ref               text,
	-- the rows that issued it, and that used it or made it void
	issued_journal_id bigint      NOT NULL,
	journal_id        bigint,
	PRIMARY KEY (member_id, voucher_id)
);
