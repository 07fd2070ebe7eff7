-- All templates in one list; empty has no rows.
CREATE OR REPLACE FUNCTION loyalty.template_rows(template text)
RETURNS TABLE (place bigint, part text, definition jsonb)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT b.place, b.part, b.definition FROM loyalty.template_basic() AS b WHERE template_rows.template = 'basic'
	UNION ALL SELECT r.place, r.part, r.definition FROM loyalty.template_retail() AS r WHERE template_rows.template = 'retail'
	UNION ALL SELECT c.place, c.part, c.definition FROM loyalty.template_catering() AS c WHERE template_rows.template = 'catering'
	UNION ALL SELECT k.place, k.part, k.definition FROM loyalty.template_knowledge() AS k WHERE template_rows.template = 'knowledge'
	UNION ALL SELECT w.place, w.part, w.definition FROM loyalty.template_b2b() AS w WHERE template_rows.template = 'b2b'
	ORDER BY 1;
END;
COMMENT ON FUNCTION loyalty.template_rows(text) IS
'What program_create() puts into a programme: rows of a template, in order, the table they go to, and their columns';

CREATE OR REPLACE FUNCTION loyalty.program_templates()
RETURNS TABLE (name text, title text, title_zh text, about text, rows bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT t.name, t.title, loyalty.template_title_zh(t.name, t.title), t.about, (SELECT count(*) FROM loyalty.template_rows(t.name))
	FROM (VALUES
		(1, 'basic', 'Basic', 'points, spend and orders with their rules'),
		(2, 'retail', 'Retail', 'tiers, member prices, coupons, points for more than buying, members'' day'),
		(3, 'catering', 'Catering', 'stamp card, prepaid card, double points at the table, lunch offer'),
		(4, 'knowledge', 'Documents and courses', 'three purchases make a member with 30 % off; membership by the year'),
		(5, 'b2b', 'Wholesale', 'wholesale prices and terms by tier, credit for what was bought, discounts by quantity'),
		(6, 'empty', 'Empty', 'events only')
	) AS t (place, name, title, about)
	ORDER BY t.place;
END;
COMMENT ON FUNCTION loyalty.program_templates() IS
'What a programme can be made from: the templates of program_create()';
