\set ECHO none
\i test/prelude.sql
SELECT plan(63);

-- Each check of verify() that is about the sums of the reports finds what it is for.
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
SELECT loyalty.program_create('Other', 'GBP', 'Europe/London') AS other \gset
INSERT INTO loyalty.tier (program_id, code, rank, valid_months) VALUES (:shop, 'base', 0, NULL), (:shop, 'gold', 1, 12);
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, months)
	SELECT :shop, t.tier_id, u.unit_id, 300, 12 FROM loyalty.tier t, loyalty.unit u
	WHERE t.program_id = :shop AND t.code = 'gold' AND u.program_id = :shop AND u.code = 'spend';
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat');
CALL pg_temp.enroll('Other', 'yui');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 100, 'a1', '[{"sku": "tea", "category": "drink", "price": 60}, {"sku": "cup", "price": 40}]', '{"store": "S1", "staff": "Mary"}');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 30, 'b1', '[{"sku": "tea", "price": 30}]', '{"store": "S2", "staff": "Paul"}');
SELECT FROM loyalty.purchase(pg_temp.id('yui'), 10, 'y1', '[{"sku": "tea", "price": 10}]');
SET loyalty.now = '2026-03-20 12:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 300, 'a2', '[{"sku": "pot", "price": 300}]');
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'a1', items => '[{"line": 2, "qty": 1}]', refund_ref => 'r1');
SELECT FROM loyalty.redeem(pg_temp.id('ann'), 10, ref => 'p1');
SELECT FROM loyalty.hold(pg_temp.id('ann'), 20, ref => 'h1') h, loyalty.capture(pg_temp.id('ann'), h.hold_id, 5, key => 'c1');
SELECT FROM loyalty.member_close(pg_temp.id('cat'), 'moved', key => 'x1');
SET loyalty.now = '2026-04-02 12:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 20, 'b2');

CREATE FUNCTION pg_temp.found(change text, program text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	codes text;
BEGIN
	SET LOCAL session_replication_role = replica;
	EXECUTE change;
	SELECT coalesce(string_agg(DISTINCT concat_ws(' ', v.invariant, substring(v.detail from 'sum=(\w+)')), ', '
		ORDER BY concat_ws(' ', v.invariant, substring(v.detail from 'sum=(\w+)'))), 'nothing')
	INTO codes FROM loyalty.verify(found.program) v;
	RAISE EXCEPTION USING ERRCODE = 'UNDO1';
EXCEPTION WHEN SQLSTATE 'UNDO1' THEN
	RETURN codes;
END
$$;

SELECT is(pg_temp.found('SELECT'), 'nothing', 'nothing is folded');
SELECT is(pg_temp.found(format('INSERT INTO loyalty.report_sale_day VALUES (%s, ''2026-03-15'', ''all'', '''', 1, 10000, 0, 0)', :shop)),
	'report_sum_differs report_sale_day', 'nothing is folded, and there is a sum');
SELECT FROM generate_series(1, 5), loyalty.report_fold(10000);
SELECT is_empty(format('SELECT * FROM loyalty.report_tail(%s)', :shop), 'all is folded');
SELECT is(loyalty.report_rfm_keep(:shop), true, 'and a grid is kept');
-- not folded: no sum has it
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 7, 'b3', '[{"sku": "tea", "price": 7}]');

CREATE TEMP TABLE change (no int GENERATED ALWAYS AS IDENTITY, codes text, what text, sql text);
INSERT INTO change (codes, what, sql) VALUES
	('nothing', 'no change', 'SELECT'),
	('report_sum_differs report_value_day', 'more rows', $$UPDATE loyalty.report_value_day SET journal_rows = journal_rows + 1$$),
	('report_sum_differs report_value_day', 'more came', $$UPDATE loyalty.report_value_day SET credited = credited + 1 WHERE dimension = 'tier' AND kind = 'event'$$),
	('report_sum_differs report_value_day', 'more went', $$UPDATE loyalty.report_value_day SET debited = debited - 1 WHERE dimension = 'all' AND kind = 'capture'$$),
	('report_sum_differs report_value_day', 'a store less', $$DELETE FROM loyalty.report_value_day WHERE dimension = 'store' AND value = 'S1'$$),
	('report_sum_differs report_value_day', 'another who sold', $$UPDATE loyalty.report_value_day SET value = 'Zoe' WHERE dimension = 'staff' AND value = 'Mary'$$),
	('report_sum_differs report_lot_month', 'more came of what lapses', $$UPDATE loyalty.report_lot_month SET credited = credited + 1 WHERE kind = 'event'$$),
	('report_sum_differs report_lot_month', 'more went of what lapses', $$UPDATE loyalty.report_lot_month SET debited = debited - 1 WHERE kind = 'redeem'$$),
	('report_sum_differs report_lot_month', 'what lapses later', $$UPDATE loyalty.report_lot_month SET expires_on = expires_on + 1 WHERE expires_on < 'infinity'$$),
	('report_sum_differs report_sale_day', 'another amount', $$UPDATE loyalty.report_sale_day SET amount = amount + 1 WHERE dimension = 'store'$$),
	('report_rfm_differs, report_sum_differs report_sale_day', 'another number of orders', $$UPDATE loyalty.report_sale_day SET orders = orders + 1 WHERE dimension = 'all'$$),
	('report_sum_differs report_sale_day', 'more refunds', $$UPDATE loyalty.report_sale_day SET refunds = refunds + 1$$),
	('report_sum_differs report_sale_day', 'more refunded', $$UPDATE loyalty.report_sale_day SET refunded = refunded + 1$$),
	('report_sum_differs report_member_count', 'more joined', $$UPDATE loyalty.report_member_count SET joined = joined + 1$$),
	('report_sum_differs report_member_count', 'none was closed', $$UPDATE loyalty.report_member_count SET closed = 0$$),
	('report_sum_differs report_member_count', 'somebody was reopened', $$UPDATE loyalty.report_member_count SET reopened = 1$$),
	('report_sum_differs report_tier_day', 'more rose', $$UPDATE loyalty.report_tier_day SET times = times + 1 WHERE action = 'promoted'$$),
	('report_sum_differs report_tier_day', 'from another tier', $$UPDATE loyalty.report_tier_day SET tier_before = 77 WHERE action = 'promoted'$$),
	('report_sum_differs report_cohort_month, report_sum_differs report_member_day', 'another amount of a member', $$UPDATE loyalty.report_member_day SET amount = amount + 1 WHERE day = '2026-04-02'$$),
	('report_sum_differs report_member_day', 'more that a member did', $$UPDATE loyalty.report_member_day SET actions = actions + 1$$),
	('report_sum_differs report_cohort_month, report_sum_differs report_member_day', 'more refunded to a member', $$UPDATE loyalty.report_member_day SET refunded = refunded + 1 WHERE refunded > 0$$),
	('report_sum_differs report_cohort_month, report_sum_differs report_member_day, report_sum_differs report_return_day, report_sum_differs report_second', 'a day less of a member', $$DELETE FROM loyalty.report_member_day WHERE member_id = pg_temp.id('bob') AND day = '2026-04-02'$$),
	('report_sum_differs report_return_day', 'who was active', $$UPDATE loyalty.report_return_day SET members = members + 1 WHERE kind = 'active'$$),
	('report_sum_differs report_return_day', 'who bought', $$UPDATE loyalty.report_return_day SET members = members + 1 WHERE kind = 'buyer'$$),
	('report_sum_differs report_return_day', 'after how many days', $$UPDATE loyalty.report_return_day SET gap = gap + 1 WHERE gap > 0$$),
	('report_sum_differs report_second', 'who bought again', $$UPDATE loyalty.report_second SET second_on = second_on + 1 WHERE second_on < 'infinity'$$),
	('report_rfm_differs, report_sum_differs report_second', 'who bought first', $$UPDATE loyalty.report_second SET members = members + 1$$),
	('report_sum_differs report_cohort_month', 'members of a cohort', $$UPDATE loyalty.report_cohort_month SET members = members + 1$$),
	('report_sum_differs report_cohort_month', 'orders of a cohort', $$UPDATE loyalty.report_cohort_month SET orders = orders + 1$$),
	('report_sum_differs report_cohort_month', 'amount of a cohort', $$UPDATE loyalty.report_cohort_month SET amount = amount + 1$$),
	('report_sum_differs report_cohort_month', 'refunds of a cohort', $$UPDATE loyalty.report_cohort_month SET refunded = refunded + 1$$),
	('report_sum_differs report_product_month', 'a product in a month', $$UPDATE loyalty.report_product_month SET amount = amount + 1 WHERE name = 'tea'$$),
	('report_sum_differs report_product_day, report_sum_differs report_product_month', 'amount of a product', $$UPDATE loyalty.report_product_day SET amount = amount + 1 WHERE name = 'tea'$$),
	('report_sum_differs report_product_day, report_sum_differs report_product_month', 'returned of a product', $$UPDATE loyalty.report_product_day SET returned_amount = returned_amount - 1 WHERE name = 'cup'$$),
	('report_sum_differs report_product_day', 'a product that is gone', $$DELETE FROM loyalty.report_product_day WHERE name = 'cup'; DELETE FROM loyalty.report_product_month WHERE name = 'cup'$$),
	('report_sum_differs report_product_day', 'fewer pieces', $$UPDATE loyalty.report_product_day SET quantity = quantity - 1000; UPDATE loyalty.report_product_month m SET quantity = (SELECT sum(d.quantity) FROM loyalty.report_product_day d WHERE (d.program_id, d.kind, d.name, d.tier_id, date_trunc('month', d.day)) = (m.program_id, m.kind, m.name, m.tier_id, m.month))$$),
	('nothing', 'data of orders that was erased', $$DELETE FROM loyalty.event_data WHERE member_id = pg_temp.id('ann')$$),
	('nothing', 'data of an order that was erased, not of its refund', $$DELETE FROM loyalty.event_data d USING loyalty.journal j WHERE j.member_id = d.member_id AND j.journal_id = d.journal_id AND j.ref = 'a1'$$),
	('nothing', 'products that were erased of all data', $$UPDATE loyalty.event_data SET data = data - 'items'$$),
	('report_rfm_differs', 'a grid of more members', $$UPDATE loyalty.report_rfm_day SET members = members + 1 WHERE members > 0$$),
	('report_rfm_differs', 'a grid of fewer orders', $$UPDATE loyalty.report_rfm_day SET orders = orders - 1 WHERE members > 0$$),
	('report_rfm_differs', 'a grid of nobody', $$DELETE FROM loyalty.report_rfm_day WHERE members > 0$$),
	('report_rfm_differs', 'the grid of another day', $$UPDATE loyalty.report_rfm_day SET day = '2026-03-14'$$),
	('nothing', 'no grid', $$DELETE FROM loyalty.report_rfm_day$$),
	('report_folded_twice', 'ranges that overlap', $$INSERT INTO loyalty.report_folded SELECT last_id, last_id FROM loyalty.report_folded WHERE first_id = 0$$),
	('report_folded_twice', 'a range in another', $$INSERT INTO loyalty.report_folded SELECT 1, 2$$),
	('report_folded_twice', 'a range that ends before it begins', $$INSERT INTO loyalty.report_folded SELECT last_id + 10, last_id + 9 FROM loyalty.report_folded WHERE first_id = 0$$),
	('nothing', 'ranges that touch', $$INSERT INTO loyalty.report_folded SELECT 3, last_id FROM loyalty.report_folded; UPDATE loyalty.report_folded SET last_id = 2 WHERE first_id = 0$$),
	-- the ledger
	('report_sum_differs report_sale_day', 'folded, and then another amount in the journal',
		$$UPDATE loyalty.journal SET amount = amount + 1 WHERE ref = 'b2'$$);

SELECT is(pg_temp.found(sql), codes, what) FROM change WHERE no < (SELECT max(no) FROM change) ORDER BY no;
SELECT is(pg_temp.found(sql) LIKE '%' || codes || '%', true, what) FROM change WHERE no = (SELECT max(no) FROM change);

-- A range that is said not to be folded: its rows would count twice.
SELECT is(pg_temp.found($$UPDATE loyalty.report_folded SET last_id = last_id - 3 WHERE first_id = 0$$) LIKE '%report_sum_differs report_value_day%', true, 'folded less than is in the sums');
SELECT is(pg_temp.found($$UPDATE loyalty.report_folded SET last_id = last_id + 3 WHERE first_id = 0$$) LIKE '%report_sum_differs report_value_day%', true, 'folded more than is in the sums');

-- One programme
SELECT is(pg_temp.found($$UPDATE loyalty.report_sale_day SET refunds = refunds + 1 WHERE program_id = $$ || :other, 'Shop'), 'nothing', 'verify(Shop): a sum of another');
SELECT is(pg_temp.found($$UPDATE loyalty.report_sale_day SET refunds = refunds + 1 WHERE program_id = $$ || :other, 'Other'), 'report_sum_differs report_sale_day', 'verify(Other): one of its own');
SELECT is(pg_temp.found('SELECT', 'Shop'), 'nothing', 'verify(Shop): no change');

-- What is told of it, which is never personal
CREATE FUNCTION pg_temp.detail(change text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	told text;
BEGIN
	SET LOCAL session_replication_role = replica;
	EXECUTE change;
	SELECT string_agg(concat_ws(' ', member_id = pg_temp.id('bob'), detail), '; ' ORDER BY detail) INTO told FROM loyalty.verify('Shop');
	RAISE EXCEPTION USING ERRCODE = 'UNDO1';
EXCEPTION WHEN SQLSTATE 'UNDO1' THEN
	RETURN told;
END
$$;
SELECT is(pg_temp.detail($$UPDATE loyalty.report_sale_day SET amount = 9 WHERE dimension = 'staff' AND value = 'Mary' AND orders > 0$$),
	format('program_id=%s sum=report_sale_day day=2026-03-15 dimension=staff value=- kept=1,9,0,0,0 ledger=1,10000,0,0,0', :shop), 'what is told of a sum, without who sold');
SELECT is(pg_temp.detail($$DELETE FROM loyalty.report_sale_day WHERE dimension = 'store' AND value = 'S2'$$),
	format('program_id=%s sum=report_sale_day day=2026-03-15 dimension=store value=S2 kept= ledger=1,3000,0,0,0', :shop), 'of one that is not there');
SELECT is(pg_temp.detail($$UPDATE loyalty.report_member_day SET actions = 4 WHERE member_id = pg_temp.id('bob') AND day = '2026-03-15'$$),
	format('t program_id=%s sum=report_member_day day=2026-03-15 kept=4,1,3000,0 ledger=1,1,3000,0', :shop), 'of a day of a member');
SELECT is(pg_temp.detail($$UPDATE loyalty.report_rfm_day SET members = 7, orders = 8 WHERE members > 0 AND recency = 3$$),
	-- ann, beside bob with one order
	format('program_id=%s day=2026-04-01 members=8 buyers=2 orders=9 bought=3', :shop), 'of a grid');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'and when all is undone the books are right');
SELECT * FROM finish();
ROLLBACK;
