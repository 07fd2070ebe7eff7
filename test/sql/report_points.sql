\set ECHO none
\i test/prelude.sql
SELECT plan(67);

-- Two programmes to which the same happens: of one all that is due is posted every day, of
-- the other nothing that no call posts. A hundred days, with late orders, holds and refunds.
SET loyalty.now = '2026-01-05 04:00+00';
SELECT loyalty.program_create('Kept', 'CNY', 'Asia/Shanghai', vest_days => 3) AS kept \gset
SELECT loyalty.program_create('Left', 'CNY', 'Asia/Shanghai', vest_days => 3) AS left \gset
UPDATE loyalty.unit SET expiry = 'days', expiry_count = 25, debt_policy = 'debt' WHERE code = 'points';
INSERT INTO loyalty.tier (program_id, code, rank, valid_months, grace_days, warn_days)
	SELECT p, t.code, t.rank, t.months, 0, 5
	FROM unnest(ARRAY[:kept, :left]) p, (VALUES ('base', 0, NULL::int), ('silver', 1, 1), ('gold', 2, 1)) t (code, rank, months);
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, months)
	SELECT t.program_id, t.tier_id, u.unit_id, t.rank * 150, 1
	FROM loyalty.tier t JOIN loyalty.unit u USING (program_id) WHERE u.code = 'spend' AND t.rank > 0;
CREATE TEMP TABLE seen (program text, n int, at timestamptz, known_at timestamptz, member_id bigint, unit text, available numeric, pending numeric, held numeric, debt numeric);
CREATE TEMP TABLE figure (program text, day date, figure text);
SELECT setseed(0.42);
DO $$
DECLARE
	member bigint[][] := '{}';
	ids bigint[];
	dice float;
	p text;
	m int;
	i int;
	amount int;
	ago interval;
	h bigint;
BEGIN
	FOR m IN 1..4 LOOP
		SELECT array_agg(r.member_id ORDER BY x.name) INTO ids
		FROM (VALUES ('Kept'), ('Left')) x (name), loyalty.enroll(x.name, jsonb_build_object('customer_no', x.name || m)) r;
		member := member || ARRAY[ids];
	END LOOP;
	FOR day IN 0..99 LOOP
		PERFORM set_config('loyalty.now', ('2026-01-05 04:00+00'::timestamptz + make_interval(days => day))::text, false);
		m := 1 + floor(random() * 4);
		dice := random();
		amount := 1 + floor(random() * 120);
		ago := make_interval(days => CASE WHEN random() < 0.3 THEN floor(random() * least(day, 40))::int ELSE 0 END);
		FOR i IN 1..2 LOOP
			CASE
			WHEN dice < 0.45 THEN PERFORM loyalty.purchase(member[m][i], amount, 'o' || day, at => loyalty.now() - ago, mode => 'try');
			WHEN dice < 0.55 THEN PERFORM loyalty.redeem(member[m][i], amount / 3 + 1, ref => 'r' || day, mode => 'try');
			WHEN dice < 0.70 THEN PERFORM loyalty.hold(member[m][i], amount / 4 + 1, ttl => make_interval(days => amount / 5 + 1), ref => 'h' || day, mode => 'try');
			WHEN dice < 0.76 THEN
				SELECT o.hold_id INTO h FROM loyalty.hold o WHERE o.member_id = member[m][i] AND o.status = 'held' ORDER BY o.hold_id LIMIT 1;
				IF FOUND THEN
					PERFORM loyalty.capture(member[m][i], h, 1, key => 'c' || day, mode => 'try');
				END IF;
			WHEN dice < 0.79 THEN
				SELECT o.hold_id INTO h FROM loyalty.hold o WHERE o.member_id = member[m][i] AND o.status = 'held' ORDER BY o.hold_id LIMIT 1;
				IF FOUND THEN
					PERFORM loyalty.release(member[m][i], h, key => 'l' || day, mode => 'try');
				END IF;
			WHEN dice < 0.90 THEN
				PERFORM loyalty.refund(member[m][i], (SELECT j.ref FROM loyalty.journal j WHERE j.member_id = member[m][i] AND j.event = 'purchase' ORDER BY j.journal_id DESC LIMIT 1),
					0.5, refund_ref => 'b' || day, mode => 'try');
			WHEN dice < 0.95 THEN PERFORM loyalty.transfer(member[m][i], member[1 + m % 4][i], 5, ref => 't' || day, mode => 'try');
			ELSE PERFORM loyalty.adjust(member[m][i], amount - 60.0, 'points', 'test', key => 'a' || day, mode => 'try');
			END CASE;
		END LOOP;
		IF day = 60 THEN
			PERFORM loyalty.member_close(member[4][1], 'test'), loyalty.member_close(member[4][2], 'test');
		ELSIF day = 90 THEN
			PERFORM loyalty.member_reopen(member[4][1], 'test'), loyalty.member_reopen(member[4][2], 'test');
		END IF;
		PERFORM loyalty.account_settle(x.id) FROM (VALUES (member[1][1]), (member[2][1]), (member[3][1]), (member[4][1])) x (id);
		IF day % 30 = 29 THEN
			PERFORM loyalty.report_fold(10000), loyalty.report_fold(10000);
		END IF;
		IF day % 10 = 9 THEN
			INSERT INTO seen
			SELECT x.name, x.m, loyalty.now(), clock_timestamp(), x.id, b.unit, b.available, b.pending, b.held, b.debt
			FROM (SELECT CASE s WHEN 1 THEN 'Kept' ELSE 'Left' END AS name, k AS m, member[k][s] AS id
				FROM generate_series(1, 4) k, generate_series(1, 2) s) x, loyalty.balance(x.id) b WHERE b.unit IN ('points', 'spend');
			INSERT INTO figure
			SELECT x.name, d.day, concat_ws('; ',
				(SELECT string_agg(f::text, ', ' ORDER BY f.period) FROM loyalty.report_points(x.name, d.day - 3, d.day, grain => 'day') f),
				(SELECT string_agg(f::text, ', ' ORDER BY f.state, f.month) FROM loyalty.report_expiry(x.name) f),
				(SELECT string_agg(f::text, ', ') FROM loyalty.report_liability(x.name) f),
				(SELECT string_agg(f::text, ', ' ORDER BY f.cohort) FROM loyalty.report_breakage(x.name) f),
				(SELECT string_agg(f::text, ', ' ORDER BY f.month) FROM loyalty.report_liability_schedule(x.name) f),
				(SELECT string_agg(f::text, ', ' ORDER BY f.rank) FROM loyalty.report_tier(x.name) f),
				(SELECT string_agg(f::text, ', ' ORDER BY f::text) FROM loyalty.report_tier_move(x.name, d.day - 10, d.day) f))
			FROM (VALUES ('Kept'), ('Left')) x (name), LATERAL (SELECT (loyalty.now() AT TIME ZONE 'Asia/Shanghai')::date AS day) d;
		END IF;
	END LOOP;
END
$$;
SELECT is(count(*), 10::bigint, 'looked at ten times') FROM figure WHERE program = 'Kept';
SELECT is(l.figure, k.figure, 'never maintained is as always maintained on ' || k.day)
FROM figure k JOIN figure l ON l.day = k.day AND l.program = 'Left' WHERE k.program = 'Kept';
SELECT cmp_ok(count(*), '>', 0::bigint, 'and something was not posted') FROM loyalty.report_unposted(:left, 'infinity');
-- What members were told
SELECT is_empty($$SELECT s.program, s.at, s.unit FROM seen s
	JOIN LATERAL loyalty.balance_at(s.member_id, s.at, s.known_at) b ON b.unit = s.unit
	WHERE (b.available, b.pending, b.held, b.debt) IS DISTINCT FROM (s.available, s.pending, s.held, s.debt)$$,
	'balance_at: what balance() told at each moment, although late orders came in');
SELECT cmp_ok(count(*), '>', 0::bigint, 'balance_at: which differ from what is known now')
FROM seen s JOIN LATERAL loyalty.balance_at(s.member_id, s.at) b ON b.unit = s.unit
WHERE (b.available, b.pending, b.held, b.debt) IS DISTINCT FROM (s.available, s.pending, s.held, s.debt);
SELECT is_empty($$SELECT a.member_id FROM loyalty.account a, loyalty.balance(a.member_id) b, loyalty.balance_at(a.member_id, loyalty.now()) t
	WHERE t.unit = b.unit AND (b.available, b.pending, b.held, b.debt) IS DISTINCT FROM (t.available, t.pending, t.held, t.debt)$$, 'balance_at: now');
SELECT results_eq($$SELECT l.outstanding FROM (SELECT DISTINCT program, at, known_at FROM seen WHERE at >= '2026-03-20') x, loyalty.liability_at(x.program, x.at, clock_timestamp()) l ORDER BY x.program, x.at$$,
	$$SELECT l.outstanding FROM (SELECT DISTINCT program, at, known_at FROM seen WHERE at >= '2026-03-20') x, loyalty.liability_at(x.program, x.at) l ORDER BY x.program, x.at$$,
	'liability_at: the sums and the ledger are what all members have');
SELECT results_eq($$SELECT l.outstanding FROM (SELECT program, at, max(known_at) AS known_at FROM seen GROUP BY 1, 2) x, loyalty.liability_at(x.program, x.at, x.known_at) l ORDER BY x.program, x.at$$,
	$$SELECT sum(available + pending + held - debt) FROM seen WHERE unit = 'points' GROUP BY program, at ORDER BY program, at$$,
	'liability_at: what members were told, added up');

-- Against the members' balances, for each day
SELECT is_empty($$SELECT r.period FROM loyalty.report_points('Left', '2026-01-01', '2026-04-14', grain => 'day') r
	JOIN LATERAL (SELECT sum(b.available + b.pending - b.debt) AS total FROM loyalty.account a, loyalty.balance(a.member_id, 'points', r.period) b WHERE a.program_id = (SELECT program_id FROM loyalty.program WHERE name = 'Left')) t
	ON t.total <> r.closing$$, 'report_points: the closing of each day is what all members have at its end');
SELECT is_empty($$SELECT FROM loyalty.report_points('Left', '2026-01-01', '2026-04-14', grain => 'week') r
	WHERE opening + issued - spent - held - expired + adjusted + transferred <> closing$$, 'report_points: adds up');
SELECT is_empty($$SELECT FROM (SELECT closing, lead(opening) OVER (ORDER BY period) AS next FROM loyalty.report_points('Left', '2026-01-01', '2026-04-14', grain => 'month')) r
	WHERE next <> closing$$, 'report_points: begins where it ended');
SELECT is((SELECT sum(transferred) FROM loyalty.report_points('Left', '2026-01-01', '2026-04-14')), 0::numeric, 'report_points: what is transferred remains');
SELECT results_eq($$SELECT sum(issued), sum(spent), sum(expired), sum(closing) FROM loyalty.report_points('Left', '2026-01-01', '2026-04-14', by => 'tier')$$,
	$$SELECT issued, spent, expired, closing FROM loyalty.report_points('Left', '2026-01-01', '2026-04-14')$$, 'report_points: parts add up');
SELECT results_eq($$SELECT * FROM loyalty.report_points('Left', '2026-01-01', '2026-04-14', by => 'tier', grain => 'month')$$,
	$$SELECT * FROM loyalty.report_points('Kept', '2026-01-01', '2026-04-14', by => 'tier', grain => 'month')$$, 'report_points: by tier, maintained or not');
SELECT is((SELECT sum(expected + breakage) FROM loyalty.report_liability_schedule('Left')), (SELECT outstanding FROM loyalty.report_liability('Left')),
	'report_liability_schedule: adds up to what is outstanding');
SELECT is((SELECT sum(expected + breakage) FROM loyalty.report_liability_schedule('Left', breakage => 0.1234)), (SELECT outstanding FROM loyalty.report_liability('Left')),
	'report_liability_schedule: also with a given rate');
SELECT is((SELECT sum(amount) FROM loyalty.report_expiry('Left')), (SELECT outstanding FROM loyalty.report_liability('Left')), 'report_expiry: adds up, too');
SELECT results_eq($$SELECT state, sum(amount) FROM loyalty.report_expiry('Left') WHERE state IN ('held', 'debt') GROUP BY state ORDER BY state$$,
	$$SELECT x.state, sum(x.amount) FROM loyalty.member m, loyalty.balance(m.member_id, 'points') b, LATERAL (VALUES ('debt', - b.debt), ('held', b.held)) x (state, amount)
		WHERE m.program_id = (SELECT program_id FROM loyalty.program WHERE name = 'Left') GROUP BY x.state HAVING sum(x.amount) <> 0 ORDER BY x.state$$,
	'report_expiry: what is held and what is owed stand apart');
SELECT is((SELECT sum(worth) FROM loyalty.report_expiry('Left')), (SELECT worth FROM loyalty.report_liability('Left')), 'report_expiry: and so does its worth');
SELECT is((SELECT sum(issued - used - expired) FROM loyalty.report_breakage('Left')), (SELECT sum(outstanding) FROM loyalty.report_breakage('Left')), 'report_breakage: adds up');
SELECT is_empty($$SELECT t.tier FROM loyalty.report_tier('Left') t
	WHERE t.members <> (SELECT count(*) FROM loyalty.account a, loyalty.tier_current(a.member_id) c
		WHERE a.program_id = (SELECT program_id FROM loyalty.program WHERE name = 'Left') AND a.status <> 'closed' AND c.tier = t.tier)$$, 'report_tier: as tier_current() tells');

-- Kinds of rows: every one that the documentation knows
CREATE TEMP TABLE page (n int GENERATED ALWAYS AS IDENTITY, line text);
\copy page (line) FROM 'doc/journal.md' WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')
SELECT is_empty($$SELECT kind FROM page p, regexp_matches(split_part(line, '|', 2), '`([a-z_]+)`', 'g') m (kinds), LATERAL unnest(m.kinds) kind
	WHERE n BETWEEN (SELECT n FROM page WHERE line LIKE '| Kind | Written by%') AND (SELECT n FROM page WHERE line LIKE 'What the clock did%')
	AND loyalty.report_points_class(kind) IS NULL$$, 'report_points_class: knows every kind of row');
SELECT is(loyalty.report_points_class('nothing'), NULL, 'report_points_class: and no other');

-- An empty programme, and what makes no report
SELECT loyalty.program_create('Empty', 'JPY', 'Asia/Tokyo') AS empty \gset
SELECT results_eq($$SELECT * FROM loyalty.report_points('Empty', '2026-01-01', '2026-01-31')$$,
	$$VALUES (date '2026-01-01', NULL::text, 0::numeric, 0::numeric, 0::numeric, 0::numeric, 0::numeric, 0::numeric, 0::numeric, 0::numeric)$$, 'report_points: nobody');
SELECT results_eq($$SELECT outstanding, breakage_rate, liability FROM loyalty.report_liability('Empty')$$, 'VALUES (0::numeric, NULL::numeric, 0::numeric)', 'report_liability: nobody');
SELECT is_empty($$SELECT * FROM loyalty.report_expiry('Empty')$$, 'report_expiry: nobody');
SELECT is_empty($$SELECT * FROM loyalty.report_liability_schedule('Empty')$$, 'report_liability_schedule: nobody');
SELECT results_eq($$SELECT issued, outstanding, burn_rate, velocity FROM loyalty.report_points_usage('Empty', '2026-01-01', '2026-01-31')$$, 'VALUES (0::numeric, 0::numeric, NULL::numeric, NULL::numeric)', 'report_points_usage: nobody');
SELECT is_empty($$SELECT * FROM loyalty.report_tier_move('Empty', '2026-01-01', '2030-01-31')$$, 'report_tier_move: nobody');

-- The published example: 9,000 put off, 4,500 of 9,700 points, then 8,500 of 9,900
SELECT is(round(loyalty.revenue_recognised(9000, 4500, 9700)), 4175::numeric, 'revenue_recognised: the first year');
SELECT is(round(loyalty.revenue_recognised(9000, 8500, 9900)) - 4175, 3552::numeric, 'revenue_recognised: the second');
UPDATE loyalty.unit SET expiry = 'never', expiry_count = NULL WHERE program_id = :empty AND code = 'points';
CALL pg_temp.enroll('Empty', 'kei');
SET loyalty.now = '2026-01-10 04:00+00';
SELECT FROM loyalty.adjust(pg_temp.id('kei'), 10000, 'points', 'sold', key => 'k1');
SET loyalty.now = '2026-06-10 04:00+00';
SELECT FROM loyalty.redeem(pg_temp.id('kei'), 4500, key => 'k2');
SET loyalty.now = '2027-06-10 04:00+00';
SELECT FROM loyalty.redeem(pg_temp.id('kei'), 4000, key => 'k3');
SELECT results_eq($$SELECT period, redeemed, redeemed_to_date, expected, recognised, remaining, currency FROM loyalty.report_revenue('Empty', '2026-01-01', '2027-12-31', 9000, '{9700,9900}')$$,
	$$VALUES (date '2026-01-01', 4500::numeric, 4500::numeric, 9700::numeric, 4175::numeric, 4825::numeric, 'JPY'), ('2027-01-01', 4000, 8500, 9900, 3552, 1273, 'JPY')$$,
	'report_revenue: from the ledger');
SELECT is(left(pg_temp.raised(format($$SELECT * FROM loyalty.report_revenue('Empty', '2026-01-01', '2027-12-31', %s)$$, arguments)), 5), code, 'report_revenue: ' || arguments)
FROM (VALUES ('NULL, ''{1}''', '22004'), ('1, NULL', '22004'), ('1, ''{1,NULL}''', '22004'), ('1, ''{}''', '22023'), ('-1, ''{1}''', '22023'), ('''NaN'', ''{1}''', '22023'), ('''infinity'', ''{1}''', '22023'), ('1, ''{1,-1}''', '22023')) a (arguments, code);
SELECT throws_ok($$SELECT * FROM loyalty.liability_at('Empty', NULL)$$, '22004', 'at must not be null', 'liability_at: of no moment');
SELECT throws_ok($$SELECT * FROM loyalty.liability_at(NULL, loyalty.now())$$, '22004', 'program must not be null', 'liability_at: of no programme');
SELECT is(left(pg_temp.raised($$SELECT * FROM loyalty.liability_at('Empty', 'infinity')$$), 5), '22008', 'liability_at: of no time');
SELECT is(left(pg_temp.raised($$SELECT * FROM loyalty.liability_at('Moon', loyalty.now())$$), 5), 'LY403', 'liability_at: no such programme');
SELECT results_eq($$SELECT * FROM loyalty.liability_at('Kept', '2099-01-01')$$, $$SELECT * FROM loyalty.report_liability('Kept', '2099-01-01')$$, 'liability_at: a moment to come is as the end of today');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.report_points('Shop on the moon', '2026-01-01', '2026-01-31')$$), 'LY403 program=Shop on the moon', 'no such programme');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.report_expiry('Empty', 'gold')$$), 'LY105 unit=gold', 'no such unit');
SELECT is(left(pg_temp.raised($$SELECT * FROM loyalty.report_expiry('Empty', NULL)$$), 5), '22004', 'report_expiry: of no unit');
SELECT is(left(pg_temp.raised($$SELECT * FROM loyalty.report_points('Empty', '2026-01-01', '2026-01-31', NULL)$$), 5), '22004', 'report_points: of no unit');
SELECT is(left(pg_temp.raised($$SELECT * FROM loyalty.report_liability('Empty', breakage => 1.01)$$), 5), '22023', 'no such share');
SELECT is(left(pg_temp.raised($$SELECT * FROM loyalty.balance_at(0, now())$$), 5), 'LY501', 'balance_at: no such member');
SELECT is(left(pg_temp.raised(format($$SELECT * FROM loyalty.balance_at(%s, 'infinity')$$, pg_temp.id('kei'))), 5), 'LY107', 'balance_at: no such time');

-- By hand: of 1,000 points 700 are spent, and the order comes back, so 700 are owed; of 500 more 120 are held
SELECT loyalty.program_create('Owing', 'CNY', 'Asia/Shanghai') AS owing \gset
UPDATE loyalty.unit SET expiry = 'end_of_month', expiry_count = 12, debt_policy = 'debt' WHERE program_id = :owing AND code = 'points';
CALL pg_temp.enroll('Owing', 'one');
CALL pg_temp.enroll('Owing', 'two');
SELECT FROM loyalty.purchase(pg_temp.id('one'), 1000, 'o1');
SELECT FROM loyalty.redeem(pg_temp.id('one'), 700, ref => 'r1');
SELECT FROM loyalty.refund(pg_temp.id('one'), 'o1', refund_ref => 'b1');
SELECT FROM loyalty.purchase(pg_temp.id('two'), 500, 'o2');
SELECT FROM loyalty.hold(pg_temp.id('two'), 120, ref => 'h1', ttl => '30 days');
CREATE TEMP TABLE aged (n int, month date, state text, amount numeric, worth numeric);
INSERT INTO aged VALUES (1, '2028-06-01', 'lapses', 380, 3.80), (2, NULL, 'held', 120, 1.20), (3, NULL, 'debt', -700, -7.00);
SELECT results_eq($$SELECT month, state, amount, worth FROM loyalty.report_expiry('Owing')$$, 'SELECT month, state, amount, worth FROM aged ORDER BY n', 'report_expiry: from the tail');
SELECT FROM loyalty.report_fold(10000);
SELECT results_eq($$SELECT month, state, amount, worth FROM loyalty.report_expiry('Owing')$$, 'SELECT month, state, amount, worth FROM aged ORDER BY n', 'report_expiry: from the sums');
SELECT results_eq($$SELECT cohort, issued, used, outstanding, is_over FROM loyalty.report_breakage('Owing')$$,
	$$VALUES (date '2028-06-01', 1200::numeric, 820::numeric, 380::numeric, false), (NULL, -700, 0, -700, false)$$, 'report_breakage: what is owed is never over');
SELECT results_eq($$SELECT month, state, amount, worth FROM loyalty.report_expiry('Owing', at => '2030-01-01')$$, 'SELECT month, state, amount, worth FROM aged ORDER BY n', 'report_expiry: a day to come is as today');
SELECT results_eq($$SELECT outstanding, breakage_rate FROM loyalty.report_liability('Owing', '2030-01-01')$$, 'VALUES (-200::numeric, NULL::numeric)', 'report_liability: and so it is here');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
