COMMENT ON TABLE loyalty.checkout IS 'Orders between quote and payment: what is reserved for them, and until when';

CREATE OR REPLACE FUNCTION loyalty.quote(member_id bigint, cart jsonb, codes text[] DEFAULT NULL,
	use jsonb DEFAULT NULL, at timestamptz DEFAULT NULL, best boolean DEFAULT false,
	program text DEFAULT NULL)
RETURNS jsonb LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_checkout_quote';
COMMENT ON FUNCTION loyalty.quote(bigint, jsonb, text[], jsonb, timestamptz, boolean, text) IS
'What a cart costs the member, or with a programme a guest: each step, the lines, what became of each code, and what would be earned';

CREATE OR REPLACE FUNCTION loyalty.checkout(member_id bigint, cart jsonb, ref text,
	codes text[] DEFAULT NULL, use jsonb DEFAULT NULL, expect numeric DEFAULT NULL,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do',
	best boolean DEFAULT false)
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_checkout';
COMMENT ON FUNCTION loyalty.checkout(bigint, jsonb, text, text[], jsonb, numeric, timestamptz, text, text, boolean) IS
'Buys a cart as quote() prices it, with best too: uses coupons, spends points and stored value, and records the purchase; expect is the payable that the customer saw';

CREATE OR REPLACE FUNCTION loyalty.coupon_check(member_id bigint, code text, cart jsonb DEFAULT NULL,
	at timestamptz DEFAULT NULL)
RETURNS SETOF loyalty.verdict LANGUAGE C STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_checkout_coupon_check';
COMMENT ON FUNCTION loyalty.coupon_check(bigint, text, jsonb, timestamptz) IS
'Whether a code, or # and the number of a coupon, can be used by the member; for a cart, or as far as it depends on none';

CREATE OR REPLACE FUNCTION loyalty.coupon_wallet(member_id bigint, cart jsonb DEFAULT NULL,
	at timestamptz DEFAULT NULL)
RETURNS SETOF loyalty.verdict LANGUAGE C STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_checkout_coupon_wallet';
COMMENT ON FUNCTION loyalty.coupon_wallet(bigint, jsonb, timestamptz) IS
'The coupons that a member holds, those that can be used first: for a cart, or as far as it depends on none';

CREATE OR REPLACE FUNCTION loyalty.coupon_try(member_id bigint, code text, data jsonb DEFAULT NULL,
	cart jsonb DEFAULT NULL)
RETURNS SETOF loyalty.verdict LANGUAGE C VOLATILE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_checkout_coupon_try';
COMMENT ON FUNCTION loyalty.coupon_try(bigint, text, jsonb, jsonb) IS
'coupon_check() for a code that somebody types in: wrong ones are counted by member, device and store, and after too many none is looked at for a while';
