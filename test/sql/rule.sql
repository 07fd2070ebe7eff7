\set ECHO none
\i test/prelude.sql
SELECT plan(50);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES
	(:shop, 'points', 'points', 0),
	(:shop, 'tenths', 'points', 1),
	(:shop, 'cash', 'money', 2),
	(:shop, 'stars', 'points', 0);

-- A rule for a unit of the programme: event, unit, kind, award, per, proportional
PREPARE rule(text, text, text, numeric, numeric, boolean) AS
	INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, per, proportional)
	SELECT program_id, $1, unit_id, $3, $4, $5, $6 FROM loyalty.unit WHERE code = $2;

-- What a rule may be
SELECT lives_ok($$EXECUTE rule('review', 'stars', 'fixed', 3, NULL, false)$$, 'a fixed award');
SELECT lives_ok($$EXECUTE rule('purchase', 'points', 'per_amount', 5, 10, false)$$, 'an award per amount');
SELECT lives_ok($$EXECUTE rule('purchase', 'tenths', 'per_amount', 0.5, 3, true)$$, 'a proportional award');
SELECT lives_ok($$EXECUTE rule('purchase', 'cash', 'per_amount', 0.03, 1, true)$$, 'an award of money: 3 per cent back');
SELECT throws_ok($$EXECUTE rule('purchase', 'points', 'fixed', 0, NULL, false)$$, '23514', NULL, 'an award of nothing');
SELECT throws_ok($$EXECUTE rule('purchase', 'points', 'fixed', -1, NULL, false)$$, '23514', NULL, 'a negative award');
SELECT throws_ok($$EXECUTE rule('purchase', 'points', 'fixed', 1000000000000, NULL, false)$$, '23514', NULL, 'an award of 10^12');
SELECT throws_ok($$EXECUTE rule('purchase', 'points', 'per_amount', 1, 0, false)$$, '23514', NULL, 'an award per nothing');
SELECT throws_ok($$EXECUTE rule('purchase', 'points', 'per_amount', 1, -1, false)$$, '23514', NULL, 'an award per negative amount');
SELECT throws_ok($$EXECUTE rule('purchase', 'points', 'per_amount', 1, NULL, false)$$, '23514', NULL, 'per_amount without per');
SELECT throws_ok($$EXECUTE rule('purchase', 'points', 'fixed', 1, 1, false)$$, '23514', NULL, 'fixed with per');
SELECT throws_ok($$EXECUTE rule('purchase', 'points', 'fixed', 1, NULL, true)$$, '23514', NULL, 'fixed and proportional');
SELECT throws_ok($$EXECUTE rule('purchase', 'points', 'script', 1, NULL, false)$$, '23514', NULL, 'an unknown kind');
SELECT throws_ok($$EXECUTE rule('dance', 'points', 'fixed', 1, NULL, false)$$, '23503', NULL, 'an event that the programme does not know');
SELECT throws_ok($$EXECUTE rule('purchase', 'points', 'fixed', 0.5, NULL, false)$$, 'LY801', NULL, 'half a point');
SELECT throws_ok($$EXECUTE rule('purchase', 'cash', 'fixed', 0.001, NULL, false)$$, 'LY801', NULL, 'a tenth of a penny');
SELECT throws_ok($$EXECUTE rule('purchase', 'points', 'per_amount', 1, 0.001, false)$$, 'LY801', NULL, 'per a tenth of a penny');
SELECT throws_ok($$EXECUTE rule('purchase', 'points', 'fixed', 'NaN', NULL, false)$$, 'LY801', NULL, 'an award of NaN');
SELECT throws_ok($$EXECUTE rule('purchase', 'points', 'fixed', 'Infinity', NULL, false)$$, 'LY801', NULL, 'an award without end');
SELECT throws_ok($$UPDATE loyalty.rule SET award = 0.5 WHERE event = 'review'$$, 'LY801', NULL, 'a change to half a star');
SELECT throws_ok($$UPDATE loyalty.rule SET status = 'paused'$$, '23514', NULL, 'an unknown status');
SELECT throws_ok($$UPDATE loyalty.rule SET valid_from = '2026-02-01', valid_until = '2026-01-01'$$, '23514', NULL, 'valid until before from');
SELECT throws_ok($$UPDATE loyalty.rule SET valid_until = 'infinity'$$, '23514', NULL, 'valid for ever is NULL');

-- More rules: two for one unit and event, one that is off, two that begin and end
EXECUTE rule('share', 'stars', 'fixed', 2, NULL, false);
EXECUTE rule('share', 'stars', 'per_amount', 1, 100, false);
EXECUTE rule('check_in', 'stars', 'fixed', 7, NULL, false);
UPDATE loyalty.rule SET status = 'inactive' WHERE event = 'check_in';
EXECUTE rule('referral', 'stars', 'fixed', 10, NULL, false);
EXECUTE rule('referral', 'points', 'fixed', 1, NULL, false);
UPDATE loyalty.rule r SET valid_from = '2026-03-10 00:00+00'
FROM loyalty.unit u WHERE u.unit_id = r.unit_id AND r.event = 'referral' AND u.code = 'stars';
UPDATE loyalty.rule r SET valid_until = '2026-03-10 00:00+00'
FROM loyalty.unit u WHERE u.unit_id = r.unit_id AND r.event = 'referral' AND u.code = 'points';

CALL pg_temp.enroll('Shop', 'ann');
SELECT is(pg_temp.balance('ann', 'stars'), 'nothing', 'no rule for signup, no award');

-- points: 5 for each whole 10; tenths: 0.5 x amount / 3, down to 0.1; cash: 3 %, down to 0.01
CREATE TEMP TABLE award (amount numeric, points numeric, tenths numeric, cash numeric);
INSERT INTO award VALUES
	(0,       0,   0,    0),
	(0.33,    0,   0,    0),      -- 0.055; 0.0099
	(0.34,    0,   0,    0.01),   -- 0.0567; 0.0102
	(0.60,    0,   0.1,  0.01),   -- 0.1; 0.018
	(9.99,    0,   1.6,  0.29),   -- 1.665; 0.2997
	(10,      5,   1.6,  0.30),   -- 1.667
	(19.99,   5,   3.3,  0.59),   -- 3.3317; 0.5997
	(20,     10,   3.3,  0.60),   -- 3.333
	(99.99,  45,  16.6,  2.99),   -- 16.665; 2.9997
	(129.90, 60,  21.6,  3.89),   -- 21.65; 3.897
	(90071992547.40, 45035996270, 15011998757.9, 2702159776.42);
	-- 9007199254 x 5; 0.5 x 90071992547.40 / 3 = 15011998757.9; 0.03 x = 2702159776.422
SELECT is(
	(SELECT jsonb_object_agg(unit, trim_scale(p.amount))
	 FROM loyalty.purchase(pg_temp.id('ann'), a.amount, 'o-' || a.amount) r, unnest(r.postings) p),
	(SELECT jsonb_object_agg(unit, trim_scale(n)) FROM (VALUES ('points', points), ('tenths', tenths), ('cash', cash)) v(unit, n) WHERE n > 0),
	format('rule 13: a purchase of %s', amount))
FROM award a;

-- Two rules add up, each with its own line
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'share', 250, 's1') r), '4 stars',
	'rule 13: two rules add up: 2 + 1 x 2');
SELECT is((SELECT count(DISTINCT e.rule_id) FROM loyalty.entry e JOIN loyalty.journal j USING (member_id, journal_id)
	WHERE j.ref = 's1'), 2::bigint, 'each entry names its rule');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'share') r), '2 stars',
	'without an amount nothing is awarded per amount');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'check_in') r), 'nothing', 'an inactive rule awards nothing');

-- Validity is judged at the time of the event
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'referral') r), '10 stars', 'today''s rules');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'referral', at => '2026-03-01 12:00+00') r),
	'1 points', 'rule 10: rules are those of the time of the event');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'referral', at => '2026-03-10 00:00+00') r),
	'10 stars', 'rule 10: valid_from is the first moment, valid_until the first no more');

-- A rule was saved with decimals that its unit or its currency has lost since, before either was used: the programme does
-- not work until one of them is changed, and says so; no other programme minds
SELECT loyalty.program_create('Yen', 'JPY', 'Asia/Tokyo', 'empty') AS yen \gset
UPDATE loyalty.program SET currency_scale = 2 WHERE program_id = :yen;
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:yen, 'yen_points', 'points', 1);
PREPARE yen(text, numeric, numeric) AS
	INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, per)
	SELECT program_id, $1, unit_id, CASE WHEN $3 IS NULL THEN 'fixed' ELSE 'per_amount' END, $2, $3 FROM loyalty.unit WHERE code = 'yen_points';
EXECUTE yen('purchase', 1, 0.50);
UPDATE loyalty.program SET currency_scale = 0 WHERE program_id = :yen;
SELECT throws_ok($$SELECT * FROM loyalty.sale('Yen', '{"customer_no":"yui"}', 10, 'o1')$$, 'LY801', NULL, 'per 0.50 of a currency without decimals: sale');
SELECT throws_ok($$SELECT * FROM loyalty.sale('Yen', '{"customer_no":"yui"}', 10, 'o1')$$, 'LY801', NULL, 'and again');
SELECT throws_ok($$SELECT * FROM loyalty.enroll('Yen', '{"customer_no":"yui"}')$$, 'LY801', NULL, 'per 0.50 of a currency without decimals: enroll');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'review') r), '3 stars', 'other programmes work');
UPDATE loyalty.rule SET per = 5 WHERE program_id = :yen;
EXECUTE yen('review', 0.5, NULL);
UPDATE loyalty.unit SET scale = 0 WHERE program_id = :yen;
SELECT throws_ok($$SELECT * FROM loyalty.sale('Yen', '{"customer_no":"yui"}', 10, 'o1')$$, 'LY801', NULL, 'half a point of a unit without decimals');
SELECT is(pg_temp.id('yui'), NULL, 'nobody has joined');
UPDATE loyalty.rule SET award = 1 WHERE program_id = :yen AND event = 'review';
-- 1 for each whole 5 of 12
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.sale('Yen', '{"customer_no":"yui"}', 12, 'o1') r), '2 yen_points', 'mended: it works');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
