\set ECHO none
\i test/prelude.sql
SELECT plan(78);

SELECT loyalty.program_create('Shop', 'EUR', 'Europe/Berlin', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES
	(:shop, 'points', 'points', 0), (:shop, 'cash', 'money', 2);
INSERT INTO loyalty.unit (program_id, code, kind, scale, period) VALUES (:shop, 'daily', 'counter', 0, 'day');
CALL pg_temp.enroll('Shop', 'ann', 'bob');

-- A purchase of an amount: what it awards, and why a rule gave nothing or less.
CREATE SEQUENCE pg_temp.no;
CREATE FUNCTION pg_temp.buy(amount numeric, at timestamptz DEFAULT NULL, mode text DEFAULT 'do', name text DEFAULT 'ann')
RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.moved(r)
	FROM loyalty.purchase(pg_temp.id(name), amount, 'order-' || nextval('pg_temp.no'), at => buy.at, mode => buy.mode) r
$$;
CREATE FUNCTION pg_temp.why() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(coalesce(a ->> 'reason', a ->> 'limit', 'all'), ', ' ORDER BY n)
	FROM pg_temp.award_record
	WHERE journal_id = (SELECT max(journal_id) FROM loyalty.journal WHERE kind = 'event')
$$;
-- '60 used, 40 left in 4': a budget as everybody sees it, and in its slots.
CREATE FUNCTION pg_temp.budget(campaign text, unit text DEFAULT 'points') RETURNS text
LANGUAGE sql AS $$
	SELECT format('%s used, %s left in %s', s.used, s.remaining, s.slots)
	FROM loyalty.budget_status s
	WHERE s.program = 'Shop' AND s.campaign IS NOT DISTINCT FROM $1 AND s.unit = $2
$$;
CREATE FUNCTION pg_temp.slots(campaign text) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(x.used || '/' || x.quota, ' ' ORDER BY x.slot)
	FROM loyalty.budget_status s JOIN loyalty.budget_slot x USING (budget_id)
	WHERE s.campaign IS NOT DISTINCT FROM $1
$$;

-- Campaigns: what may be written
SELECT lives_ok(format($$INSERT INTO loyalty.campaign (program_id, name, title) VALUES (%s, 'May', 'Points in May')$$, :shop), 'a campaign');
SELECT is((SELECT status FROM loyalty.campaign WHERE name = 'May'), 'draft', 'it begins as a draft');
SELECT throws_ok(format($$INSERT INTO loyalty.campaign (program_id, name) VALUES (%s, 'May')$$, :shop), '23505', NULL, 'a name is there once');
SELECT throws_ok(format($$INSERT INTO loyalty.campaign (program_id, name) VALUES (%s, '')$$, :shop), '23514', NULL, 'no name');
SELECT throws_ok($$INSERT INTO loyalty.campaign (program_id, name) VALUES (0, 'June')$$, '23503', NULL, 'no programme');
SELECT throws_ok($$UPDATE loyalty.campaign SET status = 'running'$$, '23514', NULL, 'no such status');
SELECT throws_ok($$UPDATE loyalty.campaign SET starts_at = '2026-06-01', ends_at = '2026-05-01'$$, '23514', NULL, 'over before it begins');
SELECT throws_ok($$UPDATE loyalty.campaign SET ends_at = 'infinity'$$, '23514', NULL, 'without end is NULL');

-- Status: only a live campaign awards
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, per, campaign_id)
	SELECT program_id, 'purchase', u.unit_id, 'per_amount', 1, 1, c.campaign_id
	FROM loyalty.unit u JOIN loyalty.campaign c USING (program_id) WHERE u.code = 'points';
SELECT is(pg_temp.buy(10) || ', ' || pg_temp.why(), 'nothing, campaign_not_running', 'a draft');
SELECT lives_ok($$SELECT loyalty.campaign_start('Shop', 'May')$$, 'start');
SELECT is(pg_temp.buy(10) || ', ' || pg_temp.why(), '10 points, all', 'live');
SELECT lives_ok($$SELECT loyalty.campaign_pause('Shop', 'May')$$, 'pause');
SELECT is(pg_temp.buy(10) || ', ' || pg_temp.why(), 'nothing, campaign_not_running', 'paused');
SELECT lives_ok($$SELECT loyalty.campaign_end('Shop', 'May')$$, 'end');
SELECT is(pg_temp.buy(10) || ', ' || pg_temp.why(), 'nothing, campaign_not_running', 'ended');
SELECT is((SELECT status FROM loyalty.campaign), 'ended', 'the row says so');
SELECT throws_ok($$SELECT loyalty.campaign_start('Shop', 'June')$$, 'LY407', 'campaign does not exist in this programme', 'a campaign that is not there');
SELECT throws_ok($$SELECT loyalty.campaign_start('Show', 'May')$$, 'LY403', 'programme does not exist', 'a programme that is not there');
SELECT throws_ok($$SELECT loyalty.campaign_start('Shop', NULL)$$, '22004', 'campaign must not be null', 'no name');
SELECT throws_ok($$DELETE FROM loyalty.campaign$$, '23503', NULL, 'a campaign that a rule belongs to');

-- Dates: from and until, judged at the time of the event
SELECT loyalty.campaign_start('Shop', 'May') \g /dev/null
UPDATE loyalty.campaign SET starts_at = '2026-03-01 00:00 Europe/Berlin', ends_at = '2026-03-10 00:00 Europe/Berlin';
SELECT is(pg_temp.buy(10, at::timestamptz) || ', ' || pg_temp.why(), result, what)
FROM (VALUES
	('2026-02-28 23:59:59.999999 Europe/Berlin', 'nothing, not_started', 'a moment too early'),
	('2026-03-01 00:00 Europe/Berlin', '10 points, all', 'the first moment'),
	('2026-03-09 23:59:59.999999 Europe/Berlin', '10 points, all', 'the last moment'),
	('2026-03-10 00:00 Europe/Berlin', 'nothing, expired', 'a moment too late')
) t (at, result, what);
UPDATE loyalty.campaign SET starts_at = NULL, ends_at = NULL;

-- Budgets: what may be asked for
SELECT is(pg_temp.signature('budget_set'),
	'(program text, unit text, amount numeric, campaign text DEFAULT NULL::text, slots integer DEFAULT 16) -> integer', 'budget_set');
SELECT is(pg_temp.raised(call), error, call)
FROM (VALUES
	($$SELECT loyalty.budget_set('Show', 'points', 100)$$, 'LY403 program=Show'),
	($$SELECT loyalty.budget_set('Shop', 'stars', 100)$$, 'LY105 unit=stars'),
	($$SELECT loyalty.budget_set('Shop', 'daily', 100)$$, 'LY106 unit=daily kind=counter'),
	($$SELECT loyalty.budget_set('Shop', 'points', 100, 'June')$$, 'LY407 campaign=June'),
	($$SELECT loyalty.budget_set('Shop', 'points', -1)$$, 'LY101 decimals=0'),
	($$SELECT loyalty.budget_set('Shop', 'points', 0.5)$$, 'LY103 decimals=0'),
	($$SELECT loyalty.budget_set('Shop', 'cash', 0.001)$$, 'LY103 decimals=2'),
	($$SELECT loyalty.budget_set('Shop', 'points', 'NaN')$$, 'LY104 decimals=0'),
	($$SELECT loyalty.budget_set('Shop', 'points', 1e17)$$, 'LY102 decimals=0'),
	($$SELECT loyalty.budget_set('Shop', 'points', 1e12)$$, '23514 Failing row contains'),
	($$SELECT loyalty.budget_set(NULL, 'points', 100)$$, '22004'),
	($$SELECT loyalty.budget_set('Shop', NULL, 100)$$, '22004'),
	($$SELECT loyalty.budget_set('Shop', 'points', NULL)$$, '22004'),
	($$SELECT loyalty.budget_set('Shop', 'points', 100, slots => NULL)$$, '22004'),
	($$SELECT loyalty.budget_set('Shop', 'points', 100, slots => 0)$$, '22023'),
	($$SELECT loyalty.budget_set('Shop', 'points', 100, slots => 1001)$$, '22023')
) t (call, error)
WHERE call !~ '1e12';
SELECT throws_ok($$SELECT loyalty.budget_set('Shop', 'points', 1e12)$$, '23514', NULL, 'a budget of 10^12');

-- Slots add up to the amount, as evenly as it goes
SELECT loyalty.budget_set('Shop', 'points', 103, 'May', 4) AS may \gset
SELECT is(pg_temp.slots('May'), '0/26 0/26 0/26 0/25', '103 in 4 slots');
SELECT is((SELECT amount FROM loyalty.budget WHERE budget_id = :may), 103::numeric, 'the amount');

-- Taking: from one slot, from several, what is left
SELECT is(pg_temp.buy(20) || ', ' || pg_temp.why(), '20 points, all', 'from one slot');
SELECT is(pg_temp.budget('May'), '20 used, 83 left in 4', 'it is used');
SELECT is(pg_temp.buy(60) || ', ' || pg_temp.why(), '60 points, all', 'from several slots');
SELECT is(pg_temp.budget('May'), '80 used, 23 left in 4', 'they are used');
SELECT is(pg_temp.buy(30, mode => 'dry'), '23 points', 'dry: what would be left');
SELECT is(pg_temp.budget('May'), '80 used, 23 left in 4', 'dry takes nothing');
UPDATE loyalty.rule SET on_excess = 'reject';
SELECT is(pg_temp.buy(24, mode => 'dry'), 'nothing', 'dry: more than is left, rejected');
SELECT is(pg_temp.buy(24) || ', ' || pg_temp.why(), 'nothing, limit_campaign', 'more than is left, rejected');
SELECT is(pg_temp.buy(13) || ', ' || pg_temp.why(), '13 points, all', 'less than is left');
SELECT is(pg_temp.budget('May'), '93 used, 10 left in 4', 'a rejected award takes nothing');
UPDATE loyalty.rule SET on_excess = 'truncate';
SELECT is(pg_temp.buy(24, name => 'bob') || ', ' || pg_temp.why(), '10 points, limit_campaign', 'more than is left, cut');
SELECT is(pg_temp.budget('May'), '103 used, 0 left in 4', 'exhausted to the point');
SELECT is(pg_temp.buy(1) || ', ' || pg_temp.why(), 'nothing, limit_campaign', 'nothing is left');
SELECT is((SELECT d.data #>> '{awards,0}' FROM loyalty.event_data d ORDER BY d.journal_id DESC OFFSET 1 LIMIT 1)::jsonb
	- 'rule' - 'version', '{"desired": 24, "granted": 10, "limit": "limit_campaign"}', 'desired and granted');

-- A refund gives nothing back
SELECT is(pg_temp.moved(loyalty.refund(pg_temp.id('bob'), ref)), '-10 points', 'a refund')
	FROM loyalty.journal WHERE member_id = pg_temp.id('bob') AND kind = 'event' AND event = 'purchase';
SELECT is(pg_temp.budget('May'), '103 used, 0 left in 4', 'the budget stays used');

-- Changing: more, less than is used, more slots, fewer slots
SELECT is(loyalty.budget_set('Shop', 'points', 113, 'May', 2), :may, 'the same budget');
SELECT is(pg_temp.budget('May'), '103 used, 10 left in 4', 'what is used stays used');
SELECT is((SELECT sum(quota) FROM loyalty.budget_slot WHERE budget_id = :may AND slot > 2 AND quota = used), 51::numeric,
	'slots that are not wanted any more give no more');
SELECT is(pg_temp.buy(4), '4 points', 'they are there at once');
SELECT loyalty.budget_set('Shop', 'points', 50, 'May', 4) \g /dev/null
SELECT is(pg_temp.budget('May'), '107 used, 0 left in 4', 'less than is used: nothing is left');
SELECT is(pg_temp.buy(4), 'nothing', 'and nothing is given');
SELECT loyalty.budget_set('Shop', 'points', 0, 'May') \g /dev/null
SELECT is(pg_temp.budget('May'), '107 used, 0 left in 16', 'a budget of nothing, and more slots');

-- The programme's budget counts beside it; what it does not give returns to the campaign's
SELECT loyalty.budget_set('Shop', 'points', 207, 'May', 1) \g /dev/null
SELECT loyalty.budget_set('Shop', 'points', 30, slots => 3) AS whole \gset
SELECT is(pg_temp.buy(25) || ', ' || pg_temp.why(), '25 points, all', 'both give');
SELECT is(pg_temp.budget('May') || '; ' || pg_temp.budget(NULL), '132 used, 75 left in 16; 25 used, 5 left in 3', 'both are used');
SELECT is(pg_temp.buy(25) || ', ' || pg_temp.why(), '5 points, budget_exhausted', 'the programme''s gives less');
SELECT is(pg_temp.budget('May') || '; ' || pg_temp.budget(NULL), '137 used, 70 left in 16; 30 used, 0 left in 3', 'no more is used of the other');
SELECT is(pg_temp.buy(25) || ', ' || pg_temp.why(), 'nothing, budget_exhausted', 'the programme''s gives nothing');
SELECT is(pg_temp.budget('May'), '137 used, 70 left in 16', 'nothing is used of the other');
-- two rules draw on one budget: the second gets what the first left
SELECT loyalty.budget_set('Shop', 'points', 47) \g /dev/null
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, on_excess, priority)
	SELECT program_id, 'purchase', unit_id, 'fixed', 10, 'reject', 200 FROM loyalty.unit WHERE code = 'points';
SELECT is(pg_temp.buy(8) || ', ' || pg_temp.why(), '8 points, all, budget_exhausted', '8, and 10 of 9 that are left');
SELECT is(pg_temp.budget('May') || '; ' || pg_temp.budget(NULL), '145 used, 62 left in 16; 38 used, 9 left in 16', 'the 9 are still there');
-- a budget is of one unit
SELECT loyalty.budget_set('Shop', 'cash', 0.50) \g /dev/null
UPDATE loyalty.rule SET unit_id = (SELECT unit_id FROM loyalty.unit WHERE code = 'cash'), award = 0.20 WHERE kind = 'fixed';
SELECT is(pg_temp.buy(1) || '; ' || pg_temp.buy(1) || '; ' || pg_temp.buy(1) || ', ' || pg_temp.why(),
	'0.2 cash, 1 points; 0.2 cash, 1 points; 1 points, all, budget_exhausted', 'another unit, another budget');
SELECT is(pg_temp.budget(NULL, 'cash'), '0.40 used, 0.10 left in 16', 'in the unit''s own terms');

-- What is rolled back is there again
SELECT pg_temp.budget('May') AS before \gset
SAVEPOINT before;
SELECT pg_temp.buy(3) \g /dev/null
ROLLBACK TO before;
SELECT is(pg_temp.budget('May'), :'before', 'a purchase that is rolled back');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
