CREATE OR REPLACE FUNCTION loyalty.topup_balance(member_id bigint, unit text DEFAULT NULL)
RETURNS TABLE (card text, principal numeric, bonus numeric, pending numeric, held numeric, frozen boolean,
	named boolean, card_limit numeric)
LANGUAGE C STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_balance_topup';
COMMENT ON FUNCTION loyalty.topup_balance(bigint, text) IS
'The cards of a member: what of each is principal and bonus, top-ups that are not paid yet, what is set aside, whether it is frozen, registered by name, and what it may hold';
