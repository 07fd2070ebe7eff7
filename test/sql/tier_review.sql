\set ECHO none
\i test/prelude.sql
SELECT plan(120);

-- ask('Shop', 'gold', 3000): entry by growth in the last 12 months
CREATE PROCEDURE pg_temp.ask(program text, tier text, threshold numeric, purpose text DEFAULT 'entry',
	window_kind text DEFAULT 'rolling', months int DEFAULT 12, unit text DEFAULT 'growth')
LANGUAGE sql AS $$
	INSERT INTO loyalty.tier_threshold (program_id, tier_id, purpose, unit_id, threshold, window_kind, months)
	SELECT p.program_id, t.tier_id, ask.purpose, u.unit_id, ask.threshold, ask.window_kind,
		CASE WHEN ask.window_kind = 'rolling' THEN ask.months END
	FROM loyalty.program p
	JOIN loyalty.tier t ON t.program_id = p.program_id AND t.code = ask.tier
	JOIN loyalty.unit u ON u.program_id = p.program_id AND u.code = ask.unit
	WHERE p.name = ask.program
$$;
CREATE FUNCTION pg_temp.program(name text, zone text) RETURNS int
LANGUAGE sql AS $$
	WITH p AS (SELECT loyalty.program_create(name, 'CNY', zone, 'empty') AS program_id),
	u AS (INSERT INTO loyalty.unit (program_id, code, kind, expiry) SELECT program_id, 'growth', 'metric', 'never' FROM p RETURNING program_id, unit_id),
	r AS (INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, per) SELECT program_id, 'purchase', unit_id, 'per_amount', 1, 1 FROM u)
	SELECT program_id FROM p
$$;
CREATE FUNCTION pg_temp.buy(name text, amount numeric, at timestamptz DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$ SELECT pg_temp.step(r) FROM loyalty.purchase(pg_temp.id(name), amount, 'o' || clock_timestamp(), at => at) r $$;
CREATE FUNCTION pg_temp.review(name text) RETURNS text
LANGUAGE sql AS $$ SELECT pg_temp.step(r) || CASE WHEN r.journal_id IS NULL THEN ', nothing due' ELSE '' END FROM loyalty.tier_review(pg_temp.id(name)) r $$;
-- 'warned 2027-02-12, prolonged 2027-03-15': from the first review on
CREATE FUNCTION pg_temp.reviews(name text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(format('%s %s', h.action, to_char(h.effective_at AT TIME ZONE p.time_zone,
		CASE WHEN (h.effective_at AT TIME ZONE p.time_zone)::time = '00:00' THEN 'YYYY-MM-DD' ELSE 'YYYY-MM-DD HH24:MI:SS' END)), ', ' ORDER BY h.journal_id, h.line), 'none')
	FROM loyalty.tier_history h JOIN loyalty.program p USING (program_id)
	WHERE h.member_id = pg_temp.id($1) AND h.action NOT IN ('joined', 'promoted', 'granted')
$$;
CREATE FUNCTION pg_temp.keep(name text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(format('%s of %s in %s..%s by %s, then %s', trim_scale(reached), trim_scale(threshold),
		to_char(window_from, 'YYYY-MM-DD'), to_char(window_until, 'YYYY-MM-DD'), to_char(keep_by, 'YYYY-MM-DD'),
		concat_ws(' ', coalesce(projected_tier, 'none'), nullif(projected_state, 'normal'))), '; '), 'nothing')
	FROM loyalty.tier_progress(pg_temp.id(name)) WHERE purpose = 'retention'
$$;

SELECT pg_temp.program('Shop', 'Asia/Shanghai') AS shop \gset
INSERT INTO loyalty.tier (program_id, code, rank, valid_months, grace_days, demotion) VALUES
	(:shop, 'ordinary', 0, NULL, 0, 'one_level'), (:shop, 'silver', 1, 12, 0, 'one_level'),
	(:shop, 'gold', 2, 12, 30, 'one_level'), (:shop, 'diamond', 3, 12, 0, 'to_qualified'), (:shop, 'star', 4, 6, 0, 'never');
CALL pg_temp.ask('Shop', 'silver', 1000);
CALL pg_temp.ask('Shop', 'gold', 3000);
CALL pg_temp.ask('Shop', 'gold', 2000, 'retention', 'tier_start');
CALL pg_temp.ask('Shop', 'diamond', 10000);
CALL pg_temp.ask('Shop', 'star', 50000, 'entry', 'lifetime');
CALL pg_temp.ask('Shop', 'star', 1, 'retention', 'tier_start');
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay', 'guy', 'hal', 'ivy', 'jan', 'kim', 'leo');

-- Warned, then prolonged.
SELECT is(pg_temp.buy('ann', 1000), 'ordinary -> silver', 'silver on 15 March');
SELECT is(pg_temp.keep('ann'), '0 of 1000 in 2026-04-01..2027-03-14 by 2027-03-14, then ordinary', 'what is asked for to keep it: the entry again');
SET loyalty.now = '2027-02-11 23:59:59+08';
SELECT is(pg_temp.review('ann'), 'silver -> silver, nothing due', '31 days before the end nothing is due');
SELECT is((SELECT format('%s %s %s', status, replayed, postings) FROM loyalty.tier_review(pg_temp.id('ann'))), 'done f {}', 'which is no replay');
SET loyalty.now = '2027-02-12 00:00+08';
SELECT is(pg_temp.review('ann'), 'silver -> silver', 'from local midnight, 30 days before the end, a review is');
SELECT is(pg_temp.tier('ann'), 'silver until 2027-03-14 warned', 'the member is warned');
SELECT is(pg_temp.tiers('ann'), 'joined ordinary, promoted silver 1000/1000 growth, warned silver 0/1000 growth', 'and the history says why');
SELECT is(pg_temp.review('ann'), 'silver -> silver, nothing due', 'once');
SELECT is(pg_temp.buy('ann', 999, '2026-12-24 12:00+08'), 'silver -> silver', '999 points, late');
SELECT is(pg_temp.keep('ann'), '999 of 1000 in 2026-04-01..2027-03-14 by 2027-03-14, then ordinary', 'are one too few');
SET loyalty.now = '2027-03-14 23:59:59+08';
SELECT is(pg_temp.buy('ann', 1), 'silver -> silver', 'the last one in the last second');
SET loyalty.now = '2027-03-15 00:00+08';
SELECT is(pg_temp.tier('ann'), 'silver until 2028-03-14', 'prolongs for another twelve months');
SELECT is(pg_temp.buy('ann', 5), 'silver -> silver', 'and the next call posts it');
SELECT is(pg_temp.reviews('ann'), 'warned 2027-02-12, prolonged 2027-03-15', 'dated local midnight of the day after');
SELECT is(pg_temp.tiers('ann'), 'joined ordinary, promoted silver 1000/1000 growth, warned silver 0/1000 growth, prolonged silver 1000/1000 growth', 'with what decided');
SELECT results_eq($$SELECT kind, event, request_hash IS NULL, b.code, a.code FROM loyalty.journal j
	JOIN loyalty.tier b ON b.tier_id = tier_before JOIN loyalty.tier a ON a.tier_id = tier_after
	WHERE j.member_id = pg_temp.id('ann') AND j.kind = 'tier_review' AND EXISTS (SELECT FROM loyalty.tier_history h WHERE h.member_id = j.member_id AND h.journal_id = j.journal_id)$$,
	$$VALUES ('tier_review', NULL, true, 'silver', 'silver'), ('tier_review', NULL, true, 'silver', 'silver')$$, 'in rows of their own, which nobody called');

-- Demoted, read before it is posted.
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.buy('bob', 1000), 'ordinary -> silver', 'another one, and then nothing');
SET loyalty.now = '2027-03-14 23:59:59+08';
SELECT is(pg_temp.tier('bob'), 'silver until 2027-03-14 warned', 'a second before the end');
SET loyalty.now = '2027-03-15 00:00+08';
SELECT is(pg_temp.tier('bob') || ', ' || pg_temp.reviews('bob'), 'ordinary, none', 'the end of a tier does not wait for a job');
SELECT is((SELECT tier FROM loyalty.member_get('Shop', 'customer_no', 'bob')), 'ordinary', 'at the till');
SELECT is((SELECT tier FROM loyalty.report_member WHERE member_id = pg_temp.id('bob')), 'ordinary', 'and in the report');
SELECT is(string_agg(loyalty.tier_at(pg_temp.id('bob'), at), ', ' ORDER BY at), 'silver, ordinary, ordinary', 'nor at any time')
FROM unnest('{2027-03-14 23:59:59+08, 2027-03-15 00:00+08, 2028-01-01}'::timestamptz[]) at;
SET loyalty.now = '2027-06-01 12:00+08';
SELECT is((SELECT pg_temp.step(r) FROM loyalty.record(pg_temp.id('bob'), 'share') r), 'ordinary -> ordinary', 'a later call is judged by the tier that is left');
SELECT is(pg_temp.reviews('bob'), 'warned 2027-02-12, demoted 2027-03-15', 'and posts what was due, dated then');
SELECT is(string_agg(loyalty.tier_at(pg_temp.id('bob'), at), ', ' ORDER BY at), 'silver, ordinary, ordinary', 'which leaves the past as it was')
FROM unnest('{2027-03-14 23:59:59+08, 2027-03-15 00:00+08, 2028-01-01}'::timestamptz[]) at;
SELECT is(pg_temp.journal('bob'), 'event signup, event purchase ' || (SELECT ref FROM loyalty.journal WHERE member_id = pg_temp.id('bob') AND event = 'purchase')
	|| ', tier_review, tier_review, event share', 'in the order of time');

-- Grace: what is reached in it counts, and only that much longer.
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.buy('cat', 2900), 'ordinary -> silver', '2900');
SELECT is(pg_temp.buy('cat', 100), 'silver -> gold', 'and 100: gold in the same month');
SELECT is(pg_temp.keep('cat'), '0 of 2000 in 2026-03-15..2027-03-14 by 2027-03-14, then gold grace', 'since tier start: what led to it does not count again');
SELECT FROM unnest('{dan,eve}'::text[]) n, LATERAL pg_temp.buy(n, 3000);
SET loyalty.now = '2026-03-31 23:59:59+08';
SELECT FROM pg_temp.buy('cat', 1500);
SELECT is(pg_temp.keep('cat'), '1500 of 2000 in 2026-03-15..2027-03-14 by 2027-03-14, then gold grace', 'what comes after it does, in the same month too');
SET loyalty.now = '2027-03-20 12:00+08';
SELECT is(pg_temp.tier('cat'), 'gold until 2027-04-13 grace', 'the end has passed: 30 days of grace');
SELECT is(pg_temp.keep('cat'), '1500 of 2000 in 2026-03-15..2027-04-13 by 2027-04-13, then silver', 'to reach the rest in');
SELECT is(pg_temp.buy('cat', 499), 'gold -> gold', '499 of 500');
SELECT is(pg_temp.tier('cat'), 'gold until 2027-04-13 grace', 'are not enough');
SET loyalty.now = '2027-04-13 23:59:59+08';
SELECT is(pg_temp.buy('cat', 1), 'gold -> gold', 'in the last second of grace');
SELECT is(pg_temp.tier('cat'), 'gold until 2028-03-14', 'the tier is kept, until when it would have been');
SELECT is(pg_temp.reviews('cat'), 'warned 2027-02-12, grace 2027-03-15, prolonged 2027-04-13 23:59:59', 'seen with the purchase');
SELECT is(pg_temp.keep('cat'), '0 of 2000 in 2027-04-13..2028-03-14 by 2028-03-14, then gold grace', 'what saved it does not count twice');
SELECT is(pg_temp.buy('dan', 1999), 'gold -> gold', 'one too few');
SET loyalty.now = '2027-04-14 00:00+08';
SELECT is(pg_temp.tier('dan'), 'silver until 2028-04-13', 'one level down when grace is over');
SELECT is(pg_temp.review('dan'), 'gold -> silver', 'posted');
SELECT is(pg_temp.reviews('dan'), 'warned 2027-02-12, grace 2027-03-15, demoted 2027-04-14', 'from that day on');
SELECT is((SELECT h.window_from || ' ' || h.window_until FROM loyalty.tier_history h WHERE member_id = pg_temp.id('dan') AND action = 'demoted'), '2026-03-15 2027-04-13', 'by what was reached until then');
-- nobody has looked at eve for years
SET loyalty.now = '2030-01-01 12:00+08';
SELECT is(pg_temp.tier('eve'), 'ordinary', 'level by level, while nobody looked');
SELECT FROM loyalty.account_settle(pg_temp.id('eve'));
SELECT is(pg_temp.reviews('eve'), 'warned 2027-02-12, grace 2027-03-15, demoted 2027-04-14, warned 2028-03-14, demoted 2028-04-14', 'each on its day');
SELECT is((SELECT due_on FROM loyalty.account WHERE member_id = pg_temp.id('eve')), 'infinity', 'and then nothing more is due');

-- To the qualified level; never.
SET loyalty.now = '2026-03-15 12:00+00';
SELECT FROM (VALUES ('fay', 10000), ('guy', 10000), ('hal', 50000)) v(name, amount), LATERAL pg_temp.buy(name, amount);
SELECT is(pg_temp.tier('hal'), 'star until 2026-09-14', 'a star is one for six months');
SET loyalty.now = '2027-01-10 12:00+08';
SELECT is(pg_temp.buy('fay', 1200), 'diamond -> diamond', '1200 of 10000');
SET loyalty.now = '2027-03-15 00:00+08';
SELECT is(pg_temp.review('fay') || ', ' || pg_temp.tier('fay'), 'diamond -> silver, silver until 2028-03-14', 'to_qualified: to the level that 1200 are enough for');
SELECT is(pg_temp.review('guy') || ', ' || pg_temp.tier('guy'), 'diamond -> ordinary, ordinary', 'or to the lowest');
SELECT is(pg_temp.review('hal') || ', ' || pg_temp.tier('hal'), 'star -> star, star until 2027-09-14', 'never: prolonged, whatever was reached');
SELECT is(pg_temp.reviews('hal'), 'warned 2026-08-15, prolonged 2026-09-15, warned 2027-02-12, prolonged 2027-03-15', 'warned all the same');

-- By hand.
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is((SELECT pg_temp.step(r) FROM loyalty.tier_grant(pg_temp.id('ivy'), 'gold', 'a good friend') r), 'ordinary -> gold', 'granted');
SELECT is(pg_temp.tier('ivy') || ', ' || pg_temp.tiers('ivy'), 'gold until 2027-03-14, joined ordinary, granted gold', 'as long as the tier is valid');
SELECT results_eq($$SELECT kind, reason, request_hash IS NOT NULL FROM loyalty.journal WHERE member_id = pg_temp.id('ivy') AND kind = 'tier_grant'$$,
	$$VALUES ('tier_grant', 'a good friend', true)$$, 'with the reason');
SELECT is((SELECT pg_temp.step(r) FROM loyalty.tier_grant(pg_temp.id('jan'), 'silver', 'test', '2026-06-30', '2026-06-30') r), 'ordinary -> silver', 'until a date, and locked');
SELECT is(pg_temp.keep('jan'), '0 of 1000 in 2025-07-01..2026-06-30 by 2026-06-30, then ordinary', 'what the period asks for');
SELECT is((SELECT pg_temp.step(r) FROM loyalty.tier_grant(pg_temp.id('kim'), 'silver', 'test', locked_until => '2028-01-31') r), 'ordinary -> silver', 'locked for longer than it is valid');
SELECT is(pg_temp.tier('kim'), 'silver until 2028-01-31', 'it is held as long as the lock');
SELECT is((SELECT pg_temp.step(r) FROM loyalty.tier_grant(pg_temp.id('kim'), 'ordinary', 'sorry', mode => 'dry') r), 'silver -> ordinary', 'a grant may lead down');
SELECT is(pg_temp.buy('kim', 3000), 'silver -> gold', 'promotion goes on under a lock');
SELECT is(pg_temp.tier('kim'), 'gold until 2028-01-31', 'which stays');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.tier_grant(pg_temp.id('leo'), $$ || arguments || ')'), error, error || ' for ' || arguments)
FROM (VALUES
	($$'pearl', 'test'$$, 'LY406 tier=pearl'),
	($$'gold', ''$$, 'LY160 reason is empty'),
	($$'gold', NULL$$, 'LY160 reason is empty'),
	($$NULL, 'test'$$, '22004'),
	($$'gold', 'test', '2026-03-14'$$, 'LY110 until lies before today'),
	($$'gold', 'test', '2026-12-31', '2026-03-14'$$, 'LY110 locked_until lies before today'),
	($$'gold', 'test', '-infinity'$$, 'LY110 until lies before today'),
	($$'gold', 'test', 'infinity'$$, 'LY107 until lies after the year 9999'),
	($$'gold', 'test', '2026-12-31', '2027-01-01'$$, 'LY111 until lies before locked_until'),
	($$'gold', 'test', at => '2026-03-20'$$, 'LY108 at=2026-03-20 00:00:00+00')
) v(arguments, error);
SELECT is((SELECT format('%s %s', status, reason) FROM loyalty.tier_grant(pg_temp.id('leo'), 'pearl', 'test', mode => 'try')), 'refused unknown_tier', 'or in the receipt');
SELECT is(pg_temp.tiers('leo'), 'joined ordinary', 'with nothing written');
SELECT throws_ok($$SELECT * FROM loyalty.tier_grant(42, 'gold', 'test')$$, 'LY501', NULL, 'an unknown member');
SELECT throws_ok(format('SELECT * FROM loyalty.%s', call), 'LY501', NULL, 'no such member: ' || call)
FROM unnest('{tier_review(42),tier_current(42),"tier_at(42, now())",tier_progress(42)}'::text[]) call;
SELECT throws_ok(format('SELECT * FROM loyalty.%s', call), '22004', NULL, 'NULL: ' || call)
FROM unnest('{tier_review(NULL),tier_current(NULL),"tier_at(NULL, now())","tier_at(42, NULL)",tier_progress(NULL)}'::text[]) call;
SELECT throws_ok($$SELECT loyalty.tier_at(pg_temp.id('leo'), 'infinity')$$, 'LY107', NULL, 'a time that does not come');
SET loyalty.now = '2026-07-01 00:00+08';
SELECT is(pg_temp.tier('jan'), 'ordinary', 'what was given until June ends with it');

-- Replays.
SET loyalty.now = '2027-03-15 12:00+08';
SELECT pg_temp.told(r) AS told, r.tier_before || ' -> ' || r.tier_after AS step FROM loyalty.tier_review(pg_temp.id('ivy'), key => 'r1') r \gset
SELECT is(:'step'::text, 'gold -> gold', 'a review with a key');
SELECT is((SELECT pg_temp.told(r) FROM loyalty.tier_review(pg_temp.id('ivy'), key => 'r1') r), :'told'::jsonb, 'rule 1: replays');
SET loyalty.now = '2027-05-01 12:00+08';
SELECT pg_temp.state() AS state \gset
SELECT is((SELECT status || ' ' || pg_temp.step(r) FROM loyalty.tier_review(pg_temp.id('ivy'), mode => 'dry') r), 'dry gold -> silver', 'mode dry: the same answer');
SELECT is(pg_temp.state(), :'state', 'and nothing written');
SELECT is(pg_temp.review('ivy'), 'gold -> silver', 'as mode do gives');
SELECT pg_temp.told(r) AS told FROM loyalty.tier_grant(pg_temp.id('ivy'), 'diamond', 'test', key => 'g1') r \gset
SELECT is((SELECT pg_temp.told(r) FROM loyalty.tier_grant(pg_temp.id('ivy'), 'diamond', 'test', key => 'g1') r), :'told'::jsonb, 'a grant replays');
SELECT throws_ok($$SELECT * FROM loyalty.tier_grant(pg_temp.id('ivy'), 'star', 'test', key => 'g1')$$, 'LY002', NULL, 'and is no other grant');

-- Down to none, where there is no base tier, and up again.
SET loyalty.now = '2026-02-08 12:00-05';
SELECT pg_temp.program('Bare', 'America/Havana') AS bare \gset
INSERT INTO loyalty.tier (program_id, code, rank, valid_months, warn_days) VALUES (:bare, 'member', 1, 1, 0);
CALL pg_temp.ask('Bare', 'member', 100, 'entry', 'rolling', 1);
CALL pg_temp.enroll('Bare', 'mia', 'moe', 'meg');
SELECT is(pg_temp.buy('mia', 100), 'none -> member', 'the only tier there is');
SELECT is(pg_temp.buy('moe', 100) || ', ' || pg_temp.buy('meg', 100), 'none -> member, none -> member', 'two more');
-- the clocks go forward at midnight: 8 March begins at one o'clock
SET loyalty.now = '2026-03-08 04:59:59+00';
SELECT is(pg_temp.tier('mia'), 'member until 2026-03-07', 'the last second of 7 March');
SET loyalty.now = '2026-03-08 05:00+00';
SELECT is(pg_temp.tier('mia'), 'none', 'a day that has no midnight begins all the same');
SELECT is(pg_temp.review('mia'), 'member -> none', 'and the tier ends with the day before');
SELECT results_eq($$SELECT tier_since, tier_until FROM loyalty.tier_current(pg_temp.id('mia'))$$, $$VALUES (NULL::date, NULL::date)$$, 'who has none has no period');
SELECT is(pg_temp.reviews('mia'), 'demoted 2026-03-08 01:00:00', 'dated the first moment of it');
SELECT is(pg_temp.buy('mia', 100), 'none -> member', 'who comes back is promoted again');
SELECT is(pg_temp.tiers('mia'), 'promoted member 100/100 growth, demoted none 0/100 growth, promoted member 100/100 growth', 'from nothing');

-- One level down is not into what is given by hand only.
SET loyalty.now = '2026-03-15 12:00+00';
SELECT pg_temp.program('Guest', 'Asia/Shanghai') AS guest \gset
INSERT INTO loyalty.tier (program_id, code, rank, valid_months) VALUES (:guest, 'base', 0, NULL), (:guest, 'guest', 1, 12), (:guest, 'gold', 2, 12);
CALL pg_temp.ask('Guest', 'gold', 1000);
CALL pg_temp.enroll('Guest', 'ged', 'gus');
SELECT is(pg_temp.buy('ged', 1000), 'base -> gold', 'up over it');
SELECT is((SELECT pg_temp.step(r) FROM loyalty.tier_grant(pg_temp.id('gus'), 'guest', 'test') r), 'base -> guest', 'into it by hand');
SET loyalty.now = '2027-03-15 00:00+08';
SELECT is(pg_temp.review('ged'), 'gold -> base', 'and down over it');
SELECT is(pg_temp.review('gus'), 'guest -> base', 'what asks for nothing is not kept by that');

-- A member who cannot spend, or is gone, is reviewed all the same.
SET loyalty.now = '2026-03-08 05:00+00';
SELECT FROM loyalty.member_freeze(pg_temp.id('moe'), 'test');
SELECT is(pg_temp.tier('moe') || ', ' || pg_temp.reviews('moe'), 'none, demoted 2026-03-08 01:00:00', 'frozen');
SELECT is((SELECT pg_temp.step(r) FROM loyalty.tier_grant(pg_temp.id('moe'), 'member', 'test') r), 'none -> member', 'and may be given a tier');
SELECT FROM loyalty.member_close(pg_temp.id('moe'), 'test');
SELECT throws_ok($$SELECT * FROM loyalty.tier_grant(pg_temp.id('moe'), 'member', 'test')$$, 'LY502', NULL, 'closed: not any more');
SELECT throws_ok($$SELECT * FROM loyalty.tier_review(pg_temp.id('moe'))$$, 'LY502', NULL, 'nor is a review made');
SET loyalty.now = '2026-05-01 12:00-04';
SELECT is(pg_temp.tier('moe'), 'none', 'but the tier ends');
SELECT is((SELECT tier FROM loyalty.report_member WHERE member_id = pg_temp.id('moe')), NULL, 'in the report, too');

-- The tiers change while members are in them.
SET loyalty.now = '2026-03-15 12:00+00';
SELECT pg_temp.program('Change', 'Asia/Shanghai') AS change \gset
INSERT INTO loyalty.tier (program_id, code, rank, valid_months) VALUES (:change, 'base', 0, NULL), (:change, 'silver', 1, 12), (:change, 'gold', 2, NULL);
CALL pg_temp.ask('Change', 'silver', 1000);
CALL pg_temp.ask('Change', 'gold', 3000);
CALL pg_temp.enroll('Change', 'pam', 'pat', 'pia');
SELECT FROM (VALUES ('pam', 1000), ('pat', 3000), ('pia', 900)) v(name, amount), LATERAL pg_temp.buy(name, amount);
SET loyalty.now = '2026-06-01 12:00+08';
UPDATE loyalty.tier SET warn_days = 300 WHERE program_id = :change;
UPDATE loyalty.tier SET valid_months = 1 WHERE program_id = :change AND code = 'gold';
SELECT is(pg_temp.tier('pam'), 'silver until 2027-03-14 warned', 'warned earlier than before: at once');
SELECT is(pg_temp.review('pam'), 'silver -> silver', 'which is posted');
SELECT is(pg_temp.reviews('pam'), 'warned 2026-05-18', 'dated when it would have been');
SELECT is(pg_temp.tier('pat'), 'gold', 'a period without an end stays without one');
UPDATE loyalty.tier_threshold SET threshold = 900 WHERE program_id = :change AND threshold = 1000;
SELECT is(pg_temp.tier('pia'), 'base', 'a threshold is lowered: it counts with the next event');
SELECT is(pg_temp.review('pia'), 'base -> silver', 'or with a review');
SELECT is(pg_temp.tiers('pia'), 'joined base, promoted silver 900/900 growth', 'which promotes');
UPDATE loyalty.tier_threshold SET threshold = 5000 WHERE program_id = :change AND threshold = 900;
SELECT is(pg_temp.review('pia') || ', ' || pg_temp.tier('pia'), 'silver -> silver, nothing due, silver until 2027-05-31', 'raised: nothing is taken before its time');

SELECT * FROM loyalty.verify();
SELECT * FROM finish(true);
ROLLBACK;
