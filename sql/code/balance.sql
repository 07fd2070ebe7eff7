CREATE OR REPLACE FUNCTION loyalty.balance(member_id bigint, unit text DEFAULT NULL, as_of date DEFAULT NULL)
RETURNS SETOF loyalty.account_balance LANGUAGE C STABLE SECURITY DEFINER ROWS 3
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_account_balance';
COMMENT ON FUNCTION loyalty.balance(bigint, text, date) IS
'One row per unit at loyalty.now(), or at the end of a local date: in the past from the ledger, in the future if nothing else happens';

CREATE OR REPLACE FUNCTION loyalty.balance_at(member_id bigint, at timestamptz, known_at timestamptz DEFAULT NULL)
RETURNS TABLE (unit text, available numeric, pending numeric, held numeric, debt numeric)
LANGUAGE C STABLE SECURITY DEFINER ROWS 3
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_balance_at';
COMMENT ON FUNCTION loyalty.balance_at(bigint, timestamptz, timestamptz) IS
'One row per unit as the ledger says it stood at a moment; known_at: by what had been recorded at that moment, without what came in later';

CREATE OR REPLACE FUNCTION loyalty.balance_lot_at(member_id bigint, at timestamptz, known_at timestamptz)
RETURNS TABLE (unit_id int, expires_on date, held boolean, amount bigint)
LANGUAGE C STABLE SECURITY DEFINER ROWS 5
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_balance_lot_at';
COMMENT ON FUNCTION loyalty.balance_lot_at(bigint, timestamptz, timestamptz) IS
'For liability_at: what balance_at() tells by last day of use (infinity: none, -infinity: debt), in minor units';

CREATE OR REPLACE FUNCTION loyalty.account_settle(member_id bigint)
RETURNS int LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_account_settle';
COMMENT ON FUNCTION loyalty.account_settle(bigint) IS
'Housekeeping: posts what fell due (vesting, expiry, hold time-outs, reviews of the tier), raises due_on, returns the number of journal rows written';

CREATE OR REPLACE FUNCTION loyalty.has_benefit(member_id bigint, benefit text,
	at timestamptz DEFAULT NULL, channel text DEFAULT NULL)
RETURNS boolean LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_balance_has_benefit';
COMMENT ON FUNCTION loyalty.has_benefit(bigint, text, timestamptz, text) IS
'Whether a member is entitled to a benefit whose time and channel it is: cheap enough for every page';

CREATE OR REPLACE FUNCTION loyalty.benefits(member_id bigint, at timestamptz DEFAULT NULL)
RETURNS TABLE (name text, title text, kind text, by text, open boolean, quantity numeric,
	used numeric, remaining numeric, period_until date, until timestamptz, vouchers int)
LANGUAGE C STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_balance_benefits';
COMMENT ON FUNCTION loyalty.benefits(bigint, timestamptz) IS
'What a member is entitled to, by what, how much of it is left, and until when';

CREATE OR REPLACE FUNCTION loyalty.benefit_price(member_id bigint, items jsonb,
	at timestamptz DEFAULT NULL, channel text DEFAULT NULL)
RETURNS TABLE (line int, sku text, qty numeric, price numeric, member_price numeric,
	benefit text, source text)
LANGUAGE C STABLE SECURITY DEFINER ROWS 20
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_balance_benefit_price';
COMMENT ON FUNCTION loyalty.benefit_price(bigint, jsonb, timestamptz, text) IS
'The price of each line for this member: the lowest that his price benefits give, and by which; never above the given one';
