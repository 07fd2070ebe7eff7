\set ECHO none
\i test/prelude.sql
SELECT plan(22);

SET loyalty.now = '2026-01-05 04:00+00';
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
UPDATE loyalty.unit SET expiry = 'end_of_month', expiry_count = 0 WHERE code = 'points';
CALL pg_temp.enroll('Shop', 'ann', 'bob');
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 100, 'a1');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 50, 'b1');
SET loyalty.now = '2026-01-30 04:00+00';
SELECT FROM loyalty.redeem(pg_temp.id('ann'), 30, key => 'k1');
-- half past midnight of 1 February
SET loyalty.now = '2026-01-31 16:30+00';

SELECT is(pg_temp.signature('period_close'), '(program text, until date) -> text', 'period_close(): arguments');
SELECT is(pg_temp.raised($$SELECT loyalty.period_close('Shop', '2026-02-01')$$), 'LY191 until=2026-02-01 today=2026-02-01', 'period_close: a day that is not over');
SELECT throws_ok(format('SELECT loyalty.period_close(''Shop'', %L)', day), '22008', NULL, 'period_close: ' || day) FROM unnest('{infinity,1969-12-31}'::date[]) day;
SELECT is(loyalty.period_close('Shop', '2026-01-31'), 'closing', 'period_close: of the day before');
SELECT is(loyalty.period_close('Shop', '2026-01-31'), 'closing', 'period_close: waits for the transaction that asked for it');
SELECT results_eq($$SELECT since, until, state, figure FROM loyalty.report_period('Shop')$$,
	$$VALUES (date '2026-01-01', date '2026-01-31', 'closing', NULL::text)$$, 'report_period: of a period that is closing');
SELECT is(closed_until, '2026-01-31 16:00+00', 'closed_until is moved') FROM loyalty.program;
-- as if another transaction had asked, long ago
UPDATE loyalty.report_close SET asked_by = '3', xid = '3', others = '{}';
SELECT is(loyalty.period_close('Shop', '2026-01-31'), 'closed', 'period_close: when those are over who ran then');
SELECT set_eq($$SELECT figure, value FROM loyalty.report_period('Shop') WHERE part = 'points'$$,
	$$VALUES ('opening', 0::numeric), ('issued', 150), ('spent', 30), ('held', 0), ('expired', 0), ('adjusted', 0), ('transferred', 0), ('closing', 120),
	         ('outstanding', 120), ('worth', 1.20), ('breakage_rate', NULL), ('expected', 120), ('liability', 1.20)$$, 'report_period: of points');
SELECT set_eq($$SELECT figure, value FROM loyalty.report_period('Shop') WHERE part IS NULL$$,
	$$VALUES ('orders', 2::numeric), ('amount', 150), ('refunds', 0), ('refunded', 0), ('net', 150), ('joined', 2), ('closed', 0), ('reopened', 0), ('members', 2), ('tier_members', 2)$$,
	'report_period: of sales and members');
SELECT is(pg_temp.raised($$SELECT loyalty.period_close('Shop', '2026-01-15')$$), 'LY192 closed_until=2026-01-31', 'period_close: closed before');
SELECT is(loyalty.period_close('Shop', '2026-02-01'), 'closing', 'period_close: the next') FROM set_config('loyalty.now', '2026-02-02 04:00+00', true);
UPDATE loyalty.report_close SET asked_by = '3', xid = '3', others = '{}' WHERE closed_at IS NULL;
SELECT results_eq($$SELECT done, left_over FROM loyalty.period_publish()$$, 'VALUES (1, false)', 'period_publish: what is closing is closed');
SELECT throws_ok(format('SELECT loyalty.period_publish(%s)', argument), code, NULL, format('period_publish(%s): refused', argument))
FROM (VALUES ('NULL', '22004')) a (argument, code);
SELECT is(left(pg_temp.raised('DELETE FROM loyalty.report_period'), 5), 'LY190', 'report_period is append-only');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');

-- closed_until goes forward only
SELECT is(left(pg_temp.raised($$UPDATE loyalty.program SET closed_until = NULL$$), 5), 'LY192', 'closed_until is not taken away');
SELECT is(left(pg_temp.raised($$UPDATE loyalty.program SET closed_until = closed_until - interval '1 second'$$), 5), 'LY192', 'nor moved back into a period that is closed');
SELECT is(pg_temp.raised($$UPDATE loyalty.program SET closed_until = closed_until + interval '1 second'$$), 'no error', 'but forward');

-- What verify() finds: a figure that was changed
CREATE FUNCTION pg_temp.told(change text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	told text;
BEGIN
	SET LOCAL session_replication_role = replica;
	EXECUTE change;
	SELECT string_agg(invariant || ' ' || detail, '; ') INTO told FROM loyalty.verify();
	RAISE EXCEPTION USING ERRCODE = 'UNDO1';
EXCEPTION WHEN SQLSTATE 'UNDO1' THEN
	RETURN told;
END
$$;
SELECT is(pg_temp.told($$UPDATE loyalty.report_period SET value = 29 WHERE figure = 'spent' AND until = '2026-01-31'$$),
	'period_differs until=2026-01-31 figure=spent part=points published=29 ledger=30', 'verify: a published figure that was changed');
SELECT is(pg_temp.told($$UPDATE loyalty.journal SET effective_at = '2026-01-31 17:00+00' WHERE kind = 'redeem'$$) ~ 'period_differs .*figure=spent part=points published=30 ledger=0', true,
	'verify: what is dated out of the period');
SELECT * FROM finish();
ROLLBACK;
