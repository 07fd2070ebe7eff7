\set ECHO none
\i test/prelude.sql
SELECT plan(120);

SELECT is(pg_temp.signature('checkout_reserve'),
	'(member_id bigint, cart jsonb, ref text, codes text[] DEFAULT NULL::text[], use jsonb DEFAULT NULL::jsonb, expect numeric DEFAULT NULL::numeric, ttl interval DEFAULT NULL::interval, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text, best boolean DEFAULT false) -> loyalty.receipt',
	'checkout_reserve');
SELECT is(pg_temp.signature('checkout_confirm'),
	'(member_id bigint, ref text, expect numeric DEFAULT NULL::numeric, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text) -> loyalty.receipt',
	'checkout_confirm');
SELECT is(pg_temp.signature('checkout_cancel'),
	'(member_id bigint, ref text, reason text DEFAULT NULL::text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text) -> loyalty.receipt',
	'checkout_cancel');

-- 100 points are 1.00; one point for each pound
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind) VALUES (:shop, 'points', 'points');
INSERT INTO loyalty.unit_anchor (program_id, unit_id, valid_from, units, money) SELECT program_id, unit_id, '2026-01-01', 1, 1 FROM loyalty.unit;
INSERT INTO loyalty.cart_unit (program_id, unit_id) SELECT program_id, unit_id FROM loyalty.unit;
SELECT FROM pg_temp.rule('{"name": "base", "kind": "per_amount", "award": 1, "per": 1, "tier_multiplied": true}');
INSERT INTO loyalty.coupon (program_id, name, kind, percent, item_filter) VALUES (:shop, 'tea', 'percent', 10, '$.category == "tea"');
INSERT INTO loyalty.coupon (program_id, name, kind, amount, min_amount) VALUES (:shop, 'five', 'amount', 5, 20);
INSERT INTO loyalty.coupon (program_id, name, kind, factor) VALUES (:shop, 'double', 'multiplier', 2);
INSERT INTO loyalty.coupon (program_id, name, kind, amount, automatic) VALUES (:shop, 'one', 'amount', 1, true);
SELECT coupon_id AS tea FROM loyalty.coupon WHERE name = 'tea' \gset
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay', 'gus', 'hal', 'ida', 'joe', 'kim');
SELECT FROM unnest('{ann,bob,cat,dan,eve,fay,gus,hal,ida,joe,kim}'::text[]) name, loyalty.adjust(pg_temp.id(name), 1000, 'points', 'start', key => 'start');
SELECT loyalty.coupon_code_create('Shop', 'five', 'SPRING');
CREATE TEMP TABLE code AS SELECT n, c FROM unnest('{T1,T2,T3,T4,T5,T6,T7,T8,T9}'::text[]) WITH ORDINALITY t (c, n);
SELECT FROM loyalty.coupon_import('Shop', 'tea', (SELECT array_agg('TEA-' || c) FROM code));
SELECT FROM loyalty.coupon_import('Shop', 'double', '{DOUBLE-1,DOUBLE-2}');

-- tea 2 x 20.00 and cups 30.00, shipping 5.00: less 1.00, tea 10 %, 5.00
CREATE FUNCTION pg_temp.cart(cups numeric DEFAULT 30) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_object('items', jsonb_build_array('{"sku": "T", "category": "tea", "price": 20, "qty": 2}'::jsonb,
		jsonb_build_object('sku', 'C', 'price', cups)), 'shipping', 5, 'channel', 'web', 'store', 's1')
$$;
-- 'tea T1 reserved 400, five SPRING reserved 500': what the coupons of an order are
CREATE FUNCTION pg_temp.uses(name text, ref text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(concat_ws(' ', c.name, u.code, u.status, u.discount, nullif(u.returned, 0)), ', ' ORDER BY u.use_id), 'none')
	FROM loyalty.coupon_use u JOIN loyalty.coupon c USING (coupon_id) WHERE u.member_id = pg_temp.id($1) AND u.ref = $2
$$;
CREATE FUNCTION pg_temp.status(name text, ref text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT status FROM loyalty.checkout_status(pg_temp.id($1), $2)
$$;
-- 'disabled': why a code cannot be used by a member for this cart
CREATE FUNCTION pg_temp.verdict(name text, code text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(v ->> 'reason', 'applicable')
	FROM jsonb_array_elements(loyalty.quote(pg_temp.id($1), pg_temp.cart(), ARRAY[$2]) -> 'verdicts') v WHERE v ->> 'code' = $2
$$;
-- What a receipt tells
CREATE FUNCTION pg_temp.heard(r loyalty.receipt) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(string_agg(concat_ws(' ', value ->> 'code', value ->> 'coupon', value ->> 'unit', value ->> 'amount', value ->> 'discount',
		value ->> 'money', value ->> 'payable', value ->> 'until'), ', ' ORDER BY place), 'nothing')
	FROM jsonb_array_elements((r).messages) WITH ORDINALITY m (value, place)
$$;

-- Reserved. one: 1.00 of 70.00; tea: 10 % of 39.43 = 3.94; five: 5.00. Goods 60.06, total 65.06, 500 points 5.00
SELECT is((loyalty.quote(pg_temp.id('ann'), pg_temp.cart(), '{TEA-T1,SPRING}', '{"points": 500}') ->> 'payable')::numeric, 60.06, 'the quote');
SELECT is(pg_temp.heard(r), 'held points 500, reserved 60.06 2026-03-15T12:30:00+00:00', 'reserved for half an hour')
FROM loyalty.checkout_reserve(pg_temp.id('ann'), pg_temp.cart(), 'o1', '{TEA-T1,SPRING}', '{"points": 500}', 60.06) r;
SELECT is(pg_temp.balance('ann'), '500 available, 500 held', 'the points are held');
SELECT is(pg_temp.uses('ann', 'o1'), 'tea TEAT1 reserved 394, five SPR1NG reserved 500, one reserved 100', 'the coupons are reserved');
SELECT is(pg_temp.status('ann', 'o1'), 'reserved', 'the order is reserved');
SELECT is((quote ->> 'payable')::numeric, 60.06, 'its quote can be read') FROM loyalty.checkout_status(pg_temp.id('ann'), 'o1');
SELECT is(pg_temp.verdict('bob', 'TEA-T1'), 'reserved_by_other', 'nobody else can use the code');
SELECT is(pg_temp.verdict('bob', 'SPRING'), 'applicable', 'but the one for all');
SELECT is(pg_temp.journal('ann'), 'event signup, adjust, hold points, checkout_reserve o1', 'a row for what is held and one for the call');

-- The same again replays, another cart (72.00 less 1.00, 3.94 and 9.00, and shipping) replaces it: its own reservation does not count
SELECT ok((r).replayed, 'the same request replays')
FROM loyalty.checkout_reserve(pg_temp.id('ann'), pg_temp.cart(), 'o1', '{TEA-T1,SPRING}', '{"points": 500}', 60.06) r;
SELECT is(pg_temp.heard(r), 'held points 900, reserved 63.06 2026-03-15T13:00:00+00:00', 'another request replaces it')
FROM loyalty.checkout_reserve(pg_temp.id('ann'), pg_temp.cart(32), 'o1', '{TEA-T1}', '{"points": 900}', ttl => '1 hour') r;
SELECT is(pg_temp.balance('ann'), '100 available, 900 held', 'it holds its own points only');
SELECT is(pg_temp.uses('ann', 'o1'), 'tea TEAT1 reserved 394, five SPR1NG released 500, one reserved 100', 'what it does not use is released');
SELECT is(pg_temp.journal('ann'), 'event signup, adjust, hold points, checkout_reserve o1, release points, hold points, checkout_reserve', 'a second row, without the reference');
SELECT is(reverses, 'o1', 'which it names as what it reverses') FROM loyalty.journal
WHERE member_id = pg_temp.id('ann') AND kind = 'checkout_reserve' ORDER BY journal_id DESC LIMIT 1;
SELECT ok((r).replayed, 'it replays, too')
FROM loyalty.checkout_reserve(pg_temp.id('ann'), pg_temp.cart(32), 'o1', '{TEA-T1}', '{"points": 900}', ttl => '1 hour') r;

-- Confirmed, whatever has become of coupons, points and prices
SELECT FROM loyalty.redeem(pg_temp.id('ann'), 100, key => 'drained');
SELECT FROM loyalty.coupon_disable('Shop', 'TEA-T1');
UPDATE loyalty.coupon SET status = 'inactive', valid_until = '2026-03-01' WHERE name IN ('tea', 'one');
UPDATE loyalty.unit_anchor SET money = 2;
SELECT is(pg_temp.verdict('bob', 'TEA-T2'), 'disabled', 'the coupon is gone');
SET loyalty.now = '2026-03-15 12:59+00';
-- first by a customer who has paid what the reservation before it came to
CREATE TEMP TABLE before_confirm AS SELECT pg_temp.state();
SELECT is(pg_temp.raised(format($$SELECT loyalty.checkout_confirm(pg_temp.id('ann'), 'o1', expect => %L)$$, paid)),
	format('LY246 expected=%s payable=63.06', paid), paid || ' was paid for a reservation of 63.06: LY246')
FROM unnest('{60.06,0,-63.06,63.061,NaN,Infinity}'::numeric[]) paid;
SELECT is((r).reason, 'payable_changed', 'the same in mode ' || mode)
FROM unnest('{try,dry}'::text[]) mode, loyalty.checkout_confirm(pg_temp.id('ann'), 'o1', expect => 60.06, mode => mode) r;
SELECT is((r).status, 'dry', 'what was reserved would do') FROM loyalty.checkout_confirm(pg_temp.id('ann'), 'o1', expect => 63.060, mode => 'dry') r;
SELECT is(pg_temp.state(), state, 'and the reservation stands') FROM before_confirm;
SELECT to_jsonb(r) AS confirmed, concat_ws('; ', (r).status, pg_temp.moved(r), pg_temp.heard(r)) AS told FROM loyalty.checkout_confirm(pg_temp.id('ann'), 'o1') r \gset
SELECT is(:'told'::text, 'done; 72 points; paid points 900 9, coupon_used tea 3.94, offer_used one 1', 'confirmed at the prices of the reservation');
SELECT is(pg_temp.balance('ann'), '72 available', 'the points are spent, others are earned');
SELECT is(pg_temp.uses('ann', 'o1'), 'tea TEAT1 used 394, five SPR1NG released 500, one used 100', 'the coupons are used');
SELECT is(pg_temp.status('ann', 'o1'), 'confirmed', 'the order is confirmed');
SELECT results_eq($$SELECT kind, event, ref, amount, channel, store FROM loyalty.journal WHERE member_id = pg_temp.id('ann') AND ref = 'o1' ORDER BY journal_id$$,
	$$VALUES ('checkout_reserve', NULL, 'o1', NULL::bigint, NULL, NULL), ('capture', 'points', 'o1', 900, NULL, NULL), ('event', 'purchase', 'o1', 7206, 'web', 's1')$$,
	'the capture and the purchase have the order''s reference');
SELECT results_eq($$SELECT i ->> 'sku', (i ->> 'net')::numeric FROM loyalty.journal j JOIN loyalty.event_data d USING (member_id, journal_id),
	jsonb_array_elements(d.data -> 'items') i WHERE j.member_id = pg_temp.id('ann') AND j.ref = 'o1' AND j.kind = 'event' $$,
	-- 39.44 - 3.94, 32.00 - 0.44
	$$VALUES ('T', 35.50), ('C', 31.56)$$, 'the lines have their nets');
SELECT is(to_jsonb(r), :'confirmed'::jsonb || '{"replayed": true}', 'confirmed again replays') FROM loyalty.checkout_confirm(pg_temp.id('ann'), 'o1') r;
SELECT is(pg_temp.heard(r), 'paid points 900 9, coupon_used tea 3.94, offer_used one 1', 'with what it told') FROM loyalty.checkout_confirm(pg_temp.id('ann'), 'o1') r;
SELECT matches(pg_temp.raised($$SELECT loyalty.checkout_confirm(pg_temp.id('ann'), 'o1', key => 'k')$$), '^LY003', 'confirmed with a new key: LY003');
SELECT is((r).reason, 'duplicate_ref', 'the same in mode try') FROM loyalty.checkout_confirm(pg_temp.id('ann'), 'o1', key => 'k', mode => 'try') r;
SELECT is(pg_temp.raised($$SELECT loyalty.checkout_cancel(pg_temp.id('ann'), 'o1')$$), 'LY249 status=confirmed', 'cancelled after that: LY249');
SELECT is(pg_temp.raised($$SELECT loyalty.checkout_reserve(pg_temp.id('ann'), pg_temp.cart(), 'o1')$$), 'LY249 status=confirmed', 'reserved after that: LY249');
SELECT matches(pg_temp.raised($$SELECT loyalty.checkout(pg_temp.id('ann'), pg_temp.cart(), 'o1')$$), '^LY002', 'checked out after that: LY002');
UPDATE loyalty.coupon SET status = 'active', valid_until = NULL WHERE name IN ('tea', 'one');
UPDATE loyalty.unit_anchor SET money = 1;
SET loyalty.now = '2026-03-15 12:00+00';

-- Cancelled
SELECT FROM loyalty.checkout_reserve(pg_temp.id('bob'), pg_temp.cart(), 'o1', '{TEA-T2,SPRING}', '{"points": "max"}');
SELECT is(pg_temp.balance('bob'), '1000 held', 'everything is held');
SELECT is(concat_ws('; ', (r).status, pg_temp.moved(r)), 'done; nothing', 'cancelled') FROM loyalty.checkout_cancel(pg_temp.id('bob'), 'o1', 'changed his mind') r;
SELECT is(pg_temp.balance('bob'), '1000 available', 'the points are back');
SELECT is(pg_temp.uses('bob', 'o1'), 'tea TEAT2 released 394, five SPR1NG released 500, one released 100', 'the coupons are free');
SELECT is(pg_temp.verdict('cat', 'TEA-T2'), 'applicable', 'for others, too');
SELECT is(pg_temp.status('bob', 'o1'), 'cancelled', 'the order is cancelled');
SELECT is(reason || ' ' || reverses, 'changed his mind o1', 'the row says why') FROM loyalty.journal WHERE member_id = pg_temp.id('bob') AND kind = 'checkout_cancel';
SELECT ok((r).replayed, 'cancelled again replays') FROM loyalty.checkout_cancel(pg_temp.id('bob'), 'o1', 'changed his mind') r;
SELECT is(pg_temp.raised($$SELECT loyalty.checkout_cancel(pg_temp.id('bob'), 'o1', 'for another reason')$$), 'LY249 status=cancelled', 'for another reason: LY249');
SELECT is(pg_temp.raised($$SELECT loyalty.checkout_confirm(pg_temp.id('bob'), 'o1')$$), 'LY249 status=cancelled', 'confirmed after that: LY249');
SELECT is(pg_temp.heard(r), 'held points 100, reserved 68 2026-03-15T12:30:00+00:00', 'it can be reserved anew')
FROM loyalty.checkout_reserve(pg_temp.id('bob'), pg_temp.cart(), 'o1', '{SPRING}', '{"points": 100}') r;
SELECT is((r).status, 'done', 'and confirmed') FROM loyalty.checkout_confirm(pg_temp.id('bob'), 'o1', expect => 68, key => 'bob-1') r;
SELECT ok((r).replayed, 'which replays by its key') FROM loyalty.checkout_confirm(pg_temp.id('bob'), 'o1', expect => 68.00, key => 'bob-1') r;
SELECT matches(pg_temp.raised($$SELECT loyalty.checkout_confirm(pg_temp.id('bob'), 'o1', expect => 67, key => 'bob-1')$$), '^LY002', 'but not with another amount: LY002');

-- Its time is over, swept or not
SELECT FROM loyalty.checkout_reserve(pg_temp.id('cat'), pg_temp.cart(), 'o1', '{TEA-T3,SPRING}', '{"points": 700}', ttl => '10 minutes');
SELECT FROM loyalty.checkout_reserve(pg_temp.id('dan'), pg_temp.cart(), 'o1', '{TEA-T4}', ttl => '10 minutes');
SET loyalty.now = '2026-03-15 12:10+00';
SELECT is(pg_temp.status('cat', 'o1'), 'timed_out', 'its time is over');
SELECT is(pg_temp.balance('cat'), '1000 available', 'the points are there');
SELECT is(pg_temp.verdict('eve', 'TEA-T3'), 'applicable', 'the code is free');
SELECT is((SELECT count(*) FROM loyalty.checkout WHERE status = 'reserved' AND member_id IN (pg_temp.id('cat'), pg_temp.id('dan'))), 2::bigint, 'although nobody has looked');
CREATE TEMP TABLE state AS SELECT pg_temp.state();
SELECT is(pg_temp.raised($$SELECT loyalty.checkout_confirm(pg_temp.id('cat'), 'o1')$$), 'LY248 expires_at=2026-03-15 12:10:00+00', 'confirmed after that: LY248');
SELECT is((r).reason, 'checkout_expired', 'the same in mode try') FROM loyalty.checkout_confirm(pg_temp.id('cat'), 'o1', mode => 'try') r;
SELECT is(pg_temp.raised($$SELECT loyalty.checkout_cancel(pg_temp.id('cat'), 'o1')$$), 'LY248 expires_at=2026-03-15 12:10:00+00', 'cancelled after that: LY248');
SELECT is(pg_temp.state(), state, 'and nothing has changed') FROM state;
SELECT is((r).status, 'done', 'somebody else uses the code') FROM loyalty.checkout(pg_temp.id('eve'), pg_temp.cart(), 'o1', '{TEA-T3}') r;
SELECT is((r).status, 'done', 'the same order anew') FROM loyalty.checkout_reserve(pg_temp.id('cat'), pg_temp.cart(), 'o1', '{SPRING}', '{"points": 300}', ttl => '10 minutes') r;
SELECT is(pg_temp.balance('cat'), '700 available, 300 held', 'holds its points only');
SELECT is(pg_temp.uses('cat', 'o1'), 'tea TEAT3 released 394, five SPR1NG released 500, one released 100, five SPR1NG reserved 500, one reserved 100', 'what was reserved before is released');
SET loyalty.now = '2026-03-15 12:20+00';
SELECT is(loyalty.checkout_expire('Shop'), 2::bigint, 'two are ended');
SELECT is(loyalty.checkout_expire('Shop'), 0::bigint, 'and no more');
SELECT is(pg_temp.uses('dan', 'o1'), 'tea TEAT4 released 394, one released 100', 'with their coupons');
SELECT results_eq('SELECT status, count(*) FROM loyalty.checkout GROUP BY status ORDER BY status',
	$$VALUES ('confirmed', 2::bigint), ('timed_out', 2)$$, 'which their rows say');
SELECT is((SELECT string_agg(kind, ', ' ORDER BY journal_id) FROM loyalty.journal WHERE member_id = pg_temp.id('cat') AND hold_id IS NOT NULL),
	'hold, time_out, hold, time_out', 'the journal tells of the points');
SELECT is(pg_temp.raised($$SELECT loyalty.checkout_confirm(pg_temp.id('cat'), 'o1')$$), 'LY248 expires_at=2026-03-15 12:20:00+00', 'swept: still LY248');
SET loyalty.now = '2026-03-15 12:00+00';

-- Limits in all: a reservation takes a slot until its time is over
SELECT loyalty.coupon_limit('Shop', 'five', 'used', (SELECT count(*) + 1 FROM loyalty.coupon_use u JOIN loyalty.coupon c USING (coupon_id) WHERE c.name = 'five' AND u.status IN ('used', 'reserved')), 1);
SET loyalty.now = '2026-03-15 13:00+00';
SELECT FROM loyalty.checkout_reserve(pg_temp.id('fay'), pg_temp.cart(), 'o1', '{SPRING}');
SELECT is(pg_temp.raised($$SELECT loyalty.checkout_reserve(pg_temp.id('gus'), pg_temp.cart(), 'o1', '{SPRING}')$$), 'LY211 code=1 coupon=five', 'the last slot is taken');
SELECT is((r).status, 'done', 'its own reservation may replace itself') FROM loyalty.checkout_reserve(pg_temp.id('fay'), pg_temp.cart(40), 'o1', '{SPRING}') r;
SET loyalty.now = '2026-03-15 13:30+00';
SELECT is((r).status, 'done', 'somebody else gets it when its time is over') FROM loyalty.checkout_reserve(pg_temp.id('gus'), pg_temp.cart(), 'o1', '{SPRING}') r;
SELECT is((r).reason, 'checkout_expired', 'and the first one does not') FROM loyalty.checkout_confirm(pg_temp.id('fay'), 'o1', mode => 'try') r;
SELECT loyalty.coupon_limit('Shop', 'five', 'used', 0, 1);
SELECT is((r).status, 'done', 'a limit that is lowered does not hinder what is reserved') FROM loyalty.checkout_confirm(pg_temp.id('gus'), 'o1') r;

-- The same reference otherwise
SET loyalty.now = '2026-03-15 14:00+00';
SELECT FROM loyalty.checkout_reserve(pg_temp.id('hal'), pg_temp.cart(), 'o1', '{TEA-T5}', '{"points": 600}');
SELECT is((r).status, 'done', 'checkout() replaces a reservation of the order')
FROM loyalty.checkout(pg_temp.id('hal'), pg_temp.cart(), 'o1', '{TEA-T5}', '{"points": 700}') r;
-- 70.00 less 1.00 and 3.94, and shipping: 70.06 earned
SELECT is(pg_temp.balance('hal'), '370 available', 'its points are spent once');
SELECT is(pg_temp.uses('hal', 'o1'), 'tea TEAT5 used 394, one used 100', 'and its coupons');
SELECT is(pg_temp.status('hal', 'o1'), 'cancelled', 'the reservation is cancelled');
SELECT FROM loyalty.checkout_reserve(pg_temp.id('hal'), pg_temp.cart(), 'o2', NULL, '{"points": 100}');
SELECT is((r).status, 'done', 'so does checkout() without coupons') FROM loyalty.checkout(pg_temp.id('hal'), pg_temp.cart(), 'o2') r;
SELECT is(pg_temp.balance('hal'), '444 available', 'nothing is held any more');
SELECT FROM loyalty.checkout_reserve(pg_temp.id('hal'), pg_temp.cart(), 'o3', NULL, '{"points": 100}');
SELECT FROM loyalty.purchase(pg_temp.id('hal'), 10, 'o3');
SELECT matches(pg_temp.raised($$SELECT loyalty.checkout_confirm(pg_temp.id('hal'), 'o3')$$), '^LY002', 'a plain purchase took the reference: LY002');
SELECT is((r).status, 'done', 'the reservation can be cancelled') FROM loyalty.checkout_cancel(pg_temp.id('hal'), 'o3') r;
SELECT matches(pg_temp.raised($$SELECT loyalty.checkout_reserve(pg_temp.id('hal'), pg_temp.cart(), 'o3')$$), '^LY003', 'what was bought cannot be reserved: LY003');
SELECT FROM loyalty.hold(pg_temp.id('hal'), 50, ref => 'o4');
SELECT FROM loyalty.checkout_reserve(pg_temp.id('hal'), pg_temp.cart(), 'o4', NULL, '{"points": 100}');
SELECT is(pg_temp.balance('hal'), '304 available, 150 held', 'a plain hold of the same reference is another');
SELECT is(pg_temp.raised(format('SELECT loyalty.%s(pg_temp.id(''hal''), %s)', f, hold_id)), 'LY146 hold_id=' || hold_id, f || ' of the order''s hold: LY146')
FROM unnest('{capture,release}'::text[]) f, loyalty.hold h WHERE h.member_id = pg_temp.id('hal') AND h.of_order AND h.status = 'held';
SELECT is((r).status, 'done', 'the plain one is captured') FROM loyalty.hold h, loyalty.capture(h.member_id, h.hold_id) r
WHERE h.member_id = pg_temp.id('hal') AND NOT h.of_order;
SELECT is((r).status, 'done', 'and the order confirmed') FROM loyalty.checkout_confirm(pg_temp.id('hal'), 'o4') r;

-- A refund of the order gives both back
SELECT is(pg_temp.moved(r), '76 points', 'a refund gives back what was held and captured') FROM loyalty.refund(pg_temp.id('hal'), 'o4') r;

-- Between the two: frozen, closed
SELECT FROM loyalty.checkout_reserve(pg_temp.id('ida'), pg_temp.cart(), 'o1', '{DOUBLE-1}', '{"points": 100}');
SELECT FROM loyalty.checkout_reserve(pg_temp.id('ida'), pg_temp.cart(), 'o2', '{TEA-T6}');
SELECT FROM loyalty.member_freeze(pg_temp.id('ida'), 'lost card');
SELECT is(pg_temp.moved(r), '148 points', 'a frozen member''s order is confirmed; its coupon doubles the points') FROM loyalty.checkout_confirm(pg_temp.id('ida'), 'o1') r;
SELECT FROM loyalty.member_close(pg_temp.id('ida'), 'left');
SELECT is(pg_temp.raised($$SELECT loyalty.checkout_confirm(pg_temp.id('ida'), 'o2')$$), 'LY502 member_id=' || pg_temp.id('ida'), 'a closed one''s is not');
SELECT is((r).status, 'done', 'but cancelled') FROM loyalty.checkout_cancel(pg_temp.id('ida'), 'o2') r;

-- Refused
SELECT matches(pg_temp.raised(format('SELECT loyalty.checkout_reserve(pg_temp.id(''joe''), pg_temp.cart(), ''o1'', %s)', args)), code, args)
FROM (VALUES ($$'{TEA-T7}', expect => 1$$, '^LY246 expected=1 payable=70.06'), ($$ttl => '0'$$, '^LY145'), ($$ttl => '1 month'$$, '^LY145'),
	($$ttl => '31 days'$$, '^LY145'), ($$'{NONE-1}'$$, '^LY201 code=1'), ($$NULL, '{"points": -1}'$$, '^LY')) v (args, code);
SELECT is(pg_temp.raised($$SELECT loyalty.checkout_confirm(pg_temp.id('joe'), 'o1')$$), 'LY247 member_id=' || pg_temp.id('joe'), 'confirmed without a reservation: LY247');
SELECT is(pg_temp.raised($$SELECT loyalty.checkout_cancel(pg_temp.id('joe'), 'o1')$$), 'LY247 member_id=' || pg_temp.id('joe'), 'cancelled without a reservation: LY247');
SELECT matches(pg_temp.raised(format('INSERT INTO loyalty.cart_policy (program_id, reserve_ttl) VALUES (%s, %L)', :shop, ttl)), '^23514', 'by default for ' || ttl || ': refused')
FROM unnest('{0,1 month,31 days}'::text[]) ttl;
TRUNCATE state;
INSERT INTO state SELECT pg_temp.state();
SELECT is((r).status, 'dry', 'dry: the same answer') FROM loyalty.checkout_reserve(pg_temp.id('joe'), pg_temp.cart(), 'o1', '{TEA-T7}', '{"points": 10}', mode => 'dry') r;
SELECT is((r).reason, 'not_found', 'try: a refusal') FROM loyalty.checkout_reserve(pg_temp.id('joe'), pg_temp.cart(), 'o1', '{TEA-T7,NONE-1}', '{"points": 10}', mode => 'try') r;
SELECT is(pg_temp.state(), state, 'nothing has changed') FROM state;

-- The past again, with a campaign of a point for each 10.00: of 69.00, and of 74.00, which the coupon doubles
INSERT INTO loyalty.campaign (program_id, name) VALUES (:shop, 'more');
SELECT FROM pg_temp.rule('{"program": "Shop", "name": "ten", "kind": "per_amount", "award": 1, "per": 10, "tier_multiplied": true}');
UPDATE loyalty.rule SET campaign_id = (SELECT campaign_id FROM loyalty.campaign) WHERE name = 'ten';
SELECT results_eq($$SELECT i.value, p.amount FROM loyalty.simulate_postings('Shop', 'more') p JOIN loyalty.journal j USING (member_id, journal_id)
	JOIN loyalty.identity i USING (member_id) WHERE j.ref = 'o1' AND i.value IN ('ida', 'gus') AND p.rule = 'ten' ORDER BY 1$$,
	$$VALUES ('gus', 6::numeric), ('ida', 14)$$, 'simulated, an order has its coupons');
SELECT is(granted, 148::numeric, 'and it can be explained') FROM loyalty.journal j, loyalty.explain(j.member_id, j.journal_id) e
WHERE j.member_id = pg_temp.id('ida') AND j.ref = 'o1' AND j.kind = 'event' AND e.name = 'base';

-- What is reserved may give back what conditions see, so its end makes due; without points as well
INSERT INTO loyalty.tag (program_id, name, condition) VALUES (:shop, 'rich', '$.member.counters.points >= 5000');
SELECT FROM loyalty.tag_refresh('Shop');
SELECT is_empty($$SELECT * FROM loyalty.tag_check('Shop')$$, 'all are judged');
SELECT FROM loyalty.checkout_reserve(pg_temp.id('joe'), pg_temp.cart(), 'due', ttl => '3 days');
SELECT is_empty($$SELECT * FROM loyalty.tag_check('Shop')$$, 'judging all anew would change nothing');

-- One order earns once in the programme
SELECT loyalty.program_create('Once', 'GBP', 'Europe/London') AS once \gset
UPDATE loyalty.program SET ref_scope = 'program' WHERE name = 'Once';
CALL pg_temp.enroll('Once', 'one', 'two');
SELECT FROM loyalty.purchase(pg_temp.id('one'), 1, 'once');
SELECT FROM loyalty.checkout_reserve(pg_temp.id('two'), pg_temp.cart(), 'mine');
SELECT matches(pg_temp.raised($$SELECT loyalty.checkout_reserve(pg_temp.id('two'), pg_temp.cart(), 'once')$$), '^LY003', 'another member''s order: LY003');
SELECT is((r).status, 'done', 'his own') FROM loyalty.checkout_confirm(pg_temp.id('two'), 'mine', at => '2026-03-15 13:59+00') r;
SELECT is(effective_at, '2026-03-15 13:59+00', 'as of the time that is said') FROM loyalty.journal WHERE ref = 'mine' AND kind = 'event';

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
