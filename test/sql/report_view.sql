\set ECHO none
\i test/prelude.sql
SELECT plan(15);

-- 20:00 on the 15th in Shanghai; points vest after a week
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai', vest_days => 7) AS shop \gset
SELECT unit_id AS points FROM loyalty.unit WHERE program_id = :shop AND code = 'points' \gset
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:shop, 'base', 0), (:shop, 'gold', 1);
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, window_kind)
SELECT :shop, t.tier_id, u.unit_id, 100, 'lifetime' FROM loyalty.tier t, loyalty.unit u WHERE t.code = 'gold' AND u.program_id = :shop AND u.code = 'spend';
INSERT INTO loyalty.campaign (program_id, name, title, starts_at) VALUES (:shop, 'spring', 'Spring', '2026-03-01 00:00+08'), (:shop, 'idle', NULL, NULL);
SELECT campaign_id AS spring FROM loyalty.campaign WHERE name = 'spring' \gset
SELECT loyalty.campaign_start('Shop', 'spring');
SELECT loyalty.budget_set('Shop', 'points', 200, 'spring', 2);
SELECT pg_temp.rule(format('{"program": "Shop", "award": 50, "campaign_id": %s}', :spring)::jsonb);
SELECT pg_temp.coupon('{"program": "Shop", "name": "ten", "title": "Ten off", "kind": "amount", "amount": 10, "valid_days": 7, "transferable": true}');
SELECT pg_temp.coupon('{"program": "Shop", "name": "later", "kind": "amount", "amount": 1, "valid_from": "2026-06-01"}');
CALL pg_temp.enroll('Shop', 'ann', 'bob');

SELECT FROM loyalty.adjust(pg_temp.id('ann'), 300, 'points', 'gift', ref => 'a1');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 129.90, 'o1', data => '{"channel": "app", "store": "S1", "staff": "7"}');
-- 129 earned and 50 of the campaign vest on the 22nd and lapse with the month a year later
SELECT results_eq($$SELECT program, unit_kind, amount, origin, state, vests_on, expires_on, expires_in FROM loyalty.report_lot WHERE member_id = pg_temp.id('ann') AND unit = 'points' ORDER BY state$$,
	$$VALUES ('Shop', 'points', 179::numeric, 'earned', 'pending', date '2026-03-22', date '2027-03-31', date '2027-03-01'),
	         ('Shop', 'points', 300, 'adjusted', 'vested', NULL, '2027-03-31', '2027-03-01')$$, 'report_lot: what can be spent now and later');
SELECT results_eq($$SELECT unit, amount, state, vests_on FROM loyalty.report_lot WHERE unit_kind = 'metric' ORDER BY unit$$,
	$$VALUES ('orders', 1::numeric, 'counted', date '2026-03-01'), ('spend', 129.90, 'counted', '2026-03-01')$$, 'report_lot: metrics, by month');
SELECT results_eq($$SELECT unit, sum(amount) FROM loyalty.report_lot GROUP BY unit ORDER BY unit$$,
	$$SELECT unit, sum(available + pending + held - debt) FROM loyalty.report_balance WHERE available + pending > 0 GROUP BY unit ORDER BY unit$$, 'report_lot: adds up to the balances');
SELECT results_eq($$SELECT action, from_tier, to_tier, unit, reached, threshold, effective_on FROM loyalty.report_tier_history WHERE member_id = pg_temp.id('ann') ORDER BY journal_id, line$$,
	$$VALUES ('joined', NULL, 'base', NULL, NULL::numeric, NULL::numeric, date '2026-03-15'), ('promoted', 'base', 'gold', 'spend', 129.90, 100, '2026-03-15')$$, 'report_tier_history: from which tier to which, and why');

-- Coupons: one is used for an order, one expires, one is given away, one is void, one begins in June
SELECT FROM generate_series(1, 4) n, loyalty.coupon_issue(pg_temp.id('ann'), 'ten', 'i' || n);
SELECT FROM loyalty.coupon_issue(pg_temp.id('ann'), 'later', 'i5');
SELECT min(coupon_no) AS first FROM loyalty.member_coupon \gset
SELECT FROM loyalty.coupon_use(pg_temp.id('ann'), '#' || (SELECT coupon_no FROM loyalty.member_coupon ORDER BY coupon_no LIMIT 1), 'o1', 10, '{"channel": "app", "store": "S1"}');
SELECT FROM loyalty.coupon_transfer(pg_temp.id('ann'), pg_temp.id('bob'), (SELECT coupon_no FROM loyalty.member_coupon ORDER BY coupon_no OFFSET 1 LIMIT 1), 't1');
SELECT FROM loyalty.coupon_void(pg_temp.id('ann'), (SELECT coupon_no FROM loyalty.member_coupon WHERE member_id = pg_temp.id('ann') ORDER BY coupon_no OFFSET 2 LIMIT 1), 'error');
SELECT results_eq($$SELECT coupon, title, kind, state, source, issued_on, valid_from, valid_until, uses, max_uses FROM loyalty.report_member_coupon WHERE member_id = pg_temp.id('ann') ORDER BY coupon_no$$,
	$$VALUES ('ten', 'Ten off', 'amount', 'used', 'issue', date '2026-03-15', date '2026-03-15', date '2026-03-21', 1, 1),
	         ('ten', 'Ten off', 'amount', 'given', 'issue', '2026-03-15', '2026-03-15', '2026-03-21', 0, 1),
	         ('ten', 'Ten off', 'amount', 'void', 'issue', '2026-03-15', '2026-03-15', '2026-03-21', 0, 1),
	         ('ten', 'Ten off', 'amount', 'open', 'issue', '2026-03-15', '2026-03-15', '2026-03-21', 0, 1),
	         ('later', NULL, 'amount', 'not_started', 'issue', '2026-03-15', '2026-06-01', NULL, 0, 1)$$, 'report_member_coupon: what became of each');
SELECT results_eq($$SELECT program, coupon, title, automatic, ref, status, discount, returned, currency, channel, store, used_on FROM loyalty.report_coupon_use$$,
	$$VALUES ('Shop', 'ten', 'Ten off', false, 'o1', 'used', 10.00, 0.00, 'CNY', 'app', 'S1', date '2026-03-15')$$, 'report_coupon_use: for which order, where, how much');
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'o1', 64.95, refund_ref => 'b1');
-- half of 50 went back
SELECT results_eq($$SELECT campaign, title, status, starts_at, ends_at, unit, budget, used, remaining, used_share, awarded FROM loyalty.report_campaign ORDER BY campaign$$,
	$$VALUES ('idle', NULL, 'draft', NULL::timestamptz, NULL::timestamptz, NULL, NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric),
	         ('spring', 'Spring', 'live', '2026-03-01 00:00+08', NULL, 'points', 200, 50, 150, 0.2500, 25)$$, 'report_campaign: budget and awards');

-- Holds: one is captured in part, one times out
SELECT hold_id AS held FROM loyalty.hold(pg_temp.id('ann'), 100, ttl => '1 day', ref => 'h1') \gset
SELECT FROM loyalty.hold(pg_temp.id('ann'), 20, ttl => '1 hour', ref => 'h2');
SELECT FROM loyalty.capture(pg_temp.id('ann'), :held, 60, ref => 'c1');
SELECT results_eq($$SELECT unit, amount, captured, status, ref, of_order, held_on, held_at FROM loyalty.report_hold ORDER BY hold_id$$,
	$$VALUES ('points', 100::numeric, 60::numeric, 'captured', 'h1', false, date '2026-03-15', '2026-03-15 12:00+00'::timestamptz),
	         ('points', 20, 0, 'held', 'h2', false, '2026-03-15', '2026-03-15 12:00+00')$$, 'report_hold: what was set aside');
SET loyalty.now = '2026-03-22 12:00+00';
SELECT results_eq($$SELECT status FROM loyalty.report_hold ORDER BY hold_id$$, $$VALUES ('captured'), ('timed_out')$$, 'report_hold: its time is over, though nobody has posted that');
SELECT results_eq($$SELECT state FROM loyalty.report_member_coupon WHERE coupon = 'ten' ORDER BY member_id, coupon_no$$,
	$$VALUES ('used'), ('given'), ('void'), ('expired'), ('expired')$$, 'report_member_coupon: after the last day');
SELECT results_eq($$SELECT DISTINCT state FROM loyalty.report_lot WHERE unit = 'points'$$, $$VALUES ('vested')$$, 'report_lot: the day has come');

-- report_daily stands on the sums: the same as the ledger, by SQL of its own
CREATE VIEW pg_temp.ledger AS
SELECT p.name AS program, (j.effective_at AT TIME ZONE p.time_zone)::date AS day, u.code AS unit, j.kind,
	count(DISTINCT j.journal_id) AS journal_rows, coalesce(sum(e.amount) FILTER (WHERE e.amount > 0), 0) / 10.0 ^ coalesce(u.scale, 0) AS credited,
	coalesce(sum(e.amount) FILTER (WHERE e.amount < 0), 0) / 10.0 ^ coalesce(u.scale, 0) AS debited
FROM loyalty.journal j
JOIN loyalty.program p USING (program_id)
LEFT JOIN loyalty.entry e USING (member_id, journal_id)
LEFT JOIN loyalty.unit u ON u.unit_id = e.unit_id
GROUP BY 1, 2, 3, 4, u.scale;
SELECT set_eq('SELECT program, day, unit, kind, journal_rows, credited, debited FROM loyalty.report_daily', 'SELECT * FROM ledger', 'report_daily: as the ledger');
SELECT is((SELECT count(*) FROM loyalty.report_daily WHERE net IS DISTINCT FROM credited + debited), 0::bigint, 'report_daily: net');
SELECT cmp_ok((SELECT count(*) FROM loyalty.report_daily), '>', 10::bigint, 'report_daily: there are some');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
