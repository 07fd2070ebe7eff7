-- Everything the extension owns, one line per fact, in a fixed order: two
-- databases hold the same extension when the lines are the same. Whose the
-- objects are is left out, as pg_dump leaves it out.
WITH owned AS (
	SELECT d.classid, d.objid
	FROM pg_extension e
	JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass
					AND d.refobjid = e.oid
					AND d.deptype = 'e'
	WHERE e.extname = 'loyalty'
), relation AS (
	SELECT c.*
	FROM owned o
	JOIN pg_class c ON o.classid = 'pg_class'::regclass AND c.oid = o.objid
), routine AS (
	SELECT p.*
	FROM owned o
	JOIN pg_proc p ON o.classid = 'pg_proc'::regclass AND p.oid = o.objid
), grants AS (
	SELECT 'relation ' || oid::regclass AS object, relowner AS owner, relacl AS acl FROM relation
	UNION ALL
	SELECT 'routine ' || oid::regprocedure, proowner, proacl FROM routine
	UNION ALL
	SELECT 'schema ' || n.oid::regnamespace, n.nspowner, n.nspacl
	FROM owned o
	JOIN pg_namespace n ON o.classid = 'pg_namespace'::regclass AND n.oid = o.objid
), fact AS (
	SELECT 'extension ' || extversion AS line
	FROM pg_extension
	WHERE extname = 'loyalty'

	UNION ALL
	SELECT 'object ' || pg_describe_object(classid, objid, 0)
	FROM owned

	-- numbered by what is there, because an update may have dropped a column
	UNION ALL
	SELECT format('column %s %s %I %s%s%s%s', r.oid::regclass,
				  row_number() OVER (PARTITION BY r.oid ORDER BY a.attnum),
				  a.attname, format_type(a.atttypid, a.atttypmod),
				  CASE WHEN a.attnotnull THEN ' not null' END,
				  ' default ' || pg_get_expr(d.adbin, d.adrelid),
				  ' identity ' || nullif(a.attidentity::text, ''))
	FROM relation r
	JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
	LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
	WHERE r.relkind IN ('r', 'p', 'v', 'm', 'c')

	UNION ALL
	SELECT format('options %s %s %s', oid::regclass, relpersistence, reloptions)
	FROM relation

	UNION ALL
	SELECT format('constraint %s %s %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
	FROM relation r
	JOIN pg_constraint k ON k.conrelid = r.oid

	UNION ALL
	SELECT 'index ' || pg_get_indexdef(i.indexrelid)
	FROM relation r
	JOIN pg_index i ON i.indrelid = r.oid

	UNION ALL
	SELECT format('trigger %s %s', pg_get_triggerdef(t.oid), t.tgenabled)
	FROM relation r
	JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal

	UNION ALL
	SELECT format('policy %s %s %s %s %s', p.polrelid::regclass, p.polname, p.polcmd,
				  pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
	FROM relation r
	JOIN pg_policy p ON p.polrelid = r.oid

	UNION ALL
	SELECT format('row security %s %s %s', oid::regclass, relrowsecurity, relforcerowsecurity)
	FROM relation
	WHERE relkind = 'r'

	UNION ALL
	SELECT format('sequence %s %s %s %s %s %s %s', r.oid::regclass, format_type(s.seqtypid, NULL),
				  s.seqstart, s.seqincrement, s.seqmax, s.seqcache, s.seqcycle)
	FROM relation r
	JOIN pg_sequence s ON s.seqrelid = r.oid

	UNION ALL
	SELECT format('view %s %s', oid::regclass, pg_get_viewdef(oid))
	FROM relation
	WHERE relkind IN ('v', 'm')

	UNION ALL
	SELECT 'routine ' || pg_get_functiondef(oid)
	FROM routine
	WHERE prokind <> 'a'

	UNION ALL
	SELECT format('aggregate %s %s %s %s', r.oid::regprocedure, a.aggtransfn, a.aggfinalfn,
				  format_type(a.aggtranstype, NULL))
	FROM routine r
	JOIN pg_aggregate a ON a.aggfnoid = r.oid

	UNION ALL
	SELECT format('type %s %s %s %s %s %s', t.oid::regtype, t.typlen, t.typalign, t.typstorage,
				  t.typinput, t.typsend)
	FROM owned o
	JOIN pg_type t ON o.classid = 'pg_type'::regclass AND t.oid = o.objid

	-- one line per grant, because their order depends on their history
	UNION ALL
	SELECT format('grant %s %s to %s%s', g.object, x.privilege_type,
				  CASE WHEN x.grantee = 0 THEN 'public'
					   WHEN x.grantee = g.owner THEN 'its owner'
					   ELSE x.grantee::regrole::text END,
				  CASE WHEN x.is_grantable AND x.grantee <> g.owner THEN ' with grant option' END)
	FROM grants g
	CROSS JOIN LATERAL aclexplode(coalesce(g.acl, acldefault(CASE split_part(g.object, ' ', 1)
																  WHEN 'relation' THEN 'r'
																  WHEN 'routine' THEN 'f'
																  ELSE 'n' END::"char", g.owner))) x
	WHERE x.grantee <> g.owner

	UNION ALL
	SELECT format('comment %s %s', pg_describe_object(o.classid, o.objid, d.objsubid), d.description)
	FROM owned o
	JOIN pg_description d ON d.classoid = o.classid AND d.objoid = o.objid

	UNION ALL
	SELECT format('dumped %s %s', x.relation::regclass, x.condition)
	FROM pg_extension e
	CROSS JOIN unnest(e.extconfig, e.extcondition) AS x(relation, condition)
	WHERE e.extname = 'loyalty'
)
SELECT regexp_replace(line, '\s+', ' ', 'g') AS fact
FROM fact
ORDER BY line COLLATE "C";
