\set ECHO none
\i test/prelude.sql
SELECT plan(83);

CREATE FUNCTION pg_temp.buy(name text, amount numeric, ref text, at timestamptz DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$ SELECT pg_temp.step(r) FROM loyalty.purchase(pg_temp.id(name), amount, ref, at => at) r $$;
CREATE FUNCTION pg_temp.tier_id(program int, tier text) RETURNS int
LANGUAGE sql STABLE AS $$ SELECT tier_id FROM loyalty.tier WHERE program_id = $1 AND code = $2 $$;
-- '2000/3000 growth for gold' and so on
CREATE FUNCTION pg_temp.missing(name text, purpose text DEFAULT 'entry') RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(format('%s/%s %s for %s in %s..%s', trim_scale(p.reached), trim_scale(p.threshold), p.unit, p.for_tier,
		to_char(p.window_from, 'YYYY-MM-DD'), to_char(p.window_until, 'YYYY-MM-DD')), ', '), 'nothing')
	FROM loyalty.tier_progress(pg_temp.id(name)) p WHERE p.purpose = missing.purpose
$$;

SELECT is(pg_temp.signature(name), signature, name || '(): arguments and result')
FROM (VALUES
	('tier_ask', '(program text, tier text, unit text, threshold numeric, purpose text DEFAULT ''entry''::text, '
		'window_kind text DEFAULT ''rolling''::text, months integer DEFAULT 12) -> void'),
	('tier_review', '(member_id bigint, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, '
		'mode text DEFAULT ''do''::text) -> loyalty.receipt'),
	('tier_grant', '(member_id bigint, tier text, reason text, until date DEFAULT NULL::date, locked_until date DEFAULT NULL::date, '
		'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, '
		'mode text DEFAULT ''do''::text) -> loyalty.receipt'),
	('tier_current', '(member_id bigint) -> TABLE(tier text, tier_since date, tier_until date, tier_state text)'),
	('tier_at', '(member_id bigint, at timestamp with time zone) -> text'),
	('tier_progress', '(member_id bigint) -> TABLE(tier text, tier_since date, tier_until date, tier_state text, purpose text, '
		'for_tier text, match text, unit text, reached numeric, threshold numeric, missing numeric, window_kind text, '
		'window_from date, window_until date, keep_by date, projected_tier text, projected_state text)')
) v(name, signature);

-- The shape of the product documents: growth points, a thousand, then three.
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, expiry, window_months) VALUES (:shop, 'growth', 'metric', 'never', 12);
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, per)
	SELECT :shop, 'purchase', unit_id, 'per_amount', 1, 1 FROM loyalty.unit WHERE program_id = :shop AND code = 'growth';
CALL pg_temp.enroll('Shop', 'old');
SELECT is(pg_temp.buy('old', 1500, 'before'), 'none -> none', 'without tiers a receipt names none');
SELECT is(pg_temp.tier('old'), 'none', 'nor has the member one');

INSERT INTO loyalty.tier (program_id, code, rank, valid_months, warn_days, title, icon, color) VALUES
	(:shop, 'ordinary', 0, NULL, 30, 'Ordinary', 'o.png', '#999999'), (:shop, 'silver', 1, 12, 30, NULL, NULL, NULL),
	(:shop, 'gold', 2, 12, 30, NULL, NULL, NULL), (:shop, 'diamond', 3, 12, 30, NULL, NULL, NULL);
SELECT loyalty.tier_ask('Shop', 'silver', 'growth', 1000) AS asked \gset
SELECT loyalty.tier_ask('Shop', 'gold', 'growth', 3000) AS asked \gset
SELECT loyalty.tier_ask('Shop', 'diamond', 'growth', 10000) AS asked \gset
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay');

SELECT is(pg_temp.tier('ann'), 'ordinary', 'everybody joins the tier that asks for nothing');
SELECT is(pg_temp.tiers('ann'), 'joined ordinary', 'when the member signs up');
SELECT is((SELECT pg_temp.step(r) FROM loyalty.enroll('Shop', '{"customer_no": "new"}') r), 'none -> ordinary', 'and the receipt says so');
SELECT is(pg_temp.missing('ann'), '0/1000 growth for silver in 2025-04-01..2026-03-15', 'what is missing for the next tier');
SELECT is(pg_temp.buy('ann', 999.99, 'o1'), 'ordinary -> ordinary', 'rule 12: 999 growth points are not enough');
SELECT is(pg_temp.missing('ann'), '999/1000 growth for silver in 2025-04-01..2026-03-15', 'one is missing');
SELECT is(pg_temp.buy('ann', 1, 'o2'), 'ordinary -> silver', 'rule 12: promoted with the purchase that brings the thousandth');
SELECT is(pg_temp.buy('ann', 1, 'o2'), 'ordinary -> silver', 'rule 1: a replay tells the same');
SELECT is(pg_temp.tier('ann'), 'silver until 2027-03-14', 'for twelve months');
SELECT is(pg_temp.tiers('ann'), 'joined ordinary, promoted silver 1000/1000 growth', 'the history names metric and threshold');
SELECT results_eq($$SELECT h.effective_at, h.tier_until, h.locked_until, h.window_from, h.window_until, j.event, j.ref
	FROM loyalty.tier_history h JOIN loyalty.journal j USING (member_id, journal_id)
	WHERE h.member_id = pg_temp.id('ann') AND h.action = 'promoted'$$,
	$$VALUES ('2026-03-15 12:00+00'::timestamptz, '2027-03-14'::date, NULL::date, '2025-04-01'::date, '2026-03-15'::date, 'purchase', 'o2')$$,
	'window and cause');
SELECT results_eq($$SELECT j.ref, b.code, a.code FROM loyalty.journal j
	LEFT JOIN loyalty.tier b ON b.tier_id = j.tier_before LEFT JOIN loyalty.tier a ON a.tier_id = j.tier_after
	WHERE j.member_id = pg_temp.id('ann') ORDER BY j.journal_id$$,
	$$VALUES (NULL, NULL, 'ordinary'), ('o1', 'ordinary', 'ordinary'), ('o2', 'ordinary', 'silver')$$, 'and the journal both tiers');
SELECT is(pg_temp.buy('bob', 10000, 'o1'), 'ordinary -> diamond', 'rule 12: levels may be skipped');
SELECT is(pg_temp.tiers('bob'), 'joined ordinary, promoted diamond 10000/10000 growth', 'in one step');
SELECT is(pg_temp.missing('bob'), 'nothing', 'there is nothing above');
SELECT is((SELECT status || ' ' || pg_temp.step(r) FROM loyalty.purchase(pg_temp.id('cat'), 3000, 'o1', mode => 'dry') r), 'dry ordinary -> gold', 'mode dry: the same answer');
SELECT is(pg_temp.tier('cat') || ', ' || pg_temp.tiers('cat'), 'ordinary, joined ordinary', 'and nothing written');
SELECT is((SELECT pg_temp.step(r) FROM loyalty.redeem(pg_temp.id('ann'), 10, key => 'k1') r), 'silver -> silver', 'a call that changes nothing shows the tier');

-- tier_ask()
SELECT results_eq($$SELECT t.code, h.purpose, h.threshold, h.window_kind, h.months FROM loyalty.tier_threshold h JOIN loyalty.tier t USING (tier_id) ORDER BY 3$$,
	$$VALUES ('silver', 'entry', 1000::numeric, 'rolling', 12), ('gold', 'entry', 3000, 'rolling', 12), ('diamond', 'entry', 10000, 'rolling', 12)$$, 'tier_ask: the thresholds');
SELECT loyalty.tier_ask('Shop', 'gold', 'growth', 2000, 'retention', 'tier_start') AS asked \gset
SELECT loyalty.tier_ask('Shop', 'gold', 'growth', 2500, 'retention', 'rolling', 6) AS asked \gset
SELECT results_eq($$SELECT threshold, window_kind, months FROM loyalty.tier_threshold WHERE purpose = 'retention'$$, $$VALUES (2500::numeric, 'rolling', 6)$$, 'tier_ask: changes what is there');
DELETE FROM loyalty.tier_threshold WHERE purpose = 'retention';
SELECT is(pg_temp.raised('SELECT loyalty.tier_ask(' || arguments || ')'), error, 'tier_ask: ' || error || ' for ' || arguments)
FROM (VALUES
	($$'Nowhere', 'gold', 'growth', 5$$, 'LY403 program=Nowhere'), ($$'Shop', 'pearl', 'growth', 5$$, 'LY406 tier=pearl'),
	($$'Shop', 'gold', 'nuts', 5$$, 'LY105 unit=nuts'), ($$'Shop', 'gold', NULL, 5$$, '22004')
) v(arguments, error);
SELECT throws_ok($$SELECT loyalty.tier_ask('Shop', 'gold', 'growth', 5, 'exit')$$, '23514', NULL, 'tier_ask: for entry or retention');

-- Who was there before the tiers.
SELECT is(pg_temp.tier('old'), 'ordinary', 'tiers introduced later: who has none on record counts as in the base tier');
SELECT is(pg_temp.tiers('old'), 'nothing', 'without a row');
SELECT is(pg_temp.missing('old'), '1500/1000 growth for silver in 2025-04-01..2026-03-15', 'what was earned before counts');
SELECT is((SELECT pg_temp.step(r) FROM loyalty.record(pg_temp.id('old'), 'share') r), 'none -> silver', 'the next event joins and promotes');
SELECT is(pg_temp.tiers('old'), 'joined ordinary, promoted silver 1500/1000 growth', 'in two steps');

-- Configuration.
SELECT is(pg_temp.raised($$SELECT loyalty.tier_ask('Shop', 'gold', 'points', 5)$$), 'LY106 unit=points is not a metric', 'a tier is not reached by what can be spent');
SELECT is(pg_temp.raised($$SELECT loyalty.tier_ask('Shop', 'gold', 'orders', 1.5)$$), 'LY103 unit=orders decimals=0', 'nor by half an order');
SELECT throws_ok($$SELECT loyalty.tier_ask('Shop', 'gold', 'spend', 0)$$, '23514', NULL, 'a threshold is above zero');
SELECT throws_ok($$UPDATE loyalty.tier_threshold SET months = NULL$$, '23514', NULL, 'a rolling window has months');
SELECT throws_ok($$UPDATE loyalty.tier_threshold SET window_kind = 'lifetime'$$, '23514', NULL, 'and no other');
SELECT throws_ok(format($$INSERT INTO loyalty.tier (program_id, code, rank) VALUES (%s, 'pearl', 2)$$, :shop), '23505', NULL, 'a rank is that of one tier');
SELECT throws_ok($$UPDATE loyalty.tier SET multiplier = 0$$, '23514', NULL, 'a multiplier is above zero');
SELECT throws_ok($$UPDATE loyalty.tier SET expiry = 'days'$$, '23514', NULL, 'an expiry has a count');
SELECT is(pg_temp.raised($$DELETE FROM loyalty.tier WHERE code = 'silver'$$), '23503 tier_id=' || pg_temp.tier_id(:shop, 'silver'), 'a tier that members hold cannot be deleted');
SELECT throws_ok(format($$DELETE FROM loyalty.unit WHERE program_id = %s AND code = 'growth'$$, :shop), '23503', NULL, 'nor a unit that a tier asks for');
UPDATE loyalty.tier SET code = 'argent' WHERE program_id = :shop AND code = 'silver';
SELECT is(pg_temp.tier('ann'), 'argent until 2027-03-14', 'it can be renamed');
SELECT is(pg_temp.buy('ann', 1, 'o2'), 'ordinary -> argent', 'and is, in receipts of the past');
UPDATE loyalty.tier SET code = 'silver' WHERE program_id = :shop AND code = 'argent';

-- Three purchases make a member: no base tier.
SELECT loyalty.program_create('Club', 'EUR', 'Europe/Berlin') AS club \gset
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:club, 'member', 1);
SELECT loyalty.tier_ask('Club', 'member', 'orders', 3, window_kind => 'lifetime') AS asked \gset
CALL pg_temp.enroll('Club', 'cleo');
SELECT is(pg_temp.tier('cleo') || ', ' || pg_temp.tiers('cleo'), 'none, nothing', 'without a base tier a member has none');
SELECT is(string_agg(pg_temp.buy('cleo', 5, 'o' || n), ', ' ORDER BY n), 'none -> none, none -> none, none -> member', 'three purchases make a member')
FROM generate_series(1, 3) n;
SELECT is(pg_temp.tier('cleo') || ', ' || pg_temp.tiers('cleo'), 'member, promoted member 3/3 orders', 'for ever');
SELECT is((SELECT format('%s %s', window_from, window_until) FROM loyalty.tier_history WHERE member_id = pg_temp.id('cleo')), ' 2026-03-15', 'a lifetime has no beginning');

-- Windows. Months are local: Berlin is an hour ahead of UTC, two from 29 March on.
SELECT loyalty.program_create('Edge', 'EUR', 'Europe/Berlin') AS edge \gset
INSERT INTO loyalty.tier (program_id, code, rank, valid_months) VALUES (:edge, 'base', 0, NULL), (:edge, 'three', 1, 12), (:edge, 'year', 2, 12);
SELECT loyalty.tier_ask('Edge', 'three', 'spend', 100, months => 3) AS asked \gset
SELECT loyalty.tier_ask('Edge', 'year', 'spend', 1000, window_kind => 'calendar_year') AS asked \gset
CALL pg_temp.enroll('Edge', 'e1', 'e2', 'e3', 'e4', 'e5', 'e6', 'e7');
SET loyalty.now = '2026-12-31 12:00+01';
SELECT is(pg_temp.buy('e1', 60, 'o1', '2026-09-30 23:59:59+02'), 'base -> base', 'three months: the last second of September');
SELECT is(pg_temp.buy('e1', 40, 'o2'), 'base -> base', 'is out of October to December');
SELECT is(pg_temp.buy('e2', 60, 'o1', '2026-10-01 00:00+02'), 'base -> base', 'the first of October, by local time');
SELECT is(pg_temp.buy('e2', 39.99, 'o2'), 'base -> base', 'a cent less than asked for');
SELECT is(pg_temp.buy('e2', 0.01, 'o3'), 'base -> three', 'is in it');
SELECT is(pg_temp.buy('e3', 600, 'o1', '2025-12-31 23:59:59+01'), 'base -> base', 'calendar year: the last second of the year before');
SELECT is(pg_temp.missing('e3'), '0/100 spend for three in 2026-10-01..2026-12-31', 'does not count');
SET loyalty.now = '2026-12-31 22:59:59+00';
SELECT is(pg_temp.buy('e4', 999.99, 'o1'), 'base -> three', 'a second before local midnight of the new year');
SET loyalty.now = '2026-12-31 23:00:00+00';
SELECT is(pg_temp.buy('e4', 0.01, 'o2'), 'three -> three', 'at midnight the year is over');
SELECT is(pg_temp.missing('e4'), '0.01/1000 spend for year in 2027-01-01..2027-01-01', 'and the next one begins at nothing');
SELECT is(pg_temp.buy('e4', 0.01, 'o3', '2026-12-31 23:59:59+01'), 'three -> three', 'rule 10: a late event completes last year, but counts now');
SELECT is(pg_temp.buy('e5', 60, 'o1', '2026-11-01 00:00+01'), 'base -> base', 'the last month that is still in');
SET loyalty.now = '2027-02-01 00:00+01';
SELECT is(pg_temp.buy('e5', 40, 'o2'), 'base -> base', 'in February November is out');
SET loyalty.now = '2028-02-29 23:59:59+01';
SELECT is(pg_temp.buy('e6', 100, 'o1'), 'base -> three', 'on 29 February');
SELECT is(pg_temp.tier('e6'), 'three until 2029-02-27', 'a year later is 28 February, and the day before it the last');
SELECT is((SELECT (window_from, window_until)::text FROM loyalty.tier_history WHERE member_id = pg_temp.id('e6') AND action = 'promoted'), '(2027-12-01,2028-02-29)', 'three months across the year');
-- the night in which the clocks go forward: local midnight is 22:00 UTC after, 23:00 before
SET loyalty.now = '2028-03-31 21:59:59+00';
SELECT is(pg_temp.buy('e7', 60, 'o1'), 'base -> base', 'the last second of March, in summer time');
SET loyalty.now = '2028-05-31 21:59:59+00';
SELECT is(pg_temp.missing('e7'), '60/100 spend for three in 2028-03-01..2028-05-31', 'counts until the last second of May');
SET loyalty.now = '2028-05-31 22:00+00';
SELECT is(pg_temp.missing('e7'), '0/100 spend for three in 2028-04-01..2028-06-01', 'and not in June');

-- How long: rounded up to the end of a day, month or year.
SELECT loyalty.program_create('Long', 'EUR', 'Europe/Berlin') AS long \gset
INSERT INTO loyalty.tier (program_id, code, rank, valid_months, valid_round) VALUES
	(:long, 'base', 0, NULL, 'day'), (:long, 'day', 1, 6, 'day'), (:long, 'month', 2, 6, 'month'), (:long, 'year', 3, 6, 'year'), (:long, 'ever', 4, NULL, 'year');
SET loyalty.now = '2026-08-31 12:00+02';
CALL pg_temp.enroll('Long', 'lou');
SELECT FROM loyalty.tier t, loyalty.tier_grant(pg_temp.id('lou'), t.code, 'test') WHERE t.program_id = :long AND t.rank > 0;
SELECT is(string_agg(format('%s %s', t.code, coalesce(to_char(h.tier_until, 'YYYY-MM-DD'), '-')), ', ' ORDER BY t.rank),
	'day 2027-02-27, month 2027-02-28, year 2027-12-31, ever -', 'six months from 31 August')
FROM loyalty.tier_history h JOIN loyalty.tier t ON t.tier_id = h.tier_after
WHERE h.member_id = pg_temp.id('lou') AND h.action = 'granted';

-- Any threshold, or all of them.
SELECT loyalty.program_create('Many', 'EUR', 'Europe/Berlin') AS many \gset
INSERT INTO loyalty.tier (program_id, code, rank, entry_match) VALUES (:many, 'base', 0, 'any'), (:many, 'any', 1, 'any'), (:many, 'all', 2, 'all'), (:many, 'invited', 3, 'any');
SELECT loyalty.tier_ask('Many', 'any', 'spend', 100) AS asked \gset
SELECT loyalty.tier_ask('Many', 'any', 'orders', 3) AS asked \gset
SELECT loyalty.tier_ask('Many', 'all', 'spend', 200) AS asked \gset
SELECT loyalty.tier_ask('Many', 'all', 'orders', 4) AS asked \gset
CALL pg_temp.enroll('Many', 'm1', 'm2');
SELECT is(pg_temp.buy('m1', 100, 'o1'), 'base -> any', 'any: by the first');
SELECT is(pg_temp.missing('m1'), '100/200 spend for all in 2025-09-01..2026-08-31, 1/4 orders for all in 2025-09-01..2026-08-31', 'what all ask for');
SELECT is(pg_temp.buy('m1', 100, 'o2'), 'any -> any', 'all: one of two is not enough');
SELECT is(string_agg(pg_temp.buy('m2', 1, 'o' || n), ', ' ORDER BY n), 'base -> base, base -> base, base -> any', 'any: by the second') FROM generate_series(1, 3) n;
SELECT is(pg_temp.tiers('m2'), 'joined base, promoted any 3/3 orders', 'which the history names');
SELECT is(string_agg(pg_temp.buy('m1', 1, 'p' || n), ', ' ORDER BY n), 'any -> any, any -> all', 'all: both, and not the one above that asks for nothing') FROM generate_series(1, 2) n;
SELECT is(pg_temp.missing('m1'), 'nothing', 'which is given by hand only');

-- What tier it was.
SET loyalty.now = '2026-09-30 12:00+02';
SELECT is(string_agg(coalesce(loyalty.tier_at(pg_temp.id('ann'), at), 'none'), ', ' ORDER BY at), 'none, silver, silver, silver, silver, ordinary, ordinary', 'tier_at(): before, then, now and to come')
FROM unnest('{2026-03-15 11:59+00, 2026-03-15 12:00+00, 2026-03-15 12:01+00, 2026-09-30 12:00+00, 2027-03-14 15:59:59+00, 2027-03-14 16:00+00, 2030-01-01 00:00+00}'::timestamptz[]) at;
SELECT is(pg_temp.tier('ann'), 'silver until 2027-03-14', 'and now');

SELECT * FROM loyalty.verify();
SELECT * FROM finish(true);
ROLLBACK;
