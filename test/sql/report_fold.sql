\set ECHO none
\i test/prelude.sql
SELECT plan(52);
-- compiling what compares all sums would take longer than comparing
SET jit = off;

-- Two programmes in two zones: points that vest, points that lapse, tiers, and a currency without decimals.
SELECT loyalty.program_create('Shanghai', 'CNY', 'Asia/Shanghai', vest_days => 7) AS shanghai, loyalty.program_create('Tokyo', 'JPY', 'Asia/Tokyo') AS tokyo \gset
UPDATE loyalty.unit SET expiry = 'days', expiry_count = 40 WHERE program_id = :shanghai AND code = 'points';
INSERT INTO loyalty.program_event (program_id, event) SELECT p, 'check_in' FROM unnest(ARRAY[:shanghai, :tokyo]) p ON CONFLICT DO NOTHING;
INSERT INTO loyalty.tier (program_id, code, rank, valid_months) VALUES (:shanghai, 'plain', 0, NULL), (:shanghai, 'gold', 1, 1);
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, months)
SELECT t.program_id, t.tier_id, u.unit_id, 300, 2 FROM loyalty.tier t JOIN loyalty.unit u ON u.program_id = t.program_id AND u.code = 'spend' WHERE t.code = 'gold';
CALL pg_temp.enroll('Shanghai', 'ann', 'bob', 'cat', 'dan', 'eve');
CALL pg_temp.enroll('Tokyo', 'yui', 'ren', 'sora');

-- Before anything is folded: NULL, unknown.
SELECT is(pg_temp.signature('report_fold'), '(batch integer DEFAULT 500, OUT done integer, OUT left_over boolean) -> record', 'report_fold(): arguments');
SELECT throws_ok(format('SELECT loyalty.report_fold(%s)', argument), code, NULL, format('report_fold(%s): refused', argument))
FROM (VALUES ('NULL', '22004'), ('0', '22023'), ('10001', '22023')) a (argument, code);
SELECT throws_ok(format('SELECT loyalty.report_rebuild(%s)', argument), code, NULL, format('report_rebuild(%s): refused', argument))
FROM (VALUES ('NULL', '22004'), ('''Kyoto''', 'LY403')) a (argument, code);

-- The slow way: from the ledger alone, without a function of the reports. A refund is where its purchase was.
CREATE VIEW pg_temp.slow AS
	SELECT j.*, (j.effective_at AT TIME ZONE p.time_zone)::date AS day, o.journal_id AS order_id,
		coalesce(CASE WHEN j.kind = 'refund' THEN w.channel ELSE j.channel END, '') AS c,
		coalesce(CASE WHEN j.kind = 'refund' THEN w.store ELSE j.store END, '') AS s,
		coalesce(CASE WHEN j.kind = 'refund' THEN w.staff ELSE j.staff END, '') AS f,
		coalesce(CASE WHEN j.kind = 'refund' THEN w.tier_before ELSE j.tier_before END::text, '') AS t
	FROM loyalty.journal j
	JOIN loyalty.program p USING (program_id)
	LEFT JOIN loyalty.journal o ON j.kind = 'refund' AND o.member_id = j.member_id AND o.ref = j.reverses AND o.event = 'purchase' AND o.kind = 'event'
	-- a gift that was paid with points has no purchase
	LEFT JOIN loyalty.journal w ON w.member_id = j.member_id AND w.journal_id = coalesce(o.journal_id, CASE WHEN j.kind = 'refund' THEN (
		SELECT min(x.journal_id) FROM loyalty.journal x WHERE x.member_id = j.member_id AND x.ref = j.reverses AND x.kind = 'redeem') END);
CREATE VIEW pg_temp.slow_part AS
	SELECT w.*, 'all' AS dimension, '' AS value FROM pg_temp.slow w
	UNION ALL SELECT w.*, 'channel', c FROM pg_temp.slow w UNION ALL SELECT w.*, 'store', s FROM pg_temp.slow w
	UNION ALL SELECT w.*, 'staff', f FROM pg_temp.slow w UNION ALL SELECT w.*, 'tier', t FROM pg_temp.slow w;
CREATE VIEW pg_temp.slow_visit AS
	SELECT DISTINCT program_id, member_id, 'active' AS what, day FROM pg_temp.slow
	WHERE (kind = 'event' AND event <> 'signup') OR kind IN ('redeem', 'hold', 'capture', 'transfer')
	UNION SELECT program_id, member_id, 'buyer', day FROM pg_temp.slow WHERE kind = 'event' AND event = 'purchase';
CREATE VIEW pg_temp.slow_order AS
	SELECT program_id, member_id, day, amount, row_number() OVER (PARTITION BY member_id ORDER BY day) AS n FROM pg_temp.slow WHERE kind = 'event' AND event = 'purchase';
CREATE VIEW pg_temp.slow_item AS
	SELECT w.program_id, w.day, k.kind, k.name, coalesce(w.tier_before, 0) AS tier_id, w.journal_id AS order_id,
		coalesce((i.item ->> 'qty')::numeric, 1) * 1000 AS quantity, 0::numeric AS returned_quantity, 0::numeric AS returned
	FROM pg_temp.slow w JOIN loyalty.event_data d USING (member_id, journal_id), jsonb_array_elements(d.data -> 'items') i (item),
		LATERAL (VALUES ('sku', i.item ->> 'sku'), ('category', i.item ->> 'category'), ('brand', i.item ->> 'brand')) k (kind, name)
	WHERE w.event = 'purchase' AND k.name IS NOT NULL
	UNION ALL
	SELECT w.program_id, w.day, k.kind, k.name, w.t::int, NULL, 0, (l.line -> 'qty')::numeric, (l.line -> 'net')::numeric
	FROM (SELECT *, coalesce(nullif(t, ''), '0') AS t FROM (SELECT member_id, journal_id, program_id, day, kind, order_id, t FROM pg_temp.slow) x) w (member_id, journal_id, program_id, day, kind, order_id, t0, t)
	JOIN loyalty.event_data d USING (member_id, journal_id) JOIN loyalty.event_data o ON o.member_id = w.member_id AND o.journal_id = w.order_id,
		jsonb_array_elements(d.data -> 'lines') l (line), jsonb_array_elements(o.data -> 'items') WITH ORDINALITY i (item, n),
		LATERAL (VALUES ('sku', i.item ->> 'sku'), ('category', i.item ->> 'category'), ('brand', i.item ->> 'brand')) k (kind, name)
	WHERE n = (l.line -> 'line')::int AND k.name IS NOT NULL;

-- ranges with whole months in them, without, and with a part of one only
CREATE TEMP TABLE range (since date, until date);
INSERT INTO range VALUES ('2026-01-01', '2026-12-31'), ('2026-03-10', '2026-06-20'), ('2026-03-11', '2026-03-29'), ('2026-04-01', '2026-04-30'), ('2026-02-28', '2026-04-01'), ('2026-03-16', '2026-03-16');

-- What the reports read and what the ledger says, sum by sum, in one form: [what] key figures.
CREATE VIEW pg_temp.expected AS
	SELECT concat_ws('|', 'value', e.program_id, e.dimension, e.day, e.value, coalesce(x.unit_id, 0), e.kind, coalesce(e.event, '')) AS what,
		ARRAY[count(DISTINCT e.journal_id), coalesce(sum(x.amount) FILTER (WHERE x.amount > 0), 0), coalesce(sum(x.amount) FILTER (WHERE x.amount < 0), 0)] AS figures
	FROM pg_temp.slow_part e LEFT JOIN loyalty.entry x ON x.member_id = e.member_id AND x.journal_id = e.journal_id
	-- what is captured is told apart from what was held: report_points.sql
	WHERE e.kind <> 'capture'
	GROUP BY e.program_id, e.dimension, e.day, e.value, coalesce(x.unit_id, 0), e.kind, coalesce(e.event, '')
	UNION ALL
	SELECT concat_ws('|', 'lot', x.unit_id, CASE x.origin WHEN 'd' THEN '-infinity' ELSE coalesce(x.expires_on, 'infinity') END, to_char(e.day, 'YYYY-MM'), e.kind),
		ARRAY[coalesce(sum(x.amount) FILTER (WHERE x.amount > 0), 0), coalesce(sum(x.amount) FILTER (WHERE x.amount < 0), 0)]
	FROM pg_temp.slow e JOIN loyalty.entry x USING (member_id, journal_id) GROUP BY x.unit_id, CASE x.origin WHEN 'd' THEN '-infinity' ELSE coalesce(x.expires_on, 'infinity') END, to_char(e.day, 'YYYY-MM'), e.kind
	UNION ALL
	SELECT concat_ws('|', 'sale', e.program_id, e.dimension, e.day, e.value), ARRAY[count(*) FILTER (WHERE event = 'purchase'),
		coalesce(sum(amount) FILTER (WHERE event = 'purchase'), 0), count(*) FILTER (WHERE kind = 'refund'), coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0)]
	FROM pg_temp.slow_part e WHERE (kind = 'event' AND event = 'purchase') OR order_id IS NOT NULL GROUP BY e.program_id, e.dimension, e.day, e.value
	UNION ALL
	SELECT concat_ws('|', 'member', e.program_id, e.dimension, e.day, e.value), ARRAY[count(*) FILTER (WHERE event = 'signup'), count(*) FILTER (WHERE kind = 'close'), count(*) FILTER (WHERE kind = 'reopen')]
	FROM pg_temp.slow_part e WHERE event = 'signup' OR kind IN ('close', 'reopen') GROUP BY e.program_id, e.dimension, e.day, e.value
	UNION ALL
	SELECT concat_ws('|', 'tier', h.program_id, h.day, h.action, h.tier_before, h.tier_after), ARRAY[count(*)]
	FROM (
		SELECT h.program_id, (h.effective_at AT TIME ZONE p.time_zone)::date AS day, coalesce(h.tier_before, 0) AS tier_before, coalesce(h.tier_after, 0) AS tier_after,
			CASE WHEN h.action <> 'joined' AND 'close' = (SELECT (array_agg(j.kind ORDER BY j.journal_id DESC))[1] FROM loyalty.journal j
				WHERE j.member_id = h.member_id AND j.journal_id < h.journal_id AND j.kind IN ('close', 'reopen')) THEN 'while_closed' ELSE h.action END AS action
		FROM loyalty.tier_history h JOIN loyalty.program p USING (program_id)) h
	GROUP BY h.program_id, h.day, h.action, h.tier_before, h.tier_after
	UNION ALL
	SELECT concat_ws('|', 'return', v.program_id, v.what, v.day, v.gap), ARRAY[count(*)]
	FROM (SELECT x.*, coalesce(day - lag(day) OVER (PARTITION BY member_id, what ORDER BY day), 0) AS gap FROM pg_temp.slow_visit x) v GROUP BY v.program_id, v.what, v.day, v.gap
	UNION ALL
	SELECT concat_ws('|', 'second', a.program_id, a.day, coalesce(b.day, 'infinity')), ARRAY[count(*)]
	FROM pg_temp.slow_order a LEFT JOIN pg_temp.slow_order b ON b.member_id = a.member_id AND b.n = 2 WHERE a.n = 1 GROUP BY a.program_id, a.day, coalesce(b.day, 'infinity')
	UNION ALL
	SELECT concat_ws('|', 'cohort', c.program_id, c.cohort, c.month), ARRAY[count(DISTINCT c.member_id) FILTER (WHERE c.n > 0), sum(c.n), sum(c.amount), sum(c.refunded)]
	FROM (
		SELECT o.program_id, o.member_id, to_char(f.day, 'YYYY-MM') AS cohort, to_char(o.day, 'YYYY-MM') AS month, 1 AS n, o.amount, 0 AS refunded
		FROM pg_temp.slow_order o JOIN pg_temp.slow_order f ON f.member_id = o.member_id AND f.n = 1
		UNION ALL
		SELECT r.program_id, r.member_id, to_char(f.day, 'YYYY-MM'), to_char(r.day, 'YYYY-MM'), 0, 0, r.amount
		FROM pg_temp.slow r JOIN pg_temp.slow_order f ON f.member_id = r.member_id AND f.n = 1 WHERE r.order_id IS NOT NULL) c
	GROUP BY c.program_id, c.cohort, c.month
	UNION ALL
	SELECT concat_ws('|', 'product', i.program_id, r.since, i.kind, i.name, i.tier_id), ARRAY[count(DISTINCT order_id), sum(quantity), sum(returned_quantity), sum(returned)]
	FROM pg_temp.range r JOIN pg_temp.slow_item i ON i.day BETWEEN r.since AND r.until GROUP BY i.program_id, r.since, i.kind, i.name, i.tier_id;

CREATE VIEW pg_temp.shown AS
	SELECT concat_ws('|', 'value', p.program_id, d, x.day, x.value, x.unit_id, x.kind, x.event) AS what, ARRAY[sum(x.journal_rows), sum(x.credited), sum(x.debited)] AS figures
	FROM loyalty.program p, unnest('{all,channel,store,staff,tier}'::text[]) d, loyalty.report_value(p.program_id, '2000-01-01', '2100-01-01', d) x
	WHERE x.kind <> 'capture'
	GROUP BY p.program_id, d, x.day, x.value, x.unit_id, x.kind, x.event
	UNION ALL
	SELECT concat_ws('|', 'lot', u.unit_id, x.expires_on, to_char(x.month, 'YYYY-MM'), x.kind), ARRAY[sum(x.credited), sum(x.debited)]
	FROM loyalty.unit u, loyalty.report_lot_sum(u.program_id, u.unit_id) x GROUP BY u.unit_id, x.expires_on, to_char(x.month, 'YYYY-MM'), x.kind
	UNION ALL
	SELECT concat_ws('|', 'sale', p.program_id, d, x.day, x.value), ARRAY[sum(x.orders), sum(x.amount), sum(x.refunds), sum(x.refunded)]
	FROM loyalty.program p, unnest('{all,channel,store,staff,tier}'::text[]) d, loyalty.report_sale_sum(p.program_id, '2000-01-01', '2100-01-01', d) x GROUP BY p.program_id, d, x.day, x.value
	UNION ALL
	SELECT concat_ws('|', 'member', p.program_id, d, x.day, x.value), ARRAY[sum(x.joined), sum(x.closed), sum(x.reopened)]
	FROM loyalty.program p, unnest('{all,channel,store,staff,tier}'::text[]) d, loyalty.report_member_sum(p.program_id, '2000-01-01', '2100-01-01', d) x GROUP BY p.program_id, d, x.day, x.value
	UNION ALL
	SELECT concat_ws('|', 'tier', p.program_id, x.day, x.action, x.tier_before, x.tier_after), ARRAY[sum(x.times)]
	FROM loyalty.program p, loyalty.report_tier_sum(p.program_id, '2000-01-01', '2100-01-01') x
	-- members who came and went have no row of tier_history
	WHERE -1 <> ALL (ARRAY[x.tier_before, x.tier_after]) GROUP BY p.program_id, x.day, x.action, x.tier_before, x.tier_after
	UNION ALL
	SELECT concat_ws('|', 'return', p.program_id, k, x.day, x.gap), ARRAY[sum(x.members)]
	FROM loyalty.program p, unnest('{active,buyer}'::text[]) k, loyalty.report_return_sum(p.program_id, '2000-01-01', '2100-01-01', k) x GROUP BY p.program_id, k, x.day, x.gap HAVING sum(x.members) <> 0
	UNION ALL
	SELECT concat_ws('|', 'second', p.program_id, x.first_on, x.second_on), ARRAY[sum(x.members)]
	FROM loyalty.program p, loyalty.report_second_sum(p.program_id) x GROUP BY p.program_id, x.first_on, x.second_on HAVING sum(x.members) <> 0
	UNION ALL
	SELECT concat_ws('|', 'cohort', p.program_id, to_char(x.cohort, 'YYYY-MM'), to_char(x.month, 'YYYY-MM')), ARRAY[sum(x.members), sum(x.orders), sum(x.amount), sum(x.refunded)]
	FROM loyalty.program p, loyalty.report_cohort_sum(p.program_id, '2000-01-01', '2100-01-01') x GROUP BY p.program_id, x.cohort, x.month
	HAVING sum(x.members) <> 0 OR sum(x.orders) <> 0 OR sum(x.amount) <> 0 OR sum(x.refunded) <> 0
	UNION ALL
	SELECT concat_ws('|', 'product', p.program_id, r.since, k, x.name, x.tier_id), ARRAY[sum(x.orders), sum(x.quantity), sum(x.returned_quantity), sum(x.returned_amount)]
	FROM loyalty.program p, pg_temp.range r, unnest('{sku,category,brand}'::text[]) k, loyalty.report_product_sum(p.program_id, r.since, r.until, k) x
	GROUP BY p.program_id, r.since, k, x.name, x.tier_id;

CREATE FUNCTION pg_temp.differences() RETURNS SETOF text LANGUAGE sql STABLE AS $$
	SELECT format('%s: shown %s, expected %s', what, s.figures, e.figures)
	FROM pg_temp.shown s FULL JOIN pg_temp.expected e USING (what) WHERE s.figures IS DISTINCT FROM e.figures::numeric[]
$$;

-- Waits for nobody, but for the server's own short transactions.
CREATE FUNCTION pg_temp.fold(batch int DEFAULT 500) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	total int := 0;
	turn record;
BEGIN
	FOR i IN 1..10000 LOOP
		SELECT * INTO turn FROM loyalty.report_fold(batch);
		total := total + turn.done;
		EXIT WHEN turn.done = 0 AND NOT EXISTS (SELECT FROM loyalty.program p, loyalty.report_tail(p.program_id));
		IF turn.done = 0 THEN
			PERFORM pg_sleep(0.01);
		END IF;
	END LOOP;
	RETURN total;
END
$$;

-- One thing that somebody does, by chance.
CREATE PROCEDURE pg_temp.act(n int) LANGUAGE plpgsql AS $$
DECLARE
	who text := (ARRAY['ann', 'bob', 'cat', 'dan', 'eve', 'yui', 'ren', 'sora'])[1 + floor(random() * 8)];
	id bigint := pg_temp.id(who);
	what float := random();
	at timestamptz := CASE WHEN random() < 0.4 THEN loyalty.now() - random() * interval '50 days' END;
	place jsonb := jsonb_strip_nulls(jsonb_build_object('channel', (ARRAY['app', 'web', NULL])[1 + floor(random() * 3)],
		'store', (ARRAY['S1', 'S2', NULL])[1 + floor(random() * 3)], 'staff', (ARRAY['7', NULL])[1 + floor(random() * 2)]));
	items jsonb := (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('sku', (ARRAY['TEA', 'CUP', 'POT'])[1 + floor(random() * 3)],
		'category', (ARRAY['drink', NULL])[1 + floor(random() * 2)], 'brand', (ARRAY['Moon', NULL])[1 + floor(random() * 2)],
		'qty', 1 + floor(random() * 3), 'price', 10 + floor(random() * 50)))) FROM generate_series(1, 1 + floor(random() * 3)::int));
	past text := (SELECT ref FROM loyalty.journal WHERE member_id = id AND event = 'purchase' ORDER BY random() LIMIT 1);
BEGIN
	IF what < 0.35 THEN
		PERFORM loyalty.purchase(id, (20 + floor(random() * 150))::int, 'o' || n, CASE WHEN random() < 0.6 THEN items END, place, at => at, mode => 'try');
	ELSIF what < 0.50 AND past IS NOT NULL THEN
		PERFORM loyalty.refund(id, past, CASE WHEN random() < 0.7 THEN (1 + floor(random() * 20))::int END, refund_ref => 'r' || n, data => place, mode => 'try');
	ELSIF what < 0.58 AND past IS NOT NULL THEN
		PERFORM loyalty.refund(id, past, items => '[{"line": 1, "qty": 1}]', refund_ref => 'r' || n, mode => 'try');
	ELSIF what < 0.68 THEN
		PERFORM loyalty.record(id, 'check_in', data => place, at => at, mode => 'try');
	ELSIF what < 0.75 THEN
		PERFORM loyalty.redeem(id, 5, ref => 'g' || n, mode => 'try');
	ELSIF what < 0.78 THEN
		PERFORM loyalty.refund(id, coalesce((SELECT ref FROM loyalty.journal WHERE member_id = id AND kind = 'redeem' ORDER BY random() LIMIT 1), 'none'), refund_ref => 'r' || n, mode => 'try');
	ELSIF what < 0.83 THEN
		PERFORM loyalty.hold(id, 3, ref => 'h' || n, mode => 'try');
	ELSIF what < 0.87 THEN
		PERFORM loyalty.capture(id, h.hold_id, ref => 'c' || n, mode => 'try') FROM loyalty.hold h WHERE h.member_id = id AND h.status = 'held' LIMIT 1;
	ELSIF what < 0.90 THEN
		PERFORM loyalty.transfer(id, pg_temp.id(CASE WHEN who IN ('yui', 'ren', 'sora') THEN 'yui' ELSE 'ann' END), 2, ref => 't' || n, mode => 'try');
	ELSIF what < 0.93 THEN
		PERFORM loyalty.adjust(id, 7, 'points', 'gift', ref => 'a' || n, mode => 'try');
	ELSIF what < 0.95 THEN
		PERFORM loyalty.member_close(id, 'asked for', mode => 'try');
	ELSIF what < 0.98 THEN
		PERFORM loyalty.member_reopen(m, 'asked for', mode => 'try') FROM unnest(ARRAY[pg_temp.id('ann'), id]) m;
	ELSE
		PERFORM loyalty.enroll('Shanghai', jsonb_build_object('customer_no', 'x' || n), data => place);
	END IF;
END
$$;
CREATE PROCEDURE pg_temp.acts(since int, until int) LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN since..until LOOP
		PERFORM set_config('loyalty.now', (loyalty.now() + random() * interval '20 hours')::text, false);
		CALL pg_temp.act(n);
	END LOOP;
	-- what fell due: points vest and lapse, tiers are reviewed
	PERFORM loyalty.account_maintain();
	PERFORM loyalty.hold_maintain();
END
$$;

SELECT FROM setseed(0.7);
SET loyalty.now = '2026-03-15 12:00+00';

-- Never folded
CALL pg_temp.acts(1, 60);
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'not folded: all sums come from the tail');
SELECT is((SELECT count(*) FROM loyalty.report_sale_day) + (SELECT count(*) FROM loyalty.report_member_day), 0::bigint, 'nothing is kept');
SELECT set_eq(format('SELECT member_id, journal_id FROM loyalty.report_tail(%s) UNION ALL SELECT member_id, journal_id FROM loyalty.report_tail(%s)', :shanghai, :tokyo),
	'SELECT member_id, journal_id FROM loyalty.journal', 'the tail is the journal');
-- All at once
SELECT is(pg_temp.fold(), (SELECT count(*)::int FROM loyalty.journal), 'all rows are folded');
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'folded: all sums come from the tables');
SELECT is_empty(format('SELECT FROM loyalty.report_tail(%s) UNION ALL SELECT FROM loyalty.report_tail(%s)', :shanghai, :tokyo), 'nothing is left in the tail');
SELECT is((SELECT done || ' ' || left_over FROM loyalty.report_fold()), '0 false', 'again: nothing to do');
-- At every moment, with folds of all sizes in between
CREATE TEMP TABLE moment (n int, tail bigint, wrong text[]);
CREATE PROCEDURE pg_temp.live(since int, until int, batch int, chance float) LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN since..until LOOP
		CALL pg_temp.acts(n, n);
		IF random() < chance THEN
			PERFORM loyalty.report_fold(batch);
		END IF;
		CONTINUE WHEN n % 2 = 1;
		INSERT INTO moment SELECT n, (SELECT count(*) FROM loyalty.program p, loyalty.report_tail(p.program_id)), (SELECT array_agg(d) FROM pg_temp.differences() d);
	END LOOP;
END
$$;
CALL pg_temp.live(61, 66, 500, 1);
CALL pg_temp.live(67, 80, 1, 0.5);
CALL pg_temp.live(81, 82, 1, 0);
SELECT is(wrong, NULL::text[], format('call %s: sums and tail are the ledger', n)) FROM moment ORDER BY n;
SELECT cmp_ok((SELECT count(*) FROM moment WHERE tail = 0), '>', 1::bigint, 'some moments had no tail');
SELECT cmp_ok((SELECT count(*) FROM moment WHERE tail > 0), '>', 1::bigint, 'others had one');

-- Many at once, in batches as small as they get
CALL pg_temp.acts(83, 250);
SELECT FROM loyalty.enroll('Tokyo', '{"customer_no": "jun"}');
SELECT FROM loyalty.purchase(pg_temp.id('jun'), 500, 'j1', data => '{"store": "S1"}');
SELECT FROM loyalty.hold(pg_temp.id('jun'), 3, ref => 'j2') h, loyalty.capture(pg_temp.id('jun'), h.hold_id, ref => 'j2');
SELECT FROM loyalty.member_close(pg_temp.id('jun'), 'asked for');
SELECT FROM loyalty.member_reopen(pg_temp.id('jun'), 'asked for');
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'a long tail');
SELECT FROM loyalty.report_fold(2);
SELECT FROM loyalty.report_fold(3);
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'a part of it folded');
SELECT cmp_ok((SELECT count(*) FROM loyalty.program p, loyalty.report_tail(p.program_id)), '>', 0::bigint, 'a part of it not');
SELECT is((CASE WHEN pg_temp.fold(1) > 0 THEN 'folded' END), 'folded', 'then the rest');
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'all of it folded');
SELECT is_empty($$SELECT unnest('{capture,close,event,expire,hold,receive,redeem,refund,reopen,tier_review,time_out,transfer,vest}'::text[]) EXCEPT SELECT kind FROM loyalty.journal$$,
	'that was of many kinds');

-- A range of ids for each node: another one, higher or lower, and back.
SET loyalty.node_id = 5;
SELECT FROM loyalty.enroll('Tokyo', '{"customer_no": "aki"}');
SELECT FROM loyalty.purchase(pg_temp.id('aki'), 300, 'a1');
SET loyalty.node_id = 3;
SELECT FROM loyalty.enroll('Tokyo', '{"customer_no": "kei"}');
SELECT FROM loyalty.purchase(pg_temp.id('kei'), 500, 'k1');
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'nodes of which nothing is folded');
SELECT FROM pg_temp.fold();
SET loyalty.node_id = 0;
SELECT FROM loyalty.enroll('Tokyo', '{"customer_no": "mei"}');
SET loyalty.node_id = 4;
SELECT FROM loyalty.purchase(pg_temp.id('mei'), 500, 'm1');
SET loyalty.node_id = 3;
SELECT FROM loyalty.purchase(pg_temp.id('kei'), 700, 'k2');
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'nodes between others');
SELECT FROM loyalty.report_fold(1);
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'of which some are folded');
SELECT FROM pg_temp.fold();
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'and all');
SELECT is((SELECT string_agg((first_id >> 43)::text, ' ' ORDER BY first_id) FROM loyalty.report_folded), '0 3 4 5', 'each has its range');
-- of one member they only rise
SET loyalty.node_id = 6;

-- What is returned as a whole has come to nothing, line by line, whatever the discount was.
SELECT FROM loyalty.journal j, loyalty.refund(j.member_id, j.ref, key => 'all ' || j.journal_id, mode => 'try') r WHERE j.kind = 'event' AND j.event = 'purchase';
SELECT is_empty(format('SELECT name FROM loyalty.report_product_sum(%s, ''2000-01-01'', ''2100-01-01'', ''sku'') GROUP BY name HAVING sum(amount) <> sum(returned_amount) OR sum(quantity) <> sum(returned_quantity)', p),
	'products: returned as a whole, from the tail') FROM unnest(ARRAY[:shanghai, :tokyo]) p;
SELECT FROM pg_temp.fold();
SELECT is_empty(format('SELECT name FROM loyalty.report_product_sum(%s, ''2000-01-01'', ''2100-01-01'', ''sku'') GROUP BY name HAVING sum(amount) <> sum(returned_amount) OR sum(quantity) <> sum(returned_quantity)', p),
	'products: returned as a whole, from the sums') FROM unnest(ARRAY[:shanghai, :tokyo]) p;
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'refunds of everything');

-- No name that a shop gives, no quantity and no price, which has more decimals than the
-- currency of the other programme, stands in the way of folding: names are cut, of a
-- line at most 10^9 pieces count.
ANALYZE loyalty.program, loyalty.event_data;
SELECT string_agg(md5(g::text), '' ORDER BY g) AS long FROM generate_series(1, 200) g \gset
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 10, 'huge', jsonb_build_array(jsonb_build_object('sku', :'long', 'brand', :'long' || 'x', 'price', 10.005, 'net', 9.99)))
UNION ALL SELECT FROM loyalty.purchase(pg_temp.id('ann'), 10, 'many', (SELECT jsonb_agg(jsonb_build_object('sku', 'DUST', 'qty', 9007199254740, 'price', 0)) FROM generate_series(1, 1100)))
UNION ALL SELECT FROM loyalty.refund(pg_temp.id('ann'), 'many', key => 'many back');
CREATE FUNCTION pg_temp.extreme(program_id int) RETURNS SETOF text LANGUAGE sql STABLE AS $$
	SELECT format('%s: %s of %s, %s back', k, quantity, name, returned_quantity)
	FROM unnest('{sku,brand}'::text[]) k, loyalty.report_product_sum(program_id, '2000-01-01', '2100-01-01', k)
	WHERE name = 'DUST' OR length(name) > 100
$$;
CREATE TEMP TABLE extreme AS SELECT * FROM pg_temp.extreme(:shanghai) x;
SELECT set_eq('SELECT * FROM extreme', ARRAY['sku: 1000 of ' || left(:'long', 200) || ', 0 back', 'brand: 1000 of ' || left(:'long', 200) || ', 0 back',
	'sku: 1100000000000000 of DUST, 1100000000000000 back'], 'products without measure: from the tail');
SELECT FROM pg_temp.fold();
SELECT set_eq(format('SELECT * FROM pg_temp.extreme(%s)', :shanghai), 'SELECT * FROM extreme', 'and from the sums');
SELECT is_empty(format('SELECT FROM loyalty.report_tail(%s)', :shanghai), 'which have all');

-- Damaged sums are made anew.
CREATE FUNCTION pg_temp.sums() RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
	name text;
	digest text;
	digests text := '';
BEGIN
	FOREACH name IN ARRAY '{value_day,lot_month,sale_day,member_count,member_day,return_day,second,cohort_month,product_day,product_month,tier_day}'::text[] LOOP
		EXECUTE format('SELECT md5(string_agg(t::text, E''\n'' ORDER BY t::text)) FROM loyalty.report_%s t', name) INTO digest;
		digests := digests || digest;
	END LOOP;
	RETURN digests;
END
$$;
SELECT pg_temp.sums() AS sums \gset
UPDATE loyalty.report_sale_day SET amount = amount + 1 WHERE program_id = :tokyo;
DELETE FROM loyalty.report_member_day WHERE program_id = :tokyo;
SELECT isnt(pg_temp.sums(), :'sums', 'damaged');
SELECT is(loyalty.report_rebuild('Tokyo'), (SELECT count(*) FROM loyalty.journal WHERE program_id = :tokyo), 'made anew');
SELECT is(pg_temp.sums(), :'sums', 'as they were, those of others untouched');
-- A refund is added up by its order: a member with many among members with few.
SELECT loyalty.program_create('Berlin', 'EUR', 'Europe/Berlin') AS berlin \gset
SELECT FROM generate_series(1, 500) i, LATERAL loyalty.enroll('Berlin', jsonb_build_object('customer_no', i::text)) r,
	generate_series(1, 5) o, loyalty.purchase(r.member_id, 1, 'o' || o, '[{"sku": "PIN", "price": 1}]');
ANALYZE loyalty.event_data;
CALL pg_temp.enroll('Berlin', 'ute');
SELECT FROM generate_series(1, 200) o, loyalty.purchase(pg_temp.id('ute'), 1, 'o' || o, '[{"sku": "PIN", "price": 1}]');
SELECT FROM pg_temp.fold();
CREATE FUNCTION pg_temp.fetched(name text) RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT coalesce(idx_tup_fetch, 0) + coalesce(seq_tup_read, 0) FROM pg_stat_xact_user_tables WHERE schemaname = 'loyalty' AND relname = name
$$;
SELECT FROM loyalty.refund(pg_temp.id('ute'), 'o197');
SELECT pg_temp.fetched('event_data') AS before \gset
SELECT is((SELECT sum(returned_quantity) FROM loyalty.report_product_sum(:berlin, '2000-01-01', '2100-01-01', 'sku')), 1000::numeric, 'a refund of one order of many');
SELECT ok(pg_temp.fetched('event_data') - :before < 10, 'reads that order only');

-- Nor are sums of days read that have not changed, however many there are.
SELECT FROM pg_temp.fold();
SAVEPOINT years;
INSERT INTO loyalty.campaign (program_id, name, status) VALUES (:berlin, 'fair', 'live') RETURNING campaign_id AS fair \gset
INSERT INTO loyalty.rule (program_id, name, event, unit_id, kind, award, campaign_id)
SELECT program_id, 'fair', 'purchase', unit_id, 'fixed', 1, :fair FROM loyalty.unit WHERE program_id = :berlin AND code = 'points';
INSERT INTO loyalty.report_campaign_return_day SELECT :berlin, :fair, '2000-01-01'::date + d, g, 1 FROM generate_series(1, 3000) d, generate_series(1, 5) g;
INSERT INTO loyalty.report_rfm_day SELECT :berlin, '2000-01-01'::date + d, r, 1, 1, 0, 0, 0 FROM generate_series(1, 3000) d, generate_series(1, 5) r;
INSERT INTO loyalty.report_return_day SELECT :berlin, 'buyer', '2000-01-01'::date + d, g, 1 FROM generate_series(1, 3000) d, generate_series(1, 5) g;
INSERT INTO loyalty.report_cohort_month SELECT :berlin, make_date(1900, 1, 1) + make_interval(months => c), make_date(1900, 1, 1) + make_interval(months => c + m), 1, 1, 1, 0
FROM generate_series(1, 1000) c, generate_series(0, 14) m;
INSERT INTO loyalty.report_second SELECT :berlin, '1990-01-01'::date + d, '1990-01-01'::date + d + g, 1 FROM generate_series(1, 3000) d, generate_series(1, 5) g;
ANALYZE loyalty.report_rfm_day, loyalty.report_return_day, loyalty.report_cohort_month, loyalty.report_second, loyalty.report_campaign_return_day;
SELECT name, pg_temp.fetched(name) AS n INTO TEMP before
FROM unnest('{report_rfm_day,report_return_day,report_cohort_month,report_second,report_campaign_return_day}'::text[]) name;
SELECT FROM loyalty.purchase(pg_temp.id('ute'), 1, 'later');
SELECT FROM pg_temp.fold();
SELECT is_empty('SELECT name, pg_temp.fetched(name) - n FROM before WHERE pg_temp.fetched(name) - n > 20', 'an order is folded without reading years');
ROLLBACK TO years;

SELECT is_empty('SELECT * FROM loyalty.verify()', 'verify() finds nothing');

SELECT * FROM finish();
ROLLBACK;
