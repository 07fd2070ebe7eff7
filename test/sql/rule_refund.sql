\set ECHO none
\i test/prelude.sql
SELECT plan(21);

-- Rule 5: of each award the share of what is refunded of the lines that it was for
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind) VALUES (:shop, 'points', 'points');
SELECT FROM pg_temp.rule('{"name": "base", "kind": "per_amount", "award": 1, "per": 1}');
SELECT FROM pg_temp.rule('{"name": "tea", "kind": "multiplier", "award": 2, "item_filter": "$.category == \"tea\""}');
SELECT FROM pg_temp.rule('{"name": "cups", "kind": "per_amount", "award": 1, "per": 10, "item_filter": "$.category == \"cup\""}');
INSERT INTO loyalty.rule_group (program_id, name) VALUES (:shop, 'gifts');
SELECT FROM pg_temp.rule('{"name": "gift", "award": 25, "item_filter": "$.price > 30", "rule_group": "gifts"}');
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay');
-- tea 40.00 and 4 cups of 15.00, 10.00 less: nets 36.00 and 54.00; base 90, tea 36, cups 5, gift 25 (for the tea)
CREATE FUNCTION pg_temp.order(name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM loyalty.purchase(pg_temp.id(name), 90, 'o1',
		'[{"sku": "T", "category": "tea", "price": 40}, {"sku": "C", "category": "cup", "price": 15, "qty": 4}]');
	RETURN pg_temp.awards(name, 'o1');
END
$$;
-- What was taken back, by rule
CREATE FUNCTION pg_temp.taken(r loyalty.receipt) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT coalesce(string_agg(name || ' ' || -amount, ', ' ORDER BY rule_id), 'nothing')
	FROM (SELECT e.rule_id, r.name, sum(e.amount) AS amount
		FROM loyalty.entry e JOIN loyalty.rule r USING (rule_id)
		WHERE e.member_id = ($1).member_id AND e.journal_id = ($1).journal_id GROUP BY 1, 2) x
$$;

SELECT is(pg_temp.order('ann'), 'base 90, tea 36, cups 5, gift 25', 'the order');
-- the cups: 54 of 90, none of the tea
SELECT is((SELECT pg_temp.taken(r) FROM loyalty.refund(pg_temp.id('ann'), 'o1', items => '[{"sku": "C"}]', refund_ref => 'r1') r),
	'base 54, cups 5', 'the cups take nothing of the tea');
SELECT is((SELECT pg_temp.taken(r) FROM loyalty.refund(pg_temp.id('ann'), 'o1') r), 'base 36, tea 36, gift 25', 'then the tea');
SELECT is(pg_temp.balance('ann'), 'nothing', 'and nothing is left');

-- Cup by cup: 13.50 each; base 13, 27, 40, 54; cups 1, 2, 3, 5 of 5
SELECT FROM pg_temp.order('bob');
SELECT is((SELECT pg_temp.taken(r) FROM loyalty.refund(pg_temp.id('bob'), 'o1', items => '[{"sku": "C", "qty": 1}]', refund_ref => 'r' || n) r), taken,
	format('cup %s of 4', n))
FROM (VALUES (1, 'base 13, cups 1'), (2, 'base 14, cups 1'), (3, 'base 13, cups 1'), (4, 'base 14, cups 2')) v (n, taken);

-- By amount: half of 90.00 is 18.00 of the tea and 27.00 of the cups; cups: 2.5 down to 2, gift 12.5 down to 12
SELECT FROM pg_temp.order('cat');
SELECT is((SELECT pg_temp.taken(r) FROM loyalty.refund(pg_temp.id('cat'), 'o1', 45, refund_ref => 'r1') r), 'base 45, tea 18, cups 2, gift 12', 'half of the amount');
SELECT is((SELECT pg_temp.taken(r) FROM loyalty.refund(pg_temp.id('cat'), 'o1', 45, refund_ref => 'r2') r), 'base 45, tea 18, cups 3, gift 13', 'and the other half');

-- Rules that have changed, or are gone, change nothing
SELECT FROM pg_temp.order('dan');
UPDATE loyalty.rule SET item_filter = '$.category == "cup"', award = 9 WHERE name = 'tea';
UPDATE loyalty.rule SET item_filter = NULL, award = 3 WHERE name = 'cups';
SELECT is((SELECT pg_temp.taken(r) FROM loyalty.refund(pg_temp.id('dan'), 'o1', items => '[{"line": 1}]', refund_ref => 'r1') r),
	'base 36, tea 36, gift 25', 'rules that have changed since change nothing');
UPDATE loyalty.rule SET item_filter = '$.category == "tea"', award = 2 WHERE name = 'tea';
UPDATE loyalty.rule SET item_filter = '$.category == "cup"', award = 1 WHERE name = 'cups';

-- What was granted counts, not what was desired: 20 of 36 for the tea
UPDATE loyalty.rule SET max_award = 20 WHERE name = 'tea';
SELECT is(pg_temp.order('eve'), 'base 90, tea 20 of 36, cups 5, gift 25', 'a limit cuts the award');
-- 9.00 of the tea's 36.00: 9 of 90, 5 of 20, 6.25 of 25
SELECT is((SELECT pg_temp.taken(r) FROM loyalty.refund(pg_temp.id('eve'), 'o1', items => '[{"line": 1, "qty": 0.25}]', refund_ref => 'r1') r),
	'base 9, tea 5, gift 6', 'a quarter of the tea takes a quarter of what was granted');
SELECT is((SELECT pg_temp.taken(r) FROM loyalty.refund(pg_temp.id('eve'), 'o1') r), 'base 81, tea 15, cups 5, gift 19', 'and then the rest');
SELECT is(pg_temp.balance('eve'), 'nothing', 'all of it');

-- Without explain, too
UPDATE loyalty.program SET explain = false;
SELECT FROM pg_temp.order('fay');
SELECT is((SELECT pg_temp.taken(r) FROM loyalty.refund(pg_temp.id('fay'), 'o1', items => '[{"sku": "C", "qty": 2}]', refund_ref => 'r1') r),
	'base 27, cups 2', 'explain off: half of the cups');
SELECT is((SELECT pg_temp.taken(r) FROM loyalty.refund(pg_temp.id('fay'), 'o1') r), 'base 63, tea 20, cups 3, gift 25', 'explain off: and the rest');
UPDATE loyalty.program SET explain = true;

-- Several entries of one rule, lots that vest and lapse apart: see event_refund. An award for lines that cost nothing
-- is taken at the whole only
DELETE FROM loyalty.rule WHERE name <> 'base';
SELECT FROM pg_temp.rule('{"name": "free", "award": 10, "item_filter": "$.price == 0"}');
CALL pg_temp.enroll('Shop', 'gus');
SELECT FROM loyalty.purchase(pg_temp.id('gus'), 50, 'o1', '[{"sku": "T", "price": 50}, {"sku": "F", "price": 0}]');
SELECT is(pg_temp.awards('gus', 'o1'), 'base 50, free 10', 'a line that costs nothing');
SELECT is((SELECT pg_temp.taken(r) FROM loyalty.refund(pg_temp.id('gus'), 'o1', 20, refund_ref => 'r1') r), 'base 20', 'a part of the order takes nothing of it');
SELECT is((SELECT pg_temp.taken(r) FROM loyalty.refund(pg_temp.id('gus'), 'o1') r), 'base 30, free 10', 'the whole all of it');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
