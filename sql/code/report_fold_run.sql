-- Sums of runs of automations. Runs change, and so does what they gave. Calls name the
-- runs that they change (report_run_change), and a row of the journal that takes back or
-- uses what a run gave leads to the run. Such runs are compared with as what they are
-- counted, as coupons are (report_fold_coupon.sql); to compare one twice does no harm.

COMMENT ON TABLE loyalty.report_run_day IS 'What runs of automations came to, by the local day on which they were triggered';
COMMENT ON TABLE loyalty.report_run_return_day IS 'Members with runs of automations by local day and how long they had been without';
COMMENT ON TABLE loyalty.report_run_seen IS 'As what each run is counted in report_run_day';
COMMENT ON TABLE loyalty.report_run_change IS 'Runs that calls have changed and that are not folded';
COMMENT ON TYPE loyalty.report_run_item IS 'As what a run is counted';

CREATE OR REPLACE FUNCTION loyalty.report_run_changed()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_report_run_changed';
COMMENT ON FUNCTION loyalty.report_run_changed() IS
'Trigger: names for the reports the run that is changed or whose message is';

-- What inserts runs or takes messages names them itself, for all of a statement at once.
CREATE OR REPLACE TRIGGER run_counted AFTER UPDATE ON loyalty.automation_run
	FOR EACH ROW WHEN ((old.position > 0) <> (new.position > 0) OR (old.status = 'held_out') <> (new.status = 'held_out') OR
		(old.goal_at IS NULL) <> (new.goal_at IS NULL) OR old.triggered_at <> new.triggered_at)
	EXECUTE FUNCTION loyalty.report_run_changed();
CREATE OR REPLACE TRIGGER run_discounted AFTER DELETE ON loyalty.automation_run
	FOR EACH ROW EXECUTE FUNCTION loyalty.report_run_changed();
CREATE OR REPLACE TRIGGER message_run_counted AFTER UPDATE ON loyalty.message
	FOR EACH ROW WHEN (old.attempts > 0 AND new.attempts = 0 AND new.run_id IS NOT NULL)
	EXECUTE FUNCTION loyalty.report_run_changed();

-- By key, whatever the planner knows: a run has few of each.
CREATE OR REPLACE FUNCTION loyalty.report_run_now(member_ids bigint[], run_ids bigint[])
RETURNS SETOF loyalty.report_run_item
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET max_parallel_workers_per_gather = 0
SET jit = off
BEGIN ATOMIC
	SELECT r.member_id, r.run_id, coalesce(c.discount, 0)::bigint, r.program_id, r.automation_id,
		(r.triggered_at AT TIME ZONE p.time_zone)::date, coalesce(c.coupons, 0)::int, m.messages::int,
		-- as in report_automation
		(r.position > 0)::int::smallint, (r.status = 'held_out')::int::smallint,
		(r.position > 0 AND r.goal_at IS NOT NULL)::int::smallint, (r.status = 'held_out' AND r.goal_at IS NOT NULL)::int::smallint,
		a.unit_ids, a.awarded_on, a.awarded
	FROM (
		SELECT DISTINCT x.member_id, x.run_id
		FROM unnest(report_run_now.member_ids, report_run_now.run_ids) x (member_id, run_id)) k
	CROSS JOIN LATERAL (
		SELECT x.member_id, x.run_id, x.program_id, x.automation_id, x.triggered_at, x.position, x.status, x.goal_at,
			-- verify() must not fail where it has to tell what is wrong
			CASE WHEN jsonb_typeof(x.log) = 'array' THEN x.log ELSE '[]' END AS log
		FROM loyalty.automation_run x
		WHERE x.member_id = k.member_id AND x.run_id = k.run_id
		OFFSET 0) r
	CROSS JOIN LATERAL (SELECT x.time_zone FROM loyalty.program x WHERE x.program_id = r.program_id) p
	CROSS JOIN LATERAL (
		-- less what was taken back
		SELECT array_agg(y.unit_id ORDER BY y.unit_id, y.day) AS unit_ids, array_agg(y.day ORDER BY y.unit_id, y.day) AS awarded_on,
			array_agg(y.amount ORDER BY y.unit_id, y.day) AS awarded
		FROM (
			SELECT j.unit_id, (j.effective_at AT TIME ZONE p.time_zone)::date AS day, sum(j.amount - coalesce(b.amount, 0))::bigint AS amount
			FROM jsonb_array_elements(r.log) l (entry)
			JOIN loyalty.journal j ON j.member_id = r.member_id AND j.journal_id = (l.entry ->> 'journal_id')::bigint AND j.kind = 'award'
			CROSS JOIN LATERAL (
				SELECT sum(x.amount) AS amount FROM loyalty.journal x
				WHERE x.member_id = j.member_id AND x.reverses = 'award:' || j.journal_id AND x.kind = 'award_undo') b
			WHERE l.entry ->> 'kind' = 'award'
			GROUP BY 1, 2) y
		WHERE y.amount <> 0) a
	CROSS JOIN LATERAL (
		SELECT sum(y.coupons) AS coupons, sum(y.discount) AS discount
		FROM jsonb_array_elements(r.log) l (entry)
		CROSS JOIN LATERAL (
			SELECT count(DISTINCT h.coupon_no) AS coupons, sum(u.discount - u.returned) AS discount
			FROM loyalty.member_coupon h
			LEFT JOIN loyalty.coupon_use u ON u.member_id = h.member_id AND u.coupon_no = h.coupon_no AND u.status IN ('used', 'returned')
			WHERE h.member_id = r.member_id AND h.journal_id = (l.entry ->> 'journal_id')::bigint AND h.status <> 'void') y
		WHERE l.entry ->> 'kind' = 'coupon' AND l.entry ? 'journal_id') c
	CROSS JOIN LATERAL (
		SELECT count(*) AS messages FROM loyalty.message x
		WHERE x.member_id = r.member_id AND x.run_id = r.run_id AND x.attempts > 0) m;
END;
COMMENT ON FUNCTION loyalty.report_run_now(bigint[], bigint[]) IS
'For reports: as what runs count now';

-- A run names each award and coupon by their key.
CREATE OR REPLACE FUNCTION loyalty.report_run_moved(of_program int, first_ids bigint[], last_ids bigint[])
RETURNS TABLE (program_id int, member_id bigint, run_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET max_parallel_workers_per_gather = 0
SET jit = off
BEGIN ATOMIC
	WITH moved AS MATERIALIZED (
		SELECT j.program_id, j.member_id, j.journal_id, j.kind, j.ref, j.reverses
		FROM unnest(report_run_moved.first_ids, report_run_moved.last_ids) r (first_id, last_id)
		CROSS JOIN LATERAL loyalty.report_journal(report_run_moved.of_program, r.first_id, r.last_id) j
		-- where no automation has run there is nothing to look for
		WHERE EXISTS (SELECT FROM loyalty.automation_run x WHERE x.member_id = j.member_id)
	), given (program_id, member_id, journal_id) AS (
		SELECT m.program_id, m.member_id, m.journal_id FROM moved m WHERE m.kind = 'award'
		UNION ALL
		SELECT m.program_id, m.member_id, substring(m.reverses FROM '^award:([0-9]{1,18})$')::bigint
		FROM moved m
		WHERE m.kind = 'award_undo'
		UNION ALL
		SELECT h.program_id, h.member_id, h.journal_id
		FROM (
			SELECT m.member_id, m.ref FROM moved m WHERE m.ref IS NOT NULL
			UNION
			SELECT m.member_id, m.reverses FROM moved m WHERE m.reverses IS NOT NULL) o
		CROSS JOIN LATERAL (
			SELECT x.coupon_no FROM loyalty.coupon_use x
			WHERE x.member_id = o.member_id AND x.ref = o.ref AND x.coupon_no IS NOT NULL
			OFFSET 0) u
		JOIN loyalty.member_coupon h ON h.member_id = o.member_id AND h.coupon_no = u.coupon_no
		UNION ALL
		SELECT h.program_id, h.member_id, h.journal_id
		FROM moved m
		CROSS JOIN LATERAL (
			SELECT x.program_id, x.member_id, x.journal_id FROM loyalty.member_coupon x
			WHERE x.member_id = m.member_id AND (x.journal_id = m.journal_id OR x.ended_by = m.journal_id)
			OFFSET 0) h
		WHERE m.kind LIKE 'coupon%'
	)
	SELECT DISTINCT g.program_id, g.member_id, substring(j.key FROM '^automation-([0-9]{1,18})-[0-9]+$')::bigint
	FROM given g
	CROSS JOIN LATERAL (
		SELECT x.key FROM loyalty.journal x
		WHERE x.member_id = g.member_id AND x.journal_id = g.journal_id
		OFFSET 0) j
	WHERE j.key ~ '^automation-[0-9]{1,18}-[0-9]+$';
END;
COMMENT ON FUNCTION loyalty.report_run_moved(int, bigint[], bigint[]) IS
'For reports: the runs that gave what ranges of ids of the journal concern, of one programme or of all';

-- NULL for now: the run is gone; for seen: it was not counted yet.
CREATE OR REPLACE FUNCTION loyalty.report_run_pair(member_ids bigint[], run_ids bigint[])
RETURNS TABLE (now loyalty.report_run_item, seen loyalty.report_run_item)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET jit = off
BEGIN ATOMIC
	SELECT n, x.seen
	FROM loyalty.report_run_now(report_run_pair.member_ids, report_run_pair.run_ids) n
	CROSS JOIN LATERAL (
		SELECT (SELECT ROW(s.*)::loyalty.report_run_item FROM loyalty.report_run_seen s
			WHERE s.member_id = n.member_id AND s.run_id = n.run_id) AS seen
		OFFSET 0) x
	WHERE n IS DISTINCT FROM x.seen
	UNION ALL
	SELECT NULL, ROW(s.*)::loyalty.report_run_item
	FROM (
		SELECT DISTINCT x.member_id, x.run_id
		FROM unnest(report_run_pair.member_ids, report_run_pair.run_ids) x (member_id, run_id)) k
	CROSS JOIN LATERAL (
		SELECT x.* FROM loyalty.report_run_seen x
		WHERE x.member_id = k.member_id AND x.run_id = k.run_id
		OFFSET 0) s
	WHERE NOT EXISTS (SELECT FROM loyalty.automation_run r WHERE r.member_id = k.member_id AND r.run_id = k.run_id);
END;
COMMENT ON FUNCTION loyalty.report_run_pair(bigint[], bigint[]) IS
'For reports: of runs that count as something else than before, as what they count and as what they counted';

CREATE OR REPLACE FUNCTION loyalty.report_run_part(items loyalty.report_run_item[], sign int)
RETURNS TABLE (program_id int, automation_id int, day date, unit_id int, awarded_on date, runs bigint, treated bigint, held_out bigint,
	treated_goals bigint, held_out_goals bigint, coupons bigint, discount bigint, messages bigint, awarded bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT i.program_id, i.automation_id, i.day, 0, i.day, sum(sign), sum(sign * i.treated)::bigint, sum(sign * i.held_out)::bigint,
		sum(sign * i.treated_goals)::bigint, sum(sign * i.held_out_goals)::bigint, sum(sign * i.coupons)::bigint,
		sum(sign * i.discount)::bigint, sum(sign * i.messages)::bigint, 0::bigint
	FROM unnest(report_run_part.items) i
	GROUP BY i.program_id, i.automation_id, i.day
	UNION ALL
	SELECT i.program_id, i.automation_id, i.day, a.unit_id, a.awarded_on, 0, 0, 0, 0, 0, 0, 0, 0, sum(sign * a.awarded)::bigint
	FROM unnest(report_run_part.items) i
	CROSS JOIN LATERAL unnest(i.unit_ids, i.awarded_on, i.awarded) a (unit_id, awarded_on, awarded)
	GROUP BY i.program_id, i.automation_id, i.day, a.unit_id, a.awarded_on;
END;
COMMENT ON FUNCTION loyalty.report_run_part(loyalty.report_run_item[], int) IS
'For reports: what runs count in report_run_day, added up with a sign';

-- The days of the members' runs as they were and as they are. Only of those members of
-- whom a run comes, goes or is of another day.
CREATE OR REPLACE FUNCTION loyalty.report_run_turn(now loyalty.report_run_item[], seen loyalty.report_run_item[])
RETURNS TABLE (program_id int, automation_id int, day date, gap int, members bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
BEGIN ATOMIC
	WITH changed AS MATERIALIZED (
		SELECT sum(x.sign) AS sign, x.program_id, x.automation_id, x.member_id, x.run_id, x.day
		FROM (
			SELECT 1 AS sign, n.program_id, n.automation_id, n.member_id, n.run_id, n.day FROM unnest(report_run_turn.now) n
			UNION ALL
			SELECT -1, s.program_id, s.automation_id, s.member_id, s.run_id, s.day FROM unnest(report_run_turn.seen) s) x
		GROUP BY x.program_id, x.automation_id, x.member_id, x.run_id, x.day
		HAVING sum(x.sign) <> 0
	), had AS MATERIALIZED (
		SELECT s.program_id, s.automation_id, s.member_id, s.run_id, s.day
		FROM (SELECT DISTINCT c.member_id, c.automation_id FROM changed c) m
		CROSS JOIN LATERAL (
			SELECT x.program_id, x.automation_id, x.member_id, x.run_id, x.day FROM loyalty.report_run_seen x
			WHERE x.member_id = m.member_id AND x.automation_id = m.automation_id
			OFFSET 0) s
	), version AS (
		SELECT DISTINCT -1 AS sign, h.program_id, h.automation_id, h.member_id, h.day FROM had h
		UNION ALL
		SELECT 1, x.program_id, x.automation_id, x.member_id, x.day
		FROM (
			(SELECT h.program_id, h.automation_id, h.member_id, h.run_id, h.day FROM had h
			EXCEPT ALL
			SELECT c.program_id, c.automation_id, c.member_id, c.run_id, c.day FROM changed c WHERE c.sign < 0)
			UNION ALL
			SELECT c.program_id, c.automation_id, c.member_id, c.run_id, c.day FROM changed c WHERE c.sign > 0) x
		GROUP BY x.program_id, x.automation_id, x.member_id, x.day
	), placed AS (
		SELECT v.sign, v.program_id, v.automation_id, v.day,
			coalesce(v.day - lag(v.day) OVER (PARTITION BY v.sign, v.automation_id, v.member_id ORDER BY v.day), 0) AS gap
		FROM version v
	)
	SELECT p.program_id, p.automation_id, p.day, p.gap, sum(p.sign)
	FROM placed p
	GROUP BY p.program_id, p.automation_id, p.day, p.gap
	HAVING sum(p.sign) <> 0;
END;
COMMENT ON FUNCTION loyalty.report_run_turn(loyalty.report_run_item[], loyalty.report_run_item[]) IS
'For reports: what runs change in report_run_return_day that count as now and were counted as seen';

-- In one statement, so that what is noted is what was counted.
CREATE OR REPLACE FUNCTION loyalty.report_fold_run(member_ids bigint[], run_ids bigint[])
RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH pair AS MATERIALIZED (
		SELECT x.now, x.seen FROM loyalty.report_run_pair(report_fold_run.member_ids, report_fold_run.run_ids) x
	), counted AS MATERIALIZED (
		SELECT array_agg(x.now) FILTER (WHERE (x.now).run_id IS NOT NULL) AS now,
			array_agg(x.seen) FILTER (WHERE (x.seen).run_id IS NOT NULL) AS seen
		FROM pair x
	), gone AS (
		DELETE FROM loyalty.report_run_seen s USING pair x
		WHERE (x.now).run_id IS NULL AND s.member_id = (x.seen).member_id AND s.run_id = (x.seen).run_id
	), noted AS (
		INSERT INTO loyalty.report_run_seen AS t
		SELECT (x.now).* FROM pair x WHERE (x.now).run_id IS NOT NULL
		ON CONFLICT (member_id, run_id) DO UPDATE
		SET discount = excluded.discount, automation_id = excluded.automation_id, day = excluded.day, coupons = excluded.coupons,
			messages = excluded.messages, treated = excluded.treated, held_out = excluded.held_out,
			treated_goals = excluded.treated_goals, held_out_goals = excluded.held_out_goals, unit_ids = excluded.unit_ids,
			awarded_on = excluded.awarded_on, awarded = excluded.awarded
	), returned AS (
		INSERT INTO loyalty.report_run_return_day AS t (program_id, automation_id, day, gap, members)
		SELECT c.program_id, c.automation_id, c.day, c.gap, c.members
		FROM counted b
		CROSS JOIN LATERAL loyalty.report_run_turn(b.now, b.seen) c
		ON CONFLICT (program_id, automation_id, day, gap) DO UPDATE SET members = t.members + excluded.members
	)
	INSERT INTO loyalty.report_run_day AS t (program_id, automation_id, day, unit_id, awarded_on, runs, treated, held_out, treated_goals,
		held_out_goals, coupons, discount, messages, awarded)
	SELECT p.program_id, p.automation_id, p.day, p.unit_id, p.awarded_on, sum(p.runs), sum(p.treated), sum(p.held_out), sum(p.treated_goals),
		sum(p.held_out_goals), sum(p.coupons), sum(p.discount), sum(p.messages), sum(p.awarded)
	FROM counted b
	CROSS JOIN LATERAL (
		SELECT x.* FROM loyalty.report_run_part(b.now, 1) x
		UNION ALL
		SELECT x.* FROM loyalty.report_run_part(b.seen, -1) x) p
	GROUP BY p.program_id, p.automation_id, p.day, p.unit_id, p.awarded_on
	ON CONFLICT (program_id, automation_id, day, unit_id, awarded_on) DO UPDATE
	SET runs = t.runs + excluded.runs, treated = t.treated + excluded.treated, held_out = t.held_out + excluded.held_out,
		treated_goals = t.treated_goals + excluded.treated_goals, held_out_goals = t.held_out_goals + excluded.held_out_goals,
		coupons = t.coupons + excluded.coupons, discount = t.discount + excluded.discount, messages = t.messages + excluded.messages,
		awarded = t.awarded + excluded.awarded;
END;
COMMENT ON FUNCTION loyalty.report_fold_run(bigint[], bigint[]) IS
'For report_fold(): counts runs again in their sums, and notes as what they are counted';

CREATE OR REPLACE FUNCTION loyalty.report_run_fold(batch int)
RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH gone AS MATERIALIZED (
		DELETE FROM loyalty.report_run_change c
		USING (
			-- rows of one run, and of thousands
			SELECT y.program_id, y.change_id,
				sum(cardinality(y.run_ids)) OVER (ORDER BY y.program_id, y.change_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
			FROM (
				SELECT z.program_id, z.change_id, z.run_ids FROM loyalty.report_run_change z
				ORDER BY z.program_id, z.change_id LIMIT report_run_fold.batch) y) x
		WHERE c.program_id = x.program_id AND c.change_id = x.change_id AND coalesce(x.before, 0) < report_run_fold.batch
		RETURNING c.member_ids, c.run_ids
	), folded AS MATERIALIZED (
		SELECT loyalty.report_fold_run(array_agg(u.member_id), array_agg(u.run_id))
		FROM gone g
		CROSS JOIN LATERAL unnest(g.member_ids, g.run_ids) u (member_id, run_id)
	)
	SELECT (SELECT count(*) FROM gone) + 0 * (SELECT count(*) FROM folded f WHERE f IS NOT NULL);
END;
COMMENT ON FUNCTION loyalty.report_run_fold(int) IS
'For report_fold(): counts about so many runs again that calls have changed; how many changes these were';

CREATE OR REPLACE FUNCTION loyalty.report_run_correct(of_program int)
RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	INSERT INTO loyalty.report_run_change (program_id, change_id, member_ids, run_ids)
	SELECT p.program_id, nextval('loyalty.change_id_seq'), p.member_ids, p.run_ids
	FROM (
		SELECT r.program_id, array_agg(r.member_id) AS member_ids, array_agg(r.run_id) AS run_ids
		FROM (
			SELECT x.program_id, x.member_id, x.run_id, row_number() OVER (PARTITION BY x.program_id ORDER BY x.member_id, x.run_id) / 1000 AS part
			FROM loyalty.automation_run x
			WHERE report_run_correct.of_program IS NULL OR x.program_id = report_run_correct.of_program) r
		GROUP BY r.program_id, r.part) p;
END;
COMMENT ON FUNCTION loyalty.report_run_correct(int) IS
'For report_rebuild(): names all runs, of one programme or of all, as changed';

-- What reports read.

CREATE OR REPLACE FUNCTION loyalty.report_run_tail(of_program int)
RETURNS TABLE (now loyalty.report_run_item[], seen loyalty.report_run_item[])
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT array_agg(x.now) FILTER (WHERE (x.now).run_id IS NOT NULL), array_agg(x.seen) FILTER (WHERE (x.seen).run_id IS NOT NULL)
	FROM (
		SELECT array_agg(y.member_id) AS member_ids, array_agg(y.run_id) AS run_ids
		FROM (
			SELECT m.member_id, m.run_id
			FROM (SELECT array_agg(z.first_id) AS first_ids, array_agg(z.last_id) AS last_ids FROM loyalty.report_gap() z) g
			CROSS JOIN LATERAL loyalty.report_run_moved(report_run_tail.of_program, g.first_ids, g.last_ids) m
			UNION
			SELECT u.member_id, u.run_id
			FROM loyalty.report_run_change c
			CROSS JOIN LATERAL unnest(c.member_ids, c.run_ids) u (member_id, run_id)
			WHERE report_run_tail.of_program IS NULL OR c.program_id = report_run_tail.of_program) y) k
	CROSS JOIN LATERAL loyalty.report_run_pair(k.member_ids, k.run_ids) x;
END;
COMMENT ON FUNCTION loyalty.report_run_tail(int) IS
'For reports: the runs that are not folded, of one programme or of all, as what they count and as what they counted';

CREATE OR REPLACE FUNCTION loyalty.report_run_sum(program_id int, since date, until date)
RETURNS TABLE (automation_id int, day date, unit_id int, awarded_on date, runs bigint, treated bigint, held_out bigint,
	treated_goals bigint, held_out_goals bigint, coupons bigint, discount bigint, messages bigint, awarded bigint, members bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH tail AS MATERIALIZED (
		SELECT t.now, t.seen FROM loyalty.report_run_tail(report_run_sum.program_id) t
	)
	SELECT s.automation_id, s.day, s.unit_id, s.awarded_on, s.runs, s.treated, s.held_out, s.treated_goals, s.held_out_goals, s.coupons,
		s.discount, s.messages, s.awarded, 0::bigint
	FROM loyalty.report_run_day s
	WHERE s.program_id = report_run_sum.program_id AND s.day BETWEEN report_run_sum.since AND report_run_sum.until
	UNION ALL
	SELECT x.automation_id, x.day, x.unit_id, x.awarded_on, x.runs, x.treated, x.held_out, x.treated_goals, x.held_out_goals, x.coupons,
		x.discount, x.messages, x.awarded, 0
	FROM tail t
	CROSS JOIN LATERAL (
		SELECT y.* FROM loyalty.report_run_part(t.now, 1) y
		UNION ALL
		SELECT y.* FROM loyalty.report_run_part(t.seen, -1) y) x
	WHERE x.day BETWEEN report_run_sum.since AND report_run_sum.until
	UNION ALL
	-- who was not there before within the range
	SELECT r.automation_id, r.day, 0, r.day, 0, 0, 0, 0, 0, 0, 0, 0, 0, r.members
	FROM (
		SELECT s.automation_id, s.day, s.gap, s.members
		FROM loyalty.report_run_return_day s
		WHERE s.program_id = report_run_sum.program_id AND s.day BETWEEN report_run_sum.since AND report_run_sum.until
		UNION ALL
		SELECT x.automation_id, x.day, x.gap, x.members
		FROM tail t
		CROSS JOIN LATERAL loyalty.report_run_turn(t.now, t.seen) x
		WHERE x.day BETWEEN report_run_sum.since AND report_run_sum.until) r
	WHERE r.gap = 0 OR r.day - r.gap < report_run_sum.since;
END;
COMMENT ON FUNCTION loyalty.report_run_sum(int, date, date) IS
'For reports: what runs that were triggered in a range of local days came to, and whose they were (members), by automation; rows are to be added up';

-- For verify(): a run that is not folded may be counted as what it was.
CREATE OR REPLACE FUNCTION loyalty.report_run_differs(of_program int)
RETURNS TABLE (program_id int, member_id bigint, detail text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH tail AS MATERIALIZED (
		SELECT t.now, t.seen FROM loyalty.report_run_tail(report_run_differs.of_program) t
	), waiting AS MATERIALIZED (
		SELECT u.member_id, u.run_id FROM tail t CROSS JOIN LATERAL unnest(t.now || t.seen) u
	), noted AS MATERIALIZED (
		SELECT s AS item FROM loyalty.report_run_seen s
		WHERE report_run_differs.of_program IS NULL OR s.program_id = report_run_differs.of_program
	), run AS MATERIALIZED (
		SELECT n AS item
		FROM (
			SELECT array_agg(r.member_id) AS member_ids, array_agg(r.run_id) AS run_ids FROM loyalty.automation_run r
			WHERE report_run_differs.of_program IS NULL OR r.program_id = report_run_differs.of_program) k
		CROSS JOIN LATERAL loyalty.report_run_now(k.member_ids, k.run_ids) n
	), figure (sign, program_id, key, figures) AS (
		SELECT 1, s.program_id, format('sum=report_run_day day=%s automation=%s unit=%s awarded_on=%s', s.day, s.automation_id, s.unit_id, s.awarded_on),
			ARRAY[s.runs, s.treated, s.held_out, s.treated_goals, s.held_out_goals, s.coupons, s.discount, s.messages, s.awarded]
		FROM loyalty.report_run_day s
		UNION ALL
		SELECT -1, p.program_id, format('sum=report_run_day day=%s automation=%s unit=%s awarded_on=%s', p.day, p.automation_id, p.unit_id, p.awarded_on),
			ARRAY[p.runs, p.treated, p.held_out, p.treated_goals, p.held_out_goals, p.coupons, p.discount, p.messages, p.awarded]
		FROM (SELECT array_agg(ROW((n.item).*)::loyalty.report_run_item) AS items FROM noted n) a
		CROSS JOIN LATERAL loyalty.report_run_part(a.items, 1) p
		UNION ALL
		SELECT 1, s.program_id, format('sum=report_run_return_day day=%s automation=%s gap=%s', s.day, s.automation_id, s.gap), ARRAY[s.members]
		FROM loyalty.report_run_return_day s
		UNION ALL
		SELECT -1, d.program_id, format('sum=report_run_return_day day=%s automation=%s gap=%s', d.day, d.automation_id, d.gap), ARRAY[1]
		FROM (
			SELECT x.program_id, x.automation_id, x.day,
				coalesce(x.day - lag(x.day) OVER (PARTITION BY x.member_id, x.automation_id ORDER BY x.day), 0) AS gap
			FROM (
				SELECT DISTINCT (n.item).program_id, (n.item).automation_id, (n.item).member_id, (n.item).day FROM noted n) x) d
	), summed AS (
		SELECT f.program_id, f.key, u.no, sum(u.figure) FILTER (WHERE f.sign = 1) AS kept, sum(u.figure) FILTER (WHERE f.sign = -1) AS noted
		FROM figure f
		CROSS JOIN LATERAL unnest(f.figures) WITH ORDINALITY u (figure, no)
		WHERE report_run_differs.of_program IS NULL OR f.program_id = report_run_differs.of_program
		GROUP BY f.program_id, f.key, u.no
	)
	SELECT s.program_id, NULL::bigint, format('%s kept=%s noted=%s', s.key, string_agg(coalesce(s.kept, 0)::text, ',' ORDER BY s.no),
		string_agg(coalesce(s.noted, 0)::text, ',' ORDER BY s.no))
	FROM summed s
	GROUP BY s.program_id, s.key
	HAVING bool_or(coalesce(s.kept, 0) <> coalesce(s.noted, 0))
	UNION ALL
	SELECT coalesce((n.item).program_id, (r.item).program_id), x.member_id, format('sum=report_run_seen run=%s kept=%s ledger=%s', x.run_id, n.item, r.item)
	FROM noted n
	FULL JOIN run r ON (r.item).member_id = (n.item).member_id AND (r.item).run_id = (n.item).run_id
	CROSS JOIN LATERAL (
		SELECT coalesce((n.item).member_id, (r.item).member_id) AS member_id, coalesce((n.item).run_id, (r.item).run_id) AS run_id) x
	WHERE ROW((n.item).*)::loyalty.report_run_item IS DISTINCT FROM ROW((r.item).*)::loyalty.report_run_item
	AND NOT EXISTS (SELECT FROM waiting w WHERE w.member_id = x.member_id AND w.run_id = x.run_id);
END;
COMMENT ON FUNCTION loyalty.report_run_differs(int) IS
'For verify(): sums of runs, of one programme or of all, that are not what runs are noted as, and notes that are not what these are now';
