COMMENT ON TABLE loyalty.member IS 'The person: when joined, and a profile of personal data';

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


CREATE OR REPLACE FUNCTION loyalty.tag_add(member_id bigint, tag text)
RETURNS boolean LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH added AS (
		INSERT INTO loyalty.member_tag (member_id, tag, program_id, tagged_at)
		VALUES (tag_add.member_id, tag_add.tag, loyalty.member_require(tag_add.member_id), loyalty.now())
		ON CONFLICT DO NOTHING
		RETURNING 1)
	SELECT EXISTS (SELECT FROM added);
END;
COMMENT ON FUNCTION loyalty.tag_add(bigint, text) IS
'Gives a member a tag; true, unless the member had it';

CREATE OR REPLACE FUNCTION loyalty.tag_remove(member_id bigint, tag text)
RETURNS boolean LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT loyalty.member_require(tag_remove.member_id);
	WITH removed AS (
		DELETE FROM loyalty.member_tag t
		WHERE t.member_id = tag_remove.member_id AND t.tag = tag_remove.tag
		RETURNING 1)
	SELECT EXISTS (SELECT FROM removed);
END;
COMMENT ON FUNCTION loyalty.tag_remove(bigint, text) IS
'Takes a tag from a member; true, if the member had it';
