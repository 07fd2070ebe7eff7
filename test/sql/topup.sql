\set ECHO none
\i test/prelude.sql
SELECT plan(192);

-- Cards of each order of spending and policy, two of them with a ladder of gifts:
-- 500 brings 50, 1000 brings 150 and 100 points. Time is 2026-03-15 20:00 in Shanghai.
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
SELECT loyalty.program_create('Other', 'CNY', 'Asia/Shanghai') AS other \gset
SELECT loyalty.program_create('None', 'CNY', 'Asia/Shanghai') AS none \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES
	(:shop, 'prop', 'money', 2), (:shop, 'bonus1', 'money', 2), (:shop, 'principal1', 'money', 2),
	(:shop, 'cash', 'money', 2), (:shop, 'yen', 'money', 0), (:other, 'card', 'money', 2);
CREATE FUNCTION pg_temp.unit(unit_code text) RETURNS int LANGUAGE sql STABLE AS $$ SELECT unit_id FROM loyalty.unit WHERE code = unit_code ORDER BY unit_id LIMIT 1 $$;
INSERT INTO loyalty.topup_policy (unit_id, program_id, spend_order, bonus_policy) VALUES
	(pg_temp.unit('prop'), :shop, 'proportional', 'forgive'),
	(pg_temp.unit('bonus1'), :shop, 'bonus_first', 'deduct'),
	(pg_temp.unit('principal1'), :shop, 'principal_first', 'deduct');
INSERT INTO loyalty.topup_policy (unit_id, program_id, bonus_policy, limit_named, limit_unnamed, limit_member, unnamed_months, bonus_days) VALUES
	(pg_temp.unit('card'), :other, 'deduct', 5000, 1000, 6000, 36, 365);
INSERT INTO loyalty.benefit (program_id, name, kind) VALUES (:shop, 'spa', 'voucher'), (:shop, 'lane', 'flag');
INSERT INTO loyalty.topup_step (program_id, unit_id, step_from, bonus, points, points_unit_id, benefit_id)
SELECT :shop, u.unit_id, s.step_from, s.bonus, s.points, CASE WHEN s.points > 0 THEN pg_temp.unit('points') END,
	CASE WHEN s.points > 0 THEN b.benefit_id END
FROM loyalty.unit u
CROSS JOIN (VALUES (500, 50, NULL::numeric), (1000, 150, 100)) s (step_from, bonus, points)
CROSS JOIN loyalty.benefit b
WHERE u.code IN ('prop', 'bonus1', 'principal1') AND b.name = 'spa';
INSERT INTO loyalty.topup_step (program_id, unit_id, step_from, bonus) VALUES (:other, pg_temp.unit('card'), 500, 50);
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay', 'guy', 'hal', 'ivy', 'jon', 'kay');
CALL pg_temp.enroll('Other', 'zoe', 'yul', 'xan', 'wim', 'vic');
CALL pg_temp.enroll('None', 'non');

-- '400 + 40': principal and bonus of a card, from the entries and not from the wallet
CREATE FUNCTION pg_temp.card(name text, unit text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT format('%s + %s', trim_scale(coalesce(sum(e.amount) FILTER (WHERE e.origin = 'p'), 0) / 100.0),
		trim_scale(coalesce(sum(e.amount) FILTER (WHERE e.origin <> 'p'), 0) / 100.0))
	FROM loyalty.entry e WHERE e.member_id = pg_temp.id($1) AND e.unit_id = pg_temp.unit($2)
$$;
-- 'pay_out 390, bonus_deducted 10'
CREATE FUNCTION pg_temp.told_amounts(r loyalty.receipt) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(string_agg(concat_ws(' ', m ->> 'code', m ->> 'amount'), ', ' ORDER BY m ->> 'code' DESC), 'nothing')
	FROM jsonb_array_elements((r).messages) m WHERE m ? 'amount'
$$;

SELECT is(pg_temp.signature(name), format('(%s) -> %s', arguments, result), name || '(): arguments')
FROM (VALUES
	('topup', 'member_id bigint, amount numeric, ref text, unit text DEFAULT NULL::text, pending boolean DEFAULT false, '
		'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text', 'loyalty.receipt'),
	('topup_confirm', 'member_id bigint, ref text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text', 'loyalty.receipt'),
	('topup_cancel', 'member_id bigint, ref text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text', 'loyalty.receipt'),
	('topup_refund', 'member_id bigint, ref text, amount numeric DEFAULT NULL::numeric, refund_ref text DEFAULT NULL::text, '
		'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text', 'loyalty.receipt'),
	('topup_freeze', 'member_id bigint, unit text, reason text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text', 'loyalty.receipt'),
	('topup_unfreeze', 'member_id bigint, unit text, reason text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text', 'loyalty.receipt'),
	('topup_name', 'member_id bigint, unit text, named boolean, reason text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text', 'loyalty.receipt'),
	('topup_balance', 'member_id bigint, unit text DEFAULT NULL::text', 'TABLE(card text, principal numeric, bonus numeric, pending numeric, held numeric, frozen boolean, named boolean, card_limit numeric)')
) v (name, arguments, result);

-- What policies and steps may be
SELECT is(pg_temp.raised(format('INSERT INTO loyalty.topup_policy (program_id, unit_id, %s) VALUES (%s, pg_temp.unit(%L), %s)', columns, :shop, unit, vals)), raised, what)
FROM (VALUES
	('points are no stored value', 'points', 'spend_order', $$'bonus_first'$$, 'LY801 unit_id=1: stored value is of kind money'),
	('nor is money with other decimals than the currency', 'yen', 'spend_order', $$'bonus_first'$$, 'LY801 unit_id=' || pg_temp.unit('yen') || ': stored value has the decimals of the currency'),
	('a limit with too many decimals', 'cash', 'limit_named', '9.999', 'LY801 limit_named=9.999: has at most 2 decimals')
) v (what, unit, columns, vals, raised);
SELECT throws_ok(format('INSERT INTO loyalty.topup_policy (program_id, unit_id, %s) VALUES (%s, pg_temp.unit(%L), %s)', columns, :shop, 'cash', vals), code, NULL, what)
FROM (VALUES
	('an order that there is not', 'spend_order', $$'newest'$$, '23514'),
	('a policy that there is not', 'bonus_policy', $$'keep'$$, '23514'),
	('a limit below zero', 'limit_member', '-1', '23514'),
	('a limit that is no number', 'limit_member', $$'NaN'$$, '23514'),
	('a limit beyond all bounds', 'limit_unnamed', '1e12', '23514'),
	('no months', 'unnamed_months', '0', '23514'),
	('no days', 'bonus_days', '0', '23514')
) v (what, columns, vals, code);
SELECT is(pg_temp.raised(format('INSERT INTO loyalty.topup_step (program_id, unit_id, step_from, %s) VALUES (%s, pg_temp.unit(%L), %s)', columns, :shop, 'prop', vals)), raised, what)
FROM (VALUES
	('a step with too many decimals', 'bonus', '9.999, 1', 'LY801 step_from=9.999: has at most 2 decimals'),
	('a bonus with too many decimals', 'bonus', '9, 0.001', 'LY801 bonus=0.001: has at most 2 decimals'),
	('points with decimals', 'points, points_unit_id', '9, 1.5, pg_temp.unit(''points'')', 'LY801 points=1.5: must be a whole number'),
	('points of a metric', 'points, points_unit_id', '9, 1, pg_temp.unit(''orders'')', 'LY801 points_unit_id=' || pg_temp.unit('orders') || ': points are of kind points'),
	('a benefit of which no voucher is issued', 'benefit_id', '9, (SELECT benefit_id FROM loyalty.benefit WHERE name = ''lane'')',
		'LY801 benefit_id=' || (SELECT benefit_id FROM loyalty.benefit WHERE name = 'lane') || ': a benefit of kind voucher is issued')
) v (what, columns, vals, raised);
SELECT throws_ok(format('INSERT INTO loyalty.topup_step (program_id, unit_id, step_from, %s) VALUES (%s, pg_temp.unit(%L), %s)', columns, :shop, 'prop', vals), code, NULL, what)
FROM (VALUES
	('a step from nothing', 'bonus', '0, 1', '23514'), ('a bonus below zero', 'bonus', '9, -1', '23514'),
	('points without a unit', 'points', '9, 1', '23514'), ('no points', 'points, points_unit_id', '9, 0, 1', '23514'),
	('a step that is there', 'bonus', '500, 1', '23505')
) v (what, columns, vals, code);

-- Ann has 500 + 50 on a card that is spent in proportion: of 110, 110 * 50 / 550 = 10 are bonus.
SELECT is(r.status || ': ' || pg_temp.moved(r), 'done: 550 prop', 'topped up') FROM loyalty.topup(pg_temp.id('ann'), 500, 'pay-1', 'prop') r;
SELECT is(pg_temp.card('ann', 'prop'), '500 + 50', '500 bring 50');
SELECT is((SELECT concat_ws(' ', kind, ref, unit_id = pg_temp.unit('prop'), amount) FROM loyalty.journal WHERE member_id = pg_temp.id('ann') ORDER BY journal_id DESC LIMIT 1),
	'topup pay-1 t 50000', 'the journal knows the payment');
SELECT is(r.replayed::text || ' ' || pg_temp.moved(r), 'true 550 prop', 'the same payment again: the same answer') FROM loyalty.topup(pg_temp.id('ann'), 500, 'pay-1', 'prop') r;
SELECT is(pg_temp.raised($$SELECT FROM loyalty.topup(pg_temp.id('ann'), 600, 'pay-1', 'prop')$$) LIKE 'LY002%', true, 'with another amount: refused');
SELECT is(pg_temp.raised($$SELECT FROM loyalty.topup(pg_temp.id('ann'), 500, 'pay-1', 'prop', pending => true)$$) LIKE 'LY002%', true, 'pending this time: refused');
SELECT is(pg_temp.raised($$SELECT FROM loyalty.topup(pg_temp.id('ann'), 500, 'pay-1', 'prop', key => 'k1')$$) LIKE 'LY003%', true, 'with a key that is new: refused');
SELECT is(reason, 'duplicate_ref', 'in mode try as well') FROM loyalty.topup(pg_temp.id('ann'), 500, 'pay-1', 'bonus1', key => 'k1', mode => 'try');
SELECT is(pg_temp.card('ann', 'prop'), '500 + 50', 'a payment settles once');
SELECT FROM loyalty.redeem(pg_temp.id('ann'), 110, 'prop', 'order-1');
SELECT is(pg_temp.card('ann', 'prop'), '400 + 40', 'proportional: of 110, 10 are bonus');
-- 4.05 more: 4.05 * 40 / 440 = 0.368..., so 0.36 of bonus and 3.69 of principal
SELECT FROM loyalty.redeem(pg_temp.id('ann'), 4.05, 'prop', 'order-2');
SELECT is(pg_temp.card('ann', 'prop'), '396.31 + 39.64', 'proportional: the share of bonus is rounded down');
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'order-2');
SELECT is(pg_temp.card('ann', 'prop'), '400 + 40', 'refunded: each part returns');
-- A third of 110 and the rest: 33 of 110 are 30 of 100 and 3 of 10.
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'order-1', 33, refund_ref => 'r1');
SELECT is(pg_temp.card('ann', 'prop'), '430 + 43', 'refunded in part: in the proportion in which it was paid');
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'order-1');
SELECT is(pg_temp.card('ann', 'prop'), '500 + 50', 'and the rest: as it was');

-- The same with the other orders.
SELECT FROM unnest('{bonus1,principal1}'::text[]) u (unit), loyalty.topup(pg_temp.id('ann'), 500, 'pay-' || unit, unit);
SELECT FROM unnest('{bonus1,principal1}'::text[]) u (unit), loyalty.redeem(pg_temp.id('ann'), 110, unit, 'order-' || unit);
SELECT is(pg_temp.card('ann', 'bonus1'), '440 + 0', 'bonus first: 50 of bonus, 60 of principal');
SELECT is(pg_temp.card('ann', 'principal1'), '390 + 50', 'principal first: 110 of principal');
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'order-bonus1', 11, refund_ref => 'r2');
SELECT is(pg_temp.card('ann', 'bonus1'), '446 + 5', 'refunded: not bonus first, but 6 and 5 of 60 and 50');
SELECT FROM unnest('{bonus1,principal1}'::text[]) u (unit), loyalty.refund(pg_temp.id('ann'), 'order-' || unit);
SELECT is(pg_temp.card('ann', unit), '500 + 50', unit || ': all refunded, all back') FROM unnest('{bonus1,principal1}'::text[]) u (unit);

-- Holds: a capture takes of the hold what a spend would take.
CREATE FUNCTION pg_temp.held(name text, unit text, held numeric, captured numeric) RETURNS text LANGUAGE sql AS $$
	SELECT FROM loyalty.capture(pg_temp.id(name), (SELECT hold_id FROM loyalty.hold(pg_temp.id(name), held, unit, ref => 'hold-' || unit)), captured);
	SELECT pg_temp.card(name, unit)
$$;
SELECT is(pg_temp.held('ann', unit, 110, 44), left_over, unit || ': 110 set aside, 44 of it spent')
FROM (VALUES ('prop', '460 + 46'), ('bonus1', '500 + 6'), ('principal1', '456 + 50')) v (unit, left_over);
SELECT FROM unnest('{prop,bonus1,principal1}'::text[]) u (unit), loyalty.refund(pg_temp.id('ann'), 'hold-' || unit, 22, refund_ref => 'half-' || unit);
SELECT is(pg_temp.card('ann', unit), left_over, unit || ': half of that refunded')
FROM (VALUES ('prop', '480 + 48'), ('bonus1', '500 + 28'), ('principal1', '478 + 50')) v (unit, left_over);
SELECT FROM unnest('{prop,bonus1,principal1}'::text[]) u (unit), loyalty.refund(pg_temp.id('ann'), 'hold-' || unit);
SELECT is(pg_temp.card('ann', unit), '500 + 50', unit || ': all of it refunded') FROM unnest('{prop,bonus1,principal1}'::text[]) u (unit);
SELECT FROM loyalty.adjust(pg_temp.id('ann'), -55, 'prop', 'a mistake', key => 'down');
SELECT is(pg_temp.card('ann', 'prop'), '450 + 45', 'a correction downwards is spent in the same way');
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 5, 'prop', 'sorry', key => 'up');
SELECT is(pg_temp.card('ann', 'prop'), '450 + 50', 'one upwards was not paid: it counts as bonus');

-- A transfer leaves principal principal.
SELECT FROM loyalty.transfer(pg_temp.id('ann'), pg_temp.id('bob'), 100, 'prop', 'gift');
SELECT is(pg_temp.card('ann', 'prop') || ', ' || pg_temp.card('bob', 'prop'), '360 + 40, 90 + 10', 'transferred in proportion');

-- Refunds of top-ups. 500 + 50, of which 110 were spent: 400 + 40 are left. Forgiven: 400 are paid out.
SELECT FROM loyalty.topup(pg_temp.id('cat'), 500, 'pay-1', 'prop');
SELECT FROM loyalty.redeem(pg_temp.id('cat'), 110, 'prop', 'order-1');
SELECT is(r.status || ': ' || pg_temp.told_amounts(r), 'dry: pay_out 400', 'forgiven: what a refund would pay out')
FROM loyalty.topup_refund(pg_temp.id('cat'), 'pay-1', refund_ref => 'back', mode => 'dry') r;
SELECT is(pg_temp.told_amounts(r) || '; ' || pg_temp.moved(r), 'pay_out 400; -440 prop', 'forgiven: 400, and the bonus that is left goes with it')
FROM loyalty.topup_refund(pg_temp.id('cat'), 'pay-1', refund_ref => 'back') r;
SELECT is(pg_temp.card('cat', 'prop'), '0 + 0', 'forgiven: nothing is left');
SELECT is(r.replayed::text || ' ' || pg_temp.told_amounts(r), 'true pay_out 400', 'the same refund again: the same answer')
FROM loyalty.topup_refund(pg_temp.id('cat'), 'pay-1', refund_ref => 'back') r;
SELECT is(pg_temp.raised($$SELECT FROM loyalty.topup_refund(pg_temp.id('cat'), 'pay-1', refund_ref => 'again')$$), 'LY304 available=0 requested=0 unit=prop', 'a second one: nothing is left');
SELECT FROM loyalty.refund(pg_temp.id('cat'), 'order-1');
SELECT is(pg_temp.told_amounts(r), 'pay_out 100', 'what an order gives back can be refunded in turn')
FROM loyalty.topup_refund(pg_temp.id('cat'), 'pay-1', refund_ref => 'again') r;
SELECT is(pg_temp.card('cat', 'prop'), '0 + 0', 'with the bonus that came back');
SELECT results_eq($$SELECT status, refunded, deducted, bonus_taken FROM loyalty.topup WHERE member_id = pg_temp.id('cat')$$,
	$$VALUES ('refunded', 50000::bigint, 0::bigint, 5000::bigint)$$, 'the row of the top-up tells');

-- Deducted: all 50 of bonus were spent, 440 + 0 are left: 440 - 50 = 390 are paid out.
SELECT FROM loyalty.topup(pg_temp.id('cat'), 500, 'pay-2', 'bonus1');
SELECT FROM loyalty.redeem(pg_temp.id('cat'), 110, 'bonus1', 'order-2');
SELECT is(pg_temp.raised($$SELECT FROM loyalty.topup_refund(pg_temp.id('cat'), 'pay-2', 390.01, refund_ref => 'too much')$$),
	'LY304 available=390 requested=390.01 unit=bonus1', 'deducted: no more than 390');
SELECT is(pg_temp.told_amounts(r) || '; ' || pg_temp.moved(r), 'pay_out 390, bonus_deducted 50; -440 bonus1', 'deducted: 390')
FROM loyalty.topup_refund(pg_temp.id('cat'), 'pay-2', refund_ref => 'back-2') r;
SELECT results_eq($$SELECT status, refunded, deducted, bonus_taken FROM loyalty.topup WHERE member_id = pg_temp.id('cat') AND ref = 'pay-2'$$,
	$$VALUES ('refunded', 39000::bigint, 5000::bigint, 5000::bigint)$$, 'deducted: as the row tells');
SELECT FROM loyalty.refund(pg_temp.id('cat'), 'order-2');
SELECT is(pg_temp.card('cat', 'bonus1'), '60 + 50', 'an order that is refunded after it: bonus that was paid for stays');
SELECT is(pg_temp.told_amounts(r), 'pay_out 60', 'and principal is principal')
FROM loyalty.topup_refund(pg_temp.id('cat'), 'pay-2', refund_ref => 'back-3') r;
SELECT is(pg_temp.card('cat', 'bonus1'), '0 + 50', 'so 450 were paid out, and 50 are left');

-- In parts: 100, 290, and the rest; the same end. 390 with 0.10 first would be 0 in the end.
SELECT FROM loyalty.topup(pg_temp.id('dan'), 500, 'pay-2', 'bonus1');
SELECT FROM loyalty.redeem(pg_temp.id('dan'), 20, 'bonus1', 'order-2');
-- 500 + 30, 20 to be deducted: 480 can be paid out; 120 of them take 7.5 of 30 of bonus.
SELECT is(pg_temp.told_amounts(r) || '; ' || pg_temp.moved(r), 'pay_out 120; -127.5 bonus1', 'a part: its share of the bonus')
FROM loyalty.topup_refund(pg_temp.id('dan'), 'pay-2', 120, refund_ref => 'part-1') r;
SELECT is(pg_temp.card('dan', 'bonus1'), '380 + 22.5', 'a part: what is left');
SELECT is(pg_temp.told_amounts(r) || '; ' || pg_temp.moved(r), 'pay_out 359.99; -382.48 bonus1', 'another part, all but a cent')
FROM loyalty.topup_refund(pg_temp.id('dan'), 'pay-2', 359.99, refund_ref => 'part-2') r;
SELECT is(pg_temp.told_amounts(r) || '; ' || pg_temp.moved(r), 'pay_out 0.01, bonus_deducted 20; -20.02 bonus1', 'the cent: and now what was spent of the bonus is deducted')
FROM loyalty.topup_refund(pg_temp.id('dan'), 'pay-2', 0.01, refund_ref => 'part-3') r;
SELECT is(pg_temp.card('dan', 'bonus1'), '0 + 0', 'the parts end where one refund does');

-- Two top-ups do not mix. 500 + 50 and 1000 + 150; principal first; 1510 spent: 0 + 190 are left, of which
-- the older one has 50 - 10 = 40, and the newer one all of its 150. Then 300 come back.
SELECT FROM loyalty.topup(pg_temp.id('eve'), 500, 'pay-1', 'principal1');
SELECT FROM loyalty.topup(pg_temp.id('eve'), 1000, 'pay-2', 'principal1');
SELECT FROM loyalty.redeem(pg_temp.id('eve'), 1510, 'principal1', 'order-1');
SELECT is(pg_temp.card('eve', 'principal1'), '0 + 190', 'two top-ups: 190 of bonus are left');
SELECT is(pg_temp.raised($$SELECT FROM loyalty.topup_refund(pg_temp.id('eve'), 'pay-1', refund_ref => 'b1')$$), 'LY304 available=0 requested=0 unit=principal1', 'no principal is left');
SELECT FROM loyalty.topup(pg_temp.id('eve'), 400, 'pay-3', 'principal1');
SELECT is(pg_temp.told_amounts(r), 'pay_out 390, bonus_deducted 10', 'of the older, 10 of bonus were spent')
FROM loyalty.topup_refund(pg_temp.id('eve'), 'pay-1', refund_ref => 'b1', mode => 'dry') r;
SELECT is(pg_temp.told_amounts(r), 'pay_out 400', 'of the newer one none')
FROM loyalty.topup_refund(pg_temp.id('eve'), 'pay-2', refund_ref => 'b2', mode => 'dry') r;
SELECT is(pg_temp.told_amounts(r) || '; ' || pg_temp.moved(r), 'pay_out 400; -400 principal1', 'the newest had no bonus')
FROM loyalty.topup_refund(pg_temp.id('eve'), 'pay-3', refund_ref => 'b3') r;
SELECT is(pg_temp.card('eve', 'principal1'), '0 + 190', 'and takes none');

-- Gifts: 1000 bring 150, 100 points and a voucher.
SELECT is(pg_temp.moved(r) || ', ' || (r.messages -> 0 ->> 'code'), '100 points, 1150 prop, voucher_issued', '1000 bring 150, 100 points and a voucher')
FROM loyalty.topup(pg_temp.id('fay'), 1000, 'pay-1', 'prop') r;
SELECT FROM loyalty.redeem(pg_temp.id('fay'), 30, 'points', 'points-1');
SELECT is(pg_temp.told_amounts(r) || '; ' || pg_temp.moved(r), 'pay_out 250; -25 points, -287.5 prop', 'a quarter: a quarter of the points and of the bonus')
FROM loyalty.topup_refund(pg_temp.id('fay'), 'pay-1', 250, refund_ref => 'b1') r;
SELECT is(status, 'issued', 'the voucher is good until all is refunded') FROM loyalty.voucher WHERE member_id = pg_temp.id('fay');
SELECT FROM loyalty.topup_refund(pg_temp.id('fay'), 'pay-1', refund_ref => 'b2');
SELECT is(pg_temp.card('fay', 'prop') || ', ' || pg_temp.balance('fay'), '0 + 0, 30 debt', 'the rest: points that were spent are owed, as of an order');
SELECT is(status, 'void', 'the voucher is void') FROM loyalty.voucher WHERE member_id = pg_temp.id('fay');

-- Pending: nothing in the wallet until it is confirmed.
SELECT is(pg_temp.moved(r) || '; ' || pg_temp.told_amounts(r), 'nothing; topup_pending 1000', 'pending: nothing moves') FROM loyalty.topup(pg_temp.id('guy'), 1000, 'pay-1', 'prop', pending => true) r;
SELECT is(pg_temp.card('guy', 'prop') || ', ' || pg_temp.balance('guy'), '0 + 0, nothing', 'pending: nothing is there');
SELECT results_eq($$SELECT card, principal, bonus, pending, held, frozen, named, card_limit FROM loyalty.topup_balance(pg_temp.id('guy'), 'prop')$$,
	$$VALUES ('prop', 0.00, 0.00, 1150.00, 0.00, false, false, NULL::numeric)$$, 'topup_balance() tells of it');
SELECT is(pg_temp.raised($$SELECT FROM loyalty.topup_refund(pg_temp.id('guy'), 'pay-1', refund_ref => 'b1')$$), 'LY308 unit=prop', 'pending: nothing to refund');
UPDATE loyalty.topup_step SET bonus = 1 WHERE unit_id = pg_temp.unit('prop');
SELECT is(pg_temp.moved(r), '100 points, 1150 prop', 'confirmed: what it was worth when it was made') FROM loyalty.topup_confirm(pg_temp.id('guy'), 'pay-1') r;
UPDATE loyalty.topup_step SET bonus = CASE step_from WHEN 500 THEN 50 ELSE 150 END WHERE unit_id = pg_temp.unit('prop');
SELECT is(r.replayed::text || ' ' || pg_temp.moved(r), 'true 100 points, 1150 prop', 'confirmed twice: the same answer') FROM loyalty.topup_confirm(pg_temp.id('guy'), 'pay-1') r;
SELECT is(pg_temp.raised($$SELECT FROM loyalty.topup_cancel(pg_temp.id('guy'), 'pay-1')$$), 'LY307 status=done', 'confirmed: too late to cancel');
SELECT is(pg_temp.raised($$SELECT FROM loyalty.topup_confirm(pg_temp.id('guy'), 'pay-1', key => 'k2')$$) LIKE 'LY003%', true, 'confirmed: another key is another request');
SELECT FROM loyalty.topup(pg_temp.id('guy'), 1000, 'pay-2', 'prop', pending => true);
SELECT is(status, 'done', 'cancelled') FROM loyalty.topup_cancel(pg_temp.id('guy'), 'pay-2');
SELECT is(replayed, true, 'cancelled twice') FROM loyalty.topup_cancel(pg_temp.id('guy'), 'pay-2');
SELECT is(pg_temp.raised($$SELECT FROM loyalty.topup_confirm(pg_temp.id('guy'), 'pay-2')$$), 'LY307 status=cancelled', 'cancelled: not to be confirmed');
SELECT is(pg_temp.raised($$SELECT FROM loyalty.topup_refund(pg_temp.id('guy'), 'pay-2', refund_ref => 'b1')$$), 'LY306 the top-up was cancelled', 'nor refunded');
SELECT is(r.replayed::text, 'true', 'the call that made it is answered as before') FROM loyalty.topup(pg_temp.id('guy'), 1000, 'pay-2', 'prop', pending => true) r;

-- Bad input: each its own code, and nothing changed
SELECT pg_temp.state() AS state \gset
SELECT is(left(pg_temp.raised('SELECT FROM loyalty.' || call), 5), code, call)
FROM (VALUES
	($$topup(pg_temp.id('guy'), 0, 'bad', 'prop')$$, 'LY101'), ($$topup(pg_temp.id('guy'), -5, 'bad', 'prop')$$, 'LY101'),
	($$topup(pg_temp.id('guy'), 1e20, 'bad', 'prop')$$, 'LY102'), ($$topup(pg_temp.id('guy'), 0.001, 'bad', 'prop')$$, 'LY103'),
	($$topup(pg_temp.id('guy'), 'NaN', 'bad', 'prop')$$, 'LY104'), ($$topup(pg_temp.id('guy'), 'Infinity', 'bad', 'prop')$$, 'LY104'),
	($$topup(pg_temp.id('guy'), 5, 'bad', 'gold')$$, 'LY105'), ($$topup(pg_temp.id('guy'), 5, 'bad')$$, 'LY105'),
	($$topup(pg_temp.id('non'), 5, 'bad')$$, 'LY105'),
	($$topup(pg_temp.id('guy'), 5, 'bad', 'cash')$$, 'LY106'), ($$topup(pg_temp.id('guy'), 5, 'bad', 'points')$$, 'LY106'),
	($$topup(pg_temp.id('guy'), 5, NULL, 'prop')$$, 'LY005'), ($$topup(pg_temp.id('guy'), 5, '', 'prop')$$, 'LY005'),
	($$topup(pg_temp.id('guy'), 5, E'a\nb', 'prop')$$, 'LY005'), ($$topup(pg_temp.id('guy'), 5, repeat('x', 256), 'prop')$$, 'LY005'),
	($$topup(pg_temp.id('guy'), NULL, 'bad', 'prop')$$, '22004'), ($$topup(NULL, 5, 'bad', 'prop')$$, '22004'),
	($$topup(pg_temp.id('guy'), 5, 'bad', 'prop', NULL)$$, '22004'), ($$topup(-1, 5, 'bad', 'prop')$$, 'LY501'),
	($$topup_confirm(pg_temp.id('guy'), 'nothing')$$, 'LY306'), ($$topup_confirm(pg_temp.id('guy'), NULL)$$, 'LY005'),
	($$topup_cancel(pg_temp.id('guy'), 'nothing')$$, 'LY306'),
	($$topup_refund(pg_temp.id('guy'), 'nothing', refund_ref => 'b')$$, 'LY306'), ($$topup_refund(pg_temp.id('guy'), 'pay-1')$$, 'LY001'),
	($$topup_refund(pg_temp.id('guy'), 'pay-1', 0, 'b')$$, 'LY101'), ($$topup_refund(pg_temp.id('guy'), 'pay-1', -1, 'b')$$, 'LY101'),
	($$topup_refund(pg_temp.id('guy'), 'pay-1', 1000.01, 'b')$$, 'LY304'), ($$topup_refund(pg_temp.id('guy'), '', 1, 'b')$$, 'LY005'),
	($$topup_refund(pg_temp.id('bob'), 'pay-1', 1, 'b')$$, 'LY306'),
	($$topup_freeze(pg_temp.id('guy'), 'prop', '')$$, 'LY160'), ($$topup_freeze(pg_temp.id('guy'), 'cash', 'lost')$$, 'LY106'),
	($$topup_name(pg_temp.id('guy'), 'prop', NULL, 'x')$$, '22004'), ($$topup_name(pg_temp.id('guy'), 'gold', true, 'x')$$, 'LY105'),
	($$topup_balance(NULL)$$, '22004'), ($$topup_balance(-1)$$, 'LY501'), ($$topup_balance(pg_temp.id('guy'), 'gold')$$, 'LY105'),
	($$topup(pg_temp.id('guy'), 5, 'bad', 'prop', mode => 'perhaps')$$, '22023')
) v (call, code);
SELECT is(pg_temp.state(), :'state', 'and nothing changed');

-- A frozen card
SELECT FROM loyalty.topup(pg_temp.id('hal'), 500, 'pay-1', 'prop');
SELECT FROM loyalty.topup(pg_temp.id('hal'), 100, 'pay-2', 'prop', pending => true);
SELECT FROM loyalty.redeem(pg_temp.id('hal'), 55, 'prop', 'order-1');
SELECT hold_id AS hold_1 FROM loyalty.hold(pg_temp.id('hal'), 55, 'prop', ref => 'h1') \gset
SELECT hold_id AS hold_2 FROM loyalty.hold(pg_temp.id('hal'), 55, 'prop', ref => 'h2') \gset
SELECT hold_id AS hold_3 FROM loyalty.hold(pg_temp.id('hal'), 55, 'prop', '1 hour', ref => 'h3') \gset
SELECT is(status, 'done', 'frozen') FROM loyalty.topup_freeze(pg_temp.id('hal'), 'prop', 'lost');
SELECT is(status || replayed, 'donetrue', 'frozen already: nothing new') FROM loyalty.topup_freeze(pg_temp.id('hal'), 'prop', 'lost');
SELECT is(pg_temp.raised('SELECT FROM loyalty.' || call), 'LY305 unit=prop frozen_at=2026-03-15 12:00:00+00', 'frozen: ' || call)
FROM unnest(ARRAY[$$redeem(pg_temp.id('hal'), 1, 'prop', 'x')$$, $$hold(pg_temp.id('hal'), 1, 'prop', ref => 'x')$$,
	$$transfer(pg_temp.id('hal'), pg_temp.id('ann'), 1, 'prop', 'x')$$, $$transfer(pg_temp.id('ann'), pg_temp.id('hal'), 1, 'prop', 'x')$$,
	$$topup(pg_temp.id('hal'), 1, 'x', 'prop')$$]) call;
SELECT is(reason, 'card_frozen', 'frozen: in mode dry as well') FROM loyalty.redeem(pg_temp.id('hal'), 1, 'prop', 'x', mode => 'dry');
SELECT is(pg_temp.moved(r), '55 prop', 'what was set aside comes back') FROM loyalty.release(pg_temp.id('hal'), :hold_1) r;
SELECT is(status, 'done', 'or is spent: it was promised before') FROM loyalty.capture(pg_temp.id('hal'), :hold_2);
SELECT is(pg_temp.moved(r), '55 prop', 'refunds go on') FROM loyalty.refund(pg_temp.id('hal'), 'order-1') r;
SELECT is(pg_temp.moved(r), '100 prop', 'a payment that was on its way arrives') FROM loyalty.topup_confirm(pg_temp.id('hal'), 'pay-2') r;
SET loyalty.now = '2026-03-15 14:00+00';
SELECT is(loyalty.account_settle(pg_temp.id('hal')), 1, 'a hold times out');
-- 500 + 100 - 50, and 50 - 5
SELECT is(pg_temp.card('hal', 'prop'), '550 + 45', 'frozen: what is left');
SELECT is(pg_temp.told_amounts(r), 'pay_out 100', 'a top-up is refunded, as of a charge-back') FROM loyalty.topup_refund(pg_temp.id('hal'), 'pay-2', refund_ref => 'charge-back') r;
SELECT results_eq($$SELECT frozen, named FROM loyalty.topup_balance(pg_temp.id('hal'), 'prop')$$, 'VALUES (true, false)', 'topup_balance() tells that it is frozen');
SELECT is(status, 'done', 'set free') FROM loyalty.topup_unfreeze(pg_temp.id('hal'), 'prop', 'found');
SELECT is(status || replayed, 'donetrue', 'free already: nothing new') FROM loyalty.topup_unfreeze(pg_temp.id('hal'), 'prop', 'found');
SELECT is(status, 'done', 'spent again') FROM loyalty.redeem(pg_temp.id('hal'), 1, 'prop', 'x');
SET loyalty.now = '2026-03-15 12:00+00';

-- Limits of a card: 1000 unnamed, 5000 named; with bonus, with what is set aside and on its way. The unit is the only one.
SELECT FROM loyalty.topup(pg_temp.id('zoe'), 500, 'pay-1');
SELECT is(pg_temp.raised($$SELECT FROM loyalty.topup(pg_temp.id('zoe'), 450.01, 'pay-2')$$), 'LY302 limit_unnamed=1000 balance=550 requested=450.01 unit=card', 'more than an unnamed card may hold');
SELECT is(pg_temp.raised($$SELECT FROM loyalty.topup(pg_temp.id('zoe'), 500, 'pay-2')$$), 'LY302 limit_unnamed=1000 balance=550 requested=550 unit=card', 'with the bonus');
SELECT FROM loyalty.topup(pg_temp.id('zoe'), 450, 'pay-2', pending => true);
SELECT is(pg_temp.raised($$SELECT FROM loyalty.topup(pg_temp.id('zoe'), 0.01, 'pay-3')$$), 'LY302 limit_unnamed=1000 balance=1000 requested=0.01 unit=card', 'with what is on its way');
SELECT is(pg_temp.raised($$SELECT FROM loyalty.adjust(pg_temp.id('zoe'), 0.01, 'card', 'x', key => 'x')$$), 'LY302 limit_unnamed=1000 balance=1000 requested=0.01 unit=card', 'a correction upwards');
SELECT FROM loyalty.topup_cancel(pg_temp.id('zoe'), 'pay-2');
SELECT hold_id AS hold_4 FROM loyalty.hold(pg_temp.id('zoe'), 110, 'card', ref => 'h1') \gset
SELECT FROM loyalty.topup(pg_temp.id('yul'), 460, 'pay-1');
SELECT is(pg_temp.raised($$SELECT FROM loyalty.transfer(pg_temp.id('yul'), pg_temp.id('zoe'), 450.01, 'card', 't1')$$), 'LY302 limit_unnamed=1000 balance=550 requested=450.01 unit=card', 'a transfer to the card, with what is set aside');
SELECT FROM loyalty.release(pg_temp.id('zoe'), :hold_4);
SELECT FROM loyalty.redeem(pg_temp.id('zoe'), 550, 'card', 'order-1');
SELECT FROM loyalty.topup(pg_temp.id('zoe'), 499, 'pay-4');
SELECT FROM loyalty.topup(pg_temp.id('zoe'), 499, 'pay-5');
SELECT is(status, 'done', 'a refund may exceed it') FROM loyalty.refund(pg_temp.id('zoe'), 'order-1');
SELECT is(pg_temp.lots('zoe', 'card'), '50 b until 2027-03-15, 1498 p until 2029-03-15', 'of an unnamed card principal lapses after 36 months, bonus after 365 days');
SELECT is(pg_temp.moved(r), '0 card', 'named') FROM loyalty.topup_name(pg_temp.id('zoe'), 'card', true, 'identity card was shown') r;
SELECT is(pg_temp.lots('zoe', 'card'), '50 b until 2027-03-15, 1498 p', 'named: principal does not lapse');
SELECT is(status || replayed, 'donetrue', 'named already: nothing new') FROM loyalty.topup_name(pg_temp.id('zoe'), 'card', true, 'again');
SELECT is(pg_temp.raised($$SELECT FROM loyalty.topup(pg_temp.id('zoe'), 3402.01, 'pay-6')$$), 'LY302 limit_named=5000 balance=1548 requested=3452.01 unit=card', 'its limit is the higher one');
SELECT FROM loyalty.topup(pg_temp.id('zoe'), 3402, 'pay-6');
SELECT results_eq($$SELECT principal, bonus, named, card_limit FROM loyalty.topup_balance(pg_temp.id('zoe'))$$, 'VALUES (4900.00, 100.00, true, 5000.00)', 'up to the cent');
SELECT is(pg_temp.raised($$SELECT FROM loyalty.topup_name(pg_temp.id('zoe'), 'card', false, 'x')$$), 'LY302 limit_unnamed=1000 balance=5000 requested=0 unit=card', 'too much for a card without a name');
SELECT FROM loyalty.redeem(pg_temp.id('zoe'), 4000, 'card', 'order-2');
SELECT FROM loyalty.topup_name(pg_temp.id('zoe'), 'card', false, 'it was somebody else');
SELECT is(pg_temp.lots('zoe', 'card'), '20 b until 2027-03-15, 980 p until 2029-03-15', 'without the name it lapses, after the full time');
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:other, 'second', 'money', 2);
INSERT INTO loyalty.topup_policy (unit_id, program_id, limit_member) VALUES (pg_temp.unit('second'), :other, 6000);
SELECT FROM loyalty.topup(pg_temp.id('zoe'), 5000, 'pay-7', 'second');
SELECT is(pg_temp.raised($$SELECT FROM loyalty.topup(pg_temp.id('zoe'), 0.01, 'pay-8', 'second')$$), 'LY302 limit_member=6000 balance=6000 requested=0.01 unit=second', 'all cards of a member have a limit, too');
SELECT throws_ok($$DELETE FROM loyalty.topup_policy WHERE unit_id = pg_temp.unit('second')$$, '23503', NULL, 'a policy by which somebody paid stays');

-- One payment reference in the whole programme, if it says so
SELECT loyalty.program_create('Once', 'CNY', 'Asia/Shanghai') AS once \gset
UPDATE loyalty.program SET ref_scope = 'program' WHERE program_id = :once;
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:once, 'one', 'money', 2);
INSERT INTO loyalty.topup_policy (unit_id, program_id) VALUES (pg_temp.unit('one'), :once);
INSERT INTO loyalty.program_event (program_id, event) VALUES (:once, 'topup');
CALL pg_temp.enroll('Once', 'one', 'two');
SELECT FROM loyalty.topup(pg_temp.id('one'), 5, 'pay-1');
SELECT is(left(pg_temp.raised($$SELECT FROM loyalty.topup(pg_temp.id('two'), 5, 'pay-1')$$), 5), 'LY003', 'a payment of another member');
SELECT is(status || ' ' || reason, 'refused duplicate_ref', 'in mode dry as well') FROM loyalty.topup(pg_temp.id('two'), 5, 'pay-1', mode => 'dry');
SELECT is(status, 'done', 'an event of that name is something else') FROM loyalty.record(pg_temp.id('two'), 'topup', ref => 'pay-1');
SELECT is(status, 'done', 'and another payment one''s own') FROM loyalty.topup(pg_temp.id('two'), 5, 'pay-2');

-- A member who is frozen may be paid in, one who is closed not.
SELECT FROM loyalty.member_freeze(pg_temp.id('ivy'), 'x');
SELECT is(status, 'done', 'a frozen member') FROM loyalty.topup(pg_temp.id('ivy'), 100, 'pay-1', 'prop');
SELECT FROM loyalty.member_close(pg_temp.id('ivy'), 'x');
SELECT is(left(pg_temp.raised($$SELECT FROM loyalty.topup(pg_temp.id('ivy'), 100, 'pay-2', 'prop')$$), 5), 'LY502', 'a closed member');
SELECT is(pg_temp.told_amounts(r), 'pay_out 100', 'is paid out') FROM loyalty.topup_refund(pg_temp.id('ivy'), 'pay-1', refund_ref => 'b1') r;

-- Dated back: bonus and principal count from then.
SELECT FROM loyalty.topup(pg_temp.id('vic'), 500, 'pay-2', 'card', at => '2026-03-01 12:00+00');
SELECT is(pg_temp.lots('vic', 'card'), '50 b until 2027-03-01, 500 p until 2029-03-01', 'dated back');
SELECT FROM loyalty.topup_refund(pg_temp.id('vic'), 'pay-2', refund_ref => 'b2');

-- Lapse. Yul's 460 of principal lapse with 2029-03-15; xan's are named in time, wim's while some are set aside.
SELECT FROM unnest('{xan,wim,vic}'::text[]) name, loyalty.topup(pg_temp.id(name), 500, 'pay-1', 'card');
SELECT FROM loyalty.topup_name(pg_temp.id('xan'), 'card', true, 'shown');
SELECT FROM loyalty.redeem(pg_temp.id('vic'), 55, 'card', 'order-1');
SET loyalty.now = '2027-03-15 15:59+00';
SELECT is(pg_temp.balance('vic', 'card'), '495 available', 'on its last day bonus is good');
SET loyalty.now = '2027-03-15 16:00+00';
SELECT is(pg_temp.balance('vic', 'card'), '450 available', 'the day after it has lapsed');
SELECT is(pg_temp.told_amounts(r), 'pay_out 445, bonus_deducted 5', 'of bonus that has lapsed, only what was spent before is deducted')
FROM loyalty.topup_refund(pg_temp.id('vic'), 'pay-1', refund_ref => 'b1', mode => 'dry') r;
SELECT loyalty.account_settle(pg_temp.id('vic')) AS settled \gset
SELECT is(pg_temp.told_amounts(r), 'pay_out 445, bonus_deducted 5', 'whether that was posted or not')
FROM loyalty.topup_refund(pg_temp.id('vic'), 'pay-1', refund_ref => 'b1', mode => 'dry') r;
SET loyalty.now = '2029-03-15 15:00+00';
SELECT hold_id AS hold_5 FROM loyalty.hold(pg_temp.id('wim'), 100, 'card', '1 day', ref => 'h1') \gset
SELECT FROM loyalty.topup_name(pg_temp.id('wim'), 'card', true, 'shown');
SET loyalty.now = '2029-03-15 17:00+00';
SELECT is(pg_temp.balance('yul', 'card'), 'nothing', 'unnamed principal has lapsed');
SELECT is(pg_temp.balance('xan', 'card'), '500 available', 'named principal has not');
SELECT FROM loyalty.release(pg_temp.id('wim'), :hold_5);
SELECT is(pg_temp.lots('wim', 'card'), '500 p', 'nor what was set aside meanwhile');
SELECT is(pg_temp.raised($$SELECT FROM loyalty.topup_refund(pg_temp.id('yul'), 'pay-1', refund_ref => 'b1')$$), 'LY304 available=0 requested=0 unit=card', 'what has lapsed is not paid out');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
