\set ECHO none
\i test/prelude.sql
SELECT plan(17);

-- Two programmes alike: one is called row by row, the other takes the same rows
-- in batches. Rules with a condition, a group, caps, a target, a cooldown, a
-- streak, a birthday, tiers with promotions, a campaign with a budget.
CREATE FUNCTION pg_temp.make(name text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	program int := loyalty.program_create(name, 'GBP', 'Europe/London', vest_days => 2);
	campaign int;
BEGIN
	UPDATE loyalty.program_event SET makeup_days = 20 WHERE program_id = program AND event = 'check_in';
	INSERT INTO loyalty.unit (program_id, code, kind, period) VALUES (program, 'daily', 'counter', 'day'), (program, 'monthly', 'counter', 'month');
	INSERT INTO loyalty.tier (program_id, code, rank, multiplier, valid_months) VALUES
		(program, 'base', 0, 1, NULL), (program, 'silver', 1, 1.5, 12), (program, 'gold', 2, 2, 12);
	INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, window_kind, months)
	SELECT program, t.tier_id, u.unit_id, h.threshold, 'rolling', 12
	FROM (VALUES ('silver', 300), ('gold', 900)) h (code, threshold)
	JOIN loyalty.tier t ON t.program_id = program AND t.code = h.code
	JOIN loyalty.unit u ON u.program_id = program AND u.code = 'spend';
	INSERT INTO loyalty.campaign (program_id, name, status) VALUES (program, 'spring', 'live') RETURNING campaign_id INTO campaign;
	PERFORM loyalty.budget_set(name, 'points', 200, campaign => 'spring', slots => 3);
	INSERT INTO loyalty.rule_group (program_id, name, combine) VALUES (program, 'extra', 'best');
	PERFORM pg_temp.rule(r || jsonb_build_object('program', name)) FROM unnest(ARRAY[
		'{"name": "toys", "kind": "per_amount", "award": 3, "per": 1, "item_filter": "$.category == \"toys\"", "rule_group": "extra"}',
		'{"name": "online", "kind": "multiplier", "award": 2, "channels": "{online}"}',
		'{"name": "check", "event": "check_in", "kind": "steps", "base": "streak", "step_from": "{1,3}", "step_award": "{1,5}"}',
		'{"name": "review", "event": "review", "award": 10, "once_per_target": true}',
		'{"name": "share", "event": "share", "award": 4, "cooldown": "1 day"}',
		'{"name": "rich", "award": 7, "condition": "$.member.counters.spend > 500"}',
		'{"name": "birthday", "award": 2, "birthday": "month"}',
		'{"name": "first", "award": 50, "first_purchases": 1}']::jsonb[]) WITH ORDINALITY x (r, n) ORDER BY n;
	PERFORM pg_temp.rule(jsonb_build_object('program', name, 'name', 'spring', 'award', 30, 'campaign_id', campaign, 'priority', 200));
	INSERT INTO loyalty.rule_cap (program_id, rule_id, unit_id, maximum, on_excess)
	SELECT program, r.rule_id, u.unit_id, c.maximum, c.on_excess
	FROM (VALUES ('toys', 'daily', 40, 'truncate'), ('share', 'daily', 6, 'reject'), ('rich', 'monthly', 20, 'truncate')) c (rule, unit, maximum, on_excess)
	JOIN loyalty.rule r ON r.program_id = program AND r.name = c.rule
	JOIN loyalty.unit u ON u.program_id = program AND u.code = c.unit;
	FOR n IN 1 .. 8 LOOP
		PERFORM FROM loyalty.enroll(name, jsonb_build_object('customer_no', 'm' || n),
			jsonb_build_object('birthday', format('1990-%s-01', 1 + n % 4)), at => '2026-01-10 09:00+00');
	END LOOP;
	RETURN program;
END
$$;
SELECT pg_temp.make('single') AS single \gset
SELECT pg_temp.make('bulk') AS bulk \gset
CREATE FUNCTION pg_temp.id_in(program int, name text) RETURNS bigint LANGUAGE sql STABLE AS
	$$ SELECT member_id FROM loyalty.identity i WHERE i.program_id = program AND value = name $$;

-- What comes: several events of a member, at all times, twice, and wrong.
CREATE TEMP TABLE feed AS
SELECT n, 'm' || 1 + (n * 7) % 9 AS name,
	CASE WHEN n % 5 < 3 THEN CASE WHEN n % 2 = 0 THEN 'purchase' END ELSE (ARRAY['check_in', 'review', 'share'])[1 + n % 3] END AS event,
	CASE WHEN n % 5 < 3 THEN CASE WHEN n % 41 = 0 THEN -1 WHEN n % 43 = 0 THEN 1.005 ELSE (n * 37) % 190 + 0.25 END END AS amount,
	CASE WHEN n % 5 < 3 OR n % 4 = 0 THEN 'r' || n END AS ref,
	CASE WHEN n % 5 < 2 THEN jsonb_build_array(
		jsonb_build_object('sku', 's' || n % 6, 'price', 5 + n % 30, 'qty', 1 + n % 2, 'category', CASE WHEN n % 3 = 0 THEN 'toys' ELSE 'books' END),
		jsonb_build_object('sku', 't', 'price', 3, 'category', 'toys')) END AS items,
	jsonb_strip_nulls(jsonb_build_object('channel', CASE WHEN n % 4 = 1 THEN 'online' END, 'target', 'p' || n % 5)) AS data,
	CASE WHEN n % 3 > 0 THEN timestamptz '2026-03-15 10:00+00' - n % 40 * interval '17 hours' END AS at,
	CASE WHEN n % 2 = 1 OR n % 5 >= 3 THEN 'k' || n END AS key
FROM generate_series(1, 240) n;
UPDATE feed SET event = 'unheard_of' WHERE n IN (28, 29);
UPDATE feed SET at = '2026-04-01' WHERE n = 31;
UPDATE feed SET at = 'infinity' WHERE n = 32;
UPDATE feed SET items = '[]' WHERE n = 35;
UPDATE feed SET items = '[{"sku": "x", "price": -1}]' WHERE n = 36;
UPDATE feed SET data = '{"channel": 5}' WHERE n = 37;
UPDATE feed SET key = repeat('x', 300) WHERE n = 38;
-- again: the same, the same with another amount, another key for the same order
INSERT INTO feed SELECT 300 + n, name, event, amount, ref, items, data, at, key FROM feed WHERE n % 11 = 0;
INSERT INTO feed SELECT 400 + n, name, event, amount + 1, ref, items, data, at, key FROM feed WHERE n IN (55, 60, 61, 66);
INSERT INTO feed SELECT 500 + n, name, event, amount, ref, items, data, at, 'other' || n FROM feed WHERE n IN (50, 51, 52);

CREATE TEMP TABLE outcome (n int, status text, reason text);
DO $$
DECLARE
	f feed;
	r loyalty.receipt;
	m bigint;
	program int := (SELECT program_id FROM loyalty.program WHERE name = 'single');
BEGIN
	FOR f IN SELECT * FROM feed ORDER BY n LOOP
		m := coalesce(pg_temp.id_in(program, f.name), 0);
		IF coalesce(f.event, 'purchase') = 'purchase' THEN
			r := loyalty.purchase(m, f.amount, f.ref, f.items, f.data, f.at, f.key, 'try');
		ELSE
			r := loyalty.record(m, f.event, f.amount, f.ref, f.data, f.at, f.key, 'try');
		END IF;
		INSERT INTO outcome VALUES (f.n, CASE WHEN r.replayed THEN 'replayed' ELSE r.status END, r.reason);
	END LOOP;
END
$$;

CREATE TEMP TABLE counted (done bigint, replayed bigint, rejected bigint);
CREATE PROCEDURE pg_temp.load(batch int, first int DEFAULT 0) LANGUAGE sql AS $$
	INSERT INTO counted
	SELECT b.*
	FROM (SELECT array_agg(ROW(n, coalesce(pg_temp.id_in((SELECT program_id FROM loyalty.program WHERE name = 'bulk'), f.name), 0), NULL,
			event, amount, ref, items, data, at, key, NULL)::loyalty.ingest_row ORDER BY n) AS rows
		FROM (SELECT *, (row_number() OVER (ORDER BY n) - 1) / batch AS part FROM feed WHERE n >= first) f
		GROUP BY part ORDER BY part) x,
	loyalty.ingest_batch('bulk', x.rows, 'feed') b
$$;
CALL pg_temp.load(50);

SELECT results_eq('SELECT sum(done), sum(replayed), sum(rejected) FROM counted',
	$$SELECT count(*) FILTER (WHERE status = 'done')::numeric, count(*) FILTER (WHERE status = 'replayed')::numeric,
		count(*) FILTER (WHERE status = 'refused')::numeric FROM outcome$$, 'as many done, replayed and refused');
SELECT results_eq('SELECT line::int, reason FROM loyalty.ingest_reject ORDER BY 1',
	$$SELECT n, reason FROM outcome WHERE status = 'refused' ORDER BY 1$$, 'refused for the same reasons');
SELECT cmp_ok((SELECT count(DISTINCT reason) FROM loyalty.ingest_reject), '>=', 9::bigint, 'of which there are many');

-- The ledgers, ids apart: members by name, units, rules and tiers by theirs.
CREATE VIEW pg_temp.books AS
SELECT j.program_id, i.value AS name, j.journal_id,
	row_number() OVER (PARTITION BY j.member_id ORDER BY j.journal_id) AS place,
	(SELECT array_agg(x::text) FROM (SELECT j.kind, j.event, j.key, j.ref, j.effective_at, j.amount, j.channel, j.reverses, j.outcome, j.actor, j.awarded_plainly,
		b.code AS tier_before, a.code AS tier_after, j.request_hash IS NULL AS by_clock) x) AS row,
	(SELECT jsonb_agg(jsonb_build_array(e.line, u.code, e.amount, e.balance_after, e.vests_on, e.expires_on, coalesce(r.name, r.event || r.unit_id - u.unit_id), e.origin) ORDER BY e.line)
		FROM loyalty.entry e JOIN loyalty.unit u USING (unit_id) LEFT JOIN loyalty.rule r ON r.rule_id = e.rule_id
		WHERE e.member_id = j.member_id AND e.journal_id = j.journal_id) AS entries,
	(SELECT d.data - 'awards' || jsonb_build_object('awards', (SELECT jsonb_agg(w || jsonb_build_object('rule', (w -> 'rule')::int - f.first,
			'counters', (SELECT jsonb_object_agg(u.code, c.value) FROM jsonb_each(w -> 'counters') c JOIN loyalty.unit u ON u.unit_id = c.key::int)) ORDER BY n)
			FROM jsonb_array_elements(d.data -> 'awards') WITH ORDINALITY x (w, n)))
		FROM loyalty.event_data d WHERE d.member_id = j.member_id AND d.journal_id = j.journal_id) AS data,
	(SELECT jsonb_agg(to_jsonb(h) - '{member_id,journal_id,program_id,tier_before,tier_after,unit_id}'::text[]
			|| jsonb_build_object('to', (SELECT code FROM loyalty.tier t WHERE t.tier_id = h.tier_after)) ORDER BY h.line)
		FROM loyalty.tier_history h WHERE h.member_id = j.member_id AND h.journal_id = j.journal_id) AS tiers
FROM loyalty.journal j
JOIN loyalty.identity i USING (member_id)
JOIN (SELECT program_id, min(rule_id) AS first FROM loyalty.rule GROUP BY program_id) f ON f.program_id = j.program_id
LEFT JOIN loyalty.tier b ON b.tier_id = j.tier_before
LEFT JOIN loyalty.tier a ON a.tier_id = j.tier_after;
CREATE FUNCTION pg_temp.alike(what text, columns text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT results_eq(
		format('SELECT name, place, %s FROM pg_temp.books WHERE program_id = %s ORDER BY 1, 2', columns, (SELECT program_id FROM loyalty.program WHERE name = 'bulk')),
		format('SELECT name, place, %s FROM pg_temp.books WHERE program_id = %s ORDER BY 1, 2', columns, (SELECT program_id FROM loyalty.program WHERE name = 'single')),
		what));
END
$$;
SELECT pg_temp.alike('the same journal', 'row');
SELECT pg_temp.alike('the same entries', 'entries');
SELECT pg_temp.alike('the same inputs and awards', 'data');
SELECT pg_temp.alike('the same history of tiers', 'tiers');
SELECT cmp_ok((SELECT count(*) FROM loyalty.tier_history WHERE program_id = :bulk AND action = 'promoted'), '>', 5::bigint, 'with promotions');
SELECT results_eq($$SELECT DISTINCT w ->> 'reason' FROM loyalty.event_data d, jsonb_array_elements(d.data -> 'awards') w WHERE w ? 'reason' ORDER BY 1$$,
	$$VALUES ('already_used'), ('channel_mismatch'), ('condition_not_met'), ('cooldown'), ('first_order_only'), ('limit_campaign'),
		('limit_period'), ('no_effect'), ('no_matching_items'), ('not_in_time_window')$$, 'and of every kind of reason');

-- Accounts and what stands beside them.
CREATE FUNCTION pg_temp.accounts(program int) RETURNS TABLE (name text, account jsonb) LANGUAGE sql AS $$
	SELECT i.value, to_jsonb(a) - '{member_id,program_id,salt,tier_id,tier_base,wallet}'::text[]
		|| jsonb_build_object('tier', t.code, 'lots', (SELECT jsonb_agg(jsonb_build_array(u.code, l.expires_on, l.origin, l.vests_on, l.amount) ORDER BY l)
			FROM loyalty.wallet_lots(a.wallet) l JOIN loyalty.unit u USING (unit_id)))
		|| jsonb_build_object('uses', (SELECT jsonb_agg(jsonb_build_array(r.name, s.target, s.used_at) ORDER BY r.name, s.target)
			FROM loyalty.rule_use s JOIN loyalty.rule r USING (rule_id) WHERE s.member_id = a.member_id))
		|| jsonb_build_object('runs', (SELECT jsonb_agg(jsonb_build_array(s.event, s.started_on, s.last_on) ORDER BY s.started_on)
			FROM loyalty.streak s WHERE s.member_id = a.member_id))
	FROM loyalty.account a JOIN loyalty.identity i USING (member_id) LEFT JOIN loyalty.tier t USING (tier_id)
	WHERE a.program_id = $1 ORDER BY 1
$$;
SELECT results_eq(format('SELECT * FROM pg_temp.accounts(%s)', :bulk), format('SELECT * FROM pg_temp.accounts(%s)', :single), 'the same accounts, uses and runs');
SELECT is((SELECT sum(used) FROM loyalty.budget_slot WHERE program_id = :bulk), 200::numeric, 'the same budget');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');

-- Twice, and in batches of other sizes, nothing more happens.
SELECT md5(string_agg(j::text, '' ORDER BY j.journal_id)) AS before FROM loyalty.journal j \gset
CALL pg_temp.load(1000);
CALL pg_temp.load(1, 480);
SELECT is((SELECT md5(string_agg(j::text, '' ORDER BY j.journal_id)) FROM loyalty.journal j), :'before', 'a second time changes nothing');
SELECT is((SELECT sum(done) FROM counted OFFSET 0), (SELECT count(*)::numeric FROM outcome WHERE status = 'done'), 'and does nothing');

-- A single call knows what a batch has done, and the other way round.
SELECT is((SELECT replayed FROM loyalty.purchase(pg_temp.id_in(:bulk, f.name), f.amount, f.ref, f.items, f.data, f.at, f.key)), true, 'replayed by a single call')
FROM feed f WHERE n = 6;

-- Refunds afterwards.
SELECT FROM (SELECT f.*, p.id FROM feed f, (VALUES (:single), (:bulk)) p (id)
		WHERE f.n < 60 AND f.name <> 'm9' AND f.ref IS NOT NULL AND f.amount IS NOT NULL ORDER BY f.n) f,
	loyalty.refund(pg_temp.id_in(f.id, f.name), f.ref, CASE WHEN f.n % 2 = 0 THEN trunc(f.amount / 2, 2) END, refund_ref => 'back', mode => 'try') r;
SELECT pg_temp.alike('the same refunds', 'row || entries::text');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right after refunds');
SELECT * FROM finish();
ROLLBACK;
