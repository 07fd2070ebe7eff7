\set ECHO none
\i test/prelude.sql
SELECT plan(31);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, period) VALUES (:shop, 'visits', 'counter', 'year');
SELECT pg_temp.offer('{"name": "lounge", "kind": "quota", "unit": "visits", "quantity": 2}') AS lounge \gset
SELECT pg_temp.offer('{"name": "ironing", "kind": "voucher"}') AS ironing \gset
CALL pg_temp.enroll('Shop', 'ann', 'bob');

CREATE FUNCTION pg_temp.give(settings jsonb, mode text DEFAULT 'try') RETURNS text
LANGUAGE sql AS $$
	SELECT pg_temp.news(r) FROM jsonb_to_record('{"name": "ann", "benefit": "lounge", "reason": "a guest"}' || settings)
		s (name text, benefit text, reason text, "from" timestamptz, until timestamptz, quantity numeric, at timestamptz, key text),
		loyalty.benefit_give(pg_temp.id(s.name), s.benefit, s.reason, s.from, s.until, s.quantity, s.at, s.key, mode) r
$$;
CREATE FUNCTION pg_temp.use(ref text, quantity numeric DEFAULT 1, mode text DEFAULT 'dry') RETURNS text
LANGUAGE sql AS $$ SELECT pg_temp.news(r) FROM loyalty.benefit_use(pg_temp.id('ann'), 'lounge', ref, quantity, mode => mode) r $$;

SELECT is(pg_temp.use('v1'), 'not_entitled, benefit=lounge', 'nobody has it');
SELECT pg_temp.state() AS before \gset
SELECT is(pg_temp.give('{}', 'dry') || ', ' || (pg_temp.state() = :'before')::text, 'nothing, true', 'mode dry gives nothing');
SELECT is(pg_temp.give('{"key": "k1"}'), 'nothing', 'given by hand');
SELECT results_eq('SELECT valid_from, valid_until, quantity, reason, journal_id = (SELECT max(journal_id) FROM loyalty.journal) FROM loyalty.member_benefit',
	$$VALUES ('2026-03-15 12:00+00'::timestamptz, NULL::timestamptz, NULL::numeric, 'a guest', true)$$, 'from now on, without an end');
SELECT is((SELECT replayed FROM loyalty.benefit_give(pg_temp.id('ann'), 'lounge', 'a guest', key => 'k1')), true, 'replays');
SELECT is(pg_temp.use('v1'), 'quota_used 1, left 1, until 2026-12-31', 'as many as the benefit says');
SELECT is(pg_temp.give('{"quantity": 5}'), 'nothing', 'given again');
SELECT is(pg_temp.use('v1'), 'quota_used 1, left 4, until 2026-12-31', 'as many as were given: the last counts');
SELECT is(pg_temp.give('{"quantity": 1}'), 'nothing', 'fewer');
SELECT is(pg_temp.use('v1', 2), 'quota_exhausted, left=1 until=2026-12-31', 'are fewer');
SELECT is((SELECT count(*)::int FROM loyalty.member_benefit), 1, 'one row a benefit');

-- From when until when.
SELECT is(pg_temp.give('{"from": "2026-03-16 12:00+00", "until": "2026-03-17 12:00+00"}'), 'nothing', 'a day, to come');
SELECT is(pg_temp.use('v1'), 'not_entitled, benefit=lounge', 'not yet');
SET loyalty.now = '2026-03-16 12:00+00';
SELECT is(pg_temp.use('v1'), 'quota_used 1, left 1, until 2026-12-31', 'from its first moment');
SET loyalty.now = '2026-03-17 12:00+00';
SELECT is(pg_temp.use('v1'), 'not_entitled, benefit=lounge', 'until before its last');
SELECT is(pg_temp.give('{"until": "2026-03-17 12:00+00"}'), 'expiry_in_past, valid_until has passed', 'an end that has passed');
SELECT is(pg_temp.give('{"from": "2026-05-01", "until": "2026-04-01"}'), 'period_inverted, valid_until lies before valid_from', 'an end before the beginning');
SELECT is(pg_temp.give('{"until": "infinity"}'), 'time_not_finite, valid_from and valid_until must be finite', 'no end is NULL');
SELECT is(pg_temp.give('{"from": "-infinity"}'), 'time_not_finite, valid_from and valid_until must be finite', 'nor is there a beginning without one');
SELECT is(pg_temp.give('{"at": "2026-03-10 12:00+00"}'), 'nothing', 'dated back');
SELECT is((SELECT valid_from FROM loyalty.member_benefit), '2026-03-10 12:00+00', 'it begins then');

-- What is refused.
SELECT is(pg_temp.give('{"benefit": "nothing"}'), 'unknown_benefit, benefit=nothing', 'unknown benefit');
SELECT is(pg_temp.give('{"reason": " "}'), 'reason_required, reason is empty', 'no reason');
SELECT is(pg_temp.give('{"quantity": 0}'), 'amount_not_positive, quantity=0', 'none');
SELECT is(pg_temp.give('{"quantity": 1000000000}'), 'amount_too_large, quantity=1000000000', 'too many');
SELECT is(pg_temp.give('{"benefit": "ironing", "quantity": 1}'), 'benefit_kind_mismatch, benefit=ironing kind=voucher', 'a quantity of what has none');

-- Withdrawn.
SELECT is(pg_temp.raised('SELECT loyalty.benefit_withdraw(pg_temp.id(''bob''), ''lounge'', ''enough'')'), 'LY410 benefit=lounge was not given by hand', 'what was not given');
SELECT is((SELECT status FROM loyalty.benefit_withdraw(pg_temp.id('ann'), 'lounge', 'enough', key => 'w1')), 'done', 'what was');
SELECT is(pg_temp.use('v1') || ', ' || (SELECT count(*) FROM loyalty.member_benefit), 'not_entitled, benefit=lounge, 0', 'is lost');
SELECT is((SELECT replayed FROM loyalty.benefit_withdraw(pg_temp.id('ann'), 'lounge', 'enough', key => 'w1')), true, 'replays');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
