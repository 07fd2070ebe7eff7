COMMENT ON TABLE loyalty.program IS 'One loyalty programme: currency, time zone, policies';
COMMENT ON TABLE loyalty.program_event IS 'The events that a programme knows; record() refuses any other';

CREATE OR REPLACE TRIGGER program_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.program
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
CREATE OR REPLACE TRIGGER program_event_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.program_event
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
