COMMENT ON TABLE loyalty.program IS 'One loyalty programme: currency, time zone, policies';
COMMENT ON TABLE loyalty.program_event IS 'The events that a programme knows; record() refuses any other';

CREATE OR REPLACE FUNCTION loyalty.program_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_program_check';
COMMENT ON FUNCTION loyalty.program_check() IS
'Trigger: refuses an unknown time zone, and another zone or currency once the programme has a journal';

CREATE OR REPLACE TRIGGER program_check BEFORE INSERT OR UPDATE ON loyalty.program
	FOR EACH ROW EXECUTE FUNCTION loyalty.program_check();
CREATE OR REPLACE TRIGGER program_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.program
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
CREATE OR REPLACE TRIGGER program_event_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.program_event
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
