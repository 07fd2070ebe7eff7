COMMENT ON TABLE loyalty.identity IS 'One way to recognise a member, unique in the programme: phone, email, card, customer_no, ...';

CREATE OR REPLACE FUNCTION loyalty.identity_canonical(kind text, value text)
RETURNS text LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_identity_canonical';
COMMENT ON FUNCTION loyalty.identity_canonical(text, text) IS
'The one form in which an identity is stored and found: phone +digits, email lower case, card without blanks';

CREATE OR REPLACE FUNCTION loyalty.find(program text, kind text, value text)
RETURNS bigint LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_identity_find';
COMMENT ON FUNCTION loyalty.find(text, text, text) IS
'The member that an identity leads to, NULL when unknown';

CREATE OR REPLACE FUNCTION loyalty.identity_add(member_id bigint, kind text, value text,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_identity_add';
COMMENT ON FUNCTION loyalty.identity_add(bigint, text, text, timestamptz, text, text) IS
'One more way to recognise the member; refused (LY506) when it leads to another';

CREATE OR REPLACE FUNCTION loyalty.identity_remove(member_id bigint, kind text, value text,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_identity_remove';
COMMENT ON FUNCTION loyalty.identity_remove(bigint, text, text, timestamptz, text, text) IS
'Takes an identity from the member; it may be given to another afterwards';
