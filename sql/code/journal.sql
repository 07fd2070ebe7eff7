COMMENT ON TABLE loyalty.journal IS 'One row per accepted call, even one that moved nothing; append-only';
COMMENT ON TABLE loyalty.event_data IS 'Bulky or personal inputs of a journal row; may be erased, the books stay';
COMMENT ON TABLE loyalty.entry IS 'What each journal row moved, lot by lot; append-only';
COMMENT ON TABLE loyalty.journal_ref IS 'Where program.ref_scope is program: the member that an order reference belongs to';
COMMENT ON TYPE loyalty.posting IS 'One movement of one lot, in the unit''s own terms';
COMMENT ON TYPE loyalty.receipt IS 'What every mutating call returns';

CREATE OR REPLACE FUNCTION loyalty.journal_immutable()
RETURNS trigger LANGUAGE C
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_journal_immutable';
COMMENT ON FUNCTION loyalty.journal_immutable() IS
'Trigger: refuses UPDATE, DELETE and TRUNCATE of the ledger (LY190), even to its owner';

CREATE OR REPLACE TRIGGER journal_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON loyalty.journal
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.journal_immutable();
CREATE OR REPLACE TRIGGER entry_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON loyalty.entry
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.journal_immutable();
