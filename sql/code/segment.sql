COMMENT ON TABLE loyalty.segment IS 'A set of members: by a condition, by a view of the shop''s own, or as a list';
COMMENT ON TABLE loyalty.member_segment IS 'Who is in a segment, and since when';
COMMENT ON TABLE loyalty.segment_history IS 'Every member who entered or left a segment; append-only';

CREATE OR REPLACE TRIGGER segment_replaced AFTER UPDATE ON loyalty.segment
	REFERENCING OLD TABLE AS old_segments
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.tag_forget_scan();
CREATE OR REPLACE TRIGGER segment_deleted AFTER DELETE ON loyalty.segment
	REFERENCING OLD TABLE AS old_segments
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.tag_forget_scan();
CREATE OR REPLACE TRIGGER segment_truncated AFTER TRUNCATE ON loyalty.segment
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.tag_forget_scan();
CREATE OR REPLACE TRIGGER segment_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.segment
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();

CREATE OR REPLACE FUNCTION loyalty.segment_check()
RETURNS trigger LANGUAGE C
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_segment_check';
COMMENT ON FUNCTION loyalty.segment_check() IS
'Trigger: refuses a condition that is no predicate, reads what there is not or could cost too much, and a source that is no view or table of one bigint or is not of the one who saves it';

CREATE OR REPLACE TRIGGER segment_check BEFORE INSERT OR UPDATE ON loyalty.segment
	FOR EACH ROW EXECUTE FUNCTION loyalty.segment_check();

CREATE OR REPLACE FUNCTION loyalty.segment_refresh(program text, segment text DEFAULT NULL, member_ids bigint[] DEFAULT NULL,
	OUT segment_name text, OUT n_entered bigint, OUT n_left bigint, OUT n_ignored bigint)
RETURNS SETOF record LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_segment_refresh';
COMMENT ON FUNCTION loyalty.segment_refresh(text, text, bigint[]) IS
'Makes a segment what its source says, or every segment that has one, or no more than what it says of these members; writes the differences';

CREATE OR REPLACE FUNCTION loyalty.segment_add(member_id bigint, segment text)
RETURNS boolean LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_segment_add';
COMMENT ON FUNCTION loyalty.segment_add(bigint, text) IS
'Puts a member into a segment that is a list; true, unless the member was in it';

CREATE OR REPLACE FUNCTION loyalty.segment_remove(member_id bigint, segment text)
RETURNS boolean LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_segment_remove';
COMMENT ON FUNCTION loyalty.segment_remove(bigint, text) IS
'Takes a member out of a segment that is a list; true, if the member was in it';

CREATE OR REPLACE FUNCTION loyalty.segment_drop(program text, segment text)
RETURNS bigint LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_segment_drop';
COMMENT ON FUNCTION loyalty.segment_drop(text, text) IS
'Lets everybody leave a segment and deletes it, unless something names it; returns how many left';

CREATE OR REPLACE FUNCTION loyalty.segment_require(program text, segment text)
RETURNS int LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_segment_require';
COMMENT ON FUNCTION loyalty.segment_require(text, text) IS
'The programme of a segment; LY403 and LY811 if there is none';

CREATE OR REPLACE FUNCTION loyalty.segment_members(program text, segment text)
RETURNS TABLE (member_id bigint, entered_at timestamptz) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT loyalty.segment_require(segment_members.program, segment_members.segment);
	SELECT m.member_id, m.entered_at FROM loyalty.member_segment m
	WHERE m.program_id = (SELECT p.program_id FROM loyalty.program p WHERE p.name = segment_members.program)
	AND m.segment = segment_members.segment;
END;
COMMENT ON FUNCTION loyalty.segment_members(text, text) IS
'Who is in a segment, and since when';
