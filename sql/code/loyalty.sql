CREATE OR REPLACE FUNCTION loyalty.next_id()
RETURNS bigint LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_next_id';
COMMENT ON FUNCTION loyalty.next_id() IS
'A new id, unique on all nodes and below 2^53: loyalty.node_id in the upper bits, a sequence below';

CREATE OR REPLACE FUNCTION loyalty.now()
RETURNS timestamptz LANGUAGE C STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_now';
COMMENT ON FUNCTION loyalty.now() IS
'The one clock: loyalty.now if a superuser has set it, else the start of the statement';

CREATE OR REPLACE FUNCTION loyalty.config_changed()
RETURNS trigger LANGUAGE C
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_config_changed';
COMMENT ON FUNCTION loyalty.config_changed() IS
'Trigger: tells every session to compile its programmes anew; writes nothing';

COMMENT ON TABLE loyalty.table_kind IS 'How a distributed engine treats each table: by member, copied to every node, or found by another key';
COMMENT ON SEQUENCE loyalty.id_seq IS 'Lower bits of next_id()';
COMMENT ON SEQUENCE loyalty.program_id_seq IS 'Ids of programmes';
COMMENT ON SEQUENCE loyalty.unit_id_seq IS 'Ids of units';
COMMENT ON SEQUENCE loyalty.rule_id_seq IS 'Ids of rules';
