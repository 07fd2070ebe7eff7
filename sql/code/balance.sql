CREATE OR REPLACE FUNCTION loyalty.balance(member_id bigint, unit text DEFAULT NULL, as_of date DEFAULT NULL)
RETURNS SETOF loyalty.account_balance LANGUAGE C STABLE SECURITY DEFINER ROWS 3
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_account_balance';
COMMENT ON FUNCTION loyalty.balance(bigint, text, date) IS
'One row per unit at loyalty.now(), or at the end of a local date: in the past from the ledger, in the future if nothing else happens';

CREATE OR REPLACE FUNCTION loyalty.account_settle(member_id bigint)
RETURNS int LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_account_settle';
COMMENT ON FUNCTION loyalty.account_settle(bigint) IS
'Housekeeping: posts what fell due (vesting, expiry, hold time-outs, reviews of the tier), raises due_on, returns the number of journal rows written';
