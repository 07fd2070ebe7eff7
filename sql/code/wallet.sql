-- What can be done with a wallet and asked of it.

CREATE OR REPLACE FUNCTION loyalty.wallet_post(wallet loyalty.wallet,
	unit_id int, vests_on date, expires_on date, origin "char",
	amount bigint)
RETURNS loyalty.wallet LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_wallet_post';

CREATE OR REPLACE FUNCTION loyalty.wallet_take(wallet loyalty.wallet,
	unit_id int, amount bigint, as_of date)
RETURNS loyalty.wallet LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_wallet_take';

CREATE OR REPLACE FUNCTION loyalty.wallet_taken(wallet loyalty.wallet,
	unit_id int, amount bigint, as_of date)
RETURNS loyalty.wallet LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_wallet_taken';

CREATE OR REPLACE FUNCTION loyalty.wallet_give(wallet loyalty.wallet,
	lots loyalty.wallet)
RETURNS loyalty.wallet LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_wallet_give';

CREATE OR REPLACE FUNCTION loyalty.wallet_balance(wallet loyalty.wallet,
	unit_id int, as_of date)
RETURNS bigint LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_wallet_balance';

CREATE OR REPLACE FUNCTION loyalty.wallet_pending(wallet loyalty.wallet,
	unit_id int, as_of date)
RETURNS bigint LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_wallet_pending';

CREATE OR REPLACE FUNCTION loyalty.wallet_lapsed(wallet loyalty.wallet,
	unit_id int, as_of date)
RETURNS bigint LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_wallet_lapsed';

CREATE OR REPLACE FUNCTION loyalty.wallet_debt(wallet loyalty.wallet,
	unit_id int)
RETURNS bigint LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_wallet_debt';

CREATE OR REPLACE FUNCTION loyalty.wallet_total(wallet loyalty.wallet,
	unit_id int)
RETURNS bigint LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_wallet_total';

CREATE OR REPLACE FUNCTION loyalty.wallet_expiring(wallet loyalty.wallet,
	unit_id int, since date, until date)
RETURNS bigint LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_wallet_expiring';

CREATE OR REPLACE FUNCTION loyalty.wallet_due(wallet loyalty.wallet,
	after date)
RETURNS date LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_wallet_due';

CREATE OR REPLACE FUNCTION loyalty.wallet_lots(wallet loyalty.wallet)
RETURNS TABLE (unit_id int, vests_on date, expires_on date, origin "char",
	amount bigint)
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 50
AS 'MODULE_PATHNAME', 'loyalty_wallet_lots';

CREATE OR REPLACE FUNCTION loyalty.wallet_fold_add(state internal,
	unit_id int, vests_on date, expires_on date, origin "char",
	amount bigint)
RETURNS internal LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_wallet_fold_add';

CREATE OR REPLACE FUNCTION loyalty.wallet_fold_end(state internal)
RETURNS loyalty.wallet LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_wallet_fold_end';

CREATE OR REPLACE AGGREGATE loyalty.wallet_fold(unit_id int, vests_on date,
	expires_on date, origin "char", amount bigint) (
	SFUNC = loyalty.wallet_fold_add,
	STYPE = internal,
	SSPACE = 2048,
	FINALFUNC = loyalty.wallet_fold_end,
	PARALLEL = SAFE
);

COMMENT ON TYPE loyalty.wallet IS
'all that a member holds: {unit vests_on expires_on origin amount, ...}';
COMMENT ON FUNCTION loyalty.wallet_in(cstring) IS
'text input of a wallet';
COMMENT ON FUNCTION loyalty.wallet_out(loyalty.wallet) IS
'text output of a wallet';
COMMENT ON FUNCTION loyalty.wallet_recv(internal) IS
'binary input of a wallet';
COMMENT ON FUNCTION loyalty.wallet_send(loyalty.wallet) IS
'binary output of a wallet';
COMMENT ON FUNCTION loyalty.wallet_eq(loyalty.wallet, loyalty.wallet) IS
'implementation of = operator';
COMMENT ON FUNCTION loyalty.wallet_ne(loyalty.wallet, loyalty.wallet) IS
'implementation of <> operator';
COMMENT ON OPERATOR loyalty.= (loyalty.wallet, loyalty.wallet) IS
'two wallets hold the same lots';
COMMENT ON OPERATOR loyalty.<> (loyalty.wallet, loyalty.wallet) IS
'two wallets differ in some lot';
COMMENT ON FUNCTION loyalty.wallet_post(loyalty.wallet, int, date, date,
	"char", bigint) IS
'the wallet with an amount added to one lot; NULL dates: vested, never expires';
COMMENT ON FUNCTION loyalty.wallet_take(loyalty.wallet, int, bigint, date) IS
'what is left of the wallet after an amount is spent on a day';
COMMENT ON FUNCTION loyalty.wallet_taken(loyalty.wallet, int, bigint, date) IS
'the lots that wallet_take takes, as a wallet';
COMMENT ON FUNCTION loyalty.wallet_give(loyalty.wallet, loyalty.wallet) IS
'the wallet with all lots of another posted to it';
COMMENT ON FUNCTION loyalty.wallet_balance(loyalty.wallet, int, date) IS
'what can be spent on a day: usable lots less debt, not below zero';
COMMENT ON FUNCTION loyalty.wallet_pending(loyalty.wallet, int, date) IS
'what vests after a day and has not expired before it';
COMMENT ON FUNCTION loyalty.wallet_lapsed(loyalty.wallet, int, date) IS
'what expired before a day and is still in the wallet';
COMMENT ON FUNCTION loyalty.wallet_debt(loyalty.wallet, int) IS
'what is owed, as a positive number';
COMMENT ON FUNCTION loyalty.wallet_total(loyalty.wallet, int) IS
'the sum of all lots of a unit, debt counted below zero';
COMMENT ON FUNCTION loyalty.wallet_expiring(loyalty.wallet, int, date,
	date) IS
'what expires from one day to another, both included';
COMMENT ON FUNCTION loyalty.wallet_due(loyalty.wallet, date) IS
'the next day on which a lot vests or has lapsed, or NULL';
COMMENT ON FUNCTION loyalty.wallet_lots(loyalty.wallet) IS
'the lots of a wallet as rows, in spend order within each unit';
COMMENT ON FUNCTION loyalty.wallet_fold_add(internal, int, date, date,
	"char", bigint) IS
'transition function of wallet_fold';
COMMENT ON FUNCTION loyalty.wallet_fold_end(internal) IS
'final function of wallet_fold';
COMMENT ON AGGREGATE loyalty.wallet_fold(int, date, date, "char", bigint) IS
'the wallet that postings in any order add up to';
