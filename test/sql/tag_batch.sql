\set ECHO none
\i test/prelude.sql
SELECT plan(13);

-- Programmes alike: one is called row by row, two take the same rows in batches, one
-- of them before anybody was judged by the conditions.
SET loyalty.now = '2026-01-10 12:00+00';
SELECT FROM unnest('{single,bulk,fresh}'::text[]) name, loyalty.program_create(name, 'GBP', 'Europe/London');
INSERT INTO loyalty.tag (program_id, name, dimension, condition)
SELECT program_id, t.* FROM loyalty.program, (VALUES
	('often', 'transaction', '$.purchases.month.times >= 3'::jsonpath),
	('toys', 'attribute', '$.categories.toys.days_30.quantity > 2'),
	('saver', 'behaviour', '$.purchases.days_365.discount_share >= 0.5'),
	('rich', 'transaction', '$.member.counters.points > 150'),
	('fan', 'attribute', '$.brands.*.year.times >= 2')) t (name, dimension, condition);
INSERT INTO loyalty.segment (program_id, name, condition)
SELECT program_id, 'both', '$.member.tags[*] == "often" && $.member.tags[*] == "toys"' FROM loyalty.program;
CREATE FUNCTION pg_temp.id_in(program text, name text) RETURNS bigint LANGUAGE sql STABLE AS
	$$ SELECT member_id FROM loyalty.identity JOIN loyalty.program p USING (program_id) WHERE p.name = $1 AND value = $2 $$;
SELECT FROM loyalty.program p, generate_series(1, 9) n, loyalty.enroll(p.name, jsonb_build_object('customer_no', 'm' || n));
SELECT is((SELECT sum(looked_at) FROM loyalty.program p, loyalty.tag_refresh(p.name) WHERE name <> 'fresh'), 18::bigint, 'two are judged before');

CREATE TEMP TABLE feed AS
SELECT n, 'm' || 1 + (n * 7) % 9 AS name, (n * 37) % 50 + 0.25 AS amount, 'r' || n AS ref,
	CASE WHEN n % 5 < 3 THEN jsonb_build_array(
		jsonb_build_object('sku', 's' || n % 6, 'price', 5 + n % 30, 'qty', 1 + n % 2, 'category', CASE WHEN n % 3 = 0 THEN 'toys' ELSE 'books' END),
		jsonb_build_object('sku', 't', 'price', 3, 'category', 'toys', 'brand', 'B' || n % 4)) END AS items,
	CASE WHEN n % 7 = 0 THEN '{"discount": 1}'::jsonb END AS data,
	timestamptz '2026-01-10 13:00+00' + n * interval '9 hours' AS at
FROM generate_series(1, 160) n;

-- Four at a time, all by the clock of the last of them
DO $$
DECLARE
	part int;
	programme text;
BEGIN
	FOR part IN 0 .. 39 LOOP
		PERFORM set_config('loyalty.now', (SELECT max(at)::text FROM feed WHERE (n - 1) / 4 = part), false);
		PERFORM r FROM (SELECT * FROM feed WHERE (n - 1) / 4 = part ORDER BY n) f,
			loyalty.purchase(pg_temp.id_in('single', f.name), f.amount, f.ref, f.items, f.data, f.at) r;
		FOREACH programme IN ARRAY '{bulk,fresh}'::text[] LOOP
			PERFORM loyalty.ingest_batch(programme, (SELECT array_agg(ROW(n, pg_temp.id_in(programme, name), NULL,
				NULL, amount, ref, items, data, at, NULL, NULL)::loyalty.ingest_row ORDER BY n) FROM feed WHERE (n - 1) / 4 = part), 'feed');
		END LOOP;
		IF part % 10 = 9 THEN
			PERFORM loyalty.tag_refresh(name, 50) FROM loyalty.program WHERE name <> 'fresh';
		END IF;
	END LOOP;
END
$$;
CREATE FUNCTION pg_temp.alike(what text, other text, query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN results_eq(replace(query, '$1', quote_literal(other)), replace(query, '$1', '''single'''), what || ': ' || other);
END
$$;
CREATE TEMP VIEW who AS SELECT member_id, p.name AS program, value AS name FROM loyalty.identity JOIN loyalty.program p USING (program_id);
SELECT pg_temp.alike('the same days', other, 'SELECT w.name, day, kind, d.name, times, quantity, amount, discounted FROM loyalty.member_day d JOIN who w USING (member_id) WHERE program = $1 ORDER BY 1, 2, 3, 4')
FROM unnest('{bulk,fresh}'::text[]) other;
SELECT pg_temp.alike('the same history of tags', 'bulk', 'SELECT name, row_number() OVER (PARTITION BY member_id ORDER BY history_id), tag, action, changed_at FROM loyalty.tag_history JOIN who w USING (member_id) WHERE program = $1 ORDER BY 1, 2');
SELECT pg_temp.alike('the same history of segments', 'bulk', 'SELECT name, row_number() OVER (PARTITION BY member_id ORDER BY history_id), segment, action, changed_at FROM loyalty.segment_history JOIN who w USING (member_id) WHERE program = $1 ORDER BY 1, 2');
SELECT pg_temp.alike('the same tags', 'bulk', 'SELECT name, tag, tagged_at FROM loyalty.member_tag JOIN who w USING (member_id) WHERE program = $1 ORDER BY 1, 2');
SELECT cmp_ok(count(*), '>', 60::bigint, 'of which there are many') FROM loyalty.tag_history WHERE program_id = (SELECT program_id FROM loyalty.program WHERE name = 'bulk');
SELECT ok(count(*) FILTER (WHERE action = 'left') > 3, 'and members who left a segment') FROM loyalty.segment_history;
SELECT FROM loyalty.program p, loyalty.tag_refresh(p.name, 50);
SELECT is_empty(format('SELECT * FROM loyalty.tag_check(%L)', name), 'judging all anew would change nothing: ' || name) FROM loyalty.program;
SELECT pg_temp.alike('the same tags, once they were judged', 'fresh', 'SELECT name, tag FROM loyalty.member_tag JOIN who w USING (member_id) WHERE program = $1 ORDER BY 1, 2');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
