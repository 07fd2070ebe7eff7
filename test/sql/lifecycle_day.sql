\set ECHO none
\i test/prelude.sql
SELECT plan(21);

-- Two years of 28 members, day by day: purchases at their own pace, pauses, orders that
-- come back. Three programmes get the same; one is maintained every day, one once a
-- month, one never. On every day the stage, as the history has it, and other tags that
-- look at the interval are what plain SQL over the orders comes to. Two more programmes
-- have the other sets, maintained every day, with a third of the members.
SET loyalty.now = '2024-01-01 00:00+00';
CREATE TEMP TABLE shop (mode text PRIMARY KEY, stages text, program_id int);
INSERT INTO shop SELECT mode, stages, loyalty.program_create(mode, 'GBP', 'Europe/London', 'empty')
FROM (VALUES ('daily', 'growth'), ('monthly', 'growth'), ('never', 'growth'), ('activity', 'activity'), ('churn', 'churn')) v (mode, stages);
SELECT is((SELECT array_agg(loyalty.lifecycle_set(mode, stages) ORDER BY mode) FROM shop), '{4,4,5,5,5}', 'each set is written');
INSERT INTO loyalty.tag (program_id, name, condition)
SELECT program_id, name, condition::jsonpath FROM shop, (VALUES
	('often',   '$.member.interval_days < 14.5'),
	('known',   'exists($.member.recency)'),
	('unknown', '!exists($.member.interval_days)'),
	('exactly', '$.member.recency == 1.5'),
	('between', '$.member.recency > 0.994 && $.member.recency <= 2.005'),
	('far',     '$.member.recency >= 7.25')) v (name, condition)
WHERE stages = 'growth';
SELECT count(loyalty.tag_refresh(mode)) AS fresh FROM shop \gset

-- joined on different days; who buys every 1 to 40 days on average, and pauses now and then;
-- two orders on a day sometimes; one in eight comes back, at once or later. Some buy two or
-- three times in all, one gives back everything, one never buys
CREATE TEMP TABLE act (n int GENERATED ALWAYS AS IDENTITY, day date, who int, what text, ref text);
DO $$
DECLARE
	bought date;
	pace numeric;
	visits int;
	ref int := 0;
BEGIN
	PERFORM setseed(0.2718);
	FOR who IN 1 .. 40 LOOP
		CONTINUE WHEN who BETWEEN 27 AND 38;
		INSERT INTO act (day, who, what) VALUES (date '2024-01-01' + who * 3, who, 'join');
		CONTINUE WHEN who = 40;
		bought := date '2024-01-01' + who * 3 + floor(random() * 60)::int;
		pace := CASE WHEN who <= 4 THEN 1 + random() * 3 ELSE 4 + random() * 36 END;
		visits := CASE WHEN who % 8 = 0 THEN 1 + who / 16 ELSE 1000 END;
		WHILE bought < '2025-12-31' AND visits > 0 LOOP
			FOR i IN 1 .. CASE WHEN random() < 0.15 THEN 2 ELSE 1 END LOOP
				ref := ref + 1;
				INSERT INTO act (day, who, what, ref) VALUES (bought, who, 'buy', ref);
				IF random() < 0.13 OR who = 39 THEN
					INSERT INTO act (day, who, what, ref)
					VALUES (bought + CASE WHEN random() < 0.3 THEN 0 ELSE floor(random() * 20)::int END, who, 'refund', ref);
				END IF;
			END LOOP;
			visits := visits - 1;
			bought := bought + 1 + floor(-ln((1 - random())::numeric) * pace)::int
				+ CASE WHEN random() < 0.06 THEN 30 + floor(random() * 220)::int ELSE 0 END;
		END LOOP;
	END LOOP;
END
$$;
CREATE TEMP TABLE asked (mode text, looked_at int, differing bigint);
CREATE FUNCTION pg_temp.maintain(mode text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	LOOP
		SELECT * INTO r FROM loyalty.tag_refresh(mode);
		INSERT INTO asked VALUES (mode, r.looked_at);
		EXIT WHEN NOT r.left_over;
	END LOOP;
END
$$;
-- a little after midnight housekeeping, orders at 10, refunds at 15
CREATE PROCEDURE pg_temp.live(first date, last date) LANGUAGE plpgsql AS $$
DECLARE
	a record;
	today date := first;
BEGIN
	WHILE today <= last LOOP
		PERFORM set_config('loyalty.now', ((today + time '00:30') AT TIME ZONE 'Europe/London')::text, false);
		PERFORM pg_temp.maintain(mode) FROM shop
		WHERE mode NOT IN ('never', 'monthly') OR mode = 'monthly' AND extract(day FROM today) = 15;
		IF extract(day FROM today) = 7 THEN
			INSERT INTO asked SELECT 'check', 0, count(*) FROM shop, loyalty.tag_check(mode) WHERE mode NOT IN ('never', 'monthly');
		END IF;
		FOR a IN SELECT x.*, s.mode, i.member_id FROM act x JOIN shop s ON s.stages = 'growth' OR who % 3 = 1
			LEFT JOIN loyalty.identity i ON i.program_id = s.program_id AND i.value = s.mode || who
			WHERE day = today ORDER BY what = 'refund', n LOOP
			PERFORM set_config('loyalty.now', ((today + CASE a.what WHEN 'refund' THEN time '15:00' ELSE time '10:00' END) AT TIME ZONE 'Europe/London')::text, false);
			IF a.what = 'join' THEN
				PERFORM loyalty.enroll(a.mode, jsonb_build_object('customer_no', a.mode || a.who));
			ELSIF a.what = 'buy' THEN
				PERFORM loyalty.purchase(coalesce(a.member_id, pg_temp.id(a.mode || a.who)), 10, a.ref);
			ELSE
				PERFORM loyalty.refund(a.member_id, a.ref);
			END IF;
		END LOOP;
		today := today + 1;
	END LOOP;
END
$$;
CALL pg_temp.live('2024-01-01', '2025-12-31');
SET loyalty.now = '2025-12-31 23:59+00';
SELECT is((SELECT sum(differing) FROM asked), 0::numeric, 'on the 7th of each month tag_check() finds nothing');
SELECT ok((SELECT sum(looked_at) FROM asked WHERE mode = 'daily') BETWEEN 1000 AND 5000, 'who is maintained every day is looked at only when he is due');
SELECT pg_temp.maintain(mode) FROM shop \g /dev/null
SELECT is_empty('SELECT * FROM shop, loyalty.tag_check(mode)', 'in the end all are as they ought to be');

-- The days by plain SQL: what is known at the end of each
CREATE TEMP TABLE fact AS
WITH known AS (
	SELECT j.who, d.day, b.day AS bought, r.day IS NOT NULL AS refunded, d.day - j.day AS age
	FROM (SELECT who, day FROM act WHERE what = 'join') j
	JOIN generate_series('2024-01-01'::timestamp, '2025-12-31', '1 day') g ON g >= j.day
	CROSS JOIN LATERAL (SELECT g::date AS day) d
	LEFT JOIN act b ON b.what = 'buy' AND b.who = j.who AND b.day <= d.day
	LEFT JOIN act r ON r.what = 'refund' AND r.ref = b.ref AND r.day <= d.day
), visit AS (
	SELECT who, day, bought, count(*) AS orders,
		bought - lag(bought) OVER (PARTITION BY who, day ORDER BY bought) AS gap
	FROM known WHERE NOT refunded AND bought > day - 365
	GROUP BY who, day, bought
), lately AS (
	SELECT who, day, count(*) AS visits, sum(orders) AS orders, percentile_cont(0.5) WITHIN GROUP (ORDER BY gap) AS median
	FROM visit GROUP BY who, day
), life AS (
	SELECT who, day, age, count(bought) AS purchases, max(bought) - min(bought) AS span, day - max(bought) AS since
	FROM known GROUP BY who, day, age
), paced AS (
	SELECT f.*, coalesce(l.orders, 0) AS orders,
		CASE WHEN l.visits >= 3 THEN l.median::numeric
		WHEN span > 0 AND purchases - coalesce(l.orders - l.visits, 0) > 1
		THEN greatest(1, round(span / (purchases - coalesce(l.orders - l.visits, 0) - 1), 1)) END AS pace
	FROM life f LEFT JOIN lately l USING (who, day)
)
SELECT *, round(since / pace, 2) AS recency FROM paced;
CREATE TEMP TABLE expected AS
SELECT who, day, recency, pace, purchases, orders, age,
	coalesce(CASE WHEN recency IS NULL THEN since <= 45 ELSE recency <= 1.5 OR since <= 10 END, false) AS present,
	coalesce(CASE WHEN recency IS NULL THEN since <= 90 ELSE recency <= 3 OR since <= 21 END, false) AS slow
FROM fact;
CREATE TEMP VIEW stage AS
SELECT who, day, 'growth' AS stages, CASE WHEN purchases = 0 OR age < 30 THEN 'newcomer'
	WHEN present AND orders < 6 THEN 'growing' WHEN present THEN 'mature' WHEN slow THEN 'declining' ELSE 'lost' END AS stage FROM expected
UNION ALL
SELECT who, day, 'activity', CASE WHEN purchases = 0 THEN 'registered' WHEN present THEN 'active' WHEN slow THEN 'silent' ELSE 'lost' END FROM expected
UNION ALL
SELECT who, day, 'churn', CASE WHEN purchases = 0 THEN 'prospect' WHEN present AND purchases = 1 THEN 'new' WHEN present THEN 'active' ELSE 'churn_warning' END FROM expected;
CREATE TEMP VIEW tagged AS
SELECT who, day, name FROM expected, LATERAL (VALUES ('often', pace < 14.5), ('known', recency IS NOT NULL), ('unknown', pace IS NULL),
	('exactly', recency = 1.5), ('between', recency > 0.994 AND recency <= 2.005), ('far', recency >= 7.25)) v (name, holds)
WHERE holds;

-- and what the history says of the last moment of each
CREATE TEMP TABLE moment AS SELECT g::date AS day, (g + time '23:59:59') AT TIME ZONE 'Europe/London' AS at
FROM generate_series('2024-01-01'::timestamp, '2025-12-31', '1 day') g;
CREATE TEMP TABLE person AS SELECT s.mode, s.stages, i.member_id, substr(i.value, length(s.mode) + 1)::int AS who
FROM shop s JOIN loyalty.identity i USING (program_id);
CREATE TEMP TABLE found AS
SELECT p.mode, p.who, m.day, h.stage FROM loyalty.lifecycle_history h JOIN person p USING (member_id)
JOIN moment m ON m.at >= h.since AND (h.until IS NULL OR m.at < h.until);
SELECT set_eq(format('SELECT who, day, stage FROM found WHERE mode = %L', mode),
	format('SELECT who, day, stage FROM stage WHERE stages = %L AND (stages = ''growth'' OR who %% 3 = 1)', stages),
	format('stages of %s, %s: on each day that which the orders say', stages, mode)) FROM shop ORDER BY mode;
SELECT is((SELECT count(*)::numeric FROM found), (SELECT sum(CASE who % 3 WHEN 1 THEN 5 ELSE 3 END)::numeric FROM expected), 'and each member is in exactly one on each day');
SELECT is((SELECT string_agg(DISTINCT stage, ' ' ORDER BY stage) FROM stage), (SELECT string_agg(DISTINCT name, ' ' ORDER BY name) FROM loyalty.tag WHERE dimension = 'lifecycle'),
	'each stage has its day');
SELECT ok((SELECT count(*) FROM expected WHERE pace % 1 = 0.5) > 0 AND (SELECT count(*) FROM tagged WHERE name = 'exactly') > 0
	AND (SELECT count(*) FROM expected e JOIN expected l ON l.who = e.who AND l.day = e.day + 1 WHERE l.pace <> e.pace AND NOT EXISTS
		(SELECT FROM act a WHERE a.who = l.who AND a.day = l.day)) > 0, 'halves, exact hits, and intervals that time has changed are among them');
CREATE TEMP TABLE recalled AS
SELECT DISTINCT ON (p.mode, p.who, m.day, h.tag) p.mode, p.who, m.day, h.tag, h.action
FROM loyalty.tag_history h JOIN person p USING (member_id) JOIN moment m ON m.at >= h.changed_at
WHERE h.tag NOT IN (SELECT name FROM loyalty.tag WHERE dimension = 'lifecycle')
ORDER BY p.mode, p.who, m.day, h.tag, h.history_id DESC;
SELECT set_eq(format('SELECT who, day, tag FROM recalled WHERE mode = %L AND action = ''set''', mode), 'SELECT who, day, name FROM tagged',
	format('tags that look at interval and recency, %s', mode)) FROM shop WHERE stages = 'growth' ORDER BY mode;

-- However it was maintained, the history is the same; what time changed is dated to midnight
SELECT is((SELECT count(DISTINCT x) FROM (SELECT p.mode, array_agg((p.who, h.tag, h.action, h.changed_at)::text ORDER BY p.who, h.changed_at, h.action, h.tag)
	FROM loyalty.tag_history h JOIN person p USING (member_id) WHERE p.stages = 'growth' GROUP BY p.mode) y (mode, x)), 1::bigint,
	'the same history, every day, every month, and never');
SELECT is_empty($$SELECT * FROM loyalty.lifecycle_history h WHERE stage IN ('declining', 'lost', 'silent', 'churn_warning')
	AND (since AT TIME ZONE 'Europe/London')::time <> '00:00' AND NOT EXISTS (
		SELECT FROM loyalty.journal j WHERE j.member_id = h.member_id AND j.kind = 'refund' AND j.effective_at = h.since)
	AND (since AT TIME ZONE 'Europe/London')::time <> '10:00'$$, 'by time at midnight, else with what happened');
SELECT set_eq('SELECT member_id, stage, since FROM loyalty.lifecycle_current',
	'SELECT member_id, stage, since FROM loyalty.lifecycle_history WHERE until IS NULL', 'the stage now is the last of the history');

-- Reports, by the days
SELECT set_eq($$SELECT program, stage, members FROM loyalty.report_lifecycle WHERE members > 0$$,
	$$SELECT mode, stage, count(*) FROM stage JOIN shop USING (stages) WHERE day = '2025-12-31' AND (stages = 'growth' OR who % 3 = 1) GROUP BY 1, 2$$, 'how many are in each stage');
CREATE TEMP TABLE own AS
SELECT e.who, e.day, lag(e.stage) OVER (PARTITION BY e.who ORDER BY e.day) AS before, e.stage FROM stage e WHERE stages = 'activity' AND who % 3 = 1;
SELECT cmp_ok((SELECT sum(moves) FROM loyalty.report_lifecycle_move WHERE program = 'activity'), '>=',
	(SELECT count(*)::numeric FROM own WHERE before IS DISTINCT FROM stage), 'as many movements as days with another stage, or more: some have two');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
