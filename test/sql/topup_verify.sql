\set ECHO none
\i test/prelude.sql

-- Each check of verify() that is about stored value finds what it is for.
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
SELECT loyalty.program_create('Other', 'CNY', 'Asia/Shanghai') AS other \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:shop, 'card', 'money', 2);
SELECT unit_id AS card FROM loyalty.unit WHERE code = 'card' \gset
INSERT INTO loyalty.topup_policy (unit_id, program_id, bonus_policy, unnamed_months) VALUES (:card, :shop, 'deduct', 36);
INSERT INTO loyalty.benefit (program_id, name, kind) VALUES (:shop, 'spa', 'voucher');
INSERT INTO loyalty.topup_step (program_id, unit_id, step_from, bonus, points, points_unit_id, benefit_id)
SELECT :shop, :card, 500, 50, 10, u.unit_id, b.benefit_id FROM loyalty.unit u, loyalty.benefit b WHERE u.program_id = :shop AND u.code = 'points';
CALL pg_temp.enroll('Shop', 'ann', 'bob');
SELECT FROM loyalty.topup(pg_temp.id('ann'), 500, 'done');
SELECT FROM loyalty.topup(pg_temp.id('ann'), 500, 'refunded', pending => true);
SELECT FROM loyalty.topup_confirm(pg_temp.id('ann'), 'refunded');
SELECT FROM loyalty.redeem(pg_temp.id('ann'), 660, 'card', 'order');
SELECT FROM loyalty.topup_refund(pg_temp.id('ann'), 'refunded', 100, 'part');
SELECT FROM loyalty.topup(pg_temp.id('ann'), 500, 'waiting', pending => true);
SELECT FROM loyalty.topup(pg_temp.id('ann'), 500, 'cancelled', pending => true);
SELECT FROM loyalty.topup_cancel(pg_temp.id('ann'), 'cancelled');
SELECT FROM loyalty.topup_freeze(pg_temp.id('ann'), 'card', 'lost');
SELECT FROM loyalty.topup_name(pg_temp.id('ann'), 'card', true, 'shown');
SELECT FROM loyalty.topup(pg_temp.id('bob'), 5, 'bob');
SELECT FROM loyalty.topup_freeze(pg_temp.id('bob'), 'card', 'lost');
SELECT FROM loyalty.topup_unfreeze(pg_temp.id('bob'), 'card', 'found');

CREATE FUNCTION pg_temp.found(change text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	codes text;
BEGIN
	SET LOCAL session_replication_role = replica;
	EXECUTE change;
	SELECT coalesce(string_agg(DISTINCT invariant, ' ' ORDER BY invariant), 'nothing')
	INTO codes FROM loyalty.verify('Shop');
	RAISE EXCEPTION USING ERRCODE = 'UNDO1';
EXCEPTION WHEN SQLSTATE 'UNDO1' THEN
	RETURN codes;
END
$$;

CREATE TEMP TABLE change (no int GENERATED ALWAYS AS IDENTITY, codes text, what text, sql text);
INSERT INTO change (codes, what, sql) VALUES
	('nothing', 'no change', 'SELECT'),
	('topup_without_journal', 'a top-up that no call made', $$UPDATE loyalty.topup SET journal_id = 999 WHERE ref = 'waiting'; DELETE FROM loyalty.journal WHERE ref = 'waiting'$$),
	('topup_value topup_without_journal', 'of another amount', $$UPDATE loyalty.topup SET amount = amount + 1 WHERE ref = 'done'$$),
	('topup_without_journal', 'of another amount, and not paid', $$UPDATE loyalty.topup SET amount = amount + 1 WHERE ref = 'waiting'$$),
	('topup_without_journal', 'of another programme', format('UPDATE loyalty.journal SET program_id = %s WHERE ref = ''waiting''', :other)),
	('journal_without_topup', 'a call whose top-up is gone', $$DELETE FROM loyalty.topup WHERE ref = 'waiting'$$),
	('topup_state', 'given, and pending again', $$UPDATE loyalty.topup SET status = 'pending' WHERE ref = 'done'$$),
	('topup_state topup_value', 'given by nobody', $$UPDATE loyalty.topup SET status = 'done', done_by = 999 WHERE ref = 'waiting'$$),
	('topup_state topup_value', 'given by the call that only announced it', $$UPDATE loyalty.topup SET done_by = (SELECT journal_id FROM loyalty.journal WHERE kind = 'topup_cancel'), status = 'done' WHERE ref = 'waiting'$$),
	('topup_state', 'cancelled by nobody', $$UPDATE loyalty.topup SET status = 'cancelled' WHERE ref = 'waiting'$$),
	('topup_state', 'cancelled, and pending again', $$UPDATE loyalty.topup SET status = 'pending' WHERE ref = 'cancelled'$$),
	('topup_state', 'refunded, of which nothing was', $$UPDATE loyalty.topup SET status = 'refunded' WHERE ref = 'done'$$),
	('topup_state', 'refunded in part, and said not to be', $$UPDATE loyalty.topup SET status = 'done' WHERE ref = 'refunded'$$),
	('topup_value', 'another bonus than was posted', $$UPDATE loyalty.topup SET bonus = bonus + 1 WHERE ref = 'done'$$),
	('topup_value', 'other points than were posted', $$UPDATE loyalty.topup SET points = points + 1 WHERE ref = 'done'$$),
	('topup_refunded', 'more refunded than the calls did', $$UPDATE loyalty.topup SET refunded = refunded + 1 WHERE ref = 'refunded'$$),
	('topup_refunded', 'bonus taken back that was not', $$UPDATE loyalty.topup SET bonus_taken = bonus_taken + 1 WHERE ref = 'refunded'$$),
	('topup_refunded', 'deducted, and never taken', $$UPDATE loyalty.topup SET deducted = 1, bonus_taken = bonus_taken + 1 WHERE ref = 'refunded'$$),
	('topup_refunded topup_state', 'a refund that is not there', $$UPDATE loyalty.topup SET refunded = 1 WHERE ref = 'done'$$),
	('card_state', 'set free by nobody', $$UPDATE loyalty.topup_card SET frozen_at = NULL WHERE member_id = pg_temp.id('ann')$$),
	('card_state', 'frozen by nobody', $$UPDATE loyalty.topup_card SET frozen_at = now() WHERE member_id = pg_temp.id('bob')$$),
	('card_state named_principal_lapses', 'named by nobody', $$UPDATE loyalty.topup_card SET named = true WHERE member_id = pg_temp.id('bob')$$),
	('card_state', 'a card that is gone', $$DELETE FROM loyalty.topup_card WHERE member_id = pg_temp.id('ann')$$),
	('card_state', 'a card that no call was about', $$DELETE FROM loyalty.journal WHERE kind IN ('topup_freeze', 'topup_unfreeze') AND member_id = pg_temp.id('bob')$$),
	('card_state', 'a card changed by another call', $$UPDATE loyalty.topup_card SET journal_id = 1 WHERE member_id = pg_temp.id('ann')$$),
	('voucher_without_journal', 'a voucher of a row that issues none', $$UPDATE loyalty.voucher SET issued_journal_id = (SELECT journal_id FROM loyalty.journal WHERE kind = 'redeem')$$);
SELECT plan(2 + count(*)::int) FROM change;
SELECT is(pg_temp.found(sql), codes, what) FROM change ORDER BY no;
SELECT is(pg_temp.found($$DELETE FROM loyalty.topup$$) LIKE '%journal_without_topup%', true, 'all gone');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'and when all is undone the books are right');
SELECT * FROM finish();
ROLLBACK;
