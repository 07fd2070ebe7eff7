CREATE OR REPLACE FUNCTION loyalty.enroll(program text, identities jsonb, profile jsonb DEFAULT '{}',
	data jsonb DEFAULT '{}', at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_event_enroll';
COMMENT ON FUNCTION loyalty.enroll(text, jsonb, jsonb, jsonb, timestamptz, text, text) IS
'Finds the member that the identities lead to and attaches the new ones, or creates one (event signup)';

CREATE OR REPLACE FUNCTION loyalty.record(member_id bigint, event text, amount numeric DEFAULT NULL,
	ref text DEFAULT NULL, data jsonb DEFAULT '{}', at timestamptz DEFAULT NULL,
	key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_event_record';
COMMENT ON FUNCTION loyalty.record(bigint, text, numeric, text, jsonb, timestamptz, text, text) IS
'Something happened: posts what the rules award for this event; amount in the programme''s currency';

CREATE OR REPLACE FUNCTION loyalty.purchase(member_id bigint, amount numeric, ref text,
	items jsonb DEFAULT NULL, data jsonb DEFAULT '{}', at timestamptz DEFAULT NULL,
	key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_event_purchase';
COMMENT ON FUNCTION loyalty.purchase(bigint, numeric, text, jsonb, jsonb, timestamptz, text, text) IS
'An order was paid: amount in the programme''s currency, ref is the order, items its cart lines';

CREATE OR REPLACE FUNCTION loyalty.sale(program text, identities jsonb, amount numeric, ref text,
	items jsonb DEFAULT NULL, data jsonb DEFAULT '{}', at timestamptz DEFAULT NULL,
	key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_event_sale';
COMMENT ON FUNCTION loyalty.sale(text, jsonb, numeric, text, jsonb, jsonb, timestamptz, text, text) IS
'Purchase to join: enroll and purchase in one call';

CREATE OR REPLACE FUNCTION loyalty.vest(member_id bigint, ref text, at timestamptz DEFAULT NULL,
	key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_event_vest';
COMMENT ON FUNCTION loyalty.vest(bigint, text, timestamptz, text, text) IS
'Goods received: what the order earned and is still pending becomes usable now';

CREATE OR REPLACE FUNCTION loyalty.redeem(member_id bigint, amount numeric, unit text DEFAULT 'points',
	ref text DEFAULT NULL, reason text DEFAULT NULL, at timestamptz DEFAULT NULL,
	key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_event_redeem';
COMMENT ON FUNCTION loyalty.redeem(bigint, numeric, text, text, text, timestamptz, text, text) IS
'Spends usable lots by earliest expiry; all or nothing; needs a key or a ref';

CREATE OR REPLACE FUNCTION loyalty.refund(member_id bigint, ref text, amount numeric DEFAULT NULL,
	items jsonb DEFAULT NULL, refund_ref text DEFAULT NULL, data jsonb DEFAULT '{}',
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_event_refund';
COMMENT ON FUNCTION loyalty.refund(bigint, text, numeric, jsonb, text, jsonb, timestamptz, text, text) IS
'Takes an order back, wholly, by amount or by items: what it earned is taken, what was spent on it returns';

CREATE OR REPLACE FUNCTION loyalty.transfer(member_id bigint, to_member_id bigint, amount numeric,
	unit text DEFAULT 'points', ref text DEFAULT NULL, at timestamptz DEFAULT NULL,
	key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_event_transfer';
COMMENT ON FUNCTION loyalty.transfer(bigint, bigint, numeric, text, text, timestamptz, text, text) IS
'Moves usable lots to another member of the programme and keeps their expiry; needs a key or a ref';

CREATE OR REPLACE FUNCTION loyalty.adjust(member_id bigint, amount numeric, unit text, reason text,
	vests_on date DEFAULT NULL, expires_on date DEFAULT NULL, ref text DEFAULT NULL,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do',
	extend boolean DEFAULT false)
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_event_adjust';
COMMENT ON FUNCTION loyalty.adjust(bigint, numeric, text, text, date, date, text, timestamptz, text, text, boolean) IS
'A correction by hand: posts (positive) or takes (negative) an amount, or with extend moves it to a later expiry; needs a reason, and a key or a ref';

CREATE OR REPLACE FUNCTION loyalty.award(member_id bigint, amount numeric, unit text, reason text,
	vests_on date DEFAULT NULL, expires_on date DEFAULT NULL, ref text DEFAULT NULL,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_event_award';
COMMENT ON FUNCTION loyalty.award(bigint, numeric, text, text, date, date, text, timestamptz, text, text) IS
'Gives a bonus that no rule awards; vests and lapses as the unit says, or as asked for; needs a reason, and a key or a ref';

CREATE OR REPLACE FUNCTION loyalty.award_undo(member_id bigint, award bigint, reason text,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_event_award_undo';
COMMENT ON FUNCTION loyalty.award_undo(bigint, bigint, text, timestamptz, text, text) IS
'Takes back what award() gave, by the journal row of it, as a refund takes back what an order earned; needs a reason';

CREATE OR REPLACE FUNCTION loyalty.benefit_give(member_id bigint, benefit text, reason text,
	valid_from timestamptz DEFAULT NULL, valid_until timestamptz DEFAULT NULL, quantity numeric DEFAULT NULL,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_benefit_give';
COMMENT ON FUNCTION loyalty.benefit_give(bigint, text, text, timestamptz, timestamptz, numeric, timestamptz, text, text) IS
'Gives a member a benefit by hand, instead of what was given before; quantity is for quotas only; needs a reason';

CREATE OR REPLACE FUNCTION loyalty.benefit_withdraw(member_id bigint, benefit text, reason text,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_benefit_withdraw';
COMMENT ON FUNCTION loyalty.benefit_withdraw(bigint, text, text, timestamptz, text, text) IS
'Takes away what benefit_give() gave; what tier, plan or segment give stays; needs a reason';

CREATE OR REPLACE FUNCTION loyalty.benefit_use(member_id bigint, benefit text, ref text DEFAULT NULL,
	quantity numeric DEFAULT 1, at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_benefit_use';
COMMENT ON FUNCTION loyalty.benefit_use(bigint, text, text, numeric, timestamptz, text, text) IS
'Uses a quota, or the open vouchers of a service, a gift or an every n that end first; needs a key or a ref';

CREATE OR REPLACE FUNCTION loyalty.benefit_return(member_id bigint, benefit text, ref text,
	quantity numeric DEFAULT NULL, at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_benefit_return';
COMMENT ON FUNCTION loyalty.benefit_return(bigint, text, text, numeric, timestamptz, text, text) IS
'Gives back what was used under a reference, wholly or, with a key, in part; ref is that of the use';

CREATE OR REPLACE FUNCTION loyalty.benefit_issue(member_id bigint, benefit text, reason text,
	valid_until date DEFAULT NULL, ref text DEFAULT NULL, at timestamptz DEFAULT NULL,
	key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_benefit_issue';
COMMENT ON FUNCTION loyalty.benefit_issue(bigint, text, text, date, text, timestamptz, text, text) IS
'Issues a voucher for a service to a member who is entitled to it; needs a reason, and a key or a ref';

CREATE OR REPLACE FUNCTION loyalty.benefit_claim(member_id bigint, benefit text,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_benefit_claim';
COMMENT ON FUNCTION loyalty.benefit_claim(bigint, text, timestamptz, text, text) IS
'Issues a gift, once a year and not before its gap has passed; it is then used like a voucher';

CREATE OR REPLACE FUNCTION loyalty.benefit_void(member_id bigint, voucher_id bigint, reason text,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_benefit_void';
COMMENT ON FUNCTION loyalty.benefit_void(bigint, bigint, text, timestamptz, text, text) IS
'Makes a voucher or gift void that was not used; needs a reason';

CREATE OR REPLACE FUNCTION loyalty.event_lines(items jsonb, amount bigint, currency_scale int)
RETURNS TABLE (line int, sku text, category text, brand text, quantity bigint, gross bigint, net bigint)
LANGUAGE C IMMUTABLE STRICT ROWS 10
AS 'MODULE_PATHNAME', 'loyalty_event_lines';
COMMENT ON FUNCTION loyalty.event_lines(jsonb, bigint, int) IS
'The lines of an order that was recorded, in thousandths and minor units, and what each contributed to its amount; for the extension''s own use';
