COMMENT ON TABLE loyalty.member_tag IS 'What a member is known for: plain names that rules ask for';
COMMENT ON TABLE loyalty.tag IS 'A tag: what it says of a member, and the condition by which it is set and removed';
COMMENT ON TABLE loyalty.tag_history IS 'Every tag that was set or removed, by what and when; append-only';
COMMENT ON TABLE loyalty.member_day IS 'What a member did on a local day, added up, for conditions of tags and segments';
COMMENT ON TABLE loyalty.tag_review IS 'When the tags and segments of a member must be judged again because time has passed';
COMMENT ON TABLE loyalty.tag_scan IS 'How far all members have been judged by the conditions as they are now';

CREATE OR REPLACE FUNCTION loyalty.tag_condition_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_tag_condition_check';
COMMENT ON FUNCTION loyalty.tag_condition_check() IS
'Trigger: refuses a condition that is no predicate, reads what there is not, or could cost too much';

CREATE OR REPLACE FUNCTION loyalty.tag_forget_scan()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_tag_forget_scan';
COMMENT ON FUNCTION loyalty.tag_forget_scan() IS
'Trigger: lets all members be judged again after tags or segments have changed';

CREATE OR REPLACE TRIGGER tag_check BEFORE INSERT OR UPDATE ON loyalty.tag
	FOR EACH ROW EXECUTE FUNCTION loyalty.tag_condition_check();
CREATE OR REPLACE TRIGGER tag_replaced AFTER UPDATE ON loyalty.tag
	REFERENCING OLD TABLE AS old_tags
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.tag_forget_scan();
CREATE OR REPLACE TRIGGER tag_deleted AFTER DELETE ON loyalty.tag
	REFERENCING OLD TABLE AS old_tags
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.tag_forget_scan();
CREATE OR REPLACE TRIGGER tag_truncated AFTER TRUNCATE ON loyalty.tag
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.tag_forget_scan();
CREATE OR REPLACE TRIGGER tag_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.tag
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();

CREATE OR REPLACE FUNCTION loyalty.tag_add(member_id bigint, tag text, source text DEFAULT 'hand',
	valid_until timestamptz DEFAULT NULL)
RETURNS boolean LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_tag_add';
COMMENT ON FUNCTION loyalty.tag_add(bigint, text, text, timestamptz) IS
'Gives a member a tag by hand, until a time or for good; true, unless the member had it';

CREATE OR REPLACE FUNCTION loyalty.tag_remove(member_id bigint, tag text)
RETURNS boolean LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_tag_remove';
COMMENT ON FUNCTION loyalty.tag_remove(bigint, text) IS
'Takes a tag from a member that was given by hand; true, if the member had it';

CREATE OR REPLACE FUNCTION loyalty.tag_refresh(program text, batch int DEFAULT 500,
	OUT looked_at int, OUT changed int, OUT left_over boolean)
RETURNS record LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_tag_refresh';
COMMENT ON FUNCTION loyalty.tag_refresh(text, int) IS
'Judges a batch of members whose tags and segments time may have changed, or whose conditions have changed; left_over: call it again';

CREATE OR REPLACE FUNCTION loyalty.tag_check(program text)
RETURNS TABLE (member_id bigint, kind text, name text, found text, expected text)
LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_tag_check';
COMMENT ON FUNCTION loyalty.tag_check(text) IS
'What judging all members anew would change, those apart whose turn is still to come; no row is good';
