\set ECHO none
\i test/prelude.sql
SELECT plan(19);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:shop, 'points', 'points', 0);
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, per, proportional, item_filter)
SELECT :shop, 'purchase', unit_id, 'per_amount', 1, 1, true, '$.category == "tea"' FROM loyalty.unit WHERE program_id = :shop;
-- so that days are kept
INSERT INTO loyalty.tag (program_id, name, condition) VALUES (:shop, 'rich', '$.categories.tea.days_365.amount > 1000');
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat');

CREATE FUNCTION pg_temp.lines(tea numeric, pot numeric) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_array(jsonb_build_object('sku', 'T', 'category', 'tea', 'price', 30, 'net', tea),
		jsonb_build_object('sku', 'P', 'category', 'pot', 'price', 70, 'net', pot))
$$;
CREATE FUNCTION pg_temp.buys(amount numeric, items jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('ann'), $1, 'dry', $2, mode => 'dry') r
$$;
CREATE FUNCTION pg_temp.refused(amount numeric, items jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.raised(format('SELECT loyalty.purchase(pg_temp.id(''ann''), %s, ''bad'', %L)', amount, items))
$$;

-- 100 less 20: by proportion the tea costs 24
SELECT is(pg_temp.buys(80, pg_temp.lines(NULL, NULL)), '24 points', 'without nets the discount is spread');
SELECT is(pg_temp.buys(80, pg_temp.lines(10, 70)), '10 points', 'with nets it is not');
SELECT is(pg_temp.buys(80, pg_temp.lines(0, 80)), 'nothing', 'a net of zero');
SELECT is(pg_temp.buys(90, pg_temp.lines(10, 70)), '10 points', 'the rest of the amount is the order''s');
SELECT is(pg_temp.buys(500, pg_temp.lines(30.00, 70)), '30 points', 'however much');

SELECT is(pg_temp.refused(80, pg_temp.lines(NULL, 70)), 'LY006 line 2: the lines before it have no net', 'the first has none');
SELECT is(pg_temp.refused(80, pg_temp.lines(10, NULL)), 'LY006 line 2: net is missing, the lines before it have one', 'the last has none');
SELECT is(pg_temp.refused(79.99, pg_temp.lines(10, 70)), 'LY006 the nets of the lines add up to more than the amount', 'more than the amount');
SELECT is(pg_temp.refused(80, jsonb_build_array(jsonb_build_object('sku', 'T', 'price', 1, 'net', net))),
	'LY006 line 1: net must be an amount, not negative', format('net %s', net))
FROM (VALUES ('-0.01'::jsonb), ('0.001'), ('"1"'), ('1e30'), ('[]')) x (net);

-- A refund of a line takes its net; what is left then is the order's own part
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('bob'), 90, 'o1', pg_temp.lines(10, 70)) r), '10 points', 'an order');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.refund(pg_temp.id('bob'), 'o1', items => '[{"sku": "P"}]', refund_ref => 'r1') r), 'nothing', 'the pot goes back');
SELECT is((SELECT amount FROM loyalty.journal WHERE member_id = pg_temp.id('bob') AND ref = 'r1'), 7000::bigint, 'for what it cost');
SELECT is((SELECT string_agg(concat_ws(' ', kind, name, times, amount, discounted), ', ' ORDER BY kind, name) FROM loyalty.member_day WHERE member_id = pg_temp.id('bob')),
	'category pot 1 0 1, category tea 1 1000 1, purchase  1 2000 1', 'the days made anew from the ledger know the nets');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.refund(pg_temp.id('bob'), 'o1', items => '[{"sku": "T"}]', refund_ref => 'r2') r), '-10 points', 'the tea too');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'verify()');
SELECT * FROM finish();
ROLLBACK;
