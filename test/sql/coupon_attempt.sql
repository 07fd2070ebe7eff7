\set ECHO none
\i test/prelude.sql
SELECT plan(56);

SELECT loyalty.program_create('shop', 'EUR', 'UTC') AS shop \gset
SELECT loyalty.program_create('cafe', 'EUR', 'UTC') AS cafe \gset
INSERT INTO loyalty.coupon (program_id, name, kind, amount) VALUES (:shop, 'ten', 'amount', 10), (:cafe, 'ten', 'amount', 10);
CALL pg_temp.enroll('shop', 'ann', 'bob', 'cyd', 'dan', 'eve', 'fay', 'gil');
CALL pg_temp.enroll('cafe', 'zoe');
SELECT code AS right FROM loyalty.coupon_generate('shop', 'ten', 1) code \gset

-- What somebody is told who types a code in: 'good', or why not.
CREATE FUNCTION pg_temp.try(name text, code text, data jsonb DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(v.reason, 'good') FROM loyalty.coupon_try(pg_temp.id(name), code, data) v
$$;
-- The same for so many wrong ones: 'not_found 9, attempts_exhausted 2'.
CREATE FUNCTION pg_temp.wrong(name text, n int, data jsonb DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(reason || ' ' || count, ', ' ORDER BY reason DESC)
	FROM (SELECT reason, count(*) FROM (SELECT pg_temp.try(name, 'WRONG-' || i, data) AS reason FROM generate_series(1, n) i) x GROUP BY reason) y
$$;
-- 'member 10 until 12:15': what is counted, the highest counts first.
CREATE FUNCTION pg_temp.counted() RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(concat_ws(' ', scope, failures, 'until ' || to_char(blocked_until AT TIME ZONE 'UTC', 'HH24:MI')), ', '
		ORDER BY failures DESC, blocked_until, scope), 'nothing')
	FROM loyalty.coupon_attempt
$$;

-- A member
SELECT is(pg_temp.try('ann', :'right'), 'good', 'the right one');
SELECT is(pg_temp.counted(), 'nothing', 'counts nothing');
SELECT is(pg_temp.wrong('ann', 9), 'not_found 9', 'nine wrong ones');
SELECT is(pg_temp.counted(), 'member 9', 'are counted');
SELECT is(pg_temp.try('ann', :'right'), 'good', 'the right one is still good');
SELECT is(pg_temp.counted(), 'member 9', 'and sets nothing back');
SELECT is(pg_temp.wrong('ann', 3), 'not_found 1, attempts_exhausted 2', 'the tenth is one too many');
SELECT is(pg_temp.counted(), 'member 10 until 12:15', 'what is refused unseen is not counted');
SELECT is(pg_temp.try('ann', :'right'), 'attempts_exhausted', 'now the right one is refused as well');
SELECT is((SELECT array_agg(v::text) FROM loyalty.coupon_try(pg_temp.id('ann'), :'right') v),
	(SELECT array_agg(replace(v::text, 'WRONG', :'right')) FROM loyalty.coupon_try(pg_temp.id('ann'), 'WRONG') v), 'nothing tells right from wrong');
SELECT is(pg_temp.try('bob', :'right'), 'good', 'another member may');
SELECT is(pg_temp.wrong('zoe', 1), 'not_found 1', 'another programme counts for itself');
SELECT is((SELECT count(DISTINCT value) FROM loyalty.coupon_attempt), 2::bigint, 'under another key');
SELECT is((SELECT reason FROM loyalty.coupon_check(pg_temp.id('ann'), 'WRONG')), 'not_found', 'coupon_check() answers');
SELECT is(pg_temp.counted(), 'member 10 until 12:15, member 1', 'and counts nothing');

-- Time
SET loyalty.now = '2026-03-15 12:14:59+00';
SELECT is(pg_temp.try('ann', :'right'), 'attempts_exhausted', 'a second before the block is over');
SET loyalty.now = '2026-03-15 12:15+00';
SELECT is(pg_temp.try('ann', :'right'), 'good', 'it is over');
SELECT is(pg_temp.wrong('ann', 2), 'not_found 1, attempts_exhausted 1', 'within the same hour one wrong one is too many');
SELECT is(pg_temp.counted(), 'member 11 until 12:30, member 1', 'and blocks again');
SET loyalty.now = '2026-03-15 12:59:59+00';
SELECT is(pg_temp.wrong('ann', 2), 'not_found 1, attempts_exhausted 1', 'to the end of the hour');
SET loyalty.now = '2026-03-15 13:00+00';
SELECT is(pg_temp.try('ann', :'right'), 'attempts_exhausted', 'a block goes on after the window');
SET loyalty.now = '2026-03-15 13:15+00';
SELECT is(pg_temp.wrong('ann', 10), 'not_found 10', 'then it begins anew');
SELECT is(pg_temp.counted(), 'member 10 until 13:30, member 1', 'from 1');
SET loyalty.now = '2026-03-15 16:00+00';
SELECT is(pg_temp.wrong('ann', 1), 'not_found 1', 'hours later');
SELECT is(pg_temp.counted(), 'member 1 until 13:30, member 1', 'a block that is over blocks nobody');

-- What is a wrong code
DELETE FROM loyalty.coupon_attempt;
SELECT is(string_agg(pg_temp.try('cyd', code), ', '), 'not_found, not_found, not_found, not_found, not_found', 'unknown, malformed, long, a coupon that is not there')
	FROM (VALUES ('00000-00000-7'), ('10 % off'), (repeat('A', 100000)), ('#1'), ('#x')) v (code);
SELECT is(pg_temp.counted(), 'member 5', 'each is counted');
SELECT is(loyalty.coupon_disable('shop', :'right'), true, 'a code that is disabled');
SELECT is(pg_temp.try('cyd', :'right'), 'disabled', 'is no wrong one');
SELECT is(pg_temp.counted(), 'member 5', 'and not counted');
SELECT is(loyalty.coupon_enable('shop', :'right'), true, 'again');

-- A device: whoever types
DELETE FROM loyalty.coupon_attempt;
SELECT is(string_agg(pg_temp.wrong(name, 3, '{"device": "d-1"}'), '; ' ORDER BY name), 'not_found 3; not_found 3; not_found 3', 'three members, three wrong ones each')
	FROM unnest('{ann,bob,cyd}'::text[]) name;
SELECT is(pg_temp.counted(), 'device 9, member 3, member 3, member 3', 'are counted together');
SELECT is(pg_temp.wrong('dan', 1, '{"device": "d-1"}'), 'not_found 1', 'the tenth');
SELECT is(pg_temp.try('eve', :'right', '{"device": "d-1"}'), 'attempts_exhausted', 'nobody may at this device');
SELECT is(pg_temp.try('eve', :'right', '{"device": "d-2"}'), 'good', 'at another');
SELECT is(pg_temp.try('eve', :'right'), 'good', 'and without one');
SELECT is(pg_temp.try('eve', :'right', '{"store": "d-1"}'), 'good', 'a store of that name is something else');

-- A store, where many type: a hundred
DELETE FROM loyalty.coupon_attempt;
SELECT is(pg_temp.wrong(name, 9, '{"store": "S1"}'), 'not_found 9', 'wrong ones of ' || name) FROM unnest('{ann,bob,cyd}'::text[]) name;
SELECT is(pg_temp.counted(), 'store 27, member 9, member 9, member 9', 'in a store');
UPDATE loyalty.coupon_attempt SET failures = 99 WHERE scope = 'store';
SELECT is(pg_temp.wrong('dan', 1, '{"store": "S1", "device": "till"}'), 'not_found 1', 'the hundredth');
SELECT is(pg_temp.try('fay', :'right', '{"store": "S1"}'), 'attempts_exhausted', 'nobody may in this store');
SELECT is(pg_temp.try('fay', :'right', '{"store": "S2"}'), 'good', 'in another');

-- Settings
DELETE FROM loyalty.coupon_attempt;
INSERT INTO loyalty.cart_policy (program_id, max_attempts, max_store_attempts, attempt_window, attempt_block) VALUES (:shop, 1, 2, '1 day', '1 day');
SET loyalty.now = '2026-03-28 12:00+00';
SET LOCAL TimeZone = 'Europe/Berlin';
SELECT is(pg_temp.wrong('ann', 2, '{"store": "S1"}'), 'not_found 1, attempts_exhausted 1', 'one is too many');
SELECT is(pg_temp.wrong('bob', 1, '{"store": "S1"}'), 'not_found 1', 'two in a store');
SELECT is(pg_temp.try('fay', :'right', '{"store": "S1"}'), 'attempts_exhausted', 'are too many');
SET loyalty.now = '2026-03-29 11:59:59+00';
SELECT is(pg_temp.try('ann', :'right'), 'attempts_exhausted', 'for a day: 24 hours, whatever the clocks do');
SET loyalty.now = '2026-03-29 12:00+00';
SELECT is(pg_temp.try('ann', :'right'), 'good', 'over');

-- Housekeeping
SELECT is(pg_temp.signature('coupon_attempt_expire'), '(program text, batch integer DEFAULT 10000) -> bigint', 'coupon_attempt_expire');
SET loyalty.now = '2026-04-27 11:59+00';
SELECT is(loyalty.coupon_attempt_expire('shop'), 0::bigint, 'a window may be 30 days long');
SET loyalty.now = '2026-04-27 12:00+00';
SELECT is(loyalty.coupon_attempt_expire('shop', 2) || ' ' || loyalty.coupon_attempt_expire('shop', 2), '2 1', 'older ones are deleted, so many at a time');
SELECT throws_ok($$SELECT loyalty.coupon_attempt_expire('nowhere')$$, 'LY403', 'programme does not exist', 'no such programme');
SELECT throws_ok($$SELECT loyalty.coupon_attempt_expire('shop', 0)$$, '22023', 'batch must be positive', 'none at a time');

SELECT is((SELECT count(*) FROM loyalty.verify()), 0::bigint, 'verify');
SELECT * FROM finish();
ROLLBACK;
