\set ECHO none
\i test/prelude.sql
SELECT plan(75);

-- base, silver from 1000 and gold from 3000 growth points in 12 months, for 12 months
CREATE FUNCTION pg_temp.program(name text, policy text) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
	shop int = loyalty.program_create(name, 'CNY', 'Asia/Shanghai');
	growth int;
BEGIN
	UPDATE loyalty.program SET tier_refund = policy WHERE program_id = shop;
	INSERT INTO loyalty.unit (program_id, code, kind, expiry, window_months) VALUES (shop, 'growth', 'metric', 'never', 12) RETURNING unit_id INTO growth;
	INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, per) VALUES (shop, 'purchase', growth, 'per_amount', 1, 1);
	INSERT INTO loyalty.tier (program_id, code, rank, valid_months, multiplier) VALUES
		(shop, 'base', 0, NULL, 1), (shop, 'silver', 1, 12, 1.5), (shop, 'gold', 2, 12, 2);
	INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, months)
		SELECT shop, tier_id, growth, CASE code WHEN 'silver' THEN 1000 ELSE 3000 END, 12
		FROM loyalty.tier WHERE program_id = shop AND rank > 0;
	RETURN shop;
END
$$;
CREATE FUNCTION pg_temp.buy(name text, amount numeric, ref text, at timestamptz DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$ SELECT pg_temp.step(r) FROM loyalty.purchase(pg_temp.id(name), amount, ref, at => at) r $$;
CREATE FUNCTION pg_temp.refund(name text, ref text, amount numeric DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$ SELECT pg_temp.step(r) FROM loyalty.refund(pg_temp.id(name), ref, amount, refund_ref => 'refund ' || clock_timestamp()) r $$;

-- the points that an order earned
CREATE FUNCTION pg_temp.moved_by(name text, ref text) RETURNS bigint
LANGUAGE sql STABLE AS $$
	SELECT sum(e.amount)::bigint FROM loyalty.journal j
	JOIN loyalty.entry e USING (member_id, journal_id) JOIN loyalty.unit u ON u.unit_id = e.unit_id
	WHERE j.member_id = pg_temp.id($1) AND j.ref = $2 AND u.code = 'points'
$$;

SELECT pg_temp.program('Now', 'immediate') AS now \gset
SELECT pg_temp.program('Later', 'at_review') AS later \gset
SELECT pg_temp.program('Never', 'never') AS never \gset
CALL pg_temp.enroll('Now', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay', 'guy', 'hal', 'ivy', 'jon', 'kay');
CALL pg_temp.enroll('Later', 'leo', 'lea', 'liz');
CALL pg_temp.enroll('Never', 'ned');

-- Immediate: down to what is still reached, step by step.
SELECT is(pg_temp.buy('ann', 1000, 'o1'), 'base -> silver', 'silver by one order');
SET loyalty.now = '2026-05-10 12:00+00';
SELECT is(pg_temp.buy('ann', 2000, 'o2'), 'silver -> gold', 'gold by another');
SELECT is(pg_temp.refund('ann', 'o2'), 'gold -> silver', 'a refund takes back what the order had brought');
SELECT is(pg_temp.tier('ann'), 'silver until 2027-03-14', 'the tier before, until when it was held');
SELECT is(pg_temp.tiers('ann'), 'joined base, promoted silver 1000/1000 growth, promoted gold 3000/3000 growth, revoked silver 1000/3000 growth', 'and the history says why');
SELECT is((SELECT j.kind FROM loyalty.tier_history h JOIN loyalty.journal j USING (member_id, journal_id) WHERE h.member_id = pg_temp.id('ann') AND h.action = 'revoked'), 'refund', 'by the refund');
SELECT is(pg_temp.refund('ann', 'o1'), 'silver -> base', 'the other refund takes the other one');
SELECT is(pg_temp.tier('ann'), 'base', 'nothing is left');
SELECT is(pg_temp.buy('ann', 3000, 'o3'), 'base -> gold', 'who buys again is promoted again');
SELECT is(pg_temp.refund('ann', 'o3', 1), 'gold -> silver', 'a point less: to what is still reached');
SELECT is(pg_temp.tier('ann'), 'silver until 2027-05-09', 'as if that had been reached today');
SELECT is(pg_temp.refund('ann', 'o3', 1999), 'silver -> silver', 'more of it, up to the threshold');
SELECT is(pg_temp.refund('ann', 'o3', 1), 'silver -> base', 'and beyond');

-- What time takes away is not revoked.
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.buy('bob', 1200, 'o1'), 'base -> silver', 'in March');
SET loyalty.now = '2027-03-10 12:00+00';
SELECT is(pg_temp.buy('bob', 100, 'o2'), 'silver -> silver', 'a year later, March is out of the window');
SELECT is(pg_temp.refund('bob', 'o2'), 'silver -> silver', 'a refund of an order that did not bring the tier leaves it');
SELECT is(pg_temp.refund('bob', 'o1', 201), 'silver -> base', 'one of the order that did does not');
-- nor what is reached without the order
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.buy('cat', 1000, 'o1'), 'base -> silver', 'by one order');
SET loyalty.now = '2026-04-20 12:00+00';
SELECT is(pg_temp.buy('cat', 1000, 'o2'), 'silver -> silver', 'and by another once more');
SELECT is(pg_temp.refund('cat', 'o1'), 'silver -> silver', 'is still reached by the other');
SELECT is(pg_temp.refund('cat', 'o2'), 'silver -> base', 'and not without both');

-- What was given, locked or prolonged is not revoked.
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.buy('dan', 100, 'o1'), 'base -> base', 'bought a little');
SELECT FROM loyalty.tier_grant(pg_temp.id('dan'), 'gold', 'test', '2026-12-31');
SELECT is(pg_temp.refund('dan', 'o1'), 'gold -> gold', 'granted');
SELECT is(pg_temp.buy('eve', 3000, 'o1'), 'base -> gold', 'reached');
SELECT FROM loyalty.tier_grant(pg_temp.id('eve'), 'gold', 'test', '2026-12-31', '2026-12-31');
SELECT is(pg_temp.refund('eve', 'o1'), 'gold -> gold', 'and then granted and locked');
SELECT is(pg_temp.buy('fay', 1000, 'o1'), 'base -> silver', 'reached');
SET loyalty.now = '2027-03-14 12:00+08';
SELECT is(pg_temp.buy('fay', 1000, 'o2'), 'silver -> silver', 'and kept');
SET loyalty.now = '2027-03-15 12:00+08';
SELECT is(pg_temp.refund('fay', 'o2'), 'silver -> silver', 'and prolonged: it counts at the next review');
SELECT is(pg_temp.tier('fay'), 'silver until 2028-03-14', 'so long it stays');

-- Back to what was given before, if it is still held.
SET loyalty.now = '2026-03-15 12:00+00';
SELECT FROM unnest('{guy,hal}'::text[]) n, LATERAL loyalty.tier_grant(pg_temp.id(n), 'silver', 'test', '2026-06-30');
SELECT is(pg_temp.buy('guy', 3000, 'o1'), 'silver -> gold', 'given silver, reached gold');
SELECT is(pg_temp.refund('guy', 'o1'), 'gold -> silver', 'a refund leads back to what was given');
SELECT is(pg_temp.tier('guy'), 'silver until 2026-06-30', 'and no longer than it was');
SELECT is(pg_temp.buy('hal', 3000, 'o1'), 'silver -> gold', 'another one');
SET loyalty.now = '2026-07-01 12:00+08';
SELECT is(pg_temp.refund('hal', 'o1'), 'gold -> base', 'later what was given is over');

-- At review: a refund counts then.
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.buy('leo', 3000, 'o1'), 'base -> gold', 'at review: reached');
SELECT is(pg_temp.refund('leo', 'o1'), 'gold -> gold', 'a refund leaves the tier');
SELECT is((SELECT string_agg(format('%s %s/%s', purpose, reached, threshold), ', ') FROM loyalty.tier_progress(pg_temp.id('leo'))), 'retention 0/3000', 'but not what keeps it');
SELECT is(pg_temp.buy('leo', 1000, 'o2'), 'gold -> gold', 'nor does it lead up again');
SET loyalty.now = '2027-03-15 12:00+08';
SELECT is(pg_temp.tier('leo'), 'silver until 2028-03-14', 'until the review');
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.buy('lea', 999, 'o1'), 'base -> base', 'never reached');
SELECT is(pg_temp.refund('lea', 'o1', 500), 'base -> base', 'a refund of it');
SELECT is(pg_temp.buy('lea', 500, 'o2'), 'base -> base', 'leaves less to count on');
SELECT is(pg_temp.buy('lea', 1, 'o3'), 'base -> silver', 'to the point');

-- Never: what was counted for the tier stays counted.
SELECT is(pg_temp.buy('ned', 600, 'o1'), 'base -> base', 'never: 600');
SELECT is(pg_temp.refund('ned', 'o1'), 'base -> base', 'refunded');
SELECT is(pg_temp.balance('ned', 'growth') || ', ' || pg_temp.balance('ned'), '600 available, nothing', 'the points are taken back, the growth is not');
SELECT is(pg_temp.buy('ned', 400, 'o2'), 'base -> silver', 'and leads on');

-- Rule 10: a late event is judged by the tier of its time, and changes it now.
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.buy('ivy', 1000, 'o1'), 'base -> silver', 'silver on 15 March');
SELECT is(pg_temp.lots('ivy'), '1000 e until 2027-03-31', 'earned at the tier held before: times one');
SET loyalty.now = '2026-04-10 12:00+00';
SELECT is(pg_temp.buy('ivy', 2000, 'o2'), 'silver -> gold', 'gold on 10 April');
SELECT is(pg_temp.balance('ivy'), '4000 available', 'earned as silver: times one and a half');
SELECT is(pg_temp.buy('ivy', 100, 'o3', '2026-03-14 12:00+00'), 'gold -> gold', 'before either');
SELECT is(pg_temp.balance('ivy'), '4100 available', 'times one');
SELECT is(pg_temp.buy('ivy', 100, 'o4', '2026-04-10 11:59+00'), 'gold -> gold', 'a minute before gold');
SELECT is(pg_temp.balance('ivy'), '4250 available', 'times one and a half');
SELECT is(pg_temp.buy('ivy', 100, 'o5'), 'gold -> gold', 'now');
SELECT is(pg_temp.balance('ivy'), '4450 available', 'times two');
-- gold until 9 April 2027, silver until 9 April 2028, and nobody has looked
SET loyalty.now = '2028-05-01 12:00+08';
SELECT is(pg_temp.buy('ivy', 100, 'o6', '2027-04-09 12:00+08'), 'base -> base', 'after demotions that nobody had looked at');
SELECT is(pg_temp.moved_by('ivy', 'o6'), 200::bigint, 'a late event is judged by the tier of then');
SELECT is(pg_temp.buy('ivy', 100, 'o7', '2027-04-10 12:00+08'), 'base -> base', 'a day later');
SELECT is(pg_temp.moved_by('ivy', 'o7'), 150::bigint, 'it was silver');
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.buy('jon', 3000, 'o1'), 'base -> gold', 'another one');
SET loyalty.now = '2028-05-01 12:00+08';
SELECT is(pg_temp.buy('jon', 100, 'o2', '2027-12-01 12:00+08'), 'base -> base', 'in the call that posts the demotions');
SELECT is(pg_temp.moved_by('jon', 'o2'), 150::bigint, 'it was silver then, too');
SELECT is(pg_temp.buy('jon', 100, 'o3', '2028-04-10 12:00+08'), 'base -> base', 'and after both');
SELECT is(pg_temp.moved_by('jon', 'o3'), 100::bigint, 'it was neither');

-- A metric that is corrected by hand.
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.step(r), 'base -> silver', 'adjusted up: promoted at once') FROM loyalty.adjust(pg_temp.id('kay'), 1000, 'growth', 'test', key => 'k1') r;
SELECT is(pg_temp.step(r), 'silver -> base', 'adjusted down: revoked, where a refund would') FROM loyalty.adjust(pg_temp.id('kay'), -1, 'growth', 'test', key => 'k2') r;
SELECT is(pg_temp.step(r), 'base -> silver', 'at review') FROM loyalty.adjust(pg_temp.id('liz'), 1000, 'growth', 'test', key => 'k1') r;
SELECT is(pg_temp.step(r), 'silver -> silver', 'not until then') FROM loyalty.adjust(pg_temp.id('liz'), -1, 'growth', 'test', key => 'k2') r;

-- Purchase to join.
SELECT is(pg_temp.step(r), 'none -> gold', 'one sale joins, buys and promotes') FROM loyalty.sale('Now', '{"customer_no": "zoe"}', 3000, 's1') r;
SELECT is(pg_temp.tiers('zoe'), 'joined base, promoted gold 3000/3000 growth', 'in that order');
SELECT is(pg_temp.step(r), 'none -> gold', 'and replays') FROM loyalty.sale('Now', '{"customer_no": "zoe"}', 3000, 's1') r;
SELECT is(pg_temp.moved_by('zoe', 's1'), 3000::bigint, 'judged as a member of the base tier');
SELECT is(pg_temp.step(r), 'gold -> base', 'the refund revokes') FROM loyalty.refund(pg_temp.id('zoe'), 's1') r;

SELECT * FROM loyalty.verify();
SELECT * FROM finish(true);
ROLLBACK;
