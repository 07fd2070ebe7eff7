\set ECHO none
\i test/prelude.sql
SELECT plan(227);

-- Books with something of everything, of which verify() finds nothing to say.
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London', vest_days => 7) AS shop \gset
SELECT loyalty.program_create('Other', 'GBP', 'Europe/London') AS other \gset
UPDATE loyalty.program SET ref_scope = 'program' WHERE program_id = :other;
SELECT unit_id AS points FROM loyalty.unit WHERE program_id = :shop AND code = 'points' \gset
SELECT unit_id AS foreign_points FROM loyalty.unit WHERE program_id = :other AND code = 'points' \gset
SELECT loyalty.budget_set('Shop', 'points', 5000) AS budget \gset
INSERT INTO loyalty.campaign (program_id, name, status) VALUES (:shop, 'May', 'live');
SELECT loyalty.budget_set('Shop', 'points', 50, 'May') AS may \gset
INSERT INTO loyalty.tier (program_id, code, rank, valid_months) VALUES (:shop, 'base', 0, NULL), (:shop, 'gold', 1, 12);
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, months)
	SELECT :shop, t.tier_id, u.unit_id, 900, 12 FROM loyalty.tier t, loyalty.unit u
	WHERE t.program_id = :shop AND t.code = 'gold' AND u.program_id = :shop AND u.code = 'spend';
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat');
CALL pg_temp.enroll('Other', 'yui');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 1000, 'o1', '[{"sku": "A", "price": 1000}]');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 500, 'o1');
SELECT FROM loyalty.purchase(pg_temp.id('cat'), 200, 'c1');
SELECT FROM loyalty.purchase(pg_temp.id('yui'), 10, 'y1');
SET loyalty.now = '2026-03-22 12:00+00';
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 300, 'o2');
SELECT FROM loyalty.redeem(pg_temp.id('ann'), 100, ref => 'o3', key => 'k1');
SELECT hold_id AS open_hold FROM loyalty.hold(pg_temp.id('ann'), 30, ttl => '10 days', ref => 'h1') \gset
SELECT hold_id AS captured_hold FROM loyalty.hold(pg_temp.id('ann'), 30, ref => 'h2') \gset
SELECT hold_id AS released_hold FROM loyalty.hold(pg_temp.id('ann'), 40, ttl => '20 days', ref => 'h3') \gset
SELECT FROM loyalty.hold(pg_temp.id('ann'), 50, ttl => '1 minute', ref => 'h4');
SELECT FROM loyalty.capture(pg_temp.id('ann'), :captured_hold, 20);
SELECT FROM loyalty.release(pg_temp.id('ann'), :released_hold);
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'o1', 250, refund_ref => 'b1');
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'o3', 40, refund_ref => 'b2');
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'h2', 5, refund_ref => 'b3');
SELECT FROM pg_temp.rule('{"program": "Shop", "event": "share", "award": 5}') r (id), loyalty.rule_limit(id, 'month', 100, counter => 'monthly');
SELECT FROM loyalty.record(pg_temp.id('bob'), 'share', ref => 's1');
SELECT FROM loyalty.transfer(pg_temp.id('ann'), pg_temp.id('bob'), 50, ref => 't1', key => 'k2');
SELECT FROM loyalty.redeem(pg_temp.id('cat'), 200, key => 'k1');
SELECT FROM loyalty.refund(pg_temp.id('cat'), 'c1');
SELECT FROM loyalty.record(pg_temp.id('cat'), 'check_in');
INSERT INTO loyalty.unit (program_id, code, kind, period) VALUES (:shop, 'visits', 'counter', 'year'), (:shop, 'stamps', 'metric', NULL);
SELECT pg_temp.offer('{"program": "Shop", "name": "lounge", "kind": "quota", "unit": "visits", "quantity": 3}', 'everyone') AS lounge \gset
SELECT pg_temp.offer('{"program": "Shop", "name": "ironing", "kind": "voucher"}', 'everyone') AS ironing \gset
SELECT pg_temp.offer('{"program": "Shop", "name": "coffee", "kind": "every_n", "unit": "stamps", "quantity": 5}', 'everyone') AS coffee \gset
SELECT FROM loyalty.benefit_give(pg_temp.id('ann'), 'lounge', 'a guest', quantity => 5);
SELECT FROM loyalty.benefit_use(pg_temp.id('ann'), 'lounge', 'v1', 2);
SELECT FROM loyalty.benefit_return(pg_temp.id('ann'), 'lounge', 'v1', 1, key => 'v2');
SELECT FROM generate_series(1, 3) n, loyalty.benefit_issue(pg_temp.id('ann'), 'ironing', 'welcome', ref => 'w' || n);
SELECT FROM loyalty.benefit_use(pg_temp.id('ann'), 'ironing', 'w1');
SELECT FROM loyalty.voucher v, loyalty.benefit_void(v.member_id, v.voucher_id, 'a mistake')
WHERE v.voucher_id = (SELECT max(voucher_id) FROM loyalty.voucher);
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 14, 'stamps', 'an old card', key => 'v3');
SELECT FROM loyalty.benefit_use(pg_temp.id('ann'), 'coffee', 'w4');
SELECT FROM loyalty.member_freeze(pg_temp.id('bob'), 'lost card');
INSERT INTO loyalty.coupon_category (program_id, name) VALUES (:shop, 'food');
INSERT INTO loyalty.coupon (program_id, name, kind, amount, category) VALUES (:shop, 'ten', 'amount', 10, 'food') RETURNING coupon_id AS ten \gset
INSERT INTO loyalty.coupon_pack (program_id, name, coupon_id) VALUES (:shop, 'welcome', :ten);
SELECT loyalty.coupon_limit('Shop', 'ten', 'used', 100, 4) AS ten_used \gset
SELECT loyalty.coupon_limit('Shop', 'ten', 'issued', 100, 4) AS ten_issued \gset
SELECT loyalty.coupon_limit('Shop', 'ten', 'discount', 99.50, 4) AS ten_discount \gset
INSERT INTO loyalty.coupon (program_id, name, kind, amount, transferable) VALUES (:shop, 'five', 'amount', 5, true);
SELECT FROM loyalty.coupon_issue(pg_temp.id('ann'), 'five', 'c1', quantity => 3);
SELECT min(coupon_no) AS used_coupon, max(coupon_no) AS unused_coupon FROM loyalty.member_coupon \gset
SELECT FROM loyalty.member_coupon m, loyalty.coupon_transfer(m.member_id, pg_temp.id('cat'), m.coupon_no, 'c2')
WHERE m.coupon_no NOT IN (:used_coupon, :unused_coupon);
SELECT FROM loyalty.coupon_import('Shop', 'five', '{xmas,xday}');
SELECT FROM loyalty.coupon_claim_code(pg_temp.id('ann'), 'xmas') a, loyalty.coupon_use(pg_temp.id('ann'), '#' || :used_coupon, 'u1', 5) b;
SELECT FROM loyalty.coupon_use(pg_temp.id('ann'), 'xmas', 'u2', 5);
SELECT FROM loyalty.coupon_use(pg_temp.id('cat'), 'xday', 'u3', 5);
SELECT FROM loyalty.coupon_use(pg_temp.id('ann'), '#' || :unused_coupon, 'u4', 5);
SELECT FROM loyalty.coupon_undo(pg_temp.id('ann'), 'u4');
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:shop, 'card', 'money', 2) RETURNING unit_id AS card \gset
INSERT INTO loyalty.topup_policy (program_id, unit_id) VALUES (:shop, :card);
INSERT INTO loyalty.topup_step (program_id, unit_id, step_from, pack) VALUES (:shop, :card, 100, 'welcome');
INSERT INTO loyalty.cart_policy (program_id) VALUES (:shop);
INSERT INTO loyalty.cart_unit (program_id, unit_id) VALUES (:shop, :points);
INSERT INTO loyalty.segment (program_id, name) VALUES (:shop, 'club');
SELECT loyalty.segment_add(pg_temp.id(name), 'club') FROM unnest('{ann,cat}'::text[]) name \g /dev/null
SELECT loyalty.segment_remove(pg_temp.id('cat'), 'club') \g /dev/null
-- ann has upgraded plus to pro, cat gave plus back and bought it anew
INSERT INTO loyalty.plan (program_id, name, months, price, rank, tier) VALUES (:shop, 'plus', 12, 100, 1, NULL), (:shop, 'pro', 12, 300, 2, NULL), (:shop, 'gilt', 12, 100, 0, 'gold');
SELECT FROM loyalty.plan_buy(pg_temp.id('ann'), 'plus', 'p1', starts_on => '2026-03-01');
SELECT FROM loyalty.plan_upgrade(pg_temp.id('ann'), 'pro', 'p2');
SELECT FROM loyalty.plan_buy(pg_temp.id('cat'), 'plus', 'p1', starts_on => '2026-03-01');
SELECT FROM loyalty.plan_refund(pg_temp.id('cat'), 'p1');
SELECT FROM loyalty.plan_buy(pg_temp.id('cat'), 'plus', 'p2');
SET loyalty.now = '2026-03-22 13:00+00';
SELECT is(loyalty.account_settle(pg_temp.id('ann')), 1, 'one hold has timed out');

SELECT is(pg_temp.signature('verify'),
	'(program text DEFAULT NULL::text) -> TABLE(invariant text, member_id bigint, detail text)', 'verify(): arguments');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT is_empty($$SELECT * FROM loyalty.verify('Shop')$$, 'those of one programme too');
SELECT throws_ok($$SELECT * FROM loyalty.verify('Nowhere')$$, 'LY403', NULL, 'verify: unknown programme');
SELECT volatility_is('loyalty', 'verify', '{text}'::name[], 'stable', 'verify() is STABLE');

-- What verify() finds after a change that goes around every guard, and is then
-- undone.
CREATE FUNCTION pg_temp.found(change text, program text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	codes text;
BEGIN
	SET LOCAL session_replication_role = replica;
	EXECUTE change;
	SELECT coalesce(string_agg(DISTINCT invariant, ' ' ORDER BY invariant), 'nothing')
	INTO codes FROM loyalty.verify(program);
	RAISE EXCEPTION USING ERRCODE = 'UNDO1';
EXCEPTION WHEN SQLSTATE 'UNDO1' THEN
	RETURN codes;
END
$$;

-- One more entry in the member's last journal row, and a wallet to match: books
-- that agree with each other and are wrong all the same.
CREATE PROCEDURE pg_temp.book(name text, unit_id int, vests_on date, expires_on date, origin "char", amount bigint)
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO loyalty.entry (member_id, journal_id, line, program_id, unit_id, vests_on, expires_on, origin, amount, balance_after)
	SELECT a.member_id, (SELECT max(j.journal_id) FROM loyalty.journal j WHERE j.member_id = a.member_id),
		(SELECT coalesce(max(e.line), 0) + 100 FROM loyalty.entry e WHERE e.member_id = a.member_id),
		a.program_id, book.unit_id, book.vests_on, book.expires_on, book.origin, book.amount,
		loyalty.wallet_total(a.wallet, book.unit_id) + book.amount
	FROM loyalty.account a WHERE a.member_id = pg_temp.id(name);
	PERFORM loyalty.rebuild(pg_temp.id(name));
END
$$;

CREATE FUNCTION pg_temp.unit(code text) RETURNS int LANGUAGE sql STABLE AS $$
	SELECT u.unit_id FROM loyalty.unit u JOIN loyalty.program p USING (program_id) WHERE p.name = 'Shop' AND u.code = $1
$$;

CREATE TEMP TABLE change (no int GENERATED ALWAYS AS IDENTITY, codes text, what text, sql text);
INSERT INTO change (codes, what, sql) VALUES
	('nothing', 'no change', 'SELECT'),
	('nothing', 'entries that are booked well', $$CALL pg_temp.book('bob', pg_temp.unit('points'), NULL, '2027-05-31', 'a', 7)$$),

	-- wallet and ledger
	('wallet_is_fold', 'value in another lot',
	 $$UPDATE loyalty.account SET wallet = loyalty.wallet_post(loyalty.wallet_post(wallet,
		pg_temp.unit('points'), NULL, '2027-03-31', 'e', -1), pg_temp.unit('points'), NULL, '2027-04-30', 'e', 1)
	   WHERE member_id = pg_temp.id('bob')$$),
	('balance_is_sum wallet_is_fold', 'a point more in the wallet',
	 $$UPDATE loyalty.account SET wallet = loyalty.wallet_post(wallet, pg_temp.unit('points'), NULL, '2027-03-31', 'e', 1)
	   WHERE member_id = pg_temp.id('bob')$$),
	('balance_is_sum wallet_is_fold', 'an empty wallet',
	 $$UPDATE loyalty.account SET wallet = '{}' WHERE member_id = pg_temp.id('cat')$$),
	('balance_after_chain', 'another balance after an entry',
	 $$UPDATE loyalty.entry e SET balance_after = e.balance_after + 1 FROM loyalty.journal j
	   WHERE j.member_id = e.member_id AND j.journal_id = e.journal_id AND j.ref = 'o3' AND j.kind = 'redeem'$$),
	('balance_after_chain balance_is_sum wallet_is_fold', 'another amount of an entry',
	 $$UPDATE loyalty.entry e SET amount = e.amount + 1 FROM loyalty.journal j
	   WHERE j.member_id = e.member_id AND j.journal_id = e.journal_id AND j.ref = 'y1' AND e.unit_id <> pg_temp.unit('points')$$),
	('balance_after_chain balance_is_sum wallet_is_fold', 'an entry that is gone',
	 $$DELETE FROM loyalty.entry e USING loyalty.journal j
	   WHERE j.member_id = e.member_id AND j.journal_id = e.journal_id AND j.kind = 'vest'
	   AND e.member_id = pg_temp.id('ann') AND e.amount < 0$$),

	-- limits
	('counter_is_count', 'more counted than was awarded',
	 $$UPDATE loyalty.account SET wallet = loyalty.wallet_post(wallet, pg_temp.unit('monthly'), NULL, '2026-03-31', 'e', 1)
	   WHERE member_id = pg_temp.id('bob')$$),
	('counter_is_count', 'counted in another month',
	 $$UPDATE loyalty.account SET wallet = loyalty.wallet_post(loyalty.wallet_post(wallet, pg_temp.unit('monthly'), NULL, '2026-03-31', 'e', -5),
		pg_temp.unit('monthly'), NULL, '2026-04-30', 'e', 5) WHERE member_id = pg_temp.id('bob')$$),
	('counter_is_count', 'an award that did not count',
	 $$UPDATE loyalty.event_data SET data = jsonb_set(data, '{awards,0,counters}', '{}') WHERE member_id = pg_temp.id('bob') AND data ? 'awards'
	   AND journal_id = (SELECT journal_id FROM loyalty.journal WHERE ref = 's1')$$),

	('counter_is_count', 'more of a quota than was used',
	 $$UPDATE loyalty.account SET wallet = loyalty.wallet_post(wallet, pg_temp.unit('visits'), NULL, '2026-12-31', 'e', 1)
	   WHERE member_id = pg_temp.id('ann')$$),
	('counter_is_count', 'a use that is gone', $$DELETE FROM loyalty.journal WHERE kind = 'benefit_use' AND event = 'lounge'$$),
	('counter_is_count', 'a return that is gone', $$DELETE FROM loyalty.journal WHERE kind = 'benefit_return' AND event = 'lounge'$$),

	-- benefits
	('benefit_over_returned counter_is_count', 'more given back than was used',
	 $$UPDATE loyalty.journal SET amount = 3 WHERE kind = 'benefit_return' AND event = 'lounge'$$),
	('voucher_without_journal', 'a voucher that nobody issued',
	 $$UPDATE loyalty.voucher SET issued_journal_id = 999 WHERE ref = 'w1'$$),
	('voucher_without_journal', 'a voucher that a redemption issued',
	 $$UPDATE loyalty.voucher SET issued_journal_id = (SELECT journal_id FROM loyalty.journal WHERE ref = 'o3' AND kind = 'redeem') WHERE ref = 'w1'$$),
	('voucher_state', 'used for something else', $$UPDATE loyalty.voucher SET ref = 'w9' WHERE ref = 'w1'$$),
	('voucher_state voucher_uses', 'used by a row that used nothing',
	 $$UPDATE loyalty.voucher SET journal_id = issued_journal_id WHERE ref = 'w1'$$),
	('voucher_state', 'open, and used by a row', format('UPDATE loyalty.voucher SET journal_id = issued_journal_id WHERE status = ''issued'' AND benefit_id = %s', :ironing)),
	('voucher_state', 'void by nobody', $$UPDATE loyalty.voucher SET journal_id = NULL WHERE status = 'void'$$),
	('voucher_state', 'void, and used for something', $$UPDATE loyalty.voucher SET ref = 'w9' WHERE status = 'void'$$),
	('voucher_uses', 'used, and open all the same', $$UPDATE loyalty.voucher SET status = 'issued', ref = NULL, journal_id = NULL WHERE ref = 'w1'$$),
	('every_n_count', 'one too many', format('INSERT INTO loyalty.voucher SELECT member_id, 1, program_id, benefit_id, status, issued_on, valid_until, ref, issued_journal_id,
		journal_id FROM loyalty.voucher WHERE status = ''issued'' AND benefit_id = %s', :coffee)),
	('every_n_count', 'more than what is left stands for', $$UPDATE loyalty.entry SET amount = amount - 5, balance_after = balance_after - 5 WHERE unit_id = pg_temp.unit('stamps');
	   SELECT loyalty.rebuild(pg_temp.id('ann'))$$),
	('nothing', 'fewer stamps, but enough', $$UPDATE loyalty.entry SET amount = amount - 4, balance_after = balance_after - 4 WHERE unit_id = pg_temp.unit('stamps');
	   SELECT loyalty.rebuild(pg_temp.id('ann'))$$),
	('member_benefit_without_journal', 'a benefit that nobody gave', $$UPDATE loyalty.member_benefit SET journal_id = 999$$),
	('program_mismatch', 'a voucher of another programme', format($$UPDATE loyalty.voucher SET program_id = %s WHERE ref = 'w1'$$, :other)),

	-- lots
	('lot_negative', 'a lot below zero',
	 $$CALL pg_temp.book('bob', pg_temp.unit('points'), NULL, '2027-03-31', 'e', -1000);
	   CALL pg_temp.book('bob', pg_temp.unit('points'), NULL, '2027-04-30', 'e', 1000)$$),
	('lot_negative', 'debt above zero',
	 $$CALL pg_temp.book('cat', pg_temp.unit('points'), NULL, NULL, 'd', 201)$$),
	('debt_lot_shape', 'debt that lapses',
	 $$CALL pg_temp.book('cat', pg_temp.unit('points'), NULL, '2027-03-31', 'd', -5)$$),
	('metric_lot_shape', 'a metric on the fifth of the month',
	 $$CALL pg_temp.book('bob', pg_temp.unit('spend'), '2026-03-05', NULL, 'e', 100)$$),
	('metric_lot_shape', 'a metric that lapses',
	 $$CALL pg_temp.book('bob', pg_temp.unit('spend'), '2026-03-01', '2027-03-01', 'e', 100)$$),
	('metric_lot_shape', 'a metric of no month',
	 $$CALL pg_temp.book('bob', pg_temp.unit('spend'), NULL, NULL, 'e', 100)$$),
	('debt_beside_value', 'points that did not repay the debt',
	 $$CALL pg_temp.book('cat', pg_temp.unit('points'), NULL, '2027-03-31', 'e', 10)$$),

	-- dates
	('due_lot_left', 'a lapsed lot in a settled wallet',
	 $$CALL pg_temp.book('bob', pg_temp.unit('points'), NULL, '2026-03-01', 'e', 5)$$),
	('due_lot_left', 'a pending lot in a settled wallet whose day has come',
	 $$CALL pg_temp.book('bob', pg_temp.unit('points'), '2026-03-22', '2027-03-31', 'e', 5)$$),
	('due_on_late', 'due the day after points vest',
	 $$UPDATE loyalty.account SET due_on = '2026-03-30' WHERE member_id = pg_temp.id('ann')$$),
	('due_on_late', 'never due',
	 $$UPDATE loyalty.account SET due_on = 'infinity' WHERE member_id = pg_temp.id('bob')$$),
	('hold_until_late', 'an open hold that is not waited for',
	 $$UPDATE loyalty.account SET hold_until = NULL WHERE member_id = pg_temp.id('ann')$$),
	('hold_until_late', 'an open hold that is waited for too long',
	 $$UPDATE loyalty.account SET hold_until = hold_until + interval '1 second' WHERE member_id = pg_temp.id('ann')$$),

	-- account and journal
	('status_history', 'thawed by nobody',
	 $$UPDATE loyalty.account SET status = 'active' WHERE member_id = pg_temp.id('bob')$$),
	('status_history', 'closed by nobody',
	 $$UPDATE loyalty.account SET status = 'closed' WHERE member_id = pg_temp.id('yui')$$),
	('account_times', 'another last purchase',
	 $$UPDATE loyalty.account SET last_purchase_at = last_purchase_at - interval '1 day' WHERE member_id = pg_temp.id('ann')$$),
	('account_times', 'no first event',
	 $$UPDATE loyalty.account SET first_event_at = NULL WHERE member_id = pg_temp.id('yui')$$),
	('key_unique', 'a key used twice',
	 $$DROP INDEX loyalty.journal_key_idx; UPDATE loyalty.journal SET key = 'k1' WHERE member_id = pg_temp.id('ann') AND key = 'k2'$$),
	('ref_unique', 'a reference used twice',
	 $$DROP INDEX loyalty.journal_ref_idx; UPDATE loyalty.journal SET ref = 'h3' WHERE kind = 'hold' AND ref = 'h4'$$),

	-- refunds and transfers
	('refund_exceeds_original', 'more refunded than the order',
	 $$UPDATE loyalty.journal SET amount = 100001 WHERE kind = 'refund' AND ref = 'b1'$$),
	('refund_exceeds_original', 'more refunded than the redemption',
	 $$UPDATE loyalty.journal SET amount = 101 WHERE kind = 'refund' AND ref = 'b2'$$),
	('refund_exceeds_award refund_exceeds_original', 'a refund of no order',
	 $$UPDATE loyalty.journal SET reverses = 'o9' WHERE kind = 'refund' AND ref = 'b1'$$),
	('refund_exceeds_award', 'an award that was less',
	 $$UPDATE loyalty.entry e SET rule_id = 1000000 FROM loyalty.journal j
	   WHERE j.member_id = e.member_id AND j.journal_id = e.journal_id AND j.ref = 'o1' AND j.kind = 'event'
	   AND e.member_id = pg_temp.id('ann') AND e.unit_id = pg_temp.unit('points')$$),
	('refund_exceeds_spent', 'a redemption that was less',
	 $$UPDATE loyalty.entry e SET rule_id = 1000000 FROM loyalty.journal j
	   WHERE j.member_id = e.member_id AND j.journal_id = e.journal_id AND j.ref = 'o3' AND j.kind = 'redeem'$$),
	('transfer_unbalanced', 'a transfer that nobody received',
	 $$UPDATE loyalty.journal SET ref = 'transfer:999' WHERE kind = 'receive'$$),
	('transfer_unbalanced', 'a receiver who got it from another',
	 $$UPDATE loyalty.journal SET other_member_id = pg_temp.id('cat') WHERE kind = 'receive'$$),
	('transfer_unbalanced', 'more received than sent',
	 $$INSERT INTO loyalty.entry SELECT e.member_id, e.journal_id, 1, e.balance_after + 1, e.program_id, e.unit_id,
		e.vests_on, e.expires_on, NULL, 99, e.origin
	   FROM loyalty.entry e JOIN loyalty.journal j USING (member_id, journal_id) WHERE j.kind = 'receive';
	   SELECT loyalty.rebuild(pg_temp.id('bob'))$$),

	-- holds
	('hold_without_journal', 'a hold that nobody called for',
	 $$UPDATE loyalty.journal SET kind = 'adjust' WHERE kind = 'hold' AND ref = 'h3'$$),
	('held_is_open_holds', 'more held than taken',
	 $$UPDATE loyalty.hold SET amount = amount + 1 WHERE ref = 'h1'$$),
	('hold_lots', 'other lots held than taken',
	 $$UPDATE loyalty.hold SET lots = loyalty.wallet_post(loyalty.wallet_post(lots,
		unit_id, NULL, '2027-03-31', 'e', -1), unit_id, NULL, '2027-04-30', 'e', 1) WHERE ref = 'h1'$$),
	('hold_state', 'released, and held again', $$UPDATE loyalty.hold SET status = 'held' WHERE ref = 'h3'$$),
	('hold_state', 'released by nobody',
	 $$UPDATE loyalty.hold SET status = 'timed_out' WHERE ref = 'h3'$$),
	('hold_returned hold_state', 'more captured than the call did', $$UPDATE loyalty.hold SET captured = 21 WHERE ref = 'h2'$$),
	('hold_returned', 'less returned than was held', $$UPDATE loyalty.hold SET amount = amount + 1 WHERE ref = 'h3'$$),

	-- rows that belong to others
	('entry_without_journal', 'a journal row that is gone',
	 $$DELETE FROM loyalty.journal WHERE kind = 'vest' AND member_id = pg_temp.id('ann')$$),
	('event_data_without_journal', 'inputs of no call',
	 $$INSERT INTO loyalty.event_data SELECT member_id, 999, program_id, '{}' FROM loyalty.account WHERE member_id = pg_temp.id('ann')$$),
	('journal_ref_without_journal', 'a reference to no order', $$UPDATE loyalty.journal_ref SET ref = 'y2'$$),
	('fault_without_account', 'a fault of nobody',
	 $$INSERT INTO loyalty.maintenance_fault (member_id, job, program_id, failed_at, retry_at, sqlstate, message) VALUES (-1, 'account', 1, now(), now(), 'XX000', 'broken')$$),
	('journal_without_account', 'a member who is gone altogether',
	 $$DELETE FROM loyalty.account WHERE member_id = pg_temp.id('cat'); DELETE FROM loyalty.member WHERE member_id = pg_temp.id('cat');
	   DELETE FROM loyalty.identity WHERE value = 'cat'$$),
	('account_without_member', 'a member who is gone but for the account',
	 $$DELETE FROM loyalty.member WHERE member_id = pg_temp.id('cat'); DELETE FROM loyalty.identity WHERE value = 'cat'$$),
	('member_without_account', 'a member without an account',
	 format('INSERT INTO loyalty.member (member_id, joined_at, program_id) VALUES (999, now(), %s)', :shop)),
	('identity_without_member', 'an identity of nobody', $$UPDATE loyalty.identity SET member_id = 999 WHERE value = 'yui'$$),
	('entry_unit', 'a unit of another programme',
	 format($$CALL pg_temp.book('bob', %s, NULL, '2027-03-31', 'e', 5)$$, :foreign_points)),
	('program_mismatch', 'a journal row of another programme',
	 format($$UPDATE loyalty.journal SET program_id = %s WHERE event = 'check_in' AND member_id = pg_temp.id('cat')$$, :other)),
	('program_mismatch', 'an entry of another programme',
	 format($$UPDATE loyalty.entry SET program_id = %s WHERE member_id = pg_temp.id('cat') AND unit_id = pg_temp.unit('orders')$$, :other)),
	('program_mismatch', 'a hold of another programme',
	 format($$UPDATE loyalty.hold SET program_id = %s WHERE ref = 'h1'$$, :other)),

	-- budgets
	('budget_slots', 'a slot with more in it', format('UPDATE loyalty.budget_slot SET quota = quota + 1 WHERE budget_id = %s AND slot = 1', :budget)),
	('budget_slots', 'a slot that is gone', format('DELETE FROM loyalty.budget_slot WHERE budget_id = %s AND slot = 1', :may)),
	('budget_slots', 'a slot that took more than it had given', format('UPDATE loyalty.budget_slot SET used = CASE slot WHEN 1 THEN -1 WHEN 2 THEN 1 ELSE used END WHERE budget_id = %s', :may)),
	('budget_used', 'what nobody was given', format('UPDATE loyalty.budget_slot SET used = quota WHERE budget_id = %s', :budget)),
	('budget_used', 'what no rule of the campaign has given', format('UPDATE loyalty.budget_slot SET used = 1 WHERE budget_id = %s AND slot = 1', :may)),
	('coupon_state', 'a coupon that no call has issued', format('UPDATE loyalty.member_coupon SET journal_id = 1 WHERE coupon_no = %s', :used_coupon)),
	('coupon_state', 'a coupon that no call has made void', format($$UPDATE loyalty.member_coupon SET status = 'void', ended_by = journal_id WHERE coupon_no = %s$$, :unused_coupon)),
	('coupon_state', 'a coupon that came from another member', format($$UPDATE loyalty.member_coupon SET ended_by = journal_id WHERE coupon_no = %s$$, :unused_coupon)),
	('coupon_uses', 'a use that is not counted', format('UPDATE loyalty.member_coupon SET uses = 0 WHERE coupon_no = %s', :used_coupon)),
	('coupon_uses', 'a use that is gone', $$DELETE FROM loyalty.coupon_use WHERE ref = 'u1'$$),
	('coupon_state', 'a coupon that is neither one thing nor the other', format($$UPDATE loyalty.member_coupon SET status = 'lent' WHERE coupon_no = %s$$, :unused_coupon)),
	('coupon_uses', 'more uses than it is good for', format('UPDATE loyalty.member_coupon SET max_uses = 0 WHERE coupon_no = %s', :used_coupon)),
	('coupon_transfer_half', 'one that was given to nobody', $$DELETE FROM loyalty.member_coupon WHERE source = 'transfer'$$),
	('coupon_transfer_half', 'one that nobody has given', $$DELETE FROM loyalty.member_coupon WHERE status = 'given'$$),
	('coupon_transfer_half', 'one that is good for longer since', $$UPDATE loyalty.member_coupon SET valid_from = valid_from - 1 WHERE source = 'transfer'$$),
	('code_uses', 'a code that is good again', $$UPDATE loyalty.coupon_code SET uses = 0 WHERE code = 'XDAY'$$),
	('code_uses', 'a code that is reserved for nothing', $$UPDATE loyalty.coupon_code SET reserved_by = 1, reserved_ref = 'x', reserved_until = 'infinity' WHERE code = 'XMAS'$$),
	('code_owner', 'a code of a coupon that is not there', $$UPDATE loyalty.coupon_code SET coupon_no = 999 WHERE code = 'XMAS'$$),
	('code_owner', 'a code that has no owner any more', $$UPDATE loyalty.coupon_code SET member_id = NULL, coupon_no = NULL WHERE code = 'XMAS'$$),
	('coupon_use_state', 'a use that no call has returned', $$UPDATE loyalty.coupon_use SET ended_by = NULL WHERE ref = 'u4'$$),
	('coupon_use_state', 'a use of which too little was returned', $$UPDATE loyalty.coupon_use SET returned = 499 WHERE ref = 'u4'$$),
	('coupon_use_state', 'a discount that is not that of the lines', $$UPDATE loyalty.coupon_use SET line_discounts = '{499,2}' WHERE ref = 'u1'$$),
	('coupon_use_state', 'a use that is neither one thing nor the other', $$UPDATE loyalty.coupon_use SET status = 'lent' WHERE ref = 'u4'$$),
	('coupon_use_state', 'a reservation without an end', $$UPDATE loyalty.coupon_use SET status = 'reserved', reserved_until = NULL WHERE ref = 'u1'$$),
	('coupon_use_state', 'more returned than there was', $$UPDATE loyalty.coupon_use SET returned = discount + 1 WHERE ref = 'u1'$$),
	('coupon_use_state', 'a discount below nothing', $$UPDATE loyalty.coupon_use SET discount = -1, line_discounts = '{-1}' WHERE ref = 'u1'$$),
	('coupon_use_state', 'a use of no call', $$UPDATE loyalty.coupon_use SET journal_id = 1 WHERE ref = 'u1'$$),
	('coupon_use_of', 'a use of another coupon', format($$UPDATE loyalty.coupon_use SET coupon_id = %s WHERE ref = 'u1'$$, :ten)),
	('coupon_use_of', 'a use of a code that is gone', $$DELETE FROM loyalty.coupon_code WHERE code = 'XDAY'$$),
	('coupon_limit_member', 'more uses than a member may have', $$UPDATE loyalty.coupon SET limit_member = 1 WHERE name = 'five'$$),
	('coupon_limit_member', 'more uses than a member may have in a day', $$UPDATE loyalty.coupon SET limit_period = 1, period = 'day' WHERE name = 'five'$$),
	('config_reference program_mismatch', 'a coupon of another programme', format('UPDATE loyalty.member_coupon SET program_id = %s WHERE coupon_no = %s', :other, :unused_coupon)),
	('config_reference program_mismatch', 'a use of another programme', format($$UPDATE loyalty.coupon_use SET program_id = %s WHERE ref = 'u4'$$, :other)),
	('hold_until_late', 'a reserved coupon that ends before hold_until', $$UPDATE loyalty.coupon_use SET status = 'reserved', reserved_until = '2026-03-22 13:00+00' WHERE ref = 'u1'$$),
	('coupon_limit_slots', 'a limit with another amount than its slots', format('UPDATE loyalty.coupon_limit SET amount = amount + 1 WHERE budget_id = %s', :ten_discount)),
	('coupon_limit_slots', 'a slot of a limit that is gone', format('DELETE FROM loyalty.budget_slot WHERE budget_id = %s AND slot = 1', :ten_used)),
	('coupon_limit_used', 'what nobody used', format('UPDATE loyalty.budget_slot SET used = 1 WHERE budget_id = %s AND slot = 1', :ten_used)),
	('coupon_limit_used', 'what nobody was issued', format('UPDATE loyalty.budget_slot SET used = 1 WHERE budget_id = %s AND slot = 1', :ten_issued)),
	('coupon_limit_used', 'a discount that nobody got', format('UPDATE loyalty.budget_slot SET used = 1 WHERE budget_id = %s AND slot = 1', :ten_discount)),
	('coupon_limit_used', 'a generic code that nobody used',
	 format($$INSERT INTO loyalty.coupon_code (code, program_id, coupon_id, version, kind, budget_id) VALUES ('TEN', %1$s, %2$s, 1, 'generic', 998);
	   INSERT INTO loyalty.budget_slot VALUES (998, 1, %1$s, 6, 5); SELECT setval('loyalty.budget_id_seq', 999)$$, :shop, :ten)),
	-- tiers: ann reached gold, the others have what everybody has
	('tier_is_history', 'another tier than the history gives', $$UPDATE loyalty.account SET tier_id = 1 WHERE member_id = pg_temp.id('ann')$$),
	('tier_is_history', 'a tier for longer', $$UPDATE loyalty.account SET tier_until = tier_until + 1 WHERE member_id = pg_temp.id('ann')$$),
	('tier_is_history', 'a lock of nobody', $$UPDATE loyalty.account SET tier_locked_until = '2026-12-31' WHERE member_id = pg_temp.id('ann')$$),
	('tier_is_history', 'a grace of nobody', $$UPDATE loyalty.account SET tier_state = 'grace' WHERE member_id = pg_temp.id('ann')$$),
	('tier_is_history', 'a tier that never began', $$UPDATE loyalty.account SET tier_since = NULL WHERE member_id = pg_temp.id('ann')$$),
	('tier_is_history', 'a promotion that was none', $$UPDATE loyalty.account SET tier_promoted = true WHERE member_id = pg_temp.id('cat')$$),
	('tier_is_history', 'none that was one', $$UPDATE loyalty.account SET tier_promoted = false WHERE member_id = pg_temp.id('ann')$$),
	('tier_is_history', 'a change that is gone', $$DELETE FROM loyalty.tier_history WHERE member_id = pg_temp.id('ann') AND action = 'promoted'$$),
	('tier_chain', 'a change from nowhere', $$DELETE FROM loyalty.tier_history WHERE member_id = pg_temp.id('ann') AND action = 'joined'$$),
	('tier_chain', 'a change from another tier', $$UPDATE loyalty.tier_history SET tier_before = tier_after WHERE member_id = pg_temp.id('ann') AND action = 'promoted'$$),
	('tier_chain', 'a review that changes the tier', $$UPDATE loyalty.tier_history SET action = 'prolonged' WHERE member_id = pg_temp.id('bob') AND action = 'joined'$$),
	('tier_history_without_journal', 'a change by no journal row',
	 $$UPDATE loyalty.tier_history SET journal_id = journal_id + 1000000 WHERE member_id = pg_temp.id('ann') AND action = 'promoted'$$),
	('tier_history_without_journal', 'a change in another programme',
	 format($$UPDATE loyalty.tier_history SET program_id = %s WHERE member_id = pg_temp.id('bob')$$, :other)),
	('tier_unknown', 'a tier that is gone', $$DELETE FROM loyalty.plan WHERE tier = 'gold'; DELETE FROM loyalty.tier_threshold; DELETE FROM loyalty.tier WHERE code = 'gold'$$),
	('tier_review_left', 'a review that was passed over', $$CALL pg_temp.enroll('Shop', 'dee');
		SELECT FROM loyalty.tier_grant(pg_temp.id('dee'), 'gold', 'test', '2026-12-31');
		UPDATE loyalty.account SET settled_on = '2027-01-01' WHERE member_id = pg_temp.id('dee')$$),
	('due_on_late', 'a review that comes late', $$CALL pg_temp.enroll('Shop', 'dee');
		SELECT FROM loyalty.tier_grant(pg_temp.id('dee'), 'gold', 'test', '2026-12-31');
		UPDATE loyalty.account SET due_on = '2027-01-02' WHERE member_id = pg_temp.id('dee')$$),
	('due_on_late', 'a plan''s tier that comes late', $$CALL pg_temp.enroll('Shop', 'dee');
		SELECT FROM loyalty.plan_buy(pg_temp.id('dee'), 'gilt', 'p1', starts_on => '2026-06-01');
		UPDATE loyalty.account SET due_on = '2026-06-02' WHERE member_id = pg_temp.id('dee')$$),

	-- plans
	('plan_overlap', 'a period that begins too early', $$UPDATE loyalty.member_plan SET starts_on = '2026-03-15' WHERE ref = 'p2' AND member_id = pg_temp.id('cat')$$),
	('plan_overlap', 'a period that ends too late', $$UPDATE loyalty.member_plan SET ends_on = '2026-03-22' WHERE ref = 'p1' AND member_id = pg_temp.id('ann')$$),
	('plan_period', 'more days than were bought', $$UPDATE loyalty.member_plan SET ends_on = ends_on + 1 WHERE ref = 'p2' AND member_id = pg_temp.id('ann')$$),
	('plan_period', 'fewer, though it is active', $$UPDATE loyalty.member_plan SET ends_on = ends_on - 1 WHERE ref = 'p2' AND member_id = pg_temp.id('ann')$$),
	('plan_period', 'less than no day', $$UPDATE loyalty.member_plan SET ends_on = starts_on - 2 WHERE ref = 'p1' AND member_id = pg_temp.id('ann')$$),
	('plan_period', 'upgraded to nothing', $$UPDATE loyalty.member_plan SET status = 'upgraded' WHERE ref = 'p1' AND member_id = pg_temp.id('cat')$$),
	('plan_period', 'given back, but upgraded', $$UPDATE loyalty.member_plan SET status = 'refunded' WHERE ref = 'p1' AND member_id = pg_temp.id('ann')$$),
	('plan_period', 'to be renewed, but given back', $$UPDATE loyalty.member_plan SET auto_renew = true WHERE ref = 'p1' AND member_id = pg_temp.id('cat')$$),
	('plan_is_journal plan_money', 'more given back than was paid', $$UPDATE loyalty.member_plan SET refunded = 10001 WHERE ref = 'p1' AND member_id = pg_temp.id('cat')$$),
	('plan_is_journal plan_money', 'less than nothing', $$UPDATE loyalty.member_plan SET refunded = -1 WHERE ref = 'p1' AND member_id = pg_temp.id('cat')$$),
	('plan_money', 'a credit that was not there', $$UPDATE loyalty.member_plan SET price = price + 10000, credit = credit + 10000 WHERE ref = 'p2' AND member_id = pg_temp.id('ann')$$),
	('plan_money', 'a credit from nowhere', $$UPDATE loyalty.member_plan SET price = price + 1, credit = 1 WHERE ref = 'p2' AND member_id = pg_temp.id('cat')$$),
	('plan_is_journal', 'another price than was paid', $$UPDATE loyalty.member_plan SET price = price + 1 WHERE ref = 'p2' AND member_id = pg_temp.id('cat')$$),
	('plan_is_journal', 'less given back than the journal says', $$UPDATE loyalty.member_plan SET refunded = refunded - 1 WHERE ref = 'p1' AND member_id = pg_temp.id('cat')$$),
	('plan_is_journal', 'a period that is gone', $$DELETE FROM loyalty.member_plan WHERE ref = 'p2' AND member_id = pg_temp.id('cat')$$),
	('plan_without_journal', 'a period of another payment', $$UPDATE loyalty.member_plan SET ref = 'p9' WHERE ref = 'p2' AND member_id = pg_temp.id('cat')$$),
	('plan_without_journal', 'a period that nobody bought',
	 $$UPDATE loyalty.member_plan SET journal_id = journal_id + 1000000 WHERE ref = 'p2' AND member_id = pg_temp.id('cat')$$),
	('account_times', 'a purchase too many', $$UPDATE loyalty.account SET purchases = purchases + 1 WHERE member_id = pg_temp.id('cat')$$),

	-- configuration
	('account_without_program', 'a programme that is gone, but for its members',
	 format('DELETE FROM loyalty.program_event WHERE program_id = %1$s; DELETE FROM loyalty.rule WHERE program_id = %1$s;
		DELETE FROM loyalty.unit_anchor WHERE program_id = %1$s; UPDATE loyalty.unit SET program_id = %2$s, code = code || 2 WHERE program_id = %1$s;
		DELETE FROM loyalty.entry WHERE program_id = %1$s; DELETE FROM loyalty.program WHERE program_id = %1$s;
		UPDATE loyalty.account SET wallet = ''{}'' WHERE program_id = %1$s', :other, :shop)),
	('config_reference', 'an event of no programme', $$INSERT INTO loyalty.program_event VALUES (999, 'visit')$$),
	('config_reference', 'an anchor of no unit', $$UPDATE loyalty.unit_anchor SET unit_id = 999 WHERE unit_id = pg_temp.unit('points')$$),
	('config_reference', 'a rule for no event', $$UPDATE loyalty.rule SET event = 'visit' WHERE unit_id = pg_temp.unit('points')$$),
	('config_reference', 'a rule for another programme''s unit',
	 format($$UPDATE loyalty.rule SET unit_id = %s WHERE unit_id = pg_temp.unit('points')$$, :foreign_points)),
	('config_reference', 'a budget of no campaign', format('UPDATE loyalty.budget SET campaign_id = 999 WHERE budget_id = %s', :may)),
	('config_reference', 'a slot of no budget', format('INSERT INTO loyalty.budget_slot VALUES (999, 1, %s, 0, 0)', :shop)),
	('config_reference', 'a plan with a tier that is gone', $$UPDATE loyalty.plan SET tier = 'silver' WHERE name = 'plus'$$),
	('config_reference', 'a plan of no programme', $$INSERT INTO loyalty.plan (program_id, name, months, price) VALUES (999, 'plus', 1, 1)$$),
	('config_reference', 'periods of no plan', $$UPDATE loyalty.member_plan SET plan_id = 999 WHERE ref = 'p1' AND member_id = pg_temp.id('cat')$$),
	('config_reference', 'periods with a tier that is gone', $$UPDATE loyalty.member_plan SET tier_id = 999 WHERE ref = 'p1' AND member_id = pg_temp.id('cat')$$),
	('config_reference', 'a rule for no segment', $$UPDATE loyalty.rule SET segments = '{nobody}' WHERE unit_id = pg_temp.unit('points')$$),
	('config_reference', 'a rule for no tier', $$UPDATE loyalty.rule SET tiers = '{nobody}' WHERE unit_id = pg_temp.unit('points')$$),
	('config_reference', 'a rule for no campaign', $$UPDATE loyalty.rule SET campaign_id = 999 WHERE unit_id = pg_temp.unit('points')$$),
	('config_reference', 'a rule of no group', $$UPDATE loyalty.rule SET rule_group = 'none' WHERE unit_id = pg_temp.unit('points')$$),
	('config_reference', 'a rule for no collection', $$UPDATE loyalty.rule SET excluded_collection = 'none' WHERE unit_id = pg_temp.unit('points')$$),
	('config_reference', 'a coupon for no tier', format('UPDATE loyalty.coupon SET tiers = ''{nobody}'' WHERE coupon_id = %s', :ten)),
	('config_reference', 'a segment of no programme', $$INSERT INTO loyalty.segment (program_id, name) VALUES (999, 'club')$$),
	('segment_is_history', 'a member who never entered', format($$INSERT INTO loyalty.member_segment VALUES (pg_temp.id('bob'), 'club', %s, now())$$, :shop)),
	('segment_is_history', 'a member who never left', $$DELETE FROM loyalty.member_segment WHERE member_id = pg_temp.id('ann')$$),
	('segment_chain', 'a member who left twice', format($$INSERT INTO loyalty.segment_history VALUES (pg_temp.id('cat'), loyalty.next_id(), %s, 'club', 'left', now())$$, :shop)),
	('segment_chain', 'a member who entered twice', format($$INSERT INTO loyalty.segment_history VALUES (pg_temp.id('ann'), loyalty.next_id(), %s, 'club', 'entered', now())$$, :shop)),
	('segment_unknown', 'members of a segment that is gone', $$DELETE FROM loyalty.segment$$),
	('segment_unknown', 'a segment of another programme', format($$UPDATE loyalty.member_segment SET program_id = %1$s; UPDATE loyalty.segment_history SET program_id = %1$s;
		INSERT INTO loyalty.segment (program_id, name) VALUES (%1$s, 'club')$$, :other)),
	('config_reference', 'a coupon of no programme', $$INSERT INTO loyalty.coupon (program_id, name, kind) VALUES (999, 'ship', 'shipping')$$),
	('config_reference', 'a coupon of no campaign', format('UPDATE loyalty.coupon SET campaign_id = 999 WHERE coupon_id = %s', :ten)),
	('config_reference', 'a coupon of a category that is gone', $$DELETE FROM loyalty.coupon_category$$),
	('config_reference', 'a coupon for another programme''s unit', format('UPDATE loyalty.coupon SET price = 1, price_unit_id = %s WHERE coupon_id = %s', :foreign_points, :ten)),
	('config_reference', 'a coupon for no collection', format('UPDATE loyalty.coupon SET target_collection = ''toys'' WHERE coupon_id = %s', :ten)),
	('config_reference', 'a coupon for no segment', format('UPDATE loyalty.coupon SET segments = ''{nobody}'' WHERE coupon_id = %s', :ten)),
	('config_reference', 'a category of no programme', $$INSERT INTO loyalty.coupon_category (program_id, name) VALUES (999, 'food')$$),
	('config_reference', 'a limit of no coupon', format('UPDATE loyalty.coupon_limit SET coupon_id = 999 WHERE budget_id = %s', :ten_used)),
	('config_reference', 'a pack of no coupon', $$UPDATE loyalty.coupon_pack SET coupon_id = 999$$),
	('config_reference', 'codes of no coupon', format($$INSERT INTO loyalty.coupon_code (code, program_id, coupon_id, version, kind) VALUES ('TEN', %s, 999, 1, 'generic')$$, :shop)),
	('config_reference', 'codes with terms that are gone', format($$INSERT INTO loyalty.coupon_code (code, program_id, coupon_id, version, kind) VALUES ('TEN', %s, %s, 9, 'generic')$$, :shop, :ten)),
	('config_reference', 'a key of no programme', $$INSERT INTO loyalty.coupon_key VALUES (999, repeat('k', 32)::bytea)$$),
	('config_reference', 'carts of no programme', $$INSERT INTO loyalty.cart_policy (program_id) VALUES (999)$$),
	('config_reference', 'a unit for carts that is another programme''s', format('UPDATE loyalty.cart_unit SET unit_id = %s', :foreign_points)),
	('config_reference', 'stored value that is no money', format('UPDATE loyalty.topup_policy SET unit_id = %s; DELETE FROM loyalty.topup_step', :points)),
	('config_reference', 'a step of no stored value', $$DELETE FROM loyalty.topup_policy$$),
	('config_reference', 'a step with a pack that is gone', $$DELETE FROM loyalty.coupon_pack$$),
	('config_reference', 'a step with a benefit that is gone', $$UPDATE loyalty.topup_step SET benefit_id = 999$$),
	('config_reference', 'a step with another programme''s points', format('UPDATE loyalty.topup_step SET points = 1, points_unit_id = %s', :foreign_points)),
	('config_reference', 'items of no collection', format($$INSERT INTO loyalty.collection_item VALUES (%s, 'toys', 'sku', 'a')$$, :shop)),
	('config_reference', 'a unit of no programme',
	 format('INSERT INTO loyalty.unit (program_id, code, kind) VALUES (999, ''stars'', ''points'')')),

	-- the installation
	('sequence_behind', 'ids that will come again', 'ALTER SEQUENCE loyalty.id_seq RESTART'),
	('sequence_behind', 'benefit ids that will come again', 'ALTER SEQUENCE loyalty.benefit_id_seq RESTART'),
	('sequence_behind', 'plan ids that will come again', 'ALTER SEQUENCE loyalty.plan_id_seq RESTART'),
	('sequence_behind', 'coupon ids that will come again', 'ALTER SEQUENCE loyalty.coupon_id_seq RESTART'),
	('sequence_behind', 'automation ids that will come again',
	 $$INSERT INTO loyalty.automation (automation_id, program_id, name, trigger_kind)
	   SELECT 7, program_id, 'hello', 'announcement' FROM loyalty.program WHERE name = 'Shop'$$),
	('sequence_behind', 'budget ids that will come again', 'ALTER SEQUENCE loyalty.budget_id_seq RESTART'),
	('sequence_behind', 'numbers of changes that will come again',
		format($$INSERT INTO loyalty.report_message_change (program_id, change_id, day, channel, template) VALUES (%s, 999999, '2026-01-01', 'a', 'b')$$, :shop)),
	('sequence_behind', 'unit ids that will come again', 'ALTER SEQUENCE loyalty.unit_id_seq RESTART'),
	('nothing', 'roles as they should be', $$SELECT loyalty.setup_roles('loyalty_test_verify')$$),
	('definer_owned_by_superuser', 'a function that a superuser owns again',
	 $$SELECT loyalty.setup_roles('loyalty_test_verify'); ALTER FUNCTION loyalty.balance OWNER TO CURRENT_USER$$),
	('nothing', 'grants without those roles',
	 $$CREATE ROLE loyalty_test_app; GRANT EXECUTE ON FUNCTION loyalty.balance TO loyalty_test_app$$);

SELECT is(pg_temp.found(sql), codes, codes || ': ' || what) FROM change ORDER BY no;

-- A code that no change above brings up would be a check that cannot fail.
SELECT set_eq(
	$$SELECT DISTINCT (regexp_matches(pg_get_function_sqlbody('loyalty.verify(text)'::regprocedure),
		'SELECT ''([a-z_]+)''::text', 'g'))[1] EXCEPT SELECT unnest('{id_seq,change_id_seq,program_id_seq,unit_id_seq,rule_id_seq,tier_id_seq,campaign_id_seq,budget_id_seq,ingest_run_id_seq,benefit_id_seq,plan_id_seq,coupon_id_seq,automation_id_seq,uses,codes}'::text[])$$,
	-- those of stored value are brought up by topup_verify.sql
	$$SELECT DISTINCT unnest(string_to_array(codes, ' ')) FROM change WHERE codes <> 'nothing'
	  UNION SELECT unnest('{topup_without_journal,topup_refunded,named_principal_lapses,card_state,journal_without_topup,topup_state,topup_value}'::text[])
	  -- those of automations by automation_verify.sql
	  UNION SELECT unnest('{automation_due_late,broadcast_state,automation_without_steps,automation_run_of,automation_run_state,automation_gave,automation_undone,award_undone}'::text[])
	  -- and those of checkouts by checkout_verify.sql
	  UNION SELECT unnest('{checkout_without_journal,journal_without_checkout,checkout_state,checkout_holds,checkout_coupons,refund_payable,refund_coupon}'::text[])
	  -- and those of closed periods by report_period.sql
	  UNION SELECT 'period_differs'
	  -- and those of the sums of reports by report_verify.sql
	  UNION SELECT unnest('{report_sum_differs,report_rfm_differs,report_message_differs,report_folded_twice}'::text[])
	  -- and those of messages by message_verify.sql
	  UNION SELECT unnest('{message_state,message_dedupe,message_fallback,message_run,message_consent,message_feedback,message_quota,message_unknown,consent_unknown}'::text[])$$,
	'every check of verify() can fail');

-- One programme
SELECT is(pg_temp.found(sql, 'Shop'), codes, 'verify(Shop): ' || what) FROM change WHERE what = 'value in another lot';
SELECT is(pg_temp.found(sql, 'Other'), 'nothing', 'verify(Other): ' || what) FROM change WHERE what = 'value in another lot';

-- What is told of it, which is never personal
CREATE FUNCTION pg_temp.detail(change text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	told text;
BEGIN
	SET LOCAL session_replication_role = replica;
	EXECUTE change;
	SELECT string_agg(format('%s %s', member_id = pg_temp.id('bob'), detail), '; ') INTO told FROM loyalty.verify();
	RAISE EXCEPTION USING ERRCODE = 'UNDO1';
EXCEPTION WHEN SQLSTATE 'UNDO1' THEN
	RETURN told;
END
$$;
SELECT is(pg_temp.detail(sql), format('t unit=%1$s vests=- expires=2027-03-31 origin=e wallet=499 ledger=500, '
	'unit=%1$s vests=- expires=2027-04-30 origin=e wallet=1 ledger=0', :points), 'the lots in which a wallet differs')
FROM change WHERE what = 'value in another lot';
SELECT is(pg_temp.detail($$UPDATE loyalty.identity SET member_id = 999 WHERE value = 'bob'$$), 't kind=customer_no',
	'the kind of an identity, not its value');

-- Rebuild
SELECT is(pg_temp.signature('rebuild'), '(member_id bigint) -> boolean', 'rebuild(): arguments');
SELECT is(pg_temp.raised('SELECT loyalty.rebuild(999)'), 'LY501 member_id=999', 'rebuild: unknown member');
SELECT throws_ok('SELECT loyalty.rebuild(NULL)', '22004', NULL, 'rebuild: no member');
CREATE TEMP TABLE account_before AS SELECT * FROM loyalty.account;
SELECT is(loyalty.rebuild(member_id), false, 'rebuild: nothing to do') FROM loyalty.account WHERE member_id = pg_temp.id('ann');
UPDATE loyalty.account SET wallet = '{}', due_on = 'infinity', hold_until = NULL;
SELECT bag_eq('SELECT loyalty.rebuild(member_id) FROM loyalty.account', 'VALUES (true), (true), (true), (true)', 'rebuild: emptied wallets');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'rebuild: the books are right again');
SELECT set_eq('SELECT member_id, wallet::text, hold_until FROM loyalty.account',
	'SELECT member_id, wallet::text, hold_until FROM account_before', 'rebuild: as they were');
SELECT results_eq($$SELECT due_on FROM loyalty.account WHERE member_id IN (pg_temp.id('ann'), pg_temp.id('cat')) ORDER BY member_id$$,
	$$VALUES (date '2026-03-29'), ('infinity')$$, 'rebuild: due when the next points vest, or never');
UPDATE loyalty.account SET due_on = 'infinity';
SELECT is(loyalty.rebuild(pg_temp.id('ann')), false, 'rebuild: a date is put right though the wallet was');
SELECT is((SELECT due_on FROM loyalty.account WHERE member_id = pg_temp.id('ann')), '2026-03-29', 'rebuild: it is');
SELECT count(loyalty.rebuild(member_id)) AS rebuilt FROM loyalty.account \gset

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
