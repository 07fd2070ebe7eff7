\set ECHO none
\i test/prelude.sql
SELECT plan(15);

-- A year of stored value, with everything that moves it, against the raw entries.
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:shop, 'card', 'money', 2);
INSERT INTO loyalty.topup_policy (unit_id, program_id, bonus_policy, bonus_days, unnamed_months)
SELECT unit_id, program_id, 'deduct', 60, 3 FROM loyalty.unit WHERE code = 'card';
INSERT INTO loyalty.topup_step (program_id, unit_id, step_from, bonus) SELECT program_id, unit_id, 500, 50 FROM loyalty.unit WHERE code = 'card';
CALL pg_temp.enroll('Shop', 'ann', 'bob');
SET loyalty.now = '2026-01-10 12:00+00';
SELECT FROM unnest('{ann,bob}'::text[]) name, loyalty.topup(pg_temp.id(name), 500, 'pay-1');
SELECT FROM loyalty.redeem(pg_temp.id('ann'), 110, 'card', 'o1');
SELECT FROM loyalty.topup(pg_temp.id('bob'), 500, 'pay-9', pending => true);
-- on the last day of the month in Shanghai, and on the first of the next
SET loyalty.now = '2026-01-31 15:00+00';
SELECT hold_id AS hold FROM loyalty.hold(pg_temp.id('ann'), 110, 'card', '3 days', ref => 'h1') \gset
SELECT hold_id AS hold_2 FROM loyalty.hold(pg_temp.id('bob'), 55, 'card', '3 days', ref => 'h2') \gset
SET loyalty.now = '2026-01-31 17:00+00';
SELECT FROM loyalty.capture(pg_temp.id('ann'), :hold, 55);
SELECT FROM loyalty.refund(pg_temp.id('ann'), 'o1', 55, refund_ref => 'b1');
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 7, 'card', 'sorry', key => 'a1');
SELECT FROM loyalty.transfer(pg_temp.id('ann'), pg_temp.id('bob'), 20, 'card', 't1');
-- bonus lapses on 2026-03-11, principal of bob on 2026-04-10
SET loyalty.now = '2026-03-20 12:00+00';
SELECT FROM loyalty.topup_name(pg_temp.id('ann'), 'card', true, 'shown');
SELECT FROM loyalty.topup_refund(pg_temp.id('ann'), 'pay-1', 100, refund_ref => 'b2');
SELECT FROM loyalty.topup_refund(pg_temp.id('ann'), 'pay-1', refund_ref => 'b3');
SET loyalty.now = '2026-05-05 12:00+00';
SELECT loyalty.account_settle(pg_temp.id(name)) FROM unnest('{ann,bob}'::text[]) name \g /dev/null
SELECT hold_id FROM loyalty.topup(pg_temp.id('bob'), 499, 'pay-2') \g /dev/null
SELECT FROM loyalty.hold(pg_temp.id('bob'), 99, 'card', '3 days', ref => 'h3');

-- January: 2 * 500 came with 2 * 50, 100 + 10 were spent.
SELECT results_eq($$SELECT month, opening_principal, topped_up, spent_principal, refunded, closing_principal, opening_bonus, bonus_given, spent_bonus, closing_bonus
	FROM loyalty.report_topup WHERE month = '2026-01-01'$$,
	$$VALUES ('2026-01-01'::date, 0.00, 1000.00, 100.00, 0.00, 900.00, 0.00, 100.00, 10.00, 90.00)$$,
	'January: what is set aside is not spent yet');
-- February, in Shanghai: 55 of the hold are spent, 50 + 5; of the order 55 come back, 50 + 5; 7 more; a hold timed out.
SELECT results_eq($$SELECT opening_principal, topped_up, spent_principal, closing_principal, spent_bonus, other_principal, other_bonus, closing_bonus
	FROM loyalty.report_topup WHERE month = '2026-02-01'$$,
	$$VALUES (900.00, 0.00, 0.00, 900.00, 0.00, 0.00, 7.00, 97.00)$$, 'February: a capture, and as much refunded');
-- March: of ann's 50 of bonus 10 went with o1, 5 with the hold, and 5 came back. Of 20 that she sent, 20 * 47 / 447 = 2.10
-- were bonus, and of that which lapses first. So 12.10 were spent when the rest lapsed, and that much is deducted.
SELECT is((SELECT concat_ws(' ', refunded - paid_out, refunded > 100, lapsed_bonus + forfeited + closing_bonus = opening_bonus) FROM loyalty.report_topup WHERE month = '2026-03-01'),
	'12.10 t t', 'March: bonus that was spent is deducted, what lapsed is not');
SELECT is((SELECT paid_out FROM loyalty.report_topup WHERE month = '2026-03-01'),
	(SELECT sum(amount) / 100.0 FROM loyalty.journal WHERE kind = 'topup_refund'), 'March: what was paid out');
SELECT cmp_ok((SELECT lapsed_principal FROM loyalty.report_topup WHERE month = '2026-04-01'), '>', 500.00, 'April: what bob had and was sent lapses');
SELECT results_eq($$SELECT topped_up, spent_principal, closing_principal FROM loyalty.report_topup WHERE month = '2026-05-01'$$,
	$$VALUES (499.00, 0.00, 499.00)$$, 'May: an open hold is still owed');

-- Opening + in - out = closing, and the closing of one month is the opening of the next.
SELECT is_empty($$SELECT month FROM loyalty.report_topup
	WHERE opening_principal + topped_up - spent_principal - refunded - lapsed_principal + other_principal <> closing_principal
	OR opening_bonus + bonus_given - spent_bonus - forfeited - lapsed_bonus + other_bonus <> closing_bonus$$, 'opening + in - out = closing');
SELECT is_empty($$SELECT month FROM (SELECT month, opening_principal, opening_bonus,
		lag(closing_principal, 1, 0.00) OVER (ORDER BY month) AS p, lag(closing_bonus, 1, 0.00) OVER (ORDER BY month) AS b FROM loyalty.report_topup) x
	WHERE opening_principal <> p OR opening_bonus <> b$$, 'each month begins where the one before ended');
SELECT is((SELECT string_agg(to_char(month, 'MM'), ' ' ORDER BY month) FROM loyalty.report_topup), '01 02 03 04 05', 'no month is left out');
-- The raw entries, and those of holds that are open.
CREATE FUNCTION pg_temp.raw(principal boolean) RETURNS numeric LANGUAGE sql STABLE AS $$
	SELECT (sum(e.amount) - coalesce(sum(e.amount) FILTER (WHERE h.status = 'held'), 0)) / 100.0
	FROM loyalty.entry e JOIN loyalty.unit u USING (unit_id)
	LEFT JOIN loyalty.hold h ON h.member_id = e.member_id AND h.journal_id = e.journal_id
	WHERE u.code = 'card' AND (e.origin = 'p') = principal
$$;
SELECT is((SELECT closing_principal FROM loyalty.report_topup ORDER BY month DESC LIMIT 1), round(pg_temp.raw(true), 2), 'principal that is owed, by the raw entries');
SELECT is((SELECT closing_bonus FROM loyalty.report_topup ORDER BY month DESC LIMIT 1), round(pg_temp.raw(false), 2), 'bonus, by the raw entries');
SELECT is((SELECT sum(topped_up) FROM loyalty.report_topup), 1499.00, 'the top-up that is pending is in no month');

-- By quarter
SELECT results_eq('SELECT quarter, topped_up, outstanding_principal FROM loyalty.report_topup_quarter ORDER BY 1',
	$$VALUES ('2026-01-01'::date, 1000.00, (SELECT closing_principal FROM loyalty.report_topup WHERE month = '2026-03-01')), ('2026-04-01', 499.00, 499.00)$$,
	'outstanding by quarter');
SELECT is((SELECT sum(paid_out) FROM loyalty.report_topup_quarter), (SELECT sum(paid_out) FROM loyalty.report_topup), 'paid out by quarter');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
