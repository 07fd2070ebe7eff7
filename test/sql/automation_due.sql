\set ECHO none
\i test/prelude.sql
-- What automations that start on a date make due, against a search day by day.

SELECT plan(20);

SELECT loyalty.program_create('shop', 'CNY', 'Asia/Shanghai') AS program_id \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale, expiry, expiry_count)
VALUES (:program_id, 'miles', 'points', 0, 'days', 40);
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award)
SELECT :program_id, 'check_in', unit_id, 'fixed', 7 FROM loyalty.unit WHERE code = 'miles';
INSERT INTO loyalty.plan (program_id, name, months, price) VALUES (:program_id, 'plus', 1, 10), (:program_id, 'pro', 12, 90);
INSERT INTO loyalty.coupon (program_id, name, kind, amount, valid_days) VALUES
	(:program_id, 'ten', 'amount', 10, 20), (:program_id, 'twenty', 'amount', 20, 45);

-- Nobody has a live automation yet, so nothing is due, and due_on is that of the books.
SET loyalty.now = '2023-02-10 09:00+08';
SELECT FROM loyalty.enroll('shop', '{"customer_no": "leap"}', profile => '{"birthday": "1996-02-29"}');
SELECT FROM loyalty.enroll('shop', '{"customer_no": "ann"}', profile => '{"birthday": "--12-31"}');
SELECT FROM loyalty.enroll('shop', '{"customer_no": "nobody"}', profile => '{"birthday": "unknown"}');
SELECT results_eq($$SELECT due_on FROM loyalty.account GROUP BY 1$$, $$VALUES ('infinity'::date)$$,
	'without automations a member without value is never due');

CREATE FUNCTION pg_temp.automation(name text, kind text, about text, days int, late int DEFAULT 3,
	yearly boolean DEFAULT false, minimum numeric DEFAULT NULL) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO loyalty.automation (program_id, name, status, trigger_kind, trigger_name, days, late_days, yearly, min_amount)
	SELECT p.program_id, $1, 'live', $2, $3, $4, $5, $6, $7 FROM loyalty.program p
$$;
SELECT FROM loyalty.message_channels('shop');
SELECT pg_temp.automation('birthday', 'date', 'birthday', 0, yearly => true);
SELECT pg_temp.automation('birthday_soon', 'date', 'birthday', -7, yearly => true, late => 0);
SELECT pg_temp.automation('birthday_long', 'date', 'birthday', 400, yearly => true, late => 10);
SELECT pg_temp.automation('member_years', 'date', 'joined', 0, yearly => true);
SELECT pg_temp.automation('guide', 'date', 'joined', 3);
SELECT pg_temp.automation('first_years', 'date', 'first_purchase', -1, yearly => true);
SELECT pg_temp.automation('again', 'date', 'last_purchase', 30);
SELECT pg_temp.automation('tier_end', 'date', 'tier_until', -30);
SELECT pg_temp.automation('remind', 'points_expiring', 'miles', 30);
SELECT pg_temp.automation('last_chance', 'points_expiring', NULL, 2, minimum => NULL);
SELECT pg_temp.automation('much', 'points_expiring', 'miles', 10, minimum => 14);
SELECT pg_temp.automation('coupons', 'coupon_expiring', NULL, 3);
SELECT pg_temp.automation('ten_ends', 'coupon_expiring', 'ten', 1);
SELECT pg_temp.automation('renew', 'plan_ending', NULL, 7);
SELECT pg_temp.automation('last_day', 'plan_ending', 'plus', 0);
SELECT pg_temp.automation('quiet', 'silent', 'event', 20);
SELECT pg_temp.automation('no_purchase', 'silent', 'purchase', 60, late => 30);
INSERT INTO loyalty.automation_step (automation_id, position, program_id, kind, channel, template)
SELECT automation_id, 10, program_id, 'message', 'sms', 'news' FROM loyalty.automation;

-- The search: each day of some years, whether something is relative to it. As plain as can be.
CREATE FUNCTION pg_temp.local(at timestamptz) RETURNS date LANGUAGE sql AS $$ SELECT (at AT TIME ZONE 'Asia/Shanghai')::date $$;
CREATE FUNCTION pg_temp.recurs(base date, day date) RETURNS boolean LANGUAGE sql AS $$
	SELECT to_char(base, 'MM-DD') = to_char(day, 'MM-DD')
		OR (to_char(base, 'MM-DD') = '02-29' AND to_char(day, 'MM-DD') = '02-28'
			AND extract(month FROM day + 1) = 3)
$$;
CREATE FUNCTION pg_temp.relative(member_id bigint, a loyalty.automation, days daterange)
RETURNS TABLE (day date, occurrence text) LANGUAGE sql AS $$
	-- dates of the member
	SELECT s.day, to_char(s.day, 'YYYY-MM-DD')
	FROM (SELECT g::date AS day FROM generate_series(lower(days), upper(days), '1 day') g) s
	JOIN loyalty.member m ON m.member_id = $1
	JOIN loyalty.account c ON c.member_id = $1
	WHERE a.trigger_kind = 'date' AND CASE a.trigger_name
		WHEN 'birthday' THEN CASE m.profile->>'birthday'
			WHEN '1996-02-29' THEN pg_temp.recurs('1996-02-29', s.day)
			WHEN '--12-31' THEN to_char(s.day, 'MM-DD') = '12-31' END
		WHEN 'joined' THEN CASE WHEN a.yearly
			THEN extract(year FROM s.day) > extract(year FROM pg_temp.local(m.joined_at))
				AND pg_temp.recurs(pg_temp.local(m.joined_at), s.day)
			ELSE s.day = pg_temp.local(m.joined_at) END
		WHEN 'first_purchase' THEN extract(year FROM s.day) > extract(year FROM pg_temp.local(c.first_purchase_at))
			AND pg_temp.recurs(pg_temp.local(c.first_purchase_at), s.day)
		WHEN 'last_purchase' THEN s.day = pg_temp.local(c.last_purchase_at)
		WHEN 'tier_until' THEN s.day = c.tier_until END
	-- what expires: of the ledger
	UNION ALL
	SELECT e.expires_on, u.code || ' ' || to_char(e.expires_on, 'YYYY-MM-DD')
	FROM loyalty.entry e JOIN loyalty.unit u USING (unit_id)
	WHERE e.member_id = $1 AND a.trigger_kind = 'points_expiring' AND coalesce(a.trigger_name, u.code) = u.code
	AND u.kind = 'points' AND e.expires_on >= pg_temp.local(loyalty.now())
	GROUP BY e.expires_on, u.code, u.scale HAVING sum(e.amount) >= coalesce(a.min_amount, 1) * 10 ^ u.scale
	UNION ALL
	SELECT m.valid_until, m.coupon_no::text FROM loyalty.member_coupon m JOIN loyalty.coupon c USING (coupon_id)
	WHERE m.member_id = $1 AND a.trigger_kind = 'coupon_expiring' AND coalesce(a.trigger_name, c.name) = c.name
	AND m.status = 'issued' AND m.uses = 0 AND m.valid_until >= pg_temp.local(loyalty.now())
	-- the last day of a chain of periods
	UNION ALL
	SELECT b.ends_on, p.name || ' ' || to_char(b.ends_on, 'YYYY-MM-DD')
	FROM loyalty.member_plan b JOIN loyalty.plan p USING (plan_id)
	WHERE b.member_id = $1 AND a.trigger_kind = 'plan_ending' AND coalesce(a.trigger_name, p.name) = p.name
	AND NOT EXISTS (SELECT FROM loyalty.member_plan f WHERE f.member_id = $1 AND b.ends_on + 1 BETWEEN f.starts_on AND f.ends_on)
	UNION ALL
	SELECT s.since, to_char(s.since, 'YYYY-MM-DD')
	FROM loyalty.account c JOIN loyalty.member m USING (member_id)
	CROSS JOIN LATERAL (SELECT pg_temp.local(CASE a.trigger_name WHEN 'purchase' THEN coalesce(c.last_purchase_at, m.joined_at)
		ELSE c.last_event_at END) AS since) s
	WHERE c.member_id = $1 AND a.trigger_kind = 'silent'
$$;
CREATE FUNCTION pg_temp.searched(member_id bigint) RETURNS TABLE (automation text, occurrence text, due_on date)
LANGUAGE sql AS $$
	SELECT a.name, r.occurrence, d.due_on
	FROM loyalty.automation a
	CROSS JOIN LATERAL (SELECT pg_temp.local(loyalty.now()) AS today) t
	CROSS JOIN LATERAL pg_temp.relative($1, a, daterange(t.today - 420, t.today + 420)) r
	CROSS JOIN LATERAL (SELECT r.day + CASE WHEN a.trigger_kind IN ('points_expiring', 'coupon_expiring', 'plan_ending')
		THEN -a.days ELSE a.days END AS due_on) d
	WHERE d.due_on >= t.today - a.late_days AND d.due_on <= t.today + 400
$$;

-- A life of two years and a half: what the two say on each day on which they are asked.
CREATE TEMP TABLE difference (day date, customer text, automation text, occurrence text, due_on date, side text);
CREATE TEMP TABLE asked (day date, member_id bigint, n int, due int);
CREATE FUNCTION pg_temp.compare() RETURNS void LANGUAGE sql AS $$
	INSERT INTO difference
	SELECT pg_temp.local(loyalty.now()), i.value, d.*
	FROM loyalty.identity i
	CROSS JOIN LATERAL (
		(SELECT automation, occurrence, due_on, 'only searched' FROM (
			SELECT * FROM pg_temp.searched(i.member_id)
			EXCEPT SELECT automation, occurrence, due_on FROM loyalty.automation_due(i.member_id)) s)
		UNION ALL
		(SELECT automation, occurrence, due_on, 'only decided' FROM (
			SELECT automation, occurrence, due_on FROM loyalty.automation_due(i.member_id)
			WHERE due_on <= pg_temp.local(loyalty.now()) + 400
			EXCEPT SELECT * FROM pg_temp.searched(i.member_id)) s)) d;
	INSERT INTO asked
	SELECT pg_temp.local(loyalty.now()), i.member_id, count(*), count(*) FILTER (WHERE d.due_on <= pg_temp.local(loyalty.now()))
	FROM loyalty.identity i CROSS JOIN LATERAL loyalty.automation_due(i.member_id) d GROUP BY 2;
$$;
-- Of each member: is he found on the first day on which something is due and has no run?
CREATE TEMP TABLE late (day date, customer text, due_on date, needed date);
CREATE FUNCTION pg_temp.needed() RETURNS TABLE (customer text, due_on date, needed date) LANGUAGE sql AS $$
	SELECT i.value, a.due_on, min(d.due_on)
	FROM loyalty.identity i
	JOIN loyalty.account a USING (member_id)
	CROSS JOIN LATERAL loyalty.automation_due(i.member_id) d
	JOIN loyalty.automation u ON u.name = d.automation
	WHERE NOT EXISTS (SELECT FROM loyalty.automation_run r
		WHERE r.member_id = i.member_id AND r.automation_id = u.automation_id AND r.occurrence = d.occurrence)
	GROUP BY 1, 2
$$;
CREATE FUNCTION pg_temp.look() RETURNS void LANGUAGE sql AS $$
	INSERT INTO late SELECT pg_temp.local(loyalty.now()), n.* FROM pg_temp.needed() n
	WHERE n.due_on > greatest(n.needed, pg_temp.local(loyalty.now()));
$$;
-- After maintenance nothing is due without a run. Of whom it has just looked at the date is
-- exact: of these members only the lots of the books are due beside the automations.
CREATE TEMP TABLE inexact (day date, customer text, due_on date, needed date);
CREATE FUNCTION pg_temp.look_again(exact boolean) RETURNS void LANGUAGE sql AS $$
	INSERT INTO inexact SELECT pg_temp.local(loyalty.now()), n.customer, n.due_on, n.needed
	FROM pg_temp.needed() n
	WHERE n.needed <= pg_temp.local(loyalty.now())
	OR exact AND n.due_on <> least(n.needed, (SELECT min(least(l.vests_on, l.expires_on + 1))
		FROM loyalty.account a CROSS JOIN loyalty.wallet_lots(a.wallet) l JOIN loyalty.unit u USING (unit_id)
		WHERE a.member_id = pg_temp.id(n.customer) AND u.kind = 'points'));
$$;
CREATE FUNCTION pg_temp.live(days int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	start date := '2023-02-11';
	leap bigint := pg_temp.id('leap');
	ann bigint := pg_temp.id('ann');
	n int;
BEGIN
	FOR n IN 0 .. days LOOP
		PERFORM set_config('loyalty.now', (start + n) || ' 15:30+08', true);
		IF n % 45 = 7 THEN
			PERFORM loyalty.purchase(leap, 100 + n, 'o' || n);
		END IF;
		IF n % 11 = 3 AND n < 400 THEN
			PERFORM loyalty.record(ann, 'check_in', key => 'c' || n);
		END IF;
		IF n % 97 = 10 THEN
			PERFORM loyalty.coupon_issue(ann, 'ten', key => 'ten' || n);
			PERFORM loyalty.coupon_issue(leap, 'twenty', key => 'twenty' || n);
		END IF;
		IF n % 200 = 15 THEN
			PERFORM loyalty.plan_buy(leap, 'plus', ref => 'plan' || n);
		END IF;
		IF n % 200 = 30 THEN
			PERFORM loyalty.plan_renew(leap, ref => 'plan' || n);
		END IF;
		IF n % 400 = 100 THEN
			PERFORM loyalty.plan_buy(ann, 'pro', ref => 'pro' || n);
		END IF;
		IF n % 3 = 0 THEN
			PERFORM pg_temp.look();
			PERFORM loyalty.account_maintain(100);
			PERFORM pg_temp.look_again(false);
		END IF;
		IF n % 23 = 0 OR n BETWEEN 379 AND 384 THEN
			PERFORM pg_temp.compare();
			PERFORM loyalty.account_settle(member_id) FROM loyalty.account;
			PERFORM pg_temp.look_again(true);
		END IF;
	END LOOP;
END
$$;

-- The automations are new: all members are looked at once, in batches.
SELECT results_eq('SELECT * FROM loyalty.automation_scan(2)', 'VALUES (2, true)', 'the scan looks at as many as it may');
SELECT is((SELECT done_until FROM loyalty.automation_scan), pg_temp.id('ann'), 'and notes how far it came');
SELECT results_eq('SELECT * FROM loyalty.automation_scan(2)', 'VALUES (1, false)', 'it goes on from there');
SELECT results_eq('SELECT * FROM loyalty.automation_scan(2)', 'VALUES (0, false)', 'and ends');
SELECT results_eq($$SELECT i.value, a.due_on FROM loyalty.account a JOIN loyalty.identity i USING (member_id) ORDER BY 1$$,
	-- the guide is due three days after they joined, and nothing before
	$$VALUES ('ann', '2023-02-13'::date), ('leap', '2023-02-13'), ('nobody', '2023-02-13')$$, 'their dates are lowered');

SELECT pg_temp.live(780);
SELECT is((SELECT string_agg(d::text, E'\n') FROM (SELECT * FROM difference LIMIT 20) d), NULL,
	'what is due is what a search day by day finds');
SELECT cmp_ok((SELECT sum(due) FROM asked), '>', 30::bigint, 'and there was something to find');
SELECT is((SELECT string_agg(l::text, E'\n') FROM (SELECT * FROM late LIMIT 20) l), NULL,
	'calls lower due_on to what they have made due');
SELECT is((SELECT string_agg(l::text, E'\n') FROM (SELECT * FROM inexact LIMIT 20) l), NULL,
	'maintenance makes the runs and sets due_on exactly');

CREATE FUNCTION pg_temp.runs(customer text, automation text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(r.occurrence || ' at ' || to_char(r.triggered_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI'), ', '
		ORDER BY r.triggered_at)
	FROM loyalty.automation_run r JOIN loyalty.automation a USING (automation_id)
	WHERE r.member_id = pg_temp.id($1) AND a.name = $2
$$;
-- by hand: 29 February 1996, joined on 10 February 2023
SELECT is(pg_temp.runs('leap', 'birthday'), '2023-02-28 at 2023-02-28 10:00, 2024-02-29 at 2024-02-29 10:00, 2025-02-28 at 2025-02-28 10:00',
	'29 February is 28 February in a year without one');
SELECT is(pg_temp.runs('leap', 'member_years') || '; ' || pg_temp.runs('leap', 'guide'),
	'2024-02-10 at 2024-02-10 10:00, 2025-02-10 at 2025-02-10 10:00; 2023-02-10 at 2023-02-13 10:00',
	'an anniversary is not the day itself, a date is once');
SELECT is(pg_temp.runs('nobody', 'birthday'), NULL, 'a birthday that is none is not known');

-- A birthday that becomes known is due by a call that moves nothing.
SELECT FROM loyalty.enroll('shop', '{"customer_no": "late"}');
SELECT FROM loyalty.account_settle(pg_temp.id('late'));
SELECT FROM loyalty.enroll('shop', '{"customer_no": "late"}', profile => '{"birthday": "--04-05"}');
SELECT is((SELECT due_on FROM loyalty.account WHERE member_id = pg_temp.id('late')), '2025-04-04'::date,
	'what is nearest counts: the guide before the birthday');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');

-- Its checks can fail, and rebuild() repairs.
UPDATE loyalty.account SET due_on = '2025-04-05' WHERE member_id = pg_temp.id('late');
SELECT results_eq('SELECT invariant, member_id, detail FROM loyalty.verify()',
	$$VALUES ('automation_due_late', pg_temp.id('late'), 'due_on=2025-04-05 automation=guide due=2025-04-04')$$, 'a date that is too late');
SELECT FROM loyalty.rebuild(pg_temp.id('late'));
SELECT is((SELECT due_on FROM loyalty.account WHERE member_id = pg_temp.id('late')), '2025-04-04'::date, 'is set anew');
INSERT INTO loyalty.automation_broadcast (broadcast_id, program_id, automation_id, key, triggered_at, status)
SELECT 1, program_id, automation_id, 'k', loyalty.now(), 'done' FROM loyalty.automation LIMIT 1;
SELECT results_eq('SELECT invariant, detail FROM loyalty.verify()', $$VALUES ('broadcast_state', 'broadcast_id=1 status=done')$$, 'a broadcast that is done and has not finished');
DELETE FROM loyalty.automation_broadcast;

-- A coupon that was used is not spoken of, unless it comes back.
SELECT FROM loyalty.account_settle(pg_temp.id('late'));
SELECT FROM loyalty.coupon_issue(pg_temp.id('late'), 'ten', valid_until => '2025-04-20', key => 'c');
UPDATE loyalty.member_coupon SET uses = 1 WHERE member_id = pg_temp.id('late');
SELECT is_empty($$SELECT * FROM loyalty.automation_due(pg_temp.id('late')) WHERE automation = 'coupons'$$, 'a coupon that was used does not expire');
UPDATE loyalty.member_coupon SET uses = 0 WHERE member_id = pg_temp.id('late');
SELECT results_eq($$SELECT due_on FROM loyalty.automation_due(pg_temp.id('late')) WHERE automation = 'coupons'$$, $$VALUES ('2025-04-17'::date)$$, 'one that came back does');
SELECT * FROM finish();
ROLLBACK;
