\set ECHO none
\i test/prelude.sql
SELECT plan(55);

-- From the first touch to the first purchase, how long what was done is kept,
-- and what conditions see of it. Days are those of Shanghai, eight hours ahead.
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
INSERT INTO loyalty.activity_kind (program_id, kind, retain_days) VALUES (:shop, 'search', 60), (:shop, 'view', NULL), (:shop, 'cart', NULL);
SET loyalty.now = '2026-04-10 12:00+00';

-- A visitor who joins and buys, at local times
CREATE FUNCTION pg_temp.walks(person text, VARIADIC steps text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	step text;
	kind text;
	time timestamptz;
BEGIN
	FOREACH step IN ARRAY steps LOOP
		kind := split_part(step, ' ', 1);
		time := (format('2026-%s 12:00', split_part(step, ' ', 2)))::timestamp AT TIME ZONE 'Asia/Shanghai';
		IF kind = 'join' THEN
			PERFORM loyalty.enroll('Shop', jsonb_build_object('customer_no', person), at => time);
			PERFORM loyalty.visitor_join(pg_temp.id(person), person);
		ELSIF kind = 'purchase' THEN
			PERFORM loyalty.purchase(pg_temp.id(person), 10, step, at => time);
		ELSE
			PERFORM loyalty.track_visitor('Shop', person, kind, 'sku', step, 's1', 5, 'web', '{"who": "me"}', time);
		END IF;
	END LOOP;
END
$$;
SELECT FROM pg_temp.walks('ann', 'search 03-02', 'search 03-02', 'view 03-03', 'join 03-05', 'cart 03-05', 'purchase 03-07', 'view 03-08', 'purchase 03-09');
SELECT results_eq(
	$$SELECT step, at, source, kind, target, channel, session, dwell_seconds, days, first_touch, conversion FROM loyalty.path(pg_temp.id('ann'))$$,
	$$VALUES (1::bigint, timestamptz '2026-03-02 04:00+00', 'activity', 'search', 'search 03-02', 'web', 's1', 5, 0, true, false),
	         (2, '2026-03-02 04:00+00', 'activity', 'search', 'search 03-02', 'web', 's1', 5, 0, false, false),
	         (3, '2026-03-03 04:00+00', 'activity', 'view', 'view 03-03', 'web', 's1', 5, 1, false, false),
	         (4, '2026-03-05 04:00+00', 'event', 'signup', NULL, NULL, NULL, NULL, 3, false, false),
	         (5, '2026-03-05 04:00+00', 'activity', 'cart', 'cart 03-05', 'web', 's1', 5, 3, false, false),
	         (6, '2026-03-07 04:00+00', 'event', 'purchase', NULL, NULL, NULL, NULL, 5, false, true),
	         (7, '2026-03-08 04:00+00', 'activity', 'view', 'view 03-08', 'web', 's1', 5, 6, false, false),
	         (8, '2026-03-09 04:00+00', 'event', 'purchase', NULL, NULL, NULL, NULL, 7, false, false)$$,
	'path: activities and events in order, the first touch and the first purchase');
SELECT is((SELECT string_agg(column_name, ' ') FROM (SELECT jsonb_object_keys(to_jsonb(p)) FROM loyalty.path(pg_temp.id('ann')) p LIMIT 12) k (column_name) WHERE column_name = 'data'),
	NULL, 'path: without data');
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'purchase 03-07');
SELECT is((SELECT string_agg(kind || ' ' || days, ', ') FROM loyalty.path(pg_temp.id('ann')) WHERE conversion), 'purchase 5', 'path: one that was returned was the first all the same');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 10, 'late', at => '2026-03-06 04:00+00');
SELECT is((SELECT string_agg(kind || ' ' || days, ', ') FROM loyalty.path(pg_temp.id('ann')) WHERE conversion), 'purchase 4', 'path: unless an earlier one comes to light');
SELECT FROM loyalty.import_member('Shop', '{"customer_no": "imp"}', state => '{"purchases": 3, "first_purchase_at": "2025-01-01T00:00:00Z", "last_purchase_at": "2025-06-01T00:00:00Z"}');
SELECT FROM loyalty.track(pg_temp.id('imp'), 'view');
SELECT FROM loyalty.purchase(pg_temp.id('imp'), 10, 'o1');
SELECT is((SELECT string_agg(kind, ' ') FROM loyalty.path(pg_temp.id('imp'))), 'view purchase', 'path: what was before the take-over is not known');
SELECT is((SELECT bool_or(conversion) FROM loyalty.path(pg_temp.id('imp'))), false, 'path: so no purchase here is the first');
CALL pg_temp.enroll('Shop', 'nobody');
SELECT is((SELECT string_agg(kind || days || first_touch || conversion, ' ') FROM loyalty.path(pg_temp.id('nobody'))), 'signup0truefalse', 'path: a member who has done nothing');

-- March, counted by hand: three have gone the long way, one of them bought in March
SELECT FROM pg_temp.walks('bob', 'search 03-04', 'view 03-04', 'join 03-05', 'cart 03-06');
SELECT FROM pg_temp.walks('cat', 'search 03-28', 'view 03-29', 'join 03-30', 'cart 03-31', 'purchase 04-02');
SELECT FROM pg_temp.walks('v1', 'search 03-20', 'view 03-21', 'search 04-01');
SELECT FROM pg_temp.walks('v2', 'view 02-28', 'search 03-01');
SELECT FROM pg_temp.walks('dan', 'join 02-01', 'purchase 02-20', 'search 03-02', 'purchase 03-03');
SELECT FROM pg_temp.walks('eve', 'join 02-01', 'purchase 03-10');
SELECT FROM pg_temp.walks('fay', 'join 03-09', 'cart 03-10', 'purchase 03-10', 'view 03-11');
SELECT set_eq($$SELECT path, people, members, conversions, rate, days FROM loyalty.report_path('Shop', '2026-03-01', '2026-04-01')$$,
	$$VALUES ('search > view > signup > cart', 3::bigint, 3::bigint, 1::bigint, 0.3333, 4.0),
	         ('-', 1, 1, 1, 1.0000, 0.0), ('search > view', 1, 0, 0, 0.0000, NULL), ('search', 1, 0, 0, 0.0000, NULL),
	         ('signup > cart', 1, 1, 1, 1.0000, 1.0)$$, 'report_path: the paths of March');
SELECT set_eq($$SELECT path, people, members, conversions, rate, days FROM loyalty.report_path('Shop', '2026-03-01', '2026-04-01', 2)$$,
	$$VALUES ('search > view', 4::bigint, 3::bigint, 1::bigint, 0.2500, 4.0), ('-', 1, 1, 1, 1.0000, 0.0), ('search', 1, 0, 0, 0.0000, NULL),
	         ('signup > cart', 1, 1, 1, 1.0000, 1.0)$$, 'report_path: their first two steps');
SELECT results_eq($$SELECT path, people FROM loyalty.report_path('Shop', '2026-03-01', '2026-04-01', 1) LIMIT 1$$, $$VALUES ('search', 5::bigint)$$, 'report_path: the most frequent first');
SELECT is((SELECT sum(conversions) FROM loyalty.report_path('Shop')), (SELECT count(*) FROM loyalty.account WHERE first_purchase_at >= '2026-01-01')::numeric,
	'report_path: without bounds, all who have bought; not those who came with their purchases');
SELECT is((SELECT sum(people) FROM loyalty.report_path('Shop')), (SELECT count(*) FROM (
		SELECT member_id FROM loyalty.account UNION SELECT member_id FROM loyalty.visitor) x WHERE member_id <> pg_temp.id('imp'))::numeric,
	'report_path: and everybody once');
SELECT is_empty($$SELECT * FROM loyalty.report_path('Shop', '2027-01-01', '2027-02-01')$$, 'report_path: a period in which nobody came');
SELECT is_empty($$SELECT * FROM loyalty.report_path('Shop', '2026-04-01', '2026-03-01')$$, 'report_path: one that ends before it begins');
-- 31 March 16:00 is midnight there
SELECT FROM loyalty.track_visitor('Shop', 'v3', 'cart', at => '2026-03-31 15:59:59+00');
SELECT FROM loyalty.track_visitor('Shop', 'v4', 'cart', at => '2026-03-31 16:00+00');
SELECT is((SELECT people FROM loyalty.report_path('Shop', '2026-03-31', '2026-04-01') WHERE path = 'cart'), 2::bigint, 'report_path: local days: cat and v3');

-- Kept until the end of the sixtieth day after: what was done on 2 March until 1 May
SELECT FROM loyalty.track_visitor('Shop', 'v5', 'search', at => '2026-03-02 15:59:59+00');
SELECT FROM loyalty.track_visitor('Shop', 'v5', 'search', at => '2026-03-02 16:00+00');
SET loyalty.now = '2026-05-01 15:59:59+00';
SELECT is((SELECT string_agg(kind, ' ') FROM loyalty.path(pg_temp.id('ann')) WHERE source = 'activity'), 'search search view cart view', 'retention: in its last second');
SELECT is((SELECT people FROM loyalty.report_path('Shop', '2026-03-02', '2026-03-03') WHERE path = 'search'), 2::bigint, 'retention: in the report as well: ann and v5');
SELECT is(loyalty.activity_expire('Shop'), 1::bigint, 'retention: of 1 March only');
SELECT is_empty($$SELECT FROM loyalty.visitor WHERE visitor = 'v2' AND NOT EXISTS (SELECT FROM loyalty.activity a WHERE a.member_id = visitor.member_id)$$,
	'retention: v2 has something left');
SET loyalty.now = '2026-05-01 16:00+00';
SELECT is((SELECT string_agg(kind, ' ') FROM loyalty.path(pg_temp.id('ann')) WHERE source = 'activity'), 'view cart view', 'retention: over, though it is still there');
SELECT is((SELECT count(*) FROM loyalty.report_path('Shop', '2026-03-02', '2026-03-03') WHERE path = 'search'), 0::bigint, 'retention: in the report as well');
SELECT is((SELECT count(*) FROM loyalty.activity WHERE kind = 'search' AND at < '2026-03-02 16:00+00'), 4::bigint, 'retention: dan, v5 and two of ann');
SELECT is(loyalty.activity_expire('Shop', 3), 3::bigint, 'activity_expire: so many at a time');
SELECT is(loyalty.activity_expire('Shop', 3), 1::bigint, 'activity_expire: the rest');
SELECT is(loyalty.activity_expire('Shop', 3), 0::bigint, 'activity_expire: nothing is left to do');
SELECT is((SELECT count(*) FROM loyalty.activity a JOIN loyalty.visitor v USING (member_id) WHERE v.visitor = 'v5'), 1::bigint, 'retention: a second later is the next day');
SET loyalty.now = '2026-05-02 16:00+00';
SELECT is(loyalty.activity_expire('Shop'), 1::bigint, 'retention: which is over a day later');
SELECT is_empty($$SELECT FROM loyalty.visitor WHERE visitor = 'v5'$$, 'activity_expire: a visitor of whom nothing is left is forgotten');
SELECT isnt_empty($$SELECT FROM loyalty.visitor WHERE visitor = 'dan'$$, 'activity_expire: one who has joined is not');
SELECT is_empty($$SELECT FROM loyalty.activity a WHERE NOT EXISTS (SELECT FROM loyalty.account c WHERE c.member_id = a.member_id)
	AND NOT EXISTS (SELECT FROM loyalty.visitor v WHERE v.member_id = a.member_id AND v.joined_at IS NULL)$$, 'activity_expire: nothing is left that is nobody''s');
DELETE FROM loyalty.activity_kind WHERE kind = 'cart';
SELECT is((SELECT count(*) FROM loyalty.path(pg_temp.id('ann')) WHERE kind = 'cart'), 0::bigint, 'retention: of a kind that there is no more nothing is kept');
SELECT is(loyalty.activity_expire('Shop'), 6::bigint, 'activity_expire: ann, bob, cat, fay, v3 and v4 had each filled one');
SELECT is((SELECT string_agg(DISTINCT kind, ' ' ORDER BY kind) FROM loyalty.activity), 'search view', 'activity_expire: the others stay');
SELECT is_empty('SELECT * FROM loyalty.member_day', 'conditions: nothing was counted while there was none');

-- What conditions see
SELECT loyalty.program_create('Cafe', 'CNY', 'Asia/Shanghai') AS cafe \gset
INSERT INTO loyalty.activity_kind (program_id, kind, retain_days) VALUES (:cafe, 'view', 30), (:cafe, 'login', NULL);
CALL pg_temp.enroll('Cafe', 'gil', 'hal');
INSERT INTO loyalty.tag (program_id, name, condition) VALUES (:cafe, 'buyer', '$.purchases.days_30.times >= 3');
SELECT FROM loyalty.track(pg_temp.id('gil'), 'view');
SELECT is_empty($$SELECT FROM loyalty.member_day WHERE kind = 'activity'$$, 'conditions: one that does not look at activities');
INSERT INTO loyalty.segment (program_id, name, condition) VALUES (:cafe, 'lookers', '$.activities.view.days_30.times >= 3');
DELETE FROM loyalty.tag_review;
SELECT FROM loyalty.track(pg_temp.id('gil'), 'view', at => loyalty.now() - interval '10 days');
SELECT results_eq(format($$SELECT day, name, program_id, times, quantity, amount, discounted FROM loyalty.member_day WHERE member_id = %s AND kind = 'activity'$$, pg_temp.id('gil')),
	format($$VALUES (date '2026-04-23', 'view', %s, 1, 0::bigint, 0::bigint, 0)$$, :cafe), 'conditions: one that does; what was there before is not counted by this');
SELECT results_eq('SELECT member_id, program_id, due_on FROM loyalty.tag_review', format($$VALUES (%s::bigint, %s, date '2026-05-03')$$, pg_temp.id('gil'), :cafe),
	'conditions: the member is to be judged today');
UPDATE loyalty.tag_review SET due_on = '2026-05-01';
SELECT FROM loyalty.track(pg_temp.id('gil'), 'login');
SELECT is((SELECT due_on FROM loyalty.tag_review), date '2026-05-01', 'conditions: or earlier, if he was to be already');

-- Added up one by one, in batches and by joining, it is what is there
CREATE FUNCTION pg_temp.counted() RETURNS TABLE (member_id bigint, day date, name text, times int) LANGUAGE sql STABLE AS $$
	SELECT a.member_id, (a.at AT TIME ZONE 'Asia/Shanghai')::date, a.kind, count(*)::int
	FROM loyalty.activity a JOIN loyalty.account c USING (member_id)
	WHERE a.program_id = (SELECT program_id FROM loyalty.program WHERE name = 'Cafe')
	-- of what is no longer kept nothing is counted, and conditions look back a year
	AND NOT (a.kind = 'view' AND (a.at AT TIME ZONE 'Asia/Shanghai')::date < '2026-04-03')
	AND (a.at AT TIME ZONE 'Asia/Shanghai')::date >= '2025-05-02'
	GROUP BY 1, 2, 3
$$;
CREATE TEMP TABLE random_row AS
SELECT n, (ARRAY[pg_temp.id('gil'), pg_temp.id('hal'), NULL])[1 + n % 3] AS member_id, 'v' || n % 9 AS visitor, ('{view,login}'::text[])[1 + n % 7 % 2] AS kind,
	loyalty.now() - n * interval '3 hours 7 minutes' AS at, CASE WHEN n % 2 = 0 THEN 'r' || n % 150 END AS key
FROM generate_series(1, 600) n;
SELECT count(r) AS batches FROM (
	SELECT array_agg((member_id, CASE WHEN member_id IS NULL THEN visitor END, kind, NULL, NULL, NULL, NULL, NULL, NULL, at, key)::loyalty.activity_row ORDER BY n) AS rows
	FROM random_row GROUP BY n / 50) b, loyalty.track_batch('Cafe', b.rows) r \gset
SELECT count(loyalty.track(member_id, kind, at => at)) AS single FROM random_row WHERE member_id IS NOT NULL AND n % 11 = 0 \gset
SELECT sum(loyalty.visitor_join(pg_temp.id(CASE WHEN n % 2 = 0 THEN 'gil' ELSE 'hal' END), 'v' || n)) AS moved FROM generate_series(0, 8) n \gset
SELECT FROM loyalty.track_visitor('Cafe', 'v1', 'login');
SELECT set_eq($$SELECT member_id, day, name, times FROM loyalty.member_day WHERE kind = 'activity'$$, 'SELECT * FROM pg_temp.counted()', 'conditions: the days that were added up are what is there');
SELECT cmp_ok((SELECT sum(times) FROM loyalty.member_day WHERE kind = 'activity'), '>', 200::bigint, 'conditions: and that is something');
-- whatever was missing or too much is put right
DELETE FROM loyalty.member_day WHERE kind = 'activity' AND extract(day FROM day)::int % 3 = 0 AND name = 'view';
UPDATE loyalty.member_day SET times = times + 5 WHERE kind = 'activity' AND name = 'login';
SELECT FROM loyalty.track_visitor('Cafe', 'g1', 'view') UNION ALL SELECT FROM loyalty.track_visitor('Cafe', 'h1', 'login');
SELECT FROM loyalty.visitor_join(pg_temp.id('gil'), 'g1') UNION ALL SELECT FROM loyalty.visitor_join(pg_temp.id('hal'), 'h1');
SELECT set_eq($$SELECT member_id, day, name, times FROM loyalty.member_day WHERE kind = 'activity'$$, 'SELECT * FROM pg_temp.counted()', 'conditions: made anew they are the same');
SELECT FROM loyalty.track(pg_temp.id('gil'), 'view', at => '2025-01-01 00:00+00');
SELECT set_eq($$SELECT member_id, day, name, times FROM loyalty.member_day WHERE kind = 'activity'$$, 'SELECT * FROM pg_temp.counted()', 'conditions: what is not kept is not counted');
SET loyalty.now = '2026-06-10 12:00+00';
SELECT isnt(loyalty.activity_expire('Cafe'), 0::bigint, 'conditions: activities are deleted');
SELECT isnt_empty($$SELECT FROM loyalty.member_day WHERE kind = 'activity' AND name = 'view' AND day < '2026-05-10'$$, 'conditions: what was counted of them stays');

-- Judged by them: by the next event, or by tag_refresh(); a condition that is new counts what is kept
SELECT is_empty($$SELECT * FROM loyalty.tag_refresh('Cafe') WHERE left_over$$, 'conditions: all have been judged');
SELECT is_empty($$SELECT * FROM loyalty.tag_check('Cafe')$$, 'conditions: what was deleted is no difference');
SELECT count(loyalty.track(pg_temp.id('hal'), 'view')) AS kept FROM generate_series(1, 2) \gset
SELECT is((SELECT count(*) FROM loyalty.member_segment WHERE segment = 'lookers' AND member_id = pg_temp.id('hal')), 0::bigint, 'conditions: two are too few');
SELECT FROM loyalty.track_visitor('Cafe', 'h1', 'view');
SELECT FROM loyalty.tag_refresh('Cafe');
SELECT is((SELECT count(*) FROM loyalty.member_segment WHERE segment = 'lookers' AND member_id = pg_temp.id('hal')), 1::bigint, 'conditions: the third counts by the next refresh');
SELECT count(loyalty.track(pg_temp.id('gil'), 'view')) AS kept FROM generate_series(1, 3) \gset
SELECT FROM loyalty.purchase(pg_temp.id('gil'), 10, 'o1');
SELECT is((SELECT count(*) FROM loyalty.member_segment WHERE segment = 'lookers' AND member_id = pg_temp.id('gil')), 1::bigint, 'conditions: or by the next event');
SELECT is_empty($$SELECT * FROM loyalty.tag_check('Cafe')$$, 'conditions: all are judged as they ought to be');
UPDATE loyalty.segment SET status = 'inactive' WHERE name = 'lookers';
SELECT FROM loyalty.tag_refresh('Cafe');
SELECT is_empty($$SELECT FROM loyalty.member_day WHERE kind = 'activity'$$, 'conditions: where none looks at them any more, nothing is counted');
INSERT INTO loyalty.tag (program_id, name, condition) VALUES (:cafe, 'user', 'exists($.activities.login)');
SELECT FROM loyalty.tag_refresh('Cafe');
SELECT set_eq($$SELECT member_id, day, name, times FROM loyalty.member_day WHERE kind = 'activity'$$,
	format($$SELECT a.member_id, (a.at AT TIME ZONE 'Asia/Shanghai')::date, a.kind, count(*)::int FROM loyalty.activity a JOIN loyalty.account c USING (member_id)
	  WHERE a.program_id = %s AND a.at >= '2025-06-10 16:00+00' GROUP BY 1, 2, 3$$, :cafe), 'conditions: one that is new counts what is kept');
SELECT set_eq($$SELECT member_id FROM loyalty.member_tag WHERE tag = 'user'$$, $$SELECT pg_temp.id(name) FROM unnest('{gil,hal}'::text[]) name$$, 'conditions: and finds whom it means');
SELECT FROM loyalty.track(pg_temp.id('gil'), 'login', at => '2026-06-01 00:00+00');
UPDATE loyalty.member_day SET times = times - 1 WHERE kind = 'activity' AND day = '2026-06-01';
SELECT is((SELECT format('%s %s %s', kind, name, expected::int - found::int) FROM loyalty.tag_check('Cafe')), 'day 2026-06-01 activity login 1', 'conditions: tag_check() sees one that is missing');
UPDATE loyalty.member_day SET times = times + 1 WHERE kind = 'activity' AND day = '2026-06-01';

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
