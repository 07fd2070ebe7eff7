COMMENT ON TABLE loyalty.collection IS 'A named set of products or stores, to which rules refer';
COMMENT ON TABLE loyalty.collection_item IS 'What is in a collection: skus, categories, brands, stores';
COMMENT ON TABLE loyalty.calendar_day IS 'The days of a named calendar, to which rules refer';

CREATE OR REPLACE TRIGGER collection_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.collection
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
CREATE OR REPLACE TRIGGER collection_item_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.collection_item
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
CREATE OR REPLACE TRIGGER calendar_day_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON loyalty.calendar_day
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.config_changed();
