\set ECHO none
\i test/prelude.sql
SELECT plan(25);

SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
SELECT loyalty.program_create('Empty', 'JPY', 'Asia/Tokyo') AS empty \gset
-- December: ann and bob join; ann buys for 80, bob for 100 and cat, who joins on the 31st, for 90
SET loyalty.now = '2025-12-10 04:00+00';
CALL pg_temp.enroll('Shop', 'ann', 'bob');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 80, 'o1');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 100, 'o2');
SET loyalty.now = '2025-12-31 04:00+00';
CALL pg_temp.enroll('Shop', 'cat');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 90, 'o3');
-- 2026: ann buys in January and in March, bob in March, dan to gus join in February, and
-- dan buys for 150 at once, eve in April. Each order of members is 120 then; a guest's 60.
SET loyalty.now = '2026-01-20 04:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 120, 'o4');
SET loyalty.now = '2026-02-10 04:00+00';
CALL pg_temp.enroll('Shop', 'dan', 'eve', 'fay', 'gus');
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 150, 'o5');
SELECT FROM loyalty.guest_order('Shop', 60, 'g1');
SET loyalty.now = '2026-03-20 04:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 90, 'o6');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 120, 'o7');
SET loyalty.now = '2026-04-02 04:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('eve'), 120, 'o8');

SELECT is(pg_temp.signature('report_kpi'),
	'(program text, at date DEFAULT NULL::date) -> TABLE(kpi text, target numeric, actual numeric, met boolean, since date, until date, complete boolean, months integer, starts_on date, measured_in text)',
	'report_kpi(): arguments');
SELECT is_empty($$SELECT * FROM loyalty.report_kpi('Shop')$$, 'without targets nothing');
INSERT INTO loyalty.kpi_target (program_id, kpi, starts_on, months, target) VALUES
	(:shop, 'conversion', '2026-01-01', 3, 0.25), (:shop, 'retention', '2026-01-01', 3, 0.70), (:shop, 'basket_growth', '2026-01-01', 3, 0.25),
	(:shop, 'basket_lift', '2026-01-01', 3, 1), (:shop, 'member_share', '2026-01-01', 3, 0.9), (:shop, 'repurchase_rate', '2026-01-01', 3, 0.5),
	(:shop, 'active_share_30', '2026-01-01', 1, 0.3), (:shop, 'net', '2026-01-01', 3, 400), (:shop, 'basket', '2026-01-01', 3, 125),
	(:shop, 'members', '2026-01-01', 12, 7), (:shop, 'joined', '2026-01-01', 3, 5);
-- The first quarter. Of dan, eve, fay and gus dan bought. Of ann, bob and cat, who bought
-- in the quarter before, ann and bob came again. 120, 150, 90, 120 are 120 an order, against
-- 90 in the quarter before and 60 of guests: 480 of 540. Of ann, bob and dan ann and bob had two
-- orders. Since the 2nd of March ann and bob were there, of seven.
CREATE FUNCTION pg_temp.kpi(at date) RETURNS TABLE (kpi text, target numeric, actual numeric, met boolean, since date, complete boolean, measured_in text)
LANGUAGE sql STABLE AS $$ SELECT kpi, target, actual, met, since, complete, measured_in FROM loyalty.report_kpi('Shop', at) $$;
SELECT results_eq($$SELECT * FROM pg_temp.kpi('2026-03-31')$$,
	$$VALUES ('active_share_30', 0.3, 0.2857, false, date '2026-03-01', true, 'share'),
	         ('basket', 125, 120.00, false, '2026-01-01', true, 'CNY'),
	         ('basket_growth', 0.25, 0.3333, true, '2026-01-01', true, 'share'),
	         ('basket_lift', 1, 1.0000, true, '2026-01-01', true, 'share'),
	         ('conversion', 0.25, 0.2500, true, '2026-01-01', true, 'share'),
	         ('joined', 5, 4, false, '2026-01-01', true, 'members'),
	         ('member_share', 0.9, 0.8889, false, '2026-01-01', true, 'share'),
	         ('members', 7, 7, true, '2026-01-01', false, 'members'),
	         ('net', 400, 480.00, true, '2026-01-01', true, 'CNY'),
	         ('repurchase_rate', 0.5, 0.6667, true, '2026-01-01', true, 'share'),
	         ('retention', 0.70, 0.6667, false, '2026-01-01', true, 'share')$$,
	'a quarter: actual against target');
SELECT results_eq($$SELECT kpi, actual, since, complete FROM pg_temp.kpi('2026-02-15') WHERE kpi IN ('conversion', 'retention', 'net')$$,
	$$VALUES ('conversion', 0.2500, date '2026-01-01', false), ('net', 270.00, '2026-01-01', false), ('retention', 0.3333, '2026-01-01', false)$$,
	'before the months are over: what there was so far');
SELECT results_eq($$SELECT kpi, actual, since, complete FROM pg_temp.kpi('2026-04-30') WHERE kpi IN ('conversion', 'retention', 'net')$$,
	$$VALUES ('conversion', 0.5000, date '2026-02-01', true), ('net', 480.00, '2026-02-01', true), ('retention', 0.6667, '2026-02-01', true)$$,
	'after it: the last three months; of ann, bob and cat, who bought in the three before, ann and bob');
SELECT is((SELECT until FROM loyalty.report_kpi('Shop') LIMIT 1), date '2026-04-02', 'today, if nothing is said');
SELECT is_empty($$SELECT * FROM loyalty.report_kpi('Shop', '2025-12-31')$$, 'before a target begins it is none');
INSERT INTO loyalty.kpi_target (program_id, kpi, starts_on, months, target) VALUES (:shop, 'net', '2026-04-01', 1, 50);
SELECT results_eq($$SELECT target, actual, since FROM pg_temp.kpi('2026-04-02') WHERE kpi = 'net'$$, $$VALUES (50::numeric, 120.00, date '2026-04-01')$$,
	'the target that began last');
SELECT results_eq($$SELECT target FROM pg_temp.kpi('2026-03-31') WHERE kpi = 'net'$$, $$VALUES (400::numeric)$$, 'and before it the one before');
SELECT FROM loyalty.report_fold(1000);
SELECT results_eq($$SELECT kpi, actual FROM pg_temp.kpi('2026-03-31') WHERE kpi IN ('retention', 'net', 'conversion')$$,
	$$VALUES ('conversion', 0.2500), ('net', 480.00), ('retention', 0.6667)$$, 'the same when it is folded');
INSERT INTO loyalty.kpi_target (program_id, kpi, starts_on, months, target)
SELECT :empty, kpi, '2026-01-01', 3, 1 FROM unnest('{conversion,retention,repurchase_rate,active_share_30,member_share,basket_growth,basket_lift,net,basket,members,joined}'::text[]) kpi;
SELECT results_eq($$SELECT coalesce(actual, -1), met, count(*) FROM loyalty.report_kpi('Empty') GROUP BY 1, 2 ORDER BY 1$$,
	$$VALUES (-1::numeric, false, 8::bigint), (0, false, 3)$$, 'an empty programme: shares and averages of nothing are unknown');
SELECT results_eq($$SELECT count(*), count(actual) FILTER (WHERE kpi NOT IN ('members', 'active_share_30', 'net', 'joined')) FROM loyalty.report_kpi('Shop', '2035-01-01')$$,
	$$VALUES (11::bigint, 0::bigint)$$, 'the future');
SELECT throws_ok($$SELECT * FROM loyalty.report_kpi('Nowhere')$$, 'LY403', NULL, 'an unknown programme');
SELECT throws_ok($$SELECT * FROM loyalty.report_kpi(NULL)$$, '22004', NULL, 'no programme');
SELECT throws_ok($$SELECT * FROM loyalty.report_kpi('Shop', 'infinity')$$, '22008', NULL, 'no day');
SELECT throws_ok(format('INSERT INTO loyalty.kpi_target (program_id, kpi, starts_on, months, target) VALUES (%s)', v), code, NULL, v)
FROM (VALUES ('23514', :shop || $$, 'happiness', '2026-01-01', 3, 1$$), ('23514', :shop || $$, 'net', '2026-02-01', 0, 1$$), ('23514', :shop || $$, 'net', '2026-02-01', 121, 1$$),
	('23514', :shop || $$, 'conversion', '2026-02-01', 3, 25$$), ('23514', :shop || $$, 'net', '2026-02-01', 3, 0$$), ('23514', :shop || $$, 'net', 'infinity', 3, 1$$), ('23505', :shop || $$, 'net', '2026-01-01', 3, 1$$),
	('23502', :shop || $$, 'net', '2026-02-01', 3, NULL$$), ('23503', $$999, 'net', '2026-01-01', 3, 1$$)) bad (code, v);

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
