\set ECHO none
\i test/prelude.sql
SELECT plan(36);
SET jit = off;

-- Two programmes; two campaigns in one, and rules and coupons that go from one to the other.
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop, loyalty.program_create('Other', 'JPY', 'Asia/Tokyo') AS other \gset
INSERT INTO loyalty.program_event (program_id, event) VALUES (:shop, 'check_in') ON CONFLICT DO NOTHING;
INSERT INTO loyalty.unit_anchor (program_id, unit_id, units, money, valid_from) SELECT program_id, unit_id, 100, 50, '2026-04-20' FROM loyalty.unit WHERE program_id = :shop AND code = 'points';
INSERT INTO loyalty.campaign (program_id, name, status) VALUES (:shop, 'north', 'live'), (:shop, 'south', 'live'), (:shop, 'never', 'live'), (:other, 'north', 'live');
SELECT campaign_id AS north FROM loyalty.campaign WHERE program_id = :shop AND name = 'north' \gset
SELECT campaign_id AS south FROM loyalty.campaign WHERE program_id = :shop AND name = 'south' \gset
SELECT campaign_id AS abroad FROM loyalty.campaign WHERE program_id = :other \gset
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan');
CALL pg_temp.enroll('Other', 'yui');
SELECT pg_temp.rule('{"program": "Shop", "award": 10, "per": 1, "kind": "per_amount"}');
SELECT pg_temp.rule(format('{"program": "Shop", "award": 50, "campaign_id": %s}', :north)::jsonb) AS r1 \gset
SELECT pg_temp.rule(format('{"program": "Shop", "award": 7, "campaign_id": %s}', :north)::jsonb) AS r2 \gset
SELECT pg_temp.rule(format('{"program": "Shop", "award": 3, "event": "check_in", "campaign_id": %s}', :south)::jsonb) AS r3 \gset
SELECT pg_temp.rule('{"program": "Shop", "award": 4, "event": "check_in"}') AS r4 \gset
SELECT pg_temp.rule(format('{"program": "Other", "award": 20, "campaign_id": %s}', :abroad)::jsonb);
SELECT pg_temp.coupon(format('{"program": "Shop", "name": "five", "kind": "amount", "amount": 5, "max_uses": 1000, "campaign_id": %s}', :north)::jsonb) AS five \gset
SELECT pg_temp.coupon(format('{"program": "Shop", "name": "six", "kind": "amount", "amount": 6, "max_uses": 1000, "campaign_id": %s}', :south)::jsonb) AS six \gset
SELECT pg_temp.coupon('{"program": "Shop", "name": "none", "kind": "amount", "amount": 1, "max_uses": 1000}');
SELECT FROM unnest('{ann,bob,cat,dan}'::text[]) name, unnest('{five,six,none}'::text[]) c, loyalty.coupon_issue(pg_temp.id(name), c, 'i ' || c);

-- The truth, noted while it happens: of which campaign the rule of an award was, and the coupon of a use.
CREATE TEMP TABLE awarded (member_id bigint, journal_id bigint, rule_id int, campaign_id int);
CREATE TEMP TABLE used (member_id bigint, use_id bigint PRIMARY KEY, campaign_id int);
CREATE PROCEDURE pg_temp.note() LANGUAGE sql AS $$
	INSERT INTO pg_temp.awarded
	SELECT DISTINCT e.member_id, e.journal_id, e.rule_id, r.campaign_id
	FROM loyalty.entry e JOIN loyalty.rule r USING (rule_id) JOIN loyalty.journal j USING (member_id, journal_id)
	WHERE j.kind = 'event' AND NOT EXISTS (SELECT FROM pg_temp.awarded a WHERE a.member_id = e.member_id AND a.journal_id = e.journal_id);
	INSERT INTO pg_temp.used
	SELECT u.member_id, u.use_id, c.campaign_id FROM loyalty.coupon_use u JOIN loyalty.coupon c USING (coupon_id) ON CONFLICT DO NOTHING
$$;
CREATE VIEW pg_temp.day AS
	SELECT j.*, (j.effective_at AT TIME ZONE p.time_zone)::date AS day FROM loyalty.journal j JOIN loyalty.program p USING (program_id);
CREATE VIEW pg_temp.moved AS
	SELECT a.campaign_id, d.day, e.unit_id, e.amount
	FROM loyalty.entry e JOIN pg_temp.day d USING (member_id, journal_id)
	JOIN pg_temp.awarded a ON a.rule_id = e.rule_id AND a.member_id = e.member_id AND a.journal_id = CASE d.kind WHEN 'event' THEN d.journal_id
		ELSE (SELECT o.journal_id FROM loyalty.journal o JOIN pg_temp.awarded x USING (member_id, journal_id)
			WHERE o.member_id = d.member_id AND o.ref = d.reverses AND o.kind = 'event' AND x.rule_id = e.rule_id) END
	WHERE d.kind IN ('event', 'refund') AND a.campaign_id IS NOT NULL;
CREATE VIEW pg_temp.touched AS
	SELECT a.campaign_id, d.member_id, d.journal_id, d.day, CASE d.event WHEN 'purchase' THEN d.amount ELSE 0 END AS paid
	FROM pg_temp.awarded a JOIN pg_temp.day d USING (member_id, journal_id) WHERE a.campaign_id IS NOT NULL
	UNION
	SELECT x.campaign_id, d.member_id, d.journal_id, d.day, d.amount
	FROM loyalty.coupon_use u JOIN pg_temp.used x USING (member_id, use_id) JOIN pg_temp.day d ON d.member_id = u.member_id AND d.ref = u.ref AND d.kind = 'event' AND d.event = 'purchase'
	WHERE u.status IN ('used', 'returned') AND x.campaign_id IS NOT NULL;

CREATE TEMP TABLE range (since date, until date);
INSERT INTO range VALUES ('2026-01-01', '2026-12-31'), ('2026-03-10', '2026-03-20'), ('2026-03-25', '2026-04-18');
CREATE VIEW pg_temp.expected AS
	SELECT r.since, c.program_id, c.name AS campaign,
		(SELECT count(*) FROM pg_temp.touched t WHERE t.campaign_id = c.campaign_id AND t.day BETWEEN r.since AND r.until) AS events,
		(SELECT count(DISTINCT member_id) FROM pg_temp.touched t WHERE t.campaign_id = c.campaign_id AND t.day BETWEEN r.since AND r.until) AS members,
		-- 100 points are worth 1.00, from 20 April on 0.50, and in the other programme 1; orders, which rules count, nothing
		round(coalesce((SELECT sum(m.amount * CASE WHEN u.program_id <> (SELECT min(program_id) FROM loyalty.program) THEN 0.01 WHEN m.day >= '2026-04-20' THEN 0.5 ELSE 1 END)
			FROM pg_temp.moved m JOIN loyalty.unit u USING (unit_id) WHERE u.code = 'points' AND m.campaign_id = c.campaign_id AND m.day BETWEEN r.since AND r.until), 0)) / 10.0 ^ p.currency_scale AS worth,
		(SELECT count(*) FROM loyalty.coupon_use u JOIN pg_temp.used x USING (member_id, use_id) WHERE x.campaign_id = c.campaign_id AND u.status = 'used'
			AND (u.used_at AT TIME ZONE p.time_zone)::date BETWEEN r.since AND r.until) AS coupons,
		coalesce((SELECT sum(u.discount - u.returned) FROM loyalty.coupon_use u JOIN pg_temp.used x USING (member_id, use_id) WHERE x.campaign_id = c.campaign_id AND u.status IN ('used', 'returned')
			AND (u.used_at AT TIME ZONE p.time_zone)::date BETWEEN r.since AND r.until), 0) / 10.0 ^ p.currency_scale AS discount,
		coalesce((SELECT sum(paid) FROM pg_temp.touched t WHERE t.campaign_id = c.campaign_id AND t.day BETWEEN r.since AND r.until), 0) / 10.0 ^ p.currency_scale AS sales
	FROM pg_temp.range r, loyalty.campaign c JOIN loyalty.program p USING (program_id);
CREATE VIEW pg_temp.shown AS
	SELECT r.since, r.until, p.program_id, x.campaign, x.events, x.members, x.unit, x.awarded, x.worth, x.coupons, x.discount, x.sales, x.cost
	FROM pg_temp.range r, loyalty.program p, loyalty.report_campaign_cost(p.name, r.since, r.until) x;
CREATE FUNCTION pg_temp.differences() RETURNS SETOF text LANGUAGE sql STABLE AS $$
	SELECT format('%s: shown %s, expected %s', coalesce(s.campaign, e.campaign), s, e)
	FROM pg_temp.shown s FULL JOIN pg_temp.expected e USING (since, program_id, campaign)
	WHERE (s.events, s.members, s.worth, s.coupons, s.discount, s.sales, s.cost)
		IS DISTINCT FROM (e.events, e.members, e.worth, e.coupons, e.discount, e.sales, e.worth + e.discount)
	UNION ALL
	SELECT format('%s: shown %s', s.campaign, s)
	FROM pg_temp.shown s
	WHERE s.awarded IS DISTINCT FROM (
		SELECT sum(m.amount) FROM pg_temp.moved m JOIN loyalty.campaign c USING (campaign_id) JOIN loyalty.unit u USING (unit_id)
		WHERE c.program_id = s.program_id AND c.name = s.campaign AND u.code = s.unit AND m.day BETWEEN s.since AND s.until)
	UNION ALL
	SELECT format('%s', x)
	FROM (
		SELECT x.campaign_id, x.day, x.unit_id, sum(x.amount) AS amount FROM loyalty.program p, loyalty.report_campaign_sum(p.program_id, '2000-01-01', '2100-01-01') x
		WHERE x.unit_id > 0 GROUP BY x.campaign_id, x.day, x.unit_id) x
	FULL JOIN (SELECT campaign_id, day, unit_id, sum(amount) AS amount FROM pg_temp.moved GROUP BY campaign_id, day, unit_id) y USING (campaign_id, day, unit_id)
	WHERE x.amount IS DISTINCT FROM y.amount
$$;
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

CREATE PROCEDURE pg_temp.act(n int) LANGUAGE plpgsql AS $$
DECLARE
	id bigint := pg_temp.id((ARRAY['ann', 'bob', 'cat', 'dan', 'yui'])[1 + floor(random() * 5)]);
	what float := random();
	at timestamptz := CASE WHEN random() < 0.4 THEN loyalty.now() - random() * interval '40 days' END;
	past text := (SELECT ref FROM loyalty.journal WHERE member_id = id AND event = 'purchase' ORDER BY random() LIMIT 1);
	coupon text := '#' || coalesce((SELECT coupon_no FROM loyalty.member_coupon WHERE member_id = id ORDER BY random() LIMIT 1), 1);
	other int := (SELECT CASE WHEN random() < 0.8 THEN campaign_id END FROM loyalty.campaign WHERE name IN ('north', 'south') AND program_id = (SELECT program_id FROM loyalty.program WHERE name = 'Shop') ORDER BY random() LIMIT 1);
BEGIN
	IF what < 0.30 THEN
		PERFORM loyalty.purchase(id, (20 + floor(random() * 150))::int, 'o' || n, at => at, mode => 'try');
	ELSIF what < 0.40 THEN
		-- at the till: two coupons, then the order
		PERFORM loyalty.coupon_use(id, coupon, 'o' || n, 5, mode => 'try');
		PERFORM loyalty.coupon_use(id, '#' || coupon_no, 'o' || n, 1, mode => 'try') FROM loyalty.member_coupon WHERE member_id = id AND random() < 0.5;
		CALL pg_temp.note();
		PERFORM loyalty.purchase(id, (20 + floor(random() * 150))::int, 'o' || n, at => at, mode => 'try');
	ELSIF what < 0.52 AND past IS NOT NULL THEN
		-- for an order that is there
		PERFORM loyalty.coupon_use(id, coupon, past, 2, mode => 'try');
	ELSIF what < 0.56 AND past IS NOT NULL THEN
		PERFORM loyalty.coupon_undo(id, past, mode => 'try');
	ELSIF what < 0.62 THEN
		PERFORM loyalty.checkout(id, '{"items": [{"sku": "A", "price": 40}]}', 'o' || n, ARRAY[coupon], mode => 'try');
	ELSIF what < 0.68 THEN
		PERFORM loyalty.checkout_reserve(id, '{"items": [{"sku": "A", "price": 60}]}', 'o' || n, ARRAY[coupon], mode => 'try');
	ELSIF what < 0.72 THEN
		PERFORM loyalty.checkout_confirm(id, u.ref, mode => 'try') FROM loyalty.coupon_use u WHERE u.member_id = id AND u.status = 'reserved' LIMIT 1;
	ELSIF what < 0.73 THEN
		PERFORM loyalty.checkout_cancel(id, u.ref, mode => 'try') FROM loyalty.coupon_use u WHERE u.member_id = id AND u.status = 'reserved' LIMIT 1;
	ELSIF what < 0.80 AND past IS NOT NULL THEN
		PERFORM loyalty.refund(id, past, CASE WHEN random() < 0.6 THEN (1 + floor(random() * 20))::int END, refund_ref => 'r' || n, mode => 'try');
	ELSIF what < 0.90 THEN
		PERFORM loyalty.record(id, 'check_in', at => at, mode => 'try');
	ELSIF what < 0.96 THEN
		UPDATE loyalty.rule r SET campaign_id = other WHERE r.rule_id = (SELECT x.rule_id FROM loyalty.rule x JOIN loyalty.program p USING (program_id) WHERE p.name = 'Shop' AND x.kind = 'fixed' ORDER BY random() LIMIT 1);
	ELSE
		UPDATE loyalty.coupon c SET campaign_id = other WHERE c.name = (ARRAY['five', 'six'])[1 + floor(random() * 2)];
	END IF;
	CALL pg_temp.note();
END
$$;
CREATE PROCEDURE pg_temp.acts(since int, until int) LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN since..until LOOP
		PERFORM set_config('loyalty.now', (loyalty.now() + random() * interval '12 hours')::text, false);
		CALL pg_temp.act(n);
	END LOOP;
END
$$;

SELECT FROM setseed(0.4);
SET loyalty.now = '2026-03-15 12:00+00';
CALL pg_temp.acts(1, 60);
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'not folded: all of it comes from the tail');
SELECT is((SELECT count(*) FROM loyalty.report_campaign_day), 0::bigint, 'nothing is kept');
SELECT pg_temp.fold();
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'folded: all of it comes from the sums');
SELECT is_empty(format('SELECT FROM loyalty.report_tail(%s)', :shop), 'nothing is left in the tail');

-- At every moment, with folds of all sizes in between
CREATE TEMP TABLE moment (n int, tail bigint, wrong text[]);
CREATE PROCEDURE pg_temp.live(since int, until int, batch int, chance float) LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN since..until LOOP
		CALL pg_temp.acts(n, n);
		IF random() < chance THEN
			PERFORM loyalty.report_fold(batch);
		END IF;
		CONTINUE WHEN n % 10 > 0;
		INSERT INTO moment SELECT n, (SELECT count(*) FROM loyalty.program p, loyalty.report_tail(p.program_id)), (SELECT array_agg(d) FROM pg_temp.differences() d);
	END LOOP;
END
$$;
CALL pg_temp.live(61, 90, 500, 1);
CALL pg_temp.live(91, 140, 1, 0.5);
SELECT is(wrong, NULL::text[], format('call %s: sums and tail are the truth', n)) FROM moment ORDER BY n;
SELECT cmp_ok((SELECT count(*) FROM moment WHERE tail = 0), '>', 1::bigint, 'some moments had no tail');
SELECT cmp_ok((SELECT count(*) FROM moment WHERE tail > 0), '>', 1::bigint, 'others had one');
CALL pg_temp.acts(141, 300);
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'a long tail');
SELECT FROM loyalty.report_fold(3);
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'a part of it folded');
SELECT pg_temp.fold(1);
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'all of it folded');

-- All that could have gone wrong was there.
SELECT cmp_ok((SELECT count(*) FROM loyalty.coupon_use u JOIN loyalty.journal j USING (member_id, ref) WHERE u.campaign_id IS NOT NULL AND j.event = 'purchase' AND j.kind = 'event' AND u.journal_id > j.journal_id),
	'>', 5::bigint, 'coupons that were used after their order');
SELECT cmp_ok((SELECT count(*) FROM loyalty.coupon_use u JOIN loyalty.coupon c USING (coupon_id) WHERE u.campaign_id IS DISTINCT FROM c.campaign_id),
	'>', 5::bigint, 'coupons that went to another campaign since');
SELECT cmp_ok((SELECT count(*) FROM awarded a JOIN loyalty.rule r USING (rule_id) WHERE a.campaign_id IS DISTINCT FROM r.campaign_id),
	'>', 5::bigint, 'rules that did');
SELECT cmp_ok((SELECT count(*) FROM loyalty.coupon_use u WHERE u.campaign_id IS NOT NULL AND u.status = 'returned'), '>', 1::bigint, 'uses that were given back');
SELECT cmp_ok((SELECT count(*) FROM loyalty.journal WHERE kind = 'refund'), '>', 10::bigint, 'refunds');
SELECT is_empty(format('SELECT u.use_id FROM loyalty.coupon_use u JOIN pg_temp.used x USING (member_id, use_id) WHERE u.campaign_id IS DISTINCT FROM x.campaign_id'), 'uses know their campaign');

-- A rule is deleted: its awards stay with the campaign.
DELETE FROM loyalty.rule WHERE rule_id = :r1;
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'a rule that was deleted');
SELECT is(loyalty.report_rebuild('Shop'), (SELECT count(*) FROM loyalty.journal WHERE program_id = :shop), 'made anew');
SELECT is_empty('SELECT * FROM pg_temp.differences()', 'after that as before');
-- An id of a node is compared without the node.
SELECT is(loyalty.report_id_no((5::bigint << 43) | 77), 77::bigint, 'the number of an id');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
-- and verify() finds what is wrong; that of the sums of coupons is tested elsewhere
SELECT pg_temp.fold();
CREATE FUNCTION pg_temp.found(change text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	codes text;
BEGIN
	SET LOCAL session_replication_role = replica;
	EXECUTE change;
	SELECT coalesce(string_agg(DISTINCT concat_ws(' ', v.invariant, substring(v.detail from 'sum=(\w+)')), ', '), 'nothing')
	INTO codes FROM loyalty.verify() v WHERE v.detail !~ '^.*sum=report_coupon';
	RAISE EXCEPTION USING ERRCODE = 'UNDO1';
EXCEPTION WHEN SQLSTATE 'UNDO1' THEN
	RETURN codes;
END
$$;
SELECT is(pg_temp.found(sql), codes, what)
FROM (VALUES
	('report_sum_differs report_campaign_day', 'more was awarded', 'UPDATE loyalty.report_campaign_day SET amount = amount + 1 WHERE unit_id > 0'),
	('report_sum_differs report_campaign_day', 'more was sold', 'UPDATE loyalty.report_campaign_day SET amount = amount + 1 WHERE unit_id = 0'),
	('report_sum_differs report_campaign_day', 'fewer events', 'UPDATE loyalty.report_campaign_day SET events = events - 1 WHERE unit_id = 0'),
	('report_sum_differs report_campaign_day', 'a day is gone', 'DELETE FROM loyalty.report_campaign_day WHERE day = (SELECT min(day) FROM loyalty.report_campaign_day)'),
	('report_sum_differs report_campaign_return_day', 'members of another gap', 'UPDATE loyalty.report_campaign_return_day SET gap = gap + 1000 WHERE gap > 0'),
	('report_sum_differs report_campaign_return_day', 'more members', 'UPDATE loyalty.report_campaign_return_day SET members = members + 1'),
	('report_sum_differs report_campaign_member_day, report_sum_differs report_campaign_return_day', 'a day of a member is gone',
		'DELETE FROM loyalty.report_campaign_member_day WHERE day = (SELECT min(day) FROM loyalty.report_campaign_member_day)'),
	('report_sum_differs report_campaign_day, report_sum_differs report_campaign_member_day', 'folded, and then a use of another campaign',
		'UPDATE loyalty.coupon_use u SET campaign_id = (SELECT campaign_id FROM loyalty.campaign WHERE name = ''never'')
			FROM loyalty.journal j WHERE j.member_id = u.member_id AND j.ref = u.ref AND j.event = ''purchase'' AND u.status = ''used'' AND u.campaign_id IS NOT NULL')) v (codes, what, sql);

SELECT * FROM finish();
ROLLBACK;
