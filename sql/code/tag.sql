COMMENT ON TABLE loyalty.member_tag IS 'What a member is known for: plain names that rules ask for';
COMMENT ON TABLE loyalty.tag IS 'A tag: what it says of a member, and the condition by which it is set and removed';
COMMENT ON TABLE loyalty.tag_history IS 'Every tag that was set or removed, by what and when; append-only';
COMMENT ON TABLE loyalty.member_day IS 'What a member did on a local day, added up, for conditions of tags and segments';
COMMENT ON TABLE loyalty.tag_review IS 'When the tags and segments of a member must be judged again because time has passed';
COMMENT ON TABLE loyalty.tag_scan IS 'How far all members have been judged by the conditions as they are now';

CREATE OR REPLACE TRIGGER tag_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.tag
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
