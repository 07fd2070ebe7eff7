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

CREATE OR REPLACE FUNCTION loyalty.coupon_generate(program text, coupon text, n int, batch text DEFAULT NULL)
RETURNS SETOF text LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_generate';
COMMENT ON FUNCTION loyalty.coupon_generate(text, text, int, text) IS
'Makes so many codes of a template that nobody can guess, and returns them in groups of four characters';

CREATE OR REPLACE FUNCTION loyalty.coupon_import(program text, coupon text, codes text[], batch text DEFAULT NULL)
RETURNS bigint LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_import';
COMMENT ON FUNCTION loyalty.coupon_import(text, text, text[], text) IS
'Takes over codes that were made elsewhere, all of them or none, and returns how many';

CREATE OR REPLACE FUNCTION loyalty.coupon_code_create(program text, coupon text, code text, max_uses int DEFAULT NULL)
RETURNS text LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_code_create';
COMMENT ON FUNCTION loyalty.coupon_code_create(text, text, text, int) IS
'Makes a code that many can use, at most max_uses times in all, and returns it in canonical form';

CREATE OR REPLACE FUNCTION loyalty.coupon_disable(program text, code text)
RETURNS boolean LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_disable';
COMMENT ON FUNCTION loyalty.coupon_disable(text, text) IS
'Disables a code; true, unless it was disabled already';

CREATE OR REPLACE FUNCTION loyalty.coupon_enable(program text, code text)
RETURNS boolean LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_enable';
COMMENT ON FUNCTION loyalty.coupon_enable(text, text) IS
'Enables a code again; true, if it was disabled';

CREATE OR REPLACE FUNCTION loyalty.coupon_disable_batch(program text, coupon text, batch text)
RETURNS bigint LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_disable_batch';
COMMENT ON FUNCTION loyalty.coupon_disable_batch(text, text, text) IS
'Disables all codes of a batch, and returns how many of them were not disabled already';

CREATE OR REPLACE FUNCTION loyalty.coupon_attempt_expire(program text, batch int DEFAULT 10000)
RETURNS bigint LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_coupon_attempt_expire';
COMMENT ON FUNCTION loyalty.coupon_attempt_expire(text, int) IS
'Deletes up to so many counts of wrong codes that are over, and returns how many';
