\set ECHO none
\i test/prelude.sql
SELECT plan(25);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind) VALUES (:shop, 'points', 'points'), (:shop, 'stars', 'points');
INSERT INTO loyalty.rule_group (program_id, name, combine) VALUES
	(:shop, 'all', 'sum'), (:shop, 'best', 'best'), (:shop, 'first', 'first'), (:shop, 'top', 'max_multiplier');
CALL pg_temp.enroll('Shop', 'ann');

CREATE FUNCTION pg_temp.bought(ref text, amount numeric DEFAULT 100, items jsonb DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM loyalty.purchase(pg_temp.id('ann'), amount, ref, items);
	RETURN pg_temp.awards('ann', ref);
END
$$;
-- 100.00: 100, 60, 30 and multipliers of 2 and 3, in that order, all in one group or in none
CREATE FUNCTION pg_temp.rules(grp text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM loyalty.rule;
	PERFORM pg_temp.rule(settings || jsonb_build_object('rule_group', grp))
	FROM (VALUES (1, '{"name": "a", "kind": "per_amount", "award": 3, "per": 5}'::jsonb),
		(2, '{"name": "b", "kind": "per_amount", "award": 1, "per": 1}'),
		(3, '{"name": "c", "award": 30}'),
		(4, '{"name": "x2", "kind": "multiplier", "award": 2}'),
		(5, '{"name": "x3", "kind": "multiplier", "award": 3}')) r (n, settings) ORDER BY n;
END
$$;

SELECT FROM pg_temp.rules(NULL);
-- 190; 1 x 190 and 2 x 190
SELECT is(pg_temp.bought('n'), 'a 60, b 100, c 30, x2 190, x3 380', 'no group: all rules, each multiplier of what the rules award');
SELECT FROM pg_temp.rules('all');
SELECT is(pg_temp.bought('s'), 'a 60, b 100, c 30, x2 190, x3 380', 'sum: the same');
SELECT FROM pg_temp.rules('best');
SELECT is(pg_temp.bought('b'), 'a not_best, b 100, c not_best, x2 not_best, x3 200', 'best: the best rule, and the best multiplier of it');
SELECT is(pg_temp.bought('b2', 20), 'a not_best, b not_best, c 30, x2 not_best, x3 60', 'best: another one for another order');
SELECT FROM pg_temp.rules('first');
SELECT is(pg_temp.bought('f'), 'a 60, b not_best, c not_best, x2 60, x3 not_best', 'first: the first rule, and the first multiplier of it');
SELECT is(pg_temp.bought('f2', 4), 'a no_effect, b 4, c not_best, x2 4, x3 not_best', 'first: the first that gives anything');
SELECT FROM pg_temp.rules('top');
SELECT is(pg_temp.bought('m'), 'a 60, b 100, c 30, x2 not_best, x3 380', 'max_multiplier: all rules, the best multiplier');

-- The best of two that give the same is the first
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"name": "a", "award": 5, "rule_group": "best"}');
SELECT FROM pg_temp.rule('{"name": "b", "award": 5, "rule_group": "best"}');
SELECT is(pg_temp.bought('t'), 'a 5, b not_best', 'best: of equals the first');

-- Priority, then rule_id
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"name": "late", "award": 1, "priority": 200, "rule_group": "first"}');
SELECT FROM pg_temp.rule('{"name": "usual", "award": 2, "rule_group": "first"}');
SELECT FROM pg_temp.rule('{"name": "usual 2", "award": 3, "rule_group": "first"}');
SELECT FROM pg_temp.rule('{"name": "early", "award": 4, "priority": -1, "rule_group": "first"}');
SELECT is(pg_temp.bought('p'), 'early 4, usual not_best, usual 2 not_best, late not_best', 'priority: lower first, then as they were made');
UPDATE loyalty.rule SET priority = 300 WHERE name = 'early';
SELECT is(pg_temp.bought('p2'), 'usual 2, usual 2 not_best, late not_best, early not_best', 'priority: changed');

-- What does not apply takes no part
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"name": "big", "award": 50, "rule_group": "best", "channels": "{app}"}');
SELECT FROM pg_temp.rule('{"name": "small", "award": 5, "rule_group": "best"}');
SELECT FROM pg_temp.rule('{"name": "x9", "kind": "multiplier", "award": 9, "rule_group": "best", "channels": "{app}"}');
SELECT FROM pg_temp.rule('{"name": "x2", "kind": "multiplier", "award": 2, "rule_group": "best"}');
SELECT is(pg_temp.bought('u'), 'big channel_mismatch, small 5, x9 channel_mismatch, x2 5', 'best: of those that apply');

-- Groups and units do not meddle with each other
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"name": "best 1", "award": 10, "rule_group": "best"}');
SELECT FROM pg_temp.rule('{"name": "best 2", "award": 20, "rule_group": "best"}');
SELECT FROM pg_temp.rule('{"name": "stars", "unit": "stars", "award": 1, "rule_group": "best"}');
SELECT FROM pg_temp.rule('{"name": "first 1", "award": 3, "rule_group": "first"}');
SELECT FROM pg_temp.rule('{"name": "first 2", "award": 4, "rule_group": "first"}');
SELECT FROM pg_temp.rule('{"name": "x3 stars", "unit": "stars", "kind": "multiplier", "award": 3, "rule_group": "best"}');
SELECT FROM pg_temp.rule('{"name": "x2 best", "kind": "multiplier", "award": 2, "rule_group": "best"}');
SELECT FROM pg_temp.rule('{"name": "x5 none", "kind": "multiplier", "award": 5}');
SELECT FROM pg_temp.rule('{"name": "plain", "award": 7}');
-- stars: 1 and 2 x 1; group best: 20 and 20; of no group: 7 and 4 x 7
SELECT is(pg_temp.bought('g'), 'best 1 not_best, best 2 20, stars 1, first 1 3, first 2 not_best, x3 stars 2, x2 best 20, x5 none 28, plain 7',
	'groups and units are apart');
UPDATE loyalty.rule_group SET combine = 'sum' WHERE program_id = :shop AND name = 'best';
SELECT is(split_part(pg_temp.bought('g2'), ', stars', 1), 'best 1 10, best 2 20', 'a group that changes, changes its rules');

-- Exclusive: of its unit, after it, where it awards something
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"name": "before", "award": 1, "priority": 1}');
SELECT FROM pg_temp.rule('{"name": "only", "award": 2, "priority": 2, "exclusive": true, "channels": "{app}"}');
SELECT FROM pg_temp.rule('{"name": "after", "award": 4, "priority": 3, "rule_group": "all"}');
SELECT FROM pg_temp.rule('{"name": "x2", "kind": "multiplier", "award": 2, "priority": 4}');
SELECT FROM pg_temp.rule('{"name": "stars", "unit": "stars", "award": 8, "priority": 5}');
SELECT is(pg_temp.bought('e1'), 'before 1, only channel_mismatch, after 4, x2 1, stars 8', 'exclusive: it does not apply');
UPDATE loyalty.rule SET channels = NULL WHERE name = 'only';
SELECT is(pg_temp.bought('e2'), 'before 1, only 2, after stack_exclusive, x2 stack_exclusive, stars 8',
	'exclusive: no later rule of its unit, in whatever group, and no multiplier');
UPDATE loyalty.rule SET kind = 'per_amount', per = 1000 WHERE name = 'only';
SELECT is(pg_temp.bought('e3'), 'before 1, only no_effect, after 4, x2 1, stars 8', 'exclusive: it gives nothing');

UPDATE loyalty.rule_group SET combine = 'best' WHERE program_id = :shop AND name = 'best';
-- An exclusive rule that gives way to one before it in its group, keeps nobody out; one after it is kept out
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"name": "more", "award": 9, "priority": 1, "rule_group": "best"}');
SELECT FROM pg_temp.rule('{"name": "only", "award": 2, "priority": 2, "rule_group": "best", "exclusive": true}');
SELECT FROM pg_temp.rule('{"name": "most", "award": 20, "priority": 3, "rule_group": "best"}');
SELECT FROM pg_temp.rule('{"name": "plain", "award": 4, "priority": 4}');
SELECT is(pg_temp.bought('e4'), 'more not_best, only not_best, most 20, plain 4', 'exclusive: it gives way to a better one before it');
UPDATE loyalty.rule SET award = 1 WHERE name = 'more';
SELECT is(pg_temp.bought('e5'), 'more not_best, only 2, most stack_exclusive, plain stack_exclusive', 'exclusive: a better one after it is kept out');

-- An exclusive multiplier keeps other multipliers out, not rules
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"name": "x3", "kind": "multiplier", "award": 3, "exclusive": true}');
SELECT FROM pg_temp.rule('{"name": "base", "award": 10}');
SELECT FROM pg_temp.rule('{"name": "x2", "kind": "multiplier", "award": 2}');
SELECT is(pg_temp.bought('e6'), 'x3 20, base 10, x2 stack_exclusive', 'exclusive: a multiplier');

-- What its limits leave nothing of, is not in the way of others: a bonus once a day, instead of the usual points
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"name": "bonus", "award": 50, "priority": 1, "exclusive": true}') r (id), loyalty.rule_limit(id, 'day', 1, 'times');
SELECT FROM pg_temp.rule('{"name": "usual", "kind": "per_amount", "award": 1, "per": 1}');
SELECT FROM pg_temp.rule('{"name": "x2", "kind": "multiplier", "award": 2}');
-- no group: the bonus is exclusive, so there is no multiplier either
SELECT is(pg_temp.bought('c1'), 'bonus 50, usual stack_exclusive, x2 stack_exclusive', 'exclusive, limited: the first time');
SELECT is(pg_temp.bought('c2'), 'bonus limit_period, usual 100, x2 100', 'exclusive, limited: then what would be without it');
DELETE FROM loyalty.rule_cap;
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"name": "bonus", "award": 500, "rule_group": "best"}') r (id), loyalty.rule_limit(id, 'day', 1, 'times');
SELECT FROM pg_temp.rule('{"name": "usual", "kind": "per_amount", "award": 1, "per": 1, "rule_group": "best"}');
SELECT FROM pg_temp.rule('{"name": "small", "award": 1, "rule_group": "best"}');
SELECT is(pg_temp.bought('c3'), 'bonus 500, usual not_best, small not_best', 'best, limited: the first time');
SELECT is(pg_temp.bought('c4'), 'bonus limit_period, usual 100, small not_best', 'best, limited: then the second best');
DELETE FROM loyalty.rule_cap;
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"name": "usual", "kind": "per_amount", "award": 1, "per": 1}') r (id), loyalty.rule_limit(id, 'day', 150);
SELECT FROM pg_temp.rule('{"name": "x3", "kind": "multiplier", "award": 3}');
-- 100 and 200; 50 of 100 and 200; nothing to multiply
SELECT is(string_agg(pg_temp.bought('c' || n), '; ' ORDER BY n), 'usual 100, x3 200; usual 50 of 100, x3 200; usual limit_period, x3 preceding_failed',
	'multiplier: of what rules award before limits, and of nothing where limits leave nothing') FROM generate_series(5, 7) n;
DELETE FROM loyalty.rule_cap;

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
