COMMENT ON TABLE loyalty.coupon_key IS 'The secret with which codes of a programme are made; without it nobody can tell which code comes next';
COMMENT ON TABLE loyalty.coupon_code IS 'Codes, in canonical form: each generated or imported one, and generic ones that many can use';
COMMENT ON TABLE loyalty.coupon_attempt IS 'How many wrong codes a member, a device or a store has typed in; which one is told by a hash only';

CREATE OR REPLACE FUNCTION loyalty.coupon_code_canonical(code text)
RETURNS text LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_coupon_code_canonical';
COMMENT ON FUNCTION loyalty.coupon_code_canonical(text) IS
'A code as it is kept and compared: upper case, without spaces and dashes, O as 0, I and L as 1; NULL if that is no code';

CREATE OR REPLACE FUNCTION loyalty.coupon_code_valid(code text)
RETURNS boolean LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_coupon_code_valid';
COMMENT ON FUNCTION loyalty.coupon_code_valid(text) IS
'Whether a code may be one that was generated: its length, its characters, its check character; not whether there is such a code';
