\set ECHO none
\i test/prelude.sql
SELECT plan(17);

-- Rule 10: what is recorded late is judged as it would have been in time
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale, expiry, expiry_count) VALUES
	(:shop, 'points', 'points', 0, 'months', 1), (:shop, 'spend', 'metric', 2, 'never', NULL);
INSERT INTO loyalty.tier (program_id, code, rank, multiplier, expiry, expiry_count) VALUES
	(:shop, 'basic', 0, 1, NULL, NULL), (:shop, 'gold', 1, 2, 'end_of_year', 1);
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, window_kind)
SELECT :shop, tier_id, unit_id, 100, 'lifetime' FROM loyalty.tier JOIN loyalty.unit u USING (program_id) WHERE tier.code = 'gold' AND u.code = 'spend';
INSERT INTO loyalty.program_event (program_id, event) SELECT :shop, unnest('{visit,spent}'::text[]);
SELECT FROM pg_temp.rule('{"event": "spent", "unit": "spend", "kind": "per_amount", "award": 1, "per": 1, "proportional": true}');

-- The tier of that time: gold from 1 February 2026, 12:00
SET loyalty.now = '2026-01-01 12:00+00';
CALL pg_temp.enroll('Shop', 'ann');
SET loyalty.now = '2026-02-01 12:00+00';
SELECT is((SELECT tier_before || ' ' || tier_after FROM loyalty.record(pg_temp.id('ann'), 'spent', 100)), 'basic gold', 'gold from 1 February');
SET loyalty.now = '2026-03-15 12:00+00';
SELECT FROM pg_temp.rule('{"name": "rate", "kind": "per_amount", "award": 1, "per": 1}');
SELECT FROM pg_temp.rule('{"name": "gold", "award": 5, "tiers": "{gold}"}');
SELECT FROM pg_temp.rule('{"name": "basic", "award": 7, "tiers": "{basic}"}');
SELECT FROM pg_temp.rule('{"name": "cond", "award": 1, "condition": "$.member.tier == \"basic\""}');
SELECT FROM (VALUES ('t1', '2026-02-01 11:59:59.999999+00'::timestamptz),
	('t2', '2026-02-01 12:00:00.000001+00'), ('t3', '2026-01-15 12:00+00'), ('t4', '2026-03-15 12:00+00')) v (ref, at), loyalty.purchase(pg_temp.id('ann'), 10, ref, at => at);
SELECT is(pg_temp.awards('ann', 't1'), 'rate 10, gold tier_mismatch, basic 7, cond 1', 'tier: a microsecond before the promotion');
SELECT is(pg_temp.awards('ann', 't2'), 'rate 20, gold 5, basic tier_mismatch, cond condition_not_met', 'tier: a microsecond after it');
SELECT is(pg_temp.awards('ann', 't3'), 'rate 10, gold tier_mismatch, basic 7, cond 1', 'tier: weeks before it');
SELECT is(pg_temp.awards('ann', 't4'), 'rate 20, gold 5, basic tier_mismatch, cond condition_not_met', 'tier: now');
-- Expiry of the tier of that time: t3 lapsed on 15 February and was swept, t1 on 1 March
SELECT is(pg_temp.lots('ann'), '50 e until 2027-12-31', 'expiry: of the tier of that time; what has lapsed is gone');
DELETE FROM loyalty.rule WHERE event = 'purchase';

-- Rules and campaigns of that time
INSERT INTO loyalty.campaign (program_id, name, status, starts_at, ends_at) VALUES
	(:shop, 'feb', 'live', '2026-02-01 00:00+00', '2026-03-01 00:00+00'), (:shop, 'draft', 'draft', NULL, NULL),
	(:shop, 'paused', 'paused', NULL, NULL), (:shop, 'ended', 'ended', '2026-02-01 00:00+00', '2026-03-01 00:00+00'), (:shop, 'open', 'live', NULL, NULL);
SELECT FROM loyalty.campaign c, pg_temp.rule(jsonb_build_object('event', 'visit', 'name', c.name, 'award', 1, 'campaign_id', c.campaign_id,
	'priority', CASE c.name WHEN 'feb' THEN 1 WHEN 'draft' THEN 2 WHEN 'paused' THEN 3 WHEN 'ended' THEN 4 ELSE 5 END));
SELECT FROM pg_temp.rule('{"event": "visit", "name": "old", "award": 2, "valid_until": "2026-02-15 00:00+00", "priority": 6}');
SELECT FROM pg_temp.rule('{"event": "visit", "name": "new", "award": 3, "valid_from": "2026-02-15 00:00+00", "priority": 7}');
SELECT FROM (VALUES
	('c1', '2026-01-31 23:59:59.999999+00'::timestamptz), ('c2', '2026-02-01 00:00+00'), ('c3', '2026-02-28 23:59:59.999999+00'), ('c4', '2026-03-01 00:00+00')) v (ref, at), loyalty.record(pg_temp.id('ann'), 'visit', ref => ref, at => at);
\set others 'draft campaign_not_running, paused campaign_not_running, ended campaign_not_running, open 1, '
SELECT is(pg_temp.awards('ann', 'c1'), 'feb not_started, ' || :'others' || 'old 2, new not_started', 'campaign: before it starts');
SELECT is(pg_temp.awards('ann', 'c2'), 'feb 1, ' || :'others' || 'old 2, new not_started', 'campaign: its first microsecond');
SELECT is(pg_temp.awards('ann', 'c3'), 'feb 1, ' || :'others' || 'old expired, new 3', 'campaign: its last microsecond');
SELECT is(pg_temp.awards('ann', 'c4'), 'feb expired, ' || :'others' || 'old expired, new 3', 'campaign: it has ended');
-- pausing it counts at once
UPDATE loyalty.campaign SET status = 'paused' WHERE name = 'feb';
SELECT FROM loyalty.record(pg_temp.id('ann'), 'visit', ref => 'c5', at => '2026-02-10 12:00+00');
SELECT is(pg_temp.awards('ann', 'c5'), 'feb campaign_not_running, ' || :'others' || 'old 2, new not_started', 'campaign: paused');
DELETE FROM loyalty.rule WHERE event = 'visit';

-- A late metric raises the month in which it was, and the tier now
CALL pg_temp.enroll('Shop', 'bob');
SELECT is((SELECT tier_before || ' ' || tier_after FROM loyalty.record(pg_temp.id('bob'), 'spent', 100, at => '2026-03-15 11:00+00')), 'basic gold', 'a late event promotes');
SELECT is((SELECT tier_since FROM loyalty.account WHERE member_id = pg_temp.id('bob')), '2026-03-15'::date, 'now, not in the past');

-- A limit of a period that is over is added up from the ledger, whatever has happened to the rule since
CALL pg_temp.enroll('Shop', 'cat');
SELECT FROM pg_temp.rule('{"event": "visit", "name": "cap", "award": 4}') r (id), loyalty.rule_limit(id, 'month', 10, counter => 'monthly');
SET loyalty.now = '2026-03-20 12:00+00';
SELECT FROM unnest('{m1,m2}'::text[]) ref, loyalty.record(pg_temp.id('cat'), 'visit', ref => ref, at => '2026-03-20 12:00+00');
SET loyalty.now = '2026-04-02 12:00+00';
SELECT FROM unnest('{m3}'::text[]) ref, loyalty.record(pg_temp.id('cat'), 'visit', ref => ref);
SELECT FROM unnest('{m4,m5}'::text[]) ref, loyalty.record(pg_temp.id('cat'), 'visit', ref => ref, at => '2026-03-31 22:59:59+00');
SELECT FROM unnest('{m6,m7}'::text[]) ref, loyalty.record(pg_temp.id('cat'), 'visit', ref => ref, at => '2026-03-31 23:00+00');
SELECT is(string_agg(pg_temp.awards('cat', ref), ', ' ORDER BY ref), 'cap 4, cap 4, cap 4, cap 2 of 4, cap limit_period, cap 4, cap 2 of 4',
	'limit: March 4 + 4 + 2, local April 4 + 4 + 2') FROM unnest('{m1,m2,m3,m4,m5,m6,m7}'::text[]) ref;

-- also where what was awarded has lapsed since, and was swept at once
SELECT FROM pg_temp.rule('{"event": "visit", "name": "short", "award": 4, "expiry": "days", "expiry_count": 1}') r (id), loyalty.rule_limit(id, 'month', 10, counter => 'short');
SELECT FROM unnest('{l1,l2,l3,l4}'::text[]) ref, loyalty.record(pg_temp.id('bob'), 'visit', ref => ref, at => '2026-02-10 12:00+00');
SELECT is(string_agg(substring(pg_temp.awards('bob', ref) from 'short.*'), ', ' ORDER BY ref), 'short 4, short 4, short 2 of 4, short limit_period',
	'limit: counts what has lapsed') FROM unnest('{l1,l2,l3,l4}'::text[]) ref;
-- what was refunded, too
DELETE FROM loyalty.rule_cap;
DELETE FROM loyalty.rule WHERE event = 'visit';
SELECT FROM pg_temp.rule('{"name": "once", "kind": "per_amount", "award": 1, "per": 1}') r (id), loyalty.rule_limit(id, 'month', 10, counter => 'once');
CALL pg_temp.enroll('Shop', 'dan');
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 8, 'f1', at => '2026-02-10 12:00+00');
SELECT FROM loyalty.refund(pg_temp.id('dan'), 'f1');
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 8, 'f2', at => '2026-02-10 12:00+00');
SELECT is(pg_temp.awards('dan', 'f1') || '; ' || pg_temp.awards('dan', 'f2'), 'once 8; once 2 of 8', 'limit: counts what was refunded');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
