\set ECHO none
\i test/prelude.sql
SELECT plan(13);

-- A year of random orders, refunds and quiet days of 60 members. Tags that were set and
-- removed step by step, by events and by time, are those that all conditions come to when
-- everything is added up anew, and those that plain SQL over the orders comes to.
SET loyalty.now = '2025-06-20 12:00+00';
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
INSERT INTO loyalty.tag (program_id, name, dimension, condition) VALUES
	(:shop, 'frequent', 'transaction', '$.purchases.month.times >= 3'),
	(:shop, 'busy',     'transaction', '$.purchases.days_30.times >= 4'),
	(:shop, 'spender',  'transaction', '$.purchases.days_90.amount > 300'),
	(:shop, 'steady',   'transaction', '$.purchases.last_month.times >= 1 && $.purchases.month.times >= 1'),
	(:shop, 'bargain',  'behaviour',   '$.purchases.days_365.discount_share >= 0.5'),
	(:shop, 'family',   'attribute',   '$.categories.kids.days_90.quantity >= 4'),
	(:shop, 'fan',      'attribute',   '$.brands.*.year.times >= 3'),
	(:shop, 'asleep',   'behaviour',   '$.member.days_since_purchase > 45'),
	(:shop, 'settled',  'attribute',   '$.member.age_days >= 100'),
	(:shop, 'brisk',    'behaviour',   '$.member.interval_days <= 14'),
	(:shop, 'overdue',  'behaviour',   '$.member.recency > 1.5'),
	(:shop, 'rich',     'transaction', '$.member.counters.points >= 300'),
	(:shop, 'rising',   'lifecycle',   '$.purchases.month.times > $.purchases.last_month.times'),
	(:shop, 'sleeping', 'lifecycle',   '$.purchases.days_90.times == 0');
INSERT INTO loyalty.segment (program_id, name, condition) VALUES
	(:shop, 'core',  '$.member.tags[*] == "spender" && $.purchases.days_30.times >= 1'),
	(:shop, 'named', '$.member.tags[*] == "vip" || $.profile.vip == true');
UPDATE loyalty.tier_threshold SET threshold = threshold;
SELECT count(*) FROM generate_series(1, 60) n, loyalty.enroll('Shop', jsonb_build_object('customer_no', n::text),
	CASE WHEN n % 7 = 0 THEN '{"vip": true, "birthday": "1990-05-17"}'::jsonb END) \gset
SELECT changed >= 0 AND NOT left_over AS ok FROM loyalty.tag_refresh('Shop', 100) \gset
SELECT ok(:'ok', 'all are judged by the new conditions');

CREATE TEMP TABLE act (n int, at timestamptz, who text, what text, ref text, amount numeric, items jsonb);
SELECT setseed(0.4321);
-- At most one order of a member in the same second; a late one now and then
INSERT INTO act
SELECT n, '2025-06-20 13:00+00'::timestamptz + n * interval '7 hours', (1 + floor(random() * 60))::int::text,
	CASE WHEN random() < 0.12 THEN 'refund' WHEN random() < 0.1 THEN 'part' WHEN random() < 0.04 THEN 'late'
		WHEN random() < 0.05 THEN 'tag' WHEN random() < 0.3 THEN 'plain' ELSE 'order' END,
	'o' || n, round((20 + random() * 80)::numeric, 2), NULL
FROM generate_series(1, 1300) n;
UPDATE act a SET items = x.items FROM (
	SELECT n, jsonb_agg(jsonb_build_object('sku', 's' || i, 'price', round((5 + random() * 40)::numeric, 2))
		|| CASE WHEN random() < 0.8 THEN jsonb_build_object('qty', 1 + floor(random() * 3)) ELSE '{}' END
		|| CASE WHEN random() < 0.9 THEN jsonb_build_object('category', (ARRAY['kids', 'food', 'home'])[1 + floor(random() * 3)]) ELSE '{}' END
		|| CASE WHEN random() < 0.7 THEN jsonb_build_object('brand', (ARRAY['A', 'B', NULL])[1 + floor(random() * 3)]) ELSE '{}' END) AS items
	FROM act, generate_series(1, 1 + n % 3) i GROUP BY n) x
WHERE x.n = a.n AND a.what IN ('order', 'late');

-- Runs the acts of a part of the year; maintenance comes only every few days
CREATE PROCEDURE pg_temp.run(first int, last int, every int) LANGUAGE plpgsql AS $$
DECLARE
	a act;
	member bigint;
	earlier text;
	again boolean;
BEGIN
	FOR a IN SELECT * FROM act WHERE n BETWEEN first AND last ORDER BY n LOOP
		PERFORM set_config('loyalty.now', a.at::text, false);
		member := pg_temp.id(a.who);
		IF a.what IN ('refund', 'part') THEN
			SELECT j.ref INTO earlier FROM loyalty.journal j
			WHERE j.member_id = member AND j.event = 'purchase' AND j.amount > 100
			AND NOT EXISTS (SELECT FROM loyalty.journal r WHERE r.member_id = member AND r.reverses = j.ref AND r.amount >= j.amount / 2)
			ORDER BY j.journal_id DESC LIMIT 1;
			IF earlier IS NOT NULL THEN
				IF a.what = 'refund' THEN PERFORM loyalty.refund(member, earlier);
				ELSIF a.n % 2 = 0 AND EXISTS (SELECT FROM loyalty.journal j JOIN loyalty.event_data USING (member_id, journal_id)
						WHERE j.member_id = member AND j.ref = earlier AND j.event = 'purchase' AND data ? 'items') THEN
					PERFORM loyalty.refund(member, earlier, items => '[{"line": 1, "qty": 1}]', key => a.ref);
				ELSE PERFORM loyalty.refund(member, earlier, amount => 1, key => a.ref);
				END IF;
			END IF;
		ELSIF a.what = 'tag' THEN
			IF a.n % 2 = 0 THEN PERFORM loyalty.tag_add(member, 'vip', valid_until => a.at + interval '20 days');
			ELSE PERFORM loyalty.tag_remove(member, 'vip');
			END IF;
		ELSE
			PERFORM loyalty.purchase(member, a.amount, a.ref, a.items,
				CASE WHEN a.items IS NULL AND a.n % 2 = 0 THEN '{"discount": 5}'::jsonb END,
				CASE WHEN a.what = 'late' THEN a.at - interval '3 days' END);
		END IF;
		IF a.n % every = 0 THEN
			LOOP
				SELECT left_over INTO again FROM loyalty.tag_refresh('Shop', 7);
				EXIT WHEN NOT again;
			END LOOP;
		END IF;
	END LOOP;
END
$$;
CREATE FUNCTION pg_temp.refresh() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	looked int := 0;
	r record;
BEGIN
	LOOP
		SELECT * INTO r FROM loyalty.tag_refresh('Shop', 7);
		looked := looked + r.looked_at;
		EXIT WHEN NOT r.left_over;
	END LOOP;
	RETURN looked;
END
$$;

CALL pg_temp.run(1, 300, 5);
SELECT is_empty($$SELECT * FROM loyalty.tag_check('Shop')$$, 'as all conditions would have it: after a quarter');
CALL pg_temp.run(301, 900, 40);
SELECT is_empty($$SELECT * FROM loyalty.tag_check('Shop')$$, 'after three');
CALL pg_temp.run(901, 1300, 1000);
SELECT is_empty($$SELECT * FROM loyalty.tag_check('Shop')$$, 'with those who are due left out');
SELECT ok(pg_temp.refresh() > 0, 'time makes some due');
SELECT is_empty($$SELECT * FROM loyalty.tag_check('Shop')$$, 'and when they were judged');
SELECT ok(count(DISTINCT tag) = 15 AND count(DISTINCT action) = 2, 'each tag was set by someone, and some removed') FROM loyalty.tag_history;

-- The tags by plain SQL, from the orders and what is left of them
CREATE TEMP VIEW kept AS
	SELECT j.member_id, j.journal_id, (j.effective_at AT TIME ZONE 'Europe/London')::date AS day,
		(j.amount - coalesce(r.amount, 0)) / 100.0 AS amount
	FROM loyalty.journal j
	LEFT JOIN (SELECT member_id, reverses, sum(amount) AS amount FROM loyalty.journal WHERE kind = 'refund' GROUP BY 1, 2) r
		ON r.member_id = j.member_id AND r.reverses = j.ref
	WHERE j.event = 'purchase' AND coalesce(r.amount, 0) < j.amount;
CREATE FUNCTION pg_temp.today() RETURNS date LANGUAGE sql STABLE AS $$ SELECT (loyalty.now() AT TIME ZONE 'Europe/London')::date $$;
SELECT set_eq($$SELECT member_id FROM loyalty.member_tag WHERE tag = 'frequent'$$,
	$$SELECT member_id FROM kept WHERE date_trunc('month', day) = date_trunc('month', pg_temp.today()) GROUP BY 1 HAVING count(*) >= 3$$,
	'three orders in this month');
SELECT set_eq($$SELECT member_id FROM loyalty.member_tag WHERE tag = 'spender'$$,
	$$SELECT member_id FROM kept WHERE day > pg_temp.today() - 90 GROUP BY 1 HAVING sum(amount) > 300$$, 'more than 300 in 90 days');
SELECT set_eq($$SELECT member_id FROM loyalty.member_tag WHERE tag = 'asleep'$$,
	$$SELECT member_id FROM loyalty.account WHERE pg_temp.today() - (last_purchase_at AT TIME ZONE 'Europe/London')::date > 45$$, '45 days without an order');

-- Edited, removed, and back: all members again, in small batches
UPDATE loyalty.tag SET condition = '$.purchases.days_30.times >= 2' WHERE name = 'busy';
DELETE FROM loyalty.tag WHERE name = 'rich';
SELECT ok(pg_temp.refresh() >= 60, 'a condition was edited: all are looked at again');
SELECT is_empty($$SELECT * FROM loyalty.tag_check('Shop')
	UNION ALL SELECT member_id, 'tag', tag, NULL, NULL FROM loyalty.member_tag WHERE tag = 'rich'$$, 'and judged by it');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
