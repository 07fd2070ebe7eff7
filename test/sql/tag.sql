\set ECHO none
\i test/prelude.sql
SELECT plan(141);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
CREATE FUNCTION pg_temp.tags(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(tag, ' ' ORDER BY tag), 'none') FROM loyalty.member_tag WHERE member_id = pg_temp.id(name)
$$;
CREATE FUNCTION pg_temp.segments(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(segment, ' ' ORDER BY segment), 'none') FROM loyalty.member_segment WHERE member_id = pg_temp.id(name)
$$;
-- 'set busy 03-15 12:00, removed busy 04-01 00:00': local time
CREATE FUNCTION pg_temp.history(name text, what text DEFAULT NULL) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(action || ' ' || tag || to_char(changed_at AT TIME ZONE 'Europe/London', ' MM-DD HH24:MI'), ', ' ORDER BY history_id), 'nothing')
	FROM loyalty.tag_history WHERE member_id = pg_temp.id(name) AND tag = coalesce(what, tag)
$$;
CREATE FUNCTION pg_temp.due(name text) RETURNS date LANGUAGE sql STABLE AS $$
	SELECT due_on FROM loyalty.tag_review WHERE member_id = pg_temp.id(name)
$$;
CREATE FUNCTION pg_temp.refresh() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
	looked int := 0;
	changes int := 0;
BEGIN
	LOOP
		SELECT * INTO r FROM loyalty.tag_refresh('Shop', 10);
		looked := looked + r.looked_at;
		changes := changes + r.changed;
		EXIT WHEN NOT r.left_over;
	END LOOP;
	RETURN format('%s looked at, %s changed', looked, changes);
END
$$;

SELECT is(pg_temp.signature('tag_refresh'), '(program text, batch integer DEFAULT 500, OUT looked_at integer, OUT changed integer, OUT left_over boolean) -> record', 'tag_refresh(): arguments');
SELECT is(pg_temp.signature('tag_check'), '(program text) -> TABLE(member_id bigint, kind text, name text, found text, expected text)', 'tag_check(): arguments');

-- Without a condition: nothing is kept, and nothing is to be done
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay', 'gus');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 10, 'a0');
SELECT is_empty('SELECT FROM loyalty.member_day UNION ALL SELECT FROM loyalty.tag_review', 'without a condition no day is kept');
SELECT is(pg_temp.refresh(), '0 looked at, 0 changed', 'and nobody is looked at');

CREATE FUNCTION pg_temp.scans() RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT coalesce(sum(seq_scan + coalesce(idx_scan, 0) + n_tup_ins + n_tup_upd), 0)::bigint FROM pg_stat_xact_user_tables
	WHERE schemaname = 'loyalty' AND relname IN ('member', 'tag', 'member_tag', 'tag_history', 'member_day', 'tag_review', 'tag_scan', 'segment', 'member_segment', 'segment_history')
$$;
SELECT pg_temp.scans() AS before \gset
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 10, 'a00', '[{"sku": "x", "category": "kids", "price": 10}]');
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'a00');
SELECT is(pg_temp.scans() - :before, 0::bigint, 'nor is a table of tags touched by an order and its refund');

-- What is no condition on a member
SELECT throws_ok(format('INSERT INTO loyalty.tag (program_id, name, condition) VALUES (%s, ''bad'', %L)', :shop, condition), code, NULL, what)
FROM (VALUES
	('$.purchases.month.times', 'LY801', 'refused: no predicate'),
	('$.purchases.days_60.times > 1', 'LY801', 'refused: no such window'),
	('$.purchases.month.turnover > 1', 'LY801', 'refused: no such figure'),
	('$.items[*].sku == "a"', 'LY801', 'refused: what only events have'),
	('!($.member.teir == "gold")', 'LY801', 'refused: a key of the member that is not there'),
	('$.member.first_purchase == true', 'LY801', 'refused: what only events say of a member'),
	('$.now.dow == 1', 'LY801', 'refused: what only events say of the time'),
	('$.member.tags[*] == "a"', 'LY801', 'refused: tags are judged before they are known'),
	('$.purchases.month.times > $x', 'LY801', 'refused: a variable'),
	('exists($.**.times)', 'LY805', 'refused: too costly'),
	('$.categories.*.month.times == $.brands.*.month.times', 'LY805', 'refused: two lists compared'),
	('$.profile.a.b ? (@ like_regex "(a*)*b") == "x"', 'LY805', 'refused: a pattern that could take long'),
	('$.purchases.month.times >', '42601', 'refused: no jsonpath')
) v (condition, code, what);
SELECT throws_ok(format('INSERT INTO loyalty.segment (program_id, name, condition) VALUES (%s, ''bad'', %L)', :shop, '$.member.segments[*] == "a"'), 'LY801', NULL, 'refused: segments in a segment');
SELECT throws_ok(format('INSERT INTO loyalty.tag (program_id, name, dimension) VALUES (%s, ''bad'', ''mood'')', :shop), '23514', NULL, 'refused: a dimension that is not known');

-- By events: both ways, by how much was bought, of what, and when
INSERT INTO loyalty.tag (program_id, name, dimension, condition) VALUES
	(:shop, 'frequent', 'transaction', '$.purchases.month.times >= 3'),
	(:shop, 'family', 'attribute', '$.categories.kids.days_90.times >= 2'),
	(:shop, 'asleep', 'behaviour', '$.member.days_since_purchase >= 60'),
	(:shop, 'bargain', 'behaviour', '$.purchases.year.times >= 2 && $.purchases.year.discount_share > 0.5'),
	(:shop, 'loyal', 'attribute', '$.member.age_days >= 365'),
	(:shop, 'brand_a', 'attribute', '$.brands.A.last_month.amount >= 50');
SELECT is(pg_temp.refresh(), '7 looked at, 0 changed', 'new conditions: all are looked at once');
SELECT is(pg_temp.refresh(), '0 looked at, 0 changed', 'and not again');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 20, 'a1', at => '2026-03-14 18:00+00');
SELECT is(pg_temp.tags('ann'), 'none', 'two orders are not three');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 20, 'a2');
SELECT is(pg_temp.tags('ann'), 'frequent', 'set by an event');
SELECT is(pg_temp.history('ann'), 'set frequent 03-15 12:00', 'as of the event');
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'a1', amount => 5, key => 'k1');
SELECT is(pg_temp.tags('ann'), 'frequent', 'a part of an order refunded: still three');
SET loyalty.now = '2026-03-15 15:00+00';
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'a1');
SELECT is(pg_temp.tags('ann'), 'none', 'removed by a refund');
SELECT is(pg_temp.history('ann'), 'set frequent 03-15 12:00, removed frequent 03-15 15:00', 'as of the refund');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 20, 'a3');
SELECT is(pg_temp.tags('ann'), 'frequent', 'and set again');
-- once each: the person, his tags, segments and due date, the scan, the days; and the day that is added to is looked for and updated
SELECT pg_temp.scans() AS before \gset
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 20, 'a4');
SELECT is(pg_temp.scans() - :before, 8::bigint, 'an order reads and writes no more than it must');
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'a4');
SELECT pg_temp.scans() AS before \gset
SELECT FROM loyalty.hold(pg_temp.id('ann'), 1, ref => 'h1');
SELECT is(pg_temp.scans() - :before, 0::bigint, 'a hold nothing, where no condition asks for balances');

SELECT FROM loyalty.purchase(pg_temp.id('bob'), 20, 'b1', '[{"sku": "x", "category": "kids", "price": 10}, {"sku": "y", "category": "kids", "price": 15}]');
SELECT is(pg_temp.tags('bob'), 'none', 'one order for children');
SELECT is((SELECT string_agg(concat_ws(' ', kind, nullif(name, ''), times, quantity, amount, discounted), ', ' ORDER BY kind) FROM loyalty.member_day WHERE member_id = pg_temp.id('bob')),
	'category kids 1 2000 2000 1, purchase 1 2000 2000 1', 'an order counts once, with all its lines');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 30, 'b2', '[{"sku": "x", "category": "kids", "price": 20, "qty": 2}, {"sku": "z", "brand": "A", "price": 20}]');
SELECT is(pg_temp.tags('bob'), 'bargain family', 'two: often children''s goods, always with a discount');
SELECT is((SELECT string_agg(concat_ws(' ', kind, nullif(name, ''), times, quantity, amount, discounted), ', ' ORDER BY kind) FROM loyalty.member_day WHERE member_id = pg_temp.id('bob')),
	'brand A 1 1000 1000 1, category kids 2 4000 4000 2, purchase 2 5000 5000 2', 'the discount is shared by the lines: 20 and 10 of 30');
SELECT FROM loyalty.refund(pg_temp.id('bob'), 'b2', items => '[{"line": 1, "qty": 1}]', key => 'k1');
SELECT is((SELECT string_agg(concat_ws(' ', kind, nullif(name, ''), times, quantity, amount, discounted), ', ' ORDER BY kind) FROM loyalty.member_day WHERE member_id = pg_temp.id('bob')),
	'brand A 1 1000 1000 1, category kids 2 3000 3000 2, purchase 2 4000 4000 2', 'one piece of it returned');
SELECT FROM loyalty.refund(pg_temp.id('bob'), 'b1');
SELECT is(pg_temp.tags('bob'), 'none', 'and one order: no longer often');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 20, 'c1', data => '{"discount": 3}');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 20, 'c2', data => '{"discount": 0}');
SELECT is(pg_temp.tags('cat'), 'none', 'an order without lines was discounted if the shop says so: one of two');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 60, 'c3', '[{"sku": "z", "brand": "A", "price": 61}]');
SELECT is(pg_temp.tags('cat'), 'bargain frequent', 'two of three');
SELECT is_empty('SELECT * FROM loyalty.tag_check(''Shop'')', 'judging all anew would change nothing');

-- The rules of an event see the tags held before it
SELECT FROM pg_temp.rule('{"program": "Shop", "name": "for the frequent", "award": 7, "tags": "{frequent}"}');
SELECT FROM generate_series(1, 4) n, loyalty.purchase(pg_temp.id('dan'), 1, 'd' || n);
SELECT is(string_agg(split_part(pg_temp.awards('dan', 'd' || n), 'frequent ', 2), ', ' ORDER BY n),
	'segment_mismatch, segment_mismatch, segment_mismatch, 7', 'the order that sets a tag is judged without it') FROM generate_series(1, 4) n;
UPDATE loyalty.rule SET status = 'inactive' WHERE name = 'for the frequent';

-- By time: on the date, whenever it is looked at
SELECT is(pg_temp.due('ann'), '2026-04-01', 'due at the end of the month');
SET loyalty.now = '2026-04-05 10:00+00';
SELECT is(pg_temp.tags('ann'), 'frequent', 'a tag lags until it is looked at');
SELECT is_empty('SELECT * FROM loyalty.tag_check(''Shop'')', 'those who are due are not held against it');
SELECT is(pg_temp.refresh(), '4 looked at, 4 changed', 'only who is due');
SELECT is(pg_temp.tags('ann'), 'none', 'removed by time');
SELECT is(pg_temp.history('ann', 'frequent'), 'set frequent 03-15 12:00, removed frequent 03-15 15:00, set frequent 03-15 15:00, removed frequent 04-01 00:00', 'as of the date');
SELECT is(pg_temp.tags('cat'), 'bargain brand_a', 'set by time: what was bought last month');
SELECT is(pg_temp.history('cat', 'brand_a'), 'set brand_a 04-01 00:00', 'as of the date');
-- by an event that comes before maintenance
SET loyalty.now = '2026-06-20 10:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 1, 'd9');
SELECT is(pg_temp.history('dan', 'asleep'), 'set asleep 05-14 00:00, removed asleep 06-20 11:00', 'asleep for a while, until the order that woke him up');
SELECT is(pg_temp.due('dan'), '2026-07-01', 'due at the end of the month in which he bought');
SELECT FROM loyalty.tag_refresh('Shop');
SELECT is(pg_temp.history('cat'), 'set bargain 03-15 15:00, set frequent 03-15 15:00, set brand_a 04-01 00:00, removed frequent 04-01 00:00, removed brand_a 05-01 00:00, set asleep 05-14 00:00', 'several dates in one look');
SET loyalty.now = '2027-03-14 23:00+00';
SELECT FROM loyalty.tag_refresh('Shop');
SELECT is(pg_temp.tags('eve'), 'none', 'a member for 364 days');
SET loyalty.now = '2027-03-15 00:00+00';
SELECT FROM loyalty.tag_refresh('Shop');
SELECT is(pg_temp.tags('eve'), 'loyal', 'for 365');
SELECT is(pg_temp.tags('cat'), 'asleep loyal', 'a new year: no bargains yet');
SELECT is_empty('SELECT * FROM loyalty.tag_check(''Shop'')', 'judging all anew would change nothing');
SELECT is_empty('SELECT FROM loyalty.member_day WHERE day < ''2026-03-15''', 'days that no window reaches are gone');

-- Segments, after tags
INSERT INTO loyalty.segment (program_id, name, condition) VALUES
	(:shop, 'sleepers', '$.member.tags[*] == "asleep"'),
	(:shop, 'friends', '$.member.tags[*] == "friend" && $.member.tags[*] == "loyal"'),
	(:shop, 'town', '$.profile.city == "York"');
SELECT FROM loyalty.tag_refresh('Shop');
SELECT is(pg_temp.segments('cat'), 'sleepers', 'a segment by a tag');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 10, 'c9');
SELECT is(pg_temp.segments('cat'), 'none', 'left with the tag');
SELECT results_eq($$SELECT segment, action, changed_at FROM loyalty.segment_history WHERE member_id = pg_temp.id('cat') ORDER BY history_id$$,
	$$VALUES ('sleepers', 'entered', '2027-03-15 00:00+00'::timestamptz), ('sleepers', 'left', '2027-03-15 00:00+00')$$, 'both are recorded');

-- By hand
SET loyalty.now = '2027-03-15 12:00+00';
SELECT ok(loyalty.tag_add(pg_temp.id('eve'), 'friend'), 'given by hand: new');
SELECT is(pg_temp.segments('eve'), 'friends', 'what depends on it is judged at once');
SELECT ok(NOT loyalty.tag_add(pg_temp.id('eve'), 'friend', 'survey', '2027-03-20 18:00+00'), 'again: held; source and end change');
SELECT results_eq($$SELECT source, valid_until, tagged_at FROM loyalty.member_tag WHERE member_id = pg_temp.id('eve') AND tag = 'friend'$$,
	$$VALUES ('survey', '2027-03-20 18:00+00'::timestamptz, '2027-03-15 12:00+00'::timestamptz)$$, 'and nothing else');
SELECT loyalty.program_create('Plain', 'GBP', 'Europe/London') AS plain \gset
CALL pg_temp.enroll('Plain', 'zoe');
SELECT FROM loyalty.tag_add(pg_temp.id('zoe'), 'guest', valid_until => '2027-03-20 18:00+00');
SELECT is(pg_temp.due('zoe'), '2027-03-21', 'a tag with an end: due in the night after it, also where there is no condition');
SELECT FROM pg_temp.rule('{"program": "Shop", "event": "check_in", "name": "friend", "award": 1, "tags": "{friend}"}');
SET loyalty.now = '2027-03-20 17:59+00';
SELECT FROM loyalty.record(pg_temp.id('eve'), 'check_in', ref => 'v1');
SELECT alike(pg_temp.awards('eve', 'v1'), '%friend 1%', 'held until its end');
DELETE FROM loyalty.streak;
SET loyalty.now = '2027-03-20 18:00+00';
SELECT FROM loyalty.record(pg_temp.id('eve'), 'check_in', ref => 'v2');
SELECT alike(pg_temp.awards('eve', 'v2'), '%friend segment_mismatch%', 'not from then on');
SELECT is(pg_temp.history('eve', 'friend'), 'set friend 03-15 12:00, removed friend 03-20 18:00', 'which the next event records, as of its end');
SELECT is(pg_temp.segments('eve'), 'none', 'and judges');
SELECT ok(loyalty.tag_add(pg_temp.id('eve'), 'friend', valid_until => '2027-03-25 12:00+00'), 'again, after it had ended');
SET loyalty.now = '2027-03-27 12:00+00';
SELECT ok(NOT loyalty.tag_remove(pg_temp.id('eve'), 'friend'), 'what is over is not held');
SELECT is(pg_temp.history('eve', 'friend'), 'set friend 03-15 12:00, removed friend 03-20 18:00, set friend 03-20 18:00, removed friend 03-25 12:00', 'and was removed when it ended');
SELECT throws_ok($$SELECT loyalty.tag_add(pg_temp.id('eve'), 'frequent')$$, 'LY809', NULL, 'a tag that has a condition is not given by hand');
SELECT throws_ok($$SELECT loyalty.tag_remove(pg_temp.id('eve'), 'loyal')$$, 'LY809', NULL, 'nor taken');
SELECT throws_ok($$SELECT loyalty.tag_add(pg_temp.id('eve'), 'friend', 'rule')$$, '22023', NULL, 'rule is no source');
SELECT throws_ok($$SELECT loyalty.tag_add(pg_temp.id('eve'), 'friend', NULL)$$, '22004', NULL, 'there must be a source');
SELECT throws_ok($$SELECT loyalty.tag_add(pg_temp.id('eve'), NULL)$$, '22004', 'tag must not be null', 'there must be a tag');
SELECT throws_ok($$SELECT loyalty.tag_add(pg_temp.id('eve'), 'Big Spender')$$, '22023', 'tag is no name', 'which is a name');
SELECT throws_ok($$SELECT loyalty.tag_add(pg_temp.id('eve'), 'friend', 'By Hand')$$, '22023', NULL, 'of plain letters');
SELECT throws_ok($$SELECT loyalty.tag_add(pg_temp.id('eve'), 'friend', valid_until => '2027-03-27 12:00+00')$$, 'LY110', NULL, 'an end lies ahead');
SELECT throws_ok($$SELECT loyalty.tag_add(pg_temp.id('eve'), 'friend', valid_until => 'infinity')$$, 'LY107', NULL, 'and is finite');

-- One stage at a time
INSERT INTO loyalty.tag (program_id, name, dimension, condition) VALUES
	(:shop, 'st_active', 'lifecycle', '$.purchases.days_30.times >= 1'),
	(:shop, 'st_big', 'lifecycle', '$.purchases.days_30.amount >= 100'),
	(:shop, 'st_risk', 'lifecycle', NULL), (:shop, 'st_lost', 'lifecycle', NULL);
SELECT FROM pg_temp.refresh();
SELECT FROM loyalty.purchase(pg_temp.id('fay'), 100, 'f1');
SELECT is(pg_temp.tags('fay'), 'loyal st_active', 'stages: of those that are true the first by name');
SELECT ok(loyalty.tag_add(pg_temp.id('fay'), 'st_risk', 'model'), 'stages: one by hand');
SELECT is(pg_temp.tags('fay'), 'loyal st_risk', 'replaces that of a condition');
SELECT FROM loyalty.tag_add(pg_temp.id('fay'), 'st_lost', 'model', '2027-04-01 12:00+01');
SELECT is(pg_temp.tags('fay'), 'loyal st_lost', 'and that by hand');
SELECT FROM loyalty.purchase(pg_temp.id('fay'), 100, 'f2');
SELECT is(pg_temp.tags('fay'), 'loyal st_lost', 'no condition puts another beside it');
SET loyalty.now = '2027-04-02 12:00+00';
SELECT FROM pg_temp.refresh();
SELECT is(pg_temp.tags('fay'), 'loyal st_active', 'when it ends, conditions count again');
SELECT results_eq($$SELECT looked_at, changed FROM loyalty.tag_refresh('Plain')$$, 'VALUES (1, 1)', 'where there is no condition, what has ended is removed');
SELECT is(pg_temp.tags('zoe') || ', ' || pg_temp.history('zoe'), 'none, set guest 03-15 12:00, removed guest 03-20 18:00', 'as of its end');
SELECT is(pg_temp.history('fay', 'st_active'), 'set st_active 03-27 12:00, removed st_active 03-27 12:00, set st_active 04-02 00:00', 'from the next night on');

-- The profile
SELECT FROM loyalty.enroll('Shop', '{"customer_no": "gus"}', '{"city": "York"}');
SELECT is(pg_temp.segments('gus'), 'town', 'a profile that was completed is judged');
SELECT FROM loyalty.enroll('Shop', '{"customer_no": "hal"}', '{"city": "York", "birthday": "1990-04-17"}');
SELECT is(pg_temp.segments('hal'), 'town', 'and that of a new member');
SELECT FROM loyalty.import_member('Shop', '{"customer_no": "ivy"}', '{"city": "York"}', '{"purchases": 9, "last_purchase_at": "2026-01-01"}');
SELECT is(pg_temp.segments('ivy') || ', ' || pg_temp.tags('ivy'), 'sleepers town, asleep', 'and of one who was taken over');

-- Conditions that change
UPDATE loyalty.segment SET condition = '$.profile.city == "Leeds"' WHERE name = 'town';
UPDATE loyalty.tag SET status = 'inactive' WHERE name = 'loyal';
DELETE FROM loyalty.tag WHERE name = 'asleep';
SELECT is((loyalty.tag_refresh('Shop', 4)).left_over, true, 'edited: in batches');
SELECT FROM loyalty.tag_refresh('Shop', 4);
SELECT FROM loyalty.tag_refresh('Shop', 4);
SELECT is_empty($$SELECT tag FROM loyalty.member_tag WHERE tag IN ('loyal', 'asleep') UNION ALL SELECT segment FROM loyalty.member_segment WHERE segment IN ('town', 'sleepers')$$,
	'nobody has what is gone');
SELECT is_empty('SELECT * FROM loyalty.tag_check(''Shop'')', 'judging all anew would change nothing');
SELECT throws_ok($$SELECT loyalty.tag_refresh('Shop', 0)$$, '22023', NULL, 'tag_refresh: at least one');
SELECT throws_ok($$SELECT loyalty.tag_refresh('Show')$$, 'LY403', NULL, 'tag_refresh: no such programme');
SELECT throws_ok($$SELECT loyalty.tag_refresh(NULL)$$, '22004', NULL, 'tag_refresh: no programme');
SELECT throws_ok($$SELECT loyalty.tag_check('Show')$$, 'LY403', NULL, 'tag_check: no such programme');

-- tag_check() finds what is wrong
SELECT FROM generate_series(1, 3) n, loyalty.purchase(pg_temp.id('hal'), 10, 'h' || n);
SAVEPOINT good;
UPDATE loyalty.member_day SET amount = amount + 1 WHERE member_id = pg_temp.id('hal');
DELETE FROM loyalty.member_tag WHERE member_id = pg_temp.id('hal') AND tag = 'frequent';
INSERT INTO loyalty.member_segment VALUES (pg_temp.id('hal'), 'town', :shop, now());
UPDATE loyalty.tag_review SET due_on = '2027-12-31' WHERE member_id = pg_temp.id('hal');
SELECT results_eq($$SELECT kind, name, found, expected FROM loyalty.tag_check('Shop')$$, $$VALUES
	('tag', 'frequent', NULL, 'held'), ('segment', 'town', 'held', NULL), ('due_on', NULL, '2027-12-31', '2027-05-01'),
	('day', '2027-04-02 purchase', '3 0 3001 0', '3 0 3000 0')$$, 'tag_check: what is not as it ought to be');
ROLLBACK TO good;

-- By activities, which lock nobody: judged by the next event, or by tag_refresh()
INSERT INTO loyalty.activity_kind (program_id, kind) VALUES (:shop, 'login'), (:shop, 'search');
SELECT FROM loyalty.track(pg_temp.id('dan'), 'login', at => '2027-03-20 12:00+00');
INSERT INTO loyalty.tag (program_id, name, dimension, condition) VALUES (:shop, 'keen', 'behaviour', '$.activities.login.days_30.times >= 3');
SELECT FROM pg_temp.refresh();
SELECT is((SELECT string_agg(concat_ws(' ', day, name, times), ', ') FROM loyalty.member_day WHERE kind = 'activity'), '2027-03-20 login 1', 'activities of before are counted');
SELECT FROM loyalty.track(pg_temp.id('dan'), 'search');
SELECT FROM generate_series(1, 2) n, loyalty.track(pg_temp.id('dan'), 'login', session => 's' || n);
SELECT is(pg_temp.due('dan') || ', ' || pg_temp.tags('dan'), '2027-04-02, none', 'activities make a member due');
SELECT FROM pg_temp.refresh();
SELECT is(pg_temp.history('dan', 'keen'), 'set keen 04-02 13:00', 'and are judged then');
SELECT is(pg_temp.due('dan'), '2027-04-19', 'due when the first of them is 30 days old');
SET loyalty.now = '2027-04-20 12:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 1, 'd11');
SELECT is(pg_temp.history('dan', 'keen'), 'set keen 04-02 13:00, removed keen 04-19 00:00', 'from which day on there are too few');
SELECT is_empty('SELECT * FROM loyalty.tag_check(''Shop'')', 'judging all anew would change nothing');

-- What was counted stays when the activities are deleted, however long they are kept from then on
UPDATE loyalty.activity_kind SET retain_days = 5 WHERE program_id = :shop AND kind = 'login';
SELECT is(loyalty.activity_expire('Shop'), 3::bigint, 'activities that are over are deleted');
UPDATE loyalty.activity_kind SET retain_days = NULL WHERE program_id = :shop AND kind = 'login';
SELECT is_empty('SELECT * FROM loyalty.tag_check(''Shop'')', 'kept for longer again: nobody misses what was deleted before');
DELETE FROM loyalty.activity_kind WHERE program_id = :shop AND kind = 'search';
SELECT is(loyalty.activity_expire('Shop'), 1::bigint, 'so are those of a kind that was deleted');
INSERT INTO loyalty.activity_kind (program_id, kind) VALUES (:shop, 'search');
SELECT is_empty('SELECT * FROM loyalty.tag_check(''Shop'')', 'a kind that comes back: nor there');
UPDATE loyalty.tag SET title = title WHERE program_id = :shop;
SELECT FROM pg_temp.refresh();
SELECT is((SELECT string_agg(concat_ws(' ', day, name, times), ', ' ORDER BY day, name) FROM loyalty.member_day WHERE kind = 'activity'),
	'2027-03-20 login 1, 2027-04-02 login 2, 2027-04-02 search 1', 'and counted anew, they come to the same');

-- The session's DateStyle does not matter
INSERT INTO loyalty.tag (program_id, name, condition) VALUES (:shop, 'dated', '$.now.date starts with "2027-" && $.member.joined_on == "2026-03-15"');
SET LOCAL DateStyle = 'German';
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 1, 'd12');
SET LOCAL DateStyle = 'ISO, YMD';
SELECT is(pg_temp.history('dan', 'dated'), 'set dated 04-20 13:00', 'dates are written alike in every session');

-- Nobody can fill a day until purchases fail
SELECT loyalty.program_create('Mint', 'GBP', 'UTC') AS mint \gset
INSERT INTO loyalty.tag (program_id, name, condition) VALUES (:mint, 'hoards', '$.purchases.days_30.quantity > 9000000000000 && $.categories.tin.days_30.quantity > 9000000000000');
CALL pg_temp.enroll('Mint', 'moe');
SELECT FROM loyalty.tag_refresh('Mint');
SELECT count(*) FROM generate_series(1, 3) n, LATERAL loyalty.purchase(pg_temp.id('moe'), 10, 'm' || n,
	(SELECT jsonb_agg(jsonb_build_object('sku', i::text, 'qty', 9007199254740.992, 'price', 0, 'category', 'tin')) FROM generate_series(1, 1000) i)) OFFSET 3;
SELECT results_eq('SELECT kind, times, quantity, amount FROM loyalty.member_day WHERE member_id = pg_temp.id(''moe'') ORDER BY kind',
	'VALUES (''category'', 3, 9007199254740992, 0::bigint), (''purchase'', 3, 9007199254740992, 3000)', 'figures stop, purchases do not');
SELECT is(pg_temp.tags('moe'), 'hoards', 'and are judged');
SELECT is_empty('SELECT * FROM loyalty.tag_check(''Mint'')', 'the ledger comes to the same');

-- A plan that begins later gives its tier then: bought, and again after what says nothing of plans
SELECT loyalty.program_create('Club', 'GBP', 'Europe/London') AS club \gset
INSERT INTO loyalty.tier (program_id, code, rank, valid_months, warn_days) VALUES (:club, 'base', 0, NULL, 0), (:club, 'gold', 1, 12, 0);
INSERT INTO loyalty.plan (program_id, name, months, price, tier) VALUES (:club, 'pro', 12, 90, 'gold');
INSERT INTO loyalty.tag (program_id, name, condition) VALUES (:club, 'golden', '$.member.tier == "gold"');
SELECT FROM loyalty.tag_refresh('Club');
CALL pg_temp.enroll('Club', 'kim', 'lee');
SELECT is(pg_temp.due('kim'), NULL, 'nothing is to come');
SELECT FROM loyalty.plan_buy(pg_temp.id('kim'), 'pro', 'p1', starts_on => '2027-05-10');
SELECT FROM loyalty.plan_buy(pg_temp.id('lee'), 'pro', 'p1', starts_on => '2027-05-10');
SELECT is(pg_temp.due('kim'), '2027-05-10', 'due when the plan that was bought begins');
DELETE FROM loyalty.tag_review WHERE member_id = pg_temp.id('kim');
SELECT results_eq($$SELECT kind, found, expected FROM loyalty.tag_check('Club')$$, $$VALUES ('due_on', NULL::text, '2027-05-10')$$, 'tag_check: knows plans that begin later');
SELECT FROM loyalty.purchase(pg_temp.id('kim'), 1, 'k1');
SELECT is(pg_temp.due('kim'), '2027-05-10', 'a purchase does not forget the plan');
UPDATE loyalty.tag_review SET due_on = '2027-04-20' WHERE member_id = pg_temp.id('kim');
SELECT FROM loyalty.purchase(pg_temp.id('kim'), 1, 'k2');
SELECT is(pg_temp.due('kim'), '2027-05-10', 'nor one of who is due');
UPDATE loyalty.tag_review SET due_on = '2027-04-20' WHERE member_id = pg_temp.id('kim');
SELECT FROM loyalty.tag_refresh('Club');
SELECT is(pg_temp.due('kim'), '2027-05-10', 'nor tag_refresh()');
UPDATE loyalty.tag SET title = title WHERE program_id = :club;
SELECT FROM loyalty.tag_refresh('Club');
SELECT is(pg_temp.due('kim') || ', ' || pg_temp.due('lee'), '2027-05-10, 2027-05-10', 'nor judging all');
SET loyalty.now = '2027-05-12 12:00+00';
SELECT results_eq($$SELECT looked_at, changed FROM loyalty.tag_refresh('Club')$$, 'VALUES (2, 2)', 'then both are looked at');
SELECT is(pg_temp.history('kim') || ', ' || pg_temp.history('lee'), 'set golden 05-10 00:00, set golden 05-10 00:00', 'as of the day on which it began');
SELECT is_empty('SELECT * FROM loyalty.tag_check(''Club'')', 'judging all anew would change nothing');

-- A hold that times out gives back what it kept
INSERT INTO loyalty.tag (program_id, name, condition) VALUES (:club, 'rich', '$.member.counters.points >= 50');
SELECT FROM loyalty.tag_refresh('Club');
SELECT FROM loyalty.adjust(pg_temp.id('lee'), 60, 'points', 'gift', key => 'a1');
SELECT is(pg_temp.tags('lee'), 'golden rich', 'has enough');
SELECT pg_temp.due('lee') AS usual \gset
SELECT FROM loyalty.hold(pg_temp.id('lee'), 20, ttl => '15 minutes', ref => 'h1');
SELECT is(pg_temp.tags('lee') || ' ' || pg_temp.due('lee'), 'golden 2027-05-13', 'what is held does not count; due in the night after its time-out');
SELECT FROM loyalty.hold(pg_temp.id('lee'), 20, ttl => '1 day', ref => 'h2');
SET loyalty.now = '2027-05-12 12:30+00';
SELECT is_empty('SELECT * FROM loyalty.tag_check(''Club'')', 'nothing is wrong until then');
SET loyalty.now = '2027-05-13 03:00+00';
SELECT is_empty('SELECT * FROM loyalty.tag_check(''Club'')', 'nor in that night');
SELECT results_eq($$SELECT looked_at, changed FROM loyalty.tag_refresh('Club')$$, 'VALUES (1, 0)', 'looked at: another hold is open');
SELECT is(pg_temp.due('lee'), '2027-05-14', 'due in the night after that');
SET loyalty.now = '2027-05-13 12:30+00';
SELECT is_empty('SELECT * FROM loyalty.tag_check(''Club'')', 'nothing is wrong until then');
SET loyalty.now = '2027-05-14 03:00+00';
SELECT results_eq($$SELECT looked_at, changed FROM loyalty.tag_refresh('Club')$$, 'VALUES (1, 1)', 'then all is back');
SELECT is(pg_temp.history('lee', 'rich'), 'set rich 05-12 13:00, removed rich 05-12 13:00, set rich 05-14 00:00', 'as of that night');
SELECT is(pg_temp.due('lee'), :'usual', 'and no hold makes due');
SELECT is_empty('SELECT * FROM loyalty.tag_check(''Club'')', 'judging all anew would change nothing');

-- Using a right counts, although nothing is posted
INSERT INTO loyalty.unit (program_id, code, kind, period) VALUES (:club, 'visits', 'counter', 'year');
INSERT INTO loyalty.benefit (program_id, name, kind, unit_id, quantity)
	SELECT program_id, 'lounge', 'quota', unit_id, 2 FROM loyalty.unit WHERE program_id = :club AND code = 'visits';
SELECT loyalty.benefit_hold('Club', 'lounge', 'everyone', '') \g /dev/null
INSERT INTO loyalty.tag (program_id, name, condition) VALUES (:club, 'visitor', '$.member.counters.visits >= 1');
SELECT FROM loyalty.tag_refresh('Club');
SELECT FROM loyalty.benefit_use(pg_temp.id('lee'), 'lounge', 'b1');
SELECT is(pg_temp.history('lee', 'visitor') || ' ' || pg_temp.due('lee'), 'set visitor 05-14 04:00 2028-01-01', 'a right that was used is judged; due when its period is over');
SELECT FROM loyalty.benefit_return(pg_temp.id('lee'), 'lounge', 'b1');
SELECT is(pg_temp.history('lee', 'visitor'), 'set visitor 05-14 04:00, removed visitor 05-14 04:00', 'and given back');
SELECT is_empty('SELECT * FROM loyalty.tag_check(''Club'')', 'judging all anew would change nothing');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
