\set ECHO none
\i test/prelude.sql

-- Each check of verify() that is about reserved orders, and about refunds of what was checked out, finds what it is for.
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', 'empty') AS shop \gset
SELECT loyalty.program_create('Other', 'GBP', 'Europe/London') AS other \gset
INSERT INTO loyalty.unit (program_id, code, kind) VALUES (:shop, 'points', 'points');
INSERT INTO loyalty.unit_anchor (program_id, unit_id, valid_from, units, money) SELECT program_id, unit_id, '2026-01-01', 1, 1 FROM loyalty.unit WHERE program_id = :shop;
INSERT INTO loyalty.cart_unit (program_id, unit_id) SELECT program_id, unit_id FROM loyalty.unit WHERE program_id = :shop;
INSERT INTO loyalty.coupon (program_id, name, kind, amount) VALUES (:shop, 'five', 'amount', 5);
SELECT loyalty.coupon_code_create('Shop', 'five', 'SPRING');
CALL pg_temp.enroll('Shop', 'ann', 'bob');
SELECT FROM unnest('{ann,bob}'::text[]) name, loyalty.adjust(pg_temp.id(name), 5000, 'points', 'start', key => 'start');
SELECT FROM unnest('{confirmed,cancelled,timed_out,reserved}'::text[]) ref, loyalty.checkout_reserve(pg_temp.id('ann'), '{"items": [{"sku": "A", "price": 30}]}', ref,
	'{SPRING}', '{"points": 100}', ttl => CASE ref WHEN 'timed_out' THEN interval '1 minute' ELSE '1 hour' END);
SELECT FROM loyalty.checkout_confirm(pg_temp.id('ann'), 'confirmed');
SELECT FROM loyalty.checkout_cancel(pg_temp.id('ann'), 'cancelled');
SET loyalty.now = '2026-03-15 12:05+00';
SELECT loyalty.checkout_expire('Shop');
SELECT FROM loyalty.checkout(pg_temp.id('bob'), '{"items": [{"sku": "A", "price": 30}]}', 'bought', '{SPRING}', '{"points": 100}');
SELECT FROM loyalty.refund(pg_temp.id('bob'), 'bought', 10, refund_ref => 'part');

CREATE FUNCTION pg_temp.found(change text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	codes text;
BEGIN
	SET LOCAL session_replication_role = replica;
	EXECUTE change;
	SELECT coalesce(string_agg(DISTINCT invariant, ' ' ORDER BY invariant), 'nothing')
	INTO codes FROM loyalty.verify('Shop')
	-- slots and uses of coupons have checks of their own
	WHERE invariant NOT LIKE 'coupon%';
	RAISE EXCEPTION USING ERRCODE = 'UNDO1';
EXCEPTION WHEN SQLSTATE 'UNDO1' THEN
	RETURN codes;
END
$$;

CREATE TEMP TABLE change (no int GENERATED ALWAYS AS IDENTITY, codes text, what text, sql text);
INSERT INTO change (codes, what, sql) VALUES
	('nothing', 'no change', 'SELECT'),
	('checkout_without_journal', 'reserved by no call', $$UPDATE loyalty.checkout SET journal_id = 999 WHERE ref = 'reserved'$$),
	('checkout_without_journal', 'by a call about another order', $$UPDATE loyalty.checkout c SET journal_id = o.journal_id FROM loyalty.checkout o WHERE c.ref = 'reserved' AND o.ref = 'cancelled'$$),
	('checkout_without_journal', 'in another programme', format('UPDATE loyalty.journal SET program_id = %s WHERE kind = ''checkout_reserve'' AND ref = ''reserved''', :other)),
	('checkout_coupons checkout_holds journal_without_checkout', 'a reservation that is gone', $$DELETE FROM loyalty.checkout WHERE ref = 'reserved'$$),
	('journal_without_checkout', 'one that was cancelled is gone', $$DELETE FROM loyalty.checkout WHERE ref = 'cancelled'$$),
	('checkout_state', 'reserved, and ended', $$UPDATE loyalty.checkout SET ended_by = 1 WHERE ref = 'reserved'$$),
	('checkout_state', 'cancelled by nobody', $$UPDATE loyalty.checkout SET ended_by = NULL WHERE ref = 'cancelled'$$),
	('checkout_state', 'cancelled by a call about another', $$UPDATE loyalty.checkout SET ended_by = (SELECT ended_by FROM loyalty.checkout WHERE ref = 'confirmed') WHERE ref = 'cancelled'$$),
	('checkout_coupons checkout_state', 'confirmed without a purchase', $$UPDATE loyalty.checkout SET ended_by = NULL WHERE ref = 'confirmed'$$),
	('checkout_coupons checkout_holds checkout_state', 'confirmed, and said to be cancelled', $$UPDATE loyalty.checkout SET status = 'confirmed' WHERE ref = 'cancelled'$$),
	('checkout_holds', 'held longer', $$UPDATE loyalty.hold SET expires_at = expires_at + '1 hour'::interval WHERE ref = 'reserved'$$),
	('checkout_holds', 'held by itself', $$UPDATE loyalty.hold SET of_order = false WHERE ref = 'reserved'$$),
	('checkout_holds', 'held for another order', $$UPDATE loyalty.hold SET ref = 'another' WHERE ref = 'reserved'$$),
	('checkout_holds', 'more is reserved than held', $$UPDATE loyalty.checkout SET document = jsonb_set(document, '{holds,0,amount}', '101') WHERE ref = 'reserved'$$),
	('checkout_holds', 'held, but not reserved', $$UPDATE loyalty.checkout SET document = jsonb_set(document, '{holds}', '[]') WHERE ref = 'reserved'$$),
	('checkout_holds', 'captured, but not confirmed', $$UPDATE loyalty.checkout SET document = jsonb_set(document, '{holds}', '[]') WHERE ref = 'confirmed'$$),
	('checkout_coupons', 'a coupon too few', $$DELETE FROM loyalty.coupon_use WHERE ref = 'reserved'$$),
	('checkout_coupons', 'used by another call', $$UPDATE loyalty.coupon_use SET journal_id = 1 WHERE ref = 'confirmed'$$),
	('checkout_coupons', 'reserved for longer', $$UPDATE loyalty.coupon_use SET reserved_until = reserved_until + '1 hour'::interval WHERE ref = 'reserved'$$),
	('checkout_coupons', 'reserved for an order that is over', $$UPDATE loyalty.coupon_use SET status = 'reserved', reserved_until = '2026-03-15 13:00+00' WHERE ref = 'cancelled'$$),
	('refund_payable', 'more paid back than was paid', $$UPDATE loyalty.journal SET outcome = '[{"code": "payable_refund", "amount": 24.01}]' WHERE ref = 'part'$$),
	('refund_coupon', 'returned without a refund', $$UPDATE loyalty.coupon_use SET returned = 100 WHERE ref = 'confirmed'$$),
	('refund_coupon', 'returned by another call', $$UPDATE loyalty.coupon_use SET status = 'returned', returned = discount, ended_by = 1 WHERE ref = 'bought'$$);
SELECT plan(1 + count(*)::int) FROM change;
SELECT is(pg_temp.found(sql), codes, what) FROM change ORDER BY no;
SELECT is_empty('SELECT * FROM loyalty.verify()', 'and when all is undone the books are right');
SELECT * FROM finish();
ROLLBACK;
