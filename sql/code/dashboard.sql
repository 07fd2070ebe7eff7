-- Pages of HTML: the programme, and one member. Sums only on the first, nothing
-- personal on the second; so both read with their owner's rights.
--
-- Dates reach C as text, in ISO 8601 whatever the session says.

CREATE OR REPLACE FUNCTION loyalty.dashboard(program text, since date DEFAULT NULL, until date DEFAULT NULL,
	language text DEFAULT 'en')
RETURNS text LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET DateStyle = 'ISO, YMD'
AS 'MODULE_PATHNAME', 'loyalty_dashboard';
COMMENT ON FUNCTION loyalty.dashboard(text, date, date, text) IS
'A programme on one page of HTML that needs nothing else; without dates the month of today and the eleven before it';

CREATE OR REPLACE FUNCTION loyalty.member_card(member_id bigint, language text DEFAULT 'en')
RETURNS text LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET DateStyle = 'ISO, YMD'
AS 'MODULE_PATHNAME', 'loyalty_dashboard_member_card';
COMMENT ON FUNCTION loyalty.member_card(bigint, text) IS
'A member on one page of HTML, for a support desk: tier, balances, coupons, benefits and history, nothing personal';
