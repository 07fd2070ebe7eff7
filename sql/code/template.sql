CREATE OR REPLACE FUNCTION loyalty.program_create(name text, currency text, time_zone text,
	template text DEFAULT 'basic', vest_days int DEFAULT 0)
RETURNS int LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_program_create';
COMMENT ON FUNCTION loyalty.program_create(text, text, text, text, int) IS
'Makes a working programme from a template and returns its id; program_templates() has the templates';

CREATE OR REPLACE FUNCTION loyalty.template_title_zh(name text, title text)
RETURNS text LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_template_title_zh';
COMMENT ON FUNCTION loyalty.template_title_zh(text, text) IS
'For the templates: the title in Chinese, or the other where the encoding of the database has no Chinese';
