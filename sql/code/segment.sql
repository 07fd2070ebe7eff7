COMMENT ON TABLE loyalty.segment IS 'A set of members: by a condition, by a view of the shop''s own, or as a list';
COMMENT ON TABLE loyalty.member_segment IS 'Who is in a segment, and since when';
COMMENT ON TABLE loyalty.segment_history IS 'Every member who entered or left a segment; append-only';

CREATE OR REPLACE TRIGGER segment_condition BEFORE INSERT OR UPDATE ON loyalty.segment
	FOR EACH ROW EXECUTE FUNCTION loyalty.tag_condition_check();
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
