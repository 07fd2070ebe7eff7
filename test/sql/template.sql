\set ECHO none
\i test/prelude.sql
SELECT plan(38);

SELECT is(pg_temp.signature('program_create'),
	'(name text, currency text, time_zone text, template text DEFAULT ''basic''::text, vest_days integer DEFAULT 0) -> integer',
	'program_create(): arguments');

-- basic
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
SELECT is((SELECT program_id FROM loyalty.program WHERE name = 'Shop'), :shop,
	'the id of the programme comes back');
SELECT results_eq(
	$$SELECT currency, currency_scale::int, time_zone, status, ref_scope, closed_until
	  FROM loyalty.program WHERE name = 'Shop'$$,
	$$VALUES ('GBP', 2, 'Europe/London', 'active', 'member', NULL::timestamptz)$$,
	'basic: the programme');
SELECT set_eq(
	$$SELECT event FROM loyalty.program_event JOIN loyalty.program USING (program_id) WHERE name = 'Shop'$$,
	'{purchase,signup,check_in,share,review,profile_complete,referral}'::text[],
	'basic: the events');
SELECT results_eq(
	$$SELECT code, kind, scale::int, vest_days, expiry, expiry_count, window_months, refund, debt_policy, return_policy
	  FROM loyalty.unit JOIN loyalty.program USING (program_id) WHERE name = 'Shop' ORDER BY unit_id$$,
	$$VALUES ('points', 'points', 0, 0, 'end_of_month', 12, NULL::int, 'proportional', 'debt', 'expire'),
	         ('spend', 'metric', 2, 0, 'never', NULL, 12, 'proportional', 'debt', 'expire'),
	         ('orders', 'metric', 0, 0, 'never', NULL, 12, 'whole', 'debt', 'expire')$$,
	'basic: the units');
SELECT results_eq(
	$$SELECT u.code, r.event, r.kind, r.award, r.per, r.proportional, r.status
	  FROM loyalty.rule r JOIN loyalty.unit u USING (unit_id)
	  JOIN loyalty.program p ON p.program_id = r.program_id WHERE p.name = 'Shop' ORDER BY r.rule_id$$,
	$$VALUES ('points', 'purchase', 'per_amount', 1::numeric, 1::numeric, false, 'active'),
	         ('spend', 'purchase', 'per_amount', 1, 1, true, 'active'),
	         ('orders', 'purchase', 'fixed', 1, NULL, false, 'active')$$,
	'basic: the rules');
-- 100 points = 1.00 GBP = 100 pence
SELECT results_eq(
	$$SELECT u.code, a.units, a.money FROM loyalty.unit_anchor a JOIN loyalty.unit u USING (unit_id)
	  JOIN loyalty.program p ON p.program_id = a.program_id WHERE p.name = 'Shop'$$,
	$$VALUES ('points', 100::bigint, 100::bigint)$$, 'basic: 100 points are worth 1 GBP');

-- It works as it stands
CALL pg_temp.enroll('Shop', 'ann');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('ann'), 129.90, 'o1') r),
	'1 orders, 129 points, 129.9 spend', 'basic: 1 point per pound, rounded down; spend and orders count');
SELECT is(pg_temp.lots('ann'), '129 e until 2027-03-31',
	'basic: earned on 15 March 2026, good until 31 March 2027');
SELECT is(pg_temp.lots('ann', 'spend'), '129.9 e from 2026-03-01', 'rule 11: spend is kept by month');

-- vest_days
SELECT lives_ok($$SELECT loyalty.program_create('Later', 'CNY', 'Asia/Shanghai', vest_days => 14)$$,
	'vest_days without a template');
SELECT results_eq(
	$$SELECT code, vest_days FROM loyalty.unit JOIN loyalty.program USING (program_id)
	  WHERE name = 'Later' ORDER BY unit_id$$,
	$$VALUES ('points', 14), ('spend', 0), ('orders', 0)$$, 'only points wait to vest');

-- Currencies without decimals, and with three. 100 points = 1 JPY = 1; = 1 KWD = 1000 fils.
SELECT loyalty.program_create('Yen', 'JPY', 'Asia/Tokyo') IS NOT NULL AS made \gset
SELECT loyalty.program_create('Dinar', 'KWD', 'Asia/Kuwait') IS NOT NULL AS made \gset
SELECT results_eq(
	$$SELECT p.name, p.currency_scale::int, s.scale::int, a.units, a.money
	  FROM loyalty.program p JOIN loyalty.unit s ON s.program_id = p.program_id AND s.code = 'spend'
	  JOIN loyalty.unit_anchor a ON a.program_id = p.program_id
	  WHERE p.name IN ('Yen', 'Dinar') ORDER BY p.name$$,
	$$VALUES ('Dinar', 3, 3, 100::bigint, 1000::bigint), ('Yen', 0, 0, 100, 1)$$,
	'decimals follow the currency');
CALL pg_temp.enroll('Yen', 'yuki');
CALL pg_temp.enroll('Dinar', 'dana');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('yuki'), 1299, 'o1') r),
	'1 orders, 1299 points, 1299 spend', 'a yen earns a point');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('dana'), 12.999, 'o1') r),
	'1 orders, 12 points, 12.999 spend', 'fils count in the spend, not in the points');

-- empty
SELECT lives_ok($$SELECT loyalty.program_create('Bare', 'EUR', 'Europe/Berlin', 'empty')$$, 'the empty template');
SELECT is((SELECT count(*) FROM loyalty.program_event JOIN loyalty.program USING (program_id) WHERE name = 'Bare'),
	7::bigint, 'empty: the same events');
SELECT is_empty($$SELECT code FROM loyalty.unit JOIN loyalty.program USING (program_id) WHERE name = 'Bare'$$,
	'empty: no units');
CALL pg_temp.enroll('Bare', 'bea');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('bea'), 10, 'o1') r), 'nothing',
	'empty: a purchase is kept though it earns nothing');
SELECT is(pg_temp.journal('bea'), 'event signup, event purchase o1', 'empty: and stands in the journal');

-- The trades, each in a currency with other decimals; test/sql/template_<trade>.sql tells their stories.
SELECT results_eq('SELECT name FROM loyalty.program_templates()', $$VALUES ('basic'), ('retail'), ('catering'), ('knowledge'), ('b2b'), ('empty')$$,
	'the templates');
SELECT is((SELECT count(*) FROM loyalty.template_rows('casino')), 0::bigint, 'one that is not there has no rows');
SELECT lives_ok($$SELECT loyalty.program_create(t.name || ' ' || c.currency, c.currency, 'UTC', t.name)
	FROM loyalty.program_templates() t, unnest('{JPY,KWD,CLF}'::text[]) c (currency)$$, 'every template with no, three and four decimals');
SELECT set_eq($$SELECT p.name, count(a.*) FROM loyalty.program p LEFT JOIN loyalty.automation a ON a.program_id = p.program_id AND a.status = 'live'
	WHERE p.name ~ ' JPY$' GROUP BY 1$$,
	$$SELECT t.name || ' JPY', (SELECT count(*) FROM loyalty.template_rows(t.name) WHERE part = 'automation') FROM loyalty.program_templates() t$$,
	'all of their automations are live');

-- Programmes do not mix
CALL pg_temp.enroll('Later', 'lin');
SELECT FROM loyalty.purchase(pg_temp.id('lin'), 50, 'o1');
SELECT is(pg_temp.balance('lin'), '50 pending', 'Later: points are pending');
SELECT is(pg_temp.balance('ann'), '129 available', 'Shop: nothing changed');

-- Refused
SELECT throws_ok($$SELECT loyalty.program_create('Shop', 'EUR', 'Europe/Paris')$$, '23505', 'programme "Shop" exists already',
	'a name is used once');
SELECT throws_ok($$SELECT loyalty.program_create('X', 'EUR', 'Europe/Nowhere')$$, '22023', NULL, 'unknown time zone');
SELECT throws_ok($$SELECT loyalty.program_create('X', 'EUR', 'Europe/Paris', 'casino')$$, '22023', NULL, 'unknown template');
SELECT throws_ok($$SELECT loyalty.program_create(NULL, 'EUR', 'Europe/Paris')$$, '22004', NULL, 'no name');
SELECT throws_ok($$SELECT loyalty.program_create('X', NULL, 'Europe/Paris')$$, '22004', NULL, 'no currency');
SELECT throws_ok($$SELECT loyalty.program_create('X', 'EUR', NULL)$$, '22004', NULL, 'no time zone');
SELECT throws_ok($$SELECT loyalty.program_create('X', 'EUR', 'Europe/Paris', NULL)$$, '22004', NULL, 'no template');
SELECT throws_ok($$SELECT loyalty.program_create('X', 'EUR', 'Europe/Paris', vest_days => NULL)$$, '22004', NULL, 'no vest_days');
SELECT throws_ok($$SELECT loyalty.program_create('X', 'EUR', 'Europe/Paris', vest_days => -1)$$, '23514', NULL, 'vest_days below zero');
SELECT throws_ok($$SELECT loyalty.program_create('X', 'EUR', 'Europe/Paris', 'retail', 337)$$, '23514', NULL, 'points would lapse before they vest');
SELECT is_empty($$SELECT * FROM loyalty.program WHERE name = 'X'$$, 'a refused programme leaves nothing behind');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
