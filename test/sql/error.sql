\set ECHO none
\i test/prelude.sql
-- Bad input gets a clear error and nothing is lost: every case is called in
-- mode 'do', which raises, and, when it is a verb, in mode 'try', which answers;
-- neither may change a row.
SELECT plan(1192);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
INSERT INTO loyalty.automation (program_id, name, trigger_kind) VALUES (:shop, 'idle', 'announcement');
SELECT loyalty.program_create('Cafe', 'GBP', 'Europe/London') AS cafe \gset
SELECT loyalty.program_create('Idle', 'GBP', 'Europe/London') AS idle \gset
SELECT loyalty.program_create('Shut', 'GBP', 'Europe/London') AS shut \gset
SELECT loyalty.program_create('Once', 'GBP', 'Europe/London') AS once \gset
INSERT INTO loyalty.tag (program_id, name, condition) VALUES (:shop, 'old', '$.member.age_days > 99999 && $.purchases.year.times > 5');
UPDATE loyalty.program SET closed_until = '2026-03-01 00:00+00' WHERE name = 'Shut';
UPDATE loyalty.program SET ref_scope = 'program' WHERE name = 'Once';
INSERT INTO loyalty.coupon (program_id, name, kind, amount, code_length) VALUES (:shop, 'ten', 'amount', 10, 10);
SELECT FROM loyalty.coupon_code_create('Shop', 'ten', 'HELLO');
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'frozen', 'closed', 'merged', 'damaged', 'stray');
CALL pg_temp.enroll('Cafe', 'zoe');
CALL pg_temp.enroll('Idle', 'ida');
CALL pg_temp.enroll('Shut', 'sid');
CALL pg_temp.enroll('Once', 'one', 'two');

-- ann: 500 points, order o1 of 100 with two lines, refund b1 of 10 of it, order full that is wholly refunded,
-- redeem r1 of 30, and a hold in each state
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 500, 'o0', key => 'k0');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 100, 'o1', '[{"sku":"A","price":60},{"sku":"B","qty":2,"price":20}]');
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'o1', 10, refund_ref => 'b1');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 5, 'full');
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'full');
SELECT FROM loyalty.redeem(pg_temp.id('ann'), 30, ref => 'r1');
CREATE TEMP TABLE held AS
	SELECT what, hold_id FROM unnest('{open,captured,released,timed_out}'::text[]) what,
		loyalty.hold(pg_temp.id('ann'), 10, ttl => CASE what WHEN 'timed_out' THEN interval '1 minute' ELSE '1 day' END, key => 'hold-' || what);
CREATE FUNCTION pg_temp.hold(what text) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT hold_id FROM held h WHERE h.what = $1 $$;
SELECT FROM loyalty.capture(pg_temp.id('ann'), pg_temp.hold('captured'));
SELECT FROM loyalty.release(pg_temp.id('ann'), pg_temp.hold('released'));
SELECT FROM loyalty.hold(pg_temp.id('bob'), 1, key => 'k1', mode => 'try');
SELECT FROM unnest('{bob,frozen,closed,merged,one}'::text[]) name, loyalty.purchase(pg_temp.id(name), 50, 'o1');
CREATE TEMP TABLE held_frozen AS SELECT hold_id FROM loyalty.hold(pg_temp.id('frozen'), 5, key => 'h1');
INSERT INTO loyalty.unit (program_id, code, kind, period) VALUES (:shop, 'visits', 'counter', 'lifetime'), (:shop, 'stamps', 'metric', NULL);
SELECT FROM unnest(ARRAY['{"name": "lounge", "kind": "quota", "unit": "visits", "quantity": 1}', '{"name": "priority", "kind": "flag"}',
	'{"name": "ironing", "kind": "voucher"}', '{"name": "cake", "kind": "gift", "gap_days": 0}', '{"name": "pack", "kind": "gift", "birthday": "day", "gap_days": 0}',
	'{"name": "coffee", "kind": "every_n", "unit": "stamps", "quantity": 5}']) b, pg_temp.offer(b::jsonb || '{"program": "Shop"}', 'everyone');
SELECT FROM pg_temp.offer('{"program": "Shop", "name": "spa", "kind": "voucher"}', 'tag vip');
SELECT FROM loyalty.benefit_use(pg_temp.id('ann'), 'lounge', 'o1');
SELECT FROM loyalty.benefit_claim(pg_temp.id('ann'), 'cake');
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 5, 'stamps', 'a card', key => 'stamps');
CREATE FUNCTION pg_temp.voucher(benefit text) RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT voucher_id FROM loyalty.voucher v JOIN loyalty.benefit b USING (benefit_id) WHERE b.name = $1 $$;
INSERT INTO loyalty.plan (program_id, name, months, price, rank) VALUES (:shop, 'plus', 12, 100, 1), (:shop, 'month', 1, 10, 1);
SELECT FROM loyalty.plan_buy(pg_temp.id('ann'), 'plus', 'pay-1');
INSERT INTO loyalty.unit (program_id, code, kind, scale) SELECT program_id, 'stored', 'money', currency_scale FROM loyalty.program WHERE program_id = :shop;
INSERT INTO loyalty.topup_policy (program_id, unit_id, limit_unnamed, limit_named) SELECT program_id, unit_id, 100, 500 FROM loyalty.unit WHERE code = 'stored';
SELECT FROM loyalty.topup(pg_temp.id('ann'), 50, 'paid');
SELECT FROM loyalty.topup(pg_temp.id('ann'), 5, 'unpaid', pending => true);
SELECT FROM loyalty.topup(pg_temp.id('ann'), 5, 'unmade', pending => true);
SELECT FROM loyalty.topup_cancel(pg_temp.id('ann'), 'unmade');
SELECT FROM loyalty.topup_freeze(pg_temp.id('bob'), 'stored', 'lost');
SELECT FROM loyalty.visitor_join(pg_temp.id('bob'), 'cookie');
SELECT loyalty.period_close('Shop', '2026-02-28');
INSERT INTO loyalty.message_channel (program_id, name) VALUES (:shop, 'sms');
SELECT FROM loyalty.message_enqueue(pg_temp.id('ann'), 'sms', 'hello');
-- a coupon for each reason not to apply, with a code of its name; basket: A 60, B 2 x 20
INSERT INTO loyalty.campaign (program_id, name, status) VALUES (:shop, 'draft', 'draft') RETURNING campaign_id AS draft \gset
INSERT INTO loyalty.coupon_category (program_id, name, max_per_order) VALUES (:shop, 'few', 1);
CREATE FUNCTION pg_temp.basket() RETURNS jsonb LANGUAGE sql AS $$ SELECT '{"items": [{"sku": "A", "price": 60}, {"sku": "B", "qty": 2, "price": 20}]}'::jsonb $$;
CREATE PROCEDURE pg_temp.misfit(settings jsonb, makes_code boolean DEFAULT true) LANGUAGE plpgsql AS $$
BEGIN
	settings := '{"kind": "percent", "percent": 1}' || settings || jsonb_build_object('program_id', (SELECT program_id FROM loyalty.program WHERE name = 'Shop'));
	EXECUTE (SELECT format('INSERT INTO loyalty.coupon (%s) VALUES (%s)', string_agg(format('%I', key), ', '), string_agg(format('%L', value), ', '))
		FROM jsonb_each_text(jsonb_strip_nulls(settings)));
	IF makes_code THEN
		PERFORM loyalty.coupon_code_create('Shop', settings ->> 'name', 'E' || (settings ->> 'name'));
	END IF;
END
$$;
CALL pg_temp.misfit('{"name": "idle", "status": "inactive"}');
CALL pg_temp.misfit(jsonb_build_object('name', 'draft', 'campaign_id', :draft));
CALL pg_temp.misfit('{"name": "early", "valid_from": "2026-03-16"}');
CALL pg_temp.misfit('{"name": "late", "valid_until": "2026-03-14"}');
CALL pg_temp.misfit('{"name": "monday", "days_of_week": "{1}"}');
CALL pg_temp.misfit('{"name": "vip", "tags": "{vip}"}');
CALL pg_temp.misfit('{"name": "golden", "tiers": "{gold}"}');
CALL pg_temp.misfit('{"name": "app", "channels": "{app}"}');
CALL pg_temp.misfit('{"name": "store", "stores": "{S9}"}');
CALL pg_temp.misfit('{"name": "first", "first_purchases": 1}');
CALL pg_temp.misfit('{"name": "much", "min_amount": 100.01}');
CALL pg_temp.misfit('{"name": "little", "max_amount": 99.99}');
CALL pg_temp.misfit('{"name": "many", "min_quantity": 4}');
CALL pg_temp.misfit('{"name": "one", "max_quantity": 2}');
CALL pg_temp.misfit('{"name": "tea", "item_filter": "$.category == \"tea\""}');
INSERT INTO loyalty.collection (program_id, name) VALUES (:shop, 'all_of_it');
INSERT INTO loyalty.collection_item (program_id, collection, kind, value) VALUES (:shop, 'all_of_it', 'sku', 'A'), (:shop, 'all_of_it', 'sku', 'B');
CALL pg_temp.misfit('{"name": "other", "excluded_collection": "all_of_it"}');
CALL pg_temp.misfit('{"name": "card", "payment_methods": "{card}"}');
CALL pg_temp.misfit('{"name": "never", "condition": "$.order.lines > 9"}');
CALL pg_temp.misfit('{"name": "mine", "limit_member": 1}');
CALL pg_temp.misfit('{"name": "weekly", "limit_period": 1, "period": "week"}');
CALL pg_temp.misfit('{"name": "gone"}');
CALL pg_temp.misfit('{"name": "spent"}');
CALL pg_temp.misfit('{"name": "claim", "claim_required": "true", "claimable": "true"}');
CALL pg_temp.misfit('{"name": "alone", "exclusive": "true"}');
CALL pg_temp.misfit('{"name": "few1", "category": "few"}');
CALL pg_temp.misfit('{"name": "few2", "category": "few"}');
CALL pg_temp.misfit('{"name": "third"}');
CALL pg_temp.misfit('{"name": "shipping", "kind": "shipping", "percent": null}');
CALL pg_temp.misfit('{"name": "once"}', false);
CALL pg_temp.misfit('{"name": "single"}', false);
CALL pg_temp.misfit('{"name": "given", "claimable": "true", "transferable": "true"}', false);
SELECT FROM (VALUES ('gone', 'used'), ('spent', 'discount')) x (coupon, counts), loyalty.coupon_limit('Shop', coupon, counts, 0);
SELECT FROM loyalty.coupon_import('Shop', 'once', '{EUSED,ERESERVED}');
SELECT FROM loyalty.coupon_code_create('Shop', 'single', 'ESINGLE', 1);
SELECT FROM loyalty.checkout(pg_temp.id('ann'), pg_temp.basket(), 'used', '{EUSED,ESINGLE,EMINE,EWEEKLY}');
SELECT FROM loyalty.checkout_reserve(pg_temp.id('bob'), pg_temp.basket(), 'set aside', '{ERESERVED}', ttl => '7 days');
SELECT FROM loyalty.coupon_claim(pg_temp.id('ann'), 'given', 'claim');
SELECT coupon_no AS given FROM loyalty.member_coupon WHERE member_id = pg_temp.id('ann') \gset
SELECT FROM loyalty.coupon_transfer(pg_temp.id('ann'), pg_temp.id('bob'), :given, 'transfer');
SELECT FROM loyalty.coupon_issue(pg_temp.id('ann'), 'ten', 'ten');
SELECT coupon_no AS ten FROM loyalty.member_coupon WHERE source = 'issue' \gset
SELECT FROM loyalty.coupon_use(pg_temp.id('ann'), '#' || :ten, 'undone', 10);
SELECT FROM loyalty.coupon_undo(pg_temp.id('ann'), 'undone');
CREATE FUNCTION pg_temp.held(source text) RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT coupon_no FROM loyalty.member_coupon m WHERE m.source = $1 AND m.member_id = pg_temp.id('ann') $$;
INSERT INTO loyalty.cart_policy (program_id, max_coupons) VALUES (:shop, 2);
SELECT FROM loyalty.member_freeze(pg_temp.id('frozen'), 'lost card');
SELECT FROM loyalty.member_close(pg_temp.id('closed'), 'left');
UPDATE loyalty.account SET status = 'merged' WHERE member_id = pg_temp.id('merged');
UPDATE loyalty.program SET status = 'inactive' WHERE name = 'Idle';
INSERT INTO loyalty.segment (program_id, name, condition, status) VALUES (:shop, 'judged', '$.member.purchases > 9', 'inactive');
-- a wallet with a unit that does not exist, and one with a unit of another programme
SELECT FROM unnest('{damaged,stray}'::text[]) name, loyalty.purchase(pg_temp.id(name), 50, 'o1');
CREATE TEMP TABLE undamaged AS SELECT member_id, wallet FROM loyalty.account WHERE member_id IN (pg_temp.id('damaged'), pg_temp.id('stray'));
UPDATE loyalty.account SET wallet = '{999 - - e 5}' WHERE member_id = pg_temp.id('damaged');
UPDATE loyalty.account SET wallet = format('{%s - - e 5}', (SELECT unit_id FROM loyalty.unit WHERE program_id = :cafe AND code = 'points'))::loyalty.wallet
WHERE member_id = pg_temp.id('stray');
-- orders of bob: reserved, with a hold; confirmed; cancelled; one whose time is over
INSERT INTO loyalty.unit_anchor (program_id, unit_id, valid_from, units, money) SELECT program_id, unit_id, '2026-01-01', 1, 1 FROM loyalty.unit WHERE program_id = :shop AND code = 'points';
INSERT INTO loyalty.cart_unit (program_id, unit_id) SELECT program_id, unit_id FROM loyalty.unit WHERE program_id = :shop AND code = 'points';
SELECT FROM unnest('{reserved,confirmed,cancelled,late}'::text[]) ref, loyalty.checkout_reserve(pg_temp.id('bob'), '{"items": [{"sku": "A", "price": 5}]}', ref,
	use => CASE ref WHEN 'reserved' THEN '{"points": 1}'::jsonb END, ttl => CASE ref WHEN 'late' THEN interval '1 minute' ELSE '1 day' END);
SELECT FROM loyalty.checkout_confirm(pg_temp.id('bob'), 'confirmed');
SELECT FROM loyalty.checkout_cancel(pg_temp.id('bob'), 'cancelled');
INSERT INTO held SELECT 'of_order', hold_id FROM loyalty.hold WHERE of_order;
SET loyalty.now = '2026-03-15 12:05+00';

-- {ann} is her member_id, {hold:open} the hold_id of a hold. call: what follows SELECT * FROM loyalty.
CREATE TEMP TABLE bad_input (id int GENERATED ALWAYS AS IDENTITY, description text, call text, code text);
INSERT INTO bad_input (description, call, code) VALUES
-- NULL where a value is required
('record: no member',              $$record(NULL, 'share')$$, '22004'),
('record: no event',               $$record({ann}, NULL)$$, '22004'),
('purchase: no member',            $$purchase(NULL, 10, 'n')$$, '22004'),
('purchase: no amount',            $$purchase({ann}, NULL, 'n')$$, '22004'),
('enroll: no programme',           $$enroll(NULL, '{"card":"1"}')$$, '22004'),
('enroll: no identities',          $$enroll('Shop', NULL)$$, '22004'),
('sale: no programme',             $$sale(NULL, '{"card":"1"}', 10, 'n')$$, '22004'),
('sale: no identities',            $$sale('Shop', NULL, 10, 'n')$$, '22004'),
('sale: no amount',                $$sale('Shop', '{"card":"1"}', NULL, 'n')$$, '22004'),
('vest: no member',                $$vest(NULL, 'o1')$$, '22004'),
('vest: no order',                 $$vest({ann}, NULL)$$, '22004'),
('refund: no order',               $$refund({ann}, NULL)$$, '22004'),
('redeem: no member',              $$redeem(NULL, 10, ref => 'n')$$, '22004'),
('redeem: no amount',              $$redeem({ann}, NULL, ref => 'n')$$, '22004'),
('redeem: no unit',                $$redeem({ann}, 10, NULL, 'n')$$, '22004'),
('hold: no member',                $$hold(NULL, 10, ref => 'n')$$, '22004'),
('hold: no amount',                $$hold({ann}, NULL, ref => 'n')$$, '22004'),
('hold: no unit',                  $$hold({ann}, 10, NULL, ref => 'n')$$, '22004'),
('hold: no time-out',              $$hold({ann}, 10, ttl => NULL, ref => 'n')$$, '22004'),
('capture: no member',             $$capture(NULL, {hold:open})$$, '22004'),
('capture: no hold',               $$capture({ann}, NULL)$$, '22004'),
('release: no member',             $$release(NULL, {hold:open})$$, '22004'),
('release: no hold',               $$release({ann}, NULL)$$, '22004'),
('refund: no member',              $$refund(NULL, 'o1')$$, '22004'),
('transfer: no member',            $$transfer(NULL, {bob}, 10, ref => 'n')$$, '22004'),
('transfer: no receiver',          $$transfer({ann}, NULL, 10, ref => 'n')$$, '22004'),
('transfer: no amount',            $$transfer({ann}, {bob}, NULL, ref => 'n')$$, '22004'),
('transfer: no unit',              $$transfer({ann}, {bob}, 10, NULL, 'n')$$, '22004'),
('adjust: no member',              $$adjust(NULL, 10, 'points', 'why', ref => 'n')$$, '22004'),
('adjust: no amount',              $$adjust({ann}, NULL, 'points', 'why', ref => 'n')$$, '22004'),
('adjust: no unit',                $$adjust({ann}, 10, NULL, 'why', ref => 'n')$$, '22004'),
('identity_add: no member',        $$identity_add(NULL, 'card', '1')$$, '22004'),
('identity_add: no kind',          $$identity_add({ann}, NULL, '1')$$, '22004'),
('identity_add: no value',         $$identity_add({ann}, 'card', NULL)$$, '22004'),
('identity_remove: no kind',       $$identity_remove({ann}, NULL, '1')$$, '22004'),
('identity_remove: no value',      $$identity_remove({ann}, 'card', NULL)$$, '22004'),
('freeze: no member',              $$member_freeze(NULL, 'why')$$, '22004'),
('thaw: no member',                $$member_thaw(NULL, 'why')$$, '22004'),
('close: no member',               $$member_close(NULL, 'why')$$, '22004'),
('reopen: no member',              $$member_reopen(NULL, 'why')$$, '22004'),
('mode: none',                     $$record({ann}, 'share', mode => NULL)$$, '22004'),
('mode: unknown',                  $$record({ann}, 'share', mode => 'maybe')$$, '22023'),
('mode: in upper case',            $$record({ann}, 'share', mode => 'DO')$$, '22023'),
('mode: empty',                    $$record({ann}, 'share', mode => '')$$, '22023'),
('balance: no member',             $$balance(NULL)$$, '22004'),
('find: no programme',             $$find(NULL, 'card', '1')$$, '22004'),
('find: no kind',                  $$find('Shop', NULL, '1')$$, '22004'),
('find: no value',                 $$find('Shop', 'card', NULL)$$, '22004'),
-- keys
('key: missing: redeem',           $$redeem({ann}, 10)$$, 'LY001'),
('key: missing: hold',             $$hold({ann}, 10)$$, 'LY001'),
('key: missing: transfer',         $$transfer({ann}, {bob}, 10)$$, 'LY001'),
('key: missing: adjust',           $$adjust({ann}, 10, 'points', 'why')$$, 'LY001'),
('key: missing: refund by amount', $$refund({ann}, 'o1', 10)$$, 'LY001'),
('key: missing: refund by items',  $$refund({ann}, 'o1', items => '[{"sku":"A"}]')$$, 'LY001'),
('key: empty',                     $$record({ann}, 'share', key => '')$$, 'LY001'),
('key: blank',                     $$record({ann}, 'share', key => '  ')$$, 'LY001'),
('key: 256 bytes',                 $$record({ann}, 'share', key => repeat('k', 256))$$, 'LY001'),
('key: 300 letters',               $$record({ann}, 'share', key => repeat('k', 300))$$, 'LY001'),
('key: 128 letters of 2 bytes',    $$record({ann}, 'share', key => repeat(U&'\00e9', 128))$$, 'LY001'),
('key: a line break',              $$record({ann}, 'share', key => E'a\nb')$$, 'LY001'),
('key: a tab',                     $$record({ann}, 'share', key => E'a\tb')$$, 'LY001'),
('key: DEL',                       $$record({ann}, 'share', key => E'a\x7Fb')$$, 'LY001'),
('key: of another request',        $$purchase({ann}, 501, 'o0', key => 'k0')$$, 'LY002'),
('key: of another verb',           $$redeem({ann}, 10, key => 'k0')$$, 'LY002'),
('ref: another amount',            $$purchase({ann}, 501, 'o0')$$, 'LY002'),
('ref: with a new key',            $$purchase({ann}, 500, 'o0', key => 'k9')$$, 'LY003'),
('ref: used by another member',    $$purchase({two}, 50, 'o1')$$, 'LY003'),
('ref: redeem, another amount',    $$redeem({ann}, 31, ref => 'r1')$$, 'LY002'),
('ref: redeem, with a new key',    $$redeem({ann}, 30, ref => 'r1', key => 'k9')$$, 'LY003'),
('ref: purchase, none',            $$purchase({ann}, 10, NULL)$$, 'LY005'),
('ref: purchase, empty',           $$purchase({ann}, 10, '')$$, 'LY005'),
('ref: record purchase, none',     $$record({ann}, 'purchase', 10)$$, 'LY005'),
('ref: sale, none',                $$sale('Shop', '{"card":"1"}', 10, NULL)$$, 'LY005'),
('ref: sale, empty',               $$sale('Shop', '{"card":"1"}', 10, '')$$, 'LY005'),
('ref: record, empty',             $$record({ann}, 'share', ref => '')$$, 'LY005'),
('ref: redeem, empty',             $$redeem({ann}, 10, ref => '')$$, 'LY005'),
('ref: purchase, blank',          $$purchase({ann}, 10, '   ')$$, 'LY005'),
('ref: 256 bytes',                 $$purchase({ann}, 10, repeat('o', 256))$$, 'LY005'),
('ref: 1 MiB',                     $$purchase({ann}, 10, repeat('o', 1048576))$$, 'LY005'),
('ref: a line break',              $$purchase({ann}, 10, E'a\nb')$$, 'LY005'),
('ref: DEL',                       $$hold({ann}, 10, ref => E'a\x7F')$$, 'LY005'),
('ref: refund, empty',             $$refund({ann}, '')$$, 'LY005'),
('ref: refund, 300 letters',       $$refund({ann}, repeat('o', 300))$$, 'LY005'),
('ref: vest, empty',               $$vest({ann}, '')$$, 'LY005'),
('refund_ref: empty',              $$refund({ann}, 'o1', 10, refund_ref => '')$$, 'LY005'),
('refund_ref: a line break',       $$refund({ann}, 'o1', 10, refund_ref => E'\n')$$, 'LY005'),
('refund_ref: 256 bytes',          $$refund({ann}, 'o1', 10, refund_ref => repeat('b', 256))$$, 'LY005'),
('refund_ref: another request',    $$refund({ann}, 'o1', 11, refund_ref => 'b1')$$, 'LY002'),
('refund_ref: with a new key',     $$refund({ann}, 'o1', 10, refund_ref => 'b1', key => 'k9')$$, 'LY003'),
-- amounts
('amount: 0: redeem',              $$redeem({ann}, 0, ref => 'n')$$, 'LY101'),
('amount: -0.0: redeem',           $$redeem({ann}, -0.0, ref => 'n')$$, 'LY101'),
('amount: 0: hold',                $$hold({ann}, 0, ref => 'n')$$, 'LY101'),
('amount: 0: capture',             $$capture({ann}, {hold:open}, 0)$$, 'LY101'),
('amount: 0: transfer',            $$transfer({ann}, {bob}, 0, ref => 'n')$$, 'LY101'),
('amount: 0: adjust',              $$adjust({ann}, 0, 'points', 'why', ref => 'n')$$, 'LY101'),
('amount: 0: refund',              $$refund({ann}, 'o1', 0, key => 'n')$$, 'LY101'),
('amount: -1: purchase',           $$purchase({ann}, -1, 'n')$$, 'LY101'),
('amount: -0.01: record',          $$record({ann}, 'share', -0.01)$$, 'LY101'),
('amount: -1: sale',               $$sale('Shop', '{"card":"1"}', -1, 'n')$$, 'LY101'),
('amount: -1: redeem',             $$redeem({ann}, -1, ref => 'n')$$, 'LY101'),
('amount: -1: hold',               $$hold({ann}, -1, ref => 'n')$$, 'LY101'),
('amount: -1: capture',            $$capture({ann}, {hold:open}, -1)$$, 'LY101'),
('amount: -1: transfer',           $$transfer({ann}, {bob}, -1, ref => 'n')$$, 'LY101'),
('amount: -1: refund',             $$refund({ann}, 'o1', -1, key => 'n')$$, 'LY101'),
('amount: 2^53 + 1 points',        $$redeem({ann}, 9007199254740993, ref => 'n')$$, 'LY102'),
('amount: 2^53 + 1 pence',         $$purchase({ann}, 90071992547409.93, 'n')$$, 'LY102'),
('amount: 2^63 points',            $$adjust({ann}, 9223372036854775808, 'points', 'why', ref => 'n')$$, 'LY102'),
('amount: -2^63 points',           $$adjust({ann}, -9223372036854775808, 'points', 'why', ref => 'n')$$, 'LY102'),
('amount: 1e100 pounds',           $$purchase({ann}, 1e100, 'n')$$, 'LY102'),
('amount: 1e100: hold',            $$hold({ann}, 1e100, ref => 'n')$$, 'LY102'),
('amount: 1e100: capture',         $$capture({ann}, {hold:open}, 1e100)$$, 'LY102'),
('amount: 1e100: transfer',        $$transfer({ann}, {bob}, 1e100, ref => 'n')$$, 'LY102'),
('amount: 1e100: refund',          $$refund({ann}, 'o1', 1e100, key => 'n')$$, 'LY102'),
('amount: half a penny',           $$purchase({ann}, 10.005, 'n')$$, 'LY103'),
('amount: half a point: redeem',   $$redeem({ann}, 0.5, ref => 'n')$$, 'LY103'),
('amount: half a point: hold',     $$hold({ann}, 10.5, ref => 'n')$$, 'LY103'),
('amount: half a point: capture',  $$capture({ann}, {hold:open}, 1.5)$$, 'LY103'),
('amount: half a point: transfer', $$transfer({ann}, {bob}, 1.5, ref => 'n')$$, 'LY103'),
('amount: half a point: adjust',   $$adjust({ann}, -1.5, 'points', 'why', ref => 'n')$$, 'LY103'),
('amount: 1e-1000',                $$purchase({ann}, 1e-1000, 'n')$$, 'LY103'),
('amount: half a penny: refund',   $$refund({ann}, 'o1', 0.005, key => 'n')$$, 'LY103'),
('amount: NaN: purchase',          $$purchase({ann}, 'NaN', 'n')$$, 'LY104'),
('amount: Infinity: purchase',     $$purchase({ann}, 'Infinity', 'n')$$, 'LY104'),
('amount: -Infinity: purchase',    $$purchase({ann}, '-Infinity', 'n')$$, 'LY104'),
('amount: NaN: record',            $$record({ann}, 'share', 'NaN')$$, 'LY104'),
('amount: NaN: sale',              $$sale('Shop', '{"card":"1"}', 'NaN', 'n')$$, 'LY104'),
('amount: NaN: redeem',            $$redeem({ann}, 'NaN', ref => 'n')$$, 'LY104'),
('amount: Infinity: hold',         $$hold({ann}, 'Infinity', ref => 'n')$$, 'LY104'),
('amount: NaN: capture',           $$capture({ann}, {hold:open}, 'NaN')$$, 'LY104'),
('amount: NaN: refund',            $$refund({ann}, 'o1', 'NaN', key => 'n')$$, 'LY104'),
('amount: -Infinity: transfer',    $$transfer({ann}, {bob}, '-Infinity', ref => 'n')$$, 'LY104'),
('amount: NaN: adjust',            $$adjust({ann}, 'NaN', 'points', 'why', ref => 'n')$$, 'LY104'),
-- units
('unit: unknown: redeem',          $$redeem({ann}, 10, 'gold', 'n')$$, 'LY105'),
('unit: empty: redeem',            $$redeem({ann}, 10, '', 'n')$$, 'LY105'),
('unit: unknown: hold',            $$hold({ann}, 10, 'gold', ref => 'n')$$, 'LY105'),
('unit: unknown: transfer',        $$transfer({ann}, {bob}, 10, 'gold', 'n')$$, 'LY105'),
('unit: unknown: adjust',          $$adjust({ann}, 10, 'gold', 'why', ref => 'n')$$, 'LY105'),
('unit: unknown: balance',         $$balance({ann}, 'gold')$$, 'LY105'),
('unit: a metric: redeem',         $$redeem({ann}, 10, 'spend', 'n')$$, 'LY106'),
('unit: a metric: hold',           $$hold({ann}, 10, 'spend', ref => 'n')$$, 'LY106'),
('unit: a metric: transfer',       $$transfer({ann}, {bob}, 10, 'spend', 'n')$$, 'LY106'),
-- time
('at: infinity',                   $$purchase({ann}, 10, 'n', at => 'infinity')$$, 'LY107'),
('at: -infinity',                  $$purchase({ann}, 10, 'n', at => '-infinity')$$, 'LY107'),
('at: infinity: enroll',           $$enroll('Shop', '{"card":"1"}', at => 'infinity')$$, 'LY107'),
('at: infinity: record',           $$record({ann}, 'share', at => 'infinity')$$, 'LY107'),
('at: infinity: sale',             $$sale('Shop', '{"card":"1"}', 10, 'n', at => 'infinity')$$, 'LY107'),
('at: infinity: vest',             $$vest({ann}, 'o1', at => 'infinity')$$, 'LY107'),
('at: -infinity: redeem',          $$redeem({ann}, 10, ref => 'n', at => '-infinity')$$, 'LY107'),
('at: infinity: hold',             $$hold({ann}, 10, ref => 'n', at => 'infinity')$$, 'LY107'),
('at: infinity: capture',          $$capture({ann}, {hold:open}, at => 'infinity')$$, 'LY107'),
('at: infinity: release',          $$release({ann}, {hold:open}, at => 'infinity')$$, 'LY107'),
('at: infinity: refund',           $$refund({ann}, 'o1', at => 'infinity')$$, 'LY107'),
('at: infinity: transfer',         $$transfer({ann}, {bob}, 10, ref => 'n', at => 'infinity')$$, 'LY107'),
('at: infinity: adjust',           $$adjust({ann}, 10, 'points', 'why', ref => 'n', at => 'infinity')$$, 'LY107'),
('at: infinity: identity_add',     $$identity_add({ann}, 'card', '1', at => 'infinity')$$, 'LY107'),
('at: infinity: identity_remove',  $$identity_remove({ann}, 'customer_no', 'ann', at => 'infinity')$$, 'LY107'),
('at: infinity: freeze',           $$member_freeze({ann}, 'why', at => 'infinity')$$, 'LY107'),
('at: a day and a second ahead',   $$purchase({ann}, 10, 'n', at => '2026-03-16 12:05:01+00')$$, 'LY108'),
('at: a year ahead',               $$redeem({ann}, 10, ref => 'n', at => '2027-03-15 12:00+00')$$, 'LY108'),
('at: year 294276',                $$record({ann}, 'share', at => '294276-12-31 12:00+00')$$, 'LY108'),
('at: a closed period',            $$purchase({sid}, 10, 'n', at => '2026-02-28 23:59:59+00')$$, 'LY109'),
('at: a closed period: redeem',    $$redeem({sid}, 10, ref => 'n', at => '2026-02-01 12:00+00')$$, 'LY109'),
('at: before 1970',                $$purchase({ann}, 10, 'n', at => '1969-12-31 23:59:59.999999+00')$$, 'LY109'),
('at: before 1970: redeem',        $$redeem({ann}, 10, ref => 'n', at => '1969-12-31 23:59:59+00')$$, 'LY109'),
('at: before 1970: enroll',        $$enroll('Shop', '{"card":"1"}', at => '1960-01-01 12:00+00')$$, 'LY109'),
('at: before 1970: sale',          $$sale('Shop', '{"card":"1"}', 10, 'n', at => '1960-01-01 12:00+00')$$, 'LY109'),
('at: 4713 BC',                    $$purchase({ann}, 10, 'n', at => '4713-01-01 12:00+00 BC')$$, 'LY109'),
('at: year 0001',                  $$purchase({sid}, 10, 'n', at => '0001-01-01 12:00+00')$$, 'LY109'),
('expires_on: yesterday',          $$adjust({ann}, 10, 'points', 'why', expires_on => '2026-03-14', ref => 'n')$$, 'LY110'),
('expires_on: before it vests',    $$adjust({ann}, 10, 'points', 'why', '2026-04-02', '2026-04-01', ref => 'n')$$, 'LY111'),
('extend: to yesterday',           $$adjust({ann}, 10, 'points', 'why', expires_on => '2026-03-14', ref => 'n', extend => true)$$, 'LY110'),
('expires_on: -infinity',          $$adjust({ann}, 10, 'points', 'why', expires_on => '-infinity', ref => 'n')$$, 'LY107'),
('expires_on: year 10000',         $$adjust({ann}, 10, 'points', 'why', expires_on => '10000-01-01', ref => 'n')$$, 'LY107'),
('vests_on: infinity',             $$adjust({ann}, 10, 'points', 'why', vests_on => 'infinity', ref => 'n')$$, 'LY107'),
('vests_on: -infinity',            $$adjust({ann}, 10, 'points', 'why', vests_on => '-infinity', ref => 'n')$$, 'LY107'),
-- segments
('segment: misspelt',              $$SELECT loyalty.segment_add({ann}, 'juged')$$, 'LY811'),
('segment: of another programme',  $$SELECT loyalty.segment_remove({zoe}, 'judged')$$, 'LY811'),
('segment: not a list',            $$SELECT loyalty.segment_add({ann}, 'judged')$$, 'LY812'),
('segment: without a source',      $$SELECT loyalty.segment_refresh('Shop', 'judged')$$, 'LY810'),
-- spending
('redeem: more than available',    $$redeem({ann}, 100000, ref => 'n')$$, 'LY120'),
('hold: more than available',      $$hold({ann}, 100000, ref => 'n')$$, 'LY120'),
('transfer: more than available',  $$transfer({ann}, {bob}, 100000, ref => 'n')$$, 'LY120'),
('adjust: more than available',    $$adjust({ann}, -100000, 'points', 'why', ref => 'n')$$, 'LY120'),
('redeem: nothing is there',       $$redeem({zoe}, 1, ref => 'n')$$, 'LY120'),
-- refunds
('refund: unknown order',          $$refund({ann}, 'nowhere')$$, 'LY130'),
('refund: another member''s',      $$refund({zoe}, 'o1')$$, 'LY130'),
('vest: unknown order',            $$vest({ann}, 'nowhere')$$, 'LY130'),
('refund: more than is left',      $$refund({ann}, 'o1', 90.01, key => 'n')$$, 'LY131'),
('refund: more than the order',    $$refund({ann}, 'o1', 100.01, key => 'n')$$, 'LY131'),
('refund: wholly refunded',        $$refund({ann}, 'full', data => '{"why":"again"}')$$, 'LY131'),
('refund: wholly refunded, again', $$refund({ann}, 'full', 1, key => 'n')$$, 'LY131'),
('refund: too many pieces',        $$refund({ann}, 'o1', items => '[{"sku":"B","qty":3}]', key => 'n')$$, 'LY131'),
('refund: of a redeem, too much',  $$refund({ann}, 'r1', 31, key => 'n')$$, 'LY131'),
('refund: of a refund',            $$refund({ann}, 'b1')$$, 'LY132'),
('refund: amount and items',       $$refund({ann}, 'o1', 10, '[{"sku":"A"}]', key => 'n')$$, '22023'),
('refund: items not an array',     $$refund({ann}, 'o1', items => '{"sku":"A"}', key => 'n')$$, 'LY006'),
('refund: no items',               $$refund({ann}, 'o1', items => '[]', key => 'n')$$, 'LY006'),
('refund: an item of nothing',     $$refund({ann}, 'o1', items => '[{}]', key => 'n')$$, 'LY006'),
('refund: an item without a name', $$refund({ann}, 'o1', items => '[{"qty":1}]', key => 'n')$$, 'LY006'),
('refund: an item of no qty',      $$refund({ann}, 'o1', items => '[{"sku":"A","qty":0}]', key => 'n')$$, 'LY006'),
('refund: a negative qty',         $$refund({ann}, 'o1', items => '[{"sku":"A","qty":-1}]', key => 'n')$$, 'LY006'),
('refund: a qty of text',          $$refund({ann}, 'o1', items => '[{"sku":"A","qty":"1"}]', key => 'n')$$, 'LY006'),
('refund: line 0',                 $$refund({ann}, 'o1', items => '[{"line":0}]', key => 'n')$$, 'LY131'),
('refund: line 1.5',               $$refund({ann}, 'o1', items => '[{"line":1.5}]', key => 'n')$$, 'LY131'),
('refund: sku and line',           $$refund({ann}, 'o1', items => '[{"sku":"A","line":1}]', key => 'n')$$, 'LY006'),
-- holds
('capture: unknown hold',          $$capture({ann}, 0)$$, 'LY140'),
('release: unknown hold',          $$release({ann}, 0)$$, 'LY140'),
('capture: another member''s',     $$capture({bob}, {hold:open})$$, 'LY140'),
('release: another member''s',     $$release({bob}, {hold:open})$$, 'LY140'),
('capture: above the hold',        $$capture({ann}, {hold:open}, 11)$$, 'LY141'),
('capture: twice',                 $$capture({ann}, {hold:captured})$$, 'LY142'),
('release: after capture',         $$release({ann}, {hold:captured})$$, 'LY142'),
('capture: after release',         $$capture({ann}, {hold:released}, 5)$$, 'LY143'),
('release: twice',                 $$release({ann}, {hold:released}, key => 'n')$$, 'LY143'),
('capture: after time-out',        $$capture({ann}, {hold:timed_out})$$, 'LY144'),
('release: after time-out',        $$release({ann}, {hold:timed_out})$$, 'LY144'),
('hold: no time',                  $$hold({ann}, 10, ttl => '0', ref => 'n')$$, 'LY145'),
('hold: negative time',            $$hold({ann}, 10, ttl => '-1 second', ref => 'n')$$, 'LY145'),
('hold: 31 days',                  $$hold({ann}, 10, ttl => '31 days', ref => 'n')$$, 'LY145'),
('hold: 1000000 years',            $$hold({ann}, 10, ttl => '1000000 years', ref => 'n')$$, 'LY145'),
('capture: of a reserved order',   $$capture({bob}, {hold:of_order})$$, 'LY146'),
('release: of a reserved order',   $$release({bob}, {hold:of_order}, key => 'n')$$, 'LY146'),
-- orders that are reserved
('checkout_reserve: no member',    $$checkout_reserve(NULL, '{"items": [{"sku": "A", "price": 5}]}', 'n')$$, '22004'),
('checkout_reserve: no cart',      $$checkout_reserve({bob}, NULL, 'n')$$, '22004'),
('checkout_reserve: no order',     $$checkout_reserve({bob}, '{"items": [{"sku": "A", "price": 5}]}', NULL)$$, '22004'),
('checkout_reserve: empty ref',    $$checkout_reserve({bob}, '{"items": [{"sku": "A", "price": 5}]}', '')$$, 'LY005'),
('checkout_reserve: empty cart',   $$checkout_reserve({bob}, '{"items": []}', 'n')$$, 'LY006'),
('checkout_reserve: no time',      $$checkout_reserve({bob}, '{"items": [{"sku": "A", "price": 5}]}', 'n', ttl => '0')$$, 'LY145'),
('checkout_reserve: a month',      $$checkout_reserve({bob}, '{"items": [{"sku": "A", "price": 5}]}', 'n', ttl => '1 month')$$, 'LY145'),
('checkout_reserve: other price',  $$checkout_reserve({bob}, '{"items": [{"sku": "A", "price": 5}]}', 'n', expect => 4)$$, 'LY246'),
('checkout_reserve: bought',       $$checkout_reserve({bob}, '{"items": [{"sku": "A", "price": 5}]}', 'o1')$$, 'LY003'),
('checkout_reserve: confirmed',    $$checkout_reserve({bob}, '{"items": [{"sku": "A", "price": 5}]}', 'confirmed')$$, 'LY249'),
('checkout_reserve: closed',       $$checkout_reserve({closed}, '{"items": [{"sku": "A", "price": 5}]}', 'n')$$, 'LY502'),
('checkout_confirm: no member',    $$checkout_confirm(NULL, 'reserved')$$, '22004'),
('checkout_confirm: no order',     $$checkout_confirm({bob}, NULL)$$, '22004'),
('checkout_confirm: unknown',      $$checkout_confirm({bob}, 'n')$$, 'LY247'),
('checkout_confirm: other price',  $$checkout_confirm({bob}, 'reserved', expect => 0)$$, 'LY246'),
('checkout_confirm: foreign',      $$checkout_confirm({ann}, 'reserved')$$, 'LY247'),
('checkout_confirm: cancelled',    $$checkout_confirm({bob}, 'cancelled')$$, 'LY249'),
('checkout_confirm: late',         $$checkout_confirm({bob}, 'late')$$, 'LY248'),
('checkout_confirm: in a week',    $$checkout_confirm({bob}, 'reserved', at => '2026-03-22 12:00+00')$$, 'LY108'),
('checkout_cancel: no member',     $$checkout_cancel(NULL, 'reserved')$$, '22004'),
('checkout_cancel: no order',      $$checkout_cancel({bob}, NULL)$$, '22004'),
('checkout_cancel: unknown',       $$checkout_cancel({bob}, 'n')$$, 'LY247'),
('checkout_cancel: confirmed',     $$checkout_cancel({bob}, 'confirmed')$$, 'LY249'),
('checkout_cancel: late',          $$checkout_cancel({bob}, 'late')$$, 'LY248'),
('checkout_cancel: key of 1 MB',   $$checkout_cancel({bob}, 'reserved', key => repeat('k', 1048576))$$, 'LY001'),
-- transfers
('transfer: to self',              $$transfer({ann}, {ann}, 10, ref => 'n')$$, 'LY150'),
('transfer: another programme',    $$transfer({ann}, {zoe}, 10, ref => 'n')$$, 'LY501'),
('transfer: to an unknown member', $$transfer({ann}, 0, 10, ref => 'n')$$, 'LY501'),
('transfer: to a closed member',   $$transfer({ann}, {closed}, 10, ref => 'n')$$, 'LY502'),
('transfer: to a merged member',   $$transfer({ann}, {merged}, 10, ref => 'n')$$, 'LY504'),
-- reasons
('adjust: no reason',              $$adjust({ann}, 10, 'points', NULL, ref => 'n')$$, 'LY160'),
('adjust: an empty reason',        $$adjust({ann}, 10, 'points', '', ref => 'n')$$, 'LY160'),
('freeze: no reason',              $$member_freeze({ann}, NULL)$$, 'LY160'),
('thaw: no reason',                $$member_thaw({frozen}, '')$$, 'LY160'),
('close: no reason',               $$member_close({ann}, '  ')$$, 'LY160'),
('reopen: no reason',              $$member_reopen({closed}, NULL)$$, 'LY160'),
-- programmes and events
('programme: inactive',            $$purchase({ida}, 10, 'n')$$, 'LY402'),
('programme: inactive: enroll',    $$enroll('Idle', '{"card":"1"}')$$, 'LY402'),
('programme: unknown: enroll',     $$enroll('Pub', '{"card":"1"}')$$, 'LY403'),
('programme: unknown: sale',       $$sale('', '{"card":"1"}', 10, 'n')$$, 'LY403'),
('programme: unknown: find',       $$find('Pub', 'card', '1')$$, 'LY403'),
('event: unknown',                 $$record({ann}, 'dance')$$, 'LY404'),
('event: empty',                   $$record({ann}, '')$$, 'LY404'),
('event: SQL',                     $$record({ann}, '''; DROP TABLE loyalty.journal; --')$$, 'LY404'),
-- tiers
('tier: unknown',                  $$tier_grant({ann}, 'gold', 'test')$$, 'LY406'),
('tier: empty',                    $$tier_grant({ann}, '', 'test')$$, 'LY406'),
('topup: no member',               $$topup(NULL, 5, 'n', 'stored')$$, '22004'),
('topup: no amount',               $$topup({ann}, NULL, 'n', 'stored')$$, '22004'),
('topup: no payment',              $$topup({ann}, 5, NULL, 'stored')$$, 'LY005'),
('topup: zero',                    $$topup({ann}, 0, 'n', 'stored')$$, 'LY101'),
('topup: below zero',              $$topup({ann}, -5, 'n', 'stored')$$, 'LY101'),
('topup: beyond all bounds',       $$topup({ann}, 1e18, 'n', 'stored')$$, 'LY102'),
('topup: a thousandth',            $$topup({ann}, 0.001, 'n', 'stored')$$, 'LY103'),
('topup: no number',               $$topup({ann}, 'NaN', 'n', 'stored')$$, 'LY104'),
('topup: an unknown unit',         $$topup({ann}, 5, 'n', 'nothing')$$, 'LY105'),
('topup: points',                  $$topup({ann}, 5, 'n', 'points')$$, 'LY106'),
('topup: another amount',          $$topup({ann}, 51, 'paid')$$, 'LY002'),
('topup: another key',             $$topup({ann}, 50, 'paid', key => 'n')$$, 'LY003'),
('topup: too much for the card',   $$topup({ann}, 45.01, 'n')$$, 'LY302'),
('topup: a correction that is',    $$adjust({ann}, 50, 'stored', 'why', key => 'n')$$, 'LY302'),
('topup: a frozen card',           $$topup({bob}, 5, 'n')$$, 'LY305'),
('topup: spent from a frozen card', $$redeem({bob}, 5, 'stored', 'n')$$, 'LY305'),
('topup: sent to a frozen card',   $$transfer({ann}, {bob}, 5, 'stored', 'n')$$, 'LY305'),
('topup: closed member',           $$topup({closed}, 5, 'n')$$, 'LY502'),
('topup_confirm: unknown',         $$topup_confirm({ann}, 'nothing')$$, 'LY306'),
('topup_confirm: of another',      $$topup_confirm({bob}, 'unpaid')$$, 'LY306'),
('topup_confirm: never pending',   $$topup_confirm({ann}, 'paid')$$, 'LY307'),
('topup_confirm: cancelled',       $$topup_confirm({ann}, 'unmade')$$, 'LY307'),
('topup_cancel: paid',             $$topup_cancel({ann}, 'paid')$$, 'LY307'),
('topup_refund: no key',           $$topup_refund({ann}, 'paid')$$, 'LY001'),
('topup_refund: not paid',         $$topup_refund({ann}, 'unpaid', refund_ref => 'n')$$, 'LY308'),
('topup_refund: cancelled',        $$topup_refund({ann}, 'unmade', refund_ref => 'n')$$, 'LY306'),
('topup_refund: too much',         $$topup_refund({ann}, 'paid', 50.01, 'n')$$, 'LY304'),
('topup_refund: zero',             $$topup_refund({ann}, 'paid', 0, 'n')$$, 'LY101'),
('topup_freeze: no reason',        $$topup_freeze({ann}, 'stored', '')$$, 'LY160'),
('topup_freeze: points',           $$topup_freeze({ann}, 'points', 'why')$$, 'LY106'),
('topup_name: not known',          $$topup_name({ann}, 'stored', NULL, 'why')$$, '22004'),
('plan: unknown',                  $$plan_buy({bob}, 'nothing', 'n')$$, 'LY409'),
('plan: empty',                    $$plan_buy({bob}, '', 'n')$$, 'LY409'),
('plan: no reference',             $$plan_buy({bob}, 'plus', NULL)$$, 'LY005'),
('plan: no member',                $$plan_buy(NULL, 'plus', 'n')$$, '22004'),
('plan: not known whether to renew', $$plan_buy({bob}, 'plus', 'n', auto_renew => NULL)$$, '22004'),
('plan: -1',                       $$plan_buy({bob}, 'plus', 'n', -1)$$, 'LY101'),
('plan: half a penny',             $$plan_renew({ann}, 'n', 0.005)$$, 'LY103'),
('plan: held',                     $$plan_buy({ann}, 'month', 'n')$$, 'LY420'),
('plan: held already',             $$plan_buy({ann}, 'month', 'n', starts_on => '2027-03-14')$$, 'LY420'),
('plan: the same payment',         $$plan_renew({ann}, 'pay-1')$$, 'LY003'),
('plan: none to renew',            $$plan_renew({bob}, 'n')$$, 'LY421'),
('plan: none to upgrade',          $$plan_upgrade({bob}, 'plus', 'n')$$, 'LY421'),
('plan: none to cancel',           $$plan_cancel({bob})$$, 'LY421'),
('plan: not higher',               $$plan_upgrade({ann}, 'month', 'n')$$, 'LY422'),
('plan: never paid',               $$plan_refund({ann}, 'n')$$, 'LY130'),
('plan: closed member',            $$plan_buy({closed}, 'plus', 'n')$$, 'LY502'),
('tier: no reason',                $$tier_grant({ann}, 'gold', ' ')$$, 'LY160'),
('tier: no member',                $$tier_grant(0, 'gold', 'test')$$, 'LY501'),
('tier: review of no member',      $$tier_review(0)$$, 'LY501'),
-- benefits
('benefit: unknown: use',          $$benefit_use({ann}, 'pool', 'n')$$, 'LY408'),
('benefit: empty: use',            $$benefit_use({ann}, '', 'n')$$, 'LY408'),
('benefit: unknown: return',       $$benefit_return({ann}, 'pool', 'n')$$, 'LY408'),
('benefit: unknown: issue',        $$benefit_issue({ann}, 'pool', 'why', ref => 'n')$$, 'LY408'),
('benefit: unknown: claim',        $$benefit_claim({ann}, 'pool')$$, 'LY408'),
('benefit: unknown: give',         $$benefit_give({ann}, 'pool', 'why')$$, 'LY408'),
('benefit: unknown: withdraw',     $$benefit_withdraw({ann}, 'pool', 'why')$$, 'LY408'),
('benefit: another programme''s',  $$benefit_use({zoe}, 'lounge', 'n')$$, 'LY408'),
('benefit: not entitled: issue',   $$benefit_issue({ann}, 'spa', 'why', ref => 'n')$$, 'LY410'),
('benefit: not given: withdraw',   $$benefit_withdraw({ann}, 'spa', 'why')$$, 'LY410'),
('benefit: exhausted',             $$benefit_use({ann}, 'lounge', 'n')$$, 'LY411'),
('benefit: exhausted at once',     $$benefit_use({bob}, 'lounge', 'n', 2)$$, 'LY411'),
('benefit: not today',             $$benefit_claim({ann}, 'pack')$$, 'LY412'),
('benefit: kind: use',             $$benefit_use({ann}, 'priority', 'n')$$, 'LY413'),
('benefit: kind: issue',           $$benefit_issue({ann}, 'cake', 'why', ref => 'n')$$, 'LY413'),
('benefit: kind: claim',           $$benefit_claim({ann}, 'ironing')$$, 'LY413'),
('benefit: kind: void',            $$benefit_void({ann}, pg_temp.voucher('coffee'), 'why')$$, 'LY413'),
('benefit: kind: a quantity',      $$benefit_give({ann}, 'ironing', 'why', quantity => 1)$$, 'LY413'),
('benefit: no voucher',            $$benefit_use({ann}, 'ironing', 'n')$$, 'LY414'),
('benefit: unknown voucher',       $$benefit_void({ann}, 0, 'why')$$, 'LY414'),
('benefit: another one''s voucher', $$benefit_void({bob}, pg_temp.voucher('cake'), 'why')$$, 'LY414'),
('benefit: claimed twice',         $$benefit_claim({ann}, 'cake')$$, 'LY415'),
('benefit: another quantity',      $$benefit_use({ann}, 'lounge', 'o1', 2)$$, 'LY002'),
('benefit: no key: use',           $$benefit_use({ann}, 'lounge')$$, 'LY001'),
('benefit: no key: issue',         $$benefit_issue({ann}, 'ironing', 'why')$$, 'LY001'),
('benefit: no key: a part',        $$benefit_return({ann}, 'lounge', 'o1', 1)$$, 'LY001'),
('benefit: an empty reference',    $$benefit_return({ann}, 'lounge', '')$$, 'LY005'),
('benefit: no reference',          $$benefit_return({ann}, 'lounge', NULL)$$, '22004'),
('benefit: no quantity',           $$benefit_use({ann}, 'lounge', 'n', NULL)$$, '22004'),
('benefit: a quantity of zero',    $$benefit_use({bob}, 'lounge', 'n', 0)$$, 'LY101'),
('benefit: half of one',           $$benefit_use({bob}, 'lounge', 'n', 0.5)$$, 'LY103'),
('benefit: NaN',                   $$benefit_use({bob}, 'lounge', 'n', 'NaN')$$, 'LY104'),
('benefit: far too many',          $$benefit_use({bob}, 'lounge', 'n', 1e30)$$, 'LY102'),
('benefit: given: far too many',   $$benefit_give({ann}, 'lounge', 'why', quantity => 1000000000)$$, 'LY102'),
('benefit: never used',            $$benefit_return({ann}, 'lounge', 'n')$$, 'LY130'),
('benefit: more than was used',    $$benefit_return({ann}, 'lounge', 'o1', 2, key => 'n')$$, 'LY131'),
('benefit: ends yesterday: issue', $$benefit_issue({ann}, 'ironing', 'why', '2026-03-14', 'n')$$, 'LY110'),
('benefit: infinity: issue',       $$benefit_issue({ann}, 'ironing', 'why', 'infinity', 'n')$$, 'LY107'),
('benefit: ended: give',           $$benefit_give({ann}, 'lounge', 'why', valid_until => '2026-03-15 12:00+00')$$, 'LY110'),
('benefit: ends first: give',      $$benefit_give({ann}, 'lounge', 'why', '2026-05-01', '2026-04-01')$$, 'LY111'),
('benefit: infinity: give',        $$benefit_give({ann}, 'lounge', 'why', valid_until => 'infinity')$$, 'LY107'),
('benefit: no reason: give',       $$benefit_give({ann}, 'lounge', ' ')$$, 'LY160'),
('benefit: no reason: issue',      $$benefit_issue({ann}, 'ironing', NULL, ref => 'n')$$, 'LY160'),
('benefit: no reason: void',       $$benefit_void({ann}, pg_temp.voucher('cake'), '')$$, 'LY160'),
('benefit: no member: use',        $$benefit_use(0, 'lounge', 'n')$$, 'LY501'),
('benefit: closed: claim',         $$benefit_claim({closed}, 'cake')$$, 'LY502'),
('benefit: closed: issue',         $$benefit_issue({closed}, 'ironing', 'why', ref => 'n')$$, 'LY502'),
('benefit: frozen: use',           $$benefit_use({frozen}, 'lounge', 'n')$$, 'LY503'),
('benefit: frozen: claim',         $$benefit_claim({frozen}, 'cake')$$, 'LY503'),
('benefit: merged: return',        $$benefit_return({merged}, 'lounge', 'n')$$, 'LY504'),
-- members
('member: unknown: record',        $$record(0, 'share')$$, 'LY501'),
('member: unknown: purchase',      $$purchase(0, 10, 'n')$$, 'LY501'),
('member: unknown: vest',          $$vest(-1, 'o1')$$, 'LY501'),
('member: unknown: redeem',        $$redeem(0, 10, ref => 'n')$$, 'LY501'),
('member: unknown: hold',          $$hold(9223372036854775807, 10, ref => 'n')$$, 'LY501'),
('member: unknown: capture',       $$capture(0, {hold:open})$$, 'LY501'),
('member: unknown: release',       $$release(0, {hold:open})$$, 'LY501'),
('member: unknown: refund',        $$refund(0, 'o1')$$, 'LY501'),
('member: unknown: transfer',      $$transfer(-9223372036854775808, {ann}, 10, ref => 'n')$$, 'LY501'),
('member: unknown: adjust',        $$adjust(0, 10, 'points', 'why', ref => 'n')$$, 'LY501'),
('member: unknown: identity_add',  $$identity_add(0, 'card', '1')$$, 'LY501'),
('member: unknown: identity_remove', $$identity_remove(0, 'card', '1')$$, 'LY501'),
('member: unknown: freeze',        $$member_freeze(0, 'why')$$, 'LY501'),
('member: unknown: balance',       $$balance(0)$$, 'LY501'),
('member: unknown: account_settle', $$account_settle(0)$$, 'LY501'),
('member: closed: purchase',       $$purchase({closed}, 10, 'n')$$, 'LY502'),
('member: closed: redeem',         $$redeem({closed}, 10, ref => 'n')$$, 'LY502'),
('member: closed: adjust',         $$adjust({closed}, 10, 'points', 'why', ref => 'n')$$, 'LY502'),
('member: frozen: redeem',         $$redeem({frozen}, 10, ref => 'n')$$, 'LY503'),
('member: frozen: hold',           $$hold({frozen}, 10, ref => 'n')$$, 'LY503'),
('member: frozen: capture',        $$capture({frozen}, (SELECT hold_id FROM held_frozen))$$, 'LY503'),
('member: frozen: transfer',       $$transfer({frozen}, {ann}, 10, ref => 'n')$$, 'LY503'),
('member: merged: purchase',       $$purchase({merged}, 10, 'n')$$, 'LY504'),
('member: merged: refund',         $$refund({merged}, 'o1')$$, 'LY504'),
('member: merged: reopen',         $$member_reopen({merged}, 'why')$$, 'LY504'),
('status: thaw an active member',  $$member_thaw({ann}, 'why')$$, 'LY508'),
('status: freeze a frozen one',    $$member_freeze({frozen}, 'why')$$, 'LY508'),
('status: close a closed one',     $$member_close({closed}, 'why')$$, 'LY508'),
('status: reopen an active one',   $$member_reopen({ann}, 'why')$$, 'LY508'),
-- identities
('identities: none',               $$enroll('Shop', '{}')$$, 'LY505'),
('identities: an empty array',     $$enroll('Shop', '[]')$$, 'LY505'),
('identities: null',               $$enroll('Shop', 'null')$$, 'LY505'),
('identities: a number',           $$enroll('Shop', '1')$$, 'LY505'),
('identities: a text',             $$enroll('Shop', '"card"')$$, 'LY505'),
('identities: 33',                 $$enroll('Shop', (SELECT jsonb_object_agg('k' || n, '1') FROM generate_series(1, 33) n))$$, 'LY004'),
('identities: 10,000',             $$enroll('Shop', (SELECT jsonb_agg(jsonb_build_object('kind', 'card', 'value', n::text)) FROM generate_series(1, 10000) n))$$, 'LY004'),
('identities: a value of NULL',    $$enroll('Shop', '{"card":null}')$$, 'LY505'),
('identities: a number as value',  $$enroll('Shop', '{"card":1}')$$, 'LY505'),
('identities: an array as value',  $$enroll('Shop', '{"card":["1"]}')$$, 'LY505'),
('identities: true as value',      $$enroll('Shop', '{"card":true}')$$, 'LY505'),
('identities: elements of text',   $$enroll('Shop', '["card"]')$$, 'LY505'),
('identities: elements of arrays', $$enroll('Shop', '[["card","1"]]')$$, 'LY505'),
('identities: no kind',            $$enroll('Shop', '[{"value":"1"}]')$$, 'LY505'),
('identities: no value',           $$enroll('Shop', '[{"kind":"card"}]')$$, 'LY505'),
('identities: kind a number',      $$enroll('Shop', '[{"kind":1,"value":"1"}]')$$, 'LY505'),
('identities: value a number',     $$enroll('Shop', '[{"kind":"card","value":1}]')$$, 'LY505'),
('identities: one good, one bad',  $$enroll('Shop', '{"card":"77","email":"nobody"}')$$, 'LY505'),
('identities: kind in upper case', $$enroll('Shop', '{"Card":"1"}')$$, 'LY505'),
('identities: an empty kind',      $$enroll('Shop', '{"":"1"}')$$, 'LY505'),
('identities: a depth bomb',       $$enroll('Shop', (repeat('[', 5000) || repeat(']', 5000))::jsonb)$$, 'LY004'),
('identity: empty',                $$identity_add({ann}, 'card', '')$$, 'LY505'),
('identity: 256 letters',          $$identity_add({ann}, 'card', repeat('1', 256))$$, 'LY505'),
('identity: 10 MB',                $$identity_add({ann}, 'card', repeat('1', 10000000))$$, 'LY505'),
('identity: a control character',  $$identity_add({ann}, 'customer_no', E'a\x01b')$$, 'LY505'),
('identity: a phone of letters',   $$identity_add({ann}, 'phone', 'home')$$, 'LY505'),
('identity: an email of two @',    $$identity_add({ann}, 'email', 'a@b@c')$$, 'LY505'),
('identity: a malformed kind',     $$identity_add({ann}, 'My Card', '1')$$, 'LY505'),
('identities: of two members',     $$enroll('Shop', '[{"kind":"customer_no","value":"ann"},{"kind":"customer_no","value":"bob"}]')$$, 'LY506'),
('identities: two members: sale',  $$sale('Shop', '[{"kind":"customer_no","value":"ann"},{"kind":"customer_no","value":"bob"}]', 10, 'n')$$, 'LY506'),
('identity: of another member',    $$identity_add({ann}, 'customer_no', 'bob')$$, 'LY506'),
('identity: not there',            $$identity_remove({ann}, 'card', '1')$$, 'LY507'),
('identity: of another, removed',  $$identity_remove({ann}, 'customer_no', 'bob')$$, 'LY507'),
('profile: an array',              $$enroll('Shop', '{"card":"1"}', '[]')$$, 'LY007'),
('profile: null',                  $$enroll('Shop', '{"card":"1"}', 'null')$$, 'LY007'),
-- items
('items: an object',               $$purchase({ann}, 10, 'n', '{"sku":"A","price":10}')$$, 'LY006'),
('items: a text',                  $$purchase({ann}, 10, 'n', '"A"')$$, 'LY006'),
('items: null',                    $$purchase({ann}, 10, 'n', 'null')$$, 'LY006'),
('items: empty',                   $$purchase({ann}, 10, 'n', '[]')$$, 'LY006'),
('items: a text in it',            $$purchase({ann}, 10, 'n', '["A"]')$$, 'LY006'),
('items: an array in it',          $$purchase({ann}, 10, 'n', '[[]]')$$, 'LY006'),
('items: null in it',              $$purchase({ann}, 10, 'n', '[{"sku":"A","price":10},null]')$$, 'LY006'),
('items: no sku',                  $$purchase({ann}, 10, 'n', '[{"price":10}]')$$, 'LY006'),
('items: sku a number',            $$purchase({ann}, 10, 'n', '[{"sku":1,"price":10}]')$$, 'LY006'),
('items: sku null',                $$purchase({ann}, 10, 'n', '[{"sku":null,"price":10}]')$$, 'LY006'),
('items: no price',                $$purchase({ann}, 10, 'n', '[{"sku":"A"}]')$$, 'LY006'),
('items: price a text',            $$purchase({ann}, 10, 'n', '[{"sku":"A","price":"10"}]')$$, 'LY006'),
('items: price negative',          $$purchase({ann}, 10, 'n', '[{"sku":"A","price":-1}]')$$, 'LY006'),
('items: qty 0',                   $$purchase({ann}, 10, 'n', '[{"sku":"A","price":10,"qty":0}]')$$, 'LY006'),
('items: qty negative',            $$purchase({ann}, 10, 'n', '[{"sku":"A","price":10,"qty":-1}]')$$, 'LY006'),
('items: qty of four decimals',    $$purchase({ann}, 10, 'n', '[{"sku":"A","price":10,"qty":1.0001}]')$$, 'LY006'),
('items: quantity for qty',        $$purchase({ann}, 10, 'n', '[{"sku":"A","price":10,"quantity":2}]')$$, 'LY006'),
('items: quantity for qty, refund', $$refund({ann}, 'o1', items => '[{"sku":"A","quantity":1}]', refund_ref => 'n')$$, 'LY006'),
('items: qty a text',              $$purchase({ann}, 10, 'n', '[{"sku":"A","price":10,"qty":"1"}]')$$, 'LY006'),
('items: a price of 1e100',        $$purchase({ann}, 10, 'n', '[{"sku":"A","price":1e100}]')$$, 'LY004'),
('items: a sum above 2^63',         $$purchase({ann}, 10, 'n', (SELECT jsonb_agg('{"sku":"A","price":90000000000000}'::jsonb) FROM generate_series(1, 2000)))$$, 'LY102'),
('items: 5,001 lines',             $$purchase({ann}, 10, 'n', (SELECT jsonb_agg('{"sku":"A","price":1}'::jsonb) FROM generate_series(1, 5001)))$$, 'LY004'),
('items: 10,000 lines',            $$purchase({ann}, 10, 'n', (SELECT jsonb_agg('{"sku":"A","price":1}'::jsonb) FROM generate_series(1, 10000)))$$, 'LY004'),
('items: a line of 2 MiB',         $$purchase({ann}, 10, 'n', jsonb_build_array(jsonb_build_object('sku', 'A', 'price', 1, 'note', repeat('x', 2097152))))$$, 'LY004'),
('items: a depth bomb',            $$purchase({ann}, 10, 'n', ('[{"sku":"A","price":1,"note":' || repeat('[', 5000) || repeat(']', 5000) || '}]')::jsonb)$$, 'LY004'),
('items: sale',                    $$sale('Shop', '{"card":"1"}', 10, 'n', '{}')$$, 'LY006'),
-- data
('data: an array',                 $$record({ann}, 'share', data => '[]')$$, 'LY007'),
('data: a number',                 $$purchase({ann}, 10, 'n', data => '1')$$, 'LY007'),
('data: JSON null',                $$purchase({ann}, 10, 'n', data => 'null')$$, 'LY007'),
('data: enroll',                   $$enroll('Shop', '{"card":"1"}', data => '"x"')$$, 'LY007'),
('data: refund',                   $$refund({ann}, 'o1', data => '[1]')$$, 'LY007'),
('data: sale',                     $$sale('Shop', '{"card":"1"}', 10, 'n', data => '[]')$$, 'LY007'),
('data: channel a number',         $$purchase({ann}, 10, 'n', data => '{"channel":1}')$$, 'LY007'),
('data: store an object',          $$purchase({ann}, 10, 'n', data => '{"store":{"id":1}}')$$, 'LY007'),
('data: staff of 256 letters',     $$purchase({ann}, 10, 'n', data => jsonb_build_object('staff', repeat('x', 256)))$$, 'LY007'),
('data: 2 MiB',                    $$record({ann}, 'share', data => jsonb_build_object('x', repeat('x', 2097152)))$$, 'LY004'),
('data: a depth of 33',            $$record({ann}, 'share', data => (repeat('{"a":', 33) || '1' || repeat('}', 33))::jsonb)$$, 'LY004'),
('data: a depth bomb',             $$record({ann}, 'share', data => ('{"a":' || repeat('[', 5000) || repeat(']', 5000) || '}')::jsonb)$$, 'LY004'),
('data: a number of 101 digits',   $$record({ann}, 'share', data => '{"a":1e100}')$$, 'LY004'),
('data: a negative one',           $$record({ann}, 'share', data => '{"a":-1e100}')$$, 'LY004'),
('data: 131,072 digits',           $$record({ann}, 'share', data => '{"a":1e131071}')$$, 'LY004'),
('data: 131,072 digits, deeper',   $$purchase({ann}, 10, 'n', data => '{"a":[{"b":[1e131071]}]}')$$, 'LY004'),
('data: 101 decimals',             $$record({ann}, 'share', data => '{"a":1e-101}')$$, 'LY004'),
('data: 16,383 decimals',          $$record({ann}, 'share', data => '{"a":1e-16383}')$$, 'LY004'),
('data: 131,072 digits: enroll',   $$enroll('Shop', '{"card":"1"}', data => '{"a":1e131071}')$$, 'LY004'),
('data: 131,072 digits: refund',   $$refund({ann}, 'o1', data => '{"a":1e131071}')$$, 'LY004'),
('items: 131,072 digits',          $$purchase({ann}, 10, 'n', '[{"sku":"A","price":1,"note":1e131071}]')$$, 'LY004'),
('items: 131,072 digits: refund',  $$refund({ann}, 'o1', items => '[{"sku":"A","qty":1e131071}]', key => 'n')$$, 'LY004'),
('profile: 131,072 digits',        $$enroll('Shop', '{"card":"1"}', '{"a":1e131071}')$$, 'LY004'),
('documents: items and data',      $$purchase({ann}, 10, 'n', jsonb_build_array(jsonb_build_object('sku', 'A', 'price', 1, 'note', repeat('x', 600000))), jsonb_build_object('x', repeat('x', 600000)))$$, 'LY004'),
('documents: profile and data',    $$enroll('Shop', '{"card":"1"}', jsonb_build_object('x', repeat('x', 600000)), jsonb_build_object('x', repeat('x', 600000)))$$, 'LY004'),
('documents: identities and data', $$enroll('Shop', jsonb_build_object('card', repeat('1', 600000)), data => jsonb_build_object('x', repeat('x', 600000)))$$, 'LY004'),
('documents: refund',              $$refund({ann}, 'o1', items => jsonb_build_array(jsonb_build_object('sku', 'A', 'note', repeat('x', 600000))), data => jsonb_build_object('x', repeat('x', 600000)), key => 'n')$$, 'LY004'),
-- carts and their codes
('cart: no object', $$checkout({ann}, '[]', 'n')$$, 'LY224'),
('cart: a misspelt field', $$checkout({ann}, '{"items": [{"sku": "A", "price": 1}], "shiping": 5}', 'n')$$, 'LY224'),
('cart: another currency', $$checkout({ann}, pg_temp.basket() || '{"currency": "EUR"}', 'n')$$, 'LY224'),
('cart: no lines', $$checkout({ann}, '{"items": []}', 'n')$$, 'LY006'),
('cart: use of anything', $$checkout({ann}, pg_temp.basket(), 'n', use => '[]')$$, 'LY224'),
('cart: use of what does not pay', $$checkout({ann}, pg_temp.basket(), 'n', use => '{"stamps": 1}')$$, 'LY106'),
('cart: use of no unit', $$checkout({ann}, pg_temp.basket(), 'n', use => '{"crowns": 1}')$$, 'LY105'),
('checkout: no member', $$checkout(NULL, pg_temp.basket(), 'n')$$, '22004'),
('checkout: no cart', $$checkout({ann}, NULL, 'n')$$, '22004'),
('checkout: no order', $$checkout({ann}, pg_temp.basket(), NULL)$$, 'LY005'),
('checkout: an order of before', $$checkout({ann}, pg_temp.basket(), 'o1')$$, 'LY002'),
('checkout: another price', $$checkout({ann}, pg_temp.basket(), 'n', expect => 99.99)$$, 'LY246'),
('checkout: frozen', $$checkout({frozen}, pg_temp.basket(), 'n', ARRAY['HELLO'])$$, 'LY503'),
('checkout: closed', $$checkout({closed}, pg_temp.basket(), 'n')$$, 'LY502'),
('checkout: codes of NULL', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY[NULL])$$, '22004'),
('checkout: a code of 2 MB', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY[repeat('x', 2000000)])$$, 'LY004'),
('coupon_claim: no member',         $$coupon_claim(NULL, 'given', 'n')$$, '22004'),
('coupon_claim: no coupon',         $$coupon_claim({ann}, NULL, 'n')$$, '22004'),
('coupon_claim: neither key nor ref', $$coupon_claim({ann}, 'given')$$, 'LY001'),
('coupon_claim: unknown',           $$coupon_claim({ann}, 'nothing', 'n')$$, 'LY251'),
('coupon_claim: not to be claimed', $$coupon_claim({ann}, 'ten', 'n')$$, 'LY243'),
('coupon_claim: frozen',            $$coupon_claim({frozen}, 'given', 'n')$$, 'LY503'),
('coupon_claim_code: no code',      $$coupon_claim_code({ann}, '')$$, 'LY201'),
('coupon_claim_code: for everybody', $$coupon_claim_code({ann}, 'hello')$$, 'LY243'),
('coupon_issue: closed',            $$coupon_issue({closed}, 'ten', 'n')$$, 'LY502'),
('coupon_issue: half a coupon',     $$coupon_issue({ann}, 'ten', 'n', quantity => 0.5)$$, 'LY103'),
('coupon_issue: yesterday',         $$coupon_issue({ann}, 'ten', 'n', valid_until => '2020-01-01')$$, 'LY110'),
('coupon_issue: inverted',          $$coupon_issue({ann}, 'ten', 'n', '2030-01-02', '2030-01-01')$$, 'LY111'),
('coupon_issue_pack: unknown',      $$coupon_issue_pack({ann}, 'nothing', 'n')$$, 'LY252'),
('coupon_buy: not for sale',        $$coupon_buy({ann}, 'ten', 'n')$$, 'LY245'),
('coupon_transfer: to oneself',     $$coupon_transfer({ann}, {ann}, pg_temp.held('issue'), 'n')$$, 'LY150'),
('coupon_transfer: not to be given', $$coupon_transfer({ann}, {bob}, pg_temp.held('issue'), 'n')$$, 'LY244'),
('coupon_transfer: given before',   $$coupon_transfer({ann}, {bob}, pg_temp.held('claim'), 'n')$$, 'LY207'),
('coupon_transfer: of another',     $$coupon_transfer({bob}, {ann}, pg_temp.held('issue'), 'n')$$, 'LY201'),
('coupon_void: no reason',          $$coupon_void({ann}, pg_temp.held('issue'))$$, 'LY160'),
('coupon_void: of another',         $$coupon_void({bob}, pg_temp.held('issue'), 'why')$$, 'LY201'),
('coupon_use: no code',             $$coupon_use({ann}, NULL, 'n')$$, '22004'),
('coupon_use: no order',            $$coupon_use({ann}, 'HELLO', NULL)$$, '22004'),
('coupon_use: empty ref',           $$coupon_use({ann}, 'HELLO', '')$$, 'LY005'),
('coupon_use: too much',            $$coupon_use({ann}, 'HELLO', 'n', 10.01)$$, 'LY102'),
('coupon_use: less than nothing',   $$coupon_use({ann}, 'HELLO', 'n', -1)$$, 'LY101'),
('coupon_use: of another',          $$coupon_use({bob}, '#' || pg_temp.held('issue'), 'n')$$, 'LY201'),
('coupon_undo: nothing',            $$coupon_undo({ann}, 'n')$$, 'LY231'),
('coupon_undo: with a cart',        $$coupon_undo({ann}, 'used')$$, 'LY231'),
('coupon_undo: twice',              $$coupon_undo({ann}, 'undone', key => 'n')$$, 'LY230'),
('coupon: no such code', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['NONE'])$$, 'LY201'),
('coupon: inactive', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['EIDLE'])$$, 'LY206'),
('coupon: campaign', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['EDRAFT'])$$, 'LY204'),
('coupon: too early', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['EEARLY'])$$, 'LY202'),
('coupon: too late', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['ELATE'])$$, 'LY203'),
('coupon: another weekday', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['EMONDAY'])$$, 'LY412'),
('coupon: used', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['EUSED'])$$, 'LY210'),
('coupon: twice in an order', $$checkout({ann}, pg_temp.basket(), 'n', '{HELLO,hel-lo}')$$, 'LY210'),
('coupon: given away', $$checkout({ann}, pg_temp.basket(), 'n', ('{#' || (SELECT coupon_no FROM loyalty.member_coupon WHERE status = 'given') || '}')::text[])$$, 'LY207'),
('coupon: other members', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['EVIP'])$$, 'LY235'),
('coupon: another tier', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['EGOLDEN'])$$, 'LY236'),
('coupon: another channel', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['EAPP'])$$, 'LY237'),
('coupon: another store', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['ESTORE'])$$, 'LY238'),
('coupon: not the first order', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['EFIRST'])$$, 'LY239'),
('coupon: too little', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['EMUCH'])$$, 'LY221'),
('coupon: too much', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['ELITTLE'])$$, 'LY225'),
('coupon: too few', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['EMANY'])$$, 'LY226'),
('coupon: too many', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['EONE'])$$, 'LY227'),
('coupon: other items', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['ETEA'])$$, 'LY222'),
('coupon: excluded items', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['EOTHER'])$$, 'LY228'),
('coupon: another payment', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['ECARD'])$$, 'LY241'),
('coupon: condition', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['ENEVER'])$$, 'LY242'),
('coupon: code is used up', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['ESINGLE'])$$, 'LY214'),
('coupon: used up by the member', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['EMINE'])$$, 'LY212'),
('coupon: used up in the week', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['EWEEKLY'])$$, 'LY215'),
('coupon: used up by all', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['EGONE'])$$, 'LY211'),
('coupon: no budget', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['ESPENT'])$$, 'LY213'),
('coupon: not claimed', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['ECLAIM'])$$, 'LY216'),
('coupon: reserved', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['ERESERVED'])$$, 'LY209'),
('coupon: not with others', $$checkout({ann}, pg_temp.basket(), 'n', '{HELLO,EALONE}')$$, 'LY220'),
('coupon: two of a kind', $$checkout({ann}, pg_temp.basket(), 'n', '{EFEW1,EFEW2}')$$, 'LY229'),
('coupon: more than two', $$checkout({ann}, pg_temp.basket(), 'n', '{HELLO,EFEW1,ETHIRD}')$$, 'LY232'),
('coupon: nothing to save', $$checkout({ann}, pg_temp.basket(), 'n', ARRAY['ESHIPPING'])$$, 'LY234'),
-- input that PostgreSQL refuses before it reaches us
('json: broken',                   $$record({ann}, 'share', data => '{"a":')$$, '22P02'),
('json: a NUL',                    $$record({ann}, 'share', data => '{"a":"\u0000"}')$$, '22P05'),
('number: not one',                $$purchase({ann}, 'ten', 'n')$$, '22P02'),
('time: not one',                  $$purchase({ann}, 10, 'n', at => 'soon')$$, '22007'),
('time: 30 February',              $$purchase({ann}, 10, 'n', at => '2026-02-30 12:00+00')$$, '22008'),
('interval: not one',              $$hold({ann}, 10, ttl => 'long', ref => 'n')$$, '22007');

-- The vocabulary: src/errors.h
CREATE TEMP TABLE refusal (code text PRIMARY KEY, reason text UNIQUE);
INSERT INTO refusal VALUES
	('LY001', 'idempotency_key_invalid'), ('LY002', 'idempotency_key_reused'), ('LY003', 'duplicate_ref'),
	('LY004', 'input_too_large'), ('LY005', 'ref_invalid'), ('LY006', 'items_invalid'), ('LY007', 'data_invalid'),
	('LY101', 'amount_not_positive'), ('LY102', 'amount_too_large'), ('LY103', 'amount_scale'), ('LY104', 'amount_not_finite'),
	('LY105', 'unknown_unit'), ('LY106', 'unit_mismatch'), ('LY107', 'time_not_finite'), ('LY108', 'time_in_future'),
	('LY109', 'period_closed'), ('LY110', 'expiry_in_past'), ('LY111', 'period_inverted'), ('LY120', 'insufficient_points'),
	('LY130', 'original_not_found'), ('LY131', 'refund_exceeds_original'), ('LY132', 'reversal_not_reversible'),
	('LY133', 'journal_not_found'),
	('LY140', 'hold_not_found'), ('LY141', 'capture_exceeds_hold'), ('LY142', 'hold_already_captured'),
	('LY143', 'hold_already_released'), ('LY144', 'hold_expired'), ('LY145', 'hold_timeout_invalid'), ('LY146', 'hold_of_order'), ('LY246', 'payable_changed'), ('LY247', 'checkout_not_found'), ('LY248', 'checkout_expired'), ('LY249', 'checkout_closed'), ('LY150', 'transfer_to_self'),
	('LY160', 'reason_required'), ('LY190', 'ledger_immutable'), ('LY191', 'period_not_over'), ('LY192', 'period_closed_already'), ('LY402', 'program_inactive'), ('LY403', 'program_not_found'),
	('LY420', 'plan_held'), ('LY421', 'plan_not_held'), ('LY422', 'plan_not_higher'), ('LY430', 'unknown_activity'), ('LY431', 'visitor_joined'), ('LY440', 'unknown_channel'), ('LY441', 'message_not_found'), ('LY442', 'message_not_taken'),
	('LY450', 'unknown_automation'), ('LY451', 'run_not_found'), ('LY452', 'automation_not_ready'), ('LY453', 'broadcast_not_found'), ('LY454', 'guest_order_differs'), ('LY455', 'guest_order_not_found'),
	('LY501', 'member_not_found'), ('LY502', 'member_closed'), ('LY503', 'member_frozen'),
	('LY302', 'card_limit'), ('LY304', 'refund_exceeds_principal'), ('LY305', 'card_frozen'), ('LY306', 'topup_not_found'), ('LY307', 'topup_not_pending'), ('LY308', 'topup_pending'),
	('LY224', 'cart_invalid'), ('LY202', 'not_started'), ('LY203', 'expired'), ('LY204', 'campaign_not_running'), ('LY206', 'disabled'),
	('LY207', 'not_owner'), ('LY208', 'member_required'), ('LY209', 'reserved_by_other'), ('LY210', 'already_used'), ('LY211', 'limit_campaign'), ('LY212', 'limit_member'),
	('LY213', 'budget_exhausted'), ('LY214', 'limit_code'), ('LY215', 'limit_period'), ('LY216', 'reservation_required'), ('LY220', 'stack_exclusive'), ('LY221', 'min_amount'),
	('LY222', 'no_matching_items'), ('LY225', 'max_amount'), ('LY226', 'min_quantity'), ('LY227', 'max_quantity'), ('LY228', 'excluded_items'), ('LY229', 'stack_category_limit'),
	('LY232', 'stack_total_limit'), ('LY234', 'no_effect'), ('LY235', 'segment_mismatch'), ('LY236', 'tier_mismatch'), ('LY237', 'channel_mismatch'), ('LY238', 'store_mismatch'),
	('LY239', 'first_order_only'), ('LY241', 'payment_method'), ('LY242', 'condition_not_met'),
	('LY201', 'not_found'), ('LY205', 'code_malformed'), ('LY240', 'code_space_too_small'), ('LY250', 'code_taken'), ('LY251', 'unknown_coupon'), ('LY230', 'already_returned'), ('LY231', 'use_not_found'), ('LY243', 'not_claimable'), ('LY244', 'not_transferable'), ('LY245', 'not_for_sale'), ('LY252', 'unknown_pack'),
	('LY404', 'unknown_event'), ('LY406', 'unknown_tier'), ('LY408', 'unknown_benefit'), ('LY409', 'unknown_plan'), ('LY410', 'not_entitled'), ('LY411', 'quota_exhausted'), ('LY412', 'not_in_time_window'),
	('LY413', 'benefit_kind_mismatch'), ('LY414', 'voucher_not_found'), ('LY415', 'already_given'),
	('LY504', 'member_merged'), ('LY505', 'identifier_malformed'), ('LY506', 'identifier_taken'), ('LY507', 'identifier_not_found'),
	('LY508', 'status_conflict'), ('LY801', 'rule_invalid'), ('LY808', 'configuration_fixed'),
	('LY805', 'rule_too_costly'), ('LY809', 'tag_by_rule'),
	('LY810', 'source_invalid'), ('LY811', 'unknown_segment'), ('LY812', 'segment_not_a_list'),
	('LY902', 'invariant_violated'), ('LY904', 'version_mismatch');

-- Raised by triggers, not by calls; or by calls in every mode, because damage is no answer
INSERT INTO bad_input (description, call, code) VALUES
('code: no such code',     $$SELECT (NULL::loyalty.receipt).* FROM loyalty.coupon_disable('Shop', 'nothing')$$, 'LY201'),
('code: malformed',        $$SELECT (NULL::loyalty.receipt).* FROM loyalty.coupon_code_create('Shop', 'ten', '10 %')$$, 'LY205'),
('code: easily guessed',   $$SELECT (NULL::loyalty.receipt).* FROM loyalty.coupon_generate('Shop', 'ten', 2000000)$$, 'LY240'),
('code: taken',            $$SELECT (NULL::loyalty.receipt).* FROM loyalty.coupon_import('Shop', 'ten', '{NEW,HE-11-O}')$$, 'LY250'),
('code: given twice',      $$SELECT (NULL::loyalty.receipt).* FROM loyalty.coupon_import('Shop', 'ten', '{NEW,new}')$$, 'LY250'),
('code: no template',      $$SELECT (NULL::loyalty.receipt).* FROM loyalty.coupon_generate('Shop', 'free', 1)$$, 'LY251'),
('ledger: update',         'UPDATE loyalty.journal SET reason = ''x''', 'LY190'),
('ledger: delete',         'DELETE FROM loyalty.entry', 'LY190'),
('ledger: truncate',       'TRUNCATE loyalty.journal', 'LY190'),
('member: delete',         'DELETE FROM loyalty.member', 'LY190'),
('member: truncate',       'TRUNCATE loyalty.member', 'LY190'),
('account: delete',        'DELETE FROM loyalty.account WHERE member_id = 0', 'LY190'),
('account: truncate',      'TRUNCATE loyalty.account', 'LY190'),
('tier history: update',   'UPDATE loyalty.tier_history SET action = ''joined''', 'LY190'),
('period: not over',       $$SELECT (NULL::loyalty.receipt).* FROM loyalty.period_close('Shop', '2026-03-15')$$, 'LY191'),
('period: closed before',  $$SELECT (NULL::loyalty.receipt).* FROM loyalty.period_close('Shop', '2026-02-27')$$, 'LY192'),
('rule: half a point',     'INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award) '
                           'SELECT program_id, ''share'', unit_id, ''fixed'', 0.5 FROM loyalty.unit WHERE code = ''points''', 'LY801'),
('programme: time zone',   'UPDATE loyalty.program SET time_zone = ''Asia/Tokyo'' WHERE name = ''Shop''', 'LY808'),
('plan: half a penny',       'UPDATE loyalty.plan SET price = 0.005', 'LY103'),
('unit: scale',            'UPDATE loyalty.unit SET scale = 1 WHERE code = ''points''', 'LY808'),
('tag: by its condition',  $$SELECT (NULL::loyalty.receipt).* FROM loyalty.tag_add({ann}, 'old')$$, 'LY809'),
('tag: by its condition, taken', $$SELECT (NULL::loyalty.receipt).* FROM loyalty.tag_remove({ann}, 'old')$$, 'LY809'),
('tag: ended',             $$SELECT (NULL::loyalty.receipt).* FROM loyalty.tag_add({ann}, 'vip', valid_until => '2020-01-01')$$, 'LY110'),
('tag: no condition',      'INSERT INTO loyalty.tag (program_id, name, condition) SELECT program_id, ''p'', ''$.items[*].sku'' FROM loyalty.program', 'LY801'),
('tag: costly condition',  'INSERT INTO loyalty.tag (program_id, name, condition) SELECT program_id, ''p'', ''exists($.**)'' FROM loyalty.program', 'LY805'),
('benefit: unknown',       $$SELECT (NULL::loyalty.receipt).* FROM loyalty.has_benefit({ann}, 'free')$$, 'LY408'),
('benefit: closed member, unknown', $$SELECT (NULL::loyalty.receipt).* FROM loyalty.has_benefit({closed}, '')$$, 'LY408'),
('benefit: no member',     $$SELECT (NULL::loyalty.receipt).* FROM loyalty.benefits(0)$$, 'LY501'),
('benefit: above 100 %',   'INSERT INTO loyalty.benefit (program_id, name, kind, percent_off) SELECT program_id, ''p'', ''price'', 101 FROM loyalty.program', 'LY801'),
('benefit: price of no cart', $$SELECT (NULL::loyalty.receipt).* FROM loyalty.benefit_price({ann}, '{}')$$, 'LY006'),
('wallet: an unknown unit',           $$SELECT * FROM loyalty.purchase({damaged}, 10, 'n')$$, 'LY902'),
('wallet: an unknown unit: try',      $$SELECT * FROM loyalty.purchase({damaged}, 10, 'n', mode => 'try')$$, 'LY902'),
('wallet: an unknown unit: dry',      $$SELECT * FROM loyalty.purchase({damaged}, 10, 'n', mode => 'dry')$$, 'LY902'),
('wallet: an unknown unit: redeem',   $$SELECT * FROM loyalty.redeem({damaged}, 1, ref => 'n')$$, 'LY902'),
('wallet: an unknown unit: refund',   $$SELECT * FROM loyalty.refund({damaged}, 'o1')$$, 'LY902'),
('wallet: an unknown unit: receiver', $$SELECT * FROM loyalty.transfer({ann}, {damaged}, 1, ref => 'n')$$, 'LY902'),
('wallet: an unknown unit: enroll',   $$SELECT * FROM loyalty.enroll('Shop', '{"customer_no":"damaged","card":"1"}')$$, 'LY902'),
('activity: unknown kind',            $$SELECT (NULL::loyalty.receipt).* FROM loyalty.track({ann}, 'dance')$$, 'LY430'),
('guest: another amount',              $$SELECT (NULL::loyalty.receipt).* FROM (VALUES (10), (11)) x (amount), loyalty.guest_order('Shop', amount, 'g1')$$, 'LY454'),
('guest: no such order',               $$SELECT (NULL::loyalty.receipt).* FROM loyalty.guest_order_refund('Shop', 'g2')$$, 'LY455'),
('automation: no such broadcast',     $$SELECT (NULL::loyalty.receipt).* FROM loyalty.automation_broadcast_cancel(1)$$, 'LY453'),
('activity: a visitor of another',    $$SELECT (NULL::loyalty.receipt).* FROM loyalty.visitor_join({ann}, 'cookie')$$, 'LY431'),
('message: unknown channel',           $$SELECT (NULL::loyalty.receipt).* FROM loyalty.message_enqueue({ann}, 'pigeon', 'hello')$$, 'LY440'),
('message: no such message',           $$SELECT (NULL::loyalty.receipt).* FROM loyalty.message_done({ann}, 1)$$, 'LY441'),
('message: never taken',               $$SELECT (NULL::loyalty.receipt).* FROM loyalty.message_done({ann}, (SELECT message_id FROM loyalty.message))$$, 'LY442'),
('automation: unknown',               $$SELECT (NULL::loyalty.receipt).* FROM loyalty.automation_end('Shop', 'nothing')$$, 'LY450'),
('automation: unknown run',           $$SELECT (NULL::loyalty.receipt).* FROM loyalty.automation_explain({ann}, 1)$$, 'LY451'),
('automation: nothing to do',         $$SELECT (NULL::loyalty.receipt).* FROM loyalty.automation_start('Shop', 'idle')$$, 'LY452'),
('explain: no such journal row',      $$SELECT (NULL::loyalty.receipt).* FROM loyalty.explain({ann}, 1)$$, 'LY133'),
('wallet: an unknown unit: settle',   $$SELECT (NULL::loyalty.receipt).* FROM loyalty.account_settle({damaged})$$, 'LY902'),
('wallet: an unknown unit: balance',  $$SELECT (NULL::loyalty.receipt).* FROM loyalty.balance({damaged})$$, 'LY902'),
('wallet: another programme''s unit', $$SELECT * FROM loyalty.purchase({stray}, 10, 'n')$$, 'LY902');

-- Calls, and takes back what should not have happened, so that one case that is
-- accepted does not spoil the next: 'LY101', or 'LY101, changed'.
CREATE FUNCTION pg_temp.outcome(statement text, before text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	receipt loyalty.receipt;
	outcome text;
BEGIN
	BEGIN
		EXECUTE statement INTO receipt;
		outcome := coalesce(concat_ws(' ', (receipt).status, (receipt).reason), 'no error');
		outcome := outcome || CASE WHEN pg_temp.state() <> before THEN ', changed' ELSE '' END;
		RAISE SQLSTATE 'UNDO0';
	EXCEPTION
		WHEN SQLSTATE 'UNDO0' THEN
			NULL;
		WHEN OTHERS THEN
			outcome := SQLSTATE;
	END;
	RETURN outcome || CASE WHEN pg_temp.state() <> before THEN ', not undone' ELSE '' END;
END
$$;
CREATE TEMP TABLE result (id int, raised text, answered text);
DO $$
DECLARE
	b bad_input;
	statement text;
	raised text;
	answered text;
	before text = pg_temp.state();
BEGIN
	FOR b IN SELECT * FROM bad_input ORDER BY id LOOP
		statement := regexp_replace(b.call, '\{(\w+)\}', 'pg_temp.id(''\1'')', 'g');
		statement := regexp_replace(statement, '\{hold:(\w+)\}', 'pg_temp.hold(''\1'')', 'g');
		answered := NULL;
		IF b.call ~ '^[A-Z]' THEN
			raised := pg_temp.outcome(statement, before);
		ELSIF b.call ~ '^(balance|find|account_settle)\(' OR b.call ~ 'mode =>' THEN
			raised := pg_temp.outcome('SELECT (NULL::loyalty.receipt).* FROM loyalty.' || statement, before);
		ELSE
			raised := pg_temp.outcome('SELECT * FROM loyalty.' || statement, before);
			answered := pg_temp.outcome('SELECT * FROM loyalty.' || regexp_replace(statement, '\)$', ', mode => ''try'')'), before);
		END IF;
		INSERT INTO result VALUES (b.id, raised, answered);
	END LOOP;
END
$$;
SELECT is(raised, code, description)
FROM bad_input JOIN result USING (id) ORDER BY id;
SELECT is(answered, coalesce('refused ' || reason, code), description || ', mode try')
FROM bad_input JOIN result USING (id) LEFT JOIN refusal USING (code) WHERE answered IS NOT NULL ORDER BY id;

-- LY904 takes another library to raise: test/t/004_version.pl; LY208 is told to guests, whom no call is about
SELECT is_empty($$SELECT code, reason FROM refusal WHERE code NOT IN (SELECT raised FROM result) AND code NOT IN ('LY904', 'LY208')$$,
	'every refusal of the vocabulary was raised');
SELECT is_empty($$SELECT raised FROM result WHERE raised LIKE 'LY%' AND raised NOT IN (SELECT code FROM refusal)$$,
	'and none that is not in it');

-- What a message says besides
CREATE FUNCTION pg_temp.told_by(statement text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
END
$$;
SELECT is((pg_temp.told_by($$SELECT * FROM loyalty.purchase(pg_temp.id('damaged'), 10, 'n')$$)).hint,
	'Run loyalty.verify(), then loyalty.rebuild().', 'damage: what to do about it');
SELECT is((pg_temp.told_by($$SELECT * FROM loyalty.record(pg_temp.id('ann'), 'share', mode => 'now or never')$$)).message,
	'mode is not known', 'mode: is not repeated');
-- amounts and texts as long as can be: 100,001 digits, 100,000 letters
SELECT cmp_ok(octet_length((pg_temp.told_by(statement)).detail), '<=', 300, 'a long detail is cut: ' || what)
FROM (VALUES
	('purchase', $$SELECT * FROM loyalty.purchase(pg_temp.id('ann'), 1e100000, 'n')$$),
	('redeem', $$SELECT * FROM loyalty.redeem(pg_temp.id('ann'), 1e100000, ref => 'n')$$),
	('refund', $$SELECT * FROM loyalty.refund(pg_temp.id('ann'), 'o1', 1e100000, key => 'n')$$),
	('decimals', $$SELECT * FROM loyalty.purchase(pg_temp.id('ann'), 1e-10000, 'n')$$),
	('unit', $$SELECT * FROM loyalty.redeem(pg_temp.id('ann'), 1, repeat('u', 100000), 'n')$$),
	('unit of 2-byte letters', $$SELECT * FROM loyalty.redeem(pg_temp.id('ann'), 1, repeat(U&'\00e9', 100000), 'n')$$),
	('balance', $$SELECT * FROM loyalty.balance(pg_temp.id('ann'), repeat(U&'\00e9', 100000))$$),
	('event', $$SELECT * FROM loyalty.record(pg_temp.id('ann'), repeat('e', 100000))$$),
	('programme', $$SELECT * FROM loyalty.enroll(repeat('p', 100000), '{"card":"1"}')$$),
	('kind', $$SELECT * FROM loyalty.identity_add(pg_temp.id('ann'), repeat('k', 100000), '1')$$)) v(what, statement);
SELECT is((pg_temp.told_by($$SELECT * FROM loyalty.purchase(pg_temp.id('ann'), 1e100000, 'n')$$)).message, 'amount is too large', 'and the message is the usual one');
-- 100 digits are a number, 1 MiB in all is data
SELECT is((SELECT status FROM loyalty.record(pg_temp.id('ann'), 'share', data => '{"a":[1e99,-1e99,1e-100]}', mode => 'dry')), 'dry', 'data: numbers of 100 digits');
SELECT is((SELECT status FROM loyalty.purchase(pg_temp.id('ann'), 10, 'n', jsonb_build_array(jsonb_build_object('sku', 'A', 'price', 1, 'note', repeat('x', 500000))),
	jsonb_build_object('x', repeat('x', 500000)), mode => 'dry')), 'dry', 'documents: 1,000,000 letters');

UPDATE loyalty.account a SET wallet = u.wallet FROM undamaged u WHERE u.member_id = a.member_id;
UPDATE loyalty.account SET status = 'active' WHERE member_id = pg_temp.id('merged');
-- taken on trust above, as the programme has no tier at all
UPDATE loyalty.coupon SET tiers = NULL WHERE tiers = '{gold}';
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
