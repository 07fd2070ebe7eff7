COMMENT ON TABLE loyalty.automation IS 'What happens by itself: what starts it, for whom, how often, and what its goal is';
COMMENT ON TABLE loyalty.automation_step IS 'What an automation does, step by step';
COMMENT ON TABLE loyalty.automation_run IS 'What was started for a member, how far it came and what it did; those held out, too';
COMMENT ON TABLE loyalty.automation_broadcast IS 'One start of an automation for many members, and how far it came';
COMMENT ON TABLE loyalty.automation_scan IS 'How far all members have been looked at for what dated automations make due';
COMMENT ON SEQUENCE loyalty.automation_id_seq IS 'Ids of automations';

CREATE OR REPLACE TRIGGER automation_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.automation
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
CREATE OR REPLACE TRIGGER automation_step_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.automation_step
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
