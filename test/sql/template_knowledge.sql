\set ECHO none
\i test/prelude.sql
SELECT plan(30);

-- Readers of documents, with what template knowledge has put there and nothing else.
-- All figures are worked out by hand from doc/program.md.
SET LOCAL loyalty.now = '2026-01-05 09:00+08';
SELECT loyalty.program_create('library', 'CNY', 'Asia/Shanghai', 'knowledge') AS library \gset
CREATE PROCEDURE pg_temp.go(at timestamptz) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('loyalty.now', at::text, true);
	CALL loyalty.maintain('1 hour');
END
$$;
CREATE FUNCTION pg_temp.document(price numeric) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_object('items', jsonb_build_array(jsonb_build_object('sku', 'D', 'category', 'document', 'price', price)))
$$;
CREATE FUNCTION pg_temp.messages(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT string_agg(template, ', ' ORDER BY message_id) FROM loyalty.message WHERE member_id = pg_temp.id($1)
$$;
CREATE FUNCTION pg_temp.buy(name text, price numeric, ref text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(', ', pg_temp.moved(r), nullif(r.tier_after, r.tier_before))
	FROM loyalty.checkout(pg_temp.id(name), pg_temp.document(price), ref, best => true) r
$$;

SELECT is((SELECT units || ' : ' || money FROM loyalty.unit_anchor WHERE program_id = :library), '10 : 100', '10 points are worth 1.00');

-- Three purchases make a member.
CALL pg_temp.enroll('library', 'bob', 'carol', 'dan', 'eve');
SELECT FROM unnest('{bob,carol,dan,eve}'::text[]) n, loyalty.consent_give(pg_temp.id(n), 'marketing', evidence => 'form');
SELECT is(pg_temp.balance('bob'), '20 available', 'joining: 20 points');
SELECT is(pg_temp.buy('bob', 30, 'b1'), '1 orders, 30 points, 30 spend', 'the first document');
CALL pg_temp.go('2026-01-05 10:30+08');
CALL pg_temp.go('2026-01-10 12:00+08');
SELECT is(pg_temp.buy('bob', 40, 'b2'), '1 orders, 35 points, 35 spend', 'the second, with 5 off');
CALL pg_temp.go('2026-01-10 12:05+08');
SELECT is(pg_temp.messages('bob'), 'welcome_pack, first_purchase_pack, near_upgrade', 'one more makes you a member');
SELECT ok(NOT loyalty.has_benefit(pg_temp.id('bob'), 'free_updates'), 'not yet');
CALL pg_temp.go('2026-02-01 12:00+08');
SELECT is(pg_temp.buy('bob', 50, 'b3'), '1 orders, 50 points, 50 spend, member', 'the third makes a member');
CALL pg_temp.go('2026-02-01 12:05+08');
SELECT ok(pg_temp.messages('bob') LIKE '%, tier_promoted', 'and he is told');
SELECT ok(loyalty.has_benefit(pg_temp.id('bob'), 'free_updates'), 'updates for nothing');
SELECT ok(NOT loyalty.has_benefit(pg_temp.id('bob'), 'early_access'), 'no early access');

-- 30 % off
SELECT is((SELECT q ->> 'payable' FROM loyalty.quote(pg_temp.id('bob'), pg_temp.document(100)) q), '70.00', '30 % off');
SELECT is(pg_temp.buy('bob', 100, 'b4'), '1 orders, 70 points, 70 spend', 'what is paid earns');
SELECT is(pg_temp.balance('bob'), '205 available', '20 + 30 + 35 + 50 + 70');

-- A question to the author each month
SELECT lives_ok(format('SELECT loyalty.benefit_use(%s, ''ask_author'', ''q1'')', pg_temp.id('bob')), 'a question');
SELECT throws_ok(format('SELECT loyalty.benefit_use(%s, ''ask_author'', ''q2'')', pg_temp.id('bob')), 'LY411', NULL, 'one a month');
CALL pg_temp.go('2026-03-01 12:00+08');
SELECT lives_ok(format('SELECT loyalty.benefit_use(%s, ''ask_author'', ''q2'')', pg_temp.id('bob')), 'the next in March');

-- He brings two friends, 200 points (20.00) each, and takes a document for 300.
SELECT FROM loyalty.record(pg_temp.id('bob'), 'referral', key => 'f1');
SELECT FROM loyalty.record(pg_temp.id('bob'), 'referral', key => 'f2');
SELECT is(pg_temp.balance('bob'), '605 available', 'two friends');
SELECT FROM loyalty.coupon_buy(pg_temp.id('bob'), 'free_document', 'c1');
SELECT is((SELECT q ->> 'payable' FROM loyalty.quote(pg_temp.id('bob'), pg_temp.document(40), best => true) q), '0.00', 'a document for 300 points');
SELECT is(pg_temp.buy('bob', 40, 'b5'), '1 orders', 'which earns nothing');
-- half of 35.00 in tens: 170 points are 17.00
SELECT is((SELECT q ->> 'payable' FROM loyalty.quote(pg_temp.id('bob'), pg_temp.document(50), use => '{"points": "max"}') q), '18.00', 'points pay half');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.refund(pg_temp.id('bob'), 'b4') r) || ', ' || (SELECT tier FROM loyalty.tier_current(pg_temp.id('bob'))),
	'-1 orders, -70 points, -70 spend, member', 'four are left of five: still a member');

-- Who sends the third one back is a reader again.
SELECT FROM generate_series(1, 3) n, loyalty.purchase(pg_temp.id('carol'), 30, 'c' || n);
SELECT is((SELECT tier FROM loyalty.tier_current(pg_temp.id('carol'))), 'member', 'Carol is a member');
SELECT is((SELECT r.tier_after FROM loyalty.refund(pg_temp.id('carol'), 'c3') r), 'reader', 'and a reader when the third comes back');

-- Two of four who joined have bought, and both of them again: more than the trade's 25 %.
SELECT results_eq($$SELECT kpi, target, actual, met FROM loyalty.report_kpi('library')$$,
	$$VALUES ('conversion', 0.25, 0.5000, true), ('repurchase_rate', 0.25, 1.0000, true)$$, 'targets of the trade');

-- Dan buys the year: a member at once, with four questions a month.
SELECT is((SELECT r.tier_after FROM loyalty.plan_buy(pg_temp.id('dan'), 'annual', 'pay-1') r), 'member', 'Dan pays for the year');
SELECT is((SELECT quantity FROM loyalty.benefits(pg_temp.id('dan')) WHERE name = 'ask_author'), 4::numeric, 'four questions');
SELECT ok(loyalty.has_benefit(pg_temp.id('dan'), 'early_access'), 'early access');
CALL pg_temp.go('2027-02-15 10:30+08');
SELECT ok(pg_temp.messages('dan') LIKE '%plan_renewal%', 'reminded 14 days before');
CALL pg_temp.go('2027-03-01 10:30+08');
SELECT is((SELECT string_agg(tier, ' ' ORDER BY n) FROM unnest('{bob,dan}'::text[]) WITH ORDINALITY AS x (name, n), loyalty.tier_current(pg_temp.id(name))),
	'member reader', 'the year is over for Dan; Bob is a member for good');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
