\set ECHO none
\i test/prelude.sql
SELECT plan(23);

-- Rules that ask for segments: who is in one of them when the event happens.
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind) VALUES (:shop, 'points', 'points');
INSERT INTO loyalty.program_event (program_id, event) VALUES (:shop, 'visit');
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat');
CREATE SCHEMA crm;
CREATE TABLE crm.vip (member_id bigint);
INSERT INTO loyalty.segment (program_id, name, source) VALUES (:shop, 'vip', 'crm.vip');
INSERT INTO loyalty.segment (program_id, name) VALUES (:shop, 'club'), (:shop, 'testers');
SELECT FROM pg_temp.rule('{"event": "visit", "name": "vip", "award": 1, "segments": "{vip}"}');
SELECT FROM pg_temp.rule('{"event": "visit", "name": "both", "award": 2, "segments": "{club,vip}"}');
SELECT FROM pg_temp.rule('{"event": "visit", "name": "tagged", "award": 4, "segments": "{club}", "tags": "{tea}"}');
INSERT INTO crm.vip VALUES (pg_temp.id('ann'));
SELECT FROM loyalty.segment_refresh('Shop');
SELECT loyalty.segment_add(pg_temp.id('bob'), 'club') \g /dev/null
SELECT loyalty.tag_add(pg_temp.id('bob'), 'tea') \g /dev/null
SELECT FROM unnest('{ann,bob,cat}'::text[]) who, loyalty.record(pg_temp.id(who), 'visit', ref => 'a');
SELECT is(pg_temp.awards('ann', 'a'), 'vip 1, both 2, tagged segment_mismatch', 'rules: in a source');
SELECT is(pg_temp.awards('bob', 'a'), 'vip segment_mismatch, both 2, tagged 4', 'rules: in a list, and tagged');
SELECT is(pg_temp.awards('cat', 'a'), 'vip segment_mismatch, both segment_mismatch, tagged segment_mismatch', 'rules: in none');
SELECT loyalty.segment_add(pg_temp.id('ann'), 'club') \g /dev/null
SELECT loyalty.segment_remove(pg_temp.id('bob'), 'club') \g /dev/null
TRUNCATE crm.vip;
INSERT INTO crm.vip VALUES (pg_temp.id('cat'));
SELECT FROM unnest('{ann,cat}'::text[]) who, loyalty.record(pg_temp.id(who), 'visit', ref => 'b');
SELECT is(pg_temp.awards('ann', 'b'), 'vip 1, both 2, tagged segment_mismatch', 'rules: before the source is read again');
SELECT FROM loyalty.segment_refresh('Shop', 'vip', ARRAY[pg_temp.id('ann'), pg_temp.id('cat')]);
SELECT FROM unnest('{ann,bob,cat}'::text[]) who, loyalty.record(pg_temp.id(who), 'visit', ref => 'c');
SELECT is(pg_temp.awards('ann', 'c'), 'vip segment_mismatch, both 2, tagged segment_mismatch', 'rules: left one, entered another');
SELECT is(pg_temp.awards('bob', 'c'), 'vip segment_mismatch, both segment_mismatch, tagged segment_mismatch', 'rules: left');
SELECT is(pg_temp.awards('cat', 'c'), 'vip 1, both 2, tagged segment_mismatch', 'rules: entered');
DELETE FROM loyalty.rule;

-- Conditions see them, and what they saw is kept
SELECT FROM pg_temp.rule('{"event": "visit", "name": "seen", "award": 8, "condition": "$.member.segments[*] == \"club\""}');
SELECT FROM pg_temp.rule('{"event": "visit", "name": "none", "award": 16, "condition": "!exists($.member.segments[*])"}');
SELECT FROM unnest('{ann,bob,cat}'::text[]) who, loyalty.record(pg_temp.id(who), 'visit', ref => 'd');
SELECT is(pg_temp.awards('ann', 'd'), 'seen 8, none condition_not_met', 'conditions: in it');
SELECT is(pg_temp.awards('bob', 'd'), 'seen condition_not_met, none 16', 'conditions: in none');
SELECT is(pg_temp.awards('cat', 'd'), 'seen condition_not_met, none condition_not_met', 'conditions: in another');
SELECT loyalty.segment_add(pg_temp.id('ann'), 'testers') \g /dev/null
SELECT FROM loyalty.record(pg_temp.id('ann'), 'visit', ref => 'e');
SELECT is((SELECT member -> 'segments' FROM loyalty.journal j, loyalty.explain(j.member_id, j.journal_id) x WHERE j.ref = 'e' AND x.place = 1),
	'["club", "testers"]'::jsonb, 'explain: in order of name');
SELECT is((SELECT member -> 'segments' FROM loyalty.journal j, loyalty.explain(j.member_id, j.journal_id) x
	WHERE j.ref = 'd' AND j.member_id = pg_temp.id('ann') AND x.place = 1), '["club"]'::jsonb, 'explain: as they were');
DELETE FROM loyalty.rule;

-- A member who does not exist yet is in none; a preview sees what there is
SELECT FROM pg_temp.rule('{"event": "signup", "name": "new", "award": 1, "segments": "{vip}"}');
SELECT FROM pg_temp.rule('{"name": "order", "award": 1, "segments": "{vip}"}');
SELECT FROM loyalty.sale('Shop', '{"customer_no": "dan"}', 10, 's1');
SELECT is(pg_temp.balance('dan'), 'nothing', 'who joins is in none');
SELECT is(pg_temp.moved(loyalty.purchase(pg_temp.id('cat'), 5, mode => 'dry', ref => 'p')), '1 points', 'a preview');
SELECT FROM loyalty.ingest_batch('Shop', ARRAY[ROW('1', pg_temp.id('cat'), NULL, 'purchase', 5, 'i1', NULL, NULL, NULL, NULL, NULL)]::loyalty.ingest_row[], 'test');
SELECT is(pg_temp.awards('cat', 'i1'), 'order 1', 'a batch');
DELETE FROM loyalty.rule;

-- Simulation: tags and segments as they were before each event, by their histories
SELECT loyalty.program_create('Past', 'GBP', 'Europe/London', 'empty') AS past \gset
INSERT INTO loyalty.unit (program_id, code, kind) VALUES (:past, 'points', 'points');
INSERT INTO loyalty.campaign (program_id, name) VALUES (:past, 'spring');
INSERT INTO loyalty.segment (program_id, name) VALUES (:past, 'club'), (:past, 'other');
SET loyalty.now = '2026-04-01 09:00+00';
CALL pg_temp.enroll('Past', 'pam', 'pat');
SELECT FROM pg_temp.rule('{"program": "Past", "name": "base", "award": 1}');
-- pam: not in it, in it, out again, in it to the end
SELECT FROM loyalty.purchase(pg_temp.id('pam'), 1, 'o1');
SELECT loyalty.segment_add(pg_temp.id('pam'), 'club') \g /dev/null
SELECT FROM loyalty.purchase(pg_temp.id('pam'), 1, 'o2');
SELECT FROM loyalty.purchase(pg_temp.id('pam'), 1, 'o3');
SELECT loyalty.segment_remove(pg_temp.id('pam'), 'club') \g /dev/null
SELECT FROM loyalty.purchase(pg_temp.id('pam'), 1, 'o4');
SELECT loyalty.segment_add(pg_temp.id('pam'), 'club') \g /dev/null
SELECT FROM loyalty.purchase(pg_temp.id('pam'), 1, 'o5');
-- pat: in another; in this one after the last event
SELECT loyalty.segment_add(pg_temp.id('pat'), 'other') \g /dev/null
SELECT FROM loyalty.purchase(pg_temp.id('pat'), 1, 'o1');
SELECT loyalty.segment_add(pg_temp.id('pat'), 'club') \g /dev/null
-- what the campaign would have awarded, by member and order
CREATE FUNCTION pg_temp.simulated() RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(i.value || ' ' || j.ref || ' ' || trim_scale(s.amount), ', ' ORDER BY i.value, j.ref), 'nothing')
	FROM loyalty.simulate_postings('Past', 'spring') s JOIN loyalty.journal j USING (member_id, journal_id) JOIN loyalty.identity i USING (member_id)
$$;
SELECT campaign_id AS spring FROM loyalty.campaign WHERE name = 'spring' \gset
SELECT pg_temp.rule(format('{"program": "Past", "name": "club", "award": 10, "segments": "{club}", "campaign_id": %s}', :spring)::jsonb) AS rule \gset
SELECT is(pg_temp.simulated(), 'pam o2 10, pam o3 10, pam o5 10', 'simulate: segments as of then');
UPDATE loyalty.rule SET segments = '{other}' WHERE rule_id = :rule;
SELECT is(pg_temp.simulated(), 'pat o1 10', 'simulate: another');
UPDATE loyalty.rule SET segments = NULL, condition = '$.member.segments[*] == "club"' WHERE rule_id = :rule;
SELECT is(pg_temp.simulated(), 'pam o2 10, pam o3 10, pam o5 10', 'simulate: seen by a condition');
UPDATE loyalty.rule SET segments = '{club}', condition = NULL WHERE rule_id = :rule;

-- Tags: given by hand and over by date, taken away, and one from before there was a history
CALL pg_temp.enroll('Past', 'tim', 'tom');
INSERT INTO loyalty.tag_history (member_id, history_id, program_id, tag, action, source, changed_at)
SELECT pg_temp.id('tim'), loyalty.next_id(), :past, 'tea', 'set', 'hand', '2026-04-01 09:00+00';
SET loyalty.now = '2026-04-02 09:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('tim'), 1, 'o1');
SET loyalty.now = '2026-04-04 09:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('tim'), 1, 'o2');
INSERT INTO loyalty.tag_history (member_id, history_id, program_id, tag, action, source, changed_at)
SELECT pg_temp.id('tim'), loyalty.next_id(), :past, 'tea', 'removed', 'hand', '2026-04-03 09:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('tim'), 1, 'o3');
INSERT INTO loyalty.tag_history (member_id, history_id, program_id, tag, action, source, changed_at)
SELECT pg_temp.id('tim'), loyalty.next_id(), :past, 'tea', 'set', 'rule', '2026-04-04 09:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('tim'), 1, 'o4');
INSERT INTO loyalty.tag_history (member_id, history_id, program_id, tag, action, source, changed_at)
SELECT pg_temp.id('tim'), loyalty.next_id(), :past, 'tea', 'removed', 'rule', '2026-04-04 09:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('tim'), 1, 'o5');
INSERT INTO loyalty.member_tag (member_id, tag, program_id, tagged_at, valid_until) SELECT pg_temp.id('tom'), 'tea', :past, '2026-04-04 10:00+00', '2026-04-06 00:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('tom'), 1, 'o1');
SET loyalty.now = '2026-04-05 09:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('tom'), 1, 'o2');
SET loyalty.now = '2026-04-06 09:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('tom'), 1, 'o3');
UPDATE loyalty.rule SET segments = NULL, tags = '{tea}' WHERE rule_id = :rule;
SELECT is(pg_temp.simulated(), 'tim o1 10, tim o4 10, tom o2 10', 'simulate: tags as of then, and no longer than they were valid');
-- by the functions: over by date, refreshed away, given anew, taken away
CALL pg_temp.enroll('Past', 'ted');
SELECT loyalty.tag_add(pg_temp.id('ted'), 'tea', valid_until => '2026-04-07 09:00+00') \g /dev/null
SELECT FROM loyalty.purchase(pg_temp.id('ted'), 1, 'o1');
SET loyalty.now = '2026-04-08 09:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('ted'), 1, 'o2');
SELECT FROM loyalty.tag_refresh('Past');
SELECT FROM loyalty.purchase(pg_temp.id('ted'), 1, 'o3');
SELECT loyalty.tag_add(pg_temp.id('ted'), 'tea') \g /dev/null
SELECT FROM loyalty.purchase(pg_temp.id('ted'), 1, 'o4');
SELECT loyalty.tag_remove(pg_temp.id('ted'), 'tea') \g /dev/null
SELECT FROM loyalty.purchase(pg_temp.id('ted'), 1, 'o5');
SELECT is(pg_temp.simulated(), 'ted o1 10, ted o4 10, tim o1 10, tim o4 10, tom o2 10', 'simulate: tags given and taken by the functions');
-- judged by a condition: the seventh order within the month brings the tag, and that the segment
INSERT INTO loyalty.tag (program_id, name, condition) VALUES (:past, 'busy', '$.purchases.month.times >= 7');
INSERT INTO loyalty.segment (program_id, name, condition) VALUES (:past, 'busy', '$.member.tags[*] == "busy"');
SELECT FROM loyalty.tag_refresh('Past');
SELECT FROM generate_series(6, 9) n, loyalty.purchase(pg_temp.id('ted'), 1, 'o' || n);
UPDATE loyalty.rule SET tags = '{busy}' WHERE rule_id = :rule;
SELECT is(pg_temp.simulated(), 'ted o8 10, ted o9 10', 'simulate: a tag that an event brings is seen by the next one');
UPDATE loyalty.rule SET tags = NULL, segments = '{busy}' WHERE rule_id = :rule;
SELECT is(pg_temp.simulated(), 'ted o8 10, ted o9 10', 'simulate: and so is a segment');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
