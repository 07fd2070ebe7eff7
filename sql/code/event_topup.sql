CREATE OR REPLACE FUNCTION loyalty.topup(member_id bigint, amount numeric, ref text, unit text DEFAULT NULL,
	pending boolean DEFAULT false, at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_topup';
COMMENT ON FUNCTION loyalty.topup(bigint, numeric, text, text, boolean, timestamptz, text, text) IS
'Stored value was paid for: puts it on the card with what the ladder adds; ref is the payment; pending: only once topup_confirm() says that it was made';

CREATE OR REPLACE FUNCTION loyalty.topup_confirm(member_id bigint, ref text, at timestamptz DEFAULT NULL,
	key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_topup_confirm';
COMMENT ON FUNCTION loyalty.topup_confirm(bigint, text, timestamptz, text, text) IS
'The payment of a pending top-up was made: puts its value on the card';

CREATE OR REPLACE FUNCTION loyalty.topup_cancel(member_id bigint, ref text, at timestamptz DEFAULT NULL,
	key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_topup_cancel';
COMMENT ON FUNCTION loyalty.topup_cancel(bigint, text, timestamptz, text, text) IS
'The payment of a pending top-up will not be made';

CREATE OR REPLACE FUNCTION loyalty.topup_refund(member_id bigint, ref text, amount numeric DEFAULT NULL,
	refund_ref text DEFAULT NULL, at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_topup_refund';
COMMENT ON FUNCTION loyalty.topup_refund(bigint, text, numeric, text, timestamptz, text, text) IS
'Takes a top-up back, all that can be or an amount: no more than was paid for it and is left of principal, with its bonus and its gifts; tells what to pay out';

CREATE OR REPLACE FUNCTION loyalty.topup_freeze(member_id bigint, unit text, reason text,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_topup_freeze';
COMMENT ON FUNCTION loyalty.topup_freeze(bigint, text, text, timestamptz, text, text) IS
'Freezes a member''s card: nothing is spent from it or paid into it; what was set aside and what is refunded goes on';

CREATE OR REPLACE FUNCTION loyalty.topup_unfreeze(member_id bigint, unit text, reason text,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_topup_unfreeze';
COMMENT ON FUNCTION loyalty.topup_unfreeze(bigint, text, text, timestamptz, text, text) IS
'Sets a frozen card free';

CREATE OR REPLACE FUNCTION loyalty.topup_name(member_id bigint, unit text, named boolean, reason text,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_topup_name';
COMMENT ON FUNCTION loyalty.topup_name(bigint, text, boolean, text, timestamptz, text, text) IS
'The holder of a card was registered by name: its principal does not lapse from now on, and its limit is that of named cards; or the reverse';
