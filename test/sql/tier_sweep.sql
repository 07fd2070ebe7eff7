\set ECHO none
\i test/prelude.sql
-- Whether somebody looks at an account every day or once in years makes no
-- difference to its tier: the same two years of two members, one of them swept
-- on each day, the other never. And both are what plain SQL makes of them.
SELECT plan(15);

CREATE FUNCTION pg_temp.program(name text, zone text, demotion text, grace int, window_kind text) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
	shop int = loyalty.program_create(name, 'CNY', zone);
	spend int;
BEGIN
	SELECT unit_id INTO spend FROM loyalty.unit WHERE program_id = shop AND code = 'spend';
	INSERT INTO loyalty.tier (program_id, code, rank, valid_months, valid_round, grace_days, warn_days, demotion) VALUES
		(shop, 'base', 0, NULL, 'day', 0, 0, 'one_level'), (shop, 'silver', 1, 3, 'day', grace, 10, demotion),
		(shop, 'gold', 2, 4, 'month', grace, 20, demotion), (shop, 'diamond', 3, 2, 'day', 0, 5, demotion);
	INSERT INTO loyalty.tier_threshold (program_id, tier_id, purpose, unit_id, threshold, window_kind, months)
		SELECT shop, t.tier_id, v.purpose, spend, v.threshold, v.kind, CASE WHEN v.kind = 'rolling' THEN 3 END
		FROM loyalty.tier t JOIN (VALUES
			('silver', 'entry', 100, 'rolling'), ('gold', 'entry', 300, 'rolling'), ('diamond', 'entry', 600, 'rolling'),
			('gold', 'retention', 250, window_kind), ('silver', 'retention', 90, window_kind)) v(code, purpose, threshold, kind) USING (code)
		WHERE t.program_id = shop;
	RETURN shop;
END
$$;

CREATE PROCEDURE pg_temp.live(program text, swept text, left_alone text, refunds boolean DEFAULT false)
LANGUAGE plpgsql AS $$
DECLARE
	day date;
	seed bigint = 7;
	earlier text;
BEGIN
	PERFORM set_config('loyalty.now', '2026-01-01 00:30+00', true);
	CALL pg_temp.enroll(program, swept, left_alone);
	FOR day IN SELECT generate_series('2026-01-01'::date, '2027-12-31', '1 day')::date LOOP
		PERFORM set_config('loyalty.now', day || ' 10:00+00', true);
		PERFORM loyalty.account_settle(pg_temp.id(swept));
		seed := seed * 1103515245 % 2147483648 + 12345;
		-- a good season and a bad one
		CONTINUE WHEN seed / 65536 % 100 >= CASE WHEN extract(month FROM day) IN (2, 3, 4, 9, 10) THEN 14 ELSE 3 END;
		PERFORM loyalty.purchase(pg_temp.id(name), 20 + seed / 65536 % 60, 'o' || day)
		FROM unnest(ARRAY[swept, left_alone]) name;
		CONTINUE WHEN NOT refunds;
		-- an order that comes in late, and one that goes back
		IF seed / 65536 % 5 = 0 THEN
			PERFORM loyalty.purchase(pg_temp.id(name), 50, 'late' || day, at => (day - (seed / 65536 % 40)::int) + time '10:00')
			FROM unnest(ARRAY[swept, left_alone]) name;
		ELSIF seed / 65536 % 5 = 1 AND earlier IS NOT NULL THEN
			PERFORM loyalty.refund(pg_temp.id(name), earlier) FROM unnest(ARRAY[swept, left_alone]) name;
			earlier := NULL;
		ELSE
			earlier := 'o' || day;
		END IF;
	END LOOP;
	PERFORM loyalty.account_settle(pg_temp.id(left_alone));
END
$$;

-- what became of a member: all but the rows it was written with
CREATE FUNCTION pg_temp.life(name text) RETURNS SETOF text
LANGUAGE sql STABLE AS $$
	SELECT concat_ws(' ', h.action, h.effective_at, b.code, a.code, h.tier_until, h.reached, h.threshold, h.window_from, h.window_until)
	FROM loyalty.tier_history h
	LEFT JOIN loyalty.tier b ON b.tier_id = h.tier_before
	LEFT JOIN loyalty.tier a ON a.tier_id = h.tier_after
	WHERE h.member_id = pg_temp.id($1) ORDER BY h.journal_id, h.line
$$;

SELECT pg_temp.program('A', 'Asia/Shanghai', 'one_level', 0, 'rolling'), pg_temp.program('B', 'Europe/Berlin', 'to_qualified', 15, 'tier_start'),
	pg_temp.program('C', 'America/New_York', 'one_level', 20, 'tier_start'), pg_temp.program('D', 'Europe/London', 'to_qualified', 5, 'rolling') \gset
UPDATE loyalty.program SET tier_refund = 'immediate' WHERE name = 'C';
UPDATE loyalty.tier SET multiplier = 1 + rank WHERE program_id IN (SELECT program_id FROM loyalty.program WHERE name IN ('C', 'D'));
CALL pg_temp.live('A', 'a1', 'a2');
CALL pg_temp.live('B', 'b1', 'b2');
CALL pg_temp.live('C', 'c1', 'c2', true);
CALL pg_temp.live('D', 'd1', 'd2', true);
SELECT cmp_ok(count(DISTINCT action), '>=', 4::bigint, 'A: enough happens: ' || string_agg(DISTINCT action, ', ')) FROM loyalty.tier_history WHERE member_id = pg_temp.id('a1');
SELECT cmp_ok(count(DISTINCT action), '>=', 5::bigint, 'B: and more: ' || string_agg(DISTINCT action, ', ')) FROM loyalty.tier_history WHERE member_id = pg_temp.id('b1');
SELECT results_eq($$SELECT pg_temp.life('a1')$$, $$SELECT pg_temp.life('a2')$$, 'A: one level, no grace');
SELECT results_eq($$SELECT pg_temp.life('b1')$$, $$SELECT pg_temp.life('b2')$$, 'B: to the qualified level, grace, since tier start');
SELECT cmp_ok(count(DISTINCT action), '>=', 7::bigint, 'C: and revoked: ' || string_agg(DISTINCT action, ', ')) FROM loyalty.tier_history WHERE member_id = pg_temp.id('c1');
SELECT results_eq($$SELECT pg_temp.life('c1')$$, $$SELECT pg_temp.life('c2')$$, 'C: with late orders and refunds that revoke');
SELECT results_eq($$SELECT pg_temp.life('d1')$$, $$SELECT pg_temp.life('d2')$$, 'D: with late orders and refunds that count later');
SELECT is(pg_temp.lots(a), pg_temp.lots(b), 'what they earned: ' || a) FROM (VALUES ('a1', 'a2'), ('b1', 'b2'), ('c1', 'c2'), ('d1', 'd2')) v(a, b);
SELECT is(string_agg(loyalty.tier_at(pg_temp.id('a1'), t), ',' ORDER BY t), string_agg(loyalty.tier_at(pg_temp.id('a2'), t), ',' ORDER BY t), 'and so each day was')
FROM generate_series('2026-01-02'::timestamptz, '2028-06-01', '1 day') t;

-- Every promotion, and no other, from the orders alone.
CREATE FUNCTION pg_temp.promotions(name text) RETURNS TABLE (at timestamptz, reached numeric)
LANGUAGE sql STABLE AS $$
	SELECT j.effective_at, (
		SELECT sum(o.amount) FROM loyalty.journal o JOIN loyalty.program q USING (program_id)
		WHERE o.member_id = j.member_id AND o.event = 'purchase' AND o.journal_id <= j.journal_id
		AND o.effective_at AT TIME ZONE q.time_zone >= date_trunc('month', j.effective_at AT TIME ZONE q.time_zone) - interval '2 months')
	FROM loyalty.journal j
	WHERE j.member_id = pg_temp.id($1) AND j.event = 'purchase'
$$;
SELECT results_eq($$SELECT h.effective_at, h.reached::numeric FROM loyalty.tier_history h WHERE h.member_id = pg_temp.id('a2') AND h.action = 'promoted' ORDER BY 1$$,
	$$SELECT p.at, p.reached FROM pg_temp.promotions('a2') p
	JOIN LATERAL (SELECT max(t.rank) AS rank FROM (VALUES (10000, 1), (30000, 2), (60000, 3)) t(threshold, rank) WHERE t.threshold <= p.reached) r ON true
	WHERE r.rank > (SELECT t.rank FROM loyalty.tier t JOIN loyalty.program q USING (program_id)
		WHERE q.name = 'A' AND t.code = loyalty.tier_at(pg_temp.id('a2'), p.at - interval '1 second')) ORDER BY 1$$,
	'promoted whenever, and only when, more was reached than the tier held before');
SELECT is((SELECT count(*) FROM loyalty.journal WHERE kind = 'tier_review' AND request_hash IS NOT NULL), 0::bigint, 'no review was asked for');
SELECT is((SELECT count(*) FROM loyalty.journal j WHERE kind = 'tier_review' AND NOT EXISTS (SELECT FROM loyalty.tier_history h WHERE h.member_id = j.member_id AND h.journal_id = j.journal_id)), 0::bigint, 'and none is without a history');

SELECT * FROM loyalty.verify();
SELECT * FROM finish(true);
ROLLBACK;
