\set ECHO none
\i test/prelude.sql
SELECT plan(81);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, period) VALUES
	(:shop, 'deliveries', 'counter', 'month'), (:shop, 'visits', 'counter', 'year'), (:shop, 'advice', 'counter', 'lifetime'), (:shop, 'coffees', 'counter', 'day');
INSERT INTO loyalty.tier (program_id, code, rank, valid_months) VALUES (:shop, 'base', 0, NULL), (:shop, 'gold', 1, 12);
SELECT loyalty.tier_ask('Shop', 'gold', 'spend', 1000);
SELECT pg_temp.offer('{"name": "free_delivery", "kind": "quota", "unit": "deliveries", "quantity": 4}', 'everyone') AS free_delivery \gset
SELECT pg_temp.offer('{"name": "lounge", "kind": "quota", "unit": "visits", "quantity": 2}', 'tier gold') AS lounge \gset
SELECT pg_temp.offer('{"name": "advice", "kind": "quota", "unit": "advice", "quantity": 1, "birthday": "month"}', 'everyone') AS advice \gset
SELECT pg_temp.offer('{"name": "coffee", "kind": "quota", "unit": "coffees", "quantity": 1, "valid_from": "2026-05-01 00:00+01", "valid_until": "2026-06-01 00:00+01"}', 'everyone') AS coffee \gset
SELECT pg_temp.offer('{"name": "priority", "kind": "flag"}', 'everyone') AS priority \gset
UPDATE loyalty.benefit_holder SET quantity = 1 WHERE benefit_id = :lounge;
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve');

CREATE FUNCTION pg_temp.use(name text, benefit text, ref text, quantity numeric DEFAULT 1, mode text DEFAULT 'try') RETURNS text
LANGUAGE sql AS $$ SELECT pg_temp.news(r) FROM loyalty.benefit_use(pg_temp.id(name), benefit, ref, quantity, mode => mode) r $$;
-- 'monthly counter stands at 3': what the wallet counts
CREATE FUNCTION pg_temp.counted(name text, unit text) RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce(string_agg(concat_ws(' until ', w.amount::text, to_char(w.expires_on, 'YYYY-MM-DD')), ', '), 'nothing')
	FROM loyalty.account a, loyalty.wallet_lots(a.wallet) w JOIN loyalty.unit u USING (unit_id)
	WHERE a.member_id = pg_temp.id(name) AND u.code = unit
$$;

SELECT is(pg_temp.signature('benefit_use'), '(member_id bigint, benefit text, ref text DEFAULT NULL::text, quantity numeric DEFAULT 1, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text) -> loyalty.receipt', 'benefit_use(): arguments');
SELECT is(pg_temp.signature('benefit_return'), '(member_id bigint, benefit text, ref text, quantity numeric DEFAULT NULL::numeric, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text) -> loyalty.receipt', 'benefit_return(): arguments');

-- A quota of four a month.
SELECT is(pg_temp.use('ann', 'free_delivery', 'o1'), 'quota_used 1, left 3, until 2026-03-31', 'one of four');
SELECT is(pg_temp.use('ann', 'free_delivery', 'o2', 2), 'quota_used 2, left 1, until 2026-03-31', 'two at once');
SELECT is(pg_temp.use('ann', 'free_delivery', 'o3', 2), 'quota_exhausted, left=1 until=2026-03-31', 'not more than there are');
SELECT is(pg_temp.use('ann', 'free_delivery', 'o3'), 'quota_used 1, left 0, until 2026-03-31', 'the last one');
SELECT is(pg_temp.raised('SELECT loyalty.benefit_use(pg_temp.id(''ann''), ''free_delivery'', ''o4'')'), 'LY411 left=0 until=2026-03-31', 'then it is exhausted');
SELECT is(pg_temp.counted('ann', 'deliveries'), '4 until 2026-03-31', 'the counter stands at what was used');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.benefit_use(pg_temp.id('bob'), 'free_delivery', 'o1') r), 'nothing', 'no lot of value moves');
SELECT results_eq($$SELECT j.kind, event, ref, amount::int, u.code, tier_before IS NULL FROM loyalty.journal j JOIN loyalty.unit u USING (unit_id)
	WHERE member_id = pg_temp.id('bob') AND j.kind = 'benefit_use'$$, $$VALUES ('benefit_use', 'free_delivery', 'o1', 1, 'deliveries', false)$$, 'the journal says what was used');
SELECT is((SELECT count(*)::int FROM loyalty.entry WHERE member_id IN (pg_temp.id('ann'), pg_temp.id('bob'))), 0, 'without entries');

-- Repeated, it replays; with another quantity it is another request.
SELECT is((SELECT format('%s %s', r.replayed, pg_temp.news(r)) FROM loyalty.benefit_use(pg_temp.id('ann'), 'free_delivery', 'o2', 2.0) r),
	't quota_used 2, left 1, until 2026-03-31', 'the same reference replays, exhausted or not');
SELECT is(pg_temp.counted('ann', 'deliveries'), '4 until 2026-03-31', 'and counts nothing');
SELECT alike(pg_temp.raised('SELECT loyalty.benefit_use(pg_temp.id(''ann''), ''free_delivery'', ''o2'', 1)'), 'LY002 journal_id=%', 'another quantity is another request');
SELECT alike(pg_temp.raised('SELECT loyalty.benefit_use(pg_temp.id(''ann''), ''free_delivery'', ''o2'', 2, key => ''k1'')'), 'LY003%', 'a new key for a known reference');
SELECT FROM loyalty.benefit_use(pg_temp.id('bob'), 'free_delivery', key => 'k1');
SELECT is((SELECT r.status || ' ' || r.replayed FROM loyalty.benefit_use(pg_temp.id('bob'), 'free_delivery', key => 'k1') r), 'done true', 'a key will do as well');
SELECT is(pg_temp.counted('bob', 'deliveries'), '2 until 2026-03-31', 'used once each');
SELECT is(pg_temp.raised('SELECT loyalty.benefit_use(pg_temp.id(''bob''), ''free_delivery'')'), 'LY001 benefit_use needs a key or a ref, so that it can be repeated safely', 'neither key nor reference');

-- In mode dry nothing is written.
SELECT pg_temp.state() AS before \gset
SELECT is((SELECT r.status || ', ' || pg_temp.news(r) FROM loyalty.benefit_use(pg_temp.id('cat'), 'free_delivery', 'o9', 4, mode => 'dry') r), 'dry, quota_used 4, left 0, until 2026-03-31', 'mode dry tells what would be');
SELECT is(pg_temp.use('cat', 'free_delivery', 'o9', 5, 'dry'), 'quota_exhausted, left=4 until=2026-03-31', 'or why not');
SELECT is(pg_temp.state(), :'before', 'and writes nothing');

-- The period is the programme's own.
SET loyalty.now = '2026-03-31 22:59+00';
SELECT is(pg_temp.use('ann', 'free_delivery', 'o5'), 'quota_exhausted, left=0 until=2026-03-31', 'a minute to midnight in London');
SET loyalty.now = '2026-03-31 23:00+00';
SELECT is(pg_temp.use('ann', 'free_delivery', 'o5'), 'quota_used 1, left 3, until 2026-04-30', 'midnight: a new month');
SELECT is(pg_temp.counted('ann', 'deliveries'), '1 until 2026-04-30', 'what was counted before is forgotten');

-- Given back.
SELECT is((SELECT pg_temp.news(r) FROM loyalty.benefit_return(pg_temp.id('ann'), 'free_delivery', 'o5') r), 'quota_returned 1, until 2026-04-30', 'given back in its month');
SELECT is(pg_temp.counted('ann', 'deliveries'), 'nothing', 'it can be used again');
SELECT is((SELECT pg_temp.news(r) || ' ' || r.replayed FROM loyalty.benefit_return(pg_temp.id('ann'), 'free_delivery', 'o5') r), 'quota_returned 1, until 2026-04-30 true', 'again: replays');
SELECT is(pg_temp.raised('SELECT loyalty.benefit_return(pg_temp.id(''ann''), ''free_delivery'', ''o5'', key => ''b1'')'), 'LY131 used=1 returned=1 requested=0', 'there is nothing left to give back');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.benefit_return(pg_temp.id('ann'), 'free_delivery', 'o2') r), 'period_over 2, until 2026-03-31', 'of a month that is over nothing comes back');
SELECT is(pg_temp.counted('ann', 'deliveries'), 'nothing', 'not in this month either');
SELECT is(pg_temp.use('ann', 'free_delivery', 'o6', 3), 'quota_used 3, left 1, until 2026-04-30', 'three at once');
SELECT is(pg_temp.raised('SELECT loyalty.benefit_return(pg_temp.id(''ann''), ''free_delivery'', ''o6'', 1)'), 'LY001 a part is given back with a key, so that it can be repeated safely', 'a part needs a key');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.benefit_return(pg_temp.id('ann'), 'free_delivery', 'o6', 1, key => 'b2') r), 'quota_returned 1, until 2026-04-30', 'a part');
SELECT is((SELECT r.replayed FROM loyalty.benefit_return(pg_temp.id('ann'), 'free_delivery', 'o6', 1, key => 'b2') r), true, 'replays by its key');
SELECT is(pg_temp.raised('SELECT loyalty.benefit_return(pg_temp.id(''ann''), ''free_delivery'', ''o6'', 3, key => ''b3'')'), 'LY131 used=3 returned=1 requested=3', 'not more than was used');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.benefit_return(pg_temp.id('ann'), 'free_delivery', 'o6') r), 'quota_returned 2, until 2026-04-30', 'without a quantity: what is left');
SELECT alike(pg_temp.raised('SELECT loyalty.benefit_return(pg_temp.id(''ann''), ''free_delivery'', ''nothing'')'), 'LY130%', 'never used under this reference');
SELECT alike(pg_temp.raised('SELECT loyalty.benefit_return(pg_temp.id(''ann''), ''lounge'', ''o6'')'), 'LY130%', 'nor of this benefit');
SELECT is(pg_temp.counted('ann', 'deliveries'), 'nothing', 'all is there again');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');

-- A refund of the whole order gives back what was used for it, in the same call.
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 90, 'o1');
SELECT is(pg_temp.use('dan', 'free_delivery', 'o1'), 'quota_used 1, left 3, until 2026-04-30', 'used for an order');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.refund(pg_temp.id('dan'), 'o1', 50, refund_ref => 'b1') r), 'nothing', 'a partial refund gives nothing back');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.refund(pg_temp.id('dan'), 'o1', 40, refund_ref => 'b2', mode => 'dry') r), 'quota_returned 1, until 2026-04-30', 'the one that ends it would');
SELECT is(pg_temp.counted('dan', 'deliveries'), '1 until 2026-04-30', 'but did not yet');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.refund(pg_temp.id('dan'), 'o1', 40, refund_ref => 'b2') r), 'quota_returned 1, until 2026-04-30', 'and does');
SELECT is((SELECT r.replayed::text || ' ' || pg_temp.news(r) FROM loyalty.refund(pg_temp.id('dan'), 'o1', 40, refund_ref => 'b2') r), 'true quota_returned 1, until 2026-04-30', 'once');
SELECT is(pg_temp.counted('dan', 'deliveries') || ', ' || pg_temp.journal('dan'), 'nothing, event signup, event purchase o1, benefit_use free_delivery o1, refund b1, refund b2, benefit_return free_delivery', 'in a row of its own');
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 90, 'o2');
SELECT FROM loyalty.benefit_use(pg_temp.id('dan'), 'free_delivery', 'o2', 2);
SELECT FROM loyalty.benefit_return(pg_temp.id('dan'), 'free_delivery', 'o2', 1, key => 'b3');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.refund(pg_temp.id('dan'), 'o2') r), 'quota_returned 1, until 2026-04-30', 'what was given back before does not come twice');
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 90, 'o3');
SELECT FROM loyalty.benefit_use(pg_temp.id('dan'), 'free_delivery', 'o3');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.refund(pg_temp.id('dan'), 'o3', data => '{"replaced": true}') r), 'nothing', 'an order that is recorded anew keeps what was used for it');
SELECT is(pg_temp.counted('dan', 'deliveries'), '1 until 2026-04-30', 'indeed');
SELECT FROM loyalty.purchase(pg_temp.id('dan'), 90, 'o4');
SELECT FROM loyalty.benefit_use(pg_temp.id('dan'), 'free_delivery', 'o4');
SET loyalty.now = '2026-05-01 12:00+00';
SELECT is((SELECT pg_temp.news(r) FROM loyalty.refund(pg_temp.id('dan'), 'o4') r), 'period_over 1, until 2026-04-30', 'in another month the refund only says so');
SELECT is(pg_temp.use('dan', 'free_delivery', 'o5', 5), 'quota_exhausted, left=4 until=2026-05-31', 'and gives nothing more than the four of the month');

-- What explanations and reports make of it.
SELECT results_eq($$SELECT e.outcome, e.reason, e.granted IS NULL FROM loyalty.journal j, loyalty.explain(j.member_id, j.journal_id) e
	WHERE j.member_id = pg_temp.id('ann') AND j.kind = 'benefit_use' AND j.ref = 'o2'$$, $$VALUES ('posted', 'quota_used', true)$$, 'explain()');
SELECT is((SELECT string_agg(e.outcome || ' ' || e.reason, ', ' ORDER BY e.place) FROM loyalty.journal j, loyalty.explain(j.member_id, j.journal_id) e
	WHERE j.member_id = pg_temp.id('dan') AND j.kind = 'refund' AND j.ref = 'b2' AND e.reason LIKE 'quota%'), 'posted quota_returned', 'explain(): a refund');
SELECT is((SELECT string_agg(format('%s %s %s %s', kind, event, amount, amount_in), ', ' ORDER BY journal_id) FROM loyalty.report_event
	WHERE member_id = pg_temp.id('ann') AND kind LIKE 'benefit%' AND coalesce(ref, reverses) = 'o2'), 'benefit_use free_delivery 2 deliveries, benefit_return free_delivery 2 deliveries', 'report_event');
SELECT is((SELECT count(*)::int FROM loyalty.statement(pg_temp.id('ann')) WHERE kind LIKE 'benefit%'), 0, 'statement(): nothing of value moved');

-- By tier, and lost with it.
SELECT is(pg_temp.use('eve', 'lounge', 'v1'), 'not_entitled, benefit=lounge', 'not for everybody');
SELECT FROM loyalty.purchase(pg_temp.id('eve'), 1000, 'o1');
SELECT is(pg_temp.use('eve', 'lounge', 'v1'), 'quota_used 1, left 0, until 2026-12-31', 'for gold: one a year, which the tier says and not the benefit');
SELECT FROM loyalty.benefit_give(pg_temp.id('eve'), 'lounge', 'an apology', quantity => 3);
SELECT is(pg_temp.use('eve', 'lounge', 'v2', 3), 'quota_exhausted, left=2 until=2026-12-31', 'the larger of two counts, and what was used is used');
SELECT is(pg_temp.use('eve', 'lounge', 'v2', 2), 'quota_used 2, left 0, until 2026-12-31', 'to the last');
SELECT FROM loyalty.benefit_withdraw(pg_temp.id('eve'), 'lounge', 'enough');
SELECT is(pg_temp.use('eve', 'lounge', 'v3'), 'quota_exhausted, left=0 until=2026-12-31', 'who has used more than is left to him has none');
SET loyalty.now = '2028-05-02 12:00+00';
SELECT is(pg_temp.use('eve', 'lounge', 'v4'), 'not_entitled, benefit=lounge', 'the tier has ended, reviewed or not: so has the benefit');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.benefit_return(pg_temp.id('eve'), 'lounge', 'v2') r), 'period_over 2, until 2026-12-31', 'what was used can be given back all the same');

-- When it is open.
SET loyalty.now = '2026-04-30 22:59+00';
SELECT is(pg_temp.use('cat', 'coffee', 'c1'), 'not_in_time_window, benefit=coffee', 'not yet');
SET loyalty.now = '2026-04-30 23:00+00';
SELECT is(pg_temp.use('cat', 'coffee', 'c1'), 'quota_used 1, left 0, until 2026-05-01', 'from its first moment');
SET loyalty.now = '2026-06-01 12:00+00';
SELECT is(pg_temp.use('cat', 'coffee', 'c2'), 'not_entitled, benefit=coffee', 'afterwards nobody has it');
SELECT is(pg_temp.use('cat', 'advice', 'a1'), 'not_in_time_window, benefit=advice', 'without a birthday');
UPDATE loyalty.member SET profile = '{"birthday": "1990-06-20"}' WHERE member_id = pg_temp.id('cat');
SELECT is(pg_temp.use('cat', 'advice', 'a1'), 'quota_used 1, left 0', 'once in a life: no end');
SELECT is(pg_temp.raised('SELECT loyalty.benefit_use(pg_temp.id(''cat''), ''advice'', ''a2'')'), 'LY411 left=0', 'and no more');

-- A limit that counts in the same counter counts what was used, late or not.
SET loyalty.now = '2026-06-10 12:00+00';
SELECT pg_temp.rule('{"event": "share", "award": 1}') AS share \gset
SELECT FROM loyalty.rule_limit(:share, 'month', 4, 'times', counter => 'both');
SELECT FROM pg_temp.offer('{"name": "pick_up", "kind": "quota", "unit": "both", "quantity": 4}', 'everyone');
SELECT is(pg_temp.use('ann', 'pick_up', 'u1', 3), 'quota_used 3, left 1, until 2026-06-30', 'three of four');
SELECT is((SELECT string_agg(pg_temp.moved(r), ', ' ORDER BY n) FROM generate_series(1, 2) n, loyalty.record(pg_temp.id('ann'), 'share', ref => 's' || n, mode => 'dry') r), '1 points, 1 points', 'one more is left');
SET loyalty.now = '2026-07-10 12:00+00';
SELECT is((SELECT string_agg(pg_temp.moved(r), ', ' ORDER BY n) FROM generate_series(1, 2) n, loyalty.record(pg_temp.id('ann'), 'share', ref => 's' || n, at => '2026-06-11 12:00+00') r), '1 points, nothing', 'a month later too');
SELECT FROM loyalty.benefit_return(pg_temp.id('ann'), 'pick_up', 'u1', 1, key => 'u2');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('ann'), 'share', ref => 's3', at => '2026-06-12 12:00+00') r), '1 points', 'or two, when one was given back');

-- What is refused.
SELECT is(pg_temp.use('cat', 'priority', 'p1'), 'benefit_kind_mismatch, benefit=priority kind=flag', 'a right is not used up');
SELECT is(pg_temp.use('cat', 'nothing', 'p1'), 'unknown_benefit, benefit=nothing', 'unknown benefit');
SELECT is(pg_temp.use('cat', 'free_delivery', 'p1', 1.5), 'amount_scale, quantity=1.5 decimals=0', 'half a delivery');
SELECT is(pg_temp.use('cat', 'free_delivery', 'p1', 0), 'amount_not_positive, quantity=0', 'none');
SELECT is(pg_temp.use('cat', 'free_delivery', 'p1', -1), 'amount_not_positive, quantity=-1', 'less than none');
SELECT FROM loyalty.member_freeze(pg_temp.id('cat'), 'lost card');
SELECT is(substring(pg_temp.use('cat', 'free_delivery', 'p1'), '^\w+'), 'member_frozen', 'a frozen member uses nothing');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.benefit_return(pg_temp.id('cat'), 'advice', 'a1') r), 'quota_returned 1', 'but is given back');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
