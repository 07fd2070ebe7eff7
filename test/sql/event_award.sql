\set ECHO none
\i test/prelude.sql
SELECT plan(45);

SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
UPDATE loyalty.program SET tier_refund = 'immediate' WHERE program_id = :shop;
INSERT INTO loyalty.unit (program_id, code, kind, scale, vest_days, expiry, expiry_count, debt_policy) VALUES
	(:shop, 'miles', 'points', 1, 7, 'days', 30, 'debt'), (:shop, 'short', 'points', 0, 3, 'days', 3, 'limit');
INSERT INTO loyalty.unit (program_id, code, kind, period) VALUES (:shop, 'daily', 'counter', 'day');
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:shop, 'base', 0), (:shop, 'gold', 1);
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, window_kind)
SELECT :shop, t.tier_id, u.unit_id, 100, 'lifetime' FROM loyalty.tier t, loyalty.unit u WHERE t.code = 'gold' AND u.program_id = :shop AND u.code = 'spend';
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay');

SELECT is(pg_temp.signature('award'), '(member_id bigint, amount numeric, unit text, reason text, vests_on date DEFAULT NULL::date, expires_on date DEFAULT NULL::date, ref text DEFAULT NULL::text, '
	'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text) -> loyalty.receipt', 'award(): arguments');
SELECT is(pg_temp.signature('award_undo'), '(member_id bigint, award bigint, reason text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, '
	'mode text DEFAULT ''do''::text) -> loyalty.receipt', 'award_undo(): arguments');

-- What it gives
SELECT is(pg_temp.moved(r), '25 points', 'an award') FROM loyalty.award(pg_temp.id('ann'), 25, 'points', 'birthday', key => 'k1') r;
SELECT FROM loyalty.award(pg_temp.id('ann'), 5, 'points', 'birthday', expires_on => '2026-06-30', ref => 'r1');
SELECT FROM loyalty.award(pg_temp.id('ann'), 7, 'points', 'promise', '2026-04-01', key => 'k2');
SELECT is(pg_temp.lots('ann'), '5 b until 2026-06-30, 25 b until 2027-03-31, 7 b from 2026-04-01 until 2027-03-31', 'a bonus, with the unit''s expiry or its own');
SELECT FROM loyalty.award(pg_temp.id('ann'), 2.5, 'miles', 'promise', key => 'k3');
SELECT is(pg_temp.lots('ann', 'miles'), '2.5 b from 2026-03-22 until 2026-04-14', 'vests as the unit says');
SELECT FROM loyalty.award(pg_temp.id('ann'), 4, 'miles', 'at once', vests_on => '2026-03-15', key => 'k4');
SELECT is(pg_temp.balance('ann', 'miles'), '4 available, 2.5 pending', 'or at once, where that is asked for');
SELECT FROM loyalty.award(pg_temp.id('ann'), 1, 'short', 'late', key => 'k5', at => '2026-03-13 12:00+00');
SELECT is(pg_temp.lots('ann', 'short'), '1 b from 2026-03-16 until 2026-03-16', 'dated: both count from then');
SELECT results_eq($$SELECT kind, amount, reason, ref FROM loyalty.journal WHERE member_id = pg_temp.id('ann') AND ref = 'r1'$$, $$VALUES ('award', 5::bigint, 'birthday', 'r1')$$, 'the row');
SELECT is(pg_temp.step(r), 'base -> gold', 'a metric counts towards the tier') FROM loyalty.award(pg_temp.id('bob'), 100, 'spend', 'moved', key => 'k1') r;
SELECT is((SELECT reason FROM loyalty.explain(pg_temp.id('ann'), (SELECT journal_id FROM loyalty.journal WHERE ref = 'r1'))), 'given', 'explained');

-- Modes and keys
SELECT is((SELECT replayed FROM loyalty.award(pg_temp.id('ann'), 25.00, 'points', 'birthday', key => 'k1')), true, 'replayed');
SELECT is(pg_temp.raised($$SELECT FROM loyalty.award(pg_temp.id('ann'), 26, 'points', 'birthday', key => 'k1')$$) ~ '^LY002', true, 'another request');
SELECT is((SELECT status FROM loyalty.award(pg_temp.id('ann'), 25, 'points', 'x', key => 'k9', mode => 'dry')), 'dry', 'dry');
SELECT is(pg_temp.balance('ann'), '30 available, 7 pending', 'nothing was given twice');
SELECT is((SELECT reason FROM loyalty.award(pg_temp.id('ann'), 25, 'stars', 'x', key => 'k9', mode => 'try')), 'unknown_unit', 'try');
SELECT throws_ok(format('SELECT FROM loyalty.award(pg_temp.id(''ann''), %s)', arguments), code, NULL, arguments)
FROM (VALUES ($$1, 'points', 'x'$$, 'LY001'), ($$1, 'points', ' ', key => 'n'$$, 'LY160'), ($$1, 'points', NULL, key => 'n'$$, 'LY160'), ($$0, 'points', 'x', key => 'n'$$, 'LY101'), ($$-1, 'points', 'x', key => 'n'$$, 'LY101'),
	($$0.5, 'points', 'x', key => 'n'$$, 'LY103'), ($$'NaN', 'points', 'x', key => 'n'$$, 'LY104'), ($$1e17, 'points', 'x', key => 'n'$$, 'LY102'), ($$1, 'daily', 'x', key => 'n'$$, 'LY106'), ($$1, 'spend', 'x', expires_on => '2026-06-30', key => 'n'$$, 'LY106'),
	($$1, 'points', 'x', expires_on => '2026-03-14', key => 'n'$$, 'LY110'), ($$1, 'points', 'x', '2026-05-01', '2026-04-30', key => 'n'$$, 'LY111'), ($$1, 'points', 'x', '-infinity', key => 'n'$$, 'LY107'),
	($$NULL, 'points', 'x', key => 'n'$$, '22004'), ($$1, NULL, 'x', key => 'n'$$, '22004'), ($$1, 'points', 'x', key => 'n', at => '2026-03-17 00:00+00'$$, 'LY108')) v (arguments, code);

-- Taking back
SELECT journal_id AS bday FROM loyalty.journal WHERE member_id = pg_temp.id('ann') AND key = 'k1' \gset
SELECT is(pg_temp.moved(r), '-25 points', 'taken back from its own lot') FROM loyalty.award_undo(pg_temp.id('ann'), :bday, 'a mistake') r;
SELECT is((SELECT replayed FROM loyalty.award_undo(pg_temp.id('ann'), :bday, 'a mistake')), true, 'the same request replays');
SELECT is(pg_temp.raised(format($$SELECT FROM loyalty.award_undo(pg_temp.id('ann'), %s, 'again', key => 'u1')$$, :bday)) ~ '^LY131', true, 'once is enough');
SELECT is(pg_temp.raised($$SELECT FROM loyalty.award_undo(pg_temp.id('ann'), 1, 'x')$$), 'LY133 award=1', 'no such award');
SELECT is(pg_temp.raised(format($$SELECT FROM loyalty.award_undo(pg_temp.id('bob'), %s, 'x')$$, :bday)), 'LY133 award=' || :bday, 'nor of another member');
SELECT throws_ok(format($$SELECT FROM loyalty.award_undo(pg_temp.id('ann'), %s, '')$$, :bday), 'LY160', NULL, 'a reason is required');
SELECT is(pg_temp.step(r), 'gold -> base', 'a metric that is taken back takes the tier') FROM loyalty.award_undo(pg_temp.id('bob'), (SELECT journal_id FROM loyalty.journal WHERE member_id = pg_temp.id('bob') AND kind = 'award'), 'x') r;
SELECT FROM loyalty.award(pg_temp.id('cat'), 10, 'miles', 'x', vests_on => '2026-03-15', key => 'k1');
SELECT FROM loyalty.redeem(pg_temp.id('cat'), 8, 'miles', key => 'k2');
SELECT FROM loyalty.award_undo(pg_temp.id('cat'), (SELECT journal_id FROM loyalty.journal WHERE member_id = pg_temp.id('cat') AND kind = 'award'), 'x', key => 'u');
SELECT is(pg_temp.balance('cat', 'miles'), '8 debt', 'spent: debt, by the unit''s policy');
SELECT FROM loyalty.award(pg_temp.id('dan'), 10, 'short', 'x', vests_on => '2026-03-15', key => 'k1');
SELECT FROM loyalty.redeem(pg_temp.id('dan'), 10, 'short', key => 'k2');
SELECT is((SELECT messages -> 0 ->> 'code' FROM loyalty.award_undo(pg_temp.id('dan'), (SELECT journal_id FROM loyalty.journal WHERE member_id = pg_temp.id('dan') AND kind = 'award'), 'x', key => 'u')), 'forgiven', 'or forgiven');
SELECT FROM loyalty.award(pg_temp.id('eve'), 10, 'miles', 'x', vests_on => '2026-03-15', key => 'k1');
SET loyalty.now = '2026-05-15 12:00+00';
SELECT is((SELECT messages -> 0 ->> 'code' FROM loyalty.award_undo(pg_temp.id('eve'), (SELECT journal_id FROM loyalty.journal WHERE member_id = pg_temp.id('eve') AND kind = 'award'), 'x', key => 'u')), 'lapsed', 'what has lapsed is not taken');
SET loyalty.now = '2026-03-15 12:00+00';

-- What listening costs: nothing where nobody listens, one row where somebody does.
CREATE FUNCTION pg_temp.touched() RETURNS bigint LANGUAGE sql AS
	$$SELECT seq_scan + coalesce(idx_scan, 0) + n_tup_ins + n_tup_upd FROM pg_stat_xact_user_tables WHERE relid = 'loyalty.automation_run'::regclass$$;
SELECT pg_temp.touched() AS before \gset
SELECT FROM loyalty.purchase(pg_temp.id('fay'), 10, 'o1');
SELECT FROM loyalty.tag_add(pg_temp.id('fay'), 'x');
SELECT FROM loyalty.refund(pg_temp.id('fay'), 'o1');
SELECT is(pg_temp.touched(), :before::bigint, 'without an automation no statement asks for runs');
INSERT INTO loyalty.automation (program_id, name, trigger_kind, trigger_name, status) VALUES (:shop, 'wish', 'event', 'share', 'live');
INSERT INTO loyalty.automation_step (automation_id, program_id, position, kind, tag) SELECT automation_id, :shop, 1, 'tag_add', 'y' FROM loyalty.automation;
SELECT FROM loyalty.purchase(pg_temp.id('fay'), 10, 'o2');
SELECT FROM loyalty.tag_add(pg_temp.id('fay'), 'z');
SELECT is(pg_temp.touched(), :before::bigint, 'nor with one that listens to something else');
SELECT FROM loyalty.record(pg_temp.id('fay'), 'share');
SELECT is((SELECT n_tup_ins FROM pg_stat_xact_user_tables WHERE relid = 'loyalty.automation_run'::regclass), 1::bigint, 'one row, where one listens');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'verify()');
SELECT * FROM finish();
ROLLBACK;
