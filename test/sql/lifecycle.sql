\set ECHO none
\i test/prelude.sql
SELECT plan(142);

CREATE FUNCTION pg_temp.stage(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce((SELECT stage || to_char(since AT TIME ZONE 'Europe/London', ' MM-DD') FROM loyalty.lifecycle_current WHERE member_id = pg_temp.id(name)), 'none')
$$;
-- 'registered 03-15, active 03-20': the history, in order; what has ended without another: '... until 04-01'
CREATE FUNCTION pg_temp.stages(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(stage || to_char(since AT TIME ZONE 'Europe/London', ' MM-DD')
		|| CASE WHEN until IS NOT NULL AND until IS DISTINCT FROM next THEN to_char(until AT TIME ZONE 'Europe/London', ' "until" MM-DD') ELSE '' END, ', ' ORDER BY since), 'nothing')
	FROM (SELECT *, lead(since) OVER (ORDER BY since) AS next FROM loyalty.lifecycle_history WHERE member_id = pg_temp.id(name)) h
$$;
CREATE FUNCTION pg_temp.due(name text) RETURNS date LANGUAGE sql STABLE AS $$
	SELECT due_on FROM loyalty.tag_review WHERE member_id = pg_temp.id(name)
$$;
CREATE FUNCTION pg_temp.refresh(program text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	r record;
	looked bigint := 0;
BEGIN
	LOOP
		SELECT * INTO r FROM loyalty.tag_refresh(program, 10);
		looked := looked + r.looked_at;
		EXIT WHEN NOT r.left_over;
	END LOOP;
	RETURN looked;
END
$$;
CREATE PROCEDURE pg_temp.buy(name text, VARIADIC days date[]) LANGUAGE plpgsql AS $$
DECLARE
	day date;
BEGIN
	FOREACH day IN ARRAY days LOOP
		PERFORM set_config('loyalty.now', ((day + time '12:00') AT TIME ZONE 'Europe/London')::text, false);
		PERFORM loyalty.purchase(pg_temp.id(name), 10, name || ' ' || day);
	END LOOP;
END
$$;
CREATE FUNCTION pg_temp.name(id bigint) RETURNS text LANGUAGE sql STABLE AS $$ SELECT value FROM loyalty.identity WHERE member_id = id $$;
CREATE FUNCTION pg_temp.given(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT concat_ws(', ', CASE WHEN loyalty.has_benefit(pg_temp.id($1), 'come_back') THEN 'benefit by ' || (SELECT by FROM loyalty.benefits(pg_temp.id($1))) END,
		(SELECT 'price ' || member_price FROM loyalty.benefit_price(pg_temp.id($1), '[{"sku": "a", "price": 10}]')),
		(SELECT 'total ' || (loyalty.quote(pg_temp.id($1), '{"items": [{"sku": "a", "price": 10}]}') ->> 'total')))
$$;

-- The sets
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
SELECT is(pg_temp.signature('lifecycle_set'),
	'(program text, name text, active numeric DEFAULT 1.5, silent numeric DEFAULT 3, days integer DEFAULT 30, least_days integer DEFAULT 7, new_days integer DEFAULT 30, mature_times integer DEFAULT 6) -> integer',
	'lifecycle_set(): arguments');
SELECT throws_ok(format('SELECT loyalty.lifecycle_set(%s)', arguments), code, NULL, what) FROM (VALUES
	($$'Show', 'activity'$$, 'LY403', 'no such programme'),
	($$'Shop', 'moods'$$, '22023', 'no such set'),
	($$'Shop', ''$$, '22023', 'nor one without a name'),
	($$NULL, 'activity'$$, '22004', 'no programme'),
	($$'Shop', NULL$$, '22004', 'no set'),
	($$'Shop', 'activity', NULL$$, '22004', 'no factor'),
	($$'Shop', 'activity', days => NULL$$, '22004', 'no days'),
	($$'Shop', 'activity', 0$$, '22023', 'a factor above 0'),
	($$'Shop', 'activity', -1$$, '22023', 'not below'),
	($$'Shop', 'activity', 'NaN'$$, '22023', 'a number'),
	($$'Shop', 'activity', 1, 'infinity'$$, '22023', 'finite'),
	($$'Shop', 'activity', 1.505$$, '22023', 'as exact as the recency'),
	($$'Shop', 'activity', 1, 1000.01$$, '22023', 'not beyond all measure'),
	($$'Shop', 'activity', 1e1000$$, '22023', 'nor far beyond'),
	($$'Shop', 'activity', 3, 3$$, '22023', 'active below silent'),
	($$'Shop', 'activity', days => 0$$, '22023', 'a day at least'),
	($$'Shop', 'activity', least_days => 3651$$, '22023', 'ten years at most'),
	($$'Shop', 'growth', new_days => -1$$, '22023', 'not less than a day'),
	($$'Shop', 'growth', mature_times => 0$$, '22023', 'once at least')) v (arguments, code, what);
SELECT is((SELECT count(*) FROM loyalty.tag), 0::bigint, 'what was refused has written nothing');
SELECT is(loyalty.lifecycle_set('Shop', 'activity'), 4, 'four stages');
SELECT results_eq('SELECT name, title, dimension, status, position FROM loyalty.tag ORDER BY position',
	$$VALUES ('registered', 'Registered', 'lifecycle', 'active', 10), ('active', 'Active', 'lifecycle', 'active', 20),
	('silent', 'Silent', 'lifecycle', 'active', 30), ('lost', 'Lost', 'lifecycle', 'active', 40)$$, 'as rows');
UPDATE loyalty.tag SET title = 'Gone', position = 50, condition = '$.member.purchases >= 1' WHERE name = 'lost';
DELETE FROM loyalty.tag WHERE name = 'silent';
SELECT is(loyalty.lifecycle_set('Shop', 'activity', 2, 4), 1, 'again: only what is missing');
SELECT results_eq('SELECT name, title, position, condition::text ~ ''<= 2\y'', condition::text ~ ''<= 4\y'' FROM loyalty.tag ORDER BY position',
	$$VALUES ('registered', 'Registered', 10, false, false), ('active', 'Active', 20, false, false), ('silent', 'Silent', 30, false, true), ('lost', 'Gone', 50, false, false)$$,
	'by the numbers of that call; what was changed stays');
SELECT is(loyalty.lifecycle_set('Shop', 'activity'), 0, 'and again nothing');
SELECT is(pg_temp.raised($$SELECT loyalty.lifecycle_set('Shop', 'growth')$$), '55000 They are registered, active, silent.', 'one set at a time');
INSERT INTO loyalty.tag (program_id, name, dimension, condition) VALUES (:shop, 'vip_stage', 'lifecycle', '$.purchases.days_365.amount >= 100000');
SELECT is(loyalty.lifecycle_set('Shop', 'activity'), 0, 'a stage of one''s own is in nobody''s way');
UPDATE loyalty.tag SET status = 'inactive' WHERE name IN ('registered', 'active', 'silent', 'lost');
SELECT is(loyalty.lifecycle_set('Shop', 'churn'), 4, 'another set, when the first is inactive');
SELECT results_eq('SELECT name, status FROM loyalty.tag WHERE name <> ''vip_stage'' ORDER BY status, position, name',
	$$VALUES ('prospect', 'active'), ('new', 'active'), ('active', 'active'), ('churn_warning', 'active'), ('registered', 'inactive'), ('silent', 'inactive'), ('lost', 'inactive')$$,
	'a stage of both is taken over');
DELETE FROM loyalty.tag;
INSERT INTO loyalty.tag (program_id, name, dimension) VALUES (:shop, 'mature', 'behaviour'), (:shop, 'lost', 'lifecycle');
SELECT is(pg_temp.raised($$SELECT loyalty.lifecycle_set('Shop', 'growth')$$), '55000 They are lost, mature.', 'a tag that is no stage, or one by hand, is in the way');
SELECT is((SELECT count(*) FROM loyalty.tag), 2::bigint, 'and nothing was written');
DELETE FROM loyalty.tag;

-- What conditions may ask
SELECT throws_ok(format('INSERT INTO loyalty.tag (program_id, name, condition) VALUES (%s, ''bad'', %L)', :shop, condition), 'LY801', NULL, what) FROM (VALUES
	('$.member.stage == "lost"', 'a tag is judged before the stage is known'),
	('$.member ? (@.stage == "lost").purchases > 1', 'also in a filter')) v (condition, what);
SELECT lives_ok(format('INSERT INTO loyalty.segment (program_id, name, condition) VALUES (%s, ''good'', %L)', :shop, '$.member.stage == "lost" && $.member.recency > 2 && $.member.interval_days < 9'), 'a segment may ask for it');
SELECT throws_ok(format('SELECT pg_temp.rule(%L)', jsonb_build_object('award', 1, 'name', 'bad', 'condition', condition)), 'LY801', NULL, 'a rule may not ask for ' || condition)
FROM (VALUES ('$.member.recency > 1'), ('$.member.interval_days > 1')) v (condition);
DELETE FROM loyalty.segment;

-- The figures, by a condition that is true of the exact one only
SELECT loyalty.program_create('Pace', 'GBP', 'Europe/London') AS pace \gset
SET loyalty.now = '2025-01-01 12:00+00';
CALL pg_temp.enroll('Pace', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay', 'gus', 'hal', 'ivy');
CREATE FUNCTION pg_temp.has(name text, condition text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM loyalty.tag WHERE tag.name = 'probe';
	INSERT INTO loyalty.tag (program_id, name, condition)
	SELECT program_id, 'probe', $2::jsonpath FROM loyalty.program WHERE program.name = 'Pace';
	PERFORM pg_temp.refresh('Pace');
	RETURN EXISTS (SELECT FROM loyalty.member_tag WHERE tag = 'probe' AND member_id = pg_temp.id($1));
END
$$;
CREATE FUNCTION pg_temp.due_by(condition text) RETURNS date LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.has('ivy', condition);
	RETURN pg_temp.due('ivy');
END
$$;
CREATE FUNCTION pg_temp.at(day date, condition text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('loyalty.now', (day + time '12:00')::text || '+00', false);
	RETURN pg_temp.has('ann', condition);
END
$$;
CALL pg_temp.buy('ann', '2025-01-10', '2025-01-20');
SET loyalty.now = '2025-01-25 12:00+00';
SELECT ok(pg_temp.has('ann', '$.member.interval_days == 10 && $.member.recency == 0.5'), 'two purchases: from the first to the last, by one');
CALL pg_temp.buy('ann', '2025-02-05');
SELECT ok(pg_temp.has('ann', '$.member.interval_days == 13 && $.member.recency == 0'), 'three days: the middle of 10 and 16');
CALL pg_temp.buy('ann', '2025-02-12');
SELECT ok(pg_temp.has('ann', '$.member.interval_days == 10'), 'four: of 7, 10, 16');
CALL pg_temp.buy('ann', '2025-02-15');
SET loyalty.now = '2025-02-28 12:00+00';
SELECT ok(pg_temp.has('ann', '$.member.interval_days == 8.5 && $.member.recency == 1.53'), 'five: the middle of 7 and 10; 13 days are 1.529 of it');
CALL pg_temp.buy('ivy', '2025-01-10', '2025-01-18', '2025-01-26');
SET loyalty.now = '2025-01-27 12:00+00';
SELECT ok(pg_temp.has('ivy', '$.member.recency == 0.13'), 'an eighth is rounded up');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 10, 'b1');
SELECT ok(pg_temp.has('bob', '!exists($.member.interval_days) && !exists($.member.recency) && $.member.purchases == 1'), 'one purchase: not known');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 10, 'b2') a, loyalty.purchase(pg_temp.id('bob'), 10, 'b3') b;
SELECT ok(pg_temp.has('bob', '!exists($.member.interval_days) && !exists($.member.recency) && $.member.purchases == 3'), 'nor by three on a day');
SELECT ok(pg_temp.has('hal', '!exists($.member.interval_days) && !exists($.member.recency) && !exists($.member.days_since_purchase)'), 'nor without any');
SET loyalty.now = '2025-03-01 12:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 10, 'c1') a, loyalty.purchase(pg_temp.id('cat'), 10, 'c2') b;
CALL pg_temp.buy('cat', '2025-03-31');
SELECT ok(pg_temp.has('cat', '$.member.interval_days == 30'), 'two orders on a day count as one');

-- Refunds
CALL pg_temp.buy('dan', '2025-01-10', '2025-01-20', '2025-01-30', '2025-03-01');
SELECT ok(pg_temp.has('dan', '$.member.interval_days == 10'), 'gaps of 10, 10 and 30');
SELECT FROM loyalty.refund(pg_temp.id('dan'), 'dan 2025-01-20', amount => 9, key => 'r1');
SELECT ok(pg_temp.has('dan', '$.member.interval_days == 10'), 'an order that came back in part is one');
SELECT FROM loyalty.refund(pg_temp.id('dan'), 'dan 2025-01-20');
SELECT ok(pg_temp.has('dan', '$.member.interval_days == 25 && $.member.recency == 0'), 'wholly: 20 and 30');
SELECT FROM loyalty.refund(pg_temp.id('dan'), 'dan 2025-01-30');
SELECT ok(pg_temp.has('dan', '$.member.interval_days == 16.7 && $.member.purchases == 4'), 'two days are left: 50 days by three, as ever');
SELECT FROM unnest('{dan 2025-01-10,dan 2025-03-01}'::text[]) ref, loyalty.refund(pg_temp.id('dan'), ref);
SET loyalty.now = '2025-03-18 12:00+00';
SELECT ok(pg_temp.has('dan', '$.member.interval_days == 16.7 && $.member.recency == 1.02 && $.purchases.days_365.times == 0'), 'who gave all back was here');

-- What was taken over, and what comes late
SELECT FROM loyalty.import_member('Pace', '{"customer_no": "eve"}', '{}', '{"purchases": 11, "first_purchase_at": "2023-01-01 12:00+00", "last_purchase_at": "2024-10-28 12:00+00"}');
SELECT ok(pg_temp.has('eve', '$.member.interval_days == 66.6 && $.member.recency == 2.12'), 'by the history that was imported: 666 days by ten');
SELECT FROM loyalty.import_member('Pace', '{"customer_no": "fay"}', '{}', '{"purchases": 30, "first_purchase_at": "2025-01-01 12:00+00", "last_purchase_at": "2025-01-05 12:00+00"}');
SELECT ok(pg_temp.has('fay', '$.member.interval_days == 1 && $.member.recency == 72'), 'a day at least');
SELECT FROM loyalty.import_member('Pace', '{"customer_no": "joe"}', '{}', '{"purchases": 5, "last_purchase_at": "2025-01-05 12:00+00"}');
SELECT ok(pg_temp.has('joe', '!exists($.member.interval_days) && $.member.purchases == 5'), 'when the first was is not known');
CALL pg_temp.buy('gus', '2025-03-01', '2025-03-21');
SELECT FROM loyalty.purchase(pg_temp.id('gus'), 10, 'late', at => '2025-03-09 12:00+00');
SELECT ok(pg_temp.has('gus', '$.member.interval_days == 10 && $.member.recency == 0'), 'a late order has its own day: 8 and 12');

-- Days leave: 2025-01-10, -20, 02-05, -12 and -15
SELECT is(pg_temp.at(day, '$.member.interval_days == ' || pace), true, 'ann on ' || day)
FROM unnest('{2026-01-09,2026-01-10,2026-01-20,2026-02-05,2026-02-20}'::date[], '{8.5,7,5,9,9}'::numeric[]) x (day, pace);
SELECT is_empty($$SELECT * FROM loyalty.tag_check('Pace')$$, 'all are as they ought to be');

-- Due only when something can change, and every day when that cannot be told
SET loyalty.now = '2025-02-01 12:00+00';
SELECT is(pg_temp.due_by(condition), due, 'due: ' || condition) FROM (VALUES
	-- last on 2025-01-26, 8 days: 1.5 after 12 days, 1.51 after 13 (12.04), 1 after 8
	('$.member.recency <= 1.5', date '2025-02-08'), ('$.member.recency > 1.5', '2025-02-08'), ('1.5 >= $.member.recency', '2025-02-08'), ('1.5 < $.member.recency', '2025-02-08'),
	('$.member.recency < 1.5', '2025-02-07'), ('$.member.recency >= 1.5', '2025-02-07'), ('1.5 > $.member.recency', '2025-02-07'), ('1.5 <= $.member.recency', '2025-02-07'),
	('$.member.recency == 1.5', '2025-02-07'), ('$.member.recency != 1.4999', '2025-02-07'), ('exists($.member ? (@.recency < 1.5))', '2025-02-07'),
	('$.member.recency.double() < 1', '2025-02-03'), ('!($.member.recency < 1.504)', '2025-02-08'), ('($.member.recency > 1.5) is unknown', '2025-02-08'),
	-- 365 days after the first
	('$.member.recency < 0.2', '2026-01-10'), ('exists($.member.recency)', '2026-01-10'), ('$.member.interval_days < 7', '2026-01-10'), ('$.member.recency > 1000000', '2026-01-10'),
	('$.member.recency > -3', '2026-01-10'), ('$.member.recency > 1000000000000000000000000000000', '2026-01-10'), ('$.member.interval_days * 2 > 9', '2026-01-10'),
	('$.member.recency.floor() == 1', '2025-02-02'), ('$.member.recency.ceiling() == 1', '2025-02-02'), ('$.member.recency * 2 > 9', '2025-02-02'),
	('$.member.days_since_purchase > $.member.interval_days', '2025-02-02'),
	-- other numbers are no days, and how often somebody bought has no window
	('$.member.days_since_purchase >= 20', '2025-02-15'), ('$.member.days_since_purchase > 20.5', '2025-02-16'), ('$.member.age_days <= 40 && $.member.purchases < 12', '2025-02-11'),
	('$.member.purchases == 0', NULL)) v (condition, due);
SELECT coalesce(sum(seq_scan + idx_scan + n_tup_ins), 0) AS before FROM pg_stat_xact_user_tables WHERE schemaname = 'loyalty' AND relname = 'member_day' \gset
CALL pg_temp.buy('ivy', '2025-02-03');
SELECT is(coalesce(sum(seq_scan + idx_scan + n_tup_ins), 0), :before::numeric, 'for how often somebody bought no day is kept or read') FROM pg_stat_xact_user_tables WHERE schemaname = 'loyalty' AND relname = 'member_day';
SELECT ok(pg_temp.has('ivy', '$.member.interval_days == 8'), 'but known when some condition asks for the interval');

-- Stages of members, 45 and 90 days for those without an interval
SET loyalty.now = '2026-03-15 12:00+00';
SELECT loyalty.program_create('Club', 'GBP', 'Europe/London') AS club \gset
SELECT FROM loyalty.lifecycle_set('Club', 'activity');
INSERT INTO loyalty.segment (program_id, name, condition) VALUES (:club, 'win_back', '$.member.stage == "lost"'), (:club, 'staged', 'exists($.member.stage)');
SELECT FROM pg_temp.refresh('Club');
CALL pg_temp.enroll('Club', 'kim', 'lee', 'max', 'nia', 'oli', 'pam');
SELECT is(pg_temp.stage('kim'), 'registered 03-15', 'in a stage from the first moment on');
SELECT is(pg_temp.due('kim'), NULL, 'in which one may stay for ever');
CALL pg_temp.buy('kim', '2026-03-20');
SELECT is(pg_temp.stage('kim') || ' ' || pg_temp.due('kim'), 'active 03-20 2026-03-31', 'active by an order, and due when 10 days are over');
SET loyalty.now = '2026-07-01 03:00+01';
SELECT is(pg_temp.refresh('Club'), 1::bigint, 'one is due');
SELECT is(pg_temp.stages('kim'), 'registered 03-15, active 03-20, silent 05-05, lost 06-19', 'looked at late, each stage has its own date');
SELECT results_eq($$SELECT segment, action, changed_at FROM loyalty.segment_history WHERE member_id = pg_temp.id('kim') ORDER BY history_id$$,
	$$VALUES ('staged', 'entered', '2026-03-15 12:00+00'::timestamptz), ('win_back', 'entered', '2026-06-18 23:00+00')$$, 'and segments that ask for it with it');

-- Rules, offers and benefits
SELECT FROM pg_temp.rule('{"program": "Club", "name": "back", "award": 50, "condition": "$.member.stage == \"lost\""}') a, pg_temp.rule('{"program": "Club", "name": "listed", "award": 5, "tags": "{lost}"}') b,
	pg_temp.rule('{"program": "Club", "name": "none", "award": 1, "condition": "!exists($.member.stage)"}') c;
INSERT INTO loyalty.benefit (program_id, name, kind, percent_off) VALUES (:club, 'come_back', 'price', 10);
SELECT loyalty.benefit_hold('Club', 'come_back', 'stage', 'lost') \g /dev/null
SELECT FROM pg_temp.coupon('{"program": "Club", "name": "deal", "kind": "amount", "amount": 3, "automatic": true, "condition": "$.member.stage == \"lost\""}');
SELECT is(pg_temp.given('kim'), 'benefit by stage lost, price 9.00, total 6.00', 'what the stage gives');
SELECT is(pg_temp.given('lee'), 'price 10, total 10.00', 'and not to others');
SELECT throws_ok('UPDATE loyalty.tag SET name = ''gone'' WHERE name = ''lost''', '23503', NULL, 'a stage that a benefit names is not renamed');
SELECT throws_ok('DELETE FROM loyalty.tag WHERE name = ''lost''', '23503', NULL, 'nor deleted');
SELECT throws_ok($$SELECT loyalty.benefit_hold('Club', 'come_back', 'stage', 'nowhere')$$, '23503', NULL, 'nor is one given to a stage that is not there');
CALL pg_temp.buy('kim', '2026-07-02');
SELECT alike(pg_temp.awards('kim', 'kim 2026-07-02'), '%back 50, listed 5, none condition%', 'rules see the stage that was held before the event');
SELECT is(pg_temp.stage('kim') || ', ' || pg_temp.given('kim'), 'active 07-02, price 10, total 10.00', 'which is another by it');

-- An event that comes late corrects what time had changed
CALL pg_temp.buy('max', '2026-03-20');
SET loyalty.now = '2026-05-10 12:00+01';
SELECT FROM pg_temp.refresh('Club');
SELECT is(pg_temp.stages('max'), 'registered 03-15, active 03-20, silent 05-05', 'silent, it seems');
SELECT FROM loyalty.purchase(pg_temp.id('max'), 10, 'm2', at => '2026-05-02 12:00+01');
SELECT is(pg_temp.stages('max'), 'registered 03-15, active 03-20, active 05-02', 'but had bought');
SELECT is((SELECT count(*) FROM loyalty.tag_history WHERE member_id = pg_temp.id('max') AND tag = 'silent'), 2::bigint, 'what was recorded stays on record');
SELECT is(pg_temp.stage('max'), 'active 05-02', 'and is so no more');

-- By hand, until a time
INSERT INTO loyalty.tag (program_id, name, dimension, position) VALUES (:club, 'won_back', 'lifecycle', 90);
SET loyalty.now = '2026-07-15 12:00+01';
SELECT ok(loyalty.tag_add(pg_temp.id('lee'), 'won_back', 'service', '2026-08-01 15:00+01'), 'a stage by hand');
SELECT is(pg_temp.stages('lee'), 'registered 03-15, won_back 07-15', 'goes before conditions, wherever it stands');
CALL pg_temp.buy('lee', '2026-07-20');
SELECT is(pg_temp.stage('lee') || ' ' || pg_temp.due('lee'), 'won_back 07-15 2026-07-31', 'whatever happens');
SET loyalty.now = '2026-08-01 14:59+01';
SELECT is(pg_temp.stage('lee'), 'won_back 07-15', 'until its end');
SET loyalty.now = '2026-08-01 15:00+01';
SELECT is(pg_temp.stage('lee') || ', ' || pg_temp.stages('lee'), 'none, registered 03-15, won_back 07-15 until 08-01', 'and no longer, looked at or not');
SELECT FROM pg_temp.refresh('Club');
SELECT is(pg_temp.stages('lee'), 'registered 03-15, won_back 07-15, active 08-01', 'from then on conditions count');
SELECT throws_ok($$SELECT loyalty.tag_add(pg_temp.id('lee'), 'lost')$$, 'LY809', NULL, 'one that has a condition is not given by hand');

-- What the reports say: kim 104 days by one, max 43 days, lee one order; nia, oli and pam none
SET loyalty.now = '2026-08-30 12:00+01';
SELECT FROM pg_temp.refresh('Club');
SELECT is(concat_ws(', ', pg_temp.stage('kim'), pg_temp.stage('lee'), pg_temp.stage('max'), pg_temp.stage('nia')), 'active 07-02, active 08-01, silent 07-06, registered 03-15', 'at the end of August');
SELECT results_eq($$SELECT stage, title, position, members FROM loyalty.report_lifecycle WHERE program = 'Club' ORDER BY position$$,
	$$VALUES ('registered', 'Registered', 10, 3::bigint), ('active', 'Active', 20, 2), ('silent', 'Silent', 30, 1), ('lost', 'Lost', 40, 0), ('won_back', NULL, 90, 0)$$, 'members by stage');
SELECT results_eq($$SELECT month, from_stage, to_stage, moves, members FROM loyalty.report_lifecycle_move WHERE program = 'Club' ORDER BY month, from_stage NULLS FIRST, to_stage$$,
	$$VALUES (date '2026-03-01', NULL, 'registered', 6::bigint, 6::bigint), ('2026-03-01', 'registered', 'active', 2, 2), ('2026-05-01', 'active', 'silent', 1, 1),
	('2026-06-01', 'silent', 'lost', 1, 1), ('2026-07-01', 'active', 'silent', 1, 1), ('2026-07-01', 'lost', 'active', 1, 1), ('2026-07-01', 'registered', 'won_back', 1, 1),
	('2026-08-01', 'won_back', 'active', 1, 1)$$, 'movements by month');

-- One inactive, its members go to the next; active again; renamed; deleted
UPDATE loyalty.tag SET status = 'inactive' WHERE program_id = :club AND name = 'silent';
SELECT FROM pg_temp.refresh('Club');
SELECT is(pg_temp.stage('max'), 'lost 08-30', 'an inactive stage: the next that is true');
UPDATE loyalty.tag SET status = 'inactive' WHERE program_id = :club AND name = 'registered';
SELECT FROM pg_temp.refresh('Club');
SELECT is(pg_temp.stage('nia') || ', ' || pg_temp.stages('nia'), 'none, registered 03-15 until 08-30', 'or none, and its history stays');
SELECT is((SELECT members FROM loyalty.report_lifecycle WHERE program = 'Club' AND stage IS NULL), 3::bigint, 'three are in none');
SELECT is((SELECT moves FROM loyalty.report_lifecycle_move WHERE program = 'Club' AND to_stage IS NULL), 3::bigint, 'they went there');
SELECT is_empty($$SELECT FROM loyalty.report_lifecycle WHERE stage = 'registered' AND program = 'Club'$$, 'where nobody is any more is not shown');
SELECT FROM loyalty.member_close(pg_temp.id('pam'), 'left');
SELECT is((SELECT members FROM loyalty.report_lifecycle WHERE program = 'Club' AND stage IS NULL), 2::bigint, 'who is closed does not count');
UPDATE loyalty.tag SET status = 'active' WHERE program_id = :club AND name IN ('registered', 'silent');
SELECT FROM pg_temp.refresh('Club');
SELECT is(pg_temp.stage('nia') || ', ' || pg_temp.stage('max'), 'registered 08-30, silent 08-30', 'active again');
UPDATE loyalty.tag SET position = 5, condition = '$.member.age_days >= 168' WHERE program_id = :club AND name = 'silent';
SELECT FROM pg_temp.refresh('Club');
SELECT is(pg_temp.stage('nia') || ', ' || pg_temp.stage('kim'), 'silent 08-30, silent 08-30', 'the first by position counts');
UPDATE loyalty.tag SET position = 50 WHERE program_id = :club AND name = 'silent';
UPDATE loyalty.tag SET name = 'joined' WHERE program_id = :club AND name = 'registered';
SELECT FROM pg_temp.refresh('Club');
SELECT is(pg_temp.stages('nia'), 'joined 08-30', 'renamed: its members follow; the old name is no stage any more');
SELECT is((SELECT count(*) FROM loyalty.tag_history WHERE member_id = pg_temp.id('nia') AND tag = 'registered'), 4::bigint, 'which tag_history knows');
SELECT is_empty($$SELECT * FROM loyalty.tag_check('Club')$$, 'all are as they ought to be');

-- tag_check() finds what is wrong
SAVEPOINT good;
UPDATE loyalty.member_tag SET tag = 'lost' WHERE member_id = pg_temp.id('kim');
DELETE FROM loyalty.member_day WHERE member_id = pg_temp.id('lee');
UPDATE loyalty.tag_review SET due_on = '2027-12-31' WHERE member_id = pg_temp.id('max');
SELECT set_eq($$SELECT pg_temp.name(member_id) AS who, kind, name, found, expected FROM loyalty.tag_check('Club')$$, $$VALUES
	('kim', 'tag', 'active', NULL, 'held'), ('kim', 'tag', 'lost', 'held', NULL), ('lee', 'day', '2026-07-20 purchase', NULL, '1 0 1000 0'), ('max', 'due_on', NULL, '2027-12-31', '2027-03-20')$$,
	'a stage, a day and a date');
ROLLBACK TO good;

-- Two stages that were tags before: one counts
INSERT INTO loyalty.tag (program_id, name) VALUES (:club, 'early'), (:club, 'late');
SELECT loyalty.tag_add(pg_temp.id('oli'), tag) FROM unnest('{early,late}'::text[]) tag \g /dev/null
UPDATE loyalty.tag SET dimension = 'lifecycle', position = CASE name WHEN 'late' THEN 1 ELSE 2 END WHERE name IN ('early', 'late');
SELECT FROM pg_temp.refresh('Club');
SELECT is(pg_temp.stage('oli'), 'late 08-30', 'the first by position');
SELECT is((SELECT count(*) FROM loyalty.member_tag WHERE member_id = pg_temp.id('oli')), 2::bigint, 'of two that were given by hand');
DELETE FROM loyalty.benefit_holder WHERE name = 'lost';
DELETE FROM loyalty.tag WHERE program_id = :club AND dimension = 'lifecycle' AND name NOT IN ('early', 'late');
SELECT FROM pg_temp.refresh('Club');
SELECT results_eq($$SELECT pg_temp.name(member_id), stage FROM loyalty.lifecycle_current WHERE program = 'Club'$$, $$VALUES ('oli', 'late')$$, 'a set that is deleted is nobody''s');
SELECT results_eq($$SELECT pg_temp.name(member_id) FROM loyalty.member_segment WHERE segment = 'staged'$$, $$VALUES ('oli')$$, 'nor for segments');

-- Who may see what
SELECT FROM loyalty.setup_roles('loyalty_stage');
SET LOCAL ROLE loyalty_stage_reader;
SELECT is((SELECT members FROM loyalty.report_lifecycle WHERE program = 'Club' AND stage = 'late'), 1::bigint, 'the reader role counts');
SELECT is((SELECT count(*) > 0 FROM loyalty.report_lifecycle_move), true, 'and movements');
SELECT throws_ok('SELECT * FROM loyalty.lifecycle_current', '42501', NULL, 'but sees no member');
SELECT throws_ok('SELECT * FROM loyalty.lifecycle_history', '42501', NULL, 'nor his history');
SET LOCAL ROLE loyalty_stage_pii;
SELECT is((SELECT count(*) FROM loyalty.lifecycle_current), 1::bigint, 'who may see tags does');
SET LOCAL ROLE loyalty_stage_admin;
UPDATE loyalty.tag SET status = 'inactive';
SELECT is(loyalty.lifecycle_set('Pace', 'growth'), 5, 'the administrator puts a set in use');
RESET ROLE;

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
