-- The type of a wallet: all that a member holds, lot by lot.
--
-- The operators stand here, not in code, because they cannot be replaced.

CREATE TYPE loyalty.wallet;

CREATE FUNCTION loyalty.wallet_in(literal cstring)
RETURNS loyalty.wallet LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_wallet_in';

CREATE FUNCTION loyalty.wallet_out(wallet loyalty.wallet)
RETURNS cstring LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_wallet_out';

CREATE FUNCTION loyalty.wallet_recv(message internal)
RETURNS loyalty.wallet LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_wallet_recv';

CREATE FUNCTION loyalty.wallet_send(wallet loyalty.wallet)
RETURNS bytea LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_wallet_send';

CREATE TYPE loyalty.wallet (
	INPUT = loyalty.wallet_in,
	OUTPUT = loyalty.wallet_out,
	RECEIVE = loyalty.wallet_recv,
	SEND = loyalty.wallet_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = extended
);

CREATE FUNCTION loyalty.wallet_eq(a loyalty.wallet, b loyalty.wallet)
RETURNS boolean LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_wallet_eq';

CREATE FUNCTION loyalty.wallet_ne(a loyalty.wallet, b loyalty.wallet)
RETURNS boolean LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_wallet_ne';

CREATE OPERATOR loyalty.= (
	FUNCTION = loyalty.wallet_eq,
	LEFTARG = loyalty.wallet,
	RIGHTARG = loyalty.wallet,
	COMMUTATOR = OPERATOR(loyalty.=),
	NEGATOR = OPERATOR(loyalty.<>),
	RESTRICT = eqsel,
	JOIN = eqjoinsel
);

CREATE OPERATOR loyalty.<> (
	FUNCTION = loyalty.wallet_ne,
	LEFTARG = loyalty.wallet,
	RIGHTARG = loyalty.wallet,
	COMMUTATOR = OPERATOR(loyalty.<>),
	NEGATOR = OPERATOR(loyalty.=),
	RESTRICT = neqsel,
	JOIN = neqjoinsel
);
