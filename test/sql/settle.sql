\set ECHO none
\i test/prelude.sql
SELECT plan(49);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
SELECT loyalty.program_create('Later', 'GBP', 'Europe/London', vest_days => 14) AS later \gset
SELECT loyalty.program_create('New York', 'USD', 'America/New_York', vest_days => 14) AS ny \gset
SELECT loyalty.program_create('Beirut', 'LBP', 'Asia/Beirut', vest_days => 14) AS be \gset

-- What falls due is posted as of the local midnight on which it fell due
CREATE TEMP TABLE due (program text, name text, vested timestamptz, expired timestamptz);
INSERT INTO due VALUES
	('Later',    'ann', '2026-03-29 00:00+00', '2027-03-31 23:00+00'),   -- GMT, BST
	('New York', 'bob', '2026-03-29 04:00+00', '2027-04-01 04:00+00'),   -- EDT
	('Beirut',   'cat', '2026-03-28 22:00+00', '2027-03-31 21:00+00');   -- EET, EEST; 29 March begins at 01:00
SELECT FROM due, loyalty.enroll(program, jsonb_build_object('customer_no', name));
SELECT FROM due, loyalty.purchase(pg_temp.id(name), 100, 'o1');
SELECT is(loyalty.account_settle(pg_temp.id(name)), 0, 'nothing is due: ' || program) FROM due;
SELECT results_eq(format($$SELECT settled_on, due_on FROM loyalty.account WHERE member_id = pg_temp.id(%L)$$, name),
	$$VALUES ('2026-03-15'::date, '2026-03-29'::date)$$, 'due_on is the day on which it vests: ' || program) FROM due;
SET loyalty.now = '2026-03-30 12:00+00';
CREATE TEMP TABLE before AS SELECT name, pg_temp.balance(name) AS balance FROM due;
SELECT is(loyalty.account_settle(pg_temp.id(name)), 1, 'one vesting is due: ' || program) FROM due;
SELECT is(pg_temp.balance(name), balance, 'it changes no balance: ' || name) FROM before;
SELECT is(pg_temp.lots(name), '100 e until 2027-03-31', 'it moves to the vested lot: ' || program) FROM due;
SELECT results_eq(
	format($$SELECT kind, effective_at, key, ref, reverses, request_hash FROM loyalty.journal WHERE member_id = pg_temp.id(%L) ORDER BY journal_id DESC LIMIT 1$$, name),
	format($$VALUES ('vest', %L::timestamptz, NULL::text, NULL::text, NULL::text, NULL::bytea)$$, vested), 'as of local midnight: ' || program) FROM due;
SELECT results_eq(format($$SELECT settled_on, due_on FROM loyalty.account WHERE member_id = pg_temp.id(%L)$$, name),
	$$VALUES ('2026-03-30'::date, '2027-04-01'::date)$$, 'due_on is the day after it can be spent: ' || program) FROM due;
SELECT is(loyalty.account_settle(pg_temp.id(name)), 0, 'once: ' || program) FROM due;
SET loyalty.now = '2027-05-01 12:00+00';
SELECT is(loyalty.account_settle(pg_temp.id(name)), 1, 'one expiry is due: ' || program) FROM due;
SELECT is(pg_temp.lots(name), 'none', 'nothing is left: ' || program) FROM due;
SELECT results_eq(
	format($$SELECT kind, effective_at, key, ref, reverses, request_hash FROM loyalty.journal WHERE member_id = pg_temp.id(%L) ORDER BY journal_id DESC LIMIT 1$$, name),
	format($$VALUES ('expire', %L::timestamptz, NULL::text, NULL::text, NULL::text, NULL::bytea)$$, expired), 'as of local midnight: ' || program) FROM due;
SELECT is((SELECT count(*) FROM loyalty.account WHERE due_on <= '2027-05-01'), 0::bigint, 'nothing is due any more');

-- Both at once, in the order of their days
CALL pg_temp.enroll('Later', 'dan');
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 10, 'o1');
SET loyalty.now = '2029-01-01 12:00+00';
SELECT is(loyalty.account_settle(pg_temp.id('dan')), 2, 'two at once');
SELECT is(pg_temp.journal('dan'), 'event signup, event purchase o1, vest, expire', 'in the order of their days');
SELECT results_eq($$SELECT effective_at FROM loyalty.journal WHERE member_id = pg_temp.id('dan') AND kind IN ('vest', 'expire') ORDER BY journal_id$$,
	$$VALUES ('2027-05-14 23:00+00'::timestamptz), ('2028-05-31 23:00+00')$$, 'each as of its own');

-- Every verb does it first
SET loyalty.now = '2026-03-15 12:00+00';
CALL pg_temp.enroll('Later', 'eve', 'fay', 'guy', 'hal', 'ida', 'jan');
SELECT FROM unnest('{eve,fay,guy,hal,ida,jan}'::text[]) name, loyalty.purchase(pg_temp.id(name), 100, 'o1');
SET loyalty.now = '2026-03-29 12:00+00';
SELECT FROM loyalty.record(pg_temp.id('eve'), 'share');
SELECT FROM loyalty.adjust(pg_temp.id('fay'), 1, 'points', 'why', expires_on => '2026-12-31', key => 'k1');
SELECT FROM loyalty.member_freeze(pg_temp.id('guy'), 'why');
SELECT FROM loyalty.identity_add(pg_temp.id('hal'), 'card', '1');
SELECT FROM loyalty.refund(pg_temp.id('ida'), 'o1', 10, key => 'k1');
SELECT FROM loyalty.vest(pg_temp.id('jan'), 'o1');
SELECT is(split_part(pg_temp.journal(name), ', ', 3), 'vest', 'what is due is posted first: ' || what)
FROM (VALUES ('eve', 'record'), ('fay', 'adjust'), ('guy', 'freeze'), ('hal', 'identity_add'), ('ida', 'refund'), ('jan', 'vest')) v(name, what);
SELECT is(pg_temp.balance('ida'), '90 available', 'and refunded from where it is now');

-- Balances never depend on it: one of the twins is settled every day, the other never
SET loyalty.now = '2026-01-10 12:00+00';
CALL pg_temp.enroll('Later', 'swept', 'unswept');
CREATE TEMP TABLE difference (day date, swept text, unswept text);
CREATE TEMP TABLE peak (n int);
DO $$
DECLARE
	day date;
	name text;
	swept text;
	unswept text;
	posted int = 0;
BEGIN
	FOR i IN 0 .. 900 LOOP
		day := date '2026-01-10' + i;
		PERFORM set_config('loyalty.now', day || ' 12:00+00', false);
		FOREACH name IN ARRAY '{swept,unswept}'::text[] LOOP
			-- about every tenth day something is earned, set aside or refunded
			IF i % 11 = 3 AND i < 400 THEN
				PERFORM loyalty.purchase(pg_temp.id(name), i, 'o' || i);
			ELSIF i % 37 = 5 THEN
				PERFORM loyalty.hold(pg_temp.id(name), 5 + i / 10, ttl => '26 hours', key => 'h' || i, mode => 'try');
			ELSIF i = 30 OR i = 130 OR i = 230 THEN
				PERFORM loyalty.refund(pg_temp.id(name), 'o' || (i - 5) / 11 * 11 + 3 - 11, 20, key => 'b' || i, mode => 'try');
			ELSIF i % 97 = 90 THEN
				PERFORM loyalty.redeem(pg_temp.id(name), 400 + i, key => 'r' || i, mode => 'try');
			END IF;
		END LOOP;
		posted := posted + loyalty.account_settle(pg_temp.id('swept'));
		SELECT string_agg(b::text, ';') INTO swept FROM loyalty.balance(pg_temp.id('swept')) b;
		SELECT string_agg(b::text, ';') INTO unswept FROM loyalty.balance(pg_temp.id('unswept')) b;
		IF swept IS DISTINCT FROM unswept THEN
			INSERT INTO difference VALUES (day, swept, unswept);
		END IF;
	END LOOP;
	INSERT INTO peak VALUES (posted);
END
$$;
SELECT is_empty('SELECT * FROM difference LIMIT 3', 'swept or not, the balance of every day is the same');
SELECT cmp_ok(n, '>', 30, 'of which many had something due') FROM peak;
SELECT cmp_ok((SELECT count(*) FROM loyalty.journal WHERE member_id = pg_temp.id('unswept') AND kind IN ('vest', 'expire', 'time_out')), '>', 0::bigint,
	'the other one was swept by its verbs');
SELECT loyalty.account_settle(pg_temp.id('unswept')) AS settled \gset
SELECT is(pg_temp.lots('unswept'), pg_temp.lots('swept'), 'in the end they hold the same');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
