\set ECHO none
\i test/prelude.sql
-- The oracle is a copy in which the campaign was live: two programmes get the same calls, one with the campaign live, one with a
-- draft of it, and what simulate() says of the draft must be what the other one posted, posting for posting.
SELECT plan(40);

-- A number from 0 to n - 1 that looks like chance and is always the same
CREATE FUNCTION pg_temp.dice(seed text, n int) RETURNS int
LANGUAGE sql IMMUTABLE AS $$ SELECT (('x' || substr(md5(seed), 1, 7))::bit(28)::int % n) $$;

-- A programme with everything that rules may depend on; the campaign is live between its dates, or a draft without any
CREATE PROCEDURE pg_temp.shop(shop text, live boolean, budgets boolean)
LANGUAGE plpgsql AS $$
DECLARE
	id int := loyalty.program_create(shop, 'CNY', 'Asia/Shanghai', 'empty');
	campaign int;
	other int;
BEGIN
	UPDATE loyalty.program SET tier_refund = 'immediate' WHERE program_id = id;
	UPDATE loyalty.program_event SET daily = true, makeup_days = 3 WHERE program_id = id AND event = 'check_in';
	INSERT INTO loyalty.unit (program_id, code, kind, scale, vest_days, expiry, expiry_count) VALUES
		(id, 'points', 'points', 0, 0, 'end_of_month', 6), (id, 'stars', 'points', 1, 7, 'days', 60);
	INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES
		(id, 'cash', 'money', 2), (id, 'growth', 'metric', 0), (id, 'spend', 'metric', 2), (id, 'idle', 'points', 0);
	INSERT INTO loyalty.unit (program_id, code, kind, period) VALUES
		(id, 'day_points', 'counter', 'day'), (id, 'month_times', 'counter', 'month'), (id, 'ever', 'counter', 'lifetime');
	INSERT INTO loyalty.unit_anchor (program_id, unit_id, valid_from, units, money)
	SELECT id, unit_id, '2025-01-01', 100, 100 FROM loyalty.unit WHERE program_id = id AND code IN ('points', 'cash');
	INSERT INTO loyalty.tier (program_id, code, rank, multiplier, valid_months, grace_days, demotion, expiry, expiry_count) VALUES
		(id, 'ordinary', 0, 1, NULL, 0, 'one_level', NULL, NULL), (id, 'silver', 1, 1.5, 3, 5, 'one_level', NULL, NULL),
		(id, 'gold', 2, 2, 4, 0, 'to_qualified', 'end_of_year', 1), (id, 'guest', 3, 3, 1, 0, 'to_qualified', NULL, NULL);
	INSERT INTO loyalty.tier_threshold (program_id, tier_id, purpose, unit_id, threshold, window_kind, months)
	SELECT id, t.tier_id, v.purpose, u.unit_id, v.threshold, v.window_kind, v.months
	FROM (VALUES ('silver', 'entry', 'growth', 1300, 'rolling', 3), ('gold', 'entry', 'growth', 4000, 'rolling', 6),
			('gold', 'retention', 'growth', 2400, 'tier_start', NULL)) v (tier, purpose, unit, threshold, window_kind, months)
	JOIN loyalty.tier t ON t.program_id = id AND t.code = v.tier
	JOIN loyalty.unit u ON u.program_id = id AND u.code = v.unit;
	INSERT INTO loyalty.segment (program_id, name) VALUES (id, 'regular');
	INSERT INTO loyalty.rule_group (program_id, name, combine) VALUES (id, 'grade', 'sum'), (id, 'gifts', 'best');
	INSERT INTO loyalty.campaign (program_id, name, status, starts_at, ends_at) VALUES
		(id, 'summer', CASE WHEN live THEN 'live' ELSE 'draft' END,
			CASE WHEN live THEN timestamptz '2025-04-01 00:00+08' END, CASE WHEN live THEN timestamptz '2025-09-01 00:00+08' END)
	RETURNING campaign_id INTO campaign;
	INSERT INTO loyalty.campaign (program_id, name, status) VALUES (id, 'always', 'live') RETURNING campaign_id INTO other;

	PERFORM pg_temp.rule(r || jsonb_build_object('program', shop)) FROM (VALUES
		('{"name": "points", "kind": "per_amount", "award": 1, "per": 1, "rule_group": "grade"}'::jsonb),
		('{"name": "growth", "kind": "per_amount", "award": 1, "per": 2, "unit": "growth"}'),
		('{"name": "spend", "kind": "per_amount", "award": 0.01, "per": 0.01, "unit": "spend"}'),
		('{"name": "welcome", "award": 20, "event": "signup", "unit": "points"}'),
		('{"name": "review", "award": 10, "event": "review", "once_per_target": true}'),
		('{"name": "gift", "award": 30, "rule_group": "gifts", "cooldown": "10 days"}'),
		('{"name": "streak", "kind": "steps", "base": "streak", "event": "check_in", "step_from": "{1,3,5}", "step_award": "{1,3,9}"}'),
		('{"name": "stars", "kind": "per_quantity", "award": 0.5, "per": 1, "unit": "stars"}'),
		('{"name": "rich", "award": 15, "condition": "$.member.counters.points > 1500 && $.member.counters.day_points < 30"}'),
		('{"name": "cash back", "kind": "per_amount", "award": 0.02, "per": 1, "proportional": true, "unit": "cash"}')) v (r);
	PERFORM pg_temp.rule(r || jsonb_build_object('program', shop, 'campaign_id', campaign)) FROM (VALUES
		('{"name": "double", "kind": "multiplier", "award": 2, "rule_group": "grade", "days_of_week": "{6,7}"}'::jsonb),
		('{"name": "more growth", "kind": "per_amount", "award": 1, "per": 4, "unit": "growth", "tags": "{vip}"}'),
		('{"name": "better gift", "award": 50, "on_excess": "reject", "rule_group": "gifts", "days_of_month": "{1,2,3,4,5,6,7,8,9}"}'),
		('{"name": "only", "kind": "per_quantity", "award": 2, "per": 1, "unit": "stars", "exclusive": true, "priority": 1, "item_filter": "$.category == \"tea\""}'),
		('{"name": "comeback", "award": 25, "idle_from": 12, "cooldown": "1 mon"}'),
		('{"name": "review more", "award": 5, "event": "review", "once_per_target": true}'),
		('{"name": "streak more", "kind": "steps", "base": "streak", "event": "check_in", "step_from": "{2}", "step_award": "{2}"}'),
		('{"name": "first", "award": 8, "first_purchases": 3, "unit": "points"}'),
		('{"name": "for gold", "award": 12, "tiers": "{gold,silver}", "priority": 200}'),
		('{"name": "sign", "award": 5, "event": "signup"}'),
		('{"name": "regular", "award": 4, "segments": "{regular}"}'),
		('{"name": "never", "award": 5, "unit": "idle", "channels": "{moon}"}'),
		('{"name": "after", "award": 3, "condition": "$.member.counters.points > 1400 && $.member.purchases > 2 && $.event.late_days < 2"}')) v (r);
	-- shared with a rule that is no campaign's, and of a period that is over for a late event
	INSERT INTO loyalty.rule_cap (program_id, rule_id, unit_id, counts, maximum, on_excess)
	SELECT id, r.rule_id, u.unit_id, v.counts, v.maximum, v.on_excess
	FROM (VALUES ('gift', 'day_points', 'amount', 60, 'truncate'), ('better gift', 'day_points', 'amount', 60, 'truncate'),
			('rich', 'day_points', 'amount', 60, 'reject'), ('comeback', 'month_times', 'times', 2, 'truncate'),
			('after', 'month_times', 'times', 3, 'truncate'), ('review', 'month_times', 'times', 4, 'truncate'),
			('for gold', 'ever', 'amount', 100, 'truncate')) v (rule, unit, counts, maximum, on_excess)
	JOIN loyalty.rule r ON r.program_id = id AND r.name = v.rule
	JOIN loyalty.unit u ON u.program_id = id AND u.code = v.unit;
	IF budgets THEN
		PERFORM loyalty.budget_set(shop, 'points', 2000, 'summer', 4);
		PERFORM loyalty.budget_set(shop, 'stars', 150.0, NULL, 4);
	END IF;
END
$$;

-- The same calls for both, on and on through the year; each has a key, so that rows are compared by it
CREATE PROCEDURE pg_temp.live_through(shop text, members int, days int)
LANGUAGE plpgsql AS $$
DECLARE
	day date;
	name text;
	seed text;
	member bigint;
	at timestamptz;
	items jsonb;
	amount numeric;
	n int;
	held bigint;
BEGIN
	FOR n IN 1 .. members LOOP
		name := format('m%s', n);
		PERFORM set_config('loyalty.now', ('2025-02-01 09:00+08'::timestamptz + make_interval(mins => n))::text, false);
		IF n % 4 <> 0 THEN
			SELECT r.member_id INTO member FROM loyalty.enroll(shop, jsonb_build_object('customer_no', shop || name),
				jsonb_build_object('birthday', format('1990-%s-%s', lpad((n % 12 + 1)::text, 2, '0'), lpad((n % 28 + 1)::text, 2, '0'))), key => 'e') r;
			PERFORM FROM loyalty.adjust(member, 1000, 'points', 'start', key => 'a');
		END IF;
		IF n % 3 = 0 AND n % 4 <> 0 THEN
			INSERT INTO loyalty.member_tag (member_id, tag, program_id, tagged_at)
			SELECT m.member_id, 'vip', m.program_id, '2025-02-01 12:00+08' FROM loyalty.member m WHERE m.member_id = member;
		END IF;
	END LOOP;
	FOR day IN SELECT d::date FROM generate_series(date '2025-03-20', date '2025-03-20' + days, '1 day') d LOOP
		FOR n IN 1 .. members LOOP
			seed := format('%s/%s', n, day);
			CONTINUE WHEN pg_temp.dice(seed || 'is', 5) > 1 OR (n % 4 = 0 AND day < date '2025-04-01' + n);
			name := format('m%s', n);
			at := day::timestamp AT TIME ZONE 'Asia/Shanghai' + make_interval(hours => pg_temp.dice(seed || 'hour', 22), mins => n);
			PERFORM set_config('loyalty.now', at::text, false);
			member := pg_temp.id(shop || name);
			amount := round((10 + pg_temp.dice(seed || 'amount', 20000) / 100.0) * n / 8, 2);
			items := CASE WHEN pg_temp.dice(seed || 'items', 2) = 0 THEN jsonb_build_array(
				jsonb_build_object('sku', 'A', 'category', (ARRAY['tea', 'cups'])[1 + pg_temp.dice(seed || 'category', 2)], 'qty', 1 + pg_temp.dice(seed || 'qty', 3), 'price', 10),
				jsonb_build_object('sku', 'B', 'qty', 1, 'price', amount)) END;
			IF member IS NULL THEN
				-- joins with the first order; from then on value enough to spend
				SELECT r.member_id INTO member FROM loyalty.sale(shop, jsonb_build_object('customer_no', shop || name), amount, 'o' || day, items, key => 'o' || day) r;
				PERFORM FROM loyalty.adjust(member, 1000, 'points', 'start', key => 'a');
				CONTINUE;
			END IF;
			-- with a clock that is moved, simulate() takes the time of the last call for the clock: this one tells it
			PERFORM FROM loyalty.record(member, 'check_in', key => 'i' || day, mode => 'try');
			CASE pg_temp.dice(seed || 'segment', 8)
				WHEN 0, 1 THEN PERFORM loyalty.segment_add(member, 'regular');
				WHEN 2 THEN PERFORM loyalty.segment_remove(member, 'regular');
				ELSE NULL;
			END CASE;
			PERFORM FROM loyalty.purchase(member, amount, 'o' || day, items, key => 'o' || day,
				-- some are told of days later
				at => CASE pg_temp.dice(seed || 'late', 12) WHEN 0 THEN at - interval '3 days' WHEN 1 THEN at - interval '40 days' END);
			CASE pg_temp.dice(seed || 'more', 9)
				WHEN 0 THEN PERFORM FROM loyalty.redeem(member, 1 + pg_temp.dice(seed || 'redeem', 40), key => 'r' || day);
				WHEN 1 THEN PERFORM FROM loyalty.record(member, 'review', data => jsonb_build_object('target', 'p' || pg_temp.dice(seed || 'target', 6)), key => 'v' || day);
				WHEN 2 THEN PERFORM FROM loyalty.refund(member, 'o' || day, refund_ref => 'f' || day);
				WHEN 3 THEN PERFORM FROM loyalty.refund(member, 'o' || day, round(amount / 3, 2), refund_ref => 'f' || day);
				WHEN 4 THEN
					SELECT r.hold_id INTO held FROM loyalty.hold(member, 10, key => 'h' || day) r;
					IF n % 2 = 0 THEN
						PERFORM FROM loyalty.capture(member, held, key => 'c' || day);
					ELSE
						PERFORM FROM loyalty.release(member, held, key => 'l' || day);
					END IF;
				WHEN 5 THEN
					IF items IS NOT NULL THEN
						PERFORM FROM loyalty.refund(member, 'o' || day, items => '[{"line": 1}]', refund_ref => 'f' || day);
					END IF;
				WHEN 6 THEN
					IF pg_temp.dice(seed || 'grant', 6) = 0 THEN
						PERFORM FROM loyalty.tier_grant(member, 'guest', 'friend', key => 'g' || day);
					END IF;
				ELSE NULL;
			END CASE;
		END LOOP;
	END LOOP;
	PERFORM set_config('loyalty.now', ('2025-03-20 12:00+08'::timestamptz + make_interval(days => days + 1))::text, false);
END
$$;

-- Awards and what refunds took of them, by member, call and lot: of calls in the period
CREATE FUNCTION pg_temp.posted(shop text) RETURNS TABLE (name text, call text, rule text, unit text, vests_on date, expires_on date, amount numeric)
LANGUAGE sql STABLE AS $$
	SELECT replace(i.value, shop, ''), coalesce(j.key, j.ref, j.event), r.name, u.code, e.vests_on, e.expires_on, sum(e.amount) / 10 ^ u.scale
	FROM loyalty.program p
	JOIN loyalty.journal j USING (program_id)
	JOIN loyalty.entry e USING (member_id, journal_id)
	JOIN loyalty.rule r USING (rule_id)
	JOIN loyalty.unit u ON u.unit_id = e.unit_id
	JOIN loyalty.identity i ON i.member_id = j.member_id
	WHERE p.name = shop AND j.effective_at >= '2025-04-01 00:00+08' AND j.effective_at < '2025-09-01 00:00+08'
	GROUP BY i.value, j.journal_id, coalesce(j.key, j.ref, j.event), r.name, u.code, u.scale, e.vests_on, e.expires_on
$$;

-- The difference that the campaign made, in a copy
CREATE FUNCTION pg_temp.difference(draft text, live text) RETURNS TABLE (name text, call text, rule text, unit text, vests_on date, expires_on date, amount numeric)
LANGUAGE sql STABLE AS $$
	SELECT name, call, rule, unit, vests_on, expires_on, sum(amount)
	FROM (SELECT * FROM pg_temp.posted(live)
		UNION ALL
		SELECT name, call, rule, unit, vests_on, expires_on, -amount FROM pg_temp.posted(draft)) x
	GROUP BY name, call, rule, unit, vests_on, expires_on
	HAVING sum(amount) <> 0
$$;

-- What simulate() says of it
CREATE FUNCTION pg_temp.simulated(draft text) RETURNS TABLE (name text, call text, rule text, unit text, vests_on date, expires_on date, amount numeric)
LANGUAGE sql STABLE AS $$
	SELECT replace(i.value, draft, ''), coalesce(j.key, j.ref, j.event), s.rule, s.unit, s.vests_on, s.expires_on, sum(s.amount)
	FROM loyalty.simulate_postings(draft, 'summer', '2025-04-01 00:00+08', '2025-09-01 00:00+08') s
	JOIN loyalty.journal j USING (member_id, journal_id)
	JOIN loyalty.identity i USING (member_id)
	GROUP BY i.value, j.journal_id, coalesce(j.key, j.ref, j.event), s.rule, s.unit, s.vests_on, s.expires_on
	HAVING sum(s.amount) <> 0
$$;

-- What simulate() says by rule, counted from the difference: granted, taken back, events and members; and what it costs at 100 points a yuan
CREATE FUNCTION pg_temp.counted(draft text, live text) RETURNS TABLE (rule text, unit text, events bigint, members bigint, granted numeric, taken_back numeric, cost numeric)
LANGUAGE sql STABLE AS $$
	SELECT x.rule, x.unit, count(*) FILTER (WHERE x.granted <> 0), count(DISTINCT x.name) FILTER (WHERE x.granted <> 0),
		coalesce(sum(x.granted), 0), coalesce(sum(x.taken_back), 0),
		CASE WHEN x.unit IN ('points', 'cash') THEN (coalesce(sum(x.granted), 0) - coalesce(sum(x.taken_back), 0)) * CASE x.unit WHEN 'points' THEN 0.01 ELSE 1 END END
	FROM (SELECT d.rule, d.unit, d.name, d.call,
			sum(d.amount) FILTER (WHERE d.call NOT LIKE 'f%') AS granted, -sum(d.amount) FILTER (WHERE d.call LIKE 'f%') AS taken_back
		FROM pg_temp.difference(draft, live) d GROUP BY d.rule, d.unit, d.name, d.call) x
	GROUP BY x.rule, x.unit
$$;

CREATE FUNCTION pg_temp.compare(draft text, live text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	state text;
	total record;
BEGIN
	CREATE TEMP TABLE difference AS SELECT * FROM pg_temp.difference(draft, live);
	CREATE TEMP TABLE simulated AS SELECT * FROM pg_temp.simulated(draft);
	RETURN NEXT ok((SELECT count(*) FROM difference) > 500, 'the campaign makes a difference');
	RETURN NEXT is_empty('SELECT * FROM difference EXCEPT SELECT * FROM simulated', 'what it posted in the copy, simulate() says, posting for posting');
	RETURN NEXT is_empty('SELECT * FROM simulated EXCEPT SELECT * FROM difference', 'and it says no more than that');
	RETURN NEXT is((SELECT count(*) FROM simulated), (SELECT count(*) FROM difference), 'nor anything twice');
	DROP TABLE simulated;
	-- the programme in which it was live, run without it, gives the same
	CREATE TEMP TABLE simulated AS SELECT * FROM pg_temp.simulated(live);
	RETURN NEXT is_empty('(SELECT * FROM difference EXCEPT SELECT * FROM simulated) UNION ALL (SELECT * FROM simulated EXCEPT SELECT * FROM difference)',
		'of a campaign that was live: what it has brought');
	DROP TABLE simulated, difference;

	CREATE TEMP TABLE summary AS SELECT * FROM loyalty.simulate(draft, 'summer', '2025-04-01 00:00+08', '2025-09-01 00:00+08');
	RETURN NEXT set_eq('SELECT rule, unit, events, members, granted, taken_back, cost FROM summary WHERE rule_id IS NOT NULL AND events > 0',
		format('SELECT * FROM pg_temp.counted(%L, %L) WHERE events > 0', draft, live), 'rule by rule: events, members, amounts, cost');
	SELECT * INTO total FROM summary WHERE rule_id IS NULL;
	RETURN NEXT is((total.events, total.members, total.cost), (SELECT (count(DISTINCT (d.name, d.call)) FILTER (WHERE d.granted <> 0),
			count(DISTINCT d.name) FILTER (WHERE d.granted <> 0), (SELECT sum(c.cost) FROM pg_temp.counted(draft, live) c))
		FROM (SELECT name, call, rule, sum(amount) AS granted FROM pg_temp.difference(draft, live) WHERE call NOT LIKE 'f%' GROUP BY name, call, rule) d),
		'in all: events, members, cost');
	RETURN NEXT set_eq(format('SELECT rule FROM summary WHERE rule_id IS NOT NULL AND rule_id IN (SELECT r.rule_id FROM loyalty.rule r JOIN loyalty.campaign c USING (campaign_id) WHERE c.name = ''summer'')'),
		format('SELECT r.name FROM loyalty.rule r JOIN loyalty.campaign c USING (campaign_id) JOIN loyalty.program p ON p.program_id = c.program_id WHERE p.name = %L AND c.name = ''summer''', draft),
		'every rule of the campaign has a row');
	DROP TABLE summary;

	RETURN NEXT set_eq(format('SELECT replace(i.value, %1$L, ''''), s.tier_without, s.tier_with '
		'FROM loyalty.simulate_tiers(%1$L, ''summer'', ''2025-04-01 00:00+08'', ''2025-09-01 00:00+08'') s JOIN loyalty.identity i USING (member_id)', draft),
		format('SELECT replace(i.value, %1$L, ''''), a.tier AS tier_without, b.tier AS tier_with FROM loyalty.identity i '
		'JOIN loyalty.identity k ON k.value = %2$L || replace(i.value, %1$L, '''') '
		'CROSS JOIN loyalty.tier_at(i.member_id, ''2025-08-31 23:59:59+08'') a (tier) CROSS JOIN loyalty.tier_at(k.member_id, ''2025-08-31 23:59:59+08'') b (tier) '
		'WHERE i.value LIKE %1$L || ''%%'' AND a.tier IS DISTINCT FROM b.tier', draft, live), 'tiers at the end are those of the copy');
	RETURN NEXT is(total.promoted, (SELECT count(*) FROM loyalty.identity i JOIN loyalty.identity k ON k.value = live || replace(i.value, draft, '')
		JOIN loyalty.tier a ON a.program_id = i.program_id AND a.code = loyalty.tier_at(i.member_id, '2025-08-31 23:59:59+08')
		JOIN loyalty.tier b ON b.code = loyalty.tier_at(k.member_id, '2025-08-31 23:59:59+08') AND b.program_id = a.program_id
		WHERE i.value LIKE draft || '%' AND b.rank > a.rank), 'and so many were promoted');
	RETURN NEXT ok(total.promoted > 0, 'somebody was');
END
$$;

-- Without budgets each member is simulated by itself; with them all members together, in the order of their calls
CALL pg_temp.shop('Draft', false, false);
CALL pg_temp.shop('Live', true, false);
CALL pg_temp.live_through('Draft', 9, 175);
CALL pg_temp.live_through('Live', 9, 175);
SELECT pg_temp.state() AS state \gset
SELECT * FROM pg_temp.compare('Draft', 'Live');
SELECT is(pg_temp.state(), :'state', 'nothing was written');
CALL pg_temp.shop('Poor', false, true);
CALL pg_temp.shop('Rich', true, true);
CALL pg_temp.live_through('Poor', 9, 175);
CALL pg_temp.live_through('Rich', 9, 175);
SELECT * FROM pg_temp.compare('Poor', 'Rich');
SELECT is((SELECT sum(s.granted) FROM loyalty.simulate('Poor', 'summer', '2025-04-01 00:00+08', '2025-09-01 00:00+08') s
	JOIN loyalty.rule r USING (rule_id) WHERE r.campaign_id IS NOT NULL AND s.unit = 'points'), 2000::numeric, 'the campaign gives its budget, to the last point');

-- Periods
SELECT is((SELECT string_agg(DISTINCT format('%s %s %s', events, granted, cost), ', ') FROM loyalty.simulate('Draft', 'summer', '2031-01-01', '2032-01-01')
	WHERE rule_id IS NOT NULL), '0 0 , 0 0.0 ', 'no events: nothing, of each rule');
SELECT is((SELECT (events, members, cost, promoted, demoted)::text FROM loyalty.simulate('Draft', 'summer', '2031-01-01', '2032-01-01') WHERE rule_id IS NULL),
	'(0,0,0,0,0)', 'and in all');
SELECT ok((SELECT count(*) FROM loyalty.simulate_postings('Draft', 'summer') WHERE at < '2025-04-01 00:00+08') > 10, 'without a period: all events');
SELECT is((SELECT count(*) FROM loyalty.simulate_postings('Draft', 'summer', '2025-04-01 00:00+08', '2025-09-01 00:00+08')
	WHERE at < '2025-04-01 00:00+08' OR at >= '2025-09-01 00:00+08'), 0::bigint, 'with one: only those dated in it');
UPDATE loyalty.campaign SET ends_at = '2025-05-01 00:00+08' WHERE name = 'summer' AND status = 'draft';
SELECT is((SELECT count(*) FROM loyalty.simulate_postings('Draft', 'summer', '2025-04-01 00:00+08', '2025-09-01 00:00+08')
	WHERE rule = 'double' AND kind = 'award' AND amount <> 0 AND at >= '2025-05-01 00:00+08'), 0::bigint, 'the campaign''s own dates count as well');
UPDATE loyalty.campaign SET ends_at = NULL WHERE name = 'summer' AND status = 'draft';
SELECT is((SELECT string_agg(DISTINCT coalesce(cost::text, 'none'), ', ') FROM loyalty.simulate('Draft', 'summer', '2025-04-01 00:00+08', '2025-09-01 00:00+08')
	WHERE unit IN ('stars', 'growth')), 'none', 'a unit that is worth nothing has no cost');

-- Where nothing can be written it runs too
SAVEPOINT readable;
SET LOCAL transaction_read_only = on;
SELECT count(*) AS n FROM loyalty.simulate('Poor', 'summer', '2025-04-01 00:00+08', '2025-09-01 00:00+08') \gset
ROLLBACK TO readable;
SELECT ok(:n > 10, 'in a transaction that only reads');

-- On the real clock: an event that was told late is judged as late
CALL pg_temp.shop('Now', false, false);
CALL pg_temp.shop('Then', true, false);
UPDATE loyalty.campaign SET ends_at = NULL WHERE name = 'summer';
SELECT count(*) AS n, sum(amount) AS amount FROM pg_temp.simulated('Draft') \gset
RESET loyalty.now;
SELECT is((SELECT (count(*), sum(amount)) FROM pg_temp.simulated('Draft')), (:n::bigint, :amount::numeric), 'that the clock was moved then is seen later, too');
CREATE PROCEDURE pg_temp.live_now(shop text) LANGUAGE plpgsql AS $$
DECLARE
	member bigint;
BEGIN
	PERFORM FROM loyalty.sale(shop, jsonb_build_object('customer_no', shop || 'm'), 90, 'o1', key => 'o1');
	member := pg_temp.id(shop || 'm');
	PERFORM FROM loyalty.adjust(member, 2000, 'points', 'start', key => 'a');
	PERFORM FROM loyalty.purchase(member, 3000, 'o2', key => 'o2');
	PERFORM FROM loyalty.purchase(member, 90, 'o3', key => 'o3');
	PERFORM FROM loyalty.purchase(member, 90, 'o4', key => 'o4', at => now() - interval '3 days');
	PERFORM FROM loyalty.purchase(member, 90, 'o5', key => 'o5', at => date_trunc('day', now(), 'Asia/Shanghai') - interval '1 hour');
	PERFORM FROM loyalty.refund(member, 'o2', refund_ref => 'f2');
END
$$;
CALL pg_temp.live_now('Now');
CALL pg_temp.live_now('Then');
CREATE FUNCTION pg_temp.all_posted(shop text) RETURNS TABLE (call text, rule text, unit text, vests_on date, expires_on date, amount numeric)
LANGUAGE sql STABLE AS $$
	SELECT coalesce(j.key, j.ref, j.event), r.name, u.code, e.vests_on, e.expires_on, e.amount / 10 ^ u.scale
	FROM loyalty.entry e
	JOIN loyalty.journal j USING (member_id, journal_id) JOIN loyalty.rule r USING (rule_id) JOIN loyalty.unit u ON u.unit_id = e.unit_id
	WHERE e.member_id = pg_temp.id(shop || 'm')
$$;
SELECT set_eq($$SELECT coalesce(j.key, j.ref, j.event), s.rule, s.unit, s.vests_on, s.expires_on, s.amount
	FROM loyalty.simulate_postings('Now', 'summer') s JOIN loyalty.journal j USING (member_id, journal_id) WHERE s.amount <> 0$$,
	$$SELECT call, rule, unit, vests_on, expires_on, sum(amount) FROM (SELECT * FROM pg_temp.all_posted('Then')
		UNION ALL SELECT call, rule, unit, vests_on, expires_on, -amount FROM pg_temp.all_posted('Now')) x
	GROUP BY call, rule, unit, vests_on, expires_on HAVING sum(amount) <> 0$$, 'on the real clock: posting for posting');
SELECT is((SELECT string_agg(j.key, ', ' ORDER BY j.key) FROM loyalty.simulate_postings('Now', 'summer') s JOIN loyalty.journal j USING (member_id, journal_id)
	WHERE s.rule = 'after'), 'o5', 'late by a day is not too late, by three days it is');

-- What is refused
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.simulate(NULL, 'summer')$$), '22004', 'no programme');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.simulate('Draft', NULL)$$), '22004', 'no campaign');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.simulate('Pub', 'summer')$$), 'LY403 program=Pub', 'an unknown programme');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.simulate_postings('Draft', 'winter')$$), 'LY407 campaign=winter', 'an unknown campaign');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.simulate_tiers('Draft', 'summer', '2025-02-01', '2025-02-01')$$), 'LY111 until lies before since', 'a period that ends before it begins');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
