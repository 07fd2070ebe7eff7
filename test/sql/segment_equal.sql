\set ECHO none
\i test/prelude.sql
SELECT plan(9);

-- After every refresh, of everybody or of those who changed, a segment is what
-- its query says; what is written is the difference; and the history tells who
-- was in it at any time.
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
SELECT loyalty.program_create('Cafe', 'GBP', 'Europe/London', 'empty') AS cafe \gset
SELECT setseed(0.4);
SELECT count(*) FROM generate_series(1, 400) n, loyalty.enroll(CASE WHEN n % 9 = 0 THEN 'Cafe' ELSE 'Shop' END, jsonb_build_object('customer_no', 'c' || n)) \g /dev/null
CREATE SCHEMA crm;
CREATE TABLE crm.sale (member_id bigint, amount int NOT NULL);
CREATE VIEW crm.regular AS SELECT member_id FROM crm.sale GROUP BY member_id HAVING sum(amount) >= 100;
CREATE VIEW crm.recent AS SELECT member_id FROM crm.sale WHERE amount > 60;
INSERT INTO loyalty.segment (program_id, name, source) VALUES (:shop, 'regular', 'crm.regular'), (:shop, 'recent', 'crm.recent'), (:cafe, 'regular', 'crm.regular');

CREATE TABLE crm.step (step int PRIMARY KEY, changed bigint[], entered bigint, "left" bigint, missing bigint, surplus bigint, written bigint, differing bigint);
-- Sales come and go; before is who was in it, wanted who ought to be.
CREATE PROCEDURE pg_temp.run(steps int) LANGUAGE plpgsql AS $$
DECLARE
	step crm.step;
	written bigint;
BEGIN
	FOR n IN 1 .. steps LOOP
		PERFORM set_config('loyalty.now', (timestamptz '2026-03-15 12:00+00' + n * interval '1 hour')::text, false);
		WITH gone AS (DELETE FROM crm.sale WHERE random() < 0.15 RETURNING member_id),
		come AS (INSERT INTO crm.sale SELECT CASE WHEN random() < 0.05 THEN -trunc(random() * 3) WHEN random() < 0.95 THEN member_id END, trunc(random() * 90)
			FROM loyalty.account WHERE random() < 0.2 RETURNING member_id)
		SELECT array_agg(member_id) INTO step.changed FROM (SELECT member_id FROM gone UNION SELECT member_id FROM come) c WHERE member_id IS NOT NULL;
		SELECT count(*) INTO written FROM loyalty.segment_history;
		WITH before AS (SELECT program_id, segment, member_id FROM loyalty.member_segment),
		wanted AS (SELECT program_id, 'regular' AS segment, member_id FROM crm.regular JOIN loyalty.account USING (member_id)
			UNION SELECT program_id, 'recent', member_id FROM crm.recent JOIN loyalty.account USING (member_id) WHERE program_id = (SELECT program_id FROM loyalty.program WHERE name = 'Shop'))
		SELECT count(*) INTO step.differing FROM before FULL JOIN wanted USING (program_id, segment, member_id)
		WHERE before.member_id IS NULL OR wanted.member_id IS NULL;
		-- of all, or of those who have changed, as a trigger would; one by name
		IF n % 3 = 0 THEN
			SELECT sum(n_entered), sum(n_left) INTO step.entered, step."left" FROM loyalty.segment_refresh('Shop');
		ELSIF n % 3 = 1 THEN
			SELECT sum(n_entered), sum(n_left) INTO step.entered, step."left" FROM loyalty.segment_refresh('Shop', member_ids => step.changed);
		ELSE
			SELECT sum(n_entered), sum(n_left) INTO step.entered, step."left"
			FROM unnest('{recent,regular}'::text[]) s, loyalty.segment_refresh('Shop', s, step.changed);
		END IF;
		PERFORM FROM loyalty.segment_refresh('Cafe');
		WITH wanted AS (SELECT program_id, 'regular' AS segment, member_id FROM crm.regular JOIN loyalty.account USING (member_id)
			UNION SELECT program_id, 'recent', member_id FROM crm.recent JOIN loyalty.account USING (member_id) WHERE program_id = (SELECT program_id FROM loyalty.program WHERE name = 'Shop'))
		SELECT count(*) FILTER (WHERE m.member_id IS NULL), count(*) FILTER (WHERE wanted.member_id IS NULL) INTO step.missing, step.surplus
		FROM loyalty.member_segment m FULL JOIN wanted USING (program_id, segment, member_id);
		SELECT count(*) - written INTO step.written FROM loyalty.segment_history;
		step.step := n;
		INSERT INTO crm.step SELECT step.*;
	END LOOP;
END
$$;
CALL pg_temp.run(60);
SELECT is_empty('SELECT step, missing, surplus FROM crm.step WHERE missing + surplus > 0', 'after every refresh the members are those of the query');
SELECT is_empty('SELECT step, differing, written FROM crm.step WHERE written <> differing', 'what is written is the difference, and no more');
SELECT ok((SELECT bool_and(entered <= differing) AND sum(entered) > 300 AND sum("left") > 200 FROM crm.step), 'many have entered and left');
SELECT is((SELECT sum(entered + "left") FROM crm.step),
	(SELECT count(*)::numeric FROM loyalty.segment_history WHERE program_id = :shop), 'what is returned is what was written');
-- entered and left take turns, and the last says who is in it
SELECT is_empty($$SELECT member_id, segment FROM (
		SELECT *, lag(action, 1, 'left') OVER (PARTITION BY member_id, segment ORDER BY history_id) AS before FROM loyalty.segment_history) h WHERE action = before$$,
	'who enters was not in it, who leaves was');
SELECT set_eq($$SELECT member_id, segment, changed_at FROM (
		SELECT DISTINCT ON (member_id, segment) * FROM loyalty.segment_history ORDER BY member_id, segment, history_id DESC) h WHERE action = 'entered'$$,
	'SELECT member_id, segment, entered_at FROM loyalty.member_segment', 'the history tells who is in it, and since when');
SELECT is_empty($$SELECT FROM loyalty.member_segment m JOIN loyalty.account a USING (member_id) WHERE m.program_id <> a.program_id$$,
	'nobody is in a segment of another programme');
-- Nothing to do is nothing written
SELECT is((SELECT sum(n_entered + n_left) FROM loyalty.segment_refresh('Shop')), 0::numeric, 'at the end nothing differs');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
