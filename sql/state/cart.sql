-- How carts are priced.

CREATE TABLE loyalty.cart_policy (
	program_id     int      NOT NULL PRIMARY KEY,
	-- coupons and offers reckon with what is left by those before them, or with the
	-- amount before all of them: 10 % and 20 % of 100 are 28 or 30
	discount_on    text     NOT NULL DEFAULT 'remaining' CHECK (discount_on IN ('remaining', 'initial')),
	-- coupons in one order; NULL: no limit
	max_coupons    int      CHECK (max_coupons > 0),
	-- what must remain of the goods after discounts and points, in the currency
	min_payable    numeric  NOT NULL DEFAULT 0 CHECK (min_payable >= 0 AND min_payable < 1000000000000),
	-- combinations that quote(best => true) looks at before it gives up proving
	search_limit   int      NOT NULL DEFAULT 10000 CHECK (search_limit BETWEEN 1 AND 10000000),
	-- how long checkout_reserve() holds everything
	reserve_ttl    interval NOT NULL DEFAULT '30 minutes'
	               CHECK (reserve_ttl > '0' AND reserve_ttl <= '30 days'
	                      AND date_part('year', reserve_ttl) = 0 AND date_part('month', reserve_ttl) = 0),
	-- wrong codes of a member or a device within the window, until all are refused
	max_attempts   int      NOT NULL DEFAULT 10 CHECK (max_attempts > 0),
	-- the same of a store, where many people type
	max_store_attempts int  NOT NULL DEFAULT 100 CHECK (max_store_attempts > 0),
	attempt_window interval NOT NULL DEFAULT '1 hour'
	               CHECK (attempt_window > '0' AND attempt_window <= '30 days'),
	attempt_block  interval NOT NULL DEFAULT '15 minutes'
	               CHECK (attempt_block > '0' AND attempt_block <= '30 days')
);

-- Units that pay for carts, as far as their anchor says what they are worth.
CREATE TABLE loyalty.cart_unit (
	unit_id    int     NOT NULL PRIMARY KEY,
	program_id int     NOT NULL,
	-- in the unit's own terms: no fewer, and only whole multiples of step
	minimum    numeric NOT NULL DEFAULT 0 CHECK (minimum >= 0 AND minimum < 1000000000000),
	step       numeric CHECK (step > 0 AND step < 1000000000000),
	-- percent of the goods after discounts that they may pay
	max_share  numeric NOT NULL DEFAULT 100 CHECK (max_share > 0 AND max_share <= 100)
);
