\set ECHO none
\i test/prelude.sql
SELECT plan(64);

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

-- Histories that follow from their number, of everything that can happen. Each happens to two pairs of members at
-- the same moments: one pair is settled before every step, the other never. Every step is tried dry first.
SELECT loyalty.program_create('Short', 'GBP', 'Europe/London', vest_days => 3) AS short \gset
SELECT loyalty.program_create('Soft', 'USD', 'America/New_York') AS soft \gset
UPDATE loyalty.unit SET expiry = 'days', expiry_count = 40 WHERE program_id = :short AND code = 'points';
UPDATE loyalty.unit SET expiry_count = 1, debt_policy = 'limit', return_policy = 'grace', grace_days = 10
WHERE program_id = :soft AND code = 'points';
CREATE FUNCTION pg_temp.random_step(name text, other text, dice int, n int, i int) RETURNS text
LANGUAGE sql AS $$
	SELECT format(CASE
		WHEN dice < 30 THEN 'purchase({name}, %1$s.37, ''o%2$s'''
		WHEN dice < 40 THEN 'purchase({name}, %1$s, ''o%2$s'', at => loyalty.now() - interval ''%4$s days'''
		WHEN dice < 52 THEN 'redeem({name}, %1$s, ref => ''o%2$s'''
		WHEN dice < 60 THEN 'refund({name}, ''o%3$s'', refund_ref => ''b%2$s'''
		WHEN dice < 72 THEN 'refund({name}, ''o%3$s'', %5$s.11, refund_ref => ''b%2$s'''
		WHEN dice < 80 THEN 'hold({name}, %5$s, ttl => ''%1$s hours'', ref => ''h%2$s'''
		WHEN dice < 82 THEN 'capture({name}, {hold}, ref => ''o%2$s'', key => ''c%2$s'''
		WHEN dice < 84 THEN 'capture({name}, {hold}, %5$s, ref => ''o%2$s'', key => ''c%2$s'''
		WHEN dice < 87 THEN 'release({name}, {hold}, key => ''r%2$s'''
		WHEN dice < 89 THEN 'transfer({name}, {other}, %5$s, key => ''t%2$s'''
		WHEN dice < 91 THEN 'transfer({other}, {name}, %5$s, key => ''t%2$s'''
		WHEN dice < 94 THEN 'adjust({name}, %1$s, ''points'', ''why'', expires_on => (loyalty.now() + interval ''%4$s days'')::date + 1, key => ''a%2$s'''
		WHEN dice < 95 THEN 'adjust({name}, -%1$s, ''points'', ''why'', key => ''a%2$s'''
		WHEN dice < 97 THEN 'adjust({name}, %1$s, ''points'', ''why'', expires_on => loyalty.now()::date + 60, key => ''a%2$s'', extend => true'
		ELSE 'vest({name}, ''o%3$s''' END, n, i, greatest(1, i - 1 - n % 12), n % 60, n / 3 + 1)
$$;
CREATE TEMP TABLE fault (what text);
CREATE TEMP TABLE happened (status text, posted boolean);
DO $$
DECLARE
	x bigint;
	twin text;
	sql text;
	dry loyalty.receipt;
	done loyalty.receipt;
	told text[];
BEGIN
	FOR m IN 1 .. 12 LOOP
		PERFORM set_config('loyalty.now', '2026-01-01 00:30+00', false);
		CALL pg_temp.enroll(CASE m % 2 WHEN 0 THEN 'Short' ELSE 'Soft' END,
			'swept-' || m, 'unswept-' || m, 'other-swept-' || m, 'other-unswept-' || m);
		x := m * 7919 + 17;
		FOR i IN 1 .. 150 LOOP
			x := (x * 1103515245 + 12345) % 2147483648;
			PERFORM set_config('loyalty.now', (loyalty.now() + x / 65536 % 30 * interval '1 hour')::text, false);
			x := (x * 1103515245 + 12345) % 2147483648;
			told := '{}';
			FOREACH twin IN ARRAY ARRAY['swept-' || m, 'unswept-' || m] LOOP
				IF twin LIKE 'swept%' THEN
					PERFORM loyalty.account_settle(pg_temp.id(twin)), loyalty.account_settle(pg_temp.id('other-' || twin));
				END IF;
				sql := pg_temp.random_step(twin, 'other-' || twin, (x / 65536 % 100)::int, (x / 1048576 % 200)::int + 1, i);
				sql := replace(replace(sql, '{name}', pg_temp.id(twin)::text), '{other}', pg_temp.id('other-' || twin)::text);
				sql := replace(sql, '{hold}', coalesce((SELECT max(hold_id) FROM loyalty.hold WHERE member_id = pg_temp.id(twin)), 0)::text);
				EXECUTE format('SELECT * FROM loyalty.%s, mode => ''dry'')', sql) INTO dry;
				EXECUTE format('SELECT * FROM loyalty.%s, mode => ''try'')', sql) INTO done;
				INSERT INTO happened VALUES (done.status, cardinality(done.postings) > 0);
				IF to_jsonb(dry) - '{status,journal_id,hold_id}'::text[] <> to_jsonb(done) - '{status,journal_id,hold_id}'::text[] THEN
					INSERT INTO fault VALUES (format('%s: dry %s, done %s', sql, dry, done));
				END IF;
				told := told || concat_ws(' ', done.status, done.reason, done.postings, regexp_replace(done.messages::text, '_id=\d+', ''))
					|| (SELECT string_agg(b::text, ' ') FROM unnest(ARRAY[twin, 'other-' || twin]) name, loyalty.balance(pg_temp.id(name)) b);
			END LOOP;
			IF told[1:2] <> told[3:4] THEN
				INSERT INTO fault VALUES (format('%s: %s', sql, told));
			END IF;
		END LOOP;
		PERFORM loyalty.account_settle(pg_temp.id(name || m)) FROM unnest('{swept-,unswept-,other-swept-,other-unswept-}'::text[]) name;
		IF pg_temp.lots('swept-' || m) <> pg_temp.lots('unswept-' || m) OR pg_temp.lots('other-swept-' || m) <> pg_temp.lots('other-unswept-' || m) THEN
			INSERT INTO fault VALUES ('the lots of ' || m);
		END IF;
	END LOOP;
END
$$;
SELECT is_empty('SELECT * FROM fault LIMIT 3', 'swept or not, receipts and balances are the same; and a dry run tells what is then done');
SELECT cmp_ok((SELECT count(*) FROM happened WHERE status = 'done' AND posted), '>', 1500::bigint, 'over more than 1500 calls that moved something');
SELECT cmp_ok((SELECT count(*) FROM happened WHERE status = 'refused'), '>', 500::bigint, 'and more than 500 that were refused');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'and the books are right');

-- The clock goes back over midnight, to before what was settled: what is then posted falls due all the same
SET loyalty.now = '2026-07-10 12:00+00';
CALL pg_temp.enroll('Later', 'kim');
SELECT FROM loyalty.record(pg_temp.id('kim'), 'share');
SET loyalty.now = '2026-07-08 12:00+00';
SELECT FROM loyalty.adjust(pg_temp.id('kim'), 10, 'points', 'promise', '2026-07-09', '2026-12-31', key => 'k1');
SELECT is(pg_temp.balance('kim'), '10 pending', 'the clock went back: it vests tomorrow');
SELECT cmp_ok(due_on, '<=', '2026-07-09'::date, 'invariant 9: due_on knows') FROM loyalty.account WHERE member_id = pg_temp.id('kim');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'and the books are right');
SET loyalty.now = '2026-07-11 12:00+00';
SELECT is(loyalty.account_settle(pg_temp.id('kim')), 1, 'the clock goes on: it has vested');
SELECT is(pg_temp.lots('kim'), '10 a until 2026-12-31', 'and is swept');
SELECT is(pg_temp.journal('kim'), 'event signup, event share, adjust, vest', 'the journal is in the order of the calls');

-- A lot lapses on 12 July while it is held until the 14th: what is timed out returns first and has then lapsed
CALL pg_temp.enroll('Later', 'lea');
SELECT FROM loyalty.adjust(pg_temp.id('lea'), 100, 'points', 'gift', expires_on => '2026-07-12', key => 'k1');
SELECT FROM loyalty.adjust(pg_temp.id('lea'), 50, 'points', 'gift', expires_on => '2026-12-31', key => 'k2');
SELECT FROM loyalty.hold(pg_temp.id('lea'), 120, ttl => '3 days', key => 'h1');
SET loyalty.now = '2026-07-15 12:00+00';
-- 120 held: 100 of the one, 20 of the other, which are back
SELECT is(pg_temp.balance('lea'), '50 available', 'a hold that outlived its lot: unswept');
SELECT is(loyalty.account_settle(pg_temp.id('lea')), 2, 'two rows');
SELECT is(pg_temp.journal('lea'), 'event signup, adjust, adjust, hold, time_out, expire', 'timed out, then lapsed');
SELECT results_eq($$SELECT kind, effective_at FROM loyalty.journal WHERE member_id = pg_temp.id('lea') AND kind IN ('time_out', 'expire') ORDER BY journal_id$$,
	$$VALUES ('time_out', '2026-07-14 12:00+00'::timestamptz), ('expire', '2026-07-14 12:00+00')$$, 'not before it came back');
SELECT results_eq($$SELECT j.kind, sum(e.amount) FROM loyalty.journal j JOIN loyalty.entry e USING (member_id, journal_id)
	WHERE j.member_id = pg_temp.id('lea') AND j.kind IN ('time_out', 'expire') GROUP BY j.kind, j.journal_id ORDER BY j.journal_id$$,
	$$VALUES ('time_out', 120::numeric), ('expire', -100)$$, '120 come back, 100 have lapsed');
SELECT is(pg_temp.lots('lea'), '50 a until 2026-12-31', 'and the rest is there');
SELECT is(pg_temp.balance('lea'), '50 available', 'a hold that outlived its lot: swept');

-- 60 points vest on 13 August and lapse after the 19th; a debt of 100 is paid by them whenever that is posted
SELECT loyalty.program_create('Twenty days', 'GBP', 'Europe/London', vest_days => 14) AS twenty \gset
UPDATE loyalty.unit SET expiry = 'days', expiry_count = 20 WHERE program_id = :twenty AND code = 'points';
CALL pg_temp.enroll('Twenty days', 'max', 'ned');
SELECT FROM unnest('{max,ned}'::text[]) name, loyalty.purchase(pg_temp.id(name), 100, 'o1');
SET loyalty.now = '2026-07-30 12:00+00';
SELECT FROM unnest('{max,ned}'::text[]) name, loyalty.redeem(pg_temp.id(name), 100, ref => 'r1');
SELECT FROM unnest('{max,ned}'::text[]) name, loyalty.refund(pg_temp.id(name), 'o1');
SELECT FROM unnest('{max,ned}'::text[]) name, loyalty.purchase(pg_temp.id(name), 60, 'o2');
SET loyalty.now = '2026-08-15 12:00+00';
SELECT FROM loyalty.account_settle(pg_temp.id('max'));
SET loyalty.now = '2026-08-25 12:00+00';
SELECT is(pg_temp.balance('max'), '40 debt', 'vested before it lapsed: swept on the way');
SELECT is(pg_temp.balance('ned'), '40 debt', 'vested before it lapsed: not swept');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
