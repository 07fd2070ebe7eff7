COMMENT ON TABLE loyalty.account IS 'The hot row of a member: status, tier and wallet; every call locks it first';
COMMENT ON TYPE loyalty.account_balance IS 'One row of balance(): what a member holds of one unit';

CREATE OR REPLACE FUNCTION loyalty.member_require(member_id bigint)
RETURNS int LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_member_require';
COMMENT ON FUNCTION loyalty.member_require(bigint) IS
'The programme of a member; LY501 if there is no such member';

CREATE OR REPLACE FUNCTION loyalty.unit_require(program_id int, unit text)
RETURNS int LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_unit_require';
COMMENT ON FUNCTION loyalty.unit_require(int, text) IS
'The id of a unit of the programme; LY105 if it has none of this code';
