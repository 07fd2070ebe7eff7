\set ECHO none
\i test/prelude.sql
SELECT plan(158);

SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
SELECT loyalty.program_create('Other', 'CNY', 'Asia/Shanghai') AS other \gset
INSERT INTO loyalty.plan (program_id, name, title, months, days, price, rank, status) VALUES
	(:shop, 'month', 'By the month', 1, NULL, 10, 0, 'active'),
	(:shop, 'plus', 'Plus', 12, NULL, 100, 1, 'active'),
	(:shop, 'pro', 'Pro', 12, NULL, 300, 2, 'active'),
	(:shop, 'week', 'By the week', NULL, 7, 4.99, 0, 'active'),
	(:shop, 'free', 'A trial', NULL, 30, 0, 0, 'active'),
	(:shop, 'old', 'Not sold any more', 12, NULL, 50, 3, 'inactive'),
	(:other, 'theirs', NULL, 12, NULL, 10, 9, 'active');
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay', 'guy', 'hal', 'ivy', 'jon', 'kay', 'leo', 'max', 'ned', 'oda', 'pam', 'ron');
CALL pg_temp.enroll('Other', 'zoe');

-- 'plus 2026-03-15..2027-03-14 active 100': what a member has bought, in the order of the days
CREATE FUNCTION pg_temp.bought(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(format('%s %s..%s %s %s', r.plan, to_char(r.starts_on, 'YYYY-MM-DD'), to_char(r.ends_on, 'YYYY-MM-DD'),
		r.status, trim_scale(r.paid)), ', ' ORDER BY r.starts_on, r.journal_id), 'nothing')
	FROM loyalty.report_plan r WHERE r.member_id = pg_temp.id(name)
$$;
-- '2026-03-15..2027-03-14': the last of them
CREATE FUNCTION pg_temp.last_period(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT to_char(r.starts_on, 'YYYY-MM-DD') || '..' || to_char(r.ends_on, 'YYYY-MM-DD')
	FROM loyalty.report_plan r WHERE r.member_id = pg_temp.id(name) ORDER BY r.starts_on DESC, r.journal_id DESC LIMIT 1
$$;
-- 'credit 49.58, due 250.42': the amounts that a call told
CREATE FUNCTION pg_temp.told_amounts(r loyalty.receipt) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT string_agg(concat_ws(' ', m ->> 'code', m ->> 'ref', m ->> 'amount'), ', ' ORDER BY place)
	FROM jsonb_array_elements((r).messages) WITH ORDINALITY x (m, place) WHERE m ? 'amount'
$$;
-- 'plus held 49.58, plus to come 100'
CREATE FUNCTION pg_temp.current_plans(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(concat_ws(' ', plan, CASE WHEN held THEN 'held' ELSE 'to come' END, trim_scale(worth)), ', ' ORDER BY starts_on), 'none')
	FROM loyalty.plan_current(pg_temp.id(name))
$$;

SELECT is(pg_temp.signature(name), format('(%s) -> %s', arguments, result), name || '(): arguments')
FROM (VALUES
	('plan_buy', 'member_id bigint, plan text, ref text, price numeric DEFAULT NULL::numeric, auto_renew boolean DEFAULT false, starts_on date DEFAULT NULL::date, '
		'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text', 'loyalty.receipt'),
	('plan_renew', 'member_id bigint, ref text, price numeric DEFAULT NULL::numeric, plan text DEFAULT NULL::text, auto_renew boolean DEFAULT NULL::boolean, '
		'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text', 'loyalty.receipt'),
	('plan_upgrade', 'member_id bigint, plan text, ref text, price numeric DEFAULT NULL::numeric, auto_renew boolean DEFAULT NULL::boolean, '
		'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text', 'loyalty.receipt'),
	('plan_cancel', 'member_id bigint, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, '
		'mode text DEFAULT ''do''::text', 'loyalty.receipt'),
	('plan_refund', 'member_id bigint, ref text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, '
		'mode text DEFAULT ''do''::text', 'loyalty.receipt'),
	('plan_current', 'member_id bigint', 'TABLE(plan text, title text, tier text, starts_on date, ends_on date, held boolean, auto_renew boolean, '
		'price numeric, paid numeric, worth numeric, ref text)'),
	('plan_due', 'program text, until date DEFAULT NULL::date', 'TABLE(member_id bigint, plan text, ends_on date, price numeric, currency text, ref text)')
) v (name, arguments, result);

-- What a plan may be
SELECT throws_ok(format('INSERT INTO loyalty.plan (program_id, name, %s) VALUES (%s, %L, %s)', columns, :shop, 'bad', vals), code, NULL, what)
FROM (VALUES
	('a price with too many decimals', 'months, price', '1, 9.999', 'LY103'),
	('a price below zero', 'months, price', '1, -1', '23514'),
	('a price that is no number', 'months, price', $$1, 'NaN'$$, '23514'),
	('a price beyond all bounds', 'months, price', '1, 1e12', '23514'),
	('no price', 'months', '1', '23502'),
	('no period', 'price', '1', '23514'),
	('two periods', 'months, days, price', '1, 1, 1', '23514'),
	('no months', 'months, price', '0, 1', '23514'),
	('a rank below zero', 'months, price, rank', '1, 1, -1', '23514'),
	('a tier that is not there', 'months, price, tier', $$1, 1, 'gold'$$, NULL)
) v (what, columns, vals, code)
WHERE code IS NOT NULL;
SELECT throws_ok(format('UPDATE loyalty.plan SET price = 9.999 WHERE program_id = %s AND name = %L', :shop, 'plus'), 'LY103', NULL, 'nor later');
SELECT throws_ok(format($$INSERT INTO loyalty.plan (program_id, name, months, price) VALUES (%s, 'plus', 1, 1)$$, :shop), '23505', NULL, 'a name that is taken');
SELECT throws_ok($$INSERT INTO loyalty.plan (program_id, name, months, price) VALUES (0, 'plus', 1, 1)$$, '23503', NULL, 'a programme that is not there');

-- Buy
SELECT results_eq($$SELECT status, postings::text, messages FROM loyalty.plan_buy(pg_temp.id('ann'), 'plus', 'pay-1')$$,
	$$VALUES ('done', '{}', '[{"code": "plan_period", "plan": "plus", "starts_on": "2026-03-15", "ends_on": "2027-03-14"}, {"code": "due", "amount": 100}]'::jsonb)$$,
	'bought: what, until when, for how much');
SELECT results_eq($$SELECT kind, event, ref, reverses, amount, unit_id FROM loyalty.journal WHERE member_id = pg_temp.id('ann') AND kind LIKE 'plan%'$$,
	$$VALUES ('plan_buy', NULL::text, 'pay-1', NULL::text, 10000::bigint, NULL::int)$$, 'the journal has the payment in the currency');
SELECT is(pg_temp.current_plans('ann'), 'plus held 100', 'it is held at once');
SELECT is((SELECT pg_temp.told(a) = pg_temp.told(b) AND NOT a.replayed AND b.replayed FROM
	loyalty.plan_buy(pg_temp.id('bob'), 'week', 'pay-1', key => 'k1') a, loyalty.plan_buy(pg_temp.id('bob'), 'week', 'pay-1', key => 'k1') b), true, 'a repetition replays');
SELECT is((SELECT replayed FROM loyalty.plan_buy(pg_temp.id('ann'), 'plus', 'pay-1')), true, 'without a key, by the payment');
SELECT is(pg_temp.last_period('bob'), '2026-03-15..2026-03-21', 'a plan of seven days');
SELECT is(pg_temp.bought('ann'), 'plus 2026-03-15..2027-03-14 active 100', 'bought once');
SELECT is(pg_temp.state(), (SELECT pg_temp.state() FROM (SELECT status FROM loyalty.plan_buy(pg_temp.id('cat'), 'pro', 'pay-1', mode => 'dry') OFFSET 0) x WHERE x.status = 'dry'),
	'a dry run writes nothing');
SELECT is((SELECT pg_temp.told_amounts(r) FROM loyalty.plan_buy(pg_temp.id('cat'), 'plus', 'pay-1', price => 79.5) r), 'due 79.5', 'at another price');
SELECT is((SELECT pg_temp.told_amounts(r) FROM loyalty.plan_buy(pg_temp.id('dan'), 'free', 'trial') r), 'due 0', 'for nothing');
SELECT is(pg_temp.last_period('dan'), '2026-03-15..2026-04-13', 'for thirty days');

-- Refused
CREATE TEMP TABLE bad (id int GENERATED ALWAYS AS IDENTITY, what text, call text, raised text);
INSERT INTO bad (what, call, raised) VALUES
	('no plan', $$plan_buy({eve}, NULL, 'n')$$, '22004'),
	('a plan that is not there', $$plan_buy({eve}, 'nothing', 'n')$$, 'LY409 plan=nothing'),
	('a plan that is not sold', $$plan_buy({eve}, 'old', 'n')$$, 'LY409 plan=old is not sold'),
	('a plan of another programme', $$plan_buy({eve}, 'theirs', 'n')$$, 'LY409 plan=theirs'),
	('no payment', $$plan_buy({eve}, 'plus', NULL)$$, 'LY005 plan_buy needs the reference of the payment'),
	('an empty payment', $$plan_buy({eve}, 'plus', '')$$, 'LY005 ref is empty'),
	('a price below zero', $$plan_buy({eve}, 'plus', 'n', -1)$$, 'LY101 price=-1 decimals=2'),
	('a price with too many decimals', $$plan_buy({eve}, 'plus', 'n', 1.005)$$, 'LY103 price=1.005 decimals=2'),
	('a price that is no number', $$plan_buy({eve}, 'plus', 'n', 'NaN')$$, 'LY104 price=NaN decimals=2'),
	('a price beyond all bounds', $$plan_buy({eve}, 'plus', 'n', 1e20)$$, 'LY102 price=100000000000000000000 decimals=2'),
	('a period that is over', $$plan_buy({eve}, 'week', 'n', starts_on => '2026-03-08')$$, 'LY110 the period ends before today'),
	('a period without beginning', $$plan_buy({eve}, 'week', 'n', starts_on => '-infinity')$$, 'LY107 starts_on lies outside the years 1 to 9999'),
	('a period that never begins', $$plan_buy({eve}, 'week', 'n', starts_on => 'infinity')$$, 'LY107 starts_on lies outside the years 1 to 9999'),
	('a period at the end of time', $$plan_buy({eve}, 'plus', 'n', starts_on => '9999-12-31')$$, 'LY107 the period ends after the year 9999'),
	('a second plan', $$plan_buy({ann}, 'pro', 'n')$$, 'LY420 starts_on=2026-03-15 ends_on=2027-03-14'),
	('on the last day of the first', $$plan_buy({ann}, 'week', 'n', starts_on => '2027-03-14')$$, 'LY420 starts_on=2026-03-15 ends_on=2027-03-14'),
	('whose last day is the first of another', $$plan_buy({ann}, 'week', 'n', starts_on => '2026-03-09')$$, 'LY420 starts_on=2026-03-15 ends_on=2027-03-14'),
	('the same payment for something else', $$plan_buy({ann}, 'pro', 'pay-1')$$, 'LY002 *'),
	('the same payment with another key', $$plan_buy({ann}, 'plus', 'pay-1', key => 'k9')$$, 'LY003 *'),
	('the same payment for a renewal', $$plan_renew({ann}, 'pay-1')$$, 'LY003 *'),
	('the same payment for an upgrade', $$plan_upgrade({ann}, 'pro', 'pay-1')$$, 'LY003 *'),
	('to renew without a plan', $$plan_renew({eve}, 'n')$$, 'LY421 there is nothing to renew'),
	('to renew without a payment', $$plan_renew({ann}, NULL)$$, 'LY005 plan_renew needs the reference of the payment'),
	('to renew as a plan that is not there', $$plan_renew({ann}, 'n', plan => 'nothing')$$, 'LY409 plan=nothing'),
	('to renew for less than nothing', $$plan_renew({ann}, 'n', -0.01)$$, 'LY101 price=-0.01 decimals=2'),
	('to upgrade without a plan', $$plan_upgrade({eve}, 'pro', 'n')$$, 'LY421 there is nothing to upgrade'),
	('to upgrade to a plan that is not there', $$plan_upgrade({ann}, 'nothing', 'n')$$, 'LY409 plan=nothing'),
	('to upgrade to a plan that is not sold', $$plan_upgrade({ann}, 'old', 'n')$$, 'LY409 plan=old is not sold'),
	('to upgrade to the same', $$plan_upgrade({ann}, 'plus', 'n')$$, 'LY422 plan=plus rank=1 held=plus rank=1'),
	('to upgrade to a lower one', $$plan_upgrade({ann}, 'month', 'n')$$, 'LY422 plan=month rank=0 held=plus rank=1'),
	('to cancel nothing', $$plan_cancel({eve})$$, 'LY421 there is nothing to cancel'),
	('to refund what was not paid', $$plan_refund({ann}, 'n')$$, 'LY130 the member has bought no plan with this payment'),
	('to refund the payment of another', $$plan_refund({eve}, 'pay-1')$$, 'LY130 the member has bought no plan with this payment'),
	('to refund no payment', $$plan_refund({ann}, NULL)$$, 'LY005 plan_refund needs the reference of the payment'),
	('a member who is not there', $$plan_buy(0, 'plus', 'n')$$, 'LY501 member_id=0'),
	('the plans of a member who is not there', $$plan_current(0)$$, 'LY501 member_id=0'),
	('the plans of nobody', $$plan_current(NULL)$$, '22004'),
	('what is due in a programme that is not there', $$plan_due('Nowhere')$$, 'LY403 *');
SELECT pg_temp.state() AS state \gset
SELECT alike(regexp_replace(pg_temp.raised('SELECT * FROM loyalty.' || replace(replace(call, '{ann}', pg_temp.id('ann')::text), '{eve}', pg_temp.id('eve')::text)), '^(22004|LY\d+)( .*)?$', '\1\2'),
	replace(raised, '*', '%') , 'refused: ' || what)
FROM bad ORDER BY id;
SELECT is(pg_temp.state(), :'state', 'what was refused has changed nothing');
SELECT results_eq($$SELECT status, reason FROM loyalty.plan_buy(pg_temp.id('ann'), 'pro', 'n', mode => 'try')$$, $$VALUES ('refused', 'plan_held')$$, 'mode try tells why');

-- The days of a period: the anchor day is kept
CREATE FUNCTION pg_temp.chain(name text, plan text, starts_on date, n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	periods text;
BEGIN
	PERFORM FROM loyalty.plan_buy(pg_temp.id(name), plan, plan || starts_on || '/0', starts_on => starts_on);
	FOR i IN 1..n LOOP
		PERFORM FROM loyalty.plan_renew(pg_temp.id(name), plan || starts_on || '/' || i);
	END LOOP;
	SELECT string_agg(to_char(r.starts_on, 'YYYY-MM-DD') || '..' || to_char(r.ends_on, 'MM-DD'), ' ' ORDER BY r.starts_on)
	INTO periods FROM loyalty.report_plan r WHERE r.member_id = pg_temp.id(name);
	RETURN periods;
END
$$;
SELECT is(pg_temp.chain('eve', 'month', '2027-01-31', 5),
	'2027-01-31..02-27 2027-02-28..03-30 2027-03-31..04-29 2027-04-30..05-30 2027-05-31..06-29 2027-06-30..07-30', 'months from the 31st');
SELECT is(pg_temp.chain('fay', 'month', '2028-01-31', 2), '2028-01-31..02-28 2028-02-29..03-30 2028-03-31..04-29', 'in a leap year');
SELECT is(pg_temp.chain('guy', 'month', '2027-01-30', 2), '2027-01-30..02-27 2027-02-28..03-29 2027-03-30..04-29', 'from the 30th');
SELECT is(pg_temp.chain('hal', 'month', '2027-01-28', 2), '2027-01-28..02-27 2027-02-28..03-27 2027-03-28..04-27', 'from the 28th, which is in every month');
SELECT is(pg_temp.chain('ivy', 'plus', '2028-02-29', 4), '2028-02-29..02-27 2029-02-28..02-27 2030-02-28..02-27 2031-02-28..02-28 2032-02-29..02-27', 'years from 29 February');
SELECT is(pg_temp.chain('jon', 'month', '2026-12-31', 2), '2026-12-31..01-30 2027-01-31..02-27 2027-02-28..03-30', 'across the year');
SELECT is(pg_temp.chain('kay', 'week', '2027-02-25', 1), '2027-02-25..03-03 2027-03-04..03-10', 'weeks');
-- one after another of a different length
SELECT FROM loyalty.plan_buy(pg_temp.id('leo'), 'month', 'p1', starts_on => '2027-01-31');
SELECT FROM loyalty.plan_renew(pg_temp.id('leo'), 'p2', plan => 'plus');
SELECT is(pg_temp.bought('leo'), 'month 2027-01-31..2027-02-27 active 10, plus 2027-02-28..2028-02-28 active 100', 'a year after a month keeps the anchor');
SELECT FROM loyalty.plan_buy(pg_temp.id('leo'), 'month', 'p3', starts_on => '2028-02-29');
SELECT is(pg_temp.last_period('leo'), '2028-02-29..2028-03-30', 'so does what is bought for the day after');
SELECT FROM loyalty.plan_renew(pg_temp.id('leo'), 'p4', plan => 'week');
SELECT is(pg_temp.last_period('leo'), '2028-03-31..2028-04-06', 'days are days');
SELECT FROM loyalty.plan_renew(pg_temp.id('leo'), 'p5', plan => 'month');
SELECT is(pg_temp.last_period('leo'), '2028-04-07..2028-05-06', 'and begin a new chain');
SELECT FROM loyalty.plan_buy(pg_temp.id('leo'), 'month', 'p6', starts_on => '2028-06-30');
SELECT is(pg_temp.last_period('leo'), '2028-06-30..2028-07-29', 'so does a gap');
-- the days agree with PostgreSQL's own months, counted from the first day
SELECT is_empty($$
	WITH chain AS (
		SELECT r.member_id, r.starts_on, r.ends_on, min(r.starts_on) OVER w AS anchor, row_number() OVER w AS n
		FROM loyalty.report_plan r WHERE r.plan = 'month' AND r.member_id IN (pg_temp.id('eve'), pg_temp.id('fay'), pg_temp.id('guy'), pg_temp.id('hal'), pg_temp.id('jon'))
		WINDOW w AS (PARTITION BY r.member_id ORDER BY r.starts_on))
	SELECT * FROM chain
	WHERE starts_on <> anchor + make_interval(months => (n - 1)::int) OR ends_on + 1 <> anchor + make_interval(months => n::int)$$,
	'the nth period begins n - 1 months after the first');

-- Renew
SET loyalty.now = '2026-04-20 12:00+00';
SELECT is(pg_temp.current_plans('dan'), 'none', 'the trial is over');
SELECT FROM loyalty.plan_renew(pg_temp.id('dan'), 'p2', plan => 'plus');
SELECT is(pg_temp.bought('dan'), 'free 2026-03-15..2026-04-13 active 0, plus 2026-04-20..2027-04-19 active 100', 'renewed after the end: from today');
SELECT FROM loyalty.plan_renew(pg_temp.id('dan'), 'p3');
SELECT FROM loyalty.plan_renew(pg_temp.id('dan'), 'p4', 90);
SELECT is(pg_temp.bought('dan'), 'free 2026-03-15..2026-04-13 active 0, plus 2026-04-20..2027-04-19 active 100, plus 2027-04-20..2028-04-19 active 100, plus 2028-04-20..2029-04-19 active 90',
	'renewed before: from the day after the last, with the same plan');
SELECT is(pg_temp.current_plans('dan'), 'plus held 100, plus to come 100, plus to come 90', 'one is held, two are to come');
UPDATE loyalty.plan SET status = 'inactive', price = 55 WHERE program_id = :shop AND name = 'week';
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.plan_renew(pg_temp.id('bob'), 'p2')$$), 'LY409 plan=week is not sold', 'not by a plan that is not sold any more');
UPDATE loyalty.plan SET status = 'active', price = 4.99 WHERE program_id = :shop AND name = 'week';

-- Auto-renew is a wish
SELECT FROM loyalty.plan_buy(pg_temp.id('max'), 'month', 'm1', auto_renew => true);
SELECT FROM loyalty.plan_buy(pg_temp.id('ned'), 'month', 'n1', auto_renew => true);
SELECT FROM loyalty.plan_buy(pg_temp.id('oda'), 'month', 'o1');
SELECT is_empty($$SELECT * FROM loyalty.plan_due('Shop')$$, 'nobody is due yet');
SELECT is_empty($$SELECT * FROM loyalty.plan_due('Shop', '2026-05-18')$$, 'nor the day before');
SELECT results_eq($$SELECT member_id, plan, ends_on, price, currency, ref FROM loyalty.plan_due('Shop', '2026-05-19')$$,
	format($$VALUES (%s::bigint, 'month', '2026-05-19'::date, 10.00, 'CNY', 'm1'), (%s, 'month', '2026-05-19', 10, 'CNY', 'n1')$$, pg_temp.id('max'), pg_temp.id('ned')), 'who ends by then and wished it');
SELECT FROM loyalty.plan_renew(pg_temp.id('max'), 'm2');
SELECT results_eq($$SELECT member_id FROM loyalty.plan_due('Shop', '2026-05-19')$$, format('VALUES (%s::bigint)', pg_temp.id('ned')), 'who is renewed is not due');
SELECT results_eq($$SELECT member_id, ends_on FROM loyalty.plan_due('Shop', '2026-06-19')$$,
	format($$VALUES (%s::bigint, '2026-05-19'::date), (%s, '2026-06-19')$$, pg_temp.id('ned'), pg_temp.id('max')), 'until it ends, because the wish is kept');
SELECT is_empty($$SELECT * FROM loyalty.plan_due('Other', '2099-01-01')$$, 'nobody of another programme');

-- Cancel
SELECT is((SELECT concat_ws(' ', status, replayed, journal_id IS NOT NULL) FROM loyalty.plan_cancel(pg_temp.id('ned'))), 'done f t', 'cancelled');
SELECT is_empty($$SELECT * FROM loyalty.plan_due('Shop', '2026-05-19')$$, 'it is not due any more');
SELECT is(pg_temp.current_plans('ned'), 'month held 10', 'but held to its end');
SELECT is((SELECT concat_ws(' ', status, replayed, journal_id) FROM loyalty.plan_cancel(pg_temp.id('ned'))), 'done t', 'again: nothing is left to do');
SELECT is((SELECT concat_ws(' ', status, replayed, journal_id) FROM loyalty.plan_cancel(pg_temp.id('oda'))), 'done t', 'nor for who had not wished it');
SELECT FROM loyalty.plan_renew(pg_temp.id('ned'), 'n2');
SELECT is((SELECT string_agg(auto_renew::text, ' ' ORDER BY starts_on) FROM loyalty.plan_current(pg_temp.id('ned'))), 'false false', 'renewed by hand it stays cancelled');
SELECT FROM loyalty.plan_renew(pg_temp.id('ned'), 'n3', auto_renew => true);
SELECT is((SELECT string_agg(auto_renew::text, ' ' ORDER BY starts_on) FROM loyalty.plan_current(pg_temp.id('ned'))), 'false false true', 'unless it is wished anew');
SET loyalty.now = '2026-07-01 12:00+00';
SELECT results_eq($$SELECT member_id, ends_on FROM loyalty.plan_due('Shop')$$, format($$VALUES (%s::bigint, '2026-06-19'::date)$$, pg_temp.id('max')), 'what has ended stays due');
SELECT is((SELECT status FROM loyalty.plan_cancel(pg_temp.id('max'))), 'done', 'until it is cancelled');
SELECT is_empty($$SELECT * FROM loyalty.plan_due('Shop')$$, 'which can be done after the end');
SELECT throws_ok($$SELECT * FROM loyalty.plan_cancel(pg_temp.id('max'))$$, 'LY421', NULL, 'once');

-- Held by the date, in the programme's zone
SET loyalty.now = '2027-03-14 15:59:59.999999+00';
SELECT is(pg_temp.current_plans('ann'), 'plus held 0.27', 'to the last moment of the last day');
SET loyalty.now = '2027-03-14 16:00+00';
SELECT is(pg_temp.current_plans('ann'), 'none', 'and no longer');
SELECT throws_ok($$SELECT * FROM loyalty.plan_refund(pg_temp.id('ann'), 'pay-1')$$, 'LY421', NULL, 'what is over is not refunded');
SELECT throws_ok($$SELECT * FROM loyalty.plan_upgrade(pg_temp.id('ann'), 'pro', 'pay-2')$$, 'LY421', NULL, 'nor upgraded');

-- Refund: by the days that are left, today included. 365 days from 2026-03-15 to 2027-03-14.
SET loyalty.now = '2026-03-15 12:00+00';
SELECT FROM loyalty.plan_buy(pg_temp.id('pam'), 'plus', 'p1', auto_renew => true);
SELECT is((SELECT pg_temp.told_amounts(r) FROM loyalty.plan_refund(pg_temp.id('pam'), 'p1', mode => 'dry') r), 'refund p1 100', 'on the first day all of it');
SET loyalty.now = '2026-03-16 12:00+00';
SELECT is((SELECT pg_temp.told_amounts(r) FROM loyalty.plan_refund(pg_temp.id('pam'), 'p1', mode => 'dry') r), 'refund p1 99.72', 'a day later 364 / 365 of it, rounded down');
SET loyalty.now = '2026-09-15 12:00+00';
SELECT is(pg_temp.current_plans('pam'), 'plus held 49.58', '181 / 365');
SELECT is((SELECT pg_temp.told_amounts(r) FROM loyalty.plan_refund(pg_temp.id('pam'), 'p1') r), 'refund p1 49.58', 'as much is given back');
SELECT is(pg_temp.bought('pam'), 'plus 2026-03-15..2026-09-14 refunded 100', 'it ended yesterday');
SELECT is(pg_temp.current_plans('pam'), 'none', 'and is not held');
SELECT results_eq($$SELECT kind, ref, reverses, amount FROM loyalty.journal WHERE member_id = pg_temp.id('pam') ORDER BY journal_id DESC LIMIT 1$$,
	$$VALUES ('plan_refund', 'p1', 'p1', 4958::bigint)$$, 'the journal tells of which payment');
SELECT is((SELECT concat_ws(' ', replayed, pg_temp.told_amounts(r)) FROM loyalty.plan_refund(pg_temp.id('pam'), 'p1') r), 't refund p1 49.58', 'a repetition replays');
SELECT throws_ok($$SELECT * FROM loyalty.plan_refund(pg_temp.id('pam'), 'p1', key => 'k2')$$, 'LY003', NULL, 'a second refund is refused');
SELECT throws_ok($$SELECT * FROM loyalty.plan_renew(pg_temp.id('pam'), 'p2')$$, 'LY421', NULL, 'what was given back is not renewed');
SELECT is_empty($$SELECT * FROM loyalty.plan_due('Shop', '2027-12-31') WHERE member_id = pg_temp.id('pam')$$, 'nor due');
SELECT FROM loyalty.plan_buy(pg_temp.id('pam'), 'month', 'p2');
SELECT is(pg_temp.bought('pam'), 'plus 2026-03-15..2026-09-14 refunded 100, month 2026-09-15..2026-10-14 active 10', 'but bought anew, on the same day');

-- Bought ahead
SELECT FROM loyalty.plan_buy(pg_temp.id('pam'), 'plus', 'p3', starts_on => '2026-12-01');
SELECT is(pg_temp.current_plans('pam'), 'month held 10, plus to come 100', 'bought for later');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.plan_buy(pg_temp.id('pam'), 'plus', 'p4', starts_on => '2026-10-15')$$), 'LY420 starts_on=2026-12-01 ends_on=2027-11-30', 'nothing that reaches into it');
SELECT FROM loyalty.plan_buy(pg_temp.id('pam'), 'month', 'p4', starts_on => '2026-11-01');
SELECT is((SELECT string_agg(starts_on || '', ' ' ORDER BY starts_on) FROM loyalty.plan_current(pg_temp.id('pam'))), '2026-09-15 2026-11-01 2026-12-01', 'but what fits between');
SELECT is((SELECT pg_temp.told_amounts(r) FROM loyalty.plan_refund(pg_temp.id('pam'), 'p3') r), 'refund p3 100', 'what has not begun is given back wholly');
SELECT is(pg_temp.bought('pam'), 'plus 2026-03-15..2026-09-14 refunded 100, month 2026-09-15..2026-10-14 active 10, month 2026-11-01..2026-11-30 active 10, plus 2026-12-01..2026-11-30 refunded 100',
	'and leaves no day');
SELECT FROM loyalty.plan_buy(pg_temp.id('pam'), 'plus', 'p5', starts_on => '2026-12-01');
SELECT is(pg_temp.last_period('pam'), '2026-12-01..2027-11-30', 'so its days are free again');
SELECT FROM loyalty.plan_buy(pg_temp.id('cat'), 'week', 'late', starts_on => '2027-03-15');
SELECT is(pg_temp.bought('cat'), 'plus 2026-03-15..2027-03-14 active 79.5, week 2027-03-15..2027-03-21 active 4.99', 'beginning the day after');
-- from before: a plan that another system has sold
SELECT FROM loyalty.plan_buy(pg_temp.id('oda'), 'plus', 'old-1', starts_on => '2026-08-20', price => 100);
SELECT is(pg_temp.current_plans('oda'), 'plus held 92.87', 'a period that began before today: 339 / 365');

-- Upgrade: 365 days for 100, of which 181 are left
SELECT FROM loyalty.plan_buy(pg_temp.id('ron'), 'plus', 'r1', starts_on => '2026-03-15', auto_renew => true);
SELECT is((SELECT pg_temp.told_amounts(r) FROM loyalty.plan_upgrade(pg_temp.id('ron'), 'pro', 'r2') r), 'credit 49.58, due 250.42', 'what is left counts as paid');
SELECT is(pg_temp.bought('ron'), 'plus 2026-03-15..2026-09-14 upgraded 100, pro 2026-09-15..2027-09-14 active 250.42', 'a full period from today');
SELECT is((SELECT amount FROM loyalty.journal WHERE member_id = pg_temp.id('ron') AND kind = 'plan_upgrade'), 25042::bigint, 'the journal has what was paid');
SELECT is((SELECT string_agg(auto_renew::text, ' ') FROM loyalty.plan_current(pg_temp.id('ron'))), 'true', 'the wish to renew is kept');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.plan_refund(pg_temp.id('ron'), 'r1')$$), 'LY421 the period was upgraded: refund what it became', 'the first payment is not refunded by itself');
SELECT is(pg_temp.current_plans('ron'), 'pro held 300', 'the credit is worth as much as money');
SELECT is((SELECT pg_temp.told_amounts(r) FROM loyalty.plan_refund(pg_temp.id('ron'), 'r2', mode => 'dry') r), 'refund r2 250.42, refund r1 49.58',
	'refunded at once: of each payment what it was worth');
SET loyalty.now = '2026-10-15 12:00+00';
-- 335 of 365 days of 300
SELECT is((SELECT pg_temp.told_amounts(r) FROM loyalty.plan_refund(pg_temp.id('ron'), 'r2') r), 'refund r2 250.42, refund r1 24.92', 'a month later: 275.34, the newer payment first');
SELECT is((SELECT string_agg(trim_scale(refunded) || ' of ' || trim_scale(paid), ', ' ORDER BY journal_id) FROM loyalty.report_plan WHERE member_id = pg_temp.id('ron')), '24.92 of 100, 250.42 of 250.42',
	'never more than was paid');
SELECT is((SELECT amount FROM loyalty.journal WHERE member_id = pg_temp.id('ron') AND kind = 'plan_refund'), 27534::bigint, 'the journal has the sum');
-- upgraded twice, and a credit that is worth more than the price
SELECT FROM loyalty.plan_buy(pg_temp.id('ron'), 'month', 'r3');
SELECT is((SELECT pg_temp.told_amounts(r) FROM loyalty.plan_upgrade(pg_temp.id('ron'), 'plus', 'r4') r), 'credit 10, due 90', 'on the first day all of it counts');
SELECT is(pg_temp.last_period('ron'), '2026-10-15..2027-10-14', 'the period before has no day');
SELECT is((SELECT pg_temp.told_amounts(r) FROM loyalty.plan_upgrade(pg_temp.id('ron'), 'pro', 'r5', price => 99.99) r), 'credit 99.99, due 0', 'nothing is due below zero');
SELECT is((SELECT pg_temp.told_amounts(r) FROM loyalty.plan_refund(pg_temp.id('ron'), 'r5') r), 'refund r5 0, refund r4 90, refund r3 9.99', 'given back along the chain');
-- not into what was bought ahead
SELECT is(pg_temp.current_plans('dan'), 'plus held 51.23, plus to come 100, plus to come 90', '187 of 365 days are left');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.plan_upgrade(pg_temp.id('dan'), 'pro', 'p5')$$), 'LY420 starts_on=2027-04-20 ends_on=2028-04-19', 'an upgrade does not reach into what was bought ahead');
SELECT FROM loyalty.plan_refund(pg_temp.id('dan'), 'p3');
SELECT FROM loyalty.plan_refund(pg_temp.id('dan'), 'p4');
SELECT is((SELECT pg_temp.told_amounts(r) FROM loyalty.plan_upgrade(pg_temp.id('dan'), 'pro', 'p5') r), 'credit 51.23, due 248.77', 'which is refunded first');

-- Who may
SELECT FROM loyalty.member_freeze(pg_temp.id('cat'), 'lost card');
SELECT is((SELECT status FROM loyalty.plan_cancel(pg_temp.id('cat'), mode => 'try')), 'done', 'a frozen member can cancel');
SELECT FROM loyalty.member_close(pg_temp.id('cat'), 'left');
SELECT is((SELECT reason FROM loyalty.plan_renew(pg_temp.id('cat'), 'n', mode => 'try')), 'member_closed', 'a closed one buys nothing');
SELECT is((SELECT pg_temp.told_amounts(r) FROM loyalty.plan_refund(pg_temp.id('cat'), 'late') r), 'refund late 4.99', 'but is given back what was paid');

-- A renewal that is taken back is not wished any more
CALL pg_temp.enroll('Shop', 'una');
SELECT FROM loyalty.plan_buy(pg_temp.id('una'), 'week', 'w1', auto_renew => true);
SELECT FROM loyalty.plan_renew(pg_temp.id('una'), 'w2');
SELECT FROM loyalty.plan_refund(pg_temp.id('una'), 'w2');
SELECT is((SELECT count(*)::int FROM loyalty.plan_current(pg_temp.id('una')) WHERE held AND NOT auto_renew), 1, 'a renewal taken back: what was bought before is held, and no more');
SELECT is_empty(format('SELECT * FROM loyalty.plan_due(%L, %L) WHERE member_id = %s', 'Shop', '2099-01-01', pg_temp.id('una')), 'a renewal taken back: nobody is charged again');

-- What others see
SELECT results_eq($$SELECT kind, amount, amount_in FROM loyalty.report_event WHERE member_id = pg_temp.id('ron') AND ref = 'r2' ORDER BY journal_id$$,
	$$VALUES ('plan_upgrade', 250.42, 'CNY'), ('plan_refund', 275.34, 'CNY')$$, 'report_event has them in the currency');
SELECT results_eq($$SELECT e.outcome, e.reason FROM loyalty.journal j, loyalty.explain(j.member_id, j.journal_id) e WHERE j.member_id = pg_temp.id('ron') AND j.ref = 'r2' AND j.kind = 'plan_upgrade'$$,
	$$VALUES ('nothing', 'plan_period'), ('nothing', 'credit'), ('nothing', 'due')$$, 'explain() tells them');
SELECT lives_ok($$SELECT * FROM loyalty.statement(pg_temp.id('ron'))$$, 'statement() reads past them');
SELECT isnt_empty($$SELECT * FROM loyalty.report_daily WHERE kind = 'plan_buy'$$, 'report_daily counts them');

-- In use
SELECT throws_ok(format('DELETE FROM loyalty.plan WHERE program_id = %s AND name = %L', :shop, 'plus'), '23503', NULL, 'a plan that was bought cannot be deleted');
SELECT lives_ok(format('DELETE FROM loyalty.plan WHERE program_id = %s AND name = %L', :shop, 'old'), 'one that was not can');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
