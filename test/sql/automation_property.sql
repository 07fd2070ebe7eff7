\set ECHO none
\i test/prelude.sql
SELECT plan(5);

-- Random calls over twelve weeks, worked off every day, beside a model in plain SQL: one run a week, three days of delay,
-- a condition, a gap of ten days, a goal within five days, and undoing.
SELECT loyalty.program_create('Shop', 'CNY', 'UTC') AS shop \gset
INSERT INTO loyalty.automation (program_id, name, trigger_kind, trigger_name, once, delay, condition, gap_days, goal_event, goal_days)
VALUES (:shop, 'weekly', 'event', 'purchase', 'week', '3 days', '$.event.amount >= 50', 10, 'share', 5);
INSERT INTO loyalty.automation_step (automation_id, program_id, position, kind, unit_id, amount)
SELECT a.automation_id, :shop, 1, 'award', u.unit_id, 7 FROM loyalty.automation a, loyalty.unit u WHERE u.code = 'points';
SELECT loyalty.automation_start('Shop', 'weekly');
CREATE TEMP TABLE act (n int GENERATED ALWAYS AS IDENTITY, name text, day int, what text, amount int, ref text);
CREATE TEMP TABLE model (name text, ref text, week date, started int, amount int, status text, reason text, begun boolean DEFAULT false, goal int);

CREATE PROCEDURE pg_temp.live(seed float8) LANGUAGE plpgsql AS $$
DECLARE
	member text;
	a record;
	m record;
	today date;
BEGIN
	PERFORM setseed(seed);
	INSERT INTO act (name, day, what, amount, ref)
	SELECT 'm' || i, d, CASE WHEN x < 0.12 THEN 'purchase' WHEN x < 0.24 THEN 'share' WHEN x < 0.29 THEN 'refund' END, CASE WHEN random() < 0.7 THEN 80 ELSE 20 END, 'r' || d
	FROM (SELECT i, d, random() AS x FROM generate_series(1, 25) i, generate_series(0, 83) d) r WHERE x < 0.29;
	FOR d IN 0..90 LOOP
		today := date '2026-03-02' + d;
		-- the work of the day comes first, at ten
		PERFORM set_config('loyalty.now', (today + time '10:00')::text || '+00', false);
		PERFORM loyalty.automation_run_due(1000);
		FOR m IN SELECT * FROM model WHERE status = 'waiting' AND (reason IS NOT NULL OR started < d - 2) ORDER BY started LOOP
			IF m.reason = 'refunded' THEN
				UPDATE model SET status = 'undone' WHERE name = m.name AND ref = m.ref;
			ELSIF m.amount < 50 THEN
				UPDATE model SET status = 'skipped', reason = 'condition', week = NULL WHERE name = m.name AND ref = m.ref;
			ELSIF EXISTS (SELECT FROM model o WHERE o.name = m.name AND o.begun AND m.started - o.started < 10) THEN
				UPDATE model SET status = 'skipped', reason = 'gap', week = NULL WHERE name = m.name AND ref = m.ref;
			ELSE
				UPDATE model SET status = 'done', begun = true WHERE name = m.name AND ref = m.ref;
			END IF;
		END LOOP;
		PERFORM set_config('loyalty.now', (today + time '09:00' + interval '30 minutes')::text || '+00', false);
		FOR a IN SELECT * FROM act WHERE act.day = d ORDER BY n LOOP
			IF a.what = 'purchase' THEN
				PERFORM loyalty.purchase(pg_temp.id(a.name), a.amount, a.ref);
				IF NOT EXISTS (SELECT FROM model WHERE name = a.name AND week = date_trunc('week', today)::date) THEN
					INSERT INTO model (name, ref, week, started, amount, status) VALUES (a.name, a.ref, date_trunc('week', today)::date, d, a.amount, 'waiting');
				END IF;
			ELSIF a.what = 'share' THEN
				PERFORM loyalty.record(pg_temp.id(a.name), 'share', ref => 's' || d);
				UPDATE model SET goal = d, reason = CASE status WHEN 'waiting' THEN 'goal' ELSE reason END, status = CASE status WHEN 'waiting' THEN 'exited' ELSE status END
				WHERE name = a.name AND goal IS NULL AND d - started BETWEEN 0 AND 5 AND (status IN ('done', 'exited') OR status = 'waiting' AND reason IS NULL);
			ELSIF EXISTS (SELECT FROM act b WHERE b.name = a.name AND b.what = 'purchase' AND b.day < a.day) THEN
				SELECT b.ref INTO a.ref FROM act b WHERE b.name = a.name AND b.what = 'purchase' AND b.day < a.day ORDER BY b.day DESC LIMIT 1;
				IF (SELECT status FROM loyalty.refund(pg_temp.id(a.name), a.ref, refund_ref => a.n::text, mode => 'try')) = 'done' THEN
					UPDATE model SET status = 'waiting', reason = 'refunded' WHERE name = a.name AND ref = a.ref AND status IN ('waiting', 'done', 'exited');
				END IF;
			END IF;
		END LOOP;
	END LOOP;
END
$$;
SELECT count(loyalty.enroll('Shop', jsonb_build_object('customer_no', 'm' || i), at => '2026-03-02 00:00+00')) FROM generate_series(1, 25) i;
CALL pg_temp.live(0.25);

SELECT set_eq(
	$$SELECT i.value, j.ref, r.status, r.reason, (r.goal_at AT TIME ZONE 'UTC')::date - date '2026-03-02' AS goal, r.position > 0 AS begun
	  FROM loyalty.automation_run r JOIN loyalty.identity i USING (member_id) JOIN loyalty.journal j ON j.member_id = r.member_id AND j.journal_id = r.journal_id$$,
	$$SELECT name, ref, status, reason, goal, begun FROM model$$, 'what became of each run is what the model says');
SELECT ok(count(*) > 100 AND count(DISTINCT status) = 4 AND count(*) FILTER (WHERE reason = 'gap') > 5 AND count(*) FILTER (WHERE goal IS NOT NULL) > 5, 'and there was enough of everything') FROM model;
SELECT is((SELECT count(*) FROM loyalty.journal WHERE kind = 'award'), (SELECT count(*) FROM model WHERE begun), 'each that was begun gave once');
SELECT is((SELECT count(*) FROM loyalty.journal WHERE kind = 'award_undo'), (SELECT count(*) FROM model WHERE begun AND status = 'undone'), 'and each that was undone took it back once');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'verify()');
SELECT * FROM finish();
ROLLBACK;
