\set ECHO none
\i test/prelude.sql
SELECT plan(134);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:shop, 'base', 0), (:shop, 'gold', 1);
INSERT INTO loyalty.campaign (program_id, name, status, starts_at, ends_at) VALUES (:shop, 'spring', 'live', '2026-03-01 00:00+00', '2026-04-01 00:00+01') RETURNING campaign_id AS spring \gset
INSERT INTO loyalty.coupon_category (program_id, name, stacking, max_per_order) VALUES (:shop, 'loner', 'never', NULL), (:shop, 'pair', 'common', 1);
INSERT INTO loyalty.coupon (program_id, name, kind, amount, valid_from, valid_until, return_days) VALUES (:shop, 'ten', 'amount', 10, '2026-03-10', '2026-03-20', 5);
INSERT INTO loyalty.coupon (program_id, name, kind, amount, max_uses) VALUES (:shop, 'twice', 'amount', 5, 2);
INSERT INTO loyalty.coupon (program_id, name, kind, amount, max_uses, limit_member, limit_period, period) VALUES (:shop, 'daily', 'amount', 5, 9, 3, 1, 'day');
INSERT INTO loyalty.coupon (program_id, name, kind, percent, max_discount, channels) VALUES (:shop, 'app', 'percent', 10, 20, '{app}');
INSERT INTO loyalty.coupon (program_id, name, kind, percent, stores) VALUES (:shop, 'store', 'percent', 10, '{north}');
INSERT INTO loyalty.coupon (program_id, name, kind, percent, tiers) VALUES (:shop, 'tier', 'percent', 10, '{gold}');
INSERT INTO loyalty.coupon (program_id, name, kind, percent, tags) VALUES (:shop, 'tag', 'percent', 10, '{vip}');
INSERT INTO loyalty.coupon (program_id, name, kind, percent, payment_methods) VALUES (:shop, 'card', 'percent', 10, '{visa}');
INSERT INTO loyalty.coupon (program_id, name, kind, percent, first_purchases) VALUES (:shop, 'first', 'percent', 10, 1);
INSERT INTO loyalty.coupon (program_id, name, kind, percent, time_from, time_until) VALUES (:shop, 'evening', 'percent', 10, '18:00', '22:00');
INSERT INTO loyalty.coupon (program_id, name, kind, amount, exclusive) VALUES (:shop, 'alone', 'amount', 5, true);
INSERT INTO loyalty.coupon (program_id, name, kind, amount, category) VALUES (:shop, 'loner', 'amount', 5, 'loner'), (:shop, 'pair_a', 'amount', 5, 'pair'), (:shop, 'pair_b', 'amount', 5, 'pair');
INSERT INTO loyalty.coupon (program_id, name, kind, amount, campaign_id) VALUES (:shop, 'spring', 'amount', 5, :spring);
INSERT INTO loyalty.coupon (program_id, name, kind, amount, claimable, claim_required) VALUES (:shop, 'claimed', 'amount', 5, true, true);
INSERT INTO loyalty.coupon (program_id, name, kind, percent, returns) VALUES (:shop, 'scarce', 'percent', 10, false);
INSERT INTO loyalty.coupon (program_id, name, kind, percent) VALUES (:shop, 'budget', 'percent', 10), (:shop, 'plain', 'percent', 10), (:shop, 'party', 'percent', 10);
SELECT FROM loyalty.coupon_limit('Shop', 'scarce', 'used', 2, 2) a, loyalty.coupon_limit('Shop', 'budget', 'discount', 20, 1) b;
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan');
SELECT loyalty.tier_grant(pg_temp.id('cat'), 'gold', 'test', key => 't1') \gset
SELECT FROM loyalty.coupon c, loyalty.coupon_issue(pg_temp.id('ann'), c.name, 'start') WHERE NOT c.claim_required;
SELECT FROM loyalty.coupon c, loyalty.coupon_issue(pg_temp.id('bob'), c.name, 'start') WHERE c.name IN ('scarce', 'budget', 'ten');

CREATE FUNCTION pg_temp.said(r loyalty.receipt) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(', ', concat_ws(' ', m ->> 'code', m ->> 'coupon'), 'off ' || (m ->> 'discount'), 'until ' || (m ->> 'until'), m ->> 'detail'), '; ')
	FROM jsonb_array_elements((r).messages) m
$$;
CREATE FUNCTION pg_temp.no(member text, coupon text, nth int DEFAULT 1) RETURNS text
LANGUAGE sql AS $$
	SELECT '#' || coupon_no FROM loyalty.member_coupon m JOIN loyalty.coupon c USING (coupon_id)
	WHERE m.member_id = pg_temp.id($1) AND c.name = $2 ORDER BY coupon_no OFFSET $3 - 1 LIMIT 1
$$;
CREATE FUNCTION pg_temp.taken(coupon text, counts text) RETURNS int
LANGUAGE sql AS $$
	SELECT sum(s.used)::int FROM loyalty.coupon_limit l JOIN loyalty.coupon c USING (coupon_id) JOIN loyalty.budget_slot s USING (budget_id)
	WHERE c.name = $1 AND l.counts = $2
$$;
-- Uses the member's coupon of a template, or with a blank before it, a code.
CREATE FUNCTION pg_temp.use(member text, coupon text, ref text, discount numeric DEFAULT 0, data jsonb DEFAULT NULL, mode text DEFAULT 'try') RETURNS text
LANGUAGE sql AS $$
	SELECT pg_temp.said(r) FROM loyalty.coupon_use(pg_temp.id(member),
		CASE WHEN coupon ~ '^ ' THEN coupon ELSE pg_temp.no(member, coupon) END, ref, discount, data, mode => mode) r
$$;
CREATE FUNCTION pg_temp.undo(member text, ref text, code text DEFAULT NULL, key text DEFAULT NULL, mode text DEFAULT 'try') RETURNS text
LANGUAGE sql AS $$ SELECT pg_temp.said(r) FROM loyalty.coupon_undo(pg_temp.id(member), ref, code, key => key, mode => mode) r $$;
-- 'ten o1 used 1000/0': uses of a member
CREATE FUNCTION pg_temp.uses(name text) RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce(string_agg(format('%s %s %s %s/%s', c.name, u.ref, u.status, u.returned, u.discount), '; ' ORDER BY use_id), 'none')
	FROM loyalty.coupon_use u JOIN loyalty.coupon c USING (coupon_id) WHERE u.member_id = pg_temp.id($1)
$$;

-- Use
SELECT is(pg_temp.signature('coupon_use'), '(member_id bigint, code text, ref text, discount numeric DEFAULT 0, data jsonb DEFAULT NULL::jsonb, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text) -> loyalty.receipt', 'coupon_use(): arguments');
SELECT pg_temp.state() AS before \gset
SELECT is(pg_temp.use('ann', 'ten', 'o1', 8, mode => 'dry'), 'coupon_used ten, off 8', 'mode dry tells what would be');
SELECT is(pg_temp.state(), :'before', 'and writes nothing');
SELECT is(pg_temp.use('ann', 'ten', 'o1', 8, '{"store": "north", "channel": "till"}'), 'coupon_used ten, off 8', 'used');
SELECT is(pg_temp.uses('ann'), 'ten o1 used 0/800', 'it is used');
SELECT results_eq($$SELECT kind, event, ref, amount::int, store, channel FROM loyalty.journal WHERE member_id = pg_temp.id('ann') AND kind = 'coupon_use'$$,
	$$VALUES ('coupon_use', 'ten', 'o1', 800, 'north', 'till')$$, 'the journal says so');
SELECT is((SELECT concat_ws(' ', r.status, r.replayed, pg_temp.said(r)) FROM loyalty.coupon_use(pg_temp.id('ann'), pg_temp.no('ann', 'ten'), 'o1', 8.00, '{"store": "north", "channel": "till"}') r),
	'done t coupon_used ten, off 8', 'the same request replays');
SELECT is(pg_temp.use('ann', 'ten', 'o1', 7), 'already_used, coupon=ten', 'another does not');
SELECT is(pg_temp.use('ann', 'ten', 'o2', 8), 'already_used, coupon=ten', 'nor for another order');
SELECT is(pg_temp.raised($$SELECT loyalty.coupon_use(pg_temp.id('ann'), pg_temp.no('ann', 'ten'), 'o2')$$), 'LY210 coupon=ten', 'mode do raises');

-- What cannot be used; each has its own code, and changes nothing
SELECT pg_temp.state() AS before \gset
SELECT is(pg_temp.use(v.member, v.coupon, coalesce(v.ref, 'o9'), v.discount, v.data), v.told, v.what) FROM (VALUES
	('more than it gives', 'ann', 'twice', NULL, 6, NULL::jsonb, 'amount_too_large, discount=6 at_most=5'),
	('more than it may give', 'ann', 'app', NULL, 20.01, '{"channel": "app"}', 'amount_too_large, discount=20.01 at_most=20'),
	('less than nothing', 'ann', 'twice', NULL, -1, NULL, 'amount_not_positive, discount=-1 decimals=2'),
	('a third of a penny', 'ann', 'twice', NULL, 0.333, NULL, 'amount_scale, discount=0.333 decimals=2'),
	('no number', 'ann', 'twice', NULL, 'NaN', NULL, 'amount_not_finite, discount=NaN decimals=2'),
	('another channel', 'ann', 'app', NULL, 1, '{"channel": "web"}', 'channel_mismatch, coupon=app'),
	('no channel', 'ann', 'app', NULL, 1, NULL, 'channel_mismatch, coupon=app'),
	('another store', 'ann', 'store', NULL, 1, '{"store": "south"}', 'store_mismatch, coupon=store'),
	('another tier', 'ann', 'tier', NULL, 1, NULL, 'tier_mismatch, coupon=tier'),
	('another tag', 'ann', 'tag', NULL, 1, NULL, 'segment_mismatch, coupon=tag'),
	('another way to pay', 'ann', 'card', NULL, 1, '{"payment_method": "cash"}', 'payment_method, coupon=card'),
	('another time of day', 'ann', 'evening', NULL, 1, NULL, 'not_in_time_window, coupon=evening'),
	('more than its budget', 'ann', 'budget', NULL, 20.01, NULL, 'budget_exhausted, coupon=budget'),
	('no code', 'ann', ' ', NULL, 1, NULL, 'not_found, member_id=' || pg_temp.id('ann')),
	('an unknown code', 'ann', ' ABCD-EFGH-JK', NULL, 1, NULL, 'not_found, member_id=' || pg_temp.id('ann')),
	('an emoji', 'ann', ' 🎁', NULL, 1, NULL, 'not_found, member_id=' || pg_temp.id('ann')),
	('a million letters', 'ann', ' ' || repeat('A', 1000000), NULL, 1, NULL, 'not_found, member_id=' || pg_temp.id('ann')),
	('no number', 'ann', ' #', NULL, 1, NULL, 'not_found, member_id=' || pg_temp.id('ann')),
	('a number of nothing', 'ann', ' #1', NULL, 1, NULL, 'not_found, member_id=' || pg_temp.id('ann')),
	('a reference of nothing', 'ann', 'twice', '', 1, NULL, 'ref_invalid, ref is empty'),
	('data that is a list', 'ann', 'twice', NULL, 1, '[]', 'data_invalid, data must be a json object')
) v (what, member, coupon, ref, discount, data, told);
SELECT is((SELECT pg_temp.said(r) FROM loyalty.coupon_use(pg_temp.id('bob'), pg_temp.no('ann', 'twice'), 'o9', mode => 'try') r), 'not_found, member_id=' || pg_temp.id('bob'), 'the number of another member''s coupon');
SELECT is((SELECT pg_temp.said(r) FROM loyalty.coupon_use(pg_temp.id('bob'), '#99999999999999999999', 'o9', mode => 'try') r), 'not_found, member_id=' || pg_temp.id('bob'), 'a number that is too large');
SELECT is(pg_temp.state(), :'before', 'nothing was changed by any of these');
SET loyalty.now = '2026-03-15 18:30+00';
SELECT is(pg_temp.use('ann', v.coupon, 'p ' || v.coupon, 1, v.data), 'coupon_used ' || v.coupon || ', off 1', v.coupon || ' as it should be')
FROM (VALUES ('app', jsonb '{"channel": "app"}'), ('store', '{"store": "north"}'), ('card', '{"payment_method": "visa"}'), ('evening', NULL), ('first', NULL)) v (coupon, data);
SET loyalty.now = '2026-03-15 12:00+00';
SELECT FROM loyalty.coupon_issue(pg_temp.id('ann'), 'first', 'again'), loyalty.purchase(pg_temp.id('ann'), 10, 'a purchase');
SELECT is((SELECT pg_temp.said(r) FROM loyalty.coupon_use(pg_temp.id('ann'), pg_temp.no('ann', 'first', 2), 'o9', mode => 'try') r), 'first_order_only, coupon=first', 'after the first order');
SELECT FROM loyalty.coupon_issue(pg_temp.id('cat'), 'tier', 'start');
SELECT is(pg_temp.use('cat', 'tier', 'o1', 1), 'coupon_used tier, off 1', 'of that tier');
SET loyalty.now = '2026-03-21 00:00+00';
SELECT is(pg_temp.use('bob', 'ten', 'o1'), 'expired, coupon=ten', 'the day after its last');
SET loyalty.now = '2026-03-20 23:59+00';
SELECT is(pg_temp.use('bob', 'ten', 'o1'), 'coupon_used ten, off 0', 'its last minute');
SET loyalty.now = '2026-03-15 12:00+00';
SELECT FROM loyalty.coupon_issue(pg_temp.id('bob'), 'plain', 'later', '2026-03-16');
SELECT is(pg_temp.use('bob', 'plain', 'o2'), 'not_started, coupon=plain', 'the day before its first');
UPDATE loyalty.campaign SET status = 'paused' WHERE name = 'spring';
SELECT is(pg_temp.use('ann', 'spring', 'o9'), 'campaign_not_running, coupon=spring', 'its campaign is paused');
UPDATE loyalty.campaign SET status = 'live' WHERE name = 'spring';
UPDATE loyalty.coupon SET status = 'inactive' WHERE name = 'spring';
SELECT is(pg_temp.use('ann', 'spring', 'o9'), 'disabled, coupon=spring', 'its template is inactive');
UPDATE loyalty.coupon SET status = 'active' WHERE name = 'spring';
SET loyalty.now = '2026-04-01 00:00+01';
SELECT is(pg_temp.use('ann', 'spring', 'o9'), 'expired, coupon=spring', 'its campaign is over');
SET loyalty.now = '2026-03-15 12:00+00';

-- Limits
SELECT is(pg_temp.use('ann', 'twice', 'q1', 5), 'coupon_used twice, off 5', 'once');
SELECT is(pg_temp.use('ann', 'twice', 'q1', 4), 'stack_category_limit, coupon=twice', 'once in an order');
SELECT is(pg_temp.use('ann', 'twice', 'q2', 5), 'coupon_used twice, off 5', 'twice');
SELECT is(pg_temp.use('ann', 'twice', 'q3', 5), 'already_used, coupon=twice', 'not a third time');
SELECT is(pg_temp.use('ann', 'daily', 'd1', 5), 'coupon_used daily, off 5', 'once a day');
SELECT is(pg_temp.use('ann', 'daily', 'd2', 5), 'limit_period, coupon=daily', 'not twice');
SET loyalty.now = '2026-03-16 00:00+00';
SELECT is(pg_temp.use('ann', 'daily', 'd2', 5), 'coupon_used daily, off 5', 'the next day');
SET loyalty.now = '2026-03-17 00:00+00';
SELECT is(pg_temp.use('ann', 'daily', 'd3', 5), 'coupon_used daily, off 5', 'and the day after');
SET loyalty.now = '2026-03-18 00:00+00';
SELECT is(pg_temp.use('ann', 'daily', 'd4', 5), 'limit_member, coupon=daily', 'three times a member');
SELECT is(pg_temp.undo('ann', 'd1'), 'coupon_returned daily, off 5', 'one of them never was');
SELECT is(pg_temp.use('ann', 'daily', 'd4', 5), 'coupon_used daily, off 5', 'so there is one left');
SET loyalty.now = '2026-03-15 12:00+00';
SELECT is(pg_temp.use('ann', 'scarce', 's1', 5), 'coupon_used scarce, off 5', 'the first of two');
SELECT is(pg_temp.use('bob', 'scarce', 's1', 5), 'coupon_used scarce, off 5', 'the second');
SELECT FROM loyalty.coupon_issue(pg_temp.id('cat'), 'scarce', 'start');
SELECT is(pg_temp.use('cat', 'scarce', 's1', 5), 'limit_campaign, coupon=scarce', 'there are no more');
SELECT is(pg_temp.taken('scarce', 'used'), 2, 'as slots say');
SELECT is(pg_temp.undo('bob', 's1'), 'coupon_returned scarce, off 5', 'undone, though refunds would not give it back');
SELECT is(pg_temp.use('cat', 'scarce', 's1', 5), 'coupon_used scarce, off 5', 'there is one');
SELECT is(pg_temp.use('ann', 'budget', 'b1', 15), 'coupon_used budget, off 15', 'fifteen of twenty');
SELECT is(pg_temp.use('bob', 'budget', 'b1', 5.01), 'budget_exhausted, coupon=budget', 'a penny too much');
SELECT is(pg_temp.use('bob', 'budget', 'b1', 5), 'coupon_used budget, off 5', 'all of it');
SELECT FROM loyalty.coupon_issue(pg_temp.id('cat'), 'budget', 'start');
SELECT is(pg_temp.use('cat', 'budget', 'b1', 0), 'budget_exhausted, coupon=budget', 'even for nothing');
SELECT is(pg_temp.taken('budget', 'discount'), 2000, 'as slots say');
SELECT is(pg_temp.undo('ann', 'b1'), 'coupon_returned budget, off 15', 'undone');
SELECT is(pg_temp.taken('budget', 'discount'), 500, 'it is there again');

-- Beside each other
SELECT is(pg_temp.use('ann', 'plain', 'x1'), 'coupon_used plain, off 0', 'one');
SELECT is(pg_temp.use('ann', 'alone', 'x1'), 'stack_exclusive, coupon=alone', 'with nothing else');
SELECT is(pg_temp.use('ann', 'loner', 'x1'), 'stack_exclusive, coupon=loner', 'with its like only');
SELECT is(pg_temp.use('ann', 'pair_a', 'x1'), 'coupon_used pair_a, off 0', 'beside it');
SELECT is(pg_temp.use('ann', 'pair_b', 'x1'), 'stack_category_limit, coupon=pair_b', 'one of the category');
INSERT INTO loyalty.cart_policy (program_id, max_coupons) VALUES (:shop, 2);
SELECT FROM loyalty.coupon_issue(pg_temp.id('ann'), 'party', 'again');
SELECT is(pg_temp.use('ann', 'party', 'x1'), 'stack_total_limit, coupon=party', 'two in all');
DELETE FROM loyalty.cart_policy;

-- Undoing
SELECT is(pg_temp.signature('coupon_undo'), '(member_id bigint, ref text, code text DEFAULT NULL::text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text) -> loyalty.receipt', 'coupon_undo(): arguments');
SELECT pg_temp.state() AS before \gset
SELECT is(pg_temp.undo('ann', 'x1', mode => 'dry'), 'coupon_returned plain, off 0; coupon_returned pair_a, off 0', 'mode dry tells what would be');
SELECT is(pg_temp.undo('ann', 'x2'), 'use_not_found, member_id=' || pg_temp.id('ann'), 'nothing was used');
SELECT is(pg_temp.undo('bob', 'x1'), 'use_not_found, member_id=' || pg_temp.id('bob'), 'not by this member');
SELECT is(pg_temp.undo('ann', 'x1', '#1'), 'use_not_found, member_id=' || pg_temp.id('ann'), 'not this coupon');
SELECT is(pg_temp.undo('ann', 'x1', '#x'), 'use_not_found, member_id=' || pg_temp.id('ann'), 'which is none');
SELECT is(pg_temp.state(), :'before', 'nothing was changed by any of these');
SELECT is(pg_temp.undo('ann', 'x1', pg_temp.no('ann', 'plain')), 'coupon_returned plain, off 0', 'one of them');
SELECT is(pg_temp.undo('ann', 'x1', pg_temp.no('ann', 'plain'), 'u1'), 'already_returned, member_id=' || pg_temp.id('ann'), 'not twice');
SELECT is((SELECT r.replayed FROM loyalty.coupon_undo(pg_temp.id('ann'), 'x1', pg_temp.no('ann', 'plain')) r), true, 'the same request replays');
SELECT is(pg_temp.undo('ann', 'x1'), 'coupon_returned pair_a, off 0', 'the rest');
SELECT is(pg_temp.undo('ann', 'x1', key => 'u2'), 'already_returned, member_id=' || pg_temp.id('ann'), 'not twice');
SELECT is(pg_temp.use('ann', 'plain', 'x1', 1), 'coupon_used plain, off 1', 'used again for the same order');
SELECT is(pg_temp.undo('ann', 'x1'), 'coupon_returned plain, off 1', 'and undone again');
SET loyalty.now = '2026-03-25 12:00+00';
SELECT is(pg_temp.undo('ann', 'o1'), 'coupon_returned ten, off 8', 'undone when it is over');
SELECT is((SELECT valid_until FROM loyalty.member_coupon WHERE '#' || coupon_no = pg_temp.no('ann', 'ten')), '2026-03-30', 'it is good for five days more');
SELECT is(pg_temp.use('ann', 'ten', 'o3', 8), 'coupon_used ten, off 8', 'and used');
SET loyalty.now = '2026-03-15 12:00+00';

-- Codes
SELECT FROM loyalty.coupon_import('Shop', 'ten', '{ten1,ten2,ten3,ten4}') a, loyalty.coupon_import('Shop', 'twice', '{two1,two2}') b,
	loyalty.coupon_import('Shop', 'claimed', '{claim1}') c, loyalty.coupon_code_create('Shop', 'party', 'party', 2) d, loyalty.coupon_code_create('Shop', 'claimed', 'claimall') e;
SELECT code AS generated FROM loyalty.coupon_generate('Shop', 'plain', 1) g (code) \gset
SELECT is(pg_temp.use('ann', ' ten-1', 'c1', 10), 'coupon_used ten, off 10', 'a code');
SELECT is(pg_temp.use('bob', ' TEN 1', 'c1', 10), 'already_used, coupon=ten', 'is good once, for whoever comes first');
SELECT is(pg_temp.use('bob', ' ' || lower(:'generated'), 'c1', 10), 'coupon_used plain, off 10', 'one that was made here');
SELECT is(pg_temp.use('bob', ' ' || overlay(:'generated' PLACING (CASE WHEN left(:'generated', 1) = 'A' THEN 'B' ELSE 'A' END) FROM 1 FOR 1), 'c2', 10), 'not_found, member_id=' || pg_temp.id('bob'), 'mistyped');
SELECT is(pg_temp.undo('ann', 'c1', 'TEN1'), 'coupon_returned ten, off 10', 'undone by code');
SELECT is(pg_temp.use('bob', ' ten1', 'c3', 10), 'coupon_used ten, off 10', 'another may use it');
SELECT is(pg_temp.use('ann', ' two1', 'c4', 5), 'coupon_used twice, off 5', 'one of two uses');
SELECT is(pg_temp.use('bob', ' two1', 'c4', 5), 'coupon_used twice, off 5', 'the other');
SELECT is(pg_temp.use('cat', ' two1', 'c4', 5), 'limit_code, coupon=twice', 'no more');
SELECT is(pg_temp.use('ann', ' party', 'c5', 5), 'coupon_used party, off 5', 'one for everybody');
SELECT is(pg_temp.use('bob', ' party', 'c5', 5), 'coupon_used party, off 5', 'twice');
SELECT is(pg_temp.use('cat', ' party', 'c5', 5), 'limit_code, coupon=party', 'and no more');
SELECT is(pg_temp.undo('bob', 'c5'), 'coupon_returned party, off 5', 'undone');
SELECT is(pg_temp.use('cat', ' party', 'c5', 5), 'coupon_used party, off 5', 'for the next');
SELECT loyalty.coupon_disable('Shop', 'ten2') \gset
SELECT is(pg_temp.use('ann', ' ten2', 'c6', 5), 'disabled, coupon=ten', 'a code that was disabled');
SELECT is(pg_temp.use('ann', ' claimall', 'c7', 5), 'reservation_required, coupon=claimed', 'a code for those who have claimed');
SELECT is(pg_temp.use('ann', ' claim1', 'c7', 5), 'reservation_required, coupon=claimed', 'the same');
SELECT FROM loyalty.coupon_claim(pg_temp.id('ann'), 'claimed', 'k1');
SELECT is(pg_temp.use('ann', ' claimall', 'c7', 5), 'coupon_used claimed, off 5', 'as this one has');
SELECT is(pg_temp.use('ann', ' claim1', 'c8', 5), 'already_used, coupon=claimed', 'once');

-- A code becomes the member's own
SELECT is((SELECT pg_temp.said(r) FROM loyalty.coupon_claim_code(pg_temp.id('ann'), 'ten3') r), 'coupon_issued ten, until 2026-03-20', 'a code is kept');
SELECT is((SELECT r.replayed FROM loyalty.coupon_claim_code(pg_temp.id('ann'), 'ten3') r), true, 'the same request replays');
SELECT is(pg_temp.said(r), v.told, v.what) FROM (VALUES
	('another member', 'bob', 'ten3', 'not_found, member_id=' || pg_temp.id('bob')), ('the same member, another request', 'ann', 'TEN3', 'not_claimable, coupon=ten is the member''s already'),
	('one for everybody', 'ann', 'party', 'limit_code, coupon=party'), ('used', 'ann', 'ten1', 'already_used, coupon=ten'), ('disabled', 'ann', 'ten2', 'disabled, coupon=ten'),
	('unknown', 'ann', 'nothing', 'not_found, member_id=' || pg_temp.id('ann')), ('no code', 'ann', '!', 'not_found, member_id=' || pg_temp.id('ann')), ('used by some', 'ann', 'two1', 'limit_code, coupon=twice')
) v (what, member, code, told), loyalty.coupon_claim_code(pg_temp.id(v.member), v.code, mode => 'try') r;
SELECT is(pg_temp.use('bob', ' ten3', 'e1', 5), 'not_found, member_id=' || pg_temp.id('bob'), 'it is nobody else''s');
SELECT is(pg_temp.use('ann', ' ten3', 'e1', 5), 'coupon_used ten, off 5', 'it is good for the member');
SELECT is(pg_temp.undo('ann', 'e1'), 'coupon_returned ten, off 5', 'undone');
UPDATE loyalty.coupon SET transferable = true WHERE name = 'ten';
SELECT FROM loyalty.coupon_import('Shop', 'ten', '{ten5}');
SELECT FROM loyalty.coupon_claim_code(pg_temp.id('ann'), 'ten5');
SELECT is((SELECT pg_temp.said(r) FROM loyalty.coupon_transfer(pg_temp.id('ann'), pg_temp.id('dan'), substr(pg_temp.no('ann', 'ten', 3), 2)::bigint, 't1') r), 'coupon_given ten, until 2026-03-20', 'given away with its code');
SELECT is(pg_temp.use('ann', ' ten5', 'e2', 5), 'not_owner, coupon=ten', 'who gave it knows it');
SELECT is(pg_temp.use('bob', ' ten5', 'e2', 5), 'not_found, member_id=' || pg_temp.id('bob'), 'others do not');
SELECT is(pg_temp.use('dan', ' ten5', 'e2', 5), 'coupon_used ten, off 5', 'the new owner uses it');
SELECT is(pg_temp.use('dan', ' ten5', 'e3', 5), 'already_used, coupon=ten', 'once');

-- Members
SELECT FROM loyalty.coupon_issue(pg_temp.id('dan'), 'plain', 'start'), loyalty.member_freeze(pg_temp.id('dan'), 'lost card');
SELECT is(pg_temp.use('dan', 'plain', 'm1'), 'member_frozen, member_id=' || pg_temp.id('dan'), 'a frozen member uses nothing');
SELECT is(pg_temp.undo('dan', 'e2'), 'coupon_returned ten, off 5', 'but gets back what he used');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
