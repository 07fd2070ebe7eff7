\set ECHO none
\i test/prelude.sql
SELECT plan(19);
SET jit = off;

-- Two programmes in two zones. Coupons that can be used once or twice, that lapse soon, and that come back for some days; an offer, codes.
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop, loyalty.program_create('Cafe', 'JPY', 'Asia/Tokyo') AS cafe \gset
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:shop, 'base', 0), (:shop, 'gold', 1);
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, window_kind)
SELECT :shop, t.tier_id, u.unit_id, 200, 'lifetime' FROM loyalty.tier t, loyalty.unit u WHERE t.code = 'gold' AND u.program_id = :shop AND u.code = 'spend';
INSERT INTO loyalty.coupon (program_id, name, kind, amount, automatic, claimable, transferable, valid_days, max_uses, return_days, returns, max_per_order, item_filter, price, price_unit_id)
SELECT p.program_id, c.name, 'amount', c.amount, c.automatic, NOT c.automatic, NOT c.automatic, c.days, c.times, c.back, c.returns, 2, c.filter::jsonpath,
	CASE WHEN c.name = 'twice' THEN 1 END, CASE WHEN c.name = 'twice' THEN (SELECT u.unit_id FROM loyalty.unit u WHERE u.program_id = p.program_id AND u.code = 'points') END
FROM loyalty.program p, (VALUES ('once', 4, false, 3, 1, 5, true, NULL), ('twice', 3, false, 9, 2, NULL, true, NULL), ('spent', 2, false, 6, 1, NULL, false, NULL),
	('ever', 2, false, NULL, 1, NULL, true, NULL), ('tea', 1, true, NULL, 1, NULL, true, '$.category == "tea"')) c (name, amount, automatic, days, times, back, returns, filter);
INSERT INTO loyalty.coupon_pack (program_id, name, coupon_id, quantity) SELECT program_id, 'pack', coupon_id, 2 FROM loyalty.coupon WHERE name IN ('once', 'ever');
CREATE TEMP TABLE code AS SELECT p.name AS program, c AS code, row_number() OVER (PARTITION BY p.name) AS no
FROM loyalty.program p, loyalty.coupon_generate(p.name, 'ever', 40) c;
CALL pg_temp.enroll('Shop', 'm1', 'm2', 'm3', 'm4');
CALL pg_temp.enroll('Cafe', 'm5', 'm6');

-- The slow way: from coupons and uses, without a function of the reports.
CREATE FUNCTION pg_temp.slow(of_program text, since date, until date, by text) RETURNS SETOF text LANGUAGE sql STABLE AS $$
	WITH p AS (SELECT *, (loyalty.now() AT TIME ZONE time_zone)::date AS today FROM loyalty.program WHERE name = of_program),
	place AS (
		SELECT j.member_id, j.journal_id, CASE by WHEN 'channel' THEN j.channel WHEN 'store' THEN j.store WHEN 'staff' THEN j.staff
			WHEN 'tier' THEN coalesce(t.code, CASE of_program WHEN 'Shop' THEN 'base' END) END AS part
		FROM loyalty.journal j LEFT JOIN loyalty.tier t ON t.tier_id = j.tier_before),
	u AS (SELECT u.*, (u.used_at AT TIME ZONE p.time_zone)::date AS day, part FROM p JOIN loyalty.coupon_use u USING (program_id) JOIN place USING (member_id, journal_id)),
	m AS (
		SELECT m.*, (m.issued_at AT TIME ZONE p.time_zone)::date AS day, part, p.today,
			(SELECT count(*) FROM u WHERE u.member_id = m.member_id AND u.coupon_no = m.coupon_no AND (status IN ('used') OR status = 'reserved' AND reserved_until > loyalty.now())) AS taken,
			(SELECT count(*) FROM u WHERE u.member_id = m.member_id AND u.coupon_no = m.coupon_no AND status = 'used') AS used
		FROM p JOIN loyalty.member_coupon m USING (program_id) JOIN place USING (member_id, journal_id)),
	x (coupon_id, part, issued, claimed, spent, void, expired, reserved, used, codes, returned, discount, sales) AS (
		SELECT coupon_id, part, (status <> 'void')::int, (status <> 'void' AND source IN ('claim', 'code', 'buy'))::int, (status <> 'void' AND used > 0)::int, (status = 'void')::int, 0, 0, 0, 0, 0, 0, 0
		FROM m WHERE source <> 'transfer' AND day BETWEEN since AND until
		UNION ALL
		SELECT coupon_id, part, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0 FROM m
		WHERE status = 'issued' AND taken < max_uses AND valid_until BETWEEN since AND until AND valid_until < today
		UNION ALL
		SELECT coupon_id, part, 0, 0, 0, 0, 0, (status = 'reserved')::int, (status = 'used')::int, (status = 'used' AND code IS NOT NULL AND coupon_no IS NULL)::int, (status = 'returned')::int,
			CASE WHEN status = 'reserved' THEN 0 ELSE discount - returned END, 0
		FROM u WHERE day BETWEEN since AND until AND (status IN ('used', 'returned') OR status = 'reserved' AND reserved_until > loyalty.now())
		UNION ALL
		SELECT coupon_id, part, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, j.amount
		FROM (SELECT DISTINCT ON (member_id, ref, coupon_id) * FROM u WHERE status = 'used' ORDER BY member_id, ref, coupon_id, use_id) f
		JOIN loyalty.journal j USING (member_id, ref)
		WHERE j.kind = 'event' AND j.event = 'purchase' AND day BETWEEN since AND until)
	SELECT concat_ws('|', c.name, part, sum(issued), sum(claimed), sum(reserved), sum(used), sum(codes), sum(returned), sum(expired), sum(void), sum(discount), sum(sales),
		round(sum(spent)::numeric / nullif(sum(issued), 0), 4))
	FROM x JOIN loyalty.coupon c USING (coupon_id)
	GROUP BY c.name, part
	HAVING sum(issued + void + expired + x.reserved + used + returned + discount) <> 0
$$;
CREATE FUNCTION pg_temp.quick(of_program text, since date, until date, by text) RETURNS SETOF text LANGUAGE sql STABLE AS $$
	SELECT concat_ws('|', coupon, part, issued, claimed, reserved, used, codes, returned, expired, void, round(discount * 10 ^ scale), round(sales * 10 ^ scale), rate)
	FROM loyalty.report_coupon_funnel(of_program, since, until, by), LATERAL (SELECT currency_scale AS scale FROM loyalty.program WHERE name = of_program) p
	WHERE issued + void + expired + reserved + used + returned <> 0 OR discount <> 0
$$;
-- All of it, and a week; as a whole and by part.
CREATE FUNCTION pg_temp.differences() RETURNS SETOF text LANGUAGE sql STABLE AS $$
	SELECT format('%s %s %s: %s', p.name, d.by, r.since, x)
	FROM loyalty.program p, (VALUES (NULL), ('channel'), ('store'), ('staff'), ('tier')) d (by),
		(VALUES ('2020-01-01'::date, '2090-01-01'::date), ('2026-03-18', '2026-03-24')) r (since, until),
		LATERAL (
			SELECT concat(sum(q.sign), ' ', q.line) FROM (
				SELECT 1 AS sign, l AS line FROM pg_temp.quick(p.name, r.since, r.until, d.by) l
				UNION ALL SELECT -1, l FROM pg_temp.slow(p.name, r.since, r.until, d.by) l) q
			GROUP BY q.line HAVING sum(q.sign) <> 0) x (x)
$$;

-- One call of any kind, with whatever coupon and order; many are refused.
CREATE PROCEDURE pg_temp.act(n int) LANGUAGE plpgsql AS $$
DECLARE
	who int = 1 + floor(random() * 6);
	m bigint = pg_temp.id('m' || who);
	shop text = CASE WHEN who > 4 THEN 'Cafe' ELSE 'Shop' END;
	name text = (ARRAY['once', 'twice', 'spent', 'ever'])[1 + floor(random() * 4)];
	act int = floor(random() * 24);
	-- of a few, so that what refers to it finds it
	at jsonb = jsonb_build_object('channel', (ARRAY['app', 'web', NULL])[1 + n % 3], 'store', (ARRAY['S1', NULL])[1 + n % 2], 'staff', (ARRAY['E1', 'E2', NULL])[1 + n % 3]);
	cart jsonb = jsonb_build_object('items', jsonb_build_array(jsonb_build_object('sku', 'A', 'category', (ARRAY['tea', 'cup'])[1 + n % 2], 'price', 20 + n % 7),
		jsonb_build_object('sku', 'B', 'price', 30))) || jsonb_strip_nulls(at);
	held text[] = ARRAY(SELECT '#' || coupon_no FROM loyalty.member_coupon WHERE member_id = m AND status = 'issued' ORDER BY random() LIMIT 1 + n % 2);
	one bigint = substr(held[1], 2);
	own text = CASE WHEN n % 4 = 0 THEN (SELECT c.code FROM code c WHERE c.program = shop AND c.no = 1 + n % 40) ELSE held[1] END;
	used text = (SELECT ref FROM loyalty.coupon_use WHERE member_id = m AND status = 'used' ORDER BY random() LIMIT 1);
	kept text = (SELECT ref FROM loyalty.coupon_use WHERE member_id = m AND status = 'reserved' ORDER BY random() LIMIT 1);
	again text = CASE WHEN random() < 0.3 THEN coalesce(kept, used, 'r' || n) ELSE 'r' || n END;
BEGIN
	CASE
	WHEN act IN (0, 1) THEN PERFORM loyalty.coupon_claim(m, name, 'c' || n, mode => 'try');
	WHEN act IN (2, 3) THEN PERFORM loyalty.coupon_issue(m, name, 'c' || n, mode => 'try');
	WHEN act = 4 THEN PERFORM loyalty.coupon_issue_pack(m, 'pack', 'c' || n, mode => 'try');
	WHEN act = 5 THEN PERFORM loyalty.coupon_buy(m, 'twice', 'c' || n, mode => 'try');
	WHEN act = 6 THEN PERFORM loyalty.coupon_transfer(m, pg_temp.id('m' || CASE WHEN who > 4 THEN 11 - who ELSE 1 + who % 4 END), one, 't' || n, mode => 'try') FROM (SELECT) x WHERE one IS NOT NULL;
	WHEN act = 7 THEN PERFORM loyalty.coupon_void(m, one, 'reason ' || n, mode => 'try') FROM (SELECT) x WHERE one IS NOT NULL;
	WHEN act IN (8, 9) THEN PERFORM loyalty.coupon_use(m, own, again, 3, jsonb_strip_nulls(at), mode => 'try') FROM (SELECT) x WHERE own IS NOT NULL;
	WHEN act = 10 THEN PERFORM loyalty.coupon_undo(m, used, mode => 'try') FROM (SELECT) x WHERE used IS NOT NULL;
	WHEN act = 11 THEN PERFORM loyalty.purchase(m, 47, coalesce(used, again), data => jsonb_strip_nulls(at), mode => 'try');
	WHEN act IN (12, 13) THEN PERFORM loyalty.checkout(m, cart, again, held, mode => 'try');
	WHEN act IN (14, 15, 16) THEN PERFORM loyalty.checkout_reserve(m, cart, again, held, ttl => '2 hours', mode => 'try');
	WHEN act = 17 THEN PERFORM loyalty.checkout_confirm(m, kept, mode => 'try') FROM (SELECT) x WHERE kept IS NOT NULL;
	WHEN act = 18 THEN PERFORM loyalty.checkout_cancel(m, kept, mode => 'try') FROM (SELECT) x WHERE kept IS NOT NULL;
	WHEN act = 19 THEN PERFORM loyalty.coupon_release(shop);
	WHEN act = 20 THEN PERFORM loyalty.refund(m, used, 11, refund_ref => 'b' || n, mode => 'try') FROM (SELECT) x WHERE used IS NOT NULL;
	WHEN act = 21 THEN PERFORM loyalty.refund(m, used, key => 'k' || n, mode => 'try') FROM (SELECT) x WHERE used IS NOT NULL;
	WHEN act = 22 THEN PERFORM loyalty.coupon_claim_code(m, (SELECT c.code FROM code c WHERE c.program = shop AND c.no = 1 + n % 40), mode => 'try');
	ELSE PERFORM set_config('loyalty.now', (loyalty.now() + floor(random() * 30) * interval '1 hour')::text, false);
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
			INSERT INTO moment SELECT n, (SELECT count(*) FROM loyalty.program p, loyalty.report_tail(p.program_id)), (SELECT array_agg(d) FROM pg_temp.differences() d);
		END IF;
	END LOOP;
END
$$;
CREATE PROCEDURE pg_temp.fold() LANGUAGE plpgsql AS $$
BEGIN
	WHILE (SELECT f.left_over FROM loyalty.report_fold(500) f) LOOP
	END LOOP;
END
$$;

SELECT setseed(0.42) \gset
CALL pg_temp.live(1, 150, 0, 0.05);
CALL pg_temp.live(151, 500, 0.3, 0.05);
CALL pg_temp.fold();
CALL pg_temp.live(501, 600, 0.3, 0.05);
SELECT is((SELECT string_agg(n || ' ' || wrong[1], E'\n' ORDER BY n) FROM (SELECT * FROM moment WHERE wrong IS NOT NULL ORDER BY n LIMIT 5) x), NULL, 'sums and tail are what the tables have');
SELECT cmp_ok((SELECT count(*) FROM moment WHERE tail > 50), '>', 1::bigint, 'some moments had a long tail');
SELECT cmp_ok((SELECT count(*) FROM moment WHERE tail < 10), '>', 1::bigint, 'others a short one');
SELECT is_empty($$SELECT unnest('{checkout_cancel,checkout_reserve,coupon_buy,coupon_claim,coupon_issue,coupon_receive,coupon_transfer,coupon_undo,coupon_use,coupon_void,refund}'::text[]) EXCEPT SELECT kind FROM loyalty.journal$$,
	'there was some of every kind');
CALL pg_temp.fold();
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'all of it folded');
SELECT is_empty('SELECT * FROM loyalty.report_tail(1) UNION ALL SELECT * FROM loyalty.report_tail(2)', 'nothing is left');
-- What is reserved over its last day is not lost yet, by the clock alone; then it is.
SELECT FROM loyalty.coupon_issue(pg_temp.id('m1'), 'once', 'last');
SELECT FROM loyalty.checkout_reserve(pg_temp.id('m1'), '{"items": [{"sku": "A", "price": 20}], "channel": "web"}', 'last', ARRAY['#' || (SELECT max(coupon_no) FROM loyalty.member_coupon)], ttl => '5 days');
CALL pg_temp.fold();
SELECT set_eq('SELECT DISTINCT status FROM loyalty.coupon_use', '{used,returned,released,reserved}'::text[], 'there was all that becomes of uses');
SELECT set_config('loyalty.now', (loyalty.now() + interval '4 days')::text, false) \g /dev/null
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'reserved when the last day is over');
SELECT set_config('loyalty.now', (loyalty.now() + interval '2 days')::text, false) \g /dev/null
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'timed out');
SELECT FROM loyalty.coupon_release('Shop');
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'released, of which the journal tells nothing');
-- verify() sees what is counted wrongly.
CREATE FUNCTION pg_temp.found(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	codes text;
BEGIN
	BEGIN
		EXECUTE sql;
		SELECT coalesce(string_agg(DISTINCT concat_ws(' ', v.invariant, substring(v.detail FROM 'sum=(\w+)')), ', '), 'nothing') INTO codes FROM loyalty.verify() v;
		RAISE EXCEPTION 'undo' USING ERRCODE = 'ZZ999';
	EXCEPTION WHEN SQLSTATE 'ZZ999' THEN
	END;
	RETURN codes;
END
$$;
SELECT is(pg_temp.found('UPDATE loyalty.report_coupon_day SET ' || set), codes, 'verify(): ' || set) FROM (VALUES
	('sales = sales + 1 WHERE sales > 0', 'report_sum_differs report_coupon_day'), ('open = open - 1', 'report_sum_differs report_coupon_day'),
	('value = ''S9'' WHERE value = ''S1''', 'report_sum_differs report_coupon_day')) d (set, codes);
SELECT is(pg_temp.found('UPDATE loyalty.report_coupon_seen SET ' || set), codes, 'verify(): ' || set) FROM (VALUES
	('spent = 1 - spent WHERE issued = 1', 'report_sum_differs report_coupon_day, report_sum_differs report_coupon_seen'),
	('day = day + 1 WHERE used = 1', 'report_sum_differs report_coupon_day, report_sum_differs report_coupon_seen')) d (set, codes);
SELECT is(pg_temp.found('DELETE FROM loyalty.report_coupon_seen WHERE used = 1'), 'report_sum_differs report_coupon_day, report_sum_differs report_coupon_seen', 'verify(): noted as nothing');

-- Made anew it is the same.
CREATE VIEW pg_temp.kept AS SELECT * FROM loyalty.report_coupon_day WHERE issued <> 0 OR void <> 0 OR open <> 0 OR used <> 0 OR returned <> 0 OR discount <> 0 OR sales <> 0;
CREATE TEMP TABLE before AS TABLE kept;
UPDATE loyalty.report_coupon_day SET used = used + 1 WHERE program_id = :shop;
DELETE FROM loyalty.report_coupon_seen WHERE program_id = :shop AND discount > 0;
SELECT FROM loyalty.report_rebuild('Shop');
SELECT set_eq('TABLE kept', 'TABLE before', 'made anew');
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'and right');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'verify() finds nothing');
SELECT * FROM finish();
ROLLBACK;
