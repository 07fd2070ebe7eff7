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
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_checkout';
COMMENT ON FUNCTION loyalty.checkout(bigint, jsonb, text, text[], jsonb, numeric, timestamptz, text, text) IS
'Buys a cart as quote() prices it: uses coupons, spends points and stored value, and records the purchase; expect is the payable that the customer saw';
