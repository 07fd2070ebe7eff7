COMMENT ON TABLE loyalty.member IS 'The person: when joined, and a profile of personal data';

CREATE OR REPLACE TRIGGER member_immutable BEFORE DELETE OR TRUNCATE ON loyalty.member
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.journal_immutable();

CREATE OR REPLACE FUNCTION loyalty.member_freeze(member_id bigint, reason text,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_member_freeze';
COMMENT ON FUNCTION loyalty.member_freeze(bigint, text, timestamptz, text, text) IS
'Active to frozen: the member still earns, but spends nothing';

CREATE OR REPLACE FUNCTION loyalty.member_thaw(member_id bigint, reason text,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_member_thaw';
COMMENT ON FUNCTION loyalty.member_thaw(bigint, text, timestamptz, text, text) IS
'Frozen to active';

CREATE OR REPLACE FUNCTION loyalty.member_close(member_id bigint, reason text,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_member_close';
COMMENT ON FUNCTION loyalty.member_close(bigint, text, timestamptz, text, text) IS
'Active or frozen to closed: only refund, release and member_reopen are still taken';

CREATE OR REPLACE FUNCTION loyalty.member_reopen(member_id bigint, reason text,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'do')
RETURNS loyalty.receipt LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_member_reopen';
COMMENT ON FUNCTION loyalty.member_reopen(bigint, text, timestamptz, text, text) IS
'Closed to active';
