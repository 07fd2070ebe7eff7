\set ECHO none
\i test/prelude.sql
SELECT plan(28);

-- A plain event keeps no verdicts: explain() has them from the entries.
SELECT loyalty.program_create('Shop', 'EUR', 'UTC', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale, expiry, expiry_count, debt_policy) VALUES
	(:shop, 'points', 'points', 0, 'end_of_month', 0, 'debt');
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:shop, 'spend', 'metric', 2);
INSERT INTO loyalty.unit (program_id, code, kind, period) VALUES (:shop, 'a_day', 'counter', 'day');
SELECT pg_temp.rule('{"name": "base", "kind": "per_amount", "award": 1, "per": 1, "priority": 1}') AS base \gset
SELECT pg_temp.rule('{"name": "metric", "kind": "per_amount", "award": 0.01, "per": 0.01, "unit": "spend", "priority": 2}') AS metric \gset
SELECT pg_temp.rule('{"name": "gift", "award": 5, "priority": 3}') AS gift \gset
SET loyalty.now = '2026-03-15 12:00+00';
CALL pg_temp.enroll('Shop', 'ann');
CALL pg_temp.enroll('Shop', 'bob');

-- 'plain', 'recorded' or 'nothing kept'
CREATE FUNCTION pg_temp.kept(order_ref text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT concat_ws(' and ', CASE WHEN j.awarded_plainly THEN 'plain' END, CASE WHEN d.data ? 'awards' THEN 'recorded' END,
		CASE WHEN j.awarded_plainly IS NULL AND NOT coalesce(d.data ? 'awards', false) THEN 'nothing kept' END)
	FROM loyalty.journal j LEFT JOIN loyalty.event_data d USING (member_id, journal_id)
	WHERE j.ref = order_ref AND j.kind = 'event'
$$;
CREATE FUNCTION pg_temp.explained(order_ref text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT string_agg(concat_ws(' ', e.name, 'v' || e.version, trim_scale(e.granted), 'of', trim_scale(e.desired), e.unit,
		'for', trim_scale(e.base), e.base_in, e.outcome, e.reason), ', ' ORDER BY e.place)
	FROM loyalty.journal j CROSS JOIN loyalty.explain(j.member_id, j.journal_id) e
	WHERE j.ref = order_ref AND j.kind IN ('event', 'refund')
$$;

-- 41 points for 41.50, 41.50 of spend, 5 points
SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('ann'), 41.50, 'o1') r;
SELECT is(pg_temp.kept('o1'), 'plain', 'each rule awarded all it could: no record');
SELECT is((SELECT count(*) FROM loyalty.event_data), 0::bigint, 'not even an empty one');
SELECT is(pg_temp.explained('o1'), 'base v1 41 of 41 points for 41.5 EUR awarded, metric v1 41.5 of 41.5 spend for 41.5 EUR awarded, '
	'gift v1 5 of 5 points for 41.5 EUR awarded', 'and yet all can be told');
SELECT is((SELECT string_agg(concat_ws(' ', e.name, e.expires_on, e.definition ->> 'award'), ', ' ORDER BY place)
	FROM loyalty.journal j CROSS JOIN loyalty.explain(j.member_id, j.journal_id) e WHERE j.ref = 'o1'),
	'base 2026-03-31 1, metric 0.01, gift 2026-03-31 5', 'until when it can be spent, and what the rules said');

-- The same as the record would say
UPDATE loyalty.program SET explain = false;
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 41.50, 'o2');
UPDATE loyalty.program SET explain = true;
SELECT is(pg_temp.kept('o2'), 'nothing kept', 'who wants nothing explained: neither');
SELECT alike(pg_temp.explained('o2'), 'base 41 % not_recorded, metric % not_recorded, gift 5 % not_recorded', 'and nothing is made up');
SELECT pg_temp.rule('{"name": "never", "award": 1, "priority": 9, "channels": "{app}"}') AS never \gset
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 41.50, 'o3');
SELECT is(pg_temp.kept('o3'), 'recorded', 'a rule that gave nothing: all are recorded');
SELECT is(left(pg_temp.explained('o3'), length(pg_temp.explained('o1'))), pg_temp.explained('o1'), 'which says the same of the others');
DELETE FROM loyalty.rule WHERE rule_id = :never;

-- Data and items are kept all the same
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 10, 'o4', '[{"sku": "A", "price": 10}]', '{"channel": "app"}');
SELECT is(pg_temp.kept('o4'), 'plain', 'items and data do not make it less plain');
SELECT is((SELECT array_agg(k ORDER BY k) FROM loyalty.event_data d JOIN loyalty.journal j USING (member_id, journal_id), jsonb_object_keys(d.data) k WHERE j.ref = 'o4'),
	'{data,items}', 'and are kept');

-- What makes an event less than plain; each rule is alone
CREATE PROCEDURE pg_temp.try(order_ref text, rule jsonb, cap boolean DEFAULT false) LANGUAGE plpgsql AS $$
DECLARE
	id int := pg_temp.rule(rule);
BEGIN
	IF cap THEN
		INSERT INTO loyalty.rule_cap (program_id, rule_id, unit_id, maximum)
		SELECT program_id, id, unit_id, 100 FROM loyalty.unit WHERE code = 'a_day';
	END IF;
	PERFORM loyalty.purchase(pg_temp.id('bob'), 21, order_ref, '[{"sku": "A", "price": 15}, {"sku": "B", "price": 6}]');
	DELETE FROM loyalty.rule_cap WHERE rule_id = id;
	DELETE FROM loyalty.rule WHERE rule_id = id;
END
$$;
CALL pg_temp.try('no_effect', '{"name": "x", "kind": "per_amount", "award": 1, "per": 1000}');
CALL pg_temp.try('filter', '{"name": "x", "award": 1, "item_filter": "$.sku == \"A\""}');
CALL pg_temp.try('cut', '{"name": "x", "award": 10, "max_award": 3}');
CALL pg_temp.try('cap', '{"name": "x", "award": 1}', true);
CALL pg_temp.try('quantity', '{"name": "x", "kind": "per_quantity", "award": 1, "per": 1}');
CALL pg_temp.try('condition', '{"name": "x", "award": 1, "condition": "$.order.amount > 5"}');
CALL pg_temp.try('member', '{"name": "x", "award": 1, "condition": "$.member.purchases >= 0"}');
CALL pg_temp.try('loser', '{"name": "x", "award": 1, "condition": "$.order.amount > 500"}');
SELECT is(pg_temp.kept('no_effect'), 'recorded', 'an award of nothing');
SELECT is(pg_temp.kept('filter'), 'recorded', 'lines that it was for');
SELECT is(pg_temp.kept('cut'), 'recorded', 'less than was wanted');
SELECT is(pg_temp.kept('cap'), 'recorded', 'a counter');
SELECT is(pg_temp.kept('quantity'), 'recorded', 'another base than the amount');
SELECT is(pg_temp.kept('condition'), 'recorded', 'a condition: the member is kept as it saw him');
SELECT is(pg_temp.kept('member'), 'recorded', 'the same');
SELECT is(pg_temp.kept('loser'), 'recorded', 'a condition that did not hold');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 20, 'o5');
SELECT is(pg_temp.kept('o5'), 'plain', 'without them it is plain again');
SELECT FROM loyalty.record(pg_temp.id('bob'), 'share', ref => 's1');
SELECT is(pg_temp.kept('s1'), 'nothing kept', 'where no rule is looked at there is nothing to keep');

-- A debt takes what is earned: what is posted is no longer what was awarded
CALL pg_temp.enroll('Shop', 'deb');
SELECT FROM loyalty.purchase(pg_temp.id('deb'), 100, 'd1');
SELECT FROM loyalty.redeem(pg_temp.id('deb'), 105, key => 'k1');
SELECT FROM loyalty.refund(pg_temp.id('deb'), 'd1');
SELECT FROM loyalty.purchase(pg_temp.id('deb'), 10, 'd2');
SELECT is((SELECT sum((a ->> 'granted')::numeric) FROM pg_temp.award_record JOIN loyalty.journal j USING (member_id, journal_id)
	WHERE j.ref = 'd2' AND (a -> 'rule')::int IN (:base, :gift)), 15::numeric, 'of an order that pays a debt all is told');
SELECT is((SELECT sum(granted) FROM loyalty.journal j CROSS JOIN loyalty.explain(j.member_id, j.journal_id) e WHERE j.ref = 'd2' AND unit = 'points'),
	15::numeric, 'the same by explain()');

-- Rules change and go; the order speaks of them as they were, and so does what is taken back of it
UPDATE loyalty.rule SET award = 7, name = 'present' WHERE rule_id = :gift;
SELECT is(pg_temp.explained('o1'), 'base v1 41 of 41 points for 41.5 EUR awarded, metric v1 41.5 of 41.5 spend for 41.5 EUR awarded, '
	'gift v1 5 of 5 points for 41.5 EUR awarded', 'as the rule was then');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 20, 'o6');
SELECT is(pg_temp.kept('o6'), 'recorded', 'another version than the first has to be said');
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'o1', refund_ref => 'r1');
SELECT is((SELECT string_agg(concat_ws(' ', name, version, trim_scale(granted), definition ->> 'award'), ', ' ORDER BY place)
	FROM loyalty.journal j CROSS JOIN loyalty.explain(j.member_id, j.journal_id) WHERE j.ref = 'r1'),
	'base 1 -41 1, metric 1 -41.5 0.01, gift 1 -5 5', 'a refund names the rule that the order found');
DELETE FROM loyalty.rule WHERE rule_id IN (:base, :gift);
SELECT is(pg_temp.explained('o1'), 'base v1 41 of 41 points for 41.5 EUR awarded, metric v1 41.5 of 41.5 spend for 41.5 EUR awarded, '
	'gift v1 5 of 5 points for 41.5 EUR awarded', 'the same when they are gone');

-- Two events of one call are told apart
SELECT FROM pg_temp.rule('{"name": "hello", "event": "signup", "award": 1}');
SELECT FROM loyalty.sale('Shop', '{"customer_no": "eve"}', 30, 'o7');
SELECT is((SELECT string_agg(concat_ws(' ', event, awarded_plainly), ', ' ORDER BY journal_id) FROM loyalty.journal WHERE member_id = pg_temp.id('eve')),
	'signup, purchase t', 'who signs up brings no amount, which is the base of nothing');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
