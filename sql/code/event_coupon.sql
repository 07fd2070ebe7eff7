CREATE OR REPLACE FUNCTION loyalty.coupon_claim(member_id bigint, coupon text, ref text DEFAULT NULL,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_claim';
COMMENT ON FUNCTION loyalty.coupon_claim(bigint, text, text, timestamptz, text, text) IS
'A member claims a coupon that members may claim, as often as its template allows';

CREATE OR REPLACE FUNCTION loyalty.coupon_claim_code(member_id bigint, code text,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_claim_code';
COMMENT ON FUNCTION loyalty.coupon_claim_code(bigint, text, timestamptz, text, text) IS
'Puts a code that nobody has into the member''s wallet: from now on it is good for that member only';

CREATE OR REPLACE FUNCTION loyalty.coupon_issue(member_id bigint, coupon text, ref text DEFAULT NULL,
	valid_from date DEFAULT NULL, valid_until date DEFAULT NULL, quantity numeric DEFAULT 1,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_issue';
COMMENT ON FUNCTION loyalty.coupon_issue(bigint, text, text, date, date, numeric, timestamptz, text, text) IS
'Issues coupons to a member, with dates of their own if any are given';

CREATE OR REPLACE FUNCTION loyalty.coupon_issue_pack(member_id bigint, pack text, ref text DEFAULT NULL,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_issue_pack';
COMMENT ON FUNCTION loyalty.coupon_issue_pack(bigint, text, text, timestamptz, text, text) IS
'Issues all coupons of a pack to a member, or none of them';

CREATE OR REPLACE FUNCTION loyalty.coupon_issue_segment(program text, coupon text, segment text, ref text,
	batch int DEFAULT 10000, after bigint DEFAULT NULL,
	OUT issued bigint, OUT skipped bigint, OUT last_member_id bigint)
LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_issue_segment';
COMMENT ON FUNCTION loyalty.coupon_issue_segment(text, text, text, text, int, bigint) IS
'Issues a coupon to each of the next members of a segment, after the one that is given, who has not got it by this reference; last_member_id NULL: there are no more';

CREATE OR REPLACE FUNCTION loyalty.coupon_buy(member_id bigint, coupon text, ref text DEFAULT NULL,
	quantity numeric DEFAULT 1, at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_buy';
COMMENT ON FUNCTION loyalty.coupon_buy(bigint, text, text, numeric, timestamptz, text, text) IS
'A member pays for coupons with points, or with another unit in which they have a price';

CREATE OR REPLACE FUNCTION loyalty.coupon_transfer(member_id bigint, to_member_id bigint, coupon_no bigint,
	ref text DEFAULT NULL, at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_transfer';
COMMENT ON FUNCTION loyalty.coupon_transfer(bigint, bigint, bigint, text, timestamptz, text, text) IS
'Gives an unused coupon to another member, with its terms, dates and code';

CREATE OR REPLACE FUNCTION loyalty.coupon_void(member_id bigint, coupon_no bigint, reason text DEFAULT NULL,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_void';
COMMENT ON FUNCTION loyalty.coupon_void(bigint, bigint, text, timestamptz, text, text) IS
'Makes an unused coupon void; what was paid for it in points is given back';

CREATE OR REPLACE FUNCTION loyalty.coupon_use(member_id bigint, code text, ref text, discount numeric DEFAULT 0,
	data jsonb DEFAULT NULL, at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_use';
COMMENT ON FUNCTION loyalty.coupon_use(bigint, text, text, numeric, jsonb, timestamptz, text, text) IS
'Uses a coupon at a counter, without a cart: by code, or by # and its number; the till tells the discount';

CREATE OR REPLACE FUNCTION loyalty.coupon_undo(member_id bigint, ref text, code text DEFAULT NULL,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_undo';
COMMENT ON FUNCTION loyalty.coupon_undo(bigint, text, text, timestamptz, text, text) IS
'Takes back the uses of coupon_use() for an order, all of them or that of one code: they never happened';

CREATE OR REPLACE FUNCTION loyalty.coupon_release(program text, batch int DEFAULT 1000)
RETURNS int LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_release';
COMMENT ON FUNCTION loyalty.coupon_release(text, int) IS
'Ends the reservations of coupons that have timed out, of so many members at most, and returns how many; nothing depends on it but the tidiness of the tables';
