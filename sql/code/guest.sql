COMMENT ON TABLE loyalty.guest_order IS 'Orders of people who are not members, and refunds of them: amounts, nothing personal';

CREATE OR REPLACE FUNCTION loyalty.guest_order(program text, amount numeric, ref text, at timestamptz DEFAULT NULL,
	data jsonb DEFAULT NULL)
RETURNS boolean LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_guest_order';
COMMENT ON FUNCTION loyalty.guest_order(text, numeric, text, timestamptz, jsonb) IS
'Notes an order of somebody who is not a member; false if it was known. data: channel, store and staff';

CREATE OR REPLACE FUNCTION loyalty.guest_order_refund(program text, ref text, amount numeric DEFAULT NULL,
	refund_ref text DEFAULT NULL, at timestamptz DEFAULT NULL)
RETURNS boolean LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_guest_order_refund';
COMMENT ON FUNCTION loyalty.guest_order_refund(text, text, numeric, text, timestamptz) IS
'Notes that a guest''s order was refunded, in part or all that is left of it; false if it was known';
