\set ECHO none
\i test/prelude.sql
SELECT plan(102);

-- base, silver from 1000 and gold from 3000 spent in 12 months, for 12 months, star by hand only; plus gives silver, pro gold
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
UPDATE loyalty.program SET tier_refund = 'immediate' WHERE program_id = :shop;
INSERT INTO loyalty.tier (program_id, code, rank, valid_months, warn_days, multiplier) VALUES
	(:shop, 'base', 0, NULL, 0, 1), (:shop, 'silver', 1, 12, 0, 2), (:shop, 'gold', 2, 12, 0, 3), (:shop, 'star', 3, 12, 0, 4), (:shop, 'honour', 4, NULL, 0, 5);
SELECT loyalty.tier_ask('Shop', 'silver', 'spend', 1000), loyalty.tier_ask('Shop', 'gold', 'spend', 3000), loyalty.tier_ask('Shop', 'star', 'spend', 100000) \g /dev/null
UPDATE loyalty.rule SET tier_multiplied = true WHERE program_id = :shop AND unit_id = (SELECT unit_id FROM loyalty.unit WHERE program_id = :shop AND code = 'points');
SELECT throws_ok(format($$INSERT INTO loyalty.plan (program_id, name, months, price, tier) VALUES (%s, 'bad', 1, 1, 'platinum')$$, :shop), '23503', NULL, 'no plan with a tier that is not there');
INSERT INTO loyalty.plan (program_id, name, months, price, rank, tier) VALUES
	(:shop, 'month', 1, 10, 0, NULL), (:shop, 'brief', 1, 30, 0, 'gold'), (:shop, 'plus', 12, 100, 1, 'silver'), (:shop, 'pro', 12, 300, 2, 'gold'), (:shop, 'rich', 12, 999, 3, NULL);
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay', 'guy', 'hal', 'ivy', 'jon', 'kay', 'leo', 'max', 'ned', 'oda', 'pat', 'zed');

CREATE FUNCTION pg_temp.plan(call text, name text, VARIADIC arguments text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	step text;
BEGIN
	EXECUTE format('SELECT pg_temp.step(r) FROM loyalty.plan_%s(%s, %s) r', call, pg_temp.id(name),
		(SELECT string_agg(quote_literal(a), ', ' ORDER BY i) FROM unnest(arguments) WITH ORDINALITY x (a, i))) INTO step;
	RETURN step;
END
$$;
CREATE FUNCTION pg_temp.buy(name text, amount numeric, ref text) RETURNS text
LANGUAGE sql AS $$ SELECT pg_temp.step(r) FROM loyalty.purchase(pg_temp.id(name), amount, ref) r $$;
CREATE FUNCTION pg_temp.refund(name text, ref text) RETURNS text
LANGUAGE sql AS $$ SELECT pg_temp.step(r) FROM loyalty.refund(pg_temp.id(name), ref) r $$;
-- what the clock makes of it, posted
CREATE FUNCTION pg_temp.settled(name text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	before text := pg_temp.tier(name);
BEGIN
	PERFORM loyalty.account_settle(pg_temp.id(name));
	RETURN before || CASE WHEN before IS DISTINCT FROM pg_temp.tier(name) THEN ', settled: ' || pg_temp.tier(name) ELSE '' END;
END
$$;

-- A plan gives its tier until its end
SELECT is(pg_temp.plan('buy', 'ann', 'pro', 'p1'), 'base -> gold', 'bought: a higher tier at once');
SELECT is(pg_temp.tier('ann'), 'gold until 2027-03-14', 'until the end of the period');
SELECT is(pg_temp.tiers('ann'), 'joined base, bought gold', 'bought');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('ann'), 10, 'o1') r), '1 orders, 30 points, 10 spend', 'and what it is worth');
SELECT is(pg_temp.plan('renew', 'ann', 'p2'), 'gold -> gold', 'renewed');
SELECT is(pg_temp.tier('ann'), 'gold until 2028-03-14', 'until the end of the next period');
SELECT is(pg_temp.plan('refund', 'ann', 'p2'), 'gold -> gold', 'the next period given back');
SELECT is(pg_temp.tier('ann'), 'gold until 2027-03-14', 'until the end of this one again');
SELECT is(pg_temp.plan('refund', 'ann', 'p1'), 'gold -> base', 'this one given back');
SELECT is(pg_temp.tiers('ann'), 'joined base, bought gold, bought gold, bought gold, revoked base 10/3000 spend', 'and the history says what happened');

-- The end: back to his own, whatever the policy of the tier says
SELECT pg_temp.plan('buy', 'bob', 'pro', 'p1') \g /dev/null
SET loyalty.now = '2026-06-01 12:00+00';
SELECT is(pg_temp.buy('bob', 1500, 'o1'), 'gold -> gold', 'spent something meanwhile');
SET loyalty.now = '2027-03-14 15:59:59+00';
SELECT is(pg_temp.tier('bob'), 'gold until 2027-03-14', 'held to the last moment');
SET loyalty.now = '2027-03-14 16:00+00';
SELECT is(pg_temp.settled('bob'), 'silver until 2028-03-14', 'and lost with it: silver he has reached himself');
SELECT is(pg_temp.tiers('bob'), 'joined base, bought gold, revoked silver 1500/3000 spend', 'by a review');
-- a tier of his own that is longer than the plan
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.buy('pat', 1000, 'o1'), 'base -> silver', 'silver until March');
SELECT is(pg_temp.plan('buy', 'pat', 'brief', 'p1'), 'silver -> gold', 'gold for a month');
SELECT is(loyalty.tier_at(pg_temp.id('pat'), '2026-04-20 12:00+00'), 'silver', 'which can be told before');
SET loyalty.now = '2026-04-20 12:00+00';
SELECT is(pg_temp.settled('pat'), 'silver until 2027-03-14', 'then silver as before');
SELECT is(pg_temp.tiers('pat'), 'joined base, promoted silver 1000/1000 spend, bought gold, revoked silver 1000/3000 spend', 'as of the day after');
-- whoever has met the tier's thresholds keeps it
SELECT pg_temp.plan('buy', 'pat', 'brief', 'p2') \g /dev/null
SELECT is(pg_temp.buy('pat', 2000, 'o2'), 'gold -> gold', 'reached while the plan runs');
SET loyalty.now = '2026-05-25 12:00+00';
SELECT is(pg_temp.settled('pat'), 'gold until 2027-05-19', 'is kept when it is over');

-- Who has a tier of his own
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.buy('cat', 1000, 'o1'), 'base -> silver', 'reached by himself');
SELECT is(pg_temp.plan('buy', 'cat', 'plus', 'p1'), 'silver -> silver', 'a plan of the same tier changes nothing');
SELECT is(pg_temp.tiers('cat'), 'joined base, promoted silver 1000/1000 spend', 'not even the history');
SELECT is(pg_temp.plan('refund', 'cat', 'p1'), 'silver -> silver', 'nor does it when it is given back');
SELECT is(pg_temp.plan('buy', 'cat', 'pro', 'p2'), 'silver -> gold', 'a plan of a higher one');
SET loyalty.now = '2026-05-15 12:00+00';
SELECT is(pg_temp.plan('refund', 'cat', 'p2'), 'gold -> silver', 'given back: down to his own');
SELECT is(pg_temp.tier('cat'), 'silver until 2027-03-14', 'until when it was held before');
SELECT is(pg_temp.plan('buy', 'cat', 'pro', 'p3'), 'silver -> gold', 'once more');
SET loyalty.now = '2027-05-01 12:00+00';
SELECT is(pg_temp.plan('refund', 'cat', 'p3'), 'gold -> base', 'his own has ended meanwhile, and is not reached today');
-- what is reached while a plan runs
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.plan('buy', 'dan', 'pro', 'p1'), 'base -> gold', 'by a plan');
SELECT is(pg_temp.buy('dan', 1000, 'o1'), 'gold -> gold', 'a lower one is reached');
SELECT is(pg_temp.plan('refund', 'dan', 'p1'), 'gold -> silver', 'and held when the plan is given back');
SELECT is(pg_temp.tier('dan'), 'silver until 2027-03-14', 'from then on');
SELECT is(pg_temp.plan('buy', 'eve', 'plus', 'p1'), 'base -> silver', 'by a plan');
SELECT is(pg_temp.buy('eve', 1000, 'o1'), 'silver -> silver', 'the same is reached');
SELECT is(pg_temp.plan('refund', 'eve', 'p1'), 'silver -> silver', 'and kept when the plan is given back');
SELECT is(pg_temp.tiers('eve'), 'joined base, bought silver, prolonged silver 1000/1000 spend', 'by himself');
SELECT is(pg_temp.plan('buy', 'fay', 'plus', 'p1'), 'base -> silver', 'by a plan');
SELECT is(pg_temp.buy('fay', 3000, 'o1'), 'silver -> gold', 'a higher one is reached');
SELECT is(pg_temp.plan('refund', 'fay', 'p1'), 'gold -> gold', 'and kept');
-- a refund of an order cannot take what a plan gives
SELECT is(pg_temp.plan('buy', 'guy', 'plus', 'p1'), 'base -> silver', 'by a plan');
SELECT is(pg_temp.buy('guy', 3000, 'o1'), 'silver -> gold', 'promoted by an order');
SELECT is(pg_temp.refund('guy', 'o1'), 'gold -> silver', 'the order given back: the tier before');
SELECT is(pg_temp.tier('guy'), 'silver until 2027-03-14', 'which the plan still gives');
SELECT is(pg_temp.plan('refund', 'guy', 'p1'), 'silver -> base', 'and takes with it');
SELECT pg_temp.plan('buy', 'guy', 'plus', 'p2') \g /dev/null
SELECT is(pg_temp.buy('guy', 3000, 'o2'), 'silver -> gold', 'promoted by an order');
SELECT is(pg_temp.plan('refund', 'guy', 'p2'), 'gold -> gold', 'first the plan is given back');
SELECT is(pg_temp.refund('guy', 'o2'), 'gold -> base', 'then the order: what the plan gave is not left over');
SELECT is(pg_temp.buy('hal', 3000, 'o1'), 'base -> gold', 'promoted by an order');
SELECT is(pg_temp.plan('buy', 'hal', 'plus', 'p1'), 'gold -> gold', 'a plan of a lower tier');
SELECT is(pg_temp.refund('hal', 'o1'), 'gold -> silver', 'the order given back: the plan steps in');
SELECT is(pg_temp.tier('hal'), 'silver until 2027-03-14', 'until it ends');
SELECT is(pg_temp.tiers('hal'), 'joined base, promoted gold 3000/3000 spend, revoked base 0/3000 spend, bought silver', 'by the same call');
SELECT FROM loyalty.tier_grant(pg_temp.id('hal'), 'base', 'a test');
SELECT is(pg_temp.tier('hal'), 'silver until 2027-03-14', 'not by hand either, while it runs');
SELECT FROM loyalty.tier_grant(pg_temp.id('hal'), 'gold', 'a test', '2026-06-30');
SELECT is(pg_temp.plan('refund', 'hal', 'p1'), 'gold -> gold', 'what was given by hand is not taken back with the plan');

-- A plan that runs when a higher tier ends
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.buy('ivy', 3000, 'o1'), 'base -> gold', 'gold until March');
SET loyalty.now = '2026-09-15 12:00+00';
SELECT is(pg_temp.plan('buy', 'ivy', 'pro', 'p1'), 'gold -> gold', 'a plan of the same until September');
SELECT is(pg_temp.tier('ivy'), 'gold until 2027-03-14', 'his own ends in March');
SET loyalty.now = '2027-04-01 12:00+00';
SELECT is(pg_temp.tier('ivy'), 'gold until 2027-09-14', 'then the plan holds it');
SELECT is(pg_temp.settled('ivy'), 'gold until 2027-09-14', 'settled or not');
SELECT is(pg_temp.tiers('ivy'), 'joined base, promoted gold 3000/3000 spend, bought gold', 'as of the day after');
SELECT is((SELECT (effective_at AT TIME ZONE 'Asia/Shanghai')::text FROM loyalty.tier_history WHERE member_id = pg_temp.id('ivy') AND action = 'bought'), '2027-03-15 00:00:00', 'at midnight');

-- Bought for later: it begins by itself
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.plan('buy', 'jon', 'pro', 'p1', '300', 'false', '2026-05-01'), 'base -> base', 'not yet');
SELECT is((SELECT due_on FROM loyalty.account WHERE member_id = pg_temp.id('jon')), '2026-05-01', 'the account is due when it begins');
SELECT is(loyalty.tier_at(pg_temp.id('jon'), '2026-04-30 15:59+00') || ' ' || loyalty.tier_at(pg_temp.id('jon'), '2026-04-30 16:00+00'), 'base gold', 'which can be told before');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SET loyalty.now = '2026-05-10 12:00+00';
SELECT is(pg_temp.tier('jon'), 'gold until 2027-04-30', 'it has begun');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.purchase(pg_temp.id('jon'), 10, 'o1') r), '1 orders, 30 points, 10 spend', 'for what is bought now');
SELECT is((SELECT (effective_at AT TIME ZONE 'Asia/Shanghai')::text FROM loyalty.tier_history WHERE member_id = pg_temp.id('jon') AND action = 'bought'), '2026-05-01 00:00:00', 'as of its first day');
SELECT is(loyalty.account_settle(pg_temp.id('jon')), 0, 'nothing is left to do');
SELECT is((SELECT due_on FROM loyalty.account WHERE member_id = pg_temp.id('jon')), '2027-05-01', 'until it ends');
-- housekeeping before it begins keeps the date
SET loyalty.now = '2026-03-15 12:00+00';
SELECT pg_temp.plan('buy', 'kay', 'pro', 'p1', '300', 'false', '2026-05-01') \g /dev/null
SELECT loyalty.account_settle(pg_temp.id('kay')) \g /dev/null
SELECT is((SELECT due_on FROM loyalty.account WHERE member_id = pg_temp.id('kay')), '2026-05-01', 'housekeeping does not forget it');
UPDATE loyalty.account SET due_on = '2026-05-02' WHERE member_id = pg_temp.id('kay');
SELECT results_eq($$SELECT invariant, detail FROM loyalty.verify()$$, $$VALUES ('due_on_late', 'due_on=2026-05-02 plan=2026-05-01')$$, 'verify() would miss it');
SELECT loyalty.rebuild(pg_temp.id('kay')) \g /dev/null
SELECT is((SELECT due_on FROM loyalty.account WHERE member_id = pg_temp.id('kay')), '2026-05-01', 'and rebuild() finds it');
-- the whole life of it, seen only afterwards
SET loyalty.now = '2027-05-10 12:00+00';
SELECT is(pg_temp.settled('kay'), 'base', 'begun and ended while nobody looked');
SELECT is((SELECT string_agg(action || ' ' || (effective_at AT TIME ZONE 'Asia/Shanghai')::date, ', ' ORDER BY journal_id, line) FROM loyalty.tier_history WHERE member_id = pg_temp.id('kay')),
	'joined 2026-03-15, bought 2026-05-01, revoked 2027-05-01', 'all of it in its time');

-- Upgrade
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.plan('buy', 'leo', 'plus', 'p1'), 'base -> silver', 'silver');
SET loyalty.now = '2026-06-15 12:00+00';
SELECT is(pg_temp.plan('upgrade', 'leo', 'pro', 'p2'), 'silver -> gold', 'upgraded to gold');
SELECT is(pg_temp.tier('leo'), 'gold until 2027-06-14', 'for a full period');
SELECT is(pg_temp.plan('upgrade', 'leo', 'rich', 'p3'), 'gold -> base', 'to a plan without a tier');
SELECT is(pg_temp.tiers('leo'), 'joined base, bought silver, bought gold, revoked base 0/3000 spend', 'back to his own');
SELECT is(pg_temp.plan('refund', 'leo', 'p3'), 'base -> base', 'which he keeps');

-- No grace after a plan, nor a demotion that is forbidden
UPDATE loyalty.tier SET grace_days = 30, demotion = 'never' WHERE program_id = :shop AND code = 'gold';
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.plan('buy', 'max', 'pro', 'p1'), 'base -> gold', 'by a plan');
SET loyalty.now = '2027-03-20 12:00+00';
SELECT is(pg_temp.tier('max'), 'base', 'what was bought ends');
SELECT is(pg_temp.plan('renew', 'max', 'p2'), 'base -> gold', 'and begins anew');
SELECT is(pg_temp.tier('max'), 'gold until 2028-03-19', 'for a full period');
-- a period to come that is given back leaves what is held
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.buy('ned', 3000, 'o1'), 'base -> gold', 'reached');
SELECT pg_temp.plan('buy', 'ned', 'pro', 'p1', '300', 'false', '2027-06-01') \g /dev/null
SET loyalty.now = '2027-03-20 12:00+00';
SELECT is(pg_temp.plan('refund', 'ned', 'p1'), 'gold -> gold', 'a period to come is given back');
SELECT is(pg_temp.tier('ned'), 'gold until 2028-03-14', 'which leaves what is held');
UPDATE loyalty.tier SET grace_days = 0, demotion = 'one_level' WHERE program_id = :shop AND code = 'gold';
-- a tier that nobody reaches
INSERT INTO loyalty.plan (program_id, name, months, price, rank, tier) VALUES (:shop, 'stars', 1, 1, 9, 'honour');
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.plan('buy', 'zed', 'stars', 'p1'), 'base -> honour', 'a tier without thresholds');
SET loyalty.now = '2026-04-15 12:00+00';
SELECT is(pg_temp.tier('zed'), 'base', 'ends with the plan as well');

-- As it was bought
SET loyalty.now = '2026-03-15 12:00+00';
SELECT pg_temp.plan('buy', 'oda', 'plus', 'p1') \g /dev/null
UPDATE loyalty.plan SET tier = 'gold' WHERE program_id = :shop AND name = 'plus';
SELECT is(pg_temp.tier('oda'), 'silver until 2027-03-14', 'a plan that is changed changes what is sold from now on');
SELECT is(pg_temp.plan('renew', 'oda', 'p2'), 'silver -> silver', 'not what was sold before');
SELECT is(loyalty.tier_at(pg_temp.id('oda'), '2027-03-15 12:00+00'), 'gold', 'the next period has the new tier');
UPDATE loyalty.plan SET tier = NULL WHERE program_id = :shop;
SELECT throws_ok(format('DELETE FROM loyalty.tier WHERE program_id = %s AND code = %L', :shop, 'gold'), '23503', NULL, 'a tier that was sold cannot be deleted');

-- Where there is no base tier, a plan that is over leads to none
SELECT loyalty.program_create('Inn', 'GBP', 'Europe/London', 'empty') AS inn \gset
INSERT INTO loyalty.unit (program_id, code, kind) VALUES (:inn, 'growth', 'metric');
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:inn, 'silver', 1);
SELECT FROM loyalty.tier_ask('Inn', 'silver', 'growth', 100);
INSERT INTO loyalty.plan (program_id, name, months, price, tier) VALUES (:inn, 'plus', 1, 1, 'silver');
SET loyalty.now = '2026-03-15 12:00+00';
CALL pg_temp.enroll('Inn', 'pam');
SELECT FROM loyalty.plan_buy(pg_temp.id('pam'), 'plus', 'p1');
SELECT is(pg_temp.tier('pam'), 'silver until 2026-04-14', 'no base tier: by a plan');
SET loyalty.now = '2026-05-15 12:00+00';
SELECT is(pg_temp.tier('pam'), 'none', 'no base tier: none when it is over');
SELECT FROM loyalty.tier_review(pg_temp.id('pam'));
SELECT is(pg_temp.tiers('pam'), 'bought silver, revoked none 0/100 growth', 'no base tier: once');

-- Simulated: a campaign for gold members counts what plans gave, from the first day of a period to the last
SELECT loyalty.program_create('Past', 'CNY', 'Asia/Shanghai') AS past \gset
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:past, 'base', 0), (:past, 'gold', 1);
SELECT loyalty.tier_ask('Past', 'gold', 'spend', 100000) \g /dev/null
INSERT INTO loyalty.plan (program_id, name, months, price, tier) VALUES (:past, 'pro', 2, 300, 'gold');
INSERT INTO loyalty.campaign (program_id, name) VALUES (:past, 'draft') RETURNING campaign_id AS draft \gset
SELECT pg_temp.rule(jsonb_build_object('program', 'Past', 'name', 'extra', 'award', 7, 'tiers', '{gold}', 'campaign_id', :draft)) \g /dev/null
SET loyalty.now = '2026-03-15 12:00+00';
CALL pg_temp.enroll('Past', 'una', 'uri');
SELECT pg_temp.plan('buy', 'una', 'pro', 'p1', '300', 'false', '2026-05-01') \g /dev/null
SELECT pg_temp.plan('buy', 'uri', 'pro', 'p1') \g /dev/null
SET loyalty.now = '2026-03-16 12:00+00';
SELECT FROM unnest('{una,uri}'::text[]) name, loyalty.purchase(pg_temp.id(name), 10, 'o1');
SET loyalty.now = '2026-04-01 12:00+00';
SELECT pg_temp.plan('refund', 'uri', 'p1') \g /dev/null
SET loyalty.now = '2026-05-02 12:00+00';
SELECT FROM unnest('{una,uri}'::text[]) name, loyalty.purchase(pg_temp.id(name), 10, 'o2');
SET loyalty.now = '2026-07-02 12:00+00';
SELECT FROM unnest('{una,uri}'::text[]) name, loyalty.purchase(pg_temp.id(name), 10, 'o3');
SELECT set_eq($$SELECT i.value, j.ref FROM loyalty.simulate_postings('Past', 'draft') s JOIN loyalty.journal j USING (member_id, journal_id)
	JOIN loyalty.identity i ON i.member_id = s.member_id WHERE s.rule = 'extra' AND s.amount > 0$$,
	$$VALUES ('una', 'o2'), ('uri', 'o1')$$, 'simulate() gives what would have been given');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
