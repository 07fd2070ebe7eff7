-- A shop in which everything that reacts is set up, for the storm test/check/reaction and
-- for the crash test test/t/014_reaction_crash.pl: its members, its automations, and in
-- wrong() what must be so when the storm is over and everything was worked off, by SQL of
-- its own over the tables.
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION loyalty;
-- the time of all sessions; and since when there is no quota any more
CREATE TABLE clock (at timestamptz, lifted date);
INSERT INTO clock VALUES ('2026-03-01 02:00+08');
CREATE FUNCTION now_is() RETURNS text LANGUAGE sql AS $$ SELECT set_config('loyalty.now', at::text, false) FROM clock $$;
DO $$ BEGIN
	PERFORM now_is();
	PERFORM loyalty.program_create('shop', 'CNY', 'Asia/Shanghai');
	PERFORM loyalty.lifecycle_set('shop', 'activity', days => 10, least_days => 3);
END $$;
UPDATE loyalty.unit SET expiry = 'days', expiry_count = 25 WHERE code = 'points';
INSERT INTO loyalty.tier (program_id, code, rank, valid_months) SELECT program_id, t.* FROM loyalty.program,
	(VALUES ('base', 0, NULL), ('silver', 1, 1), ('gold', 2, 2)) t (code, rank, months);
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, months)
	SELECT t.program_id, t.tier_id, u.unit_id, CASE t.code WHEN 'silver' THEN 300 ELSE 900 END, 2
	FROM loyalty.tier t JOIN loyalty.unit u USING (program_id) WHERE t.code <> 'base' AND u.code = 'spend';
INSERT INTO loyalty.activity_kind (program_id, kind) SELECT program_id, 'view' FROM loyalty.program;
INSERT INTO loyalty.coupon (program_id, name, kind, amount) SELECT program_id, 'gift', 'amount', 5 FROM loyalty.program;
INSERT INTO loyalty.message_channel (program_id, name, quota, member_cap, quiet_from, quiet_until, fallback, wakes)
	SELECT program_id, c.* FROM loyalty.program, (VALUES
		('plain', NULL::int, NULL::int, NULL::time, NULL::time, NULL, true),
		('capped', NULL, 2, NULL, NULL, 'plain', false),
		('counted', 40, NULL, NULL, NULL, NULL, false),
		('quiet', NULL, NULL, '21:00', '09:00', 'capped', true)) c;
INSERT INTO loyalty.tag (program_id, name) SELECT program_id, 'vip' FROM loyalty.program;
INSERT INTO loyalty.tag (program_id, name) SELECT program_id, 'thanked' FROM loyalty.program;
INSERT INTO loyalty.tag (program_id, name, condition) SELECT program_id, 'often', '$.purchases.days_30.times >= 3' FROM loyalty.program;
INSERT INTO loyalty.segment (program_id, name, condition) SELECT program_id, 'regular', '$.purchases.days_30.times >= 2' FROM loyalty.program;
CREATE TABLE customer AS SELECT no, member_id FROM generate_series(1, 40) no,
	loyalty.enroll('shop', jsonb_build_object('customer_no', no::text), jsonb_build_object('birthday', date '1990-03-03' + no));
ALTER TABLE customer ADD PRIMARY KEY (no);
CREATE FUNCTION m(int) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT member_id FROM customer WHERE no = $1 $$;

-- the automations, and their steps
CREATE FUNCTION automation(o jsonb, steps jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	id int;
	shop int := (SELECT program_id FROM loyalty.program);
BEGIN
	INSERT INTO loyalty.automation (program_id, name, trigger_kind, trigger_name, days, percent, lead, days_of_week, at_time, late_days, segment, condition,
			once, gap_days, delay, restarts, holdout, goal_event, goal_days, purpose)
		SELECT shop, a.name, a.kind, a.of, a.days, a.percent, a.lead, a.weekdays, '00:00', 366, a.segment, a.condition,
			coalesce(a.once, 'occurrence'), a.gap, coalesce(a.delay, '0'), coalesce(a.restarts, false), coalesce(a.holdout, 0), a.goal, a.goal_days, coalesce(a.purpose, 'service')
		FROM jsonb_to_record(o) a (name text, kind text, of text, days int, percent numeric, lead interval, weekdays int[], segment text, condition jsonpath,
			once text, gap int, delay interval, restarts boolean, holdout numeric, goal text, goal_days int, purpose text)
		RETURNING automation_id INTO id;
	INSERT INTO loyalty.automation_step (automation_id, position, program_id, kind, unit_id, amount, coupon, tag, channel, template, wait, condition, otherwise)
		SELECT id, 10 * s.ordinality, shop, s.kind, CASE WHEN s.kind = 'award' THEN (SELECT unit_id FROM loyalty.unit WHERE code = 'points') END, s.amount,
			s.coupon, s.tag, s.channel, CASE WHEN s.kind = 'message' THEN o ->> 'name' END, s.wait, s.condition, s.otherwise
		FROM ROWS FROM (jsonb_to_recordset(steps) AS (kind text, amount numeric, coupon text, tag text, channel text, wait interval, condition jsonpath, otherwise int))
			WITH ORDINALITY s (kind, amount, coupon, tag, channel, wait, condition, otherwise, ordinality);
	PERFORM loyalty.automation_start('shop', o ->> 'name');
END
$$;
DO $$ BEGIN
	PERFORM automation(a, s) FROM (VALUES
		-- of each order, with all that can be taken back
		('{"name": "thanks", "kind": "event", "of": "purchase"}'::jsonb,
			'[{"kind": "award", "amount": 5}, {"kind": "coupon", "coupon": "gift"}, {"kind": "tag_add", "tag": "thanked"}, {"kind": "message", "channel": "plain"}]'::jsonb),
		-- half of the members get it, and later more
		('{"name": "half", "kind": "event", "of": "purchase", "holdout": 50}',
			'[{"kind": "award", "amount": 2}, {"kind": "wait", "wait": "2 days"}, {"kind": "award", "amount": 3}, {"kind": "message", "channel": "capped"}]'),
		-- once a week, until he comes again
		('{"name": "journey", "kind": "event", "of": "purchase", "once": "week", "gap": 2, "goal": "purchase", "goal_days": 3, "delay": "3 hours", "purpose": "marketing"}',
			'[{"kind": "message", "channel": "capped"}, {"kind": "wait", "wait": "1 day"}, {"kind": "check", "condition": "$.member.purchases >= 4", "otherwise": 50}, {"kind": "message", "channel": "quiet"}, {"kind": "message", "channel": "counted"}]'),
		-- paused, resumed and edited by the storm
		('{"name": "flaky", "kind": "event", "of": "purchase", "delay": "1 hour"}', '[{"kind": "award", "amount": 1}, {"kind": "message", "channel": "counted"}]'),
		('{"name": "sorry", "kind": "refund"}', '[{"kind": "message", "channel": "plain"}]'),
		('{"name": "promoted", "kind": "tier", "of": "promoted"}', '[{"kind": "coupon", "coupon": "gift"}, {"kind": "message", "channel": "capped"}]'),
		('{"name": "nearly", "kind": "near_tier", "percent": 40}', '[{"kind": "message", "channel": "capped"}]'),
		('{"name": "stages", "kind": "stage"}', '[{"kind": "award", "amount": 1}, {"kind": "message", "channel": "quiet"}]'),
		('{"name": "vips", "kind": "tag_set", "of": "vip"}', '[{"kind": "award", "amount": 4}]'),
		('{"name": "no_vips", "kind": "tag_removed", "of": "vip"}', '[{"kind": "message", "channel": "plain"}]'),
		('{"name": "regulars", "kind": "segment_entered", "of": "regular"}', '[{"kind": "award", "amount": 1}]'),
		('{"name": "browse", "kind": "activity", "of": "view", "delay": "6 hours", "restarts": true}', '[{"kind": "message", "channel": "plain"}]'),
		('{"name": "lapsing", "kind": "points_expiring", "of": "points", "days": 5}', '[{"kind": "message", "channel": "plain"}]'),
		('{"name": "silence", "kind": "silent", "of": "purchase", "days": 12}', '[{"kind": "coupon", "coupon": "gift"}, {"kind": "message", "channel": "quiet"}]'),
		('{"name": "birthday", "kind": "date", "of": "birthday", "days": 0}', '[{"kind": "award", "amount": 50}, {"kind": "message", "channel": "plain"}]'),
		('{"name": "basket", "kind": "hold_expiring", "of": "points", "lead": "3 hours"}', '[{"kind": "message", "channel": "plain"}]'),
		('{"name": "weekly", "kind": "schedule", "weekdays": [1]}', '[{"kind": "award", "amount": 1}, {"kind": "message", "channel": "plain"}]'),
		('{"name": "news", "kind": "announcement"}', '[{"kind": "award", "amount": 1}, {"kind": "message", "channel": "counted"}]'),
		('{"name": "recall", "kind": "announcement", "delay": "12 hours"}', '[{"kind": "message", "channel": "plain"}]')) a (a, s);
	PERFORM loyalty.consent_give(member_id, 'marketing') FROM customer;
	PERFORM loyalty.tag_refresh('shop');
END $$;

-- What the clients say became of each key: done; undone, as its transaction was rolled
-- back or refused; unknown, as the connection was lost.
CREATE TABLE fate (key text, fate text);
-- What consumers were answered: true, false, or unknown.
CREATE TABLE marked (message_id bigint, answer text);

CREATE FUNCTION wrong() RETURNS TABLE (what text, detail text) LANGUAGE sql STABLE
-- to compile it would take longer than to run it, and nobody knows how many rows it makes up
SET jit = off SET enable_nestloop = off AS $wrong$
	WITH today AS (SELECT (loyalty.now() AT TIME ZONE 'Asia/Shanghai')::date AS today),
	run AS MATERIALIZED (SELECT r.*, a.name, a.trigger_kind FROM loyalty.automation_run r JOIN loyalty.automation a USING (automation_id)),
	-- all that was written by a key of the storm
	written AS (
		SELECT key FROM loyalty.journal WHERE key LIKE 'storm-%'
		UNION ALL SELECT evidence FROM loyalty.consent WHERE evidence LIKE 'storm-%'
		UNION ALL SELECT dedupe_key FROM loyalty.message WHERE dedupe_key LIKE 'storm-%'
		UNION ALL SELECT key FROM loyalty.activity WHERE key LIKE 'storm-%'
		UNION ALL SELECT key FROM loyalty.automation_broadcast WHERE key LIKE 'storm-%'),
	-- each step that gives something and was passed, by the key under which it gave
	passed AS MATERIALIZED (
		SELECT r.run_id, s.position, s.kind, format('automation-%s-%s', r.run_id, s.position) AS key, r.status, r.name
		FROM run r JOIN loyalty.automation_step s ON s.automation_id = r.automation_id AND s.position <= r.position
		WHERE s.kind IN ('award', 'coupon', 'message') AND r.status <> 'held_out'),
	gave AS MATERIALIZED (
		SELECT key, 'row' AS what FROM loyalty.journal WHERE key ~ '^automation-\d+-\d+$'
		UNION ALL SELECT dedupe_key, 'message' FROM loyalty.message WHERE dedupe_key ~ '^automation-\d+-\d+$'),
	refunded AS (
		SELECT j.member_id, j.journal_id, j.ref FROM loyalty.journal j
		JOIN loyalty.journal f ON f.member_id = j.member_id AND f.kind = 'refund' AND f.reverses = j.ref
		WHERE j.kind = 'event' AND j.event = 'purchase'
		GROUP BY j.member_id, j.journal_id, j.ref, j.amount HAVING sum(f.amount) = j.amount)
	-- the log of the clients
	SELECT 'committed, and not there or twice', f.key FROM fate f WHERE f.fate = 'done' AND 1 <> (SELECT count(*) FROM written w WHERE w.key = f.key)
	UNION ALL
	SELECT 'not committed, and there', w.key FROM written w WHERE NOT EXISTS (SELECT FROM fate f WHERE f.key = w.key AND f.fate IN ('done', 'unknown'))
	UNION ALL
	SELECT 'twice', key FROM written GROUP BY key HAVING count(*) > 1
	-- what happened has its run
	UNION ALL
	SELECT 'runs of an order', format('%s %s: %s', a.name, j.journal_id, count(r.run_id))
	FROM loyalty.automation a JOIN loyalty.journal j ON j.kind = 'event' AND j.event = 'purchase'
	LEFT JOIN run r ON r.member_id = j.member_id AND r.automation_id = a.automation_id AND r.journal_id = j.journal_id
	WHERE a.name IN ('thanks', 'half') GROUP BY a.name, j.journal_id HAVING count(r.run_id) <> 1
	UNION ALL
	SELECT 'runs of a refund', format('%s: %s', j.journal_id, count(r.run_id))
	FROM loyalty.journal j LEFT JOIN run r ON r.member_id = j.member_id AND r.name = 'sorry' AND r.journal_id = j.journal_id
	WHERE j.kind = 'refund' GROUP BY j.journal_id HAVING count(r.run_id) <> 1
	UNION ALL
	SELECT 'runs of a promotion', format('%s: %s', h.journal_id, count(DISTINCT r.run_id))
	FROM loyalty.tier_history h LEFT JOIN run r ON r.member_id = h.member_id AND r.name = 'promoted' AND r.journal_id = h.journal_id
	WHERE h.action = 'promoted' GROUP BY h.journal_id HAVING count(DISTINCT r.run_id) <> 1
	UNION ALL
	SELECT 'a run without what happened', format('%s %s', r.name, r.run_id) FROM run r
	WHERE r.trigger_kind IN ('event', 'refund', 'tier') AND NOT EXISTS (SELECT FROM loyalty.journal j WHERE j.member_id = r.member_id AND j.journal_id = r.journal_id)
	UNION ALL
	SELECT 'a tag or stage without its run', format('%s %s %s', h.member_id, h.tag, h.changed_at)
	FROM loyalty.tag_history h
	CROSS JOIN LATERAL (SELECT CASE WHEN h.tag = 'vip' THEN CASE h.action WHEN 'set' THEN 'vips' ELSE 'no_vips' END
		WHEN h.action = 'set' AND h.tag IN ('registered', 'active', 'silent', 'lost') THEN 'stages' END AS name) x
	WHERE x.name IS NOT NULL AND EXISTS (SELECT FROM loyalty.account a WHERE a.member_id = h.member_id AND a.status <> 'closed') AND h.changed_at > '2026-03-01 02:00+08' AND NOT EXISTS (SELECT FROM run r WHERE r.member_id = h.member_id AND r.name = x.name
		AND r.occurrence = to_char(h.changed_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD ') || h.tag)
	UNION ALL
	SELECT 'a segment without its run', format('%s %s', h.member_id, h.changed_at)
	FROM loyalty.segment_history h WHERE h.action = 'entered' AND EXISTS (SELECT FROM loyalty.account a WHERE a.member_id = h.member_id AND a.status <> 'closed') AND NOT EXISTS (SELECT FROM run r WHERE r.member_id = h.member_id AND r.name = 'regulars'
		AND r.occurrence = to_char(h.changed_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD ') || h.segment)
	UNION ALL
	SELECT 'an activity without a run', a.member_id::text FROM (SELECT DISTINCT member_id FROM loyalty.activity) a
	WHERE NOT EXISTS (SELECT FROM run r WHERE r.member_id = a.member_id AND r.name = 'browse')
	UNION ALL
	-- what began anew waited for the last of them: a run for each time that nothing was seen for six hours at most
	SELECT 'more runs than activities', format('%s: %s', r.member_id, count(*)) FROM run r WHERE r.name = 'browse' GROUP BY r.member_id
	HAVING count(*) > (SELECT count(*) FROM loyalty.activity a WHERE a.member_id = r.member_id)
	UNION ALL
	SELECT 'a birthday without its run', format('%s %s', b.member_id, b.day)
	FROM (SELECT m.member_id, (m.joined_at AT TIME ZONE 'Asia/Shanghai')::date AS joined,
			make_date(2026, extract(month FROM b)::int, extract(day FROM b)::int) AS day
		FROM loyalty.member m JOIN loyalty.account a USING (member_id), CAST(m.profile ->> 'birthday' AS date) b WHERE b IS NOT NULL AND a.status <> 'closed') b, today
	WHERE b.day > b.joined AND b.day <= today.today
	AND 1 <> (SELECT count(*) FROM run r WHERE r.member_id = b.member_id AND r.name = 'birthday' AND r.occurrence = b.day::text)
	UNION ALL
	SELECT 'silence without its run', format('%s %s', b.member_id, b.since)
	FROM (SELECT a.member_id, (coalesce(a.last_purchase_at, m.joined_at) AT TIME ZONE 'Asia/Shanghai')::date AS since
		FROM loyalty.account a JOIN loyalty.member m USING (member_id) WHERE a.status <> 'closed') b, today
	WHERE b.since + 12 <= today.today
	AND 1 <> (SELECT count(*) FROM run r WHERE r.member_id = b.member_id AND r.name = 'silence' AND r.occurrence = b.since::text)
	UNION ALL
	SELECT 'a schedule without its broadcast', d::text FROM today, generate_series(timestamp '2026-03-02', today.today::timestamp, '7 days') d
	WHERE 1 <> (SELECT count(*) FROM loyalty.automation_broadcast b JOIN loyalty.automation a USING (automation_id) WHERE a.name = 'weekly' AND b.key = to_char(d, 'YYYY-MM-DD'))
	UNION ALL
	SELECT 'a broadcast that is not over', broadcast_id::text FROM loyalty.automation_broadcast WHERE status = 'running'
	UNION ALL
	SELECT 'one of the audience without his run', format('%s %s: %s', b.key, c.member_id, count(r.run_id))
	FROM loyalty.automation_broadcast b JOIN loyalty.automation a USING (automation_id) CROSS JOIN customer c
	LEFT JOIN run r ON r.member_id = c.member_id AND r.automation_id = b.automation_id AND r.occurrence = b.broadcast_id::text
	WHERE b.status = 'done' AND a.name IN ('weekly', 'news') GROUP BY b.key, c.member_id HAVING count(r.run_id) <> 1
	UNION ALL
	SELECT 'a count of a broadcast', format('%s: %s', b.key, b.started) FROM loyalty.automation_broadcast b
	WHERE b.started <> (SELECT count(*) FROM run r WHERE r.automation_id = b.automation_id AND r.occurrence = b.broadcast_id::text)
	-- what runs did
	UNION ALL
	SELECT 'a run that is not over', format('%s %s %s %s', name, run_id, status, reason) FROM run WHERE status IN ('waiting', 'failed')
	UNION ALL
	SELECT 'a done run that is not at its end', format('%s %s', r.name, r.run_id) FROM run r
	WHERE r.status = 'done' AND r.position <> (SELECT max(s.position) FROM loyalty.automation_step s WHERE s.automation_id = r.automation_id)
	UNION ALL
	SELECT 'a step that was not done once', format('%s %s: %s', p.name, p.key, count(g.key)) FROM passed p LEFT JOIN gave g USING (key)
	WHERE NOT (p.name = 'journey' AND p.position = 40) GROUP BY p.name, p.key HAVING count(g.key) <> 1
	UNION ALL
	SELECT 'a gift of a step that was not done', g.key FROM gave g WHERE NOT EXISTS (SELECT FROM passed p WHERE p.key = g.key)
	UNION ALL
	SELECT 'a gift to one who is held out', r.run_id::text FROM run r WHERE r.status = 'held_out'
	AND (r.position > 0 OR EXISTS (SELECT FROM loyalty.automation_step s JOIN gave g ON g.key = format('automation-%s-%s', r.run_id, s.position) WHERE s.automation_id = r.automation_id) OR EXISTS (SELECT FROM loyalty.message m WHERE m.member_id = r.member_id AND m.run_id = r.run_id))
	UNION ALL
	SELECT 'held out of one and not of the other', member_id::text FROM run WHERE name = 'half' AND status IN ('held_out', 'done', 'undone') AND (status = 'held_out' OR position > 0)
	GROUP BY member_id HAVING count(DISTINCT status = 'held_out') > 1
	UNION ALL
	SELECT 'a gift for an order that was refunded', format('%s %s %s', r.name, r.run_id, r.status) FROM run r JOIN refunded f ON f.member_id = r.member_id AND f.journal_id = r.journal_id
	WHERE r.trigger_kind IN ('event', 'tier') AND r.status IN ('waiting', 'done', 'exited')
	UNION ALL
	SELECT 'undone without a refund', r.run_id::text FROM run r WHERE r.status = 'undone' AND NOT EXISTS (SELECT FROM refunded f WHERE f.member_id = r.member_id AND f.journal_id = r.journal_id)
	UNION ALL
	SELECT 'an award that was not taken back once', g.key FROM run r JOIN passed p USING (run_id) JOIN loyalty.journal g ON g.member_id = r.member_id AND g.key = p.key
	WHERE r.status = 'undone' AND p.kind = 'award'
	AND 1 <> (SELECT count(*) FROM loyalty.journal u WHERE u.member_id = r.member_id AND u.key = format('automation-%s-undo-%s', r.run_id, g.journal_id))
	UNION ALL
	SELECT 'a coupon that was not taken back', g.key FROM run r JOIN passed p USING (run_id) JOIN loyalty.journal g ON g.member_id = r.member_id AND g.key = p.key
	JOIN loyalty.member_coupon c ON c.member_id = r.member_id AND c.journal_id = g.journal_id
	WHERE r.status = 'undone' AND c.status = 'issued' AND c.uses = 0
	UNION ALL
	SELECT 'a message that was not taken back', m.message_id::text FROM run r JOIN loyalty.message m ON m.member_id = r.member_id AND m.run_id = r.run_id
	WHERE r.status = 'undone' AND m.status = 'queued' AND m.attempts = 0
	-- messages
	UNION ALL
	SELECT 'a message that waits', format('%s %s %s', message_id, channel, status) FROM loyalty.message WHERE status IN ('queued', 'taken')
	UNION ALL
	SELECT 'a message that was not done once', format('%s %s: %s', m.message_id, m.status, count(*) FILTER (WHERE k.answer = 't')) FROM loyalty.message m
	LEFT JOIN marked k ON k.message_id = m.message_id
	GROUP BY m.message_id, m.status
	HAVING count(*) FILTER (WHERE k.answer = 't') <> (m.status = 'done')::int AND NOT (m.status = 'done' AND count(*) FILTER (WHERE k.answer = 't') = 0 AND bool_or(k.answer = 'unknown'))
	UNION ALL
	SELECT 'above the cap', format('%s %s: %s', member_id, (taken_at AT TIME ZONE 'Asia/Shanghai')::date, count(*)) FROM loyalty.message
	WHERE channel = 'capped' AND purpose <> 'service' AND priority < 9 AND taken_at IS NOT NULL
	GROUP BY member_id, (taken_at AT TIME ZONE 'Asia/Shanghai')::date HAVING count(*) > 2
	UNION ALL
	SELECT 'above the quota', format('%s: %s', (taken_at AT TIME ZONE 'Asia/Shanghai')::date, count(*)) FROM loyalty.message
	WHERE channel = 'counted' AND (taken_at AT TIME ZONE 'Asia/Shanghai')::date < (SELECT lifted FROM clock) GROUP BY (taken_at AT TIME ZONE 'Asia/Shanghai')::date HAVING count(*) > 120
	UNION ALL
	SELECT 'counted above the quota', format('%s: %s', day, taken) FROM loyalty.message_quota WHERE taken > 120
	UNION ALL
	SELECT 'counted less than was taken', format('%s: %s', q.day, q.taken) FROM loyalty.message_quota q WHERE q.channel = 'counted' AND q.day < (SELECT lifted FROM clock)
	AND q.taken < (SELECT count(*) FROM loyalty.message m WHERE m.channel = 'counted' AND (m.taken_at AT TIME ZONE 'Asia/Shanghai')::date = q.day)
	UNION ALL
	SELECT 'a fallback twice', fallback_of::text FROM loyalty.message WHERE fallback_of IS NOT NULL GROUP BY fallback_of HAVING count(*) > 1
	-- dates
	UNION ALL
	SELECT 'found too late', format('%s due_on=%s: %s %s', a.member_id, a.due_on, d.what, d.day) FROM loyalty.account a JOIN loyalty.member m USING (member_id), today,
	LATERAL (
		SELECT 'tier', a.tier_until + 1 WHERE a.tier_until IS NOT NULL
		UNION ALL
		SELECT 'birthday', make_date(2026 + (x.day <= today.today)::int, extract(month FROM x.day)::int, extract(day FROM x.day)::int)
		FROM CAST(m.profile ->> 'birthday' AS date) b, make_date(2026, extract(month FROM b)::int, extract(day FROM b)::int) AS x (day) WHERE b IS NOT NULL AND a.status <> 'closed'
		UNION ALL
		SELECT 'silence', x.day + 12 FROM CAST(a.last_purchase_at AT TIME ZONE 'Asia/Shanghai' AS date) x (day) WHERE x.day + 12 > today.today AND a.status <> 'closed'
		UNION ALL
		SELECT CASE e.days WHEN 1 THEN 'expiry' ELSE 'lapsing' END, min(e.expires_on + e.days)
		FROM (SELECT x.expires_on, sum(x.amount) AS amount FROM loyalty.entry x WHERE x.member_id = a.member_id AND x.expires_on IS NOT NULL GROUP BY x.unit_id, x.expires_on) s
		CROSS JOIN LATERAL (VALUES (s.expires_on, s.amount, 1), (s.expires_on, s.amount, -5)) e (expires_on, amount, days)
		WHERE e.amount > 0 AND e.expires_on + e.days > today.today AND (e.days = 1 OR a.status <> 'closed') GROUP BY e.days) d (what, day)
	WHERE a.due_on > d.day
	UNION ALL
	SELECT 'points that lapsed are there', format('%s %s', x.member_id, x.expires_on) FROM loyalty.entry x, today
	WHERE x.expires_on < today.today GROUP BY x.member_id, x.unit_id, x.expires_on HAVING sum(x.amount) > 0
	UNION ALL
	SELECT 'a hold that has timed out', hold_id::text FROM loyalty.hold WHERE status = 'held' AND expires_at <= loyalty.now()
	UNION ALL
	SELECT 'a fault', format('%s %s: %s', job, member_id, message) FROM loyalty.maintenance_fault
	UNION ALL
	SELECT 'a job that failed', format('%s: %s', job, error) FROM loyalty.maintenance_job WHERE errors > 0
	UNION ALL
	SELECT 'a backlog', format('%s: %s', job, backlog) FROM loyalty.maintenance_backlog() WHERE backlog > 0
$wrong$;

-- All that the extension keeps, but for when maintenance ran last.
CREATE FUNCTION state() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r regclass;
	one text;
	what text := '';
BEGIN
	FOR r IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'loyalty' AND c.relkind = 'r' AND c.relname <> 'maintenance_job' ORDER BY c.relname
	LOOP
		EXECUTE format('SELECT %L || count(*) || md5(coalesce(string_agg(x::text, '','' ORDER BY x::text), '''')) FROM %s x', r || ' ', r) INTO one;
		what := what || one || E'\n';
	END LOOP;
	RETURN what;
END
$$;
