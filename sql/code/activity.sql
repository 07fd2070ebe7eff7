COMMENT ON TABLE loyalty.activity_kind IS 'A kind of behaviour that is kept, and for how long';
COMMENT ON TABLE loyalty.activity IS 'Behaviour that moves no value: who did what where and when; append-only';
COMMENT ON TABLE loyalty.visitor IS 'Who has not joined yet, and whose activities become those of the member he joins as';

CREATE OR REPLACE TRIGGER activity_kind_reference BEFORE INSERT OR UPDATE ON loyalty.activity_kind
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
