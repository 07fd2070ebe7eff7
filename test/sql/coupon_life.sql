\set ECHO none
\i test/prelude.sql
SELECT plan(102);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
SELECT loyalty.program_create('Other', 'GBP', 'Europe/London') AS other \gset
SELECT unit_id AS points FROM loyalty.unit WHERE program_id = :shop AND code = 'points' \gset
INSERT INTO loyalty.campaign (program_id, name, status, ends_at) VALUES (:shop, 'spring', 'paused', '2026-04-01 00:00+01') RETURNING campaign_id AS spring \gset
INSERT INTO loyalty.coupon (program_id, name, kind, amount, claimable, claims, claim_from, claim_until, valid_after, valid_days, valid_until) VALUES
	(:shop, 'ten', 'amount', 10, true, 2, '2026-03-10', '2026-03-20', 1, 7, '2026-03-25');
INSERT INTO loyalty.coupon (program_id, name, kind, amount, price, price_unit_id, claims) VALUES (:shop, 'bought', 'amount', 5, 100, :points, 3);
INSERT INTO loyalty.coupon (program_id, name, kind, amount, transferable) VALUES (:shop, 'gift', 'amount', 5, true), (:shop, 'mine', 'amount', 5, false);
INSERT INTO loyalty.coupon (program_id, name, kind, amount, claimable) VALUES (:shop, 'few', 'amount', 5, true), (:shop, 'none', 'amount', 5, true);
INSERT INTO loyalty.coupon (program_id, name, kind, amount, claimable, campaign_id) VALUES (:shop, 'spring', 'amount', 5, true, :spring);
INSERT INTO loyalty.coupon (program_id, name, kind, amount, claimable, valid_until) VALUES (:shop, 'over', 'amount', 5, true, '2026-03-14');
INSERT INTO loyalty.coupon (program_id, name, kind, amount, automatic) VALUES (:shop, 'offer', 'amount', 5, true);
INSERT INTO loyalty.coupon_pack (program_id, name, coupon_id, quantity)
	SELECT :shop, 'welcome', coupon_id, 2 FROM loyalty.coupon WHERE name IN ('gift', 'few');
SELECT FROM loyalty.coupon_limit('Shop', 'few', 'issued', 3, 2) a, loyalty.coupon_limit('Shop', 'none', 'issued', 0) b;
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve');
CALL pg_temp.enroll('Other', 'yui');

-- 'coupon_issued ten, until 2026-03-22', or why not: what a receipt tells
CREATE FUNCTION pg_temp.said(r loyalty.receipt) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(', ', concat_ws(' ', m ->> 'code', m ->> 'coupon'), 'off ' || (m ->> 'discount'), 'until ' || (m ->> 'until'), m ->> 'detail'), '; ')
	FROM jsonb_array_elements((r).messages) m
$$;
-- 'ten claim issued 0/1 2026-03-16..2026-03-22': what a member holds, in the order in which it came
CREATE FUNCTION pg_temp.held(name text) RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce(string_agg(format('%s %s %s %s/%s %s..%s', c.name, m.source, m.status, m.uses, m.max_uses, m.valid_from, m.valid_until), '; ' ORDER BY m.coupon_no), 'nothing')
	FROM loyalty.member_coupon m JOIN loyalty.coupon c USING (coupon_id) WHERE m.member_id = pg_temp.id($1)
$$;
CREATE FUNCTION pg_temp.no(member text, coupon text, nth int DEFAULT 1) RETURNS bigint
LANGUAGE sql AS $$
	SELECT coupon_no FROM loyalty.member_coupon m JOIN loyalty.coupon c USING (coupon_id)
	WHERE m.member_id = pg_temp.id($1) AND c.name = $2 ORDER BY coupon_no OFFSET $3 - 1 LIMIT 1
$$;
-- What is used up of a limit, by its slots.
CREATE FUNCTION pg_temp.taken(coupon text, counts text) RETURNS int
LANGUAGE sql AS $$
	SELECT sum(s.used)::int FROM loyalty.coupon_limit l JOIN loyalty.coupon c USING (coupon_id) JOIN loyalty.budget_slot s USING (budget_id)
	WHERE c.name = $1 AND l.counts = $2
$$;
CREATE FUNCTION pg_temp.claim(member text, coupon text, ref text, mode text DEFAULT 'try') RETURNS text
LANGUAGE sql AS $$ SELECT pg_temp.said(r) FROM loyalty.coupon_claim(pg_temp.id(member), coupon, ref, mode => mode) r $$;

-- Claiming
SELECT is(pg_temp.signature('coupon_claim'), '(member_id bigint, coupon text, ref text DEFAULT NULL::text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text) -> loyalty.receipt', 'coupon_claim(): arguments');
SELECT is(pg_temp.claim('ann', 'ten', 'c1'), 'coupon_issued ten, until 2026-03-22', 'good for seven days from tomorrow');
SELECT is(pg_temp.held('ann'), 'ten claim issued 0/1 2026-03-16..2026-03-22', 'which the member holds');
SELECT is((SELECT concat_ws(' ', r.status, r.replayed, pg_temp.said(r)) FROM loyalty.coupon_claim(pg_temp.id('ann'), 'ten', 'c1') r), 'done t coupon_issued ten, until 2026-03-22', 'the same reference replays');
SELECT alike(pg_temp.raised($$SELECT loyalty.coupon_claim(pg_temp.id('ann'), 'ten', 'c1', key => 'k')$$), 'LY003%', 'a new key for a known reference');
SELECT alike(pg_temp.raised($$SELECT loyalty.coupon_claim(pg_temp.id('ann'), 'ten')$$), 'LY001%', 'neither key nor reference');
SELECT pg_temp.state() AS before \gset
SELECT is(pg_temp.claim('ann', 'ten', 'c2', 'dry'), 'coupon_issued ten, until 2026-03-22', 'mode dry tells what would be');
SELECT is(pg_temp.state(), :'before', 'and writes nothing');
SET loyalty.now = '2026-03-20 23:30+00';
SELECT is(pg_temp.claim('ann', 'ten', 'c2'), 'coupon_issued ten, until 2026-03-25', 'not longer than the template; the last day to claim it');
SELECT is(pg_temp.claim('ann', 'ten', 'c3'), 'limit_member, coupon=ten claims=2', 'twice a member');
SET loyalty.now = '2026-03-21 00:00+00';
SELECT is(pg_temp.claim('bob', 'ten', 'c1'), 'expired, coupon=ten', 'the day after');
SET loyalty.now = '2026-03-09 12:00+00';
SELECT is(pg_temp.claim('bob', 'ten', 'c1'), 'not_started, coupon=ten', 'too early');
SET loyalty.now = '2026-03-15 12:00+00';
SELECT pg_temp.state() AS before \gset
SELECT is(pg_temp.claim('bob', 'gift', 'c1'), 'not_claimable, coupon=gift', 'not one that is claimed');
SELECT is(pg_temp.claim('bob', 'over', 'c1'), 'expired, coupon=over', 'its validity is over');
SELECT is(pg_temp.claim('bob', 'spring', 'c1'), 'campaign_not_running, coupon=spring', 'its campaign is paused');
SELECT is(pg_temp.claim('bob', 'none', 'c1'), 'limit_campaign, coupon=none', 'a quota of none');
SELECT is(pg_temp.claim('bob', 'offer', 'c1'), 'unknown_coupon, coupon=offer', 'an offer is claimed by nobody');
SELECT is(pg_temp.claim('yui', 'ten', 'c1'), 'unknown_coupon, coupon=ten', 'of another programme');
SELECT alike(pg_temp.claim('bob', repeat('x', 1000000), 'c1'), 'unknown_coupon, coupon=xxxx%', 'a name of a million letters');
SELECT is(pg_temp.state(), :'before', 'nothing was changed by any of these');
UPDATE loyalty.coupon SET status = 'inactive' WHERE name = 'ten';
SELECT is(pg_temp.claim('bob', 'ten', 'c1'), 'disabled, coupon=ten', 'the template is inactive');
UPDATE loyalty.coupon SET status = 'active' WHERE name = 'ten';
SELECT loyalty.campaign_start('Shop', 'spring');
SELECT is(pg_temp.claim('bob', 'spring', 'c2'), 'coupon_issued spring', 'its campaign runs');
SELECT is(string_agg(pg_temp.claim(n, 'few', 'f1'), '; '), 'coupon_issued few; coupon_issued few; coupon_issued few; limit_campaign, coupon=few', 'a quota of three') FROM unnest('{ann,bob,cat,dan}'::text[]) n;
SELECT is(pg_temp.taken('few', 'issued'), 3, 'slots count them');

-- A later edit changes nothing of what is held.
UPDATE loyalty.coupon SET valid_until = '2026-12-31', amount = 1 WHERE name = 'ten';
SELECT is(pg_temp.held('ann'), 'ten claim issued 0/1 2026-03-16..2026-03-22; ten claim issued 0/1 2026-03-21..2026-03-25; few claim issued 0/1 2026-03-15..', 'dates stay');
SELECT is((SELECT string_agg(m.version::text, ',' ORDER BY coupon_no) FROM loyalty.member_coupon m JOIN loyalty.coupon c USING (coupon_id) WHERE name = 'ten'), '1,1', 'and so do terms');

-- Issuing
SELECT is(pg_temp.said(r), 'coupon_issued gift; coupon_issued gift', 'two at once') FROM loyalty.coupon_issue(pg_temp.id('dan'), 'gift', 'i1', quantity => 2) r;
SELECT is(pg_temp.said(r), 'coupon_issued gift, until 2026-04-10', 'with dates of its own') FROM loyalty.coupon_issue(pg_temp.id('dan'), 'gift', 'i2', '2026-04-01', '2026-04-10') r;
SELECT is(pg_temp.said(r), 'coupon_issued ten, until 2026-04-08', 'days count from the first that is given') FROM loyalty.coupon_issue(pg_temp.id('dan'), 'ten', 'i3', valid_from => '2026-04-01') r;
SELECT is(pg_temp.held('dan'), 'gift issue issued 0/1 2026-03-15..; gift issue issued 0/1 2026-03-15..; gift issue issued 0/1 2026-04-01..2026-04-10; ten issue issued 0/1 2026-04-01..2026-04-08', 'all of them');
SELECT pg_temp.state() AS before \gset
SELECT is(pg_temp.said(r), v.told, v.what) FROM (VALUES
	('the last day has passed', 'expiry_in_past, valid_until lies before today', 'gift', NULL::date, date '2026-03-14', 1::numeric),
	('the last day before the first', 'period_inverted, valid_until lies before valid_from', 'gift', '2026-05-02', '2026-05-01', 1),
	('a date that is none', 'time_not_finite, valid_from and valid_until must lie between the years 1 and 9999', 'gift', 'infinity', NULL, 1),
	('validity is over', 'expired, coupon=over', 'over', NULL, NULL, 1),
	('half a coupon', 'amount_scale, quantity=0.5 decimals=0', 'gift', NULL, NULL, 0.5),
	('none', 'amount_not_positive, quantity=0', 'gift', NULL, NULL, 0),
	('fewer than none', 'amount_not_positive, quantity=-1', 'gift', NULL, NULL, -1),
	('too many at once', 'amount_too_large, quantity=101 at_most=100', 'gift', NULL, NULL, 101),
	('more than there are', 'limit_campaign, coupon=few', 'few', NULL, NULL, 1),
	('no such template', 'unknown_coupon, coupon=nothing', 'nothing', NULL, NULL, 1)
) v (what, told, coupon, valid_from, valid_until, quantity),
	loyalty.coupon_issue(pg_temp.id('dan'), v.coupon, 'i9', v.valid_from, v.valid_until, v.quantity, mode => 'try') r;
SELECT is(pg_temp.state(), :'before', 'nothing was changed by any of these');
SELECT loyalty.coupon_limit('Shop', 'few', 'issued', 5, 2) \gset
SELECT is(pg_temp.said(r), 'coupon_issued gift; coupon_issued gift; coupon_issued few; coupon_issued few', 'a pack') FROM loyalty.coupon_issue_pack(pg_temp.id('eve'), 'welcome', 'p1') r;
SELECT pg_temp.state() AS before \gset
SELECT is(pg_temp.said(r), 'limit_campaign, coupon=few', 'all of it or nothing') FROM loyalty.coupon_issue_pack(pg_temp.id('cat'), 'welcome', 'p1', mode => 'try') r;
SELECT is(pg_temp.said(r), 'unknown_pack, pack=nothing', 'no such pack') FROM loyalty.coupon_issue_pack(pg_temp.id('cat'), 'nothing', 'p1', mode => 'try') r;
SELECT is(pg_temp.state(), :'before', 'and nothing it was');

-- Buying
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 150, 'points', 'test', expires_on => '2026-06-30', key => 'a1');
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 200, 'points', 'test', expires_on => '2026-12-31', key => 'a2');
SELECT is(pg_temp.moved(r) || ': ' || pg_temp.said(r), '-200 points: coupon_issued bought; coupon_issued bought', 'two for two hundred') FROM loyalty.coupon_buy(pg_temp.id('ann'), 'bought', 'b1', 2) r;
SELECT is(pg_temp.lots('ann'), '150 a until 2026-12-31', 'the lots that end first have paid');
SELECT is(pg_temp.said(r), 'limit_member, coupon=bought claims=3', 'three in all') FROM loyalty.coupon_buy(pg_temp.id('ann'), 'bought', 'b2', 2, mode => 'try') r;
SELECT is(pg_temp.said(r), 'insufficient_points, available=0 requested=100 unit=points', 'no points') FROM loyalty.coupon_buy(pg_temp.id('bob'), 'bought', 'b1', mode => 'try') r;
SELECT is(pg_temp.said(r), 'not_for_sale, coupon=gift', 'no price') FROM loyalty.coupon_buy(pg_temp.id('ann'), 'gift', 'b3', mode => 'try') r;

-- Making void
SELECT is(pg_temp.moved(r) || ': ' || pg_temp.said(r), '100 points: coupon_void bought', 'the first gives its points back')
FROM loyalty.coupon_void(pg_temp.id('ann'), pg_temp.no('ann', 'bought', 2), 'a mistake') r;
SELECT is(pg_temp.lots('ann'), '100 a until 2026-06-30, 150 a until 2026-12-31', 'to the lots that were spent first');
SELECT is((SELECT concat_ws(' ', r.status, r.replayed, pg_temp.moved(r)) FROM loyalty.coupon_void(pg_temp.id('ann'), pg_temp.no('ann', 'bought', 2), 'a mistake') r), 'done t 100 points', 'the same request replays');
SELECT is(pg_temp.said(r), 'disabled, coupon=bought', 'another does not') FROM loyalty.coupon_void(pg_temp.id('ann'), pg_temp.no('ann', 'bought', 2), 'again', mode => 'try') r;
SELECT is(pg_temp.moved(r), '100 points', 'the second gives back the rest') FROM loyalty.coupon_void(pg_temp.id('ann'), pg_temp.no('ann', 'bought', 1), 'a mistake') r;
SELECT is(pg_temp.lots('ann'), '150 a until 2026-06-30, 200 a until 2026-12-31', 'as if nothing had been bought');
SELECT is(pg_temp.said(r), 'coupon_issued bought', 'and may buy again') FROM loyalty.coupon_buy(pg_temp.id('ann'), 'bought', 'b4', mode => 'try') r;
SELECT is(pg_temp.said(r), 'reason_required, reason is empty', 'not without a reason') FROM loyalty.coupon_void(pg_temp.id('ann'), pg_temp.no('ann', 'few'), ' ', mode => 'try') r;
SELECT is(pg_temp.said(r), 'not_found, coupon_no=' || pg_temp.no('ann', 'few'), 'not one of another member') FROM loyalty.coupon_void(pg_temp.id('bob'), pg_temp.no('ann', 'few'), 'x', mode => 'try') r;
SELECT is(pg_temp.said(r), 'coupon_void few', 'void') FROM loyalty.coupon_void(pg_temp.id('ann'), pg_temp.no('ann', 'few'), 'a mistake') r;
SELECT is(pg_temp.taken('few', 'issued'), 4, 'another can have it');
SELECT is(pg_temp.claim('ann', 'few', 'f2'), 'coupon_issued few', 'the same member, too');

-- Giving away
SELECT is(pg_temp.said(r), 'coupon_given gift', 'given') FROM loyalty.coupon_transfer(pg_temp.id('dan'), pg_temp.id('bob'), pg_temp.no('dan', 'gift'), 't1') r;
SELECT is(pg_temp.held('bob'), 'spring claim issued 0/1 2026-03-15..; few claim issued 0/1 2026-03-15..; gift transfer issued 0/1 2026-03-15..', 'received');
SELECT is(pg_temp.journal('bob'), 'event signup, coupon_claim spring c2, coupon_claim few f1, coupon_receive gift transfer:' || (SELECT journal_id FROM loyalty.journal WHERE kind = 'coupon_transfer'), 'a half for each');
SELECT is(pg_temp.said(r), 'coupon_given gift, until 2026-04-10', 'before its first day') FROM loyalty.coupon_transfer(pg_temp.id('dan'), pg_temp.id('bob'), pg_temp.no('dan', 'gift', 3), 't2') r;
SELECT pg_temp.state() AS before \gset
SELECT is(pg_temp.said(r), v.told, v.what) FROM (VALUES
	('given twice', 'not_owner, coupon=gift', 'dan', 'bob', pg_temp.no('dan', 'gift')),
	('to oneself', 'transfer_to_self, member_id=' || pg_temp.id('dan'), 'dan', 'dan', pg_temp.no('dan', 'gift', 2)),
	('to nobody', 'member_not_found, member_id=' || pg_temp.id('yui'), 'dan', 'yui', pg_temp.no('dan', 'gift', 2)),
	('not one that may be', 'not_transferable, coupon=few', 'bob', 'dan', pg_temp.no('bob', 'few')),
	('one of another member', 'not_found, coupon_no=' || pg_temp.no('bob', 'few'), 'dan', 'bob', pg_temp.no('bob', 'few')),
	('a void one', 'disabled, coupon=bought', 'ann', 'bob', pg_temp.no('ann', 'bought'))
) v (what, told, giver, taker, coupon_no),
	loyalty.coupon_transfer(pg_temp.id(v.giver), pg_temp.id(v.taker), v.coupon_no, 't9', mode => 'try') r;
SELECT is(pg_temp.state(), :'before', 'nothing was changed by any of these');
SELECT is((SELECT concat_ws(' ', r.replayed, pg_temp.said(r)) FROM loyalty.coupon_transfer(pg_temp.id('dan'), pg_temp.id('bob'), pg_temp.no('dan', 'gift'), 't1') r), 't coupon_given gift', 'the same reference replays');
SELECT pg_temp.state() AS before \gset
SELECT is(concat_ws(' ', r.status, pg_temp.said(r)), 'dry coupon_given gift', 'mode dry tells') FROM loyalty.coupon_transfer(pg_temp.id('dan'), pg_temp.id('bob'), pg_temp.no('dan', 'gift', 2), 't3', mode => 'dry') r;
SELECT is(concat_ws(' ', r.status, pg_temp.moved(r), pg_temp.said(r)), 'dry 100 points coupon_void bought', 'mode dry tells') FROM loyalty.coupon_void(pg_temp.id('ann'), pg_temp.no('ann', 'bought', 3), 'x', mode => 'dry') r;
SELECT is(concat_ws(' ', r.status, pg_temp.moved(r), pg_temp.said(r)), 'dry -100 points coupon_issued bought', 'mode dry tells') FROM loyalty.coupon_buy(pg_temp.id('ann'), 'bought', 'b5', mode => 'dry') r;
SELECT is(concat_ws(' ', r.status, pg_temp.said(r)), 'dry coupon_issued gift', 'mode dry tells') FROM loyalty.coupon_issue(pg_temp.id('ann'), 'gift', 'i5', mode => 'dry') r;
SELECT is(pg_temp.state(), :'before', 'and writes nothing');

-- To a segment
INSERT INTO loyalty.segment (program_id, name) VALUES (:shop, 'all'), (:shop, 'empty');
INSERT INTO loyalty.coupon (program_id, name, kind, amount, claims) VALUES (:shop, 'mass', 'amount', 5, 1);
SELECT loyalty.coupon_limit('Shop', 'mass', 'issued', 6, 2) \gset
SELECT count(loyalty.segment_add(pg_temp.id(n), 'all')) AS added FROM unnest('{ann,bob,cat,dan,eve}'::text[]) n \gset
SELECT FROM loyalty.member_freeze(pg_temp.id('bob'), 'lost card'), loyalty.member_close(pg_temp.id('dan'), 'moved away');
SELECT is(pg_temp.signature('coupon_issue_segment'), '(program text, coupon text, segment text, ref text, batch integer DEFAULT 10000, after bigint DEFAULT NULL::bigint, OUT issued bigint, OUT skipped bigint, OUT last_member_id bigint) -> record', 'coupon_issue_segment(): arguments');
SELECT FROM loyalty.coupon_issue(pg_temp.id('cat'), 'mass', 'm0');
SELECT results_eq($$SELECT issued::int, skipped::int, last_member_id FROM loyalty.coupon_issue_segment('Shop', 'mass', 'all', 'm1', batch => 2)$$,
	$$VALUES (2, 0, pg_temp.id('bob'))$$, 'the first two');
SELECT results_eq($$SELECT issued::int, skipped::int, last_member_id FROM loyalty.coupon_issue_segment('Shop', 'mass', 'all', 'm1', 2, pg_temp.id('bob'))$$,
	$$VALUES (0, 2, pg_temp.id('dan'))$$, 'who has one, and who is no member any more, is skipped');
SELECT results_eq($$SELECT issued::int, skipped::int, last_member_id FROM loyalty.coupon_issue_segment('Shop', 'mass', 'all', 'm1', 2, pg_temp.id('dan'))$$,
	$$VALUES (1, 0, pg_temp.id('eve'))$$, 'the last');
SELECT results_eq($$SELECT issued::int, skipped::int, last_member_id FROM loyalty.coupon_issue_segment('Shop', 'mass', 'all', 'm1', 2, pg_temp.id('eve'))$$,
	$$VALUES (0, 0, NULL::bigint)$$, 'there are no more');
SELECT results_eq($$SELECT issued::int, skipped::int, last_member_id FROM loyalty.coupon_issue_segment('Shop', 'mass', 'all', 'm1')$$,
	$$VALUES (0, 5, pg_temp.id('eve'))$$, 'once more: nobody gets it twice');
SELECT is(pg_temp.held('eve'), 'gift pack issued 0/1 2026-03-15..; gift pack issued 0/1 2026-03-15..; few pack issued 0/1 2026-03-15..; few pack issued 0/1 2026-03-15..; mass segment issued 0/1 2026-03-15..', 'what a member holds');
SELECT results_eq($$SELECT kind, event, ref, amount::int, outcome FROM loyalty.journal WHERE member_id = pg_temp.id('eve') AND ref = 'm1'$$,
	$$VALUES ('coupon_issue', 'mass', 'm1', 1, jsonb '[{"code": "coupon_issued", "coupon": "mass"}]')$$, 'the journal says so');
SELECT is(pg_temp.said(r), v.told, 'a single call knows of it') FROM (VALUES ('idempotency_key_reused, journal_id=' || (SELECT journal_id FROM loyalty.journal WHERE member_id = pg_temp.id('eve') AND ref = 'm1'))) v (told), loyalty.coupon_issue(pg_temp.id('eve'), 'mass', 'm1', mode => 'try') r;
SELECT is(pg_temp.taken('mass', 'issued'), 4, 'slots count them');
UPDATE loyalty.coupon SET claims = NULL WHERE name = 'mass';
SELECT results_eq($$SELECT issued::int, skipped::int FROM loyalty.coupon_issue_segment('Shop', 'mass', 'all', 'm2')$$, $$VALUES (2, 3)$$, 'as many as there are');
SELECT is(pg_temp.taken('mass', 'issued'), 6, 'and no more');
SELECT is(pg_temp.raised(v.call), v.told, v.call) FROM (VALUES
	($$SELECT loyalty.coupon_issue_segment('Nowhere', 'mass', 'all', 'm1')$$, 'LY403 program=Nowhere'),
	($$SELECT loyalty.coupon_issue_segment('Shop', 'nothing', 'all', 'm1')$$, 'LY251 coupon=nothing'),
	($$SELECT loyalty.coupon_issue_segment('Shop', 'mass', 'nobody', 'm1')$$, 'LY811 segment=nobody'),
	($$SELECT loyalty.coupon_issue_segment('Shop', 'over', 'all', 'm1')$$, 'LY203 coupon=over'),
	($$SELECT loyalty.coupon_issue_segment('Shop', 'mass', 'all', '')$$, 'LY005 ref has 0 bytes, at least 1, at most 255'),
	($$SELECT loyalty.coupon_issue_segment('Shop', 'mass', 'all', E'm\x01')$$, 'LY005 ref contains a control character'),
	($$SELECT loyalty.coupon_issue_segment('Shop', 'mass', 'all', NULL)$$, '22004'),
	($$SELECT loyalty.coupon_issue_segment('Shop', 'mass', 'all', 'm1', 0)$$, '22023')) v (call, told);
SELECT results_eq($$SELECT issued::int, skipped::int, last_member_id FROM loyalty.coupon_issue_segment('Shop', 'mass', 'empty', 'm1')$$, $$VALUES (0, 0, NULL::bigint)$$, 'a segment of nobody');
SELECT is(loyalty.coupon_release('Shop'), 0, 'nothing is reserved');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
