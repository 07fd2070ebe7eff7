\set ECHO none
\i test/prelude.sql
SELECT plan(58);

-- Points vest after a week; the days are those of Shanghai.
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai', vest_days => 7) AS shop \gset
SELECT loyalty.program_create('Other', 'JPY', 'Asia/Tokyo') AS other \gset
-- 7.00 stars are worth 0.03, so that the worth does not come out even
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:shop, 'stars', 'points', 2);
INSERT INTO loyalty.unit_anchor (program_id, unit_id, valid_from, units, money)
SELECT program_id, unit_id, valid_from, units, money
FROM loyalty.unit, (VALUES (date '2026-01-01', 700, 3), ('2026-03-23', 700, 30)) anchor (valid_from, units, money)
WHERE program_id = :shop AND code = 'stars';

-- 20:00 on the 15th in Shanghai
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat');
CALL pg_temp.enroll('Other', 'yui');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 129.90, 'o1', data => '{"channel": "app", "store": "S1", "staff": "7"}');
SELECT FROM loyalty.adjust(pg_temp.id('bob'), 12345, 'points', 'gift', ref => 'a1');
SELECT FROM loyalty.adjust(pg_temp.id('bob'), 10, 'stars', 'gift', ref => 'a2');
SELECT FROM loyalty.purchase(pg_temp.id('yui'), 5000, 'y1');
-- 09:00 on the 22nd: 129 points have vested at midnight. 64 of them are taken
-- back (129 x 64.95 / 129.90, rounded down), but only 59 are left: 5 are owed.
SET loyalty.now = '2026-03-22 01:00+00';
SELECT FROM loyalty.redeem(pg_temp.id('ann'), 50, ref => 'o2', reason => 'paid with points');
SELECT hold_id AS hold FROM loyalty.hold(pg_temp.id('ann'), 20, ttl => '1 hour', ref => 'h1') \gset
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'o1', 64.95, refund_ref => 'b1');
SELECT FROM loyalty.transfer(pg_temp.id('bob'), pg_temp.id('cat'), 45, ref => 't1');

-- Statement
SELECT is(pg_temp.signature('statement'),
	'(member_id bigint, since timestamp with time zone DEFAULT NULL::timestamp with time zone, until timestamp with time zone DEFAULT NULL::timestamp with time zone, unit text DEFAULT NULL::text)'
	' -> TABLE(at timestamp with time zone, journal_id bigint, kind text, event text, ref text, unit text, amount numeric, pending numeric, balance_after numeric, expires_on date, reason text)',
	'statement(): arguments');
SELECT results_eq(
	$$SELECT at, kind, event, ref, amount, pending, balance_after, expires_on, reason
	  FROM loyalty.statement(pg_temp.id('ann'), unit => 'points')$$,
	$$VALUES ('2026-03-15 12:00+00'::timestamptz, 'event', 'purchase', 'o1', 129::numeric, 129::numeric, 129::numeric, date '2027-03-31', NULL),
	         ('2026-03-21 16:00+00', 'vest', NULL, NULL, 0, -129, 129, '2027-03-31', NULL),
	         ('2026-03-22 01:00+00', 'redeem', NULL, 'o2', -50, 0, 79, NULL, 'paid with points'),
	         ('2026-03-22 01:00+00', 'hold', NULL, 'h1', -20, 0, 59, NULL, NULL),
	         ('2026-03-22 01:00+00', 'refund', NULL, 'b1', -64, 0, -5, NULL, NULL)$$,
	'statement: one row per journal row, with what vests later and the balance after it');
SELECT results_eq(
	$$SELECT ref, unit, amount, pending, balance_after, expires_on FROM loyalty.statement(pg_temp.id('ann')) WHERE ref IN ('o1', 'b1')$$,
	$$VALUES ('o1', 'points', 129::numeric, 129::numeric, 129::numeric, date '2027-03-31'),
	         ('o1', 'spend', 129.90, 0, 129.90, NULL),
	         ('o1', 'orders', 1, 0, 1, NULL),
	         ('b1', 'points', -64, 0, -5, NULL),
	         ('b1', 'spend', -64.95, 0, 64.95, NULL)$$,
	'statement: all units, in order; a metric is never pending');
SELECT results_eq(
	$$SELECT DISTINCT scale(amount), scale(balance_after) FROM loyalty.statement(pg_temp.id('ann'), unit => 'spend')$$,
	$$VALUES (2, 2)$$, 'statement: amounts have the decimals of the unit');
SELECT results_eq(
	$$SELECT journal_id FROM loyalty.statement(pg_temp.id('ann'))$$,
	$$SELECT journal_id FROM loyalty.statement(pg_temp.id('ann')) ORDER BY journal_id$$, 'statement: in journal order');
SELECT results_eq(
	$$SELECT kind FROM loyalty.statement(pg_temp.id('ann'), since => '2026-03-21 16:00+00', unit => 'points')$$,
	$$VALUES ('vest'), ('redeem'), ('hold'), ('refund')$$, 'statement: since is the first moment');
SELECT results_eq(
	$$SELECT kind FROM loyalty.statement(pg_temp.id('ann'), until => '2026-03-21 16:00+00', unit => 'points')$$,
	$$VALUES ('event')$$, 'statement: until is the first moment no more');
SELECT results_eq(
	$$SELECT kind FROM loyalty.statement(pg_temp.id('ann'), '2026-03-21 16:00+00', '2026-03-22 01:00+00', 'points')$$,
	$$VALUES ('vest')$$, 'statement: by position');
SELECT is_empty($$SELECT * FROM loyalty.statement(pg_temp.id('ann'), '2030-01-01', '2031-01-01')$$, 'statement: a time without rows');
SELECT is_empty($$SELECT * FROM loyalty.statement(pg_temp.id('ann'), '2026-04-01', '2026-01-01')$$,
	'statement: nothing lies between an end and a later beginning');
SELECT results_eq($$SELECT unit, amount FROM loyalty.statement(pg_temp.id('cat'))$$, $$VALUES ('points', 45::numeric)$$,
	'statement: a signup moved nothing and is not in it');
-- An event of the day before is dated there, and stands where it was posted.
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 10, 'c1', at => '2026-03-21 01:00+00');
SELECT results_eq(
	$$SELECT at, kind, balance_after FROM loyalty.statement(pg_temp.id('cat'), unit => 'points')$$,
	$$VALUES ('2026-03-22 01:00+00'::timestamptz, 'receive', 45::numeric), ('2026-03-21 01:00+00', 'event', 55)$$,
	'statement: what is dated earlier is still in the order of posting');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.statement(999)$$), 'LY501 member_id=999', 'statement: unknown member');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.statement(999, unit => 'points')$$), 'LY501 member_id=999', 'statement: unknown member, known unit');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.statement(pg_temp.id('ann'), unit => 'gold')$$), 'LY105 unit=gold', 'statement: unknown unit');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.statement(pg_temp.id('yui'), unit => 'stars')$$), 'LY105 unit=stars',
	'statement: a unit of another programme');
SELECT throws_ok('SELECT * FROM loyalty.statement(NULL)', '22004', NULL, 'statement: no member');
SELECT volatility_is('loyalty', 'statement', '{bigint,timestamp with time zone,timestamp with time zone,text}'::name[], 'stable', 'statement() is STABLE');

-- The member at the till
SELECT is(pg_temp.signature('member_get'),
	'(program text, kind text, value text) -> TABLE(member_id bigint, status text, joined_at timestamp with time zone, tier text, tier_until date, balances jsonb, next_expiry date, next_expiry_unit text, next_expiry_amount numeric)',
	'member_get(): arguments');
SELECT results_eq(
	$$SELECT member_id, status, joined_at, tier, next_expiry, next_expiry_unit, next_expiry_amount
	  FROM loyalty.member_get('Shop', 'customer_no', 'bob')$$,
	$$SELECT pg_temp.id('bob'), 'active', timestamptz '2026-03-15 12:00+00', NULL, date '2027-03-31', 'points', 12300::numeric$$,
	'member_get: who it is and what lapses next');
SELECT is((SELECT balances FROM loyalty.member_get('Shop', 'customer_no', 'bob')),
	'{"points": {"available": 12300, "pending": 0, "held": 0, "debt": 0},
	  "spend": {"available": 0.00, "pending": 0.00, "held": 0.00, "debt": 0.00},
	  "orders": {"available": 0, "pending": 0, "held": 0, "debt": 0},
	  "stars": {"available": 10.00, "pending": 0.00, "held": 0.00, "debt": 0.00}}'::jsonb,
	'member_get: every unit by its code');
SELECT is((SELECT balances -> 'points' FROM loyalty.member_get('Shop', 'customer_no', 'ann')),
	'{"available": 0, "pending": 0, "held": 20, "debt": 5}'::jsonb, 'member_get: held and debt');
SELECT is((SELECT next_expiry_unit FROM loyalty.member_get('Shop', 'customer_no', 'ann')), NULL,
	'member_get: nothing lapses where nothing is');
SELECT is_empty($$SELECT * FROM loyalty.member_get('Shop', 'customer_no', 'nobody')$$, 'member_get: no row when unknown');
SELECT is_empty($$SELECT * FROM loyalty.member_get('Other', 'customer_no', 'ann')$$, 'member_get: nor in another programme');
SELECT throws_ok($$SELECT * FROM loyalty.member_get('Nowhere', 'customer_no', 'ann')$$, 'LY403', NULL, 'member_get: unknown programme');
SELECT FROM loyalty.member_freeze(pg_temp.id('cat'), 'lost card');
SELECT is((SELECT status FROM loyalty.member_get('Shop', 'customer_no', 'cat')), 'frozen', 'member_get: the status of now');

-- Members
SELECT results_eq(
	$$SELECT program, status, joined_on, joined_at, first_event_at, last_event_at, first_purchase_at, last_purchase_at, purchases, tier, tier_until
	  FROM loyalty.report_member WHERE member_id IN (pg_temp.id('ann'), pg_temp.id('cat')) ORDER BY member_id$$,
	$$VALUES ('Shop', 'active', date '2026-03-15', '2026-03-15 12:00+00'::timestamptz, '2026-03-15 12:00+00'::timestamptz,
	          '2026-03-15 12:00+00'::timestamptz, '2026-03-15 12:00+00'::timestamptz, '2026-03-15 12:00+00'::timestamptz, 1, NULL::text, NULL::date),
	         ('Shop', 'frozen', '2026-03-15', '2026-03-15 12:00+00', '2026-03-15 12:00+00',
	          '2026-03-21 01:00+00', '2026-03-21 01:00+00', '2026-03-21 01:00+00', 1, NULL, NULL)$$,
	'report_member: status, first and last');
SELECT is((SELECT count(*) FROM loyalty.report_member), 4::bigint, 'report_member: one row per member');

-- Balances
SELECT results_eq(
	$$SELECT program, unit, unit_kind, available, pending, held, debt, worth, currency
	  FROM loyalty.report_balance b WHERE member_id = pg_temp.id('ann')
	  ORDER BY array_position('{points,spend,orders,stars}', unit)$$,
	$$VALUES ('Shop', 'points', 'points', 0::numeric, 0::numeric, 20::numeric, 5::numeric, 0.00::numeric, 'CNY'),
	         ('Shop', 'spend', 'metric', 64.95, 0, 0, 0, NULL, 'CNY'),
	         ('Shop', 'orders', 'metric', 1, 0, 0, 0, NULL, 'CNY'),
	         ('Shop', 'stars', 'points', 0, 0, 0, 0, 0.00, 'CNY')$$,
	'report_balance: a member in debt, with a hold');
-- 12300 points at 100 for 1.00; 1000 hundredths x 3 / 700 = 4.28 fen, rounded down
SELECT results_eq(
	$$SELECT unit, available, worth FROM loyalty.report_balance
	  WHERE member_id = pg_temp.id('bob') AND unit IN ('points', 'stars') ORDER BY unit$$,
	$$VALUES ('points', 12300::numeric, 123.00::numeric), ('stars', 10.00, 0.04)$$,
	'report_balance: worth by the anchor, in whole fen');
SELECT results_eq(
	$$SELECT unit, available, worth, currency FROM loyalty.report_balance
	  WHERE member_id = pg_temp.id('yui') AND unit = 'points'$$,
	$$VALUES ('points', 5000::numeric, 50::numeric, 'JPY')$$, 'report_balance: another programme, another currency');
SELECT is((SELECT count(*) FROM loyalty.report_balance), 3 * 4 + 3::bigint, 'report_balance: one row per member and unit, zero or not');
-- cat's 10 points of the 21st are pending until the 28th
SELECT results_eq(
	$$SELECT available, pending FROM loyalty.report_balance WHERE member_id = pg_temp.id('cat') AND unit = 'points'$$,
	$$VALUES (45::numeric, 10::numeric)$$, 'report_balance: pending');

-- What has fallen due counts whether or not it was posted: on the 23rd the
-- hold has timed out (20 points, of which 5 repay the debt), and the anchor of
-- the stars is ten times as high (42.8 fen).
SET loyalty.now = '2026-03-23 01:00+00';
SELECT results_eq(
	$$SELECT available, held, debt, worth FROM loyalty.report_balance WHERE member_id = pg_temp.id('ann') AND unit = 'points'$$,
	$$VALUES (15::numeric, 0::numeric, 0::numeric, 0.15::numeric)$$, 'report_balance: a hold whose time is over has returned');
SELECT is((SELECT status FROM loyalty.hold WHERE hold_id = :hold), 'held', 'though nobody has posted that');
SELECT is((SELECT worth FROM loyalty.report_balance WHERE member_id = pg_temp.id('bob') AND unit = 'stars'), 0.42,
	'report_balance: the anchor that is valid today');
SET loyalty.now = '2026-03-28 01:00+00';
SELECT is((SELECT available FROM loyalty.report_balance WHERE member_id = pg_temp.id('cat') AND unit = 'points'), 55::numeric,
	'report_balance: vested on its day');
SET loyalty.now = '2027-03-31 15:59+00';
SELECT is((SELECT available FROM loyalty.report_balance WHERE member_id = pg_temp.id('bob') AND unit = 'points'), 12300::numeric,
	'report_balance: good until midnight in Shanghai');
SET loyalty.now = '2027-03-31 16:00+00';
SELECT is((SELECT available FROM loyalty.report_balance WHERE member_id = pg_temp.id('bob') AND unit = 'points'), 0::numeric,
	'report_balance: and then no more');
-- twelve months, this one included: March 2026 counts until 28 February 2027
SET loyalty.now = '2027-02-28 15:59+00';
SELECT is((SELECT available FROM loyalty.report_balance WHERE member_id = pg_temp.id('ann') AND unit = 'spend'), 64.95,
	'report_balance: a metric in its window');
SET loyalty.now = '2027-02-28 16:00+00';
SELECT is((SELECT available FROM loyalty.report_balance WHERE member_id = pg_temp.id('ann') AND unit = 'spend'), 0.00,
	'report_balance: and out of it');
SELECT set_eq(
	$$SELECT member_id, unit, available, pending, held, debt FROM loyalty.report_balance$$,
	$$SELECT a.member_id, b.unit, b.available, b.pending, b.held, b.debt
	  FROM loyalty.account a CROSS JOIN LATERAL loyalty.balance(a.member_id) b$$,
	'report_balance: the same as balance(), nothing posted');
SELECT count(loyalty.account_settle(member_id)) AS settled FROM loyalty.account \gset
SELECT set_eq(
	$$SELECT member_id, unit, available, pending, held, debt FROM loyalty.report_balance$$,
	$$SELECT a.member_id, b.unit, b.available, b.pending, b.held, b.debt
	  FROM loyalty.account a CROSS JOIN LATERAL loyalty.balance(a.member_id) b$$,
	'report_balance: the same as balance(), everything posted');

-- Ledger
SELECT results_eq(
	$$SELECT kind, event, ref, reverses, channel, store, unit, origin, amount, balance_after, vests_on, expires_on, effective_on
	  FROM loyalty.report_ledger WHERE member_id = pg_temp.id('ann') AND unit = 'points' AND effective_on <= '2026-03-22'
	  ORDER BY journal_id, line$$,
	$$VALUES ('event', 'purchase', 'o1', NULL, 'app', 'S1', 'points', 'earned', 129::numeric, 129::numeric, date '2026-03-22', date '2027-03-31', date '2026-03-15'),
	         ('vest', NULL, NULL, NULL, NULL, NULL, 'points', 'earned', -129, 0, '2026-03-22', '2027-03-31', '2026-03-22'),
	         ('vest', NULL, NULL, NULL, NULL, NULL, 'points', 'earned', 129, 129, NULL, '2027-03-31', '2026-03-22'),
	         ('redeem', NULL, 'o2', NULL, NULL, NULL, 'points', 'earned', -50, 79, NULL, '2027-03-31', '2026-03-22'),
	         ('hold', NULL, 'h1', NULL, NULL, NULL, 'points', 'earned', -20, 59, NULL, '2027-03-31', '2026-03-22'),
	         ('refund', NULL, 'b1', 'o1', NULL, NULL, 'points', 'earned', -59, 0, NULL, '2027-03-31', '2026-03-22'),
	         ('refund', NULL, 'b1', 'o1', NULL, NULL, 'points', 'debt', -5, -5, NULL, NULL, '2026-03-22'),
	         ('time_out', NULL, NULL, NULL, NULL, NULL, 'points', 'debt', 5, 0, NULL, NULL, '2026-03-22'),
	         ('time_out', NULL, NULL, NULL, NULL, NULL, 'points', 'earned', 15, 15, NULL, '2027-03-31', '2026-03-22')$$,
	'report_ledger: every entry, with its journal row and the local day');
SELECT is((SELECT count(*) FROM loyalty.report_ledger), (SELECT count(*) FROM loyalty.entry), 'report_ledger: all of them');
SELECT is((SELECT sum(amount) FROM loyalty.report_ledger WHERE unit = 'spend' AND program = 'Shop'), 74.95,
	'report_ledger: amounts in the terms of the unit');

-- Events
SELECT results_eq(
	$$SELECT kind, event, ref, reverses, amount, amount_in, channel, store, staff, effective_on
	  FROM loyalty.report_event WHERE member_id = pg_temp.id('ann') ORDER BY journal_id$$,
	$$VALUES ('event', 'signup', NULL, NULL, NULL::numeric, NULL, NULL, NULL, NULL, date '2026-03-15'),
	         ('event', 'purchase', 'o1', NULL, 129.90, 'CNY', 'app', 'S1', '7', '2026-03-15'),
	         ('redeem', NULL, 'o2', NULL, 50, 'points', NULL, NULL, NULL, '2026-03-22'),
	         ('hold', NULL, 'h1', NULL, 20, 'points', NULL, NULL, NULL, '2026-03-22'),
	         ('refund', NULL, 'b1', 'o1', 64.95, 'CNY', NULL, NULL, NULL, '2026-03-22')$$,
	'report_event: what was done, not what the clock did');
SELECT results_eq(
	$$SELECT kind, amount, amount_in, other_member_id FROM loyalty.report_event
	  WHERE kind IN ('transfer', 'receive') ORDER BY kind DESC$$,
	$$SELECT 'transfer', 45::numeric, 'points', pg_temp.id('cat') UNION ALL SELECT 'receive', 45, 'points', pg_temp.id('bob')$$,
	'report_event: both sides of a transfer');
SELECT results_eq($$SELECT amount, amount_in FROM loyalty.report_event WHERE ref = 'y1'$$, $$VALUES (5000::numeric, 'JPY')$$,
	'report_event: amounts in the currency of the programme');
SET loyalty.now = '2027-02-28 16:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 30, 'v1');
SELECT FROM loyalty.vest(pg_temp.id('bob'), 'v1');
SELECT results_eq($$SELECT kind FROM loyalty.report_event WHERE ref = 'v1' ORDER BY journal_id$$, $$VALUES ('event'), ('vest')$$,
	'report_event: a vesting that was asked for is there');

-- Days
SELECT results_eq(
	$$SELECT unit, kind, journal_rows, credited, debited, net FROM loyalty.report_daily
	  WHERE program = 'Shop' AND day = '2026-03-15' ORDER BY unit NULLS FIRST, kind$$,
	$$VALUES (NULL, 'event', 3::bigint, 0::numeric, 0::numeric, 0::numeric),
	         ('orders', 'event', 1, 1, 0, 1),
	         ('points', 'adjust', 1, 12345, 0, 12345),
	         ('points', 'event', 1, 129, 0, 129),
	         ('spend', 'event', 1, 129.90, 0, 129.90),
	         ('stars', 'adjust', 1, 10, 0, 10)$$,
	'report_daily: what came on the 15th; three signups moved nothing');
SELECT results_eq(
	$$SELECT kind, journal_rows, credited, debited, net FROM loyalty.report_daily
	  WHERE program = 'Shop' AND day = '2026-03-22' AND unit = 'points' ORDER BY kind$$,
	$$VALUES ('hold', 1::bigint, 0::numeric, -20::numeric, -20::numeric),
	         ('receive', 1, 45, 0, 45),
	         ('redeem', 1, 0, -50, -50),
	         ('refund', 1, 0, -64, -64),
	         ('time_out', 1, 20, 0, 20),
	         ('transfer', 1, 0, -45, -45),
	         ('vest', 1, 129, -129, 0)$$,
	'report_daily: what came and went on the 22nd');
SELECT results_eq(
	$$SELECT sum(net) FROM loyalty.report_daily WHERE unit = 'points'$$,
	$$SELECT sum(amount)::numeric FROM loyalty.entry JOIN loyalty.unit USING (unit_id) WHERE code = 'points'$$,
	'report_daily: all days together are the ledger');
SELECT results_eq(
	$$SELECT sum(journal_rows) FROM loyalty.report_daily WHERE unit IS NULL$$,
	$$SELECT count(*)::numeric FROM loyalty.journal j WHERE NOT EXISTS (
		SELECT FROM loyalty.entry e WHERE e.member_id = j.member_id AND e.journal_id = j.journal_id)$$,
	'report_daily: rows that moved nothing are counted');

-- Fit for BI tools
SELECT is_empty(
	$$SELECT a.attrelid::regclass, a.attname, a.atttypid::regtype
	  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 JOIN pg_type t ON t.oid = a.atttypid
	  WHERE c.relnamespace = 'loyalty'::regnamespace AND c.relkind = 'v' AND t.typnamespace <> 'pg_catalog'::regnamespace$$,
	'no view has a type of the extension');
SELECT set_eq(
	$$SELECT relname::text FROM pg_class WHERE relnamespace = 'loyalty'::regnamespace AND relkind = 'v'$$,
	'{report_lot,report_tier_history,report_member_coupon,report_coupon_use,report_campaign,report_hold,report_automation,report_message,message_status,broadcast_progress,maintenance_status,report_member,report_balance,report_ledger,report_event,report_daily,report_plan,report_topup,report_topup_quarter,lifecycle_current,lifecycle_history,report_lifecycle,report_lifecycle_move,budget_status,coupon_limit_status,offer,attach_list,ingest_progress}'::text[], 'the views');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
