CREATE OR REPLACE FUNCTION loyalty.automation_run_due(batch int DEFAULT 500, OUT done int, OUT left_over boolean)
RETURNS record LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_run_due';
COMMENT ON FUNCTION loyalty.automation_run_due(int) IS
'Works off runs of automations that are due, up to so many; a step that fails is tried again later; left_over: there may be more';
