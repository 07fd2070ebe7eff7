CREATE OR REPLACE FUNCTION loyalty.unit_amount(minor bigint, scale int)
RETURNS numeric LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_unit_amount';
COMMENT ON FUNCTION loyalty.unit_amount(bigint, int) IS
'Minor units as an amount with scale decimals: unit_amount(12990, 2) = 129.90';
