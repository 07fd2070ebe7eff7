\set ECHO none
\i test/prelude.sql
SELECT plan(51);

-- A hotel where every tenth night is free, and a bar with a card of five stamps.
SELECT loyalty.program_create('Hotel', 'EUR', 'Europe/Berlin') AS hotel \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:hotel, 'nights', 'metric', 0), (:hotel, 'stamps', 'metric', 0), (:hotel, 'money', 'metric', 2);
INSERT INTO loyalty.program_event (program_id, event) VALUES (:hotel, 'drink');
SELECT pg_temp.rule('{"unit": "nights", "kind": "per_quantity", "award": 1, "per": 1}') AS nights \gset
SELECT pg_temp.rule('{"event": "drink", "unit": "stamps", "award": 1}') AS stamps \gset
SELECT pg_temp.rule('{"event": "drink", "unit": "money", "kind": "per_amount", "award": 1, "per": 1, "proportional": true}') AS money \gset
INSERT INTO loyalty.tier (program_id, code, rank, valid_months) VALUES (:hotel, 'base', 0, NULL), (:hotel, 'gold', 1, 12);
SELECT loyalty.tier_ask('Hotel', 'gold', 'nights', 25);
SELECT pg_temp.offer('{"name": "free_night", "kind": "every_n", "unit": "nights", "quantity": 10, "valid_days": 365}', 'everyone') AS free_night \gset
SELECT pg_temp.offer('{"name": "free_drink", "kind": "every_n", "unit": "stamps", "quantity": 5}', 'tag friend') AS free_drink \gset
SELECT pg_temp.offer('{"name": "cigar", "kind": "every_n", "unit": "money", "quantity": 12.50}', 'tier gold') AS cigar \gset
CALL pg_temp.enroll('Hotel', 'ann', 'bob', 'cat', 'dan', 'eve', 'fay', 'gil');

CREATE FUNCTION pg_temp.stay(name text, ref text, nights int, mode text DEFAULT 'do') RETURNS text
LANGUAGE sql AS $$
	SELECT pg_temp.news(r) FROM loyalty.purchase(pg_temp.id(name), 100 * nights, ref,
		jsonb_build_array(jsonb_build_object('sku', 'room', 'qty', nights, 'price', 100)), mode => mode) r
$$;
CREATE FUNCTION pg_temp.cancel(name text, ref text) RETURNS text
LANGUAGE sql AS $$ SELECT pg_temp.news(r) FROM loyalty.refund(pg_temp.id(name), ref) r $$;
CREATE FUNCTION pg_temp.use(name text, benefit text, ref text) RETURNS text
LANGUAGE sql AS $$ SELECT pg_temp.news(r) FROM loyalty.benefit_use(pg_temp.id(name), benefit, ref, mode => 'try') r $$;

-- Every tenth night.
SELECT is(pg_temp.stay('ann', 's1', 9), 'nothing', 'nine nights');
SELECT is(pg_temp.stay('ann', 's2', 2, 'dry'), 'voucher_issued, until 2027-03-14', 'two more would be eleven');
SELECT is(pg_temp.vouchers('ann', 'free_night'), 'none', 'but are not yet');
SELECT is(pg_temp.stay('ann', 's2', 2), 'voucher_issued, until 2027-03-14', 'eleven: one');
SELECT is((SELECT r.replayed || ' ' || pg_temp.news(r) FROM loyalty.purchase(pg_temp.id('ann'), 200, 's2', '[{"sku": "room", "qty": 2, "price": 100}]') r), 'true voucher_issued, until 2027-03-14', 'replayed, it is still one');
SELECT is(pg_temp.stay('ann', 's3', 8), 'nothing', 'nineteen: the one over was carried on');
SELECT is(pg_temp.stay('ann', 's4', 21), 'voucher_issued, until 2027-03-14; voucher_issued, until 2027-03-14; voucher_issued, until 2027-03-14', 'forty: three at once');
SELECT is(pg_temp.vouchers('ann', 'free_night'), 'issued until 2027-03-14, issued until 2027-03-14, issued until 2027-03-14, issued until 2027-03-14', 'four of forty');
SELECT is((SELECT string_agg(DISTINCT j.kind || ' ' || j.ref, ', ') FROM loyalty.voucher v JOIN loyalty.journal j ON j.member_id = v.member_id AND j.journal_id = v.issued_journal_id
	WHERE v.member_id = pg_temp.id('ann')), 'event s2, event s4', 'issued by the stays');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');

-- A stay that is cancelled revokes what it brought.
SELECT is(pg_temp.cancel('ann', 's1'), 'voucher_void, until 2027-03-14', 'thirty-one: one less');
SELECT is(pg_temp.use('ann', 'free_night', 's5'), 'voucher_used, left 2, until 2027-03-14', 'one is used');
SELECT is(pg_temp.cancel('ann', 's4'), 'voucher_void, until 2027-03-14; voucher_void, until 2027-03-14', 'ten: the newest that were not used');
SELECT is(pg_temp.vouchers('ann', 'free_night'), 'used s5 until 2027-03-14, void until 2027-03-14, void until 2027-03-14, void until 2027-03-14', 'the one that was used stays');
SELECT is(pg_temp.cancel('ann', 's2'), 'nothing', 'eight: nothing is left to be taken');
SELECT is(pg_temp.stay('ann', 's6', 9), 'nothing', 'seventeen: the first ten were had before');
SELECT is(pg_temp.stay('ann', 's7', 3), 'voucher_issued, until 2027-03-14', 'twenty: the second ten');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.refund(pg_temp.id('ann'), 's7', items => '[{"line": 1, "qty": 1}]', refund_ref => 'b1') r), 'voucher_void, until 2027-03-14', 'nineteen: one night less is one less');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');

-- What was used comes back only as far as nights stand for it.
SELECT is((SELECT pg_temp.news(r) FROM loyalty.benefit_return(pg_temp.id('ann'), 'free_night', 's5') r), 'voucher_returned, left 1, until 2027-03-14', 'nineteen nights, one voucher');
SELECT is(pg_temp.use('ann', 'free_night', 's8'), 'voucher_used, left 0, until 2027-03-14', 'used again');
SELECT is(pg_temp.cancel('ann', 's6'), 'nothing', 'ten');
SELECT is(pg_temp.cancel('ann', 's7'), 'nothing', 'eight nights');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.benefit_return(pg_temp.id('ann'), 'free_night', 's8') r), 'voucher_void, until 2027-03-14', 'which stand for none');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT is(pg_temp.stay('bob', 's1', 10) || '; ' || pg_temp.use('bob', 'free_night', 's2') || '; ' || pg_temp.stay('bob', 's2', 10) || '; ' || pg_temp.cancel('bob', 's2'),
	'voucher_issued, until 2027-03-14; voucher_used, left 0, until 2027-03-14; voucher_issued, until 2027-03-14; voucher_void, until 2027-03-14',
	'the order for which one was used is cancelled: of two, for ten nights, one stays');
SELECT is(pg_temp.vouchers('bob', 'free_night'), 'void until 2027-03-14, issued until 2027-03-14', 'open');

-- Only what is reached while entitled, and what was short until then.
SELECT FROM generate_series(1, 12) n, loyalty.record(pg_temp.id('cat'), 'drink', 3.00, 'd' || n);
SELECT is(pg_temp.vouchers('cat', 'free_drink'), 'none', 'twelve stamps of somebody who is not entitled');
SELECT FROM loyalty.tag_add(pg_temp.id('cat'), 'friend');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.record(pg_temp.id('cat'), 'share') r), 'nothing', 'who then is: an event without stamps changes nothing');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.record(pg_temp.id('cat'), 'drink', 3.00, 'd13') r), 'voucher_issued; voucher_issued', 'thirteen: two, because stamps from before count');
SELECT FROM loyalty.tag_remove(pg_temp.id('cat'), 'friend');
SELECT is((SELECT string_agg(pg_temp.news(r), '; ' ORDER BY n) FROM generate_series(14, 15) n, loyalty.record(pg_temp.id('cat'), 'drink', 3.00, 'd' || n) r), 'nothing; nothing', 'fifteen, but not entitled any more');
SELECT is(pg_temp.use('cat', 'free_drink', 'u1'), 'voucher_used, left 1', 'what was issued stays');
SELECT is((SELECT string_agg(pg_temp.news(r), '; ' ORDER BY n) FROM generate_series(10, 15) n, loyalty.refund(pg_temp.id('cat'), 'd' || n) r), 'nothing; nothing; nothing; nothing; nothing; voucher_void',
	'nine: the second five are lost, entitled or not');

-- The tier that the same stay brings counts; amounts with decimals.
SELECT FROM loyalty.record(pg_temp.id('dan'), 'drink', 30.00, 'd1');
SELECT FROM pg_temp.stay('dan', 's1', 25);
SELECT is((SELECT pg_temp.news(r) FROM loyalty.record(pg_temp.id('dan'), 'drink', 7.49, 'd2') r), 'voucher_issued; voucher_issued', 'gold, 37.49: twice 12.50');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.record(pg_temp.id('dan'), 'drink', 0.01, 'd3') r), 'voucher_issued', '37.50: the third');
UPDATE loyalty.benefit_holder SET source = 'tier', name = 'gold' WHERE benefit_id = :free_night;
SELECT is(pg_temp.stay('eve', 's1', 24), 'nothing', 'nights for gold only');
SELECT is(pg_temp.stay('eve', 's2', 1), 'voucher_issued, until 2027-03-14; voucher_issued, until 2027-03-14', 'which the twenty-fifth makes of a member');

-- Corrected by hand, switched off.
SELECT is((SELECT pg_temp.news(r) FROM loyalty.adjust(pg_temp.id('eve'), -6, 'nights', 'counted twice', key => 'a1') r), 'voucher_void, until 2027-03-14', 'nineteen by correction');
SELECT FROM loyalty.tier_grant(pg_temp.id('eve'), 'gold', 'all the same');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.adjust(pg_temp.id('eve'), 1, 'nights', 'not all of them', key => 'a2') r), 'voucher_issued, until 2027-03-14', 'twenty by another');
UPDATE loyalty.benefit SET status = 'inactive' WHERE benefit_id = :free_night;
SELECT is(pg_temp.stay('eve', 's3', 10), 'nothing', 'no more of what is inactive');
SELECT is(pg_temp.raised('UPDATE loyalty.benefit SET quantity = 12 WHERE name = ''free_night'''), 'LY808 column=quantity', 'n stays, once vouchers were issued');
SELECT alike(pg_temp.raised('SELECT loyalty.benefit_void(member_id, voucher_id, ''for fun'') FROM loyalty.voucher WHERE status = ''issued'' AND member_id = pg_temp.id(''eve'')'), 'LY413 benefit=free_night kind=every_n', 'nobody takes what follows from the nights');

-- Many at once, and never too many.
UPDATE loyalty.benefit SET status = 'active' WHERE benefit_id = :free_night;
UPDATE loyalty.benefit_holder SET source = 'everyone', name = '' WHERE benefit_id = :free_night;
SELECT is((SELECT jsonb_array_length(messages) FROM loyalty.adjust(pg_temp.id('fay'), 20000, 'nights', 'a whole house', key => 'a1')), 1000, 'a thousand at once');
SELECT is((SELECT jsonb_array_length(messages) FROM loyalty.adjust(pg_temp.id('fay'), 1, 'nights', 'and one', key => 'a2')), 1000, 'the rest next time');

-- Not before the benefit begins.
SELECT FROM pg_temp.offer('{"name": "brunch", "kind": "every_n", "unit": "stamps", "quantity": 2, "valid_from": "2026-04-01 00:00+02"}', 'everyone');
SELECT FROM loyalty.record(pg_temp.id('bob'), 'drink', 3.00, 'd1');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.record(pg_temp.id('bob'), 'drink', 3.00, 'd2') r), 'nothing', 'before it begins');
SET loyalty.now = '2026-04-01 12:00+02';
SELECT is((SELECT pg_temp.news(r) FROM loyalty.record(pg_temp.id('bob'), 'drink', 3.00, 'd3') r), 'voucher_issued', 'with the first event after that');
SET loyalty.now = '2026-03-15 12:00+00';

-- In one batch as one by one: 4, 8, 12 (one), 32 (two more) nights, and a sale of a new member.
SELECT is((SELECT done::int FROM loyalty.ingest_batch('Hotel', ARRAY(SELECT ROW(n, pg_temp.id('gil'), NULL, NULL, 100 * n, 'b' || place,
	jsonb_build_array(jsonb_build_object('sku', 'room', 'qty', n, 'price', 100)), NULL, NULL, NULL, NULL)::loyalty.ingest_row
	FROM unnest('{4,4,4,20}'::int[]) WITH ORDINALITY x (n, place) ORDER BY place), 'test')), 4, 'a batch');
SELECT is(pg_temp.vouchers('gil', 'free_night'), 'issued until 2027-03-14, issued until 2027-03-14, issued until 2027-03-14', 'thirty-two nights');
SELECT is((SELECT string_agg(j.ref, ' ' ORDER BY v.voucher_id) FROM loyalty.voucher v JOIN loyalty.journal j ON j.member_id = v.member_id AND j.journal_id = v.issued_journal_id
	WHERE v.member_id = pg_temp.id('gil')), 'b3 b4 b4', 'each by the stay that reached it');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.sale('Hotel', '{"customer_no": "new"}', 1000, 'n1', '[{"sku": "room", "qty": 10, "price": 100}]') r), 'voucher_issued, until 2027-03-14', 'who joins with ten nights');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;
