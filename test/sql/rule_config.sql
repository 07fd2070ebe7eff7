\set ECHO none
\i test/prelude.sql
SELECT plan(137);

SELECT loyalty.program_create('Other', 'GBP', 'Europe/London') AS other \gset
INSERT INTO loyalty.program_event (program_id, event) VALUES (:other, 'foreign');
INSERT INTO loyalty.campaign (program_id, name) VALUES (:other, 'foreign') RETURNING campaign_id AS foreign_campaign \gset
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale, period) VALUES
	(:shop, 'points', 'points', 0, NULL), (:shop, 'tenths', 'points', 1, NULL), (:shop, 'counter', 'counter', 0, 'day');
INSERT INTO loyalty.unit (program_id, code, kind, vest_days, expiry, expiry_count) VALUES (:shop, 'short', 'points', 2, 'days', 10);
INSERT INTO loyalty.collection (program_id, name) VALUES (:shop, 'set');
INSERT INTO loyalty.calendar_day (program_id, calendar, day) VALUES (:shop, 'days', '2026-01-01');
INSERT INTO loyalty.rule_group (program_id, name) VALUES (:shop, 'grp');
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:shop, 'basic', 0), (:shop, 'gold', 1);
INSERT INTO loyalty.campaign (program_id, name) VALUES (:shop, 'own') RETURNING campaign_id AS own_campaign \gset

-- What a rule may be, all at once
SELECT lives_ok(format($$SELECT pg_temp.rule('{"name": "everything", "kind": "per_amount", "award": 2, "per": 0.5, "proportional": true, "status": "inactive",
	"valid_from": "2026-01-01", "valid_until": "2026-02-01", "campaign_id": %s, "rule_group": "grp", "priority": -5, "exclusive": true,
	"excludes": "{tax,shipping,points}", "item_filter": "$.price > 1", "collection": "set", "excluded_collection": "set",
	"days_of_week": "{1,7}", "weeks_of_month": "{1,-1}", "days_of_month": "{1,31,-1}", "calendar": "days", "time_from": "23:00", "time_until": "01:00",
	"birthday": "day", "anniversary": "month", "first_purchases": 1, "idle_from": 0, "idle_until": 0, "tiers": "{gold,basic}", "tags": "{vip}",
	"channels": "{app}", "stores": "{S1}", "store_collection": "set", "condition": "$.order.amount > 1", "tier_multiplied": false, "rounding": "half_even",
	"rounding_scope": "event", "max_award": 10, "on_excess": "reject", "once_per_target": true, "cooldown": "1 day", "vest_days": 3,
	"expiry": "days", "expiry_count": 9}')$$, :own_campaign), 'a rule with everything');
SELECT lives_ok($$SELECT pg_temp.rule('{"award": 1, "unit": "short", "vest_days": 10}')$$, 'an award that vests on its last day');
SELECT lives_ok($$SELECT pg_temp.rule('{"award": 1, "unit": "short", "vest_days": 100, "expiry": "never"}')$$, 'an award that vests late and never lapses');
DELETE FROM loyalty.rule;

-- What it may not be
SELECT throws_ok(format('SELECT pg_temp.rule(%L)', '{"award": 1, "name": "x"}'::jsonb || settings), code, NULL, format('%s: %s', code, settings))
FROM (VALUES
	('23514', '{"name": ""}'::jsonb), ('23514', jsonb_build_object('name', repeat('x', 64))),
	-- kinds
	('23514', '{"kind": "per_amount"}'), ('23514', '{"kind": "per_quantity"}'), ('23514', '{"per": 1}'),
	('23514', '{"kind": "multiplier", "award": 2, "per": 1}'), ('23514', '{"kind": "multiplier", "award": 1001}'),
	('23514', '{"award": null}'), ('23514', '{"kind": "multiplier", "award": null}'), ('23514', '{"proportional": true}'),
	('LY801', '{"kind": "multiplier", "award": 1}'), ('LY801', '{"kind": "multiplier", "award": 0.5}'), ('LY801', '{"kind": "multiplier", "award": 1.0001}'),
	('LY801', '{"kind": "per_quantity", "per": 0.0001}'), ('LY801', '{"kind": "per_amount", "per": 0.001}'), ('LY801', '{"award": 0.1}'),
	('LY801', '{"unit": "counter"}'), ('LY801', '{"max_award": 0.5}'), ('LY801', '{"max_award": "NaN"}'),
	-- steps
	('23514', '{"kind": "steps", "step_from": "{1}", "step_award": "{1}"}'), ('23514', '{"kind": "steps", "award": null}'),
	('23514', '{"kind": "steps", "award": null, "step_from": "{1}"}'), ('23514', '{"step_from": "{1}", "step_award": "{1}"}'),
	('23514', '{"kind": "steps", "award": null, "step_from": "{1,2}", "step_award": "{1}"}'),
	('23514', '{"kind": "steps", "award": null, "step_from": "{}", "step_award": "{}"}'),
	('23514', jsonb_build_object('kind', 'steps', 'award', NULL, 'step_from', (SELECT array_agg(n) FROM generate_series(1, 101) n)::text,
		'step_award', (SELECT array_agg(n) FROM generate_series(1, 101) n)::text)),
	('23514', '{"base": "quantity"}'), ('23514', '{"base": "weight"}'),
	('LY801', '{"kind": "steps", "award": null, "step_from": "{2,1}", "step_award": "{1,2}"}'),
	('LY801', '{"kind": "steps", "award": null, "step_from": "{1,1}", "step_award": "{1,2}"}'),
	('LY801', '{"kind": "steps", "award": null, "step_from": "{-1}", "step_award": "{1}"}'),
	('LY801', '{"kind": "steps", "award": null, "step_from": "{0.001}", "step_award": "{1}"}'),
	('LY801', '{"kind": "steps", "award": null, "step_from": "{1}", "step_award": "{0.5}"}'),
	('LY801', '{"kind": "steps", "award": null, "step_from": "{1}", "step_award": "{-1}"}'),
	('LY801', '{"kind": "steps", "award": null, "step_from": "{NaN}", "step_award": "{1}"}'),
	('LY801', '{"kind": "steps", "award": null, "step_from": "{1,NULL}", "step_award": "{1,1}"}'),
	('LY801', '{"kind": "steps", "award": null, "step_from": "{1}", "step_award": "{NULL}"}'),
	('LY801', '{"kind": "steps", "award": null, "base": "streak", "step_from": "{1.5}", "step_award": "{1}"}'),
	('LY801', '{"kind": "steps", "award": null, "base": "quantity", "step_from": "{1.0001}", "step_award": "{1}"}'),
	-- when
	('23514', '{"valid_from": "2026-01-01", "valid_until": "2026-01-01"}'), ('23514', '{"valid_from": "infinity"}'),
	('23514', '{"days_of_week": "{0}"}'), ('23514', '{"days_of_week": "{8}"}'), ('23514', '{"days_of_week": "{1,NULL}"}'),
	('23514', '{"weeks_of_month": "{1}"}'), ('23514', '{"days_of_week": "{1}", "weeks_of_month": "{6}"}'),
	('23514', '{"days_of_week": "{1}", "weeks_of_month": "{0}"}'), ('23514', '{"days_of_month": "{0}"}'), ('23514', '{"days_of_month": "{32}"}'),
	('23514', '{"days_of_month": "{-2}"}'), ('23514', '{"time_from": "08:00"}'), ('23514', '{"time_until": "08:00"}'),
	('23514', '{"time_from": "08:00", "time_until": "08:00"}'), ('23514', '{"birthday": "week"}'), ('23514', '{"anniversary": "year"}'),
	('23514', '{"first_purchases": 0}'), ('23514', '{"idle_from": -1}'), ('23514', '{"idle_from": 2, "idle_until": 1}'),
	('23514', '{"days_of_week": "{}"}'), ('23514', '{"days_of_month": "{}"}'), ('23514', '{"days_of_week": "{1}", "weeks_of_month": "{}"}'),
	-- who
	('23514', '{"tiers": "{}"}'), ('23514', '{"tags": "{}"}'), ('23514', '{"channels": "{}"}'), ('23514', '{"stores": "{}"}'),
	('23514', '{"tags": "{vip,NULL}"}'), ('23514', '{"channels": "{NULL}"}'), ('23514', '{"stores": "{NULL}"}'),
	-- how much
	('23514', '{"excludes": "{gift}"}'), ('23502', '{"excludes": null}'), ('23514', '{"rounding": "floor"}'), ('23514', '{"rounding_scope": "order"}'),
	('23514', '{"max_award": 0}'), ('23514', '{"on_excess": "raise"}'), ('23514', '{"cooldown": "0"}'), ('23514', '{"cooldown": "-1 day"}'),
	('23514', '{"cooldown": "101 years"}'),
	('23514', '{"vest_days": -1}'), ('23514', '{"vest_days": 3651}'), ('23514', '{"expiry": "days"}'), ('23514', '{"expiry_count": 3}'),
	('23514', '{"expiry": "never", "expiry_count": 3}'), ('23514', '{"expiry": "end_of_year", "expiry_count": 101}'),
	('LY801', '{"vest_days": 31, "expiry": "days", "expiry_count": 30}'), ('LY801', '{"vest_days": 29, "expiry": "months", "expiry_count": 1}'),
	('LY801', '{"unit": "short", "vest_days": 11}'), ('LY801', '{"unit": "short", "expiry": "days", "expiry_count": 1}'),
	-- what is not there
	('23503', '{"event": "foreign"}'), ('23503', '{"rule_group": "none"}'), ('23503', '{"collection": "none"}'), ('23503', '{"excluded_collection": "none"}'),
	('23503', '{"store_collection": "none"}'), ('23503', '{"calendar": "none"}'), ('23503', '{"tiers": "{gold,none}"}'),
	('23503', jsonb_build_object('campaign_id', :foreign_campaign)),
	-- conditions
	('LY801', '{"condition": "$.member.tags"}'), ('LY801', '{"condition": "$.order.amount + 1"}'), ('LY801', '{"condition": "$limit < 5"}'),
	('LY801', '{"item_filter": "$.price"}'), ('LY805', '{"condition": "$.** == 1"}'),
	('LY805', '{"condition": "exists($.items[*] ? (exists(@.tags[*] ? (@ == 1))))"}'),
	('LY805', '{"condition": "$.items[*].sku == $.items[*].brand"}'),
	('LY805', '{"condition": "$.data.a like_regex \"(a+)+b\""}'),
	('42601', '{"condition": "$.order.amount >"}')
) v (code, settings);
SELECT is((SELECT count(*) FROM loyalty.rule), 0::bigint, 'none of them was saved');
SELECT throws_ok(format($$INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award) SELECT %s, 'purchase', unit_id, 'fixed', 1
	FROM loyalty.unit WHERE program_id = %s AND code = 'points'$$, :shop, :other), '23503', NULL, 'the unit of another programme');

-- Limits
SELECT FROM pg_temp.rule('{"name": "a", "award": 1}');
PREPARE cap(int, int, text, numeric, text) AS INSERT INTO loyalty.rule_cap (program_id, rule_id, unit_id, counts, maximum, on_excess)
	SELECT program_id, rule_id, CASE $1 WHEN 0 THEN 0 WHEN 1 THEN r.unit_id ELSE (SELECT unit_id FROM loyalty.unit WHERE code = 'counter') END, $3, $4, $5
	FROM loyalty.rule r WHERE $2 = 1;
SELECT throws_ok($$EXECUTE cap(1, 1, 'amount', 5, 'truncate')$$, '23503', NULL, 'a limit needs a counter');
SELECT throws_ok($$EXECUTE cap(0, 1, 'amount', 5, 'truncate')$$, '23503', NULL, 'and one that is there');
SELECT throws_ok($$EXECUTE cap(2, 1, 'often', 5, 'truncate')$$, '23514', NULL, 'a limit counts amounts or times');
SELECT throws_ok($$EXECUTE cap(2, 1, 'amount', 0, 'truncate')$$, '23514', NULL, 'a limit of nothing');
SELECT throws_ok($$EXECUTE cap(2, 1, 'amount', 0.5, 'truncate')$$, 'LY801', NULL, 'a limit of half a point');
SELECT throws_ok($$EXECUTE cap(2, 1, 'amount', 5, 'raise')$$, '23514', NULL, 'a limit truncates or rejects');
SELECT lives_ok($$EXECUTE cap(2, 1, 'amount', 5, 'truncate')$$, 'a limit');
SELECT throws_ok($$EXECUTE cap(2, 1, 'times', 5, 'truncate')$$, '23505', NULL, 'not twice on one counter');
SELECT throws_ok(format($$INSERT INTO loyalty.rule_cap (program_id, rule_id, unit_id, maximum) SELECT program_id, 0, unit_id, 1 FROM loyalty.rule_cap$$),
	'23503', NULL, 'a limit needs a rule');
SELECT throws_ok($$UPDATE loyalty.rule SET unit_id = (SELECT unit_id FROM loyalty.unit WHERE code = 'tenths' ) WHERE name = 'a'$$, 'LY801', NULL,
	'a rule does not change to a unit of other decimals than its limit counts in');
SELECT throws_ok('DELETE FROM loyalty.rule', '23503', NULL, 'a rule with a limit stays');
SELECT throws_ok('UPDATE loyalty.rule SET rule_id = rule_id + 1', '23503', NULL, 'and keeps its id');
DELETE FROM loyalty.rule_cap;

-- What rules name cannot go
SELECT FROM pg_temp.rule(format('{"name": "b", "award": 1, "rule_group": "grp", "collection": "set", "calendar": "days", "tiers": "{gold}", "campaign_id": %s}',
	:own_campaign)::jsonb);
SELECT throws_ok(format('DELETE FROM loyalty.%s WHERE program_id = %s', what, :shop), '23503', NULL, format('in use: %s', what))
FROM unnest('{unit,program_event,rule_group,collection,campaign}'::text[]) what;

-- Versions: the rows as they were
SELECT is((SELECT version FROM loyalty.rule WHERE name = 'a'), 1, 'version 1');
UPDATE loyalty.rule SET award = 2 WHERE name = 'a';
SET loyalty.now = '2026-03-16 12:00+00';
UPDATE loyalty.rule SET name = 'c', version = 99 WHERE name = 'a';
SELECT is((SELECT version FROM loyalty.rule WHERE name = 'c'), 3, 'version 3, whatever was written');
UPDATE loyalty.rule SET priority = priority + 1;
SELECT rule_id AS id, unit_id AS points FROM loyalty.rule WHERE name = 'c' \gset
DELETE FROM loyalty.rule WHERE name = 'c';
SELECT results_eq(format($$SELECT version, (definition ->> 'award')::int, definition ->> 'name', (definition ->> 'priority')::int, replaced_at
	FROM loyalty.rule_version WHERE rule_id = %s ORDER BY 1$$, :id),
	$$VALUES (1, 1, 'a', 100, '2026-03-15 12:00+00'::timestamptz), (2, 2, 'a', 100, '2026-03-16 12:00+00'), (3, 2, 'c', 100, '2026-03-16 12:00+00'),
		(4, 2, 'c', 101, '2026-03-16 12:00+00')$$, 'rule_version has what it was, change by change');
SELECT is((SELECT count(*) FROM loyalty.rule_version WHERE definition ->> 'name' = 'b'), 1::bigint, 'and what a statement for many has changed');

-- The number of a version is given once.
INSERT INTO loyalty.rule (rule_id, program_id, event, unit_id, kind, award, name) VALUES (:id, :shop, 'purchase', :points, 'fixed', 1, 'anew');
SELECT is((SELECT version FROM loyalty.rule WHERE name = 'anew'), 5, 'a rule of an earlier one''s id goes on counting');
DELETE FROM loyalty.rule WHERE name = 'anew';
SELECT is((SELECT string_agg(version::text, ' ' ORDER BY version) FROM loyalty.rule_version WHERE rule_id = :id), '1 2 3 4 5', 'and nothing is lost');

-- An award names the version by which it was judged
CALL pg_temp.enroll('Shop', 'ann');
DELETE FROM loyalty.rule;
SELECT FROM pg_temp.rule('{"name": "v", "award": 1}');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 1, 'o1');
UPDATE loyalty.rule SET award = 5;
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 1, 'o2');
SELECT is((SELECT jsonb_agg(a - 'rule' - 'base' - 'desired' ORDER BY ref) FROM loyalty.journal JOIN pg_temp.award_record USING (member_id, journal_id)), '[{"granted": 1}, {"version": 2, "granted": 5}]', 'an award names the version, unless it is the first');

SELECT lives_ok($$UPDATE loyalty.rule SET version = 0$$, 'a version that is written counts for nothing');
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, name, version) VALUES (:shop, 'purchase', :points, 'fixed', 1, 'last', 2147483647);
SELECT throws_ok($$UPDATE loyalty.rule SET award = 2 WHERE name = 'last'$$, '22003', NULL, 'nor does it begin anew at the end of all numbers');
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, name, version) VALUES (:shop, 'purchase', :points, 'fixed', 1, 'below', -5);
SELECT is((SELECT version FROM loyalty.rule WHERE name = 'below'), 1, 'nor before the first');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
