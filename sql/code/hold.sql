COMMENT ON TABLE loyalty.hold IS 'Value set aside: held, then captured (wholly or partly), released or timed out';

CREATE OR REPLACE FUNCTION loyalty.hold(member_id bigint, amount numeric, unit text DEFAULT 'points',
	ttl interval DEFAULT '15 minutes', ref text DEFAULT NULL, at timestamptz DEFAULT NULL,
	key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_hold';
COMMENT ON FUNCTION loyalty.hold(bigint, numeric, text, interval, text, timestamptz, text, text) IS
'Sets usable value aside for ttl; the receipt names the hold_id; needs a key or a ref';

CREATE OR REPLACE FUNCTION loyalty.capture(member_id bigint, hold_id bigint, amount numeric DEFAULT NULL,
	ref text DEFAULT NULL, at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_hold_capture';
COMMENT ON FUNCTION loyalty.capture(bigint, bigint, numeric, text, timestamptz, text, text) IS
'Spends a hold, once, wholly or in part; the rest returns to its lots';

CREATE OR REPLACE FUNCTION loyalty.release(member_id bigint, hold_id bigint,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_hold_release';
COMMENT ON FUNCTION loyalty.release(bigint, bigint, timestamptz, text, text) IS
'Gives a hold back to its lots';
