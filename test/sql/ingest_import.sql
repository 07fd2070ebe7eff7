\set ECHO none
\i test/prelude.sql
SELECT plan(65);

SELECT loyalty.program_create('shop', 'GBP', 'Europe/London') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale, debt_policy, period) VALUES (:shop, 'wallet', 'money', 2, 'limit', NULL), (:shop, 'daily', 'counter', 0, 'debt', 'day');
INSERT INTO loyalty.tier (program_id, code, rank, valid_months) VALUES (:shop, 'base', 0, NULL), (:shop, 'silver', 1, 12), (:shop, 'gold', 2, 12);
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, window_kind, months)
SELECT :shop, t.tier_id, u.unit_id, h.threshold, 'rolling', 12
FROM (VALUES ('silver', 100), ('gold', 1000)) h (code, threshold)
JOIN loyalty.tier t ON t.program_id = :shop AND t.code = h.code
JOIN loyalty.unit u ON u.program_id = :shop AND u.code = 'spend';
SELECT FROM pg_temp.rule('{"event": "signup", "award": 77}');

-- import_member()
SELECT is(pg_temp.signature('import_member'),
	'(program text, identities jsonb, profile jsonb DEFAULT ''{}''::jsonb, state jsonb DEFAULT ''{}''::jsonb, '
	'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text) -> loyalty.receipt',
	'import_member(): arguments');
SELECT '{"tier": "gold", "tier_since": "2025-09-01", "purchases": 12, "first_purchase_at": "2021-05-01 10:00+00", "last_purchase_at": "2026-02-01",
	"lots": [{"unit": "points", "amount": 100, "expires_on": "2026-06-30"}, {"unit": "points", "amount": 40, "expires_on": "2026-12-31", "vests_on": "2026-04-01", "origin": "b"},
		{"unit": "spend", "amount": 1200.50, "vests_on": "2025-11-17"}, {"unit": "spend", "amount": 10, "vests_on": "2026-02-28"},
		{"unit": "wallet", "amount": 25.75}, {"unit": "points", "amount": 0}]}' AS state \gset
SELECT * FROM loyalty.import_member('shop', '{"customer_no": "ann", "phone": "+44 20 1234 5678"}', '{"birthday": "1990-01-02"}', :'state', '2020-01-01', mode => 'dry') \gset dry_
SELECT is(:'dry_status'::text, 'dry', 'foreseen');
SELECT is(pg_temp.id('ann'), NULL, 'and nothing was written');
SELECT * FROM loyalty.import_member('shop', '{"customer_no": "ann", "phone": "+44 20 1234 5678"}', '{"birthday": "1990-01-02"}', :'state', '2020-01-01') \gset
SELECT is(:'status'::text, 'done', 'taken over');
SELECT is(pg_temp.journal('ann'), 'import', 'silently: no event, no rule');
SELECT is(pg_temp.balance('ann'), '100 available, 40 pending', 'points');
SELECT is(pg_temp.lots('ann'), '100 e until 2026-06-30, 40 b from 2026-04-01 until 2026-12-31', 'lot by lot');
SELECT is(pg_temp.lots('ann', 'spend'), '1200.5 e from 2025-11-01, 10 e from 2026-02-01', 'metrics by month');
SELECT is(pg_temp.lots('ann', 'wallet'), '25.75 p', 'money is principal');
SELECT is(pg_temp.tier('ann'), 'gold until 2026-08-31', 'the tier');
SELECT results_eq($$SELECT tier_since, purchases, first_purchase_at, last_purchase_at FROM loyalty.account WHERE member_id = pg_temp.id('ann')$$,
	$$VALUES ('2025-09-01'::date, 12, '2021-05-01 10:00+00'::timestamptz, '2026-02-01 00:00+00'::timestamptz)$$, 'since when, how often and when');
SELECT results_eq($$SELECT joined_at, profile FROM loyalty.member WHERE member_id = pg_temp.id('ann')$$,
	$$VALUES ('2020-01-01 00:00+00'::timestamptz, '{"birthday": "1990-01-02"}'::jsonb)$$, 'the person');
SELECT is(loyalty.find('shop', 'phone', '+442012345678'), pg_temp.id('ann'), 'found by every identity');
SELECT is((SELECT replayed FROM loyalty.import_member('shop', '{"customer_no": "ann", "phone": "+44 20 1234 5678"}', '{"birthday": "1990-01-02"}', :'state', '2020-01-01')), true, 'twice: the first receipt');
SELECT is((SELECT reason FROM loyalty.import_member('shop', '{"customer_no": "ann"}', mode => 'try')), 'idempotency_key_reused', 'with something else: refused');
SELECT is((SELECT status FROM loyalty.import_member('shop', '{"customer_no": "ann"}', state => '{"lots": [{"unit": "points", "amount": 5}], "purchases": 1}', key => 'second system')), 'done',
	'from another system');
SELECT is(pg_temp.tier('ann'), 'gold until 2026-08-31', 'which knows no tier');
SELECT is(pg_temp.balance('ann'), '105 available, 40 pending', 'more points');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');

-- Life goes on.
SELECT is(pg_temp.step(loyalty.purchase(pg_temp.id('ann'), 10, 'o1')), 'gold -> gold', 'the tier stays');
SELECT is((SELECT purchases FROM loyalty.account WHERE member_id = pg_temp.id('ann')), 14, 'the fourteenth purchase');
SET loyalty.now = '2026-09-01 12:00+01';
SELECT is(pg_temp.tier('ann'), 'gold until 2027-08-31', 'reviewed by what was taken over');
SELECT is(pg_temp.balance('ann'), '55 available', 'vested and lapsed by what was taken over');
SET loyalty.now = '2026-03-15 12:00+00';

-- What is owed; what has lapsed; a tier that has ended
SELECT FROM loyalty.import_member('shop', '{"customer_no": "bob"}', state => '{"lots": [{"unit": "points", "amount": 30, "expires_on": "2026-12-31"}, {"unit": "points", "amount": -100}]}');
SELECT is(pg_temp.balance('bob'), '70 debt', 'what is owed is repaid first');
SELECT is(pg_temp.tier('bob'), 'base', 'without a tier: the base tier');
SELECT FROM loyalty.import_member('shop', '{"customer_no": "cid"}', state => '{"tier": "silver", "tier_since": "2024-01-01", "tier_until": "2025-12-31", "lots": [{"unit": "points", "amount": 30, "expires_on": "2026-03-14"}]}');
SELECT is(pg_temp.balance('cid'), 'nothing', 'what has lapsed lapses');
SELECT is(pg_temp.tier('cid'), 'base', 'and the tier is reviewed');
-- enrolled before
CALL pg_temp.enroll('shop', 'dan');
SELECT FROM loyalty.import_member('shop', '{"customer_no": "dan", "email": "dan@example.com"}', state => '{"tier": "silver", "lots": [{"unit": "points", "amount": 3}]}');
SELECT is(pg_temp.balance('dan'), '80 available', 'a member who is there already');
SELECT is(pg_temp.tier('dan'), 'silver until 2027-03-14', 'from today, as long as the tier is valid');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');

-- A batch in which a review falls due: a late event of the day of the review is
-- judged by the tier after it, also where the histories were looked up before.
UPDATE loyalty.tier SET multiplier = 2 WHERE code = 'gold';
SET loyalty.now = '2026-03-09 12:00+00';
SELECT FROM loyalty.import_member('shop', '{"customer_no": "fay"}', state => '{"tier": "gold", "tier_since": "2025-03-11", "tier_until": "2026-03-10"}');
SET loyalty.now = '2026-03-15 12:00+00';
SELECT results_eq(format($$SELECT done, rejected FROM loyalty.ingest_batch('shop', ARRAY[
	ROW('1', %s, NULL, NULL, 1, 'early', NULL, NULL, '2025-08-01', NULL, NULL),
	ROW('2', %2$s, NULL, NULL, 10, 'f1', NULL, NULL, '2026-03-14', NULL, NULL),
	ROW('3', %2$s, NULL, NULL, 10, 'f2', NULL, NULL, '2026-03-11 15:00', NULL, NULL),
	ROW('4', %2$s, NULL, NULL, 10, 'f3', NULL, NULL, '2026-03-10 15:00', NULL, NULL)]::loyalty.ingest_row[], 'test')$$,
	pg_temp.id('ann'), pg_temp.id('fay')), 'VALUES (4::bigint, 0::bigint)', 'events around a review');
SELECT results_eq($$SELECT j.ref, e.amount FROM loyalty.journal j JOIN loyalty.entry e USING (member_id, journal_id) JOIN loyalty.unit u ON u.unit_id = e.unit_id
	WHERE j.member_id = pg_temp.id('fay') AND u.code = 'points' AND j.ref ~ '^f' ORDER BY 1$$,
	$$VALUES ('f1', 10::bigint), ('f2', 10), ('f3', 20)$$, 'each by the tier of its day');

-- What is refused
CREATE FUNCTION pg_temp.refused(state jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', reason, messages -> 0 ->> 'detail') FROM loyalty.import_member('shop', '{"customer_no": "zoe"}', state => state, mode => 'try')
$$;
SELECT pg_temp.state() AS before \gset
SELECT is(pg_temp.refused(state::jsonb), reason, state) FROM (VALUES
	('[]', 'data_invalid state must be a json object'),
	('{"points": 5}', 'data_invalid field points is not known'),
	('{"lots": {}}', 'data_invalid lots must be a json array'),
	('{"lots": [1]}', 'data_invalid a lot must be a json object'),
	('{"lots": [{"unit": "points", "amount": 1, "expiry": "2027-01-01"}]}', 'data_invalid field expiry is not known'),
	('{"lots": [{"unit": "miles", "amount": 1}]}', 'unknown_unit unit=miles'),
	('{"lots": [{"amount": 1}]}', 'unknown_unit unit='),
	('{"lots": [{"unit": "daily", "amount": 1}]}', 'unit_mismatch unit=daily is a counter'),
	('{"lots": [{"unit": "points", "amount": 1.5}]}', 'amount_scale unit=points decimals=0'),
	('{"lots": [{"unit": "points", "amount": "1"}]}', 'data_invalid amount of a lot must be a number'),
	('{"lots": [{"unit": "points", "amount": 1e20}]}', 'amount_too_large unit=points decimals=0'),
	('{"lots": [{"unit": "wallet", "amount": -1}]}', 'amount_not_positive unit=wallet knows no debt'),
	('{"lots": [{"unit": "points", "amount": 1, "origin": "d"}]}', 'data_invalid origin must be e, b, a, t or p'),
	('{"lots": [{"unit": "points", "amount": 1, "expires_on": "infinity"}]}', 'time_not_finite expires_on=infinity'),
	('{"lots": [{"unit": "points", "amount": 1, "expires_on": "2026-05-01", "vests_on": "2026-05-02"}]}', 'period_inverted expires_on lies before vests_on'),
	('{"lots": [{"unit": "spend", "amount": -1, "vests_on": "2026-01-01"}]}', 'amount_not_positive unit=spend is a metric'),
	('{"lots": [{"unit": "spend", "amount": 1}]}', 'unit_mismatch unit=spend is a metric: vests_on is a day of its month, expires_on is not given'),
	('{"tier": "lead"}', 'unknown_tier tier=lead'),
	('{"tier": "gold", "tier_since": "2026-03-16"}', 'time_in_future tier_since'),
	('{"tier": "gold", "tier_since": "2026-03-10", "tier_until": "2026-03-09"}', 'period_inverted tier_until lies before tier_since'),
	('{"purchases": -1}', 'data_invalid purchases must be a number of purchases'),
	('{"purchases": 2147483647}', 'data_invalid purchases must be a number of purchases'),
	('{"first_purchase_at": "2026-03-02", "last_purchase_at": "2026-03-01"}', 'period_inverted first_purchase_at lies after last_purchase_at'),
	('{"last_purchase_at": "2026-03-16"}', 'time_in_future last_purchase_at=2026-03-16')) v (state, reason);
SELECT is(pg_temp.state(), :'before', 'and nothing was written');

-- import_members(), from two tables
CREATE TABLE pg_temp.old_member (number int, identities jsonb, joined_at date, tier text, tier_since date, bought int, last_purchase_at timestamptz);
CREATE TABLE pg_temp.old_lot (number int, unit text, amount numeric, expires_on date, vests_on date);
INSERT INTO pg_temp.old_member
SELECT n, jsonb_build_object('card', 'c' || n), date '2020-01-01' + n, CASE WHEN n % 3 = 0 THEN 'silver' WHEN n = 50 THEN 'lead' END, '2025-10-01', n % 10, '2026-01-01'
FROM generate_series(1, 60) n;
UPDATE pg_temp.old_member SET identities = NULL WHERE number = 51;
UPDATE pg_temp.old_member SET joined_at = '2030-01-01' WHERE number = 52;
INSERT INTO pg_temp.old_lot SELECT n, 'points', n * 10 + m, date '2026-12-31' + 31 * m, NULL FROM generate_series(1, 60) n, generate_series(0, 2) m;
INSERT INTO pg_temp.old_lot SELECT n, 'spend', n + 0.25, NULL, date '2026-03-01' - 31 * m FROM generate_series(1, 60) n, generate_series(0, 5) m;
CALL loyalty.import_members('shop', 'old_member', 'old_lot', batch => 25, columns => '{"purchases": "bought"}');
SELECT results_eq($$SELECT regexp_replace(source, '^.*\.', ''), status, done, replayed, rejected FROM loyalty.ingest_progress ORDER BY run_id DESC LIMIT 1$$,
	$$VALUES ('old_member', 'done', 57::bigint, 0::bigint, 3::bigint)$$, 'import_members: all but three');
SELECT results_eq('SELECT ref, reason FROM loyalty.ingest_reject ORDER BY reject_id', $$VALUES ('50', 'unknown_tier'), ('51', 'member_required'), ('52', 'time_in_future')$$, 'rejected by number');
DELETE FROM pg_temp.old_member WHERE number IN (50, 51, 52);
SELECT results_eq($$SELECT i.value, t.unit, sum(t.amount) FROM loyalty.identity i, LATERAL (
		SELECT u.code AS unit, e.amount / 10.0 ^ u.scale AS amount FROM loyalty.entry e JOIN loyalty.unit u USING (unit_id) WHERE e.member_id = i.member_id) t
		WHERE i.kind = 'card' GROUP BY 1, 2 ORDER BY 1, 2$$,
	$$SELECT 'C' || number, unit, sum(amount) FROM pg_temp.old_lot JOIN pg_temp.old_member USING (number) GROUP BY 1, 2 ORDER BY 1, 2$$, 'with all their lots');
SELECT results_eq($$SELECT t.unit, t.amount - coalesce(b.before, 0), t.members - coalesce(b.members, 0) FROM loyalty.import_total('shop') t
		LEFT JOIN (VALUES ('points', 100 + 40 + 5 - 70 + 30 + 3, 4), ('spend', 1210.5, 1)) b (unit, before, members) ON b.unit = t.unit WHERE t.unit IN ('points', 'spend')$$,
	$$SELECT unit, sum(amount), count(DISTINCT number) FROM pg_temp.old_lot JOIN pg_temp.old_member USING (number) GROUP BY 1 ORDER BY 1$$, 'import_total: agrees with the other system');
SELECT results_eq($$SELECT members - 6, amount - 13 FROM loyalty.import_total('shop') WHERE unit IS NULL$$,
	'SELECT count(*), sum(bought)::numeric FROM pg_temp.old_member', 'import_total: members and purchases');
CALL loyalty.import_members('shop', 'old_member', 'old_lot', columns => '{"purchases": "bought"}');
SELECT results_eq('SELECT done, replayed, rejected FROM loyalty.ingest_progress ORDER BY run_id DESC LIMIT 1', 'VALUES (0::bigint, 57::bigint, 0::bigint)', 'import_members: again');
SELECT throws_ok($$CALL loyalty.import_members('shop', 'old_member', 'old_member')$$, 'LY810', NULL, 'import_members: lots need unit and amount');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
