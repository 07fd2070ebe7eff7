\set ECHO none
\i test/prelude.sql
SELECT plan(30);

-- 20:00 in Shanghai; 100 points are worth 1.00
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
SELECT loyalty.program_create('Empty', 'JPY', 'Asia/Tokyo');
SELECT unit_id AS points FROM loyalty.unit WHERE program_id = :shop AND code = 'points' \gset
INSERT INTO loyalty.message_channel (program_id, name) VALUES (:shop, 'sms');
INSERT INTO loyalty.program_event (program_id, event) VALUES (:shop, 'wish') ON CONFLICT DO NOTHING;
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay', 'gus');

-- Campaigns: 50 points for each order, and a coupon of 5
INSERT INTO loyalty.campaign (program_id, name, title) VALUES (:shop, 'spring', 'Spring'), (:shop, 'idle', NULL);
SELECT campaign_id AS spring FROM loyalty.campaign WHERE name = 'spring' \gset
SELECT loyalty.campaign_start('Shop', 'spring');
SELECT loyalty.budget_set('Shop', 'points', 400, 'spring', 2);
SELECT pg_temp.rule(format('{"program": "Shop", "award": 50, "campaign_id": %s}', :spring)::jsonb) AS rule \gset
SELECT pg_temp.coupon(format('{"program": "Shop", "name": "five", "kind": "amount", "amount": 5, "campaign_id": %s}', :spring)::jsonb);
SELECT FROM loyalty.coupon_issue(pg_temp.id('ann'), 'five', 'i1');
SELECT FROM loyalty.member_coupon m, loyalty.coupon_use(m.member_id, '#' || m.coupon_no, 'o1', 5);
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 95, 'o1');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 20, 'o2');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 30, 'o3');
SELECT FROM loyalty.refund(pg_temp.id('bob'), 'o3', 15, refund_ref => 'r1');

SELECT is(pg_temp.signature('report_campaign_cost'),
	'(program text, since date, until date) -> TABLE(campaign text, title text, status text, starts_at timestamp with time zone, ends_at timestamp with time zone,'
	' events bigint, members bigint, unit text, awarded numeric, worth numeric, coupons bigint, discount numeric, cost numeric, budget numeric, used_share numeric, sales numeric, currency text)',
	'report_campaign_cost(): arguments');
-- 3 times 50, less 25 that went back with half of the order, are worth 1.25; 150 of 400 are used
CREATE VIEW pg_temp.spent AS
SELECT campaign, title, status, events, members, unit, awarded, worth, coupons, discount, cost, budget, used_share, sales, currency
FROM loyalty.report_campaign_cost('Shop', '2026-03-01', '2026-03-31');
SELECT results_eq('SELECT * FROM spent',
	$$VALUES ('idle', NULL, 'draft', 0::bigint, 0::bigint, NULL, NULL::numeric, 0.00, 0::bigint, 0.00, 0.00, NULL::numeric, NULL::numeric, 0.00, 'CNY'),
	         ('spring', 'Spring', 'live', 3, 2, 'points', 125, 1.25, 1, 5.00, 6.25, 400, 0.3750, 145.00, 'CNY')$$,
	'what a campaign awarded and took off');
DELETE FROM loyalty.rule WHERE rule_id = :rule;
SELECT results_eq($$SELECT events, awarded FROM spent WHERE campaign = 'spring'$$, $$VALUES (3::bigint, 125::numeric)$$,
	'its rule was deleted: it was of the campaign');
SELECT results_eq($$SELECT events, members, unit, awarded, cost, budget, used_share, sales FROM loyalty.report_campaign_cost('Shop', '2026-03-14', '2026-03-14') WHERE campaign = 'spring'$$,
	$$VALUES (0::bigint, 0::bigint, 'points', NULL::numeric, 0.00, 400::numeric, 0.3750, 0.00)$$, 'the day before: nothing; the budget is as of now');
SELECT is_empty($$SELECT * FROM loyalty.report_campaign_cost('Empty', '2026-03-01', '2026-03-31')$$, 'an empty programme');
SELECT throws_ok($$SELECT * FROM loyalty.report_campaign_cost('Nowhere', '2026-03-01', '2026-03-31')$$, 'LY403', NULL, 'an unknown programme');
SELECT loyalty.campaign_end('Shop', 'spring');

-- Automations: who wishes for something gets 100 points, a coupon of 10 and a message
SELECT pg_temp.coupon('{"program": "Shop", "name": "ten", "kind": "amount", "amount": 10}');
INSERT INTO loyalty.automation (program_id, name, title, trigger_kind, trigger_name, goal_event, goal_days, purpose)
VALUES (:shop, 'wish', 'A wish', 'event', 'wish', 'purchase', 30, 'service') RETURNING automation_id AS wish \gset
INSERT INTO loyalty.automation_step (automation_id, position, program_id, kind, unit_id, amount) VALUES (:wish, 1, :shop, 'award', :points, 100);
INSERT INTO loyalty.automation_step (automation_id, position, program_id, kind, coupon) VALUES (:wish, 2, :shop, 'coupon', 'ten');
INSERT INTO loyalty.automation_step (automation_id, position, program_id, kind, channel, template) VALUES (:wish, 3, :shop, 'message', 'sms', 'granted');
SELECT loyalty.automation_start('Shop', 'wish');
INSERT INTO loyalty.automation (program_id, name, trigger_kind, trigger_name, condition)
VALUES (:shop, 'big', 'event', 'purchase', '$.event.amount >= 1000') RETURNING automation_id AS big \gset
INSERT INTO loyalty.automation_step (automation_id, position, program_id, kind, unit_id, amount) VALUES (:big, 1, :shop, 'award', :points, 40);
SELECT loyalty.automation_start('Shop', 'big');
SET loyalty.now = '2026-04-01 12:00+00';
SELECT FROM (VALUES ('ann'), ('bob'), ('cat')) x (name), loyalty.record(pg_temp.id(name), 'wish', ref => 'w');
SELECT FROM loyalty.automation_run_due();
SELECT FROM loyalty.message_take('sms', 2);
-- ann buys nothing, bob for 100 with the coupon and for 200, cat for 300. dan, eve
-- and fay were held out: 80 less 30, 150 and 100. What is bought after 30 days is
-- not looked at.
UPDATE loyalty.automation SET holdout = 50 WHERE automation_id = :wish;
INSERT INTO loyalty.automation_run (member_id, run_id, program_id, automation_id, occurrence, status, triggered_at, finished_at)
SELECT pg_temp.id(name), loyalty.next_id(), :shop, :wish, 'held', 'held_out', loyalty.now(), loyalty.now() FROM unnest('{dan,eve,fay}'::text[]) name;
-- who inserts runs by hand has to say so
SELECT FROM loyalty.report_rebuild('Shop');
SET loyalty.now = '2026-04-10 12:00+00';
SELECT FROM loyalty.member_coupon m, loyalty.coupon_use(m.member_id, '#' || m.coupon_no, 'p1', 10) WHERE m.member_id = pg_temp.id('bob');
SELECT FROM (VALUES ('bob', 100, 'p1'), ('bob', 200, 'p2'), ('cat', 300, 'p3'), ('dan', 80, 'p4'), ('eve', 150, 'p5'), ('fay', 100, 'p6')) x (name, amount, ref),
	loyalty.purchase(pg_temp.id(name), amount, ref);
-- and an order of 1000 that goes back, and its 40 points with it
SELECT FROM loyalty.purchase(pg_temp.id('gus'), 1000, 'p7');
SELECT FROM loyalty.automation_run_due();
SELECT FROM loyalty.purchase(pg_temp.id('gus'), 2000, 'p8');
SELECT FROM loyalty.automation_run_due();
SELECT FROM loyalty.refund(pg_temp.id('gus'), 'p7');
SELECT FROM loyalty.automation_run_due();
SELECT results_eq($$SELECT treated, held_out, open FROM loyalty.report_uplift('Shop', 'wish', '2026-04-01', '2026-04-30')$$,
	$$VALUES (3::bigint, 3::bigint, 6::bigint)$$, 'the days of all six are not over');
SET loyalty.now = '2026-05-02 12:00+00';
SELECT FROM loyalty.refund(pg_temp.id('dan'), 'p4', 30, refund_ref => 'r4');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 999, 'late');

SELECT is(pg_temp.signature('report_automation_cost'),
	'(program text, since date, until date) -> TABLE(automation text, title text, status text, trigger_kind text, runs bigint, members bigint, treated bigint, held_out bigint,'
	' unit text, awarded numeric, worth numeric, coupons bigint, discount numeric, messages bigint, cost numeric, treated_goals bigint, held_out_goals bigint, treated_share numeric, held_out_share numeric, currency text)',
	'report_automation_cost(): arguments');
SELECT results_eq(
	$$SELECT automation, title, runs, members, treated, held_out, unit, awarded, worth, coupons, discount, messages, cost, treated_goals, held_out_goals, treated_share, held_out_share, currency
	  FROM loyalty.report_automation_cost('Shop', '2026-04-01', '2026-04-30')$$,
	$$VALUES ('big', NULL, 8::bigint, 6::bigint, 2::bigint, 0::bigint, 'points', 40::numeric, 0.40, 0::bigint, 0.00, 0::bigint, 0.40, 0::bigint, 0::bigint, 0.0000, NULL::numeric, 'CNY'),
	         ('wish', 'A wish', 6, 6, 3, 3, 'points', 300, 3.00, 3, 10.00, 2, 13.00, 2, 3, 0.6667, 1.0000, 'CNY')$$,
	'what automations gave: six orders were too small; 40 of 80 were taken back, two of three messages were taken');
SELECT results_eq($$SELECT automation, runs, treated, unit, awarded, cost FROM loyalty.report_automation_cost('Shop', '2026-05-01', '2026-05-31')$$,
	$$VALUES ('big', 1::bigint, 0::bigint, NULL, NULL::numeric, 0.00), ('wish', 0, 0, NULL, NULL, 0.00)$$, 'by the day on which runs started');
SELECT is_empty($$SELECT * FROM loyalty.report_automation_cost('Empty', '2026-03-01', '2026-03-31')$$, 'an empty programme');
SELECT throws_ok($$SELECT * FROM loyalty.report_automation_cost('Nowhere', '2026-03-01', '2026-03-31')$$, 'LY403', NULL, 'an unknown programme');

-- Uplift: means 600/3 and 300/3; variances 30000 and 2500, so that the difference has a
-- standard error of sqrt(10000 + 833.33) = 104.083 at 2.331 degrees of freedom, whose
-- quantile is 3.6990
SELECT is(pg_temp.signature('report_uplift'),
	'(program text, automation text, since date, until date, days integer DEFAULT 30, margin numeric DEFAULT 1) -> TABLE(treated bigint, held_out bigint,'
	' mean_treated numeric, mean_held_out numeric, uplift numeric, low numeric, high numeric, relative numeric, conversion_treated numeric, conversion_held_out numeric,'
	' conversion_uplift numeric, conversion_low numeric, conversion_high numeric, share numeric, expected_share numeric, split_alarm boolean, open bigint, cost numeric, gain numeric, roi numeric, currency text)',
	'report_uplift(): arguments');
CREATE VIEW pg_temp.effect AS SELECT * FROM loyalty.report_uplift('Shop', 'wish', '2026-04-01', '2026-04-30');
SELECT results_eq('SELECT treated, held_out, mean_treated, mean_held_out, uplift, relative, open, currency FROM effect',
	$$VALUES (3::bigint, 3::bigint, 200.00, 100.00, 100.00, 1.0000, 0::bigint, 'CNY')$$, 'the difference of the means');
SELECT results_eq('SELECT low, high FROM effect', $$VALUES (-284.99, 484.99)$$, 'its interval');
SELECT results_eq('SELECT conversion_treated, conversion_held_out, conversion_uplift, conversion_low, conversion_high FROM effect',
	$$VALUES (0.6667, 1.0000, -0.3333, -1.7237, 1.0571)$$, 'who bought at all: standard error 1/3 at 2 degrees, 4.1712');
SELECT results_eq('SELECT cost, gain, roi FROM effect', $$VALUES (13.00, 300.00, 22.0769)$$, 'gain and cost: 287 / 13');
SELECT results_eq($$SELECT gain, roi FROM loyalty.report_uplift('Shop', 'wish', '2026-04-01', '2026-04-30', margin => 0.4)$$,
	$$VALUES (120.00, 8.2308)$$, 'at a margin of 40 %: 107 / 13');
SELECT results_eq('SELECT share, expected_share, split_alarm FROM effect', 'VALUES (0.5000, 0.5000, false)', 'the split is as it should be');
SELECT results_eq($$SELECT mean_treated, mean_held_out FROM loyalty.report_uplift('Shop', 'wish', '2026-04-01', '2026-04-30', 8)$$,
	'VALUES (0.00, 0.00)', 'within 8 days nobody had bought');
SELECT results_eq($$SELECT mean_treated FROM loyalty.report_uplift('Shop', 'wish', '2026-04-01', '2026-04-30', 31)$$,
	'VALUES (533.00)', 'within 31 also ann: 1599 / 3');
-- 3 of 6 where 0.6 are expected: 2.4^2 / 0.54 = 10.67, and with 9 % 2.46^2 / 0.4914 = 12.3; one in a thousand is 10.83
UPDATE loyalty.automation SET holdout = 10 WHERE automation_id = :wish;
SELECT results_eq('SELECT expected_share, split_alarm FROM effect', 'VALUES (0.1000, false)', 'a split that may be by chance');
UPDATE loyalty.automation SET holdout = 9 WHERE automation_id = :wish;
SELECT results_eq('SELECT expected_share, split_alarm FROM effect', 'VALUES (0.0900, true)', 'a split that is not');
UPDATE loyalty.automation SET holdout = 0 WHERE automation_id = :wish;
SELECT results_eq('SELECT expected_share, split_alarm FROM effect', 'VALUES (0.0000, true)', 'nobody was to be held out');
SELECT results_eq($$SELECT treated, held_out, mean_treated, mean_held_out, uplift, low, relative, share, split_alarm, cost, roi FROM loyalty.report_uplift('Shop', 'big', '2026-04-01', '2026-04-30')$$,
	$$VALUES (1::bigint, 0::bigint, 2000.00, NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric, 0.0000, false, 0.40, NULL::numeric)$$,
	'nobody held out: nothing to compare with; the order that started it does not count, the next one does');
SELECT results_eq($$SELECT treated, held_out, uplift, share, split_alarm, cost, gain, roi FROM loyalty.report_uplift('Shop', 'wish', '2030-01-01', '2030-12-31')$$,
	$$VALUES (0::bigint, 0::bigint, NULL::numeric, NULL::numeric, false, 0.00, NULL::numeric, NULL::numeric)$$, 'the future');
SELECT throws_ok($$SELECT * FROM loyalty.report_uplift('Shop', 'nothing', '2026-04-01', '2026-04-30')$$, 'LY450', NULL, 'an unknown automation');
SELECT throws_ok($$SELECT * FROM loyalty.report_uplift('Nowhere', 'wish', '2026-04-01', '2026-04-30')$$, 'LY403', NULL, 'an unknown programme');
SELECT is((SELECT count(*) FROM (VALUES ('0'), ('3651'), ('30, 0'), ('30, 1.01')) x (args)
	WHERE pg_temp.raised(format($$SELECT * FROM loyalty.report_uplift('Shop', 'wish', '2026-04-01', '2026-04-30', %s)$$, args)) LIKE '22023%'), 4::bigint,
	'days and margins that make no sense');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
