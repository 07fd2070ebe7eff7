\set ECHO none
\i test/prelude.sql
SELECT plan(108);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
SELECT loyalty.program_create('Club', 'GBP', 'Europe/London') AS club \gset
SELECT loyalty.program_create('Later', 'GBP', 'Europe/London', vest_days => 14) AS later \gset
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award)
SELECT :club, event, unit_id, 'fixed', award FROM loyalty.unit,
	(VALUES ('signup', 50), ('referral', 10), ('review', 25)) v(event, award)
WHERE program_id = :club AND code = 'points';

-- Arguments
SELECT is(pg_temp.signature(name), format('(%s) -> loyalty.receipt', arguments), name || '(): arguments')
FROM (VALUES
	('enroll', 'program text, identities jsonb, profile jsonb DEFAULT ''{}''::jsonb, data jsonb DEFAULT ''{}''::jsonb, '
		'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text'),
	('record', 'member_id bigint, event text, amount numeric DEFAULT NULL::numeric, ref text DEFAULT NULL::text, data jsonb DEFAULT ''{}''::jsonb, '
		'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text'),
	('purchase', 'member_id bigint, amount numeric, ref text, items jsonb DEFAULT NULL::jsonb, data jsonb DEFAULT ''{}''::jsonb, '
		'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text'),
	('sale', 'program text, identities jsonb, amount numeric, ref text, items jsonb DEFAULT NULL::jsonb, data jsonb DEFAULT ''{}''::jsonb, '
		'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text'),
	('vest', 'member_id bigint, ref text, '
		'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text')
) v(name, arguments);

-- enroll(): a new member
SELECT * FROM loyalty.enroll('Shop', '{"phone":"0044 20 7946-0000","email":" Ann@Example.com"}',
	'{"name":"Ann","city":"Leeds"}', '{"channel":"web","campaign":"spring"}', key => 'k1') \gset ann_
SELECT is(format('%s %s', :'ann_status', :'ann_replayed'), 'done f', 'enroll: a new member');
SELECT is(pg_temp.id('ann@example.com'), :ann_member_id::bigint, 'enroll: the receipt names the member');
SELECT results_eq(
	format($$SELECT kind, value FROM loyalty.identity WHERE member_id = %s ORDER BY kind$$, :ann_member_id),
	$$VALUES ('email', 'ann@example.com'), ('phone', '+442079460000')$$, 'rule 18: enroll: identities are stored in canonical form');
SELECT results_eq(
	format($$SELECT profile, joined_at FROM loyalty.member WHERE member_id = %s$$, :ann_member_id),
	$$VALUES ('{"name":"Ann","city":"Leeds"}'::jsonb, '2026-03-15 12:00+00'::timestamptz)$$, 'enroll: the profile');
SELECT results_eq(
	format($$SELECT j.kind, j.event, j.channel, j.key, d.data - 'awards' FROM loyalty.journal j JOIN loyalty.event_data d USING (member_id, journal_id)
		WHERE member_id = %s$$, :ann_member_id),
	$$VALUES ('event', 'signup', 'web', 'k1', '{"data":{"channel":"web","campaign":"spring"}}'::jsonb)$$, 'enroll: event signup, with its data');

-- enroll(): a known member
SET loyalty.now = '2026-03-16 12:00+00';
SELECT * FROM loyalty.enroll('Shop', '{"email":"ANN@example.com","card":"4000-1234"}', '{"city":"York","size":"M"}') \gset again_
SELECT is(:again_member_id::bigint, :ann_member_id::bigint, 'rule 18: enroll: a known identity finds the member');
SELECT is(loyalty.find('Shop', 'card', '40001234'), :ann_member_id::bigint, 'rule 18: and the new one is attached');
SELECT is(pg_temp.journal('ann@example.com'), 'event signup, identity_add', 'enroll: which is not a signup');
SELECT results_eq(
	format($$SELECT profile, joined_at FROM loyalty.member WHERE member_id = %s$$, :ann_member_id),
	$$VALUES ('{"name":"Ann","city":"Leeds","size":"M"}'::jsonb, '2026-03-15 12:00+00'::timestamptz)$$,
	'enroll: what the profile lacks is added, what it has is kept');
CREATE TEMP TABLE state AS SELECT pg_temp.state() AS before;
SELECT is((SELECT format('%s %s %s', status, replayed, journal_id IS NULL) FROM loyalty.enroll('Shop', '[{"kind":"card","value":"4000 1234"}]')),
	'done t t', 'enroll: nothing new, no journal row');
SELECT is((SELECT member_id FROM loyalty.enroll('Shop', '{"phone":"+442079460000"}')), :ann_member_id::bigint, 'enroll: but the member');
SELECT is((SELECT journal_id FROM loyalty.enroll('Shop', '{"phone":"0044 20 7946-0000","email":" Ann@Example.com"}',
	'{"name":"Ann","city":"Leeds"}', '{"channel":"web","campaign":"spring"}', key => 'k1')), :ann_journal_id::bigint, 'rule 1: enroll: a known key replays');
SELECT is(pg_temp.state(), (SELECT before FROM state), 'enroll: nothing new, nothing written');

-- enroll(): several identities of a kind, the same twice, two owners, other programmes
SELECT FROM loyalty.enroll('Shop', '[{"kind":"email","value":"bob@example.com"},{"kind":"email","value":"bob@work.example"},{"kind":"email","value":"BOB@example.com"}]');
SELECT is(pg_temp.id('bob@work.example'), pg_temp.id('bob@example.com'), 'enroll: two of one kind');
SELECT is((SELECT count(*) FROM loyalty.identity WHERE member_id = pg_temp.id('bob@example.com')), 2::bigint, 'enroll: the same twice is once');
SELECT throws_ok($$SELECT * FROM loyalty.enroll('Shop', '{"card":"40001234","email":"bob@example.com"}')$$, 'LY506', NULL,
	'rule 18: enroll: identities of two members refuse');
SELECT throws_ok($$SELECT * FROM loyalty.enroll('Shop', '{"card":"9","email":"bob@example.com","phone":"+442079460000"}')$$, 'LY506', NULL,
	'rule 18: enroll: with a new one, too');
SELECT is(loyalty.find('Shop', 'card', '9'), NULL, 'rule 18: which is not attached');
SELECT FROM loyalty.enroll('Club', '{"card":"40001234"}');
SELECT isnt(loyalty.find('Club', 'card', '40001234'), :ann_member_id::bigint, 'enroll: another programme, another member');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.enroll('Club', '{"customer_no":"cat"}', at => '2026-03-10 09:00+00') r), '50 points',
	'enroll: what signup earns');
SELECT results_eq($$SELECT joined_at, effective_at FROM loyalty.member JOIN loyalty.journal USING (member_id) WHERE member_id = pg_temp.id('cat')$$,
	$$VALUES ('2026-03-10 09:00+00'::timestamptz, '2026-03-10 09:00+00'::timestamptz)$$, 'rule 10: enroll: at dates the signup');
SELECT is((SELECT format('%s %s', status, pg_temp.moved(r)) FROM loyalty.enroll('Club', '{"customer_no":"nobody"}', mode => 'dry') r),
	'dry 50 points', 'enroll: a dry run tells what signup would earn');
SELECT is(pg_temp.id('nobody'), NULL, 'enroll: and enrols nobody');
SELECT lives_ok($$SELECT * FROM loyalty.enroll('Shop', (SELECT jsonb_object_agg('kind' || n, 'many') FROM generate_series(1, 32) n))$$,
	'enroll: 32 identities');

-- record()
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('cat'), 'referral') r), '10 points', 'record: what the event earns');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('cat'), 'referral') r), '10 points', 'record: each time');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('cat'), 'share') r), 'nothing', 'record: an event without a rule');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('cat'), 'review', ref => 'p1', data => '{"stars":5,"store":"S1"}') r), '25 points', 'record: a review');
SELECT results_eq($$SELECT j.event, j.ref, j.amount, j.store, d.data - 'awards' FROM loyalty.journal j LEFT JOIN loyalty.event_data d USING (member_id, journal_id)
	WHERE j.member_id = pg_temp.id('cat') AND j.ref = 'p1'$$,
	$$VALUES ('review', 'p1', NULL::bigint, 'S1', '{"data":{"stars":5,"store":"S1"}}'::jsonb)$$, 'record: in the journal, with its data');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.record(pg_temp.id('cat'), 'purchase', 33.50, 'o1') r), '1 orders, 33 points, 33.5 spend',
	'record: a purchase is a purchase');
SELECT isnt(pg_temp.raised($$SELECT * FROM loyalty.purchase(pg_temp.id('cat'), 34, 'o1')$$), 'no error', 'record: and has its ref');
-- 50 + 10 + 10 + 25 + 33
SELECT is(pg_temp.balance('cat'), '128 available', 'record: all of it');

-- purchase()
SELECT * FROM loyalty.enroll('Shop', '{"customer_no":"dan"}') \gset dan_
SELECT results_eq(
	format($$SELECT p.unit, p.amount, p.balance_after, p.vests_on, p.expires_on FROM loyalty.purchase(%s, 129.90, 'o1') r, unnest(r.postings) p ORDER BY unit$$, :dan_member_id),
	$$VALUES ('orders', 1::numeric, 1::numeric, '2026-03-01'::date, NULL::date),
	         ('points', 129, 129, NULL, '2027-03-31'),
	         ('spend', 129.90, 129.90, '2026-03-01', NULL)$$,
	'purchase: the receipt: 15 March 2026 is good until 31 March 2027');
SELECT results_eq(
	format($$SELECT p.unit, p.amount, p.balance_after FROM loyalty.purchase(%s, 0.99, 'o2') r, unnest(r.postings) p ORDER BY unit$$, :dan_member_id),
	$$VALUES ('orders', 1::numeric, 2::numeric), ('spend', 0.99, 130.89)$$, 'rule 13: purchase: less than a pound is no point');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.purchase(:dan_member_id, 0, 'o3') r), '1 orders', 'purchase: a free order is an order');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.purchase(:dan_member_id, 10, 'o4',
	'[{"sku":"A","qty":2,"price":3},{"sku":"B","price":4,"category":"tea","brand":"X","gift":true}]') r),
	'1 orders, 10 points, 10 spend', 'purchase: with items');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.purchase(:dan_member_id, 25, 'o5', '[{"sku":"A","qty":2.125,"price":10}]') r),
	'1 orders, 25 points, 25 spend', 'purchase: shipping on top of the items, three decimals of qty');
SELECT is((SELECT count(*) FROM loyalty.purchase(:dan_member_id, 5000, 'o6',
	(SELECT jsonb_agg(jsonb_build_object('sku', 'A', 'price', 1)) FROM generate_series(1, 5000)))), 1::bigint, 'purchase: 5,000 lines');
SELECT is((SELECT status FROM loyalty.purchase(:dan_member_id, 1, repeat('o', 255))), 'done', 'purchase: a ref of 255 bytes');
SELECT is((SELECT status FROM loyalty.purchase(:dan_member_id, 90071992547409.92, 'o7')), 'done', 'purchase: 2^53 pence');
SELECT FROM loyalty.refund(:dan_member_id, 'o7');
-- 129 + 10 + 25 + 5000 + 1
SELECT is(pg_temp.balance('dan'), '5165 available', 'purchase: all of it');

-- sale()
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.sale('Club', '{"customer_no":"eve"}', 20, 'o1', data => '{"store":"S9"}') r),
	'1 orders, 20 points, 20 spend', 'sale: a new member: the receipt of the purchase');
SELECT is(pg_temp.journal('eve'), 'event signup, event purchase o1', 'sale: which has joined');
SELECT is(pg_temp.balance('eve'), '70 available', 'sale: and has earned both');
SELECT results_eq($$SELECT event, store FROM loyalty.journal WHERE member_id = pg_temp.id('eve') ORDER BY journal_id DESC LIMIT 1$$,
	$$VALUES ('purchase', 'S9')$$, 'sale: data belongs to the purchase');
SELECT is((SELECT replayed FROM loyalty.sale('Club', '{"customer_no":"eve"}', 20, 'o1', data => '{"store":"S9"}')), true, 'rule 1: sale: once');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.sale('Club', '{"customer_no":"eve","card":"77"}', 5, 'o2', '[{"sku":"A","price":5}]', key => 'k1') r),
	'1 orders, 5 points, 5 spend', 'sale: a known member');
SELECT is(loyalty.find('Club', 'card', '77'), pg_temp.id('eve'), 'sale: gets the new identity');
SELECT is((SELECT replayed FROM loyalty.sale('Club', '{"customer_no":"eve","card":"77"}', 5.0, 'o2', '[{"sku":"A","price":5}]', key => 'k1')), true,
	'rule 1: sale: a known key replays');
SELECT is((SELECT count(*) FROM loyalty.journal WHERE member_id = pg_temp.id('eve') AND event = 'purchase'), 2::bigint, 'sale: two purchases in all');
SELECT is((SELECT status FROM loyalty.sale('Club', '{"customer_no":"nobody"}', 5, 'o1', mode => 'dry')), 'dry', 'sale: a dry run');
SELECT is((SELECT format('%s %s', status, reason) FROM loyalty.sale('Club', '{"customer_no":"nobody"}', -5, 'o1', mode => 'try')),
	'refused amount_not_positive', 'sale: refused');
SELECT is(pg_temp.id('nobody'), NULL, 'sale: neither enrols');
-- refused once by the purchase, once by the time, when the member was made up already
SELECT results_eq(format($$SELECT status, reason, member_id, journal_id FROM loyalty.sale('Club', '{"customer_no":"nobody"}', %s, 'o1', at => %L, mode => 'try')$$, amount, at),
	format($$VALUES ('refused', %L, NULL::bigint, NULL::bigint)$$, reason), 'sale: refused, the receipt names no member: ' || reason)
FROM (VALUES ('-5', NULL, 'amount_not_positive'), ('0.001', NULL, 'amount_scale'), ('5', '1969-12-31 12:00+00', 'period_closed')) v(amount, at, reason);
SELECT is_empty($$SELECT * FROM loyalty.identity WHERE value = 'nobody'$$, 'sale: nor is an identity left');
SELECT is((SELECT status FROM loyalty.sale('Club', '{"customer_no":"eve","card":"78"}', -5, 'o3', mode => 'try')), 'refused', 'sale: refused to a member');
SELECT is(loyalty.find('Club', 'card', '78'), NULL, 'sale: who gets no identity by it');
SELECT throws_ok($$SELECT * FROM loyalty.sale('Club', '{"customer_no":"nobody"}', 5, '')$$, 'LY005', NULL, 'sale: a refused purchase');
SELECT is(pg_temp.id('nobody'), NULL, 'sale: leaves no member behind');

-- vest(): goods received
SET loyalty.now = '2026-04-01 12:00+00';
CALL pg_temp.enroll('Later', 'fay');
SELECT FROM loyalty.purchase(pg_temp.id('fay'), 100, 'o1');
SELECT FROM loyalty.purchase(pg_temp.id('fay'), 40, 'o2');
SELECT is(pg_temp.lots('fay'), '140 e from 2026-04-15 until 2027-04-30', 'vest: two orders, one pending lot');
SELECT is((SELECT format('%s %s', status, pg_temp.moved(r)) FROM loyalty.vest(pg_temp.id('fay'), 'o2', mode => 'dry') r), 'dry 0 points', 'vest: a dry run');
SELECT results_eq(
	$$SELECT p.unit, p.amount, p.vests_on, p.expires_on FROM loyalty.vest(pg_temp.id('fay'), 'o2') r, unnest(r.postings) p ORDER BY amount$$,
	$$VALUES ('points', -40::numeric, '2026-04-15'::date, '2027-04-30'::date), ('points', 40, NULL, '2027-04-30')$$,
	'vest: from the pending lot to the vested one, which keeps its expiry');
SELECT is(pg_temp.balance('fay'), '40 available, 100 pending', 'vest: this order only');
SELECT results_eq($$SELECT kind, ref, reverses, effective_at, request_hash IS NOT NULL FROM loyalty.journal
	WHERE member_id = pg_temp.id('fay') ORDER BY journal_id DESC LIMIT 1$$,
	$$VALUES ('vest', 'o2', NULL::text, '2026-04-01 12:00+00'::timestamptz, true)$$, 'vest: in the journal');
SELECT is((SELECT replayed FROM loyalty.vest(pg_temp.id('fay'), 'o2')), true, 'rule 1: vest: once');
SELECT throws_ok($$SELECT * FROM loyalty.vest(pg_temp.id('fay'), 'o3')$$, 'LY130', NULL, 'vest: an unknown order');
SELECT FROM loyalty.refund(pg_temp.id('fay'), 'o1', 30, key => 'k1');
SELECT FROM loyalty.vest(pg_temp.id('fay'), 'o1');
SELECT is(pg_temp.balance('fay'), '110 available', 'vest: less what was refunded: 40 + 100 - 30');
SELECT FROM loyalty.purchase(pg_temp.id('fay'), 7, 'o4');
SET loyalty.now = '2026-04-15 12:00+00';
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.vest(pg_temp.id('fay'), 'o4') r), 'nothing', 'vest: what has vested already does not move');
SELECT is(pg_temp.balance('fay'), '117 available', 'vest: and is there once');
-- rule 8: what vests by order repays, too
SELECT FROM loyalty.redeem(pg_temp.id('fay'), 110, key => 'k2');
SELECT FROM loyalty.refund(pg_temp.id('fay'), 'o1');
SELECT is(pg_temp.balance('fay'), '63 debt', 'rule 8: 117 - 110 are there, 70 are taken back');
SELECT FROM loyalty.purchase(pg_temp.id('fay'), 100, 'o5');
SELECT is((SELECT pg_temp.moved(r) FROM loyalty.vest(pg_temp.id('fay'), 'o5') r), '0 points', 'rule 8: vest moves');
SELECT is(pg_temp.balance('fay'), '37 available', 'rule 8: and repays');

-- Rule 10: back-dating
SET loyalty.now = '2026-03-15 12:00+00';
CALL pg_temp.enroll('Later', 'guy');
CALL pg_temp.enroll('Shop', 'hal');
SELECT FROM loyalty.purchase(pg_temp.id('guy'), 10, 'o1', at => '2026-03-10 12:00+00');
SELECT is(pg_temp.lots('guy'), '10 e from 2026-03-24 until 2027-03-31', 'rule 10: vesting is counted from at');
SELECT FROM loyalty.purchase(pg_temp.id('guy'), 20, 'o2', at => '2026-02-20 12:00+00');
SELECT is(pg_temp.balance('guy'), '20 available, 10 pending', 'rule 10: what would have vested by now has');
SELECT is(pg_temp.balance('guy', as_of => '2027-03-01'), '10 available', 'rule 10: expiry is counted from at: 28 February 2027');
SELECT FROM loyalty.purchase(pg_temp.id('hal'), 70, 'o1', at => '2025-01-31 12:00+00');
SELECT is(pg_temp.balance('hal'), 'nothing', 'rule 10: what lapsed on 31 January 2026 has lapsed');
SELECT is(pg_temp.lots('hal'), 'none', 'rule 10: it was posted and expired at once');
SELECT is((SELECT sum(abs(amount)) FROM loyalty.entry JOIN loyalty.unit USING (unit_id) WHERE member_id = pg_temp.id('hal') AND code = 'points'),
	140::numeric, 'rule 10: both stand in the ledger');
SELECT is(pg_temp.lots('hal', 'spend'), '70 e from 2025-01-01', 'rule 10: the metric has its month');
SELECT FROM loyalty.purchase(pg_temp.id('hal'), 30, 'o2', at => '2025-03-01 12:00+00');
SELECT is(pg_temp.balance('hal'), '30 available', 'rule 10: 1 March 2025 is good until 31 March 2026');
SELECT FROM loyalty.purchase(pg_temp.id('hal'), 5, 'o3', at => '2026-03-16 12:00+00');
SELECT is(pg_temp.balance('hal'), '30 available, 5 pending', 'rule 10: a day ahead is allowed, and pending until then');
SELECT is(pg_temp.balance('hal', as_of => '2026-03-16'), '35 available', 'rule 10: on its day it is there');
SELECT throws_ok($$SELECT * FROM loyalty.purchase(pg_temp.id('hal'), 5, 'o4', at => '2026-03-16 12:00:00.000001+00')$$, 'LY108', NULL,
	'rule 10: and no more');
SELECT results_eq($$SELECT effective_at, recorded_at > '2026-03-15' FROM loyalty.journal WHERE member_id = pg_temp.id('hal') AND ref = 'o1'$$,
	$$VALUES ('2025-01-31 12:00+00'::timestamptz, true)$$, 'rule 10: effective then, recorded now');

-- Rule 8: what has lapsed when it is posted repays nothing. 100 earned, spent and taken back are 100 owed; 70 of January
-- 2025 were good until 31 January 2026
CALL pg_temp.enroll('Shop', 'ian');
SELECT FROM loyalty.purchase(pg_temp.id('ian'), 100, 'o1');
SELECT FROM loyalty.redeem(pg_temp.id('ian'), 100, key => 'k1');
SELECT FROM loyalty.refund(pg_temp.id('ian'), 'o1');
SELECT FROM loyalty.purchase(pg_temp.id('ian'), 70, 'o2', at => '2025-01-31 12:00+00');
SELECT is(pg_temp.balance('ian'), '100 debt', 'rule 8: a late award that has lapsed repays nothing');
SELECT is(pg_temp.journal('ian'), 'event signup, event purchase o1, redeem, refund, event purchase o2, expire', 'rule 10: it is posted and expired at once');
SELECT is((SELECT sum(e.amount) FROM loyalty.entry e JOIN loyalty.journal j USING (member_id, journal_id) JOIN loyalty.unit u ON u.unit_id = e.unit_id
	WHERE member_id = pg_temp.id('ian') AND code = 'points' AND j.kind = 'expire'), -70::numeric, 'rule 10: all of it');
SELECT FROM loyalty.purchase(pg_temp.id('ian'), 30, 'o3', at => '2025-03-01 12:00+00');
SELECT is(pg_temp.balance('ian'), '70 debt', 'rule 8: one that has not lapsed does: 100 - 30');

-- The first moment there is, in the clock's own terms
SELECT is((SELECT status FROM loyalty.purchase(pg_temp.id('ian'), 1, 'o4', at => '1970-01-01 00:00+00')), 'done', 'rule 10: the first of January 1970');

-- No data is the same as empty data
SELECT is((SELECT status FROM loyalty.record(pg_temp.id('ian'), 'share', data => NULL, key => 'd1')), 'done', 'data: none');
SELECT is((SELECT replayed FROM loyalty.record(pg_temp.id('ian'), 'share', data => '{}', key => 'd1')), true, 'rule 1: data: empty is the same request');
SELECT is((SELECT replayed FROM loyalty.record(pg_temp.id('ian'), 'share', key => 'd1')), true, 'rule 1: data: and so is the default');
SELECT is(pg_temp.raised($$SELECT * FROM loyalty.record(pg_temp.id('ian'), 'share', data => '{"a":1}', key => 'd1')$$) LIKE 'LY002%', true,
	'rule 1: data: what has something in it is not');
SELECT is((SELECT replayed FROM loyalty.purchase(pg_temp.id('ian'), 30, 'o3', data => NULL, at => '2025-03-01 12:00+00')), true, 'rule 1: data: purchase, too');

-- The lines of an order: qty in thousandths, gross and net in minor units
CREATE FUNCTION pg_temp.lines(items jsonb, amount bigint, currency_scale int) RETURNS text LANGUAGE sql
RETURN (SELECT string_agg(concat_ws(' ', l.line, l.sku, l.category, l.brand, l.quantity, l.gross, l.net), ', ' ORDER BY l.line)
	FROM loyalty.event_lines(items, amount, currency_scale) l);
SELECT is(pg_temp.lines('[{"sku": "a", "price": 5, "brand": "B"}, {"sku": "b", "price": 2, "qty": 2.5, "category": "C"}, {"sku": "c", "price": 5}]', 1000, 2),
	'1 a B 1000 500 334, 2 b C 2500 500 333, 3 c 1000 500 333', 'lines: 10 of 15 is shared alike, the cent that is left goes to the first');
SELECT is(pg_temp.lines('[{"sku": "a", "price": 5}, {"sku": "b", "price": 2}]', 900, 2), '1 a 1000 500 500, 2 b 1000 200 200',
	'lines: what the order has beyond them belongs to none');
SELECT is(pg_temp.lines('[{"sku": "a", "price": 500, "net": 300}, {"sku": "b", "price": 200, "net": 200}]', 400, 0), '1 a 1000 500 240, 2 b 1000 200 160',
	'lines: their nets share the amount, where there are some');
SELECT is(pg_temp.lines(NULL, 900, 2), NULL, 'lines: an order without lines has none');
SELECT is(split_part(pg_temp.raised(format('SELECT * FROM loyalty.event_lines(%L, 1, 2)', items)), ' ', 1), 'LY006', 'lines: refused, what was never recorded: ' || items)
FROM (VALUES ('[]'), ('[{"sku": "a"}]')) v (items);

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
