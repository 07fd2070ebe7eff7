CREATE OR REPLACE FUNCTION loyalty.checkout_reserve(member_id bigint, cart jsonb, ref text,
	codes text[] DEFAULT NULL, use jsonb DEFAULT NULL, expect numeric DEFAULT NULL, ttl interval DEFAULT NULL,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do', best boolean DEFAULT false)
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_checkout_reserve';
COMMENT ON FUNCTION loyalty.checkout_reserve(bigint, jsonb, text, text[], jsonb, numeric, interval, timestamptz, text, text, boolean) IS
'Sets everything aside that the quote of an order needs, at its prices, for ttl (NULL: that of cart_policy); the same order anew replaces it';

CREATE OR REPLACE FUNCTION loyalty.checkout_confirm(member_id bigint, ref text,
	expect numeric DEFAULT NULL, at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_checkout_confirm';
COMMENT ON FUNCTION loyalty.checkout_confirm(bigint, text, numeric, timestamptz, text, text) IS
'The order was paid: what was reserved is used, and the purchase recorded, at the prices of the reservation; expect is the amount that was paid';

CREATE OR REPLACE FUNCTION loyalty.checkout_cancel(member_id bigint, ref text, reason text DEFAULT NULL,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_checkout_cancel';
COMMENT ON FUNCTION loyalty.checkout_cancel(bigint, text, text, timestamptz, text, text) IS
'The order will not be paid: everything that was reserved returns';

CREATE OR REPLACE FUNCTION loyalty.checkout_status(member_id bigint, ref text DEFAULT NULL)
RETURNS TABLE (ref text, status text, expires_at timestamptz, quote jsonb)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT loyalty.member_require(checkout_status.member_id);

	SELECT c.ref,
		CASE WHEN c.status = 'reserved' AND c.expires_at <= loyalty.now() THEN 'timed_out' ELSE c.status END,
		c.expires_at, c.document #> '{event,checkout}'
	FROM loyalty.checkout c
	WHERE c.member_id = checkout_status.member_id AND c.ref = coalesce(checkout_status.ref, c.ref)
	ORDER BY c.journal_id;
END;
COMMENT ON FUNCTION loyalty.checkout_status(bigint, text) IS
'Orders of a member that were reserved, or one of them: how they stand now, and the quote that was reserved';

CREATE OR REPLACE FUNCTION loyalty.checkout_expire(program text, batch int DEFAULT 1000)
RETURNS bigint LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_checkout_expire';
COMMENT ON FUNCTION loyalty.checkout_expire(text, int) IS
'Ends reservations whose time is over, where nobody asks for them; how many, 0 when done';
