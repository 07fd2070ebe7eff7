-- Takes the EXECUTE that every new function grants to PUBLIC. Only from
-- functions from which an earlier script has not taken it: a REVOKE records the
-- function's whole list of grants as the extension's own, and pg_dump would
-- then drop those of the administrator. pg_init_privs tells, and unlike an
-- empty proacl it also tells where ALTER DEFAULT PRIVILEGES filled proacl.
DO $$
DECLARE
	routine record;
BEGIN
	FOR routine IN
		SELECT p.oid::regprocedure AS signature
		FROM pg_extension e
		JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass
						AND d.refobjid = e.oid
						AND d.classid = 'pg_proc'::regclass
						AND d.deptype = 'e'
		JOIN pg_proc p ON p.oid = d.objid
		WHERE e.extname = 'loyalty'
		AND (p.proacl IS NULL
			 OR NOT EXISTS (SELECT FROM pg_init_privs i
							WHERE i.classoid = 'pg_proc'::regclass
							AND i.objoid = p.oid))
		ORDER BY p.oid
	LOOP
		EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', routine.signature);
	END LOOP;
END;
$$;
