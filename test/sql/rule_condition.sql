\set ECHO none
\i test/prelude.sql
SELECT plan(85);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale, period, window_months) VALUES
	(:shop, 'points', 'points', 0, NULL, NULL), (:shop, 'cash', 'money', 2, NULL, NULL), (:shop, 'spend', 'metric', 2, NULL, 12),
	(:shop, 'today', 'counter', 0, 'day', NULL);
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:shop, 'basic', 3);
INSERT INTO loyalty.program_event (program_id, event, daily) VALUES (:shop, 'visit', false), (:shop, 'daily', true);

-- A member of 14 June 2025, 00:30 local time, with a past
SELECT FROM loyalty.enroll('Shop', '{"customer_no": "ann"}', '{"birthday": "1990-05-20"}', at => '2025-06-13 23:30+00');
SELECT FROM loyalty.enroll('Shop', '{"customer_no": "bob"}');
SELECT FROM unnest('{vip,tea}'::text[]) tag, loyalty.tag_add(pg_temp.id('ann'), tag);
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 120, 'points', 'a past', key => 'a1');
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 40, 'points', 'a future', vests_on => '2026-04-01', key => 'a2');
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 2.5, 'cash', 'a past', key => 'a3');
SELECT FROM loyalty.redeem(pg_temp.id('ann'), 20, key => 'r1');
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 30, 'spend', 'within', vests_on => '2025-04-01', key => 'a4');
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 70, 'spend', 'before the window', vests_on => '2025-03-01', key => 'a5');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 10, 'old', at => '2026-02-28 23:59:59+00');
SELECT rule_id FROM pg_temp.rule('{"event": "share", "award": 7}') r (rule_id) \gset
SELECT loyalty.rule_limit(:rule_id, 'day', 100, counter => 'today') IS NOT NULL AS limited \gset
SELECT FROM loyalty.record(pg_temp.id('ann'), 'share');

-- What a condition may see. Each is a rule of its own, and one event is put to all of them.
CREATE TEMP TABLE probe (n int GENERATED ALWAYS AS IDENTITY, event text DEFAULT 'purchase', condition text, holds boolean DEFAULT true);
INSERT INTO probe (condition) VALUES
	('$.version == 1'),
	('$.event.name == "purchase"'), ('$.event.amount == 60'), ('$.event.ref == "o1"'), ('$.event.late_days == 0'),
	('$.event.at starts with "2026-03-15T12:00:00" || $.event.at starts with "2026-03-15 12:00:00"'),
	('$.order.amount == 60.00'), ('$.order.quantity == 3.5'), ('$.order.lines == 2'),
	('$.items[*].sku == "B"'), ('$.items.size() == 2'), ('$.items[0].line == 1 && $.items[1].line == 2'),
	('$.items[0].net == 40.00 && $.items[1].net == 20.00'),                       -- 60.00 over 60.00 and 30.00
	('$.items[0].price == 24 && $.items[0].qty == 2.5'), ('$.items[1].note == "fragile"'),
	('exists($.items[*] ? (@.category == "tea" && @.net >= 40))'),
	('$.member.tier == "basic"'), ('$.member.tier_rank == 3'),
	('$.member.tags[*] == "vip"'), ('$.member.tags.size() == 2'), ('!($.member.tags[*] == "staff")'),
	('$.member.joined_on == "2025-06-14"'),
	('$.member.age_days == 274'),              -- 14 June 2025 to 15 March 2026: 16 + 31 + 31 + 30 + 31 + 30 + 31 + 31 + 28 + 15
	('$.member.birthday == "1990-05-20"'),
	('$.member.first_purchase == false'), ('$.member.purchases == 1'), ('$.member.days_since_purchase == 15'),
	('$.member.counters.points == 107'),       -- 120 - 20 + 7; the 40 are pending
	('$.member.counters.cash == 2.5'), ('$.member.counters.spend == 30'), ('$.member.counters.today == 7'),
	('$.now.date == "2026-03-15"'), ('$.now.time == "12:00"'), ('$.now.dow == 7'), ('$.now.hour == 12'),
	('$.now.day == 15'), ('$.now.month == 3'),
	('$.data.channel == "app"'), ('$.data.basket.gifts[1].name == "ribbon"'), ('$.data.store == "S1"'),
	('!exists($.data.missing)'), ('strict $.order.amount == 60'),
	('($.order.amount - $.order.lines * 10) % 7 == 5'),                           -- 40 % 7
	('$.data.basket.gifts[*].name like_regex "^rib"');
INSERT INTO probe (condition, holds) VALUES
	('$.order.amount > 60', false), ('$.member.tier == "gold"', false), ('$.data.missing > 5', false), ('$.streak.day >= 1', false),
	('$.member.birthday starts with "1991"', false);
SELECT FROM probe, pg_temp.rule(jsonb_build_object('event', event, 'name', 'probe ' || n, 'award', 1, 'condition', condition));
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 60, 'o1',
	'[{"sku": "A", "category": "tea", "price": 24, "qty": 2.5}, {"sku": "B", "price": 30, "note": "fragile"}]',
	'{"channel": "app", "store": "S1", "basket": {"gifts": [{"name": "box"}, {"name": "ribbon"}]}}');
CREATE TEMP VIEW verdict AS
	SELECT j.ref, r.name, a ->> 'reason' AS reason
	FROM loyalty.journal j JOIN pg_temp.award_record USING (member_id, journal_id)
	JOIN loyalty.rule r ON r.rule_id = (a -> 'rule')::int;
SELECT is(v.reason, CASE WHEN NOT p.holds THEN 'condition_not_met' END, 'context: ' || p.condition)
FROM probe p LEFT JOIN verdict v ON v.name = 'probe ' || p.n AND v.ref = 'o1' ORDER BY n;
SELECT is((SELECT count(*) FROM verdict WHERE ref = 'o1'), (SELECT count(*) FROM probe), 'every rule was judged');

-- The part of the context that is about the member is kept, to explain the event with
SELECT is((SELECT (d.data -> 'member') - 'counters' FROM loyalty.journal JOIN loyalty.event_data d USING (member_id, journal_id) WHERE ref = 'o1'),
	'{"tier": "basic", "tier_rank": 3, "tags": ["tea", "vip"], "segments": [], "joined_on": "2025-06-14", "age_days": 274, "birthday": "1990-05-20",
	  "first_purchase": false, "purchases": 1, "days_since_purchase": 15}'::jsonb, 'the member is recorded with the event');
SELECT is((SELECT d.data -> 'member' -> 'counters' FROM loyalty.journal JOIN loyalty.event_data d USING (member_id, journal_id) WHERE ref = 'o1'),
	'{"points": 107, "cash": 2.5, "spend": 30, "today": 7}'::jsonb, 'and what the member had');

-- An event of which little is known
TRUNCATE probe RESTART IDENTITY;
DELETE FROM loyalty.rule WHERE name LIKE 'probe%';
INSERT INTO probe (event, condition) VALUES
	('visit', '!exists($.event.amount)'), ('visit', '$.event.ref == "v1"'), ('visit', '$.event.late_days == 3'),
	('visit', '!exists($.items[*])'), ('visit', '$.member.first_purchase == false'), ('visit', '$.member.purchases == 0'),
	('visit', '!exists($.member.days_since_purchase)'), ('visit', '!exists($.member.birthday)'), ('visit', '$.member.tags.size() == 0'),
	('visit', '$.member.counters.points == 0'), ('visit', '$.member.counters.today == 0'),
	('visit', '$.now.date == "2026-03-12"'), ('visit', '$.now.dow == 4'), ('visit', '$.now.hour == 23'),
	('visit', '$.now.time == "23:59"'), ('visit', '$.order.lines == 0 && $.order.quantity == 0 && $.order.amount == 0'),
	('visit', '$.member.age_days <= 0');
SELECT FROM probe, pg_temp.rule(jsonb_build_object('event', event, 'name', 'probe ' || n, 'award', 1, 'condition', condition));
SELECT FROM loyalty.record(pg_temp.id('bob'), 'visit', ref => 'v1', at => '2026-03-12 23:59:59.5+00');
SELECT is(v.reason, NULL, 'context of a late visit: ' || p.condition)
FROM probe p LEFT JOIN verdict v ON v.name = 'probe ' || p.n AND v.ref = 'v1' ORDER BY n;

-- Local time in summer
DELETE FROM loyalty.rule WHERE name LIKE 'probe%';
SELECT FROM pg_temp.rule('{"event": "visit", "name": "summer", "award": 1,
	"condition": "$.now.date == \"2025-07-02\" && $.now.hour == 0 && $.now.day == 2 && $.now.dow == 3 && $.event.late_days == 256"}');
-- 2 July 2025 to 15 March 2026: 29 + 31 + 30 + 31 + 30 + 31 + 31 + 28 + 15
SELECT FROM loyalty.record(pg_temp.id('ann'), 'visit', ref => 's1', at => '2025-07-01 23:30+00');
SELECT is(pg_temp.awards('ann', 's1'), 'summer 1', 'context: the local date and time of a late event');
DELETE FROM loyalty.rule WHERE name = 'summer';

-- The first purchase, and the day of a streak
SELECT FROM pg_temp.rule('{"name": "first", "award": 1, "condition": "$.member.first_purchase == true && $.member.purchases == 0"}');
SELECT FROM pg_temp.rule('{"event": "daily", "name": "day", "award": 1, "condition": "$.streak.day == 2"}');
SELECT FROM unnest('{b1,b2}'::text[]) ref, loyalty.purchase(pg_temp.id('bob'), 1, ref);
SELECT is(pg_temp.awards('bob', 'b1') || '; ' || pg_temp.awards('bob', 'b2'), 'first 1; first condition_not_met', 'context: the first purchase');
SELECT FROM loyalty.record(pg_temp.id('bob'), 'daily', ref => 'd1');
SET loyalty.now = '2026-03-16 12:00+00';
SELECT FROM loyalty.record(pg_temp.id('bob'), 'daily', ref => 'd2');
SELECT is(pg_temp.awards('bob', 'd1') || '; ' || pg_temp.awards('bob', 'd2'), 'day condition_not_met; day 1', 'context: the day of a streak');
DELETE FROM loyalty.rule_cap;
DELETE FROM loyalty.rule;

-- A member who is just joining: what is known is what the call says
SELECT FROM pg_temp.rule('{"event": "signup", "name": "born", "award": 1, "birthday": "month"}');
SELECT FROM pg_temp.rule('{"event": "signup", "name": "cond", "award": 2, "condition": "$.member.birthday == \"1990-03-20\" && $.member.joined_on == $.now.date && $.member.age_days == 0 && $.member.tags.size() == 0"}');
SELECT FROM pg_temp.rule('{"event": "signup", "name": "web", "award": 4, "channels": "{web}", "first_purchases": 1}');
SELECT FROM pg_temp.rule('{"event": "signup", "name": "tag", "award": 8, "tags": "{vip}"}');
SELECT FROM pg_temp.rule('{"event": "signup", "name": "feast", "award": 16, "anniversary": "day"}');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.enroll('Shop', '{"customer_no": "zoe"}', '{"birthday": "1990-03-20"}', '{"channel": "web"}', mode => 'dry') r),
	'7 points', 'who is joining: a dry run');
SELECT FROM loyalty.enroll('Shop', '{"customer_no": "zoe"}', '{"birthday": "1990-03-20"}', '{"channel": "web"}');
SELECT is((SELECT string_agg(concat_ws(' ', r.name, coalesce(a ->> 'reason', a ->> 'granted')), ', ' ORDER BY n) FROM loyalty.journal j
	JOIN pg_temp.award_record USING (member_id, journal_id)
	JOIN loyalty.rule r ON r.rule_id = (a -> 'rule')::int WHERE j.member_id = pg_temp.id('zoe')),
	'born 1, cond 2, web 4, tag segment_mismatch, feast not_in_time_window', 'who is joining: what the call says is known');
-- and buying: both events are judged, the purchase as the first
SELECT FROM pg_temp.rule('{"name": "first", "award": 32, "first_purchases": 1}');
SELECT FROM pg_temp.rule('{"name": "context", "award": 64, "condition": "$.member.first_purchase == true && $.member.purchases == 0 && $.order.amount == 5 && $.items[0].net == 5"}');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.sale('Shop', '{"customer_no": "yan"}', 5, 's1', '[{"sku": "A", "price": 5}]', '{"channel": "web"}') r), '96 points',
	'who joins by buying: 32 and 64 for buying');
-- the signup in a sale has no channel of its own
SELECT is(pg_temp.balance('yan'), '96 available', 'and nothing for joining on the web');
UPDATE loyalty.rule SET channels = NULL WHERE name = 'web';
SELECT FROM loyalty.sale('Shop', '{"customer_no": "xim"}', 5, 's1', '[{"sku": "A", "price": 5}]');
SELECT is(pg_temp.balance('xim'), '100 available', 'where joining is enough: 4, and 32 and 64 for buying');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.sale('Shop', '{"customer_no": "yan"}', 5, 's2', '[{"sku": "A", "price": 5}]', '{"channel": "web"}') r), 'nothing',
	'who is there already: nothing for joining, nor for a first purchase');
DELETE FROM loyalty.rule_cap;
DELETE FROM loyalty.rule;

-- A condition that fails is skipped and recorded; the event goes on
SELECT FROM pg_temp.rule('{"name": "zero", "award": 1, "condition": "$.order.amount / $.data.n > 1"}');
SELECT FROM pg_temp.rule('{"name": "types", "award": 1, "condition": "$.data.word > 5"}');
SELECT FROM pg_temp.rule('{"name": "strict", "award": 1, "condition": "strict $.data.missing == 5"}');
SELECT FROM pg_temp.rule('{"name": "item", "award": 1, "item_filter": "$.price / $.n > 1"}');
SELECT FROM pg_temp.rule('{"name": "good", "award": 1, "condition": "$.data.n == 0"}');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('bob'), 10, 'e1',
	'[{"sku": "A", "price": 5, "n": 0}, {"sku": "B", "price": 5, "n": 2}]', '{"n": 0, "word": "many"}') r), '2 points',
	'errors: the purchase goes on');
-- the first line divides by zero and does not match; 5 / 2 > 1 does
SELECT is(pg_temp.awards('bob', 'e1'), 'zero condition_error, types condition_error, strict condition_error, item 1, good 1',
	'errors: each is recorded; a filter that fails on a line leaves that line out');
DELETE FROM loyalty.rule;

-- Without a condition there is no context
SELECT FROM pg_temp.rule('{"name": "plain", "award": 1}');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 10, 'n1');
SELECT results_eq($$SELECT awarded_plainly, d.data FROM loyalty.journal LEFT JOIN loyalty.event_data d USING (member_id, journal_id) WHERE ref = 'n1'$$,
	'VALUES (true, NULL::jsonb)', 'no condition, no context');

-- What is kept without explain: only what a refund needs
UPDATE loyalty.program SET explain = false;
SELECT FROM pg_temp.rule('{"name": "lines", "award": 1, "item_filter": "$.sku == \"A\""}');
SELECT FROM pg_temp.rule('{"name": "not", "award": 1, "channels": "{app}"}');
SELECT FROM pg_temp.rule('{"name": "cond", "award": 1, "condition": "$.order.amount > 5"}');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 10, 'x1', '[{"sku": "A", "price": 5}, {"sku": "B", "price": 5}]');
SELECT is((SELECT jsonb_agg(r.name) FROM loyalty.journal JOIN loyalty.event_data d USING (member_id, journal_id),
	jsonb_array_elements(d.data -> 'awards') a JOIN loyalty.rule r ON r.rule_id = (a -> 'rule')::int WHERE ref = 'x1'), '["lines"]',
	'explain off: the lines of an award, no more');
SELECT is((SELECT d.data ? 'member' FROM loyalty.journal JOIN loyalty.event_data d USING (member_id, journal_id) WHERE ref = 'x1'), false,
	'explain off: nothing of the member');
SELECT FROM loyalty.record(pg_temp.id('bob'), 'visit', ref => 'x2');
SELECT is((SELECT count(*) FROM loyalty.journal JOIN loyalty.event_data d USING (member_id, journal_id) WHERE ref = 'x2' AND d.data ? 'awards'),
	0::bigint, 'explain off: and of a plain event nothing');
UPDATE loyalty.program SET explain = true;

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
