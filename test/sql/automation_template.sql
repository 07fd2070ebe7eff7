\set ECHO none
\i test/prelude.sql
-- Each named automation, by one table of cases: it starts when it should and for whom, once; it gives what
-- it says; consent and holdout count; and it carries the date it was due, however late it is looked at.

SELECT plan(25);

CREATE TEMP TABLE cases (
	template text PRIMARY KEY, settings jsonb NOT NULL DEFAULT '{}', prepare text,
	-- at t1 and t2 something happens to the one it is for and to the one it is not for; 'announce' to the programme
	t1 timestamptz NOT NULL, yes1 text, no1 text, t2 timestamptz, yes2 text, no2 text, announce text,
	profile jsonb NOT NULL DEFAULT '{}', no_joins text NOT NULL DEFAULT 'enroll',
	-- when it is looked at, when it was due, and what it gave
	looked timestamptz NOT NULL, due timestamptz NOT NULL, gave text NOT NULL, status text NOT NULL DEFAULT 'done');
INSERT INTO cases (template, settings, t1, yes1, no1, looked, due, gave) VALUES
	('first_purchase_pack', '{"coupon": "ten"}', '2026-03-02 12:00+08', $$loyalty.purchase(%s, 20, 'o1')$$, $$loyalty.record(%s, 'share', key => 's')$$,
		'2026-03-03 12:00+08', '2026-03-02 12:00+08', 'award 50 points, coupon ten, first_purchase_pack'),
	('repurchase_offer', '{"coupon": "ten"}', '2026-03-02 12:00+08', $$loyalty.purchase(%s, 20, 'o1')$$, $$loyalty.record(%s, 'share', key => 's')$$,
		'2026-04-03 12:00+08', '2026-04-01 10:00+08', 'coupon ten, repurchase_offer'),
	('points_expiring', '{}', '2026-03-02 12:00+08', $$loyalty.adjust(%s, 70, 'points', 'gift', expires_on => '2026-04-10', key => 'a')$$,
		$$loyalty.adjust(%s, 70, 'points', 'gift', expires_on => '2027-04-10', key => 'a')$$, '2026-03-12 12:00+08', '2026-03-11 10:00+08', 'points_expiring'),
	('points_last_chance', '{"min_amount": 50}', '2026-03-02 12:00+08', $$loyalty.adjust(%s, 70, 'points', 'gift', expires_on => '2026-04-10', key => 'a')$$,
		$$loyalty.adjust(%s, 49, 'points', 'gift', expires_on => '2026-04-10', key => 'a')$$, '2026-04-09 12:00+08', '2026-04-07 10:00+08', 'points_last_chance'),
	('coupon_expiring', '{}', '2026-03-02 12:00+08', $$loyalty.coupon_issue(%s, 'ten', valid_until => '2026-03-20', key => 'c')$$,
		$$loyalty.coupon_issue(%s, 'ten', valid_until => '2026-06-20', key => 'c')$$, '2026-03-20 12:00+08', '2026-03-17 10:00+08', 'coupon_expiring'),
	('near_upgrade', '{}', '2026-03-02 12:00+08', $$loyalty.purchase(%s, 850, 'o1')$$, $$loyalty.purchase(%s, 799, 'o1')$$,
		'2026-03-03 12:00+08', '2026-03-02 12:00+08', 'near_upgrade'),
	('tier_promoted', '{}', '2026-03-02 12:00+08', $$loyalty.purchase(%s, 1000, 'o1')$$, $$loyalty.purchase(%s, 999, 'o1')$$,
		'2026-03-03 12:00+08', '2026-03-02 12:00+08', 'tier_promoted'),
	('top_tier_renewal', '{"tier": "silver"}', '2026-03-02 12:00+08', $$loyalty.purchase(%s, 1000, 'o1')$$, $$loyalty.purchase(%s, 999, 'o1')$$,
		'2026-04-02 12:00+08', '2026-04-01 10:00+08', 'top_tier_renewal'),
	('plan_renewal', '{"coupon": "ten"}', '2026-03-02 12:00+08', $$loyalty.plan_buy(%s, 'plus', ref => 'p')$$, $$loyalty.plan_buy(%s, 'plus', ref => 'p', auto_renew => true)$$,
		'2026-03-26 12:00+08', '2026-03-25 10:00+08', 'coupon ten, plan_renewal'),
	('purchase_anniversary', '{"coupon": "ten"}', '2026-03-02 12:00+08', $$loyalty.purchase(%s, 20, 'o1')$$, $$loyalty.record(%s, 'share', key => 's')$$,
		'2027-03-04 12:00+08', '2027-03-02 10:00+08', 'coupon ten, purchase_anniversary');
INSERT INTO cases (template, settings, prepare, t1, yes1, no1, t2, yes2, no2, announce, looked, due, gave) VALUES
	('hold_expiring', '{}', NULL, '2026-03-02 12:00+08', $$loyalty.adjust(%s, 70, 'points', 'gift', key => 'a')$$, $$loyalty.adjust(%s, 70, 'points', 'gift', key => 'a')$$,
		'2026-03-02 13:00+08', $$loyalty.hold(%s, 7, ttl => '3 days', key => 'h')$$, $$loyalty.hold(%s, 7, ttl => '8 days', key => 'h')$$, NULL,
		'2026-03-04 20:00+08', '2026-03-04 13:00+08', 'hold_expiring'),
	('tier_prolonged', '{}', NULL, '2026-03-02 12:00+08', $$loyalty.purchase(%s, 1000, 'o1')$$, $$loyalty.purchase(%s, 1000, 'o1')$$,
		'2026-04-10 12:00+08', $$loyalty.purchase(%s, 1000, 'o2')$$, NULL, NULL, '2026-05-03 12:00+08', '2026-05-02 00:00+08', 'tier_prolonged'),
	('tier_at_risk', '{}', NULL, '2026-03-02 12:00+08', $$loyalty.purchase(%s, 1000, 'o1')$$, $$loyalty.purchase(%s, 1000, 'o1')$$,
		'2026-04-10 12:00+08', NULL, $$loyalty.purchase(%s, 1000, 'o2')$$, NULL, '2026-04-23 12:00+08', '2026-04-21 00:00+08', 'tier_at_risk'),
	('tier_grace', '{}', NULL, '2026-03-02 12:00+08', $$loyalty.purchase(%s, 1000, 'o1')$$, $$loyalty.purchase(%s, 1000, 'o1')$$,
		'2026-04-10 12:00+08', NULL, $$loyalty.purchase(%s, 1000, 'o2')$$, NULL, '2026-05-04 12:00+08', '2026-05-02 00:00+08', 'tier_grace'),
	('tier_demoted', '{}', NULL, '2026-03-02 12:00+08', $$loyalty.purchase(%s, 1000, 'o1')$$, $$loyalty.purchase(%s, 1000, 'o1')$$,
		'2026-04-10 12:00+08', NULL, $$loyalty.purchase(%s, 1000, 'o2')$$, NULL, '2026-05-09 12:00+08', '2026-05-07 00:00+08', 'tier_demoted'),
	('silent_reminder', '{}', NULL, '2026-03-02 12:00+08', $$loyalty.purchase(%s, 20, 'o1')$$, $$loyalty.purchase(%s, 20, 'o1')$$,
		'2026-03-20 12:00+08', NULL, $$loyalty.record(%s, 'share', key => 's')$$, NULL, '2026-04-02 12:00+08', '2026-04-01 10:00+08', 'silent_reminder'),
	('absence_offer', '{"coupon": "ten"}', NULL, '2026-03-02 12:00+08', $$loyalty.purchase(%s, 20, 'o1')$$, $$loyalty.purchase(%s, 20, 'o1')$$,
		'2026-04-10 12:00+08', NULL, $$loyalty.purchase(%s, 20, 'o2')$$, NULL, '2026-05-03 12:00+08', '2026-05-01 10:00+08', 'absence_offer, coupon ten'),
	('dormant_recall', '{"coupon": "ten"}', NULL, '2026-03-02 12:00+08', $$loyalty.purchase(%s, 20, 'o1')$$, $$loyalty.purchase(%s, 20, 'o1')$$,
		'2026-04-10 12:00+08', NULL, $$loyalty.purchase(%s, 20, 'o2')$$, NULL, '2026-06-02 12:00+08', '2026-05-31 10:00+08', 'coupon ten, dormant_recall, tag recalled'),
	('churn_warning', '{"coupon": "ten"}', $$loyalty.lifecycle_set(%L, 'churn')$$, '2026-03-02 12:00+08', $$loyalty.purchase(%s, 20, 'o1')$$, $$loyalty.purchase(%s, 20, 'o1')$$,
		'2026-04-10 12:00+08', NULL, $$loyalty.purchase(%s, 20, 'o2')$$, NULL, '2026-04-19 12:00+08', '2026-04-17 00:00+08', 'churn_warning, coupon ten'),
	('cart_abandoned', '{}', NULL, '2026-03-02 12:00+08', $$loyalty.track(%s, 'cart_updated')$$, $$loyalty.track(%s, 'cart_updated')$$,
		'2026-03-02 14:00+08', NULL, $$loyalty.purchase(%s, 20, 'o1')$$, NULL, '2026-03-02 18:00+08', '2026-03-02 12:00+08', 'cart_abandoned'),
	('price_drop', '{}', NULL, '2026-03-02 12:00+08', $$loyalty.track(%s, 'view', target_kind => 'sku', target => 'tea')$$, $$loyalty.track(%s, 'view', target_kind => 'sku', target => 'tea')$$,
		'2026-03-04 12:00+08', NULL, $$loyalty.purchase(%s, 20, 'o1', items => '[{"sku": "tea", "qty": 1, "price": 20}]')$$,
		$$loyalty.automation_broadcast(%L, %L, 'drop', target_kind => 'sku', target => 'tea', params => '{"price": 15}')$$, '2026-03-04 18:00+08', '2026-03-04 12:00+08', 'price_drop'),
	('restock', '{}', NULL, '2026-03-02 12:00+08', $$loyalty.track(%s, 'view', target_kind => 'sku', target => 'tea')$$, $$loyalty.track(%s, 'view', target_kind => 'sku', target => 'cup')$$,
		'2026-03-04 12:00+08', NULL, NULL,
		$$loyalty.automation_broadcast(%L, %L, 'stock', target_kind => 'sku', target => 'tea')$$, '2026-03-04 18:00+08', '2026-03-04 12:00+08', 'restock'),
	('new_arrivals', '{}', NULL, '2026-03-02 12:00+08', $$loyalty.purchase(%s, 20, 'o1', items => '[{"sku": "tea", "category": "drinks", "qty": 1, "price": 20}]')$$,
		$$loyalty.purchase(%s, 20, 'o1', items => '[{"sku": "rice", "category": "food", "qty": 1, "price": 20}]')$$, '2026-03-04 12:00+08', NULL, NULL,
		$$loyalty.automation_broadcast(%L, %L, 'new', target_kind => 'category', target => 'drinks')$$, '2026-03-04 18:00+08', '2026-03-04 12:00+08', 'new_arrivals'),
	('launch', '{}', NULL, '2026-03-02 12:00+08', $$loyalty.segment_add(%s, 'fans')$$, NULL, '2026-03-04 12:00+08', NULL, NULL,
		$$loyalty.automation_broadcast(%L, %L, 'launch', segment => 'fans')$$, '2026-03-04 18:00+08', '2026-03-04 12:00+08', 'launch'),
	('holiday', '{"segment": "fans", "days": 2, "coupon": "ten"}', NULL, '2026-03-02 12:00+08', $$loyalty.segment_add(%s, 'fans')$$, NULL, NULL, NULL, NULL,
		NULL, '2026-04-29 18:00+08', '2026-04-29 10:00+08', 'coupon ten, holiday');
INSERT INTO cases (template, settings, t1, profile, no_joins, looked, due, gave, status) VALUES
	('welcome_pack', '{"coupon": "ten"}', '2026-03-01 09:00+08', '{}', 'import', '2026-03-03 12:00+08', '2026-03-01 09:00+08', 'award 100 points, coupon ten, welcome_pack', 'done'),
	('newcomer_guide', '{}', '2026-03-01 09:00+08', '{}', 'import', '2026-03-03 12:00+08', '2026-03-01 09:00+08', 'newcomer_guide.1, newcomer_guide.2', 'waiting'),
	('birthday_care', '{"coupon": "ten", "days": 2}', '2026-03-01 09:00+08', '{"birthday": "--04-05"}', 'enroll', '2026-04-05 12:00+08', '2026-04-03 10:00+08',
		'award 50 points, birthday_care, coupon ten', 'done'),
	('member_anniversary', '{}', '2026-03-01 09:00+08', '{}', 'late', '2027-03-03 12:00+08', '2027-03-01 10:00+08', 'award 50 points, member_anniversary', 'done');

-- What a run gave, by what is written: the ledger, coupons, tags, messages.
CREATE FUNCTION pg_temp.gave(run loyalty.automation_run) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(g, ', ' ORDER BY g) FROM (
		SELECT format('award %s %s', trim_scale(e.amount / 10.0 ^ u.scale), u.code)
		FROM loyalty.journal j JOIN loyalty.entry e USING (member_id, journal_id) JOIN loyalty.unit u ON u.unit_id = e.unit_id
		WHERE j.member_id = run.member_id AND j.key LIKE format('automation-%s-%%', run.run_id)
		UNION ALL
		SELECT 'coupon ' || c.name
		FROM loyalty.journal j JOIN loyalty.member_coupon m USING (member_id, journal_id) JOIN loyalty.coupon c ON c.coupon_id = m.coupon_id
		WHERE j.member_id = run.member_id AND j.key LIKE format('automation-%s-%%', run.run_id) AND m.status = 'issued'
		UNION ALL
		SELECT 'tag ' || t.tag FROM loyalty.member_tag t
		WHERE t.member_id = run.member_id AND t.tag = 'recalled'
		AND EXISTS (SELECT FROM loyalty.automation a WHERE a.automation_id = run.automation_id AND a.name = 'dormant_recall')
		UNION ALL
		SELECT m.template FROM loyalty.message m
		WHERE m.member_id = run.member_id AND m.run_id = run.run_id AND m.status <> 'cancelled') x (g)
$$;
-- '2026-03-02 12:00 done: coupon ten': of a member the runs of an automation
CREATE FUNCTION pg_temp.story(program text, who text, automation text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s %s: %s', to_char(r.triggered_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI'),
		concat_ws(' ', r.status, r.reason), coalesce(pg_temp.gave(r), 'nothing')), '; ' ORDER BY r.triggered_at)
	FROM loyalty.automation_run r JOIN loyalty.automation a USING (automation_id)
	WHERE r.member_id = pg_temp.id(program || '-' || who) AND a.name = automation
$$;
CREATE TABLE pg_temp.told (template text, aspect text, value text);
CREATE PROCEDURE pg_temp.maintain(at timestamptz) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('loyalty.now', at::text, true);
	CALL loyalty.maintain('1 hour');
END
$$;

-- A programme that has all that any of them needs.
CREATE PROCEDURE pg_temp.programme(name text) LANGUAGE plpgsql AS $$
DECLARE
	p int := loyalty.program_create(name, 'CNY', 'Asia/Shanghai');
BEGIN
	INSERT INTO loyalty.message_channel (program_id, name) VALUES (p, 'plain');
	INSERT INTO loyalty.coupon (program_id, name, kind, amount, valid_days) VALUES (p, 'ten', 'amount', 10, 365);
	INSERT INTO loyalty.plan (program_id, name, months, price) VALUES (p, 'plus', 1, 10);
	INSERT INTO loyalty.activity_kind (program_id, kind) VALUES (p, 'view'), (p, 'cart_updated');
	INSERT INTO loyalty.segment (program_id, name) VALUES (p, 'fans');
	INSERT INTO loyalty.calendar_day (program_id, calendar, day) VALUES (p, 'holidays', '2026-05-01');
	INSERT INTO loyalty.tier (program_id, code, rank, valid_months, grace_days, warn_days)
	VALUES (p, 'basic', 0, NULL, 0, 0), (p, 'silver', 1, 2, 5, 10);
	INSERT INTO loyalty.tier_threshold (program_id, tier_id, purpose, unit_id, threshold, window_kind, months)
	SELECT p, t.tier_id, w.purpose, u.unit_id, 1000, w.kind, w.months FROM loyalty.tier t JOIN loyalty.unit u USING (program_id)
	CROSS JOIN (VALUES ('entry', 'rolling', 12), ('retention', 'tier_start', NULL)) w (purpose, kind, months)
	WHERE t.program_id = p AND t.code = 'silver' AND u.code = 'spend';
END
$$;
-- what happens to whom it is for, and to whom it is not for
CREATE PROCEDURE pg_temp.happen(c cases, at timestamptz, yes text, no text) LANGUAGE plpgsql AS $$
DECLARE
	who text;
BEGIN
	PERFORM set_config('loyalty.now', at::text, true);
	FOREACH who IN ARRAY '{yes,out,mia,max}'::text[] LOOP
		IF yes IS NOT NULL THEN
			EXECUTE format('SELECT ' || yes, pg_temp.id(c.template || '-' || who));
		END IF;
	END LOOP;
	IF no IS NOT NULL THEN
		EXECUTE format('SELECT ' || no, pg_temp.id(c.template || '-no'));
	END IF;
END
$$;
CREATE PROCEDURE pg_temp.join_all(c cases) LANGUAGE plpgsql AS $$
DECLARE
	who text;
BEGIN
	FOREACH who IN ARRAY '{yes,out,mia,max,no}'::text[] LOOP
		CONTINUE WHEN who = 'no' AND c.no_joins = 'late';
		IF who = 'no' AND c.no_joins = 'import' THEN
			PERFORM loyalty.import_member(c.template, jsonb_build_object('customer_no', c.template || '-no'));
		ELSE
			PERFORM loyalty.enroll(c.template, jsonb_build_object('customer_no', c.template || '-' || who),
				profile => CASE who WHEN 'no' THEN '{}' ELSE c.profile END);
		END IF;
		PERFORM loyalty.consent_give(pg_temp.id(c.template || '-' || who), 'marketing', evidence => 'form-1');
	END LOOP;
	PERFORM loyalty.consent_withdraw(pg_temp.id(c.template || '-out'), 'marketing', evidence => 'form-2');
END
$$;
CREATE FUNCTION pg_temp.tell(c cases, aspect text, value text) RETURNS void LANGUAGE sql AS $$ INSERT INTO pg_temp.told VALUES (c.template, aspect, value) $$;

CREATE PROCEDURE pg_temp.play(c cases) LANGUAGE plpgsql AS $$
DECLARE
	held text := c.template || '_held';
BEGIN
	PERFORM set_config('loyalty.now', '2026-03-01 09:00+08', true);
	CALL pg_temp.programme(c.template);
	IF c.prepare IS NOT NULL THEN
		EXECUTE format('SELECT ' || c.prepare, c.template);
	END IF;
	PERFORM loyalty.automation_template(c.template, c.template, c.settings || '{"channel": "plain", "purpose": "marketing"}');
	PERFORM loyalty.automation_template(c.template, c.template, c.settings
		|| jsonb_build_object('name', held, 'channel', 'plain', 'holdout', 90)
		|| CASE c.template WHEN 'dormant_recall' THEN '{"tag": "other"}' ELSE '{}' END::jsonb);
	UPDATE loyalty.automation a SET status = 'live' FROM loyalty.program p WHERE p.program_id = a.program_id AND p.name = c.template;
	CALL pg_temp.join_all(c);
	CALL pg_temp.maintain('2026-03-01 09:05+08');
	CALL pg_temp.happen(c, c.t1, c.yes1, c.no1);
	IF c.t2 IS NOT NULL THEN
		CALL pg_temp.happen(c, c.t2, c.yes2, c.no2);
	END IF;
	IF c.no_joins = 'late' THEN
		PERFORM set_config('loyalty.now', '2026-06-01 09:00+08', true);
		PERFORM loyalty.enroll(c.template, jsonb_build_object('customer_no', c.template || '-no'));
	END IF;
	IF c.announce IS NOT NULL THEN
		EXECUTE format('SELECT ' || c.announce, c.template, c.template);
		EXECUTE format('SELECT ' || c.announce, c.template, held);
	END IF;
	-- nobody looks until it is late
	CALL pg_temp.maintain(c.looked);
	PERFORM pg_temp.tell(c, 'fires', pg_temp.story(c.template, 'yes', c.template));
	PERFORM pg_temp.tell(c, 'not for him', (SELECT count(*)::text FROM loyalty.message m WHERE m.member_id = pg_temp.id(c.template || '-no'))
		|| ' ' || (SELECT count(*) FROM loyalty.automation_run r WHERE r.member_id = pg_temp.id(c.template || '-no') AND r.status IN ('waiting', 'done', 'failed')));
	-- held out, or the same as the other
	PERFORM pg_temp.tell(c, 'holdout', (SELECT format('%s of 4, somebody %s, gave %s, else %s', count(*), bool_or(r.status = 'held_out'),
			string_agg(pg_temp.gave(r), '') FILTER (WHERE r.status = 'held_out'),
			bool_and(pg_temp.gave(r) IS NOT NULL) FILTER (WHERE r.status <> 'held_out'))
		FROM loyalty.automation_run r JOIN loyalty.automation a USING (automation_id) WHERE a.name = held
		AND r.status IN ('held_out', 'done', 'waiting')));
	-- and who withdrew his consent is not told
	PERFORM FROM loyalty.message_take('plain', 1000, program => c.template);
	PERFORM pg_temp.tell(c, 'consent', (SELECT string_agg(DISTINCT m.status, ' ') FROM loyalty.message m WHERE m.member_id = pg_temp.id(c.template || '-out') AND m.purpose = 'marketing')
		|| '; ' || (SELECT string_agg(DISTINCT m.status, ' ') FROM loyalty.message m WHERE m.member_id = pg_temp.id(c.template || '-yes')));
	-- again, and the day after
	CALL pg_temp.maintain(c.looked);
	CALL pg_temp.maintain(c.looked + interval '1 day');
	PERFORM pg_temp.tell(c, 'once', (SELECT count(*)::text FROM loyalty.automation_run r JOIN loyalty.automation a USING (automation_id)
		WHERE a.name = c.template AND r.member_id = pg_temp.id(c.template || '-yes')));
END
$$;

CREATE FUNCTION pg_temp.earned(program text, who text, ref text, at timestamptz) RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('loyalty.now', at::text, true);
	RETURN (SELECT sum(p.amount) FROM loyalty.purchase(pg_temp.id(program || '-' || who), 30, ref) r CROSS JOIN unnest(r.postings) p WHERE p.unit = 'points');
END
$$;
-- What is to be seen of some of them later.
CREATE PROCEDURE pg_temp.go_on(c cases) LANGUAGE plpgsql AS $$
BEGIN
	IF c.template = 'dormant_recall' THEN
		PERFORM pg_temp.tell(c, 'double', format('%s, not recalled %s, when it is over %s',
			pg_temp.earned(c.template, 'yes', 'o8', '2026-06-10 12:00+08'), pg_temp.earned(c.template, 'no', 'o8', '2026-06-10 12:00+08'),
			pg_temp.earned(c.template, 'yes', 'o9', '2026-06-17 12:00+08')));
	ELSIF c.template = 'newcomer_guide' THEN
		PERFORM pg_temp.earned(c.template, 'yes', 'o8', '2026-03-05 12:00+08');
		CALL pg_temp.maintain('2026-03-12 12:00+08');
		PERFORM pg_temp.tell(c, 'guided', pg_temp.story(c.template, 'yes', c.template) || '; ' || pg_temp.story(c.template, 'mia', c.template));
	END IF;
END
$$;

DO $$
DECLARE
	c cases;
BEGIN
	FOR c IN SELECT * FROM cases ORDER BY template LOOP
		CALL pg_temp.play(c);
		CALL pg_temp.go_on(c);
	END LOOP;
END
$$;
SELECT set_eq('SELECT name FROM loyalty.automation_templates()', 'SELECT template FROM cases', 'each template has its case');
CREATE FUNCTION pg_temp.aspect(aspect text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT c.template || ' | ' || coalesce(t.value, 'nothing') FROM cases c LEFT JOIN told t ON t.template = c.template AND t.aspect = $1
$$;
SELECT set_eq($$SELECT pg_temp.aspect('fires')$$, $$SELECT format('%s | %s %s: %s', template, to_char(due AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI'), status, gave) FROM cases$$,
	'each starts when it was due, however late it is looked at, and gives what it says');
SELECT set_eq($$SELECT pg_temp.aspect('not for him')$$, $$SELECT template || ' | 0 0' FROM cases$$, 'whom it is not for gets nothing');
SELECT set_eq($$SELECT pg_temp.aspect('once')$$, $$SELECT template || ' | 1' FROM cases$$, 'nobody gets it twice');
SELECT set_eq($$SELECT pg_temp.aspect('consent')$$, $$SELECT template || ' | suppressed; taken' FROM cases$$, 'who withdrew his consent is not told');
SELECT set_eq($$SELECT regexp_replace(a, ', else t?$', '') FROM pg_temp.aspect('holdout') a$$, $$SELECT template || ' | 4 of 4, somebody t, gave ' FROM cases$$,
	'who is held out is recorded, and gets nothing');
SELECT cmp_ok((SELECT count(*) FROM pg_temp.aspect('holdout') a WHERE a LIKE '%else t'), '>', 0::bigint, 'and the others do');

-- What an order started is undone with it.
SELECT set_config('loyalty.now', '2026-03-04 12:00+08', true);
SELECT pg_temp.balance('first_purchase_pack-yes') AS before \gset
SELECT FROM loyalty.refund(pg_temp.id('first_purchase_pack-yes'), 'o1');
CALL pg_temp.maintain('2026-03-04 12:05+08');
SELECT is(pg_temp.story('first_purchase_pack', 'yes', 'first_purchase_pack'), '2026-03-02 12:00 undone refunded: award -50 points, award 50 points',
	'a refund of the first purchase takes back what it gave, and a message that nobody has delivered');
SELECT is(pg_temp.balance('first_purchase_pack-yes'), 'nothing', 'points');
SELECT is((SELECT string_agg(status, ' ') FROM loyalty.member_coupon WHERE member_id = pg_temp.id('first_purchase_pack-yes')
	AND journal_id IN (SELECT j.journal_id FROM loyalty.journal j JOIN loyalty.automation_run r ON j.key LIKE format('automation-%s-%%', r.run_id)
		JOIN loyalty.automation a USING (automation_id) WHERE a.name = 'first_purchase_pack')), 'void', 'and coupon');
SELECT FROM loyalty.purchase(pg_temp.id('first_purchase_pack-yes'), 20, 'o2');
CALL pg_temp.maintain('2026-03-04 12:10+08');
SELECT is((SELECT count(*) FROM loyalty.automation_run r JOIN loyalty.automation a USING (automation_id)
	WHERE a.name = 'first_purchase_pack' AND r.member_id = pg_temp.id('first_purchase_pack-yes')), 1::bigint, 'the next purchase is not the first');

-- Double points, as long as the tag is valid: 2026-06-02 and 14 days.
SELECT is((SELECT value FROM told WHERE aspect = 'double'), '60, not recalled 30, when it is over 30', 'who was recalled earns twice as much for some days');
SELECT is((SELECT value FROM told WHERE aspect = 'guided'),
	'2026-03-01 09:00 exited goal: newcomer_guide.1, newcomer_guide.2; 2026-03-01 09:00 done: newcomer_guide.1, newcomer_guide.2, newcomer_guide.3',
	'who has bought needs no guide');

-- Making them.
SELECT loyalty.program_create('new', 'CNY', 'Asia/Shanghai', 'empty') AS new \gset
SELECT FROM loyalty.message_channels('new');
SELECT results_eq($$SELECT loyalty.automation_template('new', 'silent_reminder', '{"name": "wake_up", "days": 45, "holdout": 10}')$$, $$VALUES ('wake_up')$$, 'it returns the name');
SELECT results_eq($$SELECT a.status, a.days, a.holdout, a.purpose, s.position, s.kind, s.channel, s.template
	FROM loyalty.automation a JOIN loyalty.automation_step s USING (automation_id) WHERE a.name = 'wake_up'$$,
	$$VALUES ('draft', 45, 10::numeric, 'marketing', 10, 'message', 'sms', 'silent_reminder')$$, 'a draft with its settings');
SELECT throws_ok($$SELECT loyalty.automation_template('new', 'silent_reminder', '{"name": "wake_up"}')$$, '23505', NULL, 'a name is there once');
SELECT throws_ok($$SELECT loyalty.automation_template('no', 'silent_reminder')$$, 'LY403', NULL, 'an unknown programme');
SELECT throws_ok($$SELECT loyalty.automation_template('new', 'no')$$, '22023', 'automation template "no" is not known', 'an unknown template');
SELECT throws_ok($$SELECT loyalty.automation_template('new', 'silent_reminder', '{"dayz": 1}')$$, '22023', 'setting "dayz" is not known to the template', 'an unknown setting');
SELECT throws_ok($$SELECT loyalty.automation_template('new', 'silent_reminder', '{"days": "1"}')$$, '22023', 'setting "days" is of another type', 'a setting of another type');
SELECT throws_ok($$SELECT loyalty.automation_template('new', 'top_tier_renewal')$$, '22023', 'setting "tier" must be given', 'one that has no default');
SELECT throws_ok($$SELECT loyalty.automation_template('new', 'top_tier_renewal', '{"tier": "x\" || true"}')$$, '22023', NULL, 'no condition can be put into a setting');
SELECT throws_ok($$SELECT loyalty.automation_template('new', 'welcome_pack')$$, 'LY105', NULL, 'a unit that is not there');
SELECT lives_ok($$SELECT loyalty.automation_template('new', 'welcome_pack', '{"points": null}')$$, 'unless nothing is awarded');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
