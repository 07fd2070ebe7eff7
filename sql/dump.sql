-- pg_dump leaves out the rows of an extension's tables and the positions of its
-- sequences unless they are registered. Rows that the script itself inserts are
-- marked by a column "builtin" and stay out, or a restore would double them.
DO $$
DECLARE
	relation record;
BEGIN
	FOR relation IN
		SELECT c.oid, EXISTS (SELECT FROM pg_attribute a
							  WHERE a.attrelid = c.oid
							  AND a.attname = 'builtin'
							  AND a.atttypid = 'boolean'::regtype
							  AND NOT a.attisdropped) AS seeded
		FROM pg_extension e
		JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass
						AND d.refobjid = e.oid
						AND d.classid = 'pg_class'::regclass
						AND d.objsubid = 0
						AND d.deptype = 'e'
		JOIN pg_class c ON c.oid = d.objid
		WHERE e.extname = 'loyalty'
		AND c.relkind IN ('r', 'S')
		AND c.oid <> ALL (coalesce(e.extconfig, '{}'))
		ORDER BY c.oid
	LOOP
		-- one call per statement: each updates the same row of pg_extension
		PERFORM pg_extension_config_dump(relation.oid,
										 CASE WHEN relation.seeded
											  THEN 'WHERE NOT builtin'
											  ELSE '' END);
	END LOOP;
END;
$$;
