\set ECHO none
\i test/prelude.sql
SELECT plan(24);
SET jit = off;

-- Two programmes in two zones. In each: a wish gives points, a coupon and, a day later, a message, to three of four;
-- an order gives what its refund takes back; an announcement; and one that begins anew.
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop, loyalty.program_create('Cafe', 'JPY', 'America/New_York') AS cafe \gset
INSERT INTO loyalty.program_event (program_id, event) SELECT program_id, e FROM loyalty.program, unnest('{wish,look}'::text[]) e ON CONFLICT DO NOTHING;
INSERT INTO loyalty.message_channel (program_id, name) SELECT program_id, 'sms' FROM loyalty.program;
INSERT INTO loyalty.coupon (program_id, name, kind, amount, valid_days, max_uses) SELECT program_id, 'ten', 'amount', 10, 9, 2 FROM loyalty.program;
INSERT INTO loyalty.coupon_pack (program_id, name, coupon_id, quantity) SELECT program_id, 'pack', coupon_id, 2 FROM loyalty.coupon;
INSERT INTO loyalty.automation (program_id, name, trigger_kind, trigger_name, goal_event, goal_days, holdout, restarts, delay, purpose)
SELECT p.program_id, a.* FROM loyalty.program p, (VALUES
	('again', 'event', 'look', NULL, NULL, 0, true, interval '5 hours', 'service'),
	('all', 'announcement', NULL, 'purchase', 9, 30, false, '0', 'service'),
	('order', 'event', 'purchase', NULL, NULL, 0, false, '0', 'service'),
	('wish', 'event', 'wish', 'purchase', 5, 25, false, '0', 'service')) a;
INSERT INTO loyalty.automation_step (automation_id, position, program_id, kind, unit_id, amount, coupon, pack, channel, template, wait)
SELECT a.automation_id, s.position, a.program_id, s.kind, CASE WHEN s.kind = 'award' THEN u.unit_id END, s.amount, s.coupon, s.pack, CASE WHEN s.kind = 'message' THEN 'sms' END, s.template, s.wait
FROM (VALUES
	('again', 1, 'award', 7, NULL, NULL, NULL, NULL::interval), ('again', 2, 'message', NULL, NULL, NULL, 'seen', NULL),
	('all', 1, 'message', NULL, NULL, NULL, 'news', NULL), ('all', 2, 'coupon', NULL, NULL, 'pack', NULL, NULL),
	('order', 1, 'award', 40, NULL, NULL, NULL, NULL), ('order', 2, 'wait', NULL, NULL, NULL, NULL, '30 hours'), ('order', 3, 'award', 2, NULL, NULL, NULL, NULL),
	('order', 4, 'coupon', NULL, 'ten', NULL, NULL, NULL),
	('wish', 1, 'wait', NULL, NULL, NULL, NULL, '3 hours'), ('wish', 2, 'award', 100, NULL, NULL, NULL, NULL), ('wish', 3, 'coupon', NULL, 'ten', NULL, NULL, NULL),
	('wish', 4, 'wait', NULL, NULL, NULL, NULL, '1 day'), ('wish', 5, 'message', NULL, NULL, NULL, 'granted', NULL))
	s (name, position, kind, amount, coupon, pack, template, wait)
JOIN loyalty.automation a ON a.name = s.name
JOIN loyalty.unit u ON u.program_id = a.program_id AND u.code = 'points';
SELECT loyalty.automation_start(p.name, a.name) FROM loyalty.automation a JOIN loyalty.program p USING (program_id) \g /dev/null
-- the points are worth something else from the 20th on
INSERT INTO loyalty.unit_anchor (program_id, unit_id, valid_from, units, money) SELECT program_id, unit_id, '2026-03-20', 100, 300 FROM loyalty.unit WHERE code = 'points';
CALL pg_temp.enroll('Shop', 'm1', 'm2', 'm3', 'm4');
CALL pg_temp.enroll('Cafe', 'm5', 'm6');

CREATE PROCEDURE pg_temp.fold() LANGUAGE plpgsql AS $$
BEGIN
	WHILE (SELECT f.left_over FROM loyalty.report_fold(500) f) LOOP
	END LOOP;
END
$$;
CREATE FUNCTION pg_temp.run_sums() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT string_agg(concat_ws(' ', x.awarded_on, x.u, x.runs, x.treated, x.held_out, x.coupons, x.discount, x.messages, x.awarded, x.members), ', ' ORDER BY x.u, x.awarded_on)
	FROM (
		SELECT s.awarded_on, (s.unit_id > 0)::int AS u, sum(s.runs) AS runs, sum(s.treated) AS treated, sum(s.held_out) AS held_out, sum(s.coupons) AS coupons, sum(s.discount) AS discount,
			sum(s.messages) AS messages, sum(s.awarded) AS awarded, sum(s.members) AS members
		FROM loyalty.program p, loyalty.automation a, loyalty.report_run_sum(p.program_id, '2026-01-01', '2026-12-31') s
		WHERE p.name = 'Shop' AND a.program_id = p.program_id AND a.name = 'order' AND s.automation_id = a.automation_id
		GROUP BY s.awarded_on, s.unit_id > 0) x
	WHERE x.runs <> 0 OR x.awarded <> 0 OR x.members <> 0
$$;

-- By hand: m1 buys on the 15th (20:00), and gets 40 at once, 2 and a coupon of 10 on the 17th.
SELECT FROM loyalty.purchase(pg_temp.id('m1'), 50, 'h1');
SELECT is(pg_temp.run_sums(), '2026-03-15 0 1 0 0 0 0 0 0 1', 'a run has begun');
CALL pg_temp.fold();
SELECT is(pg_temp.run_sums(), '2026-03-15 0 1 0 0 0 0 0 0 1', 'and is folded');
SELECT FROM loyalty.automation_run_due();
SELECT is(pg_temp.run_sums(), '2026-03-15 0 1 1 0 0 0 0 0 1, 2026-03-15 1 0 0 0 0 0 0 40 0', '40 points');
SET loyalty.now = '2026-03-17 12:00+08';
SELECT FROM loyalty.automation_run_due();
CALL pg_temp.fold();
SELECT FROM loyalty.member_coupon m, loyalty.coupon_use(m.member_id, '#' || m.coupon_no, 'h2', 10) WHERE m.member_id = pg_temp.id('m1');
SELECT is(pg_temp.run_sums(), '2026-03-15 0 1 1 0 1 1000 0 0 1, 2026-03-15 1 0 0 0 0 0 0 40 0, 2026-03-17 1 0 0 0 0 0 0 2 0', 'two days later two more, and a coupon that takes 10 off');
SELECT FROM loyalty.purchase(pg_temp.id('m1'), 5, 'h3');
SELECT is(pg_temp.run_sums(), '2026-03-15 0 1 1 0 1 1000 0 0 1, 2026-03-17 0 1 0 0 0 0 0 0 0, 2026-03-15 1 0 0 0 0 0 0 40 0, 2026-03-17 1 0 0 0 0 0 0 2 0', 'another run of a member who was there before');
-- h1 goes back, and what it started: the coupon was used and stays
SELECT FROM loyalty.refund(pg_temp.id('m1'), 'h1');
CALL pg_temp.fold();
SELECT FROM loyalty.automation_run_due();
SELECT is(pg_temp.run_sums(), '2026-03-15 0 1 1 0 1 1000 0 0 1, 2026-03-17 0 1 1 0 0 0 0 0 0, 2026-03-17 1 0 0 0 0 0 0 40 0', 'taken back; the other run gave 40');
CALL pg_temp.fold();
SELECT is(pg_temp.run_sums(), '2026-03-15 0 1 1 0 1 1000 0 0 1, 2026-03-17 0 1 1 0 0 0 0 0 0, 2026-03-17 1 0 0 0 0 0 0 40 0', 'the same folded');
-- distinct members of both days
SELECT is((SELECT members FROM loyalty.report_automation_cost('Shop', '2026-03-15', '2026-03-17') WHERE automation = 'order'), 1::bigint, 'one member on both days');

-- The slow way: from the tables, without a function of the reports.
CREATE FUNCTION pg_temp.slow(of_program text, since date, until date) RETURNS SETOF text LANGUAGE sql STABLE AS $$
	WITH r AS (
		SELECT r.*, p.time_zone FROM loyalty.program p JOIN loyalty.automation_run r USING (program_id)
		WHERE p.name = of_program AND (r.triggered_at AT TIME ZONE p.time_zone)::date BETWEEN since AND until),
	a AS (
		SELECT r.automation_id, sum(x.amount) AS amount, sum(x.amount * (
			SELECT y.money::numeric / y.units FROM loyalty.unit_anchor y WHERE y.unit_id = j.unit_id AND y.valid_from <= (j.effective_at AT TIME ZONE r.time_zone)::date
			ORDER BY valid_from DESC LIMIT 1)) AS worth
		FROM r JOIN loyalty.journal j ON j.member_id = r.member_id AND j.kind = 'award' AND j.key LIKE format('automation-%s-%%', r.run_id),
		LATERAL (SELECT j.amount - coalesce((SELECT sum(amount) FROM loyalty.journal u WHERE u.reverses = 'award:' || j.journal_id AND u.kind = 'award_undo'), 0) AS amount) x
		GROUP BY r.automation_id),
	c AS (
		SELECT r.automation_id, count(*) AS coupons, sum((SELECT coalesce(sum(u.discount - u.returned), 0) FROM loyalty.coupon_use u WHERE u.member_id = m.member_id AND u.coupon_no = m.coupon_no AND u.status IN ('used', 'returned'))) AS discount
		FROM r JOIN loyalty.journal j ON j.member_id = r.member_id AND j.key LIKE format('automation-%s-%%', r.run_id)
		JOIN loyalty.member_coupon m ON m.member_id = j.member_id AND m.journal_id = j.journal_id AND m.status <> 'void'
		GROUP BY r.automation_id)
	SELECT concat_ws('|', n.name, count(r), count(DISTINCT r.member_id), count(r) FILTER (WHERE position > 0), count(r) FILTER (WHERE r.status = 'held_out'),
		count(goal_at) FILTER (WHERE position > 0), count(goal_at) FILTER (WHERE r.status = 'held_out'),
		coalesce((SELECT amount FROM a WHERE a.automation_id = n.automation_id), 0), round(coalesce((SELECT worth FROM a WHERE a.automation_id = n.automation_id), 0)),
		coalesce((SELECT coupons FROM c WHERE c.automation_id = n.automation_id), 0), coalesce((SELECT discount FROM c WHERE c.automation_id = n.automation_id), 0),
		coalesce(sum((SELECT count(*) FROM loyalty.message m WHERE m.member_id = r.member_id AND m.run_id = r.run_id AND attempts > 0)), 0))
	FROM loyalty.program p JOIN loyalty.automation n USING (program_id) LEFT JOIN r USING (automation_id)
	WHERE p.name = of_program
	GROUP BY n.name, n.automation_id
$$;
CREATE FUNCTION pg_temp.quick(of_program text, since date, until date) RETURNS SETOF text LANGUAGE sql STABLE AS $$
	SELECT concat_ws('|', automation, runs, members, treated, held_out, treated_goals, held_out_goals, coalesce(awarded, 0), round(worth * 10 ^ p.scale), coupons, round(discount * 10 ^ p.scale), messages)
	FROM loyalty.report_automation_cost(of_program, since, until), LATERAL (SELECT currency_scale AS scale FROM loyalty.program WHERE name = of_program) p
$$;
CREATE FUNCTION pg_temp.differences() RETURNS SETOF text LANGUAGE sql STABLE AS $$
	SELECT format('%s %s: %s', p.name, r.since, x)
	FROM loyalty.program p, (VALUES ('2020-01-01'::date, '2090-01-01'::date), ('2026-03-18', '2026-03-21'), ('2026-03-20', '2026-04-10')) r (since, until),
		LATERAL (
			SELECT concat(sum(q.sign), ' ', q.line) FROM (
				SELECT 1 AS sign, l AS line FROM pg_temp.quick(p.name, r.since, r.until) l
				UNION ALL SELECT -1, l FROM pg_temp.slow(p.name, r.since, r.until) l) q
			GROUP BY q.line HAVING sum(q.sign) <> 0) x (x)
$$;
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'as the tables say');

-- One call of any kind.
CREATE PROCEDURE pg_temp.act(n int) LANGUAGE plpgsql AS $$
DECLARE
	who int = 1 + floor(random() * 6);
	m bigint = pg_temp.id('m' || who);
	shop text = CASE WHEN who > 4 THEN 'Cafe' ELSE 'Shop' END;
	act int = floor(random() * 24);
	held text = (SELECT '#' || coupon_no FROM loyalty.member_coupon WHERE member_id = m AND status = 'issued' ORDER BY random() LIMIT 1);
	used text = (SELECT ref FROM loyalty.coupon_use WHERE member_id = m AND status = 'used' ORDER BY random() LIMIT 1);
	bought text = (SELECT ref FROM loyalty.journal WHERE member_id = m AND event = 'purchase' ORDER BY random() LIMIT 1);
	award bigint = (SELECT journal_id FROM loyalty.journal WHERE member_id = m AND kind = 'award' ORDER BY random() LIMIT 1);
BEGIN
	CASE
	WHEN act IN (0, 1) THEN PERFORM loyalty.record(m, 'wish', ref => 'w' || n);
	WHEN act IN (2, 3) THEN PERFORM loyalty.record(m, 'look', ref => 'l' || n);
	WHEN act IN (4, 5, 6) THEN PERFORM loyalty.purchase(m, 47, 'r' || n, mode => 'try');
	WHEN act = 7 THEN PERFORM loyalty.automation_broadcast(shop, 'all', 'b' || n);
	WHEN act = 8 THEN PERFORM loyalty.automation_broadcast_run();
	WHEN act IN (9, 10, 11, 12) THEN PERFORM loyalty.automation_run_due(1 + n % 9);
	WHEN act = 13 THEN PERFORM loyalty.message_take('sms', 1 + n % 3);
	WHEN act IN (14, 15) THEN PERFORM loyalty.coupon_use(m, held, 'u' || n, 3, mode => 'try') FROM (SELECT) x WHERE held IS NOT NULL;
	WHEN act = 16 THEN PERFORM loyalty.coupon_undo(m, used, mode => 'try') FROM (SELECT) x WHERE used IS NOT NULL;
	WHEN act = 17 THEN PERFORM loyalty.coupon_void(m, substr(held, 2)::bigint, 'reason ' || n, mode => 'try') FROM (SELECT) x WHERE held IS NOT NULL;
	WHEN act IN (18, 19) THEN PERFORM loyalty.refund(m, bought, mode => 'try') FROM (SELECT) x WHERE bought IS NOT NULL;
	WHEN act = 20 THEN PERFORM loyalty.award_undo(m, award, 'reason', mode => 'try') FROM (SELECT) x WHERE award IS NOT NULL;
	ELSE PERFORM set_config('loyalty.now', (loyalty.now() + floor(random() * 12) * interval '1 hour')::text, false);
	END CASE;
END
$$;
CREATE TEMP TABLE moment (n int, tail bigint, wrong text[]);
CREATE PROCEDURE pg_temp.live(first int, last int, often numeric, compared numeric) LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN first .. last LOOP
		CALL pg_temp.act(n);
		IF random() < often THEN
			PERFORM loyalty.report_fold(1 + n % 3);
		END IF;
		IF random() < compared THEN
			INSERT INTO moment SELECT n, (SELECT count(*) FROM loyalty.report_run_change), (SELECT array_agg(d) FROM pg_temp.differences() d);
		END IF;
	END LOOP;
END
$$;
SELECT setseed(0.42) \gset
CALL pg_temp.live(1, 200, 0, 0.06);
CALL pg_temp.live(201, 700, 0.3, 0.06);
CALL pg_temp.fold();
CALL pg_temp.live(701, 900, 0.3, 0.06);
SELECT is((SELECT string_agg(n || ' ' || wrong[1], E'\n' ORDER BY n) FROM (SELECT * FROM moment WHERE wrong IS NOT NULL ORDER BY n LIMIT 5) x), NULL, 'sums and tail are what the tables have');
SELECT cmp_ok((SELECT count(*) FROM moment WHERE tail > 30), '>', 1::bigint, 'some moments had a long tail');
SELECT cmp_ok((SELECT count(*) FROM moment WHERE tail < 3), '>', 1::bigint, 'others a short one');
SELECT is_empty($$SELECT unnest('{done,exited,held_out,undone,waiting}'::text[]) EXCEPT SELECT status FROM loyalty.automation_run$$, 'all that becomes of runs');
SELECT is_empty($$SELECT unnest('{award,award_undo,coupon_use,coupon_undo,coupon_void,refund}'::text[]) EXCEPT SELECT kind FROM loyalty.journal$$, 'there was some of every kind');
CALL pg_temp.fold();
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'all of it folded');
SELECT is_empty('SELECT * FROM loyalty.report_run_change', 'nothing is left');
-- a step after the first changes no figure but by what it gives
UPDATE loyalty.automation_run SET position = position + 1 WHERE position > 0;
SELECT is_empty('SELECT * FROM loyalty.report_run_change', 'a step more names no run');
UPDATE loyalty.automation_run SET position = position - 1 WHERE position > 1;

-- verify() sees what is counted wrongly.
CREATE FUNCTION pg_temp.found(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	codes text;
BEGIN
	BEGIN
		EXECUTE sql;
		SELECT coalesce(string_agg(DISTINCT concat_ws(' ', v.invariant, substring(v.detail FROM 'sum=(\w+)')), ', '), 'nothing') INTO codes
		FROM loyalty.verify() v WHERE v.invariant ~ '^report';
		RAISE EXCEPTION 'undo' USING ERRCODE = 'ZZ999';
	EXCEPTION WHEN SQLSTATE 'ZZ999' THEN
	END;
	RETURN codes;
END
$$;
SELECT is(pg_temp.found(d.sql), d.codes, 'verify(): ' || d.sql) FROM (VALUES
	('UPDATE loyalty.report_run_day SET messages = messages + 1 WHERE messages > 0', 'report_sum_differs report_run_day'),
	('UPDATE loyalty.report_run_return_day SET members = members + 1', 'report_sum_differs report_run_return_day'),
	('UPDATE loyalty.report_run_seen SET coupons = coupons + 1', 'report_sum_differs report_run_day, report_sum_differs report_run_seen'),
	('DELETE FROM loyalty.report_run_seen', 'report_sum_differs report_run_day, report_sum_differs report_run_return_day, report_sum_differs report_run_seen'),
	('DELETE FROM loyalty.automation_run WHERE status = ''held_out''', 'nothing')) d (sql, codes);

-- Made anew it is the same.
UPDATE loyalty.report_run_day SET runs = runs + 1;
DELETE FROM loyalty.report_run_seen WHERE discount > 0;
SELECT FROM loyalty.report_rebuild('Shop');
SELECT FROM loyalty.report_rebuild('Cafe');
SELECT is_empty('SELECT * FROM pg_temp.differences() UNION ALL SELECT change_id::text FROM loyalty.report_run_change', 'made anew it is right');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'verify() finds nothing');
SELECT * FROM finish();
ROLLBACK;
